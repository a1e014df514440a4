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
  keras_check_classes(config, call)
  at <- list(weights = weights, call = call, names = character(), path = character())
  leaves <- keras_leaves(config)
  formats <- unlist(lapply(leaves, function(leaf) {
    if (leaf$class_name %in% keras_spatial()) leaf$config$data_format
  }))
  if (length(unique(formats)) > 1L) {
    keras_refuse(at, "{.arg model} mixes the data formats {.val {unique(formats)}}.")
  }
  # Without such layers there are no channels, and axes stay where they are.
  at$last <- "channels_last" %in% formats
  at$keras2 <- any(vapply(leaves, \(leaf) !is.null(leaf$config$batch_input_shape), NA))
  shapes <- keras_input_shapes(config)
  if (at$last) shapes <- lapply(shapes, function(d) d[c(length(d), seq_along(d)[-length(d)])])
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
    layer
  })
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

# All references (layer, node, tensor) to tensors in whatever form this version has them, in order.
keras_tensors <- function(x) {
  if (!is.list(x)) {
    return(list())
  }
  is_reference <- length(x) >= 3L && is.character(x[[1L]]) && is.numeric(x[[2L]]) &&
    is.numeric(x[[3L]])
  if (is_reference) {
    return(list(list(x[[1L]], x[[2L]], x[[3L]])))
  }
  do.call(c, c(list(list()), unname(lapply(x, keras_tensors))))
}

#' Translate a model, or one that is nested in it
#' @param x The values of its inputs.
#' @return The values of its outputs.
#' @noRd
keras_expand <- function(config, x, at) {
  layers <- keras_sublayers(config)
  if (config$class_name == "Sequential") {
    paths <- keras_paths(layers[!keras_classes(layers) %in% "InputLayer"])
    for (layer in layers[!keras_classes(layers) %in% "InputLayer"]) {
      x <- keras_apply(layer, x, at, paths[[layer$name]])
    }
    return(x)
  }
  paths <- keras_paths(layers)
  ids <- function(tensors) {
    vapply(tensors, \(id) paste(id[[1L]], id[[2L]], id[[3L]], sep = "\r"), "")
  }
  values <- list()
  values[ids(keras_tensors(config$config$input_layers))] <- x
  # One call of a layer each; those of shared layers may have to wait for later ones.
  calls <- do.call(c, lapply(layers, function(layer) {
    nodes <- layer$inbound_nodes
    lapply(seq_along(nodes), function(i) {
      list(layer = layer, node = i - 1L, from = ids(keras_tensors(nodes[[i]])))
    })
  }))
  while (length(calls)) {
    ready <- FALSE
    for (i in seq_along(calls)) {
      call <- calls[[i]]
      if (!all(call$from %in% names(values))) next
      ready[i] <- TRUE
      if (call$layer$class_name == "InputLayer") next
      y <- keras_apply(call$layer, unname(values[call$from]), at, paths[[call$layer$name]])
      names <- paste(call$layer$name, call$node, seq_along(y) - 1L, sep = "\r")
      values[names] <- y
    }
    ready <- which(ready %in% TRUE)
    if (length(ready) == 0L) {
      keras_refuse(at, x = "Its layers wait for each other: {.val {calls[[1L]]$layer$name}}.")
    }
    calls <- calls[-ready]
  }
  unname(values[ids(keras_tensors(config$config$output_layers))])
}

keras_classes <- function(layers) vapply(layers, `[[`, "", "class_name")

# Where a .keras file keeps the weights of each layer: by class, numbered in order.
keras_paths <- function(layers) {
  snake <- gsub("([a-z])([A-Z])", "\\1_\\2", gsub("(.)([A-Z][a-z0-9]+)", "\\1_\\2",
                                                  gsub("\\W+", "", keras_classes(layers))))
  snake <- tolower(snake)
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
  format <- at$config$data_format
  if (layer$class_name %in% keras_spatial() && !is.null(format)) {
    at$last <- format == "channels_last"
  }
  list(keras_layers[[layer$class_name]]$make(at, x))
}

# ---- what layers are made of ----

# The arrays of a layer.
keras_weights <- function(at, n = NULL) {
  w <- at$weights(at$names, at$path)
  if (length(w) < (n %||% 1L)) {
    keras_refuse(at, x = "It has {length(w)} array{?s} of weights, needed are {n %||% 1L}.",
                 i = "A model must be built: call it on data or fit it first.")
  }
  w
}

