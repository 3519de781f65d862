//! What Python knows of a schema: classes of messages, members of enums, and how it holds the values of each place.

use std::collections::HashMap;
use std::os::raw::c_void;
use std::ptr;

use aster_core::codec::{EnumSchema, Kind, MessageSchema, Schema, TypePlan};
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};

/// The Python side of a schema.
pub struct HostTypes {
    /// By message number.
    messages: Vec<MessageHost>,
    /// By enum number.
    enums: Vec<EnumHost>,
    /// By [`TypePlan::node`].
    forms: Vec<Form>,
}

/// How Python holds the values of a place, where there is a choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// `str`, `list`, `set`.
    #[default]
    Plain,
    /// `tuple` of a list.
    Tuple,
    /// `frozenset` of a set.
    Frozen,
    /// `uuid.UUID` of text.
    Uuid,
}

/// What is known of the class of a message.
pub struct MessageHost {
    pub class: Py<PyType>,
    /// Interned names of attributes, by position in the message.
    pub fields: Vec<Py<PyString>>,
    /// Defaults that only Python can make, by position in the message.
    pub defaults: Vec<Option<Default>>,
    /// Fields that do not travel.
    pub locals: Vec<Local>,
    pub construct: Construct,
    /// Whether attributes are read as `object` does it, without code of the class.
    pub reads_plainly: bool,
}

/// How instances come to be.
pub enum Construct {
    /// There is no class: records are dicts.
    Dict,
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
    /// In declared order.
    #[pyo3(item(2))]
    fields: Vec<FieldSpec<'py>>,
    #[pyo3(item(3))]
    locals: Vec<(String, Default)>,
}

/// A field as Python describes it.
#[derive(FromPyObject)]
struct FieldSpec<'py> {
    #[pyo3(item(0))]
    attribute: String,
    #[pyo3(item(1))]
    form: Bound<'py, PyAny>,
    #[pyo3(item(2))]
    default: Option<Default>,
}

/// The members of an enum.
pub struct EnumHost {
    /// By position in the schema; names where there is no class.
    members: Vec<Py<PyAny>>,
    /// Positions by the address of a member, which is a singleton.
    by_address: HashMap<usize, usize>,
    has_class: bool,
}

impl HostTypes {
    /// Joins a schema with classes and enums by tag. A message or enum without one is a dict, or a name.
    pub fn new(
        py: Python<'_>,
        schema: &Schema,
        classes: &Bound<'_, PyDict>,
        enums: &Bound<'_, PyDict>,
    ) -> PyResult<Self> {
        let mut forms = vec![Form::default(); schema.node_count()];
        let mut messages = Vec::with_capacity(schema.messages().len());
        for message in schema.messages() {
            messages.push(match classes.get_item(&*message.tag)? {
                Some(spec) => MessageHost::new(py, message, spec.extract()?, &mut forms)?,
                None => MessageHost::dict(py, message),
            });
        }
        let enums = schema.enums().map(|choices| EnumHost::new(py, choices, enums.get_item(&*choices.tag)?));
        Ok(Self { messages, enums: enums.collect::<PyResult<_>>()?, forms })
    }

    #[inline]
    pub fn message(&self, message: &MessageSchema) -> Option<&MessageHost> {
        self.messages.get(message.id.index())
    }

    #[inline]
    pub fn choices(&self, choices: &EnumSchema) -> Option<&EnumHost> {
        self.enums.get(choices.id.index())
    }

    #[inline]
    pub fn form(&self, ty: &TypePlan) -> Form {
        self.forms.get(ty.node() as usize).copied().unwrap_or_default()
    }
}

