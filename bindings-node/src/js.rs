//! JavaScript values through Node-API, with the unsafe calls in one place.
//!
//! Not here: what values mean ([`crate::convert`]).

use std::ffi::c_void;
use std::ptr;

use napi::bindgen_prelude::{FromNapiValue, ToNapiValue};
use napi::sys;

/// A JavaScript value. Valid until the native function that received or made it returns.
#[derive(Clone, Copy)]
pub struct Js(pub(crate) sys::napi_value);

impl FromNapiValue for Js {
    unsafe fn from_napi_value(_: sys::napi_env, value: sys::napi_value) -> napi::Result<Self> {
        Ok(Self(value))
    }
}

impl ToNapiValue for Js {
    unsafe fn to_napi_value(_: sys::napi_env, value: Self) -> napi::Result<sys::napi_value> {
        Ok(value.0)
    }
}

/// An exception that JavaScript code threw, as text.
pub(crate) struct Thrown(pub(crate) String);

/// The JavaScript environment during one native function.
///
/// Made from the `Env` of the running function only, on the environment's own thread; all functions below rest on
/// that. A failing status means that a value is of another type, or that an exception is pending.
#[derive(Clone, Copy)]
pub(crate) struct Scope(sys::napi_env);

impl Scope {
    /// Enters the environment of the running native function.
    pub(crate) fn new(env: &napi::Env) -> Self {
        Self(env.raw())
    }

    pub(crate) fn env(self) -> sys::napi_env {
        self.0
    }

    fn made(self, make: impl FnOnce(sys::napi_env, *mut sys::napi_value) -> sys::napi_status) -> Option<Js> {
        let mut out = ptr::null_mut();
        if make(self.0, &mut out) == sys::Status::napi_ok {
            return Some(Js(out));
        }
        self.clear_exception();
        None
    }

    /// Makes `undefined`.
    pub(crate) fn undefined(self) -> Js {
        // SAFETY: the environment is live; the call fails for null pointers only.
        Js(self.made(|env, out| unsafe { sys::napi_get_undefined(env, out) }).map_or(ptr::null_mut(), |js| js.0))
    }

    /// Makes `null`.
    pub(crate) fn null(self) -> Js {
        // SAFETY: as above.
        self.made(|env, out| unsafe { sys::napi_get_null(env, out) }).unwrap_or_else(|| self.undefined())
    }

    pub(crate) fn boolean(self, value: bool) -> Option<Js> {
        // SAFETY: as above.
        self.made(|env, out| unsafe { sys::napi_get_boolean(env, value, out) })
    }

    pub(crate) fn number(self, value: f64) -> Option<Js> {
        // SAFETY: as above.
        self.made(|env, out| unsafe { sys::napi_create_double(env, value, out) })
    }

    /// Makes a bigint.
    pub(crate) fn bigint(self, value: i64) -> Option<Js> {
        // SAFETY: as above.
        self.made(|env, out| unsafe { sys::napi_create_bigint_int64(env, value, out) })
    }

    pub(crate) fn text(self, value: &str) -> Option<Js> {
        let length = value.len() as isize;
        // SAFETY: pointer and length are those of live text.
        self.made(|env, out| unsafe { sys::napi_create_string_utf8(env, value.as_ptr().cast(), length, out) })
    }

    pub(crate) fn latin1(self, value: &[u8]) -> Option<Js> {
        let length = value.len() as isize;
        // SAFETY: pointer and length are those of live bytes.
        self.made(|env, out| unsafe { sys::napi_create_string_latin1(env, value.as_ptr().cast(), length, out) })
    }

    pub(crate) fn utf16(self, value: &[u16]) -> Option<Js> {
        let length = value.len() as isize;
        // SAFETY: pointer and length are those of live code units.
        self.made(|env, out| unsafe { sys::napi_create_string_utf16(env, value.as_ptr(), length, out) })
    }

    pub(crate) fn array(self) -> Option<Js> {
        // SAFETY: as above.
        self.made(|env, out| unsafe { sys::napi_create_array(env, out) })
    }

    /// Makes an array of values.
    pub(crate) fn list(self, values: impl IntoIterator<Item = Js>) -> Option<Js> {
        let array = self.array()?;
        for (index, value) in (0..).zip(values) {
            self.set(array, index, value)?;
        }
        Some(array)
    }

    /// Makes an array of the texts of pairs, keys and values in turn.
    pub(crate) fn pairs(self, pairs: &[(String, String)]) -> Option<Js> {
        let texts = pairs.iter().flat_map(|(key, value)| [key, value]);
        let values: Option<Vec<Js>> = texts.map(|text| self.text(text)).collect();
        self.list(values?)
    }

    /// Makes a `Uint8Array` with a copy of the bytes.
    pub(crate) fn bytes(self, value: &[u8]) -> Option<Js> {
        let buffer = self.filled_buffer(&[value])?;
        // SAFETY: the buffer is an ArrayBuffer of this length.
        self.made(|env, out| unsafe {
            sys::napi_create_typedarray(env, sys::TypedarrayType::uint8_array, value.len(), buffer.0, 0, out)
        })
    }

