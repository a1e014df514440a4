use super::{Info, Place, Rule};
use crate::kernels::Kernels;
use crate::layers::Part::Ones;
use crate::tensor::Tensor;

/// R_i = Σ_j R_j / (number of inputs of j), whatever the values are.
fn flat<B: Kernels>(place: &Place<B>, r: Tensor<B>) -> Vec<Tensor<B>> {
    let one_row = |x: &Tensor<B>| {
        let mut shape = x.shape();
        shape[0] = 1;
        Tensor::full(&shape, 1.0, &x.device())
    };
    let ones: Vec<_> = place.x.iter().map(one_row).collect();
    let counts = place.layer.apply(&ones, Ones);
    place.layer.pullback(r / counts, Ones)
}

/// An equal share for every operand of a sum.
pub struct Equal;

/// An equal share for every position of a global average.
pub struct Uniform;

impl Equal {
    pub const INFO: Info = Info {
        name: "equal",
        layers: &["Adding_Layer"],
        parameter: None,
        description: "an equal share for every operand, as innsight 0.3.2 gave",
    };

    pub fn new(_: f64) -> Self {
        Self
    }
}

impl Uniform {
    pub const INFO: Info = Info {
        name: "uniform",
        layers: &["GlobalAvgPooling"],
        parameter: None,
        description: "an equal share for every position, as innsight 0.3.2 gave",
    };

    pub fn new(_: f64) -> Self {
        Self
    }
}

impl<B: Kernels> Rule<B> for Equal {
    fn relevance(&self, place: &Place<B>, r: Tensor<B>) -> Vec<Tensor<B>> {
        flat(place, r)
    }
}

impl<B: Kernels> Rule<B> for Uniform {
    fn relevance(&self, place: &Place<B>, r: Tensor<B>) -> Vec<Tensor<B>> {
        flat(place, r)
    }
}
