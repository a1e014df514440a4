test_that("checks return what they check", {
  expect_true(check_flag(TRUE))
  expect_identical(check_count(3), 3L)
  expect_identical(check_number(2L), 2)
  expect_identical(check_choice("a", c("a", "b")), "a")
  expect_identical(check_indices(c(3, 1), 3), c(3L, 1L))
  expect_identical(check_function(sum), sum)
  expect_identical(check_shapes(5), list(5L))
  expect_identical(check_shapes(list(c(3, 32, 32), 10)), list(c(3L, 32L, 32L), 10L))
})

test_that("checks name the argument, the value and what is accepted", {
  verbose <- "yes"
  expect_error(check_flag(verbose), "`verbose` must be `TRUE` or `FALSE`.*\"yes\"",
               class = "innsight_error_argument")
  bad <- list(NULL, NA, c(TRUE, FALSE), 1)
  for (x in bad) expect_error(check_flag(x), class = "innsight_error_argument")
  for (x in list(0, 1.5, NA, "1", 1:2, NULL, 1e12)) {
    expect_error(check_count(x), class = "innsight_error_argument")
  }
  for (x in list(Inf, NaN, "1", c(1, 2), NULL)) {
    expect_error(check_number(x), class = "innsight_error_argument")
  }
  expect_error(check_number(2, upper = 1), "[-Inf, 1]", fixed = TRUE)
  expect_error(check_choice("c", c("a", "b")), "\"a\", \"b\"")
  for (x in list(0, 4, NA, "a", numeric(), TRUE, NULL)) {
    expect_error(check_indices(x, 3), "from 1 to 3", class = "innsight_error_argument")
  }
  expect_error(check_function(1), class = "innsight_error_argument")
  for (x in list(0, -1, "a", list(), list(2, "a"), 1.5, NA)) {
    expect_error(check_shapes(x), class = "innsight_error_argument")
  }
})

test_that("the error shows the call it is given", {
  f <- function(n) check_count(n)
  expect_identical(rlang::call_name(rlang::catch_cnd(f("a"))$call), "f")
})

test_that("a missing package is an error that says what it is for and how to install it", {
  expect_null(check_installed("stats", "to test", "Do not."))
  f <- function() check_installed("no.such", "for {.code use = \"{package}\"}", "Do not.")
  error <- expect_error(f(), class = "innsight_error_argument")
  expect_match(conditionMessage(error), "no.such must be installed for `use = \"no.such\"`.*Do not")
  expect_match(conditionMessage(error), "install.packages(\"no.such\")", fixed = TRUE)
  expect_identical(error$call, quote(f()))
  expect_error(check_installed("no.such", "", "", kind = "model"), class = "innsight_error_model")
})
