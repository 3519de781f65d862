//! Contracts: a service description, checked and compiled by core.

use std::sync::Arc;

use aster_core::engine::ServicePlan;

use crate::errors::{aster_error_t, aster_result_t};
use crate::guard;
use crate::handle::{Home, borrow, give, handle, out, take};
use crate::slice::{aster_bytes_t, aster_str_t};

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

/// Writes the description it was made from, JSON text. The caller owns it.
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
