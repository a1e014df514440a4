//! Softmax and its logarithm.
//!
//! Both have exact multipliers. With the logarithmic mean L(a, b) = (a - b) / (log a - log b) the
//! difference of S = Σ exp(x_j) is Σ L(exp(x_j), exp(x⁰_j)) Δx_j, hence Δ log S = Σ w_j Δx_j with
//! w_j = L(exp(x_j), exp(x⁰_j)) / L(S, S⁰), and Δy_k = L(y_k, y⁰_k) (Δx_k - Δ log S) for the softmax.

use super::{Nonlinear, Pair};
use crate::kernels::Kernels;
use crate::tensor::Tensor;

/// exp(x) over its sum along an axis.
pub(super) struct Softmax {
    /// The axis, the rows being axis 0.
    pub axis: usize,
}

/// x minus the logarithm of the sum of exp(x) along an axis.
pub(super) struct LogSoftmax {
    /// The axis, the rows being axis 0.
    pub axis: usize,
}

fn log_softmax<B: Kernels>(x: &Tensor<B>, axis: usize) -> Tensor<B> {
    let shifted = x.clone() - x.clone().max_axis(axis);
    shifted.clone() - shifted.exp().sum_axis(axis).log()
}

/// L(exp(a), exp(b)), the logarithmic mean of two numbers given by their logarithms.
fn logarithmic_mean<B: Kernels>(log: &Pair<B>) -> Tensor<B> {
    let d = log.delta();
    let exp = log.map(Tensor::exp);
    // (exp(a) - exp(b)) / d cancels where d is small; there √(exp(a) exp(b)) sinh(d / 2) / (d / 2)
    // is a short series.
    let far = d.clone().abs().above(0.1);
    let square = d.clone() * d.clone();
    let series = square.clone().scale(1.0 / 322_560.0).add_scalar(1.0 / 1920.0);
    let series = (square.clone() * series).add_scalar(1.0 / 24.0);
    let series = (square * series).add_scalar(1.0);
    let near = log.middle().exp() * series;
    near.where_one(far, exp.delta() / d.fill_zeros(1.0))
}

/// The weights w_j of Δ log S.
fn weights<B: Kernels>(x: &Pair<B>, axis: usize) -> Tensor<B> {
    // One shift for both keeps the differences. Beyond the larger maximum nothing overflows, and what
    // becomes zero is next to nothing besides it.
    let max = x.map(|x| x.max_axis(axis));
    let shift = max.middle() + max.delta().abs().scale(0.5);
    let x = x.map(|x| x - shift.clone());
    let log_sum = x.map(|x| {
        let max = x.clone().max_axis(axis);
        (x - max.clone()).exp().sum_axis(axis).log() + max
    });
    logarithmic_mean(&x) / logarithmic_mean(&log_sum)
}

/// s - w Σ s: the multipliers of x - log S.
fn through_log_sum<B: Kernels>(s: Tensor<B>, weights: Tensor<B>, axis: usize) -> Tensor<B> {
    let total = s.clone().sum_axis(axis);
    let weights = weights.clone().repeat_rows(s.rows() / weights.rows());
    s - weights * total
}

impl<B: Kernels> Nonlinear<B> for Softmax {
    fn apply(&self, x: &[Tensor<B>]) -> Tensor<B> {
        let exp = (x[0].clone() - x[0].clone().max_axis(self.axis)).exp();
        exp.clone() / exp.sum_axis(self.axis)
    }

    fn secant(&self, s: Tensor<B>, x: &[Pair<B>], _: &Pair<B>) -> Vec<Tensor<B>> {
        let log_y = x[0].map(|x| log_softmax(&x, self.axis));
        let s = s.mul_samples(&logarithmic_mean(&log_y));
        vec![through_log_sum(s, weights(&x[0], self.axis), self.axis)]
    }

    fn pullback(&self, s: Tensor<B>, _: &[Tensor<B>], y: &Tensor<B>) -> Vec<Tensor<B>> {
        vec![through_log_sum(s.mul_samples(y), y.clone(), self.axis)]
    }
}

impl<B: Kernels> Nonlinear<B> for LogSoftmax {
    fn apply(&self, x: &[Tensor<B>]) -> Tensor<B> {
        log_softmax(&x[0], self.axis)
    }

    fn secant(&self, s: Tensor<B>, x: &[Pair<B>], _: &Pair<B>) -> Vec<Tensor<B>> {
        vec![through_log_sum(s, weights(&x[0], self.axis), self.axis)]
    }

    fn pullback(&self, s: Tensor<B>, _: &[Tensor<B>], y: &Tensor<B>) -> Vec<Tensor<B>> {
        vec![through_log_sum(s, y.clone().exp(), self.axis)]
    }
}
