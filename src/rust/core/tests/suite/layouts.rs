//! Every operation on a permuted tensor of which a clone is alive, against plain arithmetic. burn's
//! ndarray backend once gave wrong numbers just there.

use innsight_core::kernels::Kernels;
use innsight_core::tensor::Tensor;

use crate::{assert_close, on_every_backend, Random};

on_every_backend!(permuted_and_shared, axes_of_permuted_tensors);

fn permuted_and_shared<B: Kernels>(device: &B::Device, tolerance: f64) {
    let values = Random::new(21).values(4 * 3 * 4 * 10);
    // What the permutation [3, 2, 1, 0] makes of the values.
    let mut permuted = Vec::new();
    for l in 0..10 {
        for k in 0..4 {
            for j in 0..3 {
                permuted.extend((0..4).map(|i| values[((i * 3 + j) * 4 + k) * 10 + l]));
            }
        }
    }
    type Case<B> = (&'static str, fn(Tensor<B>) -> Tensor<B>, fn(f64) -> f64);
    let cases: Vec<Case<B>> = vec![
        ("positive", Tensor::positive, |x| x.max(0.0)),
        ("negative", Tensor::negative, |x| x.min(0.0)),
        ("at_most", |x| x.at_most(0.3), |x| x.min(0.3)),
        ("above", |x| x.above(0.1), |x| f64::from(x > 0.1)),
        ("sign", Tensor::sign, f64::signum),
        ("fill_zeros", |x| x.fill_zeros(2.0), |x| if x == 0.0 { 2.0 } else { x }),
        ("exp", Tensor::exp, f64::exp),
        ("log1p", |x| x.add_scalar(1.0).log1p(), |x| (x + 1.0).ln_1p()),
        ("tanh", Tensor::tanh, f64::tanh),
        ("add_scalar", |x| x.add_scalar(2.5), |x| x + 2.5),
        ("scale", |x| x.scale(-3.0), |x| -3.0 * x),
        ("add", |x| x.clone() + x, |x| x + x),
        ("sub", |x| x.clone() - x.scale(2.0), |x| -x),
        ("mul", |x| x.clone() * x, |x| x * x),
        ("div", |x| x.clone() / x.add_scalar(3.0), |x| x / (x + 3.0)),
        ("equal_to", |x| x.clone().equal_to(x), |_| 1.0),
        (
            "where_one",
            |x| x.clone().where_one(x.clone().above(0.0), x.scale(2.0)),
            |x| {
                if x > 0.0 {
                    2.0 * x
                } else {
                    x
                }
            },
        ),
        ("repeat_rows", |x| x.repeat_rows(2).reshape(&[10, 2, 48]).narrow(1, 1..2), |x| x),
    ];
    for (name, on_tensor, on_value) in cases {
        let x =
            Tensor::<B>::from_vec(values.clone(), &[4, 3, 4, 10], device).permute(&[3, 2, 1, 0]);
        let alive = x.clone();
        let expected: Vec<f64> = permuted.iter().map(|&v| on_value(v)).collect();
        assert_close(name, &on_tensor(x).into_vec(), &expected, tolerance);
        assert_close(name, &alive.into_vec(), &permuted, tolerance);
    }
}

/// Reductions along every axis of a tensor whose channels are stored last, as a GPU keeps the result of
/// a convolution. burn-wgpu's own are wrong there.
fn axes_of_permuted_tensors<B: Kernels>(device: &B::Device, tolerance: f64) {
    let values = Random::new(22).values(6 * 4 * 5 * 2);
    let last: Tensor<B> = Tensor::from_vec(values, &[6, 4, 5, 2], device);
    let permuted = last.permute(&[0, 3, 1, 2]);
    let ordered: Tensor<B> =
        Tensor::from_vec(permuted.clone().into_vec(), &permuted.shape(), device);
    for axis in 0..4 {
        let sums = [permuted.clone(), ordered.clone()].map(|x| x.sum_axis(axis).into_vec());
        assert_close(&format!("sum along axis {axis}"), &sums[0], &sums[1], tolerance);
        let maxima = [permuted.clone(), ordered.clone()].map(|x| x.max_axis(axis).into_vec());
        assert_eq!(maxima[0], maxima[1], "largest along axis {axis}");
    }
}
