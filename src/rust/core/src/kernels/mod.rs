//! The few hot operations, where a backend may bring a kernel of its own.
//!
//! [`Kernels`] extends burn's `Backend`. Its default bodies use burn's operations and serve every
//! device (wgpu takes them as they are); [`cpu`] replaces the ones that burn-ndarray computes slowly.

pub mod cpu;
mod elementwise;
#[cfg(feature = "gpu")]
pub mod gpu;
mod pool;
mod window;

use burn::tensor::backend::Backend;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions, FloatTensor, IntTensor};
use burn::tensor::{ElementConversion, TensorData};

pub use window::{check_cells, Axis, Window};

use crate::layers::Part;
use crate::model::Shared;
use crate::tensor::Tensor;

/// A burn backend with the operations that the engine needs to be fast.
pub trait Kernels: Backend {
    /// Where the kernels keep what they make of a weight. Every weight has one of its own, which starts
    /// empty, and is always used with the same window and groups.
    type Cache: Default + Send + Sync;

    /// Bytes that the signals of a walk back may take to be at its fastest. By default all rows are best
    /// taken at once.
    const WORKING_SET: usize = usize::MAX;

    /// A tensor over single-precision values in row-major order where they lie, if the backend can read
    /// them there.
    fn tensor_in_place(_bytes: &Shared, _shape: &[usize]) -> Option<FloatTensor<Self>> {
        None
    }

    /// Data of the backend's float type as a tensor that can be cloned without a copy.
    fn tensor(data: TensorData, device: &Self::Device) -> FloatTensor<Self> {
        Self::float_from_data(data, device)
    }

    /// Takes back a tensor that nothing needs any more.
    fn recycle(tensor: FloatTensor<Self>) {
        drop(tensor);
    }

