weights_of <- function(...) run_cw(..., dtype = "double", verbose = FALSE)

test_that("the tiny network has its known weights", {
  converter <- convert(tiny_net())
  expect_equal(get_result(weights_of(converter)), array(2.2, c(1, 1, 1), list(NULL, "X1", "Y1")))
  local <- weights_of(converter, matrix(c(0.1, 0.4, 0.6)), times_input = TRUE)
  expect_equal(as.vector(get_result(local)), c(0.22, 0.88, 1.32))
})

test_that("they are products of weights, whatever biases and activations", {
  net <- dense_net(c(4, 6, 5, 3), c("relu", "tanh", "softmax"))
  weights <- lapply(net$layers, `[[`, "weight")
  product <- t(weights[[3]] %*% weights[[2]] %*% weights[[1]])
  expect_equal(first_values(weights_of(convert(net)))[1, , ], product, tolerance = 1e-12)
  x <- as.matrix(iris[1:5, 1:4])
  local <- first_values(weights_of(convert(net), x, times_input = TRUE, output_idx = c(3, 1)))
  for (k in 1:2) {
    expect_equal(local[, , k], sweep(x, 2, product[, c(3, 1)[k]], `*`), tolerance = 1e-12,
                 ignore_attr = TRUE)
  }
})

# A chain of layers on a signal of two channels and length 4.
chain <- function(...) {
  layers <- c(list(...), list(list(type = "Flatten", order = "channels_first")))
  n <- length(layers)
  list(
    input_dim = c(2, 4), input_nodes = 1, output_nodes = n,
    layers = lapply(seq_len(n), function(i) {
      c(layers[[i]], list(input_layers = i - 1, output_layers = if (i == n) -1 else i + 1))
    })
  )
}

test_that("pooling counts with one over the size of its window, normalisation with its scale", {
  weights <- \(...) first_values(weights_of(convert(chain(list(...)))))[1, , , ]
  for (type in c("MaxPooling1D", "AveragePooling1D")) {
    expected <- array(0, c(2, 4, 4))
    for (channel in 1:2) for (i in 1:4) expected[channel, i, 2 * channel - (i < 3)] <- 0.5
    expect_equal(weights(type = type, kernel_size = 2), expected)
  }
  for (method in c("max", "average")) {
    expected <- array(0, c(2, 4, 2))
    expected[1, , 1] <- expected[2, , 2] <- 0.25
    expect_equal(weights(type = "GlobalPooling", method = method), expected)
  }
  expected <- array(0, c(2, 4, 8))
  for (channel in 1:2) {
    for (i in 1:4) expected[channel, i, 4 * channel - 4 + i] <- c(3 / 2, -1 / 3)[channel]
  }
  norm <- weights(type = "BatchNorm", gamma = c(3, -1), beta = c(5, 5), run_mean = c(1, 2),
                  run_var = c(3, 8), eps = 1)
  expect_equal(norm, expected)
})

test_that("every operand of a sum gets the full weight", {
  net <- list(
    input_dim = 2, input_nodes = 1, output_nodes = 3,
    layers = list(
      list(type = "Skipping", input_layers = 0, output_layers = 2:3),
      list(type = "Dense", weight = diag(c(3, 5)), bias = c(1, 1), activation_name = "relu",
           input_layers = 1, output_layers = 3),
      list(type = "Add", input_layers = c(1, 2), output_layers = -1)
    )
  )
  expect_equal(first_values(weights_of(convert(net)))[1, , ], diag(c(4, 6)))
})

test_that("earlier calls do not matter", {
  converter <- convert(two_input_net())
  before <- weights_of(converter)$result
  run_lrp(converter, two_input_data(), verbose = FALSE)
  predict(converter, two_input_data())
  expect_identical(weights_of(converter)$result, before)
})

test_that("global weights have one row and neither predictions nor goals", {
  converter <- convert(two_input_net())
  global <- weights_of(converter, output_idx = list(1:2, 1))
  expect_identical(dim(global$result[[2]][[2]]), c(1L, 2L, 6L, 6L, 1L))
  frame <- get_result(global, "data.frame")
  expect_identical(levels(frame$data), "data_1")
  expect_identical(nrow(frame), 3L * (4L + 72L))
  expect_true(all(is.na(frame$pred) & is.na(frame$decomp_goal)))
  expect_identical(global$conservation$goal, rep(NA_real_, 3))
  expect_equal(global$conservation$sum[3], sum(unlist(global$result[[2]])))
  expect_output(print(summary(global)), "ConnectionWeights")
  expect_message(plot <- plot(global, data_idx = 2), "ignored", class = "innsight_message")
  draws(plot)
  expect_no_message(draws(plot(global)))
  expect_error(plot_global(global), "times_input = TRUE", class = "innsight_error_argument")
  expect_error(boxplot(weights_of(convert(tiny_net()))), "times_input = TRUE",
               class = "innsight_error_argument")
})

test_that("data are used if asked for, and else ignored with a message", {
  converter <- convert(tiny_net())
  expect_message(global <- run_cw(converter, matrix(0.4), verbose = FALSE), "`data` is ignored",
                 class = "innsight_message")
  expect_identical(global$data, list())
  expect_no_message(run_cw(converter, matrix(0.4), times_input = TRUE, verbose = FALSE))
  local <- weights_of(converter, matrix(c(0.1, 0.4, 0.6)), times_input = TRUE)
  expect_identical(levels(as.data.frame(local)$data), paste0("data_", 1:3))
  expect_snapshot(error = TRUE, {
    run_cw(converter, times_input = TRUE)
    run_cw(converter, matrix(1, 2, 2), times_input = TRUE)
    run_cw(converter, times_input = NA)
    run_cw(tiny_net())
    plot_global(run_cw(converter))
  })
  expect_error(run_cw(converter, ignore_last_act = FALSE), "unused argument")
})
