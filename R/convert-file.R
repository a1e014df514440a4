# Model files. The engine reads them (src/rust/core/src/formats); what it returns is a list with the
# entry `format` and, depending on it, others:
#
# | `format` | other entries |
# |---|---|
# | `"onnx"` | `model`: the model list, complete |
# | `"keras"` | `config`: the architecture (JSON as nested lists), `weights`, `layout`: see below |
# | `"keras_weights"` | `weights`, `layout`: a `.weights.h5` file, which has no architecture |
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
        i = if (content$format == "keras_weights") {
          "Save the whole model: {.code model$save(\"model.keras\")}."
        } else {
          "Give the network as a named list and the file as {.arg weights}, see \\
           {.help innsight::Converter}."
        }),
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
        x = if (dir.exists(path)) "{.file {path}} is a folder." else "There is no {.file {path}}.",
        i = if (!dir.exists(path)) {
          "Relative paths start at {.file {getwd()}}."
        } else if (file.exists(file.path(path, "saved_model.pb"))) {
          "It is a SavedModel of TensorFlow: load it in Keras and save it as a {.file .keras} file."
        }),
      "file",
      call = call
    )
  }
  from_engine(engine_read(normalizePath(path)), call)
}

#' The arrays of a layer in a Keras file, by its names or by its path
#'
#' A .keras file has paths, an .h5 file a group for each outermost layer. In a group the name of an
#' array without its last part is that of its owner, with some of the models around it in front; the
#' owner whose name agrees with the most of a layer's names is this layer.
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
    if (length(names) == 1L) {
      return(group)
    }
    parts <- function(path) rev(strsplit(path, "/", fixed = TRUE)[[1L]])
    place <- parts(paste(names, collapse = "/"))
    owners <- unique(dirname(names(group)))
    score <- vapply(owners, function(owner) {
      owner <- parts(owner)
      n <- min(length(owner), length(place))
      agree <- sum(cumprod(owner[seq_len(n)] == place[seq_len(n)]))
      # Of owners that agree in as many names the one with the fewest others.
      if (agree >= length(parts(names[length(names)]))) agree - length(owner) / 1000 else 0
    }, 0)
    group[dirname(names(group)) %in% owners[score > 0 & score == max(score, 0)]]
  }
}
