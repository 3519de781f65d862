//! The JSON form of contract structures (`contract.md` section 1). An absent member is the empty form.
//!
//! Not here: descriptions ([`super::description`]) and manifests ([`super::manifest`]), which people read and write.

use serde_json::{Value, json};

use crate::error::Result;
use crate::types::document::Members;
use crate::types::reason::{bad, quote};

use super::capability::CapabilityRequirement;
use super::kinds::{ContainerKind, MethodPattern, ScopeKind, TypeDefKind, TypeKind};
use super::model::{Digest, EnumValueDef, FieldDef, MethodDef, ServiceContract, TypeDef, UnionVariantDef};

impl ServiceContract {
    /// Reads the JSON form.
    ///
    /// # Errors
    ///
    /// Kind CONTRACT for unknown members, other types and bad hex. Rules of the layout are checked by the writer.
    pub fn from_json(value: &Value) -> Result<Self> {
        let known = ["name", "version", "methods", "serialization_modes", "scoped", "requires", "producer_language"];
        let members = Members::of(value, &known, &[])?;
        Ok(Self {
            name: text(&members, "name")?,
            version: members.int32("version")?.unwrap_or_default(),
            methods: each(&members, "methods", MethodDef::from_json)?,
            serialization_modes: members.texts("serialization_modes")?.unwrap_or_default(),
            scoped: kind(&members, "scoped", ScopeKind::parse)?,
            requires: requirement(&members)?,
            producer_language: text(&members, "producer_language")?,
        })
    }

    /// Returns the JSON form with all members.
    pub fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "version": self.version,
            "methods": self.methods.iter().map(MethodDef::to_json).collect::<Vec<_>>(),
            "serialization_modes": self.serialization_modes,
            "scoped": self.scoped.name(),
            "requires": self.requires.as_ref().map(CapabilityRequirement::to_json),
            "producer_language": self.producer_language,
        })
    }
}

impl MethodDef {
    /// Reads the JSON form.
    ///
    /// # Errors
    ///
    /// As [`ServiceContract::from_json`].
    pub fn from_json(value: &Value) -> Result<Self> {
        let known = ["name", "pattern", "request_type", "response_type", "idempotent", "default_timeout", "requires"];
        let members = Members::of(value, &known, &[])?;
        Ok(Self {
            name: text(&members, "name")?,
            pattern: kind(&members, "pattern", MethodPattern::parse)?,
            request_type: reference(&members, "request_type")?,
            response_type: reference(&members, "response_type")?,
            idempotent: members.flag("idempotent")?.unwrap_or_default(),
            default_timeout: members.number("default_timeout")?.unwrap_or_default(),
            requires: requirement(&members)?,
        })
    }

    /// Returns the JSON form with all members.
    pub fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "pattern": self.pattern.name(),
            "request_type": hex_of(self.request_type),
            "response_type": hex_of(self.response_type),
            "idempotent": self.idempotent,
            "default_timeout": self.default_timeout,
            "requires": self.requires.as_ref().map(CapabilityRequirement::to_json),
        })
    }
}

impl TypeDef {
    /// Reads the JSON form.
    ///
    /// # Errors
    ///
    /// As [`ServiceContract::from_json`].
    pub fn from_json(value: &Value) -> Result<Self> {
        let known = ["kind", "package", "name", "fields", "enum_values", "union_variants"];
        let members = Members::of(value, &known, &[])?;
        Ok(Self {
            kind: kind(&members, "kind", TypeDefKind::parse)?,
            package: text(&members, "package")?,
            name: text(&members, "name")?,
            fields: each(&members, "fields", FieldDef::from_json)?,
            enum_values: each(&members, "enum_values", |value| {
                let members = Members::of(value, &["name", "value"], &[])?;
                Ok(EnumValueDef { name: text(&members, "name")?, value: members.int32("value")?.unwrap_or_default() })
            })?,
            union_variants: each(&members, "union_variants", |value| {
                let members = Members::of(value, &["name", "id", "type_ref"], &[])?;
                Ok(UnionVariantDef {
                    name: text(&members, "name")?,
                    id: members.int32("id")?.unwrap_or_default(),
                    type_ref: reference(&members, "type_ref")?,
                })
            })?,
        })
    }

