shap_values <- function(f, x, ref, ...) {
  run_shap(NULL, x, ref, pred_fun = f, ...)$result[[1]][[1]]
}

permutations <- function(items) {
  if (length(items) < 2) {
    return(list(items))
  }
  unlist(lapply(seq_along(items), function(i) {
    lapply(permutations(items[-i]), \(rest) c(items[i], rest))
  }), recursive = FALSE)
}

# The definition: the mean over all orders of what a feature adds to those before it.
shapley_by_definition <- function(f, x, ref) {
  d <- ncol(x)
  orders <- permutations(seq_len(d))
  value <- function(point, members) {
    rows <- ref
    for (j in members) rows[, j] <- point[j]
    colMeans(as.matrix(f(as.data.frame(rows))))
  }
  out <- array(0, c(nrow(x), d, length(value(x[1, ], 1))))
  for (i in seq_len(nrow(x))) {
    for (order in orders) {
      for (k in seq_len(d)) {
        change <- value(x[i, ], order[seq_len(k)]) - value(x[i, ], order[seq_len(k - 1)])
        out[i, order[k], ] <- out[i, order[k], ] + change / length(orders)
      }
    }
  }
  out
}

test_that("all coalitions give the mean over all orders of the features", {
  x <- agnostic_data(3, 4)
  ref <- agnostic_data(6, 4, 2)
  expect_equal(shap_values(interacting, x, ref), shapley_by_definition(interacting, x, ref),
               tolerance = 1e-12)
})

test_that("Shapley values keep the axioms", {
  x <- agnostic_data(5, 6)
  ref <- agnostic_data(7, 6, 2)
  shap <- run_shap(NULL, x, ref, pred_fun = interacting)
  values <- shap$result[[1]][[1]]
  f <- \(x) interacting(as.data.frame(x))
  # efficiency
  goal <- sweep(f(x), 2, colMeans(f(ref)))
  expect_lt(max(abs(apply(values, c(1, 3), sum) - goal)), 1e-10)
  expect_equal(shap$decomp_goal, list(goal), tolerance = 1e-12)
  expect_equal(shap$baseline, c(Y1 = mean(f(ref)[, 1]), Y2 = mean(f(ref)[, 2])))
  # dummy
  expect_lt(max(abs(values[, 4:6, ])), 1e-10)
  # symmetry
  x[, 2] <- x[, 1]
  ref[, 2] <- ref[, 1]
  twins <- shap_values(\(newdata, ...) exp(newdata[[1]] + newdata[[2]]) * newdata[[3]], x, ref)
  expect_gt(max(abs(twins)), 0.1)
  expect_lt(max(abs(twins[, 1, ] - twins[, 2, ])), 1e-10)
  # linearity
  mixed <- shap_values(\(newdata, ...) interacting(newdata) %*% c(2, -3), x, ref)
  parts <- shap_values(interacting, x, ref)
  expect_lt(max(abs(mixed[, , 1] - (2 * parts[, , 1] - 3 * parts[, , 2]))), 1e-10)
})

test_that("for a linear model they are the coefficients times the deviation from the mean", {
  w <- c(1, -2, 3, 0, 0.5)
  x <- agnostic_data(4, 5)
  ref <- agnostic_data(9, 5, 2)
  expected <- sweep(sweep(x, 2, colMeans(ref)), 2, w, `*`)
  got <- shap_values(\(newdata, ...) as.matrix(newdata) %*% w + 7, x, ref)
  expect_equal(got[, , 1], expected, tolerance = 1e-12)
  single <- shap_values(\(newdata, ...) 2 * newdata[[1]], matrix(1:3), matrix(4:7))
  expect_equal(as.vector(single), 2 * (1:3 - 5.5))
})

