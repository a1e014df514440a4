# Peaks of memory, each seen in a process of its own, as the garbage of other tests would count.

# Megabytes that `run(converter, x)` holds more than before at its highest with this `memory`, and
# those of its result. What is left of a first call, of a gradient, does not count: packed weights,
# threads and compiled R code.
growth_of <- function(memory, case, run) {
  measure <- function(memory, case, run) {
    status <- function(name) {
      line <- grep(paste0("^", name, ":"), readLines("/proc/self/status"), value = TRUE)
      as.numeric(gsub("[^0-9]", "", line)) / 1024
    }
    loadNamespace("innsight")
    options(innsight.memory = memory)
    set.seed(1)
    values <- function(...) array(stats::rnorm(prod(...)), c(...))
    case <- case(values)
    converter <- innsight::convert(case$model)
    first <- if (is.matrix(case$x)) case$x[1:2, ] else case$x[1:2, , , , drop = FALSE]
    innsight::run_grad(converter, first, verbose = FALSE)
    invisible(gc())
    reset <- tryCatch({
      writeLines("5", "/proc/self/clear_refs") # the peak starts again
      TRUE
    }, error = function(e) FALSE, warning = function(w) FALSE)
    before <- status("VmRSS")
    result <- run(converter, case$x)
    c(reset, status("VmHWM") - before, utils::object.size(result$result) / 1024^2)
  }
  environment(measure) <- environment(case) <- environment(run) <- globalenv()
  files <- tempfile(fileext = c(".R", ".rds", ".rds"))
  on.exit(unlink(files))
  saveRDS(list(measure, memory, case, run), files[2])
  writeLines(c(
    sprintf(".libPaths(%s)", paste(deparse(.libPaths()), collapse = "")),
    sprintf("job <- readRDS(%s)", deparse(files[2])),
    sprintf("saveRDS(job[[1]](job[[2]], job[[3]], job[[4]]), %s)", deparse(files[3]))
  ), files[1])
  log <- suppressWarnings(system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", files[1]),
                                  stdout = TRUE, stderr = TRUE))
  if (!file.exists(files[3])) stop(paste(log, collapse = "\n"))
  seen <- readRDS(files[3])
  skip_if(seen[1] == 0, "the system does not let a process reset its peak of memory")
  list(growth = seen[2], result = seen[3])
}

skip_unless_measurable <- function() {
  skip_on_cran()
  skip_if_not(file.exists("/proc/self/clear_refs"), "peaks of memory are read from Linux's /proc")
  skip_if(nzchar(Sys.getenv("R_COVR")), "coverage runs without an installed package")
  installed <- file.exists(file.path(.libPaths(), "innsight", "Meta", "package.rds"))
  skip_if_not(any(installed), "another process needs the package installed")
}

# Two images, and 10,000 rows of 100 features.
small_cnn <- function(values) {
  layers <- list(
    list(type = "Conv2D", weight = values(8, 3, 3, 3), bias = values(8), padding = 1,
         activation_name = "relu", input_layers = 0, output_layers = 2),
    list(type = "Flatten", input_layers = 1, output_layers = 3),
    list(type = "Dense", weight = values(10, 8 * 32 * 32), bias = values(10),
         activation_name = "linear", input_layers = 2, output_layers = -1)
  )
  model <- list(input_dim = c(3, 32, 32), input_nodes = 1, output_nodes = 3, layers = layers)
  list(model = model, x = values(2, 3, 32, 32))
}
dense_network <- function(values) {
  dense <- function(i, n_in, n_out, act, to) {
    list(type = "Dense", weight = values(n_out, n_in) / sqrt(n_in), bias = values(n_out),
         activation_name = act, input_layers = i - 1, output_layers = to)
  }
  layers <- list(dense(1, 100, 256, "relu", 2), dense(2, 256, 10, "linear", -1))
  model <- list(input_dim = 100, input_nodes = 1, output_nodes = 2, layers = layers)
  list(model = model, x = values(10000, 100))
}

test_that("SmoothGrad of a thousand copies keeps to innsight.memory", {
  skip_unless_measurable()
  run <- \(converter, x) innsight::run_smoothgrad(converter, x, n = 1000, verbose = FALSE)
  few <- growth_of("50MB", small_cnn, run)
  many <- growth_of("4GB", small_cnn, run)
  expect_lt(few$growth, 50)
  # The option does something: a large budget is used.
  expect_gt(many$growth, few$growth + 20)
})

test_that("ten thousand rows keep to innsight.memory, with their result", {
  skip_unless_measurable()
  run <- \(converter, x) innsight::run_grad(converter, x, verbose = FALSE)
  small <- growth_of("100MB", dense_network, run)
  # The result takes more than half.
  expect_gt(small$result, 76)
  expect_lt(small$growth, small$result + 50)
  large <- growth_of("400MB", dense_network, run)
  expect_lt(large$growth, 400)
  expect_gt(large$growth, small$growth + 20)

  run <- \(converter, x) innsight::run_deeplift(converter, x, verbose = FALSE)
  expect_lt(growth_of("200MB", dense_network, run)$growth, 200)
})

test_that("single-precision weights are not copied", {
  skip_unless_measurable()
  run <- function(converter, x) {
    bytes <- raw(4 * 4000 * 4000) # 61 MB
    weight <- structure(list(bytes = bytes, shape = c(4000L, 4000L), axes = 1:2),
                        class = "innsight_f32")
    dense <- list(type = "Dense", weight = weight, bias = numeric(4000), activation_name = "relu",
                  input_layers = 0, output_layers = -1)
    large <- innsight::convert(list(input_dim = 4000, input_nodes = 1, output_nodes = 1,
                                    layers = list(dense)))
    innsight::run_grad(large, matrix(1, 1, 4000), verbose = FALSE)
  }
  growth <- growth_of("1GB", dense_network, run)$growth
  expect_gt(growth, 60)
  expect_lt(growth, 100)
})
