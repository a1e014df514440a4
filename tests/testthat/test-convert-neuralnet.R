# The package is not needed: the objects are of the structure of its fits (1.44.6), which the saved
# fits in fixtures and in the reference data have as well.
nn_fit <- function(sizes, type = "logistic", linear_output = FALSE, seed = 1, ...) {
  w <- random_weights(sizes, seed)
  inputs <- letters[seq_len(sizes[1])]
  outputs <- LETTERS[seq_len(sizes[length(sizes)])]
  fun <- switch(type, logistic = plain_functions$sigmoid, tanh = tanh, relu = plain_functions$relu)
  fit <- list(
    response = matrix(0, 1, length(outputs), dimnames = list(NULL, outputs)),
    covariate = matrix(0, 1, length(inputs),
                       dimnames = list(NULL, if (length(inputs) == 1) "" else inputs)),
    model.list = list(response = outputs, variables = inputs),
    act.fct = structure(fun, type = type), linear.output = linear_output,
    weights = list(Map(function(w, b) rbind(b, t(w)), w$weights, w$biases)),
    result.matrix = matrix(0.1, 2, 1, dimnames = list(c("error", "steps"), NULL))
  )
  structure(utils::modifyList(fit, list(...)), class = "nn")
}
nn_predict <- function(fit, x, functions, rep = 1) {
  w <- fit$weights[[rep]]
  plain_forward(x, lapply(w, function(w) t(w[-1, , drop = FALSE])), lapply(w, function(w) w[1, ]),
                functions)
}
nn_data <- function(p) with_seed(5, random_array(6, p))
custom <- function(fun) structure(fun, type = "function")

test_that("a fit converts with names and predictions", {
  saved <- readRDS(test_path("fixtures", "neuralnet_iris.rds"))
  converter <- expect_converts(saved$fit, saved$x, saved$prediction,
                               c("Sepal.Width", "Petal.Length", "Petal.Width"), "Sepal.Length")
  expect_identical(unname(vapply(converter$model$modules_list, \(l) l$activation_name, "")),
                   c("tanh", "linear"))
})

test_that("the saved reference fits give the predictions of neuralnet", {
  skip_if(is.null(reference_dir()), "no reference data here")
  skip_if_not_installed("jsonlite")
  array_of <- function(a) aperm(array(unlist(a$data), rev(unlist(a$shape))))
  for (file in list.files(file.path(reference_dir(), "models"), "^nn_.*rds$", full.names = TRUE)) {
    fit <- readRDS(file)
    truth <- jsonlite::fromJSON(sub("rds$", "json", file), simplifyVector = FALSE)
    expect_converts(fit, array_of(truth$inputs[[1]]), array_of(truth$outputs[[1]]),
                    fit$model.list$variables, fit$model.list$response, tolerance = 1e-10)
  }
})

test_that("all shapes, activations and outputs give the plain forward pass", {
  sigmoid <- plain_functions$sigmoid
  x <- nn_data(4)
  ab <- letters[1:4]
  for (type in c("logistic", "tanh", "relu")) {
    fun <- if (type == "logistic") sigmoid else plain_functions[[type]]
    fit <- nn_fit(c(4, 5, 3, 2), type)
    expect_converts(fit, x, nn_predict(fit, x, list(fun, fun, fun)), ab, c("A", "B"))
    fit <- nn_fit(c(4, 5, 2), type, linear_output = TRUE)
    expect_converts(fit, x, nn_predict(fit, x, list(fun, identity)), ab, c("A", "B"))
  }
  # An output activation of its own.
  fit <- nn_fit(c(4, 5, 2), "tanh", output.act.fct = structure(sigmoid, type = "logistic"))
  expect_converts(fit, x, nn_predict(fit, x, list(tanh, sigmoid)), ab, c("A", "B"))
  # No hidden layer; whatever its activation would be, it plays no part.
  fit <- nn_fit(c(4, 1), "logistic")
  expect_converts(fit, x, nn_predict(fit, x, list(sigmoid)), ab, "A")
  fit <- nn_fit(c(4, 1), "logistic", linear_output = TRUE, act.fct = custom(sin))
  expect_converts(fit, x, nn_predict(fit, x, list(identity)), ab, "A")
  # One covariate, whose column has no name.
  fit <- nn_fit(c(1, 3, 1), "tanh")
  expect_converts(fit, nn_data(1), nn_predict(fit, nn_data(1), list(tanh, tanh)), "a", "A")
  # Columns that are not the variables, as of factors.
  fit <- nn_fit(c(4, 1), linear_output = TRUE)
  fit$model.list$variables <- c("a", "f")
  expect_converts(fit, x, nn_predict(fit, x, list(identity)), ab, "A")
})