test_that("the Shapley values of the reference cases come out", {
  file <- test_path("fixtures", "cases.json")
  skip_if_not(file.exists(file), paste(file, "is missing"))
  skip_if_not_installed("jsonlite")
  all <- jsonlite::read_json(file, simplifyVector = FALSE)
  cases <- Filter(\(case) identical(case$method, "shapley"), all$cases)
  expect_length(cases, 4)
  numbers <- \(rows) do.call(rbind, lapply(rows, unlist))
  for (case in cases) {
    network <- case$network
    if (!is.null(network$ref)) network <- all$nets[[network$ref]]
    x <- numbers(case$input)
    ref <- numbers(case$baseline)
    ops <- vapply(network$layers, `[[`, "", "op")
    if (identical(ops, "min")) {
      shap <- run_shap(NULL, x, ref, pred_fun = \(newdata, ...) do.call(pmin, newdata))
    } else {
      layers <- Map(function(layer, i) {
        links <- list(input_layers = i - 1,
                      output_layers = if (i == length(ops)) -1 else i + 1)
        c(links, if (layer$op == "dense") {
          list(type = "Dense", weight = numbers(layer$W), bias = unlist(layer$b),
               activation_name = "linear")
        } else {
          list(type = "Activation", act_name = layer$op)
        })
      }, network$layers, seq_along(ops))
      net <- list(input_dim = ncol(x), input_nodes = 1, output_nodes = length(ops),
                  layers = layers)
      shap <- run_shap(convert(net, dtype = "double"), x, ref, output_idx = case$target + 1)
    }
    difference <- shap$result[[1]][[1]][, , 1] - numbers(case$expected)[1, ]
    expect_lt(max(abs(difference)), case$tol, label = case$id)
  }
})

test_that("KernelSHAP is exact for interactions of two features and close for more", {
  d <- 14
  x <- agnostic_data(2, d)
  ref <- agnostic_data(3, d, 2)
  b <- with_seed(3, matrix(rnorm(d^2), d))
  quadratic <- function(newdata, ...) {
    newdata <- as.matrix(newdata)
    rowSums((newdata %*% b) * newdata)
  }
  exact <- shap_values(quadratic, x, ref, n_coalitions = 2^d)
  for (n in c(2 * d, 50, 500)) {
    sampled <- with_seed(1, shap_values(quadratic, x, ref, n_coalitions = n))
    expect_lt(max(abs(sampled - exact)), 1e-9)
  }

  cubic <- \(newdata, ...) Reduce(`*`, newdata + 1)
  exact <- shap_values(cubic, x, ref, n_coalitions = 2^d)
  error <- vapply(c(200, 10000), function(n) {
    runs <- vapply(1:5, function(seed) {
      sampled <- with_seed(seed, run_shap(NULL, x, ref, pred_fun = cubic, n_coalitions = n))
      values <- sampled$result[[1]][[1]]
      expect_lt(max(abs(rowSums(values) - sampled$decomp_goal[[1]])), 1e-10)
      mean((values - exact)^2)
    }, 0)
    sqrt(mean(runs))
  }, 0)
  expect_lt(error[2], error[1] / 3)
  expect_lt(error[2], 0.05 * sqrt(mean(exact^2)))
})

test_that("the least squares of KernelSHAP with all coalitions give the exact weights", {
  # The kernel over every coalition, solved without the closed form.
  d <- 5
  exact <- exact_design(d)
  size <- rowSums(exact$members)
  kernel <- (d - 1) / (choose(d, size) * size * (d - size))
  v <- with_seed(1, rnorm(2^d - 2))
  full <- 1.7
  # The last feature is eliminated by the constraint.
  z <- exact$members[, -d] - exact$members[, d]
  fit <- lm.wfit(z, v - exact$members[, d] * full, kernel)
  phi <- c(fit$coefficients, full - sum(fit$coefficients))
  expect_equal(as.vector(crossprod(exact$weights, v) + exact$full * full), unname(phi))
})

test_that("coalitions are taken from the ends and drawn in pairs, with the mass of the kernel", {
  d <- 20
  design <- with_seed(1, coalition_design(d, 500, NULL))
  size <- rowSums(design$members)
  expect_identical(sum(size == 1), 20L)
  expect_identical(sum(size == d - 1), 20L)
  expect_identical(dim(design$members), c(500L, 20L))
  code <- \(m) sort(apply(m, 1, \(x) paste(as.integer(x), collapse = "")))
  expect_identical(code(design$members), code(!design$members))
  expect_equal(sum(design$full), 1)
  expect_lt(max(abs(rowSums(design$weights))), 1e-12)
  expect_identical(nrow(coalition_design(12, NULL, NULL)$members), 4094L)
  expect_identical(nrow(coalition_design(13, NULL, NULL)$members), 2074L)
  expect_identical(nrow(coalition_design(1, NULL, NULL)$members), 0L)
})

