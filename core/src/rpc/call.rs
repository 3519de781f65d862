//! One call in the task of its stream: its events, its input with credit, its timers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::{Body, Event, ServerCall};
use crate::error::Result;
use crate::status::{RpcStatus, StatusCode};
use crate::wire;

/// Slots of a call beside its credit: started, half-closed, cancelled.
const EVENT_SLOTS: usize = 3;

/// Where the input of a call stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    /// A unary or server-stream call waits for its request.
    Due,
    /// More may come.
    Open,
    /// The client ended it.
    Ended,
}

/// A call and what its stream's task knows of it.
pub(crate) struct ActiveCall {
    pub(crate) call: Arc<ServerCall>,
    pub(crate) input: Input,
    started: bool,
    slots: usize,
    backlog: VecDeque<Body>,
    backlog_bytes: usize,
    window: usize,
    half_closed_sent: bool,
    items: u64,
    max_items: u64,
    cap: Duration,
    cap_until: Option<Instant>,
}

impl ActiveCall {
    /// Reserves the events of a call; a client-stream or bidi call starts at once. `credit` is what the call
    /// was made with, `window` the bytes it may hold.
    pub(crate) fn new(
        call: Arc<ServerCall>,
        credit: u32,
        window: usize,
        cap: Duration,
        max_items: u64,
    ) -> Result<Self> {
        let streams_input = call.method().description.pattern.streams_input();
        call.queue().reserve(EVENT_SLOTS + credit as usize)?;
        let mut active = Self {
            call,
            input: if streams_input { Input::Open } else { Input::Due },
            started: false,
            slots: EVENT_SLOTS,
            backlog: VecDeque::new(),
            backlog_bytes: 0,
            window,
            half_closed_sent: false,
            items: 0,
            max_items,
            cap,
            cap_until: None,
        };
        if streams_input {
            active.start(None);
        }
        Ok(active)
    }

    fn push(&mut self, event: Event) {
        self.slots = self.slots.saturating_sub(1);
        self.call.queue().push(event);
    }

    fn start(&mut self, body: Option<Body>) {
        self.started = true;
        self.touch();
        let call = self.call.clone();
        self.push(Event::CallStarted { call, body });
    }

    /// Restarts the handler cap: at the start, and for streaming patterns with every item.
    pub(crate) fn touch(&mut self) {
        if !self.cap.is_zero() {
            self.cap_until = Instant::now().checked_add(self.cap);
        }
    }

    /// Returns when the call must have ended, or moved.
    pub(crate) fn until(&self) -> Option<Instant> {
        match (self.call.info().deadline, self.cap_until) {
            (Some(deadline), Some(cap)) => Some(deadline.min(cap)),
            (deadline, cap) => deadline.or(cap),
        }
    }

    /// Tells whether more input may be read: nothing is buffered beyond the window.
    pub(crate) fn wants_input(&self) -> bool {
        self.backlog_bytes < self.window
    }

    /// Takes one data frame; [`deliver_input`](Self::deliver_input) hands it over.
    ///
    /// # Errors
    ///
    /// The status that the input ends the call with.
    pub(crate) fn data(&mut self, body: Body) -> Result<(), RpcStatus> {
        match self.input {
            Input::Due => {
                self.input = Input::Open;
                self.start(Some(body));
                Ok(())
            }
            _ if !self.call.method().description.pattern.streams_input() => Err(wire::second_request_message()),
            Input::Ended => Err(wire::second_request_message()),
            Input::Open => {
                self.items += 1;
                if self.max_items > 0 && self.items > self.max_items {
                    return Err(wire::too_many_items(self.max_items));
                }
                self.touch();
                self.backlog_bytes += body.wire_len();
                self.backlog.push_back(body);
                Ok(())
            }
        }
    }

    /// Takes the end of the input.
    ///
    /// # Errors
    ///
    /// The status that the call ends with because its request is missing.
    pub(crate) fn end_input(&mut self) -> Result<(), RpcStatus> {
        if self.input == Input::Due {
            return Err(wire::request_message_missing());
        }
        self.input = Input::Ended;
        self.deliver_input();
        Ok(())
    }

    /// Hands over buffered items while there is credit, then the end of the input.
    pub(crate) fn deliver_input(&mut self) {
        if !self.call.method().description.pattern.streams_input() {
            return;
        }
        if !self.backlog.is_empty() {
            let count = self.call.take_credit(self.backlog.len());
            let items = self.backlog.drain(..count).map(|body| {
                self.backlog_bytes = self.backlog_bytes.saturating_sub(body.wire_len());
                Event::RequestItem { call: self.call.clone(), body }
            });
            // The slots were reserved with the credit.
            self.call.queue().push_all(items);
        }
        if self.backlog.is_empty() && self.input == Input::Ended && !self.half_closed_sent {
            self.half_closed_sent = true;
            let call = self.call.clone();
            self.push(Event::HalfClosed { call });
        }
    }

    /// Tells the host that it may send again.
    pub(crate) fn writable(&mut self) {
        // The slot was reserved when the call answered *full*.
        self.call.queue().push(Event::Writable { call: self.call.clone() });
    }

    /// Ends the call from outside: the handler is told, its answers are ignored.
    pub(crate) fn cancel(&mut self, reason: StatusCode) {
        if self.call.end(Some(reason)) {
            if self.started {
                let call = self.call.clone();
                self.push(Event::Cancelled { call, reason });
            } else {
                self.call.release();
            }
        }
    }

    /// Tells whether the handler has returned, or never ran.
    pub(crate) fn is_released(&self) -> bool {
        !self.started || self.call.is_released()
    }
}

impl Drop for ActiveCall {
    fn drop(&mut self) {
        self.call.end(None);
        let unused = self.call.drain_credit() as usize;
        self.call.queue().unreserve(self.slots + unused);
    }
}
