//! A host-independent tree of values, with its source and sink (`codec.md` section 9).
//!
//! Serves the C interface, proxies, shell and tests; typed hosts are walked directly.

use std::collections::HashSet;
use std::sync::Arc;

use super::decimal::Decimal;
use super::plan::TypePlan;
use super::schema::{EnumSchema, MessageSchema};
use super::sink::{Made, Sink};
use super::source::{Entries, Mismatch, Number, Read, Source};
use super::text::Text;

/// A value of a contract type.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Null.
    Null,
    /// Truth value.
    Bool(bool),
    /// Whole number; fits any integer type that holds it.
    Int(i64),
    /// Whole number; fits any integer type that holds it.
    Uint(u64),
    /// Floating-point number.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Microseconds since 1970 in UTC.
    Timestamp(i64),
    /// Days since 1970-01-01.
    Date(i64),
    /// Microseconds.
    Duration(i64),
    /// Decimal in the form of JSON mode.
    Decimal(String),
    /// Name of an enum member.
    Enum(Arc<str>),
    /// Elements of a list or set.
    List(Vec<Value>),
    /// Entries of a map, in order.
    Map(Vec<(Value, Value)>),
    /// Message.
    Record(Record),
}

/// A message as a tree: fields by contract name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Tag of the message; `None` fits any.
    pub tag: Option<Arc<str>>,
    /// Fields in any order; those left out take their defaults.
    pub fields: Vec<(Arc<str>, Value)>,
}

impl Record {
    /// Returns a field by its contract name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(field, _)| **field == *name).map(|(_, value)| value)
    }
}

impl Value {
    /// Makes a decimal of its text; `None` if it is none, or beyond the limits.
    pub fn decimal(text: &str) -> Option<Self> {
        Decimal::parse(text).map(|decimal| Value::Decimal(decimal.text()))
    }

    /// Returns bytes that are equal iff two values without parts are.
    pub(super) fn key(&self) -> Vec<u8> {
        match self {
            Value::Bool(value) => vec![u8::from(*value)],
            Value::Int(value) => i128::from(*value).to_le_bytes().to_vec(),
            Value::Uint(value) => i128::from(*value).to_le_bytes().to_vec(),
            Value::Float(value) if value.is_nan() => f64::NAN.to_le_bytes().to_vec(),
            Value::Float(value) => value.to_le_bytes().to_vec(),
            Value::Timestamp(value) | Value::Date(value) | Value::Duration(value) => value.to_le_bytes().to_vec(),
            Value::Text(value) | Value::Decimal(value) => value.as_bytes().to_vec(),
            Value::Enum(value) => value.as_bytes().to_vec(),
            Value::Bytes(value) => value.clone(),
            Value::Null | Value::List(_) | Value::Map(_) | Value::Record(_) => Vec::new(),
        }
    }
}

/// Reads [`Value`] trees.
#[derive(Clone, Copy, Debug, Default)]
pub struct ValueSource<'v>(std::marker::PhantomData<&'v Value>);

