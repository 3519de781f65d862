//! The runtime: the library's own threads, and what has to be closed before they end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use aster_core::error::{Error, ErrorKind, Result};
use aster_core::limits;
use aster_core::node::EVENT_INTERVAL;
use aster_core::rpc::BoxFuture;
use tokio::runtime::{Builder, Handle as TokioHandle, Runtime as TokioRuntime};
use tokio::sync::oneshot;

use crate::errors::{aster_error_t, aster_result_t};
use crate::guard;
use crate::handle::{Home, borrow, give, handle, out, take};
use crate::op::{Operation, Outcome};
use crate::options::{self, Growing};
use crate::queue::CompletionQueue;
use crate::slice::invalid_argument;
use aster_core::sync::lock;

/// Threads of a runtime that was not told how many.
const DEFAULT_WORKERS: usize = 4;
const DEFAULT_BLOCKING: usize = 16;
const MAX_THREADS: u32 = 1024;
/// Stands for "no limit" where a number is needed.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Settings of a runtime. Make it with `ASTER_RUNTIME_OPTIONS_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct aster_runtime_options_t {
    /// Size of this struct.
    pub struct_size: usize,
    /// Threads for I/O and calls; 0: as many as cores, at most 4. 1 is fastest for one call at a time.
    pub worker_threads: u32,
    /// Threads for blocking work; 0: 16.
    pub max_blocking_threads: u32,
}

// SAFETY: repr(C), struct_size first, plain numbers.
unsafe impl Growing for aster_runtime_options_t {}

/// The threads of the library. Everything else is made on one; it lives until the last child is freed.
pub struct aster_runtime_t {
    home: Home,
    pub(crate) runtime: Arc<Runtime>,
}

handle!(aster_runtime_t);

/// Something that a shutdown closes.
pub(crate) trait Child: Send + Sync {
    /// Ends everything it does.
    fn close(&self) -> BoxFuture<'static, ()>;
}

/// What the children of a runtime share.
pub(crate) struct Runtime {
    tokio: TokioHandle,
    engine: Mutex<Option<Engine>>,
    closed: AtomicBool,
    children: Mutex<Vec<Weak<dyn Child>>>,
    queues: Mutex<Vec<Weak<CompletionQueue>>>,
}

/// Who drives the tasks.
enum Engine {
    Workers(TokioRuntime),
    /// One thread of its own drives a current_thread runtime; dropping the sender ends it.
    Single(#[expect(dead_code, reason = "held to be dropped")] oneshot::Sender<()>),
}

thread_local! {
    static OWN_THREAD: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Marks this thread as the library's: blocking functions refuse to run on it, signals go to other threads.
pub(crate) fn enter_own_thread() {
    OWN_THREAD.set(true);
    guard::own_thread();
    // SAFETY: plain system calls on a local set.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &all, std::ptr::null_mut());
    }
}

/// Refuses to block a thread of the library.
pub(crate) fn refuse_own_thread() -> Result<()> {
    if OWN_THREAD.get() {
        return Err(Error::new(ErrorKind::State, "a blocking function was called on a thread of the library"));
    }
    Ok(())
}

/// Reads a time in milliseconds: 0 is the default, negative is no limit.
pub(crate) fn duration(ms: i64, default: Duration) -> Duration {
    match u64::try_from(ms) {
        Ok(0) => default,
        Ok(ms) => Duration::from_millis(ms).min(FOREVER),
        Err(_) => FOREVER,
    }
}

/// Reads the time a blocking function may wait; `None`: no limit.
pub(crate) fn patience(ms: i64) -> Option<Duration> {
    (ms >= 0).then(|| duration(ms, limits::CONNECT_TIMEOUT))
}

impl Runtime {
    fn start(options: aster_runtime_options_t) -> Result<Arc<Self>> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let workers = match options.worker_threads {
            0 => cores.min(DEFAULT_WORKERS),
            n @ 1..=MAX_THREADS => n as usize,
            _ => return Err(invalid_argument("worker_threads", "exceeds 1024")),
        };
        let blocking = match options.max_blocking_threads {
            0 => DEFAULT_BLOCKING,
            n @ 1..=MAX_THREADS => n as usize,
            _ => return Err(invalid_argument("max_blocking_threads", "exceeds 1024")),
        };
        let (tokio, engine) = if workers == 1 { single(blocking)? } else { many(workers, blocking)? };
        Ok(Arc::new(Self {
            tokio,
            engine: Mutex::new(Some(engine)),
            closed: AtomicBool::new(false),
            children: Mutex::default(),
            queues: Mutex::default(),
        }))
    }

