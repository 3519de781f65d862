//! The server's task of one session stream: calls one after the other (`wire.md` section 8).

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::Poll;

use super::call::{ActiveCall, Input};
use super::checks::{self, OpenedStream, Refused};
use super::driver::{Driver, Ended, Step, client_trailer, read_status, received_body, released};
use crate::contract::MethodPattern;
use crate::engine::{Event, ServerSession, next_ticket};
use crate::frame::{self, Frame, FrameKind};
use crate::limits;
use crate::status::{RpcStatus, StatusCode};
use crate::wire::{self, CallHeader};

/// Events of a session beside those of its calls: opened and closed.
const EVENT_SLOTS: usize = 2;

/// Serves the calls of a session until it ends; its close event comes after its last handler returned.
pub(crate) async fn serve(driver: &mut Driver, opened: OpenedStream) {
    let service = &opened.service;
    if service.queue.reserve(EVENT_SLOTS).is_err() {
        let limit = driver.scope.dispatcher.options.max_sessions_per_connection;
        return driver.refuse(&wire::too_many_sessions(limit), false).await;
    }
    let session = Arc::new(ServerSession {
        id: next_ticket(),
        name: opened.id.clone(),
        tag: service.tag,
        peer: driver.scope.peer,
        plan: service.plan.clone(),
        signal: driver.signal.clone(),
        released: AtomicBool::new(false),
    });
    service.queue.push(Event::SessionOpened { session: session.clone() });
    let mut machine = Session { opened: &opened, session: session.clone(), call: None, used: false, waiting: None };
    let clean = machine.run(driver).await;
    // The last handler may still run.
    if let Some(current) = machine.call.take() {
        released(&driver.signal, &current.active).await;
    }
    service.queue.push(Event::SessionClosed { session: session.clone() });
    let hook = async {
        while !session.is_released() {
            poll_fn(|cx| if driver.signal.poll_raised(cx) { Poll::Ready(()) } else { Poll::Pending }).await;
        }
    };
    if clean {
        // A client that ended the session waits a moment for the close hook.
        let mut hook = pin!(hook);
        let in_time = tokio::time::timeout(limits::CLOSE_FLUSH, &mut hook).await.is_ok();
        driver.io.finish();
        let _ = tokio::time::timeout(limits::FRAME_READ_TIMEOUT, poll_fn(|cx| driver.io.poll_flush(cx))).await;
        driver.io.stop(wire::ABORT_DONE);
        if !in_time {
            hook.await;
        }
    } else {
        hook.await;
    }
}

struct Session<'a> {
    opened: &'a OpenedStream,
    session: Arc<ServerSession>,
    /// The running call, or the last one until its handler has returned.
    call: Option<Current>,
    /// Whether a CALL frame was seen: late frames of an ended call are discarded only then.
    used: bool,
    /// A CALL frame that waits for the handler of the call before it.
    waiting: Option<Frame>,
}

struct Current {
    active: ActiveCall,
    running: bool,
}

/// How the session ends.
enum End {
    /// The client ended it, or is gone: nothing is owed.
    Clean,
    /// It is broken: the client is told, and stopped.
    Broken(RpcStatus),
    /// The server ends it.
    Told(RpcStatus),
}

