# cito and torch are not needed: the objects have the structure of cito's (1.0 and 1.1).
cito_fit <- function(sizes, activation = "relu", loss = NULL, levels = NULL, names = "%d") {
  w <- random_weights(sizes)
  layer <- sprintf(names, 2 * seq_along(w$weights) - 2)
  state <- unlist(Map(function(weight, bias) list(weight, array(bias)), w$weights, w$biases),
                  recursive = FALSE)
  names(state) <- paste0(rep(layer, each = 2), c(".weight", ".bias"))
  structure(list(
    call = as.call(c(list(quote(dnn)), list(formula = y ~ .), loss = loss)),
    data = list(X = matrix(0, 1, sizes[1], dimnames = list(NULL, letters[seq_len(sizes[1])])),
                Y = if (is.null(levels)) matrix(0, 1, 1, dimnames = list(NULL, "y")),
                ylvls = levels),
    weights = list(lapply(state, `*`, 3), state), use_model_epoch = 2, loaded_model_epoch = 0,
    model_properties = list(activation = activation), w = w
  ), class = "citodnn")
}
x <- with_seed(3, random_array(7, 3))
truth <- function(fit, ...) plain_forward(x, fit$w$weights, fit$w$biases, plain_functions[c(...)])

test_that("fits give the response their loss tells", {
  fit <- cito_fit(c(3, 5, 4, 1))
  expect_converts(fit, x, truth(fit, "relu", "relu", "linear"), letters[1:3], "y")
  fit <- cito_fit(c(3, 5, 4, 2), c("tanh", "relu"), "softmax", c("no", "yes"), "l_%d")
  expect_converts(fit, x, truth(fit, "tanh", "relu", "softmax"), letters[1:3], c("no", "yes"))
  fit <- cito_fit(c(3, 5, 1), "elu", "binomial")
  expect_converts(fit, x, truth(fit, "elu", "sigmoid"), letters[1:3], "y")
  # Without hidden layers.
  fit <- cito_fit(c(3, 1), NULL, "gaussian")
  expect_converts(fit, x, truth(fit, "linear"), letters[1:3], "y")
})

test_that("layers without a bias have none", {
  fit <- cito_fit(c(3, 5, 1))
  fit$weights[[2]][["0.bias"]] <- NULL
  fit$w$biases[[1]] <- numeric(5)
  expect_converts(fit, x, truth(fit, "relu", "linear"), letters[1:3], "y")
})

test_that("another loss gives the link, with a warning", {
  for (loss in list("poisson", quote(stats::poisson()), quote(my_loss))) {
    fit <- cito_fit(c(3, 5, 1), "relu", loss)
    expect_warning(convert(fit), "the link", class = "innsight_warning")
    suppressWarnings(expect_converts(fit, x, truth(fit, "relu", "linear"), letters[1:3], "y"))
  }
})

test_that("what is not a single network of known layers is an error", {
  fit <- cito_fit(c(3, 5, 1))
  fit$use_model_epoch <- 3
  expect_error(convert(fit), "no weights", class = "innsight_error_model")
  fit <- cito_fit(c(3, 5, 1))
  fit$model_properties$embeddings <- list(dims = 2)
  expect_error(convert(fit), "embeddings", class = "innsight_error_model")
  fit <- cito_fit(c(3, 5, 1), "prelu")
  expect_error(convert(fit), "prelu", class = "innsight_error_model")
  fit$weights[[2]][["1.weight"]] <- array(0.25)
  expect_error(convert(fit), "1.weight", class = "innsight_error_model")
  many <- structure(list(models = list(fit, fit)), class = "citodnnBootstrap")
  expect_error(convert(many), "2 networks", class = "innsight_error_model")
})
