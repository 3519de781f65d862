//! What core asks of a host to build decoded values (`codec.md` section 9).

use super::plan::TypePlan;
use super::schema::{EnumSchema, MessageSchema};
use super::text::Text;

/// Why a host did not build a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Host code failed or refused, such as a constructor; the body counts as malformed.
    Host(String),
    /// The value cannot be represented in the host type of this place.
    Range(String),
}

/// Answer of a front end.
pub type Made<T> = Result<T, Refusal>;

/// A host front end for decoding. One object serves one call and holds the host's context.
///
/// `ty` is the place of the value in the schema; its `node` finds what the front end builds there.
/// Hints are small enough to reserve; containers grow as elements arrive.
pub trait Sink {
    /// A host value.
    type Value;
    /// A list or set that is being filled.
    type List;
    /// A map that is being filled.
    type Map;
    /// A record that is being filled.
    type Record;

    /// Makes a null.
    fn null(&mut self, ty: &TypePlan) -> Made<Self::Value>;
    /// Makes a truth value.
    fn boolean(&mut self, ty: &TypePlan, value: bool) -> Made<Self::Value>;
    /// Makes a whole number of a signed type.
    fn signed(&mut self, ty: &TypePlan, value: i64) -> Made<Self::Value>;
    /// Makes a whole number of an unsigned type.
    fn unsigned(&mut self, ty: &TypePlan, value: u64) -> Made<Self::Value>;
    /// Makes a floating-point number.
    fn float(&mut self, ty: &TypePlan, value: f64) -> Made<Self::Value>;
    /// Makes text; it is well formed.
    fn text(&mut self, ty: &TypePlan, value: Text<'_>) -> Made<Self::Value>;
    /// Makes bytes.
    fn bytes(&mut self, ty: &TypePlan, value: &[u8]) -> Made<Self::Value>;
    /// Makes a timestamp from microseconds since 1970 in UTC.
    fn timestamp(&mut self, ty: &TypePlan, micros: i64) -> Made<Self::Value>;
    /// Makes a date from days since 1970-01-01.
    fn date(&mut self, ty: &TypePlan, days: i64) -> Made<Self::Value>;
    /// Makes a duration from microseconds.
    fn duration(&mut self, ty: &TypePlan, micros: i64) -> Made<Self::Value>;
    /// Makes a decimal from its text, in the form JSON mode writes.
    fn decimal(&mut self, ty: &TypePlan, text: &str) -> Made<Self::Value>;
    /// Makes a member of an enum by its position.
    fn member(&mut self, ty: &TypePlan, choices: &EnumSchema, index: usize) -> Made<Self::Value>;

    /// Starts a list or set.
    fn list_open(&mut self, ty: &TypePlan, hint: usize) -> Made<Self::List>;
    /// Adds an element; the elements of a set differ.
    fn list_push(&mut self, list: &mut Self::List, value: Self::Value) -> Made<()>;
    /// Completes a list or set.
    fn list_close(&mut self, ty: &TypePlan, list: Self::List) -> Made<Self::Value>;

    /// Starts a map.
    fn map_open(&mut self, ty: &TypePlan, hint: usize) -> Made<Self::Map>;
    /// Adds an entry; returns false, and may drop it, if the key is there already.
    fn map_put(&mut self, map: &mut Self::Map, key: Self::Value, value: Self::Value) -> Made<bool>;
    /// Completes a map.
    fn map_close(&mut self, ty: &TypePlan, map: Self::Map) -> Made<Self::Value>;

    /// Starts a record.
    fn record_open(&mut self, message: &MessageSchema) -> Made<Self::Record>;
    /// Sets a field by its position in the message; each at most once, in any order.
    fn record_set(
        &mut self,
        record: &mut Self::Record,
        message: &MessageSchema,
        index: usize,
        value: Self::Value,
    ) -> Made<()>;
    /// Leaves a field to the host, which computes its default.
    fn record_computed(&mut self, record: &mut Self::Record, message: &MessageSchema, index: usize) -> Made<()>;
    /// Completes a record; host constructors may refuse it.
    fn record_close(&mut self, message: &MessageSchema, record: Self::Record) -> Made<Self::Value>;
}
