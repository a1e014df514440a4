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

pub use window::{check_cells, Axis, Window};

use crate::tensor::Tensor;

/// A burn backend with the operations that the engine needs to be fast.
pub trait Kernels: Backend {
    /// x Wᵀ, for x of shape (rows, inputs) and W of shape (outputs, inputs).
    fn dense(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_matmul(x, Self::float_transpose(weight))
    }

    /// s W, the adjoint of [`Kernels::dense`].
    fn dense_pullback(s: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_matmul(s, weight)
    }

    /// Cross-correlation of x (rows, channels, height, width) with W (outputs, channels / groups,
    /// kernel height, kernel width), zero-padded as `window` says.
    fn conv(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        window: &Window,
        groups: usize,
    ) -> FloatTensor<Self> {
        let x = window.pad(Tensor::<Self>::from_primitive(x), 0.0).into_primitive();
        let options = ConvOptions::new(window.strides(), [0, 0], window.dilations(), groups);
        Self::conv2d(x, weight, None, options)
    }

    /// The adjoint of [`Kernels::conv`] in x.
    fn conv_pullback(
        s: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        window: &Window,
        groups: usize,
    ) -> FloatTensor<Self> {
        let options = ConvTransposeOptions::new(
            window.strides(),
            [0, 0],
            window.remainders(),
            window.dilations(),
            groups,
        );
        let padded = Self::conv_transpose2d(s, weight, None, options);
        window.crop(Tensor::<Self>::from_primitive(padded)).into_primitive()
    }

    /// The sum over each window of x (rows, channels, height, width), padding counting zero.
    fn sum_pool2d(x: FloatTensor<Self>, window: &Window) -> FloatTensor<Self> {
        let x = window.pad(Tensor::<Self>::from_primitive(x), 0.0).into_primitive();
        let kernel = window.kernels();
        let mean = Self::avg_pool2d(x, kernel, window.strides(), [0, 0], true, false);
        Tensor::<Self>::from_primitive(mean).scale((kernel[0] * kernel[1]) as f64).into_primitive()
    }

    /// The adjoint of [`Kernels::sum_pool2d`].
    fn sum_pool2d_pullback(s: FloatTensor<Self>, window: &Window) -> FloatTensor<Self> {
        let s = Tensor::<Self>::from_primitive(s);
        let shape = s.shape();
        let [height, width] = window.padded();
        let like = Tensor::<Self>::full(&[shape[0], shape[1], height, width], 0.0, &s.device());
        let kernel = window.kernels();
        let spread = Self::avg_pool2d_backward(
            like.into_primitive(),
            s.scale((kernel[0] * kernel[1]) as f64).into_primitive(),
            kernel,
            window.strides(),
            [0, 0],
            true,
            false,
        );
        window.crop(Tensor::<Self>::from_primitive(spread)).into_primitive()
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
