# Keras models, live or from files. Both are a configuration (`model$to_json()`, the `config.json`
# of a .keras file, the attribute `model_config` of an .h5 file), parsed into nested lists, and
# weights.

#' A Keras model as a model list
#'
#' @param config The configuration: `class_name` and `config`.
#' @param weights A function of the names of a layer (those of the nested models around it first)
#'   and its path in a .keras file, both character vectors; it gives the layer's arrays in the order
#'   of Keras.
#' @param input_dim `NULL`, or the shapes of the inputs, channels first, where the model leaves
#'   extents open.
#' @noRd
keras_model_list <- function(config, weights, input_dim = NULL, call = rlang::caller_env()) {
  rlang::try_fetch(
    keras_translate(config, weights, input_dim, call),
    error = function(error) {
      if (inherits(error, "innsight_error")) rlang::cnd_signal(error)
      innsight_abort(
        c("The architecture of {.arg model} must be one that Keras writes.",
          x = "Something in it is missing or not of the form expected."),
        "model",
        call = call, parent = error
      )
    }
  )
}

keras_translate <- function(config, weights, input_dim, call) {
  keras_check_classes(config, call)
  at <- list(weights = weights, call = call, names = character(), path = character())
  leaves <- keras_leaves(config)
  # Some layers on signals know nothing else than channels at the end.
  formats <- unlist(lapply(leaves, function(leaf) {
    if (leaf$class_name %in% keras_spatial()) leaf$config$data_format %||% "channels_last"
  }))
  if (length(unique(formats)) > 1L) {
    keras_refuse(at, "{.arg model} mixes the data formats {.val {unique(formats)}}.")
  }
  # Without such layers there are no channels, and axes stay where they are.
  at$last <- "channels_last" %in% formats
  at$keras2 <- any(vapply(leaves, \(leaf) !is.null(leaf$config$batch_input_shape), NA))
  shapes <- keras_input_shapes(config)
  if (at$last) shapes <- lapply(shapes, \(shape) shape[last_to_front(length(shape))])
  at$net <- network_sketch(keras_open_extents(shapes, input_dim, call))
  at$net$finish(keras_expand(config, at$net$inputs, at))
}

keras_refuse <- function(at, ..., .envir = rlang::caller_env()) {
  place <- paste(at$names, collapse = " > ")
  where <- if (nzchar(place)) sprintf("Layer `%s` (%s) cannot be converted.", place, at$class_name)
  innsight_abort(c(bullets(where, ""), ...), "model", call = at$call, .envir = .envir)
}

# ---- the structure ----

is_keras_model <- function(config) config$class_name %in% c("Sequential", "Functional", "Model")
keras_sublayers <- function(config) {
  layers <- if (is.null(names(config$config))) config$config else config$config$layers
  lapply(layers, function(layer) {
    layer$name <- layer$name %||% layer$config$name
    layer$class_name <- keras_operation(layer) %||% layer$class_name
    layer
  })
}

# Operations on tensors, `x + 1`, are layers as well. They go by the name of their function,
# `ops.add`, since some share the name of a layer.
keras_operation <- function(layer) {
  name <- if (layer$class_name %in% c("TFOpLambda", "SlicingOpLambda")) {
    sub(".*\\.", "", layer$config$`function`)
  } else if (grepl("^keras\\.src\\.(ops|activations)\\.", layer$module %||% "")) {
    keras_snake_case(layer$class_name)
  }
  if (length(name)) paste0("ops.", name)
}

# Keras' own way to write the name of a class.
keras_snake_case <- function(class_name) {
  name <- gsub("(.)([A-Z][a-z0-9]+)", "\\1_\\2", gsub("\\W+", "", class_name))
  tolower(gsub("([a-z])([A-Z])", "\\1_\\2", name))
}

# All layers that are no models, each with its place.
keras_leaves <- function(config, names = character()) {
  nested <- lapply(keras_sublayers(config), function(layer) {
    layer$place <- c(names, layer$name)
    if (is_keras_model(layer)) keras_leaves(layer, layer$place) else list(layer)
  })
  do.call(c, nested)
}

# Every layer that is not supported, at once.
keras_check_classes <- function(config, call) {
  if (!is_keras_model(config) || length(keras_sublayers(config)) == 0L) {
    innsight_abort(
      c("{.arg model} must be a sequential or functional Keras model.",
        x = "It is of class {.cls {config$class_name}}, whose structure is Python code.",
        i = "Build the same model with the functional API, or export it as an ONNX file."),
      "model",
      call = call
    )
  }
  bad <- Filter(\(leaf) !leaf$class_name %in% names(keras_layers), keras_leaves(config))
  abort_unsupported(
    vapply(bad, function(leaf) {
      sprintf("`%s`: %s", paste(leaf$place, collapse = " > "), leaf$class_name)
    }, ""),
    "layer", "Convert the part of the model behind what is not supported.", call
  )
}

# The shapes of the inputs in Keras' layout, `NA` for open extents.
keras_input_shapes <- function(config) {
  layers <- keras_sublayers(config)
  shape_of <- function(layer) {
    if (is_keras_model(layer)) {
      return(keras_input_shapes(layer)[[1L]])
    }
    shape <- layer$config$batch_shape %||% layer$config$batch_input_shape %||%
      config$build_config$input_shape %||% layer$build_config$input_shape
    vapply(shape[-1L], function(n) if (is.null(n)) NA_integer_ else as.integer(n), 0L)
  }
  if (config$class_name == "Sequential") {
    return(list(shape_of(layers[[1L]])))
  }
  names <- vapply(layers, `[[`, "", "name")
  lapply(keras_tensors(config$config$input_layers), function(id) {
    shape_of(layers[[match(id[[1L]], names)]])
  })
}

