//! From a description to its contract id (`contract.md` sections 2, 4 and 5).
//!
//! Not here: descriptions ([`super::description`]) and how types are hashed ([`super::graph`]).

use std::sync::Arc;

use crate::error::Result;
use crate::types::reason::{bad, quote, within};
use crate::types::{Primitive, tag};

use super::canonical::digest;
use super::description::{MethodDescription, ServiceDescription};
use super::graph::TypeGraph;
use super::model::{Digest, MethodDef, ServiceContract};

/// A service description with its identity. Immutable and shared.
#[derive(Debug)]
pub struct Contract {
    description: ServiceDescription,
    service: ServiceContract,
    graph: TypeGraph,
    canonical: Vec<u8>,
    digest: Digest,
    id: String,
}

impl Contract {
    /// Computes the contract of a description.
    ///
    /// # Errors
    ///
    /// Kind CONTRACT with a reason that names the service if a rule of the layout is broken.
    pub fn new(description: ServiceDescription) -> Result<Arc<Self>> {
        let lowered = lower(&description);
        let (service, graph) = lowered.map_err(|e| within("service", &description.service, &e))?;
        let canonical = service.canonical()?;
        let digest = digest(&canonical);
        Ok(Arc::new(Self { description, service, graph, canonical, digest, id: hex::encode(digest) }))
    }

    /// Returns the contract id: 64 lower-case hex digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the 32 bytes of the contract id.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Returns the canonical bytes, whose hash is the id.
    pub fn canonical(&self) -> &[u8] {
        &self.canonical
    }

    /// Returns the description.
    pub fn description(&self) -> &ServiceDescription {
        &self.description
    }

    /// Returns the contract structure, methods in declared order.
    pub fn service(&self) -> &ServiceContract {
        &self.service
    }

    /// Returns the types that methods reach, hashed.
    pub fn graph(&self) -> &TypeGraph {
        &self.graph
    }
}

/// Returns the reference of a bare scalar, if a method may take or return it.
pub(super) fn scalar_reference(primitive: Primitive) -> Option<Digest> {
    let name: &[u8] = match primitive {
        Primitive::String => b"string",
        Primitive::VarInt64 => b"int64",
        Primitive::Float64 => b"float64",
        Primitive::Bool => b"bool",
        Primitive::Binary => b"binary",
        _ => return None,
    };
    Some(digest(name))
}

fn lower(description: &ServiceDescription) -> Result<(ServiceContract, TypeGraph)> {
    let graph = TypeGraph::of_tags(&description.types, &description.reached())?;
    let methods = description.methods.iter().map(|method| method_def(method, &graph)).collect::<Result<_>>()?;
    let service = ServiceContract {
        name: description.service.clone(),
        version: description.version,
        methods,
        serialization_modes: description.serialization_modes.clone(),
        scoped: description.scope,
        requires: description.requires.clone(),
        producer_language: description.producer_language.clone(),
    };
    Ok((service, graph))
}

fn method_def(method: &MethodDescription, graph: &TypeGraph) -> Result<MethodDef> {
    let reference = |text: &str| match Primitive::parse(text) {
        Some(primitive) => scalar_reference(primitive),
        None => graph.get(&tag::fqn(text)).map(|node| node.entering),
    };
    let required = |text: &str| {
        let unknown = || within("method", &method.name, &bad(format!("unknown type {}", quote(text))));
        reference(text).ok_or_else(unknown)
    };
    Ok(MethodDef {
        name: method.name.clone(),
        pattern: method.pattern,
        request_type: Some(required(&method.request)?),
        response_type: Some(required(&method.response)?),
        idempotent: method.idempotent,
        default_timeout: method.timeout_s.unwrap_or_default(),
        requires: method.requires.clone(),
    })
}
