//! Registries: what a server publishes, and what a client finds (`registry.md`). All of it is core's.

use std::rc::Rc;
use std::time::Duration;

use aster_core::error::Result;
use aster_core::limits;
use aster_core::node;
use aster_core::registry::{ArtifactRef, EndpointLease, Query, Strategy};
use aster_core::rpc::BoundService;
use napi::Env;
use napi::bindgen_prelude::ToNapiValue;
use napi_derive::napi;

use crate::client::{Client, Stub};
use crate::engine::{Outcome, Shared};
use crate::errors::no_value;
use crate::js::{Js, Scope};
use crate::plan::Plan;

/// The registry in which a server publishes.
#[napi]
pub struct ServerRegistry {
    registry: node::ServerRegistry,
    shared: Rc<Shared>,
}

/// The registry of the producer that admitted a client.
#[napi]
pub struct ClientRegistry {
    registry: node::ClientRegistry,
    shared: Rc<Shared>,
}

/// A service bound to all of its producers; [`Client::routed`] makes it callable.
#[napi]
pub struct Routed(BoundService);

/// What is looked for in a registry; core has the meaning.
#[napi(object)]
pub struct Wish {
    pub service: String,
    pub version: Option<i32>,
    pub channel: Option<String>,
    pub tag: Option<String>,
    pub contract_id: Option<String>,
    pub strategy: Option<String>,
    pub modes: Option<Vec<String>>,
    pub realm: Option<String>,
}

impl Wish {
    fn query(self) -> Result<Query> {
        let Self { service, version, channel, tag, contract_id, strategy, modes, realm } = self;
        let strategy = strategy.as_deref().map_or(Ok(Strategy::default()), Strategy::parse)?;
        Ok(Query { service, version, channel, tag, contract_id, strategy, modes: modes.unwrap_or_default(), realm })
    }
}

impl ServerRegistry {
    pub(crate) fn new(registry: node::ServerRegistry, shared: &Rc<Shared>) -> Self {
        Self { registry, shared: shared.clone() }
    }
}

impl ClientRegistry {
    pub(crate) fn new(registry: node::ClientRegistry, shared: &Rc<Shared>) -> Self {
        Self { registry, shared: shared.clone() }
    }
}

impl Routed {
    pub(crate) fn new(service: BoundService) -> Self {
        Self(service)
    }
}

fn texts(leases: Vec<EndpointLease>) -> Outcome {
    Outcome::Texts(leases.iter().map(EndpointLease::to_json).collect())
}

#[napi]
impl ServerRegistry {
    /// Returns the id of its document.
    #[napi(getter)]
    pub fn namespace(&self) -> String {
        self.registry.namespace()
    }

    /// Returns the server's author.
    #[napi(getter)]
    pub fn author_id(&self) -> String {
        self.registry.author_id()
    }

    /// Tells whether something could not be published yet.
    #[napi(getter)]
    pub fn is_failing(&self) -> bool {
        self.registry.is_failing()
    }

    /// Makes a ticket; completes the operation `op` with it.
    #[napi]
    pub fn share(&self, env: &Env, op: f64, mode: String) -> Js {
        let work = self.registry.share(&mode);
        self.shared.spawn(Scope::new(env), op, async move { work.await.map(Outcome::Text) })
    }

    /// Lets another author write; completes the operation `op`.
    #[napi]
    pub fn allow_author(&self, env: &Env, op: f64, id: String) -> Js {
        let work = self.registry.allow_author(&id);
        self.shared.spawn(Scope::new(env), op, async move { work.await.map(|()| Outcome::Nothing) })
    }

    /// Says how the server feels; returns undefined or an error.
    #[napi]
    pub fn set_health(&self, env: &Env, health: String) -> Js {
        let scope = Scope::new(env);
        self.shared.errors.either(scope, self.registry.set_health(&health).map(|()| scope.undefined()))
    }
}

#[napi]
impl ClientRegistry {
    /// Returns the id of its document.
    #[napi(getter)]
    pub fn namespace(&self) -> String {
        self.registry.namespace().to_owned()
    }

