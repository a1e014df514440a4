//! Convolution and its pullback as products of matrices: the cells under the windows are laid side by
//! side, a few panels at a time, which stay in the cache.
//!
//! The pullback is a convolution as well. With a stride of s cells x falls into s interleaved phases,
//! each of which is a convolution of the signal with its own cells of the kernel.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::simd::{product, Buffer, Lanes, GROUP, PANEL};
use super::tasks::{pack, runs, Division, Run, Task};
use super::{spread, threads_for};
use crate::kernels::{Axis, Window};

/// Cells of the panels that are multiplied at a time: small enough to stay in the cache.
const BUFFER: usize = 3 << 16;

/// One axis of a correlation: which cells of the source are summed up, and where the sums go.
#[derive(Debug, Clone)]
struct Side {
    /// Cells of the source.
    source: usize,
    /// The number of sums.
    sums: usize,
    /// Distance of the cells that neighbouring sums start from.
    step: usize,
    /// Cell of the kernel and its place in the source, for the first sum.
    taps: Vec<(usize, isize)>,
    /// Place of the first sum, and distance of neighbours.
    start: usize,
    stride: usize,
}

impl Side {
    fn forward(axis: &Axis) -> Self {
        let place = |k| (k * axis.dilation) as isize - axis.padding[0] as isize;
        Self {
            source: axis.input,
            sums: axis.output(),
            step: axis.stride,
            taps: (0..axis.kernel).map(|k| (k, place(k))).collect(),
            start: 0,
            stride: 1,
        }
    }

    /// The phases of x.
    fn pullback(axis: &Axis) -> impl Iterator<Item = Self> + '_ {
        let stride = axis.stride;
        (0..stride.min(axis.input)).map(move |start| {
            // Cell start + stride q is cell k of window o where
            // start + stride q + padding = stride o + dilation k.
            let reach = |k| (start + axis.padding[0]) as isize - (k * axis.dilation) as isize;
            let place = |k| {
                let reach: isize = reach(k);
                (reach.rem_euclid(stride as isize) == 0).then(|| (k, reach / stride as isize))
            };
            Self {
                source: axis.output(),
                sums: (axis.input - start).div_ceil(stride),
                step: 1,
                taps: (0..axis.kernel).filter_map(place).collect(),
                start,
                stride,
            }
        })
    }

    fn is_pointwise(&self) -> bool {
        let taps = self.taps.len() == 1 && self.taps[0].1 == 0;
        taps && self.step == 1 && self.source == self.sums && self.stride == 1
    }

    /// Those of the sums from `first` on for which the cell at `place` lies in the source.
    #[inline(always)]
    fn inside(&self, place: isize, first: usize, sums: usize) -> Range<usize> {
        let (before, room) =
            ((-place).max(0) as usize, (self.source as isize - place).max(0) as usize);
        let (start, end) = match self.step {
            1 => (before, room),
            2 => (before.div_ceil(2), room.div_ceil(2)),
            step => (before.div_ceil(step), room.div_ceil(step)),
        };
        let start = start.clamp(first, first + sums);
        start..end.clamp(start, first + sums)
    }
}

/// Sums over a source of products with weights.
#[derive(Debug)]
struct Correlation<E> {
    sides: [Side; 2],
    /// Channels of the source and of the result in each group.
    channels: usize,
    results: usize,
    /// For every group blocks of [`GROUP`] sums by [`pack`], terms in the order (channel, row, column).
    weights: Vec<E>,
}

/// A convolution, or its pullback, ready to be computed.
#[derive(Debug)]
pub struct Plan<E> {
    correlations: Vec<Correlation<E>>,
    groups: usize,
    /// Cells of a plane of the source and of the result, and columns of the latter.
    planes: [usize; 2],
    width: usize,
    /// Cells of the smallest part of a plane that a thread may have for its own.
    unit: usize,
    /// Whether that is a row of every correlation's sums, and not a cell.
    by_rows: bool,
}

/// The weights (outputs, channels a group, kernel) and their extents.
pub type Weights<'a, E> = (&'a [E], [usize; 4]);

