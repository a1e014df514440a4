shap_of <- function(...) run_deepshap(..., dtype = "double", verbose = FALSE)

test_that("it is the mean of DeepLift over the references", {
  converter <- convert(two_input_net())
  x <- two_input_data(3)
  ref <- rows_of(two_input_data(8), 4:8)
  settings <- list(
    list(), list(rule_name = "reveal_cancel"), list(maxpool = "crossmax"),
    list(winner_takes_all = FALSE), list(ignore_last_act = FALSE, output_idx = list(2, 1))
  )
  for (setting in settings) {
    run <- function(f, ...) {
      do.call(f, c(list(converter, x, ..., dtype = "double", verbose = FALSE), setting))
    }
    shap <- run(run_deepshap, data_ref = ref)
    lifts <- lapply(1:5, \(r) run(run_deeplift, x_ref = rows_of(ref, r)))
    mean_of <- function(field) {
      values <- vapply(lifts, \(lift) unlist(lift[[field]]), unlist(shap[[field]]))
      rowMeans(values)
    }
    expect_equal(unlist(shap$result), mean_of("result"), tolerance = 1e-12)
    expect_equal(unlist(shap$decomp_goal), mean_of("decomp_goal"), tolerance = 1e-12)
    expect_equal(shap$preds, lifts[[1]]$preds)
  }
})

test_that("without references it is DeepLift from zeros", {
  converter <- convert(dense_net(c(4, 5, 3), c("tanh", "linear")))
  shap <- shap_of(converter, iris[1:5, 1:4])
  lift <- run_deeplift(converter, iris[1:5, 1:4], dtype = "double", verbose = FALSE)
  expect_equal(shap$result, lift$result, tolerance = 1e-14)
  expect_identical(shap$data_ref, list(matrix(0, 1, 4)))
})

test_that("it adds up, and for additive functions it is the Shapley value", {
  converter <- convert(dense_net(c(4, 5, 3), c("tanh", "softmax")), dtype = "double")
  ref <- as.matrix(iris[, 1:4])
  shap <- shap_of(converter, ref[1:5, ], ignore_last_act = FALSE, data_ref = ref, limit_ref = 200)
  goal <- sweep(predict(converter, ref[1:5, ]), 2, colMeans(predict(converter, ref)))
  expect_equal(cell_sums(first_values(shap)), goal, tolerance = 1e-10, ignore_attr = TRUE)
  expect_equal(shap$decomp_goal[[1]], goal, tolerance = 1e-10, ignore_attr = TRUE)

  # Every hidden unit sees one feature: f = sum of v_i tanh(x_i).
  net <- dense_net(c(4, 4, 1), c("tanh", "linear"))
  net$layers[[1]]$weight <- diag(4)
  net$layers[[1]]$bias <- numeric(4)
  shap <- shap_of(convert(net), ref[1:5, ], data_ref = ref, limit_ref = 200)
  expected <- sweep(sweep(tanh(ref[1:5, ]), 2, colMeans(tanh(ref))), 2,
                    as.vector(net$layers[[2]]$weight), `*`)
  expect_equal(first_values(shap)[, , 1], expected, tolerance = 1e-10, ignore_attr = TRUE)
})

test_that("at most `limit_ref` references are used, and the seed decides which", {
  converter <- convert(dense_net(c(4, 5, 3), c("tanh", "linear")))
  ref <- unname(as.matrix(iris[, 1:4])) + seq_len(150) * 1e-6
  run <- \(...) shap_of(converter, iris[1:5, 1:4], data_ref = ref, ...)
  used <- with_seed(1, run(limit_ref = 20))
  rows <- match(used$data_ref[[1]][, 1], ref[, 1])
  expect_length(unique(rows), 20)
  expect_identical(used$data_ref[[1]], ref[rows, ])
  expect_identical(dim(run()$data_ref[[1]]), c(100L, 4L))
  expect_identical(dim(run(limit_ref = 1000)$data_ref[[1]]), c(150L, 4L))
  expect_identical(with_seed(1, run(limit_ref = 20))$result, used$result)
  expect_false(identical(with_seed(2, run(limit_ref = 20))$result, used$result))
  expect_equal(shap_of(converter, iris[1:5, 1:4], data_ref = ref[rows, ])$result, used$result)

  # The same rows of all input layers.
  x <- two_input_data(20)
  x[[2]][, 1, 1, 1] <- x[[1]][, 1]
  both <- with_seed(1, shap_of(convert(two_input_net()), x, data_ref = x, limit_ref = 3))$data_ref
  expect_identical(both[[1]][, 1], both[[2]][, 1, 1, 1])
})

test_that("wrong arguments are errors", {
  converter <- convert(two_input_net())
  x <- two_input_data(3)
  run <- \(...) run_deepshap(converter, x, ..., verbose = FALSE)
  expect_snapshot(error = TRUE, {
    run(data_ref = x[[1]])
    run(data_ref = list(x[[1]], x[[2]][1:2, , , , drop = FALSE]))
    run(data_ref = x, channels_first = FALSE)
    run(limit_ref = 0)
    run(limit_ref = 1:2)
    run(limit_ref = NULL)
    run(rule_name = "simple")
    run(maxpool = "crossmax", winner_takes_all = FALSE)
  })
})
