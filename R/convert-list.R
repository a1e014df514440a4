#' A trained model as a named list
#'
#' Turns a fitted model into the named list that [Converter] documents: the structure, the weights
#' and the names. `Converter$new()` and [convert()] call it; call it yourself to look at a model or
#' to edit it. A package can teach innsight its own class by a method.
#'
#' * A named list is returned as it is.
#' * `neuralnet::neuralnet()` fits: of several repetitions the one with the smallest error is taken;
#'   excluded weights are 0. Custom activation functions are an error.
#' * `nnet::nnet()` and `nnet::multinom()` fits, with skip-layer connections and without a hidden
#'   layer as well. The inputs are the columns of the model matrix (without the intercept), so
#'   factors enter as their dummy columns; see `colnames(model.matrix(fit, data))`.
#' * Modules of torch and fits of luz. A `torch::nn_sequential()`, nested ones as well, is read
#'   module by module; what does not fit in there, and any other module, is run once on an input of
#'   zeros by `torch::jit_trace()` in evaluation mode, and the operations it goes through are
#'   converted. That needs `input_dim` and the live module; what `forward()` decides from the values
#'   of its input is fixed to what it did then. The module itself, its state and its running
#'   statistics stay as they are. The name of a layer is the path of its module.
#' * Files of `torch::torch_save()` (torch 0.12 or later) that hold an `nn_sequential`; the package
#'   torch is not needed.
#'
#' @param model A fitted model, or the path of a model file.
#' @param ... For models of torch `input_dim`: the shape of the input, channels first and without
#'   the batch axis, or a list of shapes, see [Converter].
#' @return A named list with `input_dim`, `input_nodes`, `output_nodes`, `layers` and, where the
#'   model knows them, `input_names` and `output_names`.
#' @export
#' @examples
#' fit <- list(
#'   input_dim = 2, input_nodes = 1, output_nodes = 1,
#'   layers = list(list(
#'     type = "Dense", weight = matrix(c(1, -1), 1), bias = 0, activation_name = "tanh",
#'     input_layers = 0, output_layers = -1
#'   ))
#' )
#' str(as_model_list(fit))
as_model_list <- function(model, ...) {
  UseMethod("as_model_list")
}

#' @export
as_model_list.list <- function(model, ...) model

#' @export
as_model_list.default <- function(model, ...) {
  # Lists of another class that hold the documented entries, e.g. made by another package.
  if (is.list(model) && is.list(model[["layers"]])) {
    return(unclass(model))
  }
  later <- inherits(model, "python.builtin.object")
  given <- describe(model)
  innsight_abort(
    c("{.arg model} must be a model that innsight can convert.",
      x = "You gave {given}.",
      i = if (later) {
        "Models of keras cannot be converted yet; give them as a named list."
      },
      i = "Accepted are named lists (see {.help innsight::Converter}), fits of \\
           {.fn neuralnet::neuralnet}, {.fn nnet::nnet}, {.fn nnet::multinom} and luz, and \\
           modules of torch.",
      i = "A package can add its class by a method of {.fn innsight::as_model_list}."),
    "model",
    call = quote(as_model_list(model))
  )
}

#' A chain of layers as a model list
#'
#' @param layers Layers without links, each feeding the next.
#' @noRd
chain_model <- function(layers, input_dim, input_names = NULL, output_names = NULL) {
  n <- length(layers)
  layers <- Map(function(layer, i) {
    c(layer, list(input_layers = i - 1L, output_layers = if (i == n) -1L else i + 1L))
  }, layers, seq_len(n))
  list(
    input_dim = list(as.integer(input_dim)), input_names = input_names, input_nodes = 1L,
    output_names = output_names, output_nodes = n, layers = layers
  )
}

#' @noRd
dense_layer <- function(weight, bias, activation) {
  list(type = "Dense", weight = unname(weight), bias = as.vector(bias),
       activation_name = activation)
}
