//! Products with a matrix of weights. A small one is packed once for either direction. A large one would
//! take as much memory again and is read where it lies, once for all rows.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::simd::{
    lanes, prefetch, product, Aligned, Buffer, Lanes, Lines, Target, Weights, GROUP, PANEL,
};
use super::tasks::pack;
use super::{spread, threads_for};
use crate::layers::Part;

/// Weights that are packed at most.
const PACKED: usize = 1 << 20;

/// The matrix (outputs, inputs) for one direction.
#[derive(Debug)]
pub enum Plan<E> {
    /// As panels of results, each (terms, [`PANEL`]), with zeros at the end.
    Packed(Aligned<E>),
    /// Left where it lies.
    Plain,
}

/// The extents of a product: rows, terms of a sum and sums of a row.
#[derive(Clone, Copy)]
pub struct Extents {
    pub rows: usize,
    pub terms: usize,
    pub sums: usize,
}

impl<E: Lanes + PartialOrd> Plan<E> {
    /// For y = x Wᵀ, or for the pullback, which sums over the outputs.
    pub fn new(weight: &[E], [outputs, inputs]: [usize; 2], transposed: bool) -> Self {
        if weight.len() > PACKED {
            return Self::Plain;
        }
        let [terms, sums] = if transposed { [outputs, inputs] } else { [inputs, outputs] };
        let mut packed = Aligned::new(terms * sums.next_multiple_of(PANEL));
        pack::<_, PANEL>(&mut packed, terms, sums, |term, sum| match transposed {
            true => weight[term * inputs + sum],
            false => weight[sum * inputs + term],
        });
        Self::Packed(packed)
    }

    /// The product of x (rows, terms) with the weights, or with a part of them where they are left where
    /// they lie, written into y (rows, sums).
    pub fn run(
        &self,
        (x, weight): (&[E], &[E]),
        y: &mut [E],
        part: Part,
        bias: Option<&[E]>,
        extents: Extents,
        transposed: bool,
    ) {
        let Extents { rows, terms, sums } = extents;
        let threads = threads_for(rows * terms * sums);
        if let Self::Packed(panels) = self {
            let rows = rows.div_ceil(threads).max(1);
            let tasks = x.chunks(rows * terms).zip(y.chunks_mut(rows * sums)).collect();
            return spread(tasks, threads, |tasks| {
                for (x, y) in tasks {
                    Arch::new().dispatch(Packed { panels, x, y, bias, extents });
                }
            });
        }
        if let Part::Ones = part {
            // All sums of a row are the same.
            let rows = x.chunks_exact(terms).zip(y.chunks_exact_mut(sums));
            rows.for_each(|(x, y)| y.fill(E::number(x.iter().map(|x| x.wide()).sum())));
            return;
        }
        stream((x, weight), y, part, bias, extents, transposed);
    }
}

/// The product with a part of weights that are read where they lie.
fn stream<E: Lanes + PartialOrd>(
    (x, weight): (&[E], &[E]),
    y: &mut [E],
    part: Part,
    bias: Option<&[E]>,
    extents: Extents,
    transposed: bool,
) {
    let Extents { rows, terms, sums } = extents;
    let threads = threads_for(rows * terms * sums);
    let streamed = rows < if transposed { MANY[1] } else { MANY[0] };
    let runs = if streamed { Vec::new() } else { Run::some(x, terms, 0, [usize::MAX, rows]) };
    let rows = &Gathered::new(x, terms, &runs);
    // Every thread has its own sums of all rows, whole panels of them.
    let share = sums.div_ceil(threads).next_multiple_of(PANEL);
    let mut tasks: Vec<(usize, Vec<&mut [E]>)> =
        (0..sums).step_by(share).map(|first| (first, Vec::new())).collect();
    for row in y.chunks_mut(sums) {
        row.chunks_mut(share).zip(&mut tasks).for_each(|(part, (_, rows))| rows.push(part));
    }
    spread(tasks, threads, |tasks| {
        for (first, mut y) in tasks {
            let y = &mut y[..];
            match (transposed, streamed) {
                (_, false) => {
                    let matrix = (weight, part);
                    Arch::new().dispatch(Panels { matrix, first, rows, y, extents, transposed });
                }
                (true, true) => {
                    let matrix = (&weight[first..], part);
                    Arch::new().dispatch(Columns { matrix, x, y, extents });
                }
                (false, true) => {
                    let matrix = (&weight[first * terms..], part);
                    y.iter_mut().for_each(|row| row.fill(E::default()));
                    Arch::new().dispatch(Rows { matrix, x, y, extents });
                }
            }
            if let Some(bias) = bias {
                let add = |row: &mut [E]| {
                    row.iter_mut().zip(&bias[first..]).for_each(|(y, b)| *y += *b);
                };
                y.iter_mut().for_each(|row| add(row));
            }
        }
    });
}

