//! DeepLift (Shrikumar et al., 2017), and DeepSHAP (Lundberg and Lee, 2017), its mean over references.
//!
//! The signal at a value is its multiplier m: the difference of the output from the reference is
//! Σ m Δ over all cells. Rows are (sample, reference, target).

use super::{End, Method, Start};
use crate::error::Result;
use crate::graph::{Network, Node, Tape, Value};
use crate::kernels::Kernels;
use crate::layers::{Affine, Layer, Nonlinear, Pair, Part, Selection};
use crate::stabilizer::delta;
use crate::tensor::Tensor;

/// How differences pass activation functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeepLiftRule {
    /// Δy / Δx.
    Rescale,
    /// One multiplier for the positive and one for the negative part of Δx.
    RevealCancel,
}

/// How differences pass max pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxPool {
    /// To the winner at the data point, as the gradient does; not exact where another cell wins at
    /// the reference.
    Winner,
    /// To all cells of a window, by Δy over the mean of Δx.
    Average,
    /// To the winner at the data point or at the reference, whichever is larger; exact.
    CrossMax,
}

/// The method for all pairs of a sample and a reference, averaged over the references.
pub struct DeepLift<'a, B: Kernels> {
    /// The network.
    pub network: &'a Network<B>,
    /// The values of the samples.
    pub tape: &'a Tape<B>,
    /// The values of the references.
    pub reference: &'a Tape<B>,
    /// The share of a reference in the mean: one over their number.
    pub weight: f64,
    /// For activation functions.
    pub rule: DeepLiftRule,
    /// For max pooling.
    pub max_pool: MaxPool,
}

/// The multipliers of the positive and of the negative part of a difference.
#[derive(Clone)]
pub struct Multipliers<B: Kernels> {
    positive: Tensor<B>,
    /// `None` where it is the same as the positive one.
    negative: Option<Tensor<B>>,
}

impl<B: Kernels> From<Tensor<B>> for Multipliers<B> {
    fn from(both: Tensor<B>) -> Self {
        Self { positive: both, negative: None }
    }
}

impl<B: Kernels> Multipliers<B> {
    fn of_negative(&self) -> Tensor<B> {
        self.negative.clone().unwrap_or_else(|| self.positive.clone())
    }

    /// The one for a difference of known sign; the mean of both where there is no difference.
    fn by_sign(self, delta: &Tensor<B>) -> Tensor<B> {
        let Some(negative) = self.negative else {
            return self.positive;
        };
        let half = (self.positive.clone() - negative.clone()).scale(0.5);
        self.positive - half.clone() + half.mul_samples(&delta.clone().sign())
    }

    fn map(self, f: impl Fn(Tensor<B>) -> Vec<Tensor<B>>) -> Vec<Self> {
        let positive = f(self.positive);
        match self.negative.map(f) {
            None => positive.into_iter().map(Self::from).collect(),
            Some(negative) => {
                let both = positive.into_iter().zip(negative);
                both.map(|(positive, n)| Self { positive, negative: Some(n) }).collect()
            }
        }
    }
}

impl<B: Kernels> std::ops::Add for Multipliers<B> {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let negative = match (&self.negative, &other.negative) {
            (None, None) => None,
            _ => Some(self.of_negative() + other.of_negative()),
        };
        Self { positive: self.positive + other.positive, negative }
    }
}

/// The positive and the negative part of a difference.
type Split<B> = [Tensor<B>; 2];

fn by_sign<B: Kernels>(delta: Tensor<B>) -> Split<B> {
    [delta.clone().positive(), delta.negative()]
}

