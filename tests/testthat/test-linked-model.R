dense <- function(from, n = 2, ...) {
  list(type = "Dense", weight = diag(n), bias = numeric(n), activation_name = "linear",
       input_layers = from, ...)
}
relu <- function(from) list(type = "Activation", act_name = "relu", input_layers = from)
types <- function(net) vapply(net$layers, `[[`, "", "type")

test_that("an activation becomes a part of the layer before if nothing else takes that", {
  net <- linked_model(list(dense(0L), relu(1L), dense(2L), relu(3L)), 4L, list(2))
  expect_identical(types(net), c("Dense", "Dense"))
  expect_identical(net$layers[[1]]$activation_name, "relu")
  expect_identical(net$layers[[1]]$output_layers, 2L)
  expect_identical(net$output_nodes, 2L)
  both <- function(outputs, ...) {
    types(linked_model(list(dense(0L), relu(1L), ...), outputs, list(2)))
  }
  expect_identical(both(1:2), c("Dense", "Activation"))
  sum <- list(type = "Add", input_layers = 1:2)
  expect_identical(both(3L, sum), c("Dense", "Activation", "Add"))
  # What leads nowhere takes nothing.
  expect_identical(both(2L, dense(1L)), "Dense")
  # A second activation stays a layer.
  expect_identical(both(3L, relu(2L)), c("Dense", "Activation"))
})

test_that("inputs and outputs get a layer where the grammar wants one", {
  # One of two inputs that several take, outputs that are inputs or named twice.
  net <- linked_model(
    list(list(type = "Add", input_layers = c(0L, -1L)), dense(-1L)), c(1L, 2L, 2L), list(2, 2)
  )
  expect_identical(types(net), c("Skipping", "Add", "Dense", "Skipping"))
  expect_identical(net$input_nodes, c(2L, 1L))
  expect_identical(net$output_nodes, c(2L, 3L, 4L))
  x <- matrix(1:4, 2)
  result <- predict(expect_silent(Converter$new(net)), list(x, 10 * x))
  expect_equal(lapply(result, unname), list(11 * x, 10 * x, 10 * x))
  net <- linked_model(list(), 0L, list(3))
  expect_equal(unname(predict(Converter$new(net), diag(3))), diag(3))
  # The only input of a model may feed any number of layers.
  both <- list(type = "Concatenate", axis = 2, input_layers = 0:1)
  net <- linked_model(list(dense(0L), both), 2L, list(2))
  expect_equal(unname(predict(Converter$new(net), x)), cbind(x, x))
})
