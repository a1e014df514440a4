//! The layers. Each is of one of four kinds, and a method only needs to know the kind.
//!
//! A layer is one file, with a `Settings` type that R's list deserialises into and that builds the
//! layer for a device, and one line in the table below.

mod activation;
mod add;
mod avg_pool;
mod batch_norm;
mod concatenate;
mod conv;
mod conv_transpose;
mod dense;
mod elementwise;
mod flatten;
mod identity;
mod max_pool;
mod multiply;
mod norm;
mod padding;
mod permute;
mod prelu;
mod reshape;
mod scale;
mod slice;
mod softmax;
mod stretch;
mod upsampling;
mod windows;

use std::sync::OnceLock;

use serde::Deserialize;

pub use activation::{Activation, ACTIVATIONS};

use crate::error::{Kind, Result};
use crate::kernels::Kernels;
use crate::model::{Array, Order};
use crate::tensor::{largest, Tensor};

/// The extents of a value, without the rows.
pub type Shape = Vec<usize>;

/// Which part of an affine layer's weights to use, applied weight by weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// w.
    All,
    /// max(w, 0).
    Positive,
    /// min(w, 0).
    Negative,
    /// w².
    Squared,
    /// 1 in place of every weight.
    Ones,
}

impl Part {
    /// Every part.
    pub const EACH: [Part; 5] =
        [Part::All, Part::Positive, Part::Negative, Part::Squared, Part::Ones];

    /// This part of some weights.
    pub fn of<B: Kernels>(self, weight: Tensor<B>) -> Tensor<B> {
        match self {
            Part::All => weight,
            Part::Positive => weight.positive(),
            Part::Negative => weight.negative(),
            Part::Squared => weight.clone() * weight,
            Part::Ones => Tensor::full(&weight.shape(), 1.0, &weight.device()),
        }
    }
}

/// Weights with their parts, each made when first asked for.
struct Weights<B: Kernels>([OnceLock<(Tensor<B>, B::Cache)>; 5]);

impl<B: Kernels> Weights<B> {
    fn new(weight: Tensor<B>) -> Self {
        let parts: [OnceLock<_>; 5] = Default::default();
        let _ = parts[Part::All as usize].set((weight, Default::default()));
        Self(parts)
    }

    fn part(&self, part: Part) -> Tensor<B> {
        self.cached(part).0
    }

    /// A part, and where the kernels keep what they make of it.
    fn cached(&self, part: Part) -> (Tensor<B>, &B::Cache) {
        let make = || (part.of(self.part(Part::All)), Default::default());
        let (weight, cache) = self.0[part as usize].get_or_init(make);
        (weight.clone(), cache)
    }
}

/// z = W x + b in any number of operands x.
pub trait Affine<B: Kernels>: Send + Sync {
    /// W x with the given part of W, without the bias.
    fn apply(&self, x: &[Tensor<B>], part: Part) -> Tensor<B>;
    /// W x + b.
    fn forward(&self, x: &[Tensor<B>]) -> Tensor<B> {
        let z = self.apply(x, Part::All);
        match self.bias() {
            Some(b) => z + b,
            None => z,
        }
    }
    /// Wᵀ s with the given part of W, one tensor for every operand.
    fn pullback(&self, s: Tensor<B>, part: Part) -> Vec<Tensor<B>>;
    /// b, with axes of extent 1 where it does not vary.
    fn bias(&self) -> Option<Tensor<B>> {
        None
    }
    /// Whether a cell of z takes only one cell of each operand, the one in its own place.
    fn is_cellwise(&self) -> bool {
        false
    }
}

/// A value at the data point and at the reference that it is compared with. One of the two may have
/// one row only, which then stands for all.
#[derive(Debug, Clone)]
pub struct Pair<B: Kernels> {
    /// At the data point.
    pub at: Tensor<B>,
    /// At the reference.
    pub reference: Tensor<B>,
}

