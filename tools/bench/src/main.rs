//! Milliseconds of the kernels of innsight-core, for `compare.py`: one line a layer of `layers.txt`,
//! direction and batch size, the best of some runs.
//!
//!     cargo run --release --manifest-path tools/bench/Cargo.toml -- THREADS [ROWS [NAME]]

use std::sync::Arc;
use std::time::Instant;

use burn_ndarray::{NdArray, NdArrayTensor};
use innsight_core::kernels::{cpu::set_threads, Axis, Kernels, Window};
use innsight_core::model::Shared;
use innsight_core::tensor::Tensor;

type B = NdArray<f32>;

/// Milliseconds: those that this thread has computed for where it is the only one, so that other
/// programs count less.
fn clock(start: Instant) -> f64 {
    if threads() > 1 {
        return start.elapsed().as_secs_f64() * 1e3;
    }
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes to `time` alone.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

fn threads() -> usize {
    std::env::args().nth(1).map_or(1, |n| n.parse().expect("a number of threads"))
}

/// The best of some runs, in milliseconds. The first one prepares the weights.
fn time(run: impl Fn() -> NdArrayTensor) -> f64 {
    let start = Instant::now();
    let once = || {
        let before = clock(start);
        // A tensor leaves its memory to the next result, as in the package.
        std::hint::black_box(Tensor::<B>::from_primitive(run()));
        clock(start) - before
    };
    once();
    let (mut best, mut spent, mut runs) = (f64::INFINITY, 0.0, 0);
    while runs < 3 || (spent < 150.0 && runs < 1000) {
        let now = once();
        (best, spent, runs) = (best.min(now), spent + now, runs + 1);
    }
    best
}

fn noise(shape: &[usize]) -> Tensor<B> {
    let cells: usize = shape.iter().product();
    let value = |i: usize| ((i * 7919) % 1000) as f32 / 500.0 - 1.0;
    Tensor::from_vec::<f32>((0..cells).map(value).collect(), shape, &Default::default())
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let number = |i: usize| args.get(i).map(|n| n.parse::<usize>().expect("a number"));
    set_threads(threads());
    for line in include_str!("../layers.txt").lines() {
        let (name, extents) = line.split_once(':').expect("name: extents");
        if args.get(3).is_some_and(|wanted| !name.contains(wanted.as_str())) {
            continue;
        }
        let extents: Vec<usize> =
            extents.split_whitespace().map(|n| n.parse().expect("a number")).collect();
        for rows in number(2).map_or(vec![1, 16], |rows| vec![rows]) {
            let [forward, pullback] = match extents[..] {
                [inputs, outputs] => dense(rows, inputs, outputs),
                [channels, outputs, kernel, stride, padding, height, width] => {
                    let axis = |input: usize| match input {
                        1 => Axis::trivial(1),
                        _ => Axis { kernel, stride, padding: [padding; 2], ..Axis::trivial(input) },
                    };
                    let window = Window::new([axis(height), axis(width)]).expect("windows that fit");
                    conv(rows, channels, outputs, &window)
                }
                _ => panic!("not a layer: {line}"),
            };
            println!("{name}\t{rows}\tforward\t{forward}\n{name}\t{rows}\tpullback\t{pullback}");
        }
    }
}

/// Memory from a byte on.
struct Placed(Vec<u8>, usize);

impl AsRef<[u8]> for Placed {
    fn as_ref(&self) -> &[u8] {
        &self.0[self.1..]
    }
}

/// Weights where R has them, which is at the start of a cache line.
fn weights(shape: &[usize]) -> NdArrayTensor {
    let numbers = noise(shape).into_vec();
    let mut bytes: Vec<u8> = Vec::with_capacity(4 * numbers.len() + 64);
    let start = bytes.as_ptr().align_offset(64);
    bytes.resize(start, 0);
    bytes.extend(numbers.iter().flat_map(|x| (*x as f32).to_le_bytes()));
    let bytes: Shared = Arc::new(Placed(bytes, start));
    B::tensor_in_place(&bytes, shape).expect("weights that can be read in place")
}

fn dense(rows: usize, inputs: usize, outputs: usize) -> [f64; 2] {
    let (x, s) = (noise(&[rows, inputs]), noise(&[rows, outputs]));
    let (w, b) = (weights(&[outputs, inputs]), noise(&[1, outputs]));
    let (x, s, b) = (x.into_primitive(), s.into_primitive(), b.into_primitive());
    let cache = Default::default();
    [
        time(|| B::dense(x.clone(), w.clone(), Some(b.clone()), &cache)),
        time(|| B::dense_pullback(s.clone(), w.clone(), &cache)),
    ]
}

fn conv(rows: usize, channels: usize, outputs: usize, window: &Window) -> [f64; 2] {
    let planes = |channels, [height, width]: [usize; 2]| {
        noise(&[rows, channels, height, width]).into_primitive()
    };
    let (x, s) = (planes(channels, window.input()), planes(outputs, window.output()));
    let [height, width] = window.kernels();
    let w = weights(&[outputs, channels, height, width]);
    let b = noise(&[outputs]).into_primitive();
    let cache = Default::default();
    [
        time(|| B::conv(x.clone(), w.clone(), Some(b.clone()), &cache, window, 1)),
        time(|| B::conv_pullback(s.clone(), w.clone(), &cache, window, 1)),
    ]
}