# Adds a layer of ours, under the name of theirs.
keras_add <- function(at, layer, x, rank = x[[1L]]$rank) {
  at$net$add(c(layer, list(name = paste(at$names, collapse = "/"))), x, rank)
}

# Our number of an axis of Keras' (0 is the batch) among `rank` others: channels come first here.
keras_axis <- function(at, axis, rank) {
  axis <- as.integer(unlist(axis))
  axis <- ifelse(axis < 0L, rank + 1L + axis, axis)
  if (at$last && rank > 1L) ifelse(axis == rank, 2L, axis + 2L) else axis + 1L
}

# Does `make(x)` where Keras' last axis, `features`, is the channel axis.
keras_on_features <- function(at, x, make) {
  rank <- x[[1L]]$rank
  if (at$last || rank == 1L) {
    return(make(x))
  }
  others <- seq_len(rank - 1L)
  front <- keras_add(at, list(type = "Permute", axes = c(rank + 1L, others + 1L)), x)
  back <- list(type = "Permute", axes = c(others + 2L, 2L))
  keras_add(at, back, list(make(list(front))))
}

# The same for the axis that the layer names, which must be that of channels or the last one.
keras_on_channels <- function(at, x, make) {
  rank <- x[[1L]]$rank
  axis <- keras_axis(at, at$config$axis %||% -1L, rank)
  if (identical(axis, 2L)) {
    return(make(x))
  }
  if (!identical(axis, rank + 1L)) {
    keras_refuse(at, x = "It works on axis {unlist(at$config$axis)}.",
                 i = "Supported are the axis of channels and the last one.")
  }
  keras_on_features(at, x, make)
}

