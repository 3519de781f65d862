//! Credentials as programs make and check them (`trust.md` section 15): endpoint ids are any text, nothing is proved.
//!
//! The network takes only what [`Credential`](super::Credential) reads; that is stricter.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use super::signature::Grant;
use super::{Cause, Credential, CredentialKind, json};
use crate::error::{Error, ErrorKind, Result};
use crate::keys;
use crate::limits;

/// What a credential is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnrollmentKind {
    /// A producer.
    Producer,
    /// A consumer, until it expires.
    Policy,
    /// A consumer, once.
    OneTime,
}

impl EnrollmentKind {
    /// Returns the name that documents use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Producer => "producer",
            Self::Policy => "policy",
            Self::OneTime => "ott",
        }
    }

    /// Reads a name that documents use.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Producer, Self::Policy, Self::OneTime].into_iter().find(|kind| kind.name() == name)
    }
}

/// A credential in the making, or one to look at.
#[derive(Clone, PartialEq, Eq)]
pub struct Enrollment {
    /// What it is for.
    pub kind: EnrollmentKind,
    /// Text that names the peer it is bound to; producers always have one.
    pub endpoint_id: Option<String>,
    /// The root key.
    pub root_pubkey: [u8; 32],
    /// First second, since 1970, in which it is no longer valid.
    pub expires_at: u64,
    /// What it grants.
    pub attributes: BTreeMap<String, String>,
    /// What is remembered of a one-time token.
    pub nonce: Option<Vec<u8>>,
    /// The signature; empty: not signed yet.
    pub signature: Vec<u8>,
}

/// What the checks without network are made against.
#[derive(Clone, Copy, Debug)]
pub struct Offline<'a> {
    /// The root key that is trusted; `None`: the credential's own, so that the caller compares.
    pub root_pubkey: Option<&'a [u8; 32]>,
    /// The peer that presents it; `None`: nobody knows.
    pub peer: Option<&'a str>,
    /// Seconds since 1970.
    pub now: u64,
}

impl fmt::Debug for Enrollment {
    /// Leaves out attributes, nonce and signature.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, endpoint_id, expires_at, .. } = self;
        f.debug_struct("Enrollment")
            .field("kind", kind)
            .field("endpoint_id", endpoint_id)
            .field("expires_at", expires_at)
            .finish_non_exhaustive()
    }
}

impl Enrollment {
    /// Returns the bytes that the root key signs; any nonce and any endpoint text is taken.
    pub fn signed_bytes(&self) -> Vec<u8> {
        let Self { root_pubkey, expires_at, attributes, .. } = self;
        let grant = Grant { root_pubkey, expires_at: *expires_at, attributes };
        let id = self.endpoint_id.as_deref();
        match self.kind {
            EnrollmentKind::Producer => grant.producer_bytes(id.unwrap_or_default()),
            kind => grant.consumer_bytes(kind == EnrollmentKind::OneTime, id, self.nonce.as_deref()),
        }
    }

    /// Returns the signature of a root key over the credential; the credential stays as it is.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT unless the seed has 32 bytes.
    pub fn sign(&self, seed: &[u8]) -> Result<[u8; 64]> {
        keys::sign(seed, &self.signed_bytes())
    }

    /// Tells whether a root key signed it: the given one, else its own. Without a given key the caller has to compare
    /// roots.
    pub fn is_signed(&self, root_pubkey: Option<&[u8]>) -> bool {
        keys::verify(root_pubkey.unwrap_or(&self.root_pubkey), &self.signed_bytes(), &self.signature)
    }

    /// Checks everything but instance identity and nonce: structure, root, expiry, binding, signature.
    ///
    /// # Errors
    ///
    /// The cause, for the operator's log.
    pub fn check_offline(&self, against: &Offline<'_>) -> Result<(), Cause> {
        let has_nonce = self.nonce.as_ref().is_some_and(|nonce| !nonce.is_empty());
        if has_nonce != (self.kind == EnrollmentKind::OneTime) {
            return Err(Cause::Structure);
        }
        if self.nonce.as_ref().is_some_and(|nonce| has_nonce && nonce.len() != 32) {
            return Err(Cause::Structure);
        }
        if against.root_pubkey.is_some_and(|root| *root != self.root_pubkey) {
            return Err(Cause::WrongRoot);
        }
        if self.expires_at <= against.now {
            return Err(Cause::Expired);
        }
        let bound = self.endpoint_id.as_deref().filter(|id| !id.is_empty());
        match (bound, against.peer) {
            (None, _) if self.kind == EnrollmentKind::Producer => return Err(Cause::WrongEndpoint),
            (Some(bound), Some(peer)) if bound != peer => return Err(Cause::WrongEndpoint),
            _ => {}
        }
        match self.is_signed(against.root_pubkey.map(<[u8; 32]>::as_slice)) {
            true => Ok(()),
            false => Err(Cause::BadSignature),
        }
    }

