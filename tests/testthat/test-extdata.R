# The models that come with the package.

test_that("the network in digits.onnx gives PyTorch's probabilities", {
  stored <- function(name) system.file("extdata", name, package = "innsight")
  digits <- readRDS(stored("digits.rds"))
  net <- convert(stored("digits.onnx"))
  expected <- as.matrix(utils::read.csv(test_path("fixtures", "digits-onnx.csv"), header = FALSE))
  probabilities <- predict(net, digits$images)
  expect_lt(max(abs(probabilities - expected)), 2e-6)
  expect_identical(max.col(probabilities) - 1L, digits$labels)
})
