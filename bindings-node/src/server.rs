//! A server in the hands of the package.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use aster_core::admission::Revoked;
use aster_core::config::Config;
use aster_core::error::Result;
use aster_core::limits;
use aster_core::mesh::DriftConfig;
use aster_core::node;
use aster_core::rpc::Service;
use napi::Env;
use napi::bindgen_prelude::{ToNapiValue, Uint8Array};
use napi_derive::napi;

use crate::engine::{Node, Outcome, Shared};
use crate::errors::no_value;
use crate::js::{Js, Scope};
use crate::mesh::Drift;
use crate::nonces::Nonces;
use crate::peers::Peers;
use crate::plan::Plan;
use crate::registry::ServerRegistry;

/// What the package may choose for a server; core has the defaults.
#[napi(object)]
pub struct HostOptions {
    pub channel: Option<String>,
    pub max_concurrent_streams: Option<u32>,
    pub max_sessions_per_connection: Option<u32>,
    pub registry_namespace: Option<String>,
    pub registry_ticket: Option<String>,
    pub persist_mesh_state: Option<bool>,
    pub drift: Option<Drift>,
}

impl HostOptions {
    /// Completes the options with core's defaults.
    pub(crate) fn complete(self) -> node::ServerOptions {
        let default = node::ServerOptions::default();
        let choice = node::RegistryChoice { namespace: self.registry_namespace, ticket: self.registry_ticket };
        node::ServerOptions {
            channel: self.channel.unwrap_or(default.channel),
            max_concurrent_streams: self.max_concurrent_streams.unwrap_or(default.max_concurrent_streams),
            max_sessions_per_connection: self
                .max_sessions_per_connection
                .unwrap_or(default.max_sessions_per_connection),
            registry: node::RegistryOptions { choice, language: "typescript" },
            mesh: node::MeshOptions {
                drift: self.drift.map_or(default.mesh.drift, DriftConfig::from),
                persist: self.persist_mesh_state.unwrap_or(default.mesh.persist),
                state: default.mesh.state,
            },
        }
    }
}

/// A server of services.
#[napi]
pub struct Server {
    server: node::Server,
    /// Milliseconds that an admission holds at most.
    ttl_ms: i64,
    shared: Rc<Shared>,
    /// Number among the open nodes, once started.
    id: Cell<Option<u64>>,
}

impl Server {
    /// Wraps a server of core.
    pub(crate) fn new(server: node::Server, config: &Config, shared: &Rc<Shared>) -> Self {
        let ttl_ms = i64::from(config.trust().peer_ttl_s) * 1000;
        Self { server, ttl_ms, shared: shared.clone(), id: Cell::new(None) }
    }

    fn registered(&self, plan: &Plan) -> Result<u64> {
        let tag = self.shared.enroll(&plan.bound);
        let service = Service {
            plan: plan.bound.plan.clone(),
            queue: self.shared.queue.clone(),
            tag,
            initial_credit: limits::INITIAL_CREDIT,
        };
        let outcome = self.server.register(service);
        if outcome.is_err() {
            self.shared.forget(tag);
        }
        outcome.map(|()| tag)
    }

    fn text(&self, env: &Env, text: Result<String>) -> Js {
        let scope = Scope::new(env);
        let outcome = text.and_then(|text| scope.text(&text).ok_or_else(no_value));
        self.shared.errors.either(scope, outcome)
    }
}

#[napi]
impl Server {
    /// Adds a service; returns the tag of its calls, or an error.
    #[napi]
    pub fn register(&self, env: &Env, plan: &Plan) -> Js {
        let scope = Scope::new(env);
        let tag = self.registered(plan).and_then(|tag| scope.number(tag as f64).ok_or_else(no_value));
        self.shared.errors.either(scope, tag)
    }

    /// Forgets a service of a closed server.
    #[napi]
    pub fn forget(&self, tag: f64) {
        self.shared.forget(tag as u64);
    }

    /// Gives the program's manifests as JSON, one or an array.
    #[napi]
    pub fn set_manifests(&self, text: String) {
        self.server.set_manifests(text);
    }

    /// Starts serving; completes the operation `op`. It goes on until it is closed, whatever becomes of this object.
    #[napi]
    pub fn start(&self, env: &Env, op: f64) -> Js {
        let started = self.server.start();
        if self.id.get().is_none() {
            self.id.set(Some(self.shared.adopt(Node::Server(self.server.clone()))));
        }
        self.shared.spawn(Scope::new(env), op, async move { started.await.map(|()| Outcome::Nothing) })
    }

