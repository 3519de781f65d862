//! Values as C holds them: finished trees of core, and trees that are being built (`c-abi.md` section 5).
//!
//! A finished tree is one `Value` of core, which handles of its parts point into; those are made when they are asked
//! for. A container that C builds keeps the very handles it was given, so that their addresses stay.
//!
//! Not here: the functions of C ([`crate::value_build`], [`crate::value_read`]), and what fits which type: core decides.

use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use aster_core::codec::{Record, Value};
use aster_core::error::{Error, ErrorKind, Result};

use crate::handle::{Home, borrow, handle, null_argument};
use crate::slice::invalid_argument;

/// A value of a contract type: a scalar, or a tree.
///
/// Lists, maps and records that were made here can be filled until they are cloned or become part of another; all
/// others never change. Parts are borrowed from their container and live as long as it: freeing one does nothing.
pub struct aster_value_t {
    home: Home,
    /// Whether the handle is the caller's to free, and not a part or borrowed from an event.
    owned: AtomicBool,
    node: Arc<Node>,
}

handle!(aster_value_t);

/// What a handle stands for, shared with its clones.
pub(crate) enum Node {
    /// A finished tree, or a part of one.
    Done(Done),
    /// A container that C makes.
    Open(Builder),
}

pub(crate) struct Done {
    /// Keeps the tree alive, and is never changed.
    root: Arc<Value>,
    /// The place in the tree.
    at: *const Value,
    /// Handles of the parts, made when one is asked for.
    parts: OnceLock<Vec<Part>>,
}

// SAFETY: `at` points into `root`, which lives as long and is only read.
unsafe impl Send for Done {}
// SAFETY: as above.
unsafe impl Sync for Done {}

pub(crate) struct Builder {
    pub(crate) container: Container,
    state: RwLock<Contents>,
}

#[derive(Default)]
struct Contents {
    parts: Vec<Part>,
    frozen: bool,
    /// How many containers are inside each other below this one.
    depth: usize,
}

/// What C can fill.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Container {
    List,
    Map,
    Record,
}

/// An element, entry or field.
pub(crate) struct Part {
    pub(crate) label: Label,
    pub(crate) value: Held,
}

/// What a part goes by.
pub(crate) enum Label {
    /// Its position.
    None,
    /// Its key in a map.
    Key(Held),
    /// Its name in a record.
    Name(Arc<str>),
}

/// A handle that Rust owns and C may look at: its address stays wherever this moves.
pub(crate) struct Held(NonNull<aster_value_t>);

// SAFETY: it owns the handle, which is Send and Sync.
unsafe impl Send for Held {}
// SAFETY: as above.
unsafe impl Sync for Held {}

impl Held {
    fn new(value: aster_value_t) -> Self {
        Self(NonNull::from(Box::leak(Box::new(value))))
    }

    /// Takes the parts of a container that nobody shares.
    fn take_parts(&mut self) -> Vec<Part> {
        // SAFETY: as for `deref`; C gave the handle up, or has it borrowed from the container that goes away.
        let value = unsafe { self.0.as_mut() };
        match Arc::get_mut(&mut value.node) {
            Some(Node::Open(builder)) => builder.take_parts(),
            _ => Vec::new(),
        }
    }

    /// Returns the address for C.
    pub(crate) fn address(&self) -> *const aster_value_t {
        self.0.as_ptr()
    }
}

impl Deref for Held {
    type Target = aster_value_t;

