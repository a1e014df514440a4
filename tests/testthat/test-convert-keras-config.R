# Small configurations as Keras writes them, with weights by hand; the truth is plain R. They hold
# what is easily taken for something else: axes, calls, names and numbers in the forms of Keras 2
# and 3.

layer <- function(class_name, id, ..., inbound = NULL, module = "keras.layers") {
  list(module = module, class_name = class_name, name = id, config = list(name = id, ...),
       inbound_nodes = inbound)
}
input_layer <- function(name, ...) layer("InputLayer", name, batch_shape = list(NULL, ...))
sequential <- function(..., name = "sequential") {
  list(class_name = "Sequential", config = list(name = name, layers = list(...)))
}
# References to tensors in Keras 3 and 2.
tensor3 <- function(name, node = 0, index = 0) {
  list(class_name = "__keras_tensor__", config = list(
    shape = list(NULL, 4), dtype = "float32", keras_history = list(name, node, index)
  ))
}
tensor2 <- function(name, node = 0, settings = list()) list(name, node, 0, settings)
call3 <- function(...) list(list(args = list(...), kwargs = list(mask = NULL)))

functional <- function(inputs, outputs, ..., name = "functional", inbound = NULL) {
  list(class_name = "Functional", name = name, inbound_nodes = inbound, config = list(
    name = name, layers = list(...), input_layers = inputs, output_layers = outputs
  ))
}

# The weights are arrays in the layout of Keras, by the names of the layers.
keras_list <- function(config, weights = list(), ...) {
  by_name <- function(names, path) lapply(weights[[paste(names, collapse = "/")]], as.array)
  keras_model_list(config, by_name, ...)
}
expect_predicts <- function(config, weights, x, truth, channels_first = TRUE) {
  converter <- convert(keras_list(config, weights), dtype = "double")
  y <- predict(converter, x, channels_first = channels_first)
  expect_equal(unname(as.matrix(y)), truth, tolerance = 1e-12)
}
x4 <- with_seed(1, random_array(3, 4))
x34 <- with_seed(2, random_array(2, 3, 4))
flat <- function(x) t(apply(x, 1, function(x) as.vector(aperm(x)))) # row-major

test_that("classes have the names that Keras gives their weights", {
  names <- c(
    Conv1DTranspose = "conv1d_transpose", PReLU = "p_re_lu", ELU = "elu", ReLU = "re_lu",
    LeakyReLU = "leaky_re_lu", UpSampling2D = "up_sampling2d", ZeroPadding2D = "zero_padding2d",
    GlobalAveragePooling1D = "global_average_pooling1d", Conv2D = "conv2d", Dense = "dense",
    DepthwiseConv2D = "depthwise_conv2d", BatchNormalization = "batch_normalization"
  )
  expect_identical(keras_snake_case(names(names)), unname(names))
})

test_that("operations of Keras 3 between tensors and numbers", {
  op <- function(class, name, ...) {
    layer(class, name, inbound = call3(...), module = "keras.src.ops.numpy")
  }
  config <- functional(
    list("x", 0, 0), list("out", 0, 0), input_layer("x", 4),
    op("Add", "a", tensor3("x"), 3), op("Subtract", "b", 2, tensor3("a")),
    op("Subtract", "c", tensor3("b"), 0.5), op("Multiply", "d", 2, tensor3("c")),
    op("TrueDivide", "e", tensor3("d"), 4), op("Negative", "f", tensor3("e")),
    op("Add", "g", tensor3("f"), list(class_name = "__numpy__",
                                      config = list(value = list(1, 2, 3, 4)))),
    op("Multiply", "h", tensor3("g"), tensor3("x")),
    op("Subtract", "i", tensor3("h"), tensor3("a")),
    layer("Gelu", "out", approximate = FALSE, inbound = call3(tensor3("i")),
          module = "keras.src.ops.nn")
  )
  a <- x4 + 3
  g <- sweep(-(2 * (2 - a - 0.5)) / 4, 2, 1:4, "+")
  i <- g * x4 - a
  expect_predicts(config, list(), x4, i * pnorm(i))
})

test_that("operations of Keras 2", {
  op <- function(fun, name, ...) {
    layer("TFOpLambda", name, `function` = fun, inbound = list(list(...)))
  }
  config <- functional(
    list(list("x", 0, 0)), list(list("out", 0, 0)), input_layer("x", 4),
    op("__operators__.add", "a", "x", 0, 0, list(y = 3, name = NULL)),
    op("math.subtract", "b", "_CONSTANT_VALUE", -1, 2, list(y = list("a", 0, 0), name = NULL)),
    op("math.multiply", "c", "b", 0, 0, list(y = list("x", 0, 0), name = NULL)),
    op("math.truediv", "d", "c", 0, 0, list(y = list(1, 2, 4, 8), name = NULL)),
    op("nn.leaky_relu", "e", "d", 0, 0, list(alpha = 0.3)),
    op("concat", "out", list("e", 0, 0, list(axis = -1)), list("x", 0, 0, list(axis = -1)))
  )
  d <- sweep((2 - (x4 + 3)) * x4, 2, c(1, 2, 4, 8), "/")
  expect_predicts(config, list(), x4, cbind(ifelse(d > 0, d, 0.3 * d), x4))
})

