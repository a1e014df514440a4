//! R's column-major arrays in the user's layout, and the engine's row-major ones, channels first.

use std::mem::size_of_val;

use extendr_api::prelude::*;
use extendr_api::{rtype_to_sxp, Rinternals, Rtype};
use innsight_core::error::{Kind, Result};
use innsight_core::kernels::cpu::in_parallel;
use innsight_core::tensor::Values;
use ndarray::{ArrayD, ArrayViewD, IxDyn, ShapeBuilder};

use crate::memory::use_huge_pages;

/// The `dim` attribute; the length for a vector without one.
pub fn dims(robj: &Robj) -> Vec<usize> {
    let dims = robj.get_attrib("dim").and_then(|d| d.as_integer_vector());
    let dims = dims.map(|d| d.into_iter().map(|n| n.max(0) as usize).collect());
    dims.unwrap_or_else(|| vec![robj.len()])
}

fn reals(robj: &Robj) -> Result<&[f64]> {
    robj.as_real_slice().ok_or_else(|| Kind::Argument.error("The engine takes arrays of doubles"))
}

/// The order of axes that moves the channels of (rows, ..., channels) to the second place.
fn channels_to_second(rank: usize) -> Vec<usize> {
    match rank {
        0..=2 => (0..rank).collect(),
        _ => [0, rank - 1].into_iter().chain(1..rank - 1).collect(),
    }
}

/// A double array as row-major values, channels first, and its extents.
pub fn read(robj: &Robj, channels_first: bool) -> Result<(Vec<f64>, Vec<usize>)> {
    let (values, dims) = (reals(robj)?, dims(robj));
    let array = ArrayViewD::from_shape(IxDyn(&dims).f(), values)
        .map_err(|e| Kind::Argument.error(format!("An array with wrong extents: {e}")))?;
    let array = match channels_first {
        true => array,
        false => array.permuted_axes(channels_to_second(dims.len())),
    };
    let shape = array.shape().to_vec();
    Ok((in_order(&array), shape))
}

/// The values in the logical order of the axes.
fn in_order(array: &ArrayViewD<'_, f64>) -> Vec<f64> {
    let mut ordered = ArrayD::<f64>::zeros(array.raw_dim());
    ordered.assign(array);
    ordered.into_raw_vec_and_offset().0
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
    shaped(sums.into(), &[rows as i32, nodes as i32])
}

/// An R array of zeros.
pub fn zeros(dims: &[i32]) -> Result<Robj> {
    let mut robj = allocate(dims.iter().map(|&n| n as usize).product());
    let cells = robj.as_real_slice_mut().unwrap_or_default();
    in_parallel(cells.chunks_mut(SHARE).collect(), |share| share.fill(0.0));
    shaped(robj, dims)
}

/// Sets a part of an R array that nobody else sees yet, or adds to it: the rows of its first axis and the
/// columns of its last from these on.
pub fn fill(total: &mut Robj, part: &Robj, [row, column]: [usize; 2], add: bool) -> Result<()> {
    let (all, own, values) = (dims(total), dims(part), reals(part)?);
    let misfit = || Kind::Bug.error(format!("A part {own:?} of {all:?} at {row}, {column}"));
    let ([rows, inner @ .., nodes], [own_rows, own_inner @ .., own_nodes]) = (&all[..], &own[..])
    else {
        return Err(misfit());
    };
    if inner != own_inner || row + own_rows > *rows || column + own_nodes > *nodes {
        return Err(misfit());
    }
    let target = total.as_real_slice_mut().unwrap_or_default();
    // Lines of the first axis, and so many of them in a share.
    let skipped = column * inner.iter().product::<usize>();
    let lines = SHARE.div_ceil((*rows).max(1));
    let target = target[skipped * rows..].chunks_mut((lines * rows).max(1));
    let shares = target.zip(values.chunks((lines * own_rows).max(1))).collect();
    in_parallel(shares, |(target, values): (&mut [f64], &[f64])| {
        for (line, values) in target.chunks_mut(*rows).zip(values.chunks(*own_rows)) {
            let line = line[row..].iter_mut().zip(values);
            match add {
                true => line.for_each(|(y, x)| *y += x),
                false => line.for_each(|(y, x)| *y = *x),
            }
        }
    });
    Ok(())
}

