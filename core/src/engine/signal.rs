//! How a host thread and the task of a stream tell each other that something changed.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Context;

use futures_util::task::AtomicWaker;

use crate::status::RpcStatus;
use crate::sync::lock;

/// One bit that wakes the task of a stream, and an order to stop.
#[derive(Default)]
pub(crate) struct Signal {
    raised: AtomicBool,
    aged: AtomicBool,
    waker: AtomicWaker,
    stop: Mutex<Option<RpcStatus>>,
}

impl Signal {
    /// Wakes the task.
    pub(crate) fn raise(&self) {
        self.raised.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Tells the task, once, that its stream is no longer young.
    pub(crate) fn age(&self) {
        if !self.aged.swap(true, Ordering::AcqRel) {
            self.waker.wake();
        }
    }

    /// Tells whether the stream is no longer young.
    pub(crate) fn is_aged(&self) -> bool {
        self.aged.load(Ordering::Acquire)
    }

    /// Orders the task to end what it runs with this status.
    pub(crate) fn stop(&self, status: RpcStatus) {
        lock(&self.stop).get_or_insert(status);
        self.raise();
    }

    /// Returns the order to stop, once.
    pub(crate) fn take_stop(&self) -> Option<RpcStatus> {
        lock(&self.stop).take()
    }

    /// Tells whether the bit was raised since the last look, and lowers it; else registers the task.
    pub(crate) fn poll_raised(&self, cx: &Context<'_>) -> bool {
        if self.raised.swap(false, Ordering::AcqRel) {
            return true;
        }
        self.waker.register(cx.waker());
        self.raised.swap(false, Ordering::AcqRel)
    }
}
