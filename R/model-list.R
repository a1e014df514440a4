# The documented named-list model: the form every source is turned into and the engine is built
# from. `normalise_model()` checks a list and completes it; its result can be given again.

# ---- fields: each maker returns function(x, at) -> checked value ----
# `at` knows label, type and field, the fields done so far and the call.

# What a message calls a layer.
layer_label <- function(index, layer) {
  name <- if (!is.null(layer$name)) sprintf(", `%s`", layer$name)
  sprintf("Layer %d (%s%s)", index, layer$type, name %||% "")
}

#' @noRd
bad_field <- function(at, must, x, hint = NULL, kind = "model") {
  given <- if (is.null(x)) "It is missing." else paste0("You gave ", describe(x), ".")
  innsight_abort(
    c("{at$label}: {.field {at$field}} must be {must}.",
      x = "{given}", i = if (!is.null(hint)) "{hint}"),
    kind,
    call = at$call
  )
}

#' @noRd
check_finite <- function(x, at) {
  if (is.double(x) && !all_finite(x)) {
    first <- which(!is.finite(x))[1L]
    innsight_abort(
      c("{at$label}: {.field {at$field}} must be finite.",
        x = "Value {first} is {x[first]}."),
      "weights",
      call = at$call
    )
  }
  x
}

weight_length <- function(x) if (is_f32(x)) prod(x$shape) else length(x)

# Plain doubles, or row-major singles left as they are; NULL if neither.
plain_weight <- function(x) {
  if (inherits(x, "torch_tensor")) x <- as.array(x$detach()$cpu())
  # R ties `dim` to the length, so raw vectors (4 bytes a value) tell their shape by an attribute.
  if (is.raw(x)) x <- f32(x, attr(x, "shape", exact = TRUE) %||% integer())
  if (is_f32(x)) {
    shape <- unlist(as_shapes(x$shape))
    valid <- length(shape) && is.raw(x$bytes) && length(x$bytes) == 4 * prod(shape) &&
      setequal(x$axes, seq_along(shape)) && length(x$axes) == length(shape)
    return(if (valid) x)
  }
  if (!is.numeric(x) || length(x) == 0L) {
    return(NULL)
  }
  if (!is.double(x)) storage.mode(x) <- "double"
  unclass(x)
}

field_weight <- function(rank, axes) {
  function(x, at) {
    value <- plain_weight(x)
    if (length(dim(value)) != rank) {
      bad_field(at, sprintf("a numeric array with the axes (%s)", axes), x, if (is.raw(x)) {
        "Raw vectors hold row-major 32-bit floats and need the attribute `shape`."
      })
    }
    if (!is.null(dimnames(value))) dimnames(value) <- NULL
    check_finite(value, at)
  }
}

field_vector <- function(default = NULL) {
  function(x, at) {
    if (is.null(x) && is.function(default)) {
      return(default(at))
    }
    value <- plain_weight(x)
    if (is.null(value) || sum(dim(value) > 1L) > 1L) {
      bad_field(at, "a numeric vector", x)
    }
    if (is_f32(value)) value else check_finite(as.vector(value), at)
  }
}

# `bias = NULL` says "no bias"; a bias that is not mentioned at all is more likely forgotten.
field_bias <- field_vector(function(at) {
  if (!at$given) bad_field(at, "a numeric vector (`bias = NULL` for none)", NULL)
  numeric(output_channels(at$done))
})

# A transposed convolution has its outputs on the second axis of the weights, group by group.
output_channels <- function(layer) {
  extents <- dim(layer$weight)
  if (startsWith(layer$type, "ConvTranspose")) extents[2L] * layer$groups else extents[1L]
}

# Weights of any rank; a vector becomes an array with one axis.
field_array <- function(required = FALSE) {
  function(x, at) {
    if (is.null(x) && !required) {
      return(NULL)
    }
    value <- plain_weight(x)
    if (is.null(value)) bad_field(at, "a numeric vector or array", x)
    if (!is_f32(value)) value <- array(value, dim(value) %||% length(value))
    check_finite(value, at)
  }
}

