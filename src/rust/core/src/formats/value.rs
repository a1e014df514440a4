//! What a reader returns.

use std::borrow::Cow;

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
    /// The extents of all axes; none for a scalar.
    pub shape: Vec<usize>,
    /// As many values as the extents say, in row-major order.
    pub data: Data<'a>,
}

/// The values of an [`Array`].
#[derive(Debug, Clone, PartialEq)]
pub enum Data<'a> {
    /// Single precision, little-endian, four bytes a value.
    F32(Cow<'a, [u8]>),
    /// The same with the axes wanted in another order: axis `i` is the stored axis at position `i`.
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
