# A package with the documented interface of shapviz and the conditions it makes, where shapviz
# itself is not installed.
local_shapviz <- function(env = parent.frame()) {
  if (requireNamespace("shapviz", quietly = TRUE)) {
    return(invisible(NULL))
  }
  code <- '
    .onLoad <- function(libname, pkgname) {
      registerS3method("shapviz", "matrix", shapviz.matrix, envir = parent.env(environment()))
    }
    shapviz <- function(object, ...) UseMethod("shapviz")
    shapviz.matrix <- function(object, X, baseline = 0, collapse = NULL, S_inter = NULL, ...) {
      for (name in names(collapse)) {
        sums <- rowSums(object[, collapse[[name]], drop = FALSE])
        rest <- setdiff(colnames(object), collapse[[name]])
        object <- cbind(object[, rest, drop = FALSE], sums)
        colnames(object) <- c(rest, name)
      }
      stopifnot(
        is.matrix(X) || is.data.frame(X), is.numeric(object), dim(object) >= 1,
        nrow(X) == nrow(object), !is.null(colnames(object)), colnames(object) %in% colnames(X),
        !anyNA(object), is.numeric(baseline), length(baseline) == 1, !is.na(baseline)
      )
      X <- as.data.frame(X)[colnames(object)]
      structure(list(S = object, X = X, baseline = baseline), class = "shapviz")
    }
    mshapviz <- function(object, ...) {
      names <- lapply(object, function(x) colnames(x$S))
      stopifnot(is.list(object), vapply(object, inherits, NA, "shapviz"),
                vapply(names, identical, NA, names[[1]]))
      structure(object, class = "mshapviz")
    }
    get_shap_values <- function(object) object$S
    get_feature_values <- function(object) object$X
    get_baseline <- function(object) object$baseline'
  exports <- c("shapviz", "mshapviz", "get_shap_values", "get_feature_values", "get_baseline")
  local_fake_package("shapviz", exports, code, env)
}

parts_of <- function(x, output_idx = NULL, output_label = NULL, data_idx = "all", baseline = NULL) {
  shapviz_parts(x, output_idx, output_label, data_idx, baseline, quote(as_shapviz()))
}

totals <- function(part) part$baseline + rowSums(part$S)

iris_net <- function() {
  convert(dense_net(c(4, 5, 3), c("relu", "softmax")), input_names = names(iris)[1:4],
          output_names = levels(iris$Species))
}

# Explains iris in double precision; `run` is run_deeplift(), say.
of_iris <- function(run, ..., rows = c(1, 60, 120)) {
  run(iris_net(), iris[rows, 1:4], ..., verbose = FALSE, dtype = "double")
}

test_that("contributions, input values and baseline are handed over", {
  local_shapviz()
  ref <- iris[150, 1:4]
  lift <- of_iris(run_deeplift, x_ref = ref, ignore_last_act = FALSE)
  shap <- as_shapviz(lift, output_label = "versicolor")
  expect_s3_class(shap, "shapviz")
  S <- shapviz::get_shap_values(shap)
  expect_equal(S, get_result(lift)[, , "versicolor"])
  expect_identical(shapviz::get_feature_values(shap),
                   data.frame(as.matrix(iris[c(1, 60, 120), 1:4]), row.names = NULL))
  pred <- predict(iris_net(), rbind(iris[c(1, 60, 120), 1:4], ref))
  expect_equal(shapviz::get_baseline(shap) + rowSums(S), pred[1:3, 2], tolerance = 1e-6,
               ignore_attr = TRUE)
  expect_equal(shapviz::get_baseline(shap), pred[4, 2], tolerance = 1e-6, ignore_attr = TRUE)

  expect_identical(shapviz::shapviz(lift, output_idx = 2), shap)
  one <- as_shapviz(lift, output_idx = 2, data_idx = 3)
  expect_identical(shapviz::get_shap_values(one), S[3, , drop = FALSE])
})

