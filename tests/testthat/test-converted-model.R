test_that("the model is callable and returns a list of matrices", {
  converter <- convert(two_input_net())
  x <- two_input_data(3)
  result <- converter$model(x)
  expect_type(result, "list")
  expect_identical(lapply(result, dim), list(c(3L, 2L), c(3L, 1L)))
  tiny <- convert(tiny_net())
  expect_equal(tiny$model(matrix(0.45))[[1]][1, 1], 0.42189901, tolerance = 1e-6)
  expect_identical(tiny$model(list(matrix(0.45))), tiny$model(matrix(0.45)))
})

test_that("layers keep what a pass is asked to keep", {
  model <- convert(two_input_net(), dtype = "double")$model
  x <- two_input_data(3)
  expect_identical(names(model$modules_list)[c(1, 3, 8)], c("Dense_1", "Conv2D_3", "Add_8"))
  dense <- model$modules_list$Dense_1
  expect_s3_class(dense, "Dense_Layer")
  expect_identical(dense$W, two_input_net()$layers[[1]]$weight)
  expect_identical(dense$activation_name, "relu")
  expect_identical(dense$input_dim, 4L)
  expect_identical(dense$output_dim, 3L)
  expect_null(dense$output)

  invisible(model(x, save_input = TRUE, save_preactivation = TRUE, save_output = TRUE))
  expect_equal(dense$input, x[[1]])
  p <- x[[1]] %*% t(dense$W) + rep(dense$b, each = 3)
  expect_equal(dense$preactivation, p)
  expect_equal(dense$output, pmax(p, 0))
  expect_identical(dim(model$modules_list$Conv2D_3$output), c(3L, 3L, 4L, 6L))
  expect_length(model$modules_list$Add_8$input, 2)

  zeros <- lapply(x, `*`, 0)
  model$update_ref(zeros, save_output = TRUE)
  expect_equal(dense$output_ref, pmax(matrix(dense$b, 3, 3, byrow = TRUE), 0))
  expect_null(dense$input_ref)
  model$reset()
  expect_null(dense$output)
  expect_null(dense$output_ref)

  model(x, save_last_layer = TRUE)
  expect_null(dense$output)
  expect_equal(model$modules_list$Dense_11$output, model(x)[[2]])
})

test_that("the precision is that of set_dtype()", {
  model <- convert(tiny_net())$model
  expect_identical(model$dtype, "float")
  x <- matrix(0.1)
  exact <- tanh(0.1)
  expect_gt(abs(model(x)[[1]][1, 1] - exact), 0)
  model$set_dtype("double")
  expect_identical(model$dtype, "double")
  expect_equal(model(x)[[1]][1, 1], exact, tolerance = 1e-15)
  expect_error(model$set_dtype("half"), "`dtype`", class = "innsight_error_argument")
})

test_that("arguments of the call are checked", {
  model <- convert(tiny_net())$model
  expect_error(model(1), "`x`", class = "innsight_error")
  expect_error(model(matrix(1), channels_first = NULL), "channels_first",
               class = "innsight_error_argument")
  expect_error(model(matrix(1), save_input = 1), "save_input", class = "innsight_error_argument")
  expect_error(model$update_ref(matrix(1, 1, 2)), "`x_ref`", class = "innsight_error_shape")
})

test_that("graph and nodes are there, and everything prints", {
  model <- convert(two_input_net())$model
  expect_identical(model$input_nodes, 1:2)
  expect_identical(model$output_nodes, 10:11)
  expect_identical(model$graph[[8]]$input_layers, c(1L, 7L))
  expect_output(print(model), "Conv2D_3")
  expect_output(print(model$modules_list$Conv2D_3), "<Conv2D_Layer>: input_dim: (*, 2, 6, 8)",
                fixed = TRUE)
})
