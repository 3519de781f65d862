//! What core asks of a host's values to encode them (`codec.md` section 9).
//!
//! Front ends hold no format rules: they answer questions about one value at a time.

use super::plan::TypePlan;
use super::schema::{EnumSchema, MessageSchema};
use super::text::Text;

/// Why a host value does not answer a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// It is of another type.
    Type,
    /// It has fields the message does not have; their names as the host knows them.
    Unknown(Vec<String>),
    /// It is of the type, but refused for a reason.
    Refused(String),
    /// Host code failed; ends the call.
    Host(String),
}

/// Answer of a front end.
pub type Read<T> = Result<T, Mismatch>;

/// A number as the host holds it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A floating-point number.
    Float(f64),
    /// A whole number.
    Integer(i128),
}

/// The entries of a map, before the first one is taken.
#[derive(Debug)]
pub struct Entries<M> {
    /// How many there are.
    pub len: usize,
    /// Whether the host guarantees that keys differ; else core checks.
    pub distinct: bool,
    /// Iteration state.
    pub state: M,
}

/// A host front end for encoding. One object serves one call and holds the host's context.
///
/// `ty` is the place of the value in the schema; its `node` finds what the front end knows of the place.
pub trait Source {
    /// A host value: an owned or borrowed handle.
    type Value;
    /// State of walking a list or set.
    type List;
    /// State of walking a map.
    type Map;
    /// A record whose fields are read.
    type Record;

    /// Tells whether the value is null.
    fn is_null(&mut self, value: &Self::Value) -> bool;
    /// Reads a truth value.
    fn boolean(&mut self, ty: &TypePlan, value: &Self::Value) -> Read<bool>;
    /// Reads a whole number; core checks the range.
    fn integer(&mut self, ty: &TypePlan, value: &Self::Value) -> Read<i128>;
    /// Reads a number; core checks that a whole one is exact.
    fn float(&mut self, ty: &TypePlan, value: &Self::Value) -> Read<Number>;
    /// Hands text to core.
    fn text<R>(&mut self, ty: &TypePlan, value: &Self::Value, take: impl FnOnce(Text<'_>) -> R) -> Read<R>;
    /// Hands bytes to core.
    fn bytes<R>(&mut self, ty: &TypePlan, value: &Self::Value, take: impl FnOnce(&[u8]) -> R) -> Read<R>;
    /// Reads a timestamp: microseconds since 1970 in UTC.
    fn timestamp(&mut self, ty: &TypePlan, value: &Self::Value) -> Read<i64>;
    /// Reads a date: days since 1970-01-01.
    fn date(&mut self, ty: &TypePlan, value: &Self::Value) -> Read<i64>;
    /// Reads a duration: microseconds.
    fn duration(&mut self, ty: &TypePlan, value: &Self::Value) -> Read<i64>;
    /// Hands the text of a decimal to core, in the form of JSON mode.
    fn decimal<R>(&mut self, ty: &TypePlan, value: &Self::Value, take: impl FnOnce(&str) -> R) -> Read<R>;
    /// Finds the position of an enum member; [`Mismatch::Type`] if it is none.
    fn member(&mut self, ty: &TypePlan, choices: &EnumSchema, value: &Self::Value) -> Read<usize>;
    /// Starts a walk over a list or set and returns its length.
    fn list(&mut self, ty: &TypePlan, value: &Self::Value) -> Read<(usize, Self::List)>;
    /// Tells whether an element of a list is null.
    fn has_null(&mut self, value: &Self::Value) -> Read<bool>;
    /// Returns the next element.
    fn next_item(&mut self, list: &mut Self::List) -> Read<Option<Self::Value>>;
    /// Starts a walk over a map.
    fn map(&mut self, ty: &TypePlan, value: &Self::Value) -> Read<Entries<Self::Map>>;
    /// Returns the next key and value.
    fn next_entry(&mut self, map: &mut Self::Map) -> Read<Option<(Self::Value, Self::Value)>>;
    /// Starts to read a record; checks its class and that it has no unknown fields.
    fn record(&mut self, message: &MessageSchema, value: &Self::Value) -> Read<Self::Record>;
    /// Returns a field of a record by its position in the message; `None` if it is left out.
    fn field(&mut self, record: &mut Self::Record, message: &MessageSchema, index: usize) -> Read<Option<Self::Value>>;
}
