# Pictures made of ggplots: one faceted plot, or a matrix of plots.

# A picture is a grob, too: what puts grobs on a page takes it (ggsave, gridExtra, patchwork,
# cowplot).
methods::setOldClass(c("gTree", "grob", "gDesc"))

#' Pictures of results
#'
#' `plot()` and [plot_global()] return objects of class `innsight_ggplot2`. Where one input layer
#' and one output layer are drawn, the object behaves as the ggplot with panels that it holds: one
#' row per data point, one column per output node. For several layers it is a matrix of ggplots,
#' drawn together under headings for the output nodes.
#'
#' @slot grobs The ggplots: a list with dimensions, 1 x 1 for a single plot.
#' @slot multiplot Is it a matrix of plots?
#' @slot output_strips For several plots: a list of `labels`, a data frame with the headings in the
#'   column `output_node`, and `theme`, the theme of the headings.
#' @slot col_dims For several plots: a list with the number of columns under every heading.
#' @slot boxplot Does it summarise many data points?
#' @slot labelled For several plots: on which sides each one shows its labels, a list of logical
#'   matrices `top`, `right`, `bottom` and `left`.
#'
#' @details
#' | | one plot | several plots |
#' |---|---|---|
#' | `p`, `print(p, ...)`, `plot(p)` | draws it; returns the ggplot | draws all; returns the gtable. `...` goes to [gridExtra::arrangeGrob()], e.g. `widths = c(2, 1)` |
#' | `p + theme_bw()`, `p + scale_...`, `p + labs()`, ... | as with any ggplot | added to every plot; themes also to the headings |
#' | `p[i, j]` | the panels in rows `i` and columns `j` | the plots in rows `i` and columns `j`; with `restyle = FALSE` they keep the labels they have |
#' | `p[[i, j]]` | the same as a plain ggplot | a plain ggplot |
#' | `p[i, j] <- q`, `p[[i, j]] <- plot` | an error | replaces plots |
#' | `p$data`, `p$labels`, ... | as with any ggplot | `NULL` |
#'
#' [ggplot2::ggsave()], [ggplot2::ggplotGrob()], [ggplot2::ggplot_build()],
#' [gridExtra::grid.arrange()], patchwork (`p | q`, `p / q`, `wrap_plots()`) and cowplot
#' (`plot_grid()`) take these objects as they take ggplots.
#'
#' @param x,object An object of class `innsight_ggplot2`.
#' @param e1,e2 Such an object and what is added to it: a theme, scale, layer, ..., a list of them,
#'   or another plot, which patchwork puts beside it. `/` and `|` are patchwork's operators.
#' @param i,j Rows (data points) and columns (output nodes and, within these, input layers):
#'   numbers, negative numbers or logical values; all if left out.
#' @param restyle Show labels at the edges of the part as at those of a whole picture?
#' @param name Name of a part of the ggplot, such as `data` or `labels`.
#' @param value For `[<-` an object of class `innsight_ggplot2` of the shape of what it replaces,
#'   for `[[<-` a ggplot, for `$<-` the new part. Other objects give a warning and change nothing.
#' @param drop Not used.
#' @param ... For `print()` and `plot()`: see the table. Otherwise not used.
#' @seealso [plot_result], [plot_global()]; [innsight_plotly-class] for interactive pictures
#' @aliases innsight_ggplot2
#' @importFrom methods new
#' @exportClass innsight_ggplot2
methods::setClass("innsight_ggplot2", contains = "gTree", slots = c(
  grobs = "matrix", multiplot = "logical", output_strips = "list", col_dims = "list",
  boxplot = "logical", labelled = "list"
))

new_picture <- function(grobs, multiplot = FALSE, output_strips = list(), col_dims = list(),
                        boxplot = FALSE, labelled = list()) {
  new(
    "innsight_ggplot2", grid::gTree(name = "innsight"), grobs = grobs, multiplot = multiplot,
    output_strips = output_strips, col_dims = col_dims, boxplot = boxplot, labelled = labelled
  )
}

