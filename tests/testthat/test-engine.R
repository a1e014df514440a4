test_that("the engine describes what it can do", {
  table <- capabilities()
  expect_true("cpu" %in% table$devices)
  classes <- vapply(table$layers, function(layer) layer$class, "")
  expect_true(all(c("Dense_Layer", "Conv2D_Layer", "GlobalMaxPooling") %in% classes))
  names <- vapply(table$rules, function(rule) rule$name, "")
  expect_true(all(c("simple", "epsilon", "alpha_beta", "pass") %in% names))
  expect_true(all(c("relu", "leaky_relu", "softplus", "sigmoid", "softmax", "tanh") %in%
                    names(table$activations)))
})

test_that("a dead handle is built again", {
  converter <- convert(tiny_net())
  x <- list(matrix(0.3))
  expected <- network_predict(converter, x)
  self <- environment(converter$model)
  self$handle <- unserialize(serialize(self$handle, NULL))
  expect_false(engine_alive(self$handle))
  expect_identical(network_predict(converter, x), expected)
  expect_true(engine_alive(self$handle))
  self$handle <- NULL
  expect_identical(network_predict(converter, x), expected)
})

test_that("every layer type is built, evaluated and explained", {
  converter <- convert(all_layers_net())
  x <- all_layers_data()
  expect_identical(dim(network_predict(converter, x)[[1]]), c(3L, 3L))
  values <- network_activations(converter, x)
  shapes <- lapply(converter$model$modules_list, function(layer) layer$output_dim)
  expect_identical(lapply(values, function(v) dim(v$output)[-1]), unname(shapes))
  plan <- network_plan(converter)
  expect_gt(plan$bytes_per_data_point, 0)
  expect_gt(plan$bytes_per_row, 0)
  method <- list(name = "gradient", times_input = FALSE, ignore_last_act = TRUE, ledger = FALSE)
  place <- explain_place(list(rows = 1:3, copies = 1, columns = list(1:3)), 3, 3)
  result <- network_explain(converter, method, x, list(1:3), place, TRUE, "float", quote(test()))
  expect_identical(dim(result[[1]][[2]]), c(3L, 2L, 8L, 8L, 3L))
})

test_that("the number of threads does not change a result", {
  converter <- convert(two_input_net())
  x <- two_input_data(20)
  with_threads <- function(n) {
    old <- options(innsight.threads = n)
    on.exit(options(old))
    predict(converter, x)
  }
  expect_identical(with_threads(1), with_threads(2))
})

test_that("the only input of a model may feed several layers", {
  net <- list(
    input_dim = 2, input_nodes = 1:2, output_nodes = 2,
    layers = list(
      list(type = "Dense", weight = matrix(5, 2, 2), bias = c(0, 0), activation_name = "linear",
           input_layers = 0, output_layers = 2),
      list(type = "Add", input_layers = c(1, 0), output_layers = -1)
    )
  )
  converter <- convert(net)
  x <- matrix(c(2, 3), 1)
  expect_equal(predict(converter, x), x + 25, ignore_attr = TRUE)
  # Checked by captum's test of skip connections: f = 28 is shared out as 10 and 18.
  lrp <- run_lrp(converter, x, output_idx = 2, dtype = "double", verbose = FALSE)
  expect_equal(as.vector(get_result(lrp)), c(10, 18))
})