    /// Finds the leases that can be used, the best first; completes the operation `op` with their JSON texts.
    #[napi]
    pub fn resolve_all(&self, env: &Env, op: f64, wish: Wish) -> Js {
        let scope = Scope::new(env);
        match wish.query() {
            Ok(query) => {
                let work = self.registry.resolve_all(query);
                self.shared.spawn(scope, op, async move { work.await.map(texts) })
            }
            Err(error) => self.shared.errors.error(scope, &error),
        }
    }

    /// Returns every lease of a contract: endpoint, and why it was dropped or an empty text, in turn; or an error.
    #[napi]
    pub fn explain(&self, env: &Env, wish: Wish) -> Js {
        let scope = Scope::new(env);
        let told = wish.query().and_then(|query| {
            let seen = self.registry.explain(&query).into_iter();
            let pairs: Vec<_> = seen.map(|lease| (lease.endpoint_id, lease.dropped.unwrap_or_default())).collect();
            scope.pairs(&pairs).ok_or_else(no_value)
        });
        self.shared.errors.either(scope, told)
    }

    /// Finds the artefacts of all contracts; completes the operation `op` with their JSON texts.
    #[napi]
    pub fn artifacts(&self, env: &Env, op: f64) -> Js {
        let found = self.registry.artifacts();
        let work = async move { Ok(Outcome::Texts(found.await.iter().map(ArtifactRef::to_json).collect())) };
        self.shared.spawn(Scope::new(env), op, work)
    }

    /// Waits for a change; completes the operation `op` with the number to wait with next.
    #[napi]
    pub fn changed(&self, env: &Env, op: f64, seen: f64) -> Js {
        let work = self.registry.changed(seen as u64);
        self.shared.spawn(Scope::new(env), op, async move { work.await.map(Outcome::Number) })
    }
}

#[napi]
impl Client {
    /// Joins the registry of the producer; completes the operation `op` with it.
    #[napi]
    pub fn registry(&self, env: &Env, op: f64) -> Js {
        let work = self.core().registry();
        self.shared().spawn(Scope::new(env), op, async move { work.await.map(Outcome::Registry) })
    }

    /// Finds the verified contract of a service; completes the operation `op` with its manifest.
    #[napi]
    pub fn contract(&self, env: &Env, op: f64, service: String, version: Option<i32>, within_ms: Option<f64>) -> Js {
        let within = within_ms.map_or(limits::DISCOVERY_TIMEOUT, |ms| Duration::from_millis(ms.max(0.0) as u64));
        let work = self.core().contract(&service, version, within);
        let manifest = async move { work.await.map(|bundle| Outcome::Text(bundle.manifest.as_ref().to_owned())) };
        self.shared().spawn(Scope::new(env), op, manifest)
    }

    /// Finds the producers of a service that can be used; completes the operation `op` with JSON texts of their leases.
    #[napi]
    pub fn producers(&self, env: &Env, op: f64, service: String, version: Option<i32>) -> Js {
        let work = self.core().producers(&service, version);
        self.shared().spawn(Scope::new(env), op, async move { work.await.map(texts) })
    }

    /// Binds a service to all of its producers; completes the operation `op` with a [`Routed`].
    #[napi]
    pub fn bind_routed(&self, env: &Env, op: f64, plan: &Plan, strategy: Option<String>) -> Js {
        let scope = Scope::new(env);
        match strategy.as_deref().map_or(Ok(Strategy::default()), Strategy::parse) {
            Ok(strategy) => {
                let work = self.core().bind_routed(&plan.bound.plan, strategy);
                self.shared().spawn(scope, op, async move { work.await.map(Outcome::Service) })
            }
            Err(error) => self.shared().errors.error(scope, &error),
        }
    }

    /// Returns what calls a service that was bound to all of its producers with this plan, or an error.
    #[napi]
    pub fn routed(&self, env: &Env, routed: &Routed, plan: &Plan) -> Js {
        let scope = Scope::new(env);
        let stub = self.stub(routed.0.clone(), plan);
        // SAFETY: the environment is that of the running function.
        let made = unsafe { Stub::to_napi_value(scope.env(), stub) }.map(Js).map_err(|_| no_value());
        self.shared().errors.either(scope, made)
    }
}