impl<E: Lanes> Plan<E> {
    /// The convolution.
    pub fn forward(weights: Weights<'_, E>, window: &Window, groups: usize) -> Self {
        let [outputs, channels, ..] = weights.1;
        let sides = [0, 1].map(|i| Side::forward(&window.0[i]));
        let correlation =
            Correlation::new(weights, sides, groups, [channels, outputs / groups], false);
        let planes = [window.input(), window.output()];
        Self::new(vec![correlation], groups, planes)
    }

    /// Its adjoint.
    pub fn pullback(weights: Weights<'_, E>, window: &Window, groups: usize) -> Self {
        let [outputs, channels, ..] = weights.1;
        let mut correlations = Vec::new();
        for rows in Side::pullback(&window.0[0]) {
            for columns in Side::pullback(&window.0[1]) {
                // Cells that no window reaches stay zero.
                if !rows.taps.is_empty() && !columns.taps.is_empty() {
                    let sides = [rows.clone(), columns];
                    let extents = [outputs / groups, channels];
                    correlations.push(Correlation::new(weights, sides, groups, extents, true));
                }
            }
        }
        Self::new(correlations, groups, [window.output(), window.input()])
    }

    fn new(
        correlations: Vec<Correlation<E>>,
        groups: usize,
        [source, result]: [[usize; 2]; 2],
    ) -> Self {
        let planes = [source, result].map(|[height, width]| height * width);
        let [height, width] = result;
        let strides = correlations.first().map_or([1, 1], |c| [0, 1].map(|i| c.sides[i].stride));
        let (by_rows, unit) = match strides {
            [1, 1] => (false, 1),
            [_, columns] if height == 1 => (false, columns),
            [rows, _] => (true, rows * width),
        };
        Self { correlations, groups, planes, width, unit, by_rows }
    }

    /// The result for x (images, channels, cells of a plane), written into y, which starts as zeros.
    pub fn run(&self, x: &[E], y: &mut [E], bias: Option<&[E]>, images: usize) {
        let Some(first) = self.correlations.first() else { return };
        let channels = self.groups * first.results;
        let division = Division {
            images,
            channels,
            plane: self.planes[1],
            unit: self.unit,
            lanes: self.planes[1],
            block: if self.groups == 1 { GROUP } else { first.results },
        };
        let terms: usize = self.correlations.iter().map(|c| c.terms() * c.cells()).sum();
        let threads = threads_for(images * channels * terms);
        let image = self.groups * first.channels * self.planes[0];
        spread(division.tasks(y, threads), threads, |tasks| {
            for mut task in tasks {
                let x = &x[task.images.start * image..task.images.end * image];
                for correlation in &self.correlations {
                    let (plan, task) = (self, &mut task);
                    Arch::new().dispatch(Share { plan, correlation, x, task, bias });
                }
            }
        });
    }
}

impl<E: Lanes> Correlation<E> {
    fn new(
        (weight, [_, per_group, height, width]): Weights<'_, E>,
        mut sides: [Side; 2],
        groups: usize,
        [channels, results]: [usize; 2],
        transposed: bool,
    ) -> Self {
        let taps: Vec<usize> = sides[0]
            .taps
            .iter()
            .flat_map(|(row, _)| sides[1].taps.iter().map(move |(column, _)| row * width + column))
            .collect();
        let mut weights = Vec::new();
        for group in 0..groups {
            pack::<E, GROUP>(&mut weights, channels * taps.len(), results, |term, result| {
                let (channel, tap) = (term / taps.len(), taps[term % taps.len()]);
                let (output, input) = match transposed {
                    true => (group * channels + channel, result),
                    false => (group * results + result, channel),
                };
                weight[(output * per_group + input) * height * width + tap]
            });
        }
        // Without a kernel the plane is as good as one long row.
        if sides.iter().all(Side::is_pointwise) {
            let cells = sides[0].sums * sides[1].sums;
            (sides[1].source, sides[1].sums) = (cells, cells);
            (sides[0].source, sides[0].sums) = (1, 1);
        }
        Self { sides, channels, results, weights }
    }

