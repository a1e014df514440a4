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
#' @param as_plotly Not available yet.
#' @param same_scale For models with several input layers: measure the colours by the largest value
#'   over all input layers instead of by that of each one?
#' @param show_preds Show the prediction, the sum of the values over all input layers and channels,
#'   and what it should add up to?
#' @param ... Not used.
#'
#' @return A ggplot object, to which anything can be added. Its data has the columns of
#'   `get_result(type = "data.frame")` and `fill`, the value the colour stands for. For models whose
#'   input layers differ in kind (or in size, for images), a list of ggplot objects, one per input
#'   layer, that prints as one picture (this needs the package gridExtra).
#'
#'   Images have row 1 at the top; `options(innsight.image_origin = "bottom")` turns them round.
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
#' plot(lrp, data_idx = 1:2, output_idx = 1:2)
#' plot(lrp) + ggplot2::theme_bw()
#' @importFrom ggplot2 autoplot
#' @method autoplot InterpretingMethod
#' @export
autoplot.InterpretingMethod <- function(object, data_idx = 1, output_idx = NULL,
                                        output_label = NULL, aggr_channels = "sum",
                                        as_plotly = FALSE, same_scale = FALSE, show_preds = TRUE,
                                        ...) {
  plot_points(object, data_idx, output_idx, output_label, aggr_channels, as_plotly, same_scale,
              show_preds, ...)
}

plot_points <- function(x, data_idx = 1, output_idx = NULL, output_label = NULL,
                        aggr_channels = "sum", as_plotly = FALSE, same_scale = FALSE,
                        show_preds = TRUE) {
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
  check_no_plotly(as_plotly, call)
  check_flag(same_scale, call = call)
  check_flag(show_preds, call = call)

  blocks <- result_blocks(x, call, rows, nodes)
  info <- if (show_preds) info_boxes(blocks)
  blocks <- add_scales(lapply(blocks, aggregate_channels, aggr_channels, call), same_scale)
  name <- value_name(x)
  upright <- option_image_origin(call) == "top"
  by_input(blocks, function(blocks, n_plots) {
    frame <- stack_blocks(blocks, plot_columns)
    image <- frame$input_dimension[1] == 3
    info <- info[info$model_input %in% frame$model_input, ]
    # The number of info boxes above each other decides how much room they need.
    n_boxes <- n_plots * length(unique(info$data))
    plot <- if (image) {
      heatmap(frame, name, upright, max(n_boxes, length(unique(info$heading))))
    } else {
      bars(frame, name, n_boxes)
    }
    plot + panels(frame, if (is_global(x)) "." else "data") + info_layer(info, image && upright)
  })
}

# The name of the values, which every method knows.
value_name <- function(x) x$.__enclos_env__$private$value_name()

# Connection weights that are not multiplied by data.
is_global <- function(x) length(x$data) == 0

check_no_plotly <- function(as_plotly, call) {
  if (check_flag(as_plotly, call = call)) {
    innsight_abort(
      c("{.code as_plotly = TRUE} is not available yet.",
        i = "{.code as_plotly = FALSE} makes a ggplot."),
      "argument",
      call = call
    )
  }
}

# One plot for all input layers that fit into panels of one kind, else a list of plots.
by_input <- function(blocks, draw) {
  inputs <- vapply(blocks, `[[`, 0, "input")
  shapes <- lapply(blocks, \(block) {
    d <- dim(block$value)
    if (length(d) == 5) d[3:4] else length(d)
  })
  if (length(unique(shapes)) == 1) {
    return(draw(blocks, 1))
  }
  plots <- lapply(split(blocks, inputs), draw, length(unique(inputs)))
  structure(unname(plots), class = "innsight_plots")
}

#' @export
print.innsight_plots <- function(x, ...) {
  if (!requireNamespace("gridExtra", quietly = TRUE)) {
    innsight_abort(
      c("The package {.pkg gridExtra} must be installed to print plots of several input layers.",
        i = "The plots are the elements of this list: {.code x[[1]]}, ..."),
      "argument",
      call = quote(print())
    )
  }
  gridExtra::grid.arrange(grobs = lapply(x, ggplot2::ggplotGrob), ...)
  invisible(x)
}

# --- Parts that all plots share -------------------------------------------------------------------

scale_fill_relevance <- function(limits, ...) {
  ggplot2::scale_fill_gradient2(
    low = "#2166AC", mid = "white", high = "#B2182B", limits = limits, ...
  )
}

# How much of a panel to leave free for the info box above what it shows: the more, the smaller the
# panels are.
room_above <- function(n_boxes, otherwise) {
  room <- if (n_boxes > 0) min(0.08 + 0.13 * n_boxes, 0.75) else otherwise
  ggplot2::expansion(mult = c(otherwise, room))
}

# Bars of `value`.
bars <- function(frame, name, n_boxes) {
  tabular <- frame$input_dimension[1] == 1
  ggplot2::ggplot(frame, position_aes(frame)) +
    ggplot2::geom_col(
      ggplot2::aes(fill = .data$fill),
      width = if (tabular) 0.8 else 1,
      colour = if (tabular) "grey50" else NA,
      linewidth = 0.2
    ) +
    ggplot2::geom_hline(yintercept = 0, linewidth = 0.3) +
    scale_fill_relevance(c(-1, 1), guide = "none") +
    scale_position(frame) +
    ggplot2::scale_y_continuous(expand = room_above(n_boxes, 0.05)) +
    ggplot2::labs(y = name)
}