impl<B: Kernels> Pair<B> {
    /// The difference.
    pub fn delta(&self) -> Tensor<B> {
        self.at.clone() - self.reference.clone()
    }

    /// The middle.
    pub fn middle(&self) -> Tensor<B> {
        (self.at.clone() + self.reference.clone()).scale(0.5)
    }

    /// A function of both.
    pub fn map(&self, f: impl Fn(Tensor<B>) -> Tensor<B>) -> Self {
        Self { at: f(self.at.clone()), reference: f(self.reference.clone()) }
    }
}

/// y = f(x₁, x₂, ...) that is not affine: activation functions, normalisation, products.
pub trait Nonlinear<B: Kernels>: Send + Sync {
    /// f(x).
    fn apply(&self, x: &[Tensor<B>]) -> Tensor<B>;

    /// The product of `s` with a matrix M for which M Δx = Δy holds exactly, Δ being the difference
    /// from the reference. Where there is no difference M is the Jacobian.
    fn secant(&self, s: Tensor<B>, x: &[Pair<B>], y: &Pair<B>) -> Vec<Tensor<B>>;

    /// The product of `s` with the Jacobian at x, where y = f(x).
    fn pullback(&self, s: Tensor<B>, x: &[Tensor<B>], y: &Tensor<B>) -> Vec<Tensor<B>> {
        let at = |x: &Tensor<B>| Pair { at: x.clone(), reference: x.clone() };
        self.secant(s, &x.iter().map(at).collect::<Vec<_>>(), &at(y))
    }

    /// Hands `s` to every operand as it is: what is left of f where no values are known.
    fn pass(&self, s: Tensor<B>) -> Vec<Tensor<B>> {
        vec![s]
    }

    /// f as an affine layer at x, its scale taken as fixed; `None` where relevance passes f as it is.
    fn frozen(&self, _: &[Tensor<B>]) -> Option<Box<dyn Affine<B>>> {
        None
    }

    /// Whether f acts on every cell by itself.
    fn is_elementwise(&self) -> bool {
        false
    }

    /// Where the slope of f changes, if f is elementwise and piecewise linear.
    fn kinks(&self) -> Option<Vec<f64>> {
        None
    }
}

/// y takes the largest cell of every window.
pub trait Selection<B: Kernels>: Send + Sync {
    /// The largest cells.
    fn apply(&self, x: &Tensor<B>) -> Tensor<B>;
    /// The cells of `values` in the places of the first winners of the windows over x.
    fn pick(&self, values: &Tensor<B>, x: &Tensor<B>) -> Tensor<B>;
    /// Hands every cell of `s` to the first winner of its window.
    fn pullback(&self, s: Tensor<B>, x: &Tensor<B>) -> Tensor<B>;
    /// The mean over the same windows.
    fn average(&self) -> &dyn Affine<B>;
}

/// y holds cells of the operands in other places, and perhaps constants.
pub trait Structural<B: Kernels>: Send + Sync {
    /// Moves the cells.
    fn apply(&self, x: &[Tensor<B>]) -> Tensor<B>;
    /// Moves them back; a cell that went to several places gets the sum, constants get lost.
    fn pullback(&self, s: Tensor<B>) -> Vec<Tensor<B>>;
    /// Moves differences, to which constants add nothing.
    fn carry(&self, delta: &[Tensor<B>]) -> Tensor<B> {
        self.apply(delta)
    }
    /// Whether all cells stay where they are.
    fn is_identity(&self) -> bool {
        false
    }
}

/// A layer of one of the four kinds.
pub enum Layer<B: Kernels> {
    /// See [`Affine`].
    Affine(Box<dyn Affine<B>>),
    /// See [`Nonlinear`].
    Nonlinear(Box<dyn Nonlinear<B>>),
    /// See [`Selection`].
    Selection(Box<dyn Selection<B>>),
    /// See [`Structural`].
    Structural(Box<dyn Structural<B>>),
}

