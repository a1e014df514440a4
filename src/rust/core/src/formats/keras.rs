//! Models and weights of Keras. Its `.keras` files are zip archives, its `.h5` files HDF5.
//!
//! | entry | what it is |
//! |---|---|
//! | `format` | `"keras"`, or `"keras_weights"` where there are weights alone |
//! | `config` | the architecture; not in `"keras_weights"` |
//! | `layout` | how the weights are named, see there |
//! | `weights` | `"paths"` (Keras 3): arrays by their paths, `layers/dense/vars/0`; `"groups"` (`.h5`): for each layer its arrays by their names, in the layer's order |

use std::collections::HashMap;

use super::bytes::damaged;
use super::hdf5::{self, Object};
use super::value::{Array, Value};
use super::zip::Archive;
use crate::error::{Kind, Result};

/// Marks of other archives: what a member's name ends with, what the file is and what to do.
const NOT_KERAS: [(&str, &str); 8] = [
    ("constants.pkl", "a TorchScript module of PyTorch. Export the model with torch.onnx.export()"),
    (
        "data.pkl",
        "of PyTorch's torch.save(). Export the model with torch.onnx.export(), or give its layers \
         as a list and the weights as a safetensors file",
    ),
    (
        "models/model.json",
        "of PyTorch's torch.export. Export the model with torch.onnx.export() instead",
    ),
    (
        "archive_format",
        "of PyTorch's torch.export. Export the model with torch.onnx.export() instead",
    ),
    ("saved_model.pb", "a SavedModel of TensorFlow. Load it in Keras and save it as .keras"),
    ("keras_metadata.pb", "a SavedModel of TensorFlow. Load it in Keras and save it as .keras"),
    (".npy", "of NumPy. Save the weights as safetensors"),
    ("[Content_Types].xml", "an Office document"),
];

/// A `.keras` file.
///
/// # Errors
/// [`Kind::File`] if the file is damaged or not of Keras.
pub fn from_zip(bytes: &[u8]) -> Result<Value<'_>> {
    let archive = Archive::open(bytes)?;
    let Some(config) = archive.member("config.json")? else {
        let known = NOT_KERAS
            .iter()
            .find(|(end, _)| archive.names().any(|name| name.ends_with(end)))
            .map_or("without the config.json of a .keras file", |(_, what)| what);
        return Err(Kind::File.error(format!("The file is a zip archive {known}")));
    };
    let weights = archive.member("model.weights.h5")?.ok_or_else(|| {
        Kind::File.error("The .keras file holds the architecture (config.json), but no weights")
    })?;
    let (file, root) = hdf5::File::open(weights)?;
    model(config, "paths", paths(&file, &root)?)
}

/// A `.h5` file.
///
/// # Errors
/// [`Kind::File`] if the file is damaged or not of Keras.
pub fn from_hdf5(bytes: &[u8]) -> Result<Value<'_>> {
    let (file, root) = hdf5::File::open(bytes)?;
    if let Some(config) = root.attribute("model_config") {
        let members = file.members(&root)?;
        let (_, weights) =
            members.iter().find(|(name, _)| name == "model_weights").ok_or_else(|| {
                Kind::File.error("The .h5 file holds the architecture of a model, but no weights")
            })?;
        let weights = file.object(*weights)?;
        return model(config.concat().as_bytes(), "groups", groups(&file, &weights)?);
    }
    let (layout, weights) = match texts(&root, "layer_names") {
        Some(_) => ("groups", groups(&file, &root)?),
        None => ("paths", paths(&file, &root)?),
    };
    Ok(Value::map([
        ("format", "keras_weights".into()),
        ("layout", layout.into()),
        ("weights", weights),
    ]))
}

fn model<'a>(config: &[u8], layout: &str, weights: Value<'a>) -> Result<Value<'a>> {
    let config = std::str::from_utf8(config)
        .map_err(|_| damaged("the architecture of the model is no text"))?;
    Ok(Value::map([
        ("format", "keras".into()),
        ("config", super::json(config)?),
        ("layout", layout.into()),
        ("weights", weights),
    ]))
}

/// All arrays but the optimizer's.
fn paths<'a>(file: &hdf5::File<'a>, root: &Object) -> Result<Value<'a>> {
    let mut arrays = file.arrays(root)?;
    arrays.retain(|(path, _)| !path.starts_with("optimizer/"));
    if arrays.is_empty() {
        return Err(Kind::File.error("The HDF5 file holds no weights of a Keras model"));
    }
    Ok(named(arrays))
}

/// The arrays of every layer, in the order that the layer gives them.
fn groups<'a>(file: &hdf5::File<'a>, weights: &Object) -> Result<Value<'a>> {
    let layers: HashMap<_, _> = file.members(weights)?.into_iter().collect();
    let order = texts(weights, "layer_names")
        .ok_or_else(|| damaged("the names of the layers (`layer_names`) are missing"))?;
    let groups = order.into_iter().map(|layer| {
        let missing = |name: &str| damaged(format!("{name} of layer {layer} is missing"));
        // A name with slashes is a path.
        let mut parts = layer.split('/');
        let mut address = parts.next().and_then(|part| layers.get(part)).copied();
        for part in parts {
            let group = file.object(address.ok_or_else(|| missing("the group"))?)?;
            let inner = file.members(&group)?.into_iter().find(|(name, _)| name == part);
            address = inner.map(|(_, address)| address);
        }
        let group = file.object(address.ok_or_else(|| missing("the group"))?)?;
        let names = texts(&group, "weight_names").ok_or_else(|| missing("`weight_names`"))?;
        let mut arrays: HashMap<_, _> = file.arrays(&group)?.into_iter().collect();
        let ordered = names.into_iter().map(|name| {
            let array = arrays.remove(&name).ok_or_else(|| missing(&name))?;
            Ok((name, array))
        });
        let ordered = ordered.collect::<Result<Vec<_>>>()?;
        Ok((layer, named(ordered)))
    });
    Ok(Value::Map(groups.collect::<Result<_>>()?))
}

fn named<'a>(arrays: Vec<(String, Array<'a>)>) -> Value<'a> {
    Value::Map(arrays.into_iter().map(|(name, array)| (name, Value::Array(array))).collect())
}

/// The texts of an attribute, which Keras divides among `name0`, `name1`, ... if they are many.
fn texts(object: &Object, name: &str) -> Option<Vec<String>> {
    if let Some(texts) = object.attribute(name) {
        return Some(texts.to_vec());
    }
    let parts = (0..).map_while(|i| object.attribute(&format!("{name}{i}")));
    let texts: Vec<_> = parts.flatten().cloned().collect();
    (!texts.is_empty()).then_some(texts)
}
