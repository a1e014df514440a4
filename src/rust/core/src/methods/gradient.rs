//! The gradient of the output nodes in the inputs (Simonyan et al., 2014), or its product with them.

use super::{Method, Start};
use crate::error::Result;
use crate::graph::{Node, Tape};
use crate::kernels::Kernels;
use crate::layers::Activation;
use crate::tensor::Tensor;

/// ∂f_k/∂x, times x if asked.
#[derive(Debug, Clone, Copy)]
pub struct Gradient {
    /// Whether the gradient is multiplied by the input.
    pub times_input: bool,
}

impl<B: Kernels> Method<B> for Gradient {
    fn start(&self, chosen: &Tensor<B>, _: Option<&Activation>) -> Start<B> {
        let ones = Tensor::full(&chosen.shape(), 1.0, &chosen.device());
        Start { signal: ones, goal: chosen.clone() }
    }

    fn step(&self, tape: &Tape<B>, node: &Node<B>, s: Tensor<B>) -> Result<Vec<Tensor<B>>> {
        Ok(node.layer.pullback(s, &tape.operands(node), tape.value(node.value)))
    }

    fn finish(&self, x: &Tensor<B>, s: Tensor<B>) -> Tensor<B> {
        if self.times_input {
            s.mul_samples(x)
        } else {
            s
        }
    }
}
