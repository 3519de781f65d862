//! Configuration: fields, precedence, parsing and provenance (`config.md`).
//!
//! Core reads neither environment nor files: the host hands over what it has in [`Sources`]. TOML files and
//! identity files come with later versions; an identity file that is present is refused, so that it never
//! silently opens a gate.

mod fields;
mod network;
mod parse;

use std::collections::BTreeMap;

use serde_json::Value;

pub use network::{NetworkConfig, RelayMode};

use crate::error::{Error, ErrorKind, Result};
use crate::trust::{GateDecision, GateFlag, decide_gate};
use fields::{FIELDS, Field};

/// Identity file that is looked for in the working directory, unless another is named or none is wanted.
pub const IDENTITY_FILE: &str = ".aster-identity";

/// Label of inline values.
const INLINE: &str = "inline";

/// What the host hands over.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Arguments of the server or client, by field name.
    pub arguments: BTreeMap<String, Value>,
    /// Values of the configuration object, by field name.
    pub inline: BTreeMap<String, Value>,
    /// The environment, or what of it begins with `ASTER_`.
    pub env: BTreeMap<String, String>,
    /// Texts of the files that [`Config::files`] names, by path.
    pub files: BTreeMap<String, String>,
    /// Whether [`IDENTITY_FILE`] exists in the working directory.
    pub identity_present: bool,
}

/// A value in force and where it comes from.
#[derive(Clone, Debug, PartialEq)]
struct Setting {
    value: Value,
    source: String,
}

/// The configuration in force.
#[derive(Clone, Debug, Default)]
pub struct Config {
    settings: BTreeMap<&'static str, Setting>,
    root_pubkey: Option<[u8; 32]>,
    flag: GateFlag,
    warnings: Vec<String>,
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, message)
}

impl Config {
    /// Returns the paths whose texts [`resolve`](Self::resolve) wants in [`Sources::files`].
    ///
    /// # Errors
    ///
    /// CONFIG for unknown fields and values that cannot be parsed.
    pub fn files(sources: &Sources) -> Result<Vec<String>> {
        let settings = settle(sources)?;
        let from = root_source(&settings, sources);
        Ok(match from {
            Some("root_pubkey_file") => text(&settings, "root_pubkey_file").map(str::to_owned).into_iter().collect(),
            _ => Vec::new(),
        })
    }

    /// Settles every field: argument, inline value, environment variable, default.
    ///
    /// # Errors
    ///
    /// CONFIG naming the field and its source, without secret values.
    pub fn resolve(sources: Sources) -> Result<Self> {
        let settings = settle(&sources)?;
        let identity = match text(&settings, "identity_file") {
            Some("") => None, // None is wanted.
            Some(path) => Some(path),
            None => sources.identity_present.then_some(IDENTITY_FILE),
        };
        if let Some(path) = identity {
            return Err(wrong(format!("{path}: identity files are not supported by this version"))
                .with_detail("field", "identity_file"));
        }
        let root_pubkey = match root_source(&settings, &sources) {
            Some("root_pubkey") => text(&settings, "root_pubkey").map(|hex| parse::hex_key("root_pubkey", hex)),
            Some(_) => text(&settings, "root_pubkey_file").map(|path| {
                let content = sources.files.get(path).ok_or_else(|| wrong(format!("{path}: cannot be read")))?;
                parse::root_file(path, content)
            }),
            None => None,
        }
        .transpose()?;
        let flag = gate_flag(&sources)?;
        let mut warnings = unknown_variables(&sources.env);
        warnings.extend(without_effect(&settings));
        Ok(Self { settings, root_pubkey, flag, warnings })
    }

    /// Returns what the operator should be told about the sources.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns the value of a field and its source; `None` for an unknown field.
    pub fn get(&self, field: &str) -> Option<(&Value, &str)> {
        self.settings.get(field).map(|setting| (&setting.value, setting.source.as_str()))
    }

    /// Returns the address a client dials if it is given no other.
    pub fn endpoint_addr(&self) -> Option<&str> {
        text(&self.settings, "endpoint_addr")
    }

    /// Returns the path of the credential that a client presents.
    pub fn credential_file(&self) -> Option<&str> {
        text(&self.settings, "enrollment_credential_file")
    }

    /// Returns the configured root key.
    pub fn root_pubkey(&self) -> Option<[u8; 32]> {
        self.root_pubkey
    }

    /// Returns whether handler texts reach callers; `None`: as the gate decides.
    pub fn expose_errors(&self) -> Option<bool> {
        self.settings.get("expose_errors").and_then(|setting| setting.value.as_bool())
    }

    /// Decides the gate of a server (`trust.md` section 5).
    ///
    /// # Errors
    ///
    /// CONFIG if an argument closes what another source opened, without a root key.
    pub fn gate(&self) -> Result<GateDecision> {
        decide_gate(self.root_pubkey, self.flag)
    }

