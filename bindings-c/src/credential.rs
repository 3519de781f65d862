//! Credentials as JSON texts: signed and verified (`trust.md` sections 3, 4 and 15).

use aster_core::admission::verify_document;
use aster_core::trust::{Enrollment, Offline};
use serde_json::json;

use crate::errors::{aster_error_t, aster_result_t};
use crate::file;
use crate::guard;
use crate::handle::out;
use crate::slice::{aster_bytes_t, aster_str_t, read_key, read_time, require_key};

/// Signs a credential with the seed of the root key, 32 bytes, and writes it as it is presented, JSON text that the
/// caller owns.
///
/// `json` is an object with `credential_type` (`policy` or `ott`; `producer` or absent: a producer's), `expires_at`,
/// `attributes`, and `endpoint_id` unless whoever holds the credential is to be admitted. `root_pubkey` may be absent, a
/// one-time token without `nonce` gets a fresh one, a `signature` is replaced.
///
/// Any thread. Errors: CREDENTIAL if it names another root key, or if no server would take it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_credential_sign(
    json: aster_str_t,
    seed: *const u8,
    out: *mut aster_bytes_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let slot = self::out(out, "out")?;
            let (draft, seed) = (json.given("json")?, require_key(seed, "seed")?);
            slot.write(aster_bytes_t::give(Enrollment::signed(draft.as_bytes(), seed)?.to_json().into_bytes()));
            Ok(())
        })
    }
}

/// Writes the bytes that the root key signs for a credential, for keys that are kept elsewhere. The caller owns them.
///
/// Takes what `aster_credential_sign` takes, but `root_pubkey` must be there and nothing is filled in; nonces have any
/// length, endpoint ids are any text. Any thread. Errors: CREDENTIAL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_credential_signing_bytes(
    json: aster_str_t,
    out: *mut aster_bytes_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let (slot, draft) = (self::out(out, "out")?, json.given("json")?);
            slot.write(aster_bytes_t::give(Enrollment::signed_bytes_of(draft.as_bytes())?));
            Ok(())
        })
    }
}

/// Checks a credential without network: structure, root key, expiry, binding, signature. Writes a JSON object, which the
/// caller owns: `valid`, `reason` (empty if valid), `pinned` (whether a root key was given), and the `attributes` that a
/// valid one grants.
///
/// `root_pubkey`, 32 bytes, is the root key that is trusted; NULL: the credential's own, which proves only that it is
/// whole. `endpoint_id` is the peer that presents it; absent: not compared. `now_s` is the time in seconds since 1970;
/// 0: the clock. One-time tokens are not spent, instance identities and revocations not looked at.
///
/// Any thread. Errors: CREDENTIAL for what is no credential at all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_credential_verify(
    json: aster_str_t,
    root_pubkey: *const u8,
    endpoint_id: aster_str_t,
    now_s: i64,
    out: *mut aster_bytes_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let (slot, document) = (self::out(out, "out")?, json.given("json")?);
            let now = match read_time(now_s, "now_s")? {
                0 => file::now(),
                seconds => seconds,
            };
            let against =
                Offline { root_pubkey: read_key(root_pubkey), peer: endpoint_id.optional("endpoint_id")?, now };
            let verdict = verify_document(document.as_bytes(), &against)?;
            let shown = json!({
                "valid": verdict.admitted,
                "reason": verdict.reason,
                "pinned": against.root_pubkey.is_some(),
                "attributes": verdict.attributes,
            });
            slot.write(aster_bytes_t::give(shown.to_string().into_bytes()));
            Ok(())
        })
    }
}
