//! What core asks of Python to build decoded values.

use std::os::raw::c_char;
use std::ptr;

use aster_core::codec::{EnumSchema, Kind, Made, MessageSchema, Refusal, Sink, Text, TypePlan, is_uuid};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyFrozenSet, PyList, PySet, PyTuple};

use super::hosts::{Construct, Form, HostTypes, MessageHost};
use super::standard::Standard;

/// Builds dataclass instances and what they hold.
pub struct PySink<'p, 'py> {
    py: Python<'py>,
    hosts: &'p HostTypes,
    no_arguments: Bound<'py, PyTuple>,
    /// The exception of host code that refused values.
    pub error: Option<PyErr>,
}

/// A message that is being filled, and its class.
pub struct Building<'p, 'py> {
    host: &'p MessageHost,
    target: Target<'py>,
}

enum Target<'py> {
    /// An instance whose attributes are set.
    Instance(Bound<'py, PyAny>),
    /// A dict, or keywords for a constructor that the class wrote itself.
    Keywords(Bound<'py, PyDict>),
}

impl<'p, 'py> PySink<'p, 'py> {
    /// Makes a sink for the messages of a plan.
    pub fn new(py: Python<'py>, hosts: &'p HostTypes) -> Self {
        Self { py, hosts, no_arguments: PyTuple::empty(py), error: None }
    }

    #[inline]
    fn host(&self, message: &MessageSchema) -> Made<&'p MessageHost> {
        self.hosts.message(message).ok_or_else(unknown_place)
    }

    /// Makes a value of a class of the standard library.
    fn standard(
        &mut self,
        make: impl FnOnce(&Standard, Python<'py>) -> PyResult<Bound<'py, PyAny>>,
    ) -> Made<Bound<'py, PyAny>> {
        let made = Standard::get(self.py).and_then(|standard| make(standard, self.py));
        made.map_err(|error| self.not_built(error))
    }

    #[cold]
    fn failed(&mut self, message: &MessageSchema, error: PyErr) -> Refusal {
        self.error = Some(error);
        Refusal::Host(format!("{} refused its values", message.simple_name))
    }

    #[cold]
    fn not_built(&mut self, error: PyErr) -> Refusal {
        self.error = Some(error);
        Refusal::Host("value cannot be built".to_owned())
    }

    #[inline]
    fn assign(
        &mut self,
        building: &mut Building<'p, 'py>,
        message: &MessageSchema,
        name: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
    ) -> Made<()> {
        let done = match &building.target {
            Target::Instance(object) => set_directly(object, name, value),
            Target::Keywords(keywords) => keywords.set_item(name, value),
        };
        done.map_err(|error| self.failed(message, error))
    }

    /// Gives fields that do not travel their defaults.
    fn set_locals(&mut self, object: &Bound<'py, PyAny>, class: &MessageHost) -> PyResult<()> {
        for local in &class.locals {
            let value = local.value.make(self.py)?;
            set_directly(object, local.name.bind(self.py).as_any(), &value)?;
        }
        Ok(())
    }
}

/// Sets an attribute as `object.__setattr__` does, so that frozen classes can be filled.
#[inline]
fn set_directly<'py>(object: &Bound<'py, PyAny>, name: &Bound<'py, PyAny>, value: &Bound<'py, PyAny>) -> PyResult<()> {
    // SAFETY: three live objects, the GIL is held.
    match unsafe { ffi::PyObject_GenericSetAttr(object.as_ptr(), name.as_ptr(), value.as_ptr()) } {
        0 => Ok(()),
        _ => Err(PyErr::fetch(object.py())),
    }
}

