# Models of R torch. A module is a plain list here, from a file (engine_read()) or made of a live
# object (torch_module()):
#
# | entry | meaning |
# |---|---|
# | `class` | its class vector, its own name first |
# | `fields` | its settings: `kernel_size`, `eps`, `padding_mode`, ... |
# | `weights` | its own parameters and buffers by name |
# | `children` | modules by name, in order |

# ---- torch's operations -> our layers ----
# One table for modules and for the operations of a traced graph: the arguments of a function are
# those of the operation behind `aten::`, in its order and under the names of the module's fields.
# Each returns a chain of layers. `at` knows the `rank` of the input (axes without the batch) and
# the `base` that axes are counted from (1 in R, 0 in a graph).

torch_layer <- function(type, ...) list(list(type = type, ...))

#' What cannot be converted, to be reported together with everything else
#' @noRd
unsupported <- function(reason) rlang::abort(reason, class = "innsight_unsupported")

# The value, or that of `report(why)` where it cannot be had.
attempt <- function(value, report) {
  tryCatch(value, error = function(e) {
    known <- inherits(e, "innsight_unsupported")
    report(if (known) conditionMessage(e) else "arguments of another form")
  })
}

# An axis with the batch counted as 1, as the layers of the list want it.
torch_axis <- function(dim, at) {
  axis <- if (dim < 0) at$rank + 2L + dim else dim + 1L - at$base
  if (axis < 2L || axis > at$rank + 1L) unsupported(sprintf("dim = %s (not behind the batch)", dim))
  as.integer(axis)
}

torch_activation <- function(name, ...) {
  torch_layer("Activation", act_name = name, activation_args = if (...length()) list(...))
}
plain_activation <- function(name) function(at) torch_activation(name)

torch_softmax <- function(name) {
  function(at, dim = -1) {
    axis <- torch_axis(dim, at)
    if (axis > at$rank) torch_activation(name) else torch_activation(name, dim = axis)
  }
}

# The features are the last axis, the channels of a convolution the first one.
torch_linear <- function(at, weight, bias = NULL) {
  d <- at$rank - 1L
  if (d == 0L) {
    return(torch_layer("Dense", weight = weight, bias = bias, activation_name = "linear"))
  }
  if (d > 2L) unsupported(sprintf("an input with %d axes", at$rank))
  weight <- reshape_rows(weight, c(dim(weight), rep(1L, d)))
  axes <- seq_len(at$rank) + 1L
  c(torch_layer("Permute", axes = c(axes[at$rank], axes[seq_len(d)])),
    torch_layer(paste0("Conv", d, "D"), weight = weight, bias = bias, activation_name = "linear"),
    torch_layer("Permute", axes = c(axes[-1L], axes[1L])))
}

# torch lists height before width, a list as ours starts with left and right.
torch_padding <- function(padding, kernel, dilation) {
  if (!is.character(padding)) {
    return(rev(padding))
  }
  if (padding == "valid") {
    return(0L)
  }
  total <- dilation * (kernel - 1)
  start <- total %/% 2
  as.vector(rbind(start, total - start)[, rev(seq_along(total))])
}

torch_conv <- function(at, weight, bias = NULL, stride = 1, padding = 0, dilation = 1, groups = 1,
                       padding_mode = "zeros") {
  kernel <- dim(weight)[-(1:2)]
  if (length(kernel) > 2L) unsupported("three spatial axes")
  torch_layer(
    paste0("Conv", length(kernel), "D"), weight = weight, bias = bias, activation_name = "linear",
    stride = stride, padding = torch_padding(padding, kernel, dilation), dilation = dilation,
    groups = groups, padding_mode = padding_mode
  )
}

torch_conv_transpose <- function(at, weight, bias = NULL, stride = 1, padding = 0,
                                 output_padding = 0, groups = 1, dilation = 1) {
  d <- length(dim(weight)) - 2L
  if (d > 2L) unsupported("three spatial axes")
  torch_layer(
    paste0("ConvTranspose", d, "D"), weight = weight, bias = bias, activation_name = "linear",
    stride = stride, padding = rev(padding), output_padding = output_padding, groups = groups,
    dilation = dilation
  )
}