    /// Returns the settings of the endpoint.
    ///
    /// # Errors
    ///
    /// CONFIG for values that are no addresses, modes or keys, and if no transport is left.
    pub fn network(&self) -> Result<NetworkConfig> {
        NetworkConfig::new(self)
    }

    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        text(&self.settings, field)
    }

    pub(crate) fn number(&self, field: &str) -> u64 {
        self.settings.get(field).and_then(|setting| setting.value.as_u64()).unwrap_or(0)
    }

    pub(crate) fn is_set(&self, field: &str) -> bool {
        self.settings.get(field).and_then(|setting| setting.value.as_bool()).unwrap_or(false)
    }
}

fn text<'s>(settings: &'s BTreeMap<&'static str, Setting>, field: &str) -> Option<&'s str> {
    settings.get(field).and_then(|setting| setting.value.as_str())
}

/// Settles each field by itself; the root key's two fields are joined afterwards.
fn settle(sources: &Sources) -> Result<BTreeMap<&'static str, Setting>> {
    for name in sources.arguments.keys().chain(sources.inline.keys()) {
        if !FIELDS.iter().any(|field| field.name == name) {
            return Err(wrong(format!("unknown configuration field '{name}'")).with_detail("field", name));
        }
    }
    FIELDS.iter().map(|field| Ok((field.name, settle_field(field, sources)?))).collect()
}

fn settle_field(field: &Field, sources: &Sources) -> Result<Setting> {
    for level in [&sources.arguments, &sources.inline] {
        // Nothing given for a setting of trust never clears what a lower source says: that could open a gate.
        let given = level.get(field.name).filter(|value| !(value.is_null() && field.is_trust_text()));
        if let Some(value) = given {
            return Ok(Setting { value: field.inline(value)?, source: INLINE.to_owned() });
        }
    }
    match sources.env.get(&field.variable()) {
        Some(text) => Ok(Setting { value: field.variable_value(text)?, source: field.variable() }),
        None => Ok(Setting { value: field.default_value(), source: "default".to_owned() }),
    }
}