test_that("orders of features are sampled without bias", {
  x <- agnostic_data(2, 4)
  ref <- agnostic_data(6, 4, 2)
  exact <- shap_values(interacting, x, ref)
  draws <- with_seed(1, vapply(1:400, \(i) shap_values(interacting, x, ref, nsim = 5), exact))
  error <- apply(draws, 1:3, mean) - exact
  spread <- apply(draws, 1:3, sd) / sqrt(400)
  expect_true(all(abs(error) < 4.5 * spread + 1e-12))
  expect_gt(min(spread[, 1:3, 2]), 0)
  expect_identical(max(abs(draws[, 4, , ])), 0)
  # Without interactions and with one reference nothing is left to chance.
  w <- c(1, -2, 3, 0)
  linear <- shap_values(\(newdata, ...) as.matrix(newdata) %*% w, x, ref[1, , drop = FALSE],
                        nsim = 1)
  expect_equal(linear[, , 1], sweep(sweep(x, 2, ref[1, ]), 2, w, `*`))
})

test_that("draws depend on the seed alone, and results not on the memory", {
  x <- agnostic_data(3, 14)
  ref <- agnostic_data(5, 14, 2)
  run <- function(..., memory = "1GB", seed = 1) {
    old <- options(innsight.memory = memory)
    on.exit(options(old))
    with_seed(seed, shap_values(interacting, x, ref, ...))
  }
  for (args in list(list(n_coalitions = 100), list(nsim = 3))) {
    small <- c(args, memory = if (is.null(args$nsim)) 60000 else 40000)
    expect_identical(do.call(run, args), do.call(run, args))
    expect_equal(do.call(run, small), do.call(run, args), tolerance = 1e-12)
    expect_false(identical(do.call(run, c(args, seed = 2)), do.call(run, args)))
  }
  expect_error(run(memory = 1000), "innsight.memory", class = "innsight_error_memory")
  expect_error(run(nsim = 1, memory = 1000), class = "innsight_error_memory")
})

test_that("predictions of a converter are those of its own predict()", {
  converter <- convert(dense_net(c(4, 5, 3), c("tanh", "softmax")), dtype = "double")
  x <- agnostic_data(3, 4)
  ref <- agnostic_data(6, 4, 2)
  built_in <- run_shap(converter, x, ref, output_idx = c(3, 1))
  custom <- run_shap(converter, x, ref, pred_fun = \(newdata, ...) predict(converter, newdata),
                     output_idx = c(3, 1))
  expect_equal(built_in$result, custom$result, tolerance = 1e-12)
  expect_identical(built_in$converter, converter)
  expect_identical(built_in$dtype, "double")
  expect_equal(built_in$preds[[1]], unname(predict(converter, x)[, c(3, 1)]))
  single <- run_shap(convert(dense_net(c(4, 5, 3), c("tanh", "softmax"))), x, ref)
  expect_equal(single$result[[1]][[1]][, , c(3, 1)], built_in$result[[1]][[1]], tolerance = 1e-5)
})

