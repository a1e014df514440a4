//! Several axes as one.

use serde::Deserialize;

use super::concatenate::axis;
use super::reshape::Regrouped;
use super::{show, single, Built, Context, Settings, Shape};
use crate::error::{Kind, Result};
use crate::kernels::Kernels;
use crate::model::Order;

/// Axes `start_dim` to `end_dim` as one.
#[derive(Debug, Clone, Deserialize)]
pub struct Flatten {
    /// Counted from 1 with the batch axis as 1.
    start_dim: i64,
    /// Likewise, or -1 for the last axis.
    end_dim: i64,
    /// Whether channels come first or last in the result.
    order: Order,
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
        let channels_last = context.channels_last(self.order) && start == 0 && end > 0;
        if channels_last && end + 1 < input.len() {
            return Err(Kind::Model.error(format!(
                "with channels last, all axes of {} or none with the channels can be flattened",
                show(&input)
            )));
        }
        let mut shape = input[..start].to_vec();
        shape.push(input[start..=end].iter().product());
        shape.extend(&input[end + 1..]);
        Ok(vec![Built::structural(
            Regrouped { input, output: shape.clone(), channels_last },
            shape,
        )])
    }

    fn follows_layout(&self) -> bool {
        self.order == Order::Call
    }
}
