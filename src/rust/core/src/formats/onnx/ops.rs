//! The operators: what each of them becomes.

use ndarray::{ArrayD, IxDyn};

use super::call::{without, Call, Term};
use super::constant::{numbers, types, Constant, CELLS};
use super::fold::{position, shape_of};
use super::function;
use super::graph::{axes_field, pick, Argument, Fields, Graph, Op, Result, PAIR};
use super::symbol::Int;
use super::windows::Windows;
use crate::formats::Value;

/// What an operator gives: nodes, or a constant.
pub type Results<'a> = Result<Vec<Term<'a>>>;

macro_rules! operators {
    ($($op:literal => $layers:literal: $make:expr;)*) => {
        /// The operators, and the layers of the package that they become. Neighbours may become one
        /// layer, and what depends on constants alone becomes a constant.
        pub const OPERATORS: &[(&str, &str)] = &[$(($op, $layers)),*];

        /// The result of an operator; `None` if it is not known.
        pub fn apply<'a>(graph: &mut Graph<'a>, call: &Call<'_, 'a>) -> Option<Results<'a>> {
            match call.op() {
                $($op => {
                    let make: fn(&mut Graph<'a>, &Call<'_, 'a>) -> Results<'a> = $make;
                    Some(make(graph, call))
                })*
                _ => None,
            }
        }
    };
}

operators! {
    "Abs" => "Activation leaky_relu": |g, c| one(g.unary("LeakyRelu", c.node(0)?, &[-1.0]));
    "Add" => "Add, Scale": |g, c| one(sum(g, c, |g, a, b| g.function("Add", &[a, b], PAIR.to_vec())));
    "AveragePool" => "AveragePooling1D, AveragePooling2D": |g, c| one(average_pool(g, c));
    "BatchNormalization" => "BatchNorm": |g, c| one(batch_norm(g, c));
    "Cast" => "none": passed;
    "CastLike" => "none": passed;
    "Celu" => "Activation celu": |g, c| one(unary(g, c, &[c.float("alpha", 1.0)]));
    "Clip" => "Activation relu, relu6, hard_tanh": |g, c| {
        let (low, high) = (c.number("min", 1, f64::NEG_INFINITY)?, c.number("max", 2, f64::INFINITY)?);
        one(clip(g, c.node(0)?, low, high))
    };
    "Concat" => "Concatenate": |g, c| one(concat(g, c));
    "Constant" => "none": |_, c| Ok(vec![Term::Constant(c.own_value()?.into())]);
    "Conv" => "Conv1D, Conv2D": |g, c| one(conv(g, c));
    "ConvTranspose" => "ConvTranspose1D, ConvTranspose2D": |g, c| one(conv_transpose(g, c));
    "DepthToSpace" => "Reshape, Permute": |g, c| one(depth_to_space(g, c));
    "Div" => "Scale": |g, c| one(div(g, c));
    "Dropout" => "none": passed;
    "Elu" => "Activation elu": |g, c| one(unary(g, c, &[c.float("alpha", 1.0)]));
    "Erf" => "Activation gelu, with others": |g, c| one(unary(g, c, &[]));
    "Exp" => "Activation exponential": |g, c| one(unary(g, c, &[]));
    "Expand" => "Concatenate": |g, c| {
        let x = c.node(0)?;
        let target = c.whole(1)?;
        let own = c.extents(g, x);
        let lead = own.len().checked_sub(target.len()).ok_or("adds axes")?;
        let repeats = own.iter().enumerate().map(|(axis, own)| match axis.checked_sub(lead).map(|i| target[i]) {
            Some(n) if n != *own && *own == Int::from(1) => n,
            _ => Int::from(1),
        });
        one(tile(g, x, &repeats.collect::<Vec<_>>()))
    };
    "Flatten" => "Flatten, Reshape": |g, c| one(reshape(g, c));
    "Gather" => "Slice, Concatenate": |g, c| one(gather(g, c));
    "Gelu" => "Activation gelu, gelu_tanh": |g, c| {
        let symbol = if c.text("approximate", "none") == "tanh" { "GeluTanh" } else { "Gelu" };
        one(g.unary(symbol, c.node(0)?, &[]))
    };
    "Gemm" => "Dense": |g, c| one(gemm(g, c));
    "GlobalAveragePool" => "GlobalPooling": |g, c| one(global_pool(g, c, "average"));
    "GlobalMaxPool" => "GlobalPooling": |g, c| one(global_pool(g, c, "max"));
    "Greater" => "Activation softplus, with others": |g, c| one(function_of(g, c));
    "GreaterOrEqual" => "Activation softplus, with others": |g, c| one(function_of(g, c));
    "GroupNormalization" => "GroupNorm": |g, c| one(group_norm(g, c));
    "HardSigmoid" => "Activation hard_sigmoid": |g, c| one(unary(g, c, &[c.float("alpha", 0.2), c.float("beta", 0.5)]));
    "HardSwish" => "Activation hard_swish": |g, c| one(unary(g, c, &[]));
    "Identity" => "none": passed;
    "InstanceNormalization" => "InstanceNorm": |g, c| {
        let fields = vec![("gamma", value(c, 1)?), ("beta", value(c, 2)?), ("eps", c.float("epsilon", 1e-5).into())];
        one(like(g, c, "InstanceNorm", fields))
    };
    "LayerNormalization" => "LayerNorm": |g, c| one(layer_norm(g, c));
    "LeakyRelu" => "Activation leaky_relu": |g, c| one(unary(g, c, &[c.float("alpha", 0.01)]));
    "Less" => "Activation, with others": |g, c| one(function_of(g, c));
    "LessOrEqual" => "Activation, with others": |g, c| one(function_of(g, c));
    "Log" => "Activation log_sigmoid, with others": |g, c| one(unary(g, c, &[]));
    "LogSoftmax" => "Activation log_softmax": |g, c| one(softmax(g, c, "log_softmax"));
    "MatMul" => "Dense, Conv1D, Conv2D": |g, c| one(matmul(g, c));
    "Max" => "Activation relu, hard_tanh; of two: Add": |g, c| one(bounded(g, c, "Max"));
    "MaxPool" => "MaxPooling1D, MaxPooling2D": |g, c| one(max_pool(g, c));
    "Mean" => "Add, Scale": |g, c| {
        let total = sum(g, c, |g, a, b| g.function("Add", &[a, b], PAIR.to_vec()))?;
        one(g.times(total, 1.0 / c.inputs.len() as f64))
    };
    "Min" => "Activation relu, hard_tanh; of two: Add": |g, c| one(bounded(g, c, "Min"));
    "Mish" => "Activation mish": |g, c| one(unary(g, c, &[]));
    "Mul" => "Multiply, Scale": |g, c| one(mul(g, c));
    "Neg" => "Scale": |g, c| one(c.node(0).and_then(|x| g.times(x, -1.0)));
    "Not" => "Activation, with others": |g, c| one(unary(g, c, &[]));
    "PRelu" => "PReLU": |g, c| one(prelu(g, c));
    "Pad" => "Padding": |g, c| one(pad(g, c));
    "Pow" => "Multiply": |g, c| one(pow(g, c));
    "Reciprocal" => "Activation, with others": |g, c| {
        one(g.function("Div", &[c.node(0)?], vec![Argument::Number(1.0), Argument::Input(0)]))
    };
    "ReduceMax" => "GlobalPooling": |g, c| one(reduce(g, c, "max", 1.0));
    "ReduceMean" => "GlobalPooling": |g, c| one(reduce(g, c, "average", 1.0));
    "ReduceMin" => "GlobalPooling, Scale": |g, c| one(reduce(g, c, "max", -1.0));
    "ReduceSum" => "GlobalPooling, Scale": |g, c| one(reduce(g, c, "sum", 1.0));
    "Relu" => "Activation relu": |g, c| one(unary(g, c, &[]));
    "Reshape" => "Reshape, Flatten": |g, c| one(reshape(g, c));
    "Resize" => "Upsampling1D, Upsampling2D": |g, c| one(resize(g, c, 2, 3));
    "Scaler" => "Scale": |g, c| one(scaler(g, c));
    "Selu" => "Activation selu": |g, c| {
        let usual = (c.float("alpha", 1.673_263_2) - 1.673_263_2).abs() + (c.float("gamma", 1.050_701) - 1.050_701).abs() < 1e-5;
        if usual { one(unary(g, c, &[])) } else { Err("has an alpha or gamma of its own".into()) }
    };
    "Shape" => "none": |g, c| Ok(vec![Term::Constant(shape_of(c, c.extents(g, c.node(0)?)).into())]);
    "Shrink" => "Activation hard_shrink, soft_shrink": |g, c| {
        let (bias, lambd) = (c.float("bias", 0.0), c.float("lambd", 0.5));
        match bias {
            0.0 => one(g.unary("HardShrink", c.node(0)?, &[lambd])),
            _ if bias == lambd => one(g.unary("SoftShrink", c.node(0)?, &[lambd])),
            _ => Err(format!("has bias = {bias}; accepted are 0 and lambd")),
        }
    };
    "Sigmoid" => "Activation sigmoid": |g, c| one(unary(g, c, &[]));
    "Sign" => "Activation, with others": |g, c| one(unary(g, c, &[]));
    "Size" => "none": |g, c| {
        let extents = c.extents(g, c.node(0)?);
        let size = extents.into_iter().try_fold(Int::from(1), Int::mul).ok_or("is too large")?;
        Ok(vec![Term::Constant(Constant::Whole(ArrayD::from_elem(IxDyn(&[]), size)).into())])
    };
    "Slice" => "Slice, AveragePooling2D, Concatenate": |g, c| one(slice(g, c));
    "Softmax" => "Activation softmax": |g, c| one(softmax(g, c, "softmax"));
    "Softplus" => "Activation softplus": |g, c| one(unary(g, c, &[]));
    "Softsign" => "Activation softsign": |g, c| one(unary(g, c, &[]));
    "SpaceToDepth" => "Reshape, Permute": |g, c| one(space_to_depth(g, c));
    "Split" => "Slice": split;
    "Sqrt" => "LayerNorm, with others": |g, c| one(unary(g, c, &[]));
    "Squeeze" => "Reshape": |g, c| one(reshape(g, c));
    "Sub" => "Add, Scale": |g, c| one(sub(g, c));
    "Sum" => "Add, Scale": |g, c| one(sum(g, c, |g, a, b| g.function("Add", &[a, b], PAIR.to_vec())));
    "Tanh" => "Activation tanh": |g, c| one(unary(g, c, &[]));
    "ThresholdedRelu" => "Activation relu": |g, c| one(g.unary("Thresholded", c.node(0)?, &[c.float("alpha", 1.0)]));
    "Tile" => "Concatenate": |g, c| {
        let x = c.node(0)?;
        one(tile(g, x, &c.whole(1)?))
    };
    "Transpose" => "Permute": |g, c| one(transpose(g, c));
    "Unsqueeze" => "Reshape": |g, c| one(reshape(g, c));
    "Upsample" => "Upsampling1D, Upsampling2D": |g, c| one(resize(g, c, 1, 2));
    "Where" => "Activation softplus, with others": |g, c| one(function_of(g, c));
}

