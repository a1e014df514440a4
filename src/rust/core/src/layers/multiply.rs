//! The product of several operands.

use serde::Deserialize;

use super::stretch::{stretched, unstretch};
use super::{show_all, Built, Context, Nonlinear, Pair, Settings, Shape};
use crate::error::{Kind, Result};
use crate::kernels::Kernels;
use crate::tensor::Tensor;

/// y = x₁ · x₂ · ..., cell by cell; axes of extent 1 are stretched to those of the other operands.
#[derive(Debug, Clone, Deserialize)]
pub struct Multiply {}

impl Settings for Multiply {
    fn build<B: Kernels>(&self, _: &Context<B>, inputs: &[Shape]) -> Result<Vec<Built<B>>> {
        if inputs.len() < 2 {
            return Err(Kind::Graph.error("multiplies at least two inputs, but one arrives"));
        }
        let output = stretched(inputs).ok_or_else(|| {
            Kind::Shape.error(format!(
                "multiplies inputs of equal shape (or with extents of 1), but {} arrive",
                show_all(inputs)
            ))
        })?;
        Ok(vec![Built::nonlinear(Product { operands: inputs.to_vec() }, output)])
    }
}

struct Product {
    operands: Vec<Shape>,
}

impl<B: Kernels> Nonlinear<B> for Product {
    fn apply(&self, x: &[Tensor<B>]) -> Tensor<B> {
        x.iter().cloned().reduce(|a, b| a * b).expect("at least two operands")
    }

    /// Δ(a b) = Δa (b + b⁰) / 2 + Δb (a + a⁰) / 2, from the last operand to the first.
    fn secant(&self, s: Tensor<B>, x: &[Pair<B>], _: &Pair<B>) -> Vec<Tensor<B>> {
        let mut products = vec![x[0].clone()];
        for x in &x[1..] {
            let last = &products[products.len() - 1];
            let at = last.at.clone() * x.at.clone();
            products.push(Pair { at, reference: last.reference.clone() * x.reference.clone() });
        }
        let mut s = s;
        let mut signals = Vec::new();
        for i in (1..x.len()).rev() {
            let before = products[i - 1].middle();
            signals.push(unstretch(mul_stretched(&s, &before), &self.operands[i]));
            s = mul_stretched(&s, &x[i].middle());
        }
        signals.push(unstretch(s, &self.operands[0]));
        signals.reverse();
        signals
    }

    fn pass(&self, s: Tensor<B>) -> Vec<Tensor<B>> {
        self.operands.iter().map(|operand| unstretch(s.clone(), operand)).collect()
    }
}

/// s · x, x having one row a sample and perhaps axes of extent 1.
fn mul_stretched<B: Kernels>(s: &Tensor<B>, x: &Tensor<B>) -> Tensor<B> {
    s.clone() * x.clone().repeat_rows(s.rows() / x.rows())
}