field_sizes <- function(n, default = NULL, lower = 1) {
  function(x, at) {
    if (is.null(x)) x <- if (is.function(default)) default(at) else default
    valid <- is.numeric(x) && checkmate::test_integerish(x, lower = lower, any.missing = FALSE)
    if (!valid || !length(x) %in% c(1L, n)) {
      forms <- if (n == 2L) "1 or 2 whole numbers (height, width)" else "1 whole number"
      bad_field(at, sprintf("%s, at least %s", forms, lower), x)
    }
    rep_len(as.integer(x), n)
  }
}

# `fitted` names the rules by which padding follows from the input's extents, if there are any.
field_padding <- function(d, fitted = character()) {
  function(x, at) {
    if (is.null(x)) x <- 0L
    if (checkmate::test_choice(x, fitted)) {
      return(x)
    }
    valid <- is.numeric(x) && checkmate::test_integerish(x, lower = 0, any.missing = FALSE)
    if (!valid || !length(x) %in% (if (d == 1L) 1:2 else c(1, 2, 4))) {
      must <- c("whole numbers, at least 0", dQuote(fitted, FALSE))
      bad_field(at, paste(must, collapse = ", or "), x, if (d == 1L) {
        "Accepted are 1 value for both sides or 2 values (left, right)."
      } else {
        paste("Accepted are 1 value for all sides, 2 values (left and right, top and bottom)",
              "or 4 values (left, right, top, bottom).")
      })
    }
    x <- as.integer(x)
    if (d == 2L && length(x) == 2L) rep(x, each = 2L) else rep_len(x, 2L * d)
  }
}

# The layer `Padding`: its length decides between signal and image.
field_margins <- function(x, at) {
  valid <- is.numeric(x) && checkmate::test_integerish(x, lower = 0, any.missing = FALSE)
  if (!valid || !length(x) %in% c(2L, 4L)) {
    bad_field(at, "2 values (left, right) or 4 values (left, right, top, bottom), at least 0", x)
  }
  as.integer(x)
}

field_choice <- function(choices, default = NULL) {
  function(x, at) {
    if (is.null(x)) x <- default
    if (!checkmate::test_choice(x, choices)) {
      bad_field(at, paste("one of", paste(dQuote(choices, FALSE), collapse = ", ")), x)
    }
    x
  }
}

# Whole numbers, at least one; absent unless given if that is allowed.
field_integers <- function(must, lower, required = TRUE) {
  function(x, at) {
    if (is.null(x) && !required) {
      return(NULL)
    }
    valid <- is.numeric(x) && checkmate::test_integerish(x, any.missing = FALSE, min.len = 1)
    if (!valid || !all(x == -1 | x >= lower)) bad_field(at, must, x)
    as.integer(x)
  }
}
field_axes <- function(required = TRUE) {
  field_integers("axes: each 2 or more (axis 1 is the batch), or -1 for the last", 2, required)
}

field_flag <- function(default) {
  function(x, at) {
    if (is.null(x)) x <- default
    if (!checkmate::test_flag(x)) bad_field(at, "`TRUE` or `FALSE`", x)
    x
  }
}

field_number <- function(default = NULL, lower = -Inf) {
  function(x, at) {
    if (is.null(x)) x <- default
    if (!is.numeric(x) || !checkmate::test_number(x, lower = lower, finite = TRUE)) {
      at_least <- if (is.finite(lower)) sprintf(", at least %s", lower)
      bad_field(at, paste0("a single finite number", at_least), x)
    }
    as.double(x)
  }
}

# An axis, the batch axis counted as 1; -1 is the last one.
field_axis <- function(default = NULL) {
  function(x, at) {
    if (is.null(x)) x <- default
    if (!is.numeric(x) || !checkmate::test_int(x) || (x < 2 && x != -1)) {
      bad_field(at, "an axis: 2 or more (axis 1 is the batch), or -1 for the last", x)
    }
    as.integer(x)
  }
}

# A cell of an axis, negative from the end.
field_place <- function(default) {
  function(x, at) {
    if (is.null(x)) x <- default
    if (!is.numeric(x) || !checkmate::test_int(x) || x == 0) {
      bad_field(at, "the number of a cell: 1 or more, or from the end -1 or less", x)
    }
    as.integer(x)
  }
}

