//! The compiled types of a service: immutable, shared by all its calls (`codec.md` sections 1 and 10).
//!
//! Not here: how declarations become a schema ([`super::compile`]), foreign definitions ([`super::foreign`]).

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::types::TypeTable;

use super::foreign::ForeignPlans;
use super::plan::{EnumId, MessageId, TypePlan, WirePlan};
use super::value::Value;

/// The types of a service, compiled once.
#[derive(Debug)]
pub struct Schema {
    pub(super) messages: Vec<MessageSchema>,
    pub(super) enums: Vec<EnumSchema>,
    /// Message tags.
    pub(super) tags: HashMap<Arc<str>, MessageId>,
    /// The bare scalars, in the order of [`SCALARS`].
    pub(super) scalars: Vec<TypePlan>,
    pub(super) nodes: u32,
}

/// Texts of the bare scalars a root may be.
pub(super) const SCALARS: [&str; 5] = ["string", "int", "float", "bool", "bytes"];

/// A root type of a schema: a message or a bare scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RootId(pub(super) RootKind);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum RootKind {
    Message(MessageId),
    Scalar(usize),
}

/// A compiled message type.
#[derive(Debug)]
pub struct MessageSchema {
    /// Position in the schema.
    pub id: MessageId,
    /// Tag: package, `/`, name.
    pub tag: Arc<str>,
    /// The tag right of its last `/` and `.`, for messages to people.
    pub simple_name: String,
    /// Fields in declaration order.
    pub fields: Vec<FieldSchema>,
    pub(super) namespace: String,
    pub(super) type_name: String,
    /// The message itself as a type that is not null.
    pub(super) ty: TypePlan,
    /// Layout of the bodies we write.
    pub(super) wire: WirePlan,
    /// Positions of its fields in the order of the slots of rows.
    pub(super) row_order: Vec<usize>,
    /// Bytes of our own type definition.
    pub(super) definition: Vec<u8>,
    /// Positions by contract name.
    pub(super) by_name: HashMap<Arc<str>, usize>,
    /// Whether a writer may leave out fields.
    pub(super) computed: bool,
    pub(super) foreign: ForeignPlans,
}

impl MessageSchema {
    /// Returns the message as a type that is not null; its node is the place of bare records.
    pub fn ty(&self) -> &TypePlan {
        &self.ty
    }

    /// Returns the position of the field with a contract name.
    pub fn field_index(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Returns the name in type definitions: namespace (package with `.`), `/` and name.
    pub fn wire_name(&self) -> String {
        super::root_name::joined(&self.namespace, &self.type_name)
    }

    /// Returns the bytes of the type definition that writers send.
    pub fn definition(&self) -> &[u8] {
        &self.definition
    }
}

/// A compiled field.
#[derive(Debug)]
pub struct FieldSchema {
    /// Position in the message, in declaration order.
    pub index: usize,
    /// Contract name.
    pub name: Arc<str>,
    /// Name on the wire.
    pub wire_name: String,
    /// Type.
    pub ty: TypePlan,
    pub(super) default: FieldDefault,
}

impl FieldSchema {
    /// Tells whether a record may leave the field out.
    pub fn is_required(&self) -> bool {
        matches!(self.default, FieldDefault::Required)
    }

    /// Tells whether the host computes the default.
    pub fn is_computed(&self) -> bool {
        matches!(self.default, FieldDefault::Computed)
    }