# --- From blocks to a picture ---------------------------------------------------------------------

# `draw(block, frame, layout)` makes the ggplot of one panel or one row of panels; `prepare` has the
# last word on its data. `by_data`: is there a row of panels for every data point?
as_picture <- function(blocks, draw, by_data, prepare = identity, boxplot = FALSE) {
  if (length(blocks) == 1) {
    block <- blocks[[1]]
    frame <- prepare(plot_columns(block))
    layout <- list(
      single = TRUE, first_input = TRUE, n_columns = length(block$nodes),
      n_rows = if (by_data) length(block$rows) else 1
    )
    plot <- draw(block, frame, layout) +
      panels(if (by_data) "data" else ".", "output_node", frame)
    return(new_picture(matrix(list(plot), 1, 1), boxplot = boxplot))
  }

  columns <- panel_columns(blocks)
  headings <- vapply(columns, node_label, "", TRUE)
  first_inputs <- !duplicated(
    vapply(columns, \(column) paste(column$block$output, column$node), "")
  )
  several_inputs <- length(unique(vapply(blocks, `[[`, 0, "input"))) > 1
  rows <- if (by_data) seq_along(blocks[[1]]$rows) else list(seq_along(blocks[[1]]$rows))
  draw_cell <- function(row, k) {
    whole <- columns[[k]]$block
    block <- block_cell(whole, if (by_data) row else seq_along(whole$rows), columns[[k]]$node)
    frame <- prepare(plot_columns(block))
    layout <- list(
      single = FALSE,
      first_input = first_inputs[k],
      n_rows = length(rows),
      n_columns = length(columns)
    )
    draw(block, frame, layout) +
      panels(if (by_data) "data" else ".", if (several_inputs) "model_input" else ".", frame) +
      compact_legend(length(columns))
  }
  cells <- lapply(seq_along(columns), \(k) lapply(rows, draw_cell, k))
  grobs <- matrix(unlist(cells, recursive = FALSE), length(rows))
  per_heading <- table(factor(headings, unique(headings)))
  new_picture(
    grobs, multiplot = TRUE, boxplot = boxplot,
    output_strips = list(
      labels = data.frame(output_node = names(per_heading)), theme = ggplot2::theme()
    ),
    col_dims = as.list(as.vector(per_heading)),
    labelled = outer_sides(grobs)
  )
}

# The formula belongs to the global environment: with that of a call, a saved picture would hold the
# result and its model.
panels <- function(rows, columns, frame) {
  ggplot2::facet_grid(
    stats::reformulate(columns, rows, env = globalenv()),
    scales = if (frame$input_dimension[1] == 3) "fixed" else "free_y"
  )
}

# Legends beside many columns would leave no room for the panels.
compact_legend <- function(n_columns) {
  if (n_columns > 2) {
    ggplot2::theme(
      legend.position = "bottom",
      legend.title = ggplot2::element_text(size = 7),
      legend.text = ggplot2::element_text(size = 6),
      legend.justification = "right",
      legend.key.width = ggplot2::unit(4 / n_columns, "lines"),
      legend.key.height = ggplot2::unit(0.5, "lines"),
      legend.margin = ggplot2::margin(r = 8),
      legend.box.spacing = ggplot2::unit(3, "pt")
    )
  }
}

# Labels that are the same in a whole row or column are shown once: at the picture's edges, the
# title of the y axis also where the kind of plot changes.
outer_sides <- function(grobs) {
  size <- dim(grobs)
  row <- matrix(seq_len(size[1]), size[1], size[2])
  column <- matrix(seq_len(size[2]), size[1], size[2], byrow = TRUE)
  kind <- matrix(vapply(grobs, \(plot) plot$data$input_dimension[1] %||% 0L, 0L), size[1])
  new_kind <- cbind(TRUE, kind[, -1, drop = FALSE] != kind[, -size[2], drop = FALSE])
  list(top = row == 1, right = column == size[2], bottom = row == size[1], left = new_kind)
}

