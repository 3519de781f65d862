//! What a host submits in one turn of its loop: gathered on its thread, handed to the runtime with one wake.
//!
//! Without it each submission wakes the runtime's thread, and mostly leaves in a datagram of its own.

use std::future::poll_fn;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use futures_util::task::AtomicWaker;

use super::Signal;
use crate::sync::lock;

/// One thing that a host wants of the runtime.
pub(crate) enum Errand {
    /// Starts the task of a call.
    Start(Box<dyn FnOnce() + Send>),
    /// Wakes the task of a stream.
    Raise(Arc<Signal>),
}

impl Errand {
    fn run(self) {
        match self {
            Self::Start(start) => start(),
            Self::Raise(signal) => signal.raise(),
        }
    }
}

/// Gathers errands while its host asks for that.
#[derive(Default)]
pub(super) struct Doorbell {
    gathered: Mutex<Gathered>,
    porter: Arc<Porter>,
}

#[derive(Default)]
struct Gathered {
    /// Whether the host is inside of a submission and rings later.
    open: bool,
    errands: Vec<Errand>,
}

/// Runs errands on the runtime, where waking and starting tasks needs no system call.
#[derive(Default)]
struct Porter {
    errands: Mutex<Vec<Errand>>,
    waker: AtomicWaker,
    on_duty: AtomicBool,
    dismissed: AtomicBool,
}

impl Doorbell {
    /// Runs an errand: now, or when the host rings if it gathers.
    pub(super) fn submit(&self, errand: Errand, can_wait: bool) {
        if can_wait {
            let mut gathered = lock(&self.gathered);
            if gathered.open {
                gathered.errands.push(errand);
                return;
            }
        }
        errand.run();
    }

    /// Gathers what `submit` does. True: something was gathered, the host has to ring.
    pub(super) fn gather<R>(&self, submit: impl FnOnce() -> R) -> (R, bool) {
        lock(&self.gathered).open = true;
        let result = submit();
        let mut gathered = lock(&self.gathered);
        gathered.open = false;
        (result, !gathered.errands.is_empty())
    }

    pub(super) fn ring(&self) {
        let mut errands = mem::take(&mut lock(&self.gathered).errands);
        if errands.len() < 2 || !self.porter.on_duty.load(Ordering::Acquire) {
            errands.into_iter().for_each(Errand::run);
            return;
        }
        lock(&self.porter.errands).append(&mut errands);
        self.porter.waker.wake();
    }

    /// Returns the task that runs errands; it ends with the doorbell.
    pub(super) fn porter(&self) -> impl Future<Output = ()> + Send + 'static {
        let porter = self.porter.clone();
        porter.on_duty.store(true, Ordering::Release);
        poll_fn(move |cx| {
            porter.waker.register(cx.waker());
            mem::take(&mut *lock(&porter.errands)).into_iter().for_each(Errand::run);
            if porter.dismissed.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
        })
    }
}

impl Drop for Doorbell {
    fn drop(&mut self) {
        self.porter.dismissed.store(true, Ordering::Release);
        self.porter.waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn counting(count: &Arc<AtomicUsize>) -> Errand {
        let count = count.clone();
        Errand::Start(Box::new(move || {
            count.fetch_add(1, Ordering::SeqCst);
        }))
    }

    #[test]
    fn only_what_can_wait_is_gathered_and_only_while_the_host_asks() {
        let (bell, count) = (Doorbell::default(), Arc::default());
        let done = || AtomicUsize::load(&count, Ordering::SeqCst);
        bell.submit(counting(&count), true);
        assert_eq!(done(), 1, "nobody gathers");
        let ((), due) = bell.gather(|| bell.submit(counting(&count), false));
        assert!(!due);
        assert_eq!(done(), 2, "urgent");
        let ((), due) = bell.gather(|| bell.submit(counting(&count), true));
        assert!(due);
        assert_eq!(done(), 2);
        bell.ring();
        bell.ring();
        assert_eq!(done(), 3);
    }

    #[tokio::test]
    async fn the_porter_runs_many_errands_and_goes_with_its_bell() {
        let (bell, count) = (Doorbell::default(), Arc::default());
        let porter = tokio::spawn(bell.porter());
        bell.gather(|| (0..3).for_each(|_| bell.submit(counting(&count), true)));
        bell.ring();
        while count.load(Ordering::SeqCst) < 3 {
            tokio::task::yield_now().await;
        }
        drop(bell);
        porter.await.unwrap();
    }
}
