#' Local linear surrogate (LIME)
#'
#' @description
#' Explains a prediction of any model by the weights of a linear model that imitates it around the
#' data point. `run_lime()` is the same as `LIME$new()`.
#'
#' @details
#' For every data point:
#'
#' 1. `n_permutations` rows are made: the data point itself and random ones that follow the
#'    distribution of each feature in the reference data. For that, features are cut into `n_bins`
#'    bins at their quantiles; a bin is drawn by its frequency and a value uniformly within it.
#' 2. The model predicts them.
#' 3. Their interpretable form has a 1 for each feature that falls into the same bin as the
#'    data point and a 0 otherwise.
#' 4. They are weighted by their similarity to the data point: `1 - d^gower_pow` with Gower's
#'    distance d of the values (the mean of absolute differences, each divided by the range), or
#'    `sqrt(exp(-d^2 / kernel_width^2))` with the Euclidean or Manhattan distance of the
#'    interpretable forms.
#' 5. The result is the coefficients of a weighted ridge regression (penalty 1, with intercept)
#'    of each output on the interpretable forms; all features are used. Such a weight says how much
#'    the prediction changes if the feature lies in the bin of the data point instead of outside.
#'
#' A feature with at most `n_bins` different values in the reference data has one bin per value.
#' Where ties leave fewer than two bins, they get equal widths instead. A constant feature keeps the
#' value of the data point and has weight 0.
#' All draws come from R's generator; see [set.seed()].
#'
#' @section Settings in `...`:
#' With `engine = "innsight"`, named as in the package lime:
#'
#' | setting | default | meaning |
#' |---|---|---|
#' | `n_permutations` | 5000 | number of rows per data point |
#' | `bin_continuous` | `TRUE` | use bins? Otherwise, the interpretable form is the value itself, standardised by the reference data, and weights are changes per standard deviation |
#' | `n_bins` | 4 | number of bins |
#' | `quantile_bins` | `TRUE` | bins between quantiles (`TRUE`) or of equal width? |
#' | `use_density` | `TRUE` | without bins: draw from a kernel density estimate (`TRUE`) or from a normal distribution? |
#' | `dist_fun` | `"gower"` | distance: `"gower"`, `"euclidean"` or `"manhattan"` |
#' | `gower_pow` | 1 | power of Gower's distance |
#' | `kernel_width` | `NULL` | width for the other distances; `NULL` is 0.75 times the root of the number of features |
#' | `feature_select` | `"auto"` | without effect, since all features are used |
#'
#' With `engine = "lime"`: the arguments of `lime::explain()`, of which `n_features`, `labels` and
#' `n_labels` are already set.
#'
#' @eval agnostic_doc("model")
#' @eval param_doc("data")
#' @eval agnostic_doc("data_ref")
#' @eval agnostic_doc("output_type")
#' @eval agnostic_doc("pred_fun")
#' @eval param_doc("output_idx")
#' @eval param_doc("output_label")
#' @eval param_doc("channels_first")
#' @eval agnostic_doc("input_dim")
#' @eval agnostic_doc("input_names")
#' @eval agnostic_doc("output_names")
#' @param engine `"innsight"` computes as described here; `"lime"` has the package lime do it.
#' @param ... Settings, see below.
#' @references
#' M. T. Ribeiro, S. Singh, C. Guestrin (2016). "Why should I trust you?": Explaining the
#' predictions of any classifier. *Proceedings of the 22nd ACM SIGKDD International Conference on
#' Knowledge Discovery and Data Mining*. \doi{10.1145/2939672.2939778}
#' @family methods
#' @examplesIf requireNamespace("nnet", quietly = TRUE)
#' fit <- nnet::nnet(Species ~ ., iris, size = 3, trace = FALSE)
#' lime <- run_lime(fit, iris[c(1, 51, 101), 1:4], data_ref = iris[, 1:4])
#' get_result(lime)
#' lime$r_squared
#' @export
LIME <- R6::R6Class("LIME",
  inherit = AgnosticWrapper,
  public = list(
    #' @field engine The argument as given.
    engine = NULL,
    #' @field settings The settings of the engine: a list.
    settings = NULL,
    #' @field r_squared How well the linear models fit: the weighted share of the variance they
    #'   explain, a matrix (data points x selected nodes). `NA` where the predictions are constant.
    r_squared = NULL,

    #' @description Fit the linear models.
    initialize = function(model, data, data_ref, output_type = NULL, pred_fun = NULL,
                          output_idx = NULL, output_label = NULL, channels_first = TRUE,
                          input_dim = NULL, input_names = NULL, output_names = NULL,
                          engine = "innsight", ...) {
      call <- private$call()
      self$engine <- check_engine(engine, "lime", call)
      self$settings <- list(...)
      if (engine == "innsight") {
        self$settings <- lime_settings(self$settings, call)
      }
      super$initialize(
        model, data, data_ref, output_type, pred_fun, output_idx, output_label, channels_first,
        input_dim, input_names, output_names
      )
      x <- as_rows(self$data[[1]])
      ref <- as_rows(self$data_ref[[1]])
      fit <- if (engine == "lime") {
        fit_by_lime(x, ref, private$predict, self$output_label[[1]], self$output_type,
                    self$settings)
      } else {
        fit_surrogates(x, ref, private$predict, ncol(self$preds[[1]]), self$settings, call)
      }
      private$keep(fit$weights)
      self$r_squared <- fit$r_squared
    }
  ),
  private = list(
    needs_reference = TRUE,
    value_name = function() "Weight",
    print_fields = function() {
      c(
        output_type = self$output_type,
        engine = self$engine,
        settings = format_settings(self$settings),
        data_ref = paste(nrow(self$data_ref[[1]]), "data points")
      )
    }
  )
)

