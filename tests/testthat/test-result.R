test_that("arrays carry the names of inputs and nodes", {
  lrp <- iris_lrp(output_idx = c(3, 1))
  expect_identical(
    dimnames(get_result(lrp)),
    list(NULL, names(iris)[1:4], c("virginica", "setosa"))
  )
  expect_identical(as.array(lrp), get_result(lrp))
  expect_identical(lrp$get_result(), get_result(lrp, "array"))

  image <- run_grad(convert(image_net()), aperm(image_data(), c(1, 3, 4, 2)),
                    channels_first = FALSE, verbose = FALSE)
  expect_identical(
    dimnames(get_result(image)),
    list(NULL, paste0("H", 1:4), paste0("W", 1:5), c("C1", "C2"), c("Y1", "Y2"))
  )
})

test_that("several layers give nested lists", {
  converter <- convert(two_input_net())
  run <- \(...) get_result(run_grad(converter, two_input_data(2), verbose = FALSE, ...))
  expect_named(run(), c("Input_1", "Input_2"))
  both <- run(output_idx = list(1:2, 1))
  expect_named(both, c("Output_1", "Output_2"))
  expect_named(both$Output_2, c("Input_1", "Input_2"))
  expect_identical(dim(both$Output_1$Input_2), c(2L, 2L, 6L, 6L, 2L))
  expect_identical(run(output_idx = list(NULL, 1)), both$Output_2)
})

test_that("pairs that are not connected are NA in arrays and absent from data frames", {
  gradient <- run_grad(convert(unconnected_net()), unconnected_data(), dtype = "double",
                       output_idx = list(NULL, 2), verbose = FALSE)
  expect_null(gradient$result[[1]][[1]])
  result <- get_result(gradient)
  expect_identical(result$Input_1, array(NA_real_, c(4, 2, 1), list(NULL, c("X1", "X2"), "Y2")))
  expect_false(anyNA(result$Input_2))

  frame <- get_result(gradient, "data.frame")
  expect_identical(unique(frame$model_input), "Input_2")
  expect_identical(frame$value, as.vector(result$Input_2))
  expect_equal(frame$pred, rep(as.vector(gradient$preds[[2]]), 3))
  expect_equal(frame$decomp_goal, frame$pred)
  expect_s4_class(plot(gradient, output_idx = list(NULL, 2)), "innsight_ggplot2")
})

test_that("data frames have the documented columns", {
  lrp <- iris_lrp()
  frame <- get_result(lrp, "data.frame")
  expect_identical(
    vapply(frame, \(x) class(x)[1], ""),
    c(data = "factor", model_input = "character", model_output = "factor", feature = "factor",
      output_node = "factor", value = "numeric", pred = "numeric", decomp_sum = "numeric",
      decomp_goal = "numeric", input_dimension = "integer", decomp_total = "numeric")
  )
  expect_identical(nrow(frame), 150L * 4L * 3L)
  expect_identical(frame$value, as.vector(lrp$result[[1]][[1]]))
  expect_identical(levels(frame$data)[c(1, 150)], c("data_1", "data_150"))
  expect_identical(levels(frame$feature), names(iris)[1:4])
  expect_identical(levels(frame$output_node), levels(iris$Species))
  row <- subset(frame, data == "data_7" & feature == "Petal.Width" & output_node == "versicolor")
  expect_identical(row$value, lrp$result[[1]][[1]][7, 4, 2])
  expect_identical(row$pred, lrp$preds[[1]][7, 2])
  expect_identical(row$decomp_goal, lrp$decomp_goal[[1]][7, 2])
  expect_equal(row$decomp_sum, sum(lrp$result[[1]][[1]][7, , 2]))
  expect_identical(as.data.frame(lrp), frame)
})

test_that("in data frames channels vary faster than positions, whatever the layout", {
  x <- image_data()
  converter <- convert(image_net())
  first <- run_grad(converter, x, verbose = FALSE)
  last <- run_grad(converter, aperm(x, c(1, 3, 4, 2)), channels_first = FALSE, verbose = FALSE)
  frame <- get_result(first, "data.frame")
  expect_named(frame, c("data", "model_input", "model_output", "feature", "feature_2", "channel",
                        "output_node", "value", "pred", "decomp_sum", "decomp_goal",
                        "input_dimension", "decomp_total"))
  expect_identical(get_result(last, "data.frame"), frame)
  expect_identical(as.character(frame$data[1:4]), c("data_1", "data_2", "data_3", "data_1"))
  expect_identical(as.character(frame$channel[c(1, 4, 7)]), c("C1", "C2", "C1"))
  expect_identical(as.character(frame$feature[c(1, 7, 24, 25)]), c("H1", "H2", "H4", "H1"))
  expect_identical(as.character(frame$feature_2[c(1, 24, 25)]), c("W1", "W1", "W2"))

  signal <- get_result(run_grad(convert(signal_net()), signal_data(), verbose = FALSE),
                       "data.frame")
  expect_false("feature_2" %in% names(signal))
  expect_identical(as.character(signal$feature[c(1, 4, 7)]), c("L1", "L1", "L2"))
  expect_identical(unique(signal$input_dimension), 2L)
})

