#' Connection weights
#'
#' @description
#' The products of the weights along all paths from an input value to an output node (Olden et al.,
#' 2004): a global measure that needs no data. With `times_input = TRUE` they are multiplied by data
#' points. `run_cw()` is the same as `ConnectionWeights$new()`.
#'
#' @eval param_doc("converter")
#' @param data Only for `times_input = TRUE`: the data points, an array or data frame of shape
#'   `(N, input_dim)`, or a list of these, one per input layer.
#' @eval param_doc("output_idx")
#' @eval param_doc("output_label")
#' @eval param_doc("channels_first")
#' @param times_input Multiply the global weights by the data points?
#' @eval param_doc("verbose")
#' @eval param_doc("dtype")
#'
#' @details
#' Biases and activations are left out. Average pooling counts with one over the size of its windows
#' and so does max pooling, since no data are there to choose a winner; every operand of a sum or a
#' product gets the full weight; normalisation counts with its scale. Without `times_input` the
#' result has one row.
#'
#' @references J. D. Olden, M. K. Joy, R. G. Death (2004). An accurate comparison of methods for
#'   quantifying variable importance in artificial neural networks using simulated data. *Ecological
#'   Modelling* 178(3), 389-397. \doi{10.1016/j.ecolmodel.2004.03.013}
#' @family methods
#' @examples
#' model <- list(
#'   input_dim = 2, input_nodes = 1, output_nodes = 2,
#'   layers = list(
#'     list(type = "Dense", weight = matrix(c(1, -1, 2, 0), 2), bias = c(0, 1),
#'          activation_name = "relu", input_layers = 0, output_layers = 2),
#'     list(type = "Dense", weight = matrix(c(1, 3), 1), bias = 0,
#'          activation_name = "tanh", input_layers = 1, output_layers = -1)
#'   )
#' )
#' converter <- convert(model)
#' get_result(run_cw(converter))
#' x <- matrix(c(1, 2, -1, 0.5), nrow = 2)
#' get_result(run_cw(converter, x, times_input = TRUE))
#' @export
ConnectionWeights <- R6::R6Class("ConnectionWeights",
  inherit = InterpretingMethod,
  public = list(
    #' @field times_input The argument as given.
    times_input = NULL,

    #' @description Compute the weights.
    initialize = function(converter, data = NULL, output_idx = NULL, output_label = NULL,
                          channels_first = TRUE, times_input = FALSE, verbose = interactive(),
                          dtype = "float") {
      call <- private$call()
      self$times_input <- check_flag(times_input, call = call)
      if (!self$times_input && !is.null(data)) {
        cli::cli_inform(
          "{.arg data} is ignored: connection weights need data only with \\
           {.code times_input = TRUE}.",
          class = "innsight_message"
        )
      }
      super$initialize(
        converter, data, channels_first, output_idx, output_label, ignore_last_act = TRUE,
        winner_takes_all = TRUE, verbose = verbose, dtype = dtype
      )
      private$explain(list(name = "connection_weights", times_input = self$times_input))
    }
  ),
  private = list(
    value_name = function() "Relative Importance",
    check_data = function(data) {
      if (self$times_input) super$check_data(data) else list()
    },
    print_fields = function() c(times_input = format(self$times_input))
  )
)

#' @rdname ConnectionWeights
#' @eval param_doc("converter")
#' @param ... Passed on to `ConnectionWeights$new()`.
#' @return An object of class `ConnectionWeights`.
#' @export
run_cw <- function(converter, ...) ConnectionWeights$new(converter, ...)
