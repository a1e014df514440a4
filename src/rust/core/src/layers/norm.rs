//! Normalisation by mean and variance of the data point itself: layer, group and instance norm.
//!
//! y = γ c r + β with c = x - mean(x) and r = 1 / √(mean(c²) + ε). The multipliers are exact, since
//! each of the steps has exact ones: Δ(c r) = Δc r̄ + c̄ Δr, Δr = -Δv / (√v √v⁰ (√v + √v⁰)) and
//! Δv = mean(2 c̄ Δc), a bar denoting the middle of data point and reference.

use serde::Deserialize;

use super::concatenate::axis;
use super::{
    show, single, Affine, Built, Context, Nonlinear, Pair, Part, Settings, Shape, Weights,
};
use crate::error::{Kind, Result};
use crate::kernels::Kernels;
use crate::tensor::Tensor;

/// Over the given axes together.
#[derive(Debug, Clone, Deserialize)]
pub struct LayerNorm {
    /// The array (extents of the axes), 0 for none.
    gamma: usize,
    /// Likewise.
    beta: usize,
    eps: f64,
    /// Counted from 1 with the batch axis as 1; all of the input's if there are none.
    axes: Option<Vec<i64>>,
}

/// Over the channels of a group and all spatial axes.
#[derive(Debug, Clone, Deserialize)]
pub struct GroupNorm {
    /// The array (channels), 0 for none.
    gamma: usize,
    /// Likewise.
    beta: usize,
    eps: f64,
    groups: usize,
}

/// Over all spatial axes.
#[derive(Debug, Clone, Deserialize)]
pub struct InstanceNorm {
    /// The array (channels), 0 for none.
    gamma: usize,
    /// Likewise.
    beta: usize,
    eps: f64,
}

impl Settings for LayerNorm {
    fn build<B: Kernels>(&self, context: &Context<B>, inputs: &[Shape]) -> Result<Vec<Built<B>>> {
        let shape = single(inputs)?;
        let mut normed: Vec<usize> = match &self.axes {
            None => (0..shape.len()).collect(),
            Some(axes) => {
                axes.iter().map(|&given| axis(given, shape.len(), "axes")).collect::<Result<_>>()?
            }
        };
        normed.sort_unstable();
        if normed.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Kind::Model.error("`axes` names an axis twice"));
        }
        if normed.is_empty() {
            return Err(Kind::Model.error("`axes` must name at least one axis"));
        }
        let others = (0..shape.len()).filter(|axis| !normed.contains(axis));
        let order: Vec<usize> = others.chain(normed.iter().copied()).collect();
        let extents: Shape = normed.iter().map(|&axis| shape[axis]).collect();
        let size = extents.iter().product();
        let lines = Lines { shape: shape.clone(), order, size };
        let column = |field: &str, index: usize, default: f64| -> Result<Tensor<B>> {
            if index == 0 {
                return Ok(Tensor::full(&[1, 1, size], default, context.device));
            }
            let given = context.shape_of(field, index)?;
            if given != extents.as_slice() && *given != [size] {
                return Err(Kind::Weights.error(format!(
                    "`{field}` must have the extents of the axes that are normalised, {}, not {}",
                    show(&extents),
                    show(given)
                )));
            }
            context.weights(field, index, &[1, 1, size])
        };
        let (gamma, beta) = (column("gamma", self.gamma, 1.0)?, column("beta", self.beta, 0.0)?);
        norm(lines, gamma, beta, self.eps)
    }
}

impl Settings for GroupNorm {
    fn build<B: Kernels>(&self, context: &Context<B>, inputs: &[Shape]) -> Result<Vec<Built<B>>> {
        let shape = single(inputs)?;
        let channels = shape[0];
        if self.groups == 0 || !channels.is_multiple_of(self.groups) {
            return Err(Kind::Model
                .error(format!("`groups` = {} must divide the {channels} channels", self.groups)));
        }
        let spatial: usize = shape[1..].iter().product();
        let size = channels / self.groups * spatial;
        let lines = Lines { shape: shape.clone(), order: (0..shape.len()).collect(), size };
        let column = |field: &str, index: usize, default: f64| -> Result<Tensor<B>> {
            let values = match index {
                0 => Tensor::full(&[channels, 1], default, context.device),
                _ => context.weights(field, index, &[channels, 1])?,
            };
            let ones = Tensor::full(&[1, spatial], 1.0, context.device);
            Ok((values * ones).reshape(&[1, self.groups, size]))
        };
        let (gamma, beta) = (column("gamma", self.gamma, 1.0)?, column("beta", self.beta, 0.0)?);
        norm(lines, gamma, beta, self.eps)
    }
}

