lime_weights <- function(f, x, ref, ..., seed = 1) {
  with_seed(seed, run_lime(NULL, x, ref, "regression", f, ...))$result[[1]][[1]]
}

quantile_bin <- function(x, ref) {
  findInterval(x, quantile(ref, 1:3 / 4), left.open = TRUE)
}

test_that("indicators of bins have their coefficients as weights", {
  ref <- agnostic_data(200, 4)
  x <- agnostic_data(6, 4, 2)
  # Twice the chance to be in the bin of the first data point, and so on.
  bin <- vapply(1:4, \(j) quantile_bin(x[1, j], ref[, j]), 0)
  f <- function(newdata, ...) {
    inside <- vapply(1:4, \(j) quantile_bin(newdata[[j]], ref[, j]) == bin[j],
                     logical(nrow(newdata)))
    cbind(inside %*% c(2, -1, 0, 0.5) + 3, inside %*% c(0, 0, 1, 0))
  }
  for (settings in list(list(), list(dist_fun = "euclidean"), list(dist_fun = "manhattan"),
                        list(gower_pow = 3), list(dist_fun = "euclidean", kernel_width = 5))) {
    weights <- do.call(lime_weights, c(list(f, x[1, , drop = FALSE], ref), settings))
    expect_equal(weights[1, , 1], c(2, -1, 0, 0.5), tolerance = 0.01)
    expect_equal(weights[1, , 2], c(0, 0, 1, 0), tolerance = 0.01)
  }
})

test_that("a weight is the mean inside the bin minus the mean outside", {
  # Uniform values between the quantiles; for one feature and no kernel this has a closed form.
  ref <- matrix(qexp(ppoints(400)))
  f <- \(newdata, ...) newdata[[1]]^2
  x <- matrix(c(0.1, 0.5, 1, 5))
  weights <- lime_weights(f, x, ref, dist_fun = "euclidean", kernel_width = 1e6,
                          n_permutations = 200000)
  ends <- quantile(ref, 0:4 / 4, names = FALSE)
  means <- diff(ends^3) / (3 * diff(ends))
  # The tails of the last bin make its mean uncertain by about 0.03.
  for (bin in 1:4) {
    expect_equal(weights[bin, 1, 1], means[bin] - mean(means[-bin]), tolerance = 0.02)
  }
  equal <- lime_weights(f, x, ref, quantile_bins = FALSE, n_bins = 5, dist_fun = "manhattan",
                        kernel_width = 1e6, n_permutations = 200000)
  ends <- seq(min(ref), max(ref), length.out = 6)
  means <- diff(ends^3) / (3 * diff(ends))
  share <- tabulate(findInterval(ref, ends, rightmost.closed = TRUE), 5) / 400
  bins <- findInterval(x, ends)
  for (i in 1:4) {
    out <- -bins[i]
    expected <- means[bins[i]] - weighted.mean(means[out], share[out])
    expect_equal(equal[i, 1, 1], expected, tolerance = 0.05)
  }
})

test_that("without bins a linear model has its slopes per standard deviation as weights", {
  ref <- sweep(agnostic_data(100, 3), 2, c(1, 5, 0.1), `*`) + 2
  x <- ref[5:6, ]
  slopes <- c(2, -0.3, 10)
  f <- \(newdata, ...) as.matrix(newdata) %*% slopes + 1
  for (use_density in c(TRUE, FALSE)) {
    for (dist_fun in c("gower", "euclidean")) {
      weights <- lime_weights(f, x, ref, bin_continuous = FALSE, use_density = use_density,
                              dist_fun = dist_fun)
      for (i in 1:2) {
        expect_equal(weights[i, , 1], slopes * apply(ref, 2, sd), tolerance = 0.01)
      }
    }
  }
  lime <- with_seed(1, run_lime(NULL, x, ref, "regression", f, bin_continuous = FALSE))
  expect_gt(min(lime$r_squared), 0.999)
})

