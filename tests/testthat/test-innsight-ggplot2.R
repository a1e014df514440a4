tabular_picture <- function(...) plot(iris_lrp(), data_idx = c(1, 102, 60), output_idx = 1:3, ...)

# 2 data points x (2 nodes + 1 node) x 2 input layers.
matrix_picture <- function(...) {
  lrp <- run_lrp(convert(two_input_net()), two_input_data(), output_idx = list(1:2, 1),
                 verbose = FALSE)
  plot(lrp, data_idx = 1:2, output_idx = list(1:2, 1), ...)
}

# A value, with what it draws going nowhere.
off_screen <- function(code) {
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  force(code)
}

# The names of all texts that are drawn, by the names of their grobs.
drawn_labels <- function(grob) {
  texts <- character()
  visit <- function(x) {
    if (inherits(x, "text") || inherits(x, "titleGrob")) {
      texts <<- c(texts, as.character(x$label))
    }
    for (child in c(x$grobs, as.list(x$children))) visit(child)
  }
  visit(grob)
  texts
}

panel_fill <- function(x) unique(ggplot2::layer_data(x, 1)$fill)

is_png <- function(path, width, height) {
  bytes <- as.integer(readBin(path, "raw", 24))
  size <- function(at) sum(bytes[at] * 256^(3:0))
  expect_identical(rawToChar(as.raw(bytes[2:4])), "PNG")
  expect_equal(c(size(17:20), size(21:24)), c(width, height))
}

test_that("a picture has the slots of its kind", {
  p <- tabular_picture()
  expect_false(p@multiplot)
  expect_false(p@boxplot)
  expect_identical(dim(p@grobs), c(1L, 1L))
  expect_s3_class(p@grobs[[1]], "ggplot")
  m <- matrix_picture()
  expect_true(m@multiplot)
  expect_identical(dim(m@grobs), c(2L, 6L))
  expect_identical(m@output_strips$labels$output_node,
                   c("Output_1: no", "Output_1: yes", "Output_2: score"))
  expect_s3_class(m@output_strips$theme, "theme")
  expect_identical(m@col_dims, list(2L, 2L, 2L))
  expect_true(plot_global(iris_lrp())@boxplot)
})

test_that("print(), plot() and show() draw and return what was drawn", {
  p <- tabular_picture()
  m <- matrix_picture()
  for (draw in list(print, plot)) {
    one <- off_screen(withVisible(draw(p)))
    expect_false(one$visible)
    expect_s3_class(one$value, "ggplot")
    several <- off_screen(withVisible(draw(m)))
    expect_false(several$visible)
    expect_s3_class(several$value, "gtable")
  }
  pages <- function(x) {
    file <- tempfile(fileext = ".pdf")
    on.exit(unlink(file))
    grDevices::pdf(file)
    methods::show(x)
    grDevices::dev.off()
    sum(grepl("/Type /Page ", readLines(file, warn = FALSE), fixed = TRUE, useBytes = TRUE))
  }
  expect_identical(pages(p), 1L)
  expect_identical(pages(m), 1L)
})

test_that("print() hands arguments of the layout on", {
  drawn <- off_screen(print(matrix_picture(), widths = 1:6, heights = c(2, 1)))
  expect_identical(as.numeric(drawn$widths), as.numeric(1:6))
  expect_identical(as.numeric(drawn$heights)[2:3], c(2, 1))
})

test_that("anything can be added to a single plot", {
  p <- tabular_picture()
  expect_s4_class(p + ggplot2::theme_bw(), "innsight_ggplot2")
  expect_identical((p + ggplot2::labs(title = "A", x = "B"))$labels[c("title", "x")],
                   list(title = "A", x = "B"), ignore_attr = TRUE)
  viridis <- suppressMessages(p + ggplot2::scale_fill_viridis_c())
  expect_false(any(panel_fill(viridis) %in% panel_fill(p)))
  flipped <- ggplot2::layer_data(p + ggplot2::coord_flip(), 1)
  expect_true(all(flipped$flipped_aes %in% FALSE))
  faceted <- p + ggplot2::facet_grid(rows = ggplot2::vars(output_node))
  layout <- ggplot2::ggplot_build(faceted)$layout$layout
  expect_identical(as.character(layout$output_node), levels(iris$Species))
  expect_identical(max(layout$COL), 1L)
  expect_identical(length((p + NULL)$layers), length(p$layers))
  listed <- p + list(ggplot2::theme_bw(), ggplot2::geom_point())
  expect_length(listed$layers, length(p$layers) + 1)
  for (picture in list(viridis, faceted, listed, p + ggplot2::coord_flip())) draws(picture)
  expect_error(p + "a", "add")
})

