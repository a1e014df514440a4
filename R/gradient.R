#' Methods based on gradients
#'
#' @description
#' The base class of [Gradient] and the methods that average gradients. Not used directly.
#'
#' @eval param_doc("converter")
#' @eval param_doc("data")
#' @eval param_doc("channels_first")
#' @eval param_doc("output_idx")
#' @eval param_doc("output_label")
#' @eval param_doc("ignore_last_act")
#' @eval param_doc("times_input")
#' @eval param_doc("verbose")
#' @eval param_doc("dtype")
#' @keywords internal
GradientBased <- R6::R6Class("GradientBased",
  inherit = InterpretingMethod,
  public = list(
    #' @field times_input Are the gradients multiplied by the input?
    times_input = NULL,

    #' @description Check and keep the arguments.
    initialize = function(converter, data, channels_first = TRUE, output_idx = NULL,
                          output_label = NULL, ignore_last_act = TRUE, times_input = FALSE,
                          verbose = interactive(), dtype = "float") {
      super$initialize(
        converter, data, channels_first, output_idx, output_label, ignore_last_act,
        winner_takes_all = TRUE, verbose = verbose, dtype = dtype
      )
      self$times_input <- check_flag(times_input, call = private$call())
    }
  ),
  private = list(
    value_name = function() if (self$times_input) "Relevance" else "Gradient",
    print_fields = function() c(times_input = format(self$times_input))
  )
)

#' Gradient and Gradient x Input
#'
#' @description
#' The partial derivatives of the selected output nodes with respect to every input value,
#' or (`times_input = TRUE`) their product with the input. `run_grad()` is the same as
#' `Gradient$new()`.
#'
#' @eval param_doc("converter")
#' @eval param_doc("data")
#' @eval param_doc("channels_first")
#' @eval param_doc("output_idx")
#' @eval param_doc("output_label")
#' @eval param_doc("ignore_last_act")
#' @eval param_doc("times_input")
#' @eval param_doc("verbose")
#' @eval param_doc("dtype")
#' @family methods
#' @examples
#' model <- list(
#'   input_dim = 3, input_nodes = 1, output_nodes = 2,
#'   layers = list(
#'     list(type = "Dense", weight = matrix(c(1, -1, 2, 0, 1, 1), 2), bias = c(0, 1),
#'          activation_name = "relu", input_layers = 0, output_layers = 2),
#'     list(type = "Dense", weight = matrix(c(1, -2), 1), bias = 0,
#'          activation_name = "tanh", input_layers = 1, output_layers = -1)
#'   )
#' )
#' converter <- convert(model)
#' x <- matrix(c(1, 2, -1, 0.5, 0.3, 1), nrow = 2)
#'
#' gradient <- run_grad(converter, x)
#' get_result(gradient)
#' run_grad(converter, x, times_input = TRUE, ignore_last_act = FALSE)
#' @export
Gradient <- R6::R6Class("Gradient",
  inherit = GradientBased,
  public = list(
    #' @description Compute the gradients.
    initialize = function(converter, data, channels_first = TRUE, output_idx = NULL,
                          output_label = NULL, ignore_last_act = TRUE, times_input = FALSE,
                          verbose = interactive(), dtype = "float") {
      super$initialize(
        converter, data, channels_first, output_idx, output_label, ignore_last_act,
        times_input, verbose, dtype
      )
      private$explain(list(name = "gradient", times_input = self$times_input))
    }
  )
)

#' @rdname Gradient
#' @eval param_doc("converter")
#' @eval param_doc("data")
#' @param ... Passed on to `Gradient$new()`.
#' @return An object of class `Gradient`.
#' @export
run_grad <- function(converter, data, ...) Gradient$new(converter, data, ...)
