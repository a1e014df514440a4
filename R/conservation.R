# Whether the values of a method add up to what they decompose, and where they do not, which layers
# kept how much.

# The data frame that `$conservation` documents. `ledger` is NULL, or a function that gives an array
# (data points, 3 x layers, nodes) per selected output layer, see network_explain(). `lossy` says
# for every layer whether it may lose something unaccounted for, `is_exact` whether the sum must be
# right.
conservation_report <- function(x, ledger, lossy, is_exact, call) {
  report <- decomposition(result_blocks(x, call))
  layers <- names(x$converter$model$modules_list)
  books <- if (!is.null(ledger)) do.call(rbind, lapply(ledger(), by_row, length(layers)))
  if (is.null(books) || nrow(books) != nrow(report)) {
    if (is_exact) warn_unless_conserved(cbind(-report$delta), report, NULL, x$dtype)
    return(report)
  }
  part <- \(j) books[, j + 3 * (seq_along(layers) - 1), drop = FALSE]
  bias <- part(1)
  stabilizer <- part(2)
  missing <- part(3)
  if (!is_exact) {
    report$bias <- rowSums(bias)
    report$stabilizer <- rowSums(stabilizer)
  }
  report$layers <- bias + stabilizer + missing
  dimnames(report$layers) <- list(NULL, layers)
  elsewhere <- -report$delta - rowSums(report$layers)
  missing <- cbind(missing[, !lossy, drop = FALSE], elsewhere)
  warn_unless_conserved(missing, report, layers[!lossy], x$dtype)
  report
}

# One row per data point and output node, data points fastest, with the sum over all input layers.
decomposition <- function(blocks) {
  do.call(rbind, lapply(one_per_output(blocks), function(block) {
    data.frame(
      data = rep(block$rows, length(block$nodes)),
      output = paste0("Output_", block$output),
      node = rep(as.character(block$nodes), each = length(block$rows)),
      pred = as.vector(block$pred),
      goal = as.vector(block$goal),
      sum = as.vector(block$total),
      delta = as.vector(block$total - block$goal)
    )
  }))
}

# Blocks of several input layers hold the same sums.
one_per_output <- function(blocks) blocks[!duplicated(vapply(blocks, `[[`, 0, "output"))]

# An array (data points, 3 x layers, nodes) with a row per data point and node.
by_row <- function(books, n_layers) matrix(aperm(books, c(1, 3, 2)), ncol = 3 * n_layers)

# For methods whose values must add up by themselves: looks at the sums, and only where these are
# off makes the report, which warns.
check_conservation <- function(x, call) {
  is_off <- function(block) {
    sums <- list(goal = block$goal, sum = block$total)
    any(is_beyond(sums$sum - sums$goal, sums, x$dtype))
  }
  if (any(vapply(one_per_output(result_blocks(x, call)), is_off, NA))) x$conservation
  invisible(x)
}

# Rounding grows with the size of what is added up.
is_beyond <- function(off, rows, dtype) {
  size <- 1 + abs(rows$goal) + abs(rows$sum)
  is.na(off) | abs(off) > size * if (dtype == "double") 1e-7 else 5e-3
}

# `missing` has a column for each of `layers` and one for what is lost in no layer.
warn_unless_conserved <- function(missing, rows, layers, dtype) {
  beyond <- is_beyond(missing, rows, dtype)
  if (!any(beyond)) {
    return(invisible(NULL))
  }
  n <- sum(rowSums(beyond) > 0)
  at <- arrayInd(which.max(ifelse(is.na(missing), Inf, abs(missing))), dim(missing))
  amount <- signif(missing[at], 3)
  goal <- signif(rows$goal[at[1]], 3)
  innsight_warn(
    c("The values of {n} of {nrow(rows)} pairs of data point and output node do not add up.",
      x = if (at[2] <= length(layers)) {
        "Most is lost in layer {.val {layers[at[2]]}}: {amount} of {goal}."
      } else {
        "Most is lost outside of the layers: {amount} of {goal}."
      },
      i = "This is data point {rows$data[at[1]]} and node {.val {rows$node[at[1]]}}; \
           {.code $conservation} has all of them.",
      i = if (dtype == "float") "{.code dtype = \"double\"} computes more precisely."),
    "conservation"
  )
}
