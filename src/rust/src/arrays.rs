//! R's column-major arrays in the user's layout, and the engine's row-major ones, channels first.

use std::mem::size_of_val;

use extendr_api::prelude::*;
use extendr_api::{rtype_to_sxp, Rinternals, Rtype};
use innsight_core::error::{Kind, Result};
use innsight_core::kernels::cpu::in_parallel;
use innsight_core::kernels::Kernels;
use innsight_core::tensor::{elem, Values};
use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD, Axis, Ix2, IxDyn, ShapeBuilder};

/// The `dim` attribute; the length for a vector without one.
pub fn dims(robj: &Robj) -> Vec<usize> {
    let dims = robj.get_attrib("dim").and_then(|d| d.as_integer_vector());
    let dims = dims.map(|d| d.into_iter().map(|n| n.max(0) as usize).collect());
    dims.unwrap_or_else(|| vec![robj.len()])
}

/// The cells of a double array.
pub fn reals(robj: &Robj) -> Result<&[f64]> {
    robj.as_real_slice().ok_or_else(|| Kind::Argument.error("The engine takes arrays of doubles"))
}

/// The order of axes that moves the channels of (rows, ..., channels) to the second place.
fn channels_to_second(rank: usize) -> Vec<usize> {
    match rank {
        0..=2 => (0..rank).collect(),
        _ => [0, rank - 1].into_iter().chain(1..rank - 1).collect(),
    }
}

/// A double array's cells in the precision of a backend, row-major and channels first, and its extents.
pub fn read<B: Kernels>(
    robj: &Robj,
    channels_first: bool,
) -> Result<(Vec<B::FloatElem>, Vec<usize>)> {
    let (values, dims) = (reals(robj)?, dims(robj));
    let array = ArrayViewD::from_shape(IxDyn(&dims).f(), values)
        .map_err(|e| Kind::Argument.error(format!("An array with wrong extents: {e}")))?;
    let array = match channels_first {
        true => array,
        false => array.permuted_axes(channels_to_second(dims.len())),
    };
    let shape = array.shape().to_vec();
    let array = if shape.len() == 1 { array.insert_axis(Axis(1)) } else { array };
    let mut ordered = ArrayD::<B::FloatElem>::default(array.raw_dim());
    let rows = shape[0].div_ceil(values.len().div_ceil(SHARE).max(1)).max(1);
    let shares = ordered.axis_chunks_iter_mut(Axis(0), rows);
    let shares = shares.zip(array.axis_chunks_iter(Axis(0), rows)).collect();
    in_parallel(shares, |(ordered, array)| put_in_order::<B>(ordered, array));
    Ok((ordered.into_raw_vec_and_offset().0, shape))
}

/// Rows whose cells are set one after the other: the memory that they go to stays in the cache meanwhile.
const ROWS: usize = 64;

/// Sets the cells of an array to those of another, whose rows lie side by side.
fn put_in_order<B: Kernels>(
    mut target: ArrayViewMutD<'_, B::FloatElem>,
    source: ArrayViewD<'_, f64>,
) {
    if target.ndim() > 2 {
        let parts = target.axis_iter_mut(Axis(1)).zip(source.axis_iter(Axis(1)));
        return parts.for_each(|(target, source)| put_in_order::<B>(target, source));
    }
    let mut target = target.into_dimensionality::<Ix2>().expect("a matrix");
    let source = source.into_dimensionality::<Ix2>().expect("a matrix");
    let rows = target.axis_chunks_iter_mut(Axis(0), ROWS);
    for (mut target, source) in rows.zip(source.axis_chunks_iter(Axis(0), ROWS)) {
        for (mut target, source) in target.columns_mut().into_iter().zip(source.columns()) {
            target.iter_mut().zip(source).for_each(|(y, x)| *y = elem::<B>(*x));
        }
    }
}

/// The sums of an R array over all axes but the first and the last, as a matrix.
pub fn cell_sums(robj: &Robj) -> Result<Robj> {
    let (values, dims) = (reals(robj)?, dims(robj));
    let [rows, .., nodes] = dims[..] else {
        return Err(Kind::Bug.error(format!("Sums of an array {dims:?}")));
    };
    let size = values.len() / nodes.max(1);
    let mut sums = vec![0.0; rows * nodes];
    let of_nodes = sums.chunks_mut(rows.max(1)).zip(values.chunks(size.max(1))).collect();
    in_parallel(of_nodes, |(sums, values): (&mut [f64], &[f64])| {
        for line in values.chunks_exact(sums.len()) {
            sums.iter_mut().zip(line).for_each(|(sum, value)| *sum += value);
        }
    });
    shaped(sums.into(), &[rows, nodes])
}

