# Single-precision weights as files and deep-learning frameworks keep them, of which R never makes
# doubles: a list of class `innsight_f32` with `bytes` (row-major and little-endian, 4 a value),
# `shape` (the extents as stored) and `axes` (the stored axes in the order in which one wants them).
# Rearranging makes another small list around the same bytes.

f32 <- function(bytes, shape, axes = seq_along(shape)) {
  structure(list(bytes = bytes, shape = as.integer(shape), axes = as.integer(axes)),
            class = "innsight_f32")
}
is_f32 <- function(x) inherits(x, "innsight_f32")

#' The same values with the axes in another order
#' @noRd
permute_axes <- function(x, axes) {
  if (!is_f32(x)) {
    return(aperm(x, axes))
  }
  x$axes <- x$axes[axes]
  x
}

#' The same values in row-major order with other extents
#' @noRd
reshape_rows <- function(x, shape) {
  if (!is_f32(x)) {
    return(aperm(array(aperm(x), rev(shape)), rev(seq_along(shape))))
  }
  if (is.unsorted(x$axes)) x <- as_f32(as.array(x))
  f32(x$bytes, shape)
}

#' Numbers as single-precision weights
#' @noRd
as_f32 <- function(x) {
  shape <- dim(x) %||% length(x)
  values <- if (length(shape) > 1L) aperm(x) else x
  f32(writeBin(as.double(values), raw(), size = 4L, endian = "little"), shape)
}

#' @export
dim.innsight_f32 <- function(x) x$shape[x$axes]

#' @export
as.array.innsight_f32 <- function(x, ...) {
  values <- readBin(x$bytes, "double", prod(x$shape), size = 4L, endian = "little")
  if (length(x$shape) == 0L) {
    return(values)
  }
  values <- array(values, rev(x$shape))
  if (length(x$shape) > 1L) aperm(values, rev(seq_along(x$shape))[x$axes]) else values
}

#' @export
as.double.innsight_f32 <- function(x, ...) as.vector(as.array(x))

#' @export
print.innsight_f32 <- function(x, ...) {
  cat(sprintf("<innsight_f32> single-precision weights %s\n", format_shape(dim(x))))
  cat("as.array() makes a numeric array of them.\n")
  invisible(x)
}
