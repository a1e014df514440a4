skip_if_not_installed("plotly")

# The traces of a panel or of the whole figure as they go to the browser.
traces_of <- function(plot) plotly::plotly_build(plot)$x$data

menu_of <- function(plot, title) {
  Filter(\(menu) menu$name == title, plot@layout$updatemenus)[[1]]
}

labels_of <- function(menu) vapply(menu$buttons, `[[`, "", "label")

image_gradient <- function() run_grad(convert(image_net()), image_data(), verbose = FALSE)

mixed_lrp <- function(...) {
  run_lrp(convert(two_input_net()), two_input_data(), verbose = FALSE,
          output_idx = list(1:2, 1), ...)
}

test_that("tabular results are bars, one panel per data point and node", {
  lrp <- iris_lrp()
  plot <- plot(lrp, data_idx = c(1, 102), output_idx = 1:3, as_plotly = TRUE)
  expect_s4_class(plot, "innsight_plotly")
  expect_identical(dim(plot), c(2L, 3L))
  expect_identical(dim(plot@plots), c(2L, 3L))
  expect_s3_class(plot@plots[[2, 3]], "plotly")
  expect_false(plot@multiplot)
  expect_named(plot@shapes, c("shapes_strips", "shapes_other"))
  expect_named(plot@annotations, c("annotations_strips", "annotations_other"))
  expect_named(plot@layout, c("margin", "showlegend", "updatemenus", "annotations", "sliders"))
  expect_identical(plot@col_dims$col_label, levels(iris$Species))
  expect_identical(plot@col_dims$col_idx, 1:3)

  bars <- traces_of(plot@plots[[2, 3]])
  expect_length(bars, 1)
  value <- lrp$result[[1]][[1]][102, , 3]
  expect_identical(bars[[1]]$type, "bar")
  expect_identical(as.vector(bars[[1]]$x), names(iris)[1:4])
  expect_equal(as.vector(bars[[1]]$y), value)
  expect_equal(unique(as.vector(bars[[1]]$width)), 0.8)
  expect_equal(unlist(bars[[1]]$marker$color), value / max(abs(value)))
  text <- bars[[1]]$hovertemplate[1]
  for (part in c("<b>Relevance: %{y:.4~g}</b>", "Feature: %{x}", "data_102", "Input_1",
                 "Output_1: virginica", "Pred.: ", "Sum: ", "Goal: ")) {
    expect_match(text, part, fixed = TRUE)
  }
  prediction <- signif(lrp$preds[[1]][102, 3], 4)
  expect_match(text, paste0("Pred.: ", format(prediction)), fixed = TRUE)
})

test_that("signals are bars over positions in their order", {
  gradient <- run_grad(convert(signal_net()), signal_data(), verbose = FALSE)
  value <- colSums(gradient$result[[1]][[1]][2, , , 1])
  bars <- traces_of(plot(gradient, 2, as_plotly = TRUE)@plots[[1]])[[1]]
  expect_equal(as.vector(bars$y), value)
  expect_identical(as.vector(bars$x), paste0("L", 1:6))

  gradient$converter$input_names[[1]][[2]] <- c("T", "C", "G", "A", "T", "C")
  bars <- traces_of(plot(gradient, 2, as_plotly = TRUE)@plots[[1]])[[1]]
  expect_equal(as.vector(bars$y), value)
  expect_identical(as.vector(bars$x)[c(1, 5)], c("T (1)", "T (5)"))
})

test_that("features come in the order of their levels", {
  lrp <- iris_lrp()
  value <- lrp$result[[1]][[1]][1, , 1]
  lrp$converter$input_names[[1]][[1]] <- factor(letters[4:1], levels = letters[1:4])
  blocks <- add_scales(result_blocks(lrp, NULL, 1, list(1)), FALSE)
  blocks[[1]]$n_features <- 4
  bars <- traces_of(plotly_points(blocks, "Relevance", TRUE, NULL)@plots[[1]])[[1]]
  expect_identical(as.vector(bars$x), letters[1:4])
  expect_equal(as.vector(bars$y), rev(value))

  most <- traces_of(plot(iris_lrp(), max_features = 2, feature_order = "importance",
                         as_plotly = TRUE)@plots[[1]])[[1]]
  expect_equal(as.vector(most$y), value[order(-abs(value))[1:2]])
})

