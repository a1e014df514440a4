test_that("a swarm is coloured by the input of its own feature, whatever the order", {
  skip_if_not_installed("ggbeeswarm")
  net <- convert(list(
    input_dim = 3, input_nodes = 1, output_nodes = 1, input_names = c("a", "b", "c"),
    layers = list(
      list(type = "Dense", weight = matrix(c(1, -3, 2), 1), bias = 0, activation_name = "linear",
           input_layers = 0, output_layers = -1)
    )
  ))
  x <- matrix(with_seed(1, rnorm(60)), 20, dimnames = list(NULL, c("a", "b", "c")))
  grad <- run_grad(net, x, times_input = TRUE, verbose = FALSE)
  frame <- plot_global(grad, view = "beeswarm", feature_order = "importance", max_features = 2)$data
  expect_identical(levels(frame$feature), c("b", "c"))
  expect_equal(frame$shown, as.vector(x[, c("b", "c")]))
  # The network is linear, so that values follow from inputs.
  expect_equal(frame$value, frame$shown * ifelse(frame$feature == "b", -3, 2), tolerance = 1e-6)
})
