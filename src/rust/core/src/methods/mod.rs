//! The methods. Each is a start at the chosen output nodes, a step through every layer and a last
//! touch at the inputs; [`explain`] does the rest for all of them.

mod gradient;
mod lrp;

pub use gradient::Gradient;
pub use lrp::{Choice, Lrp};

use crate::error::{Kind, Result};
use crate::graph::{Network, Node, Output, Tape};
use crate::kernels::Kernels;
use crate::layers::Activation;
use crate::tensor::Tensor;

/// A method that walks backwards through the network once.
pub trait Method<B: Kernels> {
    /// The signal at the chosen output nodes, and what the attributions of a row are meant to add up
    /// to; both (samples, targets). `chosen` holds the values of these nodes.
    ///
    /// `last` is the activation function behind which the values stand, `None` if it is ignored.
    fn start(&self, chosen: &Tensor<B>, last: Option<&Activation>) -> Start<B>;

    /// The signal at every operand of a node, from that at its output.
    ///
    /// # Errors
    /// If the method cannot pass this layer.
    fn step(&self, tape: &Tape<B>, node: &Node<B>, signal: Tensor<B>) -> Result<Vec<Tensor<B>>>;

    /// The attribution of an input, from its values and the signal that arrived.
    fn finish(&self, x: &Tensor<B>, signal: Tensor<B>) -> Tensor<B>;
}

/// See [`Method::start`].
pub struct Start<B: Kernels> {
    /// The signal.
    pub signal: Tensor<B>,
    /// The goal.
    pub goal: Tensor<B>,
}

/// The outcome for one output of the network.
pub struct Explanation<B: Kernels> {
    /// For every input (samples × targets, extents), `None` where no path leads there.
    pub attributions: Vec<Option<Tensor<B>>>,
    /// The model's output at the targets, (samples, targets).
    pub predictions: Tensor<B>,
    /// What the attributions are meant to add up to, (samples, targets).
    pub goals: Tensor<B>,
}

/// Explains the output nodes `targets[o]`, counted from 0, of every output `o`; `None` where there
/// are none.
///
/// With `ignore_last_activation` it is the value before the trailing activation function that is
/// explained.
///
/// # Errors
/// [`Kind::Argument`] if data or targets do not fit the network, and those of the method.
pub fn explain<B: Kernels>(
    network: &Network<B>,
    method: &dyn Method<B>,
    inputs: Vec<Tensor<B>>,
    targets: &[Vec<usize>],
    ignore_last_activation: bool,
) -> Result<Vec<Option<Explanation<B>>>> {
    if targets.len() > network.outputs.len() {
        return Err(Kind::Argument.error("There are more lists of targets than outputs"));
    }
    let tape = network.forward(inputs)?;
    let explain_output = |(output, targets): (&Output, &Vec<usize>)| {
        if targets.is_empty() {
            return Ok(None);
        }
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
        let last = output.activation.as_ref().filter(|_| !ignore_last_activation);
        let start = method.start(&tape.value(value).clone().select(1, targets), last);
        let signal = at_targets(start.signal, targets, output.nodes);
        let signals = network.backward(value, signal, |node, s| method.step(&tape, node, s))?;
        let finish = |(i, signal): (usize, Option<Tensor<B>>)| {
            signal.map(|signal| method.finish(tape.value(i), signal))
        };
        Ok(Some(Explanation {
            attributions: signals.into_iter().enumerate().map(finish).collect(),
            predictions: tape.value(output.value).clone().select(1, targets),
            goals: start.goal,
        }))
    };
    network.outputs.iter().zip(targets).map(explain_output).collect()
}

/// One row a (sample, target) pair, with the pair's value at the target and zeros elsewhere.
fn at_targets<B: Kernels>(values: Tensor<B>, targets: &[usize], nodes: usize) -> Tensor<B> {
    let (samples, count) = (values.rows(), targets.len());
    let mut hot = vec![0.0; count * nodes];
    for (row, target) in targets.iter().enumerate() {
        hot[row * nodes + target] = 1.0;
    }
    let hot = Tensor::from_vec::<f64>(hot, &[1, count, nodes], &values.device());
    (values.reshape(&[samples, count, 1]) * hot).reshape(&[samples * count, nodes])
}
