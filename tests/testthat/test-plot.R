# Data of a plot by data point and node, in the order of the array.
cells <- function(frame, column = "value") {
  split(frame[[column]], list(frame$data, frame$output_node), drop = TRUE)
}

test_that("ggplot2's generics find the methods, also from outside of the namespace", {
  method <- \(generic, class) getS3method(generic, class, envir = asNamespace("ggplot2"))
  expect_identical(method("autoplot", "InterpretingMethod"), autoplot.InterpretingMethod)
  expect_identical(method("ggplot_build", "innsight_ggplot2"), ggplot_build.innsight_ggplot2)
})

test_that("tabular results are bars, one panel per data point and node", {
  lrp <- iris_lrp()
  picture <- plot(lrp, data_idx = c(1, 102), output_idx = 1:3)
  expect_s4_class(picture, "innsight_ggplot2")
  frame <- picture$data
  expect_identical(levels(frame$data), c("data_1", "data_102"))
  expect_identical(frame$value, as.vector(get_result(lrp)[c(1, 102), , 1:3]))
  drawn <- ggplot2::layer_data(picture, 1)
  expect_identical(nlevels(drawn$PANEL), 6L)
  expect_equal((drawn$ymin + drawn$ymax)[drawn$PANEL == 5], unname(get_result(lrp)[102, , 2]))
  expect_identical(picture$labels$x, "Feature")
  expect_identical(picture$labels$y, "Relevance")
  draws(picture)
  expect_identical(ggplot2::autoplot(lrp, data_idx = 3)$data, plot(lrp, data_idx = 3)$data)
})

test_that("the name of the values is that of the method", {
  converter <- convert(dense_net(c(4, 5, 3), c("relu", "softmax")))
  name <- function(run, ...) {
    plot(run(converter, as.matrix(iris[1:3, 1:4]), verbose = FALSE, ...))$labels$y
  }
  expect_identical(name(run_grad), "Gradient")
  expect_identical(name(run_grad, times_input = TRUE), "Relevance")
  expect_identical(name(run_deeplift), "Contribution")
  expect_identical(name(run_cw, times_input = TRUE), "Relative Importance")
})

test_that("only the first computed node is drawn by default", {
  expect_identical(levels(droplevels(plot(iris_lrp(output_idx = c(3, 1)))$data$output_node)),
                   "virginica")
  second <- run_lrp(convert(two_input_net()), two_input_data(2), output_idx = list(NULL, 1),
                    verbose = FALSE)
  expect_identical(plot(second)@output_strips$labels$output_node, "Output_2: score")
})

test_that("the colour is the value relative to the largest of its panel", {
  lrp <- iris_lrp()
  frame <- plot(lrp, data_idx = c(2, 9), output_idx = c(1, 3))$data
  largest <- apply(abs(get_result(lrp)[c(2, 9), , c(1, 3)]), c(1, 3), max)
  expect_equal(unname(cells(frame, "fill")),
               unname(Map(`/`, cells(frame), as.vector(largest))))
  drawn <- ggplot2::layer_data(plot(lrp), 1)
  drawn_value <- drawn$ymin + drawn$ymax
  at <- which.max(abs(drawn_value))
  expect_identical(drawn$fill[at], relevance_colours(41)[if (drawn_value[at] > 0) 41 else 1])
})

test_that("clip gives the full colour to a quantile of the absolute values", {
  image <- run_grad(convert(image_net()), image_data(), verbose = FALSE)
  value <- apply(image$result[[1]][[1]][1, , , , 2], 2:3, sum)
  full <- stats::quantile(abs(value), 0.8, names = FALSE)
  frame <- plot(image, output_idx = 2, clip = 0.8)$data
  expect_equal(frame$value, as.vector(value))
  expect_equal(frame$fill, pmax(pmin(as.vector(value) / full, 1), -1))
  expect_identical(sum(abs(frame$fill) == 1), 4L)
  # Where the quantile is zero, the largest value counts.
  image$result[[1]][[1]][1, , , , 2] <- c(4, rep(0, 39))
  expect_equal(max(plot(image, output_idx = 2, clip = 0.5)$data$fill), 1)
})

