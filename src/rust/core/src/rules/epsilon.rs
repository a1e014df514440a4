use super::{Info, Parameter, Place, Rule};
use crate::kernels::Kernels;
use crate::layers::Part;
use crate::stabilizer::stabilize;
use crate::tensor::Tensor;

/// R_i = x_i Σ_j w_ij R_j / (z_j + sgn(z_j) ε).
pub struct Epsilon(f64);

impl Epsilon {
    pub const INFO: Info = Info {
        name: "epsilon",
        layers: &[],
        parameter: Some(Parameter { name: "epsilon", default: 0.01, lower: 0.0, upper: f64::MAX }),
        description: "R_i = x_i sum_j w_ij R_j / (z_j + sgn(z_j) epsilon), Bach et al. (2015)",
    };

    pub fn new(epsilon: f64) -> Self {
        Self(epsilon)
    }
}

impl<B: Kernels> Rule<B> for Epsilon {
    fn relevance(&self, place: &Place<B>, r: Tensor<B>) -> Vec<Tensor<B>> {
        let denominator = stabilize(place.z.clone(), self.0);
        let s = place.divide(r, place.z, place.layer.bias(), denominator);
        place.share(s, place.x, Part::All)
    }
}
