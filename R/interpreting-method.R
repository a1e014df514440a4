#' Base class of all methods
#'
#' @description
#' Every method object inherits from `InterpretingMethod`: it checks the arguments that all methods
#' share, passes the data through the network in chunks, keeps the result and shows it.
#' It is not used directly; see [Gradient] and [LRP].
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
#' @param type See [get_result()].
#' @param ... See [plot_result] and [plot_global()].
#'
#' @details
#' The fields `result`, `data`, `preds` and `decomp_goal` are plain R arrays and may be overwritten;
#' [get_result()], `plot()` and [plot_global()] read them (and the names kept in `converter`) again
#' at every call.
#'
#' One chunk is passed through the network at a time. Its size follows from
#' `options(innsight.memory = )` (see [innsight-options]); between two chunks the progress bar moves
#' and the computation can be interrupted.
#'
#' @keywords internal
InterpretingMethod <- R6::R6Class("InterpretingMethod",
  public = list(
    #' @field data The data as a list of arrays, one per input layer, in the layout they were given.
    data = NULL,
    #' @field converter The [Converter].
    converter = NULL,
    #' @field channels_first The argument as given.
    channels_first = NULL,
    #' @field ignore_last_act The argument as given.
    ignore_last_act = NULL,
    #' @field winner_takes_all The argument as given.
    winner_takes_all = NULL,
    #' @field verbose The argument as given.
    verbose = NULL,
    #' @field dtype The argument as given.
    dtype = NULL,
    #' @field result The values: `result[[k]][[i]]` is the array of the `k`-th **selected** output
    #'   layer and the `i`-th input layer, always nested. Its shape is `(N, F, K)` for tabular data,
    #'   `(N, C, L, K)` for signals and `(N, C, H, W, K)` for images (the channel axis before `K`
    #'   if `channels_first = FALSE`), `K` being the selected nodes in the requested order. `NULL`
    #'   if this input layer is not connected to this output layer.
    result = NULL,
    #' @field output_idx The numbers of the selected output nodes: a list with one vector per output
    #'   layer of the model, `NULL` for a layer that is not selected.
    output_idx = NULL,
    #' @field output_label The labels of the selected output nodes, in the same form.
    output_label = NULL,
    #' @field preds The predictions (after the last activation): a list with one matrix (data points
    #'   x selected nodes) per output layer of the model, `NULL` for a layer that is not selected.
    preds = NULL,
    #' @field decomp_goal The values that the method decomposes, in the same form.
    decomp_goal = NULL,

    #' @description Check and keep the arguments that all methods share.
    initialize = function(converter, data, channels_first = TRUE, output_idx = NULL,
                          output_label = NULL, ignore_last_act = TRUE, winner_takes_all = TRUE,
                          verbose = interactive(), dtype = "float") {
      call <- private$call()
      if (missing(converter) || !private$accepts(converter)) {
        abort_arg(if (!missing(converter)) converter, "a `Converter`", "converter", call,
                  "Convert a model with `convert()` first.")
      }
      self$converter <- converter
      self$channels_first <- check_flag(channels_first, call = call)
      self$ignore_last_act <- check_flag(ignore_last_act, call = call)
      self$winner_takes_all <- check_flag(winner_takes_all, call = call)
      self$verbose <- check_flag(verbose, call = call)
      self$dtype <- check_choice(dtype, c("float", "double"), call = call)

      labels <- output_labels(converter)
      self$output_idx <- select_nodes(output_idx, output_label, labels, call)
      self$output_label <- Map(\(label, idx) if (!is.null(idx)) label[idx], labels, self$output_idx)
      self$data <- private$check_data(if (!missing(data)) data)
    },

    #' @description The result as an array, a data frame or a torch tensor, see [get_result()].
    get_result = function(type = "array") get_result(self, type),

    #' @description Draw single data points, see [plot_result].
    plot = function(...) plot_points(self, ...),

    #' @description Draw a summary over many data points, see [plot_global()].
    plot_global = function(...) plot_global(self, ...),

    #' @description Print the arguments and the range of the result.
    #' @return The object, invisibly.
    print = function() {
      cat(cli::rule(paste0("Method ", class(self)[1], " (innsight)"), width = rule_width()), "\n",
          sep = "")
      fields <- c(
        private$print_fields(),
        output_idx = format_selection(self),
        ignore_last_act = format(self$ignore_last_act),
        channels_first = format(self$channels_first),
        dtype = self$dtype
      )
      cat(paste0(cli::symbol$bullet, " ", names(fields), ": ", fields, "\n"), sep = "")
      cat(format_ranges(self), sep = "\n")
      invisible(self)
    }
  ),
  private = list(
    # What errors name as their origin: `LRP$new()`, also when called through run_lrp().
    call = function() as.call(list(call("$", as.name(class(self)[1]), quote(new)))),

    # The data of the user as a list of arrays; an empty list for methods that do without.
    check_data = function(data) {
      call <- private$call()
      if (is.null(data)) {
        abort_arg(NULL, "the data points to explain", "data", call)
      }
      as_input_arrays(data, self$converter$input_dim, self$channels_first, "data", call)
    },

    # Can the method work on this `converter`?
    accepts = function(converter) inherits(converter, "Converter"),

    # The name of the values on plots.
    value_name = function() "Relevance",

    # What a method prints beyond the common fields: a named character vector.
    print_fields = function() character(),

    # The engine's settings of the method; how many copies of a data point it looks at (noisy
    # versions, points on a path, references), and the settings for some of them by position.
    method = NULL,
    n_copies = 1L,
    of_copies = function(copies) list(),

    # Whether the values must add up to the goal by themselves, whether the engine can say what
    # every layer absorbed, and for every layer whether it may lose something unaccounted for.
    is_exact = function() FALSE,
    has_ledger = function() FALSE,
    lossy = function() logical(length(self$converter$model$modules_list)),

    # Runs the method over all data points and keeps what comes back.
    explain = function(method, n_copies = 1L) {
      private$method <- method
      private$n_copies <- n_copies
      total <- private$run()
      inputs <- seq_along(self$converter$input_dim)
      selected <- lengths(self$output_idx) > 0
      self$result <- lapply(total[selected], `[`, inputs)
      self$decomp_goal <- lapply(total, \(x) if (length(x) > 0) x[[length(inputs) + 1]])
      self$preds <- lapply(total, \(x) if (length(x) > 0) x[[length(inputs) + 2]])
    },

    # Warns if the values should add up and do not.
    check_sums = function() {
      if (private$is_exact() && !any(private$lossy())) check_conservation(self, private$call())
    },

    # Per output layer the arrays (data points, ..., nodes) of all inputs, of goals and predictions;
    # with `ledger` an array (data points, 3 x layers, nodes) with what a layer gave to its bias, to
    # the stabiliser and to nothing.
    run = function(ledger = FALSE) {
      targets <- lapply(self$output_idx, as.integer)
      n <- if (length(self$data) > 0) nrow(self$data[[1]]) else 1L
      call <- private$call()
      plan <- network_plan(self$converter, self$channels_first, self$dtype, call)
      budget <- memory_budget(call)
      check_memory(plan$bytes_per_data_point + plan$bytes_per_row, budget, call)
      # Results of all rows count as well, as far as they leave enough for some rows at a time.
      cells <- sum(vapply(self$converter$input_dim, prod, 0))
      for_rows <- max(budget - 8 * n * sum(lengths(targets)) * cells, budget / 2)
      chunks <- plan_chunks(n, private$n_copies, lengths(targets), plan, for_rows)
      if (self$verbose) {
        cli::cli_progress_bar(
          paste0("Backward pass '", class(self)[1], "'"),
          total = n * private$n_copies * sum(lengths(targets))
        )
      }
      total <- NULL
      for (chunk in chunks) {
        total <- network_explain(
          self$converter,
          c(private$method, private$of_copies(chunk$copies),
            list(ignore_last_act = self$ignore_last_act, ledger = ledger)),
          lapply(self$data, slice_rows, chunk$rows),
          Map(`[`, targets, chunk$columns),
          explain_place(chunk, n, lengths(targets), total),
          self$channels_first,
          self$dtype,
          call
        )
        if (self$verbose) {
          done <- length(chunk$rows) * length(chunk$copies) * sum(lengths(chunk$columns))
          cli::cli_progress_update(done)
        }
      }
      total
    },

    # See run(); one array per selected output layer.
    ledger = function() {
      total <- private$run(ledger = TRUE)
      lapply(total[lengths(self$output_idx) > 0], `[[`, 1)
    },

    # Keeps predictions and explained values at the data points, for methods that do not look at
    # the data points themselves. `reference` (arrays) gives what the goal is counted from.
    keep_values = function(reference = NULL) {
      values_at <- function(x) {
        network_values(self$converter, x, lapply(self$output_idx, as.integer),
                       self$ignore_last_act, self$channels_first, self$dtype, private$call())
      }
      at <- values_at(self$data)
      self$preds <- at$preds
      self$decomp_goal <- at$values
      if (!is.null(reference)) {
        self$decomp_goal <- Map(function(values, start) {
          if (!is.null(values)) sweep(values, 2, colMeans(start))
        }, at$values, values_at(reference)$values)
      }
    }
  ),
  active = list(
    #' @field conservation A data frame (read only) with a row per data point and output node: the
    #'   prediction `pred`, the `goal` that the values are meant to add up to, their `sum` over all
    #'   input layers, and `delta = sum - goal`. For [LRP] also what the biases and the
    #'   `stabilizer` absorbed, so that `goal = sum + bias + stabilizer`; for LRP, [DeepLift] and
    #'   [DeepSHAP] the matrix `layers` with what every layer absorbed. It is computed when asked
    #'   for, from the current `result`.
    conservation = function(value) {
      if (!missing(value)) {
        innsight_abort("{.field conservation} cannot be set.", "argument", call = private$call())
      }
      ledger <- if (private$has_ledger()) private$ledger
      conservation_report(self, ledger, private$lossy(), private$is_exact(), private$call())
    }
  )
)

