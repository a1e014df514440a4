#' A trained model as a named list
#'
#' Turns a fitted model into the named list that [Converter] documents: the structure, the weights
#' and the names. `Converter$new()` and [convert()] call it; call it yourself to look at a model or
#' to edit it. A package can teach innsight its own class by a method.
#'
#' * The inputs are the columns the network itself sees: those of the model matrix (without the
#'   intercept) for `nnet::nnet()` and `nnet::multinom()`, so factors enter as their dummy columns,
#'   see `colnames(model.matrix(fit, data))`.
#' * Preprocessing around the network, such as that of caret's `train()` or the recipe of a
#'   workflow, is not a part of it. A warning says how to bring the data into the form that the
#'   network sees.
#' * The rows of parsnip, workflows, tune, mlr3, brulee, cito, deepnet and RSNNS follow the
#'   structure of their objects as documented; they are tested with objects made by hand.
#' * A custom activation of `neuralnet::neuralnet()` is recognised by its values. One that is none
#'   of the package's functions is an error.
#' * A `caret::pcaNNet()` network for classes has no softmax at its end; caret scales its outputs to
#'   probabilities, innsight explains them as they are.
#' * `brulee` and `cito` fits are read without torch. The outputs of a `cito` network are its
#'   response where the loss tells it (probabilities for the losses `"cross-entropy"`, `"softmax"`
#'   and `"binomial"`), else the link, with a warning.
#' * Modules of torch and fits of luz. A `torch::nn_sequential()`, nested ones as well, is read
#'   module by module; what does not fit in there, and any other module, is run once on an input of
#'   zeros by `torch::jit_trace()` in evaluation mode, and the operations it goes through are
#'   converted. That needs `input_dim` and the live module; what `forward()` decides from the values
#'   of its input is fixed to what it did then. The module itself, its state and its running
#'   statistics stay as they are. The name of a layer is the path of its module.
#' * Keras models are sequential or functional ones, nested ones and shared layers included. The
#'   networks are channels first here, so give data of a `channels_last` model with
#'   `channels_first = FALSE`.
#' * Files are told by their first bytes, not by their names, and read without Python, TensorFlow
#'   or torch.
#'
#' @eval source_table()
#'
#' @param model A fitted model, or the path of a model file.
#' @param ... Passed on to the method. Models that do not say the shape of their input take
#'   `input_dim`: the shape, channels first and without the batch axis, or a list of shapes, see
#'   [Converter].
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
  if (missing(model)) {
    abort_arg(NULL, "a fitted model, a file or a named list", "model", rlang::current_env())
  }
  UseMethod("as_model_list")
}

#' @export
as_model_list.list <- function(model, ...) {
  # deepnet's networks have no class.
  if (is_deepnet(model)) deepnet_model_list(model) else model
}

#' @param within The object `model` was found in.
#' @noRd
#' @export
as_model_list.default <- function(model, ..., within = NULL) {
  # Lists of another class that hold the documented entries, e.g. made by another package.
  if (is.list(model) && is.list(unclass(model)[["layers"]])) {
    return(unclass(model))
  }
  given <- describe(model)
  if (!is.null(within)) given <- paste0(describe(within), ", which holds ", given)
  sources <- setdiff(model_sources[, "source"], c("Named list", "Files"))
  abort_model(
    c("{.arg model} must be a model that innsight can convert.",
      x = "You gave {given}.",
      i = "Accepted are named lists (see {.help innsight::Converter}), model files and neural \\
           networks of {sources}.",
      i = "See {.help innsight::as_model_list} for what is supported of each.",
      i = "A package can add its class by a method of that function.")
  )
}

#' @noRd
abort_model <- function(message, .envir = rlang::caller_env()) {
  innsight_abort(message, "model", call = quote(as_model_list(model)), .envir = .envir)
}

#' The model list of the fit that `model` holds
#'
#' @param within What holds `model`, if anything does.
#' @param how_to_fit What the user has to do if there is none.
#' @param outcome Name of the outcome, where the fit has only a placeholder for it.
#' @noRd
unwrap <- function(fit, model, ..., within = NULL, how_to_fit, outcome = NULL) {
  if (is.null(fit)) {
    abort_model(c("{.arg model} must be a fitted model.",
                  x = "You gave {describe(model)}, which holds no fit.", i = how_to_fit))
  }
  net <- as_model_list(fit, ..., within = within %||% model)
  if (identical(unlist(net$output_names), ".outcome")) {
    net$output_names <- layer_names(outcome, 1L)
  }
  net
}

#' @param how_to Code that transforms data, as text.
#' @noRd
warn_preprocessing <- function(what, how_to) {
  innsight_warn(
    c("{what} is not a part of the converted network.",
      i = "Give the methods data that went through it: {.code {how_to}}"),
    "preprocessing"
  )
}

#' The names of a layer's nodes, or `NULL` if their number is not that of the nodes
#' @noRd
layer_names <- function(names, n) {
  if (length(names) == n && !anyNA(names)) list(list(as.character(names)))
}

#' A model list of inputs and outputs without further axes, with names
#'
#' @param net A list of linked_model(), or layers that feed each other in a row, the first and the
#'   last of them dense.
#' @param input_names,output_names Names, if the model knows them; others than one for each node are
#'   left out.
#' @noRd
dense_model <- function(net, input_names = NULL, output_names = NULL) {
  if (is.null(net[["layers"]])) net <- chain_model(net, list(ncol(net[[1L]]$weight)))
  net$input_names <- layer_names(input_names, net$input_dim[[1L]])
  net$output_names <- layer_names(output_names, nrow(net$layers[[net$output_nodes]]$weight))
  net
}

#' @param activation Name of the activation, or a list of name and arguments.
#' @noRd
dense_layer <- function(weight, bias, activation) {
  c(list(type = "Dense", weight = unname(weight), bias = as.vector(bias),
         activation_name = activation[[1L]]),
    if (length(activation) > 1L) list(activation_args = activation[[2L]]))
}

#' Dense layers from the parameters of a torch module of linear layers
#'
#' @param state Named list of arrays in the order of the layers: `<layer>.weight` (out x in) and
#'   `<layer>.bias`.
#' @param hidden Names of the hidden layers' activations as torch has them, recycled.
#' @param output Activation of the last layer.
#' @noRd
linear_layers <- function(state, hidden, output) {
  names <- names(state) %||% rep("", length(state))
  parts <- sub("\\.(weight|bias)$", "", names)
  layers <- unique(parts)
  ranks <- vapply(state, function(x) length(dim(x)), 0L)
  is_weight <- endsWith(names, ".weight")
  odd <- names[!(is_weight & ranks == 2L | endsWith(names, ".bias") & ranks < 2L)]
  if (length(odd) || !setequal(parts[is_weight], layers) || length(layers) == 0L) {
    abort_model(c("{.arg model} must be a network of linear layers.",
                  x = if (length(odd)) "It has other parameters too: {.val {odd}}."))
  }
  hidden <- as.character(rep_len(hidden, length(layers) - 1L))
  known <- c("linear", names(grep("^Activation ", torch_becomes, value = TRUE)))
  unknown <- setdiff(hidden, known)
  if (length(unknown)) {
    abort_model(c("{.arg model} must have activations that innsight knows.",
                  x = "Not known {?is/are} {.val {unknown}}.",
                  i = "Known are {.val {known}}."))
  }
  unname(Map(function(layer, activation) {
    dense_layer(state[[paste0(layer, ".weight")]], state[[paste0(layer, ".bias")]], activation)
  }, layers, c(lapply(hidden, torch_function), output)))
}
