//! Single values to bytes and back, outside of calls (`python-api.md` section 6).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aster_core::codec::{self, CodecError, Expansion, RootId, Schema};
use aster_core::error::{Error, ErrorKind};
use aster_core::limits;
use aster_core::status::{RpcStatus, StatusCode};
use aster_core::types::TypeTable;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::convert::{HostTypes, PySink, PySource};
use crate::errors;

/// Types, checked and compiled by core.
#[pyclass(frozen, module = "aster._aster")]
pub struct Codec(Arc<Compiled>);

/// One root type of a [`Codec`].
#[pyclass(frozen, module = "aster._aster")]
pub struct RootCodec {
    compiled: Arc<Compiled>,
    root: RootId,
    wire_name: String,
    /// What to reserve for the next body.
    length: AtomicUsize,
}

/// Most that is reserved before a value is looked at.
const MAX_RESERVED: usize = 64 * 1024;

/// Reads the rows of one writer.
#[pyclass(frozen, module = "aster._aster")]
pub struct RowReader {
    compiled: Arc<Compiled>,
    reader: codec::RowReader,
}

#[pymethods]
impl RowReader {
    /// Returns the value of a row.
    #[pyo3(signature = (data, /))]
    fn decode<'py>(&self, data: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        read(&self.compiled, data, |body, sink| self.reader.decode(body, sink))
    }
}

struct Compiled {
    schema: Arc<Schema>,
    hosts: HostTypes,
}

#[pymethods]
impl Codec {
    /// Compiles declared types in JSON. `classes` and `enums` map tags to what Python makes of them; a message
    /// without a class is a dict, a member of an enum without one its name.
    #[new]
    fn new(py: Python<'_>, types: &str, classes: &Bound<'_, PyDict>, enums: &Bound<'_, PyDict>) -> PyResult<Self> {
        let table = TypeTable::from_text(types).map_err(|error| errors::exception(py, &error))?;
        let schema = Schema::compile(&table).map_err(|error| errors::exception(py, &error))?;
        let hosts = HostTypes::new(py, &schema, classes, enums)?;
        Ok(Self(Arc::new(Compiled { schema, hosts })))
    }

    /// Returns the codec of a message, or of a bare scalar.
    fn root(&self, py: Python<'_>, tag: &str) -> PyResult<RootCodec> {
        let schema = &self.0.schema;
        let root = schema.root(tag).map_err(|error| errors::exception(py, &error))?;
        let wire_name = schema.message_by_tag(tag).map_or_else(|| tag.to_owned(), |message| message.wire_name());
        Ok(RootCodec { compiled: self.0.clone(), root, wire_name, length: AtomicUsize::new(64) })
    }
}

#[pymethods]
impl RootCodec {
    /// The name that bodies give: namespace, `/` and name of a message, or that of a bare scalar.
    #[getter]
    fn wire_name(&self) -> &str {
        &self.wire_name
    }

    /// The header of the type definition that XLANG bodies of a message start with.
    #[getter]
    fn header<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        let message = self.compiled.schema.root_message(self.root)?;
        message.definition().get(..8).map(|header| PyBytes::new(py, header))
    }

    /// Returns the XLANG body of a value.
    #[pyo3(signature = (value, /))]
    fn encode<'py>(&self, value: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        self.write(value, |compiled, root, source, value, out| {
            codec::encode_xlang(&compiled.schema, root, source, value, out)
        })
    }

    /// Returns the row of a value.
    #[pyo3(signature = (value, /))]
    fn encode_row<'py>(&self, value: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        self.write(value, |compiled, root, source, value, out| {
            codec::encode_row(&compiled.schema, root, source, value, out)
        })
    }

    /// Returns the type definitions that precede rows.
    fn row_schema<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let schema = codec::encode_row_schema(&self.compiled.schema, self.root);
        schema.map(|schema| PyBytes::new(py, &schema)).map_err(|error| errors::exception(py, &error))
    }

    /// Returns what reads the rows that follow type definitions.
    fn row_reader(&self, definitions: Bound<'_, PyAny>) -> PyResult<RowReader> {
        let py = definitions.py();
        let opened = codec::RowReader::open(&self.compiled.schema, self.root, bytes(definitions)?.as_bytes());
        let reader = opened.map_err(|error| refused(py, &error, None))?;
        Ok(RowReader { compiled: self.compiled.clone(), reader })
    }

    /// Returns the JSON text of a value.
    #[pyo3(signature = (value, /))]
    fn encode_json<'py>(&self, value: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        self.write(value, |compiled, root, source, value, out| {
            codec::encode_json(&compiled.schema, root, source, value, out)
        })
    }

    /// Returns the value of an XLANG body.
    #[pyo3(signature = (data, /))]
    fn decode<'py>(&self, data: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        read(&self.compiled, data, |body, sink| codec::decode_xlang(&self.compiled.schema, self.root, body, sink))
    }

    /// Returns the value of JSON text.
    #[pyo3(signature = (data, /))]
    fn decode_json<'py>(&self, data: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        read(&self.compiled, data, |body, sink| codec::decode_json(&self.compiled.schema, self.root, body, sink))
    }
}

