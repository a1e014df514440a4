#' Interactive plots
#'
#' What [plot()][plot_result] and [plot_global()] return with `as_plotly = TRUE` (this needs the
#' package plotly): a matrix of panels, each of which is a plotly object. It is drawn when it is
#' printed, also in the documents of knitr.
#'
#' * `print(x, shareX = TRUE, ...)`, `plot(x, ...)` or just `x` combine the panels by
#'   [plotly::subplot()], which gets `shareX` and `...` (such as `shareY`, `margin` or `widths`),
#'   draw the figure, and return it invisibly. It is a htmlwidget, for [plotly::layout()],
#'   [plotly::config()], `htmlwidgets::saveWidget()` and other functions of this kind; outside
#'   interactive sessions no browser is opened.
#' * `x[i, j]` are the panels in rows `i` and columns `j`, again an `innsight_plotly`.
#' * `x[[i, j]]` is a single panel with its menus: it is printed and returned as a plotly object.
#' * Panels cannot be added to or replaced: use plotly's functions on `print(x)` or `x[[i, j]]`, or
#'   make a ggplot by `as_plotly = FALSE`.
#'
#' The menus above a figure change the colours ("Colour scale": first the one of innsight), draw box
#' plots as violins ("1D plot type") and heat maps as contours ("2D plot type"), or show the values
#' of one data point as red lines on the box plots ("Data point"). Summaries of images have a slider
#' for nine quantiles between minimum and maximum; the colours of a quantile are relative to its
#' largest absolute value in all panels. Boxes are those of [graphics::boxplot()]. Hovering shows
#' values with four significant digits, names, and for single data points the prediction, the sum of
#' the values over all input layers and channels, and what it should add up to.
#'
#' Values that are missing or infinite are left out.
#'
#' @slot plots Matrix of plotly objects: data points in rows (a single row for [plot_global()]), in
#'   columns the output nodes and, within these, the input layers.
#' @slot shapes,annotations Lists `shapes_strips`, `shapes_other` and `annotations_strips`,
#'   `annotations_other`: those of the strips (lists `columns` and `rows`) and others.
#' @slot multiplot Are there several input or output layers?
#' @slot layout List of arguments for [plotly::layout()]: `margin`, `showlegend`, `updatemenus`,
#'   `annotations`, `sliders`.
#' @slot col_dims List of `col_idx`, which says for every column the number of its output node,
#'   `col_label`, the labels of these nodes, and what the menus are made of: `traces` (for every
#'   column what the traces of its panels are for), `ranges` (of the axes of images), `colours` and
#'   `point` (what is shown at first).
#'
#' @param x,e1,object An object of class `innsight_plotly`.
#' @param shareX Do the panels of a column share their horizontal axis?
#' @param i,j Numbers of rows and columns, in any order; all if left out.
#' @param ... For `print()` and `plot()`: arguments of [plotly::subplot()]. Otherwise not used.
#' @param drop,e2,value Not used.
#' @examplesIf rlang::is_installed("plotly")
#' digits <- readRDS(system.file("extdata/digits.rds", package = "innsight"))
#' lrp <- run_lrp(convert(digits$model), digits$images[1:5, , , , drop = FALSE])
#' p <- plot(lrp, data_idx = 1:2, output_label = c("3", "8"), as_plotly = TRUE)
#' p
#' p[2, 1]
#' plot_global(lrp, as_plotly = TRUE)
#' @name innsight_plotly-class
#' @aliases innsight_plotly
#' @exportClass innsight_plotly
methods::setClass(
  "innsight_plotly",
  slots = c(
    plots = "matrix", shapes = "list", annotations = "list", multiplot = "logical",
    layout = "list", col_dims = "list"
  )
)

check_plotly <- function(call, ...) {
  check_installed(
    "plotly", "for {.code as_plotly = TRUE}", "{.code as_plotly = FALSE} makes a ggplot.", call, ...
  )
}

# --- Printing -------------------------------------------------------------------------------------

#' @rdname innsight_plotly-class
#' @export
print.innsight_plotly <- function(x, shareX = TRUE, ...) {
  check_plotly(quote(print()))
  figure <- plotly_figure(x, shareX = shareX, ...)
  print(figure)
  invisible(figure)
}

#' @rdname innsight_plotly-class
#' @export
plot.innsight_plotly <- function(x, shareX = TRUE, ...) {
  print(x, shareX = shareX, ...)
}

#' @rdname innsight_plotly-class
#' @exportMethod show
methods::setMethod("show", "innsight_plotly", function(object) print(object))

#' @rdname innsight_plotly-class
#' @exportMethod dim
methods::setMethod("dim", "innsight_plotly", function(x) dim(x@plots))

#' @exportS3Method knitr::knit_print
knit_print.innsight_plotly <- function(x, ...) {
  knitr::knit_print(plotly_figure(x), ...)
}

# All panels as one plotly object. `...` are arguments of subplot(), which knows nothing of
# `scaleanchor` and of references to the domain of an axis: they get the final names before.
plotly_figure <- function(x, ...) {
  settings <- list(nrows = nrow(x), shareX = TRUE, shareY = FALSE, titleX = TRUE, titleY = TRUE)
  settings <- utils::modifyList(settings, list(...))
  margin <- rep_len(settings$margin %||% panel_margin(x), 4)
  settings$margin <- margin
  settings$widths <- settings$widths %||% equal_shares(ncol(x), margin[1], margin[2])
  settings$heights <- settings$heights %||% equal_shares(nrow(x), margin[3], margin[4])
  shared <- settings$shareX && !settings$shareY
  places <- panel_places(x, settings$shareX, settings$shareY)
  with_bar <- utils::head(which(is_image_column(x)), 1)
  panels <- .mapply(function(column, row, ...) {
    panel <- x@plots[[row, column]]
    if (row == 1 && column %in% with_bar) panel <- plotly::style(panel, showscale = TRUE)
    arrange_panel(panel, x, row, column, ...)
  }, places, NULL)
  figure <- if (length(panels) == 1) {
    panels[[1]]
  } else {
    do.call(plotly::subplot, c(list(panels), settings))
  }
  layout <- if (shared) x@layout else figure_layout(x, settings$shareX, settings$shareY)
  do.call(plotly::layout, c(list(figure), layout))
}

