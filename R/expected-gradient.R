#' Expected gradients
#'
#' @description
#' Integrated gradients averaged over random references and random places of the path (Erion et al.,
#' 2021), also known as GradSHAP. The values add up to the difference of the output from its mean
#' over the references, up to an error that falls with the square root of `n`. `run_expgrad()` is
#' the same as `ExpectedGradient$new()`.
#'
#' @eval param_doc("converter")
#' @eval param_doc("data")
#' @eval param_doc("data_ref")
#' @param n The number of random draws (of a reference and a place) for every data point, at least
#'   1.
#' @eval param_doc("channels_first")
#' @eval param_doc("output_idx")
#' @eval param_doc("output_label")
#' @eval param_doc("ignore_last_act")
#' @eval param_doc("verbose")
#' @eval param_doc("dtype")
#'
#' @details
#' `set.seed()` decides the draws; whatever the number of threads and the size of chunks, they are
#' the same.
#'
#' @references G. Erion, J. D. Janizek, P. Sturmfels, S. M. Lundberg, S.-I. Lee (2021). Improving
#'   performance of deep learning models with axiomatic attribution priors and expected gradients.
#'   *Nature Machine Intelligence* 3, 620-631. \doi{10.1038/s42256-021-00343-w}
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
#' x <- matrix(rnorm(20), ncol = 2)
#' run_expgrad(convert(model), x[1:2, ], data_ref = x, n = 200)$conservation
#' @export
ExpectedGradient <- R6::R6Class("ExpectedGradient",
  inherit = GradientBased,
  public = list(
    #' @field n The argument as given.
    n = NULL,
    #' @field data_ref The references as a list of arrays, one per input layer.
    data_ref = NULL,

    #' @description Compute the mean contributions.
    initialize = function(converter, data, data_ref = NULL, n = 50, channels_first = TRUE,
                          output_idx = NULL, output_label = NULL, ignore_last_act = TRUE,
                          verbose = interactive(), dtype = "float") {
      super$initialize(
        converter, data, channels_first, output_idx, output_label, ignore_last_act,
        times_input = TRUE, verbose = verbose, dtype = dtype
      )
      call <- private$call()
      self$n <- check_count(n, call = call)
      self$data_ref <- reference_arrays(data_ref, self, "data_ref", single = FALSE, call)
      private$explain(list(name = "expected_gradient", n = self$n, seed = draw_seed()), self$n)
      private$keep_values(self$data_ref)
    }
  ),
  private = list(
    of_copies = function(copies) list(copies = range(copies), reference = self$data_ref),
    print_fields = function() c(n = format(self$n), data_ref = format_reference(self$data_ref))
  )
)

#' @rdname ExpectedGradient
#' @eval param_doc("converter")
#' @eval param_doc("data")
#' @param ... Passed on to `ExpectedGradient$new()`.
#' @return An object of class `ExpectedGradient`.
#' @export
run_expgrad <- function(converter, data, ...) ExpectedGradient$new(converter, data, ...)
