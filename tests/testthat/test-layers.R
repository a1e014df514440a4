# What layers compute, against plain R.

# The value of one layer (or of a chain of them) for the data `x`, one array an input.
layer_value <- function(x, ..., channels_first = TRUE) {
  x <- if (is.list(x)) x else list(x)
  chain <- list(...)
  n <- length(chain)
  layers <- lapply(seq_len(n), function(i) {
    from <- if (i == 1) rep(0, length(x)) else i - 1
    c(chain[[i]], list(input_layers = from, output_layers = i + 1))
  })
  flatten <- list(type = "Flatten", order = "channels_first", input_layers = n, output_layers = -1)
  dims <- lapply(x, function(x) {
    d <- dim(x)[-1]
    if (channels_first || length(d) == 1) d else d[c(length(d), seq_along(d[-1]))]
  })
  net <- list(input_dim = dims, input_nodes = rep(1, length(x)), output_nodes = n + 1,
              layers = c(layers, list(flatten)))
  model <- convert(net, dtype = "double")$model
  model(x, channels_first = channels_first, save_output = TRUE)
  model$modules_list[[n]]$output
}

# Cells in row-major order, and back.
row_major <- function(x) as.vector(aperm(x))
from_row_major <- function(x, dim) aperm(array(x, rev(dim)))

test_that("transposed convolution adds a multiple of the kernel for every cell", {
  # One image, one group: (in, height, width) to (out, height, width).
  reference <- function(x, w, bias, stride, padding, dilation, output_padding) {
    extent <- (dim(x)[-1] - 1) * stride + dilation * (dim(w)[3:4] - 1) + 1 + output_padding
    y <- array(0, c(dim(w)[2], extent))
    for (cell in asplit(which(array(TRUE, dim(x)), arr.ind = TRUE), 1)) {
      for (k in seq_len(dim(w)[3])) for (l in seq_len(dim(w)[4])) {
        i <- (cell[2] - 1) * stride[1] + (k - 1) * dilation[1] + 1
        j <- (cell[3] - 1) * stride[2] + (l - 1) * dilation[2] + 1
        y[, i, j] <- y[, i, j] + x[cell[1], cell[2], cell[3]] * w[cell[1], , k, l]
      }
    }
    rows <- (padding[3] + 1):(extent[1] - padding[4])
    columns <- (padding[1] + 1):(extent[2] - padding[2])
    y[, rows, columns, drop = FALSE] + bias
  }
  with_seed(21, {
    x <- random_array(2, 4, 3, 5)
    w <- random_array(4, 3, 3, 2)
    bias <- rnorm(6)
  })
  for (settings in list(
    list(stride = c(1, 1), padding = rep(0, 4), dilation = c(1, 1), output_padding = c(0, 0)),
    list(stride = c(2, 3), padding = c(1, 2, 0, 1), dilation = c(1, 2), output_padding = c(1, 2)),
    list(stride = c(1, 2), padding = c(0, 0, 1, 0), dilation = c(3, 1), output_padding = c(2, 1))
  )) {
    layer <- c(list(type = "ConvTranspose2D", weight = w, bias = bias, groups = 2,
                    activation_name = "linear"), settings)
    value <- layer_value(x, layer)
    for (n in 1:2) for (g in 1:2) {
      group <- do.call(reference, c(
        list(x[n, 2 * g - 1:0, , ], w[2 * g - 1:0, , , ], bias[3 * g - 2:0]), settings
      ))
      expect_equal(value[n, 3 * g - 2:0, , ], group)
    }
  }
  layer <- list(type = "ConvTranspose1D", weight = array(w, c(4, 3, 6)), bias = NULL, stride = 2,
                padding = c(1, 2), output_padding = 1, activation_name = "linear")
  value <- layer_value(x[, , 1, ], layer)
  plane <- reference(array(x[1, , 1, ], c(4, 1, 5)), array(w, c(4, 3, 1, 6)), 0, c(1, 2),
                     c(1, 2, 0, 0), c(1, 1), c(0, 1))
  expect_equal(value[1, , ], plane[, 1, ])
})

test_that("PReLU has a slope for all cells, for channels or for every cell", {
  x <- with_seed(22, random_array(2, 3, 4))
  slopes <- with_seed(23, random_array(3, 4))
  reference <- function(slope) {
    for (n in 1:2) x[n, , ] <- ifelse(x[n, , ] > 0, x[n, , ], slope * x[n, , ])
    x
  }
  prelu <- function(weight) layer_value(x, list(type = "PReLU", weight = weight))
  expect_equal(prelu(0.3), reference(0.3))
  expect_equal(prelu(slopes[, 1]), reference(slopes[, 1]))
  expect_equal(prelu(slopes), reference(slopes))
})