keras_open_extents <- function(shapes, input_dim, call) {
  given <- as_shapes(input_dim)
  shapes <- Map(function(shape, i) {
    own <- if (i <= length(given)) given[[i]]
    if (length(own) == length(shape)) shape[is.na(shape)] <- own[is.na(shape)]
    if (length(shape) == 0L || anyNA(shape)) {
      innsight_abort(
        c("{.arg model} must be built and say the shape of its inputs.",
          x = if (length(shape)) {
            "Input {i} has the open shape {format_shape(shape)} (channels first)."
          } else {
            "The shape of input {i} is not known."
          },
          i = "Build the model with an input layer, or give {.arg input_dim}, channels first."),
        "shape",
        call = call
      )
    }
    as.integer(shape)
  }, shapes, seq_along(shapes))
  unname(shapes)
}

# All references to tensors, (layer, node, tensor), in whatever form this version has them. Keras
# goes through dictionaries in the order of their names.
keras_tensors <- function(x) {
  if (!is.list(x)) {
    return(list())
  }
  is_reference <- length(x) >= 3L && is.character(x[[1L]]) && is.numeric(x[[2L]]) &&
    is.numeric(x[[3L]])
  if (is_reference) {
    return(list(list(layer = x[[1L]], node = x[[2L]], tensor = x[[3L]])))
  }
  if (!is.null(names(x))) x <- x[order(names(x), method = "radix")]
  do.call(c, c(list(list()), unname(lapply(x, keras_tensors))))
}

# The settings that Keras 2 keeps with the call of an operation.
keras_settings <- function(node) {
  while (is.list(node) && length(node) && is.list(node[[1L]])) node <- node[[1L]]
  if (is.null(names(node)) && length(node) > 3L) node[[4L]]
}

# What a call of a layer takes, in order: references to tensors, and numbers. Keras 2 has the first
# of them as `(layer, node, tensor, others)`, also where it is a number, and the second as `y`.
keras_arguments <- function(x) {
  if (is.null(x) || is.logical(x) || is.character(x)) {
    return(list())
  }
  if (is.numeric(x)) {
    return(list(x))
  }
  if (identical(x$class_name, "__keras_tensor__")) {
    return(keras_tensors(x))
  }
  if (!is.null(x$args)) {
    operands <- c("x1", "x2")
    others <- keras_tensors(x$kwargs[setdiff(names(x$kwargs), operands)])
    return(do.call(c, c(lapply(c(x$args, unname(x$kwargs[operands])), keras_arguments),
                        list(others))))
  }
  if (is.null(names(x)) && length(x) >= 3L && is.character(x[[1L]])) {
    is_number <- x[[1L]] == "_CONSTANT_VALUE"
    others <- if (length(x) > 3L) x[[4L]]
    return(c(if (is_number) list(keras_array(x[[3L]])) else keras_tensors(x[1:3]),
             keras_arguments(others$y), keras_tensors(others[setdiff(names(others), "y")])))
  }
  if (length(keras_tensors(x))) do.call(c, lapply(x, keras_arguments)) else list(keras_array(x))
}

#' Translate a model, or one that is nested in it
#' @param x The values of its inputs.
#' @return The values of its outputs.
#' @noRd
keras_expand <- function(config, x, at) {
  layers <- keras_sublayers(config)
  if (config$class_name == "Sequential") {
    layers <- layers[keras_classes(layers) != "InputLayer"]
    paths <- keras_paths(layers)
    for (layer in layers) x <- keras_apply(layer, x, at, paths[[layer$name]])
    return(x)
  }
  paths <- keras_paths(layers)
  ids <- function(tensors) vapply(tensors, \(id) paste(unlist(id), collapse = "\r"), "")
  values <- list()
  values[ids(keras_tensors(config$config$input_layers))] <- x
  # One call of a layer each; those of shared layers may have to wait for later ones.
  calls <- do.call(c, lapply(layers, function(layer) {
    is_operation <- startsWith(layer$class_name, "ops.")
    Map(function(node, i) {
      if (is_operation) layer$config <- c(layer$config, keras_settings(node))
      takes <- keras_arguments(node)
      list(layer = layer, call = i, takes = if (is_operation) takes else Filter(is.list, takes))
    }, layer$inbound_nodes, seq_along(layer$inbound_nodes))
  }))
  # They are counted from 0, but in Keras 2 those of most nested models from 1.
  outputs <- keras_tensors(config$config$output_layers)
  used <- Filter(is.list, c(unlist(lapply(calls, `[[`, "takes"), recursive = FALSE), outputs))
  first <- tapply(vapply(used, `[[`, 0, "node"), vapply(used, `[[`, "", "layer"), min)
  while (length(calls)) {
    ready <- FALSE
    for (i in seq_along(calls)) {
      layer <- calls[[i]]$layer
      takes <- calls[[i]]$takes
      is_tensor <- vapply(takes, is.list, NA)
      if (!all(ids(takes[is_tensor]) %in% names(values))) next
      ready[i] <- TRUE
      takes[is_tensor] <- values[ids(takes[is_tensor])]
      y <- keras_apply(layer, takes, at, paths[[layer$name]])
      node <- first[layer$name] + calls[[i]]$call - 1
      values[paste(layer$name, node, seq_along(y) - 1L, sep = "\r")] <- y
    }
    ready <- which(ready %in% TRUE)
    if (length(ready) == 0L) {
      keras_refuse(at, x = "Its layers wait for each other: {.val {calls[[1L]]$layer$name}}.")
    }
    calls <- calls[-ready]
  }
  unname(values[ids(outputs)])
}

