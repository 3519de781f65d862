//! Addresses of nodes: the NodeAddr text, and every text that can be dialled (`wire.md` sections 3.2 and 3.4).

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, ErrorKind, Result};
use crate::ids::EndpointId;
use crate::limits::MAX_NODE_ADDR_TEXT;
use crate::ticket::{self, Ticket, TicketCredential};

/// An endpoint id with a relay and direct addresses, as lines of text. Nothing is checked here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeAddr {
    /// The id as text.
    pub endpoint_id: String,
    /// URL of the relay.
    pub relay_url: Option<String>,
    /// Socket addresses as text.
    pub direct_addresses: Vec<String>,
}

impl NodeAddr {
    /// Encodes the lines.
    pub fn to_bytes(&self) -> Vec<u8> {
        let relay = self.relay_url.as_deref().unwrap_or_default();
        format!("{}\n{relay}\n{}", self.endpoint_id, self.direct_addresses.join("\n")).into_bytes()
    }

    /// Decodes lines.
    ///
    /// # Errors
    ///
    /// ADDRESS if the bytes are not UTF-8 or longer than 8192 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > MAX_NODE_ADDR_TEXT {
            return Err(invalid("node address is too long"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| invalid("node address is not UTF-8"))?;
        let mut lines = text.split('\n');
        let endpoint_id = lines.next().unwrap_or_default().to_owned();
        let relay_url = lines.next().filter(|url| !url.is_empty()).map(str::to_owned);
        let direct_addresses = lines.filter(|line| !line.is_empty()).map(str::to_owned).collect();
        Ok(Self { endpoint_id, relay_url, direct_addresses })
    }

    /// Returns the lines in padded base64.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.to_bytes())
    }
}

/// A text that can be dialled, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The peer.
    pub endpoint_id: EndpointId,
    /// URL of its relay.
    pub relay_url: Option<String>,
    /// A hint where its relay is, from a ticket.
    pub relay_hint: Option<SocketAddr>,
    /// Socket addresses as text; lines that are none are skipped when dialling.
    pub direct: Vec<String>,
    /// What the ticket wants to be presented.
    pub credential: Option<TicketCredential>,
    /// Which form the text had.
    pub form: AddressForm,
}

/// Form of an address text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressForm {
    /// `aster1` ticket.
    Ticket,
    /// 64 hex digits; needs discovery.
    Id,
    /// Base64 of a NodeAddr.
    NodeAddr,
}

impl AddressForm {
    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ticket => "ticket",
            Self::Id => "id",
            Self::NodeAddr => "node_addr",
        }
    }
}

fn invalid(reason: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Address, format!("invalid address: {reason}"))
}

impl Address {
    /// Parses a ticket, 64 hex digits, or base64 of a NodeAddr, after trimming white space.
    ///
    /// # Errors
    ///
    /// ADDRESS; the message is `invalid address: <reason>`.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.starts_with(ticket::PREFIX) {
            let ticket = Ticket::parse(text).map_err(|error| invalid(error.message()))?;
            return Ok(Self {
                endpoint_id: ticket.endpoint_id,
                relay_url: None,
                relay_hint: ticket.relay_addr,
                direct: ticket.direct_addrs.iter().map(ToString::to_string).collect(),
                credential: ticket.credential,
                form: AddressForm::Ticket,
            });
        }
        if let Ok(endpoint_id) = EndpointId::parse(text) {
            return Ok(Self {
                endpoint_id,
                relay_url: None,
                relay_hint: None,
                direct: Vec::new(),
                credential: None,
                form: AddressForm::Id,
            });
        }
        let expected = || invalid("expected an aster1 ticket, base64 of a node address, or 64 hex digits");
        if text.len() > MAX_NODE_ADDR_TEXT.div_ceil(3) * 4 {
            return Err(invalid("text is too long"));
        }
        let bytes = STANDARD.decode(text).map_err(|_| expected())?;
        let addr = NodeAddr::from_bytes(&bytes)?;
        Ok(Self {
            endpoint_id: EndpointId::parse(&addr.endpoint_id).map_err(|_| expected())?,
            relay_url: addr.relay_url,
            relay_hint: None,
            direct: addr.direct_addresses,
            credential: None,
            form: AddressForm::NodeAddr,
        })
    }

    /// Returns the ticket with the parts of the address that tickets have.
    pub fn ticket(&self) -> Ticket {
        Ticket {
            endpoint_id: self.endpoint_id,
            relay_addr: self.relay_hint,
            direct_addrs: self.direct.iter().filter_map(|text| text.parse().ok()).collect(),
            credential: self.credential.clone(),
        }
    }

    /// Returns the NodeAddr with the parts of the address that it has.
    pub fn node_addr(&self) -> NodeAddr {
        NodeAddr {
            endpoint_id: self.endpoint_id.to_string(),
            relay_url: self.relay_url.clone(),
            direct_addresses: self.direct.clone(),
        }
    }
}
