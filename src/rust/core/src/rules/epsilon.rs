use super::{Info, Parameter, Place};
use crate::kernels::Kernels;
use crate::layers::Part;
use crate::stabilizer::stabilize;
use crate::tensor::Tensor;

pub const INFO: Info = Info {
    name: "epsilon",
    layers: &[],
    parameter: Some(Parameter { name: "epsilon", default: 0.01, lower: 0.0, upper: f64::MAX }),
    description: "R_i = x_i sum_j w_ij R_j / (z_j + sgn(z_j) epsilon), Bach et al. (2015)",
};

/// R_i = x_i Σ_j w_ij R_j / (z_j + sgn(z_j) ε).
pub fn relevance<B: Kernels>(place: &Place<B>, epsilon: f64, r: Tensor<B>) -> Vec<Tensor<B>> {
    let denominator = stabilize(place.z.clone(), epsilon);
    let s = place.divide(r, place.z, place.layer.bias(), denominator);
    place.share(s, place.x, Part::All)
}
