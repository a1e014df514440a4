//! The finished network as the package's documented named list.

use std::collections::BTreeMap;

use super::constant::Constant;
use super::function;
use super::graph::{Graph, Node, Op, Result};
use crate::formats::{Array, Data, Value};

/// A layer on the way out.
struct Layer<'a> {
    kind: &'static str,
    fields: Vec<(&'static str, Value<'a>)>,
    bias: Option<Option<Constant<'a>>>,
    inputs: Vec<Source>,
    name: String,
    /// Where its result goes: layers counted from 1, -1 for the model's output.
    consumers: Vec<f64>,
}

#[derive(Clone, Copy)]
enum Source {
    Input(usize),
    Layer(usize),
}

/// The model list of a graph of layers alone. `inputs` and `outputs` are nodes; inputs that nothing
/// depends on are left out.
pub fn model<'a>(graph: Graph<'a>, inputs: &[usize], outputs: &[usize]) -> Result<Value<'a>> {
    let needed = graph.needed(outputs);
    let inputs: Vec<usize> = inputs.iter().copied().filter(|id| needed[*id]).collect();
    let mut uses: Vec<Vec<usize>> = vec![vec![]; graph.nodes.len()];
    for (id, node) in graph.nodes.iter().enumerate().filter(|(id, _)| needed[*id]) {
        for input in &node.inputs {
            uses[*input].push(id);
        }
    }
    let input_dim = inputs
        .iter()
        .map(|id| Value::Numbers(graph.shape(*id).iter().map(|n| *n as f64).collect()));
    let input_dim = Value::List(input_dim.collect());

    let mut layers: Vec<Layer> = Vec::new();
    let mut sources: BTreeMap<usize, Source> = BTreeMap::new();
    let mut taken = Vec::new();
    for (k, id) in inputs.iter().enumerate() {
        // One of several inputs has exactly one layer that takes it.
        let merging = |id: &usize| graph.nodes[*id].inputs.len() > 1;
        let spread = uses[*id].len() != 1 || uses[*id].iter().any(merging);
        let source = if outputs.contains(id) || (inputs.len() > 1 && spread) {
            taken.push(layers.len());
            layers.push(Layer::skipping(Source::Input(k)));
            Source::Layer(layers.len() - 1)
        } else {
            Source::Input(k)
        };
        sources.insert(*id, source);
    }
    for (id, node) in graph.nodes.into_iter().enumerate().filter(|(id, _)| needed[*id]) {
        if matches!(node.op, Op::Input) {
            continue;
        }
        let from: Option<Vec<Source>> =
            node.inputs.iter().map(|id| sources.get(id).copied()).collect();
        let from = from.ok_or("refers to a node behind it")?;
        // The only use of the layer before may become a part of that.
        let alone = node
            .inputs
            .first()
            .filter(|input| uses[**input].len() == 1 && !outputs.contains(input));
        let before = match (alone, from.first()) {
            (Some(_), Some(Source::Layer(before))) => layers.get_mut(*before),
            _ => None,
        };
        if before.is_some_and(|before| before.absorb(&node)) {
            sources.insert(id, from[0]);
            continue;
        }
        sources.insert(id, Source::Layer(layers.len()));
        layers.push(Layer::of(node, from)?);
    }

    let mut ends: Vec<usize> = Vec::new();
    for output in outputs {
        let Some(Source::Layer(end)) = sources.get(output).copied() else {
            return Err("is an input of the network".into());
        };
        // A layer can be an output once.
        if ends.contains(&end) {
            ends.push(layers.len());
            layers.push(Layer::skipping(Source::Layer(end)));
        } else {
            ends.push(end);
        }
    }
    let mut input_nodes: Vec<(usize, f64)> = Vec::new();
    for i in 0..layers.len() {
        for source in layers[i].inputs.clone() {
            match source {
                Source::Input(k) => input_nodes.push((k, (i + 1) as f64)),
                Source::Layer(from) => layers[from].consumers.push((i + 1) as f64),
            }
        }
    }
    for end in &ends {
        layers[*end].consumers.push(-1.0);
    }
    input_nodes.sort_by_key(|(k, _)| *k);
    Ok(Value::map([
        ("input_dim", input_dim),
        ("input_nodes", Value::Numbers(input_nodes.into_iter().map(|(_, node)| node).collect())),
        ("output_nodes", Value::Numbers(ends.into_iter().map(|end| (end + 1) as f64).collect())),
        ("layers", Value::List(layers.into_iter().map(Layer::into_value).collect())),
    ]))
}

