//! Convolution with 3 × 3 kernels by Winograd's F(4 × 4, 3 × 3), and its pullback.
//!
//! Tiles of 4 × 4 results come from patches of 6 × 6 cells, the source of neighbours overlapping. Patches
//! and kernels are taken to 36 points, where the sum over the kernel is a product: a quarter of the
//! multiplications. The kernels are taken there once. Tiles lie side by side in panels.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::copy::{copy, interleave, split};
use super::simd::{
    panel_starts, product, Buffer, Lanes, Lined, Lines, Target, Weights, GROUP, PANEL,
};
use super::tasks::{runs, Division, Run, Task};
use super::{spread, threads_for};
use crate::kernels::Window;

/// Results and cells along an axis of a tile.
const TILE: usize = 4;
const PATCH: usize = 6;
const POINTS: usize = PATCH * PATCH;

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
    runs.last().map_or(0, |run| run.lane + run.cells).next_multiple_of(16)
}

/// Values of a panel at every point.
type Patches<E> = [[E; PANEL]; POINTS];

/// A convolution with 3 × 3 kernels, or its pullback, as one of a source.
#[derive(Debug)]
pub(super) struct Problem {
    pub channels: usize,
    pub results: usize,
    /// Height and width.
    pub source: [usize; 2],
    pub result: [usize; 2],
    pub padding: [isize; 2],
    transposed: bool,
}

impl Problem {
    pub fn new([outputs, inputs]: [usize; 2], window: &Window, transposed: bool) -> Self {
        let padding = [0, 1].map(|i| window.0[i].padding[0] as isize);
        let (source, result) = (window.input(), window.output());
        match transposed {
            false => {
                Self { channels: inputs, results: outputs, source, result, padding, transposed }
            }
            true => Self {
                channels: outputs,
                results: inputs,
                source: result,
                result: source,
                padding: padding.map(|padding| 2 - padding),
                transposed,
            },
        }
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

/// Whether Winograd's convolution, of tiles of any size, can compute this.
pub(super) fn fits(problem: &Problem, window: &Window) -> bool {
    let ones = [window.strides(), window.dilations()] == [[1, 1]; 2];
    let known = window.kernels() == [3, 3] && window.0[1].padding[0] <= 2;
    ones && known && problem.channels >= CHANNELS
}

/// Whether tiles of this size pay, and more than `small` ones where these can be had.
pub(super) fn suits(problem: &Problem, small: bool) -> bool {
    let near = POINTS * problem.channels * problem.results <= BUFFER;
    problem.has_tiles(TILE, if near || !small { TILES[0] } else { TILES[1] })
}

/// A convolution, or its pullback, ready to be computed.
#[derive(Debug)]
pub struct Plan<E> {
    of: Problem,
    /// (points, blocks of results, channels, [`GROUP`])
    weights: Vec<E>,
}

impl<E: Lanes> Plan<E> {
    /// For weights (outputs, inputs, 3, 3) of a problem that is [suited](suits).
    pub fn new(weights: &[E], of: Problem) -> Self {
        Self { weights: Self::transform(&of, weights), of }
    }

    /// The kernels at all points.
    fn transform(of: &Problem, weights: &[E]) -> Vec<E> {
        let block = of.channels * GROUP;
        let blocks = of.results.div_ceil(GROUP);
        let mut at_points = vec![E::default(); POINTS * blocks * block];
        let mut tasks: Vec<Vec<&mut [E]>> = (0..blocks).map(|_| Vec::new()).collect();
        for (i, part) in at_points.chunks_mut(block).enumerate() {
            tasks[i % blocks].push(part);
        }
        let threads = threads_for(of.results * of.channels * POINTS * 4);
        spread(tasks.into_iter().enumerate().collect(), threads, |tasks| {
            for (b, points) in tasks {
                let results = b * GROUP..of.results.min((b + 1) * GROUP);
                Arch::new().dispatch(Kernels { of, weights, results, points });
            }
        });
        at_points
    }

    /// The result for x (images, channels, cells of a plane), written into y.
    pub fn run(&self, x: &[E], y: &mut [E], bias: Option<&[E]>, images: usize) {
        let of = &self.of;
        let [height, width] = of.result;
        let [rows, columns] = of.tiles(TILE);
        let division = Division {
            images,
            channels: of.results,
            plane: height * width,
            unit: TILE * width,
            lanes: rows * columns,
            block: GROUP,
        };
        of.in_tasks((x, y), division, [TILE, POINTS], |x, task| {
            Arch::new().dispatch(Share { plan: self, x, task, bias });
        });
    }

    /// The row `i` of the patches of a run, which starts at a channel's plane; empty beyond the plane.
    #[inline(always)]
    fn row<'a>(&self, plane: &'a [E], run: &Run, i: usize) -> &'a [E] {
        let [height, width] = self.of.source;
        let row = (TILE * run.row + i) as isize - self.of.padding[0];
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
        // Four of the columns start at every fourth cell of a row.
        let Lined(cells) = &mut Lined([E::default(); TILE * PANEL]);
        let used = used(runs);
        for (i, lines) in patches.chunks_exact_mut(PATCH).enumerate() {
            for run in runs {
                let row = self.row(plane(run), run, i);
                let row = &row[row.len().min(TILE * run.column)..];
                let cells = &mut cells[TILE * run.lane..TILE * (run.lane + run.cells)];
                let (inside, outside) = cells.split_at_mut(row.len().min(cells.len()));
                copy(inside, row, 1);
                outside.fill(E::default());
            }
            if let [a, b, c, d] = &mut lines[before..before + TILE] {
                split([a, b, c, d].map(|line| &mut line[..used]), cells.as_chunks().0);
            }
        }
        // The other two are columns of the tiles beside.
        for lines in patches.chunks_exact_mut(PATCH) {
            let (first, last) = lines.split_at_mut(TILE);
            for j in 0..2 {
                match j < before {
                    true => first[j][1..].copy_from_slice(&last[j][..PANEL - 1]),
                    false => last[j][..PANEL - 1].copy_from_slice(&first[j][1..]),
                }
            }
        }
        for run in runs {
            let (plane, end) = (plane(run), run.lane + run.cells - 1);
            for (i, lines) in patches.chunks_exact_mut(PATCH).enumerate() {
                let row = self.row(plane, run, i);
                let cell = |column: usize| {
                    let column = column.checked_sub(before);
                    column.and_then(|column| row.get(column)).copied().unwrap_or_default()
                };
                for j in 0..2 {
                    match j < before {
                        true => lines[j][run.lane] = cell(TILE * run.column + j),
                        false => {
                            lines[TILE + j][end] = cell(TILE * (run.column + run.cells) + j);
                        }
                    }
                }
            }
        }
    }
}

