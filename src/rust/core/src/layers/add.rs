//! The sum of several operands.

use serde::Deserialize;

use super::{show, Affine, Built, Context, Part, Settings, Shape};
use crate::error::{Kind, Result};
use crate::kernels::Kernels;
use crate::tensor::Tensor;

/// y = x₁ + x₂ + ..., operands of equal extents.
#[derive(Debug, Clone, Deserialize)]
pub struct Add {}

impl Settings for Add {
    fn build<B: Kernels>(&self, _: &Context<B>, inputs: &[Shape]) -> Result<Vec<Built<B>>> {
        if inputs.len() < 2 {
            return Err(Kind::Graph.error("adds at least two inputs, but one arrives"));
        }
        if inputs.iter().any(|shape| *shape != inputs[0]) {
            let all: Vec<_> = inputs.iter().map(|s| show(s)).collect();
            return Err(Kind::Shape
                .error(format!("adds inputs of equal shape, but {} arrive", all.join(" and "))));
        }
        Ok(vec![Built::affine(Sum { operands: inputs.len() }, inputs[0].clone())])
    }
}

struct Sum {
    operands: usize,
}

impl<B: Kernels> Affine<B> for Sum {
    fn apply(&self, x: &[Tensor<B>], part: Part) -> Tensor<B> {
        match part {
            Part::Negative => x[0].clone().scale(0.0),
            _ => x.iter().cloned().reduce(|a, b| a + b).expect("at least two operands"),
        }
    }

    fn pullback(&self, s: Tensor<B>, part: Part) -> Vec<Tensor<B>> {
        let s = if part == Part::Negative { s.scale(0.0) } else { s };
        vec![s; self.operands]
    }

    fn is_cellwise(&self) -> bool {
        true
    }
}