impl<B: Kernels> DeepLift<'_, B> {
    /// A value for all pairs. Where there is one sample or one reference, its single row is enough.
    fn pair(&self, value: Value) -> Pair<B> {
        let (at, reference) = (self.tape.value(value), self.reference.value(value));
        let (samples, references) = (at.rows(), reference.rows());
        if samples == 1 || references == 1 {
            return Pair { at: at.clone(), reference: reference.clone() };
        }
        Pair {
            at: at.clone().repeat_rows(references),
            reference: reference.clone().tile_rows(samples),
        }
    }

    fn delta(&self, value: Value) -> Tensor<B> {
        self.pair(value).delta()
    }

    /// The contributions of either sign that arrive from the affine layer before, carried through
    /// layers that act on every cell by itself; elsewhere the signs of the difference itself.
    fn split(&self, value: Value) -> Split<B> {
        let node = self.network.node(value);
        let carried = |node: &Node<B>| -> [Vec<Tensor<B>>; 2] {
            let splits = node.inputs.iter().map(|&operand| self.split(operand));
            splits.map(|[positive, negative]| (positive, negative)).unzip().into()
        };
        match node.map(|node| (node, &node.layer)) {
            Some((node, Layer::Affine(layer))) => {
                let [positive, negative] = if layer.is_cellwise() {
                    carried(node)
                } else {
                    let deltas = node.inputs.iter().map(|&operand| by_sign(self.delta(operand)));
                    deltas.map(|[positive, negative]| (positive, negative)).unzip().into()
                };
                let part = |own, other| layer.apply(&positive, own) + layer.apply(&negative, other);
                [part(Part::Positive, Part::Negative), part(Part::Negative, Part::Positive)]
            }
            Some((node, Layer::Structural(layer))) => {
                carried(node).map(|parts| layer.carry(&parts))
            }
            _ => by_sign(self.delta(value)),
        }
    }

    fn through_affine(
        &self,
        layer: &dyn Affine<B>,
        node: &Node<B>,
        m: Multipliers<B>,
    ) -> Vec<Multipliers<B>> {
        let Multipliers { positive, negative: Some(negative) } = m else {
            return m.map(|m| layer.pullback(m, Part::All));
        };
        let add = |own, other| {
            let pulled = layer.pullback(positive.clone(), own).into_iter();
            pulled.zip(layer.pullback(negative.clone(), other)).map(|(a, b)| a + b)
        };
        let both = add(Part::Positive, Part::Negative).zip(add(Part::Negative, Part::Positive));
        let operand = |((positive, negative), &operand): ((Tensor<B>, Tensor<B>), &Value)| {
            let m = Multipliers { positive, negative: Some(negative) };
            if layer.is_cellwise() {
                m
            } else {
                m.by_sign(&self.delta(operand)).into()
            }
        };
        both.zip(&node.inputs).map(operand).collect()
    }

    fn through_nonlinear(
        &self,
        layer: &dyn Nonlinear<B>,
        node: &Node<B>,
        m: Multipliers<B>,
    ) -> Vec<Multipliers<B>> {
        let y = self.pair(node.value);
        let m = m.by_sign(&y.delta());
        let x: Vec<_> = node.inputs.iter().map(|&operand| self.pair(operand)).collect();
        if self.rule == DeepLiftRule::Rescale || !layer.is_elementwise() {
            return layer.secant(m, &x, &y).into_iter().map(Multipliers::from).collect();
        }
        let [positive, negative] = self.split(node.inputs[0]);
        let f = |delta: &Tensor<B>| layer.apply(&[x[0].reference.clone() + delta.clone()]);
        let (f_positive, f_negative) = (f(&positive), f(&negative));
        let half = |own: Tensor<B>, other: Tensor<B>| {
            (own - y.reference.clone() + y.at.clone() - other).scale(0.5)
        };
        // Where there is no such part its effect is nothing but rounding.
        let multiplier = |effect: Tensor<B>, part: Tensor<B>| {
            let there = part.clone().sign().abs();
            m.clone().mul_samples(&(effect * there / part.fill_zeros(1.0)))
        };
        vec![Multipliers {
            positive: multiplier(half(f_positive.clone(), f_negative.clone()), positive),
            negative: Some(multiplier(half(f_negative, f_positive), negative)),
        }]
    }

    fn through_selection(
        &self,
        layer: &dyn Selection<B>,
        node: &Node<B>,
        m: Multipliers<B>,
    ) -> Tensor<B> {
        let (x, y) = (self.pair(node.inputs[0]), self.pair(node.value));
        let (dx, dy) = (x.delta(), y.delta());
        let m = m.by_sign(&dy);
        let pairs = dx.rows();
        let all =
            |x: &Tensor<B>| if x.rows() == pairs { x.clone() } else { x.clone().tile_rows(pairs) };
        match self.max_pool {
            MaxPool::Winner => layer.pullback(m, &all(&x.at)),
            MaxPool::Average => {
                let mean = layer.average().apply(&[dx], Part::All).fill_zeros(delta::<B>());
                let pulled = layer.average().pullback(m.mul_samples(&(dy / mean)), Part::All);
                pulled.into_iter().next().expect("one operand")
            }
            MaxPool::CrossMax => {
                let rises = dy.clone().sign().above(-0.5);
                let falls = rises.clone().scale(-1.0).add_scalar(1.0);
                let through = |winners: &Tensor<B>, share: Tensor<B>| {
                    let winners = all(winners);
                    let d = layer.pick(&dx, &winners);
                    let apart = d.clone().abs().above(delta::<B>());
                    let ratio = dy.clone() / d.fill_zeros(1.0);
                    let one = Tensor::full(&ratio.shape(), 1.0, &ratio.device());
                    let ratio = one.where_one(apart, ratio);
                    layer.pullback(m.clone().mul_samples(&(share * ratio)), &winners)
                };
                through(&x.at, rises) + through(&x.reference, falls)
            }
        }
    }

    /// The rows of one sample added up with the weight of a reference.
    fn mean(&self, pairs: Tensor<B>, targets: usize) -> Tensor<B> {
        let references = self.reference.rows();
        pairs.sum_copies(references, targets).scale(self.weight)
    }

    fn targets(&self, rows: usize) -> usize {
        rows / (self.tape.rows() * self.reference.rows())
    }
}

