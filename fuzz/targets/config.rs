//! TOML files of settings, identity files and credential files: texts that somebody else may have written.
//!
//! The first byte of an input tells which.

#![no_main]

use std::collections::BTreeMap;

use aster_core::config::{Config, IDENTITY_FILE, IdentityFile, Role, Sources, TomlFile};
use aster_fuzz::bounded;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((kind, bytes)) = input.split_first() else { return };
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut sources = Sources { role: Some(Role::Consumer), ..Sources::default() };
    match kind % 3 {
        0 => sources.toml = Some(TomlFile { path: "a.toml".to_owned(), text: text.to_owned() }),
        1 => {
            sources.files = BTreeMap::from([(IDENTITY_FILE.to_owned(), text.to_owned().into())]);
            if let Ok(file) = IdentityFile::parse(IDENTITY_FILE, text) {
                let _ = file.entry(None, None);
            }
        }
        _ => {
            sources.env = BTreeMap::from([("ASTER_ENROLLMENT_CREDENTIAL".to_owned(), "a.cred".to_owned())]);
            sources.files = BTreeMap::from([("a.cred".to_owned(), text.to_owned().into())]);
        }
    }
    let Ok(config) = bounded(bytes.len(), || Config::resolve(sources)) else { return };
    let _ = (config.network(), config.gate(), config.credential());
    // Whatever a value holds, a row is one line.
    assert!(config.to_text().lines().all(|line| line.starts_with("  ")));
    assert!(serde_json::from_str::<serde_json::Value>(&config.to_json()).is_ok());
});
