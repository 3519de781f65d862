//! The client's task of one session stream: its calls, one after the other (`wire.md` section 8).

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use super::alarm::Alarm;
use super::budget::Share;
use super::caller::{Caller, Link, Terms};
use super::exchange::ClientStep;
use super::inbound::{Failure, Inbound};
use super::stream::FrameStream;
use super::transport::BiStream;
use crate::engine::{ClientSession, ServicePlan, next_ticket};
use crate::frame::{self, Frame, FrameKind};
use crate::limits;
use crate::status::{RpcStatus, StatusCode};
use crate::wire::{self, StreamHeader, metadata};

/// Runs a session from the stream to its last event.
pub(crate) async fn run(caller: Arc<Caller>, session: Arc<ClientSession>, plan: Arc<ServicePlan>, terms: Terms) {
    let ended = match open(&caller, &session).await {
        Ok(Some((link, stream))) => {
            let mut run = Session::new(&caller, &session, link, stream, terms);
            run.hello(&plan);
            run.serve().await
        }
        Ok(None) => Ok(()),
        Err(failure) => Err(failure),
    };
    match ended {
        Ok(()) => session.conclude(RpcStatus::ok(), false),
        Err(failure) => session.conclude(failure.status, failure.connection_lost),
    }
}

/// Opens the stream, while calls may wait, be cancelled and run out of time. `None`: the session was closed.
async fn open(caller: &Caller, session: &ClientSession) -> Result<Option<(Arc<Link>, BiStream)>, Failure> {
    let mut step = pin!(async {
        let link = caller.link().await?;
        let stream = link.connection.open_bi().await?;
        Ok::<_, Failure>((link, stream))
    });
    let until = Instant::now() + limits::CONNECT_TIMEOUT;
    let mut alarm = Alarm::default();
    loop {
        let next = session.next_deadline().map_or(until, |deadline| deadline.min(until));
        let opened = poll_fn(|cx| {
            if let Poll::Ready(done) = step.as_mut().poll(cx) {
                return Poll::Ready(Some(done.map(Some)));
            }
            if session.signal().poll_raised(cx) || alarm.poll(cx, Some(next)).is_ready() {
                return Poll::Ready(None);
            }
            Poll::Pending
        })
        .await;
        match opened {
            Some(done) => return done,
            None if session.is_closing() || session.is_ended() => return Ok(None),
            None if Instant::now() >= until => return Err(Failure::lost("no answer in time")),
            None => {}
        }
    }
}

struct Session<'a> {
    caller: &'a Caller,
    session: &'a ClientSession,
    link: Arc<Link>,
    io: FrameStream,
    terms: Terms,
    current: Option<Inbound>,
    /// Whether what arrives belongs to a call that was cancelled here, and until when its end must have come: the
    /// frame that cancels waits behind input that the handler does not read.
    discarding: Option<Instant>,
    outbox_waits: bool,
    alarm: Alarm,
}

impl<'a> Session<'a> {
    fn new(caller: &'a Caller, session: &'a ClientSession, link: Arc<Link>, stream: BiStream, terms: Terms) -> Self {
        let mut io = FrameStream::new(stream);
        io.share_budget(Share::new(link.budget.clone(), next_ticket()));
        Self {
            caller,
            session,
            link,
            io,
            terms,
            current: None,
            discarding: None,
            outbox_waits: false,
            alarm: Alarm::default(),
        }
    }

    fn hello(&mut self, plan: &ServicePlan) {
        let header = StreamHeader {
            service: plan.name().to_owned(),
            method: String::new(),
            version: plan.version(),
            call_id: self.session.id().to_owned(),
            deadline_epoch_ms: 0,
            serialization_mode: self.terms.mode.number(),
            metadata: metadata::of_session(self.terms.session_trailers),
        };
        let mut frames = Vec::with_capacity(256);
        let start = frame::begin(&mut frames);
        header.encode(self.terms.form, &mut frames);
        // Names are checked to be short when the service is described.
        let _ = frame::end(&mut frames, start, frame::HEADER);
        self.io.queue(frames);
    }

