//! Activation functions.

use serde::Deserialize;

use super::concatenate::axis;
use super::{single, Built, Context, Layer, Pointwise, Settings, Shape};
use crate::error::{Kind, Result};
use crate::kernels::Kernels;
use crate::tensor::Tensor;

/// A function by name with the parameters that some of them have.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Activation {
    /// One of [`Activation::NAMES`], or "linear" for none.
    pub name: String,
    /// The slope of leaky_relu below zero.
    pub negative_slope: f64,
    /// The sharpness of softplus.
    pub beta: f64,
    /// beta x above which softplus is x.
    pub threshold: f64,
    /// The axis of softmax, counted from 1 with the batch axis as 1, or -1 for the last.
    pub dim: i64,
}

impl Activation {
    /// Every function.
    pub const NAMES: [&'static str; 8] =
        ["linear", "relu", "leaky_relu", "softplus", "sigmoid", "logistic", "softmax", "tanh"];

    /// The function with its usual parameters.
    pub fn named(name: &str) -> Self {
        let name = name.to_string();
        Self { name, negative_slope: 0.01, beta: 1.0, threshold: 20.0, dim: -1 }
    }

    /// Whether the function maps to probabilities whose neutral value is one half.
    pub fn is_probability(&self) -> bool {
        ["softmax", "sigmoid", "logistic"].contains(&self.name.as_str())
    }

    /// The built layer with this function behind it.
    pub(super) fn after<B: Kernels>(&self, built: Built<B>) -> Result<Vec<Built<B>>> {
        let function = self.build(&built.shape)?;
        Ok([built].into_iter().chain(function).collect())
    }

    /// The layer for an input of these extents; `None` for "linear".
    fn build<B: Kernels>(&self, shape: &Shape) -> Result<Option<Built<B>>> {
        let parameters = [self.negative_slope, self.beta, self.threshold];
        if parameters.iter().any(|p| !p.is_finite()) || self.beta == 0.0 {
            return Err(Kind::Model.error(format!(
                "the parameters of activation '{}' must be finite, and `beta` not zero",
                self.name
            )));
        }
        let layer: Box<dyn Pointwise<B>> = match self.name.as_str() {
            "linear" => return Ok(None),
            "relu" => Box::new(LeakyRelu { slope: 0.0 }),
            "leaky_relu" => Box::new(LeakyRelu { slope: self.negative_slope }),
            "softplus" => Box::new(Softplus { beta: self.beta, threshold: self.threshold }),
            "sigmoid" | "logistic" => Box::new(Sigmoid),
            "tanh" => Box::new(Tanh),
            "softmax" => Box::new(Softmax { axis: axis(self.dim, shape.len(), "dim")? + 1 }),
            other => {
                return Err(Kind::Model.error(format!(
                    "activation '{other}' is not implemented; there are {}",
                    Self::NAMES.join(", ")
                )))
            }
        };
        let (shape, activation) = (shape.clone(), Some(self.clone()));
        Ok(Some(Built { layer: Layer::Pointwise(layer), shape, activation }))
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

/// A function of one cell, by its derivative.
trait Elementwise {
    fn value<B: Kernels>(&self, x: Tensor<B>) -> Tensor<B>;
    /// f'(x), where y = f(x).
    fn derivative<B: Kernels>(&self, x: Tensor<B>, y: Tensor<B>) -> Tensor<B>;
}

impl<B: Kernels, F: Elementwise> Pointwise<B> for F {
    fn apply(&self, x: &Tensor<B>) -> Tensor<B> {
        self.value(x.clone())
    }

    fn pullback(&self, s: Tensor<B>, x: &Tensor<B>, y: &Tensor<B>) -> Tensor<B> {
        s.mul_samples(&self.derivative(x.clone(), y.clone()))
    }
}

/// x above zero, slope · x below; the derivative at zero is the slope.
struct LeakyRelu {
    slope: f64,
}

impl Elementwise for LeakyRelu {
    fn value<B: Kernels>(&self, x: Tensor<B>) -> Tensor<B> {
        if self.slope == 0.0 {
            return x.positive();
        }
        x.clone().scale(self.slope).where_one(x.clone().above(0.0), x)
    }

    fn derivative<B: Kernels>(&self, x: Tensor<B>, _: Tensor<B>) -> Tensor<B> {
        x.above(0.0).scale(1.0 - self.slope).add_scalar(self.slope)
    }
}

/// log(1 + exp(beta x)) / beta, and x where beta x exceeds the threshold.
struct Softplus {
    beta: f64,
    threshold: f64,
}

impl Elementwise for Softplus {
    fn value<B: Kernels>(&self, x: Tensor<B>) -> Tensor<B> {
        let scaled = x.clone().scale(self.beta);
        let soft = scaled.clone().at_most(self.threshold).exp().log1p().scale(1.0 / self.beta);
        soft.where_one(scaled.above(self.threshold), x)
    }

    fn derivative<B: Kernels>(&self, x: Tensor<B>, _: Tensor<B>) -> Tensor<B> {
        let scaled = x.scale(self.beta);
        let one = Tensor::full(&scaled.shape(), 1.0, &scaled.device());
        Sigmoid.value(scaled.clone()).where_one(scaled.above(self.threshold), one)
    }
}

/// 1 / (1 + exp(-x)).
struct Sigmoid;

impl Elementwise for Sigmoid {
    fn value<B: Kernels>(&self, x: Tensor<B>) -> Tensor<B> {
        let one = Tensor::full(&vec![1; x.shape().len()], 1.0, &x.device());
        one / x.scale(-1.0).exp().add_scalar(1.0)
    }

    fn derivative<B: Kernels>(&self, _: Tensor<B>, y: Tensor<B>) -> Tensor<B> {
        y.clone() - y.clone() * y
    }
}

struct Tanh;

impl Elementwise for Tanh {
    fn value<B: Kernels>(&self, x: Tensor<B>) -> Tensor<B> {
        x.tanh()
    }

    fn derivative<B: Kernels>(&self, _: Tensor<B>, y: Tensor<B>) -> Tensor<B> {
        (y.clone() * y).scale(-1.0).add_scalar(1.0)
    }
}

/// exp(x) over its sum along an axis.
struct Softmax {
    axis: usize,
}

impl<B: Kernels> Pointwise<B> for Softmax {
    fn apply(&self, x: &Tensor<B>) -> Tensor<B> {
        let shifted = x.clone() - x.clone().max_axis(self.axis);
        let exp = shifted.exp();
        exp.clone() / exp.sum_axis(self.axis)
    }

    fn pullback(&self, s: Tensor<B>, _: &Tensor<B>, y: &Tensor<B>) -> Tensor<B> {
        let weighted = s.mul_samples(y);
        let total = weighted.clone().sum_axis(self.axis);
        let y = y.clone().repeat_rows(weighted.rows() / y.rows());
        weighted - y * total
    }
}