# --- Drawing --------------------------------------------------------------------------------------

#' @importFrom grid makeContent
#' @export
makeContent.innsight_ggplot2 <- function(x) grid::setChildren(x, grid::gList(picture_gtable(x)))

# grid::grid.force() would change the class and so lose the slots.
#' @importFrom grid forceGrob
#' @export
forceGrob.innsight_ggplot2 <- function(x) {
  content <- grid::gList(picture_gtable(x))
  grid::forceGrob(grid::gTree(children = content, name = x$name, vp = x$vp))
}

picture_gtable <- function(x, ...) {
  if (!x@multiplot) {
    return(ggplot2::ggplotGrob(x@grobs[[1]]))
  }
  size <- dim(x@grobs)
  cells <- lapply(seq_along(x@grobs), function(k) {
    ggplot2::ggplotGrob(x@grobs[[k]] + hidden_labels(lapply(x@labelled, `[[`, k)))
  })
  cells <- matrix(cells, size[1], size[2])
  cells <- same_margins(cells, "widths", col(cells))
  cells <- same_margins(cells, "heights", row(cells))
  strips <- lapply(x@output_strips$labels$output_node, strip_grob, x@output_strips$theme)
  spans <- rep(seq_along(strips), unlist(x@col_dims))
  arguments <- list(...)
  strip_height <- do.call(grid::unit.pmax, lapply(strips, grid::grobHeight))
  heights <- arguments$heights %||% rep(1, size[1])
  arguments$heights <- grid::unit.c(
    strip_height, if (grid::is.unit(heights)) heights else grid::unit(heights, "null")
  )
  layout <- rbind(spans, matrix(length(strips) + seq_along(cells), size[1]))
  do.call(gridExtra::arrangeGrob, c(
    list(grobs = c(strips, cells), layout_matrix = layout), arguments
  ))
}

# A theme that hides the labels of sides other than the `shown` ones.
hidden_labels <- function(shown) {
  nothing <- ggplot2::element_blank()
  hidden <- c(
    if (!shown$top) c("strip.text.x", "strip.background.x"),
    if (!shown$right) c("strip.text.y", "strip.background.y"),
    if (!shown$bottom) c("axis.title.x", "axis.text.x", "axis.ticks.x"),
    if (!shown$left) "axis.title.y"
  )
  do.call(ggplot2::theme, stats::setNames(rep(list(nothing), length(hidden)), hidden))
}

# Panels of a column (a row) line up if what stands beside (above and below) them is equally large.
# The panels themselves, with units that share what is left, keep their proportions.
same_margins <- function(cells, extent, groups) {
  for (group in split(seq_along(cells), groups)) {
    units <- lapply(cells[group], `[[`, extent)
    if (length(unique(lengths(units))) == 1) {
      largest <- do.call(grid::unit.pmax, units)
      cells[group] <- lapply(cells[group], function(cell) {
        fixed <- grid::unitType(cell[[extent]]) != "null"
        cell[[extent]][fixed] <- largest[fixed]
        cell
      })
    }
  }
  cells
}

strip_grob <- function(label, theme) {
  theme <- ggplot2::theme_get() + theme
  text <- ggplot2::element_render(
    theme, "strip.text.x", label = label, margin_x = TRUE, margin_y = TRUE
  )
  grid::gTree(
    children = grid::gList(ggplot2::element_render(theme, "strip.background.x"), text),
    vp = grid::viewport(width = grid::unit(1, "npc") - grid::unit(4, "pt")),
    height = grid::grobHeight(text),
    cl = "innsight_strip"
  )
}

#' @importFrom grid heightDetails
#' @export
heightDetails.innsight_strip <- function(x) x$height

