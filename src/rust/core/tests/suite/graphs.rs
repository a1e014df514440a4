//! Networks that cannot be, and what is said of them.

use burn_ndarray::NdArray;
use innsight_core::error::Kind;
use innsight_core::graph::Network;
use innsight_core::layers::Op;
use innsight_core::methods::{explain, Gradient};
use innsight_core::model::{Array, Model, Order};
use innsight_core::tensor::Tensor;
use serde_json::json;

use crate::{activation, model, op, Random};

type B = NdArray<f64>;

fn dense(weight: usize) -> Op {
    op(json!({"Dense": {"weight": weight, "bias": 0, "activation": activation("relu")}}))
}

#[track_caller]
fn fails(model: &Model, kind: Kind, words: &[&str]) {
    let error = Network::<B>::new(model, &Default::default(), Order::ChannelsFirst)
        .err()
        .expect("the model must be refused");
    assert_eq!(error.kind, kind, "{error}");
    for word in words {
        assert!(error.message.contains(word), "'{word}' is not in: {error}");
    }
}

fn weights(shapes: &[&[usize]]) -> Vec<Array> {
    shapes.iter().map(|shape| Random::new(51).array(shape)).collect()
}

#[test]
fn cycles() {
    let layers = vec![
        (vec![-1], dense(1)),
        (vec![1, 3], op(json!({"Add": {}}))),
        (vec![2], dense(1)),
        (vec![3], dense(1)),
    ];
    let model = model(&[&[2]], layers, &[4], weights(&[&[2, 2]]));
    fails(&model, Kind::Graph, &["has a cycle", "2, 3, 4"]);
}

#[test]
fn links_that_lead_nowhere() {
    let arrays = weights(&[&[2, 2]]);
    let with = |inputs: Vec<i64>| model(&[&[2]], vec![(inputs, dense(1))], &[1], arrays.clone());
    fails(&with(vec![]), Kind::Graph, &["Layer 1 (Dense)", "no input"]);
    fails(&with(vec![7]), Kind::Graph, &["Layer 1 (Dense)", "layer 7"]);
    fails(&with(vec![-2]), Kind::Graph, &["Layer 1 (Dense)", "model input 2"]);
    fails(&with(vec![0]), Kind::Graph, &["Layer 1 (Dense)"]);
    fails(&with(vec![-1, -1]), Kind::Graph, &["takes one input, but 2 arrive"]);
    let output = model(&[&[2]], vec![(vec![-1], dense(1))], &[2], arrays.clone());
    fails(&output, Kind::Graph, &["Output layer 2"]);
    fails(&model(&[&[2]], vec![], &[1], vec![]), Kind::Graph, &["needs layers"]);
}

#[test]
fn shapes_that_do_not_fit() {
    let dense_model =
        |input: &[usize]| model(&[input], vec![(vec![-1], dense(1))], &[1], weights(&[&[3, 4]]));
    fails(&dense_model(&[5]), Kind::Shape, &["Layer 1 (Dense)", "(3, 4)", "(5)"]);
    fails(&dense_model(&[4, 2]), Kind::Shape, &["(4, 2)"]);
    fails(&dense_model(&[0]), Kind::Shape, &["empty"]);
    let pool = op(json!({"MaxPooling1D": {"kernel_size": [5], "strides": [1], "padding": [0, 0],
                                          "dilation": [1], "ceil_mode": false}}));
    let pooled = model(&[&[2, 4]], vec![(vec![-1], pool.clone())], &[1], vec![]);
    fails(&pooled, Kind::Shape, &["Layer 1 (MaxPooling1D)", "5 cells"]);
    let flat = model(&[&[4]], vec![(vec![-1], pool)], &[1], vec![]);
    fails(&flat, Kind::Shape, &["(channels, length)", "(4)"]);
    let open = op(json!({"Skipping": {}}));
    let two_dimensional = model(&[&[2, 4]], vec![(vec![-1], open)], &[1], vec![]);
    fails(&two_dimensional, Kind::Shape, &["one-dimensional", "(2, 4)"]);
    let add = model(&[&[2], &[3]], vec![(vec![-1, -2], op(json!({"Add": {}})))], &[1], vec![]);
    fails(&add, Kind::Shape, &["(2) and (3)"]);
}

