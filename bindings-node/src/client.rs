//! A client in the hands of the package, and services bound to it.

use std::rc::Rc;
use std::time::Duration;

use aster_core::admission::Delegation;
use aster_core::config::Config;
use aster_core::error::Result;
use aster_core::node::{self, ClientOptions};
use aster_core::rpc::BoundService;
use aster_core::wire;
use napi::Env;
use napi::bindgen_prelude::{ToNapiValue, Uint8Array};
use napi_derive::napi;
use serde_json::json;

use crate::engine::{Node, Outcome, Shared};
use crate::enrollment::wrong;
use crate::errors::no_value;
use crate::js::{Js, Scope};
use crate::plan::{BoundPlan, Plan};
use crate::runtime;
use crate::session::OpenSession;

/// What the package may choose for a connection; core has the defaults.
#[napi(object)]
pub struct ConnectOptions {
    pub address: Option<String>,
    pub channel: Option<String>,
    pub connect_timeout_ms: Option<f64>,
    pub allow_foreign_channels: Option<bool>,
    pub delegation: Option<DelegationParts>,
}

/// What another authority grants.
#[napi(object)]
pub struct DelegationParts {
    /// JSON objects.
    pub token: String,
    pub attestation: String,
    /// Seed of the key that the token names.
    pub signing_key: Uint8Array,
}

impl DelegationParts {
    fn read(&self) -> Result<Delegation> {
        let read = Delegation::new(&self.token, &self.attestation, &self.signing_key);
        // A mistake of the program, not of a peer.
        read.map_err(|error| wrong(error.message()).with_source(error))
    }
}

impl ConnectOptions {
    /// Completes the options with core's defaults and the credential of the configuration.
    pub(crate) fn complete(self, config: &Config) -> Result<ClientOptions> {
        let default = ClientOptions::default();
        let configured = || config.get("allow_foreign_channels").and_then(|(value, _)| value.as_bool());
        Ok(ClientOptions {
            address: self.address,
            channel: self.channel.unwrap_or(default.channel),
            credential_json: config.credential()?.map(|presented| presented.json.clone()).unwrap_or_default(),
            connect_timeout: self
                .connect_timeout_ms
                .map_or(default.connect_timeout, |ms| Duration::from_millis(ms.max(0.0) as u64)),
            allow_foreign_channels: self
                .allow_foreign_channels
                .or_else(configured)
                .unwrap_or(default.allow_foreign_channels),
            delegation: self.delegation.as_ref().map(DelegationParts::read).transpose()?,
        })
    }
}

/// A connected client, as long as it or a service of it is in use.
pub(crate) struct Connection {
    client: node::Client,
    pub(crate) shared: Rc<Shared>,
    id: u64,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Garbage that was never closed.
        if self.shared.disown(self.id)
            && let Ok(runtime) = runtime::handle()
        {
            runtime.spawn(self.client.close());
        }
    }
}

/// A connected client.
#[napi]
pub struct Client {
    connection: Rc<Connection>,
}

impl Client {
    /// Wraps a client of core and remembers to close it when the environment ends.
    pub(crate) fn new(client: node::Client, shared: &Rc<Shared>) -> Self {
        let id = shared.adopt(Node::Client(client.clone()));
        Self { connection: Rc::new(Connection { client, shared: shared.clone(), id }) }
    }

    pub(crate) fn core(&self) -> &node::Client {
        &self.connection.client
    }

    pub(crate) fn shared(&self) -> &Rc<Shared> {
        &self.connection.shared
    }

    /// Makes what calls a service that was bound with a plan.
    pub(crate) fn stub(&self, service: BoundService, plan: &Plan) -> Stub {
        Stub { service, bound: plan.bound.clone(), connection: self.connection.clone(), session: None }
    }
}

#[napi]
impl Client {
    /// Returns what the server told at admission, as JSON.
    #[napi]
    pub fn info(&self) -> String {
        let info = self.connection.client.info();
        json!({
            "endpointId": info.endpoint_id,
            "openGate": info.open_gate,
            "services": info.answer.services,
            "registryNamespace": info.answer.registry_namespace,
            "gossipTopic": info.answer.gossip_topic,
            "attributes": info.answer.attributes,
        })
        .to_string()
    }

    /// Binds a service, of our own channel unless another is given; returns it or an error.
    #[napi]
    pub fn bind(&self, env: &Env, plan: &Plan, channel: Option<String>) -> Js {
        let scope = Scope::new(env);
        let bound = self.connection.client.bind(&plan.bound.plan, channel.as_deref()).and_then(|service| {
            let stub = self.stub(service, plan);
            // SAFETY: the environment is that of the running function.
            unsafe { Stub::to_napi_value(scope.env(), stub) }.map(Js).map_err(|_| no_value())
        });
        self.connection.shared.errors.either(scope, bound)
    }

    /// Binds a service whose contract is not at hand: bodies are JSON that the package encodes, whatever else the
    /// server lists; returns it or an error.
    #[napi]
    pub fn bind_untyped(&self, env: &Env, plan: &Plan) -> Js {
        let scope = Scope::new(env);
        let choice = wire::choose(&[]);
        let service = BoundService::new(self.connection.client.caller().clone(), plan.bound.plan.clone(), choice);
        let stub = self.stub(service, plan);
        // SAFETY: the environment is that of the running function.
        let made = unsafe { Stub::to_napi_value(scope.env(), stub) }.map(Js).map_err(|_| no_value());
        self.connection.shared.errors.either(scope, made)
    }

    /// Connects afresh, admission included; completes the operation `op`.
    #[napi]
    pub fn reconnect(&self, env: &Env, op: f64) -> Js {
        let work = self.core().reconnect();
        self.shared().spawn(Scope::new(env), op, async move { work.await.map(|()| Outcome::Nothing) })
    }

    /// Ends everything; completes the operation `op`.
    #[napi]
    pub fn close(&self, env: &Env, op: f64) -> Js {
        let Connection { client, shared, id } = &*self.connection;
        let closed = client.close();
        shared.disown(*id);
        shared.spawn(Scope::new(env), op, async move {
            closed.await;
            Ok(Outcome::Nothing)
        })
    }
}

/// A service of one server, or one session of it, ready to be called.
#[napi]
pub struct Stub {
    pub(crate) service: BoundService,
    pub(crate) bound: Rc<BoundPlan>,
    /// Held so that the client stays open.
    pub(crate) connection: Rc<Connection>,
    pub(crate) session: Option<Rc<OpenSession>>,
}

#[napi]
impl Stub {
    /// Returns the position of a method, or -1.
    #[napi]
    pub fn method(&self, name: String) -> i32 {
        let found = self.bound.plan.method_index(&name);
        found.and_then(|index| i32::try_from(index).ok()).unwrap_or(-1)
    }

    /// Returns another service of the same server, in the same session if this is in one, or an error.
    #[napi]
    pub fn with_plan(&self, env: &Env, plan: &Plan) -> Js {
        let scope = Scope::new(env);
        let service = self.service.with_plan(plan.bound.plan.clone());
        let (bound, connection) = (plan.bound.clone(), self.connection.clone());
        let stub = Stub { service, bound, connection, session: self.session.clone() };
        // SAFETY: the environment is that of the running function.
        let made = unsafe { Stub::to_napi_value(scope.env(), stub) }.map(Js).map_err(|_| no_value());
        self.connection.shared.errors.either(scope, made)
    }

    /// Returns an id for a call that nobody else has.
    #[napi]
    pub fn next_call_id(&self) -> String {
        self.service.next_call_id()
    }
}
