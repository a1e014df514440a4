//! Constants of a network: weights as they lie in the file, and numbers to compute with.

use std::borrow::Cow;
use std::path::{Component, Path};
use std::rc::Rc;

use ndarray::{ArrayD, IxDyn};

use super::proto::{Entry, Tensor};
use super::symbol::Int;
use crate::error::{Kind, Result};
use crate::formats::{Array, Data, Value};

/// Tensors have at most so many axes.
pub const AXES: usize = 16;

/// At most so many cells of constants are made, beside as many as the file holds.
pub const CELLS: usize = 1 << 18;

/// Values known when the file is read.
#[derive(Debug, Clone)]
pub enum Constant<'a> {
    /// Single precision, not touched.
    Weights(Weights<'a>),
    /// Numbers.
    Real(ArrayD<f64>),
    /// Whole numbers and flags, which may depend on the number of rows.
    Whole(ArrayD<Int>),
}

/// Bytes of the file or of another one.
#[derive(Debug, Clone)]
enum Bytes<'a> {
    File(&'a [u8]),
    Own(Rc<Vec<u8>>),
}

impl std::ops::Deref for Bytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::File(bytes) => bytes,
            Self::Own(bytes) => bytes,
        }
    }
}

/// Row-major single-precision values whose axes may be wanted in another order.
#[derive(Debug, Clone)]
pub struct Weights<'a> {
    stored: Vec<usize>,
    axes: Vec<usize>,
    bytes: Bytes<'a>,
}

impl Weights<'_> {
    fn is_stored_so(&self) -> bool {
        self.axes.iter().enumerate().all(|(i, axis)| i == *axis)
    }

    fn values(&self) -> ArrayD<f64> {
        let values = self
            .bytes
            .chunks_exact(4)
            .map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
        let array = ArrayD::from_shape_vec(IxDyn(&self.stored), values.collect());
        // The extents were compared with the number of bytes.
        array.unwrap_or_default().permuted_axes(IxDyn(&self.axes))
    }
}

impl<'a> Constant<'a> {
    /// A vector of whole numbers.
    pub fn whole(values: impl IntoIterator<Item = Int>) -> Self {
        Self::Whole(values.into_iter().collect::<ndarray::Array1<_>>().into_dyn())
    }

    /// The extents.
    pub fn shape(&self) -> Vec<usize> {
        match self {
            Self::Weights(w) => w.axes.iter().map(|axis| w.stored[*axis]).collect(),
            Self::Real(x) => x.shape().to_vec(),
            Self::Whole(x) => x.shape().to_vec(),
        }
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.shape().iter().product()
    }

    /// As numbers; `None` if they depend on the number of rows.
    pub fn to_real(&self) -> Option<ArrayD<f64>> {
        match self {
            Self::Weights(w) => Some(w.values()),
            Self::Real(x) => Some(x.clone()),
            Self::Whole(x) => {
                let values: Option<Vec<f64>> =
                    x.iter().map(|n| n.fixed().map(|n| n as f64)).collect();
                ArrayD::from_shape_vec(x.raw_dim(), values?).ok()
            }
        }
    }

    /// Weights as numbers, others as they are.
    pub fn unpacked(&self) -> Cow<'_, Self> {
        match self {
            Self::Weights(w) => Cow::Owned(Self::Real(w.values())),
            other => Cow::Borrowed(other),
        }
    }

    /// The value if there is one, whatever the number of axes.
    pub fn scalar(&self) -> Option<f64> {
        (self.len() == 1).then(|| self.to_real()?.first().copied()).flatten()
    }

    /// The axes in another order, which are valid.
    pub fn permuted(&self, axes: &[usize]) -> Self {
        match self {
            Self::Weights(w) => Self::Weights(Weights {
                axes: axes.iter().map(|axis| w.axes[*axis]).collect(),
                ..w.clone()
            }),
            Self::Real(x) => Self::Real(x.clone().permuted_axes(IxDyn(axes))),
            Self::Whole(x) => Self::Whole(x.clone().permuted_axes(IxDyn(axes))),
        }
    }

    /// The values in their order with other extents, if there are as many.
    pub fn reshaped(&self, shape: &[usize]) -> Option<Self> {
        if cells(shape)? != self.len() || shape.len() > AXES {
            return None;
        }
        match self {
            Self::Weights(w) if w.is_stored_so() => Some(Self::Weights(Weights {
                stored: shape.to_vec(),
                axes: (0..shape.len()).collect(),
                bytes: w.bytes.clone(),
            })),
            Self::Weights(w) => {
                let own = self.shape();
                if shape.starts_with(&own) {
                    // Axes of extent 1 at the end leave the order as it is.
                    let ones = shape.len() - own.len();
                    let n = w.stored.len();
                    return Some(Self::Weights(Weights {
                        stored: [w.stored.as_slice(), &vec![1; ones]].concat(),
                        axes: w.axes.iter().copied().chain(n..n + ones).collect(),
                        bytes: w.bytes.clone(),
                    }));
                }
                let bytes = w.values().iter().flat_map(|x| (*x as f32).to_le_bytes()).collect();
                Some(Self::single(shape.to_vec(), bytes))
            }
            Self::Real(x) => reshaped(x, shape).map(Self::Real),
            Self::Whole(x) => reshaped(x, shape).map(Self::Whole),
        }
    }

    fn single(shape: Vec<usize>, bytes: Vec<u8>) -> Self {
        let axes = (0..shape.len()).collect();
        Self::Weights(Weights { stored: shape, axes, bytes: Bytes::Own(Rc::new(bytes)) })
    }

    /// What R gets.
    pub fn into_value(self) -> Value<'a> {
        let Self::Weights(w) = self else {
            return self.to_real().map_or(Value::Null, numbers);
        };
        let plain = w.is_stored_so();
        let bytes = match w.bytes {
            Bytes::File(bytes) => Cow::Borrowed(bytes),
            Bytes::Own(bytes) => Cow::Owned(Rc::unwrap_or_clone(bytes)),
        };
        let data = if plain { Data::F32(bytes) } else { Data::PermutedF32(bytes, w.axes) };
        Value::Array(Array { shape: w.stored, data })
    }
}

