tiny_lift <- function(x, x_ref, ...) {
  method <- run_deeplift(convert(tiny_net()), matrix(x), x_ref = x_ref, dtype = "double",
                         verbose = FALSE, ...)
  as.vector(get_result(method))
}

test_that("the tiny network has its known contributions", {
  for (rule in c("rescale", "reveal_cancel")) {
    expect_equal(tiny_lift(0.55, matrix(0.1), ignore_last_act = FALSE, rule_name = rule),
                 0.37027720, tolerance = 1e-7)
  }
  expect_equal(tiny_lift(0.55, matrix(0.1)), 0.41, tolerance = 1e-12)
})

test_that("the rules agree with their definition for one hidden layer", {
  net <- dense_net(c(4, 6, 3), c("softplus", "tanh"), seed = 3)
  x <- as.matrix(iris[c(1, 80, 140), 1:4]) / 4
  x_ref <- matrix(c(1, -1, 0.5, 2), 1)
  w <- net$layers[[1]]$weight
  v <- net$layers[[2]]$weight
  f <- \(z) log1p(exp(z))
  start <- as.vector(w %*% t(x_ref) + net$layers[[1]]$bias)
  contributions <- function(x, rule) {
    products <- w * rep(x - x_ref, each = nrow(w))
    up <- rowSums(pmax(products, 0))
    down <- rowSums(pmin(products, 0))
    change <- f(start + up + down) - f(start)
    if (rule == "rescale") {
      shares <- products * (change / (up + down))
    } else {
      from_up <- (f(start + up) - f(start) + f(start + up + down) - f(start + down)) / 2
      shares <- pmax(products, 0) * (from_up / up) + pmin(products, 0) * ((change - from_up) / down)
    }
    t(v %*% shares)
  }
  for (rule in c("rescale", "reveal_cancel")) {
    run <- function(...) {
      run_deeplift(convert(net), x, rule_name = rule, x_ref = x_ref, dtype = "double",
                   verbose = FALSE, ...)
    }
    for (i in 1:3) {
      expect_equal(first_values(run())[i, , ], contributions(x[i, ], rule), tolerance = 1e-12)
    }
    # The last activation stretches all contributions alike.
    ignored <- run()
    included <- run(ignore_last_act = FALSE)
    if (rule == "rescale") {
      ratio <- included$decomp_goal[[1]] / ignored$decomp_goal[[1]]
      expect_equal(first_values(included),
                   first_values(ignored) * as.vector(ratio[, rep(1:3, each = 4)]),
                   tolerance = 1e-10)
    }
    expect_equal(cell_sums(first_values(included)), included$decomp_goal[[1]], tolerance = 1e-10)
  }
})

test_that("contributions add up for every layer, under both rules", {
  for (net in list(all_layers_net(), more_layers_net(), two_input_net())) {
    converter <- convert(net, dtype = "double")
    x <- lapply(converter$input_dim, \(d) with_seed(10, random_array(3, d)))
    for (rule in c("rescale", "reveal_cancel")) {
      for (ignore in c(TRUE, FALSE)) {
        method <- run_deeplift(converter, x, ignore_last_act = ignore, rule_name = rule,
                               x_ref = rows_of(x, 2), maxpool = "crossmax", dtype = "double",
                               verbose = FALSE)
        expect_lt(max(abs(method$conservation$delta)), 1e-10)
        expect_true(all(method$conservation$goal[method$conservation$data == 2] == 0))
      }
    }
    preds <- predict(converter, x)
    preds <- if (is.list(preds)) preds[[1]] else preds
    expect_equal(method$decomp_goal[[1]], sweep(preds, 2, preds[2, ]), ignore_attr = TRUE)
  }
})