fn string<'py>(py: Python<'py>, text: Text<'_>) -> PyResult<Bound<'py, PyAny>> {
    let (data, len): (*const c_char, usize) = match text {
        Text::Latin1(raw) | Text::Utf16Le(raw) => (raw.as_ptr().cast(), raw.len()),
        Text::Utf8(text) => (text.as_ptr().cast(), text.len()),
        Text::Utf16(_) => return Ok(text.to_utf8().as_ref().into_pyobject(py)?.into_any()),
    };
    let len = len as ffi::Py_ssize_t; // A slice is never longer than isize::MAX.
    let mut little_endian = -1;
    // SAFETY: each call reads `len` bytes at `data`, which live through it; the results are new or null.
    unsafe {
        let object = match text {
            Text::Latin1(_) => ffi::PyUnicode_DecodeLatin1(data, len, ptr::null()),
            Text::Utf16Le(_) => ffi::PyUnicode_DecodeUTF16(data, len, ptr::null(), &mut little_endian),
            _ => ffi::PyUnicode_FromStringAndSize(data, len),
        };
        Bound::from_owned_ptr_or_err(py, object)
    }
}

#[cold]
fn unknown_place() -> Refusal {
    Refusal::Host("types of the program and of the service differ".to_owned())
}

impl<'p, 'py> Sink for PySink<'p, 'py> {
    type Value = Bound<'py, PyAny>;
    type List = Vec<Bound<'py, PyAny>>;
    type Map = Bound<'py, PyDict>;
    type Record = Building<'p, 'py>;

    fn null(&mut self, _: &TypePlan) -> Made<Self::Value> {
        Ok(self.py.None().into_bound(self.py))
    }

    fn boolean(&mut self, _: &TypePlan, value: bool) -> Made<Self::Value> {
        Ok(PyBool::new(self.py, value).to_owned().into_any())
    }

    fn signed(&mut self, _: &TypePlan, value: i64) -> Made<Self::Value> {
        let Ok(value) = value.into_pyobject(self.py);
        Ok(value.into_any())
    }

    fn unsigned(&mut self, _: &TypePlan, value: u64) -> Made<Self::Value> {
        let Ok(value) = value.into_pyobject(self.py);
        Ok(value.into_any())
    }

    fn float(&mut self, _: &TypePlan, value: f64) -> Made<Self::Value> {
        Ok(PyFloat::new(self.py, value).into_any())
    }

    fn text(&mut self, ty: &TypePlan, value: Text<'_>) -> Made<Self::Value> {
        if self.hosts.form(ty) == Form::Uuid {
            let text = value.to_utf8();
            if !is_uuid(&text) {
                return Err(Refusal::Range("expected a UUID in lower case".to_owned()));
            }
            return self.standard(|standard, py| standard.uuid(py, &text));
        }
        string(self.py, value).map_err(|error| self.not_built(error))
    }

    fn bytes(&mut self, _: &TypePlan, value: &[u8]) -> Made<Self::Value> {
        Ok(PyBytes::new(self.py, value).into_any())
    }

    fn timestamp(&mut self, _: &TypePlan, micros: i64) -> Made<Self::Value> {
        self.standard(|standard, py| standard.datetime(py, micros))
    }

    fn date(&mut self, _: &TypePlan, days: i64) -> Made<Self::Value> {
        self.standard(|standard, py| standard.date(py, days))
    }

    fn duration(&mut self, _: &TypePlan, micros: i64) -> Made<Self::Value> {
        self.standard(|standard, py| standard.timedelta(py, micros))
    }

    fn decimal(&mut self, _: &TypePlan, text: &str) -> Made<Self::Value> {
        self.standard(|standard, py| standard.decimal(py, text))
    }

    fn member(&mut self, _: &TypePlan, choices: &EnumSchema, index: usize) -> Made<Self::Value> {
        self.hosts.choices(choices).and_then(|host| host.member(self.py, index)).ok_or_else(unknown_place)
    }

    fn list_open(&mut self, _: &TypePlan, hint: usize) -> Made<Self::List> {
        Ok(Vec::with_capacity(hint))
    }

    fn list_push(&mut self, list: &mut Self::List, value: Self::Value) -> Made<()> {
        list.push(value);
        Ok(())
    }

