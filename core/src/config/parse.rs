//! Parsing of values (`config.md` section 3). Texts of errors never contain secrets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::fields::{Field, Kind};
use super::wrong;
use crate::error::{Error, Result};

/// Makes the error of a value: `<where>: field '<name>': <expectation>`.
pub(super) fn complaint(place: &str, name: &str, expectation: &str) -> Error {
    wrong(format!("{place}: field '{name}': {expectation}")).with_detail("field", name)
}

/// Checks an inline value; null clears an optional field.
pub(super) fn inline(field: &Field, value: &Value) -> Result<Value> {
    match (field.kind, value) {
        (Kind::Bool(None) | Kind::Text | Kind::TrustText | Kind::IdentityPath, Value::Null) => Ok(Value::Null),
        (Kind::PublicKey | Kind::SecretKey, Value::Null) => Ok(Value::Null),
        (Kind::IdentityPath, Value::String(none)) if none.is_empty() => Ok(value.clone()),
        _ => typed("inline", field, value),
    }
}

/// Checks a value that has a type: of a TOML file, or given inline.
pub(super) fn typed(place: &str, field: &Field, value: &Value) -> Result<Value> {
    let expected = |what: &str| complaint(place, field.name, &format!("expected {what}"));
    match (field.kind, value) {
        (Kind::Bool(_), Value::Bool(_)) => Ok(value.clone()),
        (Kind::Bool(_), _) => Err(expected("a boolean")),
        (Kind::Int(_, least, most), number) => match number.as_i64() {
            Some(n) if (least..=most).contains(&n) => Ok(value.clone()),
            _ => Err(expected(&range(least, most))),
        },
        (Kind::Text, Value::String(_)) => Ok(value.clone()),
        (Kind::TrustText | Kind::IdentityPath | Kind::TextOr(_), Value::String(text)) => {
            if text.is_empty() {
                Err(expected("a text that is not empty"))
            } else {
                Ok(value.clone())
            }
        }
        (Kind::Text | Kind::TrustText | Kind::IdentityPath | Kind::TextOr(_), _) => Err(expected("a string")),
        (Kind::PublicKey, Value::String(text)) => public_key(text).map_err(expectation(place, field)),
        (Kind::SecretKey, Value::String(text)) => secret_key(text).map_err(expectation(place, field)),
        (Kind::PublicKey | Kind::SecretKey, _) => Err(expected(KEY_TEXT)),
        (Kind::Choice(choices), Value::String(text)) if choices.contains(&text.as_str()) => Ok(value.clone()),
        (Kind::Choice(choices), _) => Err(expected(&format!("one of {}", choices.join(", ")))),
        (Kind::List, Value::Array(items)) if items.iter().all(Value::is_string) => Ok(value.clone()),
        (Kind::List, _) => Err(expected("a list of strings")),
    }
}

fn expectation(place: &str, field: &Field) -> impl FnOnce(&'static str) -> Error {
    move |what| complaint(place, field.name, what)
}

/// Parses the text of a variable.
pub(super) fn variable(field: &Field, text: &str) -> Result<Value> {
    let name = field.variable();
    let text = text.trim();
    let fail = |what: &str| Err(wrong(format!("{name}: {what}")).with_detail("field", field.name));
    if text.is_empty() {
        return match field.kind {
            Kind::Text | Kind::SecretKey => Ok(Value::Null),
            Kind::TextOr(_) | Kind::Choice(_) | Kind::List => Ok(field.default_value()),
            Kind::Bool(_) => fail("expected true/false/1/0, got ''"),
            Kind::Int(_, least, most) => fail(&format!("expected {}, got ''", range(least, most))),
            Kind::TrustText | Kind::IdentityPath | Kind::PublicKey => fail("is empty"),
        };
    }
    match field.kind {
        Kind::Bool(_) => match text.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Ok(true.into()),
            "0" | "false" | "no" | "off" => Ok(false.into()),
            _ => fail(&format!("expected true/false/1/0, got '{text}'")),
        },
        Kind::Int(_, least, most) => match decimal(text) {
            Some(number) if (least..=most).contains(&number) => Ok(number.into()),
            _ => fail(&format!("expected {}, got '{text}'", range(least, most))),
        },
        Kind::Text | Kind::TrustText | Kind::IdentityPath | Kind::TextOr(_) => Ok(text.into()),
        Kind::PublicKey => public_key(text).map_err(expectation(&name, field)),
        Kind::SecretKey => secret_key(text).map_err(expectation(&name, field)),
        Kind::Choice(choices) if choices.contains(&text) => Ok(text.into()),
        Kind::Choice(choices) => fail(&format!("expected one of {}, got '{text}'", choices.join(", "))),
        Kind::List => Ok(list(text).into()),
    }
}