test_that("max pooling passes differences as asked", {
  converter <- convert(list(
    input_dim = c(1, 4), input_nodes = 1, output_nodes = 2,
    layers = list(
      list(type = "MaxPooling1D", kernel_size = 4, input_layers = 0, output_layers = 2),
      list(type = "Flatten", input_layers = 1, output_layers = -1)
    )
  ))
  x <- array(1, c(1, 1, 4))
  x_ref <- array(c(1, 2, 3, 9), c(1, 1, 4))
  run <- function(...) {
    method <- run_deeplift(converter, x, x_ref = x_ref, dtype = "double", verbose = FALSE, ...)
    as.vector(first_values(method))
  }
  # The winner at the data point is the first of four equal values, which does not differ.
  expect_identical(run(), numeric(4))
  # Worked out in captum's tests.
  expect_equal(run(maxpool = "crossmax"), c(0, 0, 0, -8), tolerance = 1e-12)
  # -8 shared out in proportion to the differences.
  expect_equal(run(winner_takes_all = FALSE), -8 * c(0, 1, 2, 8) / 11, tolerance = 1e-12)

  # At different winners, up to the larger of the two maxima with one and from there with the other.
  x <- array(c(5, 1, 0, 0), c(1, 1, 4))
  x_ref <- array(c(0, 3, 0, 0), c(1, 1, 4))
  expect_equal(run(), c(5, 0, 0, 0), tolerance = 1e-12)
  expect_equal(run(maxpool = "crossmax"), c(2, 0, 0, 0), tolerance = 1e-12)
  expect_error(run(maxpool = "crossmax", winner_takes_all = FALSE), "contradict",
               class = "innsight_error_argument")
})

test_that("crossmax and averages add up where the winner does not", {
  converter <- convert(two_input_net())
  delta <- function(...) {
    x <- two_input_data()
    method <- run_deeplift(converter, x, x_ref = rows_of(x, 2), dtype = "double", verbose = FALSE,
                           ...)
    max(abs(method$conservation$delta))
  }
  expect_gt(delta(), 0.1)
  expect_lt(delta(maxpool = "crossmax"), 1e-10)
  expect_lt(delta(winner_takes_all = FALSE), 1e-10)
})

test_that("a last softmax is taken node by node", {
  net <- dense_net(c(4, 3), "softmax")
  x <- as.matrix(iris[c(1, 80, 140), 1:4]) / 4
  x_ref <- matrix(0.3, 1, 4)
  w <- net$layers[[1]]$weight
  softmax <- \(z) exp(z) / rowSums(exp(z))
  for (rule in c("rescale", "reveal_cancel")) {
    method <- run_deeplift(convert(net), x, ignore_last_act = FALSE, rule_name = rule,
                           x_ref = x_ref, dtype = "double", verbose = FALSE)
    z <- sweep(x %*% t(w), 2, net$layers[[1]]$bias, `+`)
    z_ref <- x_ref %*% t(w) + net$layers[[1]]$bias
    ratio <- sweep(softmax(z), 2, softmax(z_ref)) / sweep(z, 2, z_ref)
    for (k in 1:3) {
      expected <- sweep(sweep(x, 2, x_ref), 2, w[k, ], `*`) * ratio[, k]
      expect_equal(first_values(method)[, , k], expected, tolerance = 1e-10, ignore_attr = TRUE)
    }
  }
})

test_that("the reference is one data point in any form", {
  converter <- convert(dense_net(c(4, 3), "tanh"))
  run <- \(...) run_deeplift(converter, iris[1:5, 1:4], ..., verbose = FALSE)
  ref <- unname(as.matrix(iris[9, 1:4]))
  expect_identical(run(x_ref = iris[9, 1:4])$result, run(x_ref = ref)$result)
  expect_identical(run(x_ref = list(ref))$x_ref, list(ref))
  expect_identical(run()$result, run(x_ref = matrix(0, 1, 4))$result)
  image <- image_data()
  last <- run_deeplift(convert(image_net()), aperm(image, c(1, 3, 4, 2)), channels_first = FALSE,
                       x_ref = aperm(image, c(1, 3, 4, 2))[2, , , , drop = FALSE], verbose = FALSE)
  expect_true(all(first_values(last)[2, , , , ] == 0))
  expect_snapshot(error = TRUE, {
    run(x_ref = iris[1:2, 1:4])
    run(x_ref = iris[1, 1:3])
    run(x_ref = 1:4)
    run(x_ref = c(a = NA))
    run(rule_name = "linear")
    run(rule_name = NULL)
    run(maxpool = "max")
    run(maxpool = "crossmax", winner_takes_all = FALSE)
    run_deeplift(convert(two_input_net()), two_input_data(), x_ref = list(1, 2))
  })
  expect_error(run(rule_param = 1), "unused argument")
})