test_that("several nodes make a named list", {
  local_shapviz()
  lift <- of_iris(run_deeplift)
  all <- as_shapviz(lift)
  expect_s3_class(all, "mshapviz")
  expect_named(all, levels(iris$Species))
  some <- as_shapviz(lift, output_idx = c(3, 1))
  expect_named(some, levels(iris$Species)[c(3, 1)])
  expect_equal(some[[1]], as_shapviz(lift, output_idx = 3))
})

test_that("other values can be shown, and dummy variables put together", {
  local_shapviz()
  lift <- of_iris(run_deeplift)
  shown <- data.frame(Sepal = c("a", "b", "c"), iris[c(1, 60, 120), 3:4])
  sepal <- list(Sepal = names(iris)[1:2])
  shap <- as_shapviz(lift, output_idx = 1, X = shown, collapse = sepal)
  S <- shapviz::get_shap_values(shap)
  expect_equal(S[, "Sepal"], rowSums(get_result(lift)[, 1:2, 1]))
  expect_equal(shapviz::get_feature_values(shap)$Sepal, c("a", "b", "c"))
})

test_that("without shapviz there is an error that says how to install it", {
  skip_if(requireNamespace("shapviz", quietly = TRUE), "shapviz is installed")
  expect_snapshot(error = TRUE, as_shapviz(of_iris(run_deeplift)))
})

test_that("baseline and contributions make the value that is explained", {
  x <- as.matrix(iris[c(1, 60, 120), 1:4])
  ref <- as.matrix(iris[c(20, 80, 140, 145), 1:4])
  values <- function(x, ignored) {
    last <- network_activations(iris_net(), list(unname(x)), dtype = "double")[[2]]
    if (ignored) last$preactivation else last$output
  }
  runs <- list(
    list(run_deeplift, x_ref = ref[1, , drop = FALSE]),
    list(run_deepshap, data_ref = ref)
  )
  for (ignored in c(TRUE, FALSE)) {
    for (run in runs) {
      parts <- do.call(of_iris, c(run, ignore_last_act = ignored)) |> parts_of()
      expect_equal(sapply(parts, totals), values(x, ignored), tolerance = 1e-6, ignore_attr = TRUE)
      start <- colMeans(values(if (is.null(run$x_ref)) ref else run$x_ref, ignored))
      expect_equal(sapply(parts, `[[`, "baseline"), start, tolerance = 1e-6, ignore_attr = TRUE)
    }
  }
  steps <- of_iris(run_intgrad, x_ref = ref[1, , drop = FALSE], times_input = TRUE, n = 2000)
  expect_equal(sapply(parts_of(steps), totals), values(x, TRUE), tolerance = 1e-3,
               ignore_attr = TRUE)
})

test_that("the baseline of Shapley values is the mean prediction, for any model", {
  fit <- lm(Petal.Width ~ Sepal.Length + Petal.Length, iris)
  shap <- run_shap(fit, iris[1:5, c(1, 3)], iris[, c(1, 3)],
                   pred_fun = \(newdata, ...) predict(fit, newdata))
  part <- parts_of(shap)[[1]]
  expect_equal(part$baseline, mean(iris$Petal.Width))
  expect_equal(totals(part), unname(predict(fit)[1:5]))
  expect_equal(part$X, iris[1:5, c(1, 3)], ignore_attr = "row.names")
})

test_that("LRP gets what biases take on average, and a warning", {
  lrp <- of_iris(run_lrp, ignore_last_act = FALSE)
  expect_warning(parts <- parts_of(lrp), "add up", class = "innsight_warning_additivity")
  expect_equal(sapply(parts, `[[`, "baseline"),
               colMeans(lrp$preds[[1]] - apply(lrp$result[[1]][[1]], c(1, 3), sum)),
               ignore_attr = TRUE)
  expect_snapshot(parts <- parts_of(lrp, output_idx = 1, baseline = 0.5))
  expect_identical(parts[[1]]$baseline, 0.5)
})