test_that("same_scale measures the colours by all input layers of an output", {
  lrp <- run_lrp(convert(two_input_net()), two_input_data(), output_idx = list(2, 1),
                 verbose = FALSE)
  largest <- function(...) {
    plots <- plot(lrp, data_idx = 3, output_idx = list(2, 1), ...)@grobs
    vapply(plots, \(plot) max(abs(plot$data$fill)), 0)
  }
  expect_equal(largest(), rep(1, 4))
  common <- largest(same_scale = TRUE)
  values <- vapply(plot(lrp, data_idx = 3, output_idx = list(2, 1))@grobs,
                   \(plot) max(abs(plot$data$value)), 0)
  expect_equal(common, values / rep(c(max(values[1:2]), max(values[3:4])), each = 2))
  expect_lt(min(common), 1)
})

test_that("channels are combined as asked", {
  image <- run_grad(convert(image_net()), image_data(), verbose = FALSE)
  by_hand <- \(f) as.vector(apply(image$result[[1]][[1]][2, , , , 1], 2:3, f))
  drawn <- \(by) plot(image, data_idx = 2, aggr_channels = by)$data$value
  expect_equal(drawn("sum"), by_hand(sum))
  expect_equal(drawn("mean"), by_hand(mean))
  expect_equal(drawn("norm"), by_hand(\(x) sqrt(sum(x^2))))
  expect_equal(drawn(max), by_hand(max))
})

test_that("features are chosen by their mean absolute value over all panels", {
  lrp <- iris_lrp()
  rows <- c(1, 60, 102)
  importance <- apply(abs(get_result(lrp)[rows, , 1:2]), 2, mean)
  ordered <- names(sort(-importance))
  shown <- function(...) {
    levels(plot(lrp, data_idx = rows, output_idx = 1:2, ...)$data$feature)
  }
  expect_false(identical(ordered, names(iris)[1:4]))
  expect_identical(shown(), names(iris)[1:4])
  expect_identical(shown(feature_order = "importance"), ordered)
  expect_identical(shown(max_features = 2, feature_order = "importance"), ordered[1:2])
  expect_identical(shown(max_features = 2), intersect(names(iris)[1:4], ordered[1:2]))
  expect_identical(shown(max_features = 99), names(iris)[1:4])

  picture <- plot(lrp, data_idx = rows, output_idx = 1:2, max_features = 2,
                  feature_order = "importance")
  expect_equal(picture$data$value, as.vector(get_result(lrp)[rows, ordered[1:2], 1:2]))
  expect_identical(picture$labels$x, "Feature (2 of 4)")
  # What the box tells is not about the features drawn only.
  expect_identical(info_labels(picture$data)$label, info_labels(
    plot(lrp, data_idx = rows, output_idx = 1:2)$data
  )$label)
  signal <- run_grad(convert(signal_net()), signal_data(), verbose = FALSE)
  expect_identical(plot(signal, max_features = 2)$data, plot(signal)$data)
})

test_that("overlay shows the grey levels of images", {
  image <- run_grad(convert(image_net()), image_data(), verbose = FALSE)
  shown <- plot(image, data_idx = 2, overlay = TRUE)$data$shown
  grey <- as.vector(apply(image_data()[2, , , ], 2:3, mean))
  expect_equal(shown, (grey - min(grey)) / diff(range(grey)))

  rgb <- list(value = random_array(2, 1, 2, 3, 1), shown = random_array(2, 3, 2, 3))
  luminance <- apply(rgb$shown[2, , , ], 2:3, \(x) sum(x * c(0.299, 0.587, 0.114)))
  expect_equal(as_backdrop(rgb)$shown[2, 1, , ], (luminance - min(luminance)) /
                 diff(range(luminance)))
  rgb$shown[] <- 3
  expect_identical(as_backdrop(rgb)$shown, array(0, c(2, 1, 2, 3)))

  picture <- plot(image, data_idx = 2, overlay = TRUE, alpha = 0.5)
  expect_equal(ggplot2::layer_data(picture, 2)$alpha, 0.5 * sqrt(abs(picture$data$fill)))
  expect_false("shown" %in% names(plot(image)$data))
  draws(picture)
})

