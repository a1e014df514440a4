# Four kinds of pictures in one: bars, an image under its relevances, a swarm and a signal.
#   Rscript gallery.R [FOLDER]     the picture is written to FOLDER
library(innsight)
library(ggplot2)

folder <- c(commandArgs(trailingOnly = TRUE), tempdir())[[1]]
set.seed(2024)
train <- function(...) nnet::nnet(..., maxit = 1000, trace = FALSE)

# A table, single flowers: which measurements make a setosa, which a virginica?
flowers <- data.frame(scale(iris[, 1:4]), Species = iris$Species)
fit <- train(Species ~ ., flowers, size = 5, decay = 0.1)
lrp <- run_lrp(convert(fit), flowers[, 1:4], rule_name = "epsilon", verbose = FALSE)
bars <- plot(lrp, data_idx = c(1, 102), output_label = c("setosa", "virginica"),
             show_preds = FALSE) +
  facet_grid(data ~ output_node,
             labeller = labeller(data = c(data_1 = "a setosa", data_102 = "a virginica"))) +
  labs(title = "A table: two flowers", x = NULL)

# Images: what speaks for and against reading a 4 in a 9?
digits <- readRDS(system.file("extdata", "digits.rds", package = "innsight"))
lrp <- run_lrp(
  convert(digits$model), digits$images, verbose = FALSE,
  rule_name = list(Conv2D_Layer = "alpha_beta", Dense_Layer = "epsilon"),
  rule_param = list(Conv2D_Layer = 1, Dense_Layer = 0.01)
)
nine <- match(9, digits$labels)
image <- plot(lrp, data_idx = nine, output_label = c("4", "9"), overlay = TRUE, clip = 0.95,
              show_preds = FALSE) +
  facet_grid(. ~ output_node,
             labeller = labeller(output_node = \(digit) paste0("a ", digit, "?"))) +
  labs(title = "An image: one scan, two answers", x = NULL, y = NULL)

# A table, all tumours: which properties of cells speak for malignant ones, and which way?
biopsy <- stats::na.omit(MASS::biopsy)
names(biopsy)[2:10] <- c("thickness", "size", "shape", "adhesion", "epithelium", "nuclei",
                         "chromatin", "nucleoli", "mitoses")
cells <- data.frame(scale(biopsy[, 2:10]), malignant = biopsy$class == "malignant")
fit <- train(malignant ~ ., cells, size = 3, decay = 1, entropy = TRUE)
lift <- run_deeplift(convert(fit, output_names = "malignant"), cells[, 1:9], verbose = FALSE)
swarm <- plot_global(lift, view = "beeswarm", feature_order = "importance", max_features = 6) +
  labs(title = "A table: 683 tumours", y = NULL)

# A signal: which months of 22 years tell how many sunspots the next year will have?
spots <- as.vector(scale(sqrt(datasets::sunspot.month)))
n_months <- 22 * 12
starts <- seq(1, length(spots) - n_months - 11, by = 4)
windows <- t(sapply(starts, \(start) spots[start + seq_len(n_months) - 1]))
year_after <- sapply(starts, \(start) mean(spots[start + n_months + 0:11]))
means <- sapply(seq(1, n_months - 11, by = 6), \(month) rowMeans(windows[, month + 0:11]))
old <- starts + n_months + 11 <= 12 * (1940 - 1749)
fit <- train(means[old, ], year_after[old], size = 3, linout = TRUE, decay = 1)
cat(sprintf(
  "gallery: predicted and counted sunspots since 1940 correlate with %.2f\n",
  cor(predict(fit, means[!old, ]), year_after[!old])
))
# Means of 12 months are a convolution.
dense <- as_model_list(fit)$layers
network <- list(
  input_dim = c(1, n_months), input_nodes = 1, output_nodes = 4,
  output_names = "sunspots in the year after",
  layers = list(
    list(type = "Conv1D", weight = array(1 / 12, c(1, 1, 12)), bias = 0, stride = 6,
         activation_name = "linear", input_layers = 0, output_layers = 2),
    list(type = "Flatten", input_layers = 1, output_layers = 3),
    utils::modifyList(dense[[1]], list(input_layers = 2, output_layers = 4)),
    utils::modifyList(dense[[2]], list(input_layers = 3, output_layers = -1))
  )
)
since_1982 <- match(12 * (1982 - 1749) + 1, starts)
signal <- array(windows[since_1982, ], c(1, 1, n_months))
lift <- run_deeplift(convert(network), signal, verbose = FALSE)
years <- scale_x_continuous(breaks = seq(1, n_months, by = 60),
                            labels = \(month) 1982 + (month - 1) / 12)
# ggplot2 says that the new scale replaces another one.
line <- suppressMessages(plot(lift, overlay = TRUE, show_preds = FALSE) + years) +
  facet_grid(. ~ output_node) +
  labs(title = "A signal: sunspots of 22 years", x = NULL)

small <- theme_grey(base_size = 9) + theme(legend.key.width = unit(0.7, "lines"))
pictures <- lapply(list(bars, image, swarm, line), \(picture) picture + small)
all <- gridExtra::arrangeGrob(grobs = pictures, layout_matrix = rbind(c(1, 2), c(3, 4)))
ggsave(file.path(folder, "gallery.png"), all, width = 10, height = 6, dpi = 120)
