# The only caller of the generated wrappers. Everything above this file sees plain R values.

the <- new.env(parent = emptyenv())

#' The engine's table of layers, rules, activations and devices
#' @noRd
capabilities <- function() {
  if (is.null(the$capabilities)) {
    the$capabilities <- from_engine(engine_capabilities())
  }
  the$capabilities
}

#' The live handle of a converter
#'
#' The handle is a cache: it is nil after `readRDS()`, in another process or before the first use,
#' and is then built again from the model list.
#' @noRd
network_handle <- function(converter, call = rlang::caller_env()) {
  model_handle(converter$model, call)
}

#' @noRd
model_handle <- function(model, call = rlang::caller_env()) {
  self <- environment(model)
  if (is.null(self$handle) || !isTRUE(engine_alive(self$handle))) {
    spec <- engine_spec(self$net)
    self$handle <- from_engine(engine_build(spec$spec, spec$arrays), call)
  }
  self$handle
}

#' @noRd
network_info <- function(converter, call = rlang::caller_env()) {
  from_engine(engine_info(network_handle(converter, call)), call)
}

#' @noRd
engine_call <- function(channels_first, dtype, call) {
  list(
    channels_first = channels_first,
    dtype = dtype,
    device = option_device(call),
    threads = option_threads(call),
    memory = memory_budget(call)
  )
}

#' @return A list (output layer) of N x n_out matrices.
#' @noRd
network_predict <- function(converter, x, channels_first = TRUE, dtype = "float",
                            call = rlang::caller_env()) {
  settings <- engine_call(channels_first, dtype, call)
  parts <- forward_in_chunks(converter, x, settings, call, function(handle, x) {
    engine_predict(handle, x, settings)
  })
  bind_rows(parts)
}

#' Call the engine's `pass(handle, x)` for as many rows of x at a time as fit into memory
#' @noRd
forward_in_chunks <- function(converter, x, settings, call, pass) {
  plan <- network_plan(converter, settings$channels_first, settings$dtype, call)
  budget <- memory_budget(call)
  check_memory(plan$bytes_per_data_point, budget, call)
  rows <- split_every(nrow(x[[1L]]), budget %/% plan$bytes_per_data_point)
  lapply(rows, function(rows) {
    x <- lapply(x, slice_rows, rows)
    from_engine(pass(network_handle(converter, call), x), call)
  })
}

# Lists of matrices with the same columns, one list per chunk of rows, as one list.
bind_rows <- function(parts) {
  if (length(parts) == 1L) parts[[1L]] else do.call(Map, c(list(rbind), parts))
}

#' Refuse what would not fit into memory even for one data point and one output node
#' @noRd
check_memory <- function(bytes, budget, call) {
  if (bytes <= budget) {
    return(invisible(NULL))
  }
  innsight_abort(
    c("A single data point needs more memory than {.code innsight.memory} allows.",
      x = "It needs {format_bytes(bytes)}, allowed are {format_bytes(budget)}.",
      i = "If the machine has more, raise it: {.code options(innsight.memory = \"8GB\")}."),
    "memory",
    call = call
  )
}

format_bytes <- function(x) format(structure(x, class = "object_size"), units = "auto")

# 1, ..., n in blocks of `size`.
split_every <- function(n, size) unname(split(seq_len(n), (seq_len(n) - 1) %/% size))

#' @return A list (layer) of lists `input` (arrays), `preactivation`, `output`, channels first.
#' @noRd
network_activations <- function(converter, x, channels_first = TRUE, dtype = "float",
                                call = rlang::caller_env()) {
  settings <- engine_call(channels_first, dtype, call)
  from_engine(engine_activations(network_handle(converter, call), x, settings), call)
}

