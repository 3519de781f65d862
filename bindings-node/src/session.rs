//! Sessions of both sides.

use std::rc::Rc;
use std::sync::Arc;

use aster_core::engine::{ClientSession, ServerSession};
use napi::Env;
use napi::bindgen_prelude::ToNapiValue;
use napi_derive::napi;

use crate::client::Stub;
use crate::engine::{Engine, Shared};
use crate::entries::{Entry, entry};
use crate::errors::no_value;
use crate::js::{Js, Scope};

/// A session that a stub or a call of it still uses.
pub(crate) struct OpenSession(Arc<ClientSession>);

impl Drop for OpenSession {
    fn drop(&mut self) {
        // Garbage that was never closed; otherwise nothing happens.
        self.0.close();
    }
}

#[napi]
impl Stub {
    /// Opens a session and returns the service in it, or an error.
    #[napi]
    pub fn open_session(&self, env: &Env) -> Js {
        let scope = Scope::new(env);
        let shared = &self.connection.shared;
        let opened = self.service.open_session(&shared.queue).and_then(|service| {
            let session = service.session().map(|session| Rc::new(OpenSession(session.clone())));
            let stub = Stub { service, session, bound: self.bound.clone(), connection: self.connection.clone() };
            // SAFETY: the environment is that of the running function.
            unsafe { Stub::to_napi_value(scope.env(), stub) }.map(Js).map_err(|_| no_value())
        });
        shared.errors.either(scope, opened)
    }

    /// Returns the ticket of the session.
    #[napi(getter)]
    pub fn session_ticket(&self) -> Option<f64> {
        self.session.as_deref().map(|OpenSession(session)| session.ticket() as f64)
    }

    /// Returns the id of the session on the wire.
    #[napi(getter)]
    pub fn session_id(&self) -> Option<String> {
        self.session.as_deref().map(|OpenSession(session)| session.id().to_owned())
    }

    /// Ends the session; its end is told when the server has run its close hook. Repeatable.
    #[napi]
    pub fn close_session(&self) {
        if let Some(OpenSession(session)) = self.session.as_deref() {
            session.close();
        }
    }
}

impl Shared {
    /// Tells of a session that a client opened: tag, id on the wire, peer.
    pub(crate) fn session_opened(&self, scope: Scope, session: &ServerSession) -> Option<Js> {
        self.service(session.tag())?;
        let peer = session.peer().map_or(Some(scope.null()), |peer| scope.text(&peer.to_string()))?;
        let about = [scope.number(session.tag() as f64)?, scope.text(session.name())?, peer];
        entry(scope, Entry::SessionOpened, session.id() as f64, &about)
    }

    /// Tells of a session whose last handler has returned; it is held until its close hook has.
    pub(crate) fn session_closed(&self, scope: Scope, session: Arc<ServerSession>) -> Option<Js> {
        let id = session.id();
        self.closing.borrow_mut().insert(id, session);
        entry(scope, Entry::SessionClosed, id as f64, &[])
    }
}

#[napi]
impl Engine {
    /// Tells that the close hook of a session has returned.
    #[napi]
    pub fn release_session(&self, id: f64) {
        let session = self.shared.closing.borrow_mut().remove(&(id as u64));
        if let Some(session) = session {
            session.release();
        }
    }
}
