# Live Keras models and their files, against Keras' own predictions and JAX's gradients.

test_that("live models and their files predict and differentiate as Keras does", {
  keras <- keras_models()
  as_r <- reticulate::py_to_r
  names <- as_r(reticulate::import_builtins(convert = FALSE)$list(keras$MODELS))
  expect_gte(length(names), 15)
  for (name in names) {
    model <- keras$build(name)
    x <- with_seed(1, lapply(as_r(keras$shapes(model)), function(shape) {
      random_array(3, unlist(shape))
    }))
    reference <- as_r(keras$reference(model, lapply(x, reticulate::r_to_py)))
    live <- convert(model, save_model_as_list = TRUE)
    expect_as_keras(live, x, reference, name)
    folder <- tempfile()
    dir.create(folder)
    for (file in file.path(folder, c("model.keras", "model.h5"))) {
      suppressWarnings(model$save(file))
      from_file <- convert(file)
      expect_as_keras(from_file, x, reference, paste(name, basename(file)))
    }
    again <- convert(live$model_as_list)
    x <- if (length(x) == 1) x[[1]] else x
    first <- identical(lapply(as_r(keras$shapes(model)), unlist), live$input_dim)
    expect_identical(predict(again, x, first), predict(live, x, first))
  }
})

test_that("the architectures of keras.applications predict as in Keras", {
  keras <- keras_models()
  as_r <- reticulate::py_to_r
  for (name in as_r(reticulate::import_builtins(convert = FALSE)$list(keras$APPLICATIONS))) {
    model <- keras$build(name)
    x <- with_seed(2, random_array(2, unlist(as_r(keras$shapes(model))[[1]])))
    theirs <- as_r(model$predict(reticulate::r_to_py(x), verbose = 0L))
    ours <- unname(predict(convert(model), x, channels_first = FALSE))
    expect_lt(max(abs(ours - theirs)) / max(abs(theirs)), 1e-4, label = name)
  }
})

test_that("what is no live, built model is a clear error", {
  keras <- keras_models()
  layers <- reticulate::import("keras", convert = FALSE)
  fails <- function(model, pattern, ...) {
    expect_error(convert(model, ...), pattern, class = "innsight_error")
  }
  model <- keras$build("mlp")
  dead <- tempfile(fileext = ".rds")
  saveRDS(model, dead)
  fails(readRDS(dead), "dead pointer")
  fails(layers$layers$Dense(3L), "keras.*Dense")
  unbuilt <- layers$Sequential(list(layers$layers$Dense(3L)))
  fails(unbuilt, "built")
  open <- layers$Sequential(list(
    layers$Input(reticulate::tuple(NULL, 2L)), layers$layers$Conv1D(3L, 3L),
    layers$layers$GlobalMaxPooling1D()
  ))
  fails(open, "input_dim")
  expect_identical(convert(open, input_dim = c(2, 9))$input_dim, list(c(2L, 9L)))
  unknown <- layers$Sequential(list(
    layers$Input(reticulate::tuple(5L, 2L)), layers$layers$LSTM(3L, name = "memory"),
    layers$layers$Dense(2L)
  ))
  fails(unknown, "memory.*LSTM")
})