keras_classes <- function(layers) vapply(layers, `[[`, "", "class_name")

# Where a .keras file keeps the weights of each layer: by class, numbered in order.
keras_paths <- function(layers) {
  snake <- keras_snake_case(keras_classes(layers))
  before <- vapply(seq_along(snake), \(i) sum(snake[seq_len(i - 1L)] == snake[i]), 0)
  paths <- paste0(snake, ifelse(before > 0, paste0("_", before), ""))
  rlang::set_names(as.list(paths), vapply(layers, `[[`, "", "name"))
}

keras_apply <- function(layer, x, at, path) {
  at$names <- c(at$names, layer$name)
  at$path <- c(at$path, path)
  at$class_name <- layer$class_name
  if (is_keras_model(layer)) {
    return(keras_expand(layer, x, at))
  }
  at$config <- layer$config
  list(keras_layers[[layer$class_name]]$make(at, x))
}

# ---- what layers are made of ----

# The arrays of a layer, of which there must be `n`.
keras_weights <- function(at, n) {
  w <- unname(at$weights(at$names, at$path))
  if (!length(w) %in% n) {
    keras_refuse(at, x = "It has {length(w)} array{?s} of weights, needed {?is/are} {n[1L]}.",
                 i = if (length(w) < n[1L]) {
                   "A model must be built: call it on data or fit it first."
                 })
  }
  w
}

# Adds a layer of ours, under the name of theirs.
keras_add <- function(at, layer, x, rank = x[[1L]]$rank) {
  if (length(x) != 1L && !layer$type %in% merging_types) {
    keras_refuse(at, x = "It is called on {length(x)} tensors; supported is 1.")
  }
  at$net$add(c(layer, list(name = paste(at$names, collapse = "/"))), x, rank)
}

# Axes of Keras (0 is the batch) among `rank` others, counted from the front.
keras_counted <- function(axis, rank) {
  axis <- as.integer(unlist(axis))
  ifelse(axis < 0L, rank + 1L + axis, axis)
}

# Our numbers of them: channels come first here, and the batch is 1.
keras_axis <- function(at, axis, rank) {
  axis <- keras_counted(axis, rank)
  if (at$last && rank > 1L) ifelse(axis == rank, 2L, axis + 2L) else axis + 1L
}

# The order of axes that brings the last one, that of channels, to the front.
last_to_front <- function(rank) c(rank, seq_len(rank))[seq_len(rank)]

# The axis that a layer names, of which there must be one.
keras_one_axis <- function(at, rank, axis = at$config$axis) {
  axis <- keras_axis(at, axis %||% -1L, rank)
  if (length(axis) != 1L) {
    keras_refuse(at, x = "It works on the axes {unlist(at$config$axis)}; supported is one of them.")
  }
  axis
}

# Does `make(x)` where an axis of ours is that of channels.
keras_on_axis <- function(at, x, axis, make) {
  if (axis == 2L) {
    return(make(x))
  }
  axes <- c(axis, setdiff(seq_len(x[[1L]]$rank) + 1L, axis))
  front <- keras_add(at, list(type = "Permute", axes = axes), x)
  keras_add(at, list(type = "Permute", axes = order(axes) + 1L), list(make(list(front))))
}

# A function of Keras, given by name or as an object, as fields of ours.
keras_activation <- function(at, given = at$config$activation, rank = 1L) {
  name <- given %||% "linear"
  found <- NULL
  if (is.list(given)) {
    name <- given$class_name %||% "a function of your own"
    if (name %in% names(keras_activation_layers)) {
      found <- keras_activation_layers[[name]](given$config)
    } else if (is.character(given$config)) {
      name <- given$config
    }
  }
  found <- found %||%
    if (name == "hard_sigmoid" && at$keras2) list(name, slope = 0.2) else keras_functions[[name]]
  if (is.null(found)) {
    keras_refuse(at, x = "Its activation {.val {name}} is not supported.",
                 i = "Supported are {.val {names(keras_functions)}}.")
  }
  args <- found[-1L]
  if (found[[1L]] %in% c("softmax", "log_softmax") && rank > 1L) {
    args <- list(dim = keras_one_axis(at, rank, args$axis))
  }
  args$axis <- NULL
  list(name = found[[1L]], args = args)
}

keras_activated <- function(at, layer, activation) {
  c(layer, list(activation_name = activation$name, activation_args = activation$args))
}

keras_functions <- list(
  linear = list("linear"), relu = list("relu"), relu6 = list("relu6"), tanh = list("tanh"),
  sigmoid = list("sigmoid"), softmax = list("softmax"), log_softmax = list("log_softmax"),
  softplus = list("softplus"), softsign = list("softsign"), elu = list("elu"),
  selu = list("selu"), celu = list("celu"), gelu = list("gelu"), silu = list("silu"),
  swish = list("silu"), mish = list("mish"), exponential = list("exponential"),
  leaky_relu = list("leaky_relu", negative_slope = 0.2),
  hard_sigmoid = list("hard_sigmoid"), hard_silu = list("hard_swish"),
  hard_swish = list("hard_swish"), hard_tanh = list("hard_tanh"),
  log_sigmoid = list("log_sigmoid"), squareplus = list("squareplus"),
  hard_shrink = list("hard_shrink"), soft_shrink = list("soft_shrink"),
  tanh_shrink = list("tanh_shrink")
)

