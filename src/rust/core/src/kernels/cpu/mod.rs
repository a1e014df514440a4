//! Kernels for the CPU on top of `ndarray` storage, in place of burn-ndarray's loops: products of small
//! matrices by vectors of the processor at hand, spread over threads.
//!

// Plain loops by index: iterators and closures may be left out of line, where they are not compiled for
// the processor at hand.
#![allow(clippy::needless_range_loop, clippy::manual_memcpy)]

mod conv;
mod copy;
mod dense;
mod shelf;
mod simd;
mod tasks;
mod threads;
mod winograd;
mod winograd_small;

use std::sync::OnceLock;

use burn::tensor::ops::FloatTensorOps;
use burn::tensor::{AllocationProperty, Bytes, DType, ElementConversion, TensorData};
use burn_ndarray::{FloatNdArrayElement, NdArray, NdArrayTensor, SharedArray};
use ndarray::{ArrayD, ArrayView2, ArrayView4, ArrayViewD, CowArray, Ix2, Ix4, IxDyn};

pub(super) use copy::copy;
pub(crate) use shelf::keep;
pub(super) use shelf::room;
pub use shelf::{release_memory, set_memory};
pub(super) use simd::Lanes;
pub use threads::{in_parallel, set_threads};
pub(super) use threads::{spread, threads};

use super::elementwise::{both, combine, each, map, pairs, with_samples, Rectify};
use super::{pool, Arithmetic, Kernels, Rectifier, Window};
use crate::layers::Part;
use crate::model::Shared;

/// Multiplications below which a second thread costs more than it brings.
const WORTH_A_THREAD: usize = 1 << 19;

/// A float type of the ndarray backend.
pub trait Float: FloatNdArrayElement + simd::Lanes + PartialOrd
where
    NdArrayTensor: From<SharedArray<Self>>,
{
    /// The storage of a tensor, without a copy.
    fn view(tensor: &NdArrayTensor) -> ArrayViewD<'_, Self>;
    /// The storage itself.
    fn shared(tensor: NdArrayTensor) -> SharedArray<Self>;
    /// Whether the storage is an array that no other tensor has.
    fn is_unique(tensor: &NdArrayTensor) -> bool;
}

macro_rules! float {
    ($type:ty, $variant:ident) => {
        impl Float for $type {
            fn view(tensor: &NdArrayTensor) -> ArrayViewD<'_, Self> {
                match tensor {
                    NdArrayTensor::$variant(storage) => storage.view(),
                    other => panic!("a tensor of another type: {other:?}"),
                }
            }

            fn shared(tensor: NdArrayTensor) -> SharedArray<Self> {
                match tensor {
                    NdArrayTensor::$variant(storage) => storage.into_shared(),
                    other => panic!("a tensor of another type: {other:?}"),
                }
            }

            fn is_unique(tensor: &NdArrayTensor) -> bool {
                matches!(tensor, NdArrayTensor::$variant(storage) if storage.is_unique())
            }
        }
    };
}
float!(f32, F32);
float!(f64, F64);

fn matrix<E: Float>(tensor: &NdArrayTensor) -> ArrayView2<'_, E>
where
    NdArrayTensor: From<SharedArray<E>>,
{
    E::view(tensor).into_dimensionality::<Ix2>().unwrap_or_else(|e| panic!("not a matrix: {e}"))
}

pub(super) fn planes<E: Float>(tensor: &NdArrayTensor) -> ArrayView4<'_, E>
where
    NdArrayTensor: From<SharedArray<E>>,
{
    E::view(tensor).into_dimensionality::<Ix4>().unwrap_or_else(|e| panic!("not planes: {e}"))
}

/// How many threads pay for `work` multiplications.
fn threads_for(work: usize) -> usize {
    threads().min(work / WORTH_A_THREAD).max(1)
}

/// Row-major cells as a tensor.
pub(super) fn tensor<E: Float>(cells: Vec<E>, shape: &[usize]) -> NdArrayTensor
where
    NdArrayTensor: From<SharedArray<E>>,
{
    let array = ArrayD::from_shape_vec(shape, cells);
    array.unwrap_or_else(|e| panic!("cells that do not fit their shape: {e}")).into_shared().into()
}

/// Leaves the cells of a tensor for other results if nobody else has them.
fn leave<E: Float>(tensor: NdArrayTensor)
where
    NdArrayTensor: From<SharedArray<E>>,
{
    if E::is_unique(&tensor) {
        let own = E::shared(tensor).try_into_owned_nocopy();
        own.into_iter().for_each(|own| keep(own.into_raw_vec_and_offset().0));
    }
}

