# Keras with JAX, for the tests with live models; see fixtures/keras_models.py.

keras_models <- function() {
  skip_on_cran()
  skip_if_not_installed("reticulate")
  if (!nzchar(Sys.getenv("RETICULATE_PYTHON"))) {
    skip("RETICULATE_PYTHON must name a Python with keras and jax (tools/setup)")
  }
  reticulate::py_run_string("import sys; sys.dont_write_bytecode = True", local = TRUE)
  reticulate::import_from_path("keras_models", test_path("fixtures"), convert = FALSE)
}

# Predictions and gradients of a converter against those of Keras.
expect_as_keras <- function(converter, x, reference, label) {
  # Models without channels keep their axes.
  first <- identical(lapply(x, function(x) dim(x)[-1]), converter$input_dim)
  nodes <- lapply(reference$outputs, function(y) seq_len(ncol(y)))
  one <- function(list) if (length(list) == 1) list[[1]] else list
  gradient <- Gradient$new(converter, one(x), channels_first = first, output_idx = one(nodes),
                           ignore_last_act = FALSE, dtype = "double", verbose = FALSE)
  close <- function(ours, theirs, what) {
    size <- max(1e-2, abs(theirs))
    expect_equal(unname(ours) / size, theirs / size, tolerance = 1e-5,
                 label = paste(label, what))
  }
  for (o in seq_along(nodes)) {
    close(gradient$preds[[o]], reference$outputs[[o]], paste("output", o))
    for (i in seq_along(x)) {
      theirs <- reference$grads[[o]][[i]]
      ours <- gradient$result[[o]][[i]]
      # Not connected.
      if (is.null(ours) || all(is.na(ours))) ours <- array(0, dim(theirs))
      close(ours, theirs, paste("gradient of output", o, "with respect to input", i))
    }
  }
}
