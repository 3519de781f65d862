//! Manifests: a contract as a document that people and tools read (`contract.md` section 7).
//!
//! A manifest holds all that the id commits to, so the id is recomputed from every one that is read.
//!
//! Not here: files and commands of section 8, legacy manifests, and what `--vcs` and publication fill in.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::error::Result;
use crate::limits;
use crate::types::document::{self, Members, missing};
use crate::types::reason::{bad, quote, within};
use crate::types::{EnumMember, FieldDecl, Primitive, TypeDecl, TypeExpr, TypeTable, tag};

use super::CANONICAL_ENCODING;
use super::capability::CapabilityRequirement;
use super::description::{MethodDescription, RequestStyle, ServiceDescription};
use super::identity::Contract;
use super::kinds::CapabilityKind;

/// Version of the manifest's own layout.
const VERSION: i32 = 1;
/// What tools add to a manifest beside what its id commits to.
const TEXTS: [&str; 5] = ["semver", "vcs_revision", "vcs_tag", "vcs_url", "changelog"];
/// What publishing adds.
const PUBLICATION: [&str; 2] = ["published_by", "published_at_epoch_ms"];

impl Contract {
    /// Returns the manifest, without anything about sources or publication.
    pub fn manifest(&self) -> Value {
        let of = self.description();
        let tags = of.reached();
        let mut methods: Vec<&MethodDescription> = of.methods.iter().collect();
        methods.sort_by(|a, b| a.name.cmp(&b.name));
        let hash = |tag: &str| self.graph().get(&tag::fqn(tag)).map(|node| hex::encode(node.hash));
        let describe = |tag: &&str| Some(((*tag).to_owned(), type_entry(of.types.get(tag)?, hash(tag)?, &of.types)));
        json!({
            "v": VERSION,
            "service": of.service,
            "version": of.version,
            "contract_id": self.id(),
            "canonical_encoding": CANONICAL_ENCODING,
            "type_count": self.graph().nodes().len(),
            "type_hashes": self.graph().type_hashes(),
            "method_count": methods.len(),
            "methods": methods.iter().map(|method| method_entry(method, &of.types)).collect::<Vec<_>>(),
            "serialization_modes": of.serialization_modes,
            "producer_language": of.producer_language,
            "scoped": of.scope.name(),
            "requires": of.requires.as_ref().map(CapabilityRequirement::to_json),
            "types": tags.iter().filter_map(describe).collect::<Map<_, _>>(),
            "description": of.docs.description,
            "tags": of.docs.tags,
            "deprecated": of.docs.deprecated,
            "semver": null,
            "vcs_revision": null,
            "vcs_tag": null,
            "vcs_url": null,
            "changelog": null,
            "published_by": "",
            "published_at_epoch_ms": 0,
        })
    }

    /// Returns the manifest as the text of a file.
    pub fn manifest_text(&self) -> String {
        format!("{:#}\n", self.manifest())
    }

    /// Reads a manifest and verifies it: its id must be the one of what it describes. Unknown keys are ignored.
    ///
    /// # Errors
    ///
    /// Kind CONTRACT if it is over the limit, not complete, breaks a rule, or has another id.
    pub fn from_manifest(text: &str) -> Result<Arc<Self>> {
        Self::describe_manifest(text).map(|(contract, _)| contract)
    }

    /// Returns the manifest with what a document says beyond the contract: versions, sources, publication. The rest of
    /// the document does not count.
    ///
    /// # Errors
    ///
    /// Kind CONTRACT if one of these members is of another type; those of a publication are never null.
    pub fn complete_manifest(&self, document: &Value) -> Result<Value> {
        let members = Members::lenient(document)?;
        if let Some(key) = PUBLICATION.into_iter().find(|key| members.value(key).is_some_and(Value::is_null)) {
            return Err(bad(format!("{} is null", quote(key))));
        }
        let mut out = self.manifest();
        for key in TEXTS {
            if let Some(text) = members.text(key)? {
                out[key] = json!(text);
            }
        }
        if let Some(author) = members.text("published_by")? {
            out["published_by"] = json!(author);
        }
        if let Some(number) = members.number("published_at_epoch_ms")? {
            let whole = members.value("published_at_epoch_ms").filter(|value| value.is_u64());
            out["published_at_epoch_ms"] = whole.cloned().ok_or_else(|| bad(format!("{number} is no time")))?;
        }
        Ok(out)
    }

