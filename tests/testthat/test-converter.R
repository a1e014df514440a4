test_that("the converter has the documented fields", {
  converter <- convert(two_input_net())
  expect_s3_class(converter, c("Converter", "R6"), exact = TRUE)
  expect_identical(converter$input_dim, list(4L, c(2L, 6L, 6L)))
  expect_identical(converter$output_dim, list(2L, 1L))
  expect_identical(as.character(converter$input_names[[2]][[1]]), c("red", "green"))
  expect_s3_class(converter$output_names[[1]][[1]], "factor")
  expect_null(converter$model_as_list)
})

test_that("the saved list converts again to the same network", {
  for (net in list(two_input_net(), all_layers_net())) {
    converter <- convert(net, save_model_as_list = TRUE)
    again <- convert(converter$model_as_list, save_model_as_list = TRUE)
    expect_identical(again$model_as_list, converter$model_as_list)
  }
  expect_identical(converter$model_as_list$layers[[12]]$dim_in, list(4L, 4L))
  expect_identical(converter$model_as_list$layers[[16]]$dim_out, 3L)
  data <- all_layers_data()
  expect_identical(predict(again, data), predict(converter, data))
})

test_that("the tiny network gives its printed values", {
  x <- matrix(c(0.10, 0.45, 0.49, 0.55, 0.60))
  expected <- c(0.09966799, 0.42189901, 0.45421643, 0.46994520, 0.47770001)
  expect_equal(predict(convert(tiny_net(), dtype = "double"), x)[, "Y1"], expected,
               tolerance = 1e-7)
  expect_equal(predict(convert(tiny_net()), x)[, "Y1"], expected, tolerance = 1e-6)
})

test_that("predict() names rows and columns and takes both layouts", {
  converter <- convert(dense_net(c(4, 3), "softmax"), output_names = c("a", "b", "c"))
  rows <- iris[c(1, 51), 1:4]
  prediction <- predict(converter, rows)
  expect_identical(dimnames(prediction), list(c("1", "51"), c("a", "b", "c")))
  expect_equal(unname(rowSums(prediction)), c(1, 1), tolerance = 1e-6)

  converter <- convert(two_input_net())
  x <- two_input_data(3)
  first <- predict(converter, x)
  expect_identical(lapply(first, colnames), list(c("no", "yes"), "score"))
  net <- two_input_net()
  net$layers[[6]]$order <- "channels_first"
  last <- predict(convert(net), list(x[[1]], aperm(x[[2]], c(1, 3, 4, 2))), channels_first = FALSE)
  expect_equal(last, first, tolerance = 1e-6)
})

test_that("names come from the argument, the model, or are made up", {
  names_of <- function(...) as.character(convert(...)$input_names[[1]][[1]])
  net <- dense_net(c(2, 1), "linear")
  expect_identical(names_of(net), c("X1", "X2"))
  net$input_names <- c("a", "b")
  expect_identical(names_of(net), c("a", "b"))
  expect_identical(names_of(net, input_names = factor(c("d", "c"))), c("d", "c"))
  expect_error(convert(net, input_names = "a"), "input_names", class = "innsight_error_shape")
  net$input_names <- 1:2
  expect_error(convert(net), "model$input_names", fixed = TRUE, class = "innsight_error_argument")
  two <- two_input_net()
  two$output_names <- NULL
  converter <- convert(two, output_names = list(c("no", "yes"), "score"))
  expect_identical(as.character(converter$output_names[[2]][[1]]), "score")
  expect_identical(as.character(convert(two)$output_names[[2]][[1]]), "Y1")
})

test_that("every argument is checked first", {
  net <- tiny_net()
  expect_error(convert(), "`model`", class = "innsight_error_argument")
  expect_error(Converter$new(), "`model`", class = "innsight_error_argument")
  for (bad in list("half", 1, NULL, NA, c("float", "double"))) {
    expect_error(convert(net, dtype = bad), "`dtype`.*float", class = "innsight_error_argument")
  }
  for (bad in list("yes", NULL, NA, 1)) {
    expect_error(convert(net, save_model_as_list = bad), "`save_model_as_list`",
                 class = "innsight_error_argument")
  }
  for (bad in list("1", 0, -1, 1.5, NA, list())) {
    expect_error(convert(net, input_dim = bad), "`input_dim`", class = "innsight_error_argument")
  }
  expect_error(convert(net, input_names = 1), "`input_names`", class = "innsight_error_argument")
  expect_error(convert(net, output_names = 1), "`output_names`", class = "innsight_error_argument")
  expect_error(convert(net, unknown = 1), "unused argument")
})

test_that("the input dimension is compared with the model's", {
  for (ok in list(1, c(1), list(1), 1L)) expect_silent(convert(tiny_net(), input_dim = ok))
  expect_silent(convert(two_input_net(), input_dim = list(4, c(2, 6, 6))))
  expect_error(convert(tiny_net(), input_dim = 2), "\\(2\\).*\\(1\\)",
               class = "innsight_error_shape")
  expect_error(convert(two_input_net(), input_dim = 4), class = "innsight_error_shape")
})

test_that("shapes a list gives are compared with the computed ones", {
  with_shape <- function(at, ...) {
    net <- two_input_net()
    net$layers[[at]] <- utils::modifyList(net$layers[[at]], list(...))
    convert(net)
  }
  expect_silent(with_shape(8, dim_in = list(3, 3), dim_out = 3))
  expect_silent(with_shape(3, dim_in = c(2, 6, 8), dim_out = c(3, 4, 6)))
  expect_error(with_shape(3, dim_in = c(2, 8, 6)), "Layer 3.*dim_in.*\\(2, 8, 6\\).*\\(2, 6, 8\\)",
               class = "innsight_error_shape")
  expect_error(with_shape(8, dim_in = list(3, 4)), "Layer 8", class = "innsight_error_shape")
  expect_error(with_shape(1, dim_out = 4), "Layer 1.*\\(4\\).*\\(3\\)",
               class = "innsight_error_shape")
  net <- two_input_net()
  net$output_dim <- list(2, 2)
  expect_error(convert(net), "output_dim", class = "innsight_error_shape")
})