    /// Serves calls until the session ends. OK: this side closed it.
    async fn serve(&mut self) -> Result<(), Failure> {
        loop {
            if self.session.is_ended() {
                self.io.abort(wire::ABORT_CANCELLED);
                return Ok(());
            }
            if self.current.is_none() && self.discarding.is_none() {
                self.begin_next();
            }
            if self.session.is_closing() && self.current.is_none() {
                return self.say_goodbye().await;
            }
            match self.step().await {
                ClientStep::Host => self.host(),
                ClientStep::TimedOut => self.time_out()?,
                ClientStep::Read(Ok(Some(frame))) => self.frame(frame)?,
                ClientStep::Read(Ok(None)) => return self.lose(Failure::early_end()).await,
                ClientStep::Read(Err(error)) => {
                    let failure = Failure::of_read(self.link.connection.as_ref(), error);
                    return self.lose(failure).await;
                }
            }
        }
    }

    fn begin_next(&mut self) {
        while let Some(call) = self.session.next_call() {
            match call.take_outbox(self.caller.now()) {
                // Cancelled in this moment: the server never hears of it.
                Ok(outbox) if outbox.frames.is_empty() => {}
                Ok(outbox) => {
                    self.io.queue(outbox.frames);
                    let streams_input = call.method().description.pattern.streams_input();
                    if outbox.ended && streams_input {
                        self.io.queue(end_of_input(self.terms.form));
                    }
                    let mut inbound =
                        Inbound::new(call, self.terms.session_trailers, self.link.connection.window_bytes());
                    inbound.input_ended = outbox.ended;
                    self.current = Some(inbound);
                    return;
                }
                Err(status) => call.finish(status, false),
            }
        }
    }

    async fn step(&mut self) -> ClientStep {
        let reading = self.current.as_ref().is_none_or(Inbound::wants_frames);
        let running = self.current.as_ref().and_then(|inbound| inbound.call.deadline());
        let waiting = self.session.next_deadline();
        let until = [running, waiting, self.discarding].into_iter().flatten().min();
        poll_fn(|cx| {
            if self.io.holds_back() && self.session.signal().poll_raised(cx) {
                self.io.let_go();
                return Poll::Ready(ClientStep::Host);
            }
            let flushed = self.io.poll_flush(cx).is_ready();
            if self.session.signal().poll_raised(cx) || (self.outbox_waits && flushed) {
                self.outbox_waits = false;
                return Poll::Ready(ClientStep::Host);
            }
            if reading && let Poll::Ready(read) = self.io.poll_frame(cx) {
                return Poll::Ready(ClientStep::Read(read));
            }
            self.alarm.poll(cx, until).map(|()| ClientStep::TimedOut)
        })
        .await
    }

    /// Does what the host asked for.
    fn host(&mut self) {
        let Some(inbound) = &mut self.current else { return };
        if inbound.call.is_ended() || self.session.is_closing() {
            return self.cancel_current(wire::cancelled());
        }
        if inbound.deliver() {
            return self.settle();
        }
        if inbound.input_ended || inbound.is_complete() || self.io.is_refused() {
            return;
        }
        if self.io.pending() >= self.link.connection.window_bytes() {
            self.outbox_waits = true;
            return;
        }
        match inbound.call.take_outbox(self.caller.now()) {
            Ok(outbox) => {
                inbound.input_ended = outbox.ended;
                if !outbox.frames.is_empty() {
                    self.io.queue(outbox.frames);
                }
                if outbox.refills {
                    self.io.hold_back();
                }
                if outbox.ended {
                    self.io.queue(end_of_input(self.terms.form));
                }
            }
            Err(status) => self.cancel_current(status),
        }
    }

    fn time_out(&mut self) -> Result<(), Failure> {
        if self.discarding.is_some_and(|until| until <= Instant::now()) {
            self.io.abort(wire::ABORT_CANCELLED);
            return Err(RpcStatus::new(StatusCode::UNAVAILABLE, "a cancelled call of the session did not end").into());
        }
        let expired = |inbound: &Inbound| inbound.call.deadline().is_some_and(|deadline| deadline <= Instant::now());
        if self.current.as_ref().is_some_and(expired) {
            self.cancel_current(wire::deadline_exceeded());
        }
        Ok(())
    }

