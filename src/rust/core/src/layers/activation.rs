//! Activation functions.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::concatenate::axis;
use super::elementwise::{
    Cellwise, Elu, Exponential, Gelu, GeluTanh, HardShrink, HardSwish, LogSigmoid, Mish, Ramp,
    Sigmoid, Silu, SoftShrink, Softplus, Softsign, Squareplus, Tanh, TanhShrink,
};
use super::softmax::{LogSoftmax, Softmax};
use super::{single, Built, Context, Layer, Nonlinear, Settings, Shape};
use crate::error::{Kind, Result};
use crate::kernels::{Kernels, Rectifier};
use crate::tensor::largest;

/// A function by name, with the arguments that differ from their defaults; see [`ACTIVATIONS`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Activation {
    /// The name.
    pub name: String,
    /// The arguments.
    #[serde(default)]
    pub args: BTreeMap<String, f64>,
}

macro_rules! activations {
    (axes: $axes:ident; $($name:literal $(($($arg:ident = $default:expr),+))? => $function:expr;)*) => {
        /// The functions with their arguments and the defaults of these; "linear" is none.
        pub const ACTIVATIONS: &[(&str, &[(&str, f64)])] =
            &[("linear", &[]), $(($name, &[$($((stringify!($arg), $default)),+)?])),*];

        impl Activation {
            /// The layer for an input with this many axes; `None` for "linear".
            fn function<B: Kernels>(&self, $axes: usize) -> Result<Option<Box<dyn Nonlinear<B>>>> {
                match self.name.as_str() {
                    "linear" => Ok(None),
                    $($name => {
                        $($(let $arg = self.args.get(stringify!($arg)).copied().unwrap_or($default);)+)?
                        Ok(Some(Box::new($function)))
                    })*
                    other => {
                        let names: Vec<_> = ACTIVATIONS.iter().map(|(name, _)| *name).collect();
                        Err(Kind::Model.error(format!(
                            "activation '{other}' is not implemented; there are {}",
                            names.join(", ")
                        )))
                    }
                }
            }
        }
    };
}

activations! {
    axes: axes;
    "relu"(negative_slope = 0.0, threshold = 0.0, max_value = f64::INFINITY) =>
        Cellwise(Rectifier { slope: negative_slope, threshold, max: max_value });
    "leaky_relu"(negative_slope = 0.01) => Cellwise(Rectifier::leaky(negative_slope));
    "relu6" => Cellwise(Ramp { slope: 1.0, offset: 0.0, lower: 0.0, upper: 6.0 });
    "hard_tanh"(min_val = -1.0, max_val = 1.0) =>
        Cellwise(Ramp { slope: 1.0, offset: 0.0, lower: min_val, upper: max_val });
    "hard_sigmoid"(slope = 1.0 / 6.0, offset = 0.5) =>
        Cellwise(Ramp { slope, offset, lower: 0.0, upper: 1.0 });
    "hard_swish" => Cellwise(HardSwish);
    "softplus"(beta = 1.0, threshold = 20.0) => Cellwise(Softplus { beta, threshold });
    "sigmoid" => Cellwise(Sigmoid);
    "logistic" => Cellwise(Sigmoid);
    "tanh" => Cellwise(Tanh);
    "softsign" => Cellwise(Softsign);
    "elu"(alpha = 1.0) => Cellwise(Elu { alpha, rate: 1.0, scale: 1.0 });
    "selu" => Cellwise(Elu {
        alpha: 1.673_263_242_354_377_2,
        rate: 1.0,
        scale: 1.050_700_987_355_480_5,
    });
    "celu"(alpha = 1.0) => Cellwise(Elu { alpha, rate: 1.0 / alpha, scale: 1.0 });
    "gelu" => Cellwise(Gelu);
    "gelu_tanh" => Cellwise(GeluTanh);
    "silu" => Cellwise(Silu);
    "mish" => Cellwise(Mish);
    "exponential" => Cellwise(Exponential);
    "log_sigmoid" => Cellwise(LogSigmoid);
    "squareplus"(b = 4.0) => Cellwise(Squareplus { b });
    "tanh_shrink" => Cellwise(TanhShrink);
    "hard_shrink"(lambd = 0.5) => Cellwise(HardShrink { lambd });
    "soft_shrink"(lambd = 0.5) => Cellwise(SoftShrink { lambd });
    "softmax"(dim = -1.0) => Softmax { axis: axis(dim as i64, axes, "dim")? + 1 };
    "log_softmax"(dim = -1.0) => LogSoftmax { axis: axis(dim as i64, axes, "dim")? + 1 };
}

impl Activation {
    /// The function with its defaults.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_string(), args: BTreeMap::new() }
    }

    /// Whether the function maps to probabilities whose neutral value is one half.
    pub fn is_probability(&self) -> bool {
        ["softmax", "sigmoid", "logistic"].contains(&self.name.as_str())
    }

    /// Whether every output depends on all inputs of its line.
    pub fn couples(&self) -> bool {
        self.name.ends_with("softmax")
    }

    /// The built layer with this function behind it.
    pub(super) fn after<B: Kernels>(&self, built: Built<B>) -> Result<Vec<Built<B>>> {
        let function = self.build(&built.shape)?;
        Ok([built].into_iter().chain(function).collect())
    }

    /// The layer for an input of these extents; `None` for "linear".
    fn build<B: Kernels>(&self, shape: &Shape) -> Result<Option<Built<B>>> {
        let known = ACTIVATIONS.iter().find(|(name, _)| *name == self.name);
        let known: Vec<&str> =
            known.map_or_else(Vec::new, |(_, args)| args.iter().map(|a| a.0).collect());
        for (arg, value) in &self.args {
            let zero =
                *value == 0.0 && (["beta", "slope"].contains(&arg.as_str()) || self.name == "celu");
            let negative = *value < 0.0 && ["lambd", "b"].contains(&arg.as_str());
            let refused = if !known.contains(&arg.as_str()) {
                format!("has no argument `{arg}` (its arguments: {})", known.join(", "))
            } else if zero || negative || value.is_nan() || value.abs() > largest::<B>() {
                format!("cannot have `{arg}` = {value}")
            } else {
                continue;
            };
            return Err(Kind::Model.error(format!("activation '{}' {refused}", self.name)));
        }
        let value = |arg: &str, default| self.args.get(arg).copied().unwrap_or(default);
        if self.name == "hard_tanh" && value("min_val", -1.0) >= value("max_val", 1.0) {
            return Err(Kind::Model.error("activation 'hard_tanh' needs `min_val` below `max_val`"));
        }
        if self.name == "relu" && value("threshold", 0.0) >= value("max_value", f64::INFINITY) {
            return Err(Kind::Model.error("activation 'relu' needs `threshold` below `max_value`"));
        }
        Ok(self.function(shape.len())?.map(|layer| Built {
            layer: Layer::Nonlinear(layer),
            shape: shape.clone(),
            activation: Some(self.clone()),
        }))
    }
}

/// A layer that is nothing but an activation function.
#[derive(Debug, Clone, Deserialize)]
pub struct ActivationLayer {
    activation: Activation,
}

impl Settings for ActivationLayer {
    fn build<B: Kernels>(&self, context: &Context<B>, inputs: &[Shape]) -> Result<Vec<Built<B>>> {
        match self.activation.build(single(inputs)?)? {
            Some(built) => Ok(vec![built]),
            None => super::identity::Identity {}.build(context, inputs),
        }
    }
}
