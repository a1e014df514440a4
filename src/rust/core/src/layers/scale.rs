//! A factor and a summand for every cell.

use serde::Deserialize;

use super::{single, Affine, Built, Context, Part, Settings, Shape, Weights};
use crate::error::Result;
use crate::kernels::Kernels;
use crate::tensor::Tensor;

/// y = scale · x + shift.
#[derive(Debug, Clone, Deserialize)]
pub struct Scale {
    /// The array of factors (see [`Context::spread`]), 0 for 1.
    scale: usize,
    /// The array of summands, 0 for none.
    shift: usize,
}

impl Settings for Scale {
    fn build<B: Kernels>(&self, context: &Context<B>, inputs: &[Shape]) -> Result<Vec<Built<B>>> {
        let input = single(inputs)?;
        let spread = |field, index: usize| {
            (index > 0).then(|| context.spread(field, index, input)).transpose()
        };
        let one = || Tensor::full(&vec![1; input.len() + 1], 1.0, context.device);
        let scale = Weights::new(spread("scale", self.scale)?.unwrap_or_else(one));
        let layer = Scaling { scale, shift: spread("shift", self.shift)? };
        Ok(vec![Built::affine(layer, input.clone())])
    }
}

/// Factors and summands, with axes of extent 1 where they do not vary.
pub(super) struct Scaling<B: Kernels> {
    pub scale: Weights<B>,
    pub shift: Option<Tensor<B>>,
}

impl<B: Kernels> Affine<B> for Scaling<B> {
    fn apply(&self, x: &[Tensor<B>], part: Part) -> Tensor<B> {
        x[0].clone() * self.scale.part(part)
    }

    fn pullback(&self, s: Tensor<B>, part: Part) -> Vec<Tensor<B>> {
        vec![s * self.scale.part(part)]
    }

    fn bias(&self) -> Option<Tensor<B>> {
        self.shift.clone()
    }

    fn is_cellwise(&self) -> bool {
        true
    }
}
