//! Integrated gradients (Sundararajan et al., 2017).

use std::ops::Range;

use super::points::between;
use super::{add, average, ends, join, kinks, Attributions, Batch, Factors, Points, MAX_KINKS};
use crate::error::Result;
use crate::graph::Network;
use crate::kernels::Kernels;
use crate::tensor::Tensor;

/// The integral of the gradient along the straight path from a reference to x, by a quadrature.
pub struct IntegratedGradient<B: Kernels> {
    /// One row an input.
    pub reference: Vec<Tensor<B>>,
    /// The places of the points on the path: 0 at the reference, 1 at x.
    pub alphas: Vec<f64>,
    /// Their weights.
    pub weights: Vec<f64>,
    /// Whether the integral is multiplied by the difference from the reference.
    pub times_input: bool,
}

impl<B: Kernels> Points<B> for IntegratedGradient<B> {
    fn batch(&self, x: &[Tensor<B>], _: usize, copies: Range<usize>) -> Batch<B> {
        let alphas = &self.alphas[copies.clone()];
        let pairs = || x.iter().zip(&self.reference);
        let inputs = pairs().map(|(x, r)| between(x, r, alphas, copies.len()).0).collect();
        let factors = match self.times_input {
            true => Factors::OfSamples(pairs().map(|(x, r)| x.clone() - r.clone()).collect()),
            false => Factors::One,
        };
        Batch { inputs, factors, weights: self.weights[copies].to_vec() }
    }
}

/// The integral of a piecewise linear network without any error but rounding: one gradient for every
/// piece of the path, at most `limit` of them at a time. `x` and its reference are tensors an input,
/// `targets` come with whether the last activation is ignored.
///
/// # Errors
/// Those of [`kinks`] and [`average`].
pub fn integrate_exactly<B: Kernels>(
    network: &Network<B>,
    (x, reference): (&[Tensor<B>], Vec<Tensor<B>>),
    (targets, ignore_last_activation): (&[Vec<usize>], bool),
    times_input: bool,
    limit: usize,
) -> Result<Attributions<B>> {
    let values: Vec<_> = ends(network, targets, ignore_last_activation)?
        .into_iter()
        .flatten()
        .map(|end| end.value)
        .collect();
    let mut method = IntegratedGradient { reference, alphas: vec![], weights: vec![], times_input };
    let mut samples = Vec::new();
    for row in 0..x[0].rows() {
        let x: Vec<_> = x.iter().map(|x| x.clone().narrow(0, row..row + 1)).collect();
        (method.alphas, method.weights) =
            kinks(network, &x, &method.reference, &values, limit.min(MAX_KINKS))?;
        let pieces = method.alphas.len();
        let mut sum: Option<Attributions<B>> = None;
        for start in (0..pieces).step_by(limit) {
            let batch = method.batch(&x, row, start..pieces.min(start + limit));
            let part = average(network, batch, targets, ignore_last_activation)?;
            sum = Some(match sum {
                Some(sum) => join(vec![sum, part], add),
                None => part,
            });
        }
        samples.extend(sum);
    }
    Ok(join(samples, |rows| Tensor::concatenate(rows, 0)))
}