/// Some weights, and which part of them is meant.
type Matrix<'a, E> = (&'a [E], Part);

/// The part of a weight.
#[inline(always)]
fn part_of<E: Lanes + PartialOrd>(w: E, part: Part) -> E {
    let zero = E::default();
    match part {
        Part::Positive if w < zero => zero,
        Part::Negative if w > zero => zero,
        Part::Squared => w * w,
        Part::Ones => E::number(1.0),
        _ => w,
    }
}

/// Sets cells to a part of some weights.
#[inline(always)]
fn set_part<E: Lanes + PartialOrd>(cells: &mut [E], weights: &[E], part: Part) {
    for (cell, w) in cells.iter_mut().zip(weights) {
        *cell = part_of(*w, part);
    }
}

/// Stretches of a matrix that begin in these places: where they lie, or a part of them in `room`, which is as
/// large as they are.
#[inline(always)]
fn stretches<'a, E: Lanes + PartialOrd, const N: usize>(
    (weight, part): Matrix<'a, E>,
    starts: [usize; N],
    length: usize,
    room: &'a mut [E],
) -> [&'a [E]; N] {
    let mut stretches = [&[][..]; N];
    for n in 0..N {
        stretches[n] = &weight[starts[n]..][..length];
    }
    if let Part::All = part {
        return stretches;
    }
    for n in 0..N {
        set_part(&mut room[n * length..][..length], stretches[n], part);
    }
    for n in 0..N {
        stretches[n] = &room[n * length..][..length];
    }
    stretches
}

/// Some rows times all of the packed weights.
struct Packed<'a, E> {
    panels: &'a [E],
    x: &'a [E],
    y: &'a mut [E],
    bias: Option<&'a [E]>,
    extents: Extents,
}

/// Rows with zeros in the same places from which on these are left out.
const ALIKE: usize = 4;

/// Rows that are multiplied without the terms which are zero in all of them.
struct Run {
    rows: Range<usize>,
    /// Whether every row has its zeros where the first has them.
    alike: bool,
}

impl Run {
    /// The rows of x from `start` on, in their order, in at most so many runs of at most so many rows. Those
    /// with zeros in the same places, such as those of one sample behind its rectifiers, stay among themselves
    /// if there are some; of others there are at most [`GROUP`] in a run.
    #[inline(always)]
    fn some<E: Lanes + PartialOrd>(
        x: &[E],
        terms: usize,
        mut start: usize,
        [count, most]: [usize; 2],
    ) -> Vec<Self> {
        let rows = x.len() / terms;
        let mut runs: Vec<Self> = Vec::new();
        while start < rows {
            let first = &x[start * terms..][..terms];
            let mut end = start + 1;
            while end < rows.min(start + most)
                && zeros_alike(first, &x[end * terms..(end + 1) * terms])
            {
                end += 1;
            }
            let alike = end - start >= ALIKE;
            let full = runs.len() == count;
            match runs.last_mut() {
                Some(run) if !run.alike && !alike && end - run.rows.start <= GROUP => {
                    run.rows.end = end;
                }
                _ if full => break,
                _ => runs.push(Self { rows: start..end, alike }),
            }
            start = end;
        }
        runs
    }
}

/// Whether two rows have their zeros in the same places.
#[inline(always)]
fn zeros_alike<E: Lanes + PartialOrd>(a: &[E], b: &[E]) -> bool {
    let zero = E::default();
    // Blocks of a known size, for vectors.
    let ((blocks, rest), (others, other_rest)) = (a.as_chunks::<64>(), b.as_chunks::<64>());
    for (a, b) in blocks.iter().zip(others) {
        let mut differ = 0;
        for i in 0..64 {
            differ |= u32::from(a[i] == zero) ^ u32::from(b[i] == zero);
        }
        if differ > 0 {
            return false;
        }
    }
    rest.iter().zip(other_rest).all(|(a, b)| (*a == zero) == (*b == zero))
}

