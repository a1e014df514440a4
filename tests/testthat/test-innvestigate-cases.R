# One-layer references of iNNvestigate: explained is the largest output of the layer at every data
# point. All biases are 0 and all inputs positive.

# Rules are for layers with weights there.
conv_lrp <- function(rule, param = NULL) {
  list("LRP", rule_name = list(Conv2D_Layer = rule),
       rule_param = if (!is.null(param)) list(Conv2D_Layer = param))
}
innvestigate_methods <- list(
  Gradient = list("Gradient"),
  InputTimesGradient = list("Gradient", times_input = TRUE),
  LRPZ = conv_lrp("simple"),
  LRPEpsilon = conv_lrp("epsilon", 1e-7),
  LRPZPlus = conv_lrp("alpha_beta", 1),
  LRPAlpha1Beta0 = conv_lrp("alpha_beta", 1),
  LRPAlpha2Beta1 = conv_lrp("alpha_beta", 2)
)
# What this package does not have (yet).
innvestigate_not_run <- c(
  Deconvnet = "no deconvnet",
  GuidedBackprop = "no guided backpropagation",
  LRPFlat = "no flat rule",
  LRPZ_Flat_input_layer_rule = "no flat rule",
  LRPWSquare = "no w-square rule",
  LRPZ_boxed_input_layer_rule = "no z-box rule",
  BoundedDeepTaylor = "no z-box rule"
)

# An array of the file, kept as all its values or as the nonzero ones, last index fastest.
innvestigate_array <- function(x) {
  values <- numeric(prod(unlist(x$shape)))
  at <- unlist(x$nonzero_index) %||% (seq_along(values) - 1)
  values[at + 1] <- unlist(x$nonzero_value %||% x$data)
  aperm(array(values, rev(unlist(x$shape))))
}

# A dense layer works on the channels there, like a convolution of size 1.
innvestigate_model <- function(case, input_dim) {
  kind <- sub("_relu$", "", case$layer)
  layer <- if (kind == "AveragePooling2D") {
    list(type = kind, kernel_size = 2)
  } else {
    list(type = "Conv2D", weight = innvestigate_array(case$W), bias = unlist(case$b),
         activation_name = if (endsWith(case$layer, "_relu")) "relu" else "linear")
  }
  list(
    input_dim = input_dim, input_nodes = 1, output_nodes = 2,
    layers = list(
      c(layer, input_layers = 0, output_layers = 2),
      list(type = "Flatten", order = "channels_last", input_layers = 1, output_layers = -1)
    )
  )
}

test_that("the references of iNNvestigate hold to their own tolerance", {
  suite <- read_suite("innvestigate_cases.json")
  x <- innvestigate_array(suite$input)
  for (case in suite$cases) {
    call <- innvestigate_methods[[case$method]]
    if (is.null(call)) {
      expect(case$method %in% names(innvestigate_not_run),
             sprintf("%s is neither run nor listed", case$method))
      next
    }
    at <- unlist(case$argmax_channels_last_flat) + 1
    converter <- convert(innvestigate_model(case, dim(x)[-1]))
    method <- do.call(getExportedValue("innsight", call[[1]])$new, c(
      list(converter, x, output_idx = at, ignore_last_act = FALSE, dtype = "double",
           verbose = FALSE),
      call[-1]
    ))
    label <- paste(case$method, case$layer)
    close <- \(got, expected) all(abs(got - expected) <= suite$atol + suite$rtol * abs(expected))
    expect(close(diag(method$preds[[1]]), unlist(case$argmax_value)), paste(label, "prediction"))
    for (i in 1:2) {
      got <- method$result[[1]][[1]][i, , , , i]
      expected <- innvestigate_array(case$attribution)[i, , , ]
      expect(
        close(got, expected),
        sprintf("%s, data point %d: off by %.3g", label, i, max(abs(got - expected)))
      )
    }
  }
  methods <- vapply(suite$cases, `[[`, "", "method")
  expect_setequal(c(names(innvestigate_methods), names(innvestigate_not_run)), methods)
})