test_that("the calls of nested models count from 1 in Keras 2, those of others from 0", {
  w <- with_seed(3, lapply(1:2, function(i) list(random_array(4, 4), rnorm(4))))
  dense <- function(name) layer("Dense", name, use_bias = TRUE, activation = "tanh")
  encoder <- c(sequential(layer("InputLayer", "i", batch_input_shape = list(NULL, 4)), dense("d"),
                          name = "encoder"),
               list(name = "encoder", inbound_nodes = list(list(tensor2("x")),
                                                           list(tensor2("own")))))
  own <- dense("own")
  own$inbound_nodes <- list(list(tensor2("encoder", 1)))
  config <- functional(
    list(list("x", 0, 0)), list(list("sum", 0, 0)),
    layer("InputLayer", "x", batch_input_shape = list(NULL, 4)), encoder, own,
    layer("Add", "sum", inbound = list(list(tensor2("encoder", 2), tensor2("own"))))
  )
  f <- function(x, w) tanh(sweep(x %*% w[[1]], 2, w[[2]], "+"))
  middle <- f(f(x4, w[[1]]), w[[2]])
  expect_predicts(config, list(`encoder/d` = w[[1]], own = w[[2]]), x4, middle + f(middle, w[[1]]))
})

test_that("dictionaries of inputs are in the order of their names", {
  config <- functional(
    list(b = list("b", 0, 0), a = list("a", 0, 0)), list("out", 0, 0),
    input_layer("b", 2), input_layer("a", 3),
    layer("Concatenate", "out", axis = -1, inbound = call3(list(tensor3("b"), tensor3("a"))))
  )
  expect_identical(keras_list(config)$input_dim, list(3L, 2L))
})

test_that("layers on signals that know no data format have their channels at the end", {
  config <- sequential(input_layer("x", 3, 4), layer("Cropping1D", "crop", cropping = list(1, 0)),
                       layer("Flatten", "flat"))
  expect_predicts(config, list(), x34, flat(x34[, 2:3, ]), channels_first = FALSE)
  config$config$layers[[2]]$config <- list(name = "crop", cropping = list(0, 2))
  expect_predicts(config, list(), x34, x34[, 1, ], channels_first = FALSE)
})

test_that("batch norm works on the axis it names, with and without channels", {
  axis1 <- list(c(1, 2, 3), c(0, 1, -1), c(0.5, 0, 1), c(1, 4, 0.25))
  truth <- x34
  for (i in 1:3) {
    truth[, i, ] <- (x34[, i, ] - axis1[[3]][i]) / sqrt(axis1[[4]][i] + 1e-3) * axis1[[1]][i] +
      axis1[[2]][i]
  }
  norm <- layer("BatchNormalization", "norm", axis = 1)
  plain <- sequential(input_layer("x", 3, 4), norm, layer("Flatten", "flat"))
  expect_predicts(plain, list(norm = axis1), x34, flat(truth))
  signal <- sequential(input_layer("x", 3, 4), layer("UpSampling1D", "up", size = 1), norm,
                       layer("Flatten", "flat"))
  expect_predicts(signal, list(norm = axis1), x34, flat(truth), channels_first = FALSE)
})

test_that("weights of several axes are in the order of the tensor's", {
  # Keras makes gamma for the axes (2, 1) of shape (4, 3) and reads it row by row as (3, 4).
  gamma <- with_seed(4, random_array(4, 3))
  read <- matrix(t(gamma), 3, 4, byrow = TRUE)
  truth <- t(apply(x34, 1, function(x) {
    as.vector(t(read * (x - mean(x)) / sqrt(mean((x - mean(x))^2) + 1e-3)))
  }))
  norm <- layer("LayerNormalization", "norm", axis = list(2, 1), center = FALSE)
  flatten <- layer("Flatten", "flat")
  expect_predicts(sequential(input_layer("x", 3, 4), norm, flatten), list(norm = list(gamma)), x34,
                  truth)
  signal <- sequential(input_layer("x", 3, 4), layer("UpSampling1D", "up", size = 1), norm, flatten)
  expect_predicts(signal, list(norm = list(gamma)), x34, truth, channels_first = FALSE)

  moments <- list(with_seed(5, random_array(3, 4)), with_seed(6, abs(random_array(3, 4))), array(9))
  norm <- layer("Normalization", "norm", axis = list(2, 1))
  truth <- t(apply(x34, 1, function(x) as.vector(t((x - moments[[1]]) / sqrt(moments[[2]])))))
  expect_predicts(sequential(input_layer("x", 3, 4), norm, flatten), list(norm = moments), x34,
                  truth)
})

