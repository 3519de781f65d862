//! Nodes: opened and closed on the runtime; their faces are in the modules beside this one.

use std::path::PathBuf;

use aster_core::addr::NodeAddr;
use aster_core::error::{Error, Result};
use aster_core::node::{Node as CoreNode, NodeOptions};
use aster_core::rpc::BoxFuture;
use pyo3::BoundObject;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::arrival::start_guarded;
use crate::blobs::Blobs;
use crate::config::Config;
use crate::docs::Docs;
use crate::errors;
use crate::gossip::Gossip;
use crate::hooks::Handshakes;
use crate::net::Net;
use crate::queue::{Operation, Queue};
use crate::runtime::{self, ProcessBound};
use crate::server::succeed;

/// Id, relay URL and direct addresses of a node address.
pub type Addr = (String, Option<String>, Vec<String>);

/// Makes the address of core.
pub fn core_addr((endpoint_id, relay_url, direct_addresses): Addr) -> NodeAddr {
    NodeAddr { endpoint_id, relay_url, direct_addresses }
}

/// Makes the tuple of an address.
pub fn addr_tuple(addr: NodeAddr) -> Addr {
    (addr.endpoint_id, addr.relay_url, addr.direct_addresses)
}

/// Returns a value of this process, or the exception for one of its parent.
pub fn bound<'a, T>(py: Python<'_>, value: &'a ProcessBound<T>) -> PyResult<&'a T> {
    value.get().map_err(|error| errors::exception(py, &error))
}

/// Makes the exception for an error of core.
pub fn checked<T>(py: Python<'_>, result: Result<T>) -> PyResult<T> {
    result.map_err(|error: Error| errors::exception(py, &error))
}

/// Starts an operation whose result needs no undoing beside being dropped.
pub fn start<T: Send + 'static>(
    py: Python<'_>,
    queue: &Queue,
    work: BoxFuture<'static, Result<T>>,
    finish: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
) -> PyResult<Operation> {
    queue.spawn(py, work, finish, drop)
}

/// Starts an operation whose result is a Python object as it is.
pub fn start_value<T: for<'py> IntoPyObject<'py> + Send + 'static>(
    py: Python<'_>,
    queue: &Queue,
    work: BoxFuture<'static, Result<T>>,
) -> PyResult<Operation> {
    start(py, queue, work, |py, value| object(py, value))
}

/// Starts an operation without a result.
pub fn start_plain(py: Python<'_>, queue: &Queue, work: BoxFuture<'static, Result<()>>) -> PyResult<Operation> {
    start(py, queue, work, |py, ()| Ok(py.None()))
}

/// Makes a Python object of anything that can be one.
pub fn object<'py, T: IntoPyObject<'py>>(py: Python<'py>, value: T) -> PyResult<Py<PyAny>> {
    let made: Bound<'py, PyAny> = value.into_pyobject(py).map_err(Into::into)?.into_bound().into_any();
    Ok(made.unbind())
}

/// An endpoint, with blobs, documents and gossip unless it was made without.
#[pyclass(frozen, module = "aster._aster")]
pub struct Node(ProcessBound<CoreNode>);

/// Opens a node.
#[pyfunction]
pub fn open_node(
    py: Python<'_>,
    queue: &Queue,
    config: &Config,
    alpns: Vec<Vec<u8>>,
    content: bool,
    key_folder: Option<PathBuf>,
) -> PyResult<Operation> {
    let network = checked(py, config.0.network())?;
    let runtime = checked(py, runtime::handle(py))?;
    let work = CoreNode::open(NodeOptions { network, key_folder, alpns, content });
    let undo = move |node: CoreNode| drop(runtime.spawn(async move { node.close().await }));
    start_guarded(py, queue, work, |py, node| object(py, Node::new(node)), undo)
}

impl Node {
    /// Wraps a node.
    pub fn new(node: CoreNode) -> Self {
        Self(ProcessBound::new(node))
    }
}

#[pymethods]
impl Node {
    /// Ends every wait and connection and releases everything.
    fn close(&self, py: Python<'_>, queue: &Queue) -> PyResult<Operation> {
        start_plain(py, queue, succeed(bound(py, &self.0)?.close()))
    }

    /// Closes without anybody waiting; for objects that were dropped open.
    fn close_detached(&self, py: Python<'_>) {
        if let (Some(node), Ok(runtime)) = (self.0.if_same_process(), runtime::handle(py)) {
            runtime.spawn(node.close());
        }
    }

    /// The endpoint id, 64 hex digits.
    #[getter]
    fn id(&self, py: Python<'_>) -> PyResult<String> {
        Ok(bound(py, &self.0)?.id())
    }

    /// Where the node can be dialled now.
    #[getter]
    fn addr(&self, py: Python<'_>) -> PyResult<Addr> {
        Ok(addr_tuple(bound(py, &self.0)?.addr()))
    }

    /// Whether the node is open.
    #[getter]
    fn is_open(&self) -> bool {
        self.0.if_same_process().is_some_and(CoreNode::is_open)
    }

    /// Whether the application decides about handshakes.
    #[getter]
    fn has_hooks(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(bound(py, &self.0)?.has_hooks())
    }

    /// The seed of the node key.
    #[getter]
    fn secret_key<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &bound(py, &self.0)?.secret_key()))
    }

    /// Counters of the transport as Prometheus reads them.
    #[getter]
    fn metrics(&self, py: Python<'_>) -> PyResult<String> {
        checked(py, bound(py, &self.0)?.metrics())
    }

    /// Tells where a peer may be reached.
    fn add_addr(&self, py: Python<'_>, addr: Addr) -> PyResult<()> {
        checked(py, bound(py, &self.0)?.add_addr(&core_addr(addr)))
    }

    /// Returns the handshakes that wait for the application, once.
    fn take_handshakes(&self, py: Python<'_>) -> PyResult<Option<Handshakes>> {
        Ok(bound(py, &self.0)?.take_handshakes().map(Handshakes::new))
    }

    /// The raw network.
    #[getter]
    fn net(&self, py: Python<'_>) -> PyResult<Net> {
        Ok(Net::new(bound(py, &self.0)?.net()))
    }

    /// The content store.
    #[getter]
    fn blobs(&self, py: Python<'_>) -> PyResult<Blobs> {
        checked(py, bound(py, &self.0)?.blobs()).map(Blobs::new)
    }

    /// The documents.
    #[getter]
    fn docs(&self, py: Python<'_>) -> PyResult<Docs> {
        checked(py, bound(py, &self.0)?.docs()).map(Docs::new)
    }

    /// The gossip.
    #[getter]
    fn gossip(&self, py: Python<'_>) -> PyResult<Gossip> {
        checked(py, bound(py, &self.0)?.gossip()).map(Gossip::new)
    }
}
