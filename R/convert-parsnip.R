# parsnip's fits hold the fit of the engine, workflows hold a fit of parsnip, and so on.

#' @export
as_model_list.model_fit <- function(model, ...) {
  unwrap(model$fit, model, ..., outcome = model$preproc$y_var, how_to_fit = fit_parsnip)
}

#' @export
as_model_list.model_spec <- function(model, ...) {
  unwrap(NULL, model, how_to_fit = fit_parsnip)
}

#' @export
as_model_list.workflow <- function(model, ...) {
  fit <- model$fit$fit
  if (!is.null(fit) && "recipe" %in% names(model$pre$actions)) {
    warn_preprocessing("The recipe of the workflow",
                       "hardhat::forge(data, workflows::extract_mold(fit)$blueprint)$predictors")
  }
  unwrap(fit, model, ..., how_to_fit = fit_parsnip)
}

#' @export
as_model_list.last_fit <- function(model, ...) {
  unwrap(model[[".workflow"]][[1L]], model, ..., how_to_fit = fit_parsnip)
}

#' @export
as_model_list.tune_results <- function(model, ...) {
  unwrap(NULL, model, how_to_fit = "Take the best by {.fn tune::fit_best} or {.fn tune::last_fit}.")
}

fit_parsnip <- "Fit it by {.code fit(model, formula, data)}."
