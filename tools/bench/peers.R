# Rscript peers.R [NETWORKS] [REPEATS] [THREADS]: whole methods of this package against captum and
# zennit, in turn; medians in milliseconds and ratios, as a table in Markdown.
#   NETWORKS   such as a,b,c (see peers.py); default: all
# Needs jsonlite and, in the Python that the environment variable PYTHON names, what peers.py needs.
# Python is a process of its own: in R's, PyTorch's threads are slowed down tenfold. The method
# objects of this package are timed from `new()` to `result`; all outputs are explained at once,
# where the peers go through them one by one.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
source(file.path(here, "networks.R"))
`%||%` <- rlang::`%||%`

arguments <- commandArgs(trailingOnly = TRUE)
repeats <- if (length(arguments) > 1) as.integer(arguments[2]) else 5L
threads <- if (length(arguments) > 2) as.integer(arguments[3]) else 2L
options(innsight.threads = threads, innsight.memory = "2GB")

port <- 20000L + Sys.getpid() %% 10000L
server <- serverSocket(port)
system2(Sys.getenv("PYTHON", "python3"), c(file.path(here, "peers.py"), port), wait = FALSE)
connection <- socketAccept(server, blocking = TRUE, open = "r+", timeout = 3600)
ask <- function(...) {
  writeLines(jsonlite::toJSON(list(...), auto_unbox = TRUE, digits = NA), connection)
  jsonlite::fromJSON(readLines(connection, 1)) %||% NA_real_
}
invisible(ask("set_threads", threads))
names <- ask("names")
if (length(arguments) > 0 && arguments[1] != "all") {
  names <- strsplit(arguments[1], ",")[[1]]
}

measured <- c("gradient", "SmoothGrad 50", "IntegratedGradient 50", "LRP epsilon", "LRP alpha 1",
              "LRP alpha 2", "DeepLift rescale", "DeepLift reveal-cancel", "DeepSHAP 10",
              "connection weights")

read_network <- function(name) {
  folder <- tempfile()
  dir.create(folder)
  shape <- ask("export", name, folder)
  values <- readBin(file.path(folder, paste0(name, ".bin")), "double", prod(shape), size = 4)
  x <- aperm(array(values, rev(shape)), rev(seq_along(shape)))
  list(converter = convert(file.path(folder, paste0(name, ".onnx"))), x = x)
}

# Seconds of a call of `f`; as one of a few milliseconds is noise, the median of five if it takes
# less than 20 ms. `timed` of peers.py does the same. PyTorch's threads go on spinning for a while
# after its calls, which would take processor time from ours: the pause lets them fall asleep.
timed <- function(f) {
  Sys.sleep(0.3)
  time <- seconds(f)
  if (time < 0.02) median(c(time, replicate(4, seconds(f)))) else time
}
cell <- function(x) formatC(1000 * x, format = "f", digits = if (x < 0.01) 2 else 0)

columns <- c("network", "outputs", "method", "ours", "captum", "zennit", "faster peer / ours",
             "ours / forward")
cat("|", paste(columns, collapse = " | "), "|\n", strrep("|---", length(columns)), "|\n", sep = "")
ratios <- c()
for (name in names) {
  network <- read_network(name)
  for (n_outputs in ask("outputs", name)) {
    for (method in measured) {
      ours <- function() methods[[method]](network$converter, network$x, seq_len(n_outputs))
      result <- try(ours(), silent = TRUE)
      if (inherits(result, "try-error")) {
        cat(sprintf("| %s | %d | %s | %s | | | | |\n", name, n_outputs, method,
                    conditionMessage(attr(result, "condition"))))
        next
      }
      peers <- as.character(unlist(ask("peers", method)))
      # As of ours just now, a call of everyone else to warm up.
      ask("forward", name)
      for (peer in peers) ask("run", name, method, peer, 1)
      times <- replicate(repeats, {
        c(
          ours = timed(ours),
          forward = ask("forward", name),
          vapply(peers, \(peer) ask("run", name, method, peer, n_outputs), 0)
        )
      })
      medians <- apply(times, 1, median)
      # A peer may not be able to explain a network.
      peers <- peers[!is.na(medians[peers])]
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
