#' The result of a method
#'
#' `get_result()` returns what a method computed as arrays, as a long data frame or as torch
#' tensors. `as.array()` and `as.data.frame()` are short forms.
#'
#' @param x An object made by one of the methods, e.g. [run_grad()] or [run_lrp()].
#' @param type `"array"`, `"data.frame"`, or `"torch_tensor"` (the same as `"torch.tensor"`; needs
#'   the package torch).
#' @param ... Not used.
#' @param row.names,optional Not used.
#'
#' @return
#' * `"array"`: an array of shape `(data points, input axes, output nodes)` with the names of the
#'   input values and output nodes. Models with several input layers give a list `Input_1`,
#'   `Input_2`, ... of such arrays; if nodes of several output layers were selected, there is a list
#'   `Output_1`, ... around it. If an input layer is not connected to an output layer, the array
#'   holds `NA`.
#' * `"torch_tensor"`: the same as tensors without names, `NULL` where not connected.
#' * `"data.frame"`: one row per data point, input value and output node. The columns are
#'   `data`, `model_input`, `model_output`, `feature`, `feature_2` (only with images, then `feature`
#'   is the height and `feature_2` the width), `channel` (only with signals or images),
#'   `output_node`, `value`, `pred` (prediction), `decomp_sum` (sum of `value` over this data point,
#'   node and input layer), `decomp_goal` (what the values should add up to), `input_dimension`
#'   (1 tabular, 2 signal, 3 image) and `decomp_total` (sum over all input layers).
#'
#' All of it is made from the current fields of `x`: assigning to `x$result` or to
#' `x$converter$input_names` takes effect.
#' @examples
#' model <- list(
#'   input_dim = 2, input_nodes = 1, output_nodes = 1,
#'   input_names = c("length", "width"),
#'   layers = list(
#'     list(type = "Dense", weight = matrix(c(1, -1, 2, 0), 2), bias = c(0, 1),
#'          activation_name = "tanh", input_layers = 0, output_layers = -1)
#'   )
#' )
#' lrp <- run_lrp(convert(model), matrix(c(1, 2, -1, 0.5), nrow = 2))
#' get_result(lrp)
#' get_result(lrp, "data.frame")
#' @export
get_result <- function(x, ...) UseMethod("get_result")

#' @rdname get_result
#' @export
get_result.InterpretingMethod <- function(x, type = "array", ...) {
  call <- quote(get_result())
  type <- check_choice(type, c("array", "data.frame", "torch_tensor", "torch.tensor"), call = call)
  switch(type,
    array = nest(x, named_array, call),
    data.frame = result_frame(x, call),
    nest(x, as_torch_tensor(x$dtype, call), call)
  )
}

#' @rdname get_result
#' @export
as.array.InterpretingMethod <- function(x, ...) get_result(x, "array")

#' @rdname get_result
#' @export
as.data.frame.InterpretingMethod <- function(x, row.names = NULL, optional = FALSE, ...) {
  get_result(x, "data.frame")
}

# --- The result as arrays -------------------------------------------------------------------------

selected_outputs <- function(x) which(lengths(x$output_idx) > 0)

# Applies `f(x, k, i, call)` to every selected output layer and input layer; the levels of the
# list that have one element only are dropped.
nest <- function(x, f, call) {
  outputs <- selected_outputs(x)
  inputs <- seq_along(x$converter$input_dim)
  unwrap <- \(out) if (length(out) == 1) out[[1]] else out
  result <- lapply(seq_along(outputs), function(k) {
    out <- lapply(inputs, \(i) f(x, k, i, call))
    unwrap(stats::setNames(out, paste0("Input_", inputs)))
  })
  unwrap(stats::setNames(result, paste0("Output_", outputs)))
}

# One entry of `x$result` as a plain array, NULL if not connected.
plain_result <- function(x, k, i, call) {
  entry <- x$result[[k]]
  value <- if (i <= length(entry)) entry[[i]]
  if (is.null(value)) {
    return(NULL)
  }
  value <- if (is.array(value)) value else as.array(value)
  n_axes <- length(x$converter$input_dim[[i]])
  n_nodes <- length(x$output_idx[[selected_outputs(x)[k]]])
  if (length(dim(value)) != n_axes + 2 || dim(value)[n_axes + 2] != n_nodes) {
    innsight_abort(
      c("{.code result[[{k}]][[{i}]]} must have {n_axes + 2} axes: data points, the axes of the
         input and {n_nodes} output node{?s}.",
        x = "Its shape is {format_shape(dim(value))}."),
      "shape",
      call = call
    )
  }
  value
}