    /// Returns the document: no spaces, ASCII, keys in the order of `trust.md` section 3.
    pub fn to_json(&self) -> String {
        let mut document = Map::new();
        let mut put = |key: &str, value: Value| drop(document.insert(key.to_owned(), value));
        let id = || self.endpoint_id.clone().map_or(Value::Null, Value::from);
        let is_producer = self.kind == EnrollmentKind::Producer;
        match is_producer {
            true => put("endpoint_id", id()),
            false => put("credential_type", self.kind.name().into()),
        }
        put("root_pubkey", hex::encode(self.root_pubkey).into());
        put("expires_at", self.expires_at.into());
        put(
            "attributes",
            self.attributes.iter().map(|(k, v)| (k.clone(), v.clone().into())).collect::<Map<_, _>>().into(),
        );
        if !is_producer {
            put("endpoint_id", id());
            put("nonce", self.nonce.as_ref().map_or(Value::Null, |nonce| hex::encode(nonce).into()));
        }
        put("signature", hex::encode(&self.signature).into());
        json::ascii(&Value::Object(document).to_string())
    }

    /// Returns it as the network takes it.
    ///
    /// # Errors
    ///
    /// CREDENTIAL if it is not complete, too large, or bound to something else than an endpoint id.
    pub fn to_credential(&self) -> Result<Credential> {
        let document = self.to_json();
        match self.kind {
            EnrollmentKind::Producer => Credential::parse_producer(document.as_bytes()),
            _ => Credential::parse(document.as_bytes()),
        }
    }

    /// Refuses what no reader would take, whatever text names the peer.
    pub(super) fn check_readable(&self) -> Result<()> {
        let stand_in = self.endpoint_id.as_ref().map(|_| "00".repeat(32));
        Self { endpoint_id: stand_in, ..self.clone() }.to_credential().map(drop)
    }

    /// Returns the text of a credential file (`config.md` section 8).
    ///
    /// # Errors
    ///
    /// CREDENTIAL if its root key did not sign it, or if no reader would take it. Any endpoint text is taken, as for
    /// signing; the network does not.
    pub fn to_file(&self) -> Result<String> {
        if !self.is_signed(None) {
            return Err(Cause::BadSignature.into());
        }
        self.check_readable()?;
        let mut document = Map::new();
        document.insert("type".to_owned(), self.kind.name().into());
        if let Value::Object(fields) = json::parse(self.to_json().as_bytes())? {
            document.extend(fields.into_iter().filter(|(key, _)| key != "credential_type"));
        }
        let mut text = String::new();
        for line in format!("{:#}", Value::Object(document)).lines() {
            text.push_str(&json::ascii(line));
            text.push('\n');
        }
        Ok(text)
    }

    /// Reads a document as strictly as the network does; its kind may be under `type`, producers' may have none.
    ///
    /// # Errors
    ///
    /// CREDENTIAL; the message begins with the cause.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let Value::Object(fields) = json::parse(bytes)? else {
            return Err(Error::new(ErrorKind::Credential, "malformed: not an object"));
        };
        if bytes.len() > limits::MAX_CREDENTIAL_BYTES {
            return Err(Cause::TooLarge.into());
        }
        let kind = fields.get("credential_type").or(fields.get("type"));
        match kind {
            None => Credential::producer_from_fields(&fields),
            Some(name) if name == "producer" => Credential::producer_from_fields(&fields),
            kind => Credential::from_fields(&fields, kind),
        }
        .map(Self::from)
    }
}

