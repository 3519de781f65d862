//! Documents.

use aster_core::node::{
    Docs as CoreDocs, Document as CoreDocument, DocumentEvent, DocumentEvents as CoreEvents, Entry, Peer, ShareMode,
};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::arrival::start_wait;
use crate::blobs::as_bytes;
use crate::node::{Addr, bound, checked, core_addr, object, start, start_plain, start_value};
use crate::queue::{Operation, Queue};
use crate::runtime::ProcessBound;

/// A peer by its id or by its address.
#[derive(FromPyObject)]
pub enum PeerArgument {
    /// 64 hex digits.
    Id(String),
    /// An address.
    Addr(Addr),
}

impl From<PeerArgument> for Peer {
    fn from(peer: PeerArgument) -> Self {
        match peer {
            PeerArgument::Id(id) => Self::Id(id),
            PeerArgument::Addr(addr) => Self::Addr(core_addr(addr)),
        }
    }
}

/// Makes the peers of core.
pub fn peers(arguments: Vec<PeerArgument>) -> Vec<Peer> {
    arguments.into_iter().map(Peer::from).collect()
}

/// Author, key, hash, length and time.
fn entry<'py>(py: Python<'py>, entry: &Entry) -> (String, Bound<'py, PyBytes>, String, u64, u64) {
    let key = PyBytes::new(py, &entry.key);
    (entry.author_id.clone(), key, entry.content_hash.clone(), entry.content_len, entry.timestamp)
}

fn entries(py: Python<'_>, found: &[Entry]) -> PyResult<Py<PyAny>> {
    object(py, found.iter().map(|one| entry(py, one)).collect::<Vec<_>>())
}

/// Kind, entry, sender, hash and peer.
fn event(py: Python<'_>, event: Option<DocumentEvent>) -> PyResult<Py<PyAny>> {
    let Some(event) = event else { return Ok(py.None()) };
    let inserted = event.entry.as_ref().map(|one| entry(py, one));
    object(py, (event.kind, inserted, event.from_peer, event.hash, event.peer))
}

fn opened(py: Python<'_>, (document, events): (CoreDocument, CoreEvents)) -> PyResult<Py<PyAny>> {
    object(py, (Document::new(document), DocumentEvents::new(events)))
}

/// The documents of a node.
#[pyclass(frozen, module = "aster._aster")]
pub struct Docs(ProcessBound<CoreDocs>);

impl Docs {
    /// Wraps documents.
    pub fn new(docs: CoreDocs) -> Self {
        Self(ProcessBound::new(docs))
    }
}

#[pymethods]
impl Docs {
    /// Makes a document.
    fn create(&self, py: Python<'_>, queue: &Queue) -> PyResult<Operation> {
        start(py, queue, bound(py, &self.0)?.create(), |py, document| object(py, Document::new(document)))
    }

    /// Makes an author.
    fn create_author(&self, py: Python<'_>, queue: &Queue) -> PyResult<Operation> {
        start_value(py, queue, bound(py, &self.0)?.create_author())
    }

    /// Takes a shared document.
    fn join(&self, py: Python<'_>, queue: &Queue, ticket: &str) -> PyResult<Operation> {
        start(py, queue, bound(py, &self.0)?.join(ticket), |py, document| object(py, Document::new(document)))
    }

    /// Takes a shared document: document and events.
    fn join_and_subscribe(&self, py: Python<'_>, queue: &Queue, ticket: &str) -> PyResult<Operation> {
        start(py, queue, bound(py, &self.0)?.join_and_subscribe(ticket), opened)
    }

    /// Takes a document by its id: document and events.
    fn join_namespace(&self, py: Python<'_>, queue: &Queue, id: &str, peer: PeerArgument) -> PyResult<Operation> {
        start(py, queue, bound(py, &self.0)?.join_namespace(id, &peer.into()), opened)
    }
}

/// One document.
#[pyclass(frozen, module = "aster._aster")]
pub struct Document(ProcessBound<CoreDocument>);

impl Document {
    fn new(document: CoreDocument) -> Self {
        Self(ProcessBound::new(document))
    }
}

