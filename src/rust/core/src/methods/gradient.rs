//! The gradient of the output nodes in the inputs (Simonyan et al., 2014), or its product with them.

use super::{End, Method, Start};
use crate::error::Result;
use crate::graph::{Node, Tape, Value};
use crate::kernels::Kernels;
use crate::tensor::Tensor;

/// ∂f_k/∂x, times x if asked.
pub struct Gradient<'a, B: Kernels> {
    /// The values at x.
    pub tape: &'a Tape<B>,
    /// Whether the gradient is multiplied by the input.
    pub times_input: bool,
}

impl<B: Kernels> Method<B> for Gradient<'_, B> {
    type Signal = Tensor<B>;

    fn start(&self, end: &End) -> Start<B> {
        let chosen = end.chosen(self.tape);
        let signal = Tensor::full(&chosen.shape(), 1.0, &chosen.device());
        Start { at: end.value, signal, goal: Some(chosen) }
    }

    fn step(&self, node: &Node<B>, s: Tensor<B>) -> Result<Vec<Tensor<B>>> {
        Ok(node.layer.pullback(s, &self.tape.operands(node), self.tape.value(node.value)))
    }

    fn finish(&self, input: Value, s: Tensor<B>) -> Tensor<B> {
        if self.times_input {
            s.mul_samples(self.tape.value(input))
        } else {
            s
        }
    }
}
