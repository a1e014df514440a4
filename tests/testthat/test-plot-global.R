test_that("there is one box per feature and node over the chosen data", {
  lrp <- iris_lrp()
  plot <- plot_global(lrp, output_idx = 1:3)
  expect_s4_class(plot, "innsight_ggplot2")
  expect_identical(dim(plot), c(rows = 1L, columns = 3L))
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
  by_default <- plot_global(iris_lrp(output_idx = c(3, 1)))
  expect_identical(levels(droplevels(by_default$data$output_node)), "virginica")
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

test_that("quantiles of columns are those of stats::quantile()", {
  probs <- c(0.5, 0, 0.05, 0.25, 0.75, 0.95, 1)
  by_hand <- \(x) apply(x, 2, stats::quantile, probs = probs, names = FALSE, na.rm = TRUE)
  for (n in c(1:6, 20, 101)) {
    x <- random_array(n, 7)
    expect_equal(column_quantiles(x, probs), by_hand(x))
  }
  x[2, 3] <- NA
  x[, 5] <- NA
  expect_equal(column_quantiles(x, probs), by_hand(x))
  expect_equal(as.vector(column_quantiles(x, 0.5)), by_hand(x)[1, ])
})

# A convolution over `length` positions, and a result for it that needs no computation.
long_signal <- function(length, n) {
  net <- list(
    input_dim = c(1, length), input_nodes = 1, output_nodes = 2,
    layers = list(
      list(type = "GlobalPooling", method = "average", input_layers = 0, output_layers = 2),
      list(type = "Dense", weight = matrix(1:2, 2), bias = c(0, 0), activation_name = "linear",
           input_layers = 1, output_layers = -1)
    )
  )
  x <- run_grad(convert(net), with_seed(2, random_array(n, 1, length)), times_input = TRUE,
                verbose = FALSE)
  x$result[[1]][[1]] <- with_seed(3, random_array(n, 1, length, 2))
  x
}

test_that("long signals are summarised by the bands between quantiles", {
  signal <- long_signal(300, 11)
  value <- signal$result[[1]][[1]][, 1, , 1]
  picture <- plot_global(signal, data_idx = 1:9, ref_data_idx = 11, preprocess_FUN = identity)
  frame <- picture$data
  expect_identical(nrow(frame), 600L)
  median <- frame[frame$boxplot_data, ]
  expect_identical(unique(as.character(median$data)), "data_median")
  for (q in c("q05", "q25", "q75", "q95")) {
    prob <- as.numeric(sub("q", "", q)) / 100
    expect_equal(median[[q]], apply(value[1:9, ], 2, stats::quantile, prob, names = FALSE))
  }
  expect_equal(median$value, apply(value[1:9, ], 2, stats::median))
  expect_equal(frame$value[frame$reference], value[11, ])
  ribbon <- ggplot2::layer_data(picture, 1)
  expect_equal(c(ribbon$ymin, ribbon$ymax), c(median$q05, median$q95))
  draws(picture)
  # A reference out of the data changes nothing but its own line.
  inside <- plot_global(signal, data_idx = 1:9, ref_data_idx = 3, preprocess_FUN = identity)$data
  expect_identical(inside$value[inside$boxplot_data], median$value)
  expect_equal(inside$value[inside$reference], value[3, ])
  expect_false("q05" %in% names(plot_global(long_signal(200, 3))$data))
})

test_that("large results are drawn from few rows", {
  signal <- long_signal(10000, 20)
  picture <- plot_global(signal)
  expect_identical(nrow(picture$data), 10000L)
  draws(picture)
  expect_identical(nrow(plot_global(signal, view = "importance")$data), 10000L)

  image <- run_grad(convert(image_net()), image_data(), verbose = FALSE)
  image$converter$input_dim[[1]][2:3] <- 224L
  image$converter$input_names[[1]][2:3] <- list(factor(1:224), factor(1:224))
  image$result[[1]][[1]] <- with_seed(1, random_array(5, 2, 224, 224, 2))
  picture <- plot(image, data_idx = 1:5)
  expect_identical(nrow(picture$data), 250880L)
  draws(picture)
  expect_identical(nrow(plot_global(image)$data), 50176L)
})

test_that("importance is the mean of the values", {
  lrp <- iris_lrp()
  rows <- 1:120
  value <- get_result(lrp)[rows, , 2:3]
  picture <- plot_global(lrp, output_idx = 2:3, data_idx = rows, view = "importance",
                         ref_data_idx = 150)
  expect_equal(picture$data$value, as.vector(apply(abs(value), 2:3, mean)))
  expect_identical(picture$labels$x, "Mean |Relevance|")
  signed <- plot_global(lrp, output_idx = 2:3, data_idx = rows, view = "importance",
                        preprocess_FUN = identity)
  expect_equal(signed$data$value, as.vector(apply(value, 2:3, mean)))
  expect_identical(signed$labels$x, "Mean Relevance")

  top <- plot_global(lrp, output_idx = 2:3, view = "importance", feature_order = "importance",
                     max_features = 3)
  order <- order(-apply(abs(get_result(lrp)[, , 2:3]), 2, mean))[1:3]
  expect_identical(levels(top$data$feature), names(iris)[order])
  expect_equal(top$data$value, as.vector(apply(abs(get_result(lrp)[, order, 2:3]), 2:3, mean)))
  expect_identical(top$labels$y, "Feature (3 of 4)")
  draws(top)

  signal <- run_grad(convert(signal_net()), signal_data(), verbose = FALSE)
  picture <- plot_global(signal, view = "importance", aggr_channels = "norm")
  by_point <- apply(abs(signal$result[[1]][[1]][, , , 1]), c(1, 3), \(x) sqrt(sum(x^2)))
  expect_equal(picture$data$value, colMeans(by_point))
  draws(picture)
})

test_that("a swarm has a dot per data point, coloured by the input", {
  skip_if_not_installed("ggbeeswarm")
  lrp <- iris_lrp()
  picture <- plot_global(lrp, view = "beeswarm", data_idx = 1:90, output_idx = c(1, 3),
                         ref_data_idx = 150)
  expect_identical(nrow(picture$data), 90L * 4L * 2L)
  expect_equal(picture$data$value, as.vector(get_result(lrp)[1:90, , c(1, 3)]))
  level <- vapply(iris[1:90, 1:4], function(x) {
    ends <- stats::quantile(x, c(0.05, 0.95))
    pmin(pmax((x - ends[1]) / diff(ends), 0), 1)
  }, numeric(90))
  expect_equal(picture$data$input_level, rep(as.vector(level), 2), tolerance = 1e-5)
  expect_identical(ggplot2::layer_data(picture, 2)$x, picture$data$value)
  draws(picture)

  # With less than 5 % different, the range counts; a constant input is in the middle.
  few <- data.frame(shown = c(rep(0, 30), 1, rep(2, 31)), feature = rep(c("a", "b"), each = 31),
                    output_node = "Y1")
  expect_equal(with_input_level(few)$input_level, c(rep(0, 30), 1, rep(0.5, 31)))
  signal <- run_grad(convert(signal_net()), signal_data(), verbose = FALSE)
  image <- run_grad(convert(image_net()), image_data(), verbose = FALSE)
  expect_snapshot(error = TRUE, {
    plot_global(signal, view = "beeswarm")
    plot_global(image, view = "importance")
    plot_global(lrp, view = "importance", as_plotly = TRUE)
  })
})

test_that("features are chosen for boxes, too", {
  lrp <- iris_lrp()
  picture <- plot_global(lrp, max_features = 2, feature_order = "importance", data_idx = 1:50)
  order <- order(-colMeans(abs(get_result(lrp)[1:50, , 1])))[1:2]
  expect_identical(levels(picture$data$feature), names(iris)[order])
  expect_equal(ggplot2::layer_data(picture, 2)$middle,
               unname(apply(abs(get_result(lrp)[1:50, order, 1]), 2, stats::median)))
})

test_that("several layers make a row of plots", {
  tabular <- run_lrp(convert(unconnected_net()), unconnected_data(), verbose = FALSE,
                     output_idx = list(1:2, 1:2))
  picture <- plot_global(tabular, output_idx = list(1, 2), ref_data_idx = 1)
  expect_identical(dim(picture), c(1L, 3L))
  draws(picture)
  mixed <- run_lrp(convert(two_input_net()), two_input_data(), verbose = FALSE)
  picture <- plot_global(mixed)
  expect_identical(dim(picture), c(1L, 2L))
  expect_true(picture@boxplot)
  value <- apply(abs(get_result(mixed)$Input_2[, , , , 1]), c(1, 3, 4), sum)
  expect_equal(picture[[1, 2]]$data$value, as.vector(apply(value, 2:3, stats::median)))
  draws(picture)
})

test_that("global connection weights have nothing to summarise", {
  weights <- run_cw(convert(dense_net(c(4, 3), "linear")), verbose = FALSE)
  expect_snapshot(plot_global(weights), error = TRUE)
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
    plot_global(lrp, as_plotly = "yes")
    plot_global(lrp, view = "violin")
    plot_global(lrp, max_features = 1.5)
    plot_global(lrp, feature_order = NULL)
    plot_global(lrp, aggr_channels = "max")
    plot_global(lrp, dat_idx = 1)
  })
  expect_snapshot(plot <- boxplot(lrp, output_idx = 1, output_label = "versicolor"))
})
