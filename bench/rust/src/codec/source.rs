//! Our codec's view of the messages: handles to the fields of borrowed structs, no tree.

use std::slice::Iter;

use aster_core::codec::{Entries, EnumSchema, MessageSchema, Mismatch, Number, Read, Source, Text, TypePlan};

use super::model::{Line, Order, Rows, Small};

/// One value of a message, borrowed.
#[derive(Clone, Copy)]
pub enum Handle<'v> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'v str),
    Lines(&'v [Line]),
    Record(View<'v>),
}

/// A message, borrowed.
#[derive(Clone, Copy)]
pub enum View<'v> {
    Small(&'v Small),
    Order(&'v Order),
    Line(&'v Line),
    Rows(&'v Rows),
}

/// Hands structs to the codec. Fields go by position in the declaration.
#[derive(Default)]
pub struct StructSource<'v>(std::marker::PhantomData<&'v ()>);

const REFUSED: Mismatch = Mismatch::Type;

impl<'v> Source for StructSource<'v> {
    type Value = Handle<'v>;
    type List = Iter<'v, Line>;
    type Map = ();
    type Record = View<'v>;

    #[inline]
    fn is_null(&mut self, value: &Handle<'v>) -> bool {
        matches!(value, Handle::Null)
    }

    #[inline]
    fn boolean(&mut self, _: &TypePlan, value: &Handle<'v>) -> Read<bool> {
        if let Handle::Bool(value) = value { Ok(*value) } else { Err(REFUSED) }
    }

    #[inline]
    fn integer(&mut self, _: &TypePlan, value: &Handle<'v>) -> Read<i128> {
        if let Handle::Int(value) = value { Ok(i128::from(*value)) } else { Err(REFUSED) }
    }

    #[inline]
    fn float(&mut self, _: &TypePlan, value: &Handle<'v>) -> Read<Number> {
        if let Handle::Float(value) = value { Ok(Number::Float(*value)) } else { Err(REFUSED) }
    }

    #[inline]
    fn text<R>(&mut self, _: &TypePlan, value: &Handle<'v>, take: impl FnOnce(Text<'_>) -> R) -> Read<R> {
        if let Handle::Text(value) = value { Ok(take(Text::Utf8(value))) } else { Err(REFUSED) }
    }

    fn bytes<R>(&mut self, _: &TypePlan, _: &Handle<'v>, _: impl FnOnce(&[u8]) -> R) -> Read<R> {
        Err(REFUSED)
    }

    fn timestamp(&mut self, _: &TypePlan, _: &Handle<'v>) -> Read<i64> {
        Err(REFUSED)
    }

    fn date(&mut self, _: &TypePlan, _: &Handle<'v>) -> Read<i64> {
        Err(REFUSED)
    }

    fn duration(&mut self, _: &TypePlan, _: &Handle<'v>) -> Read<i64> {
        Err(REFUSED)
    }

    fn decimal<R>(&mut self, _: &TypePlan, _: &Handle<'v>, _: impl FnOnce(&str) -> R) -> Read<R> {
        Err(REFUSED)
    }

    fn member(&mut self, _: &TypePlan, _: &EnumSchema, _: &Handle<'v>) -> Read<usize> {
        Err(REFUSED)
    }

    #[inline]
    fn list(&mut self, _: &TypePlan, value: &Handle<'v>) -> Read<(usize, Iter<'v, Line>)> {
        if let Handle::Lines(lines) = value { Ok((lines.len(), lines.iter())) } else { Err(REFUSED) }
    }

    fn has_null(&mut self, _: &Handle<'v>) -> Read<bool> {
        Ok(false)
    }

    #[inline]
    fn next_item(&mut self, list: &mut Iter<'v, Line>) -> Read<Option<Handle<'v>>> {
        Ok(list.next().map(|line| Handle::Record(View::Line(line))))
    }

    fn map(&mut self, _: &TypePlan, _: &Handle<'v>) -> Read<Entries<()>> {
        Err(REFUSED)
    }

    fn next_entry(&mut self, (): &mut ()) -> Read<Option<(Handle<'v>, Handle<'v>)>> {
        Ok(None)
    }

    #[inline]
    fn record(&mut self, _: &MessageSchema, value: &Handle<'v>) -> Read<View<'v>> {
        if let Handle::Record(record) = value { Ok(*record) } else { Err(REFUSED) }
    }

    #[inline]
    fn field(&mut self, record: &mut View<'v>, _: &MessageSchema, index: usize) -> Read<Option<Handle<'v>>> {
        Ok(match record {
            View::Small(small) => (index == 0).then_some(Handle::Text(&small.text)),
            View::Order(order) => order_field(order, index),
            View::Line(line) => line_field(line, index),
            View::Rows(rows) => (index == 0).then_some(Handle::Lines(&rows.rows)),
        })
    }
}

#[inline]
fn order_field(order: &Order, index: usize) -> Option<Handle<'_>> {
    Some(match index {
        0 => Handle::Int(order.id),
        1 => Handle::Text(&order.customer),
        2 => Handle::Text(&order.email),
        3 => order.note.as_deref().map_or(Handle::Null, Handle::Text),
        4 => Handle::Int(order.created_ms),
        5 => Handle::Int(i64::from(order.priority)),
        6 => Handle::Float(order.total),
        7 => Handle::Float(order.discount),
        8 => Handle::Bool(order.paid),
        9 => Handle::Lines(&order.lines),
        _ => return None,
    })
}

#[inline]
fn line_field(line: &Line, index: usize) -> Option<Handle<'_>> {
    Some(match index {
        0 => Handle::Text(&line.sku),
        1 => Handle::Text(&line.name),
        2 => Handle::Int(line.qty),
        3 => Handle::Float(line.price),
        4 => Handle::Bool(line.gift),
        _ => return None,
    })
}
