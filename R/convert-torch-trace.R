# Traced graphs of torch: a text of operations, one a line, that says everything but the weights:
#
#   %26 : Float(3, 6, strides=[6, 1], ...) = aten::linear(%tab, %weight.3, %bias.3)
#
# Weights are reached by attributes whose path is their name in the state_dict. The values of a
# graph are here numbers, strings, lists, weights (arrays) and tensors that depend on the input:
# `torch_value`s.

# Rows of the example that is traced.
trace_batch <- 2L

#' @param from Index of the layer that makes it, see linked_model(); `NA` where that is unknown.
#' @param shape Without the batch axis.
#' @noRd
torch_value <- function(from, shape) {
  structure(list(from = from, shape = as.integer(shape)), class = "torch_value")
}
is_value <- function(x) inherits(x, "torch_value")
is_unknown <- function(x) {
  if (is_value(x)) is.na(x$from) else is.list(x) && any(vapply(x, is_unknown, NA))
}
is_number <- function(x) is.numeric(x) && length(x) == 1L && is.null(dim(x))

# ---- the text ----

#' @noRd
type_shape <- function(type) {
  pattern <- "(?s)^[A-Za-z]+\\(((?:[0-9]+(?:, )?)+).*$"
  if (grepl(pattern, type, perl = TRUE)) {
    as.integer(strsplit(sub(pattern, "\\1", type, perl = TRUE), ", ", fixed = TRUE)[[1L]])
  }
}

#' The values that are declared in a part of a line, "%name : type, %name : type"
#' @noRd
declared <- function(text) {
  found <- regmatches(text, gregexpr("%[^ ,:]+ : [^%]*", text))[[1L]]
  list(names = sub("(?s) : .*", "", found, perl = TRUE), types = sub("^[^ ]+ : ", "", found))
}

#' Take the text of a graph apart
#' @return A list of `inputs` (as declared()), `nodes` (lists of `names`, `types`, `op`,
#'   `attribute`, `args`, `place`) and `outputs`, names.
#' @noRd
parse_graph <- function(text) {
  lines <- unlist(strsplit(text, "\n", fixed = TRUE))
  end <- grep("\\):\\s*$", lines)[1L]
  result <- grep("^\\s*return \\(", lines)
  if (is.na(end) || length(result) != 1L) {
    return(NULL)
  }
  args <- function(text) regmatches(text, gregexpr("%[^ ,)]+", text))[[1L]]
  body <- lines[seq_len(result - 1L)][-seq_len(end)]
  nodes <- lapply(body[grepl("^\\s*%[^=]* : .* = ", body)], function(line) {
    split <- regexpr(" = ", line, fixed = TRUE)
    call <- substring(line, split + 3L)
    op <- sub("[[(].*", "", call)
    rest <- substring(call, nchar(op) + 1L)
    attribute <- if (startsWith(rest, "[")) sub("^\\[[a-z]+=(.*)\\]\\(.*", "\\1", rest)
    place <- if (grepl(", scope: ", rest, fixed = TRUE)) {
      gsub("__module\\.", "", sub("\\s*#.*", "", sub(".*, scope: ", "", rest)))
    }
    c(declared(substring(line, 1L, split - 1L)),
      list(op = op, attribute = attribute, place = place,
           args = args(sub("\\).*", "", sub("^(\\[.*\\])?\\(", "", rest)))))
  })
  list(inputs = declared(paste(lines[seq_len(end)], collapse = "\n")), nodes = nodes,
       outputs = args(lines[result]))
}

# ---- operations on more than one value ----
# Operations behind "aten::" and "prim::" that torch_operations cannot say: functions of the graph,
# the arguments, and the node with the `shape` of its result. Axes are counted from 0.

#' Append layers behind a value
#' @noRd
append_layers <- function(graph, value, layers, shape) {
  for (layer in layers) {
    layer$input_layers <- value$from
    graph$layers <- c(graph$layers, list(layer))
    value$from <- length(graph$layers)
  }
  torch_value(value$from, shape)
}

