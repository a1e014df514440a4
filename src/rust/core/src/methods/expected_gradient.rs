//! Expected gradients (Erion et al., 2021).

use std::ops::Range;

use rand_distr::{Distribution, Uniform};

use super::points::{between, generator};
use super::{Batch, Factors, Points};
use crate::kernels::Kernels;
use crate::tensor::Tensor;

/// Integrated gradients with random references at random places of the path.
pub struct ExpectedGradient<B: Kernels> {
    /// The references, one tensor an input.
    pub references: Vec<Tensor<B>>,
    /// The number of draws.
    pub n: usize,
    /// Decides the draws.
    pub seed: u64,
}

impl<B: Kernels> Points<B> for ExpectedGradient<B> {
    fn batch(&self, x: &[Tensor<B>], first: usize, copies: Range<usize>) -> Batch<B> {
        let references = self.references[0].rows();
        let unit = Uniform::new(0.0, 1.0).expect("bounds in order");
        let draw = |sample: usize, copy: usize| {
            let mut stream = generator(self.seed, sample, copy);
            let row = (unit.sample(&mut stream) * references as f64) as usize;
            (row.min(references - 1), unit.sample(&mut stream))
        };
        let (rows, alphas): (Vec<usize>, Vec<f64>) = (first..first + x[0].rows())
            .flat_map(|sample| copies.clone().map(move |copy| (sample, copy)))
            .map(|(sample, copy)| draw(sample, copy))
            .unzip();
        let pairs = x.iter().zip(&self.references);
        let (inputs, ways) = pairs
            .map(|(x, r)| between(x, &r.clone().select(0, &rows), &alphas, copies.len()))
            .unzip();
        Batch {
            inputs,
            factors: Factors::OfCopies(ways),
            weights: vec![1.0 / self.n as f64; copies.len()],
        }
    }
}
