//! Convolution with 3 × 3 kernels by Winograd's minimal filtering (Lavin and Gray, 2016), and its pullback.
//!
//! Tiles of results come from patches of the source, those of neighbours overlapping. Patches and kernels are
//! taken to points, where the sum over the kernel is a product: a quarter of the multiplications for windows
//! beside each other, two thirds for every second one. The kernels are taken there once. Tiles lie side by side
//! in panels.

use std::marker::PhantomData;
use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::copy::{copy, interleave, split};
use super::simd::{
    panel_starts, product, Buffer, Lanes, Lined, Lines, Target, Weights, GROUP, PANEL, VECTOR,
};
use super::tasks::{runs, Division, Run, Task};
use super::{spread, threads_for};
use crate::kernels::Window;

/// Cells of patches and sums that are dealt with at a time, to stay in the cache; more where the kernels, which
/// are read each time, have more.
const BUFFER: usize = 1 << 18;

/// Channels of the source from which on the transformations pay.
const CHANNELS: usize = 16;

/// Tiles of a plane from which on it pays, and from which on it beats small tiles where the kernels do not stay in
/// the cache: they take twice the memory of those, which is to be read for all tiles. The number of images does
/// not count: what comes out must not depend on it.
const TILES: [usize; 2] = [8, 20];

/// The lanes of some runs, and as many more as the widest vectors take.
#[inline(always)]
fn used(runs: &[Run]) -> usize {
    runs.last().map_or(0, |run| run.lane + run.cells).next_multiple_of(VECTOR)
}

/// Cells or points of a patch along an axis at most, and results or cells from one patch to the next.
const WIDE: usize = 6;
const NARROW: usize = 4;

/// A panel for each cell of patches, or for their points.
type Patches<E> = [[[E; PANEL]; WIDE]; WIDE];

/// A panel for each result of tiles.
type Results<E> = [[[E; PANEL]; NARROW]; NARROW];

/// How windows along an axis are dealt with; both axes are alike.
pub trait Scheme: Sync {
    /// Cells of the source from one patch to the next.
    const STEP: usize;
    /// Cells of a patch.
    const PATCH: usize;
    /// The points.
    const POINTS: usize;
    /// Results that come from a patch.
    const TILE: usize;

    /// Three weights of some kernels at the points.
    fn kernel_at(weights: [&[f64; GROUP]; 3]) -> [[f64; GROUP]; WIDE];

    /// The cells of a patch at the points.
    fn patch_at<S: Simd, E: Lanes>(simd: S, d: [E::Vector<S>; WIDE]) -> [E::Vector<S>; WIDE];

    /// The results from the sums at the points.
    fn results_of<S: Simd, E: Lanes>(simd: S, m: [E::Vector<S>; WIDE]) -> [E::Vector<S>; NARROW];
}

/// Windows beside each other: F(4, 3) with the points 0, 1, -1, 2, -2 and infinity.
#[derive(Debug)]
pub struct Stride1;

/// Windows two cells apart. Their first and last weights see every second cell, as a kernel of two cells and
/// stride 1: F(2, 2) with the points 0, 1 and infinity. The cells between are multiplied as they are.
#[derive(Debug)]
pub struct Stride2;

/// The pullback of windows two cells apart: two of four results are sums of two products, F(2, 2), those
/// between them single ones. `EVEN` tells whether the first is a sum.
#[derive(Debug)]
pub struct Stride2Back<const EVEN: bool>;

/// A convolution with 3 × 3 kernels, or its pullback, as one of a source.
#[derive(Debug)]
pub(super) struct Problem {
    pub channels: usize,
    pub results: usize,
    /// Height and width.
    pub source: [usize; 2],
    pub result: [usize; 2],
    pub padding: [isize; 2],
    /// Distance of the windows.
    pub stride: usize,
    transposed: bool,
}

