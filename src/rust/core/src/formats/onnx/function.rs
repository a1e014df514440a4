//! Functions of numbers, cell by cell, and how the package's activations are found in them.
//!
//! Exporters spell activations out: SiLU as x · sigmoid(x), GELU with erf in five ways, softplus with a
//! threshold. What is written there is a function of one number, so it is compared with the
//! activations by its values.

use super::graph::{Argument, Fields, Graph, Node, Op};
use crate::formats::Value;

/// A function and the activation that it is.
struct Function {
    symbol: &'static str,
    value: fn(&[f64]) -> f64,
    layer: Option<(&'static str, &'static [&'static str], &'static [f64])>,
}

macro_rules! functions {
    ($($symbol:literal [$($x:ident),*] => $value:expr $(, $name:literal ($($arg:ident = $default:expr),*))?;)*) => {
        const FUNCTIONS: &[Function] = &[$(Function {
            symbol: $symbol,
            value: |args| match args { &[$($x),*] => $value, _ => f64::NAN },
            layer: functions!(@ $($name ($($arg = $default),*))?),
        }),*];
    };
    (@ $name:literal ($($arg:ident = $default:expr),*)) => {
        Some(($name, &[$(stringify!($arg)),*], &[$($default),*]))
    };
    (@) => { None };
}

// The first argument is the input, the others are those of the activation.
functions! {
    "Relu" [x] => x.max(0.0), "relu"();
    "LeakyRelu" [x, a] => if x < 0.0 { a * x } else { x }, "leaky_relu"(negative_slope = 0.01);
    "Elu" [x, a] => elu(x, a), "elu"(alpha = 1.0);
    "Selu" [x] => 1.050_700_987_355_480_5 * elu(x, 1.673_263_242_354_377_2), "selu"();
    "Celu" [x, a] => elu(x / a, a), "celu"(alpha = 1.0);
    "Sigmoid" [x] => sigmoid(x), "sigmoid"();
    "Tanh" [x] => x.tanh(), "tanh"();
    "HardSigmoid" [x, a, b] => (a * x + b).clamp(0.0, 1.0), "hard_sigmoid"(slope = 1.0 / 6.0, offset = 0.5);
    "Relu6" [x] => x.clamp(0.0, 6.0), "relu6"();
    "Capped" [x, b] => x.max(0.0).min(b), "relu"(max_value = f64::INFINITY);
    "Ramp" [x, a, b] => x.max(a).min(b), "hard_tanh"(min_val = -1.0, max_val = 1.0);
    "Thresholded" [x, a] => if x > a { x } else { 0.0 }, "relu"(threshold = 0.0);
    "Softplus" [x] => softplus(x), "softplus"();
    "ScaledSoftplus" [x, b, t] => if b * x > t { x } else { softplus(b * x) / b }, "softplus"(beta = 1.0, threshold = 20.0);
    "Softsign" [x] => x / (1.0 + x.abs()), "softsign"();
    "Gelu" [x] => 0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2)), "gelu"();
    "GeluTanh" [x] => 0.5 * x * (1.0 + (0.797_884_560_802_865_4 * (x + 0.044_715 * x.powi(3))).tanh()), "gelu_tanh"();
    "Silu" [x] => x * sigmoid(x), "silu"();
    "Mish" [x] => x * softplus(x).tanh(), "mish"();
    "HardSwish" [x] => x * (x / 6.0 + 0.5).clamp(0.0, 1.0), "hard_swish"();
    "LogSigmoid" [x] => -softplus(-x), "log_sigmoid"();
    "TanhShrink" [x] => x - x.tanh(), "tanh_shrink"();
    "HardShrink" [x, a] => if x.abs() > a { x } else { 0.0 }, "hard_shrink"(lambd = 0.5);
    "SoftShrink" [x, a] => x - x.max(-a).min(a), "soft_shrink"(lambd = 0.5);
    "Exp" [x] => x.exp(), "exponential"();
    "Log" [x] => x.ln();
    "Sqrt" [x] => x.sqrt();
    "Abs" [x] => x.abs();
    "Not" [x] => f64::from(x == 0.0);
    "Erf" [x] => erf(x);
    "Sign" [x] => if x == 0.0 { 0.0 } else { x.signum() };
    "Pow" [x, y] => x.powf(y);
    "Add" [x, y] => x + y;
    "Sub" [x, y] => x - y;
    "Mul" [x, y] => x * y;
    "Div" [x, y] => x / y;
    "Min" [x, y] => x.min(y);
    "Max" [x, y] => x.max(y);
    "Greater" [x, y] => f64::from(x > y);
    "GreaterOrEqual" [x, y] => f64::from(x >= y);
    "Less" [x, y] => f64::from(x < y);
    "LessOrEqual" [x, y] => f64::from(x <= y);
    "Where" [c, x, y] => if c != 0.0 { x } else { y };
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn elu(x: f64, alpha: f64) -> f64 {
    if x < 0.0 {
        alpha * x.exp_m1()
    } else {
        x
    }
}

