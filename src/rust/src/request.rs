//! What R asks for, as Rust types. See R/engine.R for the lists.

use extendr_api::deserializer::from_robj;
use extendr_api::prelude::*;
use innsight_core::error::{Kind, Result};
use innsight_core::layers::{Activation, Op, TYPES};
use innsight_core::methods::Choice;
use innsight_core::model::{Array, Layer, Model, Values};
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
}

/// A method with its settings, and the targets counted from 0.
pub struct Explanation {
    pub method: Method,
    pub ignore_last_act: bool,
    pub targets: Vec<Vec<usize>>,
}

pub enum Method {
    Gradient { times_input: bool },
    Lrp { rules: Vec<Choice>, default: (String, Option<f64>), winner_takes_all: bool },
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
        arrays: list_of(arrays, "arrays")?.values().map(|a| array(&a)).collect::<Result<_>>()?,
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
    Ok(Layer { inputs: integers(&field(&fields, "inputs")?, "inputs")?, op })
}

/// A column-major array of doubles, or a raw vector of row-major single-precision values whose
/// attribute `shape` gives the extents (R allows no `dim` that is not the vector's own).
fn array(robj: &Robj) -> Result<Array> {
    let Some(bytes) = robj.as_raw_slice() else {
        let (values, shape) = arrays::read(robj, true)?;
        return Ok(Array::new(&shape, values));
    };
    let shape = robj.get_attrib("shape").ok_or_else(|| defect("raw weights without a shape"))?;
    let shape: Vec<usize> = parse(&shape, "shape")?;
    let values: usize = shape.iter().product();
    if bytes.len() != 4 * values {
        return Err(Kind::Weights.error(format!(
            "A raw vector of {} bytes does not hold {values} single-precision values",
            bytes.len()
        )));
    }
    let values = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    Ok(Array { shape, values: Values::F32(values.collect()) })
}

#[derive(Deserialize)]
struct RuleSpec {
    name: String,
    param: Option<f64>,
}

pub fn explanation(method: &Robj, targets: &Robj) -> Result<Explanation> {
    let settings = list_of(method, "method")?;
    let flag = |name: &str| parse::<bool>(&field(&settings, name)?, name);
    let name = field(&settings, "name")?;
    let mut targets = integer_lists(targets, "targets")?;
    for target in targets.iter_mut().flatten() {
        *target = target.checked_sub(1).ok_or_else(|| defect("target 0"))?;
    }
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
        other => return Err(defect(other)),
    };
    Ok(Explanation { method, ignore_last_act: flag("ignore_last_act")?, targets })
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
    let gpu = cfg!(feature = "gpu");
    list!(
        version = env!("CARGO_PKG_VERSION"),
        features = strings(if gpu { &["gpu"] } else { &[] }),
        devices = strings(if gpu { &["cpu", "gpu"] } else { &["cpu"] }),
        layers = List::from_values(layers),
        rules = List::from_values(rules),
        activations = strings(&Activation::NAMES)
    )
    .into()
}
