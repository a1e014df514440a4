# The ggplots of single panels: from a data frame of plot_columns() to bars, heat maps, lines, boxes
# and swarms. Layers with less than all rows take them from the plot's data by a function, so that
# a part of a picture is the same plot with less data. All arguments are evaluated, needed or not:
# a plot keeps the frames of these functions, and through an unevaluated argument the result and its
# model, which would be saved with it.

# --- Single data points ---------------------------------------------------------------------------

# Bars of `value`.
bars <- function(frame, name, title, n_panels, n_boxes) {
  shape <- if (frame$input_dimension[1] == 1) {
    ggplot2::geom_col(
      ggplot2::aes(fill = .data$fill),
      width = 0.8, colour = "grey50", linewidth = 0.2
    )
  } else {
    # Bars without gaps, as rectangles: geom_col() takes seconds for thousands of positions.
    ggplot2::geom_rect(ggplot2::aes(
      xmin = .data$position - 0.5, xmax = .data$position + 0.5,
      ymin = pmin(.data$value, 0), ymax = pmax(.data$value, 0), fill = .data$fill
    ))
  }
  ggplot2::ggplot(frame, position_aes(frame)) +
    shape +
    ggplot2::geom_hline(yintercept = 0, linewidth = 0.3) +
    scale_relevance("fill", c(-1, 1), guide = "none") +
    scale_position(frame, n_panels) +
    scale_y_value(room_above(n_boxes, 0.05)) +
    ggplot2::labs(x = title, y = name)
}

# The signal itself, one line per channel, in the colours of the values.
signal_lines <- function(frame, name, legend, n_panels, n_boxes) {
  ggplot2::ggplot(frame, ggplot2::aes(x = .data$position, y = .data$shown)) +
    ggplot2::geom_line(
      ggplot2::aes(group = .data$channel),
      colour = "grey55",
      linewidth = 1.4
    ) +
    ggplot2::geom_line(
      ggplot2::aes(colour = .data$fill, group = .data$channel),
      linewidth = 0.9,
      lineend = "round"
    ) +
    scale_relevance("colour", range(legend$breaks), breaks = legend$breaks,
                    labels = legend$labels) +
    scale_position(frame, n_panels, expand = ggplot2::expansion(0.02)) +
    scale_y_value(room_above(n_boxes, 0.05)) +
    ggplot2::labs(x = "Signal Length", y = "Signal", colour = name)
}

# A heat map of `fill`, over the picture itself (the column `shown`, a grey level) if it is there.
heatmap <- function(frame, name, legend, upright, n_boxes, alpha = 1) {
  force(alpha)
  scale_y <- if (upright) ggplot2::scale_y_reverse else ggplot2::scale_y_continuous
  relevance <- if (is.null(frame$shown)) {
    ggplot2::geom_raster(ggplot2::aes(fill = .data$fill))
  } else {
    # What matters little lets the picture through.
    list(
      geom_grey_raster(),
      ggplot2::geom_raster(
        ggplot2::aes(fill = .data$fill, alpha = .env$alpha * sqrt(abs(.data$fill)))
      ),
      ggplot2::scale_alpha_identity()
    )
  }
  ggplot2::ggplot(frame, ggplot2::aes(x = .data$position_2, y = .data$position)) +
    relevance +
    scale_relevance("fill", range(legend$breaks), breaks = legend$breaks,
                    labels = legend$labels) +
    ggplot2::scale_x_continuous(breaks = whole_breaks, expand = c(0, 0)) +
    scale_y(breaks = whole_breaks, expand = room_above(n_boxes, 0)) +
    ggplot2::coord_fixed() +
    ggplot2::theme(
      # Beside a dark picture, the room for the info box should not glare.
      panel.background = if (is.null(frame$shown)) {
        ggplot2::element_blank()
      } else {
        ggplot2::element_rect(fill = "grey80", colour = NA)
      },
      panel.grid = ggplot2::element_blank(),
      panel.border = ggplot2::element_rect(colour = "grey70", fill = NA)
    ) +
    ggplot2::labs(x = "Image Width", y = "Image Height", fill = name)
}

# A raster of grey levels in [0, 1] that leaves the scale of `fill` to the relevance: an aesthetic
# without a scale reaches the panel as it is.
geom_grey_raster <- function() {
  geom <- ggplot2::ggproto(
    "GeomGreyRaster", ggplot2::GeomRaster,
    required_aes = c("x", "y", "grey"),
    draw_panel = function(self, data, panel_params, coord, ...) {
      data$fill <- grDevices::grey(data$grey)
      ggplot2::GeomRaster$draw_panel(data, panel_params, coord, ...)
    }
  )
  ggplot2::layer(
    geom = geom, stat = "identity", position = "identity",
    mapping = ggplot2::aes(grey = .data$shown),
    params = list(na.rm = TRUE), show.legend = FALSE
  )
}

