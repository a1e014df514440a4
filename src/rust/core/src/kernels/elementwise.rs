//! Element-wise kernels for the CPU: one pass over memory, in place where no other tensor shares the
//! storage, spread over threads where the pass is long.

use burn::tensor::ElementConversion;
use burn_ndarray::{NdArrayTensor, SharedArray};
use ndarray::ArrayD;

use super::cpu::{consume, room, spread, tensor, threads, Float};
use super::Rectifier;

/// Cells below which a second thread costs more than it brings.
const WORTH_A_THREAD: usize = 1 << 16;

/// Calls `f(first cell, part)` for parts of the cells, each on a thread.
pub(super) fn in_parts<E: Send>(cells: &mut [E], f: impl Fn(usize, &mut [E]) + Sync) {
    in_parts_of(1, cells, f);
}

/// The same for parts of whole blocks.
pub(super) fn in_parts_of<E: Send>(
    block: usize,
    cells: &mut [E],
    f: impl Fn(usize, &mut [E]) + Sync,
) {
    let parts = threads().min(cells.len() / WORTH_A_THREAD).max(1);
    let size = (cells.len() / block).div_ceil(parts).max(1) * block;
    spread(cells.chunks_mut(size).enumerate().collect(), parts, |parts| {
        parts.into_iter().for_each(|(i, part)| f(i * size, part));
    });
}

/// The cells in row-major order, as an array that nothing else shares.
fn owned<E: Float>(tensor: NdArrayTensor) -> ArrayD<E>
where
    NdArrayTensor: From<SharedArray<E>>,
{
    let array = E::shared(tensor);
    match array.as_slice() {
        Some(cells) if !array.is_unique() => {
            let mut copy = room(cells.len());
            in_parts(&mut copy, |start, part| part.copy_from_slice(&cells[start..][..part.len()]));
            ArrayD::from_shape_vec(array.raw_dim(), copy).expect("as many cells")
        }
        Some(_) => array.into_owned(),
        None => array.as_standard_layout().into_owned(),
    }
}

fn slice<E>(array: &mut ArrayD<E>) -> &mut [E] {
    array.as_slice_mut().expect("row-major")
}

/// Calls `f(cells of a part, first cell, first cell of the operand)` for stretches of `part`, which
/// starts at cell `start` of a tensor, such that an operand with one row for `repeats` rows of `cells`
/// cells has the stretch without a break.
fn stretches<E>(
    mut part: &mut [E],
    start: usize,
    (cells, repeats): (usize, usize),
    mut f: impl FnMut(&mut [E], usize, usize),
) {
    let mut at = start;
    while !part.is_empty() {
        let (row, column) = (at / cells, at % cells);
        let n = part.len().min(cells - column);
        let (stretch, rest) = part.split_at_mut(n);
        f(stretch, at, row / repeats * cells + column);
        (part, at) = (rest, at + n);
    }
}

/// What is done to neighbouring cells of a tensor, in place.
type OnCells<'a, E> = &'a (dyn Fn(&mut [E]) + Sync);

/// The same with as many cells of another tensor.
type OnBoth<'a, E> = &'a (dyn Fn(&mut [E], &[E]) + Sync);

/// Sets every x to f(x).
#[inline(always)]
pub(super) fn each<E: Copy>(x: &mut [E], f: impl Fn(E) -> E) {
    x.iter_mut().for_each(|x| *x = f(*x));
}

/// Sets every a to f(a, b).
#[inline(always)]
pub(super) fn both<E: Copy>(a: &mut [E], b: &[E], f: impl Fn(E, E) -> E) {
    a.iter_mut().zip(b).for_each(|(a, b)| *a = f(*a, *b));
}

