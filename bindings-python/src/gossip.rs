//! Gossip.

use aster_core::node::{Gossip as CoreGossip, Topic as CoreTopic, TopicEvent};
use pyo3::prelude::*;

use crate::arrival::start_wait;
use crate::blobs::as_bytes;
use crate::docs::{PeerArgument, peers};
use crate::node::{bound, object, start, start_plain};
use crate::queue::{Operation, Queue};
use crate::runtime::ProcessBound;

/// The gossip of a node.
#[pyclass(frozen, module = "aster._aster")]
pub struct Gossip(ProcessBound<CoreGossip>);

impl Gossip {
    /// Wraps gossip.
    pub fn new(gossip: CoreGossip) -> Self {
        Self(ProcessBound::new(gossip))
    }
}

#[pymethods]
impl Gossip {
    /// Joins a topic.
    fn subscribe(
        &self,
        py: Python<'_>,
        queue: &Queue,
        topic: &[u8],
        with_peers: Vec<PeerArgument>,
    ) -> PyResult<Operation> {
        let work = bound(py, &self.0)?.subscribe(topic, peers(with_peers));
        start(py, queue, work, |py, topic| object(py, Topic(ProcessBound::new(topic))))
    }
}

/// A topic that was joined.
#[pyclass(frozen, module = "aster._aster")]
pub struct Topic(ProcessBound<CoreTopic>);

#[pymethods]
impl Topic {
    /// Sends a message.
    fn broadcast(&self, py: Python<'_>, queue: &Queue, message: &[u8]) -> PyResult<Operation> {
        start_plain(py, queue, bound(py, &self.0)?.broadcast(message.to_vec().into()))
    }

    /// Waits for the next event: kind and data; `None` at the end.
    fn next(&self, py: Python<'_>, queue: &Queue) -> PyResult<Operation> {
        start_wait(py, queue, bound(py, &self.0)?.next(), |py, event| match event {
            None => Ok(py.None()),
            Some(TopicEvent::Received(data)) => object(py, ("received", as_bytes(py, &data)?)),
            Some(TopicEvent::NeighborUp(id)) => object(py, ("neighbor_up", id)),
            Some(TopicEvent::NeighborDown(id)) => object(py, ("neighbor_down", id)),
            Some(TopicEvent::Lagged) => object(py, ("lagged", py.None())),
        })
    }
}
