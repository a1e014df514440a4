//! Gradients against central differences in double precision, for every layer type.

use burn_ndarray::NdArray;
use innsight_core::methods::{explain, Gradient};
use innsight_core::tensor::Tensor;
use serde_json::json;

use crate::catalogue::all;
use crate::{activation, build, model, op, with_rows, Random};

type B = NdArray<f64>;

#[test]
fn gradients_are_derivatives() {
    let device = Default::default();
    let mut random = Random::new(31);
    for case in (1..=3).flat_map(|seed| all(&mut Random::new(seed))) {
        let (_, shape) = case.layer::<B>(&device);
        // The layer, flattened, with a dense layer of two nodes behind it.
        let cells: usize = shape.iter().product();
        let mut arrays = case.arrays.clone();
        arrays.push(random.array(&[2, cells]));
        let dense = json!({
            "Dense": {"weight": arrays.len(), "bias": 0, "activation": activation("tanh")}
        });
        let flatten =
            json!({"Flatten": {"start_dim": 2, "end_dim": -1, "order": "channels_first"}});
        let sources = (1..=case.inputs.len() as i64).map(|i| -i).collect();
        let layers = vec![(sources, case.op.clone()), (vec![1], op(flatten)), (vec![2], op(dense))];
        let shapes: Vec<&[usize]> = case.inputs.iter().map(Vec::as_slice).collect();
        let network = build::<B>(&model(&shapes, layers, &[3], arrays), &device);

        let x: Vec<Vec<f64>> = shapes.iter().map(|s| random.values(s.iter().product())).collect();
        let tensors = |x: &[Vec<f64>]| -> Vec<Tensor<B>> {
            let tensor = |(v, s): (&Vec<f64>, &&[usize])| {
                Tensor::from_vec(v.clone(), &with_rows(1, s), &device)
            };
            x.iter().zip(&shapes).map(tensor).collect()
        };
        let tape = &network.forward(tensors(&x)).unwrap();
        let method = Gradient { tape, times_input: false };
        let explanation =
            explain(&network, &method, &[vec![1]], false, false).unwrap().remove(0).unwrap();
        let predict = |x: &[Vec<f64>]| {
            let tape = network.forward(tensors(x)).unwrap();
            tape.value(network.outputs[0].value).clone().into_vec()[1]
        };
        let step = 1e-6;
        for (i, gradient) in explanation.attributions.into_iter().enumerate() {
            for (cell, derivative) in gradient.unwrap().into_vec().into_iter().enumerate() {
                let moved = |by: f64| {
                    let mut x = x.clone();
                    x[i][cell] += by;
                    predict(&x)
                };
                let difference = (moved(step) - moved(-step)) / (2.0 * step);
                assert!(
                    (derivative - difference).abs() < 1e-6,
                    "{derivative} and {difference} at input {i}, cell {cell} of {}",
                    case.name
                );
            }
        }
    }
}