fn one<'a>(id: Result<usize>) -> Results<'a> {
    Ok(vec![Term::Node(id?)])
}

/// An operator that does nothing when a network is used.
fn passed<'a>(_: &mut Graph<'a>, call: &Call<'_, 'a>) -> Results<'a> {
    if call.op() == "Cast" && !types::FLOATS.contains(&call.int("to", types::FLOAT)) {
        return Err("rounds what the network computes".into());
    }
    call.term(0).map(|term| vec![term.clone()]).ok_or_else(|| "has no input".into())
}

/// A constant as a weight.
fn value<'a>(call: &Call<'_, 'a>, i: usize) -> Result<Value<'a>> {
    let constant = call.constant(i)?;
    let flat = constant.reshaped(&[constant.len()]).ok_or("has weights of a strange shape")?;
    Ok(flat.into_value())
}

/// The axis without the rows.
fn inner(axis: usize) -> Result<usize> {
    axis.checked_sub(1).ok_or_else(|| "acts along the axis of the rows".into())
}

fn inner_all(axes: &[usize]) -> Result<Vec<usize>> {
    axes.iter().map(|axis| inner(*axis)).collect()
}

fn rank(graph: &Graph, id: usize) -> usize {
    graph.shape(id).len()
}

// ---- cell by cell ----

fn unary<'a>(graph: &mut Graph<'a>, call: &Call<'_, 'a>, numbers: &[f64]) -> Result<usize> {
    let symbol = function::symbol(call.op()).ok_or("is not known")?;
    graph.unary(symbol, call.node(0)?, numbers)
}

