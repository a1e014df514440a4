test_that("chunks cover every data point, copy and node once and keep to the budget", {
  plan <- list(bytes_per_data_point = 10, bytes_per_row = 4)
  n_nodes <- c(2, 0, 3)
  for (n_copies in c(1, 6)) {
    for (budget in c(14, 20, 31, 100, 1e6)) {
      chunks <- plan_chunks(7, n_copies, n_nodes, plan, budget)
      seen <- do.call(rbind, lapply(chunks, function(chunk) {
        expect_length(chunk$columns, 3)
        rows <- length(chunk$rows) * length(chunk$copies)
        expect_lte(rows * (10 + 4 * sum(lengths(chunk$columns))), budget)
        node <- unlist(Map(\(o, j) if (length(j) > 0) paste(o, j), 1:3, chunk$columns))
        expand.grid(chunk$rows, chunk$copies, node)
      }))
      expect_identical(nrow(seen), as.integer(7 * n_copies * 5))
      expect_identical(anyDuplicated(seen), 0L)
    }
    expect_length(plan_chunks(7, n_copies, n_nodes, plan, 1e6), 1)
  }
})

# Two inputs and two outputs; no path leads from the first output to the second input.
apart_net <- function() {
  dense <- function(n_in, n_out, from, to) {
    list(type = "Dense", weight = random_array(n_out, n_in), bias = random_array(n_out),
         activation_name = "tanh", input_layers = from, output_layers = to)
  }
  flatten <- list(type = "Flatten", input_layers = 0, output_layers = 3)
  list(
    input_dim = list(4, c(2, 3, 2)), input_nodes = c(1, 2), output_nodes = c(4, 5),
    layers = list(dense(4, 6, 0, c(4, 5)), flatten, dense(12, 6, 2, 5), dense(6, 5, 1, -1),
                  list(type = "Add", input_layers = c(1, 3), output_layers = -1))
  )
}

test_that("results do not depend on the chunks", {
  converter <- convert(apart_net())
  x <- list(random_array(9, 4), random_array(9, 2, 3, 2))
  last <- list(x[[1]], aperm(x[[2]], c(1, 3, 4, 2)))
  nodes <- list(5:2, c(6, 1, 3))
  plan <- network_plan(converter, dtype = "double")
  run <- function(method, memory, x, ...) {
    old <- options(innsight.memory = memory)
    on.exit(options(old))
    set.seed(3)
    method(converter, x, output_idx = nodes, dtype = "double", verbose = FALSE, ...)
  }
  run_cw_times_input <- \(...) run_cw(..., times_input = TRUE)
  methods <- list(run_lrp, run_deeplift, run_smoothgrad, run_intgrad, run_expgrad,
                  run_cw_times_input)
  for (method in methods) {
    for (channels_first in c(TRUE, FALSE)) {
      data <- if (channels_first) x else last
      of <- \(memory) run(method, memory, data, channels_first = channels_first)
      once <- of("1GB")
      for (memory in c(plan$bytes_per_data_point + plan$bytes_per_row, 6000, 30000)) {
        chunked <- of(memory)
        expect_equal(chunked$result, once$result, tolerance = 1e-12)
        expect_equal(chunked$preds, once$preds, tolerance = 1e-12)
        expect_equal(chunked$decomp_goal, once$decomp_goal, tolerance = 1e-12)
      }
    }
    expect_null(once$result[[1]][[2]])
    expect_gt(length(once$result[[2]][[2]]), 0)
  }
  books <- \(memory) run(run_lrp, memory, x)$conservation
  expect_equal(books(6000), books("1GB"), tolerance = 1e-12)
})

test_that("a chunk changes its own rows and targets alone", {
  converter <- convert(apart_net())
  x <- list(random_array(9, 4), random_array(9, 2, 3, 2))
  method <- list(name = "gradient", times_input = FALSE, ignore_last_act = TRUE, ledger = FALSE)
  explain <- function(rows, columns, room = NULL, add = FALSE) {
    chunk <- list(rows = rows, copies = 1 + add, columns = columns)
    network_explain(converter, method, lapply(x, slice_rows, rows), columns,
                    explain_place(chunk, 9, c(5, 6), room), TRUE, "double", quote(test()))
  }
  whole <- explain(1:9, list(1:5, 1:6))
  expect_identical(dim(whole[[2]][[2]]), c(9L, 2L, 3L, 2L, 6L))
  expect_identical(dim(whole[[2]][[3]]), c(9L, 6L))
  expect_null(whole[[1]][[2]])
  before <- rapply(whole, \(x) x + 0, how = "replace") # a copy
  again <- explain(3:5, list(integer(), 2:4), room = whole, add = TRUE)
  for (piece in c(1, 3)) expect_identical(again[[1]][[piece]], before[[1]][[piece]])
  # Copies add up, but in the predictions.
  for (piece in 1:3) {
    seen <- again[[2]][[piece]] / before[[2]][[piece]]
    own <- slice.index(seen, 1) %in% 3:5 & slice.index(seen, length(dim(seen))) %in% 2:4
    expect_equal(as.vector(seen), 1 + as.vector(own), tolerance = 1e-12)
  }
  expect_identical(again[[2]][[4]], before[[2]][[4]])
})

