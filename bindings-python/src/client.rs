//! Clients: connect on the runtime. Their calls are in [`crate::caller`].

use std::collections::BTreeMap;
use std::time::Duration;

use aster_core::admission::Delegation;
use aster_core::limits;
use aster_core::node::{Client as CoreClient, ClientOptions};
use aster_core::registry::{Bundle, Strategy};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::caller::{BoundService, Caller};
use crate::config::Config;
use crate::errors;
use crate::node::Node;
use crate::passing::Passing;
use crate::plan::Plan;
use crate::queue::{Operation, Queue};
use crate::registry::{ClientRegistry, texts};
use crate::runtime::{self, ProcessBound};
use crate::server::{succeed, summary};

/// A client that was admitted.
#[pyclass(frozen, module = "aster._aster")]
pub struct Client(ProcessBound<CoreClient>);

/// Dials a server and runs admission. The operation gives a [`Client`].
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "core's ClientOptions, one by one")]
pub fn connect(
    py: Python<'_>,
    queue: &Queue,
    config: &Config,
    address: Option<String>,
    channel: String,
    credential_json: String,
    connect_timeout: f64,
    allow_foreign_channels: bool,
    delegation: Option<(String, String, Vec<u8>)>,
) -> PyResult<Operation> {
    let connect_timeout = Duration::try_from_secs_f64(connect_timeout)
        .map_err(|_| PyValueError::new_err("connect_timeout must be a positive number of seconds"))?;
    let read = |(token, attestation, key): (String, String, Vec<u8>)| Delegation::new(&token, &attestation, &key);
    let delegation = delegation.map(read).transpose().map_err(|error| PyValueError::new_err(error.to_string()))?;
    let options =
        ClientOptions { address, channel, credential_json, connect_timeout, allow_foreign_channels, delegation };
    let runtime = runtime::handle(py).map_err(|error| errors::exception(py, &error))?;
    let work = CoreClient::connect(runtime.clone(), &config.0, options);
    let finish = |py: Python<'_>, client| Ok(Py::new(py, Client(ProcessBound::new(client)))?.into_any());
    let undo = move |client: CoreClient| drop(runtime.spawn(client.close()));
    queue.spawn(py, work, finish, undo)
}

impl Client {
    fn core(&self, py: Python<'_>) -> PyResult<&CoreClient> {
        self.0.get().map_err(|error| errors::exception(py, &error))
    }
}

#[pymethods]
impl Client {
    /// Binds a service of the server.
    fn bind(&self, plan: Bound<'_, Plan>, queue: Bound<'_, Queue>, channel: Option<&str>) -> PyResult<BoundService> {
        let py = plan.py();
        let service = self.core(py)?.bind(&plan.get().plan, channel).map_err(|error| errors::exception(py, &error))?;
        Ok(BoundService::new(service, plan.unbind(), queue.unbind(), Passing::Typed))
    }

    /// Returns what calls of any service go through.
    fn caller(&self, py: Python<'_>) -> PyResult<Caller> {
        Ok(Caller::new(self.core(py)?.caller().clone(), Passing::Typed))
    }

    /// Joins the registry of the producer. The operation gives a [`ClientRegistry`].
    fn registry(&self, py: Python<'_>, queue: &Queue) -> PyResult<Operation> {
        let work = self.core(py)?.registry();
        let finish = |py: Python<'_>, joined| Ok(Py::new(py, ClientRegistry(ProcessBound::new(joined)))?.into_any());
        queue.spawn(py, work, finish, |_| ())
    }

