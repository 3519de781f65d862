//! Declared types of a service: what the codec compiles and what a contract id commits to (`contract.md` section 3).
//!
//! A [`TypeTable`] is read from the JSON of a service description and is sound: every name is NFC, every reference
//! has a target, every rule about keys, elements, names and limits holds.
//!
//! Not here: services and methods ([`crate::contract`]) and bytes of values ([`crate::codec`]).

mod decl;
pub(crate) mod document;
mod expr;
pub(crate) mod flatten;
mod primitive;
pub(crate) mod reason;
mod table;
pub mod tag;
mod wire_name;

pub use decl::{Docs, EnumMember, FieldDecl, TypeDecl};
pub use expr::TypeExpr;
pub use flatten::flattened_name;
pub use primitive::Primitive;
pub use table::TypeTable;
pub use wire_name::wire_name;
