#' @export
as_model_list.nn <- function(model, ...) {
  # Repetitions that did not converge have no weights and no column in the matrix of results.
  fitted <- which(!vapply(model$weights, is.null, NA))
  errors <- if (is.matrix(model$result.matrix)) model$result.matrix["error", ]
  if (length(fitted) == 0L || length(errors) != length(fitted)) {
    abort_model(
      c("{.arg model} must be a fitted neural network.",
        x = "This {.cls nn} object holds no weights: the fit did not converge.",
        i = "Raise {.arg stepmax} or {.arg threshold} of {.fn neuralnet::neuralnet}.")
    )
  }
  weights <- model$weights[[fitted[which.min(errors)]]]
  weights <- lapply(weights, function(w) replace(w, is.na(w), 0))
  n <- length(weights)
  # Where there is no hidden layer, the activation of one need not be known.
  hidden <- if (n > 1L) neuralnet_activation(model$act.fct)
  output <- if (isTRUE(model$linear.output)) {
    "linear"
  } else {
    neuralnet_activation(model$output.act.fct %||% model$act.fct)
  }
  layers <- Map(function(w, i) {
    dense_layer(t(w[-1L, , drop = FALSE]), w[1L, ], if (i == n) output else hidden)
  }, weights, seq_len(n))
  inputs <- model$model.list$variables
  # Of one covariate the column has no name; of a factor the columns are not the variables.
  if (length(inputs) != nrow(weights[[1L]]) - 1L) inputs <- colnames(model$covariate)
  dense_model(layers, inputs, model$model.list$response)
}

neuralnet_activation <- function(fun) {
  type <- attr(fun, "type")
  known <- setdiff(names(capabilities()$activations), c("softmax", "log_softmax"))
  if (checkmate::test_choice(type, known)) {
    return(type)
  }
  recognise_activation(fun, known) %||% abort_model(
    c("The activation of a {.cls nn} fit must be one that innsight knows.",
      x = "It is a function of your own: {.code {describe_function(fun)}}.",
      i = "Known are {.val {known}}.",
      i = "A network with another one near to it can be given as a named list, see \\
           {.help innsight::Converter}.")
  )
}

describe_function <- function(fun) {
  text <- if (is.function(fun)) deparse1(body(fun) %||% fun) else describe(fun)
  cli::ansi_strtrim(paste(text, collapse = " "), 60L)
}

# The arguments a function of the user's must have if it is of that type, from some of its values.
fitted_arguments <- list(
  leaky_relu = function(f) list(negative_slope = -f(-1)),
  elu = function(f) list(alpha = f(-30) / expm1(-30)),
  softplus = function(f) list(beta = log(2) / f(0), threshold = 40),
  hard_tanh = function(f) list(min_val = f(-30), max_val = f(30)),
  hard_sigmoid = function(f) list(slope = (f(0.1) - f(0)) / 0.1, offset = f(0))
)

#' The activation of the engine that a function of the user's equals
#'
#' The values are compared on a grid so fine that agreement leaves the derivatives no room either.
#'
#' @return Name, or list of name and arguments; `NULL` if there is none.
#' @noRd
recognise_activation <- function(fun, known) {
  x <- c(-30, -1, 0, 0.1, 30, seq(-30, 30, by = 0.05), seq(-0.1, 0.1, by = 0.001))
  values <- suppressWarnings(tryCatch(fun(x), error = function(e) NULL))
  if (!is.numeric(values) || length(values) != length(x)) {
    return(NULL)
  }
  equals <- function(name, args = NULL) {
    net <- dense_model(list(dense_layer(diag(1), 0, list(name, args))))
    ours <- tryCatch(predict(Converter$new(net, dtype = "double"), matrix(x)),
                     innsight_error = function(e) NA)
    isTRUE(all(abs(ours - values) <= 1e-10 * (1 + abs(values))))
  }
  for (name in known) if (equals(name)) return(name)
  for (name in names(fitted_arguments)) {
    args <- fitted_arguments[[name]](function(at) values[match(at, x)])
    if (equals(name, args)) return(list(name, args))
  }
  NULL
}
