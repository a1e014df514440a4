# What every source ends in: layers that know their inputs become a model list.

#' Complete layers that know their inputs to a model list
#'
#' Layers that lead nowhere are left out. An activation behind a layer that takes one and feeds
#' nothing else becomes a part of it. What the list grammar wants a layer for gets a `Skipping` one.
#'
#' @param layers Layers with `input_layers`: the index of a layer before them, 0 for the first
#'   input, -1 for the second and so on.
#' @param outputs Indices of the output layers, as `input_layers`.
#' @noRd
linked_model <- function(layers, outputs, input_dim) {
  skip <- function(from) list(type = "Skipping", input_layers = from)
  # An output must be a layer, and one alone.
  for (i in which(outputs <= 0L | duplicated(outputs))) {
    layers <- c(layers, list(skip(outputs[i])))
    outputs[i] <- length(layers)
  }
  links <- outputs
  used <- integer()
  for (i in rev(seq_along(layers))) {
    if (i %in% links) {
      used <- c(i, used)
      links <- c(links, layers[[i]]$input_layers)
    }
  }
  feeds <- function(i) sum(links == i)
  inputs <- 1L - seq_along(input_dim)
  idle <- which(vapply(inputs, feeds, 0L) == 0L)
  if (length(idle)) {
    innsight_abort(
      c("Every input of {.arg model} must lead to an output.",
        x = "Input {idle[1L]} does not: its values change nothing.",
        i = "Build the same model without it."),
      "graph",
      call = NULL
    )
  }
  # One of several inputs must be taken by one layer.
  shared <- if (length(inputs) > 1L) inputs[vapply(inputs, feeds, 0L) > 1L]
  kept <- lapply(shared, skip)
  # Where things are in the end, the inputs in front.
  k <- length(inputs)
  place <- c(rev(inputs), integer(length(layers)))
  place[shared + k] <- seq_along(shared)
  for (i in used) {
    layer <- layers[[i]]
    from <- place[layer$input_layers + k]
    before <- if (length(from) == 1L && from > 0L) kept[[from]]
    if (layer$type == "Activation" && identical(before$activation_name, "linear") &&
          feeds(layer$input_layers) == 1L) {
      kept[[from]][names(activation_fields)] <- layer[c("act_name", "activation_args")]
      place[i + k] <- from
    } else {
      layer$input_layers <- from
      kept <- c(kept, list(layer))
      place[i + k] <- length(kept)
    }
  }
  outputs <- place[outputs + k]
  from <- lapply(kept, `[[`, "input_layers")
  users <- rep(seq_along(kept), lengths(from))
  of <- function(source) unique(users[unlist(from) == source])
  list(
    input_dim = lapply(unname(input_dim), as.integer), input_nodes = unlist(lapply(inputs, of)),
    output_nodes = outputs,
    layers = Map(function(layer, i) {
      layer$input_layers <- pmax(layer$input_layers, 0L)
      layer$output_layers <- c(of(i), if (i %in% outputs) -1L)
      layer
    }, kept, seq_along(kept))
  )
}

#' Layers one after the other as a model list
#' @noRd
chain_model <- function(layers, input_dim) {
  layers <- Map(function(layer, i) c(layer, list(input_layers = i - 1L)), unname(layers),
                seq_along(layers))
  linked_model(layers, length(layers), input_dim)
}

#' A network while it is being translated: layers are added to values, which are what layers give
#'
#' @param input_dim A list of shapes, one per model input.
#' @return An environment with `inputs` (one value each) and the functions `add()` and `finish()`. A
#'   value is a list of `layer` (its index as in linked_model()) and `rank`, the number of its axes
#'   without the batch axis.
#' @noRd
network_sketch <- function(input_dim) {
  layers <- list()
  value <- function(layer, rank) list(layer = layer, rank = as.integer(rank))
  sources <- function(values) vapply(values, `[[`, 0L, "layer")
  inputs <- Map(value, 1L - seq_along(input_dim), lengths(input_dim))

  # Puts a layer on values; gives the value that it makes.
  add <- function(layer, on, rank = on[[1L]]$rank) {
    layer$input_layers <- sources(on) # which may add layers themselves
    layers[[length(layers) + 1L]] <<- layer
    value(length(layers), rank)
  }
  finish <- function(outputs) linked_model(layers, sources(outputs), input_dim)
  environment()
}