/// Marks the terms that are not zero in all of these rows.
#[inline(always)]
fn mark<E: Lanes + PartialOrd>(rows: &[E], used: &mut [bool]) {
    used.fill(false);
    for row in rows.chunks_exact(used.len()) {
        for term in 0..row.len() {
            used[term] |= row[term] != E::default();
        }
    }
}

/// Runs of rows of x, ready to be multiplied.
struct Gathered<E: Lanes> {
    blocks: Vec<Block>,
    /// The terms of the runs that are not zero in all rows, by the starts of their lines in a panel.
    present: Vec<u32>,
    /// x there, (terms, [`GROUP`]) for every block.
    columns: Buffer<E>,
}

/// At most [`GROUP`] rows of a run.
struct Block {
    rows: Range<usize>,
    /// Where its terms lie in `present`, and x there in `columns`.
    terms: Range<usize>,
    columns: Range<usize>,
}

impl<E: Lanes + PartialOrd> Gathered<E> {
    #[inline(always)]
    fn new(x: &[E], terms: usize, runs: &[Run]) -> Self {
        let mut blocks = Vec::new();
        let mut present = vec![0; runs.len() * terms];
        let mut used = vec![false; terms];
        let (mut end, mut cells) = (0, 0);
        for Run { rows, alike } in runs {
            let last = if *alike { rows.start + 1 } else { rows.end };
            mark(&x[rows.start * terms..last * terms], &mut used);
            let start = end;
            for term in 0..terms {
                present[end] = (term * PANEL) as u32;
                end += usize::from(used[term]);
            }
            let (length, count) = (rows.len(), rows.len().div_ceil(GROUP));
            for i in 0..count {
                let rows = rows.start + length * i / count..rows.start + length * (i + 1) / count;
                let columns = cells..cells + (end - start) * GROUP;
                cells = columns.end;
                blocks.push(Block { rows, terms: start..end, columns });
            }
        }
        let mut columns = Buffer::of(cells);
        for block in &blocks {
            let present = &present[block.terms.clone()];
            let columns = columns[block.columns.clone()].as_chunks_mut::<GROUP>().0;
            // A full group, so that the loop over it is unrolled; the last row stands for those there are not.
            let mut rows = [&x[..0]; GROUP];
            for i in 0..GROUP {
                let row = (block.rows.start + i).min(block.rows.end - 1);
                rows[i] = &x[row * terms..][..terms];
            }
            for (column, &start) in columns.iter_mut().zip(present) {
                let term = start as usize / PANEL;
                for i in 0..GROUP {
                    column[i] = rows[i][term];
                }
            }
        }
        Self { blocks, present, columns }
    }

    /// The products with the `used` columns of a panel, for cells of y from `at` on.
    #[inline(always)]
    fn multiply<S: Simd>(
        &self,
        simd: S,
        panel: &[E],
        used: usize,
        (y, at): (&mut [&mut [E]], usize),
    ) {
        for Block { rows, terms, columns } in &self.blocks {
            let lines =
                Lines { cells: panel, starts: &self.present[terms.clone()], used, far: false };
            let cells = &self.columns[columns.clone()];
            let columns = Weights { cells, step: GROUP, sums: rows.len() };
            let target = Target::Lines { lines: &mut y[rows.clone()], at, bias: None };
            product::<S, E>(simd, lines, columns, target);
        }
    }
}

/// Cells of x that are gathered at a time, to stay in the cache while the panels of weights pass by.
const GATHERED: usize = 1 << 14;

impl<E: Lanes + PartialOrd> WithSimd for Packed<'_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Extents { terms, sums, .. } = self.extents;
        let mut y: Vec<&mut [E]> = self.y.chunks_exact_mut(sums).collect();
        let most = (GATHERED / terms).max(GROUP);
        let mut done = 0;
        while done < y.len() {
            let runs = Run::some(self.x, terms, done, [most / GROUP, most]);
            let gathered = Gathered::new(self.x, terms, &runs);
            for (p, panel) in self.panels.chunks_exact(terms * PANEL).enumerate() {
                let at = p * PANEL;
                gathered.multiply(simd, panel, PANEL.min(sums - at), (&mut y, at));
            }
            let end = runs.last().map_or(y.len(), |run| run.rows.end);
            if let Some(bias) = self.bias {
                for row in &mut y[done..end] {
                    for i in 0..sums.min(bias.len()) {
                        row[i] += bias[i];
                    }
                }
            }
            done = end;
        }
    }
}

