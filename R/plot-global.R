#' Plot the result of a method over many data points
#'
#' Tabular data and signals: one box plot per feature, or with `view` their importance or a swarm of
#' all values. Images: the median of every pixel. One column of panels per output node.
#'
#' @param x The result of a method, e.g. [run_lrp()].
#' @param ... For the method: see below. For `boxplot()`: the arguments of `plot_global()`.
#' @param data_idx The data points to summarise, `"all"` for all.
#' @param ref_data_idx A data point (any of the data) whose values are drawn as red lines; without
#'   meaning for images.
#' @param preprocess_FUN A function applied to every array of the result, before the channels are
#'   combined. It must return an array of the same shape. The default shows absolute values, in a
#'   swarm the values as they are.
#' @param individual_data_idx,individual_max Data points that an interactive plot offers one by one,
#'   and how many of them at most; in the data of the plot they are marked in the column
#'   `individual_data`.
#' @param view What to draw of tabular data and signals:
#'   * `"boxplot"`;
#'   * `"importance"`: bars of the mean values, for tabular data from left to right with the first
#'     feature at the top;
#'   * `"beeswarm"` (only tabular data): a dot per data point, coloured by the value of the input,
#'     so that one sees which way a feature acts. Needs the package ggbeeswarm.
#'
#'   The last two go well with `feature_order = "importance"` and `max_features`, and cannot be
#'   combined with `as_plotly = TRUE`.
#' @inheritParams plot_result
#'
#' @return An object of class [innsight_ggplot2-class] or, with `as_plotly = TRUE`,
#'   [innsight_plotly-class], as described in [plot_result]. The plot's data has the additional
#'   columns `boxplot_data` (is the row part of the box plot?), `individual_data` and `reference`.
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
#' plot_global(lrp, view = "importance", feature_order = "importance")
#' @export
plot_global <- function(x, ...) UseMethod("plot_global")

#' @rdname plot_global
#' @export
plot_global.InterpretingMethod <- function(x, output_idx = NULL, output_label = NULL,
                                           data_idx = "all", ref_data_idx = NULL,
                                           aggr_channels = "sum",
                                           preprocess_FUN = if (view == "beeswarm") identity else abs,
                                           as_plotly = FALSE, individual_data_idx = NULL,
                                           individual_max = 20, view = "boxplot",
                                           max_features = NULL, feature_order = "input", ...) {
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
  check_flag(as_plotly, call = call)
  check_view(view, x, as_plotly, call)
  check_function(preprocess_FUN, call = call)
  check_features(max_features, feature_order, call)

  rows <- union(points, c(ref_data_idx, if (!is.null(individual_data_idx)) individual))
  blocks <- result_blocks(x, call, rows, nodes, \(value) preprocess(value, preprocess_FUN, call))
  blocks <- lapply(blocks, aggregate_channels, aggr_channels, call)
  if (view == "beeswarm") {
    blocks <- add_input(blocks, x)
  }
  blocks <- choose_features(blocks, max_features, feature_order)
  name <- value_name(x)
  upright <- option_image_origin(call) == "top"
  if (as_plotly) {
    blocks <- add_scales(blocks, FALSE)
    return(plotly_global(
      blocks, name, upright, points = match(points, rows), individual = match(individual, rows),
      reference = match(ref_data_idx, rows), call = call
    ))
  }
  of_points <- seq_along(points)
  blocks <- lapply(blocks, function(block) {
    if (is_image(block)) {
      summarise_block(block, of_points, \(x) column_quantiles(x, 0.5), "median")
    } else if (view == "importance") {
      summarise_block(block, of_points, \(x) rbind(colMeans(x, na.rm = TRUE)), "mean")
    } else if (is_dense(block)) {
      band_block(block, of_points, match(ref_data_idx, rows))
    } else {
      c(block, list(scale = cell_maxima(block$value)))
    }
  })
  draw_summary <- function(block, frame, layout) {
    if (frame$input_dimension[1] == 3) {
      legend <- legend_of(block, frame, layout)
      return(heatmap(frame, paste0(name, "\n(median)"), legend, upright, 0))
    }
    title <- axis_title(block)
    if (length(block$bands) > 0) {
      bands(frame, name, title, layout$n_columns)
    } else if (view == "boxplot") {
      boxes(frame, name, title, layout$n_columns)
    } else if (view == "beeswarm") {
      swarm(frame, name, title)
    } else {
      mean_name <- sprintf(if (identical(preprocess_FUN, abs)) "Mean |%s|" else "Mean %s", name)
      if (length(dim(block$value)) == 3) {
        importance_bars(frame, mean_name, title)
      } else {
        importance_area(frame, mean_name, title, layout$n_columns)
      }
    }
  }
  mark_rows <- function(frame) {
    row <- match(frame$data, paste0("data_", rows))
    # Where medians or means stand for the data points, a reference is only itself.
    frame$boxplot_data <- is.na(row) | (row <= length(points) & !anyNA(row))
    frame$individual_data <- rows[row] %in% c(individual, ref_data_idx)
    frame$reference <- rows[row] %in% ref_data_idx
    if (view == "beeswarm") with_input_level(frame[frame$boxplot_data, ]) else frame
  }
  as_picture(blocks, draw_summary, by_data = FALSE, prepare = mark_rows, boxplot = TRUE)
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

check_view <- function(view, x, as_plotly, call) {
  check_choice(view, c("boxplot", "importance", "beeswarm"), call = call)
  if (view != "boxplot" && as_plotly) {
    innsight_abort(
      c("{.code view = \"{view}\"} cannot be drawn with {.code as_plotly = TRUE}.",
        i = "{.code as_plotly = FALSE} makes a ggplot."),
      "argument",
      call = call
    )
  }
  allowed <- c(boxplot = 3, importance = 2, beeswarm = 1)[[view]]
  if (any(lengths(x$converter$input_dim) > allowed)) {
    innsight_abort(
      c("{.code view = \"{view}\"} is for {if (allowed == 1) 'tabular data' else
         'tabular data and signals'}.",
        x = "The model has other inputs, too.",
        i = "{.code view = \"boxplot\"} draws all kinds of inputs."),
      "argument",
      call = call
    )
  }
  if (view == "beeswarm") {
    check_installed(
      "ggbeeswarm", "for {.code view = \"beeswarm\"}",
      "{.code view = \"boxplot\"} works without it.", call
    )
  }
}

