#' Integrated gradients
#'
#' @description
#' The mean of the gradients on the straight path from a reference to a data point, times the
#' difference of the two (Sundararajan et al., 2017). The values add up to the difference of the
#' output, up to the error of the quadrature. `run_intgrad()` is the same as
#' `IntegratedGradient$new()`.
#'
#' @eval param_doc("converter")
#' @eval param_doc("data")
#' @eval param_doc("x_ref")
#' @param n The number of steps of the quadrature, at least 1: the number of gradients, and one more
#'   for `"trapezoid"`. Without meaning for `"exact"`.
#' @param times_input Multiply the mean gradient by the difference from the reference?
#' @eval param_doc("channels_first")
#' @eval param_doc("output_idx")
#' @eval param_doc("output_label")
#' @eval param_doc("ignore_last_act")
#' @eval param_doc("verbose")
#' @eval param_doc("dtype")
#' @param integration Where the gradients are taken: at the end (`"riemann_right"`, the default),
#'   the start or the middle of every step, at both ends (`"trapezoid"`), at the nodes of the
#'   Gauss-Legendre quadrature, or once on every piece of the path on which the network is linear
#'   (`"exact"`).
#'
#' @details
#' The error of the Riemann sums falls with 1/n, in the middle and for the trapezoid with 1/n^2; for
#' smooth networks Gauss-Legendre is exact to rounding with a few dozen steps. Networks of
#' rectifiers and max pooling are piecewise linear, and none of the quadratures does much better
#' than 1/n there. `"exact"` finds all places of the path where such a network bends and leaves no
#' error but rounding. It is for small networks: one with more than 10,000 kinks on the path, or
#' with a layer that is not piecewise linear, is refused.
#'
#' @references M. Sundararajan, A. Taly, Q. Yan (2017). Axiomatic attribution for deep networks.
#'   *ICML*, 3319-3328.
#' @family methods
#' @examples
#' model <- list(
#'   input_dim = 2, input_nodes = 1, output_nodes = 2,
#'   layers = list(
#'     list(type = "Dense", weight = matrix(c(1, -1, 2, 0), 2), bias = c(0, 1),
#'          activation_name = "relu", input_layers = 0, output_layers = 2),
#'     list(type = "Dense", weight = matrix(c(1, 3), 1), bias = 0,
#'          activation_name = "linear", input_layers = 1, output_layers = -1)
#'   )
#' )
#' converter <- convert(model)
#' x <- matrix(c(1, 2, -1, 0.5), nrow = 2)
#' run_intgrad(converter, x, x_ref = matrix(c(0.5, 0.1), nrow = 1))$conservation
#' run_intgrad(converter, x, integration = "exact", dtype = "double")$conservation
#' @export
IntegratedGradient <- R6::R6Class("IntegratedGradient",
  inherit = GradientBased,
  public = list(
    #' @field n The argument as given.
    n = NULL,
    #' @field x_ref The reference as a list of arrays, one per input layer.
    x_ref = NULL,
    #' @field integration The argument as given.
    integration = NULL,

    #' @description Compute the integrals.
    initialize = function(converter, data, x_ref = NULL, n = 50, times_input = TRUE,
                          channels_first = TRUE, output_idx = NULL, output_label = NULL,
                          ignore_last_act = TRUE, verbose = interactive(), dtype = "float",
                          integration = "riemann_right") {
      super$initialize(
        converter, data, channels_first, output_idx, output_label, ignore_last_act,
        times_input, verbose, dtype
      )
      call <- private$call()
      self$n <- check_count(n, call = call)
      self$integration <- check_choice(integration, c(names(quadratures), "exact"), call = call)
      self$x_ref <- reference_arrays(x_ref, self, "x_ref", single = TRUE, call)
      settings <- list(times_input = self$times_input, reference = self$x_ref)
      if (self$integration == "exact") {
        private$explain(c(settings, name = "exact_gradient", limit = private$limit()))
      } else {
        private$nodes <- quadratures[[self$integration]](self$n)
        private$explain(c(settings, name = "integrated_gradient"), length(private$nodes$at))
      }
      private$keep_values(self$x_ref)
      private$check_sums()
    }
  ),
  private = list(
    # Places and weights of the quadrature.
    nodes = NULL,
    of_copies = function(copies) {
      list(alphas = private$nodes$at[copies], weights = private$nodes$weights[copies])
    },
    is_exact = function() self$integration == "exact" && self$times_input,
    print_fields = function() {
      c(
        super$print_fields(),
        n = if (self$integration != "exact") format(self$n),
        integration = self$integration,
        x_ref = format_reference(self$x_ref)
      )
    },

    # How many points of a path the engine may look at in one go.
    limit = function() {
      plan <- network_plan(self$converter, self$channels_first, self$dtype, private$call())
      per_point <- plan$bytes_per_data_point + sum(lengths(self$output_idx)) * plan$bytes_per_row
      max(1, memory_budget(private$call()) %/% per_point)
    }
  )
)

#' @rdname IntegratedGradient
#' @eval param_doc("converter")
#' @eval param_doc("data")
#' @param ... Passed on to `IntegratedGradient$new()`.
#' @return An object of class `IntegratedGradient`.
#' @export
run_intgrad <- function(converter, data, ...) IntegratedGradient$new(converter, data, ...)

# Functions (number of steps) -> places `at` between 0 and 1 and `weights` that add up to 1.
quadratures <- list(
  riemann_right = \(n) list(at = seq_len(n) / n, weights = rep(1 / n, n)),
  riemann_left = \(n) list(at = (seq_len(n) - 1) / n, weights = rep(1 / n, n)),
  riemann_middle = \(n) list(at = (seq_len(n) - 0.5) / n, weights = rep(1 / n, n)),
  trapezoid = \(n) list(at = (0:n) / n, weights = c(0.5, rep(1, n - 1), 0.5) / n),
  # The eigenvalues of the Jacobi matrix of the Legendre polynomials (Golub and Welsch, 1969).
  gauss_legendre = function(n) {
    i <- seq_len(n - 1)
    jacobi <- matrix(0, n, n)
    jacobi[cbind(i, i + 1)] <- jacobi[cbind(i + 1, i)] <- i / sqrt(4 * i^2 - 1)
    eigen <- eigen(jacobi, symmetric = TRUE)
    list(at = (eigen$values + 1) / 2, weights = eigen$vectors[1, ]^2)
  }
)

# --- References -----------------------------------------------------------------------------------

# A reference as a list of arrays, one per input layer; zeros where none is given.
reference_arrays <- function(x, method, arg, single, call) {
  shapes <- method$converter$input_dim
  if (is.null(x)) {
    return(lapply(shapes, function(shape) {
      if (!method$channels_first) shape <- shape[channels_last_order(length(shape))]
      array(0, c(1, shape))
    }))
  }
  arrays <- as_input_arrays(x, shapes, method$channels_first, arg, call)
  if (single && nrow(arrays[[1]]) != 1) {
    innsight_abort(
      c("{.arg {arg}} must be a single data point per input layer (arrays with one row).",
        x = "You gave {nrow(arrays[[1]])} rows."),
      "shape",
      call = call
    )
  }
  arrays
}

# A reference as print() shows it.
format_reference <- function(arrays) {
  text <- vapply(arrays, function(x) {
    if (all(x == 0)) {
      return("zeros")
    }
    quartiles <- format(stats::quantile(x, c(0.25, 0.5, 0.75), names = FALSE), digits = 3)
    paste0("mean ", format(mean(x), digits = 3), ", quartiles ", toString(trimws(quartiles)))
  }, "")
  paste(text, collapse = "; ")
}
