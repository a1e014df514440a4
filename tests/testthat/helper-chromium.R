# Interactive plots in a headless browser.

chromium <- function() {
  found <- c(Sys.getenv("CHROMOTE_CHROME"),
             Sys.which(c("chromium", "chromium-browser", "google-chrome")))
  utils::head(unname(found[nzchar(found)]), 1)
}

# The JavaScript of the package plotly. Debian's package has one of 2017 in place of its own, which
# cannot show what the package makes; INNSIGHT_PLOTLY_JS may name the file of plotly.js 2 or later
# (`npm pack plotly.js-dist-min@2.11.1`) to be taken instead.
plotly_js <- function() {
  files <- c(
    Sys.getenv("INNSIGHT_PLOTLY_JS"),
    list.files(system.file("htmlwidgets", package = "plotly"), "^plotly-.*[.]js$",
               recursive = TRUE, full.names = TRUE)
  )
  files <- files[nzchar(files) & file.exists(files)]
  version <- vapply(files, function(file) {
    sub(".*plotly[.]js v([0-9.]+).*", "\\1", paste(readLines(file, 5, warn = FALSE), collapse = ""))
  }, "")
  recent <- grepl("^[0-9.]+$", version) & numeric_version(version, strict = FALSE) >= "2.0"
  utils::head(files[recent %in% TRUE], 1)
}

skip_without_browser <- function() {
  skip_on_cran()
  skip_if_not_installed("plotly")
  skip_if_not_installed("htmltools")
  skip_if_not_installed("rmarkdown")
  skip_if(Sys.which("pandoc") == "", "no pandoc, which makes a page of one file")
  skip_if(length(chromium()) == 0, "no Chromium")
  skip_if(length(plotly_js()) == 0, "plotly.js 2 (set INNSIGHT_PLOTLY_JS) is not there")
}

# A page that holds all it needs, with plots of 900 x 500 pixels, one below the other; `script` runs
# once they are drawn. In it `plots` are their elements and `report` is an object that browse()
# returns.
write_page <- function(plots, script = "") {
  folder <- tempfile("page")
  dir.create(folder)
  page <- file.path(folder, "page.html")
  widgets <- lapply(plots, function(plot) {
    widget <- plotly::remove_typedarray_polyfill(plotly_figure(plot))
    widget$width <- 900
    widget$height <- 500
    htmltools::as.tags(widget)
  })
  script <- htmltools::HTML(sprintf("<script>
    const wait = ms => new Promise(done => setTimeout(done, ms));
    const click = (element, x, y) => ['mousedown', 'mouseup', 'click'].forEach(type =>
      element.dispatchEvent(new MouseEvent(type, {bubbles: true, clientX: x, clientY: y})));
    const count = (plot, selector) => plot.querySelectorAll(selector).length;
    const texts = (plot, selector) =>
      [...plot.querySelectorAll(selector)].map(x => x.textContent).join('|');
    async function choose(plot, menu, label) {
      click(plot.querySelectorAll('.updatemenu-header')[menu]);
      await wait(200);
      const buttons = [...plot.querySelectorAll('.updatemenu-dropdown-button')];
      click(buttons.find(button => button.textContent == label));
      await wait(600);
    }
    window.addEventListener('load', async () => {
      await wait(1500);
      const plots = document.querySelectorAll('.js-plotly-plot'), report = {};
      %s
      const out = document.createElement('pre');
      out.id = 'report';
      out.textContent = Object.keys(report).map(key => key + '=' + report[key]).join(';');
      document.body.append(out);
    });
  </script>", script))
  htmltools::save_html(htmltools::tagList(widgets, script), page, libdir = "lib")
  bundled <- list.files(file.path(folder, "lib"), "^plotly-.*[.]js$", recursive = TRUE,
                        full.names = TRUE)
  file.copy(plotly_js(), utils::tail(bundled[file.size(bundled) > 1e5], 1), overwrite = TRUE)
  whole <- tempfile("page", fileext = ".html")
  rmarkdown::pandoc_self_contained_html(page, whole)
  unlink(folder, recursive = TRUE)
  whole
}

run_chromium <- function(page, ...) {
  out <- tempfile()
  err <- tempfile()
  system2(
    chromium(),
    c("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=920,1700",
      "--virtual-time-budget=20000", "--enable-logging=stderr", "--v=0", ...,
      shQuote(paste0("file://", page))),
    stdout = out, stderr = err, timeout = 120
  )
  log <- readLines(err, warn = FALSE)
  list(
    dom = paste(readLines(out, warn = FALSE), collapse = "\n"),
    errors = grep("CONSOLE.*(Uncaught|[Ee]rror)", log, value = TRUE)
  )
}

# What the script reported, as a named character vector, and the errors on the console.
browse <- function(page) {
  result <- run_chromium(page, "--dump-dom")
  report <- regmatches(result$dom, regexec("<pre id=\"report\">([^<]*)</pre>", result$dom))[[1]][2]
  pairs <- strsplit(strsplit(report, ";", fixed = TRUE)[[1]], "=", fixed = TRUE)
  result$report <- stats::setNames(vapply(pairs, `[`, "", 2), vapply(pairs, `[`, "", 1))
  result
}
