//! [`Tensor`]: a thin wrapper of burn's backend primitives whose rank is a run-time value.
//!
//! burn's own `Tensor<B, D>` fixes the rank at compile time, which a graph of mixed ranks cannot do.
//! Everything the engine asks of a backend goes through this file and [`crate::kernels`].
//!
//! The first axis of every tensor counts **rows**. Activations have one row a sample; signals that
//! travel backwards have one row for every (sample, target) pair, the targets of a sample adjacent.

use std::sync::Arc;

use burn::tensor::ops::{FloatElem, FloatTensor, IntTensor};
use burn::tensor::{DType, Element, ElementConversion, Shape, Slice, TensorData, TensorMetadata};

use crate::kernels::cpu::keep;
use crate::kernels::{Arithmetic, Kernels, Rectifier};

/// A tensor of run-time rank on backend `B`. Cloning shares the storage, which the backend's kernels get
/// back with the last clone.
#[derive(Debug)]
pub struct Tensor<B: Kernels>(Arc<Held<B>>);

impl<B: Kernels> Clone for Tensor<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// A primitive of the backend, until it is taken out.
#[derive(Debug)]
struct Held<B: Kernels>(Option<FloatTensor<B>>);

impl<B: Kernels> Drop for Held<B> {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(B::recycle);
    }
}

/// A number in the precision of a backend.
pub fn elem<B: Kernels>(value: f64) -> FloatElem<B> {
    value.elem()
}

fn dtype<B: Kernels>() -> DType {
    FloatElem::<B>::dtype()
}

/// The largest number that a backend can hold.
pub fn largest<B: Kernels>() -> f64 {
    match dtype::<B>() {
        DType::F64 => f64::MAX,
        _ => f32::MAX.into(),
    }
}

/// The values of a tensor.
#[derive(Debug)]
pub enum Values {
    /// In single precision.
    Single(Vec<f32>),
    /// In double precision.
    Double(Vec<f64>),
}

impl Values {
    /// Leaves the memory to other results.
    pub fn recycle(self) {
        match self {
            Self::Single(values) => keep(values),
            Self::Double(values) => keep(values),
        }
    }
}

impl<B: Kernels> Tensor<B> {
    /// Row-major `data` as a tensor of the given shape.
    pub fn from_vec<E: Element>(data: Vec<E>, shape: &[usize], device: &B::Device) -> Self {
        let data: Vec<B::FloatElem> = data.into_iter().map(ElementConversion::elem).collect();
        Self::from_primitive(B::tensor(TensorData::new(data, shape.to_vec()), device))
    }

    /// A tensor filled with one value.
    pub fn full(shape: &[usize], value: f64, device: &B::Device) -> Self {
        Self::from_primitive(B::float_full(
            shape.to_vec().into(),
            elem::<B>(value),
            device,
            dtype::<B>().into(),
        ))
    }

    /// The values in row-major order.
    pub fn into_vec(self) -> Vec<f64> {
        match self.into_values() {
            Values::Single(values) => values.into_iter().map(f64::from).collect(),
            Values::Double(values) => values,
        }
    }

    /// The values in row-major order, in the precision of the backend.
    pub fn into_values(self) -> Values {
        let data = burn::tensor::read_sync(B::float_into_data(self.into_primitive()));
        // A backend that cannot be read has lost its device: nothing sensible is left to do, and the
        // caller turns the panic into an error.
        let data = data.unwrap_or_else(|e| panic!("the device returned no data: {e:?}"));
        let values = match data.dtype {
            DType::F64 => data.into_vec().map(Values::Double),
            _ => data.into_vec().map(Values::Single),
        };
        values.unwrap_or_else(|e| panic!("not a float tensor: {e:?}"))
    }

    /// Wraps a primitive of the backend.
    pub fn from_primitive(primitive: FloatTensor<B>) -> Self {
        Self(Arc::new(Held(Some(primitive))))
    }

    /// The primitive of the backend.
    pub fn into_primitive(self) -> FloatTensor<B> {
        match Arc::try_unwrap(self.0) {
            Ok(mut held) => held.0.take(),
            Err(shared) => shared.0.clone(),
        }
        .expect("a tensor has its primitive until it is taken apart")
    }