impl Settings for InstanceNorm {
    fn build<B: Kernels>(&self, context: &Context<B>, inputs: &[Shape]) -> Result<Vec<Built<B>>> {
        let shape = single(inputs)?;
        if shape.len() < 2 {
            return Err(Kind::Shape.error(format!(
                "normalises over spatial axes, but the input {} has none",
                show(shape)
            )));
        }
        let Self { gamma, beta, eps } = *self;
        GroupNorm { gamma, beta, eps, groups: shape[0] }.build(context, inputs)
    }
}

fn norm<B: Kernels>(
    lines: Lines,
    gamma: Tensor<B>,
    beta: Tensor<B>,
    eps: f64,
) -> Result<Vec<Built<B>>> {
    if !(eps.is_finite() && eps >= 0.0) {
        return Err(Kind::Model.error(format!("`eps` must be at least 0, but is {eps}")));
    }
    let shape = lines.shape.clone();
    Ok(vec![Built::nonlinear(Norm { lines, gamma, beta, eps }, shape)])
}

/// The cells that are normalised together as lines of equal length.
#[derive(Clone)]
struct Lines {
    /// The extents of the input.
    shape: Shape,
    /// The order of axes that brings the lines together.
    order: Vec<usize>,
    /// The length of a line.
    size: usize,
}

impl Lines {
    /// x as (rows, lines, cells of a line).
    fn of<B: Kernels>(&self, x: Tensor<B>) -> Tensor<B> {
        let axes: Vec<usize> = [0].into_iter().chain(self.order.iter().map(|a| a + 1)).collect();
        x.permute(&axes).reshape_rows(&[self.count(), self.size])
    }

    /// The number of lines.
    fn count(&self) -> usize {
        self.shape.iter().product::<usize>() / self.size
    }

    /// The way back.
    fn back<B: Kernels>(&self, lines: Tensor<B>) -> Tensor<B> {
        let permuted: Vec<usize> = self.order.iter().map(|&axis| self.shape[axis]).collect();
        let mut axes = vec![0; self.order.len() + 1];
        self.order.iter().enumerate().for_each(|(i, &axis)| axes[axis + 1] = i + 1);
        lines.reshape_rows(&permuted).permute(&axes)
    }

    fn mean<B: Kernels>(&self, lines: Tensor<B>) -> Tensor<B> {
        lines.sum_axis(2).scale(1.0 / self.size as f64)
    }

    fn center<B: Kernels>(&self, lines: Tensor<B>) -> Tensor<B> {
        lines.clone() - self.mean(lines)
    }
}

struct Norm<B: Kernels> {
    lines: Lines,
    /// (1, lines or 1, cells of a line)
    gamma: Tensor<B>,
    beta: Tensor<B>,
    eps: f64,
}

impl<B: Kernels> Norm<B> {
    /// √(mean(c²) + ε) of every line; 1 where it is zero, since all of the line is zero then.
    fn deviation(&self, centered: Tensor<B>) -> Tensor<B> {
        let variance = self.lines.mean(centered.clone() * centered).add_scalar(self.eps);
        variance.sqrt().fill_zeros(1.0)
    }
}

impl<B: Kernels> Nonlinear<B> for Norm<B> {
    fn apply(&self, x: &[Tensor<B>]) -> Tensor<B> {
        let centered = self.lines.center(self.lines.of(x[0].clone()));
        let normal = centered.clone() / self.deviation(centered);
        self.lines.back(normal * self.gamma.clone() + self.beta.clone())
    }

