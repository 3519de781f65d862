//! JSON strings, numbers and words to values without parts, and names to map keys.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::decimal::Decimal;
use super::super::plan::{Integer, Kind, TypePlan};
use super::super::sink::Sink;
use super::super::text::Text;
use super::super::time;
use super::super::violation::Step;
use super::super::walk::{broken, expected, made, narrow, unknown_member};
use super::lexer::Literal;
use super::read::Reader;

impl Reader<'_, '_> {
    pub(super) fn key<K: Sink>(&mut self, sink: &mut K, ty: &TypePlan, text: &str) -> Step<K::Value> {
        self.charge(text.len())?;
        let fault = || expected(self.schema, ty);
        match &ty.kind {
            Kind::String => made(sink.text(ty, Text::Utf8(text))),
            Kind::Bool => match text {
                "true" => made(sink.boolean(ty, true)),
                "false" => made(sink.boolean(ty, false)),
                _ => Err(fault()),
            },
            Kind::Integer(of) => {
                let digits = text.strip_prefix('-').unwrap_or(text);
                let plain = digits.bytes().all(|c| c.is_ascii_digit()) && (!digits.starts_with('0') || text == "0");
                let number = Some(text).filter(|_| plain).and_then(whole);
                integer(sink, ty, *of, number.ok_or_else(fault)?).unwrap_or_else(|| Err(fault()))
            }
            Kind::Enum(id) => {
                let choices = self.schema.choices(*id).ok_or_else(broken)?;
                let index = choices.by_name(text).or_else(|| choices.by_text(text));
                made(sink.member(ty, choices, index.ok_or_else(|| unknown_member(choices))?))
            }
            _ => Err(broken()),
        }
    }

    pub(super) fn scalar<K: Sink>(&mut self, sink: &mut K, ty: &TypePlan) -> Step<K::Value> {
        match self.lexer.peek() {
            Some(b'"') => {
                let text = self.lexer.string()?;
                self.charge(if matches!(ty.kind, Kind::Decimal) { Decimal::text_cost(&text) } else { text.len() })?;
                self.read_text(sink, ty, &text)
            }
            Some(b'-' | b'0'..=b'9') => {
                let literal = self.lexer.number()?;
                self.read_number(sink, ty, literal)
            }
            Some(first @ (b't' | b'f')) if matches!(ty.kind, Kind::Bool) => {
                self.lexer.word(if first == b't' { "true" } else { "false" })?;
                made(sink.boolean(ty, first == b't'))
            }
            _ => Err(self.other(ty)),
        }
    }

    fn read_text<K: Sink>(&self, sink: &mut K, ty: &TypePlan, text: &str) -> Step<K::Value> {
        let fault = || expected(self.schema, ty);
        made(match &ty.kind {
            Kind::String => sink.text(ty, Text::Utf8(text)),
            Kind::Binary => sink.bytes(ty, &STANDARD.decode(text).map_err(|_| fault())?),
            Kind::Float64 | Kind::Float32 => sink.float(ty, float_word(text).ok_or_else(fault)?),
            Kind::Timestamp => sink.timestamp(ty, time::parse_timestamp(text).ok_or_else(fault)?),
            Kind::Date => sink.date(ty, time::parse_date(text).ok_or_else(fault)?),
            Kind::Duration => sink.duration(ty, time::parse_duration(text).ok_or_else(fault)?),
            Kind::Decimal => sink.decimal(ty, &Decimal::parse(text).ok_or_else(fault)?.text()),
            Kind::Enum(id) => {
                let choices = self.schema.choices(*id).ok_or_else(broken)?;
                let index = choices.by_name(text).or_else(|| choices.by_text(text));
                sink.member(ty, choices, index.ok_or_else(fault)?)
            }
            _ => return Err(fault()),
        })
    }

    fn read_number<K: Sink>(&self, sink: &mut K, ty: &TypePlan, literal: Literal<'_>) -> Step<K::Value> {
        let fault = || expected(self.schema, ty);
        match &ty.kind {
            Kind::Integer(of) => {
                let number = Some(literal.text).filter(|_| literal.integer).and_then(whole);
                integer(sink, ty, *of, number.ok_or_else(fault)?).unwrap_or_else(|| Err(fault()))
            }
            Kind::Float64 => made(sink.float(ty, double(literal).ok_or_else(fault)?)),
            Kind::Float32 => {
                let value = double(literal).filter(|value| narrow(*value).is_some());
                made(sink.float(ty, value.ok_or_else(fault)?))
            }
            Kind::Enum(id) => {
                let choices = self.schema.choices(*id).ok_or_else(broken)?;
                let number = Some(literal.text).filter(|_| literal.integer).and_then(whole);
                let index = number.and_then(|number| choices.by_value(number));
                made(sink.member(ty, choices, index.ok_or_else(fault)?))
            }
            _ => Err(fault()),
        }
    }
}

/// Makes a whole number; `None` if it is outside the domain.
fn integer<K: Sink>(sink: &mut K, ty: &TypePlan, of: Integer, value: i128) -> Option<Step<K::Value>> {
    if !of.holds(value) {
        return None;
    }
    Some(made(match of.is_signed() {
        true => sink.signed(ty, i64::try_from(value).ok()?),
        false => sink.unsigned(ty, u64::try_from(value).ok()?),
    }))
}

/// Reads a whole number of any integer type; `None` if it is longer.
fn whole(text: &str) -> Option<i128> {
    const LONGEST: usize = "-18446744073709551615".len();
    Some(text).filter(|text| text.len() <= LONGEST).and_then(|text| text.parse().ok())
}

/// Reads a number as a double; integer literals must be exact.
fn double(literal: Literal<'_>) -> Option<f64> {
    const ALWAYS_EXACT: usize = 15;
    let value: f64 = literal.text.parse().ok().filter(|value: &f64| value.is_finite())?;
    let exact = !literal.integer || literal.text.len() <= ALWAYS_EXACT || format!("{value:.0}") == literal.text;
    exact.then_some(value)
}

fn float_word(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}
