//! Declarations of messages and enums, read from JSON (`contract.md` section 3).
//!
//! Not here: rules that involve more than one type ([`super::TypeTable`]).

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use crate::error::Result;
use crate::limits;

use super::document::Members;
use super::expr::TypeExpr;
use super::reason::{bad, quote, within};
use super::tag::checked_name;
use super::wire_name::wire_name;

/// Documentation of a service, method or field. Never part of a contract id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Docs {
    /// Text for people.
    pub description: String,
    /// Labels.
    pub tags: Vec<String>,
    /// Whether callers should look for something else.
    pub deprecated: bool,
}

impl Docs {
    /// Keys of documentation in JSON.
    pub(crate) const KEYS: [&'static str; 3] = ["description", "tags", "deprecated"];

    pub(crate) fn read(members: &Members<'_>) -> Result<Self> {
        Ok(Self {
            description: members.text("description")?.unwrap_or_default().to_owned(),
            tags: members.texts("tags")?.unwrap_or_default(),
            deprecated: members.flag("deprecated")?.unwrap_or_default(),
        })
    }
}

/// A field of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldDecl {
    /// Contract name (NFC).
    pub name: String,
    /// Declared type.
    pub ty: TypeExpr,
    /// Declared default in JSON form. `Some(Null)` is the default null.
    pub default: Option<Value>,
    /// Whether the writer's host computes the default, so that readers make their own.
    pub factory: bool,
    /// Documentation.
    pub docs: Docs,
}

impl FieldDecl {
    fn read(value: &Value) -> Result<Self> {
        let members = Members::of(value, &["name", "type", "default", "factory"], &Docs::KEYS)?;
        let name = checked_name("a field name", members.required_text("name")?)?;
        let read = || -> Result<Self> {
            let default = members.value("default").cloned();
            let factory = members.flag("factory")?.unwrap_or_default();
            if factory && default.is_some() {
                return Err(bad("it has a `default` and a `factory`"));
            }
            let ty = TypeExpr::parse(members.required_text("type")?)?;
            Ok(Self { name: name.clone(), ty, default, factory, docs: Docs::read(&members)? })
        };
        read().map_err(|e| within("field", &name, &e))
    }
}

/// A member of an enum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnumMember {
    /// Contract name (NFC).
    pub name: String,
    /// Number in the contract.
    pub value: i32,
}

/// A declared type.
#[derive(Clone, Debug, PartialEq)]
pub enum TypeDecl {
    /// A record with named fields.
    Message {
        /// Fields in declared order.
        fields: Vec<FieldDecl>,
    },
    /// One of several names.
    Enum {
        /// Members in declared order.
        members: Vec<EnumMember>,
        /// Texts of a string-valued enum by member name, if they were declared.
        texts: Option<BTreeMap<String, String>>,
        /// Whether the members were declared with numbers. Else they got 1..n in code point order.
        integer_valued: bool,
    },
}

impl TypeDecl {
    /// Tells whether this is an enum.
    pub fn is_enum(&self) -> bool {
        matches!(self, TypeDecl::Enum { .. })
    }

    /// Returns the fields of a message, in declared order; an enum has none.
    pub fn fields(&self) -> &[FieldDecl] {
        match self {
            TypeDecl::Message { fields } => fields,
            TypeDecl::Enum { .. } => &[],
        }
    }

    pub(super) fn read(value: &Value) -> Result<Self> {
        if value.get("enum").is_some() {
            let members = Members::of(value, &["enum", "texts"], &[])?;
            return read_enum(&members);
        }
        let members = Members::of(value, &["fields"], &[])?;
        let declared = members.list("fields")?.ok_or_else(|| bad("neither `fields` nor `enum`"))?;
        if declared.len() > limits::MAX_CONTRACT_FIELDS {
            return Err(bad(format!("more than {} fields", limits::MAX_CONTRACT_FIELDS)));
        }
        let fields = declared.iter().map(FieldDecl::read).collect::<Result<Vec<_>>>()?;
        check_fields(&fields)?;
        Ok(Self::Message { fields })
    }
}

