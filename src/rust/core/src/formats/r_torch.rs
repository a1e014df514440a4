//! Files of `torch_save()` of the R package torch, 0.12 and later: safetensors with the module as a
//! serialized R object beside the arrays.
//!
//! A module there is a function with the attribute `module`, an R6 object: an environment of fields,
//! from which the private one with parameters, buffers and children is reached.

use std::collections::{HashMap, HashSet};
use std::convert::identity;

use super::bytes::Budget;
use super::r_object::{find, Archive, Bindings, Node, Object};
use super::safetensors::{self, Entry};
use super::value::{Array, Value};
use crate::error::{Error, Kind, Result};

/// A safetensors file, of R torch or any other source.
///
/// # Errors
/// [`Kind::File`] if the file is damaged or holds something else than modules or tensors.
pub fn read(bytes: &[u8]) -> Result<Value<'_>> {
    let entries = safetensors::open(bytes)?;
    let Some((_, object)) = entries.iter().find(|(name, _)| name == "__robj__") else {
        return safetensors::tensors(entries);
    };
    let archive = Archive::read(object.bytes)?;
    let torch = Torch {
        tensors: entries.into_iter().collect(),
        environments: archive.environments,
        budget: Budget::of(bytes),
    };
    let root = &archive.root;
    if root.attribute("module").is_some() {
        let module = torch.module(root, "", MAX_DEPTH)?;
        return Ok(Value::map([("format", "torch".into()), ("module", module)]));
    }
    let named = torch.elements(root)?;
    if named.is_empty() {
        return Err(unknown("it is neither a module nor a list of tensors"));
    }
    let arrays = named.into_iter().map(|(name, value)| match &value.node {
        Node::Character(address) if address.len() == 1 => {
            let array = torch.array(address[0].unwrap_or_default())?;
            Ok((name.to_string(), Value::Array(array)))
        }
        _ => Err(unknown(format!("{name:?} in the list is no tensor"))),
    });
    let arrays = Value::Map(arrays.collect::<Result<_>>()?);
    Ok(Value::map([("format", "tensors".into()), ("tensors", arrays)]))
}

/// Modules in modules.
const MAX_DEPTH: usize = 64;

struct Torch<'a> {
    tensors: HashMap<String, Entry<'a>>,
    environments: Vec<Bindings<'a>>,
    budget: Budget,
}

