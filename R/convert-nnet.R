#' @export
as_model_list.nnet <- function(model, ...) {
  if (length(model$wts) == 0L || length(model$wts) != length(model$conn)) {
    abort_model(c("{.arg model} must be a fitted neural network.",
                  x = "This {.cls nnet} object does not hold a weight for each connection."))
  }
  p <- model$n[1L]
  size <- model$n[2L]
  # All weights as one matrix (to, from) over the units: bias, inputs, hidden, outputs.
  units <- model$nunits
  w <- matrix(0, units, units)
  w[cbind(rep(seq_len(units), diff(model$nconn)), model$conn + 1L)] <- model$wts
  inputs <- 1L + seq_len(p)
  hidden <- 1L + p + seq_len(size)
  outputs <- 1L + p + size + seq_len(model$n[3L])

  names <- model$coefnames
  if (inherits(model, "multinom")) {
    if (length(names) != length(model$vcoefnames)) {
      abort_model(
        c("{.arg model} must be a {.fn multinom} fit without an offset.",
          i = "An offset per class is not a part of the network.")
      )
    }
    # multinom() has the intercept as a column of ones, which is a bias here.
    intercept <- which(names == "(Intercept)")
    w[outputs, 1L] <- w[outputs, 1L] + rowSums(w[outputs, inputs[intercept], drop = FALSE])
    inputs <- inputs[setdiff(seq_len(p), intercept)]
    names <- setdiff(names, "(Intercept)")
  }
  if (length(inputs) == 0L) {
    abort_model(c("{.arg model} must have at least one input.",
                  x = "This {.cls {class(model)[1L]}} fit has an intercept alone."))
  }
  activation <- if (isTRUE(model$softmax)) {
    "softmax"
  } else if (model$nsunits < units) {
    "linear"
  } else {
    "logistic"
  }
  dense <- function(to, from, act) dense_layer(w[to, from, drop = FALSE], w[to, 1L], act)
  if (size == 0L) {
    layers <- list(dense(outputs, inputs, activation))
  } else if (all(w[outputs, inputs] == 0)) {
    layers <- list(dense(hidden, inputs, "logistic"), dense(outputs, hidden, activation))
  } else {
    layers <- linked_model(list(
      c(dense(hidden, inputs, "logistic"), list(input_layers = 0L)),
      list(type = "Concatenate", axis = 2L, input_layers = 0:1),
      c(dense(outputs, c(inputs, hidden), activation), list(input_layers = 2L))
    ), 3L, list(length(inputs)))
  }
  dense_model(layers, names, nnet_outputs(model))
}

# A factor of two levels is fitted by one logistic output, the probability of the second level.
nnet_outputs <- function(model) {
  colnames(model$fitted.values) %||% if (!is.null(model$terms)) {
    if (length(model$lev) == 2L) model$lev[2L] else deparse1(model$terms[[2L]])
  }
}
