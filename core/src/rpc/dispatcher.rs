//! The server side of calls: which services there are, how many calls run, and how serving ends.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::budget::Budget;
use super::driver;
use super::transport::{CloseCause, Connection};
use crate::admission::Gate;
use crate::clock::Clock;
use crate::engine::{Queue, ServicePlan, Signal, next_ticket};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{EndpointId, TicketMap};
use crate::limits;
use crate::sync::lock;
use crate::wire;

/// Age up to which nobody watches whether a stream's client goes away, and no timer is set for it.
pub(crate) const YOUNG: Duration = Duration::from_millis(5);

/// A service and the queue that its host drains.
#[derive(Clone)]
pub struct Service {
    /// The compiled description.
    pub plan: Arc<ServicePlan>,
    /// Where its events go.
    pub queue: Arc<Queue>,
    /// The host's name for it, carried by its events.
    pub tag: u64,
    /// Items a client-stream or bidi call may send before the host grants more.
    pub initial_credit: u32,
}

/// Limits of a server that its operator may change.
#[derive(Clone, Debug)]
pub struct DispatcherOptions {
    /// Calls and sessions at once on one connection.
    pub max_concurrent_streams: u32,
    /// Sessions at once on one connection.
    pub max_sessions_per_connection: u32,
    /// Longest run of a unary handler, longest silence of a streaming one; zero: no limit.
    pub handler_cap: Duration,
    /// Items of one client stream or of the input of a bidi call; 0: no limit.
    pub max_stream_items: u64,
    /// Whether the text of a handler's exception reaches the caller.
    pub expose_errors: bool,
}

impl Default for DispatcherOptions {
    fn default() -> Self {
        Self {
            max_concurrent_streams: limits::MAX_CONCURRENT_STREAMS,
            max_sessions_per_connection: limits::MAX_SESSIONS_PER_CONNECTION,
            handler_cap: limits::HANDLER_CAP,
            max_stream_items: limits::MAX_STREAM_ITEMS,
            expose_errors: false,
        }
    }
}

/// What a dispatcher serves at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Connections for calls.
    pub connections: u32,
    /// Calls that have a stream of their own.
    pub calls: u32,
    /// Open sessions.
    pub sessions: u32,
}

/// Serves the calls of any number of connections.
pub struct Dispatcher {
    services: HashMap<String, Vec<Service>>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: DispatcherOptions,
    draining: AtomicBool,
    scopes: Mutex<TicketMap<Weak<Scope>>>,
    tasks: TaskTracker,
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher").field("services", &self.services.keys()).finish_non_exhaustive()
    }
}

/// What the streams of one connection share.
pub(crate) struct Scope {
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) connection: Arc<dyn Connection>,
    pub(crate) peer: Option<EndpointId>,
    /// Lowered when the peer's admission ends.
    live: Option<Arc<AtomicBool>>,
    streams: AtomicU32,
    sessions: AtomicU32,
    signals: Mutex<TicketMap<Arc<Signal>>>,
    stream_opened: Notify,
    pub(crate) budget: Arc<Budget>,
}

/// One of the counted things of a connection, given back when dropped.
pub(crate) struct Slot {
    scope: Arc<Scope>,
    what: Counted,
}

/// What is counted per connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// Calls and sessions.
    Stream,
    /// Sessions alone.
    Session,
}

impl Dispatcher {
    /// Makes a dispatcher for a fixed set of services.
    ///
    /// # Errors
    ///
    /// ALREADY_EXISTS if two services have one name and version.
    pub fn new(
        services: Vec<Service>,
        gate: Arc<Gate>,
        clock: Arc<dyn Clock>,
        options: DispatcherOptions,
    ) -> Result<Arc<Self>> {
        let mut by_name: HashMap<String, Vec<Service>> = HashMap::new();
        for service in services {
            let versions = by_name.entry(service.plan.name().to_owned()).or_default();
            if versions.iter().any(|other| other.plan.version() == service.plan.version()) {
                let (name, version) = (service.plan.name(), service.plan.version());
                return Err(Error::new(
                    ErrorKind::AlreadyExists,
                    format!("service '{name}' v{version} is registered twice"),
                ));
            }
            versions.push(service);
        }
        Ok(Arc::new(Self {
            services: by_name,
            gate,
            clock,
            options,
            draining: AtomicBool::new(false),
            scopes: Mutex::default(),
            tasks: TaskTracker::new(),
        }))
    }

