//! Configuration objects: the sources that core settles.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::sync::{Mutex, MutexGuard};

use aster_core::clock::{Clock as _, SystemClock};
use aster_core::config::{Config, File, FileFacts, Role, Sources};
use aster_core::error::{Error, ErrorKind, Result};
use aster_core::limits;
use serde_json::Value;

use crate::errors::{aster_error_t, aster_result_t};
use crate::guard;
use crate::handle::{Home, borrow, give, handle, out, take};
use crate::options::{self, Growing};
use crate::slice::{aster_bytes_t, aster_str_t, invalid_argument};
use aster_core::sync::lock;

/// Where settings come from. Make it with `ASTER_CONFIG_LOAD_OPTIONS_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct aster_config_load_options_t {
    /// Size of this struct.
    pub struct_size: usize,
    /// Whether `ASTER_*` variables are read: 0 and 1 yes, -1 no.
    pub use_env: i32,
    /// Zero.
    pub reserved: u32,
    /// Path of a TOML file. Comes with a later version: UNSUPPORTED.
    pub toml_path: aster_str_t,
    /// Path of an identity file. Comes with a later version: UNSUPPORTED.
    pub identity_path: aster_str_t,
    /// Entry of the identity file.
    pub peer: aster_str_t,
    /// Role in the identity file.
    pub role: aster_str_t,
}

// SAFETY: repr(C), struct_size first, numbers and nullable pointers.
unsafe impl Growing for aster_config_load_options_t {}

/// Settings of servers and clients. Free of any parent; objects made with it copy what they need.
pub struct aster_config_t {
    home: Home,
    state: Mutex<State>,
}

handle!(aster_config_t);

struct State {
    sources: Sources,
    settled: Config,
}

impl aster_config_t {
    fn new(sources: Sources) -> Result<Self> {
        let (sources, settled) = settle(sources)?;
        Ok(Self { home: Home::here(), state: Mutex::new(State { sources, settled }) })
    }

    /// Makes a configuration with the default of every field.
    pub(crate) fn defaults() -> Result<Self> {
        // Nothing is looked for in the working directory.
        let inline = BTreeMap::from([("identity_file".to_owned(), Value::from(""))]);
        Self::new(Sources { inline, ..Sources::default() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Returns the configuration in force for a server or client, with its arguments on top.
    pub(crate) fn settled(&self, role: Role, arguments: BTreeMap<String, Value>) -> Result<Config> {
        let mut sources = Sources { role: Some(role), ..self.lock().sources.clone() };
        sources.arguments.extend(arguments);
        Ok(settle(sources)?.1)
    }
}

/// Reads the files that the sources name, and lets core settle every field.
fn settle(mut sources: Sources) -> Result<(Sources, Config)> {
    for path in Config::files(&sources)? {
        sources.files.insert(path.clone(), look(&path));
    }
    let config = Config::resolve(sources.clone())?;
    for warning in config.warnings() {
        tracing::warn!(target: "aster::config", "{warning}");
    }
    Ok((sources, config))
}

/// Reads a file for core.
fn look(path: &str) -> File {
    let read = || {
        let mut file = fs::File::open(path)?;
        let facts = facts(&file.metadata()?);
        let mut text = String::new();
        file.by_ref().take(limits::MAX_CONFIG_FILE as u64 + 1).read_to_string(&mut text)?;
        Ok(File::Text(text, facts))
    };
    read().unwrap_or_else(|error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => File::Missing,
        _ => File::Unreadable(error.to_string()),
    })
}

#[cfg(unix)]
fn facts(metadata: &fs::Metadata) -> Option<FileFacts> {
    use std::os::unix::fs::MetadataExt as _;
    // SAFETY: has no arguments and cannot fail.
    let ours = unsafe { libc::geteuid() };
    Some(FileFacts { mode: metadata.mode(), is_ours: [0, ours].contains(&metadata.uid()) })
}

#[cfg(not(unix))]
fn facts(_: &fs::Metadata) -> Option<FileFacts> {
    None
}

/// Reads a small text file.
pub(crate) fn read_text(path: &str) -> Result<String> {
    let failed = |reason: String| Error::new(ErrorKind::Io, format!("{path}: {reason}")).with_detail("path", path);
    let size = fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if size > limits::MAX_CREDENTIAL_BYTES as u64 {
        return Err(failed("the file is too large".to_owned()));
    }
    fs::read_to_string(path).map_err(|error| failed(error.to_string()))
}

/// Makes a configuration with the default of every field; reads neither environment nor files.
///
/// Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_config_new(
    out: *mut *mut aster_config_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let slot = self::out(out, "out")?;
            slot.write(give(aster_config_t::defaults()?));
            Ok(())
        })
    }
}