# --- Many data points -----------------------------------------------------------------------------

boxes <- function(frame, name, title, n_panels) {
  reference <- ggplot2::geom_errorbar(
    ggplot2::aes(ymin = .data$value, ymax = .data$value),
    data = \(frame) frame[frame$reference, ],
    colour = "red",
    width = 0.7,
    linewidth = 0.8
  )
  ggplot2::ggplot(frame, position_aes(frame)) +
    ggplot2::geom_hline(yintercept = 0, linewidth = 0.3) +
    ggplot2::geom_boxplot(
      data = \(frame) frame[frame$boxplot_data, ],
      fill = "grey",
      alpha = 0.8,
      width = 0.7,
      linewidth = if (frame$input_dimension[1] == 1) 0.5 else 0.25,
      outlier.size = 0.5
    ) +
    (if (any(frame$reference)) reference) +
    scale_position(frame, n_panels) +
    scale_y_value() +
    ggplot2::labs(x = title, y = name)
}

# What many boxes beside each other come to: the median within the quartiles within 5 % and 95 %.
bands <- function(frame, name, title, n_panels) {
  medians <- \(frame) frame[frame$data == "data_median", ]
  band <- function(lower, upper, fill) {
    ggplot2::geom_ribbon(
      ggplot2::aes(ymin = .data[[lower]], ymax = .data[[upper]]), data = medians, fill = fill
    )
  }
  line <- \(rows, colour) ggplot2::geom_line(data = rows, colour = colour, linewidth = 0.3)
  ggplot2::ggplot(frame, ggplot2::aes(x = .data$position, y = .data$value)) +
    band("q05", "q95", "grey78") +
    band("q25", "q75", "grey60") +
    ggplot2::geom_hline(yintercept = 0, linewidth = 0.3) +
    line(medians, "black") +
    (if (any(frame$reference)) line(\(frame) frame[frame$reference, ], "red")) +
    scale_position(frame, n_panels) +
    scale_y_value() +
    ggplot2::labs(x = title, y = name)
}

# Mean values over the positions of a signal.
importance_area <- function(frame, name, title, n_panels) {
  ggplot2::ggplot(frame, ggplot2::aes(x = .data$position, y = .data$value)) +
    ggplot2::geom_area(fill = "grey35") +
    scale_position(frame, n_panels) +
    scale_y_value() +
    ggplot2::labs(x = title, y = name)
}

# Mean values as bars, the first feature at the top.
importance_bars <- function(frame, name, title) {
  ggplot2::ggplot(frame, ggplot2::aes(x = .data$value, y = .data$feature)) +
    ggplot2::geom_col(fill = "grey35", width = 0.8) +
    ggplot2::scale_x_continuous(
      labels = value_labels, guide = ggplot2::guide_axis(check.overlap = TRUE)
    ) +
    ggplot2::scale_y_discrete(limits = rev) +
    ggplot2::labs(x = name, y = title)
}

# One dot per data point, coloured by what the input was; the first feature at the top.
swarm <- function(frame, name, title) {
  ggplot2::ggplot(frame, ggplot2::aes(x = .data$value, y = .data$feature)) +
    ggplot2::geom_vline(xintercept = 0, linewidth = 0.3) +
    ggbeeswarm::geom_quasirandom(
      ggplot2::aes(colour = .data$input_level),
      width = 0.4,
      size = 0.9
    ) +
    ggplot2::scale_colour_gradientn(
      colours = grDevices::hcl.colors(9, "Viridis"),
      limits = c(0, 1), breaks = c(0, 1), labels = c("low", "high")
    ) +
    ggplot2::scale_y_discrete(limits = rev) +
    ggplot2::labs(x = name, y = title, colour = "Feature value")
}

# --- Scales ---------------------------------------------------------------------------------------

# `limits` is a part of [-1, 1] that ends or begins with 0, or all of it.
scale_relevance <- function(aesthetic, limits, ...) {
  at <- seq(-1, 1, length.out = 41)
  inside <- at >= limits[1] & at <= limits[2]
  scale <- switch(aesthetic,
    fill = ggplot2::scale_fill_gradientn,
    colour = ggplot2::scale_colour_gradientn
  )
  scale(colours = relevance_colours(41, quote(plot()))[inside], limits = limits, ...)
}

