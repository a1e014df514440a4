test_that("channels are aggregated", {
  x <- random_array(2, 3, 4, 5, 2)
  block <- list(value = x, axes = list(factor(1:3), factor(1:4), factor(1:5)))
  by <- \(f) aggregate_channels(block, f, NULL)$value[, 1, , , ]
  expect_equal(by("sum"), apply(x, c(1, 3, 4, 5), sum))
  expect_equal(by("mean"), apply(x, c(1, 3, 4, 5), mean))
  expect_equal(by("norm"), apply(x, c(1, 3, 4, 5), \(v) sqrt(sum(v^2))))
  expect_equal(by(max), apply(x, c(1, 3, 4, 5), max))
  expect_error(by(range), "aggr_channels", class = "innsight_error_argument")
  tabular <- list(value = random_array(2, 3, 1))
  expect_identical(aggregate_channels(tabular, "sum", NULL), tabular)
})

test_that("fill is relative to the largest value of a panel, and 0 where all is 0", {
  lrp <- iris_lrp()
  lrp$result[[1]][[1]][2, , ] <- 0
  frame <- plot(lrp, data_idx = 1:2, output_idx = 1:3)$data
  largest <- stats::aggregate(abs(fill) ~ data + output_node, frame, max)
  expect_equal(largest[[3]], rep(c(1, 0), 3))
  expect_identical(sign(frame$fill), sign(frame$value))
})

test_that("plots have the columns of data frames", {
  columns <- c("data", "model_input", "model_output", "feature", "feature_2", "channel",
               "output_node", "value", "pred", "decomp_sum", "decomp_goal", "input_dimension",
               "fill")
  expect_true(all(columns %in% names(plot(iris_lrp())$data)))
  image <- run_grad(convert(image_net()), image_data(), verbose = FALSE)
  frame <- plot(image, data_idx = 2, output_idx = 2, aggr_channels = "mean")$data
  expect_true(all(columns %in% names(frame)))
  expect_identical(nrow(frame), 20L)
  expect_equal(frame$value, as.vector(apply(image$result[[1]][[1]][2, , , , 2], 2:3, mean)))
  global <- plot_global(iris_lrp())$data
  expect_true(all(c(columns, "boxplot_data", "individual_data") %in% names(global)))
})

test_that("nodes to plot are those computed", {
  lrp <- iris_lrp(output_idx = c(3, 1))
  nodes <- \(...) nodes_to_plot(lrp, ..., call = NULL)
  expect_identical(nodes(NULL, NULL), list(3L))
  expect_identical(nodes(1, NULL), list(1L))
  expect_identical(nodes(NULL, "setosa"), list(1L))
  expect_error(nodes(2, NULL), "Computed", class = "innsight_error_argument")
  expect_error(nodes(NULL, "versicolor"), "output_label", class = "innsight_error_argument")
  expect_warning(expect_identical(nodes(1, "virginica"), list(1L)), "output_label")

  lrp <- run_lrp(convert(two_input_net()), two_input_data(2), output_idx = list(NULL, 1),
                 verbose = FALSE)
  expect_identical(nodes(NULL, NULL), list(NULL, 1L))
  expect_identical(nodes(list(NULL, 1), NULL), list(NULL, 1L))
  expect_error(nodes(1, NULL), class = "innsight_error_argument")
})