impl<'a> Torch<'a> {
    /// A module: `class`, `fields`, `weights` and `children`.
    fn module(&self, object: &Object<'a>, path: &str, depth: usize) -> Result<Value<'a>> {
        let depth =
            depth.checked_sub(1).ok_or_else(|| unknown("its modules are nested too deeply"))?;
        let inside = |bindings, name| find(bindings, name).and_then(|o| self.environment(o));
        let public = object.attribute("module").and_then(|module| self.environment(module));
        let enclosing = public.and_then(|public| inside(public, ".__enclos_env__"));
        let private = enclosing.and_then(|enclosing| inside(enclosing, "private"));
        let class = object.attribute("class").map(|class| &class.node);
        let (Some(public), Some(private), Some(Node::Character(class))) = (public, private, class)
        else {
            return Err(unknown(format!("module {path:?} has not the parts of a module")));
        };
        let size = path.len() + class.len() + public.len();
        self.budget.spend(size as u64)?;
        let class = class.iter().map(|name| name.unwrap_or_default().to_string()).collect();
        let part = |name| find(private, name).map_or(Ok(Vec::new()), |part| self.elements(part));

        let mut fields = Vec::new();
        for (name, value) in public.iter().filter(|(name, _)| !name.starts_with('.')) {
            fields.extend(self.plain(value)?.map(|value| (name.to_string(), value)));
        }
        if let Some(training) = find(private, "training_") {
            fields.extend(self.plain(training)?.map(|value| ("training".to_string(), value)));
        }
        fields.sort_by(|(left, _), (right, _)| left.cmp(right));

        let transient = match find(private, "non_persistent_buffers_").map(|names| &names.node) {
            Some(Node::Character(names)) => names.iter().flatten().collect(),
            _ => HashSet::new(),
        };
        let mut weights = Vec::new();
        for (name, value) in part("parameters_")?.into_iter().chain(part("buffers_")?) {
            if !matches!(value.node, Node::Null) && !transient.contains(&name) {
                let array = self.array(&format!("{path}{name}"))?;
                weights.push((name.to_string(), Value::Array(array)));
            }
        }
        let mut children = Vec::new();
        for (name, child) in part("modules_")? {
            if !matches!(child.node, Node::Null) {
                let child = self.module(child, &format!("{path}{name}."), depth)?;
                children.push((name.to_string(), child));
            }
        }
        Ok(Value::map([
            ("class", Value::Texts(class)),
            ("fields", Value::Map(fields)),
            ("weights", Value::Map(weights)),
            ("children", Value::Map(children)),
        ]))
    }

    fn environment(&self, object: &Object<'a>) -> Option<&Bindings<'a>> {
        match object.node {
            Node::Environment(number) => self.environments.get(number),
            _ => None,
        }
    }

    fn elements<'b>(&self, list: &'b Object<'a>) -> Result<Vec<(&'a str, &'b Object<'a>)>> {
        let elements = list.elements();
        self.budget.spend(elements.iter().map(|(name, _)| 8 + name.len() as u64).sum())?;
        Ok(elements)
    }

    fn array(&self, name: &str) -> Result<Array<'a>> {
        let entry = self.tensors.get(name);
        let entry = entry.ok_or_else(|| unknown(format!("the tensor {name:?} is missing")))?;
        self.budget.spend(entry.bytes.len() as u64)?;
        entry.array(name)
    }

    /// The value of a field, if it is made of numbers, texts and logical values alone.
    fn plain(&self, object: &Object<'a>) -> Result<Option<Value<'a>>> {
        let whole = |&n: &i32| if n == i32::MIN { f64::NAN } else { f64::from(n) };
        let flag = |&n: &i32| if n == i32::MIN { Value::Null } else { Value::Flag(n != 0) };
        self.budget.spend(match &object.node {
            Node::Logical(values) | Node::Integer(values) => 4 * values.len() as u64,
            Node::Double(values) => 8 * values.len() as u64,
            Node::Character(texts) => texts.iter().flatten().map(|t| 8 + t.len() as u64).sum(),
            _ => 4,
        })?;
        Ok(Some(match &object.node {
            Node::Null => Value::Null,
            Node::Logical(flags) => one_or(flags.iter().map(flag).collect(), identity, Value::List),
            Node::Integer(values) => numbers(values.iter().map(whole).collect()),
            Node::Double(values) => numbers(values.clone()),
            Node::Character(texts) => {
                let texts = texts.iter().map(|text| text.unwrap_or("NA").to_string());
                one_or(texts.collect(), Value::Text, Value::Texts)
            }
            Node::List(_) | Node::Pairlist(_) => {
                let mut values = Vec::new();
                for (name, value) in self.elements(object)? {
                    let Some(value) = self.plain(value)? else { return Ok(None) };
                    values.push((name.to_string(), value));
                }
                if values.iter().all(|(name, _)| name.is_empty()) {
                    Value::List(values.into_iter().map(|(_, value)| value).collect())
                } else {
                    Value::Map(values)
                }
            }
            _ => return Ok(None),
        }))
    }
}

fn numbers<'a>(values: Vec<f64>) -> Value<'a> {
    one_or(values, Value::Number, Value::Numbers)
}

/// Vectors of length one are their element.
fn one_or<T, V>(mut values: Vec<T>, one: fn(T) -> V, several: fn(Vec<T>) -> V) -> V {
    match values.len() {
        1 => one(values.remove(0)),
        _ => several(values),
    }
}

fn unknown(how: impl std::fmt::Display) -> Error {
    Kind::File.error(format!(
        "The file of torch_save() cannot be understood: {how}. In an R session with torch, \
         `torch_load()` it and give the module"
    ))
}
