# Whatever is given, the outcome is a result or an error of ours that is not a bug report.

odd_values <- function() {
  list(
    NULL, NA, NA_integer_, NaN, Inf, -1, 0, 1e10, 2^31, 0.5, -1e308, 1i, TRUE, 1:100, c(a = 1),
    "x", "%s %n {1+1} {.val", character(), factor("a"), as.Date("2020-01-01"), raw(4), quote(a),
    list(), list(NULL), list(1, "a"), matrix(1, 2, 2), array(0, c(1, 1, 1, 1, 1)), identity,
    new.env(), data.frame(a = 1)
  )
}

pick <- function(x) x[[sample(length(x), 1)]]

# `f` with the arguments `args` and one more; symbols among them are not looked up.
call_with <- function(f, args, name = NULL, value = NULL) {
  if (!is.null(name)) args[name] <- list(value)
  do.call(f, args, quote = TRUE)
}

expect_result_or_own_error <- function(code, label) {
  outcome <- suppressMessages(suppressWarnings(tryCatch({
    force(code)
    NULL
  }, error = identity)))
  sound <- is.null(outcome) ||
    (inherits(outcome, "innsight_error") && !inherits(outcome, "innsight_error_bug"))
  expect(sound, sprintf("%s: %s", label, if (!sound) conditionMessage(outcome)))
}

test_that("no model list ends the session or hits a bug", {
  mutate <- function(net) {
    if (runif(1) < 0.2) {
      net[sample(c("input_dim", "input_nodes", "output_nodes", "output_dim", "layers",
                   "input_names", "output_names"), 1)] <- list(pick(odd_values()))
    } else {
      i <- sample(length(net$layers), 1)
      net$layers[[i]][sample(names(net$layers[[i]]), 1)] <- list(pick(odd_values()))
    }
    net
  }
  nets <- list(two_input_net(), all_layers_net())
  with_seed(1, for (round in 1:300) {
    net <- mutate(pick(nets))
    expect_result_or_own_error({
      converter <- convert(net)
      x <- lapply(converter$input_dim, \(d) random_array(2, d))
      run_lrp(converter, x, rule_name = "alpha_beta", verbose = FALSE)
    }, paste("mutation", round))
  })
})

test_that("no argument of a method or a plot ends the session or hits a bug", {
  converter <- convert(two_input_net())
  good <- list(converter = converter, data = two_input_data(2), verbose = FALSE)
  lrp <- run_lrp(converter, two_input_data(), verbose = FALSE)
  generators <- list(Gradient, SmoothGrad, IntegratedGradient, ExpectedGradient, LRP, DeepLift,
                     DeepSHAP, ConnectionWeights)
  arguments <- \(generator) names(formals(generator$public_methods$initialize))
  # Arguments that are checked in one place are tried with one of the methods each time.
  shared <- arguments(InterpretingMethod)
  with_seed(2, for (value in odd_values()) {
    try_argument <- function(generator, arg) {
      expect_result_or_own_error(call_with(generator$new, good, arg, value),
                                 paste(generator$classname, arg))
    }
    for (generator in generators) {
      for (arg in setdiff(arguments(generator), shared)) try_argument(generator, arg)
    }
    for (arg in shared) try_argument(pick(Filter(\(g) arg %in% arguments(g), generators)), arg)
    expect_result_or_own_error(get_result(lrp, value), "get_result")
    expect_result_or_own_error(predict(converter, value), "predict")
    for (arg in c("data_idx", "output_idx", "output_label", "aggr_channels", "as_plotly",
                  "same_scale", "show_preds")) {
      expect_result_or_own_error(call_with(plot, list(lrp), arg, value),
                                 paste("plot", arg))
    }
    for (arg in c("data_idx", "output_idx", "output_label", "aggr_channels", "as_plotly",
                  "ref_data_idx", "preprocess_FUN", "individual_data_idx", "individual_max")) {
      expect_result_or_own_error(call_with(plot_global, list(lrp), arg, value),
                                 paste("plot_global", arg))
    }
  })
})

test_that("no argument of a model-agnostic method ends the session or hits a bug", {
  x <- agnostic_data(4, 3)
  goods <- list(
    list(model = dense_net(c(3, 2), "tanh"), data = x, data_ref = x),
    list(model = NULL, data = x, data_ref = x, pred_fun = interacting)
  )
  shap_args <- setdiff(names(formals(SHAP$public_methods$initialize)), "...")
  with_seed(3, for (value in odd_values()) {
    for (arg in c(shap_args, "nsim", "n_coalitions")) {
      expect_result_or_own_error(call_with(run_shap, pick(goods), arg, value), paste("SHAP", arg))
    }
    for (arg in c("output_type", "engine", names(lime_settings(list(), NULL)))) {
      args <- c(pick(goods), output_type = "regression", n_permutations = 20)
      expect_result_or_own_error(call_with(run_lime, args, arg, value), paste("LIME", arg))
    }
  })
})

test_that("a panic of the engine is a bug report and the session goes on", {
  error <- expect_error(from_engine(engine_panic()), class = "innsight_error_bug")
  expect_match(conditionMessage(error), "on purpose, with % and {braces}", fixed = TRUE)
  expect_match(conditionMessage(error), "report")
  expect_equal(dim(predict(convert(tiny_net()), matrix(0.5))), c(1, 1))
})

test_that("settings of any size are refused before anything is allocated for them", {
  refused <- function(layer, dim) {
    layer <- c(layer, list(input_layers = 0, output_layers = 2))
    pool <- list(type = "GlobalPooling", method = "max", input_layers = 1, output_layers = -1)
    net <- list(input_dim = dim, input_nodes = 1, output_nodes = 2, layers = list(layer, pool))
    expect_error(convert(net), "cells", class = "innsight_error_memory")
  }
  refused(list(type = "Skipping"), c(1, 30000, 30000))
  refused(list(type = "Padding", padding = c(1e9, 1e9)), c(1, 3))
  refused(list(type = "MaxPooling1D", kernel_size = 2e9, padding = 2e9), c(1, 3))
  refused(list(type = "AveragePooling2D", kernel_size = 20000, strides = 1, padding = 19999),
          c(1, 3, 3))
})
