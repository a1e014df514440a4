# A model with one layer changed; `at` is the layer's index.
changed <- function(net, at, ...) {
  net$layers[[at]] <- utils::modifyList(net$layers[[at]], list(...), keep.null = TRUE)
  net
}
dropped <- function(net, at, field) {
  net$layers[[at]][[field]] <- NULL
  net
}
expect_model_error <- function(net, pattern, kind = "model") {
  expect_error(normalise_model(net), pattern, class = paste0("innsight_error_", kind))
}

test_that("normalising is idempotent and knows every layer type", {
  cut <- list(
    input_dim = 6, input_nodes = 1, output_nodes = 2,
    layers = list(
      list(type = "Scale", shift = 1, input_layers = 0, output_layers = 2),
      list(type = "Slice", axis = 2, start = -3, input_layers = 1, output_layers = -1)
    )
  )
  for (net in list(tiny_net(), two_input_net(), all_layers_net(), more_layers_net(), cut)) {
    once <- normalise_model(net)
    expect_s3_class(once, "innsight_model")
    expect_identical(normalise_model(once), once)
    spec <- engine_spec(once)
    expect_length(spec$spec$layers, length(net$layers))
  }
  layers <- c(all_layers_net()$layers, more_layers_net()$layers, cut$layers)
  expect_setequal(vapply(layers, function(layer) layer$type, ""), names(layer_fields))
})

test_that("defaults and short forms are completed", {
  net <- normalise_model(all_layers_net())
  conv <- net$layers[[7]]
  expect_identical(conv[c("stride", "padding", "dilation", "groups", "padding_mode")], list(
    stride = c(1L, 1L), padding = c(0L, 0L, 0L, 0L), dilation = c(1L, 1L), groups = 2L,
    padding_mode = "zeros"
  ))
  expect_identical(net$layers[[2]]$strides, 2L)
  expect_identical(net$layers[[8]]$kernel_size, c(2L, 2L))
  expect_identical(net$layers[[4]]$beta, numeric(4))
  padding <- function(p) {
    normalise_model(changed(all_layers_net(), 7, padding = p))$layers[[7]]$padding
  }
  expect_identical(padding(1), rep(1L, 4))
  expect_identical(padding(c(1, 2)), c(1L, 1L, 2L, 2L))
  expect_identical(padding(1:4), 1:4)
  no_bias <- changed(tiny_net(), 1, bias = NULL)
  expect_identical(normalise_model(no_bias)$layers[[1]]$bias, numeric(3))
  defaults <- normalise_model(dropped(dropped(all_layers_net(), 6, "mode"), 6, "value"))
  expect_identical(defaults$layers[[6]][c("mode", "value")], list(mode = "constant", value = 0))
  more <- normalise_model(changed(more_layers_net(), 7, bias = NULL))$layers
  expect_identical(more[[7]][c("padding", "output_padding", "dilation", "bias")], list(
    padding = rep(0L, 4), output_padding = c(0L, 0L), dilation = c(1L, 1L), bias = numeric(4)
  ))
  expect_identical(more[[12]]$eps, 1e-5)
  expect_identical(more[[10]]$order, "channels_last")
  expect_null(more[[8]]$gamma)
})

test_that("other spellings of types and fields are accepted", {
  net <- dropped(two_input_net(), 9, "axis")
  net$layers[[9]]$dim <- 2
  net$layers[[9]]$type <- "Concatenation"
  expect_identical(normalise_model(net)$layers[[9]], normalise_model(two_input_net())$layers[[9]])

  net <- dropped(two_input_net(), 3, "stride")
  net$layers[[3]]$strides <- c(2, 1)
  net$layers[[5]] <- c(dropped(net, 5, "strides")$layers[[5]], list(stride = 1))
  net <- normalise_model(net)
  expect_identical(net$layers[[3]]$stride, c(2L, 1L))
  expect_identical(net$layers[[5]]$strides, c(1L, 1L))

  net <- dropped(tiny_net(), 1, "weight")
  net$layers[[1]]$weights <- tiny_net()$layers[[1]]$weight
  expect_identical(normalise_model(net), normalise_model(tiny_net()))

  net <- dropped(dropped(more_layers_net(), 2, "num_groups"), 12, "axes")
  net$layers[[2]]$groups <- 2
  net$layers[[12]]$axis <- 3
  expect_identical(normalise_model(net), normalise_model(more_layers_net()))

  for (alias in names(activation_aliases)) {
    net <- normalise_model(changed(tiny_net(), 1, activation_name = alias))
    expect_identical(net$layers[[1]]$activation_name, activation_aliases[[alias]])
  }
  expect_true(all(activation_aliases %in% names(capabilities()$activations)))
  expect_false(any(names(activation_aliases) %in% names(capabilities()$activations)))

  net <- dropped(all_layers_net(), 13, "act_name")
  net$layers[[13]]$activation_name <- "tanh"
  expect_identical(normalise_model(net)$layers[[13]]$act_name, "tanh")
})

