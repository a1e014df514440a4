test_that("every documented form of names is understood", {
  ab <- factor(c("a", "b"))
  lengths <- factor(c("L1", "L2", "L3"))
  expect_identical(normalise_names(c("a", "b")), list(list(ab)))
  expect_identical(normalise_names(ab), list(list(ab)))
  expect_identical(normalise_names(list(c("a", "b"))), list(list(ab)))
  expect_identical(normalise_names(list(c("a", "b"), levels(lengths))), list(list(ab, lengths)))
  expect_identical(
    normalise_names(list(list(c("a", "b")), list(c("a", "b"), levels(lengths)))),
    list(list(ab), list(ab, lengths))
  )
})

test_that("output names may be a list of vectors or of lists", {
  expected <- list(list(factor(c("Yes", "No"), c("Yes", "No"))), list(factor("A")))
  expect_identical(normalise_names(list(c("Yes", "No"), "A"), per_layer = TRUE), expected)
  expect_identical(normalise_names(list(list(c("Yes", "No")), list("A")), per_layer = TRUE),
                   expected)
})

test_that("levels follow the first appearance, those of factors stay", {
  expect_identical(levels(normalise_names(c("b", "a"))[[1]][[1]]), c("b", "a"))
  given <- factor(c("b", "a"), levels = c("a", "b"))
  expect_identical(normalise_names(given)[[1]][[1]], given)
})

test_that("bad names are errors", {
  for (input_names in list(1:2, list(1), list(list("a", 2)), c("a", NA), character(), list())) {
    expect_error(check_names(normalise_names(input_names), list(2)), class = "innsight_error")
  }
  expect_error(check_names(normalise_names(c("a", "b")), list(3L), "input_names"),
               "`input_names`.*\\(2\\).*\\(3\\)", class = "innsight_error_shape")
})

test_that("default names follow the kind of data", {
  names <- default_names(list(2L, c(1L, 2L), c(1L, 1L, 2L)))
  plain <- lapply(names, lapply, as.character)
  expect_identical(plain, list(
    list(c("X1", "X2")), list("C1", c("L1", "L2")), list("C1", "H1", c("W1", "W2"))
  ))
  expect_identical(as.character(default_names(list(2L), "Y")[[1]][[1]]), c("Y1", "Y2"))
  expect_length(default_names(list(c(1L, 2L, 2L, 2L)))[[1]], 4)
})
