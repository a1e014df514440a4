//! SmoothGrad (Smilkov et al., 2017).

use std::ops::Range;

use rand_distr::{Distribution, StandardNormal};

use super::points::generator;
use super::{Batch, Factors, Points};
use crate::kernels::Kernels;
use crate::tensor::Tensor;

/// The mean of gradients at x + σ ε, ε being standard normal.
pub struct SmoothGrad {
    /// The number of copies.
    pub n: usize,
    /// σ for every input.
    pub sigmas: Vec<f64>,
    /// Decides the noise.
    pub seed: u64,
    /// Whether a gradient is multiplied by the point at which it is taken.
    pub times_input: bool,
}

impl<B: Kernels> Points<B> for SmoothGrad {
    fn batch(&self, x: &[Tensor<B>], first: usize, copies: Range<usize>) -> Batch<B> {
        let rows = x[0].rows();
        // All inputs of a copy share one stream of random numbers.
        let mut streams: Vec<_> = (first..first + rows)
            .flat_map(|sample| copies.clone().map(move |copy| generator(self.seed, sample, copy)))
            .collect();
        let mut noisy = |(x, sigma): (&Tensor<B>, &f64)| {
            let mut shape = x.shape();
            let cells: usize = shape[1..].iter().product();
            shape[0] = streams.len();
            let draw = |stream: &mut _| -> Vec<f64> {
                let normal = (0..cells).map(|_| StandardNormal.sample(stream));
                normal.map(|e: f64| sigma * e).collect()
            };
            let noise = streams.iter_mut().flat_map(draw).collect();
            x.clone().repeat_rows(copies.len()) + Tensor::from_vec(noise, &shape, &x.device())
        };
        let inputs: Vec<_> = x.iter().zip(&self.sigmas).map(&mut noisy).collect();
        let factors = match self.times_input {
            true => Factors::OfCopies(inputs.clone()),
            false => Factors::One,
        };
        Batch { inputs, factors, weights: vec![1.0 / self.n as f64; copies.len()] }
    }
}
