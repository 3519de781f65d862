//! Identity files: a node key and credentials (`config.md` section 7).

use std::path::Path;

use aster_core::config::IdentityFile;
use aster_core::error::{Error, ErrorKind};
use aster_core::node::create_private_file;

use crate::config::read_role;
use crate::errors::{aster_error_t, aster_result_t};
use crate::file;
use crate::guard;
use crate::handle::{Home, borrow, give, handle, out, take};
use crate::slice::{aster_bytes_t, aster_str_t};

/// Stands for the path of an identity that was given as text.
const NO_PATH: &str = "identity";

/// What an identity file holds. Immutable, free of any parent. Servers and clients take the path of one in their
/// configuration.
pub struct aster_identity_t {
    home: Home,
    file: IdentityFile,
    text: String,
}

handle!(aster_identity_t);

/// Reads an identity file. Warns in the log if others can read or write it.
///
/// Any thread; waits for the disk. Errors: IO with detail `path`, CREDENTIAL for a file that is no identity.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_identity_load(
    path: aster_str_t,
    out: *mut *mut aster_identity_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let (slot, path) = (self::out(out, "out")?, path.require("path")?);
            let (file, text, warning) = IdentityFile::open(path, &file::look(path, None))?;
            file::warn(warning);
            slot.write(give(aster_identity_t { home: Home::here(), file, text }));
            Ok(())
        })
    }
}

/// Reads the text of an identity file. Entries are checked when they are used.
///
/// Any thread. Errors: CREDENTIAL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_identity_parse(
    toml: aster_str_t,
    out: *mut *mut aster_identity_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let slot = self::out(out, "out")?;
            let text = toml.given("toml")?.to_owned();
            let file = IdentityFile::parse_alone(NO_PATH, &text)?;
            slot.write(give(aster_identity_t { home: Home::here(), file, text }));
            Ok(())
        })
    }
}

/// Writes an entry as a JSON object, secrets included: that of the name, else the first with the role (`producer` or
/// `consumer`), else the first. Absent: any. Attributes that an old file left out are back if the signature covers them.
/// A consumer's entry is a credential that clients present as it is. The caller owns the text.
///
/// Any thread. Errors: NOT_FOUND.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_identity_find_peer(
    identity: *const aster_identity_t,
    name: aster_str_t,
    role: aster_str_t,
    json: *mut aster_bytes_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let (identity, slot) = (borrow(identity, "identity")?, out(json, "json")?);
            let (name, role) = (name.read("name")?, role.read("role")?.map(read_role).transpose()?);
            let found = identity.file.entry(name, role);
            let entry = found.ok_or_else(|| Error::new(ErrorKind::NotFound, "the identity has no such entry"))?;
            slot.write(aster_bytes_t::give(entry.to_string().into_bytes()));
            Ok(())
        })
    }
}

/// Writes the content as a JSON object: `node`, `peers`, `published_services`. If `with_secrets` is 0 it lacks node key,
/// nonces, signatures, tokens, and fields that this library does not know. The caller owns the text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_identity_json(
    identity: *const aster_identity_t,
    with_secrets: i32,
    out: *mut aster_bytes_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let (identity, slot) = (borrow(identity, "identity")?, self::out(out, "out")?);
            slot.write(aster_bytes_t::give(identity.file.to_json(with_secrets != 0).to_string().into_bytes()));
            Ok(())
        })
    }
}

/// Writes the identity into a file, comments and unknown content included: mode 0600 from the start, whole or not at
/// all, and never over another file.
///
/// Any thread; waits for the disk. Errors: ALREADY_EXISTS, IO, both with detail `path`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_identity_write(
    identity: *const aster_identity_t,
    path: aster_str_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let identity = borrow(identity, "identity")?;
            create_private_file(Path::new(path.require("path")?), &identity.text)
        })
    }
}

/// Releases an identity. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_identity_free(identity: *mut aster_identity_t) {
    // SAFETY: the caller passes NULL or a live identity, and gives it up.
    unsafe { guard::quiet(|| drop(take(identity))) }
}