/// The kernels of a block of results, taken to the points.
struct Kernels<'a, 'b, E> {
    of: &'a Problem,
    weights: &'a [E],
    results: Range<usize>,
    /// (channels, [`GROUP`]) for every point.
    points: Vec<&'b mut [E]>,
}

impl<E: Lanes> WithSimd for Kernels<'_, '_, E> {
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
            let mut columns = [[[0.0; GROUP]; PATCH]; 3];
            for j in 0..3 {
                columns[j] = kernel_at([&kernel[0][j], &kernel[1][j], &kernel[2][j]]);
            }
            for i in 0..PATCH {
                let row = kernel_at([&columns[0][i], &columns[1][i], &columns[2][i]]);
                for j in 0..PATCH {
                    let target = &mut self.points[i * PATCH + j][channel * GROUP..][..GROUP];
                    for n in 0..GROUP {
                        target[n] = E::number(row[j][n]);
                    }
                }
            }
        }
    }
}

/// Three weights of some kernels at the points 0, 1, -1, 2, -2 and infinity.
#[inline(always)]
fn kernel_at([a, b, c]: [&[f64; GROUP]; 3]) -> [[f64; GROUP]; PATCH] {
    let mut at = [[0.0; GROUP]; PATCH];
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

/// Six cells of a patch at the same points.
#[inline(always)]
fn patch_at<S: Simd, E: Lanes>(simd: S, d: [E::Vector<S>; PATCH]) -> [E::Vector<S>; PATCH] {
    let (even, odd) = (fma::<S, E>(simd, -4.0, d[2], d[4]), fma::<S, E>(simd, -4.0, d[1], d[3]));
    let (far, turned) = (fma::<S, E>(simd, -1.0, d[2], d[4]), fma::<S, E>(simd, -1.0, d[1], d[3]));
    [
        fma::<S, E>(simd, 4.0, d[0], fma::<S, E>(simd, -5.0, d[2], d[4])),
        fma::<S, E>(simd, 1.0, odd, even),
        fma::<S, E>(simd, -1.0, odd, even),
        fma::<S, E>(simd, 2.0, turned, far),
        fma::<S, E>(simd, -2.0, turned, far),
        fma::<S, E>(simd, 4.0, d[1], fma::<S, E>(simd, -5.0, d[3], d[5])),
    ]
}

/// Four results from the sums at the points.
#[inline(always)]
fn results_of<S: Simd, E: Lanes>(simd: S, m: [E::Vector<S>; PATCH]) -> [E::Vector<S>; TILE] {
    let (near, near_odd) =
        (fma::<S, E>(simd, 1.0, m[1], m[2]), fma::<S, E>(simd, -1.0, m[2], m[1]));
    let (far, far_odd) = (fma::<S, E>(simd, 1.0, m[3], m[4]), fma::<S, E>(simd, -1.0, m[4], m[3]));
    [
        fma::<S, E>(simd, 1.0, fma::<S, E>(simd, 1.0, m[0], near), far),
        fma::<S, E>(simd, 2.0, far_odd, near_odd),
        fma::<S, E>(simd, 4.0, far, near),
        fma::<S, E>(simd, 8.0, far_odd, fma::<S, E>(simd, 1.0, near_odd, m[5])),
    ]
}

/// The convolution for one task.
struct Share<'a, 'b, E> {
    plan: &'a Plan<E>,
    /// The images of the task.
    x: &'a [E],
    task: Task<'b, E>,
    bias: Option<&'a [E]>,
}

impl<E: Lanes> Share<'_, '_, E> {
    /// Sets tiles of a result's channel into its plane.
    #[inline(always)]
    fn store(&mut self, tiles: &[[E; PANEL]; TILE * TILE], channel: usize, runs: &[Run]) {
        let width = self.plan.of.result[1];
        let first = self.task.units.start * TILE * width;
        let Lined(cells) = &mut Lined([E::default(); TILE * PANEL]);
        let used = used(runs);
        for (i, lines) in tiles.chunks_exact(TILE).enumerate() {
            interleave(cells.as_chunks_mut().0, [0, 1, 2, 3].map(|j| &lines[j][..used]));
            for run in runs {
                let plane = run.image * self.task.channels.len() + channel;
                // The last rows of tiles may reach beyond the plane.
                let row = (TILE * run.row + i) * width - first;
                let plane = &mut self.task.planes[plane];
                let Some(row) = plane.get_mut(row..row + width) else { continue };
                let row = &mut row[TILE * run.column..];
                let cells = &cells[TILE * run.lane..TILE * (run.lane + run.cells)];
                let count = row.len().min(cells.len());
                copy(&mut row[..count], cells, 1);
            }
        }
    }
}

impl<E: Lanes> WithSimd for Share<'_, '_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (plan, of) = (self.plan, &self.plan.of);
        let width = of.tiles(TILE)[1];
        let taken = self.task.units.start * width..self.task.units.end * width;
        let images = self.task.images.len();
        let tiles = images * taken.len();
        let own = self.task.channels.clone();
        let (terms, sums) = (of.channels * PANEL, own.len().next_multiple_of(GROUP) * PANEL);
        let panel = POINTS * (terms + sums);
        let at_once = (BUFFER / panel).max((plan.weights.len() / 2).div_ceil(panel)).max(2);
        let at_once = at_once.min(tiles.div_ceil(PANEL)).max(1);
        let starts = &panel_starts(of.channels)[..];
        let mut patches = Buffer::of(POINTS * at_once * terms);
        let mut products = Buffer::of(POINTS * at_once * sums);
        let mut places: Vec<Vec<Run>> = (0..at_once).map(|_| Vec::new()).collect();
        let Lined(patch) = &mut Lined([[E::default(); PANEL]; POINTS]);
        let Lined(tile) = &mut Lined([[E::default(); PANEL]; TILE * TILE]);
        let vectors = E::vectors::<S>(&patch[0]).len();
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
                        for j in 0..PATCH {
                            let mut column = [zero; PATCH];
                            for i in 0..PATCH {
                                column[i] = E::vectors::<S>(&patch[i * PATCH + j])[v];
                            }
                            let column = patch_at::<S, E>(simd, column);
                            for i in 0..PATCH {
                                E::vectors_mut::<S>(&mut patch[i * PATCH + j])[v] = column[i];
                            }
                        }
                        for i in 0..PATCH {
                            let mut row = [zero; PATCH];
                            for j in 0..PATCH {
                                row[j] = E::vectors::<S>(&patch[i * PATCH + j])[v];
                            }
                            let row = patch_at::<S, E>(simd, row);
                            for j in 0..PATCH {
                                let start = ((i * PATCH + j) * at_once + p) * terms;
                                let line = &mut patches[start + channel * PANEL..][..PANEL];
                                E::vectors_mut::<S>(line)[v] = row[j];
                            }
                        }
                    }
                }
            }
            for point in 0..POINTS {
                for (b, channel) in own.clone().step_by(GROUP).enumerate() {
                    let weights = (point * blocks + channel / GROUP) * block;
                    let weights = &plan.weights[weights..][..block];
                    for p in 0..panels {
                        let start = point * at_once + p;
                        let used = PANEL.min(tiles - first - p * PANEL);
                        let lines =
                            Lines { cells: &patches[start * terms..][..terms], starts, used };
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
                        let mut columns = [[zero; TILE]; PATCH];
                        for j in 0..PATCH {
                            let mut column = [zero; PATCH];
                            for i in 0..PATCH {
                                let start = ((i * PATCH + j) * at_once + p) * sums;
                                let line = &products[start + channel * PANEL..][..PANEL];
                                column[i] = E::vectors::<S>(line)[v];
                            }
                            columns[j] = results_of::<S, E>(simd, column);
                        }
                        for i in 0..TILE {
                            let mut row = [zero; PATCH];
                            for j in 0..PATCH {
                                row[j] = columns[j][i];
                            }
                            let row = results_of::<S, E>(simd, row);
                            for j in 0..TILE {
                                let value = E::mul_add(simd, one, row[j], bias);
                                E::vectors_mut::<S>(&mut tile[i * TILE + j])[v] = value;
                            }
                        }
                    }
                    self.store(tile, channel, places);
                }
            }
        }
    }
}