# A function of Keras, given by name or as an object, as fields of ours.
keras_activation <- function(at, given = at$config$activation, rank = 1L) {
  if (is.list(given)) {
    layer <- keras_activation_layers[[given$class_name]]
    name <- if (is.character(given$config)) given$config else given$config$name
    if (is.null(layer)) given <- name %||% given$class_name
  }
  found <- if (is.list(given)) {
    layer(given$config)
  } else if (identical(given, "hard_sigmoid") && at$keras2) {
    list("hard_sigmoid", slope = 0.2)
  } else {
    keras_functions[[given %||% "linear"]]
  }
  if (is.null(found)) {
    keras_refuse(at, x = "Its activation {.val {given}} is not supported.",
                 i = "Supported are {.val {names(keras_functions)}}.")
  }
  args <- found[-1L]
  if (found[[1L]] %in% c("softmax", "log_softmax") && rank > 1L) {
    args <- list(dim = keras_axis(at, args$axis %||% -1L, rank))
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

# Layers that are a function with parameters, from their configuration.
keras_activation_layers <- list(
  ReLU = function(config) {
    Filter(Negate(is.null), list(
      "relu", negative_slope = as_number(config$negative_slope),
      threshold = as_number(config$threshold), max_value = as_number(config$max_value)
    ))
  },
  LeakyReLU = function(config) {
    list("leaky_relu", negative_slope = as_number(config$negative_slope %||% config$alpha) %||% 0.3)
  },
  ELU = function(config) list("elu", alpha = as_number(config$alpha) %||% 1),
  ThresholdedReLU = function(config) list("relu", threshold = as_number(config$theta) %||% 1),
  Softmax = function(config) list("softmax", axis = config$axis)
)

# Numbers that some versions write as arrays.
as_number <- function(x) {
  if (is.list(x)) x <- x$config$value %||% x$value %||% x
  if (length(x)) as.double(unlist(x))
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
  keras_on_features(at, x, function(x) {
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

keras_numbers <- function(x, default = 1L) as.integer(unlist(x %||% default))

keras_conv <- function(d) {
  force(d)
  function(at, x) {
    w <- keras_weights(at, 1L + isTRUE(at$config$use_bias))
    weight <- permute_axes(w[[1L]], c(d + 2L, d + 1L, seq_len(d)))
    keras_convolve(at, x, d, weight, second(w), groups = at$config$groups %||% 1L)
  }
}

keras_convolve <- function(at, x, d, weight, bias, groups, activation = NULL) {
  dilation <- keras_numbers(at$config$dilation_rate)
  layer <- list(
    type = c("Conv1D", "Conv2D")[d], weight = weight, bias = bias, groups = groups,
    stride = keras_numbers(at$config$strides), dilation = dilation,
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
    pointwise <- permute_axes(w[[2L]], c(d + 2L, d + 1L, seq_len(d)))
    keras_convolve(at, list(x), d, pointwise, second(w[-1L]), 1L)
  }
}

keras_conv_transpose <- function(d) {
  force(d)
  function(at, x) {
    w <- keras_weights(at, 1L + isTRUE(at$config$use_bias))
    stride <- rep_len(keras_numbers(at$config$strides), d)
    dilation <- rep_len(keras_numbers(at$config$dilation_rate), d)
    reach <- dilation * (dim(w[[1L]])[seq_len(d)] - 1L) + 1L
    more <- if (is.null(at$config$output_padding)) NA else keras_numbers(at$config$output_padding)
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
      weight = permute_axes(w[[1L]], c(d + 2L, d + 1L, seq_len(d))), stride = stride,
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
      type = sprintf("%sPooling%dD", kind, d), kernel_size = keras_numbers(at$config$pool_size),
      strides = keras_numbers(at$config$strides, at$config$pool_size),
      padding = keras_padding(at, 1L, 1L)
    )
    # Keras takes the mean of cells of the input alone.
    if (kind == "Average") layer$count_include_pad <- FALSE
    keras_add(at, layer, x)
  }
}

keras_global_pool <- function(method) {
  force(method)
  function(at, x) {
    rank <- x[[1L]]$rank
    y <- keras_add(at, list(type = "GlobalPooling", method = method), x, rank = 1L)
    if (!isTRUE(at$config$keepdims)) {
      return(y)
    }
    keras_add(at, list(type = "Reshape", target = c(-1L, rep(1L, rank - 1L)),
                       order = "channels_first"), list(y), rank)
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
    run_var = w[[2L + scale + center]], eps = as_number(at$config$epsilon) %||% 1e-3
  )
  keras_on_channels(at, x, function(x) keras_add(at, layer, x))
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
  axes <- keras_axis(at, at$config$axis %||% -1L, x[[1L]]$rank)
  w <- lapply(keras_scale_and_center(at), function(w) {
    if (length(axes) > 1L && !is.null(w)) permute_axes(w, order(axes)) else w
  })
  keras_add(at, c(list(type = "LayerNorm", axes = axes), w,
                  list(eps = as_number(at$config$epsilon) %||% 1e-3)), x)
}

keras_group_norm <- function(at, x) {
  eps <- as_number(at$config$epsilon) %||% 1e-3
  groups <- at$config$groups %||% 32L
  layer <- c(keras_scale_and_center(at), list(eps = eps))
  type <- if (groups == -1L) {
    list(type = "InstanceNorm")
  } else {
    list(type = "GroupNorm", num_groups = as.integer(groups))
  }
  keras_on_channels(at, x, function(x) keras_add(at, c(type, layer), x))
}

# y = scale * x + shift; several values vary along the axes given.
keras_affine <- function(at, x, scale, shift, axes = -1L) {
  rank <- x[[1L]]$rank
  axes <- keras_axis(at, axes, rank) - 1L
  spread <- function(values) {
    if (length(values) <= 1L) {
      return(values)
    }
    # The order of axes as Keras has them is that of `axes`.
    if (length(axes) > 1L) values <- aperm(values, order(axes))
    shape <- rep(1L, rank)
    shape[sort(axes)] <- if (length(axes) > 1L) dim(values) else length(values)
    array(values, shape)
  }
  keras_add(at, list(type = "Scale", scale = spread(scale), shift = spread(shift)), x)
}

keras_normalization <- function(at, x) {
  axes <- unlist(at$config$axis %||% -1L)
  mean <- as_number(at$config$mean)
  variance <- as_number(at$config$variance)
  if (is.null(mean)) {
    w <- lapply(keras_weights(at, 2L)[1:2], function(w) drop(as.array(w)))
    mean <- w[[1L]]
    variance <- w[[2L]]
  }
  sd <- pmax(sqrt(variance), 1e-7)
  if (isTRUE(at$config$invert)) {
    keras_affine(at, x, sd, mean, axes)
  } else {
    keras_affine(at, x, 1 / sd, -mean / sd, axes)
  }
}

keras_rescaling <- function(at, x) {
  keras_affine(at, x, as_number(at$config$scale) %||% 1, as_number(at$config$offset) %||% 0)
}

keras_flatten <- function(at, x) {
  # The data formats are in which order Keras counts the cells of what it has; a model with channels
  # first and a layer that says so brings them to the end before it counts.
  first <- identical(at$config$data_format, "channels_first")
  order <- if (at$last || first) "channels_last" else "channels_first"
  keras_add(at, list(type = "Flatten", order = order), x, rank = 1L)
}

keras_reshape <- function(at, x) {
  target <- keras_numbers(at$config$target_shape)
  n <- length(target)
  if (at$last && n > 1L) target <- target[c(n, seq_len(n - 1L))]
  order <- if (at$last) "channels_last" else "channels_first"
  keras_add(at, list(type = "Reshape", target = target, order = order), x, rank = n)
}

keras_permute <- function(at, x) {
  rank <- x[[1L]]$rank
  axes <- keras_axis(at, at$config$dims, rank)
  if (at$last && rank > 1L) axes <- axes[c(rank, seq_len(rank - 1L))]
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
                       size = keras_numbers(at$config$size)), x)
  }
}

keras_concatenate <- function(at, x) {
  axis <- keras_axis(at, at$config$axis %||% -1L, x[[1L]]$rank)
  keras_add(at, list(type = "Concatenate", axis = axis), x)
}

keras_merge <- function(type) {
  force(type)
  function(at, x) keras_add(at, list(type = type), x)
}

keras_subtract <- function(at, x) {
  minus <- keras_add(at, list(type = "Scale", scale = -1), x[2L])
  keras_add(at, list(type = "Add"), list(x[[1L]], minus))
}

keras_average <- function(at, x) {
  sum <- keras_add(at, list(type = "Add"), x)
  keras_add(at, list(type = "Scale", scale = 1 / length(x)), list(sum))
}

# max(a, b) = a + relu(b - a) and min(a, b) = a - relu(a - b).
keras_extreme <- function(sign) {
  force(sign)
  function(at, x) {
    scaled <- function(value, by) keras_add(at, list(type = "Scale", scale = by), list(value))
    Reduce(function(a, b) {
      apart <- keras_add(at, list(type = "Add"), list(scaled(b, sign), scaled(a, -sign)))
      more <- keras_add(at, list(type = "Activation", act_name = "relu"), list(apart))
      keras_add(at, list(type = "Add"), list(a, scaled(more, sign)))
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
  w <- as.array(keras_weights(at)[[1L]])
  # The extents are those of the input without the batch, in Keras' layout, or 1.
  if (at$last && length(dim(w)) > 1L) {
    rank <- length(dim(w))
    w <- aperm(w, c(rank, seq_len(rank - 1L)))
  }
  keras_add(at, list(type = "PReLU", weight = w), x)
}

keras_skip <- function(at, x) keras_add(at, list(type = "Skipping"), x)

# The layers of Keras: what they become (for the documentation), how, whether they have channels.
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
    Add = keras_row("Add", keras_merge("Add")),
    Subtract = keras_row("Scale, Add", keras_subtract),
    Average = keras_row("Add, Scale", keras_average),
    Multiply = keras_row("Multiply", keras_merge("Multiply")),
    Maximum = keras_row("Add, Activation, Scale", keras_extreme(1)),
    Minimum = keras_row("Add, Activation, Scale", keras_extreme(-1)),
    PReLU = keras_row("PReLU", keras_prelu)
  ),
  sapply(c("Activation", names(keras_activation_layers)), function(name) {
    keras_row("Activation", keras_function_layer)
  }, simplify = FALSE),
  # What does nothing once the model is trained.
  sapply(c(
    "InputLayer", "Identity", "Dropout", "SpatialDropout1D", "SpatialDropout2D", "AlphaDropout",
    "GaussianDropout", "GaussianNoise", "ActivityRegularization", "RandomFlip", "RandomRotation",
    "RandomZoom", "RandomTranslation", "RandomContrast", "RandomBrightness"
  ), function(name) keras_row("Skipping", keras_skip), simplify = FALSE)
)

keras_spatial <- function() names(Filter(\(row) row$spatial, keras_layers))