# Layers and operations that are a function with parameters, from their configuration.
keras_activation_layers <- list(
  ReLU = function(config) {
    Filter(Negate(is.null), list(
      "relu", negative_slope = keras_array(config$negative_slope),
      threshold = keras_array(config$threshold), max_value = keras_array(config$max_value)
    ))
  },
  LeakyReLU = function(config) {
    slope <- keras_array(config$negative_slope %||% config$alpha)
    list("leaky_relu", negative_slope = slope %||% 0.3)
  },
  ELU = function(config) list("elu", alpha = keras_array(config$alpha) %||% 1),
  ThresholdedReLU = function(config) list("relu", threshold = keras_array(config$theta) %||% 1),
  Softmax = function(config) list("softmax", axis = config$axis),
  ops.log_softmax = function(config) list("log_softmax", axis = config$axis),
  ops.gelu = function(config) list(if (isTRUE(config$approximate)) "gelu_tanh" else "gelu"),
  ops.celu = function(config) list("celu", alpha = keras_array(config$alpha) %||% 1),
  ops.leaky_relu = function(config) {
    slope <- keras_array(config$negative_slope %||% config$alpha)
    list("leaky_relu", negative_slope = slope %||% 0.2)
  },
  ops.hard_shrink = function(config) list("hard_shrink", lambd = keras_array(config$threshold)),
  ops.soft_shrink = function(config) list("soft_shrink", lambd = keras_array(config$threshold)),
  ops.squareplus = function(config) list("squareplus", b = keras_array(config$b)),
  ops.clip = function(config) {
    list("hard_tanh", min_val = keras_array(config$x_min %||% config$clip_value_min),
         max_val = keras_array(config$x_max %||% config$clip_value_max))
  },
  ops.exp = function(config) list("exponential")
)
keras_activation_layers <- c(
  keras_activation_layers,
  with(keras_activation_layers, list(
    ops.softmax = Softmax, ops.re_lu = ReLU, ops.elu = ELU, ops.clip_by_value = ops.clip
  )),
  # Those without parameters.
  Map(function(name) {
    function(config) {
      others <- setdiff(names(config), c("name", "trainable", "dtype", "function"))
      if (length(others) == 0L) keras_functions[[name]]
    }
  }, c(
    ops.relu = "relu", ops.relu6 = "relu6", ops.tanh = "tanh", ops.sigmoid = "sigmoid",
    ops.softplus = "softplus", ops.softsign = "softsign", ops.selu = "selu", ops.silu = "silu",
    ops.mish = "mish", ops.hard_sigmoid = "hard_sigmoid", ops.hard_silu = "hard_silu",
    ops.hard_tanh = "hard_tanh", ops.log_sigmoid = "log_sigmoid", ops.tanh_shrink = "tanh_shrink"
  ))
)

# Numbers: one, or an array as the list of its rows, also within an object.
keras_array <- function(x) {
  if (!is.null(names(x))) x <- x$config$value %||% x$value
  if (is.null(x)) {
    return(NULL)
  }
  shape <- integer()
  rows <- x
  while (is.list(rows) && length(rows)) {
    shape <- c(shape, length(rows))
    rows <- rows[[1L]]
  }
  values <- as.double(unlist(x))
  if (length(shape) > 1L) aperm(array(values, rev(shape))) else values
}

# `margins` of a layer: one number, (before, after), or a pair an axis.
keras_margins <- function(x, axes) {
  sides <- if (is.list(x)) lapply(x, unlist) else list(x)
  if (axes == 1L) return(list(rep_len(unlist(sides), 2L)))
  lapply(rep_len(sides, axes), rep_len, 2L)
}

# ---- their layers, and ours ----

keras_dense <- function(at, x) {
  w <- keras_weights(at, 1L + isTRUE(at$config$use_bias))
  rank <- x[[1L]]$rank
  if (rank > 3L) keras_refuse(at, x = "Its input has {rank} axes; supported are 1 to 3.")
  keras_on_axis(at, x, keras_axis(at, -1L, rank), function(x) {
    # With other axes: a convolution with a kernel of one cell.
    at$last <- TRUE
    ones <- rep(1L, rank - 1L)
    kernel <- reshape_rows(w[[1L]], c(dim(w[[1L]]), ones))
    kernel <- permute_axes(kernel, c(2L, 1L, 2L + seq_along(ones)))
    type <- c("Dense", "Conv1D", "Conv2D")[rank]
    layer <- list(type = type, weight = kernel, bias = second(w))
    keras_add(at, keras_activated(at, layer, keras_activation(at, rank = rank)), x)
  })
}

# The bias, if there is one.
second <- function(w) if (length(w) > 1L) w[[2L]]

keras_padding <- function(at, kernel, dilation) {
  switch(at$config$padding %||% "valid",
    valid = 0L,
    same = "same",
    causal = c(dilation * (kernel - 1L), 0L),
    keras_refuse(at, x = "Its padding is {.val {at$config$padding}}.",
                 i = 'Supported are "valid", "same" and "causal".')
  )
}

keras_counts <- function(x, default = 1L) as.integer(unlist(x %||% default))

