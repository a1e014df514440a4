# What surrounds the panels of interactive plots: strips, menus, the slider.

strip_size <- 22
menu_height <- 62

# --- Strips ---------------------------------------------------------------------------------------

# Strips are measured in pixels from an edge of the part of the panel that is drawn on, which for
# images may be smaller than the panel's share of the page.
column_strips <- function(labels, n_columns) {
  lapply(seq_along(labels), function(k) {
    from <- 2 + strip_size * (length(labels) - k)
    list(
      shape = list(
        type = "rect", xref = "x domain", yref = "y domain", x0 = 0, x1 = 1,
        ysizemode = "pixel", yanchor = 1, y0 = from, y1 = from + strip_size - 2,
        fillcolor = "#D9D9D9", line = list(width = 0)
      ),
      text = strip_text(
        labels[k], max(6, 80 %/% n_columns), xref = "x domain", yref = "y domain", x = 0.5, y = 1,
        xanchor = "center", yanchor = "middle", yshift = from + strip_size / 2 - 1
      )
    )
  })
}

row_strip <- function(label) {
  if (!nzchar(label)) {
    return(list())
  }
  list(list(
    shape = list(
      type = "rect", xref = "x domain", yref = "y domain", y0 = 0, y1 = 1,
      xsizemode = "pixel", xanchor = 1, x0 = 2, x1 = strip_size,
      fillcolor = "#D9D9D9", line = list(width = 0)
    ),
    text = strip_text(
      label, 20, xref = "x domain", yref = "y domain", x = 1, y = 0.5, textangle = 90,
      xanchor = "center", yanchor = "middle", xshift = strip_size / 2 + 1
    )
  ))
}

# A label that would not fit is cut; the whole of it appears on hovering.
strip_text <- function(label, room, ...) {
  short <- if (nchar(label) > room) paste0(substr(label, 1, room - 1), "\u2026") else label
  list(text = escape_html(short), hovertext = escape_html(label), showarrow = FALSE,
       font = list(size = 12), ...)
}

# --- Menus ----------------------------------------------------------------------------------------

# The arguments of plotly::layout() for the figure of all panels of `x`. They refer to traces by
# number, so every part of `x` needs a layout of its own, and to axes, which panels may share.
figure_layout <- function(x, share_x = TRUE, share_y = FALSE) {
  dims <- x@col_dims
  n_rows <- nrow(x@plots)
  ranges <- axis_ranges(panel_places(x, share_x, share_y), dims$ranges)
  strips <- x@shapes$shapes_strips
  top <- strip_size * max(lengths(strips$columns))
  menus <- plotly_menus(dims$traces, n_rows, dims$colours, dims$point, ranges)
  sliders <- plotly_sliders(dims$traces, n_rows)
  list(
    margin = list(
      t = 10 + top + if (length(menus) > 0) menu_height else 0,
      r = if (any(lengths(strips$rows) > 0)) 10 + strip_size else 20,
      b = if (length(sliders) > 0) 130 else 60
    ),
    showlegend = FALSE,
    updatemenus = lapply(menus, \(menu) utils::modifyList(menu, list(pad = list(b = top + 8)))),
    annotations = menu_titles(menus, top + 38),
    sliders = sliders
  )
}

plotly_menus <- function(traces, n_rows, stops, point, ranges) {
  kinds <- unique(unlist(traces))
  points <- grep("^data_", kinds, value = TRUE)
  images <- c("image", "image quantile")
  where <- \(kinds) trace_numbers(traces, n_rows, kinds)
  restyle <- \(label, values, kinds) list(
    label = label, method = "restyle", args = list(values, as.list(where(kinds)))
  )
  of_box_type <- \(type) restyle(type, list(type = type), "box")
  # A new type makes plotly choose the ranges of the axes, which would turn images upside down.
  of_image_type <- \(type) list(
    label = type, method = "update",
    args = list(list(type = type), ranges, as.list(where(images)))
  )
  choice <- \(point) restyle(
    point,
    list(visible = as.list(rep(unlist(traces), n_rows)[where(points) + 1] == point)),
    points
  )
  menus <- list(
    if (any(c("bar", images) %in% kinds)) menu("Colour scale", colour_buttons(stops)),
    if ("box" %in% kinds) menu("1D plot type", lapply(c("box", "violin"), of_box_type)),
    if (length(points) > 0) {
      menu("Data point", lapply(c("none", points), choice), match(point, points, 0))
    },
    if (any(images %in% kinds)) {
      menu("2D plot type", lapply(c("heatmap", "contour"), of_image_type))
    }
  )
  menus <- menus[lengths(menus) > 0]
  widths <- ifelse(vapply(menus, `[[`, "", "name") == "Colour scale", 190, 130)
  Map(\(menu, left) c(menu, list(pad = list(l = left))), menus, cumsum(widths) - widths)
}

