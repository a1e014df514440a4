use super::{Info, Place};
use crate::kernels::Kernels;
use crate::layers::Part::Ones;
use crate::tensor::Tensor;

pub const INFO: Info = Info {
    name: "ties",
    layers: &["GlobalMaxPooling"],
    parameter: None,
    description: "all of R for every position that equals the maximum, as innsight 0.3.2 gave",
};

/// The whole relevance for every cell that equals the maximum.
pub fn relevance<B: Kernels>(place: &Place<B>, _: f64, r: Tensor<B>) -> Vec<Tensor<B>> {
    let x = &place.x[0];
    let extents = x.shape();
    let lines = x.clone().reshape_rows(&[extents[1], extents[2..].iter().product()]);
    let winners = lines.clone().equal_to(lines.max_axis(2)).reshape(&extents);
    let everywhere = place.layer.pullback(r, Ones);
    everywhere.into_iter().map(|r| r.mul_samples(&winners)).collect()
}
