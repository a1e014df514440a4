//! Whole methods without R, on random networks of the shapes (a) to (e) of the README beside the
//! crate. Prints the best time of some runs in milliseconds; profilers see one process and no R.
//!
//!     cargo run --release --bin methods [-- NETWORKS [METHODS [THREADS [RUNS]]]]
//!
//! NETWORKS are letters (`bcd`), METHODS the start of a name (`lrp`, empty for all). With `--features gpu`
//! everything runs on the GPU. The mean of all results' sizes stands behind the time, to be compared.

use std::time::Instant;

use innsight_core::graph::Network;
use innsight_core::kernels::cpu::{release_memory, set_threads};
use innsight_core::methods::{
    average, explain, DeepLift, DeepLiftRule, Explanation, Gradient, IntegratedGradient, Lrp,
    LrpRules, MaxPool, Points, SmoothGrad,
};
use innsight_core::model::{Array, Layer, Model, Order};
use innsight_core::tensor::Tensor;
use serde_json::{json, Value};

#[cfg(not(feature = "gpu"))]
type B = burn_ndarray::NdArray<f32>;
#[cfg(feature = "gpu")]
type B = burn_wgpu::Wgpu;

#[cfg(not(feature = "gpu"))]
fn device() -> burn_ndarray::NdArrayDevice {
    Default::default()
}
#[cfg(feature = "gpu")]
fn device() -> burn_wgpu::WgpuDevice {
    innsight_core::kernels::gpu::device().expect("a GPU")
}

/// Numbers between -1 and 1 that look random.
fn noise(shape: &[usize], scale: f64, seed: &mut u64) -> Vec<f64> {
    let mut next = || {
        *seed = seed
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        ((*seed >> 40) as f64 / (1u64 << 23) as f64 - 1.0) * scale
    };
    (0..shape.iter().product()).map(|_| next()).collect()
}

#[derive(Default)]
struct Chain {
    layers: Vec<Layer>,
    arrays: Vec<Array>,
    seed: u64,
}

impl Chain {
    fn push(&mut self, op: Value) {
        let inputs = vec![if self.layers.is_empty() {
            -1
        } else {
            self.layers.len() as i64
        }];
        let op = serde_json::from_value(op).expect("settings of a layer");
        self.layers.push(Layer {
            name: None,
            inputs,
            op,
        });
    }

    fn array(&mut self, shape: &[usize]) -> usize {
        let fan_in: usize = shape[1..].iter().product();
        let values = noise(shape, (6.0 / fan_in as f64).sqrt().min(0.1), &mut self.seed);
        self.arrays.push(Array::new(shape, values));
        self.arrays.len()
    }

    fn dense(&mut self, inputs: usize, outputs: usize, activation: &str) {
        let (weight, bias) = (self.array(&[outputs, inputs]), self.array(&[outputs]));
        let activation = json!({"name": activation});
        self.push(json!({"Dense": {"weight": weight, "bias": bias, "activation": activation}}));
    }

    fn conv(&mut self, channels: usize, outputs: usize, kernel: &[usize], padding: usize) {
        let (weight, bias) = (
            self.array(&[&[outputs, channels], kernel].concat()),
            self.array(&[outputs]),
        );
        let d = kernel.len();
        self.push(json!({format!("Conv{d}D"): {
            "weight": weight, "bias": bias, "stride": vec![1; d], "dilation": vec![1; d],
            "padding": vec![padding; 2 * d], "padding_mode": "constant", "groups": 1,
            "activation": {"name": "relu"},
        }}));
    }

    fn pool(&mut self, size: usize, d: usize) {
        self.push(json!({format!("MaxPooling{d}D"): {
            "kernel_size": vec![size; d], "strides": vec![size; d], "padding": vec![0; 2 * d],
            "dilation": vec![1; d], "ceil_mode": false,
        }}));
    }

    fn flatten(&mut self) {
        self.push(json!({"Flatten": {"start_dim": 2, "end_dim": -1, "order": "channels_first"}}));
    }
}

/// The network, its input, rows and targets.
fn network(letter: char) -> (Network<B>, Tensor<B>, usize) {
    let mut c = Chain {
        seed: 1,
        ..Chain::default()
    };
    let (input, rows, targets): (&[usize], usize, usize) = match letter {
        'a' => {
            [(4, 15), (15, 10), (10, 5)]
                .iter()
                .for_each(|&(n, m)| c.dense(n, m, "relu"));
            c.dense(5, 3, "linear");
            (&[4], 150, 3)
        }
        'b' => {
            [(100, 256), (256, 256)]
                .iter()
                .for_each(|&(n, m)| c.dense(n, m, "relu"));
            c.dense(256, 10, "linear");
            (&[100], 1000, 10)
        }
        'c' => {
            c.conv(3, 32, &[9], 0);
            c.pool(4, 1);
            c.conv(32, 64, &[9], 0);
            c.pool(4, 1);
            c.flatten();
            c.dense(64 * 60, 128, "relu");
            c.dense(128, 5, "linear");
            (&[3, 1000], 32, 5)
        }
        'd' => {
            c.conv(3, 32, &[3, 3], 1);
            c.conv(32, 32, &[3, 3], 1);
            c.pool(2, 2);
            c.conv(32, 64, &[3, 3], 1);
            c.pool(2, 2);
            c.flatten();
            c.dense(4096, 128, "relu");
            c.dense(128, 10, "linear");
            (&[3, 32, 32], 32, 10)
        }
        'e' | 'f' => {
            let mut channels = 3;
            for (convolutions, outputs) in [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)] {
                for _ in 0..convolutions {
                    c.conv(channels, outputs, &[3, 3], 1);
                    channels = outputs;
                }
                c.pool(2, 2);
            }
            c.flatten();
            c.dense(25088, 4096, "relu");
            c.dense(4096, 4096, "relu");
            c.dense(4096, 1000, "linear");
            (&[3, 224, 224], 1, if letter == 'e' { 1 } else { 5 })
        }
        other => panic!("There is no network {other}"),
    };
    let shape = [&[rows], input].concat();
    let x = Tensor::from_vec(noise(&shape, 1.0, &mut c.seed), &shape, &device());
    let outputs = vec![c.layers.len()];
    let model = Model {
        input_dim: vec![input.to_vec()],
        layers: c.layers,
        outputs,
        arrays: c.arrays,
    };
    let network = Network::new(&model, &device(), Order::ChannelsFirst);
    (network.expect("a network"), x, targets)
}

