# Every condition of the package is raised here, so that each carries a class a script can catch.

#' Raise an error of class `innsight_error_<kind>` and `innsight_error`
#'
#' @param message Bullets for [cli::cli_abort()]; values come in through `{}`, never by `paste0()`.
#' @param kind One of "argument", "model", "graph", "shape", "weights", "memory", "device", "file",
#'   "rule" and "bug".
#' @param parent The error that led to this one.
#' @noRd
innsight_abort <- function(message, kind, call = rlang::caller_env(),
                           .envir = rlang::caller_env(), parent = NULL) {
  class <- c(paste0("innsight_error_", kind), "innsight_error")
  cli::cli_abort(message, class = class, call = call, .envir = .envir, parent = parent)
}

#' Warn with class `innsight_warning`, and `innsight_warning_<kind>` if there is a kind
#' @noRd
innsight_warn <- function(message, kind = NULL, .envir = rlang::caller_env()) {
  class <- c(if (!is.null(kind)) paste0("innsight_warning_", kind), "innsight_warning")
  cli::cli_warn(message, class = class, .envir = .envir)
}

#' Pass a value of the engine on, or raise the error it stands for
#' @noRd
from_engine <- function(x, call = rlang::caller_env()) {
  if (!inherits(x, "innsight_rust_error")) {
    return(x)
  }
  lines <- strsplit(x$message, "\n", fixed = TRUE)[[1L]]
  bullets <- c(bullets(lines[1L], ""), bullets(lines[-1L], "i"))
  if (identical(x$kind, "bug")) {
    bullets <- c(
      bullets,
      i = "This is a bug in innsight, not in your code. Please report it with \\
           {.code bug.report(package = \"innsight\")} and the call that led here."
    )
  }
  innsight_abort(bullets, x$kind, call = call)
}

#' Texts as bullets of a condition
#'
#' They may hold braces, which cli would evaluate.
#' @noRd
bullets <- function(texts, sign = "x") {
  stats::setNames(gsub("([{}])", "\\1\\1", texts), rep(sign, length(texts)))
}

#' Everything of a model that cannot be converted, at once
#'
#' @param reasons Texts, one for each layer; nothing happens if there are none.
#' @param what What they are about: "layer", "module" or "operation".
#' @param instead What to do.
#' @noRd
abort_unsupported <- function(reasons, what, instead, call) {
  if (length(reasons)) {
    innsight_abort(
      c("{.arg model} has {length(reasons)} {what}{cli::qty(length(reasons))}{?s} that innsight \\
         cannot convert.",
        bullets(reasons), i = instead,
        i = "{.code vignette(\"models\", \"innsight\")} says what is supported.",
        i = "Any model can be given as a named list, see {.help innsight::Converter}."),
      "model",
      call = call
    )
  }
}

#' What a value is, in a few words, for the line "You gave ..."
#' @noRd
describe <- function(x) {
  shape <- dim(x)
  if (is.null(x)) {
    "`NULL`"
  } else if (is.data.frame(x) || (is.object(x) && !is.factor(x)) || is.function(x)) {
    paste0("an object of class <", paste(class(x), collapse = "/"), ">")
  } else if (!is.null(shape)) {
    sprintf("a %s array of shape %s", typeof(x), format_shape(shape))
  } else if (is.atomic(x) && length(x) <= 6L) {
    paste(deparse(unname(if (is.factor(x)) as.character(x) else x)), collapse = " ")
  } else {
    type <- if (is.atomic(x)) paste(typeof(x), "vector") else typeof(x)
    sprintf("%s %s of length %d", if (grepl("^[aei]", type)) "an" else "a", type, length(x))
  }
}

#' @noRd
format_shape <- function(shape, batch = FALSE) {
  paste0("(", if (batch) "*, ", paste(shape, collapse = ", "), ")")
}

#' Several shapes as "(*, 4), (*, 2, 6, 6)"
#' @noRd
format_shapes <- function(shapes, batch = FALSE) {
  paste(vapply(shapes, format_shape, "", batch = batch), collapse = ", ")
}
