# Rscript scaling.R [WHAT]: how the times of this package grow, as tables in Markdown. Cells hold
# median milliseconds and, in brackets, the factor against the row above; the first column has the
# factor of the size itself, so that a larger one in a cell is growth worse than linear.
#   WHAT   one or more of outputs, rows, depth, width, side, threads (one against two), study (the
#          networks and methods of the run-time study) and memory (peaks, not times; needs Linux);
#          default: all
file <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))
source(file.path(dirname(file), "networks.R"))
set.seed(1)

# --- Tables ---------------------------------------------------------------------------------------

row <- function(...) cat("| ", paste(c(...), collapse = " | "), " |\n", sep = "")
header <- function(title, ...) {
  cat("\n", title, "\n\n", sep = "")
  row(...)
  cat(strrep("|---", length(c(...))), "|\n", sep = "")
}
milliseconds <- function(x) sprintf(ifelse(x < 0.01, "%.2f", "%.0f"), 1000 * x)

# `now`, written as `text`, with the factor against `before`, if there is a row above.
with_factor <- function(text, now, before) {
  if (is.null(before)) text else sprintf("%s (%.2f)", text, now / before)
}

# The median seconds of each of `chosen` on `case`: the model, the data `x` and the `outputs`.
times_of <- function(case, chosen) {
  converter <- convert(case$model)
  vapply(chosen, \(name) median_time(\() methods[[name]](converter, case$x, case$outputs)), 0)
}

# A row for each of `sizes`, the times of the `chosen` methods on what `case(size)` makes. `work` is
# what linear growth is in proportion to.
growth <- function(title, size, sizes, case, chosen = basic, work = sizes) {
  header(title, size, chosen)
  before <- NULL
  for (i in seq_along(sizes)) {
    now <- c(work[i], times_of(case(sizes[i]), chosen))
    row(with_factor(c(sizes[i], milliseconds(now[-1])), now, before))
    before <- now
  }
}

basic <- c("forward pass", "gradient", "LRP epsilon", "LRP alpha 1", "DeepLift rescale")
of_study <- c("gradient", "IntegratedGradient 10", "ExpectedGradient 10", "LRP epsilon",
              "DeepLift rescale", "DeepSHAP 10")

# --- Networks -------------------------------------------------------------------------------------

# Two convolutions with five filters, as `study_cnn` of peers.py for images of side 64.
five_filters <- function(side) {
  chain(c(3, side, side), list(
    conv(5, 3, c(5, 5), 0), conv(5, 5, c(5, 5), 0), flatten, dense(20, 5 * (side - 8)^2, "linear")
  ))
}

small_vgg <- function() {
  chain(c(3, 64, 64), c(
    convolutions(c(16, 16, 0, 32, 32, 0, 64, 64, 0)),
    list(flatten, dense(256, 64 * 8^2), dense(1000, 256, "linear"))
  ))
}

# --- What is measured -----------------------------------------------------------------------------

