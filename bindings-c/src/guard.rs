//! The one guard that every export runs behind: no panic leaves, errors become objects, results become numbers.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use aster_core::error::{Error, ErrorKind, Result};

use crate::errors::{ASTER_OK, aster_error_t, aster_result_t};

/// Runs an export that can fail. On failure `err` gets a new error, unless it is NULL.
///
/// # Safety
///
/// `err` is NULL or valid for writing one pointer.
pub(crate) unsafe fn run(err: *mut *mut aster_error_t, work: impl FnOnce() -> Result<()>) -> aster_result_t {
    // SAFETY: passed on from the caller.
    unsafe { run_with_code(err, || work().map(|()| ASTER_OK)) }
}

/// Runs an export that can succeed in several ways.
///
/// # Safety
///
/// As for [`run`].
pub(crate) unsafe fn run_with_code(
    err: *mut *mut aster_error_t,
    work: impl FnOnce() -> Result<aster_result_t>,
) -> aster_result_t {
    match caught(work).unwrap_or_else(|| Err(panicked())) {
        Ok(code) => code,
        Err(error) => {
            let code = error.kind().number();
            // SAFETY: passed on from the caller.
            if let Some(slot) = unsafe { err.as_mut() } {
                *slot = aster_error_t::give(error);
            }
            code
        }
    }
}

/// Runs an export that cannot fail; `harmless` stands for a panic and for a refused argument.
pub(crate) fn value<T>(harmless: T, work: impl FnOnce() -> Result<T>) -> T {
    match caught(work) {
        Some(Ok(value)) => value,
        _ => harmless,
    }
}

/// Runs an export without a result.
pub(crate) fn quiet(work: impl FnOnce()) {
    let _ = caught(work);
}

/// Returns the error of a caught panic.
pub(crate) fn panicked() -> Error {
    Error::new(ErrorKind::Panic, "a defect of the library: it panicked")
}

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Runs work of the library; a panic ends here, is logged and gives `None`.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    hook_panics();
    let outer = INSIDE.replace(true);
    // Handles are used through shared references whose locks ignore poisoning; no half-made state is visible.
    let result = catch_unwind(AssertUnwindSafe(work));
    INSIDE.set(outer);
    result.ok()
}

/// Marks this thread as the library's own for the whole of its life: its panics are logged, not printed.
pub(crate) fn own_thread() {
    hook_panics();
    INSIDE.set(true);
}

/// A library prints nothing: panics under the guard go to the log; others keep the hook that was there.
fn hook_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if INSIDE.try_with(Cell::get).unwrap_or(false) {
                tracing::error!(target: "aster::ffi", "{info}");
            } else {
                before(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errors::{ASTER_ERR_PANIC, ASTER_ERR_STATE, aster_error_code, aster_error_free};

    #[test]
    fn a_panic_becomes_an_error_and_the_library_goes_on() {
        let mut error = std::ptr::null_mut();
        // SAFETY: `error` is a valid output, and freed once.
        unsafe {
            assert_eq!(run(&mut error, || panic!("boom")), ASTER_ERR_PANIC);
            assert_eq!(aster_error_code(error), ASTER_ERR_PANIC);
            aster_error_free(error);
            assert_eq!(run(std::ptr::null_mut(), || Ok(())), ASTER_OK);
        }
        assert_eq!(value(7, || panic!("boom")), 7);
    }

    #[test]
    fn an_error_is_optional_and_untouched_on_success() {
        let marker = std::ptr::dangling_mut::<aster_error_t>();
        let mut error = marker;
        // SAFETY: `error` is a valid output.
        unsafe {
            assert_eq!(run(&mut error, || Ok(())), ASTER_OK);
            let failed = run(std::ptr::null_mut(), || Err(Error::new(ErrorKind::State, "no")));
            assert_eq!(failed, ASTER_ERR_STATE);
        }
        assert_eq!(error, marker);
    }
}
