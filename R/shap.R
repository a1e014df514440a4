#' Shapley values
#'
#' @description
#' The Shapley values of the input features for the predictions of any model: how much a feature
#' changes the expected prediction, averaged over all orders in which the features become known.
#' `run_shap()` is the same as `SHAP$new()`.
#'
#' @details
#' The value of a coalition \eqn{S} of features is the mean prediction over the reference data after
#' the features in \eqn{S} have been set to those of the data point,
#' \eqn{v(S) = \frac{1}{R} \sum_r f(x_S, x^{(r)}_{\bar S})}. The values of a data point sum to
#' \eqn{f(x) - \frac{1}{R} \sum_r f(x^{(r)})}, the field `decomp_goal` (which innsight 0.3.2 leaves
#' empty for this method).
#'
#' * By default all coalitions are evaluated for up to 12 features: the values are exact.
#' * With more features, KernelSHAP (Lundberg and Lee, 2017) fits them to `n_coalitions` coalitions
#'   by weighted least squares, under the constraint that they have the right sum. Coalitions
#'   with few or nearly all features, which weigh most, are taken completely as far as they fit; the
#'   others are drawn in pairs of a coalition and its complement (Covert and Lee, 2021). This is
#'   exact for models with interactions of at most two features. All data points and outputs share
#'   the coalitions.
#' * With `nsim`, they are the means of `nsim` draws of an order of the features and a reference
#'   data point (Strumbelj and Kononenko, 2014), drawn for every data point and feature. This is
#'   what the package fastshap computes. Their sum is the right one only on average.
#'
#' The number of predictions is about `N * n_coalitions * R` or `2 * N * F * nsim` for N data
#' points, R reference data points and F features. All of `data_ref` is used; for the first, a
#' sample of 100 rows is often enough.
#' All draws come from R's generator; see [set.seed()].
#'
#' @section Settings in `...`:
#' With `engine = "innsight"`: `n_coalitions` (`NULL`), the number of coalitions that are evaluated,
#' apart from the empty and the full one; at least twice the number of features, and from
#' `2^F - 2` on the values are exact. `NULL` takes all for up to 12 features, else `2 * F + 2048`.
#' `nsim` (`NULL`), the number of draws, for sampling orders of the features instead.
#'
#' With `engine = "fastshap"`: the arguments of `fastshap::explain()`, such as `nsim`.
#'
#' @eval agnostic_doc("model")
#' @eval param_doc("data")
#' @eval agnostic_doc("data_ref")
#' @eval agnostic_doc("pred_fun")
#' @eval param_doc("output_idx")
#' @eval param_doc("output_label")
#' @eval param_doc("channels_first")
#' @eval agnostic_doc("input_dim")
#' @eval agnostic_doc("input_names")
#' @eval agnostic_doc("output_names")
#' @param engine `"innsight"` computes as described here, `"fastshap"` by the package fastshap.
#' @param ... Settings, see below.
#' @references
#' S. M. Lundberg, S.-I. Lee (2017). A unified approach to interpreting model predictions.
#' *Advances in Neural Information Processing Systems* 30.
#'
#' I. Covert, S.-I. Lee (2021). Improving KernelSHAP: practical Shapley value estimation using
#' linear regression. *Proceedings of Machine Learning Research* 130.
#'
#' E. Strumbelj, I. Kononenko (2014). Explaining prediction models and individual predictions with
#' feature contributions. *Knowledge and Information Systems* 41(3). \doi{10.1007/s10115-013-0679-x}
#' @family methods
#' @examplesIf requireNamespace("nnet", quietly = TRUE)
#' fit <- nnet::nnet(Species ~ ., iris, size = 3, trace = FALSE)
#' shap <- run_shap(fit, iris[c(1, 51, 101), 1:4], data_ref = iris[, 1:4])
#' get_result(shap)
#' summary(shap)
#'
#' # Any model, by a prediction function
#' linear <- lm(Petal.Width ~ Sepal.Length + Petal.Length, iris)
#' run_shap(
#'   linear, iris[1:2, c(1, 3)], iris[, c(1, 3)],
#'   pred_fun = function(newdata, ...) predict(linear, newdata)
#' )
#' @export
SHAP <- R6::R6Class("SHAP",
  inherit = AgnosticWrapper,
  public = list(
    #' @field engine The argument as given.
    engine = NULL,
    #' @field settings The settings of the engine: a list.
    settings = NULL,
    #' @field baseline The mean predictions of the selected outputs over the reference data.
    baseline = NULL,

    #' @description Compute the Shapley values.
    initialize = function(model, data, data_ref, pred_fun = NULL, output_idx = NULL,
                          output_label = NULL, channels_first = TRUE, input_dim = NULL,
                          input_names = NULL, output_names = NULL, engine = "innsight", ...) {
      call <- private$call()
      self$engine <- check_engine(engine, "fastshap", call)
      self$settings <- list(...)
      if (engine == "innsight") {
        self$settings <- shap_settings(self$settings, call)
      }
      super$initialize(
        model, data, data_ref, "regression", pred_fun, output_idx, output_label, channels_first,
        input_dim, input_names, output_names
      )
      x <- as_rows(self$data[[1]])
      ref <- as_rows(self$data_ref[[1]])
      self$baseline <- stats::setNames(colMeans(private$predict(ref)), self$output_label[[1]])
      self$decomp_goal <- list(sweep(self$preds[[1]], 2, self$baseline))
      nsim <- self$settings$nsim
      private$keep(if (engine == "fastshap") {
        shapley_by_fastshap(x, ref, private$predict, length(self$baseline), self$settings)
      } else if (is.null(nsim)) {
        design <- coalition_design(ncol(x), self$settings$n_coalitions, call)
        self$settings$n_coalitions <- nrow(design$members)
        shapley_by_coalitions(
          x, ref, private$predict, design, self$decomp_goal[[1]], self$baseline, call
        )
      } else {
        shapley_by_orders(x, ref, private$predict, length(self$baseline), nsim, call)
      })
    }
  ),
  private = list(
    needs_reference = TRUE,
    value_name = function() "Shapley Value",
    print_fields = function() {
      c(
        engine = self$engine,
        settings = format_settings(self$settings),
        data_ref = paste(nrow(self$data_ref[[1]]), "data points")
      )
    }
  )
)

