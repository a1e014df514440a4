use super::{epsilon, Info, Place};
use crate::kernels::Kernels;
use crate::stabilizer::delta;
use crate::tensor::Tensor;

pub const INFO: Info = Info {
    name: "simple",
    layers: &[],
    parameter: None,
    description: "R_i = x_i sum_j w_ij R_j / z_j (LRP-0), Bach et al. (2015)",
};

/// R_i = x_i Σ_j w_ij R_j / z_j, kept from dividing by zero.
pub fn relevance<B: Kernels>(place: &Place<B>, _: f64, r: Tensor<B>) -> Vec<Tensor<B>> {
    epsilon::relevance(place, delta::<B>(), r)
}
