# The cases of fixtures/cases.json: how one becomes a model and calls of this package. Its
# `meta$conventions` say how to read it.

read_suite <- function(file) {
  skip_if_not_installed("jsonlite")
  jsonlite::fromJSON(test_path("fixtures", file), simplifyVector = FALSE)
}

# Nested lists with the first index slowest, as an array.
nested <- function(x) {
  shape <- integer()
  inner <- x
  while (is.list(inner)) {
    shape <- c(shape, length(inner))
    inner <- inner[[1]]
  }
  aperm(array(as.double(unlist(x)), rev(shape)))
}

# Operations that are written as several layers: min(a, b) = a - relu(a - b).
case_networks <- list(
  min = list(
    list(op = "dense", W = list(list(1, 0), list(-1, 0), list(1, -1))),
    list(op = "relu"),
    list(op = "dense", W = list(list(1, -1, -1)))
  )
)

case_layers <- function(case, suite) {
  net <- case$network
  if (case$method == "lrp_epsilon+merge_batchnorm") net$ref <- "cnn_bn_merged"
  layers <- if (!is.null(net$ref)) suite$nets[[net$ref]]$layers else net$layers
  operands <- if (!is.null(names(case$input))) rep(list("x"), length(case$input))
  layers <- layers %||% list(c(net, list(from = operands)))
  # Only vectors may leave a model.
  if (endsWith(layers[[length(layers)]]$op, "2d")) layers <- c(layers, list(list(op = "flatten")))
  if (length(layers) == 1) case_networks[[layers[[1]]$op]] %||% layers else layers
}

case_layer <- function(layer) {
  window <- list(kernel_size = unlist(layer$k), strides = unlist(layer$stride))
  affine <- list(weight = if (!is.null(layer$W)) nested(layer$W), bias = unlist(layer$b),
                 activation_name = "linear")
  conv <- c(affine, stride = layer$stride, padding = layer$padding)
  switch(layer$op,
    dense = c(type = "Dense", affine),
    conv1d = c(type = "Conv1D", conv),
    conv2d = c(type = "Conv2D", conv),
    maxpool1d = c(type = "MaxPooling1D", window),
    maxpool2d = c(type = "MaxPooling2D", window),
    avgpool1d = c(type = "AveragePooling1D", window),
    avgpool2d = c(type = "AveragePooling2D", window),
    batchnorm = list(type = "BatchNorm", gamma = unlist(layer$gamma), beta = unlist(layer$beta),
                     run_mean = unlist(layer$mean), run_var = unlist(layer$var), eps = layer$eps),
    # That reference adds 1e-6 to denominators whatever their sign: like a bias.
    layernorm = list(type = "LayerNorm", gamma = unlist(layer$weight),
                     beta = unlist(layer$bias) + 1e-6, eps = layer$eps_var),
    flatten = list(type = "Flatten", order = "channels_first"),
    reshape_to = list(type = "Reshape", target = unlist(layer$shape)),
    add = list(type = "Add"),
    mul = list(type = "Multiply"),
    list(type = "Activation", act_name = layer$op)
  )
}

# A list model with a layer per operation; all inputs of the model feed the layers that name "x".
case_model <- function(layers, input_dim) {
  n <- length(layers)
  names <- vapply(seq_len(n), \(i) layers[[i]]$name %||% paste0("n", i), "")
  from <- lapply(seq_len(n), function(i) {
    given <- unlist(layers[[i]]$from)
    if (is.null(given)) i - 1 else match(given, c("x", names)) - 1
  })
  from_input <- vapply(from, \(f) sum(f == 0), 0)
  specs <- lapply(seq_len(n), function(i) {
    to <- which(vapply(from, \(f) i %in% f, NA))
    c(case_layer(layers[[i]]),
      list(input_layers = from[[i]], output_layers = if (i == n) -1 else to))
  })
  input_nodes <- rep(seq_len(n), if (length(input_dim) > 1) from_input else from_input > 0)
  list(input_dim = input_dim, input_nodes = input_nodes, output_nodes = n, layers = specs)
}

