//! Declarations to a schema: numbering, field order, type definition bytes (`codec.md` sections 2, 3 and 10).
//!
//! Not here: declared defaults ([`super::defaults`]).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::limits;
use crate::types::{FieldDecl, Primitive, TypeDecl, TypeExpr, TypeTable, tag, wire_name};

use super::foreign::ForeignPlans;
use super::plan::{self, EnumId, Integer, Kind, MessageId, TypePlan, WireField, WirePlan};
use super::schema::{EnumSchema, FieldDefault, FieldSchema, MemberSchema, MessageSchema, SCALARS, Schema};
use super::{defaults, definition, row};

/// Compiles the types of a service.
pub(super) fn compile(types: &TypeTable) -> Result<Schema> {
    let mut builder = Builder::default();
    builder.number(types)?;
    let mut schema = Schema {
        messages: Vec::new(),
        enums: std::mem::take(&mut builder.enums),
        tags: HashMap::new(),
        scalars: Vec::new(),
        nodes: 0,
    };
    for text in SCALARS {
        let expr = TypeExpr::parse(text)?;
        schema.scalars.push(builder.plan(&expr)?);
    }
    for (tag, declaration) in types.iter() {
        if let TypeDecl::Message { fields, .. } = declaration {
            let id = MessageId(number_of(schema.messages.len()));
            let message = builder.message(id, tag, fields).map_err(|e| in_type(tag, &e))?;
            schema.tags.insert(Arc::clone(&message.tag), id);
            schema.messages.push(message);
        }
    }
    schema.nodes = builder.nodes;
    refuse_equal_names(&schema)?;
    defaults::compile(&mut schema, types)?;
    Ok(schema)
}

/// What a tag stands for.
#[derive(Clone, Copy)]
enum Named {
    Message(MessageId),
    /// An enum and whether it goes by ordinal.
    Enum(EnumId, bool),
}

#[derive(Default)]
struct Builder {
    named: HashMap<String, Named>,
    enums: Vec<EnumSchema>,
    nodes: u32,
}

impl Builder {
    /// Gives every tag its number, so that types can refer to later ones.
    fn number(&mut self, types: &TypeTable) -> Result<()> {
        let mut messages = 0;
        for (tag, declaration) in types.iter() {
            let named = match declaration {
                TypeDecl::Message { .. } => {
                    messages += 1;
                    Named::Message(MessageId(messages - 1))
                }
                TypeDecl::Enum { .. } => {
                    let id = EnumId(number_of(self.enums.len()));
                    let choices = enumeration(id, tag, declaration).map_err(|e| in_type(tag, &e))?;
                    let ordinal = choices.ordinal;
                    self.enums.push(choices);
                    Named::Enum(id, ordinal)
                }
            };
            self.named.insert(tag.to_owned(), named);
        }
        Ok(())
    }