tables <- list(
  outputs = function() {
    by_outputs <- function(title, model, x) {
      growth(title, "outputs", 10^(0:3), \(n) list(model = model, x = x, outputs = seq_len(n)),
             c("gradient", "LRP epsilon"))
    }
    by_outputs("VGG-like CNN, 1 image of 3 x 64 x 64", small_vgg(), random(1, 3, 64, 64))
    by_outputs("Dense 100-256-256-1000, 16 rows", mlp(100, 256, 256, 1000), random(16, 100))
  },
  rows = function() {
    model <- networks$b()$model
    growth("Dense 100-256-256-10, 10 outputs", "rows", 10^(0:4), \(n) {
      list(model = model, x = random(n, 100))
    })
  },
  depth = function() {
    growth("Dense 10, hidden layers of 128, 1; 16 rows", "hidden layers", c(1, 2, 5, 10, 20, 50),
           \(depth) list(model = mlp(10, rep(128, depth), 1), x = random(16, 10)))
  },
  width = function() {
    width <- 4^(3:6)
    growth("Dense 10, 3 hidden layers, 10; 16 rows; factors of the squared width", "width", width,
           \(width) list(model = mlp(10, rep(width, 3), 10), x = random(16, 10)), work = width^2)
  },
  side = function() {
    side <- 2^(4:8)
    growth("CNN with 5 filters, 16 images, 10 outputs; factors of the number of pixels", "side",
           side, \(side) list(model = five_filters(side), x = random(16, 3, side, side)),
           work = side^2)
  },
  threads = function() {
    chosen <- c("gradient", "LRP epsilon", "LRP alpha 1", "DeepLift rescale", "SmoothGrad 10")
    header("Networks (b) to (e), all outputs but of (e), which has 1", "network", "method",
           "1 thread", "2 threads", "1 thread / 2 threads")
    for (name in c("b", "c", "d", "e")) {
      case <- networks[[name]]()
      if (name == "e") case$outputs <- 1
      times <- lapply(1:2, function(threads) {
        old <- options(innsight.threads = threads)
        on.exit(options(old))
        times_of(case, chosen)
      })
      for (method in chosen) {
        of_method <- vapply(times, `[[`, 0, method)
        row(name, method, milliseconds(of_method), sprintf("%.2f", of_method[1] / of_method[2]))
      }
    }
  },
  study = function() {
    outputs <- c(1, 5, 10, 20)
    for (n in outputs) {
      growth(sprintf("Dense 10, hidden layers of 128, 20; 16 rows; %d of the outputs", n),
             "hidden layers", c(1, 5, 10, 15, 20), \(depth) {
        list(model = mlp(10, rep(128, depth), 20), x = random(16, 10), outputs = seq_len(n))
      }, of_study)
    }
    model <- five_filters(64)
    growth("CNN with 5 filters, 16 images of 3 x 64 x 64", "outputs", outputs, \(n) {
      list(model = model, x = random(16, 3, 64, 64), outputs = seq_len(n))
    }, of_study)
  },
  memory = function() {
    header("Peak resident memory, MB", "job", "before the method", "peak", "of the method")
    for (job in names(jobs)) {
      sizes <- system2(file.path(R.home("bin"), "Rscript"), c(shQuote(file), "job", shQuote(job)),
                       stdout = TRUE)
      sizes <- as.numeric(strsplit(sizes, " ")[[1]])
      row(job, round(c(sizes, sizes[2] - sizes[1])))
    }
  }
)

# --- Memory: each job runs in a process of its own ------------------------------------------------

vgg_job <- function(method) {
  list(case = \() c(networks$e(), list(outputs = 1:5)), method = methods[[method]])
}
jobs <- list(
  "VGG16, 5 outputs, gradient" = vgg_job("gradient"),
  "VGG16, 5 outputs, LRP epsilon" = vgg_job("LRP epsilon"),
  "VGG16, 5 outputs, LRP alpha 1" = vgg_job("LRP alpha 1"),
  "VGG16, 5 outputs, DeepLift rescale" = vgg_job("DeepLift rescale"),
  "(d), 1 image, 10 outputs, SmoothGrad 1000, 500 MB allowed" = list(
    case = \() list(model = networks$d()$model, x = random(1, 3, 32, 32)),
    method = run(run_smoothgrad, n = 1000), memory = "500MB"
  ),
  "(b), 10,000 rows, 10 outputs, gradient, 500 MB allowed" = list(
    case = \() list(model = networks$b()$model, x = random(10000, 100)),
    method = methods[["gradient"]], memory = "500MB"
  )
)

# A line of /proc/self/status in MB.
resident <- function(name) {
  line <- grep(paste0("^", name, ":"), readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) / 1024
}

# Prints the resident MB with the converter and the data in place, and their peak from then on.
run_job <- function(job) {
  if (!is.null(job$memory)) options(innsight.memory = job$memory)
  case <- job$case()
  converter <- convert(case$model)
  case$model <- NULL
  gc()
  writeLines("5", "/proc/self/clear_refs") # VmHWM starts again
  before <- resident("VmRSS")
  job$method(converter, case$x, case$outputs)
  cat(before, resident("VmHWM"), "\n")
}

arguments <- commandArgs(TRUE)
if (identical(arguments[1], "job")) {
  run_job(jobs[[arguments[2]]])
} else {
  for (what in if (length(arguments)) arguments else names(tables)) tables[[what]]()
}
