test_that("the reference of a long signal is a line of its own beside the medians", {
  net <- convert(list(
    input_dim = c(1, 250), input_nodes = 1, output_nodes = 2,
    layers = list(
      list(type = "Flatten", input_layers = 0, output_layers = 2),
      list(type = "Dense", weight = matrix(with_seed(1, rnorm(250)), 1), bias = 0,
           activation_name = "linear", input_layers = 1, output_layers = -1)
    )
  ))
  x <- array(with_seed(2, rnorm(10 * 250)), c(10, 1, 250))
  grad <- run_grad(net, x, times_input = TRUE, verbose = FALSE)
  value <- grad$result[[1]][[1]][, 1, , 1]
  plot <- plot_global(grad, preprocess_FUN = identity, ref_data_idx = 3)

  layer <- \(k) ggplot2::layer_data(plot[[1, 1]], k)
  expect_equal(layer(1)$ymin, apply(value, 2, stats::quantile, 0.05, names = FALSE))
  expect_equal(layer(4)$y, apply(value, 2, stats::median))
  expect_equal(layer(5)$y, value[3, ])
  expect_identical(unique(layer(5)$colour), "red")
})
