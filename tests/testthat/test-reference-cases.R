# Numbers printed in the sources of, or computed with, captum, zennit, shap, DeepLIFT, DeepExplain and
# RelevancePropagation.jl, and closed forms; `meta` in the file says which.

# Methods, or operations of a network, that this package does not have (yet), and why.
not_run <- c(
  lrp_gamma_general = "no gamma rule",
  "lrp_layer_rule:gamma_general" = "no gamma rule",
  lrp_per_layer = "no gamma rule",
  "composite:EpsilonGammaBox" = "no gamma and z-box rules",
  lrp_zbox_first_zero_rest = "no z-box rule",
  lrp_wsquare = "no w-square rule",
  lrp_flat = "no flat rule",
  "composite:EpsilonPlusFlat" = "no flat rule",
  "composite:EpsilonPlusFlat+SequentialMergeBatchNorm" = "no flat rule",
  "composite:EpsilonAlpha2Beta1Flat" = "no flat rule",
  "composite:GuidedBackprop" = "no guided backpropagation",
  guided_backprop = "no guided backpropagation",
  "composite:DeconvNet" = "no deconvnet",
  deconvnet = "no deconvnet",
  "grad_cam_layer:n1" = "no Grad-CAM",
  "grad_cam_layer:n2" = "no Grad-CAM",
  "guided_grad_cam_layer:n2" = "no Grad-CAM",
  "layer_conductance:n2" = "no conductance of layers",
  occlusion = "no occlusion",
  feature_ablation = "no ablation",
  "metric:completeness" = "no metrics",
  "metric:complexity_entropy" = "no metrics",
  "metric:infidelity" = "no metrics",
  "metric:max_sensitivity" = "no metrics",
  "metric:pixel_flipping" = "no metrics",
  "metric:sparseness_gini" = "no metrics",
  "attnlrp_op:softmax" = "softmax passes relevance unchanged here, theirs is a rule of its own",
  "attnlrp_op:matmul" = "no products of matrices",
  "attnlrp_op:rmsnorm" = "no root mean square normalisation"
)
# Methods and layers that these tests know how to run as soon as the package has them.
awaited <- c(
  shapley = "SHAP",
  "attnlrp_op:mul" = "Multiply",
  "attnlrp_op:layernorm" = "LayerNorm",
  deeplift_rescale = "Reshape"
)

test_that("every case of the reference holds to its own tolerance", {
  suite <- read_suite("cases.json")
  known <- c(names(layer_fields), getNamespaceExports("innsight"))
  for (case in suite$cases) {
    outcome <- run_case(case, suite)
    reason <- not_run[case$method]
    if (is.null(outcome)) {
      waits <- !is.na(reason) || !awaited[case$method] %in% c(NA, known)
      expect(waits, sprintf("%s: `%s` is neither run nor listed", case$id, case$method))
    } else {
      off <- max(abs(outcome$got - outcome$expected)) / max(1, abs(outcome$expected))
      expect(
        is.na(reason) && length(outcome$got) == length(outcome$expected) &&
          isTRUE(off <= max(case$tol, 1e-9)),
        sprintf("%s (%s): off by %.3g, allowed are %g", case$id, case$method, off, case$tol)
      )
    }
  }
  methods <- vapply(suite$cases, `[[`, "", "method")
  expect_identical(setdiff(c(names(not_run), names(awaited)), methods), character())
})
