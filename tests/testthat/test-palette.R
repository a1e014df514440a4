lab <- function(colours) {
  grDevices::convertColor(t(grDevices::col2rgb(colours)) / 255, from = "sRGB", to = "Lab")
}

# CIE76, row by row.
distance <- function(x, y) sqrt(rowSums((lab(x) - lab(y))^2))

# What people without one kind of cones see, after Machado, Oliveira & Fernandes (2009) with
# severity 1: matrices for linear RGB.
deficiencies <- list(
  protanopia = matrix(c(0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216,
                        -0.003882, -0.048116, 1.051998), 3, byrow = TRUE),
  deuteranopia = matrix(c(0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413,
                          -0.011820, 0.042940, 0.968881), 3, byrow = TRUE)
)

seen_with <- function(colours, deficiency) {
  rgb <- grDevices::col2rgb(colours) / 255
  linear <- ifelse(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055)^2.4)
  seen <- deficiencies[[deficiency]] %*% linear
  seen[] <- pmin(pmax(seen, 0), 1)
  back <- ifelse(seen <= 0.0031308, seen * 12.92, 1.055 * seen^(1 / 2.4) - 0.055)
  grDevices::rgb(t(back))
}

test_that("opposite colours are equally light, in equal steps from white", {
  lightness <- lab(relevance_colours(41))[, 1]
  expect_lt(max(abs(lightness - rev(lightness))), 1)
  expect_equal(lightness[21], 100, tolerance = 1e-3)
  expect_lt(max(abs(abs(diff(lightness)) - 65 / 20)), 0.5)
  expect_equal(range(lightness), c(35, 100), tolerance = 0.01)
})

test_that("blue is negative, red positive, zero white", {
  colours <- relevance_colours(41)
  expect_identical(colours[21], "#FFFFFF")
  rgb <- grDevices::col2rgb(colours)
  expect_true(all(rgb["blue", 1:20] > rgb["red", 1:20]))
  expect_true(all(rgb["red", 22:41] > rgb["blue", 22:41]))
  expect_length(unique(colours), 41)
})

test_that("signs differ with the common colour vision deficiencies", {
  colours <- relevance_colours(41)
  for (deficiency in names(deficiencies)) {
    seen <- seen_with(colours, deficiency)
    expect_identical(seen[21], "#FFFFFF")
    between <- distance(seen[41:22], seen[1:20])
    expect_gt(between[1], 40)
    # From a quarter of the full strength on; 10 is a difference at a glance.
    expect_gt(min(between[1:15]), 10)
  }
  # The test can tell: red and green of equal lightness would fail it.
  red_green <- two_hues(41, hues = c(130, 12))
  seen <- seen_with(red_green, "deuteranopia")
  expect_lt(distance(seen[41], seen[1]), 40)
})

test_that("the option innsight.palette chooses other colours", {
  colours <- \(palette, n = 5) with_options(list(innsight.palette = palette), relevance_colours(n))
  expect_identical(colours(NULL), two_hues(5))
  expect_identical(colours("two-hues"), two_hues(5))
  expect_identical(colours("blue-white-red")[c(1, 3, 5)], c("#0000FF", "#FFFFFF", "#FF0000"))
  expect_identical(colours("Blue-Red 3"), grDevices::hcl.colors(5, "Blue-Red 3"))
  expect_identical(colours("RdBu"), grDevices::hcl.colors(5, "RdBu"))
  expect_identical(colours(c("black", "#FFFFFF", "darkgreen"))[c(1, 3, 5)],
                   c("#000000", "#FFFFFF", "#006400"))
  drawn <- with_options(list(innsight.palette = c("black", "white", "green")), {
    ggplot2::layer_data(plot(iris_lrp(), data_idx = 1:5, output_idx = 1:3), 1)
  })
  expect_true(all(c("#000000", "#00FF00") %in% drawn$fill))
})

test_that("wrong palettes are errors that say what is accepted", {
  draw <- \(palette) with_options(list(innsight.palette = palette), plot(iris_lrp()))
  expect_snapshot(error = TRUE, {
    draw("viridis")
    draw(c("red", "blue"))
    draw(c("red", "white", "bleu"))
    draw(1:3)
  })
})
