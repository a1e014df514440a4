use std::iter::repeat_n;

use super::{Info, Parameter, Place};
use crate::kernels::Kernels;
use crate::layers::Part::{Negative, Positive};
use crate::stabilizer::delta;
use crate::tensor::Tensor;

pub const INFO: Info = Info {
    name: "alpha_beta",
    layers: &[],
    parameter: Some(Parameter { name: "alpha", default: 0.5, lower: f64::MIN, upper: f64::MAX }),
    description: "R_i = sum_j (alpha (x_i w_ij)+ / z_j+ + (1 - alpha) (x_i w_ij)- / z_j-) R_j, \
                  Bach et al. (2015)",
};

/// R_i = Σ_j (α (x_i w_ij)⁺ / z_j⁺ + (1 - α) (x_i w_ij)⁻ / z_j⁻) R_j.
pub fn relevance<B: Kernels>(place: &Place<B>, alpha: f64, r: Tensor<B>) -> Vec<Tensor<B>> {
    let part =
        |f: fn(Tensor<B>) -> Tensor<B>| -> Vec<_> { place.x.iter().cloned().map(f).collect() };
    // Behind a rectifier there are no negative operands and half of the work would be zero.
    let negative = place.x.iter().any(Tensor::any_negative).then(|| part(Tensor::negative));
    let positive = match negative {
        Some(_) => part(Tensor::positive),
        None => place.x.to_vec(),
    };
    let (b, delta) = (place.layer.bias(), delta::<B>());
    // Contributions are positive through weights of x's own sign, and negative through the others.
    let halves = [
        (alpha, [Positive, Negative], b.clone().map(Tensor::positive), delta),
        (1.0 - alpha, [Negative, Positive], b.map(Tensor::negative), -delta),
    ];
    let halves: Vec<_> = halves.into_iter().filter(|half| half.0 != 0.0).collect();
    // The last takes r itself: what nobody else holds is not copied.
    let of_halves = repeat_n(r, halves.len());
    let shares = halves.into_iter().zip(of_halves).flat_map(|(half, r)| {
        let (factor, [own, other], bias, delta) = half;
        let x = [Some((&positive, own)), negative.as_ref().map(|x| (x, other))];
        let x = x.into_iter().flatten();
        let z = x.clone().map(|(x, part)| place.layer.apply(x, part)).chain(bias.clone());
        let z = z.reduce(|a, b| a + b).expect("there is a positive part");
        let s = place.divide(r.scale(factor), &z, bias, z.clone().add_scalar(delta));
        x.map(|(x, part)| place.share(s.clone(), x, part)).collect::<Vec<_>>()
    });
    let sum = |a: Vec<_>, b: Vec<_>| a.into_iter().zip(b).map(|(a, b)| a + b).collect();
    shares.reduce(sum).expect("alpha and 1 - alpha are not both zero")
}
