//! A service as a client calls it: its description, what was negotiated, and where its calls go.

use std::sync::Arc;

use super::caller::{Caller, Submission};
use crate::codec::Source;
use crate::engine::{CallOptions, ClientCall, ClientSession, Queue, ServicePlan};
use crate::error::Result;
use crate::wire::Choice;

/// A service of one server, with the negotiated mode; calls have streams of their own, or that of a session.
#[derive(Clone)]
pub struct BoundService {
    caller: Arc<Caller>,
    plan: Arc<ServicePlan>,
    choice: Choice,
    session: Option<Arc<ClientSession>>,
}

impl BoundService {
    /// Binds a service to where its calls go.
    pub fn new(caller: Arc<Caller>, plan: Arc<ServicePlan>, choice: Choice) -> Self {
        Self { caller, plan, choice, session: None }
    }

    /// Opens a session; calls of what is returned belong to it. Its events go to `queue`.
    ///
    /// # Errors
    ///
    /// As for [`Caller::open_session`].
    pub fn open_session(&self, queue: &Arc<Queue>) -> Result<Self> {
        let session = self.caller.open_session(&self.plan, &self.choice, queue)?;
        Ok(Self { session: Some(session), ..self.clone() })
    }

    /// Returns another description of the server's services, in the same session if there is one.
    #[must_use]
    pub fn with_plan(&self, plan: Arc<ServicePlan>) -> Self {
        Self { plan, ..self.clone() }
    }

    /// Returns the session that the calls belong to.
    pub fn session(&self) -> Option<&Arc<ClientSession>> {
        self.session.as_ref()
    }

    /// Returns the service.
    pub fn plan(&self) -> &Arc<ServicePlan> {
        &self.plan
    }

    /// Returns an id for a call that nobody else has, for hosts that need it before they submit the call.
    pub fn next_call_id(&self) -> String {
        self.caller.next_id()
    }

    /// Submits a call with one request message, encoded here and now; its events go to `queue`.
    ///
    /// # Errors
    ///
    /// As for [`Caller::start`].
    pub fn start<S: Source>(
        &self,
        method: usize,
        options: &CallOptions,
        queue: &Arc<Queue>,
        source: &mut S,
        value: &S::Value,
    ) -> Result<Arc<ClientCall>> {
        self.caller.start(&self.submission(method, options, queue), source, value)
    }

    /// Submits a call whose request is encoded already, in the encoding of the negotiated mode.
    ///
    /// # Errors
    ///
    /// As for [`Caller::start`].
    pub fn start_raw(
        &self,
        method: usize,
        options: &CallOptions,
        queue: &Arc<Queue>,
        payload: &[u8],
    ) -> Result<Arc<ClientCall>> {
        self.caller.start_raw(&self.submission(method, options, queue), payload)
    }

    /// Submits a client-stream or bidi call; its requests follow.
    ///
    /// # Errors
    ///
    /// As for [`Caller::start`].
    pub fn open(&self, method: usize, options: &CallOptions, queue: &Arc<Queue>) -> Result<Arc<ClientCall>> {
        self.caller.open(&self.submission(method, options, queue))
    }

    fn submission<'a>(&'a self, method: usize, options: &'a CallOptions, queue: &'a Arc<Queue>) -> Submission<'a> {
        Submission { plan: &self.plan, method, choice: &self.choice, options, queue, session: self.session.as_ref() }
    }
}