/// How values of data points lie: in the engine row-major and channels first (samples, targets, extents), in
/// R column-major in the user's layout (samples, extents, targets).
pub struct Layout<'a> {
    pub targets: Option<usize>,
    pub extents: &'a [usize],
    pub channels_first: bool,
}

impl Layout<'_> {
    /// Extents of all axes but the samples', in R's order, and the distances of their cells in the engine.
    fn axes(&self) -> Vec<(usize, usize)> {
        let distance = |axis: usize| self.extents[axis + 1..].iter().product();
        let mut axes: Vec<_> = self
            .extents
            .iter()
            .enumerate()
            .map(|(axis, &extent)| (extent, distance(axis)))
            .collect();
        if !self.channels_first && axes.len() > 1 {
            axes.rotate_left(1);
        }
        axes.extend(self.targets.map(|targets| (targets, self.extents.iter().product())));
        axes
    }

    /// An R array for so many samples, all cells of which are to be set.
    pub fn room(&self, samples: usize) -> Result<Robj> {
        let axes = self.axes();
        let dims: Vec<usize> = [samples].into_iter().chain(axes.iter().map(|a| a.0)).collect();
        let mut robj = Robj::alloc_vector(rtype_to_sxp(Rtype::Doubles), dims.iter().product());
        let cells = robj.as_real_slice_mut().unwrap_or_default();
        use_huge_pages(cells.as_ptr().cast(), size_of_val(cells));
        shaped(robj, &dims)
    }

    /// The values of all samples as an R array.
    pub fn write(&self, values: Values, samples: usize) -> Result<Robj> {
        let mut robj = self.room(samples)?;
        self.put(&mut robj, vec![values], Spot::default())?;
        Ok(robj)
    }

    /// Puts the samples of all parts, one after the other, in an R array that nobody else sees yet.
    pub fn put(&self, total: &mut Robj, parts: Vec<Values>, spot: Spot) -> Result<()> {
        let single = parts.iter().filter_map(|part| match part {
            Values::Single(values) => Some(&values[..]),
            Values::Double(_) => None,
        });
        let double = parts.iter().filter_map(|part| match part {
            Values::Double(values) => Some(&values[..]),
            Values::Single(_) => None,
        });
        let (single, double): (Vec<_>, Vec<_>) = (single.collect(), double.collect());
        match double.is_empty() {
            true => self.put_cells(total, &single, spot)?,
            false => self.put_cells(total, &double, spot)?,
        }
        parts.into_iter().for_each(Values::recycle);
        Ok(())
    }

    fn put_cells<E>(&self, total: &mut Robj, parts: &[&[E]], spot: Spot) -> Result<()>
    where
        E: Copy + Into<f64> + Sync,
    {
        let (dims, axes) = (dims(total), self.axes());
        let size = axes.iter().map(|axis| axis.0).product::<usize>();
        let own: usize = parts.iter().map(|part| part.len()).sum();
        let (height, rows) = (dims[0], own / size.max(1));
        let begin = spot.column * self.extents.iter().product::<usize>() * height;
        let target = total.as_real_slice_mut().unwrap_or_default();
        if rows * size != own || spot.row + rows > height || begin + size * height > target.len() {
            let error = format!("{own} values, {axes:?} each, at {spot:?} of an array {dims:?}");
            return Err(Kind::Bug.error(error));
        }
        let target = &mut target[begin..begin + size * height];
        // A single sample has no line: its first axis takes the part of the samples.
        let (line, step, axes) = match (height, &axes[..]) {
            (1, [(extent, distance), rest @ ..]) if parts.len() == 1 => (*extent, *distance, rest),
            (_, axes) => (height, size, axes),
        };
        let rows = if height == 1 { 0..line } else { spot.row..spot.row + rows };
        let lines = SHARE.div_ceil(line.max(1));
        let shares = target.chunks_mut((lines * line).max(1)).enumerate().collect();
        in_parallel(shares, |(i, share): (usize, &mut [f64])| {
            let lines_of = share.chunks_mut(line).map(|line| &mut line[rows.clone()]);
            copy(parts, step, lines_of.zip(starts(axes, i * lines)), spot.add);
        });
        Ok(())
    }
}

