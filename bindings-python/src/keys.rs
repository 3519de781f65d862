//! Keys, signatures and hashes of core as plain functions.

use aster_core::keys;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::node::checked;

/// Returns the BLAKE3 hash of bytes as 64 hex digits.
#[pyfunction]
pub fn blake3_hex(data: &[u8]) -> String {
    keys::digest(data).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the BLAKE3 hash of bytes, 32 bytes.
#[pyfunction]
pub fn blake3_digest<'py>(py: Python<'py>, data: &[u8]) -> Bound<'py, PyBytes> {
    PyBytes::new(py, &keys::digest(data))
}

/// Makes a fresh key: seed and public key, 32 bytes each.
#[pyfunction]
pub fn ed25519_generate_keypair(py: Python<'_>) -> PyResult<(Bound<'_, PyBytes>, Bound<'_, PyBytes>)> {
    let (seed, public) = checked(py, keys::generate())?;
    Ok((PyBytes::new(py, &seed), PyBytes::new(py, &public)))
}

/// Returns the public key of a seed. ValueError unless it has 32 bytes.
#[pyfunction]
pub fn ed25519_public_from_secret<'py>(py: Python<'py>, secret: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    checked(py, keys::public_key(secret)).map(|public| PyBytes::new(py, &public))
}

/// Signs a message with a seed: 64 bytes. ValueError unless the seed has 32 bytes.
#[pyfunction]
pub fn ed25519_sign<'py>(py: Python<'py>, secret: &[u8], message: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    checked(py, keys::sign(secret, message)).map(|signature| PyBytes::new(py, &signature))
}

/// Tells whether a signature is that of a public key over a message.
#[pyfunction]
pub fn ed25519_verify(public: &[u8], message: &[u8], signature: &[u8]) -> bool {
    keys::verify(public, message, signature)
}
