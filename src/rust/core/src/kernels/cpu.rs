//! Kernels for the CPU on top of `ndarray`: im2col with matrix products in place of burn-ndarray's
//! loops, spread over threads.
//!
//! Threads are scoped, started per call and only where the work pays for them, so that nothing is
//! left behind that a `fork()` of R could break.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::ElementConversion;
use burn_ndarray::{FloatNdArrayElement, NdArray, NdArrayTensor, SharedArray};
use ndarray::linalg::general_mat_mul;
use ndarray::{
    s, Array2, Array3, ArrayView2, ArrayView3, ArrayView4, ArrayViewD, ArrayViewMut2, Axis, Ix2,
    Ix4, LinalgScalar,
};

use super::elementwise::{map, pairs, with_samples, Rectify};
use super::{pool, Kernels, Rectifier, Window};

static THREADS: AtomicUsize = AtomicUsize::new(2);

/// Sets the number of threads that the kernels may use; at least 1.
pub fn set_threads(threads: usize) {
    THREADS.store(threads.max(1), Ordering::Relaxed);
}

/// The number of threads that the kernels may use.
pub(super) fn threads() -> usize {
    THREADS.load(Ordering::Relaxed)
}

/// Multiplications below which a second thread costs more than it brings.
const WORTH_A_THREAD: usize = 1 << 20;

/// Cells of an im2col buffer: small enough to stay in the cache.
const BUFFER: usize = 1 << 18;

/// A float type of the ndarray backend.
pub trait Float:
    FloatNdArrayElement + LinalgScalar + PartialOrd + std::ops::AddAssign + Send + Sync
where
    NdArrayTensor: From<SharedArray<Self>>,
{
    /// The storage of a tensor, without a copy.
    fn view(tensor: &NdArrayTensor) -> ArrayViewD<'_, Self>;
    /// The storage itself.
    fn shared(tensor: NdArrayTensor) -> SharedArray<Self>;
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
    THREADS.load(Ordering::Relaxed).min(work / WORTH_A_THREAD).max(1)
}

/// Runs `f` on equal shares of the tasks, each share on a thread, one of them on this one.
fn spread<T: Send>(tasks: Vec<T>, threads: usize, f: impl Fn(Vec<T>) + Sync) {
    let share = tasks.len().div_ceil(threads).max(1);
    let mut tasks = tasks.into_iter();
    let first = tasks.by_ref().take(share).collect();
    std::thread::scope(|scope| {
        while tasks.len() > 0 {
            let tasks = tasks.by_ref().take(share).collect();
            let f = &f;
            scope.spawn(move || f(tasks));
        }
        f(first);
    });
}

/// a · b, the rows of `a` (or the columns of `b`, where there are more) spread over threads.
fn product<E: Float>(a: ArrayView2<'_, E>, b: ArrayView2<'_, E>) -> Array2<E>
where
    NdArrayTensor: From<SharedArray<E>>,
{
    let mut c = Array2::<E>::zeros((a.nrows(), b.ncols()));
    let axis = Axis(usize::from(a.nrows() < b.ncols()));
    let threads = threads_for(a.len() * b.ncols());
    let n = c.len_of(axis).div_ceil(threads).max(1);
    let split = if axis == Axis(0) { a } else { b };
    let tasks = split.axis_chunks_iter(axis, n).zip(c.axis_chunks_iter_mut(axis, n)).collect();
    spread(tasks, threads, |tasks| {
        for (part, mut c) in tasks {
            let (a, b) = if axis == Axis(0) { (part, b) } else { (a, part) };
            general_mat_mul(E::one(), &a, &b, E::zero(), &mut c);
        }
    });
    c
}

pub(super) fn tensor<E: Float, D: ndarray::Dimension>(array: ndarray::Array<E, D>) -> NdArrayTensor
where
    NdArrayTensor: From<SharedArray<E>>,
{
    array.into_dyn().into_shared().into()
}

/// Neighbouring cells of the output: whole rows of it, or a part of one.
struct Strip {
    rows: Range<usize>,
    columns: Range<usize>,
    /// Cells of a row of the output.
    width: usize,
}

impl Strip {
    /// The cells, counted row by row.
    fn cells(&self) -> Range<usize> {
        let start = self.rows.start * self.width + self.columns.start;
        start..start + self.rows.len() * self.columns.len()
    }
}