    /// Reads and verifies a manifest, and returns the description it stands for as well (`contract.md` section 3).
    ///
    /// # Errors
    ///
    /// As [`from_manifest`](Self::from_manifest).
    pub fn describe_manifest(text: &str) -> Result<(Arc<Self>, Value)> {
        let document = parse(text)?;
        let name = document.get("service").and_then(Value::as_str).unwrap_or_default();
        read(&document).map_err(|e| within("manifest of service", name, &e))
    }
}

/// Returns the manifest of a service description as the text of a file. `beyond` is a JSON object of what it says
/// beyond the contract: versions, sources, publication.
///
/// # Errors
///
/// As [`Contract::new`] and [`Contract::complete_manifest`].
pub fn manifest_text(description: &str, beyond: &str) -> Result<String> {
    let contract = ServiceDescription::from_json(description).and_then(Contract::new)?;
    Ok(format!("{:#}\n", contract.complete_manifest(&parse(beyond)?)?))
}

/// Reads a manifest: one that describes its types is verified, and written anew with what it says beyond its contract.
/// A legacy one stays as it is, and the flag is false: it is for display and JSON calls only.
///
/// # Errors
///
/// Kind CONTRACT if the text is no object or over the limit, and as [`Contract::from_manifest`].
pub fn read_manifest(text: &str) -> Result<(Value, bool)> {
    let document = parse(text)?;
    match verify(&document)? {
        None => Ok((document, false)),
        Some(contract) => contract.complete_manifest(&document).map(|manifest| (manifest, true)),
    }
}

/// Checks that a parsed manifest has the contract id that it claims. `None`: a legacy one, with nothing to compute an
/// id from.
pub(super) fn verify(document: &Value) -> Result<Option<Arc<Contract>>> {
    let members = Members::lenient(document)?;
    if members.value("types").is_none() || members.value("v").is_none() {
        return Ok(None);
    }
    read(document).map(|(contract, _)| Some(contract))
}

/// Parses the text of a manifest.
pub(super) fn parse(text: &str) -> Result<Value> {
    if text.len() > limits::MAX_MANIFEST_BYTES {
        return Err(bad(format!("a manifest exceeds {} bytes", limits::MAX_MANIFEST_BYTES)));
    }
    document::parse(text)
}

fn type_entry(declaration: &TypeDecl, hash: String, types: &TypeTable) -> Value {
    match declaration {
        TypeDecl::Message { fields } => json!({"hash": hash, "fields": descriptors(fields, types)}),
        TypeDecl::Enum { members, texts, integer_valued } => {
            let entry = |m: &EnumMember| match integer_valued {
                true => json!([m.name, m.value]),
                false => json!(m.name),
            };
            let mut out = json!({"hash": hash, "enum": members.iter().map(entry).collect::<Vec<_>>()});
            if let (Some(texts), Some(out)) = (texts, out.as_object_mut()) {
                // Texts go by member, as the members do.
                let text = |m: &EnumMember| Some((m.name.clone(), json!(texts.get(&m.name)?)));
                out.insert("texts".to_owned(), members.iter().filter_map(text).collect());
            }
            out
        }
    }
}

fn method_entry(method: &MethodDescription, types: &TypeTable) -> Value {
    let is_message = |text: &str| types.get(text).is_some();
    let name = |text: &str| if is_message(text) { tag::simple_name(text).to_owned() } else { text.to_owned() };
    let wire_tag = |text: &str| if is_message(text) { text.to_owned() } else { String::new() };
    let fields = |text: &str| descriptors(types.get(text).map_or(&[], TypeDecl::fields), types);
    let inline = method.request_style == RequestStyle::Inline;
    json!({
        "name": method.name,
        "pattern": method.pattern.name(),
        "request_type": name(&method.request),
        "response_type": name(&method.response),
        "request_wire_tag": wire_tag(&method.request),
        "response_wire_tag": wire_tag(&method.response),
        "timeout": method.timeout_s,
        "idempotent": method.idempotent,
        "requires": method.requires.as_ref().map(CapabilityRequirement::to_json),
        "fields": fields(&method.request),
        "response_fields": fields(&method.response),
        "request_style": method.request_style.name(),
        "inline_params": if inline { fields(&method.request) } else { Vec::new() },
        "description": method.docs.description,
        "tags": method.docs.tags,
        "deprecated": method.docs.deprecated,
    })
}

