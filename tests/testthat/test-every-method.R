# What holds for all methods alike.

test_that("arguments have the documented order and defaults", {
  shared <- alist(channels_first = TRUE, output_idx = NULL, output_label = NULL,
                  ignore_last_act = TRUE)
  last <- alist(verbose = interactive(), dtype = "float")
  converter <- list(converter = rlang::missing_arg())
  data <- c(converter, data = rlang::missing_arg())
  signatures <- list(
    Gradient = c(data, shared, times_input = FALSE, last),
    SmoothGrad = c(data, shared, times_input = FALSE, n = 50, noise_level = 0.1, last),
    IntegratedGradient = c(data, alist(x_ref = NULL), n = 50, times_input = TRUE, shared, last,
                           integration = "riemann_right"),
    ExpectedGradient = c(data, alist(data_ref = NULL), n = 50, shared, last),
    LRP = c(data, shared, rule_name = "simple", alist(rule_param = NULL), winner_takes_all = TRUE,
            last),
    DeepLift = c(data, shared, rule_name = "rescale", alist(x_ref = NULL), winner_takes_all = TRUE,
                 last, maxpool = "gradient"),
    DeepSHAP = c(data, shared, rule_name = "rescale", alist(data_ref = NULL), limit_ref = 100,
                 winner_takes_all = TRUE, last, maxpool = "gradient"),
    ConnectionWeights = c(converter, alist(data = NULL), shared[2:3], shared[1],
                          times_input = FALSE, last)
  )
  for (name in names(signatures)) {
    generator <- getExportedValue("innsight", name)
    arguments <- formals(generator$public_methods$initialize)
    expect_identical(as.list(arguments), signatures[[name]], label = name)
  }
})

test_that("the functions pass arguments on by position, and objects keep them", {
  converter <- convert(tiny_net())
  x <- matrix(c(0.3, 0.7))
  ref <- matrix(0.1)
  keeps <- function(method, class, ...) {
    expect_s3_class(method, c(class, "InterpretingMethod", "R6"), exact = TRUE)
    fields <- list(dtype = "double", verbose = FALSE, ...)
    for (name in names(fields)) expect_identical(method[[name]], fields[[name]], label = name)
    expect_identical(method$output_label, list("Y1"))
  }
  keeps(run_smoothgrad(converter, x, TRUE, 1, NULL, FALSE, TRUE, 3, 0.2, FALSE, "double"),
        c("SmoothGrad", "GradientBased"), data = list(x), channels_first = TRUE,
        ignore_last_act = FALSE, times_input = TRUE, n = 3L, noise_level = 0.2)
  keeps(run_intgrad(converter, x, ref, 3, FALSE, TRUE, 1, NULL, FALSE, FALSE, "double",
                    "trapezoid"),
        c("IntegratedGradient", "GradientBased"), data = list(x), channels_first = TRUE,
        ignore_last_act = FALSE, times_input = FALSE, n = 3L, x_ref = list(ref),
        integration = "trapezoid")
  keeps(run_expgrad(converter, x, ref, 3, TRUE, NULL, "Y1", FALSE, FALSE, "double"),
        c("ExpectedGradient", "GradientBased"), data = list(x), channels_first = TRUE,
        ignore_last_act = FALSE, times_input = TRUE, n = 3L, data_ref = list(ref))
  keeps(run_deeplift(converter, x, TRUE, 1, NULL, FALSE, "reveal_cancel", ref, TRUE, FALSE,
                     "double", "crossmax"),
        "DeepLift", data = list(x), channels_first = TRUE, ignore_last_act = FALSE,
        rule_name = "reveal_cancel", x_ref = list(ref), winner_takes_all = TRUE,
        maxpool = "crossmax")
  keeps(run_deepshap(converter, x, TRUE, 1, NULL, FALSE, "reveal_cancel", ref, 3, TRUE, FALSE,
                     "double", "crossmax"),
        "DeepSHAP", data = list(x), channels_first = TRUE, ignore_last_act = FALSE,
        rule_name = "reveal_cancel", data_ref = list(ref), limit_ref = 3L,
        winner_takes_all = TRUE, maxpool = "crossmax")
  keeps(run_cw(converter, x, 1, NULL, TRUE, TRUE, FALSE, "double"),
        "ConnectionWeights", data = list(x), channels_first = TRUE, times_input = TRUE)
})

test_that("results depend neither on the chunks nor on the number of threads", {
  budgets <- function(converter, points) {
    plan <- network_plan(converter, dtype = "double")
    points * (plan$bytes_per_data_point + plan$bytes_per_row)
  }
  nets <- list(list(two_input_net(), two_input_data(), list(2:1, 1)),
               list(more_layers_net(), more_layers_data(), 3:1))
  for (net in nets) {
    converter <- convert(net[[1]])
    for (name in names(every_method)) {
      run <- \() run_every(every_method[[name]], converter, net[[2]], output_idx = net[[3]])
      once <- run()
      for (memory in budgets(converter, c(1, 3, 12))) {
        chunked <- with_options(list(innsight.memory = memory), run())
        for (field in c("result", "preds", "decomp_goal")) {
          expect_equal(chunked[[field]], once[[field]], tolerance = 1e-12, label = name)
        }
      }
      one_thread <- with_options(list(innsight.threads = 1), run())
      expect_identical(one_thread$result, once$result, label = name)
    }
  }

  converter <- convert(image_net())
  exact <- function() {
    run_intgrad(converter, image_data(), integration = "exact", dtype = "double", verbose = FALSE)
  }
  chunked <- with_options(list(innsight.memory = budgets(converter, 60)), exact())
  expect_equal(chunked$result, exact()$result, tolerance = 1e-12)
})

