//! Every rule on every affine layer, and on the affine form of others at some x, against its formula on
//! the layer's matrix, which is found by pushing unit vectors through the layer.

use innsight_core::kernels::Kernels;
use innsight_core::layers::{Affine, Layer, Part};
use innsight_core::rules::{rule, Place, RULES};
use innsight_core::stabilizer::delta;
use innsight_core::tensor::Tensor;

use crate::catalogue::{affine_forms, selection, Case};
use crate::{assert_close, on_every_backend, with_rows, Random};

on_every_backend!(rules_equal_their_formulas);

/// A layer as z = W x + b, all operands in one vector.
struct Matrix {
    w: Vec<Vec<f64>>,
    b: Vec<f64>,
}

fn split<B: Kernels>(values: &[f64], shapes: &[Vec<usize>], device: &B::Device) -> Vec<Tensor<B>> {
    let mut rest = values;
    let mut take = |shape: &Vec<usize>| {
        let (head, tail) = rest.split_at(shape.iter().product());
        rest = tail;
        Tensor::from_vec(head.to_vec(), &with_rows(1, shape), device)
    };
    shapes.iter().map(&mut take).collect()
}

fn join<B: Kernels>(tensors: Vec<Tensor<B>>) -> Vec<f64> {
    tensors.into_iter().flat_map(Tensor::into_vec).collect()
}

fn matrix<B: Kernels>(layer: &dyn Affine<B>, case: &Case, device: &B::Device) -> Matrix {
    let n: usize = case.inputs.iter().map(|s| s.iter().product::<usize>()).sum();
    let column = |i: usize| {
        let unit: Vec<f64> = (0..n).map(|j| f64::from(i == j)).collect();
        layer.apply(&split(&unit, &case.inputs, device), Part::All).into_vec()
    };
    let columns: Vec<Vec<f64>> = (0..n).map(column).collect();
    let rows = columns[0].len();
    let w = (0..rows).map(|j| columns.iter().map(|c| c[j]).collect()).collect();
    let zero = layer.apply(&split(&vec![0.0; n], &case.inputs, device), Part::All);
    let b = match layer.bias() {
        Some(b) => (zero + b).into_vec(),
        None => zero.into_vec(),
    };
    Matrix { w, b }
}

/// R_i = Σ_j share(j, i) R_j.
fn spread(m: &Matrix, r: &[f64], share: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let inputs = m.w[0].len();
    (0..inputs).map(|i| (0..r.len()).map(|j| share(j, i) * r[j]).sum()).collect()
}

/// The formulas of the rules, one value a line.
fn formula(name: &str, parameter: f64, delta: f64, m: &Matrix, x: &[f64], r: &[f64]) -> Vec<f64> {
    let z = |j: usize, f: fn(f64) -> f64| {
        (0..x.len()).map(|i| f(x[i] * m.w[j][i])).sum::<f64>() + f(m.b[j])
    };
    let stabilized = |z: f64, e: f64| if z == 0.0 { delta } else { z + z.signum() * e };
    let plus = |v: f64| v.max(0.0);
    let minus = |v: f64| v.min(0.0);
    match name {
        "simple" => spread(m, r, |j, i| x[i] * m.w[j][i] / stabilized(z(j, |v| v), delta)),
        "epsilon" => spread(m, r, |j, i| x[i] * m.w[j][i] / stabilized(z(j, |v| v), parameter)),
        "alpha_beta" => spread(m, r, |j, i| {
            let c = x[i] * m.w[j][i];
            parameter * plus(c) / (z(j, plus) + delta)
                + (1.0 - parameter) * minus(c) / (z(j, minus) - delta)
        }),
        "pass" => r.to_vec(),
        "equal" | "uniform" => {
            let inputs = |j: usize| m.w[j].iter().filter(|w| **w != 0.0).count() as f64;
            spread(m, r, |j, i| f64::from(m.w[j][i] != 0.0) / inputs(j))
        }
        "ties" => spread(m, r, |j, i| {
            let inside = |i: usize| m.w[j][i] != 0.0;
            let max = (0..x.len()).filter(|i| inside(*i)).map(|i| x[i]).fold(f64::MIN, f64::max);
            f64::from(inside(i) && x[i] == max)
        }),
        other => panic!("rule '{other}' has no formula here"),
    }
}

fn rules_equal_their_formulas<B: Kernels>(device: &B::Device, tolerance: f64) {
    let mut random = Random::new(41);
    let mut cases = affine_forms(&mut random, device);
    cases.extend(selection(&mut random).into_iter().map(|case| {
        let (layer, shape) = case.layer::<B>(device);
        (case, layer, shape)
    }));
    for info in RULES {
        let parameters = match info.parameter {
            None => vec![0.0],
            Some(p) if p.name == "alpha" => vec![p.default, 0.0, 1.0, 2.0],
            Some(p) => vec![p.default, 0.25],
        };
        let class = |case: &Case| case.op.layer_type().class;
        let meant = |case: &Case| match info.layers {
            [] => true,
            layers => layers.contains(&class(case)),
        };
        let mut seen = 0;
        for (case, layer, shape) in cases.iter().filter(|(case, _, _)| meant(case)) {
            seen += 1;
            let layer: &dyn Affine<B> = match layer {
                Layer::Affine(layer) => &**layer,
                Layer::Selection(layer) => layer.average(),
                _ => unreachable!(),
            };
            let m = matrix(layer, case, device);
            // Few different values give ties; a zero among them.
            let x: Vec<f64> = (0..m.w[0].len()).map(|_| random.below(0..=5) as f64 - 2.0).collect();
            let operands = split(&x, &case.inputs, device);
            let z = layer.apply(&operands, Part::All);
            let z = match layer.bias() {
                Some(b) => z + b,
                None => z,
            };
            // A denominator next to zero amplifies rounding; it gets no relevance.
            let mut r = random.values(m.w.len());
            for (r, z) in r.iter_mut().zip(z.clone().into_vec()) {
                if z.abs() < 1e-2 {
                    *r = 0.0;
                }
            }
            let place = Place { layer, x: &operands, z: &z, books: None };
            for &parameter in &parameters {
                let relevance = Tensor::from_vec(r.clone(), &with_rows(1, shape), device);
                let rule = rule::<B>(info.name, info.parameter.map(|_| parameter)).unwrap();
                let got = join(rule(&place, relevance));
                let expected = formula(info.name, parameter, delta::<B>(), &m, &x, &r);
                let what = format!("{} {parameter} on {}", info.name, case.name);
                assert_close(&what, &got, &expected, 10.0 * tolerance);
            }
        }
        assert!(seen > 0, "no layer for rule {}", info.name);
    }
}
