# mlr3 is not needed: a learner is an environment with the fit of its package in `model`.
skip_if_not_installed("nnet")

engine_fit <- with_seed(1, nnet::nnet(Species ~ ., iris, size = 2, maxit = 20, trace = FALSE))
learner <- function(model, ...) {
  structure(list2env(list(model = model)), class = c(..., "Learner", "R6"))
}

test_that("a trained learner is the fit of its package", {
  expect_converts(learner(engine_fit, "LearnerClassifNnet", "LearnerClassif"), as.matrix(iris[1:4]),
                  predict(engine_fit, iris), names(iris)[1:4], levels(iris$Species),
                  tolerance = 2e-5)
})

test_that("of a torch learner the network is taken", {
  model <- learner(list(network = tiny_net(), epochs = 3), "LearnerTorchMLP", "LearnerTorch")
  expect_identical(as_model_list(model), tiny_net())
})

test_that("untrained and nested learners, and those without a network, are errors", {
  expect_error(convert(learner(NULL, "LearnerClassifNnet")), "learner$train(task)", fixed = TRUE,
               class = "innsight_error_model")
  expect_error(convert(learner(NULL, "LearnerTorchMLP", "LearnerTorch")), "train",
               class = "innsight_error_model")
  expect_error(convert(learner(list(), "GraphLearner")), "base_learner",
               class = "innsight_error_model")
  expect_error(convert(learner(list(), "AutoTuner")), "base_learner",
               class = "innsight_error_model")
  expect_error(convert(learner(structure(list(), class = "ranger"), "LearnerClassifRanger")),
               "<ranger>", class = "innsight_error_model")
})
