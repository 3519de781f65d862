//! What the host hands over: core reads neither environment nor files.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::limits;

/// Identity file that is looked for in the working directory, unless another is named or none is wanted.
pub const IDENTITY_FILE: &str = ".aster-identity";

/// Whom a configuration is settled for: which entry of an identity file is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A server.
    Producer,
    /// A client.
    Consumer,
}

impl Role {
    /// Returns the word of identity files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }

    /// Reads the word of identity files.
    ///
    /// # Errors
    ///
    /// CONFIG for any other word.
    pub fn parse(word: &str) -> Result<Self> {
        match word {
            "producer" => Ok(Self::Producer),
            "consumer" => Ok(Self::Consumer),
            _ => Err(Error::new(ErrorKind::Config, format!("role: expected producer or consumer, got '{word}'"))),
        }
    }
}

/// Who may touch a file, where the system knows that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileFacts {
    /// Permission bits.
    pub mode: u32,
    /// Whether it belongs to the user or to root.
    pub is_ours: bool,
}

/// What the host found at a path.
#[derive(Clone, PartialEq, Eq)]
pub enum File {
    /// Nothing.
    Missing,
    /// Something that cannot be read, and why.
    Unreadable(String),
    /// A text, and who may touch it; `None` on systems without modes.
    Text(String, Option<FileFacts>),
}

impl From<String> for File {
    fn from(text: String) -> Self {
        Self::Text(text, None)
    }
}

/// A TOML file.
#[derive(Clone, PartialEq, Eq)]
pub struct TomlFile {
    /// Its path, as it was given.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// What the host hands over. Full of secrets, hence without `Debug`.
#[derive(Clone, Default)]
pub struct Sources {
    /// Arguments of the server or client, by field name.
    pub arguments: BTreeMap<String, Value>,
    /// Values of the configuration object, by field name.
    pub inline: BTreeMap<String, Value>,
    /// The environment, or what of it begins with `ASTER_`.
    pub env: BTreeMap<String, String>,
    /// The TOML file.
    pub toml: Option<TomlFile>,
    /// What is at the paths that [`Config::files`](super::Config::files) names.
    pub files: BTreeMap<String, File>,
    /// Whom for; `None`: for being shown, or not known yet.
    pub role: Option<Role>,
    /// Name of the entry in the identity file.
    pub peer: Option<String>,
    /// Public half of the root key that was made for lack of another one.
    pub ephemeral_root: Option<[u8; 32]>,
    /// The user's home directory, for which `~` stands.
    pub home: Option<String>,
    /// Seconds since the Unix epoch; `None`: expiry is not looked at.
    pub now: Option<u64>,
}

impl Sources {
    /// Returns what was found at a path; a path that the host did not look at is missing.
    pub(super) fn file(&self, path: &str) -> &File {
        self.files.get(path).unwrap_or(&File::Missing)
    }
}

/// Replaces a leading `~` by the home directory.
pub fn expand(path: &str, home: Option<&str>) -> String {
    match (path.strip_prefix('~'), home) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => format!("{home}{rest}"),
        _ => path.to_owned(),
    }
}

/// Makes the error of a file that does not exist.
pub(super) fn missing(path: &str) -> Error {
    Error::new(ErrorKind::Io, format!("{path}: no such file")).with_detail("path", path).with_detail("os", "missing")
}

/// Returns the text of a file that holds a secret and was named, and a warning about its modes.
///
/// # Errors
///
/// IO with detail `path` for a file that is missing or cannot be read.
pub(super) fn secret<'a>(path: &str, file: &'a File) -> Result<(&'a str, Option<String>)> {
    match file {
        File::Missing => Err(missing(path)),
        File::Unreadable(why) => {
            Err(Error::new(ErrorKind::Io, format!("{path}: cannot be read: {why}")).with_detail("path", path))
        }
        File::Text(text, facts) => Ok((text, check_modes(path, *facts, true)?)),
    }
}

/// Refuses a text of a size that no configuration has.
pub(super) fn check_size(path: &str, text: &str) -> Result<()> {
    match text.len() {
        0..=limits::MAX_CONFIG_FILE => Ok(()),
        _ => Err(super::wrong(format!("{path}: the file is too large"))),
    }
}

/// Looks at the modes of a file that holds a secret (`trust.md` section 2).
///
/// # Errors
///
/// IO if it was found, not named, and others could have written it.
pub(super) fn check_modes(path: &str, facts: Option<FileFacts>, was_named: bool) -> Result<Option<String>> {
    let Some(FileFacts { mode, is_ours }) = facts else { return Ok(None) };
    let shown = format!("{:04o}", mode & 0o7777);
    let is_writable = mode & 0o022 != 0;
    if !was_named && (is_writable || !is_ours) {
        let why = if is_writable {
            format!("is writable by others (mode {shown})")
        } else {
            "belongs to another user".into()
        };
        let error = Error::new(ErrorKind::Io, format!("{path} {why}: it is not used unless it is named"));
        return Err(error.with_detail("path", path).with_detail("os", "permission"));
    }
    Ok(match mode {
        _ if is_writable => Some(format!("{path} holds a secret and is writable by others (mode {shown})")),
        _ if mode & 0o044 != 0 => Some(format!("{path} holds a secret and is readable by others (mode {shown})")),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        let check = |mode, is_ours, was_named| check_modes("x.id", Some(FileFacts { mode, is_ours }), was_named);
        assert_eq!(check(0o600, true, false).unwrap(), None);
        let readable = check(0o644, true, false).unwrap().unwrap();
        assert_eq!(readable, "x.id holds a secret and is readable by others (mode 0644)");
        for (mode, is_ours) in [(0o620, true), (0o602, true), (0o600, false)] {
            assert_eq!(check(mode, is_ours, false).unwrap_err().detail("os"), Some("permission"), "{mode:o}");
        }
        assert!(check(0o666, false, true).unwrap().unwrap().contains("writable by others (mode 0666)"));
        assert_eq!(check(0o600, false, true).unwrap(), None, "named files may belong to anybody");
        assert_eq!(check_modes("x.id", None, false).unwrap(), None);
    }
}