test_that("what is added to several plots is in all of them", {
  m <- matrix_picture()
  titled <- m + ggplot2::labs(title = "A") + ggplot2::geom_point(ggplot2::aes(x = 1, y = 1))
  expect_identical(dim(titled), dim(m))
  expect_true(all(vapply(titled@grobs, \(plot) plot$labels$title == "A", NA)))
  expect_identical(lengths(lapply(titled@grobs, `[[`, "layers")),
                   lengths(lapply(m@grobs, `[[`, "layers")) + 1L)
  expect_identical((m + list(ggplot2::labs(title = "A"), NULL))[[2, 3]]$labels$title, "A")
  draws(titled)
  draws(suppressMessages(m + ggplot2::scale_fill_viridis_c()))
  expect_error(m + "a", "add")
})

test_that("the theme of several plots is that of their headings, and hides what was hidden", {
  m <- matrix_picture()
  red <- ggplot2::theme(strip.text = ggplot2::element_text(colour = "red"))
  themed <- m + ggplot2::theme_bw() + red
  expect_identical(ggplot2::calc_element("strip.text.x", ggplot2::theme_get() +
                                           themed@output_strips$theme)$colour, "red")
  listed <- m + list(ggplot2::theme_bw(), red)
  expect_equal(listed@output_strips$theme, themed@output_strips$theme)
  labels <- function(x) off_screen(drawn_labels(print(x)))
  count <- function(x) {
    texts <- labels(x)
    vapply(c("Feature", "Image Width", "Input_1", "Input_2", "data_1", "data_2", "feat1"),
           \(text) sum(texts == text), 0L)
  }
  # Titles of x axes only in the last row, strips only at the edges.
  expect_identical(unname(count(m)), c(3L, 3L, 3L, 3L, 1L, 1L, 3L))
  expect_identical(count(themed), count(m))
  expect_identical(count(m + ggplot2::theme(axis.text.x = ggplot2::element_text(size = 4))),
                   count(m))
})

test_that("legends of several plots leave room for the panels", {
  m <- matrix_picture()
  position <- \(x) ggplot2::calc_element("legend.position", ggplot2::theme_get() + x$theme)
  expect_identical(position(m[[1, 2]]), "bottom")
  expect_identical(position((m + ggplot2::theme_bw())[[1, 2]]), "bottom")
  none <- m + ggplot2::theme(legend.position = "none")
  expect_identical(position(none[[1, 2]]), "none")
  expect_identical(position((none + ggplot2::labs(title = "a"))[[1, 2]]), "none")
})

test_that("parts of a single plot are panels", {
  p <- tabular_picture()
  panels <- function(x) {
    layout <- ggplot2::ggplot_build(x)$layout$layout
    paste(layout$data, layout$output_node)
  }
  expect_s4_class(p[2, 1:2], "innsight_ggplot2")
  expect_identical(panels(p[2, 1:2]), c("data_102 setosa", "data_102 versicolor"))
  expect_identical(panels(p[, 3]), paste0("data_", c(1, 102, 60), " virginica"))
  expect_identical(panels(p[3, ]), paste("data_60", levels(iris$Species)))
  expect_identical(panels(p[-1, c(FALSE, TRUE, FALSE)]),
                   c("data_102 versicolor", "data_60 versicolor"))
  expect_identical(panels(p[, ]), panels(p))
  expect_identical(dim(p[2:3, 1]), c(rows = 2L, columns = 1L))
  # Parts of parts count from 1 again.
  expect_identical(panels(p[2:3, ][2, 1]), "data_60 setosa")
  expect_equal(p[2, 1]$data$value, unname(get_result(iris_lrp())[102, , 1]))
  draws(p[2, 1:2])

  g <- plot_global(iris_lrp(), output_idx = 1:3, ref_data_idx = 1)
  expect_identical(dim(g), c(rows = 1L, columns = 3L))
  expect_identical(levels(droplevels(g[1, 2]$data$output_node)), "versicolor")
  expect_error(g[2, 1], "`i`", class = "innsight_error_argument")
})

test_that("parts of several plots are plots", {
  m <- matrix_picture()
  part <- m[2, 2:3]
  expect_identical(dim(part), 1:2)
  expect_identical(part[[1, 1]]$data, m[[2, 2]]$data)
  expect_identical(part@output_strips$labels$output_node, c("Output_1: no", "Output_1: yes"))
  expect_identical(part@col_dims, list(1L, 1L))
  expect_identical(dim(m[-1, ]), c(1L, 6L))
  expect_identical(dim(m[, c(TRUE, FALSE)[c(1, 2, 1, 2, 1, 2)]]), 2:3)
  expect_identical(m[, -(1:2)]@output_strips$labels$output_node,
                   c("Output_1: yes", "Output_2: score"))
  expect_identical(dim(m[1]), c(1L, 6L))
  expect_identical(m[2:1, ][[1, 1]]$data, m[[2, 1]]$data)
  draws(part)
})

