//! Which one-time tokens were spent (`trust.md` section 9).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};

use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::MAX_NONCES;
use crate::rpc::BoxFuture;

/// Bytes of a nonce.
pub const NONCE_LEN: usize = 32;

/// Remembers the nonces of spent tokens. One that fails, or is late, denies.
pub trait NonceStore: Send + Sync {
    /// Spends a nonce of a token that expires in this second. False: it was spent before.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from being remembered.
    fn consume(&self, nonce: [u8; NONCE_LEN], expires_at: u64) -> BoxFuture<'_, Result<bool>>;

    /// Tells whether a nonce was spent.
    ///
    /// # Errors
    ///
    /// Whatever keeps the store from knowing.
    fn is_consumed(&self, nonce: [u8; NONCE_LEN]) -> BoxFuture<'_, Result<bool>>;
}

/// Reads a nonce that a program gives.
///
/// # Errors
///
/// INVALID_ARGUMENT unless it has 32 bytes.
pub fn nonce(bytes: &[u8]) -> Result<[u8; NONCE_LEN]> {
    bytes.try_into().map_err(|_| Error::new(ErrorKind::InvalidArgument, "a nonce has 32 bytes"))
}

/// Spent nonces and when their tokens expire; `None`: never forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nonces(HashMap<[u8; NONCE_LEN], Option<u64>>);

impl Nonces {
    /// Spends a nonce. False: it was spent before. What has expired is forgotten only when there is no room.
    ///
    /// # Errors
    ///
    /// LIMIT if there is no room.
    pub fn consume(&mut self, nonce: [u8; NONCE_LEN], expires_at: u64, now: u64) -> Result<bool> {
        if self.0.contains_key(&nonce) {
            return Ok(false);
        }
        if self.0.len() >= MAX_NONCES {
            self.purge(now);
        }
        if self.0.len() >= MAX_NONCES {
            return Err(Error::limit("nonces", MAX_NONCES, MAX_NONCES + 1));
        }
        self.0.insert(nonce, Some(expires_at));
        Ok(true)
    }

    /// Tells whether a nonce was spent.
    pub fn contains(&self, nonce: &[u8; NONCE_LEN]) -> bool {
        self.0.contains_key(nonce)
    }

    /// Forgets what belongs to tokens that have expired.
    pub fn purge(&mut self, now: u64) {
        self.0.retain(|_, expires_at| expires_at.is_none_or(|expires_at| expires_at > now));
    }

    /// Returns the content of its file; what was read without an expiry keeps none.
    pub fn to_json(&self) -> String {
        let mut sorted: Vec<_> =
            self.0.iter().map(|(nonce, at)| (hex::encode(nonce), at.map_or(Value::Null, Value::from))).collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        json!({"version": 2, "consumed": sorted.into_iter().collect::<Map<_, _>>()}).to_string()
    }

    /// Reads the content of its file, also that of older versions, a list without expiries.
    ///
    /// # Errors
    ///
    /// CONFIG for anything but a whole file: half of one would admit twice.
    pub fn parse(text: &str) -> Result<Self> {
        let corrupt = || Error::new(ErrorKind::Config, "not a list of nonces");
        let key = |text: &str| {
            let mut nonce = [0; NONCE_LEN];
            hex::decode_to_slice(text, &mut nonce).map(|()| nonce).map_err(|_| corrupt())
        };
        let document: Value = serde_json::from_str(text).map_err(|_| corrupt())?;
        match (document.get("version"), document.get("consumed")) {
            (Some(version), Some(Value::Object(entries))) if version == 2 => {
                let entry = |(text, at): (&String, &Value)| match at {
                    Value::Null => Ok((key(text)?, None)),
                    at => Ok((key(text)?, Some(at.as_u64().ok_or_else(corrupt)?))),
                };
                Ok(Self(entries.iter().map(entry).collect::<Result<_>>()?))
            }
            (None, Some(Value::Array(list))) => {
                let entry = |text: &Value| Ok((key(text.as_str().ok_or_else(corrupt)?)?, None));
                Ok(Self(list.iter().map(entry).collect::<Result<_>>()?))
            }
            _ => Err(corrupt()),
        }
    }
}

/// A store that forgets everything when the process ends.
#[derive(Debug)]
pub struct MemoryNonces {
    nonces: Mutex<Nonces>,
    clock: Arc<dyn Clock>,
}

impl MemoryNonces {
    /// Makes an empty store.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { nonces: Mutex::default(), clock }
    }
}

fn broken() -> Error {
    Error::new(ErrorKind::Internal, "the nonce store is broken")
}

impl NonceStore for MemoryNonces {
    fn consume(&self, nonce: [u8; NONCE_LEN], expires_at: u64) -> BoxFuture<'_, Result<bool>> {
        let now = u64::try_from(self.clock.epoch_ms() / 1000).unwrap_or(0);
        let consumed = match self.nonces.lock() {
            Ok(mut nonces) => nonces.consume(nonce, expires_at, now),
            Err(_) => Err(broken()),
        };
        Box::pin(std::future::ready(consumed))
    }

    fn is_consumed(&self, nonce: [u8; NONCE_LEN]) -> BoxFuture<'_, Result<bool>> {
        let known = self.nonces.lock().map(|nonces| nonces.contains(&nonce)).map_err(|_| broken());
        Box::pin(std::future::ready(known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> [u8; 32] {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&n.to_be_bytes());
        id
    }

    #[test]
    fn a_nonce_is_spent_once_and_survives_its_file() {
        let mut nonces = Nonces::default();
        assert!(nonces.consume(id(1), 100, 0).unwrap());
        assert!(!nonces.consume(id(1), 100, 200).unwrap(), "even when it has expired");
        let mut read = Nonces::parse(&nonces.to_json()).unwrap();
        assert_eq!(read, nonces);
        read.purge(99);
        assert!(read.contains(&id(1)));
        read.purge(100);
        assert!(!read.contains(&id(1)));
    }

    #[test]
    fn lists_of_older_versions_are_never_forgotten() {
        let text = format!(r#"{{"consumed":["{}"]}}"#, hex::encode(id(7)));
        let mut nonces = Nonces::parse(&text).unwrap();
        nonces.purge(u64::MAX);
        assert!(nonces.contains(&id(7)));
        assert!(Nonces::parse(&nonces.to_json()).unwrap().contains(&id(7)));
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let mut nonces = Nonces::default();
        nonces.consume(id(1), 100, 0).unwrap();
        let text = nonces.to_json();
        for length in 0..text.len() {
            assert!(Nonces::parse(&text[..length]).is_err(), "{length}");
        }
        for bad in
            [r#"{"version":3,"consumed":{}}"#, r#"{"version":2,"consumed":{"ab":1}}"#, r#"{"consumed":[1]}"#, "[]"]
        {
            assert!(Nonces::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_full_store_denies_until_something_expires() {
        let mut nonces = Nonces::default();
        for n in 0..MAX_NONCES {
            assert!(nonces.consume(id(n), if n == 0 { 10 } else { 1000 }, 0).unwrap());
        }
        assert!(nonces.consume(id(MAX_NONCES), 1000, 9).is_err());
        assert!(nonces.consume(id(MAX_NONCES), 1000, 10).unwrap());
        assert!(nonces.consume(id(0), 10, 10).is_err(), "what was forgotten finds no room");
    }
}
