//! Tickets: `aster1` and base58 of an endpoint id with a few addresses (`wire.md` section 3.3).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::error::{Error, ErrorKind, Result};
use crate::ids::{ENDPOINT_ID_LEN, EndpointId};
use crate::limits::{MAX_TICKET_ADDRESSES, MAX_TICKET_BYTES};

/// What the text of every ticket begins with.
pub const PREFIX: &str = "aster1";
const VERSION: u8 = 1;
const NAMESPACE_LEN: usize = 32;
/// No text of a legal ticket is longer; longer text is not decoded at all.
const MAX_TEXT: usize = 400;

/// What a ticket's credential is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TicketCredential {
    /// The server's gate is open.
    Open,
    /// A consumer's credential.
    ConsumerRcan(Vec<u8>),
    /// A producer's enrolment.
    Enrollment(Vec<u8>),
    /// The id of a registry namespace.
    RegistryRead([u8; NAMESPACE_LEN]),
}

/// A dialable address in a short text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The peer.
    pub endpoint_id: EndpointId,
    /// A hint where its relay is.
    pub relay_addr: Option<SocketAddr>,
    /// Where it may be reached directly.
    pub direct_addrs: Vec<SocketAddr>,
    /// What to present.
    pub credential: Option<TicketCredential>,
}

fn refused(reason: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Address, reason.to_string())
}

impl TicketCredential {
    /// Makes a credential from its type's name and payload.
    ///
    /// # Errors
    ///
    /// ADDRESS for an unknown name, or a namespace id that is not of 32 bytes.
    pub fn new(kind: &str, payload: &[u8]) -> Result<Self> {
        match kind {
            "open" => Ok(Self::Open),
            "consumer_rcan" => Ok(Self::ConsumerRcan(payload.to_vec())),
            "enrollment" => Ok(Self::Enrollment(payload.to_vec())),
            "registry_read" => payload
                .try_into()
                .map(Self::RegistryRead)
                .map_err(|_| refused("registry_read credential_data must be exactly 32 bytes")),
            other => Err(refused(format!("unknown credential type '{other}'"))),
        }
    }

    /// Returns the name of its type.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::ConsumerRcan(_) => "consumer_rcan",
            Self::Enrollment(_) => "enrollment",
            Self::RegistryRead(_) => "registry_read",
        }
    }

    /// Returns its payload.
    pub fn payload(&self) -> &[u8] {
        match self {
            Self::Open => &[],
            Self::ConsumerRcan(payload) | Self::Enrollment(payload) => payload,
            Self::RegistryRead(namespace) => namespace,
        }
    }

    fn number(&self) -> u8 {
        match self {
            Self::Open => 0,
            Self::ConsumerRcan(_) => 1,
            Self::Enrollment(_) => 2,
            Self::RegistryRead(_) => 3,
        }
    }

    fn decode(number: u8, payload: &[u8]) -> Result<Self> {
        match number {
            0 => Ok(Self::Open),
            1 => Ok(Self::ConsumerRcan(payload.to_vec())),
            2 => Ok(Self::Enrollment(payload.to_vec())),
            3 => payload
                .try_into()
                .map(Self::RegistryRead)
                .map_err(|_| refused("registry_read credential must be 32 bytes")),
            other => Err(refused(format!("unknown credential type 0x{other:02x}"))),
        }
    }
}