/// Where values go in an R array: from which row of the first axis and which column of the last on, and
/// whether they are added to what is there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spot {
    pub row: usize,
    pub column: usize,
    pub add: bool,
}

/// Row-major values as an R array; a single number for no extents.
pub fn from_row_major(values: &[f64], shape: &[usize]) -> Result<Robj> {
    match shape {
        [] => Ok(values[0].into()),
        [samples, extents @ ..] => {
            let layout = Layout { targets: None, extents, channels_first: true };
            let mut robj = layout.room(*samples)?;
            layout.put_cells(&mut robj, &[values], Spot::default())?;
            Ok(robj)
        }
    }
}

/// Bytes from which on an array is worth huge pages.
#[cfg(target_os = "linux")]
const HUGE: usize = 1 << 22;

/// Asks the system for huge pages for memory that nobody has touched yet: a page fault for every 2 MB in
/// place of one for every 4 KB. Nothing happens where the system does not have them.
fn use_huge_pages(address: *const u8, bytes: usize) {
    #[cfg(target_os = "linux")]
    if bytes >= HUGE && !address.is_null() {
        const PAGE: usize = 4096;
        let skipped = address.align_offset(PAGE);
        let whole = (bytes - skipped) / PAGE * PAGE;
        // SAFETY: the pages lie within the block, and what they hold does not change.
        unsafe { libc::madvise(address.add(skipped) as *mut _, whole, libc::MADV_HUGEPAGE) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (address, bytes);
}

/// A vector as an array.
fn shaped(mut vector: Robj, dims: &[usize]) -> Result<Robj> {
    let dims: Vec<i32> = dims.iter().map(|&extent| extent as i32).collect();
    vector.set_attrib("dim", dims).map_err(|e| Kind::Bug.error(e.to_string()))?;
    Ok(vector)
}

/// Lines, and cells of each, that are copied in one go: the memory that they lie in stays in the cache
/// meanwhile.
const BLOCK: [usize; 2] = [32, 64];

/// Cells that a thread copies at a time, at least.
const SHARE: usize = 1 << 17;

/// Copies values to lines, which come with the place of their first value in a part. Neighbouring cells
/// of a line are `step` values apart; where a part ends the next one goes on.
fn copy<'a, E: Copy + Into<f64>>(
    parts: &[&[E]],
    step: usize,
    mut lines: impl Iterator<Item = (&'a mut [f64], usize)>,
    add: bool,
) {
    let mut block = Vec::with_capacity(BLOCK[0]);
    loop {
        block.clear();
        block.extend(lines.by_ref().take(BLOCK[0]));
        let Some(cells) = block.first().map(|(line, _)| line.len()) else {
            break;
        };
        let mut first = 0;
        for part in parts {
            let end = cells.min(first + part.len() / step.max(1));
            for begin in (first..end).step_by(BLOCK[1]) {
                let taken = begin..end.min(begin + BLOCK[1]);
                for (line, start) in &mut block {
                    let source =
                        part[*start + (begin - first) * step..].iter().step_by(step.max(1));
                    let line = line[taken.clone()].iter_mut().zip(source);
                    match add {
                        true => line.for_each(|(y, x)| *y += (*x).into()),
                        false => line.for_each(|(y, x)| *y = (*x).into()),
                    }
                }
            }
            first = end;
        }
    }
}

/// Where cells lie whose axes, the first of which is counted up first, have these extents and distances,
/// from cell number `begin` on.
fn starts(axes: &[(usize, usize)], begin: usize) -> impl Iterator<Item = usize> + '_ {
    let mut rest = begin;
    let place_of = |&(extent, _): &(usize, usize)| {
        let place = rest % extent;
        rest /= extent;
        place
    };
    let mut place: Vec<usize> = axes.iter().map(place_of).collect();
    let mut next = place.iter().zip(axes).map(|(i, (_, distance))| i * distance).sum();
    std::iter::repeat_with(move || {
        let start = next;
        for (i, (extent, distance)) in place.iter_mut().zip(axes) {
            (*i, next) = (*i + 1, next + distance);
            if *i < *extent {
                break;
            }
            (*i, next) = (0, next - extent * distance);
        }
        start
    })
}
