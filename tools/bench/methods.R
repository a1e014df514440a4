# Rscript methods.R: median times of whole methods from R, in milliseconds, on the networks (a) to
# (e) of the README beside this file. Compare two versions by running them in turn with R_LIBS.
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

conv <- function(out, n_in, kernel = c(3, 3), padding = 1) {
  list(type = paste0("Conv", length(kernel), "D"), weight = weights(out, n_in, kernel),
       bias = rnorm(out) / 10, padding = padding, activation_name = "relu")
}

pool <- function(size, d = 2) list(type = paste0("MaxPooling", d, "D"), kernel_size = size)

flatten <- list(type = "Flatten")

vgg16 <- function() {
  channels <- 3
  layers <- list()
  for (block in list(rep(64, 2), rep(128, 2), rep(256, 3), rep(512, 3), rep(512, 3))) {
    for (out in block) {
      layers <- c(layers, list(conv(out, channels)))
      channels <- out
    }
    layers <- c(layers, list(pool(2)))
  }
  c(layers, list(flatten, dense(4096, 25088), dense(4096, 4096), dense(1000, 4096, "linear")))
}

set.seed(1)
networks <- list(
  a = function() {
    list(
      model = chain(4, list(dense(15, 4), dense(10, 15), dense(5, 10), dense(3, 5, "linear"))),
      x = matrix(rnorm(150 * 4), 150)
    )
  },
  b = function() {
    list(
      model = chain(100, list(dense(256, 100), dense(256, 256), dense(10, 256, "linear"))),
      x = matrix(rnorm(1000 * 100), 1000)
    )
  },
  c = function() {
    list(
      model = chain(c(3, 1000), list(
        conv(32, 3, 9, 0), pool(4, 1), conv(64, 32, 9, 0), pool(4, 1), flatten,
        dense(128, 64 * 60), dense(5, 128, "linear")
      )),
      x = array(rnorm(32 * 3000), c(32, 3, 1000))
    )
  },
  d = function() {
    list(
      model = chain(c(3, 32, 32), list(
        conv(32, 3), conv(32, 32), pool(2), conv(64, 32), pool(2), flatten,
        dense(128, 4096), dense(10, 128, "linear")
      )),
      x = array(rnorm(32 * 3072), c(32, 3, 32, 32))
    )
  },
  e = function() {
    list(
      model = chain(c(3, 224, 224), vgg16()), x = array(rnorm(3 * 224^2), c(1, 3, 224, 224))
    )
  }
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
  "SmoothGrad 10" = run(run_smoothgrad, n = 10),
  "IntegratedGradient 10" = run(run_intgrad, n = 10),
  "connection weights" = function(converter, x) run_cw(converter, verbose = FALSE)
)

# Rscript methods.R [NETWORKS [METHODS]]: letters (all but e), and a pattern of names.
given <- commandArgs(TRUE)
args <- c(given, c("abcd", "")[seq_len(2) > length(given)])
for (name in strsplit(args[1], "")[[1]]) {
  network <- networks[[name]]()
  converter <- convert(network$model)
  x <- network$x
  for (method in grep(args[2], names(methods), value = TRUE)) {
    methods[[method]](converter, x)
    times <- replicate(5, system.time(methods[[method]](converter, x))[["elapsed"]])
    cat(sprintf("%s  %-24s %8.1f ms, at best %8.1f ms\n", name, method, 1000 * median(times),
                1000 * min(times)))
  }
}