type Written = Result<(), CodecError>;

impl RootCodec {
    fn write<'py>(
        &self,
        value: Bound<'py, PyAny>,
        encode: impl FnOnce(&Compiled, RootId, &mut PySource<'_, 'py>, &Bound<'py, PyAny>, &mut Vec<u8>) -> Written,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let py = value.py();
        let mut source = PySource::new(py, &self.compiled.hosts);
        // Values of one type are about as long as each other.
        let mut out = Vec::with_capacity(self.length.load(Ordering::Relaxed));
        match encode(&self.compiled, self.root, &mut source, &value, &mut out) {
            Ok(()) => {
                self.length.store(out.len().next_power_of_two().clamp(64, MAX_RESERVED), Ordering::Relaxed);
                Ok(PyBytes::new(py, &out))
            }
            Err(error) => Err(refused(py, &error, source.error.take())),
        }
    }
}

fn read<'py>(
    compiled: &Compiled,
    data: Bound<'py, PyAny>,
    decode: impl FnOnce(&[u8], &mut PySink<'_, 'py>) -> Result<Bound<'py, PyAny>, CodecError>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = data.py();
    let data = bytes(data)?;
    let mut sink = PySink::new(py, &compiled.hosts);
    decode(data.as_bytes(), &mut sink).map_err(|error| refused(py, &error, sink.error.take()))
}

/// Takes bytes, or copies them from another buffer.
fn bytes(data: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyBytes>> {
    match data.cast_into::<PyBytes>() {
        Ok(data) => Ok(data),
        Err(error) => {
            let other = error.into_inner();
            // `bytes(5)` would be five zeros.
            let view = other.py().get_type::<pyo3::types::PyMemoryView>().call1((other,))?;
            Ok(view.call_method0("tobytes")?.cast_into()?)
        }
    }
}

fn refused(py: Python<'_>, error: &CodecError, cause: Option<PyErr>) -> PyErr {
    let exception = errors::exception(py, &Error::codec(error.for_local_encode()));
    exception.set_cause(py, cause);
    exception
}

/// Returns the name of the type that an XLANG body starts with.
#[pyfunction]
pub fn root_name(data: Bound<'_, PyAny>) -> PyResult<String> {
    let py = data.py();
    codec::root_name(bytes(data)?.as_bytes()).map_err(|error| refused(py, &error, None))
}

/// Returns the compressed form of a body that is worth it.
#[pyfunction]
pub fn compress<'py>(body: Bound<'py, PyBytes>, is_json: bool, threshold: i64) -> Option<Bound<'py, PyBytes>> {
    codec::compress(body.as_bytes(), is_json, threshold).map(|packed| PyBytes::new(body.py(), &packed))
}

/// Returns bytes as one zstd frame.
#[pyfunction]
pub fn zstd_frame<'py>(data: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let py = data.py();
    let packed = codec::zstd_frame(bytes(data)?.as_bytes());
    let packed = packed.ok_or_else(|| pyo3::exceptions::PyMemoryError::new_err("no memory to compress"))?;
    Ok(PyBytes::new(py, &packed))
}

/// Returns what one zstd frame holds.
#[pyfunction]
pub fn decompress<'py>(data: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let py = data.py();
    let error = match codec::decompress(bytes(data)?.as_bytes()) {
        Ok(body) => return Ok(PyBytes::new(py, &body)),
        Err(Expansion::TooLarge) => {
            let most = limits::MAX_DECOMPRESSED_SIZE;
            Error::new(ErrorKind::Limit, format!("decompressed body exceeds limit of {most} bytes"))
                .with_detail("field", "decompressed body")
                .with_detail("limit", most.to_string())
        }
        Err(Expansion::Malformed(reason)) => {
            Error::codec(RpcStatus::new(StatusCode::INVALID_ARGUMENT, format!("cannot decompress: {reason}")))
        }
    };
    Err(errors::exception(py, &error))
}
