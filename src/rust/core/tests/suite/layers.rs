//! Identities that hold for every layer, whatever it computes.

use innsight_core::kernels::Kernels;
use innsight_core::layers::{Layer, Pair, Part};
use innsight_core::tensor::Tensor;
use serde_json::Value;

use crate::catalogue::{adaptive, affine_forms, all, conv, conv_transpose, nonlinear, selection};
use crate::{assert_close, build, model, on_every_backend, operands, with_rows, Random};

on_every_backend!(
    pullback_is_the_adjoint,
    parts_add_up,
    signs_add_up,
    structural_layers_are_adjoint,
    selections_are_adjoint,
    secants_are_exact,
    secants_without_difference_are_derivatives,
    frozen_layers_reproduce_the_layer,
    transposed_convolution,
    padding_modes_of_convolution,
    means_over_unequal_windows,
);

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// <W x, s> = <x, Wᵀ s> for every part of the weights.
fn pullback_is_the_adjoint<B: Kernels>(device: &B::Device, tolerance: f64) {
    let mut random = Random::new(11);
    let forms = (1..=4).flat_map(|seed| affine_forms::<B>(&mut Random::new(seed), device));
    for (case, layer, shape) in forms {
        let Layer::Affine(layer) = layer else { unreachable!() };
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
    for (case, layer, _) in affine_forms::<B>(&mut Random::new(5), device) {
        let Layer::Affine(layer) = layer else { unreachable!() };
        let x = operands::<B>(&mut random, &case.inputs, 2, device);
        let sum = layer.apply(&x, Part::Positive) + layer.apply(&x, Part::Negative);
        let whole = layer.apply(&x, Part::All).into_vec();
        assert_close(&case.name, &sum.into_vec(), &whole, tolerance);
    }
}

/// z⁺ + z⁻ = z, where z⁺ and z⁻ collect the contributions x w of either sign.
fn signs_add_up<B: Kernels>(device: &B::Device, tolerance: f64) {
    let mut random = Random::new(13);
    for (case, layer, _) in affine_forms::<B>(&mut Random::new(6), device) {
        let Layer::Affine(layer) = layer else { unreachable!() };
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

/// <pick(v), s> = <v, pullback(s)>, with several rows a sample.
fn selections_are_adjoint<B: Kernels>(device: &B::Device, tolerance: f64) {
    let mut random = Random::new(16);
    for case in (1..=3).flat_map(|seed| selection(&mut Random::new(seed))) {
        let (Layer::Selection(layer), shape) = case.layer::<B>(device) else { unreachable!() };
        let x: Tensor<B> = random.tensor(&with_rows(2, &case.inputs[0]), device);
        let v: Tensor<B> = random.tensor(&with_rows(6, &case.inputs[0]), device);
        let s: Tensor<B> = random.tensor(&with_rows(6, &shape), device);
        let left = dot(&layer.pick(&v, &x).into_vec(), &s.clone().into_vec());
        let right = dot(&v.into_vec(), &layer.pullback(s, &x).into_vec());
        assert_close(&case.name, &[left], &[right], 10.0 * tolerance);
        let picked = layer.pick(&x, &x).into_vec();
        assert_close(&case.name, &picked, &layer.apply(&x).into_vec(), 0.0);
    }
}

/// Operands at a data point and at a reference, one of which may have one row only. Every third cell
/// is the same.
fn pairs<B: Kernels>(
    random: &mut Random,
    shapes: &[Vec<usize>],
    (samples, references): (usize, usize),
    device: &B::Device,
) -> Vec<Pair<B>> {
    let mut pair = |shape: &Vec<usize>| {
        let cells: usize = shape.iter().product();
        let at = random.values(samples * cells);
        let mut reference = random.values(references * cells);
        for (i, value) in reference.iter_mut().enumerate().filter(|(i, _)| i % 3 == 0) {
            *value = at[if samples == references { i } else { i % cells }];
        }
        Pair {
            at: Tensor::from_vec(at, &with_rows(samples, shape), device),
            reference: Tensor::from_vec(reference, &with_rows(references, shape), device),
        }
    };
    shapes.iter().map(&mut pair).collect()
}

/// Σ <secant(s), x - x⁰> = <s, y - y⁰> by row, with two rows of s for every pair.
fn secants_are_exact<B: Kernels>(device: &B::Device, tolerance: f64) {
    let mut random = Random::new(17);
    for case in (1..=3).flat_map(|seed| nonlinear(&mut Random::new(seed))) {
        let (Layer::Nonlinear(layer), shape) = case.layer::<B>(device) else { unreachable!() };
        for rows in [(3, 3), (1, 3), (3, 1), (1, 1)] {
            let x = pairs::<B>(&mut random, &case.inputs, rows, device);
            let apply = |f: fn(&Pair<B>) -> &Tensor<B>| {
                layer.apply(&x.iter().map(|x| f(x).clone()).collect::<Vec<_>>())
            };
            let y = Pair { at: apply(|x| &x.at), reference: apply(|x| &x.reference) };
            let s: Tensor<B> = random.tensor(&with_rows(2 * rows.0.max(rows.1), &shape), device);
            let total = |s: Tensor<B>, pair: &Pair<B>| s.mul_samples(&pair.delta()).row_sums();
            let right = total(s.clone(), &y).into_vec();
            let signals = layer.secant(s, &x, &y).into_iter();
            let left = signals.zip(&x).map(|(m, x)| total(m, x)).reduce(|a, b| a + b).unwrap();
            let what = format!("{rows:?} rows, {}", case.name);
            assert_close(&what, &left.into_vec(), &right, 10.0 * tolerance);
        }
    }
}

/// At x = x⁰ the secant is the Jacobian.
fn secants_without_difference_are_derivatives<B: Kernels>(device: &B::Device, tolerance: f64) {
    let mut random = Random::new(18);
    for case in (1..=3).flat_map(|seed| nonlinear(&mut Random::new(seed))) {
        let (Layer::Nonlinear(layer), shape) = case.layer::<B>(device) else { unreachable!() };
        let x = operands::<B>(&mut random, &case.inputs, 2, device);
        let y = layer.apply(&x);
        let s: Tensor<B> = random.tensor(&with_rows(4, &shape), device);
        let same = |x: &Tensor<B>| Pair { at: x.clone(), reference: x.clone() };
        let pairs: Vec<_> = x.iter().map(same).collect();
        let secants = layer.secant(s.clone(), &pairs, &same(&y));
        for (secant, pulled) in secants.into_iter().zip(layer.pullback(s, &x, &y)) {
            assert_close(&case.name, &secant.into_vec(), &pulled.into_vec(), 10.0 * tolerance);
        }
    }
}

/// The affine form of a layer at x gives its value at x.
fn frozen_layers_reproduce_the_layer<B: Kernels>(device: &B::Device, tolerance: f64) {
    let mut random = Random::new(19);
    let mut seen = 0;
    for case in nonlinear(&mut Random::new(7)) {
        let (Layer::Nonlinear(layer), _) = case.layer::<B>(device) else { unreachable!() };
        let x = operands::<B>(&mut random, &case.inputs, 2, device);
        let frozen = layer.frozen(&x);
        assert_eq!(frozen.is_some(), case.op.layer_type().kind == "frozen", "{}", case.name);
        let Some(frozen) = frozen else { continue };
        seen += 1;
        let value = Layer::Affine(frozen).forward(&x).into_vec();
        assert_close(&case.name, &value, &layer.apply(&x).into_vec(), tolerance);
    }
    assert!(seen > 5);
}

/// Calls `f(place, offset in the kernel)` for the cells of a result, rows by columns, that a cell of a
/// plane reaches.
fn reached(
    [i, j]: [usize; 2],
    kernel: [usize; 2],
    result: [usize; 2],
    settings: &Value,
    mut f: impl FnMut(usize, usize),
) {
    let setting = |name: &str, axis: usize| settings[name][axis].as_u64().unwrap() as usize;
    // Padding goes from the last axis to the first.
    let place = |cell: usize, offset: usize, axis: usize| {
        let place = cell * setting("stride", axis) + offset * setting("dilation", axis);
        place.checked_sub(setting("padding", 2 - 2 * axis)).filter(|p| *p < result[axis])
    };
    for k in 0..kernel[0] {
        for l in 0..kernel[1] {
            if let (Some(row), Some(column)) = (place(i, k, 0), place(j, l, 1)) {
                f(row * result[1] + column, k * kernel[1] + l);
            }
        }
    }
}

/// Every cell of the input adds its multiple of the kernel to the result.
fn transposed_convolution<B: Kernels>(device: &B::Device, tolerance: f64) {
    let mut random = Random::new(20);
    for _ in 0..30 {
        let case = conv_transpose(&mut random, 2);
        let settings: Value = serde_json::from_str(&case.name).unwrap();
        let settings = &settings["ConvTranspose2D"];
        let (layer, shape) = case.layer::<B>(device);
        let (&[channels, height, width], weight) = (&case.inputs[0][..], &case.arrays[0]) else {
            unreachable!()
        };
        let &[_, per, k, l] = &weight.shape[..] else { unreachable!() };
        let (w, bias): (Vec<f64>, Vec<f64>) = (weight.to_vec(), case.arrays[1].to_vec());
        for axis in 0..2 {
            let setting = |name: &str, i: usize| settings[name][i].as_u64().unwrap() as i64;
            let (n, kernel) = ([height, width][axis] as i64, [k, l][axis] as i64);
            let pads = setting("padding", 2 - 2 * axis) + setting("padding", 3 - 2 * axis);
            let extent = (n - 1) * setting("stride", axis) - pads
                + setting("dilation", axis) * (kernel - 1)
                + setting("output_padding", axis)
                + 1;
            assert_eq!(shape[axis + 1] as i64, extent, "{}", case.name);
        }
        let cells = shape[1] * shape[2];
        let x = random.values(channels * height * width);
        let mut y: Vec<f64> = bias.iter().flat_map(|b| vec![*b; cells]).collect();
        let groups = settings["groups"].as_u64().unwrap() as usize;
        for c in 0..channels {
            for (i, j) in (0..height).flat_map(|i| (0..width).map(move |j| (i, j))) {
                for o in 0..per {
                    let output = c / (channels / groups) * per + o;
                    reached([i, j], [k, l], [shape[1], shape[2]], settings, |place, offset| {
                        y[output * cells + place] +=
                            w[(c * per + o) * k * l + offset] * x[(c * height + i) * width + j];
                    });
                }
            }
        }
        let x = Tensor::from_vec(x, &with_rows(1, &case.inputs[0]), device);
        assert_close(&case.name, &layer.forward(&[x]).into_vec(), &y, tolerance);
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

/// Three windows share seven cells out as (1 2 3), (3 4 5) and (5 6 7), three share two as (1), (1 2)
/// and (2): torch.nn.functional.adaptive_avg_pool2d.
fn means_over_unequal_windows<B: Kernels>(device: &B::Device, tolerance: f64) {
    let case = adaptive(&[1, 2, 7], "AveragePooling2D", &[3, 3]);
    let (Layer::Affine(layer), shape) = case.layer::<B>(device) else { unreachable!() };
    assert_eq!(shape, [1, 3, 3]);
    let cells = (1..=14).map(f64::from).collect();
    let x = Tensor::<B>::from_vec::<f64>(cells, &[1, 1, 2, 7], device);
    let means = layer.apply(&[x], Part::All).into_vec();
    let wanted = [2.0, 4.0, 6.0, 5.5, 7.5, 9.5, 9.0, 11.0, 13.0];
    assert_close("means", &means, &wanted, tolerance);
}
