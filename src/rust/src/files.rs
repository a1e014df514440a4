//! Model files, and the lists of R that come of them.

use std::fs::File;
use std::path::Path;

use extendr_api::prelude::*;
use innsight_core::error::{Error, Kind, Result};
use innsight_core::formats::{self, Array, Data, Value};
use memmap2::Mmap;

use crate::arrays::from_row_major;

/// The content of a model file; see [`formats::read`].
pub fn read(path: &str) -> Result<Robj> {
    let refused = |e: std::io::Error| Kind::File.error(format!("{path} cannot be read: {e}"));
    let found = std::fs::metadata(path).map_err(refused)?;
    if !found.is_file() {
        return Err(Kind::File.error(format!("{path} is no file")));
    }
    if found.len() == 0 {
        return Err(Kind::File.error(format!("{path} is empty")));
    }
    let file = File::open(path).map_err(refused)?;
    // SAFETY: another program must not shorten the file meanwhile, which is true of files at rest.
    #[allow(unsafe_code)]
    let bytes = unsafe { Mmap::map(&file) }.map_err(refused)?;
    let folder = Path::new(path).parent().unwrap_or(Path::new("."));
    // The message says what is wrong, not yet where.
    let placed = |e: Error| e.kind.error(format!("{}\nFile: {path}", e.message));
    to_r(&formats::read(&bytes, folder).map_err(placed)?)
}

/// A JSON text as nested lists.
pub fn json(text: &str) -> Result<Robj> {
    to_r(&formats::json(text)?)
}

fn to_r(value: &Value) -> Result<Robj> {
    Ok(match value {
        Value::Null => ().into(),
        Value::Flag(flag) => (*flag).into(),
        Value::Number(number) => (*number).into(),
        Value::Numbers(numbers) => numbers.clone().into(),
        Value::Text(text) => text.as_str().into(),
        Value::Texts(texts) => texts.clone().into(),
        Value::List(values) => {
            List::from_values(values.iter().map(to_r).collect::<Result<Vec<_>>>()?).into()
        }
        Value::Map(entries) => {
            let names = entries.iter().map(|(name, _)| name.as_str());
            let values: Vec<_> = entries.iter().map(|(_, v)| to_r(v)).collect::<Result<_>>()?;
            let list = List::from_names_and_values(names, values);
            list.map_err(|e| Kind::Bug.error(e.to_string()))?.into()
        }
        Value::Array(array) => array_to_r(array)?,
    })
}

/// Single precision stays as it is, see R/f32.R.
fn array_to_r(array: &Array) -> Result<Robj> {
    // The axes of the stored values in the order in which they are wanted, counted from 1.
    let (bytes, axes) = match &array.data {
        Data::F64(values) => return from_row_major(values, &array.shape),
        Data::F32(bytes) => (bytes, (1..=array.shape.len()).collect::<Vec<_>>()),
        Data::PermutedF32(bytes, axes) => (bytes, axes.iter().map(|axis| axis + 1).collect()),
    };
    let integers = |values: &[usize]| values.iter().map(|&n| n as i32).collect::<Vec<_>>();
    let values = list!(
        bytes = Raw::from_bytes(bytes),
        shape = integers(&array.shape),
        axes = integers(&axes)
    );
    let mut values: Robj = values.into();
    values.set_class(["innsight_f32"]).map_err(|e| Kind::Bug.error(e.to_string()))?;
    Ok(values)
}
