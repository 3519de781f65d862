//! Core's tables for the package, which prints them into its source and compares them in a test.

use aster_core::error::ErrorKind;
use aster_core::limits;
use aster_core::status::{STATUS_TABLE, StatusCode};
use aster_core::types;
use aster_core::wire::{self, Mode};
use napi_derive::napi;
use serde_json::json;

/// Returns the version of the library.
#[napi]
pub fn version() -> String {
    aster_core::VERSION.to_owned()
}

/// Returns the tables of statuses, error kinds and modes as JSON.
#[napi]
pub fn tables() -> String {
    let statuses: Vec<_> = STATUS_TABLE
        .iter()
        .map(|row| {
            let StatusCode(code) = row.code;
            json!({"code": code, "name": row.name, "class": row.class, "retryable": row.code.is_retryable()})
        })
        .collect();
    let kinds: Vec<_> = ErrorKind::ALL
        .iter()
        .map(|kind| json!({"number": kind.number(), "name": kind.name().to_ascii_lowercase()}))
        .collect();
    let modes: Vec<_> = (0..=u8::MAX)
        .filter_map(Mode::from_number)
        .map(|mode| json!({"number": mode.number(), "name": mode.name()}))
        .collect();
    json!({"version": aster_core::VERSION, "statuses": statuses, "kinds": kinds, "modes": modes}).to_string()
}

/// Returns numbers and texts that the package starts from, as JSON.
#[napi]
pub fn defaults() -> String {
    json!({
        "initialCredit": limits::INITIAL_CREDIT,
        "deadlineSkewMs": limits::DEADLINE_SKEW_MS,
        "deadlineExpired": wire::deadline_expired().message,
        "compressionThreshold": limits::COMPRESSION_THRESHOLD,
    })
    .to_string()
}

/// Returns the wire name of a field: its snake_case form.
#[napi]
pub fn wire_name(name: String) -> String {
    types::wire_name(&name)
}

/// Returns the tag of a generic message applied to arguments, given as type texts; throws if one is no type.
#[napi]
pub fn flattened_name(tag: String, arguments: Vec<String>) -> napi::Result<String> {
    types::flattened_name(&tag, &arguments).map_err(|error| napi::Error::from_reason(error.message()))
}

/// Returns how deep messages may nest.
#[napi]
pub fn max_message_depth() -> u32 {
    limits::MAX_MESSAGE_DEPTH as u32
}
