//! Which endpoints serve a contract now (`registry.md` section 7).

use std::collections::HashMap;
use std::sync::Mutex;

use super::circle::Circle;
use super::keys;
use super::lease::{EndpointLease, Health};
use super::leases::{LeaseBook, Sighting};
use super::records::is_hex_id;
use super::snapshot::Snapshot;
use crate::error::{Error, ErrorKind, Result};
use crate::limits;
use crate::status::StatusCode;
use crate::sync::lock;
use crate::wire;

/// How endpoints are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// Each call starts one further.
    #[default]
    RoundRobin,
    /// Those with less to do first.
    LeastLoad,
    /// Any order.
    Random,
}

impl Strategy {
    /// Parses its name.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT for another word.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "round_robin" => Ok(Self::RoundRobin),
            "least_load" => Ok(Self::LeastLoad),
            "random" => Ok(Self::Random),
            other => {
                let text = format!("unknown strategy '{other}': expected round_robin, least_load or random");
                Err(Error::new(ErrorKind::InvalidArgument, text).with_status(StatusCode::INVALID_ARGUMENT))
            }
        }
    }
}

/// What is looked for.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Name of the service.
    pub service: String,
    /// Its version; `None`: the highest.
    pub version: Option<i32>,
    /// A channel whose contract is meant.
    pub channel: Option<String>,
    /// A tag whose contract is meant.
    pub tag: Option<String>,
    /// The contract itself.
    pub contract_id: Option<String>,
    /// How endpoints are ordered.
    pub strategy: Strategy,
    /// Modes of which one must be common; empty: any.
    pub modes: Vec<String>,
    /// Endpoints of other realms are left out.
    pub realm: Option<String>,
}

/// A lease that was looked at, and why it was dropped, if it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The endpoint, 64 hex digits.
    pub endpoint_id: String,
    /// `None`: it is routable.
    pub dropped: Option<String>,
}

/// Where round robin goes on, by contract.
#[derive(Debug, Default)]
pub struct Rotation(Mutex<HashMap<String, usize>>);

impl Rotation {
    fn next(&self, contract_id: &str) -> usize {
        let mut counters = lock(&self.0);
        let counter = counters.entry(contract_id.to_owned()).or_default();
        let now = *counter;
        *counter = now.wrapping_add(1);
        now
    }
}

impl Query {
    /// Returns the contract that is meant and, where it is known, its version.
    pub fn contract(&self, snapshot: &Snapshot, circle: &Circle) -> Option<(String, Option<i32>)> {
        let pointer = |key: &str| {
            let value = snapshot.newest(key, |author| circle.trusts(author))?.value.as_ref()?;
            String::from_utf8(value.to_vec()).ok().filter(|id| is_hex_id(id))
        };
        if let Some(id) = &self.contract_id {
            return Some((id.clone(), self.version));
        }
        if let Some(tag) = &self.tag {
            return pointer(&keys::tag_key(&self.service, tag)).map(|id| (id, self.version));
        }
        if let Some(channel) = &self.channel {
            return pointer(&keys::channel_key(&self.service, channel)).map(|id| (id, self.version));
        }
        if let Some(version) = self.version {
            return pointer(&keys::version_key(&self.service, version)).map(|id| (id, Some(version)));
        }
        let prefix = keys::versions_prefix(&self.service);
        let mut versions: Vec<i32> =
            snapshot.beginning(&prefix).filter_map(|(key, _)| key.strip_prefix(&prefix)?.parse().ok()).collect();
        versions.sort_unstable();
        let highest = |version: &i32| Some((pointer(&keys::version_key(&self.service, *version))?, Some(*version)));
        versions.iter().rev().find_map(highest)
    }