# Names that functions have elsewhere.
activation_aliases <- c(
  swish = "silu", hard_silu = "hard_swish", hardswish = "hard_swish",
  hardsigmoid = "hard_sigmoid", hardtanh = "hard_tanh", logsigmoid = "log_sigmoid",
  exp = "exponential"
)

field_activation <- function(x, at) {
  known <- names(capabilities()$activations)
  if (!checkmate::test_string(x)) {
    bad_field(at, "the name of an activation", x,
              paste("Known are", paste(dQuote(known, FALSE), collapse = ", ")))
  }
  if (x %in% names(activation_aliases)) x <- activation_aliases[[x]]
  if (!x %in% known) {
    innsight_abort(
      c("{at$label}: the activation {.val {x}} is not implemented.",
        i = "Known are {.val {known}}."),
      "model",
      call = at$call
    )
  }
  x
}

# Absent unless given, so that lists stay short; the engine knows the defaults.
field_activation_args <- function(x, at) {
  if (length(x) == 0L) {
    return(NULL)
  }
  activation <- c(at$done$activation_name, at$done$act_name)
  known <- names(capabilities()$activations[[activation]])
  if (!is.list(x) || !checkmate::test_names(names(x), "unique", subset.of = known)) {
    bad_field(at, sprintf("a named list of arguments of %s", dQuote(activation, FALSE)), x, paste(
      "Its arguments:", if (length(known)) paste(known, collapse = ", ") else "none"
    ))
  }
  axis <- field_axis()
  number <- field_number()
  Map(function(value, name) if (name == "dim") axis(value, at) else number(value, at), x, names(x))
}

# The functions with their arguments in the help page, made from what the engine offers.
activation_table <- function() {
  functions <- capabilities()$activations
  rows <- vapply(names(functions), function(name) {
    args <- functions[[name]]
    args <- sprintf("`%s = %s`", names(args), vapply(args, format, "", digits = 3))
    aliases <- sprintf("`\"%s\"`", names(activation_aliases)[activation_aliases == name])
    sprintf("| `\"%s\"` | %s | %s |", name, toString(aliases), toString(args))
  }, "")
  c("@section Activation functions:",
    "`activation_args` lists the arguments that differ from the defaults below. The `dim` of a",
    "softmax is an axis: 2 for channels or features, -1 for the last.", "",
    "| function | other names | arguments |", "|---|---|---|", unname(rows))
}

# ---- layer types ----

merging_types <- c("Add", "Multiply", "Concatenate")
weight_fields <- c("weight", "bias", "gamma", "beta", "run_mean", "run_var", "scale", "shift")
padding_modes <- c("zeros", "reflect", "replicate", "circular")

activation_fields <- list(
  activation_name = field_activation, activation_args = field_activation_args
)
conv_fields <- function(d) {
  axes <- c("out, in / groups, length", "out, in / groups, height, width")[d]
  c(
    list(weight = field_weight(d + 2L, axes), bias = field_bias),
    activation_fields,
    list(
      stride = field_sizes(d, 1L), padding = field_padding(d, "same"),
      dilation = field_sizes(d, 1L), groups = field_sizes(1L, 1L),
      padding_mode = field_choice(padding_modes, "zeros")
    )
  )
}
conv_transpose_fields <- function(d) {
  axes <- c("in, out / groups, length", "in, out / groups, height, width")[d]
  c(
    list(weight = field_weight(d + 2L, axes), groups = field_sizes(1L, 1L), bias = field_bias),
    activation_fields,
    list(
      stride = field_sizes(d, 1L), padding = field_padding(d), dilation = field_sizes(d, 1L),
      output_padding = field_sizes(d, 0L, lower = 0)
    )
  )
}
norm_fields <- function(..., scale = field_vector(function(at) NULL)) {
  list(..., gamma = scale, beta = scale, eps = field_number(1e-5, lower = 0))
}
order_field <- field_choice(c("call", "channels_first", "channels_last"), "call")
# Windows are given by their size, or by how many there are.
pool_fields <- function(d, ...) {
  unless_counted <- function(field) {
    function(x, at) if (is.null(at$done$output_size) || !is.null(x)) field(x, at)
  }
  list(
    output_size = function(x, at) if (!is.null(x)) field_sizes(d)(x, at),
    kernel_size = unless_counted(field_sizes(d)),
    strides = unless_counted(field_sizes(d, function(at) at$done$kernel_size)),
    padding = field_padding(d, "same"), ceil_mode = field_flag(FALSE), ...
  )
}

