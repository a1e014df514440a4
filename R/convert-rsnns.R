# Their activation -> ours. The identity of SNNS leaves the bias out.
rsnns_activations <- c(
  Act_Logistic = "sigmoid", Act_TanH = "tanh", Act_Identity = "linear",
  Act_IdentityPlusBias = "linear"
)

#' @export
as_model_list.rsnns <- function(model, ...) {
  if (!inherits(model, "mlp")) {
    abort_model(c("{.arg model} must be a {.fn RSNNS::mlp} fit.",
                  x = "You gave {describe(model)}."))
  }
  check_installed(
    "RSNNS", "to read the weights of its models", "Or give the network as a named list.",
    quote(as_model_list(model)), "model"
  )
  rlang::try_fetch(
    {
      weights <- RSNNS::weightMatrix(model)
      units <- RSNNS::extractNetInfo(model)$unitDefinitions
    },
    error = function(e) {
      abort_model(c("{.arg model} must hold a living network.",
                    x = "{.pkg RSNNS} cannot read its weights; was it restored from a file?",
                    i = "Fit it again, or keep {.code as_model_list(model)} with it."))
    }
  )
  sizes <- c(model$nInputs, unlist(model$archParams$size), model$nOutputs)
  rsnns_model_list(weights, units, sizes, colnames(model$fitted.values))
}

#' @param weights Matrix (from, to) over all units.
#' @param units Data frame with a row for each unit: `unitBias`, `actFunc`.
#' @param sizes Units of each layer, inputs and outputs included.
#' @noRd
rsnns_model_list <- function(weights, units, sizes, output_names = NULL) {
  layer <- rep(seq_along(sizes), sizes)
  linked <- which(weights != 0, arr.ind = TRUE)
  if (length(layer) != nrow(weights) || any(layer[linked[, 2L]] != layer[linked[, 1L]] + 1L)) {
    abort_model(c("{.arg model} must be a network in which each layer feeds the next.",
                  x = "It has other connections."))
  }
  dense_model(lapply(seq_along(sizes)[-1L], function(i) {
    functions <- unique(as.character(units$actFunc[layer == i]))
    if (length(functions) != 1L || !functions %in% names(rsnns_activations)) {
      abort_model(c("The units of layer {i - 1} must share one activation that innsight knows.",
                    x = "They have {.val {functions}}.",
                    i = "Known are {.val {names(rsnns_activations)}}."))
    }
    bias <- units$unitBias[layer == i] * (functions != "Act_Identity")
    dense_layer(t(weights[layer == i - 1L, layer == i, drop = FALSE]), bias,
                rsnns_activations[[functions]])
  }), output_names = output_names)
}