test_that("the engine's specification is complete", {
  spec <- engine_spec(normalise_model(two_input_net()))
  layers <- spec$spec$layers
  expect_identical(spec$spec$input_dim, list(4L, c(2L, 6L, 6L)))
  expect_identical(spec$spec$output_nodes, c(10L, 11L))
  expect_identical(layers[[1]]$inputs, -1L)
  expect_identical(layers[[2]]$inputs, -2L)
  expect_identical(layers[[8]]$inputs, c(1L, 7L))
  expect_identical(spec$arrays[[layers[[7]]$weight]], two_input_net()$layers[[7]]$weight)
  expect_identical(dim(spec$arrays[[layers[[4]]$gamma]]), 3L)
  expect_identical(layers[[10]]$activation, list(name = "softmax"))
  args <- list(negative_slope = 0.2)
  net <- changed(tiny_net(), 1, activation_name = "leaky_relu", activation_args = args)
  activation <- engine_spec(normalise_model(net))$spec$layers[[1]]$activation
  expect_identical(activation, list(name = "leaky_relu", args = args))
  more <- engine_spec(normalise_model(more_layers_net()))$spec$layers
  expect_identical(more[[1]]$activation, list(name = "silu"))
  expect_identical(more[[2]]$groups, 2L)
  expect_identical(more[[8]][c("gamma", "beta", "eps")], list(gamma = 0L, beta = 0L, eps = 1e-5))
  pooling <- engine_spec(normalise_model(all_layers_net()))$spec$layers[c(5, 11)]
  expect_identical(vapply(pooling, function(layer) layer$type, ""),
                   c("GlobalAvgPooling", "GlobalMaxPooling"))

  both <- list(
    input_dim = list(2, 2), input_nodes = c(1, 1), output_nodes = 1,
    layers = list(list(type = "Add", input_layers = c(0, 0), output_layers = -1))
  )
  expect_identical(engine_spec(normalise_model(both))$spec$layers[[1]]$inputs, c(-1L, -2L))
})

test_that("weights may be integers or raw vectors of 32-bit floats", {
  net <- changed(tiny_net(), 1, weight = matrix(1:3), bias = 1:3)
  expect_identical(normalise_model(net)$layers[[1]]$bias, c(1, 2, 3))

  as_raw <- function(x) {
    shape <- if (is.null(dim(x))) length(x) else dim(x)
    x <- aperm(array(x, shape))
    structure(writeBin(as.vector(x), raw(), size = 4, endian = "little"), shape = shape)
  }
  net <- dense_net(c(3, 4, 2), c("relu", "linear"))
  raw_net <- net
  raw_net$layers <- lapply(net$layers, function(layer) {
    layer$weight <- as_raw(layer$weight)
    layer$bias <- as_raw(layer$bias)
    layer
  })
  x <- matrix(1:6 / 6, 2)
  expect_equal(predict(convert(raw_net), x), predict(convert(net), x), tolerance = 1e-6)
  expect_model_error(changed(raw_net, 1, weight = as.raw(1:12)), "`shape`")
  raw_net$layers[[1]]$weight[1:4] <- as.raw(c(0, 0, 0xc0, 0x7f))
  expect_error(convert(raw_net), "ayer 1", class = "innsight_error_weights")
})

test_that("links that are missing are derived, with a warning", {
  net <- tiny_net()
  bare <- net
  bare$input_nodes <- bare$output_nodes <- NULL
  bare$layers <- lapply(bare$layers, function(layer) {
    layer[setdiff(names(layer), c("input_layers", "output_layers"))]
  })
  warnings <- testthat::capture_warnings(result <- normalise_model(bare))
  expect_length(warnings, 4)
  for (field in c("input_layers", "output_layers", "input_nodes", "output_nodes")) {
    expect_match(warnings, field, all = FALSE)
  }
  expect_identical(result, normalise_model(net))
  expect_warning(normalise_model(dropped(net, 2, "output_layers")), "layer 2",
                 class = "innsight_warning")

  branches <- two_input_net()
  branches$layers <- lapply(branches$layers, function(layer) {
    layer[setdiff(names(layer), "output_layers")]
  })
  expect_identical(suppressWarnings(normalise_model(branches)), normalise_model(two_input_net()))
})

