//! `load_endpoint_config`: network settings without a server or client (`config.md` section 3).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::fields::{FIELDS, PREFIX};
use super::network::NetworkConfig;
use super::settle::{Level, Setting, Settings};
use super::sources::TomlFile;
use super::{parse, toml};
use crate::error::Result;

/// Reads the flat keys of a file, then the variables of the same names, which win. Returns the values that are not
/// default, by field name, and `alpns`, a list of texts.
///
/// # Errors
///
/// CONFIG naming path or variable and field.
pub fn load_endpoint(file: Option<&TomlFile>, env: &BTreeMap<String, String>) -> Result<Map<String, Value>> {
    let keys = file.map(|file| toml::read(&file.path, &file.text)).transpose()?.unwrap_or_default();
    let path = file.map_or("", |file| file.path.as_str());
    let mut settings = Settings::new();
    for field in FIELDS.iter().filter(|field| field.section == "network") {
        if let Some(value) = keys.get(field.name) {
            let value = parse::typed(path, field, value)?;
            settings.insert(field.name, Setting { value, source: path.to_owned(), level: Level::Toml });
        }
        if let Some(text) = env.get(&field.variable()) {
            let value = parse::variable(field, text)?;
            settings.insert(field.name, Setting { value, source: field.variable(), level: Level::Variable });
        }
    }
    NetworkConfig::read(&settings)?;
    let mut values: Map<String, Value> =
        settings.into_iter().map(|(name, setting)| (name.to_owned(), setting.value)).collect();
    if let Some(alpns) = alpns(path, &keys, env)? {
        values.insert("alpns".to_owned(), alpns);
    }
    Ok(values)
}

fn alpns(path: &str, keys: &Map<String, Value>, env: &BTreeMap<String, String>) -> Result<Option<Value>> {
    if let Some(text) = env.get(&format!("{PREFIX}ALPNS")) {
        return Ok(Some(parse::list(text).into()));
    }
    match keys.get("alpns") {
        None => Ok(None),
        Some(Value::Array(items)) if items.iter().all(Value::is_string) => Ok(Some(items.clone().into())),
        Some(_) => Err(parse::complaint(path, "alpns", "expected a list of strings")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, env: &[(&str, &str)]) -> Result<Map<String, Value>> {
        let file = TomlFile { path: "ep.toml".to_owned(), text: text.to_owned() };
        load_endpoint(Some(&file), &env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn variables_beat_flat_keys_and_unknown_keys_are_ignored() {
        let text = "alpns = ['a/1']\nrelay_mode = 'disabled'\nwhatever = 1\nhook_timeout_ms = 7\n[trust]\nx = 1\n";
        let values = load(text, &[("ASTER_RELAY_MODE", "staging")]).unwrap();
        let expected = serde_json::json!({"alpns": ["a/1"], "relay_mode": "staging", "hook_timeout_ms": 7});
        assert_eq!(Value::Object(values), expected);
        assert_eq!(load(text, &[("ASTER_ALPNS", "b, c,")]).unwrap()["alpns"], serde_json::json!(["b", "c"]));
        assert_eq!(load("", &[("ASTER_RELAY_MODE", "")]).unwrap()["relay_mode"], Value::Null);
    }

    #[test]
    fn the_same_rules() {
        for (text, message) in [
            ("alpns = 'a'", "ep.toml: field 'alpns': expected a list of strings"),
            ("enable_hooks = 'yes'", "ep.toml: field 'enable_hooks': expected a boolean"),
            ("portmapper_config = 'on'", "ep.toml: field 'portmapper_config': expected enabled or disabled"),
        ] {
            assert_eq!(load(text, &[]).unwrap_err().message(), message);
        }
        let error = load("", &[("ASTER_PORTMAPPER_CONFIG", "on")]).unwrap_err();
        assert_eq!(error.message(), "ASTER_PORTMAPPER_CONFIG: field 'portmapper_config': expected enabled or disabled");
    }
}
