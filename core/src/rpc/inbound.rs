//! The client's view of an answer: items wait for credit, the end waits for the items (`wire.md` sections 7 and 16).

use std::collections::VecDeque;
use std::sync::Arc;

use super::budget::Queued;
use super::driver::received_body;
use super::stream::ReadError;
use super::transport::{CloseCause, Connection, StreamError};
use crate::engine::{Body, ClientCall, Event};
use crate::frame::{self, Frame, FrameKind};
use crate::status::{RpcStatus, StatusCode};
use crate::wire;

/// Why a call ends without a trailer.
#[derive(Clone)]
pub(crate) struct Failure {
    pub(crate) status: RpcStatus,
    pub(crate) connection_lost: bool,
}

impl Failure {
    pub(crate) fn lost(reason: &str) -> Self {
        CloseCause::lost(reason).into()
    }

    /// Returns why a call ends whose answer cannot be read (`wire.md` section 10).
    pub(crate) fn of_read(connection: &dyn Connection, error: ReadError) -> Self {
        let unavailable = |text: String| RpcStatus::new(StatusCode::UNAVAILABLE, text).into();
        match error {
            ReadError::Framing(error) => broken(&error.to_string()).into(),
            ReadError::TimedOut => unavailable("frame read timed out".to_owned()),
            ReadError::TooLong(_) => broken("response is too long").into(),
            ReadError::Stream(StreamError::Lost(cause)) => cause.into(),
            ReadError::Stream(StreamError::Aborted(code)) => match connection.close_cause() {
                Some(cause) => cause.into(),
                None => unavailable(format!("stream reset by peer: {code}")),
            },
        }
    }

    /// Returns why a call or session ends whose stream ended too early.
    pub(crate) fn early_end() -> Self {
        RpcStatus::new(StatusCode::UNAVAILABLE, "stream ended before trailer").into()
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

pub(crate) fn broken(text: &str) -> RpcStatus {
    RpcStatus::new(StatusCode::INTERNAL, text)
}

enum Ending {
    Response(Body),
    Finished(Failure),
}

/// The answer of one call as it arrives.
pub(crate) struct Inbound {
    pub(crate) call: Arc<ClientCall>,
    /// Whether the request is complete.
    pub(crate) input_ended: bool,
    streams_output: bool,
    /// Whether success ends with a trailer; else with the response itself.
    ok_trailer: bool,
    response: Option<Body>,
    backlog: VecDeque<Body>,
    backlog_bytes: usize,
    window: usize,
    ending: Option<Ending>,
    /// Whether the server has ended the call; it may have ended here before.
    complete: bool,
    /// Whether an item was handed over.
    has_delivered: bool,
}

impl Inbound {
    pub(crate) fn new(call: Arc<ClientCall>, ok_trailer: bool, window: usize) -> Self {
        let streams_output = call.method().description.pattern.streams_output();
        Self {
            call,
            input_ended: false,
            streams_output,
            ok_trailer: ok_trailer || streams_output,
            response: None,
            backlog: VecDeque::new(),
            backlog_bytes: 0,
            window,
            ending: None,
            complete: false,
            has_delivered: false,
        }
    }

    /// Tells whether frames may be read: the end is not known and nothing is buffered beyond the window.
    pub(crate) fn wants_frames(&self) -> bool {
        !self.complete && self.backlog_bytes < self.window
    }

    /// Tells whether the end of the answer is known.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Takes one frame.
    ///
    /// # Errors
    ///
    /// INTERNAL if it has no place in an answer.
    pub(crate) fn frame(&mut self, frame: Frame, queued: Option<Queued>) -> Result<(), RpcStatus> {
        match frame::kind(frame.flags) {
            Ok(FrameKind::Data) => self.data(received_body(frame, queued)),
            Ok(FrameKind::RowSchema) => Ok(()),
            Ok(FrameKind::Trailer) => self.trailer(&frame.payload),
            Ok(FrameKind::Header | FrameKind::Call | FrameKind::Cancel) | Err(_) => {
                Err(wire::unexpected_frame(frame.flags))
            }
        }
    }

    fn data(&mut self, body: Body) -> Result<(), RpcStatus> {
        if self.streams_output {
            self.backlog_bytes += body.wire_len();
            self.backlog.push_back(body);
        } else if !self.ok_trailer {
            self.end(Ending::Response(body));
        } else if self.response.replace(body).is_some() {
            return Err(broken("more than one response message"));
        }
        Ok(())
    }

    fn trailer(&mut self, payload: &[u8]) -> Result<(), RpcStatus> {
        let status = wire::decode_status(payload).map_err(|_| broken("malformed trailer"))?;
        self.complete = true;
        let ending = match (status.is_ok() && !self.streams_output, self.response.take()) {
            (true, Some(body)) => Ending::Response(body),
            (true, None) => return Err(broken("response message is missing")),
            (false, _) => Ending::Finished(status.into()),
        };
        self.end(ending);
        Ok(())
    }

    fn end(&mut self, ending: Ending) {
        self.complete = true;
        self.ending = Some(ending);
    }

    /// Ends the answer, after the items that arrived.
    pub(crate) fn fail(&mut self, failure: Failure) {
        self.end(Ending::Finished(failure));
    }

    /// Returns why the call failed, if it did before its first item: another server may answer it.
    pub(crate) fn setback(&self) -> Option<&Failure> {
        match &self.ending {
            Some(Ending::Finished(failure)) if !self.has_delivered && self.backlog.is_empty() => Some(failure),
            _ => None,
        }
    }

    /// Hands over items while there is credit, then the end. True once the call has ended.
    pub(crate) fn deliver(&mut self) -> bool {
        if !self.backlog.is_empty() {
            let delivered = self.call.deliver(&mut self.backlog);
            self.has_delivered |= delivered > 0;
            self.backlog_bytes = self.backlog_bytes.saturating_sub(delivered);
        }
        if self.backlog.is_empty() {
            match self.ending.take() {
                Some(Ending::Response(body)) => {
                    self.call.conclude(Event::Response { ticket: self.call.ticket(), body });
                }
                Some(Ending::Finished(Failure { status, connection_lost })) => {
                    self.call.finish(status, connection_lost);
                }
                None => {}
            }
        }
        self.call.is_ended()
    }
}