test_that("overlay draws the channels of signals in the colours of their values", {
  signal <- run_grad(convert(signal_net()), signal_data(), verbose = FALSE)
  picture <- plot(signal, data_idx = 3, overlay = TRUE)
  expect_equal(picture$data$shown, as.vector(signal_data()[3, , ]))
  expect_equal(picture$data$value, rep(plot(signal, data_idx = 3)$data$value, each = 2))
  expect_identical(levels(picture$data$channel), c("1", "2"))
  lines <- ggplot2::layer_data(picture, 2)
  expect_identical(length(unique(lines$group)), 2L)
  draws(picture)
  last <- run_grad(convert(signal_net()), aperm(signal_data(), c(1, 3, 2)), channels_first = FALSE,
                   verbose = FALSE)
  expect_equal(plot(last, data_idx = 3, overlay = TRUE)$data$shown, picture$data$shown)
})

test_that("overlay needs something to draw on", {
  expect_snapshot(error = TRUE, {
    plot(iris_lrp(), overlay = TRUE)
    plot(run_cw(convert(image_net()), verbose = FALSE), overlay = TRUE)
  })
})

test_that("the box tells prediction, sum and goal, before channels are aggregated", {
  image <- run_lrp(convert(image_net()), image_data(), dtype = "double", verbose = FALSE)
  label <- \(...) info_labels(plot(image, data_idx = 2:3, output_idx = 2, ...)$data)$label
  number <- \(x) format(signif(x, 4), digits = 4)
  value <- image$result[[1]][[1]][2:3, , , , 2]
  expect_identical(label(), paste0(
    "Pred.: ", vapply(image$preds[[1]][2:3, 2], number, ""),
    "\nSum: ", vapply(apply(value, 1, sum), number, ""),
    "\nGoal: ", vapply(image$decomp_goal[[1]][2:3, 2], number, "")
  ))
  expect_identical(label(aggr_channels = "norm"), label())

  boxes <- function(...) {
    layers <- ggplot2::ggplot_build(plot(image, data_idx = 2:3, ...))$data
    sum(vapply(layers, \(data) "label" %in% names(data), NA))
  }
  expect_identical(boxes(), 1L)
  expect_identical(boxes(show_preds = FALSE), 0L)
  image$decomp_goal <- NULL
  expect_no_match(label(), "Goal")
})

test_that("with several input layers the box has the sum over all of them, once", {
  lrp <- run_lrp(convert(two_input_net()), two_input_data(), dtype = "double", verbose = FALSE)
  plots <- plot(lrp, data_idx = 4)@grobs
  total <- sum(lrp$result[[1]][[1]][4, , 1]) + sum(lrp$result[[1]][[2]][4, , , , 1])
  expect_match(info_labels(plots[[1]]$data)$label, paste("Sum:", signif(total, 4)), fixed = TRUE)
  has_box <- function(plot) {
    any(vapply(ggplot2::ggplot_build(plot)$data, \(data) "label" %in% names(data), NA))
  }
  expect_identical(vapply(plots, has_box, NA), c(TRUE, FALSE))
})

test_that("signals are bars over positions", {
  gradient <- run_grad(convert(signal_net()), signal_data(), verbose = FALSE)
  picture <- plot(gradient, data_idx = 1:2, output_idx = 1:2)
  expect_equal(picture$data$value,
               as.vector(apply(gradient$result[[1]][[1]][1:2, , , 1:2], c(1, 3, 4), sum)))
  expect_identical(picture$labels$x, "Signal Length")
  bars <- ggplot2::layer_data(picture, 1)
  expect_equal(bars$ymax + bars$ymin, bars$ymax * (bars$ymax > 0) + bars$ymin * (bars$ymin < 0))
  expect_equal(sort(bars$ymin + bars$ymax), sort(picture$data$value))
  draws(picture)
  gradient$converter$input_names[[1]][[2]] <- c("A", "C", "G", "T", "A ", "C ")
  axis <- ggplot2::ggplot_build(plot(gradient))$layout$panel_params[[1]]$x$get_labels()
  expect_identical(axis, c("A", "C", "G", "T", "A ", "C "))
})

