//! Every layer type, with random settings.

use std::ops::RangeInclusive;

use innsight_core::kernels::Kernels;
use innsight_core::layers::{Context, Layer, Op, ACTIVATIONS};
use innsight_core::model::{Array, Order};
use serde_json::{json, Value};

use crate::{activation, op, operands, Random};

pub struct Case {
    pub name: String,
    pub inputs: Vec<Vec<usize>>,
    pub op: Op,
    pub arrays: Vec<Array>,
}

impl Case {
    fn new(inputs: &[&[usize]], settings: Value, arrays: Vec<Array>) -> Self {
        let inputs = inputs.iter().map(|s| s.to_vec()).collect();
        Self { name: settings.to_string(), inputs, op: op(settings), arrays }
    }

    /// The last layer of the chain that the case builds, with the extents of its output.
    pub fn layer<B: Kernels>(&self, device: &B::Device) -> (Layer<B>, Vec<usize>) {
        let context = Context { device, arrays: &self.arrays, order: Order::ChannelsFirst };
        let mut chain = self.op.build(&context, &self.inputs).expect(&self.name);
        assert_eq!(chain.len(), 1, "{}", self.name);
        let built = chain.remove(0);
        (built.layer, built.shape)
    }
}

fn draw(random: &mut Random, range: RangeInclusive<usize>, n: usize) -> Vec<usize> {
    (0..n).map(|_| random.below(range.clone())).collect()
}

/// Convolution without activation; `mode` other than "zeros" gives a chain of two layers.
pub fn conv(random: &mut Random, rank: usize, mode: &str) -> Case {
    let groups = random.below(1..=3);
    let (outputs, channels) = (groups * random.below(1..=2), groups * random.below(1..=2));
    let input = [vec![channels], draw(random, 6..=9, rank)].concat();
    let weight = [vec![outputs, channels / groups], draw(random, 1..=3, rank)].concat();
    let arrays = vec![random.array(&weight), random.array(&[outputs])];
    let settings = json!({
        "weight": 1, "bias": 2, "activation": activation("linear"), "groups": groups,
        "stride": draw(random, 1..=3, rank), "dilation": draw(random, 1..=2, rank),
        "padding": draw(random, 0..=3, 2 * rank), "padding_mode": mode,
    });
    let name = format!("Conv{rank}D");
    Case::new(&[&input], json!({ name: settings }), arrays)
}

/// A convolution of every channel by itself.
fn depthwise(random: &mut Random) -> Case {
    let arrays = vec![random.array(&[6, 1, 2, 3]), random.array(&[6])];
    let settings = json!({
        "weight": 1, "bias": 2, "activation": activation("linear"), "groups": 3, "stride": [1, 2],
        "dilation": [1, 1], "padding": [1, 1, 0, 1], "padding_mode": "zeros",
    });
    Case::new(&[&[3, 4, 5]], json!({"Conv2D": settings}), arrays)
}

/// A factor and a summand; extents of one value or one a channel go with images.
fn scale(random: &mut Random, scale: &[usize], shift: &[usize]) -> Case {
    let arrays = vec![random.array(scale), random.array(shift)];
    let input = if scale.len() == 3 { &[2, 3, 4][..] } else { &[3, 5] };
    Case::new(&[input], json!({"Scale": {"scale": 1, "shift": 2}}), arrays)
}

/// Pooling by the number of windows.
pub fn adaptive(input: &[usize], name: &str, output: &[usize]) -> Case {
    let mut settings = json!({"output_size": output, "ceil_mode": false});
    settings["padding"] = json!(vec![0; 2 * output.len()]);
    match name.starts_with("Max") {
        true => settings["dilation"] = json!(vec![1; output.len()]),
        false => settings["count_include_pad"] = json!(true),
    }
    Case::new(&[input], json!({ name: settings }), vec![])
}

/// The case with padding that follows from the input's extents.
pub fn fitted(case: Case) -> Case {
    let mut settings: Value = serde_json::from_str(&case.name).expect("settings");
    for layer in settings.as_object_mut().expect("a layer").values_mut() {
        layer["padding"] = json!("same");
    }
    Case { name: settings.to_string(), op: op(settings), ..case }
}

