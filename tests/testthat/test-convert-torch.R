sequential <- function(...) {
  list(class = "nn_sequential", fields = list(), weights = list(), children = list(...))
}
module <- function(class, ..., weights = list()) {
  list(class = class, fields = list(...), weights = weights, children = list())
}
linear <- function(n_in, n_out) {
  module("nn_linear", in_features = n_in, out_features = n_out,
         weights = list(weight = wave(c(n_out, n_in), 1), bias = wave(n_out, 2)))
}

test_that("saved modules of R torch predict and differentiate as torch does", {
  models <- torch_models()
  expect_torch_results(torch_model_list(models$rt_mlp$module, 4), models$rt_mlp)
  expect_torch_results(torch_model_list(models$rt_cnn2d$module, c(3, 8, 8)), models$rt_cnn2d)
})

test_that("every kind of module computes what PyTorch does", {
  for (case in torch_cases("torch-modules.json")) {
    expect_torch_predictions(torch_model_list(case$module, case$input_dim), case)
  }
})

test_that("every operation of the table is covered by the cases", {
  cases <- torch_cases("torch-modules.json")
  classes <- unlist(lapply(cases, function(case) {
    vapply(torch_leaves(case$module), function(leaf) leaf$module$class, "")
  }))
  covered <- sub("^nn_", "", classes)
  aliased <- covered %in% names(torch_aliases)
  covered[aliased] <- torch_aliases[covered[aliased]]
  expect_setequal(covered, names(torch_operations))
})

test_that("nested modules become one chain, activations a part of the layer before", {
  net <- torch_model_list(torch_models()$rt_cnn2d$module, c(3, 8, 8))
  converter <- Converter$new(net, save_model_as_list = TRUE)
  expect_identical(
    names(converter$model$modules_list),
    c("Conv2D_1", "BatchNorm_2", "Activation_3", "MaxPooling2D_4", "Conv2D_5", "AveragePooling2D_6",
      "Flatten_7", "Dense_8", "Dense_9")
  )
  activations <- vapply(net$layers, function(layer) layer$activation_name %||% "", "")
  expect_identical(activations[c(1, 5, 8, 9)], c("linear", "leaky_relu", "gelu", "linear"))
  expect_identical(net$layers[[5]]$activation_args, list(negative_slope = 0.1))
  expect_identical(net$layers[[5]]$name, "4.0")
  # Weights stay the single-precision numbers they are.
  expect_s3_class(net$layers[[1]]$weight, "innsight_f32")
  x <- torch_models()$rt_cnn2d$inputs[[1]]
  again <- Converter$new(converter$model_as_list)
  expect_identical(predict(again, x), predict(converter, x))
})

test_that("the shape of the inputs is taken from the layers where they tell it", {
  models <- torch_models()
  expect_identical(expect_no_warning(torch_model_list(models$rt_mlp$module))$input_dim, list(4L))
  expect_warning(net <- torch_model_list(models$rt_cnn2d$module), "\\(3, 8, 8\\)",
                 class = "innsight_warning")
  expect_identical(net$input_dim, list(c(3L, 8L, 8L)))
  signal <- sequential(
    "0" = module("nn_conv1d", in_channels = 2, weights = list(weight = wave(c(3, 2, 4), 1))),
    "1" = module("nn_flatten"), "2" = linear(21, 2)
  )
  expect_warning(net <- torch_model_list(signal), "the smallest signal")
  expect_identical(net$input_dim, list(c(2L, 10L)))
  # No signal makes 22 features of 3 channels; any one makes 3 means.
  signal$children[["2"]] <- linear(22, 2)
  expect_error(torch_model_list(signal), "input_dim", class = "innsight_error_shape")
  signal$children[["1"]] <- module("nn_adaptive_avg_pool1d", output_size = 1)
  signal$children <- c(signal$children[1:2], list(f = module("nn_flatten"), l = linear(3, 2)))
  expect_error(torch_model_list(signal), "input_dim", class = "innsight_error_shape")
  expect_identical(torch_model_list(signal, c(2, 9))$input_dim, list(c(2L, 9L)))
  expect_error(torch_model_list(sequential("0" = module("nn_relu"))), "input_dim")
})

test_that("everything that cannot be converted is listed with its place", {
  expect_snapshot(error = TRUE, {
    torch_model_list(sequential(
      features = sequential(
        "0" = module("nn_max_pool2d", kernel_size = 2, return_indices = TRUE),
        "1" = module("nn_avg_pool2d", kernel_size = 2, divisor_override = 3),
        "2" = module("nn_batch_norm2d", num_features = 2, eps = 1e-5),
        "3" = module("nn_conv3d", weights = list(weight = array(1, c(1, 1, 1, 1, 1)))),
        "4" = module("my_{block}"),
        "5" = module("nn_avg_pool2d")
      ),
      flat = module("nn_flatten", start_dim = 1, end_dim = -1),
      soft = module("nn_softmax", dim = 1),
      up = module("nn_upsample", scale_factor = 2, mode = "bilinear")
    ), c(2, 8, 8))
  })
  expect_snapshot(error = TRUE, torch_model_list(module("Res")))
  expect_snapshot(error = TRUE, torch_model_list(sequential()))
  expect_error(torch_model_list(sequential("0" = linear(3, 2)), list(3, 4)),
               class = "innsight_error_shape")
})

