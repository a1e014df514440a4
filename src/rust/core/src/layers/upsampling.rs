//! Signals and images made larger.

use serde::Deserialize;

use super::windows::{check_axes, plane};
use super::{Built, Context, Settings, Shape, Structural};
use crate::error::{Kind, Result};
use crate::kernels::Kernels;
use crate::tensor::Tensor;

/// Every cell repeated along `D` spatial axes, which is its nearest neighbour.
#[derive(Debug, Clone, Deserialize)]
pub struct Upsampling<const D: usize> {
    /// How many times, one value an axis.
    size: Vec<usize>,
}

impl<const D: usize> Settings for Upsampling<D> {
    fn build<B: Kernels>(&self, _: &Context<B>, inputs: &[Shape]) -> Result<Vec<Built<B>>> {
        plane::<D>(inputs)?;
        check_axes("size", &self.size, D)?;
        if self.size.contains(&0) {
            return Err(Kind::Model.error("`size` must be at least 1"));
        }
        let mut shape = inputs[0].clone();
        for (n, &size) in shape[1..].iter_mut().zip(&self.size) {
            *n = n.saturating_mul(size);
        }
        let times = self.size.iter().enumerate().map(|(i, &size)| (i + 2, size)).collect();
        Ok(vec![Built::structural(Repeat { times }, shape)])
    }
}

struct Repeat {
    /// Axes, rows being axis 0, and how often their cells are repeated.
    times: Vec<(usize, usize)>,
}

impl<B: Kernels> Structural<B> for Repeat {
    fn apply(&self, x: &[Tensor<B>]) -> Tensor<B> {
        self.times.iter().fold(x[0].clone(), |x, &(axis, times)| {
            let mut shape = x.shape();
            let (lines, line) =
                (shape[..=axis].iter().product(), shape[axis + 1..].iter().product());
            shape[axis] *= times;
            x.reshape(&[lines, line]).repeat_rows(times).reshape(&shape)
        })
    }

    fn pullback(&self, s: Tensor<B>) -> Vec<Tensor<B>> {
        vec![self.times.iter().fold(s, |s, &(axis, times)| {
            let mut shape = s.shape();
            shape[axis] /= times;
            let (lines, line) =
                (shape[..=axis].iter().product(), shape[axis + 1..].iter().product());
            s.reshape(&[lines, times, line]).sum_axis(1).reshape(&shape)
        })]
    }
}