/// Rows from which on large weights are packed panel by panel on the way, forward and back.
const MANY: [usize; 2] = [96, 48];

/// Panels that are packed at a time, so that whole stretches of a row are read.
const TOGETHER: usize = 4;

/// Packs a part of the weights of some sums as panels; the extents are terms and sums.
#[inline(always)]
fn pack_panels<E: Lanes + PartialOrd>(
    (weight, part): Matrix<'_, E>,
    [terms, sums]: [usize; 2],
    own: Range<usize>,
    transposed: bool,
    panels: &mut [E],
) {
    if transposed {
        for (term, row) in weight.chunks_exact(sums).enumerate() {
            let cells = row[own.clone()].chunks(PANEL);
            for (panel, cells) in panels.chunks_exact_mut(terms * PANEL).zip(cells) {
                set_part(&mut panel[term * PANEL..][..PANEL], cells, part);
            }
        }
    } else {
        let rows = weight[own.start * terms..].chunks_exact(terms).take(own.len());
        for (i, row) in rows.enumerate() {
            let panel = &mut panels[i / PANEL * terms * PANEL..][..terms * PANEL];
            for (line, w) in panel.chunks_exact_mut(PANEL).zip(row) {
                line[i % PANEL] = part_of(*w, part);
            }
        }
    }
}

/// All rows times some columns of large weights.
struct Panels<'a, 'b, E: Lanes> {
    matrix: Matrix<'a, E>,
    /// The first of the sums.
    first: usize,
    rows: &'a Gathered<E>,
    y: &'a mut [&'b mut [E]],
    extents: Extents,
    transposed: bool,
}

impl<E: Lanes + PartialOrd> WithSimd for Panels<'_, '_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Extents { terms, sums, .. } = self.extents;
        let own = self.y.first().map_or(0, |y| y.len());
        let mut panels = Buffer::of(TOGETHER * terms * PANEL);
        for start in (0..own).step_by(TOGETHER * PANEL) {
            let end = own.min(start + TOGETHER * PANEL);
            let packed = self.first + start..self.first + end;
            pack_panels(self.matrix, [terms, sums], packed, self.transposed, &mut panels);
            let starts = (start..end).step_by(PANEL);
            for (panel, start) in panels.chunks_exact(terms * PANEL).zip(starts) {
                self.rows.multiply(simd, panel, PANEL.min(own - start), (&mut *self.y, start));
            }
        }
    }
}

/// Terms that are summed up before the next sums are begun: x stays in the cache meanwhile.
const TERMS: usize = 2048;

/// Cells of x that stay in the cache together.
const CACHE: usize = 1 << 17;

/// Vectors ahead for which memory is asked.
const AHEAD: usize = 8;

/// Some rows of W times all rows of x, as scalar products.
struct Rows<'a, 'b, E> {
    matrix: Matrix<'a, E>,
    x: &'a [E],
    y: &'a mut [&'b mut [E]],
    extents: Extents,
}

/// Rows of W and of x whose scalar products are computed at once; half as many of x where there are 16
/// registers.
const TILE: [usize; 2] = [6, 4];

impl<E: Lanes + PartialOrd> Rows<'_, '_, E> {
    /// Adds the products of the terms from `start` on, of which `w` has so many, to `N` sums of all rows.
    #[inline(always)]
    fn add<S: Simd, const N: usize>(&mut self, simd: S, w: [&[E]; N], [start, sum]: [usize; 2]) {
        let rows = self.y.len();
        let most = if S::REGISTER_COUNT >= 32 { TILE[1] } else { TILE[1] / 2 };
        for row in (0..rows).step_by(most) {
            match most.min(rows - row) {
                1 => self.tile::<S, N, 1>(simd, w, [start, sum, row]),
                2 => self.tile::<S, N, 2>(simd, w, [start, sum, row]),
                3 => self.tile::<S, N, 3>(simd, w, [start, sum, row]),
                _ => self.tile::<S, N, 4>(simd, w, [start, sum, row]),
            }
        }
    }