# What the colours mean. The panels of one plot have scales of their own and only signs in common;
# a plot of one panel has values.
legend_of <- function(block, frame, layout) {
  breaks <- sign_breaks(frame$fill)
  labels <- if (layout$single) {
    c("<0", "0", ">0")[breaks + 2]
  } else {
    format(signif(breaks * block$scale[1], 2), trim = TRUE)
  }
  list(breaks = breaks, labels = labels)
}

sign_breaks <- function(fill) {
  from <- if (any(fill < 0, na.rm = TRUE)) -1 else 0
  to <- if (any(fill > 0, na.rm = TRUE) || from == 0) 1 else 0
  unique(c(from, 0, to))
}

# Room for the info box above what a panel shows, as a share of that: the more panels, the smaller
# they are.
room_above <- function(n_panels, otherwise) {
  room <- if (n_panels > 0) min(0.1 + 0.1 * n_panels, 0.6) else otherwise
  ggplot2::expansion(mult = c(otherwise, room))
}

# The values of bars, signals and boxes.
scale_y_value <- function(expand = ggplot2::waiver()) {
  ggplot2::scale_y_continuous(labels = value_labels, expand = expand)
}

# As many digits as all labels need; powers of ten where that would be many.
value_labels <- function(x) {
  size <- max(0, abs(x), na.rm = TRUE)
  few <- size == 0 || (size >= 1e-3 && size < 1e4)
  labels <- format(zapsmall(x), trim = TRUE, scientific = !few)
  labels[!few & x %in% 0] <- "0"
  ifelse(is.na(x), NA_character_, labels)
}

# Features by name, positions of a signal by number.
position_aes <- function(frame) {
  if (frame$input_dimension[1] == 1) {
    ggplot2::aes(x = .data$feature, y = .data$value)
  } else {
    ggplot2::aes(x = .data$position, y = .data$value, group = .data$position)
  }
}

# `n_panels` share the width of the plot.
scale_position <- function(frame, n_panels, expand = ggplot2::expansion(0)) {
  force(n_panels)
  if (frame$input_dimension[1] == 1) {
    labels <- levels(droplevels(frame$feature))
    return(list(
      ggplot2::scale_x_discrete(guide = axis_guide(labels, n_panels)),
      if (length(labels) * n_panels > 45) {
        ggplot2::theme(axis.text.x = ggplot2::element_text(size = 6))
      }
    ))
  }
  labels <- as.character(frame$feature[match(seq_len(max(frame$position)), frame$position)])
  named <- !identical(labels, paste0("L", seq_along(labels)))
  few <- named && length(labels) <= 40
  list(
    ggplot2::scale_x_continuous(
      breaks = if (few) seq_along(labels) else whole_breaks,
      labels = if (named) \(at) labels[at] else ggplot2::waiver(),
      guide = if (few) axis_guide(labels, n_panels) else ggplot2::waiver(),
      expand = expand
    ),
    # The labels of the last and the first position would meet between panels.
    ggplot2::theme(panel.spacing.x = ggplot2::unit(1.2, "lines"))
  )
}

axis_guide <- function(labels, n_panels) {
  ggplot2::guide_axis(angle = label_angle(labels, n_panels), check.overlap = TRUE)
}

# Labels that would not fit beside each other are turned. A plot is some 90 characters wide.
label_angle <- function(labels, n_panels) {
  room <- 90 / n_panels
  if (sum(nchar(labels) + 3) <= room) 0 else if (length(labels) * 4 <= room) 45 else 90
}

# Positions count from 1, so 0 is moved there unless it would be too close to the next label.
whole_breaks <- function(limits) {
  at <- unique(round(pretty(c(0, max(limits)), 4)))
  at <- at[at <= max(limits)]
  if (at[2] %in% 2:3) at[-1] else pmax(at, 1)
}

# --- The box in the corner ------------------------------------------------------------------------

# Prediction, sum and goal; above the panel's content whichever way its axis runs.
info_box <- function(n_panels, reversed) {
  top <- if (reversed) -Inf else Inf
  ggplot2::geom_label(
    ggplot2::aes(x = -Inf, y = top, label = .data$label),
    data = info_labels,
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

# One row per data point and node.
info_labels <- function(frame) {
  instance <- as.integer(frame$data) * (nlevels(frame$output_node) + 1) +
    as.integer(frame$output_node)
  frame <- frame[!duplicated(instance), ]
  line <- \(name, x) ifelse(is.na(x), "", paste0(name, ": ", info_number(x), "\n"))
  frame$label <- trimws(paste0(
    line("Pred.", frame$pred), line("Sum", frame$decomp_total), line("Goal", frame$decomp_goal)
  ))
  frame[nzchar(frame$label), ]
}

info_number <- function(x) {
  trimws(formatC(signif(round(x, 8), 4), digits = 4, format = "g"))
}