    /// Tells whether a value is `undefined`.
    pub(crate) fn is_undefined(self, value: Js) -> bool {
        let mut kind = -1;
        // SAFETY: as above.
        unsafe { sys::napi_typeof(self.0, value.0, &mut kind) };
        kind == sys::ValueType::napi_undefined
    }

    /// Copies the code units of a string over `out`; false if the value is none.
    pub(crate) fn get_units(self, value: Js, out: &mut Vec<u16>) -> bool {
        const FIRST_TRY: usize = 256;
        let mut length = 0;
        out.resize(FIRST_TRY, 0);
        // SAFETY: the buffer has the length that is told; the call ends the text with a zero.
        let status =
            unsafe { sys::napi_get_value_string_utf16(self.0, value.0, out.as_mut_ptr(), FIRST_TRY, &mut length) };
        if status != sys::Status::napi_ok {
            return false;
        }
        if length + 1 == FIRST_TRY {
            // SAFETY: without a buffer the call tells the length.
            unsafe { sys::napi_get_value_string_utf16(self.0, value.0, ptr::null_mut(), 0, &mut length) };
            out.resize(length + 1, 0);
            // SAFETY: as for the first try.
            unsafe {
                sys::napi_get_value_string_utf16(self.0, value.0, out.as_mut_ptr(), length + 1, &mut length);
            }
        }
        out.truncate(length);
        true
    }

    /// Copies a string of `length` code units over `out` if it is ASCII; false if not.
    pub(crate) fn get_ascii(self, value: Js, length: usize, out: &mut Vec<u8>) -> bool {
        // Room for one character more in its longest form, by which any other text gets longer, and a zero.
        let room = length + 5;
        out.clear();
        out.reserve(room);
        let mut written = 0;
        // SAFETY: the buffer has this room; the call ends the text with a zero.
        let status =
            unsafe { sys::napi_get_value_string_utf8(self.0, value.0, out.as_mut_ptr().cast(), room, &mut written) };
        if status != sys::Status::napi_ok || written != length {
            return false;
        }
        // SAFETY: so many bytes were written.
        unsafe { out.set_len(written) };
        out.is_ascii()
    }

    /// Returns a string in UTF-8; unpaired surrogates become U+FFFD.
    pub(crate) fn get_text(self, value: Js) -> Option<String> {
        let mut units = Vec::new();
        self.get_units(value, &mut units).then(|| String::from_utf16_lossy(&units))
    }

    /// Returns start and length of an `ArrayBuffer` as slots; it must be aligned to them.
    pub(crate) fn buffer(self, value: Js) -> Option<(*mut u64, usize)> {
        let (mut data, mut length) = (ptr::null_mut(), 0);
        // SAFETY: the call checks the type.
        let status = unsafe { sys::napi_get_arraybuffer_info(self.0, value.0, &mut data, &mut length) };
        let start = data.cast::<u64>();
        let fits = status == sys::Status::napi_ok && !start.is_null() && start.is_aligned();
        fits.then_some((start, length / size_of::<u64>()))
    }

    /// Makes an `ArrayBuffer` with a copy of the parts.
    pub(crate) fn filled_buffer(self, parts: &[&[u8]]) -> Option<Js> {
        let length = parts.iter().map(|part| part.len()).sum();
        let mut data: *mut c_void = ptr::null_mut();
        // SAFETY: as above; `data` gets the start of the new buffer.
        let buffer = self.made(|env, out| unsafe { sys::napi_create_arraybuffer(env, length, &mut data, out) })?;
        let mut at = 0;
        for part in parts.iter().filter(|part| !part.is_empty()) {
            // SAFETY: the new buffer has exactly the length of all parts, and nothing else refers to it yet.
            unsafe { ptr::copy_nonoverlapping(part.as_ptr(), data.cast::<u8>().add(at), part.len()) };
            at += part.len();
        }
        Some(buffer)
    }

