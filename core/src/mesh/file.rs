//! The file that keeps a mesh over restarts (`trust.md` section 11).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::state::{Mesh, Offset, Order};
use super::{DriftConfig, topic};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::EndpointId;

fn ids<'a>(ids: impl IntoIterator<Item = &'a EndpointId>) -> Vec<String> {
    let mut texts: Vec<_> = ids.into_iter().map(ToString::to_string).collect();
    texts.sort();
    texts
}

fn order_text(order: &Order) -> String {
    match order {
        Order::Presence(id) => id.to_string(),
        Order::Notice(id, kind, service, version) => format!("{id}/{kind}/{version}/{service}"),
    }
}

fn read_order(text: &str) -> Option<Order> {
    let Some((id, rest)) = text.split_once('/') else { return Some(Order::Presence(id_of(text)?)) };
    let mut parts = rest.splitn(3, '/');
    let (kind, version) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some(Order::Notice(id_of(id)?, kind, parts.next()?.to_owned(), version))
}

fn id_of(text: &str) -> Option<EndpointId> {
    EndpointId::parse(text).ok()
}

fn bytes(value: &Value) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(value.as_str()?, &mut bytes).ok()?;
    Some(bytes)
}

impl Mesh {
    /// Returns the content of its file.
    pub fn to_json(&self, now_ms: u64) -> String {
        let offsets: BTreeMap<_, _> = self.offsets.iter().map(|(id, of)| (id.to_string(), of.offset_ms)).collect();
        let members: BTreeMap<_, _> = self.members.iter().map(|(id, at)| (id.to_string(), at / 1000)).collect();
        let epochs: BTreeMap<_, _> = self.floors.iter().map(|(order, at)| (order_text(order), *at)).collect();
        let accepted = self.accepted(now_ms);
        json!({
            "accepted_producers": ids(&accepted),
            "salt": hex::encode(self.salt),
            "topic_id": hex::encode(self.topic()),
            "peer_offsets": offsets,
            "drift_isolated": ids(&self.isolated),
            "last_heartbeat_epoch_ms": self.sent_ms,
            "mesh_joined_at_epoch_ms": self.joined_at_ms,
            "mesh_dead": self.is_dead,
            "root_pubkey": hex::encode(self.root_pubkey),
            "members": members,
            "epochs": epochs,
        })
        .to_string()
    }

    /// Reads the content of its file.
    ///
    /// # Errors
    ///
    /// CONFIG if it is damaged, or of another deployment.
    pub fn parse(text: &str, own: EndpointId, root_pubkey: [u8; 32], config: DriftConfig, now_ms: u64) -> Result<Self> {
        let wrong = |why: &str| Error::new(ErrorKind::Config, format!("not the mesh of this deployment: {why}"));
        let document: Value = serde_json::from_str(text).map_err(|_| wrong("damaged"))?;
        if bytes(&document["root_pubkey"]) != Some(root_pubkey) {
            return Err(wrong("another root key"));
        }
        let salt = bytes(&document["salt"]).ok_or_else(|| wrong("salt"))?;
        if bytes(&document["topic_id"]) != Some(topic(&root_pubkey, &salt)) {
            return Err(wrong("topic"));
        }
        let mut mesh = Self::new(own, root_pubkey, salt, config, now_ms);
        let numbers = |name: &str| document[name].as_object().ok_or_else(|| wrong(name));
        read_members(&mut mesh, numbers("members")?, now_ms).ok_or_else(|| wrong("members"))?;
        for (order, at) in numbers("epochs")? {
            let read = read_order(order).zip(at.as_u64());
            let (order, at) = read.ok_or_else(|| wrong("epochs"))?;
            mesh.floors.insert(order, at);
        }
        for (id, offset) in numbers("peer_offsets")? {
            let read = id_of(id).zip(offset.as_i64());
            let (id, offset_ms) = read.ok_or_else(|| wrong("peer_offsets"))?;
            mesh.offsets.insert(id, Offset { offset_ms, at_ms: 0 });
        }
        for id in document["drift_isolated"].as_array().ok_or_else(|| wrong("drift_isolated"))? {
            mesh.isolated.insert(id.as_str().and_then(id_of).ok_or_else(|| wrong("drift_isolated"))?);
        }
        mesh.sent_ms = document["last_heartbeat_epoch_ms"].as_u64().ok_or_else(|| wrong("last_heartbeat_epoch_ms"))?;
        mesh.is_dead = document["mesh_dead"].as_bool().ok_or_else(|| wrong("mesh_dead"))?;
        Ok(mesh)
    }
}

fn read_members(mesh: &mut Mesh, members: &Map<String, Value>, now_ms: u64) -> Option<()> {
    for (id, deadline) in members {
        let deadline_ms = deadline.as_u64()?.saturating_mul(1000);
        if deadline_ms > now_ms {
            mesh.accept(id_of(id)?, deadline_ms, now_ms);
        }
    }
    Some(())
}
