//! What a network is before it is built for a device: layers with their settings, and arrays.
//!
//! This mirrors the documented named-list model of the R package, which deserialises into it.

use serde::Deserialize;

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
    /// Where the operands come from: `i > 0` is layer `i`, `-i` is the `i`-th input of the model.
    pub inputs: Vec<i64>,
    /// The type and its settings.
    pub op: Op,
}

/// Values in row-major order.
#[derive(Debug, Clone)]
pub struct Array {
    /// The extents of all axes.
    pub shape: Vec<usize>,
    /// The values.
    pub values: Values,
}

/// The values of an [`Array`], in the precision in which the model came.
#[derive(Debug, Clone)]
pub enum Values {
    /// Single precision, as files and deep-learning frameworks keep them.
    F32(Vec<f32>),
    /// Double precision, as R keeps them.
    F64(Vec<f64>),
}

impl Array {
    /// An array of doubles.
    pub fn new(shape: &[usize], values: Vec<f64>) -> Self {
        Self { shape: shape.to_vec(), values: Values::F64(values) }
    }

    /// The first position, counted from 0 in row-major order, of a value that is not finite or
    /// larger than `limit` in size.
    pub fn first_beyond(&self, limit: f64) -> Option<usize> {
        let beyond = |x: f64| x.is_nan() || x.abs() > limit;
        match &self.values {
            Values::F32(v) => v.iter().position(|&x| beyond(x.into())),
            Values::F64(v) => v.iter().position(|&x| beyond(x)),
        }
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