    /// Hands the bytes of a view of an ArrayBuffer to `take`, which must not run JavaScript.
    pub(crate) fn with_bytes<R>(self, value: Js, take: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let (mut kind, mut length, mut data) = (0, 0, ptr::null_mut());
        // SAFETY: the call checks the type; unused outputs may be null.
        let status = unsafe {
            sys::napi_get_typedarray_info(
                self.0,
                value.0,
                &mut kind,
                &mut length,
                &mut data,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        if status == sys::Status::napi_ok {
            length *= element_size(kind);
        } else {
            // SAFETY: as above.
            let status = unsafe {
                sys::napi_get_dataview_info(self.0, value.0, &mut length, &mut data, ptr::null_mut(), ptr::null_mut())
            };
            if status != sys::Status::napi_ok {
                return None;
            }
        }
        if data.is_null() || length == 0 {
            return Some(take(&[]));
        }
        // SAFETY: Node-API told start and length of the view, which lives on while no JavaScript runs.
        Some(take(unsafe { std::slice::from_raw_parts(data.cast_const().cast::<u8>(), length) }))
    }

    /// Returns the length of an array.
    pub(crate) fn length(self, array: Js) -> u32 {
        let mut length = 0;
        // SAFETY: the environment is live and the value belongs to it; the call checks the type.
        unsafe { sys::napi_get_array_length(self.0, array.0, &mut length) };
        length
    }

    /// Returns an element; `undefined` beyond the end. `None`: an accessor threw.
    pub(crate) fn get(self, array: Js, index: u32) -> Option<Js> {
        // SAFETY: as above.
        self.made(|env, out| unsafe { sys::napi_get_element(env, array.0, index, out) })
    }

    /// Sets an element.
    pub(crate) fn set(self, array: Js, index: u32, value: Js) -> Option<()> {
        // SAFETY: as above.
        let status = unsafe { sys::napi_set_element(self.0, array.0, index, value.0) };
        (status == sys::Status::napi_ok).then_some(())
    }

    /// Returns a member of an object by its name.
    pub(crate) fn member(self, object: Js, name: &std::ffi::CStr) -> Option<Js> {
        // SAFETY: as above; the name ends with a zero.
        self.made(|env, out| unsafe { sys::napi_get_named_property(env, object.0, name.as_ptr(), out) })
    }

    /// Calls a function.
    pub(crate) fn call(self, function: Js, arguments: &[Js]) -> Result<Js, Thrown> {
        let this = self.undefined();
        let mut out = ptr::null_mut();
        // SAFETY: `Js` is a newtype of one pointer, so that the arguments are an array of handles.
        let status = unsafe {
            let start = arguments.as_ptr().cast::<sys::napi_value>();
            sys::napi_call_function(self.0, this.0, function.0, arguments.len(), start, &mut out)
        };
        if status == sys::Status::napi_ok { Ok(Js(out)) } else { Err(Thrown(self.clear_exception())) }
    }

    /// Takes a pending exception away and returns its message.
    fn clear_exception(self) -> String {
        let (mut pending, mut exception, mut error) = (false, ptr::null_mut(), false);
        // SAFETY: the environment is live; the exception is asked for only if it is there.
        unsafe {
            sys::napi_is_exception_pending(self.0, &mut pending);
            if !pending {
                return "it cannot be read".to_owned();
            }
            sys::napi_get_and_clear_last_exception(self.0, &mut exception);
            sys::napi_is_error(self.0, exception, &mut error);
        }
        let read = |of: Js| if error { self.member(of, c"message") } else { Some(of) };
        let text = read(Js(exception)).and_then(|text| self.get_text(text));
        text.unwrap_or_else(|| "an exception without a text".to_owned())
    }
}

/// Numbers that may be viewed as bytes.
pub(crate) trait Plain: Copy {}
impl Plain for u16 {}
impl Plain for u64 {}

/// Returns the bytes of numbers, as typed arrays have them.
pub(crate) fn as_bytes<T: Plain>(of: &[T]) -> &[u8] {
    // SAFETY: integers have no padding, and any byte is one.
    unsafe { std::slice::from_raw_parts(of.as_ptr().cast(), size_of_val(of)) }
}

fn element_size(kind: sys::napi_typedarray_type) -> usize {
    use sys::TypedarrayType as T;
    match kind {
        T::int16_array | T::uint16_array => 2,
        T::int32_array | T::uint32_array | T::float32_array => 4,
        T::float64_array | T::bigint64_array | T::biguint64_array => 8,
        _ => 1,
    }
}

/// A JavaScript value that is kept beyond one native function. Dropped on the environment's thread.
pub(crate) struct Persistent {
    env: sys::napi_env,
    reference: sys::napi_ref,
}

impl Persistent {
    /// Keeps a value.
    pub(crate) fn new(scope: Scope, value: Js) -> Option<Self> {
        let mut reference = ptr::null_mut();
        // SAFETY: the environment is live and the value belongs to it; the call checks the type.
        let status = unsafe { sys::napi_create_reference(scope.0, value.0, 1, &mut reference) };
        (status == sys::Status::napi_ok).then_some(Self { env: scope.0, reference })
    }

    /// Returns the value.
    pub(crate) fn get(&self, scope: Scope) -> Js {
        // SAFETY: the reference is live and strong until this is dropped.
        scope
            .made(|env, out| unsafe { sys::napi_get_reference_value(env, self.reference, out) })
            .unwrap_or_else(|| scope.undefined())
    }
}

impl Drop for Persistent {
    fn drop(&mut self) {
        // SAFETY: deleted once; Node-API runs finalizers while the environment is live.
        unsafe { sys::napi_delete_reference(self.env, self.reference) };
    }
}
