//! Capability checks outside of core's own (`trust.md` section 13). Core decides.

use aster_core::rpc::CapabilityMap;
use napi::Env;
use napi_derive::napi;

use crate::call::pairs;
use crate::engine::Engine;
use crate::js::{Js, Scope};

/// What the methods of some services require.
#[napi]
#[derive(Default)]
pub struct Capabilities(CapabilityMap);

#[napi]
impl Capabilities {
    #[napi(constructor)]
    pub fn new() -> Self {
        Self(CapabilityMap::new())
    }

    /// Adds a service. Requirements are JSON; `methods`: names and requirements in turn, empty where there is none.
    #[napi]
    pub fn add(&mut self, service: String, requires: Option<String>, methods: Vec<String>) {
        let each = methods.chunks_exact(2).filter_map(|pair| match pair {
            [name, requires] => Some((name.as_str(), Some(requires.as_str()).filter(|text| !text.is_empty()))),
            _ => None,
        });
        self.0.add_service(&service, requires.as_deref(), each);
    }
}

#[napi]
impl Engine {
    /// Returns an error unless a caller with these attributes, keys and values in turn, may call the method.
    #[napi]
    pub fn permit(&self, env: &Env, map: &Capabilities, service: String, method: String, attributes: Js) -> Js {
        let scope = Scope::new(env);
        match map.0.check(&service, &method, &pairs(scope, attributes)) {
            Ok(()) => scope.undefined(),
            Err(status) => self.shared.errors.status(scope, &status),
        }
    }
}
