//! The axioms of attribution, and the identities between methods, on random networks. None of them
//! needs a number that another program has computed.

use burn_ndarray::NdArray;
use innsight_core::graph::Network;
use innsight_core::kernels::{cpu::set_threads, Kernels};
use innsight_core::methods::{DeepLiftRule, Explanation, Factors, MaxPool, Points, SmoothGrad};
use innsight_core::model::Array;
use innsight_core::tensor::Tensor;
use serde_json::{json, Value};

use crate::ask::{rows, Answer, Ask, Quadrature, Question, COPIES};
use crate::networks::{Family, Plan, Recipe};
use crate::{activation, assert_close, on_every_backend, operands, Random};
use DeepLiftRule::{Rescale, RevealCancel};
use Quadrature::{Middle, Right};

on_every_backend!(
    lrp_accounts_for_every_bit,
    deep_lift_is_complete,
    certainties_are_compared,
    winners_alone_break_the_sum,
    deep_shap_is_the_mean_of_deep_lift,
    linear_networks_leave_no_choice,
    rectifiers_make_lrp_the_gradient_times_input,
    without_constants_all_agree,
    one_sign_alone_is_z_plus,
    batch_normalisation_can_be_merged,
    averages_of_gradients,
    connection_weights_are_a_gradient,
    exact_integrals_are_complete,
    inputs_are_equal_before_the_law,
    attributions_are_linear_in_the_output,
    what_only_rises_is_attributed_as_it_moves,
    rows_and_targets_do_not_meet,
    nothing_is_ever_undefined,
    answers_are_the_same_to_the_bit,
    draws_belong_to_a_sample_and_a_copy,
    draws_are_where_they_should_be,
);

const GRADIENT: Ask = Ask::Gradient { times_input: false };
const TIMES_INPUT: Ask = Ask::Gradient { times_input: true };
const DEEP_LIFT_RULES: [DeepLiftRule; 2] = [Rescale, RevealCancel];

/// Methods and settings that any network can be explained by.
const METHODS: &[Ask] = &[
    GRADIENT,
    TIMES_INPUT,
    Ask::Lrp("simple", None, true),
    Ask::Lrp("epsilon", Some(0.1), false),
    Ask::Lrp("alpha_beta", Some(2.0), true),
    Ask::DeepLift(Rescale, MaxPool::Winner),
    Ask::DeepLift(Rescale, MaxPool::Average),
    Ask::DeepLift(Rescale, MaxPool::CrossMax),
    Ask::DeepLift(RevealCancel, MaxPool::Average),
    Ask::DeepLift(RevealCancel, MaxPool::CrossMax),
    Ask::Integrated(Right, 5),
    Ask::Smooth(0.1),
    Ask::Expected,
    Ask::ConnectionWeights,
];

/// Those of them that suit a network. Sharing by the mean difference of a window, which is zero behind
/// a layer that keeps the mean, divides by zero there.
fn methods(plan: &Plan) -> impl Iterator<Item = Ask> + '_ {
    let averages = |ask: &Ask| matches!(ask, Ask::DeepLift(_, MaxPool::Average));
    let keeps = ["LayerNorm", "GroupNorm", "InstanceNorm", "softmax"];
    let kept = keeps.iter().any(|name| plan.to_string().contains(name));
    METHODS.iter().copied().filter(move |ask| !(kept && averages(ask)))
}

/// Those that draw at random, so that a sample's place among all counts.
fn draws(ask: &Ask) -> bool {
    matches!(ask, Ask::Smooth(_) | Ask::Expected)
}

const RECTIFIERS: &[&str] = &["relu", "leaky_relu", "linear"];
const PIECEWISE_LINEAR: &[&str] =
    &["relu", "leaky_relu", "relu6", "hard_tanh", "hard_sigmoid", "linear"];
const SMOOTH: &[&str] = &["tanh", "sigmoid", "gelu", "silu", "softmax"];

/// The data points of a question.
const SAMPLES: usize = 3;

/// A question about a network with random data.
fn question<'a, B: Kernels>(
    network: &'a Network<B>,
    references: usize,
    device: &B::Device,
) -> Question<'a, B> {
    let mut random = Random::new(network.nodes.len() as u64);
    let x = operands(&mut random, &network.inputs, SAMPLES, device);
    Question::new(network, x, operands(&mut random, &network.inputs, references, device))
}

/// Asks about some networks of a recipe, about every second one without its last activation.
fn on_networks<B: Kernels>(
    (recipe, count): (&Recipe, u64),
    references: usize,
    device: &B::Device,
    check: impl Fn(&Plan, Question<B>),
) {
    for (i, plan) in recipe.networks(count).enumerate() {
        let network = plan.build::<B>(device);
        let question = question(&network, references, device);
        check(&plan, Question { ignore_last_activation: i % 2 == 1, ..question });
    }
}

/// Sums of the rows of tensors, and of the sizes of what is added, by which rounding is measured.
#[derive(Clone)]
struct Tally {
    sums: Vec<f64>,
    sizes: Vec<f64>,
}

impl Tally {
    fn add<B: Kernels>(&mut self, tensor: &Tensor<B>) {
        let (values, rows) = (tensor.clone().into_vec(), self.sums.len());
        assert_eq!(tensor.rows(), rows);
        for (row, values) in values.chunks(values.len() / rows).enumerate() {
            self.sums[row] += values.iter().sum::<f64>();
            self.sizes[row] += values.iter().map(|x| x.abs()).sum::<f64>();
        }
    }

