#' Converter: a trained network, ready to be explained
#'
#' @description
#' Turns a trained neural network into the form all methods of the package work on. [convert()] is
#' the same as `Converter$new()`.
#'
#' Sources are fits and model files of Keras, torch, ONNX and other packages (see
#' [as_model_list()]) and the named list described below.
#'
#' A converter can be saved by `saveRDS()`, cloned and sent to the workers of parallel packages; the
#' engine's part is rebuilt there on first use.
#'
#' @section A model as a named list:
#' | entry | meaning |
#' |---|---|
#' | `layers` | list of layers; the positions are their indices |
#' | `input_dim` | shape of the input, channels first, without the batch axis, e.g. `4` or `c(3, 32, 32)`; a list of shapes for several inputs |
#' | `input_nodes` | indices of the layers that take the inputs, in the order of `input_dim` (with a warning: those with a 0 in `input_layers`) |
#' | `output_nodes` | indices of the output layers (with a warning: those with a -1 in `output_layers`) |
#' | `input_names`, `output_names` | optional names, see the arguments |
#' | `output_dim` | optional, checked |
#'
#' Every layer is a list with `type`, `input_layers` (indices of the layers that feed it, 0 = model
#' input; missing with a warning: the layer before), `output_layers` (indices of the layers it
#' feeds, -1 = model output; missing with a warning: the layers that name it as input) and
#' optionally a `name` for messages and the shapes `dim_in` and `dim_out`, which are checked.
#' Links must be given on both sides. The only input of a model may feed any number of layers; one
#' of several inputs that feeds several layers is taken by a `Skipping` layer. The fields by type
#' (`=` gives the default):
#'
#' | type | fields |
#' |---|---|
#' | `Dense` | `weight` (out x in), `bias`, `activation_name`, `activation_args` |
#' | `Conv1D` | `weight` (out, in / groups, length), `bias`, `activation_name`, `activation_args`, `stride = 1`, `padding = 0` (1 value, or left, right, or `"same"`), `dilation = 1`, `groups = 1`, `padding_mode = "zeros"` (`"reflect"`, `"replicate"`, `"circular"`) |
#' | `Conv2D` | the same; `weight` (out, in / groups, height, width); `stride`, `dilation` 1 value or (height, width); `padding` 1 value, 2 (left and right, top and bottom), 4 (left, right, top, bottom) or `"same"` |
#' | `ConvTranspose1D` | `weight` (in, out / groups, length), `bias`, `activation_name`, `activation_args`, `stride = 1`, `padding = 0` (cells taken away from the result: 1 value or left, right), `output_padding = 0` (cells added at the end; less than `stride` or `dilation`), `dilation = 1`, `groups = 1` |
#' | `ConvTranspose2D` | the same; `weight` (in, out / groups, height, width); values by axis as for `Conv2D` |
#' | `MaxPooling1D`, `MaxPooling2D` | `kernel_size`, `strides = kernel_size`, `padding = 0` (or `"same"`), `dilation = 1`, `ceil_mode = FALSE`; or `output_size`, the number of windows, in place of `kernel_size` and `strides` (a divisor of the input's extent) |
#' | `AveragePooling1D`, `AveragePooling2D` | the same without `dilation`; `count_include_pad = TRUE`; `output_size` may be any |
#' | `GlobalPooling` | `method`: `"average"` or `"max"` |
#' | `BatchNorm` | `gamma`, `run_mean`, `run_var`, `eps`, `beta = 0`, `num_features` |
#' | `LayerNorm` | `gamma = NULL`, `beta = NULL` (arrays with the extents of `axes`; `NULL` stands for 1 and 0), `eps = 1e-5`, `axes` (the axes that are normalised together, all but the batch by default, which is 1) |
#' | `GroupNorm` | `num_groups`, `gamma = NULL`, `beta = NULL` (one value a channel), `eps = 1e-5` |
#' | `InstanceNorm` | `gamma = NULL`, `beta = NULL` (one value a channel), `eps = 1e-5` |
#' | `Flatten` | `start_dim = 2`, `end_dim = -1` (the batch axis is 1), `order`: `"channels_first"`, `"channels_last"` or `"call"` (the default: as `channels_first` of the call says) |
#' | `Reshape` | `target` (shape of the result, channels first and without the batch axis; one may be -1), `order` as for `Flatten`: whether cells are counted with the channel axis first or last |
#' | `Permute` | `axes`: the axes of the input in their new order, the batch axis, 1, left out |
#' | `Slice` | `axis` (the batch axis is 1, -1 = last), `start = 1`, `end = -1`: first and last cell, negative ones from the end |
#' | `Upsampling1D`, `Upsampling2D` | `size` (1 value or height, width): how often every cell is repeated |
#' | `Padding` | `padding` (left, right) or (left, right, top, bottom), `mode = "constant"` (`"reflect"`, `"replicate"`, `"circular"`), `value = 0` |
#' | `Concatenate` | `axis`: 2 = channels or features, -1 = last |
#' | `Add` | none; any number of inputs of the same shape, or with extents of 1 |
#' | `Multiply` | none; any number of inputs of the same shape, or with extents of 1 |
#' | `Scale` | `scale = NULL`, `shift = NULL` (`NULL` stands for 1 and 0): 1 value, one a channel, or an array whose extents are the input's or 1 |
#' | `PReLU` | `weight`: the slope below 0, in one of the forms of `scale` |
#' | `Activation` | `act_name`, `activation_args` |
#' | `Skipping` | none; passes its input on |
#'
#' `padding = "same"` pads so that there is one window for every `stride` cells, the smaller half
#' in front, as TensorFlow does.
#'
#' `bias = NULL` means none. Weights are numeric arrays, torch tensors, or raw vectors of row-major
#' little-endian 32-bit floats that carry their shape in the attribute `shape`. Files and
#' deep-learning frameworks give single-precision weights of class `innsight_f32`; `as.array()`
#' makes numbers of them.
#'
#' @eval activation_table()
#'
#' @section Errors:
#' Errors have the class `innsight_error` and one of `innsight_error_argument`,
#' `innsight_error_model` (an unknown type, field or activation), `innsight_error_graph` (links,
#' cycles), `innsight_error_shape` and `innsight_error_weights` (missing or infinite weights).
#'
#' @references N. Koenen, M. N. Wright (2024). Interpreting Deep Neural Networks with the Package
#'   innsight. *Journal of Statistical Software* 111(8). \doi{10.18637/jss.v111.i08}
#' @seealso [ConvertedModel] for `$model`, [as_model_list()].
#' @export
#' @examples
#' net <- list(
#'   input_dim = 2, input_nodes = 1, output_nodes = 2,
#'   layers = list(
#'     list(type = "Dense", weight = matrix(c(1, 0.5, -1, 2), 2), bias = c(0, 0.1),
#'          activation_name = "relu", input_layers = 0, output_layers = 2),
#'     list(type = "Dense", weight = matrix(c(1, -1), 1), bias = 0,
#'          activation_name = "tanh", input_layers = 1, output_layers = -1)
#'   )
#' )
#' converter <- convert(net, input_names = c("a", "b"))
#' converter
#' predict(converter, matrix(c(1, 0, 2, 1), 2))
Converter <- R6Class(
  "Converter",
  public = list(
    #' @field model The converted network, a function; see [ConvertedModel].
    model = NULL,
    #' @field input_dim List (input layer) of integer vectors, channels first.
    input_dim = NULL,
    #' @field input_names List (input layer) of lists (axis) of factors.
    input_names = NULL,
    #' @field output_dim List (output layer) of integers.
    output_dim = NULL,
    #' @field output_names List (output layer) of lists (one axis) of factors.
    output_names = NULL,
    #' @field model_as_list `NULL`, or the complete named list if asked for. It can be edited and
    #'   converted again.
    model_as_list = NULL,

    #' @description Convert a model.
    #' @param model A fitted model, the path of a model file, or a named list.
    #' @param input_dim Shape of the input, channels first and without the batch axis, or a list of
    #'   shapes. Checked against the model. Models of torch do not know it, so it must be given for
    #'   them; only what starts with a linear layer, or flattens an image or signal before a linear
    #'   layer, does without (with a warning where the smallest square that fits is taken).
    #' @param input_names Names of the input features: a character vector or factor, a list with
    #'   one per axis (channels, height, width), or a list of such lists, one per input layer. The
    #'   levels of a factor decide the order in plots. By default the model's own names, else
    #'   `X1, ...`, `C1, ...` and `L1, ...`, or `C1, ...`, `H1, ...` and `W1, ...`.
    #' @param output_names Names of the output nodes: a character vector or factor, or a list with
    #'   one per output layer. By default the model's own names, else `Y1, ...`.
    #' @param dtype `"float"` (32 bit) or `"double"`: precision of `$model()` and `predict()`.
    #' @param save_model_as_list Keep the named list in `$model_as_list`?
    #' @param weights `NULL`, or the weights of a named list that is given without: the path of a
    #'   `.safetensors` file or of an R torch state_dict (`torch_save(net$state_dict(), path)`), or
    #'   a named list of arrays. A layer with `name = "features.0"` takes the tensors
    #'   `"features.0.weight"` and `"features.0.bias"`, a batch norm also
    #'   `"features.0.running_mean"` and `"features.0.running_var"`.
    #' @return A `Converter`.
    initialize = function(model, input_dim = NULL, input_names = NULL, output_names = NULL,
                          dtype = "float", save_model_as_list = FALSE, weights = NULL) {
      call <- rlang::caller_env()
      if (missing(model)) {
        abort_arg(NULL, "a fitted model, a file or a named list", "model", call)
      }
      if (!is.null(input_dim)) input_dim <- check_shapes(input_dim, call = call)
      if (!is.null(input_names)) input_names <- normalise_names(input_names, call = call)
      if (!is.null(output_names)) {
        output_names <- normalise_names(output_names, per_layer = TRUE, call = call)
      }
      check_choice(dtype, c("float", "double"), call = call)
      check_flag(save_model_as_list, call = call)

      model <- as_model_list(model, input_dim = input_dim)
      if (!is.null(weights)) model <- fill_weights(model, weights, call)
      net <- normalise_model(model, call)
      if (!is.null(input_dim) && !identical(input_dim, net$input_dim)) {
        innsight_abort(
          c("{.arg input_dim} must agree with the model.",
            x = "You gave {format_shapes(input_dim)}, the model has \\
                 {format_shapes(net$input_dim)}.",
            i = "Shapes are channels first and without the batch axis."),
          "shape",
          call = call
        )
      }
      net$input_names <- model_names(
        input_names, net$input_names, net$input_dim, "input_names", call
      )
      self$model <- converted_model(net, dtype)
      info <- network_info(self, call)
      net <- resolve_shapes(net, info, call)
      net$output_names <- model_names(
        output_names, net$output_names, net$output_dim, "output_names", call
      )
      net <- structure(net[model_entries], class = class(net))
      environment(self$model)$net <- net
      set_modules(self$model, info)

      self$input_dim <- net$input_dim
      self$input_names <- net$input_names
      self$output_dim <- net$output_dim
      self$output_names <- net$output_names
      if (save_model_as_list) self$model_as_list <- net
    },

    #' @description Print shapes, names and layers.
    #' @param ... Unused.
    #' @return The converter, invisibly.
    print = function(...) {
      cat(
        cli::rule("Converter (innsight)"),
        paste("input_dim: ", format_shapes(self$input_dim, batch = TRUE)),
        paste("output_dim:", format_shapes(self$output_dim, batch = TRUE)),
        "input_names:",
        format_names(self$input_names, "Input", list(
          "Feature", c("Channels", "Signal length"), c("Channels", "Image height", "Image width")
        )),
        "output_names:",
        format_names(self$output_names, "Output", list("Output node/Class")),
        paste("model_as_list:", if (is.null(self$model_as_list)) "not included" else "included"),
        "model:",
        sprintf("%4d. %s", seq_along(self$model$modules_list),
                vapply(self$model$modules_list, describe_layer, "")),
        sep = "\n"
      )
      invisible(self)
    }
  )
)

