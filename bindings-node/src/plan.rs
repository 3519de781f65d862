//! A service as the package declared it: compiled by core, joined with its classes.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use aster_core::codec::{self, CodecError, RootId};
use aster_core::engine::ServicePlan;
use aster_core::error::{Error, ErrorKind, Result};
use napi::Env;
use napi_derive::napi;
use serde_json::Value;

use crate::convert::{Handed, HostTypes, TapeSink, TapeSource};
use crate::engine::Shared;
use crate::errors::no_value;
use crate::js::{Js, Scope};

/// Bytes that an encoded value may take before more room is made.
const FIRST_ROOM: usize = 1024;

/// A compiled service and the JavaScript side of its types.
pub(crate) struct BoundPlan {
    pub(crate) plan: Arc<ServicePlan>,
    pub(crate) hosts: HostTypes,
    /// Whether the package encodes and decodes bodies itself, which are JSON then.
    pub(crate) raw: bool,
}

/// A compiled service in the hands of the package.
#[napi]
pub struct Plan {
    pub(crate) bound: Rc<BoundPlan>,
    shared: Rc<Shared>,
    /// Roots that were asked for.
    roots: RefCell<Vec<RootId>>,
}

impl Plan {
    /// Compiles a description; see [`HostTypes::new`] for the other arguments. With `"raw": true` bodies are JSON that
    /// the package encodes, and decodes with `build`.
    pub(crate) fn new(scope: Scope, shared: &Rc<Shared>, description: &str, declared: &str, build: Js) -> Result<Self> {
        let plan = ServicePlan::from_json(description)?;
        let declared: Value = serde_json::from_str(declared)
            .map_err(|error| Error::new(ErrorKind::Internal, format!("declarations of the package: {error}")))?;
        let tapes = shared.tapes.clone();
        let raw = declared["raw"] == true;
        let hosts = HostTypes::new(scope, plan.schema(), &declared, build, tapes).ok_or_else(no_value)?;
        let roots = RefCell::default();
        Ok(Self { bound: Rc::new(BoundPlan { plan, hosts, raw }), shared: shared.clone(), roots })
    }

    fn root_at(&self, index: u32) -> Result<RootId> {
        let root = self.roots.borrow().get(index as usize).copied();
        root.ok_or_else(|| Error::new(ErrorKind::Internal, "no root has this number"))
    }

    fn encoded(&self, scope: Scope, root: u32, json: bool, handed: Handed) -> Result<Js> {
        let (schema, root) = (self.bound.plan.schema(), self.root_at(root)?);
        let (mut source, value) = TapeSource::new(scope, &self.bound.hosts, handed);
        let mut out = Vec::with_capacity(FIRST_ROOM);
        match json {
            true => codec::encode_json(schema, root, &mut source, &value, &mut out),
            false => codec::encode_xlang(schema, root, &mut source, &value, &mut out),
        }
        .map_err(refused)?;
        // In the buffer that the package has at hand, which is cheaper than a new one.
        let made = match self.shared.tapes.leave(&out) {
            true => scope.number(out.len() as f64),
            false => scope.bytes(&out),
        };
        made.ok_or_else(no_value)
    }

    fn decoded(&self, scope: Scope, root: u32, json: bool, bytes: Js) -> Result<Js> {
        let (schema, root) = (self.bound.plan.schema(), self.root_at(root)?);
        // Copied, because building values runs JavaScript.
        let bytes = scope.with_bytes(bytes, <[u8]>::to_vec).unwrap_or_default();
        let mut sink = TapeSink::new(scope, &self.bound.hosts);
        match json {
            true => codec::decode_json(schema, root, &bytes, &mut sink),
            false => codec::decode_xlang(schema, root, &bytes, &mut sink),
        }
        .map_err(refused)?;
        Ok(sink.finish())
    }
}

fn refused(error: CodecError) -> Error {
    Error::codec(error.for_local_encode())
}

#[napi]
impl Plan {
    /// Returns the contract id.
    #[napi(getter)]
    pub fn contract_id(&self) -> String {
        self.bound.plan.contract().id().to_owned()
    }

    /// Returns the canonical bytes of the contract.
    #[napi]
    pub fn canonical(&self, env: &Env) -> Js {
        let scope = Scope::new(env);
        let bytes = scope.bytes(self.bound.plan.contract().canonical()).ok_or_else(no_value);
        self.shared.errors.either(scope, bytes)
    }

    /// Returns the names of the members of an enum by their position in core.
    #[napi]
    pub fn members(&self, tag: String) -> Vec<String> {
        let found = self.bound.plan.schema().enums().find(|choices| *choices.tag == *tag);
        found.map(|choices| choices.members.iter().map(|member| member.name.to_string()).collect()).unwrap_or_default()
    }

    /// Gives a root type a number for [`encode`](Self::encode) and [`decode`](Self::decode); returns it or an error.
    #[napi]
    pub fn root(&self, env: &Env, name: String) -> Js {
        let scope = Scope::new(env);
        let number = self.bound.plan.schema().root(&name).and_then(|root| {
            let mut roots = self.roots.borrow_mut();
            roots.push(root);
            scope.number((roots.len() - 1) as f64).ok_or_else(no_value)
        });
        self.shared.errors.either(scope, number)
    }

    /// Encodes a value of a root type; returns its bytes, or how many are in the incoming buffer, or an error.
    #[napi]
    #[allow(clippy::too_many_arguments, reason = "flat arguments are the cheapest to pass")]
    pub fn encode(&self, env: &Env, root: u32, json: bool, slot: u32, text: Js, length: u32, extra: Js) -> Js {
        let scope = Scope::new(env);
        self.shared.errors.either(scope, self.encoded(scope, root, json, Handed { slot, text, length, extra }))
    }

    /// Decodes the bytes of a root type; returns the value or an error.
    #[napi]
    pub fn decode(&self, env: &Env, root: u32, json: bool, bytes: Js) -> Js {
        let scope = Scope::new(env);
        self.shared.errors.either(scope, self.decoded(scope, root, json, bytes))
    }
}
