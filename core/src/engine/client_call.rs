//! A call in the hands of the client's host: request out, answer in, one terminal event.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Instant;

use super::body::{self, BodyError, EncodeError, Encoding, Outgoing, append};
use super::queue::Ticketed;
use super::{Body, Errand, Event, MethodPlan, Queue, ServicePlan, Signal};
use crate::codec::{Sink, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::frame;
use crate::limits;
use crate::status::{RpcStatus, StatusCode};
use crate::sync::lock;
use crate::wire::{self, CallHeader, Form, Mode, StreamHeader};

/// What a host may choose for one call.
#[derive(Clone, Debug)]
pub struct CallOptions {
    /// When the call must have ended.
    pub timeout: Timeout,
    /// Metadata of the application.
    pub metadata: Vec<(String, String)>,
    /// Mode to use if the server lists it; `None`: negotiated.
    pub mode: Option<Mode>,
    /// Id of the call; `None`: a new one. The attempts of one call share theirs.
    pub call_id: Option<String>,
    /// Items of a server-stream or bidi call that may arrive before the host grants more.
    pub credit: u32,
}

impl Default for CallOptions {
    fn default() -> Self {
        Self {
            timeout: Timeout::Declared,
            metadata: Vec::new(),
            mode: None,
            call_id: None,
            credit: limits::INITIAL_CREDIT,
        }
    }
}

/// How long a call may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timeout {
    /// As long as the method says.
    #[default]
    Declared,
    /// As long as it takes, whatever the method says.
    Never,
    /// This many milliseconds; 0 and less have passed already.
    Millis(i64),
}

/// A submitted call. Its end arrives as exactly one terminal event with its ticket.
pub struct ClientCall {
    ticket: u64,
    plan: Arc<ServicePlan>,
    method: usize,
    mode: Mode,
    encoding: Encoding,
    compression: i64,
    deadline: Option<Instant>,
    queue: Arc<Queue>,
    signal: Arc<Signal>,
    state: Mutex<State>,
}

struct State {
    /// A header that still needs to be told the time that is left; it precedes `out`.
    timed: Option<(Box<Header>, Form)>,
    /// Complete frames, one after the other.
    out: Vec<u8>,
    out_items: usize,
    input_ended: bool,
    wants_writable: bool,
    credit: u32,
    /// What the call began with, if it may begin again.
    kept: Option<Beginning>,
    /// Whether something of it went out.
    is_sent: bool,
    ended: bool,
}

/// Header and request of a call.
#[derive(Clone)]
struct Beginning {
    timed: Option<(Box<Header>, Form)>,
    out: Vec<u8>,
}

/// What opens a call: the header of its stream, or of itself in a session.
#[derive(Clone)]
pub(crate) enum Header {
    Stream(StreamHeader),
    Call(CallHeader),
}

/// The parts of a call before it is submitted.
pub(crate) struct CallRequest {
    pub(crate) plan: Arc<ServicePlan>,
    pub(crate) method: usize,
    pub(crate) mode: Mode,
    pub(crate) encoding: Encoding,
    pub(crate) compression: i64,
    pub(crate) form: Form,
    pub(crate) deadline: Option<Instant>,
    pub(crate) header: Header,
    pub(crate) credit: u32,
    /// Whether the call may begin again at another server.
    pub(crate) keeps: bool,
    pub(crate) signal: Arc<Signal>,
}

/// What the host has put into a call since the task of the stream looked last.
pub(crate) struct Outbox {
    /// Complete frames to be sent.
    pub(crate) frames: Vec<u8>,
    /// Whether nothing follows them.
    pub(crate) ended: bool,
    /// Whether the host waited for room and has been told of it.
    pub(crate) refills: bool,
}

impl Header {
    fn frame(&self, form: Form) -> Result<Vec<u8>> {
        let mut payload = Vec::with_capacity(128);
        let flags = match self {
            Self::Stream(header) => {
                header.encode(form, &mut payload);
                frame::HEADER
            }
            Self::Call(header) => {
                header.encode(form, &mut payload);
                frame::CALL
            }
        };
        let mut frames = Vec::with_capacity(payload.len() + 256);
        frame::encode(flags, &payload, &mut frames)
            .map_err(|error| Error::rpc(RpcStatus::new(StatusCode::RESOURCE_EXHAUSTED, error.to_string())))?;
        Ok(frames)
    }

    /// Writes the time that is left; `None` if there is none.
    fn tell_deadline(&mut self, now_epoch_ms: i64, deadline: Instant) -> Option<()> {
        let left = deadline.saturating_duration_since(Instant::now());
        let (epoch_ms, metadata) = match self {
            Self::Stream(header) => (&mut header.deadline_epoch_ms, &mut header.metadata),
            Self::Call(header) => (&mut header.deadline_epoch_ms, &mut header.metadata),
        };
        *epoch_ms = wire::tell_deadline(metadata, now_epoch_ms, left)?;
        Some(())
    }
}

