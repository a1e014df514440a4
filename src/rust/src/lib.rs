//! The bridge between R and [`innsight_core`]: R's values in, results or tagged errors out.
//!
//! Every function returns either its value or an error value of class `innsight_rust_error`, which
//! `from_engine()` in R raises as a condition. Nothing is thrown from here: in extendr-api 0.9 a `%`
//! in the text of a thrown error can crash R.

// extendr's macros generate public items without documentation.
#![allow(missing_docs)]

mod arrays;
mod engine;
mod error;
mod files;
mod request;

use extendr_api::prelude::*;

use engine::Engine;
use error::guard;
use innsight_core::error::Kind;

/// The layers, rules, activation functions and devices of this build.
/// @noRd
#[extendr]
fn engine_capabilities() -> Robj {
    guard(|| Ok(request::capabilities()))
}

/// Builds a network from a specification (see R/engine.R) and its arrays.
/// @noRd
#[extendr]
fn engine_build(spec: Robj, arrays: Robj) -> Robj {
    guard(|| {
        let engine = Engine::new(request::model(&spec, &arrays)?)?;
        let mut pointer: Robj = ExternalPtr::new(engine).into();
        pointer.set_class(["innsight_network"]).map_err(|e| Kind::Bug.error(e.to_string()))?;
        Ok(pointer)
    })
}

/// Whether the pointer leads to a network: it does not after `readRDS()`.
/// @noRd
#[extendr]
fn engine_alive(handle: Robj) -> bool {
    engine::of(&handle).is_ok()
}

/// Classes and shapes of the layers, extents and activation functions of the outputs.
/// @noRd
#[extendr]
fn engine_info(handle: Robj) -> Robj {
    guard(|| Ok(engine::of(&handle)?.info()))
}

/// The outputs for the data `x`.
/// @noRd
#[extendr]
fn engine_predict(handle: Robj, x: Robj, call: Robj) -> Robj {
    guard(|| engine::of(&handle)?.predict(&x, &request::call(&call)?))
}

/// Inputs, pre-activations and outputs of every layer for the data `x`.
/// @noRd
#[extendr]
fn engine_activations(handle: Robj, x: Robj, call: Robj) -> Robj {
    guard(|| engine::of(&handle)?.activations(&x, &request::call(&call)?))
}

/// Bytes that a data point and a (data point, target) pair need.
/// @noRd
#[extendr]
fn engine_plan(handle: Robj, call: Robj) -> Robj {
    guard(|| engine::of(&handle)?.plan(&request::call(&call)?))
}

/// Predictions and explained values at the targets for the data `x`.
/// @noRd
#[extendr]
fn engine_values(handle: Robj, x: Robj, targets: Robj, ignore_last_act: bool, call: Robj) -> Robj {
    guard(|| {
        let (targets, call) = (request::targets(&targets)?, request::call(&call)?);
        engine::of(&handle)?.values(&x, &targets, ignore_last_act, &call)
    })
}

/// What comes of a method for the data `x` and the targets, put in its `place`.
/// @noRd
#[extendr]
fn engine_explain(
    handle: Robj,
    method: Robj,
    x: Robj,
    targets: Robj,
    place: Robj,
    call: Robj,
) -> Robj {
    guard(|| {
        let request = request::explanation(&method, &targets)?;
        let (data, place) = ((&x, &request::reference(&method)?), request::place(&place)?);
        engine::of(&handle)?.explain(&request, data, &place, &request::call(&call)?)
    })
}

/// The sums of an array of doubles over all axes but the first and the last.
/// @noRd
#[extendr]
fn engine_cell_sums(x: Robj) -> Robj {
    guard(|| arrays::cell_sums(&x))
}

/// Whether all cells of an array of doubles are finite.
/// @noRd
#[extendr]
fn engine_all_finite(x: Robj) -> Robj {
    guard(|| Ok(arrays::reals(&x)?.iter().fold(true, |all, x| all & x.is_finite()).into()))
}

/// The content of a model file, as R/convert-file.R explains.
/// @noRd
#[extendr]
fn engine_read(path: &str) -> Robj {
    guard(|| files::read(path))
}

/// A JSON text as nested lists.
/// @noRd
#[extendr]
fn engine_json(text: &str) -> Robj {
    guard(|| files::json(text))
}

/// Provokes a panic, so that the tests can prove what becomes of one.
/// @noRd
#[extendr]
fn engine_panic() -> Robj {
    guard(|| panic!("a panic on purpose, with % and {{braces}}"))
}

extendr_module! {
    mod innsight;
    fn engine_capabilities;
    fn engine_build;
    fn engine_alive;
    fn engine_info;
    fn engine_predict;
    fn engine_activations;
    fn engine_plan;
    fn engine_values;
    fn engine_explain;
    fn engine_cell_sums;
    fn engine_all_finite;
    fn engine_read;
    fn engine_json;
    fn engine_panic;
}
