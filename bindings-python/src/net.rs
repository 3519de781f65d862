//! Raw connections and streams.

use aster_core::node::{
    ConnectionFacts, Net as CoreNet, PeerConnection as CoreConnection, ReceiveStream as CoreReceive, RemoteFacts,
    SendStream as CoreSend, StreamPair,
};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::arrival::{start_read, start_wait};
use crate::blobs::as_bytes;
use crate::node::{Addr, bound, checked, core_addr, object, start, start_plain, start_value};
use crate::queue::{Operation, Queue};
use crate::runtime::ProcessBound;
use crate::server::succeed;

/// Kind, bytes sent and received, round-trip time, protocol, whether open; then congestion window, lost packets,
/// congestion events and MTU.
type Facts<'py> = ((&'static str, u64, u64, u64, Bound<'py, PyBytes>, bool), (u64, u64, u64, u16));
/// Id, relay URL, kind, bytes sent and received, last handshake, whether connected.
type Remote = (String, Option<String>, &'static str, u64, u64, u64, bool);

fn remote(facts: RemoteFacts) -> Remote {
    (
        facts.node_id,
        facts.relay_url,
        facts.kind,
        facts.bytes_sent,
        facts.bytes_received,
        facts.last_handshake_ns,
        facts.is_connected,
    )
}

fn pair(py: Python<'_>, (send, recv): StreamPair) -> PyResult<Py<PyAny>> {
    object(py, (SendStream::new(send), ReceiveStream::new(recv)))
}

/// The endpoint of a node.
#[pyclass(frozen, module = "aster._aster")]
pub struct Net(ProcessBound<CoreNet>);

impl Net {
    /// Wraps an endpoint.
    pub fn new(net: CoreNet) -> Self {
        Self(ProcessBound::new(net))
    }
}

#[pymethods]
impl Net {
    /// Dials a peer by its id.
    fn connect(&self, py: Python<'_>, queue: &Queue, id: &str, alpn: &[u8]) -> PyResult<Operation> {
        let work = bound(py, &self.0)?.connect(id, alpn);
        start(py, queue, work, |py, connection| object(py, PeerConnection::new(connection)))
    }

    /// Dials a peer at an address.
    fn connect_addr(&self, py: Python<'_>, queue: &Queue, addr: Addr, alpn: &[u8]) -> PyResult<Operation> {
        let work = bound(py, &self.0)?.connect_addr(&core_addr(addr), alpn);
        start(py, queue, work, |py, connection| object(py, PeerConnection::new(connection)))
    }

    /// Waits for the next connection: protocol and connection.
    fn accept(&self, py: Python<'_>, queue: &Queue) -> PyResult<Operation> {
        let work = bound(py, &self.0)?.accept();
        start_wait(py, queue, work, |py, incoming| {
            object(py, (PyBytes::new(py, &incoming.alpn), PeerConnection::new(incoming.connection)))
        })
    }

    /// Waits until the endpoint is closed.
    fn closed(&self, py: Python<'_>, queue: &Queue) -> PyResult<Operation> {
        start_plain(py, queue, succeed(bound(py, &self.0)?.closed()))
    }

    /// Whether facts about peers are kept.
    #[getter]
    fn has_monitoring(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(bound(py, &self.0)?.has_monitoring())
    }

    /// What is known of a peer.
    fn remote(&self, py: Python<'_>, id: &str) -> PyResult<Option<Remote>> {
        Ok(checked(py, bound(py, &self.0)?.remote(id))?.map(remote))
    }

    /// What is known of every peer.
    fn remotes(&self, py: Python<'_>) -> PyResult<Vec<Remote>> {
        Ok(bound(py, &self.0)?.remotes().into_iter().map(remote).collect())
    }
}

/// One connection to a peer.
#[pyclass(frozen, module = "aster._aster")]
pub struct PeerConnection(pub(crate) ProcessBound<CoreConnection>);

impl PeerConnection {
    /// Wraps a connection.
    pub fn new(connection: CoreConnection) -> Self {
        Self(ProcessBound::new(connection))
    }
}

#[pymethods]
impl PeerConnection {
    /// The peer, 64 hex digits.
    #[getter]
    fn remote_id(&self, py: Python<'_>) -> PyResult<String> {
        Ok(bound(py, &self.0)?.remote_id())
    }

    /// Opens a stream in both directions.
    fn open_bi(&self, py: Python<'_>, queue: &Queue) -> PyResult<Operation> {
        start(py, queue, bound(py, &self.0)?.open_bi(), pair)
    }

    /// Accepts a stream in both directions.
    fn accept_bi(&self, py: Python<'_>, queue: &Queue) -> PyResult<Operation> {
        start_wait(py, queue, bound(py, &self.0)?.accept_bi(), pair)
    }

    /// Opens a stream in our direction.
    fn open_uni(&self, py: Python<'_>, queue: &Queue) -> PyResult<Operation> {
        start(py, queue, bound(py, &self.0)?.open_uni(), |py, stream| object(py, SendStream::new(stream)))
    }

    /// Accepts a stream in the peer's direction.
    fn accept_uni(&self, py: Python<'_>, queue: &Queue) -> PyResult<Operation> {
        start_wait(py, queue, bound(py, &self.0)?.accept_uni(), |py, stream| object(py, ReceiveStream::new(stream)))
    }

    /// Waits for a datagram.
    fn read_datagram(&self, py: Python<'_>, queue: &Queue) -> PyResult<Operation> {
        start_wait(py, queue, bound(py, &self.0)?.read_datagram(), |py, data| as_bytes(py, &data))
    }

    /// Sends a datagram.
    fn send_datagram(&self, py: Python<'_>, data: &[u8]) -> PyResult<()> {
        checked(py, bound(py, &self.0)?.send_datagram(data))
    }

    /// Largest datagram that the path carries.
    #[getter]
    fn max_datagram_size(&self, py: Python<'_>) -> PyResult<Option<usize>> {
        Ok(bound(py, &self.0)?.max_datagram_size())
    }

    /// Bytes of datagrams that may be sent before older ones are dropped.
    #[getter]
    fn datagram_space(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(bound(py, &self.0)?.datagram_send_buffer_space())
    }

    /// Closes the connection.
    fn close(&self, py: Python<'_>, code: u64, reason: &[u8]) -> PyResult<()> {
        checked(py, bound(py, &self.0)?.close(code, reason))
    }

    /// Waits for the end of the connection: kind, code and reason.
    fn closed(&self, py: Python<'_>, queue: &Queue) -> PyResult<Operation> {
        let closed = bound(py, &self.0)?.closed();
        let work = Box::pin(async move { Ok(closed.await) });
        start(py, queue, work, |py, closing| object(py, (closing.kind, closing.code, closing.reason)))
    }

    /// What is known of the connection now.
    #[getter]
    fn facts<'py>(&self, py: Python<'py>) -> PyResult<Facts<'py>> {
        let facts: ConnectionFacts = bound(py, &self.0)?.facts();
        let alpn = PyBytes::new(py, &facts.alpn);
        Ok((
            (facts.kind, facts.bytes_sent, facts.bytes_received, facts.rtt_ns, alpn, facts.is_connected),
            (facts.congestion_window, facts.lost_packets, facts.congestion_events, facts.mtu),
        ))
    }
}

