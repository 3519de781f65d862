//! Configuration objects: the sources that core settles.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use aster_core::config::{Config, Role, Sources, TomlFile};
use aster_core::error::{Error, ErrorKind, Result};
use serde_json::Value;

use crate::errors::{aster_error_t, aster_result_t};
use crate::file;
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
    /// Path of a TOML file; absent: none.
    pub toml_path: aster_str_t,
    /// Path of an identity file; absent: that of the settings, else `.aster-identity` in the working directory if it is
    /// there. Empty: none.
    pub identity_path: aster_str_t,
    /// Name of the entry of the identity file; absent: the first with the role.
    pub peer: aster_str_t,
    /// `producer` or `consumer`: whose settings `aster_config_get` and `aster_config_describe` show, and whose entry is
    /// checked at once. Servers are producers and clients consumers, whatever is said here.
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
        let file = file::look(&path, sources.home.as_deref());
        sources.files.insert(path, file);
    }
    sources.now = Some(file::now());
    let config = Config::resolve(sources.clone())?;
    for warning in config.warnings() {
        tracing::warn!(target: "aster::config", "{warning}");
    }
    Ok((sources, config))
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

/// Makes a configuration from the environment, a TOML file and an identity file. `options` NULL: defaults. It alone reads
/// the environment: no other thread may change it meanwhile.
///
/// Errors: CONFIG naming field and source, IO with detail `path`.
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
            let sources = read_sources(&options::read(options, "options")?)?;
            slot.write(give(aster_config_t::new(sources)?));
            Ok(())
        })
    }
}

/// Reads where settings come from.
///
/// # Safety
///
/// The texts of `options` are valid for reading.
unsafe fn read_sources(options: &aster_config_load_options_t) -> Result<Sources> {
    // SAFETY: passed on from the caller.
    let (toml, identity, peer, role) = unsafe {
        (
            options.toml_path.read("toml_path")?,
            options.identity_path.read("identity_path")?,
            options.peer.read("peer")?,
            options.role.read("role")?,
        )
    };
    let home = std::env::var("HOME").ok();
    let mut sources = Sources { peer: peer.map(str::to_owned), ..Sources::default() };
    if read_switch(options.use_env, "use_env")?.unwrap_or(true) {
        sources.env = environment();
    }
    if let Some(path) = toml {
        let text = file::require(path, home.as_deref())?;
        sources.toml = Some(TomlFile { path: path.to_owned(), text });
    }
    if let Some(path) = identity {
        sources.inline.insert("identity_file".to_owned(), path.into());
    }
    sources.role = role.map(read_role).transpose()?;
    sources.home = home;
    Ok(sources)
}

/// Reads a role of identity files.
pub(crate) fn read_role(word: &str) -> Result<Role> {
    Role::parse(word).map_err(|error| error.with_kind(ErrorKind::InvalidArgument))
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
            let shown = state.settled.masked(key).ok_or_else(|| {
                Error::new(ErrorKind::NotFound, format!("there is no field '{key}'")).with_detail("field", key)
            })?;
            slot.write(aster_bytes_t::give(shown.to_string().into_bytes()));
            Ok(())
        })
    }
}

/// Writes every setting in force with its source: a JSON object if `as_json` is not 0, else lines for people. Secrets
/// are masked. The caller owns the text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_config_describe(
    config: *const aster_config_t,
    as_json: i32,
    out: *mut aster_bytes_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let (config, slot) = (borrow(config, "config")?, self::out(out, "out")?);
            let settled = &config.lock().settled;
            let text = if as_json == 0 { settled.to_text() } else { settled.to_json() };
            slot.write(aster_bytes_t::give(text.into_bytes()));
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
