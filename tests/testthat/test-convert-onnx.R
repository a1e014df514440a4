# ONNX files made by tools/onnx-fixtures.py, with the outputs of onnxruntime.

onnx_index <- function() {
  skip_if_not_installed("jsonlite")
  jsonlite::fromJSON(test_path("fixtures", "onnx", "index.json"), simplifyVector = FALSE)
}
onnx_file <- function(name) test_path("fixtures", "onnx", paste0(name, ".onnx"))
row_major <- function(x) aperm(array(as.double(unlist(x$data)), rev(unlist(x$shape))))

onnx_layers <- function(name) {
  vapply(as_model_list(onnx_file(name))$layers, function(layer) {
    activation <- c(layer$activation_name, layer$act_name)
    paste(c(layer$type, setdiff(activation, "linear")), collapse = " ")
  }, "")
}

test_that("predictions are those of onnxruntime", {
  index <- onnx_index()
  expect_gt(length(index), 100)
  for (name in names(index)) {
    converter <- Converter$new(onnx_file(name), dtype = "double")
    x <- lapply(index[[name]]$inputs, row_major)
    if (length(x) == 1L) x <- x[[1L]]
    predicted <- predict(converter, x, channels_first = !endsWith(name, "channels_last"))
    if (!is.list(predicted)) predicted <- list(predicted)
    wanted <- lapply(index[[name]]$outputs, row_major)
    expect_length(predicted, length(wanted))
    for (i in seq_along(wanted)) {
      expect_lt(max(abs(predicted[[i]] - wanted[[i]])), 1e-4, label = name)
    }
  }
})

test_that("spelt-out functions are one layer", {
  functions <- c(
    silu = "silu", hard_swish = "hard_swish", hard_swish_sigmoid = "hard_swish",
    gelu_erf = "gelu", gelu_erf_half = "gelu", gelu_tanh = "gelu_tanh", mish_spelt = "mish",
    softplus_where = "softplus", softsign_spelt = "softsign", sigmoid_spelt = "sigmoid",
    log_sigmoid = "log_sigmoid", relu_max = "relu", relu6_min = "relu6"
  )
  for (name in names(functions)) {
    layers <- c("Scale", paste("Activation", functions[[name]]))
    expect_identical(onnx_layers(name)[1:2], layers, label = name)
  }
  expect_true("LayerNorm" %in% onnx_layers("layer_norm_spelt"))
})

test_that("transpositions to and from channels last vanish", {
  layers <- onnx_layers("channels_last")
  expect_identical(
    layers, c("Scale", "Conv2D relu", "MaxPooling2D", "Permute", "Flatten", "Dense")
  )
  expect_identical(Converter$new(onnx_file("channels_last"))$input_dim, list(c(3L, 6L, 5L)))
})

test_that("arithmetic of shapes leaves no layer", {
  expect_identical(onnx_layers("flatten_by_shape"), c("Flatten", "Dense"))
  expect_identical(onnx_layers("fixed_rows"), c("Flatten", "Dense"))
})

test_that("gradients are those of differences", {
  index <- onnx_index()$torch_block_16
  converter <- Converter$new(onnx_file("torch_block_16"), dtype = "double")
  x <- row_major(index$inputs[[1L]])
  gradient <- as.array(Gradient$new(
    converter, x, output_idx = 2L, ignore_last_act = FALSE, dtype = "double", verbose = FALSE
  )$result[[1L]][[1L]])
  h <- 1e-6
  for (cell in c(1L, 17L, 50L, 90L)) {
    up <- down <- x[1L, , , , drop = FALSE]
    up[cell] <- up[cell] + h
    down[cell] <- down[cell] - h
    slope <- (predict(converter, up)[2L] - predict(converter, down)[2L]) / (2 * h)
    expect_equal(gradient[1L, , , , 1L][cell], slope, tolerance = 1e-5)
  }
})

test_that("what cannot be read is an error that says so", {
  path <- tempfile(fileext = ".onnx")
  writeLines("no network", path)
  expect_error(Converter$new(path), class = "innsight_error_file")
  bytes <- readBin(onnx_file("silu"), "raw", 1e5)
  writeBin(head(bytes, -20L), path)
  expect_error(Converter$new(path), class = "innsight_error_file")
  # Weights in another file that is not there.
  file.copy(onnx_file("torch_block_20"), path, overwrite = TRUE)
  expect_error(Converter$new(path), "beside the model", class = "innsight_error_file")
})
