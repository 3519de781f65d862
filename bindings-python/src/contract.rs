//! Contracts as documents: canonical bytes, type graphs, manifests (`contract.md`). All of it is core's.

use std::path::PathBuf;

use aster_core::contract::{self, Contract, LiveContract, ManifestFault, ServiceDescription};
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

/// Returns the manifest of a service description, with what a JSON object says beyond the contract.
#[pyfunction]
#[pyo3(signature = (description, beyond = "{}"))]
pub fn manifest_of(py: Python<'_>, description: &str, beyond: &str) -> PyResult<String> {
    raised(py, contract::manifest_text(description, beyond))
}

/// Reads a manifest, and verifies it unless it is a legacy one. Returns its text, and whether it was verified.
#[pyfunction]
pub fn read_manifest(py: Python<'_>, text: &str) -> PyResult<(String, bool)> {
    let (document, verified) = raised(py, contract::read_manifest(text))?;
    Ok((format!("{document:#}\n"), verified))
}

/// Verifies a manifest and returns the description it stands for, in JSON.
#[pyfunction]
pub fn description_of_manifest(py: Python<'_>, text: &str) -> PyResult<String> {
    Ok(raised(py, Contract::describe_manifest(text))?.1.to_string())
}

/// A service with another contract than its manifest: name, version, expected and actual id.
type Mismatch = (String, i32, String, String);

/// Compares live contracts, given as name, version and id, with a manifest file, which may be absent. Returns nothing,
/// or what to tell and which contract differs; without one the file is at fault.
#[pyfunction]
pub fn check_live_contracts(
    py: Python<'_>,
    path: PathBuf,
    live: Vec<(String, i32, String)>,
) -> Option<(String, Option<Mismatch>)> {
    let live: Vec<_> = live
        .iter()
        .map(|(service, version, contract_id)| LiveContract { service, version: *version, contract_id })
        .collect();
    let shown = path.display().to_string();
    let fault = py.detach(|| contract::check_live(&shown, std::fs::read_to_string(&path), &live)).err()?;
    let text = fault.to_string();
    Some(match fault {
        ManifestFault::Unreadable { .. } => (text, None),
        ManifestFault::Mismatch { service, version, expected, actual, .. } => {
            (text, Some((service, version, expected, actual)))
        }
    })
}
