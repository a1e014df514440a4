//! The network as a graph of layers on one device.

use crate::error::{Kind, Result};
use crate::kernels::{check_cells, Kernels};
use crate::layers::{show, Activation, Built, Context, Layer, Shape, Type, ACTIVATION};
use crate::model::{Model, Order};
use crate::tensor::Tensor;

/// A value of the network by number: first the inputs of the model, then the outputs of the nodes.
pub type Value = usize;

/// One layer in its place.
pub struct Node<B: Kernels> {
    /// The layer of the model that it belongs to, counted from 1.
    pub index: usize,
    /// The type of that layer; an activation function behind another layer has its own.
    pub layer_type: Type,
    /// The operands.
    pub inputs: Vec<Value>,
    /// The number of its own value.
    pub value: Value,
    /// The extents of its value, without the rows.
    pub shape: Shape,
    /// The computation.
    pub layer: Layer<B>,
    activation: Option<Activation>,
}

/// One output of the model.
#[derive(Debug, Clone)]
pub struct Output {
    /// The value that the model returns.
    pub value: Value,
    /// The value before the trailing activation function; the same if there is none.
    pub before_activation: Value,
    /// The trailing activation function.
    pub activation: Option<Activation>,
    /// The number of output nodes.
    pub nodes: usize,
}

/// The values that belong to one layer of the model.
#[derive(Debug, Clone)]
pub struct LayerValues {
    /// The type of the layer.
    pub layer_type: Type,
    /// The operands.
    pub inputs: Vec<Value>,
    /// The result before the layer's own activation function, if it has one.
    pub before_activation: Option<Value>,
    /// The result.
    pub output: Value,
}

/// A network whose weights lie on a device. The nodes are in an order in which they can be computed.
pub struct Network<B: Kernels> {
    /// The extents of every input, channels first, without the rows.
    pub inputs: Vec<Shape>,
    /// The layers.
    pub nodes: Vec<Node<B>>,
    /// The outputs.
    pub outputs: Vec<Output>,
    /// The values of the model's layers, in the model's order.
    pub layers: Vec<LayerValues>,
    /// The device.
    pub device: B::Device,
    /// Which values are affine in the inputs.
    affine: Vec<bool>,
}

impl<B: Kernels> Node<B> {
    /// The activation function, if the node is one.
    pub fn activation(&self) -> Option<&Activation> {
        self.activation.as_ref()
    }
}

impl<B: Kernels> Network<B> {
    /// Builds a model for a device. `order` is for flatten layers that follow the layout of the data.
    ///
    /// # Errors
    /// [`Kind::Graph`] for cycles and missing links, [`Kind::Shape`], [`Kind::Weights`] and
    /// [`Kind::Model`] for layers that do not fit; the message names the layer.
    pub fn new(model: &Model, device: &B::Device, order: Order) -> Result<Self> {
        let count = model.layers.len();
        if count == 0 || model.outputs.is_empty() || model.input_dim.is_empty() {
            return Err(Kind::Graph.error("A model needs layers, inputs and outputs"));
        }
        for shape in &model.input_dim {
            if shape.is_empty() || shape.contains(&0) {
                return Err(
                    Kind::Shape.error(format!("An input of shape {} is empty", show(shape)))
                );
            }
            check_cells(shape)?;
        }
        let context = Context { device, arrays: &model.arrays, order };
        let mut network = Self {
            inputs: model.input_dim.clone(),
            nodes: Vec::new(),
            outputs: Vec::new(),
            layers: Vec::new(),
            device: device.clone(),
            affine: vec![true; model.input_dim.len()],
        };
        let mut built: Vec<Option<LayerValues>> = vec![None; count];
        for i in execution_order(model)? {
            let operand = |&source: &i64| match usize::try_from(source) {
                // The order guarantees that the operand has been built.
                Ok(layer) => built[layer - 1].as_ref().map_or(0, |operand| operand.output),
                Err(_) => source.unsigned_abs() as usize - 1,
            };
            let inputs = model.layers[i].inputs.iter().map(operand).collect();
            let values = network
                .add(model, i, inputs, &context)
                .map_err(|e| e.kind.error(format!("{}: {}", model.label(i), e.message)))?;
            built[i] = Some(values);
        }
        network.layers = built.into_iter().flatten().collect();
        network.outputs =
            model.outputs.iter().map(|&i| network.output(model, i)).collect::<Result<_>>()?;
        Ok(network)
    }

