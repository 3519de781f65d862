//! Frames, protocol payloads and the rules around them, for tools and tests that speak the wire themselves.
//!
//! All of it is core's (`aster_core::frame`, `aster_core::wire`); the public classes are in `aster.framing` and
//! `aster.protocol`.

use std::sync::Mutex;

use aster_core::error::{Error, ErrorKind};
use aster_core::frame::{self, FrameBuffer, FrameError};
use aster_core::ids;
use aster_core::limits;
use aster_core::status::{self, RpcStatus, StatusCode};
use aster_core::wire::{self, CallHeader, Form, Mode, PayloadError, StreamHeader, metadata};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::errors;
use aster_core::sync::lock;

type Pairs = Vec<(String, String)>;
type Lists = (Vec<String>, Vec<String>);
/// Fields in the order of the wire's JSON, numbers as wide as Python has them.
type WideStreamHeader = (String, String, i64, String, i64, i64, Vec<String>, Vec<String>);
type StreamHeaderFields = (String, String, i32, String, i64, u8, Vec<String>, Vec<String>);
type CallHeaderFields = (String, String, i64, Vec<String>, Vec<String>);
type StatusFields = (i32, String, Vec<String>, Vec<String>);

fn invalid(py: Python<'_>, reason: &str) -> PyErr {
    errors::exception(py, &Error::new(ErrorKind::InvalidArgument, reason))
}

fn no_frame(py: Python<'_>, error: &FrameError) -> PyErr {
    invalid(py, &error.to_string())
}

fn no_payload(py: Python<'_>, kind: &str, error: &PayloadError) -> PyErr {
    invalid(py, &error.to_status(kind).message)
}

fn refused(py: Python<'_>, status: &RpcStatus) -> PyErr {
    errors::status_exception(py, status, false)
}

fn form(json: bool) -> Form {
    if json { Form::Json } else { Form::Binary }
}

fn written<'py>(py: Python<'py>, write: impl FnOnce(&mut Vec<u8>)) -> Bound<'py, PyBytes> {
    let mut out = Vec::new();
    write(&mut out);
    PyBytes::new(py, &out)
}

fn lists(pairs: Pairs) -> Lists {
    pairs.into_iter().unzip()
}

/// Returns a frame.
#[pyfunction]
pub fn encode_frame<'py>(py: Python<'py>, payload: &[u8], flags: u8) -> PyResult<Bound<'py, PyBytes>> {
    let mut out = Vec::with_capacity(frame::HEADER_LEN + payload.len());
    frame::encode(flags, payload, &mut out).map_err(|error| no_frame(py, &error))?;
    Ok(PyBytes::new(py, &out))
}

/// Assembles frames from what arrives.
#[pyclass(frozen, module = "aster._aster")]
pub struct FrameReader(Mutex<FrameBuffer>);

impl FrameReader {
    fn with<T>(&self, py: Python<'_>, act: impl FnOnce(&mut FrameBuffer) -> Result<T, FrameError>) -> PyResult<T> {
        act(&mut lock(&self.0)).map_err(|error| no_frame(py, &error))
    }
}

#[pymethods]
impl FrameReader {
    #[new]
    fn new() -> Self {
        Self(Mutex::new(FrameBuffer::new()))
    }

    /// Bytes that are missing to know the length of the next frame, or to complete it.
    #[getter]
    fn missing(&self, py: Python<'_>) -> PyResult<usize> {
        self.with(py, |buffer| buffer.missing())
    }

    /// Adds bytes that arrived.
    #[pyo3(signature = (data, /))]
    fn feed(&self, py: Python<'_>, data: &[u8]) -> PyResult<()> {
        self.with(py, |buffer| {
            buffer.buffer_mut().extend_from_slice(data);
            Ok(())
        })
    }

    /// Takes the next complete frame: payload and flags.
    fn next<'py>(&self, py: Python<'py>) -> PyResult<Option<(Bound<'py, PyBytes>, u8)>> {
        let frame = self.with(py, FrameBuffer::next)?;
        Ok(frame.map(|frame| (PyBytes::new(py, &frame.payload), frame.flags)))
    }

    /// Fails inside a frame.
    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, |buffer| buffer.finish())
    }
}

/// Returns the payload of a stream's header.
#[pyfunction]
pub fn encode_stream_header<'py>(
    py: Python<'py>,
    fields: WideStreamHeader,
    json: bool,
) -> PyResult<Bound<'py, PyBytes>> {
    let (service, method, version, call_id, deadline_epoch_ms, serialization_mode, keys, values) = fields;
    let header = wire::pairs(keys, values).and_then(|metadata| {
        let header = StreamHeader { service, method, call_id, deadline_epoch_ms, metadata, ..StreamHeader::default() };
        header.with_numbers(version, serialization_mode)
    });
    let header = header.map_err(|error| no_payload(py, "StreamHeader", &error))?;
    Ok(written(py, |out| header.encode(form(json), out)))
}

/// Returns the fields of a stream's header, in the order of the wire's JSON.
#[pyfunction]
pub fn decode_stream_header(py: Python<'_>, payload: &[u8]) -> PyResult<StreamHeaderFields> {
    let header = StreamHeader::decode(payload).map_err(|error| no_payload(py, "StreamHeader", &error))?;
    let (keys, values) = lists(header.metadata);
    let StreamHeader { service, method, version, call_id, deadline_epoch_ms, serialization_mode, .. } = header;
    Ok((service, method, version, call_id, deadline_epoch_ms, serialization_mode, keys, values))
}