# The chunks of a run: rows of the data, copies of each, and per output layer positions among its
# selected nodes. All copies and nodes are taken at once unless they do not fit the budget for a
# single data point: then the copies are parted, and last the nodes.
plan_chunks <- function(n, n_copies, n_nodes, plan, budget) {
  k <- sum(n_nodes)
  if (n * n_copies * (plan$bytes_per_data_point + k * plan$bytes_per_row) <= budget) {
    return(list(list(rows = seq_len(n), copies = seq_len(n_copies),
                     columns = lapply(n_nodes, seq_len))))
  }
  per_copy <- plan$bytes_per_data_point + k * plan$bytes_per_row
  rows <- split_every(n, max(1, budget %/% (per_copy * n_copies)))
  copies <- split_every(n_copies, max(1, budget %/% per_copy))
  layer <- factor(rep(seq_along(n_nodes), n_nodes), levels = seq_along(n_nodes))
  position <- sequence(n_nodes)
  n_columns <- max(1, (budget - plan$bytes_per_data_point) %/% plan$bytes_per_row)
  columns <- lapply(split_every(k, n_columns), \(j) unname(split(position[j], layer[j])))
  grid <- expand.grid(columns = seq_along(columns), copies = seq_along(copies),
                      rows = seq_along(rows))
  Map(\(r, c, j) list(rows = rows[[r]], copies = copies[[c]], columns = columns[[j]]),
      grid$rows, grid$copies, grid$columns)
}

