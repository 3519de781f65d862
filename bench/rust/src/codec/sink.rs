//! Our codec builds the messages: fields are set in place, strings are made once.

use aster_core::codec::{EnumSchema, Made, MessageSchema, Refusal, Schema, Sink, Text, TypePlan};

use super::model::{Line, Order, Rows, Small};

/// A value that was decoded.
pub enum Built {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Lines(Vec<Line>),
    Line(Line),
    /// Large records; they are made once per body.
    Small(Box<Small>),
    Order(Box<Order>),
    Rows(Box<Rows>),
}

/// Builds structs. Messages go by their number in the schema, fields by position in the declaration.
pub struct StructSink<'t>(pub &'t [Class]);

/// A message of these.
#[derive(Clone, Copy)]
pub enum Class {
    Small,
    Order,
    Line,
    Rows,
}

/// Finds the classes of a schema once.
pub fn classes(schema: &Schema) -> Vec<Class> {
    let class = |message: &MessageSchema| match message.simple_name.as_str() {
        "Order" => Class::Order,
        "Line" => Class::Line,
        "Rows" => Class::Rows,
        _ => Class::Small,
    };
    schema.messages().map(class).collect()
}

fn refused<T>() -> Made<T> {
    Err(Refusal::Range("not in these messages".to_owned()))
}

impl Sink for StructSink<'_> {
    type Value = Built;
    type List = Vec<Line>;
    type Map = ();
    type Record = Built;

    #[inline]
    fn null(&mut self, _: &TypePlan) -> Made<Built> {
        Ok(Built::Null)
    }

    #[inline]
    fn boolean(&mut self, _: &TypePlan, value: bool) -> Made<Built> {
        Ok(Built::Bool(value))
    }

    #[inline]
    fn signed(&mut self, _: &TypePlan, value: i64) -> Made<Built> {
        Ok(Built::Int(value))
    }

    fn unsigned(&mut self, _: &TypePlan, _: u64) -> Made<Built> {
        refused()
    }

    #[inline]
    fn float(&mut self, _: &TypePlan, value: f64) -> Made<Built> {
        Ok(Built::Float(value))
    }

    #[inline]
    fn text(&mut self, _: &TypePlan, value: Text<'_>) -> Made<Built> {
        Ok(Built::Text(value.to_utf8().into_owned()))
    }

    fn bytes(&mut self, _: &TypePlan, _: &[u8]) -> Made<Built> {
        refused()
    }

    fn timestamp(&mut self, _: &TypePlan, _: i64) -> Made<Built> {
        refused()
    }

    fn date(&mut self, _: &TypePlan, _: i64) -> Made<Built> {
        refused()
    }

    fn duration(&mut self, _: &TypePlan, _: i64) -> Made<Built> {
        refused()
    }

    fn decimal(&mut self, _: &TypePlan, _: &str) -> Made<Built> {
        refused()
    }

    fn member(&mut self, _: &TypePlan, _: &EnumSchema, _: usize) -> Made<Built> {
        refused()
    }

    #[inline]
    fn list_open(&mut self, _: &TypePlan, hint: usize) -> Made<Vec<Line>> {
        Ok(Vec::with_capacity(hint))
    }

    #[inline]
    fn list_push(&mut self, list: &mut Vec<Line>, value: Built) -> Made<()> {
        let Built::Line(line) = value else { return refused() };
        list.push(line);
        Ok(())
    }

    #[inline]
    fn list_close(&mut self, _: &TypePlan, list: Vec<Line>) -> Made<Built> {
        Ok(Built::Lines(list))
    }

    fn map_open(&mut self, _: &TypePlan, _: usize) -> Made<()> {
        refused()
    }

    fn map_put(&mut self, (): &mut (), _: Built, _: Built) -> Made<bool> {
        refused()
    }

    fn map_close(&mut self, _: &TypePlan, (): ()) -> Made<Built> {
        refused()
    }

    #[inline]
    fn record_open(&mut self, message: &MessageSchema) -> Made<Built> {
        Ok(match self.0.get(message.id.index()) {
            Some(Class::Line) => Built::Line(Line::default()),
            Some(Class::Order) => Built::Order(Box::default()),
            Some(Class::Rows) => Built::Rows(Box::default()),
            Some(Class::Small) => Built::Small(Box::default()),
            None => return refused(),
        })
    }

    #[inline(always)]
    fn record_set(&mut self, record: &mut Built, _: &MessageSchema, index: usize, value: Built) -> Made<()> {
        match (record, index, value) {
            (Built::Line(line), 0, Built::Text(value)) => line.sku = value,
            (Built::Line(line), 1, Built::Text(value)) => line.name = value,
            (Built::Line(line), 2, Built::Int(value)) => line.qty = value,
            (Built::Line(line), 3, Built::Float(value)) => line.price = value,
            (Built::Line(line), 4, Built::Bool(value)) => line.gift = value,
            (Built::Order(order), index, value) => return set_order(order, index, value),
            (Built::Rows(rows), 0, Built::Lines(value)) => rows.rows = value,
            (Built::Small(small), 0, Built::Text(value)) => small.text = value,
            _ => return refused(),
        }
        Ok(())
    }

    fn record_computed(&mut self, _: &mut Built, _: &MessageSchema, _: usize) -> Made<()> {
        refused()
    }

    #[inline]
    fn record_close(&mut self, _: &MessageSchema, record: Built) -> Made<Built> {
        Ok(record)
    }
}

#[inline]
fn set_order(order: &mut Order, index: usize, value: Built) -> Made<()> {
    match (index, value) {
        (0, Built::Int(value)) => order.id = value,
        (1, Built::Text(value)) => order.customer = value,
        (2, Built::Text(value)) => order.email = value,
        (3, Built::Text(value)) => order.note = Some(value),
        (3, Built::Null) => order.note = None,
        (4, Built::Int(value)) => order.created_ms = value,
        (5, Built::Int(value)) => match i32::try_from(value) {
            Ok(value) => order.priority = value,
            Err(_) => return refused(),
        },
        (6, Built::Float(value)) => order.total = value,
        (7, Built::Float(value)) => order.discount = value,
        (8, Built::Bool(value)) => order.paid = value,
        (9, Built::Lines(value)) => order.lines = value,
        _ => return refused(),
    }
    Ok(())
}