    /// Serves a connection until it ends.
    pub async fn serve(self: Arc<Self>, connection: Arc<dyn Connection>) -> CloseCause {
        let id = next_ticket();
        let scope = Arc::new(Scope {
            peer: connection.remote(),
            live: connection.remote().map(|peer| self.gate.liveness(peer)),
            dispatcher: self.clone(),
            connection,
            streams: AtomicU32::new(0),
            sessions: AtomicU32::new(0),
            signals: Mutex::default(),
            stream_opened: Notify::new(),
            budget: Arc::default(),
        });
        if let Some(peer) = scope.peer
            && !self.gate.admits(&peer)
        {
            scope.close_not_admitted();
        }
        lock(&self.scopes).insert(id, Arc::downgrade(&scope));
        let cause = tokio::select! {
            cause = scope.accept_streams() => cause,
            () = scope.age_streams() => CloseCause::lost("closed"),
        };
        lock(&self.scopes).remove(&id);
        // Nobody ages the streams any more; they must notice that their connection is gone.
        lock(&scope.signals).values().for_each(|signal| signal.age());
        debug!(target: "aster::rpc", peer = scope.peer.map(|p| p.short()), %cause, "connection ended");
        cause
    }

    /// Finds a service by name and version.
    pub(crate) fn service(&self, name: &str, version: i32) -> Option<&Service> {
        self.services.get(name)?.iter().find(|service| service.plan.version() == version)
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Returns how many connections, calls and sessions there are now.
    pub fn load(&self) -> Load {
        let scopes: Vec<_> = lock(&self.scopes).values().filter_map(Weak::upgrade).collect();
        let sum =
            |count: fn(&Scope) -> &AtomicU32| scopes.iter().map(|s| count(s).load(Ordering::Relaxed)).sum::<u32>();
        let sessions = sum(|scope| &scope.sessions);
        Load { connections: scopes.len() as u32, calls: sum(|scope| &scope.streams).saturating_sub(sessions), sessions }
    }

    /// Refuses new calls, waits until the running ones ended or `grace` is over, then cancels the rest.
    pub async fn drain(&self, grace: Duration) {
        self.draining.store(true, Ordering::Release);
        self.each_signal(|signal| signal.raise()); // Idle sessions end.
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            self.each_signal(|signal| signal.stop(wire::server_shutting_down()));
            let _ = tokio::time::timeout(limits::CLOSE_FLUSH, self.tasks.wait()).await;
        }
    }

    fn each_signal(&self, act: impl Fn(&Signal)) {
        let scopes: Vec<_> = lock(&self.scopes).values().filter_map(Weak::upgrade).collect();
        for scope in scopes {
            for signal in lock(&scope.signals).values() {
                act(signal);
            }
        }
    }
}

impl Scope {
    async fn accept_streams(self: &Arc<Self>) -> CloseCause {
        loop {
            match self.connection.accept_bi().await {
                Ok(stream) => {
                    let (id, signal) = self.enroll();
                    self.dispatcher.tasks.spawn(driver::serve_stream(self.clone(), stream, id, signal));
                }
                Err(cause) => return cause,
            }
        }
    }

    /// Tells every stream when it is no longer young: one timer for all of them.
    async fn age_streams(&self) {
        let mut young: Vec<Arc<Signal>> = Vec::new();
        loop {
            self.stream_opened.notified().await;
            while !young.is_empty() || !lock(&self.signals).is_empty() {
                tokio::time::sleep(YOUNG).await;
                young.drain(..).for_each(|signal| signal.age());
                young.extend(lock(&self.signals).values().filter(|signal| !signal.is_aged()).cloned());
                if young.is_empty() {
                    break; // Every open stream knows; the next one notifies.
                }
            }
        }
    }

    /// Tells whether the peer's admission has not ended since it connected.
    pub(crate) fn is_live(&self) -> bool {
        self.live.as_ref().is_none_or(|live| live.load(Ordering::Acquire))
    }

    /// Closes the connection of a peer that is not admitted, or no longer.
    pub(crate) fn close_not_admitted(&self) {
        self.connection.close(wire::CLOSE_NOT_ADMITTED, wire::NOT_ADMITTED_TEXT);
    }

    fn enroll(&self) -> (u64, Arc<Signal>) {
        let (id, signal) = (next_ticket(), Arc::<Signal>::default());
        lock(&self.signals).insert(id, signal.clone());
        self.stream_opened.notify_one();
        (id, signal)
    }

    pub(crate) fn dismiss(&self, id: u64) {
        lock(&self.signals).remove(&id);
    }

    /// Takes one of the counted things; the error is the limit that was hit.
    pub(crate) fn take(self: &Arc<Self>, what: Counted) -> Result<Slot, u32> {
        let limit = match what {
            Counted::Stream => self.dispatcher.options.max_concurrent_streams,
            Counted::Session => self.dispatcher.options.max_sessions_per_connection,
        };
        let slot = Slot { scope: self.clone(), what };
        if self.counter(what).fetch_add(1, Ordering::AcqRel) >= limit {
            return Err(limit); // Dropping the slot takes the count back.
        }
        Ok(slot)
    }

    fn counter(&self, what: Counted) -> &AtomicU32 {
        match what {
            Counted::Stream => &self.streams,
            Counted::Session => &self.sessions,
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.scope.counter(self.what).fetch_sub(1, Ordering::AcqRel);
    }
}
