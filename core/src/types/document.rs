//! Strict reading of the JSON that declares things: no doubled keys, no unknown keys, no other types.
//!
//! Not here: the JSON of calls ([`crate::wire`]) and of values ([`crate::codec`]).

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::error::Result;

use super::reason::{bad, quote};

/// Parses one JSON value and refuses doubled keys, which would hide a declaration. Nesting is bounded by the parser.
pub(crate) fn parse(text: &str) -> Result<Value> {
    serde_json::from_str::<Strict>(text).map(|strict| strict.0).map_err(|e| bad(format!("not valid JSON: {e}")))
}

/// The members of a JSON object with known keys. An absent member and, but for [`Members::value`], null are alike.
pub(crate) struct Members<'a> {
    map: &'a Map<String, Value>,
}

impl<'a> Members<'a> {
    /// Takes an object and refuses keys that are in neither list.
    pub(crate) fn of(value: &'a Value, keys: &[&str], more: &[&str]) -> Result<Self> {
        let map = value.as_object().ok_or_else(|| bad("expected an object"))?;
        match map.keys().find(|key| !keys.contains(&key.as_str()) && !more.contains(&key.as_str())) {
            Some(key) => Err(bad(format!("unknown key {}", quote(key)))),
            None => Ok(Self { map }),
        }
    }

    /// Takes an object whose other keys do not matter.
    pub(crate) fn lenient(value: &'a Value) -> Result<Self> {
        Ok(Self { map: value.as_object().ok_or_else(|| bad("expected an object"))? })
    }

    /// Returns a member as it is, null included.
    pub(crate) fn value(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key)
    }

    pub(crate) fn text(&self, key: &str) -> Result<Option<&'a str>> {
        self.get(key, "a string", Value::as_str)
    }

    pub(crate) fn required_text(&self, key: &str) -> Result<&'a str> {
        self.text(key)?.ok_or_else(|| missing(key))
    }

    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.get(key, "true or false", Value::as_bool)
    }

    pub(crate) fn number(&self, key: &str) -> Result<Option<f64>> {
        self.get(key, "a number", Value::as_f64)
    }

    pub(crate) fn int32(&self, key: &str) -> Result<Option<i32>> {
        self.get(key, "a signed 32-bit integer", |value| i32::try_from(value.as_i64()?).ok())
    }

    pub(crate) fn list(&self, key: &str) -> Result<Option<&'a [Value]>> {
        self.get(key, "an array", |value| value.as_array().map(Vec::as_slice))
    }

    pub(crate) fn object(&self, key: &str) -> Result<Option<&'a Map<String, Value>>> {
        self.get(key, "an object", Value::as_object)
    }

    pub(crate) fn texts(&self, key: &str) -> Result<Option<Vec<String>>> {
        self.get(key, "an array of strings", |value| {
            value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
        })
    }

    fn get<T>(&self, key: &str, expected: &str, read: impl Fn(&'a Value) -> Option<T>) -> Result<Option<T>> {
        match self.map.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| bad(format!("{} is not {expected}", quote(key)))),
        }
    }
}

/// Makes the error of an absent member.
pub(crate) fn missing(key: &str) -> crate::error::Error {
    bad(format!("{} is missing", quote(key)))
}

/// A value whose objects have no key twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Seed.deserialize(deserializer).map(Strict)
    }
}

struct Seed;

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(Seed)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format!("key {} occurs twice", quote(&key))));
            }
            let value = access.next_value_seed(Seed)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn doubled_keys_are_refused_at_any_depth() {
        assert!(parse(r#"{"a":1,"b":[{"c":null,"d":-1.5}]}"#).is_ok());
        assert!(parse(r#"{"a":1,"b":[{"c":null,"c":2}]}"#).is_err());
        assert!(parse(&"[".repeat(100_000)).is_err());
    }
}
