//! What a network is before it is built for a device: layers with their settings, and arrays.
//!
//! This mirrors the documented named-list model of the R package, which deserialises into it.

use std::sync::Arc;

use ndarray::{ArrayView2, ArrayViewD, Ix2};
use serde::Deserialize;

use crate::error::{Kind, Result};
use crate::layers::Op;

/// A network: the layers in the order of the user's list, and the arrays they refer to.
#[derive(Debug, Clone)]
pub struct Model {
    /// The extents of every input, channels first, without the batch axis.
    pub input_dim: Vec<Vec<usize>>,
    /// The layers.
    pub layers: Vec<Layer>,
    /// The layers that are outputs, counted from 1.
    pub outputs: Vec<usize>,
    /// Weights and the like.
    pub arrays: Vec<Array>,
}

/// One layer of a [`Model`].
#[derive(Debug, Clone)]
pub struct Layer {
    /// What the model calls it, for messages.
    pub name: Option<String>,
    /// Where the operands come from: `i > 0` is layer `i`, `-i` is the `i`-th input of the model.
    pub inputs: Vec<i64>,
    /// The type and its settings.
    pub op: Op,
}

impl Model {
    /// What a message calls a layer, counted from 0.
    pub(crate) fn label(&self, layer: usize) -> String {
        let Layer { name, op, .. } = &self.layers[layer];
        let name = name.as_ref().map_or(String::new(), |name| format!(", `{name}`"));
        format!("Layer {} ({}{name})", layer + 1, op.layer_type().name)
    }
}

/// Weights: values in row-major order, whose axes may be wanted in another order.
#[derive(Debug, Clone)]
pub struct Array {
    /// The extents of all axes.
    pub shape: Vec<usize>,
    stored: Values,
    /// The axes of the stored values in the order of `shape`.
    axes: Vec<usize>,
}

/// The values of an [`Array`], in the precision in which the model came.
#[derive(Debug, Clone)]
enum Values {
    /// Double precision, as R keeps them.
    F64(Vec<f64>),
    /// Single precision, little-endian, as files and deep-learning frameworks keep them; not ours.
    F32(Bytes),
}

/// Memory that something else keeps, unchanged, for as long as this lives.
pub type Shared = Arc<dyn AsRef<[u8]> + Send + Sync>;

#[derive(Clone)]
struct Bytes(Shared);

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", (*self.0).as_ref().len())
    }
}

impl Array {
    /// An array of doubles.
    pub fn new(shape: &[usize], values: Vec<f64>) -> Self {
        let axes = (0..shape.len()).collect();
        Self { shape: shape.to_vec(), stored: Values::F64(values), axes }
    }

    /// An array over the bytes of little-endian single-precision values, which are stored with the
    /// extents `stored` and wanted with these axes, counted from 0, in this order.
    ///
    /// # Errors
    /// [`Kind::Weights`] if the extents do not fit the bytes, or the axes the extents.
    pub fn from_f32(bytes: Shared, stored: &[usize], axes: Vec<usize>) -> Result<Self> {
        let (given, wanted) = ((*bytes).as_ref().len(), stored.iter().product::<usize>());
        if wanted.checked_mul(4) != Some(given) {
            return Err(Kind::Weights
                .error(format!("{given} bytes do not hold {wanted} single-precision values")));
        }
        let mut sorted = axes.clone();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..stored.len()) {
            return Err(Kind::Weights.error(format!(
                "The axes of an array with {} axes are each of them",
                stored.len()
            )));
        }
        let shape = axes.iter().map(|&axis| stored[axis]).collect();
        Ok(Self { shape, stored: Values::F32(Bytes(bytes)), axes })
    }

    /// The values in row-major order.
    pub fn to_vec<T: Float>(&self) -> Vec<T> {
        match &self.stored {
            Values::F64(values) => values.iter().map(|&x| T::from_f64(x)).collect(),
            Values::F32(bytes) => {
                let (values, _) = (*bytes.0).as_ref().as_chunks();
                let value = |bytes: &[u8; 4]| T::from_f32(f32::from_le_bytes(*bytes));
                if self.axes.is_sorted() {
                    return values.iter().map(value).collect();
                }
                let mut stored = vec![0; self.axes.len()];
                self.axes.iter().zip(&self.shape).for_each(|(&axis, &n)| stored[axis] = n);
                let view = ArrayViewD::from_shape(stored, values).expect("checked by from_f32()");
                let view = view.permuted_axes(self.axes.as_slice());
                match view.view().into_dimensionality::<Ix2>() {
                    Ok(matrix) => by_tiles(&matrix, value),
                    Err(_) => view.iter().map(value).collect(),
                }
            }
        }
    }

    /// The memory that holds the single-precision values in row-major order, if something does.
    pub fn in_place(&self) -> Option<&Shared> {
        match &self.stored {
            Values::F32(Bytes(bytes)) if self.axes.is_sorted() => Some(bytes),
            _ => None,
        }
    }

    /// The first position, counted from 0 in the order of storage, of a value that is not finite or
    /// larger than `limit` in size.
    pub fn first_beyond(&self, limit: f64) -> Option<usize> {
        let beyond = |x: f64| x.is_nan() || x.abs() > limit;
        match &self.stored {
            Values::F64(values) => values.iter().position(|&x| beyond(x)),
            Values::F32(bytes) => {
                let (values, _) = (*bytes.0).as_ref().as_chunks();
                values.iter().position(|x| beyond(f32::from_le_bytes(*x).into()))
            }
        }
    }

    /// Whether the values are stored in single precision.
    pub fn is_single(&self) -> bool {
        matches!(self.stored, Values::F32(_))
    }
}

/// The values of a matrix in row-major order, tile by tile, which is several times faster than row by
/// row where the columns are contiguous.
fn by_tiles<S, T: Float>(matrix: &ArrayView2<S>, value: impl Fn(&S) -> T) -> Vec<T> {
    const TILE: usize = 32;
    let (rows, columns) = matrix.dim();
    let mut ordered = vec![T::from_f32(0.0); rows * columns];
    for (block, ordered) in ordered.chunks_mut(TILE * columns.max(1)).enumerate() {
        for start in (0..columns).step_by(TILE) {
            for (i, row) in ordered.chunks_mut(columns).enumerate() {
                for j in start..columns.min(start + TILE) {
                    row[j] = value(&matrix[[block * TILE + i, j]]);
                }
            }
        }
    }
    ordered
}

/// A precision.
pub trait Float: Clone {
    /// Rounds.
    fn from_f64(x: f64) -> Self;
    /// Is exact.
    fn from_f32(x: f32) -> Self;
}

impl Float for f32 {
    fn from_f64(x: f64) -> Self {
        x as f32
    }

    fn from_f32(x: f32) -> Self {
        x
    }
}

impl Float for f64 {
    fn from_f64(x: f64) -> Self {
        x
    }

    fn from_f32(x: f32) -> Self {
        x.into()
    }
}

/// The order in which a flatten layer reads its cells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Channels, then height, then width, as torch does.
    #[default]
    ChannelsFirst,
    /// Height, then width, then channels, as Keras does.
    ChannelsLast,
    /// Whatever layout the data of a call has.
    Call,
}

/// How the cells around an input are filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaddingMode {
    /// With one value.
    #[serde(alias = "zeros")]
    Constant,
    /// With the cells next to the border, mirrored, the border itself left out.
    Reflect,
    /// With the cell at the border.
    Replicate,
    /// With the cells at the opposite border.
    Circular,
}
