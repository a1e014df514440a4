ordinary_nets <- function() {
  list(dense_net(c(4, 5, 3), c("relu", "softmax")), two_input_net(), all_layers_net(),
       more_layers_net(), unconnected_net(), signal_net(), image_net(), tiny_net())
}

data_for <- function(converter) {
  with_seed(12, lapply(converter$input_dim, \(shape) random_array(3, shape)))
}

# One row per data point and node, data points fastest, as in $conservation.
stacked <- function(x) unlist(lapply(Filter(Negate(is.null), x), as.vector))

test_that("every method has a row per data point and output node", {
  converter <- convert(two_input_net())
  for (name in names(every_method)) {
    method <- run_every(every_method[[name]], converter, two_input_data(),
                        output_idx = list(2:1, 1))
    report <- method$conservation
    columns <- c("data", "output", "node", "pred", "goal", "sum", "delta")
    expect_identical(report$data, rep(1:5, 3))
    expect_identical(report$output, rep(c("Output_1", "Output_2"), c(10, 5)))
    expect_identical(report$node, rep(c("yes", "no", "score"), each = 5))
    total <- lapply(method$result, \(arrays) cell_sums(arrays[[1]]) + cell_sums(arrays[[2]]))
    expect_equal(report$sum, stacked(total))
    if (name != "ConnectionWeights") {
      expect_identical(report$pred, stacked(method$preds))
      expect_identical(report$goal, stacked(method$decomp_goal))
    }
    expect_identical(report$delta, report$sum - report$goal)
    further <- c(if (startsWith(name, "LRP")) c("bias", "stabilizer"),
                 if (grepl("^(LRP|Deep)", name)) "layers")
    expect_identical(names(report), c(columns, further), label = name)
  }
})

test_that("for LRP biases and the stabiliser account for all that is missing", {
  for (net in ordinary_nets()) {
    converter <- convert(net)
    for (rule in c("simple", "epsilon", "alpha_beta")) {
      for (ignore in c(TRUE, FALSE)) {
        lrp <- run_lrp(converter, data_for(converter), rule_name = rule, ignore_last_act = ignore,
                       dtype = "double", verbose = FALSE)
        report <- lrp$conservation
        expect_lt(max(abs(report$goal - report$sum - report$bias - report$stabilizer)), 1e-10)
        expect_lt(max(abs(rowSums(report$layers) + report$delta)), 1e-10)
        expect_identical(colnames(report$layers), names(converter$model$modules_list))
      }
    }
  }
})

test_that("the shares of biases and stabiliser are those of the definition", {
  net <- dense_net(c(4, 5, 3), c("relu", "linear"))
  x <- as.matrix(iris[c(1, 80, 140), 1:4]) / 4
  stable <- \(z) z + sign(z) * 0.1
  z1 <- sweep(x %*% t(net$layers[[1]]$weight), 2, net$layers[[1]]$bias, `+`)
  a <- pmax(z1, 0)
  z2 <- sweep(a %*% t(net$layers[[2]]$weight), 2, net$layers[[2]]$bias, `+`)
  bias <- stabilizer <- layers <- list()
  for (k in 1:3) {
    ratio <- z2[, k] / stable(z2[, k])
    r <- sweep(a, 2, net$layers[[2]]$weight[k, ], `*`) * ratio
    of_biases <- cbind(rowSums(sweep(r / stable(z1), 2, net$layers[[1]]$bias, `*`)),
                       net$layers[[2]]$bias[k] * ratio)
    of_stabilizer <- cbind(rowSums(r * (1 - z1 / stable(z1))), z2[, k] - z2[, k] * ratio)
    bias[[k]] <- rowSums(of_biases)
    stabilizer[[k]] <- rowSums(of_stabilizer)
    layers[[k]] <- of_biases + of_stabilizer
  }
  report <- run_lrp(convert(net), x, rule_name = "epsilon", rule_param = 0.1, dtype = "double",
                    verbose = FALSE)$conservation
  expect_equal(report$bias, unname(unlist(bias)), tolerance = 1e-10)
  expect_equal(report$stabilizer, unname(unlist(stabilizer)), tolerance = 1e-10)
  expect_equal(report$layers, do.call(rbind, layers), tolerance = 1e-10, ignore_attr = TRUE)
})

test_that("for DeepLift only max pooling keeps something", {
  converter <- convert(two_input_net())
  x <- two_input_data()
  for (run in list(\(...) run_deeplift(..., x_ref = rows_of(x, 2)),
                   \(...) run_deepshap(..., data_ref = rows_of(x, 1:3)))) {
    expect_no_warning(method <- run(converter, x, dtype = "double", verbose = FALSE))
    layers <- expect_no_warning(method$conservation)$layers
    expect_lt(max(abs(layers[, -5])), 1e-10)
    expect_gt(max(abs(layers[, "MaxPooling2D_5"])), 0.1)
    expect_lt(max(abs(rowSums(layers) + method$conservation$delta)), 1e-10)
  }
})

