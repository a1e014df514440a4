//! Whole networks: known numbers, several inputs and outputs, and what must not matter.

use innsight_core::graph::Network;
use innsight_core::kernels::Kernels;
use innsight_core::methods::{
    explain, Choice, DeepLiftRule, Explanation, Gradient, LrpRules, MaxPool,
};
use innsight_core::model::{Array, Model};
use innsight_core::tensor::Tensor;
use serde_json::json;

use crate::ask::{Ask, Question};
use crate::{activation, assert_close, build, model, on_every_backend, op, with_rows, Random};

on_every_backend!(
    the_tiny_network,
    relu_networks_make_lrp_gradient_times_input,
    rows_and_targets_do_not_meet,
    unconnected_inputs_have_no_attribution,
    signals_of_all_consumers_add_up,
);

fn dense(weight: usize, bias: usize, function: &str) -> innsight_core::layers::Op {
    op(json!({"Dense": {"weight": weight, "bias": bias, "activation": activation(function)}}))
}

/// y = tanh(relu(x) - relu(0.8 x - 0.4) + relu(2 x - 1.2)).
fn tiny() -> Model {
    let arrays = vec![
        Array::new(&[3, 1], vec![1.0, 0.8, 2.0]),
        Array::new(&[3], vec![0.0, -0.4, -1.2]),
        Array::new(&[1, 3], vec![1.0, -1.0, 1.0]),
    ];
    let layers = vec![(vec![-1], dense(1, 2, "relu")), (vec![1], dense(3, 0, "tanh"))];
    model(&[&[1]], layers, &[2], arrays)
}

/// All explanations by a method, the reference being 0.1 everywhere.
fn all<B: Kernels>(
    network: &Network<B>,
    ask: &Ask,
    x: Vec<Tensor<B>>,
    targets: &[Vec<usize>],
    ignore_last_activation: bool,
) -> Vec<Option<Explanation<B>>> {
    let reference = |x: &Tensor<B>| x.clone().narrow(0, 0..1).scale(0.0).add_scalar(0.1);
    let (references, targets) = (x.iter().map(reference).collect(), targets.to_vec());
    Question { network, x, references, targets, ignore_last_activation }.ask(*ask).0
}

fn one<B: Kernels>(
    network: &Network<B>,
    ask: &Ask,
    x: Vec<Tensor<B>>,
    targets: &[usize],
    ignore: bool,
) -> Explanation<B> {
    all(network, ask, x, &[targets.to_vec()], ignore).remove(0).unwrap()
}

fn first<B: Kernels>(explanation: Explanation<B>) -> Vec<f64> {
    explanation.attributions.into_iter().next().unwrap().unwrap().into_vec()
}

/// Values that the vignette of the R package prints, or recomputed by hand.
fn the_tiny_network<B: Kernels>(device: &B::Device, tolerance: f64) {
    let network = build::<B>(&tiny(), device);
    let x = |v: f64| vec![Tensor::<B>::from_vec(vec![v], &[1, 1], device)];
    let tolerance = tolerance.max(5e-9);
    let check = |method: &Ask, at: f64, ignore: bool, expected: f64, slack: f64| {
        let got = first(one(&network, method, x(at), &[0], ignore));
        assert_close(&format!("at {at}"), &got, &[expected], tolerance.max(slack));
    };
    let lrp = |rule, parameter| Ask::Lrp(rule, parameter, true);
    let plain = Ask::Gradient { times_input: false };
    let times = Ask::Gradient { times_input: true };
    check(&plain, 0.45, false, 0.82200123, 0.0);
    check(&plain, 0.45, true, 1.0, 0.0);
    check(&times, 0.49, false, 0.38890684, 0.0);
    // The printed numbers carry a stabilizer of 1e-6, which moves them by up to 8e-6; in double
    // precision ours is 1e-15.
    let stabilizer = 1e-5;
    check(&lrp("simple", None), 0.49, false, 0.45421458, stabilizer);
    check(&lrp("simple", None), 0.60, false, 0.11024285, stabilizer);
    check(&lrp("simple", None), 0.60, true, 0.12000477, stabilizer);
    check(&lrp("epsilon", Some(0.001)), 0.49, false, 0.45236815, 0.0);
    check(&lrp("epsilon", Some(0.001)), 0.60, false, 0.11454494, 0.0);
    check(&lrp("epsilon", Some(0.1)), 0.49, false, 0.31329321, 0.0);
    check(&lrp("epsilon", Some(0.1)), 0.60, false, 0.23187896, 0.0);
    for (alpha, at_49, at_60) in [
        (0.5, 0.11355364, 0.23884787),
        (1.0, 0.45421458, 0.47769842),
        (2.0, 1.81685831, 0.95540759),
    ] {
        check(&lrp("alpha_beta", Some(alpha)), 0.49, false, at_49, stabilizer);
        check(&lrp("alpha_beta", Some(alpha)), 0.60, false, at_60, stabilizer);
    }
}