/// One convolution: weights as one matrix a group, and the geometry.
struct Conv<'a, E> {
    /// (groups, outputs a group, channels a group × cells of the kernel)
    weight: ArrayView3<'a, E>,
    window: &'a Window,
    /// Channels a group.
    channels: usize,
}

impl<'a, E: Float> Conv<'a, E>
where
    NdArrayTensor: From<SharedArray<E>>,
{
    fn new(weight: ArrayView4<'a, E>, window: &'a Window, groups: usize) -> Self {
        let (outputs, channels, height, width) = weight.dim();
        let shape = (groups, outputs / groups, channels * height * width);
        let weight = weight
            .into_shape_with_order(shape)
            .unwrap_or_else(|e| panic!("weights are not contiguous: {e}"));
        Self { weight, window, channels }
    }

    /// Whether the unfolded input is the input itself.
    fn pointwise(&self) -> bool {
        let window = self.window;
        window.kernels() == [1, 1]
            && window.strides() == [1, 1]
            && window.padded() == window.input()
    }

    /// Cells of a plane of the input.
    fn plane(&self) -> usize {
        self.window.input().iter().product()
    }

    /// Strips of the output whose unfolded input fits the buffer: some rows, or a part of one.
    fn strips(&self) -> impl Iterator<Item = Strip> {
        let [height, width] = self.window.output();
        let cells = (BUFFER / self.weight.len_of(Axis(2))).max(1);
        let (rows, columns) = ((cells / width).clamp(1, height), cells.min(width));
        let blocks = |n: usize, size: usize| {
            (0..n).step_by(size).map(move |start| start..(start + size).min(n))
        };
        blocks(height, rows).flat_map(move |rows| {
            blocks(width, columns).map(move |columns| Strip { rows: rows.clone(), columns, width })
        })
    }

    /// Calls `f(line of the unfolded input, its first cell, first input cell, step, cells)` for every
    /// run of cells that lies inside the input, for that many channels. Lines are (channel, kernel row,
    /// kernel column).
    fn runs(
        &self,
        strip: &Strip,
        channels: usize,
        mut f: impl FnMut(usize, usize, usize, usize, usize),
    ) {
        let [rows, columns] = self.window.0;
        for channel in 0..channels {
            for (i, j) in (0..rows.kernel).flat_map(|i| (0..columns.kernel).map(move |j| (i, j))) {
                let line = (channel * rows.kernel + i) * columns.kernel + j;
                // Output columns whose cell lies inside the input.
                let shift = j * columns.dilation;
                let output = |place: usize| place.saturating_sub(shift).div_ceil(columns.stride);
                let first = output(columns.padding[0]).max(strip.columns.start);
                let end = output(columns.padding[0] + columns.input).min(strip.columns.end);
                if first >= end {
                    continue;
                }
                for o in strip.rows.clone() {
                    let row = o * rows.stride + i * rows.dilation;
                    if row < rows.padding[0] || row >= rows.padding[0] + rows.input {
                        continue;
                    }
                    let column = first * columns.stride + shift - columns.padding[0];
                    let cell =
                        (channel * rows.input + row - rows.padding[0]) * columns.input + column;
                    let start =
                        (o - strip.rows.start) * strip.columns.len() + first - strip.columns.start;
                    f(line, start, cell, columns.stride, end - first);
                }
            }
        }
    }

    /// One strip of one row: x (channels, cells) to y (outputs, cells of the strip).
    fn forward(&self, x: &[E], strip: &Strip, mut y: ArrayViewMut2<'_, E>, buffer: &mut Vec<E>) {
        let (outputs, lines) = (self.weight.len_of(Axis(1)), self.weight.len_of(Axis(2)));
        let (cells, columns) = (self.channels * self.plane(), strip.cells().len());
        for (g, weight) in self.weight.outer_iter().enumerate() {
            let x = &x[g * cells..(g + 1) * cells];
            let mut y = y.slice_mut(s![g * outputs..(g + 1) * outputs, ..]);
            if self.pointwise() {
                let x = view(x, lines, cells / lines);
                let x = x.slice(s![.., strip.cells()]);
                general_mat_mul(E::one(), &weight, &x, E::zero(), &mut y);
                continue;
            }
            buffer.clear();
            buffer.resize(lines * columns, E::zero());
            self.runs(strip, self.channels, |line, start, cell, step, n| {
                let target = &mut buffer[line * columns + start..][..n];
                if step == 1 {
                    target.copy_from_slice(&x[cell..cell + n]);
                } else {
                    let source = x[cell..].iter().step_by(step);
                    target.iter_mut().zip(source).for_each(|(t, x)| *t = *x);
                }
            });
            let unfolded = view(buffer, lines, columns);
            general_mat_mul(E::one(), &weight, &unfolded, E::zero(), &mut y);
        }
    }

    /// Some channels of one group of one row: s (outputs, cells) to x (channels, cells), which starts
    /// as zeros. `first` is the first of the channels, counted in the group.
    fn pullback(
        &self,
        s: ArrayView2<'_, E>,
        (group, first): (usize, usize),
        x: &mut [E],
        buffer: &mut Vec<E>,
    ) {
        let (outputs, lines) = (self.weight.len_of(Axis(1)), self.weight.len_of(Axis(2)));
        let channels = x.len() / self.plane();
        let kernel = lines / self.channels;
        let taken = s![group, .., first * kernel..(first + channels) * kernel];
        let weight = self.weight.slice(taken);
        let s = s.slice(s![group * outputs..(group + 1) * outputs, ..]);
        for strip in self.strips() {
            let columns = strip.cells().len();
            let s = s.slice(s![.., strip.cells()]);
            buffer.resize(channels * kernel * columns, E::zero());
            let mut unfolded =
                ArrayViewMut2::from_shape((channels * kernel, columns), &mut *buffer)
                    .unwrap_or_else(|e| panic!("{e}"));
            general_mat_mul(E::one(), &weight.t(), &s, E::zero(), &mut unfolded);
            self.runs(&strip, channels, |line, start, cell, step, n| {
                let source = &buffer[line * columns + start..][..n];
                let target = x[cell..].iter_mut().step_by(step);
                target.zip(source).for_each(|(x, s)| *x += *s);
            });
        }
    }
}