impl<B: Kernels> Method<B> for DeepLift<'_, B> {
    type Signal = Multipliers<B>;

    fn start(&self, end: &End) -> Start<B> {
        let difference = |value: Value| self.pair(value).delta().select(1, end.targets);
        let goal = difference(end.value);
        let last = end.output.activation.as_ref().filter(|_| end.value == end.output.value);
        let (at, signal) = if last.is_some_and(|f| f.couples()) {
            // The last activation counts unit by unit, even where it couples them.
            let before = difference(end.output.before_activation);
            let apart = before.clone().abs().above(delta::<B>());
            (end.output.before_activation, goal.clone() * apart / before.fill_zeros(1.0))
        } else {
            (end.value, Tensor::full(&goal.shape(), 1.0, &goal.device()))
        };
        let goal = self.mean(goal, 1);
        Start { at, signal, goal: Some(goal) }
    }

    fn step(&self, node: &Node<B>, m: Multipliers<B>) -> Result<Vec<Multipliers<B>>> {
        Ok(match &node.layer {
            Layer::Affine(layer) => self.through_affine(&**layer, node, m),
            Layer::Nonlinear(layer) => self.through_nonlinear(&**layer, node, m),
            Layer::Selection(layer) => vec![self.through_selection(&**layer, node, m).into()],
            Layer::Structural(layer) => m.map(|m| layer.pullback(m)),
        })
    }

    fn finish(&self, input: Value, m: Multipliers<B>) -> Tensor<B> {
        let delta = self.delta(input);
        let m = m.by_sign(&delta);
        let targets = self.targets(m.rows());
        self.mean(m.mul_samples(&delta), targets)
    }

    fn total(&self, value: Value, m: &Multipliers<B>) -> Option<Tensor<B>> {
        let targets = self.targets(m.positive.rows());
        let total = match &m.negative {
            None => m.positive.clone().mul_samples(&self.delta(value)),
            Some(n) => {
                let [positive, negative] = self.split(value);
                m.positive.clone().mul_samples(&positive) + n.clone().mul_samples(&negative)
            }
        };
        Some(self.mean(total.row_sums(), targets))
    }
}
