test_that("the memory budget understands numbers and units", {
  budget <- function(x) {
    old <- options(innsight.memory = x)
    on.exit(options(old))
    memory_budget()
  }
  expect_identical(budget(NULL), 1024^3)
  expect_identical(budget("500MB"), 500 * 1024^2)
  expect_identical(budget("1.5 gb"), 1.5 * 1024^3)
  expect_identical(budget("2GiB"), 2 * 1024^3)
  expect_identical(budget("100"), 100)
  expect_identical(budget(1e6), 1e6)
  for (x in list("lots", -1, NA, "1XB", c("1GB", "2GB"), TRUE)) {
    expect_error(budget(x), "innsight.memory", class = "innsight_error_argument")
  }
})

test_that("threads come from the option, then the environment, then are 2", {
  old <- options(innsight.threads = NULL)
  on.exit(options(old))
  env <- Sys.getenv("INNSIGHT_NUM_THREADS", NA)
  on.exit(if (is.na(env)) {
    Sys.unsetenv("INNSIGHT_NUM_THREADS")
  } else {
    Sys.setenv(INNSIGHT_NUM_THREADS = env)
  }, add = TRUE)
  Sys.unsetenv("INNSIGHT_NUM_THREADS")
  expect_identical(option_threads(), 2L)
  Sys.setenv(INNSIGHT_NUM_THREADS = "3")
  expect_identical(option_threads(), 3L)
  Sys.setenv(INNSIGHT_NUM_THREADS = "many")
  expect_error(option_threads(), "INNSIGHT_NUM_THREADS", class = "innsight_error_argument")
  options(innsight.threads = 4)
  expect_identical(option_threads(), 4L)
  options(innsight.threads = 0)
  expect_error(option_threads(), "innsight.threads", class = "innsight_error_argument")
})

test_that("device and image origin are checked", {
  old <- options(innsight.device = "tpu", innsight.image_origin = "left")
  on.exit(options(old))
  expect_error(option_device(), "innsight.device", class = "innsight_error_argument")
  expect_error(option_image_origin(), "innsight.image_origin", class = "innsight_error_argument")
  options(innsight.device = NULL, innsight.image_origin = NULL)
  expect_identical(option_device(), "cpu")
  expect_identical(option_image_origin(), "top")
  if (!"gpu" %in% capabilities()$devices) {
    options(innsight.device = "gpu")
    expect_error(option_device(), "no usable GPU", class = "innsight_error_device")
  }
})

test_that("innsight_info() tells versions, devices and settings", {
  info <- innsight_info()
  expect_s3_class(info, "innsight_info")
  expect_true("cpu" %in% info$devices)
  expect_output(print(info), "threads:")
})
