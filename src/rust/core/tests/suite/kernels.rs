//! The kernels against plain loops.

use std::ops::RangeInclusive;

use innsight_core::kernels::{cpu::set_threads, Axis, Kernels, Rectifier, Window};
use innsight_core::layers::Part;
use innsight_core::tensor::Tensor;

use crate::{assert_close, on_every_backend, Random};

on_every_backend!(convolution, maxima_over_windows, passes, arithmetic, zeros);

fn window(random: &mut Random, input: RangeInclusive<usize>) -> Window {
    let mut axis = || Axis {
        input: random.below(input.clone()),
        kernel: random.below(1..=3),
        stride: random.below(1..=3),
        dilation: random.below(1..=2),
        padding: [random.below(0..=2), random.below(0..=2)],
        ceil_mode: random.below(0..=1) == 1,
    };
    let axes = [axis(), axis()];
    Window::new(axes).expect("windows that fit")
}

/// The input cell of each kernel cell of the windows along an axis; `None` in the padding.
fn cells(axis: Axis) -> Vec<Vec<Option<usize>>> {
    let cell = |o: usize, k: usize| {
        let place = o * axis.stride + k * axis.dilation;
        place.checked_sub(axis.padding[0]).filter(|c| *c < axis.input)
    };
    (0..axis.output()).map(|o| (0..axis.kernel).map(|k| cell(o, k)).collect()).collect()
}

/// Calls `f(window, kernel cell, input cell)` for the cells of all windows that lie in the input.
fn for_cells(window: &Window, mut f: impl FnMut(usize, usize, usize)) {
    let [rows, columns] = window.0;
    let (by_row, by_column) = (cells(rows), cells(columns));
    for (i, row) in by_row.iter().enumerate() {
        for (j, column) in by_column.iter().enumerate() {
            for (k, y) in row.iter().enumerate() {
                for (l, x) in column.iter().enumerate() {
                    if let (Some(y), Some(x)) = (y, x) {
                        let (w, c) = (i * by_column.len() + j, k * columns.kernel + l);
                        f(w, c, y * columns.input + x);
                    }
                }
            }
        }
    }
}

fn product(extents: [usize; 2]) -> usize {
    extents[0] * extents[1]
}

fn convolution<B: Kernels>(device: &B::Device, tolerance: f64) {
    let mut random = Random::new(1);
    // Rows of large planes are read where they lie, small planes unfolded, and with many channels turned.
    for i in 0..100 {
        let window = window(&mut random, if i % 5 == 0 { 28..=40 } else { 5..=9 });
        let groups = random.below(1..=3);
        let (per, outputs) = match i % 10 {
            1 => (random.below(33..=40), random.below(33..=40)),
            _ => (random.below(1..=3), random.below(1..=3)),
        };
        let (rows, channels) = (random.below(1..=3), groups * per);
        let ([height, width], [k, l]) = (window.input(), window.kernels());
        let ([out_height, out_width], kernel) = (window.output(), k * l);
        let x = random.values(rows * channels * height * width);
        let w = random.values(groups * outputs * per * kernel);
        let s = random.values(rows * groups * outputs * out_height * out_width);
        let bias = random.values(groups * outputs);
        let cell = |i: usize| bias[i / product(window.output()) % bias.len()];
        let mut y: Vec<f64> = (0..s.len()).map(cell).collect();
        let mut back = vec![0.0; x.len()];
        for r in 0..rows {
            for o in 0..groups * outputs {
                for c in 0..per {
                    for_cells(&window, |at, cell, place| {
                        let y_at = (r * groups * outputs + o) * product(window.output()) + at;
                        let channel = o / outputs * per + c;
                        let x_at = (r * channels + channel) * height * width + place;
                        let weight = w[(o * per + c) * kernel + cell];
                        y[y_at] += weight * x[x_at];
                        back[x_at] += weight * s[y_at];
                    });
                }
            }
        }
        let tensor = |v: &[f64], shape: [usize; 4]| {
            Tensor::<B>::from_vec(v.to_vec(), &shape, device).into_primitive()
        };
        let weight = || tensor(&w, [groups * outputs, per, k, l]);
        let b = innsight_core::tensor::Tensor::<B>::from_vec(bias, &[groups * outputs], device);
        let (cache, b) = (B::Cache::default(), b.into_primitive());
        let forward = B::conv(
            tensor(&x, [rows, channels, height, width]),
            weight(),
            Some(b),
            &cache,
            &window,
            groups,
        );
        let s = tensor(&s, [rows, groups * outputs, out_height, out_width]);
        let pulled = B::conv_pullback(s, weight(), &cache, &window, groups);
        let values = |t| Tensor::<B>::from_primitive(t).into_vec();
        let what = format!("{window:?}, {groups} groups");
        assert_close(&what, &values(forward), &y, tolerance);
        assert_close(&what, &values(pulled), &back, tolerance);
    }
}