    /// What attributions, biases and stabilizers of every row add up to.
    fn of<B: Kernels>(explanation: &Explanation<B>, rows: usize) -> Self {
        let mut tally = Self { sums: vec![0.0; rows], sizes: vec![1.0; rows] };
        explanation.attributions.iter().flatten().for_each(|cells| tally.add(cells));
        let shares = explanation.ledger.iter().flat_map(|entry| [&entry.bias, &entry.stabilizer]);
        shares.flatten().for_each(|share| tally.add(share));
        tally
    }

    fn minus(&self, goals: &[f64]) -> Vec<f64> {
        minus(&self.sums, goals)
    }

    #[track_caller]
    fn assert_zero(&self, what: &str, rests: &[f64], tolerance: f64) {
        for (rest, size) in rests.iter().zip(&self.sizes) {
            assert!(rest.abs() <= tolerance * size, "{what}: {rest} is left of {size}");
        }
    }
}

fn minus(a: &[f64], b: &[f64]) -> Vec<f64> {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn larger(a: f64, b: f64) -> f64 {
    a.abs().max(b.abs())
}

/// All adds up to the goals, and at none of the layers is anything lost.
#[track_caller]
fn assert_balanced<B: Kernels>(what: &str, answer: &Answer<B>, tolerance: f64) {
    for explanation in answer.explanations() {
        let goals = explanation.goals.clone().expect("goals").into_vec();
        let tally = Tally::of(explanation, goals.len());
        tally.assert_zero(what, &tally.minus(&goals), tolerance);
        for entry in &explanation.ledger {
            let missing = entry.missing.clone().into_vec();
            tally.assert_zero(&format!("layer {} of {what}", entry.layer), &missing, tolerance);
        }
    }
}

#[track_caller]
fn assert_same(what: &str, left: &[f64], right: &[f64], tolerance: f64) {
    assert!(left.iter().all(|x| x.is_finite()), "{what}: not finite");
    assert_close(what, left, right, tolerance);
}

/// Relevance at the output is relevance of the inputs, of biases and of stabilizers.
fn lrp_accounts_for_every_bit<B: Kernels>(device: &B::Device, tolerance: f64) {
    let rules = [("simple", None), ("epsilon", None), ("epsilon", Some(0.1))];
    let alphas = [0.5, 1.0, 2.0].map(|alpha| ("alpha_beta", Some(alpha)));
    on_networks::<B>((&Recipe::default(), 20), 1, device, |plan, question| {
        for (rule, parameter) in rules.iter().chain(&alphas) {
            for ask in [true, false].map(|winner| Ask::Lrp(rule, *parameter, winner)) {
                let what = format!("{ask:?} of {plan}");
                assert_balanced(&what, &question.ask(ask), 10.0 * tolerance);
            }
        }
    });
}

fn deep_lift_is_complete<B: Kernels>(device: &B::Device, tolerance: f64) {
    let exact =
        |ask: &Ask| matches!(ask, Ask::DeepLift(_, max_pool) if *max_pool != MaxPool::Winner);
    on_networks::<B>((&Recipe::default(), 40), 1, device, |plan, question| {
        for ask in methods(plan).filter(exact) {
            let what = format!("{ask:?} of {plan}");
            assert_balanced(&what, &question.ask(ask), 10.0 * tolerance);
        }
    });
}

/// A softmax within a network that is certain of one class at x and of another one at the reference.
fn certainties_are_compared<B: Kernels>(device: &B::Device, tolerance: f64) {
    for function in ["softmax", "log_softmax"] {
        let mut random = Random::new(77);
        let mut plan = Plan::new(&[&[4]]);
        let large = random.values(12).into_iter().map(|w| 2000.0 * w).collect();
        let weights = [Array::new(&[3, 4], large), random.array(&[2, 3])].map(|w| plan.keep(w));
        for (weight, function) in weights.into_iter().zip([function, "tanh"]) {
            let function = activation(function);
            plan.then(json!({"Dense": {"weight": weight, "bias": 0, "activation": function}}));
        }
        let network = plan.build::<B>(device);
        let question = question(&network, 1, device);
        for ask in DEEP_LIFT_RULES.map(|rule| Ask::DeepLift(rule, MaxPool::Winner)) {
            assert_balanced(&format!("{ask:?} of {plan}"), &question.ask(ask), 10.0 * tolerance);
        }
    }
}

/// Handing differences to the winner at x leaves a rest, at the maxima and nowhere else.
fn winners_alone_break_the_sum<B: Kernels>(device: &B::Device, tolerance: f64) {
    let recipe = Recipe::of(PIECEWISE_LINEAR, &[Family::Piecewise]);
    let broken = std::cell::Cell::new(0);
    on_networks::<B>((&recipe, 20), 1, device, |plan, question| {
        let selects =
            |layer: usize| question.network.layers[layer - 1].layer_type.kind == "selection";
        for rule in DEEP_LIFT_RULES {
            let (ask, what) = (Ask::DeepLift(rule, MaxPool::Winner), plan.to_string());
            for explanation in question.ask(ask).explanations() {
                let goals = explanation.goals.clone().unwrap().into_vec();
                let kept = Tally::of(explanation, goals.len());
                let mut all = kept.clone();
                for entry in &explanation.ledger {
                    all.add(&entry.missing);
                    if !selects(entry.layer) {
                        let missing = entry.missing.clone().into_vec();
                        kept.assert_zero(&what, &missing, 10.0 * tolerance);
                    }
                }
                all.assert_zero(&what, &all.minus(&goals), 10.0 * tolerance);
                let rest = kept.minus(&goals).into_iter().fold(0.0, larger);
                broken.set(broken.get() + usize::from(rest > 0.01));
            }
        }
    });
    assert!(broken.get() > 3, "the axiom for the winner is not put to the test");
}

fn deep_shap_is_the_mean_of_deep_lift<B: Kernels>(device: &B::Device, tolerance: f64) {
    const REFERENCES: usize = 4;
    on_networks::<B>((&Recipe::default(), 12), REFERENCES, device, |plan, question| {
        // A single data point is a case of its own, its row stands for all references.
        for question in [question.about(1..2), question] {
            for ask in DEEP_LIFT_RULES.map(|rule| Ask::DeepLift(rule, MaxPool::CrossMax)) {
                let what = format!("{ask:?} of {plan}");
                let all = question.ask(ask);
                assert_balanced(&what, &all, 10.0 * tolerance);
                let one = |row: usize| {
                    let references = rows(&question.references, row..row + 1);
                    Question { references, ..question.clone() }.ask(ask)
                };
                let sum = (0..REFERENCES).map(one).reduce(Answer::plus).unwrap();
                let mean = sum.map(|_, sum| sum.scale(1.0 / REFERENCES as f64));
                assert_same(&what, &all.values(), &mean.values(), tolerance);
            }
        }
    });
}

/// Where the gradient is the same everywhere, all differences are explained by it.
fn linear_networks_leave_no_choice<B: Kernels>(device: &B::Device, tolerance: f64) {
    let recipe = Recipe::of(&["linear"], &[]);
    let deep_lift = DEEP_LIFT_RULES.map(|rule| Ask::DeepLift(rule, MaxPool::Winner));
    let integrals = [Ask::Integrated(Right, 3), Ask::Integrated(Middle, 2), Ask::Exact];
    for references in [1, 4] {
        on_networks::<B>((&recipe, 20), references, device, |plan, question| {
            let gradient = question.ask(GRADIENT);
            let from = |references: &[Tensor<B>]| {
                let way = |i: usize| {
                    let mean = references[i].clone().sum_axis(0);
                    question.x[i].clone() - mean.scale(1.0 / references[i].rows() as f64)
                };
                gradient.map(|i, g| g.mul_samples(&way(i))).values()
            };
            let (way, first) = (from(&question.references), from(&question.reference()));
            let check = |ask: Ask, expected: &[f64]| {
                let what = format!("{ask:?} of {plan}");
                assert_same(&what, &question.ask(ask).values(), expected, 10.0 * tolerance);
            };
            deep_lift.iter().for_each(|ask| check(*ask, &way));
            integrals.iter().for_each(|ask| check(*ask, &first));
            check(Ask::ConnectionWeights, &question.ask(TIMES_INPUT).values());
        });
    }
}

fn rectifiers_make_lrp_the_gradient_times_input<B: Kernels>(device: &B::Device, tolerance: f64) {
    let recipe = Recipe::of(RECTIFIERS, &[Family::Piecewise]);
    on_networks::<B>((&recipe, 30), 1, device, |plan, question| {
        let lrp = question.ask(Ask::Lrp("epsilon", Some(0.0), true));
        let gradient = question.ask(TIMES_INPUT);
        assert_same(&plan.to_string(), &lrp.values(), &gradient.values(), 10.0 * tolerance);
    });
}

/// Such a network is linear on every ray from the origin.
fn without_constants_all_agree<B: Kernels>(device: &B::Device, tolerance: f64) {
    let recipe = Recipe { bias: false, ..Recipe::of(RECTIFIERS, &[Family::Piecewise]) };
    on_networks::<B>((&recipe, 30), 1, device, |plan, mut question| {
        question.references = question.reference().iter().map(|r| r.clone().scale(0.0)).collect();
        let gradient = question.ask(TIMES_INPUT);
        assert_balanced(&plan.to_string(), &gradient, 10.0 * tolerance);
        for ask in [
            Ask::DeepLift(Rescale, MaxPool::Winner),
            Ask::Lrp("epsilon", Some(0.0), true),
            Ask::Integrated(Right, 4),
            Ask::Exact,
        ] {
            let (what, answer) = (format!("{ask:?} of {plan}"), question.ask(ask));
            assert_same(&what, &answer.values(), &gradient.values(), 10.0 * tolerance);
        }
    });
}

/// Alpha-beta with alpha = 1 on x -> relu -> dense by the formula of the z⁺ rule.
fn one_sign_alone_is_z_plus<B: Kernels>(device: &B::Device, tolerance: f64) {
    let mut random = Random::new(71);
    let sizes = [4, 5, 3];
    let mut plan = Plan::new(&[&sizes[..1]]);
    for (i, function) in ["relu", "linear"].iter().enumerate() {
        let (n, m) = (sizes[i], sizes[i + 1]);
        let (weight, bias) = (plan.keep(random.array(&[m, n])), plan.keep(random.array(&[m])));
        let function = activation(function);
        plan.then(json!({"Dense": {"weight": weight, "bias": bias, "activation": function}}));
    }
    let network = plan.build::<B>(device);
    let question = question(&network, 1, device);
    let x = question.x[0].clone().into_vec();
    let answer = question.ask(Ask::Lrp("alpha_beta", Some(1.0), true));

    let positive = |x: f64| x.max(0.0);
    let (w, b) = (|i: usize| plan.values(2 * i + 1), |i: usize| plan.values(2 * i + 2));
    let forward = |i: usize, x: &[f64], f: fn(f64, f64) -> f64| -> Vec<f64> {
        let cell = |(w, b): (&[f64], f64)| {
            w.iter().zip(x).map(|(w, x)| f(*w, *x)).sum::<f64>() + f(b, 1.0)
        };
        w(i).chunks(x.len()).zip(b(i)).map(cell).collect()
    };
    let back = |i: usize, x: &[f64], r: Vec<f64>| -> Vec<f64> {
        let z = forward(i, x, |w, x| (w * x).max(0.0));
        let cell = |c: usize| {
            let share = |j: usize| positive(w(i)[j * x.len() + c] * x[c]) / z[j].max(1e-30) * r[j];
            (0..r.len()).map(share).sum()
        };
        (0..x.len()).map(cell).collect()
    };
    let mut expected = Vec::new();
    for x in x.chunks(sizes[0]) {
        let hidden: Vec<f64> = forward(0, x, |w, x| w * x).into_iter().map(positive).collect();
        let y = forward(1, &hidden, |w, x| w * x);
        for node in 0..sizes[2] {
            let mut r = vec![0.0; sizes[2]];
            r[node] = y[node];
            expected.extend(back(0, x, back(1, &hidden, r)));
        }
    }
    assert_same("z⁺", &answer.values(), &expected, 10.0 * tolerance);
}

/// LRP with a stabilizer tends to LRP-0, the distance being proportional to the stabilizer as long as
/// that is smaller than what it is added to.
#[test]
fn stabilizers_vanish() {
    let recipe = Recipe::of(PIECEWISE_LINEAR, &[Family::Piecewise]);
    on_networks::<NdArray<f64>>((&recipe, 20), 1, &Default::default(), |plan, question| {
        let lrp = |epsilon| question.ask(Ask::Lrp("epsilon", Some(epsilon), true)).values();
        let distance = |epsilon| minus(&lrp(epsilon), &lrp(0.0)).into_iter().fold(0.0, larger);
        let (far, near) = (distance(1e-8), distance(1e-10));
        assert!(near <= 0.02 * far + 1e-10, "{near} and {far} of {plan}");
    });
}

/// A batch normalisation behind an affine layer changes nothing but the layer's weights.
fn batch_normalisation_can_be_merged<B: Kernels>(device: &B::Device, tolerance: f64) {
    let mut random = Random::new(72);
    let mut plans = [Plan::new(&[&[2, 6, 6]]), Plan::new(&[&[2, 6, 6]])];
    let conv = json!({"Conv2D": {"stride": [1, 1], "dilation": [1, 1], "groups": 1,
        "padding": [1, 1, 1, 1], "padding_mode": "zeros", "activation": activation("linear")}});
    let dense = json!({"Dense": {"activation": activation("linear")}});
    let pool = json!({"MaxPooling2D": {"kernel_size": [2, 2], "strides": [2, 2],
        "padding": [0, 0, 0, 0], "dilation": [1, 1], "ceil_mode": false}});
    let flatten = json!({"Flatten": {"start_dim": 2, "end_dim": -1, "order": "channels_first"}});
    for (affine, shape, behind) in [
        (conv, vec![3, 2, 3, 3], [pool, flatten].as_slice()),
        (dense.clone(), vec![4, 27], &[]),
        (dense, vec![3, 4], &[]),
    ] {
        let n = shape[0];
        let cells: usize = shape[1..].iter().product();
        let [weight, bias, gamma, beta, mean] =
            [n * cells, n, n, n, n].map(|count| random.values(count));
        let variance: Vec<f64> = random.values(n).iter().map(|v| v.abs() + 0.5).collect();
        let scale: Vec<f64> = (0..n).map(|i| gamma[i] / (variance[i] + 1e-3).sqrt()).collect();
        let merged = (
            weight.iter().enumerate().map(|(i, w)| w * scale[i / cells]).collect(),
            (0..n).map(|i| scale[i] * (bias[i] - mean[i]) + beta[i]).collect(),
        );
        for (plan, (weight, bias)) in plans.iter_mut().zip([(weight, bias), merged]) {
            let mut affine = affine.clone();
            for settings in affine.as_object_mut().unwrap().values_mut() {
                settings["weight"] = plan.keep(Array::new(&shape, weight.clone())).into();
                settings["bias"] = plan.keep(Array::new(&[n], bias.clone())).into();
            }
            plan.then(affine);
        }
        let [gamma, beta, mean, variance] =
            [gamma, beta, mean, variance].map(|values| plans[0].keep(Array::new(&[n], values)));
        plans[0].then(json!({"BatchNorm": {
            "gamma": gamma, "beta": beta, "run_mean": mean, "run_var": variance, "eps": 1e-3
        }}));
        for plan in &mut plans {
            plan.then(json!({"Activation": {"activation": activation("relu")}}));
            behind.iter().for_each(|layer| plan.then(layer.clone()));
        }
    }
    let networks = plans.map(|plan| plan.build::<B>(device));
    let mut random = Random::new(73);
    let x = operands(&mut random, &networks[0].inputs, SAMPLES, device);
    let references = operands(&mut random, &networks[0].inputs, 1, device);
    let [kept, merged] =
        networks.each_ref().map(|network| Question::new(network, x.clone(), references.clone()));
    for ask in [
        GRADIENT,
        Ask::DeepLift(Rescale, MaxPool::CrossMax),
        Ask::DeepLift(RevealCancel, MaxPool::CrossMax),
        Ask::Lrp("epsilon", Some(0.0), true),
        Ask::Integrated(Middle, 5),
    ] {
        let (kept, merged) = (kept.ask(ask), merged.ask(ask));
        let goals = |answer: &Answer<B>| {
            let goals = answer.explanations().filter_map(|e| e.goals.clone());
            goals.flat_map(Tensor::into_vec).collect::<Vec<_>>()
        };
        assert_same(&format!("{ask:?}"), &goals(&kept), &goals(&merged), 10.0 * tolerance);
        assert_same(&format!("{ask:?}"), &kept.values(), &merged.values(), 10.0 * tolerance);
    }
}

/// SmoothGrad without noise is the gradient, with noise the mean at the points that it draws, and
/// ExpectedGradient with one reference the mean of gradient times difference there.
fn averages_of_gradients<B: Kernels>(device: &B::Device, tolerance: f64) {
    on_networks::<B>((&Recipe::default(), 20), 1, device, |plan, question| {
        let what = plan.to_string();
        let gradient = question.ask(GRADIENT).values();
        assert_same(&what, &question.ask(Ask::Smooth(0.0)).values(), &gradient, tolerance);
        let points_of = |points: &dyn Points<B>| points.batch(&question.x, 0, 0..COPIES).inputs;
        for times_input in [false, true] {
            let smooth = SmoothGrad { times_input, ..question.smooth(0.3) };
            let points = Question { x: points_of(&smooth), ..question.clone() };
            let mean = |_: usize, gradient: Tensor<B>| {
                let targets = gradient.rows() / (SAMPLES * COPIES);
                gradient.sum_copies(COPIES, targets).scale(1.0 / COPIES as f64)
            };
            let expected = points.ask(Ask::Gradient { times_input }).map(mean);
            let answer = question.average(&smooth, 0, 0..COPIES);
            assert_same(&what, &answer.values(), &expected.values(), tolerance);
        }
        let points = points_of(&question.expected());
        let way = |i: usize| question.x[i].clone() - question.references[i].clone();
        let mean = |i: usize, gradient: Tensor<B>| {
            let targets = gradient.rows() / (SAMPLES * COPIES);
            let products = gradient.mul_samples(&way(i).repeat_rows(COPIES));
            products.sum_copies(COPIES, targets).scale(1.0 / COPIES as f64)
        };
        let expected = Question { x: points, ..question.clone() }.ask(GRADIENT).map(mean);
        let answer = question.ask(Ask::Expected);
        assert_same(&what, &answer.values(), &expected.values(), tolerance);
    });
}

/// They are those of the network in which activation functions are left out and maxima are means.
fn connection_weights_are_a_gradient<B: Kernels>(device: &B::Device, tolerance: f64) {
    let linear = |(name, mut settings): (String, Value)| {
        if name == "PReLU" {
            return json!({"Skipping": {}});
        }
        if settings.get("activation").is_some() {
            settings["activation"] = activation("linear");
        }
        let mean = name.replace("GlobalMax", "GlobalAvg").replace("MaxPool", "AveragePool");
        if name.starts_with("MaxPool") {
            settings["count_include_pad"] = false.into();
        }
        json!({ mean: settings })
    };
    // There are no means over windows with gaps.
    let dilated = |layer: &Value| {
        let pools =
            layer.as_object().unwrap().iter().filter(|(name, _)| name.starts_with("MaxPool"));
        pools.into_iter().any(|(_, settings)| settings["dilation"].to_string().contains('2'))
    };
    let recipe = Recipe { families: vec![Family::Piecewise], ..Recipe::default() };
    let mut maxima = 0;
    for plan in recipe.networks(60) {
        if plan.layers.iter().any(|(_, layer)| dilated(layer)) {
            continue;
        }
        maxima += usize::from(plan.to_string().contains("MaxPool"));
        let mut means = plan.clone();
        for (_, layer) in &mut means.layers {
            *layer = layer.as_object().unwrap().clone().into_iter().map(linear).next().unwrap();
        }
        let (network, means) = (plan.build::<B>(device), means.build::<B>(device));
        let weights = question(&network, 1, device).ask(Ask::ConnectionWeights);
        let asked = question(&network, 1, device);
        let gradient = Question { network: &means, ..asked }.ask(TIMES_INPUT);
        assert_same(&plan.to_string(), &weights.values(), &gradient.values(), tolerance);
    }
    assert!(maxima > 5, "too few maxima");
}

/// The change of all outputs from the reference to x.
fn differences<B: Kernels>(question: &Question<B>) -> Vec<Vec<f64>> {
    let values = |x: Vec<Tensor<B>>| -> Vec<_> {
        let tape = question.network.forward(x).unwrap();
        let value = |output: &innsight_core::graph::Output| {
            let ignored = question.ignore_last_activation;
            tape.value(if ignored { output.before_activation } else { output.value }).clone()
        };
        question.network.outputs.iter().map(value).collect()
    };
    let pairs = values(question.x.clone()).into_iter().zip(values(question.reference()));
    pairs.map(|(x, reference)| (x - reference).into_vec()).collect()
}

/// What sums of integrals along the path are off the differences of the outputs.
fn gaps<B: Kernels>(question: &Question<B>, ask: Ask) -> Vec<(Tally, Vec<f64>)> {
    let answer = question.ask(ask);
    let gap = |(explanation, goals): (&Explanation<B>, Vec<f64>)| {
        let tally = Tally::of(explanation, goals.len());
        let gaps = tally.minus(&goals);
        (tally, gaps)
    };
    answer.explanations().zip(differences(question)).map(gap).collect()
}

fn exact_integrals_are_complete<B: Kernels>(device: &B::Device, tolerance: f64) {
    let recipe = Recipe::of(PIECEWISE_LINEAR, &[Family::Piecewise]);
    on_networks::<B>((&recipe, 20), 1, device, |plan, question| {
        for (tally, gaps) in gaps(&question, Ask::Exact) {
            tally.assert_zero(&plan.to_string(), &gaps, 0.1 * tolerance);
        }
    });
}

#[test]
fn exact_integrals_are_what_quadratures_tend_to() {
    let recipe = Recipe::of(PIECEWISE_LINEAR, &[Family::Piecewise]);
    let recipe = Recipe { inputs: vec![1, 2], ends: 1, ..recipe };
    on_networks::<NdArray<f64>>((&recipe, 3), 1, &Default::default(), |plan, question| {
        let question = question.about(0..1);
        let [exact, sum] = [Ask::Exact, Ask::Integrated(Middle, 20_000)].map(|a| question.ask(a));
        assert_same(&plan.to_string(), &exact.values(), &sum.values(), 1e-3);
    });
}

/// On smooth networks four times the points leave a quarter of the error at right ends of the pieces
/// and a sixteenth in their middles; a network that is linear as far as it is asked leaves none.
#[test]
fn errors_of_quadratures_fall_as_they_should() {
    let recipe = Recipe::of(SMOOTH, &[]);
    on_networks::<NdArray<f64>>((&recipe, 6), 1, &Default::default(), |plan, question| {
        for (quadrature, power) in [(Right, 4.0), (Middle, 16.0)] {
            let [few, many] = [40, 160].map(|n| {
                let gaps = gaps(&question, Ask::Integrated(quadrature, n));
                gaps.into_iter().flat_map(|(_, gaps)| gaps).fold(0.0, larger)
            });
            let falls = (0.8..1.25).contains(&(few / many / power));
            assert!(falls || few < 1e-12, "{quadrature:?}, {few} and {many}: {plan}");
        }
    });
}

/// Inputs that enter in the same way get the same, one that does not enter gets nothing, and their
/// order is of no account.
fn inputs_are_equal_before_the_law<B: Kernels>(device: &B::Device, tolerance: f64) {
    const INPUTS: usize = 4;
    let recipe = Recipe { inputs: vec![1], ends: 1, ..Recipe::default() };
    for plan in recipe.networks(20) {
        let mut random = Random::new(74);
        let nodes = plan.inputs[0][0];
        // The first two inputs have the same weights and values, and the third one has no weights.
        let column = |values: Vec<f64>| [values[0], values[0], values[1], values[2]];
        let weight = |values: Vec<f64>| [values[0], values[0], 0.0, values[2]];
        let [weights, x, references] =
            [nodes, SAMPLES, 2].map(|rows| (0..rows).map(|_| random.values(3)).collect::<Vec<_>>());
        let weights: Vec<_> = weights.into_iter().map(weight).collect();
        let [x, references] = [x, references].map(|rows| rows.into_iter().map(column).collect());
        let ask = |ask: Ask, order: [usize; INPUTS]| {
            let ordered = |rows: &Vec<[f64; INPUTS]>| -> Vec<f64> {
                rows.iter().flat_map(|row| order.map(|i| row[i])).collect()
            };
            let network = plan.behind(Array::new(&[nodes, INPUTS], ordered(&weights)));
            let network = network.build::<B>(device);
            let data = |rows: &Vec<[f64; INPUTS]>| {
                vec![Tensor::from_vec(ordered(rows), &[rows.len(), INPUTS], device)]
            };
            Question::new(&network, data(&x), data(&references)).ask(ask).values()
        };
        for method in methods(&plan).filter(|method| !matches!(method, Ask::Smooth(_))) {
            let what = format!("{method:?} of {plan}");
            let [given, turned] = [[0, 1, 2, 3], [3, 2, 1, 0]].map(|order| ask(method, order));
            let turned: Vec<f64> =
                turned.chunks(INPUTS).flat_map(|row| row.iter().rev().copied()).collect();
            assert_same(&what, &turned, &given, 10.0 * tolerance);
            let input =
                |i: usize| given.iter().copied().skip(i).step_by(INPUTS).collect::<Vec<_>>();
            assert_same(&what, &input(0), &input(1), 10.0 * tolerance);
            assert!(input(2).iter().all(|r| *r == 0.0), "{what}");
        }
    }
}

/// An output that is a sum of others with weights is explained by the sum of their attributions.
fn attributions_are_linear_in_the_output<B: Kernels>(device: &B::Device, tolerance: f64) {
    let recipe = Recipe { last: Some("linear"), ends: 1, ..Recipe::default() };
    for mut plan in recipe.networks(20) {
        let output = plan.outputs[0];
        let nodes = plan.build::<B>(device).outputs[0].nodes;
        let factors = Random::new(75).values(nodes);
        let weight = plan.keep(Array::new(&[1, nodes], factors.clone()));
        let function = activation("linear");
        plan.then(json!({"Dense": {"weight": weight, "bias": 0, "activation": function}}));
        plan.outputs.insert(0, output);
        let network = plan.build::<B>(device);
        let question = question(&network, 1, device);
        for ask in methods(&plan).filter(|ask| !matches!(ask, Ask::Lrp(..))) {
            let answer = |targets| Question { targets, ..question.clone() }.ask(ask).values();
            let parts = answer(vec![(0..nodes).collect(), vec![]]);
            let cells = parts.len() / (SAMPLES * nodes);
            let sum = |row: &[f64]| -> Vec<f64> {
                let cell = |c: usize| (0..nodes).map(|k| factors[k] * row[k * cells + c]).sum();
                (0..cells).map(cell).collect()
            };
            let expected: Vec<f64> = parts.chunks(nodes * cells).flat_map(sum).collect();
            let what = format!("{ask:?} of {plan}");
            assert_same(&what, &answer(vec![vec![], vec![0]]), &expected, 10.0 * tolerance);
        }
    }
}

/// In a network of functions that never fall, without negative weights, an input that is above its
/// reference has no negative attribution and one below has no positive one.
fn what_only_rises_is_attributed_as_it_moves<B: Kernels>(device: &B::Device, tolerance: f64) {
    let rising = ["elu", "softsign", "tanh", "sigmoid"];
    let recipe = Recipe::of(&[PIECEWISE_LINEAR, &rising].concat(), &[Family::Piecewise]);
    for plan in recipe.networks(20) {
        let weights = ["weight", "gamma", "scale"];
        let plan = weights.iter().fold(plan, |plan, field| plan.with(field, f64::abs));
        let network = plan.build::<B>(device);
        let question = question(&network, 1, device);
        let way = |i: usize| (question.x[i].clone() - question.references[i].clone()).sign();
        let pools = [MaxPool::CrossMax, MaxPool::Winner];
        let deep_lift = DEEP_LIFT_RULES.map(|rule| pools.map(|pool| Ask::DeepLift(rule, pool)));
        for ask in deep_lift.into_iter().flatten().chain([Ask::Integrated(Right, 3)]) {
            let along = question.ask(ask).map(|i, r| r.mul_samples(&way(i))).values();
            let least = along.iter().copied().fold(0.0, f64::min);
            let size = along.into_iter().fold(1.0, larger);
            assert!(least >= -10.0 * tolerance * size, "{ask:?}: {least} of {size} in {plan}");
        }
    }
}

/// A sample and some targets are explained as if there were no others.
fn rows_and_targets_do_not_meet<B: Kernels>(device: &B::Device, tolerance: f64) {
    on_networks::<B>((&Recipe::default(), 12), 2, device, |plan, question| {
        for ask in methods(plan).filter(|ask| !draws(ask)) {
            let all = question.ask(ask);
            let targets = [1, 0];
            for sample in [0, 2] {
                let chosen = vec![targets.to_vec(); question.targets.len()];
                let alone = question.about(sample..sample + 1);
                let alone = Question { targets: chosen, ..alone }.ask(ask);
                let what = format!("{ask:?} of {plan}");
                let together = all.of(SAMPLES, sample, &targets);
                assert_same(&what, &alone.values(), &together, 10.0 * tolerance);
            }
        }
    });
}

/// Zeros and infinities are made by data of zeros, references that equal the data, and networks that
/// are constant, dead or saturated, if anywhere.
fn nothing_is_ever_undefined<B: Kernels>(device: &B::Device, _: f64) {
    let piecewise_linear = Recipe::of(PIECEWISE_LINEAR, &[Family::Piecewise]);
    for (recipe, exact) in [(Recipe::default(), None), (piecewise_linear, Some(Ask::Exact))] {
        for plan in recipe.networks(2) {
            let zeros = |data: &[Tensor<B>]| data.iter().map(|x| x.clone().scale(0.0)).collect();
            let check = |plan: &Plan, change: &dyn Fn(&mut Question<B>)| {
                let network = plan.build::<B>(device);
                let mut question = question(&network, 2, device);
                change(&mut question);
                for ask in methods(plan).chain(exact) {
                    let values = question.ask(ask).values();
                    assert!(values.iter().all(|x| x.is_finite()), "{ask:?} of {plan}");
                }
            };
            check(&plan, &|question| question.x = zeros(&question.x));
            check(&plan, &|question| question.references = zeros(&question.references));
            check(&plan, &|question| question.x = question.reference());
            check(&plan.with("weight", |_| 0.0), &|_| ());
            check(&plan.with("weight", |w| 10.0 * w), &|_| ());
            check(&plan.with("bias", |_| -50.0), &|question| {
                question.x = zeros(&question.x);
                question.references = question.x.clone();
            });
        }
    }
}

/// As nearly as the answer is decided by data of single precision: close to a jump it moves with the last
/// digit of x. A slope over a small difference cancels, which leaves three digits of DeepLift. The
/// stabilizer of most rules depends on the precision, that of the epsilon rule does not.
#[test]
fn single_precision_is_nearly_double() {
    let precise = |ask: &Ask| !matches!(ask, Ask::Lrp(rule, ..) if *rule != "epsilon");
    for plan in Recipe::default().networks(12) {
        let (single, double) =
            (plan.build::<NdArray<f32>>(&Default::default()), plan.build(&Default::default()));
        let single = question(&single, 2, &Default::default());
        let double = question::<NdArray<f64>>(&double, 2, &Default::default());
        let moved = double.x.iter().map(|x| x.clone().scale(1.0 + 1e-6)).collect();
        let moved = Question { x: moved, ..double.clone() };
        for ask in methods(&plan).filter(precise) {
            let (left, right) = (single.ask(ask).values(), double.ask(ask).values());
            let slack = minus(&moved.ask(ask).values(), &right).into_iter().fold(0.0, larger);
            let size = right.iter().copied().fold(1.0, larger);
            let tolerance = if matches!(ask, Ask::DeepLift(..)) { 1e-3 } else { 1e-4 };
            assert_same(&format!("{ask:?} of {plan}"), &left, &right, tolerance + slack / size);
        }
    }
}

/// Answers do not depend on what has been asked before nor on the number of threads.
fn answers_are_the_same_to_the_bit<B: Kernels>(device: &B::Device, _: f64) {
    // Large enough for several threads.
    let mut wide = Plan::new(&[&[8, 20, 20]]);
    let mut random = Random::new(76);
    let [conv, dense] = [vec![16, 8, 3, 3], vec![3, 16]].map(|s| wide.keep(random.array(&s)));
    wide.then(json!({"Conv2D": {"weight": conv, "bias": 0, "stride": [1, 1], "dilation": [1, 1],
        "padding": [1, 1, 1, 1], "padding_mode": "zeros", "groups": 1,
        "activation": activation("tanh")}}));
    wide.then(json!({"GlobalMaxPooling": {}}));
    wide.then(json!({"Dense": {"weight": dense, "bias": 0, "activation": activation("softmax")}}));
    let recipe = Recipe::default();
    for (plan, every) in recipe.networks(5).map(|plan| (plan, 1)).chain([(wide, 3)]) {
        let network = plan.build::<B>(device);
        let question = question(&network, 2, device);
        let methods: Vec<Ask> = methods(&plan).step_by(every).collect();
        let ask = |ask: &Ask| question.ask(*ask).values();
        set_threads(1);
        let first: Vec<_> = methods.iter().map(ask).collect();
        set_threads(3);
        for (method, first) in methods.iter().zip(&first).rev() {
            assert!(ask(method) == *first, "{method:?} of {plan}");
        }
    }
    set_threads(2);
}

fn of_copies<B: Kernels>(factors: Factors<B>) -> Option<Vec<Tensor<B>>> {
    match factors {
        Factors::OfCopies(factors) => Some(factors),
        _ => None,
    }
}

/// What is drawn at random follows from the seed, the number of the sample and the number of the copy;
/// the parts of an average add up to it.
fn draws_belong_to_a_sample_and_a_copy<B: Kernels>(device: &B::Device, tolerance: f64) {
    on_networks::<B>((&Recipe::default(), 10), 3, device, |plan, question| {
        let (smooth, expected) = (question.smooth(0.3), question.expected());
        for points in [&smooth as &dyn Points<B>, &expected] {
            let all = points.batch(&question.x, 0, 0..COPIES);
            let part = points.batch(&question.about(1..SAMPLES).x, 1, 2..4);
            let places: Vec<usize> =
                (1..SAMPLES).flat_map(|s| [2, 3].map(|copy| s * COPIES + copy)).collect();
            let pick = |t: &Tensor<B>| t.clone().select(0, &places);
            let picked = |all: Vec<Tensor<B>>| joined(&all.iter().map(pick).collect::<Vec<_>>());
            assert_eq!(joined(&part.inputs), picked(all.inputs), "{plan}");
            let (part, all) = (of_copies(part.factors), of_copies(all.factors));
            assert_eq!(part.map(|f| joined(&f)), all.map(picked), "{plan}");

            let whole = question.average(points, 0, 0..COPIES);
            let parts = [0..1, 1..4, 4..COPIES].map(|copies| question.average(points, 0, copies));
            let sum = parts.into_iter().reduce(Answer::plus).unwrap();
            assert_same(&plan.to_string(), &sum.values(), &whole.values(), tolerance);
            for sample in 1..SAMPLES {
                let alone = question.about(sample..sample + 1).average(points, sample, 0..COPIES);
                let together = whole.of(SAMPLES, sample, &Vec::from_iter(0..10));
                assert_same(&plan.to_string(), &alone.values(), &together, 10.0 * tolerance);
            }
        }
    });
}

/// Noise is never the same twice. A copy of ExpectedGradient lies between x and one of the references,
/// with all of its inputs at the same place.
fn draws_are_where_they_should_be<B: Kernels>(device: &B::Device, tolerance: f64) {
    on_networks::<B>((&Recipe::default(), 10), 3, device, |_, question| {
        let x = joined(&question.x);
        let (first, other) = (question.smooth(0.3), SmoothGrad { seed: 8, ..question.smooth(0.3) });
        let batches = [first, other].map(|points| points.batch(&question.x, 0, 0..COPIES));
        let noisy = batches.iter().flat_map(|batch| joined(&batch.inputs)).enumerate();
        let noise = noisy.map(|(row, point)| minus(&point, &x[row / COPIES % SAMPLES])[0]);
        let mut noise: Vec<f64> = noise.collect();
        noise.sort_by(f64::total_cmp);
        assert!(noise.windows(2).all(|pair| pair[1] - pair[0] > 1e-6), "{noise:?}");

        let batch = question.expected().batch(&question.x, 0, 0..COPIES);
        let [references, points, ways] =
            [question.references, batch.inputs, of_copies(batch.factors).unwrap()]
                .map(|t| joined(&t));
        let mut seen = [false; 3];
        for (row, (point, way)) in points.iter().zip(&ways).enumerate() {
            let x = &x[row / COPIES];
            let longest = (0..way.len()).max_by(|&i, &j| way[i].abs().total_cmp(&way[j].abs()));
            let cell = longest.unwrap();
            let rest = (x[cell] - point[cell]) / way[cell];
            assert!((0.0..=1.0).contains(&rest), "{rest}");
            let there: Vec<f64> = x.iter().zip(way).map(|(x, way)| x - rest * way).collect();
            assert_same("points", &there, point, 10.0 * tolerance);
            let start = minus(x, way);
            let is_start = |r: &Vec<f64>| minus(r, &start).into_iter().fold(0.0, larger) < 1e-5;
            seen[references.iter().position(is_start).expect("one of the references")] = true;
        }
        assert_eq!(seen, [true; 3], "every reference is drawn");
    });
}

/// The rows of all inputs side by side.
fn joined<B: Kernels>(inputs: &[Tensor<B>]) -> Vec<Vec<f64>> {
    let line = |x: &Tensor<B>| x.clone().reshape_rows(&[x.shape()[1..].iter().product()]);
    let lines = Tensor::concatenate(&inputs.iter().map(line).collect::<Vec<_>>(), 1);
    let cells = lines.shape()[1];
    lines.into_vec().chunks(cells).map(<[f64]>::to_vec).collect()
}
