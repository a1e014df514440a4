skip_if_not(suppressWarnings(requireNamespace("caret", quietly = TRUE)), "caret is not installed")

two_classes <- droplevels(iris[51:150, ])
iris_x <- as.matrix(iris[1:4])

train_fit <- function(..., tune = data.frame(size = 3, decay = 0.1), seed = 1) {
  with_seed(seed, suppressWarnings(caret::train(
    ..., tuneGrid = tune, trace = FALSE, trControl = caret::trainControl(method = "none")
  )))
}
probabilities <- function(fit, data) as.matrix(predict(fit, data, type = "prob"))

test_that("train() fits of nnet give the predictions of caret, with the names of the data", {
  fit <- train_fit(Species ~ ., iris, method = "nnet")
  expect_converts(fit, iris_x, probabilities(fit, iris), names(iris)[1:4], levels(iris$Species),
                  tolerance = 2e-5)
  fit <- train_fit(iris[1:4], iris$Species, method = "nnet")
  expect_converts(fit, iris_x, probabilities(fit, iris), names(iris)[1:4], levels(iris$Species),
                  tolerance = 2e-5)
  # Of two classes the second one.
  fit <- train_fit(Species ~ ., two_classes, method = "nnet")
  expect_converts(fit, as.matrix(two_classes[1:4]), probabilities(fit, two_classes)[, 2],
                  names(iris)[1:4], "virginica", tolerance = 2e-5)
  # A regression, whose outcome caret calls .outcome, with the dummy columns of a factor.
  fit <- train_fit(Sepal.Length ~ Species + Petal.Width, iris, method = "nnet", linout = TRUE)
  x <- model.matrix(~ Species + Petal.Width, iris)[, -1]
  expect_converts(fit, x, predict(fit, iris), colnames(x), "Sepal.Length", tolerance = 2e-5)
  fit <- train_fit(iris[2:4], iris$Sepal.Length, method = "nnet", linout = TRUE)
  expect_converts(fit, as.matrix(iris[2:4]), predict(fit, iris), names(iris)[2:4],
                  tolerance = 2e-5)
})

test_that("train() fits of multinom", {
  fit <- train_fit(Species ~ ., iris, method = "multinom", tune = data.frame(decay = 0.1))
  expect_converts(fit, iris_x, probabilities(fit, iris), names(iris)[1:4], levels(iris$Species))
})

test_that("preprocessing is left out with a warning whose code brings the data there", {
  fit <- train_fit(Species ~ ., iris, method = "nnet", preProcess = c("center", "scale"))
  expect_warning(convert(fit), "predict(fit$preProcess, data)", fixed = TRUE,
                 class = "innsight_warning_preprocessing")
  data <- predict(fit$preProcess, iris)
  suppressWarnings(expect_converts(fit, as.matrix(data[1:4]), probabilities(fit, iris),
                                   names(iris)[1:4], levels(iris$Species), tolerance = 2e-5))

  fit <- train_fit(Species ~ ., iris, method = "pcaNNet")
  expect_warning(convert(fit), "predict(fit$pc, data)", fixed = TRUE,
                 class = "innsight_warning_preprocessing")
  data <- as.matrix(predict(fit$finalModel$pc, iris[1:4]))
  outputs <- predict(fit$finalModel$model, data)
  suppressWarnings(expect_converts(fit, data, outputs, paste0("PC", 1:3), levels(iris$Species),
                                   tolerance = 2e-5))
  # Of outputs without a softmax caret makes probabilities.
  expect_equal(outputs / rowSums(outputs), probabilities(fit, iris), ignore_attr = TRUE)
})

test_that("averaged networks are an error that says how to convert one of them", {
  fit <- train_fit(Species ~ ., iris, method = "avNNet",
                   tune = data.frame(size = 2, decay = 0.1, bag = FALSE))
  expect_error(convert(fit), "averages 5 networks", class = "innsight_error_model")
  expect_s3_class(convert(fit$finalModel$model[[1]]), "Converter")
})

test_that("other engines and empty fits are errors", {
  fit <- suppressWarnings(caret::train(
    Sepal.Length ~ Sepal.Width, iris, method = "lm",
    trControl = caret::trainControl(method = "none")
  ))
  expect_error(convert(fit), "<train/train.formula>, which holds an object of class <lm>",
               class = "innsight_error_model")
  fit$finalModel <- NULL
  expect_error(convert(fit), "holds no fit", class = "innsight_error_model")
})

test_that("fits of packages that are not here, by the structure of train()", {
  w <- random_weights(c(3, 4, 2))
  net <- list(size = c(3, 4, 2), W = w$weights, B = w$biases, activationfun = "tanh",
              output = "softmax", xNames = c("a", "b", "c"), obsLevels = c("no", "yes"))
  fit <- structure(list(finalModel = net), class = "train")
  x <- with_seed(2, random_array(5, 3))
  truth <- plain_forward(x, w$weights, w$biases, plain_functions[c("tanh", "softmax")])
  expect_converts(fit, x, truth, c("a", "b", "c"), c("no", "yes"))
})
