//! Leases: where a contract is served, by whom, and until when (`registry.md` sections 4 and 5).

use serde::{Deserialize, Serialize};

use super::keys::LeasePlace;
use super::records::{self, is_hex_id};
use crate::addr::NodeAddr;
use crate::ids::EndpointId;
use crate::{limits, wire};

/// How an endpoint feels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Not accepting calls yet.
    Starting,
    /// Fine.
    Ready,
    /// To be used if no other is ready.
    Degraded,
    /// Taking no new calls.
    Draining,
}

impl Health {
    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::Draining => "draining",
        }
    }

    /// Parses a name; `None` for one of a later version, which is not routable.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Starting, Self::Ready, Self::Degraded, Self::Draining].into_iter().find(|health| health.name() == name)
    }
}

/// An endpoint that serves a contract for some seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndpointLease {
    /// The endpoint, 64 hex digits.
    pub endpoint_id: String,
    /// The contract, 64 hex digits.
    pub contract_id: String,
    /// Name of the service.
    pub service: String,
    /// Version of the service.
    pub version: i32,
    /// When it runs out.
    pub lease_expires_epoch_ms: i64,
    /// Grows by one with every write, from 1 in each epoch.
    pub lease_seq: u64,
    /// Protocol to call it with.
    #[serde(default = "rpc_alpn")]
    pub alpn: String,
    /// Tokens of the modes that are accepted; empty: any.
    #[serde(default)]
    pub serialization_modes: Vec<String>,
    /// Reserved.
    #[serde(default)]
    pub feature_flags: Vec<String>,
    /// Where it can be dialled.
    #[serde(default)]
    pub relay_url: Option<String>,
    /// Where it can be dialled.
    #[serde(default)]
    pub direct_addrs: Vec<String>,
    /// Running calls by capacity.
    #[serde(default)]
    pub load: Option<f64>,
    /// Language of the producer.
    #[serde(default)]
    pub language_runtime: String,
    /// Version of the producer's library.
    #[serde(default)]
    pub aster_version: String,
    /// Consumers of another realm leave it out.
    #[serde(default)]
    pub policy_realm: Option<String>,
    /// Name of a [`Health`].
    #[serde(default = "starting")]
    pub health_status: String,
    /// Free words of the operator.
    #[serde(default)]
    pub tags: Vec<String>,
    /// When it was written, by the writer's clock.
    #[serde(default)]
    pub updated_at_epoch_ms: i64,
    /// Start of the writer in milliseconds, greater at every start.
    #[serde(default)]
    pub lease_epoch: i64,
}

fn rpc_alpn() -> String {
    String::from_utf8_lossy(wire::ALPN_RPC).into_owned()
}

fn starting() -> String {
    Health::Starting.name().to_owned()
}

