//! Random networks: graphs of every layer type, with one or two inputs and outputs.

use std::fmt;

use burn_ndarray::NdArray;
use innsight_core::graph::Network;
use innsight_core::kernels::Kernels;
use innsight_core::layers::{Context, ACTIVATIONS};
use innsight_core::model::{Array, Model, Order};
use serde_json::{json, Value};

use crate::{activation, build, model, op, Random};

/// What the layers of a network may be; the default is everything.
#[derive(Clone)]
pub struct Recipe {
    /// The activation functions.
    pub functions: Vec<&'static str>,
    /// The function of the last layer; `None` for any of them.
    pub last: Option<&'static str>,
    /// The families of layers besides the plain ones.
    pub families: Vec<Family>,
    /// Whether there are biases and other constants.
    pub bias: bool,
    /// The numbers of axes that an input may have; 1: tabular, 2: signal, 3: image.
    pub inputs: Vec<usize>,
    /// The largest number of inputs, and of outputs.
    pub ends: usize,
}

/// A family of layers that some properties do not hold for.
#[derive(Clone, Copy, PartialEq)]
pub enum Family {
    /// Affine and structural layers and activation functions.
    Plain,
    /// Maxima over windows and rectifiers: linear piece by piece.
    Piecewise,
    /// Layers that multiply values of the data with each other: products and normalisation.
    Product,
}

use Family::{Piecewise, Plain, Product};

impl Default for Recipe {
    fn default() -> Self {
        let functions = ACTIVATIONS.iter().map(|(name, _)| *name).collect();
        let families = vec![Piecewise, Product];
        Self { functions, last: None, families, bias: true, inputs: vec![1, 2, 3], ends: 2 }
    }
}

impl Recipe {
    /// These activation functions and families of layers alone.
    pub fn of(functions: &[&'static str], families: &[Family]) -> Self {
        let (functions, families) = (functions.to_vec(), families.to_vec());
        Self { functions, families, ..Self::default() }
    }

    /// Networks by this recipe, always the same ones.
    pub fn networks(&self, count: u64) -> impl Iterator<Item = Plan> + '_ {
        (0..count).map(|seed| Sketch::new(self, seed).finish())
    }
}

type Draft = fn(&mut Sketch, &[usize]) -> Value;

const ANY: &[usize] = &[1, 2, 3];
const SPATIAL: &[usize] = &[2, 3];

/// The layer types: family, numbers of axes and of operands, and the settings for operands of a shape.
/// Settings that do not fit the operands are dropped.
const LAYERS: &[(Family, &[usize], usize, Draft)] = &[
    (Plain, &[1], 1, Sketch::dense),
    (Plain, SPATIAL, 1, Sketch::conv),
    (Plain, SPATIAL, 1, Sketch::conv),
    (Plain, SPATIAL, 1, Sketch::conv_transpose),
    (Plain, SPATIAL, 1, Sketch::upsampling),
    (Plain, SPATIAL, 1, |s, x| s.pooling("Average", x)),
    (Plain, SPATIAL, 1, |_, _| json!({"GlobalAvgPooling": {}})),
    (Piecewise, SPATIAL, 1, |s, x| s.pooling("Max", x)),
    (Piecewise, SPATIAL, 1, |_, _| json!({"GlobalMaxPooling": {}})),
    (Plain, ANY, 1, Sketch::batch_norm),
    (Plain, SPATIAL, 1, Sketch::padding),
    (Plain, ANY, 1, Sketch::scale),
    (Plain, ANY, 1, Sketch::slice),
    (Plain, SPATIAL, 1, Sketch::flatten),
    (Plain, &[1], 1, |s, _| json!({"Reshape": {"target": [1, -1], "order": s.order()}})),
    (Plain, SPATIAL, 1, Sketch::reshape),
    (Plain, &[2], 1, |_, _| json!({"Permute": {"axes": [3, 2]}})),
    (Plain, &[3], 1, |_, _| json!({"Permute": {"axes": [4, 2, 3]}})),
    (Plain, ANY, 1, |_, _| json!({"Skipping": {}})),
    (Plain, ANY, 1, |s, _| json!({"Activation": {"activation": s.function()}})),
    (Piecewise, ANY, 1, Sketch::prelu),
    (Plain, ANY, 2, |_, _| json!({"Concatenate": {"axis": 2}})),
    (Plain, SPATIAL, 2, |_, _| json!({"Concatenate": {"axis": -1}})),
    (Plain, ANY, 2, |_, _| json!({"Add": {}})),
    (Plain, ANY, 3, |_, _| json!({"Add": {}})),
    (Product, ANY, 2, |_, _| json!({"Multiply": {}})),
    (Product, ANY, 3, |_, _| json!({"Multiply": {}})),
    (Product, ANY, 1, |s, x| s.norm("LayerNorm", x, json!({}))),
    (Product, ANY, 1, |s, x| s.norm("LayerNorm", &x[..1], json!({"axes": [2]}))),
    (Product, SPATIAL, 1, |s, x| s.norm("LayerNorm", &x[1..2], json!({"axes": [3]}))),
    (Product, ANY, 1, |s, x| s.norm("GroupNorm", &x[..1], json!({"groups": 2 - x[0] % 2}))),
    (Product, SPATIAL, 1, |s, x| s.norm("InstanceNorm", &x[..1], json!({}))),
];

