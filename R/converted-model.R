# The callable `converter$model`: a function over an environment that holds the normalised list
# (the truth), the engine's handle (a cache) and what a pass was asked to keep.

#' The converted network
#'
#' `converter$model` of a [Converter] is a function with a few elements. It belongs to the converter
#' and cannot be made otherwise.
#'
#' ```
#' converter$model(x, channels_first = TRUE, save_input = FALSE, save_preactivation = FALSE,
#'                 save_output = FALSE, save_last_layer = FALSE)
#' ```
#' evaluates the network on `x`, an array of shape (N, dims) or a list of arrays, one per input
#' layer. It returns a list with a matrix (N x number of output nodes) per output layer. The flags
#' keep inputs, pre-activations and outputs of every layer (`save_last_layer`: everything of the
#' output layers) as arrays, channels first.
#'
#' Elements, read with `$`:
#' * `modules_list`: the layers, named `<type>_<index>` (`Dense_1`, `Conv2D_3`). Each offers
#'   `name` (if the model has one), `input_dim`, `output_dim`, the weights `W` and `b`,
#'   `activation_name` and, after a pass that keeps them, `input`, `preactivation`, `output`,
#'   `input_ref`, `preactivation_ref`, `output_ref`.
#' * `update_ref(x_ref, ...)`: the same pass, which keeps its values in the `*_ref` slots.
#' * `reset()`: forgets all kept values.
#' * `set_dtype("float")` or `set_dtype("double")`: precision of the next passes; `dtype` tells it.
#' * `graph`: list (layer) of `input_layers` and `output_layers`; `input_nodes`, `output_nodes`.
#'
#' @name ConvertedModel
#' @keywords internal
NULL

#' @noRd
converted_model <- function(net, dtype) {
  self <- new.env(parent = parent.env(environment()))
  self$self <- self
  self$net <- net
  self$dtype <- dtype
  self$handle <- NULL
  # The list is reached through `self` alone, so that it is written once by saveRDS().
  bind <- function(f) `environment<-`(f, self)
  self$forward <- bind(
    function(x, channels_first = TRUE, save_input = FALSE, save_preactivation = FALSE,
             save_output = FALSE, save_last_layer = FALSE) {
      flags <- list(input = save_input, preactivation = save_preactivation, output = save_output,
                    last_layer = save_last_layer)
      forward_pass(self, x, channels_first, flags, "")
    }
  )
  self$update_ref <- bind(
    function(x_ref, channels_first = TRUE, save_input = FALSE, save_preactivation = FALSE,
             save_output = FALSE, save_last_layer = FALSE) {
      flags <- list(input = save_input, preactivation = save_preactivation, output = save_output,
                    last_layer = save_last_layer)
      forward_pass(self, x_ref, channels_first, flags, "_ref")
    }
  )
  self$set_dtype <- bind(function(dtype) {
    self$dtype <- check_choice(dtype, c("float", "double"))
    invisible(self$model)
  })
  self$reset <- bind(function() {
    for (layer in self$modules_list) rm(list = kept_values(layer), envir = layer)
    invisible(self$model)
  })
  self$model <- structure(self$forward, class = c("ConvertedModel", "function"))
  self$model
}

#' Describe the layers after the engine knows their shapes
#' @noRd
set_modules <- function(model, info) {
  self <- environment(model)
  layers <- self$net$layers
  self$modules_list <- lapply(seq_along(layers), function(i) {
    module <- new.env(parent = emptyenv())
    module$self <- self
    module$index <- i
    structure(module, class = c(info$layers[[i]]$class, "innsight_layer"))
  })
  names(self$modules_list) <- paste0(
    vapply(layers, function(layer) layer$type, ""), "_", seq_along(layers)
  )
  self$graph <- lapply(layers, function(layer) layer[c("input_layers", "output_layers")])
  self$input_nodes <- self$net$input_nodes
  self$output_nodes <- self$net$output_nodes
  self$output_order <- seq_along(self$output_nodes)
}

# The class of every layer, by its name.
layer_classes <- function(model) vapply(model$modules_list, \(layer) class(layer)[1L], "")

kept_values <- function(layer) {
  slots <- c("input", "preactivation", "output")
  intersect(c(slots, paste0(slots, "_ref")), ls(layer))
}

forward_pass <- function(self, x, channels_first, flags, suffix) {
  call <- quote(converter$model())
  arg <- paste0("x", suffix)
  check_flag(channels_first, call = call)
  for (name in names(flags)) check_flag(flags[[name]], arg = paste0("save_", name), call = call)
  x <- as_input_arrays(x, self$net$input_dim, channels_first, arg, call)
  if (!any(unlist(flags))) {
    return(network_predict(self, x, channels_first, self$dtype, call))
  }
  values <- network_activations(self, x, channels_first, self$dtype, call)
  for (i in seq_along(values)) {
    all <- flags$last_layer && i %in% self$net$output_nodes
    for (slot in c("input", "preactivation", "output")) {
      value <- values[[i]][[slot]]
      if (slot == "input" && length(value) == 1L) value <- value[[1L]]
      if (all || flags[[slot]]) {
        assign(paste0(slot, suffix), value, envir = self$modules_list[[i]])
      }
    }
  }
  lapply(values[self$net$output_nodes], `[[`, "output")
}

#' @export
`$.ConvertedModel` <- function(x, name) {
  get0(name, envir = environment(x), inherits = FALSE)
}

#' @export
`$.innsight_layer` <- function(x, name) {
  layer <- get("self", envir = x)$net$layers[[get("index", envir = x)]]
  switch(name,
    W = layer$weight,
    b = layer$bias,
    activation_name = c(layer$activation_name, layer$act_name),
    name = layer$name,
    input_dim = layer$dim_in,
    output_dim = layer$dim_out,
    get0(name, envir = x, inherits = FALSE)
  )
}

#' @export
print.ConvertedModel <- function(x, ...) {
  self <- environment(x)
  cat(sprintf("<ConvertedModel> %d layers, dtype \"%s\"\n", length(self$modules_list), self$dtype))
  cat(sprintf("  %s\n", names(self$modules_list)), sep = "")
  cat("Call it with data: converter$model(x)\n")
  invisible(x)
}

#' @export
print.innsight_layer <- function(x, ...) {
  cat(describe_layer(x), "\n")
  invisible(x)
}

#' @noRd
describe_layer <- function(layer) {
  shapes <- layer$input_dim
  inputs <- format_shapes(if (is.list(shapes)) shapes else list(shapes), batch = TRUE)
  name <- if (!is.null(layer$name)) sprintf(" `%s`", layer$name)
  sprintf("<%s>%s: input_dim: %s, output_dim: %s", class(layer)[1L], name %||% "", inputs,
          format_shape(layer$output_dim, batch = TRUE))
}