# Gives a panel what it has at its place: strips, and in the first column a title of the vertical
# axis.
arrange_panel <- function(panel, object, row, column, x, y) {
  at_place <- function(strips) {
    strips <- c(if (row == 1) strips$columns[[column]],
                if (column == ncol(object)) strips$rows[[row]])
    lapply(strips, function(strip) {
      strip$xref <- paste(x, "domain")
      strip$yref <- paste(y, "domain")
      strip
    })
  }
  # Where there are many rows, titles would run into each other.
  titled <- column == 1 && (nrow(object) <= 2 || row == (nrow(object) + 1) %/% 2)
  axis <- c(
    if (is_image_column(object)[column]) list(scaleanchor = x),
    if (!titled) list(title = list(text = "")),
    if (column > 1 && has_equal_images(object)) list(showticklabels = FALSE)
  )
  plotly::layout(
    panel,
    shapes = at_place(object@shapes$shapes_strips),
    annotations = at_place(object@annotations$annotations_strips),
    yaxis = axis
  )
}

is_image_column <- function(x) {
  vapply(x@col_dims$traces, \(kinds) any(grepl("image", kinds)), NA)
}

# Are there images of a single input layer only, so that the panels of a row have the same axis?
has_equal_images <- function(x) {
  all(is_image_column(x)) && anyDuplicated(x@col_dims$col_idx) == 0 &&
    length(unique(x@col_dims$ranges)) == 1
}

# Shares of the figure for panels of one size: at its edges subplot() leaves nothing free.
equal_shares <- function(n, before, after) {
  inner <- (1 - (n - 1) * (before + after)) / n
  if (inner <= 0) rep(1 / n, n) else inner + before * (seq_len(n) > 1) + after * (seq_len(n) < n)
}

# Shares of the figure left free on the four sides of a panel.
panel_margin <- function(x) {
  side <- if (has_equal_images(x)) 0.03 else if (any(is_image_column(x))) 0.12 else 0.08
  c(side, side, 0.03, 0.03) / dim(x@plots)[c(2, 2, 1, 1)]
}

# --- Parts ----------------------------------------------------------------------------------------

#' @rdname innsight_plotly-class
#' @exportMethod [
methods::setMethod("[", "innsight_plotly", function(x, i, j, ..., drop = FALSE) {
  call <- quote(x[i, j])
  chosen <- chosen_part(x, i, j, call)
  i <- sort(chosen$rows)
  j <- sort(chosen$columns)
  x@plots <- x@plots[i, j, drop = FALSE]
  part <- function(strips) list(columns = strips$columns[j], rows = strips$rows[i])
  x@shapes$shapes_strips <- part(x@shapes$shapes_strips)
  x@annotations$annotations_strips <- part(x@annotations$annotations_strips)
  nodes <- unique(x@col_dims$col_idx[j])
  x@col_dims$col_idx <- match(x@col_dims$col_idx[j], nodes)
  x@col_dims$col_label <- x@col_dims$col_label[nodes]
  x@col_dims$traces <- x@col_dims$traces[j]
  x@col_dims$ranges <- x@col_dims$ranges[j]
  x@layout <- figure_layout(x)
  x
})

#' @rdname innsight_plotly-class
#' @exportMethod [[
methods::setMethod("[[", "innsight_plotly", function(x, i, j, ...) {
  part <- x[i, j]
  if (length(part@plots) > 1) {
    innsight_abort(
      c("{.code x[[i, j]]} must be a single panel.",
        x = "You chose {nrow(part)} row{?s} and {ncol(part)} column{?s}.",
        i = "{.code x[i, j]} takes several."),
      "argument",
      call = quote(x[[i, j]])
    )
  }
  print(part)
})

# --- What ggplots can do and these plots cannot ---------------------------------------------------

abort_change <- function(what, call) {
  innsight_abort(
    c("{what} an interactive plot.",
      i = "{.fn plotly::layout} and plotly's other functions change {.code print(x)} or a panel
           {.code x[[i, j]]}.",
      i = "{.code as_plotly = FALSE} makes a ggplot, which can be changed in this way."),
    "argument",
    call = call
  )
}

#' @rdname innsight_plotly-class
#' @exportMethod +
methods::setMethod("+", signature("innsight_plotly", "ANY"), function(e1, e2) {
  abort_change("Nothing can be added to", quote(e1 + e2))
})

#' @rdname innsight_plotly-class
#' @exportMethod [<-
methods::setMethod("[<-", "innsight_plotly", function(x, i, j, ..., value) {
  abort_change("Nothing can be assigned to the panels of", quote(x[i, j] <- value))
})

#' @rdname innsight_plotly-class
#' @exportMethod [[<-
methods::setMethod("[[<-", "innsight_plotly", function(x, i, j, ..., value) {
  abort_change("Nothing can be assigned to a panel of", quote(x[[i, j]] <- value))
})