/// The largest number of cells that a layer takes.
const CELLS: usize = 120;

/// A network in the making.
struct Sketch {
    recipe: Recipe,
    random: Random,
    /// Where every value comes from, as layers refer to it, and its extents.
    values: Vec<(i64, Vec<usize>)>,
    plan: Plan,
}

/// A network whose settings can be read and changed.
#[derive(Clone)]
pub struct Plan {
    seed: u64,
    pub inputs: Vec<Vec<usize>>,
    pub layers: Vec<(Vec<i64>, Value)>,
    pub outputs: Vec<usize>,
    pub arrays: Vec<Array>,
}

impl Plan {
    /// A network without layers.
    pub fn new(inputs: &[&[usize]]) -> Self {
        let inputs = inputs.iter().map(|shape| shape.to_vec()).collect();
        Self { seed: 0, inputs, layers: vec![], outputs: vec![], arrays: vec![] }
    }

    /// Puts a layer behind the last one, or behind the first input, and makes it the only output.
    pub fn then(&mut self, settings: Value) {
        let last = self.layers.len();
        self.layers.push((vec![if last == 0 { -1 } else { last as i64 }], settings));
        self.outputs = vec![last + 1];
    }

    pub fn build<B: Kernels>(&self, device: &B::Device) -> Network<B> {
        build(&self.model(), device)
    }

    fn model(&self) -> Model {
        let inputs: Vec<&[usize]> = self.inputs.iter().map(Vec::as_slice).collect();
        let layers =
            self.layers.iter().map(|(from, settings)| (from.clone(), op(settings.clone())));
        model(&inputs, layers.collect(), &self.outputs, self.arrays.clone())
    }

    /// Keeps an array and gives its number.
    pub fn keep(&mut self, array: Array) -> usize {
        self.arrays.push(array);
        self.arrays.len()
    }

    /// The same network with a dense layer of these weights between the only input, which is
    /// tabular, and all that takes it.
    pub fn behind(&self, weight: Array) -> Self {
        let mut plan = self.clone();
        plan.inputs = vec![vec![weight.shape[1]]];
        let settings =
            json!({"weight": plan.keep(weight), "bias": 0, "activation": {"name": "linear"}});
        let later = |&from: &i64| if from < 0 { 1 } else { from + 1 };
        plan.layers.iter_mut().for_each(|(from, _)| *from = from.iter().map(later).collect());
        plan.layers.insert(0, (vec![-1], json!({"Dense": settings})));
        plan.outputs.iter_mut().for_each(|output| *output += 1);
        plan
    }

    /// The same network with every number of the arrays of this name, weights or biases, replaced.
    pub fn with(&self, field: &str, f: impl Fn(f64) -> f64) -> Self {
        let mut plan = self.clone();
        for settings in self.layers.iter().flat_map(|(_, op)| op.as_object().unwrap().values()) {
            let number = settings.get(field).and_then(Value::as_u64).unwrap_or(0) as usize;
            if number > 0 {
                let shape = &self.arrays[number - 1].shape;
                let values = self.values(number).into_iter().map(&f).collect();
                plan.arrays[number - 1] = Array::new(shape, values);
            }
        }
        plan
    }

