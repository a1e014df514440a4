tiny_gradient <- function(x, ...) {
  run_grad(convert(tiny_net()), matrix(x), dtype = "double", verbose = FALSE, ...)
}

test_that("the tiny network has its known gradients", {
  expect_equal(as.vector(get_result(tiny_gradient(0.45))), 1)
  expect_equal(as.vector(get_result(tiny_gradient(0.45, ignore_last_act = FALSE))), 0.82200123,
               tolerance = 1e-8)
  expect_equal(
    as.vector(get_result(tiny_gradient(0.49, ignore_last_act = FALSE, times_input = TRUE))),
    0.38890684,
    tolerance = 1e-7
  )
})

test_that("gradients agree with finite differences", {
  converter <- convert(all_layers_net())
  x <- all_layers_data(2)
  h <- 1e-5
  for (ignore in c(TRUE, FALSE)) {
    run <- function(x) {
      run_grad(converter, x, ignore_last_act = ignore, dtype = "double", verbose = FALSE)
    }
    gradient <- run(x)
    for (i in 1:2) {
      n_cells <- prod(dim(x[[i]])[-1])
      got <- array(gradient$result[[1]][[i]], c(2, n_cells, 3))
      for (cell in round(seq(1, n_cells, length.out = 7))) {
        shifted <- function(by) {
          x[[i]][(cell - 1) * 2 + 1:2] <- x[[i]][(cell - 1) * 2 + 1:2] + by
          run(x)$decomp_goal[[1]]
        }
        difference <- (shifted(h) - shifted(-h)) / (2 * h)
        expect_lt(max(abs(got[, cell, ] - difference)), 1e-6)
      }
    }
  }
})

test_that("times_input multiplies by the data", {
  x <- two_input_data(3)
  converter <- convert(two_input_net())
  plain <- run_grad(converter, x, dtype = "double", verbose = FALSE)
  times <- run_grad(converter, x, times_input = TRUE, dtype = "double", verbose = FALSE)
  for (i in 1:2) {
    expect_equal(times$result[[1]][[i]], plain$result[[1]][[i]] * as.vector(x[[i]]))
  }
  expect_true(times$times_input)
  expect_identical(plot(plain, data_idx = 1)[[1, 1]]$labels$y, "Gradient")
  expect_identical(plot(times, data_idx = 1)[[1, 1]]$labels$y, "Relevance")
})

test_that("results have the layout of the data", {
  net <- convert(image_net())
  x <- image_data()
  first <- run_grad(net, x, verbose = FALSE)
  last <- run_grad(net, aperm(x, c(1, 3, 4, 2)), channels_first = FALSE, verbose = FALSE)
  expect_identical(aperm(last$result[[1]][[1]], c(1, 4, 2, 3, 5)), first$result[[1]][[1]])
  expect_identical(last$preds, first$preds)
})

test_that("preds and decomp_goal are the outputs after and before the last activation", {
  net <- convert(image_net())
  x <- image_data()
  ignored <- run_grad(net, x, dtype = "double", verbose = FALSE)
  included <- run_grad(net, x, ignore_last_act = FALSE, dtype = "double", verbose = FALSE)
  expect_equal(ignored$preds, included$preds)
  expect_equal(included$decomp_goal, included$preds)
  expect_equal(tanh(ignored$decomp_goal[[1]]), ignored$preds[[1]])
})

test_that("Gradient has the documented arguments and classes", {
  expect_named(
    formals(Gradient$public_methods$initialize),
    c("converter", "data", "channels_first", "output_idx", "output_label", "ignore_last_act",
      "times_input", "verbose", "dtype")
  )
  gradient <- tiny_gradient(0.45)
  expect_s3_class(gradient, c("Gradient", "GradientBased", "InterpretingMethod", "R6"),
                  exact = TRUE)
  expect_error(tiny_gradient(0.1, times_input = 2), class = "innsight_error_argument")
  converter <- convert(tiny_net())
  same <- Gradient$new(converter, matrix(0.45), TRUE, 1, NULL, TRUE, FALSE, FALSE, "double")
  expect_identical(same$result, gradient$result)
})