#' Attributions and what belongs to them
#'
#' @param place Where they go, see explain_place().
#' @return A list (output layer; `NULL` where nothing is asked for) of lists of arrays (data points,
#'   ..., targets): one per input layer, the explained values and the predictions, each `NULL` if
#'   there is none. With `method$ledger` of one array (data points, 3 x layers, targets) in their
#'   stead: what every layer gave to its bias, to the stabiliser and to nothing.
#' @noRd
network_explain <- function(converter, method, x, targets, place, channels_first, dtype, call) {
  settings <- engine_call(channels_first, dtype, call)
  handle <- network_handle(converter, call)
  from_engine(engine_explain(handle, method, x, targets, place, settings), call)
}

# Which part of a result for `n` data points and `n_nodes` targets per output layer a chunk is, see
# plan_chunks(). `room` is what the engine made for the first chunk, which it fills in place: nobody
# else may have it yet.
explain_place <- function(chunk, n, n_nodes, room = NULL) {
  first <- \(i) if (length(i) > 0) i[1] else 1L
  list(
    room = room, samples = as.integer(n), nodes = as.integer(n_nodes), row = chunk$rows[1],
    columns = vapply(chunk$columns, first, 1L), add = chunk$copies[1] > 1
  )
}

#' @return A list of `preds` and `values`, each a list (output layer) of N x targets matrices.
#' @noRd
network_values <- function(converter, x, targets, ignore_last_act, channels_first, dtype, call) {
  settings <- engine_call(channels_first, dtype, call)
  parts <- forward_in_chunks(converter, x, settings, call, function(handle, x) {
    engine_values(handle, x, targets, ignore_last_act, settings)
  })
  bind <- \(name) bind_rows(lapply(parts, `[[`, name))
  list(preds = bind("preds"), values = bind("values"))
}

#' @return A list of `bytes_per_data_point` and `bytes_per_row` (data point x target).
#' @noRd
network_plan <- function(converter, channels_first = TRUE, dtype = "float",
                         call = rlang::caller_env()) {
  settings <- engine_call(channels_first, dtype, call)
  from_engine(engine_plan(network_handle(converter, call), settings), call)
}

#' The model list as the engine wants it
#'
#' @return A list of `spec` (structure, weights as indices) and `arrays` (the weights).
#' @noRd
engine_spec <- function(net) {
  arrays <- list()
  store <- function(x) {
    if (is.null(dim(x))) dim(x) <- length(x)
    arrays[[length(arrays) + 1L]] <<- x
    length(arrays)
  }
  layers <- lapply(seq_along(net$layers), function(i) {
    layer <- net$layers[[i]]
    # The j-th 0 stands for the j-th model input whose node this layer is, if there are several.
    inputs <- layer$input_layers
    single <- length(net$input_dim) == 1L
    inputs[inputs == 0L] <- if (single) -1L else -which(net$input_nodes == i)
    fields <- layer[setdiff(names(layer), c(
      "type", "input_layers", "output_layers", "dim_in", "dim_out", "num_features",
      "activation_name", "act_name", "activation_args", "method"
    ))]
    names(fields)[names(fields) == "num_groups"] <- "groups"
    # Weights become numbers of arrays, 0 where there are none.
    for (field in intersect(weight_fields, names(layer_fields[[layer$type]]))) {
      fields[[field]] <- if (is.null(layer[[field]])) 0L else store(layer[[field]])
    }
    activation <- c(layer$activation_name, layer$act_name)
    if (!is.null(activation)) {
      args <- lapply(layer$activation_args, as.double)
      fields$activation <- c(list(name = activation), if (length(args)) list(args = args))
    }
    type <- switch(layer$method %||% "",
      average = "GlobalAvgPooling", max = "GlobalMaxPooling", layer$type
    )
    c(list(type = type, inputs = inputs), fields)
  })
  spec <- list(input_dim = net$input_dim, output_nodes = net$output_nodes, layers = layers)
  list(spec = spec, arrays = arrays)
}

# Whether an array of doubles is free of NA, NaN and Inf, without a logical one as large.
all_finite <- function(x) from_engine(engine_all_finite(x))

# Sums over all axes but the first and the last, without a copy of the values.
cell_sums <- function(value) {
  if (!is.double(value)) storage.mode(value) <- "double"
  from_engine(engine_cell_sums(value))
}