impl Problem {
    /// `None` where no tiles suit.
    pub fn new(
        [outputs, inputs]: [usize; 2],
        window: &Window,
        groups: usize,
        transposed: bool,
    ) -> Option<Self> {
        let [axis, across] = window.0;
        let (stride, padding) = (axis.stride, [axis.padding[0], across.padding[0]]);
        let plain = groups == 1 && window.kernels() == [3, 3] && window.dilations() == [1, 1];
        let alike = stride == across.stride && (stride == 1 || padding[0] == padding[1]);
        // A patch begins at most as many cells before the source as it shares with the next one.
        if !plain || !alike || stride > 2 || stride + padding[1] > 3 {
            return None;
        }
        let mut padding = padding.map(|padding| padding as isize);
        let mut ends = [(inputs, window.input()), (outputs, window.output())];
        if transposed {
            ends.reverse();
            padding = padding.map(|padding| 3 - stride as isize - padding);
        }
        let [(channels, source), (results, result)] = ends;
        let problem = Self { channels, results, source, result, padding, stride, transposed };
        (problem.channels >= CHANNELS).then_some(problem)
    }

    /// A weight by result, channel, row and column of the kernel, from those (outputs, inputs, 3, 3).
    #[inline(always)]
    pub fn weight<E: Lanes>(&self, weights: &[E], at: [usize; 4]) -> f64 {
        let [result, channel, i, j] = at;
        let place = match self.transposed {
            true => (channel * self.results + result) * 9 + (2 - i) * 3 + 2 - j,
            false => (result * self.channels + channel) * 9 + i * 3 + j,
        };
        weights[place].wide()
    }

    /// Tiles of so many results along an axis.
    pub fn tiles(&self, tile: usize) -> [usize; 2] {
        self.result.map(|n| n.div_ceil(tile))
    }

    /// Whether a plane has at least `least` tiles of this size.
    pub fn has_tiles(&self, tile: usize, least: usize) -> bool {
        self.tiles(tile).iter().product::<usize>() >= least
    }

    /// Computes y from x (images, channels, cells of a plane), both by tasks, with tiles of so many results and
    /// so many points.
    pub fn in_tasks<E: Lanes>(
        &self,
        (x, y): (&[E], &mut [E]),
        division: Division,
        [tile, points]: [usize; 2],
        compute: impl Fn(&[E], Task<'_, E>) + Sync,
    ) {
        let image = self.channels * self.source[0] * self.source[1];
        let tiles = division.images * self.tiles(tile).iter().product::<usize>();
        let threads = threads_for(tiles * points * self.channels * self.results);
        spread(division.tasks(y, threads), threads, |tasks| {
            for task in tasks {
                compute(&x[task.images.start * image..task.images.end * image], task);
            }
        });
    }
}

/// Whether tiles of this size pay, and more than `small` ones where these can be had.
pub(super) fn suits(problem: &Problem, small: bool) -> bool {
    let Problem { channels, results, source, result, stride, transposed, .. } = *problem;
    if stride == 1 {
        let near = Stride1::POINTS.pow(2) * channels * results <= BUFFER;
        return problem.has_tiles(Stride1::TILE, TILES[usize::from(!near && small)]);
    }
    let (windows, tile) = match transposed {
        true => (source, Stride2Back::<true>::TILE),
        false => (result, Stride2::TILE),
    };
    // Tiles that reach beyond the plane compute some for nothing; a seventh of the products must be spared.
    let products = Stride2::POINTS.pow(2) * problem.tiles(tile).iter().product::<usize>();
    let direct = 9 * windows.iter().product::<usize>();
    problem.has_tiles(tile, TILES[0]) && 7 * products <= 6 * direct
}

/// A convolution, or its pullback, ready to be computed.
#[derive(Debug)]
pub enum Plan<E> {
    Stride1(Tiled<E, Stride1>),
    Stride2(Tiled<E, Stride2>),
    Stride2BackEven(Tiled<E, Stride2Back<true>>),
    Stride2BackOdd(Tiled<E, Stride2Back<false>>),
}

impl<E: Lanes> Plan<E> {
    /// For weights (outputs, inputs, 3, 3) of a problem that is [suited](suits).
    pub fn new(weights: &[E], of: Problem) -> Self {
        match (of.stride, of.transposed, of.padding[0]) {
            (2, false, _) => Self::Stride2(Tiled::new(weights, of)),
            (2, true, 1) => Self::Stride2BackEven(Tiled::new(weights, of)),
            (2, true, _) => Self::Stride2BackOdd(Tiled::new(weights, of)),
            _ => Self::Stride1(Tiled::new(weights, of)),
        }
    }