/// A convolutional network with pooling; dense layers `classes` wide at the end.
fn convolutional(random: &mut Random, bias: bool) -> Model {
    let arrays = vec![
        random.array(&[4, 2, 3, 3]),
        random.array(&[4]),
        random.array(&[5, 4 * 3 * 3]),
        random.array(&[5]),
    ];
    let bias = |i: usize| if bias { i } else { 0 };
    let conv = json!({"Conv2D": {"weight": 1, "bias": bias(2), "stride": [1, 1],
        "dilation": [1, 1], "padding": [1, 1, 1, 1], "padding_mode": "zeros", "groups": 1,
        "activation": activation("relu")}});
    let pool = json!({"MaxPooling2D": {"kernel_size": [2, 2], "strides": [2, 2],
        "padding": [0, 0, 0, 0], "dilation": [1, 1], "ceil_mode": false}});
    let flatten = json!({"Flatten": {"start_dim": 2, "end_dim": -1, "order": "channels_first"}});
    let layers = vec![
        (vec![-1], op(conv)),
        (vec![1], op(pool)),
        (vec![2], op(flatten)),
        (vec![3], dense(3, bias(4), "softmax")),
    ];
    model(&[&[2, 6, 6]], layers, &[4], arrays)
}

/// LRP-0 of a piecewise linear network is gradient times input, whatever the biases.
fn relu_networks_make_lrp_gradient_times_input<B: Kernels>(device: &B::Device, tolerance: f64) {
    let mut random = Random::new(61);
    let network = build::<B>(&convolutional(&mut random, true), device);
    let x: Tensor<B> = random.tensor(&[3, 2, 6, 6], device);
    let targets = [0, 1, 2, 3, 4];
    let gradient = Ask::Gradient { times_input: true };
    let lrp = Ask::Lrp("epsilon", Some(0.0), true);
    let left = first(one(&network, &lrp, vec![x.clone()], &targets, true));
    let right = first(one(&network, &gradient, vec![x], &targets, true));
    assert_close("LRP-0", &left, &right, 100.0 * tolerance);
}

/// The rows of a batch, and the targets, are explained as if each were alone.
fn rows_and_targets_do_not_meet<B: Kernels>(device: &B::Device, tolerance: f64) {
    let mut random = Random::new(62);
    let network = build::<B>(&convolutional(&mut random, true), device);
    let x: Tensor<B> = random.tensor(&[3, 2, 6, 6], device);
    let methods = [
        Ask::Gradient { times_input: false },
        Ask::Lrp("epsilon", None, true),
        Ask::Lrp("alpha_beta", Some(2.0), false),
        Ask::DeepLift(DeepLiftRule::Rescale, MaxPool::CrossMax),
        Ask::DeepLift(DeepLiftRule::RevealCancel, MaxPool::Average),
    ];
    for method in &methods {
        let all = first(one(&network, method, vec![x.clone()], &[3, 0, 4], false));
        for row in 0..3 {
            for (k, &target) in [3, 0, 4].iter().enumerate() {
                let alone = x.clone().narrow(0, row..row + 1);
                let explanation = one(&network, method, vec![alone], &[target], false);
                let start = (row * 3 + k) * 72;
                assert_close("a row", &first(explanation), &all[start..start + 72], tolerance);
            }
        }
    }
}

/// Two inputs, two outputs; the second output takes the second input alone.
fn two_by_two(random: &mut Random) -> Model {
    let arrays = vec![
        random.array(&[3, 2]),
        random.array(&[3, 4]),
        random.array(&[2, 3]),
        random.array(&[1, 3]),
    ];
    let layers = vec![
        (vec![-1], dense(1, 0, "relu")),
        (vec![-2], dense(2, 0, "tanh")),
        (vec![1, 2], op(json!({"Add": {}}))),
        (vec![3], dense(3, 0, "sigmoid")),
        (vec![2], dense(4, 0, "linear")),
    ];
    model(&[&[2], &[4]], layers, &[4, 5], arrays)
}