torch_batch_norm <- function(at, weight = NULL, bias = NULL, running_mean = NULL,
                             running_var = NULL, training = FALSE, momentum = 0.1, eps = 1e-5) {
  if (training || is.null(running_mean) || is.null(running_var)) {
    unsupported("no running statistics; use `track_running_stats = TRUE` and train or run it first")
  }
  n <- weight_length(running_mean)
  torch_layer("BatchNorm", gamma = weight %||% rep(1, n), beta = bias %||% numeric(n),
              run_mean = running_mean, run_var = running_var, eps = eps)
}

torch_instance_norm <- function(at, weight = NULL, bias = NULL, running_mean = NULL,
                                running_var = NULL, use_input_stats = is.null(running_mean),
                                momentum = 0.1, eps = 1e-5) {
  if (!use_input_stats) {
    return(torch_batch_norm(at, weight, bias, running_mean, running_var, eps = eps))
  }
  torch_layer("InstanceNorm", gamma = weight, beta = bias, eps = eps)
}

torch_layer_norm <- function(at, normalized_shape, weight = NULL, bias = NULL, eps = 1e-5) {
  axes <- at$rank + 1L - rev(seq_along(unlist(normalized_shape)) - 1L)
  torch_layer("LayerNorm", gamma = weight, beta = bias, eps = eps, axes = axes)
}

check_spatial <- function(at, d) {
  if (at$rank != d + 1L) {
    unsupported(sprintf("%d axes in place of %d; check `input_dim`", at$rank, d + 1L))
  }
}

# An empty stride is that of the kernel.
torch_pool <- function(type, d, at, kernel_size, stride, padding, ceil_mode, ...) {
  check_spatial(at, d)
  torch_layer(paste0(type, d, "D"), kernel_size = kernel_size,
              strides = if (length(stride)) stride else kernel_size, padding = rev(padding),
              ceil_mode = as.logical(ceil_mode), ...)
}
torch_max_pool <- function(d) {
  function(at, kernel_size, stride = NULL, padding = 0, dilation = 1, ceil_mode = FALSE,
           return_indices = FALSE) {
    if (return_indices) unsupported("return_indices = TRUE")
    torch_pool("MaxPooling", d, at, kernel_size, stride, padding, ceil_mode, dilation = dilation)
  }
}
torch_avg_pool <- function(d) {
  function(at, kernel_size, stride = NULL, padding = 0, ceil_mode = FALSE,
           count_include_pad = TRUE, divisor_override = NULL) {
    if (!is.null(divisor_override)) unsupported(sprintf("divisor_override = %s", divisor_override))
    torch_pool("AveragePooling", d, at, kernel_size, stride, padding, ceil_mode,
               count_include_pad = as.logical(count_include_pad))
  }
}
torch_adaptive_pool <- function(type, method, d) {
  function(at, output_size, return_indices = FALSE) {
    check_spatial(at, d)
    if (return_indices) unsupported("return_indices = TRUE")
    size <- rep_len(unlist(output_size), d)
    if (any(size != 1)) {
      return(torch_layer(paste0(type, d, "D"), output_size = size))
    }
    c(torch_layer("GlobalPooling", method = method),
      torch_layer("Reshape", target = c(-1L, size), order = "channels_first"))
  }
}

torch_skip <- function(at) torch_layer("Skipping")