    /// The values of the array with this number.
    pub fn values(&self, number: usize) -> Vec<f64> {
        self.arrays[number - 1].to_vec()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "network {}: inputs {:?}, outputs {:?}", self.seed, self.inputs, self.outputs)?;
        let mut numbered = self.layers.iter().zip(1..);
        numbered.try_for_each(|((from, op), i)| write!(f, "\n  {i} from {from:?}: {op}"))
    }
}

impl Sketch {
    fn new(recipe: &Recipe, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let inputs: Vec<Vec<usize>> = (0..random.below(1..=recipe.ends))
            .map(|_| match recipe.inputs[random.below(0..=recipe.inputs.len() - 1)] {
                1 => vec![random.below(2..=5)],
                2 => vec![random.below(1..=3), random.below(6..=9)],
                _ => vec![random.below(1..=2), random.below(5..=7), random.below(5..=6)],
            })
            .collect();
        let values = inputs.iter().zip(1..).map(|(shape, i)| (-i, shape.clone())).collect();
        let (layers, outputs, arrays) = (vec![], vec![], vec![]);
        Self {
            recipe: recipe.clone(),
            random,
            values,
            plan: Plan { seed, inputs, layers, outputs, arrays },
        }
    }

    /// Some layers on values of the network, mostly the latest; then all loose ends lead into one
    /// layer, and on to the outputs.
    fn finish(mut self) -> Plan {
        let depth = self.random.below(3..=7);
        for _ in 0..20 * depth {
            if self.plan.layers.len() < depth {
                self.grow();
            }
        }
        let used = |v: &usize| {
            let source = self.values[*v].0;
            self.plan.layers.iter().any(|(from, _)| from.contains(&source))
        };
        let loose: Vec<usize> = (0..self.values.len()).filter(|v| !used(v)).collect();
        let vectors: Vec<usize> = loose.into_iter().map(|v| self.vector(v)).collect();
        let joined = match vectors[..] {
            [one] => one,
            _ => self.add(&vectors, json!({"Concatenate": {"axis": 2}})).expect("vectors"),
        };
        let hidden = self.dense_on(joined, None);
        let last = self.dense_on(hidden, self.recipe.last);
        self.plan.outputs = vec![self.layer(last)];
        if self.recipe.ends > 1 {
            // A second output, if any: a layer that leads on to the first, or one that need not.
            let vector = |&v: &usize| self.values[v].1.len() == 1;
            let vectors: Vec<usize> = (0..hidden).filter(vector).collect();
            let second = match (self.random.below(0..=2), &vectors[..]) {
                (0, _) => Some(hidden),
                (1, [_, ..]) => {
                    let v = vectors[self.random.below(0..=vectors.len() - 1)];
                    Some(self.dense_on(v, self.recipe.last))
                }
                _ => None,
            };
            let place = self.random.below(0..=1);
            second.into_iter().for_each(|v| self.plan.outputs.insert(place, self.layer(v)));
        }
        self.plan
    }

    /// Adds a layer on values of the network, if the ones drawn fit.
    fn grow(&mut self) {
        let (family, axes, operands, draft) = LAYERS[self.random.below(0..=LAYERS.len() - 1)];
        if family != Plain && !self.recipe.families.contains(&family) {
            return;
        }
        let count = self.values.len();
        let latest = count - self.random.below(1..=count.min(3));
        let shape = self.values[latest].1.clone();
        if axes.contains(&shape.len()) && shape.iter().product::<usize>() <= CELLS {
            let others = (1..operands).map(|_| self.random.below(0..=count - 1)).collect();
            let settings = draft(self, &shape);
            self.add(&[vec![latest], others].concat(), settings);
        }
    }

    /// Adds the layer and gives the number of its value, unless it does not fit.
    fn add(&mut self, operands: &[usize], settings: Value) -> Option<usize> {
        let shapes: Vec<_> = operands.iter().map(|&v| self.values[v].1.clone()).collect();
        let arrays = &self.plan.arrays;
        let context = Context { device: &Default::default(), arrays, order: Order::ChannelsFirst };
        let chain = op(settings.clone()).build::<NdArray<f64>>(&context, &shapes).ok()?;
        let shape = chain.into_iter().next_back()?.shape;
        self.plan.layers.push((operands.iter().map(|&v| self.values[v].0).collect(), settings));
        self.values.push((self.plan.layers.len() as i64, shape));
        Some(self.values.len() - 1)
    }