test_that("restyle says whether a part shows labels of its own", {
  m <- matrix_picture()
  labels <- function(x) off_screen(drawn_labels(print(x)))
  restyled <- labels(m[1, 2:3])
  expect_true(all(c("Input_2", "Input_1", "Feature", "Image Width", "data_1") %in% restyled))
  kept <- labels(m[1, 2:3, restyle = FALSE])
  expect_true(all(c("Input_2", "Input_1") %in% kept))
  expect_false(any(c("Feature", "Image Width", "data_1") %in% kept))
  expect_error(m[1, 1, restyle = NA], "restyle", class = "innsight_error_argument")
})

test_that("[[ gives a plain ggplot", {
  p <- tabular_picture()
  m <- matrix_picture()
  for (plot in list(p[[1, 1]], p[[2]], p[[, 2]], m[[1, 1]], m[[-1, 6]])) {
    expect_s3_class(plot, "ggplot")
    expect_false(methods::is(plot, "innsight_ggplot2"))
  }
  expect_identical(p[[2, 1]]$data, p[2, 1]$data)
  expect_identical(m[[-1, 6]]$data, m[[2, 6]]$data)
  expect_identical(p[["data"]], p$data)
})

test_that("plots of several can be replaced, those of one not", {
  m <- matrix_picture()
  new <- ggplot2::ggplot(iris, ggplot2::aes(Species)) + ggplot2::geom_bar()
  m[[2, 1]] <- new
  expect_identical(m[[2, 1]]$data, new$data)
  draws(m)
  n <- matrix_picture()
  n[1, 3:4] <- m[2, 1:2]
  expect_identical(n[[1, 3]]$data, new$data)
  expect_identical(n[[2, 3]]$data, matrix_picture()[[2, 3]]$data)
  n[, ] <- m
  expect_identical(n@grobs, m@grobs)

  before <- n
  expect_warning(n[1, 1] <- new, "innsight_ggplot2", class = "innsight_warning")
  expect_warning(n[[1, 1]] <- 3, "ggplot", class = "innsight_warning")
  expect_identical(n@grobs, before@grobs)
})

test_that("wrong parts are errors that say what is accepted", {
  p <- tabular_picture()
  m <- matrix_picture()
  plain <- m[[1, 1]]
  expect_snapshot(error = TRUE, {
    p[4, 1]
    p[1, 0]
    p["data_1", 1]
    p[-(1:3), 1]
    p[[1, 9]]
    p[1, 1] <- p
    p[[1, 1]] <- plain
    m[3, 1]
    m[1, 7]
    m[c(-1, 2), 1]
    m[1, c(TRUE, FALSE)]
    m[[1, ]]
    m[[1:2, 1]]
    m[[3, 1]]
    m[1, 1] <- m
    m[9, 1] <- m
    m[[9, 1]] <- plain
    m[[1]] <- plain
    m$data <- 1
    ggplot2::ggplot_build(m)
  })
})

test_that("a single plot can be taken and changed as a ggplot", {
  p <- tabular_picture()
  expect_s3_class(p$data, "data.frame")
  expect_identical(ggplot2::layer_data(p, 1), ggplot2::layer_data(p[[1:3, ]], 1))
  expect_s3_class(off_screen(ggplot2::ggplotGrob(p)), "gtable")
  expect_s3_class(ggplot2::ggplot_build(p), "ggplot_built")
  p$labels$title <- "A title"
  expect_true("A title" %in% off_screen(drawn_labels(ggplot2::ggplotGrob(p))))
  p$data <- p$data[1:12, ]
  expect_identical(nrow(ggplot2::layer_data(p, 1)), 12L)
  expect_null(matrix_picture()$data)
})

test_that("a picture is a grob", {
  for (picture in list(tabular_picture(), matrix_picture())) {
    expect_s3_class(methods::S3Part(picture, strictS3 = TRUE), "grob")
    expect_true(inherits(picture, "grob"))
    forced <- off_screen(grid::grid.force(picture))
    expect_true("feature" %in% tolower(drawn_labels(forced)))
    picture$vp <- grid::viewport(width = 0.5)
    expect_identical(picture$vp$width, grid::unit(0.5, "npc"))
    expect_no_error(off_screen(grid::grid.draw(picture)))
  }
})

test_that("ggsave() saves pictures", {
  file <- tempfile(fileext = ".png")
  on.exit(unlink(file))
  for (picture in list(tabular_picture(), matrix_picture())) {
    ggplot2::ggsave(file, picture, width = 6, height = 4, dpi = 50)
    is_png(file, 300, 200)
    expect_gt(file.size(file), 2500)
    # The last plot is the one printed.
    off_screen(print(picture))
    size <- file.size(file)
    ggplot2::ggsave(file, width = 6, height = 4, dpi = 50)
    expect_equal(file.size(file), size, tolerance = 0.05)
  }
})