test_that("unknown types, activations and fields are errors", {
  expect_model_error(changed(tiny_net(), 1, type = "LSTM"), "Layer 1.*\"LSTM\"")
  expect_model_error(dropped(tiny_net(), 1, "type"), "Layer 1")
  expect_model_error(changed(tiny_net(), 2, activation_name = "swoosh"),
                     "Layer 2 \\(Dense\\).*swoosh.*not implemented.*relu")
  expect_model_error(changed(two_input_net(), 6, activation_name = "relu"),
                     "Layer 6 \\(Flatten\\).*activation_name")
  expect_silent(normalise_model(changed(two_input_net(), 6, activation_name = "linear")))
  expect_model_error(changed(all_layers_net(), 3, dilation = 2), "dilation")
  expect_warning(normalise_model(changed(tiny_net(), 1, note = "mine")), "note",
                 class = "innsight_warning")
  expect_silent(normalise_model(changed(tiny_net(), 1, name = "first")))
})

test_that("every field is checked by an error that names layer, field and value", {
  two <- two_input_net()
  all <- all_layers_net()
  expect_model_error(changed(two, 1, weight = "a"), "Layer 1 \\(Dense\\): weight.*\"a\"")
  expect_model_error(changed(two, 1, weight = 1:4), "weight")
  expect_model_error(changed(two, 3, weight = matrix(1, 2, 2)), "weight.*height, width")
  expect_model_error(dropped(two, 1, "bias"), "bias.*missing")
  expect_model_error(changed(two, 1, bias = 1:2), "length 3", "shape")
  expect_model_error(changed(two, 1, activation_name = 1), "activation_name")
  expect_model_error(changed(two, 1, activation_args = list(slope = 1)), "activation_args")
  expect_model_error(changed(two, 1, activation_args = list(beta = 1)), "\"relu\".*threshold")
  expect_model_error(changed(two, 1, activation_name = "tanh", activation_args = list(beta = 1)),
                     "\"tanh\".*none")
  args <- function(name, ...) {
    changed(two, 1, activation_name = name, activation_args = list(...))
  }
  expect_model_error(args("softplus", alpha = 1), "\"softplus\".*beta, threshold")
  expect_model_error(args("softplus", beta = "a"), "activation_args.*\"a\"")
  expect_model_error(args("softplus", 1), "activation_args")
  expect_model_error(args("softmax", dim = 1), "activation_args.*axis")
  expect_silent(normalise_model(args("relu")))
  expect_error(convert(args("softplus", beta = 0)), "Layer 1.*`beta` = 0",
               class = "innsight_error_model")
  for (bad in list(0, 1.5, "a", c(1, 1, 1), NA)) {
    expect_model_error(changed(two, 3, stride = bad), "Layer 3 \\(Conv2D\\): stride")
    expect_model_error(changed(two, 3, dilation = bad), "dilation")
    expect_model_error(changed(two, 5, kernel_size = bad), "kernel_size")
  }
  for (bad in list(-1, 1:3, "valid", NA)) {
    expect_model_error(changed(two, 3, padding = bad), "padding.*left, right, top, bottom")
  }
  expect_model_error(changed(two, 3, padding_mode = "mirror"), "padding_mode.*circular")
  expect_model_error(changed(two, 3, groups = 2), "groups")
  expect_model_error(dropped(two, 5, "kernel_size"), "kernel_size.*missing")
  expect_model_error(changed(two, 5, ceil_mode = 1), "ceil_mode")
  expect_model_error(changed(two, 2, padding = 1), "padding.*2 values")
  expect_model_error(changed(two, 2, mode = "wrap"), "mode")
  expect_model_error(changed(two, 2, value = NA), "value")
  expect_model_error(dropped(two, 4, "gamma"), "gamma.*missing")
  expect_model_error(changed(two, 4, gamma = 1:2), "gamma", "shape")
  expect_model_error(changed(two, 4, num_features = 5), "length 5", "shape")
  expect_model_error(changed(two, 4, eps = -1), "eps")
  expect_model_error(changed(two, 4, run_var = c(1, 0, -1)), "run_var", "weights")
  expect_model_error(changed(two, 6, start_dim = 1), "start_dim")
  expect_model_error(changed(two, 6, order = "hwc"), "order")
  expect_model_error(changed(two, 9, axis = 1), "axis")
  expect_model_error(dropped(two, 9, "axis"), "axis.*missing")
  expect_model_error(changed(all, 5, method = "median"), "method.*average")
  expect_model_error(dropped(all, 13, "act_name"), "act_name.*missing")
  expect_model_error(changed(two, 1, dim_in = "4"), "dim_in")
  expect_model_error(changed(two, 1, dim_out = list(3, 3)), "dim_out")
})

