# `weights` of Converter$new(): tensors by the names of a PyTorch or R torch state_dict, put into a
# model list whose layers carry a `name`.

# What the fields of a layer are called in a state_dict; a norm's scale and shift go by the names of
# weights.
tensor_names <- c(weight = "weight", bias = "bias", gamma = "weight", beta = "bias",
                  run_mean = "running_mean", run_var = "running_var")

#' @noRd
read_weights <- function(weights, call) {
  if (checkmate::test_string(weights)) {
    content <- read_model_file(weights, "weights", call)
    weights <- switch(content$format,
      tensors = content$tensors,
      torch = torch_weights(content$module),
      abort_arg(weights, "a file of tensors (.safetensors, or an R torch state_dict)", "weights",
                call, "The file of a whole network, such as .keras or .onnx, is given as `model`.",
                "file")
    )
  }
  if (!is.list(weights) || length(weights) == 0L ||
        !checkmate::test_names(names(weights), "unique")) {
    abort_arg(weights, "the path of a file, or a list of arrays with unique names", "weights", call)
  }
  weights
}

#' Put tensors into the layers of a model list, by name
#'
#' A layer named `"features.0"` takes `"features.0.weight"`, `"features.0.bias"` and, for a batch
#' norm, `"features.0.running_mean"` and `"features.0.running_var"`. A bias without a tensor is
#' none; a norm's scale and shift without one are 1 and 0.
#' @noRd
fill_weights <- function(model, weights, call) {
  weights <- read_weights(weights, call)
  taken <- character()
  missing <- character()
  model$layers <- lapply(model[["layers"]], function(layer) {
    name <- if (is.list(layer)) layer[["name"]]
    # Lists that are no layers are for normalise_model() to report.
    if (!checkmate::test_string(name) || !checkmate::test_string(layer[["type"]])) {
      return(layer)
    }
    fields <- intersect(names(layer_fields[[layer[["type"]]]]), names(tensor_names))
    keys <- stats::setNames(paste0(name, ".", tensor_names[fields]), fields)
    found <- keys[keys %in% names(weights)]
    taken <<- c(taken, found)
    layer[names(found)] <- weights[found]
    # What the layer has already stays; what it can do without becomes nothing.
    open <- setdiff(fields, c(names(found), names(layer)))
    optional <- intersect(open, c("bias", "gamma", "beta"))
    layer[optional] <- list(NULL)
    missing <<- c(missing, keys[setdiff(open, optional)])
    if (identical(layer$type, "BatchNorm") && is.null(layer$gamma)) {
      layer$gamma <- rep(1, weight_length(layer$run_mean))
    }
    layer
  })
  unused <- setdiff(names(weights), c(taken, grep("num_batches_tracked$", names(weights),
                                                  value = TRUE)))
  if (length(missing)) {
    innsight_abort(
      c("{.arg weights} must hold the tensors of all named layers of {.arg model}.",
        x = "Missing: {.val {unname(missing)}}.",
        i = if (length(unused)) "No layer takes {.val {unused}}."),
      "weights",
      call = call
    )
  }
  if (length(taken) == 0L) {
    innsight_abort(
      c("{.arg weights} must fit the layers of {.arg model}.",
        x = "No layer has a {.field name} with tensors of its own.",
        i = "Name the layers as the tensors: {.code name = \"features.0\"} takes \\
             {.val features.0.weight} and {.val features.0.bias}.",
        i = "{.arg weights} holds {.val {names(weights)}}."),
      "weights",
      call = call
    )
  }
  if (length(unused)) {
    innsight_warn("No layer of {.arg model} takes {.val {unused}} of {.arg weights}.")
  }
  model
}