    /// Returns the declared default; null for an optional field without one.
    pub fn default_value(&self) -> Option<&Value> {
        match &self.default {
            FieldDefault::Value(default) => Some(&default.value),
            FieldDefault::Null => Some(&Value::Null),
            _ => None,
        }
    }
}

/// What a field is when it is not there.
#[derive(Debug)]
pub(super) enum FieldDefault {
    Required,
    Null,
    Computed,
    Value(Box<DefaultValue>),
    /// Not compiled yet; never seen outside compilation.
    Pending,
}

/// A declared default, complete, in the forms that writers and readers use.
#[derive(Debug)]
pub(super) struct DefaultValue {
    pub(super) value: Value,
    /// The value as a body of its own, without `01 ff`.
    pub(super) body: Vec<u8>,
}

/// A compiled enum.
#[derive(Debug)]
pub struct EnumSchema {
    /// Position in the schema.
    pub id: EnumId,
    /// Tag: package, `/`, name.
    pub tag: Arc<str>,
    /// The tag right of its last `/` and `.`.
    pub simple_name: String,
    /// Members by ascending value.
    pub members: Vec<MemberSchema>,
    /// Whether members go by their position on the wire, else by name.
    pub ordinal: bool,
    /// Whether the values are part of the declaration, else only the names.
    pub integer_valued: bool,
    pub(super) by_name: HashMap<Arc<str>, usize>,
    pub(super) by_text: HashMap<String, usize>,
}

/// A compiled enum member.
#[derive(Debug)]
pub struct MemberSchema {
    /// Name.
    pub name: Arc<str>,
    /// Value in the contract.
    pub value: i32,
    /// Text of a string-valued member, where the schema knows it.
    pub text: Option<String>,
}

impl EnumSchema {
    /// Returns the position of the member with a name.
    pub fn by_name(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Returns the position of the member with a value, if values are declared.
    pub fn by_value(&self, value: i128) -> Option<usize> {
        let value = i32::try_from(value).ok().filter(|_| self.integer_valued)?;
        self.members.binary_search_by_key(&value, |member| member.value).ok()
    }

    /// Returns the position of the string-valued member with a text.
    pub fn by_text(&self, text: &str) -> Option<usize> {
        self.by_text.get(text).copied()
    }
}

impl Schema {
    /// Compiles the types of a service.
    ///
    /// # Errors
    /// Kind CONTRACT, naming type and field.
    pub fn compile(types: &TypeTable) -> Result<Arc<Schema>> {
        super::compile::compile(types).map(Arc::new)
    }

    /// Finds a root: a message tag, or a bare `string int float bool bytes`.
    ///
    /// # Errors
    /// Kind CONTRACT if there is no such message.
    pub fn root(&self, tag_or_scalar: &str) -> Result<RootId> {
        if let Some(scalar) = SCALARS.iter().position(|text| *text == tag_or_scalar) {
            return Ok(RootId(RootKind::Scalar(scalar)));
        }
        let found = self.tags.get(tag_or_scalar).copied();
        found.map(|id| RootId(RootKind::Message(id))).ok_or_else(|| {
            Error::new(ErrorKind::Contract, format!("`{tag_or_scalar}` is not a message of this service"))
        })
    }

    /// Returns every message; the position is the number of [`MessageId`].
    pub fn messages(&self) -> impl ExactSizeIterator<Item = &MessageSchema> {
        self.messages.iter()
    }

    /// Returns every enum; the position is the number of [`EnumId`].
    pub fn enums(&self) -> impl ExactSizeIterator<Item = &EnumSchema> {
        self.enums.iter()
    }

    /// Returns a message by its number.
    pub fn message(&self, id: MessageId) -> Option<&MessageSchema> {
        self.messages.get(id.index())
    }

    /// Returns an enum by its number.
    pub fn choices(&self, id: EnumId) -> Option<&EnumSchema> {
        self.enums.get(id.index())
    }

    /// Returns the message with a tag.
    pub fn message_by_tag(&self, tag: &str) -> Option<&MessageSchema> {
        self.tags.get(tag).and_then(|id| self.message(*id))
    }

    /// Returns how many places have a number ([`TypePlan::node`]).
    pub fn node_count(&self) -> usize {
        self.nodes as usize
    }

    /// Returns the type of a root.
    pub fn root_type(&self, root: RootId) -> Option<&TypePlan> {
        match root.0 {
            RootKind::Message(id) => self.message(id).map(|message| &message.ty),
            RootKind::Scalar(index) => self.scalars.get(index),
        }
    }

    /// Returns the message that a root is; a bare scalar is none.
    pub fn root_message(&self, root: RootId) -> Option<&MessageSchema> {
        match root.0 {
            RootKind::Message(id) => self.message(id),
            RootKind::Scalar(_) => None,
        }
    }

    /// Returns the simple name of a root message.
    pub(super) fn root_class(&self, root: RootId) -> Option<&str> {
        self.root_message(root).map(|message| message.simple_name.as_str())
    }
}
