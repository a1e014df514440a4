//! Vectors of floats, as wide as the processor has them, and the one product of small matrices that
//! the kernels are made of.
//!
//! What is compiled for the processor at hand is what pulp's `dispatch` inlines: arithmetic stands in
//! plain loops and in functions marked `inline(always)`, never in closures.

use std::ops::{Add, AddAssign, Deref, DerefMut, Mul, Sub};
use std::sync::Mutex;

use pulp::{Simd, WithSimd};

/// Cells that are computed side by side: a few vectors.
pub const PANEL: usize = 32;

/// Cells of the widest vectors.
pub const VECTOR: usize = 16;

/// Sums that are computed at once for the cells of a panel: as many as there are registers for, as lines
/// come from farther away than weights.
pub const GROUP: usize = 12;

/// A float type with its vectors.
pub trait Lanes:
    Copy
    + Default
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + AddAssign
    + 'static
{
    /// A vector.
    type Vector<S: Simd>: Copy;

    /// Whether speed is worth code and rounding errors: Winograd's convolutions, memory asked for ahead.
    const FAST: bool;

    /// A number of that type.
    fn number(x: f64) -> Self;

    /// The same number.
    fn wide(self) -> f64;

    /// The cells as vectors, those that do not fill one left out.
    fn vectors<S: Simd>(cells: &[Self]) -> &[Self::Vector<S>];

    /// See [`Lanes::vectors`].
    fn vectors_mut<S: Simd>(cells: &mut [Self]) -> &mut [Self::Vector<S>];

    /// A vector of one number.
    fn splat<S: Simd>(simd: S, x: Self) -> Self::Vector<S>;

    /// a b + c.
    fn mul_add<S: Simd>(
        simd: S,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
        c: Self::Vector<S>,
    ) -> Self::Vector<S>;

    /// The larger, and the smaller, of two cells each.
    fn max<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// See [`Lanes::max`].
    fn min<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;

    /// The sum of a vector's cells.
    fn sum<S: Simd>(simd: S, a: Self::Vector<S>) -> Self;

    /// Buffers that wait to be used again.
    fn pool() -> &'static Mutex<Vec<Vec<Self>>>;
}

macro_rules! lanes {
    ($type:ty, $fast:literal, $vector:ident, $as_simd:ident, $as_mut_simd:ident, $splat:ident,
     $mul_add:ident, $max:ident, $min:ident, $sum:ident) => {
        impl Lanes for $type {
            type Vector<S: Simd> = S::$vector;

            const FAST: bool = $fast;

            fn number(x: f64) -> Self {
                x as $type
            }

            fn wide(self) -> f64 {
                self.into()
            }

            #[inline(always)]
            fn vectors<S: Simd>(cells: &[Self]) -> &[S::$vector] {
                S::$as_simd(cells).0
            }

            #[inline(always)]
            fn vectors_mut<S: Simd>(cells: &mut [Self]) -> &mut [S::$vector] {
                S::$as_mut_simd(cells).0
            }

            #[inline(always)]
            fn splat<S: Simd>(simd: S, x: Self) -> S::$vector {
                simd.$splat(x)
            }

            #[inline(always)]
            fn mul_add<S: Simd>(
                simd: S,
                a: S::$vector,
                b: S::$vector,
                c: S::$vector,
            ) -> S::$vector {
                simd.$mul_add(a, b, c)
            }

            #[inline(always)]
            fn max<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$max(a, b)
            }

            #[inline(always)]
            fn min<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$min(a, b)
            }

            #[inline(always)]
            fn sum<S: Simd>(simd: S, a: S::$vector) -> Self {
                simd.$sum(a)
            }

            fn pool() -> &'static Mutex<Vec<Vec<Self>>> {
                static POOL: Mutex<Vec<Vec<$type>>> = Mutex::new(Vec::new());
                &POOL
            }
        }
    };
}
lanes!(
    f32,
    true,
    f32s,
    as_simd_f32s,
    as_mut_simd_f32s,
    splat_f32s,
    mul_add_e_f32s,
    max_f32s,
    min_f32s,
    reduce_sum_f32s
);
lanes!(
    f64,
    false,
    f64s,
    as_simd_f64s,
    as_mut_simd_f64s,
    splat_f64s,
    mul_add_e_f64s,
    max_f64s,
    min_f64s,
    reduce_sum_f64s
);

/// The cells of a vector.
#[inline(always)]
pub fn lanes<S: Simd, E: Lanes>() -> usize {
    std::mem::size_of::<E::Vector<S>>() / std::mem::size_of::<E>()
}

/// Asks for the memory of a cell to be brought into the first or second cache, on processors for which there is a
/// safe call. No harm is done where there is no such cell.
#[inline(always)]
pub fn prefetch<const LEVEL: u32, T>(cells: &[T], index: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(sse) = pulp::core_arch::x86::Sse::try_new() {
        let cell = cells.as_ptr().wrapping_add(index).cast();
        match LEVEL {
            1 => sse._mm_prefetch::<3>(cell),
            _ => sse._mm_prefetch::<2>(cell),
        }
    }
}

