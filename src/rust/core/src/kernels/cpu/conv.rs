//! Convolution and its pullback as products of matrices. What neighbouring windows take of a row for one
//! cell of the kernel lies side by side in a padded copy of some rows, or of every second cell of them:
//! products read it there. Without a kernel, or where rows are short, what windows take is laid side by side for
//! every cell of the kernel, a few panels at a time. Either way it stays in the cache.
//!
//! The pullback is a convolution as well. With a stride of s cells x falls into s interleaved phases,
//! each of which is a convolution of the signal with its own cells of the kernel.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::copy::{copy, copy_more};
use super::simd::{
    panel_starts, product, Buffer, Lanes, Lines, Target, Weights, GROUP, PANEL, VECTOR,
};
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
    layout: Layout,
}

/// Where the panels of cells that are multiplied lie.
#[derive(Debug)]
enum Layout {
    /// In strips of the source.
    Strips(Strips),
    /// Laid out for every cell of the kernel.
    Cells,
}

/// A padded source whose rows lie one behind the other. Neighbouring sums take neighbouring cells; those
/// between the last sum of a row and the first of the next are computed for nothing. Where sums start
/// some cells apart, there is one such plane for each of the phases that rows and columns fall into.
#[derive(Debug, Clone)]
struct Strips {
    /// Rows and columns of padding before the source.
    before: [usize; 2],
    /// Phases of rows and columns, and those that the kernel takes.
    steps: [usize; 2],
    phases: Vec<[usize; 2]>,
    /// Columns of a phase with the padding.
    width: usize,
    /// The phase of each cell of the kernel, by number, and where it lies there for the first sum; the last of
    /// these places.
    taps: Vec<(usize, usize)>,
    reach: usize,
    /// Sums at a time.
    lanes: usize,
}

impl Strips {
    /// Strips for some panels of sums and a kernel over `channels` of the source; `None` where that is better
    /// laid out for every cell of the kernel.
    fn new(sides: &[Side; 2], channels: usize) -> Option<Self> {
        let places = |side: &Side| side.taps.iter().map(|tap| tap.1).collect::<Vec<_>>();
        let [rows, columns] = [0, 1].map(|i| places(&sides[i]));
        let steps = [0, 1].map(|i| sides[i].step);
        let first = |places: &[isize]| places.iter().min().map_or(0, |p| (-p).max(0)) as usize;
        let before = [first(&rows), first(&columns)];
        let last = columns.iter().max().map_or(0, |&c| (c + before[1] as isize) as usize);
        let padded = (before[1] + sides[1].source).max((sides[1].sums - 1) * steps[1] + last + 1);
        let width = padded.div_ceil(steps[1]);
        let mut phases: Vec<[usize; 2]> = Vec::new();
        let mut taps = Vec::new();
        for &row in &rows {
            for &column in &columns {
                let [row, column] = [row + before[0] as isize, column + before[1] as isize];
                let (row, column) = (row as usize, column as usize);
                let phase = [row % steps[0], column % steps[1]];
                let known = phases.iter().position(|other| *other == phase);
                let number = known.unwrap_or(phases.len());
                if known.is_none() {
                    phases.push(phase);
                }
                taps.push((number, row / steps[0] * width + column / steps[1]));
            }
        }
        let reach = taps.iter().map(|tap| tap.1).max().unwrap_or_default();
        let lanes = ((sides[0].sums - 1) * width + sides[1].sums).next_multiple_of(PANEL);
        let most = (BUFFER / (channels * phases.len())).saturating_sub(reach) / PANEL;
        let at_once = most.clamp(1, lanes / PANEL) * PANEL;
        let wasteful = lanes * 20 > sides[0].sums * sides[1].sums * 23;
        // No fewer cells than when every window has its own.
        let long = (at_once + reach) * phases.len() >= at_once * taps.len();
        let strips = Self { before, steps, phases, width, taps, reach, lanes: at_once };
        (!wasteful && !long).then_some(strips)
    }

    /// Cells of a channel's phase that are laid out at a time, and of a channel.
    fn length(&self) -> usize {
        self.lanes + self.reach
    }

    fn distance(&self) -> usize {
        self.phases.len() * self.length()
    }