/// Row-major values, channels first, as an R array in the user's layout. A leading axis of samples,
/// and of targets behind it if `targets` is given, which R gets as the last axis.
pub fn write(
    values: Values,
    samples: usize,
    targets: Option<usize>,
    row: &[usize],
    channels_first: bool,
) -> Result<Robj> {
    let mut shape = vec![samples];
    shape.extend(targets);
    shape.extend(row);
    let first = shape.len() - row.len();
    let mut axes = vec![0];
    match channels_first || row.len() < 2 {
        true => axes.extend(first..shape.len()),
        false => axes.extend((first + 1..shape.len()).chain([first])),
    }
    axes.extend(targets.map(|_| 1));
    match values {
        Values::Single(values) => to_r(&values, &shape, &axes),
        Values::Double(values) => to_r(&values, &shape, &axes),
    }
}

/// Row-major values as an R array; a single number for no extents.
pub fn from_row_major(values: &[f64], shape: &[usize]) -> Result<Robj> {
    match shape {
        [] => Ok(values[0].into()),
        _ => to_r(values, shape, &(0..shape.len()).collect::<Vec<_>>()),
    }
}

/// A vector as an array.
fn shaped(mut vector: Robj, dims: &[i32]) -> Result<Robj> {
    vector.set_attrib("dim", dims).map_err(|e| Kind::Bug.error(e.to_string()))?;
    Ok(vector)
}

/// An R vector of doubles whose cells must be set.
fn allocate(cells: usize) -> Robj {
    let mut robj = Robj::alloc_vector(rtype_to_sxp(Rtype::Doubles), cells);
    let cells = robj.as_real_slice_mut().unwrap_or_default();
    use_huge_pages(cells.as_ptr().cast(), size_of_val(cells));
    robj
}

/// Cells of R's first axis, and of all others together, that are copied in one go: the lines of memory
/// that they lie in stay in the cache meanwhile.
const BLOCK: [usize; 2] = [64, 32];

/// Cells that a thread copies at a time, at least.
const SHARE: usize = 1 << 17;

/// An R array whose axis i is axis `axes[i]` of the row-major values.
fn to_r<E>(values: &[E], shape: &[usize], axes: &[usize]) -> Result<Robj>
where
    E: Copy + Into<f64> + Sync,
{
    let cells: usize = shape.iter().product();
    if cells != values.len() {
        return Err(Kind::Bug.error(format!("{} values for extents {shape:?}", values.len())));
    }
    // Extents and distances of cells of the axes, in R's order.
    let of_axis = |&axis: &usize| (shape[axis], shape[axis + 1..].iter().product::<usize>());
    let axes: Vec<(usize, usize)> = axes.iter().map(of_axis).collect();
    let first = axes[0].0.max(1);
    let mut robj = allocate(cells);
    let target = robj.as_real_slice_mut().unwrap_or_default();
    let lines = SHARE.div_ceil(first);
    let shares = target.chunks_mut(lines * first).enumerate().collect();
    in_parallel(shares, |(i, share)| copy(values, &axes, i * lines, share));
    let dims: Vec<i32> = axes.iter().map(|&(extent, _)| extent as i32).collect();
    shaped(robj, &dims)
}

/// Copies values to lines of R's first axis, the first of which is number `line` of the array. The axes
/// are extents and distances of cells.
fn copy<E: Copy + Into<f64>>(
    values: &[E],
    axes: &[(usize, usize)],
    line: usize,
    target: &mut [f64],
) {
    let (first, step) = axes[0];
    let mut lines = target.chunks_mut(first.max(1));
    let mut starts = starts(&axes[1..], line);
    let mut block = Vec::with_capacity(BLOCK[1]);
    loop {
        block.clear();
        block.extend(lines.by_ref().take(BLOCK[1]).zip(starts.by_ref()));
        if block.is_empty() {
            break;
        }
        for begin in (0..first).step_by(BLOCK[0]) {
            for (line, start) in &mut block {
                let line = line[begin..].iter_mut().take(BLOCK[0]);
                let source = values[*start + begin * step..].iter().step_by(step.max(1));
                line.zip(source).for_each(|(y, x)| *y = (*x).into());
            }
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
