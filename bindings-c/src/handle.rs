//! Opaque handles: boxed Rust values behind raw pointers, stamped with the process that made them.
//!
//! One ownership kind: a handle is a `Box`; what it shares with others is in an `Arc` inside. Every handle is used
//! through a shared reference, so any thread may call any function.

use std::mem::MaybeUninit;

use aster_core::error::{Error, ErrorKind, Result};

/// The process that made a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Home(u32);

impl Home {
    /// Returns the stamp of this process.
    pub(crate) fn here() -> Self {
        Self(std::process::id())
    }

    /// Refuses a handle that was inherited over `fork`.
    pub(crate) fn check(self) -> Result<()> {
        if self == Self::here() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Forked, "the handle belongs to another process: make a new one after fork"))
    }
}

/// A type that C holds behind a pointer.
pub(crate) trait Handle: Send + Sync + Sized + 'static {
    /// Returns the process that made it.
    fn home(&self) -> Home;
}

/// Implements [`Handle`] for types with a field `home`.
macro_rules! handle {
    ($($type:ty),*) => {
        $(impl $crate::handle::Handle for $type {
            fn home(&self) -> $crate::handle::Home {
                self.home
            }
        })*
    };
}
pub(crate) use handle;

/// Returns the error of a required pointer that is NULL.
pub(crate) fn null_argument(name: &str) -> Error {
    Error::new(ErrorKind::NullArgument, format!("{name} is NULL")).with_detail("parameter", name)
}

/// Hands a value over to C.
pub(crate) fn give<T: Handle>(value: T) -> *mut T {
    Box::into_raw(Box::new(value))
}

/// Looks at a handle.
///
/// # Safety
///
/// `ptr` is NULL or a live handle of this type, which outlives the borrow.
pub(crate) unsafe fn borrow<'a, T: Handle>(ptr: *const T, name: &str) -> Result<&'a T> {
    // SAFETY: passed on from the caller.
    let handle = unsafe { ptr.as_ref() }.ok_or_else(|| null_argument(name))?;
    handle.home().check()?;
    Ok(handle)
}

/// Looks at a handle that may be absent.
///
/// # Safety
///
/// As for [`borrow`].
pub(crate) unsafe fn borrow_optional<'a, T: Handle>(ptr: *const T, name: &str) -> Result<Option<&'a T>> {
    if ptr.is_null() {
        return Ok(None);
    }
    // SAFETY: passed on from the caller.
    unsafe { borrow(ptr, name) }.map(Some)
}

/// Takes a handle back and returns its value; `None` for NULL, and for a handle of another process, which leaks:
/// its threads are not here, so that dropping it could wait for ever.
///
/// # Safety
///
/// `ptr` is NULL or a live handle of this type; nobody uses it from here on.
pub(crate) unsafe fn take<T: Handle>(ptr: *mut T) -> Option<T> {
    // SAFETY: passed on from the caller.
    let handle = unsafe { ptr.as_ref() }?;
    handle.home().check().ok()?;
    // SAFETY: it was made by `give`, and the caller gives it up.
    Some(*unsafe { Box::from_raw(ptr) })
}

/// Checks an output pointer before any work is done.
///
/// # Safety
///
/// `ptr` is NULL or valid for writing one `T`.
pub(crate) unsafe fn out<'a, T>(ptr: *mut T, name: &str) -> Result<&'a mut MaybeUninit<T>> {
    // SAFETY: passed on from the caller; MaybeUninit needs no initialised value.
    unsafe { ptr.cast::<MaybeUninit<T>>().as_mut() }.ok_or_else(|| null_argument(name))
}
