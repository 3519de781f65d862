//! Contracts as documents: canonical bytes, type graphs, manifests (`contract.md`). All of it is core's.

use aster_core::contract::{self, Contract, ServiceDescription};
use aster_core::error::Result;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors;

fn raised<T>(py: Python<'_>, outcome: Result<T>) -> PyResult<T> {
    outcome.map_err(|error| errors::exception(py, &error))
}

/// Returns the canonical bytes of a document in JSON.
#[pyfunction]
pub fn canonical_bytes<'py>(py: Python<'py>, kind: &str, document: &str) -> PyResult<Bound<'py, PyBytes>> {
    raised(py, contract::canonical_bytes(kind, document)).map(|bytes| PyBytes::new(py, &bytes))
}

/// Returns the document that canonical bytes hold, in JSON.
#[pyfunction]
pub fn read_canonical(py: Python<'_>, kind: &str, canonical: &[u8]) -> PyResult<String> {
    raised(py, contract::read_canonical(kind, canonical))
}

/// Returns the type graph of declared types, in JSON.
#[pyfunction]
pub fn type_graph(py: Python<'_>, types: &str) -> PyResult<String> {
    raised(py, contract::type_graph(types))
}

/// Returns what the contract of a service description commits to, in JSON.
#[pyfunction]
pub fn contract_identity(py: Python<'_>, description: &str) -> PyResult<String> {
    let contract = raised(py, ServiceDescription::from_json(description).and_then(Contract::new))?;
    Ok(contract::identity(&contract))
}

/// Returns the manifest of a service description.
#[pyfunction]
pub fn manifest_of(py: Python<'_>, description: &str) -> PyResult<String> {
    let contract = raised(py, ServiceDescription::from_json(description).and_then(Contract::new))?;
    Ok(contract.manifest_text())
}

/// Verifies a manifest and returns it as core writes it.
#[pyfunction]
pub fn verified_manifest(py: Python<'_>, text: &str) -> PyResult<String> {
    Ok(raised(py, Contract::from_manifest(text))?.manifest_text())
}

/// Verifies a manifest and returns the description it stands for, in JSON.
#[pyfunction]
pub fn description_of_manifest(py: Python<'_>, text: &str) -> PyResult<String> {
    Ok(raised(py, Contract::describe_manifest(text))?.1.to_string())
}