test_that("the report follows the result of the object, and cannot be set", {
  lrp <- run_lrp(convert(tiny_net()), matrix(c(0.3, 0.7)), dtype = "double", verbose = FALSE)
  before <- lrp$conservation
  lrp$result[[1]][[1]][2, 1, 1] <- lrp$result[[1]][[1]][2, 1, 1] + 5
  expect_warning(after <- lrp$conservation, "1 of 2 .* outside of the layers",
                 class = "innsight_warning_conservation")
  expect_equal(after$delta, before$delta + c(0, 5))
  expect_equal(after$layers, before$layers)
  expect_error(lrp$conservation <- before, "cannot be set", class = "innsight_error_argument")

  # Values for other data points than those of the object: the sums are all there is.
  lrp$result[[1]][[1]] <- lrp$result[[1]][[1]][1, , , drop = FALSE]
  expect_named(lrp$conservation, c("data", "output", "node", "pred", "goal", "sum", "delta"))

  # No layers are known, but the values must add up.
  exact <- run_intgrad(convert(image_net()), image_data(), integration = "exact", verbose = FALSE)
  expect_no_warning(exact$conservation)
  exact$result[[1]][[1]][2, 1, 1, 1, 1] <- 100
  expect_warning(exact$conservation, "1 of 6 ", class = "innsight_warning_conservation")
})

test_that("summary() shows it", {
  lrp <- run_lrp(convert(two_input_net()), two_input_data(), verbose = FALSE)
  short <- summary(lrp)
  expect_identical(short$conservation, lrp$conservation)
  expect_output(print(short), "Conservation:.*Absorbed by layer.*Dense_10")
  expect_output(print(short, n = 3), "and 7 more rows")
  exact <- run_deeplift(convert(tiny_net()), matrix(1), dtype = "double", verbose = FALSE)
  expect_output(print(summary(exact)), "Absorbed by layer \\(mean\\):\n")
  gradient <- run_grad(convert(tiny_net()), matrix(1), verbose = FALSE)
  expect_output(print(summary(gradient)), "Conservation")
})

test_that("ordinary networks give no warning", {
  for (net in ordinary_nets()) {
    converter <- convert(net)
    for (name in names(every_method)) {
      expect_no_warning({
        method <- run_every(every_method[[name]], converter, data_for(converter), dtype = "float")
        method$conservation
      })
    }
  }
})

test_that("what does not add up although it should gives a warning that names the layer", {
  # Products of 1e7 that cancel leave errors of about 1 in single precision.
  net <- dense_net(c(6, 1), "linear")
  net$layers[[1]]$weight <- matrix(c(1e7, -1e7, 3e6, -3e6, 7e6, -7e6) + 0.3, 1)
  x <- matrix(rep(c(1.1, 0.7, 0.3), each = 2) + (1:6) * 1e-8, 1)
  run <- function(dtype) {
    run_deeplift(convert(net), x, x_ref = matrix(0.33, 1, 6), dtype = dtype, verbose = FALSE)
  }
  warning <- expect_warning(method <- run("float"), class = "innsight_warning_conservation")
  text <- conditionMessage(warning)
  for (part in c("Dense_1", "1 of 1", "data point 1", "Y1", "double", "$conservation")) {
    expect_match(text, part, fixed = TRUE)
  }
  expect_warning(method$conservation, class = "innsight_warning_conservation")
  expect_no_warning(run("double")$conservation)
})

test_that("the warning counts pairs and says where most is lost", {
  rows <- data.frame(data = 1:3, node = c("a", "b", "c"), goal = 1, sum = 1)
  missing <- matrix(0, 3, 3)
  check <- function(missing, dtype = "double") {
    warn_unless_conserved(missing, rows, c("first", "second"), dtype)
  }
  expect_no_warning(check(missing))
  expect_no_warning(check(missing + 1e-8))
  missing[2, 1] <- 0.1
  missing[3, 2] <- -0.4
  warning <- expect_warning(check(missing), "2 of 3", class = "innsight_warning_conservation")
  expect_match(conditionMessage(warning), "\"second\".*data point 3.*\"c\"")
  expect_no_match(conditionMessage(warning), "double")
  expect_warning(check(missing, "float"), "double")
  expect_no_warning(check(missing / 1000, "float"))
  expect_warning(check(missing / 1000), class = "innsight_warning_conservation")
  missing[2, 3] <- 0.5
  expect_warning(check(missing), "outside of the layers", class = "innsight_warning_conservation")
  missing[1, 1] <- NA
  expect_warning(check(missing), "\"first\"", class = "innsight_warning_conservation")
})