#' @rdname innsight_ggplot2-class
#' @export
print.innsight_ggplot2 <- function(x, ...) {
  if (!x@multiplot) {
    # One plot prints itself, as ggplots do.
    print(x@grobs[[1]], ...)
    return(invisible(x@grobs[[1]]))
  }
  # Before anything is measured: that would start a page of its own on a new device.
  grid::grid.newpage()
  picture <- picture_gtable(x, ...)
  grid::grid.draw(picture)
  ggplot2::set_last_plot(x)
  invisible(picture)
}

#' @rdname innsight_ggplot2-class
#' @export
plot.innsight_ggplot2 <- function(x, ...) print(x, ...)

#' @rdname innsight_ggplot2-class
#' @importFrom methods show
#' @exportMethod show
methods::setMethod("show", "innsight_ggplot2", function(object) print(object))

# --- Taken as a ggplot ----------------------------------------------------------------------------

#' @exportS3Method ggplot2::ggplot_build
ggplot_build.innsight_ggplot2 <- function(plot, ...) {
  if (plot@multiplot) {
    innsight_abort(
      c("Only a picture of one plot can be built.",
        x = "This one has {nrow(plot@grobs)} x {ncol(plot@grobs)} plots.",
        i = "{.code [[i, j]]} is a single one of them; {.fn grid::grid.draw} draws all."),
      "argument",
      call = quote(ggplot_build())
    )
  }
  ggplot2::ggplot_build(plot@grobs[[1]])
}

# What patchwork and cowplot can align the panels of.
as_plot <- function(x) if (x@multiplot) patchwork::wrap_elements(full = x) else x@grobs[[1]]

#' @exportS3Method cowplot::as_gtable
as_gtable.innsight_ggplot2 <- function(plot) picture_gtable(plot)

#' @exportS3Method patchwork::as_patch
as_patch.innsight_ggplot2 <- function(x, ...) picture_gtable(x)

# The parts of a grob are those of the object itself, everything else is the plot's.
grob_parts <- c("name", "gp", "vp", "children", "childrenOrder", "childrenvp")

#' @rdname innsight_ggplot2-class
#' @exportMethod $
methods::setMethod("$", "innsight_ggplot2", function(x, name) {
  if (name %in% grob_parts) {
    return(methods::S3Part(x, strictS3 = TRUE)[[name]])
  }
  # Several plots have no theme, data, ... in common: NULL, as of any list.
  if (!x@multiplot) eval(call("$", x@grobs[[1]], as.name(name)))
})

#' @rdname innsight_ggplot2-class
#' @exportMethod $<-
methods::setMethod("$<-", "innsight_ggplot2", function(x, name, value) {
  if (name %in% grob_parts) {
    part <- methods::S3Part(x, strictS3 = TRUE)
    part[[name]] <- value
    methods::S3Part(x) <- part
  } else if (x@multiplot) {
    innsight_abort(
      c("{.code ${name}} cannot be assigned to a picture of several plots.",
        i = "{.code +} adds to all of them; {.code [[i, j]] <-} replaces one."),
      "argument",
      call = quote(`$<-`())
    )
  } else {
    x@grobs[[1]][[name]] <- value
  }
  x
})

#' @rdname innsight_ggplot2-class
#' @exportMethod dim
methods::setMethod("dim", "innsight_ggplot2", function(x) {
  if (x@multiplot) dim(x@grobs) else lengths(facet_levels(x@grobs[[1]]$data, x@boxplot))
})

# --- Adding ---------------------------------------------------------------------------------------

# By both the old class names and those of ggplot2 4.
is_ggplot <- function(x) inherits(x, c("ggplot", "ggplot2::ggplot"))
is_theme <- function(x) inherits(x, c("theme", "ggplot2::theme"))

