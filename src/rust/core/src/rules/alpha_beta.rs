use super::{Info, Parameter, Place, Rule};
use crate::kernels::Kernels;
use crate::layers::Part::{self, Negative, Positive};
use crate::stabilizer::delta;
use crate::tensor::Tensor;

/// R_i = Σ_j (α (x_i w_ij)⁺ / z_j⁺ + (1 - α) (x_i w_ij)⁻ / z_j⁻) R_j.
pub struct AlphaBeta(f64);

impl AlphaBeta {
    pub const INFO: Info = Info {
        name: "alpha_beta",
        layers: &[],
        parameter: Some(Parameter {
            name: "alpha",
            default: 0.5,
            lower: f64::MIN,
            upper: f64::MAX,
        }),
        description:
            "R_i = sum_j (alpha (x_i w_ij)+ / z_j+ + (1 - alpha) (x_i w_ij)- / z_j-) R_j, \
             Bach et al. (2015)",
    };

    pub fn new(alpha: f64) -> Self {
        Self(alpha)
    }
}

impl<B: Kernels> Rule<B> for AlphaBeta {
    fn relevance(&self, place: &Place<B>, r: Tensor<B>) -> Vec<Tensor<B>> {
        let part_of_x =
            |f: fn(Tensor<B>) -> Tensor<B>| -> Vec<_> { place.x.iter().cloned().map(f).collect() };
        let positive = part_of_x(Tensor::positive);
        // Behind a rectifier there are no negative operands and half of the work would be zero.
        let any_negative = place.x.iter().any(Tensor::any_negative);
        let negative = any_negative.then(|| part_of_x(Tensor::negative));
        let (b, delta) = (place.layer.bias(), delta::<B>());
        // Contributions are positive through weights of x's own sign, and negative through the others.
        let halves = [
            (self.0, Positive, Negative, b.clone().map(Tensor::positive), delta),
            (1.0 - self.0, Negative, Positive, b.map(Tensor::negative), -delta),
        ];
        let half = |(factor, own, other, bias, delta): (
            f64,
            Part,
            Part,
            Option<Tensor<B>>,
            f64,
        )|
         -> Vec<_> {
            let x = [Some((&positive, own)), negative.as_ref().map(|x| (x, other))];
            let x = x.into_iter().flatten();
            let z = x.clone().map(|(x, part)| place.layer.apply(x, part)).chain(bias.clone());
            let z = z.reduce(|a, b| a + b).expect("there is a positive part");
            let s = place.divide(r.clone().scale(factor), &z, bias, z.clone().add_scalar(delta));
            x.map(|(x, part)| place.share(s.clone(), x, part)).collect()
        };
        halves
            .into_iter()
            .filter(|(factor, ..)| *factor != 0.0)
            .flat_map(half)
            .reduce(|a, b| a.into_iter().zip(b).map(|(a, b)| a + b).collect())
            .expect("alpha and 1 - alpha are not both zero")
    }
}
