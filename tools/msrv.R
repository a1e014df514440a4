# Stops the installation unless cargo and a rustc as new as DESCRIPTION asks for are found.
# Sourced by tools/config.R; tools/setup runs it too.

cargo_bin <- file.path(
  Sys.getenv(if (.Platform$OS.type == "windows") "USERPROFILE" else "HOME"), ".cargo", "bin"
)
Sys.setenv(PATH = paste(Sys.getenv("PATH"), cargo_bin, sep = .Platform$path.sep))

tool_version <- function(tool) {
  line <- tryCatch(
    suppressWarnings(system2(tool, "--version", stdout = TRUE, stderr = FALSE)),
    error = function(e) character()
  )
  if (length(line)) line[[1]] else ""
}

needed <- sub(
  ".*rustc >= ([0-9.]+).*", "\\1", read.dcf("DESCRIPTION", "SystemRequirements")[[1]]
)
found <- c(cargo = tool_version("cargo"), rustc = tool_version("rustc"))
rustc <- regmatches(found[["rustc"]], regexpr("[0-9]+\\.[0-9]+\\.[0-9]+", found[["rustc"]]))

if (!all(nzchar(found)) || !length(rustc) || numeric_version(rustc) < needed) {
  message(
    "innsight is partly written in Rust and needs cargo and rustc >= ", needed, ".\n",
    "Found: ", if (any(nzchar(found))) paste(found[nzchar(found)], collapse = ", ") else "neither",
    ".\nInstall or update Rust from https://rustup.rs, or with your system's packages ",
    "(Debian: cargo, Fedora: cargo, Homebrew: rust)."
  )
  quit(status = 1)
}
message(paste(found, collapse = "\n"))
