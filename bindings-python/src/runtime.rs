//! The tokio runtime of the process, and what happens to it in a forked child (`python-api.md` section 13).
//!
//! One current_thread runtime on one thread of its own, made at first use, never at import. Its thread never
//! takes the GIL.

use std::mem::ManuallyDrop;
use std::sync::Once;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;

use aster_core::error::{Error, ErrorKind, Result};
use aster_core::node::EVENT_INTERVAL;
use pyo3::prelude::*;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

const THREAD_NAME: &str = "aster-rt";
const FORKED_TEXT: &str = "aster cannot be used after fork(); create servers and clients in the child process";

struct Runtime {
    handle: Handle,
    generation: u32,
    /// Dropping it ends the thread.
    _stop: oneshot::Sender<()>,
}

static CURRENT: AtomicPtr<Runtime> = AtomicPtr::new(std::ptr::null_mut());
/// How many forks are between the process that loaded the library and this one.
static GENERATION: AtomicU32 = AtomicU32::new(0);
static WATCH_FORKS: Once = Once::new();

extern "C" fn count_fork() {
    GENERATION.fetch_add(1, Ordering::SeqCst);
}

fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

fn watch_forks() {
    WATCH_FORKS.call_once(|| {
        #[cfg(unix)]
        // SAFETY: the handler only adds to an atomic, which is allowed in a child between fork and exec.
        unsafe {
            libc::pthread_atfork(None, None, Some(count_fork));
        }
    });
}

/// Returns the runtime of this process, made at the first call.
///
/// # Errors
///
/// IO if no thread can be started.
pub fn handle(py: Python<'_>) -> Result<Handle> {
    watch_forks();
    let current = CURRENT.load(Ordering::Acquire);
    // SAFETY: a published runtime is never freed, see below.
    if let Some(runtime) = unsafe { current.as_ref() }
        && runtime.generation == generation()
    {
        return Ok(runtime.handle.clone());
    }
    let fresh = Box::into_raw(Box::new(py.detach(start)?));
    match CURRENT.compare_exchange(current, fresh, Ordering::AcqRel, Ordering::Acquire) {
        // The runtime of a parent process stays where it is: its thread does not exist here.
        // SAFETY: just published, never freed.
        Ok(_) => Ok(unsafe { &*fresh }.handle.clone()),
        Err(winner) => {
            // SAFETY: `fresh` lost the race and was never published; the winner never is freed.
            let (_lost, winner) = unsafe { (Box::from_raw(fresh), &*winner) };
            Ok(winner.handle.clone())
        }
    }
}

/// Checks that the process is the one with this number.
///
/// # Errors
///
/// FORKED if it is another one.
pub fn check_process(pid: u32) -> Result<()> {
    if std::process::id() == pid { Ok(()) } else { Err(Error::new(ErrorKind::Forked, FORKED_TEXT)) }
}

fn start() -> Result<Runtime> {
    let failed = |error: std::io::Error| Error::new(ErrorKind::Io, format!("cannot start the runtime: {error}"));
    let (ready, made) = mpsc::sync_channel(1);
    let (stop, stopped) = oneshot::channel::<()>();
    let serve = move || match Builder::new_current_thread().event_interval(EVENT_INTERVAL).enable_all().build() {
        Ok(runtime) => {
            let _ = ready.send(Ok(runtime.handle().clone()));
            let _ = runtime.block_on(stopped);
        }
        Err(error) => {
            let _ = ready.send(Err(error));
        }
    };
    thread::Builder::new().name(THREAD_NAME.to_owned()).spawn(serve).map_err(failed)?;
    let handle = made.recv().map_err(|_| Error::new(ErrorKind::Internal, "the runtime thread ended"))?;
    Ok(Runtime { handle: handle.map_err(failed)?, generation: generation(), _stop: stop })
}

/// Something that belongs to the process that made it: refused in a forked child, and leaked there, because
/// dropping it would touch threads and sockets of the parent.
pub struct ProcessBound<T> {
    value: ManuallyDrop<T>,
    generation: u32,
}

impl<T> ProcessBound<T> {
    /// Binds a value to this process.
    pub fn new(value: T) -> Self {
        watch_forks();
        Self { value: ManuallyDrop::new(value), generation: generation() }
    }

    /// Returns the value.
    ///
    /// # Errors
    ///
    /// FORKED in a child of the process that made it.
    pub fn get(&self) -> Result<&T> {
        self.if_same_process().ok_or_else(|| Error::new(ErrorKind::Forked, FORKED_TEXT))
    }

    /// Returns the value, or `None` in a child of the process that made it.
    pub fn if_same_process(&self) -> Option<&T> {
        (self.generation == generation()).then_some(&*self.value)
    }
}

impl<T> Drop for ProcessBound<T> {
    fn drop(&mut self) {
        if self.generation == generation() {
            // SAFETY: dropped once, here; nobody sees the value afterwards.
            unsafe { ManuallyDrop::drop(&mut self.value) }
        }
    }
}