    /// The result for x (images, channels, cells of a plane), written into y.
    pub fn run(&self, x: &[E], y: &mut [E], bias: Option<&[E]>, images: usize) {
        match self {
            Self::Stride1(plan) => plan.run(x, y, bias, images),
            Self::Stride2(plan) => plan.run(x, y, bias, images),
            Self::Stride2BackEven(plan) => plan.run(x, y, bias, images),
            Self::Stride2BackOdd(plan) => plan.run(x, y, bias, images),
        }
    }
}

/// See [`Plan`].
#[derive(Debug)]
pub struct Tiled<E, F> {
    of: Problem,
    /// (points of both axes, blocks of results, channels, [`GROUP`])
    weights: Vec<E>,
    scheme: PhantomData<F>,
}

impl<E: Lanes, F: Scheme> Tiled<E, F> {
    const POINTS: usize = F::POINTS * F::POINTS;

    fn new(weights: &[E], of: Problem) -> Self {
        Self { weights: Self::transform(&of, weights), of, scheme: PhantomData }
    }

    /// The kernels at all points.
    fn transform(of: &Problem, weights: &[E]) -> Vec<E> {
        let block = of.channels * GROUP;
        let blocks = of.results.div_ceil(GROUP);
        let mut at_points = vec![E::default(); Self::POINTS * blocks * block];
        let mut tasks: Vec<Vec<&mut [E]>> = (0..blocks).map(|_| Vec::new()).collect();
        for (i, part) in at_points.chunks_mut(block).enumerate() {
            tasks[i % blocks].push(part);
        }
        let threads = threads_for(of.results * of.channels * Self::POINTS * 4);
        spread(tasks.into_iter().enumerate().collect(), threads, |tasks| {
            for (b, points) in tasks {
                let results = b * GROUP..of.results.min((b + 1) * GROUP);
                let scheme = PhantomData::<F>;
                Arch::new().dispatch(Kernels { of, weights, results, points, scheme });
            }
        });
        at_points
    }

    /// See [`Plan::run`].
    fn run(&self, x: &[E], y: &mut [E], bias: Option<&[E]>, images: usize) {
        let of = &self.of;
        let [height, width] = of.result;
        let [rows, columns] = of.tiles(F::TILE);
        let division = Division {
            images,
            channels: of.results,
            plane: height * width,
            unit: F::TILE * width,
            lanes: rows * columns,
            block: GROUP,
        };
        of.in_tasks((x, y), division, [F::TILE, Self::POINTS], |x, task| {
            Arch::new().dispatch(Share { plan: self, x, task, bias });
        });
    }

