//! Profiles of the operator: `~/.aster/config.toml` as a text (`config.md` section 9).

use std::mem;

use serde_json::{Map, Value};
use toml_edit::Item;

use super::document::{open, put, table, text as text_value};
use super::{toml, wrong};
use crate::error::{Error, Result};

const PROFILES: &str = "profiles";
const ACTIVE: &str = "active_profile";

/// What the file says about profiles.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profiles {
    /// Name of the profile that counts if no other is named.
    pub active: Option<String>,
    /// The profiles by name, in the order of the file.
    pub profiles: Map<String, Value>,
}

fn unknown(path: &str, name: &str, known: &Map<String, Value>) -> Error {
    let known: Vec<_> = known.keys().map(|name| name.escape_debug().to_string()).collect();
    let there = if known.is_empty() { "there are none".to_owned() } else { format!("there are: {}", known.join(", ")) };
    wrong(format!("{path}: no profile is named '{}' ({there})", name.escape_debug()))
}

impl Profiles {
    /// Reads the text of the file; empty: there are none.
    ///
    /// # Errors
    ///
    /// CONFIG naming the path: bad syntax, or something else than tables and texts.
    pub fn parse(path: &str, text: &str) -> Result<Self> {
        let mut content = toml::read(path, text)?;
        let active = match content.remove(ACTIVE) {
            None => None,
            Some(Value::String(name)) => Some(name).filter(|name| !name.is_empty()),
            Some(_) => return Err(wrong(format!("{path}: field '{ACTIVE}': expected a string"))),
        };
        let profiles = match content.remove(PROFILES) {
            None => Map::new(),
            Some(Value::Object(profiles)) if profiles.values().all(Value::is_object) => profiles,
            Some(_) => return Err(wrong(format!("{path}: expected tables [profiles.<name>]"))),
        };
        Ok(Self { active, profiles })
    }

    /// Returns the name of the profile to use: the given one, else the active one.
    ///
    /// # Errors
    ///
    /// CONFIG if there is no such profile.
    pub fn select<'a>(&'a self, path: &str, named: Option<&'a str>) -> Result<Option<&'a str>> {
        match named.or(self.active.as_deref()) {
            Some(name) if !self.profiles.contains_key(name) => Err(unknown(path, name, &self.profiles)),
            name => Ok(name),
        }
    }
}

/// Returns the text with fields of a profile set, which is made if it is new. Other content stays as it is.
///
/// # Errors
///
/// CONFIG if the text cannot be read, or the name is none.
pub fn put_profile(path: &str, text: &str, name: &str, fields: &[(String, String)]) -> Result<String> {
    Profiles::parse(path, text)?;
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(wrong(format!("'{}' cannot be the name of a profile", name.escape_debug())));
    }
    let mut document = open(path, text)?;
    if document.get(PROFILES).is_none() {
        // Only [profiles.<name>] is shown.
        let mut parent = toml_edit::Table::new();
        parent.set_implicit(true);
        document.insert(PROFILES, Item::Table(parent));
    }
    if let Some(inline) = document.get_mut(PROFILES).filter(|item| item.is_value()) {
        *inline = mem::take(inline).into_table().map_or_else(|other| other, Item::Table);
    }
    let profiles = table(path, document.as_table_mut(), PROFILES)?;
    let profile = table(path, profiles, name)?;
    for (key, value) in fields {
        put(profile, key, text_value(value));
    }
    let written = document.to_string();
    let read = Profiles::parse(path, &written)?;
    let is_there = |(key, value): &(String, String)| read.profiles[name].get(key) == Some(&value.as_str().into());
    match read.profiles.contains_key(name) && fields.iter().all(is_there) {
        true => Ok(written),
        false => Err(wrong(format!("{path}: profile '{name}' would not be read back"))),
    }
}

/// Returns the text with another active profile.
///
/// # Errors
///
/// CONFIG if the text cannot be read, or has no such profile.
pub fn use_profile(path: &str, text: &str, name: &str) -> Result<String> {
    Profiles::parse(path, text)?.select(path, Some(name))?;
    let mut document = open(path, text)?;
    put(document.as_table_mut(), ACTIVE, text_value(name));
    read_back(path, document.to_string())
}

/// Returns the text without a profile; if it was the active one, none is.
///
/// # Errors
///
/// As for [`use_profile`].
pub fn remove_profile(path: &str, text: &str, name: &str) -> Result<String> {
    let before = Profiles::parse(path, text)?;
    before.select(path, Some(name))?;
    let mut document = open(path, text)?;
    if before.active.as_deref() == Some(name) {
        document.remove(ACTIVE);
    }
    table(path, document.as_table_mut(), PROFILES)?.remove(name);
    read_back(path, document.to_string())
}

fn read_back(path: &str, text: String) -> Result<String> {
    Profiles::parse(path, &text).map(|_| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "config.toml";

    fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn profiles_come_and_go_and_the_rest_stays() {
        let first = "# mine\n[aster_service]\nenabled = true # yes\n";
        let made = put_profile(PATH, first, "pr.od \"1\"", &fields(&[("handle", "a\"\n\\b")])).unwrap();
        assert!(made.starts_with(first), "{made}");
        let used = use_profile(PATH, &made, "pr.od \"1\"").unwrap();
        let read = Profiles::parse(PATH, &used).unwrap();
        assert_eq!(read.active.as_deref(), Some("pr.od \"1\""));
        assert_eq!(read.profiles["pr.od \"1\""]["handle"], "a\"\n\\b");
        let again = put_profile(PATH, &used, "pr.od \"1\"", &fields(&[("handle", "c")])).unwrap();
        assert_eq!(Profiles::parse(PATH, &again).unwrap().profiles["pr.od \"1\""]["handle"], "c");
        let gone = remove_profile(PATH, &again, "pr.od \"1\"").unwrap();
        assert_eq!(Profiles::parse(PATH, &gone).unwrap(), Profiles::default());
        assert!(gone.contains("# mine") && gone.contains("enabled = true # yes"), "{gone}");
    }

    #[test]
    fn profiles_in_one_line_become_tables() {
        let made = put_profile(PATH, "profiles = { a = { x = 1 } }\nz = 2\n", "b", &fields(&[("y", "3")])).unwrap();
        let read = Profiles::parse(PATH, &made).unwrap().profiles;
        assert_eq!((&read["a"]["x"], &read["b"]["y"]), (&1.into(), &"3".into()), "{made}");
        assert!(made.contains("z = 2"));
        let again = put_profile(PATH, &made, "a", &fields(&[("x", "4")])).unwrap();
        assert_eq!(Profiles::parse(PATH, &again).unwrap().profiles["a"]["x"], "4");
    }

    #[test]
    fn what_is_not_there_is_refused() {
        let text = put_profile(PATH, "", "a", &[]).unwrap();
        for made in [use_profile(PATH, &text, "b"), remove_profile(PATH, &text, "b")] {
            assert_eq!(made.unwrap_err().message(), "config.toml: no profile is named 'b' (there are: a)");
        }
        let read = Profiles::parse(PATH, "active_profile = 'x'").unwrap();
        assert!(read.select(PATH, None).unwrap_err().message().contains("there are none"));
        assert_eq!(Profiles::parse(PATH, &text).unwrap().select(PATH, None).unwrap(), None);
        assert!(put_profile(PATH, "", "a\nb", &[]).is_err());
        for text in ["profiles = 1", "[profiles]\na = 1", "active_profile = 1", "[profiles.a]\n[profiles.a]"] {
            assert!(Profiles::parse(PATH, text).is_err(), "{text}");
        }
    }
}
