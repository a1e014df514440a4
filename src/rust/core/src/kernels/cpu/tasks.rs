//! How the work of a convolution is shared out.

use std::ops::Range;

use super::simd::{Lanes, PANEL};

/// The result (images, channels, cells of a plane), and how it may be divided.
pub struct Division {
    pub images: usize,
    pub channels: usize,
    /// Cells of a plane.
    pub plane: usize,
    /// A plane may be divided into units of so many cells.
    pub unit: usize,
    /// What is computed for a plane, in cells of panels.
    pub lanes: usize,
    /// Channels may be divided into blocks of so many.
    pub block: usize,
}

/// A share: the same part of the planes of some images and channels.
pub struct Task<'a, E> {
    pub images: Range<usize>,
    pub channels: Range<usize>,
    /// The part of the planes, in units.
    pub units: Range<usize>,
    /// The part of every plane, image by image.
    pub planes: Vec<&'a mut [E]>,
}

/// Equal parts of 0..n that start at multiples of `block`.
fn parts(n: usize, block: usize, count: usize) -> Vec<Range<usize>> {
    let blocks = n.div_ceil(block);
    let at = |i: usize| (blocks * i / count * block).min(n);
    (0..count).map(|i| at(i)..at(i + 1)).collect()
}

impl Division {
    /// A share for every thread, or several of the same size.
    pub fn tasks<'a, E: Lanes>(&self, y: &'a mut [E], threads: usize) -> Vec<Task<'a, E>> {
        let units = self.plane.div_ceil(self.unit);
        // Fewer cells than two panels a thread would leave vectors empty.
        let wide = units >= threads && self.lanes >= 2 * PANEL * threads;
        let [images, shares, blocks] = match threads {
            1 => [1, 1, 1],
            _ if self.images.is_multiple_of(threads) => [threads, 1, 1],
            _ if wide => [self.images, threads, 1],
            _ if self.images > threads => [threads, 1, 1],
            _ => [1, 1, threads],
        };
        let images = parts(self.images, 1, images);
        let units = parts(units, 1, shares);
        let channels = parts(self.channels, self.block, blocks);
        let mut tasks = Vec::new();
        for images in &images {
            for units in &units {
                for channels in &channels {
                    let [images, channels, units] = [images, channels, units].map(Range::clone);
                    tasks.push(Task { images, channels, units, planes: Vec::new() });
                }
            }
        }
        let mut planes = y.chunks_mut(self.plane.max(1));
        for (i, images) in images.into_iter().enumerate() {
            for _ in images {
                for (c, channels) in channels.iter().enumerate() {
                    for mut plane in planes.by_ref().take(channels.len()) {
                        for (u, units) in units.iter().enumerate() {
                            let cells = (units.len() * self.unit).min(plane.len());
                            let (part, rest) = plane.split_at_mut(cells);
                            tasks[(i * shares + u) * blocks + c].planes.push(part);
                            plane = rest;
                        }
                    }
                }
            }
        }
        tasks.retain(|task| !task.planes.is_empty());
        tasks
    }
}

/// Puts weights (terms, sums) there as blocks of `N` sums, each (terms, `N`) with zeros at the end.
pub fn pack<E: Lanes, const N: usize>(
    packed: &mut [E],
    terms: usize,
    sums: usize,
    weight: impl Fn(usize, usize) -> E,
) {
    for (first, block) in (0..sums).step_by(N).zip(packed.chunks_mut(terms * N)) {
        for (term, line) in block.as_chunks_mut::<N>().0.iter_mut().enumerate() {
            for (sum, cell) in (first..).zip(line) {
                *cell = if sum < sums { weight(term, sum) } else { E::default() };
            }
        }
    }
}

/// Neighbouring cells of a grid, and where they lie in a panel.
pub struct Run {
    /// The image, counted in the task.
    pub image: usize,
    pub row: usize,
    pub column: usize,
    pub cells: usize,
    pub lane: usize,
}

/// The cells that a panel of so many lanes takes from the same cells `taken` of a grid in every image,
/// counted row by row.
pub fn runs(runs: &mut Vec<Run>, lanes: Range<usize>, taken: &Range<usize>, width: usize) {
    runs.clear();
    let (first, mut lane) = (lanes.start, 0);
    while lane < lanes.len() {
        let (image, cell) = ((first + lane) / taken.len(), (first + lane) % taken.len());
        let (row, column) = ((taken.start + cell) / width, (taken.start + cell) % width);
        let cells = (width - column).min(taken.len() - cell).min(lanes.len() - lane);
        runs.push(Run { image, row, column, cells, lane });
        lane += cells;
    }
}
