# Called by tools/vendor: Rscript authors.R METADATA COMPILED FOLDER writes AUTHORS and LICENSE.note
# of the crates listed in COMPILED (name-version) into FOLDER, from what `cargo metadata` says.
paths <- commandArgs(trailingOnly = TRUE)
compiled <- readLines(paths[[2]])
crates <- jsonlite::read_json(paths[[1]])$packages
names(crates) <- vapply(crates, \(crate) paste0(crate$name, "-", crate$version), "")
crates <- crates[intersect(compiled, names(crates))]
stopifnot(length(crates) == length(compiled), length(crates) > 0)

field <- function(crate, name) {
  value <- unlist(crate[[name]])
  if (length(value)) paste(value, collapse = ", ") else ""
}
# Cargo no longer asks crates for their authors; the repository leads to them.
authors <- function(crate) {
  named <- field(crate, "authors")
  where <- c(field(crate, "repository"), field(crate, "homepage"), "https://crates.io")
  if (nzchar(named)) named else paste("the contributors of", where[nzchar(where)][[1]])
}
licence <- function(crate) {
  if (nzchar(field(crate, "license"))) field(crate, "license") else "see the crate's licence file"
}

writeLines(
  c(
    "Authors of the Rust crates that the package's library contains or is built with,",
    "written by tools/vendor.", "",
    vapply(crates, \(crate) paste0(crate$name, " ", crate$version, ": ", authors(crate)), "")
  ),
  file.path(paths[[3]], "AUTHORS")
)
writeLines(
  c(
    "The package's library contains or is built with these Rust crates, each under its licence.",
    "Written by tools/vendor; inst/AUTHORS names their authors.", "",
    vapply(crates, function(crate) {
      facts <- c(licence(crate), field(crate, "repository"))
      paste0(crate$name, " ", crate$version, ": ", paste(facts[nzchar(facts)], collapse = ", "))
    }, "")
  ),
  file.path(paths[[3]], "LICENSE.note")
)