test_that("images are upright heat maps with square pixels", {
  gradient <- image_gradient()
  value <- apply(gradient$result[[1]][[1]][2, , , , 2], 2:3, sum)
  plot <- plot(gradient, data_idx = 1:2, output_idx = 1:2, as_plotly = TRUE)
  built <- plotly::plotly_build(plot@plots[[2, 2]])$x
  expect_identical(built$data[[1]]$type, "heatmap")
  expect_equal(unclass(built$data[[1]]$z), value, tolerance = 1e-6, ignore_attr = TRUE)
  expect_equal(c(built$data[[1]]$zmin, built$data[[1]]$zmax), c(-1, 1) * max(abs(value)))
  expect_identical(unlist(built$layout$yaxis$range), c(3.5, -0.5))
  expect_identical(built$layout$yaxis$scaleanchor, "x")
  expect_match(built$data[[1]]$hovertemplate, "Height: %{y}<br>Width: %{x}", fixed = TRUE)

  gradient$result[[1]][[1]][] <- abs(gradient$result[[1]][[1]])
  built <- plotly::plotly_build(plot(gradient, as_plotly = TRUE)@plots[[1]])$x$data[[1]]
  expect_identical(built$zmin, 0)
  with_options(list(innsight.image_origin = "bottom"), {
    upside_down <- plot(gradient, as_plotly = TRUE)@plots[[1]]
  })
  expect_identical(unlist(plotly::plotly_build(upside_down)$x$layout$yaxis$range), c(-0.5, 3.5))
})

test_that("there is a column per output node and input layer that are connected", {
  plot <- plot(mixed_lrp(), data_idx = 1:2, output_idx = list(1:2, 1), as_plotly = TRUE)
  expect_true(plot@multiplot)
  expect_identical(dim(plot), c(2L, 6L))
  expect_identical(plot@col_dims$col_idx, rep(1:3, each = 2))
  expect_identical(plot@col_dims$col_label, c("Output_1: no", "Output_1: yes", "Output_2: score"))
  types <- vapply(plot@plots, \(panel) traces_of(panel)[[1]]$type, "")
  expect_identical(types, rep(rep(c("bar", "heatmap"), each = 2), 3))

  lrp <- run_lrp(convert(unconnected_net()), unconnected_data(), verbose = FALSE,
                 output_idx = list(1, 2))
  plot <- plot(lrp, output_idx = list(1, 2), as_plotly = TRUE)
  expect_identical(dim(plot), c(1L, 3L))
  expect_match(traces_of(plot@plots[[3]])[[1]]$hovertemplate[1], "Input_2<br>Output_2: Y2")
})

test_that("the whole figure has all traces, strips and menus", {
  plot <- plot(mixed_lrp(), data_idx = 1:2, output_idx = list(1:2, 1), as_plotly = TRUE)
  figure <- print(plot)
  expect_s3_class(figure, "htmlwidget")
  built <- plotly::plotly_build(figure)$x
  expect_length(built$data, 12)
  expect_identical(unique(vapply(built$data[1:6], `[[`, "", "xaxis")),
                   c("x", paste0("x", 2:6)))
  expect_identical(built$data[[7]]$xaxis, "x")
  separate <- plotly::plotly_build(print(plot, shareX = FALSE))$x$data
  expect_identical(separate[[7]]$xaxis, "x7")
  expect_identical(built$layout$yaxis8$scaleanchor, "x2")

  strips <- vapply(built$layout$annotations, `[[`, "", "text")
  expect_identical(sum(strips == "Input_2"), 3L)
  expect_identical(strips[strips %in% c("data_1", "data_2")], c("data_1", "data_2"))
  expect_identical(sum(strips == "Output_1: no"), 2L)
  bars <- vapply(built$data, \(trace) isTRUE(trace$showscale), NA)
  expect_identical(which(bars), 2L)
})

test_that("panels have one size, unless widths or heights are given", {
  plot <- plot(iris_lrp(), data_idx = 1:3, output_idx = 1:3, as_plotly = TRUE)
  extent <- function(axis, ...) {
    layout <- plotly::plotly_build(print(plot, ...))$x$layout
    vapply(layout[grep(axis, names(layout))], \(axis) diff(axis$domain), 0)
  }
  expect_equal(extent("xaxis"), rep(extent("xaxis")[[1]], 3), ignore_attr = TRUE)
  expect_equal(extent("yaxis"), rep(extent("yaxis")[[1]], 9), ignore_attr = TRUE)
  expect_equal(extent("xaxis", margin = 0.1), rep(0.2, 3), ignore_attr = TRUE)
  expect_equal(extent("xaxis", margin = 0, widths = c(0.2, 0.3, 0.5)), c(0.2, 0.3, 0.5),
               ignore_attr = TRUE)
  expect_equal(equal_shares(3, 0.1, 0.1), c(0.3, 0.4, 0.3))
})