#' @rdname LIME
#' @eval agnostic_doc("model")
#' @eval param_doc("data")
#' @eval agnostic_doc("data_ref")
#' @param ... Passed on to `LIME$new()`.
#' @return An object of class `LIME`.
#' @export
run_lime <- function(model, data, data_ref, ...) LIME$new(model, data, data_ref, ...)

lime_settings <- function(dots, call) {
  settings <- replace_defaults(
    list(
      n_permutations = 5000, bin_continuous = TRUE, n_bins = 4, quantile_bins = TRUE,
      use_density = TRUE, dist_fun = "gower", gower_pow = 1, kernel_width = NULL,
      feature_select = "auto"
    ),
    dots, call
  )
  count <- function(lower) \(x, name) check_count(x, lower, name, call)
  flag <- \(x, name) check_flag(x, name, call)
  choice <- function(...) \(x, name) check_choice(x, c(...), name, call)
  positive <- function(x, name) {
    if (is.null(x) && name == "kernel_width") NULL else check_number(x, 1e-8, Inf, name, call)
  }
  checks <- list(
    n_permutations = count(2), bin_continuous = flag, n_bins = count(2), quantile_bins = flag,
    use_density = flag, dist_fun = choice("gower", "euclidean", "manhattan"),
    gower_pow = positive, kernel_width = positive,
    feature_select = choice("auto", "none", "forward_selection", "highest_weights", "lasso_path",
                            "tree")
  )
  Map(\(check, x, name) check(x, name), checks, settings[names(checks)], names(checks))
}

# --- The algorithm --------------------------------------------------------------------------------

# @return A list of `weights` (data points, features, outputs) and `r_squared` (data points,
#   outputs).
fit_surrogates <- function(x, ref, predict, n_nodes, settings, call) {
  d <- ncol(x)
  features <- lapply(seq_len(d), \(j) feature_sampler(ref[, j], settings))
  if (all(vapply(features, is.null, NA))) {
    innsight_abort(
      c("{.arg data_ref} must hold at least two different data points.",
        x = "All of its {nrow(ref)} row{?s} are the same."),
      "argument",
      call = call
    )
  }
  check_memory(64 * settings$n_permutations * d + 16 * d^2, memory_budget(call), call)
  weights <- array(0, c(dim(x), n_nodes))
  r_squared <- matrix(0, nrow(x), n_nodes)
  near <- numeric(nrow(x))
  for (i in seq_len(nrow(x))) {
    sample <- perturb(x[i, ], features, settings$n_permutations)
    similar <- similarity(sample, settings)
    fit <- weighted_ridge(sample$form, predict(sample$rows), similar)
    weights[i, , ] <- fit$coefficients
    r_squared[i, ] <- fit$r_squared
    near[i] <- sum(similar[-1])
  }
  if (any(near < 1)) {
    innsight_warn(
      c("Hardly any random row is similar to data point {which(near < 1)}: all its weights are \\
         shrunk to 0.",
        i = "Raise {.arg kernel_width}, or use {.code dist_fun = \"gower\"} or bins.")
    )
  }
  list(weights = weights, r_squared = r_squared)
}

# How to draw values of a feature and give them their interpretable form: a function of how many and
# of the value of the data point, which comes first. NULL if the feature is constant.
feature_sampler <- function(values, settings) {
  known <- sort(unique(values))
  if (length(known) < 2) {
    return(NULL)
  }
  if (!settings$bin_continuous) {
    mean <- mean(values)
    sd <- stats::sd(values)
    width <- stats::bw.nrd0(values)
    return(function(n, x) {
      drawn <- if (settings$use_density) {
        values[sample.int(length(values), n, TRUE)] + stats::rnorm(n, 0, width)
      } else {
        stats::rnorm(n, mean, sd)
      }
      values <- c(x, drawn)
      list(values = values, form = (values - mean) / sd)
    })
  }
  bins <- feature_bins(values, known, settings$n_bins, settings$quantile_bins)
  bin_of <- \(x) findInterval(x, bins$cuts, left.open = TRUE) + 1
  share <- tabulate(bin_of(values), length(bins$lower))
  function(n, x) {
    bin <- sample.int(length(share), n, TRUE, share)
    drawn <- stats::runif(n, bins$lower[bin], bins$upper[bin])
    list(values = c(x, drawn), form = c(1, bin == bin_of(x)))
  }
}

