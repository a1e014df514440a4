//! What R asks for, as Rust types. See R/engine.R for the lists.

use std::ops::Range;
use std::sync::Arc;

use burn_ndarray::NdArray;
use extendr_api::deserializer::from_robj;
use extendr_api::prelude::*;
use innsight_core::error::{Kind, Result};
use innsight_core::formats::onnx;
use innsight_core::layers::{Op, ACTIVATIONS, TYPES};
use innsight_core::methods::{Choice, DeepLiftRule, MaxPool};
use innsight_core::model::{Array, Layer, Model};
use innsight_core::rules::RULES;
use serde::Deserialize;

use crate::arrays;

/// How a computation is to be done.
#[derive(Debug, Clone, Deserialize)]
pub struct Call {
    pub channels_first: bool,
    pub dtype: String,
    pub device: String,
    pub threads: usize,
    /// Bytes that the call may use.
    pub memory: f64,
}

/// What is to be explained, and how.
pub struct Explanation {
    pub method: Method,
    pub ignore_last_act: bool,
    /// For every output, counted from 0.
    pub targets: Vec<Vec<usize>>,
    /// Whether to note what the layers keep of the sum that the method conserves.
    pub ledger: bool,
}

/// Where in R's arrays the outcome goes.
pub struct Place {
    /// The arrays, or `NULL` if they are to be made.
    pub room: Robj,
    /// All data points, and all targets of every output.
    pub samples: usize,
    pub nodes: Vec<usize>,
    /// The first data point and the first target of every output, counted from 0.
    pub row: usize,
    pub columns: Vec<usize>,
    /// Whether the outcome is added to what is there.
    pub add: bool,
}

pub enum Method {
    Gradient {
        times_input: bool,
    },
    Lrp {
        rules: Vec<Choice>,
        default: (String, Option<f64>),
        winner_takes_all: bool,
    },
    DeepLift {
        rule: DeepLiftRule,
        max_pool: MaxPool,
        weight: f64,
    },
    ConnectionWeights {
        times_input: bool,
    },
    SmoothGrad {
        n: usize,
        sigmas: Vec<f64>,
        seed: u64,
        times_input: bool,
        copies: Range<usize>,
    },
    IntegratedGradient {
        alphas: Vec<f64>,
        weights: Vec<f64>,
        times_input: bool,
    },
    /// At most `limit` points at a time.
    ExactGradient {
        times_input: bool,
        limit: usize,
    },
    ExpectedGradient {
        n: usize,
        seed: u64,
        copies: Range<usize>,
    },
}

impl Method {
    /// Whether it walks back from the data points themselves, whose values it has.
    pub fn walks(&self) -> bool {
        matches!(self, Self::Gradient { .. } | Self::Lrp { .. } | Self::DeepLift { .. })
    }
}

/// A malformed request is a defect of the R side: users' input is checked there.
fn defect(what: &str) -> innsight_core::error::Error {
    Kind::Bug.error(format!("Malformed request: {what}"))
}

fn parse<'a, T: Deserialize<'a>>(robj: &'a Robj, what: &str) -> Result<T> {
    from_robj(robj).map_err(|e| defect(&format!("{what}: {e}")))
}

fn list_of(robj: &Robj, what: &str) -> Result<List> {
    List::try_from(robj).map_err(|_| defect(what))
}

/// The element of a list with this name.
fn field(list: &List, name: &str) -> Result<Robj> {
    list.dollar(name).map_err(|_| defect(name))
}

pub fn call(robj: &Robj) -> Result<Call> {
    parse(robj, "call")
}

fn integers(robj: &Robj, what: &str) -> Result<Vec<i64>> {
    parse(robj, what)
}

/// A list of integer vectors.
fn integer_lists(robj: &Robj, what: &str) -> Result<Vec<Vec<usize>>> {
    let list = list_of(robj, what)?;
    list.values()
        .map(|v| {
            integers(&v, what)?
                .into_iter()
                .map(|i| usize::try_from(i).map_err(|_| defect(what)))
                .collect()
        })
        .collect()
}

pub fn model(spec: &Robj, arrays: &Robj) -> Result<Model> {
    let spec = list_of(spec, "spec")?;
    let layers = list_of(&field(&spec, "layers")?, "layers")?;
    let outputs = integers(&field(&spec, "output_nodes")?, "output_nodes")?;
    Ok(Model {
        input_dim: integer_lists(&field(&spec, "input_dim")?, "input_dim")?,
        layers: layers.values().map(|robj| layer(&robj)).collect::<Result<_>>()?,
        outputs: outputs.into_iter().map(|i| i.unsigned_abs() as usize).collect(),
        arrays: list_of(arrays, "arrays")?.values().map(array).collect::<Result<_>>()?,
    })
}