impl<B: Kernels> Layer<B> {
    /// The output for the given operands.
    pub fn forward(&self, x: &[Tensor<B>]) -> Tensor<B> {
        match self {
            Layer::Affine(layer) => layer.forward(x),
            Layer::Nonlinear(layer) => layer.apply(x),
            Layer::Selection(layer) => layer.apply(&x[0]),
            Layer::Structural(layer) => layer.apply(x),
        }
    }

    /// Whether the output is the only operand.
    pub fn is_identity(&self) -> bool {
        matches!(self, Layer::Structural(layer) if layer.is_identity())
    }

    /// The product of `s` with the Jacobian at the operands `x`, where `y` is the output.
    pub fn pullback(&self, s: Tensor<B>, x: &[Tensor<B>], y: &Tensor<B>) -> Vec<Tensor<B>> {
        match self {
            Layer::Affine(layer) => layer.pullback(s, Part::All),
            Layer::Nonlinear(layer) => layer.pullback(s, x, y),
            Layer::Selection(layer) => vec![layer.pullback(s, &x[0])],
            Layer::Structural(layer) => layer.pullback(s),
        }
    }
}

/// A built layer and the extents of its output.
pub struct Built<B: Kernels> {
    /// The layer.
    pub layer: Layer<B>,
    /// The extents of its output.
    pub shape: Shape,
    /// The activation function, if it is one.
    pub activation: Option<Activation>,
}

impl<B: Kernels> Built<B> {
    fn affine(layer: impl Affine<B> + 'static, shape: Shape) -> Self {
        Self { layer: Layer::Affine(Box::new(layer)), shape, activation: None }
    }

    fn nonlinear(layer: impl Nonlinear<B> + 'static, shape: Shape) -> Self {
        Self { layer: Layer::Nonlinear(Box::new(layer)), shape, activation: None }
    }

    fn selection(layer: impl Selection<B> + 'static, shape: Shape) -> Self {
        Self { layer: Layer::Selection(Box::new(layer)), shape, activation: None }
    }

    fn structural(layer: impl Structural<B> + 'static, shape: Shape) -> Self {
        Self { layer: Layer::Structural(Box::new(layer)), shape, activation: None }
    }
}

/// What a layer is built from besides its settings.
pub struct Context<'a, B: Kernels> {
    /// The device that will hold the weights.
    pub device: &'a B::Device,
    /// The model's arrays.
    pub arrays: &'a [Array],
    /// The layout of a call's data, for flatten layers that follow it.
    pub order: Order,
}

