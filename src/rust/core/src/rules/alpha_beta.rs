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
        let positive: Vec<_> = place.x.iter().map(|x| x.clone().positive()).collect();
        // Behind a rectifier there are no negative operands and half of the work is zero.
        let negative = place
            .x
            .iter()
            .any(Tensor::any_negative)
            .then(|| place.x.iter().map(|x| x.clone().negative()).collect::<Vec<_>>());
        let operands = (positive.as_slice(), negative.as_deref());
        let bias = place.layer.bias();
        let shares = [
            (self.0, Positive, Negative, bias.clone().map(Tensor::positive), delta::<B>()),
            (1.0 - self.0, Negative, Positive, bias.map(Tensor::negative), -delta::<B>()),
        ];
        let sum = |a: Vec<Tensor<B>>, b: Vec<Tensor<B>>| a.into_iter().zip(b).map(|(a, b)| a + b);
        shares
            .into_iter()
            .filter(|(factor, ..)| *factor != 0.0)
            .map(|(factor, like, unlike, bias, delta)| {
                let r = r.clone().scale(factor);
                half(place, operands, (like, unlike), bias, delta, r)
            })
            .reduce(|a, b| sum(a, b).collect())
            .expect("alpha and 1 - alpha are not both zero")
    }
}

/// The contributions of one sign: x⁺ through the weights `like` and x⁻ through those `unlike`.
fn half<B: Kernels>(
    place: &Place<B>,
    (positive, negative): (&[Tensor<B>], Option<&[Tensor<B>]>),
    (like, unlike): (Part, Part),
    bias: Option<Tensor<B>>,
    delta: f64,
    r: Tensor<B>,
) -> Vec<Tensor<B>> {
    let parts = [Some((positive, like)), negative.map(|x| (x, unlike))];
    let z = parts.iter().flatten().map(|(x, part)| place.layer.apply(x, *part));
    let z = z.chain(None).reduce(|a, b| a + b).expect("there is a positive part");
    let z = match bias {
        Some(b) => z + b,
        None => z,
    };
    let s = r.div_samples(&z.add_scalar(delta));
    parts
        .iter()
        .flatten()
        .map(|(x, part)| {
            let pulled = place.layer.pullback(s.clone(), *part);
            pulled.into_iter().zip(*x).map(|(c, x)| c.mul_samples(x)).collect::<Vec<_>>()
        })
        .reduce(|a, b| a.into_iter().zip(b).map(|(a, b)| a + b).collect())
        .expect("there is a positive part")
}
