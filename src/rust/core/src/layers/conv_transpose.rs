//! Transposed convolution over signals and images.

use serde::Deserialize;

use super::activation::Activation;
use super::conv::{self, check_groups, kernel};
use super::windows::{check_axes, from_plane, plane, Margins, Sliding};
use super::{show, Affine, Built, Context, Part, Settings, Shape, Weights};
use crate::error::{Kind, Result};
use crate::kernels::{Kernels, Window};
use crate::tensor::Tensor;

/// y = Wᵀ x + b, W being a convolution over `D` spatial axes.
#[derive(Debug, Clone, Deserialize)]
pub struct ConvTranspose<const D: usize> {
    /// The array (channels, outputs / groups, kernel extents).
    weight: usize,
    /// The array (outputs), 0 for none.
    bias: usize,
    stride: Vec<usize>,
    dilation: Vec<usize>,
    /// Cells taken away from the result: (left, right) or (left, right, top, bottom).
    padding: Margins,
    /// Cells added at the end of every spatial axis of the result.
    output_padding: Vec<usize>,
    groups: usize,
    activation: Activation,
}

impl<const D: usize> Settings for ConvTranspose<D> {
    fn build<B: Kernels>(&self, context: &Context<B>, inputs: &[Shape]) -> Result<Vec<Built<B>>> {
        let (channels, input) = plane::<D>(inputs)?;
        let shape = context.shape_of("weight", self.weight)?;
        let (taken, group_outputs, kernel) = kernel::<D>(shape, ["channels", "outputs"])?;
        let (groups, outputs) = (self.groups, group_outputs.saturating_mul(self.groups));
        if taken != channels {
            return Err(Kind::Shape.error(format!(
                "`weight` {} takes {taken} input channels, but {channels} arrive {}",
                show(shape),
                show(&inputs[0])
            )));
        }
        check_groups(groups, channels, outputs)?;
        let sliding = Sliding::<D> {
            kernel,
            stride: &self.stride,
            dilation: &self.dilation,
            padding: &self.padding,
            ceil_mode: false,
        };
        let mut axes = sliding.axes(input)?;
        check_axes("output_padding", &self.output_padding, D)?;
        // The convolution that is transposed slides over the result. It need not reach its last cells.
        let mut rest = vec![0; D];
        for (i, &more) in self.output_padding.iter().enumerate() {
            let axis = &mut axes[i + 2 - D];
            if more > 0 && more >= axis.stride.max(axis.dilation) {
                return Err(Kind::Model.error(format!(
                    "`output_padding` = {more} must be less than the stride or the dilation"
                )));
            }
            (*axis, rest[i]) = axis.transposed(more)?;
        }
        let window = Window::new(axes)?;
        let [height, width] = window.kernels();
        let weight =
            context.weights("weight", self.weight, &[channels, group_outputs, height, width])?;
        let reached = from_plane::<D>(outputs, window.input());
        let mut output = reached.clone();
        output[1..].iter_mut().zip(&rest).for_each(|(n, more)| *n += more);
        let mut bias_shape = vec![1; output.len() + 1];
        bias_shape[1] = outputs;
        let bias = context.bias(self.bias, &bias_shape)?;
        let conv = conv::Layer {
            weight: Weights::new(weight),
            bias: None,
            window,
            groups,
            input: reached,
            output: inputs[0].clone(),
        };
        self.activation.after(Built::affine(Layer { conv, rest, bias }, output))
    }
}

struct Layer<B: Kernels> {
    conv: conv::Layer<B>,
    /// Cells at the end of each spatial axis that the convolution does not reach.
    rest: Vec<usize>,
    bias: Option<Tensor<B>>,
}

impl<B: Kernels> Affine<B> for Layer<B> {
    fn apply(&self, x: &[Tensor<B>], part: Part) -> Tensor<B> {
        let after = [&[0, 0], self.rest.as_slice()].concat();
        let reached = self.conv.pullback(x[0].clone(), part).remove(0);
        reached.pad(&vec![0; after.len()], &after, 0.0)
    }

    fn pullback(&self, s: Tensor<B>, part: Part) -> Vec<Tensor<B>> {
        let reached = |s: Tensor<B>, (i, more): (usize, &usize)| {
            let extent = s.shape()[i + 2];
            if *more == 0 {
                s
            } else {
                s.narrow(i + 2, 0..extent - more)
            }
        };
        let s = self.rest.iter().enumerate().fold(s, reached);
        vec![self.conv.apply(&[s], part)]
    }

    fn bias(&self) -> Option<Tensor<B>> {
        self.bias.clone()
    }
}
