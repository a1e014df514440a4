//! Model files, read without the frameworks that wrote them.
//!
//! A reader takes the bytes of a file and returns a [`Value`], which the bridge hands to R as nested
//! lists. What it refers to of the bytes is not copied. A reader never trusts a length or an offset
//! that it has read: it compares it with the bytes that there are before it allocates or recurses.

mod bytes;
mod hdf5;
mod keras;
pub mod onnx;
mod r_object;
mod r_torch;
mod safetensors;
mod value;
mod zip;

use std::path::Path;

pub use value::{Array, Data, Dtype, Value};

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
    /// A file that is none of a model, or none that can be read: what it is and what to do.
    Foreign(&'static str),
    /// Anything else, which can only be ONNX: it has no mark of its own.
    Protobuf,
}

const R_OBJECT: &str = "an R object: readRDS() or load() it and give the object itself";
const PICKLE: &str = "a pickle of Python, as PyTorch's torch.save() once wrote them: export the \
    model with torch.onnx.export(), or give its layers as a list and the weights as safetensors";

/// First bytes of files that are often taken for models.
const FOREIGN: [(&[u8], &str); 15] = [
    (b"\x1f\x8b", R_OBJECT),
    (b"\xfd7zXZ\0", R_OBJECT),
    (b"BZh", R_OBJECT),
    (b"RDX", R_OBJECT),
    (b"X\n\0\0", R_OBJECT),
    (b"A\n", R_OBJECT),
    (b"\x80\x02", PICKLE),
    (b"\x80\x03", PICKLE),
    (b"\x80\x04", PICKLE),
    (b"\x80\x05", PICKLE),
    (b"version https://git-lfs", "a pointer of Git LFS in place of a file: `git lfs pull` it"),
    (b"<", "a web page or XML: download the model itself"),
    (b"{", "JSON text, an architecture without weights: save the model with them, as .keras"),
    (b"\x93NUMPY", "an array of NumPy: save the weights as safetensors"),
    (b"PK\x05\x06", "an empty zip archive"),
];

impl Format {
    /// The format of a file with these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        match bytes {
            _ if bytes.starts_with(zip::MAGIC) => Self::Zip,
            _ if bytes.starts_with(hdf5::MAGIC) => Self::Hdf5,
            // The length of the header, which no file needs all eight bytes for.
            [_, _, _, _, _, 0, 0, 0, b'{', ..] => Self::Safetensors,
            _ => FOREIGN
                .iter()
                .find(|(magic, _)| bytes.starts_with(magic))
                .map_or(Self::Protobuf, |(_, what)| Self::Foreign(what)),
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
        Format::Zip => keras::from_zip(bytes),
        Format::Hdf5 => keras::from_hdf5(bytes),
        Format::Safetensors => r_torch::read(bytes),
        Format::Foreign(what) => Err(Kind::File.error(format!("The file is {what}"))),
        Format::Protobuf => onnx::read(bytes, folder),
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