/// Returns the payload of a call's header in a session.
#[pyfunction]
pub fn encode_call_header<'py>(py: Python<'py>, fields: CallHeaderFields, json: bool) -> PyResult<Bound<'py, PyBytes>> {
    let (method, call_id, deadline_epoch_ms, keys, values) = fields;
    let metadata = wire::pairs(keys, values).map_err(|error| no_payload(py, "CallHeader", &error))?;
    let header = CallHeader { method, call_id, deadline_epoch_ms, metadata };
    Ok(written(py, |out| header.encode(form(json), out)))
}

/// Returns the fields of a call's header, in the order of the wire's JSON.
#[pyfunction]
pub fn decode_call_header(py: Python<'_>, payload: &[u8]) -> PyResult<CallHeaderFields> {
    let header = CallHeader::decode(payload).map_err(|error| no_payload(py, "CallHeader", &error))?;
    let (keys, values) = lists(header.metadata);
    Ok((header.method, header.call_id, header.deadline_epoch_ms, keys, values))
}

/// Returns the payload of a trailer, message and details as they are.
#[pyfunction]
pub fn encode_status<'py>(py: Python<'py>, fields: StatusFields, json: bool) -> PyResult<Bound<'py, PyBytes>> {
    let (code, message, keys, values) = fields;
    let details = wire::pairs(keys, values).map_err(|error| no_payload(py, "RpcStatus", &error))?;
    let status = RpcStatus { code: StatusCode(code), message, details };
    Ok(written(py, |out| wire::encode_status(&status, form(json), out)))
}

/// Returns the fields of a trailer, in the order of the wire's JSON.
#[pyfunction]
pub fn decode_status(py: Python<'_>, payload: &[u8]) -> PyResult<StatusFields> {
    let status = wire::decode_status(payload).map_err(|error| no_payload(py, "RpcStatus", &error))?;
    let (keys, values) = lists(status.details);
    Ok((status.code.0, status.message, keys, values))
}

/// Returns what a handler sees of received metadata; raises the refusal of a server.
#[pyfunction]
pub fn accept_metadata(py: Python<'_>, pairs: Pairs) -> PyResult<Pairs> {
    metadata::accept(&pairs).map(|accepted| accepted.pairs).map_err(|status| refused(py, &status))
}

/// Returns what is sent of an application's metadata; raises the refusal of a client.
#[pyfunction]
pub fn outgoing_metadata(py: Python<'_>, pairs: Pairs) -> PyResult<Pairs> {
    metadata::outgoing(&pairs).map_err(|status| refused(py, &status))
}

/// Fails unless metadata may be sent.
#[pyfunction]
pub fn validate_metadata(py: Python<'_>, pairs: Pairs) -> PyResult<()> {
    metadata::validate(&pairs).map_err(|error| errors::exception(py, &error))
}

/// Fails if a status message would be cut.
#[pyfunction]
pub fn validate_status_message(py: Python<'_>, message: &str) -> PyResult<()> {
    status::check_message(message).map_err(|error| errors::exception(py, &error))
}

/// Fails unless a text is hex digits, `length` of them if that is given.
#[pyfunction]
pub fn validate_hex_field(py: Python<'_>, field: &str, text: &str, length: Option<usize>) -> PyResult<()> {
    ids::check_hex_field(field, text, length).map_err(|error| errors::exception(py, &error))
}

/// Returns the milliseconds that a received call has left; raises the refusal of a server.
#[pyfunction]
pub fn remaining_ms(
    py: Python<'_>,
    now_epoch_ms: i64,
    deadline_epoch_ms: i64,
    timeout_ms: Option<&str>,
) -> PyResult<Option<u64>> {
    wire::remaining_ms(now_epoch_ms, deadline_epoch_ms, timeout_ms).map_err(|status| refused(py, &status))
}

/// Returns what a client uses for a service with these tokens: mode, whether headers are JSON, whether sessions end
/// every call with a trailer.
#[pyfunction]
pub fn choose_mode(tokens: Vec<String>) -> (u8, bool, bool) {
    let choice = wire::choose(&tokens);
    (choice.mode.number(), choice.form == Form::Json, choice.session_trailers)
}

/// Tells what a body is, by its first byte; `None` for an unknown mode.
#[pyfunction]
pub fn sniff_body(mode: u8, body: &[u8]) -> Option<&'static str> {
    Mode::from_number(mode).map(|mode| wire::sniff(mode, body).name())
}

/// Adds core's numbers and names.
pub fn add_tables(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let (flags, numbers, alpns) = (PyDict::new(py), PyDict::new(py), PyDict::new(py));
    for (name, flag) in frame::FLAGS {
        flags.set_item(name, flag)?;
    }
    for (name, limit) in limits::TABLE {
        numbers.set_item(name, limit)?;
    }
    let names = [
        ("rpc", wire::ALPN_RPC),
        ("consumer_admission", wire::ALPN_CONSUMER_ADMISSION),
        ("producer_admission", wire::ALPN_PRODUCER_ADMISSION),
        ("delegated_admission", wire::ALPN_DELEGATED_ADMISSION),
    ];
    for (name, alpn) in names {
        alpns.set_item(name, PyBytes::new(py, alpn))?;
    }
    module.add("FRAME_FLAGS", flags)?;
    module.add("LIMITS", numbers)?;
    module.add("ALPNS", alpns)?;
    module.add("FRAME_READ_TIMEOUT", limits::FRAME_READ_TIMEOUT.as_secs_f64())?;
    module.add("FRAME_READ_TIMED_OUT", wire::frame_read_timed_out().message)?;
    module.add("DEADLINE_EXPIRED", wire::deadline_expired().message)?;
    module.add("DEADLINE_SKEW_MS", limits::DEADLINE_SKEW_MS)
}