# The inner cuts between the bins, which hold their upper end, and where values are drawn in each.
feature_bins <- function(values, known, n_bins, quantile_bins) {
  if (length(known) <= n_bins) {
    return(list(cuts = (known[-1] + known[-length(known)]) / 2, lower = known, upper = known))
  }
  at <- seq(0, 1, length.out = n_bins + 1)
  ends <- known[1] + at * (known[length(known)] - known[1])
  if (quantile_bins) {
    quantiles <- unique(stats::quantile(values, at, names = FALSE))
    if (length(quantiles) > 2) ends <- quantiles
  }
  last <- length(ends)
  list(cuts = ends[-c(1, last)], lower = ends[-last], upper = ends[-1])
}

# @return A list of matrices (rows x features): `rows` with the values and `form`, the interpretable
#   form. The first row is the data point.
perturb <- function(x, features, n) {
  rows <- matrix(x, n, length(x), byrow = TRUE)
  form <- matrix(0, n, length(x))
  for (j in which(!vapply(features, is.null, NA))) {
    drawn <- features[[j]](n - 1, x[j])
    rows[, j] <- drawn$values
    form[, j] <- drawn$form
  }
  list(rows = rows, form = form)
}

# The similarity of every row of a sample to its first.
similarity <- function(sample, settings) {
  if (settings$dist_fun == "gower") {
    differences <- abs(sweep(sample$rows, 2, sample$rows[1, ]))
    range <- apply(sample$rows, 2, \(x) max(x) - min(x))
    varies <- range > 0
    scaled <- sweep(differences[, varies, drop = FALSE], 2, range[varies], `/`)
    return(1 - rowMeans(scaled)^settings$gower_pow)
  }
  differences <- abs(sweep(sample$form, 2, sample$form[1, ]))
  distance <- if (settings$dist_fun == "euclidean") {
    sqrt(rowSums(differences^2))
  } else {
    rowSums(differences)
  }
  width <- settings$kernel_width %||% (0.75 * sqrt(ncol(differences)))
  sqrt(exp(-(distance / width)^2))
}

# Minimises sum(weights * (y - intercept - x b)^2) + penalty * sum(b^2) for every column of y.
weighted_ridge <- function(x, y, weights, penalty = 1) {
  centre <- function(m) {
    m <- sweep(m, 2, m[1, ]) # so that constant columns become exactly 0
    sweep(m, 2, colSums(weights * m) / sum(weights))
  }
  x <- sqrt(weights) * centre(x)
  y <- sqrt(weights) * centre(y)
  coefficients <- solve(crossprod(x) + diag(penalty, ncol(x)), crossprod(x, y))
  total <- colSums(y^2)
  rest <- colSums((y - x %*% coefficients)^2)
  list(coefficients = coefficients, r_squared = ifelse(total > 0, 1 - rest / total, NA))
}

# --- By the package lime --------------------------------------------------------------------------

# A classifier's outputs are explained at once, others one by one, as lime wants it.
fit_by_lime <- function(x, ref, predict, labels, output_type, settings) {
  data <- as.data.frame(x)
  weights <- array(0, c(dim(x), length(labels)))
  r_squared <- matrix(NA_real_, nrow(x), length(labels))
  classifies <- output_type == "classification"
  nodes <- seq_along(labels)
  for (group in if (classifies) list(nodes) else as.list(nodes)) {
    names <- if (classifies) labels else "Response"
    model <- structure(
      list(
        output_type = output_type,
        predict = function(newdata) {
          values <- predict(as.matrix(newdata))[, group, drop = FALSE]
          stats::setNames(as.data.frame(values), names)
        }
      ),
      class = "innsight_agnostic_wrapper"
    )
    args <- list(
      data, lime::lime(as.data.frame(ref), model), labels = if (classifies) labels,
      n_features = ncol(x)
    )
    table <- do.call(lime::explain, c(args, settings))
    case <- match(table$case, rownames(data))
    node <- if (classifies) match(table$label, labels) else rep(group, nrow(table))
    weights[cbind(case, match(table$feature, names(data)), node)] <- table$feature_weight
    r_squared[cbind(case, node)] <- table$model_r2
  }
  list(weights = weights, r_squared = r_squared)
}

#' @exportS3Method lime::model_type
model_type.innsight_agnostic_wrapper <- function(x, ...) x$output_type

#' @exportS3Method lime::predict_model
predict_model.innsight_agnostic_wrapper <- function(x, newdata, type, ...) x$predict(newdata)
