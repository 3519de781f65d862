//! The server's task of one stream: header, checks, and the call of a shared service.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use tracing::debug;

use super::alarm::Alarm;
use super::budget::{Queued, Share};
use super::call::{ActiveCall, Input};
use super::checks::{self, OpenedCall, OpenedStream, Refused};
use super::dispatcher::{Scope, Service, YOUNG};
use super::session;
use super::stream::{FrameStream, ReadError};
use super::transport::{BiStream, StreamError};
use crate::engine::{Body, CallInfo, ServerCall, ServerSession, Signal, next_ticket};
use crate::frame::{self, Frame, FrameKind};
use crate::limits;
use crate::status::{RpcStatus, StatusCode};
use crate::wire::{self, Form, Mode, StreamHeader};

/// Serves one stream of a client until it is closed and its handler has returned.
pub(crate) async fn serve_stream(scope: Arc<Scope>, stream: BiStream, id: u64, signal: Arc<Signal>) {
    let mut driver = Driver::new(scope.clone(), stream, signal);
    driver.io.share_budget(Share::new(scope.budget.clone(), id));
    driver.run().await;
    scope.dismiss(id);
}

/// What happened on a stream.
pub(crate) enum Step {
    /// A frame arrived.
    Frame(Frame),
    /// The client ended its direction.
    InputEnded,
    /// Its bytes are no frames, or late.
    ReadFailed(ReadError),
    /// The client stopped ours, or the connection ended.
    Stopped,
    /// The host acted, or the server orders to stop.
    Host,
    /// The instant waited for has come.
    TimedOut,
}

/// The task of one stream.
pub(crate) struct Driver {
    pub(crate) io: FrameStream,
    pub(crate) scope: Arc<Scope>,
    pub(crate) signal: Arc<Signal>,
    pub(crate) form: Form,
    alarm: Alarm,
    answer_waits: bool,
    /// Whether the host was served last: then input comes first, so that a fast producer never hides a cancellation.
    input_first: bool,
}

impl Driver {
    fn new(scope: Arc<Scope>, stream: BiStream, signal: Arc<Signal>) -> Self {
        let io = FrameStream::new(stream);
        Self { io, scope, signal, form: Form::Binary, alarm: Alarm::default(), answer_waits: false, input_first: false }
    }

