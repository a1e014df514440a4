//! R's column-major arrays in the user's layout, and the engine's row-major ones, channels first.

use extendr_api::prelude::*;
use innsight_core::error::{Kind, Result};
use ndarray::{ArrayD, ArrayViewD, IxDyn, ShapeBuilder};

/// The `dim` attribute; the length for a vector without one.
pub fn dims(robj: &Robj) -> Vec<usize> {
    let dims = robj.get_attrib("dim").and_then(|d| d.as_integer_vector());
    let dims = dims.map(|d| d.into_iter().map(|n| n.max(0) as usize).collect());
    dims.unwrap_or_else(|| vec![robj.len()])
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
    let values = robj
        .as_real_slice()
        .ok_or_else(|| Kind::Argument.error("The engine takes arrays of doubles"))?;
    let dims = dims(robj);
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

/// Row-major values, channels first, as an R array in the user's layout. A leading axis of samples,
/// and of targets behind it if `targets` is given, which R gets as the last axis.
pub fn write(
    values: Vec<f64>,
    samples: usize,
    targets: Option<usize>,
    row: &[usize],
    channels_first: bool,
) -> Result<Robj> {
    let mut shape = vec![samples];
    shape.extend(targets);
    shape.extend(row);
    let array = ArrayViewD::from_shape(IxDyn(&shape), &values)
        .map_err(|e| Kind::Bug.error(format!("A result with wrong extents: {e}")))?;
    let first = shape.len() - row.len();
    let mut axes = vec![0];
    match channels_first || row.len() < 2 {
        true => axes.extend(first..shape.len()),
        false => axes.extend((first + 1..shape.len()).chain([first])),
    }
    axes.extend(targets.map(|_| 1));
    to_r(array.permuted_axes(axes))
}

/// Row-major values as an R array; a single number for no extents.
pub fn from_row_major(values: &[f64], shape: &[usize]) -> Result<Robj> {
    let array = ArrayViewD::from_shape(IxDyn(shape), values)
        .map_err(|e| Kind::Bug.error(format!("An array with wrong extents: {e}")))?;
    match shape {
        [] => Ok(values[0].into()),
        _ => to_r(array),
    }
}

fn to_r(array: ArrayViewD<'_, f64>) -> Result<Robj> {
    let dims: Vec<i32> = array.shape().iter().map(|&n| n as i32).collect();
    let mut robj = Robj::from(in_order(&array.reversed_axes()));
    robj.set_attrib("dim", dims).map_err(|e| Kind::Bug.error(e.to_string()))?;
    Ok(robj)
}
