//! Settings of trust beyond the gate (`config.md` section 2, `[trust]` and `[mesh]`).

use serde_json::Value;

use super::identity::IdentityFile;
use super::parse::root_key;
use super::sources::{File, Sources, expand};
use super::{Config, wrong};
use crate::error::Result;
use crate::limits;
use crate::trust::{Credential, DelegatedPolicy, IidSettings};

/// How a server admits, and how a node takes part in a deployment.
#[derive(Clone, Default)]
pub struct TrustConfig {
    /// Whether unbound credentials are refused.
    pub require_bound_credentials: bool,
    /// Seconds that an admission holds at most.
    pub peer_ttl_s: u32,
    /// Whether producers are admitted without a credential, that is not at all.
    pub allow_all_producers: bool,
    /// Keys for documents of instances.
    pub iid: IidSettings,
    /// The document of this instance that is presented; empty: none.
    pub iid_token: String,
    /// Addresses of producers to join.
    pub mesh_bootstrap: Vec<String>,
    /// Folder of the mesh's state, if it is not the storage's.
    pub mesh_state_dir: Option<String>,
    /// The user's own folder of Aster, where states go that have no other place.
    pub home_folder: Option<String>,
    /// The server's own credential.
    pub producer: Option<Credential>,
    /// Services whose consumers others may admit.
    pub published: Vec<DelegatedPolicy>,
}

impl std::fmt::Debug for TrustConfig {
    /// Leaves out what may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrustConfig").field("peer_ttl_s", &self.peer_ttl_s).finish_non_exhaustive()
    }
}

/// Fields that name key files of clouds.
const KEY_FILES: [&str; 3] = ["iid_aws_certificates", "iid_gcp_jwks", "iid_azure_jwks"];

/// Reads `[published_services]` of an identity file: whose consumers are admitted to which service.
///
/// # Errors
///
/// CONFIG for a table that names no service, contract, handle or key.
pub(super) fn published(file: &IdentityFile) -> Result<Vec<DelegatedPolicy>> {
    let Some(tables) = file.published().and_then(Value::as_object) else { return Ok(Vec::new()) };
    let mut policies = Vec::new();
    for (name, table) in tables {
        let text = |field: &str| table.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
        // A service that is published without an authority of its own is for everybody who is admitted.
        let (Some(handle), Some(root)) = (text("handle"), text("aster_root_pubkey")) else { continue };
        let place = || format!("{}: published_services.\"{}\"", file.path, name.escape_debug());
        let contract = text("contract_id").ok_or_else(|| wrong(format!("{}: expected 'contract_id'", place())))?;
        policies.push(DelegatedPolicy {
            target_handle: handle.to_owned(),
            target_service: text("service_name").unwrap_or(name).to_owned(),
            target_contract_id: contract.to_owned(),
            root_pubkey: root_key("aster_root_pubkey", root).map_err(|error| wrong(format!("{}: {error}", place())))?,
        });
    }
    Ok(policies)
}

impl Config {
    fn list(&self, field: &str) -> Vec<String> {
        let values = self.settings.get(field).and_then(|setting| setting.value.as_array());
        values.into_iter().flatten().filter_map(|value| value.as_str()).map(str::to_owned).collect()
    }

    fn is_on(&self, field: &str) -> bool {
        self.settings.get(field).is_some_and(|setting| setting.value == true)
    }

    /// Returns the paths of key files of clouds.
    pub(super) fn key_files(&self) -> Vec<String> {
        KEY_FILES
            .iter()
            .flat_map(|field| self.text(field).map(str::to_owned).into_iter().chain(self.list(field)))
            .collect()
    }

    /// Reads the key files of clouds.
    pub(super) fn read_key_files(&self, sources: &Sources) -> Result<IidSettings> {
        let read = |field: &str, path: &str| match sources.file(path) {
            File::Text(text, _) => Ok(text.clone()),
            File::Missing => Err(wrong(format!("{field}: {path}: no such file")).with_detail("field", field)),
            File::Unreadable(why) => {
                Err(wrong(format!("{field}: {path}: cannot be read: {why}")).with_detail("field", field))
            }
        };
        let [aws, gcp, azure] = KEY_FILES;
        let one = |field: &str| self.text(field).map(|path| read(field, path)).transpose();
        Ok(IidSettings {
            aws_certificates: self.list(aws).iter().map(|path| read(aws, path)).collect::<Result<_>>()?,
            gcp_jwks: one(gcp)?,
            azure_jwks: one(azure)?,
            azure_tenants: self.list("iid_azure_tenants"),
            azure_audience: self.text("iid_azure_audience").unwrap_or_default().to_owned(),
        })
    }

    /// Returns the settings of trust beyond the gate.
    pub fn trust(&self) -> TrustConfig {
        let ttl = self.settings.get("peer_ttl_s").and_then(|setting| setting.value.as_u64());
        TrustConfig {
            require_bound_credentials: self.is_on("require_bound_credentials"),
            peer_ttl_s: ttl.and_then(|seconds| seconds.try_into().ok()).unwrap_or(limits::PEER_TTL_S),
            allow_all_producers: self.is_on("allow_all_producers"),
            iid: self.iid.clone(),
            iid_token: self.text("enrollment_credential_iid").unwrap_or_default().to_owned(),
            mesh_bootstrap: self.list("mesh_bootstrap"),
            mesh_state_dir: self.text("mesh_state_dir").map(|path| expand(path, self.home.as_deref())),
            home_folder: self.home.as_ref().map(|home| format!("{home}/.aster")),
            producer: self.producer.clone(),
            published: self.published.clone(),
        }
    }
}
