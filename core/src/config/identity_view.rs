//! Identity files in the hands of programs: read by name, shown with or without their secrets.

use serde_json::{Map, Value, json};

use super::identity::IdentityFile;
use super::sources::{File, secret};
use crate::error::{ErrorKind, Result};
use crate::keys;

/// What of an entry is no secret; whatever is not known might be one.
const OPEN: [&str; 7] = ["name", "role", "type", "root_pubkey", "endpoint_id", "expires_at", "attributes"];
/// Likewise of a published service.
const OPEN_PUBLISHED: [&str; 4] = ["contract_id", "service_name", "aster_root_pubkey", "handle"];

fn only(fields: &Value, names: &[&str]) -> Value {
    let fields = fields.as_object().cloned().unwrap_or_default();
    Value::Object(fields.into_iter().filter(|(name, _)| names.contains(&name.as_str())).collect())
}

impl IdentityFile {
    /// Reads an identity file that was named; also returns its text, and a warning if others may read or write it.
    ///
    /// # Errors
    ///
    /// IO with detail `path` if there is no file, CREDENTIAL for one that is no identity.
    pub fn open(path: &str, file: &File) -> Result<(Self, String, Option<String>)> {
        let (text, warning) = secret(path, file)?;
        Ok((Self::parse_alone(path, text)?, text.to_owned(), warning))
    }

    /// Parses the text of an identity file that is used by itself, not as a source of settings.
    ///
    /// # Errors
    ///
    /// CREDENTIAL naming the path, without secrets.
    pub fn parse_alone(path: &str, text: &str) -> Result<Self> {
        Self::parse(path, text).map_err(|error| error.with_kind(ErrorKind::Credential))
    }

    /// Returns the content as a JSON object: `node`, `peers`, `published_services`. Without secrets it lacks the node
    /// key, nonces, signatures, tokens, and whatever is not known.
    pub fn to_json(&self, with_secrets: bool) -> Value {
        let mut node = Map::new();
        if let Some(key) = self.secret_key() {
            if with_secrets {
                node.insert("secret_key".to_owned(), hex::encode(key).into());
            }
            node.insert("endpoint_id".to_owned(), keys::endpoint_id(&key).to_string().into());
        }
        let peers = self.entries().map(|entry| if with_secrets { entry } else { only(&entry, &OPEN) });
        let published = self.published().and_then(Value::as_object).cloned().unwrap_or_default();
        let shown = |table: Value| if with_secrets { table } else { only(&table, &OPEN_PUBLISHED) };
        let published: Map<_, _> = published.into_iter().map(|(name, table)| (name, shown(table))).collect();
        json!({"node": node, "peers": peers.collect::<Vec<_>>(), "published_services": published})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[node]\nsecret_key = '1111111111111111111111111111111111111111111111111111111111111111'\n\
        [[peers]]\nname = 'a'\nrole = 'consumer'\nnonce = 's3cret'\nsignature = 's3cret'\nnew = 's3cret'\n\
        expires_at = 5\nattributes = { 'aster.role' = 'ops' }\n\
        [published_services.Billing]\nproducer_token = 's3cret'\nhandle = 'acme'\n";

    #[test]
    fn secrets_are_shown_on_request_only() {
        let (file, text, warning) = IdentityFile::open("x.id", &File::from(TEXT.to_owned())).unwrap();
        assert_eq!((text.as_str(), warning), (TEXT, None));
        let shown = file.to_json(false);
        let id = "d04ab232742bb4ab3a1368bd4615e4e6d0224ab71a016baf8520a332c9778737";
        let expected = json!({
            "node": {"endpoint_id": id},
            "peers": [{"name": "a", "role": "consumer", "expires_at": 5, "attributes": {"aster.role": "ops"}}],
            "published_services": {"Billing": {"handle": "acme"}},
        });
        assert_eq!(shown, expected);
        let whole = file.to_json(true);
        assert_eq!(whole["node"]["secret_key"], json!("11".repeat(32)));
        assert_eq!(whole.to_string().matches("s3cret").count(), 4);
    }

    #[test]
    fn what_is_no_identity_is_a_bad_credential() {
        for text in ["peers = 1", "= s3cret", "[node]\nsecret_key = 's3cret'\n"] {
            let error = IdentityFile::parse_alone("x.id", text).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Credential, "{text}");
            assert!(error.message().starts_with("x.id") && !error.message().contains("s3cret"), "{error}");
        }
        assert_eq!(IdentityFile::open("x.id", &File::Missing).err().unwrap().kind(), ErrorKind::Io);
    }
}