test_that("a data point far from all others is warned of", {
  ref <- agnostic_data(50, 2)
  x <- rbind(c(0, 0), c(50, 50))
  run <- \(...) lime_weights(\(newdata, ...) newdata[[1]], x, ref, bin_continuous = FALSE, ...)
  expect_warning(run(dist_fun = "euclidean"), "data point 2", class = "innsight_warning")
  expect_no_warning(run())
})

test_that("the fit is least squares with a penalty for all but the intercept", {
  x <- agnostic_data(50, 3)
  y <- agnostic_data(50, 2, 2)
  weights <- with_seed(3, runif(50))
  fit <- weighted_ridge(x, y, weights)
  # The penalty as three more observations.
  augmented <- rbind(cbind(1, x), cbind(0, diag(3)))
  expected <- lm.wfit(augmented, rbind(y, matrix(0, 3, 2)), c(weights, rep(1, 3)))
  expect_equal(unname(fit$coefficients), unname(expected$coefficients[-1, ]))
  fitted <- cbind(1, x) %*% expected$coefficients
  for (k in 1:2) {
    mean <- weighted.mean(y[, k], weights)
    share <- 1 - sum(weights * (y[, k] - fitted[, k])^2) / sum(weights * (y[, k] - mean)^2)
    expect_equal(fit$r_squared[k], share)
  }
})

test_that("similarities are those of the distances", {
  sample <- list(
    rows = rbind(c(1, 10, 7), c(3, 10, 7), c(1, 15, 7), c(5, 20, 7)),
    form = rbind(c(1, 1, 1), c(0, 1, 1), c(1, 0, 0), c(0, 0, 1))
  )
  settings <- list(dist_fun = "gower", gower_pow = 1)
  distance <- c(0, 2 / 4 / 2, 5 / 10 / 2, 1)
  expect_equal(similarity(sample, settings), 1 - distance)
  expect_equal(similarity(sample, list(dist_fun = "gower", gower_pow = 2)), 1 - distance^2)
  squared <- c(0, 1, 2, 2)
  expect_equal(similarity(sample, list(dist_fun = "euclidean", kernel_width = 2)),
               exp(-squared / 8))
  expect_equal(similarity(sample, list(dist_fun = "manhattan")),
               exp(-squared^2 / (2 * 0.75^2 * 3)))
})

test_that("bins follow quantiles, ties and small numbers of values", {
  values <- c(1:9, 100)
  bins <- feature_bins(values, values, 4, TRUE)
  ends <- unname(quantile(values))
  expect_equal(bins, list(cuts = ends[2:4], lower = ends[1:4], upper = ends[2:5]))
  expect_equal(feature_bins(values, values, 3, FALSE)$cuts, c(34, 67))
  # Each of a few values is a bin of its own.
  few <- feature_bins(c(0, 0, 1, 3), c(0, 1, 3), 4, TRUE)
  expect_equal(few, list(cuts = c(0.5, 2), lower = c(0, 1, 3), upper = c(0, 1, 3)))
  # All quantiles but the last are 0: equal widths.
  zeros <- c(rep(0, 100), 1:5)
  expect_equal(feature_bins(zeros, 0:5, 4, TRUE)$cuts, c(1.25, 2.5, 3.75))
  # Some are tied: fewer bins.
  tied <- c(rep(0, 40), 1:60)
  expect_length(feature_bins(tied, 0:60, 4, TRUE)$lower, 3)
})

