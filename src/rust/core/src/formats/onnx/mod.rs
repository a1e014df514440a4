//! ONNX: networks of PyTorch, Keras, scikit-learn and others.
//!
//! A file is a list of operators in the order of computation. Each one is either computed at once
//! (its inputs are constants, or only extents are asked for), or becomes nodes of a [`graph`] in a
//! canonical form. That graph is then lowered to the package's layers.

mod call;
mod constant;
mod emit;
mod fold;
mod function;
mod graph;
mod ops;
mod proto;
mod symbol;
mod windows;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::rc::Rc;

use self::call::{Call, Term};
use self::constant::{cells, types, Constant, CELLS};
use self::graph::{Graph, Op};
use self::proto::{Model, Node, ValueInfo};
use self::symbol::Int;
use super::Value;
use crate::error::{Error, Kind, Result};

pub use self::fold::FOLDED;
pub use self::ops::OPERATORS;

/// The versions of the operators that can be read.
pub const OPSETS: std::ops::RangeInclusive<i64> = 7..=21;

fn unreadable(what: impl Into<String>) -> Error {
    Kind::File.error(format!("This ONNX file cannot be read: {}", what.into()))
}

/// Reads a model; `folder` is where the other files are that it may name.
pub fn read<'a>(bytes: &'a [u8], folder: &Path) -> Result<Value<'a>> {
    let Model { graph, opset_import, producer_name, producer_version } = Model::parse(bytes)?;
    let file = graph.filter(|graph| !graph.nodes.is_empty());
    let file = file.ok_or_else(|| unreadable("it holds no network"))?;
    let opset = opset_import.iter().find(|set| ["", "ai.onnx"].contains(&set.domain));
    let opset = opset.map_or(1, |set| set.version);
    if !OPSETS.contains(&opset) {
        return Err(unreadable(format!(
            "it uses version {opset} of the operators (opset), accepted are {} to {}; export it again with \
             an opset in this range",
            OPSETS.start(),
            OPSETS.end()
        )));
    }

    let producers = producers(&file.nodes)?;
    let wanted = wanted(&file.outputs, &file.nodes, &producers)?;
    let needed = needed(&file.nodes, &producers, &wanted);
    let mut terms: HashMap<&str, Term> = HashMap::new();
    let used: HashSet<&str> = file
        .nodes
        .iter()
        .enumerate()
        .filter(|(i, _)| needed[*i])
        .flat_map(|(_, node)| node.inputs.iter().copied())
        .chain(wanted.iter().copied())
        .collect();
    let mut stored = bytes.len();
    for tensor in file.initializers.iter().filter(|tensor| used.contains(tensor.name)) {
        let constant = Constant::stored(tensor, folder)?;
        stored += constant.as_ref().map_or(0, |constant| 4 * constant.len());
        terms.insert(tensor.name, constant.map_or(Term::Unknown, |c| Term::Constant(Rc::new(c))));
    }

    let mut graph = Graph::default();
    let given: Vec<&ValueInfo> = file
        .inputs
        .iter()
        .filter(|input| used.contains(input.name) && !terms.contains_key(input.name))
        .collect();
    let rows = rows(&given);
    let shapes: Vec<Vec<usize>> =
        given.iter().map(|input| extents(input)).collect::<Result<_>>()?;
    // The one who uses the network says once for all inputs where the channels are.
    let last = given
        .iter()
        .zip(&shapes)
        .all(|(input, shape)| shape.len() == 1 || channels_last(input.name, &file.nodes));
    let mut inputs = Vec::new();
    for (input, shape) in given.into_iter().zip(shapes) {
        let (id, term) = add_input(&mut graph, shape, last)
            .map_err(|e| unreadable(format!("the input '{}' {e}", input.name)))?;
        inputs.push(id);
        terms.insert(input.name, Term::Node(term));
    }

    let mut problems: Vec<(String, String, String)> = Vec::new();
    let mut left = CELLS.saturating_add(stored);
    for (i, node) in file.nodes.iter().enumerate().filter(|(i, _)| needed[*i]) {
        graph.origin = origin(node);
        let inputs: Vec<Option<Term>> = node
            .inputs
            .iter()
            .map(|name| match *name {
                "" => None,
                name => Some(terms.get(name).cloned().unwrap_or(Term::Unknown)),
            })
            .collect();
        let missing = node.inputs.iter().find(|name| {
            !name.is_empty()
                && !terms.contains_key(**name)
                && producers.get(**name).is_none_or(|from| *from >= i)
        });
        if let Some(name) = missing {
            return Err(unreadable(format!(
                "its operator {} needs '{name}', which nothing before it gives",
                graph.origin.0
            )));
        }
        let unknown = inputs.iter().flatten().any(|term| matches!(term, Term::Unknown));
        let call = Call { node, inputs, opset, rows, folder };
        let results = if unknown && ops::OPERATORS.iter().any(|(op, _)| *op == node.op_type) {
            // What is known of this operator shows once the others are supported.
            Ok(vec![])
        } else {
            apply(&mut graph, &call, &mut left)
        };
        let results = results.unwrap_or_else(|problem| {
            problems.push((graph.origin.0.clone(), graph.origin.1.clone(), problem));
            vec![]
        });
        for (k, name) in node.outputs.iter().enumerate() {
            terms.insert(name, results.get(k).cloned().unwrap_or(Term::Unknown));
        }
    }

    let ends = ends(&graph, &terms, &wanted, problems.is_empty())?;
    drop(terms);
    let at = |graph: &Graph, problem: String| {
        unreadable(format!("{}: {problem}", describe(&graph.origin)))
    };
    let (lowered, ids) = graph.lowered(&ends).map_err(|problem| at(&graph, problem))?;
    let new = |old: &usize| ids.get(*old).copied().flatten();
    let outputs: Vec<usize> = ends.iter().filter_map(new).collect();
    let needed = lowered.needed(&outputs);
    for (node, _) in lowered.nodes.iter().zip(needed).filter(|(_, needed)| *needed) {
        if function::layer(node).is_none() {
            let what = "is supported only as a part of known functions (GELU, SiLU, softplus, ...)";
            problems.push((node.origin.0.clone(), node.origin.1.clone(), what.into()));
        }
    }
    refuse(problems)?;
    let inputs: Vec<usize> = inputs.iter().filter_map(new).collect();
    let model = emit::model(lowered, &inputs, &outputs).map_err(unreadable)?;
    Ok(Value::map([
        ("format", "onnx".into()),
        ("model", model),
        ("opset", (opset as f64).into()),
        ("producer", format!("{producer_name} {producer_version}").trim().into()),
    ]))
}

