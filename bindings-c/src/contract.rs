//! Contracts: a service description, checked and compiled by core.

use std::sync::Arc;

use aster_core::codec::{RootId, ValueSink, ValueSource};
use aster_core::contract::Contract;
use aster_core::engine::ServicePlan;
use aster_core::error::Result;
use aster_core::types::flattened_name;
use aster_core::wire::Mode;

use crate::errors::{aster_error_t, aster_result_t};
use crate::guard;
use crate::handle::{Home, borrow, give, handle, null_argument, out, take};
use crate::request::read_mode;
use crate::slice::{aster_bytes_t, aster_slice_t, aster_str_t, read_texts};
use crate::value::aster_value_t;

/// A service as both sides of a call use it. Immutable, free of any parent.
pub struct aster_contract_t {
    home: Home,
    pub(crate) plan: Arc<ServicePlan>,
    description: Arc<str>,
}

handle!(aster_contract_t);

/// Checks and compiles a service description in JSON.
///
/// Any thread. Errors: CONTRACT if it breaks a rule.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_contract_parse(
    description: aster_str_t,
    out: *mut *mut aster_contract_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let slot = self::out(out, "out")?;
            let text = description.require("description")?;
            let plan = ServicePlan::from_json(text)?;
            slot.write(give(aster_contract_t { home: Home::here(), plan, description: text.into() }));
            Ok(())
        })
    }
}

/// Reads a manifest in JSON and verifies it: the id that it tells must be that of what it describes.
///
/// Any thread. Errors: CONTRACT if it is not complete, breaks a rule, or has another id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_contract_from_manifest(
    manifest: aster_str_t,
    out: *mut *mut aster_contract_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let slot = self::out(out, "out")?;
            let (contract, description) = Contract::describe_manifest(manifest.require("manifest")?)?;
            let plan = ServicePlan::from_contract(contract)?;
            let description = description.to_string().into();
            slot.write(give(aster_contract_t { home: Home::here(), plan, description }));
            Ok(())
        })
    }
}

/// Returns the contract id, 64 hex digits, borrowed from the contract.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_contract_id(contract: *const aster_contract_t) -> aster_str_t {
    // SAFETY: the caller passes NULL or a live contract.
    unsafe {
        guard::value(aster_str_t::ABSENT, || Ok(aster_str_t::lend(borrow(contract, "contract")?.plan.contract().id())))
    }
}

/// Returns the service name, borrowed from the contract.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_contract_service(contract: *const aster_contract_t) -> aster_str_t {
    // SAFETY: the caller passes NULL or a live contract.
    unsafe { guard::value(aster_str_t::ABSENT, || Ok(aster_str_t::lend(borrow(contract, "contract")?.plan.name()))) }
}

/// Returns the service version; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_contract_version(contract: *const aster_contract_t) -> i32 {
    // SAFETY: the caller passes NULL or a live contract.
    unsafe { guard::value(0, || Ok(borrow(contract, "contract")?.plan.version())) }
}

/// Writes the canonical bytes, whose BLAKE3 hash is the id. The caller owns them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_contract_canonical(
    contract: *const aster_contract_t,
    out: *mut aster_bytes_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let (contract, slot) = (borrow(contract, "contract")?, self::out(out, "out")?);
            slot.write(aster_bytes_t::give(contract.plan.contract().canonical().to_vec()));
            Ok(())
        })
    }
}

/// Writes the manifest, JSON text with a newline at its end. The caller owns it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_contract_manifest(
    contract: *const aster_contract_t,
    json: *mut aster_bytes_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let (contract, slot) = (borrow(contract, "contract")?, out(json, "json")?);
            slot.write(aster_bytes_t::give(contract.plan.contract().manifest_text().into_bytes()));
            Ok(())
        })
    }
}