test_that("normalization by single moments and by given ones", {
  norm <- layer("Normalization", "norm", axis = NULL)
  scalar <- f32(as.raw(c(0, 0, 0, 64)), integer()) # 2
  by_name <- function(names, path) list(scalar, scalar, scalar)
  net <- keras_model_list(sequential(input_layer("x", 4), norm), by_name)
  expect_equal(unname(predict(convert(net, dtype = "double"), x4)), (x4 - 2) / sqrt(2))

  norm <- layer("Normalization", "norm", axis = -1, mean = list(1, 2, 3, 4),
                variance = list(1, 4, 9, 16), invert = TRUE)
  truth <- sweep(sweep(x4, 2, 1:4, "*"), 2, 1:4, "+")
  expect_predicts(sequential(input_layer("x", 4), norm), list(), x4, truth)
})

test_that("vectors are repeated, and stretched over signals", {
  config <- sequential(input_layer("x", 4), layer("RepeatVector", "rep", n = 3),
                       layer("Flatten", "flat"))
  expect_predicts(config, list(), x4, cbind(x4, x4, x4))

  config <- functional(
    list("x", 0, 0), list("flat", 0, 0), input_layer("x", 3, 4),
    layer("GlobalAveragePooling1D", "mean", data_format = "channels_last",
          inbound = call3(tensor3("x"))),
    layer("Multiply", "times", inbound = call3(list(tensor3("x"), tensor3("mean")))),
    layer("Flatten", "flat", inbound = call3(tensor3("times")))
  )
  means <- apply(x34, c(1, 3), mean)
  truth <- flat(sweep(x34, c(1, 3), means, "*"))
  expect_predicts(config, list(), x34, truth, channels_first = FALSE)
})

test_that("arrays of an .h5 file belong to the layer whose names they share", {
  group <- list(`b/d/kernel` = 1, `c/d/kernel` = 2, `d/kernel` = 3, `x/y/kernel` = 4,
                `scope/z/kernel` = 6)
  content <- list(layout = "groups", weights = list(m = group, d = list(`d/kernel` = 5)))
  weights <- keras_file_weights(content)
  expect_identical(weights("d"), list(`d/kernel` = 5))
  expect_identical(weights(c("m", "d"))[[1]], 3)
  expect_identical(weights(c("m", "b", "d"))[[1]], 1)
  expect_identical(weights(c("m", "c", "d"))[[1]], 2)
  expect_identical(weights(c("m", "x/y"))[[1]], 4)
  expect_identical(weights(c("m", "z"))[[1]], 6)
  expect_length(weights(c("m", "e")), 0)
})

test_that("what cannot be converted is an error that says where", {
  x <- input_layer("x", 3, 4)
  binary <- function(class, ...) {
    functional(list("x", 0, 0), list("op", 0, 0), x,
               layer(class, "op", inbound = call3(...), module = "keras.src.ops.numpy"))
  }
  expect_snapshot(error = TRUE, {
    keras_list(sequential(x, layer("LSTM", "memory"), layer("Lambda", "own")))
    keras_list(binary("TrueDivide", tensor3("x"), tensor3("x")))
    keras_list(binary("Power", tensor3("x"), 2))
    keras_list(sequential(x, layer("Softmax", "soft", axis = list(1, 2))))
    keras_list(sequential(x, layer("Activation", "act", activation = list("code", NULL))))
    keras_list(sequential(x, layer("Activation", "act", activation = "sparsemax")))
    keras_list(sequential(x, layer("Dense", "dense", use_bias = TRUE)))
    keras_list(sequential(x, layer("Dense", "dense", use_bias = TRUE)),
               list(dense = list(1, 2, 3)))
    keras_list(sequential(x, layer("UpSampling2D", "up", size = 2, interpolation = "bilinear")))
    keras_list(sequential(x, layer("Conv1D", "conv", data_format = "channels_first"),
                          layer("Cropping1D", "crop", cropping = list(0, 1))))
    keras_list(functional(
      list("x", 0, 0), list("soft", 0, 0), x,
      layer("Softmax", "soft", axis = -1,
            inbound = list(list(args = list(tensor3("x")), kwargs = list(mask = tensor3("x")))))
    ))
    keras_list(functional(list(list("x", 0, 0), list("y", 0, 0)), list("x", 0, 0), x,
                          input_layer("y", 2)))
    keras_list(sequential(layer("Dense", "dense", use_bias = TRUE)))
    keras_list(list(class_name = "MyModel", config = list()))
  })
  damaged <- functional(list("x", 0, 0), list("nowhere", 0, 0), x)
  expect_error(keras_list(damaged), "one that Keras writes", class = "innsight_error_model")
})
