//! From declared types to type definitions whose references are still names (`contract.md` section 4).
//!
//! Not here: hashes, hence references ([`super::graph`]).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::error::Result;
use crate::limits;
use crate::types::reason::{bad, quote, within};
use crate::types::{EnumMember, FieldDecl, TypeDecl, TypeExpr, TypeTable, flatten, tag};

use super::kinds::{ContainerKind, TypeDefKind, TypeKind};
use super::model::{EnumValueDef, FieldDef, TypeDef};

/// Package of the types that stand for optional or nested elements.
pub const CONTAINER_PACKAGE: &str = "_aster.container";

/// A type definition without references.
pub(super) struct Draft {
    pub def: TypeDef,
    /// What each field of `def` refers to.
    pub targets: Vec<Targets>,
    /// Text of the type that a container type stands for.
    stands_for: Option<String>,
}

/// Full names of the types that a field refers to.
#[derive(Default)]
pub(super) struct Targets {
    pub value: Option<String>,
    pub key: Option<String>,
}

/// Lowers the types with the given tags. They must hold everything they refer to.
pub(super) fn lower(types: &TypeTable, tags: &[&str]) -> Result<BTreeMap<String, Draft>> {
    let mut lowering = Lowering { drafts: BTreeMap::new() };
    for &tag in tags {
        if let Some(declaration) = types.get(tag) {
            lowering.declared(tag, declaration).map_err(|e| within("type", tag, &e))?;
        }
    }
    Ok(lowering.drafts)
}

struct Lowering {
    drafts: BTreeMap<String, Draft>,
}

/// A place inside a field: a primitive, or a reference to a type.
struct Leaf {
    kind: TypeKind,
    primitive: String,
    target: Option<String>,
}

impl Lowering {
    fn declared(&mut self, tag: &str, declaration: &TypeDecl) -> Result<()> {
        let head =
            TypeDef { package: tag::package(tag).to_owned(), name: tag::name(tag).to_owned(), ..TypeDef::default() };
        let (def, targets) = match declaration {
            TypeDecl::Message { fields } => self.message(head, fields)?,
            TypeDecl::Enum { members, .. } => {
                let value = |m: &EnumMember| EnumValueDef { name: m.name.clone(), value: m.value };
                let enum_values = members.iter().map(value).collect();
                (TypeDef { kind: TypeDefKind::Enum, enum_values, ..head }, Vec::new())
            }
        };
        self.room()?;
        self.drafts.insert(tag::fqn(tag), Draft { def, targets, stands_for: None });
        Ok(())
    }

    fn message(&mut self, head: TypeDef, declared: &[FieldDecl]) -> Result<(TypeDef, Vec<Targets>)> {
        let mut def = TypeDef { kind: TypeDefKind::Message, ..head };
        let mut all_targets = Vec::with_capacity(declared.len());
        for field in declared {
            let lowered = self.field(&field.name, &field.ty);
            let (field, targets) = lowered.map_err(|e| within("field", &field.name, &e))?;
            def.fields.push(field);
            all_targets.push(targets);
        }
        Ok((def, all_targets))
    }

    fn field(&mut self, name: &str, ty: &TypeExpr) -> Result<(FieldDef, Targets)> {
        let mut field = FieldDef { name: name.to_owned(), optional: ty.is_optional(), ..FieldDef::default() };
        let mut targets = Targets::default();
        let value = match ty.required() {
            TypeExpr::List(element) => {
                field.container = ContainerKind::List;
                self.leaf(element)?
            }
            TypeExpr::Set(element) => {
                field.container = ContainerKind::Set;
                self.leaf(element)?
            }
            TypeExpr::Map(key, value) => {
                field.container = ContainerKind::Map;
                let key = self.leaf(key)?;
                field.container_key_kind = key.kind;
                field.container_key_primitive = key.primitive;
                targets.key = key.target;
                self.leaf(value)?
            }
            single => self.leaf(single)?,
        };
        field.type_kind = value.kind;
        field.type_primitive = value.primitive;
        targets.value = value.target;
        Ok((field, targets))
    }

    fn leaf(&mut self, ty: &TypeExpr) -> Result<Leaf> {
        let target = match ty {
            TypeExpr::Primitive(primitive) => {
                return Ok(Leaf { kind: TypeKind::Primitive, primitive: primitive.name().to_owned(), target: None });
            }
            TypeExpr::Named(tag) => tag::fqn(tag),
            _ => self.container(ty)?,
        };
        Ok(Leaf { kind: TypeKind::Ref, primitive: String::new(), target: Some(target) })
    }

    fn room(&self) -> Result<()> {
        match self.drafts.len() < limits::MAX_TYPE_HASHES {
            true => Ok(()),
            false => Err(bad(format!("more than {} types, container types included", limits::MAX_TYPE_HASHES))),
        }
    }

    /// Makes the container type of a type, once, and returns its full name. Depth was bounded by the parser.
    fn container(&mut self, ty: &TypeExpr) -> Result<String> {
        let signature = signature(ty);
        let fqn = tag::join(CONTAINER_PACKAGE, &signature);
        let text = ty.to_string();
        let room = self.room();
        match self.drafts.entry(fqn.clone()) {
            Entry::Occupied(known) => {
                // A tag such as `optional<X>` reads like the signature of `X?`; the two must not share a hash.
                if known.get().stands_for.as_ref() != Some(&text) {
                    return Err(bad(format!("its container type {} has the name of another one", quote(&signature))));
                }
                return Ok(fqn);
            }
            Entry::Vacant(vacant) => {
                // A short text needs many of them, so the limit holds while they are made.
                room?;
                let head = TypeDef { package: CONTAINER_PACKAGE.to_owned(), name: signature, ..TypeDef::default() };
                vacant.insert(Draft { def: head, targets: Vec::new(), stands_for: Some(text) });
            }
        }
        let (field, targets) = self.field("value", ty)?;
        if let Some(draft) = self.drafts.get_mut(&fqn) {
            draft.def.fields.push(field);
            draft.targets.push(targets);
        }
        Ok(fqn)
    }
}

/// Returns the signature of a type, which names its container type.
fn signature(ty: &TypeExpr) -> String {
    flatten::signature(ty, &tag::fqn)
}
