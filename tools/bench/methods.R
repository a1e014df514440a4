# Rscript methods.R: median times of whole methods from R, in milliseconds, on the networks (b) and
# (d) of the README beside this file. Compare two versions by running them in turn with R_LIBS.
library(innsight)

weights <- function(...) {
  extents <- c(...)
  array(rnorm(prod(extents)) / sqrt(prod(extents[-1])), extents)
}

chain <- function(input_dim, layers) {
  n <- length(layers)
  layers <- lapply(seq_len(n), function(i) {
    c(layers[[i]], list(input_layers = i - 1, output_layers = if (i == n) -1 else i + 1))
  })
  list(input_dim = input_dim, input_nodes = 1, output_nodes = n, layers = layers)
}

dense <- function(out, n_in, activation = "relu") {
  list(type = "Dense", weight = weights(out, n_in), bias = rnorm(out) / 10,
       activation_name = activation)
}

conv <- function(out, n_in) {
  list(type = "Conv2D", weight = weights(out, n_in, 3, 3), bias = rnorm(out) / 10, padding = 1,
       activation_name = "relu")
}

pool <- list(type = "MaxPooling2D", kernel_size = 2)

set.seed(1)
networks <- list(
  b = list(
    model = chain(100, list(dense(256, 100), dense(256, 256), dense(10, 256, "linear"))),
    x = matrix(rnorm(1000 * 100), 1000)
  ),
  d = list(
    model = chain(c(3, 32, 32), list(
      conv(32, 3), conv(32, 32), pool, conv(64, 32), pool, list(type = "Flatten"),
      dense(128, 4096), dense(10, 128, "linear")
    )),
    x = weights(32, 3, 32, 32) * 50
  )
)

run <- function(f, ...) function(converter, x) f(converter, x, ..., verbose = FALSE)
methods <- list(
  "forward pass" = function(converter, x) predict(converter, x),
  "gradient" = run(run_grad),
  "LRP epsilon" = run(run_lrp, rule_name = "epsilon"),
  "LRP alpha 1" = run(run_lrp, rule_name = "alpha_beta", rule_param = 1),
  "LRP alpha 2" = run(run_lrp, rule_name = "alpha_beta", rule_param = 2),
  "DeepLift rescale" = run(run_deeplift),
  "DeepLift reveal-cancel" = run(run_deeplift, rule_name = "reveal_cancel"),
  "connection weights" = function(converter, x) run_cw(converter, verbose = FALSE)
)

for (name in names(networks)) {
  converter <- convert(networks[[name]]$model)
  x <- networks[[name]]$x
  for (method in names(methods)) {
    methods[[method]](converter, x)
    times <- replicate(5, system.time(methods[[method]](converter, x))[["elapsed"]])
    cat(sprintf("%s  %-24s %8.0f ms\n", name, method, 1000 * median(times)))
  }
}