test_that("the fields of the other layer types are checked too", {
  more <- more_layers_net()
  expect_model_error(changed(more, 1, weight = matrix(1, 2, 2)), "weight.*in, out / groups, length")
  expect_model_error(changed(more, 1, bias = 1:3), "length 4", "shape")
  expect_model_error(changed(more, 7, bias = 1:2), "length 4", "shape")
  expect_model_error(changed(more, 1, groups = 2), "groups.*3 input channels")
  expect_model_error(changed(more, 1, output_padding = -1), "output_padding.*at least 0")
  expect_model_error(changed(more, 1, padding_mode = "reflect"), "does not take.*padding_mode")
  expect_model_error(dropped(more, 2, "num_groups"), "num_groups.*missing")
  expect_model_error(changed(more, 2, gamma = diag(2)), "gamma.*numeric vector")
  expect_model_error(changed(more, 2, eps = -1), "eps")
  expect_model_error(dropped(more, 3, "weight"), "weight.*missing")
  expect_model_error(changed(more, 3, weight = "a"), "weight.*\"a\"")
  expect_model_error(changed(more, 3, weight = c(1, NA)), "weight.*Value 2", "weights")
  for (bad in list(0, "2", NULL, 1:2, NA)) {
    expect_model_error(changed(more, 4, size = bad), "Layer 4 \\(Upsampling1D\\): size")
  }
  for (bad in list(1, c(2, 0), "2", NULL, NA, integer())) {
    expect_model_error(changed(more, 5, axes = bad), "Layer 5 \\(Permute\\): axes.*batch")
  }
  for (bad in list(0, -2, 1.5, "2", NULL, NA, integer())) {
    expect_model_error(changed(more, 6, target = bad), "Layer 6 \\(Reshape\\): target.*shape")
  }
  expect_model_error(changed(more, 6, order = "hwc"), "order")
  expect_model_error(changed(more, 12, axes = 1), "axes")
  expect_model_error(changed(more, 12, gamma = list(1)), "gamma")
  single <- list(input_dim = 2, input_nodes = 1, output_nodes = 1, layers = list(
    list(type = "Multiply", input_layers = 0, output_layers = -1)
  ))
  expect_model_error(single, "Multiply.*at least 2", "graph")

  # What only the shapes tell is said by the engine.
  refused <- function(net, pattern, kind = "model") {
    expect_error(convert(net), pattern, class = paste0("innsight_error_", kind))
  }
  refused(changed(more, 1, output_padding = 2), "Layer 1.*`output_padding` = 2 must be less")
  refused(changed(more, 1, padding = 8), "Layer 1.*takes away all", "shape")
  refused(changed(more, 2, num_groups = 3), "Layer 2.*must divide the 4 channels")
  refused(changed(more, 2, gamma = 1:3), "Layer 2.*`gamma` has 3 values", "weights")
  refused(changed(more, 3, weight = 1:3), "Layer 3.*one a channel", "weights")
  refused(changed(more, 5, axes = 2), "Layer 5.*each of the axes 2 to 3 once")
  refused(changed(more, 6, target = c(5, -1)), "Layer 6.*\\(48, 4\\).*\\(5, -1\\)", "shape")
  refused(changed(more, 10, target = c(2, 96)), "Layer 11.*\\(4, 48\\) and \\(2, 96\\)", "shape")
  refused(changed(more, 12, gamma = matrix(1, 4, 12)), "Layer 12.*`gamma`.*\\(48\\)", "weights")
})

test_that("weights that are not finite are an error of their own", {
  for (bad in c(NA, NaN, Inf)) {
    weight <- two_input_net()$layers[[3]]$weight
    weight[5] <- bad
    expect_model_error(changed(two_input_net(), 3, weight = weight),
                       "Layer 3 \\(Conv2D\\): weight.*Value 5", "weights")
    expect_model_error(changed(two_input_net(), 4, run_mean = c(0, bad, 0)), "run_mean", "weights")
  }
})

