//! How core's threads wake the thread that drains a queue: a condition variable, and a descriptor for pollers.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use aster_core::engine::Wake;
use aster_core::sync::lock;

/// Rung when an empty queue turns non-empty, and by `aster_cq_wake`.
#[derive(Default)]
pub(crate) struct Bell {
    state: Mutex<State>,
    rings: Condvar,
    descriptor: OnceLock<Option<Descriptor>>,
}

#[derive(Default)]
struct State {
    rung: bool,
    woken: bool,
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rang {
    /// Events may be there.
    Events,
    /// Somebody called `aster_cq_wake`.
    Woken,
    /// Time is up.
    TimedOut,
}

/// The bell in the hands of a queue.
pub(crate) struct Ringer(pub(crate) Arc<Bell>);

impl Wake for Ringer {
    fn wake(&self) {
        self.0.ring();
    }
}

impl Bell {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Says that events may be there.
    pub(crate) fn ring(&self) {
        self.lock().rung = true;
        self.rings.notify_one();
        self.show();
    }

    /// Makes one wait end without events; kept until a wait takes it.
    pub(crate) fn wake(&self) {
        self.lock().woken = true;
        self.rings.notify_one();
        self.show();
    }

    /// Forgets rings before the queue is looked at: what comes later rings again.
    pub(crate) fn hush(&self) {
        self.lock().rung = false;
        if let Some(Some(descriptor)) = self.descriptor.get() {
            descriptor.lower();
        }
    }

    /// Takes a call of `aster_cq_wake` that nobody has noticed yet.
    pub(crate) fn take_woken(&self) -> bool {
        std::mem::take(&mut self.lock().woken)
    }

    /// Waits for a ring.
    pub(crate) fn wait(&self, until: Option<Instant>) -> Rang {
        let mut state = self.lock();
        loop {
            if state.rung {
                return Rang::Events;
            }
            if std::mem::take(&mut state.woken) {
                return Rang::Woken;
            }
            state = match until {
                None => self.rings.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Rang::TimedOut;
                    }
                    self.rings.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn show(&self) {
        if let Some(Some(descriptor)) = self.descriptor.get() {
            descriptor.raise();
        }
    }

    /// Returns the descriptor, made at the first call; -1 if there is none.
    pub(crate) fn fd(&self) -> i32 {
        let mut new = false;
        let descriptor = self.descriptor.get_or_init(|| {
            new = true;
            Descriptor::new().ok()
        });
        let Some(descriptor) = descriptor else { return -1 };
        if new {
            descriptor.raise(); // Events may have come before; the first look lowers it.
        }
        descriptor.readable.as_raw_fd()
    }
}

/// A descriptor that is readable while it is raised.
struct Descriptor {
    readable: File,
    /// The other end, where it is not the same descriptor.
    writable: Option<File>,
}

impl Descriptor {
    #[cfg(target_os = "linux")]
    fn new() -> std::io::Result<Self> {
        // SAFETY: a plain system call.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        Ok(Self { readable: own(fd)?, writable: None })
    }

    #[cfg(not(target_os = "linux"))]
    fn new() -> std::io::Result<Self> {
        let mut ends = [-1; 2];
        // SAFETY: `ends` has room for two descriptors.
        if unsafe { libc::pipe(ends.as_mut_ptr()) } != 0 {
            return Err(std::io::Error::last_os_error());
        }
        for end in ends {
            // SAFETY: plain system calls on a descriptor of ours.
            unsafe {
                libc::fcntl(end, libc::F_SETFL, libc::O_NONBLOCK);
                libc::fcntl(end, libc::F_SETFD, libc::FD_CLOEXEC);
            }
        }
        Ok(Self { readable: own(ends[0])?, writable: Some(own(ends[1])?) })
    }

    fn raise(&self) {
        // A full counter or pipe is readable already.
        let _ = self.writable.as_ref().unwrap_or(&self.readable).write(&1u64.to_ne_bytes());
    }

    fn lower(&self) {
        let mut rest = [0; 512];
        while matches!((&self.readable).read(&mut rest), Ok(n) if n == rest.len()) {}
    }
}

fn own(fd: libc::c_int) -> std::io::Result<File> {
    if fd < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and ours.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(fd) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_ends_one_wait_and_is_not_lost() {
        let bell = Bell::default();
        bell.wake();
        assert_eq!(bell.wait(None), Rang::Woken);
        assert_eq!(bell.wait(Some(Instant::now())), Rang::TimedOut);
        bell.ring();
        assert_eq!(bell.wait(None), Rang::Events);
        bell.hush();
        assert_eq!(bell.wait(Some(Instant::now())), Rang::TimedOut);
    }

    #[test]
    fn the_descriptor_is_readable_while_it_rings() {
        let bell = Bell::default();
        let readable = |fd| {
            let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
            // SAFETY: one valid entry.
            unsafe { libc::poll(&mut poll, 1, 0) == 1 }
        };
        let fd = bell.fd();
        assert!(readable(fd), "at first, because events may have come before");
        bell.hush();
        assert!(!readable(fd));
        bell.ring();
        bell.ring();
        assert!(readable(fd));
        bell.hush();
        assert!(!readable(fd));
    }
}
