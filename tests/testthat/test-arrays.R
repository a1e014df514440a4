test_that("matrices, arrays, data frames and lists become double arrays", {
  dims <- list(4)
  x <- matrix(1:8, 2)
  expect_identical(as_input_arrays(x, dims), list(x + 0))
  expect_identical(as_input_arrays(list(x), dims), list(x + 0))
  expect_identical(unname(as_input_arrays(iris[1:3, 1:4], dims)[[1]]),
                   unname(as.matrix(iris[1:3, 1:4])))
  classed <- structure(list(values = x), class = "my_array")
  registerS3method("as.array", "my_array", function(x, ...) x$values, envir = environment())
  expect_equal(as_input_arrays(classed, dims)[[1]], x)
  two <- two_input_data(3)
  expect_identical(as_input_arrays(two, list(4, c(2, 6, 6))), two)
})

test_that("the layout is the one the user declares", {
  last <- random_array(2, 5, 6, 3)
  expect_identical(as_input_arrays(last, list(c(3, 5, 6)), channels_first = FALSE)[[1]], last)
  expect_error(as_input_arrays(last, list(c(3, 5, 6))), "channels_first = FALSE",
               class = "innsight_error_shape")
  expect_error(as_input_arrays(last, list(c(3, 7, 7))), "\\(N, 3, 7, 7\\).*\\(2, 5, 6, 3\\)",
               class = "innsight_error_shape")
})

test_that("bad data is an error that names argument and place", {
  dims <- list(2)
  for (x in list(NULL, "a", sum, matrix("a", 1, 2), data.frame(a = 1, b = "x"), new.env())) {
    expect_error(as_input_arrays(x, dims), "`data`", class = "innsight_error_argument")
  }
  expect_error(as_input_arrays(data.frame(a = 1, b = "x"), dims), "Not numeric: b")
  expect_error(as_input_arrays(c(1, 2), dims), "matrix(x, nrow = 1)", fixed = TRUE)
  expect_error(as_input_arrays(matrix(0, 0, 2), dims), "at least one", class = "innsight_error")
  expect_error(as_input_arrays(matrix(c(1, 2, NA, 4), 2), dims, arg = "newdata"),
               "newdata[1, 2] is NA", fixed = TRUE)
  expect_error(as_input_arrays(matrix(c(1, Inf), 1), dims), "data[1, 2] is Inf", fixed = TRUE)
  expect_error(as_input_arrays(list(matrix(1, 1, 2), matrix(1, 1, 2)), dims), "holds 2",
               class = "innsight_error_shape")
  expect_error(as_input_arrays(list(matrix(1, 1, 2), matrix(1, 2, 2)), list(2, 2)), "1 and 2 rows",
               class = "innsight_error_shape")
  expect_error(as_input_arrays(list(matrix(1, 1, 2), NULL), list(2, 2)), "data[[2]]",
               fixed = TRUE, class = "innsight_error_argument")
})

test_that("large finite sums are not mistaken for missing values", {
  x <- matrix(.Machine$double.xmax, 2, 2)
  expect_identical(as_input_arrays(x, list(2))[[1]], x)
})

test_that("slice_rows() keeps the rank", {
  x <- random_array(4, 2, 3)
  expect_identical(slice_rows(x, c(3, 1)), x[c(3, 1), , , drop = FALSE])
  expect_identical(dim(slice_rows(x, 2)), c(1L, 2L, 3L))
  expect_identical(dim(slice_rows(matrix(0, 3, 1), 2:3)), c(2L, 1L))
})

test_that("data beyond single precision ask for double", {
  converter <- convert(tiny_net())
  expect_error(
    run_grad(converter, matrix(1e300), verbose = FALSE), "dtype = \"double\"",
    class = "innsight_error_argument"
  )
  double <- run_grad(converter, matrix(1e300), dtype = "double", verbose = FALSE)
  expect_true(is.finite(get_result(double)))
})

test_that("every cell of a result that several threads write lies in its place", {
  weight <- random_array(3, 2 * 9 * 10)
  converter <- convert(list(
    input_dim = c(2, 9, 10), input_nodes = 1, output_nodes = 2,
    layers = list(
      list(type = "Flatten", input_layers = 0, output_layers = 2),
      list(type = "Dense", input_layers = 1, output_layers = -1, weight = weight, bias = 1:3,
           activation_name = "linear")
    )
  ))
  rows <- 500
  for (first in c(TRUE, FALSE)) {
    dim <- if (first) c(2, 9, 10) else c(9, 10, 2)
    result <- get_result(run_grad(converter, random_array(rows, dim), channels_first = first,
                                  verbose = FALSE))
    # Layers are flattened in the order of the data.
    expected <- aperm(array(weight, c(3, rev(dim), rows)), 5:1)
    expect_identical(dim(result), dim(expected))
    expect_lt(max(abs(result - expected)), 1e-6)
  }
})