/// A function of inputs that are nodes or single numbers.
fn function_of<'a>(graph: &mut Graph<'a>, call: &Call<'_, 'a>) -> Result<usize> {
    let symbol = function::symbol(call.op()).ok_or("is not known")?;
    let mut inputs = Vec::new();
    let mut arguments = Vec::new();
    for i in 0..call.inputs.len() {
        arguments.push(match call.node(i) {
            Ok(id) => {
                inputs.push(id);
                Argument::Input(inputs.len() - 1)
            }
            Err(_) => {
                Argument::Number(call.constant(i)?.scalar().ok_or("has an array of constants")?)
            }
        });
    }
    if inputs.is_empty() {
        return Err("has no input".into());
    }
    graph.function(symbol, &inputs, arguments)
}

/// The numbers of the constant among two inputs, and the position of the other.
fn with_constant(graph: &Graph, call: &Call, other: usize) -> Result<Option<ArrayD<f64>>> {
    let (Ok(x), Ok(constant)) = (call.node(other), call.constant(1 - other)) else {
        return Ok(None);
    };
    let numbers = constant.to_real().ok_or("computes with the number of rows")?;
    if numbers.ndim() > rank(graph, x) + 1 {
        return Err("adds axes".into());
    }
    Ok(Some(numbers))
}

/// The sum of nodes and constants; `add` adds two nodes.
fn sum<'a>(
    graph: &mut Graph<'a>,
    call: &Call<'_, 'a>,
    add: fn(&mut Graph<'a>, usize, usize) -> Result<usize>,
) -> Result<usize> {
    let nodes: Vec<usize> = (0..call.inputs.len()).filter_map(|i| call.node(i).ok()).collect();
    let mut nodes = nodes.into_iter();
    let mut total = nodes.next().ok_or("has no input")?;
    for node in nodes {
        total = if node == total { graph.times(total, 2.0)? } else { add(graph, total, node)? };
    }
    for constant in call.constants() {
        let numbers = constant.to_real().ok_or("computes with the number of rows")?;
        if numbers.ndim() > rank(graph, total) + 1 {
            return Err("adds axes".into());
        }
        total = graph.scale(total, None, Some(numbers))?;
    }
    Ok(total)
}

fn sub<'a>(graph: &mut Graph<'a>, call: &Call<'_, 'a>) -> Result<usize> {
    if let Some(c) = with_constant(graph, call, 0)? {
        return graph.scale(call.node(0)?, None, Some(-c));
    }
    if let Some(c) = with_constant(graph, call, 1)? {
        let minus = graph.times(call.node(1)?, -1.0)?;
        return graph.scale(minus, None, Some(c));
    }
    graph.function("Sub", &[call.node(0)?, call.node(1)?], PAIR.to_vec())
}

fn mul<'a>(graph: &mut Graph<'a>, call: &Call<'_, 'a>) -> Result<usize> {
    for other in [0, 1] {
        if let Some(c) = with_constant(graph, call, other)? {
            return graph.scale(call.node(other)?, Some(c), None);
        }
    }
    graph.function("Mul", &[call.node(0)?, call.node(1)?], PAIR.to_vec())
}

fn div<'a>(graph: &mut Graph<'a>, call: &Call<'_, 'a>) -> Result<usize> {
    match with_constant(graph, call, 0)? {
        Some(c) => graph.scale(call.node(0)?, Some(c.mapv(|c| 1.0 / c)), None),
        None => function_of(graph, call),
    }
}

fn pow<'a>(graph: &mut Graph<'a>, call: &Call<'_, 'a>) -> Result<usize> {
    let x = call.node(0)?;
    match call.constant(1)?.scalar() {
        Some(1.0) => Ok(x),
        Some(2.0) => graph.function("Mul", &[x, x], PAIR.to_vec()),
        Some(0.5) => graph.unary("Sqrt", x, &[]),
        Some(n) => graph.unary("Pow", x, &[n]),
        None => Err("has an array of exponents".into()),
    }
}

fn bounded<'a>(graph: &mut Graph<'a>, call: &Call<'_, 'a>, symbol: &'static str) -> Result<usize> {
    let nodes: Vec<usize> = (0..call.inputs.len()).filter_map(|i| call.node(i).ok()).collect();
    let mut nodes = nodes.into_iter();
    let first = nodes.next().ok_or("has no input")?;
    let mut result = nodes
        .try_fold(first, |result, node| graph.function(symbol, &[result, node], PAIR.to_vec()))?;
    for constant in call.constants() {
        let bound = constant.scalar().ok_or("has an array of bounds")?;
        result = match symbol {
            "Max" => clip(graph, result, bound, f64::INFINITY)?,
            _ => clip(graph, result, f64::NEG_INFINITY, bound)?,
        };
    }
    Ok(result)
}

/// min(max(x, low), high)
fn clip(graph: &mut Graph, x: usize, low: f64, high: f64) -> Result<usize> {
    // Exporters write the largest number for none.
    let (low, high) = (
        if low < -1e38 { f64::NEG_INFINITY } else { low },
        if high > 1e38 { f64::INFINITY } else { high },
    );
    if low.is_nan() || high.is_nan() || low >= high {
        return Err(format!("has the bounds {low} and {high}"));
    }
    match (low, high) {
        (f64::NEG_INFINITY, f64::INFINITY) => Ok(x),
        (0.0, f64::INFINITY) => graph.unary("Relu", x, &[]),
        (0.0, 6.0) => graph.unary("Relu6", x, &[]),
        (0.0, high) => graph.unary("Capped", x, &[high]),
        (low, f64::INFINITY) => {
            let above = graph.plus(x, -low)?;
            let above = graph.unary("Relu", above, &[])?;
            graph.plus(above, low)
        }
        (f64::NEG_INFINITY, high) => {
            let minus = graph.times(x, -1.0)?;
            let clipped = clip(graph, minus, -high, f64::INFINITY)?;
            graph.times(clipped, -1.0)
        }
        (low, high) => graph.unary("Ramp", x, &[low, high]),
    }
}

fn prelu<'a>(graph: &mut Graph<'a>, call: &Call<'_, 'a>) -> Result<usize> {
    let x = call.node(0)?;
    let slope = graph.aligned(x, call.constant(1)?.to_real().ok_or("has no slopes")?)?;
    graph.on_axes(x, &[], |graph, base, _| {
        let shape = graph.shape(base).to_vec();
        let weight = if slope.shape()[1..].iter().all(|n| *n == 1) {
            let n = slope.len();
            slope.into_shape_with_order(IxDyn(&[n])).map_err(|e| e.to_string())?
        } else {
            if shape.iter().product::<usize>() > slope.len().saturating_add(CELLS) {
                return Err("repeats its slopes too often".into());
            }
            slope.broadcast(IxDyn(&shape)).ok_or("has too many slopes")?.to_owned()
        };
        graph.layer("PReLU", vec![("weight", numbers(weight))], vec![base], shape)
    })
}