test_that("perturbations follow the reference data and keep the data point first", {
  ref <- with_seed(1, cbind(rexp(500), rbinom(500, 1, 0.2), 3))
  features <- lapply(1:3, \(j) feature_sampler(ref[, j], lime_settings(list(), NULL)))
  sample <- with_seed(2, perturb(c(0.5, 1, 8), features, 20000))
  expect_identical(sample$rows[1, ], c(0.5, 1, 8))
  expect_identical(sample$form[1, ], c(1, 1, 0))
  expect_true(all(sample$rows[, 3] == 8))
  expect_setequal(sample$rows[, 2], 0:1)
  expect_equal(mean(sample$rows[, 2]), mean(ref[, 2]), tolerance = 0.05)
  expect_identical(sample$form[, 2], sample$rows[, 2])
  expect_equal(unname(quantile(sample$rows[, 1], 1:3 / 4)), unname(quantile(ref[, 1], 1:3 / 4)),
               tolerance = 0.05)
  expect_identical(
    sample$form[, 1] == 1,
    quantile_bin(sample$rows[, 1], ref[, 1]) == quantile_bin(0.5, ref[, 1])
  )
})

test_that("constant features and constant predictions have weight 0", {
  ref <- cbind(agnostic_data(30, 2), 4)
  x <- agnostic_data(2, 3, 2)
  f <- \(newdata, ...) cbind(newdata[[1]] + newdata[[3]], 5)
  for (bins in c(TRUE, FALSE)) {
    lime <- with_seed(1, run_lime(NULL, x, ref, "regression", f, bin_continuous = bins))
    weights <- lime$result[[1]][[1]]
    expect_identical(weights[, 3, ], matrix(0, 2, 2))
    expect_identical(weights[, , 2], matrix(0, 2, 3))
    expect_gt(min(abs(weights[, 1, 1])), 0.1)
    expect_identical(is.na(lime$r_squared), matrix(c(FALSE, FALSE, TRUE, TRUE), 2))
  }
  expect_error(lime_weights(f, x, ref[c(1, 1, 1), ]), "at least two different",
               class = "innsight_error_argument")
})

test_that("draws depend on the seed alone", {
  ref <- agnostic_data(30, 3)
  x <- agnostic_data(4, 3, 2)
  once <- lime_weights(interacting, x, ref)
  expect_identical(lime_weights(interacting, x, ref), once)
  expect_false(identical(lime_weights(interacting, x, ref, seed = 2), once))
  # One sample serves all outputs.
  both <- lime_weights(interacting, x, ref, output_idx = 2)
  expect_identical(both[, , 1], once[, , 2])
  old <- options(innsight.memory = 1000)
  on.exit(options(old))
  expect_error(lime_weights(interacting, x, ref), "innsight.memory",
               class = "innsight_error_memory")
})

test_that("LIME works on converters, signals and images", {
  converter <- convert(dense_net(c(4, 5, 3), c("tanh", "softmax")), dtype = "double")
  x <- agnostic_data(3, 4)
  ref <- agnostic_data(20, 4, 2)
  built_in <- with_seed(1, run_lime(converter, x, ref, output_label = c("Y3", "Y1")))
  custom <- lime_weights(\(newdata, ...) predict(converter, newdata), x, ref,
                         output_idx = c(3, 1))
  expect_equal(built_in$result[[1]][[1]], custom)
  expect_identical(built_in$output_type, "classification")

  image <- with_seed(1, run_lime(convert(image_net()), image_data(), image_data(),
                                 n_permutations = 100))
  expect_identical(dim(get_result(image)), c(3L, 2L, 4L, 5L, 2L))
  draws(plot(image, data_idx = 1:2))
  signal <- with_seed(1, run_lime(convert(signal_net()), aperm(signal_data(), c(1, 3, 2)),
                                  aperm(signal_data(), c(1, 3, 2)), channels_first = FALSE))
  expect_identical(dim(get_result(signal)), c(3L, 6L, 2L, 2L))
  expect_identical(signal$output_type, "regression")
  draws(plot_global(signal))
})

