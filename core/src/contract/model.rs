//! The structures of a contract and what it takes to be canonical (`contract.md` sections 1, 2 and 9).
//!
//! Not here: their bytes ([`super::canonical`]) and their JSON form ([`super::form`]).

use std::collections::HashSet;
use std::fmt::Display;
use std::hash::Hash;

use crate::error::Result;
use crate::limits;
use crate::types::reason::{bad, quote, within};
use crate::types::tag;

use super::capability::CapabilityRequirement;
use super::kinds::{ContainerKind, MethodPattern, ScopeKind, TypeDefKind, TypeKind};
use super::lower::CONTAINER_PACKAGE;

/// A BLAKE3-256 hash.
pub type Digest = [u8; 32];

/// A service as its contract id sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceContract {
    /// Service name.
    pub name: String,
    /// Service version.
    pub version: i32,
    /// Methods, sorted by name in canonical form.
    pub methods: Vec<MethodDef>,
    /// Serialization modes in declared order.
    pub serialization_modes: Vec<String>,
    /// How long an instance lives.
    pub scoped: ScopeKind,
    /// Roles a caller must hold.
    pub requires: Option<CapabilityRequirement>,
    /// Language of the producer, set exactly with mode `native`.
    pub producer_language: String,
}

/// A method as its contract sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MethodDef {
    /// Method name.
    pub name: String,
    /// Who sends how many items.
    pub pattern: MethodPattern,
    /// Reference to the type of requests.
    pub request_type: Option<Digest>,
    /// Reference to the type of responses.
    pub response_type: Option<Digest>,
    /// Whether a call may be sent again.
    pub idempotent: bool,
    /// Deadline in seconds of calls that give none; 0.0 is none.
    pub default_timeout: f64,
    /// Roles a caller must hold.
    pub requires: Option<CapabilityRequirement>,
}

/// A type as its hash sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeDef {
    /// What the type is.
    pub kind: TypeDefKind,
    /// Package, left of the last `/` of the tag.
    pub package: String,
    /// Name, right of it.
    pub name: String,
    /// Fields of a message, sorted by name in canonical form.
    pub fields: Vec<FieldDef>,
    /// Members of an enum, sorted by value in canonical form.
    pub enum_values: Vec<EnumValueDef>,
    /// Variants of a union, sorted by id in canonical form.
    pub union_variants: Vec<UnionVariantDef>,
}

/// A field of a [`TypeDef`]. Element or map value are in the `type_` members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldDef {
    /// Position from 1 in canonical form.
    pub id: i32,
    /// Field name.
    pub name: String,
    /// What the value is.
    pub type_kind: TypeKind,
    /// Name of a primitive.
    pub type_primitive: String,
    /// Hash of a type.
    pub type_ref: Option<Digest>,
    /// Full name of a type of the same cycle.
    pub self_ref_name: String,
    /// Whether the field may be null.
    pub optional: bool,
    /// Whether references are tracked. Declarations never say so.
    pub ref_tracked: bool,
    /// How the field holds values.
    pub container: ContainerKind,
    /// What a map key is.
    pub container_key_kind: TypeKind,
    /// Name of a primitive key.
    pub container_key_primitive: String,
    /// Hash of a key's type.
    pub container_key_ref: Option<Digest>,
    /// Whether the field is required. Declarations always say so.
    pub required: bool,
    /// Bytes of a default. Declarations leave them empty.
    pub default_value: Vec<u8>,
}

impl Default for FieldDef {
    fn default() -> Self {
        Self {
            id: 0,
            name: String::new(),
            type_kind: TypeKind::Primitive,
            type_primitive: String::new(),
            type_ref: None,
            self_ref_name: String::new(),
            optional: false,
            ref_tracked: false,
            container: ContainerKind::None,
            container_key_kind: TypeKind::Primitive,
            container_key_primitive: String::new(),
            container_key_ref: None,
            required: true,
            default_value: Vec::new(),
        }
    }
}

/// A member of an enum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnumValueDef {
    /// Member name.
    pub name: String,
    /// Its number.
    pub value: i32,
}

/// A variant of a union.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnionVariantDef {
    /// Variant name.
    pub name: String,
    /// Its number.
    pub id: i32,
    /// Hash of its type.
    pub type_ref: Option<Digest>,
}

const LANGUAGES: [&str; 5] = ["python", "typescript", "java", "csharp", "go"];
/// The mode that is bound to one language.
const NATIVE: &str = "native";

impl TypeDef {
    /// Returns the full name.
    pub fn fqn(&self) -> String {
        tag::join(&self.package, &self.name)
    }

    /// Brings names to NFC, sorts, numbers the fields, and checks that nothing occurs twice.
    pub(super) fn normalise(&mut self) -> Result<()> {
        let name = self.fqn();
        self.normalise_members().map_err(|e| within("type", &name, &e))
    }