    /// Returns tokio's handle.
    pub(crate) fn tokio(&self) -> &TokioHandle {
        &self.tokio
    }

    /// Refuses new work once the runtime is shut down.
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "the runtime is shut down"));
        }
        Ok(())
    }

    /// Remembers what a shutdown has to close.
    pub(crate) fn adopt(&self, child: Weak<dyn Child>) {
        let mut children = lock(&self.children);
        children.retain(|other| other.strong_count() > 0);
        children.push(child);
    }

    /// Remembers a queue, which a shutdown closes last.
    pub(crate) fn adopt_queue(&self, queue: Weak<CompletionQueue>) {
        let mut queues = lock(&self.queues);
        queues.retain(|other| other.strong_count() > 0);
        queues.push(queue);
    }

    /// Closes the children, then the queues, then the threads.
    fn shutdown(self: &Arc<Self>, timeout_ms: i64) -> Result<()> {
        refuse_own_thread()?;
        self.closed.store(true, Ordering::Release);
        let children: Vec<_> = lock(&self.children).iter().filter_map(Weak::upgrade).collect();
        let queues: Vec<_> = lock(&self.queues).iter().filter_map(Weak::upgrade).collect();
        if lock(&self.engine).is_some() {
            let closing = Operation::spawn(self, async move {
                let tasks: Vec<_> = children.iter().map(|child| tokio::spawn(child.close())).collect();
                for task in tasks {
                    let _ = task.await;
                }
                Ok(Outcome::Nothing)
            });
            closing.wait(patience(timeout_ms))?;
        }
        for queue in queues {
            queue.shutdown();
        }
        let engine = lock(&self.engine).take();
        if let Some(Engine::Workers(runtime)) = engine {
            runtime.shutdown_timeout(limits::CLOSE_FLUSH);
        }
        Ok(())
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let engine = self.engine.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Engine::Workers(runtime)) = engine {
            // The last child may be dropped by a task, where waiting is impossible.
            runtime.shutdown_background();
        }
    }
}

fn many(workers: usize, blocking: usize) -> Result<(TokioHandle, Engine)> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(workers)
        .max_blocking_threads(blocking)
        .thread_name("aster-rt")
        .on_thread_start(enter_own_thread)
        .event_interval(EVENT_INTERVAL)
        .enable_all()
        .build()
        .map_err(no_threads)?;
    Ok((runtime.handle().clone(), Engine::Workers(runtime)))
}

fn single(blocking: usize) -> Result<(TokioHandle, Engine)> {
    let runtime = Builder::new_current_thread()
        .max_blocking_threads(blocking)
        .thread_name("aster-blocking")
        .on_thread_start(enter_own_thread)
        .event_interval(EVENT_INTERVAL)
        .enable_all()
        .build()
        .map_err(no_threads)?;
    let tokio = runtime.handle().clone();
    let (stop, stopped) = oneshot::channel::<()>();
    let drive = move || {
        enter_own_thread();
        let _ = runtime.block_on(stopped);
        runtime.shutdown_background();
    };
    std::thread::Builder::new().name("aster-rt".to_owned()).spawn(drive).map_err(no_threads)?;
    Ok((tokio, Engine::Single(stop)))
}

fn no_threads(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot start threads: {error}"))
}

/// Starts the library's threads. `options` NULL: defaults.
///
/// Any thread. Errors: IO if no thread can be started.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_runtime_new(
    options: *const aster_runtime_options_t,
    out: *mut *mut aster_runtime_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let slot = self::out(out, "out")?;
            let runtime = Runtime::start(options::read(options, "options")?)?;
            slot.write(give(aster_runtime_t { home: Home::here(), runtime }));
            Ok(())
        })
    }
}

/// Closes clients and servers, ends every call, shuts the queues down and ends the threads. Idempotent.
///
/// Blocking. `timeout_ms`: 0 is 30 s, negative waits for ever. Errors: TIMEOUT (the closing goes on), STATE on a
/// thread of the library. Handles stay valid and are still to be freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_runtime_shutdown(
    runtime: *mut aster_runtime_t,
    timeout_ms: i64,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe { guard::run(err, || borrow(runtime, "runtime")?.runtime.shutdown(timeout_ms)) }
}

/// Releases a runtime; its threads end with its last child. NULL does nothing. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_runtime_free(runtime: *mut aster_runtime_t) {
    // SAFETY: the caller passes NULL or a live runtime, and gives it up.
    unsafe { guard::quiet(|| drop(take(runtime))) }
}
