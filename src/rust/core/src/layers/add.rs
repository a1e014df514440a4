//! The sum of several operands.

use serde::Deserialize;

use super::stretch::{stretched, unstretch};
use super::{show_all, Affine, Built, Context, Part, Settings, Shape};
use crate::error::{Kind, Result};
use crate::kernels::Kernels;
use crate::tensor::Tensor;

/// y = x₁ + x₂ + ..., cell by cell; axes of extent 1 are stretched to those of the other operands.
#[derive(Debug, Clone, Deserialize)]
pub struct Add {}

impl Settings for Add {
    fn build<B: Kernels>(&self, _: &Context<B>, inputs: &[Shape]) -> Result<Vec<Built<B>>> {
        if inputs.len() < 2 {
            return Err(Kind::Graph.error("adds at least two inputs, but one arrives"));
        }
        let output = stretched(inputs).ok_or_else(|| {
            Kind::Shape.error(format!(
                "adds inputs of equal shape (or with extents of 1), but {} arrive",
                show_all(inputs)
            ))
        })?;
        Ok(vec![Built::affine(Sum { operands: inputs.to_vec() }, output)])
    }
}

struct Sum {
    operands: Vec<Shape>,
}

impl<B: Kernels> Affine<B> for Sum {
    fn apply(&self, x: &[Tensor<B>], part: Part) -> Tensor<B> {
        let sum = x.iter().cloned().reduce(|a, b| a + b).expect("at least two operands");
        match part {
            Part::Negative => sum.scale(0.0),
            _ => sum,
        }
    }

    fn pullback(&self, s: Tensor<B>, part: Part) -> Vec<Tensor<B>> {
        let s = if part == Part::Negative { s.scale(0.0) } else { s };
        self.operands.iter().map(|operand| unstretch(s.clone(), operand)).collect()
    }

    fn is_cellwise(&self) -> bool {
        true
    }
}