/// An array of double precision.
pub fn numbers<'a>(x: ArrayD<f64>) -> Value<'a> {
    let shape = x.shape().to_vec();
    Value::Array(Array { shape, data: Data::F64(x.iter().copied().collect()) })
}

fn reshaped<T: Clone>(x: &ArrayD<T>, shape: &[usize]) -> Option<ArrayD<T>> {
    ArrayD::from_shape_vec(IxDyn(shape), x.iter().cloned().collect()).ok()
}

/// The number of cells, if it can be one. The extents beside one of 0 have the same limit.
pub fn cells(shape: &[usize]) -> Option<usize> {
    let filled = shape.iter().try_fold(1usize, |n, extent| n.checked_mul((*extent).max(1)));
    let filled = filled.filter(|n| *n <= i32::MAX as usize)?;
    Some(if shape.contains(&0) { 0 } else { filled })
}

// ---- as stored ----

/// The element types of ONNX.
pub mod types {
    /// Those of activations.
    pub const FLOATS: [i64; 4] = [FLOAT, FLOAT16, DOUBLE, BFLOAT16];
    pub const FLOAT: i64 = 1;
    pub const FLOAT16: i64 = 10;
    pub const DOUBLE: i64 = 11;
    pub const BFLOAT16: i64 = 16;
    pub const UINT8: i64 = 2;
    pub const INT8: i64 = 3;
    pub const UINT16: i64 = 4;
    pub const INT16: i64 = 5;
    pub const INT32: i64 = 6;
    pub const INT64: i64 = 7;
    pub const STRING: i64 = 8;
    pub const BOOL: i64 = 9;
    pub const UINT32: i64 = 12;
    pub const UINT64: i64 = 13;
}

