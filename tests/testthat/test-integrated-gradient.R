tiny_path <- function(x, x_ref = NULL, ...) {
  method <- run_intgrad(convert(tiny_net()), matrix(x), x_ref, ignore_last_act = FALSE,
                        dtype = "double", verbose = FALSE, ...)
  as.vector(get_result(method))
}

test_that("the tiny network has its known values", {
  expect_equal(tiny_path(0.55, matrix(0.1)), 0.36684112, tolerance = 1e-7)
  expect_equal(tiny_path(0.55, matrix(0.1), times_input = FALSE), 0.81520250, tolerance = 1e-7)
  expect_equal(tiny_path(0.55), 0.46561998, tolerance = 1e-7)
})

test_that("quadratures are exact for the polynomials they should be exact for", {
  degrees <- list(riemann_right = \(n) 0, riemann_left = \(n) 0, riemann_middle = \(n) 1,
                  trapezoid = \(n) 1, gauss_legendre = \(n) 2 * n - 1)
  expect_setequal(names(degrees), names(quadratures))
  for (name in names(degrees)) {
    for (n in c(1, 2, 5, 20, 100)) {
      nodes <- quadratures[[name]](n)
      expect_length(nodes$at, if (name == "trapezoid") n + 1 else n)
      for (power in 0:min(degrees[[name]](n), 30)) {
        expect_equal(sum(nodes$weights * nodes$at^power), 1 / (power + 1), tolerance = 1e-12)
      }
    }
  }
  expect_identical(quadratures$riemann_right(4)$at, (1:4) / 4)
})

test_that("the values are weighted gradients on the path", {
  converter <- convert(two_input_net())
  x <- two_input_data(2)
  x_ref <- rows_of(two_input_data(3), 3)
  for (name in names(quadratures)) {
    nodes <- quadratures[[name]](6)
    expected <- lapply(1:2, \(i) 0)
    for (k in seq_along(nodes$at)) {
      start <- lapply(x_ref, slice_rows, c(1, 1))
      point <- Map(\(x, start) start + nodes$at[k] * (x - start), x, start)
      gradient <- run_grad(converter, point, dtype = "double", verbose = FALSE)$result[[1]]
      expected <- Map(\(sum, g) sum + nodes$weights[k] * g, expected, gradient)
    }
    run <- function(times_input) {
      run_intgrad(converter, x, x_ref, 6, times_input, dtype = "double", integration = name,
                  verbose = FALSE)$result[[1]]
    }
    expect_equal(run(FALSE), expected, tolerance = 1e-10)
    expected <- Map(\(e, x, start) e * as.vector(x - start), expected, x, start)
    expect_equal(run(TRUE), expected, tolerance = 1e-10)
  }
})

test_that("the values add up to the difference, with the error of the quadrature", {
  converter <- convert(dense_net(c(4, 6, 2), c("tanh", "linear")), dtype = "double")
  x <- as.matrix(iris[c(1, 80, 140), 1:4]) / 4
  error <- function(n, integration) {
    method <- run_intgrad(converter, x, matrix(0.1, 1, 4), n, dtype = "double", verbose = FALSE,
                          integration = integration)
    ref <- predict(converter, matrix(0.1, 1, 4))
    goal <- sweep(predict(converter, x), 2, ref)
    expect_equal(method$decomp_goal[[1]], goal, ignore_attr = TRUE)
    max(abs(cell_sums(first_values(method)) - goal))
  }
  rate <- \(integration) log2(error(100, integration) / error(200, integration))
  expect_equal(rate("riemann_right"), 1, tolerance = 0.05)
  expect_equal(rate("riemann_left"), 1, tolerance = 0.05)
  expect_equal(rate("riemann_middle"), 2, tolerance = 0.1)
  expect_equal(rate("trapezoid"), 2, tolerance = 0.05)
  expect_lt(error(40, "gauss_legendre"), 1e-12)
})

