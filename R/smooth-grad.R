#' SmoothGrad
#'
#' @description
#' The mean of gradients at noisy versions of a data point, which shows less of the gradient's own
#' noise (Smilkov et al., 2017). `run_smoothgrad()` is the same as `SmoothGrad$new()`.
#'
#' @eval param_doc("converter")
#' @eval param_doc("data")
#' @eval param_doc("channels_first")
#' @eval param_doc("output_idx")
#' @eval param_doc("output_label")
#' @eval param_doc("ignore_last_act")
#' @param times_input Multiply every gradient by the noisy data point at which it is taken?
#' @param n The number of noisy versions of every data point, at least 1.
#' @param noise_level The standard deviation of the normal noise, relative to the range (maximum
#'   minus minimum) of all data of an input layer; at least 0. Where the range is 0 it is the
#'   standard deviation itself.
#' @eval param_doc("verbose")
#' @eval param_doc("dtype")
#'
#' @details
#' `set.seed()` decides the noise; whatever the number of threads and the size of chunks, it is the
#' same.
#'
#' @references D. Smilkov, N. Thorat, B. Kim, F. Viégas, M. Wattenberg (2017). SmoothGrad: removing
#'   noise by adding noise. \doi{10.48550/arXiv.1706.03825}
#' @family methods
#' @examples
#' model <- list(
#'   input_dim = 2, input_nodes = 1, output_nodes = 1,
#'   layers = list(
#'     list(type = "Dense", weight = matrix(c(1, -1, 2, 0), 2), bias = c(0, 1),
#'          activation_name = "tanh", input_layers = 0, output_layers = -1)
#'   )
#' )
#' set.seed(1)
#' smooth <- run_smoothgrad(convert(model), matrix(c(1, 2, -1, 0.5), nrow = 2), n = 20,
#'                          noise_level = 0.2, ignore_last_act = FALSE)
#' get_result(smooth)
#' @export
SmoothGrad <- R6::R6Class("SmoothGrad",
  inherit = GradientBased,
  public = list(
    #' @field n The argument as given.
    n = NULL,
    #' @field noise_level The argument as given.
    noise_level = NULL,

    #' @description Compute the mean gradients.
    initialize = function(converter, data, channels_first = TRUE, output_idx = NULL,
                          output_label = NULL, ignore_last_act = TRUE, times_input = FALSE,
                          n = 50, noise_level = 0.1, verbose = interactive(), dtype = "float") {
      super$initialize(
        converter, data, channels_first, output_idx, output_label, ignore_last_act,
        times_input, verbose, dtype
      )
      call <- private$call()
      self$n <- check_count(n, call = call)
      self$noise_level <- check_number(noise_level, lower = 0, call = call)
      sigma <- function(x) {
        range <- max(x) - min(x)
        self$noise_level * if (range > 0) range else 1
      }
      private$explain(
        list(
          name = "smooth_grad",
          n = self$n,
          sigmas = vapply(self$data, sigma, 0),
          seed = draw_seed(),
          times_input = self$times_input
        ),
        self$n
      )
      private$keep_values()
    }
  ),
  private = list(
    of_copies = function(copies) list(copies = range(copies)),
    print_fields = function() {
      c(super$print_fields(), n = format(self$n), noise_level = format(self$noise_level))
    }
  )
)

#' @rdname SmoothGrad
#' @eval param_doc("converter")
#' @eval param_doc("data")
#' @param ... Passed on to `SmoothGrad$new()`.
#' @return An object of class `SmoothGrad`.
#' @export
run_smoothgrad <- function(converter, data, ...) SmoothGrad$new(converter, data, ...)

# A number from R's generator from which the engine makes its own.
draw_seed <- function() sample.int(.Machine$integer.max, 1)