# The order of the axes (without data points and nodes) that brings channels first, and back.
channels_first_order <- function(n) c(n, seq_len(n - 1))
channels_last_order <- function(n) c(seq_len(n)[-1], 1)

# An array of data points x axes of the input in the user's layout (and nodes, if `n_last` is 1),
# with the channels first.
channels_to_front <- function(value, channels_first, n_last = 1) {
  n <- length(dim(value)) - 1 - n_last
  if (channels_first || n < 2) {
    return(value)
  }
  aperm(value, c(1, 1 + channels_first_order(n), if (n_last > 0) n + 2))
}

# The names of one layer as factors, one per axis, channels first; they may have been overwritten.
axis_names <- function(given) {
  lapply(unname(if (is.list(given)) given else list(given)), function(x) {
    if (is.factor(x)) x else factor(as.character(x), levels = unique(as.character(x)))
  })
}

check_names_fit <- function(names, shape, i, call) {
  if (!identical(as.numeric(lengths(names)), as.numeric(shape))) {
    innsight_abort(
      c("{.code converter$input_names[[{i}]]} must fit the result.",
        x = "The names have the shape {format_shape(lengths(names))}, the result
             {format_shape(shape)}.",
        i = "Change {.code input_names} whenever you change the shape of {.code result}."),
      "shape",
      call = call
    )
  }
}

named_array <- function(x, k, i, call) {
  value <- plain_result(x, k, i, call)
  names <- axis_names(x$converter$input_names[[i]])
  if (!x$channels_first) {
    names <- names[channels_last_order(length(names))]
  }
  o <- selected_outputs(x)[k]
  if (is.null(value)) {
    n <- nrow_of(x)
    value <- array(NA_real_, c(n, lengths(names), length(x$output_idx[[o]])))
  }
  check_names_fit(names, dim(value)[-c(1, length(dim(value)))], i, call)
  dimnames(value) <- c(
    list(NULL),
    lapply(names, as.character),
    list(output_labels(x$converter)[[o]][x$output_idx[[o]]])
  )
  value
}

# The number of data points in the result.
nrow_of <- function(x) {
  for (entry in unlist(x$result, recursive = FALSE)) {
    if (!is.null(entry)) {
      return(dim(entry)[1])
    }
  }
  dim(x$data[[1]])[1]
}

as_torch_tensor <- function(dtype, call) {
  check_installed(
    "torch", "for {.code type = \"torch_tensor\"}",
    "Use {.code type = \"array\"} for plain R arrays.", call
  )
  type <- if (dtype == "double") torch::torch_double() else torch::torch_float()
  function(x, k, i, call) {
    value <- plain_result(x, k, i, call)
    if (!is.null(value)) torch::torch_tensor(value, dtype = type)
  }
}

# --- The result as a data frame -------------------------------------------------------------------

