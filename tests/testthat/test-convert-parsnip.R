# parsnip, workflows and tune are not needed: the objects have the documented structure of theirs.
skip_if_not_installed("nnet")

engine_fit <- with_seed(1, nnet::nnet(Species ~ ., iris, size = 2, maxit = 20, trace = FALSE))
iris_x <- as.matrix(iris[1:4])
probabilities <- predict(engine_fit, iris)

parsnip_fit <- function(fit, class = "_nnet.formula", y = "Species") {
  structure(list(lvl = levels(iris$Species), spec = NULL, fit = fit, preproc = list(y_var = y)),
            class = c(class, "model_fit"))
}
workflow_of <- function(fit, ...) {
  structure(list(pre = list(actions = list(...)), fit = list(fit = fit), trained = !is.null(fit)),
            class = "workflow")
}
expect_same <- function(model, ...) {
  expect_converts(model, iris_x, probabilities, names(iris)[1:4], levels(iris$Species),
                  tolerance = 2e-5)
}

test_that("parsnip fits, workflows and last fits are the fits of their engine", {
  expect_same(parsnip_fit(engine_fit))
  flow <- workflow_of(parsnip_fit(engine_fit), formula = list())
  expect_same(flow)
  results <- data.frame(id = "train/test split")
  results$.workflow <- list(flow)
  expect_same(structure(results, class = c("last_fit", "tune_results", "data.frame")))
})

test_that("the steps of a recipe are left out with a warning", {
  flow <- workflow_of(parsnip_fit(engine_fit), recipe = list())
  expect_warning(convert(flow), "extract_mold", class = "innsight_warning_preprocessing")
  suppressWarnings(expect_same(flow))
})

test_that("what is not fitted says how to fit", {
  unfitted <- list(
    structure(list(), class = c("mlp", "model_spec")), parsnip_fit(NULL), workflow_of(NULL),
    structure(data.frame(id = "x"), class = c("last_fit", "tune_results", "data.frame")),
    structure(data.frame(id = "x"), class = c("tune_results", "data.frame"))
  )
  for (model in unfitted) {
    expect_error(convert(model), "holds no fit.*Fit it|holds no fit.*fit_best",
                 class = "innsight_error_model")
  }
})

test_that("an engine without networks is an error that names both", {
  fit <- parsnip_fit(structure(list(), class = "ranger"), "_ranger")
  expect_error(convert(fit), "<_ranger/model_fit>, which holds an object of class <ranger>",
               class = "innsight_error_model")
  expect_error(convert(workflow_of(fit)), "<workflow>, which holds an object of class <ranger>",
               class = "innsight_error_model")
  failed <- parsnip_fit(structure("Error", class = "try-error"))
  expect_error(convert(failed), "try-error", class = "innsight_error_model")
})
