#' Methods for any model
#'
#' @description
#' The base class of [LIME] and [SHAP], which need nothing of a model but its predictions. It checks
#' the arguments they share, predicts for the data and keeps how to predict for further rows. It
#' computes no attributions itself.
#'
#' @eval agnostic_doc("model")
#' @eval param_doc("data")
#' @eval agnostic_doc("data_ref")
#' @eval agnostic_doc("output_type")
#' @eval agnostic_doc("pred_fun")
#' @eval param_doc("output_idx")
#' @eval param_doc("output_label")
#' @eval param_doc("channels_first")
#' @eval agnostic_doc("input_dim")
#' @eval agnostic_doc("input_names")
#' @eval agnostic_doc("output_names")
#'
#' @details
#' The model has one input layer and one output layer. Without `pred_fun` it is converted (see
#' [convert()]), and the engine predicts with the `dtype` the converter was made with. These methods
#' explain the predictions, that is the values after the last activation.
#'
#' If there is a `pred_fun`, the field `converter` is a list of what is known of the model, in the
#' form of a [Converter]: `input_dim`, `input_names`, `output_dim` and `output_names`.
#'
#' The rows a method works on at a time are kept within `options(innsight.memory = )`, see
#' [innsight-options].
#' @keywords internal
#' @export
AgnosticWrapper <- R6::R6Class("AgnosticWrapper",
  inherit = InterpretingMethod,
  public = list(
    #' @field data_orig The argument `data` as given.
    data_orig = NULL,
    #' @field data_ref The reference data as a list with one array.
    data_ref = NULL,
    #' @field output_type `"classification"` or `"regression"`.
    output_type = NULL,
    #' @field pred_fun The argument as given.
    pred_fun = NULL,

    #' @description Check and keep the arguments, and predict.
    initialize = function(model, data, data_ref, output_type = NULL, pred_fun = NULL,
                          output_idx = NULL, output_label = NULL, channels_first = TRUE,
                          input_dim = NULL, input_names = NULL, output_names = NULL) {
      call <- private$call()
      if (missing(model)) {
        abort_arg(NULL, "the model to explain", "model", call)
      }
      if (missing(data)) {
        abort_arg(NULL, "the data points to explain", "data", call)
      }
      data_ref <- if (!missing(data_ref)) data_ref
      if (is.null(data_ref) && private$needs_reference) {
        abort_arg(NULL, "reference data, e.g. those the model was trained on", "data_ref", call)
      }
      check_flag(channels_first, call = call)
      if (!is.null(pred_fun)) check_pred_fun(pred_fun, call)
      self$output_type <- check_output_type(output_type, pred_fun, call)
      converter <- single_layer_converter(model, pred_fun, call)
      example <- only_array(data_ref %||% data)
      shape <- agnostic_shape(
        input_dim, converter, example, if (is.null(data_ref)) "data" else "data_ref",
        channels_first, call
      )
      data_arrays <- as_input_arrays(data, list(shape), channels_first, call = call)
      if (!is.null(data_ref)) {
        self$data_ref <- as_input_arrays(
          data_ref, list(shape), channels_first, "data_ref", call
        )
      }
      columns <- if (is.matrix(example) || is.data.frame(example)) colnames(example)
      input_names <- agnostic_names(
        input_names, columns, converter$input_names, list(shape), "input_names", call
      )

      if (is.null(pred_fun)) {
        private$predictor <- converter_predictor(
          converter, dim(data_arrays[[1]])[-1], channels_first, call
        )
        self$output_type <- self$output_type %||% converter_output_type(converter, call)
      } else {
        private$predictor <- custom_predictor(
          pred_fun, shape, data_frame_names(data_arrays[[1]], input_names), call
        )
      }
      preds <- private$predictor(as_rows(data_arrays[[1]]))
      output_names <- agnostic_names(
        output_names, colnames(preds), if (is.null(pred_fun)) converter$output_names,
        list(ncol(preds)), "output_names", call
      )

      names <- list(input_names = input_names, output_names = output_names)
      if (is.null(pred_fun)) {
        dtype <- converter$model$dtype
        if (!identical(names, mget(names(names), envir = converter))) {
          converter <- list2env(names, converter$clone())
        }
      } else {
        dtype <- "float"
        converter <- c(list(input_dim = list(shape), output_dim = list(ncol(preds))), names)
      }
      super$initialize(
        converter, data_arrays, channels_first, output_idx, output_label,
        ignore_last_act = FALSE, verbose = FALSE, dtype = dtype
      )
      self$data_orig <- data
      self$pred_fun <- pred_fun
      self$preds <- list(unname(preds[, self$output_idx[[1]], drop = FALSE]))
    }
  ),
  private = list(
    needs_reference = FALSE,
    predictor = NULL,

    accepts = function(converter) TRUE,

    # The selected outputs (rows x nodes) for a matrix with one row per data point.
    predict = function(rows) {
      values <- private$predictor(rows)
      n_out <- self$converter$output_dim[[1]]
      if (ncol(values) != n_out) {
        innsight_abort(
          c("{.arg pred_fun} must return the same number of outputs at every call.",
            x = "It returned {ncol(values)} for {nrow(rows)} row{?s}, and {n_out} before."),
          "shape",
          call = private$call()
        )
      }
      values[, self$output_idx[[1]], drop = FALSE]
    },

    # Keeps an array (data points, features, nodes) as the result.
    keep = function(values) {
      shape <- dim(self$data[[1]])
      self$result <- list(list(array(values, c(shape, dim(values)[3]))))
    }
  )
)