# The connected pairs of output and input layer. A block has the array `value` (data points, input
# axes with channels first, nodes), factors `axes` and `nodes` with the names, and the matrices
# `pred`, `goal`, `sum`, `total` (data points x nodes). `rows` and `nodes` (a list as in
# `x$output_idx`) choose a part, `transform` is applied to the stored arrays, but not to the sums.
result_blocks <- function(x, call, rows = NULL, nodes = x$output_idx, transform = identity) {
  outputs <- selected_outputs(x)
  rows <- rows %||% seq_len(nrow_of(x))
  blocks <- list()
  for (k in which(lengths(nodes[outputs]) > 0)) {
    o <- outputs[k]
    columns <- match(nodes[[o]], x$output_idx[[o]])
    new <- list()
    for (i in seq_along(x$converter$input_dim)) {
      value <- plain_result(x, k, i, call)
      if (is.null(value)) {
        next
      }
      rank <- length(dim(value))
      if (rank > 5) {
        innsight_abort(
          c("Data frames and plots need inputs with at most three axes.",
            x = "Input layer {i} has {rank - 2}.",
            i = "Use {.code get_result(type = \"array\")}."),
          "shape",
          call = call
        )
      }
      sum <- cell_sums(subset_array(value, rows, columns))
      value <- subset_array(transform(value), rows, columns)
      value <- channels_to_front(value, x$channels_first)
      axes <- axis_names(x$converter$input_names[[i]])
      check_names_fit(axes, dim(value)[-c(1, rank)], i, call)
      new <- c(new, list(list(
        output = o,
        input = i,
        value = value,
        rows = rows,
        axes = axes,
        nodes = axis_names(x$converter$output_names[[o]])[[1]][nodes[[o]]],
        outputs = seq_along(x$output_idx),
        pred = values_of(x$preds[[o]], rows, columns),
        goal = values_of(x$decomp_goal[[o]], rows, columns),
        sum = sum
      )))
    }
    total <- Reduce(`+`, lapply(new, `[[`, "sum"))
    blocks <- c(blocks, lapply(new, \(block) c(block, list(total = total))))
  }
  if (length(blocks) == 0) {
    innsight_abort("{.arg x} must hold a result, but it has no values.", "argument", call = call)
  }
  blocks
}

# Chosen data points and nodes of an array with any axes in between.
subset_array <- function(value, rows, columns) {
  d <- dim(value)
  if (identical(as.integer(rows), seq_len(d[1])) &&
        identical(as.integer(columns), seq_len(d[length(d)]))) {
    return(value)
  }
  rest <- d[-c(1, length(d))]
  dim(value) <- c(d[1], prod(rest), d[length(d)])
  value <- value[rows, , columns, drop = FALSE]
  dim(value) <- c(length(rows), rest, length(columns))
  value
}

# Predictions or goals, NA where the method has none.
values_of <- function(x, rows, columns) {
  if (is.null(x) || nrow(x) < max(rows)) {
    return(matrix(NA_real_, length(rows), length(columns)))
  }
  x[rows, columns, drop = FALSE]
}

# `feature_2` and `channel` are there if any input layer has such an axis.
result_frame <- function(x, call) {
  frame <- stack_blocks(result_blocks(x, call))
  n_axes <- max(lengths(x$converter$input_dim))
  frame[c(if (n_axes < 3) "feature_2", if (n_axes < 2) "channel")] <- NULL
  frame
}

# Values along one axis of an array of shape `d`, repeated for all its cells.
along <- function(x, d, axis) {
  rep(rep(x, each = prod(d[seq_len(axis - 1)])), length.out = prod(d))
}

# A matrix (data points x nodes), repeated for all cells of an array of shape `d`.
per_node <- function(x, d) {
  as.vector(x[rep(seq_len(d[1]), prod(d[-c(1, length(d))])), ])
}

# The columns of one block; data points vary fastest, then the channels, features and nodes.
block_columns <- function(block) {
  d <- dim(block$value)
  n_axes <- length(d) - 2L
  none <- factor(rep(NA_character_, length(block$value)))
  data <- paste0("data_", block$rows)
  outputs <- paste0("Output_", block$outputs)
  feature <- min(n_axes, 2)
  list(
    data = along(factor(data, levels = data), d, 1),
    model_input = rep(paste0("Input_", block$input), prod(d)),
    model_output = along(factor(outputs[block$output], levels = outputs), d, 1),
    feature = along(block$axes[[feature]], d, feature + 1),
    feature_2 = if (n_axes == 3) along(block$axes[[3]], d, 4) else none,
    channel = if (n_axes > 1) along(block$axes[[1]], d, 2) else none,
    output_node = along(block$nodes, d, n_axes + 2),
    value = as.vector(block$value),
    pred = per_node(block$pred, d),
    decomp_sum = per_node(block$sum, d),
    decomp_goal = per_node(block$goal, d),
    input_dimension = rep(n_axes, prod(d)),
    decomp_total = per_node(block$total, d)
  )
}

stack_blocks <- function(blocks, columns = block_columns) {
  parts <- lapply(blocks, columns)
  names <- stats::setNames(nm = names(parts[[1]]))
  list2DF(lapply(names, \(name) do.call(c, lapply(parts, `[[`, name))))
}