fn maxima_over_windows<B: Kernels>(device: &B::Device, tolerance: f64) {
    let mut random = Random::new(3);
    for _ in 0..20 {
        let window = window(&mut random, 5..=9);
        let [height, width] = window.input();
        // Few different values, so that there are ties; all negative, so that padding would win.
        let x: Vec<f64> = (0..height * width).map(|_| -(random.below(1..=4) as f64)).collect();
        let outputs = product(window.output());
        let (mut y, mut winner) = (vec![f64::NEG_INFINITY; outputs], vec![0.0; outputs]);
        for_cells(&window, |at, _, place| {
            if x[place] > y[at] {
                (y[at], winner[at]) = (x[place], place as f64);
            }
        });
        if y.contains(&f64::NEG_INFINITY) {
            continue; // A window in the padding alone, which the layer refuses.
        }
        let plane = |x: Vec<f64>| Tensor::<B>::from_vec(x, &[1, 1, height, width], device);
        let values =
            Tensor::<B>::from_primitive(B::max_pool(plane(x.clone()).into_primitive(), &window));
        assert_close(&format!("{window:?}"), &values.into_vec(), &y, tolerance);
        // Two rows of signals for the one of x.
        let s = random.values(2 * outputs);
        let mut expected = vec![0.0; 2 * height * width];
        for (i, s) in s.iter().enumerate() {
            expected[i / outputs * height * width + winner[i % outputs] as usize] += s;
        }
        let [output_height, output_width] = window.output();
        let s = Tensor::<B>::from_vec(s, &[2, 1, output_height, output_width], device);
        let pulled =
            B::max_pool_pullback(s.into_primitive(), plane(x.clone()).into_primitive(), &window);
        let what = format!("winners of {window:?}");
        assert_close(&what, &Tensor::<B>::from_primitive(pulled).into_vec(), &expected, tolerance);
        let values = random.values(2 * height * width);
        let expected: Vec<f64> = (0..2 * outputs)
            .map(|i| values[i / outputs * height * width + winner[i % outputs] as usize])
            .collect();
        let values = Tensor::<B>::from_vec(values, &[2, 1, height, width], device);
        let picked = B::max_pool_pick(values.into_primitive(), plane(x).into_primitive(), &window);
        assert_close(&what, &Tensor::<B>::from_primitive(picked).into_vec(), &expected, tolerance);
    }
}

/// Passes over cells, short ones and ones that threads share, whether the storage is shared or not.
fn passes<B: Kernels>(device: &B::Device, tolerance: f64) {
    let mut random = Random::new(9);
    set_threads(2);
    for (samples, repeats, cells) in [(1, 1, 5), (3, 2, 7), (2, 3, 50_000), (1, 2, 300_000)] {
        let rows = samples * repeats;
        let (s, mut x) = (random.values(rows * cells), random.values(samples * cells));
        x[0] = 0.0;
        let of_sample = |i: usize| x[i / cells / repeats * cells + i % cells];
        let tensor =
            |v: &[f64]| Tensor::<B>::from_vec(v.to_vec(), &[v.len() / cells, cells], device);
        let (signal, value) = (tensor(&s), tensor(&x));
        let check = |what: &str, ours: Tensor<B>, f: &dyn Fn(f64, f64) -> f64| {
            let expected: Vec<f64> = (0..s.len()).map(|i| f(s[i], of_sample(i))).collect();
            assert_close(what, &ours.into_vec(), &expected, tolerance);
        };
        check("product", tensor(&s).mul_samples(&value), &|s, x| s * x);
        check("product, shared", signal.clone().mul_samples(&value), &|s, x| s * x);
        let stable = |x: f64| if x == 0.0 { 0.25 } else { x + x.signum() * 0.5 };
        let denominator = value.clone().stabilize(0.5, 0.25);
        check("quotient", signal.clone().div_samples(&denominator), &|s, x| s / stable(x));
        for (slope, threshold, max) in [(0.0, 0.0, f64::INFINITY), (0.1, 0.3, 0.8)] {
            let rectifier = &Rectifier { slope, threshold, max };
            let f = |x: f64| if x > threshold { x.min(max) } else { slope * (x - threshold) };
            let slope_at = |x: f64| match x > threshold {
                true => f64::from(u8::from(x < max)),
                false => slope,
            };
            check("rectifier", signal.clone().rectify(rectifier), &|s, _| f(s));
            let pulled = signal.clone().rectify_pullback(&value, rectifier);
            check("rectifier's derivative", pulled, &|s, x| s * slope_at(x));
            let first = &x[..cells];
            let reference = tensor(first);
            let secant = signal.rectify_secant(&reference, rectifier, 1e-3).into_vec();
            let swapped = reference.rectify_secant(&signal, rectifier, 1e-3).into_vec();
            let expected: Vec<f64> = s
                .iter()
                .enumerate()
                .map(|(i, &at)| {
                    let from = first[i % cells];
                    match (at - from).abs() > 1e-3 {
                        true => (f(at) - f(from)) / (at - from),
                        false => slope_at((at + from) / 2.0),
                    }
                })
                .collect();
            // The quotient of small differences.
            assert_close("secant", &secant, &expected, 1e3 * tolerance);
            assert_close("secant, swapped", &swapped, &expected, 1e3 * tolerance);
        }
        let negative = x.iter().any(|x| *x < 0.0);
        assert_eq!(value.any_negative(), negative);
        assert!(!value.abs().any_negative());
    }
}

