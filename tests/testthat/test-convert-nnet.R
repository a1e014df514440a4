skip_if_not_installed("nnet")

iris_x <- as.matrix(iris[1:4])
two_classes <- droplevels(iris[iris$Species != "setosa", ])

# nnet cuts its logistic function off at +-15, hence the tolerance. Without a formula it keeps no
# names of the inputs.
expect_same_predictions <- function(fit, x, truth,
                                    input_names = if (!is.null(fit$coefnames)) colnames(x),
                                    output_names = colnames(truth)) {
  expect_converts(fit, x, truth, input_names, output_names, tolerance = 2e-5)
}
fit_nnet <- function(..., seed = 1) with_seed(seed, nnet::nnet(..., maxit = 30, trace = FALSE))

test_that("classification by formula and by matrix", {
  fit <- fit_nnet(Species ~ ., iris, size = 3)
  converter <- expect_same_predictions(fit, iris_x, predict(fit, iris, type = "raw"),
                                       names(iris)[1:4], levels(iris$Species))
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
  expect_same_predictions(fit, as.matrix(two_classes[1:4]), predict(fit, two_classes),
                          output_names = "virginica")
})

test_that("regression with a factor among the predictors", {
  fit <- fit_nnet(Sepal.Length ~ Species + Petal.Width, iris, size = 2, linout = TRUE, decay = 0.1)
  x <- model.matrix(~ Species + Petal.Width, iris)[, -1]
  expect_same_predictions(fit, x, predict(fit, iris), output_names = "Sepal.Length")
})

test_that("skip-layer connections and nets without a hidden layer", {
  fit <- fit_nnet(Species ~ ., iris, size = 2, skip = TRUE)
  converter <- expect_same_predictions(fit, iris_x, predict(fit, iris))
  expect_identical(names(converter$model$modules_list),
                   c("Dense_1", "Concatenate_2", "Dense_3"))
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
  expect_same_predictions(fit, x, predict(fit, two_classes, type = "probs"),
                          output_names = "virginica")
  offset <- matrix(0.1, nrow(iris), 3)
  fit <- nnet::multinom(Species ~ Sepal.Width + offset(offset), iris, trace = FALSE, maxit = 5)
  expect_error(convert(fit), "offset", class = "innsight_error_model")
})

test_that("fits without an intercept, with a Hessian, with masked weights", {
  fit <- fit_nnet(Sepal.Length ~ Species + Petal.Width - 1, iris, size = 2, linout = TRUE)
  x <- model.matrix(~ Species + Petal.Width - 1, iris)
  expect_same_predictions(fit, x, predict(fit, iris), output_names = "Sepal.Length")

  mask <- rep(c(TRUE, FALSE, TRUE), length.out = 4 * 2 + 2 + 2 * 3 + 3)
  fit <- fit_nnet(Species ~ ., iris, size = 2, Hess = TRUE, mask = mask, Wts = ifelse(mask, 0.3, 0))
  expect_same_predictions(fit, iris_x, predict(fit, iris))
  expect_identical(sum(as_model_list(fit)$layers[[1]]$weight == 0), 3L)

  # Skip-layer connections that are all masked are none.
  mask <- c(rep(TRUE, 13), rep(FALSE, 4))
  fit <- fit_nnet(iris_x, iris$Petal.Width, size = 2, skip = TRUE, linout = TRUE, mask = mask,
                  Wts = ifelse(mask, 0.3, 0))
  expect_same_predictions(fit, iris_x, predict(fit, iris_x))
})

test_that("several responses and logistic outputs without entropy or softmax", {
  y <- as.matrix(iris[3:4]) / 10
  fit <- fit_nnet(iris_x[, 1:2], y, size = 3)
  expect_same_predictions(fit, iris_x[, 1:2], predict(fit, iris_x[, 1:2]))
  fit <- fit_nnet(iris_x[, 1:2], y, size = 0, skip = TRUE, linout = TRUE)
  expect_same_predictions(fit, iris_x[, 1:2], predict(fit, iris_x[, 1:2]))
})

test_that("multinom fits of rank-deficient data, without an intercept, of counts", {
  data <- transform(iris, double = 2 * Sepal.Width)
  fit <- nnet::multinom(Species ~ Sepal.Width + double, data, trace = FALSE, maxit = 20)
  x <- as.matrix(data[c("Sepal.Width", "double")])
  expect_same_predictions(fit, x, predict(fit, data, type = "probs"))
  fit <- nnet::multinom(Species ~ Sepal.Width + Petal.Width - 1, iris, trace = FALSE, maxit = 20)
  x <- iris_x[, c("Sepal.Width", "Petal.Width")]
  expect_same_predictions(fit, x, predict(fit, iris, type = "probs"))
  counts <- 1 + nnet::class.ind(iris$Species)
  fit <- nnet::multinom(counts ~ Sepal.Width, iris, trace = FALSE, maxit = 20)
  expect_same_predictions(fit, iris_x[, "Sepal.Width", drop = FALSE],
                          predict(fit, iris, type = "probs"))
  fit <- nnet::multinom(Species ~ 1, iris, trace = FALSE)
  expect_error(convert(fit), "intercept", class = "innsight_error_model")
})

test_that("an object without its weights is an error", {
  fit <- fit_nnet(Species ~ ., iris, size = 3)
  expect_error(convert(structure(list(), class = "nnet")), "weight", class = "innsight_error_model")
  fit$wts <- fit$wts[-1]
  expect_error(convert(fit), "weight", class = "innsight_error_model")
})
