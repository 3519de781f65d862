//! Strongly connected components of a type graph, and the walk through each (`contract.md` section 5).
//!
//! Iterative: contracts of peers may chain as many types as the limits allow.
//!
//! Not here: what nodes are ([`super::graph`]). Nodes are numbered in ascending order of their names.

use std::collections::HashSet;

/// A strongly connected component.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Component {
    /// Members in post-order of the walk that starts at the smallest.
    pub order: Vec<usize>,
    /// Edges between members that close a cycle, as (source, target).
    pub back: HashSet<(usize, usize)>,
}

impl Component {
    /// Tells whether a type refers to itself here, by whatever way.
    pub fn is_cyclic(&self) -> bool {
        !self.back.is_empty()
    }
}

/// Returns the components, referenced ones first. The edges of a node are its successors in ascending order.
pub(super) fn components(edges: &[Vec<usize>]) -> Vec<Component> {
    let mut search = Search::new(edges);
    for root in 0..edges.len() {
        search.explore(root);
    }
    let Search { component, members, .. } = search;
    members.into_iter().enumerate().map(|(at, members)| walk(edges, &component, at, &members)).collect()
}

/// No number yet.
const NONE: usize = usize::MAX;

/// Tarjan's search with a stack of its own.
struct Search<'a> {
    edges: &'a [Vec<usize>],
    /// Order of discovery.
    index: Vec<usize>,
    /// Smallest discovery reached through the subtree.
    low: Vec<usize>,
    /// Component of a finished node.
    component: Vec<usize>,
    found: usize,
    open: Vec<usize>,
    work: Vec<(usize, std::slice::Iter<'a, usize>)>,
    members: Vec<Vec<usize>>,
}

impl<'a> Search<'a> {
    fn new(edges: &'a [Vec<usize>]) -> Self {
        let none = vec![NONE; edges.len()];
        Self {
            edges,
            index: none.clone(),
            low: none.clone(),
            component: none,
            found: 0,
            open: Vec::new(),
            work: Vec::new(),
            members: Vec::new(),
        }
    }

    fn explore(&mut self, root: usize) {
        if get(&self.index, root) == NONE {
            self.enter(root);
        }
        while let Some((node, successors)) = self.work.last_mut() {
            let node = *node;
            match successors.next() {
                Some(&next) if get(&self.index, next) == NONE => self.enter(next),
                Some(&next) if get(&self.component, next) == NONE => self.lower(node, get(&self.index, next)),
                Some(_) => {}
                None => self.leave(node),
            }
        }
    }

    fn enter(&mut self, node: usize) {
        // A node out of range does not exist; the graph makes none.
        let Some(successors) = self.edges.get(node) else { return };
        put(&mut self.index, node, self.found);
        put(&mut self.low, node, self.found);
        self.found = self.found.saturating_add(1);
        self.open.push(node);
        self.work.push((node, successors.iter()));
    }

    fn lower(&mut self, node: usize, index: usize) {
        let low = get(&self.low, node).min(index);
        put(&mut self.low, node, low);
    }

    fn leave(&mut self, node: usize) {
        self.work.pop();
        let low = get(&self.low, node);
        if let Some(&(parent, _)) = self.work.last() {
            self.lower(parent, low);
        }
        if low != get(&self.index, node) {
            return;
        }
        let mut members = Vec::new();
        while let Some(member) = self.open.pop() {
            put(&mut self.component, member, self.members.len());
            members.push(member);
            if member == node {
                break;
            }
        }
        self.members.push(members);
    }
}

/// Walks one component depth first from its smallest member.
fn walk(edges: &[Vec<usize>], component: &[usize], at: usize, members: &[usize]) -> Component {
    let mut out = Component { order: Vec::with_capacity(members.len()), back: HashSet::new() };
    let mut seen = HashSet::new();
    let mut work = Vec::new();
    if let Some(start) = members.iter().min().copied() {
        seen.insert(start);
        work.push((start, successors(edges, start)));
    }
    while let Some((node, rest)) = work.last_mut() {
        let node = *node;
        match rest.next() {
            Some(&next) if get(component, next) != at => {}
            Some(&next) if seen.insert(next) => work.push((next, successors(edges, next))),
            Some(&next) => {
                out.back.insert((node, next));
            }
            None => {
                out.order.push(node);
                work.pop();
            }
        }
    }
    out
}

fn successors(edges: &[Vec<usize>], node: usize) -> std::slice::Iter<'_, usize> {
    edges.get(node).map(Vec::as_slice).unwrap_or_default().iter()
}

fn get(numbers: &[usize], at: usize) -> usize {
    numbers.get(at).copied().unwrap_or(NONE)
}

fn put(numbers: &mut [usize], at: usize, number: usize) {
    if let Some(slot) = numbers.get_mut(at) {
        *slot = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_a_small_stack(edges: Vec<Vec<usize>>) -> Vec<Component> {
        let small = std::thread::Builder::new().stack_size(128 * 1024);
        small.spawn(move || components(&edges)).unwrap().join().unwrap()
    }

    #[test]
    fn long_chains_and_rings_do_not_overflow() {
        let count = 100_000;
        let chain = on_a_small_stack((0..count).map(|i| if i + 1 < count { vec![i + 1] } else { vec![] }).collect());
        assert_eq!(chain.len(), count);
        assert!(chain.iter().all(|component| !component.is_cyclic()));
        assert_eq!(chain[0].order, [count - 1]);
        let ring = on_a_small_stack((0..count).map(|i| vec![(i + 1) % count]).collect());
        assert_eq!(ring.len(), 1);
        assert_eq!(ring[0].order.first(), Some(&(count - 1)));
        assert_eq!(ring[0].back, HashSet::from([(count - 1, 0)]));
    }

    #[test]
    fn edges_to_seen_nodes_go_back_even_if_they_lead_down() {
        // 0 -> 1 -> 2 -> 0 and 0 -> 2: the second way to 2 is not a tree edge.
        let found = components(&[vec![1, 2], vec![2], vec![0]]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].order, [2, 1, 0]);
        assert_eq!(found[0].back, HashSet::from([(2, 0), (0, 2)]));
    }

    #[test]
    fn a_self_edge_makes_a_cycle() {
        let found = components(&[vec![0], vec![]]);
        assert!(found[0].is_cyclic() && !found[1].is_cyclic());
    }
}
