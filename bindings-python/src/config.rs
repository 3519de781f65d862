//! The configuration in force. Rules are core's (`config.md`); Python reads environment and files.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use aster_core::addr::Address;
use aster_core::config::{Config as CoreConfig, IDENTITY_FILE, Sources};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors;

/// Values of every setting, with the source of each.
#[pyclass(frozen, module = "aster._aster")]
pub struct Config(pub(crate) CoreConfig);

fn values(text: &str) -> PyResult<BTreeMap<String, serde_json::Value>> {
    serde_json::from_str(text).map_err(|error| PyValueError::new_err(error.to_string()))
}

#[pymethods]
impl Config {
    /// Settles every setting. `arguments` and `inline` are JSON objects, `read` returns the text of a file or
    /// `None`.
    #[staticmethod]
    fn resolve(
        py: Python<'_>,
        arguments: &str,
        inline: &str,
        env: HashMap<String, String>,
        read: Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let mut sources = Sources {
            arguments: values(arguments)?,
            inline: values(inline)?,
            env: env.into_iter().collect(),
            files: BTreeMap::new(),
            identity_present: Path::new(IDENTITY_FILE).exists(),
        };
        for path in CoreConfig::files(&sources).map_err(|error| errors::exception(py, &error))? {
            if let Some(text) = read.call1((&path,))?.extract()? {
                sources.files.insert(path, text);
            }
        }
        CoreConfig::resolve(sources).map(Self).map_err(|error| errors::exception(py, &error))
    }

    /// Returns a setting as JSON text and its source, or `None` for an unknown one.
    fn get(&self, field: &str) -> Option<(String, String)> {
        self.0.get(field).map(|(value, source)| (value.to_string(), source.to_owned()))
    }

    /// What the operator should be told about the sources.
    #[getter]
    fn warnings(&self) -> Vec<String> {
        self.0.warnings().to_vec()
    }

    /// The address a client dials if it is given no other.
    #[getter]
    fn endpoint_addr(&self) -> Option<&str> {
        self.0.endpoint_addr()
    }

    /// Path of the credential that a client presents.
    #[getter]
    fn credential_file(&self) -> Option<&str> {
        self.0.credential_file()
    }

    /// The configured root key.
    #[getter]
    fn root_pubkey<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.0.root_pubkey().map(|key| PyBytes::new(py, &key))
    }

    /// The configured node key.
    #[getter]
    fn secret_key<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let network = self.0.network().map_err(|error| errors::exception(py, &error))?;
        Ok(network.secret_key.map(|key| PyBytes::new(py, &key)))
    }
}

/// Fails with ValueError if a text is no address.
#[pyfunction]
pub fn check_address(py: Python<'_>, text: &str) -> PyResult<()> {
    Address::parse(text).map(|_| ()).map_err(|error| errors::exception(py, &error))
}