/// Transposed convolution without activation.
pub fn conv_transpose(random: &mut Random, rank: usize) -> Case {
    let groups = random.below(1..=3);
    let (outputs, channels) = (random.below(1..=2), groups * random.below(1..=2));
    let input = [vec![channels], draw(random, 3..=5, rank)].concat();
    let weight = [vec![channels, outputs], draw(random, 1..=3, rank)].concat();
    let (stride, dilation) = (draw(random, 1..=3, rank), draw(random, 1..=4, rank));
    let arrays = vec![random.array(&weight), random.array(&[groups * outputs])];
    let more: Vec<usize> =
        (0..rank).map(|i| random.below(0..=stride[i].max(dilation[i]) - 1)).collect();
    let settings = json!({
        "weight": 1, "bias": 2, "activation": activation("linear"), "groups": groups,
        "stride": stride, "dilation": dilation, "output_padding": more,
        "padding": draw(random, 0..=1, 2 * rank),
    });
    let name = format!("ConvTranspose{rank}D");
    Case::new(&[&input], json!({ name: settings }), arrays)
}

fn pooling(random: &mut Random, rank: usize, kind: &str) -> Case {
    let (kernel, strides) = (draw(random, 2..=3, rank), draw(random, 1..=3, rank));
    let (padding, dilation) = (draw(random, 0..=1, 2 * rank), draw(random, 1..=2, rank));
    let input = [vec![2], draw(random, 6..=9, rank)].concat();
    let ceil_mode = random.below(0..=1) == 1;
    let mut settings = json!({
        "kernel_size": kernel, "strides": strides, "padding": padding, "ceil_mode": ceil_mode,
    });
    match kind {
        "Max" => settings["dilation"] = json!(dilation),
        _ => settings["count_include_pad"] = json!(random.below(0..=1) == 1),
    }
    let name = format!("{kind}Pooling{rank}D");
    Case::new(&[&input], json!({ name: settings }), vec![])
}

/// The affine layers.
pub fn affine(random: &mut Random) -> Vec<Case> {
    let arrays = vec![random.array(&[3, 5]), random.array(&[3])];
    let dense = json!({"weight": 1, "bias": 2, "activation": activation("linear")});
    let variance = Array::new(&[2], vec![0.5, 2.0]);
    let statistics = vec![random.array(&[2]), random.array(&[2]), random.array(&[2]), variance];
    let batch_norm = json!({"gamma": 1, "beta": 2, "run_mean": 3, "run_var": 4, "eps": 1e-3});
    let mut cases = vec![
        Case::new(&[&[5]], json!({"Dense": dense}), arrays),
        Case::new(&[&[2, 3, 4]], json!({"BatchNorm": batch_norm}), statistics.clone()),
        Case::new(&[&[2, 5]], json!({"BatchNorm": batch_norm}), statistics.clone()),
        Case::new(&[&[2]], json!({"BatchNorm": batch_norm}), statistics),
        Case::new(&[&[2, 3], &[2, 3], &[2, 3]], json!({"Add": {}}), vec![]),
        Case::new(&[&[2, 3, 4], &[2, 1, 4], &[1, 3, 1]], json!({"Add": {}}), vec![]),
        scale(random, &[3], &[1]),
        scale(random, &[2, 1, 4], &[2]),
        scale(random, &[2, 3, 4], &[1, 3, 1]),
        adaptive(&[2, 6], "AveragePooling1D", &[3]),
        adaptive(&[2, 6, 4], "AveragePooling2D", &[2, 4]),
        adaptive(&[2, 7], "AveragePooling1D", &[3]),
        adaptive(&[2, 5, 4], "AveragePooling2D", &[3, 6]),
        Case::new(&[&[2, 3, 4]], json!({"GlobalAvgPooling": {}}), vec![]),
        Case::new(&[&[3, 5]], json!({"GlobalAvgPooling": {}}), vec![]),
        Case::new(&[&[2, 3, 2, 2]], json!({"GlobalAvgPooling": {}}), vec![]),
        depthwise(random),
    ];
    for rank in [1, 2] {
        cases.extend((0..4).map(|_| conv(random, rank, "zeros")));
        cases.push(fitted(conv(random, rank, "zeros")));
        cases.push(fitted(pooling(random, rank, "Average")));
        cases.extend((0..4).map(|_| conv_transpose(random, rank)));
        cases.extend((0..3).map(|_| pooling(random, rank, "Average")));
    }
    cases
}

