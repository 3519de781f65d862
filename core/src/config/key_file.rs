//! Files with a root key (`trust.md` section 2).

use serde_json::{Value, json};

use super::sources::{File, secret};
use crate::error::{Error, ErrorKind, Result};
use crate::keys;

/// Returns the text of a file with a root key.
pub fn root_key_file(seed: &[u8; 32]) -> String {
    let document = json!({"private_key": hex::encode(seed), "public_key": hex::encode(keys::public_half(seed))});
    format!("{document:#}\n")
}

/// Reads a file with a root key: its seed, and a warning if others may read or write it.
///
/// # Errors
///
/// IO with detail `path` if there is no file, CREDENTIAL for one that holds no key, or two that do not belong together.
pub fn read_root_key(path: &str, file: &File) -> Result<([u8; 32], Option<String>)> {
    let wrong = |why: &str| Error::new(ErrorKind::Credential, format!("{path}: {why}")).with_detail("path", path);
    let (text, warning) = secret(path, file)?;
    let document: Value = serde_json::from_str(text).map_err(|_| wrong("not a root key"))?;
    let seed =
        document.get("private_key").and_then(key).ok_or_else(|| wrong("'private_key': expected 64 hex digits"))?;
    match document.get("public_key") {
        Some(told) if key(told) != Some(keys::public_half(&seed)) => {
            Err(wrong("'public_key' does not belong to 'private_key'"))
        }
        _ => Ok((seed, warning)),
    }
}

fn key(hex: &Value) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    hex::decode_to_slice(hex.as_str()?, &mut key).ok().map(|()| key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FileFacts;

    #[test]
    fn what_is_written_is_read() {
        let text = root_key_file(&[7; 32]);
        assert!(text.starts_with(&format!("{{\n  \"private_key\": \"{}\",\n  \"public_key\"", "07".repeat(32))));
        assert_eq!(read_root_key("k", &File::from(text.clone())).unwrap(), ([7; 32], None));
        let open = File::Text(text, Some(FileFacts { mode: 0o644, is_ours: true }));
        assert!(read_root_key("k", &open).unwrap().1.unwrap().contains("readable by others (mode 0644)"));
    }

    #[test]
    fn other_files_are_refused_without_showing_them() {
        let refused = |file: File| read_root_key("k", &file).unwrap_err();
        let foreign = json!({"private_key": "07".repeat(32), "public_key": "08".repeat(32)}).to_string();
        for text in ["", "s3cret", "{}", r#"{"private_key":5}"#, r#"{"private_key":"0707"}"#, &foreign] {
            let error = refused(text.to_owned().into());
            assert_eq!(error.kind(), ErrorKind::Credential, "{text}");
            assert!(!error.message().contains("s3cret") && !error.message().contains("0707"));
        }
        for file in [File::Missing, File::Unreadable("no".to_owned())] {
            let error = refused(file);
            assert_eq!((error.kind(), error.detail("path")), (ErrorKind::Io, Some("k")));
        }
    }
}