# (kernel, in, out) to (out, in, kernel), with `d` spatial axes.
keras_kernel <- function(w, d) permute_axes(w, c(d + 2L, d + 1L, seq_len(d)))

keras_conv <- function(d) {
  force(d)
  function(at, x) {
    w <- keras_weights(at, 1L + isTRUE(at$config$use_bias))
    keras_convolve(at, x, d, keras_kernel(w[[1L]], d), second(w), groups = at$config$groups %||% 1L)
  }
}

keras_convolve <- function(at, x, d, weight, bias, groups, activation = NULL) {
  dilation <- keras_counts(at$config$dilation_rate)
  layer <- list(
    type = c("Conv1D", "Conv2D")[d], weight = weight, bias = bias, groups = groups,
    stride = keras_counts(at$config$strides), dilation = dilation,
    padding = keras_padding(at, dim(weight)[-(1:2)], dilation)
  )
  activation <- activation %||% keras_activation(at, rank = d + 1L)
  keras_add(at, keras_activated(at, layer, activation), x)
}

# (kernel, in, multiplier) to (in * multiplier, 1, kernel): each channel by itself.
keras_depthwise_kernel <- function(w, d) {
  shape <- dim(w)
  w <- reshape_rows(w, c(shape[seq_len(d)], prod(shape[d + 1:2]), 1L))
  permute_axes(w, c(d + 1:2, seq_len(d)))
}

keras_depthwise <- function(d) {
  force(d)
  function(at, x) {
    w <- keras_weights(at, 1L + isTRUE(at$config$use_bias))
    kernel <- keras_depthwise_kernel(w[[1L]], d)
    keras_convolve(at, x, d, kernel, second(w), groups = dim(w[[1L]])[d + 1L])
  }
}

keras_separable <- function(d) {
  force(d)
  function(at, x) {
    w <- keras_weights(at, 2L + isTRUE(at$config$use_bias))
    kernel <- keras_depthwise_kernel(w[[1L]], d)
    linear <- list(name = "linear")
    x <- keras_convolve(at, x, d, kernel, NULL, dim(w[[1L]])[d + 1L], linear)
    at$config[c("strides", "dilation_rate", "padding")] <- NULL
    keras_convolve(at, list(x), d, keras_kernel(w[[2L]], d), second(w[-1L]), 1L)
  }
}

keras_conv_transpose <- function(d) {
  force(d)
  function(at, x) {
    w <- keras_weights(at, 1L + isTRUE(at$config$use_bias))
    stride <- rep_len(keras_counts(at$config$strides), d)
    dilation <- rep_len(keras_counts(at$config$dilation_rate), d)
    reach <- dilation * (dim(w[[1L]])[seq_len(d)] - 1L) + 1L
    more <- if (is.null(at$config$output_padding)) NA else keras_counts(at$config$output_padding)
    more <- rep_len(more, d)
    # Cells to take away from the full result, at both ends together; fewer than none are added.
    surplus <- if (at$config$padding == "same") {
      ifelse(is.na(more), reach - stride, 2L * (reach %/% 2L) - more)
    } else {
      ifelse(is.na(more), pmin(reach - stride, 0L), -more)
    }
    cut <- pmax(surplus, 0L)
    layer <- list(
      type = c("ConvTranspose1D", "ConvTranspose2D")[d], bias = second(w),
      weight = keras_kernel(w[[1L]], d), stride = stride,
      dilation = dilation, padding = as.vector(rbind(cut %/% 2L, cut - cut %/% 2L)[, d:1]),
      output_padding = pmax(-surplus, 0L)
    )
    keras_add(at, keras_activated(at, layer, keras_activation(at, rank = d + 1L)), x)
  }
}

keras_pool <- function(kind, d) {
  force(kind)
  force(d)
  function(at, x) {
    layer <- list(
      type = sprintf("%sPooling%dD", kind, d), kernel_size = keras_counts(at$config$pool_size),
      strides = keras_counts(at$config$strides, at$config$pool_size),
      padding = keras_padding(at, 1L, 1L)
    )
    # Keras takes the mean of cells of the input alone.
    if (kind == "Average") layer$count_include_pad <- FALSE
    keras_add(at, layer, x)
  }
}

# Adds axes of extent 1 to a single one.
keras_flat_reshape <- function(target) {
  list(type = "Reshape", target = target, order = "channels_first")
}

keras_global_pool <- function(method) {
  force(method)
  function(at, x) {
    rank <- x[[1L]]$rank
    y <- keras_add(at, list(type = "GlobalPooling", method = method), x, rank = 1L)
    if (!isTRUE(at$config$keepdims)) {
      return(y)
    }
    keras_add(at, keras_flat_reshape(c(-1L, rep(1L, rank - 1L))), list(y), rank)
  }
}

keras_batch_norm <- function(at, x) {
  scale <- at$config$scale %||% TRUE
  center <- at$config$center %||% TRUE
  w <- keras_weights(at, 2L + scale + center)
  n <- dim(w[[1L]])
  layer <- list(
    type = "BatchNorm", gamma = if (scale) w[[1L]] else rep(1, n),
    beta = if (center) w[[1L + scale]] else rep(0, n), run_mean = w[[1L + scale + center]],
    run_var = w[[2L + scale + center]], eps = keras_array(at$config$epsilon) %||% 1e-3
  )
  keras_on_axis(at, x, keras_one_axis(at, x[[1L]]$rank), function(x) keras_add(at, layer, x))
}