test_that("of several repetitions the best one that converged is taken", {
  fit <- nn_fit(c(4, 3, 1))
  repetition <- function(seed) nn_fit(c(4, 3, 1), seed = seed)$weights[[1]]
  fit$weights <- list(NULL, NULL, repetition(3), repetition(4), NULL)
  fit$result.matrix <- rbind(error = c(0.2, 0.1), steps = 3)
  x <- nn_data(4)
  sigmoid <- plain_functions$sigmoid
  expect_converts(fit, x, nn_predict(fit, x, list(sigmoid, sigmoid), 4), letters[1:4], "A")
  fit$result.matrix["error", ] <- c(0.1, 0.2)
  expect_converts(fit, x, nn_predict(fit, x, list(sigmoid, sigmoid), 3), letters[1:4], "A")
})

test_that("excluded weights are 0", {
  fit <- nn_fit(c(4, 3, 1))
  fit$weights[[1]][[1]][c(1, 3), 2] <- NA
  expect_identical(as_model_list(fit)$layers[[1]]$weight[2, 2], 0)
  expect_identical(as_model_list(fit)$layers[[1]]$bias[2], 0)
})

test_that("custom activations are recognised by their values", {
  same <- function(fun) {
    fit <- nn_fit(c(3, 4, 2), act.fct = custom(fun))
    x <- 5 * nn_data(3)
    expect_converts(fit, x, nn_predict(fit, x, list(fun, fun)), letters[1:3], c("A", "B"),
                    tolerance = 1e-9)
    as_model_list(fit)$layers[[1]][c("activation_name", "activation_args")]
  }
  expect_identical(same(function(x) log(1 + exp(x)))[[1]], "softplus")
  expect_identical(same(function(x) (exp(x) - exp(-x)) / (exp(x) + exp(-x)))[[1]], "tanh")
  expect_identical(same(function(x) x / (1 + exp(-x)))[[1]], "silu")
  expect_identical(same(function(x) x * pnorm(x))[[1]], "gelu")
  expect_identical(same(function(x) x / (1 + abs(x)))[[1]], "softsign")
  expect_identical(same(function(x) ifelse(x > 0, x, 0))[[1]], "relu")
  expect_identical(same(function(x) ifelse(x > 0, x, 0.2 * x)),
                   list(activation_name = "leaky_relu",
                        activation_args = list(negative_slope = 0.2)))
  expect_equal(same(function(x) ifelse(x > 0, x, 0.7 * expm1(x)))[[2]], list(alpha = 0.7))
  expect_equal(same(function(x) log1p(exp(3 * x)) / 3)[[2]]$beta, 3)
  expect_equal(same(function(x) pmin(pmax(x, -0.5), 2))[[2]], list(min_val = -0.5, max_val = 2))
  expect_equal(same(function(x) pmin(pmax(0.25 * x + 0.4, 0), 1))[[2]],
               list(slope = 0.25, offset = 0.4))
  # A function of a known type and a name that the engine has.
  expect_identical(same(function(x) x)[[1]], "linear")
})

test_that("custom activations that are none of ours are errors that list ours", {
  near <- list(
    sin, function(x) x^2, function(x) 1.0001 * tanh(x), function(x) tanh(x) + 1e-6 * sin(x),
    function(x) ifelse(x > 0, x, 0.01 * x + (x < -29)), function(x) stop("no"), function(x) 1,
    function(x) NaN * x, function(x) "a", function() 1
  )
  for (fun in near) {
    fit <- nn_fit(c(3, 4, 2), act.fct = custom(fun))
    expect_error(convert(fit), "softplus", class = "innsight_error_model")
  }
  expect_error(convert(nn_fit(c(3, 4, 2), act.fct = custom(function(x) x^2))), "x^2", fixed = TRUE)
  fit <- nn_fit(c(3, 4, 2))
  fit$act.fct <- NULL
  expect_error(convert(fit), "activation", class = "innsight_error_model")
})

test_that("fits that did not converge are errors", {
  fit <- nn_fit(c(3, 4, 2))
  broken <- list(
    structure(list(), class = "nn"), replace(fit, "weights", list(NULL)),
    replace(fit, "result.matrix", list(NULL)), replace(fit, "weights", list(list(NULL, NULL)))
  )
  for (fit in broken) {
    class(fit) <- "nn"
    expect_error(convert(fit), "converge", class = "innsight_error_model")
  }
})
