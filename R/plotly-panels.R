# Panels of interactive plots: from blocks of a result (see result_blocks()) to plotly objects.

# Lays the panels out as the matrix of an `innsight_plotly`: data points in rows, in columns the
# output nodes and for each of them the input layers. `draw(column, row)` makes a panel of
# `column$block` and the number `column$node`; `traces(block)` says what its traces are for: "bar",
# "image", "image quantile", "box" or a data point such as "data_3". `colours` are those of images,
# `point` is the data point that box plots show from the start.
plotly_grid <- function(blocks, row_labels, colours, upright, draw, traces, point = "none") {
  columns <- plotly_columns(blocks)
  panels <- lapply(columns, \(column) lapply(seq_along(row_labels), \(row) draw(column, row)))
  outputs <- vapply(blocks, `[[`, 0, "output")
  inputs <- vapply(blocks, `[[`, 0, "input")
  several_outputs <- length(unique(outputs)) > 1
  several_inputs <- length(unique(inputs)) > 1
  labels <- vapply(columns, node_label, "", several_outputs)
  nodes <- vapply(columns, \(column) paste(column$block$output, column$node), "")
  col_dims <- list(
    col_idx = match(nodes, unique(nodes)),
    col_label = labels[!duplicated(nodes)],
    traces = lapply(columns, \(column) traces(column$block)),
    ranges = lapply(columns, function(column) {
      if (is_image(column$block)) image_ranges(column$block, upright)
    }),
    colours = colours,
    point = point
  )
  strips <- lapply(seq_along(columns), function(k) {
    input <- if (several_inputs) paste0("Input_", columns[[k]]$block$input)
    column_strips(c(labels[k], input), length(columns))
  })
  row_strips <- lapply(row_labels, row_strip)
  part <- \(strips, what) lapply(strips, \(strip) lapply(strip, `[[`, what))
  result <- new(
    "innsight_plotly",
    plots = matrix(unlist(panels, recursive = FALSE), length(row_labels)),
    shapes = list(
      shapes_strips = list(columns = part(strips, "shape"), rows = part(row_strips, "shape")),
      shapes_other = list()
    ),
    annotations = list(
      annotations_strips = list(columns = part(strips, "text"), rows = part(row_strips, "text")),
      annotations_other = list()
    ),
    multiplot = several_outputs || several_inputs,
    layout = list(),
    col_dims = col_dims
  )
  result@layout <- figure_layout(result)
  result
}

plotly_columns <- function(blocks) {
  outputs <- vapply(blocks, `[[`, 0, "output")
  unlist(lapply(unique(outputs), function(o) {
    of_output <- blocks[outputs == o]
    unlist(lapply(seq_along(of_output[[1]]$nodes), function(node) {
      lapply(of_output, \(block) list(block = block, node = node))
    }), recursive = FALSE)
  }), recursive = FALSE)
}

node_label <- function(column, with_layer) {
  label <- as.character(column$block$nodes[column$node])
  if (with_layer) paste0("Output_", column$block$output, ": ", label) else label
}

# --- plot() ---------------------------------------------------------------------------------------

# `blocks` have one channel and a `scale`; `strip_rows` is FALSE for results that belong to no data
# point.
plotly_points <- function(blocks, name, upright, call, strip_rows = TRUE, ...) {
  check_plotly(call)
  signs <- block_signs(blocks)
  rows <- blocks[[1]]$rows
  plotly_grid(
    blocks,
    if (strip_rows) paste0("data_", rows) else rep("", length(rows)),
    colour_stops(signs),
    upright,
    function(column, row) {
      block <- column$block
      about <- c(
        if (strip_rows) paste0("data_", rows[row]),
        panel_text(column),
        prediction_text(block, row, column$node)
      )
      value <- panel_values(block, row, column$node)
      scale <- block$scale[row, column$node]
      if (is_image(block)) {
        panel <- image_trace(plotly::plot_ly(), block, value, scale, signs, name, about)
        image_axes(panel, block, upright)
      } else {
        position_axes(bar_trace(block, as.vector(value), scale, name, about), block, name)
      }
    },
    \(block) if (is_image(block)) "image" else "bar"
  )
}

bar_trace <- function(block, value, scale, name, about) {
  tabular <- length(block$axes) == 1
  known <- is.finite(value)
  plotly::plot_ly(
    type = "bar",
    x = position_names(block)[known],
    y = value[known],
    width = if (tabular) 0.8 else 1,
    marker = list(
      # A list, because a single number would be taken for the name of a colour.
      color = as.list(pmax(-1, pmin(1, value[known] / scale))),
      cmin = -1,
      cmax = 1,
      colorscale = colour_stops(c(-1, 1)),
      showscale = FALSE,
      line = list(color = "grey", width = if (tabular) 0.5 else 0)
    ),
    hovertemplate = hover_template(name, "y", position_text(block), about)
  )
}

