is_deepnet <- function(model) {
  all(c("W", "B", "size", "activationfun", "output") %in% names(model)) &&
    is.null(model[["layers"]])
}

deepnet_activations <- c(sigm = "sigmoid", tanh = "tanh", linear = "linear", softmax = "softmax")

deepnet_model_list <- function(model) {
  n <- length(model$W)
  kept <- 1 - (model$hidden_dropout %||% 0)
  functions <- c(model$activationfun, model$output)
  unknown <- setdiff(functions, names(deepnet_activations))
  if (length(unknown)) {
    abort_model(c("A network of {.pkg deepnet} must have known activations.",
                  x = "Not known {?is/are} {.val {unknown}}.",
                  i = "Known are {.val {names(deepnet_activations)}}."))
  }
  functions <- deepnet_activations[functions]
  dense_model(Map(function(weight, bias, i) {
    # Instead of dropping hidden units, predictions scale them.
    if (i > 1L) weight <- weight * kept
    dense_layer(weight, bias, functions[[if (i < n) 1L else 2L]])
  }, model$W, model$B, seq_len(n)))
}