# The labels of the output nodes, one character vector per output layer.
output_labels <- function(converter) {
  lapply(converter$output_names, \(x) as.character(axis_names(x)[[1]]))
}

# The nodes that `output_idx` or `output_label` denote: a list with an integer vector per output
# layer, NULL for a layer that is not selected. Both given must agree.
select_nodes <- function(output_idx, output_label, labels, call) {
  if (is.null(output_idx) && is.null(output_label)) {
    return(per_layer(seq_len(min(10, length(labels[[1]]))), length(labels)))
  }
  by_idx <- nodes_by_idx(output_idx, labels, call)
  by_label <- nodes_by_label(output_label, labels, call)
  if (is.null(by_idx) || is.null(by_label)) {
    return(by_idx %||% by_label)
  }
  if (!all(mapply(setequal, by_idx, by_label))) {
    innsight_abort(
      c("{.arg output_idx} and {.arg output_label} must denote the same output nodes.",
        x = "{.arg output_idx} means {format_nodes(by_idx, labels)}.",
        x = "{.arg output_label} means {format_nodes(by_label, labels)}.",
        i = "Give only one of them."),
      "argument",
      call = call
    )
  }
  by_idx
}

nodes_by_idx <- function(output_idx, labels, call) {
  if (is.null(output_idx)) {
    return(NULL)
  }
  idx <- per_layer(output_idx, length(labels))
  maxima <- lengths(labels)
  ok <- function(i, max) {
    is.null(i) || (is.numeric(i) && all(is.finite(i) & i == round(i) & i >= 1 & i <= max))
  }
  if (is.null(idx) || !all(mapply(ok, idx, maxima))) {
    layers <- if (length(labels) > 1) paste0(" (output layer ", seq_along(labels), ")")
    innsight_abort(
      c("{.arg output_idx} must be a vector of node numbers or a list with one such vector
         (or {.code NULL}) per output layer.",
        x = "You gave {.code {shorten(output_idx)}}.",
        i = "The largest node number is {paste0(maxima, layers)}."),
      "argument",
      call = call
    )
  }
  lapply(idx, \(i) if (!is.null(i)) as.integer(i))
}

