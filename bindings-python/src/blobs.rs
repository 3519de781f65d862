//! Content by its hash.

use aster_core::node::{BlobFormat, Blobs as CoreBlobs, Tag};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::node::{bound, checked, object, start, start_plain, start_value};
use crate::queue::{Operation, Queue};
use crate::runtime::ProcessBound;

/// The content store of a node.
#[pyclass(frozen, module = "aster._aster")]
pub struct Blobs(ProcessBound<CoreBlobs>);

impl Blobs {
    /// Wraps a store.
    pub fn new(blobs: CoreBlobs) -> Self {
        Self(ProcessBound::new(blobs))
    }
}

/// Makes Python bytes.
pub fn as_bytes(py: Python<'_>, data: &[u8]) -> PyResult<Py<PyAny>> {
    Ok(PyBytes::new(py, data).into_any().unbind())
}

fn format(py: Python<'_>, name: &str) -> PyResult<BlobFormat> {
    checked(py, BlobFormat::parse(name))
}

fn tag(tag: Tag) -> (String, String, &'static str) {
    (tag.name, tag.hash, tag.format.name())
}

#[pymethods]
impl Blobs {
    /// Adds bytes.
    fn add_bytes(&self, py: Python<'_>, queue: &Queue, data: &[u8]) -> PyResult<Operation> {
        start_value(py, queue, bound(py, &self.0)?.add_bytes(data.to_vec().into()))
    }

    /// Reads a blob.
    fn read(&self, py: Python<'_>, queue: &Queue, hash: &str) -> PyResult<Operation> {
        start(py, queue, bound(py, &self.0)?.read(hash), |py, data| as_bytes(py, &data))
    }

    /// Returns a ticket.
    fn ticket(&self, py: Python<'_>, hash: &str, form: &str) -> PyResult<String> {
        let form = format(py, form)?;
        checked(py, bound(py, &self.0)?.ticket(hash, form))
    }

    /// Adds files under their names.
    fn add_collection(&self, py: Python<'_>, queue: &Queue, files: Vec<(String, Vec<u8>)>) -> PyResult<Operation> {
        let files = files.into_iter().map(|(name, data)| (name, data.into())).collect();
        start_value(py, queue, bound(py, &self.0)?.add_collection(files))
    }

    /// Lists the files of a collection: name, hash and size.
    fn list_collection(&self, py: Python<'_>, queue: &Queue, hash: &str) -> PyResult<Operation> {
        start(py, queue, bound(py, &self.0)?.list_collection(hash), |py, files| {
            let files: Vec<_> = files.into_iter().map(|file| (file.name, file.hash, file.size)).collect();
            object(py, files)
        })
    }

    /// Fetches what a ticket names.
    fn download_ticket(&self, py: Python<'_>, queue: &Queue, ticket: &str) -> PyResult<Operation> {
        start(py, queue, bound(py, &self.0)?.download_ticket(ticket), |py, data| as_bytes(py, &data))
    }

    /// Fetches a blob, or a list of hashes and what they name.
    fn download(&self, py: Python<'_>, queue: &Queue, hash: &str, node_id: &str, form: &str) -> PyResult<Operation> {
        let form = format(py, form)?;
        start(py, queue, bound(py, &self.0)?.download(hash, node_id, form), |py, data| as_bytes(py, &data))
    }

    /// Fetches a collection: names and bytes.
    fn download_collection(&self, py: Python<'_>, queue: &Queue, hash: &str, node_id: &str) -> PyResult<Operation> {
        start(py, queue, bound(py, &self.0)?.download_collection(hash, node_id), |py, files| {
            let files: Vec<_> = files.iter().map(|(name, data)| (name, PyBytes::new(py, data))).collect();
            object(py, files)
        })
    }

    /// Names content.
    fn tag_set(&self, py: Python<'_>, queue: &Queue, name: &str, hash: &str, form: &str) -> PyResult<Operation> {
        let form = format(py, form)?;
        start_plain(py, queue, bound(py, &self.0)?.tag_set(name, hash, form))
    }

    /// Returns a tag: name, hash and format.
    fn tag_get(&self, py: Python<'_>, queue: &Queue, name: &str) -> PyResult<Operation> {
        start(py, queue, bound(py, &self.0)?.tag(name), |py, found| object(py, found.map(tag)))
    }

    /// Deletes a tag, or all that begin so.
    fn tag_delete(&self, py: Python<'_>, queue: &Queue, name: &str, is_prefix: bool) -> PyResult<Operation> {
        start_value(py, queue, bound(py, &self.0)?.tag_delete(name, is_prefix))
    }

    /// Lists the tags that begin so: names, hashes and formats.
    fn tag_list(&self, py: Python<'_>, queue: &Queue, prefix: &str, only: Option<&str>) -> PyResult<Operation> {
        let only = only.map(|name| format(py, name)).transpose()?;
        start(py, queue, bound(py, &self.0)?.tags(prefix, only), |py, tags| {
            object(py, tags.into_iter().map(tag).collect::<Vec<_>>())
        })
    }

    /// Tells how much of a blob is here: status and size.
    fn state(&self, py: Python<'_>, queue: &Queue, hash: &str) -> PyResult<Operation> {
        start(py, queue, bound(py, &self.0)?.state(hash), |py, state| object(py, (state.status, state.size)))
    }

    /// Tells whether a blob is whole, and its size.
    fn observe(&self, py: Python<'_>, queue: &Queue, hash: &str) -> PyResult<Operation> {
        start_value(py, queue, bound(py, &self.0)?.observe(hash))
    }

    /// Waits until a blob is whole.
    fn completed(&self, py: Python<'_>, queue: &Queue, hash: &str) -> PyResult<Operation> {
        start_plain(py, queue, bound(py, &self.0)?.completed(hash))
    }

    /// Tells whether nothing is missing, and how many bytes are here.
    fn local(&self, py: Python<'_>, queue: &Queue, hash: &str, form: &str) -> PyResult<Operation> {
        let form = format(py, form)?;
        start(py, queue, bound(py, &self.0)?.local(hash, form), |py, local| {
            object(py, (local.is_complete, local.bytes))
        })
    }
}
