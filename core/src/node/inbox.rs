//! Waiting for the next item of something so that a wait that was given up loses none.
//!
//! A wait may end with an item just when its host stops to wait. The binding then gives the item back, and the
//! next wait, also one that began before, takes it first.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

use crate::error::Result;
use crate::sync::lock;

/// Items that were given back, oldest first. There are never more than waits that were given up at once.
pub(super) struct Inbox<T> {
    returned: Mutex<VecDeque<T>>,
    changed: Notify,
}

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        Self { returned: Mutex::default(), changed: Notify::new() }
    }
}

impl<T> Inbox<T> {
    fn lock(&self) -> MutexGuard<'_, VecDeque<T>> {
        lock(&self.returned)
    }

    fn give_back(&self, item: T) {
        self.lock().push_back(item);
        self.changed.notify_waiters();
    }

    /// Returns an item that was given back, else what `fresh` gives, which must lose nothing when dropped.
    pub(super) async fn next(self: &Arc<Self>, fresh: impl Future<Output = Result<T>>) -> Result<Taken<T>> {
        tokio::pin!(fresh);
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let returned = self.lock().pop_front();
            if let Some(item) = returned {
                return Ok(Taken { item: Some(item), inbox: self.clone() });
            }
            tokio::select! {
                biased;
                () = changed => {}
                item = &mut fresh => return item.map(|item| Taken { item: Some(item), inbox: self.clone() }),
            }
        }
    }
}

/// An item on its way to the host. Dropped on the way, it goes back to where it was taken from.
pub struct Taken<T> {
    item: Option<T>,
    inbox: Arc<Inbox<T>>,
}

impl<T> Taken<T> {
    /// Returns the item, which has arrived.
    ///
    /// `None` cannot be: it is there until it is taken.
    pub fn take(mut self) -> Option<T> {
        self.item.take()
    }
}

impl<T> Drop for Taken<T> {
    fn drop(&mut self) {
        if let Some(item) = self.item.take() {
            self.inbox.give_back(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn an_item_that_did_not_arrive_goes_to_a_wait_that_began_before() {
        let inbox = Arc::new(Inbox::default());
        let (send, mut recv) = mpsc::channel(4);
        send.send(1).await.unwrap();
        let first = inbox.next(async { Ok(recv.recv().await.unwrap()) }).await.unwrap();
        let waiting = {
            let inbox = inbox.clone();
            tokio::spawn(async move { inbox.next(std::future::pending()).await.map(|taken| taken.take()) })
        };
        tokio::task::yield_now().await;
        drop(first);
        assert_eq!(waiting.await.unwrap().unwrap(), Some(1));
        let taken = inbox.next(async { Ok(2) }).await.unwrap();
        assert_eq!(taken.take(), Some(2));
        assert!(inbox.lock().is_empty());
    }
}