layer_fields <- list(
  Dense = c(list(weight = field_weight(2L, "out, in"), bias = field_bias), activation_fields),
  Conv1D = conv_fields(1L),
  Conv2D = conv_fields(2L),
  ConvTranspose1D = conv_transpose_fields(1L),
  ConvTranspose2D = conv_transpose_fields(2L),
  MaxPooling1D = pool_fields(1L, dilation = field_sizes(1L, 1L)),
  MaxPooling2D = pool_fields(2L, dilation = field_sizes(2L, 1L)),
  AveragePooling1D = pool_fields(1L, count_include_pad = field_flag(TRUE)),
  AveragePooling2D = pool_fields(2L, count_include_pad = field_flag(TRUE)),
  GlobalPooling = list(method = field_choice(c("average", "max"))),
  BatchNorm = list(
    run_mean = field_vector(), run_var = field_vector(), gamma = field_vector(),
    num_features = field_sizes(1L, function(at) weight_length(at$done$run_mean)),
    beta = field_vector(function(at) numeric(at$done$num_features)),
    eps = field_number(lower = 0)
  ),
  LayerNorm = norm_fields(axes = field_axes(required = FALSE), scale = field_array()),
  GroupNorm = norm_fields(num_groups = field_sizes(1L)),
  InstanceNorm = norm_fields(),
  Flatten = list(start_dim = field_axis(2L), end_dim = field_axis(-1L), order = order_field),
  Reshape = list(
    target = field_integers("a shape (channels first, without batch axis; one may be -1)", 1),
    order = order_field
  ),
  Permute = list(axes = field_axes()),
  Padding = list(
    padding = field_margins,
    mode = field_choice(c("constant", "reflect", "replicate", "circular"), "constant"),
    value = field_number(0)
  ),
  Slice = list(axis = field_axis(), start = field_place(1L), end = field_place(-1L)),
  Upsampling1D = list(size = field_sizes(1L)),
  Upsampling2D = list(size = field_sizes(2L)),
  Concatenate = list(axis = field_axis()),
  Add = list(),
  Multiply = list(),
  Scale = list(scale = field_array(), shift = field_array()),
  PReLU = list(weight = field_array(required = TRUE)),
  Activation = list(act_name = field_activation, activation_args = field_activation_args),
  Skipping = list()
)

type_aliases <- c(Concatenation = "Concatenate")
# Other spellings of a field, tried where the field itself is missing.
field_aliases <- c(stride = "strides", strides = "stride", axis = "dim", axes = "axis",
                   act_name = "activation_name", num_groups = "groups")
common_fields <- c("type", "input_layers", "output_layers", "dim_in", "dim_out", "name")

model_entries <- c("input_dim", "input_nodes", "input_names", "output_dim", "output_nodes",
                   "output_names", "layers")

#' A field by its name, another spelling, or a longer name as `$` would find it
#' @return A list of length 1, or of length 0 where the layer has no such field.
#' @noRd
pick_field <- function(layer, field, known) {
  extra <- setdiff(names(layer), known)
  candidates <- c(field, field_aliases[field], extra[startsWith(extra, field)])
  layer[utils::head(intersect(candidates, names(layer)), 1L)]
}

