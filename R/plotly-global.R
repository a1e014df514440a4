# Interactive plots over many data points: box plots, and quantiles of images.

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
      marker = list(color = "red", size = 2),
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

# Every quantile has one scale for all panels, as the medians have in a ggplot.
quantile_scales <- function(quantiles) {
  largest <- lapply(quantiles[lengths(quantiles) > 0], function(value) {
    apply(abs(value), 1, \(x) max(0, x, na.rm = TRUE))
  })
  largest <- Reduce(pmax, largest, 0)
  replace(largest, largest == 0, 1)
}
