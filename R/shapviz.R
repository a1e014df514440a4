# Hand-over of results to the plots of the package shapviz.

#' Hand a result over to the package shapviz
#'
#' @description
#' The package shapviz draws additive explanations of tabular data: waterfall and force plots of
#' single data points, beeswarm, importance and dependence plots of many. `as_shapviz()` makes its
#' object from the result of any method; `shapviz::shapviz(x)` is the same.
#'
#' @details
#' In plots of single data points, shapviz shows `baseline + sum of contributions` as the
#' prediction. The value that is explained is the one before the last activation if the method was
#' run with `ignore_last_act = TRUE` (the default: the plots are on the scale of logits, say), and
#' else the prediction, as always for [LIME] and [SHAP]. The default of `baseline` is, for each
#' node, the mean over the chosen data points of this value minus the sum of the contributions:
#'
#' * [DeepLift], [IntegratedGradient]: the value at the reference, the latter approximately.
#' * [DeepSHAP], [ExpectedGradient], [SHAP]: the mean over the references, the second approximately.
#' * [LRP], gradient times input, [ConnectionWeights], [LIME]: what biases and nonlinearities leave
#'   unexplained on average. A data point may be off by the difference from this average.
#'
#' If for a data point the baseline and the contributions miss the explained value by more than 5
#' percent of the largest distance of a value from the baseline, there is a warning of class
#' `innsight_warning_additivity`. Another of the same class says that gradients which are not
#' multiplied by the input (`times_input = FALSE`) are no contributions: their baseline means
#' nothing, and only beeswarm, importance and dependence plots make sense.
#'
#' The input layers are put side by side; their features are called `Input_1.name`, ... only if
#' names clash. An input layer without connection to any of the nodes is left out; one that is
#' connected to some has contributions of zero to the others.
#'
#' @param x The result of a method for tabular data, e.g. [run_deepshap()].
#' @param output_idx The output nodes: numbers of nodes (not positions in the result) of the first
#'   output layer, or a list with such a vector (or `NULL`) per output layer. By default all nodes
#'   for which the method was run.
#' @param output_label The labels of the nodes, as an alternative to `output_idx`.
#' @param data_idx The data points, `"all"` for all.
#' @param baseline A number, or one for each node; see below for the default.
#' @param ... For the method: further arguments of `shapviz::shapviz()`: `X`, a data frame to show
#'   in place of the input values, with a row per chosen data point (values before they were scaled,
#'   or factors), and `collapse`, to sum up the contributions of dummy variables.
#'
#' @return For one node an object of class `shapviz`, for several one of class `mshapviz`, a list
#'   named by their labels (`Output_1.label`, ... if labels clash).
#'
#'   Errors: shapviz is not installed; the model has signals or images as inputs; the result
#'   belongs to no data points (global connection weights) or has missing values.
#' @seealso [plot_result] and [plot_global()] for pictures without shapviz
#' @examplesIf requireNamespace("shapviz", quietly = TRUE)
#' model <- list(
#'   input_dim = 3, input_nodes = 1, output_nodes = 1,
#'   input_names = c("length", "width", "height"),
#'   layers = list(
#'     list(type = "Dense", weight = matrix(c(1, -1, 2, 0, -2, 1), 2), bias = c(0, 1),
#'          activation_name = "tanh", input_layers = 0, output_layers = -1)
#'   )
#' )
#' x <- matrix(rnorm(60), ncol = 3)
#' shap <- run_deepshap(convert(model), x, data_ref = x, ignore_last_act = FALSE)
#' shapviz::sv_waterfall(as_shapviz(shap, output_idx = 1), row_id = 2)
#' shapviz::sv_importance(as_shapviz(shap), kind = "bar")
#' @export
as_shapviz <- function(x, ...) UseMethod("as_shapviz")

#' @rdname as_shapviz
#' @export
as_shapviz.InterpretingMethod <- function(x, output_idx = NULL, output_label = NULL,
                                          data_idx = "all", baseline = NULL, ...) {
  call <- quote(as_shapviz())
  check_installed(
    "shapviz", "for {.fn as_shapviz}",
    "{.fn plot} and {.fn plot_global} need no other package.", call
  )
  hand_over <- function(part, X = part$X, ...) {
    shapviz::shapviz(part$S, X = X, baseline = part$baseline, ...)
  }
  parts <- shapviz_parts(x, output_idx, output_label, data_idx, baseline, call)
  objects <- lapply(parts, \(part) hand_over(part, ...))
  if (length(objects) == 1) objects[[1]] else shapviz::mshapviz(objects)
}

#' @exportS3Method shapviz::shapviz
shapviz.InterpretingMethod <- function(object, ...) as_shapviz(object, ...)

