//! Waking the JavaScript loop: one unref'ed thread-safe function per environment, called once per batch.

use std::ffi::c_void;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard};

use aster_core::engine::Wake;
use napi::sys;

use crate::js::{Js, Scope};
use aster_core::sync::lock;

/// The thread-safe function; `None` once the environment has ended it.
pub(crate) struct Bell(Mutex<Option<Function>>);

struct Function(sys::napi_threadsafe_function);

// SAFETY: Node-API allows calls of a thread-safe function from any thread; ref and unref are called by `Bell::hold`
// only, which needs a `Scope` and so runs on the environment's thread.
unsafe impl Send for Function {}

impl Bell {
    /// Makes a bell that calls `wake` on the environment's loop. It does not keep the process alive.
    pub(crate) fn new(scope: Scope, wake: Js) -> Option<Arc<Self>> {
        let name = scope.text("aster")?;
        let bell = Arc::new(Self(Mutex::new(None)));
        let ended = Arc::into_raw(bell.clone()).cast_mut().cast::<c_void>();
        let mut function = ptr::null_mut();
        // SAFETY: `wake` is a function of this environment; `ended` is taken back by `end`, which runs once.
        let status = unsafe {
            sys::napi_create_threadsafe_function(
                scope.env(),
                wake.0,
                ptr::null_mut(),
                name.0,
                0,
                1,
                ended,
                Some(end),
                ptr::null_mut(),
                None,
                &mut function,
            )
        };
        if status != sys::Status::napi_ok {
            // SAFETY: the finalizer will not run, so that the count is taken back here.
            drop(unsafe { Arc::from_raw(ended.cast_const().cast::<Bell>()) });
            return None;
        }
        // SAFETY: the function is live, and this is its environment's thread.
        unsafe { sys::napi_unref_threadsafe_function(scope.env(), function) };
        *bell.lock() = Some(Function(function));
        Some(bell)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Function>> {
        lock(&self.0)
    }

    /// Decides whether the bell keeps the process alive.
    pub(crate) fn hold(&self, scope: Scope, hold: bool) {
        if let Some(Function(function)) = &*self.lock() {
            // SAFETY: the function is live while the lock is held, and this is its environment's thread.
            unsafe {
                match hold {
                    true => sys::napi_ref_threadsafe_function(scope.env(), *function),
                    false => sys::napi_unref_threadsafe_function(scope.env(), *function),
                };
            }
        }
    }

    /// Never rings again.
    pub(crate) fn silence(&self) {
        // Node ends the function itself when the environment goes.
        self.lock().take();
    }
}

impl Wake for Bell {
    fn wake(&self) {
        if let Some(Function(function)) = &*self.lock() {
            let mode = sys::ThreadsafeFunctionCallMode::nonblocking;
            // SAFETY: the function is live while the lock is held; its queue has no bound, so that nothing waits.
            unsafe { sys::napi_call_threadsafe_function(*function, ptr::null_mut(), mode) };
        }
    }
}

/// Runs when the environment ends the function.
unsafe extern "C" fn end(_: sys::napi_env, data: *mut c_void, _: *mut c_void) {
    // SAFETY: `data` is the count that `Bell::new` gave away, and this runs once.
    let bell = unsafe { Arc::from_raw(data.cast_const().cast::<Bell>()) };
    bell.silence();
}