# One row per panel, in the order of the figure, with the names of its axes there.
panel_places <- function(x, share_x, share_y) {
  size <- dim(x@plots)
  places <- expand.grid(column = seq_len(size[2]), row = seq_len(size[1]))
  number <- seq_len(nrow(places))
  # The first axis of plotly has no number.
  id <- \(letter, number) paste0(letter, ifelse(number > 1, number, ""))
  places$x <- id("x", if (share_x) places$column else number)
  places$y <- id("y", if (share_y) places$row else number)
  places
}

# The ranges of the axes of images by the name that plotly has for them.
axis_ranges <- function(places, ranges) {
  found <- list()
  for (k in which(lengths(ranges)[places$column] > 0)) {
    for (axis in c("x", "y")) {
      name <- sub(axis, paste0(axis, "axis"), paste0(places[[axis]][k], ".range"))
      found[[name]] <- ranges[[places$column[k]]][[axis]]
    }
  }
  found
}

# The numbers, from 0, of the traces for one of `kinds` in a figure of `n_rows` rows of panels.
trace_numbers <- function(traces, n_rows, kinds) {
  which(rep(unlist(traces), n_rows) %in% kinds) - 1
}

menu <- function(title, buttons, active = 0) {
  list(
    name = title, type = "dropdown", direction = "down", showactive = TRUE, active = active,
    x = 0, xanchor = "left", y = 1, yanchor = "bottom", buttons = buttons
  )
}

plotly_scales <- c(
  "Blackbody", "Bluered", "Blues", "Cividis", "Earth", "Electric", "Greens", "Greys", "Hot", "Jet",
  "Picnic", "Portland", "Rainbow", "RdBu", "Reds", "Viridis", "YlGnBu", "YlOrRd"
)

# Values hold for all traces; those that have no such colours ignore them.
colour_buttons <- function(stops) {
  button <- function(label, image, bar, reversed) {
    list(
      label = if (reversed) paste(label, "(reversed)") else label,
      method = "restyle",
      args = list(list(
        colorscale = list(image), marker.colorscale = list(bar),
        reversescale = reversed, marker.reversescale = reversed
      ))
    )
  }
  buttons <- lapply(c(FALSE, TRUE), function(reversed) {
    named <- lapply(plotly_scales, \(scale) button(scale, scale, scale, reversed))
    c(list(button("innsight", stops, colour_stops(c(-1, 1)), reversed)), named)
  })
  unlist(buttons, recursive = FALSE)
}

menu_titles <- function(menus, offset) {
  lapply(menus, function(menu) {
    list(
      text = menu$name, showarrow = FALSE, font = list(size = 12), align = "left",
      xref = "paper", x = 0, xanchor = "left", xshift = menu$pad$l,
      yref = "paper", y = 1, yanchor = "bottom", yshift = offset
    )
  })
}

plotly_sliders <- function(traces, n_rows) {
  images <- lapply(traces, \(kinds) which(kinds == "image quantile"))
  if (sum(lengths(images)) == 0) {
    return(list())
  }
  numbers <- as.list(trace_numbers(traces, n_rows, "image quantile"))
  steps <- lapply(seq_along(image_quantiles), function(k) {
    visible <- list(visible = as.list(rep(unlist(images), n_rows) == k))
    list(label = quantile_label(k), method = "restyle", args = list(visible, numbers))
  })
  list(list(
    active = which(image_quantiles == 0.5) - 1,
    currentvalue = list(prefix = "Quantile: "),
    pad = list(t = 60),
    steps = steps
  ))
}
