# Live Keras models, through reticulate.

#' @export
as_model_list.python.builtin.object <- function(model, ..., input_dim = NULL) {
  call <- quote(as_model_list(model))
  if (!is_live_keras(model)) {
    return(as_model_list.default(model))
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
    reticulate::py_to_r(model$to_json()),
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

#' The weights of a live model's layers, as bytes, so that R never makes doubles of them
#' @noRd
live_weights <- function(model) {
  python <- reticulate::py_run_string(
    "
def innsight_layer(model, names):
    for name in names:
        model = model.get_layer(name)
    return model

def innsight_weights(layer):
    import numpy
    return [numpy.ascontiguousarray(w, dtype='<f4') for w in layer.get_weights()]

def innsight_shape(array):
    return [int(n) for n in array.shape]
",
    local = TRUE, convert = FALSE
  )
  as_r <- reticulate::py_to_r
  builtins <- reticulate::import_builtins(convert = FALSE)
  function(names, path) {
    layer <- python$innsight_layer(model, as.list(names))
    arrays <- python$innsight_weights(layer)
    lapply(seq_len(as_r(builtins$len(arrays))) - 1L, function(i) {
      array <- arrays$pop(0L)
      f32(as_r(builtins$bytearray(array)), unlist(as_r(python$innsight_shape(array))))
    })
  }
}
