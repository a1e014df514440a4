//! Model files, read without the frameworks that wrote them.
//!
//! A reader takes the bytes of a file and returns a [`Value`], which the bridge hands to R as nested
//! lists. What it refers to of the bytes is not copied. A reader never trusts a length or an offset
//! that it has read: it compares it with the bytes that there are before it allocates or recurses.

pub mod onnx;
mod value;

use std::path::Path;

pub use value::{Array, Data, Value};

use crate::error::{Kind, Result};

/// A format, told from the first bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A zip archive: a `.keras` file.
    Zip,
    /// HDF5: a `.h5` file of Keras.
    Hdf5,
    /// Safetensors, also as the R package torch writes them.
    Safetensors,
    /// Anything else, which can only be ONNX: it has no mark of its own.
    Protobuf,
}

impl Format {
    /// The format of a file with these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        match bytes {
            [b'P', b'K', 3, 4, ..] => Self::Zip,
            [0x89, b'H', b'D', b'F', b'\r', b'\n', 0x1a, b'\n', ..] => Self::Hdf5,
            [_, _, _, _, _, _, _, _, b'{', ..] => Self::Safetensors,
            _ => Self::Protobuf,
        }
    }
}

/// Reads a model file; `folder` is where other files that it names are looked for.
///
/// The result is a list with the entry `format`, and others that depend on it.
///
/// # Errors
/// [`Kind::File`] if the bytes are damaged or no model file.
pub fn read<'a>(bytes: &'a [u8], folder: &Path) -> Result<Value<'a>> {
    match Format::of(bytes) {
        Format::Protobuf => onnx::read(bytes, folder),
        format => Err(Kind::File.error(format!("Files of the format {format:?} cannot be read"))),
    }
}

/// A JSON text as a value: objects become named lists, arrays unnamed ones.
///
/// # Errors
/// [`Kind::File`] if the text is not JSON.
pub fn json(text: &str) -> Result<Value<'static>> {
    let parsed: serde_json::Value = serde_json::from_str(text)
        .map_err(|e| Kind::File.error(format!("Its description is not valid JSON: {e}")))?;
    Ok(parsed.into())
}
