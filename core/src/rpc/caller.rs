//! The client side of calls: submit, one task per call, dial again when the connection is gone.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::task::TaskTracker;

use super::stream::{FrameStream, ReadError};
use super::transport::{BiStream, CloseCause, Connection, Dialer, StreamError};
use crate::clock::Clock;
use crate::codec::Source;
use crate::contract::MethodPattern;
use crate::engine::{Body, CallOptions, CallRequest, ClientCall, Encoding, Event, Queue, ServicePlan, Timeout};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{self, Frame, FrameKind};
use crate::limits;
use crate::status::{RpcStatus, StatusCode};
use crate::wire::{self, Choice, Mode, StreamHeader, metadata};

/// Submits calls to one server over a connection that is shared and dialled again when it was lost.
pub struct Caller {
    runtime: Handle,
    dialer: Arc<dyn Dialer>,
    clock: Arc<dyn Clock>,
    current: Mutex<Option<Arc<dyn Connection>>>,
    dialling: AsyncMutex<()>,
    tasks: TaskTracker,
    closed: AtomicBool,
    id_prefix: String,
    calls: AtomicU64,
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
    /// Where the terminal event goes.
    pub queue: &'a Arc<Queue>,
}

/// The mode and forms of a call after negotiation.
struct Terms {
    mode: Mode,
    encoding: Encoding,
    form: wire::Form,
}

impl Terms {
    /// An override counts if the server lists it; JSON bodies go with a JSON header (`wire.md` section 11).
    fn new(choice: &Choice, wanted: Option<Mode>) -> Self {
        let mode = match wanted {
            Some(Mode::Json) => Mode::Json,
            _ => choice.mode,
        };
        match mode {
            Mode::Json => Self { mode, encoding: Encoding::Json, form: wire::Form::Json },
            _ => Self { mode, encoding: Encoding::Xlang, form: wire::Form::Binary },
        }
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
        let mut id_prefix = crate::ids::random_uuid();
        id_prefix.truncate(18);
        Arc::new(Self {
            runtime,
            dialer,
            clock,
            current: Mutex::new(first),
            dialling: AsyncMutex::new(()),
            tasks: TaskTracker::new(),
            closed: AtomicBool::new(false),
            id_prefix,
            calls: AtomicU64::new(0),
        })
    }

    /// Submits a unary call, encoded here and now; its terminal event goes to the queue.
    ///
    /// # Errors
    ///
    /// CODEC if the value does not fit the request type; RPC for a deadline that is past and for metadata that
    /// the limits or reserved keys forbid; LIMIT if the queue is full; CLOSED. Nothing is sent then.
    pub fn start<S: Source>(
        self: &Arc<Self>,
        submission: &Submission<'_>,
        source: &mut S,
        value: &S::Value,
    ) -> Result<Arc<ClientCall>> {
        let call = self.prepare(submission)?.submit(submission.queue, source, value)?;
        self.launch(call.clone());
        Ok(call)
    }