fn unconnected_inputs_have_no_attribution<B: Kernels>(device: &B::Device, _: f64) {
    let mut random = Random::new(63);
    let network = build::<B>(&two_by_two(&mut random), device);
    let x = || vec![Random::new(1).tensor(&[2, 2], device), Random::new(2).tensor(&[2, 4], device)];
    let gradient = Ask::Gradient { times_input: false };
    let both = all(&network, &gradient, x(), &[vec![1], vec![0]], true);
    let connected: Vec<Vec<bool>> = both
        .iter()
        .map(|e| e.as_ref().unwrap().attributions.iter().map(Option::is_some).collect())
        .collect();
    assert_eq!(connected, [[true, true], [false, true]]);
    // An output without targets is left out, the other one stays in its place.
    let second = all(&network, &gradient, x(), &[vec![], vec![0]], true);
    assert!(second[0].is_none() && second[1].is_some());
    let explanation = second.into_iter().nth(1).flatten().unwrap();
    let values = explanation.attributions[1].clone().unwrap().into_vec();
    let before = both[1].as_ref().unwrap().attributions[1].clone().unwrap().into_vec();
    assert_eq!(values, before);
    let tape = &network.forward(x()).unwrap();
    let gradient = Gradient { tape, times_input: false };
    let none = explain(&network, &gradient, &[vec![2], vec![]], true, false);
    assert!(none.err().unwrap().message.contains("Output node 3"));
}

/// A node that feeds several layers, an output among them, hears from all of them.
fn signals_of_all_consumers_add_up<B: Kernels>(device: &B::Device, tolerance: f64) {
    let mut random = Random::new(64);
    let arrays = vec![random.array(&[3, 3]), random.array(&[2, 3]), random.array(&[2, 2])];
    let layers = vec![
        (vec![-1], dense(1, 0, "tanh")),
        (vec![1], dense(2, 0, "linear")),
        (vec![2], dense(3, 0, "tanh")),
        (vec![3, 2], op(json!({"Add": {}}))),
    ];
    let network = build::<B>(&model(&[&[3]], layers.clone(), &[2, 4], arrays.clone()), device);
    let x = || vec![Random::new(3).tensor(&with_rows(2, &[3]), device)];
    let gradient = Ask::Gradient { times_input: false };
    // The sum's gradient in one go, and through each operand by a network of its own.
    let whole = all(&network, &gradient, x(), &[vec![], vec![0]], true);
    let whole = first(whole.into_iter().nth(1).flatten().unwrap());
    let part = |output: usize| {
        let network =
            build::<B>(&model(&[&[3]], layers.clone(), &[output], arrays.clone()), device);
        first(one(&network, &gradient, x(), &[0], false))
    };
    let sum: Vec<f64> = part(2).iter().zip(part(3)).map(|(a, b)| a + b).collect();
    assert_close("sum", &whole, &sum, tolerance);
    // LRP keeps the total where there are no biases.
    let lrp = Ask::Lrp("simple", None, true);
    let explanation = all(&network, &lrp, x(), &[vec![], vec![0, 1]], true);
    let explanation = explanation.into_iter().nth(1).flatten().unwrap();
    let goals = explanation.goals.clone().unwrap().into_vec();
    let sums: Vec<f64> = first(explanation).chunks(3).map(|r| r.iter().sum()).collect();
    assert_close("conservation", &sums, &goals, 1000.0 * tolerance);
}

#[test]
fn rules_are_checked() {
    type B = burn_ndarray::NdArray<f64>;
    let choice = |class: &str, rule: &str, parameter: Option<f64>| {
        let choice = Choice { class: class.into(), rule: rule.into(), parameter };
        LrpRules::<B>::new(&[choice], ("simple", None), true).err().map(|e| e.message)
    };
    assert_eq!(choice("BatchNorm", "pass", None), None);
    assert_eq!(choice("Adding_Layer", "equal", None), None);
    assert!(choice("Dense_Layer", "pass", None)
        .unwrap()
        .contains("InstanceNorm_Layer alone, not for Dense_Layer"));
    assert!(choice("Dens", "simple", None).unwrap().contains("no layer class 'Dens'"));
    assert!(choice("Dense", "zplus", None).unwrap().contains("no rule 'zplus'"));
    assert!(choice("Dense", "epsilon", Some(-1.0)).unwrap().contains("must lie between"));
    assert!(choice("Dense", "alpha_beta", Some(f64::NAN)).unwrap().contains("must lie between"));
    assert!(LrpRules::<B>::new(&[], ("pass", None), true).is_err());
}