/// The error function, by Kummer's series; it is 1 to the last digit from 6 on.
fn erf(x: f64) -> f64 {
    if x.is_nan() || x.abs() > 6.0 {
        return x.clamp(-1.0, 1.0);
    }
    let (mut term, mut sum, mut n) = (x, x, 1.0);
    while term.abs() > 1e-17 * sum.abs() {
        term *= 2.0 * x * x / (2.0 * n + 1.0);
        sum += term;
        n += 1.0;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

/// The function with this symbol, in the spelling of the table.
pub fn symbol(name: &str) -> Option<&'static str> {
    FUNCTIONS.iter().find(|f| f.symbol == name).map(|f| f.symbol)
}

/// The value of a function for constants.
pub fn value(name: &str, arguments: &[f64]) -> Option<f64> {
    FUNCTIONS.iter().find(|f| f.symbol == name).map(|f| (f.value)(arguments))
}

/// An activation, with the arguments that differ from their defaults.
fn activation<'a>(function: &Function, numbers: &[f64]) -> Option<Op<'a>> {
    let (name, args, defaults) = function.layer?;
    if numbers.len() != args.len() {
        return None;
    }
    let given = args.iter().zip(numbers).zip(defaults).filter(|((_, x), default)| x != default);
    let args = given.map(|((arg, x), _)| (arg.to_string(), Value::Number(*x))).collect();
    Some(activation_layer(name, args))
}

/// The layer of an activation.
pub fn activation_layer<'a>(name: &str, args: Vec<(String, Value<'a>)>) -> Op<'a> {
    let mut fields: Fields = vec![("act_name", name.into())];
    if !args.is_empty() {
        fields.push(("activation_args", Value::Map(args)));
    }
    Op::Layer { kind: "Activation", fields }
}

/// The layer of a node that is a function: one for a sum or a product, an activation, or nothing.
pub fn layer<'a>(node: &Node<'a>) -> Option<Op<'a>> {
    let Op::Function { symbol, arguments } = &node.op else { return Some(node.op.clone()) };
    match *symbol {
        "Add" => return Some(Op::Layer { kind: "Add", fields: vec![] }),
        "Mul" => return Some(Op::Layer { kind: "Multiply", fields: vec![] }),
        _ => {}
    }
    let numbers: Option<Vec<f64>> = arguments[1..]
        .iter()
        .map(|argument| if let Argument::Number(x) = argument { Some(*x) } else { None })
        .collect();
    activation(FUNCTIONS.iter().find(|f| f.symbol == *symbol)?, &numbers?)
}

// ---- functions that are spelt out ----

/// At most so many nodes make a function.
const PARTS: usize = 16;

/// The activation that a node computes with others, and the node that it is a function of.
pub fn known<'a>(graph: &Graph<'a>, id: usize) -> Option<(usize, Op<'a>)> {
    if !is_part(graph, id) {
        return None;
    }
    // What the node may be a function of, the nearest first.
    let mut parts = vec![id];
    let mut sources: Vec<usize> = Vec::new();
    let mut next = 0;
    while let Some(part) = parts.get(next).copied() {
        for input in &graph.nodes[part].inputs {
            if !sources.contains(input) {
                sources.push(*input);
                if is_part(graph, *input) && parts.len() < PARTS {
                    parts.push(*input);
                }
            }
        }
        next += 1;
    }
    sources.sort_unstable_by(|a, b| b.cmp(a));
    sources.into_iter().find_map(|source| Some((source, activation_of(graph, id, source, &parts)?)))
}

/// Whether a node is a function of numbers.
fn is_part(graph: &Graph, id: usize) -> bool {
    match &graph.nodes[id].op {
        Op::Function { .. } => true,
        Op::Scale { scale, shift } => [scale, shift].into_iter().flatten().all(|x| x.len() == 1),
        _ => false,
    }
}

