#' @export
as_model_list.nn <- function(model, ...) {
  if (is.null(model$result.matrix) || length(model$weights) == 0L) {
    innsight_abort(
      c("{.arg model} must be a fitted neural network.",
        x = "This {.cls nn} object holds no weights: the fit did not converge.",
        i = "Raise {.arg stepmax} or {.arg threshold} of {.fn neuralnet::neuralnet}."),
      "model",
      call = quote(as_model_list(model))
    )
  }
  best <- which.min(as.matrix(model$result.matrix)["error", ])
  weights <- lapply(model$weights[[best]], function(w) replace(w, is.na(w), 0))
  hidden <- neuralnet_activation(model$act.fct)
  output <- if (isTRUE(model$linear.output)) {
    "linear"
  } else {
    neuralnet_activation(model$output.act.fct %||% model$act.fct)
  }
  n <- length(weights)
  layers <- lapply(seq_len(n), function(i) {
    w <- weights[[i]]
    dense_layer(t(w[-1L, , drop = FALSE]), w[1L, ], if (i == n) output else hidden)
  })
  named <- function(names, count) if (length(names) == count) list(list(names))
  chain_model(
    layers,
    input_dim = nrow(weights[[1L]]) - 1L,
    input_names = named(model$model.list$variables, nrow(weights[[1L]]) - 1L),
    output_names = named(model$model.list$response, ncol(weights[[n]]))
  )
}

neuralnet_activation <- function(fun) {
  type <- attr(fun, "type")
  if (!checkmate::test_string(type) || type == "function") {
    innsight_abort(
      c("The activation of a {.cls nn} fit must be one innsight knows by name.",
        x = "It is a function of your own.",
        i = "Fit with {.code act.fct = \"logistic\"} or {.code \"tanh\"}."),
      "model",
      call = quote(as_model_list(model))
    )
  }
  type
}