/// The layers that pick maxima.
pub fn selection(random: &mut Random) -> Vec<Case> {
    let mut cases = vec![
        Case::new(&[&[2, 3, 4]], json!({"GlobalMaxPooling": {}}), vec![]),
        Case::new(&[&[2, 5]], json!({"GlobalMaxPooling": {}}), vec![]),
        Case::new(&[&[2, 2, 3, 2]], json!({"GlobalMaxPooling": {}}), vec![]),
        adaptive(&[2, 6, 4], "MaxPooling2D", &[3, 2]),
    ];
    for rank in [1, 2] {
        cases.extend((0..3).map(|_| pooling(random, rank, "Max")));
        cases.push(fitted(pooling(random, rank, "Max")));
    }
    cases
}

/// The layers that move cells.
pub fn structural() -> Vec<Case> {
    let flatten = |start: i64, end: i64, order: &str| json!({"Flatten": {"start_dim": start, "end_dim": end, "order": order}});
    let reshape =
        |target: &[i64], order: &str| json!({"Reshape": {"target": target, "order": order}});
    let slice = |axis: i64, start: i64, end: i64| json!({"Slice": {"axis": axis, "start": start, "end": end}});
    let permute = |axes: &[i64]| json!({"Permute": {"axes": axes}});
    let padding = |values: &[usize], mode: &str, value: f64| json!({"Padding": {"padding": values, "mode": mode, "value": value}});
    let mut cases = vec![
        Case::new(&[&[2, 3, 4]], flatten(2, -1, "channels_first"), vec![]),
        Case::new(&[&[2, 3, 4]], flatten(2, -1, "channels_last"), vec![]),
        Case::new(&[&[2, 3, 4]], flatten(3, 4, "channels_last"), vec![]),
        Case::new(&[&[2, 3, 4]], flatten(2, 3, "channels_first"), vec![]),
        Case::new(&[&[7]], flatten(2, -1, "call"), vec![]),
        Case::new(&[&[2, 4], &[3, 4]], json!({"Concatenate": {"axis": 2}}), vec![]),
        Case::new(&[&[2, 4], &[2, 1]], json!({"Concatenate": {"axis": -1}}), vec![]),
        Case::new(&[&[2, 3, 4], &[2, 2, 4]], json!({"Concatenate": {"axis": 3}}), vec![]),
        Case::new(&[&[2, 4]], json!({"Skipping": {}}), vec![]),
        Case::new(&[&[12]], reshape(&[2, 3, -1], "channels_first"), vec![]),
        Case::new(&[&[12]], reshape(&[2, 3, 2], "channels_last"), vec![]),
        Case::new(&[&[4, 3, 2]], reshape(&[-1, 8], "channels_last"), vec![]),
        Case::new(&[&[4, 3, 2]], reshape(&[24], "call"), vec![]),
        Case::new(&[&[4, 3]], permute(&[3, 2]), vec![]),
        Case::new(&[&[4, 3, 2]], permute(&[3, 4, 2]), vec![]),
        Case::new(&[&[2, 4]], slice(3, 2, -1), vec![]),
        Case::new(&[&[2, 5, 4]], slice(3, -4, 4), vec![]),
        Case::new(&[&[3, 2, 4]], slice(2, 2, 2), vec![]),
        Case::new(&[&[6]], slice(-1, 1, -3), vec![]),
        Case::new(&[&[2, 4]], json!({"Upsampling1D": {"size": [3]}}), vec![]),
        Case::new(&[&[2, 3, 4]], json!({"Upsampling2D": {"size": [2, 3]}}), vec![]),
    ];
    for mode in ["constant", "reflect", "replicate", "circular"] {
        cases.push(Case::new(&[&[2, 4]], padding(&[2, 1], mode, 0.5), vec![]));
        cases.push(Case::new(&[&[2, 3, 4]], padding(&[1, 2, 2, 0], mode, -0.5), vec![]));
    }
    cases
}

