weight_entries <- c("weight", "bias", "gamma", "beta", "run_mean", "run_var")
# A list as one writes it by hand for a file of weights: named layers without weights.
bare_list <- function(model) {
  net <- graph_model_list(model$graph, model$weights)
  net$layers <- lapply(net$layers, function(layer) layer[setdiff(names(layer), weight_entries)])
  net
}

test_that("named layers take their tensors", {
  models <- torch_models()
  for (model in models[c("pt_mlp", "pt_cnn1d", "pt_resnet")]) {
    converter <- Converter$new(bare_list(model), weights = model$weights)
    expect_equal(unname(predict(converter, model$inputs[[1]])), model$outputs[[1]]$values,
                 tolerance = 1e-6)
  }
  # Arrays serve as well, and what a layer has already stays unless there is a tensor for it.
  net <- bare_list(models$pt_mlp)
  net$layers[[1]]$bias <- rep(100, 10)
  net$layers[[3]]$bias <- numeric(6)
  weights <- lapply(models$pt_mlp$weights, as.array)
  whole <- predict(Converter$new(net, weights = weights), models$pt_mlp$inputs[[1]])
  expect_equal(unname(whole), models$pt_mlp$outputs[[1]]$values, tolerance = 1e-6)
  weights[["3.bias"]] <- NULL
  expect_identical(fill_weights(net, weights, NULL)$layers[[3]]$bias, numeric(6))
})

test_that("scale and shift of a norm without tensors are 1 and 0, a bias is none", {
  net <- list(input_dim = c(2, 3), input_nodes = 1, output_nodes = 3, layers = list(
    list(type = "Conv1D", name = "c", activation_name = "linear", input_layers = 0,
         output_layers = 2),
    list(type = "BatchNorm", name = "b", eps = 0, input_layers = 1, output_layers = 3),
    list(type = "Flatten", input_layers = 2, output_layers = -1)
  ))
  weights <- list(c.weight = array(c(1, 0, 0, 2), c(2, 2, 1)), b.running_mean = c(1, 2),
                  b.running_var = c(4, 1), b.num_batches_tracked = 7)
  converter <- expect_no_warning(Converter$new(net, weights = weights, dtype = "double"))
  x <- random_array(1, 2, 3)
  truth <- c((x[1, 1, ] - 1) / 2, 2 * x[1, 2, ] - 2)
  expect_equal(as.vector(predict(converter, x)), truth, tolerance = 1e-12)
})

test_that("missing and unused tensors are named", {
  model <- torch_models()$pt_resnet
  net <- bare_list(model)
  weights <- model$weights
  expect_warning(Converter$new(net, weights = c(weights, list(extra = 1))), "extra",
                 class = "innsight_warning")
  names(weights) <- sub("^c1\\.weight$", "conv1.weight", names(weights))
  expect_snapshot(error = TRUE, Converter$new(net, weights = weights))
  net$layers <- lapply(net$layers, function(layer) layer[names(layer) != "name"])
  expect_error(Converter$new(net, weights = weights), "features\\.0",
               class = "innsight_error_weights")
})

test_that("weights must be a file of tensors or a named list", {
  for (wrong in list(5, list(1, 2), list(), list(a = 1, a = 2), TRUE)) {
    expect_error(Converter$new(tiny_net(), weights = wrong), "weights",
                 class = "innsight_error_argument")
  }
  expect_error(Converter$new(tiny_net(), weights = tempfile()), "weights",
               class = "innsight_error_file")
})
