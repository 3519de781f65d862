//! Stores of spent one-time tokens: core's, and those of the program, which are asked in its loop and have little time.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use aster_core::admission::{IidBackend, MemoryNonces, NONCE_LEN, NonceStore, nonce};
use aster_core::clock::SystemClock;
use aster_core::engine::Queue as CoreQueue;
use aster_core::error::{Error, ErrorKind, Result};
use aster_core::node::FileNonces;
use aster_core::rpc::BoxFuture;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::collections::BTreeMap;
use tokio::sync::oneshot;

use crate::node::{checked, start_value};
use crate::queue::{Errand, Operation, Queue};
use aster_core::sync::lock;

/// A store of spent one-time tokens.
#[pyclass(frozen, module = "aster._aster")]
pub struct Nonces(pub(crate) Arc<dyn NonceStore>);

#[pymethods]
impl Nonces {
    /// Makes a store that forgets everything when the process ends.
    #[staticmethod]
    fn memory() -> Self {
        Self(Arc::new(MemoryNonces::new(Arc::new(SystemClock))))
    }

    /// Opens a store in a file, which several processes may share.
    #[staticmethod]
    fn file(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        checked(py, FileNonces::open(&path, Arc::new(SystemClock))).map(|store| Self(Arc::new(store)))
    }

    /// Makes a store of the program's own: `ask` is called in the loop of the queue with a nonce, whether it is spent,
    /// its token's expiry in seconds, and an [`Answer`].
    #[staticmethod]
    fn hosted(py: Python<'_>, queue: &Queue, ask: Py<PyAny>) -> PyResult<Self> {
        Ok(Self(Arc::new(HostNonces(Host::new(py, queue, ask)?))))
    }

    /// Spends a nonce; gives false if it was spent before.
    fn consume(&self, py: Python<'_>, queue: &Queue, nonce: &[u8], expires_at: u64) -> PyResult<Operation> {
        let (store, nonce) = (self.0.clone(), checked(py, self::nonce(nonce))?);
        start_value(py, queue, Box::pin(async move { store.consume(nonce, expires_at).await }))
    }

    /// Tells whether a nonce was spent.
    fn is_consumed(&self, py: Python<'_>, queue: &Queue, nonce: &[u8]) -> PyResult<Operation> {
        let (store, nonce) = (self.0.clone(), checked(py, self::nonce(nonce))?);
        start_value(py, queue, Box::pin(async move { store.is_consumed(nonce).await }))
    }
}

/// Takes the answer of the program to one question. Dropped without one, the question has failed.
#[pyclass(frozen, module = "aster._aster")]
pub struct Answer(Mutex<Option<oneshot::Sender<bool>>>);

#[pymethods]
impl Answer {
    /// Answers, once; `None`: there is no answer. Too late, it has no effect.
    fn give(&self, value: Option<bool>) {
        let sender = lock(&self.0).take();
        if let (Some(sender), Some(value)) = (sender, value) {
            let _ = sender.send(value);
        }
    }
}

/// The program, as core asks it.
pub struct Host {
    queue: Arc<CoreQueue>,
    // Shared, because the runtime's thread must not touch the counter of references.
    ask: Arc<Py<PyAny>>,
}

impl Host {
    /// Makes what asks in the loop of a queue.
    pub fn new(py: Python<'_>, queue: &Queue, ask: Py<PyAny>) -> PyResult<Self> {
        Ok(Self { queue: checked(py, queue.core())?.clone(), ask: Arc::new(ask) })
    }

    fn put(
        &self,
        question: impl for<'py> FnOnce(Python<'py>, &Bound<'py, PyAny>, Bound<'py, Answer>) -> PyResult<()> + Send + 'static,
    ) -> BoxFuture<'static, Result<bool>> {
        let (answer, answered) = oneshot::channel();
        let ask = self.ask.clone();
        let errand = Errand(Box::new(move |py| {
            let answer = Bound::new(py, Answer(Mutex::new(Some(answer))))?;
            question(py, ask.bind(py), answer)
        }));
        if let Err(error) = self.queue.reserve_post() {
            return Box::pin(std::future::ready(Err(error)));
        }
        self.queue.post(Box::new(errand));
        let failed = || Error::new(ErrorKind::Internal, "the program did not answer");
        Box::pin(async move { answered.await.map_err(|_| failed()) })
    }
}

struct HostNonces(Host);

impl HostNonces {
    fn ask(&self, nonce: [u8; NONCE_LEN], is_spent: bool, expires_at: u64) -> BoxFuture<'static, Result<bool>> {
        self.0.put(move |py, ask, answer| ask.call1((PyBytes::new(py, &nonce), is_spent, expires_at, answer)).map(drop))
    }
}

impl NonceStore for HostNonces {
    fn consume(&self, nonce: [u8; NONCE_LEN], expires_at: u64) -> BoxFuture<'_, Result<bool>> {
        self.ask(nonce, true, expires_at)
    }

    fn is_consumed(&self, nonce: [u8; NONCE_LEN]) -> BoxFuture<'_, Result<bool>> {
        self.ask(nonce, false, 0)
    }
}

/// The program's own verification of instance identities: `ask` is called with attributes, token, peer and an
/// [`Answer`].
pub struct HostIid(pub Host);

impl IidBackend for HostIid {
    fn proves<'a>(
        &'a self,
        attributes: &'a BTreeMap<String, String>,
        token: &'a str,
        peer: &'a str,
    ) -> BoxFuture<'a, Result<bool>> {
        let (attributes, token, peer) = (attributes.clone(), token.to_owned(), peer.to_owned());
        self.0.put(move |_, ask, answer| ask.call1((attributes, token, peer, answer)).map(drop))
    }
}