# --- The model ------------------------------------------------------------------------------------

# The model as a Converter with one input and one output layer; NULL if `pred_fun` stands for it.
single_layer_converter <- function(model, pred_fun, call) {
  converter <- if (inherits(model, "Converter")) {
    model
  } else if (is.null(pred_fun)) {
    tryCatch(convert(model), innsight_error = function(error) {
      innsight_abort(
        c("{.arg model} must be one that innsight can convert, or {.arg pred_fun} must be given.",
          i = "With {.code pred_fun = function(newdata, ...) ...}, any model can be explained."),
        "model",
        call = call,
        parent = error
      )
    })
  }
  counts <- lengths(list(converter$input_dim, converter$output_dim))
  if (any(counts > 1)) {
    innsight_abort(
      c("{.arg model} must have one input layer and one output layer for this method.",
        x = "It has {counts[1]} input layer{?s} and {counts[2]} output layer{?s}."),
      "model",
      call = call
    )
  }
  converter
}

# Predictions for a matrix with one row per data point, `shape` in the layout of the data.
converter_predictor <- function(converter, shape, channels_first, call) {
  function(rows) {
    dim(rows) <- c(nrow(rows), shape)
    network_predict(converter, list(rows), channels_first, converter$model$dtype, call)[[1]]
  }
}

# Bounded activations at all outputs say classification.
converter_output_type <- function(converter, call) {
  bounded <- c("softmax", "sigmoid", "tanh", "logistic")
  activations <- unlist(network_info(converter, call)$activations)
  if (all(activations %in% bounded)) "classification" else "regression"
}

check_output_type <- function(output_type, pred_fun, call) {
  if (is.null(output_type) && is.null(pred_fun)) {
    return(NULL)
  }
  check_choice(output_type, c("classification", "regression"), call = call)
}

# --- A prediction function of the user ------------------------------------------------------------

argument_names <- function(f) names(formals(args(f)))

check_pred_fun <- function(pred_fun, call) {
  check_function(pred_fun, call = call)
  if (!identical(argument_names(pred_fun)[1], "newdata")) {
    innsight_abort(
      c("The first argument of {.arg pred_fun} must be called {.arg newdata}.",
        x = "Its arguments are {.arg {argument_names(pred_fun)}}.",
        i = "For example: {.code function(newdata, ...) predict(model, newdata)}."),
      "argument",
      call = call
    )
  }
}

custom_predictor <- function(pred_fun, shape, columns, call) {
  takes_shape <- any(c("input_dim", "...") %in% argument_names(pred_fun))
  function(rows) {
    newdata <- stats::setNames(as.data.frame(rows), columns)
    values <- tryCatch(
      if (takes_shape) pred_fun(newdata, input_dim = shape) else pred_fun(newdata),
      error = function(error) {
        innsight_abort(
          c("{.arg pred_fun} must predict for a data frame with one column per input value.",
            x = "It failed for {nrow(rows)} row{?s} and {ncol(rows)} column{?s}.",
            i = "It is called as {.code pred_fun(newdata, input_dim = )} and returns a matrix \\
                 (rows x outputs).",
            i = if (length(shape) > 1) {
              "Data points are flattened as by {.fn as.data.frame}; bring them back by \\
               {.code array(as.matrix(newdata), c(nrow(newdata), ...))}."
            }),
          "argument",
          call = call,
          parent = error
        )
      }
    )
    as_predictions(values, nrow(rows), call)
  }
}

# What `pred_fun` returned as a matrix (rows x outputs).
as_predictions <- function(values, n, call) {
  label <- "pred_fun(newdata)"
  values <- plain_array(values, label, call)
  if (length(dim(values)) < 2) {
    values <- if (n == 1) rbind(values, deparse.level = 0) else cbind(values, deparse.level = 0)
  }
  if (length(dim(values)) != 2 || nrow(values) != n || ncol(values) < 1) {
    abort_arg(values, sprintf("a matrix with %d rows, one per row of `newdata`", n), label, call,
              kind = "shape")
  }
  if (!all(is.finite(values))) {
    innsight_abort(
      c("{.code {label}} must be finite.",
        x = "It holds {.val {values[!is.finite(values)][1]}}."),
      "argument",
      call = call
    )
  }
  values
}

# The column names of `newdata`: names of features, or those as.data.frame() gives an array.
data_frame_names <- function(example, input_names) {
  axes <- input_names[[1]]
  if (length(axes) == 1) as.character(axes[[1]]) else names(as.data.frame(slice_rows(example, 1)))
}

