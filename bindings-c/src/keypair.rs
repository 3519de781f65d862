//! Root keys: made, and kept in files (`trust.md` section 2).

use std::path::Path;

use aster_core::config::{read_root_key, root_key_file};
use aster_core::keys;
use aster_core::node::create_private_file;

use crate::errors::{aster_error_t, aster_result_t};
use crate::file;
use crate::guard;
use crate::handle::out;
use crate::slice::{Key, aster_str_t, require_key};

/// Makes a fresh Ed25519 key: writes its seed, which is secret, and its public key, 32 bytes each.
///
/// Any thread. Errors: IO if the system has no randomness.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_keypair_generate(
    seed: *mut u8,
    public_key: *mut u8,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says; bytes have no alignment.
    unsafe {
        guard::run(err, || {
            let (seed, public_key) = (out(seed.cast::<Key>(), "seed")?, out(public_key.cast::<Key>(), "public_key")?);
            let (secret, public) = keys::generate()?;
            seed.write(secret);
            public_key.write(public);
            Ok(())
        })
    }
}

/// Writes the public key of a seed, 32 bytes each: of a node key that is the endpoint id.
///
/// Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_keypair_public(
    seed: *const u8,
    public_key: *mut u8,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says; bytes have no alignment.
    unsafe {
        guard::run(err, || {
            let (seed, slot) = (require_key(seed, "seed")?, out(public_key.cast::<Key>(), "public_key")?);
            slot.write(keys::public_half(seed));
            Ok(())
        })
    }
}

/// Writes a file with a root key, from its seed of 32 bytes: mode 0600 from the start, whole or not at all, and never
/// over another file.
///
/// Any thread; waits for the disk. Errors: ALREADY_EXISTS, IO, both with detail `path`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_keypair_write(
    path: aster_str_t,
    seed: *const u8,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let (path, seed) = (path.require("path")?, require_key(seed, "seed")?);
            create_private_file(Path::new(path), &root_key_file(seed))
        })
    }
}

/// Reads the seed, 32 bytes, of a file with a root key. Warns in the log if others can read or write it.
///
/// Any thread; waits for the disk. Errors: IO, CREDENTIAL for a file that holds no key, both with detail `path`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_keypair_read(
    path: aster_str_t,
    seed: *mut u8,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says; bytes have no alignment.
    unsafe {
        guard::run(err, || {
            let (path, slot) = (path.require("path")?, out(seed.cast::<Key>(), "seed")?);
            let (read, warning) = read_root_key(path, &file::look(path, None))?;
            file::warn(warning);
            slot.write(read);
            Ok(())
        })
    }
}
