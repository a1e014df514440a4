//! Convolution with 3 × 3 kernels over small planes by Winograd's F(2 × 2, 3 × 3), and its pullback.
//!
//! Tiles of 2 × 2 results come from patches of 4 × 4 cells, taken to 16 points: less than half of the
//! multiplications. Few tiles would leave panels empty, and kernels at 36 points would take longer to read
//! than they spare. So results lie side by side in panels, and a few tiles are multiplied with them at once.

use pulp::{Arch, Simd, WithSimd};

use super::simd::{
    panel_starts, product, Aligned, Buffer, Lanes, Lines, Target, Weights, GROUP, PANEL,
};
use super::tasks::{Division, Task};
use super::winograd::{fma, Problem};
use super::{spread, threads_for};

/// Results and cells along an axis of a tile.
const TILE: usize = 2;
const PATCH: usize = 4;
const POINTS: usize = PATCH * PATCH;

/// Cells of patches that are dealt with at a time: they are read for every panel of results.
const BUFFER: usize = 1 << 21;

/// Tiles of a plane from which on it pays: the kernels take nearly twice the memory.
const TILES: usize = 8;

/// Whether tiles of this size pay, and patches take the whole source.
pub(super) fn suits(problem: &Problem) -> bool {
    let tiles = problem.tiles(TILE);
    let whole = |i: usize| {
        let (padding, patches) = (problem.padding[i], TILE * tiles[i] + PATCH - TILE);
        padding >= 0 && problem.source[i] + padding as usize <= patches
    };
    problem.stride == 1
        && problem.results >= PANEL
        && problem.has_tiles(TILE, TILES)
        && whole(0)
        && whole(1)
}

/// A convolution, or its pullback, ready to be computed.
#[derive(Debug)]
pub struct Plan<E> {
    of: Problem,
    /// (panels of results, points, channels, [`PANEL`])
    weights: Aligned<E>,
}

impl<E: Lanes> Plan<E> {
    /// For weights (outputs, inputs, 3, 3) of a problem that is [suited](suits).
    pub fn new(weights: &[E], of: Problem) -> Self {
        let panel = POINTS * of.channels * PANEL;
        let mut panels = Aligned::new(of.results.div_ceil(PANEL) * panel);
        let threads = threads_for(of.results * of.channels * POINTS);
        spread(panels.chunks_mut(panel).enumerate().collect(), threads, |tasks| {
            for (p, panel) in tasks {
                let results = p * PANEL..of.results.min((p + 1) * PANEL);
                for (n, result) in results.enumerate() {
                    for channel in 0..of.channels {
                        let at = kernel_at(|i, j| of.weight(weights, [result, channel, i, j]));
                        for (point, value) in at.into_iter().flatten().enumerate() {
                            panel[(point * of.channels + channel) * PANEL + n] = E::number(value);
                        }
                    }
                }
            }
        });
        Self { of, weights: panels }
    }

    /// The result for x (images, channels, cells of a plane), written into y.
    pub fn run(&self, x: &[E], y: &mut [E], bias: Option<&[E]>, images: usize) {
        let of = &self.of;
        let plane: usize = of.result.iter().product();
        let (channels, block) = (of.results, PANEL);
        let division = Division { images, channels, plane, unit: plane, lanes: 0, block };
        of.in_tasks((x, y), division, [TILE, POINTS], |x, task| {
            Arch::new().dispatch(Share { plan: self, x, task, bias });
        });
    }
}

/// A kernel at the points 0, 1, -1 and infinity of both axes.
fn kernel_at(weight: impl Fn(usize, usize) -> f64) -> [[f64; PATCH]; PATCH] {
    let line = |[a, b, c]: [f64; 3]| [a, (a + b + c) / 2.0, (a - b + c) / 2.0, c];
    let columns = [0, 1, 2].map(|j| line([0, 1, 2].map(|i| weight(i, j))));
    [0, 1, 2, 3].map(|i| line([0, 1, 2].map(|j| columns[j][i])))
}

