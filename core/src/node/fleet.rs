//! The producers of a service that a client knows through the registry, dialled when a call first goes there
//! (`registry.md` section 7).

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use iroh::EndpointAddr;
use tokio::runtime::Handle;
use tracing::info;

use super::endpoint;
use super::registry::ClientRegistry;
use crate::clock::SystemClock;
use crate::error::Result;
use crate::ids::EndpointId;
use crate::limits;
use crate::registry::{EndpointLease, Query};
use crate::rpc::{BoxFuture, Caller, Dialer, Route, Routes};
use crate::sync::lock;

/// Makes what dials a producer: admission first, then calls.
pub(super) type Dialers = Box<dyn Fn(EndpointAddr) -> Arc<dyn Dialer> + Send + Sync>;

/// The producers that a client has to do with.
pub(super) struct Fleet {
    runtime: Handle,
    dialers: Dialers,
    /// The producer that the client was connected to, and what calls it.
    home: (EndpointId, Arc<Caller>),
    members: Mutex<HashMap<EndpointId, Member>>,
    /// Who failed a call, and when it was tried last.
    failed: Mutex<HashMap<EndpointId, Instant>>,
}

struct Member {
    caller: Arc<Caller>,
    target: EndpointAddr,
}

impl Fleet {
    pub(super) fn new(runtime: Handle, dialers: Dialers, home: (EndpointId, Arc<Caller>)) -> Arc<Self> {
        Arc::new(Self { runtime, dialers, home, members: Mutex::default(), failed: Mutex::default() })
    }

    /// Returns what calls the endpoint of a lease; `None` for one that cannot be dialled.
    fn route(&self, lease: &EndpointLease) -> Option<Route> {
        let endpoint = lease.endpoint()?;
        // Once it is down it may be elsewhere.
        if endpoint == self.home.0 && !self.home.1.is_down() {
            return Some(Route { endpoint, caller: self.home.1.clone() });
        }
        let target = endpoint::addr_target(&lease.addr()).ok()?;
        let mut members = lock(&self.members);
        if let Some(member) = members.get(&endpoint).filter(|member| member.target == target) {
            return Some(Route { endpoint, caller: member.caller.clone() });
        }
        // New, or elsewhere: what runs on an old connection ends there.
        let dialer = (self.dialers)(target.clone());
        let caller = Caller::new(self.runtime.clone(), dialer, Arc::new(SystemClock), None);
        members.insert(endpoint, Member { caller: caller.clone(), target });
        Some(Route { endpoint, caller })
    }

    /// Puts those that failed last. One that has rested is tried again, by one call at a time.
    fn order(&self, routes: Vec<Route>) -> Vec<Route> {
        let mut failed = lock(&self.failed);
        for route in routes.iter().filter(|route| route.caller.is_down()) {
            failed.entry(route.endpoint).or_insert_with(Instant::now);
        }
        if failed.is_empty() {
            return routes;
        }
        let (mut first, mut last) = (Vec::new(), Vec::new());
        for route in routes {
            match failed.get_mut(&route.endpoint) {
                Some(since) if since.elapsed() < limits::FAILED_ENDPOINT_PAUSE => last.push(route),
                Some(since) if first.is_empty() => {
                    *since = Instant::now();
                    first.push(route);
                }
                _ => first.push(route),
            }
        }
        first.append(&mut last);
        first
    }

    /// Forgets producers that no lease of any service names any more, if there are many.
    fn forget(&self, named: impl FnOnce() -> BTreeSet<EndpointId>) {
        let mut members = lock(&self.members);
        if members.len() <= limits::MAX_FLEET {
            return;
        }
        let named = named();
        lock(&self.failed).retain(|endpoint, _| named.contains(endpoint));
        members.retain(|endpoint, member| {
            let stays = named.contains(endpoint);
            if !stays {
                member.caller.disconnect();
            }
            stays
        });
    }

    /// Ends the connections of all producers but the client's own.
    pub(super) async fn close(&self) {
        let members = std::mem::take(&mut *lock(&self.members));
        futures_util::future::join_all(members.values().map(|member| member.caller.close())).await;
    }
}

/// Where the calls of one service go.
pub(super) struct ServiceRoutes {
    pub(super) fleet: Arc<Fleet>,
    pub(super) registry: ClientRegistry,
    pub(super) query: Query,
}

impl Routes for ServiceRoutes {
    fn candidates(&self) -> BoxFuture<'_, Result<Vec<Route>>> {
        Box::pin(async {
            let leases = self.registry.mirror().resolve_all(&self.query)?;
            let routes = leases.iter().filter_map(|lease| self.fleet.route(lease)).collect();
            self.fleet.forget(|| self.registry.mirror().endpoints());
            Ok(self.fleet.order(routes))
        })
    }

    fn failed(&self, endpoint: EndpointId) {
        if lock(&self.fleet.failed).insert(endpoint, Instant::now()).is_none() {
            info!(target: "aster::client", endpoint = endpoint.short(), service = self.query.service, "endpoint failed a call");
        }
    }

    fn answered(&self, endpoint: EndpointId) {
        let mut failed = lock(&self.fleet.failed);
        if !failed.is_empty() {
            failed.remove(&endpoint);
        }
    }
}