impl EndpointLease {
    /// Parses a lease.
    ///
    /// # Errors
    ///
    /// What is wrong with it, for [`explain`](super::Query::explain).
    pub fn parse(value: &[u8]) -> Result<Self, &'static str> {
        let lease: Self = records::parse(value).ok_or("malformed")?;
        let life = lease.lease_expires_epoch_ms.checked_sub(lease.updated_at_epoch_ms);
        if !is_hex_id(&lease.endpoint_id) || !is_hex_id(&lease.contract_id) {
            return Err("malformed: an id is not 64 lower-case hex digits");
        }
        if life.is_none_or(|life| life > limits::MAX_LEASE_MS) {
            return Err("malformed: expires more than 10 minutes after it was written");
        }
        if lease.load.is_some_and(|load| load.is_nan() || load < 0.0) {
            return Err("malformed: negative load");
        }
        Ok(lease)
    }

    /// Parses the lease of a key; one that is about something else is malformed.
    pub(super) fn of_place(value: &[u8], place: &LeasePlace) -> Result<Self, &'static str> {
        let lease = Self::parse(value)?;
        let same = lease.service == place.service
            && lease.contract_id == place.contract_id
            && lease.endpoint_id == place.endpoint_id;
        if same { Ok(lease) } else { Err("malformed: differs from its key") }
    }

    /// Returns the lease as it is written.
    pub fn to_json(&self) -> String {
        records::to_json(self)
    }

    /// Returns what newer leases have more of.
    pub fn age(&self) -> (i64, u64) {
        (self.lease_epoch, self.lease_seq)
    }

    /// Returns how the endpoint feels; `None` for a word of a later version.
    pub fn health(&self) -> Option<Health> {
        Health::parse(&self.health_status)
    }

    /// Tells whether the lease has not run out, with tolerance for clocks that differ.
    pub fn is_fresh(&self, now_ms: i64, skew_ms: i64) -> bool {
        now_ms <= self.lease_expires_epoch_ms.saturating_add(skew_ms)
    }

    /// Returns where the endpoint can be dialled.
    pub fn addr(&self) -> NodeAddr {
        NodeAddr {
            endpoint_id: self.endpoint_id.clone(),
            relay_url: self.relay_url.clone(),
            direct_addresses: self.direct_addrs.iter().take(limits::MAX_DIAL_ADDRESSES).cloned().collect(),
        }
    }

    /// Returns the endpoint.
    pub fn endpoint(&self) -> Option<EndpointId> {
        EndpointId::parse(&self.endpoint_id).ok()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Makes a lease of an endpoint, fresh for 45 s.
    pub(in crate::registry) fn lease(endpoint: u8, contract: u8, now_ms: i64) -> EndpointLease {
        EndpointLease {
            endpoint_id: hex::encode([endpoint; 32]),
            contract_id: hex::encode([contract; 32]),
            service: "Clock".to_owned(),
            version: 1,
            lease_expires_epoch_ms: now_ms + 45_000,
            lease_seq: 1,
            alpn: rpc_alpn(),
            serialization_modes: vec!["fory1".to_owned(), "json".to_owned()],
            feature_flags: Vec::new(),
            relay_url: None,
            direct_addrs: Vec::new(),
            load: None,
            language_runtime: String::new(),
            aster_version: String::new(),
            policy_realm: None,
            health_status: "ready".to_owned(),
            tags: Vec::new(),
            updated_at_epoch_ms: now_ms,
            lease_epoch: 1,
        }
    }

    #[test]
    fn leases_have_an_exact_text_and_defaults() {
        let (e, c) = (hex::encode([1; 32]), hex::encode([2; 32]));
        let least = format!(
            r#"{{"endpoint_id":"{e}","contract_id":"{c}","service":"S","version":1,"lease_expires_epoch_ms":45000,"lease_seq":1,"later":{{}}}}"#
        );
        let full = format!(
            r#"{{"endpoint_id":"{e}","contract_id":"{c}","service":"S","version":1,"lease_expires_epoch_ms":45000,"lease_seq":1,"alpn":"aster/1","serialization_modes":[],"feature_flags":[],"relay_url":null,"direct_addrs":[],"load":null,"language_runtime":"","aster_version":"","policy_realm":null,"health_status":"starting","tags":[],"updated_at_epoch_ms":0,"lease_epoch":0}}"#
        );
        let read = EndpointLease::parse(least.as_bytes()).unwrap();
        assert_eq!(read.to_json(), full);
        assert_eq!(EndpointLease::parse(full.as_bytes()).unwrap(), read);
        for (from, to) in [
            ("\"version\":1", "\"version\":\"1\""),
            ("\"version\":1", "\"version\":1.0"),
            ("\"version\":1,", ""),
            ("\"lease_seq\":1", "\"lease_seq\":-1"),
            ("\"load\":null", "\"load\":-0.5"),
            ("\"tags\":[]", "\"tags\":[1]"),
            ("\"tags\":[]", "\"tags\":null"),
            ("45000", "600001"),
            ("\"endpoint_id\":\"01", "\"endpoint_id\":\"0Z"),
        ] {
            assert!(EndpointLease::parse(full.replacen(from, to, 1).as_bytes()).is_err(), "{to}");
        }
        let longest = full.replacen("45000", "600000", 1);
        assert!(EndpointLease::parse(longest.as_bytes()).is_ok());
        let place = LeasePlace { service: "S".to_owned(), contract_id: c.clone(), endpoint_id: e };
        assert!(EndpointLease::of_place(full.as_bytes(), &place).is_ok());
        let other = LeasePlace { endpoint_id: c, ..place };
        assert!(EndpointLease::of_place(full.as_bytes(), &other).is_err());
    }

    #[test]
    fn a_lease_is_fresh_until_its_end_and_the_tolerance() {
        let lease = lease(1, 2, 1000);
        assert!(lease.is_fresh(46_000, 0) && !lease.is_fresh(46_001, 0));
        assert!(lease.is_fresh(51_000, 5000) && !lease.is_fresh(51_001, 5000));
        assert!(lease.is_fresh(i64::MIN, 5000));
    }
}