/// What `f` makes of a tensor that nothing needs any more then.
pub(super) fn consume<E: Float>(
    x: NdArrayTensor,
    f: impl FnOnce(&NdArrayTensor) -> NdArrayTensor,
) -> NdArrayTensor
where
    NdArrayTensor: From<SharedArray<E>>,
{
    let y = f(&x);
    leave::<E>(x);
    y
}

/// The weights of a layer in the form that the kernels take, for either direction, made when first
/// needed.
#[derive(Debug)]
pub struct Cache<E> {
    conv: [OnceLock<conv::Plan<E>>; 2],
    winograd: [OnceLock<winograd::Plan<E>>; 2],
    winograd_small: [OnceLock<winograd_small::Plan<E>>; 2],
    dense: [OnceLock<dense::Plan<E>>; 2],
}

impl<E> Default for Cache<E> {
    fn default() -> Self {
        Self {
            conv: Default::default(),
            winograd: Default::default(),
            winograd_small: Default::default(),
            dense: Default::default(),
        }
    }
}

/// An owner of memory, as the crate bytes wants one.
struct Kept(Shared);

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

/// The cells of an array in row-major order.
fn cells<'a, E: Clone, D: ndarray::Dimension>(array: &'a CowArray<'_, E, D>) -> &'a [E] {
    array.as_slice().unwrap_or_else(|| panic!("not in standard layout"))
}

/// The bias in its natural order.
fn values<E: Float>(bias: &Option<NdArrayTensor>) -> Option<Vec<E>>
where
    NdArrayTensor: From<SharedArray<E>>,
{
    bias.as_ref().map(|bias| E::view(bias).iter().copied().collect())
}

/// What of a matrix of weights is multiplied.
enum Of<'a, E> {
    /// All of it, prepared once.
    All(&'a Cache<E>),
    /// A part, of which nothing is kept.
    Part(Part),
}

fn dense<E: Float>(
    x: &NdArrayTensor,
    weight: &NdArrayTensor,
    bias: &Option<NdArrayTensor>,
    of: Of<'_, E>,
    transposed: bool,
) -> NdArrayTensor
where
    NdArrayTensor: From<SharedArray<E>>,
{
    let (x, weight) = (matrix::<E>(x), matrix::<E>(weight));
    let (x, weight) = (x.as_standard_layout(), weight.as_standard_layout());
    let (outputs, inputs) = weight.dim();
    let extents = dense::Extents {
        rows: x.nrows(),
        terms: x.ncols(),
        sums: if transposed { inputs } else { outputs },
    };
    let make = || dense::Plan::new(cells(&weight), [outputs, inputs], transposed);
    let (plan, part) = match of {
        Of::All(cache) => (cache.dense[usize::from(transposed)].get_or_init(make), Part::All),
        Of::Part(part) => (&dense::Plan::Plain, part),
    };
    let mut y = room::<E>(extents.rows * extents.sums);
    let bias = values::<E>(bias);
    let operands = (cells(&x), cells(&weight));
    plan.run(operands, &mut y, part, bias.as_deref(), extents, transposed);
    tensor(y, &[extents.rows, extents.sums])
}

fn conv<E: Float>(
    x: &NdArrayTensor,
    weight: &NdArrayTensor,
    bias: &Option<NdArrayTensor>,
    cache: &Cache<E>,
    (window, groups, transposed): (&Window, usize, bool),
) -> NdArrayTensor
where
    NdArrayTensor: From<SharedArray<E>>,
{
    let (x, weight) = (planes::<E>(x), planes::<E>(weight));
    let (x, weight) = (x.as_standard_layout(), weight.as_standard_layout());
    let (rows, (outputs, inputs, height, width)) = (x.dim().0, weight.dim());
    let (channels, [high, wide]) = match transposed {
        true => (inputs * groups, window.input()),
        false => (outputs, window.output()),
    };
    let shape = [rows, channels, high, wide];
    let mut y = room::<E>(shape.iter().product());
    let (bias, way) = (values::<E>(bias), usize::from(transposed));
    // By a constant, so that there is no code for the type that does without.
    if E::FAST {
        let extents = [outputs, inputs];
        if let Some(problem) = winograd::Problem::new(extents, window, groups, transposed) {
            let small = winograd_small::suits(&problem);
            if winograd::suits(&problem, small) {
                let plan = &cache.winograd[way];
                let plan = plan.get_or_init(|| winograd::Plan::new(cells(&weight), problem));
                plan.run(cells(&x), &mut y, bias.as_deref(), rows);
                return tensor(y, &shape);
            }
            if small {
                let plan = &cache.winograd_small[way];
                let plan = plan.get_or_init(|| winograd_small::Plan::new(cells(&weight), problem));
                plan.run(cells(&x), &mut y, bias.as_deref(), rows);
                return tensor(y, &shape);
            }
        }
    }
    let weights = (cells(&weight), [outputs, inputs, height, width]);
    let make = || match transposed {
        true => conv::Plan::pullback(weights, window, groups),
        false => conv::Plan::forward(weights, window, groups),
    };
    let plan = cache.conv[way].get_or_init(make);
    plan.run(cells(&x), &mut y, bias.as_deref(), rows);
    tensor(y, &shape)
}

