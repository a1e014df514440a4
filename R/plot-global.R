#' Plot the result of a method over many data points
#'
#' Tabular data and signals: one box plot per feature. Images: the median of every pixel. One
#' column of panels per output node.
#'
#' @param x The result of a method, e.g. [run_lrp()].
#' @param ... For the method: see below. For `boxplot()`: the arguments of `plot_global()`.
#' @param data_idx The data points to summarise, `"all"` for all.
#' @param ref_data_idx A data point (any of the data) whose values are drawn as red lines; without
#'   meaning for images.
#' @param preprocess_FUN A function applied to every array of the result, before the channels are
#'   combined. It must return an array of the same shape. The default shows absolute values.
#' @param individual_data_idx,individual_max Data points that an interactive plot would offer one
#'   by one, and how many of them at most; in the data of the plot they are marked in the column
#'   `individual_data`.
#' @inheritParams plot_result
#'
#' @return A ggplot object as described in [plot_result]; its data has the additional columns
#'   `boxplot_data` (is the row part of the box plot?) and `individual_data`.
#' @examples
#' model <- list(
#'   input_dim = 3, input_nodes = 1, output_nodes = 1,
#'   input_names = c("length", "width", "height"),
#'   layers = list(
#'     list(type = "Dense", weight = matrix(c(1, -1, 2, 0, -2, 1), 2), bias = c(0, 1),
#'          activation_name = "tanh", input_layers = 0, output_layers = -1)
#'   )
#' )
#' lrp <- run_lrp(convert(model), matrix(rnorm(60), ncol = 3))
#' plot_global(lrp, output_idx = 1:2)
#' boxplot(lrp, ref_data_idx = 1, preprocess_FUN = identity)
#' @export
plot_global <- function(x, ...) UseMethod("plot_global")

#' @rdname plot_global
#' @export
plot_global.InterpretingMethod <- function(x, output_idx = NULL, output_label = NULL,
                                           data_idx = "all", ref_data_idx = NULL,
                                           aggr_channels = "sum", preprocess_FUN = abs,
                                           as_plotly = FALSE, individual_data_idx = NULL,
                                           individual_max = 20, ...) {
  call <- quote(plot_global())
  rlang::check_dots_empty(call = call)
  if (is_global(x)) {
    innsight_abort(
      c("A summary over data points needs data points.",
        x = "Global connection weights belong to none.",
        i = "Run the method with data and {.code times_input = TRUE}, or use {.fn plot}."),
      "argument",
      call = call
    )
  }
  n <- nrow_of(x)
  nodes <- nodes_to_plot(x, output_idx, output_label, call)
  points <- check_data_idx(data_idx, n, call)
  if (!is.null(ref_data_idx)) {
    check_count(ref_data_idx, call = call)
    ref_data_idx <- check_indices(ref_data_idx, n, call = call)
  }
  individual <- points
  if (!is.null(individual_data_idx)) {
    individual <- check_indices(individual_data_idx, n, call = call)
  }
  individual <- utils::head(individual, check_count(individual_max, call = call))
  check_aggregation(aggr_channels, call)
  check_function(preprocess_FUN, call = call)
  check_no_plotly(as_plotly, call)

  rows <- union(points, c(ref_data_idx, if (!is.null(individual_data_idx)) individual))
  blocks <- result_blocks(x, call, rows, nodes, \(value) preprocess(value, preprocess_FUN, call))
  blocks <- lapply(blocks, aggregate_channels, aggr_channels, call)
  name <- value_name(x)
  by_input(blocks, function(blocks, n_plots) {
    if (length(dim(blocks[[1]]$value)) == 5) {
      frame <- median_frame(blocks, length(points))
      upright <- option_image_origin(call) == "top"
      name <- paste0(name, "\n (median)")
      return(heatmap(frame, name, upright, 0) + panels(frame, "."))
    }
    frame <- stack_blocks(add_scales(blocks, FALSE), plot_columns)
    number <- rows[frame$data]
    frame$boxplot_data <- number %in% points
    frame$individual_data <- number %in% c(individual, ref_data_idx)
    boxes(frame, name, frame[number %in% ref_data_idx, ])
  })
}

#' @rdname plot_global
#' @export
boxplot.InterpretingMethod <- function(x, ...) {
  if (any(lengths(x$converter$input_dim) == 3)) {
    innsight_warn(c(
      "{.fn boxplot} is meant for tabular data and signals.",
      i = "Images are summarised as by {.fn plot_global}."
    ))
  }
  plot_global(x, ...)
}

#' @importFrom graphics boxplot
#' @export
graphics::boxplot

preprocess <- function(value, preprocess_FUN, call) {
  new <- preprocess_FUN(value)
  if (!is.numeric(new) || !identical(dim(new), dim(value))) {
    innsight_abort(
      c("{.arg preprocess_FUN} must return an array of the shape it gets.",
        x = "For {describe(value)} it returned {describe(new)}."),
      "argument",
      call = call
    )
  }
  new
}

boxes <- function(frame, name, reference) {
  plot <- ggplot2::ggplot(frame, position_aes(frame)) +
    ggplot2::geom_hline(yintercept = 0, linewidth = 0.3) +
    ggplot2::geom_boxplot(
      data = \(x) x[x$boxplot_data, ],
      fill = "grey",
      alpha = 0.8,
      width = 0.7,
      linewidth = if (frame$input_dimension[1] == 1) 0.5 else 0.25,
      outlier.size = 0.5
    )
  if (nrow(reference) > 0) {
    plot <- plot + ggplot2::geom_errorbar(
      ggplot2::aes(ymin = .data$value, ymax = .data$value),
      data = reference,
      colour = "red",
      width = 0.7,
      linewidth = 0.8
    )
  }
  plot + scale_position(frame) + panels(frame, ".") + ggplot2::labs(y = name)
}

# The medians over the first `n` data points of image blocks, one row per pixel and node; all
# panels have one scale.
median_frame <- function(blocks, n) {
  blocks <- lapply(blocks, function(block) {
    d <- dim(block$value)
    value <- matrix(subset_array(block$value, seq_len(n), seq_len(d[5])), n)
    block$value <- array(column_medians(value), c(1, d[-1]))
    block$rows <- "median"
    block[c("pred", "goal", "sum", "total")] <- list(matrix(NA_real_, 1, d[5]))
    block
  })
  largest <- max(vapply(blocks, \(block) max(abs(block$value), na.rm = TRUE), 0))
  if (largest == 0) largest <- 1
  blocks <- lapply(blocks, \(block) c(block, list(scale = matrix(largest, 1, ncol(block$pred)))))
  frame <- stack_blocks(blocks, plot_columns)
  frame$boxplot_data <- TRUE
  frame$individual_data <- FALSE
  frame
}

column_medians <- function(x) {
  if (anyNA(x)) {
    return(apply(x, 2, stats::median, na.rm = TRUE))
  }
  n <- nrow(x)
  x[] <- x[order(col(x), x)]
  (x[(n + 1) %/% 2, ] + x[n %/% 2 + 1, ]) / 2
}
