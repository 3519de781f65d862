//! A session as the server's host sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{ServicePlan, Signal};
use crate::ids::EndpointId;

/// One open session stream of a session-scoped service. After [`super::Event::SessionClosed`] the host runs its close
/// hook and [`releases`](Self::release) the session.
pub struct ServerSession {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) tag: u64,
    pub(crate) peer: Option<EndpointId>,
    pub(crate) plan: Arc<ServicePlan>,
    pub(crate) signal: Arc<Signal>,
    pub(crate) released: AtomicBool,
}

impl ServerSession {
    /// Returns the ticket of the session.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Returns the client's id of the session.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the tag that its service was registered with.
    pub fn tag(&self) -> u64 {
        self.tag
    }

    /// Returns the peer that opened it; `None` in process.
    pub fn peer(&self) -> Option<EndpointId> {
        self.peer
    }

    /// Returns its service.
    pub fn plan(&self) -> &Arc<ServicePlan> {
        &self.plan
    }

    /// Tells that the close hook has returned: the client that waits for it goes on, and the slot is free.
    pub fn release(&self) {
        self.released.store(true, Ordering::Release);
        self.signal.raise();
    }

    pub(crate) fn is_released(&self) -> bool {
        self.released.load(Ordering::Acquire)
    }
}