    fn add(
        &mut self,
        model: &Model,
        i: usize,
        inputs: Vec<Value>,
        context: &Context<B>,
    ) -> Result<LayerValues> {
        let op = &model.layers[i].op;
        let shapes: Vec<Shape> = inputs.iter().map(|&v| self.shape(v).to_vec()).collect();
        let chain = op.build(context, &shapes)?;
        let mut operands = inputs.clone();
        let mut before_activation = None;
        let links = chain.len();
        for Built { layer, shape, activation } in chain {
            check_cells(&shape)?;
            let layer_type = match (&activation, links) {
                (Some(_), 2..) => {
                    before_activation = operands.first().copied();
                    ACTIVATION
                }
                _ => op.layer_type(),
            };
            let inputs = std::mem::take(&mut operands);
            let value = self.inputs.len() + self.nodes.len();
            let affine = matches!(layer, Layer::Affine(_) | Layer::Structural(_));
            self.affine.push(affine && inputs.iter().all(|&operand| self.affine[operand]));
            let index = i + 1;
            self.nodes.push(Node { index, layer_type, inputs, value, shape, layer, activation });
            operands = vec![value];
        }
        let layer_type = op.layer_type();
        Ok(LayerValues { layer_type, inputs, before_activation, output: operands[0] })
    }

    fn output(&self, model: &Model, index: usize) -> Result<Output> {
        let layer = index
            .checked_sub(1)
            .and_then(|i| self.layers.get(i))
            .ok_or_else(|| Kind::Graph.error(format!("Output layer {index} does not exist")))?;
        let &[nodes] = self.shape(layer.output) else {
            return Err(Kind::Shape.error(format!(
                "{} is an output and must be one-dimensional, but its shape is {}",
                model.label(index - 1),
                show(self.shape(layer.output))
            )));
        };
        // Dropout and the like may stand behind the last activation function.
        let mut last = self.node(layer.output);
        while let Some(node) = last.filter(|node| node.layer.is_identity()) {
            last = self.node(node.inputs[0]);
        }
        let last = last.filter(|node| node.activation.is_some());
        Ok(Output {
            value: layer.output,
            before_activation: last.map_or(layer.output, |node| node.inputs[0]),
            activation: last.and_then(|node| node.activation.clone()),
            nodes,
        })
    }

    /// The node that computes a value; `None` for inputs of the model.
    pub fn node(&self, value: Value) -> Option<&Node<B>> {
        self.nodes.get(value.checked_sub(self.inputs.len())?)
    }

    /// The extents of a value, without the rows.
    pub fn shape(&self, value: Value) -> &[usize] {
        match self.node(value) {
            Some(node) => &node.shape,
            None => &self.inputs[value],
        }
    }

    /// Whether a value is an affine function of the inputs, so that what is pulled back from it does not
    /// depend on them.
    pub fn is_affine(&self, value: Value) -> bool {
        self.affine[value]
    }

    /// Computes every value for the given rows of the inputs.
    ///
    /// # Errors
    /// [`Kind::Argument`] if the inputs have other shapes than the network's.
    pub fn forward(&self, inputs: Vec<Tensor<B>>) -> Result<Tape<B>> {
        let fits = |(x, shape): (&Tensor<B>, &Shape)| x.shape()[1..] == **shape;
        if inputs.len() != self.inputs.len() || !inputs.iter().zip(&self.inputs).all(fits) {
            return Err(Kind::Argument.error("The data does not have the shapes of the inputs"));
        }
        let mut values = inputs;
        for node in &self.nodes {
            let operands: Vec<_> = node.inputs.iter().map(|&v| values[v].clone()).collect();
            values.push(node.layer.forward(&operands));
        }
        Ok(Tape { values })
    }

