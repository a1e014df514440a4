#' @export
as_model_list.brulee_mlp <- function(model, ...) brulee_model_list(model)
#' @export
as_model_list.brulee_linear_reg <- function(model, ...) brulee_model_list(model)
#' @export
as_model_list.brulee_logistic_reg <- function(model, ...) brulee_model_list(model)
#' @export
as_model_list.brulee_multinomial_reg <- function(model, ...) brulee_model_list(model)

brulee_model_list <- function(model) {
  # The first element is the state before training, which is epoch 0.
  epoch <- model$best_epoch
  state <- if (checkmate::test_count(epoch) && epoch < length(model$estimates)) {
    model$estimates[[epoch + 1]]
  }
  prototypes <- model$blueprint$ptypes
  outcome <- prototypes$outcomes[[1L]]
  scale <- if (is.factor(outcome)) c(mean = 0, sd = 1) else unlist(model$y_stats[c("mean", "sd")])
  if (is.null(state) || length(scale) != 2L || anyNA(scale)) {
    abort_model(c("{.arg model} must be a fitted model.",
                  x = "You gave {describe(model)}, which holds no estimates for its best epoch."))
  }
  layers <- linear_layers(state, model$parameters$activation,
                          if (is.factor(outcome)) "softmax" else "linear")
  # A regression is fitted to the standardised outcome.
  n <- length(layers)
  layers[[n]]$weight <- layers[[n]]$weight * scale[["sd"]]
  layers[[n]]$bias <- layers[[n]]$bias * scale[["sd"]] + scale[["mean"]]
  if (is.factor(outcome) && nrow(layers[[n]]$weight) != nlevels(outcome)) {
    abort_model(c("{.arg model} must have an output for each of its {nlevels(outcome)} classes.",
                  x = "It has {nrow(layers[[n]]$weight)}."))
  }
  dense_model(
    layers,
    if (is.character(model$dims$features)) model$dims$features else names(prototypes$predictors),
    if (is.factor(outcome)) levels(outcome) else names(prototypes$outcomes)
  )
}
