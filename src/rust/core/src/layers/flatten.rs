//! Several axes as one.

use serde::Deserialize;

use super::concatenate::axis;
use super::{show, single, Built, Context, Settings, Shape, Structural};
use crate::error::{Kind, Result};
use crate::kernels::Kernels;
use crate::model::Order;
use crate::tensor::Tensor;

/// Axes `start_dim` to `end_dim` as one.
#[derive(Debug, Clone, Deserialize)]
pub struct Flatten {
    /// Counted from 1 with the batch axis as 1.
    start_dim: i64,
    /// Likewise, or -1 for the last axis.
    end_dim: i64,
    /// Whether channels come first or last in the result.
    pub(super) order: Order,
}

impl Settings for Flatten {
    fn build<B: Kernels>(&self, context: &Context<B>, inputs: &[Shape]) -> Result<Vec<Built<B>>> {
        let input = single(inputs)?.clone();
        let start = axis(self.start_dim, input.len(), "start_dim")?;
        let end = axis(self.end_dim, input.len(), "end_dim")?;
        if start > end {
            return Err(Kind::Model.error(format!(
                "`start_dim` = {} must not come after `end_dim` = {}",
                self.start_dim, self.end_dim
            )));
        }
        let order = if self.order == Order::Call { context.order } else { self.order };
        let channels_last = order == Order::ChannelsLast && start == 0 && end > 0;
        if channels_last && end + 1 < input.len() {
            return Err(Kind::Model.error(format!(
                "with channels last, all axes of {} or none with the channels can be flattened",
                show(&input)
            )));
        }
        let mut shape = input[..start].to_vec();
        shape.push(input[start..=end].iter().product());
        shape.extend(&input[end + 1..]);
        Ok(vec![Built::structural(Layer { input, output: shape.clone(), channels_last }, shape)])
    }
}

struct Layer {
    input: Shape,
    output: Shape,
    channels_last: bool,
}

impl<B: Kernels> Structural<B> for Layer {
    fn apply(&self, x: &[Tensor<B>]) -> Tensor<B> {
        let x = x[0].clone();
        let x = if self.channels_last {
            let axes: Vec<usize> = [0].into_iter().chain(2..=self.input.len()).chain([1]).collect();
            x.permute(&axes)
        } else {
            x
        };
        x.reshape_rows(&self.output)
    }

    fn pullback(&self, s: Tensor<B>) -> Vec<Tensor<B>> {
        if !self.channels_last {
            return vec![s.reshape_rows(&self.input)];
        }
        let rank = self.input.len();
        let mut rotated = self.input[1..].to_vec();
        rotated.push(self.input[0]);
        let axes: Vec<usize> = [0, rank].into_iter().chain(1..rank).collect();
        vec![s.reshape_rows(&rotated).permute(&axes)]
    }
}
