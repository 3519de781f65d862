//! A call in the hands of the server's host: request in, answer out, released once.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use super::body::{self, BodyError, EncodeError, Encoding, Outgoing, append};
use super::{Body, Errand, MethodPlan, Queue, ServerSession, ServicePlan, Signal};
use crate::codec::{Sink, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::EndpointId;
use crate::limits;
use crate::status::{RpcStatus, StatusCode};
use crate::sync::lock;
use crate::wire::{self, Form, Mode};

/// Room for the frames of a small answer, its trailer included.
const FRAME_ROOM: usize = 256;

/// What is known of a call when it starts.
pub struct CallInfo {
    /// Ticket of the call.
    pub ticket: u64,
    /// Tag that its service was registered with.
    pub tag: u64,
    /// The client's id of the call, or a random one.
    pub call_id: String,
    /// The peer; `None` in process.
    pub peer: Option<EndpointId>,
    /// Metadata of the application, last value of a repeated key.
    pub metadata: Vec<(String, String)>,
    /// Attributes that admission granted.
    pub attributes: Arc<Vec<(String, String)>>,
    /// Whether the peer was admitted by a credential.
    pub has_credential: bool,
    /// When the call must have ended.
    pub deadline: Option<Instant>,
    /// Whether bodies stand for objects of this program.
    pub objects: bool,
    /// Session of the call.
    pub session: Option<Arc<ServerSession>>,
}

/// A started call. Answer it with [`reply`](Self::reply) or [`finish`](Self::finish), and release it once.
pub struct ServerCall {
    info: CallInfo,
    plan: Arc<ServicePlan>,
    method: usize,
    mode: Mode,
    form: Form,
    queue: Arc<Queue>,
    signal: Arc<Signal>,
    expose_errors: bool,
    state: Mutex<State>,
}

struct State {
    encoding: Option<Encoding>,
    /// Complete frames, one after the other.
    out: Vec<u8>,
    out_items: usize,
    status: Option<RpcStatus>,
    answered: bool,
    ended: bool,
    cancelled: Option<StatusCode>,
    released: bool,
    credit: u32,
    wants_writable: bool,
    compression: i64,
}

/// What the host has put into a call since the task of the stream looked last.
pub(crate) struct Answer {
    /// Complete frames to be sent.
    pub(crate) frames: Vec<u8>,
    /// The status to end with.
    pub(crate) status: Option<RpcStatus>,
    /// Whether the host waits for [`super::Event::Writable`].
    pub(crate) writable: bool,
}

impl ServerCall {
    #[expect(clippy::too_many_arguments, reason = "made in one place, each part has its own name there")]
    pub(crate) fn new(
        info: CallInfo,
        plan: Arc<ServicePlan>,
        method: usize,
        mode: Mode,
        form: Form,
        credit: u32,
        queue: Arc<Queue>,
        signal: Arc<Signal>,
        expose_errors: bool,
    ) -> Arc<Self> {
        let state = State {
            encoding: None,
            out: Vec::new(),
            out_items: 0,
            status: None,
            answered: false,
            ended: false,
            cancelled: None,
            released: false,
            credit,
            wants_writable: false,
            compression: limits::COMPRESSION_THRESHOLD as i64,
        };
        queue.enter();
        Arc::new(Self { info, plan, method, mode, form, queue, signal, expose_errors, state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Returns the ticket.
    pub fn ticket(&self) -> u64 {
        self.info.ticket
    }

    /// Returns what is known of the call.
    pub fn info(&self) -> &CallInfo {
        &self.info
    }

    /// Returns the service.
    pub fn plan(&self) -> &Arc<ServicePlan> {
        &self.plan
    }

    /// Returns the position of the method in its service.
    pub fn method_index(&self) -> usize {
        self.method
    }

    /// Returns the method.
    pub fn method(&self) -> &MethodPlan {
        &self.plan.methods()[self.method]
    }

    /// Returns the mode that the client asked for.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Returns why the call was cancelled, once it was.
    pub fn cancelled(&self) -> Option<StatusCode> {
        self.lock().cancelled
    }

    /// Tells whether the host, or core in its place, has ended the call.
    pub fn is_answered(&self) -> bool {
        self.lock().answered
    }

    /// Decodes a request body into a host value. `None`: the body is refused, core has answered and released
    /// the call, the host forgets it.
    pub fn decode_request<K: Sink>(&self, body: &Body, sink: &mut K) -> Option<K::Value> {
        let decoded = self.open(body).and_then(|(encoding, bytes)| {
            body::decode(self.plan.schema(), self.method().request, encoding, &bytes, sink)
        });
        decoded.map_err(|error| self.refuse(&error)).ok()
    }

    /// Returns the bytes of a request body and their encoding, for hosts that decode later. `None` as in
    /// [`decode_request`](Self::decode_request).
    pub fn raw_request(&self, body: &Body) -> Option<(Encoding, Vec<u8>)> {
        self.open(body)
            .map(|(encoding, bytes)| (encoding, bytes.into_owned()))
            .map_err(|error| self.refuse(&error))
            .ok()
    }

    fn open<'b>(&self, body: &'b Body) -> Result<(Encoding, std::borrow::Cow<'b, [u8]>), BodyError> {
        let (encoding, bytes) = body.open(self.mode).map_err(|error| match error {
            BodyError::Native if !self.info.has_credential => BodyError::NativeForbidden,
            other => other,
        })?;
        self.lock().encoding.get_or_insert(encoding);
        Ok((encoding, bytes))
    }

    /// Ends the call because of its input. A running handler is told by the task of the stream.
    fn refuse(&self, error: &BodyError) {
        let status = error.for_request();
        if self.method().description.pattern.streams_input() {
            self.signal.stop(status);
            return;
        }
        let mut state = self.lock();
        state.status.get_or_insert(status);
        state.answered = true;
        drop(state);
        self.release();
    }

    /// Returns the encoding of answers: that of the first request body, else what the header suggests.
    pub fn encoding(&self) -> Encoding {
        self.lock().encoding.unwrap_or(match (self.mode, self.form) {
            (Mode::Json, _) | (_, Form::Json) => Encoding::Json,
            _ => Encoding::Xlang,
        })
    }

    /// Compresses answers longer than `threshold` bytes; -1: none.
    pub fn compress_above(&self, threshold: i64) {
        self.lock().compression = threshold;
    }

    fn compression(&self) -> i64 {
        self.lock().compression
    }

    /// Answers a unary or client-stream call: response and OK, in one write. A value that does not fit its
    /// type ends the call with INTERNAL.
    ///
    /// # Errors
    ///
    /// CODEC if the value does not fit (the caller has been answered), STATE if the call was answered before.
    pub fn reply<S: Source>(&self, source: &mut S, value: &S::Value) -> Result<()> {
        self.answer(Some(RpcStatus::ok()), |call, encoding| {
            Outgoing::encode(
                Vec::with_capacity(FRAME_ROOM),
                call.plan.schema(),
                call.method().response,
                encoding,
                call.compression(),
                source,
                value,
            )
        })
    }

    /// Answers as [`reply`](Self::reply) does, with bytes that are encoded already.
    ///
    /// # Errors
    ///
    /// CODEC if the bytes do not fit a frame, STATE if the call was answered before.
    pub fn reply_raw(&self, payload: &[u8]) -> Result<()> {
        self.answer(Some(RpcStatus::ok()), |call, encoding| {
            Outgoing::raw(Vec::with_capacity(FRAME_ROOM), payload, encoding, call.compression())
        })
    }

    /// Sends one item of a server-stream or bidi call.
    ///
    /// # Errors
    ///
    /// WOULD_BLOCK while the send window is full: [`super::Event::Writable`] follows. CANCELLED once the call was
    /// cancelled. CODEC, STATE as above.
    pub fn send<S: Source>(&self, source: &mut S, value: &S::Value) -> Result<()> {
        self.answer(None, |call, encoding| {
            Outgoing::encode(
                Vec::with_capacity(FRAME_ROOM),
                call.plan.schema(),
                call.method().response,
                encoding,
                call.compression(),
                source,
                value,
            )
        })
    }

    /// Sends one item as [`send`](Self::send) does, with bytes that are encoded already.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn send_raw(&self, payload: &[u8]) -> Result<()> {
        self.answer(None, |call, encoding| {
            Outgoing::raw(Vec::with_capacity(FRAME_ROOM), payload, encoding, call.compression())
        })
    }

    fn answer(
        &self,
        status: Option<RpcStatus>,
        encode: impl FnOnce(&Self, Encoding) -> Result<Outgoing, EncodeError>,
    ) -> Result<()> {
        let single = !self.method().description.pattern.streams_output();
        if single != status.is_some() {
            return Err(Error::new(ErrorKind::State, "the method's pattern has another form of answer"));
        }
        {
            let mut state = self.lock();
            if state.answered {
                return Err(Error::new(ErrorKind::State, "the call has been answered"));
            }
            if state.ended {
                // Answers are ignored; a sender of many items has to stop.
                return if single { Ok(()) } else { Err(Error::new(ErrorKind::Cancelled, "the call has ended")) };
            }
            let full = state.out_items >= limits::SEND_WINDOW_ITEMS || state.out.len() >= limits::WINDOW_BYTES;
            if !single && full {
                if !state.wants_writable {
                    self.queue.reserve(1)?;
                    state.wants_writable = true;
                }
                return Err(Error::new(ErrorKind::WouldBlock, "the send window is full"));
            }
        }
        match encode(self, self.encoding()) {
            Ok(Outgoing(frames)) => {
                let mut state = self.lock();
                state.out_items += 1;
                append(&mut state.out, frames);
                if status.is_some() {
                    state.answered = true;
                    state.status = status;
                    drop(state);
                    self.submit();
                } else {
                    drop(state);
                    // Leaves while the host makes the next one.
                    self.signal.raise();
                }
                Ok(())
            }
            Err(error) => {
                let status = match &error {
                    EncodeError::Codec(error) => error.for_response_encode(),
                    EncodeError::TooLarge => wire::response_too_large(),
                };
                self.set_status(status.clone());
                Err(Error::codec(status))
            }
        }
    }

    /// Ends the call with a status: any failure, or OK for the end of a stream.
    ///
    /// # Errors
    ///
    /// STATE if the call was answered before.
    pub fn finish(&self, status: RpcStatus) -> Result<()> {
        let status = if status.is_ok() && !self.method().description.pattern.streams_output() {
            RpcStatus::new(StatusCode::INTERNAL, "call finished without a response")
        } else {
            status
        };
        if self.set_status(status) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::State, "the call has been answered"))
    }

    /// Ends the call because its handler failed without a status. `text` reaches the caller only if the server
    /// exposes errors (`wire.md` section 10).
    ///
    /// # Errors
    ///
    /// STATE if the call was answered before.
    pub fn fail(&self, text: &str) -> Result<()> {
        let message =
            if self.expose_errors { text.to_owned() } else { format!("internal error; call id {}", self.info.call_id) };
        self.finish(
            RpcStatus::new(StatusCode::UNKNOWN, message)
                .with_details([("call_id".to_owned(), self.info.call_id.clone())]),
        )
    }

    fn set_status(&self, status: RpcStatus) -> bool {
        let mut state = self.lock();
        if state.answered {
            return false;
        }
        state.answered = true;
        state.status = Some(status);
        drop(state);
        self.submit();
        true
    }

    /// Allows `items` more request items.
    ///
    /// # Errors
    ///
    /// LIMIT if more than 65 536 would be outstanding, or the queue is full.
    pub fn grant(&self, items: u32) -> Result<()> {
        let mut state = self.lock();
        if state.ended {
            return Ok(());
        }
        let total = state.credit.saturating_add(items);
        if total > limits::MAX_CREDIT {
            return Err(Error::limit("credit", limits::MAX_CREDIT as usize, total as usize));
        }
        self.queue.reserve(items as usize)?;
        state.credit = total;
        drop(state);
        self.submit();
        Ok(())
    }

    /// Tells that the handler has returned; frees the slot of the call. An unanswered call ends with INTERNAL.
    pub fn release(&self) {
        let mut state = self.lock();
        if state.released {
            return;
        }
        state.released = true;
        if !state.answered {
            state.answered = true;
            state.status = Some(wire::call_dropped());
        }
        drop(state);
        self.queue.leave();
        self.submit();
    }

    /// Lets the task of the stream look at what the host did.
    fn submit(&self) {
        self.queue.submit(Errand::Raise(self.signal.clone()));
    }

    pub(crate) fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    /// Takes what the host has put in, at most one window of frames.
    pub(crate) fn take_answer(&self) -> Answer {
        let mut state = self.lock();
        let frames = std::mem::take(&mut state.out);
        state.out_items = 0;
        Answer {
            frames,
            status: if state.ended { None } else { state.status.take() },
            writable: std::mem::take(&mut state.wants_writable),
        }
    }

    /// Marks the call as over: answers are ignored from here. True the first time.
    pub(crate) fn end(&self, cancelled: Option<StatusCode>) -> bool {
        let mut state = self.lock();
        if state.ended {
            return false;
        }
        state.ended = true;
        state.cancelled = cancelled;
        state.out.clear();
        state.status = None;
        if std::mem::take(&mut state.wants_writable) {
            self.queue.unreserve(1);
        }
        true
    }

    pub(crate) fn is_released(&self) -> bool {
        self.lock().released
    }

    /// Uses credit for at most `items` and returns for how many there was.
    pub(crate) fn take_credit(&self, items: usize) -> usize {
        let mut state = self.lock();
        let count = items.min(state.credit as usize);
        state.credit -= count as u32;
        count
    }

    /// Returns the credit that is left and takes it away.
    pub(crate) fn drain_credit(&self) -> u32 {
        std::mem::take(&mut self.lock().credit)
    }
}

impl Drop for ServerCall {
    fn drop(&mut self) {
        if !self.is_released() {
            self.queue.leave(); // It never started.
        }
    }
}
