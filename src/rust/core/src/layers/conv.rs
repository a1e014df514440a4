//! Convolution over signals and images (cross-correlation, as every framework computes it).

use serde::Deserialize;

use super::activation::Activation;
use super::padding::Padding;
use super::windows::{from_plane, plane, Sliding};
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
    /// (left, right) or (left, right, top, bottom).
    padding: Vec<usize>,
    padding_mode: PaddingMode,
    groups: usize,
    activation: Activation,
}

impl<const D: usize> Settings for Conv<D> {
    fn build<B: Kernels>(&self, context: &Context<B>, inputs: &[Shape]) -> Result<Vec<Built<B>>> {
        if self.padding_mode != PaddingMode::Constant {
            // The padding is a layer of its own, the convolution that follows has none.
            let padding = Padding::new(self.padding.clone(), self.padding_mode);
            let mut chain = padding.build(context, inputs)?;
            let padded = [chain[0].shape.clone()];
            let unpadded = Self {
                padding: vec![0; self.padding.len()],
                padding_mode: PaddingMode::Constant,
                ..self.clone()
            };
            chain.extend(unpadded.build(context, &padded)?);
            return Ok(chain);
        }
        let (channels, input) = plane::<D>(inputs)?;
        let shape = context.shape_of("weight", self.weight)?;
        let (outputs, group_channels, kernel) = match shape {
            [outputs, channels, kernel @ ..] if kernel.len() == D => (*outputs, *channels, kernel),
            _ => {
                let axes = ["(outputs, channels, length)", "(outputs, channels, height, width)"];
                return Err(Kind::Weights.error(format!(
                    "`weight` must be an array {}, not {}",
                    axes[D - 1],
                    show(shape)
                )));
            }
        };
        let groups = self.groups;
        if groups == 0 || outputs % groups != 0 || channels % groups != 0 {
            return Err(Kind::Model.error(format!(
                "`groups` = {groups} must divide the {channels} input and {outputs} output channels"
            )));
        }
        if group_channels * groups != channels {
            return Err(Kind::Shape.error(format!(
                "`weight` {} with `groups` = {groups} takes {} input channels, but {channels} arrive {}",
                show(shape),
                group_channels * groups,
                show(&inputs[0])
            )));
        }
        let sliding = Sliding::<D> {
            kernel,
            stride: &self.stride,
            dilation: &self.dilation,
            padding: &self.padding,
            ceil_mode: false,
        };
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

struct Layer<B: Kernels> {
    weight: Weights<B>,
    bias: Option<Tensor<B>>,
    window: Window,
    groups: usize,
    input: Shape,
    output: Shape,
}

impl<B: Kernels> Affine<B> for Layer<B> {
    fn apply(&self, x: &[Tensor<B>], part: Part) -> Tensor<B> {
        let [height, width] = self.window.input();
        let x = x[0].clone().reshape_rows(&[self.input[0], height, width]).into_primitive();
        let weight = self.weight.part(part).into_primitive();
        Tensor::from_primitive(B::conv(x, weight, &self.window, self.groups))
            .reshape_rows(&self.output)
    }

    fn pullback(&self, s: Tensor<B>, part: Part) -> Vec<Tensor<B>> {
        let [height, width] = self.window.output();
        let s = s.reshape_rows(&[self.output[0], height, width]).into_primitive();
        let weight = self.weight.part(part).into_primitive();
        let x = Tensor::from_primitive(B::conv_pullback(s, weight, &self.window, self.groups));
        vec![x.reshape_rows(&self.input)]
    }

    fn bias(&self) -> Option<Tensor<B>> {
        self.bias.clone()
    }
}