    /// Waits for the next thing to happen, flushing what is queued meanwhile.
    pub(crate) async fn step(&mut self, reading: bool, until: Option<Instant>) -> Step {
        poll_fn(|cx| {
            if !self.scope.is_live() {
                return Poll::Ready(Step::Stopped);
            }
            if self.io.holds_back() && self.signal.poll_raised(cx) {
                self.io.let_go();
                self.input_first = true;
                return Poll::Ready(Step::Host);
            }
            let flushed = match self.io.poll_flush(cx) {
                Poll::Ready(Ok(())) => true,
                Poll::Ready(Err(_)) => return Poll::Ready(Step::Stopped),
                Poll::Pending => false,
            };
            if std::mem::take(&mut self.input_first)
                && reading
                && let Poll::Ready(step) = self.poll_input(cx)
            {
                return Poll::Ready(step);
            }
            if self.signal.poll_raised(cx) || (self.answer_waits && flushed) {
                self.answer_waits = false;
                self.input_first = true;
                return Poll::Ready(Step::Host);
            }
            if reading && let Poll::Ready(step) = self.poll_input(cx) {
                return Poll::Ready(step);
            }
            self.poll_later(cx, until)
        })
        .await
    }

    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        self.io.poll_frame(cx).map(|read| match read {
            Ok(Some(frame)) => Step::Frame(frame),
            Ok(None) => Step::InputEnded,
            Err(ReadError::Stream(_)) => Step::Stopped,
            Err(error) => Step::ReadFailed(error),
        })
    }

    /// The rarer things: the deadline, and a client that goes away. Both are watched once the stream is a few
    /// milliseconds old, or if the deadline is that near, because watching costs more than a short call.
    fn poll_later(&mut self, cx: &mut Context<'_>, until: Option<Instant>) -> Poll<Step> {
        let near = until.is_some_and(|until| until.saturating_duration_since(Instant::now()) <= YOUNG);
        if !near && !self.signal.is_aged() {
            return Poll::Pending;
        }
        if self.io.poll_stopped(cx).is_ready() {
            return Poll::Ready(Step::Stopped);
        }
        self.alarm.poll(cx, until).map(|()| Step::TimedOut)
    }

    async fn run(&mut self) {
        match self.open().await {
            Ok(Some(mut opened)) => match opened.call.take() {
                Some(call) => self.serve_call(opened, call).await,
                // Boxed, so that the task of a single call stays small.
                None => Box::pin(session::serve(self, opened)).await,
            },
            Ok(None) => {}
            Err(Refused::With(status)) => self.refuse(&status, false).await,
            Err(Refused::NotAdmitted) => self.scope.close_not_admitted(),
        }
    }

    /// Reads and checks the header. `None`: there is nobody to answer, or the answer has been sent.
    async fn open(&mut self) -> Result<Option<OpenedStream>, Refused> {
        let until = Instant::now() + limits::FRAME_READ_TIMEOUT;
        self.io.limit_payload(limits::MAX_PROTOCOL_PAYLOAD);
        let frame = loop {
            match self.step(true, Some(until)).await {
                Step::Frame(frame) => break frame,
                Step::Stopped => return Ok(None),
                Step::InputEnded if !self.io.got_bytes() => {
                    self.close(false).await; // A stream without one byte is no call.
                    return Ok(None);
                }
                Step::InputEnded => return Err(wire::first_frame_without_header().into()),
                Step::ReadFailed(error) => return self.refuse_opening(&read_status(&error)).await,
                Step::TimedOut => return self.refuse_opening(&wire::frame_read_timed_out()).await,
                Step::Host => {}
            }
        };
        self.io.limit_payload(limits::MAX_BODY_SIZE);
        self.form = Form::of(&frame.payload);
        match frame::kind(frame.flags) {
            Ok(FrameKind::Header) => {}
            Ok(_) => {
                self.refuse(&wire::first_frame_without_header(), true).await;
                return Ok(None);
            }
            Err(flags) => {
                self.refuse(&wire::unexpected_frame(flags), true).await;
                return Ok(None);
            }
        }
        let header = StreamHeader::decode(&frame.payload).map_err(|e| e.to_status("StreamHeader"))?;
        checks::check_stream(&self.scope, header).map(Some)
    }

    /// Refuses a stream whose first frame did not arrive, in the form that this frame began with.
    async fn refuse_opening(&mut self, status: &RpcStatus) -> Result<Option<OpenedStream>, Refused> {
        self.form = Form::of(self.io.payload_start());
        self.refuse(status, true).await;
        Ok(None)
    }

    /// Sends a trailer, ends our direction and waits until it has left. A framing error stops the peer.
    pub(crate) async fn refuse(&mut self, status: &RpcStatus, framing: bool) {
        self.trailer(status);
        self.close(framing).await;
    }

    /// Queues a trailer.
    pub(crate) fn trailer(&mut self, status: &RpcStatus) {
        let mut frames = Vec::new();
        self.put_trailer(status, &mut frames);
        self.io.queue(frames);
    }

    fn put_trailer(&self, status: &RpcStatus, frames: &mut Vec<u8>) {
        if !status.is_ok() {
            debug!(target: "aster::rpc", code = status.code.0, message = %status.message, "call ended");
        }
        let start = frame::begin(frames);
        wire::encode_status(status, self.form, frames);
        // The limits of a status keep its frame far below the largest one.
        let _ = frame::end(frames, start, frame::TRAILER);
    }

    /// Ends our direction and waits until everything queued has left, or nobody takes it.
    pub(crate) async fn close(&mut self, framing: bool) {
        self.io.finish();
        let flushed = poll_fn(|cx| self.io.poll_flush(cx));
        let _ = tokio::time::timeout(limits::FRAME_READ_TIMEOUT, flushed).await;
        self.io.stop(if framing { wire::ABORT_PROTOCOL } else { wire::ABORT_DONE });
    }

    /// Makes the call of a checked header; the error is a full queue.
    pub(crate) fn begin(
        &self,
        service: &Service,
        mode: Mode,
        opened: OpenedCall,
        session: Option<Arc<ServerSession>>,
    ) -> Result<ActiveCall, RpcStatus> {
        let options = &self.scope.dispatcher.options;
        let pattern = service.plan.methods()[opened.method].description.pattern;
        let credit = if pattern.streams_input() { service.initial_credit } else { 0 };
        let info = CallInfo {
            ticket: next_ticket(),
            tag: service.tag,
            call_id: opened.call_id,
            peer: self.scope.peer,
            metadata: opened.metadata,
            attributes: opened.attributes,
            has_credential: opened.is_admitted,
            deadline: opened.deadline,
            objects: self.scope.connection.passes_objects(),
            session,
        };
        let call = ServerCall::new(
            info,
            service.plan.clone(),
            opened.method,
            mode,
            self.form,
            credit,
            service.queue.clone(),
            self.signal.clone(),
            options.expose_errors,
        );
        let window = self.scope.connection.window_bytes();
        ActiveCall::new(call, credit, window, options.handler_cap, options.max_stream_items)
            .map_err(|_| wire::too_many_streams(options.max_concurrent_streams))
    }

    async fn serve_call(&mut self, opened: OpenedStream, call: OpenedCall) {
        let mut active = match self.begin(&opened.service, opened.mode, call, None) {
            Ok(active) => active,
            Err(status) => return self.refuse(&status, false).await,
        };
        let mut input_over = false;
        loop {
            let ended = match self.step(!input_over && active.wants_input(), active.until()).await {
                Step::Frame(frame) => self.take_frames(&mut active, frame).err().map(Ended::With),
                Step::InputEnded => {
                    input_over = true;
                    match active.input {
                        Input::Ended => None,
                        _ => active.end_input().err().map(Ended::With),
                    }
                }
                Step::ReadFailed(error) => Some(Ended::Framing(read_status(&error))),
                Step::Stopped => Some(Ended::Gone),
                Step::TimedOut => Some(Ended::With(wire::deadline_exceeded())),
                Step::Host => self.host_step(&mut active, true),
            };
            match ended {
                None => {}
                Some(ended) => {
                    self.end_call(&mut active, ended).await;
                    break;
                }
            }
        }
        released(&self.signal, &active).await;
        drop(opened.slots);
    }

    /// Takes a frame of a call, and those that have arrived with it.
    fn take_frames(&mut self, active: &mut ActiveCall, frame: Frame) -> Result<(), RpcStatus> {
        let mut next = Some(frame);
        let mut taken = Ok(());
        while let Some(frame) = next {
            taken = shared_frame(active, frame, self.io.take_queued());
            next = (taken.is_ok() && active.wants_input()).then(|| self.io.arrived_frame()).flatten();
        }
        active.deliver_input();
        taken
    }

    async fn end_call(&mut self, active: &mut ActiveCall, ended: Ended) {
        match ended {
            Ended::Answered => {
                active.call.end(None);
                self.close(false).await;
            }
            Ended::With(status) => {
                active.cancel(status.code);
                self.refuse(&status, false).await;
            }
            Ended::Framing(status) => {
                active.cancel(status.code);
                self.refuse(&status, true).await;
            }
            Ended::Gone => {
                let lost = self.scope.connection.close_cause().is_some();
                active.cancel(if lost { StatusCode::UNAVAILABLE } else { StatusCode::CANCELLED });
                self.io.abort(wire::ABORT_CANCELLED);
            }
        }
    }

    /// Does what the host or the server asked for. `ok_trailer`: whether success ends with a trailer.
    pub(crate) fn host_step(&mut self, active: &mut ActiveCall, ok_trailer: bool) -> Option<Ended> {
        if let Some(status) = self.signal.take_stop() {
            return Some(Ended::With(status));
        }
        active.deliver_input();
        if self.io.pending() >= self.scope.connection.window_bytes() {
            self.answer_waits = true;
            return None;
        }
        let mut answer = active.call.take_answer();
        if !answer.frames.is_empty() {
            active.touch();
        }
        if let Some(status) = answer.status.as_ref().filter(|status| ok_trailer || !status.is_ok()) {
            self.put_trailer(status, &mut answer.frames); // The answer and its end leave in one write.
        }
        self.io.queue(answer.frames);
        if answer.writable {
            active.writable();
            self.io.hold_back();
        }
        answer.status.map(|_| Ended::Answered)
    }
}