    /// Returns the JSON form with all members.
    pub fn to_json(&self) -> Value {
        let member = |m: &EnumValueDef| json!({"name": m.name, "value": m.value});
        let variant = |v: &UnionVariantDef| json!({"name": v.name, "id": v.id, "type_ref": hex_of(v.type_ref)});
        json!({
            "kind": self.kind.name(),
            "package": self.package,
            "name": self.name,
            "fields": self.fields.iter().map(FieldDef::to_json).collect::<Vec<_>>(),
            "enum_values": self.enum_values.iter().map(member).collect::<Vec<_>>(),
            "union_variants": self.union_variants.iter().map(variant).collect::<Vec<_>>(),
        })
    }
}

impl FieldDef {
    fn from_json(value: &Value) -> Result<Self> {
        let types = ["id", "name", "type_kind", "type_primitive", "type_ref", "self_ref_name", "optional"];
        let rest = [
            "ref_tracked",
            "container",
            "container_key_kind",
            "container_key_primitive",
            "container_key_ref",
            "required",
            "default_value",
        ];
        let members = Members::of(value, &types, &rest)?;
        Ok(Self {
            id: members.int32("id")?.unwrap_or_default(),
            name: text(&members, "name")?,
            type_kind: kind(&members, "type_kind", TypeKind::parse)?,
            type_primitive: text(&members, "type_primitive")?,
            type_ref: reference(&members, "type_ref")?,
            self_ref_name: text(&members, "self_ref_name")?,
            optional: members.flag("optional")?.unwrap_or_default(),
            ref_tracked: members.flag("ref_tracked")?.unwrap_or_default(),
            container: kind(&members, "container", ContainerKind::parse)?,
            container_key_kind: kind(&members, "container_key_kind", TypeKind::parse)?,
            container_key_primitive: text(&members, "container_key_primitive")?,
            container_key_ref: reference(&members, "container_key_ref")?,
            required: members.flag("required")?.unwrap_or(true),
            default_value: from_hex(members.text("default_value")?.unwrap_or_default())?,
        })
    }

    fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "type_kind": self.type_kind.name(),
            "type_primitive": self.type_primitive,
            "type_ref": hex_of(self.type_ref),
            "self_ref_name": self.self_ref_name,
            "optional": self.optional,
            "ref_tracked": self.ref_tracked,
            "container": self.container.name(),
            "container_key_kind": self.container_key_kind.name(),
            "container_key_primitive": self.container_key_primitive,
            "container_key_ref": hex_of(self.container_key_ref),
            "required": self.required,
            "default_value": hex::encode(&self.default_value),
        })
    }
}

fn text(members: &Members<'_>, key: &str) -> Result<String> {
    Ok(members.text(key)?.unwrap_or_default().to_owned())
}

fn each<T>(members: &Members<'_>, key: &str, read: impl Fn(&Value) -> Result<T>) -> Result<Vec<T>> {
    members.list(key)?.unwrap_or_default().iter().map(read).collect()
}

fn kind<T: Default>(members: &Members<'_>, key: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T> {
    let Some(name) = members.text(key)? else { return Ok(T::default()) };
    parse(name).ok_or_else(|| bad(format!("unknown {key} {}", quote(name))))
}

fn requirement(members: &Members<'_>) -> Result<Option<CapabilityRequirement>> {
    match members.value("requires") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => CapabilityRequirement::from_json(value).map(Some),
    }
}

fn reference(members: &Members<'_>, key: &str) -> Result<Option<Digest>> {
    let raw = from_hex(members.text(key)?.unwrap_or_default())?;
    if raw.is_empty() {
        return Ok(None);
    }
    let count = raw.len();
    raw.try_into().map(Some).map_err(|_| bad(format!("hash must have 0 or 32 bytes, got {count}")))
}

fn from_hex(text: &str) -> Result<Vec<u8>> {
    let raw = hex::decode(text).ok().filter(|_| !text.bytes().any(|c| c.is_ascii_uppercase()));
    raw.ok_or_else(|| bad(format!("not lower-case hex: {}", quote(text))))
}

fn hex_of(hash: Option<Digest>) -> String {
    hash.map(hex::encode).unwrap_or_default()
}
