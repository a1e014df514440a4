# Numbers printed in the sources of, or computed with, captum, zennit, shap, DeepLIFT, DeepExplain
# and RelevancePropagation.jl, and closed forms; each case says which.

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

test_that("every case of the reference holds to its own tolerance", {
  suite <- read_suite("cases.json")
  for (case in suite$cases) {
    outcome <- run_case(case, suite)
    reason <- not_run[case$method]
    if (is.null(outcome)) {
      expect(!is.na(reason), sprintf("%s: `%s` is neither run nor listed", case$id, case$method))
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
  expect_identical(setdiff(names(not_run), methods), character())
})
