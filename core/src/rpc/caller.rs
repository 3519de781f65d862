//! The client side of calls: submit, one task per call or session, dial again when the connection is gone.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::task::TaskTracker;

use super::budget::Budget;
use super::failover::Routes;
use super::inbound::Failure;
use super::transport::{Connection, Dialer};
use super::{exchange, failover, session_client};
use crate::clock::Clock;
use crate::codec::Source;
use crate::engine::{
    CallOptions, CallRequest, ClientCall, ClientSession, Encoding, Errand, Header, Queue, ServicePlan, Timeout,
};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::TicketMap;
use crate::limits;
use crate::sync::lock;
use crate::wire::{self, CallHeader, Choice, Mode, StreamHeader, metadata};

/// Submits calls to one server over a connection that is shared and dialled again when it was lost.
pub struct Caller {
    runtime: Handle,
    way: Way,
    clock: Arc<dyn Clock>,
    current: Mutex<Option<Arc<Link>>>,
    sessions: Mutex<TicketMap<Weak<ClientSession>>>,
    dialling: AsyncMutex<()>,
    tasks: TaskTracker,
    session_tasks: TaskTracker,
    closed: AtomicBool,
    id_prefix: String,
    calls: AtomicU64,
}

/// Where calls go.
enum Way {
    /// To one server.
    One(Arc<dyn Dialer>),
    /// To one of several.
    Many(Arc<dyn Routes>),
}

/// A connection and what its streams share.
pub(crate) struct Link {
    pub(crate) connection: Arc<dyn Connection>,
    pub(crate) budget: Arc<Budget>,
}

impl Link {
    fn new(connection: Arc<dyn Connection>) -> Arc<Self> {
        Arc::new(Self { connection, budget: Arc::default() })
    }
}

/// Which method is called how, and where its events go.
#[derive(Clone, Copy)]
pub struct Submission<'a> {
    /// The service.
    pub plan: &'a Arc<ServicePlan>,
    /// Position of the method.
    pub method: usize,
    /// What was negotiated with the server.
    pub choice: &'a Choice,
    /// What the host chose.
    pub options: &'a CallOptions,
    /// Where its events go.
    pub queue: &'a Arc<Queue>,
    /// The session it belongs to; `None`: a stream of its own.
    pub session: Option<&'a Arc<ClientSession>>,
}

/// The mode and forms of a call after negotiation.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) mode: Mode,
    pub(crate) encoding: Encoding,
    pub(crate) form: wire::Form,
    pub(crate) session_trailers: bool,
}

impl Terms {
    /// An override counts if the server lists it; JSON bodies go with a JSON header (`wire.md` section 11).
    fn new(choice: &Choice, wanted: Option<Mode>) -> Self {
        let mode = match wanted {
            Some(Mode::Json) => Mode::Json,
            _ => choice.mode,
        };
        let (encoding, form) = match mode {
            Mode::Json => (Encoding::Json, wire::Form::Json),
            _ => (Encoding::Xlang, wire::Form::Binary),
        };
        Self { mode, encoding, form, session_trailers: choice.session_trailers }
    }
}

impl Caller {
    /// Makes a caller; `first` is a connection that is open already.
    pub fn new(
        runtime: Handle,
        dialer: Arc<dyn Dialer>,
        clock: Arc<dyn Clock>,
        first: Option<Arc<dyn Connection>>,
    ) -> Arc<Self> {
        Self::make(runtime, Way::One(dialer), clock, first)
    }

    /// Makes a caller of several servers: calls move on when one of them fails.
    pub fn routed(runtime: Handle, routes: Arc<dyn Routes>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Self::make(runtime, Way::Many(routes), clock, None)
    }

    fn make(runtime: Handle, way: Way, clock: Arc<dyn Clock>, first: Option<Arc<dyn Connection>>) -> Arc<Self> {
        let mut id_prefix = crate::ids::random_uuid();
        id_prefix.truncate(18);
        Arc::new(Self {
            runtime,
            way,
            clock,
            current: Mutex::new(first.map(Link::new)),
            sessions: Mutex::default(),
            dialling: AsyncMutex::new(()),
            tasks: TaskTracker::new(),
            session_tasks: TaskTracker::new(),
            closed: AtomicBool::new(false),
            id_prefix,
            calls: AtomicU64::new(0),
        })
    }