#' Convert a trained network
#'
#' The same as `Converter$new(model, ...)`, for use in a pipe.
#'
#' @param model A fitted model, the path of a model file or a named list, see [Converter].
#' @param ... Further arguments of `Converter$new()`: `input_dim`, `input_names`, `output_names`,
#'   `dtype`, `save_model_as_list` and `weights`.
#' @return A [Converter].
#' @export
#' @examplesIf requireNamespace("nnet", quietly = TRUE)
#' fit <- nnet::nnet(Species ~ ., iris, size = 3, trace = FALSE)
#' convert(fit)
convert <- function(model, ...) {
  Converter$new(model, ...)
}

#' Predictions of a converted network
#'
#' @param object A [Converter].
#' @param newdata A matrix, array or data frame of shape (N, dims), or a list of these, one per
#'   input layer.
#' @param channels_first Is the channel axis of `newdata` the second one (or is there none)? `FALSE`
#'   means it is the last one.
#' @param ... Unused.
#' @return A matrix (N x output nodes) with the names of the nodes as column names; a list of
#'   matrices if the network has several output layers.
#' @export
#' @examplesIf requireNamespace("nnet", quietly = TRUE)
#' fit <- nnet::nnet(Species ~ ., iris, size = 3, trace = FALSE)
#' predict(convert(fit), iris[c(1, 51, 101), 1:4])
predict.Converter <- function(object, newdata, channels_first = TRUE, ...) {
  if (missing(newdata)) {
    abort_arg(NULL, "the data to predict for", "newdata", rlang::current_env())
  }
  rlang::check_dots_empty()
  check_flag(channels_first)
  x <- as_input_arrays(newdata, object$input_dim, channels_first, "newdata")
  result <- network_predict(object, x, channels_first, object$model$dtype)
  rows <- dimnames(x[[1L]])[[1L]]
  result <- Map(function(values, names) {
    dimnames(values) <- list(rows, as.character(names[[1L]]))
    values
  }, result, object$output_names)
  if (length(result) == 1L) result[[1L]] else result
}