merge_values <- function(graph, values, shape, type, ...) {
  if (!all(vapply(values, is_value, NA))) unsupported("constants among the operands")
  layer <- list(type = type, ..., input_layers = vapply(values, `[[`, 0L, "from"))
  graph$layers <- c(graph$layers, list(layer))
  torch_value(length(graph$layers), shape)
}

scale_value <- function(graph, value, shape, scale = NULL, shift = NULL) {
  append_layers(graph, value, torch_layer("Scale", scale = scale, shift = shift), shape)
}

reshape_value <- function(graph, value, shape) {
  # A number for every row stays one feature.
  if (length(shape) == 0L || identical(value$shape, as.integer(shape))) {
    return(torch_value(value$from, shape))
  }
  layer <- torch_layer("Reshape", target = shape, order = "channels_first")
  append_layers(graph, value, layer, shape)
}

permute_value <- function(graph, value, axes) {
  if (!identical(axes[1L], 1L)) unsupported("the batch axis elsewhere")
  axes <- axes[-1L]
  append_layers(graph, value, torch_layer("Permute", axes = axes), value$shape[axes - 1L])
}

# A constant operand with the axes of the value, the batch left out.
operand <- function(x, value) {
  if (is_number(x)) {
    return(x)
  }
  x <- as.array(x)
  extents <- dim(x)
  rank <- length(value$shape)
  if (length(extents) == rank + 1L && extents[1L] == 1L) extents <- extents[-1L]
  extents <- c(rep(1L, max(rank - length(extents), 0L)), extents)
  if (length(extents) != rank || !all(extents == 1L | extents == value$shape)) {
    unsupported(sprintf("a constant of shape %s", format_shape(dim(x))))
  }
  array(x, extents)
}

is_constant <- function(x) {
  is_number(x) || is_f32(x) || (!is.null(x) && !is_value(x) && !is.list(x))
}

# The second operand is multiplied by alpha.
add_values <- function(graph, a, b, shape, alpha = 1) {
  if (is_value(a) && is_value(b)) {
    if (alpha != 1) b <- scale_value(graph, b, b$shape, alpha)
    merge_values(graph, list(a, b), shape, "Add")
  } else if (is_value(a)) {
    scale_value(graph, a, shape, shift = alpha * operand(b, a))
  } else {
    scale_value(graph, b, shape, if (alpha != 1) alpha, operand(a, b))
  }
}

# Arithmetic on the extents of tensors is done; on tensors it becomes a layer.
arithmetic <- function(on_numbers, on_values) {
  function(graph, args, node) {
    constant <- vapply(args[1:2], is_constant, NA)
    if (is_number(args[[1L]]) && is_number(args[[2L]])) {
      on_numbers(args[[1L]], args[[2L]])
    } else if (all(constant) || !all(constant | vapply(args[1:2], is_value, NA))) {
      unsupported("constants alone")
    } else {
      on_values(graph, args[[1L]], args[[2L]], node$shape, args)
    }
  }
}
alpha_of <- function(args) if (length(args) > 2L && is_number(args[[3L]])) args[[3L]] else 1

# Any axes but the batch: they are put behind the others and pooled.
reduce_value <- function(method) {
  function(graph, args, node) {
    value <- args[[1L]]
    at <- list(rank = length(value$shape), base = 0L)
    dims <- if (length(args) > 1L && length(args[[2L]])) args[[2L]] else unsupported("all axes")
    over <- sort(vapply(dims, torch_axis, 0L, at))
    rest <- setdiff(seq_len(at$rank) + 1L, over)
    extents <- value$shape
    if (length(rest)) {
      if (is.unsorted(c(rest, over))) value <- permute_value(graph, value, c(1L, rest, over))
      kept <- prod(extents[rest - 1L])
    } else {
      kept <- 1L
    }
    if (length(rest) != 1L) {
      value <- reshape_value(graph, value, c(kept, prod(extents[over - 1L])))
    }
    value <- append_layers(graph, value, torch_layer("GlobalPooling", method = method), kept)
    reshape_value(graph, value, node$shape)
  }
}

