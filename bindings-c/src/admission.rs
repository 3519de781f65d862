//! Who is admitted by a server: by hand, no longer, never again (`trust.md` sections 8 and 9).

use aster_core::admission::{PeerName, Revoked};
use aster_core::error::{Error, ErrorKind};
use aster_core::ids::EndpointId;
use aster_core::trust::read_attributes;

use crate::errors::{aster_error_t, aster_result_t};
use crate::guard;
use crate::handle::{borrow, out};
use crate::op::{Operation, Outcome};
use crate::runtime::refuse_own_thread;
use crate::server::aster_server_t;
use crate::slice::{aster_bytes_t, aster_str_t, invalid_argument, read_time};

/// Admits a peer without a credential: `endpoint_id` is 64 hex digits, `attributes_json` a JSON object of texts or absent.
/// It ends at `expires_at_s`, in seconds since 1970, and at the latest after the configured time; 0: after that time. What
/// the peer had is replaced.
///
/// Any thread. Errors: ADDRESS for what is no endpoint id, LIMIT if the list is full, STATE if the endpoint is revoked.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_server_peer_admit(
    server: *mut aster_server_t,
    endpoint_id: aster_str_t,
    attributes_json: aster_str_t,
    expires_at_s: i64,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let server = borrow(server, "server")?;
            let peer = EndpointId::parse(endpoint_id.require("endpoint_id")?)?;
            let attributes = attributes_json.optional("attributes_json")?.map(read_attributes).transpose();
            let attributes = attributes.map_err(|error| error.with_kind(ErrorKind::InvalidArgument))?;
            server.core().admit_peer(peer, attributes.unwrap_or_default(), read_time(expires_at_s, "expires_at_s")?)
        })
    }
}

/// Ends the admission of a peer: its connections are closed and its calls cancelled within a second. It may be admitted
/// again.
///
/// Any thread. Errors: ADDRESS for what is no endpoint id, NOT_FOUND if it was not admitted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_server_peer_remove(
    server: *mut aster_server_t,
    endpoint_id: aster_str_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let server = borrow(server, "server")?;
            let peer = EndpointId::parse(endpoint_id.require("endpoint_id")?)?;
            match server.core().remove_peer(&PeerName::Endpoint(peer)) {
                true => Ok(()),
                false => Err(Error::new(ErrorKind::NotFound, "the peer is not admitted")),
            }
        })
    }
}

/// Refuses an endpoint (64 hex digits) or a credential (its JSON text) until `until_s`, in seconds since 1970, or for ever
/// (0), and ends what it has within a second. One of both is given. With `storage_path` it is kept over restarts.
///
/// Blocking: waits for the disk. Errors: ADDRESS or CREDENTIAL for what is neither, LIMIT if the list is full, IO if it
/// could not be kept and holds until the end of the server only, STATE on a thread of the library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_server_revoke(
    server: *mut aster_server_t,
    endpoint_id: aster_str_t,
    credential_json: aster_str_t,
    until_s: i64,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let server = borrow(server, "server")?;
            let what = match (endpoint_id.optional("endpoint_id")?, credential_json.optional("credential_json")?) {
                (Some(id), None) => Revoked::Endpoint(EndpointId::parse(id)?),
                (None, Some(document)) => Revoked::credential(document.as_bytes())?,
                _ => return Err(invalid_argument("endpoint_id", "or credential_json must be given, and not both")),
            };
            let until = Some(read_time(until_s, "until_s")?).filter(|until| *until != 0);
            refuse_own_thread()?;
            server.runtime().check_open()?;
            let revoking = server.core().revoke(what, until);
            let revoked = Operation::spawn(server.runtime(), async move { revoking.await.map(|()| Outcome::Nothing) });
            revoked.wait(None)
        })
    }
}

/// Writes the peers that are admitted, a JSON array: `endpoint_id`, `handle`, `attributes`, `admitted_at` and `expires_at`
/// in seconds since 1970, `admission_path` (`consumer`, `producer`, `mesh`, `delegated` or `manual`), and `service` if it
/// is for one only. Whom an open gate let in without a credential is not among them. The caller owns the text.
///
/// Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_server_peers(
    server: *mut aster_server_t,
    json: *mut aster_bytes_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let (server, slot) = (borrow(server, "server")?, out(json, "json")?);
            slot.write(aster_bytes_t::give(server.core().gate().roster().to_string().into_bytes()));
            Ok(())
        })
    }
}
