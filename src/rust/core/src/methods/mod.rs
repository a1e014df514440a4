//! The methods. One that walks backwards through the network says how the walk starts at the output
//! nodes, how it passes a layer and what it makes of the signal that arrives at an input; [`explain`]
//! does the rest for all of them. One that averages gradients says at which [`Points`].

mod connection_weights;
mod deep_lift;
mod expected_gradient;
mod gradient;
mod integrated_gradient;
mod kinks;
mod lrp;
mod points;
mod smooth_grad;

pub use connection_weights::ConnectionWeights;
pub use deep_lift::{DeepLift, DeepLiftRule, MaxPool};
pub use expected_gradient::ExpectedGradient;
pub use gradient::Gradient;
pub use integrated_gradient::{integrate_exactly, IntegratedGradient};
pub use kinks::{kinks, MAX_KINKS};
pub use lrp::{Choice, Lrp, LrpRules};
pub use points::{add, average, join, transposed, Attributions, Batch, Factors, Points};
pub use smooth_grad::SmoothGrad;

use crate::error::{Kind, Result};
use crate::graph::{Network, Node, Output, Value};
use crate::kernels::Kernels;
use crate::tensor::Tensor;

/// A method that walks backwards through the network once. It holds the values that it needs.
pub trait Method<B: Kernels> {
    /// What travels back.
    type Signal: From<Tensor<B>> + std::ops::Add<Output = Self::Signal>;

    /// How the walk starts at some nodes of an output.
    fn start(&self, end: &End) -> Start<B>;

    /// The signal at every operand of a node, from that at its output.
    ///
    /// # Errors
    /// If the method cannot pass this layer.
    fn step(&self, node: &Node<B>, signal: Self::Signal) -> Result<Vec<Self::Signal>>;

    /// The attribution of an input, from the signal that arrived.
    fn finish(&self, input: Value, signal: Self::Signal) -> Tensor<B>;

    /// What a signal stands for in the sum that the method conserves, (rows, 1); `None` if it
    /// conserves none.
    fn total(&self, _value: Value, _signal: &Self::Signal) -> Option<Tensor<B>> {
        None
    }

    /// What the last step gave to a bias and to the stabilizer, (rows, 1) each.
    fn absorbed(&self) -> [Option<Tensor<B>>; 2] {
        [None, None]
    }
}

/// Where a walk starts.
pub struct End<'a> {
    /// The output.
    pub output: &'a Output,
    /// The value that is explained: the output's own or the one before the last activation.
    pub value: Value,
    /// The nodes, counted from 0.
    pub targets: &'a [usize],
}

impl End<'_> {
    /// The explained values of a tape's rows, (rows, targets).
    pub fn chosen<B: Kernels>(&self, tape: &crate::graph::Tape<B>) -> Tensor<B> {
        tape.value(self.value).clone().select(1, self.targets)
    }
}

/// See [`Method::start`].
pub struct Start<B: Kernels> {
    /// The value of the network where the walk starts.
    pub at: Value,
    /// The signal at the targets, (rows, targets).
    pub signal: Tensor<B>,
    /// What the attributions of a sample are meant to add up to, (samples, targets).
    pub goal: Option<Tensor<B>>,
}

/// The outcome for one output of the network.
pub struct Explanation<B: Kernels> {
    /// For every input (samples × targets, extents), `None` where no path leads there.
    pub attributions: Vec<Option<Tensor<B>>>,
    /// What the attributions are meant to add up to, (samples, targets).
    pub goals: Option<Tensor<B>>,
    /// What the layers kept for themselves, if asked for and the method conserves a sum.
    pub ledger: Vec<Entry<B>>,
}

/// What one layer of the model kept of the sum that a method conserves, (samples × targets, 1) each.
pub struct Entry<B: Kernels> {
    /// The layer, counted from 1.
    pub layer: usize,
    /// Given to the bias and to constants.
    pub bias: Option<Tensor<B>>,
    /// Given to the stabilizer of a denominator.
    pub stabilizer: Option<Tensor<B>>,
    /// All that is missing or too much.
    pub missing: Tensor<B>,
}

