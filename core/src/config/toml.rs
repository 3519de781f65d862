//! TOML files: syntax, known sections and keys, nearest names (`config.md` section 3).

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use toml_edit::{Document, Item, TableLike, Value as TomlValue};

use super::fields::{FIELDS, IID_SECTION, SECTIONS};
use super::sources::{TomlFile, check_size};
use super::{parse, wrong};
use crate::error::Result;

/// Nesting of tables and arrays that is read; deeper values count as values of no type.
const MAX_DEPTH: usize = 16;

/// What a TOML file says.
#[derive(Clone, Default)]
pub(super) struct Layer {
    /// Value and label of each field that is given.
    pub(super) values: BTreeMap<&'static str, (Value, String)>,
    /// What the operator should be told.
    pub(super) warnings: Vec<String>,
}

/// Parses the text of a file. Dates become empty objects, which no field and no entry takes.
///
/// # Errors
///
/// CONFIG with detail `syntax`; the message names line and column, never the text.
pub(super) fn read(path: &str, text: &str) -> Result<Map<String, Value>> {
    check_size(path, text)?;
    let document = Document::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let before = text.get(..at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let what = error.message().lines().next().unwrap_or("not TOML");
        wrong(format!("{path}: line {line}, column {column}: {what}")).with_detail("syntax", "toml")
    })?;
    Ok(table(document.as_table(), 0))
}

fn table(table: &dyn TableLike, depth: usize) -> Map<String, Value> {
    table
        .iter()
        .filter(|(_, item)| !item.is_none())
        .map(|(key, item)| (key.to_owned(), value(item, depth + 1)))
        .collect()
}

fn value(item: &Item, depth: usize) -> Value {
    match item {
        _ if depth > MAX_DEPTH => untyped(),
        Item::Table(inner) => table(inner, depth).into(),
        Item::ArrayOfTables(tables) => tables.iter().map(|inner| Value::from(table(inner, depth + 1))).collect(),
        Item::Value(inner) => plain(inner, depth),
        Item::None => untyped(),
    }
}

fn plain(value: &TomlValue, depth: usize) -> Value {
    match value {
        TomlValue::String(text) => text.value().as_str().into(),
        TomlValue::Integer(number) => (*number.value()).into(),
        TomlValue::Boolean(value) => (*value.value()).into(),
        TomlValue::Float(number) => serde_json::Number::from_f64(*number.value()).map_or_else(untyped, Value::Number),
        TomlValue::Array(items) if depth < MAX_DEPTH => items.iter().map(|item| plain(item, depth + 1)).collect(),
        TomlValue::InlineTable(inner) if depth < MAX_DEPTH => table(inner, depth).into(),
        TomlValue::Datetime(_) | TomlValue::Array(_) | TomlValue::InlineTable(_) => untyped(),
    }
}

/// Stands for what no field takes.
fn untyped() -> Value {
    Value::Object(Map::new())
}

/// Reads the sections of a configuration file.
///
/// # Errors
///
/// CONFIG naming path and field: bad syntax, wrong types, unknown keys of known sections.
pub(super) fn layer(file: &TomlFile) -> Result<Layer> {
    let mut layer = Layer::default();
    for (section, value) in read(&file.path, &file.text)? {
        match value {
            Value::Object(keys) if SECTIONS.contains(&section.as_str()) => layer.section(file, &section, keys)?,
            _ if SECTIONS.contains(&section.as_str()) => {
                return Err(parse::complaint(&file.path, &section, "expected a section"));
            }
            Value::Object(_) => layer.warnings.push(format!("{}: unknown section [{section}]", file.path)),
            // A setting of trust that nobody reads could leave a gate open.
            _ if FIELDS
                .iter()
                .any(|field| field.section == "trust" && [field.key, field.name].contains(&&*section)) =>
            {
                return Err(parse::complaint(&file.path, &section, "expected in section [trust]"));
            }
            _ => layer.warnings.push(format!("{}: unknown key '{section}' outside of sections", file.path)),
        }
    }
    Ok(layer)
}

impl Layer {
    fn section(&mut self, file: &TomlFile, section: &str, keys: Map<String, Value>) -> Result<()> {
        for (key, value) in keys {
            if section == "trust" && key == "iid" {
                let Value::Object(inner) = value else {
                    return Err(parse::complaint(&file.path, &key, "expected a section"));
                };
                self.section(file, IID_SECTION, inner)?;
                continue;
            }
            let field = FIELDS.iter().find(|field| field.section == section && field.key == key);
            let field = field.ok_or_else(|| unknown(&file.path, section, &key))?;
            let value = parse::typed(&file.path, field, &value)?;
            self.values.insert(field.name, (value, format!("{} [{section}]", file.path)));
        }
        Ok(())
    }
}