test_that("box plots have the chosen data, and lines for single points", {
  lrp <- iris_lrp()
  plot <- plot_global(lrp, output_idx = 1:3, data_idx = 1:50, ref_data_idx = 102,
                      individual_data_idx = c(7, 60), preprocess_FUN = identity,
                      as_plotly = TRUE)
  expect_identical(dim(plot), c(1L, 3L))
  traces <- traces_of(plot@plots[[2]])
  value <- lrp$result[[1]][[1]][, , 2]
  expect_equal(as.vector(traces[[1]]$y), as.vector(value[1:50, ]), tolerance = 1e-6)
  expect_identical(as.vector(traces[[1]]$x), rep(names(iris)[1:4], each = 50))
  expect_identical(as.vector(traces[[1]]$text[1:50]), paste0("data_", 1:50))
  expect_identical(vapply(traces[-1], `[[`, "", "name"), paste0("data_", c(102, 7, 60)))
  expect_equal(as.vector(traces[[4]]$y), value[60, ])
  expect_identical(vapply(traces[-1], `[[`, NA, "visible"), c(TRUE, FALSE, FALSE))
  expect_identical(traces[[2]]$line$color, "red")

  menu <- menu_of(plot, "Data point")
  expect_identical(labels_of(menu), c("none", paste0("data_", c(102, 7, 60))))
  expect_equal(menu$active, 1)
  arguments <- menu$buttons[[3]]$args
  expect_equal(unlist(arguments[[2]]), c(1:3, 5:7, 9:11))
  expect_identical(unlist(arguments[[1]]$visible), rep(c(FALSE, TRUE, FALSE), 3))
  expect_identical(labels_of(menu_of(plot, "1D plot type")), c("box", "violin"))
  expect_equal(unlist(menu_of(plot, "1D plot type")$buttons[[2]]$args[[2]]), c(0, 4, 8))
  expect_equal(menu_of(plot_global(lrp, as_plotly = TRUE), "Data point")$active, 0)
  expect_s4_class(boxplot(lrp, as_plotly = TRUE), "innsight_plotly")
})

test_that("summaries of images have nine quantiles and a slider", {
  gradient <- image_gradient()
  value <- apply(gradient$result[[1]][[1]], c(1, 3, 4, 5), sum)
  plot <- plot_global(gradient, output_idx = 1:2, preprocess_FUN = identity, as_plotly = TRUE)
  traces <- traces_of(plot@plots[[2]])
  expect_length(traces, 9)
  for (k in 1:9) {
    expected <- apply(value[, , , 2], 2:3, stats::quantile, (k - 1) / 8)
    expect_equal(unclass(traces[[k]]$z), expected, tolerance = 1e-6, ignore_attr = TRUE)
  }
  expect_identical(which(vapply(traces, `[[`, NA, "visible")), 5L)
  medians <- apply(value, 2:4, stats::median)
  expect_equal(traces[[5]]$zmax, max(abs(medians)))

  slider <- plot@layout$sliders[[1]]
  expect_equal(slider$active, 4)
  expect_identical(labels_of(list(buttons = slider$steps))[c(1, 2, 5, 9)],
                   c("Minimum", "12.5 %", "Median", "Maximum"))
  expect_identical(which(unlist(slider$steps[[9]]$args[[1]]$visible)), c(9L, 18L))
  expect_equal(unlist(slider$steps[[9]]$args[[2]]), 0:17)
  expect_identical(labels_of(menu_of(plot, "2D plot type")), c("heatmap", "contour"))
})

test_that("quantiles of columns are those of stats::quantile()", {
  for (n in 1:5) {
    x <- random_array(n, 7)
    expect_equal(column_quantiles(x, image_quantiles),
                 apply(x, 2, stats::quantile, image_quantiles, names = FALSE))
  }
  x[2, 3] <- NA
  expect_equal(column_quantiles(x, 0.5)[3], stats::median(x[-2, 3]))
})

test_that("the colour scales are that of the package and those of plotly, also reversed", {
  plot <- plot(iris_lrp(), as_plotly = TRUE)
  menu <- menu_of(plot, "Colour scale")
  expect_length(menu$buttons, 38)
  expect_identical(labels_of(menu)[c(1, 17, 36)], c("innsight", "Viridis", "Viridis (reversed)"))
  values <- menu$buttons[[36]]$args[[1]]
  expect_identical(values$marker.colorscale, list("Viridis"))
  expect_true(values$marker.reversescale)
  colours <- vapply(menu$buttons[[1]]$args[[1]]$marker.colorscale[[1]], `[[`, "", 2)
  expect_identical(colours, relevance_colours(11))
})

