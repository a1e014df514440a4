test_that("traced graphs of R torch and PyTorch predict and differentiate as these do", {
  models <- torch_models()
  expect_length(models, 8)
  for (model in models) {
    expect_torch_results(graph_model_list(model$graph, model$weights), model)
  }
})

test_that("operations beyond modules compute what PyTorch does", {
  for (case in torch_cases("torch-graphs.json")) {
    expect_torch_predictions(graph_model_list(unlist(case$graph), case$weights), case)
  }
})

test_that("a graph is taken apart into inputs, operations and outputs", {
  parsed <- parse_graph(torch_models()$pt_two_input$graph)
  expect_identical(parsed$inputs$names, c("%self.1", "%tab", "%sig"))
  expect_identical(lapply(parsed$inputs$types, type_shape), list(NULL, c(3L, 5L), c(3L, 2L, 10L)))
  expect_identical(parsed$outputs, "%40")
  node <- Filter(function(node) node$op == "aten::_convolution", parsed$nodes)[[1]]
  expect_identical(node$names, "%input.1")
  expect_identical(node$args[1:3], c("%sig", "%weight.5", "%bias.5"))
  expect_identical(node$place, "c")
  expect_identical(type_shape(node$types), c(3L, 6L, 10L))
  expect_null(type_shape("Tensor"))
})

graph <- function(..., type = "Float(2, 4, 3, strides=[12, 3, 1], requires_grad=0, device=cpu)") {
  lines <- gsub("FLOAT", type, c(...), fixed = TRUE)
  c("graph(%self : __torch__.Net,", sprintf("      %%x : %s):", type), paste0("  ", lines))
}

test_that("layers of a graph are called by their modules and reach an output", {
  model <- torch_models()$rt_resnet
  net <- graph_model_list(model$graph, model$weights)
  name <- vapply(net$layers, function(layer) layer$name %||% "", "")
  expect_identical(name[nzchar(name)], c("c1", "b1", "c2", "b2", "fc"))
  # The shortcut starts behind the first relu, which thus stays a layer; nothing is lost.
  net <- graph_model_list(graph(
    "%1 : FLOAT = aten::tanh(%x)", "%unused : FLOAT = aten::sigmoid(%1)",
    "%2 : FLOAT = aten::relu(%1)", "return (%2)"
  ), list())
  expect_identical(vapply(net$layers, function(layer) layer$act_name, ""), c("tanh", "relu"))
})

test_that("all unsupported operations are listed, with their place", {
  text <- graph(
    "%1 : FLOAT = aten::erfinv(%x), scope: __module.block/__module.block.0",
    "%2 : FLOAT = aten::relu(%1)",
    "%3 : FLOAT = aten::bmm(%2, %x)",
    "%4 : int = prim::Constant[value=0]()", "%5 : int = prim::Constant[value=1]()",
    "%6 : Float(4, 2, 3, strides=[12, 3, 1]) = aten::transpose(%x, %4, %5)",
    "%7 : Float(3) = prim::Constant[value= 1.5  2  3 [ CPUFloatType{3} ]]()",
    "%8 : FLOAT = aten::add(%x, %7, %5)",
    "%w : Tensor = prim::GetAttr[name=\"weight\"](%self)",
    "return (%3)"
  )
  expect_snapshot(error = TRUE, graph_model_list(text, list()))
  expect_error(graph_model_list("no graph", list()), class = "innsight_error_model")
})

test_that("numbers a graph gives with few digits are warned of", {
  text <- function(number) {
    graph(sprintf("%%1 : Double(requires_grad=0) = prim::Constant[value={%s}]()", number),
          "%2 : FLOAT = aten::mul(%x, %1)", "return (%2)")
  }
  expect_warning(graph_model_list(text("0.333333"), list()), "6 digits", class = "innsight_warning")
  expect_identical(graph_model_list(text("0.25"), list())$layers[[1]]$scale, 0.25)
})

test_that("the number of rows cannot become a part of the network", {
  text <- graph(
    "%1 : int = prim::Constant[value=0]()", "%2 : int = aten::size(%x, %1)",
    "%3 : FLOAT = aten::mul(%x, %2)", "return (%3)"
  )
  expect_error(Converter$new(graph_model_list(text, list())), class = "innsight_error")
})

test_that("a graph that returns no tensor is an error", {
  text <- graph("%1 : int = prim::Constant[value=3]()", "return (%1)")
  expect_error(graph_model_list(text, list()), "return tensors", class = "innsight_error_model")
})