test_that("LIME has the documented arguments, classes and value name", {
  expect_named(
    formals(LIME$public_methods$initialize),
    c("model", "data", "data_ref", "output_type", "pred_fun", "output_idx", "output_label",
      "channels_first", "input_dim", "input_names", "output_names", "engine", "...")
  )
  x <- agnostic_data(3, 3)
  lime <- run_lime(NULL, x, x, "classification", interacting, 2:1, NULL, TRUE, 3, letters[1:3],
                   c("u", "v"), n_permutations = 50)
  expect_s3_class(lime, c("LIME", "AgnosticWrapper", "InterpretingMethod", "R6"), exact = TRUE)
  expect_identical(dimnames(get_result(lime)), list(NULL, letters[1:3], c("v", "u")))
  expect_identical(value_name(lime), "Weight")
  expect_output(print(lime), "classification.*n_permutations = 50")
  expect_null(lime$decomp_goal)
  expect_true(all(is.na(as.data.frame(lime)$decomp_goal)))
  draws(plot(lime))
  draws(boxplot(lime))
})

test_that("bad settings of LIME are refused", {
  x <- agnostic_data(5, 3)
  run <- function(...) run_lime(NULL, x, x, "regression", interacting, ...)
  bad <- list(n_permutations = 1, n_bins = 1.5, bin_continuous = NA, quantile_bins = 1,
              use_density = NULL, dist_fun = "cosine", gower_pow = -1, kernel_width = 0,
              feature_select = "best", n_features = 2)
  for (name in names(bad)) {
    expect_error(do.call(run, bad[name]), name, class = "innsight_error_argument")
  }
  expect_error(run(engine = "fastshap"), "engine", class = "innsight_error_argument")
  expect_error(run_lime(NULL, x, x, pred_fun = interacting), "output_type",
               class = "innsight_error_argument")
  expect_error(run_lime(NULL, x, pred_fun = interacting, output_type = "regression"), "data_ref",
               class = "innsight_error_argument")
  skip_if(requireNamespace("lime", quietly = TRUE))
  expect_error(run(engine = "lime"), "lime.*innsight", class = "innsight_error_argument")
})

# A stand-in for lime with its documented arguments and columns: it shows what we pass to the
# package, how it reaches our methods and how we read its answer, not that lime itself agrees.
test_that("engine = \"lime\" calls lime::lime() and lime::explain()", {
  local_fake_package("lime", c("lime", "explain", "model_type", "predict_model"), "
    model_type <- function(x, ...) UseMethod('model_type')
    predict_model <- function(x, newdata, type, ...) UseMethod('predict_model')
    lime <- function(x, model) list(model = model, features = names(x))
    explain <- function(x, explainer, labels = NULL, n_labels = NULL, n_features,
                        n_permutations = 5000) {
      type <- model_type(explainer$model)
      stopifnot(is.data.frame(x), is.null(labels) == (type == 'regression'))
      y <- predict_model(explainer$model, x, if (type == 'regression') 'raw' else 'prob')
      stopifnot(identical(names(y), if (is.null(labels)) 'Response' else labels))
      table <- expand.grid(feature = explainer$features[-3], case = rownames(x),
                           node = seq_along(y), stringsAsFactors = FALSE)
      table$label <- if (!is.null(labels)) labels[table$node]
      at <- match(table$case, rownames(x))
      table$feature_weight <- x[cbind(at, match(table$feature, names(x)))] *
        y[cbind(at, table$node)] + n_permutations
      table$model_r2 <- table$node / 10
      table[rev(seq_len(nrow(table))), ]
    }")
  x <- agnostic_data(3, 4)
  y <- interacting(as.data.frame(x))
  for (type in c("classification", "regression")) {
    lime <- run_lime(NULL, x, agnostic_data(6, 4, 2), type, interacting, 2:1, engine = "lime",
                     n_permutations = 7)
    expected <- array(c(x * y[, 2], x * y[, 1]) + 7, c(3, 4, 2))
    expected[, 3, ] <- 0
    expect_equal(lime$result[[1]][[1]], expected)
    expect_equal(lime$r_squared[1, 1], 0.1)
  }
})