fn descriptors(fields: &[FieldDecl], types: &TypeTable) -> Vec<Value> {
    fields.iter().map(|field| descriptor(field, types)).collect()
}

fn descriptor(field: &FieldDecl, types: &TypeTable) -> Value {
    let (default_kind, default_value) = default_of(field);
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
    put("name", json!(field.name));
    put("kind", json!(flat_kind(&field.ty, types)));
    put("nullable", json!(field.ty.is_optional()));
    put("required", json!(default_kind == "none"));
    put("default_value", default_value.clone());
    put("default_kind", json!(default_kind));
    put("description", json!(field.docs.description));
    put("tags", json!(field.docs.tags));
    match field.ty.required() {
        TypeExpr::Named(named) => {
            put("ref_name", json!(tag::simple_name(named)));
            put("wire_tag", json!(named));
            if let Some(TypeDecl::Enum { members, texts, integer_valued }) = types.get(named) {
                let text = |m: &EnumMember| texts.as_ref()?.get(&m.name).cloned();
                let value = |m: &EnumMember| {
                    if *integer_valued { json!(m.value) } else { json!(text(m).unwrap_or_else(|| m.name.clone())) }
                };
                put("enum_values", members.iter().map(value).collect());
            }
        }
        TypeExpr::List(element) | TypeExpr::Set(element) => {
            put("item_kind", json!(flat_kind(element, types)));
            put("item_nullable", json!(element.is_optional()));
            put_named(&mut put, element, ["item_ref", "item_wire_tag"]);
        }
        TypeExpr::Map(key, value) => {
            put("key_kind", json!(flat_kind(key, types)));
            put("value_kind", json!(flat_kind(value, types)));
            put("value_nullable", json!(value.is_optional()));
            put_named(&mut put, value, ["value_ref", "value_wire_tag"]);
        }
        TypeExpr::Primitive(_) | TypeExpr::Optional(_) => {}
    }
    put("type", json!(field.ty.to_string()));
    put("properties", json!({}));
    Value::Object(out)
}

fn put_named(put: &mut impl FnMut(&str, Value) -> Option<Value>, ty: &TypeExpr, [name, wire_tag]: [&str; 2]) {
    if let TypeExpr::Named(named) = ty.required() {
        put(name, json!(tag::simple_name(named)));
        put(wire_tag, json!(named));
    }
}

/// Returns kind and value of a default; the value is null unless the kind is `value`.
fn default_of(field: &FieldDecl) -> (&'static str, &Value) {
    match &field.default {
        _ if field.factory => ("factory", &Value::Null),
        None if !field.ty.is_optional() => ("none", &Value::Null),
        None | Some(Value::Null) => ("null", &Value::Null),
        Some(Value::Array(items)) if items.is_empty() => ("empty_list", &Value::Null),
        Some(Value::Object(entries)) if entries.is_empty() && matches!(field.ty.required(), TypeExpr::Map(..)) => {
            ("empty_map", &Value::Null)
        }
        Some(value) => ("value", value),
    }
}

fn flat_kind(ty: &TypeExpr, types: &TypeTable) -> &'static str {
    use Primitive as P;
    match ty.required() {
        TypeExpr::Named(tag) if types.get(tag).is_some_and(TypeDecl::is_enum) => "enum",
        TypeExpr::Named(_) => "ref",
        TypeExpr::Map(..) => "map",
        TypeExpr::List(_) | TypeExpr::Set(_) | TypeExpr::Optional(_) => "list",
        TypeExpr::Primitive(primitive) => match primitive {
            P::String | P::Timestamp | P::Date | P::Duration | P::Decimal => "string",
            P::Bool => "bool",
            P::Binary => "bytes",
            P::Float32 | P::Float64 => "float",
            _ => "int",
        },
    }
}