    fn normalise_members(&mut self) -> Result<()> {
        normalise_name("package", &mut self.package)?;
        if self.package == CONTAINER_PACKAGE {
            // The name is the signature of a type, as long as that type is.
            nfc_in_place(&mut self.name);
        } else {
            normalise_name("name", &mut self.name)?;
        }
        at_most("fields", self.fields.len(), limits::MAX_CONTRACT_FIELDS)?;
        at_most("members", self.enum_values.len(), limits::MAX_ENUM_MEMBERS)?;
        at_most("variants", self.union_variants.len(), limits::MAX_ENUM_MEMBERS)?;
        for field in &mut self.fields {
            normalise_name("field name", &mut field.name)?;
            nfc_in_place(&mut field.self_ref_name);
        }
        self.fields.sort_by(|a, b| a.name.cmp(&b.name));
        for (field, id) in self.fields.iter_mut().zip(1..) {
            field.id = id;
        }
        for member in &mut self.enum_values {
            normalise_name("enum name", &mut member.name)?;
        }
        self.enum_values.sort_by_key(|member| member.value);
        for variant in &mut self.union_variants {
            normalise_name("variant name", &mut variant.name)?;
        }
        self.union_variants.sort_by_key(|variant| variant.id);
        unique_names("field name", self.fields.iter().map(|field| field.name.as_str()))?;
        unique_names("enum name", self.enum_values.iter().map(|member| member.name.as_str()))?;
        unique("enum value", self.enum_values.iter().map(|member| member.value))?;
        unique_names("variant name", self.union_variants.iter().map(|variant| variant.name.as_str()))?;
        unique("variant id", self.union_variants.iter().map(|variant| variant.id))
    }
}

impl MethodDef {
    /// Brings names to NFC and checks roles and timeout.
    pub(super) fn normalise(&mut self) -> Result<()> {
        normalise_title("method", &mut self.name)?;
        let checked = self.check();
        checked.map_err(|e| within("method", &self.name, &e))
    }

    fn check(&mut self) -> Result<()> {
        if !self.default_timeout.is_finite() || self.default_timeout < 0.0 {
            return Err(bad("the default timeout must be finite and not negative"));
        }
        self.default_timeout += 0.0; // -0.0 is written as 0.0
        self.requires.as_mut().map_or(Ok(()), CapabilityRequirement::normalise)
    }
}

impl ServiceContract {
    /// Brings names to NFC, sorts the methods, and checks that nothing occurs twice.
    pub(super) fn normalise(&mut self) -> Result<()> {
        normalise_title("service", &mut self.name)?;
        let checked = self.normalise_members();
        checked.map_err(|e| within("service", &self.name, &e))
    }

    fn normalise_members(&mut self) -> Result<()> {
        at_most("methods", self.methods.len(), limits::MAX_CONTRACT_METHODS)?;
        for method in &mut self.methods {
            method.normalise()?;
        }
        self.methods.sort_by(|a, b| a.name.cmp(&b.name));
        unique_names("method name", self.methods.iter().map(|method| method.name.as_str()))?;
        unique_names("serialization mode", self.serialization_modes.iter().map(String::as_str))?;
        check_language(&self.serialization_modes, &self.producer_language)?;
        self.requires.as_mut().map_or(Ok(()), CapabilityRequirement::normalise)
    }
}

impl CapabilityRequirement {
    /// Brings the roles to NFC and sorts them.
    fn normalise(&mut self) -> Result<()> {
        for role in &mut self.roles {
            normalise_name("role", role)?;
        }
        self.roles.sort();
        unique_names("role", self.roles.iter().map(String::as_str))
    }
}

fn check_language(modes: &[String], language: &str) -> Result<()> {
    if !language.is_empty() && !LANGUAGES.contains(&language) {
        return Err(bad(format!("unknown producer language {}", quote(language))));
    }
    if modes.iter().any(|mode| mode == NATIVE) == language.is_empty() {
        return Err(bad("`producer_language` must be set exactly when `native` is among the modes"));
    }
    Ok(())
}

fn nfc_in_place(name: &mut String) {
    if let std::borrow::Cow::Owned(normal) = tag::nfc(name) {
        *name = normal;
    }
}

fn normalise_name(what: &str, name: &mut String) -> Result<()> {
    nfc_in_place(name);
    if name.len() > limits::MAX_CONTRACT_NAME_BYTES {
        return Err(bad(format!("{what} {} exceeds {} bytes", quote(name), limits::MAX_CONTRACT_NAME_BYTES)));
    }
    Ok(())
}

/// Service and method names are limited in characters, as calls limit them.
fn normalise_title(what: &str, name: &mut String) -> Result<()> {
    nfc_in_place(name);
    if name.chars().nth(limits::MAX_NAME_CHARS).is_some() {
        return Err(bad(format!("{what} name {} exceeds {} characters", quote(name), limits::MAX_NAME_CHARS)));
    }
    Ok(())
}

fn at_most(what: &str, count: usize, limit: usize) -> Result<()> {
    if count > limit { Err(bad(format!("more than {limit} {what}"))) } else { Ok(()) }
}

fn unique_names<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(bad(format!("duplicate {what} {}", quote(name))));
        }
    }
    Ok(())
}

fn unique<T: Copy + Display + Eq + Hash>(what: &str, values: impl Iterator<Item = T>) -> Result<()> {
    let mut seen = HashSet::new();
    for value in values {
        if !seen.insert(value) {
            return Err(bad(format!("duplicate {what} {value}")));
        }
    }
    Ok(())
}
