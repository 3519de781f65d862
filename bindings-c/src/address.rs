//! Addresses of peers: tickets, base64 node addresses, endpoint ids.

use aster_core::addr::{Address, AddressForm};
use aster_core::ids::EndpointId;

use crate::errors::{aster_error_t, aster_result_t};
use crate::guard;
use crate::handle::{Home, borrow, give, handle, out, take};
use crate::slice::{aster_bytes_t, aster_str_t, read_texts};

/// Where a peer is. Immutable, free of any parent.
pub struct aster_address_t {
    home: Home,
    address: Address,
    endpoint_id: String,
}

handle!(aster_address_t);

impl aster_address_t {
    fn give(address: Address) -> *mut Self {
        let endpoint_id = address.endpoint_id.to_string();
        give(Self { home: Home::here(), address, endpoint_id })
    }
}

/// Parses a ticket, base64 of a node address, or 64 hex digits.
///
/// Any thread. Errors: ADDRESS.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_address_parse(
    text: aster_str_t,
    out: *mut *mut aster_address_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let slot = self::out(out, "out")?;
            let text = text.given("text")?;
            slot.write(aster_address_t::give(Address::parse(text)?));
            Ok(())
        })
    }
}

/// Makes an address of its parts: 64 hex digits, a relay URL or nothing, `n` socket addresses such as `127.0.0.1:4433`.
///
/// Any thread. Errors: ADDRESS.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_address_new(
    endpoint_id: aster_str_t,
    relay_url: aster_str_t,
    direct: *const aster_str_t,
    n: usize,
    out: *mut *mut aster_address_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let slot = self::out(out, "out")?;
            let endpoint_id = EndpointId::parse(endpoint_id.require("endpoint_id")?)?;
            let relay_url = relay_url.read("relay_url")?.map(str::to_owned);
            let address = Address {
                endpoint_id,
                relay_url,
                relay_hint: None,
                direct: read_texts(direct, n, "direct")?,
                credential: None,
                form: AddressForm::NodeAddr,
            };
            // The text form has limits and rules of its own; whoever passes them can be dialled.
            slot.write(aster_address_t::give(Address::parse(&address.node_addr().to_base64())?));
            Ok(())
        })
    }
}

/// Returns the endpoint id, 64 hex digits, borrowed from the address.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_address_endpoint_id(address: *const aster_address_t) -> aster_str_t {
    // SAFETY: the caller passes NULL or a live address.
    unsafe { guard::value(aster_str_t::ABSENT, || Ok(aster_str_t::lend(&borrow(address, "address")?.endpoint_id))) }
}

/// Returns the URL of the relay, borrowed from the address; absent if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_address_relay_url(address: *const aster_address_t) -> aster_str_t {
    // SAFETY: the caller passes NULL or a live address.
    unsafe {
        guard::value(aster_str_t::ABSENT, || {
            let url = borrow(address, "address")?.address.relay_url.as_deref();
            Ok(url.map_or(aster_str_t::ABSENT, aster_str_t::lend))
        })
    }
}

/// Returns the number of direct addresses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_address_direct_count(address: *const aster_address_t) -> usize {
    // SAFETY: the caller passes NULL or a live address.
    unsafe { guard::value(0, || Ok(borrow(address, "address")?.address.direct.len())) }
}

/// Returns one direct address, borrowed from the address; absent past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_address_direct_at(address: *const aster_address_t, i: usize) -> aster_str_t {
    // SAFETY: the caller passes NULL or a live address.
    unsafe {
        guard::value(aster_str_t::ABSENT, || {
            let text = borrow(address, "address")?.address.direct.get(i);
            Ok(text.map_or(aster_str_t::ABSENT, |text| aster_str_t::lend(text)))
        })
    }
}

/// Writes the `aster1` ticket; it holds no relay URL. The caller owns the text. Errors: ADDRESS if it does not fit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_address_ticket(
    address: *const aster_address_t,
    out: *mut aster_bytes_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let (address, slot) = (borrow(address, "address")?, self::out(out, "out")?);
            slot.write(aster_bytes_t::give(address.address.ticket().to_text()?.into_bytes()));
            Ok(())
        })
    }
}

/// Writes the base64 form of the node address. The caller owns the text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_address_b64(
    address: *const aster_address_t,
    out: *mut aster_bytes_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let (address, slot) = (borrow(address, "address")?, self::out(out, "out")?);
            slot.write(aster_bytes_t::give(address.address.node_addr().to_base64().into_bytes()));
            Ok(())
        })
    }
}

/// Releases an address. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_address_free(address: *mut aster_address_t) {
    // SAFETY: the caller passes NULL or a live address, and gives it up.
    unsafe { guard::quiet(|| drop(take(address))) }
}
