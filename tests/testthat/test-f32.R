test_that("single-precision weights can be rearranged without their values", {
  x <- array(seq_len(24) / 4, 2:4)
  weights <- as_f32(x)
  expect_identical(dim(weights), 2:4)
  expect_equal(as.array(weights), x)
  expect_equal(as.double(weights), as.vector(x))
  turned <- permute_axes(weights, c(3, 1, 2))
  expect_identical(turned$bytes, weights$bytes)
  expect_equal(as.array(turned), aperm(x, c(3, 1, 2)))
  expect_equal(as.array(permute_axes(turned, c(2, 3, 1))), x)
  rows <- function(x, shape) aperm(array(aperm(x), rev(shape)))
  expect_equal(as.array(reshape_rows(weights, c(4, 6))), rows(x, c(4, 6)))
  expect_equal(as.array(reshape_rows(turned, c(4, 6))), rows(aperm(x, c(3, 1, 2)), c(4, 6)))
  expect_equal(reshape_rows(x, c(4, 6)), rows(x, c(4, 6)))
  expect_equal(as.array(as_f32(c(1, -0.5))), array(c(1, -0.5)))
  expect_output(print(turned), "(4, 2, 3)", fixed = TRUE)
})

test_that("networks take them as they are, however they are stored", {
  net <- dense_net(c(3, 4, 2), c("relu", "linear"))
  stored <- net
  stored$layers <- lapply(net$layers, function(layer) {
    layer$weight <- permute_axes(as_f32(t(layer$weight)), 2:1)
    layer$bias <- as_f32(layer$bias)
    layer
  })
  x <- matrix(1:6 / 6, 2)
  converter <- convert(stored, save_model_as_list = TRUE)
  expect_equal(predict(converter, x), predict(convert(net), x), tolerance = 1e-6)
  kept <- converter$model_as_list
  expect_s3_class(kept$layers[[1]]$weight, "innsight_f32")
  expect_identical(predict(convert(kept), x), predict(converter, x))
  kept$layers[[1]]$weight <- 2 * as.array(kept$layers[[1]]$weight)
  kept$layers[[1]]$bias <- 2 * as.array(kept$layers[[1]]$bias)
  net$layers[[1]][c("weight", "bias")] <- lapply(net$layers[[1]][c("weight", "bias")], `*`, 2)
  expect_equal(predict(convert(kept), x), predict(convert(net), x), tolerance = 1e-6)
  for (change in list(list(shape = c(3L, 5L)), list(axes = c(1L, 1L)), list(bytes = 1:48))) {
    bad <- stored
    bad$layers[[1]]$weight[names(change)] <- change
    expect_error(convert(bad), "weight", class = "innsight_error_model")
  }
})
