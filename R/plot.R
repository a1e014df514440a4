#' Plot the result of a method for single data points
#'
#' `plot(x)` and `ggplot2::autoplot(x)` draw bars for tabular data and signals and heat maps for
#' images: one row of panels per data point, one column per output node. Red is positive, blue
#' negative; the colours are relative to the largest absolute value of a panel.
#'
#' @param object The result of a method, e.g. [run_lrp()]; the argument `x` of `plot()`.
#' @param data_idx The data points to draw.
#' @param output_idx The output nodes to draw: numbers of nodes (not positions in the result) of the
#'   first output layer, or a list with such a vector (or `NULL`) per output layer. By default the
#'   first node for which the method was run.
#' @param output_label The labels of the nodes, as an alternative to `output_idx`.
#' @param aggr_channels How the channels of signals and images are combined: `"sum"`, `"mean"`,
#'   `"norm"` (Euclidean) or a function from a vector to a number.
#' @param as_plotly Make an interactive picture of class [innsight_plotly-class]? This needs the
#'   package plotly; `show_preds`, `overlay` and `alpha` have no effect then.
#' @param same_scale For models with several input layers: measure the colours by the largest value
#'   over all input layers instead of by that of each one?
#' @param show_preds Show the prediction, the sum of the values over all input layers and channels,
#'   and what it should add up to?
#' @param overlay Draw the input, too: images in grey under the values, signals as lines in the
#'   colours of the values? Tabular inputs have nothing to lie under.
#' @param alpha Only with `overlay = TRUE`, for images: the opacity of the largest value, from 0
#'   (only the image) to 1. Smaller values are more transparent.
#' @param clip The quantile of the absolute values of a panel that has the full colour, in (0, 1].
#'   By default the largest value has it. With 0.995, a few outliers no longer leave an image pale.
#' @param max_features For tabular inputs: draw only so many features, those with the largest mean
#'   absolute values over all panels. `NULL` draws all.
#' @param feature_order The order of tabular features: that of the `"input"`, or by `"importance"`
#'   (mean absolute value over all panels).
#' @param ... Not used.
#'
#' @return An object of class [innsight_ggplot2-class]: a ggplot with panels, to which anything can
#'   be added, or for several input or output layers a matrix of ggplots that are drawn and changed
#'   together. `x[i, j]` is a part of it. With `as_plotly = TRUE` an [innsight_plotly-class].
#'
#'   The plot's data has the columns of `get_result(type = "data.frame")` and `fill`, the value that
#'   the colour stands for, from -1 to 1.
#'
#'   Images have row 1 at the top; `options(innsight.image_origin = "bottom")` turns them round. For
#'   other colours see `innsight.palette` in [innsight-options].
#' @seealso [plot_global()] for all data points together
#' @name plot_result
#' @examples
#' model <- list(
#'   input_dim = 3, input_nodes = 1, output_nodes = 1,
#'   input_names = c("length", "width", "height"),
#'   layers = list(
#'     list(type = "Dense", weight = matrix(c(1, -1, 2, 0, -2, 1), 2), bias = c(0, 1),
#'          activation_name = "tanh", input_layers = 0, output_layers = -1)
#'   )
#' )
#' lrp <- run_lrp(convert(model), matrix(c(1, 2, -1, 0.5, 0.2, 0.1), nrow = 2))
#' picture <- plot(lrp, data_idx = 1:2, output_idx = 1:2)
#' picture + ggplot2::theme_bw()
#' picture[2, ]
#'
#' # Which pixels made the network read these digits?
#' digits <- readRDS(system.file("extdata", "digits.rds", package = "innsight"))
#' lrp <- run_lrp(convert(digits$model), digits$images[1:2, , , , drop = FALSE])
#' plot(lrp, data_idx = 1:2, output_label = c("3", "8"), overlay = TRUE)
#' @method autoplot InterpretingMethod
#' @rawNamespace S3method(ggplot2::autoplot,InterpretingMethod)
autoplot.InterpretingMethod <- function(object, data_idx = 1, output_idx = NULL,
                                        output_label = NULL, aggr_channels = "sum",
                                        as_plotly = FALSE, same_scale = FALSE, show_preds = TRUE,
                                        overlay = FALSE, alpha = 0.8, clip = 1,
                                        max_features = NULL, feature_order = "input", ...) {
  plot_points(object, data_idx, output_idx, output_label, aggr_channels, as_plotly, same_scale,
              show_preds, overlay, alpha, clip, max_features, feature_order, ...)
}

