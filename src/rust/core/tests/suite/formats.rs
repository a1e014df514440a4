//! What is read of model files, against h5py, Python's safetensors and R, which wrote or read the
//! same files.

use std::path::Path;

use innsight_core::error::Kind;
use innsight_core::formats::{read, Data, Value};

use crate::assert_close;

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/testthat/fixtures");
    std::fs::read(folder.join(name)).unwrap()
}

fn content(bytes: &[u8]) -> Value<'_> {
    read(bytes, Path::new(".")).unwrap()
}

/// The message of the error that the bytes give.
#[track_caller]
fn refusal(bytes: &[u8]) -> String {
    let error = read(bytes, Path::new(".")).expect_err("an error");
    assert_eq!(error.kind, Kind::File);
    error.message
}

fn at<'b, 'a>(value: &'b Value<'a>, path: &[&str]) -> &'b Value<'a> {
    path.iter().fold(value, |value, name| value.get(name).unwrap_or_else(|| panic!("no {name}")))
}

fn keys<'b>(value: &'b Value) -> Vec<&'b str> {
    let Value::Map(entries) = value else { panic!("{value:?} is no map") };
    entries.iter().map(|(name, _)| name.as_str()).collect()
}

/// Shape and values of an array.
fn numbers(value: &Value) -> (Vec<usize>, Vec<f64>) {
    let Value::Array(array) = value else { panic!("{value:?} is no array") };
    let values = match &array.data {
        Data::F64(values) => values.clone(),
        Data::F32(bytes) | Data::PermutedF32(bytes, _) => {
            let (values, _) = bytes.as_chunks();
            values.iter().map(|&b| f32::from_le_bytes(b).into()).collect()
        }
    };
    (array.shape.clone(), values)
}

#[track_caller]
fn assert_array(value: &Value, shape: &[usize], first: f64, sum: f64) {
    let (found, values) = numbers(value);
    assert_eq!(found, shape);
    assert_close("first and sum", &[values[0], values.iter().sum()], &[first, sum], 1e-12);
}

#[test]
fn weights_of_keras_by_path() {
    for name in ["k3_functional.weights.h5", "k3_functional.keras"] {
        let bytes = fixture(name);
        let content = content(&bytes);
        assert_eq!(at(&content, &["layout"]), &"paths".into(), "{name}");
        let weights = at(&content, &["weights"]);
        assert_eq!(keys(weights).len(), 12, "{name}");
        let weight = |path| at(weights, &[path]);
        let kernel = weight("layers/conv1d/vars/0");
        assert_array(kernel, &[3, 2, 6], 0.0993499681353569, -0.33736078394576907);
        let variance = weight("layers/batch_normalization/vars/3");
        assert_array(variance, &[6], 1.4039733409881592, 6.61550360918045);
        let kernel = weight("layers/dense_2/vars/0");
        assert_array(kernel, &[4, 2], -0.34286952018737793, 0.7428605451714247);
        assert!(matches!(kernel, Value::Array(array)
            if matches!(array.data, Data::F32(std::borrow::Cow::Borrowed(_)))));
    }
}

#[test]
fn architecture_of_keras() {
    let bytes = fixture("k3_functional.keras");
    let content = content(&bytes);
    assert_eq!(at(&content, &["format"]), &"keras".into());
    assert_eq!(at(&content, &["config", "class_name"]), &"Functional".into());
    let bytes = fixture("k3_functional.weights.h5");
    assert_eq!(at(&self::content(&bytes), &["format"]), &"keras_weights".into());
}

#[test]
fn weights_of_keras_by_layer() {
    let bytes = fixture("k2_seq_cnn.h5");
    let content = content(&bytes);
    assert_eq!(at(&content, &["layout"]), &"groups".into());
    assert_eq!(at(&content, &["config", "class_name"]), &"Sequential".into());
    let weights = at(&content, &["weights"]);
    assert_eq!(keys(weights)[..4], ["conv2d", "max_pooling2d", "conv2d_1", "batch_normalization"]);
    let norm = at(weights, &["batch_normalization"]);
    let order = ["gamma", "beta", "moving_mean", "moving_variance"];
    assert_eq!(keys(norm), order.map(|name| format!("batch_normalization/{name}:0")));
    let gamma = at(norm, &["batch_normalization/gamma:0"]);
    assert_array(gamma, &[6], 0.7465279698371887, 4.990175783634186);
    let kernel = at(weights, &["conv2d", "conv2d/kernel:0"]);
    assert_array(kernel, &[3, 3, 3, 4], 0.0002840917441062629, -3.890381034638267);
}

