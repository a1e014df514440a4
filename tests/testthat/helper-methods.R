# Results the tests of the methods share.

iris_lrp <- function(...) {
  converter <- convert(dense_net(c(4, 5, 3), c("relu", "softmax")),
                       input_names = names(iris)[1:4], output_names = levels(iris$Species))
  run_lrp(converter, iris[, 1:4], verbose = FALSE, ...)
}

# Two tabular inputs, two outputs; the first input is not connected to the second output.
unconnected_net <- function() {
  dense <- function(out, n_in, from, to) {
    list(type = "Dense", weight = random_array(out, n_in), bias = rnorm(out),
         activation_name = "linear", input_layers = from, output_layers = to)
  }
  with_seed(3, list(
    input_dim = list(2, 3), input_nodes = c(1, 2), output_nodes = c(4, 5),
    layers = list(
      dense(2, 2, 0, 3),
      dense(2, 3, 0, c(3, 5)),
      list(type = "Add", input_layers = c(1, 2), output_layers = 4),
      dense(3, 2, 3, -1),
      dense(2, 2, 2, -1)
    )
  ))
}

unconnected_data <- function() with_seed(4, list(matrix(rnorm(8), 4), matrix(rnorm(12), 4)))

image_net <- function() {
  with_seed(5, list(
    input_dim = c(2, 4, 5), input_nodes = 1, output_nodes = 3,
    layers = list(
      list(type = "Conv2D", weight = random_array(3, 2, 2, 2), bias = rnorm(3),
           activation_name = "relu", input_layers = 0, output_layers = 2),
      list(type = "Flatten", input_layers = 1, output_layers = 3, order = "channels_first"),
      list(type = "Dense", weight = random_array(2, 36), bias = rnorm(2),
           activation_name = "tanh", input_layers = 2, output_layers = -1)
    )
  ))
}

image_data <- function() with_seed(6, random_array(3, 2, 4, 5))

signal_net <- function() {
  with_seed(5, list(
    input_dim = c(2, 6), input_nodes = 1, output_nodes = 3,
    layers = list(
      list(type = "Conv1D", weight = random_array(3, 2, 2), bias = rnorm(3),
           activation_name = "relu", input_layers = 0, output_layers = 2),
      list(type = "Flatten", input_layers = 1, output_layers = 3, order = "channels_first"),
      list(type = "Dense", weight = random_array(2, 15), bias = rnorm(2),
           activation_name = "linear", input_layers = 2, output_layers = -1)
    )
  ))
}

signal_data <- function() with_seed(6, random_array(3, 2, 6))

draws <- function(plot) {
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  expect_no_error(print(plot))
}

with_options <- function(options, code) {
  old <- options(options)
  on.exit(options(old))
  code
}

# print() with numbers that may differ between machines left out.
print_rounded <- function(x) {
  writeLines(gsub("-?[0-9]+\\.[0-9]+(e[-+]?[0-9]+)?", "<number>", utils::capture.output(print(x))))
}

first_values <- function(method) method$result[[1]][[1]]

rows_of <- function(x, rows) lapply(if (is.list(x)) x else list(x), slice_rows, rows)

# Every method once or more, on data of at least three points, with references out of these.
every_method <- list(
  Gradient = run_grad,
  SmoothGrad = \(converter, x, ...) run_smoothgrad(converter, x, n = 7, ...),
  IntegratedGradient = \(converter, x, ...) run_intgrad(converter, x, rows_of(x, 2), n = 7, ...),
  ExpectedGradient = \(converter, x, ...) run_expgrad(converter, x, rows_of(x, 3:1), n = 7, ...),
  LRP = run_lrp,
  "LRP epsilon" = \(converter, x, ...) run_lrp(converter, x, rule_name = "epsilon", ...),
  "LRP alpha_beta" = \(converter, x, ...) run_lrp(converter, x, rule_name = "alpha_beta", ...),
  DeepLift = \(converter, x, ...) run_deeplift(converter, x, x_ref = rows_of(x, 2), ...),
  "DeepLift reveal_cancel" = function(converter, x, ...) {
    run_deeplift(converter, x, rule_name = "reveal_cancel", maxpool = "crossmax", ...)
  },
  DeepSHAP = \(converter, x, ...) run_deepshap(converter, x, data_ref = rows_of(x, 3:1), ...),
  ConnectionWeights = \(converter, x, ...) run_cw(converter, x, times_input = TRUE, ...)
)

# Runs a method quietly and with a seed of its own, in double precision unless told otherwise.
run_every <- function(run, converter, data, ..., dtype = "double") {
  with_seed(11, run(converter, data, ..., dtype = dtype, verbose = FALSE))
}
