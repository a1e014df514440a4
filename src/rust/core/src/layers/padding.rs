//! Cells added around signals and images.

use serde::Deserialize;

use super::{show, single, Built, Context, Settings, Shape, Structural};
use crate::error::{Kind, Result};
use crate::kernels::Kernels;
use crate::model::PaddingMode;
use crate::tensor::Tensor;

/// Cells before and after the spatial axes.
#[derive(Debug, Clone, Deserialize)]
pub struct Padding {
    /// (left, right) or (left, right, top, bottom).
    padding: Vec<usize>,
    mode: PaddingMode,
    /// The value of added cells in mode constant.
    value: f64,
}

impl Padding {
    /// Padding whose mode is not constant.
    pub(super) fn new(padding: Vec<usize>, mode: PaddingMode) -> Self {
        Self { padding, mode, value: 0.0 }
    }
}

impl Settings for Padding {
    fn build<B: Kernels>(&self, _: &Context<B>, inputs: &[Shape]) -> Result<Vec<Built<B>>> {
        let input = single(inputs)?;
        // Padding is given from the last axis to the first, as torch does.
        let axes = self.padding.len() / 2;
        if !self.padding.len().is_multiple_of(2) || axes == 0 || axes + 1 != input.len() {
            return Err(Kind::Shape.error(format!(
                "`padding` has {} values, which does not fit an input {}: (left, right) for \
                 (channels, length), (left, right, top, bottom) for (channels, height, width)",
                self.padding.len(),
                show(input)
            )));
        }
        if self.mode == PaddingMode::Constant && !self.value.is_finite() {
            return Err(Kind::Model.error("`value` must be finite"));
        }
        let mut sides = vec![[0, 0]; 2];
        sides.extend(self.padding.chunks(2).rev().map(|side| [side[0], side[1]]));
        let mut shape = input.clone();
        for (i, &[before, after]) in sides[1..].iter().enumerate() {
            let limit = match self.mode {
                PaddingMode::Reflect => input[i] - 1,
                PaddingMode::Circular => input[i],
                _ => i32::MAX as usize,
            };
            if before.max(after) > limit {
                return Err(Kind::Model.error(format!(
                    "`padding` = {} is more than {limit}, which is all that mode {:?} allows on {} cells",
                    before.max(after),
                    self.mode,
                    input[i]
                )));
            }
            shape[i] += before + after;
        }
        let layer = Layer { mode: self.mode, value: self.value, sides, output: shape.clone() };
        Ok(vec![Built::structural(layer, shape)])
    }
}

struct Layer {
    mode: PaddingMode,
    value: f64,
    /// (before, after) of every axis, rows included.
    sides: Vec<[usize; 2]>,
    output: Shape,
}

impl Layer {
    /// For every axis with padding: the axis, its cells, and the cell that each padded one copies.
    fn copies(&self) -> impl Iterator<Item = (usize, usize, Vec<usize>)> + '_ {
        let padded = self.sides.iter().enumerate().filter(|(_, side)| **side != [0, 0]);
        padded.map(|(axis, &[before, after])| {
            let cells = self.output[axis - 1] - before - after;
            let (n, last) = (cells as i64, cells as i64 - 1);
            let source = |i: i64| match self.mode {
                PaddingMode::Reflect => last - (last - i.abs()).abs(),
                PaddingMode::Circular => i.rem_euclid(n),
                _ => i.clamp(0, last),
            };
            let range = -(before as i64)..n + after as i64;
            (axis, cells, range.map(|i| source(i) as usize).collect())
        })
    }
}

impl Layer {
    fn pad<B: Kernels>(&self, x: &Tensor<B>, value: f64) -> Tensor<B> {
        if self.mode == PaddingMode::Constant {
            let before: Vec<usize> = self.sides.iter().map(|side| side[0]).collect();
            let after: Vec<usize> = self.sides.iter().map(|side| side[1]).collect();
            return x.clone().pad(&before, &after, value);
        }
        self.copies().fold(x.clone(), |x, (axis, _, cells)| x.select(axis, &cells))
    }
}

impl<B: Kernels> Structural<B> for Layer {
    fn apply(&self, x: &[Tensor<B>]) -> Tensor<B> {
        self.pad(&x[0], self.value)
    }

    fn carry(&self, delta: &[Tensor<B>]) -> Tensor<B> {
        self.pad(&delta[0], 0.0)
    }

    fn pullback(&self, s: Tensor<B>) -> Vec<Tensor<B>> {
        if self.mode == PaddingMode::Constant {
            let shape = s.shape();
            let inner = self.sides.iter().zip(shape).map(|(&[b, a], n)| b..n - a);
            return vec![s.slice(&inner.collect::<Vec<_>>())];
        }
        vec![self.copies().fold(s, |s, (axis, n, cells)| s.select_adjoint(axis, &cells, n))]
    }
}
