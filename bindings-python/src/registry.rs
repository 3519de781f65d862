//! Registries: what a server publishes, and what a client finds (`registry.md`). All of it is core's.

use aster_core::error::Result;
use aster_core::node::{ClientRegistry as CoreClientRegistry, ServerRegistry as CoreServerRegistry};
use aster_core::registry::{self, ArtifactRef, EndpointLease, Query, Strategy};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors;
use crate::queue::{Operation, Queue};
use crate::runtime::ProcessBound;

/// The registry in which a server publishes.
#[pyclass(frozen, module = "aster._aster")]
pub struct ServerRegistry(pub(crate) ProcessBound<CoreServerRegistry>);

/// The registry of the producer that admitted a client.
#[pyclass(frozen, module = "aster._aster")]
pub struct ClientRegistry(pub(crate) ProcessBound<CoreClientRegistry>);

fn raised<T>(py: Python<'_>, outcome: Result<T>) -> PyResult<T> {
    outcome.map_err(|error| errors::exception(py, &error))
}

/// Service, version, channel, tag, contract id, strategy, modes and realm of a query.
type Wish = (String, Option<i32>, Option<String>, Option<String>, Option<String>, String, Vec<String>, Option<String>);

fn query((service, version, channel, tag, contract_id, strategy, modes, realm): Wish) -> Result<Query> {
    let strategy = Strategy::parse(&strategy)?;
    Ok(Query { service, version, channel, tag, contract_id, strategy, modes, realm })
}

/// Returns leases as JSON texts.
pub fn texts(leases: Vec<EndpointLease>) -> Vec<String> {
    leases.iter().map(EndpointLease::to_json).collect()
}

#[pymethods]
impl ServerRegistry {
    /// Id of its document, 64 hex digits.
    #[getter]
    fn namespace(&self, py: Python<'_>) -> PyResult<String> {
        Ok(raised(py, self.0.get())?.namespace())
    }

    /// The server's author, 64 hex digits.
    #[getter]
    fn author_id(&self, py: Python<'_>) -> PyResult<String> {
        Ok(raised(py, self.0.get())?.author_id())
    }

    /// Whether something could not be published yet.
    #[getter]
    fn is_failing(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(raised(py, self.0.get())?.is_failing())
    }

    /// Makes a ticket.
    fn share(&self, py: Python<'_>, queue: &Queue, mode: &str) -> PyResult<Operation> {
        let work = raised(py, self.0.get())?.share(mode);
        queue.spawn(py, work, |py, ticket| Ok(ticket.into_pyobject(py)?.into_any().unbind()), |_| ())
    }

    /// Lets another author write.
    fn allow_author(&self, py: Python<'_>, queue: &Queue, id: &str) -> PyResult<Operation> {
        let work = raised(py, self.0.get())?.allow_author(id);
        queue.spawn(py, work, |py, ()| Ok(py.None()), |()| ())
    }

    /// Says how the server feels.
    fn set_health(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        let done = raised(py, self.0.get())?.set_health(name);
        raised(py, done)
    }
}

#[pymethods]
impl ClientRegistry {
    /// Id of its document, 64 hex digits.
    #[getter]
    fn namespace(&self, py: Python<'_>) -> PyResult<String> {
        Ok(raised(py, self.0.get())?.namespace().to_owned())
    }

    /// Gives the leases that can be used as JSON texts, the best first.
    fn resolve_all(&self, py: Python<'_>, queue: &Queue, wish: Wish) -> PyResult<Operation> {
        let work = raised(py, self.0.get())?.resolve_all(raised(py, query(wish))?);
        queue.spawn(py, work, |py, leases| Ok(texts(leases).into_pyobject(py)?.into_any().unbind()), |_| ())
    }

    /// Returns every lease of a contract: endpoint, and why it was dropped, if it was.
    fn explain(&self, py: Python<'_>, wish: Wish) -> PyResult<Vec<(String, Option<String>)>> {
        let seen = raised(py, self.0.get())?.explain(&raised(py, query(wish))?);
        Ok(seen.into_iter().map(|lease| (lease.endpoint_id, lease.dropped)).collect())
    }

    /// Gives the artefacts of all contracts as JSON texts.
    fn artifacts(&self, py: Python<'_>, queue: &Queue) -> PyResult<Operation> {
        let found = raised(py, self.0.get())?.artifacts();
        let work = Box::pin(async { Ok(found.await.iter().map(ArtifactRef::to_json).collect::<Vec<_>>()) });
        queue.spawn(py, work, |py, found| Ok(found.into_pyobject(py)?.into_any().unbind()), |_| ())
    }

    /// Waits for a change; gives the number to wait with next.
    fn changed(&self, py: Python<'_>, queue: &Queue, seen: u64) -> PyResult<Operation> {
        let work = raised(py, self.0.get())?.changed(seen);
        queue.spawn(py, work, |py, seen| Ok(seen.into_pyobject(py)?.into_any().unbind()), |_| ())
    }
}

/// Checks a lease and returns it as it is written.
#[pyfunction]
pub fn checked_lease(py: Python<'_>, text: &[u8]) -> PyResult<String> {
    raised(py, registry::checked_lease(text))
}

/// Checks the record of a contract and returns it as it is written.
#[pyfunction]
pub fn checked_artifact(py: Python<'_>, text: &[u8]) -> PyResult<String> {
    raised(py, registry::checked_artifact(text))
}

/// Checks a hint and returns it as it is written.
#[pyfunction]
pub fn checked_hint(py: Python<'_>, text: &[u8]) -> PyResult<String> {
    raised(py, registry::checked_hint(text))
}

/// Returns the key of something in a registry's document.
#[pyfunction]
pub fn registry_key(py: Python<'_>, kind: &str, names: Vec<String>) -> PyResult<String> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let bad =
        || aster_core::error::Error::new(aster_core::error::ErrorKind::InvalidArgument, format!("no key '{kind}'"));
    let key = match (kind, names.as_slice()) {
        ("contract", [id]) => registry::contract_key(id),
        ("manifest", [id]) => registry::manifest_key(id),
        ("version", [service, version]) => {
            let version = version.parse().map_err(|_| errors::exception(py, &bad()))?;
            registry::version_key(service, version)
        }
        ("channel", [service, channel]) => registry::channel_key(service, channel),
        ("tag", [service, tag]) => registry::tag_key(service, tag),
        ("lease", [service, id, endpoint]) => registry::lease_key(service, id, endpoint),
        ("acl", [list]) => registry::acl_key(list),
        ("config", [key]) => registry::config_key(key),
        _ => return Err(errors::exception(py, &bad())),
    };
    Ok(key)
}

/// Returns the gossip topic of a registry.
#[pyfunction]
pub fn registry_topic<'py>(py: Python<'py>, namespace: &str) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &raised(py, registry::topic_of(namespace))?))
}