/// Explains the output nodes `targets[o]`, counted from 0, of every output `o`; `None` where there
/// are none.
///
/// With `ignore_last_activation` it is the value before the trailing activation function that is
/// explained. With `ledger` it is noted what becomes of the sum that the method conserves.
///
/// # Errors
/// [`Kind::Argument`] if the targets do not fit the network, and those of the method.
pub fn explain<B: Kernels, M: Method<B>>(
    network: &Network<B>,
    method: &M,
    targets: &[Vec<usize>],
    ignore_last_activation: bool,
    ledger: bool,
) -> Result<Vec<Option<Explanation<B>>>> {
    let explain_end = |end: End| {
        let start = method.start(&end);
        let nodes = network.shape(start.at)[0];
        let signal = at_targets(start.signal, end.targets, nodes);
        let mut entries = Vec::new();
        let signals = network.backward(start.at, signal.into(), |node, signal| {
            let before = ledger.then(|| method.total(node.value, &signal)).flatten();
            let signals = method.step(node, signal)?;
            if let Some(before) = before {
                let [bias, stabilizer] = method.absorbed();
                let operands = node.inputs.iter().zip(&signals);
                let after = operands.filter_map(|(&value, signal)| method.total(value, signal));
                let shared = after.chain(bias.clone()).chain(stabilizer.clone());
                let missing = shared.fold(before, |rest, part| rest - part);
                entries.push(Entry { layer: node.index, bias, stabilizer, missing });
            }
            Ok(signals)
        })?;
        let finish = |(input, signal): (usize, Option<M::Signal>)| {
            signal.map(|signal| method.finish(input, signal))
        };
        Ok(Explanation {
            attributions: signals.into_iter().enumerate().map(finish).collect(),
            goals: start.goal,
            ledger: entries,
        })
    };
    let ends = ends(network, targets, ignore_last_activation)?;
    ends.into_iter().map(|end| end.map(explain_end).transpose()).collect()
}

/// The explained nodes of every output, `None` where there are none.
///
/// # Errors
/// [`Kind::Argument`] if the targets do not fit the network.
pub fn ends<'a, B: Kernels>(
    network: &'a Network<B>,
    targets: &'a [Vec<usize>],
    ignore_last_activation: bool,
) -> Result<Vec<Option<End<'a>>>> {
    if targets.len() > network.outputs.len() {
        return Err(Kind::Argument.error("There are more lists of targets than outputs"));
    }
    let end = |(output, targets): (&'a Output, &'a Vec<usize>)| {
        if let Some(target) = targets.iter().find(|t| **t >= output.nodes) {
            return Err(Kind::Argument.error(format!(
                "Output node {} does not exist, there are {}",
                target + 1,
                output.nodes
            )));
        }
        let value = if ignore_last_activation { output.before_activation } else { output.value };
        if network.shape(value) != [output.nodes] {
            return Err(Kind::Shape.error("The output before the last activation is not a vector"));
        }
        Ok((!targets.is_empty()).then_some(End { output, value, targets }))
    };
    network.outputs.iter().zip(targets).map(end).collect()
}

/// One row a (row, target) pair, with the pair's value at the target and zeros elsewhere.
fn at_targets<B: Kernels>(values: Tensor<B>, targets: &[usize], nodes: usize) -> Tensor<B> {
    let (rows, count) = (values.rows(), targets.len());
    let mut hot = vec![0.0; count * nodes];
    for (row, target) in targets.iter().enumerate() {
        hot[row * nodes + target] = 1.0;
    }
    let hot = Tensor::from_vec::<f64>(hot, &[1, count, nodes], &values.device());
    (values.reshape(&[rows, count, 1]) * hot).reshape(&[rows * count, nodes])
}
