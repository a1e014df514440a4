# deepnet is not needed: its networks are lists without a class.
deepnet_fit <- function(sizes, activation, output, dropout = 0) {
  w <- random_weights(sizes)
  list(input_dim = sizes[1], output_dim = sizes[length(sizes)],
       hidden = sizes[-c(1, length(sizes))], size = sizes, activationfun = activation,
       hidden_dropout = dropout, visible_dropout = 0, output = output, W = w$weights, B = w$biases)
}

test_that("networks with all activations and outputs", {
  x <- with_seed(3, random_array(6, 3))
  ours <- c(sigm = "sigmoid", tanh = "tanh", linear = "linear", softmax = "softmax")
  for (activation in c("sigm", "tanh", "linear")) {
    for (output in c("sigm", "linear", "softmax")) {
      fit <- deepnet_fit(c(3, 5, 4, 2), activation, output)
      functions <- plain_functions[ours[c(activation, activation, output)]]
      expect_converts(fit, x, plain_forward(x, fit$W, fit$B, functions))
    }
  }
})

test_that("hidden units are scaled by what dropout keeps", {
  x <- with_seed(3, random_array(6, 3))
  fit <- deepnet_fit(c(3, 5, 4, 2), "tanh", "linear", dropout = 0.2)
  scaled <- function(x) 0.8 * tanh(x)
  expect_converts(fit, x, plain_forward(x, fit$W, fit$B, list(scaled, scaled, identity)))
})

test_that("unknown activations are errors, named lists with such entries stay what they are", {
  expect_error(convert(deepnet_fit(c(3, 2, 1), "cube", "linear")), "cube",
               class = "innsight_error_model")
  net <- c(tiny_net(), deepnet_fit(c(3, 2, 1), "tanh", "linear"))
  expect_identical(as_model_list(net), net)
})
