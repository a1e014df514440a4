//! The fully connected layer.

use serde::Deserialize;

use super::activation::Activation;
use super::{show, single, Affine, Built, Context, Part, Settings, Shape, Weights};
use crate::error::{Kind, Result};
use crate::kernels::Kernels;
use crate::tensor::Tensor;

/// y = W x + b.
#[derive(Debug, Clone, Deserialize)]
pub struct Dense {
    /// The array (outputs, inputs).
    weight: usize,
    /// The array (outputs), 0 for none.
    bias: usize,
    activation: Activation,
}

impl Settings for Dense {
    fn build<B: Kernels>(&self, context: &Context<B>, inputs: &[Shape]) -> Result<Vec<Built<B>>> {
        let shape = context.shape_of("weight", self.weight)?;
        let &[outputs, features] = shape else {
            return Err(Kind::Weights.error(format!(
                "`weight` must be a matrix (outputs, inputs), not an array {}",
                show(shape)
            )));
        };
        let input = single(inputs)?;
        if *input != [features] {
            return Err(Kind::Shape.error(format!(
                "`weight` is a matrix (outputs, inputs) = {} and takes an input ({features}), but {} arrives",
                show(shape),
                show(input)
            )));
        }
        let layer = Layer {
            weight: Weights::new(context.weights("weight", self.weight, &[outputs, features])?),
            bias: context.bias(self.bias, &[1, outputs])?,
        };
        self.activation.after(Built::affine(layer, vec![outputs]))
    }
}

struct Layer<B: Kernels> {
    weight: Weights<B>,
    bias: Option<Tensor<B>>,
}

impl<B: Kernels> Layer<B> {
    fn multiply(&self, x: &Tensor<B>, part: Part, bias: Option<Tensor<B>>) -> Tensor<B> {
        let (weight, cache) = self.weight.cached(part);
        let (x, bias) = (x.clone().into_primitive(), bias.map(Tensor::into_primitive));
        Tensor::from_primitive(B::dense(x, weight.into_primitive(), bias, cache))
    }
}

impl<B: Kernels> Affine<B> for Layer<B> {
    fn apply(&self, x: &[Tensor<B>], part: Part) -> Tensor<B> {
        self.multiply(&x[0], part, None)
    }

    fn forward(&self, x: &[Tensor<B>]) -> Tensor<B> {
        self.multiply(&x[0], Part::All, self.bias())
    }

    fn pullback(&self, s: Tensor<B>, part: Part) -> Vec<Tensor<B>> {
        let (weight, cache) = self.weight.cached(part);
        let x = B::dense_pullback(s.into_primitive(), weight.into_primitive(), cache);
        vec![Tensor::from_primitive(x)]
    }

    fn bias(&self) -> Option<Tensor<B>> {
        self.bias.clone()
    }
}