    /// The number of the layer that a value comes from.
    fn layer(&self, value: usize) -> usize {
        usize::try_from(self.values[value].0).expect("no input")
    }

    /// The value as a vector.
    fn vector(&mut self, value: usize) -> usize {
        if self.values[value].1.len() == 1 {
            return value;
        }
        let settings = match self.random.below(0..=3) {
            0 => json!({"GlobalAvgPooling": {}}),
            1 if self.recipe.families.contains(&Piecewise) => json!({"GlobalMaxPooling": {}}),
            _ => self.flatten(&[]),
        };
        self.add(&[value], settings).expect("an operand with channels")
    }

    fn dense_on(&mut self, value: usize, function: Option<&str>) -> usize {
        let mut settings = self.dense(&self.values[value].1.clone());
        if let Some(name) = function {
            settings["Dense"]["activation"] = activation(name);
        }
        self.add(&[value], settings).expect("a vector")
    }

    /// Weights of a layer whose output has about the size of its `fan_in` inputs.
    fn weight(&mut self, shape: &[usize]) -> usize {
        let fan_in: usize = shape[1..].iter().product();
        let scale = 1.5 * (3.0 / fan_in as f64).sqrt().min(1.0);
        let values = self.random.values(shape.iter().product());
        self.plan.keep(Array::new(shape, values.into_iter().map(|x| scale * x).collect()))
    }

    fn bias(&mut self, n: usize) -> usize {
        let array = self.random.array(&[n]);
        if self.recipe.bias {
            self.plan.keep(array)
        } else {
            0
        }
    }

    fn function(&mut self) -> Value {
        activation(self.recipe.functions[self.random.below(0..=self.recipe.functions.len() - 1)])
    }

    /// A function that stands behind another layer, or none.
    fn link(&mut self) -> Value {
        if self.random.below(0..=1) == 0 {
            activation("linear")
        } else {
            self.function()
        }
    }

    fn numbers(&mut self, n: usize, range: std::ops::RangeInclusive<usize>) -> Vec<usize> {
        (0..n).map(|_| self.random.below(range.clone())).collect()
    }

    fn dense(&mut self, x: &[usize]) -> Value {
        let outputs = self.random.below(2..=5);
        let (weight, bias) = (self.weight(&[outputs, x[0]]), self.bias(outputs));
        json!({"Dense": {"weight": weight, "bias": bias, "activation": self.link()}})
    }

    fn conv(&mut self, x: &[usize]) -> Value {
        let rank = x.len() - 1;
        let groups = self.random.below(1..=2 - x[0] % 2);
        let outputs = groups * self.random.below(1..=2);
        let kernel = self.numbers(rank, 1..=3);
        let modes = ["zeros", "reflect", "replicate", "circular"];
        let padding = match self.random.below(0..=3) {
            0 => json!("same"),
            _ => json!(self.numbers(2 * rank, 0..=1)),
        };
        json!({ format!("Conv{rank}D"): {
            "weight": self.weight(&[vec![outputs, x[0] / groups], kernel].concat()),
            "bias": self.bias(outputs), "activation": self.link(), "groups": groups,
            "stride": self.numbers(rank, 1..=2), "dilation": self.numbers(rank, 1..=2),
            "padding": padding,
            "padding_mode": modes[self.random.below(0..=3)],
        }})
    }

    fn conv_transpose(&mut self, x: &[usize]) -> Value {
        let rank = x.len() - 1;
        let groups = self.random.below(1..=2 - x[0] % 2);
        let outputs = self.random.below(1..=2);
        let kernel = self.numbers(rank, 1..=3);
        json!({ format!("ConvTranspose{rank}D"): {
            "weight": self.weight(&[vec![x[0], outputs], kernel].concat()),
            "bias": self.bias(outputs * groups), "activation": self.link(), "groups": groups,
            "stride": self.numbers(rank, 1..=2), "dilation": self.numbers(rank, 1..=2),
            "padding": self.numbers(2 * rank, 0..=1), "output_padding": self.numbers(rank, 0..=1),
        }})
    }

