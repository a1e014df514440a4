# A fit of luz is a list around the torch module.

#' @export
as_model_list.luz_module_fitted <- function(model, ...) {
  module <- unclass(model)$model
  if (!inherits(module, "nn_module")) {
    innsight_abort(
      c("{.arg model} must be a luz fit that holds its module.",
        x = "Its entry {.field model} is missing.",
        i = "Restore it by {.fn luz::luz_load} if it comes from a file."),
      "model",
      call = quote(as_model_list(model))
    )
  }
  as_model_list(module, ...)
}
