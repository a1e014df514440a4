//! Average pooling, local and global.

use serde::Deserialize;

use super::windows::{from_plane, plane, Sliding};
use super::{show, single, Affine, Built, Context, Part, Settings, Shape, Weights};
use crate::error::{Kind, Result};
use crate::kernels::{Axis, Kernels, Window};
use crate::tensor::Tensor;

/// The mean over every window of `D` spatial axes.
#[derive(Debug, Clone, Deserialize)]
pub struct AveragePooling<const D: usize> {
    kernel_size: Vec<usize>,
    strides: Vec<usize>,
    /// (left, right) or (left, right, top, bottom).
    padding: Vec<usize>,
    ceil_mode: bool,
    /// Whether padded cells count in the mean.
    count_include_pad: bool,
}

impl<const D: usize> Settings for AveragePooling<D> {
    fn build<B: Kernels>(&self, context: &Context<B>, inputs: &[Shape]) -> Result<Vec<Built<B>>> {
        let (channels, input) = plane::<D>(inputs)?;
        let sliding = Sliding::<D> {
            kernel: &self.kernel_size,
            stride: &self.strides,
            dilation: &[1; D],
            padding: &self.padding,
            ceil_mode: self.ceil_mode,
        };
        let window = sliding.over(input)?;
        let output = from_plane::<D>(channels, window.output());
        let mean = WindowMean::new(window, self.count_include_pad, &inputs[0], &output, context)?;
        Ok(vec![Built::affine(mean, output)])
    }
}

/// The mean over all spatial axes, one value a channel.
#[derive(Debug, Clone, Deserialize)]
pub struct GlobalAverage {}

impl Settings for GlobalAverage {
    fn build<B: Kernels>(&self, context: &Context<B>, inputs: &[Shape]) -> Result<Vec<Built<B>>> {
        let (window, output) = global(inputs)?;
        let mean = WindowMean::new(window, true, &inputs[0], &output, context)?;
        Ok(vec![Built::affine(mean, output)])
    }
}

/// One window that spans all spatial axes, laid out as a line.
pub(super) fn global(inputs: &[Shape]) -> Result<(Window, Shape)> {
    let shape = single(inputs)?;
    let [channels, spatial @ ..] = shape.as_slice() else {
        return Err(Kind::Shape.error("needs an input with channels"));
    };
    if spatial.is_empty() {
        return Err(Kind::Shape
            .error(format!("pools spatial axes away, but the input {} has none", show(shape))));
    }
    let axis =
        |n| Axis { input: n, kernel: n, stride: 1, dilation: 1, padding: [0; 2], ceil_mode: false };
    Ok((Window::new([axis(1), axis(spatial.iter().product())])?, vec![*channels]))
}

/// The mean over windows: the sum over each, times one over the number of cells that count. The sum
/// is a convolution of every plane by itself with a kernel of ones.
pub(super) struct WindowMean<B: Kernels> {
    window: Window,
    ones: Tensor<B>,
    /// One over the counts, (1, 1, height, width).
    weight: Weights<B>,
    input: Shape,
    output: Shape,
}

impl<B: Kernels> WindowMean<B> {
    pub(super) fn new(
        window: Window,
        include_padding: bool,
        input: &[usize],
        output: &[usize],
        context: &Context<B>,
    ) -> Result<Self> {
        let counts = |i: usize| -> Vec<usize> {
            let axis: Axis = window.0[i];
            (0..axis.output()).map(|o| axis.count(o, include_padding)).collect()
        };
        let (rows, columns) = (counts(0), counts(1));
        if rows.contains(&0) || columns.contains(&0) {
            return Err(
                Kind::Model.error("`padding` is so large that a window holds no cell of the input")
            );
        }
        let shares =
            rows.iter().flat_map(|r| columns.iter().map(move |c| 1.0 / (r * c) as f64)).collect();
        let shape = [1, 1, rows.len(), columns.len()];
        let weight = Weights::new(Tensor::from_vec::<f64>(shares, &shape, context.device));
        let [height, width] = window.kernels();
        let ones = Tensor::full(&[1, 1, height, width], 1.0, context.device);
        Ok(Self { window, ones, weight, input: input.to_vec(), output: output.to_vec() })
    }
}

impl<B: Kernels> WindowMean<B> {
    /// x with every channel as a row of its own.
    fn planes(&self, x: Tensor<B>, [height, width]: [usize; 2]) -> Tensor<B> {
        let rows = x.rows() * self.input[0];
        x.reshape(&[rows, 1, height, width])
    }
}

impl<B: Kernels> Affine<B> for WindowMean<B> {
    fn apply(&self, x: &[Tensor<B>], part: Part) -> Tensor<B> {
        let rows = x[0].rows();
        let x = self.planes(x[0].clone(), self.window.input()).into_primitive();
        let sums = B::conv(x, self.ones.clone().into_primitive(), &self.window, 1);
        (Tensor::from_primitive(sums) * self.weight.part(part))
            .reshape(&[&[rows], self.output.as_slice()].concat())
    }

    fn pullback(&self, s: Tensor<B>, part: Part) -> Vec<Tensor<B>> {
        let rows = s.rows();
        let s = self.planes(s, self.window.output()) * self.weight.part(part);
        let ones = self.ones.clone().into_primitive();
        let x = B::conv_pullback(s.into_primitive(), ones, &self.window, 1);
        vec![Tensor::from_primitive(x).reshape(&[&[rows], self.input.as_slice()].concat())]
    }
}