    fn message(&mut self, id: MessageId, tag: &str, declared: &[FieldDecl]) -> Result<MessageSchema> {
        let mut fields = Vec::with_capacity(declared.len());
        let mut wire_names = HashSet::new();
        for (index, field) in declared.iter().enumerate() {
            let compiled = self.field(index, field).map_err(|e| bad(format!("field `{}`: {e}", field.name)))?;
            if !wire_names.insert(compiled.wire_name.clone()) {
                return Err(bad(format!(
                    "field `{}`: another field is `{}` on the wire",
                    field.name, compiled.wire_name
                )));
            }
            fields.push(compiled);
        }
        if fields.len() > limits::MAX_CONTRACT_FIELDS {
            return Err(bad(format!("more than {} fields", limits::MAX_CONTRACT_FIELDS)));
        }
        let by_name: HashMap<_, _> = fields.iter().map(|f| (Arc::clone(&f.name), f.index)).collect();
        if by_name.len() != fields.len() {
            return Err(bad("two fields of one name".to_owned()));
        }
        let (namespace, type_name) = (tag::package(tag).replace('/', "."), tag::name(tag).to_owned());
        let mut wire: Vec<WireField> =
            fields.iter().map(|field| WireField { index: field.index, ty: field.ty.clone() }).collect();
        let wire_of = |field: &WireField| fields.get(field.index).map_or("", |f| f.wire_name.as_str());
        wire.sort_by(|a, b| (a.ty.order(), wire_of(a)).cmp(&(b.ty.order(), wire_of(b))));
        let definition = definition::write(&namespace, &type_name, wire.iter().map(|f| (wire_of(f), &f.ty)));
        if definition.len() > limits::MAX_TYPE_DEFINITION {
            return Err(bad(format!("its type definition exceeds {} bytes", limits::MAX_TYPE_DEFINITION)));
        }
        let computed = fields.iter().any(FieldSchema::is_computed);
        let tag: Arc<str> = tag.into();
        let ty = self.leaf(Kind::Message(id), plan::MESSAGE, &tag);
        let simple_name = tag::simple_name(&tag).to_owned();
        let wire = WirePlan::new(wire, Vec::new());
        let row_order = row::order(&fields, &wire);
        let foreign = ForeignPlans::default();
        Ok(MessageSchema {
            id,
            tag,
            simple_name,
            fields,
            namespace,
            type_name,
            ty,
            wire,
            row_order,
            definition,
            by_name,
            computed,
            foreign,
        })
    }

    fn field(&mut self, index: usize, field: &FieldDecl) -> Result<FieldSchema> {
        let wire_name = wire_name(&field.name);
        if wire_name.is_empty() {
            return Err(bad("its wire name is empty".to_owned()));
        }
        let ty = self.plan(&field.ty)?;
        let default = match &field.default {
            _ if field.factory => FieldDefault::Computed,
            Some(serde_json::Value::Null) | None if ty.nullable => FieldDefault::Null,
            Some(_) => FieldDefault::Pending,
            None => FieldDefault::Required,
        };
        Ok(FieldSchema { index, name: field.name.as_str().into(), wire_name, ty, default })
    }

    /// Compiles a type; its depth was bounded when it was parsed.
    fn plan(&mut self, expr: &TypeExpr) -> Result<TypePlan> {
        match expr {
            TypeExpr::Optional(inner) => {
                let mut out = self.plan(inner)?;
                out.nullable = true;
                out.wire_nullable = true;
                Ok(out)
            }
            TypeExpr::Primitive(primitive) => {
                let (kind, id) = primitive_kind(*primitive);
                Ok(self.leaf(kind, id, &expr.to_string().into()))
            }
            TypeExpr::Named(tag) => {
                let (kind, id) = match self.named.get(tag) {
                    Some(Named::Message(id)) => (Kind::Message(*id), plan::MESSAGE),
                    Some(Named::Enum(id, true)) => (Kind::Enum(*id), plan::ENUM),
                    Some(Named::Enum(id, false)) => (Kind::Enum(*id), plan::STRING),
                    None => return Err(bad(format!("type `{tag}` is not declared"))),
                };
                Ok(self.leaf(kind, id, &tag.as_str().into()))
            }
            TypeExpr::List(element) => {
                let element = self.plan(element)?;
                Ok(self.leaf(Kind::List(Box::new(element)), plan::LIST, &expr.to_string().into()))
            }
            TypeExpr::Set(element) => {
                let element = self.plan(element)?;
                if element.nullable || !element.is_scalar() {
                    return Err(bad(format!("`{}` cannot be the element of a set", element.text)));
                }
                Ok(self.leaf(Kind::Set(Box::new(element)), plan::SET, &expr.to_string().into()))
            }
            TypeExpr::Map(key, value) => {
                let (key, value) = (self.plan(key)?, self.plan(value)?);
                let sound = matches!(key.kind, Kind::String | Kind::Bool | Kind::Integer(_) | Kind::Enum(_));
                if key.nullable || !sound {
                    return Err(bad(format!("`{}` cannot be the key of a map", key.text)));
                }
                Ok(self.leaf(Kind::Map(Box::new([key, value])), plan::MAP, &expr.to_string().into()))
            }
        }
    }

