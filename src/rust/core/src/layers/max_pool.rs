//! Max pooling, local and global.

use burn::tensor::ops::{FloatTensor, IntTensor};
use serde::Deserialize;

use super::avg_pool::{global, WindowMean};
use super::windows::{from_plane, plane, shared_out, Margins, Sliding};
use super::{show, Affine, Built, Context, Selection, Settings, Shape};
use crate::error::{Kind, Result};
use crate::kernels::{Kernels, Window};
use crate::tensor::Tensor;

/// The maximum over every window of `D` spatial axes.
#[derive(Debug, Clone, Deserialize)]
pub struct MaxPooling<const D: usize> {
    #[serde(default)]
    kernel_size: Vec<usize>,
    #[serde(default)]
    strides: Vec<usize>,
    /// The number of windows along every axis; kernel and strides follow from it.
    #[serde(default)]
    output_size: Vec<usize>,
    padding: Margins,
    dilation: Vec<usize>,
    ceil_mode: bool,
}

impl<const D: usize> Settings for MaxPooling<D> {
    fn build<B: Kernels>(&self, context: &Context<B>, inputs: &[Shape]) -> Result<Vec<Built<B>>> {
        let (channels, input) = plane::<D>(inputs)?;
        let shared = match self.output_size.is_empty() {
            true => None,
            false => Some(shared_out::<D>(input, &self.output_size)?.ok_or_else(|| {
                Kind::Model.error(format!(
                    "`output_size` = {:?} must divide the extents of the input {}",
                    self.output_size,
                    show(&inputs[0])
                ))
            })?),
        };
        let sliding = Sliding::<D> {
            kernel: shared.as_ref().unwrap_or(&self.kernel_size),
            stride: shared.as_ref().unwrap_or(&self.strides),
            dilation: &self.dilation,
            padding: &self.padding,
            ceil_mode: self.ceil_mode,
        };
        let window = sliding.over(input)?;
        let output = from_plane::<D>(channels, window.output());
        Ok(vec![Built::selection(WindowMax::new(window, &inputs[0], &output, context)?, output)])
    }
}

/// The maximum over all spatial axes, one value a channel.
#[derive(Debug, Clone, Deserialize)]
pub struct GlobalMax {}

impl Settings for GlobalMax {
    fn build<B: Kernels>(&self, context: &Context<B>, inputs: &[Shape]) -> Result<Vec<Built<B>>> {
        let (window, output) = global(inputs)?;
        Ok(vec![Built::selection(WindowMax::new(window, &inputs[0], &output, context)?, output)])
    }
}

struct WindowMax<B: Kernels> {
    window: Window,
    average: WindowMean<B>,
    input: Shape,
    output: Shape,
}

impl<B: Kernels> WindowMax<B> {
    fn new(
        window: Window,
        input: &[usize],
        output: &[usize],
        context: &Context<B>,
    ) -> Result<Self> {
        let average = WindowMean::new(window, false, input, output, context)?;
        Ok(Self { window, average, input: input.to_vec(), output: output.to_vec() })
    }

    /// The maxima, and where they lie in the padded plane.
    fn maxima(&self, x: &Tensor<B>) -> (FloatTensor<B>, IntTensor<B>) {
        let [height, width] = self.window.input();
        let planes = x.clone().reshape_rows(&[self.input[0], height, width]);
        B::max_pool2d_winners(planes.into_primitive(), &self.window)
    }

    /// The places of the maxima for `rows` rows: those of a sample hold for all of its rows.
    fn winners(&self, x: &Tensor<B>, rows: usize) -> IntTensor<B> {
        let (_, winners) = self.maxima(x);
        let (channels, cells) = (self.input[0], self.cells());
        let winners = B::int_reshape(winners, vec![x.rows(), 1, channels * cells].into());
        let stretched = vec![x.rows(), rows / x.rows(), channels * cells];
        let winners = B::int_expand(winners, stretched.into());
        B::int_reshape(winners, vec![rows, channels, cells].into())
    }

    /// The number of windows.
    fn cells(&self) -> usize {
        self.window.output().iter().product()
    }
}

impl<B: Kernels> Selection<B> for WindowMax<B> {
    fn apply(&self, x: &Tensor<B>) -> Tensor<B> {
        Tensor::from_primitive(self.maxima(x).0).reshape_rows(&self.output)
    }

    fn pick(&self, values: &Tensor<B>, x: &Tensor<B>) -> Tensor<B> {
        let (rows, channels) = (values.rows(), self.input[0]);
        let [height, width] = self.window.input();
        let padded = self.window.pad(values.clone().reshape_rows(&[channels, height, width]), 0.0);
        let cells = self.window.padded().iter().product();
        let picked = padded.reshape(&[rows, channels, cells]).gather(2, self.winners(x, rows));
        picked.reshape_rows(&self.output)
    }

    fn pullback(&self, s: Tensor<B>, x: &Tensor<B>) -> Tensor<B> {
        let (rows, channels) = (s.rows(), self.input[0]);
        let [height, width] = self.window.padded();
        let s = s.reshape(&[rows, channels, self.cells()]);
        let padded = s.scatter(2, self.winners(x, rows), height * width);
        self.window.crop(padded.reshape(&[rows, channels, height, width])).reshape_rows(&self.input)
    }

    fn average(&self) -> &dyn Affine<B> {
        &self.average
    }
}
