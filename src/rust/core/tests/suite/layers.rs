//! Identities that hold for every layer, whatever it computes.

use innsight_core::kernels::Kernels;
use innsight_core::layers::{Layer, Part};
use innsight_core::tensor::Tensor;

use crate::catalogue::{affine, all, conv};
use crate::{assert_close, build, model, on_every_backend, with_rows, Random};

on_every_backend!(
    pullback_is_the_adjoint,
    parts_add_up,
    signs_add_up,
    structural_layers_are_adjoint,
    padding_modes_of_convolution,
);

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn operands<B: Kernels>(
    random: &mut Random,
    shapes: &[Vec<usize>],
    rows: usize,
    device: &B::Device,
) -> Vec<Tensor<B>> {
    shapes.iter().map(|shape| random.tensor(&with_rows(rows, shape), device)).collect()
}

/// <W x, s> = <x, Wᵀ s> for every part of the weights.
fn pullback_is_the_adjoint<B: Kernels>(device: &B::Device, tolerance: f64) {
    let mut random = Random::new(11);
    for case in (1..=4).flat_map(|seed| affine(&mut Random::new(seed))) {
        let (Layer::Affine(layer), shape) = case.layer::<B>(device) else { unreachable!() };
        let x = operands::<B>(&mut random, &case.inputs, 2, device);
        let s: Tensor<B> = random.tensor(&with_rows(2, &shape), device);
        for part in Part::EACH {
            let z = layer.apply(&x, part);
            assert_eq!(z.shape(), with_rows(2, &shape), "{}", case.name);
            let left = dot(&z.into_vec(), &s.clone().into_vec());
            let pulled = layer.pullback(s.clone(), part);
            let right: f64 = pulled
                .into_iter()
                .zip(&x)
                .map(|(c, x)| dot(&c.into_vec(), &x.clone().into_vec()))
                .sum();
            assert_close(&format!("{part:?} {}", case.name), &[left], &[right], 10.0 * tolerance);
        }
    }
}

/// W⁺ + W⁻ = W.
fn parts_add_up<B: Kernels>(device: &B::Device, tolerance: f64) {
    let mut random = Random::new(12);
    for case in affine(&mut Random::new(5)) {
        let (Layer::Affine(layer), _) = case.layer::<B>(device) else { unreachable!() };
        let x = operands::<B>(&mut random, &case.inputs, 2, device);
        let sum = layer.apply(&x, Part::Positive) + layer.apply(&x, Part::Negative);
        let whole = layer.apply(&x, Part::All).into_vec();
        assert_close(&case.name, &sum.into_vec(), &whole, tolerance);
    }
}

/// z⁺ + z⁻ = z, where z⁺ and z⁻ collect the contributions x w of either sign.
fn signs_add_up<B: Kernels>(device: &B::Device, tolerance: f64) {
    let mut random = Random::new(13);
    for case in affine(&mut Random::new(6)) {
        let (Layer::Affine(layer), _) = case.layer::<B>(device) else { unreachable!() };
        let x = operands::<B>(&mut random, &case.inputs, 2, device);
        let positive: Vec<_> = x.iter().map(|x| x.clone().positive()).collect();
        let negative: Vec<_> = x.iter().map(|x| x.clone().negative()).collect();
        let half = |like, unlike| layer.apply(&positive, like) + layer.apply(&negative, unlike);
        let (plus, minus) =
            (half(Part::Positive, Part::Negative), half(Part::Negative, Part::Positive));
        assert!(plus.clone().into_vec().iter().all(|z| *z >= -tolerance), "{}", case.name);
        assert!(minus.clone().into_vec().iter().all(|z| *z <= tolerance), "{}", case.name);
        let whole = layer.apply(&x, Part::All).into_vec();
        assert_close(&case.name, &(plus + minus).into_vec(), &whole, tolerance);
    }
}

/// Structural layers are linear up to constants: <f(x) - f(0), s> = <x, pullback(s)>.
fn structural_layers_are_adjoint<B: Kernels>(device: &B::Device, tolerance: f64) {
    let mut random = Random::new(14);
    for case in all(&mut Random::new(7)) {
        let (Layer::Structural(layer), shape) = case.layer::<B>(device) else {
            continue;
        };
        let x = operands::<B>(&mut random, &case.inputs, 2, device);
        let zero: Vec<_> = x.iter().map(|x| x.clone().scale(0.0)).collect();
        let s: Tensor<B> = random.tensor(&with_rows(2, &shape), device);
        let moved = (layer.apply(&x) - layer.apply(&zero)).into_vec();
        let left = dot(&moved, &s.clone().into_vec());
        let pulled = layer.pullback(s);
        let right: f64 = pulled
            .into_iter()
            .zip(&x)
            .map(|(c, x)| dot(&c.into_vec(), &x.clone().into_vec()))
            .sum();
        assert_close(&case.name, &[left], &[right], 10.0 * tolerance);
    }
}

/// A convolution with a padding mode is a padding layer and a convolution without padding.
fn padding_modes_of_convolution<B: Kernels>(device: &B::Device, tolerance: f64) {
    for mode in ["reflect", "replicate", "circular"] {
        let mut random = Random::new(15);
        for rank in [1, 2] {
            let case = conv(&mut random, rank, mode);
            let x: Tensor<B> = random.tensor(&with_rows(2, &case.inputs[0]), device);
            let settings: serde_json::Value = serde_json::from_str(&case.name).unwrap();
            let padding = &settings[format!("Conv{rank}D")]["padding"];
            let values: Vec<usize> = serde_json::from_value(padding.clone()).unwrap();
            let pad = serde_json::json!({
                "Padding": {"padding": values, "mode": mode, "value": 0.0}
            });
            let mut plain = settings.clone();
            plain[format!("Conv{rank}D")]["padding"] = serde_json::json!(vec![0; values.len()]);
            plain[format!("Conv{rank}D")]["padding_mode"] = "zeros".into();
            let end = crate::op(serde_json::json!({
                "Flatten": {"start_dim": 2, "end_dim": -1, "order": "channels_first"}
            }));
            let whole = model(
                &[&case.inputs[0]],
                vec![(vec![-1], case.op.clone()), (vec![1], end.clone())],
                &[2],
                case.arrays.clone(),
            );
            let pieces = model(
                &[&case.inputs[0]],
                vec![(vec![-1], crate::op(pad)), (vec![1], crate::op(plain)), (vec![2], end)],
                &[3],
                case.arrays.clone(),
            );
            let run = |model| {
                let network = build::<B>(model, device);
                let tape = network.forward(vec![x.clone()]).unwrap();
                tape.value(network.outputs[0].value).clone().into_vec()
            };
            assert_close(mode, &run(&whole), &run(&pieces), tolerance);
        }
    }
}