/// Splits at commas; what is empty is left out.
pub(super) fn list(text: &str) -> Vec<&str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect()
}

/// Reads digits, with a minus sign at most: Rust would take a plus sign too.
fn decimal(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn range(least: i64, most: i64) -> String {
    match most {
        i64::MAX => format!("an integer of at least {least}"),
        _ => format!("an integer from {least} to {most}"),
    }
}

const KEY_TEXT: &str = "64 hex digits or base64 of 32 bytes";
const NO_KEY_TEXT: &str = "expected 64 hex digits or base64 of 32 bytes";
const NO_POINT: &str = "not a valid Ed25519 public key";

/// Reads a key: hex of either case, or padded base64, of 32 bytes.
pub(super) fn key_bytes(text: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    if hex::decode_to_slice(text, &mut key).is_ok() {
        return Some(key);
    }
    STANDARD.decode(text).ok()?.try_into().ok()
}

fn secret_key(text: &str) -> std::result::Result<Value, &'static str> {
    key_bytes(text).map(|key| hex::encode(key).into()).ok_or(NO_KEY_TEXT)
}

fn public_key(text: &str) -> std::result::Result<Value, &'static str> {
    let key = key_bytes(text).ok_or(NO_KEY_TEXT)?;
    if crate::keys::is_public(&key) { Ok(hex::encode(key).into()) } else { Err(NO_POINT) }
}

/// Parses a public root key of a file: of a valid point that is not of small order.
pub(super) fn root_key(what: &str, text: &str) -> Result<[u8; 32]> {
    let key = key_bytes(text.trim()).ok_or_else(|| wrong(format!("{what}: {NO_KEY_TEXT}")))?;
    if crate::keys::is_public(&key) { Ok(key) } else { Err(wrong(format!("{what}: {NO_POINT}"))) }
}

/// Parses the file of a public root key: hex text, or JSON with `public_key`.
pub(super) fn root_file(path: &str, content: &str) -> Result<[u8; 32]> {
    if !content.trim_start().starts_with('{') {
        return root_key(path, content);
    }
    let json: Value = serde_json::from_str(content).map_err(|_| wrong(format!("{path}: malformed JSON")))?;
    let key = json.get("public_key").and_then(Value::as_str);
    root_key(path, key.ok_or_else(|| wrong(format!("{path}: expected the key 'public_key'")))?)
}

#[cfg(test)]
mod tests {
    use super::super::fields::{FIELDS, find};
    use super::*;

    const KEY: &str = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8";

    fn refused(name: &str, text: &str) -> String {
        variable(find(name).unwrap(), text).unwrap_err().message().to_owned()
    }

    fn read(name: &str, text: &str) -> Value {
        variable(find(name).unwrap(), text).unwrap()
    }

    #[test]
    fn variables() {
        for (text, value) in [(" 1 ", true), ("TRUE", true), ("Yes", true), ("on", true), ("0", false), ("oFF", false)]
        {
            assert_eq!(read("log_mask", text), Value::from(value));
        }
        assert_eq!(refused("log_mask", "2"), "ASTER_LOG_MASK: expected true/false/1/0, got '2'");
        assert_eq!(refused("log_mask", " "), "ASTER_LOG_MASK: expected true/false/1/0, got ''");
        assert_eq!(read("peer_ttl_s", " 60 "), Value::from(60));
        for text in ["0", "31536001", "+5", "5.0", "0x10", "1_000", "five", "-", "99999999999999999999"] {
            let expected = format!("ASTER_PEER_TTL_S: expected an integer from 1 to 31536000, got '{text}'");
            assert_eq!(refused("peer_ttl_s", text), expected);
        }
        assert_eq!(
            refused("hook_timeout_ms", "-1"),
            "ASTER_HOOK_TIMEOUT_MS: expected an integer of at least 0, got '-1'"
        );
        assert_eq!(read("mesh_bootstrap", " a, ,b,"), serde_json::json!(["a", "b"]));
        assert_eq!(refused("log_format", "xml"), "ASTER_LOG_FORMAT: expected one of text, json, got 'xml'");
    }