/// Four cells of a patch at the same points.
#[inline(always)]
fn patch_at<S: Simd, E: Lanes>(simd: S, d: [E::Vector<S>; PATCH]) -> [E::Vector<S>; PATCH] {
    [
        fma::<S, E>(simd, -1.0, d[2], d[0]),
        fma::<S, E>(simd, 1.0, d[1], d[2]),
        fma::<S, E>(simd, -1.0, d[1], d[2]),
        fma::<S, E>(simd, -1.0, d[3], d[1]),
    ]
}

/// Two results from the sums at the points.
#[inline(always)]
fn results_of<S: Simd, E: Lanes>(simd: S, m: [E::Vector<S>; PATCH]) -> [E::Vector<S>; TILE] {
    let (sum, difference) =
        (fma::<S, E>(simd, 1.0, m[1], m[2]), fma::<S, E>(simd, -1.0, m[2], m[1]));
    [fma::<S, E>(simd, 1.0, m[0], sum), fma::<S, E>(simd, -1.0, m[3], difference)]
}

/// The convolution for one task.
struct Share<'a, 'b, E> {
    plan: &'a Plan<E>,
    /// The images of the task.
    x: &'a [E],
    task: Task<'b, E>,
    bias: Option<&'a [E]>,
}

/// Panels (cells of a padded plane, [`PANEL`] channels) and (points, tiles of a group, [`PANEL`]).
struct Scratch<E: Lanes> {
    plane: Buffer<E>,
    points: Buffer<E>,
}

impl<E: Lanes> Share<'_, '_, E> {
    /// Lays some channels of an image side by side, with the padding, where zeros are already.
    #[inline(always)]
    fn gather(&self, image: usize, first: usize, plane: &mut [E]) {
        let of = &self.plan.of;
        let ([height, width], [top, left]) = (of.source, of.padding.map(|n| n as usize));
        let padded = TILE * of.tiles(TILE)[1] + 2;
        let cells = height * width;
        let count = PANEL.min(of.channels - first);
        let source = &self.x[(image * of.channels + first) * cells..][..count * cells];
        for row in 0..height {
            for column in 0..width {
                let line = &mut plane[((row + top) * padded + column + left) * PANEL..][..PANEL];
                let source = source[row * width + column..].iter().step_by(cells);
                for (y, x) in line.iter_mut().zip(source) {
                    *y = *x;
                }
            }
        }
    }

    /// Takes the patch of a tile to the points, as number `t` of its group.
    #[inline(always)]
    fn transform<S: Simd>(&self, simd: S, tile: usize, t: usize, scratch: &mut Scratch<E>) {
        let width = self.plan.of.tiles(TILE)[1];
        let padded = TILE * width + 2;
        let vectors = E::vectors::<S>(&scratch.plane[..PANEL]).len();
        let zero = E::splat(simd, E::default());
        let corner = TILE * (tile / width * padded + tile % width);
        for v in 0..vectors {
            let mut columns = [[zero; PATCH]; PATCH];
            for j in 0..PATCH {
                let mut column = [zero; PATCH];
                for i in 0..PATCH {
                    let cell = (corner + i * padded + j) * PANEL;
                    column[i] = E::vectors::<S>(&scratch.plane[cell..cell + PANEL])[v];
                }
                columns[j] = patch_at::<S, E>(simd, column);
            }
            for i in 0..PATCH {
                let mut row = [zero; PATCH];
                for j in 0..PATCH {
                    row[j] = columns[j][i];
                }
                let row = patch_at::<S, E>(simd, row);
                for j in 0..PATCH {
                    let line = ((i * PATCH + j) * GROUP + t) * PANEL;
                    E::vectors_mut::<S>(&mut scratch.points[line..line + PANEL])[v] = row[j];
                }
            }
        }
    }

    /// A tile of results, (cells, [`PANEL`]), from its sums, which are `distance` apart for the points.
    #[inline(always)]
    fn results<S: Simd>(&self, simd: S, sums: &[E], distance: usize, tile: &mut [E]) {
        let zero = E::splat(simd, E::default());
        for v in 0..E::vectors::<S>(&tile[..PANEL]).len() {
            let mut columns = [[zero; TILE]; PATCH];
            for j in 0..PATCH {
                let mut column = [zero; PATCH];
                for i in 0..PATCH {
                    let line = (i * PATCH + j) * distance;
                    column[i] = E::vectors::<S>(&sums[line..line + PANEL])[v];
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
                    let line = (i * TILE + j) * PANEL;
                    E::vectors_mut::<S>(&mut tile[line..line + PANEL])[v] = row[j];
                }
            }
        }
    }

