//! The values in force, for people and for programs (`config.md` section 5). Masks are always on.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::fields::{FIELDS, Field, IID_SECTION, SECTIONS};
use super::{Config, mask, parse};

impl Config {
    /// Returns the values in force as lines: name, value, source.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for section in SECTIONS {
            let _ = writeln!(out, "  [{section}]");
            for field in rows(section) {
                let (value, source) = self.shown(field);
                let _ = writeln!(out, "    {:<28}: {:<36} ({source})", row_name(field), words(&value));
            }
        }
        out.truncate(out.trim_end().len());
        out
    }

    /// Returns the values in force as a JSON object of sections, indented by 2.
    pub fn to_json(&self) -> String {
        let mut sections = Map::new();
        for section in SECTIONS {
            let row = |field: &Field| {
                let (value, source) = self.shown(field);
                (row_name(field), json!({ "value": value, "source": source }))
            };
            sections.insert((*section).to_owned(), Value::Object(rows(section).map(row).collect()));
        }
        format!("{:#}", Value::Object(sections))
    }

    /// Returns the value of a field as it may be shown; `None` for an unknown field.
    pub fn masked(&self, field: &str) -> Option<Value> {
        let (value, _) = self.get(field)?;
        Some(match value {
            Value::String(text) => masked(field, text).into(),
            Value::Array(items) if field == "mesh_bootstrap" => {
                items.iter().filter_map(Value::as_str).map(mask::address).collect()
            }
            other => other.clone(),
        })
    }

    fn shown(&self, field: &Field) -> (Value, String) {
        let source = self.get(field.name).map_or("", |(_, source)| source);
        let value = self.masked(field.name).filter(|value| !value.is_null());
        (value.unwrap_or_else(|| placeholder(field.name).into()), source.to_owned())
    }
}

fn rows(section: &str) -> impl Iterator<Item = &'static Field> {
    FIELDS.iter().filter(move |field| field.section == section || (section == "trust" && field.section == IID_SECTION))
}

/// Returns the key of the TOML file; keys of a section within are dotted.
fn row_name(field: &Field) -> String {
    match field.name {
        "enrollment_credential_file" => field.name.to_owned(),
        _ if field.section == IID_SECTION => format!("iid.{}", field.key),
        _ => field.key.to_owned(),
    }
}

fn placeholder(field: &str) -> &'static str {
    match field {
        "relay_mode" | "portmapper_config" => "<default>",
        "bind_addr" => "<any>",
        "storage_path" => "<in-memory>",
        "expose_errors" => "<gate>",
        _ => "<not set>",
    }
}

fn masked(field: &str, text: &str) -> String {
    match field {
        "secret_key" => parse::key_bytes(text).map_or_else(|| "****".to_owned(), |seed| mask::secret_key(&seed)),
        "enrollment_credential_file" if !text.starts_with('<') => mask::path(text),
        "enrollment_credential_iid" => "****".to_owned(),
        "proxy_url" => mask::url(text),
        "relay_mode" => text.split(',').map(mask::url).collect::<Vec<_>>().join(","),
        "endpoint_addr" => mask::address(text),
        _ => text.to_owned(),
    }
}

fn words(value: &Value) -> String {
    match value {
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => one_line(text),
        Value::Array(items) if items.is_empty() => "<not set>".to_owned(),
        Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// Escapes what could break the line.
fn one_line(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, char| {
        match char.is_control() {
            true => out.extend(char.escape_default()),
            false => out.push(char),
        }
        out
    })
}