# A block with the rows that `summarise` makes of the data points `of_points` (points x cells),
# named `labels`; all its panels have one scale.
summarise_block <- function(block, of_points, summarise, labels) {
  d <- dim(block$value)
  n <- length(d)
  value <- subset_array(block$value, of_points, seq_len(d[n]))
  block$value <- array(summarise(matrix(value, length(of_points))), c(length(labels), d[-1]))
  block$rows <- labels
  none <- matrix(NA_real_, length(labels), d[n])
  block[c("pred", "goal", "sum", "total")] <- list(none)
  block$scale <- replace(none, TRUE, max(cell_maxima(block$value)))
  block
}

# Signals so long that boxes would merge.
is_dense <- function(block) length(dim(block$value)) == 4 && dim(block$value)[3] > 200

# Medians, and the quantiles around them as `bands`; then the data point `reference`, if any.
band_block <- function(block, of_points, reference) {
  nodes <- seq_along(block$nodes)
  quantiles <- function(x) column_quantiles(x, c(0.5, 0.05, 0.25, 0.75, 0.95))
  all <- summarise_block(block, of_points, quantiles, c("median", "q05", "q25", "q75", "q95"))
  shown <- c(1, rep(NA, length(reference)))
  new <- block_cell(all, shown, nodes)
  new$bands <- lapply(2:5, \(k) subset_array(all$value, k * shown, nodes))
  names(new$bands) <- all$rows[-1]
  new$rows <- c("median", block$rows[reference])
  if (length(reference) > 0) {
    new$value[2, , , ] <- subset_array(block$value, reference, nodes)
  }
  new
}

# Where a value lies between the 5 % and the 95 % quantile of its feature.
with_input_level <- function(frame) {
  level <- function(x) {
    ends <- stats::quantile(x, c(0.05, 0.95), names = FALSE)
    if (ends[1] == ends[2]) {
      ends <- range(x)
    }
    if (ends[1] == ends[2]) 0.5 else pmin(pmax((x - ends[1]) / (ends[2] - ends[1]), 0), 1)
  }
  # Every node repeats the same input; the quantiles of repeated values would be others.
  panel <- interaction(frame$feature, frame$output_node, drop = TRUE)
  frame$input_level <- stats::ave(frame$shown, panel, FUN = level)
  frame
}

# As stats::quantile() of every column, one row per probability.
column_quantiles <- function(x, probs) {
  if (!is.finite(sum(x))) {
    q <- apply(x, 2, stats::quantile, probs = probs, names = FALSE, na.rm = TRUE)
    return(matrix(q, length(probs)))
  }
  # All columns are sorted at once.
  x[] <- x[order(col(x), x)]
  at <- 1 + (nrow(x) - 1) * probs
  below <- floor(at)
  above <- pmin(below + 1, nrow(x))
  x[below, , drop = FALSE] * (1 - (at - below)) + x[above, , drop = FALSE] * (at - below)
}
