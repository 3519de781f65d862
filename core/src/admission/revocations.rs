//! The revocation list and its file (`trust.md` section 8).

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::error::{Error, ErrorKind, Result};
use crate::ids::EndpointId;
use crate::keys;
use crate::limits::MAX_REVOCATIONS;
use crate::trust::Enrollment;

/// Endpoints and credentials that are refused until a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revocations {
    endpoints: HashMap<[u8; 32], u64>,
    credentials: HashMap<[u8; 32], u64>,
}

/// What is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// An endpoint, whatever it presents.
    Endpoint(EndpointId),
    /// A credential, whoever presents it: the BLAKE3 hash of its signature.
    Credential([u8; 32]),
}

impl Revoked {
    /// Reads which credential is meant: its document, as it is presented or as a file has it.
    ///
    /// # Errors
    ///
    /// CREDENTIAL for what is no credential.
    pub fn credential(document: &[u8]) -> Result<Self> {
        Self::named(None, Some(&Enrollment::parse(document)?.signature))
    }

    /// Reads what a program names: either an endpoint, or a credential by its signature.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT for both, for neither, and for what is not one of them.
    pub fn named(endpoint_id: Option<&str>, signature: Option<&[u8]>) -> Result<Self> {
        match (endpoint_id, signature) {
            (Some(id), None) => EndpointId::parse(id).map(Self::Endpoint),
            (None, Some(signature)) if signature.len() == 64 => Ok(Self::Credential(keys::digest(signature))),
            (None, Some(_)) => Err(Error::new(ErrorKind::InvalidArgument, "credential: it is not signed")),
            _ => Err(Error::new(ErrorKind::InvalidArgument, "revoke takes an endpoint id or a credential")),
        }
    }
}

const FOR_EVER: u64 = 0;

fn holds(list: &HashMap<[u8; 32], u64>, key: &[u8; 32], now: u64) -> bool {
    list.get(key).is_some_and(|until| *until == FOR_EVER || *until > now)
}

impl Revocations {
    /// Tells whether nothing is revoked.
    pub fn is_empty(&self) -> bool {
        self.endpoints.is_empty() && self.credentials.is_empty()
    }

    /// Tells whether an endpoint is revoked in this second.
    pub fn has_endpoint(&self, endpoint: &EndpointId, now: u64) -> bool {
        holds(&self.endpoints, &endpoint.0, now)
    }

    /// Tells whether a credential is revoked in this second.
    pub fn has_credential(&self, credential: &[u8; 32], now: u64) -> bool {
        holds(&self.credentials, credential, now)
    }

    /// Adds an entry that holds until a second since 1970; `None`: for ever. What has passed goes first.
    ///
    /// # Errors
    ///
    /// LIMIT if the list is full; INVALID_ARGUMENT for a time that has passed.
    pub fn add(&mut self, what: Revoked, until: Option<u64>, now: u64) -> Result<()> {
        if until.is_some_and(|until| until <= now) {
            return Err(Error::new(ErrorKind::InvalidArgument, "until: expected a time that has not passed"));
        }
        self.purge(now);
        let (list, key) = match what {
            Revoked::Endpoint(id) => (&mut self.endpoints, id.0),
            Revoked::Credential(id) => (&mut self.credentials, id),
        };
        let is_known = list.contains_key(&key);
        if !is_known && self.endpoints.len() + self.credentials.len() >= MAX_REVOCATIONS {
            return Err(Error::limit("revocations", MAX_REVOCATIONS, MAX_REVOCATIONS + 1));
        }
        let list = match what {
            Revoked::Endpoint(_) => &mut self.endpoints,
            Revoked::Credential(_) => &mut self.credentials,
        };
        list.insert(key, until.unwrap_or(FOR_EVER));
        Ok(())
    }

    fn purge(&mut self, now: u64) {
        for list in [&mut self.endpoints, &mut self.credentials] {
            list.retain(|_, until| *until == FOR_EVER || *until > now);
        }
    }