fn unknown(path: &str, section: &str, key: &str) -> crate::error::Error {
    let known = FIELDS.iter().filter(|field| field.section == section).map(|field| field.key);
    let known = known.chain((section == "trust").then_some("iid"));
    // Whoever wrote only the beginning meant the whole.
    let nearest = known.min_by_key(|known| (!known.starts_with(key), distance(known, key))).unwrap_or_default();
    parse::complaint(path, key, &format!("unknown key in [{section}], the nearest is '{nearest}'"))
}

/// Counts the characters to add, drop or change.
fn distance(a: &str, b: &str) -> usize {
    // A longer key is as far from every name.
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (count, from) in a.chars().enumerate() {
        let mut next = vec![count + 1];
        let mut left = count + 1;
        for (to, above) in b.iter().zip(row.windows(2)) {
            let [diagonal, above] = above else { continue };
            left = (diagonal + usize::from(from != *to)).min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Layer> {
        layer(&TomlFile { path: "a.toml".to_owned(), text: text.to_owned() })
    }

    fn refused(text: &str) -> String {
        load(text).err().unwrap().message().to_owned()
    }

    #[test]
    fn sections_and_labels() {
        let layer = load("[trust]\npeer_ttl_s = 5\n[trust.iid]\naws_certificates = ['a.pem']\n[storage]\npath = 's'\n")
            .unwrap();
        assert_eq!(layer.values["peer_ttl_s"], (5.into(), "a.toml [trust]".to_owned()));
        assert_eq!(layer.values["iid_aws_certificates"].1, "a.toml [trust.iid]");
        assert_eq!(layer.values["storage_path"], ("s".into(), "a.toml [storage]".to_owned()));
    }

    #[test]
    fn what_is_unknown() {
        let nearest =
            "a.toml: field 'allow_all_consumer': unknown key in [trust], the nearest is 'allow_all_consumers'";
        assert_eq!(refused("[trust]\nallow_all_consumer = true"), nearest);
        assert_eq!(refused("[trust.idd]"), "a.toml: field 'idd': unknown key in [trust], the nearest is 'iid'");
        assert_eq!(
            refused("[logging]\nlevle = 1"),
            "a.toml: field 'levle': unknown key in [logging], the nearest is 'level'"
        );
        assert_eq!(refused("trust = 1"), "a.toml: field 'trust': expected a section");
        assert_eq!(refused("[[trust]]"), "a.toml: field 'trust': expected a section");
        assert_eq!(refused("[trust]\niid = 1"), "a.toml: field 'iid': expected a section");
        assert_eq!(
            refused("allow_all_consumers = false"),
            "a.toml: field 'allow_all_consumers': expected in section [trust]"
        );
        assert_eq!(load("[tool.x]\ny = 1").unwrap().warnings, ["a.toml: unknown section [tool]"]);
        assert_eq!(
            load("relay_mode = 'x'").unwrap().warnings,
            ["a.toml: unknown key 'relay_mode' outside of sections"]
        );
    }

    #[test]
    fn types() {
        let text = "a.toml: field 'allow_all_consumers': expected a boolean";
        assert_eq!(refused("[trust]\nallow_all_consumers = \"false\""), text);
        assert_eq!(refused("[network]\nbind_addr = 1979-05-27"), "a.toml: field 'bind_addr': expected a string");
        assert_eq!(
            refused("[network]\nhook_timeout_ms = inf"),
            "a.toml: field 'hook_timeout_ms': expected an integer of at least 0"
        );
    }

    #[test]
    fn bad_syntax_names_the_place_and_not_the_text() {
        let error = load("[network]\nsecret_key = s3cret").err().unwrap();
        assert!(error.message().starts_with("a.toml: line 2, column 14: "), "{error}");
        assert!(!error.message().contains("s3cret"), "{error}");
        assert_eq!(error.detail("syntax"), Some("toml"));
    }

    #[test]
    fn deep_and_large_files_are_harmless() {
        for text in [
            format!("a = {}", "[".repeat(100_000)),
            format!("a = {}{}", "[".repeat(60), "]".repeat(60)),
            format!("[{}a]", "a.".repeat(100_000)),
            format!("{}a = 1", "a.".repeat(100_000)),
            format!("a = {{ {}a = 1 }}", "a.".repeat(100_000)),
        ] {
            let _ = load(&text);
        }
        assert!(refused(&" ".repeat(2 << 20)).contains("too large"));
    }

    #[test]
    fn distances() {
        for (a, b, far) in
            [("", "", 0), ("abc", "abc", 0), ("abc", "abd", 1), ("abc", "ab", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(a, b), far);
        }
    }
}