    fn deref(&self) -> &aster_value_t {
        // SAFETY: it is alive until the drop.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: it was made by a box, and nobody looks at it any more.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

impl aster_value_t {
    fn with_node(node: Arc<Node>, owned: bool) -> Self {
        Self { home: Home::here(), owned: AtomicBool::new(owned), node }
    }

    /// Makes a handle of a finished tree.
    pub(crate) fn done(value: Value) -> Self {
        let root = Arc::new(value);
        let at = Arc::as_ptr(&root);
        Self::with_node(Arc::new(Node::Done(Done { root, at, parts: OnceLock::new() })), true)
    }

    /// Makes a handle of an empty container to be filled.
    pub(crate) fn open(container: Container) -> Self {
        Self::with_node(Arc::new(Node::Open(Builder { container, state: RwLock::default() })), true)
    }

    /// Makes a handle that its holder frees, and C does not.
    pub(crate) fn lent(value: Value) -> Held {
        let made = Self::done(value);
        made.owned.store(false, Ordering::Release);
        Held::new(made)
    }

    /// Makes one more handle of the same value, which does not change from here on.
    pub(crate) fn share(&self) -> Self {
        self.node.freeze();
        Self::with_node(self.node.clone(), true)
    }

    /// Returns what the handle stands for.
    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// Looks at the value as core knows it.
    pub(crate) fn with<R>(&self, look: impl FnOnce(&Value) -> R) -> R {
        match &*self.node {
            Node::Done(done) => look(done.value()),
            Node::Open(builder) => look(&builder.build()),
        }
    }

    fn to_value(&self) -> Value {
        self.with(Value::clone)
    }

    /// Looks at the elements, entries or fields; none for scalars.
    pub(crate) fn with_parts<R>(&self, look: impl FnOnce(&[Part]) -> R) -> R {
        match &*self.node {
            Node::Done(done) => look(done.parts()),
            Node::Open(builder) => look(&builder.state.read().unwrap_or_else(PoisonError::into_inner).parts),
        }
    }

    /// Returns the number of elements, entries or fields.
    pub(crate) fn len(&self) -> usize {
        match &*self.node {
            Node::Done(done) => match done.value() {
                Value::List(items) => items.len(),
                Value::Map(entries) => entries.len(),
                Value::Record(record) => record.fields.len(),
                _ => 0,
            },
            Node::Open(_) => self.with_parts(<[Part]>::len),
        }
    }

    /// Adds a part, which does not change from here on.
    pub(crate) fn append(&self, container: Container, label: Label, value: Held) -> Result<()> {
        let builder = match &*self.node {
            Node::Open(builder) if builder.container == container => builder,
            Node::Done(done) if matches!(done.value(), Value::List(_) | Value::Map(_) | Value::Record(_)) => {
                return Err(Error::new(ErrorKind::State, "the value is finished"));
            }
            _ => return Err(invalid_argument("value", "is another kind of value")),
        };
        let depth = if let Label::Key(key) = &label { key.node.freeze() } else { 0 }.max(value.node.freeze());
        let mut state = builder.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.frozen {
            return Err(Error::new(ErrorKind::State, "the value was cloned, or is part of another"));
        }
        if depth >= Value::MAX_DEPTH {
            return Err(Error::limit("depth", Value::MAX_DEPTH, depth + 1));
        }
        if let Label::Name(name) = &label
            && state.parts.iter().any(|part| matches!(&part.label, Label::Name(other) if other == name))
        {
            return Err(Error::new(ErrorKind::State, format!("field '{name}' is set already")));
        }
        state.depth = state.depth.max(depth);
        state.parts.push(Part { label, value });
        Ok(())
    }
}

impl Node {
    /// Ends all changes; returns how many containers of C are inside each other.
    fn freeze(&self) -> usize {
        let Self::Open(builder) = self else { return 0 };
        let mut state = builder.state.write().unwrap_or_else(PoisonError::into_inner);
        state.frozen = true;
        state.depth + 1
    }
}

impl Done {
    /// Returns the place in the tree.
    pub(crate) fn value(&self) -> &Value {
        // SAFETY: it points into `root`, which lives as long as `self` and is never changed.
        unsafe { &*self.at }
    }

    fn parts(&self) -> &[Part] {
        self.parts.get_or_init(|| match self.value() {
            Value::List(items) => items.iter().map(|item| self.part(Label::None, item)).collect(),
            Value::Map(entries) => {
                entries.iter().map(|(key, value)| self.part(Label::Key(self.child(key)), value)).collect()
            }
            Value::Record(record) => {
                record.fields.iter().map(|(name, value)| self.part(Label::Name(name.clone()), value)).collect()
            }
            _ => Vec::new(),
        })
    }

    fn part(&self, label: Label, value: &Value) -> Part {
        Part { label, value: self.child(value) }
    }

    fn child(&self, at: &Value) -> Held {
        let node = Node::Done(Done { root: self.root.clone(), at, parts: OnceLock::new() });
        Held::new(aster_value_t::with_node(Arc::new(node), false))
    }
}

impl Builder {
    /// Copies what was built into a tree of core.
    fn build(&self) -> Value {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let parts = || state.parts.iter();
        match self.container {
            Container::List => Value::List(parts().map(|part| part.value.to_value()).collect()),
            Container::Map => Value::Map(
                parts()
                    .filter_map(|part| match &part.label {
                        Label::Key(key) => Some((key.to_value(), part.value.to_value())),
                        _ => None,
                    })
                    .collect(),
            ),
            Container::Record => {
                let named = parts().filter_map(|part| match &part.label {
                    Label::Name(name) => Some((name.clone(), part.value.to_value())),
                    _ => None,
                });
                Value::Record(Record { tag: None, fields: named.collect() })
            }
        }
    }

    fn take_parts(&mut self) -> Vec<Part> {
        std::mem::take(&mut self.state.get_mut().unwrap_or_else(PoisonError::into_inner).parts)
    }
}

impl Drop for Builder {
    /// Frees the parts level by level, so that depth takes no stack.
    fn drop(&mut self) {
        let mut parts = self.take_parts();
        while let Some(mut part) = parts.pop() {
            if let Label::Key(key) = &mut part.label {
                parts.extend(key.take_parts());
            }
            parts.extend(part.value.take_parts());
        }
    }
}

/// Takes an argument over from C. A part of another value, which C does not own, is refused and left alone.
///
/// # Safety
///
/// `ptr` is NULL or a live value; nobody frees it from here on.
pub(crate) unsafe fn take_value(ptr: *mut aster_value_t, name: &str) -> Result<Held> {
    // SAFETY: passed on from the caller.
    let value = unsafe { borrow(ptr, name) }?;
    if !value.owned.swap(false, Ordering::AcqRel) {
        return Err(Error::new(ErrorKind::State, format!("{name} belongs to another value")));
    }
    NonNull::new(ptr).map(Held).ok_or_else(|| null_argument(name))
}
