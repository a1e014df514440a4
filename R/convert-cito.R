# Their loss -> the function that turns the output of the network into the response.
cito_outputs <- c(mse = "linear", mae = "linear", gaussian = "linear", binomial = "sigmoid",
                  softmax = "softmax", `cross-entropy` = "softmax")

#' @export
as_model_list.citodnn <- function(model, ...) {
  if (!is.null(model$model_properties$embeddings)) {
    abort_model(c("{.arg model} must be a {.fn dnn} fit without embeddings.",
                  i = "Give the categories to {.fn dnn} as dummy columns."))
  }
  epoch <- model$use_model_epoch
  state <- if (checkmate::test_count(epoch, positive = TRUE) && epoch <= length(model$weights)) {
    model$weights[[epoch]]
  }
  if (is.null(state)) {
    abort_model(c("{.arg model} must be a fitted model.",
                  x = "You gave {describe(model)}, which holds no weights."))
  }
  # "mse" is the default.
  loss <- if (is.null(model$call$loss)) "mse" else model$call$loss
  known <- checkmate::test_choice(loss, names(cito_outputs))
  if (!known) {
    innsight_warn(c("The loss {.code {deparse1(loss)}} does not tell the response.",
                    i = "The outputs are those of the network (the link)."))
  }
  layers <- linear_layers(state, model$model_properties$activation,
                          if (known) cito_outputs[[loss]] else "linear")
  dense_model(layers, colnames(model$data$X), model$data$ylvls %||% colnames(model$data$Y))
}

#' @export
as_model_list.citodnnBootstrap <- function(model, ...) {
  abort_model(
    c("{.arg model} must be a single network.",
      x = "A bootstrapped {.fn dnn} fit holds {length(model$models)} networks.",
      i = "Convert one of them: {.code convert(fit$models[[1]])}.")
  )
}