    /// Submits a call with one request message, encoded here and now; its events go to the queue.
    ///
    /// # Errors
    ///
    /// CODEC if the value does not fit the request type; RPC for a deadline that is past and for metadata that
    /// the limits or reserved keys forbid; INVALID_ARGUMENT if the method takes a stream of requests; LIMIT if the
    /// queue is full; CLOSED. Nothing is sent then.
    pub fn start<S: Source>(
        self: &Arc<Self>,
        submission: &Submission<'_>,
        source: &mut S,
        value: &S::Value,
    ) -> Result<Arc<ClientCall>> {
        let call = self.prepare(submission, false)?.submit(submission.queue, source, value)?;
        Ok(self.launch(call, submission))
    }

    /// Submits a call whose request is encoded already, in the encoding of the negotiated mode.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    pub fn start_raw(self: &Arc<Self>, submission: &Submission<'_>, payload: &[u8]) -> Result<Arc<ClientCall>> {
        let call = self.prepare(submission, false)?.submit_raw(submission.queue, payload)?;
        Ok(self.launch(call, submission))
    }

    /// Submits a client-stream or bidi call; its requests follow.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    pub fn open(self: &Arc<Self>, submission: &Submission<'_>) -> Result<Arc<ClientCall>> {
        let call = self.prepare(submission, true)?.submit_open(submission.queue)?;
        Ok(self.launch(call, submission))
    }

    /// Opens a session of a service; failures come with its calls and its last event.
    ///
    /// # Errors
    ///
    /// CLOSED, LIMIT if the queue is full.
    pub fn open_session(
        self: &Arc<Self>,
        plan: &Arc<ServicePlan>,
        choice: &Choice,
        queue: &Arc<Queue>,
    ) -> Result<Arc<ClientSession>> {
        self.check_open()?;
        let session = ClientSession::open(self.next_id(), queue)?;
        let ticket = session.ticket();
        lock(&self.sessions).insert(ticket, Arc::downgrade(&session));
        let (caller, plan, terms) = (self.clone(), plan.clone(), Terms::new(choice, None));
        let run = session_client::run(self.clone(), session.clone(), plan, terms);
        let task = async move {
            run.await;
            lock(&caller.sessions).remove(&ticket);
        };
        self.session_tasks.spawn_on(task, &self.runtime);
        Ok(session)
    }

    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "client is closed"));
        }
        Ok(())
    }

    /// Returns an id for a call or session that nobody else has.
    pub fn next_id(&self) -> String {
        format!("{}-{:x}", self.id_prefix, self.calls.fetch_add(1, Ordering::Relaxed))
    }

    fn prepare(&self, submission: &Submission<'_>, open: bool) -> Result<CallRequest> {
        let Submission { plan, method, choice, options, session, .. } = *submission;
        self.check_open()?;
        let method_plan = plan
            .methods()
            .get(method)
            .ok_or_else(|| Error::new(ErrorKind::InvalidArgument, "no method at this position"))?;
        if method_plan.description.pattern.streams_input() != open {
            return Err(Error::new(ErrorKind::InvalidArgument, "the method's pattern has another form of call"));
        }
        if let Some(session) = session {
            session.check_room()?;
        }
        let remaining = match (options.timeout, method_plan.timeout_ms) {
            (Timeout::Never, _) | (Timeout::Declared, None) => None,
            (Timeout::Declared, Some(ms)) => Some(ms),
            (Timeout::Millis(ms), _) => match u64::try_from(ms) {
                Ok(ms) if ms > 0 => Some(ms),
                _ => return Err(Error::rpc(wire::deadline_exceeded())),
            },
        };
        let terms = Terms::new(choice, options.mode);
        let method_name = method_plan.description.name.clone();
        let call_id = options.call_id.clone().unwrap_or_else(|| self.next_id());
        let metadata = metadata::outgoing(&options.metadata)?;
        let header = match session {
            Some(_) => Header::Call(CallHeader { method: method_name, call_id, deadline_epoch_ms: 0, metadata }),
            None => Header::Stream(StreamHeader {
                service: plan.name().to_owned(),
                method: method_name,
                version: plan.version(),
                call_id,
                deadline_epoch_ms: 0,
                serialization_mode: terms.mode.number(),
                metadata,
            }),
        };
        Ok(CallRequest {
            plan: plan.clone(),
            method,
            // A session has the mode of its header.
            mode: if session.is_some() { choice.mode } else { terms.mode },
            encoding: terms.encoding,
            compression: metadata::compression_threshold(&options.metadata),
            form: terms.form,
            deadline: remaining.and_then(|ms| Instant::now().checked_add(Duration::from_millis(ms))),
            header,
            credit: options.credit,
            keeps: matches!(self.way, Way::Many(_)),
            signal: session.map_or_else(Arc::default, |session| session.signal().clone()),
        })
    }

    fn launch(self: &Arc<Self>, call: Arc<ClientCall>, submission: &Submission<'_>) -> Arc<ClientCall> {
        match submission.session {
            Some(session) => session.enqueue(call.clone()),
            None => {
                let (caller, call) = (self.clone(), call.clone());
                submission.queue.submit(Errand::Start(Box::new(move || {
                    let (tasks, runtime) = (caller.tasks.clone(), caller.runtime.clone());
                    let work = async move {
                        match &caller.way {
                            Way::One(_) => exchange::run(&caller, call).await,
                            Way::Many(routes) => failover::run(routes.as_ref(), call).await,
                        }
                    };
                    tasks.spawn_on(work, &runtime);
                })));
            }
        }
        call
    }

    /// Ends sessions, closes the connection and waits until every call has ended. Idempotent.
    pub async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.tasks.close();
        let sessions: Vec<_> = lock(&self.sessions).values().filter_map(Weak::upgrade).collect();
        sessions.iter().for_each(|session| session.close());
        self.session_tasks.close();
        let _ = tokio::time::timeout(limits::CLOSE_FLUSH, self.session_tasks.wait()).await;
        if let Some(link) = self.current_link() {
            link.connection.close(wire::CLOSE_NORMAL, wire::CLIENT_CLOSE_TEXT);
        }
        let _ = tokio::time::timeout(limits::CLOSE_FLUSH, self.tasks.wait()).await;
    }

    /// Lets go of the shared connection: its calls and sessions end, the next call dials.
    pub fn disconnect(&self) {
        let link = lock(&self.current).take();
        if let Some(link) = link {
            link.connection.close(wire::CLOSE_NORMAL, wire::CLIENT_CLOSE_TEXT);
        }
    }

    /// Tells whether the connection that was there has ended.
    pub fn is_down(&self) -> bool {
        self.current_link().is_some_and(|link| link.connection.close_cause().is_some())
    }

    fn current_link(&self) -> Option<Arc<Link>> {
        lock(&self.current).clone()
    }

    /// Returns the wall clock in milliseconds.
    pub(crate) fn now(&self) -> i64 {
        self.clock.epoch_ms()
    }

    /// Returns the shared connection, dialled again if it was lost.
    pub(crate) async fn link(&self) -> Result<Arc<Link>, Failure> {
        let dialer = match &self.way {
            Way::One(dialer) => dialer,
            Way::Many(routes) => return failover::link(routes.as_ref()).await,
        };
        let usable = |link: &Arc<Link>| link.connection.close_cause().is_none();
        if let Some(link) = self.current_link().filter(usable) {
            return Ok(link);
        }
        // Held while dialling, so that many calls on a lost connection dial once.
        let _dialling = self.dialling.lock().await;
        if let Some(link) = self.current_link().filter(usable) {
            return Ok(link);
        }
        if self.closed.load(Ordering::Acquire) {
            return Err(Failure::lost("closed"));
        }
        let closed = self.current_link().and_then(|link| link.connection.close_cause());
        if closed.is_some_and(|cause| cause.code == Some(wire::CLOSE_NOT_ADMITTED.into())) {
            dialer.readmit().await.map_err(|error| undialled(&error))?;
        }
        let dialled = dialer.dial().await.map_err(|error| undialled(&error))?;
        let link = Link::new(dialled);
        *lock(&self.current) = Some(link.clone());
        Ok(link)
    }
}

/// Returns why a call ends whose server could not be dialled.
fn undialled(error: &Error) -> Failure {
    match error.kind() {
        ErrorKind::AdmissionDenied => wire::not_admitted().into(),
        _ => Failure::lost(error.message()),
    }
}