slice_value <- function(graph, value, dim, start, end, place = value$shape) {
  axis <- torch_axis(dim, list(rank = length(value$shape), base = 0L))
  shape <- value$shape
  extent <- shape[axis - 1L]
  bound <- function(x) min(max(if (x < 0) x + extent else x, 0), extent)
  start <- bound(start %||% 0)
  end <- bound(end %||% extent)
  if (start == 0 && end == extent) {
    return(value)
  }
  shape[axis - 1L] <- end - start
  layer <- torch_layer("Slice", axis = axis, start = as.integer(start) + 1L, end = as.integer(end))
  append_layers(graph, value, layer, shape)
}

# Parts of the given extents along an axis.
split_value <- function(graph, value, dim, sizes) {
  ends <- cumsum(sizes)
  Map(function(start, end) slice_value(graph, value, dim, start, end), ends - sizes, ends)
}
extent_of <- function(value, dim) {
  value$shape[torch_axis(dim, list(rank = length(value$shape), base = 0L)) - 1L]
}
part_sizes <- function(extent, size) {
  diff(unique(c(seq(0, extent, by = size), extent)))
}

multiply_weight <- function(graph, x, weight, bias, node) {
  if (!is_value(x) || length(dim(weight)) != 2L) unsupported("operands that are no weights")
  at <- list(rank = length(x$shape), base = 0L)
  layers <- torch_linear(at, permute_axes(weight, 2:1), bias)
  append_layers(graph, x, layers, node$shape)
}

pad_value <- function(graph, value, pads, mode, constant, shape) {
  if (!length(pads) %in% c(2L, 4L) || any(pads < 0) || length(value$shape) * 2L < length(pads)) {
    unsupported(sprintf("pad = %s", format_shape(pads)))
  }
  d <- length(value$shape) - 1L
  pads <- c(pads, numeric(max(2L * d - length(pads), 0L)))
  layer <- torch_layer("Padding", padding = pads, mode = mode, value = constant %||% 0)
  append_layers(graph, value, layer, shape)
}
pad_mode <- function(mode) {
  function(graph, args, node) {
    value <- if (length(args) > 2L) args[[3L]]
    pad_value(graph, args[[1L]], args[[2L]], mode, value, node$shape)
  }
}

take_first <- function(graph, args, node) args[[1L]]
to_shape <- function(graph, args, node) reshape_value(graph, args[[1L]], node$shape)
all_args <- function(graph, args, node) {
  if (length(args) && all(vapply(args, is_number, NA))) unlist(args) else args
}
upsample_value <- function(graph, args, node) {
  d <- length(node$shape) - 1L
  size <- node$shape[-1L] / args[[1L]]$shape[-1L]
  if (any(size %% 1 != 0)) unsupported("a size that is no multiple")
  append_layers(graph, args[[1L]], torch_layer(paste0("Upsampling", d, "D"), size = size),
                node$shape)
}