    /// The row `i` of the patches of a run, which starts at a channel's plane; empty beyond the plane.
    #[inline(always)]
    fn row<'a>(&self, plane: &'a [E], run: &Run, i: usize) -> &'a [E] {
        let [height, width] = self.of.source;
        let row = (F::STEP * run.row + i) as isize - self.of.padding[0];
        match (0..height as isize).contains(&row) {
            true => &plane[row as usize * width..][..width],
            false => &[],
        }
    }

    /// Lays the patches of some runs of one channel side by side.
    #[inline(always)]
    fn gather(&self, x: &[E], channel: usize, runs: &[Run], patches: &mut Patches<E>) {
        let plane = |run: &Run| {
            let plane = self.of.source[0] * self.of.source[1];
            &x[(run.image * self.of.channels + channel) * plane..][..plane]
        };
        let before = self.of.padding[1] as usize;
        // Most of the columns start at every `STEP`-th cell of a row.
        let Lined(cells) = &mut Lined([E::default(); NARROW * PANEL]);
        let used = used(runs);
        for (i, lines) in patches[..F::PATCH].iter_mut().enumerate() {
            for run in runs {
                let row = self.row(plane(run), run, i);
                let row = &row[row.len().min(F::STEP * run.column)..];
                let cells = &mut cells[F::STEP * run.lane..F::STEP * (run.lane + run.cells)];
                let (inside, outside) = cells.split_at_mut(row.len().min(cells.len()));
                copy(inside, row, 1);
                outside.fill(E::default());
            }
            let (lines, cells) = (&mut lines[before..], &cells[..F::STEP * used]);
            match F::STEP {
                4 => split::<_, 4>(lines, cells.as_chunks().0),
                _ => split::<_, 2>(lines, cells.as_chunks().0),
            }
        }
        // The others are columns of the tiles beside.
        for lines in patches[..F::PATCH].iter_mut() {
            let (first, last) = lines.split_at_mut(F::STEP);
            for j in 0..F::PATCH - F::STEP {
                match j < before {
                    true => first[j][1..].copy_from_slice(&last[j][..PANEL - 1]),
                    false => last[j][..PANEL - 1].copy_from_slice(&first[j][1..]),
                }
            }
        }
        for run in runs {
            let (plane, end) = (plane(run), run.lane + run.cells - 1);
            for (i, lines) in patches[..F::PATCH].iter_mut().enumerate() {
                let row = self.row(plane, run, i);
                let cell = |column: usize| {
                    let column = column.checked_sub(before);
                    column.and_then(|column| row.get(column)).copied().unwrap_or_default()
                };
                for j in 0..F::PATCH - F::STEP {
                    match j < before {
                        true => lines[j][run.lane] = cell(F::STEP * run.column + j),
                        false => {
                            lines[F::STEP + j][end] = cell(F::STEP * (run.column + run.cells) + j);
                        }
                    }
                }
            }
        }
    }
}

/// The kernels of a block of results, taken to the points.
struct Kernels<'a, 'b, E, F> {
    of: &'a Problem,
    weights: &'a [E],
    results: Range<usize>,
    /// (channels, [`GROUP`]) for every point.
    points: Vec<&'b mut [E]>,
    scheme: PhantomData<F>,
}

impl<E: Lanes, F: Scheme> WithSimd for Kernels<'_, '_, E, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) {
        let mut kernel = [[[0.0; GROUP]; 3]; 3];
        for channel in 0..self.of.channels {
            for (n, result) in self.results.clone().enumerate() {
                for i in 0..3 {
                    for j in 0..3 {
                        kernel[i][j][n] = self.of.weight(self.weights, [result, channel, i, j]);
                    }
                }
            }
            let mut columns = [[[0.0; GROUP]; WIDE]; 3];
            for j in 0..3 {
                columns[j] = F::kernel_at([&kernel[0][j], &kernel[1][j], &kernel[2][j]]);
            }
            for i in 0..F::POINTS {
                let row = F::kernel_at([&columns[0][i], &columns[1][i], &columns[2][i]]);
                for j in 0..F::POINTS {
                    let target = &mut self.points[i * F::POINTS + j][channel * GROUP..][..GROUP];
                    for n in 0..GROUP {
                        target[n] = E::number(row[j][n]);
                    }
                }
            }
        }
    }
}

/// a b + c for a vector each.
#[inline(always)]
pub(super) fn fma<S: Simd, E: Lanes>(
    simd: S,
    a: f64,
    b: E::Vector<S>,
    c: E::Vector<S>,
) -> E::Vector<S> {
    E::mul_add(simd, E::splat(simd, E::number(a)), b, c)
}

impl Scheme for Stride1 {
    const STEP: usize = 4;
    const PATCH: usize = 6;
    const POINTS: usize = 6;
    const TILE: usize = 4;

    #[inline(always)]
    fn kernel_at([a, b, c]: [&[f64; GROUP]; 3]) -> [[f64; GROUP]; WIDE] {
        let mut at = [[0.0; GROUP]; WIDE];
        for n in 0..GROUP {
            let (outer, far) = (a[n] + c[n], a[n] / 24.0 + c[n] / 6.0);
            at[0][n] = a[n] / 4.0;
            at[1][n] = -(outer + b[n]) / 6.0;
            at[2][n] = -(outer - b[n]) / 6.0;
            at[3][n] = far + b[n] / 12.0;
            at[4][n] = far - b[n] / 12.0;
            at[5][n] = c[n];
        }
        at
    }