test_that("gradients that are not multiplied by the input give a warning", {
  expect_snapshot(parts <- parts_of(of_iris(run_grad)))
  expect_warning(parts_of(of_iris(run_smoothgrad)), "Gradients",
                 class = "innsight_warning_additivity")
  linear <- convert(list(
    input_dim = 4, input_nodes = 1, output_nodes = 1,
    layers = list(list(type = "Dense", weight = diag(4), bias = 1:4, activation_name = "linear",
                       input_layers = 0, output_layers = -1))
  ))
  x <- as.matrix(iris[1:3, 1:4])
  expect_no_warning(parts <- parts_of(run_grad(linear, x, times_input = TRUE, verbose = FALSE)))
  expect_equal(sapply(parts, `[[`, "baseline"), 1:4, tolerance = 1e-6, ignore_attr = TRUE)
})

test_that("exact methods never warn, not even for the reference or in single precision", {
  for (dtype in c("float", "double")) {
    lift <- run_deeplift(iris_net(), iris[1, 1:4], x_ref = iris[1, 1:4], verbose = FALSE,
                         dtype = dtype)
    expect_no_warning(parts_of(lift))
    lift <- run_deeplift(iris_net(), iris[, 1:4], verbose = FALSE, dtype = dtype)
    expect_no_warning(parts_of(lift))
  }
})

test_that("input layers are put side by side, and without connection contribute nothing", {
  lift <- run_deeplift(convert(unconnected_net()), unconnected_data(), verbose = FALSE,
                       output_idx = list(2:1, 1), dtype = "double")
  parts <- parts_of(lift)
  expect_named(parts, c("Output_1.Y2", "Output_1.Y1", "Output_2.Y1"))
  features <- c("Input_1.X1", "Input_1.X2", paste0("Input_2.X", 1:3))
  for (part in parts) {
    expect_identical(colnames(part$S), features)
    expect_equal(part$X, stats::setNames(as.data.frame(do.call(cbind, unconnected_data())),
                                         features))
    expect_equal(totals(part), part$explained)
  }
  expect_equal(unname(parts[[2]]$S),
               cbind(lift$result[[1]][[1]][, , 2], lift$result[[1]][[2]][, , 2]))
  expect_equal(unname(parts[[3]]$S), cbind(0, 0, lift$result[[2]][[2]][, , 1]))

  second <- parts_of(lift, output_idx = list(NULL, 1))
  expect_named(second, "Y1")
  expect_identical(colnames(second$Y1$S), paste0("X", 1:3))

  lift$converter$input_names <- list(list(c("a", "b")), list(c("c", "d", "d")))
  expect_identical(colnames(parts_of(lift)[[1]]$S), paste0("Input_", c(1, 1, 2, 2, 2), ".",
                                                           c("a", "b", "c", "d", "d"),
                                                           c("", "", "", "", ".1")))
  lift$converter$input_names <- list(list(c("a", "b")), list(c("c", "d", "e")))
  expect_identical(colnames(parts_of(lift)[[1]]$S), letters[1:5])
})

test_that("what shapviz cannot draw is an error", {
  image <- run_grad(convert(image_net()), image_data(), verbose = FALSE)
  lift <- of_iris(run_deeplift)
  missing <- of_iris(run_deeplift)
  missing$result[[1]][[1]][1, 1, 2] <- NA
  expect_snapshot(error = TRUE, {
    parts_of(image)
    parts_of(run_grad(convert(two_input_net()), two_input_data(), verbose = FALSE))
    parts_of(run_cw(iris_net(), verbose = FALSE))
    parts_of(missing)
    parts_of(lift, data_idx = 4)
    parts_of(lift, data_idx = "some")
    parts_of(lift, output_idx = 4)
    parts_of(lift, baseline = "a")
    parts_of(lift, baseline = 1:2)
    parts_of(lift, output_idx = 1, baseline = Inf)
  })
})
