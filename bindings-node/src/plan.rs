//! A service as the package declared it: compiled by core, joined with its classes.

use std::rc::Rc;
use std::sync::Arc;

use aster_core::codec::{self, CodecError};
use aster_core::engine::ServicePlan;
use aster_core::error::{Error, ErrorKind, Result};
use napi::Env;
use napi_derive::napi;

use crate::convert::{HostTypes, JsSink, JsSource};
use crate::engine::Shared;
use crate::errors::no_value;
use crate::js::{Js, Scope};

/// A compiled service and the JavaScript side of its types.
pub(crate) struct BoundPlan {
    pub(crate) plan: Arc<ServicePlan>,
    pub(crate) hosts: HostTypes,
}

/// A compiled service in the hands of the package.
#[napi]
pub struct Plan {
    pub(crate) bound: Rc<BoundPlan>,
    shared: Rc<Shared>,
}

impl Plan {
    /// Compiles a description; see [`HostTypes::new`] for the other arguments.
    pub(crate) fn new(
        scope: Scope,
        shared: &Rc<Shared>,
        description: &str,
        declared: &str,
        functions: Js,
    ) -> Result<Self> {
        let plan = ServicePlan::from_json(description)?;
        let declared = serde_json::from_str(declared)
            .map_err(|error| Error::new(ErrorKind::Internal, format!("declarations of the package: {error}")))?;
        let helpers = shared.helpers.clone();
        let hosts = HostTypes::new(scope, plan.schema(), &declared, functions, helpers).ok_or_else(no_value)?;
        Ok(Self { bound: Rc::new(BoundPlan { plan, hosts }), shared: shared.clone() })
    }

    fn encoded(&self, scope: Scope, root: &str, json: bool, value: Js) -> Result<Js> {
        let schema = self.bound.plan.schema();
        let root = schema.root(root)?;
        let mut source = JsSource::new(scope, &self.bound.hosts);
        let mut out = Vec::new();
        match json {
            true => codec::encode_json(schema, root, &mut source, &value, &mut out),
            false => codec::encode_xlang(schema, root, &mut source, &value, &mut out),
        }
        .map_err(refused)?;
        scope.bytes(&out).ok_or_else(no_value)
    }

    fn decoded(&self, scope: Scope, root: &str, json: bool, bytes: Js) -> Result<Js> {
        let schema = self.bound.plan.schema();
        let root = schema.root(root)?;
        // Copied, because building values runs JavaScript.
        let bytes = scope.with_bytes(bytes, <[u8]>::to_vec).unwrap_or_default();
        let mut sink = JsSink::new(scope, &self.bound.hosts);
        match json {
            true => codec::decode_json(schema, root, &bytes, &mut sink),
            false => codec::decode_xlang(schema, root, &bytes, &mut sink),
        }
        .map_err(refused)
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

    /// Encodes a value of a root type; returns its bytes or an error.
    #[napi]
    pub fn encode(&self, env: &Env, root: String, json: bool, value: Js) -> Js {
        let scope = Scope::new(env);
        self.shared.errors.either(scope, self.encoded(scope, &root, json, value))
    }

    /// Decodes the bytes of a root type; returns the value or an error.
    #[napi]
    pub fn decode(&self, env: &Env, root: String, json: bool, bytes: Js) -> Js {
        let scope = Scope::new(env);
        self.shared.errors.either(scope, self.decoded(scope, &root, json, bytes))
    }
}
