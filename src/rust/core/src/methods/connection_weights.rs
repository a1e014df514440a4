//! Connection weights (Olden et al., 2004): the products of the weights along all paths.

use super::{End, Method, Start};
use crate::error::Result;
use crate::graph::{Node, Value};
use crate::kernels::Kernels;
use crate::layers::{Layer, Part};
use crate::tensor::Tensor;

/// The gradient of the network without its activation functions; a maximum counts as a mean, since
/// there are no data that could choose a winner. Times x if it is given.
pub struct ConnectionWeights<B: Kernels> {
    /// The device of the network.
    pub device: B::Device,
    /// The data, one tensor an input.
    pub x: Option<Vec<Tensor<B>>>,
}

impl<B: Kernels> Method<B> for ConnectionWeights<B> {
    type Signal = Tensor<B>;

    fn start(&self, end: &End) -> Start<B> {
        let signal = Tensor::full(&[1, end.targets.len()], 1.0, &self.device);
        Start { at: end.output.before_activation, signal, goal: None }
    }

    fn step(&self, node: &Node<B>, s: Tensor<B>) -> Result<Vec<Tensor<B>>> {
        Ok(match &node.layer {
            Layer::Affine(layer) => layer.pullback(s, Part::All),
            Layer::Nonlinear(layer) => layer.pass(s),
            Layer::Selection(layer) => layer.average().pullback(s, Part::All),
            Layer::Structural(layer) => layer.pullback(s),
        })
    }

    fn finish(&self, input: Value, s: Tensor<B>) -> Tensor<B> {
        match &self.x {
            None => s,
            Some(x) => s.tile_rows(x[input].rows()).mul_samples(&x[input]),
        }
    }
}