    #[inline(always)]
    fn patch_at<S: Simd, E: Lanes>(simd: S, d: [E::Vector<S>; WIDE]) -> [E::Vector<S>; WIDE] {
        let even = fma::<S, E>(simd, -4.0, d[2], d[4]);
        let odd = fma::<S, E>(simd, -4.0, d[1], d[3]);
        let far = fma::<S, E>(simd, -1.0, d[2], d[4]);
        let turned = fma::<S, E>(simd, -1.0, d[1], d[3]);
        [
            fma::<S, E>(simd, 4.0, d[0], fma::<S, E>(simd, -5.0, d[2], d[4])),
            fma::<S, E>(simd, 1.0, odd, even),
            fma::<S, E>(simd, -1.0, odd, even),
            fma::<S, E>(simd, 2.0, turned, far),
            fma::<S, E>(simd, -2.0, turned, far),
            fma::<S, E>(simd, 4.0, d[1], fma::<S, E>(simd, -5.0, d[3], d[5])),
        ]
    }

    #[inline(always)]
    fn results_of<S: Simd, E: Lanes>(simd: S, m: [E::Vector<S>; WIDE]) -> [E::Vector<S>; NARROW] {
        let near = fma::<S, E>(simd, 1.0, m[1], m[2]);
        let near_odd = fma::<S, E>(simd, -1.0, m[2], m[1]);
        let far = fma::<S, E>(simd, 1.0, m[3], m[4]);
        let far_odd = fma::<S, E>(simd, -1.0, m[4], m[3]);
        [
            fma::<S, E>(simd, 1.0, fma::<S, E>(simd, 1.0, m[0], near), far),
            fma::<S, E>(simd, 2.0, far_odd, near_odd),
            fma::<S, E>(simd, 4.0, far, near),
            fma::<S, E>(simd, 8.0, far_odd, fma::<S, E>(simd, 1.0, near_odd, m[5])),
        ]
    }
}

impl Scheme for Stride2 {
    const STEP: usize = 4;
    const PATCH: usize = 5;
    const POINTS: usize = 5;
    const TILE: usize = 2;

    #[inline(always)]
    fn kernel_at([a, b, c]: [&[f64; GROUP]; 3]) -> [[f64; GROUP]; WIDE] {
        let mut both = *a;
        for n in 0..GROUP {
            both[n] += c[n];
        }
        [*a, *b, both, *b, *c, [0.0; GROUP]]
    }

    #[inline(always)]
    fn patch_at<S: Simd, E: Lanes>(simd: S, mut d: [E::Vector<S>; WIDE]) -> [E::Vector<S>; WIDE] {
        d[0] = fma::<S, E>(simd, -1.0, d[2], d[0]);
        d[4] = fma::<S, E>(simd, -1.0, d[2], d[4]);
        d
    }

    #[inline(always)]
    fn results_of<S: Simd, E: Lanes>(simd: S, m: [E::Vector<S>; WIDE]) -> [E::Vector<S>; NARROW] {
        let first = fma::<S, E>(simd, 1.0, fma::<S, E>(simd, 1.0, m[0], m[1]), m[2]);
        let last = fma::<S, E>(simd, 1.0, fma::<S, E>(simd, 1.0, m[4], m[3]), m[2]);
        [first, last, m[2], m[3]]
    }
}

impl<const EVEN: bool> Scheme for Stride2Back<EVEN> {
    const STEP: usize = 2;
    const PATCH: usize = 3;
    const POINTS: usize = 5;
    const TILE: usize = 4;

    #[inline(always)]
    fn kernel_at(weights: [&[f64; GROUP]; 3]) -> [[f64; GROUP]; WIDE] {
        Stride2::kernel_at(weights)
    }

    #[inline(always)]
    fn patch_at<S: Simd, E: Lanes>(simd: S, d: [E::Vector<S>; WIDE]) -> [E::Vector<S>; WIDE] {
        let first = fma::<S, E>(simd, -1.0, d[1], d[0]);
        let last = fma::<S, E>(simd, -1.0, d[1], d[2]);
        match EVEN {
            true => [first, d[1], d[1], d[2], last, d[5]],
            false => [first, d[0], d[1], d[1], last, d[5]],
        }
    }

