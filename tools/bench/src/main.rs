//! Convolution of VGG16's 3 × 3 layers: burn-ndarray's own operations (on one thread), and the kernels
//! of innsight-core. Prints GFLOP/s for each, as lines of a Markdown table.
//!
//!     cargo run --release --manifest-path tools/bench/Cargo.toml [-- THREADS]

use std::time::Instant;

use burn::tensor::ops::{ConvOptions, ConvTransposeOptions, ModuleOps};
use burn_ndarray::NdArray;
use innsight_core::kernels::{cpu::set_threads, Axis, Kernels, Window};
use innsight_core::tensor::Tensor;

type B = NdArray<f32>;

/// The best of some runs, in seconds.
fn time<T>(runs: usize, run: impl Fn() -> T) -> f64 {
    let once = |_| {
        let start = Instant::now();
        std::hint::black_box(run());
        start.elapsed().as_secs_f64()
    };
    (0..runs).map(once).fold(f64::INFINITY, f64::min)
}

fn main() {
    let threads = std::env::args()
        .nth(1)
        .map_or(1, |n| n.parse().expect("a number of threads"));
    set_threads(threads);
    let device = Default::default();
    println!("| layer | rows | forward: burn | forward: ours | pullback: burn | pullback: ours |");
    println!("|---|---|---|---|---|---|");
    let layers = [
        (3, 64, 224),
        (64, 64, 224),
        (64, 128, 112),
        (128, 256, 56),
        (256, 512, 28),
        (512, 512, 14),
    ];
    for (channels, outputs, size) in layers {
        for rows in [1, 8] {
            let axis = Axis {
                input: size,
                kernel: 3,
                stride: 1,
                dilation: 1,
                padding: [1, 1],
                ceil_mode: false,
            };
            let window = Window::new([axis, axis]).expect("windows that fit");
            let noise = |shape: &[usize]| {
                let cells: usize = shape.iter().product();
                let values = (0..cells)
                    .map(|i| ((i * 7919) % 1000) as f32 / 500.0 - 1.0)
                    .collect();
                Tensor::<B>::from_vec::<f32>(values, shape, &device).into_primitive()
            };
            let x = noise(&[rows, channels, size, size]);
            let w = noise(&[outputs, channels, 3, 3]);
            let s = noise(&[rows, outputs, size, size]);
            let flops = 2.0 * (rows * channels * outputs * 9 * size * size) as f64;
            let speed = |seconds: f64| match seconds.is_nan() {
                true => "-".to_string(),
                false => format!("{:.1}", flops / seconds / 1e9),
            };
            let options = || ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
            let transposed = || ConvTransposeOptions::new([1, 1], [1, 1], [0, 0], [1, 1], 1);
            let seconds = [
                time(3, || {
                    <B as ModuleOps<B>>::conv2d(x.clone(), w.clone(), None, options())
                }),
                time(3, || B::conv(x.clone(), w.clone(), &window, 1)),
                // burn's own pullback takes seconds even for one row.
                if rows > 1 {
                    f64::NAN
                } else {
                    time(1, || {
                        <B as ModuleOps<B>>::conv_transpose2d(
                            s.clone(),
                            w.clone(),
                            None,
                            transposed(),
                        )
                    })
                },
                time(3, || B::conv_pullback(s.clone(), w.clone(), &window, 1)),
            ];
            let cells: Vec<String> = seconds.into_iter().map(speed).collect();
            println!(
                "| {channels}→{outputs} @ {size} | {rows} | {} |",
                cells.join(" | ")
            );
        }
    }
}