test_that("sums are per input layer and in total", {
  lrp <- run_lrp(convert(two_input_net()), two_input_data(3), output_idx = list(2, 1),
                 dtype = "double", verbose = FALSE)
  frame <- get_result(lrp, "data.frame")
  sums <- unique(frame[c("data", "model_input", "model_output", "decomp_sum", "decomp_total")])
  expect_identical(nrow(sums), 12L)
  total <- stats::aggregate(decomp_sum ~ data + model_output, sums, sum)
  sums <- merge(unique(sums[c("data", "model_output", "decomp_total")]), total)
  expect_equal(sums$decomp_total, sums$decomp_sum)
  tabular <- frame$model_input == "Input_1"
  expect_true(all(is.na(frame$channel[tabular])) && all(is.na(frame$feature_2[tabular])))
})

test_that("fields the user changed take effect", {
  lrp <- iris_lrp()
  lrp$result[[1]][[1]] <- lrp$result[[1]][[1]][, 1:2, ] * 2
  lrp$converter$input_dim[[1]] <- 2
  lrp$converter$input_names[[1]][[1]] <- c("b", "a")
  expect_identical(dimnames(get_result(lrp))[[2]], c("b", "a"))
  expect_identical(levels(get_result(lrp, "data.frame")$feature), c("b", "a"))
  expect_identical(as.vector(get_result(lrp)), as.vector(lrp$result[[1]][[1]]))
  expect_s4_class(plot(lrp), "innsight_ggplot2")

  lrp$converter$input_names[[1]][[1]] <- c("a", "b", "c")
  expect_error(get_result(lrp), "input_names", class = "innsight_error_shape")
  lrp$result[[1]][[1]] <- lrp$result[[1]][[1]][, , 1]
  expect_error(get_result(lrp), "result", class = "innsight_error_shape")
})

test_that("given factors keep their levels", {
  converter <- convert(dense_net(c(3, 2), "linear"),
                       input_names = factor(c("x", "y", "z"), levels = c("z", "x", "y")),
                       output_names = factor(c("p", "q"), levels = c("q", "p")))
  frame <- get_result(run_grad(converter, matrix(1:3, 1), verbose = FALSE), "data.frame")
  expect_identical(levels(frame$feature), c("z", "x", "y"))
  expect_identical(as.character(frame$feature), c("x", "y", "z", "x", "y", "z"))
  expect_identical(levels(frame$output_node), c("q", "p"))
})

test_that("other types are errors, tensors need torch", {
  lrp <- iris_lrp()
  expect_error(get_result(lrp, "matrix"), "torch_tensor", class = "innsight_error_argument")
  if (requireNamespace("torch", quietly = TRUE)) {
    expect_s3_class(get_result(lrp, "torch_tensor"), "torch_tensor")
  } else {
    expect_error(get_result(lrp, "torch_tensor"), "array", class = "innsight_error_argument")
  }
})

test_that("images become data frames quickly", {
  skip_on_cran()
  gradient <- run_grad(convert(image_net()), image_data(), verbose = FALSE)
  gradient$converter$input_dim[[1]] <- c(3L, 224L, 224L)
  gradient$converter$input_names <- default_names(list(c(3, 224, 224)))
  gradient$result[[1]][[1]] <- array(0.5, c(1, 3, 224, 224, 2))
  time <- system.time(frame <- get_result(gradient, "data.frame"))[["elapsed"]]
  expect_identical(nrow(frame), 301056L)
  expect_lt(time, 5)
})

test_that("print and summary", {
  lrp <- iris_lrp(rule_name = "epsilon", output_idx = c(3, 1))
  gradient <- run_grad(convert(unconnected_net()), unconnected_data(),
                       output_idx = list(1, 2:1), verbose = FALSE)
  mixed <- iris_lrp(rule_name = list(Dense_Layer = "alpha_beta"), rule_param = 2)
  expect_snapshot({
    print_rounded(lrp)
    print_rounded(mixed)
    print_rounded(gradient)
  })
  expect_identical(withVisible(print(lrp))$visible, FALSE) |> capture.output()

  short <- summary(gradient, n_features = 1)
  expect_identical(short$conservation, gradient$conservation)
  expect_identical(nrow(short$conservation), 12L)
  expect_identical(short$features$input, c("Input_1", "Input_2", "Input_2", "Input_2"))
  expect_equal(short$features$mean_abs_value[1], max(colMeans(abs(gradient$result[[1]][[1]]))))
  expect_output(print(short), "mean absolute")
})

test_that("a result survives saveRDS()", {
  lrp <- run_lrp(convert(two_input_net()), two_input_data(), verbose = FALSE)
  file <- tempfile(fileext = ".rds")
  on.exit(unlink(file))
  saveRDS(lrp, file)
  loaded <- readRDS(file)
  expect_identical(get_result(loaded, "data.frame"), get_result(lrp, "data.frame"))
  expect_identical(predict(loaded$converter, loaded$data), predict(lrp$converter, lrp$data))
})