/// Written by h5py with the values that are expected here.
#[test]
fn texts_of_fixed_size_and_divided_lists() {
    let bytes = fixture("fixed_texts.h5");
    let content = content(&bytes);
    assert_eq!(at(&content, &["config", "class_name"]), &"Sequential".into());
    let weights = at(&content, &["weights"]);
    assert_eq!(keys(weights), ["first", "second_one"]);
    assert_eq!(keys(at(weights, &["first"])), ["k:0", "b:0", "s:0"]);
    assert_eq!(keys(at(weights, &["second_one"])), [""; 0]);
    let array = |name| numbers(at(weights, &["first", name]));
    assert_eq!(array("k:0"), (vec![2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, -6.5]));
    assert_eq!(array("b:0"), (vec![3], vec![0.1, 0.2, 0.3]));
    assert_eq!(array("s:0"), (vec![], vec![-7.0]));
}

#[test]
fn hdf5_that_keras_does_not_write() {
    assert!(refusal(&fixture("chunked.h5")).contains("in chunks"));
    assert!(refusal(&fixture("latest.h5")).contains("libver"));
}

#[test]
fn safetensors() {
    let bytes = fixture("pt_mlp.safetensors");
    let content = content(&bytes);
    assert_eq!(at(&content, &["format"]), &"tensors".into());
    let tensors = at(&content, &["tensors"]);
    let mut names = keys(tensors);
    names.sort();
    assert_eq!(names, ["0.bias", "0.weight", "3.bias", "3.weight", "5.bias", "5.weight"]);
    let weight = at(tensors, &["0.weight"]);
    assert_array(weight, &[10, 4], f64::from(-0.49573648f32), -4.837806463241577);
}

