# Models of torch for the tests.
#
# fixtures/torch-models.rds: models saved and traced by R torch (rt_*) and PyTorch (pt_*) with their
# inputs, predictions and input gradients; of `module` the weights are names in `weights`.
# fixtures/torch-modules.json, torch-graphs.json: small models with what PyTorch 2 computes for
# them, rounded to 5 decimals; made by tools/torch-fixtures.py. Weights and inputs are waves (see
# below), so that shapes suffice.

torch_models <- function() {
  models <- readRDS(test_path("fixtures", "torch-models.rds"))
  lapply(models, function(model) {
    model$weights <- lapply(model$weights, function(x) {
      f32(as.vector(unclass(x)), attr(x, "shape"))
    })
    if (!is.null(model$module)) model$module <- with_weights(model$module, model$weights)
    model
  })
}

# Names of weights in a tree -> the weights.
with_weights <- function(module, values, path = NULL) {
  keys <- unlist(lapply(module$weights, function(name) paste(c(path, name), collapse = ".")))
  module$weights <- stats::setNames(values[keys], module$weights)
  module$children <- Map(with_weights, module$children, path = lapply(
    names(module$children), function(name) paste(c(path, name), collapse = ".")
  ), MoreArgs = list(values = values))
  module
}

expect_torch_results <- function(net, model) {
  inputs <- if (length(model$inputs) == 1) model$inputs[[1]] else model$inputs
  n <- ncol(model$outputs[[1]]$values)
  gradient <- Gradient$new(Converter$new(net), inputs, output_idx = seq_len(n),
                           ignore_last_act = FALSE, dtype = "double", verbose = FALSE)
  expect_equal(unname(gradient$preds[[1]]), model$outputs[[1]]$values, tolerance = 1e-6)
  for (i in seq_along(model$inputs)) {
    expect_equal(unname(gradient$result[[1]][[i]]), model$outputs[[1]]$gradients[[i]],
                 tolerance = 1e-6)
  }
}

row_major <- function(values, shape) aperm(array(values, rev(shape)))
wave <- function(shape, k) {
  shape <- unlist(shape)
  row_major(sin(seq_len(prod(shape)) * 0.7 + k) * 0.8, shape)
}
torch_cases <- function(file) {
  skip_if_not_installed("jsonlite")
  cases <- jsonlite::fromJSON(test_path("fixtures", file), simplifyVector = FALSE)$cases
  lapply(cases, function(case) {
    case$weights <- Map(function(shape, k, name) {
      if (endsWith(name, "running_var")) abs(wave(shape, k)) + 0.5 else wave(shape, k)
    }, case$weights, seq_along(case$weights), names(case$weights))
    case$input_dim <- lapply(case$input_dim, unlist)
    if (!is.null(case$module)) case$module <- with_weights(named_tree(case$module), case$weights)
    case
  })
}
named_tree <- function(module) {
  module$fields <- lapply(module$fields, function(x) if (is.list(x)) unlist(x) else x)
  module$weights <- names(module$weights)
  module$children <- lapply(module$children, named_tree)
  module
}

expect_torch_predictions <- function(net, case) {
  x <- lapply(case$input_dim, function(shape) wave(c(2, shape), 0) * 2)
  result <- predict(Converter$new(net, dtype = "double"), x)
  if (!is.list(result)) result <- list(result)
  expect_identical(length(result), length(case$y))
  for (i in seq_along(result)) {
    label <- sprintf("output %d of %s", i, case$name)
    difference <- max(abs(as.vector(t(result[[i]])) - unlist(case$y[[i]])))
    expect_lt(difference, 6e-6, label = label)
  }
}

# ---- live objects ----
# The documented structure of a live module: a function with the module's environment as attribute.
fake_tensor <- function(value) {
  self <- new.env()
  self$value <- as.array(value)
  self$shape <- dim(self$value)
  self$detach <- self$cpu <- self$to <- self$contiguous <- function(...) self
  class(self) <- "torch_tensor"
  self
}
fake_module <- function(module, tensor = fake_tensor) {
  private <- new.env()
  # A parameter that a module does without is NULL there.
  private$parameters_ <- c(lapply(module$weights, tensor), list(unused = NULL))
  private$buffers_ <- list()
  private$modules_ <- lapply(module$children, fake_module, tensor)
  self <- list2env(module$fields, envir = new.env())
  self$training <- TRUE
  self$forward <- function(...) NULL
  makeActiveBinding("children", function() stop("not a field"), self)
  self$.__enclos_env__ <- list2env(list(private = private), envir = new.env())
  structure(function(...) NULL, class = c(module$class, if (length(module$class) == 1) "nn_module"),
            module = self)
}

# A package torch that reads fake tensors and "traces" the graph of an option.
local_fake_torch <- function(graph = NULL, env = parent.frame()) {
  local_fake_package(
    "torch", c("torch_float", "torch_zeros", "buffer_from_torch_tensor", "jit_trace"),
    c("torch_float <- function() 'float'",
      "torch_zeros <- function(size, ...) size",
      "buffer_from_torch_tensor <- function(x) {",
      "  value <- x$value",
      "  if (length(dim(value)) > 1) value <- aperm(value)",
      "  writeBin(as.double(value), raw(), size = 4, endian = 'little')",
      "}",
      "jit_trace <- function(func, ..., respect_mode = TRUE) {",
      "  modules <- innsight:::module_environments(func)",
      "  stopifnot(!respect_mode, !vapply(modules, function(m) m$training, NA))",
      "  options(torch.traced_with = list(...))",
      "  list(graph = list(str = getOption('torch.graph')))",
      "}"),
    env = env
  )
  old <- options(torch.graph = graph)
  do.call(on.exit, list(bquote(options(.(old))), add = TRUE), envir = env)
}
