//! Type definitions back from their bytes: which refers to which (`contract.md` section 5, last paragraph).
//!
//! Not here: the graph of declared types ([`super::graph`]).

use std::collections::{HashMap, HashSet};

use crate::error::Result;
use crate::limits;
use crate::types::Primitive;
use crate::types::reason::{bad, within};

use super::canonical::digest;
use super::graph::entering;
use super::identity::scalar_reference;
use super::kinds::TypeKind;
use super::model::{Digest, FieldDef, TypeDef};
use super::walk::{Component, components};

/// A type definition whose references are known.
#[derive(Clone, Debug)]
pub struct LinkedType {
    /// Full name.
    pub fqn: String,
    /// The definition.
    pub def: TypeDef,
    /// Its hash.
    pub hash: Digest,
    /// What a reference from outside its cycle is.
    pub entering: Digest,
    /// For every field, the full names of what its value (or element) and its key refer to.
    pub targets: Vec<(Option<String>, Option<String>)>,
}

/// Links canonical type definitions, of which `roots` are the references that methods hold.
///
/// Returns them by ascending full name.
///
/// # Errors
///
/// Kind CONTRACT if bytes are not canonical, two types have one name, a reference stays open or is not the one a
/// writer would have written, or nobody reaches a type.
pub fn link(bodies: &[impl AsRef<[u8]>], roots: &[Digest]) -> Result<Vec<LinkedType>> {
    if bodies.len() > limits::MAX_TYPE_HASHES {
        return Err(bad(format!("more than {} types", limits::MAX_TYPE_HASHES)));
    }
    let mut types = bodies.iter().map(|body| read(body.as_ref())).collect::<Result<Vec<_>>>()?;
    types.sort_by(|a, b| a.fqn.cmp(&b.fqn));
    let names: HashMap<String, usize> = types.iter().enumerate().map(|(at, t)| (t.fqn.clone(), at)).collect();
    if names.len() != types.len() {
        return Err(bad("two types have one full name"));
    }
    let mut linking = Linking { values: types.iter().enumerate().map(|(at, t)| (t.hash, at)).collect(), names };
    // Cycles hold only hashes and names, so they are complete before the references that enter them are known.
    let inner = types.iter().map(|t| linking.edges(t)).collect::<Vec<_>>();
    let found = components(&inner);
    for component in found.iter().filter(|component| component.is_cyclic()) {
        let hashes: Vec<Digest> = component.order.iter().filter_map(|at| types.get(*at)).map(|t| t.hash).collect();
        for (at, value) in component.order.iter().zip(entering(&hashes)) {
            linking.values.insert(value, *at);
            if let Some(linked) = types.get_mut(*at) {
                linked.entering = value;
            }
        }
    }
    linking.close(&mut types, &found)?;
    linking.check_reached(&types, roots)?;
    Ok(types)
}

fn read(body: &[u8]) -> Result<LinkedType> {
    let def = TypeDef::from_canonical(body)?;
    let hash = digest(body);
    Ok(LinkedType { fqn: def.fqn(), def, hash, entering: hash, targets: Vec::new() })
}

struct Linking {
    names: HashMap<String, usize>,
    /// Types by every value that a reference to them may have.
    values: HashMap<Digest, usize>,
}

impl Linking {
    fn value_target(&self, field: &FieldDef) -> Option<usize> {
        match field.type_kind {
            TypeKind::SelfRef => self.names.get(&field.self_ref_name).copied(),
            _ => field.type_ref.and_then(|hash| self.values.get(&hash).copied()),
        }
    }

    fn key_target(&self, field: &FieldDef) -> Option<usize> {
        field.container_key_ref.and_then(|hash| self.values.get(&hash).copied())
    }

    /// Returns what can be linked so far.
    fn edges(&self, linked: &LinkedType) -> Vec<usize> {
        let of = |field| self.value_target(field).into_iter().chain(self.key_target(field));
        let mut out: Vec<usize> = linked.def.fields.iter().flat_map(of).collect();
        out.sort_unstable();
        out.dedup();
        out
    }