    /// Adds the bias and sets a tile of some results from channel `block` of the task on into their planes.
    #[inline(always)]
    fn store(&mut self, tile: &[E], [image, block, used]: [usize; 3], [row, column]: [usize; 2]) {
        let [height, width] = self.plan.of.result;
        let own = &self.task.channels;
        let first = image * own.len() + block;
        for (n, plane) in self.task.planes[first..first + used].iter_mut().enumerate() {
            let bias = self.bias.map_or(E::default(), |bias| bias[own.start + block + n]);
            for i in 0..TILE.min(height - TILE * row) {
                for j in 0..TILE.min(width - TILE * column) {
                    let cell = (TILE * row + i) * width + TILE * column + j;
                    plane[cell] = tile[(i * TILE + j) * PANEL + n] + bias;
                }
            }
        }
    }
}

impl<E: Lanes> WithSimd for Share<'_, '_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (plan, of) = (self.plan, &self.plan.of);
        let [rows, columns] = of.tiles(TILE);
        let (tiles, images, own) =
            (rows * columns, self.task.images.len(), self.task.channels.len());
        let at_once = (BUFFER / (POINTS * tiles * of.channels)).clamp(1, images.max(1));
        // The tiles of some images are dealt with in even groups.
        let most = (at_once * tiles).div_ceil(GROUP);
        let step = (at_once * tiles).div_ceil(most);
        // Cells of a group's patches and of a panel of kernels at a point.
        let (length, panel) = (of.channels * step, of.channels * PANEL);
        let starts = &panel_starts(of.channels)[..];
        let mut patches = Buffer::of(POINTS * most * length);
        let mut sums = Buffer::of(POINTS * most * GROUP * PANEL);
        let mut tile = Buffer::of(PANEL * TILE * TILE);
        let cells = (TILE * rows + 2) * (TILE * columns + 2);
        let mut scratch = Scratch {
            plane: Buffer::of(cells * PANEL),
            points: Buffer::of(POINTS * GROUP * PANEL),
        };
        scratch.plane.fill(E::default());
        for first in (0..images).step_by(at_once) {
            let count = at_once.min(images - first) * tiles;
            let groups = count.div_ceil(step);
            let group = |g: usize| count * g / groups..count * (g + 1) / groups;
            for channel in (0..of.channels).step_by(PANEL) {
                let used = PANEL.min(of.channels - channel);
                for g in 0..groups {
                    for (t, place) in group(g).enumerate() {
                        if place % tiles == 0 {
                            self.gather(first + place / tiles, channel, &mut scratch.plane);
                        }
                        self.transform(simd, place % tiles, t, &mut scratch);
                    }
                    for (point, lines) in scratch.points.chunks(GROUP * PANEL).enumerate() {
                        let start = (point * most + g) * length + channel * step;
                        let target = &mut patches[start..][..used * step];
                        for (n, cells) in target.chunks_exact_mut(step).enumerate() {
                            for t in 0..step {
                                cells[t] = lines[t * PANEL + n];
                            }
                        }
                    }
                }
            }
            for block in (0..own).step_by(PANEL) {
                let used = PANEL.min(own - block);
                let weights = (self.task.channels.start + block) * of.channels * POINTS;
                for point in 0..POINTS {
                    let cells = &plan.weights[weights + point * panel..][..panel];
                    let lines = Lines { cells, starts, used, far: true };
                    for g in 0..groups {
                        let start = point * most + g;
                        let cells = &patches[start * length..][..length];
                        let patches = Weights { cells, step, sums: group(g).len() };
                        let target = &mut sums[start * GROUP * PANEL..][..GROUP * PANEL];
                        product::<S, E>(simd, lines, patches, Target::Panel(target));
                    }
                }
                for g in 0..groups {
                    for (t, place) in group(g).enumerate() {
                        let sums = &sums[(g * GROUP + t) * PANEL..];
                        self.results(simd, sums, most * GROUP * PANEL, &mut tile);
                        let (image, place) = (first + place / tiles, place % tiles);
                        self.store(&tile, [image, block, used], [place / columns, place % columns]);
                    }
                }
            }
        }
    }
}
