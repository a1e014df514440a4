//! Operands joined along an axis.

use serde::Deserialize;

use super::{show_all, Built, Context, Settings, Shape, Structural};
use crate::error::{Kind, Result};
use crate::kernels::Kernels;
use crate::tensor::Tensor;

/// The operands, one after the other along `axis`.
#[derive(Debug, Clone, Deserialize)]
pub struct Concatenate {
    /// Counted from 1 with the batch axis as 1, or -1 for the last.
    axis: i64,
}

impl Settings for Concatenate {
    fn build<B: Kernels>(&self, _: &Context<B>, inputs: &[Shape]) -> Result<Vec<Built<B>>> {
        let rank = inputs.first().map_or(0, Vec::len);
        let axis = axis(self.axis, rank, "axis")?;
        let differs = |shape: &Shape| {
            shape.len() != rank || (0..rank).any(|i| i != axis && shape[i] != inputs[0][i])
        };
        if inputs.iter().any(differs) {
            return Err(Kind::Shape.error(format!(
                "joins inputs that agree on every axis but number {} (the batch counting as 1), but {} arrive",
                axis + 2,
                show_all(inputs)
            )));
        }
        let extents: Vec<usize> = inputs.iter().map(|shape| shape[axis]).collect();
        let mut shape = inputs[0].clone();
        shape[axis] = extents.iter().sum();
        Ok(vec![Built::structural(Join { axis: axis + 1, extents }, shape)])
    }
}

/// The axis of a row, counted from 0, from one counted from 1 with the batch axis as 1 (-1: the last).
pub(super) fn axis(axis: i64, rank: usize, field: &str) -> Result<usize> {
    let from_zero = if axis < 0 { rank as i64 + axis } else { axis - 2 };
    usize::try_from(from_zero).ok().filter(|a| *a < rank).ok_or_else(|| {
        Kind::Model.error(format!(
            "`{field}` = {axis} is no axis of an input with {rank} axes: 2 to {} or -1",
            rank + 1
        ))
    })
}

struct Join {
    axis: usize,
    extents: Vec<usize>,
}

impl<B: Kernels> Structural<B> for Join {
    fn apply(&self, x: &[Tensor<B>]) -> Tensor<B> {
        Tensor::concatenate(x, self.axis)
    }

    fn pullback(&self, s: Tensor<B>) -> Vec<Tensor<B>> {
        let mut start = 0;
        let part = |&extent: &usize| {
            start += extent;
            s.clone().narrow(self.axis, start - extent..start)
        };
        self.extents.iter().map(part).collect()
    }
}