fn read(document: &Value) -> Result<(Arc<Contract>, Value)> {
    let members = Members::lenient(document)?;
    if members.int32("v")? != Some(VERSION) || members.value("types").is_none() {
        return Err(bad("a legacy manifest, which cannot be verified"));
    }
    let encoding = members.required_text("canonical_encoding")?;
    if encoding != CANONICAL_ENCODING {
        return Err(bad(format!("unknown canonical encoding {}", quote(encoding))));
    }
    let description = description_of(&members)?;
    let contract = Contract::new(ServiceDescription::from_value(&description)?)?;
    let claimed = members.required_text("contract_id")?;
    if claimed != contract.id() {
        return Err(bad(format!("its contract id is {}, not {}", contract.id(), quote(claimed))));
    }
    Ok((contract, description))
}

/// Turns a manifest back into the description it was made from; types that nobody reaches were never in it.
fn description_of(members: &Members<'_>) -> Result<Value> {
    let mut types = Map::new();
    for (tag, entry) in members.object("types")?.ok_or_else(|| missing("types"))? {
        types.insert(tag.clone(), type_of(entry).map_err(|e| within("type", tag, &e))?);
    }
    let declared = members.list("methods")?.ok_or_else(|| missing("methods"))?;
    let methods = declared.iter().map(method_of).collect::<Result<Vec<_>>>()?;
    let mut out = copied(
        members,
        &[
            "service",
            "version",
            "scoped",
            "serialization_modes",
            "producer_language",
            "description",
            "tags",
            "deprecated",
        ],
    );
    out.insert("requires".to_owned(), requires_of(members)?);
    out.insert("types".to_owned(), types.into());
    out.insert("methods".to_owned(), methods.into());
    Ok(out.into())
}

fn method_of(entry: &Value) -> Result<Value> {
    let members = Members::lenient(entry)?;
    let root = |wire_tag: &str, name: &str| match members.text(wire_tag)? {
        Some(tag) if !tag.is_empty() => Ok(json!(tag)),
        _ => members.required_text(name).map(|text| json!(text)),
    };
    let mut out =
        copied(&members, &["name", "pattern", "idempotent", "request_style", "description", "tags", "deprecated"]);
    out.insert("request".to_owned(), root("request_wire_tag", "request_type")?);
    out.insert("response".to_owned(), root("response_wire_tag", "response_type")?);
    out.insert("timeout_s".to_owned(), members.value("timeout").cloned().unwrap_or_default());
    out.insert("requires".to_owned(), requires_of(&members)?);
    Ok(out.into())
}

fn type_of(entry: &Value) -> Result<Value> {
    let members = Members::lenient(entry)?;
    let Some(fields) = members.list("fields")? else { return Ok(copied(&members, &["enum", "texts"]).into()) };
    let mut declared = Vec::new();
    for field in fields {
        let members = Members::lenient(field)?;
        let mut out = copied(&members, &["name", "type", "description", "tags"]);
        match members.text("default_kind")?.unwrap_or("none") {
            "none" | "null" => {}
            "factory" => drop(out.insert("factory".to_owned(), json!(true))),
            "empty_list" => drop(out.insert("default".to_owned(), json!([]))),
            "empty_map" => drop(out.insert("default".to_owned(), json!({}))),
            "value" => {
                let value = members.value("default_value").ok_or_else(|| missing("default_value"))?;
                out.insert("default".to_owned(), value.clone());
            }
            other => return Err(bad(format!("unknown `default_kind` {}", quote(other)))),
        }
        declared.push(Value::Object(out));
    }
    Ok(json!({"fields": declared}))
}

fn requires_of(members: &Members<'_>) -> Result<Value> {
    let Some(value) = members.value("requires").filter(|value| !value.is_null()) else { return Ok(Value::Null) };
    let CapabilityRequirement { kind, roles } = CapabilityRequirement::from_json(value)?;
    match (kind, roles.as_slice()) {
        (CapabilityKind::Role, [role]) => Ok(json!(role)),
        (CapabilityKind::Role, _) => Err(bad("`requires` of kind role has exactly one role")),
        (kind, _) => Ok(json!({kind.name(): roles})),
    }
}

fn copied(members: &Members<'_>, keys: &[&str]) -> Map<String, Value> {
    keys.iter().filter_map(|key| Some(((*key).to_owned(), members.value(key)?.clone()))).collect()
}
