//! Operands whose axes of extent 1 are stretched to those of the others.

use super::Shape;
use crate::kernels::Kernels;
use crate::tensor::Tensor;

/// The extents that all operands are stretched to; `None` where they do not fit.
pub(super) fn stretched(inputs: &[Shape]) -> Option<Shape> {
    let rank = inputs.first()?.len();
    if inputs.iter().any(|shape| shape.len() != rank) {
        return None;
    }
    let extent = |axis: usize| inputs.iter().map(|shape| shape[axis]).max().unwrap_or(1);
    let output: Shape = (0..rank).map(extent).collect();
    let fits = |shape: &Shape| shape.iter().zip(&output).all(|(&n, &m)| n == m || n == 1);
    inputs.iter().all(fits).then_some(output)
}

/// Sums over the axes in which the operand was stretched.
pub(super) fn unstretch<B: Kernels>(s: Tensor<B>, operand: &[usize]) -> Tensor<B> {
    operand.iter().enumerate().fold(s, |s, (axis, &n)| match s.shape()[axis + 1] {
        extent if extent > n => s.sum_axis(axis + 1),
        _ => s,
    })
}
