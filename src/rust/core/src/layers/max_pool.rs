//! Max pooling, local and global.

use burn::tensor::ops::FloatTensor;
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

    /// Rows of planes of the given extents.
    fn planes(&self, x: Tensor<B>, [height, width]: [usize; 2]) -> FloatTensor<B> {
        x.reshape_rows(&[self.input[0], height, width]).into_primitive()
    }
}

impl<B: Kernels> Selection<B> for WindowMax<B> {
    fn apply(&self, x: &Tensor<B>) -> Tensor<B> {
        let x = self.planes(x.clone(), self.window.input());
        Tensor::from_primitive(B::max_pool(x, &self.window)).reshape_rows(&self.output)
    }

    fn pick(&self, values: &Tensor<B>, x: &Tensor<B>) -> Tensor<B> {
        let [values, x] = [values, x].map(|t| self.planes(t.clone(), self.window.input()));
        let picked = B::max_pool_pick(values, x, &self.window);
        Tensor::from_primitive(picked).reshape_rows(&self.output)
    }

    fn pullback(&self, s: Tensor<B>, x: &Tensor<B>) -> Tensor<B> {
        let s = self.planes(s, self.window.output());
        let x = self.planes(x.clone(), self.window.input());
        Tensor::from_primitive(B::max_pool_pullback(s, x, &self.window)).reshape_rows(&self.input)
    }

    fn average(&self) -> &dyn Affine<B> {
        &self.average
    }
}