nodes_by_label <- function(output_label, labels, call) {
  if (is.null(output_label)) {
    return(NULL)
  }
  given <- per_layer(output_label, length(labels))
  given <- lapply(given, \(x) if (is.factor(x)) as.character(x) else x)
  ok <- function(x, known) is.null(x) || (is.character(x) && all(x %in% known))
  if (all(lengths(given) == 0) || !all(mapply(ok, given, labels))) {
    known <- if (length(labels) > 1) {
      sprintf("Output_%d: %s", seq_along(labels), vapply(labels, toString, ""))
    } else {
      labels[[1]]
    }
    innsight_abort(
      c("{.arg output_label} must be a vector of labels or a list with one such vector
         (or {.code NULL}) per output layer.",
        x = "You gave {.code {shorten(output_label)}}.",
        i = "The labels of the model are {.val {known}}."),
      "argument",
      call = call
    )
  }
  Map(\(x, known) if (!is.null(x)) match(x, known), given, labels)
}

# Brings a selection into the form list(output layer); NULL if it selects nothing or too much.
per_layer <- function(x, n_layers) {
  x <- if (is.list(x)) unname(x) else list(x)
  x[lengths(x) == 0] <- list(NULL)
  if (length(x) > n_layers || all(lengths(x) == 0)) {
    return(NULL)
  }
  c(x, rep(list(NULL), n_layers - length(x)))
}

# "Output_1: 1 (setosa), 3 (virginica)", without the layer if the model has only one.
format_nodes <- function(idx, labels) {
  selected <- which(lengths(idx) > 0)
  text <- vapply(selected, \(o) toString(paste0(idx[[o]], " (", labels[[o]][idx[[o]]], ")")), "")
  if (length(labels) > 1) {
    text <- paste0("Output_", selected, ": ", text)
  }
  paste(text, collapse = "; ")
}

# What the user gave, on one line of an error.
shorten <- function(x) {
  text <- paste(trimws(deparse(x, width.cutoff = 200)), collapse = " ")
  if (nchar(text) > 60) paste0(substr(text, 1, 57), "...") else text
}

# The documentation of an argument that several methods share. It must be one line and one @eval
# each: roxygen2 counts its lines from that of the class and takes what lies below the first
# documented member for that member's.
param_doc <- function(name) {
  texts <- c(
    converter = "The [Converter] made by [convert()].",
    data = "The data points to explain: a matrix, array or data frame of shape `(N, input_dim)`
      (or anything `as.array()` turns into one), or a list of these, one per input layer.",
    channels_first = "Is the channel axis of the data the first one after the data points
      (`TRUE`) or the last one (`FALSE`)? Without meaning for tabular data. Results have the
      layout of the data.",
    output_idx = "The output nodes to explain: numbers of nodes of the first output layer, or a
      list with such a vector (or `NULL`) per output layer. `NULL` takes the first ten nodes (at
      most) of the first output layer.",
    output_label = "The labels of the output nodes, as an alternative to `output_idx`: a vector
      for the first output layer, or a list with such a vector (or `NULL`) per output layer.",
    ignore_last_act = "Explain the value before the last activation (`TRUE`) or after it?",
    winner_takes_all = "Does the maximum of a max pooling window get everything (`TRUE`), or is
      the layer treated like average pooling?",
    times_input = "Multiply the gradients by the input?",
    verbose = "Show a progress bar?",
    x_ref = "The reference that the data points are compared with: one data point per input layer,
      in the layout of the data (an array with one row, or a list of these). `NULL` takes zeros.",
    data_ref = "The references that the data points are compared with: an array like `data` with
      any number of rows, or a list of these, one per input layer. `NULL` takes a single row of
      zeros.",
    maxpool = "How max pooling passes a difference: `\"gradient\"` as `winner_takes_all` says,
      `\"crossmax\"` to the winner at the data point or at the reference, whichever is larger. The
      latter makes the contributions add up exactly.",
    dtype = "Compute in single (`\"float\"`) or in double precision (`\"double\"`)?"
  )
  paste("@param", name, gsub("\\s+", " ", texts[[name]]))
}
