# A network while a source is being translated: layers are added to values, which are what layers
# give; at the end the links are written as the list grammar wants them.

#' @param input_dim A list of shapes, one per model input.
#' @return An environment with `inputs` (one value each) and the functions `add()` and `finish()`. A
#'   value is a list of `layer` (0 for a model input), `input` (which one) and `rank`, the number of
#'   its axes without the batch axis.
#' @noRd
network_sketch <- function(input_dim) {
  layers <- list()
  sources <- list()
  inputs <- Map(function(shape, i) list(layer = 0L, input = i, rank = length(shape)),
                input_dim, seq_along(input_dim))

  # Puts a layer on values; gives the value that it makes.
  add <- function(layer, on, rank = on[[1L]]$rank) {
    force(on) # which may add layers itself
    layers[[length(layers) + 1L]] <<- layer
    sources[[length(layers)]] <<- on
    list(layer = length(layers), input = 0L, rank = as.integer(rank))
  }

  finish <- function(outputs) {
    skip <- function(value) add(list(type = "Skipping"), list(value))
    # An output must be a layer, and one alone.
    for (i in seq_along(outputs)) {
      taken <- lapply(outputs[seq_len(i - 1L)], `[[`, "layer")
      if (outputs[[i]]$layer %in% c(0L, taken)) outputs[[i]] <- skip(outputs[[i]])
    }
    # One of several inputs must be taken by one layer.
    nodes <- lapply(inputs, function(input) {
      takes <- function(value) value$layer == 0L && value$input == input$input
      taken <- lapply(sources, function(on) vapply(on, takes, NA))
      users <- rep(seq_along(taken), vapply(taken, sum, 0L))
      if (length(users) == 1L || (length(inputs) == 1L && length(users))) {
        return(unique(users))
      }
      node <- skip(input)
      for (j in unique(users)) sources[[j]][taken[[j]]] <<- list(node)
      node$layer
    })
    from <- lapply(sources, function(on) vapply(on, `[[`, 0L, "layer"))
    ends <- vapply(outputs, `[[`, 0L, "layer")
    # Layers that lead to no output are left out.
    kept <- sort(leading_to(ends, from))
    idle <- which(!vapply(nodes, \(node) any(node %in% kept), NA))
    if (length(idle)) {
      innsight_abort(
        c("Every input of {.arg model} must lead to an output.",
          x = "Input {idle[1L]} does not: its values change nothing.",
          i = "Build the same model without it."),
        "graph",
        call = NULL
      )
    }
    renumbered <- function(index) match(index, c(0L, kept)) - 1L
    from <- lapply(from[kept], renumbered)
    ends <- renumbered(ends)
    list(
      input_dim = unname(input_dim), input_nodes = renumbered(unlist(nodes)), output_nodes = ends,
      layers = lapply(seq_along(kept), function(i) {
        users <- which(vapply(from, \(from) i %in% from, NA))
        links <- list(input_layers = from[[i]], output_layers = c(users, if (i %in% ends) -1L))
        c(layers[[kept[i]]], links)
      })
    )
  }
  environment()
}

# The layers that some layers depend on, these included.
leading_to <- function(ends, from) {
  found <- integer()
  while (length(ends)) {
    found <- c(found, ends)
    ends <- setdiff(unlist(from[ends]), c(0L, found))
  }
  unique(found)
}

# Layers one after the other.
add_chain <- function(net, layers, on, rank = on[[1L]]$rank) {
  for (layer in layers) on <- list(net$add(layer, on, rank))
  on[[1L]]
}