impl CallRequest {
    /// Submits a call with its only request message, which is encoded here and now.
    pub(crate) fn submit<S: Source>(
        self,
        queue: &Arc<Queue>,
        source: &mut S,
        value: &S::Value,
    ) -> Result<Arc<ClientCall>> {
        let head = self.head()?;
        let root = self.plan.methods()[self.method].request;
        let frames = Outgoing::encode(head, self.plan.schema(), root, self.encoding, self.compression, source, value);
        self.enroll(queue, frames.map_err(refused_request)?.0, true)
    }

    /// Submits a call with its only request message, which is encoded already.
    pub(crate) fn submit_raw(self, queue: &Arc<Queue>, payload: &[u8]) -> Result<Arc<ClientCall>> {
        let frames = Outgoing::raw(self.head()?, payload, self.encoding, self.compression);
        self.enroll(queue, frames.map_err(refused_request)?.0, true)
    }

    /// Submits a call whose request messages follow.
    pub(crate) fn submit_open(self, queue: &Arc<Queue>) -> Result<Arc<ClientCall>> {
        let head = self.head()?;
        self.enroll(queue, head, false)
    }

    /// Returns the first frame, if it is known now; with a deadline it is made when the stream is open.
    fn head(&self) -> Result<Vec<u8>> {
        match self.deadline {
            None => self.header.frame(self.form),
            Some(_) => Ok(Vec::new()),
        }
    }

    fn enroll(self, queue: &Arc<Queue>, out: Vec<u8>, input_ended: bool) -> Result<Arc<ClientCall>> {
        let streams_output = self.plan.methods()[self.method].description.pattern.streams_output();
        let credit = if streams_output { self.credit.min(limits::MAX_CREDIT) } else { 0 };
        queue.reserve(1 + credit as usize)?;
        let timed = self.deadline.map(|_| (Box::new(self.header), self.form));
        let repeats = self.keeps && input_ended && self.plan.methods()[self.method].description.idempotent;
        let kept = repeats.then(|| Beginning { timed: timed.clone(), out: out.clone() });
        let state = State {
            timed,
            out,
            out_items: 0,
            input_ended,
            wants_writable: false,
            credit,
            kept,
            is_sent: false,
            ended: false,
        };
        let call = Arc::new(ClientCall {
            ticket: super::next_ticket(),
            plan: self.plan,
            method: self.method,
            mode: self.mode,
            encoding: self.encoding,
            compression: self.compression,
            deadline: self.deadline,
            queue: queue.clone(),
            signal: self.signal,
            state: Mutex::new(state),
        });
        let weak: Weak<ClientCall> = Arc::downgrade(&call);
        queue.enroll(call.ticket, weak);
        Ok(call)
    }
}

fn refused_request(error: EncodeError) -> Error {
    match error {
        EncodeError::Codec(error) => Error::codec(error.for_local_encode()),
        EncodeError::TooLarge => Error::codec(RpcStatus::new(
            StatusCode::RESOURCE_EXHAUSTED,
            format!("request exceeds limit of {} bytes", limits::MAX_BODY_SIZE),
        )),
    }
}

impl ClientCall {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Returns the ticket that its events carry.
    pub fn ticket(&self) -> u64 {
        self.ticket
    }

    /// Returns the service.
    pub fn plan(&self) -> &Arc<ServicePlan> {
        &self.plan
    }

    /// Returns the method.
    pub fn method(&self) -> &MethodPlan {
        &self.plan.methods()[self.method]
    }

    /// Decodes a response body into a host value.
    ///
    /// # Errors
    ///
    /// RPC with status INTERNAL or CONTRACT_VIOLATION if the body is not of the declared type.
    pub fn decode_response<K: Sink>(&self, body: &Body, sink: &mut K) -> Result<K::Value> {
        body.open(self.mode)
            .and_then(|(encoding, bytes)| {
                body::decode(self.plan.schema(), self.method().response, encoding, &bytes, sink)
            })
            .map_err(|error: BodyError| Error::rpc(error.for_response()))
    }

    /// Returns the bytes of a response body and their encoding, for hosts that decode later.
    ///
    /// # Errors
    ///
    /// RPC with status INTERNAL if the body cannot be expanded or has no known encoding.
    pub fn raw_response(&self, body: &Body) -> Result<(Encoding, Vec<u8>)> {
        body.open(self.mode)
            .map(|(encoding, bytes)| (encoding, bytes.into_owned()))
            .map_err(|error| Error::rpc(error.for_response()))
    }

    /// Sends one item of a client-stream or bidi call, encoded here and now.
    ///
    /// # Errors
    ///
    /// WOULD_BLOCK while the send window is full: [`Event::CallWritable`] follows. CANCELLED once the call has ended,
    /// STATE after
    /// [`end_input`](Self::end_input), CODEC if the value does not fit: the call goes on without it.
    pub fn send<S: Source>(&self, source: &mut S, value: &S::Value) -> Result<()> {
        self.put(|call| {
            let root = call.method().request;
            Outgoing::encode(Vec::new(), call.plan.schema(), root, call.encoding, call.compression, source, value)
        })
    }

