//! Capability checks of calls that no dispatcher sees (`trust.md` section 13). Core decides.

use std::collections::HashMap;

use aster_core::rpc::CapabilityMap;
use pyo3::prelude::*;

use crate::errors;

type Methods = HashMap<String, Option<String>>;

/// What the methods of some services require.
#[pyclass(frozen, module = "aster._aster")]
pub struct Capabilities(CapabilityMap);

#[pymethods]
impl Capabilities {
    /// Takes requirements as JSON by service, and by method within.
    #[new]
    fn new(services: HashMap<String, (Option<String>, Methods)>) -> Self {
        let mut map = CapabilityMap::new();
        for (name, (requires, methods)) in &services {
            let methods = methods.iter().map(|(method, requires)| (method.as_str(), requires.as_deref()));
            map.add_service(name, requires.as_deref(), methods);
        }
        Self(map)
    }

    /// Raises PERMISSION_DENIED unless a caller with these attributes may call the method.
    #[pyo3(signature = (service, method, attributes, /))]
    fn check(&self, py: Python<'_>, service: &str, method: &str, attributes: HashMap<String, String>) -> PyResult<()> {
        let attributes: Vec<_> = attributes.into_iter().collect();
        self.0.check(service, method, &attributes).map_err(|status| errors::status_exception(py, &status, false))
    }
}
