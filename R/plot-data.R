# From the result of a method to the data frame a plot is made of.

# The output nodes of a plot: those asked for, all of which must have been computed; by default the
# first one. A list as `x$output_idx`.
nodes_to_plot <- function(x, output_idx, output_label, call) {
  if (!is.null(output_idx) && !is.null(output_label)) {
    innsight_warn(c(
      "Both {.arg output_idx} and {.arg output_label} are given.",
      i = "{.arg output_label} is ignored."
    ))
    output_label <- NULL
  }
  labels <- output_labels(x$converter)
  if (is.null(output_idx) && is.null(output_label)) {
    nodes <- rep(list(NULL), length(labels))
    first <- selected_outputs(x)[1]
    nodes[[first]] <- x$output_idx[[first]][1]
    return(nodes)
  }
  nodes <- select_nodes(output_idx, output_label, labels, call)
  if (!all(mapply(\(chosen, computed) all(chosen %in% computed), nodes, x$output_idx))) {
    arg <- if (is.null(output_idx)) "output_label" else "output_idx"
    innsight_abort(
      c("{.arg {arg}} must contain only output nodes for which the method was run.",
        x = "You chose {format_nodes(nodes, labels)}.",
        i = "Computed: {format_nodes(x$output_idx, labels)}.",
        i = "Run the method with {.arg {arg}} for other nodes."),
      "argument",
      call = call
    )
  }
  nodes
}

# Several data points out of `n`, or all.
check_data_idx <- function(data_idx, n, call) {
  if (identical(data_idx, "all")) {
    return(seq_len(n))
  }
  if (is.character(data_idx)) {
    abort_arg(data_idx, paste("`\"all\"` or whole numbers from 1 to", n), "data_idx", call)
  }
  check_indices(data_idx, n, call = call)
}

check_aggregation <- function(x, call) {
  if (is.function(x)) x else check_choice(x, c("sum", "mean", "norm"), "aggr_channels", call)
}

# Replaces the channels of a block by their aggregate.
aggregate_channels <- function(block, aggr_channels, call) {
  d <- dim(block$value)
  if (length(d) < 4) {
    return(block)
  }
  by_channel <- aperm(block$value, c(2, 1, seq_along(d)[-(1:2)]))
  dim(by_channel) <- c(d[2], length(by_channel) / d[2])
  value <- if (is.function(aggr_channels)) {
    apply(by_channel, 2, aggr_channels)
  } else {
    switch(aggr_channels,
      sum = colSums(by_channel),
      mean = colMeans(by_channel),
      norm = sqrt(colSums(by_channel^2))
    )
  }
  if (!is.numeric(value) || length(value) != ncol(by_channel)) {
    innsight_abort(
      c("{.arg aggr_channels} must return a single number for the values of all channels.",
        x = "For {d[2]} channel{?s} it returned {describe(aggr_channels(by_channel[, 1]))}."),
      "argument",
      call = call
    )
  }
  block$value <- array(value, replace(d, 2, 1))
  block$axes[[1]] <- factor(if (is.character(aggr_channels)) aggr_channels else "aggregated")
  block
}

# The value per data point and node that has the full colour, 1 where all values are zero. It is the
# largest absolute value or, against outliers, the quantile `clip` of the absolute values.
cell_maxima <- function(value, clip = 1) {
  d <- dim(value)
  dim(value) <- c(d[1], prod(d[-c(1, length(d))]), d[length(d)])
  largest <- apply(abs(value), c(1, 3), function(x) {
    x <- x[is.finite(x)]
    robust <- if (clip < 1 && length(x) > 0) stats::quantile(x, clip, names = FALSE) else 0
    if (robust > 0) robust else max(0, x)
  })
  largest[largest == 0] <- 1
  largest
}