test_that("what exceeds the memory even for one data point is refused", {
  old <- options(innsight.memory = 100)
  on.exit(options(old))
  converter <- convert(two_input_net())
  expect_error(
    run_grad(converter, two_input_data(), verbose = FALSE), "innsight.memory",
    class = "innsight_error_memory"
  )
  expect_error(predict(converter, two_input_data()), class = "innsight_error_memory")
})

test_that("by default the first ten nodes of the first output layer are explained", {
  x <- matrix(1:6, 2)
  gradient <- run_grad(convert(dense_net(c(3, 12), "linear")), x, verbose = FALSE)
  expect_identical(gradient$output_idx, list(1:10))
  expect_identical(gradient$output_label, list(paste0("Y", 1:10)))
  expect_identical(dim(gradient$result[[1]][[1]]), c(2L, 3L, 10L))
  expect_identical(dim(gradient$preds[[1]]), c(2L, 10L))

  gradient <- run_grad(convert(two_input_net()), two_input_data(), verbose = FALSE)
  expect_identical(gradient$output_idx, list(1:2, NULL))
})

test_that("output nodes are chosen by number and by label, in the order given", {
  converter <- convert(two_input_net())
  x <- two_input_data(2)
  run <- \(...) run_grad(converter, x, verbose = FALSE, ...)
  expect_identical(run(output_idx = c(2, 1))$output_idx, list(2:1, NULL))
  expect_identical(run(output_idx = list(2))$output_idx, list(2L, NULL))
  expect_identical(run(output_idx = list(NULL, 1))$output_idx, list(NULL, 1L))
  expect_identical(run(output_label = "yes")$output_idx, list(2L, NULL))
  expect_identical(run(output_label = factor("yes"))$output_label, list("yes", NULL))
  expect_identical(run(output_label = list(c("yes", "no"), "score"))$output_idx, list(2:1, 1L))
  expect_identical(run(output_idx = 2, output_label = "yes")$output_idx, list(2L, NULL))

  both <- run(output_idx = list(2:1, 1))
  expect_identical(run(output_idx = 1)$result[[1]][[2]][, , , , 1],
                   both$result[[1]][[2]][, , , , 2])
  second <- run(output_idx = list(NULL, 1))
  expect_length(second$result, 1)
  expect_identical(second$result[[1]], both$result[[2]])
  expect_null(second$preds[[1]])
  expect_identical(second$preds[[2]], both$preds[[2]])
})

test_that("wrong arguments are errors that say what is accepted", {
  converter <- convert(two_input_net())
  x <- two_input_data(2)
  expect_snapshot(error = TRUE, {
    LRP$new()
    run_lrp(list(), x)
    LRP$new(converter)
    run_grad(converter)
    LRP$new(converter, x, channels_first = NULL)
    LRP$new(converter, x, ignore_last_act = NA)
    LRP$new(converter, x, winner_takes_all = 1)
    LRP$new(converter, x, verbose = "no")
    LRP$new(converter, x, dtype = "half")
    LRP$new(converter, x, output_idx = 3)
    LRP$new(converter, x, output_idx = 0)
    LRP$new(converter, x, output_idx = 1.5)
    LRP$new(converter, x, output_idx = "yes")
    LRP$new(converter, x, output_idx = list(NULL, 2))
    LRP$new(converter, x, output_idx = list(1, 1, 1))
    LRP$new(converter, x, output_idx = list(NULL, NULL))
    LRP$new(converter, x, output_label = "maybe")
    LRP$new(converter, x, output_label = list(NULL, "yes"))
    LRP$new(converter, x, output_idx = 1, output_label = "yes")
    LRP$new(converter, x[[1]])
    LRP$new(converter, x, channels_first = FALSE)
  })
  expect_error(LRP$new(converter, x, 1:2), class = "innsight_error_argument")
  expect_error(LRP$new(converter, x, output_idx = 7), class = "innsight_error")
  expect_error(run_lrp(converter, x, foo = 1), "unused argument")
})

test_that("objects survive saveRDS()", {
  lrp <- iris_lrp()
  file <- tempfile(fileext = ".rds")
  saveRDS(lrp, file)
  again <- readRDS(file)
  expect_identical(get_result(again, "data.frame"), get_result(lrp, "data.frame"))
  expect_identical(run_lrp(again$converter, iris[, 1:4], verbose = FALSE)$result, lrp$result)
  expect_s4_class(plot(again), "innsight_ggplot2")
})

test_that("data points come as matrix, data frame or list", {
  converter <- convert(dense_net(c(4, 3), "tanh"))
  run <- \(x) run_grad(converter, x, verbose = FALSE)$result
  x <- unname(as.matrix(iris[1:5, 1:4]))
  expect_identical(run(iris[1:5, 1:4]), run(x))
  expect_identical(run(list(x)), run(x))
  expect_identical(run_grad(converter, x, verbose = TRUE)$result, run(x))
})
