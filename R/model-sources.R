# What can be converted: one row for every source, in the order of the help page. The error about an
# unknown model and the tables in help page and vignette are made from it.
#
# `classes` are those of the methods of as_model_list(), separated by commas.
model_sources <- matrix(
  c(
    "Named list", "list",
    "every layer type and activation of the package, see `?Converter`",

    "Files", "character",
    "`.keras` and `.h5` of Keras, `.onnx` (opset 7 to 21), `.pt` of R torch (0.12 or later, an
     `nn_sequential`); see `vignette(\"models\", \"innsight\")`",

    "keras3, keras", "python.builtin.object",
    "sequential and functional models of Keras 3 and 2, nested ones and shared layers as well; also
     from plain reticulate",

    "torch, luz", "nn_module, nn_module_generator, luz_module_fitted",
    "`nn_sequential`, nested too; any other module whose `forward()` has no branches, by a trace",

    "neuralnet", "nn",
    "all fits; of several repetitions the best one; excluded weights are 0; a custom activation
     that equals one of the package's",

    "nnet", "nnet",
    "`nnet()` and `multinom()`, with skip-layer connections, without a hidden layer and with
     masked weights as well; no offset in `multinom()`",

    "caret", "train, pcaNNet, avNNet",
    "`train()` with a method of a package in this table, `pcaNNet()`; not its preprocessing; of
     `avNNet()` one network at a time",

    "parsnip, workflows, tune",
    "model_fit, model_spec, workflow, last_fit, tune_results",
    "fits with an engine in this table; not the steps of a recipe",

    "mlr3, mlr3torch", "Learner",
    "trained learners of a package in this table, e.g. `classif.nnet`; the network of a torch
     learner",

    "brulee",
    "brulee_mlp, brulee_linear_reg, brulee_logistic_reg, brulee_multinomial_reg",
    "the best epoch, outcomes on their own scale, classes as probabilities; without torch",

    "cito", "citodnn, citodnnBootstrap",
    "`dnn()` without embeddings, at the epoch in use; without torch",

    "deepnet", "list",
    "`nn.train()`, `dbn.dnn.train()` and `sae.dnn.train()`",

    "RSNNS", "rsnns",
    "`mlp()`; needs the package"
  ),
  ncol = 3L, byrow = TRUE, dimnames = list(NULL, c("source", "classes", "supported"))
)
model_sources[] <- gsub("\\s+", " ", model_sources)

# The table as a section of the help page.
source_table <- function() {
  rows <- apply(model_sources[, c("source", "supported")], 1L, paste, collapse = " | ")
  c("@section Sources:", "| source | what is supported |", "|---|---|", sprintf("| %s |", rows))
}

#' What the layers of a source become, from the tables that convert them
#'
#' @param source `"keras"`, `"torch"` (`nn_<name>` of a module, `aten::<name>` of a trace) or
#'   `"onnx"`.
#' @return A data frame with a row for each of `theirs` and the layers as text, `ours`.
#' @noRd
supported_layers <- function(source = c("keras", "torch", "onnx")) {
  ours <- switch(rlang::arg_match(source),
    keras = vapply(keras_layers, `[[`, "", "to"),
    torch = torch_table(),
    onnx = onnx_table()
  )
  ours <- ours[order(tolower(names(ours)))]
  data.frame(theirs = names(ours), ours = unname(ours))
}

# Modules and operations, other names included.
torch_table <- function() {
  none <- setdiff(names(trace_operations), c(names(trace_becomes), names(torch_becomes)))
  trace <- trace_becomes[setdiff(names(trace_becomes), names(torch_becomes))]
  ours <- c(torch_becomes, trace, stats::setNames(rep("none", length(none)), none))
  aliases <- c(torch_aliases, trace_aliases)
  c(ours, stats::setNames(ours[aliases], names(aliases)))
}

# Operators that are computed where they have constants alone come last.
onnx_table <- function() {
  onnx <- capabilities()$onnx
  folded <- setdiff(onnx$folded, names(onnx$operators))
  folded <- stats::setNames(rep("none, of constants alone", length(folded)), folded)
  c(unlist(onnx$operators), folded)
}
