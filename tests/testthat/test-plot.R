test_that("tabular results are bars, one panel per data point and node", {
  lrp <- iris_lrp()
  plot <- plot(lrp, data_idx = c(1, 102), output_idx = 1:3)
  expect_s3_class(plot, "ggplot")
  expect_identical(nrow(plot$data), 24L)
  expect_identical(levels(plot$data$data), c("data_1", "data_102"))
  expect_identical(nlevels(ggplot2::layer_data(plot, 1)$PANEL), 6L)
  expect_identical(plot$labels$x, "Feature")
  expect_identical(plot$labels$y, "Relevance")
  draws(plot)
  draws(plot + ggplot2::theme_bw() + ggplot2::coord_flip() + ggplot2::ggtitle("a"))
  draws(ggplot2::autoplot(lrp, data_idx = 3))
})

test_that("the box tells prediction, sum and goal, before channels are aggregated", {
  image <- run_lrp(convert(image_net()), image_data(), dtype = "double", verbose = FALSE)
  label <- function(...) {
    layers <- plot(image, data_idx = 2, ...)$layers
    unlist(lapply(layers, \(layer) if (is.data.frame(layer$data)) layer$data$label))
  }
  sum <- format(signif(sum(image$result[[1]][[1]][2, , , , 1]), 4))
  expect_match(label(), paste0("Sum: ", sum), fixed = TRUE)
  expect_identical(label(aggr_channels = "norm"), label())
  expect_match(label(), "Pred.: .*\nSum: .*\nGoal: ")
  expect_null(label(show_preds = FALSE))
})

test_that("signals are bars over positions", {
  gradient <- run_grad(convert(signal_net()), signal_data(), verbose = FALSE)
  plot <- plot(gradient, data_idx = 1:2, output_idx = 1:2)
  expect_identical(nrow(plot$data), 24L)
  expect_identical(plot$labels$x, "Signal Length")
  draws(plot)
  gradient$converter$input_names[[1]][[2]] <- c("A", "C", "G", "T", "A ", "C ")
  draws(plot(gradient))
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
  old <- options(innsight.image_origin = "bottom")
  on.exit(options(old))
  expect_identical(height_of_row_1(), c(1, 1))
  options(innsight.image_origin = "left")
  expect_error(plot(image), "image_origin", class = "innsight_error_argument")
})

test_that("the legend of a heat map follows the signs", {
  expect_identical(sign_breaks(c(-1, 0.5)), c(-1, 0, 1))
  expect_identical(sign_breaks(c(0, 0.5)), c(0, 1))
  expect_identical(sign_breaks(c(0, -0.5, NA)), c(-1, 0))
  expect_identical(sign_breaks(c(0, 0)), c(0, 1))
})

test_that("all-zero results are white", {
  image <- run_grad(convert(image_net()), image_data(), verbose = FALSE)
  image$result[[1]][[1]][] <- 0
  expect_identical(unique(ggplot2::layer_data(plot(image), 1)$fill), "#FFFFFF")
  lrp <- iris_lrp()
  lrp$result[[1]][[1]][] <- 0
  expect_identical(unique(ggplot2::layer_data(plot(lrp), 1)$fill), "#FFFFFF")
})

test_that("input layers of one kind share a plot, others are a list that prints as one", {
  tabular <- run_lrp(convert(unconnected_net()), unconnected_data(), verbose = FALSE,
                     output_idx = list(1:2, 1:2))
  plot <- plot(tabular, output_idx = list(1, 2))
  expect_s3_class(plot, "ggplot")
  expect_identical(nlevels(ggplot2::layer_data(plot, 1)$PANEL), 3L)
  draws(plot)

  mixed <- run_lrp(convert(two_input_net()), two_input_data(), verbose = FALSE)
  plots <- plot(mixed, data_idx = 1:2)
  expect_length(plots, 2)
  expect_s3_class(plots[[2]], "ggplot")
  skip_if_not_installed("gridExtra")
  draws(plots)
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
    plot(lrp, as_plotly = TRUE)
    plot(lrp, same_scale = NULL)
    plot(lrp, show_preds = "yes")
  })
  expect_error(plot(lrp, foo = 1), "unused argument")
  expect_snapshot(plot <- plot(lrp, output_idx = 1, output_label = "versicolor"))
})
