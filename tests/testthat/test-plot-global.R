test_that("there is one box per feature and node over the chosen data", {
  lrp <- iris_lrp()
  plot <- plot_global(lrp, output_idx = 1:3)
  expect_s3_class(plot, "ggplot")
  boxes <- ggplot2::layer_data(plot, 2)
  expect_identical(nrow(boxes), 12L)
  value <- abs(lrp$result[[1]][[1]])
  expect_equal(boxes$middle, as.vector(apply(value, 2:3, stats::median)))
  draws(plot)

  some <- ggplot2::layer_data(plot_global(lrp, data_idx = 1:10), 2)
  expect_equal(some$middle, apply(value[1:10, , 1], 2, stats::median))
  expect_identical(boxplot(lrp)$data, plot_global(lrp)$data)
  expect_identical(lrp$plot_global()$data, plot_global(lrp)$data)
  draws(boxplot(lrp) + ggplot2::geom_jitter(width = 0.3, alpha = 0.4))
})

test_that("preprocess_FUN acts on the stored array", {
  lrp <- iris_lrp()
  expect_identical(plot_global(lrp, preprocess_FUN = identity)$data$value,
                   as.vector(lrp$result[[1]][[1]][, , 1]))
  signal <- run_grad(convert(signal_net()), signal_data(), verbose = FALSE)
  expect_equal(plot_global(signal)$data$value,
               as.vector(apply(abs(signal$result[[1]][[1]][, , , 1]), c(1, 3), sum)))
  draws(plot_global(signal))
})

test_that("a reference point is drawn in red, even outside the data chosen", {
  lrp <- iris_lrp()
  plot <- plot_global(lrp, data_idx = 1:50, ref_data_idx = 102, preprocess_FUN = identity)
  red <- ggplot2::layer_data(plot, 3)
  expect_identical(unique(red$colour), "red")
  expect_equal(red$ymin, lrp$result[[1]][[1]][102, , 1])
  expect_identical(sum(plot$data$boxplot_data), 200L)
  expect_identical(nrow(plot$data), 204L)
  expect_equal(ggplot2::layer_data(plot, 2)$middle,
               apply(lrp$result[[1]][[1]][1:50, , 1], 2, stats::median))
  draws(plot)
})

test_that("individual points are marked", {
  marked <- \(...) unique(as.character(with(
    plot_global(iris_lrp(), ...)$data, data[individual_data]
  )))
  expect_identical(marked(), paste0("data_", 1:20))
  expect_identical(marked(individual_data_idx = c(5, 8), ref_data_idx = 9),
                   paste0("data_", c(5, 8, 9)))
  expect_identical(marked(individual_max = 2), paste0("data_", 1:2))
})

test_that("images are summarised by the median of every pixel", {
  image <- run_grad(convert(image_net()), image_data(), verbose = FALSE)
  plot <- plot_global(image, output_idx = 1:2, ref_data_idx = 1)
  pixels <- apply(abs(image$result[[1]][[1]]), c(1, 3, 4, 5), sum)
  expect_equal(plot$data$value, as.vector(apply(pixels, 2:4, stats::median)))
  expect_equal(max(plot$data$fill), 1)
  draws(plot)
  expect_warning(boxplot(image), "tabular", class = "innsight_warning")
})

test_that("medians of columns are those of stats::median()", {
  for (n in 1:5) {
    x <- random_array(n, 7)
    expect_equal(column_medians(x), apply(x, 2, stats::median))
  }
  x[2, 3] <- NA
  expect_equal(column_medians(x), apply(x, 2, stats::median, na.rm = TRUE))
})

test_that("several layers share a plot or make a list", {
  tabular <- run_lrp(convert(unconnected_net()), unconnected_data(), verbose = FALSE,
                     output_idx = list(1:2, 1:2))
  draws(plot_global(tabular, output_idx = list(1, 2), ref_data_idx = 1))
  mixed <- run_lrp(convert(two_input_net()), two_input_data(), verbose = FALSE)
  expect_length(plot_global(mixed), 2)
})

test_that("wrong arguments of plot_global() are errors that say what is accepted", {
  lrp <- iris_lrp(output_idx = 1:2)
  expect_snapshot(error = TRUE, {
    plot_global(lrp, data_idx = 151)
    plot_global(lrp, data_idx = "some")
    plot_global(lrp, output_idx = 3)
    plot_global(lrp, ref_data_idx = 151)
    plot_global(lrp, ref_data_idx = 1:2)
    plot_global(lrp, preprocess_FUN = "abs")
    plot_global(lrp, preprocess_FUN = \(x) 1)
    plot_global(lrp, individual_data_idx = 0)
    plot_global(lrp, individual_max = 0)
    plot_global(lrp, as_plotly = TRUE)
    plot_global(lrp, dat_idx = 1)
  })
  expect_snapshot(plot <- boxplot(lrp, output_idx = 1, output_label = "versicolor"))
})