    /// Lets go of a call that has ended here: by its answer, or by a cancellation that the server has to hear of.
    fn settle(&mut self) {
        self.cancel_current(wire::cancelled());
    }

    /// Ends the running call here and at the server, unless the server has ended it; the session goes on.
    fn cancel_current(&mut self, status: RpcStatus) {
        let Some(inbound) = self.current.take() else { return };
        inbound.call.finish(status, false);
        if !inbound.is_complete() {
            let mut cancel = Vec::new();
            let _ = frame::encode(frame::CANCEL, &[], &mut cancel);
            self.io.queue(cancel);
            self.discarding = Some(Instant::now() + limits::CANCEL_ANSWER_WAIT);
        }
    }

    /// Takes one frame. The error is the end of the session.
    fn frame(&mut self, frame: Frame) -> Result<(), Failure> {
        let queued = self.io.take_queued();
        if self.discarding.is_some() {
            if frame::kind(frame.flags) == Ok(FrameKind::Trailer) {
                let status = wire::decode_status(&frame.payload).ok();
                let cancelled = status.is_some_and(|status| status.code == StatusCode::CANCELLED);
                // The legacy dialect answers every cancellation, and leaves other trailers out.
                if self.terms.session_trailers || cancelled {
                    self.discarding = None;
                }
            }
            return Ok(());
        }
        let Some(inbound) = &mut self.current else { return Err(self.unowed(&frame)) };
        match inbound.frame(frame, queued) {
            Ok(()) => {
                if inbound.deliver() {
                    self.settle();
                }
            }
            Err(status) => self.cancel_current(status),
        }
        Ok(())
    }

    /// Returns why the session ends with a frame that no call is owed.
    fn unowed(&mut self, frame: &Frame) -> Failure {
        self.io.abort(wire::ABORT_CANCELLED);
        match (frame::kind(frame.flags), wire::decode_status(&frame.payload)) {
            (Ok(FrameKind::Trailer), Ok(status)) if !status.is_ok() => status.into(),
            _ => wire::unexpected_frame(frame.flags).into(),
        }
    }

    /// The server, or the connection, is gone: the running call ends after the items that arrived.
    async fn lose(&mut self, failure: Failure) -> Result<(), Failure> {
        self.io.abort(wire::ABORT_CANCELLED);
        if let Some(inbound) = &mut self.current {
            if !inbound.is_complete() {
                inbound.fail(failure.clone());
            }
            while !inbound.deliver() {
                let deadline = inbound.call.deadline();
                let signal = self.session.signal();
                let late = poll_fn(|cx| match signal.poll_raised(cx) {
                    true => Poll::Ready(false),
                    false => self.alarm.poll(cx, deadline).map(|()| true),
                })
                .await;
                if late {
                    inbound.call.finish(wire::deadline_exceeded(), false);
                }
                if self.session.is_closing() || self.session.is_ended() {
                    inbound.call.finish(wire::cancelled(), false);
                }
            }
        }
        self.current = None;
        Err(failure)
    }

    /// Ends the stream and waits, for a moment, until the server has closed the session.
    async fn say_goodbye(&mut self) -> Result<(), Failure> {
        self.io.finish();
        let goodbye = async {
            loop {
                let read = poll_fn(|cx| {
                    let _ = self.io.poll_flush(cx);
                    self.io.poll_frame(cx)
                })
                .await;
                if !matches!(read, Ok(Some(_))) {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(limits::CLOSE_FLUSH, goodbye).await;
        self.io.abort(wire::ABORT_DONE);
        Ok(())
    }
}

/// Returns the trailer that ends the input of a call in a session.
fn end_of_input(form: wire::Form) -> Vec<u8> {
    let mut frames = Vec::new();
    let start = frame::begin(&mut frames);
    wire::encode_status(&RpcStatus::ok(), form, &mut frames);
    let _ = frame::end(&mut frames, start, frame::TRAILER);
    frames
}
