use super::{Info, Place};
use crate::kernels::Kernels;
use crate::tensor::Tensor;

pub const INFO: Info = Info {
    name: "equal",
    layers: &["Adding_Layer"],
    parameter: None,
    description: "an equal share for every operand, as innsight 0.3.2 gave",
};

/// An equal share for every operand of a sum.
pub fn relevance<B: Kernels>(place: &Place<B>, _: f64, r: Tensor<B>) -> Vec<Tensor<B>> {
    place.share_equally(r)
}
