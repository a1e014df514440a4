# What pictures look like. ggplot2 changes how things are drawn with every minor version, so each
# has files of its own; a version without files makes them.
expect_picture <- function(picture, name) {
  skip_on_cran()
  skip_if_not_installed("vdiffr")
  version <- unlist(utils::packageVersion("ggplot2"))[1:2]
  title <- paste0(name, " (ggplot2-", paste(version, collapse = "."), ")")
  vdiffr::expect_doppelganger(title, picture)
}

# Results that need no engine, so that no rounding of it can move a line.
set_result <- function(x, value) {
  x$result[[1]][[1]] <- array(round(value, 2), dim(x$result[[1]][[1]]))
  x$preds[[1]][] <- 0.5
  x$decomp_goal[[1]][] <- 0.25
  x
}

wave <- function(n, by) round(sin(by * seq_len(n)), 3)

tabular_result <- function() {
  x <- run_lrp(convert(dense_net(c(4, 5, 3), c("relu", "softmax")),
                       input_names = names(iris)[1:4], output_names = levels(iris$Species)),
               matrix(wave(80, 0.7), 20), verbose = FALSE)
  set_result(x, wave(240, 0.9) + rep(c(0.5, -1, 0.2, 0), each = 20))
}

signal_result <- function(length = 12, n = 2) {
  data <- array(wave(n * length, 0.4), c(n, 1, length))
  net <- list(
    input_dim = c(1, length), input_nodes = 1, output_nodes = 2,
    layers = list(
      list(type = "Flatten", input_layers = 0, output_layers = 2, order = "channels_first"),
      list(type = "Dense", weight = matrix(1, 1, length), bias = 0, activation_name = "linear",
           input_layers = 1, output_layers = -1)
    )
  )
  set_result(run_lrp(convert(net), data, verbose = FALSE), wave(n * length, 0.37))
}

test_that("pictures of single data points look as they did", {
  expect_picture(plot(tabular_result(), data_idx = 1:2, output_idx = 1:3), "tabular")
  expect_picture(plot(signal_result(), data_idx = 1:2), "signal")
  image <- run_lrp(convert(image_net()), array(wave(120, 0.3), c(3, 2, 4, 5)), verbose = FALSE)
  image <- set_result(image, wave(240, 0.21))
  expect_picture(plot(image, data_idx = 1:2, output_idx = 1:2, overlay = TRUE), "image overlay")
})

test_that("a picture of several layers looks as it did", {
  lrp <- run_lrp(convert(two_input_net()), two_input_data(2), output_idx = list(1:2, 1),
                 verbose = FALSE)
  lrp$result <- lapply(lrp$result, lapply, function(value) {
    array(wave(length(value), 0.21), dim(value))
  })
  lrp$preds <- lapply(lrp$preds, \(x) array(0.5, dim(x)))
  lrp$decomp_goal <- lapply(lrp$decomp_goal, \(x) array(0.25, dim(x)))
  expect_picture(plot(lrp, output_idx = list(1, 1)), "several layers")
})

test_that("pictures of many data points look as they did", {
  result <- tabular_result()
  expect_picture(plot_global(result, output_idx = 1:2, ref_data_idx = 1), "boxes")
  expect_picture(
    plot_global(result, view = "importance", feature_order = "importance", max_features = 3),
    "importance"
  )
  signal <- signal_result(201, 9)
  signal <- set_result(signal, outer(seq(0.2, 1, 0.1), wave(201, 0.04)) + 0.1)
  expect_picture(plot_global(signal, ref_data_idx = 2, preprocess_FUN = identity), "bands")
  skip_if_not_installed("ggbeeswarm")
  expect_picture(plot_global(result, view = "beeswarm"), "swarm")
})