/// A layer `list(type = , inputs = , ...)`, whose other entries are the settings of the type.
fn layer(robj: &Robj) -> Result<Layer> {
    let fields = list_of(robj, "layer")?;
    let type_name = field(&fields, "type")?;
    let type_name = type_name.as_str().ok_or_else(|| defect("type"))?;
    let tagged = List::from_names_and_values([type_name], [robj.clone()])
        .map_err(|e| defect(&e.to_string()))?;
    let op: Op = parse(&Robj::from(tagged), type_name)?;
    let name = fields.dollar("name").ok().and_then(|name| name.as_str().map(String::from));
    Ok(Layer { name, inputs: integers(&field(&fields, "inputs")?, "inputs")?, op })
}

/// A column-major array of doubles, or single-precision weights as R/f32.R has them, whose bytes stay
/// R's: they are not copied.
fn array(robj: Robj) -> Result<Array> {
    let Some(weights) = robj.as_list() else {
        let (values, shape) = arrays::read::<NdArray<f64>>(&robj, true)?;
        return Ok(Array::new(&shape, values));
    };
    let integers = |name: &str| parse::<Vec<usize>>(&field(&weights, name)?, name);
    let from_one = |axis: usize| axis.checked_sub(1).ok_or_else(|| defect("axis 0"));
    let axes = integers("axes")?.into_iter().map(from_one).collect::<Result<_>>()?;
    Array::from_f32(Arc::new(RawVector(field(&weights, "bytes")?)), &integers("shape")?, axes)
}

/// A raw vector that R keeps for as long as this lives.
struct RawVector(Robj);

// SAFETY: the bytes are only read, and R neither moves nor changes a vector that somebody keeps. R itself
// is asked for them, and told that nobody keeps them any more, on its own thread alone: what other threads
// have of a network ends with a call, and an engine's model and networks go with the pointer that R has.
#[allow(unsafe_code)]
unsafe impl Send for RawVector {}
#[allow(unsafe_code)]
unsafe impl Sync for RawVector {}