impl Session<'_> {
    /// Runs the calls. True: the client ended the session, and its direction is still open.
    async fn run(&mut self, driver: &mut Driver) -> bool {
        let end = loop {
            if let Some(frame) = self.next_waiting() {
                match self.begin_call(driver, &frame) {
                    Ok(()) => {}
                    Err(end) => break end,
                }
                continue;
            }
            let running = self.running();
            let reading = self.waiting.is_none() && running.is_none_or(|active| active.wants_input());
            let until = self.running().and_then(ActiveCall::until);
            let step = driver.step(reading, until).await;
            let next = match step {
                Step::Frame(frame) => self.frame(driver, frame),
                Step::InputEnded => break self.finish_input(driver).await,
                Step::ReadFailed(error) => Err(End::Broken(read_status(&error))),
                Step::Stopped => {
                    let lost = driver.scope.connection.close_cause().is_some();
                    self.cancel(if lost { StatusCode::UNAVAILABLE } else { StatusCode::CANCELLED });
                    driver.io.abort(wire::ABORT_CANCELLED);
                    return false;
                }
                Step::TimedOut => {
                    self.fail(driver, wire::deadline_exceeded());
                    Ok(())
                }
                Step::Host => self.host(driver),
            };
            if let Err(end) = next {
                break end;
            }
        };
        match end {
            End::Clean => return true,
            End::Broken(status) => {
                self.cancel(status.code);
                driver.refuse(&status, true).await;
            }
            End::Told(status) => {
                self.cancel(status.code);
                driver.refuse(&status, false).await;
            }
        }
        false
    }

    fn running(&self) -> Option<&ActiveCall> {
        self.call.as_ref().filter(|current| current.running).map(|current| &current.active)
    }

    /// Returns the CALL frame that waited, once the handler before it has returned.
    fn next_waiting(&mut self) -> Option<Frame> {
        if self.call.as_ref().is_some_and(|current| current.running || !current.active.is_released()) {
            return None;
        }
        self.waiting.take()
    }

    fn frame(&mut self, driver: &mut Driver, frame: Frame) -> Result<(), End> {
        let kind = frame::kind(frame.flags).map_err(|flags| End::Broken(wire::unexpected_frame(flags)))?;
        match kind {
            FrameKind::Call => {
                if let Some(active) = self.running() {
                    let status = match active.input {
                        Input::Due => wire::call_before_request(),
                        _ => wire::call_during_call(),
                    };
                    self.fail(driver, status);
                }
                self.used = true;
                self.waiting = Some(frame);
                Ok(())
            }
            FrameKind::Cancel => {
                if self.running().is_some() || !self.opened.session_trailers {
                    self.fail(driver, wire::cancelled());
                }
                Ok(())
            }
            FrameKind::Header => Err(End::Broken(wire::unexpected_frame(frame.flags))),
            _ if !self.used => Err(End::Broken(wire::expected_call_frame())),
            FrameKind::RowSchema => Ok(()),
            FrameKind::Data | FrameKind::Trailer => {
                let Some(current) = self.call.as_mut().filter(|current| current.running) else {
                    return Ok(()); // Late input of an ended call.
                };
                let taken = if kind == FrameKind::Data {
                    let taken = current.active.data(received_body(frame, driver.io.take_queued()));
                    current.active.deliver_input();
                    taken
                } else {
                    client_trailer(&frame.payload).and_then(|()| current.active.end_input())
                };
                if let Err(status) = taken {
                    self.fail(driver, status);
                }
                Ok(())
            }
        }
    }

    /// Ends the running call with a trailer that its host did not give; the session goes on.
    fn fail(&mut self, driver: &mut Driver, status: RpcStatus) {
        self.cancel(status.code);
        driver.trailer(&status);
    }

    fn cancel(&mut self, reason: StatusCode) {
        if let Some(current) = self.call.as_mut().filter(|current| current.running) {
            current.running = false;
            current.active.cancel(reason);
        }
    }

    fn begin_call(&mut self, driver: &mut Driver, frame: &Frame) -> Result<(), End> {
        self.call = None;
        let header = CallHeader::decode(&frame.payload).map_err(|e| End::Broken(e.to_status("CallHeader")))?;
        let service = &self.opened.service;
        let begun = checks::check_session_call(&driver.scope, service, header).and_then(|call| {
            driver.begin(service, self.opened.mode, call, Some(self.session.clone())).map_err(Refused::With)
        });
        match begun {
            Ok(active) => self.call = Some(Current { active, running: true }),
            Err(Refused::With(status)) => driver.trailer(&status),
            Err(Refused::NotAdmitted) => {
                driver.scope.close_not_admitted();
                return Err(End::Clean);
            }
        }
        Ok(())
    }

    fn host(&mut self, driver: &mut Driver) -> Result<(), End> {
        let trailers = self.opened.session_trailers;
        let Some(current) = self.call.as_mut().filter(|current| current.running) else {
            if let Some(status) = driver.signal.take_stop() {
                return Err(End::Told(status));
            }
            return match driver.scope.dispatcher.is_draining() && self.waiting.is_none() {
                true => Err(End::Told(wire::server_draining())),
                false => Ok(()),
            };
        };
        let pattern = current.active.call.method().description.pattern;
        let ok_trailer = trailers || matches!(pattern, MethodPattern::ServerStream | MethodPattern::BidiStream);
        match driver.host_step(&mut current.active, ok_trailer) {
            None => {}
            Some(Ended::Answered) => {
                current.running = false;
                current.active.call.end(None);
                if driver.scope.dispatcher.is_draining() {
                    return Err(End::Told(wire::server_draining()));
                }
            }
            Some(Ended::With(status)) => {
                let shutdown = status.code == StatusCode::UNAVAILABLE;
                self.fail(driver, status);
                if shutdown {
                    return Err(End::Clean);
                }
            }
            Some(Ended::Framing(_) | Ended::Gone) => {}
        }
        Ok(())
    }

    /// The client ended its direction: a call with complete input finishes, another is cancelled.
    async fn finish_input(&mut self, driver: &mut Driver) -> End {
        let complete = |active: &ActiveCall| {
            active.input == Input::Ended
                || (active.input == Input::Open && !active.call.method().description.pattern.streams_input())
        };
        while let Some(active) = self.running() {
            if !complete(active) {
                self.cancel(StatusCode::CANCELLED);
                break;
            }
            let until = active.until();
            let next = match driver.step(false, until).await {
                Step::Host => self.host(driver),
                Step::TimedOut => {
                    self.fail(driver, wire::deadline_exceeded());
                    Ok(())
                }
                Step::Stopped => {
                    self.cancel(StatusCode::CANCELLED);
                    break;
                }
                _ => Ok(()),
            };
            if let Err(end) = next {
                return end;
            }
        }
        End::Clean
    }
}