    /// See [`Rows::add`], for `M` rows.
    #[inline(always)]
    fn tile<S: Simd, const N: usize, const M: usize>(
        &mut self,
        simd: S,
        w: [&[E]; N],
        [start, sum, row]: [usize; 3],
    ) {
        let (terms, length) = (self.extents.terms, w[0].len());
        let zero = E::splat(simd, E::default());
        let mut sums = [[zero; N]; M];
        let x: [&[E]; M] = std::array::from_fn(|m| &self.x[(row + m) * terms + start..][..length]);
        let count = E::vectors::<S>(w[0]).len();
        let (mut w_vectors, mut x_vectors) = ([&[][..]; N], [&[][..]; M]);
        for n in 0..N {
            w_vectors[n] = &E::vectors::<S>(w[n])[..count];
        }
        for m in 0..M {
            x_vectors[m] = &E::vectors::<S>(x[m])[..count];
        }
        for i in 0..count {
            let mut x = [zero; M];
            for m in 0..M {
                x[m] = x_vectors[m][i];
            }
            for n in 0..N {
                prefetch::<1, _>(w_vectors[n], i + AHEAD);
                let w = w_vectors[n][i];
                for m in 0..M {
                    sums[m][n] = E::mul_add(simd, w, x[m], sums[m][n]);
                }
            }
        }
        let rest = count * lanes::<S, E>();
        for m in 0..M {
            for n in 0..N {
                let mut total = E::sum(simd, sums[m][n]);
                for (w, x) in w[n][rest..].iter().zip(&x[m][rest..]) {
                    total += *w * *x;
                }
                self.y[row + m][sum + n] += total;
            }
        }
    }
}

impl<E: Lanes + PartialOrd> WithSimd for Rows<'_, '_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (rows, sums) = (self.y.len(), self.y.first().map_or(0, |y| y.len()));
        // W is read in one go where x stays in the cache as a whole.
        let terms = self.extents.terms;
        let share = if rows * terms <= CACHE { TILE[0] } else { sums.max(1) };
        let mut room = Buffer::of(TILE[0] * TERMS.min(terms));
        for first in (0..sums).step_by(share) {
            for start in (0..terms).step_by(TERMS) {
                let length = TERMS.min(terms - start);
                for sum in (first..sums.min(first + share)).step_by(TILE[0]) {
                    let end = sums.min(sum + TILE[0]);
                    if end - sum == TILE[0] {
                        let starts = std::array::from_fn(|n| (sum + n) * terms + start);
                        let w = stretches(self.matrix, starts, length, &mut room);
                        self.add::<S, { TILE[0] }>(simd, w, [start, sum]);
                        continue;
                    }
                    for sum in sum..end {
                        let starts = [sum * terms + start];
                        let w = stretches(self.matrix, starts, length, &mut room);
                        self.add::<S, 1>(simd, w, [start, sum]);
                    }
                }
            }
        }
    }
}

/// All rows of x times some columns of W, as sums of multiples of W's rows.
struct Columns<'a, 'b, E> {
    /// From the first of the columns on.
    matrix: Matrix<'a, E>,
    x: &'a [E],
    y: &'a mut [&'b mut [E]],
    extents: Extents,
}

/// Sums that are dealt with at a time, a stretch of those of all rows of x, though not ever shorter ones.
const COLUMNS: usize = 1 << 12;
const SHORTEST: usize = 1 << 9;

/// Rows of W that are added up at once, and rows of x for which that is done.
const LINES: usize = 8;
const ROWS: usize = 2;

