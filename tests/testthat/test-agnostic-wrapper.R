wrap <- function(...) AgnosticWrapper$new(...)

test_that("a prediction function gets a data frame with names and the shape", {
  seen <- NULL
  record <- function(newdata, input_dim) {
    seen <<- list(newdata = newdata, input_dim = input_dim)
    rowSums(newdata)
  }
  data <- iris[1:5, 1:4]
  wrapper <- wrap(NULL, data, iris[, 1:4], "regression", record)
  expect_equal(seen$newdata, data)
  expect_identical(seen$input_dim, 4L)
  expect_identical(wrapper$preds, list(as.matrix(unname(rowSums(data)))))
  expect_identical(wrapper$data_orig, data)
  expect_identical(wrapper$data_ref, list(as.matrix(iris[, 1:4])), ignore_attr = TRUE)

  x <- with_seed(1, random_array(3, 2, 4, 5))
  wrap(NULL, x, x, "regression", record)
  expect_equal(unname(seen$newdata), unname(as.data.frame(x)))
  expect_identical(names(seen$newdata), names(as.data.frame(x)))
  expect_identical(seen$input_dim, c(2L, 4L, 5L))
  wrap(NULL, x, x, "regression", record, channels_first = FALSE)
  expect_equal(unname(seen$newdata), unname(as.data.frame(x)))
  expect_identical(seen$input_dim, c(5L, 2L, 4L))
  # Without `...` and `input_dim`, the data frame is all it gets.
  expect_no_error(wrap(NULL, data, data, "regression", function(newdata) newdata[[1]]))
})

test_that("predictions may be vectors, matrices, data frames and arrays", {
  x <- agnostic_data(4, 2)
  preds <- function(f, x) wrap(NULL, x, x, "regression", f)$preds[[1]]
  for (as in list(as.vector, as.array, identity, as.data.frame, cbind)) {
    expect_equal(unname(preds(\(newdata, ...) as(newdata[[1]] > 0), x)), matrix(x[, 1] > 0) + 0)
  }
  # A single data point whose two outputs have lost their dim.
  expect_equal(unname(preds(\(newdata, ...) c(a = 1, b = 2), x[1, , drop = FALSE])),
               matrix(c(1, 2), 1))
})

test_that("names come from the arguments, the data, the model or are made up", {
  names_of <- function(...) {
    converter <- wrap(...)$converter
    lapply(c(converter$input_names[[1]], converter$output_names[[1]]), as.character)
  }
  x <- agnostic_data(3, 2)
  f <- function(newdata, ...) cbind(no = newdata[[1]], yes = 1)
  net <- c(dense_net(c(2, 2), "linear"),
           list(input_names = list(list(c("p", "q"))), output_names = list(list(c("r", "s")))))
  converter <- convert(net)
  frame <- data.frame(c1 = x[, 1], c2 = x[, 2])
  regress <- function(...) names_of(..., output_type = "regression")
  expect_identical(regress(NULL, x, x, pred_fun = f), list(c("X1", "X2"), c("no", "yes")))
  expect_identical(regress(NULL, x, x, pred_fun = \(newdata, ...) newdata[[1]]),
                   list(c("X1", "X2"), "Y1"))
  expect_identical(regress(NULL, x, frame, pred_fun = f), list(c("c1", "c2"), c("no", "yes")))
  expect_identical(regress(NULL, x, frame, pred_fun = f, input_names = c("u", "v"),
                           output_names = c("w", "x")), list(c("u", "v"), c("w", "x")))
  expect_identical(regress(converter, x, x, pred_fun = f), list(c("p", "q"), c("no", "yes")))
  expect_identical(names_of(converter, x, x), list(c("p", "q"), c("r", "s")))
  expect_identical(names_of(converter, x, frame), list(c("c1", "c2"), c("r", "s")))
  # The converter itself is left as it is.
  expect_identical(as.character(converter$input_names[[1]][[1]]), c("p", "q"))
  expect_identical(wrap(converter, x, x)$converter, converter)
  renamed <- wrap(converter, x, frame)$converter
  expect_equal(unname(predict(renamed, x)), unname(predict(converter, x)))
})

test_that("models that can be converted bring their own predictions", {
  skip_if_not_installed("nnet")
  fit <- with_seed(1, nnet::nnet(Species ~ ., iris, size = 2, trace = FALSE))
  x <- iris[c(1, 51, 101), 1:4]
  wrapper <- wrap(fit, x)
  expect_equal(unname(wrapper$preds[[1]]), unname(predict(fit, x)), tolerance = 1e-5)
  expect_s3_class(wrapper$converter, "Converter")
  expect_identical(wrapper$output_label, list(levels(iris$Species)))
  neuralnet <- readRDS(test_path("fixtures", "neuralnet_iris.rds"))
  shap <- run_shap(neuralnet$fit, neuralnet$x, iris[, 2:4])
  expect_equal(shap$preds[[1]], neuralnet$prediction, tolerance = 1e-5, ignore_attr = TRUE)
  list_model <- run_shap(dense_net(c(4, 2), "linear"), x, iris[, 1:4])
  expect_identical(dim(get_result(list_model)), c(3L, 4L, 2L))
})

test_that("any other model works by its prediction function", {
  skip_if_not_installed("MASS")
  fit <- MASS::lda(Species ~ ., iris)
  predict_lda <- function(newdata, ...) predict(fit, newdata)$posterior
  x <- iris[c(1, 70, 120), 1:4]
  shap <- run_shap(fit, x, iris[, 1:4], predict_lda)
  expect_equal(apply(get_result(shap), c(1, 3), sum),
               unname(predict_lda(x)) - rep(colMeans(predict_lda(iris)), each = 3),
               ignore_attr = TRUE)
  expect_identical(shap$output_label, list(levels(iris$Species)))
  lime <- with_seed(1, run_lime(fit, x, iris[, 1:4], "classification", predict_lda))
  # The bin of the petals says most about the first class.
  expect_true(all(get_result(lime)[1, c("Petal.Length", "Petal.Width"), "setosa"] > 0.1))
})

