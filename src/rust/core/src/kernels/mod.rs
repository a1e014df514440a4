//! The few hot operations, where a backend may bring a kernel of its own.
//!
//! [`Kernels`] extends burn's `Backend`. Its default bodies use burn's operations and serve every
//! device (wgpu takes them as they are); [`cpu`] replaces the ones that burn-ndarray computes slowly.

pub mod cpu;
#[cfg(feature = "gpu")]
pub mod gpu;
mod window;

use burn::tensor::backend::Backend;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions, FloatTensor, IntTensor};
use burn::tensor::TensorData;

pub use window::{check_cells, Axis, Window};

use crate::tensor::Tensor;

/// A burn backend with the operations that the engine needs to be fast.
pub trait Kernels: Backend {
    /// Where the kernels keep what they make of a weight. Every weight has one of its own, which starts
    /// empty, and is always used with the same window and groups.
    type Cache: Default;

    /// Data of the backend's float type as a tensor that can be cloned without a copy.
    fn tensor(data: TensorData, device: &Self::Device) -> FloatTensor<Self> {
        Self::float_from_data(data, device)
    }

    /// x Wᵀ + b, for x of shape (rows, inputs), W of shape (outputs, inputs) and b of shape (1, outputs).
    fn dense(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        _: &Self::Cache,
    ) -> FloatTensor<Self> {
        let y = Self::float_matmul(x, Self::float_transpose(weight));
        match bias {
            Some(bias) => Self::float_add(y, bias),
            None => y,
        }
    }

    /// s W, the adjoint of [`Kernels::dense`] in x.
    fn dense_pullback(
        s: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        _: &Self::Cache,
    ) -> FloatTensor<Self> {
        Self::float_matmul(s, weight)
    }

    /// Cross-correlation of x (rows, channels, height, width) with W (outputs, channels / groups,
    /// kernel height, kernel width), zero-padded as `window` says, and a bias (outputs), if any, added.
    fn conv(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        _: &Self::Cache,
        window: &Window,
        groups: usize,
    ) -> FloatTensor<Self> {
        let x = window.pad(Tensor::<Self>::from_primitive(x), 0.0).into_primitive();
        let options = ConvOptions::new(window.strides(), [0, 0], window.dilations(), groups);
        Self::conv2d(x, weight, bias, options)
    }

    /// The adjoint of [`Kernels::conv`] in x.
    fn conv_pullback(
        s: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        _: &Self::Cache,
        window: &Window,
        groups: usize,
    ) -> FloatTensor<Self> {
        // burn-wgpu 0.20 is wrong where the stride exceeds the kernel: zeros make the kernel larger.
        let (kernel, stride) = (window.kernels(), window.strides());
        let more = [0, 1].map(|i| stride[i].saturating_sub(kernel[i]));
        let weight = Tensor::<Self>::from_primitive(weight);
        let weight = weight.pad(&[0; 4], &[0, 0, more[0], more[1]], 0.0).into_primitive();
        let (dilation, remainder) = (window.dilations(), window.remainders());
        let options = ConvTransposeOptions::new(stride, [0, 0], remainder, dilation, groups);
        let x = Tensor::<Self>::from_primitive(Self::conv_transpose2d(s, weight, None, options));
        let (shape, [height, width]) = (x.shape(), window.padded());
        let padded = x.slice(&[0..shape[0], 0..shape[1], 0..height, 0..width]);
        window.crop(padded).into_primitive()
    }

    /// The maximum over each window and the position of its first occurrence, counted over the
    /// cells of the **padded** plane row by row.
    fn max_pool2d_winners(
        x: FloatTensor<Self>,
        window: &Window,
    ) -> (FloatTensor<Self>, IntTensor<Self>) {
        let x = window.pad(Tensor::<Self>::from_primitive(x), f64::NEG_INFINITY).into_primitive();
        let pooled = Self::max_pool2d_with_indices(
            x,
            window.kernels(),
            window.strides(),
            [0, 0],
            window.dilations(),
            false,
        );
        (pooled.output, pooled.indices)
    }
}