/// Lines of cells, one for every term of a sum.
#[derive(Clone, Copy)]
pub struct Lines<'a, E> {
    /// Holds the lines.
    pub cells: &'a [E],
    /// Where they begin. A vector more than is used must follow each.
    pub starts: &'a [u32],
    /// The cells of a line that are used, at most [`PANEL`].
    pub used: usize,
    /// Whether the lines, which are [`PANEL`] cells apart then, and the weights come from a farther cache.
    pub far: bool,
}

/// Terms ahead for which the memory of far lines and their weights is asked for.
const AHEAD: usize = 24;

impl<'a, E: Lanes> Lines<'a, E> {
    /// `V` vectors of the line that begins at `start`, from a cell on.
    #[inline(always)]
    fn vectors<S: Simd, const V: usize>(&self, start: u32, cell: usize) -> &'a [E::Vector<S>] {
        let start = start as usize + cell as u32 as usize;
        E::vectors::<S>(&self.cells[start..start + V * lanes::<S, E>()])
    }
}

/// Starts of lines that follow each other as panels (terms, [`PANEL`]).
pub fn panel_starts(terms: usize) -> Vec<u32> {
    (0..terms).map(|term| (term * PANEL) as u32).collect()
}

/// The body for every `i < N`, `N` at most [`GROUP`]. Where the compiler leaves a loop, all sums of a product
/// wait in memory.
macro_rules! unrolled {
    ($i:ident < $n:ident: $body:block) => {
        unrolled!($i < $n: $body; 0 1 2 3 4 5 6 7 8 9 10 11)
    };
    ($i:ident < $n:ident: $body:block; $($value:literal)*) => {
        $(if $value < $n {
            let $i = $value;
            $body
        })*
    };
}

/// Where the sums of a product go.
pub enum Target<'a, 'b, E> {
    /// A panel (sums, [`PANEL`]).
    Panel(&'a mut [E]),
    /// A line for each sum, from cell `at` on, the sum's bias added.
    Lines { lines: &'a mut [&'b mut [E]], at: usize, bias: Option<&'a [E]> },
}

impl<E: Lanes> Target<'_, '_, E> {
    /// The cells for a sum, of which so many are used, and its bias.
    #[inline(always)]
    fn line(&mut self, sum: usize, used: usize) -> (&mut [E], E) {
        match self {
            Self::Panel(cells) => (&mut cells[sum * PANEL..][..PANEL], E::default()),
            Self::Lines { lines, at, bias } => {
                (&mut lines[sum][*at..*at + used], bias.map_or(E::default(), |bias| bias[sum]))
            }
        }
    }

    /// Takes `N` sums, from number `first` on, of `V` vectors of cells from `cell` on.
    #[inline(always)]
    fn set<S: Simd, const V: usize, const N: usize>(
        &mut self,
        simd: S,
        sums: [[E::Vector<S>; V]; N],
        [cell, first]: [usize; 2],
        used: usize,
    ) {
        let one = E::splat(simd, E::number(1.0));
        let cells = V * lanes::<S, E>();
        let end = if let Self::Lines { .. } = self { used } else { PANEL };
        // A loop of its own: the call that copies a few cells would have all sums wait in memory.
        if end - cell >= cells {
            unrolled!(n < N: {
                let (line, bias) = self.line(first + n, used);
                let bias = E::splat(simd, bias);
                let vectors = E::vectors_mut::<S>(&mut line[cell..cell + cells]);
                for v in 0..V {
                    vectors[v] = E::mul_add(simd, one, sums[n][v], bias);
                }
            });
            return;
        }
        unrolled!(n < N: {
            let (line, bias) = self.line(first + n, used);
            let bias = E::splat(simd, bias);
            let Lined(whole) = &mut Lined([E::default(); PANEL]);
            let vectors = E::vectors_mut::<S>(whole);
            for v in 0..V {
                vectors[v] = E::mul_add(simd, one, sums[n][v], bias);
            }
            line[cell..used].copy_from_slice(&whole[..used - cell]);
        });
    }
}

/// Weights (terms, `step`), of which the first `sums` columns are taken, at most [`GROUP`].
#[derive(Clone, Copy)]
pub struct Weights<'a, E> {
    pub cells: &'a [E],
    pub step: usize,
    pub sums: usize,
}

/// The product of lines and weights, the terms added up in their order.
#[inline(always)]
pub fn product<S: Simd, E: Lanes>(
    simd: S,
    lines: Lines<'_, E>,
    weights: Weights<'_, E>,
    target: Target<'_, '_, E>,
) {
    // Functions of their own: the code is there once for all callers.
    if E::FAST && lines.far {
        simd.vectorize(Product::<E, true> { lines, weights, target });
    } else {
        simd.vectorize(Product::<E, false> { lines, weights, target });
    }
}

/// See [`product`].
struct Product<'a, 'b, E, const FAR: bool> {
    lines: Lines<'a, E>,
    weights: Weights<'a, E>,
    target: Target<'a, 'b, E>,
}