/// The results of an operator.
fn apply<'a>(
    graph: &mut Graph<'a>,
    call: &Call<'_, 'a>,
    left: &mut usize,
) -> std::result::Result<Vec<Term<'a>>, String> {
    if !["", "ai.onnx"].contains(&call.node.domain) && call.op() != "Scaler" {
        return Err(format!("belongs to the domain '{}'", call.node.domain));
    }
    let constant = |term: &Option<Term>| matches!(term, None | Some(Term::Constant(_)));
    if call.op() != "Constant" && call.inputs.iter().all(constant) && FOLDED.contains(&call.op()) {
        let results = fold::fold(call, left)?;
        return Ok(results.into_iter().map(|constant| Term::Constant(constant.into())).collect());
    }
    ops::apply(graph, call).unwrap_or_else(|| Err("is not supported".into()))
}

fn origin(node: &Node) -> (String, String) {
    (node.op_type.to_string(), node.name.to_string())
}

fn describe(origin: &(String, String)) -> String {
    match origin {
        (op, name) if name.is_empty() => op.clone(),
        (op, name) => format!("{op} '{name}'"),
    }
}

/// One error for all problems.
fn refuse(problems: Vec<(String, String, String)>) -> Result<()> {
    if problems.is_empty() {
        return Ok(());
    }
    const SHOWN: usize = 20;
    let mut lines: Vec<String> = Vec::new();
    for (op, name, problem) in &problems {
        lines.push(format!("{} {problem}", describe(&(op.clone(), name.clone()))));
    }
    let more = lines.len().saturating_sub(SHOWN);
    lines.truncate(SHOWN);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    Err(Kind::Model.error(format!(
        "This ONNX file has operators that cannot be converted: {}. Replace them before exporting, or \
         give the part of the network without them",
        lines.join("; ")
    )))
}

/// The node that gives a name.
fn producers<'a>(nodes: &[Node<'a>]) -> Result<HashMap<&'a str, usize>> {
    let mut producers = HashMap::new();
    for (i, node) in nodes.iter().enumerate() {
        for name in node.outputs.iter().filter(|name| !name.is_empty()) {
            if producers.insert(*name, i).is_some() {
                return Err(unreadable(format!("'{name}' is given twice")));
            }
        }
    }
    Ok(producers)
}

/// The outputs that are numbers; labels and the like are left out.
fn wanted<'a>(
    outputs: &[ValueInfo<'a>],
    nodes: &[Node<'a>],
    producers: &HashMap<&str, usize>,
) -> Result<Vec<&'a str>> {
    let mut wanted = Vec::new();
    for output in outputs {
        let producer = producers.get(output.name).map(|i| &nodes[*i]);
        match (&output.type_, producer) {
            // The probabilities by label are made of an array.
            (_, Some(node)) if node.op_type == "ZipMap" => wanted.extend(node.inputs.first()),
            (Some(proto::Type { tensor: Some(tensor), .. }), _)
                if tensor.elem_type != 0 && !types::FLOATS.contains(&tensor.elem_type) => {}
            (Some(proto::Type { sequence: Some(_), .. } | proto::Type { map: Some(_), .. }), _) => {
            }
            _ => wanted.push(output.name),
        }
    }
    if wanted.is_empty() {
        return Err(unreadable("none of its outputs are floating-point numbers"));
    }
    Ok(wanted)
}

