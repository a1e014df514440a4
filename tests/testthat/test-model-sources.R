# The tables of the documentation against what comes out.

layer_name <- function(layer) paste(c(layer$type, layer$act_name), collapse = " ")
# "Dense, Activation gelu, gelu_tanh" -> one text for each layer.
said <- function(text) {
  parts <- strsplit(text, ", ")[[1]]
  sub("^([a-z])", "Activation \\1", parts)
}
local_namespace <- function(name, value, env = parent.frame()) {
  namespace <- asNamespace("innsight")
  old <- get(name, namespace)
  set <- function(value) {
    rlang::env_binding_unlock(namespace, name)
    assign(name, value, namespace)
    rlang::env_binding_lock(namespace, name)
  }
  set(value)
  do.call(on.exit, list(bquote(.(set)(.(old))), add = TRUE), envir = env)
}

test_that("modules of torch become what the table says", {
  made <- new.env()
  for (case in torch_cases("torch-modules.json")) {
    rank <- length(case$input_dim[[1]])
    for (leaf in torch_leaves(case$module)) {
      name <- sub("^nn_", "", leaf$module$class[1])
      if (name %in% names(torch_aliases)) name <- torch_aliases[[name]]
      layers <- torch_layers(list(leaf), rank)$layers
      made[[name]] <- union(made[[name]], vapply(layers, layer_name, ""))
      rank <- rank_after(rank, layers)
    }
  }
  # The cases do not pool every kind to one and to several windows.
  for (name in grep("^adaptive", names(torch_operations), value = TRUE)) {
    at <- list(rank = if (endsWith(name, "1d")) 2 else 3)
    layers <- c(torch_operations[[name]](at, 1), torch_operations[[name]](at, 2))
    made[[name]] <- union(made[[name]], vapply(layers, layer_name, ""))
  }
  expect_setequal(names(torch_becomes), names(torch_operations))
  for (name in names(torch_becomes)) {
    expect_setequal(said(torch_becomes[[name]]), made[[name]])
  }
})

test_that("operations of traces become what the table says", {
  made <- new.env()
  noted <- Map(function(operation, name) {
    function(graph, args, node) {
      before <- length(graph$layers)
      value <- operation(graph, args, node)
      new <- graph$layers[seq_along(graph$layers) > before]
      made[[name]] <- union(made[[name]], vapply(new, layer_name, ""))
      value
    }
  }, trace_operations, names(trace_operations))
  local_namespace("trace_operations", noted)
  for (case in torch_cases("torch-graphs.json")) graph_model_list(unlist(case$graph), case$weights)
  for (model in torch_models()) graph_model_list(model$graph, model$weights)
  expect_true(all(names(trace_becomes) %in% names(trace_operations)))
  for (name in names(made)) {
    expect_true(all(made[[name]] %in% said(trace_becomes[name])), label = name)
  }
})

test_that("there is a row for everything that the tables know", {
  for (source in c("keras", "torch", "onnx")) {
    table <- supported_layers(source)
    expect_identical(names(table), c("theirs", "ours"))
    expect_false(anyNA(table) || anyDuplicated(table$theirs) > 0)
  }
  expect_true(all(names(keras_layers) %in% supported_layers("keras")$theirs))
  operations <- c(names(torch_operations), names(torch_aliases), names(trace_operations),
                  names(trace_aliases))
  expect_setequal(supported_layers("torch")$theirs, operations)
  types <- unlist(strsplit(vapply(keras_layers, `[[`, "", "to"), ", "))
  expect_true(all(types %in% names(layer_fields)))
})