trace_operations <- list(
  ListConstruct = all_args, TupleConstruct = all_args,
  ListUnpack = function(graph, args, node) structure(args[[1L]], class = "several"),
  TupleUnpack = function(graph, args, node) structure(args[[1L]], class = "several"),
  NumToTensor = take_first, Int = take_first, ScalarImplicit = take_first,
  contiguous = take_first, detach = take_first, to = take_first, clone = take_first,
  alias = take_first, type_as = take_first,
  # The number of rows is not a part of the network.
  size = function(graph, args, node) {
    sizes <- c(NA_real_, args[[1L]]$shape)
    if (length(args) == 1L) {
      return(sizes)
    }
    if (args[[2L]] == 0) NA_real_ else extent_of(args[[1L]], args[[2L]])
  },
  add = arithmetic(`+`, function(graph, a, b, shape, args) {
    add_values(graph, a, b, shape, alpha_of(args))
  }),
  sub = arithmetic(`-`, function(graph, a, b, shape, args) {
    add_values(graph, a, b, shape, -alpha_of(args))
  }),
  rsub = arithmetic(function(a, b) b - a, function(graph, a, b, shape, args) {
    add_values(graph, b, a, shape, -alpha_of(args))
  }),
  mul = arithmetic(`*`, function(graph, a, b, shape, args) {
    if (is_value(a) && is_value(b)) {
      merge_values(graph, list(a, b), shape, "Multiply")
    } else if (is_value(a)) {
      scale_value(graph, a, shape, operand(b, a))
    } else {
      scale_value(graph, b, shape, operand(a, b))
    }
  }),
  div = arithmetic(`/`, function(graph, a, b, shape, args) {
    if (is_value(b) || length(args) > 2L) unsupported("a divisor that is no constant")
    scale_value(graph, a, shape, 1 / operand(b, a))
  }),
  floor_divide = arithmetic(`%/%`, function(...) unsupported("tensors")),
  neg = function(graph, args, node) scale_value(graph, args[[1L]], node$shape, -1),
  t = function(graph, args, node) {
    if (is_value(args[[1L]])) unsupported("the batch axis elsewhere")
    permute_axes(args[[1L]], 2:1)
  },
  addmm = function(graph, args, node) {
    if (!all(unlist(args[4:5]) == 1)) unsupported("beta or alpha")
    multiply_weight(graph, args[[2L]], args[[3L]], args[[1L]], node)
  },
  matmul = function(graph, args, node) multiply_weight(graph, args[[1L]], args[[2L]], NULL, node),
  convolution = function(graph, args, node) {
    args <- args[1:9]
    names(args) <- c("x", "weight", "bias", "stride", "padding", "dilation", "transposed",
                     "output_padding", "groups")
    used <- setdiff(names(args), c("x", "transposed", if (!args$transposed) "output_padding"))
    convolve <- if (args$transposed) torch_conv_transpose else torch_conv
    append_layers(graph, args$x, do.call(convolve, c(list(NULL), args[used])), node$shape)
  },
  cat = function(graph, args, node) {
    at <- list(rank = length(node$shape), base = 0L)
    merge_values(graph, args[[1L]], node$shape, "Concatenate", axis = torch_axis(args[[2L]], at))
  },
  mean = reduce_value("average"), amax = reduce_value("max"),
  sum = function(graph, args, node) {
    mean <- reduce_value("average")(graph, args, node)
    count <- prod(args[[1L]]$shape) / prod(node$shape)
    scale_value(graph, mean, node$shape, count)
  },
  view = to_shape, reshape = to_shape, squeeze = to_shape, unsqueeze = to_shape,
  unflatten = to_shape, `_unsafe_view` = to_shape,
  permute = function(graph, args, node) {
    rank <- length(args[[1L]]$shape) + 1L
    permute_value(graph, args[[1L]], as.integer(args[[2L]] %% rank) + 1L)
  },
  transpose = function(graph, args, node) {
    x <- args[[1L]]
    rank <- if (is_value(x)) length(x$shape) + 1L else length(dim(x))
    swap <- as.integer(unlist(args[2:3]) %% rank) + 1L
    axes <- replace(seq_len(rank), swap, rev(swap))
    if (is_value(x)) permute_value(graph, x, axes) else permute_axes(x, axes)
  },
  slice = function(graph, args, node) {
    if (args[[5L]] != 1) unsupported(sprintf("step = %s", args[[5L]]))
    whole <- args[[2L]] == 0 && identical(c(args[[3L]] %||% 0), 0) && args[[4L]] > 1e9
    if (whole) args[[1L]] else slice_value(graph, args[[1L]], args[[2L]], args[[3L]], args[[4L]])
  },
  select = function(graph, args, node) {
    at <- args[[3L]]
    if (at < 0) at <- at + extent_of(args[[1L]], args[[2L]])
    part <- slice_value(graph, args[[1L]], args[[2L]], at, at + 1)
    reshape_value(graph, part, node$shape)
  },
  narrow = function(graph, args, node) {
    slice_value(graph, args[[1L]], args[[2L]], args[[3L]], args[[3L]] + args[[4L]])
  },
  chunk = function(graph, args, node) {
    extent <- extent_of(args[[1L]], args[[3L]])
    split_value(graph, args[[1L]], args[[3L]], part_sizes(extent, ceiling(extent / args[[2L]])))
  },
  split = function(graph, args, node) {
    sizes <- args[[2L]]
    if (length(sizes) == 1L) sizes <- part_sizes(extent_of(args[[1L]], args[[3L]]), sizes)
    split_value(graph, args[[1L]], args[[3L]], sizes)
  },
  pad = function(graph, args, node) {
    pad_value(graph, args[[1L]], args[[2L]], args[[3L]], args[[4L]], node$shape)
  },
  constant_pad_nd = pad_mode("constant"),
  reflection_pad1d = pad_mode("reflect"), reflection_pad2d = pad_mode("reflect"),
  replication_pad1d = pad_mode("replicate"), replication_pad2d = pad_mode("replicate"),
  upsample_nearest1d = upsample_value, upsample_nearest2d = upsample_value,
  exp = function(graph, args, node) {
    append_layers(graph, args[[1L]], torch_activation("exponential"), node$shape)
  }
)
trace_aliases <- c(
  `_convolution` = "convolution", `_convolution_mode` = "conv2d", mm = "matmul", numpy_T = "t",
  multiply = "mul", true_divide = "div", divide = "div", floordiv = "floor_divide",
  subtract = "sub", concat = "cat", split_with_sizes = "split"
)
# As torch_becomes; what is not here becomes no layer.
trace_becomes <- c(
  add = "Add, Scale", sub = "Add, Scale", rsub = "Add, Scale", mul = "Multiply, Scale",
  div = "Scale", neg = "Scale", addmm = "Dense", matmul = "Dense",
  convolution = "Conv1D, Conv2D, ConvTranspose1D, ConvTranspose2D", cat = "Concatenate",
  mean = "GlobalPooling, Permute, Reshape", amax = "GlobalPooling, Permute, Reshape",
  sum = "GlobalPooling, Permute, Reshape, Scale", view = "Reshape", reshape = "Reshape",
  squeeze = "Reshape", unsqueeze = "Reshape", unflatten = "Reshape", `_unsafe_view` = "Reshape",
  permute = "Permute", transpose = "Permute", slice = "Slice", select = "Slice, Reshape",
  narrow = "Slice", chunk = "Slice", split = "Slice", pad = "Padding",
  constant_pad_nd = "Padding", reflection_pad1d = "Padding", reflection_pad2d = "Padding",
  replication_pad1d = "Padding", replication_pad2d = "Padding",
  upsample_nearest1d = "Upsampling1D", upsample_nearest2d = "Upsampling2D",
  exp = "Activation exponential"
)

