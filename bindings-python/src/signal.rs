//! How core's threads wake an event loop without taking the GIL (`guide/facts.md` section 3).
//!
//! Loops with readers watch a file descriptor. Others get a small thread that waits outside the GIL and then
//! hands the drain to the loop.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use pyo3::exceptions::PyNotImplementedError;
use pyo3::intern;
use pyo3::prelude::*;

use aster_core::sync::lock;
#[cfg(unix)]
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Wakes one event loop.
pub struct Signal {
    #[cfg(unix)]
    fd: Option<EventFd>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    threaded: bool,
    raised: bool,
    closed: bool,
}

impl Signal {
    /// Makes a signal that nobody watches yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            #[cfg(unix)]
            fd: EventFd::new(),
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Wakes the loop. Called on core's threads.
    pub fn raise(&self) {
        #[cfg(unix)]
        if let Some(fd) = &self.fd {
            fd.raise();
        }
        let mut state = self.lock();
        state.raised = true;
        if state.threaded {
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Forgets earlier wake-ups. Called by the loop before it drains.
    pub fn clear(&self) {
        #[cfg(unix)]
        if let Some(fd) = &self.fd {
            fd.clear();
        }
        self.lock().raised = false;
    }

    /// Lets the loop call `drain` after each wake-up.
    pub fn watch(self: &Arc<Self>, event_loop: &Bound<'_, PyAny>, drain: Bound<'_, PyAny>) -> PyResult<()> {
        let py = event_loop.py();
        #[cfg(unix)]
        if let Some(fd) = &self.fd {
            match event_loop.call_method1(intern!(py, "add_reader"), (fd.number(), &drain)) {
                Ok(_) => return Ok(()),
                Err(error) if error.is_instance_of::<PyNotImplementedError>(py) => {}
                Err(error) => return Err(error),
            }
        }
        self.lock().threaded = true;
        let (signal, event_loop, drain) = (self.clone(), event_loop.clone().unbind(), drain.unbind());
        thread::Builder::new().name("aster-wake".to_owned()).spawn(move || signal.relay(event_loop, drain))?;
        Ok(())
    }

    /// Ends what [`watch`](Self::watch) began.
    pub fn unwatch(&self, event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
        let threaded = {
            let mut state = self.lock();
            state.closed = true;
            state.threaded
        };
        self.changed.notify_one();
        #[cfg(unix)]
        if let Some(fd) = &self.fd
            && !threaded
            && !event_loop.call_method0(intern!(event_loop.py(), "is_closed"))?.is_truthy()?
        {
            event_loop.call_method1(intern!(event_loop.py(), "remove_reader"), (fd.number(),))?;
        }
        Ok(())
    }

    /// Waits for wake-ups and hands each to the loop, until closed.
    fn relay(self: Arc<Self>, event_loop: Py<PyAny>, drain: Py<PyAny>) {
        while self.wait() {
            let handed = Python::try_attach(|py| {
                event_loop.call_method1(py, intern!(py, "call_soon_threadsafe"), (drain.bind(py),)).is_ok()
            });
            if handed != Some(true) {
                break; // The loop is closed, or the interpreter ends.
            }
        }
        let _ = Python::try_attach(|_| drop((event_loop, drain)));
    }

    fn wait(&self) -> bool {
        let mut state = self.lock();
        while !state.raised && !state.closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.raised = false;
        !state.closed
    }
}

/// A counter in the kernel that is readable while it is not zero.
#[cfg(unix)]
struct EventFd {
    read: OwnedFd,
    #[cfg(not(target_os = "linux"))]
    write: OwnedFd,
}

#[cfg(target_os = "linux")]
impl EventFd {
    fn new() -> Option<Self> {
        // SAFETY: no pointers; the result is checked.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        // SAFETY: the descriptor is new and ours alone.
        (fd >= 0).then(|| Self { read: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    fn write_end(&self) -> RawFd {
        self.read.as_raw_fd()
    }
}

#[cfg(all(unix, not(target_os = "linux")))]
impl EventFd {
    fn new() -> Option<Self> {
        let (read, write) = std::os::unix::net::UnixStream::pair().ok()?;
        read.set_nonblocking(true).ok()?;
        write.set_nonblocking(true).ok()?;
        Some(Self { read: read.into(), write: write.into() })
    }

    fn write_end(&self) -> RawFd {
        self.write.as_raw_fd()
    }
}

#[cfg(unix)]
impl EventFd {
    fn number(&self) -> RawFd {
        self.read.as_raw_fd()
    }

    fn raise(&self) {
        let one = 1u64;
        // A full counter or pipe is readable already, so a failure does not matter.
        // SAFETY: eight readable bytes, and a descriptor that lives as long as `self`.
        unsafe { libc::write(self.write_end(), (&raw const one).cast(), size_of::<u64>()) };
    }

    fn clear(&self) {
        let mut buffer = [0u64; 32];
        // SAFETY: as many writable bytes as told, and a descriptor that lives as long as `self`.
        unsafe { libc::read(self.number(), buffer.as_mut_ptr().cast(), size_of_val(&buffer)) };
    }
}