fn scaler<'a>(graph: &mut Graph<'a>, call: &Call<'_, 'a>) -> Result<usize> {
    let array = |values: Vec<f64>| ndarray::Array1::from(values).into_dyn();
    let shifted = graph.scale(call.node(0)?, None, Some(-array(call.floats("offset"))))?;
    graph.scale(shifted, Some(array(call.floats("scale"))), None)
}

fn softmax<'a>(graph: &mut Graph<'a>, call: &Call<'_, 'a>, name: &'static str) -> Result<usize> {
    let x = call.node(0)?;
    let axes = rank(graph, x) + 1;
    let along = |graph: &mut Graph<'a>, x, axis| {
        graph.on_axes(x, &[axis], |graph, base, axes| {
            let shape = graph.shape(base).to_vec();
            let dim = Value::Number((axes[0] + 2) as f64);
            let args = if shape.len() > 1 { vec![("dim".to_string(), dim)] } else { vec![] };
            graph.push(function::activation_layer(name, args), vec![base], shape)
        })
    };
    if call.opset >= 13 {
        return along(graph, x, inner(call.axis("axis", -1, axes)?)?);
    }
    // Before version 13 all axes from this one on are taken together.
    let axis = inner(call.axis("axis", 1, axes)?)?;
    let shape = graph.shape(x).to_vec();
    if axis + 1 == shape.len() {
        return along(graph, x, axis);
    }
    let matrix = [&shape[..axis], &[shape[axis..].iter().product()]].concat();
    let flat = graph.reshape(x, &matrix)?;
    let made = along(graph, flat, axis)?;
    graph.reshape(made, &shape)
}

// ---- products with weights ----

/// W x + b along the last axis, the weights (out, in).
fn dense<'a>(
    graph: &mut Graph<'a>,
    x: usize,
    weight: Constant<'a>,
    bias: Option<Constant<'a>>,
) -> Result<usize> {
    let shape = graph.shape(x).to_vec();
    let extents = weight.shape();
    let (&[out, inputs], Some(last)) = (extents.as_slice(), shape.last()) else {
        return Err(format!("has weights {extents:?}"));
    };
    if inputs != *last {
        return Err(format!("multiplies {last} features with weights for {inputs}"));
    }
    if shape.len() == 1 {
        let op = Op::Affine { kind: "Dense", weight, bias, fields: vec![] };
        return graph.push(op, vec![x], vec![out]);
    }
    // A pointwise convolution with the last axis as channels.
    let n = shape.len();
    let mut first: Vec<usize> = (0..n).collect();
    first.rotate_right(1);
    let mut back: Vec<usize> = (0..n).collect();
    back.rotate_left(1);
    let mut planes = graph.permute(x, &first)?;
    let rest = &shape[..n - 1];
    if rest.len() > 2 {
        planes = graph.reshape(planes, &[inputs, rest.iter().product()])?;
    }
    let plane = graph.shape(planes)[1..].to_vec();
    let weight = weight
        .reshaped(&[&[out, inputs], vec![1; plane.len()].as_slice()].concat())
        .ok_or("has strange weights")?;
    let kind = ["Conv1D", "Conv2D"][plane.len() - 1];
    let op = Op::Affine { kind, weight, bias, fields: vec![] };
    let made = graph.push(op, vec![planes], [&[out], plane.as_slice()].concat())?;
    let made = graph.reshape(made, &[&[out], rest].concat())?;
    graph.permute(made, &back)
}

fn gemm<'a>(graph: &mut Graph<'a>, call: &Call<'_, 'a>) -> Result<usize> {
    let (x, weight) = (call.node(0)?, call.constant(1)?);
    if call.int("transA", 0) != 0 {
        return Err("has transA = 1".into());
    }
    if weight.shape().len() != 2 || rank(graph, x) != 1 {
        return Err("is no product of matrices".into());
    }
    let mut weight =
        if call.int("transB", 0) == 0 { weight.permuted(&[1, 0]) } else { weight.clone() };
    let out = weight.shape()[0];
    let (alpha, beta) = (call.float("alpha", 1.0), call.float("beta", 1.0));
    if alpha != 1.0 {
        weight = Constant::Real(weight.to_real().ok_or("has no weights")? * alpha);
    }
    let mut bias = call.optional(2)?.cloned();
    if let Some(given) = &bias {
        bias = if beta == 1.0 && given.len() == out {
            given.reshaped(&[out])
        } else {
            let given = given.to_real().ok_or("has no bias")? * beta;
            let flat = given.shape().iter().rev().skip(1).all(|n| *n == 1);
            let given = given.flatten().into_dyn();
            let spread = given.broadcast(IxDyn(&[out])).filter(|_| flat);
            Some(Constant::Real(spread.ok_or("has a bias for each row")?.to_owned()))
        };
    }
    dense(graph, x, weight, bias)
}

fn matmul<'a>(graph: &mut Graph<'a>, call: &Call<'_, 'a>) -> Result<usize> {
    let matrix = |i: usize| {
        let constant = call.constant(i)?;
        let shape = constant.shape();
        let lead = shape.len().saturating_sub(2);
        let plain = shape.len() >= 2 && shape[..lead].iter().all(|n| *n == 1);
        let matrix = if plain { constant.reshaped(&shape[lead..]) } else { None };
        matrix.ok_or_else(|| format!("has the weights {shape:?}; accepted is a matrix"))
    };
    match (call.node(0), call.node(1)) {
        (Ok(x), Err(_)) => dense(graph, x, matrix(1)?.permuted(&[1, 0]), None),
        (Err(_), Ok(x)) if rank(graph, x) > 1 => {
            let mut swap: Vec<usize> = (0..rank(graph, x)).collect();
            let n = swap.len();
            swap.swap(n - 1, n - 2);
            let turned = graph.permute(x, &swap)?;
            let made = dense(graph, turned, matrix(0)?, None)?;
            graph.permute(made, &swap)
        }
        _ => Err("multiplies two matrices that the network computes".into()),
    }
}

/// A sliding layer's input: its channels and plane.
fn plane(graph: &Graph, x: usize) -> Result<(usize, Vec<usize>)> {
    match graph.shape(x) {
        [channels, plane @ ..] if (1..=2).contains(&plane.len()) => Ok((*channels, plane.to_vec())),
        other => Err(format!("has the input {other:?}; accepted are signals and images")),
    }
}

