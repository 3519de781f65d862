//! Parsing of values (`config.md` section 3). Texts of errors never contain secrets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::fields::{Field, Kind};
use super::wrong;
use crate::error::Result;

/// Checks the type of an inline value; null clears an optional field.
pub(super) fn inline(field: &Field, value: &Value) -> Result<Value> {
    let expected =
        |what: &str| wrong(format!("inline: field '{}': expected {what}", field.name)).with_detail("field", field.name);
    match (field.kind, value) {
        (Kind::Bool(_), Value::Bool(_)) | (Kind::Bool(None), Value::Null) => Ok(value.clone()),
        (Kind::Bool(_), _) => Err(expected("a boolean")),
        (Kind::Int(_, least, most), number) => match number.as_i64() {
            Some(n) if (least..=most).contains(&n) => Ok(value.clone()),
            _ => Err(expected(&format!("an integer from {least} to {most}"))),
        },
        (Kind::Text { .. }, Value::String(_) | Value::Null) => Ok(value.clone()),
        (Kind::TextOr(_), Value::String(_)) => Ok(value.clone()),
        (Kind::Text { .. } | Kind::TextOr(_), _) => Err(expected("a string")),
        (Kind::Choice(choices), Value::String(text)) if choices.contains(&text.as_str()) => Ok(value.clone()),
        (Kind::Choice(choices), _) => Err(expected(&format!("one of {}", choices.join(", ")))),
        (Kind::List, Value::Array(items)) if items.iter().all(Value::is_string) => Ok(value.clone()),
        (Kind::List, _) => Err(expected("a list of strings")),
    }
}

/// Parses the text of a variable.
pub(super) fn variable(field: &Field, text: &str) -> Result<Value> {
    let name = field.variable();
    let text = text.trim();
    let fail = |what: String| Err(wrong(format!("{name}: {what}")).with_detail("field", field.name));
    match field.kind {
        Kind::Bool(_) => match text.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Ok(true.into()),
            "0" | "false" | "no" | "off" => Ok(false.into()),
            _ => fail(format!("expected true/false/1/0, got '{text}'")),
        },
        Kind::Int(_, least, most) => match text.parse::<i64>() {
            Ok(number) if (least..=most).contains(&number) => Ok(number.into()),
            _ => fail(format!("expected an integer from {least} to {most}, got '{text}'")),
        },
        Kind::Text { never_empty: true } if text.is_empty() => fail("is empty".to_owned()),
        Kind::Text { .. } if text.is_empty() => Ok(Value::Null),
        Kind::TextOr(_) | Kind::Choice(_) if text.is_empty() => Ok(field.default_value()),
        Kind::Text { .. } | Kind::TextOr(_) => Ok(text.into()),
        Kind::Choice(choices) if choices.contains(&text) => Ok(text.into()),
        Kind::Choice(choices) => fail(format!("expected one of {}, got '{text}'", choices.join(", "))),
        Kind::List => Ok(text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect()),
    }
}

/// Parses a public key: 64 hex digits of a point that is not of small order.
pub(super) fn hex_key(what: &str, text: &str) -> Result<[u8; 32]> {
    let mut key = [0; 32];
    hex::decode_to_slice(text.trim(), &mut key).map_err(|_| wrong(format!("{what}: expected 64 hex digits")))?;
    match ed25519_dalek::VerifyingKey::from_bytes(&key) {
        Ok(point) if !point.is_weak() => Ok(key),
        _ => Err(wrong(format!("{what}: not a valid Ed25519 public key"))),
    }
}

/// Parses the file of a public root key: hex text, or JSON with `public_key`.
pub(super) fn root_file(path: &str, content: &str) -> Result<[u8; 32]> {
    if !content.trim_start().starts_with('{') {
        return hex_key(path, content);
    }
    let json: Value = serde_json::from_str(content).map_err(|_| wrong(format!("{path}: malformed JSON")))?;
    let key = json.get("public_key").and_then(Value::as_str);
    hex_key(path, key.ok_or_else(|| wrong(format!("{path}: expected the key 'public_key'")))?)
}

/// Parses a secret key: hex or padded base64 of 32 bytes.
pub(super) fn secret_key(text: &str) -> Result<[u8; 32]> {
    let mut key = [0; 32];
    if hex::decode_to_slice(text, &mut key).is_ok() {
        return Ok(key);
    }
    let bytes = STANDARD.decode(text).unwrap_or_default();
    bytes.try_into().map_err(|_| {
        wrong("field 'secret_key': expected 64 hex digits or base64 of 32 bytes").with_detail("field", "secret_key")
    })
}