# What shapviz::shapviz() needs, per node: contributions `S` and input values `X` (data points x
# features), `baseline`, and also the `explained` values.
shapviz_parts <- function(x, output_idx, output_label, data_idx, baseline, call) {
  if (is_global(x)) {
    innsight_abort(
      c("{.pkg shapviz} draws contributions of data points.",
        x = "Global connection weights belong to none.",
        i = "Run the method with data and {.code times_input = TRUE}, or use {.fn plot}."),
      "argument",
      call = call
    )
  }
  check_tabular(x, call)
  rows <- check_data_idx(data_idx, nrow_of(x), call)
  nodes <- x$output_idx
  if (!is.null(output_idx) || !is.null(output_label)) {
    nodes <- nodes_to_plot(x, output_idx, output_label, call)
  }
  baseline <- check_baseline(baseline, sum(lengths(nodes)), call)
  blocks <- result_blocks(x, call, rows, nodes)
  inputs <- sort(unique(vapply(blocks, `[[`, 0, "input")))
  names <- lapply(x$converter$input_names[inputs], \(layer) as.character(axis_names(layer)[[1]]))
  features <- feature_names(names, inputs)
  values <- do.call(cbind, lapply(x$data[inputs], slice_rows, rows))
  dimnames(values) <- list(NULL, unlist(features))

  explained <- explained_values(x, rows, nodes, call)
  outputs <- split(blocks, vapply(blocks, `[[`, 0, "output"))
  parts <- unlist(unname(lapply(outputs, function(blocks) {
    node_parts(blocks, features, inputs, explained[[blocks[[1]]$output]])
  })), recursive = FALSE)
  names(parts) <- part_names(parts)
  parts <- Map(function(part, given) {
    part$X <- as.data.frame(values)
    part$baseline <- given %||% mean(part$explained - rowSums(part$S))
    part
  }, parts, baseline)
  check_finite_parts(parts, call)
  warn_unless_additive(x, parts)
  parts
}

# The parts of the nodes of one output layer.
node_parts <- function(blocks, features, inputs, explained) {
  first <- blocks[[1]]
  n <- length(first$rows)
  of_input <- rep(inputs, lengths(features))
  # An input that is not connected contributes nothing.
  S <- array(0, c(n, length(of_input), length(first$nodes)))
  for (block in blocks) S[, of_input == block$input, ] <- block$value
  lapply(seq_along(first$nodes), function(j) {
    list(
      output = first$output,
      node = as.character(first$nodes[j]),
      S = matrix(S[, , j], n, dimnames = list(NULL, unlist(features))),
      explained = (explained %||% first$pred)[, j]
    )
  })
}

# The values before the last activation, per output layer, if these are explained.
explained_values <- function(x, rows, nodes, call) {
  if (x$ignore_last_act) {
    network_values(x$converter, lapply(x$data, slice_rows, rows), lapply(nodes, as.integer),
                   TRUE, x$channels_first, x$dtype, call)$values
  }
}

# Unique names of the features, a vector per input layer.
feature_names <- function(names, inputs) {
  if (anyDuplicated(unlist(names)) && length(inputs) > 1) {
    names <- Map(\(i, names) paste0("Input_", i, ".", names), inputs, names)
  }
  utils::relist(make.unique(unlist(names)), names)
}

part_names <- function(parts) {
  names <- vapply(parts, `[[`, "", "node")
  if (anyDuplicated(names)) {
    names <- paste0("Output_", vapply(parts, `[[`, 0, "output"), ".", names)
  }
  names
}

# --- Checks ---------------------------------------------------------------------------------------

check_tabular <- function(x, call) {
  shapes <- x$converter$input_dim
  if (any(lengths(shapes) > 1)) {
    innsight_abort(
      c("{.pkg shapviz} draws tabular data only.",
        x = "The shapes of the inputs are {format_shapes(shapes, batch = TRUE)}.",
        i = "Signals and images are drawn by {.fn plot}; {.fn get_result} has the numbers."),
      "shape",
      call = call
    )
  }
}

# A list with a number per node, or with NULL.
check_baseline <- function(baseline, n, call) {
  if (is.null(baseline)) {
    return(list(NULL))
  }
  if (!is.numeric(baseline) || !length(baseline) %in% c(1, n) || !all(is.finite(baseline))) {
    must <- if (n > 1) {
      paste0("`NULL`, a finite number or a vector of ", n, " of them, one per node")
    } else {
      "`NULL` or a finite number"
    }
    abort_arg(baseline, must, "baseline", call)
  }
  as.list(unname(baseline))
}

check_finite_parts <- function(parts, call) {
  bad <- vapply(parts, \(part) !all(is.finite(c(part$S, part$explained, part$baseline))), NA)
  if (any(bad)) {
    innsight_abort(
      c("{.arg x} must hold finite values and predictions.",
        x = "{.val NaN} or infinite for the output node{?s} {.val {names(parts)[bad]}}."),
      "argument",
      call = call
    )
  }
}

# Waterfall and force plots show `baseline + rowSums(S)` as the prediction.
warn_unless_additive <- function(x, parts) {
  if (isFALSE(x$times_input)) {
    innsight_warn(
      c("Gradients are no contributions, which the plots of {.pkg shapviz} are made for.",
        i = "Run the method with {.code times_input = TRUE} for contributions.",
        i = "Without, the baseline means nothing: leave out waterfall and force plots."),
      "additivity"
    )
    return(invisible(NULL))
  }
  off <- vapply(parts, \(part) max(abs(part$explained - part$baseline - rowSums(part$S))), 0)
  size <- vapply(parts, \(part) max(abs(part$explained - part$baseline)), 0)
  rounding <- vapply(parts, \(part) 1e-5 * (1 + max(abs(part$explained))), 0)
  beyond <- off > 0.05 * size + rounding
  if (any(beyond)) {
    worst <- which.max(ifelse(beyond, off / size, -Inf))
    innsight_warn(
      c("The baseline and the contributions do not add up to what is explained, for {sum(beyond)} \\
         of {length(parts)} output node{?s}.",
        x = "For {.val {names(parts)[worst]}} they are off by up to {signif(off[worst], 3)}; the \\
             values are up to {signif(size[worst], 3)} away from the baseline.",
        i = "Waterfall and force plots show this sum as the prediction.",
        i = "It is exact for {.fn run_deeplift}, {.fn run_deepshap} and (without {.arg nsim}) \\
             {.fn run_shap}; others get closer with a larger {.arg n}, if they have one."),
      "additivity"
    )
  }
}
