//! Methods that average gradients over points around or on the way to a data point.

use std::ops::Range;

use rand_chacha::rand_core::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{explain, Gradient};
use crate::error::Result;
use crate::graph::Network;
use crate::kernels::Kernels;
use crate::tensor::Tensor;

/// The points of some data points at which the gradient is taken, rows (sample, copy).
pub struct Batch<B: Kernels> {
    /// The points, one tensor an input.
    pub inputs: Vec<Tensor<B>>,
    /// What the gradients at the points are multiplied by, one tensor an input.
    pub factors: Option<Vec<Tensor<B>>>,
    /// The weights of the copies in the average.
    pub weights: Vec<f64>,
}

/// Says which points a method looks at.
pub trait Points<B: Kernels> {
    /// The points number `copies` of the data points x, the first of which is number `first` of all.
    /// What is drawn at random depends on these numbers and the seed alone.
    fn batch(&self, x: &[Tensor<B>], first: usize, copies: Range<usize>) -> Batch<B>;
}

/// Attributions for every output and input; `None` where none are asked for or no path leads.
pub type Attributions<B> = Vec<Option<Vec<Option<Tensor<B>>>>>;

/// The part of the average that the given copies add, for every output and input; see [`explain`].
///
/// # Errors
/// Those of [`Network::forward`] and [`explain`].
pub fn average<B: Kernels>(
    network: &Network<B>,
    batch: Batch<B>,
    targets: &[Vec<usize>],
    ignore_last_activation: bool,
) -> Result<Attributions<B>> {
    let Batch { inputs, factors, weights } = batch;
    let tape = network.forward(inputs)?;
    let gradient = Gradient { tape: &tape, times_input: false };
    let explained = explain(network, &gradient, targets, ignore_last_activation, false)?;
    let weights = Tensor::from_vec(weights.clone(), &[1, weights.len(), 1], &network.device);
    let sum = |(gradient, factor): (Tensor<B>, Option<&Tensor<B>>), targets: usize| {
        let gradient = factor.map_or(gradient.clone(), |factor| gradient.mul_samples(factor));
        let (shape, copies) = (gradient.shape(), weights.shape()[1]);
        let cells = shape[1..].iter().product::<usize>() * targets;
        let samples = shape[0] / (copies * targets);
        let weighted = gradient.reshape(&[samples, copies, cells]) * weights.clone();
        weighted.reshape(&shape).sum_copies(copies, targets)
    };
    let of_output = |(explanation, targets): (Option<super::Explanation<B>>, &Vec<usize>)| {
        explanation.map(|explanation| {
            let gradients = explanation.attributions.into_iter().enumerate();
            let factor = |input: usize| factors.as_ref().map(|factors| &factors[input]);
            gradients.map(|(input, g)| g.map(|g| sum((g, factor(input)), targets.len()))).collect()
        })
    };
    Ok(explained.into_iter().zip(targets).map(of_output).collect())
}

/// The points x⁰ + α (x - x⁰) for every sample and copy, and x - x⁰. `reference` has one row, or one
/// a (sample, copy); α likewise one a copy, or one a (sample, copy).
pub(super) fn between<B: Kernels>(
    x: &Tensor<B>,
    reference: &Tensor<B>,
    alphas: &[f64],
    copies: usize,
) -> (Tensor<B>, Tensor<B>) {
    let mut shape = x.shape();
    let cells: usize = shape[1..].iter().product();
    let samples = shape[0];
    let lines = |t: &Tensor<B>| match t.rows() {
        1 => t.clone().reshape(&[1, 1, cells]),
        _ => t.clone().reshape(&[samples, copies, cells]),
    };
    let x = x.clone().reshape(&[samples, 1, cells]);
    let ones = Tensor::full(&[1, copies, 1], 1.0, &x.device());
    let way = (x - lines(reference)) * ones;
    let alphas =
        Tensor::from_vec(alphas.to_vec(), &[alphas.len() / copies, copies, 1], &reference.device());
    let points = way.clone() * alphas + lines(reference);
    shape[0] = samples * copies;
    (points.reshape(&shape), way.reshape(&shape))
}

/// A generator of its own for every copy of every sample.
pub(super) fn generator(seed: u64, sample: usize, copy: usize) -> ChaCha8Rng {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(((sample as u64) << 32) | copy as u64);
    generator
}
