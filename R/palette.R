# The colours of relevance: blue is negative, white zero, red positive.

# Both arms have one hue, and the same lightness and chroma at the same distance from zero, so that
# equal values of either sign look equally strong; blue against red is safe for the common colour
# vision deficiencies.
two_hues <- function(n, hues = c(260, 12), chroma = 85, darkest = 35) {
  strength <- abs(seq(-1, 1, length.out = n))
  grDevices::hcl(
    h = rep(hues, c(n %/% 2, n - n %/% 2)),
    c = chroma * sin(pi / 2 * pmin(strength / 0.7, 1)),
    l = 100 - (100 - darkest) * strength
  )
}

# `n` colours from the most negative value to the most positive one, by `innsight.palette`.
relevance_colours <- function(n = 21, call = rlang::caller_env()) {
  palette <- getOption("innsight.palette", "two-hues")
  diverging <- c(grDevices::hcl.pals("diverging"), grDevices::hcl.pals("divergingx"))
  if (identical(palette, "two-hues")) {
    return(two_hues(n))
  }
  if (identical(palette, "blue-white-red")) {
    palette <- c("blue", "white", "red")
  }
  if (is.character(palette) && length(palette) == 1 && palette %in% diverging) {
    return(grDevices::hcl.colors(n, palette))
  }
  if (length(palette) < 3 || !are_colours(palette)) {
    abort_arg(
      palette,
      "`\"two-hues\"`, `\"blue-white-red\"`, the name of a diverging palette of
       `grDevices::hcl.pals()`, or at least three colours",
      "innsight.palette", call
    )
  }
  grDevices::colorRampPalette(palette, space = "Lab")(n)
}

are_colours <- function(x) {
  is.character(x) && !inherits(try(grDevices::col2rgb(x), silent = TRUE), "try-error")
}