    /// Links every field and checks that each reference is of the kind its place demands.
    fn close(&self, types: &mut [LinkedType], found: &[Component]) -> Result<()> {
        let mut component_of = HashMap::new();
        for (number, component) in found.iter().enumerate() {
            component_of.extend(component.order.iter().map(|at| (*at, number)));
        }
        let mut linked = Vec::with_capacity(types.len());
        for (at, source) in types.iter().enumerate() {
            let own = component_of.get(&at).copied();
            let back = own.and_then(|number| found.get(number)).map(|component| &component.back);
            let expected = |target: usize| {
                let to = types.get(target)?;
                let inside = component_of.get(&target).copied() == own;
                match inside && back.is_some_and(|back| back.contains(&(at, target))) {
                    true => Some((to, None)),
                    false => Some((to, Some(if inside { to.hash } else { to.entering }))),
                }
            };
            let mut targets = Vec::with_capacity(source.def.fields.len());
            for field in &source.def.fields {
                let check = || self.check_field(field, &expected);
                targets.push(check().map_err(|e| within("type", &source.fqn, &within("field", &field.name, &e)))?);
            }
            linked.push(targets);
        }
        for (linked, targets) in types.iter_mut().zip(linked) {
            linked.targets = targets;
        }
        Ok(())
    }

    fn check_field<'t>(
        &self,
        field: &FieldDef,
        expected: &impl Fn(usize) -> Option<(&'t LinkedType, Option<Digest>)>,
    ) -> Result<(Option<String>, Option<String>)> {
        let follow = |kind: TypeKind, held: Option<Digest>, target: Option<usize>| match kind {
            TypeKind::Primitive | TypeKind::Any => match held {
                None => Ok(None),
                Some(_) => Err(bad("a reference where there is none to be")),
            },
            TypeKind::Ref | TypeKind::SelfRef => {
                let found = target.and_then(expected);
                let (to, reference) = found.ok_or_else(|| bad("its reference stays open"))?;
                if reference != held || reference.is_none() != (kind == TypeKind::SelfRef) {
                    return Err(bad("its reference does not commit to what it refers to"));
                }
                Ok(Some(to.fqn.clone()))
            }
        };
        if (field.type_kind == TypeKind::SelfRef) == field.self_ref_name.is_empty() {
            return Err(bad("`self_ref_name` goes with kind self_ref"));
        }
        if field.container_key_kind == TypeKind::SelfRef {
            return Err(bad("a map key cannot refer back into a cycle"));
        }
        let value = follow(field.type_kind, field.type_ref, self.value_target(field))?;
        let key = follow(field.container_key_kind, field.container_key_ref, self.key_target(field))?;
        Ok((value, key))
    }

    fn check_reached(&self, types: &[LinkedType], roots: &[Digest]) -> Result<()> {
        let mut seen = HashSet::new();
        let mut todo = Vec::new();
        for root in roots.iter().filter(|root| !is_no_message(root)) {
            let at = self.values.get(root).copied();
            let at = at.filter(|at| types.get(*at).is_some_and(|t| t.entering == *root));
            todo.push(at.ok_or_else(|| bad("the type of a method is not among the types"))?);
        }
        while let Some(at) = todo.pop() {
            if seen.insert(at) {
                todo.extend(types.get(at).map(|t| self.edges(t)).unwrap_or_default());
            }
        }
        match types.iter().enumerate().find(|(at, _)| !seen.contains(at)) {
            Some((_, lost)) => Err(within("type", &lost.fqn, &bad("nothing refers to it"))),
            None => Ok(()),
        }
    }
}

/// Tells whether a method's reference is a bare scalar, or no type at all.
fn is_no_message(root: &Digest) -> bool {
    *root == [0; 32] || Primitive::ALL.iter().any(|primitive| scalar_reference(*primitive) == Some(*root))
}