    fn terms(&self) -> usize {
        self.channels * self.sides[0].taps.len() * self.sides[1].taps.len()
    }

    fn cells(&self) -> usize {
        self.sides[0].sums * self.sides[1].sums
    }

    /// Lays the source cells of some runs into panels (terms, [`PANEL`]). `x` starts with the group's
    /// channels. All panels take a channel in turn, for cells of other channels are far away.
    #[inline(always)]
    fn unfold(&self, x: &[E], spans: &[Span], panels: &mut [E]) {
        let [rows, columns] = &self.sides;
        let plane = rows.source * columns.source;
        let taps = rows.taps.len() * columns.taps.len();
        for channel in 0..self.channels {
            let x = &x[channel * plane..];
            let panels = &mut panels[channel * taps * PANEL..];
            for span in spans {
                let line = &mut panels[span.line..][..span.cells];
                if span.inside.len() < span.cells {
                    line.fill(E::default());
                }
                if !span.inside.is_empty() {
                    copy(&mut line[span.inside.clone()], &x[span.source..], columns.step);
                }
            }
        }
    }

    /// What each tap takes from a plane of the source for the sums of a run, to lie in the panel that
    /// starts at `panel`. `image` is the distance of images.
    fn spans(&self, run: &Run, panel: usize, image: usize, spans: &mut Vec<Span>) {
        let [rows, columns] = &self.sides;
        let mut line = panel + run.lane;
        for &(_, row) in &rows.taps {
            let row = (run.row * rows.step) as isize + row;
            let outside = row < 0 || row >= rows.source as isize;
            for &(_, place) in &columns.taps {
                let mut inside = columns.inside(place, run.column, run.cells);
                let mut source = 0;
                if outside || inside.is_empty() {
                    inside = run.column..run.column;
                } else {
                    let column = (inside.start * columns.step) as isize + place;
                    source = run.image * image + row as usize * columns.source + column as usize;
                }
                let inside = inside.start - run.column..inside.end - run.column;
                spans.push(Span { line, cells: run.cells, inside, source });
                line += PANEL;
            }
        }
    }
}

/// A part of a line of a panel.
struct Span {
    /// Its start for the first channel.
    line: usize,
    cells: usize,
    /// Those of the cells that lie inside the source, and the place of the first there.
    inside: Range<usize>,
    source: usize,
}

/// Every `step`-th cell of the source.
#[inline(always)]
fn copy<E: Lanes>(target: &mut [E], source: &[E], step: usize) {
    match step {
        1 if target.len() == PANEL => target.copy_from_slice(&source[..PANEL]),
        1 => {
            let (blocks, rest) = target.as_chunks_mut::<8>();
            let (sources, last) = source[..blocks.len() * 8 + rest.len()].as_chunks();
            blocks.iter_mut().zip(sources).for_each(|(t, s)| *t = *s);
            copy_cells(rest, last, 1);
        }
        2 => {
            let rest = copy_pairs::<E, 16>(target, source, 0);
            let rest = copy_pairs::<E, 4>(target, source, rest);
            copy_cells(&mut target[rest..], source.get(2 * rest..).unwrap_or_default(), 2);
        }
        _ => copy_cells(target, source, step),
    }
}

#[inline(always)]
fn copy_cells<E: Lanes>(target: &mut [E], source: &[E], step: usize) {
    target.iter_mut().zip(source.iter().step_by(step)).for_each(|(t, s)| *t = *s);
}

/// Copies blocks of `N` cells from `start` on, each from every other cell, and says where the rest
/// begins. Blocks of a known length become a few instructions.
#[inline(always)]
fn copy_pairs<E: Lanes, const N: usize>(target: &mut [E], source: &[E], start: usize) -> usize {
    let sources = source[(start * 2).min(source.len())..].chunks_exact(2 * N);
    let mut end = start;
    for (target, source) in target[start..].as_chunks_mut::<N>().0.iter_mut().zip(sources) {
        for n in 0..N {
            target[n] = source[2 * n];
        }
        end += N;
    }
    end
}