normalise_layer <- function(layer, index, call) {
  type <- if (is.list(layer)) layer[["type"]]
  types <- c(names(layer_fields), names(type_aliases))
  if (!checkmate::test_choice(type, types)) {
    given <- describe(type)
    innsight_abort(
      c("Layer {index}: {.field type} must be the name of a layer type.",
        x = "You gave {given}.", i = "Known are {.val {types}}."),
      "model",
      call = call
    )
  }
  if (type %in% names(type_aliases)) type <- type_aliases[[type]]
  fields <- layer_fields[[type]]
  known <- c(names(fields), common_fields)
  at <- list(type = type, call = call, field = "name", done = list(type = type))
  at$label <- layer_label(index, at$done)
  name <- layer[["name"]]
  if (!is.null(name) && !checkmate::test_string(name, min.chars = 1L)) {
    bad_field(at, "a string", name)
  }
  at$done$name <- name
  at$label <- layer_label(index, at$done)
  used <- character()
  for (field in names(fields)) {
    found <- pick_field(layer, field, known)
    at$field <- field
    at$given <- length(found) > 0L
    at$done[[field]] <- fields[[field]](if (at$given) found[[1L]], at)
    used <- c(used, names(found))
  }
  check_unused(layer[setdiff(names(layer), c(known, used))], at)
  at$done$dim_in <- layer_shapes(layer[["dim_in"]], "dim_in", at)
  at$done$dim_out <- layer_shapes(layer[["dim_out"]], "dim_out", at)
  check_lengths(at$done, at)
  at$done
}

# A field of another layer type would change the numbers if it meant something here; anything else
# is a note of the user's.
check_unused <- function(unused, at) {
  unused <- unused[!vapply(unused, identical, NA, "linear")]
  fields <- unique(unlist(lapply(layer_fields, names)))
  foreign <- intersect(names(unused), fields)
  if (length(foreign)) {
    at$field <- foreign[1L]
    value <- describe(unused[[foreign[1L]]])
    innsight_abort(
      c("{at$label} does not take the field {.field {at$field}}.",
        x = "You gave {value}.",
        i = "It takes {.field {names(layer_fields[[at$type]])}}.",
        i = if (at$field == "activation_name") {
          "Put a layer of type {.val Activation} behind it."
        }),
      "model",
      call = at$call
    )
  }
  if (length(unused)) {
    innsight_warn(
      "{at$label}: ignoring the unknown field{?s} {.field {names(unused)}}."
    )
  }
}

# An optional shape; for the input of a merging layer a list with one shape per operand.
layer_shapes <- function(x, field, at) {
  if (is.null(x)) {
    return(NULL)
  }
  at$field <- field
  merges <- field == "dim_in" && at$type %in% merging_types
  shapes <- as_shapes(x)
  if (is.null(shapes) || (!merges && length(shapes) != 1L)) {
    bad_field(at, "a shape (positive whole numbers, channels first, without batch axis)", x)
  }
  if (merges) shapes else shapes[[1L]]
}

check_lengths <- function(layer, at) {
  need <- function(field, n) {
    if (weight_length(layer[[field]]) != n) {
      at$field <- field
      bad_field(at, sprintf("of length %d", n), layer[[field]], kind = "shape")
    }
  }
  if (!is.null(layer$groups) && dim(layer$weight)[1L] %% layer$groups != 0L) {
    at$field <- "groups"
    side <- if (startsWith(layer$type, "ConvTranspose")) "input" else "output"
    bad_field(at, sprintf("a divisor of the %d %s channels", dim(layer$weight)[1L], side),
              layer$groups)
  }
  if (!is.null(layer$bias)) need("bias", output_channels(layer))
  if (layer$type == "BatchNorm") {
    for (field in c("gamma", "beta", "run_mean", "run_var")) need(field, layer$num_features)
    if (!is_f32(layer$run_var) && any(layer$run_var + layer$eps <= 0)) {
      at$field <- "run_var"
      bad_field(at, "positive where `eps` is added", layer$run_var, kind = "weights")
    }
  }
}

# ---- the whole list ----

