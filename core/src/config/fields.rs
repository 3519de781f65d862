//! The table of fields (`config.md` section 2).

use serde_json::Value;

use crate::limits;

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

/// Sections of a TOML file, in the order in which they are shown.
pub(super) const SECTIONS: &[&str] = &["trust", "connect", "network", "storage", "mesh", "server", "logging", "health"];

/// The only section within a section.
pub(super) const IID_SECTION: &str = "trust.iid";

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// A truth value; `None`: unset is a value of its own.
    Bool(Option<bool>),
    /// A whole number with default, least and most.
    Int(i64, i64, i64),
    /// Text or nothing. An empty variable clears it.
    Text,
    /// Text or nothing, of which trust depends: an empty variable is an error.
    TrustText,
    /// As [`TrustText`](Self::TrustText); an empty inline text says that no file is wanted.
    IdentityPath,
    /// A public key of trust, kept as hex.
    PublicKey,
    /// A secret key, kept as hex.
    SecretKey,
    /// Text with a default.
    TextOr(&'static str),
    /// One of these; the first is the default.
    Choice(&'static [&'static str]),
    /// Comma-separated in variables.
    List,
}

/// One field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    variable: &'static str,
    /// Section of the TOML file.
    pub(super) section: &'static str,
    /// Key in that section.
    pub(super) key: &'static str,
    pub(super) kind: Kind,
}

const OFF: Kind = Kind::Bool(Some(false));

/// Names field, variable, section, key if it is not the field's name, and kind.
macro_rules! fields {
    ($($name:literal, $variable:literal, $section:tt $(. $key:literal)?, $kind:expr;)*) => {
        /// Every field.
        pub(super) const FIELDS: &[Field] = &[$(Field {
            name: $name,
            variable: $variable,
            section: $section,
            key: [$($key,)? $name][0],
            kind: $kind,
        },)*];
    };
}

fields! {
    "root_pubkey", "ROOT_PUBKEY", "trust", Kind::PublicKey;
    "root_pubkey_file", "ROOT_PUBKEY_FILE", "trust", Kind::TrustText;
    "enrollment_credential_file", "ENROLLMENT_CREDENTIAL", "trust"."enrollment_credential", Kind::TrustText;
    "enrollment_credential_iid", "ENROLLMENT_CREDENTIAL_IID", "trust", Kind::Text;
    "allow_all_consumers", "ALLOW_ALL_CONSUMERS", "trust", OFF;
    "allow_all_producers", "ALLOW_ALL_PRODUCERS", "trust", Kind::Bool(Some(true));
    "require_bound_credentials", "REQUIRE_BOUND_CREDENTIALS", "trust", OFF;
    "peer_ttl_s", "PEER_TTL_S", "trust", Kind::Int(limits::PEER_TTL_S as i64, 1, 31_536_000);
    "iid_aws_certificates", "IID_AWS_CERTS", "trust.iid"."aws_certificates", Kind::List;
    "iid_gcp_jwks", "IID_GCP_JWKS", "trust.iid"."gcp_jwks", Kind::Text;
    "iid_azure_jwks", "IID_AZURE_JWKS", "trust.iid"."azure_jwks", Kind::Text;
    "iid_azure_tenants", "IID_AZURE_TENANTS", "trust.iid"."azure_tenants", Kind::List;
    "iid_azure_audience", "IID_AZURE_AUDIENCE", "trust.iid"."azure_audience", Kind::TextOr("api://aster");
    "identity_file", "IDENTITY_FILE", "trust", Kind::IdentityPath;
    "endpoint_addr", "ENDPOINT_ADDR", "connect", Kind::Text;
    "allow_foreign_channels", "ALLOW_FOREIGN_CHANNELS", "connect", OFF;
    "storage_path", "STORAGE_PATH", "storage"."path", Kind::Text;
    "secret_key", "SECRET_KEY", "network", Kind::SecretKey;
    "relay_mode", "RELAY_MODE", "network", Kind::Text;
    "bind_addr", "BIND_ADDR", "network", Kind::Text;
    "enable_monitoring", "ENABLE_MONITORING", "network", OFF;
    "enable_hooks", "ENABLE_HOOKS", "network", OFF;
    "hook_timeout_ms", "HOOK_TIMEOUT_MS", "network", Kind::Int(5000, 0, i64::MAX);
    "clear_ip_transports", "CLEAR_IP_TRANSPORTS", "network", OFF;
    "clear_relay_transports", "CLEAR_RELAY_TRANSPORTS", "network", OFF;
    "portmapper_config", "PORTMAPPER_CONFIG", "network", Kind::Text;
    "proxy_url", "PROXY_URL", "network", Kind::Text;
    "proxy_from_env", "PROXY_FROM_ENV", "network", OFF;
    "local_discovery", "LOCAL_DISCOVERY", "network", OFF;
    "mesh_bootstrap", "MESH_BOOTSTRAP", "mesh"."bootstrap", Kind::List;
    "mesh_state_dir", "MESH_STATE_DIR", "mesh"."state_dir", Kind::Text;
    "expose_errors", "EXPOSE_ERRORS", "server", Kind::Bool(None);
    "log_format", "LOG_FORMAT", "logging"."format", Kind::Choice(&["text", "json"]);
    "log_level", "LOG_LEVEL", "logging"."level", Kind::Choice(&["info", "debug", "warning", "error"]);
    "log_mask", "LOG_MASK", "logging"."mask", Kind::Bool(Some(true));
    "health_port", "HEALTH_PORT", "health"."port", Kind::Int(0, 0, 65_535);
    "health_host", "HEALTH_HOST", "health"."host", Kind::TextOr("127.0.0.1");
}

/// Returns a field by its name.
pub(super) fn find(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name)
}

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
            Kind::Text | Kind::TrustText | Kind::IdentityPath | Kind::PublicKey | Kind::SecretKey => Value::Null,
            Kind::TextOr(default) => default.into(),
            Kind::Choice(choices) => choices.first().copied().map_or(Value::Null, Value::from),
            Kind::List => Value::Array(Vec::new()),
        }
    }

    /// Tells whether it is a text that must not be emptied by accident.
    pub(super) fn is_trust_text(&self) -> bool {
        matches!(self.kind, Kind::TrustText | Kind::IdentityPath | Kind::PublicKey)
    }
}