fn view<E>(data: &[E], rows: usize, columns: usize) -> ArrayView2<'_, E> {
    ArrayView2::from_shape((rows, columns), data).unwrap_or_else(|e| panic!("{e}"))
}

impl<E: Float> Kernels for NdArray<E>
where
    NdArrayTensor: From<SharedArray<E>>,
{
    fn dense(x: NdArrayTensor, weight: NdArrayTensor) -> NdArrayTensor {
        tensor(product(matrix::<E>(&x), matrix::<E>(&weight).t()))
    }

    fn dense_pullback(s: NdArrayTensor, weight: NdArrayTensor) -> NdArrayTensor {
        tensor(product(matrix::<E>(&s), matrix::<E>(&weight)))
    }

    fn conv(
        x: NdArrayTensor,
        weight: NdArrayTensor,
        window: &Window,
        groups: usize,
    ) -> NdArrayTensor {
        let x = planes::<E>(&x);
        let x = x.as_standard_layout();
        let weight = planes::<E>(&weight);
        let weight = weight.as_standard_layout();
        let conv = Conv::new(weight.view(), window, groups);
        let (rows, outputs, [height, width]) = (x.dim().0, weight.dim().0, window.output());
        let mut y = Array3::<E>::zeros((rows, outputs, height * width));
        let threads = threads_for(y.len() * conv.weight.len_of(Axis(2)));
        let mut tasks = Vec::new();
        for (x, mut y) in x.outer_iter().zip(y.outer_iter_mut()) {
            for strip in conv.strips() {
                let (part, rest) = y.split_at(Axis(1), strip.cells().len());
                tasks.push((x, strip, part));
                y = rest;
            }
        }
        spread(tasks, threads, |tasks| {
            let mut buffer = Vec::new();
            for (x, strip, y) in tasks {
                conv.forward(x.to_slice().unwrap_or_default(), &strip, y, &mut buffer);
            }
        });
        planes_of(y, [height, width])
    }

    fn conv_pullback(
        s: NdArrayTensor,
        weight: NdArrayTensor,
        window: &Window,
        groups: usize,
    ) -> NdArrayTensor {
        let s = planes::<E>(&s);
        let (rows, outputs, height, width) = s.dim();
        let s = s.as_standard_layout();
        let s = s.view().into_shape_with_order((rows, outputs, height * width));
        let s = s.unwrap_or_else(|e| panic!("{e}"));
        let weight = planes::<E>(&weight);
        let weight = weight.as_standard_layout();
        let conv = Conv::new(weight.view(), window, groups);
        let [height, width] = window.input();
        let mut x = Array3::<E>::zeros((rows, conv.channels * groups, height * width));
        let threads = threads_for(s.len() * conv.weight.len_of(Axis(2)));
        // Where there are fewer rows than threads, the channels of a group are shared out as well.
        let channels = conv.channels.div_ceil(threads.div_ceil(rows * groups));
        let cells = conv.plane();
        let mut tasks = Vec::new();
        for (r, x) in x.outer_iter_mut().enumerate() {
            let x = x.into_slice().unwrap_or_default();
            for (g, x) in x.chunks_mut(conv.channels * cells).enumerate() {
                let blocks = x.chunks_mut(channels * cells).enumerate();
                tasks.extend(blocks.map(|(b, x)| (r, g, b * channels, x)));
            }
        }
        spread(tasks, threads, |tasks| {
            let mut buffer = Vec::new();
            for (r, group, first, x) in tasks {
                conv.pullback(s.index_axis(Axis(0), r), (group, first), x, &mut buffer);
            }
        });
        planes_of(x, [height, width])
    }

    fn max_pool(x: NdArrayTensor, window: &Window) -> NdArrayTensor {
        pool::max_pool::<E>(&x, window)
    }

    fn max_pool_pullback(s: NdArrayTensor, x: NdArrayTensor, window: &Window) -> NdArrayTensor {
        pool::max_pool_pullback::<E>(&s, &x, window)
    }

    fn max_pool_pick(values: NdArrayTensor, x: NdArrayTensor, window: &Window) -> NdArrayTensor {
        pool::max_pool_pick::<E>(&values, &x, window)
    }

    fn mul_samples(s: NdArrayTensor, x: NdArrayTensor) -> NdArrayTensor {
        with_samples::<E>(s, &x, |s, x| s * x)
    }

    fn div_samples(s: NdArrayTensor, x: NdArrayTensor) -> NdArrayTensor {
        with_samples::<E>(s, &x, |s, x| s / x)
    }

    fn stabilize(z: NdArrayTensor, epsilon: f64, delta: f64) -> NdArrayTensor {
        let (epsilon, delta): (E, E) = (epsilon.elem(), delta.elem());
        map::<E>(z, |z| match z.partial_cmp(&E::zero()) {
            Some(std::cmp::Ordering::Less) => z - epsilon,
            Some(std::cmp::Ordering::Equal) => delta,
            _ => z + epsilon,
        })
    }

    fn rectify(x: NdArrayTensor, rectifier: &Rectifier) -> NdArrayTensor {
        let rectify = Rectify::<E>::new(rectifier);
        map::<E>(x, |x| rectify.value(x))
    }

    fn rectify_pullback(
        s: NdArrayTensor,
        x: NdArrayTensor,
        rectifier: &Rectifier,
    ) -> NdArrayTensor {
        let rectify = Rectify::<E>::new(rectifier);
        with_samples::<E>(s, &x, |s, x| s * rectify.derivative(x))
    }

    fn rectify_secant(
        x: NdArrayTensor,
        reference: NdArrayTensor,
        rectifier: &Rectifier,
        delta: f64,
    ) -> NdArrayTensor {
        let (rectify, delta) = (Rectify::<E>::new(rectifier), delta.elem());
        pairs::<E>(&x, &reference, |x, reference| rectify.secant(x, reference, delta))
    }

    fn any_negative(x: NdArrayTensor) -> bool {
        E::view(&x).iter().any(|x| *x < E::zero())
    }
}

fn planes_of<E: Float>(x: Array3<E>, [height, width]: [usize; 2]) -> NdArrayTensor
where
    NdArrayTensor: From<SharedArray<E>>,
{
    let (rows, channels, _) = x.dim();
    let planes = x.into_shape_with_order((rows, channels, height, width));
    tensor(planes.unwrap_or_else(|e| panic!("{e}")))
}