# The class and its arguments for a method of the cases. LRP's rules are for dense layers and
# convolutions: pooling and sums have none there.
case_method <- function(method, params, ref) {
  lrp <- function(rule, param = NULL, conv_rule = rule, conv_param = param, ...) {
    per_class <- function(dense, conv) {
      if (!is.null(dense)) list(Dense_Layer = dense, Conv1D_Layer = conv, Conv2D_Layer = conv)
    }
    list("LRP", rule_name = c(per_class(rule, conv_rule), ...),
         rule_param = per_class(param, conv_param))
  }
  lift <- function(class, rule, ...) {
    list(class, rule_name = rule, maxpool = params$maxpool %||% "gradient", ...)
  }
  intgrad <- function(...) {
    rule <- sub("gausslegendre", "gauss_legendre", params$rule %||% "riemann_right")
    list("IntegratedGradient", x_ref = ref, n = params$n, integration = rule, ...)
  }
  switch(method,
    gradient = ,
    gradient_abs = list("Gradient"),
    gradient_x_input = list("Gradient", times_input = TRUE),
    integrated_gradients = intgrad(),
    integrated_gradients_multiplier = intgrad(times_input = FALSE),
    integrated_gradients_exact = list("IntegratedGradient", x_ref = ref, integration = "exact"),
    lrp_zero = ,
    "lrp_layer_rule:zero" = ,
    "attnlrp_op:add" = ,
    "attnlrp_op:mul" = ,
    "attnlrp_op:layernorm" = lrp("simple"),
    lrp_epsilon = ,
    "lrp_epsilon+merge_batchnorm" = ,
    "lrp_epsilon_layer:n1" = lrp("epsilon", params$eps),
    "lrp_epsilon (batchnorm as its own linear layer)" =
      lrp("epsilon", params$eps, BatchNorm_Layer = "simple"),
    "lrp_epsilon (batchnorm pass)" = lrp("epsilon", params$eps, BatchNorm_Layer = "pass"),
    lrp_alpha_beta = lrp("alpha_beta", params$alpha),
    "composite:EpsilonPlus" = lrp("epsilon", 1e-6, "alpha_beta", 1),
    "composite:EpsilonAlpha2Beta1" = lrp("epsilon", 1e-6, "alpha_beta", 2),
    "composite:ExcitationBackprop" = lrp("alpha_beta", 1),
    deeplift_rescale = ,
    deeplift_rescale_multiplier = lift("DeepLift", "rescale", x_ref = ref),
    deeplift_reveal_cancel = lift("DeepLift", "reveal_cancel", x_ref = ref),
    deepshap = lift("DeepSHAP", "rescale", data_ref = ref),
    connection_weights = list("ConnectionWeights", data = NULL),
    connection_weights_x_input = list("ConnectionWeights", times_input = TRUE),
    shapley = list("SHAP", data_ref = ref)
  )
}

# The values that this package gives for a case and those that are expected; NULL where the package
# has no such method.
run_case <- function(case, suite, dtype = "double") {
  ref <- if (!is.null(case$baseline)) nested(case$baseline)
  call <- case_method(case$method, case$params, ref)
  if (is.null(call)) {
    return(NULL)
  }
  if ("x_ref" %in% names(call) && nrow(ref) > 1) {
    return(run_in_pairs(case, suite, dtype))
  }
  layers <- case_layers(case, suite)
  x <- if (is.null(names(case$input))) list(nested(case$input)) else lapply(case$input, nested)
  converter <- convert(case_model(layers, lapply(x, \(x) dim(x)[-1])))
  if (endsWith(case$method, "_layer:n1")) {
    x <- list(network_activations(converter, x, dtype = dtype)[[1]]$output)
    converter <- convert(case_model(layers[-1], list(dim(x[[1]])[-1])))
  }
  settings <- list(data = x, ignore_last_act = FALSE, dtype = dtype, verbose = FALSE)
  settings$output_idx <- if (!is.null(case$target)) case$target + 1
  # Relevance that starts at all nodes, with values of its own: the values are linear in it.
  start <- unlist(c(case$params$relevance_out, case$params$start_relevance))
  if (!is.null(case$params$relevance_out)) settings$output_idx <- seq_along(start)
  generator <- getExportedValue("innsight", call[[1]])
  args <- utils::modifyList(settings, call[-1])
  args <- args[names(args) %in% names(formals(generator$public_methods$initialize))]
  method <- do.call(generator$new, c(list(converter), args))

  factors <- if (is.null(start)) 1 else start / as.vector(method$decomp_goal[[1]])
  got <- lapply(method$result[[1]], function(values) {
    array(matrix(values, ncol = length(factors)) %*% factors, utils::head(dim(values), -1))
  })
  expected <- if (is.null(names(case$expected))) list(nested(case$expected))
  expected <- expected %||% lapply(case$expected, nested)
  if (case$method == "gradient_abs") got <- lapply(got, abs)
  if (case$method == "deeplift_rescale_multiplier") {
    axes <- seq_along(dim(ref))[-1]
    expected[[1]] <- expected[[1]] * sweep(x[[1]], axes, array(ref, dim(ref)[-1]))
  }
  list(got = unlist(got), expected = unlist(expected))
}

# For every data point a reference of its own.
run_in_pairs <- function(case, suite, dtype) {
  rows <- lapply(seq_along(case$input), function(i) {
    for (field in c("input", "baseline", "expected")) case[[field]] <- case[[field]][i]
    run_case(case, suite, dtype)
  })
  list(got = unlist(lapply(rows, `[[`, "got")), expected = unlist(lapply(rows, `[[`, "expected")))
}
