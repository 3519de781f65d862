//! Precedence and provenance of fields (`config.md` sections 1 and 4), without identity files.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fields::{self, FIELDS, Field};
use super::sources::Sources;
use super::toml::{self, Layer};
use super::{parse, wrong};
use crate::error::{Error, ErrorKind, Result};
use crate::trust::GateFlag;

/// Label of inline values.
pub(super) const INLINE: &str = "inline";
const DEFAULT: &str = "default";

/// Where a value comes from, highest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Argument,
    Inline,
    Identity,
    Variable,
    Toml,
    Default,
}

/// A value in force and where it comes from.
#[derive(Clone, PartialEq)]
pub(super) struct Setting {
    pub(super) value: Value,
    pub(super) source: String,
    pub(super) level: Level,
}

impl Setting {
    /// Makes the error of this value.
    pub(super) fn complaint(&self, name: &str, expectation: &str) -> Error {
        let place = match self.level {
            Level::Toml => self.source.rsplit_once(" [").map_or(self.source.as_str(), |(path, _)| path),
            _ => self.source.as_str(),
        };
        parse::complaint(place, name, expectation)
    }
}

/// Values by field name.
pub(super) type Settings = BTreeMap<&'static str, Setting>;

/// Every field, settled by itself, and what depends on several.
#[derive(Clone, Default)]
pub(super) struct Settled {
    pub(super) settings: Settings,
    /// The field of the two that gives the root key, and its level.
    pub(super) root: Option<(&'static str, Level)>,
    pub(super) flag: GateFlag,
    pub(super) warnings: Vec<String>,
}

/// Settles each field by itself.
///
/// # Errors
///
/// CONFIG naming the field and its source, without secret values.
pub(super) fn settle(sources: &Sources) -> Result<Settled> {
    for name in sources.arguments.keys().chain(sources.inline.keys()) {
        if fields::find(name).is_none() {
            return Err(wrong(format!("unknown configuration field '{name}'")).with_detail("field", name));
        }
    }
    let layer = sources.toml.as_ref().map(toml::layer).transpose()?.unwrap_or_default();
    let levels = Levels { sources, layer: &layer };
    let mut settled = Settled::default();
    for field in FIELDS {
        settled.settings.insert(field.name, levels.highest(field)?);
    }
    settled.root = levels.root();
    settled.flag = levels.gate_flag()?;
    settled.warnings = layer.warnings.clone();
    settled.warnings.extend(unknown_variables(&sources.env));
    Ok(settled)
}

/// The sources of one look-up.
struct Levels<'a> {
    sources: &'a Sources,
    layer: &'a Layer,
}

impl Levels<'_> {
    fn highest(&self, field: &Field) -> Result<Setting> {
        let given = [(Level::Argument, &self.sources.arguments), (Level::Inline, &self.sources.inline)];
        for (level, values) in given {
            // Nothing given for a setting of trust never clears what a lower source says: that could open a gate.
            let value = values.get(field.name).filter(|value| !(value.is_null() && field.is_trust_text()));
            if let Some(value) = value {
                return Ok(Setting { value: parse::inline(field, value)?, source: INLINE.to_owned(), level });
            }
        }
        self.lower(field)
    }

    fn lower(&self, field: &Field) -> Result<Setting> {
        // A bad value is an error even if a variable beats it.
        let toml = self.layer.values.get(field.name);
        if let Some(text) = self.sources.env.get(&field.variable()) {
            let value = parse::variable(field, text)?;
            return Ok(Setting { value, source: field.variable(), level: Level::Variable });
        }
        Ok(match toml {
            Some((value, label)) => Setting { value: value.clone(), source: label.clone(), level: Level::Toml },
            None => Setting { value: field.default_value(), source: DEFAULT.to_owned(), level: Level::Default },
        })
    }

    /// Tells which of the root key's two fields counts: at each level the key beats the file.
    fn root(&self) -> Option<(&'static str, Level)> {
        let at = |name: &str, level: Level| match level {
            Level::Argument => self.sources.arguments.get(name).is_some_and(|value| !value.is_null()),
            Level::Inline => self.sources.inline.get(name).is_some_and(|value| !value.is_null()),
            Level::Variable => fields::find(name).is_some_and(|field| self.sources.env.contains_key(&field.variable())),
            Level::Toml => self.layer.values.contains_key(name),
            Level::Identity | Level::Default => false,
        };
        [Level::Argument, Level::Inline, Level::Variable, Level::Toml].into_iter().find_map(|level| {
            let name = ["root_pubkey", "root_pubkey_file"].into_iter().find(|name| at(name, level));
            name.map(|name| (name, level))
        })
    }

    fn gate_flag(&self) -> Result<GateFlag> {
        let Some(field) = fields::find("allow_all_consumers") else {
            return Err(Error::new(ErrorKind::Internal, "allow_all_consumers has no field"));
        };
        let inline = |values: &BTreeMap<String, Value>| -> Result<Option<bool>> {
            Ok(values.get(field.name).map(|value| parse::inline(field, value)).transpose()?.and_then(|v| v.as_bool()))
        };
        let argument = inline(&self.sources.arguments)?;
        let lower = self.lower(field)?;
        let lower = if lower.level == Level::Default { None } else { lower.value.as_bool() };
        let below = inline(&self.sources.inline)?.or(lower);
        Ok(GateFlag { value: argument.or(below), is_argument: argument.is_some(), opened_below: below == Some(true) })
    }
}

fn unknown_variables(env: &BTreeMap<String, String>) -> Option<String> {
    let known =
        |name: &str| fields::OTHER_VARIABLES.contains(&name) || FIELDS.iter().any(|field| field.variable() == name);
    let unknown: Vec<_> =
        env.keys().filter(|name| name.starts_with(fields::PREFIX) && !known(name)).map(String::as_str).collect();
    (!unknown.is_empty()).then(|| format!("unknown environment variables: {}", unknown.join(", ")))
}
