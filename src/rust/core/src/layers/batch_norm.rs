//! Batch normalisation with running statistics.

use serde::Deserialize;

use super::scale::Scaling;
use super::{show, single, Built, Context, Settings, Shape, Weights};
use crate::error::{Kind, Result};
use crate::kernels::Kernels;
use crate::tensor::Tensor;

/// y = a x + b with a = gamma / sqrt(variance + eps) and b = beta - a mean, by channel.
#[derive(Debug, Clone, Deserialize)]
pub struct BatchNorm {
    gamma: usize,
    beta: usize,
    run_mean: usize,
    run_var: usize,
    eps: f64,
}

impl Settings for BatchNorm {
    fn build<B: Kernels>(&self, context: &Context<B>, inputs: &[Shape]) -> Result<Vec<Built<B>>> {
        let input = single(inputs)?.clone();
        let Some(&channels) = input.first() else {
            return Err(Kind::Shape.error("needs an input with channels"));
        };
        let column = |field: &str, index: usize| -> Result<Vec<f64>> {
            // The checks of the other layers; the values are wanted in full precision.
            context
                .weights(field, index, &[channels])
                .map_err(|e| e.kind.error(format!("{} ({} arrives)", e.message, show(&input))))?;
            Ok(context.array(field, index)?.to_vec())
        };
        let (gamma, beta) = (column("gamma", self.gamma)?, column("beta", self.beta)?);
        let (mean, var) = (column("run_mean", self.run_mean)?, column("run_var", self.run_var)?);
        if let Some(v) = var.iter().find(|v| **v + self.eps <= 0.0) {
            return Err(Kind::Weights.error(format!(
                "`run_var` + `eps` must be positive, but {v} + {} is not",
                self.eps
            )));
        }
        let scale: Vec<f64> =
            gamma.iter().zip(&var).map(|(g, v)| g / (v + self.eps).sqrt()).collect();
        let shift = beta.iter().zip(&mean).zip(&scale).map(|((b, m), a)| b - a * m).collect();
        let mut shape = vec![1; input.len() + 1];
        shape[1] = channels;
        let layer = Scaling {
            scale: Weights::new(Tensor::from_vec::<f64>(scale, &shape, context.device)),
            shift: Some(Tensor::from_vec::<f64>(shift, &shape, context.device)),
        };
        Ok(vec![Built::affine(layer, input)])
    }
}