test_that("signals and images have the layout of the data", {
  net <- list(
    input_dim = c(2, 3), input_nodes = 1, output_nodes = 3,
    layers = with_seed(1, list(
      list(type = "Conv1D", weight = random_array(3, 2, 2), bias = rnorm(3),
           activation_name = "tanh", input_layers = 0, output_layers = 2),
      list(type = "Flatten", input_layers = 1, output_layers = 3, order = "channels_first"),
      list(type = "Dense", weight = random_array(2, 6), bias = rnorm(2),
           activation_name = "linear", input_layers = 2, output_layers = -1)
    ))
  )
  converter <- convert(net, dtype = "double")
  x <- with_seed(2, random_array(4, 2, 3))
  ref <- with_seed(3, random_array(5, 2, 3))
  last <- \(x) aperm(x, c(1, 3, 2))
  first_run <- run_shap(converter, x, ref)
  last_run <- run_shap(converter, last(x), last(ref), channels_first = FALSE)
  expect_identical(dim(first_run$result[[1]][[1]]), c(4L, 2L, 3L, 2L))
  expect_equal(aperm(last_run$result[[1]][[1]], c(1, 3, 2, 4)), first_run$result[[1]][[1]])
  custom <- run_shap(NULL, x, ref, pred_fun = function(newdata, input_dim) {
    predict(converter, array(as.matrix(newdata), c(nrow(newdata), input_dim)))
  })
  expect_equal(custom$result, first_run$result)

  image <- with_seed(1, run_shap(convert(image_net()), image_data(), image_data()))
  expect_identical(dim(get_result(image)), c(3L, 2L, 4L, 5L, 2L))
  expect_lt(max(abs(summary(image)$conservation$delta)), 1e-6)
  draws(plot(image, data_idx = 1:2))
  draws(plot_global(image))
})

test_that("SHAP has the documented arguments, classes and value name", {
  expect_named(
    formals(SHAP$public_methods$initialize),
    c("model", "data", "data_ref", "pred_fun", "output_idx", "output_label", "channels_first",
      "input_dim", "input_names", "output_names", "engine", "...")
  )
  x <- agnostic_data(3, 3)
  shap <- run_shap(NULL, x, x, interacting, 2:1, NULL, TRUE, 3, letters[1:3], c("u", "v"))
  expect_s3_class(shap, c("SHAP", "AgnosticWrapper", "InterpretingMethod", "R6"), exact = TRUE)
  expect_identical(dimnames(get_result(shap)), list(NULL, letters[1:3], c("v", "u")))
  expect_identical(value_name(shap), "Shapley Value")
  draws(plot(shap, output_idx = 1:2))
  expect_output(print(shap), "n_coalitions = 6.*3 data points")
  draws(boxplot(shap))
  frame <- as.data.frame(shap)
  expect_equal(frame$decomp_sum, frame$decomp_goal)
})

test_that("bad settings of SHAP are refused", {
  x <- agnostic_data(3, 3)
  run <- function(...) run_shap(NULL, x, x, pred_fun = interacting, ...)
  expect_error(run(nsim = 0), "nsim", class = "innsight_error_argument")
  expect_error(run(n_coalitions = 5), "at least 6", class = "innsight_error_argument")
  expect_error(run(n_coalitions = "a"), "n_coalitions", class = "innsight_error_argument")
  expect_error(run(nsim = 1, n_coalitions = 6), "Only one", class = "innsight_error_argument")
  expect_error(run(n_sim = 1), "Unknown", class = "innsight_error_argument")
  expect_error(run(engine = "shap"), "engine", class = "innsight_error_argument")
  expect_error(run_shap(NULL, x, pred_fun = interacting), "data_ref",
               class = "innsight_error_argument")
  skip_if(requireNamespace("fastshap", quietly = TRUE))
  expect_error(run(engine = "fastshap"), "fastshap.*innsight", class = "innsight_error_argument")
})

# A stand-in for fastshap that takes its documented arguments: it shows what we pass to the package
# and how we read its answer, not that the package itself agrees.
test_that("engine = \"fastshap\" calls fastshap::explain() for every output", {
  local_fake_package("fastshap", "explain", "
    explain <- function(object, X, newdata, pred_wrapper, nsim = 1) {
      y <- pred_wrapper(object, newdata)
      stopifnot(is.data.frame(X), nrow(X) == 6, is.numeric(y), is.null(dim(y)))
      structure(as.matrix(newdata) * y + nsim, baseline = 0, class = c('explain', 'matrix'))
    }")
  x <- agnostic_data(3, 4)
  shap <- run_shap(NULL, x, agnostic_data(6, 4, 2), pred_fun = interacting, output_idx = 2:1,
                   engine = "fastshap", nsim = 7)
  y <- interacting(as.data.frame(x))
  expect_equal(shap$result[[1]][[1]], array(c(x * y[, 2], x * y[, 1]) + 7, c(3, 4, 2)))
  expect_output(print(shap), "engine: fastshap.*nsim = 7")
})
