//! Identifiers: endpoint ids, call ids, and maps by ticket.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use crate::error::{Error, ErrorKind, Result};

/// Bytes of an endpoint id.
pub const ENDPOINT_ID_LEN: usize = 32;

/// The Ed25519 public key that is a peer's address (`wire.md` section 3.1). Only dialling tests for a curve point.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId(pub [u8; ENDPOINT_ID_LEN]);

impl EndpointId {
    /// Parses 64 hex digits of either case.
    ///
    /// # Errors
    ///
    /// Kind ADDRESS if the text is anything else.
    pub fn parse(text: &str) -> Result<Self> {
        let mut bytes = [0; ENDPOINT_ID_LEN];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|_| Error::new(ErrorKind::Address, "invalid address: expected 64 hex digits"))?;
        Ok(Self(bytes))
    }

    /// Returns the first 8 hex digits, `...` and the last 4, for logs.
    pub fn short(&self) -> String {
        let text = self.to_string();
        format!("{}...{}", text.get(..8).unwrap_or_default(), text.get(60..).unwrap_or_default())
    }
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EndpointId({})", self.short())
    }
}

/// Checks a field that is hex digits of either case: exactly `length` of them, or any even number.
///
/// # Errors
///
/// LIMIT if there are more than `length`, INVALID_ARGUMENT if it is anything else.
pub fn check_hex_field(field: &str, text: &str, length: Option<usize>) -> Result<()> {
    let got = text.chars().count();
    if let Some(length) = length.filter(|length| got > *length) {
        return Err(Error::limit(field, length, got));
    }
    let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match length {
        _ if digits && length.is_none_or(|length| got == length) && got.is_multiple_of(2) => Ok(()),
        Some(length) => Err(Error::new(ErrorKind::InvalidArgument, format!("{field}: expected {length} hex digits"))),
        None => Err(Error::new(ErrorKind::InvalidArgument, format!("{field}: expected pairs of hex digits"))),
    }
}

/// A map by tickets, which core counts up itself: no peer chooses them, so they need no strong hash.
pub type TicketMap<V> = HashMap<u64, V, BuildHasherDefault<TicketHasher>>;

/// Spreads consecutive numbers over a table.
#[derive(Clone, Copy, Debug, Default)]
pub struct TicketHasher(u64);

impl Hasher for TicketHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// Returns a random UUID (version 4) as text, for calls without an id.
pub fn random_uuid() -> String {
    let mut b = [0u8; 16];
    // Without randomness no connection exists either; an all-zero id is harmless in a log.
    let _ = getrandom::fill(&mut b);
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    let h = hex::encode(b);
    format!("{}-{}-{}-{}-{}", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..])
}