image_trace <- function(panel, block, value, scale, signs, name, about, visible = TRUE) {
  # plotly cannot do with values that are all missing.
  empty <- !any(is.finite(value))
  plotly::add_trace(
    panel,
    type = "heatmap",
    x = if (!empty) unique_names(block$axes[[3]]),
    y = if (!empty) unique_names(block$axes[[2]]),
    z = if (!empty) short(value),
    zmin = signs[1] * scale,
    zmax = signs[2] * scale,
    colorscale = colour_stops(signs),
    showscale = FALSE,
    colorbar = list(
      title = list(text = escape_html(name)),
      tickmode = "array",
      tickvals = as.list(seq(signs[1], signs[2]) * scale),
      ticktext = as.list(c("&lt;0", "0", "&gt;0")[seq(signs[1], signs[2]) + 2]),
      y = 1,
      yanchor = "top",
      len = 0.8,
      thickness = 15,
      x = 1,
      xpad = 40
    ),
    visible = visible,
    hovertemplate = hover_template(name, "z", position_text(block), about)
  )
}

# --- plot_global() --------------------------------------------------------------------------------

image_quantiles <- seq(0, 1, length.out = 9)

# `points`, `individual` and `reference` are positions along the rows of the blocks.
plotly_global <- function(blocks, name, upright, points, individual, reference, call, ...) {
  check_plotly(call)
  shown <- unique(c(reference, individual))
  quantiles <- lapply(blocks, \(block) if (is_image(block)) block_quantiles(block, points))
  scales <- quantile_scales(quantiles)
  signs <- block_signs(lapply(quantiles[lengths(quantiles) > 0], \(value) list(value = value)))
  blocks <- Map(\(block, value) c(block, list(quantiles = value)), blocks, quantiles)
  plotly_grid(
    blocks,
    "",
    colour_stops(signs),
    upright,
    function(column, row) {
      if (is_image(column$block)) {
        image_axes(quantile_traces(column, scales, signs, name), column$block, upright)
      } else {
        position_axes(box_traces(column, name, points, shown, reference), column$block, name)
      }
    },
    function(block) {
      if (is_image(block)) {
        rep("image quantile", length(image_quantiles))
      } else {
        c("box", if (length(shown) > 0) paste0("data_", block$rows[shown]))
      }
    },
    if (length(reference) > 0) paste0("data_", blocks[[1]]$rows[reference]) else "none"
  )
}

box_traces <- function(column, name, points, shown, reference) {
  block <- column$block
  names <- position_names(block)
  value <- matrix(panel_values(block, points, column$node), length(points))
  known <- is.finite(value)
  about <- panel_text(column)
  # No template for hovering: plotly would repeat it for every value.
  panel <- plotly::plot_ly(
    type = "box",
    name = paste(rev(about), collapse = ", "),
    x = names[col(value)[known]],
    y = short(value[known]),
    text = paste0("data_", block$rows[points])[row(value)[known]],
    # That of graphics::boxplot().
    quartilemethod = "inclusive",
    boxpoints = "outliers",
    fillcolor = "rgba(190, 190, 190, 0.8)",
    line = list(color = "#333333", width = 1),
    marker = list(color = "#333333", size = 3)
  )
  for (k in shown) {
    value <- as.vector(panel_values(block, k, column$node))
    known <- is.finite(value)
    # The box around a single value is a segment, which plotly makes as wide as the other boxes.
    panel <- plotly::add_trace(
      panel,
      type = "box",
      name = paste0("data_", block$rows[k]),
      x = names[known],
      y = value[known],
      boxpoints = "all",
      pointpos = 0,
      jitter = 0,
      hoveron = "points",
      fillcolor = "rgba(0, 0, 0, 0)",
      line = list(color = "red", width = 2),
      marker = list(color = "red", size = 4),
      visible = k %in% reference,
      inherit = FALSE,
      hovertemplate = hover_template(name, "y", position_text(block),
                                     c(paste0("data_", block$rows[k]), about))
    )
  }
  panel
}

quantile_traces <- function(column, scales, signs, name) {
  panel <- plotly::plot_ly()
  for (k in seq_along(image_quantiles)) {
    value <- panel_values(list(value = column$block$quantiles), k, column$node)
    about <- c(quantile_label(k), panel_text(column))
    panel <- image_trace(panel, column$block, value, scales[k], signs, name, about,
                         visible = image_quantiles[k] == 0.5)
  }
  panel
}

quantile_label <- function(k) {
  switch(as.character(image_quantiles[k]),
    "0" = "Minimum", "0.5" = "Median", "1" = "Maximum", paste0(100 * image_quantiles[k], " %")
  )
}

# The quantiles over data points, in place of these in the array of values.
block_quantiles <- function(block, points) {
  d <- dim(block$value)
  value <- matrix(subset_array(block$value, points, seq_len(d[length(d)])), length(points))
  array(column_quantiles(value, image_quantiles), c(length(image_quantiles), d[-1]))
}

# As stats::quantile() of every column, all columns at once.
column_quantiles <- function(x, probs) {
  if (anyNA(x)) {
    return(apply(x, 2, stats::quantile, probs, na.rm = TRUE, names = FALSE))
  }
  x[] <- x[order(col(x), x)]
  at <- 1 + (nrow(x) - 1) * probs
  low <- floor(at)
  x[low, , drop = FALSE] * (1 - at + low) + x[ceiling(at), , drop = FALSE] * (at - low)
}