add_to_picture <- function(e1, e2) {
  if (is_ggplot(e2) || inherits(e2, "grob")) {
    return(beside(e1, e2, `+`))
  }
  if (!e1@multiplot) {
    e1@grobs[[1]] <- e1@grobs[[1]] + e2
    return(e1)
  }
  if (is.list(e2) && !is.object(e2)) {
    return(Reduce(add_to_picture, e2, e1))
  }
  after <- NULL
  if (is_theme(e2)) {
    e1@output_strips$theme <- e1@output_strips$theme + e2
    # A whole theme, such as theme_bw(), would bring the wide legends back.
    after <- if (isTRUE(attr(e2, "complete"))) compact_legend(ncol(e1))
  }
  e1@grobs[] <- lapply(e1@grobs, \(plot) plot + e2 + after)
  e1
}

# Two pictures side by side, by patchwork's operators.
beside <- function(e1, e2, operator) {
  check_installed(
    "patchwork", "to put plots together by operators",
    "{.fn gridExtra::grid.arrange} does so without it.",
    call = NULL
  )
  plain <- \(x) if (methods::is(x, "innsight_ggplot2")) as_plot(x) else x
  operator(plain(e1), plain(e2))
}

#' @rdname innsight_ggplot2-class
#' @exportMethod +
methods::setMethod("+", c("innsight_ggplot2", "ANY"), add_to_picture)
#' @rdname innsight_ggplot2-class
methods::setMethod("+", c("innsight_ggplot2", "innsight_ggplot2"), add_to_picture)
#' @rdname innsight_ggplot2-class
methods::setMethod("+", c("ANY", "innsight_ggplot2"), \(e1, e2) beside(e1, e2, `+`))

#' @rdname innsight_ggplot2-class
#' @exportMethod /
methods::setMethod("/", c("innsight_ggplot2", "ANY"), \(e1, e2) beside(e1, e2, `/`))
#' @rdname innsight_ggplot2-class
methods::setMethod("/", c("ANY", "innsight_ggplot2"), \(e1, e2) beside(e1, e2, `/`))
#' @rdname innsight_ggplot2-class
methods::setMethod("/", c("innsight_ggplot2", "innsight_ggplot2"), \(e1, e2) beside(e1, e2, `/`))

#' @rdname innsight_ggplot2-class
#' @exportMethod |
methods::setMethod("|", c("innsight_ggplot2", "ANY"), \(e1, e2) beside(e1, e2, `|`))
#' @rdname innsight_ggplot2-class
methods::setMethod("|", c("ANY", "innsight_ggplot2"), \(e1, e2) beside(e1, e2, `|`))
#' @rdname innsight_ggplot2-class
methods::setMethod("|", c("innsight_ggplot2", "innsight_ggplot2"), \(e1, e2) beside(e1, e2, `|`))

# --- Parts ----------------------------------------------------------------------------------------

# The rows and columns of panels of a single plot.
facet_levels <- function(frame, boxplot) {
  list(
    rows = if (boxplot) "all" else levels(droplevels(frame$data)),
    columns = levels(droplevels(frame$output_node))
  )
}

check_part <- function(index, n, arg, call) {
  if (is.logical(index) && length(index) == n && !anyNA(index)) {
    index <- which(index)
  }
  if (checkmate::test_integerish(index, upper = -1, any.missing = FALSE, min.len = 1)) {
    others <- setdiff(seq_len(n), -index)
    index <- if (length(others) > 0) others else index
  }
  check_indices(index, n, arg, call)
}

# The rows and columns that indices choose; all where an index is missing.
chosen_part <- function(x, i, j, call) {
  list(
    rows = if (missing(i)) seq_len(nrow(x)) else check_part(i, nrow(x), "i", call),
    columns = if (missing(j)) seq_len(ncol(x)) else check_part(j, ncol(x), "j", call)
  )
}

