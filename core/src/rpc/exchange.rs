//! The client's task of one call on a shared service: its own stream (`wire.md` section 7).

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::alarm::Alarm;
use super::budget::Share;
use super::caller::{Caller, Link};
use super::inbound::{Failure, Inbound, broken};
use super::stream::{FrameStream, ReadError};
use super::transport::BiStream;
use crate::engine::{ClientCall, next_ticket};
use crate::frame::Frame;
use crate::limits;
use crate::status::RpcStatus;
use crate::wire;

/// What becomes of a call that a server fails.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// It ends.
    Only,
    /// It may go on elsewhere, as long as nothing of the answer was handed over, and after this time of dialling.
    MayMove(Duration),
}

/// Time in which a server that may be replaced acknowledges that a call arrived, or else is given up.
const SILENCE: Duration = Duration::from_secs(2);

/// Runs a call from the stream to its terminal event.
pub(crate) async fn run(caller: &Caller, call: Arc<ClientCall>) {
    if let Some(failure) = attempt(caller, &call, Attempt::Only).await {
        call.finish(failure.status, failure.connection_lost);
    }
}

/// Runs a call at one server. `Some`: it has not ended yet, because the server could not be reached or, if the call
/// may move, failed it.
pub(crate) async fn attempt(caller: &Caller, call: &Arc<ClientCall>, attempt: Attempt) -> Option<Failure> {
    let deadline = call.deadline();
    let opened = async {
        let cancelled = |cx: &Context<'_>| call.signal().poll_raised(cx) && call.is_ended();
        let patience = match attempt {
            Attempt::Only => limits::CONNECT_TIMEOUT,
            Attempt::MayMove(patience) => patience,
        };
        let link = guard(deadline, patience, caller.link(), cancelled).await?;
        let Some(link) = link.transpose()? else { return Ok(None) };
        let stream = guard(deadline, limits::STREAM_WAIT, link.connection.open_bi(), cancelled).await?;
        let Some(stream) = stream.transpose()? else { return Ok(None) };
        Ok::<_, Failure>(Some((link, stream)))
    };
    match opened.await {
        Ok(Some((link, stream))) => Exchange::new(caller, link, stream, call.clone(), attempt).talk().await,
        Ok(None) => None,
        Err(failure) => Some(failure),
    }
}

/// Runs a step before the stream is open, at most until the deadline. `None`: the call was cancelled meanwhile.
pub(crate) async fn guard<T>(
    deadline: Option<Instant>,
    at_most: Duration,
    step: impl Future<Output = T>,
    cancelled: impl Fn(&Context<'_>) -> bool,
) -> Result<Option<T>, Failure> {
    let mut step = pin!(step);
    let mut alarm = Alarm::default();
    let mut until = None;
    poll_fn(|cx| {
        if let Poll::Ready(done) = step.as_mut().poll(cx) {
            return Poll::Ready(Ok(Some(done)));
        }
        if cancelled(cx) {
            return Poll::Ready(Ok(None));
        }
        // No timer for a step that is done at once.
        let until = *until.get_or_insert_with(|| {
            let bound = Instant::now() + at_most;
            deadline.map_or(bound, |deadline| deadline.min(bound))
        });
        alarm.poll(cx, Some(until)).map(|()| {
            Err(match deadline {
                Some(deadline) if deadline <= until => wire::deadline_exceeded().into(),
                _ => Failure::lost("no answer in time"),
            })
        })
    })
    .await
}

/// What happened on a stream of the client.
pub(crate) enum ClientStep {
    /// A frame, or the end of the answer.
    Read(Result<Option<Frame>, ReadError>),
    /// The host acted.
    Host,
    /// The instant waited for has come.
    TimedOut,
}

/// The call of one stream.
struct Exchange<'a> {
    caller: &'a Caller,
    link: Arc<Link>,
    io: FrameStream,
    call: Arc<ClientCall>,
    alarm: Alarm,
    outbox_waits: bool,
    may_move: bool,
    watch: Option<Watch>,
}

/// A look-out for signs of life of a server that may be replaced.
struct Watch {
    datagrams: u64,
    until: Instant,
}

impl<'a> Exchange<'a> {
    fn new(caller: &'a Caller, link: Arc<Link>, stream: BiStream, call: Arc<ClientCall>, attempt: Attempt) -> Self {
        let mut io = FrameStream::new(stream);
        io.share_budget(Share::new(link.budget.clone(), next_ticket()));
        let may_move = attempt != Attempt::Only;
        let alarm = Alarm::default();
        let mut exchange = Self { caller, link, io, call, alarm, outbox_waits: false, may_move, watch: None };
        if may_move {
            exchange.watch = exchange.look_out();
        }
        exchange
    }

    /// Begins to look out; `None` if the transport does not tell.
    fn look_out(&self) -> Option<Watch> {
        let datagrams = self.link.connection.datagrams_received()?;
        Some(Watch { datagrams, until: Instant::now() + SILENCE })
    }

