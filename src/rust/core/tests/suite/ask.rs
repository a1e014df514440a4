//! The methods by name, so that a test can ask the same of several.

use std::ops::Range;

use innsight_core::graph::{Network, Tape};
use innsight_core::kernels::Kernels;
use innsight_core::methods::{
    average, explain, integrate_exactly, ConnectionWeights, DeepLift, DeepLiftRule,
    ExpectedGradient, Explanation, Gradient, IntegratedGradient, Lrp, LrpRules, MaxPool, Method,
    Points, SmoothGrad,
};
use innsight_core::tensor::Tensor;

/// A method with its settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ask {
    Gradient {
        times_input: bool,
    },
    /// The rule for all layers, its parameter, and whether the winner of a maximum takes all.
    Lrp(&'static str, Option<f64>, bool),
    DeepLift(DeepLiftRule, MaxPool),
    /// With this many points.
    Integrated(Quadrature, usize),
    Exact,
    /// With this much noise.
    Smooth(f64),
    Expected,
    ConnectionWeights,
}

/// Where on a piece of the path its point lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Quadrature {
    Right,
    Middle,
}

/// What is asked.
#[derive(Clone)]
pub struct Question<'a, B: Kernels> {
    pub network: &'a Network<B>,
    /// One tensor an input.
    pub x: Vec<Tensor<B>>,
    /// Likewise; methods that take one reference take the first row.
    pub references: Vec<Tensor<B>>,
    /// For every output.
    pub targets: Vec<Vec<usize>>,
    pub ignore_last_activation: bool,
}

/// For every output, `None` where nothing is asked.
pub struct Answer<B: Kernels>(pub Vec<Option<Explanation<B>>>);

/// The seed and the number of copies of the methods that draw at random.
pub const SEED: u64 = 7;
pub const COPIES: usize = 6;

/// The largest number of points at a time.
const BATCH: usize = 2000;

pub fn rows<B: Kernels>(tensors: &[Tensor<B>], range: Range<usize>) -> Vec<Tensor<B>> {
    tensors.iter().map(|t| t.clone().narrow(0, range.clone())).collect()
}

impl<'a, B: Kernels> Question<'a, B> {
    /// About all nodes of all outputs.
    pub fn new(network: &'a Network<B>, x: Vec<Tensor<B>>, references: Vec<Tensor<B>>) -> Self {
        let targets = network.outputs.iter().map(|output| (0..output.nodes).collect()).collect();
        Self { network, x, references, targets, ignore_last_activation: false }
    }

    /// The first reference.
    pub fn reference(&self) -> Vec<Tensor<B>> {
        rows(&self.references, 0..1)
    }

    /// The same about some of the data points.
    pub fn about(&self, samples: Range<usize>) -> Self {
        Self { x: rows(&self.x, samples), ..self.clone() }
    }

    pub fn smooth(&self, sigma: f64) -> SmoothGrad {
        let sigmas = vec![sigma; self.x.len()];
        SmoothGrad { n: COPIES, sigmas, seed: SEED, times_input: false }
    }

    pub fn expected(&self) -> ExpectedGradient<B> {
        ExpectedGradient { references: self.references.clone(), n: COPIES, seed: SEED }
    }

    fn tape(&self, x: &[Tensor<B>]) -> Tape<B> {
        self.network.forward(x.to_vec()).unwrap()
    }