    fn upsampling(&mut self, x: &[usize]) -> Value {
        let rank = x.len() - 1;
        json!({ format!("Upsampling{rank}D"): {"size": self.numbers(rank, 1..=2)} })
    }

    fn prelu(&mut self, x: &[usize]) -> Value {
        let slopes = [&[1], &x[..1], x][self.random.below(0..=2)];
        json!({"PReLU": {"weight": self.weight(slopes)}})
    }

    fn reshape(&mut self, x: &[usize]) -> Value {
        let mut target: Vec<i64> = x.iter().rev().map(|n| *n as i64).collect();
        target[self.random.below(0..=x.len() - 1)] = -1;
        json!({"Reshape": {"target": target, "order": self.order()}})
    }

    fn pooling(&mut self, kind: &str, x: &[usize]) -> Value {
        let rank = x.len() - 1;
        let mut settings = json!({
            "kernel_size": self.numbers(rank, 2..=3), "strides": self.numbers(rank, 1..=3),
            "padding": self.numbers(2 * rank, 0..=1), "ceil_mode": self.random.below(0..=1) == 1,
        });
        match kind {
            "Max" => settings["dilation"] = self.numbers(rank, 1..=2).into(),
            _ => settings["count_include_pad"] = (self.random.below(0..=1) == 1).into(),
        }
        json!({ format!("{kind}Pooling{rank}D"): settings })
    }

    fn batch_norm(&mut self, x: &[usize]) -> Value {
        let (gamma, variance) = (self.random.array(&x[..1]), self.random.values(x[0]));
        let variance = variance.iter().map(|v| 0.5 + v.abs()).collect();
        let mut shift = || {
            let values = self.random.values(x[0]);
            let shift = if self.recipe.bias { values } else { vec![0.0; x[0]] };
            self.plan.keep(Array::new(&x[..1], shift))
        };
        let (beta, mean) = (shift(), shift());
        let (gamma, variance) =
            (self.plan.keep(gamma), self.plan.keep(Array::new(&x[..1], variance)));
        json!({"BatchNorm": {
            "gamma": gamma, "beta": beta, "run_mean": mean, "run_var": variance, "eps": 1e-3
        }})
    }

    fn scale(&mut self, x: &[usize]) -> Value {
        let extents = [&[1], &x[..1], x][self.random.below(0..=2)];
        let (scale, shift) = (self.random.array(extents), self.bias(1));
        json!({"Scale": {"scale": self.plan.keep(scale), "shift": shift}})
    }

    fn slice(&mut self, x: &[usize]) -> Value {
        let axis = self.random.below(0..=x.len() - 1);
        let first = self.random.below(1..=x[axis]);
        json!({"Slice": {"axis": axis + 2, "start": first, "end": -1}})
    }

    fn norm(&mut self, name: &str, extents: &[usize], mut settings: Value) -> Value {
        let (gamma, beta) = (self.random.array(extents), self.random.array(extents));
        settings["gamma"] = self.plan.keep(gamma).into();
        settings["beta"] = self.plan.keep(beta).into();
        settings["eps"] = 1e-2.into();
        json!({ name: settings })
    }

    fn padding(&mut self, x: &[usize]) -> Value {
        let modes = ["constant", "reflect", "replicate", "circular"];
        let value = if self.recipe.bias { 0.5 } else { 0.0 };
        json!({"Padding": {
            "padding": self.numbers(2 * (x.len() - 1), 0..=2),
            "mode": modes[self.random.below(0..=3)], "value": value,
        }})
    }

    fn flatten(&mut self, _: &[usize]) -> Value {
        json!({"Flatten": {"start_dim": 2, "end_dim": -1, "order": self.order()}})
    }

    fn order(&mut self) -> Value {
        ["channels_first", "channels_last"][self.random.below(0..=1)].into()
    }
}

/// A layer type that never occurs here is a layer type that no axiom is tested for.
#[test]
fn every_layer_type_and_function_occurs() {
    let recipe = Recipe::default();
    let text: String = recipe.networks(200).map(|plan| plan.to_string()).collect();
    for layer_type in innsight_core::layers::TYPES {
        assert!(text.contains(&format!("\"{}\":", layer_type.name)), "{}", layer_type.name);
    }
    for function in &recipe.functions {
        assert!(text.contains(&format!("\"name\":\"{function}\"")), "{function}");
    }
}
