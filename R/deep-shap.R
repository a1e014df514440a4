#' DeepSHAP
#'
#' @description
#' The mean of [DeepLift] over many references, an approximation of Shapley values (Lundberg and
#' Lee, 2017). `run_deepshap()` is the same as `DeepSHAP$new()`.
#'
#' @eval param_doc("converter")
#' @eval param_doc("data")
#' @eval param_doc("channels_first")
#' @eval param_doc("output_idx")
#' @eval param_doc("output_label")
#' @eval param_doc("ignore_last_act")
#' @param rule_name `"rescale"` or `"reveal_cancel"`, see [DeepLift].
#' @eval param_doc("data_ref")
#' @param limit_ref The largest number of references to use, at least 1; more are sampled without
#'   replacement. `set.seed()` decides which.
#' @eval param_doc("winner_takes_all")
#' @eval param_doc("verbose")
#' @eval param_doc("dtype")
#' @eval param_doc("maxpool")
#'
#' @details
#' The contributions of a data point add up to the difference of the output from its mean over the
#' references that were used; for max pooling and warnings see [DeepLift].
#'
#' @references S. M. Lundberg, S.-I. Lee (2017). A unified approach to interpreting model
#'   predictions. *NeurIPS*, 4765-4774.
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
#' set.seed(1)
#' x <- matrix(rnorm(40), ncol = 2)
#' shap <- run_deepshap(convert(model), x[1:3, ], data_ref = x)
#' get_result(shap)
#' shap$conservation
#' @export
DeepSHAP <- R6::R6Class("DeepSHAP",
  inherit = InterpretingMethod,
  public = list(
    #' @field rule_name The argument as given.
    rule_name = NULL,
    #' @field data_ref The references that were used, as a list of arrays, one per input layer.
    data_ref = NULL,
    #' @field limit_ref The argument as given.
    limit_ref = NULL,
    #' @field maxpool The argument as given.
    maxpool = NULL,

    #' @description Compute the mean contributions.
    initialize = function(converter, data, channels_first = TRUE, output_idx = NULL,
                          output_label = NULL, ignore_last_act = TRUE, rule_name = "rescale",
                          data_ref = NULL, limit_ref = 100, winner_takes_all = TRUE,
                          verbose = interactive(), dtype = "float", maxpool = "gradient") {
      super$initialize(
        converter, data, channels_first, output_idx, output_label, ignore_last_act,
        winner_takes_all, verbose, dtype
      )
      call <- private$call()
      settings <- deep_lift_settings(self, rule_name, maxpool, call)
      self$rule_name <- rule_name
      self$maxpool <- maxpool
      self$limit_ref <- check_count(limit_ref, call = call)
      references <- reference_arrays(data_ref, self, "data_ref", single = FALSE, call)
      n <- nrow(references[[1]])
      if (n > self$limit_ref) {
        used <- sample.int(n, self$limit_ref)
        references <- lapply(references, slice_rows, used)
        n <- self$limit_ref
      }
      self$data_ref <- references
      private$explain(c(settings, weight = 1 / n), n)
      private$check_sums()
    }
  ),
  private = list(
    of_copies = function(copies) list(reference = lapply(self$data_ref, slice_rows, copies)),
    value_name = function() "Contribution",
    is_exact = function() TRUE,
    has_ledger = function() TRUE,
    lossy = function() deep_lift_lossy(self),
    print_fields = function() {
      c(
        rule_name = self$rule_name,
        winner_takes_all = format(self$winner_takes_all),
        maxpool = self$maxpool,
        data_ref = paste0(
          nrow(self$data_ref[[1]]), " reference(s) of at most ", self$limit_ref, ", ",
          format_reference(self$data_ref)
        )
      )
    }
  )
)

#' @rdname DeepSHAP
#' @eval param_doc("converter")
#' @eval param_doc("data")
#' @param ... Passed on to `DeepSHAP$new()`.
#' @return An object of class `DeepSHAP`.
#' @export
run_deepshap <- function(converter, data, ...) DeepSHAP$new(converter, data, ...)