impl<'a> Layer<'a> {
    fn new(kind: &'static str, inputs: Vec<Source>) -> Self {
        Self { kind, fields: vec![], bias: None, inputs, name: String::new(), consumers: vec![] }
    }

    fn skipping(source: Source) -> Self {
        Self::new("Skipping", vec![source])
    }

    fn of(node: Node<'a>, inputs: Vec<Source>) -> Result<Self> {
        let op = function::layer(&node).ok_or("is no layer of its own here")?;
        let mut layer = Self::new("Skipping", inputs);
        layer.name = node.origin.1;
        match op {
            Op::Affine { kind, weight, bias, fields } => {
                layer.kind = kind;
                layer.fields = vec![("weight", weight.into_value())];
                layer.fields.extend(fields);
                layer.bias = Some(bias);
            }
            Op::Layer { kind, fields } => (layer.kind, layer.fields) = (kind, fields),
            Op::Scale { scale, shift } => {
                layer.kind = "Scale";
                let arrays = [("scale", scale), ("shift", shift)];
                let given = arrays.into_iter().filter_map(|(name, x)| Some((name, short(x?))));
                layer.fields.extend(given);
            }
            Op::Permute(axes) => {
                layer.kind = "Permute";
                layer.fields = vec![("axes", super::graph::axes_field(&axes))];
            }
            Op::Reshape => {
                if let [_] = node.shape.as_slice() {
                    layer.kind = "Flatten";
                } else {
                    layer.kind = "Reshape";
                    let target = node.shape.iter().map(|n| *n as f64).collect();
                    layer.fields = vec![("target", Value::Numbers(target))];
                }
                layer.fields.push(("order", "channels_first".into()));
            }
            Op::Input | Op::Reduce { .. } | Op::Function { .. } => {
                return Err("is no layer of its own here".into());
            }
        }
        Ok(layer)
    }

    /// Makes a node behind this layer a part of it, if that can be: a shift of its bias, or an
    /// activation of its own.
    fn absorb(&mut self, node: &Node<'a>) -> bool {
        let activated = self.fields.iter().any(|(name, _)| *name == "activation_name");
        let Some(bias) = self.bias.as_mut().filter(|_| !activated) else { return false };
        if let Op::Scale { scale: None, shift: Some(shift) } = &node.op {
            let channels = node.shape[0];
            if shift.len() != 1 && shift.len() != shift.shape()[0] {
                return false;
            }
            let old = bias.as_ref().map(Constant::to_real);
            let sum = (0..channels).map(|i| {
                let shift = shift.iter().nth(if shift.len() == 1 { 0 } else { i })?;
                let old = match &old {
                    Some(old) => *old.as_ref()?.iter().nth(i)?,
                    None => 0.0,
                };
                Some(old + shift)
            });
            let Some(sum) = sum.collect::<Option<Vec<f64>>>() else { return false };
            *bias = Some(Constant::Real(ndarray::Array1::from(sum).into_dyn()));
            return true;
        }
        let Some(Op::Layer { kind: "Activation", fields }) = function::layer(node) else {
            return false;
        };
        let fields = fields.into_iter().map(|(name, value)| match name {
            "act_name" => ("activation_name", value),
            other => (other, value),
        });
        self.fields.extend(fields);
        true
    }

    fn into_value(self) -> Value<'a> {
        let mut entries = vec![("type", Value::from(self.kind))];
        if !self.name.is_empty() {
            entries.push(("name", Value::Text(self.name)));
        }
        entries.extend(self.fields);
        if let Some(bias) = self.bias {
            if !entries.iter().any(|(name, _)| *name == "activation_name") {
                entries.push(("activation_name", "linear".into()));
            }
            entries.push(("bias", bias.map_or(Value::Null, Constant::into_value)));
        }
        let inputs = self.inputs.iter().map(|source| match source {
            Source::Input(_) => 0.0,
            Source::Layer(from) => (from + 1) as f64,
        });
        entries.push(("input_layers", Value::Numbers(inputs.collect())));
        entries.push(("output_layers", Value::Numbers(self.consumers)));
        Value::Map(entries.into_iter().map(|(name, value)| (name.to_string(), value)).collect())
    }
}

/// One value, one a channel, or an array of the input's rank.
fn short<'a>(x: ndarray::ArrayD<f64>) -> Value<'a> {
    let shape = x.shape().to_vec();
    let shape = if x.len() == 1 || shape.first() == Some(&x.len()) { vec![x.len()] } else { shape };
    Value::Array(Array { shape, data: Data::F64(x.iter().copied().collect()) })
}
