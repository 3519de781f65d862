//! Text and bytes over the border: borrowed slices in, owned buffers and borrowed text out.

use std::ffi::c_void;

use aster_core::error::{Error, ErrorKind, Result};

use crate::guard;
use crate::handle::null_argument;

/// Borrowed text: `len` bytes of UTF-8 at `ptr`. `{NULL, 0}` means absent.
///
/// As an argument it is read during the call only. As a result it lives as long as the object that was asked, and
/// need not end with a NUL.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aster_str_t {
    /// First byte; NULL if absent.
    pub ptr: *const libc::c_char,
    /// Number of bytes.
    pub len: usize,
}

/// Borrowed bytes: `len` bytes at `ptr`, read during the call only. `{NULL, 0}` means absent.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aster_slice_t {
    /// First byte; NULL if absent.
    pub ptr: *const u8,
    /// Number of bytes.
    pub len: usize,
}

/// Bytes that belong to the caller until `aster_bytes_free`. A NUL follows the `len` bytes.
#[repr(C)]
#[derive(Debug)]
pub struct aster_bytes_t {
    /// First byte.
    pub ptr: *mut u8,
    /// Number of bytes, without the NUL.
    pub len: usize,
    /// Private to the library.
    pub owner: *mut c_void,
}

/// One key and its value.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aster_pair_t {
    /// Key.
    pub key: aster_str_t,
    /// Value.
    pub value: aster_str_t,
}

static EMPTY: [u8; 1] = [0];

impl aster_str_t {
    /// Absent text.
    pub(crate) const ABSENT: Self = Self { ptr: std::ptr::null(), len: 0 };

    /// Lends text to C; it must live as long as the object that C asked.
    pub(crate) fn lend(text: &str) -> Self {
        // Empty text may lie at no real address, which garbage collectors of callers take amiss.
        let ptr = if text.is_empty() { EMPTY.as_ptr() } else { text.as_ptr() };
        Self { ptr: ptr.cast(), len: text.len() }
    }

    /// Reads an argument; `None` if it is absent.
    ///
    /// # Safety
    ///
    /// `ptr` is NULL or valid for reading `len` bytes as long as the result is used.
    pub(crate) unsafe fn read<'a>(self, name: &str) -> Result<Option<&'a str>> {
        let slice = aster_slice_t { ptr: self.ptr.cast(), len: self.len };
        // SAFETY: passed on from the caller.
        let Some(bytes) = (unsafe { slice.read(name) })? else { return Ok(None) };
        std::str::from_utf8(bytes).map(Some).map_err(|error| {
            let offset = error.valid_up_to();
            Error::new(ErrorKind::InvalidUtf8, format!("{name} is not UTF-8 at byte {offset}"))
                .with_detail("parameter", name)
                .with_detail("offset", offset.to_string())
        })
    }

    /// Reads an argument that may be absent, but not empty.
    ///
    /// # Safety
    ///
    /// As for [`read`](Self::read).
    pub(crate) unsafe fn optional<'a>(self, name: &str) -> Result<Option<&'a str>> {
        // SAFETY: passed on from the caller.
        match unsafe { self.read(name) }? {
            Some("") => Err(invalid_argument(name, "must not be empty")),
            text => Ok(text),
        }
    }

    /// Reads an argument that must be there, and may be empty: core judges what it says.
    ///
    /// # Safety
    ///
    /// As for [`read`](Self::read).
    pub(crate) unsafe fn given<'a>(self, name: &str) -> Result<&'a str> {
        // SAFETY: passed on from the caller.
        unsafe { self.read(name) }?.ok_or_else(|| null_argument(name))
    }

    /// Reads an argument that must be there and not empty.
    ///
    /// # Safety
    ///
    /// As for [`read`](Self::read).
    pub(crate) unsafe fn require<'a>(self, name: &str) -> Result<&'a str> {
        // SAFETY: passed on from the caller.
        unsafe { self.optional(name) }?.ok_or_else(|| null_argument(name))
    }
}

impl aster_slice_t {
    /// Lends bytes to C; they must live as long as the object that C asked.
    pub(crate) fn lend(raw: &[u8]) -> Self {
        Self { ptr: if raw.is_empty() { EMPTY.as_ptr() } else { raw.as_ptr() }, len: raw.len() }
    }

    /// Reads an argument; `None` if it is absent.
    ///
    /// # Safety
    ///
    /// `ptr` is NULL or valid for reading `len` bytes as long as the result is used.
    pub(crate) unsafe fn read<'a>(self, name: &str) -> Result<Option<&'a [u8]>> {
        if self.ptr.is_null() {
            return if self.len == 0 { Ok(None) } else { Err(null_argument(name)) };
        }
        if isize::try_from(self.len).is_err() {
            return Err(invalid_argument(name, "is longer than memory"));
        }
        // SAFETY: passed on from the caller; the length was checked.
        Ok(Some(unsafe { std::slice::from_raw_parts(self.ptr, self.len) }))
    }
}