    fn secant(&self, s: Tensor<B>, x: &[Pair<B>], _: &Pair<B>) -> Vec<Tensor<B>> {
        let centered = x[0].map(|x| self.lines.center(self.lines.of(x)));
        let deviation = centered.map(|c| self.deviation(c));
        let product = deviation.at.clone() * deviation.reference.clone();
        let sum = deviation.at.clone() + deviation.reference.clone();
        // r̄ and Δr / Δv
        let scale = deviation.map(Tensor::recip).middle();
        let slope = (product * sum).recip().scale(-2.0);
        let middle = centered.middle();
        let s = self.lines.of(s) * self.gamma.clone();
        let onto_scale = self.lines.mean(s.clone().mul_samples(&middle)).mul_samples(&slope);
        let stretched = middle.clone().repeat_rows(s.rows() / middle.rows());
        let through_scale = stretched * onto_scale;
        let stretched = scale.clone().repeat_rows(s.rows() / scale.rows());
        let signal = s * stretched + through_scale;
        vec![self.lines.back(self.lines.center(signal))]
    }

    fn pass(&self, s: Tensor<B>) -> Vec<Tensor<B>> {
        vec![self.lines.back(self.lines.of(s) * self.gamma.clone())]
    }

    fn frozen(&self, x: &[Tensor<B>]) -> Option<Box<dyn Affine<B>>> {
        let centered = self.lines.center(self.lines.of(x[0].clone()));
        let share = 1.0 / self.lines.size as f64;
        let zeros = [1, self.lines.count(), self.lines.size];
        let zeros = Tensor::full(&zeros, 0.0, &self.beta.device());
        Some(Box::new(Frozen {
            lines: self.lines.clone(),
            scale: Weights::new(self.deviation(centered).recip()),
            own: Weights::new(self.gamma.clone().scale(1.0 - share)),
            others: Weights::new(self.gamma.clone().scale(-share)),
            bias: self.lines.back(zeros + self.beta.clone()),
        }))
    }
}

/// The normalisation with the deviations of one pass: centring, times a scale, plus a bias. A cell of
/// z takes its own cell of x with one weight and the others of the line with another.
struct Frozen<B: Kernels> {
    lines: Lines,
    /// One over the deviation of every line, one row a sample; positive.
    scale: Weights<B>,
    /// γ (1 - 1/n)
    own: Weights<B>,
    /// -γ / n
    others: Weights<B>,
    bias: Tensor<B>,
}

/// For every cell of a line the sum of the others. Cells are added pair by pair, never taken away from
/// the sum of all: what a signal of rules brings to one cell can be larger by far than all others.
fn others<B: Kernels>(x: Tensor<B>) -> Tensor<B> {
    let shape = x.shape();
    let (rows, lines, size) = (shape[0], shape[1], shape[2]);
    if size == 1 {
        return x.scale(0.0);
    }
    let pairs = size.div_ceil(2);
    let x = x.pad(&[0; 3], &[0, 0, 2 * pairs - size], 0.0).reshape(&[rows, lines, pairs, 2]);
    let outside = others(x.clone().sum_axis(3).reshape(&[rows, lines, pairs]));
    let sums = x.select(3, &[1, 0]) + outside.reshape(&[rows, lines, pairs, 1]);
    sums.reshape(&[rows, lines, 2 * pairs]).narrow(2, 0..size)
}

impl<B: Kernels> Affine<B> for Frozen<B> {
    fn apply(&self, x: &[Tensor<B>], part: Part) -> Tensor<B> {
        let x = self.lines.of(x[0].clone());
        let z = x.clone() * self.own.part(part) + others(x) * self.others.part(part);
        self.lines.back(z * self.scale_part(part))
    }

    fn pullback(&self, s: Tensor<B>, part: Part) -> Vec<Tensor<B>> {
        let s = self.lines.of(s);
        let scale = self.scale_part(part);
        let s = s.clone() * scale.clone().repeat_rows(s.rows() / scale.rows());
        let through_others = others(s.clone() * self.others.part(part));
        vec![self.lines.back(s * self.own.part(part) + through_others)]
    }

    fn bias(&self) -> Option<Tensor<B>> {
        Some(self.bias.clone())
    }
}

impl<B: Kernels> Frozen<B> {
    /// The scale is positive, so that the signs of the weights are those of the other factors.
    fn scale_part(&self, part: Part) -> Tensor<B> {
        match part {
            Part::Positive | Part::Negative => self.scale.part(Part::All),
            part => self.scale.part(part),
        }
    }
}
