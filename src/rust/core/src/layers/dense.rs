//! The fully connected layer.

use burn::tensor::ops::FloatTensor;
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

/// Weights above which a part is not kept: it would take as much memory as the model.
const LARGE: usize = 1 << 22;

struct Layer<B: Kernels> {
    weight: Weights<B>,
    bias: Option<Tensor<B>>,
}

impl<B: Kernels> Layer<B> {
    /// The weights, if a part of them is too large to be kept.
    fn large(&self, part: Part) -> Option<FloatTensor<B>> {
        let all = self.weight.part(Part::All);
        let large = part != Part::All && all.shape().iter().product::<usize>() > LARGE;
        large.then(|| all.into_primitive())
    }

    fn multiply(&self, x: &Tensor<B>, part: Part, bias: Option<Tensor<B>>) -> Tensor<B> {
        let x = x.clone().into_primitive();
        Tensor::from_primitive(match self.large(part) {
            Some(weight) => B::dense_part(x, weight, part),
            None => {
                let (weight, cache) = self.weight.cached(part);
                B::dense(x, weight.into_primitive(), bias.map(Tensor::into_primitive), cache)
            }
        })
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
        let s = s.into_primitive();
        vec![Tensor::from_primitive(match self.large(part) {
            Some(weight) => B::dense_part_pullback(s, weight, part),
            None => {
                let (weight, cache) = self.weight.cached(part);
                B::dense_pullback(s, weight.into_primitive(), cache)
            }
        })]
    }

    fn bias(&self) -> Option<Tensor<B>> {
        self.bias.clone()
    }
}

#[cfg(test)]
mod tests {
    use burn_ndarray::NdArray;

    use super::*;

    #[test]
    fn parts_of_large_weights_multiply_as_in_one_product() {
        type B = NdArray<f64>;
        let [outputs, inputs] = [70, 70_000];
        // Whole numbers, whose sums are exact.
        let tensor = |shape: &[usize; 2]| {
            let values = (0..shape[0] * shape[1]).map(|i| (i * 7 % 11) as f64 - 5.0).collect();
            Tensor::<B>::from_vec::<f64>(values, shape, &Default::default())
        };
        let weight = tensor(&[outputs, inputs]);
        let layer = Layer { weight: Weights::new(weight.clone()), bias: None };
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        // Few rows, and so many that weights are packed on the way back.
        for (rows, part) in Part::EACH.into_iter().flat_map(|part| [(3, part), (49, part)]) {
            let (x, s) = (tensor(&[rows, inputs]), tensor(&[rows, outputs]));
            let whole = Layer { weight: Weights::new(part.of(weight.clone())), bias: None };
            let values = |layer: &Layer<B>, part| {
                let pulled = layer.pullback(s.clone(), part).into_iter().map(Tensor::into_vec);
                (layer.apply(std::slice::from_ref(&x), part).into_vec(), pulled.collect::<Vec<_>>())
            };
            let (y, pulled) = values(&layer, part);
            let expected = values(&whole, Part::All);
            assert!(y == expected.0 && pulled == expected.1, "{part:?}, {rows} rows");
            // Every row by itself: <W x, s> = <x, Wᵀ s>.
            let (x, s) = (x.into_vec(), s.into_vec());
            for row in 0..rows {
                let of = |cells: &[f64]| {
                    let length = cells.len() / rows;
                    cells[row * length..(row + 1) * length].to_vec()
                };
                assert_eq!(dot(&of(&y), &of(&s)), dot(&of(&x), &of(&pulled[0])), "row {row}");
            }
        }
    }
}
