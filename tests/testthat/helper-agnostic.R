# What the tests of the model-agnostic methods share.

agnostic_data <- function(n, d, seed = 1) with_seed(seed, matrix(rnorm(n * d), n))

# Two outputs with interactions of up to three features; the last feature is a dummy.
interacting <- function(newdata, ...) {
  x <- as.matrix(newdata)
  cbind(
    x[, 1] * x[, 2] - 2 * x[, 3] + 1,
    exp(x[, 1] / 2) * x[, 2] * sin(x[, 3])
  )
}

# Installs a package with the given R code into a library of its own for the rest of the test.
local_fake_package <- function(name, exports, code, env = parent.frame()) {
  skip_on_cran()
  skip_if(requireNamespace(name, quietly = TRUE), paste(name, "itself is installed"))
  path <- file.path(tempfile(), name)
  lib <- tempfile("lib")
  dir.create(file.path(path, "R"), recursive = TRUE)
  dir.create(lib)
  writeLines(
    c(paste("Package:", name), "Version: 0.0.1", "Title: Fake", "Description: For a test.",
      "License: MIT", "Author: A", "Maintainer: A <a@example.com>"),
    file.path(path, "DESCRIPTION")
  )
  writeLines(paste0("export(", exports, ")"), file.path(path, "NAMESPACE"))
  writeLines(code, file.path(path, "R", "code.R"))
  utils::install.packages(path, lib, repos = NULL, type = "source", quiet = TRUE)
  old <- .libPaths()
  .libPaths(c(lib, old))
  undo <- bquote({
    if (isNamespaceLoaded(.(name))) unloadNamespace(.(name))
    .libPaths(.(old))
  })
  do.call(on.exit, list(undo, add = TRUE), envir = env)
}