#[test]
fn weights_that_are_none() {
    let bad = Array::new(&[1, 2], vec![1.0, f64::NAN]);
    let with = |arrays| model(&[&[2]], vec![(vec![-1], dense(1))], &[1], arrays);
    // Finite in double precision, infinite in single.
    let large = with(vec![Array::new(&[1, 2], vec![1.0, 1e300])]);
    let build =
        |order| Network::<burn_ndarray::NdArray<f32>>::new(&large, &Default::default(), order);
    assert_eq!(build(Order::Call).err().map(|e| e.kind), Some(Kind::Weights));
    fails(&with(vec![bad]), Kind::Weights, &["Layer 1 (Dense)", "`weight`", "not finite", "2"]);
    fails(&with(vec![]), Kind::Weights, &["`weight`", "missing"]);
    fails(&with(weights(&[&[2]])), Kind::Weights, &["must be a matrix"]);
    let unnormal = op(json!({"BatchNorm": {"gamma": 1, "beta": 1, "run_mean": 1, "run_var": 2,
                                           "eps": 0.0}}));
    let arrays = vec![Array::new(&[2], vec![1.0, 1.0]), Array::new(&[2], vec![1.0, -1.0])];
    let model = model(&[&[2]], vec![(vec![-1], unnormal)], &[1], arrays);
    fails(&model, Kind::Weights, &["`run_var`", "positive"]);
}

#[test]
fn settings_that_cannot_be() {
    let one = |input: &[usize], settings| {
        model(&[input], vec![(vec![-1], op(settings))], &[1], weights(&[&[4, 2, 3]]))
    };
    let conv = |stride: usize, groups: usize, padding: usize| {
        json!({"Conv1D": {"weight": 1, "bias": 0, "stride": [stride], "dilation": [1],
            "padding": [padding, 0], "padding_mode": "zeros", "groups": groups,
            "activation": activation("linear")}})
    };
    fails(&one(&[2, 9], conv(0, 1, 0)), Kind::Model, &["stride", "at least 1"]);
    fails(&one(&[2, 9], conv(1, 3, 0)), Kind::Model, &["`groups` = 3"]);
    fails(&one(&[4, 9], conv(1, 1, 0)), Kind::Shape, &["takes 2 input channels", "4 arrive"]);
    // Settings of any size are refused before anything is allocated for them.
    fails(&one(&[2, 9], conv(1, 1, usize::MAX / 4)), Kind::Model, &["below 2^31"]);
    fails(&one(&[2, 9], conv(1, 1, (1 << 31) - 1)), Kind::Memory, &["2147483656"]);
    let pad =
        |n: usize, mode: &str| json!({"Padding": {"padding": [n, n], "mode": mode, "value": 0.0}});
    fails(&one(&[2, 9], pad((1 << 31) - 1, "constant")), Kind::Memory, &["cells"]);
    fails(&one(&[2, 9], pad(9, "reflect")), Kind::Model, &["more than 8"]);
    fails(&one(&[2], pad(1, "constant")), Kind::Shape, &["does not fit an input (2)"]);
    let act = |name: &str| json!({"Activation": {"activation": activation(name)}});
    fails(&one(&[2], act("gelu2")), Kind::Model, &["'gelu2' is not implemented", "relu"]);
    let with = |name: &str, args| {
        let settings = json!({"activation": {"name": name, "args": args}});
        one(&[2], json!({"Activation": settings}))
    };
    let bounds = json!({"min_val": 1.0});
    fails(&with("hard_tanh", bounds), Kind::Model, &["`min_val` below `max_val`"]);
    let beta = json!({"beta": 2.0});
    fails(&with("elu", beta), Kind::Model, &["'elu' has no argument `beta`", "alpha"]);
    fails(&with("softplus", json!({"beta": 0.0})), Kind::Model, &["`beta` = 0"]);
    let flatten = |start: i64, end: i64| json!({"Flatten": {"start_dim": start, "end_dim": end, "order": "channels_first"}});
    fails(&one(&[2, 3], flatten(1, -1)), Kind::Model, &["`start_dim` = 1"]);
    fails(&one(&[2, 3], flatten(3, 2)), Kind::Model, &["must not come after"]);
    let pool = json!({"AveragePooling1D": {"kernel_size": [2], "strides": [1], "padding": [5, 0],
                                           "ceil_mode": false, "count_include_pad": false}});
    fails(&one(&[2, 9], pool), Kind::Model, &["no cell of the input"]);
}

