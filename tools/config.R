# Run by configure and configure.win: checks the Rust toolchain and writes src/Makevars or
# src/Makevars.win. With the argument "clean" (from cleanup, cleanup.win) it removes what it made.
#
# Environment variables it looks at
#   CARGO_TARGET_DIR   build there and keep the result (for developers); default: src/rust/target,
#                      removed after linking
#   INNSIGHT_FEATURES  cargo features, e.g. "gpu"; these need the network, since the archive of
#                      dependencies holds only what the CPU build compiles
#   INNSIGHT_PROFILE   "release" (default) or "dev"; DEBUG=1 means "dev"
#
# Where src/rust/vendor.tar.xz is present (in releases; see tools/vendor) the build is offline and
# writes nothing outside the package's folder.

made <- c("src/Makevars", "src/Makevars.win")
scratch <- c(".cargo", "rust/vendor", "rust/target")
if ("clean" %in% commandArgs(trailingOnly = TRUE)) {
  unlink(c(made, file.path("src", scratch), "src/libgcc_mock"), recursive = TRUE)
  quit()
}

source("tools/msrv.R")

features <- Sys.getenv("INNSIGHT_FEATURES")
if (!grepl("^[a-z0-9_, -]*$", features)) {
  stop("INNSIGHT_FEATURES must be a list of cargo features such as \"gpu\", not: ", features)
}
profile <- Sys.getenv("INNSIGHT_PROFILE", if (nzchar(Sys.getenv("DEBUG"))) "dev" else "release")
if (!profile %in% c("release", "dev")) {
  stop("INNSIGHT_PROFILE must be \"release\" or \"dev\", not: ", profile)
}
windows <- .Platform$OS.type == "windows"
macos <- Sys.info()[["sysname"]] == "Darwin"
linux <- Sys.info()[["sysname"]] == "Linux"
gpu <- grepl("gpu", features)
vendored <- file.exists("src/rust/vendor.tar.xz") && !nzchar(features)
triple <- if (windows) {
  if (R.version$arch == "aarch64") "aarch64-pc-windows-gnullvm" else "x86_64-pc-windows-gnu"
}

target_dir <- Sys.getenv("CARGO_TARGET_DIR")
keep <- nzchar(target_dir)
if (keep) {
  dir.create(target_dir, recursive = TRUE, showWarnings = FALSE)
  target_dir <- normalizePath(target_dir, winslash = "/")
} else {
  target_dir <- "rust/target"
}

cargo_flags <- c(
  "--lib", "-j 2", "--manifest-path=rust/Cargo.toml", paste0("--target-dir=", target_dir),
  if (profile == "release") "--release",
  if (nzchar(features)) paste0("--features=\"", features, "\""),
  if (windows) paste0("--target=", triple),
  if (vendored) {
    c(
      "--offline", "--locked",
      "--config 'source.crates-io.replace-with=\"vendored\"'",
      "--config 'source.vendored.directory=\"rust/vendor\"'"
    )
  }
)
env <- c(
  if (vendored) "CARGO_HOME=.cargo",
  # An older target than the linker's own only matters to crates that compile C, but warns for all.
  if (macos) paste0("MACOSX_DEPLOYMENT_TARGET=", Sys.getenv("MACOSX_DEPLOYMENT_TARGET", "11.0")),
  if (identical(triple, "x86_64-pc-windows-gnu")) {
    "CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=x86_64-w64-mingw32.static.posix-gcc.exe"
  }
)
# What Rust's standard library and the crates link, and a static library cannot say itself.
libs <- if (windows) {
  c(
    "-lws2_32", "-ladvapi32", "-luserenv", "-lbcrypt", "-lntdll",
    if (gpu) c("-lgdi32", "-lole32", "-loleaut32", "-lopengl32", "-luser32")
  )
} else if (macos) {
  if (gpu) paste("-framework", c("Metal", "QuartzCore", "CoreGraphics", "Foundation"))
} else {
  c(
    "-lpthread", "-ldl", "-lm",
    # Hide Rust's symbols, so that the linker drops what is not used: 4 instead of 10 MB.
    if (linux) c("-Wl,--exclude-libs,ALL", "-Wl,--gc-sections"),
    if (linux && profile == "release") c("-Wl,-S", "-Wl,-x")
  )
}

values <- c(
  LIBDIR = paste(c(target_dir, triple, if (profile == "dev") "debug" else profile), collapse = "/"),
  LIBS = paste(libs, collapse = " "),
  UNPACK = if (vendored) "cd rust && tar -xJf vendor.tar.xz" else ":",
  ENV = paste(env, collapse = " "),
  CARGO_FLAGS = paste(cargo_flags, collapse = " "),
  TRASH = paste(if (keep) setdiff(scratch, "rust/target") else scratch, collapse = " ")
)
makevars <- if (windows) "src/Makevars.win" else "src/Makevars"
text <- readLines(paste0(makevars, ".in"))
for (name in names(values)) {
  text <- gsub(paste0("@", name, "@"), values[[name]], text, fixed = TRUE)
}
writeLines(text, makevars)
message(
  "Building with profile ", profile,
  if (nzchar(features)) paste0(", features ", features),
  if (vendored) ", offline from src/rust/vendor.tar.xz"
)
