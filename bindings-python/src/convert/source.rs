//! What core asks of Python values to encode them.

use std::os::raw::c_char;
use std::ptr;

use aster_core::codec::{Entries, EnumSchema, Kind, MessageSchema, Mismatch, Number, Read, Source, Text, TypePlan};
use pyo3::exceptions::PyAttributeError;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyFrozenSet, PyInt, PyIterator, PyList, PyMemoryView, PySet,
    PyString, PyTuple,
};

use super::hosts::{Construct, Form, HostTypes, MessageHost};
use super::standard::Standard;

unsafe extern "C" {
    // Part of the stable ABI from 3.10 on; 3.9 exports it with the same signature.
    fn PyUnicode_AsUTF8AndSize(unicode: *mut ffi::PyObject, size: *mut ffi::Py_ssize_t) -> *const c_char;
}

/// Reads dataclass instances and what they hold.
pub struct PySource<'p, 'py> {
    py: Python<'py>,
    hosts: &'p HostTypes,
    /// The exception of host code that ended the walk.
    pub error: Option<PyErr>,
}

/// A walk over a list, tuple or set.
pub enum Items<'py> {
    Set(Bound<'py, PyIterator>),
    List(Bound<'py, PyList>, usize),
    Tuple(Bound<'py, PyTuple>, usize),
}

/// An instance or dict whose fields are read, and its class.
pub struct Opened<'p, 'py> {
    value: Bound<'py, PyAny>,
    host: &'p MessageHost,
    /// Whether reading an attribute runs no code of the class.
    plainly: bool,
}

/// A walk over a dict.
pub struct Pairs<'py> {
    dict: Bound<'py, PyDict>,
    position: ffi::Py_ssize_t,
}

impl<'p, 'py> PySource<'p, 'py> {
    /// Makes a source for the messages of a plan.
    pub fn new(py: Python<'py>, hosts: &'p HostTypes) -> Self {
        Self { py, hosts, error: None }
    }

    #[cold]
    fn failed(&mut self, what: String, error: PyErr) -> Mismatch {
        self.error = Some(error);
        Mismatch::Host(what)
    }

    /// Checks an instance of another class: a subclass is welcome unless it has more fields.
    #[cold]
    fn check_subclass(&mut self, message: &MessageSchema, class: &MessageHost, value: &Bound<'py, PyAny>) -> Read<()> {
        let own = class.class.bind(self.py);
        if !value.is_instance(own).unwrap_or(false) {
            return Err(Mismatch::Type);
        }
        let name = intern!(self.py, "__dataclass_fields__");
        let read = || -> PyResult<Vec<String>> {
            let fields = value.get_type().getattr(name)?;
            let declared = own.getattr(name)?;
            if fields.is(&declared) {
                return Ok(Vec::new());
            }
            let mut further = Vec::new();
            for field in fields.cast_into::<PyDict>()?.keys() {
                if !declared.contains(&field)? {
                    further.push(field.extract::<String>()?);
                }
            }
            Ok(further)
        };
        match read() {
            Ok(further) if further.is_empty() => Ok(()),
            Ok(further) => Err(Mismatch::Unknown(further)),
            Err(error) => Err(self.failed(format!("{} has no readable fields", message.simple_name), error)),
        }
    }

    /// Tells a field that is not there from one whose code failed.
    #[cold]
    fn unreadable<T>(&mut self, message: &MessageSchema, name: &Py<PyString>, error: PyErr) -> Read<Option<T>> {
        if error.is_instance_of::<PyAttributeError>(self.py) {
            return Ok(None);
        }
        let what = format!("{}.{} cannot be read", message.simple_name, name.bind(self.py));
        Err(self.failed(what, error))
    }

    /// Takes what a class of the standard library gave; `None`: the value is of another type.
    fn standard<T>(&mut self, read: impl FnOnce(&Standard) -> PyResult<Option<T>>) -> Read<T> {
        match Standard::get(self.py).and_then(read) {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(Mismatch::Type),
            Err(error) => Err(self.failed("value cannot be read".to_owned(), error)),
        }
    }

    /// Checks that a dict has no keys but the names of fields.
    fn check_keys(&mut self, message: &MessageSchema, value: &Bound<'py, PyDict>) -> Read<()> {
        let mut unknown = Vec::new();
        for key in value.keys() {
            let name = key.cast::<PyString>().ok().and_then(utf8);
            if name.and_then(|name| message.field_index(name)).is_none() {
                unknown.push(key.str().map_or_else(|_| "?".to_owned(), |text| text.to_string_lossy().into_owned()));
            }
        }
        if unknown.is_empty() { Ok(()) } else { Err(Mismatch::Unknown(unknown)) }
    }
}

/// Returns the UTF-8 form that the text keeps with itself; `None` for unpaired surrogates.
#[inline(always)]
fn utf8<'a>(text: &'a Bound<'_, PyString>) -> Option<&'a str> {
    let mut size = 0;
    // SAFETY: `text` is a str and outlives the result, which it owns.
    let data = unsafe { PyUnicode_AsUTF8AndSize(text.as_ptr(), &mut size) };
    if data.is_null() {
        let _ = PyErr::take(text.py());
        return None;
    }
    // SAFETY: CPython returned that many bytes of UTF-8, which stay as long as `text`.
    Some(unsafe { std::str::from_utf8_unchecked(std::slice::from_raw_parts(data.cast(), size as usize)) })
}

#[inline(always)]
fn whole(value: &Bound<'_, PyAny>) -> Read<i128> {
    let exact = value.is_exact_instance_of::<PyInt>();
    if !exact && (!value.is_instance_of::<PyInt>() || value.is_instance_of::<PyBool>()) {
        return Err(Mismatch::Type);
    }
    let mut overflow = 0;
    // SAFETY: `value` is an int, so that no Python code runs and no error is set.
    let small = unsafe { ffi::PyLong_AsLongLongAndOverflow(value.as_ptr(), &mut overflow) };
    match overflow {
        0 => Ok(i128::from(small)),
        _ => value.extract().map_err(|_| Mismatch::Type),
    }
}

impl<'p, 'py> Source for PySource<'p, 'py> {
    type Value = Bound<'py, PyAny>;
    type List = Items<'py>;
    type Map = Pairs<'py>;
    type Record = Opened<'p, 'py>;

    #[inline(always)]
    fn is_null(&mut self, value: &Self::Value) -> bool {
        value.is_none()
    }

    #[inline(always)]
    fn boolean(&mut self, _: &TypePlan, value: &Self::Value) -> Read<bool> {
        value.cast::<PyBool>().map(|value| value.is_true()).map_err(|_| Mismatch::Type)
    }

    #[inline(always)]
    fn integer(&mut self, _: &TypePlan, value: &Self::Value) -> Read<i128> {
        whole(value)
    }

    #[inline(always)]
    fn float(&mut self, _: &TypePlan, value: &Self::Value) -> Read<Number> {
        match value.cast::<PyFloat>() {
            Ok(value) => Ok(Number::Float(value.value())),
            Err(_) => whole(value).map(Number::Integer),
        }
    }

    #[inline(always)]
    fn text<R>(&mut self, ty: &TypePlan, value: &Self::Value, take: impl FnOnce(Text<'_>) -> R) -> Read<R> {
        if self.hosts.form(ty) == Form::Uuid {
            let text = self.standard(|standard| standard.uuid_text(value))?;
            return utf8(&text).map(|text| take(Text::Utf8(text))).ok_or(Mismatch::Type);
        }
        // Nearly all text is of this very class, which is quicker to see than that of a subclass.
        let text = value.cast_exact::<PyString>().or_else(|_| value.cast::<PyString>()).map_err(|_| Mismatch::Type)?;
        utf8(text).map(|text| take(Text::Utf8(text))).ok_or(Mismatch::Type)
    }

    fn bytes<R>(&mut self, _: &TypePlan, value: &Self::Value, take: impl FnOnce(&[u8]) -> R) -> Read<R> {
        if let Ok(bytes) = value.cast::<PyBytes>() {
            return Ok(take(bytes.as_bytes()));
        }
        if !value.is_instance_of::<PyByteArray>() && !value.is_instance_of::<PyMemoryView>() {
            return Err(Mismatch::Type);
        }
        let copy = self.py.get_type::<PyBytes>().call1((value,)).and_then(|copy| Ok(copy.cast_into::<PyBytes>()?));
        match copy {
            Ok(copy) => Ok(take(copy.as_bytes())),
            Err(error) => Err(self.failed("bytes cannot be read".to_owned(), error)),
        }
    }

    fn timestamp(&mut self, _: &TypePlan, value: &Self::Value) -> Read<i64> {
        self.standard(|standard| standard.micros_of(value))
    }

    fn date(&mut self, _: &TypePlan, value: &Self::Value) -> Read<i64> {
        self.standard(|standard| standard.days_of(value))
    }

    fn duration(&mut self, _: &TypePlan, value: &Self::Value) -> Read<i64> {
        match Standard::get(self.py).and_then(|standard| standard.duration_of(value)) {
            Ok(Some(micros)) => Ok(micros),
            Ok(None) => Err(Mismatch::Type),
            Err(_) => Err(Mismatch::Refused("duration out of range".to_owned())),
        }
    }

    fn decimal<R>(&mut self, _: &TypePlan, value: &Self::Value, take: impl FnOnce(&str) -> R) -> Read<R> {
        let text = self.standard(|standard| standard.decimal_text(value))?;
        utf8(&text).map(take).ok_or(Mismatch::Type)
    }

    fn member(&mut self, _: &TypePlan, choices: &EnumSchema, value: &Self::Value) -> Read<usize> {
        self.hosts.choices(choices).and_then(|host| host.index(choices, value)).ok_or(Mismatch::Type)
    }

    fn list(&mut self, ty: &TypePlan, value: &Self::Value) -> Read<(usize, Self::List)> {
        if matches!(ty.kind(), Kind::Set(_)) {
            let len = match (value.cast::<PySet>(), value.cast::<PyFrozenSet>()) {
                (Ok(set), _) => set.len(),
                (_, Ok(set)) => set.len(),
                _ => return Err(Mismatch::Type),
            };
            let items = value.try_iter().map_err(|error| self.failed("set cannot be read".to_owned(), error))?;
            return Ok((len, Items::Set(items)));
        }
        if let Ok(list) = value.cast::<PyList>() {
            return Ok((list.len(), Items::List(list.clone(), 0)));
        }
        let tuple = value.cast::<PyTuple>().map_err(|_| Mismatch::Type)?;
        Ok((tuple.len(), Items::Tuple(tuple.clone(), 0)))
    }

    fn has_null(&mut self, value: &Self::Value) -> Read<bool> {
        if let Ok(list) = value.cast::<PyList>() {
            return Ok(list.iter().any(|item| item.is_none()));
        }
        // The elements of a set are not optional.
        Ok(value.cast::<PyTuple>().is_ok_and(|tuple| tuple.iter().any(|item| item.is_none())))
    }

    #[inline(always)]
    fn next_item(&mut self, list: &mut Self::List) -> Read<Option<Self::Value>> {
        let (item, next) = match list {
            Items::List(list, next) => {
                // Host code may shorten a list while it is read; then there is no next item.
                // SAFETY: a live list, which checks the index; the item is borrowed, and made owned at once.
                let item = unsafe {
                    let item = ffi::PyList_GetItem(list.as_ptr(), *next as ffi::Py_ssize_t);
                    Bound::from_borrowed_ptr_or_opt(self.py, item)
                };
                if item.is_none() {
                    let _ = PyErr::take(self.py);
                }
                *next += 1;
                return Ok(item);
            }
            Items::Set(items) => {
                let item = items.next().transpose();
                return item.map_err(|error| self.failed("set cannot be read".to_owned(), error));
            }
            Items::Tuple(tuple, next) if *next < tuple.len() => (tuple.get_item(*next).ok(), next),
            _ => return Ok(None),
        };
        *next += 1;
        Ok(item)
    }

    fn map(&mut self, _: &TypePlan, value: &Self::Value) -> Read<Entries<Self::Map>> {
        let dict = value.cast::<PyDict>().map_err(|_| Mismatch::Type)?;
        Ok(Entries { len: dict.len(), distinct: true, state: Pairs { dict: dict.clone(), position: 0 } })
    }

    fn next_entry(&mut self, map: &mut Self::Map) -> Read<Option<(Self::Value, Self::Value)>> {
        let (mut key, mut value) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: a dict and three valid places. A dict that host code changed meanwhile yields fewer or other
        // entries, never freed ones; core counts them.
        let found = unsafe { ffi::PyDict_Next(map.dict.as_ptr(), &mut map.position, &mut key, &mut value) };
        if found == 0 {
            return Ok(None);
        }
        // SAFETY: both are borrowed from the dict, and made owned before anything else runs.
        Ok(Some(unsafe { (Bound::from_borrowed_ptr(self.py, key), Bound::from_borrowed_ptr(self.py, value)) }))
    }

    #[inline(always)]
    fn record(&mut self, message: &MessageSchema, value: &Self::Value) -> Read<Self::Record> {
        let host = self.hosts.message(message).ok_or(Mismatch::Type)?;
        if matches!(host.construct, Construct::Dict) {
            let dict = value.cast::<PyDict>().map_err(|_| Mismatch::Type)?;
            self.check_keys(message, dict)?;
        } else if value.get_type_ptr() != host.class.as_ptr().cast() {
            self.check_subclass(message, host, value)?;
            return Ok(Opened { value: value.clone(), host, plainly: false });
        }
        Ok(Opened { value: value.clone(), host, plainly: host.reads_plainly })
    }

    #[inline(always)]
    fn field(&mut self, record: &mut Self::Record, message: &MessageSchema, index: usize) -> Read<Option<Self::Value>> {
        let Some(name) = record.host.fields.get(index) else { return Ok(None) };
        if record.plainly {
            // SAFETY: a live object and a live str, the GIL is held; the result is new or null.
            let value = unsafe { ffi::PyObject_GenericGetAttr(record.value.as_ptr(), name.as_ptr()) };
            if !value.is_null() {
                // SAFETY: a new reference.
                return Ok(Some(unsafe { Bound::from_owned_ptr(self.py, value) }));
            }
            return self.unreadable(message, name, PyErr::fetch(self.py));
        }
        let read = match &record.host.construct {
            Construct::Dict => {
                record.value.cast::<PyDict>().map_err(PyErr::from).and_then(|dict| dict.get_item(name.bind(self.py)))
            }
            _ => record.value.getattr(name.bind(self.py)).map(Some),
        };
        read.or_else(|error| self.unreadable(message, name, error))
    }
}
