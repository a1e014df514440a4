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

test_that("the parts of chunks make up the whole, and copies add up", {
  # Per output layer: two inputs, of which one is not connected, and goals; per copy.
  copies <- lapply(1:6, function(copy) {
    list(
      list(random_array(7, 3, 2, 2), NULL, random_array(7, 2)),
      NULL,
      list(NULL, random_array(7, 4, 3), random_array(7, 3))
    )
  })
  add <- \(x, y) if (!is.null(x)) x + y
  sum_up <- \(parts) Reduce(\(x, y) Map(\(a, b) Map(add, a, b), x, y), parts)
  part_of <- function(chunk) {
    sum_up(lapply(copies[chunk$copies], function(outputs) {
      lapply(1:3, function(o) {
        if (length(chunk$columns[[o]]) > 0) {
          lapply(outputs[[o]], function(x) {
            if (!is.null(x)) subset_array(x, chunk$rows, chunk$columns[[o]])
          })
        }
      })
    }))
  }
  plan <- list(bytes_per_data_point = 10, bytes_per_row = 4)
  n_nodes <- c(2, 0, 3)
  for (budget in c(14, 20, 31, 100, 1e6)) {
    total <- run_chunks(plan_chunks(7, 6, n_nodes, plan, budget), 7, n_nodes, part_of)
    expect_equal(total[c(1, 3)], sum_up(copies)[c(1, 3)], tolerance = 1e-12)
    expect_length(total[[2]], 0)
  }
})

test_that("results do not depend on the chunks", {
  run <- function(memory) {
    old <- options(innsight.memory = memory)
    on.exit(options(old))
    run_lrp(convert(two_input_net()), two_input_data(), output_idx = list(2:1, 1),
            dtype = "double", verbose = FALSE)
  }
  once <- run("1GB")
  plan <- network_plan(convert(two_input_net()), dtype = "double")
  for (memory in c(plan$bytes_per_data_point + plan$bytes_per_row, 10000)) {
    chunked <- run(memory)
    expect_equal(chunked$result, once$result, tolerance = 1e-12)
    expect_equal(chunked$preds, once$preds, tolerance = 1e-12)
    expect_equal(chunked$decomp_goal, once$decomp_goal, tolerance = 1e-12)
  }
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