    /// Submits a unary call whose request is encoded already, in the encoding of the negotiated mode.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    pub fn start_raw(self: &Arc<Self>, submission: &Submission<'_>, payload: &[u8]) -> Result<Arc<ClientCall>> {
        let call = self.prepare(submission)?.submit_raw(submission.queue, payload)?;
        self.launch(call.clone());
        Ok(call)
    }

    fn prepare(&self, submission: &Submission<'_>) -> Result<CallRequest> {
        let Submission { plan, method, choice, options, .. } = *submission;
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "client is closed"));
        }
        let method_plan = plan
            .methods()
            .get(method)
            .ok_or_else(|| Error::new(ErrorKind::InvalidArgument, "no method at this position"))?;
        if method_plan.description.pattern != MethodPattern::Unary {
            return Err(Error::new(ErrorKind::Unsupported, "streaming calls are not in this version"));
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
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let header = StreamHeader {
            service: plan.name().to_owned(),
            method: method_plan.description.name.clone(),
            version: plan.version(),
            call_id: format!("{}-{number:x}", self.id_prefix),
            deadline_epoch_ms: 0,
            serialization_mode: terms.mode.number(),
            metadata: metadata::outgoing(&options.metadata)?,
        };
        Ok(CallRequest {
            plan: plan.clone(),
            method,
            mode: terms.mode,
            encoding: terms.encoding,
            form: terms.form,
            deadline: remaining.and_then(|ms| Instant::now().checked_add(Duration::from_millis(ms))),
            header,
        })
    }

    fn launch(self: &Arc<Self>, call: Arc<ClientCall>) {
        let caller = self.clone();
        let task = async move {
            let run = Run { caller: &caller, call: &call };
            if let Err(failure) = run.exchange().await {
                call.finish(failure.status, failure.connection_lost);
            }
        };
        self.tasks.spawn_on(task, &self.runtime);
    }

    /// Closes the connection and waits until every call has ended. Idempotent.
    pub async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        if let Some(connection) = self.open_connection() {
            connection.close(wire::CLOSE_NORMAL, wire::CLIENT_CLOSE_TEXT);
        }
        self.tasks.close();
        let _ = tokio::time::timeout(limits::CLOSE_FLUSH, self.tasks.wait()).await;
    }

    fn open_connection(&self) -> Option<Arc<dyn Connection>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the shared connection, dialled again if it was lost.
    async fn connection(&self) -> Result<Arc<dyn Connection>, Failure> {
        let usable = |connection: &Arc<dyn Connection>| connection.close_cause().is_none();
        if let Some(connection) = self.open_connection().filter(usable) {
            return Ok(connection);
        }
        // Held while dialling, so that many calls on a lost connection dial once.
        let _dialling = self.dialling.lock().await;
        if let Some(connection) = self.open_connection().filter(usable) {
            return Ok(connection);
        }
        if self.closed.load(Ordering::Acquire) {
            return Err(Failure::lost("closed"));
        }
        let dialled = self.dialer.dial().await.map_err(|error| Failure::lost(error.message()))?;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(dialled.clone());
        Ok(dialled)
    }
}

/// Why a call has no response.
struct Failure {
    status: RpcStatus,
    connection_lost: bool,
}

impl Failure {
    fn lost(reason: &str) -> Self {
        CloseCause::lost(reason).into()
    }
}

impl From<RpcStatus> for Failure {
    fn from(status: RpcStatus) -> Self {
        Self { status, connection_lost: false }
    }
}

impl From<CloseCause> for Failure {
    fn from(cause: CloseCause) -> Self {
        let status = cause.to_status();
        Self { connection_lost: status.code == StatusCode::UNAVAILABLE, status }
    }
}

/// One call on its way.
struct Run<'a> {
    caller: &'a Caller,
    call: &'a ClientCall,
}