/// Waits until the handler of a call has returned; its slot stays taken until then.
pub(crate) async fn released(signal: &Signal, active: &ActiveCall) {
    while !active.is_released() {
        poll_fn(|cx| if signal.poll_raised(cx) { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

/// How a call ends.
pub(crate) enum Ended {
    /// By its host; the answer is queued.
    Answered,
    /// By a status that the host did not give.
    With(RpcStatus),
    /// By bytes that are no frames.
    Framing(RpcStatus),
    /// By the client, or the connection.
    Gone,
}

fn shared_frame(active: &mut ActiveCall, frame: Frame, queued: Option<Queued>) -> Result<(), RpcStatus> {
    match frame::kind(frame.flags) {
        Ok(FrameKind::Data) => active.data(received_body(frame, queued)),
        Ok(FrameKind::RowSchema) => Ok(()),
        Ok(FrameKind::Cancel) => Err(wire::cancelled()),
        Ok(FrameKind::Trailer) => client_trailer(&frame.payload).and_then(|()| active.end_input()),
        Ok(FrameKind::Header | FrameKind::Call) | Err(_) => Err(wire::unexpected_frame(frame.flags)),
    }
}

/// Makes the body of a data frame; a large one counts against the connection's budget as long as it lives.
pub(crate) fn received_body(frame: Frame, queued: Option<Queued>) -> Body {
    let body = Body::new(frame.payload, frame.flags & frame::COMPRESSED != 0);
    match queued {
        Some(queued) => body.keeping(Arc::new(queued)),
        None => body,
    }
}

/// Reads the trailer that ends a client's input.
pub(crate) fn client_trailer(payload: &[u8]) -> Result<(), RpcStatus> {
    let status = wire::decode_status(payload).map_err(|_| wire::malformed_eoi())?;
    if status.is_ok() { Ok(()) } else { Err(wire::non_ok_eoi(status.code)) }
}

/// Returns the trailer for input that cannot be read.
pub(crate) fn read_status(error: &ReadError) -> RpcStatus {
    match error {
        ReadError::Framing(error) => RpcStatus::new(StatusCode::INTERNAL, error.to_string()),
        ReadError::TimedOut => wire::frame_read_timed_out(),
        ReadError::TooLong(got) => wire::payload_too_large("StreamHeader", *got),
        ReadError::Stream(StreamError::Aborted(_) | StreamError::Lost(_)) => wire::cancelled(),
    }
}