    fn primitive(&self) -> &FloatTensor<B> {
        self.0 .0.as_ref().expect("a tensor has its primitive until it is taken apart")
    }

    /// The extents of all axes, rows first.
    pub fn shape(&self) -> Vec<usize> {
        self.primitive().shape().dims
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.shape()[0]
    }

    /// The device that holds the values.
    pub fn device(&self) -> B::Device {
        B::float_device(self.primitive())
    }

    fn map(self, f: impl FnOnce(FloatTensor<B>) -> FloatTensor<B>) -> Self {
        Self::from_primitive(f(self.into_primitive()))
    }

    /// The same values in another shape.
    pub fn reshape(self, shape: &[usize]) -> Self {
        if self.shape() == shape {
            return self;
        }
        self.map(|t| B::reshape(t, shape))
    }

    /// The same rows, each of another shape.
    pub fn reshape_rows(self, row: &[usize]) -> Self {
        let mut shape = vec![self.rows()];
        shape.extend(row);
        self.reshape(&shape)
    }

    /// Reorders the axes; axis `i` of the result is axis `axes[i]` of `self`.
    pub fn permute(self, axes: &[usize]) -> Self {
        self.map(|t| B::float_permute(t, axes))
    }

    /// The sub-tensor of the given ranges, one an axis.
    pub fn slice(self, ranges: &[std::ops::Range<usize>]) -> Self {
        let slices: Vec<Slice> = ranges.iter().cloned().map(Slice::from).collect();
        self.map(|t| B::float_slice(t, &slices))
    }

    /// The sub-tensor that takes `range` of one axis and all of the others.
    pub fn narrow(self, axis: usize, range: std::ops::Range<usize>) -> Self {
        let mut ranges: Vec<_> = self.shape().into_iter().map(|n| 0..n).collect();
        if ranges[axis] == range {
            return self;
        }
        ranges[axis] = range;
        self.slice(&ranges)
    }

    /// `self` set into a tensor filled with `value`, with `before` and `after` cells added on each axis.
    pub fn pad(self, before: &[usize], after: &[usize], value: f64) -> Self {
        let inner = self.shape();
        let outer: Vec<usize> =
            inner.iter().zip(before).zip(after).map(|((n, b), a)| n + b + a).collect();
        if outer == inner {
            return self;
        }
        let slices: Vec<Slice> =
            inner.iter().zip(before).map(|(n, b)| Slice::from(*b..b + n)).collect();
        Self::full(&outer, value, &self.device())
            .map(|full| B::float_slice_assign(full, &slices, self.into_primitive()))
    }

    /// Cells `indices` of one axis, in that order; cells may repeat.
    pub fn select(self, axis: usize, indices: &[usize]) -> Self {
        let indices = Self::indices(indices, &self.device());
        self.map(|t| B::float_select(t, axis, indices))
    }

    /// The adjoint of [`Tensor::select`]: adds the cells of `self` up in an axis of `extent` cells.
    pub fn select_adjoint(self, axis: usize, indices: &[usize], extent: usize) -> Self {
        let mut shape = self.shape();
        shape[axis] = extent;
        let device = self.device();
        let indices = Self::indices(indices, &device);
        Self::full(&shape, 0.0, &device)
            .map(|zeros| B::float_select_add(zeros, axis, indices, self.into_primitive()))
    }

    /// The cells at the given positions of an axis; the adjoint of [`Tensor::scatter`].
    pub fn gather(self, axis: usize, positions: IntTensor<B>) -> Self {
        self.map(|t| B::float_gather(axis, t, positions))
    }

    /// Adds the cells of `self` up at the given positions of an axis of `extent` cells.
    pub fn scatter(self, axis: usize, positions: IntTensor<B>, extent: usize) -> Self {
        let mut shape = self.shape();
        shape[axis] = extent;
        Self::full(&shape, 0.0, &self.device())
            .map(|zeros| B::float_scatter_add(axis, zeros, positions, self.into_primitive()))
    }

