# brulee and torch are not needed: the objects have the structure of brulee's (0.3 to 0.6).
brulee_fit <- function(sizes, activation, outcome, class = "brulee_mlp", dropout = FALSE,
                       y_stats = list(mean = 3, sd = 0.5)) {
  w <- random_weights(sizes)
  n <- length(w$weights)
  # Activations and dropout count as well in the numbers of the layers.
  number <- 2 * seq_len(n) - 2 + dropout * (seq_len(n) == n)
  predictors <- matrix(0, 0, sizes[1], dimnames = list(NULL, letters[seq_len(sizes[1])]))
  names <- paste0("model.", rep(number, each = 2), c(".weight", ".bias"))
  state <- unlist(Map(function(weight, bias) list(weight, array(bias)), w$weights, w$biases),
                  recursive = FALSE)
  structure(list(
    model_obj = raw(8), estimates = list(NULL, lapply(state, `*`, 2), state, NULL) |>
      lapply(function(s) if (!is.null(s)) stats::setNames(s, names)),
    best_epoch = 2L, loss = c(4, 3, 1, 2), y_stats = y_stats,
    dims = list(p = sizes[1], n = 10, h = sizes[-c(1, length(sizes))]),
    parameters = list(activation = activation),
    blueprint = list(ptypes = list(
      predictors = as.data.frame(predictors), outcomes = data.frame(y = outcome[0])
    )),
    w = w
  ), class = class)
}
x <- with_seed(3, random_array(7, 3))
truth <- function(fit, ...) plain_forward(x, fit$w$weights, fit$w$biases, plain_functions[c(...)])

test_that("a regression is on the scale of its outcome", {
  fit <- brulee_fit(c(3, 5, 4, 1), c("relu", "tanh"), 1)
  expect_converts(fit, x, 3 + 0.5 * truth(fit, "relu", "tanh", "linear"), letters[1:3], "y")
  class(fit) <- c("brulee_mlp_two_layer", "brulee_mlp")
  expect_converts(fit, x, 3 + 0.5 * truth(fit, "relu", "tanh", "linear"), letters[1:3], "y")
  fit <- brulee_fit(c(3, 1), character(), 1, "brulee_linear_reg")
  expect_converts(fit, x, 3 + 0.5 * truth(fit, "linear"), letters[1:3], "y")
})

test_that("a classification gives probabilities", {
  y <- factor(c("no", "yes"))
  fit <- brulee_fit(c(3, 5, 2), "elu", y, dropout = TRUE, y_stats = list(mean = NA, sd = NA))
  expect_converts(fit, x, truth(fit, "elu", "softmax"), letters[1:3], c("no", "yes"))
  # One activation for all hidden layers.
  fit <- brulee_fit(c(3, 5, 4, 2), "softplus", y)
  expect_converts(fit, x, truth(fit, "softplus", "softplus", "softmax"), letters[1:3],
                  c("no", "yes"))
  for (class in c("brulee_logistic_reg", "brulee_multinomial_reg")) {
    fit <- brulee_fit(c(3, 2), character(), y, class)
    expect_converts(fit, x, truth(fit, "softmax"), letters[1:3], c("no", "yes"))
  }
})

test_that("torch's activations by their names, with its arguments", {
  layer <- function(name) as_model_list(brulee_fit(c(3, 2, 1), name, 1))$layers[[1]]
  expect_identical(layer("hardsigmoid")$activation_name, "hard_sigmoid")
  expect_identical(layer("celu")$activation_name, "celu")
  expect_equal(layer("rrelu")$activation_args$negative_slope, mean(c(1 / 8, 1 / 3)))
  # Those that brulee and cito have.
  for (name in c("elu", "gelu", "hardshrink", "hardtanh", "leaky_relu", "linear", "log_sigmoid",
                 "relu", "relu6", "selu", "sigmoid", "silu", "softplus", "softshrink", "softsign",
                 "tanh", "tanhshrink")) {
    expect_s3_class(convert(brulee_fit(c(3, 2, 1), name, 1)), "Converter")
  }
  expect_error(layer("prelu"), "prelu", class = "innsight_error_model")
})

test_that("fits without estimates and other modules are errors", {
  fit <- brulee_fit(c(3, 2, 1), "relu", 1)
  for (epoch in list(NULL, 7L, 0L, -1, "a")) {
    fit["best_epoch"] <- list(epoch)
    expect_error(convert(fit), "no estimates", class = "innsight_error_model")
  }
  fit$best_epoch <- 2L
  unscaled <- structure(replace(fit, "y_stats", list(NULL)), class = "brulee_mlp")
  expect_error(convert(unscaled), "no estimates",
               class = "innsight_error_model")
  expect_error(convert(brulee_fit(c(3, 2, 1), "relu", factor(c("no", "yes")))), "2 classes",
               class = "innsight_error_model")
  fit$estimates[[3]] <- list()
  expect_error(convert(fit), "linear layers", class = "innsight_error_model")
  fit <- brulee_fit(c(3, 2, 1), "relu", 1)
  fit$estimates[[3]]$model.1.running_mean <- 1:2
  expect_error(convert(fit), "running_mean", class = "innsight_error_model")
  names(fit$estimates[[3]]) <- NULL
  expect_error(convert(fit), "linear layers", class = "innsight_error_model")
})