    /// Sends one item as [`send`](Self::send) does, encoded already.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn send_raw(&self, payload: &[u8]) -> Result<()> {
        self.put(|call| Outgoing::raw(Vec::new(), payload, call.encoding, call.compression))
    }

    fn put(&self, encode: impl FnOnce(&Self) -> Result<Outgoing, EncodeError>) -> Result<()> {
        {
            let mut state = self.lock();
            if state.ended {
                return Err(Error::new(ErrorKind::Cancelled, "the call has ended"));
            }
            if state.input_ended {
                return Err(Error::new(ErrorKind::State, "the input of the call has ended"));
            }
            if state.out_items >= limits::SEND_WINDOW_ITEMS || state.out.len() >= limits::WINDOW_BYTES {
                if !state.wants_writable {
                    self.queue.reserve(1)?;
                    state.wants_writable = true;
                }
                return Err(Error::new(ErrorKind::WouldBlock, "the send window is full"));
            }
        }
        let Outgoing(frames) = encode(self).map_err(refused_request)?;
        let mut state = self.lock();
        if !state.ended {
            state.out_items += 1;
            append(&mut state.out, frames);
        }
        drop(state);
        self.signal.raise();
        Ok(())
    }

    /// Ends the input of a client-stream or bidi call. Idempotent.
    pub fn end_input(&self) {
        self.lock().input_ended = true;
        self.queue.submit(Errand::Raise(self.signal.clone()));
    }

    /// Allows `items` more items of a server-stream or bidi call.
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
        self.queue.submit(Errand::Raise(self.signal.clone()));
        Ok(())
    }

    /// Cancels the call: it ends at once with CANCELLED, here and at the peer. Idempotent.
    pub fn cancel(&self) {
        self.finish(wire::cancelled(), false);
        self.signal.raise();
    }

    /// Delivers as many items as there is credit for and returns their bytes; once the call has ended they go
    /// nowhere.
    pub(crate) fn deliver(&self, items: &mut VecDeque<Body>) -> usize {
        let mut state = self.lock();
        if state.ended {
            return items.drain(..).map(|body| body.wire_len()).sum();
        }
        let count = items.len().min(state.credit as usize);
        state.credit -= count as u32;
        let mut bytes = 0;
        let events = items.drain(..count).map(|body| {
            bytes += body.wire_len();
            Event::Item { ticket: self.ticket, body }
        });
        // Under the lock, so that no item follows a terminal event.
        self.queue.push_all(events);
        bytes
    }

    /// Delivers the terminal event, if none was delivered before.
    pub(crate) fn conclude(&self, event: Event) {
        let mut state = self.lock();
        if std::mem::replace(&mut state.ended, true) {
            return;
        }
        state.out = Vec::new();
        state.timed = None;
        state.kept = None;
        let unused =
            std::mem::take(&mut state.credit) as usize + usize::from(std::mem::take(&mut state.wants_writable));
        self.queue.unreserve(unused);
        self.queue.dismiss(self.ticket);
        self.queue.push(event);
    }

    pub(crate) fn finish(&self, status: RpcStatus, connection_lost: bool) {
        self.conclude(Event::Finished { ticket: self.ticket, status, connection_lost });
    }

    /// Makes the call begin again, at another server: it was not sent yet, or may be sent twice. False if it cannot.
    pub(crate) fn rewind(&self) -> bool {
        let mut state = self.lock();
        if state.ended {
            return false;
        }
        if state.is_sent {
            let Some(Beginning { timed, out }) = state.kept.clone() else { return false };
            (state.timed, state.out, state.is_sent) = (timed, out, false);
        }
        true
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.lock().ended
    }

    pub(crate) fn signal(&self) -> &Arc<Signal> {
        &self.signal
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Takes what is to be sent, its first frame first. A deadline is told as the time that is left now.
    pub(crate) fn take_outbox(&self, now_epoch_ms: i64) -> Result<Outbox, RpcStatus> {
        let mut state = self.lock();
        state.is_sent = true;
        let mut frames = Vec::new();
        if let (Some((mut header, form)), Some(deadline)) = (state.timed.take(), self.deadline) {
            header.tell_deadline(now_epoch_ms, deadline).ok_or_else(wire::deadline_exceeded)?;
            frames = header.frame(form).map_err(|error| error.to_status())?;
        }
        append(&mut frames, std::mem::take(&mut state.out));
        state.out_items = 0;
        let refills = std::mem::take(&mut state.wants_writable);
        if refills {
            self.queue.push(Event::CallWritable { ticket: self.ticket });
        }
        Ok(Outbox { frames, ended: state.input_ended, refills })
    }
}

impl Ticketed for ClientCall {
    fn end(&self, status: RpcStatus) {
        self.finish(status, false);
        self.signal.raise();
    }
}