    #[inline(always)]
    fn results_of<S: Simd, E: Lanes>(simd: S, m: [E::Vector<S>; WIDE]) -> [E::Vector<S>; NARROW] {
        let first = fma::<S, E>(simd, 1.0, m[0], m[2]);
        let last = fma::<S, E>(simd, 1.0, m[4], m[2]);
        match EVEN {
            true => [first, m[1], last, m[3]],
            false => [m[1], first, m[3], last],
        }
    }
}

/// The convolution for one task.
struct Share<'a, 'b, E, F> {
    plan: &'a Tiled<E, F>,
    /// The images of the task.
    x: &'a [E],
    task: Task<'b, E>,
    bias: Option<&'a [E]>,
}

impl<E: Lanes, F: Scheme> Share<'_, '_, E, F> {
    /// Sets tiles of a result's channel into its plane.
    #[inline(always)]
    fn store(&mut self, tiles: &Results<E>, channel: usize, runs: &[Run]) {
        let width = self.plan.of.result[1];
        let first = self.task.units.start * F::TILE * width;
        let Lined(cells) = &mut Lined([E::default(); NARROW * PANEL]);
        let used = used(runs);
        for (i, lines) in tiles[..F::TILE].iter().enumerate() {
            let together = &mut cells[..F::TILE * used];
            match F::TILE {
                4 => interleave::<_, 4>(together.as_chunks_mut().0, lines),
                _ => interleave::<_, 2>(together.as_chunks_mut().0, lines),
            }
            for run in runs {
                let plane = run.image * self.task.channels.len() + channel;
                // The last rows of tiles may reach beyond the plane.
                let row = (F::TILE * run.row + i) * width - first;
                let plane = &mut self.task.planes[plane];
                let Some(row) = plane.get_mut(row..row + width) else { continue };
                let row = &mut row[F::TILE * run.column..];
                let cells = &cells[F::TILE * run.lane..F::TILE * (run.lane + run.cells)];
                let count = row.len().min(cells.len());
                copy(&mut row[..count], cells, 1);
            }
        }
    }
}