#' Names from the argument, else from the model, else made up
#' @noRd
model_names <- function(given, own, dims, arg, call) {
  output <- arg == "output_names"
  names <- given
  if (is.null(names) && !is.null(own)) {
    arg <- paste0("model$", arg)
    names <- normalise_names(own, per_layer = output, arg = arg, call = call)
  }
  if (is.null(names)) {
    return(default_names(dims, if (output) "Y" else "X"))
  }
  check_names(names, dims, arg, call)
}

#' Compare the shapes a list gives with those the engine has found, and fill them in
#' @noRd
resolve_shapes <- function(net, info, call) {
  differ <- function(what, given, computed) {
    innsight_abort(
      c("{what} must agree with the shapes of the layers.",
        x = "It is {format_shapes(given)}, computed is {format_shapes(computed)}."),
      "shape",
      call = call
    )
  }
  for (i in seq_along(net$layers)) {
    layer <- net$layers[[i]]
    computed <- lapply(info$layers[[i]]$input_dim, as.integer)
    given <- if (is.list(layer$dim_in)) layer$dim_in else list(layer$dim_in)
    if (length(given) == 1L) given <- rep(given, length(computed))
    if (!is.null(layer$dim_in) && !identical(given, computed)) {
      differ(sprintf("%s: `dim_in`", layer_label(i, layer)), given, computed)
    }
    out <- as.integer(info$layers[[i]]$output_dim)
    if (!is.null(layer$dim_out) && !identical(layer$dim_out, out)) {
      differ(sprintf("%s: `dim_out`", layer_label(i, layer)), list(layer$dim_out), list(out))
    }
    merges <- layer$type %in% merging_types
    net$layers[[i]]$dim_in <- if (merges) computed else computed[[1L]]
    net$layers[[i]]$dim_out <- out
  }
  output_dim <- lapply(info$output_dim, as.integer)
  if (!is.null(net$output_dim) && !identical(net$output_dim, output_dim)) {
    differ("`output_dim` of the model", net$output_dim, output_dim)
  }
  net$output_dim <- output_dim
  net
}

#' @noRd
format_names <- function(names, what, labels) {
  width <- floor(0.95 * getOption("width"))
  lines <- lapply(seq_along(names), function(i) {
    axes <- names[[i]]
    label <- if (length(axes) <= length(labels)) {
      labels[[length(axes)]]
    } else {
      paste("Axis", seq_along(axes))
    }
    lines <- sprintf("%s (%d): %s", label, lengths(axes), vapply(axes, function(axis) {
      paste(utils::head(axis, width), collapse = ", ")
    }, ""))
    if (length(names) > 1L) lines <- c(sprintf("%s layer %d:", what, i), paste0("  ", lines))
    cli::ansi_strtrim(paste0("  ", lines), width, "...")
  })
  unlist(lines)
}
