skip_if_not_installed("nnet")

iris_x <- as.matrix(iris[1:4])
two_classes <- droplevels(iris[iris$Species != "setosa", ])

# nnet cuts its logistic function off at +-15, hence the tolerance.
expect_same_predictions <- function(fit, x, truth) {
  converter <- convert(fit, dtype = "double")
  expect_equal(unname(predict(converter, x)), unname(as.matrix(truth)), tolerance = 2e-5)
  invisible(converter)
}
fit_nnet <- function(..., seed = 1) with_seed(seed, nnet::nnet(..., maxit = 30, trace = FALSE))

test_that("classification by formula and by matrix", {
  fit <- fit_nnet(Species ~ ., iris, size = 3)
  converter <- expect_same_predictions(fit, iris_x, predict(fit, iris, type = "raw"))
  expect_identical(as.character(converter$input_names[[1]][[1]]), names(iris)[1:4])
  expect_identical(as.character(converter$output_names[[1]][[1]]), levels(iris$Species))
  expect_identical(names(converter$model$modules_list), c("Dense_1", "Dense_2"))

  fit <- fit_nnet(iris_x, nnet::class.ind(iris$Species), size = 2, softmax = TRUE)
  expect_same_predictions(fit, iris_x, predict(fit, iris_x))
  fit <- fit_nnet(iris_x, nnet::class.ind(iris$Species), size = 2, censored = TRUE)
  expect_same_predictions(fit, iris_x, predict(fit, iris_x))
  fit <- fit_nnet(iris_x, nnet::class.ind(iris$Species), size = 2, entropy = TRUE)
  expect_same_predictions(fit, iris_x, predict(fit, iris_x))
})

test_that("a factor of two levels has one output, named by the second", {
  fit <- fit_nnet(Species ~ ., two_classes, size = 2)
  converter <- expect_same_predictions(fit, as.matrix(two_classes[1:4]), predict(fit, two_classes))
  expect_identical(as.character(converter$output_names[[1]][[1]]), "virginica")
})

test_that("regression with a factor among the predictors", {
  fit <- fit_nnet(Sepal.Length ~ Species + Petal.Width, iris, size = 2, linout = TRUE, decay = 0.1)
  x <- model.matrix(~ Species + Petal.Width, iris)[, -1]
  converter <- expect_same_predictions(fit, x, predict(fit, iris))
  expect_identical(as.character(converter$input_names[[1]][[1]]), colnames(x))
  expect_identical(as.character(converter$output_names[[1]][[1]]), "Sepal.Length")
})

test_that("skip-layer connections and nets without a hidden layer", {
  fit <- fit_nnet(Species ~ ., iris, size = 2, skip = TRUE)
  converter <- expect_same_predictions(fit, iris_x, predict(fit, iris))
  expect_identical(names(converter$model$modules_list),
                   c("Skipping_1", "Dense_2", "Concatenate_3", "Dense_4"))
  fit <- fit_nnet(Species ~ ., iris, size = 0, skip = TRUE)
  converter <- expect_same_predictions(fit, iris_x, predict(fit, iris))
  expect_identical(names(converter$model$modules_list), "Dense_1")
})

test_that("multinom fits, whose intercept becomes the bias", {
  fit <- nnet::multinom(Species ~ ., iris, trace = FALSE, maxit = 20)
  converter <- expect_same_predictions(fit, iris_x, predict(fit, iris, type = "probs"))
  expect_identical(converter$input_dim, list(4L))
  fit <- nnet::multinom(Species ~ ., two_classes, trace = FALSE, maxit = 10)
  x <- as.matrix(two_classes[1:4])
  expect_same_predictions(fit, x, predict(fit, two_classes, type = "probs"))
  offset <- matrix(0.1, nrow(iris), 3)
  fit <- nnet::multinom(Species ~ Sepal.Width + offset(offset), iris, trace = FALSE, maxit = 5)
  expect_error(convert(fit), "offset", class = "innsight_error_model")
})
