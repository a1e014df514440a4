# Models the tests share. Weights come from a generator of their own, so that no test depends on
# the seed of another.

with_seed <- function(seed, code) {
  old <- get0(".Random.seed", globalenv(), inherits = FALSE)
  on.exit(if (!is.null(old)) assign(".Random.seed", old, envir = globalenv()))
  set.seed(seed)
  code
}

random_array <- function(...) array(rnorm(prod(...)), dim = c(...))

# The tiny network of the overview: tanh(relu(x) - relu(0.8 x - 0.4) + relu(2 x - 1.2)).
tiny_net <- function() {
  list(
    input_dim = 1, input_nodes = 1, output_nodes = 2,
    layers = list(
      list(type = "Dense", weight = matrix(c(1, 0.8, 2), 3), bias = c(0, -0.4, -1.2),
           activation_name = "relu", input_layers = 0, output_layers = 2),
      list(type = "Dense", weight = matrix(c(1, -1, 1), 1), bias = 0,
           activation_name = "tanh", input_layers = 1, output_layers = -1)
    )
  )
}

# A chain of dense layers, e.g. dense_net(c(4, 5, 3), c("relu", "softmax")).
dense_net <- function(sizes, activations, seed = 1) {
  n <- length(sizes) - 1
  layers <- with_seed(seed, lapply(seq_len(n), function(i) {
    list(type = "Dense", weight = random_array(sizes[i + 1], sizes[i]), bias = rnorm(sizes[i + 1]),
         activation_name = activations[i], input_layers = i - 1,
         output_layers = if (i == n) -1 else i + 1)
  }))
  list(input_dim = sizes[1], input_nodes = 1, output_nodes = n, layers = layers)
}

# Two inputs (4 features; an image of 2 x 6 x 6), two outputs, most layer types.
two_input_net <- function() {
  with_seed(7, list(
    input_dim = list(4, c(2, 6, 6)),
    input_names = list(
      list(paste0("feat", 1:4)),
      list(c("red", "green"), paste0("row", 1:6), paste0("col", 1:6))
    ),
    input_nodes = c(1, 2),
    output_dim = list(2, 1),
    output_names = list(list(c("no", "yes")), list("score")),
    output_nodes = c(10, 11),
    layers = list(
      list(type = "Dense", input_layers = 0, output_layers = c(8, 9), weight = random_array(3, 4),
           bias = rnorm(3), activation_name = "relu", dim_in = 4, dim_out = 3),
      list(type = "Padding", input_layers = 0, output_layers = 3, padding = c(1, 1, 0, 0),
           mode = "constant", value = 0),
      list(type = "Conv2D", input_layers = 2, output_layers = 4, weight = random_array(3, 2, 3, 3),
           bias = rnorm(3), activation_name = "linear", stride = c(1, 1),
           padding = c(0, 0, 0, 0), dilation = c(1, 1)),
      list(type = "BatchNorm", input_layers = 3, output_layers = 5, num_features = 3,
           gamma = c(1, 0.5, 2), beta = c(0, 0.1, -0.1), run_mean = c(0, 0.2, 0.1),
           run_var = c(1, 2, 0.5), eps = 1e-5),
      list(type = "MaxPooling2D", input_layers = 4, output_layers = 6, kernel_size = c(2, 2),
           strides = c(2, 2)),
      list(type = "Flatten", input_layers = 5, output_layers = 7),
      list(type = "Dense", input_layers = 6, output_layers = c(8, 9),
           weight = random_array(3, 18), bias = rnorm(3), activation_name = "tanh"),
      list(type = "Add", input_layers = c(1, 7), output_layers = 10),
      list(type = "Concatenate", axis = 2, input_layers = c(1, 7), output_layers = 11),
      list(type = "Dense", input_layers = 8, output_layers = -1, weight = random_array(2, 3),
           bias = rnorm(2), activation_name = "softmax"),
      list(type = "Dense", input_layers = 9, output_layers = -1, weight = random_array(1, 6),
           bias = 0, activation_name = "linear")
    )
  ))
}

two_input_data <- function(n = 5) {
  with_seed(8, list(matrix(rnorm(n * 4), n), random_array(n, 2, 6, 6)))
}