    /// Carries a signal from one value back to the inputs: `step` turns the signal at a node's output
    /// into one for every operand, and a value that several nodes take gets the sum.
    ///
    /// Returns one signal for every input, `None` where no path leads to it.
    ///
    /// # Errors
    /// Those of `step`.
    pub fn backward<S: std::ops::Add<Output = S>>(
        &self,
        from: Value,
        signal: S,
        mut step: impl FnMut(&Node<B>, S) -> Result<Vec<S>>,
    ) -> Result<Vec<Option<S>>> {
        let first = self.inputs.len();
        let mut signals: Vec<Option<S>> = Vec::new();
        signals.resize_with(first + self.nodes.len(), || None);
        signals[from] = Some(signal);
        for (i, node) in self.nodes.iter().enumerate().rev() {
            let Some(signal) = signals[first + i].take() else {
                continue;
            };
            for (&operand, part) in node.inputs.iter().zip(step(node, signal)?) {
                signals[operand] = Some(match signals[operand].take() {
                    Some(sum) => sum + part,
                    None => part,
                });
            }
        }
        signals.truncate(first);
        Ok(signals)
    }

    /// For every input, whether a path leads to it from a value.
    pub fn reached(&self, from: Value) -> Vec<bool> {
        // The signal is the number of paths, which may be infinite.
        let paths = self.backward(from, 1.0, |node, paths| Ok(vec![paths; node.inputs.len()]));
        let paths = paths.unwrap_or_default();
        paths.into_iter().map(|paths: Option<f64>| paths.is_some()).collect()
    }

    /// Numbers that memory follows from: all cells of one sample's values, and the largest value.
    pub fn cells(&self) -> (usize, usize) {
        let cells = |shape: &Shape| shape.iter().product::<usize>();
        let all = self.inputs.iter().chain(self.nodes.iter().map(|node| &node.shape)).map(cells);
        all.fold((0, 0), |(sum, largest), n| (sum + n, largest.max(n)))
    }
}

/// The values of a forward pass, by number.
pub struct Tape<B: Kernels> {
    values: Vec<Tensor<B>>,
}

impl<B: Kernels> Tape<B> {
    /// A value; one row a sample.
    pub fn value(&self, value: Value) -> &Tensor<B> {
        &self.values[value]
    }

    /// The number of samples.
    pub fn rows(&self) -> usize {
        self.values[0].rows()
    }

    /// The operands of a node.
    pub fn operands(&self, node: &Node<B>) -> Vec<Tensor<B>> {
        node.inputs.iter().map(|&v| self.values[v].clone()).collect()
    }
}

/// The layers, counted from 0, each behind the ones that it needs.
fn execution_order(model: &Model) -> Result<Vec<usize>> {
    let count = model.layers.len();
    let error = |i, text: String| Kind::Graph.error(format!("{} {text}", model.label(i)));
    // The layers that take the result of each layer, and how many operands each layer waits for.
    let mut consumers: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut waiting = vec![0; count];
    for (i, layer) in model.layers.iter().enumerate() {
        if layer.inputs.is_empty() {
            return Err(error(i, "has no input".into()));
        }
        for &source in &layer.inputs {
            let number = source.unsigned_abs() as usize;
            let (limit, what) =
                if source > 0 { (count, "layer") } else { (model.input_dim.len(), "model input") };
            if number == 0 || number > limit {
                return Err(error(i, format!("takes {what} {number}, but there are {limit}")));
            }
            if source > 0 {
                consumers[number - 1].push(i);
                waiting[i] += 1;
            }
        }
    }
    let mut order: Vec<usize> = (0..count).filter(|&i| waiting[i] == 0).collect();
    let mut done = 0;
    while let Some(&i) = order.get(done) {
        done += 1;
        for &consumer in &consumers[i] {
            waiting[consumer] -= 1;
            if waiting[consumer] == 0 {
                order.push(consumer);
            }
        }
    }
    if order.len() < count {
        let stuck: Vec<String> =
            (0..count).filter(|&i| waiting[i] > 0).map(|i| (i + 1).to_string()).collect();
        return Err(Kind::Graph.error(format!(
            "The graph has a cycle: layers {} wait for each other",
            stuck.join(", ")
        )));
    }
    Ok(order)
}
