//! What one stream may still hand to the package before the package has taken items.

use std::collections::VecDeque;

use aster_core::limits;

/// Requests that a handler may read ahead.
const REQUESTS: u32 = 64;

/// Counts the items of a stream that are on their way or wait in the package. The first credit is the whole window.
pub(crate) struct Window {
    items: u32,
    /// Items that may still arrive.
    outstanding: u32,
    /// Sizes on the wire of items that wait, the oldest first.
    waiting: VecDeque<usize>,
    bytes: usize,
}

impl Window {
    /// Makes the window of a stream whose credit is `items`.
    pub(crate) fn new(items: u32) -> Self {
        Self { items, outstanding: items, waiting: VecDeque::new(), bytes: 0 }
    }

    /// Makes the window of requests, which core has given its first credit.
    pub(crate) fn of_requests() -> Self {
        Self { outstanding: limits::INITIAL_CREDIT, ..Self::new(REQUESTS) }
    }

    /// Takes note of an item that was handed over.
    pub(crate) fn put(&mut self, bytes: usize) {
        self.outstanding = self.outstanding.saturating_sub(1);
        self.waiting.push_back(bytes);
        self.bytes += bytes;
    }

    /// Takes note of items that were taken; returns how many more core may hand over. It grants half a window or more at
    /// once, and nothing while what waits fills the window in bytes.
    pub(crate) fn took(&mut self, items: u32) -> u32 {
        let taken = self.waiting.len().min(items as usize);
        self.bytes -= self.waiting.drain(..taken).sum::<usize>();
        let used = self.outstanding + self.waiting.len() as u32;
        let room = self.items.saturating_sub(used);
        if room * 2 < self.items || self.bytes >= limits::WINDOW_BYTES {
            return 0;
        }
        self.outstanding += room;
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_when_half_is_taken() {
        let mut window = Window::new(4);
        (0..4).for_each(|_| window.put(1));
        assert_eq!(window.took(1), 0);
        assert_eq!(window.took(1), 2);
        assert_eq!(window.took(1), 0);
        assert_eq!(window.took(1), 2);
    }

    #[test]
    fn a_window_of_one_grants_each_time() {
        let mut window = Window::new(1);
        window.put(1);
        assert_eq!(window.took(1), 1);
    }

    #[test]
    fn large_items_that_wait_hold_the_credit_back() {
        let mut window = Window::new(4);
        (0..4).for_each(|_| window.put(limits::WINDOW_BYTES));
        assert_eq!(window.took(2), 0);
        assert_eq!(window.took(2), 4);
    }
}