# Every quantile has one scale for all panels, as the medians have in a ggplot.
quantile_scales <- function(quantiles) {
  largest <- lapply(quantiles[lengths(quantiles) > 0], function(value) {
    apply(abs(value), 1, \(x) max(0, x, na.rm = TRUE))
  })
  largest <- Reduce(pmax, largest, 0)
  replace(largest, largest == 0, 1)
}

# Seven digits, which is what engines compute with mostly, make pages half as long.
short <- function(value) replace(signif(value, 7), !is.finite(value), NA)

# --- Parts of a panel -----------------------------------------------------------------------------

is_image <- function(block) length(block$axes) == 3

# The values of one panel in the order of position_names(), a matrix (height x width) for images.
panel_values <- function(block, rows, node) {
  d <- dim(block$value)
  value <- subset_array(block$value, rows, node)
  if (length(d) == 5) {
    return(array(value, d[3:4]))
  }
  matrix(value, length(rows))[, position_order(block)]
}

# Features come in the order of their levels, positions of a signal in that of the data.
position_order <- function(block) {
  axis <- block$axes[[length(block$axes)]]
  if (length(block$axes) == 1) order(as.integer(axis)) else seq_along(axis)
}

position_names <- function(block) {
  unique_names(block$axes[[length(block$axes)]])[position_order(block)]
}

# The names are the categories of an axis, so equal ones get their position.
unique_names <- function(axis) {
  names <- escape_html(as.character(axis))
  if (anyDuplicated(names)) paste0(names, " (", seq_along(names), ")") else names
}

position_axes <- function(panel, block, name) {
  plotly::layout(
    panel,
    xaxis = category_axis(position_names(block), axis_title(block)),
    yaxis = list(
      title = list(text = escape_html(name)),
      hoverformat = ".4~g",
      zeroline = TRUE,
      zerolinecolor = "#333333",
      zerolinewidth = 1
    )
  )
}

image_axes <- function(panel, block, upright) {
  ranges <- image_ranges(block, upright)
  x <- category_axis(unique_names(block$axes[[3]]), "Image Width", ranges$x)
  y <- category_axis(unique_names(block$axes[[2]]), "Image Height", ranges$y)
  fixed <- list(constrain = "domain", showgrid = FALSE)
  plotly::layout(
    panel,
    xaxis = c(x, fixed),
    yaxis = c(y, fixed, list(scaleanchor = "x", scaleratio = 1, constraintoward = "top"))
  )
}

image_ranges <- function(block, upright) {
  y <- whole_range(length(block$axes[[2]]))
  list(x = whole_range(length(block$axes[[3]])), y = if (upright) rev(y) else y)
}

# Categories count from 0.
whole_range <- function(n) c(-0.5, n - 0.5)

category_axis <- function(names, title, range = whole_range(length(names))) {
  list(
    title = list(text = title),
    type = "category",
    categoryorder = "array",
    categoryarray = as.list(names),
    range = range
  )
}

# The signs that the values of images have, as limits of the colours.
block_signs <- function(blocks) {
  images <- Filter(\(block) length(dim(block$value)) == 5, blocks)
  values <- unlist(lapply(images, \(block) range(0, block$value[is.finite(block$value)])))
  range(legend_signs(values)$breaks)
}

# The colours between two signs as plotly has them: pairs of a position in [0, 1] and a colour.
colour_stops <- function(signs) {
  colours <- relevance_colours(11)[seq(6 + 5 * signs[1], 6 + 5 * signs[2])]
  Map(list, seq(0, 1, length.out = length(colours)), colours)
}

# --- Text -----------------------------------------------------------------------------------------

# Names may hold what plotly takes for markup or for a field of a template.
escape_html <- function(x) {
  x <- gsub("&", "&amp;", x, fixed = TRUE)
  x <- gsub("<", "&lt;", x, fixed = TRUE)
  x <- gsub(">", "&gt;", x, fixed = TRUE)
  gsub("%{", "%&#123;", x, fixed = TRUE)
}

hover_template <- function(name, field, position, about) {
  value <- paste0("<b>", escape_html(name), ": %{", field, ":.4~g}</b>")
  paste0(paste(c(value, position, about), collapse = "<br>"), "<extra></extra>")
}

position_text <- function(block) {
  switch(length(block$axes),
    "Feature: %{x}", "Position: %{x}", c("Height: %{y}", "Width: %{x}")
  )
}

panel_text <- function(column) {
  c(paste0("Input_", column$block$input), escape_html(node_label(column, TRUE)))
}

prediction_text <- function(block, row, node) {
  values <- c(
    "Pred." = block$pred[row, node], Sum = block$total[row, node], Goal = block$goal[row, node]
  )
  values <- values[!is.na(values)]
  if (length(values) > 0) {
    number <- \(x) trimws(formatC(signif(round(x, 8), 4), digits = 4, format = "g"))
    paste(names(values), number(values), sep = ": ", collapse = ", ")
  }
}