    /// The same values in row-major order in another shape.
    fn reshape(tensor: FloatTensor<Self>, shape: &[usize]) -> FloatTensor<Self> {
        Self::float_reshape(tensor, shape.to_vec().into())
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

    /// x Pᵀ with a part P of large weights, of which nothing is kept.
    fn dense_part(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        part: Part,
    ) -> FloatTensor<Self> {
        let part = part.of(Tensor::<Self>::from_primitive(weight)).into_primitive();
        Self::dense(x, part, None, &Default::default())
    }

    /// s P, the adjoint of [`Kernels::dense_part`] in x.
    fn dense_part_pullback(
        s: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        part: Part,
    ) -> FloatTensor<Self> {
        let part = part.of(Tensor::<Self>::from_primitive(weight)).into_primitive();
        Self::dense_pullback(s, part, &Default::default())
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

    /// The maximum over each window of x (rows, channels, height, width); padding never wins.
    fn max_pool(x: FloatTensor<Self>, window: &Window) -> FloatTensor<Self> {
        maxima::<Self>(x, window).0
    }

    /// The adjoint of [`Kernels::max_pool`] at x: hands every cell of s to the first winner of its
    /// window. x has one row a sample.
    fn max_pool_pullback(
        s: FloatTensor<Self>,
        x: FloatTensor<Self>,
        window: &Window,
    ) -> FloatTensor<Self> {
        let s = Tensor::<Self>::from_primitive(s);
        let [rows, channels, height, width] = extents(&s);
        let winners = winners::<Self>(x, rows, window);
        let ([padded_height, padded_width], windows) = (window.padded(), height * width);
        let padded = s.reshape(&[rows, channels, windows]);
        let padded = padded.scatter(2, winners, padded_height * padded_width);
        let padded = padded.reshape(&[rows, channels, padded_height, padded_width]);
        window.crop(padded).into_primitive()
    }

    /// The cells of `values` in the places of the first winners of the windows over x, which has one
    /// row a sample.
    fn max_pool_pick(
        values: FloatTensor<Self>,
        x: FloatTensor<Self>,
        window: &Window,
    ) -> FloatTensor<Self> {
        let padded = window.pad(Tensor::<Self>::from_primitive(values), 0.0);
        let [rows, channels, height, width] = extents(&padded);
        let [output_height, output_width] = window.output();
        let padded = padded.reshape(&[rows, channels, height * width]);
        let picked = padded.gather(2, winners::<Self>(x, rows, window));
        picked.reshape(&[rows, channels, output_height, output_width]).into_primitive()
    }

    /// a ∘ b for every cell; axes of extent 1 are stretched.
    fn arithmetic(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        operation: Arithmetic,
    ) -> FloatTensor<Self> {
        match operation {
            Arithmetic::Add => Self::float_add(a, b),
            Arithmetic::Sub => Self::float_sub(a, b),
            Arithmetic::Mul => Self::float_mul(a, b),
            Arithmetic::Div => Self::float_div(a, b),
        }
    }

    /// x + a.
    fn add_scalar(x: FloatTensor<Self>, a: f64) -> FloatTensor<Self> {
        Self::float_add_scalar(x, a.elem())
    }

    /// a · x.
    fn scale(x: FloatTensor<Self>, a: f64) -> FloatTensor<Self> {
        Self::float_mul_scalar(x, a.elem())
    }

    /// s ⊙ x, x having one row a sample and s any whole number of rows a sample.
    fn mul_samples(s: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        broadcast::<Self>(s, x, Self::float_mul)
    }

    /// s / x, x having one row a sample and s any whole number of rows a sample.
    fn div_samples(s: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        broadcast::<Self>(s, x, Self::float_div)
    }

    /// z + sgn(z) ε, and δ where z is zero.
    fn stabilize(z: FloatTensor<Self>, epsilon: f64, delta: f64) -> FloatTensor<Self> {
        let z = Tensor::<Self>::from_primitive(z);
        let shifted = z.clone() + z.sign().scale(epsilon);
        // Where z is zero so is the shifted value; elsewhere it has moved away from zero.
        shifted.fill_zeros(delta).into_primitive()
    }

    /// The rectifier of every cell.
    fn rectify(x: FloatTensor<Self>, rectifier: &Rectifier) -> FloatTensor<Self> {
        rectifier.value(Tensor::<Self>::from_primitive(x)).into_primitive()
    }

    /// s times the derivative of the rectifier at x, which has one row a sample.
    fn rectify_pullback(
        s: FloatTensor<Self>,
        x: FloatTensor<Self>,
        rectifier: &Rectifier,
    ) -> FloatTensor<Self> {
        let slope = rectifier.derivative(Tensor::<Self>::from_primitive(x));
        Self::mul_samples(s, slope.into_primitive())
    }

    /// Δy / Δx of the rectifier, and its derivative in the middle where |Δx| is at most `delta`. One
    /// of x and the reference may have one row only.
    fn rectify_secant(
        x: FloatTensor<Self>,
        reference: FloatTensor<Self>,
        rectifier: &Rectifier,
        delta: f64,
    ) -> FloatTensor<Self> {
        let (x, reference) = (Tensor::from_primitive(x), Tensor::from_primitive(reference));
        let y: [Tensor<Self>; 2] = [&x, &reference].map(|x| rectifier.value(x.clone()));
        let [y, at_reference] = y;
        let (dx, dy) = (x.clone() - reference.clone(), y - at_reference);
        let slope = rectifier.derivative((x + reference).scale(0.5));
        let apart = dx.clone().abs().above(delta);
        slope.where_one(apart, dy / dx.fill_zeros(1.0)).into_primitive()
    }

    /// Whether any value lies below zero.
    fn any_negative(x: FloatTensor<Self>) -> bool {
        let any = Self::bool_any(Self::float_lower_elem(x, 0.0.elem()));
        Tensor::<Self>::from_primitive(Self::bool_into_float(any)).into_vec()[0] > 0.0
    }
}

/// An operation ∘ on two numbers.
#[derive(Debug, Clone, Copy)]
pub enum Arithmetic {
    /// a + b.
    Add,
    /// a - b.
    Sub,
    /// a · b.
    Mul,
    /// a / b.
    Div,
}

/// x above the threshold t, slope · (x - t) below, and at most `max`; the derivative at t is the slope.
#[derive(Debug, Clone, Copy)]
pub struct Rectifier {
    /// The slope below the threshold.
    pub slope: f64,
    /// The threshold.
    pub threshold: f64,
    /// The largest value.
    pub max: f64,
}

impl Rectifier {
    fn value<B: Kernels>(&self, x: Tensor<B>) -> Tensor<B> {
        let y = match (self.slope, self.threshold) {
            (0.0, 0.0) => x.positive(),
            (slope, threshold) => {
                let below = x.clone().add_scalar(-threshold).scale(slope);
                below.where_one(x.clone().above(threshold), x)
            }
        };
        if self.max.is_finite() {
            y.at_most(self.max)
        } else {
            y
        }
    }

    fn derivative<B: Kernels>(&self, x: Tensor<B>) -> Tensor<B> {
        let slope = x.clone().above(self.threshold).scale(1.0 - self.slope).add_scalar(self.slope);
        if self.max.is_finite() {
            slope * x.scale(-1.0).above(-self.max)
        } else {
            slope
        }
    }
}

fn extents<B: Kernels>(planes: &Tensor<B>) -> [usize; 4] {
    planes.shape().try_into().unwrap_or_else(|shape| panic!("not planes: {shape:?}"))
}

/// The maximum over each window and the position of its first occurrence, counted over the cells of
/// the padded plane row by row.
fn maxima<B: Kernels>(x: FloatTensor<B>, window: &Window) -> (FloatTensor<B>, IntTensor<B>) {
    let x = window.pad(Tensor::<B>::from_primitive(x), f64::NEG_INFINITY).into_primitive();
    let (kernel, stride, dilation) = (window.kernels(), window.strides(), window.dilations());
    let pooled = B::max_pool2d_with_indices(x, kernel, stride, [0, 0], dilation, false);
    (pooled.output, pooled.indices)
}

/// The positions of the maxima for `rows` rows, (rows, channels, windows): those of a sample hold for
/// all of its rows.
fn winners<B: Kernels>(x: FloatTensor<B>, rows: usize, window: &Window) -> IntTensor<B> {
    let (y, winners) = maxima::<B>(x, window);
    let [samples, channels, height, width] = extents(&Tensor::<B>::from_primitive(y));
    let cells = channels * height * width;
    let winners = B::int_reshape(winners, vec![samples, 1, cells].into());
    let winners = B::int_expand(winners, vec![samples, rows / samples, cells].into());
    B::int_reshape(winners, vec![rows, channels, height * width].into())
}

/// `op` of s and x, x having one row a sample and s any whole number of rows a sample.
fn broadcast<B: Kernels>(
    s: FloatTensor<B>,
    x: FloatTensor<B>,
    op: fn(FloatTensor<B>, FloatTensor<B>) -> FloatTensor<B>,
) -> FloatTensor<B> {
    let (s, x) = (Tensor::<B>::from_primitive(s), Tensor::<B>::from_primitive(x));
    let (shape, samples) = (s.shape(), x.rows());
    if shape[0] == samples {
        return op(s.into_primitive(), x.into_primitive());
    }
    let cells: usize = shape[1..].iter().product();
    let s = s.reshape(&[samples, shape[0] / samples, cells]).into_primitive();
    let x = x.reshape(&[samples, 1, cells]).into_primitive();
    Tensor::<B>::from_primitive(op(s, x)).reshape(&shape).into_primitive()
}
