//! The tests of the core, on every backend that is built: `cargo test` runs ndarray in single and
//! double precision, `cargo test --features gpu` wgpu as well.
#![allow(missing_docs, clippy::unwrap_used)]

mod ask;
mod attributions;
mod axioms;
mod catalogue;
mod finite_differences;
mod formats;
mod graphs;
mod kernels;
mod layers;
mod layouts;
mod matrix_form;
mod networks;
mod onnx;

use innsight_core::graph::Network;
use innsight_core::kernels::Kernels;
use innsight_core::layers::Op;
use innsight_core::model::{Array, Layer, Model, Order};
use innsight_core::tensor::Tensor;

/// Runs generic tests `fn name<B: Kernels>(device: &B::Device, tolerance: f64)` on every backend.
macro_rules! on_every_backend {
    ($($test:ident),* $(,)?) => {$(
        mod $test {
            #[test]
            fn ndarray_f32() {
                super::$test::<burn_ndarray::NdArray<f32>>(&Default::default(), 1e-4);
            }
            #[test]
            fn ndarray_f64() {
                super::$test::<burn_ndarray::NdArray<f64>>(&Default::default(), 1e-11);
            }
            #[cfg(feature = "gpu")]
            #[test]
            fn wgpu() {
                let device = innsight_core::kernels::gpu::device().expect("a GPU or lavapipe");
                super::$test::<burn_wgpu::Wgpu>(&device, 1e-4);
            }
        }
    )*};
}
pub(crate) use on_every_backend;

/// A small generator of reproducible numbers (SplitMix64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A whole number in the range.
    pub fn below(&mut self, range: std::ops::RangeInclusive<usize>) -> usize {
        range.start() + (self.next() % (range.end() - range.start() + 1) as u64) as usize
    }

    /// Numbers between -1 and 1.
    pub fn values(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| (self.next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0).collect()
    }

    pub fn array(&mut self, shape: &[usize]) -> Array {
        Array::new(shape, self.values(shape.iter().product()))
    }

    pub fn tensor<B: Kernels>(&mut self, shape: &[usize], device: &B::Device) -> Tensor<B> {
        Tensor::from_vec(self.values(shape.iter().product()), shape, device)
    }
}

pub fn with_rows(rows: usize, shape: &[usize]) -> Vec<usize> {
    [&[rows], shape].concat()
}

/// One tensor with random values for every shape.
pub fn operands<B: Kernels>(
    random: &mut Random,
    shapes: &[Vec<usize>],
    rows: usize,
    device: &B::Device,
) -> Vec<Tensor<B>> {
    shapes.iter().map(|shape| random.tensor(&with_rows(rows, shape), device)).collect()
}

/// A layer type with its settings, as JSON writes it.
pub fn op(settings: serde_json::Value) -> Op {
    serde_json::from_value(settings).expect("settings of a layer")
}

/// An activation function with arguments that are not the defaults.
pub fn activation(name: &str) -> serde_json::Value {
    let args = match name {
        "leaky_relu" => serde_json::json!({"negative_slope": 0.1}),
        "softplus" => serde_json::json!({"beta": 2.0, "threshold": 1.5}),
        "elu" => serde_json::json!({"alpha": 0.7}),
        "hard_tanh" => serde_json::json!({"min_val": -0.4, "max_val": 0.3}),
        "celu" => serde_json::json!({"alpha": 0.6}),
        "squareplus" => serde_json::json!({"b": 0.5}),
        "hard_shrink" | "soft_shrink" => serde_json::json!({"lambd": 0.2}),
        "hard_sigmoid" => serde_json::json!({"slope": 0.6, "offset": 0.4}),
        _ => serde_json::json!({}),
    };
    serde_json::json!({"name": name, "args": args})
}

/// A model from its layers `(inputs, op)`.
pub fn model(
    input_dim: &[&[usize]],
    layers: Vec<(Vec<i64>, Op)>,
    outputs: &[usize],
    arrays: Vec<Array>,
) -> Model {
    Model {
        input_dim: input_dim.iter().map(|s| s.to_vec()).collect(),
        layers: layers.into_iter().map(|(inputs, op)| Layer { name: None, inputs, op }).collect(),
        outputs: outputs.to_vec(),
        arrays,
    }
}

pub fn build<B: Kernels>(model: &Model, device: &B::Device) -> Network<B> {
    Network::new(model, device, Order::ChannelsFirst).expect("a sound model")
}

#[track_caller]
pub fn assert_close(what: &str, left: &[f64], right: &[f64], tolerance: f64) {
    assert_eq!(left.len(), right.len(), "{what}: lengths");
    let scale = right.iter().fold(1.0f64, |m, x| m.max(x.abs()));
    for (i, (l, r)) in left.iter().zip(right).enumerate() {
        let off = (l - r).abs();
        assert!(off <= tolerance * scale, "{what}: {l} and {r} at {i}, tolerance {tolerance}");
    }
}
