//! Forms of addresses and tickets.

use aster_core::addr::{Address, NodeAddr};
use aster_core::error::{Error, ErrorKind};
use aster_core::ids::EndpointId;
use aster_core::ticket::{Ticket, TicketCredential};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::node::{Addr, addr_tuple, checked, core_addr};

/// Id, relay, direct addresses, and type and payload of the credential.
type TicketParts<'py> = (String, Option<String>, Vec<String>, Option<(&'static str, Bound<'py, PyBytes>)>);

/// Encodes a node address.
#[pyfunction]
pub fn encode_addr(py: Python<'_>, addr: Addr) -> Bound<'_, PyBytes> {
    PyBytes::new(py, &core_addr(addr).to_bytes())
}

/// Returns a node address as base64.
#[pyfunction]
pub fn addr_text(addr: Addr) -> String {
    core_addr(addr).to_base64()
}

/// Decodes a node address.
#[pyfunction]
pub fn decode_addr(py: Python<'_>, data: &[u8]) -> PyResult<Addr> {
    checked(py, NodeAddr::from_bytes(data)).map(addr_tuple)
}

/// Parses any text that can be dialled.
#[pyfunction]
pub fn parse_addr(py: Python<'_>, text: &str) -> PyResult<Addr> {
    checked(py, Address::parse(text)).map(|address| addr_tuple(address.node_addr()))
}

fn ticket(
    id: &str,
    relay: Option<String>,
    direct: &[String],
    credential: Option<(String, Vec<u8>)>,
) -> Result<Ticket, Error> {
    let socket = |text: &String| {
        text.parse().map_err(|_| Error::new(ErrorKind::Address, format!("not a socket address: '{text}'")))
    };
    Ok(Ticket {
        endpoint_id: EndpointId::parse(id)?,
        relay_addr: relay.as_ref().map(socket).transpose()?,
        direct_addrs: direct.iter().map(socket).collect::<Result<_, _>>()?,
        credential: credential.map(|(kind, payload)| TicketCredential::new(&kind, &payload)).transpose()?,
    })
}

fn of_ticket<T>(py: Python<'_>, result: Result<T, Error>) -> PyResult<T> {
    checked(py, result.map_err(|error| error.with_detail("object", "ticket")))
}

fn parts(py: Python<'_>, ticket: Ticket) -> TicketParts<'_> {
    let credential = ticket.credential.map(|found| (found.kind(), PyBytes::new(py, found.payload())));
    (
        ticket.endpoint_id.to_string(),
        ticket.relay_addr.map(|addr| addr.to_string()),
        ticket.direct_addrs.iter().map(ToString::to_string).collect(),
        credential,
    )
}

/// Encodes a ticket.
#[pyfunction]
pub fn encode_ticket<'py>(
    py: Python<'py>,
    id: &str,
    relay: Option<String>,
    direct: Vec<String>,
    credential: Option<(String, Vec<u8>)>,
) -> PyResult<Bound<'py, PyBytes>> {
    let encoded = ticket(id, relay, &direct, credential).and_then(|ticket| ticket.encode());
    of_ticket(py, encoded).map(|data| PyBytes::new(py, &data))
}

/// Returns a ticket as text.
#[pyfunction]
pub fn ticket_text(
    py: Python<'_>,
    id: &str,
    relay: Option<String>,
    direct: Vec<String>,
    credential: Option<(String, Vec<u8>)>,
) -> PyResult<String> {
    of_ticket(py, ticket(id, relay, &direct, credential).and_then(|ticket| ticket.to_text()))
}

/// Decodes a ticket: its parts.
#[pyfunction]
pub fn decode_ticket<'py>(py: Python<'py>, data: &[u8]) -> PyResult<TicketParts<'py>> {
    of_ticket(py, Ticket::decode(data)).map(|ticket| parts(py, ticket))
}

/// Parses the text of a ticket: its parts.
#[pyfunction]
pub fn parse_ticket<'py>(py: Python<'py>, text: &str) -> PyResult<TicketParts<'py>> {
    of_ticket(py, Ticket::parse(text)).map(|ticket| parts(py, ticket))
}