    pub fn ask(&self, ask: Ask) -> Answer<B> {
        let tape = &self.tape(&self.x);
        match ask {
            Ask::Gradient { times_input } => self.walk(&Gradient { tape, times_input }),
            Ask::Lrp(rule, parameter, winner) => {
                let rules = &LrpRules::new(&[], (rule, parameter), winner).unwrap();
                self.walk(&Lrp { tape, rules, books: Some(Default::default()) })
            }
            Ask::DeepLift(rule, max_pool) => {
                let (network, reference) = (self.network, &self.tape(&self.references));
                let weight = 1.0 / reference.rows() as f64;
                self.walk(&DeepLift { network, tape, reference, weight, rule, max_pool })
            }
            Ask::Integrated(quadrature, n) => {
                let offset = if quadrature == Quadrature::Right { 1.0 } else { 0.5 };
                let alphas = (0..n).map(|k| (k as f64 + offset) / n as f64).collect();
                let (reference, weights) = (self.reference(), vec![1.0 / n as f64; n]);
                let points = IntegratedGradient { reference, alphas, weights, times_input: true };
                let batches = (0..n).step_by(BATCH).map(|k| k..n.min(k + BATCH));
                let parts = batches.map(|copies| self.average(&points, 0, copies));
                parts.reduce(Answer::plus).unwrap()
            }
            Ask::Exact => {
                let targets = (self.targets.as_slice(), self.ignore_last_activation);
                let ends = (self.x.as_slice(), self.reference());
                integrate_exactly(self.network, ends, targets, true, BATCH).unwrap().into()
            }
            Ask::Smooth(sigma) => self.average(&self.smooth(sigma), 0, 0..COPIES),
            Ask::Expected => self.average(&self.expected(), 0, 0..COPIES),
            Ask::ConnectionWeights => {
                let (device, x) = (self.network.device.clone(), Some(self.x.clone()));
                self.walk(&ConnectionWeights { device, x })
            }
        }
    }

    fn walk<M: Method<B>>(&self, method: &M) -> Answer<B> {
        let ignore = self.ignore_last_activation;
        Answer(explain(self.network, method, &self.targets, ignore, true).unwrap())
    }

    /// The part of some copies in an average, x being the samples from number `first` on.
    pub fn average(&self, points: &dyn Points<B>, first: usize, copies: Range<usize>) -> Answer<B> {
        let batch = points.batch(&self.x, first, copies);
        average(self.network, batch, &self.targets, self.ignore_last_activation).unwrap().into()
    }
}

impl<B: Kernels> From<innsight_core::methods::Attributions<B>> for Answer<B> {
    fn from(attributions: innsight_core::methods::Attributions<B>) -> Self {
        let explanation = |attributions| Explanation { attributions, goals: None, ledger: vec![] };
        Self(attributions.into_iter().map(|a| a.map(explanation)).collect())
    }
}

impl<B: Kernels> Answer<B> {
    /// The answers for the outputs one by one.
    pub fn explanations(&self) -> impl Iterator<Item = &Explanation<B>> {
        self.0.iter().flatten()
    }

    /// The attributions with a function of the input's number applied to them.
    pub fn map(&self, f: impl Fn(usize, Tensor<B>) -> Tensor<B>) -> Self {
        let of_input = |(i, a): (usize, &Option<Tensor<B>>)| a.clone().map(|a| f(i, a));
        let of_output = |e: &Explanation<B>| -> Vec<_> {
            e.attributions.iter().enumerate().map(of_input).collect()
        };
        self.0.iter().map(|e| e.as_ref().map(of_output)).collect::<Vec<_>>().into()
    }

    /// The attributions of both added up.
    pub fn plus(self, other: Self) -> Self {
        let mut rest = other.0.into_iter().flatten().flat_map(|e| e.attributions);
        let mut add = |a: Option<Tensor<B>>| a.zip(rest.next().flatten()).map(|(a, b)| a + b);
        let mut sum = |e: Explanation<B>| e.attributions.into_iter().map(&mut add).collect();
        self.0.into_iter().map(|e| e.map(&mut sum)).collect::<Vec<_>>().into()
    }

    /// All attributions, output by output and input by input.
    pub fn values(&self) -> Vec<f64> {
        let tensors = self.explanations().flat_map(|e| e.attributions.iter().flatten().cloned());
        tensors.flat_map(Tensor::into_vec).collect()
    }

    /// The attributions of one sample of `samples`, those of some of its targets; numbers that an
    /// output has not are left out.
    pub fn of(&self, samples: usize, sample: usize, targets: &[usize]) -> Vec<f64> {
        let part = |a: Tensor<B>| {
            let (rows, cells) = (a.rows(), a.shape()[1..].iter().product::<usize>());
            let nodes = rows / samples;
            let known: Vec<_> = targets.iter().copied().filter(|t| *t < nodes).collect();
            let row = a.reshape(&[samples, nodes, cells]).narrow(0, sample..sample + 1);
            row.select(1, &known).into_vec()
        };
        let tensors = self.explanations().flat_map(|e| e.attributions.iter().flatten().cloned());
        tensors.flat_map(part).collect()
    }
}
