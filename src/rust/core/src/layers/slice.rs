//! A part of an axis.

use serde::Deserialize;

use super::concatenate::axis;
use super::{show, single, Built, Context, Settings, Shape, Structural};
use crate::error::{Kind, Result};
use crate::kernels::Kernels;
use crate::tensor::Tensor;

/// The cells from `start` to `end` along one axis.
#[derive(Debug, Clone, Deserialize)]
pub struct Slice {
    /// Counted from 1 with the batch axis as 1, or -1 for the last.
    axis: i64,
    /// The first cell, counted from 1, or from the end if negative.
    start: i64,
    /// The last cell, counted alike.
    end: i64,
}

impl Settings for Slice {
    fn build<B: Kernels>(&self, _: &Context<B>, inputs: &[Shape]) -> Result<Vec<Built<B>>> {
        let input = single(inputs)?;
        let axis = axis(self.axis, input.len(), "axis")?;
        let cells = input[axis];
        let from_zero = |place: i64| {
            let place = if place < 0 { cells as i64 + place } else { place - 1 };
            usize::try_from(place).ok().filter(|&place| place < cells)
        };
        let (Some(first), Some(last)) = (from_zero(self.start), from_zero(self.end)) else {
            return Err(Kind::Shape.error(format!(
                "`start` = {} and `end` = {} must lie among the {cells} cells of axis {} of {}",
                self.start,
                self.end,
                axis + 2,
                show(input)
            )));
        };
        if first > last {
            return Err(Kind::Shape.error(format!(
                "`start` = {} must not come after `end` = {} ({cells} cells)",
                self.start, self.end
            )));
        }
        let mut shape = input.clone();
        shape[axis] = last + 1 - first;
        Ok(vec![Built::structural(Cut { axis: axis + 1, first, after: cells - last - 1 }, shape)])
    }
}

struct Cut {
    /// Rows being axis 0.
    axis: usize,
    /// The cells before the part.
    first: usize,
    /// The cells behind it.
    after: usize,
}

impl<B: Kernels> Structural<B> for Cut {
    fn apply(&self, x: &[Tensor<B>]) -> Tensor<B> {
        let end = x[0].shape()[self.axis] - self.after;
        x[0].clone().narrow(self.axis, self.first..end)
    }

    fn pullback(&self, s: Tensor<B>) -> Vec<Tensor<B>> {
        let axes = s.shape().len();
        let along = |cells: usize| {
            let mut all = vec![0; axes];
            all[self.axis] = cells;
            all
        };
        vec![s.pad(&along(self.first), &along(self.after), 0.0)]
    }
}
