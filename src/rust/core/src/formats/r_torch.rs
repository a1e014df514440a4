//! Files of `torch_save()` of the R package torch, 0.12 and later: safetensors with the module as a
//! serialized R object beside the arrays.
//!
//! A module there is a function with the attribute `module`, an R6 object: an environment of fields,
//! from which the private one with parameters, buffers and children is reached.

use super::bytes::Budget;
use super::r_object::{find, Archive, Bindings, Node, Object};
use super::safetensors::{tensors, Safetensors};
use super::value::{Array, Value};
use crate::error::{Error, Kind, Result};

/// A safetensors file, of R torch or any other source.
///
/// # Errors
/// [`Kind::File`] if the file is damaged or holds something else than modules or tensors.
pub fn read(bytes: &[u8]) -> Result<Value<'_>> {
    let mut file = Safetensors::open(bytes)?;
    let Some(object) = file.remove("__robj__") else { return tensors(&file) };
    let archive = Archive::read(object.bytes)?;
    let torch = Torch { file, archive, budget: Budget::of(bytes) };
    let root = &torch.archive.root;
    if root.attribute("module").is_some() {
        let module = torch.module(root, "", MAX_DEPTH)?;
        return Ok(Value::map([("format", "torch".into()), ("module", module)]));
    }
    let named = root.elements();
    if named.is_empty() {
        return Err(unknown("it is neither a module nor a list of tensors"));
    }
    let arrays = named.into_iter().map(|(name, value)| match &value.node {
        Node::Character(address) => match &address[..] {
            [Some(address)] => Ok((name.to_string(), Value::Array(torch.array(address)?))),
            _ => Err(unknown(format!("{name} in the list is no tensor"))),
        },
        _ => Err(unknown(format!("{name} in the list is no tensor"))),
    });
    let arrays = Value::Map(arrays.collect::<Result<_>>()?);
    Ok(Value::map([("format", "tensors".into()), ("tensors", arrays)]))
}

/// Modules in modules.
const MAX_DEPTH: usize = 64;

struct Torch<'a> {
    file: Safetensors<'a>,
    archive: Archive<'a>,
    budget: Budget,
}

impl<'a> Torch<'a> {
    /// A module: `class`, `fields`, `weights` and `children`.
    fn module(&self, object: &Object<'a>, path: &str, depth: usize) -> Result<Value<'a>> {
        let depth =
            depth.checked_sub(1).ok_or_else(|| unknown("its modules are nested too deeply"))?;
        let incomplete = || unknown(format!("module {path:?} has not the parts of a module"));
        let inside = |bindings, name| find(bindings, name).and_then(|o| self.environment(o));
        let public = object.attribute("module").and_then(|module| self.environment(module));
        let enclosing = public.and_then(|public| inside(public, ".__enclos_env__"));
        let private = enclosing.and_then(|enclosing| inside(enclosing, "private"));
        let (Some(public), Some(private)) = (public, private) else { return Err(incomplete()) };
        let part = |name: &str| find(private, name).map(Object::elements).unwrap_or_default();

        let class = object.attribute("class").and_then(plain).ok_or_else(incomplete)?;
        let class = match class {
            Value::Text(class) => vec![class],
            Value::Texts(classes) => classes,
            _ => return Err(incomplete()),
        };
        let mut fields: Vec<_> = public
            .iter()
            .filter(|(name, _)| !name.starts_with('.'))
            .filter_map(|(name, value)| Some((name.to_string(), plain(value)?)))
            .collect();
        let training = find(private, "training_").and_then(plain);
        fields.extend(training.map(|training| ("training".to_string(), training)));
        fields.sort_by(|(left, _), (right, _)| left.cmp(right));

        let transient = find(private, "non_persistent_buffers_").map(|names| &names.node);
        let transient = |name: &str| match transient {
            Some(Node::Character(names)) => names.iter().any(|n| n.as_deref() == Some(name)),
            _ => false,
        };
        let mut weights = Vec::new();
        for (name, value) in [part("parameters_"), part("buffers_")].concat() {
            if !matches!(value.node, Node::Null) && !transient(name) {
                let array = self.array(&format!("{path}{name}"))?;
                weights.push((name.to_string(), Value::Array(array)));
            }
        }
        let mut children = Vec::new();
        for (name, child) in part("modules_") {
            if !matches!(child.node, Node::Null) {
                let child = self.module(child, &format!("{path}{name}."), depth)?;
                children.push((name.to_string(), child));
            }
        }
        let size = path.len() + 64 * (1 + fields.len() + weights.len());
        self.budget.spend(size as u64)?;
        Ok(Value::map([
            ("class", Value::Texts(class)),
            ("fields", Value::Map(fields)),
            ("weights", Value::Map(weights)),
            ("children", Value::Map(children)),
        ]))
    }

    fn environment(&self, object: &Object<'a>) -> Option<&Bindings<'a>> {
        match object.node {
            Node::Environment(number) => self.archive.environments.get(number),
            _ => None,
        }
    }

    fn array(&self, name: &str) -> Result<Array<'a>> {
        let entry = self.file.entries.iter().find(|(key, _)| key == name);
        let (_, entry) = entry.ok_or_else(|| unknown(format!("the tensor {name} is missing")))?;
        self.budget.spend(entry.bytes.len() as u64)?;
        entry.array(name)
    }
}

/// The value of a field, if it is made of numbers, texts and logical values alone.
fn plain<'a>(object: &Object) -> Option<Value<'a>> {
    let whole = |&n: &i32| if n == i32::MIN { f64::NAN } else { f64::from(n) };
    let flag = |&n: &i32| if n == i32::MIN { Value::Null } else { Value::Flag(n != 0) };
    Some(match &object.node {
        Node::Null => Value::Null,
        Node::Logical(flags) => {
            one_or(flags.iter().map(flag).collect(), std::convert::identity, Value::List)
        }
        Node::Integer(whole_numbers) => numbers(whole_numbers.iter().map(whole).collect()),
        Node::Double(values) => numbers(values.clone()),
        Node::Character(texts) => {
            let texts = texts.iter().map(|text| text.as_deref().unwrap_or("NA").to_string());
            one_or(texts.collect(), Value::Text, Value::Texts)
        }
        Node::List(_) | Node::Pairlist(_) => {
            let elements = object.elements().into_iter();
            let values = elements.map(|(name, value)| Some((name.to_string(), plain(value)?)));
            let values: Vec<_> = values.collect::<Option<_>>()?;
            if values.iter().all(|(name, _)| name.is_empty()) {
                Value::List(values.into_iter().map(|(_, value)| value).collect())
            } else {
                Value::Map(values)
            }
        }
        _ => return None,
    })
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