#[test]
fn modules_of_r_torch() {
    let bytes = fixture("rt_cnn2d.rtorch.pt");
    let content = content(&bytes);
    assert_eq!(at(&content, &["format"]), &"torch".into());
    let module = at(&content, &["module"]);
    let children = at(module, &["children"]);
    assert_eq!(keys(children), ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    let class = |names: &[&str]| Value::Texts(names.iter().map(|n| n.to_string()).collect());
    let conv = at(children, &["4", "children", "0"]);
    assert_eq!(at(conv, &["class"]), &class(&["nn_conv2d", "nn_conv_nd", "nn_module"]));
    assert_eq!(at(conv, &["fields", "kernel_size"]), &Value::Numbers(vec![3.0, 2.0]));
    assert_eq!(at(conv, &["fields", "padding_mode"]), &"zeros".into());
    assert_eq!(at(conv, &["fields", "training"]), &Value::Flag(false));
    assert_array(
        at(children, &["0", "weights", "weight"]),
        &[4, 3, 3, 3],
        0.0956258699297905,
        -1.041839161887765,
    );
    let norm = at(children, &["1", "weights"]);
    let buffers = ["running_mean", "running_var", "num_batches_tracked"];
    assert_eq!(keys(norm), [&["weight", "bias"][..], &buffers].concat());
    let pool = at(children, &["5", "fields"]);
    assert_eq!(at(pool, &["divisor_override"]), &Value::Null);
    assert_eq!(at(pool, &["ceil_mode"]), &Value::Flag(true));
}

#[test]
fn state_dict_of_r_torch() {
    let bytes = fixture("rt_mlp.state_dict.rtorch.pt");
    let content = content(&bytes);
    assert_eq!(at(&content, &["format"]), &"tensors".into());
    let tensors = at(&content, &["tensors"]);
    assert_eq!(keys(tensors), ["0.weight", "0.bias", "3.weight", "3.bias", "5.weight", "5.bias"]);
    // The same network as a module.
    let module = fixture("rt_mlp.rtorch.pt");
    let module = self::content(&module);
    let weight = at(&module, &["module", "children", "0", "weights", "weight"]);
    assert_eq!(at(tensors, &["0.weight"]), weight);
}

/// A safetensors file with one array.
fn one_array(dtype: &str, shape: &str, offsets: &str, data: &[u8]) -> Vec<u8> {
    let header =
        format!(r#"{{"x":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#);
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

#[test]
fn numbers_of_every_type() {
    let values = |dtype, data: &[u8], size: usize| {
        let n = data.len() / size;
        let bytes = one_array(dtype, &format!("[{n}]"), &format!("[0,{}]", data.len()), data);
        numbers(at(&content(&bytes), &["tensors", "x"])).1
    };
    assert_eq!(values("F16", &[0x00, 0x3C, 0x00, 0xC1], 2), [1.0, -2.5]);
    assert_eq!(values("BF16", &[0x80, 0x3F, 0x20, 0xC0], 2), [1.0, -2.5]);
    assert_eq!(values("F32", &(-2.5f32).to_le_bytes(), 4), [-2.5]);
    assert_eq!(values("F64", &0.1f64.to_le_bytes(), 8), [0.1]);
    assert_eq!(values("BOOL", &[0, 1], 1), [0.0, 1.0]);
    assert_eq!(values("U8", &[0, 255], 1), [0.0, 255.0]);
    assert_eq!(values("I8", &[127, 128], 1), [127.0, -128.0]);
    assert_eq!(values("U16", &[0xFE, 0xFF], 2), [65534.0]);
    assert_eq!(values("I16", &[0xFE, 0xFF], 2), [-2.0]);
    assert_eq!(values("U32", &u32::MAX.to_le_bytes(), 4), [4294967295.0]);
    assert_eq!(values("I32", &(-7i32).to_le_bytes(), 4), [-7.0]);
    assert_eq!(values("U64", &(1u64 << 40).to_le_bytes(), 8), [(1u64 << 40) as f64]);
    assert_eq!(values("I64", &(-9i64).to_le_bytes(), 8), [-9.0]);
}

#[test]
fn arrays_that_do_not_fit() {
    let refused = |dtype, shape, offsets, data: &[u8], reason| {
        let message = refusal(&one_array(dtype, shape, offsets, data));
        assert!(message.contains(reason), "{message}");
    };
    refused("F32", "[2]", "[0,4]", &[0; 4], "no array of the shape");
    refused("F32", "[2]", "[0,8]", &[0; 4], "beyond its end");
    refused("F32", "[1]", "[4,0]", &[0; 4], "ends before its start");
    refused("F32", "[4294967296,4294967296]", "[0,0]", &[], "shape");
    refused("F32", "[-1]", "[0,4]", &[0; 4], "description of x");
    refused("F8_E4M3", "[1]", "[0,1]", &[0], "F8_E4M3");
    let twice = r#"{"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},
                    "y":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}"#;
    let bytes = [&(twice.len() as u64).to_le_bytes()[..], twice.as_bytes(), &[0; 3]].concat();
    assert!(refusal(&bytes).contains("overlap"));
}

/// An R torch file with this serialized object.
fn r_torch(object: &[u8]) -> Vec<u8> {
    let n = object.len();
    let file = one_array("U8", &format!("[{n}]"), &format!("[0,{n}]"), object);
    let renamed = String::from_utf8_lossy(&file[8..]).find('x').unwrap();
    let mut bytes = file;
    bytes.splice(8 + renamed..9 + renamed, *b"__robj__");
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) + 7;
    bytes[..8].copy_from_slice(&header.to_le_bytes());
    bytes
}

#[test]
fn r_objects_cannot_nest_without_end() {
    let code: &[u8] = &[0, 0, 0, 21, 0, 0, 0, 1, 0, 0, 0, 254, 0, 0, 0, 1];
    let nests: [(&[u8], &[u8]); 8] = [
        // A list in a list, a pairlist as element or attribute of another, the call of a call.
        (&[], &[0, 0, 0, 19, 0, 0, 0, 1]),
        (&[], &[0, 0, 0, 2]),
        (&[], &[0, 0, 2, 2]),
        (&[], &[0, 0, 0, 6]),
        // Around environments others, pointers to pointers, compact vectors of such.
        (&[], &[0, 0, 0, 4, 0, 0, 0, 0]),
        (&[], &[0, 0, 0, 22]),
        (&[], &[0, 0, 0, 238]),
        // A call in a call among the constants of code.
        (code, &[0, 0, 0, 6, 0, 0, 0, 254]),
    ];
    for (start, nest) in nests {
        let header = b"X\n\0\0\0\x02\0\x04\x02\x02\0\x02\x03\0";
        let message = refusal(&r_torch(&[&header[..], start, &nest.repeat(10_000)].concat()));
        assert!(message.contains("nested deeply"), "{nest:?}: {message}");
    }
}

#[test]
fn r_objects_that_are_no_modules() {
    // serialize(NULL, NULL, version = 2) and serialize(NULL, NULL, ascii = TRUE).
    let null = b"X\n\0\0\0\x02\0\x04\x02\x02\0\x02\x03\0\0\0\0\xFE";
    assert!(refusal(&r_torch(null)).contains("neither a module nor a list of tensors"));
    assert!(refusal(&r_torch(b"A\n3\n262146\n")).contains("not binary"));
}

/// A zip archive with one empty member.
fn archive(member: &str) -> Vec<u8> {
    let name = member.as_bytes();
    let length = [name.len() as u8, 0, 0, 0];
    let local = [b"PK\x03\x04\x14\0\0\0", &[0; 18][..], &length, name].concat();
    let central = [b"PK\x01\x02\x14\0\x14\0\0\0", &[0; 18][..], &length, &[0; 14], name].concat();
    let sizes = [central.len() as u32, local.len() as u32].map(u32::to_le_bytes).concat();
    [&local, &central, &b"PK\x05\x06\0\0\0\0\x01\0\x01\0"[..], &sizes, &[0; 2]].concat()
}

#[test]
fn other_files_are_named() {
    let cases: [(&[u8], &str); 11] = [
        (&archive("m/constants.pkl"), "TorchScript"),
        (&archive("archive/data.pkl"), "torch.onnx.export"),
        (&archive("m/archive_format"), "torch.export"),
        (&archive("m/saved_model.pb"), "SavedModel"),
        (&archive("arr_0.npy"), "NumPy"),
        (&archive("readme.txt"), "config.json"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "readRDS"),
        (b"\x80\x02}q\0.", "pickle"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        (b"<!DOCTYPE html>", "web page"),
        (b"{\"class_name\": \"Sequential\"}", "without weights"),
    ];
    for (bytes, reason) in cases {
        let message = refusal(bytes);
        assert!(message.contains(reason), "{reason}: {message}");
    }
}

#[test]
fn archives_are_checked() {
    let bytes = fixture("k3_functional.keras");
    let entry = |name: &[u8]| {
        let names = bytes.windows(name.len()).enumerate().filter(|(_, part)| *part == name);
        names.map(|(place, _)| place).next_back().unwrap() - 46
    };
    let config = entry(b"config.json");
    let mut compressed = bytes.clone();
    compressed[config + 10] = 8;
    assert!(refusal(&compressed).contains("config.json is compressed"));
    let mut other = bytes.clone();
    other[config + 16] ^= 1;
    assert!(refusal(&other).contains("checksum"));
    let mut renamed = bytes.clone();
    let place = entry(b"model.weights.h5") + 46;
    renamed[place] = b'M';
    assert!(refusal(&renamed).contains("no weights"));
}

#[test]
fn no_part_of_a_file_will_do() {
    for name in ["k3_functional.keras", "pt_mlp.safetensors", "rt_mlp.rtorch.pt"] {
        let bytes = fixture(name);
        for end in (9..bytes.len()).step_by(if bytes.len() > 10_000 { 97 } else { 1 }) {
            refusal(&bytes[..end]);
        }
    }
}
