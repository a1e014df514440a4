plotly_points <- function(...) stop("not yet")
plotly_global <- function(...) stop("not yet")