#' @rdname SHAP
#' @eval agnostic_doc("model")
#' @eval param_doc("data")
#' @eval agnostic_doc("data_ref")
#' @param ... Passed on to `SHAP$new()`.
#' @return An object of class `SHAP`.
#' @export
run_shap <- function(model, data, data_ref, ...) SHAP$new(model, data, data_ref, ...)

shap_settings <- function(dots, call) {
  settings <- replace_defaults(list(n_coalitions = NULL, nsim = NULL), dots, call)
  given <- !vapply(settings, is.null, NA)
  if (all(given)) {
    innsight_abort(
      c("Only one of {.arg nsim} and {.arg n_coalitions} must be given.",
        i = "{.arg nsim} samples orders of the features, {.arg n_coalitions} coalitions."),
      "argument",
      call = call
    )
  }
  for (name in names(settings)[given]) {
    settings[[name]] <- check_count(settings[[name]], arg = name, call = call)
  }
  settings
}

# --- By coalitions --------------------------------------------------------------------------------

# Which coalitions to evaluate, and how the Shapley values follow from them. Those are linear in the
# values of the coalitions: phi = t(weights) %*% (v(S) - v(empty)) + full * (v(all) - v(empty)),
# with a row of `members` (features) and of `weights` for each but the empty and the full one.
coalition_design <- function(d, n_coalitions, call) {
  all <- 2^d - 2
  n <- n_coalitions %||% if (d <= 12) all else 2 * d + 2048
  if (n < min(2 * d, all)) {
    abort_arg(n_coalitions, sprintf("at least %d, twice the number of features", 2 * d),
              "n_coalitions", call)
  }
  check_memory(min(n, all) * d * 28 + if (n < all) 16 * d^2 else 0, memory_budget(call), call)
  if (n >= all) exact_design(d) else kernel_design(d, n)
}

# All coalitions with the weights of the Shapley value: |S|! (d - |S| - 1)! / d! for what a feature
# adds to S.
exact_design <- function(d) {
  members <- outer(seq_len(2^d - 2), seq_len(d), \(code, j) code %/% 2^(j - 1) %% 2 == 1)
  size <- rowSums(members)
  adds <- \(s) 1 / (d * choose(d - 1, s))
  list(
    members = members,
    weights = ifelse(members, adds(size - 1), -adds(size)),
    full = rep(1 / d, d)
  )
}