torch_operations <- list(
  linear = torch_linear,
  conv1d = torch_conv, conv2d = torch_conv,
  conv_transpose1d = torch_conv_transpose, conv_transpose2d = torch_conv_transpose,
  batch_norm = torch_batch_norm, instance_norm = torch_instance_norm,
  layer_norm = torch_layer_norm,
  group_norm = function(at, num_groups, weight = NULL, bias = NULL, eps = 1e-5) {
    torch_layer("GroupNorm", num_groups = num_groups, gamma = weight, beta = bias, eps = eps)
  },
  max_pool1d = torch_max_pool(1L), max_pool2d = torch_max_pool(2L),
  avg_pool1d = torch_avg_pool(1L), avg_pool2d = torch_avg_pool(2L),
  adaptive_avg_pool1d = torch_adaptive_pool("AveragePooling", "average", 1L),
  adaptive_avg_pool2d = torch_adaptive_pool("AveragePooling", "average", 2L),
  adaptive_max_pool1d = torch_adaptive_pool("MaxPooling", "max", 1L),
  adaptive_max_pool2d = torch_adaptive_pool("MaxPooling", "max", 2L),
  flatten = function(at, start_dim = at$base + 1, end_dim = -1) {
    torch_layer("Flatten", start_dim = torch_axis(start_dim, at),
                end_dim = torch_axis(end_dim, at), order = "channels_first")
  },
  unflatten = function(at, dim, unflattened_size) {
    if (at$rank > 1L) unsupported(sprintf("an input with %d axes", at$rank))
    torch_axis(dim, at)
    torch_layer("Reshape", target = unlist(unflattened_size), order = "channels_first")
  },
  upsample = function(at, size = NULL, scale_factor = NULL, mode = "nearest") {
    if (mode != "nearest") unsupported(sprintf("mode = \"%s\"", mode))
    if (is.null(scale_factor)) unsupported("`size` in place of `scale_factor`")
    torch_layer(paste0("Upsampling", at$rank - 1L, "D"), size = unlist(scale_factor))
  },
  identity = torch_skip, dropout = torch_skip,
  relu = plain_activation("relu"), relu6 = plain_activation("relu6"),
  leaky_relu = function(at, negative_slope = 0.01) {
    torch_activation("leaky_relu", negative_slope = negative_slope)
  },
  rrelu = function(at, lower = 1 / 8, upper = 1 / 3) {
    torch_activation("leaky_relu", negative_slope = (lower + upper) / 2)
  },
  prelu = function(at, weight) torch_layer("PReLU", weight = weight),
  elu = function(at, alpha = 1, scale = 1, input_scale = 1) {
    if (scale != 1 || input_scale != 1) unsupported("a scale beside alpha")
    torch_activation("elu", alpha = alpha)
  },
  celu = function(at, alpha = 1) torch_activation("celu", alpha = alpha),
  selu = plain_activation("selu"),
  gelu = function(at, approximate = "none") {
    torch_activation(if (approximate == "tanh") "gelu_tanh" else "gelu")
  },
  silu = plain_activation("silu"), mish = plain_activation("mish"),
  softplus = function(at, beta = 1, threshold = 20) {
    torch_activation("softplus", beta = beta, threshold = threshold)
  },
  sigmoid = plain_activation("sigmoid"), log_sigmoid = plain_activation("log_sigmoid"),
  tanh = plain_activation("tanh"), softsign = plain_activation("softsign"),
  hardswish = plain_activation("hard_swish"), hardsigmoid = plain_activation("hard_sigmoid"),
  hardtanh = function(at, min_val = -1, max_val = 1) {
    torch_activation("hard_tanh", min_val = min_val, max_val = max_val)
  },
  hardshrink = function(at, lambd = 0.5) torch_activation("hard_shrink", lambd = lambd),
  softshrink = function(at, lambd = 0.5) torch_activation("soft_shrink", lambd = lambd),
  tanhshrink = plain_activation("tanh_shrink"),
  softmax = torch_softmax("softmax"), log_softmax = torch_softmax("log_softmax")
)

# Modules and operations that differ from another one in nothing that matters here.
torch_aliases <- c(
  batch_norm1d = "batch_norm", batch_norm2d = "batch_norm",
  instance_norm1d = "instance_norm", instance_norm2d = "instance_norm",
  dropout1d = "dropout", dropout2d = "dropout", dropout3d = "dropout", alpha_dropout = "dropout",
  feature_dropout = "dropout", feature_alpha_dropout = "dropout",
  max_pool1d_with_indices = "max_pool1d", max_pool2d_with_indices = "max_pool2d",
  logsigmoid = "log_sigmoid"
)

