# Panels of interactive plots: from blocks of a result (see result_blocks()) to plotly objects.

# Lays the panels out as the matrix of an `innsight_plotly`: data points in rows, in columns the
# output nodes and for each of them the input layers. `draw(column, row)` makes a panel of
# `column$block` and the number `column$node`; `traces(block)` says what its traces are for: "bar",
# "image", "image quantile", "box" or a data point such as "data_3". `colours` are those of images,
# `point` is the data point that box plots show from the start.
plotly_grid <- function(blocks, row_labels, colours, upright, draw, traces, point = "none") {
  columns <- panel_columns(blocks)
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
  # Not in plot_ly(), for which `width` is that of the figure.
  plotly::add_trace(
    plotly::plot_ly(),
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

# Seven digits, which is what engines compute with mostly, make pages half as long.
short <- function(value) replace(signif(value, 7), !is.finite(value), NA)

# --- Parts of a panel -----------------------------------------------------------------------------

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
  fixed <- list(
    constrain = "domain", showgrid = FALSE, zeroline = FALSE, showline = TRUE, mirror = "all",
    linecolor = "#B3B3B3", ticks = ""
  )
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
  values <- lapply(Filter(is_image, blocks), \(block) range(0, block$value[is.finite(block$value)]))
  range(sign_breaks(unlist(values)))
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
    paste(names(values), info_number(values), sep = ": ", collapse = ", ")
  }
}
