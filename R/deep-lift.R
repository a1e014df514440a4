#' DeepLift
#'
#' @description
#' Explains how the output differs from that at a reference: every input value gets its contribution
#' to the difference (Shrikumar et al., 2017). `run_deeplift()` is the same as `DeepLift$new()`.
#'
#' @eval param_doc("converter")
#' @eval param_doc("data")
#' @eval param_doc("channels_first")
#' @eval param_doc("output_idx")
#' @eval param_doc("output_label")
#' @eval param_doc("ignore_last_act")
#' @param rule_name How a difference passes an activation: `"rescale"` by the ratio of the
#'   differences after and before it, `"reveal_cancel"` by one ratio for the positive and another
#'   for the negative contributions that arrive from the layer before.
#' @eval param_doc("x_ref")
#' @eval param_doc("winner_takes_all")
#' @eval param_doc("verbose")
#' @eval param_doc("dtype")
#' @eval param_doc("maxpool")
#'
#' @details
#' The contributions of a data point add up to the difference of the output, except where max
#' pooling has another winner at the reference than at the data point; `maxpool = "crossmax"` and
#' `winner_takes_all = FALSE` add up there too. A result that does not add up although it should
#' gives a warning of class `innsight_warning_conservation` that names the layer; `$conservation`
#' has the numbers. With `winner_takes_all = FALSE` a window shares by its mean difference, which
#' breaks down behind layers that keep the mean (normalisation, softmax): take `"crossmax"` there.
#'
#' Softmax, layer normalisation and products of layers pass differences by multipliers that are
#' exact, under both rules. Only a softmax at the very end, if it is not ignored, is taken node by
#' node: by the ratio of the differences of this node alone.
#'
#' @references A. Shrikumar, P. Greenside, A. Kundaje (2017). Learning important features through
#'   propagating activation differences. *ICML*, 3145-3153.
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
#' x <- matrix(c(1, 2, -1, 0.5), nrow = 2)
#' lift <- run_deeplift(converter, x, x_ref = matrix(c(0.5, 0.1), nrow = 1))
#' get_result(lift)
#' lift$conservation
#' run_deeplift(converter, x, rule_name = "reveal_cancel")
#' @export
DeepLift <- R6::R6Class("DeepLift",
  inherit = InterpretingMethod,
  public = list(
    #' @field rule_name The argument as given.
    rule_name = NULL,
    #' @field x_ref The reference as a list of arrays, one per input layer.
    x_ref = NULL,
    #' @field maxpool The argument as given.
    maxpool = NULL,

    #' @description Compute the contributions.
    initialize = function(converter, data, channels_first = TRUE, output_idx = NULL,
                          output_label = NULL, ignore_last_act = TRUE, rule_name = "rescale",
                          x_ref = NULL, winner_takes_all = TRUE, verbose = interactive(),
                          dtype = "float", maxpool = "gradient") {
      super$initialize(
        converter, data, channels_first, output_idx, output_label, ignore_last_act,
        winner_takes_all, verbose, dtype
      )
      settings <- deep_lift_settings(self, rule_name, maxpool, private$call())
      self$rule_name <- rule_name
      self$maxpool <- maxpool
      self$x_ref <- reference_arrays(x_ref, self, "x_ref", single = TRUE, private$call())
      private$explain(c(settings, list(weight = 1, reference = self$x_ref)))
      private$check_sums()
    }
  ),
  private = list(
    value_name = function() "Contribution",
    is_exact = function() TRUE,
    has_ledger = function() TRUE,
    lossy = function() deep_lift_lossy(self),
    print_fields = function() {
      c(
        rule_name = self$rule_name,
        winner_takes_all = format(self$winner_takes_all),
        maxpool = self$maxpool,
        x_ref = format_reference(self$x_ref)
      )
    }
  )
)

#' @rdname DeepLift
#' @eval param_doc("converter")
#' @eval param_doc("data")
#' @param ... Passed on to `DeepLift$new()`.
#' @return An object of class `DeepLift`.
#' @export
run_deeplift <- function(converter, data, ...) DeepLift$new(converter, data, ...)

# The rules that DeepLift and DeepSHAP share, as the engine takes them.
deep_lift_settings <- function(method, rule_name, maxpool, call) {
  check_choice(rule_name, c("rescale", "reveal_cancel"), call = call)
  check_choice(maxpool, c("gradient", "crossmax"), call = call)
  if (maxpool == "crossmax" && !method$winner_takes_all) {
    innsight_abort(
      c("{.arg maxpool} and {.arg winner_takes_all} contradict each other.",
        x = "You gave {.code maxpool = \"crossmax\"} and {.code winner_takes_all = FALSE}.",
        i = "{.val crossmax} has a winner: leave {.arg winner_takes_all} out."),
      "argument",
      call = call
    )
  }
  list(
    name = "deep_lift",
    rule = rule_name,
    max_pool = if (maxpool == "crossmax") {
      "crossmax"
    } else if (method$winner_takes_all) {
      "winner"
    } else {
      "average"
    }
  )
}

# Only the winner at the data point loses what another one at the reference had.
deep_lift_lossy <- function(method) {
  kinds <- vapply(capabilities()$layers, `[[`, "", "kind")
  classes <- vapply(capabilities()$layers, `[[`, "", "class")
  layers <- layer_classes(method$converter$model)
  winner <- method$maxpool == "gradient" && method$winner_takes_all
  winner & layers %in% classes[kinds == "selection"]
}