fn activation_of<'a>(
    graph: &Graph<'a>,
    end: usize,
    source: usize,
    parts: &[usize],
) -> Option<Op<'a>> {
    if graph.shape(end) != graph.shape(source) {
        return None;
    }
    // The parts between the source and the end, in order.
    let mut between: Vec<usize> = Vec::new();
    let mut open = vec![end];
    while let Some(part) = open.pop() {
        if part == source || between.contains(&part) {
            continue;
        }
        if !parts.contains(&part) {
            return None;
        }
        between.push(part);
        open.extend(&graph.nodes[part].inputs);
    }
    if between.len() < 2 {
        return None;
    }
    between.sort_unstable();
    let constants = constants(graph, &between);
    let values: Option<Vec<(f64, f64)>> =
        grid(&constants).map(|x| Some((x, evaluate(graph, &between, source, x)?))).collect();
    let values = values?;
    let is = |function: &Function, arguments: &[f64]| {
        values.iter().all(|(x, y)| {
            let wanted = (function.value)(&[&[*x], arguments].concat());
            (y - wanted).abs() <= 1e-6 * wanted.abs().max(1.0)
        })
    };
    FUNCTIONS.iter().find_map(|function| {
        let (_, _, defaults) = function.layer?;
        let arguments =
            choices(defaults, &constants).into_iter().find(|args| is(function, args))?;
        activation(function, &arguments)
    })
}

/// The numbers in the parts of a function and, where there are few, their quotients.
fn constants(graph: &Graph, parts: &[usize]) -> Vec<f64> {
    let mut numbers: Vec<f64> = Vec::new();
    for part in parts {
        match &graph.nodes[*part].op {
            Op::Scale { scale, shift } => {
                numbers.extend([scale, shift].into_iter().flatten().filter_map(|x| x.first()));
            }
            Op::Function { arguments, .. } => numbers.extend(arguments.iter().filter_map(|x| {
                if let Argument::Number(x) = x {
                    Some(*x)
                } else {
                    None
                }
            })),
            _ => {}
        }
    }
    let few = numbers.len() <= FEW;
    let quotients = numbers.iter().flat_map(|a| numbers.iter().map(move |b| a / b));
    let quotients: Vec<f64> = quotients.filter(|_| few).collect();
    let numbers = numbers.into_iter().chain(quotients).map(f64::abs);
    let mut numbers: Vec<f64> = numbers.filter(|x| *x > 0.0 && *x < 1e3).collect();
    numbers.sort_unstable_by(f64::total_cmp);
    numbers.dedup();
    numbers
}

/// So many numbers are few.
const FEW: usize = 6;

/// What the arguments of a function may be: its defaults, or some of the constants.
fn choices(defaults: &[f64], constants: &[f64]) -> Vec<Vec<f64>> {
    defaults.iter().fold(vec![vec![]], |choices, default| {
        let next = |choice: Vec<f64>| {
            [default].into_iter().chain(constants).map(move |x| [choice.as_slice(), &[*x]].concat())
        };
        choices.into_iter().flat_map(next).collect()
    })
}

/// Where functions are compared: between -10 and 10, far out, and where their pieces may meet.
fn grid(constants: &[f64]) -> impl Iterator<Item = f64> + '_ {
    let even = (-80..=80).map(|i| f64::from(i) * 0.123).chain([-50.0, -20.5, 20.5, 50.0]);
    let meet = |x: &f64| [-1.001, -0.999, -0.5, 0.5, 0.999, 1.001].map(|factor| factor * x);
    even.chain(constants.iter().flat_map(meet).filter(|x| x.abs() < 50.0))
}

/// The value of the last of the parts for one of the source; `None` where it is not finite.
fn evaluate(graph: &Graph, parts: &[usize], source: usize, x: f64) -> Option<f64> {
    let mut values = vec![(source, x)];
    for part in parts {
        let node = &graph.nodes[*part];
        let input = |i: usize| {
            let id = node.inputs.get(i)?;
            values.iter().find(|(other, _)| other == id).map(|(_, x)| *x)
        };
        let result = match &node.op {
            Op::Scale { scale, shift } => {
                let number = |x: &Option<ndarray::ArrayD<f64>>, neutral| {
                    x.as_ref().and_then(|x| x.first().copied()).unwrap_or(neutral)
                };
                input(0)? * number(scale, 1.0) + number(shift, 0.0)
            }
            Op::Function { symbol, arguments } => {
                let arguments: Option<Vec<f64>> = arguments
                    .iter()
                    .map(|argument| match argument {
                        Argument::Input(i) => input(*i),
                        Argument::Number(x) => Some(*x),
                    })
                    .collect();
                value(symbol, &arguments?)?
            }
            _ => return None,
        };
        values.push((*part, result));
    }
    values.last().map(|(_, x)| *x).filter(|x| x.is_finite())
}
