# RSNNS is not needed: what it tells about a network, a weight matrix over all units and a table of
# the units, is made by hand.
rsnns_parts <- function(sizes, functions) {
  w <- random_weights(sizes)
  layer <- rep(seq_along(sizes), sizes)
  weights <- matrix(0, length(layer), length(layer))
  for (i in seq_along(w$weights)) weights[layer == i, layer == i + 1] <- t(w$weights[[i]])
  list(
    weights = weights, sizes = sizes, w = w,
    units = data.frame(unitBias = c(rep(0.7, sizes[1]), unlist(w$biases)),
                       actFunc = factor(rep(functions, sizes)))
  )
}
converted <- function(parts) rsnns_model_list(parts$weights, parts$units, parts$sizes, c("A", "B"))

test_that("weights and biases are taken from the units", {
  x <- with_seed(3, random_array(6, 3))
  parts <- rsnns_parts(c(3, 5, 4, 2), c("Act_Identity", "Act_TanH", "Act_Logistic",
                                        "Act_IdentityPlusBias"))
  truth <- plain_forward(x, parts$w$weights, parts$w$biases,
                         plain_functions[c("tanh", "sigmoid", "linear")])
  expect_converts(converted(parts), x, truth, output_names = c("A", "B"))
  # The identity of SNNS leaves the bias out.
  parts$units$actFunc <- rep(c("Act_Logistic", "Act_Logistic", "Act_Logistic", "Act_Identity"),
                             parts$sizes)
  parts$w$biases[[3]] <- c(0, 0)
  truth <- plain_forward(x, parts$w$weights, parts$w$biases,
                         plain_functions[c("sigmoid", "sigmoid", "linear")])
  expect_converts(converted(parts), x, truth, output_names = c("A", "B"))
})

test_that("other connections and activations are errors", {
  parts <- rsnns_parts(c(3, 4, 2), rep("Act_Logistic", 3))
  skipping <- parts
  skipping$weights[1, 9] <- 1
  expect_error(converted(skipping), "connections", class = "innsight_error_model")
  skipping$sizes <- c(3, 2)
  expect_error(converted(skipping), "connections", class = "innsight_error_model")
  parts$units$actFunc <- rep(c("Act_Logistic", "Act_Signum", "Act_Logistic"), parts$sizes)
  expect_error(converted(parts), "Act_Signum", class = "innsight_error_model")
})

test_that("models without their package, and other models of it, are errors", {
  fit <- structure(list(), class = c("mlp", "reg_class", "rsnns"))
  if (!requireNamespace("RSNNS", quietly = TRUE)) {
    expect_error(convert(fit), "must be installed", class = "innsight_error_model")
  } else {
    expect_error(convert(fit), "living", class = "innsight_error_model")
  }
  fit <- structure(list(), class = c("elman", "reg_class", "rsnns"))
  expect_error(convert(fit), "mlp", class = "innsight_error_model")
})
