//! The graph of a contract's types, and their hashes (`contract.md` section 5).
//!
//! Not here: the order of the walk ([`super::walk`]) and graphs from bytes ([`super::link()`]).

use std::collections::{BTreeMap, HashMap};

use crate::error::Result;
use crate::types::TypeTable;
use crate::types::reason::{bad, within};

use super::canonical::digest;
use super::kinds::TypeKind;
use super::lower::{Draft, Targets, lower};
use super::model::{Digest, FieldDef, TypeDef};
use super::walk::{Component, components};

/// Stands before the hashes of a cycle.
const CYCLE_DOMAIN: &[u8] = b"aster-cycle/1";

/// A type with its hash.
#[derive(Clone, Debug)]
pub struct TypeNode {
    /// Full name.
    pub fqn: String,
    /// Definition in canonical form.
    pub def: TypeDef,
    /// Canonical bytes.
    pub bytes: Vec<u8>,
    /// Hash of the bytes.
    pub hash: Digest,
    /// What a reference from outside its cycle is: the hash, if it is in none.
    pub entering: Digest,
}

/// Types with everything they refer to, container types included.
#[derive(Clone, Debug)]
pub struct TypeGraph {
    nodes: Vec<TypeNode>,
    by_name: HashMap<String, usize>,
    cycles: Vec<Vec<String>>,
}

impl TypeGraph {
    /// Hashes all types of a table.
    ///
    /// # Errors
    ///
    /// Kind CONTRACT if a limit is exceeded, or container types would share a name.
    pub fn new(types: &TypeTable) -> Result<Self> {
        Self::of_tags(types, &types.iter().map(|(tag, _)| tag).collect::<Vec<_>>())
    }

    /// Hashes the types with the given tags, which must hold everything they refer to.
    pub(super) fn of_tags(types: &TypeTable, tags: &[&str]) -> Result<Self> {
        let drafts = lower(types, tags)?;
        Hashing::new(&drafts).run()
    }

    /// Returns the types, referenced ones first.
    pub fn nodes(&self) -> &[TypeNode] {
        &self.nodes
    }

    /// Returns a type by its full name.
    pub fn get(&self, fqn: &str) -> Option<&TypeNode> {
        self.by_name.get(fqn).and_then(|at| self.nodes.get(*at))
    }

    /// Returns the full names of every cycle's members, in the order in which they were hashed.
    pub fn cycles(&self) -> &[Vec<String>] {
        &self.cycles
    }

    /// Returns all type hashes as hex, sorted.
    pub fn type_hashes(&self) -> Vec<String> {
        let mut hashes: Vec<String> = self.nodes.iter().map(|node| hex::encode(node.hash)).collect();
        hashes.sort_unstable();
        hashes
    }
}

/// Returns what references from outside to the members of a cycle are: each commits to the whole cycle.
///
/// The common part is hashed once; a cycle may have as many members as a contract has types.
pub(super) fn entering(hashes: &[Digest]) -> Vec<Digest> {
    let mut common = blake3::Hasher::new();
    common.update(CYCLE_DOMAIN);
    for hash in hashes {
        common.update(hash);
    }
    hashes.iter().map(|member| *common.clone().update(member).finalize().as_bytes()).collect()
}

/// Hashes drafts component by component. Nodes are numbered in ascending order of their names.
struct Hashing<'a> {
    drafts: Vec<(&'a str, &'a Draft)>,
    numbers: HashMap<&'a str, usize>,
    /// Component of every node that has been hashed, its hash and what enters it.
    hashed: HashMap<usize, (usize, Digest, Digest)>,
}

impl<'a> Hashing<'a> {
    fn new(drafts: &'a BTreeMap<String, Draft>) -> Self {
        let drafts: Vec<(&str, &Draft)> = drafts.iter().map(|(name, draft)| (name.as_str(), draft)).collect();
        let numbers = drafts.iter().enumerate().map(|(at, (name, _))| (*name, at)).collect();
        Self { drafts, numbers, hashed: HashMap::new() }
    }