# Adds what `fill` is measured by; `same_scale` takes the maximum over all input layers.
add_scales <- function(blocks, same_scale, clip = 1) {
  scales <- lapply(blocks, \(block) cell_maxima(block$value, clip))
  if (same_scale) {
    output <- vapply(blocks, `[[`, 0, "output")
    scales <- lapply(output, \(o) do.call(pmax, scales[output == o]))
  }
  Map(\(block, scale) c(block, list(scale = scale)), blocks, scales)
}

# Tabular blocks: the features to draw, in their order. All blocks of an input layer draw the same.
choose_features <- function(blocks, max_features, feature_order) {
  inputs <- vapply(blocks, `[[`, 0, "input")
  for (i in unique(inputs)) {
    of_input <- which(inputs == i)
    if (length(dim(blocks[[of_input[1]]]$value)) != 3) {
      next
    }
    # Over data points and nodes.
    importance <- Reduce(`+`, lapply(blocks[of_input], function(block) {
      rowSums(aperm(abs(block$value), c(2, 1, 3)), na.rm = TRUE)
    }))
    by_importance <- order(-importance)
    kept <- utils::head(by_importance, max_features %||% Inf)
    if (feature_order == "input") {
      kept <- sort(kept)
    }
    for (k in of_input) {
      names <- as.character(blocks[[k]]$axes[[1]])[kept]
      blocks[[k]]$n_features <- length(importance)
      blocks[[k]]$axes[[1]] <- factor(names, levels = unique(names))
      blocks[[k]]$value <- blocks[[k]]$value[, kept, , drop = FALSE]
      if (!is.null(blocks[[k]]$shown)) {
        blocks[[k]]$shown <- blocks[[k]]$shown[, kept, drop = FALSE]
      }
    }
  }
  blocks
}

# Adds the data themselves as `shown`, channels first, to the blocks of which `shows` is true.
add_input <- function(blocks, x, shows = \(block) TRUE) {
  lapply(blocks, function(block) {
    if (shows(block)) {
      value <- channels_to_front(x$data[[block$input]], x$channels_first, n_last = 0)
      block$shown <- slice_rows(value, block$rows)
    }
    block
  })
}

is_image <- function(block) length(dim(block$value)) == 5

# The columns of a picture of several layers, each a `block` and the number of a `node` in it: nodes
# of an output layer are neighbours, and so are the input layers of a node.
panel_columns <- function(blocks) {
  outputs <- vapply(blocks, `[[`, 0, "output")
  unlist(lapply(unique(outputs), function(o) {
    of_output <- blocks[outputs == o]
    unlist(lapply(seq_along(of_output[[1]]$nodes), function(node) {
      lapply(of_output, \(block) list(block = block, node = node))
    }), recursive = FALSE)
  }), recursive = FALSE)
}

node_label <- function(column, with_layer) {
  label <- as.character(column$block$nodes[column$node])
  if (with_layer) paste0("Output_", column$block$output, ": ", label) else label
}

# The part of a block for one data point and one node.
block_cell <- function(block, row, node) {
  for (name in c("value", "pred", "goal", "sum", "total", "scale")) {
    block[[name]] <- subset_array(block[[name]], row, node)
  }
  block$bands <- lapply(block$bands, subset_array, row, node)
  if (!is.null(block$shown)) {
    block$shown <- slice_rows(block$shown, row)
  }
  block$rows <- block$rows[row]
  block$nodes <- block$nodes[node]
  block
}

# The columns of get_result(type = "data.frame") and those only plots need: `fill`, the positions
# along the axes, and the data or quantiles where they are drawn, too.
plot_columns <- function(block) {
  columns <- block_columns(block)
  d <- dim(block$value)
  first <- max(2, min(3, length(d) - 1))
  columns$fill <- pmin(pmax(columns$value / per_node(block$scale, d), -1), 1)
  columns$position <- along(seq_len(d[first]), d, first)
  columns$position_2 <- along(seq_len(d[length(d) - 1]), d, length(d) - 1)
  if (!is.null(block$shown)) {
    columns$shown <- rep_len(as.vector(block$shown), prod(d))
  }
  list2DF(c(columns, lapply(block$bands, as.vector)))
}