impl<E: Float> Kernels for NdArray<E>
where
    NdArrayTensor: From<SharedArray<E>>,
{
    type Cache = Cache<E>;

    // Few enough to stay near the processor, enough rows for the kernels.
    const WORKING_SET: usize = 1 << 22;

    // burn-ndarray 0.20 keeps the bytes, which a clone copies.
    fn tensor(data: TensorData, _: &Self::Device) -> NdArrayTensor {
        let shape = data.shape.clone();
        let cells = data.into_vec::<E>();
        tensor(cells.unwrap_or_else(|e| panic!("data of another type: {e:?}")), &shape)
    }

    fn tensor_in_place(bytes: &Shared, shape: &[usize]) -> Option<NdArrayTensor> {
        let start: *const f32 = (**bytes).as_ref().as_ptr().cast();
        if E::dtype() != DType::F32 || cfg!(target_endian = "big") || !start.is_aligned() {
            return None;
        }
        let bytes = bytes::Bytes::from_owner(Kept(bytes.clone()));
        let bytes = Bytes::from_shared(bytes, AllocationProperty::Other);
        Some(NdArrayTensor::from_data(TensorData::from_bytes(bytes, shape, DType::F32)))
    }

    fn recycle(tensor: NdArrayTensor) {
        leave::<E>(tensor);
    }

    // burn-ndarray 0.20 copies the cells.
    fn reshape(tensor: NdArrayTensor, shape: &[usize]) -> NdArrayTensor {
        let array = E::shared(tensor);
        let array = if array.is_standard_layout() {
            array.into_shape_with_order(IxDyn(shape))
        } else {
            array
                .as_standard_layout()
                .into_owned()
                .into_shared()
                .into_shape_with_order(IxDyn(shape))
        };
        array.unwrap_or_else(|e| panic!("a shape that does not fit: {e}")).into()
    }

    fn dense(
        x: NdArrayTensor,
        weight: NdArrayTensor,
        bias: Option<NdArrayTensor>,
        cache: &Cache<E>,
    ) -> NdArrayTensor {
        consume::<E>(x, |x| dense::<E>(x, &weight, &bias, Of::All(cache), false))
    }

    fn dense_pullback(s: NdArrayTensor, weight: NdArrayTensor, cache: &Cache<E>) -> NdArrayTensor {
        consume::<E>(s, |s| dense::<E>(s, &weight, &None, Of::All(cache), true))
    }

    fn dense_part(x: NdArrayTensor, weight: NdArrayTensor, part: Part) -> NdArrayTensor {
        consume::<E>(x, |x| dense::<E>(x, &weight, &None, Of::Part(part), false))
    }

    fn dense_part_pullback(s: NdArrayTensor, weight: NdArrayTensor, part: Part) -> NdArrayTensor {
        consume::<E>(s, |s| dense::<E>(s, &weight, &None, Of::Part(part), true))
    }

    fn conv(
        x: NdArrayTensor,
        weight: NdArrayTensor,
        bias: Option<NdArrayTensor>,
        cache: &Cache<E>,
        window: &Window,
        groups: usize,
    ) -> NdArrayTensor {
        consume::<E>(x, |x| conv::<E>(x, &weight, &bias, cache, (window, groups, false)))
    }

    fn conv_pullback(
        s: NdArrayTensor,
        weight: NdArrayTensor,
        cache: &Cache<E>,
        window: &Window,
        groups: usize,
    ) -> NdArrayTensor {
        consume::<E>(s, |s| conv::<E>(s, &weight, &None, cache, (window, groups, true)))
    }

    fn max_pool(x: NdArrayTensor, window: &Window) -> NdArrayTensor {
        consume::<E>(x, |x| pool::max_pool::<E>(x, window))
    }

    fn max_pool_pullback(s: NdArrayTensor, x: NdArrayTensor, window: &Window) -> NdArrayTensor {
        consume::<E>(s, |s| pool::max_pool_pullback::<E>(s, &x, window))
    }

    fn max_pool_pick(values: NdArrayTensor, x: NdArrayTensor, window: &Window) -> NdArrayTensor {
        consume::<E>(values, |values| pool::max_pool_pick::<E>(values, &x, window))
    }

    fn arithmetic(a: NdArrayTensor, b: NdArrayTensor, operation: Arithmetic) -> NdArrayTensor {
        match operation {
            Arithmetic::Add => {
                combine::<E>(a, b, &|a, b| both(a, b, |a, b| a + b), Self::float_add)
            }
            Arithmetic::Sub => {
                combine::<E>(a, b, &|a, b| both(a, b, |a, b| a - b), Self::float_sub)
            }
            Arithmetic::Mul => {
                combine::<E>(a, b, &|a, b| both(a, b, |a, b| a * b), Self::float_mul)
            }
            Arithmetic::Div => {
                combine::<E>(a, b, &|a, b| both(a, b, |a, b| a / b), Self::float_div)
            }
        }
    }

    fn add_scalar(x: NdArrayTensor, a: f64) -> NdArrayTensor {
        let a: E = a.elem();
        map::<E>(x, &|x| each(x, |x| x + a))
    }

    fn scale(x: NdArrayTensor, a: f64) -> NdArrayTensor {
        let a: E = a.elem();
        map::<E>(x, &|x| each(x, |x| x * a))
    }

    fn mul_samples(s: NdArrayTensor, x: NdArrayTensor) -> NdArrayTensor {
        with_samples::<E>(s, &x, &|s, x| both(s, x, |s, x| s * x))
    }

    fn div_samples(s: NdArrayTensor, x: NdArrayTensor) -> NdArrayTensor {
        with_samples::<E>(s, &x, &|s, x| both(s, x, |s, x| s / x))
    }

    fn stabilize(z: NdArrayTensor, epsilon: f64, delta: f64) -> NdArrayTensor {
        let (epsilon, delta): (E, E) = (epsilon.elem(), delta.elem());
        let zero = E::zero();
        // Selections, for vectors.
        let stable = |z: E| {
            let apart = z + if z < zero { -epsilon } else { epsilon };
            if z == zero {
                delta
            } else {
                apart
            }
        };
        map::<E>(z, &|z| each(z, stable))
    }

    fn rectify(x: NdArrayTensor, rectifier: &Rectifier) -> NdArrayTensor {
        let rectify = Rectify::<E>::new(rectifier);
        map::<E>(x, &|x| each(x, |x| rectify.value(x)))
    }

    fn rectify_pullback(
        s: NdArrayTensor,
        x: NdArrayTensor,
        rectifier: &Rectifier,
    ) -> NdArrayTensor {
        let rectify = Rectify::<E>::new(rectifier);
        with_samples::<E>(s, &x, &|s, x| both(s, x, |s, x| s * rectify.derivative(x)))
    }

    fn rectify_secant(
        x: NdArrayTensor,
        reference: NdArrayTensor,
        rectifier: &Rectifier,
        delta: f64,
    ) -> NdArrayTensor {
        let (rectify, delta) = (Rectify::<E>::new(rectifier), delta.elem());
        let secant = |reference, x| rectify.secant(x, reference, delta);
        pairs::<E>(&x, &reference, &|reference, x| both(reference, x, secant))
    }

    fn any_negative(x: NdArrayTensor) -> bool {
        let x = E::view(&x);
        let x = x.as_standard_layout();
        // All cells of a block at once, by vectors.
        cells(&x).chunks(1 << 10).any(|x| x.iter().fold(false, |any, x| any | (*x < E::zero())))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Some memory from a cell on.
    struct From(Vec<u8>, usize);

    impl AsRef<[u8]> for From {
        fn as_ref(&self) -> &[u8] {
            &self.0[self.1..][..16]
        }
    }

    #[test]
    fn weights_are_read_where_they_lie_if_floats_may_lie_there() {
        let numbers = [1.0f32, -2.0, 3.5, 0.25];
        let mut in_place = 0;
        for skipped in 0..4 {
            let mut bytes = vec![0; skipped];
            bytes.extend(numbers.iter().flat_map(|x| x.to_le_bytes()));
            let bytes: Shared = Arc::new(From(bytes, skipped));
            let Some(weights) = NdArray::<f32>::tensor_in_place(&bytes, &[2, 2]) else { continue };
            let matrix = matrix::<f32>(&weights);
            assert_eq!(matrix.as_slice(), Some(&numbers[..]));
            assert_eq!(matrix.as_ptr().cast(), (*bytes).as_ref().as_ptr());
            assert!(!f32::is_unique(&weights), "nothing may write there");
            in_place += 1;
        }
        assert_eq!(in_place, 1);
        let bytes: Shared = Arc::new(From(vec![0; 16], 0));
        assert!(NdArray::<f64>::tensor_in_place(&bytes, &[2, 2]).is_none());
    }
}