/// Tells which of the root key's two fields counts: at each level the key beats the file.
fn root_source(settings: &BTreeMap<&'static str, Setting>, sources: &Sources) -> Option<&'static str> {
    let given = |name: &str, level: usize| match level {
        0 => sources.arguments.get(name).is_some_and(|value| !value.is_null()),
        1 => sources.inline.get(name).is_some_and(|value| !value.is_null()),
        _ => sources.env.contains_key(&format!("{}{}", fields::PREFIX, name.to_ascii_uppercase())),
    };
    let present = |name: &str| text(settings, name).is_some();
    (0..3).find_map(|level| {
        ["root_pubkey", "root_pubkey_file"].into_iter().find(|name| given(name, level) && present(name))
    })
}

fn gate_flag(sources: &Sources) -> Result<GateFlag> {
    let Some(field) = FIELDS.iter().find(|field| field.name == "allow_all_consumers") else {
        return Err(Error::new(ErrorKind::Internal, "allow_all_consumers has no field"));
    };
    let inline = |level: &BTreeMap<String, Value>| -> Result<Option<bool>> {
        Ok(level.get(field.name).map(|value| field.inline(value)).transpose()?.and_then(|value| value.as_bool()))
    };
    let argument = inline(&sources.arguments)?;
    let variable = sources.env.get(&field.variable()).map(|text| field.variable_value(text)).transpose()?;
    let below = inline(&sources.inline)?.or(variable.and_then(|value| value.as_bool()));
    Ok(GateFlag { value: argument.or(below), is_argument: argument.is_some(), opened_below: below == Some(true) })
}

fn unknown_variables(env: &BTreeMap<String, String>) -> Vec<String> {
    let known =
        |name: &str| fields::OTHER_VARIABLES.contains(&name) || FIELDS.iter().any(|field| field.variable() == name);
    let unknown: Vec<_> =
        env.keys().filter(|name| name.starts_with(fields::PREFIX) && !known(name)).map(String::as_str).collect();
    match unknown.is_empty() {
        true => Vec::new(),
        false => vec![format!("unknown environment variables: {}", unknown.join(", "))],
    }
}

/// Names the settings that differ from their default and do nothing yet.
fn without_effect(settings: &BTreeMap<&'static str, Setting>) -> Option<String> {
    let changed = |field: &Field| settings.get(field.name).is_some_and(|s| s.value != field.default_value());
    let is_set = |name: &str| FIELDS.iter().any(|field| field.name == name && changed(field));
    let set: Vec<_> = fields::WITHOUT_EFFECT.iter().copied().filter(|name| is_set(name)).collect();
    (!set.is_empty()).then(|| format!("settings without effect in this version: {}", set.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Sources {
        let env = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Sources { env, ..Sources::default() }
    }

    #[test]
    fn arguments_beat_inline_values_beat_variables() {
        let mut sources = env(&[("ASTER_RELAY_MODE", "staging"), ("ASTER_BIND_ADDR", "127.0.0.1:0")]);
        sources.inline.insert("relay_mode".to_owned(), "disabled".into());
        let config = Config::resolve(sources.clone()).unwrap();
        assert_eq!(config.get("relay_mode"), Some((&Value::from("disabled"), "inline")));
        assert_eq!(config.get("bind_addr"), Some((&Value::from("127.0.0.1:0"), "ASTER_BIND_ADDR")));
        assert_eq!(config.get("hook_timeout_ms"), Some((&Value::from(5000), "default")));
        sources.arguments.insert("relay_mode".to_owned(), "default".into());
        assert_eq!(Config::resolve(sources).unwrap().network().unwrap().relay_mode, RelayMode::Default);
    }

    #[test]
    fn a_variable_that_failed_to_expand_never_opens_a_gate() {
        for name in ["ASTER_ROOT_PUBKEY", "ASTER_ROOT_PUBKEY_FILE", "ASTER_IDENTITY_FILE", "ASTER_ALLOW_ALL_CONSUMERS"]
        {
            let error = Config::resolve(env(&[(name, "")])).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{name}");
            assert!(error.message().contains(name), "{error}");
        }
        let error = Config::resolve(env(&[("ASTER_ALLOW_ALL_CONSUMERS", "maybe")])).unwrap_err();
        assert_eq!(error.message(), "ASTER_ALLOW_ALL_CONSUMERS: expected true/false/1/0, got 'maybe'");
    }

    #[test]
    fn a_key_beats_a_file_of_its_level_and_both_of_a_lower_one() {
        let key = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8";
        let mut sources = env(&[("ASTER_ROOT_PUBKEY_FILE", "low.pub"), ("ASTER_ROOT_PUBKEY", key)]);
        assert_eq!(Config::files(&sources).unwrap(), Vec::<String>::new());
        sources.inline.insert("root_pubkey_file".to_owned(), "high.pub".into());
        assert_eq!(Config::files(&sources).unwrap(), vec!["high.pub".to_owned()]);
        assert!(Config::resolve(sources.clone()).unwrap_err().message().contains("high.pub"));
        sources.files.insert("high.pub".to_owned(), format!(r#"{{"public_key":"{key}"}}"#));
        let config = Config::resolve(sources).unwrap();
        assert_eq!(hex::encode(config.root_pubkey().unwrap()), key);
        assert!(!config.gate().unwrap().open);
    }

    #[test]
    fn no_root_key_inline_keeps_that_of_a_lower_source() {
        let key = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8";
        let mut sources = env(&[("ASTER_ROOT_PUBKEY", key)]);
        sources.inline.insert("root_pubkey".to_owned(), Value::Null);
        assert!(!Config::resolve(sources).unwrap().gate().unwrap().open);
    }

    #[test]
    fn identity_files_are_refused_and_unknown_names_are_told() {
        let found = Sources { identity_present: true, ..Sources::default() };
        assert!(Config::resolve(found.clone()).unwrap_err().message().contains("not supported"));
        let arguments = BTreeMap::from([("identity_file".to_owned(), Value::from(""))]);
        assert!(Config::resolve(Sources { arguments, ..found }).is_ok(), "none is wanted");
        let config = Config::resolve(env(&[("ASTER_RELAY_MODUS", "x")])).unwrap();
        assert!(config.warnings()[0].contains("ASTER_RELAY_MODUS"));
        let mut sources = Sources::default();
        sources.inline.insert("relay_modus".to_owned(), "x".into());
        assert!(Config::resolve(sources).is_err());
    }

    #[test]
    fn settings_that_do_nothing_yet_are_told() {
        let config = Config::resolve(env(&[("ASTER_MESH_STATE_DIR", "/srv/a"), ("ASTER_HEALTH_PORT", "0")])).unwrap();
        assert_eq!(config.get("mesh_state_dir"), Some((&Value::from("/srv/a"), "ASTER_MESH_STATE_DIR")));
        assert_eq!(config.get("iid_azure_audience"), Some((&Value::from("api://aster"), "default")));
        assert_eq!(config.warnings(), ["settings without effect in this version: mesh_state_dir"]);
        assert!(Config::resolve(env(&[("ASTER_HEALTH_PORT", "65536")])).is_err());
    }

    #[test]
    fn every_field_of_the_table_takes_its_default() {
        for field in FIELDS {
            let optional = field.default_value().is_null() && !matches!(field.kind, fields::Kind::Text { .. });
            assert!(optional || field.inline(&field.default_value()).is_ok(), "{}", field.name);
        }
        assert!(fields::WITHOUT_EFFECT.iter().all(|name| FIELDS.iter().any(|field| field.name == *name)));
    }
}