# Every layer type once: a signal (2 x 12) and an image (2 x 8 x 8) as inputs, one output.
all_layers_net <- function() {
  with_seed(9, list(
    input_dim = list(c(2, 12), c(2, 8, 8)),
    input_nodes = c(1, 6),
    output_nodes = 16,
    layers = list(
      list(type = "Conv1D", input_layers = 0, output_layers = 2, weight = random_array(4, 2, 3),
           bias = rnorm(4), activation_name = "relu", padding = c(1, 1)),        # (4, 12)
      list(type = "MaxPooling1D", input_layers = 1, output_layers = 3, kernel_size = 2), # (4, 6)
      list(type = "AveragePooling1D", input_layers = 2, output_layers = 4, kernel_size = 2,
           strides = 1),                                                         # (4, 5)
      list(type = "BatchNorm", input_layers = 3, output_layers = 5, num_features = 4,
           gamma = c(1, 2, 0.5, -1), run_mean = rnorm(4), run_var = 1:4, eps = 1e-3),
      list(type = "GlobalPooling", input_layers = 4, output_layers = 12, method = "average"),
      list(type = "Padding", input_layers = 0, output_layers = 7, padding = c(1, 0, 0, 1),
           mode = "constant", value = 0.5),                                      # (2, 9, 9)
      list(type = "Conv2D", input_layers = 6, output_layers = 8, weight = random_array(4, 1, 2, 2),
           bias = rnorm(4), activation_name = "leaky_relu", groups = 2),         # (4, 8, 8)
      list(type = "MaxPooling2D", input_layers = 7, output_layers = 9, kernel_size = 2),
      list(type = "AveragePooling2D", input_layers = 8, output_layers = c(10, 11),
           kernel_size = c(2, 1), strides = c(2, 1)),                            # (4, 2, 4)
      list(type = "Flatten", input_layers = 9, output_layers = 14, order = "channels_first"),
      list(type = "GlobalPooling", input_layers = 9, output_layers = 12, method = "max"),
      list(type = "Add", input_layers = c(5, 11), output_layers = 13),           # (4)
      list(type = "Activation", input_layers = 12, output_layers = 14, act_name = "softplus"),
      list(type = "Concatenate", input_layers = c(13, 10), output_layers = 15, axis = 2), # (36)
      list(type = "Skipping", input_layers = 14, output_layers = 16),
      list(type = "Dense", input_layers = 15, output_layers = -1, weight = random_array(3, 36),
           bias = rnorm(3), activation_name = "softmax")
    )
  ))
}

all_layers_data <- function(n = 3) {
  with_seed(10, list(random_array(n, 2, 12), random_array(n, 2, 8, 8)))
}

# The layer types that all_layers_net() does not have: a signal (3 x 6) and an image (2 x 3 x 4) as
# inputs, one output.
more_layers_net <- function() {
  with_seed(11, list(
    input_dim = list(c(3, 6), c(2, 3, 4)),
    input_nodes = c(1, 7),
    output_nodes = 15,
    layers = list(
      list(type = "ConvTranspose1D", input_layers = 0, output_layers = 2,
           weight = random_array(3, 4, 3), bias = rnorm(4), activation_name = "swish", stride = 2,
           padding = 1, output_padding = 1),                                     # (4, 12)
      list(type = "GroupNorm", input_layers = 1, output_layers = 3, num_groups = 2,
           gamma = rnorm(4), beta = rnorm(4)),
      list(type = "PReLU", input_layers = 2, output_layers = 4, weight = rnorm(4)),
      list(type = "Upsampling1D", input_layers = 3, output_layers = 5, size = 4), # (4, 48)
      list(type = "Permute", input_layers = 4, output_layers = 6, axes = c(3, 2)), # (48, 4)
      list(type = "Reshape", input_layers = 5, output_layers = 11, target = c(4, -1),
           order = "channels_first"),                                            # (4, 48)
      list(type = "ConvTranspose2D", input_layers = 0, output_layers = 8, groups = 2,
           weight = random_array(2, 2, 2, 1), bias = rnorm(4), activation_name = "tanh",
           stride = c(2, 1)),                                                    # (4, 6, 4)
      list(type = "InstanceNorm", input_layers = 7, output_layers = 9),
      list(type = "Upsampling2D", input_layers = 8, output_layers = 10, size = c(1, 2)),
      list(type = "Reshape", input_layers = 9, output_layers = 11, target = c(4, 48),
           order = "channels_last"),
      list(type = "Multiply", input_layers = c(6, 10), output_layers = 12),
      list(type = "LayerNorm", input_layers = 11, output_layers = 13, axes = 3, gamma = rnorm(48),
           beta = rnorm(48)),
      list(type = "Activation", input_layers = 12, output_layers = 14, act_name = "elu",
           activation_args = list(alpha = 0.5)),
      list(type = "GlobalPooling", input_layers = 13, output_layers = 15, method = "average"),
      list(type = "Dense", input_layers = 14, output_layers = -1, weight = random_array(3, 4),
           bias = rnorm(3), activation_name = "softmax")
    )
  ))
}

more_layers_data <- function(n = 3) {
  with_seed(12, list(random_array(n, 3, 6), random_array(n, 2, 3, 4)))
}

# The folder with reference data, where this checkout has one.
reference_dir <- function() {
  candidates <- c(Sys.getenv("INNSIGHT_REFERENCE"),
                  file.path(strrep("../", 1:6), "shared", "reference"))
  found <- candidates[nzchar(candidates) & dir.exists(candidates)]
  if (length(found)) normalizePath(found[1])
}
