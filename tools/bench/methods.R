# Rscript methods.R [NETWORKS [METHODS]]: median times of whole methods from R, in milliseconds, on
# the networks (a) to (e) of the README beside this file. Compare two versions by running them in
# turn with R_LIBS.
#   NETWORKS   letters; default: all but e
#   METHODS    a pattern of names; default: all
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
source(file.path(here, "networks.R"))

set.seed(1)
given <- commandArgs(TRUE)
args <- c(given, c("abcd", "")[seq_len(2) > length(given)])
for (name in strsplit(args[1], "")[[1]]) {
  network <- networks[[name]]()
  converter <- convert(network$model)
  for (method in grep(args[2], names(methods), value = TRUE)) {
    call <- function() methods[[method]](converter, network$x)
    call()
    times <- replicate(5, seconds(call))
    cat(sprintf("%s  %-24s %8.1f ms, at best %8.1f ms\n", name, method, 1000 * median(times),
                1000 * min(times)))
  }
}
