//! Layers that pass their input on: dropout at prediction time, input nodes.

use serde::Deserialize;

use super::{single, Built, Context, Settings, Shape, Structural};
use crate::error::Result;
use crate::kernels::Kernels;
use crate::tensor::Tensor;

/// y = x.
#[derive(Debug, Clone, Deserialize)]
pub struct Identity {}

impl Settings for Identity {
    fn build<B: Kernels>(&self, _: &Context<B>, inputs: &[Shape]) -> Result<Vec<Built<B>>> {
        Ok(vec![Built::structural(Identity {}, single(inputs)?.clone())])
    }
}

impl<B: Kernels> Structural<B> for Identity {
    fn apply(&self, x: &[Tensor<B>]) -> Tensor<B> {
        x[0].clone()
    }

    fn pullback(&self, s: Tensor<B>) -> Vec<Tensor<B>> {
        vec![s]
    }

    fn is_identity(&self) -> bool {
        true
    }
}
