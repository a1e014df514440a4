//! ONNX files of a few operators, written byte by byte, and what is refused. Numbers are compared with
//! onnxruntime's in the R package's tests.

use std::path::Path;

use innsight_core::error::{Kind, Result};
use innsight_core::formats::{self, Value};

use super::Random;

// ---- a writer of protocol buffers ----

fn varint(mut n: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while n >= 0x80 {
        bytes.push(n as u8 | 0x80);
        n >>= 7;
    }
    bytes.push(n as u8);
    bytes
}

fn number(field: u64, n: i64) -> Vec<u8> {
    [varint(field << 3), varint(n as u64)].concat()
}

fn bytes(field: u64, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    [varint(field << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}

/// A tensor of whole numbers, or of single precision.
fn tensor(name: &str, dims: &[i64], kind: i64, raw: &[u8]) -> Vec<u8> {
    let dims: Vec<u8> = dims.iter().flat_map(|n| number(1, *n)).collect();
    [dims, number(2, kind), bytes(8, name), bytes(9, raw)].concat()
}

fn floats(name: &str, dims: &[i64]) -> Vec<u8> {
    let n = dims.iter().product::<i64>() as usize;
    let raw: Vec<u8> = (0..n).flat_map(|i| (i as f32).to_le_bytes()).collect();
    tensor(name, dims, 1, &raw)
}

fn whole(name: &str, values: &[i64]) -> Vec<u8> {
    let raw: Vec<u8> = values.iter().flat_map(|n| n.to_le_bytes()).collect();
    tensor(name, &[values.len() as i64], 7, &raw)
}

/// "Op a,b -> c"
fn node(text: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let (op, rest) = text.split_once(' ').unwrap();
    let (inputs, outputs) = rest.split_once("-> ").unwrap();
    let names = |field, list: &str| -> Vec<u8> {
        list.trim().split(',').filter(|s| !s.is_empty()).flat_map(|s| bytes(field, s)).collect()
    };
    let attributes: Vec<u8> = attributes.iter().flat_map(|a| bytes(5, a)).collect();
    [names(1, inputs), names(2, outputs), bytes(3, format!("the {op}")), bytes(4, op), attributes]
        .concat()
}

fn int(name: &str, n: i64) -> Vec<u8> {
    [bytes(1, name), number(3, n)].concat()
}

/// An input or output; rows are not known.
fn info(name: &str, dims: &[i64]) -> Vec<u8> {
    let known = dims.iter().map(|n| bytes(1, if *n > 0 { number(1, *n) } else { bytes(2, "n") }));
    let shape: Vec<u8> = known.flatten().collect();
    let tensor = [number(1, 1), bytes(2, shape)].concat();
    [bytes(1, name), bytes(2, bytes(1, tensor))].concat()
}

fn model(opset: i64, dims: &[i64], nodes: &[Vec<u8>], weights: &[Vec<u8>]) -> Vec<u8> {
    let graph: Vec<u8> = [
        nodes.iter().flat_map(|n| bytes(1, n)).collect(),
        weights.iter().flat_map(|w| bytes(5, w)).collect(),
        bytes(11, info("x", dims)),
        bytes(12, info("y", &[-1, 2])),
    ]
    .concat();
    [bytes(2, "test"), bytes(7, graph), bytes(8, number(2, opset))].concat()
}

fn read(file: &[u8]) -> Result<Value<'_>> {
    formats::read(file, Path::new("."))
}

/// The types of the layers.
fn types(file: &[u8]) -> Vec<String> {
    let content = read(file).unwrap();
    let Some(Value::List(layers)) = content.get("model").and_then(|m| m.get("layers")) else {
        panic!("no layers")
    };
    layers.iter().map(|layer| format!("{:?}", layer.get("type").unwrap())).collect()
}

fn refused(file: &[u8], kind: Kind, words: &[&str]) {
    let error = read(file).unwrap_err();
    assert_eq!(error.kind, kind, "{error}");
    for word in words {
        assert!(error.message.contains(word), "'{word}' is not in: {error}");
    }
}

// ---- what is read ----

#[test]
fn extents_are_computed_with_the_number_of_rows_unknown() {
    let nodes = [
        node("Shape x-> s", &[]),
        node("Gather s,zero-> n", &[int("axis", 0)]),
        node("Concat n,minus-> t", &[int("axis", 0)]),
        node("Reshape x,t-> f", &[]),
        node("MatMul f,w-> y", &[]),
    ];
    let weights = [whole("zero", &[0]), whole("minus", &[-1]), floats("w", &[12, 2])];
    let file = model(13, &[-1, 3, 4], &nodes, &weights);
    assert_eq!(types(&file), [r#"Text("Flatten")"#, r#"Text("Dense")"#]);
}

#[test]
fn neighbours_become_one_layer_and_dropout_none() {
    let nodes = [
        node("MatMul x,w-> a", &[]),
        node("Add a,b-> c", &[]),
        node("Dropout c-> d", &[]),
        node("Relu d-> e", &[]),
        node("Identity e-> y", &[]),
    ];
    let file = model(13, &[-1, 3], &nodes, &[floats("w", &[3, 2]), floats("b", &[2])]);
    assert_eq!(types(&file), [r#"Text("Dense")"#]);
}

#[test]
fn weights_are_not_copied() {
    let nodes = [node("Gemm x,w-> y", &[])];
    let file = model(13, &[-1, 3], &nodes, &[floats("w", &[3, 2])]);
    let content = read(&file).unwrap();
    let Some(Value::List(layers)) = content.get("model").and_then(|m| m.get("layers")) else {
        panic!("no layers")
    };
    let Some(Value::Array(weight)) = layers[0].get("weight") else { panic!("no weight") };
    assert_eq!(weight.shape, [3, 2]);
    let formats::Data::PermutedF32(std::borrow::Cow::Borrowed(bytes), axes) = &weight.data else {
        panic!("{:?}", weight.data)
    };
    assert_eq!(axes, &[1, 0]);
    assert!(file.as_ptr_range().contains(&bytes.as_ptr()));
}

// ---- what is refused ----

#[test]
fn unsupported_operators_are_listed_together() {
    let nodes = [
        node("LSTM x-> a", &[]),
        node("Det x-> b", &[]),
        node("Add a,b-> c", &[]),
        node("Erf c-> y", &[]),
    ];
    let file = model(13, &[-1, 2], &nodes, &[]);
    refused(&file, Kind::Model, &["LSTM 'the LSTM'", "Det 'the Det'"]);
    let file = model(13, &[-1, 2], &[node("Erf x-> a", &[]), node("Log a-> y", &[])], &[]);
    refused(&file, Kind::Model, &["Erf 'the Erf'", "Log 'the Log'"]);
}

#[test]
fn errors_name_what_is_wrong() {
    let relu = [node("Relu x-> y", &[])];
    refused(&model(6, &[-1, 2], &relu, &[]), Kind::File, &["opset", "7 to 21"]);
    refused(&model(22, &[-1, 2], &relu, &[]), Kind::File, &["opset", "7 to 21"]);
    refused(&model(13, &[-1, -1], &relu, &[]), Kind::File, &["'x'", "fixed size"]);
    refused(&model(13, &[-1, 2], &[node("Relu z-> y", &[])], &[]), Kind::File, &["'z'"]);
    refused(b"not a model", Kind::File, &["no ONNX file"]);
    let pool = [node("AveragePool x-> y", &[])];
    refused(
        &model(13, &[-1, 2, 3], &pool, &[]),
        Kind::Model,
        &["'the AveragePool'", "kernel_shape"],
    );
    let rows = [node("Transpose x-> y", &[])];
    refused(&model(13, &[-1, 2], &rows, &[]), Kind::Model, &["the axis of the rows"]);
    let short = [tensor("w", &[3, 2], 1, &[0; 20])];
    let gemm = [node("Gemm x,w-> y", &[])];
    refused(&model(13, &[-1, 3], &gemm, &short), Kind::File, &["'w'"]);
    // No cells, but extents that no array can have.
    let vast = [tensor("w", &[0, 1 << 40, 1 << 40], 1, &[])];
    refused(&model(13, &[-1, 3], &gemm, &vast), Kind::File, &["'w'", "extents"]);
}

#[test]
fn small_files_do_not_make_large_constants() {
    let huge = whole("n", &[1 << 20, 1 << 20]);
    for op in
        ["ConstantOfShape n-> c", "Expand one,n-> c", "Tile two,n-> c", "Range zero,far,one-> c"]
    {
        let nodes = [node(op, &[]), node("Add x,c-> y", &[])];
        let weights = [
            huge.clone(),
            whole("one", &[1]),
            whole("zero", &[0]),
            whole("far", &[i64::MAX]),
            floats("two", &[1, 1]),
        ];
        refused(&model(13, &[-1, 2], &nodes, &weights), Kind::Model, &["too large"]);
    }
    // Many that are allowed one by one.
    let mut nodes: Vec<_> =
        (0..200).map(|i| node(&format!("ConstantOfShape n-> c{i}"), &[])).collect();
    nodes.push(node(
        &format!("Sum x,{}-> y", (0..200).map(|i| format!("c{i}")).collect::<Vec<_>>().join(",")),
        &[],
    ));
    let file = model(13, &[-1, 2], &nodes, &[whole("n", &[1 << 10, 1 << 10])]);
    refused(&file, Kind::Model, &["too large"]);
}

#[test]
fn external_files_stay_in_the_folder() {
    for place in ["../secret", "/etc/passwd", ""] {
        let entry = [bytes(1, "location"), bytes(2, place)].concat();
        let w =
            [number(1, 3), number(2, 1), bytes(8, "w"), bytes(13, entry), number(14, 1)].concat();
        let nodes = [node("Mul x,w-> y", &[])];
        refused(&model(13, &[-1, 3], &nodes, &[w]), Kind::File, &["below the model's folder"]);
    }
}

/// Bytes of real files changed, left out and repeated: an error or a model, never a panic.
#[test]
fn damaged_files_are_errors() {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/testthat/fixtures/onnx");
    let Ok(files) = std::fs::read_dir(&folder) else { return };
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "onnx"));
    files.sort();
    let rounds: usize = std::env::var("INNSIGHT_FUZZ").map_or(20, |n| n.parse().unwrap());
    let mut random = Random::new(7);
    for path in files {
        let file = std::fs::read(&path).unwrap();
        for _ in 0..rounds {
            let mut bytes = file.clone();
            for _ in 0..random.below(1..=4) {
                let at = random.below(0..=bytes.len() - 1);
                match random.below(0..=4) {
                    0 => bytes[at] = random.below(0..=255) as u8,
                    1 => bytes[at] ^= 1 << random.below(0..=7),
                    2 => bytes.truncate(at.max(1)),
                    3 => drop(bytes.drain(at..(at + random.below(1..=8)).min(bytes.len()))),
                    _ => {
                        let part = bytes[at..(at + 16).min(bytes.len())].to_vec();
                        bytes.splice(at..at, part);
                    }
                }
                if bytes.is_empty() {
                    break;
                }
            }
            drop(formats::read(&bytes, &folder));
        }
    }
}
