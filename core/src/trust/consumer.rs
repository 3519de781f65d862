//! The two documents of consumer admission (`trust.md` section 6, `registry.md` section 4).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Credential, json};
use crate::error::{Error, ErrorKind, Result};
use crate::limits;

/// What a consumer presents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ConsumerRequest {
    /// The credential as JSON text; empty: none.
    pub credential_json: String,
    /// A signed document of the instance's identity; empty: none.
    pub iid_token: String,
}

/// A service as a producer announces it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSummary {
    /// Service name.
    pub name: String,
    /// Service version.
    pub version: i32,
    /// Contract id, 64 hex digits.
    pub contract_id: String,
    /// Where it is served: channel name to base64 NodeAddr.
    #[serde(default)]
    pub channels: BTreeMap<String, String>,
    /// `shared` or `session`.
    #[serde(default = "shared")]
    pub pattern: String,
    /// Tokens of the modes that are accepted; empty: a legacy peer.
    #[serde(default)]
    pub serialization_modes: Vec<String>,
}

fn shared() -> String {
    "shared".to_owned()
}

/// What the server answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerAnswer {
    /// Whether the consumer is admitted.
    pub admitted: bool,
    /// Attributes that are granted.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Services of the producer.
    #[serde(default)]
    pub services: Vec<ServiceSummary>,
    /// Id of the registry's namespace, or empty.
    #[serde(default)]
    pub registry_namespace: String,
    /// Public root key, 64 hex digits.
    #[serde(default)]
    pub root_pubkey: String,
    /// Always empty: a denial does not say why.
    #[serde(default)]
    pub reason: String,
    /// Topic of the producers' mesh, for operators.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub gossip_topic: String,
}

fn malformed(reason: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Credential, format!("malformed: {reason}"))
}

impl ConsumerRequest {
    /// Returns the document.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Parses a document strictly.
    ///
    /// # Errors
    ///
    /// CREDENTIAL with the cause for the operator's log.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        // The limit of section 4 holds for the request as a whole, whatever the reader let through.
        if bytes.len() > limits::MAX_CREDENTIAL_BYTES {
            return Err(Error::new(ErrorKind::Credential, "too_large"));
        }
        let Value::Object(fields) = json::parse(bytes)? else { return Err(malformed("not an object")) };
        let text = |name: &str, required: bool| match fields.get(name) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Null) => Ok(String::new()),
            None if !required => Ok(String::new()),
            _ => Err(malformed(format!("field '{name}' is not a string"))),
        };
        Ok(Self { credential_json: text("credential_json", true)?, iid_token: text("iid_token", false)? })
    }

    /// Reads the credential that is presented; `None` if there is none.
    ///
    /// # Errors
    ///
    /// As for [`Credential::parse`]. White space is not nothing: only the empty text is.
    pub fn credential(&self) -> Result<Option<Credential>> {
        match self.credential_json.as_str() {
            "" => Ok(None),
            text => Credential::parse(text.as_bytes()).map(Some),
        }
    }
}

/// Gives the key of legacy peers its name of today, unless that has a value already.
fn rename_legacy(fields: &mut Map<String, Value>) {
    let Some(legacy) = fields.remove("registry_ticket") else { return };
    match fields.get("registry_namespace").and_then(Value::as_str) {
        Some(namespace) if !namespace.is_empty() => {}
        _ => {
            fields.insert("registry_namespace".to_owned(), legacy);
        }
    }
}

fn is_namespace(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl ConsumerAnswer {
    /// Makes the denial, one byte string for every cause.
    pub fn denial() -> Self {
        Self::default()
    }

    /// Returns the document.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Parses a document strictly.
    ///
    /// # Errors
    ///
    /// CREDENTIAL if the document is malformed or beyond the limits.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut document = json::parse(bytes)?;
        if let Value::Object(fields) = &mut document {
            rename_legacy(fields);
        }
        // The reader's own text would quote what the peer sent.
        let answer: Self =
            serde_json::from_value(document).map_err(|_| malformed("fields missing or of a wrong type"))?;
        if answer.admitted && !answer.registry_namespace.is_empty() && !is_namespace(&answer.registry_namespace) {
            return Err(malformed("registry_namespace"));
        }
        if answer.services.len() > limits::MAX_SERVICES {
            return Err(malformed("too many services"));
        }
        if answer.services.iter().any(|service| service.channels.len() > limits::MAX_CHANNELS) {
            return Err(malformed("too many channels"));
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_denial_is_one_byte_string() {
        let text =
            r#"{"admitted":false,"attributes":{},"services":[],"registry_namespace":"","root_pubkey":"","reason":""}"#;
        assert_eq!(ConsumerAnswer::denial().to_json(), text);
    }

    #[test]
    fn requests_are_parsed_strictly() {
        let parse = |text: &str| ConsumerRequest::parse(text.as_bytes());
        assert_eq!(parse(r#"{"credential_json":null}"#).unwrap(), ConsumerRequest::default());
        assert!(parse("{}").is_err(), "credential_json is required");
        assert!(parse(r#"{"credential_json":"","credential_json":"x"}"#).is_err(), "doubled key");
        assert!(parse(r#"{"credential_json":"","more":{"a":1,"\u0061":2}}"#).is_err(), "doubled after unescaping");
        assert!(parse(r#"{"credential_json":""} x"#).is_err(), "text after the object");
        assert!(parse(&format!(r#"{{"credential_json":"","d":{}{}}}"#, "[".repeat(9), "]".repeat(9))).is_err());
        assert!(parse(&format!(r#"{{"credential_json":"{}"}}"#, "x".repeat(65_537))).is_err());
    }

    #[test]
    fn answers_of_legacy_peers_are_understood() {
        let text = br#"{"admitted":true,"services":[{"name":"S","version":1,"contract_id":"c"}],"registry_ticket":"@","new":1}"#;
        let text = String::from_utf8_lossy(text).replace('@', &"ab".repeat(32));
        let answer = ConsumerAnswer::parse(text.as_bytes()).unwrap();
        assert_eq!(answer.registry_namespace, "ab".repeat(32));
        assert_eq!(answer.services[0].pattern, "shared");
        assert!(answer.services[0].serialization_modes.is_empty());
    }

    #[test]
    fn errors_do_not_quote_what_the_peer_sent() {
        let error = ConsumerAnswer::parse(br#"{"admitted":"SECRET"}"#).unwrap_err();
        assert!(!error.message().contains("SECRET"), "{error}");
    }
}