    /// Finds the verified contract of a service; gives its manifest and its description, as JSON.
    fn contract(
        &self,
        py: Python<'_>,
        queue: &Queue,
        service: &str,
        version: Option<i32>,
        within: Option<f64>,
    ) -> PyResult<Operation> {
        let within = within.map_or(limits::DISCOVERY_TIMEOUT, |within| {
            Duration::try_from_secs_f64(within.max(0.0)).unwrap_or(limits::MAX_DISCOVERY_TIMEOUT)
        });
        let work = self.core(py)?.contract(service, version, within);
        let finish =
            |py: Python<'_>, bundle: Bundle| Ok(bundle.manifest.as_ref().into_pyobject(py)?.into_any().unbind());
        queue.spawn(py, work, finish, |_| ())
    }

    /// Gives the producers of a service that can be used, as JSON texts of their leases.
    fn producers(&self, py: Python<'_>, queue: &Queue, service: &str, version: Option<i32>) -> PyResult<Operation> {
        let work = self.core(py)?.producers(service, version);
        queue.spawn(py, work, |py, leases| Ok(texts(leases).into_pyobject(py)?.into_any().unbind()), |_| ())
    }

    /// Binds a service to all of its producers. The operation gives a [`BoundService`].
    fn bind_routed(&self, plan: Bound<'_, Plan>, queue: Bound<'_, Queue>, strategy: &str) -> PyResult<Operation> {
        let py = plan.py();
        let work = self
            .core(py)?
            .bind_routed(&plan.get().plan, Strategy::parse(strategy).map_err(|error| errors::exception(py, &error))?);
        let (of_plan, of_queue) = (plan.unbind(), queue.clone().unbind());
        let finish = move |py: Python<'_>, service| {
            Ok(Py::new(py, BoundService::new(service, of_plan, of_queue, Passing::Typed))?.into_any())
        };
        queue.get().spawn(py, work, finish, |_| ())
    }

    /// Connects afresh, admission included.
    fn reconnect(&self, py: Python<'_>, queue: &Queue) -> PyResult<Operation> {
        let work = self.core(py)?.reconnect();
        queue.spawn(py, work, |py, ()| Ok(py.None()), |()| ())
    }

    /// Ends every call, closes the connection and releases the endpoint.
    fn close(&self, py: Python<'_>, queue: &Queue) -> PyResult<Operation> {
        let work = succeed(self.core(py)?.close());
        queue.spawn(py, work, |py, ()| Ok(py.None()), |()| ())
    }

    /// Closes without anybody waiting; for objects that were dropped open.
    fn close_detached(&self, py: Python<'_>) {
        if let (Some(client), Ok(runtime)) = (self.0.if_same_process(), runtime::handle(py)) {
            runtime.spawn(client.close());
        }
    }

    /// The client's own node.
    #[getter]
    fn node(&self, py: Python<'_>) -> PyResult<Node> {
        Ok(Node::new(self.core(py)?.node().clone()))
    }

    /// The client's own endpoint id.
    #[getter]
    fn endpoint_id(&self, py: Python<'_>) -> PyResult<String> {
        Ok(self.core(py)?.info().endpoint_id.clone())
    }

    /// Whether the client was admitted without a credential.
    #[getter]
    fn open_gate(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.core(py)?.info().open_gate)
    }

    /// The services of the server, as tuples.
    #[getter]
    fn services(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let info = self.core(py)?.info();
        let tuples: Vec<_> = info.answer.services.iter().map(summary).collect();
        Ok(tuples.into_pyobject(py)?.unbind())
    }

    /// Id of the registry's namespace, or empty.
    #[getter]
    fn registry_namespace(&self, py: Python<'_>) -> PyResult<String> {
        Ok(self.core(py)?.info().answer.registry_namespace.clone())
    }

    /// Topic of the producers' mesh, or empty.
    #[getter]
    fn gossip_topic(&self, py: Python<'_>) -> PyResult<String> {
        Ok(self.core(py)?.info().answer.gossip_topic.clone())
    }

    /// Attributes that admission granted.
    #[getter]
    fn attributes(&self, py: Python<'_>) -> PyResult<BTreeMap<String, String>> {
        Ok(self.core(py)?.info().answer.attributes.clone())
    }
}
