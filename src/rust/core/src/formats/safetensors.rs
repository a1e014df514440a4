//! Safetensors: a JSON header that says where each array is, and the arrays.

use serde::Deserialize;

use super::bytes::{damaged, Cursor};
use super::value::{Array, Dtype, Value};
use crate::error::{Kind, Result};

/// The arrays of a file, in the order of the header.
pub type Entries<'a> = Vec<(String, Entry<'a>)>;

/// An array as the file stores it.
pub struct Entry<'a> {
    dtype: String,
    shape: Vec<u64>,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// An array as the header describes it.
#[derive(Deserialize)]
struct Description {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// The arrays of the file with these bytes.
///
/// # Errors
/// [`Kind::File`] if the file is damaged.
pub fn open(bytes: &[u8]) -> Result<Entries<'_>> {
    let mut cursor = Cursor::new(bytes);
    let size = cursor.u64()?;
    let header: serde_json::Map<_, _> = serde_json::from_slice(cursor.take(size)?)
        .map_err(|e| damaged(format!("its header is not valid JSON: {e}")))?;
    let data = cursor.rest();
    let mut entries = Vec::with_capacity(header.len());
    let mut ranges = Vec::with_capacity(header.len());
    for (name, value) in header.into_iter().filter(|(name, _)| name != "__metadata__") {
        let Description { dtype, shape, data_offsets: (start, end) } =
            serde_json::from_value(value)
                .map_err(|e| damaged(format!("the description of {name}: {e}")))?;
        let length = end.checked_sub(start);
        let length = length.ok_or_else(|| damaged(format!("{name} ends before its start")))?;
        let bytes = Cursor::at(data, start)?.take(length)?;
        ranges.push((start, end));
        entries.push((name, Entry { dtype, shape, bytes }));
    }
    ranges.sort_unstable();
    if ranges.windows(2).any(|pair| pair[1].0 < pair[0].1) {
        return Err(damaged("two of its arrays overlap"));
    }
    Ok(entries)
}

impl<'a> Entry<'a> {
    /// The array with this name.
    ///
    /// # Errors
    /// [`Kind::File`] if the type of its numbers is not known or its shape does not fit.
    pub fn array(&self, name: &str) -> Result<Array<'a>> {
        let whole = |size, signed| Dtype::Whole { size, signed };
        let dtype = match self.dtype.as_str() {
            "F16" => Dtype::F16,
            "BF16" => Dtype::Bf16,
            "F32" => Dtype::F32,
            "F64" => Dtype::F64,
            "BOOL" | "U8" => whole(1, false),
            "I8" => whole(1, true),
            "U16" => whole(2, false),
            "I16" => whole(2, true),
            "U32" => whole(4, false),
            "I32" => whole(4, true),
            "U64" => whole(8, false),
            "I64" => whole(8, true),
            other => {
                let message = format!("{name} has the type {other}, which is not known");
                return Err(Kind::File.error(message));
            }
        };
        dtype.array(&self.shape, self.bytes)
    }
}

/// The arrays of a file as `format = "tensors"` and `tensors`, a named list.
///
/// # Errors
/// [`Kind::File`] if the file is damaged.
pub fn tensors(entries: Entries) -> Result<Value> {
    let arrays = entries.into_iter().map(|(name, entry)| {
        let array = entry.array(&name)?;
        Ok((name, Value::Array(array)))
    });
    let arrays = Value::Map(arrays.collect::<Result<_>>()?);
    Ok(Value::map([("format", "tensors".into()), ("tensors", arrays)]))
}
