//! Clients: connect on the runtime, calls submitted here and now, results through the queue.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aster_core::engine::{CallOptions, Timeout};
use aster_core::error::Error;
use aster_core::node::{BoundService as CoreService, Client as CoreClient, ClientOptions};
use aster_core::wire::Mode;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping};

use crate::config::Config;
use crate::convert::{HostTypes, PySource};
use crate::errors;
use crate::node::Node;
use crate::plan::Plan;
use crate::queue::{Operation, Queue};
use crate::runtime::{self, ProcessBound};
use crate::server::{succeed, summary};

/// A client that was admitted.
#[pyclass(frozen, module = "aster._aster")]
pub struct Client(ProcessBound<CoreClient>);

/// A service of one server.
#[pyclass(frozen, module = "aster._aster")]
pub struct BoundService {
    service: ProcessBound<CoreService>,
    plan: Py<Plan>,
    queue: Py<Queue>,
}

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
) -> PyResult<Operation> {
    let connect_timeout = Duration::try_from_secs_f64(connect_timeout)
        .map_err(|_| PyValueError::new_err("connect_timeout must be a positive number of seconds"))?;
    let options = ClientOptions { address, channel, credential_json, connect_timeout, allow_foreign_channels };
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
    fn bind(&self, plan: Bound<'_, Plan>, queue: Bound<'_, Queue>) -> PyResult<BoundService> {
        let py = plan.py();
        let service = self.core(py)?.bind(&plan.get().plan).map_err(|error| errors::exception(py, &error))?;
        Ok(BoundService { service: ProcessBound::new(service), plan: plan.unbind(), queue: queue.unbind() })
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
    fn endpoint_id(&self, py: Python<'_>) -> PyResult<&str> {
        Ok(&self.core(py)?.info().endpoint_id)
    }

    /// Whether the client was admitted without a credential.
    #[getter]
    fn open_gate(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.core(py)?.info().open_gate)
    }

    /// The services of the server, as tuples.
    #[getter]
    fn services(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let tuples: Vec<_> = self.core(py)?.info().answer.services.iter().map(summary).collect();
        Ok(tuples.into_pyobject(py)?.unbind())
    }

    /// Id of the registry's namespace, or empty.
    #[getter]
    fn registry_namespace(&self, py: Python<'_>) -> PyResult<&str> {
        Ok(&self.core(py)?.info().answer.registry_namespace)
    }

    /// Topic of the producers' mesh, or empty.
    #[getter]
    fn gossip_topic(&self, py: Python<'_>) -> PyResult<&str> {
        Ok(&self.core(py)?.info().answer.gossip_topic)
    }

    /// Attributes that admission granted.
    #[getter]
    fn attributes(&self, py: Python<'_>) -> PyResult<BTreeMap<String, String>> {
        Ok(self.core(py)?.info().answer.attributes.clone())
    }
}

impl BoundService {
    /// Returns the Python side of its types.
    pub fn hosts(&self) -> &HostTypes {
        &self.plan.get().hosts
    }
}

#[pymethods]
impl BoundService {
    /// Submits a unary call, encoded here and now, and returns its ticket. `future` gets the response.
    #[pyo3(signature = (future, method, request, timeout, metadata, mode, /))]
    fn start(
        slf: &Bound<'_, Self>,
        future: Bound<'_, PyAny>,
        method: usize,
        request: Bound<'_, PyAny>,
        timeout: Option<f64>,
        metadata: Option<Bound<'_, PyMapping>>,
        mode: Option<u8>,
    ) -> PyResult<u64> {
        let (py, this) = (future.py(), slf.get());
        let failed = |error: Error| errors::exception(py, &error);
        let options = CallOptions {
            timeout: match timeout {
                Some(seconds) => Timeout::Millis(milliseconds(seconds)?),
                None => Timeout::Declared,
            },
            metadata: metadata.map(pairs).transpose()?.unwrap_or_default(),
            mode: mode.and_then(Mode::from_number),
        };
        let (service, queue) = (this.service.get().map_err(failed)?, this.queue.get());
        let core: &Arc<_> = queue.core().map_err(failed)?;
        let mut source = PySource::new(py, this.hosts());
        let call = service.start(method, &options, core, &mut source, &request).map_err(|error| {
            let exception = failed(error);
            exception.set_cause(py, source.error.take());
            exception
        })?;
        let ticket = call.ticket();
        queue.expect(call, slf.clone().unbind(), future.unbind());
        Ok(ticket)
    }

    /// Cancels a call that nobody waits for any more.
    #[pyo3(signature = (ticket, /))]
    fn cancel(&self, ticket: u64) {
        if let Some(call) = self.queue.get().forget(ticket)
            && self.service.if_same_process().is_some()
        {
            call.cancel();
        }
    }
}

/// Reads seconds with a resolution of a millisecond; what is above zero stays above.
fn milliseconds(seconds: f64) -> PyResult<i64> {
    if seconds.is_nan() {
        return Err(PyValueError::new_err("timeout must be a number of seconds"));
    }
    let rounded = (seconds * 1000.0).round() as i64;
    Ok(if seconds > 0.0 { rounded.max(1) } else { rounded })
}

fn pairs(metadata: Bound<'_, PyMapping>) -> PyResult<Vec<(String, String)>> {
    if let Ok(dict) = metadata.cast::<PyDict>() {
        return dict.iter().map(|(key, value)| Ok((key.extract()?, value.extract()?))).collect();
    }
    metadata.items()?.iter().map(|pair| pair.extract()).collect()
}