impl<B: Kernels> Context<'_, B> {
    /// The extents of the array with this number, counted from 1.
    fn shape_of(&self, field: &str, index: usize) -> Result<&[usize]> {
        Ok(&self.array(field, index)?.shape)
    }

    fn array(&self, field: &str, index: usize) -> Result<&Array> {
        index
            .checked_sub(1)
            .and_then(|i| self.arrays.get(i))
            .ok_or_else(|| Kind::Weights.error(format!("`{field}` is missing")))
    }

    /// The values of the array with this number in the shape asked for.
    fn weights(&self, field: &str, index: usize, shape: &[usize]) -> Result<Tensor<B>> {
        let array = self.array(field, index)?;
        let (given, wanted): (usize, usize) =
            (array.shape.iter().product(), shape.iter().product());
        if given != wanted {
            return Err(Kind::Weights
                .error(format!("`{field}` has {given} values, but the layer needs {wanted}")));
        }
        if let Some(i) = array.first_beyond(largest::<B>()) {
            return Err(Kind::Weights.error(format!(
                "`{field}` has a value that is not finite or too large (number {})",
                i + 1
            )));
        }
        let in_place = array.in_place().and_then(|bytes| B::tensor_in_place(bytes, shape));
        if let Some(weights) = in_place {
            return Ok(Tensor::from_primitive(weights));
        }
        Ok(match array.is_single() {
            true => Tensor::from_vec(array.to_vec::<f32>(), shape, self.device),
            false => Tensor::from_vec(array.to_vec::<f64>(), shape, self.device),
        })
    }

    /// The values of the array with this number, for operands of extents `input`: 1 value, one a
    /// channel, or as many axes as the input, each with the input's extent or 1.
    fn spread(&self, field: &str, index: usize, input: &[usize]) -> Result<Tensor<B>> {
        let given = self.shape_of(field, index)?;
        let fits = |(&n, &m): (&usize, &usize)| n == m || n == 1;
        let mut shape = vec![1; input.len() + 1];
        if given.len() == input.len() && given.iter().zip(input).all(fits) {
            shape[1..].copy_from_slice(given);
        } else if matches!(given, [n] if [1, input[0]].contains(n)) {
            shape[1] = given[0];
        } else {
            return Err(Kind::Weights.error(format!(
                "`{field}` must hold 1 value, {} (one a channel), or an array {} whose extents may \
                 be 1, not {}",
                input[0],
                show(input),
                show(given)
            )));
        }
        self.weights(field, index, &shape)
    }

    /// Whether cells are counted in this order with the channel axis last.
    fn channels_last(&self, order: Order) -> bool {
        let order = if order == Order::Call { self.order } else { order };
        order == Order::ChannelsLast
    }

    /// A bias, `None` for number 0.
    fn bias(&self, index: usize, shape: &[usize]) -> Result<Option<Tensor<B>>> {
        (index > 0).then(|| self.weights("bias", index, shape)).transpose()
    }
}

/// The settings of a layer type.
trait Settings {
    /// Builds the layer for operands of the given extents. A type that stands for several layers
    /// (padding, convolution, activation) gives a chain of them.
    fn build<B: Kernels>(&self, context: &Context<B>, inputs: &[Shape]) -> Result<Vec<Built<B>>>;

    /// Whether the layer depends on the layout of a call's data.
    fn follows_layout(&self) -> bool {
        false
    }
}

/// A layer type as the user's list knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Type {
    /// `type` in the list.
    pub name: &'static str,
    /// The class that `print` shows and that LRP's rules are given by.
    pub class: &'static str,
    /// One of the four kinds of [`Layer`]; `frozen` is a nonlinear one with an affine form at x, to
    /// which rules apply.
    pub kind: &'static str,
    /// Other names for the class.
    pub aliases: &'static [&'static str],
}

macro_rules! layers {
    ($($name:ident: $kind:ident $class:literal $(| $alias:literal)* => $settings:ty;)*) => {
        /// A layer type with its settings.
        #[derive(Debug, Clone, Deserialize)]
        #[allow(missing_docs)]
        pub enum Op {
            $($name($settings),)*
        }

        impl Op {
            /// The type.
            pub fn layer_type(&self) -> Type {
                match self {
                    $(Op::$name(_) => Type {
                        name: stringify!($name),
                        class: $class,
                        kind: stringify!($kind),
                        aliases: &[$($alias),*],
                    },)*
                }
            }

            /// Builds the layer for operands of the given extents; see [`Context`].
            pub fn build<B: Kernels>(
                &self,
                context: &Context<B>,
                inputs: &[Shape],
            ) -> Result<Vec<Built<B>>> {
                match self {
                    $(Op::$name(settings) => settings.build(context, inputs),)*
                }
            }

            /// Whether the layer depends on the layout of a call's data.
            pub fn follows_layout(&self) -> bool {
                match self {
                    $(Op::$name(settings) => settings.follows_layout(),)*
                }
            }
        }

        /// Every layer type.
        pub const TYPES: &[Type] = &[
            $(Type {
                name: stringify!($name),
                class: $class,
                kind: stringify!($kind),
                aliases: &[$($alias),*],
            },)*
        ];
    };
}