test_that("images are upright unless the option says otherwise", {
  image <- run_grad(convert(image_net()), image_data(), verbose = FALSE)
  image$result[[1]][[1]][] <- 0
  image$result[[1]][[1]][, , 1, , ] <- 1
  height_of_row_1 <- function() {
    plot <- plot(image)
    draws(plot)
    drawn <- ggplot2::layer_data(plot, 1)
    range(drawn$y[drawn$fill != drawn$fill[20]])
  }
  expect_identical(height_of_row_1(), c(-1, -1))
  with_options(list(innsight.image_origin = "bottom"), {
    expect_identical(height_of_row_1(), c(1, 1))
  })
  with_options(list(innsight.image_origin = "left"), {
    expect_error(plot(image), "image_origin", class = "innsight_error_argument")
  })
})

test_that("the legend has the signs of the colours, or the values of the only panel", {
  expect_identical(sign_breaks(c(-1, 0.5)), c(-1, 0, 1))
  expect_identical(sign_breaks(c(0, 0.5)), c(0, 1))
  expect_identical(sign_breaks(c(0, -0.5, NA)), c(-1, 0))
  expect_identical(sign_breaks(c(0, 0)), c(0, 1))
  legend <- function(fill, single, scale = 0.1234) {
    legend_of(list(scale = matrix(scale)), list(fill = fill), list(single = single))$labels
  }
  expect_identical(legend(c(-1, 0.5), TRUE), c("<0", "0", ">0"))
  expect_identical(legend(0.5, TRUE), c("0", ">0"))
  expect_identical(legend(c(-1, 0.5), FALSE), c("-0.12", "0.00", "0.12"))
  expect_identical(legend(1, FALSE, 1234), c("0", "1200"))
})

test_that("all-zero results are white", {
  image <- run_grad(convert(image_net()), image_data(), verbose = FALSE)
  image$result[[1]][[1]][] <- 0
  expect_identical(unique(ggplot2::layer_data(plot(image), 1)$fill), "#FFFFFF")
  lrp <- iris_lrp()
  lrp$result[[1]][[1]][] <- 0
  expect_identical(unique(ggplot2::layer_data(plot(lrp), 1)$fill), "#FFFFFF")
  expect_identical(unique(plot(lrp)$data$fill), 0)
})

test_that("missing values are drawn", {
  lrp <- iris_lrp()
  lrp$result[[1]][[1]][1, 2, 1] <- NA
  lrp$result[[1]][[1]][2, , 1] <- NA
  frame <- plot(lrp, data_idx = 1:2)$data
  expect_identical(is.na(frame$fill), is.na(as.vector(lrp$result[[1]][[1]][1:2, , 1])))
  suppressWarnings(draws(plot(lrp, data_idx = 1:2)))
})

test_that("several layers make a matrix: data points x (input layers of every node)", {
  lrp <- run_lrp(convert(two_input_net()), two_input_data(), output_idx = list(1:2, 1),
                 verbose = FALSE)
  picture <- plot(lrp, data_idx = c(2, 5), output_idx = list(2:1, 1))
  expect_identical(dim(picture), c(2L, 6L))
  expect_identical(picture@output_strips$labels$output_node,
                   c("Output_1: yes", "Output_1: no", "Output_2: score"))
  expect_identical(picture@col_dims, list(2L, 2L, 2L))
  result <- get_result(lrp)
  expect_equal(picture[[2, 1]]$data$value, as.vector(result$Output_1$Input_1[5, , "yes"]))
  expect_equal(picture[[1, 4]]$data$value,
               as.vector(apply(result$Output_1$Input_2[2, , , , "no"], 2:3, sum)))
  expect_equal(picture[[2, 6]]$data$value,
               as.vector(apply(result$Output_2$Input_2[5, , , , 1], 2:3, sum)))
  draws(picture)
})

