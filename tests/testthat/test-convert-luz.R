luz_fit <- function(module) {
  structure(list(model = module, records = list(), ctx = NULL), class = "luz_module_fitted")
}

test_that("a fit of luz is the module in it", {
  local_fake_torch()
  saved <- torch_models()$rt_mlp
  expect_torch_results(as_model_list(luz_fit(fake_module(saved$module)), input_dim = 4), saved)
  converter <- Converter$new(luz_fit(fake_module(saved$module)), input_dim = 4)
  expect_identical(converter$input_dim, list(4L))
})

test_that("a fit without its module says how to restore it", {
  expect_error(convert(luz_fit(NULL), input_dim = 4), "luz_load", class = "innsight_error_model")
})
