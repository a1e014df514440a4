#' Layer-wise relevance propagation
#'
#' @description
#' Starts with the value of an output node and distributes it backwards, layer by layer, over the
#' input values. How a layer distributes is decided by its rule. `run_lrp()` is the same as
#' `LRP$new()`.
#'
#' @eval param_doc("converter")
#' @eval param_doc("data")
#' @eval param_doc("channels_first")
#' @eval param_doc("output_idx")
#' @eval param_doc("output_label")
#' @eval param_doc("ignore_last_act")
#' @eval param_doc("winner_takes_all")
#' @eval param_doc("verbose")
#' @eval param_doc("dtype")
#'
#' @details
#' Relevance starts as the value of the node; if the last activation is not ignored and is a
#' sigmoid or softmax, as this value minus 0.5. Relevance passes activations unchanged, a softmax
#' and a `PReLU` layer among them, and the factors of a product get equal shares of it. `LayerNorm`,
#' `GroupNorm` and `InstanceNorm` count as linear, with the deviation of the data point held fixed;
#' the rules apply to them as to other linear layers. A bias takes part in the denominators but gets
#' no relevance, so that the relevances of a data point add up to the start value only for models
#' without biases.
#'
#' @eval rule_table()
#' @param rule_name The name of a rule for all layers, or a named list of rules: the names are
#'   classes of layers (such as `Dense_Layer` or `Dense`, `Conv2D_Layer` or `Conv2D`, see
#'   `print(converter)`), all other layers use `"simple"`. Some rules are only for some classes of
#'   layers and can only be given in a list.
#' @param rule_param The parameter of the rule: `NULL` for the default, a number for all layers, or
#'   a named list of numbers with classes of layers as names (the default for all other layers).
#' @family methods
#' @examples
#' model <- list(
#'   input_dim = 3, input_nodes = 1, output_nodes = 2,
#'   layers = list(
#'     list(type = "Dense", weight = matrix(c(1, -1, 2, 0, 1, 1), 2), bias = c(0, 1),
#'          activation_name = "relu", input_layers = 0, output_layers = 2),
#'     list(type = "Dense", weight = matrix(c(1, -2), 1), bias = 0,
#'          activation_name = "tanh", input_layers = 1, output_layers = -1)
#'   )
#' )
#' converter <- convert(model)
#' x <- matrix(c(1, 2, -1, 0.5, 0.3, 1), nrow = 2)
#'
#' lrp <- run_lrp(converter, x, rule_name = "epsilon", rule_param = 0.01)
#' get_result(lrp)
#' summary(lrp)
#' run_lrp(converter, x, rule_name = list(Dense_Layer = "alpha_beta"), rule_param = 1)
#' @export
LRP <- R6::R6Class("LRP",
  inherit = InterpretingMethod,
  public = list(
    #' @field rule_name The argument as given.
    rule_name = NULL,
    #' @field rule_param The argument as given.
    rule_param = NULL,

    #' @description Compute the relevances.
    initialize = function(converter, data, channels_first = TRUE, output_idx = NULL,
                          output_label = NULL, ignore_last_act = TRUE, rule_name = "simple",
                          rule_param = NULL, winner_takes_all = TRUE, verbose = interactive(),
                          dtype = "float") {
      super$initialize(
        converter, data, channels_first, output_idx, output_label, ignore_last_act,
        winner_takes_all, verbose, dtype
      )
      rules <- lrp_rules(rule_name, rule_param, private$call())
      self$rule_name <- rule_name
      self$rule_param <- rule_param
      private$explain(list(
        name = "lrp",
        winner_takes_all = self$winner_takes_all,
        rules = rules$rules,
        default = rules$default
      ))
    }
  ),
  private = list(
    has_ledger = function() TRUE,

    # Rules that give the same relevance to several cells make more of it.
    lossy = function() {
      rules <- lrp_rules(self$rule_name, self$rule_param, private$call())$rules
      classes <- layer_classes(self$converter$model)
      vapply(classes, \(class) identical(rules[[class]]$name, "ties"), NA)
    },

    print_fields = function() {
      rules <- lrp_rules(self$rule_name, self$rule_param, private$call())
      c(
        rule = paste0(
          c(names(rules$rules), if (length(rules$rules) > 0) "others"),
          if (length(rules$rules) > 0) " ",
          vapply(c(rules$rules, list(rules$default)), format_rule, ""),
          collapse = ", "
        ),
        winner_takes_all = format(self$winner_takes_all)
      )
    }
  )
)

#' @rdname LRP
#' @eval param_doc("converter")
#' @eval param_doc("data")
#' @param ... Passed on to `LRP$new()`.
#' @return An object of class `LRP`.
#' @export
run_lrp <- function(converter, data, ...) LRP$new(converter, data, ...)

