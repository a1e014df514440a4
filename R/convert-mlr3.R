#' @export
as_model_list.Learner <- function(model, ...) {
  if (inherits(model, c("GraphLearner", "AutoTuner"))) {
    abort_model(
      c("{.arg model} must be a single learner.",
        x = "You gave {describe(model)}, which holds another one.",
        i = "Convert that: {.code convert(learner$base_learner())}.",
        i = "What a pipeline does to the data before is not a part of the network.")
    )
  }
  fit <- model$model
  # mlr3torch keeps the module among other things.
  if (inherits(model, "LearnerTorch")) fit <- fit$network
  unwrap(fit, model, ..., how_to_fit = "Train it by {.code learner$train(task)}.")
}
