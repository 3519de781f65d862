//! A call in the hands of the client's host.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use super::body::{self, BodyError, EncodeError, Encoding, Outgoing};
use super::queue::Ticketed;
use super::{Body, Event, MethodPlan, Queue, ServicePlan, Signal};
use crate::codec::{Sink, Source};
use crate::error::{Error, Result};
use crate::frame;
use crate::limits;
use crate::status::{RpcStatus, StatusCode};
use crate::wire::{self, Form, Mode, StreamHeader};

/// What a host may choose for one call.
#[derive(Clone, Debug, Default)]
pub struct CallOptions {
    /// When the call must have ended.
    pub timeout: Timeout,
    /// Metadata of the application.
    pub metadata: Vec<(String, String)>,
    /// Mode to use if the server lists it; `None`: negotiated.
    pub mode: Option<Mode>,
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

/// A submitted call. Its result arrives as exactly one terminal event with its ticket.
pub struct ClientCall {
    ticket: u64,
    plan: Arc<ServicePlan>,
    method: usize,
    mode: Mode,
    deadline: Option<Instant>,
    queue: Arc<Queue>,
    signal: Arc<Signal>,
    ended: AtomicBool,
    request: Mutex<Option<Request>>,
}

/// What is to be sent: complete, or with a header that still needs to be told the time that is left.
enum Request {
    Complete(Vec<u8>),
    Timed { header: Box<StreamHeader>, form: Form, body: Vec<u8> },
}

/// The parts of a call before it is sent.
pub(crate) struct CallRequest {
    pub(crate) plan: Arc<ServicePlan>,
    pub(crate) method: usize,
    pub(crate) mode: Mode,
    pub(crate) encoding: Encoding,
    pub(crate) form: Form,
    pub(crate) deadline: Option<Instant>,
    pub(crate) header: StreamHeader,
}

impl CallRequest {
    /// Encodes the request of a unary call and reserves its terminal event.
    pub(crate) fn submit<S: Source>(
        self,
        queue: &Arc<Queue>,
        source: &mut S,
        value: &S::Value,
    ) -> Result<Arc<ClientCall>> {
        let head = self.head()?;
        let root = self.plan.methods()[self.method].request;
        let frames = Outgoing::encode(head, self.plan.schema(), root, self.encoding, source, value);
        self.enroll(queue, frames)
    }

    /// Submits a request that is encoded already.
    pub(crate) fn submit_raw(self, queue: &Arc<Queue>, payload: &[u8]) -> Result<Arc<ClientCall>> {
        let frames = Outgoing::raw(self.head()?, payload, self.encoding);
        self.enroll(queue, frames)
    }

    /// Returns the HEADER frame, if it is known now; with a deadline it is made when the stream is open.
    fn head(&self) -> Result<Vec<u8>> {
        match self.deadline {
            None => header_frame(&self.header, self.form),
            Some(_) => Ok(Vec::new()),
        }
    }

    fn enroll(self, queue: &Arc<Queue>, frames: Result<Outgoing, EncodeError>) -> Result<Arc<ClientCall>> {
        let Outgoing(frames) = frames.map_err(|error| match error {
            EncodeError::Codec(error) => Error::codec(error.for_local_encode()),
            EncodeError::TooLarge => Error::codec(RpcStatus::new(
                StatusCode::RESOURCE_EXHAUSTED,
                format!("request exceeds limit of {} bytes", limits::MAX_BODY_SIZE),
            )),
        })?;
        queue.reserve(1)?;
        let request = match self.deadline {
            None => Request::Complete(frames),
            Some(_) => Request::Timed { header: Box::new(self.header), form: self.form, body: frames },
        };
        let call = Arc::new(ClientCall {
            ticket: super::next_ticket(),
            plan: self.plan,
            method: self.method,
            mode: self.mode,
            deadline: self.deadline,
            queue: queue.clone(),
            signal: Arc::default(),
            ended: AtomicBool::new(false),
            request: Mutex::new(Some(request)),
        });
        let weak: Weak<ClientCall> = Arc::downgrade(&call);
        queue.enroll(call.ticket, weak);
        Ok(call)
    }
}

fn header_frame(header: &StreamHeader, form: Form) -> Result<Vec<u8>> {
    let mut payload = Vec::with_capacity(128);
    header.encode(form, &mut payload);
    let mut frames = Vec::with_capacity(payload.len() + 256);
    frame::encode(frame::HEADER, &payload, &mut frames)
        .map_err(|error| Error::rpc(RpcStatus::new(StatusCode::RESOURCE_EXHAUSTED, error.to_string())))?;
    Ok(frames)
}

impl ClientCall {
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

    /// Cancels the call: it ends at once with CANCELLED, here and at the peer. Idempotent.
    pub fn cancel(&self) {
        self.finish(wire::cancelled(), false);
        self.signal.raise();
    }

    /// Delivers the terminal event, if none was delivered before.
    pub(crate) fn conclude(&self, event: Event) {
        if !self.ended.swap(true, Ordering::AcqRel) {
            self.queue.dismiss(self.ticket);
            self.queue.push(event);
        }
    }

    pub(crate) fn finish(&self, status: RpcStatus, connection_lost: bool) {
        self.conclude(Event::Finished { ticket: self.ticket, status, connection_lost });
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub(crate) fn signal(&self) -> &Arc<Signal> {
        &self.signal
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Takes the frames of the request, once. A deadline is told as the time that is left now.
    pub(crate) fn take_request(&self, now_epoch_ms: i64) -> Result<Vec<u8>, RpcStatus> {
        let request = self.request.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (request, self.deadline) {
            (Some(Request::Complete(frames)), _) => Ok(frames),
            (Some(Request::Timed { mut header, form, body }), Some(deadline)) => {
                let left = deadline.saturating_duration_since(Instant::now());
                wire::tell_deadline(&mut header, now_epoch_ms, left).ok_or_else(wire::deadline_exceeded)?;
                let mut frames = header_frame(&header, form).map_err(|error| error.to_status())?;
                frames.extend_from_slice(&body);
                Ok(frames)
            }
            _ => Ok(Vec::new()),
        }
    }
}

impl Ticketed for ClientCall {
    fn end(&self, status: RpcStatus) {
        self.finish(status, false);
        self.signal.raise();
    }
}