# --- Shapes and names -----------------------------------------------------------------------------

# The data as one row per data point, in the order of as.data.frame().
as_rows <- function(x) {
  dim(x) <- c(nrow(x), length(x) / nrow(x))
  x
}

only_array <- function(x) {
  if (is.list(x) && !is.object(x) && length(x) == 1) x[[1]] else x
}

# The shape of a data point, channels first: the model's, the one given, or that of the data.
agnostic_shape <- function(input_dim, converter, example, arg, channels_first, call) {
  if (!is.null(input_dim)) {
    input_dim <- check_shapes(input_dim, call = call)
    if (length(input_dim) > 1) {
      abort_arg(input_dim, "the shape of the only input layer", "input_dim", call)
    }
  }
  own <- converter$input_dim
  if (is.null(own) && is.null(input_dim)) {
    if (is.list(example) && !is.object(example)) {
      abort_arg(example, "one array, since the model has one input layer", arg, call,
                kind = "shape")
    }
    shape <- dim(plain_array(example, arg, call))[-1]
    if (length(shape) == 0 || any(shape < 1)) {
      abort_arg(example, "a matrix, array or data frame of shape (N, input_dim)", arg, call,
                kind = "shape")
    }
    return(if (channels_first) shape else shape[channels_first_order(length(shape))])
  }
  if (!is.null(own) && !is.null(input_dim) && !identical(own, input_dim)) {
    innsight_abort(
      c("{.arg input_dim} must agree with the model.",
        x = "You gave {format_shapes(input_dim)}, the model has {format_shapes(own)}.",
        i = "Shapes are channels first and without the batch axis."),
      "shape",
      call = call
    )
  }
  (own %||% input_dim)[[1]]
}

# The names given, else those found in the data or predictions, else the model's, else made up.
agnostic_names <- function(given, found, own, dims, arg, call) {
  if (is.null(given) && length(dims[[1]]) == 1) {
    known <- if (!is.null(own)) as.character(axis_names(own[[1]])[[1]])
    if (!identical(found, known)) given <- found
  }
  if (!is.null(given)) {
    given <- normalise_names(given, per_layer = arg == "output_names", arg = arg, call = call)
  }
  model_names(given, own, dims, arg, call)
}

# --- Engines --------------------------------------------------------------------------------------

# The package `other` computes instead of the algorithm built in only if it is asked for.
check_engine <- function(engine, other, call) {
  check_choice(engine, c("innsight", other), call = call)
  if (engine == other) {
    check_installed(
      other, "for {.code engine = \"{package}\"}",
      "{.code engine = \"innsight\"}, the default, needs no other package.", call
    )
  }
  engine
}

# The settings of a built-in algorithm: `defaults`, replaced by what `...` holds.
replace_defaults <- function(defaults, dots, call) {
  unknown <- setdiff(rlang::names2(dots), names(defaults))
  if (length(unknown)) {
    innsight_abort(
      c("{.arg ...} must hold only settings of the algorithm, by name.",
        x = "Unknown: {.val {unknown}}.",
        i = "Known are {.arg {names(defaults)}}."),
      "argument",
      call = call
    )
  }
  defaults[names(dots)] <- dots
  defaults
}

format_settings <- function(settings) {
  settings <- settings[lengths(settings) > 0]
  text <- \(x) if (is.atomic(x)) toString(x) else shorten(x)
  if (length(settings)) toString(paste(names(settings), vapply(settings, text, ""), sep = " = "))
}

# --- Documentation --------------------------------------------------------------------------------

# As param_doc(), for the arguments of this family.
agnostic_doc <- function(name) {
  texts <- c(
    model = "The model: a [Converter], anything that [convert()] takes (it is converted then), or
      any object together with a `pred_fun`.",
    data_ref = "The reference data, for example those the model was trained on: a matrix, array or
      data frame of shape `(R, input_dim)` in the layout of `data`.",
    output_type = "`\"classification\"` or `\"regression\"`. Must be given with a `pred_fun`;
      otherwise, a model whose outputs all have a softmax, sigmoid, logistic or tanh activation is
      one for classification.",
    pred_fun = "A function that predicts, used instead of the model's own predictions:
      `pred_fun(newdata, ...)`. `newdata` is a data frame with a row per data point and a column per
      input value, arrays flattened as `as.data.frame()` does it. The shape of a data point,
      channels first, is passed as `input_dim` if the function takes it. Returned is a matrix or
      data frame (rows x outputs), or a vector for a single output.",
    input_dim = "The shape of a data point, channels first and without the axis of data points.
      `NULL`: that of the model or else of `data_ref`.",
    input_names = "Names of the input values, see [Converter]. `NULL`: the column names of
      `data_ref`, else those of the model, else `X1`, ... (`C1`, ..., `H1`, ..., `W1`, ...).",
    output_names = "Names of the outputs. `NULL`: those of the model, or the column names of what
      `pred_fun` returns, else `Y1`, ..."
  )
  paste("@param", name, gsub("\\s+", " ", texts[[name]]))
}