# gamma and beta, as far as there are any.
keras_scale_and_center <- function(at) {
  scale <- at$config$scale %||% TRUE
  center <- at$config$center %||% TRUE
  w <- if (scale || center) keras_weights(at, scale + center)
  list(gamma = if (scale) w[[1L]], beta = if (center) w[[1L + scale]])
}

keras_layer_norm <- function(at, x) {
  if (isTRUE(at$config$rms_scaling)) {
    keras_refuse(at, x = "{.code rms_scaling = TRUE} is not supported.")
  }
  # Weights of several axes have these in the order of the tensor's, whatever the extents say.
  rank <- x[[1L]]$rank
  counted <- keras_counted(at$config$axis %||% -1L, rank)
  axes <- keras_axis(at, sort(counted), rank)
  w <- lapply(keras_scale_and_center(at), function(w) {
    if (length(axes) == 1L || is.null(w)) {
      return(w)
    }
    permute_axes(reshape_rows(w, dim(w)[order(counted)]), order(axes))
  })
  keras_add(at, c(list(type = "LayerNorm", axes = sort(axes)), w,
                  list(eps = keras_array(at$config$epsilon) %||% 1e-3)), x)
}

keras_group_norm <- function(at, x) {
  eps <- keras_array(at$config$epsilon) %||% 1e-3
  groups <- at$config$groups %||% 32L
  layer <- c(keras_scale_and_center(at), list(eps = eps))
  type <- if (groups == -1L) {
    list(type = "InstanceNorm")
  } else {
    list(type = "GroupNorm", num_groups = as.integer(groups))
  }
  axis <- keras_one_axis(at, x[[1L]]$rank)
  keras_on_axis(at, x, axis, function(x) keras_add(at, c(type, layer), x))
}

# y = scale * x + shift, both of one value or stretched over x as Keras does it: from its last axis.
keras_affine <- function(at, x, scale = 1, shift = 0) {
  rank <- x[[1L]]$rank
  spread <- function(values) {
    shape <- dim(values) %||% length(values)
    if (prod(shape) == 1) {
      return(as.vector(values))
    }
    if (length(shape) > rank && shape[1L] == 1L) shape <- shape[-1L]
    if (length(shape) > rank) {
      keras_refuse(at, x = "Its numbers have {length(shape)} axes, its input has {rank}.")
    }
    values <- array(values, c(rep(1L, rank - length(shape)), shape))
    if (at$last && rank > 1L) aperm(values, last_to_front(rank)) else values
  }
  keras_add(at, list(type = "Scale", scale = spread(scale), shift = spread(shift)), x)
}

keras_normalization <- function(at, x) {
  moments <- if (is.null(at$config$mean)) {
    # Besides them, a count. The axes are in the order of the tensor's.
    rank <- x[[1L]]$rank
    axes <- sort(keras_counted(at$config$axis, rank))
    lapply(keras_weights(at, 3:2)[1:2], function(w) {
      shape <- rep(1L, rank)
      shape[axes] <- dim(w)
      array(as.array(w), shape)
    })
  } else {
    lapply(at$config[c("mean", "variance")], keras_array)
  }
  mean <- moments[[1L]]
  sd <- pmax(sqrt(moments[[2L]]), 1e-7)
  if (isTRUE(at$config$invert)) {
    keras_affine(at, x, sd, mean)
  } else {
    keras_affine(at, x, 1 / sd, -mean / sd)
  }
}

keras_rescaling <- function(at, x) {
  keras_affine(at, x, keras_array(at$config$scale) %||% 1, keras_array(at$config$offset) %||% 0)
}

# A factor for each channel.
keras_layer_scale <- function(at, x) {
  keras_affine(at, x, as.vector(as.array(keras_weights(at, 1L)[[1L]])))
}

keras_flatten <- function(at, x) {
  # The data formats are in which order Keras counts the cells of what it has; a model with channels
  # first and a layer that says so brings them to the end before it counts.
  first <- identical(at$config$data_format, "channels_first")
  order <- if (at$last || first) "channels_last" else "channels_first"
  keras_add(at, list(type = "Flatten", order = order), x, rank = 1L)
}

keras_reshape <- function(at, x) {
  target <- keras_counts(at$config$target_shape)
  n <- length(target)
  if (at$last) target <- target[last_to_front(n)]
  order <- if (at$last) "channels_last" else "channels_first"
  keras_add(at, list(type = "Reshape", target = target, order = order), x, rank = n)
}

keras_permute <- function(at, x) {
  rank <- x[[1L]]$rank
  axes <- keras_axis(at, at$config$dims, rank)
  if (at$last) axes <- axes[last_to_front(rank)]
  keras_add(at, list(type = "Permute", axes = axes), x)
}

keras_pad <- function(d) {
  force(d)
  function(at, x) {
    margins <- keras_margins(at$config$padding, d)
    keras_add(at, list(type = "Padding", padding = as.integer(unlist(rev(margins)))), x)
  }
}

keras_crop <- function(d) {
  force(d)
  function(at, x) {
    margins <- keras_margins(at$config$cropping, d)
    for (i in seq_len(d)) {
      cut <- as.integer(margins[[i]])
      x <- list(keras_add(at, list(type = "Slice", axis = i + 2L, start = cut[1L] + 1L,
                                   end = -1L - cut[2L]), x))
    }
    x[[1L]]
  }
}