    /// Returns the content of its file.
    pub fn to_json(&self) -> String {
        let list = |entries: &HashMap<[u8; 32], u64>| {
            let mut sorted: Vec<_> =
                entries.iter().map(|(key, until)| (hex::encode(key), Value::from(*until))).collect();
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(sorted.into_iter().collect::<Map<_, _>>())
        };
        json!({"version": 1, "endpoints": list(&self.endpoints), "credentials": list(&self.credentials)}).to_string()
    }

    /// Reads the content of its file.
    ///
    /// # Errors
    ///
    /// CONFIG for anything but a whole list: half of one would admit who is revoked.
    pub fn parse(text: &str) -> Result<Self> {
        let corrupt = || Error::new(ErrorKind::Config, "not a revocation list");
        let document: Value = serde_json::from_str(text).map_err(|_| corrupt())?;
        if document.get("version") != Some(&Value::from(1)) {
            return Err(corrupt());
        }
        let list = |name: &str| -> Result<HashMap<[u8; 32], u64>> {
            let entries = document.get(name).and_then(Value::as_object).ok_or_else(corrupt)?;
            entries
                .iter()
                .map(|(key, until)| {
                    let mut id = [0; 32];
                    hex::decode_to_slice(key, &mut id).map_err(|_| corrupt())?;
                    Ok((id, until.as_u64().ok_or_else(corrupt)?))
                })
                .collect()
        };
        let read = Self { endpoints: list("endpoints")?, credentials: list("credentials")? };
        match read.endpoints.len() + read.credentials.len() {
            0..=MAX_REVOCATIONS => Ok(read),
            _ => Err(corrupt()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revocation_names_one_thing() {
        let id = "ab".repeat(32);
        assert_eq!(Revoked::named(Some(&id), None).unwrap(), Revoked::Endpoint(EndpointId([0xab; 32])));
        let hash = *blake3::hash(&[7; 64]).as_bytes();
        assert_eq!(Revoked::named(None, Some(&[7; 64])).unwrap(), Revoked::Credential(hash));
        let both: (Option<&str>, Option<&[u8]>) = (Some(&id), Some(&[7; 64]));
        for (endpoint_id, signature) in [both, (None, None), (None, Some(&[])), (Some("nobody"), None)] {
            assert!(Revoked::named(endpoint_id, signature).is_err());
        }
    }

    #[test]
    fn entries_hold_until_their_time_and_survive_a_file() {
        let mut list = Revocations::default();
        let (id, credential) = (EndpointId([1; 32]), [2; 32]);
        list.add(Revoked::Endpoint(id), Some(100), 50).unwrap();
        list.add(Revoked::Credential(credential), None, 50).unwrap();
        assert!(list.has_endpoint(&id, 99) && !list.has_endpoint(&id, 100));
        assert!(list.has_credential(&credential, u64::MAX) && !list.has_credential(&[3; 32], 0));
        let read = Revocations::parse(&list.to_json()).unwrap();
        assert_eq!(read, list);
        list.add(Revoked::Credential([3; 32]), None, 100).unwrap();
        assert!(list.endpoints.is_empty(), "what has passed is forgotten");
        assert!(list.add(Revoked::Endpoint(id), Some(100), 100).is_err());
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let text = Revocations::default().to_json();
        assert!(Revocations::parse(&text).unwrap().is_empty());
        for length in 0..text.len() {
            assert!(Revocations::parse(&text[..length]).is_err(), "{length}");
        }
        let bad = [
            r#"{"version":2,"endpoints":{},"credentials":{}}"#,
            r#"{"version":1,"endpoints":{"ab":0},"credentials":{}}"#,
            r#"{"version":1,"endpoints":{},"credentials":{"x":-1}}"#,
            r#"{"version":1,"endpoints":{}}"#,
        ];
        bad.iter().for_each(|text| assert!(Revocations::parse(text).is_err(), "{text}"));
    }
}
