//! The stabilizer: a denominator that is never zero.

use burn::tensor::ops::FloatElem;
use burn::tensor::{DType, Element};

use crate::kernels::Kernels;
use crate::tensor::Tensor;

/// δ, the smallest denominator: 1e-15 in double precision, 1e-6 in single.
pub fn delta<B: Kernels>() -> f64 {
    match FloatElem::<B>::dtype() {
        DType::F64 => 1e-15,
        _ => 1e-6,
    }
}

/// z + sgn(z) ε, and δ where z is zero.
pub fn stabilize<B: Kernels>(z: Tensor<B>, epsilon: f64) -> Tensor<B> {
    z.stabilize(epsilon, delta::<B>())
}
