# A network that PyTorch has written into a file: does it look at the same pixels as another one?
#   Rscript onnx.R [FOLDER]     the picture is written to FOLDER
library(innsight)

folder <- c(commandArgs(trailingOnly = TRUE), tempdir())[[1]]
stored <- function(name) system.file("extdata", name, package = "innsight")
digits <- readRDS(stored("digits.rds"))

# Step 1: convert. The residual network comes from an ONNX file, the other one from a named list.
residual <- convert(stored("digits.onnx"), output_names = as.character(0:9))
plain <- convert(digits$model)
read <- max.col(predict(residual, digits$images), "first") - 1L
cat(sprintf("onnx: the network in the file reads %d of 50 scans rightly\n",
            sum(read == digits$labels)))

# Step 2: explain. DeepLift says what every pixel contributes in comparison with an empty scan.
explained <- function(converter) {
  run_deeplift(converter, digits$images, maxpool = "crossmax", verbose = FALSE)
}
lift <- explained(residual)
cat(sprintf("onnx: DeepLift adds up to %.0e\n", max(abs(lift$conservation$delta))))

# For the digit that is read, do both networks hold the same pixels for important?
for_label <- function(result) {
  attribution <- get_result(result) # scan, channel, row, column, output node
  vapply(seq_along(digits$labels), function(i) {
    as.vector(attribution[i, 1, , , digits$labels[[i]] + 1])
  }, numeric(64))
}
alike <- diag(cor(for_label(lift), for_label(explained(plain))))
cat(sprintf("onnx: the two networks' explanations correlate with %.2f (median of 50 scans)\n",
            median(alike)))

# Step 3: look
shown <- match(c(4, 9), digits$labels)
picture <- plot(lift, data_idx = shown, output_label = c("4", "9"))
ggplot2::ggsave(file.path(folder, "onnx-4-or-9.png"), picture, width = 6, height = 5, dpi = 120)