    /// Tells whether the server has been silent since the look-out began, which begins again if it was not: a
    /// connection without traffic is kept alive, and tells by that.
    fn is_silent(&mut self) -> bool {
        match (&self.watch, self.look_out()) {
            (Some(watch), Some(now)) if watch.until <= Instant::now() => {
                let silent = watch.datagrams == now.datagrams;
                self.watch = Some(Watch { until: now.until + limits::KEEP_ALIVE, ..now });
                silent
            }
            _ => false,
        }
    }

    async fn talk(mut self) -> Option<Failure> {
        let mut inbound = Inbound::new(self.call.clone(), true, self.link.connection.window_bytes());
        let mut aborted = self.send_outbox(&mut inbound).map_err(Failure::from);
        while aborted.is_ok() {
            let step = self.step(inbound.wants_frames()).await;
            aborted = match step {
                ClientStep::Host if self.call.is_ended() => {
                    self.io.abort(wire::ABORT_CANCELLED);
                    return None;
                }
                ClientStep::Host => self.send_outbox(&mut inbound).map_err(Failure::from),
                ClientStep::TimedOut if self.is_late() => Err(wire::deadline_exceeded().into()),
                ClientStep::TimedOut if self.is_silent() => {
                    // Its other calls need not find out by themselves.
                    self.link.connection.close(wire::CLOSE_NORMAL, wire::CLIENT_CLOSE_TEXT);
                    inbound.fail(Failure::lost("no sign of life"));
                    Ok(())
                }
                ClientStep::TimedOut => Ok(()),
                ClientStep::Read(Ok(Some(frame))) => self.read(&mut inbound, frame).map_err(Failure::from),
                ClientStep::Read(Ok(None)) => {
                    inbound.fail(Failure::early_end());
                    Ok(())
                }
                ClientStep::Read(Err(error)) => {
                    inbound.fail(Failure::of_read(self.link.connection.as_ref(), error));
                    Ok(())
                }
            };
            if aborted.is_ok()
                && self.may_move
                && let Some(failure) = inbound.setback()
            {
                self.io.abort(wire::ABORT_CANCELLED);
                return Some(failure.clone());
            }
            if aborted.is_ok() && inbound.deliver() {
                // Cancelled meanwhile, or answered: FIN mostly came along, and reading it spares the server a STOP.
                poll_fn(|cx| Poll::Ready(self.io.poll_frame(cx).is_ready())).await;
                if !inbound.input_ended {
                    self.io.abort(wire::ABORT_DONE);
                }
                return None;
            }
        }
        if let Err(failure) = aborted {
            self.io.abort(wire::ABORT_CANCELLED);
            self.call.finish(failure.status, failure.connection_lost);
        }
        None
    }

    fn is_late(&self) -> bool {
        self.call.deadline().is_some_and(|deadline| deadline <= Instant::now())
    }

    /// Takes a frame, and those that have arrived with it.
    fn read(&mut self, inbound: &mut Inbound, frame: Frame) -> Result<(), RpcStatus> {
        let mut next = Some(frame);
        while let Some(frame) = next {
            inbound.frame(frame, self.io.take_queued())?;
            next = inbound.wants_frames().then(|| self.io.arrived_frame()).flatten();
        }
        if !inbound.is_complete() {
            return Ok(());
        }
        let after = self.io.poll_frame(&mut Context::from_waker(Waker::noop()));
        match after {
            Poll::Ready(Ok(Some(_))) => Err(broken("a frame follows the trailer")),
            _ => Ok(()),
        }
    }

    /// Sends what the host has put in, if the window has room.
    fn send_outbox(&mut self, inbound: &mut Inbound) -> Result<(), RpcStatus> {
        if self.io.is_refused() {
            return Ok(()); // The host finds its window full until the answer, which is on its way, ends the call.
        }
        if self.io.pending() >= self.link.connection.window_bytes() {
            self.outbox_waits = true;
            return Ok(());
        }
        let outbox = self.call.take_outbox(self.caller.now())?;
        if !outbox.frames.is_empty() {
            self.io.queue(outbox.frames);
        }
        if outbox.refills {
            self.io.hold_back();
        }
        if outbox.ended {
            inbound.input_ended = true;
            self.io.finish();
        }
        Ok(())
    }

    async fn step(&mut self, reading: bool) -> ClientStep {
        let deadline = match (self.call.deadline(), self.watch.as_ref().map(|watch| watch.until)) {
            (Some(deadline), Some(until)) => Some(deadline.min(until)),
            (deadline, until) => deadline.or(until),
        };
        poll_fn(|cx| {
            if self.io.holds_back() && self.call.signal().poll_raised(cx) {
                self.io.let_go();
                return Poll::Ready(ClientStep::Host);
            }
            // A refused write is no news: the server's trailer, or the end of the connection, says why.
            let flushed = self.io.poll_flush(cx).is_ready();
            if self.call.signal().poll_raised(cx) || (self.outbox_waits && flushed) {
                self.outbox_waits = false;
                return Poll::Ready(ClientStep::Host);
            }
            if reading && let Poll::Ready(read) = self.io.poll_frame(cx) {
                return Poll::Ready(ClientStep::Read(read));
            }
            self.alarm.poll(cx, deadline).map(|()| ClientStep::TimedOut)
        })
        .await
    }
}