impl From<Credential> for Enrollment {
    fn from(credential: Credential) -> Self {
        let (kind, nonce) = match credential.kind {
            CredentialKind::Producer => (EnrollmentKind::Producer, None),
            CredentialKind::Policy => (EnrollmentKind::Policy, None),
            CredentialKind::OneTime { nonce } => (EnrollmentKind::OneTime, Some(nonce.to_vec())),
        };
        Self {
            kind,
            nonce,
            endpoint_id: credential.endpoint_id.map(|id| id.to_string()),
            root_pubkey: credential.root_pubkey,
            expires_at: credential.expires_at,
            attributes: credential.attributes,
            signature: credential.signature.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SEED: [u8; 32] = [7; 32];

    fn signed(kind: EnrollmentKind, nonce: Option<Vec<u8>>) -> Enrollment {
        let root_pubkey = keys::public_key(&SEED).unwrap();
        let mut made = Enrollment {
            kind,
            endpoint_id: Some("node a".to_owned()),
            root_pubkey,
            expires_at: 100,
            attributes: BTreeMap::from([("aster.name".to_owned(), "caf\u{e9}".to_owned())]),
            nonce,
            signature: Vec::new(),
        };
        made.signature = made.sign(&SEED).unwrap().to_vec();
        made
    }

    #[test]
    fn the_first_check_that_fails_decides() {
        let made = signed(EnrollmentKind::Policy, None);
        let check = |made: &Enrollment, peer, now| made.check_offline(&Offline { root_pubkey: None, peer, now });
        assert_eq!(check(&made, Some("node a"), 99), Ok(()));
        assert_eq!(check(&made, None, 99), Ok(()));
        assert_eq!(check(&made, Some("node b"), 100), Err(Cause::Expired));
        assert_eq!(check(&made, Some("node b"), 99), Err(Cause::WrongEndpoint));
        let tampered = Enrollment { expires_at: 200, ..made.clone() };
        assert_eq!(check(&tampered, Some("node a"), 99), Err(Cause::BadSignature));
        let other = Offline { root_pubkey: Some(&[9; 32]), peer: None, now: 0 };
        assert_eq!(made.check_offline(&other), Err(Cause::WrongRoot));
        let flipped = Enrollment { kind: EnrollmentKind::OneTime, ..made };
        assert_eq!(check(&flipped, None, 0), Err(Cause::Structure));
        for length in [16, 31, 33] {
            let short = signed(EnrollmentKind::OneTime, Some(vec![1; length]));
            assert!(short.is_signed(None), "any nonce can be signed");
            assert_eq!(check(&short, None, 0), Err(Cause::Structure), "{length}");
        }
    }

    #[test]
    fn the_given_root_key_wins() {
        let made = signed(EnrollmentKind::Producer, None);
        assert!(made.is_signed(None));
        assert!(made.is_signed(Some(&made.root_pubkey)));
        assert!(!made.is_signed(Some(&keys::public_key(&[8; 32]).unwrap())));
        assert!(!made.is_signed(Some(&[0; 31])));
    }

    #[test]
    fn documents_of_the_network_are_read_and_written_alike() {
        let mut made = signed(EnrollmentKind::OneTime, Some(vec![0xab; 32]));
        made.endpoint_id = Some("d0".repeat(32));
        made.signature = made.sign(&SEED).unwrap().to_vec();
        let json = made.to_json();
        assert!(json.is_ascii());
        assert_eq!(Credential::parse(json.as_bytes()).unwrap().to_json(), json);
        assert_eq!(Enrollment::parse(json.as_bytes()).unwrap(), made);
        let producer = Enrollment { kind: EnrollmentKind::Producer, nonce: None, ..made };
        assert_eq!(Enrollment::parse(producer.to_json().as_bytes()).unwrap(), producer);
    }

    #[test]
    fn files_say_what_they_are_and_are_read_back() {
        for (kind, nonce) in [
            (EnrollmentKind::Producer, None),
            (EnrollmentKind::Policy, None),
            (EnrollmentKind::OneTime, Some(vec![1; 32])),
        ] {
            let mut made = signed(kind, nonce);
            assert!(made.to_file().is_ok(), "any endpoint text can be signed");
            made.endpoint_id = Some("d0".repeat(32));
            assert!(made.to_file().is_err(), "the signature is of another text");
            made.signature = made.sign(&SEED).unwrap().to_vec();
            let text = made.to_file().unwrap();
            assert!(text.starts_with(&format!("{{\n  \"type\": \"{}\",\n", kind.name())) && text.ends_with("}\n"));
            assert_eq!(Enrollment::parse(text.as_bytes()).unwrap(), made);
            assert_eq!(Credential::parse_file(text.as_bytes()).is_ok(), kind != EnrollmentKind::Producer);
            made.attributes = (0..65).map(|number| (number.to_string(), String::new())).collect();
            made.signature = made.sign(&SEED).unwrap().to_vec();
            assert!(made.to_file().is_err(), "too many attributes");
        }
    }

    proptest! {
        /// Whatever can be issued is read back the same, and verifies; another bit anywhere does not.
        #[test]
        fn what_is_issued_verifies_and_nothing_else(
            attributes in prop::collection::btree_map("\\PC{1,20}|[\u{0}-\u{7f}]{1,10}", any::<String>(), 0..6),
            is_one_time in any::<bool>(),
            bound in any::<bool>(),
            expires_at in 0..=limits::MAX_EXPIRES_AT,
            flipped in any::<prop::sample::Index>(),
        ) {
            let (kind, nonce) = match is_one_time {
                true => (EnrollmentKind::OneTime, Some(vec![9; 32])),
                false => (EnrollmentKind::Policy, None),
            };
            let mut made = signed(kind, nonce);
            made.attributes = attributes;
            made.expires_at = expires_at;
            made.endpoint_id = bound.then(|| "d0".repeat(32));
            made.signature = made.sign(&SEED).unwrap().to_vec();
            let read = Enrollment::parse(made.to_json().as_bytes()).unwrap();
            prop_assert_eq!(&read, &made);
            prop_assert!(read.is_signed(None));
            let mut signed = made.signed_bytes();
            let bit = flipped.index(signed.len() * 8);
            signed[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!keys::verify(&made.root_pubkey, &signed, &made.signature));
        }
    }
}
