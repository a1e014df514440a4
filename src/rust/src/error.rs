//! Errors and panics as values.

use std::panic::{catch_unwind, set_hook, take_hook, AssertUnwindSafe};
use std::sync::{Mutex, Once, PoisonError};

use extendr_api::prelude::*;
use innsight_core::error::{Error, Kind, Result};
use innsight_core::kernels::cpu::release_memory;

/// Where the last panic came from, on whichever thread.
static PLACE: Mutex<String> = Mutex::new(String::new());

/// Notes the place of a panic in place of printing it.
fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |info| {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            *PLACE.lock().unwrap_or_else(PoisonError::into_inner) = place;
            if std::env::var_os("RUST_BACKTRACE").is_some() {
                previous(info);
            }
        }));
    });
}

/// Runs `f`; an error or a panic becomes a list of class `innsight_rust_error`. Much memory that
/// was kept for reuse goes back to the system.
pub fn guard(f: impl FnOnce() -> Result<Robj>) -> Robj {
    install_hook();
    let outcome = catch_unwind(AssertUnwindSafe(f));
    release_memory();
    let outcome = outcome.unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        let place = PLACE.lock().unwrap_or_else(PoisonError::into_inner);
        Err(Kind::Bug.error(format!("{text} (at {place})")))
    });
    outcome.unwrap_or_else(|error: Error| {
        let value = list!(message = error.message, kind = error.kind.name());
        let mut value: Robj = value.into();
        // Setting a class on a list that was just made cannot fail.
        let _ = value.set_class(["innsight_rust_error"]);
        value
    })
}