impl Run<'_> {
    async fn exchange(&self) -> Result<(), Failure> {
        let deadline = self.call.deadline();
        let dialled = self.guard(deadline, limits::CONNECT_TIMEOUT, self.caller.connection()).await?;
        let Some(connection) = dialled.transpose()? else { return Ok(()) };
        let opened = self.guard(deadline, limits::STREAM_WAIT, connection.open_bi()).await?;
        let Some(stream) = opened.transpose()? else { return Ok(()) };
        self.talk(connection.as_ref(), stream).await
    }

    /// Runs a step before the stream is open. `None`: the call was cancelled meanwhile.
    async fn guard<T>(
        &self,
        deadline: Option<Instant>,
        at_most: Duration,
        step: impl Future<Output = T>,
    ) -> Result<Option<T>, Failure> {
        let mut step = pin!(step);
        let first = poll_fn(|cx| Poll::Ready(step.as_mut().poll(cx))).await;
        if let Poll::Ready(done) = first {
            return Ok(Some(done));
        }
        let bound = Instant::now() + at_most;
        let until = deadline.map_or(bound, |deadline| deadline.min(bound));
        let mut timer = pin!(tokio::time::sleep_until(until.into()));
        poll_fn(|cx| {
            if self.call.signal().poll_raised(cx) && self.call.is_ended() {
                return Poll::Ready(Ok(None));
            }
            if let Poll::Ready(done) = step.as_mut().poll(cx) {
                return Poll::Ready(Ok(Some(done)));
            }
            timer.as_mut().poll(cx).map(|()| {
                Err(match deadline {
                    Some(deadline) if deadline <= until => wire::deadline_exceeded().into(),
                    _ => Failure::lost("no answer in time"),
                })
            })
        })
        .await
    }

    async fn talk(&self, connection: &dyn Connection, stream: BiStream) -> Result<(), Failure> {
        let now = self.caller.clock.epoch_ms();
        let mut io = FrameStream::new(stream);
        io.queue(self.call.take_request(now)?);
        io.finish();
        let mut timer = self.call.deadline().map(|at| Box::pin(tokio::time::sleep_until(at.into())));
        let mut response: Option<Body> = None;
        loop {
            let step = poll_fn(|cx| {
                // A refused write is no news: the server's trailer, or the end of the connection, says why.
                let _ = io.poll_flush(cx);
                if self.call.signal().poll_raised(cx) && self.call.is_ended() {
                    return Poll::Ready(ClientStep::Cancelled);
                }
                if let Poll::Ready(read) = io.poll_frame(cx) {
                    return Poll::Ready(ClientStep::Read(read));
                }
                match &mut timer {
                    Some(timer) => timer.as_mut().poll(cx).map(|()| ClientStep::TimedOut),
                    None => Poll::Pending,
                }
            })
            .await;
            let outcome = match step {
                ClientStep::Cancelled => {
                    io.abort(wire::ABORT_CANCELLED);
                    return Ok(());
                }
                ClientStep::TimedOut => Err(wire::deadline_exceeded().into()),
                ClientStep::Read(Err(error)) => Err(read_failure(connection, error)),
                ClientStep::Read(Ok(None)) => {
                    Err(RpcStatus::new(StatusCode::UNAVAILABLE, "stream ended before trailer").into())
                }
                ClientStep::Read(Ok(Some(frame))) => unary_frame(frame, &mut response).map_err(Failure::from),
            };
            match outcome {
                Ok(None) => {}
                Ok(Some(body)) => {
                    self.call.conclude(Event::Response { ticket: self.call.ticket(), body });
                    // FIN mostly came along; reading it spares the server a STOP.
                    poll_fn(|cx| Poll::Ready(io.poll_frame(cx).is_ready())).await;
                    return Ok(());
                }
                Err(failure) => {
                    io.abort(wire::ABORT_CANCELLED);
                    return Err(failure);
                }
            }
        }
    }
}

enum ClientStep {
    Cancelled,
    TimedOut,
    Read(Result<Option<Frame>, ReadError>),
}

/// Takes one frame of a unary call's answer; the body comes out when its trailer says OK.
fn unary_frame(frame: Frame, response: &mut Option<Body>) -> Result<Option<Body>, RpcStatus> {
    let broken = |text: &str| RpcStatus::new(StatusCode::INTERNAL, text);
    match frame::kind(frame.flags) {
        Ok(FrameKind::Data) if response.is_some() => Err(broken("more than one response message")),
        Ok(FrameKind::Data) => {
            *response = Some(Body::new(frame.payload, frame.flags & frame::COMPRESSED != 0));
            Ok(None)
        }
        Ok(FrameKind::RowSchema) => Ok(None),
        Ok(FrameKind::Trailer) => {
            let status = wire::decode_status(&frame.payload).map_err(|_| broken("malformed trailer"))?;
            match (status.is_ok(), response.take()) {
                (true, Some(body)) => Ok(Some(body)),
                (true, None) => Err(broken("response message is missing")),
                (false, _) => Err(status),
            }
        }
        Ok(FrameKind::Header | FrameKind::Call | FrameKind::Cancel) | Err(_) => {
            Err(wire::unexpected_frame(frame.flags))
        }
    }
}

/// Returns why a call ends whose answer cannot be read (`wire.md` section 10).
fn read_failure(connection: &dyn Connection, error: ReadError) -> Failure {
    let unavailable = |text: String| RpcStatus::new(StatusCode::UNAVAILABLE, text).into();
    match error {
        ReadError::Framing(error) => RpcStatus::new(StatusCode::INTERNAL, error.to_string()).into(),
        ReadError::TimedOut => unavailable("frame read timed out".to_owned()),
        ReadError::TooLong(_) => RpcStatus::new(StatusCode::INTERNAL, "response is too long").into(),
        ReadError::Stream(StreamError::Lost(cause)) => cause.into(),
        ReadError::Stream(StreamError::Aborted(code)) => match connection.close_cause() {
            Some(cause) => cause.into(),
            None => unavailable(format!("stream reset by peer: {code}")),
        },
    }
}