# The layers that each becomes, for the documentation; a test compares them with what comes out.
torch_becomes <- c(
  linear = "Dense, Permute, Conv1D, Conv2D", conv1d = "Conv1D", conv2d = "Conv2D",
  conv_transpose1d = "ConvTranspose1D", conv_transpose2d = "ConvTranspose2D",
  batch_norm = "BatchNorm", instance_norm = "InstanceNorm, BatchNorm", layer_norm = "LayerNorm",
  group_norm = "GroupNorm", max_pool1d = "MaxPooling1D", max_pool2d = "MaxPooling2D",
  avg_pool1d = "AveragePooling1D", avg_pool2d = "AveragePooling2D",
  adaptive_avg_pool1d = "AveragePooling1D, GlobalPooling, Reshape",
  adaptive_avg_pool2d = "AveragePooling2D, GlobalPooling, Reshape",
  adaptive_max_pool1d = "MaxPooling1D, GlobalPooling, Reshape",
  adaptive_max_pool2d = "MaxPooling2D, GlobalPooling, Reshape",
  flatten = "Flatten", unflatten = "Reshape", upsample = "Upsampling1D, Upsampling2D",
  identity = "Skipping", dropout = "Skipping", prelu = "PReLU",
  relu = "Activation relu", relu6 = "Activation relu6", leaky_relu = "Activation leaky_relu",
  rrelu = "Activation leaky_relu", elu = "Activation elu", celu = "Activation celu",
  selu = "Activation selu", gelu = "Activation gelu, gelu_tanh", silu = "Activation silu",
  mish = "Activation mish", softplus = "Activation softplus", sigmoid = "Activation sigmoid",
  log_sigmoid = "Activation log_sigmoid", tanh = "Activation tanh",
  softsign = "Activation softsign", hardswish = "Activation hard_swish",
  hardsigmoid = "Activation hard_sigmoid", hardtanh = "Activation hard_tanh",
  hardshrink = "Activation hard_shrink", softshrink = "Activation soft_shrink",
  tanhshrink = "Activation tanh_shrink", softmax = "Activation softmax",
  log_softmax = "Activation log_softmax"
)

torch_operation <- function(name) {
  if (name %in% names(torch_aliases)) name <- torch_aliases[[name]]
  torch_operations[[name]]
}

#' Name and arguments of an activation function, by torch's name
#' @noRd
torch_function <- function(name) {
  if (name == "linear") {
    return(name)
  }
  layer <- torch_operation(name)(list(rank = 1L, base = 1L))[[1L]]
  list(layer$act_name, layer$activation_args)
}

#' The number of axes behind some layers
#' @noRd
rank_after <- function(rank, layers) {
  for (layer in layers) {
    rank <- switch(layer$type,
      Flatten = rank - layer$end_dim + layer$start_dim,
      Reshape = length(layer$target),
      GlobalPooling = 1L,
      rank
    )
  }
  rank
}

# ---- trees of modules ----

is_sequential <- function(module) "nn_sequential" %in% module$class

#' The modules of nested sequential ones, in order
#' @return A list of lists of `path` (`"4.0"`) and `module`.
#' @noRd
torch_leaves <- function(module, path = character()) {
  if (!is_sequential(module)) {
    return(list(list(path = paste(path, collapse = "."), module = module)))
  }
  leaves <- Map(torch_leaves, module$children, lapply(names(module$children), append, path, 0L))
  unlist(unname(leaves), recursive = FALSE)
}

#' All weights of a module and its children, named as in its state_dict
#' @noRd
torch_weights <- function(module) {
  below <- lapply(module$children, torch_weights)
  c(module$weights, unlist(unname(Map(function(weights, name) {
    stats::setNames(weights, paste0(name, ".", names(weights), recycle0 = TRUE))
  }, below, names(below))), recursive = FALSE))
}

#' The layers of leaves, each feeding the next
#' @return A list of `layers` and `unsupported`, what could not be converted in words.
#' @noRd
torch_layers <- function(leaves, rank) {
  layers <- list()
  reasons <- character()
  for (leaf in leaves) {
    module <- leaf$module
    own <- module$class[1L]
    values <- c(module$fields, module$weights)
    operation <- torch_operation(sub("^nn_", "", own))
    # Classes of the user's own carry any name; torch's start with "nn_".
    new <- attempt({
      if (!startsWith(own, "nn_") || is.null(operation)) unsupported("")
      values <- values[intersect(names(values), names(formals(operation)))]
      do.call(operation, c(list(at = list(rank = rank, base = 1L)), values))
    }, function(reason) {
      reasons <<- c(reasons, paste0(leaf$path, ": ", own, if (nzchar(reason)) " with ", reason))
      NULL
    })
    layers <- c(layers, lapply(new, c, list(name = leaf$path)))
    rank <- rank_after(rank, new)
  }
  list(layers = layers, unsupported = reasons)
}

