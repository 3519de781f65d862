//! The check of live contracts against the manifests that a project keeps (`contract.md` section 8).
//!
//! Not here: where the file is and how it is read, which is the host's.

use std::fmt;
use std::io;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::types::document::{Members, missing};
use crate::types::reason::bad;

use super::manifest;

/// A service as a program declares it.
#[derive(Clone, Copy, Debug)]
pub struct LiveContract<'a> {
    /// Service name.
    pub service: &'a str,
    /// Service version.
    pub version: i32,
    /// Its contract id, 64 hex digits.
    pub contract_id: &'a str,
}

/// Why a program does not go with the manifests that its project keeps. Shown as the text for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManifestFault {
    /// The file cannot be read, or holds no manifests.
    Unreadable {
        /// The file.
        path: String,
        /// What is wrong with it.
        cause: String,
    },
    /// A service is another one than its manifest says.
    Mismatch {
        /// The file.
        path: String,
        /// Service name.
        service: String,
        /// Service version.
        version: i32,
        /// Contract id of the manifest.
        expected: String,
        /// Contract id of the program.
        actual: String,
    },
}

impl fmt::Display for ManifestFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, cause } => write!(f, "Failed to read manifest at {path}: {cause}"),
            Self::Mismatch { path, service, version, expected, actual } => write!(
                f,
                "Contract identity mismatch for '{service}' v{version}:\n  \
                   Expected (manifest): {expected}\n  \
                   Actual (live):       {actual}\n  \
                   Manifest: {path}\n\
                 The service has changed since its manifest was written. If that is intended, rerun\n\
                 `aster contract gen`."
            ),
        }
    }
}

/// Compares live contracts with what the host read of a file: one manifest or an array of them, at most 16 MiB.
/// Services that are not in it are skipped, and so is everything if there is no file; each manifest that can be verified
/// has to stand it. `path` is only shown.
///
/// # Errors
///
/// The first fault.
pub fn check_live(path: &str, read: io::Result<String>, live: &[LiveContract<'_>]) -> Result<(), ManifestFault> {
    match read {
        Ok(text) => compare(path, &text, live),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(ManifestFault::Unreadable { path: path.to_owned(), cause: error.to_string() }),
    }
}

/// Compares live contracts with the text of a file; `path` is only shown.
fn compare(path: &str, text: &str, live: &[LiveContract<'_>]) -> Result<(), ManifestFault> {
    let unreadable =
        |error: Error| ManifestFault::Unreadable { path: path.to_owned(), cause: error.message().to_owned() };
    let document = manifest::parse(text).map_err(unreadable)?;
    let entries = match &document {
        Value::Array(entries) => entries.as_slice(),
        one => std::slice::from_ref(one),
    };
    // A mismatch is told before anything else that is wrong: it is what people look for.
    for entry in entries {
        let (service, version, expected) = named(entry).map_err(unreadable)?;
        let of = live.iter().find(|one| one.service == service && one.version == version);
        if let Some(of) = of.filter(|of| of.contract_id != expected) {
            return Err(ManifestFault::Mismatch {
                path: path.to_owned(),
                service: service.to_owned(),
                version,
                expected: expected.to_owned(),
                actual: of.contract_id.to_owned(),
            });
        }
    }
    entries.iter().try_for_each(|entry| manifest::verify(entry).map(|_| ())).map_err(unreadable)
}

/// Returns which service an entry is about, and the contract id that it claims.
fn named(entry: &Value) -> Result<(&str, i32, &str)> {
    if !entry.is_object() {
        return Err(bad("expected a manifest or an array of manifests"));
    }
    let members = Members::lenient(entry)?;
    let version = members.int32("version")?.ok_or_else(|| missing("version"))?;
    Ok((members.required_text("service")?, version, members.required_text("contract_id")?))
}

#[cfg(test)]
mod tests {
    use std::error::Error as StdError;

    use super::*;
    use crate::contract::{Contract, ServiceDescription};

    fn manifest() -> std::result::Result<(String, String), Box<dyn StdError>> {
        let text = r#"{"service":"Echo","version":2,"types":{"e/Q":{"fields":[{"name":"a","type":"int"}]}},
            "methods":[{"name":"m","pattern":"unary","request":"e/Q","response":"e/Q"}]}"#;
        let contract = Contract::new(ServiceDescription::from_json(text)?)?;
        Ok((contract.manifest_text(), contract.id().to_owned()))
    }

    #[test]
    fn every_outcome() -> std::result::Result<(), Box<dyn StdError>> {
        let (text, id) = manifest()?;
        let other = "f".repeat(64);
        let fault = |text: &str, contract_id: &str| {
            let live = [LiveContract { service: "Echo", version: 2, contract_id }];
            compare("p", text, &live).err().map(|fault| fault.to_string())
        };
        assert_eq!(fault(&text, &id), None);
        assert_eq!(fault(&format!("[{text}]"), &id), None);
        assert_eq!(fault("[]", &id), None);
        let mismatch = format!(
            "Contract identity mismatch for 'Echo' v2:\n  Expected (manifest): {id}\n  Actual (live):       {other}\n  \
             Manifest: p\nThe service has changed since its manifest was written. If that is intended, rerun\n\
             `aster contract gen`."
        );
        assert_eq!(fault(&text, &other), Some(mismatch));
        // Another service and another version are not meant. Legacy manifests have nothing to be verified with.
        let legacy = |of: &str, id: &str| fault(&format!(r#"{{{of},"contract_id":"{id}"}}"#), &other);
        assert_eq!(legacy(r#""service":"Other","version":2"#, &id), None);
        assert_eq!(legacy(r#""service":"Echo","version":3"#, &id), None);
        assert_eq!(legacy(r#""service":"Echo","version":2"#, &other), None);
        assert!(legacy(r#""service":"Echo","version":2"#, &id).is_some());
        for broken in ["", "{", "3", "[3]", "[[]]", r#"{"a":1,"a":2}"#] {
            assert!(
                fault(broken, &id).is_some_and(|text| text.starts_with("Failed to read manifest at p: ")),
                "{broken}"
            );
        }
        // An id is not believed if the rest of the manifest has another one.
        assert!(fault(&text.replace("\"varint64\"", "\"varint32\""), &id).is_some());
        assert!(fault(r#"{"service":"Echo","version":2}"#, &id).is_some());
        Ok(())
    }
}