fn kind(names: [&'static str; 2], plane: &[usize]) -> &'static str {
    names[usize::from(plane.len() == 2)]
}

fn bias<'a>(call: &Call<'_, 'a>, i: usize) -> Result<Option<Constant<'a>>> {
    Ok(call.optional(i)?.cloned())
}

fn conv<'a>(graph: &mut Graph<'a>, call: &Call<'_, 'a>) -> Result<usize> {
    let (x, weight) = (call.node(0)?, call.constant(1)?);
    let (channels, plane) = plane(graph, x)?;
    let shape = weight.shape();
    let groups = usize::try_from(call.int("group", 1)).unwrap_or(0);
    let fits = shape.len() == plane.len() + 2
        && shape[1].checked_mul(groups) == Some(channels)
        && shape[0].checked_rem(groups) == Some(0);
    if !fits {
        return Err(format!("has weights {shape:?} in {groups} groups for {channels} channels"));
    }
    let windows = Windows::of(call, &shape[2..], &plane)?;
    let mut fields = windows.fields("stride")?;
    fields.extend([("dilation", windows.dilation()), ("groups", (groups as f64).into())]);
    let result = [&shape[..1], &windows.result(&plane)?].concat();
    let op = Op::Affine {
        kind: kind(["Conv1D", "Conv2D"], &plane),
        weight: weight.clone(),
        bias: bias(call, 2)?,
        fields,
    };
    graph.push(op, vec![x], result)
}

fn conv_transpose<'a>(graph: &mut Graph<'a>, call: &Call<'_, 'a>) -> Result<usize> {
    let (x, weight) = (call.node(0)?, call.constant(1)?);
    let (channels, plane) = plane(graph, x)?;
    let shape = weight.shape();
    let groups = usize::try_from(call.int("group", 1)).unwrap_or(0);
    if shape.len() != plane.len() + 2
        || shape[0] != channels
        || channels.checked_rem(groups) != Some(0)
    {
        return Err(format!("has weights {shape:?} in {groups} groups for {channels} channels"));
    }
    let (windows, extra, result) = Windows::transposed(call, &shape[2..], &plane)?;
    let mut fields = windows.fields("stride")?;
    fields.extend([
        ("dilation", windows.dilation()),
        ("groups", (groups as f64).into()),
        ("output_padding", Value::Numbers(extra)),
    ]);
    let out = shape[1].checked_mul(groups).ok_or("has too many channels")?;
    let op = Op::Affine {
        kind: kind(["ConvTranspose1D", "ConvTranspose2D"], &plane),
        weight: weight.clone(),
        bias: bias(call, 2)?,
        fields,
    };
    graph.push(op, vec![x], [&[out], result.as_slice()].concat())
}

// ---- pooling ----

fn pool<'a>(
    graph: &mut Graph<'a>,
    call: &Call<'_, 'a>,
    names: [&'static str; 2],
    more: fn(&Call, &Windows) -> Result<Fields<'a>>,
) -> Result<usize> {
    let x = call.node(0)?;
    let (channels, plane) = plane(graph, x)?;
    let kernel: Option<Vec<usize>> = call
        .ints("kernel_shape")
        .unwrap_or_default()
        .iter()
        .map(|n| usize::try_from(*n).ok())
        .collect();
    let kernel =
        kernel.filter(|kernel| kernel.len() == plane.len()).ok_or("has a strange kernel_shape")?;
    let windows = Windows::of(call, &kernel, &plane)?;
    let mut fields =
        vec![("kernel_size", Value::Numbers(kernel.iter().map(|n| *n as f64).collect()))];
    fields.extend(windows.fields("strides")?);
    fields.push(("ceil_mode", Value::Flag(windows.ceil_mode)));
    fields.extend(more(call, &windows)?);
    let result = [&[channels], windows.result(&plane)?.as_slice()].concat();
    graph.layer(kind(names, &plane), fields, vec![x], result)
}

fn max_pool<'a>(graph: &mut Graph<'a>, call: &Call<'_, 'a>) -> Result<usize> {
    pool(graph, call, ["MaxPooling1D", "MaxPooling2D"], |_, windows| {
        Ok(vec![("dilation", windows.dilation())])
    })
}

fn average_pool<'a>(graph: &mut Graph<'a>, call: &Call<'_, 'a>) -> Result<usize> {
    pool(graph, call, ["AveragePooling1D", "AveragePooling2D"], |call, windows| {
        if windows.dilated() {
            return Err("has dilations".into());
        }
        Ok(vec![("count_include_pad", Value::Flag(call.int("count_include_pad", 0) == 1))])
    })
}

fn global_pool<'a>(
    graph: &mut Graph<'a>,
    call: &Call<'_, 'a>,
    method: &'static str,
) -> Result<usize> {
    let x = call.node(0)?;
    let axes: Vec<usize> = (1..rank(graph, x)).collect();
    graph.reduce(x, method, &axes)
}

/// The mean, maximum or sum over axes, of the input times `sign`, which the result is multiplied by too.
fn reduce<'a>(
    graph: &mut Graph<'a>,
    call: &Call<'_, 'a>,
    method: &'static str,
    sign: f64,
) -> Result<usize> {
    let x = call.node(0)?;
    let all = call.reduced(rank(graph, x) + 1)?;
    let axes = inner_all(&all)?;
    let shape = graph.shape(x).to_vec();
    let signed = graph.times(x, sign)?;
    let made = match method {
        "sum" => {
            let cells: usize = pick(&shape, &axes).iter().product();
            let mean = graph.reduce(signed, "average", &axes)?;
            graph.times(mean, cells as f64)?
        }
        method => graph.reduce(signed, method, &axes)?,
    };
    let made = graph.times(made, sign)?;
    let kept = without(graph.shape(made), &axes, call.int("keepdims", 1) == 1);
    if kept.is_empty() {
        return Err("leaves no axis but that of the rows".into());
    }
    graph.reshape(made, &kept)
}

// ---- norms ----

/// A layer that keeps the extents.
fn like<'a>(
    graph: &mut Graph<'a>,
    call: &Call<'_, 'a>,
    kind: &'static str,
    fields: Fields<'a>,
) -> Result<usize> {
    let x = call.node(0)?;
    let shape = graph.shape(x).to_vec();
    graph.layer(kind, fields, vec![x], shape)
}

fn batch_norm<'a>(graph: &mut Graph<'a>, call: &Call<'_, 'a>) -> Result<usize> {
    if call.int("training_mode", 0) == 1 {
        return Err("is in training mode".into());
    }
    if call.int("spatial", 1) == 0 {
        return Err("has spatial = 0".into());
    }
    let fields = vec![
        ("gamma", value(call, 1)?),
        ("beta", value(call, 2)?),
        ("run_mean", value(call, 3)?),
        ("run_var", value(call, 4)?),
        ("eps", call.float("epsilon", 1e-5).into()),
    ];
    like(graph, call, "BatchNorm", fields)
}