layers! {
//  type              kind       class                   other names                 settings
    Dense:            affine     "Dense_Layer"                                    => dense::Dense;
    Conv1D:           affine     "Conv1D_Layer"                                   => conv::Conv<1>;
    Conv2D:           affine     "Conv2D_Layer"                                   => conv::Conv<2>;
    ConvTranspose1D:  affine     "ConvTranspose1D_Layer"                          => conv_transpose::ConvTranspose<1>;
    ConvTranspose2D:  affine     "ConvTranspose2D_Layer"                          => conv_transpose::ConvTranspose<2>;
    MaxPooling1D:     selection  "MaxPool1D_Layer"       | "MaxPool1D"            => max_pool::MaxPooling<1>;
    MaxPooling2D:     selection  "MaxPool2D_Layer"       | "MaxPool2D"            => max_pool::MaxPooling<2>;
    AveragePooling1D: affine     "AvgPool1D_Layer"       | "AvgPool1D"            => avg_pool::AveragePooling<1>;
    AveragePooling2D: affine     "AvgPool2D_Layer"       | "AvgPool2D"            => avg_pool::AveragePooling<2>;
    GlobalAvgPooling: affine     "GlobalAvgPooling"      | "GlobalAveragePooling" => avg_pool::GlobalAverage;
    GlobalMaxPooling: selection  "GlobalMaxPooling"                               => max_pool::GlobalMax;
    BatchNorm:        affine     "BatchNorm_Layer"       | "BatchNormalization"   => batch_norm::BatchNorm;
    Flatten:          structural "Flatten_Layer"                                  => flatten::Flatten;
    Reshape:          structural "Reshape_Layer"                                  => reshape::Reshape;
    Permute:          structural "Permute_Layer"                                  => permute::Permute;
    Padding:          structural "Padding_Layer"                                  => padding::Padding;
    Upsampling1D:     structural "Upsampling1D_Layer"                             => upsampling::Upsampling<1>;
    Upsampling2D:     structural "Upsampling2D_Layer"                             => upsampling::Upsampling<2>;
    Concatenate:      structural "Concatenate_Layer"     | "Concatenation"        => concatenate::Concatenate;
    LayerNorm:        frozen     "LayerNorm_Layer"       | "LayerNormalization"   => norm::LayerNorm;
    GroupNorm:        frozen     "GroupNorm_Layer"       | "GroupNormalization"   => norm::GroupNorm;
    InstanceNorm:     frozen     "InstanceNorm_Layer"                             => norm::InstanceNorm;
    Add:              affine     "Adding_Layer"          | "Adding"               => add::Add;
    Multiply:         nonlinear  "Multiply_Layer"        | "Multiplying_Layer"    => multiply::Multiply;
    PReLU:            nonlinear  "PReLU_Layer"                                    => prelu::PRelu;
    Scale:            affine     "Scale_Layer"                                    => scale::Scale;
    Slice:            structural "Slice_Layer"                                    => slice::Slice;
    Skipping:         structural "Skipping_Layer"                                 => identity::Identity;
    Activation:       nonlinear  "Activation"                                     => activation::ActivationLayer;
}

/// The type of an activation function that stands behind another layer.
pub const ACTIVATION: Type = TYPES[TYPES.len() - 1];

/// The one operand of a layer that takes one.
fn single(inputs: &[Shape]) -> Result<&Shape> {
    match inputs {
        [shape] => Ok(shape),
        _ => Err(Kind::Graph.error(format!("takes one input, but {} arrive", inputs.len()))),
    }
}

/// Extents as text: (3, 32, 32).
pub fn show(shape: &[usize]) -> String {
    let extents: Vec<_> = shape.iter().map(usize::to_string).collect();
    format!("({})", extents.join(", "))
}

/// Several extents as text: (3, 32) and (4, 32).
fn show_all(shapes: &[Shape]) -> String {
    shapes.iter().map(|shape| show(shape)).collect::<Vec<_>>().join(" and ")
}