/// Which nodes the outputs need.
fn needed(nodes: &[Node], producers: &HashMap<&str, usize>, wanted: &[&str]) -> Vec<bool> {
    let mut needed = vec![false; nodes.len()];
    let mut open: Vec<usize> =
        wanted.iter().filter_map(|name| producers.get(name)).copied().collect();
    while let Some(i) = open.pop() {
        if !std::mem::replace(&mut needed[i], true) {
            open.extend(nodes[i].inputs.iter().filter_map(|name| producers.get(name)));
        }
    }
    needed
}

/// The declared extents of an input.
fn dims<'c, 'a>(input: &'c ValueInfo<'a>) -> Option<&'c [proto::Dimension<'a>]> {
    let tensor = input.type_.as_ref()?.tensor.as_ref()?;
    Some(tensor.shape.as_ref()?.dims.as_slice())
}

/// The number of rows: a number only where all inputs say the same.
fn rows(inputs: &[&ValueInfo]) -> Int {
    let mut rows = inputs.iter().map(|input| dims(input)?.first()?.value.filter(|n| *n > 0));
    match rows.next().flatten() {
        Some(n) if rows.all(|other| other == Some(n)) => Int::from(n),
        _ => Int::ROWS,
    }
}

/// The extents of an input without the rows.
fn extents(input: &ValueInfo) -> Result<Vec<usize>> {
    let name = input.name;
    let dims = dims(input).filter(|dims| (2..=6).contains(&dims.len()));
    let dims = dims.ok_or_else(|| {
        unreadable(format!("the input '{name}' must have 2 to 6 axes, the first one for the rows"))
    })?;
    let extent = |dim: &proto::Dimension| usize::try_from(dim.value?).ok().filter(|n| *n > 0);
    let shape: Option<Vec<usize>> = dims[1..].iter().map(extent).collect();
    shape.filter(|shape| cells(shape).is_some()).ok_or_else(|| {
        let shown = dims.iter().map(|dim| match dim.value {
            Some(n) => n.to_string(),
            None if dim.param.is_empty() => "?".into(),
            None => dim.param.to_string(),
        });
        unreadable(format!(
            "the input '{name}' has the shape ({}); all extents but the first, the rows, must be known. \
             Export the model with inputs of fixed size",
            shown.collect::<Vec<_>>().join(", ")
        ))
    })
}

/// An input and what stands for it: with its last axis moved to the front if that counts channels.
fn add_input<'a>(
    graph: &mut Graph<'a>,
    shape: Vec<usize>,
    channels_last: bool,
) -> graph::Result<(usize, usize)> {
    if !channels_last || shape.len() == 1 {
        let id = graph.push(Op::Input, vec![], shape)?;
        return Ok((id, id));
    }
    let mut first = shape;
    first.rotate_right(1);
    let mut order: Vec<usize> = (0..first.len()).collect();
    order.rotate_left(1);
    let id = graph.push(Op::Input, vec![], first)?;
    Ok((id, graph.permute(id, &order)?))
}

/// Whether the data come with channels last: all that an input goes to, but for operators cell by
/// cell and padding, are transpositions of its last axis to the front.
fn channels_last(name: &str, nodes: &[Node]) -> bool {
    const CELLWISE: &[&str] =
        &["Cast", "Identity", "Add", "Sub", "Mul", "Div", "Pad", "Slice", "Unsqueeze", "Squeeze"];
    let mut names: HashSet<&str> = HashSet::from([name]);
    let mut moved = false;
    for node in nodes {
        if !node.inputs.iter().any(|input| names.contains(input)) {
            continue;
        }
        if node.op_type == "Transpose" {
            let perm =
                node.attributes.iter().find(|a| a.name == "perm").map_or(&[][..], |a| &a.ints.0);
            let last = perm.len() as i64 - 1;
            if last < 2 || !perm.iter().copied().eq([0, last].into_iter().chain(1..last)) {
                return false;
            }
            moved = true;
        } else if CELLWISE.contains(&node.op_type) {
            names.extend(&node.outputs);
        } else if node.op_type != "Shape" {
            return false;
        }
    }
    moved
}

/// The nodes of the outputs; with problems only of those that are known, and all others that lead
/// nowhere.
fn ends(
    graph: &Graph,
    terms: &HashMap<&str, Term>,
    wanted: &[&str],
    sound: bool,
) -> Result<Vec<usize>> {
    let mut ends = Vec::new();
    for name in wanted {
        match terms.get(name) {
            Some(Term::Node(id)) => ends.push(*id),
            Some(Term::Constant(_)) if sound => {
                return Err(unreadable(format!(
                    "its output '{name}' does not depend on any input"
                )));
            }
            None => return Err(unreadable(format!("nothing gives its output '{name}'"))),
            _ => {}
        }
    }
    if !sound {
        let mut used = vec![false; graph.nodes.len()];
        for input in graph.nodes.iter().flat_map(|node| &node.inputs) {
            used[*input] = true;
        }
        ends.extend((0..graph.nodes.len()).filter(|id| !used[*id]));
    }
    Ok(ends)
}