fn group_norm<'a>(graph: &mut Graph<'a>, call: &Call<'_, 'a>) -> Result<usize> {
    let channels = graph.shape(call.node(0)?)[0];
    let groups = usize::try_from(call.int("num_groups", 0)).unwrap_or(0);
    if channels.checked_rem(groups) != Some(0) {
        return Err(format!("has {groups} groups for {channels} channels"));
    }
    // Before version 21 there is one value a group.
    let each = |i: usize| {
        let constant = call.constant(i)?;
        if constant.len() == channels {
            return value(call, i);
        }
        if channels > CELLS {
            return Err(format!("has {channels} channels, but {groups} weights"));
        }
        let values =
            constant.to_real().filter(|x| x.len() == groups).ok_or("has strange weights")?;
        Ok(Value::Numbers(values.iter().flat_map(|x| vec![*x; channels / groups]).collect()))
    };
    let fields = vec![
        ("num_groups", (groups as f64).into()),
        ("gamma", each(1)?),
        ("beta", each(2)?),
        ("eps", call.float("epsilon", 1e-5).into()),
    ];
    like(graph, call, "GroupNorm", fields)
}

fn layer_norm<'a>(graph: &mut Graph<'a>, call: &Call<'_, 'a>) -> Result<usize> {
    let x = call.node(0)?;
    let first = inner(call.axis("axis", -1, rank(graph, x) + 1)?)?;
    let axes: Vec<usize> = (first..rank(graph, x)).collect();
    let extents = graph.shape(x)[first..].to_vec();
    graph.on_axes(x, &axes, |graph, base, axes| {
        let mut order: Vec<usize> = (0..axes.len()).collect();
        order.sort_by_key(|i| axes[*i]);
        let mut fields = vec![("axes", axes_field(&pick(axes, &order)))];
        for (name, i) in [("gamma", 1), ("beta", 2)] {
            if let Some(constant) = call.optional(i)? {
                let whole = constant.reshaped(&extents).ok_or("has weights that do not fit")?;
                fields.push((name, whole.permuted(&order).into_value()));
            }
        }
        fields.push(("eps", call.float("epsilon", 1e-5).into()));
        let shape = graph.shape(base).to_vec();
        graph.layer("LayerNorm", fields, vec![base], shape)
    })
}

// ---- moving cells ----

fn reshape<'a>(graph: &mut Graph<'a>, call: &Call<'_, 'a>) -> Result<usize> {
    let x = call.node(0)?;
    let target = call.target(&call.extents(graph, x))?;
    let rest: Option<Vec<usize>> =
        target.iter().skip(1).map(|n| usize::try_from(n.fixed()?).ok()).collect();
    match rest {
        Some(rest) if target.first() == Some(&call.rows) && !rest.is_empty() => {
            graph.reshape(x, &rest)
        }
        _ => Err("mixes the rows with other axes".into()),
    }
}

fn transpose<'a>(graph: &mut Graph<'a>, call: &Call<'_, 'a>) -> Result<usize> {
    let x = call.node(0)?;
    let order = call.permutation(rank(graph, x) + 1)?;
    if order[0] != 0 {
        return Err("moves the axis of the rows".into());
    }
    graph.permute(x, &inner_all(&order[1..])?)
}

fn concat<'a>(graph: &mut Graph<'a>, call: &Call<'_, 'a>) -> Result<usize> {
    let inputs = call.nodes()?;
    let axis = inner(call.axis("axis", 1, rank(graph, inputs[0]) + 1)?)?;
    concatenate(graph, &inputs, axis)
}

/// Nodes put together along an axis.
fn concatenate(graph: &mut Graph, inputs: &[usize], axis: usize) -> Result<usize> {
    let (bases, order) = graph.bases(inputs)?;
    if bases.len() == 1 {
        return graph.permute(bases[0], &order);
    }
    let axis = order[axis];
    let mut shape = graph.shape(bases[0]).to_vec();
    let same = bases.iter().all(|id| {
        let other = graph.shape(*id);
        (0..shape.len()).all(|i| i == axis || other[i] == shape[i])
    });
    if !same {
        return Err("puts arrays of different extents together".into());
    }
    shape[axis] = bases.iter().map(|id| graph.shape(*id)[axis]).sum();
    let made =
        graph.layer("Concatenate", vec![("axis", ((axis + 2) as f64).into())], bases, shape)?;
    graph.permute(made, &order)
}

/// The cells from `start` to before `end` along an axis.
fn range(graph: &mut Graph, x: usize, axis: usize, start: usize, end: usize) -> Result<usize> {
    if start == 0 && end == graph.shape(x)[axis] {
        return Ok(x);
    }
    graph.on_axes(x, &[axis], |graph, base, axes| {
        let mut shape = graph.shape(base).to_vec();
        shape[axes[0]] = end.saturating_sub(start);
        let fields = vec![
            ("axis", ((axes[0] + 2) as f64).into()),
            ("start", ((start + 1) as f64).into()),
            ("end", (end as f64).into()),
        ];
        graph.layer("Slice", fields, vec![base], shape)
    })
}

/// Every so many-th cell along an axis: the mean over windows of one cell.
fn every(graph: &mut Graph, x: usize, axis: usize, step: usize) -> Result<usize> {
    if step == 1 {
        return Ok(x);
    }
    graph.on_axes(x, &[axis], |graph, base, axes| {
        let mut shape = graph.shape(base).to_vec();
        let (before, after) = (&shape[..axes[0]], &shape[axes[0] + 1..]);
        let plane = [before.iter().product(), shape[axes[0]], after.iter().product()];
        let kept = plane[1].div_ceil(step);
        let fields = vec![
            ("kernel_size", Value::Numbers(vec![1.0, 1.0])),
            ("strides", Value::Numbers(vec![step as f64, 1.0])),
        ];
        shape[axes[0]] = kept;
        let x = graph.reshape(base, &plane)?;
        let made =
            graph.layer("AveragePooling2D", fields, vec![x], vec![plane[0], kept, plane[2]])?;
        graph.reshape(made, &shape)
    })
}