# --- Summary and print ----------------------------------------------------------------------------

#' Summarise the result of a method
#'
#' @param object An object made by one of the methods.
#' @param n_features How many features to name per output node.
#' @param ... Not used.
#' @return A list of class `summary.InterpretingMethod` with two data frames:
#'   `conservation` says per data point and output node whether the values add up, see
#'   `$conservation` in [InterpretingMethod];
#'   `features` has, per output node, the input values with the largest mean absolute value.
#' @examples
#' model <- list(
#'   input_dim = 2, input_nodes = 1, output_nodes = 1,
#'   layers = list(
#'     list(type = "Dense", weight = matrix(c(1, -1, 2, 0), 2), bias = c(0, 1),
#'          activation_name = "tanh", input_layers = 0, output_layers = -1)
#'   )
#' )
#' summary(run_lrp(convert(model), matrix(c(1, 2, -1, 0.5), nrow = 2)))
#' @export
summary.InterpretingMethod <- function(object, n_features = 5, ...) {
  call <- quote(summary())
  n_features <- check_count(n_features, call = call)
  blocks <- result_blocks(object, call)
  features <- lapply(blocks, function(block) {
    d <- dim(block$value)
    size <- matrix(colMeans(abs(block$value)), ncol = d[length(d)])
    do.call(rbind, lapply(seq_len(ncol(size)), function(j) {
      top <- utils::head(order(size[, j], decreasing = TRUE), n_features)
      at <- arrayInd(top, d[-c(1, length(d))])
      labels <- Map(\(names, index) as.character(names)[index], block$axes, asplit(at, 2))
      data.frame(
        output = paste0("Output_", block$output),
        node = as.character(block$nodes[j]),
        input = paste0("Input_", block$input),
        feature = do.call(paste, c(unname(labels), sep = ", ")),
        mean_abs_value = size[top, j]
      )
    }))
  })
  structure(
    list(
      method = class(object)[1],
      conservation = object$conservation,
      features = do.call(rbind, features)
    ),
    class = "summary.InterpretingMethod"
  )
}

#' @export
print.summary.InterpretingMethod <- function(x, n = 10, ...) {
  cat(cli::rule(paste("Summary of", x$method), width = rule_width()), "\n", sep = "")
  rows <- x$conservation
  layers <- rows$layers
  rows$layers <- NULL
  rows <- rows[!vapply(rows, \(column) all(is.na(column)), NA)]
  cat(if (is.null(rows$goal)) "Sums:\n" else "Conservation:\n")
  print(utils::head(rows, n), row.names = FALSE, digits = 4)
  if (nrow(rows) > n) {
    cat("... and", nrow(rows) - n, "more rows in `$conservation`\n")
  }
  if (!is.null(layers)) {
    absorbed <- colMeans(layers)
    absorbed <- absorbed[absorbed != 0]
    cat("\nAbsorbed by layer (mean):\n")
    print(if (length(absorbed) > 0) absorbed else "nothing", digits = 4)
  }
  cat("\nLargest mean absolute values:\n")
  print(x$features, row.names = FALSE, digits = 4)
  invisible(x)
}

rule_width <- function() min(cli::console_width(), 80)

format_selection <- function(x) format_nodes(x$output_idx, output_labels(x$converter))

# One line per output and input layer about the values.
format_ranges <- function(x) {
  call <- quote(print())
  lines <- character()
  for (k in seq_along(selected_outputs(x))) {
    for (i in seq_along(x$converter$input_dim)) {
      value <- plain_result(x, k, i, call)
      text <- if (is.null(value)) {
        "not connected"
      } else {
        range <- stats::quantile(value, c(0, 0.5, 1), na.rm = TRUE, names = FALSE)
        paste0("(", toString(dim(value)), "), ",
               paste(c("min", "median", "max"), format(range, digits = 3, trim = TRUE),
                     collapse = ", "),
               ", ", sum(is.na(value)), " NaN")
      }
      name <- paste0("Output_", selected_outputs(x)[k], ", Input_", i)
      lines <- c(lines, paste0(cli::symbol$bullet, " result (", name, "): ", text))
    }
  }
  lines
}