impl<E: Lanes, F: Scheme> WithSimd for Share<'_, '_, E, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (plan, of) = (self.plan, &self.plan.of);
        let (width, points) = (of.tiles(F::TILE)[1], Tiled::<E, F>::POINTS);
        let taken = self.task.units.start * width..self.task.units.end * width;
        let images = self.task.images.len();
        let tiles = images * taken.len();
        let own = self.task.channels.clone();
        let (terms, sums) = (of.channels * PANEL, own.len().next_multiple_of(GROUP) * PANEL);
        let panel = points * (terms + sums);
        let at_once = (BUFFER / panel).max((plan.weights.len() / 2).div_ceil(panel)).max(2);
        let at_once = at_once.min(tiles.div_ceil(PANEL)).max(1);
        let starts = &panel_starts(of.channels)[..];
        let mut patches = Buffer::of(points * at_once * terms);
        let mut products = Buffer::of(points * at_once * sums);
        let mut places: Vec<Vec<Run>> = (0..at_once).map(|_| Vec::new()).collect();
        let Lined(patch) = &mut Lined([[[E::default(); PANEL]; WIDE]; WIDE]);
        let Lined(tile) = &mut Lined([[[E::default(); PANEL]; NARROW]; NARROW]);
        let vectors = E::vectors::<S>(&patch[0][0]).len();
        let zero = E::splat(simd, E::default());
        let block = of.channels * GROUP;
        let blocks = of.results.div_ceil(GROUP);
        for first in (0..tiles).step_by(at_once * PANEL) {
            let panels = (tiles - first).div_ceil(PANEL).min(at_once);
            for (p, places) in places.iter_mut().enumerate().take(panels) {
                let first = first + p * PANEL;
                runs(places, first..tiles.min(first + PANEL), &taken, width);
                for channel in 0..of.channels {
                    plan.gather(self.x, channel, places, patch);
                    for v in 0..vectors {
                        for j in 0..F::PATCH {
                            let mut column = [zero; WIDE];
                            for i in 0..F::PATCH {
                                column[i] = E::vectors::<S>(&patch[i][j])[v];
                            }
                            let column = F::patch_at::<S, E>(simd, column);
                            for i in 0..F::POINTS {
                                E::vectors_mut::<S>(&mut patch[i][j])[v] = column[i];
                            }
                        }
                        for i in 0..F::POINTS {
                            let mut row = [zero; WIDE];
                            for j in 0..F::PATCH {
                                row[j] = E::vectors::<S>(&patch[i][j])[v];
                            }
                            let row = F::patch_at::<S, E>(simd, row);
                            for j in 0..F::POINTS {
                                let start = ((i * F::POINTS + j) * at_once + p) * terms;
                                let line = &mut patches[start + channel * PANEL..][..PANEL];
                                E::vectors_mut::<S>(line)[v] = row[j];
                            }
                        }
                    }
                }
            }
            for point in 0..points {
                for (b, channel) in own.clone().step_by(GROUP).enumerate() {
                    let weights = (point * blocks + channel / GROUP) * block;
                    let weights = &plan.weights[weights..][..block];
                    for p in 0..panels {
                        let start = point * at_once + p;
                        let used = PANEL.min(tiles - first - p * PANEL);
                        let cells = &patches[start * terms..][..terms];
                        let lines = Lines { cells, starts, used, far: true };
                        let target = &mut products[start * sums + b * GROUP * PANEL..];
                        let target = &mut target[..GROUP * PANEL];
                        let count = GROUP.min(own.end - channel);
                        let weights = Weights { cells: weights, step: GROUP, sums: count };
                        product::<S, E>(simd, lines, weights, Target::Panel(target));
                    }
                }
            }
            for (p, places) in places.iter().enumerate().take(panels) {
                for channel in 0..own.len() {
                    let bias = self.bias.map_or(E::default(), |bias| bias[own.start + channel]);
                    let (bias, one) = (E::splat(simd, bias), E::splat(simd, E::number(1.0)));
                    for v in 0..vectors {
                        let mut columns = [[zero; NARROW]; WIDE];
                        for j in 0..F::POINTS {
                            let mut column = [zero; WIDE];
                            for i in 0..F::POINTS {
                                let start = ((i * F::POINTS + j) * at_once + p) * sums;
                                let line = &products[start + channel * PANEL..][..PANEL];
                                column[i] = E::vectors::<S>(line)[v];
                            }
                            columns[j] = F::results_of::<S, E>(simd, column);
                        }
                        for i in 0..F::TILE {
                            let mut row = [zero; WIDE];
                            for j in 0..F::POINTS {
                                row[j] = columns[j][i];
                            }
                            let row = F::results_of::<S, E>(simd, row);
                            for j in 0..F::TILE {
                                let value = E::mul_add(simd, one, row[j], bias);
                                E::vectors_mut::<S>(&mut tile[i][j])[v] = value;
                            }
                        }
                    }
                    self.store(tile, channel, places);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Axis;

    /// Whether tiles suit windows so far apart over a square of `input` cells, forward and back.
    fn suited(stride: usize, padding: usize, input: usize) -> [bool; 2] {
        let axis = Axis { kernel: 3, stride, padding: [padding; 2], ..Axis::trivial(input) };
        let window = Window::new([axis; 2]).expect("windows that fit");
        [false, true].map(|transposed| {
            let problem = Problem::new([64, 32], &window, 1, transposed);
            problem.is_some_and(|problem| suits(&problem, false))
        })
    }

    #[test]
    fn tiles_are_used_where_they_spare_products() {
        assert_eq!(suited(1, 1, 14), [true; 2]);
        assert_eq!(suited(1, 2, 28), [true; 2]);
        assert_eq!(suited(2, 0, 56), [true; 2]);
        assert_eq!(suited(2, 1, 56), [true; 2]);
        assert_eq!(suited(2, 2, 56), [false; 2], "patches would overlap too little");
        assert_eq!(suited(2, 1, 16), [true; 2]);
        assert_eq!(suited(2, 1, 14), [false; 2], "16 tiles for 7 x 7 windows");
        assert_eq!(suited(3, 0, 56), [false; 2]);
    }
}