    fn leaf(&mut self, kind: Kind, id: u8, text: &Arc<str>) -> TypePlan {
        let node = self.nodes;
        self.nodes = self.nodes.saturating_add(1);
        TypePlan { kind, nullable: false, id, wire: id, wire_nullable: false, node, text: Arc::clone(text) }
    }
}

fn primitive_kind(primitive: Primitive) -> (Kind, u8) {
    let integer = match primitive {
        Primitive::String => return (Kind::String, plan::STRING),
        Primitive::Bool => return (Kind::Bool, plan::BOOL),
        Primitive::Binary => return (Kind::Binary, plan::BINARY),
        Primitive::Float32 => return (Kind::Float32, plan::FLOAT32),
        Primitive::Float64 => return (Kind::Float64, plan::FLOAT64),
        Primitive::Timestamp => return (Kind::Timestamp, plan::TIMESTAMP),
        Primitive::Date => return (Kind::Date, plan::DATE),
        Primitive::Duration => return (Kind::Duration, plan::DURATION),
        Primitive::Decimal => return (Kind::Decimal, plan::DECIMAL),
        Primitive::Int8 => Integer::Int8,
        Primitive::Int16 => Integer::Int16,
        Primitive::Int32 => Integer::Int32,
        Primitive::VarInt32 => Integer::VarInt32,
        Primitive::Int64 => Integer::Int64,
        Primitive::VarInt64 => Integer::VarInt64,
        Primitive::Uint8 => Integer::Uint8,
        Primitive::Uint16 => Integer::Uint16,
        Primitive::Uint32 => Integer::Uint32,
        Primitive::VarUint32 => Integer::VarUint32,
        Primitive::Uint64 => Integer::Uint64,
        Primitive::VarUint64 => Integer::VarUint64,
    };
    (Kind::Integer(integer), integer.id())
}

fn enumeration(id: EnumId, tag: &str, declaration: &TypeDecl) -> Result<EnumSchema> {
    let TypeDecl::Enum { members: declared, texts, integer_valued, .. } = declaration else {
        return Err(bad("not an enum".to_owned()));
    };
    let mut members: Vec<MemberSchema> = declared
        .iter()
        .map(|member| {
            let text = texts.as_ref().and_then(|texts| texts.get(&member.name)).cloned();
            MemberSchema { name: member.name.as_str().into(), value: member.value, text }
        })
        .collect();
    members.sort_by_key(|member| member.value);
    let ordinal = members.iter().enumerate().all(|(i, member)| i32::try_from(i).is_ok_and(|i| i == member.value));
    let by_name: HashMap<_, _> = members.iter().enumerate().map(|(i, m)| (Arc::clone(&m.name), i)).collect();
    let mut by_text = HashMap::new();
    for (index, text) in members.iter().enumerate().filter_map(|(i, member)| Some((i, member.text.clone()?))) {
        // Of two members with one text the first is meant.
        by_text.entry(text).or_insert(index);
    }
    let values: HashSet<i32> = members.iter().map(|member| member.value).collect();
    if by_name.len() != members.len() || values.len() != members.len() {
        return Err(bad("two members of one name or value".to_owned()));
    }
    let simple_name = tag::simple_name(tag).to_owned();
    Ok(EnumSchema {
        id,
        tag: tag.into(),
        simple_name,
        members,
        ordinal,
        integer_valued: *integer_valued,
        by_name,
        by_text,
    })
}

/// Two messages of one name on the wire could not be told apart.
fn refuse_equal_names(schema: &Schema) -> Result<()> {
    let mut seen = HashSet::new();
    for message in &schema.messages {
        if !seen.insert((message.namespace.as_str(), message.type_name.as_str())) {
            return Err(in_type(&message.tag, &bad("another type has its name on the wire".to_owned())));
        }
    }
    Ok(())
}

fn number_of(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

pub(super) fn bad(reason: String) -> Error {
    Error::new(ErrorKind::Contract, reason)
}

pub(super) fn in_type(tag: &str, error: &Error) -> Error {
    bad(format!("type `{tag}`: {}", error.message()))
}