/// The sending direction of a stream.
#[pyclass(frozen, module = "aster._aster")]
pub struct SendStream(ProcessBound<CoreSend>);

impl SendStream {
    fn new(stream: CoreSend) -> Self {
        Self(ProcessBound::new(stream))
    }
}

#[pymethods]
impl SendStream {
    /// Writes everything.
    fn write_all(&self, py: Python<'_>, queue: &Queue, data: &[u8]) -> PyResult<Operation> {
        start_plain(py, queue, bound(py, &self.0)?.write_all(data.to_vec().into()))
    }

    /// Ends the direction.
    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        checked(py, bound(py, &self.0)?.finish())
    }

    /// Waits until the peer stops the stream or has everything.
    fn stopped(&self, py: Python<'_>, queue: &Queue) -> PyResult<Operation> {
        start_value(py, queue, bound(py, &self.0)?.stopped())
    }
}

/// The receiving direction of a stream.
#[pyclass(frozen, module = "aster._aster")]
pub struct ReceiveStream(ProcessBound<CoreReceive>);

impl ReceiveStream {
    fn new(stream: CoreReceive) -> Self {
        Self(ProcessBound::new(stream))
    }
}

#[pymethods]
impl ReceiveStream {
    /// Reads at most so many bytes.
    fn read(&self, py: Python<'_>, queue: &Queue, max: usize) -> PyResult<Operation> {
        start_read(py, queue, bound(py, &self.0)?.read(max))
    }

    /// Reads exactly so many bytes.
    fn read_exact(&self, py: Python<'_>, queue: &Queue, count: usize) -> PyResult<Operation> {
        start_read(py, queue, bound(py, &self.0)?.read_exact(count))
    }

    /// Reads everything, of at most so many bytes.
    fn read_to_end(&self, py: Python<'_>, queue: &Queue, max: usize) -> PyResult<Operation> {
        start_read(py, queue, bound(py, &self.0)?.read_to_end(max))
    }

    /// Asks the peer to send no more.
    fn stop(&self, py: Python<'_>, code: u64) -> PyResult<()> {
        checked(py, bound(py, &self.0)?.stop(code))
    }
}