fn slice<'a>(graph: &mut Graph<'a>, call: &Call<'_, 'a>) -> Result<usize> {
    let mut x = call.node(0)?;
    let sizes = call.sizes(graph, x);
    for (axis, [start, end, step]) in call.slices(&sizes)? {
        let (start, end) = (start as usize, end as usize);
        if step < 0 && axis > 0 {
            let back: Vec<usize> =
                (start..end).rev().step_by(step.unsigned_abs() as usize).collect();
            x = select(graph, x, axis - 1, &back)?;
            continue;
        }
        let step = usize::try_from(step).map_err(|_| "takes the rows backwards")?;
        if axis > 0 {
            x = range(graph, x, axis - 1, start, end)?;
            x = every(graph, x, axis - 1, step)?;
        } else if start > 0 || end < sizes[0] || step > 1 {
            return Err("takes some of the rows".into());
        }
    }
    Ok(x)
}

fn split<'a>(graph: &mut Graph<'a>, call: &Call<'_, 'a>) -> Results<'a> {
    let x = call.node(0)?;
    let (axis, parts) = call.parts(&call.sizes(graph, x))?;
    let axis = inner(axis)?;
    parts
        .into_iter()
        .map(|[start, end]| Ok(Term::Node(range(graph, x, axis, start, end)?)))
        .collect()
}

/// The cells at some positions along an axis: neighbours in one piece, others put together.
fn select(graph: &mut Graph, x: usize, axis: usize, positions: &[usize]) -> Result<usize> {
    let runs = positions.chunk_by(|a, b| a + 1 == *b);
    if runs.clone().count() > MAX_RUNS {
        return Err(format!("takes cells in more than {MAX_RUNS} pieces"));
    }
    let pieces: Vec<usize> =
        runs.map(|run| range(graph, x, axis, run[0], run[0] + run.len())).collect::<Result<_>>()?;
    match pieces.as_slice() {
        [] => Err("takes nothing".into()),
        [piece] => Ok(*piece),
        _ => concatenate(graph, &pieces, axis),
    }
}

/// Copies along each axis.
fn tile(graph: &mut Graph, mut x: usize, repeats: &[Int]) -> Result<usize> {
    if repeats.len() != rank(graph, x) + 1 {
        return Err(format!("repeats {} axes", repeats.len()));
    }
    for (axis, n) in repeats.iter().enumerate().filter(|(_, n)| **n != Int::from(1)) {
        let n = n.fixed().and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= MAX_RUNS);
        let copies = vec![x; n.ok_or("repeats cells too often")?];
        x = match copies.as_slice() {
            [] => return Err("takes nothing".into()),
            copies => concatenate(graph, copies, inner(axis)?)?,
        };
    }
    Ok(x)
}

/// At most so many pieces are put together.
const MAX_RUNS: usize = 256;

fn gather<'a>(graph: &mut Graph<'a>, call: &Call<'_, 'a>) -> Result<usize> {
    let x = call.node(0)?;
    let axis = inner(call.axis("axis", 0, rank(graph, x) + 1)?)?;
    let extent = graph.shape(x)[axis];
    let single = call.constant(1)?.shape().is_empty();
    let positions: Vec<usize> =
        call.whole(1)?.into_iter().map(|index| position(index, extent)).collect::<Result<_>>()?;
    let taken = select(graph, x, axis, &positions)?;
    let kept = without(graph.shape(taken), &[axis], !single);
    if kept.is_empty() {
        return Err("leaves no axis but that of the rows".into());
    }
    graph.reshape(taken, &kept)
}

fn pad<'a>(graph: &mut Graph<'a>, call: &Call<'_, 'a>) -> Result<usize> {
    let x = call.node(0)?;
    let axes = rank(graph, x) + 1;
    let pads: Option<Vec<i64>> =
        call.listed("pads", 1)?.ok_or("has no pads")?.iter().map(|n| n.fixed()).collect();
    let pads = pads.ok_or("has pads that depend on the rows")?;
    let named = call.term(3).map(|_| call.whole(3)).transpose()?;
    let named: Vec<i64> = named.map_or((0..axes as i64).collect(), |axes| {
        axes.iter().map(|n| n.fixed().unwrap_or(-1)).collect()
    });
    if pads.len() != 2 * named.len() {
        return Err(format!("has {} pads for {} axes", pads.len(), named.len()));
    }
    let mode = match call.text("mode", "constant") {
        "edge" => "replicate",
        "wrap" => "circular",
        "reflect" => "reflect",
        "constant" => "constant",
        other => return Err(format!("has mode = '{other}'")),
    };
    let value = call.number("value", 2, 0.0)?;
    let mut id = x;
    let mut margins = vec![[0usize; 2]; axes - 1];
    for (i, axis) in named.iter().enumerate() {
        let axis = if *axis < 0 { axis + axes as i64 } else { *axis };
        let sides = [pads[i], pads[i + named.len()]];
        if sides == [0, 0] {
            continue;
        }
        let axis = usize::try_from(axis)
            .ok()
            .filter(|axis| *axis < axes)
            .ok_or("pads an axis that is not there")?;
        let axis = inner(axis)?;
        let extent = graph.shape(id)[axis] as i64;
        let cut = sides.map(|side| side.min(0).saturating_neg());
        if cut[0].saturating_add(cut[1]) >= extent {
            return Err("takes all cells away".into());
        }
        id = range(graph, id, axis, cut[0] as usize, (extent - cut[1]) as usize)?;
        margins[axis] = sides.map(|side| side.max(0) as usize);
    }
    let padded: Vec<usize> = (0..margins.len()).filter(|axis| margins[*axis] != [0, 0]).collect();
    if padded.is_empty() {
        return Ok(id);
    }
    if padded.len() > 2 || margins.len() > 3 {
        return Err("pads more axes than those of an image".into());
    }
    if margins.len() == 1 {
        let n = graph.shape(id)[0];
        id = graph.reshape(id, &[1, n])?;
        id = padding(graph, id, &[[0, 0], margins[0]], mode, value)?;
        let n = graph.shape(id)[1];
        return graph.reshape(id, &[n]);
    }
    // The first axis counts channels, which are not padded.
    let others = (0..margins.len()).filter(|axis| !padded.contains(axis));
    let mut order: Vec<usize> = others.chain(padded.iter().copied()).collect();
    if padded.iter().all(|axis| *axis > 0) {
        order.sort_unstable();
    }
    let turned = graph.permute(id, &order)?;
    let made = padding(graph, turned, &pick(&margins, &order), mode, value)?;
    graph.permute(made, &super::graph::inverse(&order))
}