test_that("layers that are not connected have no plot", {
  lrp <- run_lrp(convert(unconnected_net()), unconnected_data(), verbose = FALSE,
                 output_idx = list(1:2, 1:2))
  picture <- plot(lrp, output_idx = list(1, 2))
  expect_identical(dim(picture), c(1L, 3L))
  expect_identical(unlist(picture@col_dims), 2:1)
  expect_s4_class(plot(lrp, output_idx = list(NULL, 1:2)), "innsight_ggplot2")
  expect_false(plot(lrp, output_idx = list(NULL, 1:2))@multiplot)
})

test_that("global connection weights have no data points, local ones do", {
  converter <- convert(dense_net(c(4, 5, 3), c("relu", "softmax")))
  weights <- run_cw(converter, verbose = FALSE)
  expect_message(two <- plot(weights, data_idx = 1:2), "`data_idx` is ignored",
                 class = "innsight_message")
  expect_no_message(one <- plot(weights))
  expect_identical(one$data, two$data)
  layout <- \(picture) ggplot2::ggplot_build(picture)$layout$layout
  expect_false("data" %in% names(layout(one)))
  expect_equal(one$data$value, as.vector(get_result(weights)[1, , 1]))

  local <- run_cw(converter, iris[1:3, 1:4], times_input = TRUE, verbose = FALSE)
  expect_no_message(picture <- plot(local, data_idx = 2:3, output_idx = 1:2))
  expect_identical(as.character(layout(picture)$data), rep(c("data_2", "data_3"), each = 2))
  expect_identical(dim(picture), c(rows = 2L, columns = 2L))
  expect_equal(picture[2, 1]$data$value, as.vector(get_result(local)[3, , 1]))
})

test_that("long feature names stay legible", {
  expect_identical(label_angle(letters[1:4], 2), 0)
  expect_identical(label_angle(names(iris)[1:4], 3), 45)
  expect_identical(label_angle(rep("mean fractal dimension", 30), 1), 90)
})

test_that("axis breaks are positions", {
  expect_identical(whole_breaks(c(0.5, 8.5)), c(2, 4, 6, 8))
  expect_identical(whole_breaks(c(-224.5, 224.5)), c(1, 50, 100, 150, 200))
  expect_true(all(whole_breaks(c(0.5, 1.5)) == round(whole_breaks(c(0.5, 1.5)))))
})

test_that("labels of values are as long as they must be", {
  expect_identical(value_labels(c(-1, 0, 0.5, NA)), c("-1.0", "0.0", "0.5", NA))
  expect_identical(value_labels(c(0, 50)), c("0", "50"))
  expect_identical(value_labels(c(0, 2000)), c("0", "2000"))
  expect_identical(value_labels(c(0, 20000)), c("0", "2e+04"))
  expect_identical(value_labels(c(0, 2e-5)), c("0", "2e-05"))
  expect_identical(value_labels(c(1.0001, 1.0002)), c("1.0001", "1.0002"))
})

test_that("wrong arguments of plot() are errors that say what is accepted", {
  lrp <- iris_lrp(output_idx = 1:2)
  expect_snapshot(error = TRUE, {
    plot(lrp, data_idx = 151)
    plot(lrp, data_idx = 0)
    plot(lrp, data_idx = "a")
    plot(lrp, output_idx = 3)
    plot(lrp, output_idx = 9)
    plot(lrp, output_label = "virginica")
    plot(lrp, output_label = "tulip")
    plot(lrp, aggr_channels = "max")
    plot(lrp, as_plotly = NA)
    plot(lrp, same_scale = NULL)
    plot(lrp, show_preds = "yes")
    plot(lrp, overlay = 1)
    plot(lrp, alpha = 1.5)
    plot(lrp, clip = 0)
    plot(lrp, clip = 95)
    plot(lrp, max_features = 0)
    plot(lrp, feature_order = "name")
  })
  expect_error(plot(lrp, foo = 1), "unused argument")
  expect_error(plot(run_grad(convert(image_net()), image_data(), verbose = FALSE),
                    aggr_channels = range), "aggr_channels", class = "innsight_error_argument")
  expect_snapshot(plot <- plot(lrp, output_idx = 1, output_label = "versicolor"))
})