test_that("a part keeps its menus", {
  plot <- plot_global(mixed_lrp(), output_idx = list(1:2, 1), ref_data_idx = 3, as_plotly = TRUE)
  part <- plot[1, c(4, 3)]
  expect_identical(dim(part), c(1L, 2L))
  expect_identical(part@plots[[1]], plot@plots[[1, 3]])
  expect_identical(part@col_dims$col_label, "Output_1: yes")
  expect_equal(menu_of(part, "Data point")$active, 1)
  expect_equal(unlist(menu_of(part, "Data point")$buttons[[1]]$args[[2]]), 1:5)
  expect_equal(unlist(part@layout$sliders[[1]]$steps[[1]]$args[[2]]), 6:14)
  update <- menu_of(part, "2D plot type")$buttons[[2]]$args
  expect_identical(update[[2]], list(xaxis2.range = c(-0.5, 5.5), yaxis2.range = c(5.5, -0.5)))

  expect_length(plot[, 1]@layout$sliders, 0)
  expect_identical(vapply(plot[, 1]@layout$updatemenus, `[[`, "", "name"),
                   c("1D plot type", "Data point"))
  expect_identical(plot[]@layout, plot@layout)

  panel <- plot[[1, 3]]
  expect_s3_class(panel, "plotly")
  expect_length(traces_of(panel), 6)
  titled <- plotly::plotly_build(plotly::layout(panel, title = "a"))$x$layout
  expect_identical(titled$title, "a")
})

test_that("missing and infinite values leave gaps", {
  lrp <- iris_lrp()
  lrp$result[[1]][[1]][1, 1:3, 1] <- c(NaN, Inf, NA)
  expect_no_warning(bars <- traces_of(plot(lrp, as_plotly = TRUE)@plots[[1]])[[1]])
  expect_identical(as.character(bars$x), "Petal.Width")
  expect_length(bars$y, 1)
  lrp$result[[1]][[1]][, 1, 1] <- NA
  expect_no_warning(print(plot_global(lrp, ref_data_idx = 1, as_plotly = TRUE)))
  lrp$result[[1]][[1]][] <- NA
  expect_no_warning(print(plot(lrp, as_plotly = TRUE)))
  expect_no_warning(print(plot_global(lrp, as_plotly = TRUE)))

  image <- image_gradient()
  image$result[[1]][[1]][1, , 2, 3, ] <- c(NaN, Inf)
  expect_true(is.na(traces_of(plot(image, as_plotly = TRUE)@plots[[1]])[[1]]$z[2, 3]))
  expect_no_warning(print(plot_global(image, as_plotly = TRUE)))
  image$result[[1]][[1]][] <- NA
  expect_no_warning(print(plot(image, as_plotly = TRUE)))
  expect_no_warning(print(plot_global(image, as_plotly = TRUE)))
})

test_that("names cannot be taken for markup", {
  expect_identical(escape_html("a<b & %{x}"), "a&lt;b &amp; %&#123;x}")
  lrp <- iris_lrp()
  lrp$converter$input_names[[1]][[1]] <- c("a<b", "2", "1", "%{y}")
  bars <- traces_of(plot(lrp, as_plotly = TRUE)@plots[[1]])[[1]]
  expect_identical(as.vector(bars$x), c("a&lt;b", "2", "1", "%&#123;y}"))
})

test_that("global connection weights are bars without a data point", {
  weights <- run_cw(convert(dense_net(c(4, 3, 2), c("relu", "linear"))), verbose = FALSE)
  plot <- plot(weights, output_idx = 1:2, as_plotly = TRUE)
  expect_identical(dim(plot), c(1L, 2L))
  expect_length(plot@shapes$shapes_strips$rows[[1]], 0)
  bars <- traces_of(plot@plots[[1]])[[1]]
  expect_no_match(bars$hovertemplate[1], "data_|Pred|Goal")
})

test_that("what is not possible is an error that says what is", {
  plot <- plot(iris_lrp(), data_idx = 1:2, as_plotly = TRUE)
  expect_snapshot(error = TRUE, {
    plot[3, 1]
    plot[1, "a"]
    plot[[1:2, 1]]
    plot + ggplot2::theme_bw()
    plot[1, 1] <- plot
    plot[[1, 1]] <- 1
  })
  expect_error(plot + 1, class = "innsight_error_argument")
})

test_that("without the package plotly there is an error that names it", {
  expect_snapshot(check_plotly(quote(plot()), installed = FALSE), error = TRUE)
})