#' A sequential module as a model list
#'
#' @param module See the top of this file.
#' @param input_dim `NULL` or a shape; what a linear layer in front or, for a convolution, the size
#'   behind the flattening allows to find out need not be given.
#' @param trace A function that makes the model list where the tree does not suffice.
#' @noRd
torch_model_list <- function(module, input_dim = NULL, trace = NULL,
                             call = quote(as_model_list(model))) {
  live <- "Convert the live model, read by {.fn torch::torch_load}: its operations are then traced."
  if (!is_sequential(module)) {
    if (!is.null(trace)) {
      return(trace())
    }
    innsight_abort(
      c("{.arg model} must be an {.cls nn_sequential} where it comes from a file.",
        x = "It is a {.cls {module$class[1]}}, whose structure is R code.", i = live),
      "model",
      call = call
    )
  }
  leaves <- torch_leaves(module)
  if (length(leaves) == 0L) {
    innsight_abort(c("{.arg model} must hold at least one module.",
                     x = "The {.cls nn_sequential} is empty."), "model", call = call)
  }
  input_dim <- if (is.null(input_dim)) {
    torch_input_dim(leaves, call)
  } else {
    check_shapes(input_dim, call = call)
  }
  if (length(input_dim) != 1L) {
    abort_arg(input_dim, "one shape for an `nn_sequential`", "input_dim", call, kind = "shape")
  }
  chain <- torch_layers(leaves, length(input_dim[[1L]]))
  if (length(chain$unsupported) && !is.null(trace)) {
    return(trace())
  }
  abort_unsupported(chain$unsupported, "module", live, call)
  chain_model(chain$layers, input_dim)
}

