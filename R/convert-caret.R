#' @export
as_model_list.train <- function(model, ...) {
  if (!is.null(model$preProcess)) {
    warn_preprocessing("The preprocessing of {.fn train}", "predict(fit$preProcess, data)")
  }
  fit <- model$finalModel
  outcome <- if (!is.null(model$terms)) deparse1(model$terms[[2L]])
  net <- unwrap(fit, model, ..., outcome = outcome,
                how_to_fit = "Fit it by {.fn caret::train}.")
  # What train() notes at the fits of packages that do not.
  net$input_names <- net$input_names %||% layer_names(fit$xNames, net$input_dim[[1L]])
  outputs <- nrow(net$layers[[net$output_nodes]]$weight)
  net$output_names <- net$output_names %||% layer_names(fit$obsLevels, outputs)
  net
}

#' @export
as_model_list.pcaNNet <- function(model, ...) {
  warn_preprocessing("The principal component analysis of {.fn pcaNNet}",
                     "predict(fit$pc, data)")
  net <- unwrap(model$model, model, ..., how_to_fit = "Fit it by {.fn caret::pcaNNet}.")
  net$input_names <- layer_names(colnames(model$pc$rotation), net$input_dim[[1L]])
  net
}

#' @export
as_model_list.avNNet <- function(model, ...) {
  abort_model(
    c("{.arg model} must be a single network.",
      x = "{.fn avNNet} averages {length(model$model)} networks.",
      i = "Convert one of them: {.code convert(fit$model[[1]])}, in a {.fn train} fit \\
           {.code convert(fit$finalModel$model[[1]])}.")
  )
}