impl MessageHost {
    fn new(py: Python<'_>, message: &MessageSchema, spec: ClassSpec<'_>, forms: &mut [Form]) -> PyResult<Self> {
        if spec.fields.len() != message.fields.len() {
            return Err(PyTypeError::new_err(format!("class and message '{}' differ", message.tag)));
        }
        let (mut fields, mut defaults) = (Vec::new(), Vec::new());
        for (field, declared) in message.fields.iter().zip(spec.fields) {
            place(forms, &field.ty, &declared.form)?;
            fields.push(PyString::intern(py, &declared.attribute).unbind());
            defaults.push(declared.default);
        }
        let local = |(name, value): (String, Default)| Local { name: PyString::intern(py, &name).unbind(), value };
        let locals = spec.locals.into_iter().map(local).collect();
        let construct = match &spec.class {
            class if class.is(py.get_type::<PyDict>()) => Construct::Dict,
            _ if spec.has_constructor => Construct::Keywords,
            class => direct(class)?,
        };
        let reads_plainly = !matches!(construct, Construct::Dict) && reads_plainly(&spec.class);
        Ok(Self { class: spec.class.unbind(), fields, defaults, locals, construct, reads_plainly })
    }

    fn dict(py: Python<'_>, message: &MessageSchema) -> Self {
        let fields = message.fields.iter().map(|field| PyString::intern(py, &field.name).unbind()).collect();
        let defaults = message.fields.iter().map(|_| None).collect();
        let class = py.get_type::<PyDict>().unbind();
        let (locals, construct) = (Vec::new(), Construct::Dict);
        Self { class, fields, defaults, locals, construct, reads_plainly: false }
    }
}

/// Notes the form of a place and of its parts: a name, or a name and the forms of the parts.
fn place(forms: &mut [Form], ty: &TypePlan, form: &Bound<'_, PyAny>) -> PyResult<()> {
    let Ok(parts) = form.cast::<PyTuple>() else { return note(forms, ty, form) };
    note(forms, ty, &parts.get_item(0)?)?;
    for (ty, form) in ty.parts().iter().zip(parts.iter().skip(1)) {
        place(forms, ty, &form)?;
    }
    Ok(())
}

fn note(forms: &mut [Form], ty: &TypePlan, name: &Bound<'_, PyAny>) -> PyResult<()> {
    let name: String = name.extract()?;
    if let Some(place) = forms.get_mut(ty.node() as usize) {
        *place = match (name.as_str(), ty.kind()) {
            ("tuple", Kind::List(_)) => Form::Tuple,
            ("frozenset", Kind::Set(_)) => Form::Frozen,
            ("uuid", Kind::String) => Form::Uuid,
            _ => Form::Plain,
        };
    }
    Ok(())
}

fn reads_plainly(class: &Bound<'_, PyType>) -> bool {
    // SAFETY: a dataclass is a heap type, of which any slot may be asked.
    let slot = unsafe { ffi::PyType_GetSlot(class.as_type_ptr(), ffi::Py_tp_getattro) };
    ptr::eq(slot, ffi::PyObject_GenericGetAttr as *const c_void)
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

impl EnumHost {
    fn new(py: Python<'_>, choices: &EnumSchema, declared: Option<Bound<'_, PyAny>>) -> PyResult<Self> {
        let mut members = Vec::with_capacity(choices.members.len());
        for member in &choices.members {
            members.push(match &declared {
                Some(declared) => declared.get_item(&*member.name)?.unbind(),
                None => PyString::intern(py, &member.name).into_any().unbind(),
            });
        }
        let by_address = members.iter().enumerate().map(|(at, member)| (member.as_ptr() as usize, at)).collect();
        Ok(Self { members, by_address, has_class: declared.is_some() })
    }

    /// Returns a member by its position.
    pub fn member<'py>(&self, py: Python<'py>, index: usize) -> Option<Bound<'py, PyAny>> {
        self.members.get(index).map(|member| member.bind(py).clone())
    }

    /// Finds a member: itself, or its value as a plain `int` or `str`; a name where there is no class.
    pub fn index(&self, choices: &EnumSchema, value: &Bound<'_, PyAny>) -> Option<usize> {
        if let Some(index) = self.by_address.get(&(value.as_ptr() as usize)) {
            return Some(*index);
        }
        if let Ok(text) = value.cast_exact::<PyString>() {
            let text: String = text.extract().ok()?;
            return if self.has_class { choices.by_text(&text) } else { choices.by_name(&text) };
        }
        let number = value.cast_exact::<pyo3::types::PyInt>().ok()?;
        if self.has_class { choices.by_value(number.extract().ok()?) } else { None }
    }
}
