# Argument checks: each returns the checked value or raises an error that names the argument, the
# value given and what is accepted.

#' @noRd
abort_arg <- function(x, must, arg, call, hint = NULL, kind = "argument") {
  given <- describe(x)
  innsight_abort(
    c("{.arg {arg}} must be {must}.", x = "You gave {given}.", i = if (!is.null(hint)) "{hint}"),
    kind,
    call = call
  )
}

#' @noRd
check_flag <- function(x, arg = rlang::caller_arg(x), call = rlang::caller_env()) {
  if (!checkmate::test_flag(x)) {
    abort_arg(x, "`TRUE` or `FALSE`", arg, call)
  }
  x
}

#' @noRd
check_count <- function(x, lower = 1, arg = rlang::caller_arg(x), call = rlang::caller_env()) {
  if (!checkmate::test_int(x, lower = lower, upper = .Machine$integer.max)) {
    abort_arg(x, sprintf("a single whole number, at least %s", lower), arg, call)
  }
  as.integer(x)
}

#' @noRd
check_number <- function(x, lower = -Inf, upper = Inf, arg = rlang::caller_arg(x),
                         call = rlang::caller_env()) {
  if (!checkmate::test_number(x, lower = lower, upper = upper, finite = TRUE)) {
    range <- if (is.finite(upper)) {
      sprintf(" in [%s, %s]", lower, upper)
    } else if (is.finite(lower)) {
      sprintf(", at least %s", lower)
    }
    abort_arg(x, paste0("a single finite number", range), arg, call)
  }
  as.double(x)
}

#' @noRd
check_choice <- function(x, choices, arg = rlang::caller_arg(x), call = rlang::caller_env()) {
  if (!checkmate::test_choice(x, choices)) {
    abort_arg(x, paste("one of", paste(dQuote(choices, FALSE), collapse = ", ")), arg, call)
  }
  x
}

#' @noRd
check_indices <- function(x, max, arg = rlang::caller_arg(x), call = rlang::caller_env()) {
  valid <- checkmate::test_integerish(x, lower = 1, upper = max, any.missing = FALSE, min.len = 1)
  if (!valid || !is.numeric(x)) {
    abort_arg(x, sprintf("whole numbers from 1 to %d", as.integer(max)), arg, call)
  }
  unique(as.integer(x))
}

#' @noRd
check_function <- function(x, arg = rlang::caller_arg(x), call = rlang::caller_env()) {
  if (!is.function(x)) {
    abort_arg(x, "a function", arg, call)
  }
  x
}

#' A suggested package must be there
#'
#' @param why What it is for, as in "to read a live torch model"; cli's markup may be used, and
#'   `{package}`.
#' @param hint What to do without it; cli's markup may be used.
#' @noRd
check_installed <- function(package, why, hint, call = rlang::caller_env(),
                            kind = "argument",
                            installed = requireNamespace(package, quietly = TRUE)) {
  if (!installed) {
    innsight_abort(
      c(paste0("The package {.pkg {package}} must be installed ", why, "."),
        i = "Install it by {.code install.packages(\"{package}\")}.",
        i = hint),
      kind,
      call = call
    )
  }
}

#' A shape or a list of shapes as a list of integer vectors; `NULL` if it is neither
#' @noRd
as_shapes <- function(x) {
  shapes <- if (is.list(x)) x else list(x)
  valid <- length(shapes) > 0L && all(vapply(shapes, function(shape) {
    is.numeric(shape) &&
      checkmate::test_integerish(shape, lower = 1, any.missing = FALSE, min.len = 1)
  }, NA))
  if (valid) lapply(unname(shapes), as.integer)
}

#' @noRd
check_shapes <- function(x, arg = rlang::caller_arg(x), call = rlang::caller_env()) {
  shapes <- as_shapes(x)
  if (is.null(shapes)) {
    abort_arg(
      x, "a vector of positive whole numbers or a list of such vectors", arg, call,
      "Give each shape channels first and without the batch axis, e.g. `c(3, 32, 32)`."
    )
  }
  shapes
}
