#' Options of the package
#'
#' Set them with [options()]; they are read whenever a computation starts.
#'
#' | option | default | meaning |
#' |---|---|---|
#' | `innsight.threads` | environment variable `INNSIGHT_NUM_THREADS`, else 2 | number of CPU threads |
#' | `innsight.memory` | `"1GB"` | memory a method may use besides the converter, the data and, where it takes more than half of this, its result: a number of bytes or a text such as `"500MB"` or `"2GB"`. Smaller means more, smaller chunks of rows; results do not change |
#' | `innsight.device` | `"cpu"` | `"cpu"` or `"gpu"`. The GPU needs a build with it, see `innsight_info()` |
#' | `innsight.palette` | `"two-hues"` | the colours of pictures, from the most negative value over zero to the most positive: `"two-hues"` (blue, white, red; equally dark on both sides, in even steps), `"blue-white-red"` (the pure colours of the package of 2024), a diverging palette of [grDevices::hcl.pals()], or three or more colours |
#' | `innsight.image_origin` | `"top"` | where row 1 of an image is drawn: `"top"` or `"bottom"` |
#'
#' @name innsight-options
#' @aliases innsight.threads innsight.memory innsight.device innsight.image_origin innsight.palette
#' @examples
#' old <- options(innsight.threads = 1, innsight.memory = "200MB")
#' options(old)
NULL

#' @noRd
option_threads <- function(call = rlang::caller_env()) {
  from_env <- Sys.getenv("INNSIGHT_NUM_THREADS")
  if (is.null(getOption("innsight.threads")) && nzchar(from_env)) {
    number <- suppressWarnings(as.numeric(from_env))
    return(check_count(number, arg = "INNSIGHT_NUM_THREADS", call = call))
  }
  check_count(getOption("innsight.threads", 2L), arg = "innsight.threads", call = call)
}

#' @noRd
option_device <- function(call = rlang::caller_env()) {
  device <- getOption("innsight.device", "cpu")
  check_choice(device, c("cpu", "gpu"), arg = "innsight.device", call = call)
  if (!device %in% capabilities()$devices) {
    innsight_abort(
      c("The option {.code innsight.device} is {.val gpu}, but no usable GPU was found.",
        i = "See {.run innsight::innsight_info()}; the GPU needs an installation with \\
             {.envvar INNSIGHT_FEATURES} set to {.val gpu} and a driver for it.",
        i = "{.code options(innsight.device = \"cpu\")} computes on the CPU."),
      "device",
      call = call
    )
  }
  device
}

#' @noRd
option_image_origin <- function(call = rlang::caller_env()) {
  origin <- getOption("innsight.image_origin", "top")
  check_choice(origin, c("top", "bottom"), arg = "innsight.image_origin", call = call)
}

#' The option `innsight.memory` in bytes
#' @noRd
memory_budget <- function(call = rlang::caller_env()) {
  x <- getOption("innsight.memory", "1GB")
  bytes <- if (is.numeric(x) && length(x) == 1L) {
    x
  } else if (checkmate::test_string(x)) {
    part <- \(i) sub("^ *([0-9.]+) *([KMGT]?)I?B? *$", i, toupper(x))
    unit <- match(part("\\2"), c("", "K", "M", "G", "T"))
    suppressWarnings(as.numeric(part("\\1"))) * 1024^(unit - 1)
  }
  if (!checkmate::test_number(bytes, lower = 1, finite = TRUE)) {
    abort_arg(x, "a positive number of bytes or a text such as \"500MB\"", "innsight.memory", call)
  }
  bytes
}

#' Versions, devices and settings in use
#'
#' @return A list of class `innsight_info`, printed in a readable form: `version`, `engine` and `r`
#'   (version texts), `features` the engine was built with, `devices` it can compute on, and the
#'   settings `device`, `threads` and `memory` (bytes) of [innsight-options].
#' @export
#' @examples
#' innsight_info()
innsight_info <- function() {
  table <- capabilities()
  structure(
    list(
      version = as.character(utils::packageVersion("innsight")),
      engine = table$version,
      r = as.character(getRversion()),
      features = table$features,
      devices = table$devices,
      device = getOption("innsight.device", "cpu"),
      threads = option_threads(),
      memory = memory_budget()
    ),
    class = "innsight_info"
  )
}

#' @export
print.innsight_info <- function(x, ...) {
  values <- vapply(x, function(value) paste(format(value), collapse = ", "), "")
  values[["memory"]] <- sprintf("%.0f MB", x$memory / 1024^2)
  values[!nzchar(values)] <- "none"
  cat(cli::rule("innsight"), sprintf("%-9s %s", paste0(names(x), ":"), values), sep = "\n")
  invisible(x)
}
