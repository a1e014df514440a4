# Which measurements made the network call a flower a setosa, a versicolor, a virginica?
#   Rscript iris.R [FOLDER]     the pictures are written to FOLDER
library(innsight)

folder <- c(commandArgs(trailingOnly = TRUE), tempdir())[[1]]

# A network with 5 hidden units on the scaled measurements
set.seed(2024)
flowers <- data.frame(scale(iris[, 1:4]), Species = iris$Species)
fit <- nnet::nnet(Species ~ ., flowers, size = 5, decay = 0.1, maxit = 500, trace = FALSE)
right <- predict(fit, flowers, type = "class") == iris$Species
cat(sprintf("iris: the network names %d of %d flowers rightly\n", sum(right), length(right)))

# Step 1: convert, step 2: explain, step 3: look
converter <- convert(fit)
lrp <- run_lrp(converter, flowers[, 1:4], rule_name = "epsilon", verbose = FALSE)

bars <- plot(lrp, data_idx = c(1, 102), output_idx = 1:3) +
  ggplot2::labs(title = "LRP: flower 1 (setosa) and flower 102 (virginica)")
boxes <- boxplot(lrp, output_idx = 1:3, preprocess_FUN = identity) +
  ggplot2::labs(title = "LRP: all 150 flowers")

ggplot2::ggsave(file.path(folder, "iris-bars.png"), bars, width = 9, height = 5, dpi = 120)
ggplot2::ggsave(file.path(folder, "iris-boxplot.png"), boxes, width = 9, height = 4, dpi = 120)

# The same by Shapley values, which ask nothing of a model but its predictions
shap <- run_shap(converter, flowers[, 1:4], data_ref = flowers[, 1:4])
cat(sprintf("iris: Shapley values add up to %.0e\n", max(abs(shap$conservation$delta))))
values <- boxplot(shap, output_idx = 1:3, preprocess_FUN = identity) +
  ggplot2::labs(title = "Shapley values: all 150 flowers")
ggplot2::ggsave(file.path(folder, "iris-shapley.png"), values, width = 9, height = 4, dpi = 120)
