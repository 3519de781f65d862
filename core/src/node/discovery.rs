//! What a client finds through the registry: contracts, producers, and calls that move between them.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::client::Client;
use super::endpoint;
use super::fleet::ServiceRoutes;
use super::registry::{ClientRegistry, known};
use crate::clock::SystemClock;
use crate::engine::ServicePlan;
use crate::error::{Error, ErrorKind, Result};
use crate::limits;
use crate::registry::{Bundle, EndpointLease, Query, Strategy};
use crate::rpc::{BoundService, BoxFuture, Caller};
use crate::trust::ServiceSummary;
use crate::wire;

impl Client {
    /// Returns the registry of the producer, joined at the first use.
    ///
    /// # Errors
    ///
    /// NOT_FOUND if the producer has none, IO, CLOSED.
    pub fn registry(&self) -> BoxFuture<'static, Result<ClientRegistry>> {
        let client = self.clone();
        Box::pin(async move {
            let mut joined = client.0.registry.lock().await;
            if let Some(registry) = joined.as_ref() {
                return Ok(registry.clone());
            }
            let info = client.info();
            let namespace = &info.answer.registry_namespace;
            if namespace.is_empty() {
                return Err(Error::new(ErrorKind::NotFound, "the producer has no registry"));
            }
            let home = endpoint::addr_of(&client.0.home());
            let registry = ClientRegistry::join(client.node(), namespace, home).await?;
            *joined = Some(registry.clone());
            Ok(registry)
        })
    }

    /// Returns the verified contract of a service that the producer offers (`registry.md` section 9), at most after
    /// `within`. Without a version: of the highest.
    ///
    /// # Errors
    ///
    /// NOT_FOUND with the cause if the service is not offered or its contract is not to be had.
    pub fn contract(
        &self,
        service: &str,
        version: Option<i32>,
        within: Duration,
    ) -> BoxFuture<'static, Result<Bundle>> {
        let (client, service) = (self.clone(), service.to_owned());
        Box::pin(async move {
            let until = Instant::now() + within.min(limits::MAX_DISCOVERY_TIMEOUT);
            let info = client.info();
            let offered = find(&info.answer.services, &service, version)?;
            if let Some(bundle) = known(&offered.contract_id) {
                return Ok(bundle);
            }
            let Ok(registry) = timeout_at(until, client.registry()).await else {
                return Err(Error::new(ErrorKind::NotFound, "the registry was not joined in time"));
            };
            registry?.contract(&offered.name, offered.version, &offered.contract_id, until).await
        })
    }

    /// Returns the producers of a service that can be used now.
    ///
    /// # Errors
    ///
    /// IO, CLOSED.
    pub fn producers(&self, service: &str, version: Option<i32>) -> BoxFuture<'static, Result<Vec<EndpointLease>>> {
        let (client, service) = (self.clone(), service.to_owned());
        Box::pin(async move {
            let registry = match client.registry().await {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
                joined => joined?,
            };
            match registry.resolve_all(Query { service, version, ..Query::default() }).await {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
                found => found,
            }
        })
    }

    /// Binds a service description to all producers of its name and version: each call takes the next by `strategy`,
    /// and moves on when one fails (`registry.md` section 7).
    ///
    /// # Errors
    ///
    /// NOT_FOUND if the producer has no registry, or nobody serves it.
    pub fn bind_routed(&self, plan: &Arc<ServicePlan>, strategy: Strategy) -> BoxFuture<'static, Result<BoundService>> {
        let (client, plan) = (self.clone(), plan.clone());
        Box::pin(async move {
            let registry = client.registry().await?;
            let (service, version) = (plan.name().to_owned(), Some(plan.version()));
            let mut query = Query { service, version, strategy, ..Query::default() };
            // Turns are for calls; with one taken here two endpoints would have every call at the same one.
            let probe = Query { strategy: Strategy::LeastLoad, ..query.clone() };
            // Never empty: nobody is an error.
            let lease = registry.resolve_all(probe).await?.swap_remove(0);
            client.compare_contract(&plan, &lease.contract_id, &lease.service, lease.version);
            let choice = wire::choose(&lease.serialization_modes);
            // What was chosen is what every producer of these calls must take.
            query.modes = vec![choice.mode.token().to_owned()];
            let routes = ServiceRoutes { fleet: client.0.fleet.clone(), registry, query };
            let caller = Caller::routed(client.0.runtime.clone(), Arc::new(routes), Arc::new(SystemClock));
            Ok(BoundService::new(caller, plan, choice))
        })
    }
}

fn find<'a>(services: &'a [ServiceSummary], name: &str, version: Option<i32>) -> Result<&'a ServiceSummary> {
    let named = services.iter().filter(|service| service.name == name);
    let found = named.filter(|service| version.is_none_or(|version| service.version == version));
    found.max_by_key(|service| service.version).ok_or_else(|| {
        let mut names: Vec<_> = services.iter().map(|service| service.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let text = format!("Service '{name}' not found. Available: [{}]", names.join(", "));
        Error::new(ErrorKind::NotFound, text)
    })
}