    #[test]
    fn empty_variables_clear_or_fail() {
        for field in FIELDS {
            let read = variable(field, "");
            match field.kind {
                Kind::Text | Kind::SecretKey => assert_eq!(read.unwrap(), Value::Null, "{}", field.name),
                Kind::List | Kind::TextOr(_) | Kind::Choice(_) => assert_eq!(read.unwrap(), field.default_value()),
                _ => assert!(read.unwrap_err().message().starts_with(&field.variable()), "{}", field.name),
            }
        }
        assert_eq!(refused("root_pubkey", "  "), "ASTER_ROOT_PUBKEY: is empty");
    }

    #[test]
    fn keys_are_hex_or_padded_base64_and_never_shown() {
        let base64 = STANDARD.encode(hex::decode(KEY).unwrap());
        for text in [KEY, &KEY.to_uppercase(), &base64] {
            assert_eq!(read("root_pubkey", text), Value::from(KEY));
            assert_eq!(read("secret_key", text), Value::from(KEY));
        }
        for bad in [&KEY[1..], &format!("{KEY}00"), base64.trim_end_matches('='), "s3cret"] {
            let message = refused("secret_key", bad);
            assert_eq!(message, "ASTER_SECRET_KEY: field 'secret_key': expected 64 hex digits or base64 of 32 bytes");
        }
        let small = format!("01{}", "00".repeat(31));
        assert_eq!(
            refused("root_pubkey", &small),
            "ASTER_ROOT_PUBKEY: field 'root_pubkey': not a valid Ed25519 public key"
        );
        let error = inline(find("secret_key").unwrap(), &"s3cret".into()).unwrap_err();
        assert_eq!(error.message(), "inline: field 'secret_key': expected 64 hex digits or base64 of 32 bytes");
    }

    #[test]
    fn typed_values_keep_their_types() {
        let cases = [
            ("allow_all_consumers", serde_json::json!("false"), "expected a boolean"),
            ("allow_all_consumers", serde_json::json!(0), "expected a boolean"),
            ("peer_ttl_s", serde_json::json!(true), "expected an integer from 1 to 31536000"),
            ("peer_ttl_s", serde_json::json!(5.0), "expected an integer from 1 to 31536000"),
            ("relay_mode", serde_json::json!(1), "expected a string"),
            ("health_host", serde_json::json!(""), "expected a text that is not empty"),
            ("mesh_bootstrap", serde_json::json!("a,b"), "expected a list of strings"),
            ("mesh_bootstrap", serde_json::json!([1]), "expected a list of strings"),
            ("log_level", serde_json::json!("loud"), "expected one of info, debug, warning, error"),
            ("root_pubkey", serde_json::json!(5), "expected 64 hex digits or base64 of 32 bytes"),
        ];
        for (name, value, text) in cases {
            let error = typed("aster.toml", find(name).unwrap(), &value).unwrap_err();
            assert_eq!(error.message(), format!("aster.toml: field '{name}': {text}"));
            assert_eq!(error.detail("field"), Some(name));
        }
    }

    #[test]
    fn files_of_root_keys() {
        for text in [KEY.to_owned(), format!("{KEY}\n"), format!(r#" {{"public_key": "{KEY}"}}"#)] {
            assert_eq!(hex::encode(root_file("root.pub", &text).unwrap()), KEY);
        }
        for (text, message) in [
            ("{}", "root.pub: expected the key 'public_key'"),
            ("{", "root.pub: malformed JSON"),
            (&KEY[..62], "root.pub: expected 64 hex digits or base64 of 32 bytes"),
            ("", "root.pub: expected 64 hex digits or base64 of 32 bytes"),
        ] {
            assert_eq!(root_file("root.pub", text).unwrap_err().message(), message);
        }
    }
}