#' The shape of the inputs, as far as the modules tell it
#'
#' A convolution tells the channels alone; the extents are then the smallest equal ones that make
#' the first linear layer's number of features.
#' @noRd
torch_input_dim <- function(leaves, call) {
  unknown <- function() {
    innsight_abort(
      c("{.arg input_dim} must be given for this model.",
        x = "Its layers do not tell the shape of the inputs.",
        i = "Give it channels first and without the batch axis, e.g. \\
             {.code input_dim = c(3, 32, 32)}."),
      "shape",
      call = call
    )
  }
  classes <- vapply(leaves, function(leaf) leaf$module$class[1L], "")
  first <- which(grepl("^nn_(linear|conv|conv_transpose)([12]d)?$", classes))[1L]
  linear <- which(classes == "nn_linear")[1L]
  if (is.na(first) || is.na(linear)) unknown()
  features <- leaves[[linear]]$module$fields$in_features
  if (first == linear) {
    return(list(as.integer(features)))
  }
  channels <- leaves[[first]]$module$fields$in_channels
  d <- if (endsWith(classes[first], "1d")) 1L else 2L
  front <- torch_layers(leaves[seq_len(linear - 1L)], d + 1L)
  if (length(front$unsupported)) unknown()
  layers <- c(front$layers, torch_layer("Flatten", order = "channels_first"))
  shape <- function(n) list(as.integer(c(channels, rep(n, d))))
  features_of <- function(n) {
    net <- chain_model(layers, shape(n))
    model <- converted_model(normalise_model(net), "float")
    info <- tryCatch(from_engine(engine_info(model_handle(model))), innsight_error = identity)
    # Too small an input for some window is an error.
    if (inherits(info, "innsight_error")) 0 else info$output_dim[[1L]]
  }
  above <- 1
  while (features_of(above) < features) {
    if (above > 4096) unknown()
    above <- 2 * above
  }
  below <- above %/% 2
  while (above - below > 1) {
    middle <- (below + above) %/% 2
    if (features_of(middle) < features) below <- middle else above <- middle
  }
  # Behind adaptive or global pooling every size makes the same.
  if (features_of(2 * above) == features) unknown()
  if (features_of(above) != features) unknown()
  innsight_warn(
    c("{.arg input_dim} is not given.",
      i = "Taking {format_shapes(shape(above))}, the smallest \\
           {if (d == 1L) 'signal' else 'square image'} that fits the layer \\
           {leaves[[linear]]$path} ({features} features).")
  )
  shape(above)
}

# ---- live modules: the thin layer that needs the package torch ----

#' A live module as a plain list, see the top of this file
#' @noRd
torch_module <- function(model, call = quote(as_model_list(model))) {
  module <- attr(model, "module", exact = TRUE)
  if (!is.environment(module)) {
    abort_arg(model, "a whole module of torch", "model", call, kind = "model")
  }
  private <- module$.__enclos_env__$private
  names <- setdiff(ls(module), c("training", "inplace"))
  plain <- Filter(function(name) {
    !bindingIsActive(name, module) && (is.atomic(module[[name]]) || is.list(module[[name]]))
  }, names)
  weights <- Filter(Negate(is.null), c(private$parameters_, private$buffers_))
  class <- class(model)
  # A descendant may have a forward() of its own.
  if (class[1L] != "nn_sequential") class <- setdiff(class, "nn_sequential")
  list(
    class = class,
    fields = Filter(Negate(is.null), mget(plain, module)),
    weights = lapply(weights, torch_values, call),
    children = lapply(Filter(Negate(is.null), private$modules_), torch_module, call)
  )
}

#' @noRd
torch_values <- function(tensor, call) {
  if (!inherits(tensor, "torch_tensor")) {
    return(tensor)
  }
  need_torch(call)
  tryCatch({
    tensor <- tensor$detach()$cpu()$to(dtype = torch::torch_float())$contiguous()
    shape <- if (length(tensor$shape)) tensor$shape else 1L
    if ("buffer_from_torch_tensor" %in% getNamespaceExports("torch")) {
      f32(torch::buffer_from_torch_tensor(tensor), shape)
    } else {
      array(as.array(tensor), shape)
    }
  }, error = function(e) {
    innsight_abort(
      c("{.arg model} must hold its weights.",
        x = "They cannot be read, as in a model restored by {.fn readRDS} or {.fn load}.",
        i = "Save by {.fn torch::torch_save} or {.fn luz::luz_save}, load by \\
             {.fn torch::torch_load} or {.fn luz::luz_load}; a file of {.fn torch_save} can be \\
             given as {.arg model}, too."),
      "model",
      call = call,
      parent = e
    )
  })
}

#' @noRd
need_torch <- function(call) {
  check_installed(
    "torch", "to read a live torch model",
    "A file written by {.fn torch::torch_save} is converted without it: \\
     {.code Converter$new(\"model.pt\")}.",
    call, "model"
  )
}

#' The text of the graph that a pass through a live module makes
#'
#' The pass is that of a model in use; the state of its modules is put back.
#' @noRd
trace_module <- function(model, input_dim, call) {
  need_torch(call)
  modules <- module_environments(model)
  training <- lapply(modules, function(module) module$training)
  on.exit(Map(function(module, flag) module$training <- flag, modules, training))
  for (module in modules) module$training <- FALSE
  weight <- unlist(lapply(modules, function(module) {
    module$.__enclos_env__$private$parameters_
  }))[1L]
  place <- if (length(weight)) list(dtype = weight[[1L]]$dtype, device = weight[[1L]]$device)
  inputs <- lapply(input_dim, function(shape) {
    do.call(torch::torch_zeros, c(list(c(trace_batch, shape)), place))
  })
  # By default it trains batch norms on the way.
  mode <- if ("respect_mode" %in% names(formals(torch::jit_trace))) list(respect_mode = FALSE)
  trace <- tryCatch(
    do.call(torch::jit_trace, c(list(model), inputs, mode)),
    error = function(e) {
      innsight_abort(
        c("{.arg model} must run on inputs of the shape {.arg input_dim}.",
          x = "An input of {format_shapes(input_dim, batch = TRUE)} fails."),
        "model",
        call = call,
        parent = e
      )
    }
  )
  trace$graph$str
}

# A module and everything below it, as the environments that hold their state.
module_environments <- function(model) {
  module <- attr(model, "module", exact = TRUE)
  children <- Filter(Negate(is.null), module$.__enclos_env__$private$modules_)
  c(list(module), unlist(lapply(unname(children), module_environments), recursive = FALSE))
}

#' @export
as_model_list.nn_module <- function(model, input_dim = NULL, ...) {
  call <- quote(as_model_list(model))
  module <- torch_module(model, call)
  trace <- function() {
    if (is.null(input_dim)) {
      innsight_abort(
        c("{.arg input_dim} must be given for a torch model with a {.fn forward} of its own.",
          i = "Give it channels first and without the batch axis, e.g. \\
               {.code input_dim = c(3, 32, 32)}; a list of shapes for several inputs."),
        "shape",
        call = call
      )
    }
    input_dim <- check_shapes(input_dim, call = call)
    graph_model_list(trace_module(model, input_dim, call), torch_weights(module), call)
  }
  torch_model_list(module, input_dim, trace, call)
}

#' @export
as_model_list.nn_module_generator <- function(model, ...) {
  innsight_abort(
    c("{.arg model} must be a module, not its generator.",
      x = "You gave {.code nn_module(...)} itself.",
      i = "Call it to make a module, train that and give it: {.code net <- generator()}."),
    "model",
    call = quote(as_model_list(model))
  )
}