# ---- the graph ----

#' @noRd
constant_value <- function(node) {
  text <- node$attribute
  if (is.null(text)) {
    NULL
  } else if (startsWith(text, "\"")) {
    gsub("\"", "", text, fixed = TRUE)
  } else {
    # A tensor with one element is written {x}, with 6 digits; a list of numbers [x, y].
    number <- suppressWarnings(as.numeric(strsplit(gsub("[][{}]", "", text), ", ")[[1L]]))
    if (anyNA(number)) unsupported("a tensor made in forward(); make it a buffer")
    if (startsWith(text, "{") && any(number != signif(number, 5L))) {
      innsight_warn(c("A number in the model's {.fn forward} is known to 6 digits alone: {number}.",
                      i = "A buffer of the module keeps all digits."))
    }
    number
  }
}

#' The value of a node
#' @noRd
node_value <- function(graph, node) {
  if (node$op == "prim::Constant") {
    return(constant_value(node))
  }
  if (node$op == "prim::GetAttr") {
    path <- gsub("\"", "", node$attribute, fixed = TRUE)
    path <- paste(c(graph$paths[[node$args]], path), collapse = ".")
    graph$paths[[node$names]] <- path
    weight <- graph$weights[[path]]
    if (is.null(weight) && node$types == "Tensor") unsupported(sprintf("no weight `%s`", path))
    return(weight)
  }
  args <- lapply(node$args, function(name) graph$values[[name]])
  if (any(vapply(args, is_unknown, NA))) {
    # Behind something that is reported already.
    return(torch_value(NA, node$shape))
  }
  name <- sub("(?<=.)_$", "", sub("^[a-z]+::", "", node$op), perl = TRUE)
  if (name %in% names(trace_aliases)) name <- trace_aliases[[name]]
  if (name %in% names(trace_operations)) {
    return(trace_operations[[name]](graph, args, node))
  }
  operation <- torch_operation(name)
  if (is.null(operation) || !is_value(args[[1L]])) unsupported("")
  if (any(vapply(args[-1L], is_value, NA))) unsupported("tensors in place of weights")
  # What torch has behind the arguments of the table says how to compute.
  at <- list(rank = length(args[[1L]]$shape), base = 0L)
  layers <- do.call(operation, c(list(at), utils::head(args[-1L], length(formals(operation)) - 1L)))
  append_layers(graph, args[[1L]], layers, node$shape)
}

