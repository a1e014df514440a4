draw <- function(...) run_expgrad(..., dtype = "double", verbose = FALSE)

test_that("for a linear network with one reference it is exact", {
  net <- dense_net(c(4, 3), "linear")
  x <- as.matrix(iris[1:5, 1:4])
  ref <- matrix(c(1, 2, 3, 4), 1)
  method <- draw(convert(net), x, ref, n = 2)
  for (k in 1:3) {
    expected <- sweep(sweep(x, 2, ref), 2, net$layers[[1]]$weight[k, ], `*`)
    expect_equal(first_values(method)[, , k], expected, tolerance = 1e-12, ignore_attr = TRUE)
  }
  expect_identical(draw(convert(net), x)$data_ref, list(matrix(0, 1, 4)))
})

test_that("the goal is counted from the mean over all references, met up to random error", {
  converter <- convert(dense_net(c(4, 6, 2), c("tanh", "linear")), dtype = "double")
  x <- as.matrix(iris[c(1, 80, 140), 1:4]) / 4
  ref <- as.matrix(iris[seq(3, 150, by = 7), 1:4]) / 4
  goal <- sweep(predict(converter, x), 2,
                colMeans(predict(converter, ref)))
  error <- function(n) {
    method <- with_seed(1, draw(converter, x, ref, n = n))
    expect_equal(method$decomp_goal[[1]], goal, tolerance = 1e-12, ignore_attr = TRUE)
    sqrt(mean((cell_sums(first_values(method)) - goal)^2))
  }
  expect_lt(error(20000), 0.05)
  expect_lt(error(20000), error(50) / 4)
})

test_that("with one reference it tends to integrated gradients", {
  converter <- convert(two_input_net())
  x <- two_input_data(2)
  ref <- rows_of(two_input_data(3), 3)
  method <- with_seed(1, draw(converter, x, ref, n = 5000))
  path <- run_intgrad(converter, x, ref, n = 500, integration = "riemann_middle",
                      dtype = "double", verbose = FALSE)
  expect_equal(method$result, path$result, tolerance = 0.05)
  expect_true(method$times_input)
})

test_that("input layers share the drawn references, data points do not", {
  dense <- function(from, to) {
    list(type = "Dense", weight = matrix(1), bias = 0, activation_name = "linear",
         input_layers = from, output_layers = to)
  }
  converter <- convert(list(
    input_dim = list(1, 1), input_nodes = 1:2, output_nodes = 3,
    layers = list(dense(0, 3), dense(0, 3),
                  list(type = "Add", input_layers = 1:2, output_layers = -1))
  ))
  x <- list(matrix(0, 200, 1), matrix(0, 200, 1))
  ref <- matrix(1:10)
  method <- with_seed(1, draw(converter, x, list(ref, -ref), n = 1))
  first <- -as.vector(method$result[[1]][[1]])
  expect_equal(first, as.vector(method$result[[1]][[2]]))
  # Every reference is as likely: 200 draws of 10.
  expect_setequal(first, 1:10)
  expect_gt(stats::chisq.test(table(first))$p.value, 1e-3)
})

test_that("the seed of R decides the draws", {
  converter <- convert(dense_net(c(4, 5, 3), c("tanh", "linear")))
  run <- \() draw(converter, iris[1:5, 1:4], iris[, 1:4], n = 5)$result
  once <- with_seed(1, list(run(), run()))
  expect_identical(with_seed(1, list(run(), run())), once)
  expect_false(identical(once[[1]], once[[2]]))
})

test_that("wrong arguments are errors", {
  converter <- convert(dense_net(c(4, 3), "tanh"))
  x <- iris[1:2, 1:4]
  expect_snapshot(error = TRUE, {
    run_expgrad(converter, x, data_ref = iris[, 1:3])
    run_expgrad(converter, x, data_ref = iris)
    run_expgrad(converter, x, data_ref = list(x, x))
    run_expgrad(converter, x, data_ref = x[0, ])
    run_expgrad(converter, x, n = -1)
  })
  expect_error(run_expgrad(converter, x, times_input = FALSE), "unused argument")
})