test_that("the kind of output follows the last activation", {
  type <- \(act) wrap(convert(dense_net(c(2, 3), act)), agnostic_data(2, 2))$output_type
  for (act in c("softmax", "sigmoid", "logistic", "tanh")) {
    expect_identical(type(act), "classification")
  }
  for (act in c("linear", "relu")) expect_identical(type(act), "regression")
  x <- agnostic_data(2, 2)
  expect_identical(wrap(convert(dense_net(c(2, 3), "relu")), x, x, "classification")$output_type,
                   "classification")
})

test_that("what is wrong with model, prediction function or data is said", {
  x <- agnostic_data(4, 2)
  f <- interacting
  expect_wrong <- function(code, text, kind = "argument") {
    expect_error(code, text, class = paste0("innsight_error_", kind))
  }
  expect_wrong(wrap(data = x), "model")
  expect_wrong(wrap(NULL), "data")
  error <- expect_error(wrap(lm(dist ~ speed, cars), x), "pred_fun", class = "innsight_error_model")
  expect_s3_class(error$parent, "innsight_error_model")
  expect_wrong(wrap(structure(list(), class = "nn_module"), x), "pred_fun", "model")
  expect_wrong(wrap(two_input_net(), two_input_data()), "one input layer", "model")
  expect_wrong(run_shap(convert(unconnected_net()), x, x), "2 output layers", "model")

  expect_wrong(wrap(NULL, x, x, "regression", "f"), "pred_fun")
  expect_wrong(wrap(NULL, x, x, "regression", function(x, ...) 1), "newdata")
  expect_wrong(wrap(NULL, x, x, "regression", sum), "newdata")
  expect_wrong(wrap(NULL, x, x, pred_fun = \(newdata) newdata), "output_type")
  expect_wrong(wrap(NULL, x, x, "ranking", \(newdata) newdata), "output_type")
  error <- expect_error(wrap(NULL, x, x, "regression", \(newdata) stop("100 %s {no}")), "pred_fun",
                        class = "innsight_error_argument")
  expect_identical(conditionMessage(error$parent), "100 %s {no}")
  returns <- \(value) wrap(NULL, x, x, "regression", function(newdata, ...) value)
  expect_wrong(returns(1:3), "4 rows", "shape")
  expect_wrong(returns(array(1, c(4, 2, 2))), "4 rows", "shape")
  expect_wrong(returns(letters[1:4]), "numeric")
  expect_wrong(returns(c(1, 2, NA, 4)), "finite")
  expect_wrong(returns(NULL), "pred_fun")
  varying <- \(newdata, ...) if (nrow(newdata) == 4) 1:4 else cbind(seq_len(nrow(newdata)), 1)
  expect_wrong(run_shap(NULL, x, x[1:2, ], varying), "same number of outputs", "shape")

  net <- dense_net(c(2, 3), "linear")
  expect_wrong(wrap(net, x, agnostic_data(3, 5)), "data_ref", "shape")
  expect_wrong(wrap(net, agnostic_data(3, 5), x), "data", "shape")
  expect_wrong(wrap(net, x, x, input_dim = 3), "input_dim", "shape")
  expect_wrong(wrap(NULL, x, x, "regression", \(newdata) 1:4, input_dim = 3), "data", "shape")
  expect_wrong(wrap(net, x, x, input_dim = list(2, 2)), "input_dim")
  expect_wrong(wrap(net, x, x, input_names = "a"), "input_names", "shape")
  expect_wrong(wrap(net, x, x, output_names = "a"), "output_names", "shape")
  expect_wrong(wrap(net, x, x, output_idx = 4), "output_idx")
  expect_wrong(wrap(net, x, x, output_label = "a"), "output_label")
  expect_wrong(wrap(net, x, x, channels_first = NA), "channels_first")
  expect_wrong(wrap(NULL, list(x, x), list(x, x), "regression", \(newdata) 1:4), "one array",
               "shape")
  expect_wrong(wrap(NULL, 1:3, 1:3, "regression", \(newdata) 1), "input_dim", "shape")
  expect_wrong(wrap(NULL, iris, iris, "regression", \(newdata) 1), "Species")
})

test_that("the wrapper itself has no values to show", {
  wrapper <- wrap(dense_net(c(2, 3), "linear"), agnostic_data(3, 2))
  expect_s3_class(wrapper, c("AgnosticWrapper", "InterpretingMethod", "R6"), exact = TRUE)
  expect_named(
    formals(AgnosticWrapper$public_methods$initialize),
    c("model", "data", "data_ref", "output_type", "pred_fun", "output_idx", "output_label",
      "channels_first", "input_dim", "input_names", "output_names")
  )
  expect_output(print(wrapper), "AgnosticWrapper")
  for (show in list(plot, plot_global, summary, as.data.frame)) {
    expect_error(show(wrapper), "no values", class = "innsight_error_argument")
  }
  # What it keeps in the place of a converter is none.
  custom <- wrap(NULL, agnostic_data(3, 2), NULL, "regression", \(newdata) newdata)
  expect_error(run_grad(custom$converter, agnostic_data(3, 2)), "Converter",
               class = "innsight_error_argument")
})

test_that("results survive saveRDS()", {
  file <- tempfile()
  shap <- run_shap(dense_net(c(2, 3), "linear"), agnostic_data(3, 2), agnostic_data(4, 2, 2))
  saveRDS(shap, file)
  expect_identical(get_result(readRDS(file)), get_result(shap))
})