plot_points <- function(x, data_idx = 1, output_idx = NULL, output_label = NULL,
                        aggr_channels = "sum", as_plotly = FALSE, same_scale = FALSE,
                        show_preds = TRUE, overlay = FALSE, alpha = 0.8, clip = 1,
                        max_features = NULL, feature_order = "input") {
  call <- quote(plot())
  if (is_global(x)) {
    if (!identical(as.double(data_idx), 1)) {
      cli::cli_inform(
        "{.arg data_idx} is ignored: global connection weights belong to no data point.",
        class = "innsight_message"
      )
    }
    data_idx <- 1
  }
  rows <- check_indices(data_idx, nrow_of(x), call = call)
  nodes <- nodes_to_plot(x, output_idx, output_label, call)
  check_aggregation(aggr_channels, call)
  check_flag(as_plotly, call = call)
  check_flag(same_scale, call = call)
  check_flag(show_preds, call = call)
  check_overlay(overlay, x, call)
  check_number(alpha, 0, 1, call = call)
  check_clip(clip, call)
  check_features(max_features, feature_order, call)

  blocks <- result_blocks(x, call, rows, nodes)
  blocks <- lapply(blocks, aggregate_channels, aggr_channels, call)
  blocks <- choose_features(blocks, max_features, feature_order)
  blocks <- add_scales(blocks, same_scale, clip)
  name <- value_name(x)
  upright <- option_image_origin(call) == "top"
  if (as_plotly) {
    return(plotly_points(blocks, name, upright, call, strip_rows = !is_global(x)))
  }
  if (overlay) {
    blocks <- lapply(add_input(blocks, x, \(block) length(dim(block$value)) > 3), as_backdrop)
  }
  draw_point <- function(block, frame, layout) {
    legend <- legend_of(block, frame, layout)
    # Several plots have less room each, because of their headings.
    n_boxes <- if (show_preds && layout$first_input) layout$n_rows + !layout$single else 0
    image <- frame$input_dimension[1] == 3
    plot <- if (image) {
      # Images are squares, so that columns make them smaller, too.
      n_boxes <- if (n_boxes > 0) max(n_boxes, layout$n_columns / 2) else 0
      heatmap(frame, name, legend, upright, n_boxes, alpha)
    } else if (is.null(frame$shown)) {
      bars(frame, name, axis_title(block), layout$n_columns, n_boxes)
    } else {
      signal_lines(frame, name, legend, layout$n_columns, n_boxes)
    }
    plot + if (n_boxes > 0) info_box(max(layout$n_rows, layout$n_columns), image && upright)
  }
  as_picture(blocks, draw_point, by_data = !is_global(x))
}

# The name of the values, which every method knows.
value_name <- function(x) x$.__enclos_env__$private$value_name()

# Connection weights that are not multiplied by data.
is_global <- function(x) length(x$data) == 0

check_overlay <- function(overlay, x, call) {
  if (!check_flag(overlay, call = call)) {
    return(invisible())
  }
  problem <- if (is_global(x)) {
    "Global connection weights belong to no data point."
  } else if (all(lengths(x$converter$input_dim) == 1)) {
    "All inputs of this model are tabular."
  }
  if (!is.null(problem)) {
    innsight_abort(
      c("{.code overlay = TRUE} needs images or signals to draw on.", x = problem),
      "argument",
      call = call
    )
  }
}

check_clip <- function(clip, call) {
  if (!checkmate::test_number(clip, lower = 0, upper = 1, finite = TRUE) || clip == 0) {
    abort_arg(clip, "a number above 0, at most 1", "clip", call)
  }
}

check_features <- function(max_features, feature_order, call) {
  if (!is.null(max_features)) {
    check_count(max_features, call = call)
  }
  check_choice(feature_order, c("input", "importance"), call = call)
}

# The input as it is drawn: pictures as grey levels from 0 to 1; signals with all their channels,
# for which the values are repeated.
as_backdrop <- function(block) {
  shown <- block$shown
  d <- dim(shown)
  if (length(d) == 4) {
    # The usual weights of red, green and blue, else the mean.
    weights <- if (d[2] == 3) c(0.299, 0.587, 0.114) else rep(1 / d[2], d[2])
    grey <- Reduce(`+`, lapply(seq_len(d[2]), \(k) weights[k] * shown[, k, , ]))
    grey <- matrix(grey, d[1])
    from <- apply(grey, 1, min)
    width <- apply(grey, 1, max) - from
    block$shown <- array((grey - from) / ifelse(width > 0, width, 1), replace(d, 2, 1))
  } else if (length(d) == 3) {
    block$value <- block$value[, rep(1, d[2]), , , drop = FALSE]
    block$axes[[1]] <- factor(seq_len(d[2]))
  }
  block
}

# The title of the axis of features; it says if some are left out.
axis_title <- function(block) {
  if (length(dim(block$value)) > 3) {
    return("Signal Length")
  }
  n <- dim(block$value)[2]
  if (n < block$n_features) sprintf("Feature (%d of %d)", n, block$n_features) else "Feature"
}