# KernelSHAP. The Shapley kernel gives all coalitions of size s together the mass 1 / (s (d - s)),
# up to a factor. Level s holds the sizes s and d - s: the first one is always taken completely, so
# that the least squares have a unique solution.
kernel_design <- function(d, n) {
  level <- seq_len(d %/% 2)
  both <- ifelse(2 * level == d, 1, 2)
  mass <- both / (level * (d - level))
  count <- both * choose(d, level)
  share <- mass / rev(cumsum(rev(mass)))
  members <- matrix(FALSE, 0, d)
  kernel <- numeric()
  s <- 1
  while (s == 1 || (s <= length(level) && count[s] <= (n - nrow(members)) * share[s])) {
    subsets <- t(utils::combn(d, s, \(at) seq_len(d) %in% at))
    members <- rbind(members, subsets, if (both[s] == 2) !subsets)
    kernel <- c(kernel, rep(mass[s] / count[s], count[s]))
    s <- s + 1
  }
  n_pairs <- (n - nrow(members)) %/% 2
  if (n_pairs > 0 && s <= length(level)) {
    rest <- s:length(level)
    sizes <- rest[sample.int(length(rest), n_pairs, TRUE, mass[rest])]
    drawn <- matrix(FALSE, n_pairs, d)
    drawn[cbind(rep(seq_len(n_pairs), sizes), unlist(lapply(sizes, \(s) sample.int(d, s))))] <- TRUE
    members <- rbind(members, drawn, !drawn)
    kernel <- c(kernel, rep(sum(mass[rest]) / (2 * n_pairs), 2 * n_pairs))
  }
  # Least squares of v(S) - v(empty) on `members`, with the sum fixed by a Lagrange multiplier.
  inverse <- chol2inv(chol(crossprod(members * sqrt(kernel))))
  sums <- rowSums(inverse)
  list(
    members = members,
    weights = kernel * (members %*% (inverse - tcrossprod(sums) / sum(sums))),
    full = sums / sum(sums)
  )
}

# @return An array (data points, features, outputs).
shapley_by_coalitions <- function(x, ref, predict, design, goal, baseline, call) {
  n_ref <- nrow(ref)
  n_coalitions <- nrow(design$members)
  phi <- aperm(outer(goal, design$full), c(1, 3, 2))
  for (ends in row_blocks(as.double(nrow(x)) * n_coalitions, n_ref * ncol(x), call)) {
    pair <- seq(ends[1], ends[2])
    point <- (pair - 1) %/% n_coalitions + 1
    coalition <- (pair - 1) %% n_coalitions + 1
    rows <- ref[rep(seq_len(n_ref), length(pair)), , drop = FALSE]
    known <- design$members[rep(coalition, each = n_ref), , drop = FALSE]
    rows[known] <- x[rep(point, each = n_ref), , drop = FALSE][known]
    values <- array(predict(rows), c(n_ref, length(pair), length(baseline)))
    values <- sweep(colMeans(values), 2, baseline)
    for (i in unique(point)) {
      weights <- design$weights[coalition[point == i], , drop = FALSE]
      phi[i, , ] <- phi[i, , ] + crossprod(weights, values[point == i, , drop = FALSE])
    }
  }
  phi
}

# Blocks of 1, ..., n as their first and last number, `cells` being the numbers in the rows of each.
# They take an eighth of the memory, if that is enough for one: predicting them needs memory, too.
row_blocks <- function(n, cells, call) {
  bytes <- 64 * cells
  budget <- memory_budget(call)
  check_memory(bytes, budget, call)
  size <- max(1, budget %/% (8 * bytes))
  lapply(seq_len(ceiling(n / size)), \(block) c((block - 1) * size + 1, min(block * size, n)))
}

# --- By orders of the features --------------------------------------------------------------------

# A draw is made for every data point, feature and repetition: the features that come before this
# one in a random order are taken from the data point, those after it from a random reference.
shapley_by_orders <- function(x, ref, predict, n_nodes, nsim, call) {
  n <- nrow(x)
  d <- ncol(x)
  phi <- array(0, c(n, d, n_nodes))
  for (ends in row_blocks(as.double(nsim) * d, n * (d + 1), call)) {
    block <- seq(ends[1], ends[2])
    feature <- (block - 1) %% d + 1
    draws <- matrix(stats::runif(length(block) * n * (d + 1)), d + 1)
    without <- ref[ceiling(draws[d + 1, ] * nrow(ref)), , drop = FALSE]
    order <- t(draws[seq_len(d), , drop = FALSE])
    own <- x[rep(seq_len(n), length(block)), , drop = FALSE]
    at <- cbind(seq_len(nrow(own)), rep(feature, each = n))
    before <- order < order[at]
    without[before] <- own[before]
    with <- replace(without, at, own[at])
    change <- array(predict(with) - predict(without), c(n, length(block), n_nodes))
    for (k in seq_along(block)) {
      phi[, feature[k], ] <- phi[, feature[k], ] + change[, k, ]
    }
  }
  phi / nsim
}

# --- By the package fastshap ----------------------------------------------------------------------

shapley_by_fastshap <- function(x, ref, predict, n_nodes, settings) {
  values <- lapply(seq_len(n_nodes), function(node) {
    args <- list(
      predict,
      X = as.data.frame(ref),
      newdata = as.data.frame(x),
      pred_wrapper = function(object, newdata) object(as.matrix(newdata))[, node]
    )
    as.matrix(do.call(fastshap::explain, c(args, settings)))
  })
  array(unlist(values), c(dim(x), n_nodes))
}
