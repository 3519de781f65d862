//! Services as both sides of a call use them: core's plan, and the Python classes of its messages.

use std::collections::HashMap;
use std::os::raw::c_void;
use std::sync::Arc;

use aster_core::engine::ServicePlan;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyType};

use crate::errors;

/// What is known of the class of a message.
pub struct MessageClass {
    pub class: Py<PyType>,
    /// Interned names, by position in the message.
    pub fields: Vec<Py<PyString>>,
    /// Defaults that only Python can make, by position in the message.
    pub defaults: Vec<Option<Default>>,
    /// Fields that do not travel.
    pub locals: Vec<Local>,
    pub construct: Construct,
}

/// How instances come to be.
pub enum Construct {
    /// The class wrote `__init__` or `__post_init__`: it is called with keywords.
    Keywords,
    /// `object.__new__`, called directly.
    Slot(ffi::newfunc),
    /// `object.__new__` as a Python function, for classes with a `__new__` of their own.
    Function(Py<PyAny>),
}

/// The default of a field.
#[derive(FromPyObject)]
pub struct Default {
    #[pyo3(item(0))]
    is_factory: bool,
    #[pyo3(item(1))]
    value: Py<PyAny>,
}

impl Default {
    /// Returns the value, a fresh one from a factory.
    pub fn make<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let value = self.value.bind(py);
        if self.is_factory { value.call0() } else { Ok(value.clone()) }
    }
}

/// A field that does not travel.
pub struct Local {
    pub name: Py<PyString>,
    pub value: Default,
}

/// A message class as Python describes it.
#[derive(FromPyObject)]
struct ClassSpec<'py> {
    #[pyo3(item(0))]
    class: Bound<'py, PyType>,
    #[pyo3(item(1))]
    has_constructor: bool,
    #[pyo3(item(2))]
    defaults: HashMap<String, Default>,
    #[pyo3(item(3))]
    locals: Vec<(String, Default)>,
}

/// A service, checked and compiled by core.
#[pyclass(frozen, module = "aster._aster")]
pub struct Plan {
    pub(crate) plan: Arc<ServicePlan>,
    pub(crate) classes: Vec<MessageClass>,
}

#[pymethods]
impl Plan {
    /// Compiles a description in JSON. `classes` maps the tag of every message to its class, whether that has a
    /// constructor of its own, defaults and local fields.
    #[new]
    fn new(py: Python<'_>, description: &str, classes: HashMap<String, ClassSpec<'_>>) -> PyResult<Self> {
        let plan = ServicePlan::from_json(description).map_err(|error| errors::exception(py, &error))?;
        let mut classes = classes;
        let table = plan.schema().messages().map(|message| {
            let spec = classes
                .remove(&*message.tag)
                .ok_or_else(|| PyTypeError::new_err(format!("no class for message '{}'", message.tag)))?;
            let names = message.fields.iter().map(|field| &*field.name);
            MessageClass::new(py, spec, names)
        });
        let classes = table.collect::<PyResult<_>>()?;
        Ok(Self { plan, classes })
    }

    /// The 64 hex digits that name the contract.
    #[getter]
    fn contract_id(&self) -> &str {
        self.plan.contract().id()
    }

    /// The bytes that the contract id is the hash of.
    #[getter]
    fn canonical<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.plan.contract().canonical())
    }

    /// Returns the position of a method by its wire name.
    fn method_index(&self, name: &str) -> Option<usize> {
        self.plan.method_index(name)
    }
}

impl MessageClass {
    fn new<'n>(py: Python<'_>, spec: ClassSpec<'_>, names: impl Iterator<Item = &'n str>) -> PyResult<Self> {
        let mut declared = spec.defaults;
        let (mut fields, mut defaults) = (Vec::new(), Vec::new());
        for name in names {
            fields.push(PyString::intern(py, name).unbind());
            defaults.push(declared.remove(name));
        }
        let locals = spec.locals.into_iter();
        let local = |(name, value): (String, Default)| Local { name: PyString::intern(py, &name).unbind(), value };
        let construct = if spec.has_constructor { Construct::Keywords } else { direct(&spec.class)? };
        Ok(Self { class: spec.class.unbind(), fields, defaults, locals: locals.map(local).collect(), construct })
    }
}

/// Finds the quickest way to make an instance without its constructor.
fn direct(class: &Bound<'_, PyType>) -> PyResult<Construct> {
    let py = class.py();
    let object_new = py.get_type::<PyAny>().getattr(intern!(py, "__new__"))?;
    if !class.getattr(intern!(py, "__new__"))?.is(&object_new) {
        return Ok(Construct::Function(object_new.unbind()));
    }
    // SAFETY: a dataclass is a heap type, of which any slot may be asked.
    let slot: *mut c_void = unsafe { ffi::PyType_GetSlot(class.as_type_ptr(), ffi::Py_tp_new) };
    if slot.is_null() {
        return Ok(Construct::Function(object_new.unbind()));
    }
    // SAFETY: the slot Py_tp_new holds a `newfunc`.
    Ok(Construct::Slot(unsafe { std::mem::transmute::<*mut c_void, ffi::newfunc>(slot) }))
}

/// Returns the name that a field has on the wire.
#[pyfunction]
pub fn wire_name(name: &str) -> String {
    aster_core::types::wire_name(name)
}