type Run<'a> = (&'a str, Box<dyn Fn() -> Vec<Tensor<B>> + 'a>);

fn attributions(explained: Vec<Option<Explanation<B>>>) -> Vec<Tensor<B>> {
    let of = |e: Explanation<B>| e.attributions.into_iter().flatten();
    explained.into_iter().flatten().flat_map(of).collect()
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let arg = |i: usize, default: &'static str| args.get(i).map_or(default, String::as_str);
    set_threads(arg(2, "2").parse().expect("a number of threads"));
    let runs: usize = arg(3, "5").parse().expect("a number of runs");
    for letter in arg(0, "abcde").chars() {
        let (network, x, targets) = &network(letter);
        let x = std::slice::from_ref(x);
        let targets = &[(0..*targets).collect::<Vec<_>>()];
        let tape = || network.forward(x.to_vec()).expect("values");
        let lrp = |name: &'static str, parameter: f64| {
            move || {
                let rules = &LrpRules::new(&[], (name, Some(parameter)), true).expect("a rule");
                let method = Lrp {
                    tape: &tape(),
                    rules,
                    books: None,
                };
                attributions(explain(network, &method, targets, true, false).expect("results"))
            }
        };
        let zeros = || {
            vec![Tensor::full(
                &[&[1], &x[0].shape()[1..]].concat(),
                0.0,
                &network.device,
            )]
        };
        let deep_lift = |rule: DeepLiftRule| {
            move || {
                let reference = &network.forward(zeros()).expect("values");
                let (tape, weight, max_pool) = (&tape(), 1.0, MaxPool::Winner);
                let method = DeepLift {
                    network,
                    tape,
                    reference,
                    weight,
                    rule,
                    max_pool,
                };
                attributions(explain(network, &method, targets, true, false).expect("results"))
            }
        };
        // Ten rows at a time, which is what chunks are for.
        let averaged = |points: &dyn Points<B>| {
            let shape = x[0].shape();
            let mut results = Vec::new();
            for start in (0..shape[0]).step_by(8) {
                let end = shape[0].min(start + 8);
                let batch = points.batch(&[x[0].clone().narrow(0, start..end)], start, 0..10);
                let means = average(network, batch, targets, true).expect("results");
                results.extend(means.into_iter().flatten().flatten().flatten());
            }
            results
        };
        let smooth = SmoothGrad {
            n: 10,
            sigmas: vec![0.1],
            seed: 1,
            times_input: false,
        };
        let alphas: Vec<f64> = (0..10).map(|i| f64::from(i) / 10.0).collect();
        let weights = vec![0.1; 10];
        let integrated = IntegratedGradient {
            reference: zeros(),
            alphas,
            weights,
            times_input: true,
        };
        let methods: [Run; 9] = [
            (
                "forward pass",
                Box::new(|| vec![tape().value(network.outputs[0].value).clone()]),
            ),
            (
                "gradient",
                Box::new(|| {
                    let method = Gradient {
                        tape: &tape(),
                        times_input: false,
                    };
                    attributions(explain(network, &method, targets, true, false).expect("results"))
                }),
            ),
            ("lrp epsilon", Box::new(lrp("epsilon", 0.01))),
            ("lrp alpha 1", Box::new(lrp("alpha_beta", 1.0))),
            ("lrp alpha 2", Box::new(lrp("alpha_beta", 2.0))),
            (
                "deeplift rescale",
                Box::new(deep_lift(DeepLiftRule::Rescale)),
            ),
            (
                "deeplift reveal-cancel",
                Box::new(deep_lift(DeepLiftRule::RevealCancel)),
            ),
            ("smoothgrad 10", Box::new(|| averaged(&smooth))),
            ("integrated gradient 10", Box::new(|| averaged(&integrated))),
        ];
        for (name, run) in methods
            .iter()
            .filter(|(name, _)| name.starts_with(arg(1, "")))
        {
            // Reading the values waits for the GPU.
            let values = || {
                run()
                    .into_iter()
                    .map(Tensor::into_values)
                    .collect::<Vec<_>>()
            };
            values();
            let time = |_| {
                let start = Instant::now();
                drop(values());
                release_memory();
                start.elapsed().as_secs_f64()
            };
            let best = (0..runs).map(time).fold(f64::INFINITY, f64::min);
            let cells: Vec<f64> = run().into_iter().flat_map(Tensor::into_vec).collect();
            let size = cells.iter().map(|x| x.abs()).sum::<f64>() / cells.len() as f64;
            println!("{letter}  {name:<24}{:10.2} ms   {size:.6e}", 1000.0 * best);
        }
    }
}
