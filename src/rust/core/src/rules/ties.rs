use super::{Info, Place, Rule};
use crate::kernels::Kernels;
use crate::layers::Part::Ones;
use crate::tensor::Tensor;

/// The whole relevance for every cell that equals the maximum.
pub struct Ties;

impl Ties {
    pub const INFO: Info = Info {
        name: "ties",
        layers: &["GlobalMaxPooling"],
        parameter: None,
        description: "all of R for every position that equals the maximum, as innsight 0.3.2 gave",
    };

    pub fn new(_: f64) -> Self {
        Self
    }
}

impl<B: Kernels> Rule<B> for Ties {
    fn relevance(&self, place: &Place<B>, r: Tensor<B>) -> Vec<Tensor<B>> {
        let x = &place.x[0];
        let extents = x.shape();
        let lines = x.clone().reshape_rows(&[extents[1], extents[2..].iter().product()]);
        let winners = lines.clone().equal_to(lines.max_axis(2)).reshape(&extents);
        let everywhere = place.layer.pullback(r, Ones);
        everywhere.into_iter().map(|r| r.mul_samples(&winners)).collect()
    }
}
