//! What a reader returns.

use std::borrow::Cow;

use half::{bf16, f16};

use super::bytes::damaged;
use crate::error::Result;

/// A tree of values, which becomes nested lists in R.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// `NULL`.
    Null,
    /// `TRUE` or `FALSE`.
    Flag(bool),
    /// A number.
    Number(f64),
    /// Several numbers, a vector in R.
    Numbers(Vec<f64>),
    /// A string.
    Text(String),
    /// Several strings, a character vector in R.
    Texts(Vec<String>),
    /// An unnamed list.
    List(Vec<Value<'a>>),
    /// A named list. Names may occur several times, the order counts.
    Map(Vec<(String, Value<'a>)>),
    /// Weights.
    Array(Array<'a>),
}

/// An array of weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Array<'a> {
    /// The extents of all axes as they are stored; none for a scalar.
    pub shape: Vec<usize>,
    /// As many values as the extents say, in row-major order.
    pub data: Data<'a>,
}

/// The values of an [`Array`].
#[derive(Debug, Clone, PartialEq)]
pub enum Data<'a> {
    /// Single precision, little-endian, four bytes a value.
    F32(Cow<'a, [u8]>),
    /// The same, and the stored axes in the order in which they are wanted.
    PermutedF32(Cow<'a, [u8]>, Vec<usize>),
    /// Double precision.
    F64(Vec<f64>),
}

impl<'a> Array<'a> {
    /// An array of single-precision values.
    pub fn from_f32(shape: Vec<usize>, values: &[f32]) -> Self {
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        Self { shape, data: Data::F32(bytes.into()) }
    }
}

/// How a file stores the numbers of an array, always little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// IEEE half precision.
    F16,
    /// The upper half of a single.
    Bf16,
    /// IEEE single precision.
    F32,
    /// IEEE double precision.
    F64,
    /// Whole numbers of 1 to 8 bytes.
    Whole {
        /// Bytes a number.
        size: usize,
        /// Whether it may be negative (two's complement).
        signed: bool,
    },
}

impl Dtype {
    fn size(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
            Self::Whole { size, .. } => size,
        }
    }

    /// The array of this shape that the bytes hold. Single precision stays where it is, half becomes
    /// single and all else double.
    ///
    /// # Errors
    /// [`Kind::File`](crate::error::Kind::File) if the bytes are not as many as the shape says.
    pub fn array<'a>(self, extents: &[u64], bytes: &'a [u8]) -> Result<Array<'a>> {
        let product =
            extents.iter().try_fold(self.size() as u64, |n, &extent| n.checked_mul(extent));
        let shape = extents.iter().map(|&n| i32::try_from(n).map(|n| n as usize));
        let shape: Vec<usize> = shape
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| damaged(format!("it has an array of the shape {extents:?}")))?;
        if product != Some(bytes.len() as u64) {
            let how = format!("{} bytes are no array of the shape {extents:?}", bytes.len());
            return Err(damaged(how));
        }
        let data = match self {
            Self::F32 => Data::F32(bytes.into()),
            Self::F16 => singles(bytes, |b| f16::from_le_bytes(b).to_f32()),
            Self::Bf16 => singles(bytes, |b| bf16::from_le_bytes(b).to_f32()),
            Self::F64 => doubles(bytes, 8, f64::from_le_bytes),
            Self::Whole { size, signed: false } => {
                doubles(bytes, size, |b| u64::from_le_bytes(b) as f64)
            }
            // The sign is moved to the top and back.
            Self::Whole { size, signed: true } => {
                let unused = 8 * (8 - size);
                doubles(bytes, size, |b| ((i64::from_le_bytes(b) << unused) >> unused) as f64)
            }
        };
        Ok(Array { shape, data })
    }
}

fn singles<'a>(bytes: &[u8], value: impl Fn([u8; 2]) -> f32) -> Data<'a> {
    let pairs = bytes.chunks_exact(2).map(|pair| [pair[0], pair[1]]);
    Data::F32(pairs.flat_map(|pair| value(pair).to_le_bytes()).collect())
}

fn doubles<'a>(bytes: &[u8], size: usize, value: impl Fn([u8; 8]) -> f64) -> Data<'a> {
    let widened = bytes.chunks_exact(size).map(|number| {
        let mut wide = [0; 8];
        wide[..size].copy_from_slice(number);
        wide
    });
    Data::F64(widened.map(value).collect())
}

impl<'a> Value<'a> {
    /// A named list.
    pub fn map<const N: usize>(entries: [(&str, Value<'a>); N]) -> Self {
        Self::Map(entries.into_iter().map(|(name, value)| (name.to_string(), value)).collect())
    }

    /// The entry of a named list with this name, the first of several.
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        let Value::Map(entries) = self else { return None };
        entries.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

impl From<&str> for Value<'_> {
    fn from(text: &str) -> Self {
        Self::Text(text.to_string())
    }
}

impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<serde_json::Value> for Value<'_> {
    fn from(json: serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(flag) => Self::Flag(flag),
            serde_json::Value::Number(n) => Self::Number(n.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(text) => Self::Text(text),
            serde_json::Value::Array(list) => {
                Self::List(list.into_iter().map(Self::from).collect())
            }
            serde_json::Value::Object(map) => {
                Self::Map(map.into_iter().map(|(k, v)| (k, v.into())).collect())
            }
        }
    }
}
