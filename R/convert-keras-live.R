# Live Keras models, through reticulate.

#' @export
as_model_list.python.builtin.object <- function(model, input_dim = NULL, ...) {
  call <- quote(as_model_list(model))
  if (!is_live_keras(model)) {
    return(as_model_list.default(model, ...))
  }
  rlang::check_installed("reticulate", "to read a live Keras model.")
  if (reticulate::py_is_null_xptr(model)) {
    innsight_abort(
      c("{.arg model} must be a live Keras model.",
        x = "It is a dead pointer: a model that was saved as an R object loses its content.",
        i = "Save models with {.code model$save(\"model.keras\")} and give the path of the file."),
      "model",
      call = call
    )
  }
  config <- from_engine(engine_json(keras_json(model, call)), call)
  keras_model_list(config, live_weights(model), input_dim, call)
}

is_live_keras <- function(model) {
  classes <- class(model)
  any(grepl("^(tf_)?keras\\.|^tensorflow\\.python\\.keras\\.", classes)) &&
    any(grepl("\\.(Sequential|Functional|Model)$", classes))
}

keras_json <- function(model, call) {
  tryCatch(
    # Depending on how Keras was imported, this is an R object already.
    as.character(reticulate::r_to_py(model$to_json())),
    error = function(e) {
      innsight_abort(
        c("{.arg model} must be a sequential or functional Keras model that has been built.",
          x = "Keras cannot write its configuration."),
        "model",
        call = call, parent = e
      )
    }
  )
}

#' The weights of a live model's layers
#'
#' They come as bytes, so that R never makes doubles of them; in a list, because reticulate copies the
#' outermost object. The Python side of each is emptied by hand: the R object that stands for it would
#' keep it until R's next garbage collection.
#' @noRd
live_weights <- function(model) {
  python <- reticulate::py_run_string(
    "
def layer_of(model, names):
    for name in names:
        model = model.get_layer(name)
    return model

def shapes(layer):
    return [[int(n) for n in w.shape] for w in layer.weights]

def content(layer, index):
    import numpy
    weights = layer.get_weights()[int(index)]
    return [bytearray(numpy.ascontiguousarray(weights, dtype='<f4'))]
",
    local = TRUE, convert = FALSE
  )
  function(names, path) {
    layer <- python$layer_of(model, as.list(names))
    shapes <- reticulate::py_to_r(python$shapes(layer))
    lapply(seq_along(shapes), function(i) {
      content <- python$content(layer, i - 1L)
      on.exit(content$clear())
      f32(reticulate::py_to_r(content)[[1L]], unlist(shapes[[i]]))
    })
  }
}