impl ValueSource<'_> {
    /// Makes a source.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<'v> Source for ValueSource<'v> {
    type Value = &'v Value;
    type List = std::slice::Iter<'v, Value>;
    type Map = std::slice::Iter<'v, (Value, Value)>;
    type Record = &'v Record;

    fn is_null(&mut self, value: &&'v Value) -> bool {
        matches!(value, Value::Null)
    }

    fn boolean(&mut self, _: &TypePlan, value: &&'v Value) -> Read<bool> {
        if let Value::Bool(value) = value { Ok(*value) } else { Err(Mismatch::Type) }
    }

    fn integer(&mut self, _: &TypePlan, value: &&'v Value) -> Read<i128> {
        match value {
            Value::Int(value) => Ok(i128::from(*value)),
            Value::Uint(value) => Ok(i128::from(*value)),
            _ => Err(Mismatch::Type),
        }
    }

    fn float(&mut self, _: &TypePlan, value: &&'v Value) -> Read<Number> {
        match value {
            Value::Float(value) => Ok(Number::Float(*value)),
            Value::Int(value) => Ok(Number::Integer(i128::from(*value))),
            Value::Uint(value) => Ok(Number::Integer(i128::from(*value))),
            _ => Err(Mismatch::Type),
        }
    }

    fn text<R>(&mut self, _: &TypePlan, value: &&'v Value, take: impl FnOnce(Text<'_>) -> R) -> Read<R> {
        if let Value::Text(value) = value { Ok(take(Text::Utf8(value))) } else { Err(Mismatch::Type) }
    }

    fn bytes<R>(&mut self, _: &TypePlan, value: &&'v Value, take: impl FnOnce(&[u8]) -> R) -> Read<R> {
        if let Value::Bytes(value) = value { Ok(take(value)) } else { Err(Mismatch::Type) }
    }

    fn timestamp(&mut self, _: &TypePlan, value: &&'v Value) -> Read<i64> {
        if let Value::Timestamp(value) = value { Ok(*value) } else { Err(Mismatch::Type) }
    }

    fn date(&mut self, _: &TypePlan, value: &&'v Value) -> Read<i64> {
        if let Value::Date(value) = value { Ok(*value) } else { Err(Mismatch::Type) }
    }

    fn duration(&mut self, _: &TypePlan, value: &&'v Value) -> Read<i64> {
        if let Value::Duration(value) = value { Ok(*value) } else { Err(Mismatch::Type) }
    }

    fn decimal<R>(&mut self, _: &TypePlan, value: &&'v Value, take: impl FnOnce(&str) -> R) -> Read<R> {
        if let Value::Decimal(value) = value { Ok(take(value)) } else { Err(Mismatch::Type) }
    }

    fn member(&mut self, _: &TypePlan, choices: &EnumSchema, value: &&'v Value) -> Read<usize> {
        if let Value::Enum(name) = value { choices.by_name(name).ok_or(Mismatch::Type) } else { Err(Mismatch::Type) }
    }

    fn list(&mut self, _: &TypePlan, value: &&'v Value) -> Read<(usize, Self::List)> {
        if let Value::List(items) = value { Ok((items.len(), items.iter())) } else { Err(Mismatch::Type) }
    }

    fn has_null(&mut self, value: &&'v Value) -> Read<bool> {
        if let Value::List(items) = value { Ok(items.contains(&Value::Null)) } else { Err(Mismatch::Type) }
    }

    fn next_item(&mut self, list: &mut Self::List) -> Read<Option<&'v Value>> {
        Ok(list.next())
    }

    fn map(&mut self, _: &TypePlan, value: &&'v Value) -> Read<Entries<Self::Map>> {
        let Value::Map(entries) = value else { return Err(Mismatch::Type) };
        Ok(Entries { len: entries.len(), distinct: false, state: entries.iter() })
    }

    fn next_entry(&mut self, map: &mut Self::Map) -> Read<Option<(&'v Value, &'v Value)>> {
        Ok(map.next().map(|(key, value)| (key, value)))
    }

    fn record(&mut self, message: &MessageSchema, value: &&'v Value) -> Read<&'v Record> {
        let Value::Record(record) = value else { return Err(Mismatch::Type) };
        if record.tag.as_ref().is_some_and(|tag| *tag != message.tag) {
            return Err(Mismatch::Type);
        }
        // Trees that core built hold all fields in declaration order, which needs no further look.
        let mut pairs = record.fields.iter().zip(&message.fields);
        if record.fields.len() != message.fields.len() || !pairs.all(|((name, _), field)| same(name, &field.name)) {
            check_names(record, message)?;
        }
        Ok(record)
    }

    fn field(&mut self, record: &mut &'v Record, message: &MessageSchema, index: usize) -> Read<Option<&'v Value>> {
        let Some(field) = message.fields.get(index) else { return Ok(None) };
        let record = *record;
        // The usual place is looked at first.
        Ok(match record.fields.get(index) {
            Some((name, value)) if same(name, &field.name) => Some(value),
            _ => record.get(&field.name),
        })
    }
}

/// Compares names, most of which are shared with the schema.
#[inline]
fn same(one: &Arc<str>, other: &Arc<str>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

/// Refuses fields that the message does not have, and fields that are given twice.
fn check_names(record: &Record, message: &MessageSchema) -> Read<()> {
    let names = || record.fields.iter().map(|(name, _)| &**name);
    let unknown: Vec<String> = names().filter(|name| message.field_index(name).is_none()).map(str::to_owned).collect();
    if !unknown.is_empty() {
        return Err(Mismatch::Unknown(unknown));
    }
    if names().collect::<HashSet<_>>().len() != record.fields.len() {
        return Err(Mismatch::Refused("a field is given twice".to_owned()));
    }
    Ok(())
}

/// Builds [`Value`] trees.
#[derive(Clone, Copy, Debug, Default)]
pub struct ValueSink;

/// A map that is being built, with its keys.
#[derive(Debug, Default)]
pub struct OpenMap {
    entries: Vec<(Value, Value)>,
    keys: HashSet<Vec<u8>>,
}

impl Sink for ValueSink {
    type Value = Value;
    type List = Vec<Value>;
    type Map = OpenMap;
    type Record = Vec<Option<Value>>;

    fn null(&mut self, _: &TypePlan) -> Made<Value> {
        Ok(Value::Null)
    }

    fn boolean(&mut self, _: &TypePlan, value: bool) -> Made<Value> {
        Ok(Value::Bool(value))
    }

    fn signed(&mut self, _: &TypePlan, value: i64) -> Made<Value> {
        Ok(Value::Int(value))
    }

    fn unsigned(&mut self, _: &TypePlan, value: u64) -> Made<Value> {
        Ok(Value::Uint(value))
    }

    fn float(&mut self, _: &TypePlan, value: f64) -> Made<Value> {
        Ok(Value::Float(value))
    }

    fn text(&mut self, _: &TypePlan, value: Text<'_>) -> Made<Value> {
        Ok(Value::Text(value.to_utf8().into_owned()))
    }

    fn bytes(&mut self, _: &TypePlan, value: &[u8]) -> Made<Value> {
        Ok(Value::Bytes(value.to_vec()))
    }

    fn timestamp(&mut self, _: &TypePlan, micros: i64) -> Made<Value> {
        Ok(Value::Timestamp(micros))
    }

    fn date(&mut self, _: &TypePlan, days: i64) -> Made<Value> {
        Ok(Value::Date(days))
    }

    fn duration(&mut self, _: &TypePlan, micros: i64) -> Made<Value> {
        Ok(Value::Duration(micros))
    }

    fn decimal(&mut self, _: &TypePlan, text: &str) -> Made<Value> {
        Ok(Value::Decimal(text.to_owned()))
    }

    fn member(&mut self, _: &TypePlan, choices: &EnumSchema, index: usize) -> Made<Value> {
        Ok(choices.members.get(index).map_or(Value::Null, |member| Value::Enum(Arc::clone(&member.name))))
    }

    fn list_open(&mut self, _: &TypePlan, hint: usize) -> Made<Vec<Value>> {
        Ok(Vec::with_capacity(hint))
    }

    fn list_push(&mut self, list: &mut Vec<Value>, value: Value) -> Made<()> {
        list.push(value);
        Ok(())
    }

    fn list_close(&mut self, _: &TypePlan, list: Vec<Value>) -> Made<Value> {
        Ok(Value::List(list))
    }

    fn map_open(&mut self, _: &TypePlan, _: usize) -> Made<OpenMap> {
        Ok(OpenMap::default())
    }

    fn map_put(&mut self, map: &mut OpenMap, key: Value, value: Value) -> Made<bool> {
        let new = map.keys.insert(key.key());
        map.entries.push((key, value));
        Ok(new)
    }

    fn map_close(&mut self, _: &TypePlan, map: OpenMap) -> Made<Value> {
        Ok(Value::Map(map.entries))
    }

    fn record_open(&mut self, message: &MessageSchema) -> Made<Self::Record> {
        Ok(message.fields.iter().map(|_| None).collect())
    }

    fn record_set(&mut self, record: &mut Self::Record, _: &MessageSchema, index: usize, value: Value) -> Made<()> {
        if let Some(field) = record.get_mut(index) {
            *field = Some(value);
        }
        Ok(())
    }

    fn record_computed(&mut self, _: &mut Self::Record, _: &MessageSchema, _: usize) -> Made<()> {
        // No host is here to compute it; the field stays left out.
        Ok(())
    }

    fn record_close(&mut self, message: &MessageSchema, record: Self::Record) -> Made<Value> {
        let named = message.fields.iter().zip(record);
        let fields = named.filter_map(|(field, value)| Some((Arc::clone(&field.name), value?))).collect();
        Ok(Value::Record(Record { tag: Some(Arc::clone(&message.tag)), fields }))
    }
}