test_that("live modules are read with their weights in single precision", {
  local_fake_torch()
  saved <- torch_models()$rt_cnn2d
  live <- fake_module(saved$module)
  expect_torch_results(as_model_list(live, input_dim = c(3, 8, 8)), saved)
  layer <- as_model_list(live, input_dim = c(3, 8, 8))$layers[[1]]
  expect_identical(layer$weight, saved$module$children[["0"]]$weights$weight)
  converter <- Converter$new(fake_module(torch_models()$rt_mlp$module))
  expect_identical(converter$input_dim, list(4L))
})

test_that("other modules are traced in evaluation mode and left as they were", {
  saved <- torch_models()$rt_two_input
  local_fake_torch(paste(saved$graph, collapse = "\n"))
  live <- fake_module(saved$module)
  attr(live, "module")$.__enclos_env__$private$modules_[[1]] |>
    attr("module") |>
    assign(x = "training", value = FALSE)
  before <- vapply(module_environments(live), function(m) m$training, NA)
  expect_true(any(before) && !all(before))
  net <- as_model_list(live, input_dim = list(5, c(2, 10)))
  expect_torch_results(net, saved)
  expect_identical(vapply(module_environments(live), function(m) m$training, NA), before)
  expect_identical(getOption("torch.traced_with"), list(c(2L, 5L), c(2L, 2L, 10L)))
  expect_error(Converter$new(live), "input_dim", class = "innsight_error_shape")
  # A descendant of nn_sequential may do something else in its forward().
  saved$module$class <- c("mine", "nn_sequential", "nn_module")
  net <- as_model_list(fake_module(saved$module), input_dim = list(5, c(2, 10)))
  expect_torch_results(net, saved)
})

test_that("what is no usable module is an error that says what to do", {
  expect_error(convert(structure(function() 1, class = "nn_module_generator")), "generator",
               class = "innsight_error_model")
  expect_error(convert(structure(list(), class = "nn_module"), input_dim = 3),
               class = "innsight_error_model")
  live <- fake_module(torch_models()$rt_mlp$module)
  if (!requireNamespace("torch", quietly = TRUE)) {
    expect_error(convert(live, input_dim = 4), "torch_save", class = "innsight_error_model")
  }
  local_fake_torch()
  dead <- function(value) {
    tensor <- fake_tensor(value)
    tensor$detach <- function() stop("external pointer is not valid")
    tensor
  }
  live <- fake_module(torch_models()$rt_mlp$module, dead)
  expect_error(convert(live, input_dim = 4), "luz_load", class = "innsight_error_model")
})

test_that("the package torch itself agrees", {
  skip_if_not_installed("torch")
  skip_if_not(torch::torch_is_installed(), "needs the package torch")
  torch::torch_manual_seed(1)
  net <- torch::nn_sequential(
    torch::nn_conv2d(2, 3, c(3, 2), padding = c(1, 0)), torch::nn_batch_norm2d(3),
    torch::nn_relu(), torch::nn_sequential(torch::nn_max_pool2d(2), torch::nn_flatten()),
    torch::nn_linear(18, 4), torch::nn_softmax(dim = 2)
  )
  net$eval()
  x <- random_array(3, 2, 4, 7)
  truth <- torch::as_array(net(torch::torch_tensor(x)))
  expect_equal(unname(predict(convert(net, input_dim = c(2, 4, 7)), x)), truth, tolerance = 1e-5)
  residual <- torch::nn_module(
    initialize = function() {
      self$conv <- torch::nn_conv2d(2, 2, 3, padding = 1)
      self$norm <- torch::nn_batch_norm2d(2)
      self$out <- torch::nn_linear(2, 3)
    },
    forward = function(x) {
      self$out((torch::nnf_relu(self$norm(self$conv(x))) + x)$mean(c(3, 4)))
    }
  )()
  mean <- torch::as_array(residual$norm$running_mean)
  converter <- convert(residual, input_dim = c(2, 4, 7))
  expect_true(residual$training && residual$norm$training)
  expect_identical(torch::as_array(residual$norm$running_mean), mean)
  residual$eval()
  truth <- torch::as_array(residual(torch::torch_tensor(x)))
  expect_equal(unname(predict(converter, x)), truth, tolerance = 1e-5)
})
