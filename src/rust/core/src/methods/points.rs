//! Methods that average gradients over points around or on the way to a data point.

use std::ops::Range;

use rand_chacha::rand_core::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{explain, End, Method, Start};
use crate::error::Result;
use crate::graph::{Network, Node, Tape, Value};
use crate::kernels::Kernels;
use crate::tensor::Tensor;

/// The points of some data points at which the gradient is taken, rows (sample, copy).
pub struct Batch<B: Kernels> {
    /// The points, one tensor an input.
    pub inputs: Vec<Tensor<B>>,
    /// What the gradients are multiplied by.
    pub factors: Factors<B>,
    /// The weights of the copies in the average.
    pub weights: Vec<f64>,
}

/// One factor an input for the gradients of a [`Batch`].
pub enum Factors<B: Kernels> {
    /// None.
    One,
    /// One row a sample.
    OfSamples(Vec<Tensor<B>>),
    /// One row a (sample, copy).
    OfCopies(Vec<Tensor<B>>),
}

/// Says which points a method looks at.
pub trait Points<B: Kernels> {
    /// The points number `copies` of the data points x, the first of which is number `first` of all.
    /// What is drawn at random depends on these numbers and the seed alone.
    fn batch(&self, x: &[Tensor<B>], first: usize, copies: Range<usize>) -> Batch<B>;
}

/// Attributions for every output and input; `None` where none are asked for or no path leads.
pub type Attributions<B> = Vec<Option<Vec<Option<Tensor<B>>>>>;

/// Several attributions as one, `join` making one tensor of those in the same place.
pub fn join<B: Kernels>(
    mut parts: Vec<Attributions<B>>,
    join: impl Fn(&[Tensor<B>]) -> Tensor<B>,
) -> Attributions<B> {
    if parts.len() < 2 {
        return parts.pop().unwrap_or_default();
    }
    let of_input = |tensors: Vec<Option<Tensor<B>>>| {
        tensors.into_iter().collect::<Option<Vec<_>>>().map(|tensors| join(&tensors))
    };
    // Nothing may be asked of an output in some parts.
    let of_output = |outputs: Vec<Option<Vec<_>>>| {
        let outputs: Vec<_> = outputs.into_iter().flatten().collect();
        (!outputs.is_empty()).then(|| transposed(outputs).map(of_input).collect())
    };
    transposed(parts).map(of_output).collect()
}

/// The sum of some tensors, for [`join`]; there is at least one.
pub fn add<B: Kernels>(parts: &[Tensor<B>]) -> Tensor<B> {
    let sum = parts.iter().cloned().reduce(|a, b| a + b);
    sum.expect("there is a part")
}

/// What several lists have in the same place.
pub fn transposed<T>(lists: Vec<Vec<T>>) -> impl Iterator<Item = Vec<T>> {
    let mut lists: Vec<_> = lists.into_iter().map(Vec::into_iter).collect();
    std::iter::from_fn(move || match lists.is_empty() {
        true => None,
        false => lists.iter_mut().map(Iterator::next).collect(),
    })
}

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
    let tape = &network.forward(inputs)?;
    let mean = Mean { network, tape, factors, weights };
    let explained = explain(network, &mean, targets, ignore_last_activation, false)?;
    Ok(explained.into_iter().map(|e| e.map(|e| e.attributions)).collect())
}

/// The weighted sum of the gradients at all copies of a sample.
///
/// From a value that is affine in the inputs the gradients of all copies are pulled back alike. They
/// are summed up there already, which spares most of the work in the first layer.
struct Mean<'a, B: Kernels> {
    network: &'a Network<B>,
    tape: &'a Tape<B>,
    factors: Factors<B>,
    weights: Vec<f64>,
}

impl<B: Kernels> Mean<'_, B> {
    /// Whether the signal at a value is the sum over the copies.
    fn is_summed(&self, value: Value) -> bool {
        self.network.is_affine(value) && !matches!(self.factors, Factors::OfCopies(_))
    }

    fn sum(&self, signal: Tensor<B>) -> Tensor<B> {
        let targets = signal.rows() / self.tape.rows();
        signal.sum_copies(self.weights.len(), targets)
    }
}

impl<B: Kernels> Method<B> for Mean<'_, B> {
    type Signal = Tensor<B>;

    fn start(&self, end: &End) -> Start<B> {
        let weights = match self.is_summed(end.value) {
            true => vec![self.weights.iter().sum()],
            false => self.weights.clone(),
        };
        let samples = self.tape.rows() / self.weights.len();
        let (rows, targets) = (samples * weights.len(), end.targets.len());
        let signal: Vec<f64> = weights.into_iter().flat_map(|w| vec![w; targets]).collect();
        let signal =
            Tensor::from_vec(signal.repeat(samples), &[rows, targets], &self.network.device);
        Start { at: end.value, signal, goal: None }
    }

    fn step(&self, node: &Node<B>, s: Tensor<B>) -> Result<Vec<Tensor<B>>> {
        let pulled = node.layer.pullback(s, &self.tape.operands(node), self.tape.value(node.value));
        if self.is_summed(node.value) {
            return Ok(pulled);
        }
        let at = |(s, &operand): (Tensor<B>, &Value)| match self.is_summed(operand) {
            true => self.sum(s),
            false => s,
        };
        Ok(pulled.into_iter().zip(&node.inputs).map(at).collect())
    }

    fn finish(&self, input: Value, s: Tensor<B>) -> Tensor<B> {
        match &self.factors {
            Factors::One => s,
            Factors::OfSamples(factors) => s.mul_samples(&factors[input]),
            Factors::OfCopies(factors) => self.sum(s.mul_samples(&factors[input])),
        }
    }
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
