# Data of the user as plain double arrays, one per input layer.

#' Check the data of a call
#'
#' @param data A matrix, array, data frame, torch tensor or anything with an `as.array()` method,
#'   or a list of these, one per input layer.
#' @param input_dim List of integer vectors, channels first, without the batch axis.
#' @return A list of double arrays of shape (N, dims) in the layout the user has.
#' @noRd
as_input_arrays <- function(data, input_dim, channels_first = TRUE, arg = "data",
                            call = rlang::caller_env()) {
  input_dim <- lapply(input_dim, as.integer)
  if (!is.list(data) || is.data.frame(data) || is.object(data)) {
    data <- list(data)
  }
  if (length(data) != length(input_dim)) {
    innsight_abort(
      c("{.arg {arg}} must hold one array per input layer of the model.",
        x = "It holds {length(data)}, the model has {length(input_dim)} input layer{?s}.",
        i = "Give several as a list: {.code list(x1, x2)}."),
      "shape",
      call = call
    )
  }
  single <- length(data) == 1L
  arrays <- lapply(seq_along(data), function(i) {
    label <- if (single) arg else sprintf("%s[[%d]]", arg, i)
    input_array(data[[i]], input_dim[[i]], channels_first, label, call)
  })
  rows <- vapply(arrays, nrow, 0L)
  if (any(rows != rows[1L])) {
    innsight_abort(
      c("Every array in {.arg {arg}} must have the same number of rows.",
        x = "They have {rows} rows."),
      "shape",
      call = call
    )
  }
  arrays
}

#' @noRd
input_array <- function(x, shape, channels_first, arg, call) {
  x <- plain_array(x, arg, call)
  expected <- if (channels_first) shape else c(shape[-1L], shape[1L])
  if (!identical(dim(x)[-1L], expected)) {
    other <- if (channels_first) c(shape[-1L], shape[1L]) else shape
    hint <- if (identical(dim(x)[-1L], other)) {
      sprintf("It fits with `channels_first = %s`.", !channels_first)
    } else if (length(shape) > 1L) {
      sprintf("This is the shape for `channels_first = %s`.", channels_first)
    } else if (length(dim(x)) < 2L) {
      "Use a matrix with one row for a single data point: `matrix(x, nrow = 1)`."
    }
    given <- describe(x)
    innsight_abort(
      c("{.arg {arg}} must have the shape {format_shape(c(\"N\", expected))}, N data points.",
        x = "You gave {given}.", i = if (!is.null(hint)) "{hint}"),
      "shape",
      call = call
    )
  }
  if (nrow(x) < 1L) {
    abort_arg(x, "an array with at least one data point", arg, call, kind = "shape")
  }
  if (!all_finite(x)) {
    at <- which(!is.finite(x))[1L]
    position <- paste(arrayInd(at, dim(x)), collapse = ", ")
    innsight_abort(
      c("{.arg {arg}} must be free of {.val {NA}}, {.val {NaN}} and {.val {Inf}}.",
        x = "{arg}[{position}] is {x[at]}."),
      "argument",
      call = call
    )
  }
  x
}

#' @noRd
plain_array <- function(x, arg, call) {
  must <- "a numeric matrix, array or data frame"
  if (missing(x) || is.null(x) || is.function(x)) {
    abort_arg(if (missing(x)) NULL else x, must, arg, call)
  }
  given <- x
  x <- if (is.data.frame(x)) {
    columns <- names(x)[!vapply(x, function(v) is.numeric(v) || is.logical(v), NA)]
    if (length(columns)) {
      abort_arg(
        given, "numeric", arg, call,
        paste("Not numeric:", paste(utils::head(columns, 5L), collapse = ", "))
      )
    }
    as.matrix(x)
  } else if (inherits(x, "torch_tensor")) {
    as.array(x$detach()$cpu())
  } else if (is.null(dim(x)) && is.atomic(x)) {
    x
  } else {
    tryCatch(as.array(x), error = function(e) NULL)
  }
  if (!is.numeric(x) && !is.logical(x)) {
    abort_arg(given, must, arg, call)
  }
  if (!is.double(x)) storage.mode(x) <- "double"
  unclass(x)
}

#' Rows of an array of any rank
#' @noRd
slice_rows <- function(x, rows) {
  # All of them without a copy.
  if (identical(rows, seq_len(nrow(x)))) {
    return(x)
  }
  rest <- rep(list(rlang::missing_arg()), length(dim(x)) - 1L)
  do.call(`[`, c(list(x, rows), rest, list(drop = FALSE)))
}