test_that("upsampling repeats cells", {
  x <- with_seed(24, random_array(2, 3, 2, 4))
  value <- layer_value(x, list(type = "Upsampling2D", size = c(3, 2)))
  expect_equal(value, x[, , rep(1:2, each = 3), rep(1:4, each = 2)])
  expect_equal(layer_value(x, list(type = "Upsampling2D", size = 2)),
               x[, , rep(1:2, each = 2), rep(1:4, each = 2)])
  value <- layer_value(x[, , 1, ], list(type = "Upsampling1D", size = 3))
  expect_equal(value, x[, , 1, rep(1:4, each = 3)])
})

test_that("reshape keeps the order of cells, with the channel axis first or last", {
  x <- with_seed(25, random_array(2, 4, 2, 3))
  last <- aperm(x, c(1, 3, 4, 2))
  reshape <- function(x, target, order = "call", ...) {
    layer_value(x, list(type = "Reshape", target = target, order = order), ...)
  }
  for (target in list(c(3, 8), c(3, -1), 24, -1, c(2, 2, 6), c(2, -1, 6))) {
    full <- if (any(target == -1)) replace(target, target == -1, -24 / prod(target)) else target
    first <- reshape(x, target)
    expect_identical(dim(first), as.integer(c(2, full)))
    for (n in 1:2) {
      expect_equal(row_major(array(first[slice.index(first, 1) == n], full)), row_major(x[n, , , ]))
    }
    value <- reshape(x, target, "channels_last")
    expect_identical(reshape(last, target, channels_first = FALSE), value)
    rotated <- c(full[-1], full[1])
    for (n in 1:2) {
      expected <- from_row_major(row_major(last[n, , , ]), rotated)
      back <- aperm(expected, c(length(full), seq_along(full[-1])))
      expect_equal(array(value[slice.index(value, 1) == n], full), back)
    }
  }
})

test_that("permute orders axes", {
  x <- with_seed(26, random_array(2, 4, 2, 3))
  expect_equal(layer_value(x, list(type = "Permute", axes = c(4, 2, 3))), aperm(x, c(1, 4, 2, 3)))
  expect_equal(layer_value(x[, , 1, ], list(type = "Permute", axes = c(-1, 2))),
               aperm(x[, , 1, ], c(1, 3, 2)))
})

test_that("multiply stretches axes of extent 1", {
  with_seed(27, {
    a <- random_array(2, 3, 4)
    b <- random_array(2, 3, 1)
    c <- random_array(2, 3, 4)
  })
  value <- layer_value(list(a, b, c), list(type = "Multiply"))
  expect_equal(value, a * array(b, dim(a)) * c)
})

test_that("normalisation is by mean and variance of the data point", {
  x <- with_seed(28, random_array(2, 4, 3, 2))
  normal <- function(x, eps) (x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps)
  with_seed(29, {
    gamma <- rnorm(4)
    beta <- rnorm(4)
    cells <- random_array(4, 2)
  })
  group <- layer_value(x, list(type = "GroupNorm", num_groups = 2, gamma = gamma, beta = beta,
                               eps = 0.1))
  instance <- layer_value(x, list(type = "InstanceNorm", gamma = gamma))
  all <- layer_value(x, list(type = "LayerNorm"))
  some <- layer_value(x, list(type = "LayerNorm", axes = c(2, 4), gamma = cells, eps = 0.01))
  for (n in 1:2) {
    for (g in 1:2) {
      channels <- 2 * g - 1:0
      expect_equal(group[n, channels, , ],
                   normal(x[n, channels, , ], 0.1) * gamma[channels] + beta[channels])
    }
    for (c in 1:4) expect_equal(instance[n, c, , ], normal(x[n, c, , ], 1e-5) * gamma[c])
    expect_equal(all[n, , , ], normal(x[n, , , ], 1e-5))
    for (h in 1:3) expect_equal(some[n, , h, ], normal(x[n, , h, ], 0.01) * cells)
  }
  features <- x[, , 1, 1]
  expect_equal(layer_value(features, list(type = "LayerNorm", beta = beta))[1, ],
               normal(features[1, ], 1e-5) + beta)
})

test_that("batch normalisation and global pooling take any number of spatial axes", {
  x <- with_seed(30, random_array(2, 3, 2, 2, 4))
  norm <- list(type = "BatchNorm", gamma = 1:3, beta = 4:6, run_mean = c(0.5, -1, 2),
               run_var = c(1, 4, 0.25), eps = 0)
  value <- layer_value(x, norm)
  for (c in 1:3) {
    expected <- (x[, c, , , ] - norm$run_mean[c]) / sqrt(norm$run_var[c]) * c + c + 3
    expect_equal(value[, c, , , ], expected)
  }
  for (method in c("average", "max")) {
    f <- if (method == "max") max else mean
    value <- layer_value(x, list(type = "GlobalPooling", method = method))
    expect_equal(value, apply(x, 1:2, f))
  }
})