    fn list_close(&mut self, ty: &TypePlan, list: Self::List) -> Made<Self::Value> {
        let (py, len, form) = (self.py, list.len(), self.hosts.form(ty));
        let made = match ty.kind() {
            Kind::Set(_) if form == Form::Frozen => PyFrozenSet::new(py, list).map(Bound::into_any),
            Kind::Set(_) => PySet::new(py, list).map(Bound::into_any),
            _ if form == Form::Tuple => PyTuple::new(py, list).map(Bound::into_any),
            _ => PyList::new(py, list).map(Bound::into_any),
        };
        let made = made.map_err(|error| self.not_built(error))?;
        // Elements that differ in core may be equal here, such as zero and minus zero.
        if matches!(ty.kind(), Kind::Set(_)) && made.len().is_ok_and(|kept| kept != len) {
            return Err(Refusal::Range("elements that are equal in Python".to_owned()));
        }
        Ok(made)
    }

    fn map_open(&mut self, _: &TypePlan, _: usize) -> Made<Self::Map> {
        Ok(PyDict::new(self.py))
    }

    fn map_put(&mut self, map: &mut Self::Map, key: Self::Value, value: Self::Value) -> Made<bool> {
        let before = map.len();
        map.set_item(key, value).map_err(|error| self.not_built(error))?;
        Ok(map.len() > before)
    }

    fn map_close(&mut self, _: &TypePlan, map: Self::Map) -> Made<Self::Value> {
        Ok(map.into_any())
    }

    fn record_open(&mut self, message: &MessageSchema) -> Made<Self::Record> {
        let host = self.host(message)?;
        let made = match &host.construct {
            Construct::Keywords | Construct::Dict => {
                return Ok(Building { host, target: Target::Keywords(PyDict::new(self.py)) });
            }
            Construct::Slot(new) => {
                // SAFETY: the slot of this very class, which inherits `object.__new__`; an empty argument tuple.
                unsafe {
                    let object = new(host.class.as_ptr().cast(), self.no_arguments.as_ptr(), ptr::null_mut());
                    Bound::from_owned_ptr_or_err(self.py, object)
                }
            }
            Construct::Function(new) => new.bind(self.py).call1((&host.class,)),
        };
        let object = made.map_err(|error| self.failed(message, error))?;
        if !host.locals.is_empty() {
            self.set_locals(&object, host).map_err(|error| self.failed(message, error))?;
        }
        Ok(Building { host, target: Target::Instance(object) })
    }

    #[inline]
    fn record_set(
        &mut self,
        record: &mut Self::Record,
        message: &MessageSchema,
        index: usize,
        value: Self::Value,
    ) -> Made<()> {
        let Some(name) = record.host.fields.get(index) else { return Err(unknown_place()) };
        self.assign(record, message, name.bind(self.py).as_any(), &value)
    }

    fn record_computed(&mut self, record: &mut Self::Record, message: &MessageSchema, index: usize) -> Made<()> {
        if matches!(record.target, Target::Keywords(_)) {
            return Ok(()); // The constructor computes it.
        }
        let host = record.host;
        let (Some(name), Some(Some(default))) = (host.fields.get(index), host.defaults.get(index)) else {
            return Err(unknown_place());
        };
        let value = default.make(self.py).map_err(|error| self.failed(message, error))?;
        self.assign(record, message, name.bind(self.py).as_any(), &value)
    }

    fn record_close(&mut self, message: &MessageSchema, record: Self::Record) -> Made<Self::Value> {
        match record.target {
            Target::Instance(object) => Ok(object),
            Target::Keywords(fields) if matches!(record.host.construct, Construct::Dict) => Ok(fields.into_any()),
            Target::Keywords(keywords) => {
                let class = record.host.class.bind(self.py);
                class.call((), Some(&keywords)).map_err(|error| self.failed(message, error))
            }
        }
    }
}