#' Check a model list and complete it
#'
#' @return A list of class `innsight_model`: `input_dim`, `input_nodes`, `input_names`,
#'   `output_dim`, `output_nodes`, `output_names`, `layers`, all in canonical form.
#' @noRd
normalise_model <- function(model, call = rlang::caller_env()) {
  layers <- if (is.list(model)) model[["layers"]]
  if (!is.list(layers) || length(layers) == 0L) {
    abort_arg(layers, "a list of at least one layer", "model$layers", call, kind = "model")
  }
  if (is.null(model[["input_dim"]])) {
    innsight_abort(
      c("{.arg model} must say the shape of its inputs.", x = "{.field input_dim} is missing.",
        i = "Give {.code input_dim = 4} or {.code list(4, c(3, 32, 32))}, channels first."),
      "model",
      call = call
    )
  }
  net <- list(input_dim = check_shapes(model[["input_dim"]], "model$input_dim", call))
  if (!is.null(model[["output_dim"]])) {
    net$output_dim <- check_shapes(model[["output_dim"]], "model$output_dim", call)
  }
  net$input_names <- model[["input_names"]]
  net$output_names <- model[["output_names"]]
  layers <- unname(layers)
  net$layers <- Map(normalise_layer, layers, seq_along(layers), MoreArgs = list(call = call))
  structure(normalise_graph(net, model, layers, call), class = c("innsight_model", "list"))
}

# Indices of layers, or NULL where none are given.
layer_indices <- function(x, what, special, n, call) {
  if (is.null(x)) {
    return(NULL)
  }
  value <- if (is.list(x)) unlist(x) else x
  if (!is.numeric(value) || !checkmate::test_integerish(value, any.missing = FALSE, min.len = 1) ||
        !all(value %in% c(special, seq_len(n)))) {
    given <- describe(x)
    meaning <- if (length(special)) {
      sprintf("%d (the model %s) or ", special, if (special == 0L) "input" else "output")
    }
    innsight_abort(
      c("{what} must be {meaning}indices of layers.", x = "You gave {given}.",
        i = "The model has {n} layer{?s}."),
      "graph",
      call = call
    )
  }
  as.integer(value)
}

normalise_graph <- function(net, model, layers, call) {
  n <- length(layers)
  indices <- function(field, special) {
    lapply(seq_len(n), function(i) {
      what <- sprintf("%s: `%s`", layer_label(i, net$layers[[i]]), field)
      layer_indices(layers[[i]][[field]], what, special, n, call)
    })
  }
  inputs <- indices("input_layers", 0L)
  outputs <- indices("output_layers", -1L)
  output_nodes <- layer_indices(model[["output_nodes"]], "`output_nodes`", integer(), n, call)
  input_nodes <- layer_indices(model[["input_nodes"]], "`input_nodes`", integer(), n, call)

  missing <- which(vapply(inputs, is.null, NA))
  if (length(missing)) {
    innsight_warn(c("{.field input_layers} not given for layer {missing}.",
                    i = "Taking the layer before, or the model input for layer 1."))
    inputs[missing] <- as.list(missing - 1L)
  }
  missing <- which(vapply(outputs, is.null, NA))
  if (length(missing)) {
    innsight_warn(c("{.field output_layers} not given for layer {missing}.",
                    i = "Taking the layers it is an input of; the last layer is the output."))
    outputs[missing] <- lapply(missing, function(i) {
      consumers <- which(vapply(inputs, function(from) i %in% from, NA))
      ends <- i %in% output_nodes || (length(consumers) == 0L && i == n)
      c(if (length(consumers) == 0L && !ends) i + 1L, consumers, if (ends) -1L)
    })
  }
  zeros <- vapply(inputs, function(from) sum(from == 0L), 0L)
  if (is.null(input_nodes)) {
    input_nodes <- if (any(zeros > 0L)) rep(seq_len(n), zeros) else 1L
    innsight_warn(c("{.field input_nodes} not given.",
                    i = "Taking {input_nodes}: the layers whose input_layers hold 0."))
  }
  ends <- which(vapply(outputs, function(to) -1L %in% to, NA))
  if (is.null(output_nodes)) {
    output_nodes <- if (length(ends)) ends else n
    innsight_warn(c("{.field output_nodes} not given.",
                    i = "Taking {output_nodes}: the layers whose output_layers hold -1."))
  }
  check_graph(net, inputs, outputs, input_nodes, output_nodes, call)
  net$input_nodes <- input_nodes
  net$output_nodes <- output_nodes
  net$layers <- Map(function(layer, from, to) {
    c(layer["type"], list(input_layers = from, output_layers = to), layer[-1L])
  }, net$layers, inputs, outputs)
  net
}