/// Refuses fields that share a name, or could not be told apart on the wire.
fn check_fields(fields: &[FieldDecl]) -> Result<()> {
    let mut names = HashSet::new();
    let mut wire_names = HashSet::new();
    for field in fields {
        let wire = wire_name(&field.name);
        let reason = if !names.insert(field.name.as_str()) {
            "the name is declared twice".to_owned()
        } else if wire.is_empty() {
            "its wire name is empty".to_owned()
        } else if wire_names.contains(&wire) {
            format!("another field has its wire name {}", quote(&wire))
        } else {
            wire_names.insert(wire);
            continue;
        };
        return Err(within("field", &field.name, &bad(reason)));
    }
    Ok(())
}

fn read_enum(document: &Members<'_>) -> Result<TypeDecl> {
    let declared = document.list("enum")?.unwrap_or_default();
    if declared.is_empty() {
        return Err(bad("an enum has at least one member"));
    }
    if declared.len() > limits::MAX_ENUM_MEMBERS {
        return Err(bad(format!("more than {} members", limits::MAX_ENUM_MEMBERS)));
    }
    let integer_valued = declared.iter().all(Value::is_array);
    let mut members = declared.iter().map(|entry| read_member(entry, integer_valued)).collect::<Result<Vec<_>>>()?;
    check_members(&members, integer_valued)?;
    if !integer_valued {
        number(&mut members);
    }
    let texts = read_texts(document, &members, integer_valued)?;
    Ok(TypeDecl::Enum { members, texts, integer_valued })
}

fn read_member(entry: &Value, integer_valued: bool) -> Result<EnumMember> {
    let shape = || bad("members are all names, or all pairs of name and number");
    if !integer_valued {
        return Ok(EnumMember { name: checked_name("a member name", entry.as_str().ok_or_else(shape)?)?, value: 0 });
    }
    let [name, value] = entry.as_array().map(Vec::as_slice).unwrap_or_default() else { return Err(shape()) };
    let name = checked_name("a member name", name.as_str().ok_or_else(shape)?)?;
    let number = value.as_i64().and_then(|n| i32::try_from(n).ok());
    let value = number.ok_or_else(|| within("member", &name, &bad("its value is no signed 32-bit integer")))?;
    Ok(EnumMember { name, value })
}

fn check_members(members: &[EnumMember], integer_valued: bool) -> Result<()> {
    let mut names = HashSet::new();
    let mut values = HashSet::new();
    for member in members {
        if !names.insert(member.name.as_str()) {
            return Err(within("member", &member.name, &bad("the name is declared twice")));
        }
        if integer_valued && !values.insert(member.value) {
            let reason = bad(format!("another member has its value {}", member.value));
            return Err(within("member", &member.name, &reason));
        }
    }
    Ok(())
}

/// Gives members without numbers 1..n in code point order.
fn number(members: &mut [EnumMember]) {
    let mut sorted: Vec<&mut EnumMember> = members.iter_mut().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    for (member, value) in sorted.into_iter().zip(1..) {
        member.value = value;
    }
}

fn read_texts(
    document: &Members<'_>,
    members: &[EnumMember],
    integer_valued: bool,
) -> Result<Option<BTreeMap<String, String>>> {
    let Some(declared) = document.object("texts")? else { return Ok(None) };
    if integer_valued {
        return Err(bad("`texts` go with members without numbers"));
    }
    let known: HashSet<&str> = members.iter().map(|member| member.name.as_str()).collect();
    let mut texts = BTreeMap::new();
    for (name, text) in declared {
        let name = checked_name("a member name", name)?;
        if !known.contains(name.as_str()) {
            return Err(bad(format!("`texts` has {}, which is no member", quote(&name))));
        }
        let text = text.as_str().ok_or_else(|| bad(format!("the text of {} is no string", quote(&name))))?;
        if texts.insert(name, text.to_owned()).is_some() {
            return Err(bad("`texts` has a member twice"));
        }
    }
    Ok(Some(texts))
}
