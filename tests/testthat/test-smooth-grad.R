linear_net <- function(weights) {
  list(
    input_dim = length(weights), input_nodes = 1, output_nodes = 1,
    layers = list(
      list(type = "Dense", weight = matrix(weights, 1), bias = 0.5, activation_name = "linear",
           input_layers = 0, output_layers = -1)
    )
  )
}

smooth <- function(...) run_smoothgrad(..., dtype = "double", verbose = FALSE)

test_that("without noise it is the gradient", {
  converter <- convert(two_input_net())
  x <- two_input_data()
  for (times_input in c(FALSE, TRUE)) {
    gradient <- run_grad(converter, x, times_input = times_input, dtype = "double",
                         verbose = FALSE)
    method <- smooth(converter, x, times_input = times_input, n = 3, noise_level = 0)
    expect_equal(method$result, gradient$result, tolerance = 1e-12)
    expect_equal(method$preds, gradient$preds)
    expect_equal(method$decomp_goal, gradient$decomp_goal)
  }
})

test_that("the noise is normal and measured by the range of a whole layer", {
  # With a linear network, the values of Gradient x Input are weights times the mean noisy input.
  n <- 50
  noise_of <- function(x, noise_level) {
    weights <- c(2, -1, 0.5)
    method <- with_seed(1, smooth(convert(linear_net(weights)), x, times_input = TRUE, n = n,
                                  noise_level = noise_level))
    (sweep(first_values(method)[, , 1], 2, weights, `/`) - x) * sqrt(n)
  }
  x <- with_seed(2, matrix(runif(3000), ncol = 3)) %*% diag(c(1, 10, 0.1))
  sigma <- 0.2 * (max(x) - min(x))
  noise <- noise_of(x, 0.2)
  expect_equal(apply(noise, 2, sd), rep(sigma, 3), tolerance = 0.07)
  expect_lt(max(abs(colMeans(noise))), 5 * sigma / sqrt(1000))
  expect_gt(stats::ks.test(as.vector(noise) / sigma, "pnorm")$p.value, 1e-3)
  # Neither features nor data points share their noise.
  expect_lt(max(abs(cor(noise) - diag(3))), 0.15)
  expect_lt(abs(cor(noise[-1, 1], noise[-1000, 1])), 0.15)
  # A range of 0
  expect_equal(sd(noise_of(matrix(3, 1000, 3), 0.2)), 0.2, tolerance = 0.05)
})

test_that("every input layer has a deviation of its own", {
  net <- unconnected_net()
  for (i in c(1, 2, 4, 5)) net$layers[[i]]$bias <- numeric(length(net$layers[[i]]$bias))
  x <- unconnected_data()
  x[[1]] <- x[[1]] * 100
  run <- function(x) {
    with_seed(1, smooth(convert(net), x, times_input = TRUE, n = 5))$result[[1]]
  }
  expect_equal(run(x)[[1]], 100 * run(unconnected_data())[[1]], tolerance = 1e-10)
  expect_equal(run(x)[[2]], run(unconnected_data())[[2]], tolerance = 1e-10)
})

test_that("many copies give the expected gradient under the noise", {
  net <- linear_net(1.5)
  net$layers[[1]]$activation_name <- "tanh"
  x <- matrix(c(-0.4, 0.6))
  method <- with_seed(3, smooth(convert(net), x, n = 20000, noise_level = 0.5,
                                ignore_last_act = FALSE))
  expected <- vapply(x, function(x) {
    stats::integrate(function(e) {
      1.5 * (1 - tanh(0.5 + 1.5 * (x + 0.5 * e))^2) * stats::dnorm(e)
    }, -8, 8)$value
  }, 0)
  expect_equal(as.vector(first_values(method)), expected, tolerance = 0.02)
})

test_that("the seed of R decides the noise", {
  converter <- convert(dense_net(c(4, 3), "tanh"))
  run <- \() smooth(converter, iris[1:5, 1:4], ignore_last_act = FALSE)$result
  once <- with_seed(1, list(run(), run()))
  again <- with_seed(1, list(run(), run()))
  expect_identical(again, once)
  expect_false(identical(once[[1]], once[[2]]))
  expect_false(identical(with_seed(2, run()), once[[1]]))
})

test_that("wrong arguments are errors", {
  converter <- convert(tiny_net())
  expect_snapshot(error = TRUE, {
    run_smoothgrad(converter, matrix(1), n = 0)
    run_smoothgrad(converter, matrix(1), n = 2.5)
    run_smoothgrad(converter, matrix(1), noise_level = -0.1)
    run_smoothgrad(converter, matrix(1), noise_level = "a")
    run_smoothgrad(converter, matrix(1), times_input = NULL)
    run_smoothgrad(converter)
  })
})
