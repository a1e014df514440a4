# Names of input features and output nodes: list (layer) of lists (axis) of factors.

#' @param per_layer TRUE for output layers, which have one axis: a list of vectors then means one
#'   vector per layer, otherwise the axes of a single layer.
#' @noRd
normalise_names <- function(x, per_layer = FALSE, arg = rlang::caller_arg(x),
                            call = rlang::caller_env()) {
  layers <- if (!is.list(x)) {
    list(list(x))
  } else if (length(x) > 0L && is.list(x[[1L]])) {
    x
  } else if (per_layer) {
    lapply(x, list)
  } else {
    list(x)
  }
  lapply(unname(layers), function(axes) {
    lapply(unname(if (is.list(axes)) axes else list(axes)), function(axis) {
      if (!(is.character(axis) || is.factor(axis)) || length(axis) == 0L || anyNA(axis)) {
        abort_arg(
          if (is.list(x)) axis else x, "a character vector or factor, or a list of them", arg, call,
          "Several layers are given as a list of lists, e.g. `list(list(c(\"a\", \"b\")), ...)`."
        )
      }
      if (is.factor(axis)) axis else factor(axis, levels = unique(axis))
    })
  })
}

#' The number of names per axis must be that of the model
#' @noRd
check_names <- function(names, dims, arg = rlang::caller_arg(names), call = rlang::caller_env()) {
  given <- lapply(names, lengths)
  dims <- lapply(dims, as.integer)
  if (!identical(given, dims)) {
    innsight_abort(
      c("{.arg {arg}} must hold one name per position along every axis of the model.",
        x = "The names have the shape {format_shapes(given)}, the model \\
             {format_shapes(dims)}.",
        i = "Order of the axes: channels, height, width."),
      "shape",
      call = call
    )
  }
  names
}

#' X1, ... for tabular data, C1, ... and L1, ... for signals, C1, ..., H1, ..., W1, ... for images
#' @noRd
default_names <- function(dims, tabular = "X") {
  lapply(dims, function(dim) {
    rank <- length(dim)
    prefixes <- if (rank <= 3L) {
      list(tabular, c("C", "L"), c("C", "H", "W"))[[rank]]
    } else {
      c("C", paste0("D", seq_len(rank - 1L), "_"))
    }
    Map(function(prefix, n) {
      names <- paste0(prefix, seq_len(n))
      factor(names, levels = names)
    }, prefixes, dim, USE.NAMES = FALSE)
  })
}