# A heat map of `fill`; what the colours mean is said by signs only, since every panel has its own
# scale.
heatmap <- function(frame, name, upright, n_boxes) {
  breaks <- sign_breaks(frame$fill)
  scale_y <- if (upright) ggplot2::scale_y_reverse else ggplot2::scale_y_continuous
  ggplot2::ggplot(
    frame,
    ggplot2::aes(x = .data$position_2, y = .data$position, fill = .data$fill)
  ) +
    ggplot2::geom_raster() +
    scale_fill_relevance(
      range(breaks),
      breaks = breaks,
      labels = c("<0", "0", ">0")[breaks + 2]
    ) +
    ggplot2::scale_x_continuous(breaks = whole_breaks, expand = c(0, 0)) +
    scale_y(breaks = whole_breaks, expand = room_above(n_boxes, 0)) +
    ggplot2::coord_fixed() +
    ggplot2::theme(panel.border = ggplot2::element_rect(colour = "grey70", fill = NA)) +
    ggplot2::labs(x = "Image Width", y = "Image Height", fill = name)
}

sign_breaks <- function(fill) {
  from <- if (any(fill < 0, na.rm = TRUE)) -1 else 0
  to <- if (any(fill > 0, na.rm = TRUE) || from == 0) 1 else 0
  unique(c(from, 0, to))
}

# Features by name, positions of a signal by number.
position_aes <- function(frame) {
  if (frame$input_dimension[1] == 1) {
    ggplot2::aes(x = .data$feature, y = .data$value)
  } else {
    ggplot2::aes(x = .data$position, y = .data$value, group = .data$position)
  }
}

scale_position <- function(frame) {
  n_columns <- nrow(unique(frame[c("heading", "model_input")]))
  if (frame$input_dimension[1] == 1) {
    labels <- levels(droplevels(frame$feature))
    return(list(
      ggplot2::scale_x_discrete(guide = axis_guide(labels, n_columns)),
      if (length(labels) * n_columns > 45) {
        ggplot2::theme(axis.text.x = ggplot2::element_text(size = 6))
      },
      ggplot2::labs(x = "Feature")
    ))
  }
  labels <- as.character(frame$feature[match(seq_len(max(frame$position)), frame$position)])
  named <- length(unique(frame$model_input)) == 1 &&
    !identical(labels, paste0("L", seq_along(labels)))
  few <- named && length(labels) <= 40
  list(
    ggplot2::scale_x_continuous(
      breaks = if (few) seq_along(labels) else whole_breaks,
      labels = if (named) \(at) labels[at] else ggplot2::waiver(),
      guide = if (few) axis_guide(labels, n_columns) else ggplot2::waiver(),
      expand = c(0, 0)
    ),
    ggplot2::labs(x = "Signal Length")
  )
}

axis_guide <- function(labels, n_columns) {
  ggplot2::guide_axis(angle = label_angle(labels, n_columns), check.overlap = TRUE)
}

# Labels that would not fit beside each other are turned. A plot is some 90 characters wide.
label_angle <- function(labels, n_columns) {
  room <- 90 / n_columns
  if (sum(nchar(labels) + 2) <= room) 0 else if (length(labels) * 4 <= room) 45 else 90
}

# Positions count from 1, so 0 is moved there unless it would be too close to the next label.
whole_breaks <- function(limits) {
  at <- unique(round(pretty(c(0, max(limits)), 4)))
  at <- at[at <= max(limits)]
  if (at[2] %in% 2:3) at[-1] else pmax(at, 1)
}

# Panels: data points in rows (none for global weights), output nodes (and input layers) in columns.
panels <- function(frame, rows = "data") {
  several <- \(column) length(unique(frame[[column]])) > 1
  columns <- c(
    if (several("model_output")) "heading" else "output_node",
    if (several("model_input")) "model_input"
  )
  ggplot2::facet_grid(
    stats::reformulate(columns, rows),
    scales = if (frame$input_dimension[1] == 3) {
      "fixed"
    } else if (several("model_input")) {
      "free"
    } else {
      "free_y"
    }
  )
}

# What the box in the corner of a panel says: one row per data point and output node, for the first
# input layer.
info_boxes <- function(blocks) {
  first <- !duplicated(vapply(blocks, `[[`, 0, "output"))
  lines <- lapply(blocks[first], function(block) {
    number <- \(x) trimws(formatC(signif(round(x, 8), 4), digits = 4, format = "g"))
    line <- \(name, x) ifelse(is.na(x), "", paste0(name, ": ", number(x), "\n"))
    block$value <- array(0, c(nrow(block$pred), 1, ncol(block$pred)))
    block$axes <- list(factor("info"))
    block$scale <- 1 + 0 * block$total
    columns <- plot_columns(block)
    columns$label <- trimws(paste0(
      line("Pred.", block$pred), line("Sum", block$total), line("Goal", block$goal)
    ))
    columns[c("data", "model_input", "output_node", "heading", "label")]
  })
  names <- stats::setNames(nm = names(lines[[1]]))
  list2DF(lapply(names, \(name) do.call(c, lapply(lines, `[[`, name))))
}

info_layer <- function(info, reversed) {
  if (NROW(info) == 0) {
    return(NULL)
  }
  # Above the panel's content whichever way its axis runs.
  top <- if (reversed) -Inf else Inf
  n_panels <- max(length(unique(info$heading)), length(unique(info$data)))
  ggplot2::geom_label(
    ggplot2::aes(x = -Inf, y = top, label = .data$label),
    data = info,
    inherit.aes = FALSE,
    hjust = "inward",
    vjust = "inward",
    size = max(1.8, 3.5 - 0.35 * n_panels),
    label.padding = ggplot2::unit(0.15, "lines"),
    colour = "white",
    fill = "grey25",
    alpha = 0.6
  )
}
