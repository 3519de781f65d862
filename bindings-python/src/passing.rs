//! In which form values cross between host and core: typed, as objects of this process, or encoded by the host.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};

use aster_core::engine::Encoding;
use aster_core::sync::lock;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// The form of the values of a client.
#[derive(Clone)]
pub enum Passing {
    /// Instances of declared classes, encoded by core.
    Typed,
    /// Objects, which a client and a server of this process hand to each other.
    Objects,
    /// What functions of the host encode and decode.
    Host(Arc<HostCodec>),
}

/// First byte of the body that stands for an object: core takes it for a body of the usual encoding.
const MARK: u8 = 0x01;

/// Objects on their way, by call. A call's objects go when its client is done with it.
static OBJECTS: LazyLock<Mutex<HashMap<String, Group>>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Group {
    next: u32,
    objects: HashMap<u32, Py<PyAny>>,
}

/// Locked for moments; no Python code runs under the lock.
fn groups() -> MutexGuard<'static, HashMap<String, Group>> {
    lock(&OBJECTS)
}

/// Lets a call pass objects.
pub fn begin(call_id: &str) {
    groups().insert(call_id.to_owned(), Group::default());
}

/// Forgets what a call did not deliver.
pub fn end(call_id: &str) {
    let group = groups().remove(call_id);
    drop(group);
}

/// Keeps an object and returns the body that stands for it.
pub fn wrap(call_id: &str, object: &Bound<'_, PyAny>) -> [u8; 5] {
    let mut groups = groups();
    let number = match groups.get_mut(call_id) {
        Some(group) => {
            group.next += 1;
            group.objects.insert(group.next, object.clone().unbind());
            group.next
        }
        None => 0, // The client is gone.
    };
    let [a, b, c, d] = number.to_ne_bytes();
    [MARK, a, b, c, d]
}

/// Takes the object that a body stands for.
pub fn unwrap(call_id: &str, body: &[u8]) -> Option<Py<PyAny>> {
    let number = body.strip_prefix(&[MARK])?.try_into().ok().map(u32::from_ne_bytes)?;
    groups().get_mut(call_id)?.objects.remove(&number)
}

/// Functions of the host: a message to bytes, and whether they are JSON and bytes to a message.
pub struct HostCodec {
    encode: Py<PyAny>,
    decode: Py<PyAny>,
}

impl HostCodec {
    pub fn new(encode: Py<PyAny>, decode: Py<PyAny>) -> Arc<Self> {
        Arc::new(Self { encode, decode })
    }

    pub fn encode<'py>(&self, message: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        let body = self.encode.bind(message.py()).call1((message,))?;
        Ok(body.cast_into::<PyBytes>()?)
    }

    pub fn decode(&self, py: Python<'_>, encoding: Encoding, body: &[u8]) -> PyResult<Py<PyAny>> {
        self.decode.call1(py, (encoding == Encoding::Json, PyBytes::new(py, body)))
    }
}
