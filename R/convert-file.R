# Model files. The engine reads them (src/rust/core/src/formats); what it returns is a list with the
# entry `format` and, depending on it, others:
#
# | `format` | other entries |
# |---|---|
# | `"onnx"` | `model`: the model list, complete |
# | `"keras"` | `config`: the architecture (JSON as nested lists), `weights`: see keras_model_list() |
# | `"torch"` | `module`: the tree of modules, see torch_model_list() |
# | `"tensors"` | `tensors`: a named list of arrays |

#' @export
as_model_list.character <- function(model, input_dim = NULL, ...) {
  call <- quote(as_model_list(model))
  content <- read_model_file(model, "model", call)
  switch(content$format,
    onnx = content$model,
    keras = keras_model_list(content$config, keras_file_weights(content), input_dim, call),
    torch = torch_model_list(content$module, input_dim, call = call),
    innsight_abort(
      c("{.arg model} must be a file that holds a network.",
        x = "{.file {model}} holds weights alone.",
        i = "Give the network as a named list and the file as {.arg weights}, see \\
             {.help innsight::Converter}."),
      "file",
      call = call
    )
  )
}

#' @noRd
read_model_file <- function(path, arg, call) {
  if (!checkmate::test_string(path, min.chars = 1L)) {
    abort_arg(path, "the path of one file", arg, call)
  }
  if (!file.exists(path) || dir.exists(path)) {
    innsight_abort(
      c("{.arg {arg}} must be the path of a file.",
        x = "There is no file {.file {path}}."),
      "file",
      call = call
    )
  }
  from_engine(engine_read(normalizePath(path)), call)
}

#' The arrays of a layer in a Keras file, by its names or by its path
#'
#' A .keras file has paths, an .h5 file a group for each outermost layer, whose arrays are named
#' `.../<layer>/<weight>`.
#' @noRd
keras_file_weights <- function(content) {
  arrays <- content$weights
  if (content$layout == "paths") {
    owners <- dirname(names(arrays))
    return(function(names, path) {
      own <- owners == paste(c(rbind("layers", path), "vars"), collapse = "/")
      arrays[own][order(as.integer(basename(names(arrays)[own])))]
    })
  }
  function(names, path) {
    group <- arrays[[names[1L]]]
    if (length(names) == 1L) group else group[basename(dirname(names(group))) == rev(names)[1L]]
  }
}
