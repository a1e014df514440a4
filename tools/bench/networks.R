# What the R scripts of this folder share: the networks (a) to (e) of the README beside this file,
# the methods, and how they are timed.
library(innsight)

random <- function(...) {
  extents <- c(...)
  array(rnorm(prod(extents)), extents)
}

# --- Networks: functions that make a list of the model and the data `x` ---------------------------

weights <- function(...) random(...) / sqrt(prod(c(...)[-1]))

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

# Dense layers between layers of these sizes, all rectified but the last.
mlp <- function(...) {
  sizes <- c(...)
  n <- length(sizes) - 1
  chain(sizes[1], Map(dense, sizes[-1], sizes[-(n + 1)], rep(c("relu", "linear"), c(n - 1, 1))))
}

# Rectified 3 x 3 convolutions with these numbers of channels; 0 stands for pooling by 2.
convolutions <- function(channels, n_in = 3) {
  lapply(seq_along(channels), function(i) {
    before <- c(n_in, channels[seq_len(i - 1)])
    if (channels[i] == 0) pool(2) else conv(channels[i], tail(before[before > 0], 1))
  })
}

networks <- list(
  a = function() list(model = mlp(4, 15, 10, 5, 3), x = random(150, 4)),
  b = function() list(model = mlp(100, 256, 256, 10), x = random(1000, 100)),
  c = function() {
    list(
      model = chain(c(3, 1000), list(
        conv(32, 3, 9, 0), pool(4, 1), conv(64, 32, 9, 0), pool(4, 1), flatten,
        dense(128, 64 * 60), dense(5, 128, "linear")
      )),
      x = random(32, 3, 1000)
    )
  },
  d = function() {
    list(
      model = chain(c(3, 32, 32), c(
        convolutions(c(32, 32, 0, 64, 0)),
        list(flatten, dense(128, 4096), dense(10, 128, "linear"))
      )),
      x = random(32, 3, 32, 32)
    )
  },
  e = function() {
    channels <- c(64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)
    list(
      model = chain(c(3, 224, 224), c(
        convolutions(channels),
        list(flatten, dense(4096, 25088), dense(4096, 4096), dense(1000, 4096, "linear"))
      )),
      x = random(1, 3, 224, 224)
    )
  }
)

# --- Methods: functions of a converter, the data and the numbers of the outputs to explain --------

run <- function(f, ...) {
  function(converter, x, outputs = NULL) {
    f(converter, x, ..., output_idx = outputs, verbose = FALSE)
  }
}

first_rows <- function(x, n) {
  kept <- array(x, c(nrow(x), length(x) / nrow(x)))[seq_len(min(n, nrow(x))), , drop = FALSE]
  array(kept, c(nrow(kept), dim(x)[-1]))
}

# A method with the first ten rows of the data as references.
run_with_references <- function(f, ...) {
  function(converter, x, outputs = NULL) {
    run(f, ..., data_ref = first_rows(x, 10))(converter, x, outputs)
  }
}

methods <- list(
  "forward pass" = function(converter, x, outputs = NULL) predict(converter, x),
  "gradient" = run(run_grad),
  "LRP epsilon" = run(run_lrp, rule_name = "epsilon", rule_param = 0.01),
  "LRP alpha 1" = run(run_lrp, rule_name = "alpha_beta", rule_param = 1),
  "LRP alpha 2" = run(run_lrp, rule_name = "alpha_beta", rule_param = 2),
  "DeepLift rescale" = run(run_deeplift),
  "DeepLift reveal-cancel" = run(run_deeplift, rule_name = "reveal_cancel"),
  "DeepSHAP 10" = run_with_references(run_deepshap),
  "SmoothGrad 10" = run(run_smoothgrad, n = 10),
  "SmoothGrad 50" = run(run_smoothgrad, n = 50),
  "IntegratedGradient 10" = run(run_intgrad, n = 10),
  "IntegratedGradient 50" = run(run_intgrad, n = 50),
  "ExpectedGradient 10" = run_with_references(run_expgrad, n = 10),
  "connection weights" = function(converter, x, outputs = NULL) {
    run_cw(converter, output_idx = outputs, verbose = FALSE)
  }
)

# --- Time -----------------------------------------------------------------------------------------

# Seconds that `f()` takes; system.time() has milliseconds only.
seconds <- function(f) {
  start <- as.numeric(Sys.time())
  f()
  as.numeric(Sys.time()) - start
}

# Median seconds of five calls of `f`, or of three that take over a second, after one to warm up.
median_time <- function(f) {
  warm <- seconds(f)
  median(replicate(if (warm > 1) 3 else 5, seconds(f)))
}