#' A traced graph as a model list
#'
#' @param text The text of the graph.
#' @param weights Named list, the names as in the state_dict.
#' @noRd
graph_model_list <- function(text, weights, call = quote(as_model_list(model))) {
  parsed <- parse_graph(text)
  shapes <- lapply(parsed$inputs$types, type_shape)
  inputs <- which(lengths(shapes) > 0L)
  if (length(inputs) == 0L) {
    innsight_abort(c("{.arg model} must have a graph in the form of TorchScript.",
                     x = "Its trace reads otherwise."), "model", call = call)
  }
  batch <- shapes[inputs][[1L]][1L]
  input_dim <- lapply(shapes[inputs], function(shape) shape[-1L])
  graph <- new.env(parent = emptyenv())
  graph$layers <- list()
  graph$weights <- weights
  graph$paths <- list()
  graph$values <- stats::setNames(
    Map(torch_value, 1L - seq_along(inputs), input_dim), parsed$inputs$names[inputs]
  )
  reasons <- character()
  for (node in parsed$nodes) {
    full <- type_shape(node$types[1L])
    node$shape <- full[-1L]
    before <- length(graph$layers)
    value <- attempt({
      value <- node_value(graph, node)
      moved <- is_value(value) && !is_unknown(value) && !identical(full[1L], batch)
      if (moved) unsupported("the batch axis elsewhere")
      value
    }, function(reason) {
      place <- node$place %||% paste("value", node$names[1L])
      reasons <<- c(reasons, paste0(place, ": ", node$op, if (nzchar(reason)) " with ", reason))
      torch_value(NA, node$shape)
    })
    # The layer is called by the module whose weights it has.
    path <- unlist(graph$paths[intersect(node$args, names(graph$paths))])[1L]
    name <- sub("\\.?[^.]*$", "", path)
    if (!startsWith(node$op, "prim::") && isTRUE(nzchar(name))) {
      new <- seq_along(graph$layers)
      for (i in new[new > before]) graph$layers[[i]]$name <- name
    }
    values <- if (inherits(value, "several")) unclass(value) else list(value)
    for (i in seq_along(values)) graph$values[node$names[i]] <- values[i]
  }
  abort_unsupported(
    reasons, "operation", "Replace the operation by one that innsight knows, if that is possible.",
    call
  )
  outputs <- lapply(parsed$outputs, function(name) graph$values[[name]])
  outputs <- unlist(lapply(outputs, function(x) if (is_value(x)) list(x) else x), recursive = FALSE)
  if (!is.list(outputs) || !all(vapply(outputs, is_value, NA))) {
    innsight_abort(c("{.arg model} must return tensors that depend on its input.",
                     x = "Its {.fn forward} returns something else."), "model", call = call)
  }
  linked_model(graph$layers, vapply(outputs, `[[`, 0L, "from"), input_dim)
}