/// Writes the description it was made from, or that its manifest stands for, JSON text. The caller owns it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_contract_description(
    contract: *const aster_contract_t,
    json: *mut aster_bytes_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let (contract, slot) = (borrow(contract, "contract")?, out(json, "json")?);
            slot.write(aster_bytes_t::give(contract.description.as_bytes().to_vec()));
            Ok(())
        })
    }
}

/// Writes the tag of a generic message applied to arguments, which are type texts: `ns/Page` and `list<int>` give
/// `ns/Page_list_varint64`. So languages with generics name their types alike. The caller owns the text.
///
/// Any thread. Errors: CONTRACT if an argument is no type, or the name is too long.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_contract_flatten(
    tag: aster_str_t,
    arguments: *const aster_str_t,
    n: usize,
    out: *mut aster_bytes_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let slot = self::out(out, "out")?;
            let tag = tag.require("tag")?;
            let arguments = read_texts(arguments, n, "arguments")?;
            slot.write(aster_bytes_t::give(flattened_name(tag, &arguments)?.into_bytes()));
            Ok(())
        })
    }
}

impl aster_contract_t {
    /// Reads a type and a mode of payloads.
    ///
    /// # Safety
    ///
    /// The text is readable.
    unsafe fn payload_of(&self, ty: aster_str_t, mode: i32) -> Result<(RootId, Option<Mode>)> {
        // SAFETY: passed on from the caller.
        let root = self.plan.root(unsafe { ty.require("type") }?)?;
        Ok((root, read_mode(mode)?))
    }
}

/// Encodes a value as a payload of a type: a message tag, or a bare `string int float bool bytes`. `mode` is
/// `ASTER_MODE_*`; AUTO is XLANG, ROW is one row of a message. The caller owns the bytes, which are those of a data frame
/// before compression.
///
/// Any thread. Errors: CODEC if the value does not fit, NOT_FOUND for an unknown type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_contract_encode(
    contract: *const aster_contract_t,
    type_: aster_str_t,
    mode: i32,
    v: *const aster_value_t,
    out: *mut aster_bytes_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let (contract, value) = (borrow(contract, "contract")?, borrow(v, "v")?);
            let slot = self::out(out, "out")?;
            let (root, mode) = contract.payload_of(type_, mode)?;
            let mode = mode.unwrap_or(Mode::Xlang);
            let bytes = value.with(|value| contract.plan.encode(root, mode, &mut ValueSource::new(), &value))?;
            slot.write(aster_bytes_t::give(bytes));
            Ok(())
        })
    }
}

/// Decodes a payload of a type, as for `aster_contract_encode`; with AUTO its first byte decides between XLANG and JSON.
/// A row has to come from a writer with the same types. The caller owns the value.
///
/// Any thread. Errors: CODEC with status 3 if the bytes are malformed and 101 if they do not fit, NOT_FOUND for an
/// unknown type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_contract_decode(
    contract: *const aster_contract_t,
    type_: aster_str_t,
    mode: i32,
    data: aster_slice_t,
    out: *mut *mut aster_value_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let contract = borrow(contract, "contract")?;
            let slot = self::out(out, "out")?;
            let (root, mode) = contract.payload_of(type_, mode)?;
            let data = data.read("data")?.ok_or_else(|| null_argument("data"))?;
            slot.write(give(aster_value_t::done(contract.plan.decode(root, mode, data, &mut ValueSink)?)));
            Ok(())
        })
    }
}

/// Returns a handle to the same contract, to be freed; NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_contract_clone(contract: *const aster_contract_t) -> *mut aster_contract_t {
    // SAFETY: the caller passes NULL or a live contract.
    unsafe {
        guard::value(std::ptr::null_mut(), || {
            let contract = borrow(contract, "contract")?;
            let (plan, description) = (contract.plan.clone(), contract.description.clone());
            Ok(give(aster_contract_t { home: Home::here(), plan, description }))
        })
    }
}

/// Releases a contract. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_contract_free(contract: *mut aster_contract_t) {
    // SAFETY: the caller passes NULL or a live contract, and gives it up.
    unsafe { guard::quiet(|| drop(take(contract))) }
}
