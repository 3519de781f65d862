//! TOML documents that are changed: what nobody touches stays as it was, comments and order included.

use toml_edit::{DocumentMut, Item, TableLike, Value as TomlValue};

use super::{toml, wrong};
use crate::error::Result;

/// Parses a text that is about to be changed.
///
/// # Errors
///
/// CONFIG naming the path, without the text.
pub(super) fn open(path: &str, text: &str) -> Result<DocumentMut> {
    toml::read(path, text)?;
    text.parse().map_err(|_| wrong(format!("{path}: it cannot be changed")))
}

/// Makes a text value in one line: also old readers take it, and nobody mistakes it for several keys.
pub(super) fn text(value: &str) -> TomlValue {
    let mut quoted = String::from("\"");
    for char in value.chars() {
        match char {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            control if control.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted.parse().unwrap_or_else(|_| value.into())
}

/// Sets a key; the comment behind an old value stays.
pub(super) fn put(table: &mut dyn TableLike, key: &str, value: impl Into<TomlValue>) {
    let mut value = value.into();
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(old) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        None => drop(table.insert(key, Item::Value(value))),
    }
}

/// Returns the table of a key, which is made if there is none.
///
/// # Errors
///
/// CONFIG if something else is there.
pub(super) fn table<'a>(path: &str, parent: &'a mut dyn TableLike, key: &str) -> Result<&'a mut dyn TableLike> {
    let found = parent.entry(key).or_insert_with(toml_edit::table);
    found.as_table_like_mut().ok_or_else(|| wrong(format!("{path}: expected a table [{}]", key.escape_debug())))
}
