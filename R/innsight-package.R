#' innsight: look inside neural networks
#'
#' Three steps: [convert()] a trained network, run a method such as [run_grad()] or [run_lrp()] on
#' data, and look at the attributions with `plot()`, [plot_global()] or [get_result()]. Everything
#' is computed by an engine in Rust; see [innsight-options] for threads, memory and device.
#'
#' @keywords internal
#' @useDynLib innsight, .registration = TRUE
#' @importFrom R6 R6Class
#' @importFrom rlang .data .env %||%
#' @importFrom stats predict
"_PACKAGE"
