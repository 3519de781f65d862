//! Memory of one connection's large frames (`wire.md` section 16): in assembly, and queued until they are decoded.
//!
//! At the limit only the oldest stream with an incomplete frame is read on; QUIC holds the others back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Waker};

use crate::limits;
use crate::sync::lock;

/// Frames below this size are not counted: the windows of their streams bound them.
const LARGE: usize = 64 * 1024;

/// What the streams of one connection share.
#[derive(Default)]
pub(crate) struct Budget(Mutex<State>);

#[derive(Default)]
struct State {
    total: usize,
    /// Streams with a large incomplete frame, the oldest first.
    assembling: BTreeMap<u64, usize>,
    waiting: BTreeMap<u64, Waker>,
}

impl State {
    fn is_full(&self) -> bool {
        self.total >= limits::MAX_CONNECTION_BUFFER
    }

    /// Wakes everybody who waits: each looks again whether it is its turn.
    fn wake(&mut self) {
        std::mem::take(&mut self.waiting).into_values().for_each(Waker::wake);
    }
}

/// One stream's part of the budget.
pub(crate) struct Share {
    budget: Arc<Budget>,
    stream: u64,
    bytes: usize,
}

/// A complete large frame that is not decoded yet; counts until it is dropped.
pub(crate) struct Queued {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }
}

impl Share {
    pub(crate) fn new(budget: Arc<Budget>, stream: u64) -> Self {
        Self { budget, stream, bytes: 0 }
    }

    /// Tells whether the stream may be read on; if not, wakes the task when that may have changed.
    pub(crate) fn may_read(&self, cx: &Context<'_>) -> bool {
        let mut state = self.budget.lock();
        let oldest = state.assembling.first_key_value().map(|(stream, _)| *stream);
        if !state.is_full() || oldest == Some(self.stream) {
            return true;
        }
        state.waiting.insert(self.stream, cx.waker().clone());
        false
    }

    /// Counts what the stream holds in assembly now.
    pub(crate) fn holds(&mut self, bytes: usize) {
        let bytes = if bytes < LARGE { 0 } else { bytes };
        if bytes == self.bytes {
            return;
        }
        let mut state = self.budget.lock();
        let was_full = state.is_full();
        state.total = state.total.saturating_sub(self.bytes).saturating_add(bytes);
        match bytes {
            0 => state.assembling.remove(&self.stream),
            _ => state.assembling.insert(self.stream, bytes),
        };
        // Another stream may be the oldest now, or there is room again.
        if was_full && (bytes == 0 || !state.is_full()) {
            state.wake();
        }
        drop(state);
        self.bytes = bytes;
    }

    /// Moves a complete frame from assembly to the queue; `None` if it is too small to count.
    pub(crate) fn complete(&mut self, bytes: usize) -> Option<Queued> {
        if self.bytes == 0 || bytes < LARGE {
            return None;
        }
        self.budget.lock().total += bytes;
        let queued = Queued { budget: self.budget.clone(), bytes };
        self.holds(0);
        Some(queued)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.holds(0);
        self.budget.lock().waiting.remove(&self.stream);
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        let mut state = self.budget.lock();
        let was_full = state.is_full();
        state.total = state.total.saturating_sub(self.bytes);
        if was_full && !state.is_full() {
            state.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: usize = limits::MAX_CONNECTION_BUFFER / 2;

    #[test]
    fn at_the_limit_only_the_oldest_is_read_on() {
        let budget = Arc::<Budget>::default();
        let cx = Context::from_waker(Waker::noop());
        let share = |stream| Share::new(budget.clone(), stream);
        let (mut old, mut young, idle) = (share(1), share(2), share(3));
        young.holds(HALF);
        assert!(old.may_read(&cx) && young.may_read(&cx));
        old.holds(HALF);
        assert!(old.may_read(&cx), "the oldest is read on");
        assert!(!young.may_read(&cx) && !idle.may_read(&cx));
        let queued = old.complete(HALF).expect("large");
        assert!(young.may_read(&cx), "now it is the oldest");
        assert!(!old.may_read(&cx), "a queued frame counts until it is decoded");
        drop(queued);
        assert!(old.may_read(&cx) && idle.may_read(&cx));
        drop(young);
        assert_eq!(budget.lock().total, 0);
    }

    #[test]
    fn small_frames_do_not_count() {
        let budget = Arc::<Budget>::default();
        let mut share = Share::new(budget.clone(), 1);
        share.holds(LARGE - 1);
        assert!(share.complete(LARGE - 1).is_none());
        assert_eq!(budget.lock().total, 0);
    }
}