keras_upsample <- function(d) {
  force(d)
  function(at, x) {
    interpolation <- at$config$interpolation %||% "nearest"
    if (interpolation != "nearest") {
      keras_refuse(at, x = "Its interpolation is {.val {interpolation}}.",
                   i = 'Supported is "nearest".')
    }
    keras_add(at, list(type = c("Upsampling1D", "Upsampling2D")[d],
                       size = keras_counts(at$config$size)), x)
  }
}

keras_concatenate <- function(at, x) {
  axis <- keras_axis(at, at$config$axis %||% -1L, x[[1L]]$rank)
  if (length(x) == 1L) x[[1L]] else keras_add(at, list(type = "Concatenate", axis = axis), x)
}

# A layer on several tensors. Those without axes but channels are stretched over the others.
keras_merge <- function(make) {
  force(make)
  function(at, x) {
    ranks <- vapply(x, `[[`, 0L, "rank")
    rank <- max(ranks)
    x[ranks == 1L] <- lapply(x[ranks == 1L], function(value) {
      target <- rep(1L, rank)
      target[keras_axis(at, -1L, rank) - 1L] <- -1L
      if (rank == 1L) value else keras_add(at, keras_flat_reshape(target), list(value), rank)
    })
    if (!all(ranks %in% c(1L, rank))) {
      keras_refuse(at, x = "Its inputs have {ranks} axes; supported are equal numbers.")
    }
    if (length(x) == 1L) x[[1L]] else make(at, x)
  }
}

keras_sum <- function(at, x) keras_add(at, list(type = "Add"), x)
keras_product <- function(at, x) keras_add(at, list(type = "Multiply"), x)
keras_average <- function(at, x) keras_affine(at, list(keras_sum(at, x)), 1 / length(x))

keras_scaled_residual <- function(at, x) {
  keras_sum(at, list(x[[1L]], keras_affine(at, x[2L], keras_array(at$config$scale))))
}

# max(a, b) = a + relu(b - a) and min(a, b) = a - relu(a - b).
keras_extreme <- function(sign) {
  force(sign)
  function(at, x) {
    Reduce(function(a, b) {
      apart <- keras_minus(at, if (sign > 0) list(b, a) else list(a, b))
      more <- keras_add(at, list(type = "Activation", act_name = "relu"), list(apart))
      (if (sign > 0) keras_plus else keras_minus)(at, list(a, more))
    }, x)
  }
}

keras_function_layer <- function(at, x) {
  given <- list(class_name = at$class_name, config = at$config)
  if (at$class_name == "Activation") given <- at$config$activation
  activation <- keras_activation(at, given, x[[1L]]$rank)
  keras_add(at, list(type = "Activation", act_name = activation$name,
                     activation_args = activation$args), x)
}

keras_prelu <- function(at, x) {
  w <- as.array(keras_weights(at, 1L)[[1L]])
  # The extents are those of the input without the batch, in Keras' layout, or 1.
  if (at$last && length(dim(w)) > 1L) w <- aperm(w, last_to_front(length(dim(w))))
  keras_add(at, list(type = "PReLU", weight = w), x)
}

keras_repeat <- function(at, x) {
  column <- keras_add(at, keras_flat_reshape(c(-1L, 1L)), x, rank = 2L)
  rows <- keras_add(at, list(type = "Upsampling1D", size = keras_counts(at$config$n)), list(column))
  if (at$last) rows else keras_add(at, list(type = "Permute", axes = 3:2), list(rows))
}

# The mean over all axes but that of channels.
keras_mean <- function(at, x) {
  rank <- x[[1L]]$rank
  axes <- keras_axis(at, at$config$axis, rank)
  if (rank == 1L || !setequal(axes, setdiff(seq_len(rank) + 1L, 2L))) {
    keras_refuse(at, x = "It works on the axes {unlist(at$config$axis)}.",
                 i = "Supported are all but those of the batch and the channels.")
  }
  keras_global_pool("average")(at, x)
}

keras_skip <- function(at, x) keras_add(at, list(type = "Skipping"), x)

# ---- operations on tensors; operands are tensors (lists) or numbers ----

# An operation on two operands.
keras_binary <- function(make) {
  force(make)
  function(at, x) {
    if (length(x) != 2L) keras_refuse(at, x = "It has {length(x)} operand{?s} instead of 2.")
    make(at, x)
  }
}

keras_plus <- function(at, x) {
  number <- Filter(is.numeric, x)
  if (length(number) == 0L) return(keras_sum(at, x))
  keras_affine(at, Filter(is.list, x), shift = number[[1L]])
}

keras_times <- function(at, x) {
  number <- Filter(is.numeric, x)
  if (length(number) == 0L) return(keras_product(at, x))
  keras_affine(at, Filter(is.list, x), number[[1L]])
}

keras_negative <- function(at, x) {
  if (is.numeric(x[[1L]])) -x[[1L]] else keras_affine(at, x, -1)
}
keras_minus <- function(at, x) keras_plus(at, list(x[[1L]], keras_negative(at, x[2L])))

keras_over <- function(at, x) {
  if (!is.numeric(x[[2L]]) || any(x[[2L]] == 0)) {
    keras_refuse(at, x = "It divides by {if (is.list(x[[2L]])) 'a tensor' else 0}.",
                 i = "Supported are numbers other than 0.")
  }
  keras_times(at, list(x[[1L]], 1 / x[[2L]]))
}

# The layers of Keras: what they become (for the documentation), how, and whether they have
# channels.
keras_row <- function(to, make, spatial = FALSE) list(to = to, make = make, spatial = spatial)

