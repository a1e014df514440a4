# What the tests of the model sources share. The truth is a forward pass in plain R, or the package
# the model is from.

plain_functions <- list(
  linear = identity, relu = function(x) pmax(x, 0), tanh = tanh,
  sigmoid = function(x) 1 / (1 + exp(-x)), softplus = function(x) log1p(exp(x)),
  elu = function(x) ifelse(x > 0, x, exp(x) - 1),
  softmax = function(x) exp(x) / rowSums(exp(x))
)

# Weights (out x in), biases and one function for each layer.
plain_forward <- function(x, weights, biases, functions) {
  for (i in seq_along(weights)) {
    x <- functions[[i]](sweep(x %*% t(weights[[i]]), 2, biases[[i]], "+"))
  }
  unname(x)
}

random_weights <- function(sizes, seed = 1) {
  with_seed(seed, list(
    weights = lapply(seq_along(sizes)[-1], function(i) random_array(sizes[i], sizes[i - 1])),
    biases = lapply(sizes[-1], rnorm)
  ))
}

# The fit converts with these predictions and names, and so does its model list once it was edited.
expect_converts <- function(fit, x, truth, input_names = NULL, output_names = NULL,
                            tolerance = 1e-12) {
  converter <- convert(fit, dtype = "double", save_model_as_list = TRUE)
  expect_equal(unname(predict(converter, x)), unname(as.matrix(truth)), tolerance = tolerance)
  names_of <- function(names) as.character(names[[1]][[1]])
  expect_identical(names_of(converter$input_names), input_names %||% paste0("X", seq_len(ncol(x))))
  expect_identical(names_of(converter$output_names),
                   output_names %||% paste0("Y", seq_len(ncol(as.matrix(truth)))))

  net <- converter$model_as_list
  again <- convert(net, dtype = "double")
  expect_identical(predict(again, x), predict(converter, x))
  if (net$layers[[1]]$type == "Dense" && length(net$input_nodes) == 1) {
    # Twice the weights for half the data.
    net$layers[[1]]$weight <- 2 * net$layers[[1]]$weight
    expect_equal(predict(convert(net, dtype = "double"), x / 2), predict(converter, x))
  }
  invisible(converter)
}
