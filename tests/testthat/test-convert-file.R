# Models of the frameworks as files, with the numbers that the framework itself gives.

fixture <- function(name) test_path("fixtures", name)
reference_of <- function(file) {
  skip_if_not_installed("jsonlite")
  stem <- sub("\\..*", "", file)
  reference <- jsonlite::fromJSON(fixture(paste0(stem, ".json")), simplifyVector = FALSE)
  row_major <- function(x) aperm(array(as.double(unlist(x$data)), rev(unlist(x$shape))))
  single <- function(x) if (length(x) == 1L) x[[1L]] else x
  list(
    x = single(lapply(reference$inputs, row_major)),
    y = row_major(reference$outputs[[1L]]),
    gradients = lapply(reference$outputs[[1L]]$grads %||% reference$grads, row_major),
    channels_first = !identical(reference$data_format, "channels_last")
  )
}

expect_framework_numbers <- function(converter, file) {
  reference <- reference_of(file)
  outputs <- seq_len(ncol(reference$y))
  gradient <- Gradient$new(
    converter, reference$x, channels_first = reference$channels_first, output_idx = outputs,
    ignore_last_act = FALSE, dtype = "double", verbose = FALSE
  )
  expect_lt(max(abs(as.array(gradient$preds[[1L]]) - reference$y)), 1e-5, label = file)
  result <- gradient$result[[1L]]
  if (!is.list(result)) result <- list(result)
  expect_length(reference$gradients, length(result))
  for (i in seq_along(result)) {
    deviation <- max(abs(as.array(result[[i]]) - reference$gradients[[i]]))
    expect_lt(deviation, 1e-4, label = paste(file, "gradient", i))
  }
}

models <- c("k2_seq_cnn.h5", "k2_seq_cnn.keras", "k3_functional.keras", "k3_mlp.h5",
            "rt_cnn2d.rtorch.pt", "rt_mlp.rtorch.pt")

test_that("predictions and gradients are those of the framework", {
  for (file in models) {
    converter <- suppressWarnings(Converter$new(fixture(file), dtype = "double"))
    expect_framework_numbers(converter, file)
  }
})

test_that("tensors of a safetensors file go with a list of layers", {
  layer <- function(name, activation) {
    list(type = "Dense", name = name, activation_name = activation)
  }
  layers <- list(layer("0", "relu"), layer("3", "tanh"), layer("5", "softmax"))
  for (i in 1:3) {
    layers[[i]][c("input_layers", "output_layers")] <- list(i - 1, if (i == 3) -1 else i + 1)
  }
  net <- list(input_dim = 4, input_nodes = 1, output_nodes = 3, layers = layers)
  converter <- Converter$new(net, weights = fixture("pt_mlp.safetensors"), dtype = "double")
  expect_framework_numbers(converter, "pt_mlp.safetensors")
})

test_that("the list of a file can be edited and converted again", {
  for (file in models) {
    converter <- suppressWarnings(
      Converter$new(fixture(file), save_model_as_list = TRUE, dtype = "double")
    )
    model <- converter$model_as_list
    expect_framework_numbers(Converter$new(model, dtype = "double"), file)
    model$output_names <- list(paste("Class", seq_len(prod(unlist(converter$output_dim)))))
    expect_identical(as.character(Converter$new(model)$output_names[[1L]][[1L]]),
                     model$output_names[[1L]], label = file)
  }
})

test_that("a converter of a file outlives its session and the file", {
  path <- tempfile(fileext = ".keras")
  file.copy(fixture("k3_functional.keras"), path)
  converter <- Converter$new(path, dtype = "double")
  unlink(path)
  copy <- tempfile(fileext = ".rds")
  saveRDS(converter, copy)
  expect_framework_numbers(readRDS(copy), "k3_functional.keras")
})

test_that("what is no model file is an error that names it", {
  folder <- tempfile()
  dir.create(folder)
  refused <- function(path, message, ...) {
    expect_error(Converter$new(path, ...), message, class = "innsight_error_file")
  }
  refused(folder, basename(folder))
  refused("https://example.com/model.onnx", "There is no")
  refused("no {such} <file>.onnx", "no \\{such\\} <file>")
  at <- function(name) file.path(folder, name)
  file.create(at("empty.onnx"))
  refused(at("empty.onnx"), "is empty")
  writeLines("Dear model,", at("letter.txt"))
  refused(at("letter.txt"), "letter.txt")
  writeBin(c(as.raw(0x89), charToRaw("PNG\r\n"), raw(100)), at("picture.png"))
  refused(at("picture.png"), "picture.png")
  saveRDS(1, at("object.rds"))
  refused(at("object.rds"), "readRDS")
  save(folder, file = at("object.RData"))
  refused(at("object.RData"), "load\\(\\)")
  refused(fixture("pt_mlp.safetensors"), "weights alone")
  expect_error(Converter$new(rep(fixture("k3_mlp.h5"), 2L)), "one file", class = "innsight_error")
  expect_error(Converter$new(""), class = "innsight_error")
  # Odd names and short forms of paths are fine.
  file.copy(fixture("k3_mlp.h5"), at("a {b} <ü>.h5"))
  expect_s3_class(Converter$new(at("a {b} <ü>.h5")), "Converter")
})

test_that("a file of zeros costs neither time nor memory", {
  skip_on_cran()
  skip_on_os("windows")
  path <- tempfile()
  file <- file(path, "wb")
  seek(file, 2^31, rw = "write")
  writeBin(as.raw(0), file)
  close(file)
  time <- system.time(expect_error(Converter$new(path), class = "innsight_error_file"))
  expect_lt(time[["elapsed"]], 5)
})

test_that("damaged files are errors of the package, or models", {
  files <- c(models, "onnx/silu.onnx", "onnx/torch_block_18.onnx", "pt_mlp.safetensors")
  path <- tempfile()
  with_seed(7, for (i in 1:200) {
    bytes <- readBin(fixture(files[i %% length(files) + 1L]), "raw", 1e6)
    at <- sample(length(bytes), 1L)
    bytes <- switch(i %% 3L + 1L, replace(bytes, at, as.raw(sample(0:255, 1L))),
                    head(bytes, at), replace(bytes, at, xor(bytes[at], as.raw(0x80))))
    writeBin(bytes, path)
    condition <- tryCatch(suppressWarnings(Converter$new(path)), error = identity)
    expect_true(inherits(condition, c("Converter", "innsight_error")),
                label = paste("mutation", i, "of", files[i %% length(files) + 1L]))
    expect_false(inherits(condition, "innsight_error_bug"))
  })
})