impl<E: Lanes, const FAR: bool> WithSimd for Product<'_, '_, E, FAR> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let lanes = lanes::<S, E>();
        let sums = self.weights.sums;
        // In even tiles of as many as there are registers for.
        let most = if S::REGISTER_COUNT >= 32 { GROUP } else { GROUP / 2 };
        let share = sums.div_ceil(sums.div_ceil(most).max(1));
        for cell in (0..self.lines.used).step_by(2 * lanes) {
            let two = self.lines.used - cell > lanes;
            let mut first = 0;
            // By tiles of so many sums and two vectors or one.
            macro_rules! tiles {
                ($($n:literal),*) => {
                    match ((sums - first).min(share), two) {
                        $(($n, true) => self.tile::<S, 2, $n>(simd, [cell, first]),
                        ($n, false) => self.tile::<S, 1, $n>(simd, [cell, first]),)*
                        _ => break,
                    }
                };
            }
            while first < sums {
                first += match S::REGISTER_COUNT {
                    32.. => tiles!(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12),
                    _ => tiles!(1, 2, 3, 4, 5, 6),
                };
            }
        }
    }
}

impl<E: Lanes, const FAR: bool> Product<'_, '_, E, FAR> {
    /// `N` sums for `V` vectors of cells.
    #[inline(always)]
    fn tile<S: Simd, const V: usize, const N: usize>(
        &mut self,
        simd: S,
        [cell, first]: [usize; 2],
    ) -> usize {
        let (lines, weights) = (self.lines, self.weights);
        let mut sums = [[E::splat(simd, E::default()); V]; N];
        for (&start, w) in lines.starts.iter().zip(weights.cells.chunks_exact(weights.step)) {
            let cells = lines.vectors::<S, V>(start, cell);
            let w = &w[first..first + N];
            if FAR {
                prefetch::<1, _>(w, AHEAD * weights.step);
                let next = start as usize + cell + AHEAD * PANEL;
                for v in 0..V {
                    prefetch::<1, _>(lines.cells, next + v * lanes::<S, E>());
                }
            }
            unrolled!(n < N: {
                let w = E::splat(simd, w[n]);
                for v in 0..V {
                    sums[n][v] = E::mul_add(simd, w, cells[v], sums[n][v]);
                }
            });
        }
        self.target.set(simd, sums, [cell, first], lines.used);
        N
    }
}

/// Cells whose memory starts at a cache line: vectors of them do not lie in two.
#[derive(Debug, Default)]
pub struct Aligned<E> {
    cells: Vec<E>,
    start: usize,
    length: usize,
}

impl<E: Copy + Default> Aligned<E> {
    /// Zeros.
    pub fn new(length: usize) -> Self {
        Self::within(Vec::new(), length)
    }

    /// Cells in memory that was used before, if that suffices.
    fn within(mut cells: Vec<E>, length: usize) -> Self {
        let line = 64 / std::mem::size_of::<E>();
        if cells.len() < length + line {
            cells = vec![E::default(); length + line];
        }
        let start = cells.as_ptr().align_offset(64).min(line);
        Self { cells, start, length }
    }
}

impl<E> Deref for Aligned<E> {
    type Target = [E];
    fn deref(&self) -> &[E] {
        &self.cells[self.start..self.start + self.length]
    }
}

impl<E> DerefMut for Aligned<E> {
    fn deref_mut(&mut self) -> &mut [E] {
        &mut self.cells[self.start..self.start + self.length]
    }
}

/// Cells on the stack at the start of a cache line.
#[repr(align(64))]
pub struct Lined<T>(pub T);

/// Cells for a while; they hold anything at first.
pub struct Buffer<E: Lanes>(Aligned<E>);

/// Buffers of more cells are given back to the system.
const KEPT: usize = 1 << 22;

impl<E: Lanes> Buffer<E> {
    /// Memory that was used before, where there is some.
    pub fn of(length: usize) -> Self {
        let pooled = E::pool().lock().ok().and_then(|mut pool| pool.pop());
        Self(Aligned::within(pooled.unwrap_or_default(), length))
    }
}

impl<E: Lanes> Drop for Buffer<E> {
    fn drop(&mut self) {
        let cells = std::mem::take(&mut self.0.cells);
        if let (true, Ok(mut pool)) = (cells.len() <= KEPT, E::pool().lock()) {
            if pool.len() < 8 {
                pool.push(cells);
            }
        }
    }
}

impl<E: Lanes> Deref for Buffer<E> {
    type Target = [E];
    fn deref(&self) -> &[E] {
        &self.0
    }
}

impl<E: Lanes> DerefMut for Buffer<E> {
    fn deref_mut(&mut self) -> &mut [E] {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_starts_at_a_cache_line() {
        let starts = |cells: &[f64], length| {
            cells.as_ptr().addr().is_multiple_of(64) && cells.len() == length
        };
        for length in [0, 1, 7, 100] {
            assert!(starts(&Aligned::new(length), length));
            assert!(starts(&Buffer::of(length), length));
            assert!(starts(&Lined([0.0; 3]).0, 3));
        }
    }
}
