//! A session as the server's host sees it.

use std::sync::Arc;

use super::ServicePlan;
use crate::ids::EndpointId;

/// One open session stream of a session-scoped service.
pub struct ServerSession {
    pub(crate) id: u64,
    pub(crate) tag: u64,
    pub(crate) peer: Option<EndpointId>,
    pub(crate) plan: Arc<ServicePlan>,
}

impl ServerSession {
    /// Returns the ticket of the session.
    pub fn id(&self) -> u64 {
        self.id
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
}