test_that("activation functions are the functions of their names", {
  ramp <- function(x, lower, upper) pmin(pmax(x, lower), upper)
  softmax <- function(x, dim = 2) {
    others <- setdiff(1:3, dim)
    sweep(exp(x), others, apply(exp(x), others, sum), "/")
  }
  elu <- function(x, alpha) ifelse(x > 0, x, alpha * (exp(x) - 1))
  sigmoid <- function(x) 1 / (1 + exp(-x))
  functions <- list(
    linear = identity,
    relu = function(x, negative_slope = 0, threshold = 0, max_value = Inf) {
      ifelse(x >= threshold, pmin(x, max_value), negative_slope * (x - threshold))
    },
    leaky_relu = function(x, negative_slope = 0.01) ifelse(x > 0, x, negative_slope * x),
    relu6 = function(x) ramp(x, 0, 6),
    hard_tanh = function(x, min_val = -1, max_val = 1) ramp(x, min_val, max_val),
    hard_sigmoid = function(x, slope = 1 / 6, offset = 0.5) ramp(slope * x + offset, 0, 1),
    hard_swish = function(x) x * ramp(x + 3, 0, 6) / 6,
    softplus = function(x, beta = 1, threshold = 20) {
      ifelse(beta * x > threshold, x, log(1 + exp(beta * x)) / beta)
    },
    sigmoid = sigmoid,
    logistic = sigmoid,
    tanh = tanh,
    softsign = function(x) x / (1 + abs(x)),
    elu = function(x, alpha = 1) elu(x, alpha),
    selu = function(x) 1.0507009873554805 * elu(x, 1.6732632423543772),
    gelu = function(x) x * pnorm(x),
    gelu_tanh = function(x) x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) / 2,
    celu = function(x, alpha = 1) pmax(x, 0) + pmin(0, alpha * expm1(x / alpha)),
    silu = function(x) x * sigmoid(x),
    mish = function(x) x * tanh(log1p(exp(x))),
    exponential = exp,
    log_sigmoid = function(x) -log1p(exp(-x)),
    squareplus = function(x, b = 4) (x + sqrt(x^2 + b)) / 2,
    tanh_shrink = function(x) x - tanh(x),
    hard_shrink = function(x, lambd = 0.5) ifelse(abs(x) > lambd, x, 0),
    soft_shrink = function(x, lambd = 0.5) sign(x) * pmax(abs(x) - lambd, 0),
    softmax = function(x, dim = 3) softmax(x, dim),
    log_softmax = function(x, dim = 3) log(softmax(x, dim))
  )
  args <- list(
    leaky_relu = list(negative_slope = 0.3), hard_tanh = list(min_val = -0.5, max_val = 2),
    hard_sigmoid = list(slope = 0.2, offset = 0.4), softplus = list(beta = 2, threshold = 3),
    relu = list(negative_slope = 0.2, threshold = 0.5, max_value = 3), celu = list(alpha = 0.5),
    squareplus = list(b = 2), hard_shrink = list(lambd = 1), soft_shrink = list(lambd = 1),
    elu = list(alpha = 0.5), softmax = list(dim = 2), log_softmax = list(dim = 2)
  )
  known <- capabilities()$activations
  expect_setequal(names(functions), names(known))
  expect_setequal(names(args), names(known)[lengths(known) > 0])
  x <- with_seed(31, 4 * random_array(2, 3, 4))
  x[1:3] <- c(0, 7, -7)
  value <- function(...) layer_value(x, list(type = "Activation", ...))
  for (name in names(functions)) {
    expect_equal(value(act_name = name), functions[[name]](x), info = name)
    if (name %in% names(args)) {
      expect_identical(names(args[[name]]), names(known[[name]]))
      expect_equal(value(act_name = name, activation_args = args[[name]]),
                   do.call(functions[[name]], c(list(x), args[[name]])), info = name)
    }
  }
})