/// `f` of all cells.
pub(super) fn map<E: Float>(x: NdArrayTensor, f: OnCells<'_, E>) -> NdArrayTensor
where
    NdArrayTensor: From<SharedArray<E>>,
{
    let mut x = owned::<E>(x);
    in_parts(slice(&mut x), |_, part| f(part));
    x.into_shared().into()
}

/// `f` of all cells of s and x, x having one row a sample and s any whole number of them.
pub(super) fn with_samples<E: Float>(
    s: NdArrayTensor,
    x: &NdArrayTensor,
    f: OnBoth<'_, E>,
) -> NdArrayTensor
where
    NdArrayTensor: From<SharedArray<E>>,
{
    let mut s = owned::<E>(s);
    let x = E::view(x);
    let (rows, samples) = (s.shape()[0], x.shape()[0].max(1));
    let row = (x.len() / samples, rows / samples);
    let x = x.as_standard_layout();
    let x = x.as_slice().expect("row-major");
    // Where there is one row each, all is one stretch.
    let row = if rows == samples { (x.len(), 1) } else { row };
    in_parts(slice(&mut s), |start, part| {
        stretches(part, start, row, |s, _, from| f(s, &x[from..]));
    });
    s.into_shared().into()
}

/// `f` of all cells of a and b, where b may have one row, or one cell for every channel of planes, as a bias has.
/// Where other axes of b have extent 1 the result is that of `stretched`.
pub(super) fn combine<E: Float>(
    a: NdArrayTensor,
    b: NdArrayTensor,
    f: OnBoth<'_, E>,
    stretched: fn(NdArrayTensor, NdArrayTensor) -> NdArrayTensor,
) -> NdArrayTensor
where
    NdArrayTensor: From<SharedArray<E>>,
{
    let (a, b) = (E::shared(a), E::shared(b));
    let (extents, others) = (a.shape(), b.shape());
    let rows_alike = extents.len() == others.len() && extents[1..] == others[1..];
    if rows_alike && (extents[0] == others[0] || others[0] == 1) {
        return consume::<E>(b.into(), |b| with_samples(a.into(), b, f));
    }
    let channels = b.len();
    let by_channel =
        extents.len() > 2 && extents[1] == channels && others.get(1) == Some(&channels);
    if !by_channel || extents.len() != others.len() || a.is_empty() {
        return stretched(a.into(), b.into());
    }
    let (mut a, b) = (owned::<E>(a.into()), b.into_iter().collect::<Vec<_>>());
    let cells = a.shape()[2..].iter().product();
    in_parts(slice(&mut a), |start, part| {
        stretches(part, start, (cells, 1), |a, at, _| {
            let b = [b[at / cells % channels]; 256];
            a.chunks_mut(b.len()).for_each(|a| f(a, &b));
        });
    });
    a.into_shared().into()
}

/// `f` of all cells of x⁰ and x, into those of x⁰, where one of the two may have one row only.
pub(super) fn pairs<E: Float>(
    x: &NdArrayTensor,
    reference: &NdArrayTensor,
    f: OnBoth<'_, E>,
) -> NdArrayTensor
where
    NdArrayTensor: From<SharedArray<E>>,
{
    let (x, reference) = (E::view(x), E::view(reference));
    let (rows, references) = (x.shape()[0], reference.shape()[0]);
    let mut shape = x.shape().to_vec();
    shape[0] = rows.max(references);
    let cells = x.len() / rows.max(1);
    let mut y = room::<E>(cells * shape[0]);
    let (x, reference) = (x.as_standard_layout(), reference.as_standard_layout());
    let (x, reference) = (x.as_slice(), reference.as_slice());
    let (x, reference) = (x.expect("row-major"), reference.expect("row-major"));
    in_parts(&mut y, |start, part| {
        stretches(part, start, (cells, 1), |y, at, _| {
            let of = |rows: usize| if rows == 1 { at % cells } else { at };
            y.copy_from_slice(&reference[of(references)..][..y.len()]);
            f(y, &x[of(rows)..]);
        });
    });
    tensor(y, &shape)
}

/// A [`Rectifier`] in the precision of the cells.
#[derive(Clone, Copy)]
pub(super) struct Rectify<E> {
    slope: E,
    threshold: E,
    max: E,
}

impl<E: Float> Rectify<E>
where
    NdArrayTensor: From<SharedArray<E>>,
{
    pub(super) fn new(rectifier: &Rectifier) -> Self {
        let &Rectifier { slope, threshold, max } = rectifier;
        Self { slope: slope.elem(), threshold: threshold.elem(), max: max.elem() }
    }

    pub(super) fn value(self, x: E) -> E {
        let zero = E::zero();
        // Not 0 · x, which is no number where x is infinite.
        let below = if self.slope == zero { zero } else { self.slope * (x - self.threshold) };
        let y = if x <= self.threshold { below } else { x };
        if y > self.max {
            self.max
        } else {
            y
        }
    }

    pub(super) fn derivative(self, x: E) -> E {
        let slope = if x > self.threshold { E::one() } else { self.slope };
        if x >= self.max {
            E::zero()
        } else {
            slope
        }
    }

    /// Δy / Δx, and the derivative in the middle where |Δx| is at most `delta`.
    pub(super) fn secant(self, x: E, reference: E, delta: E) -> E {
        let dx = x - reference;
        let middle = self.derivative((x + reference) * 0.5.elem());
        if dx > delta || dx < E::zero() - delta {
            (self.value(x) - self.value(reference)) / dx
        } else {
            middle
        }
    }
}