keras_layers <- c(
  list(
    Dense = keras_row("Dense, Conv1D, Conv2D", keras_dense),
    Conv1D = keras_row("Conv1D", keras_conv(1L), TRUE),
    Conv2D = keras_row("Conv2D", keras_conv(2L), TRUE),
    DepthwiseConv1D = keras_row("Conv1D", keras_depthwise(1L), TRUE),
    DepthwiseConv2D = keras_row("Conv2D", keras_depthwise(2L), TRUE),
    SeparableConv1D = keras_row("Conv1D", keras_separable(1L), TRUE),
    SeparableConv2D = keras_row("Conv2D", keras_separable(2L), TRUE),
    Conv1DTranspose = keras_row("ConvTranspose1D", keras_conv_transpose(1L), TRUE),
    Conv2DTranspose = keras_row("ConvTranspose2D", keras_conv_transpose(2L), TRUE),
    MaxPooling1D = keras_row("MaxPooling1D", keras_pool("Max", 1L), TRUE),
    MaxPooling2D = keras_row("MaxPooling2D", keras_pool("Max", 2L), TRUE),
    AveragePooling1D = keras_row("AveragePooling1D", keras_pool("Average", 1L), TRUE),
    AveragePooling2D = keras_row("AveragePooling2D", keras_pool("Average", 2L), TRUE),
    GlobalAveragePooling1D = keras_row("GlobalPooling", keras_global_pool("average"), TRUE),
    GlobalAveragePooling2D = keras_row("GlobalPooling", keras_global_pool("average"), TRUE),
    GlobalMaxPooling1D = keras_row("GlobalPooling", keras_global_pool("max"), TRUE),
    GlobalMaxPooling2D = keras_row("GlobalPooling", keras_global_pool("max"), TRUE),
    BatchNormalization = keras_row("BatchNorm", keras_batch_norm),
    LayerNormalization = keras_row("LayerNorm", keras_layer_norm),
    GroupNormalization = keras_row("GroupNorm, InstanceNorm", keras_group_norm),
    Normalization = keras_row("Scale", keras_normalization),
    Rescaling = keras_row("Scale", keras_rescaling),
    ZeroPadding1D = keras_row("Padding", keras_pad(1L), TRUE),
    ZeroPadding2D = keras_row("Padding", keras_pad(2L), TRUE),
    Cropping1D = keras_row("Slice", keras_crop(1L), TRUE),
    Cropping2D = keras_row("Slice", keras_crop(2L), TRUE),
    UpSampling1D = keras_row("Upsampling1D", keras_upsample(1L), TRUE),
    UpSampling2D = keras_row("Upsampling2D", keras_upsample(2L), TRUE),
    Flatten = keras_row("Flatten", keras_flatten),
    Reshape = keras_row("Reshape", keras_reshape),
    Permute = keras_row("Permute", keras_permute),
    Concatenate = keras_row("Concatenate", keras_concatenate),
    RepeatVector = keras_row("Upsampling1D", keras_repeat),
    Add = keras_row("Add", keras_merge(keras_sum)),
    Subtract = keras_row("Scale, Add", keras_merge(keras_binary(keras_minus))),
    Average = keras_row("Add, Scale", keras_merge(keras_average)),
    Multiply = keras_row("Multiply", keras_merge(keras_product)),
    Maximum = keras_row("Add, Activation, Scale", keras_merge(keras_extreme(1))),
    Minimum = keras_row("Add, Activation, Scale", keras_merge(keras_extreme(-1))),
    PReLU = keras_row("PReLU", keras_prelu),
    # Of keras.applications.
    LayerScale = keras_row("Scale", keras_layer_scale),
    CustomScaleLayer = keras_row("Add, Scale", keras_scaled_residual),
    ops.add = keras_row("Add, Scale", keras_binary(keras_plus)),
    ops.subtract = keras_row("Add, Scale", keras_binary(keras_minus)),
    ops.multiply = keras_row("Multiply, Scale", keras_binary(keras_times)),
    ops.divide = keras_row("Scale", keras_binary(keras_over)),
    ops.true_divide = keras_row("Scale", keras_binary(keras_over)),
    ops.truediv = keras_row("Scale", keras_binary(keras_over)),
    ops.negative = keras_row("Scale", keras_negative),
    ops.maximum = keras_row("Add, Activation, Scale", keras_binary(keras_extreme(1))),
    ops.minimum = keras_row("Add, Activation, Scale", keras_binary(keras_extreme(-1))),
    ops.concatenate = keras_row("Concatenate", keras_concatenate),
    ops.concat = keras_row("Concatenate", keras_concatenate),
    ops.mean = keras_row("GlobalPooling", keras_mean),
    ops.reduce_mean = keras_row("GlobalPooling", keras_mean)
  ),
  sapply(c("Activation", names(keras_activation_layers)), function(name) {
    keras_row("Activation", keras_function_layer)
  }, simplify = FALSE),
  # What does nothing once the model is trained.
  sapply(c(
    "InputLayer", "Identity", "Dropout", "SpatialDropout1D", "SpatialDropout2D", "AlphaDropout",
    "GaussianDropout", "GaussianNoise", "ActivityRegularization", "StochasticDepth", "RandomFlip",
    "RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast", "RandomBrightness"
  ), function(name) keras_row("Skipping", keras_skip), simplify = FALSE)
)

keras_spatial <- function() names(Filter(\(row) row$spatial, keras_layers))