    /// Returns the leases that can be used, the best first.
    ///
    /// # Errors
    ///
    /// NOT_FOUND if there is none.
    pub fn resolve_all(
        &self,
        snapshot: &Snapshot,
        circle: &Circle,
        leases: &LeaseBook,
        rotation: &Rotation,
        now_ms: i64,
    ) -> Result<Vec<EndpointLease>> {
        let found = self.contract(snapshot, circle);
        let version = found.as_ref().and_then(|(_, version)| *version).or(self.version);
        let mut usable = Vec::new();
        if let Some((contract_id, _)) = &found {
            usable = leases
                .of(&self.service, contract_id)
                .into_iter()
                .filter_map(|seen| self.judge(seen, now_ms).ok())
                .collect();
            self.order(&mut usable, || rotation.next(contract_id))?;
        }
        if usable.is_empty() {
            let version = version.map(|version| format!(" v{version}")).unwrap_or_default();
            let text = format!("no routable endpoint for {}{version}", self.service);
            return Err(Error::new(ErrorKind::NotFound, text).with_status(StatusCode::NOT_FOUND));
        }
        Ok(usable)
    }

    /// Returns every lease of the contract with the reason why it was dropped, if it was.
    pub fn explain(&self, snapshot: &Snapshot, circle: &Circle, leases: &LeaseBook, now_ms: i64) -> Vec<Explained> {
        let Some((contract_id, _)) = self.contract(snapshot, circle) else { return Vec::new() };
        let explained = |seen: Sighting| Explained {
            endpoint_id: seen.endpoint_id.clone(),
            dropped: self.judge(seen, now_ms).err(),
        };
        leases.of(&self.service, &contract_id).into_iter().map(explained).collect()
    }

    fn judge(&self, seen: Sighting, now_ms: i64) -> Result<EndpointLease, String> {
        let lease = seen.lease?;
        if !matches!(lease.health(), Some(Health::Ready | Health::Degraded)) {
            return Err(format!("health is {}", lease.health_status));
        }
        if !lease.is_fresh(now_ms, limits::LEASE_SKEW_MS) {
            let late = now_ms.saturating_sub(lease.lease_expires_epoch_ms);
            return Err(format!("expired {} s ago", late / 1000));
        }
        if lease.alpn.as_bytes() != wire::ALPN_RPC {
            return Err(format!("speaks {}", lease.alpn));
        }
        let any = self.modes.is_empty() || lease.serialization_modes.is_empty();
        if !any && !self.modes.iter().any(|mode| lease.serialization_modes.contains(mode)) {
            return Err("no common mode".to_owned());
        }
        match (&self.realm, &lease.policy_realm) {
            (Some(ours), Some(theirs)) if ours != theirs => Err(format!("of realm {theirs}")),
            _ => Ok(lease),
        }
    }

    /// Orders leases, which come in the order of endpoints.
    fn order(&self, leases: &mut [EndpointLease], turn: impl FnOnce() -> usize) -> Result<()> {
        leases.sort_by_key(|lease| lease.health() != Some(Health::Ready));
        let ready = leases.partition_point(|lease| lease.health() == Some(Health::Ready));
        // Only those who take turns have one.
        let turn = if self.strategy == Strategy::RoundRobin { turn() } else { 0 };
        let (ready, degraded) = leases.split_at_mut(ready);
        for group in [ready, degraded] {
            match self.strategy {
                Strategy::RoundRobin if group.is_empty() => {}
                Strategy::RoundRobin => group.rotate_left(turn % group.len()),
                Strategy::LeastLoad => group.sort_by(|a, b| {
                    let load = |lease: &EndpointLease| lease.load.unwrap_or(f64::INFINITY);
                    load(a).total_cmp(&load(b)).then_with(|| a.endpoint_id.cmp(&b.endpoint_id))
                }),
                Strategy::Random => shuffle(group)?,
            }
        }
        Ok(())
    }
}

fn shuffle(leases: &mut [EndpointLease]) -> Result<()> {
    for last in (1..leases.len()).rev() {
        let number = getrandom::u64().map_err(|error| Error::new(ErrorKind::Io, format!("no randomness: {error}")))?;
        leases.swap(last, usize::try_from(number % (last as u64 + 1)).unwrap_or(0));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