    fn run(mut self) -> Result<TypeGraph> {
        let edges = self.edges();
        let mut graph = TypeGraph { nodes: Vec::new(), by_name: HashMap::new(), cycles: Vec::new() };
        for (at, component) in components(&edges).iter().enumerate() {
            let first = graph.nodes.len();
            for &node in &component.order {
                let typed = self.hash(at, component, node)?;
                self.hashed.insert(node, (at, typed.hash, typed.hash));
                graph.by_name.insert(typed.fqn.clone(), graph.nodes.len());
                graph.nodes.push(typed);
            }
            if component.is_cyclic() {
                self.close(component, graph.nodes.get_mut(first..).unwrap_or_default());
                let name = |node: &usize| self.drafts.get(*node).map(|(name, _)| (*name).to_owned());
                graph.cycles.push(component.order.iter().filter_map(name).collect());
            }
        }
        Ok(graph)
    }

    fn edges(&self) -> Vec<Vec<usize>> {
        let of = |(_, draft): &(&str, &Draft)| {
            let names = draft.targets.iter().flat_map(|t| t.value.iter().chain(&t.key));
            let mut out: Vec<usize> = names.filter_map(|name| self.numbers.get(name.as_str()).copied()).collect();
            out.sort_unstable();
            out.dedup();
            out
        };
        self.drafts.iter().map(of).collect()
    }

    /// Resolves the references of one type and hashes it.
    fn hash(&self, at: usize, component: &Component, node: usize) -> Result<TypeNode> {
        let Some((name, draft)) = self.drafts.get(node) else { return Err(bad("unknown node")) };
        let mut def = draft.def.clone();
        for (field, targets) in def.fields.iter_mut().zip(&draft.targets) {
            let resolved = self.resolve(at, component, node, field, targets);
            resolved.map_err(|e| within("type", name, &within("field", &field.name, &e)))?;
        }
        def.normalise()?;
        let bytes = def.canonical().map_err(|e| within("type", name, &e))?;
        let hash = digest(&bytes);
        Ok(TypeNode { fqn: (*name).to_owned(), def, bytes, hash, entering: hash })
    }

    fn resolve(
        &self,
        at: usize,
        component: &Component,
        node: usize,
        field: &mut FieldDef,
        targets: &Targets,
    ) -> Result<()> {
        if let Some(name) = &targets.value {
            let target = self.number(name)?;
            if component.back.contains(&(node, target)) {
                field.type_kind = TypeKind::SelfRef;
                field.self_ref_name.clone_from(name);
            } else {
                field.type_ref = Some(self.reference(at, target)?);
            }
        }
        if let Some(name) = &targets.key {
            let target = self.number(name)?;
            if component.back.contains(&(node, target)) {
                return Err(bad("a map key cannot refer back into a cycle"));
            }
            field.container_key_ref = Some(self.reference(at, target)?);
        }
        Ok(())
    }

    fn number(&self, name: &str) -> Result<usize> {
        self.numbers.get(name).copied().ok_or_else(|| within("unknown type", name, &bad("it is not declared")))
    }

    fn reference(&self, at: usize, target: usize) -> Result<Digest> {
        // Post-order and the order of components put every target of such a reference first.
        let Some((component, hash, entering)) = self.hashed.get(&target) else { return Err(bad("unordered graph")) };
        Ok(if *component == at { *hash } else { *entering })
    }

    /// Computes what enters the members of a cycle.
    fn close(&mut self, component: &Component, members: &mut [TypeNode]) {
        let hashes: Vec<Digest> = members.iter().map(|member| member.hash).collect();
        for ((member, node), entering) in members.iter_mut().zip(&component.order).zip(entering(&hashes)) {
            member.entering = entering;
            if let Some((_, _, known)) = self.hashed.get_mut(node) {
                *known = member.entering;
            }
        }
    }
}
