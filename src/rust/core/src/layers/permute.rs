//! Axes in another order.

use serde::Deserialize;

use super::concatenate::axis;
use super::{single, Built, Context, Settings, Shape, Structural};
use crate::error::{Kind, Result};
use crate::kernels::Kernels;
use crate::tensor::Tensor;

/// Axis `i` of the result is the `i`-th of `axes`.
#[derive(Debug, Clone, Deserialize)]
pub struct Permute {
    /// Counted from 1 with the batch axis as 1, which stays.
    axes: Vec<i64>,
}

impl Settings for Permute {
    fn build<B: Kernels>(&self, _: &Context<B>, inputs: &[Shape]) -> Result<Vec<Built<B>>> {
        let input = single(inputs)?;
        let axes = self.axes.iter().map(|&a| Ok(axis(a, input.len(), "axes")? + 1));
        let axes = [0].into_iter().map(Ok).chain(axes).collect::<Result<Vec<usize>>>()?;
        let mut back = vec![0; input.len() + 1];
        axes.iter().enumerate().for_each(|(i, &axis)| back[axis] = i);
        if axes.len() != back.len() || (0..axes.len()).any(|i| axes[back[i]] != i) {
            return Err(Kind::Model.error(format!(
                "`axes` must name each of the axes 2 to {} once, but is ({})",
                input.len() + 1,
                self.axes.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
            )));
        }
        let output = axes[1..].iter().map(|&axis| input[axis - 1]).collect();
        Ok(vec![Built::structural(Layer { axes, back }, output)])
    }
}

struct Layer {
    /// The order of the axes, rows first.
    axes: Vec<usize>,
    /// The way back.
    back: Vec<usize>,
}

impl<B: Kernels> Structural<B> for Layer {
    fn apply(&self, x: &[Tensor<B>]) -> Tensor<B> {
        x[0].clone().permute(&self.axes)
    }

    fn pullback(&self, s: Tensor<B>) -> Vec<Tensor<B>> {
        vec![s.permute(&self.back)]
    }
}