test_that("predictions of a network with all of these are explained", {
  converter <- convert(more_layers_net(), dtype = "double", save_model_as_list = TRUE)
  x <- more_layers_data(2)
  expect_identical(predict(convert(converter$model_as_list, dtype = "double"), x),
                   predict(converter, x))
  expect_output(print(converter), "<Multiply_Layer>: input_dim: (*, 4, 48), (*, 4, 48)",
                fixed = TRUE)
  modules <- converter$model$modules_list
  expect_identical(names(modules)[c(1, 12)], c("ConvTranspose1D_1", "LayerNorm_12"))
  expect_identical(modules$ConvTranspose1D_1$W, more_layers_net()$layers[[1]]$weight)
  expect_identical(modules$ConvTranspose1D_1$activation_name, "silu")

  gradient <- run_grad(converter, x, output_idx = 1:3, ignore_last_act = FALSE, dtype = "double",
                       verbose = FALSE)$result[[1]]
  step <- 1e-5
  for (input in 1:2) {
    cells <- prod(dim(x[[input]])[-1])
    # Rows of x belong to different data points: one step moves a cell of each.
    differences <- vapply(seq_len(cells), function(cell) {
      moved <- function(by) {
        x[[input]][(cell - 1) * 2 + 1:2] <- x[[input]][(cell - 1) * 2 + 1:2] + by
        predict(converter, x)
      }
      (moved(step) - moved(-step)) / (2 * step)
    }, matrix(0, 2, 3))
    expected <- aperm(differences, c(1, 3, 2))
    expect_equal(as.vector(gradient[[input]]), as.vector(expected), tolerance = 1e-6)
  }
})

test_that("DeepLift adds up to the difference through all of these", {
  converter <- convert(more_layers_net())
  x <- more_layers_data(4)
  reference <- lapply(x, function(x) array(x[slice.index(x, 1) == 4], c(1, dim(x)[-1])))
  for (rule in c("rescale", "reveal_cancel")) {
    result <- run_deeplift(converter, x, x_ref = reference, rule_name = rule, output_idx = 1:3,
                           dtype = "double", verbose = FALSE)$result[[1]]
    sums <- Reduce(`+`, lapply(result, function(r) apply(r, c(1, length(dim(r))), sum)))
    logits <- more_layers_net()
    logits$layers[[15]]$activation_name <- "linear"
    value <- predict(convert(logits, dtype = "double"), x)
    expect_equal(sums, unname(value - value[rep(4, 4), ]), tolerance = 1e-6)
  }
})

test_that("LRP and connection weights treat products and normalisation as documented", {
  multiply <- list(
    input_dim = list(2, 2), input_nodes = c(1, 1), output_nodes = 2,
    layers = list(
      list(type = "Multiply", input_layers = c(0, 0), output_layers = 2),
      list(type = "Dense", weight = matrix(c(3, -1), 1), bias = NULL, activation_name = "linear",
           input_layers = 1, output_layers = -1)
    )
  )
  x <- list(matrix(c(2, 5), 1), matrix(c(-1, 4), 1))
  lrp <- run_lrp(convert(multiply), x, dtype = "double", verbose = FALSE)$result[[1]]
  expect_equal(lapply(lrp, as.vector), list(c(-3, -10), c(-3, -10)))
  weights <- run_cw(convert(multiply), verbose = FALSE)$result[[1]]
  expect_equal(lapply(weights, as.vector), list(c(3, -1), c(3, -1)))

  gamma <- c(2, -1, 0.5)
  norm <- list(
    input_dim = 3, input_nodes = 1, output_nodes = 2,
    layers = list(
      list(type = "LayerNorm", gamma = gamma, eps = 0.1, input_layers = 0, output_layers = 2),
      list(type = "Dense", weight = matrix(c(3, -1, 2), 1), bias = NULL,
           activation_name = "linear", input_layers = 1, output_layers = -1)
    )
  )
  x <- c(0.5, 4, -2)
  deviation <- sqrt(mean((x - mean(x))^2) + 0.1)
  w <- diag(gamma) %*% (diag(3) - 1 / 3) / deviation
  # Without biases LRP-0 is gradient times input, here with the deviation held fixed.
  expected <- x * (t(w) %*% c(3, -1, 2))
  lrp <- function(...) {
    run_lrp(convert(norm), matrix(x, 1), dtype = "double", verbose = FALSE, ...)$result[[1]][[1]]
  }
  expect_equal(as.vector(lrp()), as.vector(expected), tolerance = 1e-5)
  z <- as.vector(w %*% x)
  r <- z * c(3, -1, 2)
  epsilon <- x * (t(w) %*% (r / (z + sign(z) * 0.2)))
  expect_equal(
    as.vector(lrp(rule_name = list(LayerNorm = "epsilon"), rule_param = 0.2)),
    as.vector(epsilon), tolerance = 1e-5
  )
  weights <- run_cw(convert(norm), verbose = FALSE)$result[[1]][[1]]
  expect_equal(as.vector(weights), gamma * c(3, -1, 2))
})

test_that("the help table names every function with its arguments", {
  table <- activation_table()
  for (name in names(capabilities()$activations)) {
    expect_match(table, paste0("`\"", name, "\"`"), fixed = TRUE, all = FALSE)
  }
  expect_match(table, "`\"silu\"` | `\"swish\"` |", fixed = TRUE, all = FALSE)
  expect_match(table, "`beta = 1`, `threshold = 20`", fixed = TRUE, all = FALSE)
})