# The rules in the form the engine takes: `rules`, a list (layer class) of list(name, param), and
# `default` for all other classes; param NA stands for the default of the rule.
lrp_rules <- function(rule_name, rule_param, call) {
  table <- capabilities()
  rules <- stats::setNames(table$rules, vapply(table$rules, `[[`, "", "name"))
  layers <- Filter(\(layer) layer$kind %in% c("affine", "selection", "frozen"), table$layers)
  is_for <- \(rule, class) length(rule$layers) == 0 || class %in% rule$layers

  default <- list(name = "simple", param = NA_real_)
  names_by_class <- params_by_class <- list()
  if (is_per_class(rule_name)) {
    names_by_class <- lapply(by_class(rule_name, layers, "rule_name", call), check_rule_name, rules,
                             call)
  } else {
    general <- Filter(\(rule) length(rule$layers) == 0, rules)
    default$name <- check_rule_name(rule_name, general, call, setdiff(names(rules), names(general)))
  }
  if (is_per_class(rule_param)) {
    params_by_class <- lapply(by_class(rule_param, layers, "rule_param", call), check_rule_param,
                              call)
  } else {
    default$param <- check_rule_param(rule_param, call)
  }

  classes <- union(names(names_by_class), names(params_by_class))
  chosen <- lapply(stats::setNames(classes, classes), function(class) {
    name <- names_by_class[[class]] %||% default$name
    if (!is_for(rules[[name]], class)) {
      innsight_abort(
        c("The rule {.val {name}} in {.arg rule_name} is only for {.val {rules[[name]]$layers}}.",
          x = "It is given for {.val {class}}."),
        "rule",
        call = call
      )
    }
    list(name = name, param = params_by_class[[class]] %||% default$param)
  })
  settle <- \(rule) list(name = rule$name, param = param_of(rules[[rule$name]], rule$param, call))
  list(rules = lapply(chosen, settle), default = settle(default))
}

# A list, or a vector with names, gives something per layer class.
is_per_class <- function(x) is.list(x) || !is.null(names(x))

# Replaces the names of layers by their classes.
by_class <- function(x, layers, arg, call) {
  x <- as.list(x)
  classes_of <- function(name) {
    hit <- vapply(layers, \(layer) name %in% c(layer$class, layer$type, layer$names), NA)
    vapply(layers[hit], `[[`, "", "class")
  }
  classes <- lapply(names(x), classes_of)
  known <- vapply(layers, `[[`, "", "class")
  unknown <- if (length(classes) == length(x)) names(x)[lengths(classes) == 0]
  if (length(x) == 0 || length(classes) != length(x) || length(unknown) > 0) {
    innsight_abort(
      c("A list in {.arg {arg}} must have classes of layers as names.",
        x = if (length(unknown) > 0) "Not such a class: {.val {unknown}}." else "It has no names.",
        i = "Possible are {.val {known}}."),
      "rule",
      call = call
    )
  }
  x <- stats::setNames(rep(x, lengths(classes)), unlist(classes))
  if (anyDuplicated(names(x))) {
    innsight_abort(
      c("A list in {.arg {arg}} must name every class of layers once.",
        x = "Given twice: {.val {unique(names(x)[duplicated(names(x))])}}."),
      "rule",
      call = call
    )
  }
  x
}

check_rule_name <- function(x, rules, call, in_list = NULL) {
  if (!is.character(x) || length(x) != 1 || !x %in% names(rules)) {
    innsight_abort(
      c("{.arg rule_name} must be the name of a rule, or a named list of such names.",
        x = "You gave {.code {shorten(x)}}.",
        i = "Possible here: {.val {names(rules)}}.",
        i = if (!is.null(in_list)) "Only in a list: {.val {in_list}}."),
      "rule",
      call = call
    )
  }
  x
}

check_rule_param <- function(x, call) {
  if (is.null(x)) {
    return(NA_real_)
  }
  if (!is.numeric(x) || length(x) != 1 || !is.finite(x)) {
    innsight_abort(
      c("{.arg rule_param} must be {.code NULL}, a finite number, or a named list of such numbers.",
        x = "You gave {.code {shorten(x)}}."),
      "rule",
      call = call
    )
  }
  as.double(x)
}

# The parameter for one rule: NA if it has none, else checked against the range of the rule.
param_of <- function(rule, param, call) {
  if (rule$parameter == "" || is.na(param)) {
    return(NA_real_)
  }
  if (param < rule$lower || param > rule$upper) {
    innsight_abort(
      c("{.arg rule_param} is out of range for the rule {.val {rule$name}}.",
        x = "You gave {param}.",
        i = "{.field {rule$parameter}} must lie in [{rule$lower}, {rule$upper}]."),
      "rule",
      call = call
    )
  }
  param
}

# A rule with its parameter, as print() shows it.
format_rule <- function(rule) {
  known <- Filter(\(r) r$name == rule$name, capabilities()$rules)[[1]]
  if (known$parameter == "") {
    return(rule$name)
  }
  param <- if (is.na(rule$param)) known$default else rule$param
  paste0(rule$name, " (", known$parameter, " = ", format(param), ")")
}

# The table of rules in the help page, made from what the engine offers.
rule_table <- function() {
  rows <- vapply(capabilities()$rules, function(rule) {
    layers <- if (length(rule$layers) == 0) "every" else paste0("`", rule$layers, "`")
    parameter <- if (rule$parameter == "") {
      "none"
    } else {
      paste0("`", rule$parameter, "` (", rule$default, ")")
    }
    paste0("| `\"", rule$name, "\"` | ", toString(layers), " | ", parameter, " | ",
           gsub("|", "\\|", rule$description, fixed = TRUE), " |")
  }, "")
  c("@section Rules:", "", "| rule | class of layer | parameter (default) | meaning |",
    "|---|---|---|---|", rows)
}
