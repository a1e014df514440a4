//! Convolution over signals and images (cross-correlation, as every framework computes it).

use serde::Deserialize;

use super::activation::Activation;
use super::padding::Padding;
use super::windows::{from_plane, plane, Margins, Sliding};
use super::{show, Affine, Built, Context, Part, Settings, Shape, Weights};
use crate::error::{Kind, Result};
use crate::kernels::{Kernels, Window};
use crate::model::PaddingMode;
use crate::tensor::Tensor;

/// y = W * x + b over `D` spatial axes.
#[derive(Debug, Clone, Deserialize)]
pub struct Conv<const D: usize> {
    /// The array (outputs, channels / groups, kernel extents).
    weight: usize,
    /// The array (outputs), 0 for none.
    bias: usize,
    stride: Vec<usize>,
    dilation: Vec<usize>,
    padding: Margins,
    padding_mode: PaddingMode,
    groups: usize,
    activation: Activation,
}

impl<const D: usize> Settings for Conv<D> {
    fn build<B: Kernels>(&self, context: &Context<B>, inputs: &[Shape]) -> Result<Vec<Built<B>>> {
        let (channels, input) = plane::<D>(inputs)?;
        let shape = context.shape_of("weight", self.weight)?;
        let (outputs, group_channels, kernel) = kernel::<D>(shape, ["outputs", "channels"])?;
        let sliding = Sliding::<D> {
            kernel,
            stride: &self.stride,
            dilation: &self.dilation,
            padding: &self.padding,
            ceil_mode: false,
        };
        if self.padding_mode != PaddingMode::Constant {
            // The padding is a layer of its own, the convolution that follows has none.
            let axes = sliding.axes(input)?;
            let sides = axes[2 - D..].iter().rev().flat_map(|axis| axis.padding).collect();
            let mut chain = Padding::new(sides, self.padding_mode).build(context, inputs)?;
            let padded = [chain[0].shape.clone()];
            let unpadded = Self {
                padding: Margins::Cells(vec![0; 2 * D]),
                padding_mode: PaddingMode::Constant,
                ..self.clone()
            };
            chain.extend(unpadded.build(context, &padded)?);
            return Ok(chain);
        }
        let groups = self.groups;
        check_groups(groups, channels, outputs)?;
        if group_channels * groups != channels {
            return Err(Kind::Shape.error(format!(
                "`weight` {} with `groups` = {groups} takes {} input channels, but {channels} arrive {}",
                show(shape),
                group_channels * groups,
                show(&inputs[0])
            )));
        }
        let window = sliding.over(input)?;
        let output = from_plane::<D>(outputs, window.output());
        let [height, width] = window.kernels();
        let weight_shape = [outputs, group_channels, height, width];
        let mut bias_shape = vec![1; output.len() + 1];
        bias_shape[1] = outputs;
        let layer = Layer {
            weight: Weights::new(context.weights("weight", self.weight, &weight_shape)?),
            bias: context.bias(self.bias, &bias_shape)?,
            window,
            groups,
            input: inputs[0].clone(),
            output: output.clone(),
        };
        self.activation.after(Built::affine(layer, output))
    }
}

/// The first two extents of the weights, which count `first` and `second`, and those of the kernel.
pub(super) fn kernel<'a, const D: usize>(
    shape: &'a [usize],
    [first, second]: [&str; 2],
) -> Result<(usize, usize, &'a [usize])> {
    match shape {
        [a, b, kernel @ ..] if kernel.len() == D => Ok((*a, *b, kernel)),
        _ => {
            let axes = ["length", "height, width"][D - 1];
            Err(Kind::Weights.error(format!(
                "`weight` must be an array ({first}, {second}, {axes}), not {}",
                show(shape)
            )))
        }
    }
}

/// Fails where the channels do not fall into so many groups.
pub(super) fn check_groups(groups: usize, channels: usize, outputs: usize) -> Result<()> {
    if groups == 0 || !outputs.is_multiple_of(groups) || !channels.is_multiple_of(groups) {
        return Err(Kind::Model.error(format!(
            "`groups` = {groups} must divide the {channels} input and {outputs} output channels"
        )));
    }
    Ok(())
}

pub(super) struct Layer<B: Kernels> {
    pub weight: Weights<B>,
    pub bias: Option<Tensor<B>>,
    pub window: Window,
    pub groups: usize,
    pub input: Shape,
    pub output: Shape,
}

impl<B: Kernels> Layer<B> {
    fn convolve(&self, x: &Tensor<B>, part: Part, bias: Option<Tensor<B>>) -> Tensor<B> {
        let [height, width] = self.window.input();
        let x = x.clone().reshape_rows(&[self.input[0], height, width]).into_primitive();
        let (weight, cache) = self.weight.cached(part);
        let bias = bias.map(|bias| bias.reshape(&[self.output[0]]).into_primitive());
        let y = B::conv(x, weight.into_primitive(), bias, cache, &self.window, self.groups);
        Tensor::from_primitive(y).reshape_rows(&self.output)
    }
}

impl<B: Kernels> Affine<B> for Layer<B> {
    fn apply(&self, x: &[Tensor<B>], part: Part) -> Tensor<B> {
        self.convolve(&x[0], part, None)
    }

    fn forward(&self, x: &[Tensor<B>]) -> Tensor<B> {
        self.convolve(&x[0], Part::All, self.bias())
    }

    fn pullback(&self, s: Tensor<B>, part: Part) -> Vec<Tensor<B>> {
        let [height, width] = self.window.output();
        let s = s.reshape_rows(&[self.output[0], height, width]).into_primitive();
        let (weight, cache) = self.weight.cached(part);
        let weight = weight.into_primitive();
        let x = B::conv_pullback(s, weight, cache, &self.window, self.groups);
        vec![Tensor::from_primitive(x).reshape_rows(&self.input)]
    }

    fn bias(&self) -> Option<Tensor<B>> {
        self.bias.clone()
    }
}
