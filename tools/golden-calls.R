# Rscript tools/golden-calls.R FROM TO: copies the golden files for golden.R, with two changes.
# - Calls of classes that the installed package does not export are marked, so that golden.R leaves
#   them out.
# - Where a list `rule_param` leaves out a class with the rule "epsilon", 0.001 is written down for
#   it: the default with which the numbers were made. golden.R itself knows that ours is 0.01 only
#   where there is no `rule_param` at all.
folders <- commandArgs(trailingOnly = TRUE)
exported <- getNamespaceExports("innsight")

with_old_epsilon <- function(args) {
  if (is.list(args$rule_name) && is.list(args$rule_param)) {
    epsilon <- names(Filter(\(rule) rule == "epsilon", args$rule_name))
    args$rule_param[setdiff(epsilon, names(args$rule_param))] <- 0.001
  }
  args
}

for (file in list.files(folders[[1]], "\\.json$", full.names = TRUE)) {
  golden <- jsonlite::read_json(file)
  golden$calls <- lapply(golden$calls, function(call) {
    if (!call$class %in% exported) call$status <- "not exported"
    call$args <- with_old_epsilon(call$args)
    call
  })
  jsonlite::write_json(
    golden, file.path(folders[[2]], basename(file)),
    auto_unbox = TRUE, digits = I(17), null = "null"
  )
}
