tiny_lrp <- function(x, ...) {
  lrp <- run_lrp(convert(tiny_net()), matrix(x), verbose = FALSE, dtype = "double", ...)
  as.vector(get_result(lrp))
}

test_that("the tiny network has its known relevances", {
  included <- \(...) tiny_lrp(c(0.49, 0.60), ignore_last_act = FALSE, ...)
  # The printed values have the stabiliser of single precision.
  expect_equal(included(), c(0.45421458, 0.11024285), tolerance = 5e-5)
  expect_equal(tiny_lrp(0.60), 0.12000477, tolerance = 5e-5)
  expect_equal(included(rule_name = "epsilon", rule_param = 0.001), c(0.45236815, 0.11454494),
               tolerance = 1e-5)
  expect_equal(included(rule_name = "epsilon", rule_param = 0.1), c(0.31329321, 0.23187896),
               tolerance = 1e-5)
  expect_equal(included(rule_name = "alpha_beta", rule_param = 0.5), c(0.11355364, 0.23884787),
               tolerance = 1e-5)
  expect_equal(included(rule_name = "alpha_beta", rule_param = 1), c(0.45421458, 0.47769842),
               tolerance = 1e-5)
  expect_equal(included(rule_name = "alpha_beta", rule_param = 2), c(1.81685831, 0.95540759),
               tolerance = 1e-5)
})

test_that("defaults of the rules are the documented ones", {
  expect_identical(tiny_lrp(0.6, rule_name = "epsilon"),
                   tiny_lrp(0.6, rule_name = "epsilon", rule_param = 0.01))
  expect_identical(tiny_lrp(0.6, rule_name = "alpha_beta"),
                   tiny_lrp(0.6, rule_name = "alpha_beta", rule_param = 0.5))
})

test_that("rules per class of layers", {
  run <- \(...) tiny_lrp(c(0.49, 0.6), ...)
  epsilon <- run(rule_name = "epsilon", rule_param = 0.1)
  expect_identical(run(rule_name = list(Dense_Layer = "epsilon"), rule_param = 0.1), epsilon)
  expect_identical(run(rule_name = list(Dense = "epsilon"), rule_param = list(Dense = 0.1)),
                   epsilon)
  expect_identical(run(rule_name = c(Dense = "epsilon"), rule_param = c(Dense_Layer = 0.1)),
                   epsilon)
  expect_identical(run(rule_name = "epsilon", rule_param = list(Dense_Layer = 0.1)), epsilon)
  expect_identical(run(rule_name = list(Conv2D_Layer = "epsilon")), run())
  expect_identical(run(rule_name = list(Dense_Layer = "epsilon"), rule_param = list(Conv2D = 3)),
                   run(rule_name = "epsilon"))
})

test_that("`pass` hands relevance through batch normalisation", {
  net <- list(
    input_dim = 2, input_nodes = 1, output_nodes = 2,
    layers = list(
      list(type = "BatchNorm", num_features = 2, gamma = c(2, 3), beta = c(1, -1),
           run_mean = c(0, 1), run_var = c(1, 2), eps = 1e-3, input_layers = 0,
           output_layers = 2),
      list(type = "Dense", weight = matrix(c(1, 2), 1), bias = 0, activation_name = "linear",
           input_layers = 1, output_layers = -1)
    )
  )
  x <- matrix(c(0.5, -1, 2, 3), 2)
  lrp <- run_lrp(convert(net), x, rule_name = list(BatchNorm_Layer = "pass"), dtype = "double",
                 verbose = FALSE)
  expect_equal(rowSums(lrp$result[[1]][[1]]), as.vector(lrp$decomp_goal[[1]]))
  expect_error(
    run_lrp(convert(net), x, rule_name = list(Dense_Layer = "pass")),
    "BatchNorm_Layer",
    class = "innsight_error_rule"
  )
})

test_that("without biases relevance is conserved", {
  net <- dense_net(c(4, 6, 3), c("relu", "linear"))
  for (i in 1:2) net$layers[[i]]$bias <- 0 * net$layers[[i]]$bias
  lrp <- run_lrp(convert(net), iris[1:9, 1:4], dtype = "double", verbose = FALSE)
  expect_equal(cell_sums(lrp$result[[1]][[1]]), lrp$decomp_goal[[1]], tolerance = 1e-9)
})

test_that("a last softmax or sigmoid that is not ignored shifts the start by 0.5", {
  for (last in c("softmax", "sigmoid")) {
    net <- convert(dense_net(c(4, 3), last))
    lrp <- run_lrp(net, iris[1:2, 1:4], ignore_last_act = FALSE, dtype = "double",
                   verbose = FALSE)
    expect_equal(lrp$decomp_goal[[1]], lrp$preds[[1]] - 0.5)
  }
  lrp <- run_lrp(convert(dense_net(c(4, 3), "tanh")), iris[1:2, 1:4], ignore_last_act = FALSE,
                 verbose = FALSE)
  expect_equal(lrp$decomp_goal, lrp$preds)
})

test_that("winner_takes_all decides what max pooling does", {
  run <- \(...) run_lrp(convert(all_layers_net()), all_layers_data(), verbose = FALSE, ...)
  expect_false(identical(run()$result, run(winner_takes_all = FALSE)$result))
})

test_that("wrong rules are errors that say what is accepted", {
  run <- \(...) tiny_lrp(0.5, ...)
  expect_snapshot(error = TRUE, {
    run(rule_name = "deeplift")
    run(rule_name = "pass")
    run(rule_name = 1)
    run(rule_name = NULL)
    run(rule_name = list("epsilon"))
    run(rule_name = list())
    run(rule_name = list(Flatten_Layer = "epsilon"))
    run(rule_name = list(Dense_Layer = "best"))
    run(rule_name = list(Dense_Layer = "equal"))
    run(rule_name = list(Dense = "epsilon", Dense_Layer = "simple"))
    run(rule_name = "epsilon", rule_param = -1)
    run(rule_name = "epsilon", rule_param = c(1, 2))
    run(rule_name = "epsilon", rule_param = NA_real_)
    run(rule_name = "epsilon", rule_param = Inf)
    run(rule_name = "epsilon", rule_param = "0.1")
    run(rule_name = "epsilon", rule_param = list(Dense_Layer = "a"))
    run(rule_name = "epsilon", rule_param = list(Dens = 1))
  })
})

test_that("LRP has the documented arguments, fields and classes", {
  expect_named(
    formals(LRP$public_methods$initialize),
    c("converter", "data", "channels_first", "output_idx", "output_label", "ignore_last_act",
      "rule_name", "rule_param", "winner_takes_all", "verbose", "dtype")
  )
  lrp <- iris_lrp(rule_name = "epsilon", rule_param = 0.2)
  expect_s3_class(lrp, c("LRP", "InterpretingMethod", "R6"), exact = TRUE)
  expect_identical(lrp$rule_name, "epsilon")
  expect_identical(lrp$rule_param, 0.2)
})

test_that("the help table names every rule", {
  table <- rule_table()
  for (rule in c("simple", "epsilon", "alpha_beta", "pass")) {
    expect_match(table, paste0("`\"", rule, "\"`"), fixed = TRUE, all = FALSE)
  }
})