impl<E: Lanes + PartialOrd> Columns<'_, '_, E> {
    /// Adds multiples of the rows `w` of W, whose numbers are `present`, to `M` rows of sums, from `row` on.
    /// The memory of the rows `ahead` is asked for meanwhile.
    #[inline(always)]
    fn add<S: Simd, const M: usize, const N: usize>(
        &self,
        simd: S,
        row: usize,
        (w, present): ([&[E]; N], &[usize; N]),
        ahead: &[&[E]],
        y: &mut [&mut [E]],
    ) {
        let terms = self.extents.terms;
        let Some(y) = y[row..].first_chunk_mut::<M>() else { return };
        let length = y[0].len();
        let lanes = lanes::<S, E>();
        let count = length / lanes;
        let mut x = [[E::default(); N]; M];
        let mut x_vectors = [[E::splat(simd, E::default()); N]; M];
        let mut w_vectors = [&[][..]; N];
        for n in 0..N {
            w_vectors[n] = &E::vectors::<S>(w[n])[..count];
            for m in 0..M {
                x[m][n] = self.x[(row + m) * terms + present[n]];
                x_vectors[m][n] = E::splat(simd, x[m][n]);
            }
        }
        let mut y = y.each_mut().map(|y| y.split_at_mut(count * lanes));
        let y_vectors = y.each_mut().map(|(y, _)| &mut E::vectors_mut::<S>(y)[..count]);
        for i in 0..count {
            let mut sums = [E::splat(simd, E::default()); M];
            for m in 0..M {
                sums[m] = y_vectors[m][i];
            }
            for ahead in ahead {
                prefetch::<2, _>(ahead, i * lanes);
            }
            for n in 0..N {
                let w = w_vectors[n][i];
                for m in 0..M {
                    sums[m] = E::mul_add(simd, x_vectors[m][n], w, sums[m]);
                }
            }
            for m in 0..M {
                y_vectors[m][i] = sums[m];
            }
        }
        for ((_, y), x) in y.into_iter().zip(x) {
            for (i, y) in y.iter_mut().enumerate() {
                for n in 0..N {
                    *y += x[n] * w[n][count * lanes + i];
                }
            }
        }
    }
}

impl<E: Lanes + PartialOrd> WithSimd for Columns<'_, '_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (rows, sums) = (self.y.len(), self.y.first().map_or(0, |y| y.len()));
        let Extents { terms, sums: width, .. } = self.extents;
        // Rows of W that nobody asks for are not read.
        let mut used = vec![false; terms];
        mark(self.x, &mut used);
        let present: Vec<usize> = (0..terms).filter(|&term| used[term]).collect();
        let (groups, rest) = present.as_chunks::<LINES>();
        // Stretches of W's rows that stay near for all rows of x, and their sums: where these belong, they
        // would get in each other's way in the cache.
        let share = (COLUMNS / rows.max(1)).max(SHORTEST).next_multiple_of(PANEL);
        let (mut cells, mut room) = (Buffer::of(rows * share), Buffer::of(LINES * share));
        let mut y: Vec<&mut [E]> = cells.chunks_exact_mut(share).collect();
        // Several rows of x at a time for each vector of W, if there are registers for them.
        let many = if S::REGISTER_COUNT >= 32 { rows / ROWS * ROWS } else { 0 };
        for start in (0..sums).step_by(share) {
            let length = share.min(sums - start);
            let mut y: Vec<&mut [E]> = y.iter_mut().map(|y| &mut y[..length]).collect();
            y.iter_mut().for_each(|y| y.fill(E::default()));
            for (g, group) in groups.iter().enumerate() {
                let starts = |group: &[usize; LINES]| group.map(|term| term * width + start);
                let w = stretches(self.matrix, starts(group), length, &mut room);
                // Some of the next ones with each pass over these, if there are passes for that to hide behind.
                let next = groups.get(g + 1).filter(|_| rows > ROWS);
                let whole = (self.matrix.0, Part::All);
                let next = next.map(|next| stretches(whole, starts(next), length, &mut []));
                let ahead = next.as_ref().map_or(&[][..], |next| next);
                let mut row = 0;
                while row < rows {
                    let count = if row < many { ROWS } else { 1 };
                    let ahead =
                        &ahead[ahead.len() * row / rows..ahead.len() * (row + count) / rows];
                    match count {
                        ROWS => self.add::<S, ROWS, LINES>(simd, row, (w, group), ahead, &mut y),
                        _ => self.add::<S, 1, LINES>(simd, row, (w, group), ahead, &mut y),
                    }
                    row += count;
                }
            }
            for &term in rest {
                let w = stretches(self.matrix, [term * width + start], length, &mut room);
                for row in 0..rows {
                    self.add::<S, 1, 1>(simd, row, (w, &[term]), &[], &mut y);
                }
            }
            for (target, y) in self.y.iter_mut().zip(y) {
                target[start..start + length].copy_from_slice(y);
            }
        }
    }
}