test_that("gridExtra arranges pictures", {
  box <- boxplot(iris_lrp(), output_idx = 1:3, ref_data_idx = 1, preprocess_FUN = identity)
  bars <- plot(iris_lrp(), data_idx = c(1, 102), output_idx = 1:3) +
    ggplot2::labs(title = "Two flowers")
  raster <- grid::rasterGrob(matrix(0:1, 2, 2))
  table <- off_screen(gridExtra::grid.arrange(box, bars, raster, ncol = 2,
                                              layout_matrix = rbind(c(1, 1), 2:3)))
  expect_s3_class(table, "gtable")
  expect_length(table$grobs, 3)
  expect_identical(dim(table), c(2L, 2L))
  forced <- off_screen({
    grid::grid.draw(table)
    grid::grid.force(table)
  })
  expect_true(all(c("Two flowers", "Feature", "data_102") %in% drawn_labels(forced)))
  table <- gridExtra::arrangeGrob(raster, matrix_picture(), ncol = 2)
  expect_length(table$grobs, 2)
  expect_true("Output_1: yes" %in% drawn_labels(off_screen(grid::grid.force(table))))
})

test_that("patchwork puts pictures together", {
  skip_if_not_installed("patchwork")
  p <- tabular_picture()
  m <- matrix_picture()
  plain <- ggplot2::ggplot(iris, ggplot2::aes(Species)) + ggplot2::geom_bar()
  labels <- \(x) off_screen(drawn_labels(grid::grid.force(patchwork::patchworkGrob(x))))
  for (both in list(p | plain, p / plain, p + plain, plain | p, plain / p, plain + p,
                    patchwork::wrap_plots(p, plain), patchwork::wrap_plots(list(plain, p)))) {
    expect_s3_class(both, "patchwork")
    expect_true(all(c("Feature", "count") %in% labels(both)))
  }
  for (both in list(p | m, m / p, p + m, m + m, m | plain, patchwork::wrap_plots(m, p, ncol = 1))) {
    expect_s3_class(both, "patchwork")
    expect_true("Output_1: yes" %in% labels(both))
  }
  expect_s3_class(p | plain | m, "patchwork")
  draws((p | plain) / m + patchwork::plot_annotation(title = "A"))
})

test_that("cowplot puts pictures together", {
  skip_if_not_installed("cowplot")
  both <- off_screen(cowplot::plot_grid(tabular_picture(), matrix_picture(), labels = "auto",
                                        align = "none"))
  labels <- off_screen(drawn_labels(grid::grid.force(ggplot2::ggplotGrob(both))))
  expect_true(all(c("a", "b", "data_102", "Output_1: yes") %in% labels))
  off_screen(expect_no_warning(cowplot::plot_grid(tabular_picture(), tabular_picture(),
                                                  align = "v", ncol = 1)))
})

test_that("knitr draws pictures", {
  skip_if_not_installed("knitr")
  folder <- tempfile("knit")
  dir.create(folder)
  old <- setwd(folder)
  on.exit({
    setwd(old)
    unlink(folder, recursive = TRUE)
  })
  env <- list2env(list(p = tabular_picture(), m = matrix_picture()))
  writeLines(c("```{r one, dev='png', echo=FALSE}", "p", "```", "",
               "```{r several, dev='png', echo=FALSE}", "m", "```"), "a.Rmd")
  knitr::knit("a.Rmd", quiet = TRUE, envir = env)
  expect_setequal(list.files("figure"), c("one-1.png", "several-1.png"))
  text <- readLines("a.md")
  expect_length(grep("figure/", text), 2)
  expect_no_match(text, "innsight_ggplot2")
})

test_that("pictures survive saveRDS(), without the result they were made of", {
  file <- tempfile(fileext = ".rds")
  on.exit(unlink(file))
  signal <- run_grad(convert(signal_net()), signal_data(), verbose = FALSE)
  image <- run_grad(convert(image_net()), image_data(), verbose = FALSE)
  pictures <- list(
    tabular_picture(), matrix_picture(), plot(signal), plot(signal, overlay = TRUE), plot(image),
    plot(image, overlay = TRUE), plot_global(iris_lrp(), ref_data_idx = 1), plot_global(image),
    plot_global(signal, view = "importance")
  )
  for (picture in pictures) {
    saveRDS(picture, file, compress = FALSE)
    expect_length(grepRaw("InterpretingMethod", readBin(file, "raw", file.size(file))), 0)
    again <- readRDS(file)
    expect_s4_class(again, "innsight_ggplot2")
    expect_identical(dim(again), dim(picture))
    expect_equal(again$data, picture$data)
    draws(again)
  }
})
