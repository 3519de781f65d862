//! Versions and features of the library.

use crate::guard;
use crate::slice::aster_str_t;

/// Major number of this interface: only additions within one.
pub const ASTER_ABI_MAJOR: u32 = 1;
/// Minor number of this interface: grows with additions.
pub const ASTER_ABI_MINOR: u32 = 0;

/// Returns `major << 16 | minor` of the library that is running.
#[unsafe(no_mangle)]
pub extern "C" fn aster_abi_version() -> u32 {
    (ASTER_ABI_MAJOR << 16) | ASTER_ABI_MINOR
}

/// Returns the product version, such as `0.1.0`. Static text.
#[unsafe(no_mangle)]
pub extern "C" fn aster_version() -> aster_str_t {
    aster_str_t::lend(aster_core::VERSION)
}

/// Tells whether this build has a feature (`blobs`, `docs`, `gossip`, `row`, `native`, `mdns`): 1 or 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_has_feature(name: aster_str_t) -> i32 {
    // SAFETY: the caller passes readable text.
    unsafe {
        guard::value(0, || {
            name.require("name")?;
            Ok(0) // This version has none of them.
        })
    }
}
