#!/usr/bin/env Rscript
# Called by tools/train-digits.py: turns its JSON into inst/extdata/digits.rds, after a forward pass
# in plain R has given Keras' probabilities on every held-out scan.

paths <- commandArgs(trailingOnly = TRUE)
raw <- jsonlite::fromJSON(paths[[1]], simplifyDataFrame = FALSE)
as_array <- function(x) array(as.numeric(unlist(x$data)), dim = unlist(x$dim))

layers <- lapply(seq_along(raw$layers), function(i) {
  layer <- lapply(raw$layers[[i]], unlist)
  if (!is.null(layer$weight)) layer$weight <- as_array(raw$layers[[i]]$weight)
  last <- i == length(raw$layers)
  c(layer, list(input_layers = i - 1, output_layers = if (last) -1 else i + 1))
})
images <- as_array(raw$images)
labels <- as.integer(unlist(raw$labels))
shown <- unlist(raw$shown)

# The forward pass of one scan, an array (channels, height, width), by loops.
conv <- function(x, layer) {
  size <- dim(x)[2:3]
  padded <- array(0, dim(x) + c(0, 2, 2))
  padded[, 1 + seq_len(size[[1]]), 1 + seq_len(size[[2]])] <- x
  out <- array(0, c(nrow(layer$weight), size))
  for (h in seq_len(size[[1]])) {
    for (w in seq_len(size[[2]])) {
      window <- as.vector(padded[, h + 0:2, w + 0:2])
      out[, h, w] <- matrix(layer$weight, nrow(layer$weight)) %*% window + layer$bias
    }
  }
  out
}
pool <- function(x) {
  even <- function(n) seq(2, n, 2)
  h <- even(dim(x)[[2]])
  w <- even(dim(x)[[3]])
  out <- pmax(x[, h, w], x[, h - 1, w], x[, h, w - 1], x[, h - 1, w - 1])
  array(out, c(dim(x)[[1]], length(h), length(w)))
}
run_layer <- function(x, layer) {
  z <- switch(layer$type,
    Conv2D = conv(x, layer),
    MaxPooling2D = pool(x),
    Flatten = as.vector(aperm(x, c(1, 3, 2))), # channels fastest, then width, then height
    Dense = as.vector(layer$weight %*% x) + layer$bias
  )
  switch(if (is.null(layer$activation_name)) "linear" else layer$activation_name,
    linear = z,
    relu = pmax(z, 0),
    softmax = exp(z - max(z)) / sum(exp(z - max(z)))
  )
}
keep_dim <- function(x) array(x, dim(x)[-1])
probabilities <- t(vapply(seq_along(labels), function(n) {
  Reduce(run_layer, layers, keep_dim(images[n, , , , drop = FALSE]))
}, numeric(10)))

difference <- max(abs(probabilities - as_array(raw$probabilities)))
accuracy <- mean(max.col(probabilities, "first") - 1L == labels)
cat(sprintf("plain R: accuracy %.4f, probabilities differ by at most %.2g\n", accuracy, difference))
stopifnot(difference < 1e-5, accuracy >= 0.97)

digits <- list(
  model = list(
    input_dim = c(1, 8, 8), input_nodes = 1, output_nodes = length(layers), output_dim = 10,
    output_names = as.character(0:9), layers = layers
  ),
  images = images[shown, , , , drop = FALSE],
  labels = labels[shown],
  accuracy = accuracy,
  source = paste(
    "Alpaydin, E. and Kaynak, C. (1998). Optical Recognition of Handwritten Digits.",
    "UCI Machine Learning Repository, https://doi.org/10.24432/C50P49. Licence: CC BY 4.0.",
    "Taken from scikit-learn's `digits`, pixels divided by 16."
  )
)
saveRDS(digits, paths[[2]], compress = "xz")
cat(sprintf("%s: %.0f kB\n", paths[[2]], file.size(paths[[2]]) / 1000))
