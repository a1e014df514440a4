test_that("named lists pass through, of any class", {
  net <- tiny_net()
  expect_identical(as_model_list(net), net)
  expect_identical(as_model_list(structure(net, class = "theirs")), net)
})

test_that("unknown models are errors that name their class", {
  expect_error(convert(lm(dist ~ speed, cars)), "<lm>", class = "innsight_error_model")
  expect_error(convert(3), class = "innsight_error_model")
  expect_error(convert(NULL), class = "innsight_error_model")
  expect_error(as_model_list(), "model", class = "innsight_error_argument")
  model <- structure(list(), class = c("specific", "python.builtin.object"))
  expect_error(convert(model), "<specific/python", class = "innsight_error_model")
})

test_that("every source of the table has its methods, and every method is in the table", {
  classes <- unlist(strsplit(model_sources[, "classes"], ", "))
  methods <- sub("as_model_list.", "", ls(asNamespace("innsight"), pattern = "^as_model_list[.]"))
  expect_setequal(classes, setdiff(methods, "default"))
  error <- tryCatch(convert(lm(dist ~ speed, cars)), error = identity)
  for (source in model_sources[, "source"][-(1:2)]) {
    expect_match(conditionMessage(error), source, fixed = TRUE)
  }
})

test_that("other packages can add a method", {
  registerS3method("as_model_list", "their_fit", function(model, ...) model$net,
                   envir = asNamespace("innsight"))
  converter <- convert(structure(list(net = tiny_net()), class = "their_fit"))
  expect_s3_class(converter, "Converter")
})
