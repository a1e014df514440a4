# Single-precision weights as files and deep-learning frameworks keep them: a raw vector of class
# `innsight_f32`, row-major and little-endian, with the attribute `shape` (the extents as stored)
# and, where the axes are wanted in another order, `axes`. R never makes doubles of them.

f32 <- function(bytes, shape) structure(bytes, shape = as.integer(shape), class = "innsight_f32")

#' The same values with the axes in another order, without moving them
#' @noRd
permute_axes <- function(x, axes) {
  if (!is.raw(x)) {
    return(aperm(x, axes))
  }
  attr(x, "axes") <- (attr(x, "axes") %||% seq_along(attr(x, "shape")))[axes]
  x
}

#' The same values in row-major order with other extents
#' @noRd
reshape_rows <- function(x, shape) {
  if (!is.raw(x)) {
    return(aperm(array(aperm(x), rev(shape)), rev(seq_along(shape))))
  }
  if (!is.null(attr(x, "axes"))) x <- as_f32(as.array(x))
  f32(unclass(x), shape)
}

#' Numbers as single-precision weights
#' @noRd
as_f32 <- function(x) {
  shape <- dim(x) %||% length(x)
  values <- if (length(shape) > 1L) aperm(x) else x
  f32(writeBin(as.double(values), raw(), size = 4L, endian = "little"), shape)
}

#' @export
dim.innsight_f32 <- function(x) {
  shape <- attr(x, "shape", exact = TRUE)
  shape[attr(x, "axes", exact = TRUE) %||% seq_along(shape)]
}

#' @export
as.array.innsight_f32 <- function(x, ...) {
  shape <- attr(x, "shape", exact = TRUE)
  values <- readBin(as.vector(unclass(x)), "double", length(x) / 4L, size = 4L, endian = "little")
  values <- array(values, rev(shape))
  if (length(shape) > 1L) {
    values <- aperm(values, rev(seq_along(shape)))
    axes <- attr(x, "axes", exact = TRUE)
    if (!is.null(axes)) values <- aperm(values, axes)
  }
  values
}

#' @export
as.double.innsight_f32 <- function(x, ...) as.vector(as.array(x))

#' @export
print.innsight_f32 <- function(x, ...) {
  cat(sprintf("<innsight_f32> single-precision weights %s\n", format_shape(dim(x))))
  cat("as.array() makes a numeric array of them.\n")
  invisible(x)
}