impl AsRef<[u8]> for RawVector {
    fn as_ref(&self) -> &[u8] {
        self.0.as_raw_slice().unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct RuleSpec {
    name: String,
    param: Option<f64>,
}

/// The targets of every output, which R counts from 1.
pub fn targets(robj: &Robj) -> Result<Vec<Vec<usize>>> {
    let mut targets = integer_lists(robj, "targets")?;
    for target in targets.iter_mut().flatten() {
        *target = target.checked_sub(1).ok_or_else(|| defect("target 0"))?;
    }
    Ok(targets)
}

pub fn explanation(method: &Robj, nodes: &Robj) -> Result<Explanation> {
    let settings = list_of(method, "method")?;
    let name = field(&settings, "name")?;
    let flag = |name: &str| parse::<bool>(&field(&settings, name)?, name);
    let number = |name: &str| parse::<f64>(&field(&settings, name)?, name);
    let numbers = |name: &str| parse::<Vec<f64>>(&field(&settings, name)?, name);
    let text = |name: &str| parse::<String>(&field(&settings, name)?, name);
    // First and last, counted from 1.
    let range = |name: &str| match numbers(name)?[..] {
        [first, last] if first >= 1.0 => Ok(first as usize - 1..last as usize),
        _ => Err(defect(name)),
    };
    let method = match name.as_str().unwrap_or_default() {
        "gradient" => Method::Gradient { times_input: flag("times_input")? },
        "lrp" => {
            let default: RuleSpec = parse(&field(&settings, "default")?, "default")?;
            let rules = list_of(&field(&settings, "rules")?, "rules")?;
            let choice = |(class, robj): (&str, Robj)| -> Result<Choice> {
                let RuleSpec { name, param } = parse(&robj, "rule")?;
                Ok(Choice { class: class.to_string(), rule: name, parameter: param })
            };
            Method::Lrp {
                rules: rules.iter().map(choice).collect::<Result<_>>()?,
                default: (default.name, default.param),
                winner_takes_all: flag("winner_takes_all")?,
            }
        }
        "deep_lift" => Method::DeepLift {
            rule: match text("rule")?.as_str() {
                "rescale" => DeepLiftRule::Rescale,
                "reveal_cancel" => DeepLiftRule::RevealCancel,
                other => return Err(defect(other)),
            },
            max_pool: match text("max_pool")?.as_str() {
                "winner" => MaxPool::Winner,
                "average" => MaxPool::Average,
                "crossmax" => MaxPool::CrossMax,
                other => return Err(defect(other)),
            },
            weight: number("weight")?,
        },
        "connection_weights" => Method::ConnectionWeights { times_input: flag("times_input")? },
        "smooth_grad" => Method::SmoothGrad {
            n: number("n")? as usize,
            sigmas: numbers("sigmas")?,
            seed: number("seed")? as u64,
            times_input: flag("times_input")?,
            copies: range("copies")?,
        },
        "integrated_gradient" => Method::IntegratedGradient {
            alphas: numbers("alphas")?,
            weights: numbers("weights")?,
            times_input: flag("times_input")?,
        },
        "exact_gradient" => Method::ExactGradient {
            times_input: flag("times_input")?,
            limit: number("limit")? as usize,
        },
        "expected_gradient" => Method::ExpectedGradient {
            n: number("n")? as usize,
            seed: number("seed")? as u64,
            copies: range("copies")?,
        },
        other => return Err(defect(other)),
    };
    Ok(Explanation {
        method,
        ignore_last_act: flag("ignore_last_act")?,
        targets: targets(nodes)?,
        ledger: flag("ledger")?,
    })
}

pub fn place(robj: &Robj) -> Result<Place> {
    let list = list_of(robj, "place")?;
    let number = |name: &str| parse::<usize>(&field(&list, name)?, name);
    let numbers = |name: &str| parse::<Vec<usize>>(&field(&list, name)?, name);
    let from_one = |number: usize| number.checked_sub(1).ok_or_else(|| defect("place 0"));
    Ok(Place {
        room: field(&list, "room")?,
        samples: number("samples")?,
        nodes: numbers("nodes")?,
        row: from_one(number("row")?)?,
        columns: numbers("columns")?.into_iter().map(from_one).collect::<Result<_>>()?,
        add: parse(&field(&list, "add")?, "add")?,
    })
}

/// The references of a method, `NULL` where it has none.
pub fn reference(method: &Robj) -> Result<Robj> {
    Ok(list_of(method, "method")?.dollar("reference").unwrap_or_default())
}

fn strings(values: &[&str]) -> Robj {
    values.iter().map(|s| s.to_string()).collect::<Vec<_>>().into()
}

/// A bound that R shows as infinite.
fn bound(value: f64) -> f64 {
    if value.abs() == f64::MAX {
        value.signum() * f64::INFINITY
    } else {
        value
    }
}

pub fn capabilities() -> Robj {
    let layers = TYPES.iter().map(|t| {
        let names: Vec<&str> = [t.class, t.name].iter().chain(t.aliases).copied().collect();
        List::from_pairs([
            ("type", t.name.into()),
            ("class", t.class.into()),
            ("kind", t.kind.into()),
            ("names", strings(&names)),
        ])
    });
    let rules = RULES.iter().map(|rule| {
        let parameter = rule.parameter;
        list!(
            name = rule.name,
            layers = strings(rule.layers),
            parameter = parameter.map_or("", |p| p.name),
            default = parameter.map_or(f64::NAN, |p| p.default),
            lower = parameter.map_or(f64::NAN, |p| bound(p.lower)),
            upper = parameter.map_or(f64::NAN, |p| bound(p.upper)),
            description = rule.description
        )
    });
    // A list (function) of named defaults of its arguments.
    let activations = ACTIVATIONS.iter().map(|(name, args)| {
        let defaults =
            List::from_pairs(args.iter().map(|(arg, default)| (*arg, Robj::from(*default))));
        (*name, Robj::from(defaults))
    });
    let gpu = cfg!(feature = "gpu");
    list!(
        version = env!("CARGO_PKG_VERSION"),
        features = strings(if gpu { &["gpu"] } else { &[] }),
        devices = strings(if gpu { &["cpu", "gpu"] } else { &["cpu"] }),
        layers = List::from_values(layers),
        rules = List::from_values(rules),
        activations = List::from_pairs(activations),
        onnx = list!(
            operators =
                List::from_pairs(onnx::OPERATORS.iter().map(|(op, to)| (*op, (*to).into()))),
            folded = strings(onnx::FOLDED),
            opsets = [*onnx::OPSETS.start() as i32, *onnx::OPSETS.end() as i32]
        )
    )
    .into()
}
