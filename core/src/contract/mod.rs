//! Contracts: what a service is, and the 32 bytes that name it (`contract.md`).
//!
//! A [`ServiceDescription`] is what a binding declares. [`Contract::new`] lowers its types to [`TypeDef`]s, hashes
//! them along the [`TypeGraph`], and hashes the [`ServiceContract`] that refers to them: the contract id.
//!
//! Not here: the declared types ([`crate::types`]), payload bytes ([`crate::codec`]) and where the files of section 8 are.

mod canonical;
mod capability;
mod description;
mod documents;
mod form;
mod graph;
mod identity;
mod kinds;
mod link;
mod live_check;
mod lower;
mod manifest;
mod model;
mod reader;
mod walk;

pub use canonical::primitive;
pub use capability::CapabilityRequirement;
pub use description::{MethodDescription, RequestStyle, ServiceDescription};
pub use documents::{canonical_bytes, identity, read_canonical, type_graph};
pub use graph::{TypeGraph, TypeNode};
pub use identity::Contract;
pub use kinds::{CapabilityKind, ContainerKind, MethodPattern, ScopeKind, TypeDefKind, TypeKind};
pub use link::{LinkedType, link};
pub use live_check::{LiveContract, ManifestFault, check_live};
pub use lower::CONTAINER_PACKAGE;
pub use manifest::{manifest_text, read_manifest};
pub use model::{Digest, EnumValueDef, FieldDef, MethodDef, ServiceContract, TypeDef, UnionVariantDef};

/// Name of the byte layout that ids are computed from.
pub const CANONICAL_ENCODING: &str = "aster-contract/2";
