//! The table of fields (`config.md` section 2).

use serde_json::Value;

use super::parse;
use crate::error::Result;

/// What every variable begins with.
pub(super) const PREFIX: &str = "ASTER_";

/// Variables that are no fields.
pub(super) const OTHER_VARIABLES: &[&str] = &[
    "ASTER_ALPNS",
    "ASTER_CLOCK_DRIFT_TOLERANCE_MS",
    "ASTER_REPLAY_WINDOW_MS",
    "ASTER_GRACE_PERIOD_MS",
    "ASTER_SERVICE_ADDRESS",
    "ASTER_SERVICE_ADDR",
    "ASTER_PROFILE",
    "ASTER_NATIVE_PATH",
];

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// A truth value; `None`: unset is a value of its own.
    Bool(Option<bool>),
    /// A whole number with default, least and most.
    Int(i64, i64, i64),
    /// Text or nothing. The flag forbids an empty variable.
    Text { never_empty: bool },
    /// Text with a default.
    TextOr(&'static str),
    /// Text with a default, one of these.
    Choice(&'static [&'static str]),
    /// Comma-separated in variables.
    List,
}

/// One field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    variable: &'static str,
    pub(super) kind: Kind,
}

const TEXT: Kind = Kind::Text { never_empty: false };
const TRUST_TEXT: Kind = Kind::Text { never_empty: true };
const OFF: Kind = Kind::Bool(Some(false));

const fn field(name: &'static str, variable: &'static str, kind: Kind) -> Field {
    Field { name, variable, kind }
}

/// Every field.
pub(super) const FIELDS: &[Field] = &[
    field("root_pubkey", "ROOT_PUBKEY", TRUST_TEXT),
    field("root_pubkey_file", "ROOT_PUBKEY_FILE", TRUST_TEXT),
    field("enrollment_credential_file", "ENROLLMENT_CREDENTIAL", TRUST_TEXT),
    field("enrollment_credential_iid", "ENROLLMENT_CREDENTIAL_IID", TEXT),
    field("allow_all_consumers", "ALLOW_ALL_CONSUMERS", OFF),
    field("allow_all_producers", "ALLOW_ALL_PRODUCERS", Kind::Bool(Some(true))),
    field("require_bound_credentials", "REQUIRE_BOUND_CREDENTIALS", OFF),
    field("peer_ttl_s", "PEER_TTL_S", Kind::Int(86_400, 1, 31_536_000)),
    field("iid_aws_certificates", "IID_AWS_CERTS", Kind::List),
    field("iid_gcp_jwks", "IID_GCP_JWKS", TEXT),
    field("iid_azure_jwks", "IID_AZURE_JWKS", TEXT),
    field("iid_azure_tenants", "IID_AZURE_TENANTS", Kind::List),
    field("iid_azure_audience", "IID_AZURE_AUDIENCE", Kind::TextOr("api://aster")),
    field("identity_file", "IDENTITY_FILE", TRUST_TEXT),
    field("endpoint_addr", "ENDPOINT_ADDR", TEXT),
    field("allow_foreign_channels", "ALLOW_FOREIGN_CHANNELS", OFF),
    field("storage_path", "STORAGE_PATH", TEXT),
    field("secret_key", "SECRET_KEY", TEXT),
    field("relay_mode", "RELAY_MODE", TEXT),
    field("bind_addr", "BIND_ADDR", TEXT),
    field("clear_ip_transports", "CLEAR_IP_TRANSPORTS", OFF),
    field("clear_relay_transports", "CLEAR_RELAY_TRANSPORTS", OFF),
    field("portmapper_config", "PORTMAPPER_CONFIG", TEXT),
    field("proxy_url", "PROXY_URL", TEXT),
    field("proxy_from_env", "PROXY_FROM_ENV", OFF),
    field("enable_monitoring", "ENABLE_MONITORING", OFF),
    field("enable_hooks", "ENABLE_HOOKS", OFF),
    field("hook_timeout_ms", "HOOK_TIMEOUT_MS", Kind::Int(5000, 0, i64::MAX)),
    field("local_discovery", "LOCAL_DISCOVERY", OFF),
    field("mesh_bootstrap", "MESH_BOOTSTRAP", Kind::List),
    field("mesh_state_dir", "MESH_STATE_DIR", TEXT),
    field("expose_errors", "EXPOSE_ERRORS", Kind::Bool(None)),
    field("log_format", "LOG_FORMAT", Kind::Choice(&["text", "json"])),
    field("log_level", "LOG_LEVEL", Kind::Choice(&["info", "debug", "warning", "error"])),
    field("log_mask", "LOG_MASK", Kind::Bool(Some(true))),
    field("health_port", "HEALTH_PORT", Kind::Int(0, 0, 65_535)),
    field("health_host", "HEALTH_HOST", Kind::TextOr("127.0.0.1")),
];

/// Fields that are read but have no effect yet; whoever sets one is told.
pub(super) const WITHOUT_EFFECT: &[&str] = &[
    "enrollment_credential_iid",
    "require_bound_credentials",
    "iid_aws_certificates",
    "iid_gcp_jwks",
    "iid_azure_jwks",
    "iid_azure_tenants",
    "iid_azure_audience",
    "mesh_state_dir",
];

impl Field {
    /// Returns the name of its variable.
    pub(super) fn variable(&self) -> String {
        format!("{PREFIX}{}", self.variable)
    }

    /// Returns its default.
    pub(super) fn default_value(&self) -> Value {
        match self.kind {
            Kind::Bool(default) => default.map_or(Value::Null, Value::from),
            Kind::Int(default, ..) => default.into(),
            Kind::Text { .. } => Value::Null,
            Kind::TextOr(default) => default.into(),
            Kind::Choice(choices) => choices.first().copied().map_or(Value::Null, Value::from),
            Kind::List => Value::Array(Vec::new()),
        }
    }

    /// Tells whether it is a text that must not be emptied by accident.
    pub(super) fn is_trust_text(&self) -> bool {
        matches!(self.kind, Kind::Text { never_empty: true })
    }

    /// Checks an inline value.
    pub(super) fn inline(&self, value: &Value) -> Result<Value> {
        parse::inline(self, value)
    }

    /// Parses the text of its variable.
    pub(super) fn variable_value(&self, text: &str) -> Result<Value> {
        parse::variable(self, text)
    }
}