test_that("an inconsistent graph is an error that says where", {
  two <- two_input_net()
  graph_error <- function(net, pattern) expect_model_error(net, pattern, "graph")
  graph_error(changed(two, 1, output_layers = 8), "layer 9 has 1 in its input_layers.*layer 1")
  graph_error(changed(two, 8, input_layers = c(1, 6)), "missing")
  graph_error(changed(two, 1, output_layers = c(8, 99)), "Layer 1.*99")
  graph_error(changed(two, 3, input_layers = "2"), "Layer 3")
  graph_error(changed(two, 3, input_layers = c(2, 2)), "exactly 1 input")
  graph_error(changed(changed(two, 8, input_layers = 1), 7, output_layers = 9), "at least 2")
  graph_error(changed(two, 3, input_layers = 3), "itself")
  graph_error(changed(two, 10, output_layers = 11), "missing")
  for (nodes in list(10, c(10, 12), c(10, 11, 11), "10")) {
    net <- two
    net$output_nodes <- nodes
    graph_error(net, "output_nodes")
  }
  net <- two
  net$output_nodes <- c(7, 10, 11)
  graph_error(net, "Layer 7 \\(Dense\\) is in output_nodes.*do not hold -1")
  for (nodes in list(1, c(1, 3), c(1, 2, 2))) {
    net <- two
    net$input_nodes <- nodes
    graph_error(net, "input_nodes.*Skipping")
  }
  net <- two
  net$input_dim <- list(4, c(2, 6, 6), 3)
  graph_error(net, "input_dim")
})

test_that("the top level is checked", {
  for (model in list(list(), list(layers = list()), list(layers = 1), list(layers = list(1)))) {
    model$input_dim <- 1
    expect_model_error(model, "layer")
  }
  net <- tiny_net()
  net$input_dim <- NULL
  expect_model_error(net, "input_dim.*missing")
  net$input_dim <- "1"
  expect_model_error(net, "input_dim", "argument")
})

test_that("a model list prints its layers", {
  expect_snapshot(print(normalise_model(two_input_net())))
})

test_that("padding, windows and places have their forms", {
  net <- all_layers_net()
  padding <- function(p) normalise_model(changed(net, 7, padding = p))$layers[[7]]$padding
  expect_identical(padding("same"), "same")
  expect_model_error(changed(net, 7, padding = "valid"), "padding.*\"same\"")
  pool <- changed(net, 8, output_size = 2, kernel_size = NULL, strides = NULL)
  expect_identical(normalise_model(pool)$layers[[8]]$output_size, c(2L, 2L))
  expect_null(normalise_model(pool)$layers[[8]]$kernel_size)
  expect_model_error(dropped(net, 8, "kernel_size"), "kernel_size")
  slice <- function(...) {
    list(input_dim = 4, input_nodes = 1, output_nodes = 1, layers = list(
      list(type = "Slice", axis = 2, ..., input_layers = 0, output_layers = -1)
    ))
  }
  expect_equal(unname(predict(convert(slice(start = 2, end = -2)), t(1:4))), t(2:3))
  expect_model_error(slice(start = 0), "start")
  expect_error(convert(slice(start = 5)), "among the 4 cells", class = "innsight_error_shape")
  expect_error(convert(slice(start = 3, end = 2)), "must not come", class = "innsight_error_shape")
})

test_that("layers are called by their names", {
  net <- changed(tiny_net(), 1, name = "block{1}/dense")
  converter <- Converter$new(net, save_model_as_list = TRUE)
  expect_identical(converter$model_as_list$layers[[1]]$name, "block{1}/dense")
  expect_identical(converter$model$modules_list[[1]]$name, "block{1}/dense")
  expect_output(print(converter), "<Dense_Layer> `block{1}/dense`:", fixed = TRUE)
  expect_output(print(converter$model_as_list), "1. Dense `block{1}/dense` weight", fixed = TRUE)
  label <- "Layer 1 (Dense, `block{1}/dense`): "
  bad <- function(...) conditionMessage(expect_error(Converter$new(changed(net, 1, ...))))
  expect_match(bad(bias = "a"), label, fixed = TRUE)
  expect_match(bad(input_layers = "a"), label, fixed = TRUE)
  expect_match(bad(dim_out = 77), label, fixed = TRUE)
  # From the engine.
  net$input_dim <- net$input_dim + 1
  expect_error(Converter$new(net), label, fixed = TRUE, class = "innsight_error_shape")
  for (name in list(1, c("a", "b"), "", NA_character_)) {
    expect_model_error(changed(tiny_net(), 1, name = name), "name")
  }
})