/// The layers that are not affine.
pub fn nonlinear(random: &mut Random) -> Vec<Case> {
    let functions = ACTIVATIONS.iter().filter(|(name, _)| *name != "linear").map(|(name, _)| {
        Case::new(&[&[2, 6]], json!({"Activation": {"activation": activation(name)}}), vec![])
    });
    let mut cases: Vec<Case> = functions.collect();
    let relu = |args: Value| json!({"Activation": {"activation": {"name": "relu", "args": args}}});
    let relu = |args: Value| Case::new(&[&[2, 6]], relu(args), vec![]);
    cases.push(relu(json!({"negative_slope": 0.1, "max_value": 0.6})));
    cases.push(relu(json!({"threshold": 0.2, "negative_slope": 0.5})));
    let softmax =
        |name: &str| json!({"Activation": {"activation": {"name": name, "args": {"dim": 2}}}});
    cases.extend(["softmax", "log_softmax"].map(|f| Case::new(&[&[3, 4]], softmax(f), vec![])));
    let softmax = |name: &str| json!({"Activation": {"activation": {"name": name}}});
    cases.extend(["softmax", "log_softmax"].map(|f| Case::new(&[&[2, 6, 5]], softmax(f), vec![])));
    for shape in [[1, 1, 1], [2, 1, 1], [2, 3, 2]] {
        let slopes = vec![random.array(&shape)];
        cases.push(Case::new(&[&[2, 3, 2]], json!({"PReLU": {"weight": 1}}), slopes));
    }
    let layer_norm = |axes: &[i64], gamma: usize| json!({"LayerNorm": {"gamma": gamma, "beta": 2 * gamma, "eps": 1e-2, "axes": axes}});
    let mut norm = |input: &[usize], settings: Value, extents: &[usize]| {
        let arrays = vec![random.array(extents), random.array(extents)];
        Case::new(&[input], settings, arrays)
    };
    cases.push(norm(&[6], layer_norm(&[2], 1), &[6]));
    cases.push(norm(&[2, 5], layer_norm(&[3, 2], 1), &[2, 5]));
    let all = json!({"LayerNorm": {"gamma": 1, "beta": 2, "eps": 1e-2}});
    cases.push(norm(&[2, 5], all, &[10]));
    cases.push(norm(&[3, 2, 4], layer_norm(&[2], 1), &[3]));
    cases.push(norm(&[3, 2, 4], layer_norm(&[2, -1], 0), &[1]));
    let group_norm = json!({"GroupNorm": {"gamma": 1, "beta": 2, "eps": 1e-2, "groups": 2}});
    cases.push(norm(&[4, 2, 3], group_norm.clone(), &[4]));
    cases.push(norm(&[6], group_norm, &[6]));
    let instance_norm =
        |gamma: usize| json!({"InstanceNorm": {"gamma": gamma, "beta": 2 * gamma, "eps": 1e-2}});
    cases.push(norm(&[2, 5], instance_norm(1), &[2]));
    cases.push(norm(&[2, 3, 2], instance_norm(0), &[1]));
    let multiply = || json!({"Multiply": {}});
    cases.push(Case::new(&[&[2, 3], &[2, 3]], multiply(), vec![]));
    cases.push(Case::new(&[&[2, 3], &[2, 1], &[1, 3]], multiply(), vec![]));
    cases
}

/// The affine layers, and the affine forms of others at some x, with the extents of the output.
pub fn affine_forms<B: Kernels>(
    random: &mut Random,
    device: &B::Device,
) -> Vec<(Case, Layer<B>, Vec<usize>)> {
    let mut cases = affine(random);
    cases.extend(nonlinear(random));
    let form = |case: Case| match case.layer::<B>(device) {
        (layer @ Layer::Affine(_), shape) => Some((case, layer, shape)),
        (Layer::Nonlinear(layer), shape) => {
            let x = operands(random, &case.inputs, 1, device);
            layer.frozen(&x).map(|layer| (case, Layer::Affine(layer), shape))
        }
        _ => None,
    };
    cases.into_iter().filter_map(form).collect()
}

pub fn all(random: &mut Random) -> Vec<Case> {
    let mut cases = affine(random);
    cases.extend(selection(random));
    cases.extend(structural());
    cases.extend(nonlinear(random));
    cases
}