#' @rdname innsight_ggplot2-class
#' @exportMethod [
methods::setMethod("[", "innsight_ggplot2", function(x, i, j, ..., restyle = TRUE, drop = FALSE) {
  call <- quote(x[i, j])
  check_flag(restyle, call = call)
  part <- chosen_part(x, i, j, call)
  i <- part$rows
  j <- part$columns
  if (!x@multiplot) {
    frame <- x@grobs[[1]]$data
    kept <- facet_levels(frame, x@boxplot)
    inside <- frame$output_node %in% kept$columns[j]
    if (!x@boxplot) {
      inside <- inside & frame$data %in% kept$rows[i]
    }
    x@grobs[[1]]$data <- frame[inside, ]
    return(x)
  }
  x@grobs <- x@grobs[i, j, drop = FALSE]
  heading <- rep(seq_along(x@col_dims), unlist(x@col_dims))[j]
  runs <- rle(heading)
  x@col_dims <- as.list(runs$lengths)
  x@output_strips$labels <- x@output_strips$labels[runs$values, , drop = FALSE]
  x@labelled <- if (restyle) {
    outer_sides(x@grobs)
  } else {
    lapply(x@labelled, \(shown) shown[i, j, drop = FALSE])
  }
  x
})

#' @rdname innsight_ggplot2-class
#' @exportMethod [[
methods::setMethod("[[", "innsight_ggplot2", function(x, i, j, ..., restyle = TRUE) {
  call <- quote(x[[i, j]])
  if (!missing(i) && is.character(i)) {
    return(eval(call("$", x, as.name(i))))
  }
  check_flag(restyle, call = call)
  part <- chosen_part(x, i, j, call)
  i <- part$rows
  j <- part$columns
  check_single(x, i, j, call)
  x[i, j, restyle = restyle]@grobs[[1]]
})

# `[[` takes one plot, which may have several panels.
check_single <- function(x, i, j, call) {
  if (x@multiplot && length(i) * length(j) != 1) {
    innsight_abort(
      c("{.arg i} and {.arg j} must choose one plot of {nrow(x)} x {ncol(x)}.",
        x = "They choose {length(i)} x {length(j)}.",
        i = "{.code [i, j]} takes several."),
      "argument",
      call = call
    )
  }
}

# What may be assigned where.
abort_assignment <- function(x, call) {
  if (!x@multiplot) {
    innsight_abort(
      c("Only pictures of several plots have parts that can be replaced.",
        x = "This one is a single plot with panels.",
        i = "{.code +} adds to it."),
      "argument",
      call = call
    )
  }
}

#' @rdname innsight_ggplot2-class
#' @exportMethod [<-
methods::setMethod("[<-", "innsight_ggplot2", function(x, i, j, ..., value) {
  call <- quote(`[<-`())
  abort_assignment(x, call)
  if (!methods::is(value, "innsight_ggplot2")) {
    innsight_warn(c(
      "Only an object of class {.cls innsight_ggplot2} can replace plots of a picture.",
      x = "You gave {describe(value)}; nothing is changed.",
      i = "{.code [[i, j]] <-} takes a ggplot."
    ))
    return(x)
  }
  part <- chosen_part(x, i, j, call)
  i <- part$rows
  j <- part$columns
  if (!identical(dim(value@grobs), c(length(i), length(j)))) {
    innsight_abort(
      c("The new plots must have the shape of those they replace,
         {length(i)} x {length(j)}.",
        x = "They are {nrow(value@grobs)} x {ncol(value@grobs)}."),
      "argument",
      call = call
    )
  }
  x@grobs[i, j] <- value@grobs
  x
})

#' @rdname innsight_ggplot2-class
#' @exportMethod [[<-
methods::setMethod("[[<-", "innsight_ggplot2", function(x, i, j, ..., value) {
  call <- quote(`[[<-`())
  abort_assignment(x, call)
  if (!is_ggplot(value)) {
    innsight_warn(c(
      "Only a ggplot can replace a plot of a picture.",
      x = "You gave {describe(value)}; nothing is changed."
    ))
    return(x)
  }
  part <- chosen_part(x, i, j, call)
  i <- part$rows
  j <- part$columns
  check_single(x, i, j, call)
  x@grobs[[i, j]] <- value
  x
})