/// Operations on two tensors, of which one, both or none is needed afterwards, and where axes are stretched.
fn arithmetic<B: Kernels>(device: &B::Device, tolerance: f64) {
    type Operation<T> = (&'static str, fn(T, T) -> T);
    let on_tensors: [Operation<Tensor<B>>; 4] =
        [("+", |a, b| a + b), ("-", |a, b| a - b), ("*", |a, b| a * b), ("/", |a, b| a / b)];
    let on_numbers: [fn(f64, f64) -> f64; 4] =
        [|a, b| a + b, |a, b| a - b, |a, b| a * b, |a, b| a / b];
    let mut random = Random::new(12);
    set_threads(2);
    for shape in [[2, 3, 4, 5], [2, 4, 200, 180]] {
        let [rows, channels, height, width] = shape;
        let row = [1, channels, height, width];
        for other in [shape, row, [1, channels, 1, 1], [rows, 1, height, width], [1, 1, 1, width]] {
            let cells = |shape: [usize; 4]| shape.iter().product::<usize>();
            let a = random.values(cells(shape));
            let b: Vec<f64> =
                random.values(cells(other)).into_iter().map(|b| b + 2.0 * b.signum()).collect();
            let tensor = |v: &[f64], shape| Tensor::<B>::from_vec(v.to_vec(), shape, device);
            let of_b = |i: usize| {
                let steps = [cells([1, channels, height, width]), height * width, width, 1];
                let at = |axis: usize| i / steps[axis] % shape[axis] % other[axis];
                b[(0..4).fold(0, |place, axis| place * other[axis] + at(axis))]
            };
            for ((name, f), number) in on_tensors.into_iter().zip(on_numbers) {
                let expected: Vec<f64> =
                    a.iter().enumerate().map(|(i, a)| number(*a, of_b(i))).collect();
                let what = format!("{shape:?} {name} {other:?}");
                let (x, y) = (tensor(&a, &shape), tensor(&b, &other));
                let results = [
                    ("both needed", f(x.clone(), y.clone())),
                    ("the first needed", f(x.clone(), tensor(&b, &other))),
                    ("the second needed", f(tensor(&a, &shape), y.clone())),
                    ("none needed", f(tensor(&a, &shape), tensor(&b, &other))),
                ];
                for (case, result) in results {
                    let what = format!("{what}, {case}");
                    assert_close(&what, &result.into_vec(), &expected, tolerance);
                }
                // Nothing was written where it is still needed.
                assert_close(&what, &x.into_vec(), &a, tolerance);
                assert_close(&what, &y.into_vec(), &b, tolerance);
            }
        }
    }
}

/// A signal so long that not even one line of it unfolds into the buffer.
#[test]
fn long_signals() {
    type B = burn_ndarray::NdArray<f64>;
    let device = Default::default();
    let n = 200_000;
    let axis = Axis { kernel: 5, stride: 2, padding: [3, 1], ..Axis::trivial(n) };
    let window = Window::new([Axis::trivial(1), axis]).unwrap();
    let outputs = axis.output();
    let mut random = Random::new(6);
    let (x, w, s) = (random.values(n), random.values(5), random.values(outputs));
    let (mut y, mut back) = (vec![0.0; outputs], vec![0.0; n]);
    for_cells(&window, |at, cell, place| {
        y[at] += w[cell] * x[place];
        back[place] += w[cell] * s[at];
    });
    let tensor =
        |v: Vec<f64>, n: usize| Tensor::<B>::from_vec(v, &[1, 1, 1, n], &device).into_primitive();
    let w = tensor(w, 5);
    let cache = Default::default();
    let values = |t| Tensor::<B>::from_primitive(t).into_vec();
    assert_close(
        "long",
        &values(B::conv(tensor(x, n), w.clone(), None, &cache, &window, 1)),
        &y,
        1e-12,
    );
    let pulled = B::conv_pullback(tensor(s, outputs), w, &cache, &window, 1);
    assert_close("long", &values(pulled), &back, 1e-12);
}

/// The largest error of single precision relative to the largest value, forward and back, for a layer
/// with 3 × 3 kernels.
fn winograd_errors(
    random: &mut Random,
    [channels, outputs]: [usize; 2],
    sign: f64,
    stride: usize,
) -> [f64; 2] {
    let before = random.below(0..=1);
    let mut axis = || Axis {
        kernel: 3,
        stride,
        padding: [if stride == 1 { random.below(0..=3) } else { before }, random.below(0..=3)],
        ..Axis::trivial(random.below(3..=24 * stride))
    };
    let window = Window::new([axis(), axis()]).unwrap();
    let rows = random.below(1..=5);
    let plane = |channels, [height, width]: [usize; 2]| [rows, channels, height, width];
    let [x, s] = [plane(channels, window.input()), plane(outputs, window.output())];
    let kernel = [outputs, channels, 3, 3];
    // Where all numbers have one sign, all intermediate sums are large.
    let mut values = |shape: [usize; 4]| -> Vec<f64> {
        let values = random.values(shape.iter().product()).into_iter();
        values.map(|v| f64::from(v as f32)).map(|v| if sign == 0.0 { v } else { v.abs() }).collect()
    };
    let data = [(values(x), x), (values(s), s), (values(kernel), kernel)];
    fn run<B: Kernels>(data: &[(Vec<f64>, [usize; 4]); 3], window: &Window) -> [Vec<f64>; 2] {
        let tensor = |i: usize| {
            let (values, shape) = &data[i];
            innsight_core::tensor::Tensor::<B>::from_vec(
                values.clone(),
                shape,
                &B::Device::default(),
            )
            .into_primitive()
        };
        let cache = B::Cache::default();
        let forward = B::conv(tensor(0), tensor(2), None, &cache, window, 1);
        let pulled = B::conv_pullback(tensor(1), tensor(2), &cache, window, 1);
        [forward, pulled].map(|t| innsight_core::tensor::Tensor::<B>::from_primitive(t).into_vec())
    }
    let single = run::<burn_ndarray::NdArray<f32>>(&data, &window);
    let double = run::<burn_ndarray::NdArray<f64>>(&data, &window);
    [0, 1].map(|i| {
        let scale = double[i].iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let errors = single[i].iter().zip(&double[i]).map(|(a, b)| (a - b).abs());
        errors.fold(0.0, f64::max) / scale
    })
}

#[test]
fn winograd_is_accurate() {
    let mut random = Random::new(8);
    // Sums of 4608 products without any tiles, as for the last stride, are off by 6e-6.
    for (stride, limits) in [(1, [3e-6, 2e-5]), (2, [1e-6, 1e-5]), (3, [1e-6, 1e-5])] {
        let mut all = Vec::new();
        for extents in [[16, 16], [17, 30], [64, 21], [33, 64], [256, 40], [45, 256], [512, 64]] {
            for sign in [0.0, 1.0] {
                all.extend(
                    (0..8).flat_map(|_| winograd_errors(&mut random, extents, sign, stride)),
                );
            }
        }
        all.sort_by(f64::total_cmp);
        let (middle, worst) = (all[all.len() / 2], all[all.len() - 1]);
        assert!(middle < limits[0], "stride {stride}, median: {middle:e}");
        assert!(worst < limits[1], "stride {stride}, worst: {worst:e}");
    }
}

/// Parts of weights as they are read, beside products with the parts themselves.
#[test]
fn parts_of_large_matrices() {
    type B = burn_ndarray::NdArray<f64>;
    let (device, mut random) = (Default::default(), Random::new(13));
    let values = |t| Tensor::<B>::from_primitive(t).into_vec();
    // Weights that are not packed, for rows that are streamed and for more.
    let [inputs, outputs] = [1100, 1000];
    let w = random.tensor::<B>(&[outputs, inputs], &device);
    for rows in [2, 30, 100] {
        let x = random.tensor::<B>(&[rows, inputs], &device);
        let s = random.tensor::<B>(&[rows, outputs], &device);
        for part in Part::EACH {
            let expected = part.of(w.clone()).into_primitive();
            let (x, s, w) = (x.clone(), s.clone(), w.clone().into_primitive());
            let (x, s) = (x.into_primitive(), s.into_primitive());
            let none = Default::default();
            let y = B::dense(x.clone(), expected.clone(), None, &none);
            let back = B::dense_pullback(s.clone(), expected, &none);
            let ours = [B::dense_part(x, w.clone(), part), B::dense_part_pullback(s, w, part)];
            for (ours, expected) in ours.into_iter().zip([y, back]) {
                let what = format!("{part:?}, {rows} rows");
                assert_close(&what, &values(ours), &values(expected), 1e-12);
            }
        }
    }
}

/// Products on either side of the limit up to which weights are packed.
#[test]
fn large_matrices() {
    fn run<B: Kernels>([rows, inputs, outputs]: [usize; 3], seed: u64) -> [Vec<f64>; 2] {
        let (device, mut random) = (B::Device::default(), Random::new(seed));
        let mut tensor = |shape: &[usize]| random.tensor::<B>(shape, &device).into_primitive();
        let (x, s) = (tensor(&[rows, inputs]), tensor(&[rows, outputs]));
        let (w, b) = (tensor(&[outputs, inputs]), tensor(&[1, outputs]));
        let cache = B::Cache::default();
        let y = B::dense(x, w.clone(), Some(b), &cache);
        let back = B::dense_pullback(s, w, &cache);
        [y, back].map(|t| innsight_core::tensor::Tensor::<B>::from_primitive(t).into_vec())
    }
    for rows in (1..=12).chain([60]) {
        for extents in [[rows, 33, 41], [rows, 2100, 513], [rows, 4099, 259]] {
            let single = run::<burn_ndarray::NdArray<f32>>(extents, rows as u64);
            let double = run::<burn_ndarray::NdArray<f64>>(extents, rows as u64);
            for (s, d) in single.iter().zip(&double) {
                assert_close(&format!("{extents:?}"), s, d, 1e-5);
            }
            // The plain loops.
            let mut random = Random::new(rows as u64);
            let [rows, inputs, outputs] = extents;
            let [x, s, w, b] = [rows * inputs, rows * outputs, outputs * inputs, outputs]
                .map(|n| random.values(n));
            let (mut y, mut back) = (vec![0.0; rows * outputs], vec![0.0; rows * inputs]);
            for r in 0..rows {
                for o in 0..outputs {
                    y[r * outputs + o] = b[o];
                    for i in 0..inputs {
                        y[r * outputs + o] += w[o * inputs + i] * x[r * inputs + i];
                        back[r * inputs + i] += w[o * inputs + i] * s[r * outputs + o];
                    }
                }
            }
            assert_close(&format!("{extents:?}"), &double[0], &y, 1e-12);
            assert_close(&format!("{extents:?}"), &double[1], &back, 1e-12);
        }
    }
}

/// Rows with zeros in the same places, in runs of every length, are multiplied without these.
fn zeros<B: Kernels>(device: &B::Device, tolerance: f64) {
    let (inputs, outputs) = (70, 45);
    let mut random = Random::new(3);
    let w = random.values(outputs * inputs);
    let mut s = Vec::new();
    for run in (1..=27).chain([1, 1, 2, 3, 1, 40, 400]).chain([1; 800]) {
        let kept: Vec<bool> = (0..outputs).map(|_| random.below(0..=2) == 0).collect();
        for _ in 0..run {
            let row = random.values(outputs).into_iter().zip(&kept);
            s.extend(row.map(|(s, kept)| if *kept { s } else { 0.0 }));
        }
    }
    let rows = s.len() / outputs;
    let mut back = vec![0.0; rows * inputs];
    for (r, row) in s.chunks(outputs).enumerate() {
        for (o, s) in row.iter().enumerate() {
            for i in 0..inputs {
                back[r * inputs + i] += s * w[o * inputs + i];
            }
        }
    }
    let tensor =
        |v: Vec<f64>, shape: [usize; 2]| Tensor::<B>::from_vec(v, &shape, device).into_primitive();
    let (s, w) = (tensor(s, [rows, outputs]), tensor(w, [outputs, inputs]));
    let pulled = Tensor::<B>::from_primitive(B::dense_pullback(s, w, &Default::default()));
    assert_close("zeros", &pulled.into_vec(), &back, tolerance);
}

#[test]
fn results_do_not_depend_on_other_rows() {
    type B = burn_ndarray::NdArray<f32>;
    let device = Default::default();
    let values = |t| innsight_core::tensor::Tensor::<B>::from_primitive(t).into_vec();
    // Tiles side by side, results side by side, and no tiles.
    let cases =
        [(3, 1, [20, 18]), (2, 1, [13, 10]), (3, 1, [7, 7]), (2, 1, [7, 7]), (3, 2, [27, 32])];
    for (kernel, stride, [height, width]) in cases {
        let axis = |n| Axis { kernel, stride, padding: [1, 1], ..Axis::trivial(n) };
        let window = Window::new([axis(height), axis(width)]).unwrap();
        let mut random = Random::new(9);
        let x = random.tensor::<B>(&[5, 40, height, width], &device);
        let w = random.tensor::<B>(&[42, 40, kernel, kernel], &device).into_primitive();
        let cache = Default::default();
        let run = |x: innsight_core::tensor::Tensor<B>| {
            let y = B::conv(x.into_primitive(), w.clone(), None, &cache, &window, 1);
            let back = B::conv_pullback(y.clone(), w.clone(), &cache, &window, 1);
            [values(y), values(back)]
        };
        let all = run(x.clone());
        for row in 0..5 {
            let one = run(x.clone().narrow(0, row..row + 1));
            for (one, all) in one.iter().zip(&all) {
                assert!(*one == all[row * one.len()..][..one.len()], "bits differ in row {row}");
            }
        }
    }
}

#[test]
fn cells_are_counted_as_they_lie() {
    let mut random = Random::new(5);
    for _ in 0..100 {
        for axis in window(&mut random, 5..=9).0 {
            for (o, places) in cells(axis).into_iter().enumerate() {
                let inside = places.iter().flatten().count();
                assert_eq!(axis.count(o, false), inside, "window {o} of {axis:?}");
                let padded = axis.padding[0] + axis.input + axis.padding[1];
                let places = (0..axis.kernel).map(|k| o * axis.stride + k * axis.dilation);
                let with_padding = places.filter(|p| *p < padded).count();
                assert_eq!(axis.count(o, true), with_padding, "window {o} of {axis:?}");
            }
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    type B = burn_ndarray::NdArray<f32>;
    let device = Default::default();
    let values = |t| Tensor::<B>::from_primitive(t).into_vec();
    // A thread's part of a plane may begin within a row, such as that of two threads in the wide plane.
    let run = |threads: usize, stride: usize, [height, width]: [usize; 2], rows, groups| {
        set_threads(threads);
        let axis = |n| Axis { kernel: 3, stride, padding: [1, 1], ..Axis::trivial(n) };
        let window = Window::new([axis(height), axis(width)]).unwrap();
        let mut random = Random::new(4);
        let x = random.tensor::<B>(&[rows, 32, height, width], &device).into_primitive();
        let w = random.tensor::<B>(&[32, 32 / groups, 3, 3], &device).into_primitive();
        let cache = Default::default();
        let y = B::conv(x, w.clone(), None, &cache, &window, groups);
        let back = B::conv_pullback(y.clone(), w, &cache, &window, groups);
        let a = random.tensor::<B>(&[300, 200], &device).into_primitive();
        let b = random.tensor::<B>(&[100, 200], &device).into_primitive();
        [y, back, B::dense(a, b, None, &Default::default())].map(values)
    };
    for (stride, plane) in [(1, [40, 40]), (1, [41, 46]), (2, [41, 46])] {
        for (rows, groups) in [(1, 1), (1, 4), (2, 1), (7, 2)] {
            let one = run(1, stride, plane, rows, groups);
            for threads in [2, 3, 8] {
                let many = run(threads, stride, plane, rows, groups);
                assert!(many == one, "bits differ with {threads} threads, {plane:?}, {stride}");
            }
        }
    }
    set_threads(2);
}