    /// Where the cells of each term lie for the first sum.
    fn starts(&self, channels: usize) -> impl Iterator<Item = u32> + '_ {
        let start = |channel: usize, &(phase, place): &(usize, usize)| {
            (channel * self.distance() + phase * self.length() + place) as u32
        };
        (0..channels).flat_map(move |channel| self.taps.iter().map(move |tap| start(channel, tap)))
    }

    /// The lanes of some sums by panels: those of each row by themselves if no more vectors are computed then
    /// and neighbouring sums stay neighbours, as whole vectors are set into the result where a panel has one row.
    fn panels(&self, sums: &Range<usize>, side: &Side) -> Vec<Range<usize>> {
        let columns = side.sums;
        let lane = |sum: usize| sum / columns * self.width + sum % columns;
        let whole = lane(sums.start)..lane(sums.end - 1) + 1;
        let rows = sums.start / columns..sums.end.div_ceil(columns);
        let row = |row: usize| {
            let start = row * self.width;
            whole.start.max(start)..whole.end.min(start + columns)
        };
        let by_rows = side.stride == 1 && columns.next_multiple_of(VECTOR) <= self.width;
        let lines = if by_rows { rows.map(row).collect() } else { vec![whole] };
        let panels = |line: Range<usize>| {
            let end = line.end;
            line.step_by(PANEL).map(move |start| start..end.min(start + PANEL))
        };
        lines.into_iter().flat_map(panels).collect()
    }

    /// What a part of the phases takes from a plane of the source.
    fn spans(&self, [rows, columns]: &[Side; 2], part: Range<usize>, spans: &mut Vec<Span>) {
        spans.clear();
        let [row_step, step] = self.steps;
        for (phase, &[row_phase, column_phase]) in self.phases.iter().enumerate() {
            let mut at = part.start;
            while at < part.end {
                let (row, column) = (at / self.width, at % self.width);
                let cells = (self.width - column).min(part.end - at);
                let line = phase * self.length() + at - part.start;
                let row = (row * row_step + row_phase).checked_sub(self.before[0]);
                // The columns of the padding, and of the source from the first one that is taken on.
                let first = column * step + column_phase;
                let before = self.before[1].saturating_sub(first).div_ceil(step).min(cells);
                let skipped = (first + before * step).saturating_sub(self.before[1]);
                let (inside, source) = match row {
                    Some(row) if row < rows.source && skipped < columns.source => {
                        let inside = (columns.source - skipped).div_ceil(step).min(cells - before);
                        (before..before + inside, row * columns.source + skipped)
                    }
                    _ => (0..0, 0),
                };
                spans.push(Span { line, cells, inside, source });
                at += cells;
            }
        }
    }

    /// The sums of an image among these lanes of a panel, of which a row has so many.
    fn runs(&self, runs: &mut Vec<Run>, image: usize, columns: usize, lanes: Range<usize>) {
        runs.clear();
        let mut at = lanes.start;
        while at < lanes.end {
            let (row, column) = (at / self.width, at % self.width);
            if column < columns {
                let cells = (columns - column).min(lanes.end - at);
                runs.push(Run { image, row, column, cells, lane: at - lanes.start });
            }
            at += self.width - column;
        }
    }
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
pub type Kernel<'a, E> = (&'a [E], [usize; 4]);

impl<E: Lanes> Plan<E> {
    /// The convolution.
    pub fn forward(weights: Kernel<'_, E>, window: &Window, groups: usize) -> Self {
        let [outputs, channels, ..] = weights.1;
        let sides = [0, 1].map(|i| Side::forward(&window.0[i]));
        let correlation =
            Correlation::new(weights, sides, groups, [channels, outputs / groups], false);
        let planes = [window.input(), window.output()];
        Self::new(vec![correlation], groups, planes)
    }

