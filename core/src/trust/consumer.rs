//! The two documents of consumer admission (`trust.md` section 6, `registry.md` section 4).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::json;
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
    #[serde(default, alias = "registry_ticket")]
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
        let Value::Object(fields) = json::parse(bytes)? else { return Err(malformed("not an object")) };
        let text = |name: &str, required: bool| match fields.get(name) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Null) => Ok(String::new()),
            None if !required => Ok(String::new()),
            _ => Err(malformed(format!("field '{name}' is not a string"))),
        };
        let request = Self { credential_json: text("credential_json", true)?, iid_token: text("iid_token", false)? };
        if request.credential_json.len() > limits::MAX_CREDENTIAL_BYTES {
            return Err(Error::new(ErrorKind::Credential, "too_large"));
        }
        Ok(request)
    }
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
        let answer: Self = serde_json::from_value(json::parse(bytes)?).map_err(malformed)?;
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
        let text = br#"{"admitted":true,"services":[{"name":"S","version":1,"contract_id":"c"}],"registry_ticket":"n","new":1}"#;
        let answer = ConsumerAnswer::parse(text).unwrap();
        assert_eq!(answer.registry_namespace, "n");
        assert_eq!(answer.services[0].pattern, "shared");
        assert!(answer.services[0].serialization_modes.is_empty());
    }
}