/// One correlation for one task.
struct Share<'a, 'b, E> {
    plan: &'a Plan<E>,
    correlation: &'a Correlation<E>,
    /// The images of the task.
    x: &'a [E],
    task: &'a mut Task<'b, E>,
    bias: Option<&'a [E]>,
}

impl<E: Lanes> Share<'_, '_, E> {
    /// The sums of the correlation that belong to the task's part of a plane, counted row by row.
    fn taken(&self) -> Range<usize> {
        let [rows, columns] = &self.correlation.sides;
        let unit = if self.plan.by_rows { columns.sums } else { 1 };
        let all = rows.sums * columns.sums;
        (self.task.units.start * unit).min(all)..(self.task.units.end * unit).min(all)
    }

    /// Adds the bias of a result's channel and sets sums into its plane.
    #[inline(always)]
    fn store(&mut self, sums: &[E], channel: usize, runs: &[Run]) {
        let [rows, columns] = &self.correlation.sides;
        let bias = self.bias.map_or(E::default(), |bias| bias[channel]);
        let channels = self.task.channels.len();
        let channel = channel - self.task.channels.start;
        let first = self.task.units.start * self.plan.unit;
        for run in runs {
            let plane = &mut *self.task.planes[run.image * channels + channel];
            let row = (run.row * rows.stride + rows.start) * self.plan.width;
            let cells = &mut plane[row + run.column * columns.stride + columns.start - first..];
            let sums = &sums[run.lane..run.lane + run.cells];
            if columns.stride == 1 {
                cells.iter_mut().zip(sums).for_each(|(y, sum)| *y = *sum + bias);
            } else {
                let cells = cells.iter_mut().step_by(columns.stride);
                cells.zip(sums).for_each(|(y, sum)| *y = *sum + bias);
            }
        }
    }
}

impl<E: Lanes> WithSimd for Share<'_, '_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let correlation = self.correlation;
        let (terms, results) = (correlation.terms(), correlation.results);
        let source = correlation.channels * self.plan.planes[0];
        let image = self.plan.groups * source;
        let (taken, images) = (self.taken(), self.task.images.len());
        let width = correlation.sides[1].sums;
        let cells = images * taken.len();
        let at_once = (BUFFER / (terms * PANEL)).clamp(1, cells.div_ceil(PANEL).max(1));
        let mut panels = Buffer::of(at_once * terms * PANEL);
        let mut sums = Buffer::of(GROUP * PANEL);
        let mut places: Vec<Vec<Run>> = (0..at_once).map(|_| Vec::new()).collect();
        let mut spans = Vec::new();
        let block = terms * GROUP;
        let group = results.div_ceil(GROUP) * block;
        let channels = self.task.channels.clone();
        for g in channels.start / results..channels.end.div_ceil(results) {
            let x = &self.x[g * source..];
            let weights = &correlation.weights[g * group..(g + 1) * group];
            let own = channels.start.max(g * results)..channels.end.min((g + 1) * results);
            for first in (0..cells).step_by(at_once * PANEL) {
                let panel_count = (cells - first).div_ceil(PANEL).min(at_once);
                spans.clear();
                for (p, places) in places.iter_mut().enumerate().take(panel_count) {
                    runs(places, first + p * PANEL, images, &taken, width);
                    for run in &*places {
                        correlation.spans(run, p * terms * PANEL, image, &mut spans);
                    }
                }
                correlation.unfold(x, &spans, &mut panels);
                for channel in own.clone().step_by(GROUP) {
                    let weights = &weights[(channel - g * results) / GROUP * block..][..block];
                    let count = (own.end - channel).min(GROUP);
                    let panels = panels.chunks_exact(terms * PANEL).take(panel_count);
                    for (places, panel) in places.iter().zip(panels) {
                        let cells = places.last().map_or(0, |run| run.lane + run.cells);
                        product(simd, (panel, cells), (weights, count), &mut sums);
                        for (n, sums) in sums.chunks_exact(PANEL).take(count).enumerate() {
                            self.store(sums, channel + n, places);
                        }
                    }
                }
            }
        }
    }
}
