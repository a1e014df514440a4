# Rscript peers.R [NETWORKS] [REPEATS] [THREADS]: whole methods of this package against captum and
# zennit, in one process and in turn; medians in milliseconds and ratios, as a table in Markdown.
#   NETWORKS   such as a,b,c (see peers.py); default: all
# Needs reticulate and, in the Python that RETICULATE_PYTHON names, what peers.py needs. The method
# objects of this package are timed from `new()` to `result`; all outputs are explained at once,
# where the peers go through them one by one.
library(innsight)

arguments <- commandArgs(trailingOnly = TRUE)
repeats <- if (length(arguments) > 1) as.integer(arguments[2]) else 5L
threads <- if (length(arguments) > 2) as.integer(arguments[3]) else 2L
options(innsight.threads = threads, innsight.memory = "2GB")

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
python <- new.env()
reticulate::source_python(file.path(here, "peers.py"), envir = python)
python$set_threads(threads)
names <- names(python$NETWORKS)
if (length(arguments) > 0 && arguments[1] != "all") {
  names <- strsplit(arguments[1], ",")[[1]]
}

methods <- list(
  "gradient" = function(...) run_grad(...),
  "smoothgrad 50" = function(...) run_smoothgrad(..., n = 50, noise_level = 0.1),
  "intgrad 50" = function(...) run_intgrad(..., n = 50),
  "lrp epsilon" = function(...) run_lrp(..., rule_name = "epsilon", rule_param = 0.01),
  "lrp alpha 1" = function(...) run_lrp(..., rule_name = "alpha_beta", rule_param = 1),
  "lrp alpha 2" = function(...) run_lrp(..., rule_name = "alpha_beta", rule_param = 2),
  "deeplift rescale" = function(...) run_deeplift(...),
  "deeplift reveal-cancel" = function(...) run_deeplift(..., rule_name = "reveal_cancel"),
  "deepshap" = function(..., data) {
    run_deepshap(..., data = data, data_ref = first_rows(data, 10))
  },
  "connection weights" = function(..., data) run_cw(...)
)

first_rows <- function(x, n) {
  kept <- array(x, c(nrow(x), length(x) / nrow(x)))[seq_len(min(n, nrow(x))), , drop = FALSE]
  array(kept, c(nrow(kept), dim(x)[-1]))
}

read_network <- function(name) {
  folder <- tempfile()
  dir.create(folder)
  shape <- unlist(python$export(name, folder))
  values <- readBin(file.path(folder, paste0(name, ".bin")), "double", prod(shape), size = 4)
  x <- aperm(array(values, rev(shape)), rev(seq_along(shape)))
  list(converter = convert(file.path(folder, paste0(name, ".onnx"))), x = x)
}

seconds <- function(expression) system.time(expression)[["elapsed"]]
cell <- function(x) formatC(1000 * x, format = "f", digits = if (x < 0.01) 2 else 0)

columns <- c("network", "outputs", "method", "ours", "captum", "zennit", "faster peer / ours",
             "ours / forward")
cat("|", paste(columns, collapse = " | "), "|\n", strrep("|---", length(columns)), "|\n", sep = "")
ratios <- c()
for (name in names) {
  network <- read_network(name)
  for (n_outputs in python$outputs(name)) {
    for (method in names(methods)) {
      ours <- function() {
        methods[[method]](
          network$converter, data = network$x, output_idx = seq_len(n_outputs), verbose = FALSE
        )
      }
      result <- try(ours(), silent = TRUE)
      if (inherits(result, "try-error")) {
        cat(sprintf("| %s | %d | %s | %s | | | | |\n", name, n_outputs, method,
                    conditionMessage(attr(result, "condition"))))
        next
      }
      peers <- unlist(python$peers(method))
      times <- replicate(repeats, {
        c(
          ours = seconds(ours()),
          forward = python$forward(name),
          vapply(peers, \(peer) python$run(name, method, peer, as.integer(n_outputs)), 0)
        )
      })
      medians <- apply(times, 1, stats::median)
      of_peer <- \(peer) if (peer %in% peers) cell(medians[[peer]]) else ""
      ratio <- if (length(peers) > 0) min(medians[peers]) / medians[["ours"]]
      ratios <- c(ratios, ratio)
      cat(sprintf(
        "| %s | %d | %s | %s | %s | %s | %s | %.1f |\n", name, n_outputs, method,
        cell(medians[["ours"]]), of_peer("captum"), of_peer("zennit"),
        if (is.null(ratio)) "" else sprintf("%.2f", ratio),
        medians[["ours"]] / medians[["forward"]]
      ))
    }
  }
}
cat(sprintf("\nGeometric mean of the ratios: %.2f\n", exp(mean(log(ratios)))))