test_that("documents of knitr show the plot, and it can be saved", {
  skip_if_not_installed("knitr")
  plot <- plot(iris_lrp(), as_plotly = TRUE)
  old <- knitr::opts_knit$set(rmarkdown.pandoc.to = "html")
  on.exit(knitr::opts_knit$set(old))
  shown <- knitr::knit_print(plot)
  expect_match(paste(shown, collapse = ""), "html-widget")

  skip_if_not_installed("htmlwidgets")
  skip_if(Sys.which("pandoc") == "", "no pandoc, which selfcontained = TRUE needs")
  file <- tempfile(fileext = ".html")
  htmlwidgets::saveWidget(print(plot), file, selfcontained = TRUE)
  page <- paste(readLines(file, warn = FALSE), collapse = "")
  expect_match(page, "Sepal.Length", fixed = TRUE)
  expect_no_match(page, "<script src=", fixed = TRUE)
})

test_that("a browser draws the plots, and their menus work", {
  skip_without_browser()
  lrp <- iris_lrp()
  lrp$result[[1]][[1]][3, 1:2, 1] <- c(NaN, Inf)
  page <- write_page(
    list(
      plot(lrp, data_idx = c(1, 102), output_idx = 1:3, as_plotly = TRUE),
      plot_global(lrp, output_idx = 1:3, ref_data_idx = 102, as_plotly = TRUE),
      plot_global(mixed_lrp(), output_idx = list(1:2, 1), as_plotly = TRUE),
      plot(lrp, data_idx = 3, as_plotly = TRUE)
    ),
    "const [bars, boxes, mixed, gaps] = plots;
    const fill = () => bars.querySelector('.barlayer .point path').style.fill;
    const red = () => [...boxes.querySelectorAll('path.box')]
      .filter(box => box.style.stroke == 'rgb(255, 0, 0)').length;
    report.size = [bars, boxes].map(plot => plot._fullLayout.width).join('|');
    report.bars = count(bars, '.barlayer .point');
    report.gaps = count(gaps, '.barlayer .point');
    report.strips = texts(bars, '.annotation-text');
    report.first = fill();
    await choose(bars, 0, 'Viridis');
    report.viridis = fill();

    report.boxes = count(boxes, 'path.box');
    report.reference = red();
    await choose(boxes, 1, 'none');
    report.none = red();
    await choose(boxes, 1, 'data_5');
    report.point = boxes._fullData.filter(x => x.visible == true).map(x => x.name).join('|');
    await choose(boxes, 0, 'violin');
    report.violins = count(boxes, 'path.violin');

    report.images = count(mixed, '.heatmaplayer image');
    report.steps = count(mixed, '.slider-tick-rect');
    const rail = mixed.querySelector('.slider-rail-touch-rect');
    const place = rail.getBoundingClientRect();
    click(rail, place.right - 2, place.top + 2);
    await choose(mixed, 3, 'contour');
    report.contours = count(mixed, '.contourlayer .contour');
    await wait(1000);
    report.quantile = mixed._fullData.map((x, i) => x.type == 'contour' && x.visible ? i : '')
      .filter(x => x !== '').join('|');
    report.upright = mixed._fullLayout.yaxis2.range.join('|');"
  )
  seen <- browse(page)
  expect_identical(seen$errors, character())
  report <- as.list(seen$report)
  expect_identical(report$size, "900|900")
  expect_identical(report$bars, "24")
  expect_identical(report$gaps, "2")
  expect_identical(report$strips, "setosa|versicolor|virginica|data_1|data_102|Colour scale")
  expect_false(report$first == report$viridis)
  expect_identical(report$viridis, "rgb(68, 1, 84)")
  expect_identical(report$boxes, "24")
  expect_identical(report$reference, "12")
  expect_identical(report$none, "0")
  expect_match(report$point, "^[^|]+[|]data_5[|][^|]+[|]data_5[|][^|]+[|]data_5$")
  expect_identical(report$violins, "12")
  expect_identical(report$images, "3")
  expect_identical(report$steps, "9")
  expect_identical(report$contours, "3")
  expect_identical(report$quantile, "14|29|44")
  expect_identical(report$upright, "5.5|-0.5")

  picture <- tempfile(fileext = ".png")
  run_chromium(page, paste0("--screenshot=", picture))
  expect_identical(readBin(picture, "raw", 4), as.raw(c(0x89, 0x50, 0x4e, 0x47)))
  expect_gt(file.size(picture), 30000)
})

test_that("the test above would notice an error on the page", {
  skip_without_browser()
  broken <- plot(iris_lrp(), as_plotly = TRUE)
  page <- write_page(list(broken), "Plotly.restyle(plots[5], {type: 'box'});")
  expect_match(run_chromium(page, "--dump-dom")$errors[1], "Uncaught")
})
