//! What a client presents: a credential file, or an entry of an identity file (`config.md` section 8).

use super::identity::IdentityFile;
use super::sources::{File, Sources, check_modes, missing};
use super::{entry, wrong};
use crate::error::Result;
use crate::trust::Credential;

/// Shown in place of a path.
const INLINE_ENTRY: &str = "<inline .aster-identity peer entry>";

/// A credential to present.
#[derive(Clone, PartialEq, Eq)]
pub struct Presented {
    /// Path of its file, or what stands for an entry of the identity file.
    pub label: String,
    /// The document, as it is sent. Secret.
    pub json: String,
}

impl std::fmt::Debug for Presented {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Presented").field("label", &self.label).finish_non_exhaustive()
    }
}

/// A credential file that was read.
pub(super) struct CredentialFile {
    content: Content,
    path: String,
    pub(super) warning: Option<String>,
}

enum Content {
    Json(Box<Credential>),
    Identity(IdentityFile),
}

impl CredentialFile {
    /// Reads a file: JSON if its first character is `{`, else an identity file.
    ///
    /// # Errors
    ///
    /// IO if it is missing, CONFIG naming it if it is neither.
    pub(super) fn read(sources: &Sources, path: &str) -> Result<Self> {
        let neither = |why: String| wrong(format!("{path}: {why}")).with_detail("field", "enrollment_credential_file");
        let (text, facts) = match sources.file(path) {
            File::Missing => return Err(missing(path)),
            File::Unreadable(why) => return Err(neither(format!("cannot be read: {why}"))),
            File::Text(text, facts) => (text, *facts),
        };
        let content = if text.trim_start().starts_with('{') {
            let credential = Credential::parse_file(text.as_bytes());
            Content::Json(Box::new(credential.map_err(|error| neither(format!("not a credential: {error}")))?))
        } else {
            let file = IdentityFile::parse(path, text);
            let file = file.map_err(|error| neither(format!("neither a credential nor an identity file: {error}")))?;
            if file.credential_entry(None).is_none() {
                return Err(neither("neither a credential nor an identity file with entries".to_owned()));
            }
            Content::Identity(file)
        };
        Ok(Self { content, path: path.to_owned(), warning: check_modes(path, facts, true)? })
    }

    /// Returns the node key that comes with it.
    pub(super) fn secret_key(&self) -> Option<[u8; 32]> {
        match &self.content {
            Content::Identity(file) => file.secret_key(),
            Content::Json(_) => None,
        }
    }

    /// Tells whether it is an identity file with an entry of this name.
    pub(super) fn has_entry(&self, name: &str) -> bool {
        matches!(&self.content, Content::Identity(file) if file.has_entry(name))
    }

    /// Returns what is presented, and a warning.
    ///
    /// # Errors
    ///
    /// CONFIG if the entry does not verify or is bound to another node.
    pub(super) fn present(
        &self,
        peer: Option<&str>,
        node_key: Option<[u8; 32]>,
        now: Option<u64>,
    ) -> Result<(Presented, Option<String>)> {
        let (credential, warning) = match &self.content {
            Content::Json(credential) => (credential.as_ref().clone(), None),
            Content::Identity(file) => {
                let entry = file.credential_entry(peer);
                let entry = entry.ok_or_else(|| wrong(format!("{}: there is no entry", self.path)))?;
                entry::check(file, entry, node_key, now)?
            }
        };
        Ok((Presented { label: self.path.clone(), json: credential.to_json() }, warning))
    }
}

/// Makes what is presented of an entry of the identity file.
pub(super) fn of_entry(credential: &Credential) -> Presented {
    Presented { label: INLINE_ENTRY.to_owned(), json: credential.to_json() }
}