#[test]
fn settings_of_transposed_convolution() {
    let with = |stride: usize, padding: usize, more: usize, groups: usize| {
        let settings = json!({"ConvTranspose1D": {"weight": 1, "bias": 0, "stride": [stride],
            "dilation": [1], "padding": [padding, 0], "output_padding": [more], "groups": groups,
            "activation": activation("linear")}});
        model(&[&[4, 9]], vec![(vec![-1], op(settings))], &[1], weights(&[&[4, 2, 3]]))
    };
    fails(&with(2, 0, 2, 1), Kind::Model, &["`output_padding` = 2", "less than the stride"]);
    fails(&with(0, 0, 0, 1), Kind::Model, &["stride", "at least 1"]);
    fails(&with(1, 11, 0, 1), Kind::Shape, &["takes away all of the 11 cells"]);
    fails(&with(1, 0, 0, 3), Kind::Model, &["`groups` = 3", "4 input and 6 output"]);
    fails(&with(1 << 28, 0, 0, 1), Kind::Memory, &["more than"]);
    fails(&with(usize::MAX / 4, 0, 0, 1), Kind::Model, &["below 2^31"]);
    let mut narrow = with(1, 0, 0, 1);
    narrow.input_dim = vec![vec![3, 9]];
    fails(&narrow, Kind::Shape, &["takes 4 input channels, but 3 arrive (3, 9)"]);
    narrow.arrays = weights(&[&[4, 2]]);
    fails(&narrow, Kind::Weights, &["(channels, outputs, length)", "(4, 2)"]);
}

#[test]
fn cells_that_cannot_be_moved() {
    let one =
        |input: &[usize], settings| model(&[input], vec![(vec![-1], op(settings))], &[1], vec![]);
    let reshape = |target: &[i64]| {
        one(&[2, 3], json!({"Reshape": {"target": target, "order": "channels_first"}}))
    };
    for target in [&[4, 2][..], &[-1, 4], &[-1, -1], &[0, -1], &[-2, -3], &[], &[i64::MAX, 4]] {
        fails(&reshape(target), Kind::Shape, &["(2, 3) cannot take the shape `target`"]);
    }
    let permute = |axes: &[i64]| one(&[2, 3], json!({"Permute": {"axes": axes}}));
    for axes in [&[2][..], &[2, 2], &[3, 2, 3], &[]] {
        fails(&permute(axes), Kind::Model, &["each of the axes 2 to 3 once"]);
    }
    fails(&permute(&[1, 2]), Kind::Model, &["`axes` = 1 is no axis"]);
    let upsampling = |size: usize| one(&[2, 3], json!({"Upsampling1D": {"size": [size]}}));
    fails(&upsampling(0), Kind::Model, &["`size` must be at least 1"]);
    fails(&upsampling(usize::MAX), Kind::Memory, &["more than"]);
    let flat = one(&[3], json!({"Upsampling1D": {"size": [2]}}));
    fails(&flat, Kind::Shape, &["(channels, length)", "(3)"]);
}

#[test]
fn slopes_that_do_not_fit() {
    let prelu = op(json!({"PReLU": {"weight": 1}}));
    for shape in [&[3][..], &[3, 2], &[6]] {
        let model = model(&[&[2, 3]], vec![(vec![-1], prelu.clone())], &[1], weights(&[shape]));
        fails(&model, Kind::Weights, &["1 value, 2 (one a channel)", "(2, 3)"]);
    }
}

#[test]
fn normalisation_that_cannot_be() {
    let norm = |settings, shape: &[usize]| {
        model(&[&[4, 3]], vec![(vec![-1], op(settings))], &[1], weights(&[shape]))
    };
    let layer_norm = |axes: serde_json::Value, shape: &[usize]| {
        norm(json!({"LayerNorm": {"gamma": 1, "beta": 0, "eps": 1e-5, "axes": axes}}), shape)
    };
    for shape in [&[3, 4][..], &[4], &[12, 1]] {
        fails(&layer_norm(json!(null), shape), Kind::Weights, &["`gamma`", "(4, 3)"]);
    }
    fails(&layer_norm(json!([3]), &[4]), Kind::Weights, &["`gamma`", "(3), not (4)"]);
    fails(&layer_norm(json!([]), &[1]), Kind::Model, &["at least one axis"]);
    fails(&layer_norm(json!([3, -1]), &[3]), Kind::Model, &["twice"]);
    fails(&layer_norm(json!([4]), &[3]), Kind::Model, &["`axes` = 4 is no axis"]);
    let group_norm = |groups: usize, eps: f64, shape: &[usize]| {
        let settings = json!({"gamma": 1, "beta": 0, "eps": eps, "groups": groups});
        norm(json!({"GroupNorm": settings}), shape)
    };
    fails(&group_norm(3, 1e-5, &[4]), Kind::Model, &["`groups` = 3 must divide the 4"]);
    fails(&group_norm(2, 1e-5, &[3]), Kind::Weights, &["`gamma` has 3 values", "4"]);
    fails(&group_norm(2, -1.0, &[4]), Kind::Model, &["`eps`"]);
    let flat = json!({"InstanceNorm": {"gamma": 0, "beta": 0, "eps": 1e-5}});
    let flat = model(&[&[4]], vec![(vec![-1], op(flat))], &[1], vec![]);
    fails(&flat, Kind::Shape, &["spatial axes", "(4) has none"]);
}

