//! Credentials as programs make and check them, and the files they are kept in. Rules are core's (`trust.md` sections 2,
//! 3 and 15, `config.md` sections 7 to 9).

use std::collections::BTreeMap;

use aster_core::clock::{Clock as _, SystemClock};
use aster_core::config::{self, Enrolment, Profiles};
use aster_core::error::Result;
use aster_core::trust::{self, Enrollment, EnrollmentKind};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Kind, endpoint id, root key, expiry, attributes, nonce, signature.
type Parts = (String, Option<String>, Vec<u8>, u64, BTreeMap<String, String>, Option<Vec<u8>>, Vec<u8>);
/// As [`Parts`], to Python.
type PyParts<'py> = (
    &'static str,
    Option<String>,
    Bound<'py, PyBytes>,
    u64,
    BTreeMap<String, String>,
    Option<Bound<'py, PyBytes>>,
    Bound<'py, PyBytes>,
);

fn enrollment(parts: Parts) -> PyResult<Enrollment> {
    let (kind, endpoint_id, root_pubkey, expires_at, attributes, nonce, signature) = parts;
    let wrong = |text: String| PyValueError::new_err(text);
    Ok(Enrollment {
        kind: EnrollmentKind::parse(&kind)
            .ok_or_else(|| wrong(format!("credential_type: expected policy or ott, got '{kind}'")))?,
        endpoint_id,
        root_pubkey: root_pubkey.try_into().map_err(|_| wrong("root_pubkey: expected 32 bytes".to_owned()))?,
        expires_at,
        attributes,
        nonce,
        signature,
    })
}

/// Whatever is wrong here is wrong with an argument.
fn valid<T>(result: Result<T>) -> PyResult<T> {
    result.map_err(|error| PyValueError::new_err(error.message().to_owned()))
}

fn seed(bytes: &[u8]) -> PyResult<[u8; 32]> {
    bytes.try_into().map_err(|_| PyValueError::new_err("a secret key has 32 bytes"))
}

/// Signs a credential: 64 bytes.
#[pyfunction]
pub fn enrollment_sign<'py>(py: Python<'py>, parts: Parts, seed: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    valid(enrollment(parts)?.sign(seed)).map(|signature| PyBytes::new(py, &signature))
}

/// Tells whether a root key signed a credential: the given one, else its own.
#[pyfunction]
pub fn enrollment_verify(parts: Parts, root_pubkey: Option<&[u8]>) -> PyResult<bool> {
    Ok(enrollment(parts)?.is_signed(root_pubkey))
}

/// Returns the document that is presented.
#[pyfunction]
pub fn enrollment_to_json(parts: Parts) -> PyResult<String> {
    Ok(enrollment(parts)?.to_json())
}

/// Reads a document or a credential file.
#[pyfunction]
pub fn enrollment_parse<'py>(py: Python<'py>, document: &[u8]) -> PyResult<PyParts<'py>> {
    let read = valid(Enrollment::parse(document))?;
    Ok((
        read.kind.name(),
        read.endpoint_id,
        PyBytes::new(py, &read.root_pubkey),
        read.expires_at,
        read.attributes,
        read.nonce.map(|nonce| PyBytes::new(py, &nonce)),
        PyBytes::new(py, &read.signature),
    ))
}

/// Returns the text of a credential file. ValueError if nobody would take it.
#[pyfunction]
pub fn credential_file(parts: Parts) -> PyResult<String> {
    valid(enrollment(parts)?.to_file())
}

/// Returns the text of an identity file with a node key and a credential in it. ValueError if the runtime would not
/// accept it.
#[pyfunction]
pub fn enrolled_identity(path: &str, text: &str, name: &str, node_key: &[u8], parts: Parts) -> PyResult<String> {
    let credential = valid(enrollment(parts)?.to_credential())?;
    let now = u64::try_from(SystemClock.epoch_ms() / 1000).unwrap_or(u64::MAX);
    let enrolment = Enrolment { name, node_key: &seed(node_key)?, credential: &credential, now };
    valid(config::enrolled(path, text, &enrolment))
}

/// Reads the operator's profiles: name of the active one, which may be missing, and all as JSON text.
#[pyfunction]
pub fn profiles(path: &str, text: &str) -> PyResult<(Option<String>, String)> {
    let read = valid(Profiles::parse(path, text))?;
    Ok((read.active, serde_json::Value::Object(read.profiles).to_string()))
}

/// Returns the name of the profile to use: the given one, else the active one. ValueError if there is no such profile.
#[pyfunction]
pub fn select_profile(path: &str, text: &str, named: Option<&str>) -> PyResult<Option<String>> {
    let read = valid(Profiles::parse(path, text))?;
    Ok(valid(read.select(path, named))?.map(str::to_owned))
}

/// Returns the operator's file with fields of a profile set.
#[pyfunction]
pub fn put_profile(path: &str, text: &str, name: &str, fields: Vec<(String, String)>) -> PyResult<String> {
    valid(config::put_profile(path, text, name, &fields))
}

/// Returns the operator's file with another active profile.
#[pyfunction]
pub fn use_profile(path: &str, text: &str, name: &str) -> PyResult<String> {
    valid(config::use_profile(path, text, name))
}

/// Returns the operator's file without a profile.
#[pyfunction]
pub fn remove_profile(path: &str, text: &str, name: &str) -> PyResult<String> {
    valid(config::remove_profile(path, text, name))
}

/// Returns what to do after a denial; `credential`: what the one that was presented is called.
#[pyfunction]
pub fn denial_hint(credential: Option<&str>, endpoint_id: &str) -> String {
    trust::denial_hint(credential, endpoint_id)
}
