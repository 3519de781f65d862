//! The JSON form: one object, all keys, ASCII (`wire.md` section 5.3).

use std::io::Write as _;

use serde::Deserialize;
use serde_json::error::Category;

use super::payload::{CallHeader, PayloadError, StreamHeader, pairs};
use crate::status::{RpcStatus, StatusCode};

// The derived readers refuse unknown and doubled keys, null, booleans and fractions.

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct StreamHeaderJson {
    service: String,
    method: String,
    version: i64,
    call_id: String,
    deadline_epoch_ms: i64,
    serialization_mode: i64,
    metadata_keys: Vec<String>,
    metadata_values: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct CallHeaderJson {
    method: String,
    call_id: String,
    deadline_epoch_ms: i64,
    metadata_keys: Vec<String>,
    metadata_values: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct RpcStatusJson {
    code: i64,
    message: String,
    detail_keys: Vec<String>,
    detail_values: Vec<String>,
}

fn read<'p, T: Deserialize<'p>>(payload: &'p [u8]) -> Result<T, PayloadError> {
    serde_json::from_slice(payload).map_err(|error| PayloadError::Json(reason(&error)))
}

/// Says where a payload is wrong. The reader's own text would quote what the peer sent, at any length.
fn reason(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        Category::Data => "unknown, repeated or ill-typed field",
        Category::Eof => "truncated JSON",
        Category::Syntax | Category::Io => "malformed JSON",
    };
    format!("{what} at line {} column {}", error.line(), error.column())
}

pub(super) fn read_stream_header(payload: &[u8]) -> Result<StreamHeader, PayloadError> {
    let json: StreamHeaderJson = read(payload)?;
    let header = StreamHeader {
        service: json.service,
        method: json.method,
        call_id: json.call_id,
        deadline_epoch_ms: json.deadline_epoch_ms,
        metadata: pairs(json.metadata_keys, json.metadata_values)?,
        ..StreamHeader::default()
    };
    header.with_numbers(json.version, json.serialization_mode)
}

pub(super) fn read_call_header(payload: &[u8]) -> Result<CallHeader, PayloadError> {
    let json: CallHeaderJson = read(payload)?;
    Ok(CallHeader {
        method: json.method,
        call_id: json.call_id,
        deadline_epoch_ms: json.deadline_epoch_ms,
        metadata: pairs(json.metadata_keys, json.metadata_values)?,
    })
}

pub(super) fn read_status(payload: &[u8]) -> Result<RpcStatus, PayloadError> {
    let json: RpcStatusJson = read(payload)?;
    Ok(RpcStatus {
        code: StatusCode(i32::try_from(json.code).map_err(|_| PayloadError::Range("code"))?),
        message: json.message,
        details: pairs(json.detail_keys, json.detail_values)?,
    })
}

pub(super) fn write_stream_header(header: &StreamHeader, out: &mut Vec<u8>) {
    text(out, "{\"service\":", &header.service);
    text(out, ",\"method\":", &header.method);
    number(out, ",\"version\":", header.version.into());
    text(out, ",\"callId\":", &header.call_id);
    number(out, ",\"deadlineEpochMs\":", header.deadline_epoch_ms);
    number(out, ",\"serializationMode\":", header.serialization_mode.into());
    list(out, ",\"metadataKeys\":", header.metadata.iter().map(|(key, _)| key));
    list(out, ",\"metadataValues\":", header.metadata.iter().map(|(_, value)| value));
    out.push(b'}');
}

pub(super) fn write_call_header(header: &CallHeader, out: &mut Vec<u8>) {
    text(out, "{\"method\":", &header.method);
    text(out, ",\"callId\":", &header.call_id);
    number(out, ",\"deadlineEpochMs\":", header.deadline_epoch_ms);
    list(out, ",\"metadataKeys\":", header.metadata.iter().map(|(key, _)| key));
    list(out, ",\"metadataValues\":", header.metadata.iter().map(|(_, value)| value));
    out.push(b'}');
}

pub(super) fn write_status(status: &RpcStatus, out: &mut Vec<u8>) {
    number(out, "{\"code\":", status.code.0.into());
    text(out, ",\"message\":", &status.message);
    list(out, ",\"detailKeys\":", status.details.iter().map(|(key, _)| key));
    list(out, ",\"detailValues\":", status.details.iter().map(|(_, value)| value));
    out.push(b'}');
}

fn number(out: &mut Vec<u8>, key: &str, value: i64) {
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{key}{value}");
}

fn text(out: &mut Vec<u8>, key: &str, value: &str) {
    out.extend_from_slice(key.as_bytes());
    string(out, value);
}

fn list<'t>(out: &mut Vec<u8>, key: &str, values: impl Iterator<Item = &'t String>) {
    out.extend_from_slice(key.as_bytes());
    out.push(b'[');
    for (position, value) in values.enumerate() {
        if position > 0 {
            out.push(b',');
        }
        string(out, value);
    }
    out.push(b']');
}

fn string(out: &mut Vec<u8>, value: &str) {
    out.push(b'"');
    for char in value.chars() {
        match char {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            ' '..='~' => out.push(char as u8),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push(b'"');
}
