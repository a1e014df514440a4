use super::epsilon::Epsilon;
use super::{Info, Place, Rule};
use crate::kernels::Kernels;
use crate::stabilizer::delta;
use crate::tensor::Tensor;

/// R_i = x_i Σ_j w_ij R_j / z_j, kept from dividing by zero.
pub struct Simple;

impl Simple {
    pub const INFO: Info = Info {
        name: "simple",
        layers: &[],
        parameter: None,
        description: "R_i = x_i sum_j w_ij R_j / z_j (LRP-0), Bach et al. (2015)",
    };

    pub fn new(_: f64) -> Self {
        Self
    }
}

impl<B: Kernels> Rule<B> for Simple {
    fn relevance(&self, place: &Place<B>, r: Tensor<B>) -> Vec<Tensor<B>> {
        Epsilon::new(delta::<B>()).relevance(place, r)
    }
}