    fn indices(indices: &[usize], device: &B::Device) -> IntTensor<B> {
        let data: Vec<B::IntElem> = indices.iter().map(|&i| (i as i64).elem()).collect();
        B::int_from_data(TensorData::new(data, [indices.len()]), device)
    }

    /// Joins tensors along an axis.
    pub fn concatenate(parts: &[Self], axis: usize) -> Self {
        Self::from_primitive(B::float_cat(
            parts.iter().map(|p| p.primitive().clone()).collect(),
            axis,
        ))
    }

    /// Repeats every row `times` times, the copies adjacent.
    pub fn repeat_rows(self, times: usize) -> Self {
        if times == 1 {
            return self;
        }
        let shape = self.shape();
        let (rows, cells) = (shape[0], shape[1..].iter().product());
        let mut repeated = shape;
        repeated[0] *= times;
        self.reshape(&[rows, 1, cells])
            .map(|t| B::float_expand(t, Shape::from(vec![rows, times, cells])))
            .reshape(&repeated)
    }

    /// Repeats the whole tensor `times` times, one copy after the other.
    pub fn tile_rows(self, times: usize) -> Self {
        if times == 1 {
            return self;
        }
        let shape = self.shape();
        let (rows, cells) = (shape[0], shape[1..].iter().product());
        let mut tiled = shape;
        tiled[0] *= times;
        self.reshape(&[1, rows, cells])
            .map(|t| B::float_expand(t, Shape::from(vec![times, rows, cells])))
            .reshape(&tiled)
    }

    /// Sums over the copies of every sample: rows (samples, copies, targets) become (samples,
    /// targets).
    pub fn sum_copies(self, copies: usize, targets: usize) -> Self {
        if copies == 1 {
            return self;
        }
        let mut shape = self.shape();
        let samples = shape[0] / (copies * targets);
        let cells: usize = shape[1..].iter().product();
        shape[0] = samples * targets;
        self.reshape(&[samples, copies, targets * cells]).sum_axis(1).reshape(&shape)
    }

    /// The sum of every row, of shape (rows, 1).
    pub fn row_sums(self) -> Self {
        let cells = self.shape()[1..].iter().product();
        self.reshape_rows(&[cells]).sum_axis(1)
    }

    /// `self * other`, `other` having one row a sample (see [`Tensor`] for rows).
    pub fn mul_samples(self, other: &Self) -> Self {
        self.map(|t| B::mul_samples(t, other.primitive().clone()))
    }

    /// `self / other`, `other` having one row a sample.
    pub fn div_samples(self, other: &Self) -> Self {
        self.map(|t| B::div_samples(t, other.primitive().clone()))
    }

    /// Sums along an axis, which stays with extent 1.
    pub fn sum_axis(self, axis: usize) -> Self {
        self.reduce(axis, B::float_sum_dim)
    }

    /// The largest value along an axis, which stays with extent 1.
    pub fn max_axis(self, axis: usize) -> Self {
        self.reduce(axis, B::float_max_dim)
    }

    fn reduce(self, axis: usize, f: impl FnOnce(FloatTensor<B>, usize) -> FloatTensor<B>) -> Self {
        let mut shape = self.shape();
        let before = shape[..axis].iter().product();
        let after = shape[axis + 1..].iter().product();
        let extent = std::mem::replace(&mut shape[axis], 1);
        // burn-wgpu 0.20 reduces permuted tensors wrongly; reshaping brings them in order. ndarray is
        // slow where an axis of one cell comes last.
        let lines = [before, extent, after];
        self.reshape(if after == 1 { &lines[..2] } else { &lines }).map(|t| f(t, 1)).reshape(&shape)
    }

    /// z + sgn(z) ε, and δ where z is zero.
    pub fn stabilize(self, epsilon: f64, delta: f64) -> Self {
        self.map(|t| B::stabilize(t, epsilon, delta))
    }

    /// The rectifier of every cell.
    pub fn rectify(self, rectifier: &Rectifier) -> Self {
        self.map(|t| B::rectify(t, rectifier))
    }

    /// `self` times the derivative of the rectifier at x, which has one row a sample.
    pub fn rectify_pullback(self, x: &Self, rectifier: &Rectifier) -> Self {
        self.map(|t| B::rectify_pullback(t, x.primitive().clone(), rectifier))
    }