#[pymethods]
impl Document {
    /// The id, 64 hex digits.
    #[getter]
    fn id(&self, py: Python<'_>) -> PyResult<String> {
        Ok(bound(py, &self.0)?.id())
    }

    /// Writes a value.
    fn set(&self, py: Python<'_>, queue: &Queue, author: &str, key: &[u8], value: &[u8]) -> PyResult<Operation> {
        let work = bound(py, &self.0)?.set(author, key.to_vec().into(), value.to_vec().into());
        start_value(py, queue, work)
    }

    /// Returns what an author wrote.
    fn get(&self, py: Python<'_>, queue: &Queue, author: &str, key: &[u8]) -> PyResult<Operation> {
        start(py, queue, bound(py, &self.0)?.get(author, key.to_vec().into()), |py, found| {
            object(py, found.map(|one| entry(py, &one)))
        })
    }

    /// Returns what every author wrote under a key.
    fn by_key(&self, py: Python<'_>, queue: &Queue, key: &[u8]) -> PyResult<Operation> {
        start(py, queue, bound(py, &self.0)?.by_key(key.to_vec().into()), |py, found| entries(py, &found))
    }

    /// Returns what every author wrote under keys that begin so.
    fn by_prefix(&self, py: Python<'_>, queue: &Queue, prefix: &[u8]) -> PyResult<Operation> {
        start(py, queue, bound(py, &self.0)?.by_prefix(prefix.to_vec().into()), |py, found| entries(py, &found))
    }

    /// Reads a value.
    fn read(&self, py: Python<'_>, queue: &Queue, hash: &str) -> PyResult<Operation> {
        start(py, queue, bound(py, &self.0)?.read(hash), |py, data| as_bytes(py, &data))
    }

    /// Returns a ticket.
    fn share(&self, py: Python<'_>, queue: &Queue, mode: &str, with_addr: bool) -> PyResult<Operation> {
        let mode = checked(py, ShareMode::parse(mode))?;
        start_value(py, queue, bound(py, &self.0)?.share(mode, with_addr))
    }

    /// Subscribes to events.
    fn subscribe(&self, py: Python<'_>, queue: &Queue) -> PyResult<Operation> {
        start(py, queue, bound(py, &self.0)?.subscribe(), |py, events| object(py, DocumentEvents::new(events)))
    }

    /// Synchronises with peers.
    fn start_sync(&self, py: Python<'_>, queue: &Queue, with_peers: Vec<PeerArgument>) -> PyResult<Operation> {
        start_plain(py, queue, bound(py, &self.0)?.start_sync(peers(with_peers)))
    }

    /// Ends synchronisation.
    fn leave(&self, py: Python<'_>, queue: &Queue) -> PyResult<Operation> {
        start_plain(py, queue, bound(py, &self.0)?.leave())
    }

    /// Says which values are fetched.
    fn set_policy(&self, py: Python<'_>, queue: &Queue, mode: &str, prefixes: Vec<Vec<u8>>) -> PyResult<Operation> {
        let prefixes = prefixes.into_iter().map(Into::into).collect();
        start_plain(py, queue, bound(py, &self.0)?.set_download_policy(mode, prefixes))
    }

    /// Returns which values are fetched: mode and prefixes.
    fn policy(&self, py: Python<'_>, queue: &Queue) -> PyResult<Operation> {
        start(py, queue, bound(py, &self.0)?.download_policy(), |py, policy| {
            let prefixes: Vec<_> = policy.prefixes.iter().map(|prefix| PyBytes::new(py, prefix)).collect();
            object(py, (policy.mode, prefixes))
        })
    }
}

/// A subscription to a document.
#[pyclass(frozen, module = "aster._aster")]
pub struct DocumentEvents(ProcessBound<CoreEvents>);

impl DocumentEvents {
    fn new(events: CoreEvents) -> Self {
        Self(ProcessBound::new(events))
    }
}

#[pymethods]
impl DocumentEvents {
    /// Waits for the next event; `None` at the end.
    fn next(&self, py: Python<'_>, queue: &Queue) -> PyResult<Operation> {
        start_wait(py, queue, bound(py, &self.0)?.next(), event)
    }
}