/// Cells around signals or images.
fn padding(
    graph: &mut Graph,
    x: usize,
    margins: &[[usize; 2]],
    mode: &'static str,
    value: f64,
) -> Result<usize> {
    let mut shape = graph.shape(x).to_vec();
    for (extent, [before, after]) in shape.iter_mut().zip(margins) {
        *extent = extent.saturating_add(*before).saturating_add(*after);
    }
    let sides = margins[1..].iter().rev().flatten().map(|n| *n as f64);
    let mut fields = vec![("padding", Value::Numbers(sides.collect())), ("mode", mode.into())];
    if mode == "constant" {
        fields.push(("value", value.into()));
    }
    graph.layer("Padding", fields, vec![x], shape)
}

fn resize<'a>(
    graph: &mut Graph<'a>,
    call: &Call<'_, 'a>,
    scales: usize,
    sizes: usize,
) -> Result<usize> {
    let x = call.node(0)?;
    let mode = call.text("mode", "nearest");
    if mode != "nearest" {
        return Err(format!("has mode = '{mode}'; accepted is 'nearest'"));
    }
    // Before version 11 `Resize` had the scales as its second input.
    let scales = if call.op() == "Resize" && call.opset < 11 { 1 } else { scales };
    let own = [&[1], graph.shape(x)].concat();
    let given = call.optional(scales)?.filter(|constant| constant.len() > 0);
    let factors: Vec<f64> = if call.has("scales") {
        call.floats("scales")
    } else if let Some(given) = given {
        given.to_real().unwrap_or_default().iter().copied().collect()
    } else {
        let sizes = call.whole(sizes)?;
        let factor = |(n, own): (&Int, &usize)| match n.fixed() {
            Some(n) => n as f64 / *own as f64,
            None => 1.0,
        };
        let mut factors: Vec<f64> = sizes.iter().zip(&own).map(factor).collect();
        if call.ints("axes").is_none() && !factors.is_empty() {
            factors[0] = 1.0;
        }
        factors
    };
    let mut all = vec![1.0; own.len()];
    match call.ints("axes") {
        None if factors.len() == own.len() => all = factors,
        Some(axes) if factors.len() == axes.len() && call.term(sizes).is_none() => {
            for (axis, factor) in axes.iter().zip(factors) {
                let axis = if *axis < 0 { axis + own.len() as i64 } else { *axis };
                let slot = usize::try_from(axis).ok().and_then(|axis| all.get_mut(axis));
                *slot.ok_or("resizes an axis that is not there")? = factor;
            }
        }
        _ => return Err("has strange sizes".into()),
    }
    if all[0] != 1.0 || all.get(1).is_some_and(|factor| *factor != 1.0) {
        return Err("resizes rows or channels".into());
    }
    let (channels, plane) = plane(graph, x)?;
    let factors = &all[2..];
    if factors.iter().any(|factor| factor.fract() != 0.0 || !(1.0..=65536.0).contains(factor)) {
        return Err(format!("has the factors {factors:?}; accepted are whole numbers"));
    }
    let default =
        if call.op() == "Upsample" || call.opset < 11 { "asymmetric" } else { "half_pixel" };
    let coordinates = call.text("coordinate_transformation_mode", default);
    let rounding = call
        .text("nearest_mode", if default == "asymmetric" { "floor" } else { "round_prefer_floor" });
    if !factors.iter().zip(&plane).all(|(factor, n)| repeats(*factor, *n, coordinates, rounding)) {
        return Err(format!("takes neighbours by '{coordinates}' and '{rounding}'"));
    }
    let result = plane.iter().zip(factors).map(|(n, factor)| n.saturating_mul(*factor as usize));
    let shape: Vec<usize> = [channels].into_iter().chain(result).collect();
    let fields = vec![("size", Value::Numbers(factors.to_vec()))];
    graph.layer(kind(["Upsampling1D", "Upsampling2D"], &plane), fields, vec![x], shape)
}

/// Whether resizing by a whole factor takes every cell so many times.
fn repeats(factor: f64, n: usize, coordinates: &str, rounding: &str) -> bool {
    let inside = (n as f64 - 1.0).max(0.0);
    // The first cells and the last ones show it.
    let cells = (n as f64 * factor) as usize;
    (0..cells.min(256)).chain(cells.saturating_sub(256)..cells).all(|i| {
        let i = i as f64;
        let x = match coordinates {
            "half_pixel" | "half_pixel_symmetric" => (i + 0.5) / factor - 0.5,
            "pytorch_half_pixel" if n as f64 * factor > 1.0 => (i + 0.5) / factor - 0.5,
            "pytorch_half_pixel" => 0.0,
            "align_corners" => i * inside / (cells as f64 - 1.0).max(1.0),
            "asymmetric" => i / factor,
            "tf_half_pixel_for_nn" => (i + 0.5) / factor,
            _ => f64::NAN,
        };
        let cell = match rounding {
            "round_prefer_floor" => (x - 0.5).ceil(),
            "round_prefer_ceil" => (x + 0.5).floor(),
            "floor" => x.floor(),
            "ceil" => x.ceil(),
            _ => f64::NAN,
        };
        cell.clamp(0.0, inside) == (i / factor).floor()
    })
}

fn depth_to_space<'a>(graph: &mut Graph<'a>, call: &Call<'_, 'a>) -> Result<usize> {
    let x = call.node(0)?;
    let block = usize::try_from(call.int("blocksize", 0)).unwrap_or(0).min(1 << 15);
    let &[channels, height, width] = graph.shape(x) else { return Err("has no image".into()) };
    let depth = channels.checked_div(block * block).ok_or("has blocksize = 0")?;
    let columns = call.text("mode", "DCR") == "CRD";
    let (shape, order) = if columns {
        ([depth, block, block, height, width], [0, 3, 1, 4, 2])
    } else {
        ([block, block, depth, height, width], [2, 3, 0, 4, 1])
    };
    let blocks = graph.reshape(x, &shape)?;
    let turned = graph.permute(blocks, &order)?;
    graph.reshape(turned, &[depth, height.saturating_mul(block), width.saturating_mul(block)])
}

fn space_to_depth<'a>(graph: &mut Graph<'a>, call: &Call<'_, 'a>) -> Result<usize> {
    let x = call.node(0)?;
    let block = usize::try_from(call.int("blocksize", 0)).unwrap_or(0).min(1 << 15);
    let &[channels, height, width] = graph.shape(x) else { return Err("has no image".into()) };
    let (Some(rows), Some(columns)) = (height.checked_div(block), width.checked_div(block)) else {
        return Err("has blocksize = 0".into());
    };
    let blocks = graph.reshape(x, &[channels, rows, block, columns, block])?;
    let turned = graph.permute(blocks, &[2, 4, 0, 1, 3])?;
    graph.reshape(turned, &[block * block * channels, rows, columns])
}
