test_that("errors carry the kind and the common class", {
  expect_error(innsight_abort("no", "shape"), class = "innsight_error_shape")
  expect_error(innsight_abort("no", "shape"), class = "innsight_error")
  expect_warning(innsight_warn("hm"), class = "innsight_warning")
})

test_that("engine errors are raised with their text untouched", {
  value <- structure(
    list(message = "50 % of {layers} are <odd>\nsecond line", kind = "graph"),
    class = "innsight_rust_error"
  )
  error <- expect_error(from_engine(value), class = "innsight_error_graph")
  expect_match(conditionMessage(error), "50 % of {layers} are <odd>", fixed = TRUE)
  expect_match(conditionMessage(error), "second line", fixed = TRUE)
  expect_identical(from_engine(list(1)), list(1))
})

test_that("a panic in the engine becomes an error that asks for a report", {
  error <- expect_error(from_engine(engine_panic()), class = "innsight_error_bug")
  expect_match(conditionMessage(error), "bug.report")
})

test_that("values are described in a few words", {
  expect_identical(describe(NULL), "`NULL`")
  expect_identical(describe(c("a", "b")), "c(\"a\", \"b\")")
  expect_identical(describe(factor("a")), "\"a\"")
  expect_identical(describe(matrix(0, 2, 3)), "a double array of shape (2, 3)")
  expect_identical(describe(1:100), "an integer vector of length 100")
  expect_match(describe(iris), "data.frame")
  expect_match(describe(sum), "function")
  expect_match(describe(list(1, 2)), "list of length 2")
})