test_that("shapes that do not fit and outputs that are no vector are errors", {
  net <- tiny_net()
  net$input_dim <- 3
  expect_error(convert(net), "ayer 1", class = "innsight_error_shape")
  image <- list(
    input_dim = c(1, 2, 2), input_nodes = 1, output_nodes = 1,
    layers = list(list(type = "Skipping", input_layers = 0, output_layers = -1))
  )
  expect_error(convert(image), "one-dimensional.*\\(1, 2, 2\\)", class = "innsight_error_shape")
})

test_that("a cycle is an error, not a hang", {
  layer <- function(inputs, outputs, ...) {
    list(..., input_layers = inputs, output_layers = outputs)
  }
  net <- list(
    input_dim = 2, input_nodes = 1, output_nodes = 3,
    layers = list(
      layer(c(0, 2), 2, type = "Add"),
      layer(1, c(1, 3), type = "Skipping"),
      layer(2, -1, type = "Skipping")
    )
  )
  expect_error(convert(net), "cycle", class = "innsight_error_graph")
})

test_that("a network may end in any layer with a vector", {
  net <- tiny_net()
  net$output_nodes <- 3
  net$layers[[2]]$activation_name <- "linear"
  net$layers[[2]]$output_layers <- 3
  net$layers[[3]] <- list(type = "Activation", act_name = "tanh", input_layers = 2,
                          output_layers = -1)
  x <- matrix(c(0.1, 0.5))
  expect_equal(predict(convert(net), x), predict(convert(tiny_net()), x), tolerance = 1e-6)
})

test_that("a converter survives saveRDS(), clone() and a worker", {
  converter <- convert(two_input_net())
  x <- two_input_data()
  expected <- predict(converter, x)
  file <- tempfile(fileext = ".rds")
  on.exit(unlink(file))
  saveRDS(converter, file)
  loaded <- readRDS(file)
  expect_identical(predict(loaded, x), expected)
  expect_identical(loaded$model(x), converter$model(x))
  expect_identical(predict(converter$clone(), x), expected)
  expect_identical(predict(converter$clone(deep = TRUE), x), expected)
  expect_identical(predict(unserialize(serialize(converter, NULL)), x), expected)
  # The weights are written once.
  size <- function(converter) length(serialize(converter, NULL))
  big <- convert(dense_net(c(300, 300, 2), c("relu", "linear")))
  expect_lt(size(big) - size(convert(tiny_net())), 1.1 * 8 * 300 * 300)
})

test_that("a converter works in a fork", {
  skip_on_os("windows")
  skip_on_cran()
  converter <- convert(two_input_net())
  x <- two_input_data()
  expected <- predict(converter, x)
  forked <- parallel::mclapply(1:2, function(i) predict(converter, x), mc.cores = 2)
  expect_identical(forked, list(expected, expected))
  # Large enough that the threads have been started before the fork, where they do not exist.
  converter <- convert(dense_net(c(100, 200, 200, 4), c("relu", "relu", "linear")))
  gradient <- function() {
    run_grad(converter, matrix(seq(-1, 1, length.out = 20000), 200), verbose = FALSE)$result
  }
  expected <- gradient()
  forked <- parallel::mclapply(1:2, function(i) gradient(), mc.cores = 2)
  expect_identical(forked, list(expected, expected))
  expect_identical(gradient(), expected)
})

test_that("converters and results work on a PSOCK worker", {
  skip_on_cran()
  skip_if_not(nzchar(system.file("Meta", "package.rds", package = "innsight")),
              "the package is not installed")
  converter <- convert(two_input_net())
  x <- two_input_data()
  lrp <- run_lrp(converter, x, verbose = FALSE)
  paths <- .libPaths()
  cluster <- parallel::makePSOCKcluster(1)
  on.exit(parallel::stopCluster(cluster))
  parallel::clusterCall(cluster, function(paths) .libPaths(paths), paths)
  # Nothing loads the package there but the objects themselves.
  there <- parallel::clusterCall(cluster, function(converter, lrp, x) {
    again <- get(class(lrp)[1], asNamespace("innsight"))$new(lrp$converter, x, verbose = FALSE)
    list(stats::predict(converter, x), as.data.frame(lrp), as.data.frame(again))
  }, converter, lrp, x)[[1]]
  here <- as.data.frame(lrp)
  expect_identical(there, list(predict(converter, x), here, here))
})

test_that("print() shows shapes, names and layers", {
  converter <- convert(two_input_net(), save_model_as_list = TRUE)
  expect_snapshot(converter)
  utils::capture.output(shown <- withVisible(print(converter)))
  expect_false(shown$visible)
  expect_identical(shown$value, converter)
  long <- convert(dense_net(c(60, 2), "linear"))
  lines <- utils::capture.output(print(long))
  expect_true(any(grepl("Feature \\(60\\): X1, .*\\.\\.\\.$", lines)))
  expect_true(all(nchar(lines) <= getOption("width")))
})

test_that("predictions do not depend on the chunks", {
  converter <- convert(two_input_net())
  x <- two_input_data()
  whole <- predict(converter, x)
  old <- options(innsight.memory = network_plan(converter)$bytes_per_data_point)
  on.exit(options(old))
  expect_equal(predict(converter, x), whole, tolerance = 1e-6)
})
