//! Convolution over signals and images (cross-correlation, as every framework computes it).

use serde::Deserialize;

use super::activation::Activation;
use super::padding::Padding;
use super::{from_plane, plane, show, Affine, Built, Context, Part, Settings, Shape, Weights};
use crate::error::{Kind, Result};
use crate::kernels::{Axis, Kernels, Window};
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

/// The settings of an axis of a plane, from one value a spatial axis; a signal's height is `default`.
pub(super) fn on_plane<const D: usize>(
    field: &str,
    values: &[usize],
    default: usize,
) -> Result<[usize; 2]> {
    match (D, values) {
        (1, &[length]) => Ok([default, length]),
        (2, &[height, width]) => Ok([height, width]),
        _ => Err(Kind::Model.error(format!("`{field}` needs {D} values, not {}", values.len()))),
    }
}

/// Padding as (before, after) of height and width, from (left, right) or (left, right, top, bottom).
pub(super) fn padding_on_plane<const D: usize>(values: &[usize]) -> Result<[[usize; 2]; 2]> {
    match (D, values) {
        (1, &[left, right]) => Ok([[0, 0], [left, right]]),
        (2, &[left, right, top, bottom]) => Ok([[top, bottom], [left, right]]),
        _ => Err(Kind::Model.error(format!(
            "`padding` needs {} values, not {}",
            2 * D,
            values.len()
        ))),
    }
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
        let (outputs, group_channels, kernel) = match (D, shape) {
            (1, &[o, c, length]) => (o, c, [1, length]),
            (2, &[o, c, height, width]) => (o, c, [height, width]),
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
        let stride = on_plane::<D>("stride", &self.stride, 1)?;
        let dilation = on_plane::<D>("dilation", &self.dilation, 1)?;
        let padding = padding_on_plane::<D>(&self.padding)?;
        let axis = |i: usize| Axis {
            input: input[i],
            kernel: kernel[i],
            stride: stride[i],
            dilation: dilation[i],
            padding: padding[i],
            ceil_mode: false,
        };
        let window = Window::new([axis(0), axis(1)])?;
        let output = from_plane::<D>(outputs, window.output());
        let weight_shape = [outputs, group_channels, kernel[0], kernel[1]];
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
