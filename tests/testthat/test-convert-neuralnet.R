test_that("a neuralnet fit converts with names and predictions", {
  saved <- readRDS(test_path("fixtures", "neuralnet_iris.rds"))
  converter <- convert(saved$fit, dtype = "double")
  expect_identical(as.character(converter$input_names[[1]][[1]]),
                   c("Sepal.Width", "Petal.Length", "Petal.Width"))
  expect_identical(as.character(converter$output_names[[1]][[1]]), "Sepal.Length")
  expect_identical(unname(vapply(converter$model$modules_list, \(l) l$activation_name, "")),
                   c("tanh", "linear"))
  expect_equal(unname(predict(converter, saved$x)), saved$prediction, tolerance = 1e-12)
})

test_that("the saved reference fits give the predictions of neuralnet", {
  skip_if(is.null(reference_dir()), "no reference data here")
  skip_if_not_installed("jsonlite")
  array_of <- function(a) aperm(array(unlist(a$data), rev(unlist(a$shape))))
  for (file in list.files(file.path(reference_dir(), "models"), "^nn_.*rds$", full.names = TRUE)) {
    truth <- jsonlite::fromJSON(sub("rds$", "json", file), simplifyVector = FALSE)
    converter <- convert(readRDS(file), dtype = "double")
    expect_equal(unname(predict(converter, array_of(truth$inputs[[1]]))),
                 array_of(truth$outputs[[1]]), tolerance = 1e-10)
  }
})

test_that("the best repetition is taken and excluded weights are 0", {
  fit <- readRDS(test_path("fixtures", "neuralnet_iris.rds"))$fit
  other <- lapply(fit$weights[[1]], `*`, 2)
  other[[1]][2, 1] <- NA
  fit$weights <- list(fit$weights[[1]], other)
  fit$result.matrix <- cbind(fit$result.matrix, fit$result.matrix)
  fit$result.matrix["error", ] <- c(2, 1)
  weight <- as_model_list(fit)$layers[[1]]$weight
  expect_equal(weight[2, 3], other[[1]][4, 2])
  expect_identical(weight[1, 1], 0)
})

test_that("unfitted and custom nets are errors", {
  fit <- readRDS(test_path("fixtures", "neuralnet_iris.rds"))$fit
  expect_error(convert(structure(list(), class = "nn")), "converge", class = "innsight_error_model")
  attr(fit$act.fct, "type") <- "function"
  expect_error(convert(fit), "activation", class = "innsight_error_model")
})