/// Makes a configuration from the environment; an identity file in the working directory is used. `options` NULL:
/// defaults. It alone reads the environment: no other thread may change it meanwhile.
///
/// Errors: CONFIG naming field and source, IO, UNSUPPORTED for what comes with later versions.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_config_load(
    options: *const aster_config_load_options_t,
    out: *mut *mut aster_config_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let slot = self::out(out, "out")?;
            let options = options::read(options, "options")?;
            for (text, name) in [
                (options.toml_path, "toml_path"),
                (options.identity_path, "identity_path"),
                (options.peer, "peer"),
                (options.role, "role"),
            ] {
                if text.read(name)?.is_some() {
                    let text = format!("{name} comes with a later version");
                    return Err(Error::new(ErrorKind::Unsupported, text).with_detail("parameter", name));
                }
            }
            let mut sources = Sources::default();
            if read_switch(options.use_env, "use_env")?.unwrap_or(true) {
                sources.env = environment();
            }
            sources.home = std::env::var("HOME").ok();
            sources.now = u64::try_from(SystemClock.epoch_ms() / 1000).ok();
            slot.write(give(aster_config_t::new(sources)?));
            Ok(())
        })
    }
}

/// Returns the variables of the library.
fn environment() -> BTreeMap<String, String> {
    let text = |(key, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((key.into_string().ok()?, value.to_string_lossy().into_owned()))
    };
    std::env::vars_os().filter_map(text).filter(|(key, _)| key.starts_with("ASTER_")).collect()
}

/// Reads a switch: 0 is the default, 1 on, -1 off.
pub(crate) fn read_switch(value: i32, name: &str) -> Result<Option<bool>> {
    match value {
        0 => Ok(None),
        1 => Ok(Some(true)),
        -1 => Ok(Some(false)),
        _ => Err(invalid_argument(name, "must be 0 (default), 1 (on) or -1 (off)")),
    }
}

/// Sets fields inline, which beats the environment: a JSON object of field names and values.
///
/// Any thread. Errors: CONFIG naming the field; nothing is changed then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_config_set(
    config: *mut aster_config_t,
    fields_json: aster_str_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let config = borrow(config, "config")?;
            let text = fields_json.require("fields_json")?;
            let fields: BTreeMap<String, Value> = serde_json::from_str(text)
                .map_err(|error| Error::new(ErrorKind::Config, format!("fields_json: expected an object: {error}")))?;
            let mut state = config.lock();
            let mut sources = state.sources.clone();
            sources.inline.extend(fields);
            (state.sources, state.settled) = settle(sources)?;
            Ok(())
        })
    }
}

/// Writes the value of a field as JSON text; secrets are masked. The caller owns it. Errors: NOT_FOUND.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_config_get(
    config: *const aster_config_t,
    key: aster_str_t,
    out: *mut aster_bytes_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let (config, slot) = (borrow(config, "config")?, self::out(out, "out")?);
            let key = key.require("key")?;
            let state = config.lock();
            let (value, _) = state.settled.get(key).ok_or_else(|| {
                Error::new(ErrorKind::NotFound, format!("there is no field '{key}'")).with_detail("field", key)
            })?;
            let shown = match key {
                "secret_key" | "proxy_url" | "enrollment_credential_file" if !value.is_null() => Value::from("****"),
                _ => value.clone(),
            };
            slot.write(aster_bytes_t::give(shown.to_string().into_bytes()));
            Ok(())
        })
    }
}

/// Releases a configuration. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_config_free(config: *mut aster_config_t) {
    // SAFETY: the caller passes NULL or a live configuration, and gives it up.
    unsafe { guard::quiet(|| drop(take(config))) }
}