#[test]
fn max_pooling_of_padding() {
    let pool = |padding: usize| {
        let settings = json!({"MaxPooling1D": {"kernel_size": [2], "strides": [3],
            "padding": [padding, 0], "dilation": [1], "ceil_mode": false}});
        model(&[&[2, 9]], vec![(vec![-1], op(settings))], &[1], vec![])
    };
    fails(&pool(2), Kind::Model, &["no cell of the input"]);
    // The first window has its cells on both sides of the input.
    let narrow = json!({"MaxPooling1D": {"kernel_size": [2], "strides": [1], "padding": [1, 1],
                                         "dilation": [2], "ceil_mode": false}});
    let narrow = model(&[&[2, 1]], vec![(vec![-1], op(narrow))], &[1], vec![]);
    fails(&narrow, Kind::Model, &["no cell of the input"]);
}

/// A module that a network uses twice is one array with two layers.
#[test]
fn weights_of_several_layers() {
    let layers =
        vec![(vec![-1], dense(1)), (vec![1], dense(1)), (vec![1, 2], op(json!({"Add": {}})))];
    let weight = Array::new(&[2, 2], vec![1.0, -2.0, 0.5, 1.0]);
    let model = model(&[&[2]], layers, &[3], vec![weight]);
    let device = Default::default();
    let network = Network::<B>::new(&model, &device, Order::ChannelsFirst).unwrap();
    let tape = network.forward(vec![Tensor::from_vec(vec![5.0, 1.0], &[1, 2], &device)]).unwrap();
    // (5, 1) -> (3, 3.5) -> (0, 5), since 3 - 7 < 0.
    assert_eq!(tape.value(network.outputs[0].value).clone().into_vec(), [3.0, 8.5]);
    let method = Gradient { tape: &tape, times_input: false };
    let explanation = explain(&network, &method, &[vec![1]], false, false).unwrap().remove(0);
    let gradient = explanation.unwrap().attributions.remove(0).unwrap();
    // d/dx of 0.5 x₁ + x₂ + 0.5 (x₁ - 2 x₂) + (0.5 x₁ + x₂)
    assert_eq!(gradient.into_vec(), [1.5, 1.0]);
}

#[test]
fn the_last_activation_may_stand_before_dropout() {
    let skip = || op(json!({"Skipping": {}}));
    let layers = vec![(vec![-1], dense(1)), (vec![1], skip()), (vec![2], skip())];
    let model = model(&[&[2]], layers, &[3, 1], weights(&[&[3, 2]]));
    let network = Network::<B>::new(&model, &Default::default(), Order::ChannelsFirst).unwrap();
    let [behind, at] = &network.outputs[..] else { panic!("two outputs") };
    assert_eq!(behind.activation.as_ref().map(|a| a.name.as_str()), Some("relu"));
    assert_eq!(behind.before_activation, at.before_activation);
    assert_eq!((at.value, behind.value), (2, 4));
}

#[test]
fn a_constant_line_is_normal_without_eps() {
    let norm = op(json!({"LayerNorm": {"gamma": 0, "beta": 0, "eps": 0.0}}));
    let model = model(&[&[3]], vec![(vec![-1], norm)], &[1], vec![]);
    let network = Network::<B>::new(&model, &Default::default(), Order::ChannelsFirst).unwrap();
    let x = Tensor::from_vec(vec![2.0, 2.0, 2.0], &[1, 3], &Default::default());
    let tape = &network.forward(vec![x]).unwrap();
    assert_eq!(tape.value(network.outputs[0].value).clone().into_vec(), [0.0; 3]);
    let gradient = Gradient { tape, times_input: false };
    let explained = explain(&network, &gradient, &[vec![0]], true, false).unwrap().remove(0);
    let gradient = explained.unwrap().attributions.remove(0).unwrap().into_vec();
    assert!(gradient.iter().all(|g| g.is_finite()), "{gradient:?}");
}
