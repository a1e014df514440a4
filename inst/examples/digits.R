# Which pixels made the network read this digit?
#   Rscript digits.R [FOLDER]     the pictures are written to FOLDER
library(innsight)
library(ggplot2)

folder <- c(commandArgs(trailingOnly = TRUE), tempdir())[[1]]
digits <- readRDS(system.file("extdata", "digits.rds", package = "innsight"))

# Step 1: convert
converter <- convert(digits$model)
read <- max.col(predict(converter, digits$images), "first") - 1L
cat(sprintf(
  "digits: %.1f %% of 497 held-out scans read rightly when trained, %d of the 50 stored ones now\n",
  100 * digits$accuracy, sum(read == digits$labels)
))

# Step 2: explain the first scan of every digit
shown <- match(0:9, digits$labels)
scans <- digits$images[shown, , , , drop = FALSE]
lrp <- run_lrp(
  converter, scans, verbose = FALSE,
  rule_name = list(Conv2D_Layer = "alpha_beta", Dense_Layer = "epsilon"),
  rule_param = list(Conv2D_Layer = 1, Dense_Layer = 0.01)
)
# DeepLift compares with an empty scan, and so does the exact integral of the gradient
lift <- run_deeplift(converter, scans, maxpool = "crossmax", verbose = FALSE)
integral <- run_intgrad(converter, scans, integration = "exact", dtype = "double", verbose = FALSE)
gradient <- run_grad(converter, scans, verbose = FALSE)
cat(sprintf(
  "digits: DeepLift adds up to %.0e, integrated gradients to %.0e\n",
  max(abs(lift$conservation$delta)), max(abs(integral$conservation$delta))
))

# Step 3: look. The package's own picture: what speaks for and against 4 and 9?
two <- plot(lrp, data_idx = c(5, 10), output_label = c("4", "9"))
ggsave(file.path(folder, "digits-4-or-9.png"), two, width = 6, height = 5, dpi = 120)

# All ten beside their scans, each explained for the digit that the network reads, each panel with
# its own scale: white is 0, red speaks for the digit and blue against it.
panel <- function(name, values, colours) {
  grid <- expand.grid(scan = seq_along(shown), row = 1:8, column = 1:8)
  cbind(grid, panel = name, colour = colours(values))
}
ink <- function(values) grey(1 - as.vector(values))
diverging <- function(values) {
  largest <- apply(abs(values), 1, max)
  palette <- colorRamp(c("#2166AC", "white", "#B2182B"), space = "Lab")
  rgb(palette(as.vector(values / largest + 1) / 2), maxColorValue = 255)
}
for_read_digit <- function(result) {
  attribution <- get_result(result) # scan, channel, row, column, output node
  maps <- lapply(seq_along(shown), function(i) attribution[i, 1, , , read[shown][[i]] + 1])
  aperm(simplify2array(maps), c(3, 1, 2))
}

pixels <- rbind(
  panel("scan", scans[, 1, , ], ink),
  panel("LRP", for_read_digit(lrp), diverging),
  panel("DeepLift", for_read_digit(lift), diverging),
  panel("integral", for_read_digit(integral), diverging),
  panel("gradient", for_read_digit(gradient), diverging)
)
pixels$panel <- factor(pixels$panel, c("scan", "LRP", "DeepLift", "integral", "gradient"))
pixels$scan <- factor(pixels$scan, labels = sprintf("%d, read %d", digits$labels, read)[shown])
all_ten <- ggplot(pixels, aes(column, row, fill = colour)) +
  geom_raster() +
  scale_fill_identity() +
  scale_y_reverse() +
  coord_equal(expand = FALSE) +
  facet_grid(panel ~ scan, switch = "y") +
  theme_void() +
  theme(
    panel.border = element_rect(fill = NA, colour = "grey70"), panel.spacing = unit(3, "pt"),
    strip.text = element_text(margin = margin(2, 2, 2, 2)),
    strip.text.y.left = element_text(angle = 90), plot.margin = margin(4, 4, 4, 4),
    plot.background = element_rect(fill = "white", colour = NA)
  )
ggsave(file.path(folder, "digits.png"), all_ten, width = 11, height = 5.7, dpi = 120)