    /// Its adjoint.
    pub fn pullback(weights: Kernel<'_, E>, window: &Window, groups: usize) -> Self {
        let [outputs, channels, ..] = weights.1;
        let mut correlations = Vec::new();
        for rows in Side::pullback(&window.0[0]) {
            for columns in Side::pullback(&window.0[1]) {
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

    /// The result for x (images, channels, cells of a plane), written into y.
    pub fn run(&self, x: &[E], y: &mut [E], bias: Option<&[E]>, images: usize) {
        if self.correlations.iter().map(Correlation::cells).sum::<usize>() < self.planes[1] {
            // Cells that no window reaches.
            y.fill(E::default());
        }
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
        (weight, [_, per_group, height, width]): Kernel<'_, E>,
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
        // Without a kernel the plane is as good as one long row.
        if sides.iter().all(Side::is_pointwise) {
            let cells = sides[0].sums * sides[1].sums;
            (sides[1].source, sides[1].sums) = (cells, cells);
            (sides[0].source, sides[0].sums) = (1, 1);
        }
        let layout = Strips::new(&sides, channels).map_or(Layout::Cells, Layout::Strips);
        let terms = channels * taps.len();
        let size = terms * results.next_multiple_of(GROUP);
        let mut weights = vec![E::default(); groups * size];
        for (group, packed) in weights.chunks_exact_mut(size.max(1)).enumerate() {
            let weight = |term: usize, result: usize| {
                let (channel, tap) = (term / taps.len(), taps[term % taps.len()]);
                let (output, input) = match transposed {
                    true => (group * channels + channel, result),
                    false => (group * results + result, channel),
                };
                weight[(output * per_group + input) * height * width + tap]
            };
            pack::<E, GROUP>(packed, terms, results, weight);
        }
        Self { sides, channels, results, weights, layout }
    }

    fn terms(&self) -> usize {
        self.channels * self.sides[0].taps.len() * self.sides[1].taps.len()
    }

    fn cells(&self) -> usize {
        self.sides[0].sums * self.sides[1].sums
    }

    /// Lays the source cells of some spans side by side, `distance` cells for each channel. `x` starts with
    /// the group's channels.
    #[inline(always)]
    fn lay_out<S: Simd>(
        &self,
        simd: S,
        x: &[E],
        (spans, distance): (&[Span], usize),
        cells: &mut [E],
    ) {
        let [rows, columns] = &self.sides;
        let (plane, step) = (rows.source * columns.source, columns.step);
        let channels = self.channels;
        simd.vectorize(Laying { x, plane, step, channels, spans, distance, cells });
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

/// See [`Correlation::lay_out`]. A function of its own: the code is there once for all layouts.
struct Laying<'a, E> {
    x: &'a [E],
    plane: usize,
    step: usize,
    channels: usize,
    spans: &'a [Span],
    distance: usize,
    cells: &'a mut [E],
}

impl<E: Lanes> WithSimd for Laying<'_, E> {
    type Output = ();

    // All spans of a channel follow each other, for other channels are far away.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for channel in 0..self.channels {
            let x = &self.x[channel * self.plane..];
            let cells = &mut self.cells[channel * self.distance..];
            for span in self.spans {
                let line = &mut cells[span.line..][..span.cells];
                if span.inside.len() < span.cells {
                    line.fill(E::default());
                }
                if !span.inside.is_empty() {
                    copy(&mut line[span.inside.clone()], &x[span.source..], self.step);
                }
            }
        }
    }
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

impl<'b, E: Lanes> Share<'_, 'b, E> {
    /// The sums of the correlation that belong to the task's part of a plane, counted row by row.
    fn taken(&self) -> Range<usize> {
        let [rows, columns] = &self.correlation.sides;
        let unit = if self.plan.by_rows { columns.sums } else { 1 };
        let all = rows.sums * columns.sums;
        (self.task.units.start * unit).min(all)..(self.task.units.end * unit).min(all)
    }

    /// The task's plane for a channel, and the cell of it, that the first sum of a run goes to.
    #[inline(always)]
    fn place(&self, run: &Run, channel: usize) -> [usize; 2] {
        let [rows, columns] = &self.correlation.sides;
        let own = &self.task.channels;
        let row = (run.row * rows.stride + rows.start) * self.plan.width;
        let column = run.column * columns.stride + columns.start;
        let first = self.task.units.start * self.plan.unit;
        [run.image * own.len() + channel - own.start, row + column - first]
    }

    /// Where the sums of a panel go if they are neighbours in the planes of these channels.
    #[inline(always)]
    fn neighbours(&mut self, runs: &[Run], channels: Range<usize>) -> Option<Target<'_, 'b, E>> {
        let [run] = runs else { return None };
        if run.lane > 0 || self.correlation.sides[1].stride > 1 {
            return None;
        }
        let [first, at] = self.place(run, channels.start);
        let bias = self.bias.map(|bias| &bias[channels.clone()]);
        let lines = &mut self.task.planes[first..first + channels.len()];
        Some(Target::Lines { lines, at, bias })
    }

    /// Adds the biases of some channels and sets a panel of sums into their planes.
    #[inline(always)]
    fn store(&mut self, sums: &[E], channels: Range<usize>, runs: &[Run]) {
        let stride = self.correlation.sides[1].stride;
        for run in runs {
            let [first, at] = self.place(run, channels.start);
            let planes = &mut self.task.planes[first..first + channels.len()];
            let lines = sums.chunks_exact(PANEL);
            for ((plane, sums), channel) in planes.iter_mut().zip(lines).zip(channels.clone()) {
                let bias = self.bias.map_or(E::default(), |bias| bias[channel]);
                let sums = &sums[run.lane..run.lane + run.cells];
                if stride == 1 {
                    copy_more(&mut plane[at..at + run.cells], sums, bias);
                } else {
                    let cells = plane[at..].iter_mut().step_by(stride);
                    cells.zip(sums).for_each(|(y, sum)| *y = *sum + bias);
                }
            }
        }
    }
}

impl<E: Lanes> WithSimd for Share<'_, '_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match &self.correlation.layout {
            Layout::Strips(strips) => self.direct(simd, strips),
            Layout::Cells => self.unfolded(simd),
        }
    }
}

