//! Messages of the producers' mesh: their bytes, signatures and strict reading (`trust.md` section 11).

use serde_json::{Value, json};

use super::Dropped;
use crate::error::Result;
use crate::ids::EndpointId;
use crate::keys;
use crate::limits;
use crate::trust::strict_json;

const TOPIC_TAG: &[u8] = b"aster-producer-mesh";

/// Returns the topic of a deployment's mesh.
pub fn topic(root_pubkey: &[u8; 32], salt: &[u8; 32]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(root_pubkey).update(TOPIC_TAG).update(salt);
    *hasher.finalize().as_bytes()
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum MessageKind {
    /// A producer shows its credential.
    Introduce = 1,
    /// A producer leaves.
    Depart = 2,
    /// A contract was published.
    ContractPublished = 3,
    /// A lease was renewed, or its health changed.
    LeaseUpdate = 4,
}

impl MessageKind {
    /// Reads a number of the network.
    pub fn of(number: u64) -> Option<Self> {
        [Self::Introduce, Self::Depart, Self::ContractPublished, Self::LeaseUpdate]
            .into_iter()
            .find(|kind| *kind as u64 == number)
    }
}

/// A message and who sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// What it is.
    pub kind: MessageKind,
    /// Its content.
    pub payload: Vec<u8>,
    /// The sender, whose id is the key of the signature.
    pub sender: EndpointId,
    /// The sender's clock in milliseconds since 1970.
    pub epoch_ms: u64,
    /// Signature of the sender's node key.
    pub signature: [u8; 64],
}

/// Returns what a node key signs.
pub fn signed_bytes(kind: MessageKind, payload: &[u8], sender: &EndpointId, epoch_ms: u64) -> Vec<u8> {
    let mut bytes = vec![kind as u8];
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(sender.to_string().as_bytes());
    bytes.extend_from_slice(&epoch_ms.to_be_bytes());
    bytes
}

impl Envelope {
    /// Makes a message and signs it with a node key.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT if the key has not 32 bytes.
    pub fn sign(kind: MessageKind, payload: Vec<u8>, epoch_ms: u64, node_key: &[u8; 32]) -> Result<Self> {
        let sender = keys::endpoint_id(node_key);
        let signature = keys::sign(node_key, &signed_bytes(kind, &payload, &sender, epoch_ms))?;
        Ok(Self { kind, payload, sender, epoch_ms, signature })
    }

    /// Tells whether its sender signed it.
    pub fn is_signed(&self) -> bool {
        let signed = signed_bytes(self.kind, &self.payload, &self.sender, self.epoch_ms);
        keys::verify(&self.sender.0, &signed, &self.signature)
    }

    /// Returns the document.
    pub fn to_json(&self) -> String {
        json!({
            "type": self.kind as u8,
            "payload": hex::encode(&self.payload),
            "sender": self.sender.to_string(),
            "epoch_ms": self.epoch_ms,
            "signature": hex::encode(self.signature),
        })
        .to_string()
    }

    /// Reads a document strictly. Nothing is proved by that.
    ///
    /// # Errors
    ///
    /// TOO_LARGE, MALFORMED or UNKNOWN_TYPE.
    pub fn parse(bytes: &[u8]) -> std::result::Result<Self, Dropped> {
        if bytes.len() > limits::MAX_MESH_MESSAGE {
            return Err(Dropped::TooLarge);
        }
        let document = strict_json(bytes).map_err(|_| Dropped::Malformed)?;
        let lower = |name: &str| {
            let text = document.get(name)?.as_str()?;
            (!text.bytes().any(|byte| byte.is_ascii_uppercase())).then_some(text)
        };
        let read = || {
            let mut sender = EndpointId([0; 32]);
            hex::decode_to_slice(lower("sender")?, &mut sender.0).ok()?;
            let mut signature = [0; 64];
            hex::decode_to_slice(lower("signature")?, &mut signature).ok()?;
            let epoch_ms = document.get("epoch_ms")?.as_u64().filter(|epoch| *epoch <= limits::MAX_EXPIRES_AT)?;
            Some((sender, signature, epoch_ms, hex::decode(lower("payload")?).ok()?, number(&document)?))
        };
        let (sender, signature, epoch_ms, payload, kind) = read().ok_or(Dropped::Malformed)?;
        let kind = MessageKind::of(kind).ok_or(Dropped::UnknownType)?;
        Ok(Self { kind, payload, sender, epoch_ms, signature })
    }
}

/// The type is any whole number; which ones are known is another question.
fn number(document: &Value) -> Option<u64> {
    let kind = document.get("type")?;
    kind.as_u64().or_else(|| kind.as_i64().map(|_| 0))
}

/// What registries are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A contract was published.
    Contract {
        /// Service name.
        service: String,
        /// Service version.
        version: i64,
        /// Hash of the collection.
        collection_hash: String,
    },
    /// A lease was renewed.
    Lease {
        /// Service name.
        service: String,
        /// Service version.
        version: i64,
        /// Contract id.
        contract_id: String,
        /// Health, as the registry names it, in upper case.
        health: String,
        /// Where it is served, as the registry has it.
        addressing: Value,
    },
}

impl Notice {
    /// Returns type and payload of its message.
    pub fn to_payload(&self) -> (MessageKind, Vec<u8>) {
        let (kind, document) = match self {
            Self::Contract { service, version, collection_hash } => (
                MessageKind::ContractPublished,
                json!({"service_name": service, "version": version, "contract_collection_hash": collection_hash}),
            ),
            Self::Lease { service, version, contract_id, health, addressing } => (
                MessageKind::LeaseUpdate,
                json!({"service_name": service, "version": version, "contract_id": contract_id,
                       "health_status": health, "addressing_info": addressing}),
            ),
        };
        (kind, document.to_string().into_bytes())
    }

    /// Reads the payload of a message for registries; `None` if it is malformed.
    pub fn parse(kind: MessageKind, payload: &[u8]) -> Option<Self> {
        let document = strict_json(payload).ok()?;
        let text = |name: &str| document.get(name)?.as_str().map(str::to_owned);
        let (service, version) = (text("service_name")?, document.get("version")?.as_i64()?);
        match kind {
            MessageKind::ContractPublished => {
                Some(Self::Contract { service, version, collection_hash: text("contract_collection_hash")? })
            }
            MessageKind::LeaseUpdate => Some(Self::Lease {
                service,
                version,
                contract_id: text("contract_id")?,
                health: text("health_status")?,
                addressing: document.get("addressing_info").cloned().unwrap_or_default(),
            }),
            MessageKind::Introduce | MessageKind::Depart => None,
        }
    }

    /// Returns service and version, which have one order of messages each.
    pub fn service(&self) -> (&str, i64) {
        match self {
            Self::Contract { service, version, .. } | Self::Lease { service, version, .. } => (service, *version),
        }
    }
}