test_that("the exact integral agrees with the closed form for one hidden layer", {
  net <- dense_net(c(4, 30, 3), c("relu", "linear"))
  x <- as.matrix(iris[c(1, 80, 140), 1:4]) / 4
  x_ref <- matrix(c(1, -1, 0.5, 2), 1)
  w <- net$layers[[1]]$weight
  # The part of the path on which hidden unit j is active.
  active <- function(x) {
    start <- as.vector(w %*% t(x_ref) + net$layers[[1]]$bias)
    end <- as.vector(w %*% x + net$layers[[1]]$bias)
    crossing <- start / (start - end)
    ifelse(start > 0 & end > 0, 1, ifelse(start > 0, crossing, ifelse(end > 0, 1 - crossing, 0)))
  }
  run <- function(times_input) {
    run_intgrad(convert(net), x, x_ref, times_input = times_input, integration = "exact",
                dtype = "double", verbose = FALSE)
  }
  for (i in 1:3) {
    mean_gradient <- t(net$layers[[2]]$weight %*% (active(x[i, ]) * w))
    expect_equal(first_values(run(FALSE))[i, , ], mean_gradient, tolerance = 1e-12)
    expect_equal(first_values(run(TRUE))[i, , ], mean_gradient * as.vector(x[i, ] - x_ref),
                 tolerance = 1e-12)
  }
})

test_that("the exact integral adds up for every piecewise linear layer", {
  net <- all_layers_net()
  net$layers[[13]]$act_name <- "hard_tanh"
  converter <- convert(net)
  x <- all_layers_data()
  exact <- run_intgrad(converter, x, rows_of(x, 2), integration = "exact", dtype = "double",
                       verbose = FALSE)
  expect_lt(max(abs(exact$conservation$delta)), 1e-12)
  expect_gt(max(abs(exact$conservation$goal)), 1)
  middle <- run_intgrad(converter, x, rows_of(x, 2), n = 3000, integration = "riemann_middle",
                        dtype = "double", verbose = FALSE)
  expect_equal(exact$result, middle$result, tolerance = 1e-3)
  float <- run_intgrad(converter, x, rows_of(x, 2), integration = "exact", verbose = FALSE)
  expect_equal(float$result, exact$result, tolerance = 1e-4)
})

test_that("what the exact integral cannot do is an error that names the reason", {
  run <- function(net, x = matrix(0.3, 1, net$input_dim), ...) {
    run_intgrad(convert(net), x, integration = "exact", verbose = FALSE, ...)
  }
  softmax <- dense_net(c(4, 5, 3), c("relu", "softmax"))
  wide <- dense_net(c(1, 12000, 1), c("relu", "linear"))
  expect_s3_class(run(softmax), "IntegratedGradient")
  expect_snapshot(error = TRUE, {
    run(dense_net(c(4, 5, 3), c("tanh", "linear")))
    run(softmax, ignore_last_act = FALSE)
    with_options(list(innsight.memory = "8GB"), run(wide, matrix(10), x_ref = matrix(-10)))
  })
  few <- list(innsight.memory = 5e6)
  expect_error(with_options(few, run(wide, matrix(10), x_ref = matrix(-10))), "innsight.memory",
               class = "innsight_error")
})

test_that("the reference is one data point in any form", {
  converter <- convert(dense_net(c(4, 3), "tanh"))
  run <- \(...) run_intgrad(converter, iris[1:5, 1:4], ..., verbose = FALSE)
  ref <- unname(as.matrix(iris[9, 1:4]))
  expect_identical(run(iris[9, 1:4])$result, run(ref)$result)
  expect_identical(run(list(ref))$x_ref, list(ref))
  expect_identical(run()$x_ref, list(matrix(0, 1, 4)))
  image <- run_intgrad(convert(image_net()), aperm(image_data(), c(1, 3, 4, 2)), n = 2,
                       channels_first = FALSE, verbose = FALSE)
  expect_identical(image$x_ref, list(array(0, c(1, 4, 5, 2))))
  expect_snapshot(error = TRUE, {
    run(iris[1:2, 1:4])
    run(iris[1, 1:3])
    run(1:4)
    run("a")
    run(n = 0)
    run(integration = "simpson")
  })
})