    /// See [`Kernels::rectify_secant`].
    pub fn rectify_secant(&self, reference: &Self, rectifier: &Rectifier, delta: f64) -> Self {
        Self::from_primitive(B::rectify_secant(
            self.primitive().clone(),
            reference.primitive().clone(),
            rectifier,
            delta,
        ))
    }

    /// max(x, 0).
    pub fn positive(self) -> Self {
        self.map(|t| B::float_clamp_min(t, elem::<B>(0.0)))
    }

    /// min(x, 0).
    pub fn negative(self) -> Self {
        self.map(|t| B::float_clamp_max(t, elem::<B>(0.0)))
    }

    /// min(x, bound).
    pub fn at_most(self, bound: f64) -> Self {
        self.map(|t| B::float_clamp_max(t, elem::<B>(bound)))
    }

    /// The nearest value between the bounds.
    pub fn between(self, lower: f64, upper: f64) -> Self {
        self.map(|t| B::float_clamp(t, elem::<B>(lower), elem::<B>(upper)))
    }

    /// The absolute value.
    pub fn abs(self) -> Self {
        self.map(B::float_abs)
    }

    /// 1 where x > bound, 0 elsewhere.
    pub fn above(self, bound: f64) -> Self {
        self.map(|t| B::bool_into_float(B::float_greater_elem(t, elem::<B>(bound))))
    }

    /// 1 where the values are equal, 0 elsewhere; axes of extent 1 are stretched.
    pub fn equal_to(self, other: Self) -> Self {
        self.map(|t| B::bool_into_float(B::float_equal(t, other.into_primitive())))
    }

    /// `value` where `condition` holds one, `self` elsewhere.
    pub fn where_one(self, condition: Self, value: Self) -> Self {
        let mask = B::float_greater_elem(condition.into_primitive(), elem::<B>(0.5));
        self.map(|t| B::float_mask_where(t, mask, value.into_primitive()))
    }

    /// -1, 0 or 1, by the sign of x.
    pub fn sign(self) -> Self {
        self.map(B::float_sign)
    }

    /// `value` where x = 0, x elsewhere.
    pub fn fill_zeros(self, value: f64) -> Self {
        self.map(|t| {
            let mask = B::float_equal_elem(t.clone(), elem::<B>(0.0));
            B::float_mask_fill(t, mask, elem::<B>(value))
        })
    }

    /// eˣ.
    pub fn exp(self) -> Self {
        self.map(B::float_exp)
    }

    /// log(x).
    pub fn log(self) -> Self {
        self.map(B::float_log)
    }

    /// 1 / x.
    pub fn recip(self) -> Self {
        self.map(B::float_recip)
    }

    /// √x.
    pub fn sqrt(self) -> Self {
        self.map(B::float_sqrt)
    }

    /// The error function.
    pub fn erf(self) -> Self {
        self.map(B::float_erf)
    }

    /// log(1 + x).
    pub fn log1p(self) -> Self {
        self.map(B::float_log1p)
    }

    /// The hyperbolic tangent.
    pub fn tanh(self) -> Self {
        self.map(B::float_tanh)
    }

    /// x + a.
    pub fn add_scalar(self, a: f64) -> Self {
        self.map(|t| B::add_scalar(t, a))
    }

    /// a · x.
    pub fn scale(self, a: f64) -> Self {
        if a == 1.0 {
            return self;
        }
        self.map(|t| B::scale(t, a))
    }

    /// Whether any value lies below zero.
    pub fn any_negative(&self) -> bool {
        B::any_negative(self.primitive().clone())
    }
}

macro_rules! operator {
    ($trait:ident, $method:ident) => {
        /// Element by element; axes of extent 1 are stretched.
        impl<B: Kernels> std::ops::$trait for Tensor<B> {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                Self::from_primitive(B::arithmetic(
                    self.into_primitive(),
                    other.into_primitive(),
                    Arithmetic::$trait,
                ))
            }
        }
    };
}
operator!(Add, add);
operator!(Sub, sub);
operator!(Mul, mul);
operator!(Div, div);