test_that("single and double precision agree", {
  converter <- convert(two_input_net())
  for (name in names(every_method)) {
    run <- \(dtype) run_every(every_method[[name]], converter, two_input_data(), dtype = dtype)
    double <- unlist(run("double")$result)
    float <- unlist(run("float")$result)
    expect_lt(max(abs(float - double)) / max(abs(double)), if (grepl("LRP", name)) 1e-2 else 1e-5)
  }
})

test_that("results have the layout of the data", {
  cases <- list(
    list(image_net(), image_data(), c(1, 3, 4, 2), c(1, 4, 2, 3, 5)),
    list(signal_net(), signal_data(), c(1, 3, 2), c(1, 3, 2, 4))
  )
  for (case in cases) {
    converter <- convert(case[[1]])
    for (name in names(every_method)) {
      run <- \(...) run_every(every_method[[name]], converter, ...)
      first <- run(case[[2]])
      last <- run(aperm(case[[2]], case[[3]]), channels_first = FALSE)
      expect_equal(aperm(first_values(last), case[[4]]), first_values(first), tolerance = 1e-12,
                   label = name)
      expect_equal(last$decomp_goal, first$decomp_goal, tolerance = 1e-12)
    }
  }
})

test_that("outputs are selected on their own, and pairs may be unconnected", {
  converter <- convert(unconnected_net())
  x <- unconnected_data()
  for (name in names(every_method)) {
    run <- \(...) run_every(every_method[[name]], converter, x, ...)
    both <- run(output_idx = list(1:3, 2:1))
    expect_null(both$result[[2]][[1]], label = name)
    expect_identical(dim(both$result[[1]][[1]]), c(4L, 2L, 3L))
    expect_identical(dim(both$result[[2]][[2]]), c(4L, 3L, 2L))
    second <- run(output_idx = list(NULL, 2))
    expect_length(second$result, 1)
    expect_null(second$result[[1]][[1]])
    expect_equal(second$result[[1]][[2]][, , 1], both$result[[2]][[2]][, , 1], tolerance = 1e-12)
    for (field in c("preds", "decomp_goal")) {
      expect_null(second[[field]][[1]])
      expect_equal(second[[field]][[2]][, 1], both[[field]][[2]][, 1], tolerance = 1e-12)
    }
    expect_identical(nrow(second$conservation), 4L)
    frame <- as.data.frame(second)
    expect_identical(nrow(frame), 12L)
    expect_equal(frame$decomp_goal, rep(second$decomp_goal[[2]][, 1] %||% rep(NA_real_, 4), 3))
  }
})

test_that("every result has a data frame and plots", {
  skip_on_cran()
  names <- c(Gradient = "Gradient", SmoothGrad = "Gradient", IntegratedGradient = "Relevance",
             ExpectedGradient = "Relevance", LRP = "Relevance", DeepLift = "Contribution",
             DeepSHAP = "Contribution", ConnectionWeights = "Relative Importance")
  nets <- list(
    list(dense_net(c(4, 5, 3), c("relu", "softmax")), as.matrix(iris[c(1, 60, 120), 1:4])),
    list(signal_net(), signal_data()),
    list(image_net(), image_data())
  )
  for (name in names(names)) {
    for (net in nets) {
      method <- run_every(every_method[[name]], convert(net[[1]]), net[[2]])
      expect_identical(nrow(get_result(method, "data.frame")), length(first_values(method)))
      plot <- plot(method, data_idx = 1:2)
      labels <- c(plot$labels$y, plot$labels$fill)
      expect_true(any(startsWith(labels, names[[name]])), label = paste(name, toString(labels)))
      draws(plot)
      draws(plot_global(method))
    }
    draws(plot(run_every(every_method[[name]], convert(two_input_net()), two_input_data())))
  }
})

test_that("methods leave the converter, the data and the options alone", {
  converter <- convert(two_input_net())
  x <- two_input_data()
  before <- predict(converter, x)
  for (name in names(every_method)) {
    method <- run_every(every_method[[name]], converter, x)
    expect_identical(method$data, x, label = name)
    expect_identical(predict(converter, x), before)
    expect_identical(predict(method$converter, x), before)
  }
  expect_identical(x, two_input_data())
})

test_that("results survive saveRDS()", {
  file <- tempfile(fileext = ".rds")
  on.exit(unlink(file))
  for (name in names(every_method)) {
    method <- run_every(every_method[[name]], convert(two_input_net()), two_input_data())
    saveRDS(method, file)
    loaded <- readRDS(file)
    expect_identical(as.data.frame(loaded), as.data.frame(method), label = name)
    expect_identical(loaded$conservation, method$conservation)
    again <- run_every(every_method[[name]], loaded$converter, two_input_data())
    expect_identical(again$result, method$result)
  }
})

test_that("print() shows the arguments of every method", {
  converter <- convert(tiny_net())
  x <- matrix(c(0.3, 0.5, 0.7))
  expect_snapshot({
    for (run in every_method) print_rounded(run_every(run, converter, x))
    print_rounded(run_cw(converter, verbose = FALSE))
    print_rounded(run_intgrad(convert(image_net()), image_data(), integration = "exact"))
    print_rounded(run_deepshap(convert(two_input_net()), two_input_data(), limit_ref = 3,
                               data_ref = two_input_data(), verbose = FALSE))
  })
})