check_graph <- function(net, inputs, outputs, input_nodes, output_nodes, call) {
  fail <- function(..., .envir = rlang::caller_env()) {
    innsight_abort(c("The layers of {.arg model} must form a consistent graph.", ...), "graph",
                   call = call, .envir = .envir)
  }
  n <- length(inputs)
  single <- length(net$input_dim) == 1L
  own <- which(unlist(Map(function(i, from, to) i %in% c(from, to), seq_len(n), inputs, outputs)))
  if (length(own)) {
    fail(x = "Layer {own[1]} is linked to itself, which is a cycle.")
  }
  for (i in seq_len(n)) {
    label <- layer_label(i, net$layers[[i]])
    merges <- net$layers[[i]]$type %in% merging_types
    if ((merges && length(inputs[[i]]) < 2L) || (!merges && length(inputs[[i]]) != 1L)) {
      need <- if (merges) "at least 2 inputs" else "exactly 1 input"
      fail(x = "{label} needs {need}; its {.field input_layers}: {inputs[[i]]}.")
    }
    for (j in inputs[[i]][inputs[[i]] > 0L]) {
      if (!i %in% outputs[[j]]) {
        fail(x = "A link is missing: layer {i} has {j} in its {.field input_layers}, but \\
                  layer {j} does not have {i} in its {.field output_layers} ({outputs[[j]]}).")
      }
    }
    for (j in outputs[[i]][outputs[[i]] > 0L]) {
      if (!i %in% inputs[[j]]) {
        fail(x = "A link is missing: layer {i} has {j} in its {.field output_layers}, but \\
                  layer {j} does not have {i} in its {.field input_layers} ({inputs[[j]]}).")
      }
    }
    uses <- sum(inputs[[i]] == 0L)
    stands <- sum(input_nodes == i)
    # The only input of a model may feed any number of layers.
    if (if (single) (uses > 0L) != (stands > 0L) else uses != stands) {
      fail(x = "{label} takes {uses} model input{?s} (0 in {.field input_layers}), but \\
                stands {stands} time{?s} in {.field input_nodes} ({input_nodes}).",
           i = "One of several inputs feeds several layers through a {.val Skipping} layer.")
    }
    if ((-1L %in% outputs[[i]]) != (i %in% output_nodes)) {
      has <- if (i %in% output_nodes) "is in" else "is not in"
      but <- if (i %in% output_nodes) "do not hold -1" else "hold -1"
      fail(x = "{label} {has} {.field output_nodes} ({output_nodes}), but its \\
                {.field output_layers} {but} ({outputs[[i]]}).")
    }
  }
  if (!single && length(input_nodes) != length(net$input_dim)) {
    fail(x = "{.field input_dim} describes {length(net$input_dim)} model input{?s}, \\
              {.field input_nodes} {length(input_nodes)}.")
  }
  if (anyDuplicated(output_nodes)) {
    fail(x = "{.field output_nodes} names a layer twice ({output_nodes}).")
  }
}

#' @export
print.innsight_model <- function(x, ...) {
  cat(cli::rule("Model list (innsight)"), paste("Inputs: ", format_shapes(x$input_dim, TRUE)),
      sep = "\n")
  for (i in seq_along(x$layers)) {
    layer <- x$layers[[i]]
    weight <- if (!is.null(layer$weight)) paste(" weight", format_shape(dim(layer$weight)))
    activation <- paste(c("", layer$activation_name, layer$act_name), collapse = " ")
    name <- if (!is.null(layer$name)) sprintf(" `%s`", layer$name)
    about <- paste0(layer$type, name, weight, activation)
    cat(sprintf("%3d. %s: %s -> %s\n", i, about, paste(layer$input_layers, collapse = ", "),
                paste(layer$output_layers, collapse = ", ")))
  }
  if (!is.null(x$output_dim)) cat("Outputs:", format_shapes(x$output_dim, TRUE), "\n")
  invisible(x)
}
