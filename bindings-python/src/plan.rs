//! Services as both sides of a call use them: core's plan, and the Python classes of its messages.

use std::sync::Arc;

use aster_core::engine::ServicePlan;
use aster_core::types::TypeExpr;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::convert::HostTypes;
use crate::errors;

/// A service, checked and compiled by core.
#[pyclass(frozen, module = "aster._aster")]
pub struct Plan {
    pub(crate) plan: Arc<ServicePlan>,
    pub(crate) hosts: HostTypes,
}

#[pymethods]
impl Plan {
    /// Compiles a description in JSON. `classes` and `enums` map tags to what Python makes of them.
    #[new]
    fn new(
        py: Python<'_>,
        description: &str,
        classes: &Bound<'_, PyDict>,
        enums: &Bound<'_, PyDict>,
    ) -> PyResult<Self> {
        let plan = ServicePlan::from_json(description).map_err(|error| errors::exception(py, &error))?;
        let hosts = HostTypes::new(py, plan.schema(), classes, enums)?;
        Ok(Self { plan, hosts })
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

/// Returns the name that a field has on the wire.
#[pyfunction]
pub fn wire_name(name: &str) -> String {
    aster_core::types::wire_name(name)
}

/// Returns the tag of a generic class with arguments.
#[pyfunction]
pub fn flattened_name(py: Python<'_>, tag: &str, arguments: Vec<String>) -> PyResult<String> {
    aster_core::types::flattened_name(tag, &arguments).map_err(|error| errors::exception(py, &error))
}

/// Tells whether a type may be the key of a map; enums, which only their declaration tells, may be as well.
#[pyfunction]
pub fn is_key_type(text: &str) -> bool {
    matches!(TypeExpr::parse(text), Ok(TypeExpr::Primitive(primitive)) if primitive.is_key())
}

/// Tells whether a type is a scalar, so that sets may hold it; they may hold enums as well.
#[pyfunction]
pub fn is_scalar_type(text: &str) -> bool {
    matches!(TypeExpr::parse(text), Ok(TypeExpr::Primitive(_)))
}

/// Returns a type text as a tree: a name, or a kind and its parts.
#[pyfunction]
pub fn type_tree<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
    let ty = TypeExpr::parse(text).map_err(|error| errors::exception(py, &error))?;
    tree(py, &ty)
}

/// The parser bounds how deep a type nests.
fn tree<'py>(py: Python<'py>, ty: &TypeExpr) -> PyResult<Bound<'py, PyAny>> {
    let node = match ty {
        TypeExpr::Primitive(primitive) => return Ok(PyString::new(py, primitive.name()).into_any()),
        TypeExpr::Named(tag) => return Ok(PyString::new(py, tag).into_any()),
        TypeExpr::List(element) => ("list", tree(py, element)?).into_pyobject(py)?,
        TypeExpr::Set(element) => ("set", tree(py, element)?).into_pyobject(py)?,
        TypeExpr::Optional(inner) => ("optional", tree(py, inner)?).into_pyobject(py)?,
        TypeExpr::Map(key, value) => ("map", tree(py, key)?, tree(py, value)?).into_pyobject(py)?,
    };
    Ok(node.into_any())
}