impl aster_bytes_t {
    /// Hands bytes over to C.
    pub(crate) fn give(mut bytes: Vec<u8>) -> Self {
        let len = bytes.len();
        bytes.push(0);
        let mut owner = Box::new(bytes);
        let ptr = owner.as_mut_ptr();
        Self { ptr, len, owner: Box::into_raw(owner).cast() }
    }
}

/// Bytes of keys and seeds.
pub(crate) type Key = [u8; 32];

/// Reads a key, for which nothing stands as `None`.
///
/// # Safety
///
/// `ptr` is NULL or valid for reading 32 bytes as long as the result is used.
pub(crate) unsafe fn read_key<'a>(ptr: *const u8) -> Option<&'a Key> {
    // SAFETY: passed on from the caller; bytes have no alignment.
    unsafe { ptr.cast::<Key>().as_ref() }
}

/// Reads a key that must be there.
///
/// # Safety
///
/// As for [`read_key`].
pub(crate) unsafe fn require_key<'a>(ptr: *const u8, name: &str) -> Result<&'a Key> {
    // SAFETY: passed on from the caller.
    unsafe { read_key(ptr) }.ok_or_else(|| null_argument(name))
}

/// Reads a time in seconds since 1970.
pub(crate) fn read_time(seconds: i64, name: &str) -> Result<u64> {
    u64::try_from(seconds).map_err(|_| invalid_argument(name, "must not be negative"))
}

/// Reads an array of pairs.
///
/// # Safety
///
/// `ptr` is NULL or valid for reading `len` pairs, whose texts are valid for reading.
pub(crate) unsafe fn read_pairs(ptr: *const aster_pair_t, len: usize, name: &str) -> Result<Vec<(String, String)>> {
    if len == 0 {
        return Ok(Vec::new());
    }
    if ptr.is_null() {
        return Err(null_argument(name));
    }
    if len > isize::MAX as usize / size_of::<aster_pair_t>() {
        return Err(invalid_argument(name, "is longer than memory"));
    }
    // SAFETY: passed on from the caller; the length was checked.
    let pairs = unsafe { std::slice::from_raw_parts(ptr, len) };
    let text = |text: aster_str_t| {
        // SAFETY: passed on from the caller.
        unsafe { text.read(name) }.map(|text| text.unwrap_or_default().to_owned())
    };
    pairs.iter().map(|pair| Ok((text(pair.key)?, text(pair.value)?))).collect()
}

/// Most texts that an array holds.
const MAX_TEXTS: usize = 4096;

/// Reads an array of texts, none of which may be empty.
///
/// # Safety
///
/// `ptr` is NULL or valid for reading `n` texts, which are valid for reading.
pub(crate) unsafe fn read_texts(ptr: *const aster_str_t, n: usize, name: &str) -> Result<Vec<String>> {
    if n == 0 {
        return Ok(Vec::new());
    }
    if ptr.is_null() {
        return Err(null_argument(name));
    }
    if n > MAX_TEXTS {
        return Err(invalid_argument("n", "exceeds 4096"));
    }
    // SAFETY: passed on from the caller; the length was checked.
    let texts = unsafe { std::slice::from_raw_parts(ptr, n) };
    // SAFETY: passed on from the caller.
    texts.iter().map(|text| Ok(unsafe { text.require(name) }?.to_owned())).collect()
}

/// Pairs as C reads them, pointing into texts that live beside them.
pub(crate) struct LentPairs(Vec<aster_pair_t>);

// SAFETY: whoever lends pairs keeps their texts, unchanged, as long as these.
unsafe impl Send for LentPairs {}
// SAFETY: as above.
unsafe impl Sync for LentPairs {}

impl LentPairs {
    /// Lends pairs to C; they must live as long as the object that C asked.
    pub(crate) fn new(pairs: &[(String, String)]) -> Self {
        let lend = |text: &String| aster_str_t::lend(text);
        Self(pairs.iter().map(|(key, value)| aster_pair_t { key: lend(key), value: lend(value) }).collect())
    }

    /// Returns the first pair, or NULL, and their number.
    pub(crate) fn parts(&self) -> (*const aster_pair_t, usize) {
        if self.0.is_empty() { (std::ptr::null(), 0) } else { (self.0.as_ptr(), self.0.len()) }
    }
}

/// Returns the error of an argument that is wrong.
pub(crate) fn invalid_argument(name: &str, reason: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("{name} {reason}")).with_detail("parameter", name)
}

/// Releases bytes and zeroes the struct. NULL and a zeroed struct are left alone, so a second call is harmless.
///
/// Any thread. Never fails.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_bytes_free(bytes: *mut aster_bytes_t) {
    // SAFETY: the caller passes NULL or a struct that is zeroed or was filled by this library.
    unsafe {
        guard::quiet(|| {
            let Some(bytes) = bytes.as_mut() else { return };
            let owner = bytes.owner.cast::<Vec<u8>>();
            *bytes = aster_bytes_t { ptr: std::ptr::null_mut(), len: 0, owner: std::ptr::null_mut() };
            if !owner.is_null() {
                drop(Box::from_raw(owner));
            }
        });
    }
}
