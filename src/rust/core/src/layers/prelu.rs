//! The rectifier whose slope below zero was learnt (He et al., 2015).

use serde::Deserialize;

use super::elementwise::{switch, Cellwise, Elementwise};
use super::{single, Built, Context, Settings, Shape};
use crate::error::Result;
use crate::kernels::Kernels;
use crate::tensor::Tensor;

/// x above zero, weight · x below.
#[derive(Debug, Clone, Deserialize)]
pub struct PRelu {
    /// The array of slopes, see [`Context::spread`].
    weight: usize,
}

impl Settings for PRelu {
    fn build<B: Kernels>(&self, context: &Context<B>, inputs: &[Shape]) -> Result<Vec<Built<B>>> {
        let input = single(inputs)?;
        let slope = context.spread("weight", self.weight, input)?;
        Ok(vec![Built::nonlinear(Cellwise(Slope(slope)), input.clone())])
    }
}

/// The slopes below zero, with axes of extent 1 where they do not vary.
struct Slope<B: Kernels>(Tensor<B>);

impl<B: Kernels> Elementwise<B> for Slope<B> {
    fn value(&self, x: Tensor<B>) -> Tensor<B> {
        x.clone().positive() + x.negative() * self.0.clone()
    }

    fn derivative(&self, x: Tensor<B>, _: Tensor<B>) -> Tensor<B> {
        let ones = Tensor::full(&x.shape(), 1.0, &x.device());
        switch(x, 0.0, ones.clone() * self.0.clone(), ones)
    }

    fn kinks(&self) -> Option<Vec<f64>> {
        Some(vec![0.0])
    }
}