/// The channels of a task in one of the groups.
struct Group<'a, E> {
    /// The group's first channel of the result, and the task's in the group.
    first: usize,
    channels: Range<usize>,
    /// Where the group's channels start in an image of the source.
    source: usize,
    weights: &'a [E],
}

/// Panels of cells, whose lines lie in the same cells.
struct Panels<'a, E> {
    cells: &'a [E],
    /// Starts of the lines of a panel that begins with the first cell.
    starts: &'a [u32],
    panels: &'a [Panel],
    /// See [`Lines`].
    far: bool,
}

/// A panel: where it begins, and what is computed.
#[derive(Default)]
struct Panel {
    start: usize,
    runs: Vec<Run>,
}

/// See [`Share::multiply`]. A function of its own: the code is there once for both layouts.
struct Multiplying<'s, 'a, 'b, E> {
    share: &'s mut Share<'a, 'b, E>,
    group: &'s Group<'s, E>,
    panels: &'s Panels<'s, E>,
}

impl<E: Lanes> WithSimd for Multiplying<'_, '_, '_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.share.multiply_here(simd, self.group, self.panels);
    }
}

impl<'a, E: Lanes> Share<'a, '_, E> {
    fn groups(&self) -> Vec<Group<'a, E>> {
        let (correlation, channels) = (self.correlation, self.task.channels.clone());
        let results = correlation.results;
        let weights = results.next_multiple_of(GROUP) * correlation.terms();
        let group = |g: usize| Group {
            first: g * results,
            channels: channels.start.max(g * results)..channels.end.min((g + 1) * results),
            source: g * correlation.channels * self.plan.planes[0],
            weights: &correlation.weights[g * weights..(g + 1) * weights],
        };
        (channels.start / results..channels.end.div_ceil(results)).map(group).collect()
    }

    /// Cells of an image of the source.
    fn image(&self) -> usize {
        self.plan.groups * self.correlation.channels * self.plan.planes[0]
    }

    /// Computes the sums of a group for some panels.
    #[inline(always)]
    fn multiply<S: Simd>(&mut self, simd: S, group: &Group<'_, E>, panels: &Panels<'_, E>) {
        simd.vectorize(Multiplying { share: self, group, panels });
    }

    #[inline(always)]
    fn multiply_here<S: Simd>(&mut self, simd: S, group: &Group<'_, E>, panels: &Panels<'_, E>) {
        let block = panels.starts.len() * GROUP;
        let mut sums = Buffer::of(GROUP * PANEL);
        for channel in group.channels.clone().step_by(GROUP) {
            let weights = &group.weights[(channel - group.first) / GROUP * block..][..block];
            let count = (group.channels.end - channel).min(GROUP);
            for Panel { start, runs } in panels.panels {
                let used = runs.last().map_or(0, |run| run.lane + run.cells);
                let cells = &panels.cells[*start..];
                let lines = Lines { cells, starts: panels.starts, used, far: panels.far };
                let weights = Weights { cells: weights, step: GROUP, sums: count };
                if let Some(target) = self.neighbours(runs, channel..channel + count) {
                    product::<S, E>(simd, lines, weights, target);
                    continue;
                }
                product::<S, E>(simd, lines, weights, Target::Panel(&mut sums));
                self.store(&sums, channel..channel + count, runs);
            }
        }
    }

    #[inline(always)]
    fn direct<S: Simd>(mut self, simd: S, strips: &Strips) {
        let (correlation, taken, image) = (self.correlation, self.taken(), self.image());
        if taken.is_empty() {
            return;
        }
        let (channels, distance) = (correlation.channels, strips.distance());
        let columns = correlation.sides[1].sums;
        let lanes = strips.panels(&taken, &correlation.sides[1]);
        let starts: Vec<u32> = strips.starts(channels).collect();
        let (mut cells, mut spans) = (Buffer::of(channels * distance), Vec::new());
        let mut panels: Vec<Panel> = lanes.iter().map(|_| Panel::default()).collect();
        for group in self.groups() {
            for i in 0..self.task.images.len() {
                let x = &self.x[i * image + group.source..];
                let mut rest = &lanes[..];
                while let [first, ..] = rest {
                    let first = first.start;
                    let fits = |panel: &&Range<usize>| panel.start + PANEL <= first + strips.lanes;
                    let (now, later) = rest.split_at(rest.iter().take_while(fits).count());
                    rest = later;
                    for (panel, lanes) in panels.iter_mut().zip(now) {
                        panel.start = lanes.start - first;
                        strips.runs(&mut panel.runs, i, columns, lanes.clone());
                    }
                    let panels = &panels[..now.len()];
                    let end = panels.last().map_or(0, |panel| panel.start) + PANEL;
                    let strip = first..first + end + strips.reach;
                    strips.spans(&correlation.sides, strip, &mut spans);
                    correlation.lay_out(simd, x, (&spans, distance), &mut cells);
                    let panels = Panels { cells: &cells, starts: &starts, panels, far: false };
                    self.multiply(simd, &group, &panels);
                }
            }
        }
    }

    /// Computes the sums of a group for some panels of cells laid out by the taps.
    #[inline(always)]
    fn unfolded<S: Simd>(mut self, simd: S) {
        let (correlation, taken, image) = (self.correlation, self.taken(), self.image());
        let (terms, images) = (correlation.terms(), self.task.images.len());
        let width = correlation.sides[1].sums;
        if taken.is_empty() {
            return;
        }
        let lanes = images * taken.len();
        let at_once = (BUFFER / (terms * PANEL)).clamp(1, lanes.div_ceil(PANEL));
        let starts = panel_starts(terms);
        let mut cells = Buffer::of(at_once * terms * PANEL);
        let panel = |p: usize| Panel { start: p * terms * PANEL, runs: Vec::new() };
        let mut panels: Vec<Panel> = (0..at_once).map(panel).collect();
        let mut spans = Vec::new();
        for group in self.groups() {
            for first in (0..lanes).step_by(at_once * PANEL) {
                spans.clear();
                let count = (lanes - first).div_ceil(PANEL).min(at_once);
                for (p, panel) in panels.iter_mut().enumerate().take(count) {
                    let first = first + p * PANEL;
                    runs(&mut panel.runs, first..lanes.min(first + PANEL), &taken, width);
                    for run in &panel.runs {
                        correlation.spans(run, panel.start, image, &mut spans);
                    }
                }
                let x = &self.x[group.source..];
                let distance = terms / correlation.channels * PANEL;
                correlation.lay_out(simd, x, (&spans, distance), &mut cells);
                let panels =
                    Panels { cells: &cells, starts: &starts, panels: &panels[..count], far: true };
                self.multiply(simd, &group, &panels);
            }
        }
    }
}
