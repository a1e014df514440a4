//! The same cells with other axes.

use serde::Deserialize;

use super::{show, single, Built, Context, Settings, Shape, Structural};
use crate::error::{Kind, Result};
use crate::kernels::Kernels;
use crate::model::Order;
use crate::tensor::Tensor;

/// The cells in their order under other extents.
#[derive(Debug, Clone, Deserialize)]
pub struct Reshape {
    /// The extents of the result, channels first; one may be -1, which is what is left for it.
    target: Vec<i64>,
    /// Whether cells are counted with the channel axis first or last, before and after.
    order: Order,
}

impl Reshape {
    /// The extents of the result for an input of `cells` cells; `None` if they do not fit.
    fn extents(&self, cells: usize) -> Option<Shape> {
        let known = self.target.iter().filter(|n| **n != -1);
        let product = known.clone().try_fold(1usize, |product, &n| {
            product.checked_mul(usize::try_from(n).ok()?).filter(|product| *product > 0)
        })?;
        let left = match self.target.len() - known.count() {
            0 | 1 if cells.is_multiple_of(product) => cells / product,
            _ => return None,
        };
        let extents: Shape =
            self.target.iter().map(|&n| usize::try_from(n).unwrap_or(left)).collect();
        (extents.iter().product::<usize>() == cells && !extents.is_empty()).then_some(extents)
    }
}

impl Settings for Reshape {
    fn build<B: Kernels>(&self, context: &Context<B>, inputs: &[Shape]) -> Result<Vec<Built<B>>> {
        let input = single(inputs)?.clone();
        let output = self.extents(input.iter().product()).ok_or_else(|| {
            let target: Vec<_> = self.target.iter().map(i64::to_string).collect();
            Kind::Shape.error(format!(
                "an input {} cannot take the shape `target` = ({})",
                show(&input),
                target.join(", ")
            ))
        })?;
        let channels_last = context.channels_last(self.order);
        Ok(vec![Built::structural(
            Regrouped { input, output: output.clone(), channels_last },
            output,
        )])
    }

    fn follows_layout(&self) -> bool {
        self.order == Order::Call
    }
}

/// Cells under other extents.
pub(super) struct Regrouped {
    pub input: Shape,
    pub output: Shape,
    /// Whether the channel axis counts as the last one.
    pub channels_last: bool,
}

impl Regrouped {
    /// From rows of shape `from` to rows of shape `to`.
    fn regroup<B: Kernels>(&self, x: Tensor<B>, from: &[usize], to: &[usize]) -> Tensor<B> {
        if !self.channels_last {
            return x.reshape_rows(to);
        }
        let last: Vec<usize> = [0].into_iter().chain(2..=from.len()).chain([1]).collect();
        let first: Vec<usize> = [0, to.len()].into_iter().chain(1..to.len()).collect();
        x.permute(&last).reshape_rows(&[&to[1..], &to[..1]].concat()).permute(&first)
    }
}

impl<B: Kernels> Structural<B> for Regrouped {
    fn apply(&self, x: &[Tensor<B>]) -> Tensor<B> {
        self.regroup(x[0].clone(), &self.input, &self.output)
    }

    fn pullback(&self, s: Tensor<B>) -> Vec<Tensor<B>> {
        vec![self.regroup(s, &self.output, &self.input)]
    }
}