impl Ticket {
    /// Encodes the ticket. Addresses that do not fit are dropped: loopback and link-local ones first, the last
    /// first, then the relay.
    ///
    /// # Errors
    ///
    /// ADDRESS if the credential alone does not fit.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut addrs = self.direct_addrs.clone();
        let mut relay = self.relay_addr;
        loop {
            let bytes = self.write(relay, &addrs);
            if addrs.len() <= MAX_TICKET_ADDRESSES && bytes.len() <= MAX_TICKET_BYTES {
                return Ok(bytes);
            }
            if let Some(last) = addrs.len().checked_sub(1) {
                addrs.remove(addrs.iter().rposition(|addr| is_near(addr.ip())).unwrap_or(last));
            } else if relay.take().is_none() {
                return Err(refused(format!("encoded ticket too large ({} > 256 bytes)", bytes.len())));
            }
        }
    }

    fn write(&self, relay: Option<SocketAddr>, addrs: &[SocketAddr]) -> Vec<u8> {
        let mut out = self.endpoint_id.0.to_vec();
        let relay_type = match relay {
            None => 0,
            Some(SocketAddr::V4(_)) => 1,
            Some(SocketAddr::V6(_)) => 2,
        };
        out.push(VERSION << 4 | relay_type << 2);
        if let Some(relay) = relay {
            put_addr(&mut out, relay);
        }
        out.push((addrs.len().min(MAX_TICKET_ADDRESSES) as u8) << 4);
        for four in addrs.chunks(4) {
            let bit = |(place, addr): (usize, &SocketAddr)| u8::from(addr.is_ipv6()) << (6 - 2 * place);
            out.push(four.iter().enumerate().map(bit).fold(0, |byte, bit| byte | bit));
        }
        addrs.iter().for_each(|addr| put_addr(&mut out, *addr));
        if let Some(credential) = &self.credential {
            let payload = credential.payload();
            out.push(credential.number());
            out.extend_from_slice(&u16::try_from(payload.len()).unwrap_or(u16::MAX).to_be_bytes());
            out.extend_from_slice(payload);
        }
        out
    }

    /// Decodes the bytes of a ticket; spare bits are ignored.
    ///
    /// # Errors
    ///
    /// ADDRESS for anything cut, unknown, too long or left over.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > MAX_TICKET_BYTES {
            return Err(refused(format!("ticket too large ({} > 256 bytes)", bytes.len())));
        }
        let mut reader = Reader(bytes);
        let too_short = "ticket too short";
        let id = reader.array::<ENDPOINT_ID_LEN>(too_short)?;
        let head = reader.byte(too_short)?;
        if head >> 4 != VERSION {
            return Err(refused(format!("unsupported ticket version {}", head >> 4)));
        }
        let relay_addr = match head >> 2 & 3 {
            0 => None,
            3 => return Err(refused("reserved relay type 3")),
            kind => Some(reader.addr(kind == 2, "relay")?),
        };
        let count = usize::from(reader.byte(too_short)? >> 4);
        let types = reader.take((2 * count).div_ceil(8), "truncated type bitfield")?.to_vec();
        let mut direct_addrs = Vec::with_capacity(count);
        for index in 0..count {
            let byte = types.get(index / 4).copied().unwrap_or_default();
            match byte >> (6 - 2 * (index % 4)) & 3 {
                kind @ (0 | 1) => direct_addrs.push(reader.addr(kind == 1, "direct addr")?),
                kind => return Err(refused(format!("reserved address type {kind}"))),
            }
        }
        let credential = if reader.0.is_empty() { None } else { Some(reader.credential()?) };
        match reader.0.len() {
            0 => Ok(Self { endpoint_id: EndpointId(id), relay_addr, direct_addrs, credential }),
            extra => Err(refused(format!("trailing bytes after ticket ({extra} extra)"))),
        }
    }

    /// Returns the ticket as text.
    ///
    /// # Errors
    ///
    /// As for [`encode`](Self::encode).
    pub fn to_text(&self) -> Result<String> {
        Ok(format!("{PREFIX}{}", bs58::encode(self.encode()?).into_string()))
    }

    /// Parses the text of a ticket.
    ///
    /// # Errors
    ///
    /// ADDRESS without the prefix, for characters outside base58, and as for [`decode`](Self::decode).
    pub fn parse(text: &str) -> Result<Self> {
        let body = text.strip_prefix(PREFIX).ok_or_else(|| refused("ticket must start with 'aster1'"))?;
        if body.len() > MAX_TEXT {
            return Err(refused(format!("ticket too large ({} characters)", text.len())));
        }
        let bytes = bs58::decode(body).into_vec().map_err(|error| refused(format!("invalid base58: {error}")))?;
        Self::decode(&bytes)
    }
}

fn is_near(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
    }
}

fn put_addr(out: &mut Vec<u8>, addr: SocketAddr) {
    match addr.ip() {
        IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
    }
    out.extend_from_slice(&addr.port().to_be_bytes());
}

struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, len: usize, reason: &str) -> Result<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or_else(|| refused(reason))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, reason: &str) -> Result<[u8; N]> {
        self.take(N, reason)?.try_into().map_err(|_| refused(reason))
    }

    fn byte(&mut self, reason: &str) -> Result<u8> {
        self.array::<1>(reason).map(|[byte]| byte)
    }

    fn addr(&mut self, v6: bool, what: &str) -> Result<SocketAddr> {
        let reason = format!("truncated {} {what}", if v6 { "IPv6" } else { "IPv4" });
        let ip: IpAddr = match v6 {
            true => Ipv6Addr::from(self.array::<16>(&reason)?).into(),
            false => Ipv4Addr::from(self.array::<4>(&reason)?).into(),
        };
        Ok(SocketAddr::new(ip, u16::from_be_bytes(self.array(&reason)?)))
    }

    fn credential(&mut self) -> Result<TicketCredential> {
        let reason = "truncated credential TLV header";
        let number = self.byte(reason)?;
        let len = u16::from_be_bytes(self.array(reason)?);
        let payload = self.take(len.into(), "truncated credential payload")?;
        TicketCredential::decode(number, payload)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_a_ticket_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(ticket) = Ticket::decode(&bytes) {
                let again = Ticket::decode(&ticket.encode().unwrap()).unwrap();
                prop_assert_eq!(again, ticket);
            }
        }

        #[test]
        fn any_text_is_a_ticket_or_an_error(text in "\\PC*") {
            let _ = Ticket::parse(&format!("{PREFIX}{text}"));
        }
    }
}