    /// Refuses new calls and waits for the running ones; completes the operation `op`.
    #[napi]
    pub fn drain(&self, env: &Env, op: f64, grace_ms: Option<f64>) -> Js {
        let grace = grace_ms.map_or(limits::DRAIN_GRACE, |ms| Duration::from_millis(ms.max(0.0) as u64));
        let drained = self.server.drain(grace);
        self.shared.spawn(Scope::new(env), op, async move {
            drained.await;
            Ok(Outcome::Nothing)
        })
    }

    /// Ends everything; completes the operation `op`.
    #[napi]
    pub fn close(&self, env: &Env, op: f64) -> Js {
        let closed = self.server.close();
        if let Some(id) = self.id.get() {
            self.shared.disown(id);
        }
        self.shared.spawn(Scope::new(env), op, async move {
            closed.await;
            Ok(Outcome::Nothing)
        })
    }

    /// Returns what the operator must be told about the gate.
    #[napi]
    pub fn warnings(&self) -> Vec<String> {
        self.server.warnings().to_vec()
    }

    /// Returns what the operator must be told about services that everybody may call; `guarded`: names of those that
    /// the program guards itself.
    #[napi]
    pub fn start_report(&self, guarded: Vec<String>) -> Vec<String> {
        self.server.start_report(&guarded)
    }

    /// Returns the ticket, or an error before the start.
    #[napi]
    pub fn address(&self, env: &Env) -> Js {
        self.text(env, self.server.address())
    }

    /// Returns the address as base64, or an error before the start.
    #[napi]
    pub fn addr_b64(&self, env: &Env) -> Js {
        self.text(env, self.server.addr_b64())
    }

    /// Returns the endpoint id, or an error before the start.
    #[napi]
    pub fn endpoint_id(&self, env: &Env) -> Js {
        self.text(env, self.server.endpoint_id())
    }

    /// Returns the announced services as JSON, or an error before the start.
    #[napi]
    pub fn services(&self, env: &Env) -> Js {
        let services = self.server.services();
        self.text(env, services.map(|services| serde_json::to_string(&services).unwrap_or_default()))
    }

    /// Returns the registry in which it publishes, or an error before the start.
    #[napi]
    pub fn registry(&self, env: &Env) -> Js {
        let scope = Scope::new(env);
        let registry = self.server.registry().and_then(|registry| {
            let registry = ServerRegistry::new(registry, &self.shared);
            // SAFETY: the environment is that of the running function.
            unsafe { ServerRegistry::to_napi_value(scope.env(), registry) }.map(Js).map_err(|_| no_value())
        });
        self.shared.errors.either(scope, registry)
    }

    /// Returns the public root key.
    #[napi]
    pub fn root_pubkey(&self, env: &Env) -> Js {
        let scope = Scope::new(env);
        let key = scope.bytes(&self.server.root_pubkey()).ok_or_else(no_value);
        self.shared.errors.either(scope, key)
    }

    /// Returns the peers that are admitted.
    #[napi]
    pub fn peers(&self) -> Peers {
        Peers { gate: self.server.gate().clone(), ttl_ms: self.ttl_ms }
    }

    /// Takes a store of spent one-time tokens instead of core's; returns undefined or an error.
    #[napi]
    pub fn set_nonces(&self, env: &Env, nonces: &Nonces) -> Js {
        let scope = Scope::new(env);
        let taken = self.server.set_nonce_store(nonces.0.clone());
        self.shared.errors.either(scope, taken.map(|()| scope.undefined()))
    }

    /// Refuses an endpoint, or the credential with this signature, until a second since 1970 or for ever; completes the
    /// operation `op` when that is written.
    #[napi]
    pub fn revoke(
        &self,
        env: &Env,
        op: f64,
        endpoint_id: Option<String>,
        signature: Option<Uint8Array>,
        until: Option<f64>,
    ) -> Js {
        let scope = Scope::new(env);
        let revoked = Revoked::named(endpoint_id.as_deref(), signature.as_deref())
            .and_then(|what| self.server.revoke_at_once(what, until.map(|seconds| seconds as u64)));
        match revoked {
            Ok(kept) => self.shared.spawn(scope, op, async move { kept.await.map(|()| Outcome::Nothing) }),
            Err(error) => self.shared.errors.error(scope, &error),
        }
    }

    /// Tells whether every peer is admitted.
    #[napi(getter)]
    pub fn is_open(&self) -> bool {
        self.server.is_open()
    }
}