impl<'a> Constant<'a> {
    /// A stored tensor; `folder` is where the files are that it may name. `None` for strings.
    pub fn stored(tensor: &Tensor<'a>, folder: &Path) -> Result<Option<Self>> {
        let fail = |what: String| Kind::File.error(format!("The tensor '{}' {what}", tensor.name));
        let shape: Option<Vec<usize>> =
            tensor.dims.0.iter().map(|n| usize::try_from(*n).ok()).collect();
        let shape = shape.filter(|shape| shape.len() <= AXES);
        let (Some(shape), Some(n)) = (shape.clone(), shape.and_then(|shape| cells(&shape))) else {
            return Err(fail(format!("cannot have the extents {:?}", tensor.dims.0)));
        };
        let width = match tensor.data_type {
            types::DOUBLE | types::INT64 | types::UINT64 => 8,
            types::FLOAT | types::INT32 | types::UINT32 => 4,
            types::FLOAT16 | types::BFLOAT16 | types::INT16 | types::UINT16 => 2,
            types::BOOL | types::INT8 | types::UINT8 => 1,
            types::STRING => return Ok(None),
            other => return Err(fail(format!("has the element type {other}, which is not known"))),
        };
        let raw = if tensor.data_location == 1 {
            Some(Bytes::Own(Rc::new(external(&tensor.external_data, folder, n * width, &fail)?)))
        } else {
            tensor.raw_data.map(Bytes::File)
        };
        let given = match &raw {
            Some(bytes) if bytes.len() % width == 0 => bytes.len() / width,
            Some(_) => usize::MAX,
            None => tensor.typed_len(),
        };
        if given != n {
            return Err(fail(format!("has the extents {shape:?}, which do not fit its data")));
        }
        let extents = IxDyn(&shape);
        let real =
            |values: Vec<f64>| ArrayD::from_shape_vec(extents.clone(), values).map(Self::Real);
        let whole = |values: Vec<i64>| {
            let values = values.into_iter().map(Int::from).collect();
            ArrayD::from_shape_vec(extents.clone(), values).map(Self::Whole)
        };
        let constant = match (tensor.data_type, raw) {
            (types::FLOAT, Some(bytes)) => {
                let axes = (0..shape.len()).collect();
                Ok(Self::Weights(Weights { stored: shape.clone(), axes, bytes }))
            }
            (types::FLOAT, None) => {
                let bytes = tensor.float_data.0.iter().flat_map(|x| x.to_le_bytes()).collect();
                Ok(Self::single(shape.clone(), bytes))
            }
            (types::FLOAT16 | types::BFLOAT16, raw) => {
                let single = if tensor.data_type == types::FLOAT16 { half } else { brain };
                let halves: Vec<u16> = match raw {
                    Some(bytes) => {
                        bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect()
                    }
                    None => tensor.int32_data.0.iter().map(|x| *x as u16).collect(),
                };
                let bytes = halves.into_iter().flat_map(|x| single(x).to_le_bytes()).collect();
                Ok(Self::single(shape.clone(), bytes))
            }
            (types::DOUBLE, None) => real(tensor.double_data.0.clone()),
            (types::DOUBLE, Some(bytes)) => real(words(&bytes, 8).map(f64::from_bits).collect()),
            (kind, Some(bytes)) => whole(words(&bytes, width).map(|x| sign(x, kind)).collect()),
            (types::INT64, None) => whole(tensor.int64_data.0.clone()),
            (types::UINT32 | types::UINT64, None) => whole(tensor.uint64_data.0.clone()),
            (_, None) => whole(tensor.int32_data.0.clone()),
        };
        constant.map(Some).map_err(|e| fail(e.to_string()))
    }
}

impl Tensor<'_> {
    /// How many values the lists hold.
    fn typed_len(&self) -> usize {
        match self.data_type {
            types::FLOAT => self.float_data.0.len(),
            types::DOUBLE => self.double_data.0.len(),
            types::INT64 => self.int64_data.0.len(),
            types::UINT32 | types::UINT64 => self.uint64_data.0.len(),
            _ => self.int32_data.0.len(),
        }
    }
}

/// Little-endian words of some bytes each.
fn words(bytes: &[u8], width: usize) -> impl Iterator<Item = u64> + '_ {
    bytes
        .chunks_exact(width)
        .map(|word| word.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

fn sign(word: u64, kind: i64) -> i64 {
    match kind {
        types::INT8 => i64::from(word as i8),
        types::INT16 => i64::from(word as i16),
        types::INT32 => i64::from(word as i32),
        _ => word as i64,
    }
}

/// Half precision: five bits of exponent.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2f32.powi(exponent - 25),
    }
}

/// The upper half of single precision.
fn brain(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// Bytes of another file in the folder.
fn external(
    entries: &[Entry],
    folder: &Path,
    length: usize,
    fail: &dyn Fn(String) -> crate::error::Error,
) -> Result<Vec<u8>> {
    use std::io::{Read, Seek, SeekFrom};

    let entry = |key: &str| entries.iter().find(|entry| entry.key == key).map(|entry| entry.value);
    let name = entry("location").unwrap_or_default();
    let path = Path::new(name);
    let inside =
        path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if name.is_empty() || !inside {
        return Err(fail(format!(
            "lies in the file '{name}', which is not below the model's folder"
        )));
    }
    let number = |key: &str, default: u64| match entry(key) {
        Some(value) => value.parse().map_err(|_| fail(format!("has the {key} '{value}'"))),
        None => Ok(default),
    };
    let offset = number("offset", 0)?;
    if number("length", length as u64)? != length as u64 {
        return Err(fail(format!("needs {length} bytes of the file '{name}'")));
    }
    let refused = |e: std::io::Error| {
        fail(format!("lies in the file '{name}' beside the model, which cannot be read: {e}"))
    };
    let path = folder.join(path);
    let found = std::fs::metadata(&path).map_err(refused)?;
    if !found.is_file() {
        return Err(fail(format!("lies in '{name}', which is no file")));
    }
    let size = found.len();
    if offset.checked_add(length as u64).is_none_or(|end| end > size) {
        return Err(fail(format!("lies behind the end of the file '{name}'")));
    }
    let mut file = std::fs::File::open(path).map_err(refused)?;
    let mut bytes = vec![0; length];
    file.seek(SeekFrom::Start(offset))
        .and_then(|_| file.read_exact(&mut bytes))
        .map_err(refused)?;
    Ok(bytes)
}
