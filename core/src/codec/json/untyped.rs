//! JSON text without a type to trees of values, and back (`c-abi.md` section 4, group `value`).
//!
//! Text becomes null, truth values, numbers, text, lists and records; values of other kinds are written as JSON mode
//! writes them (`codec.md` section 2).

use std::collections::HashSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::limits;

use super::super::time;
use super::super::value::{Record, Value};
use super::super::violation::{CodecError, Fault, Step};
use super::super::walk::too_deep;
use super::lexer::{Lexer, Literal, not_json};
use super::write::{float_text, write_text};

/// What stands for the root in locations.
const ROOT: &str = "value";

/// Containers of any kind on one path: messages with the containers that may stand between two of them.
const MAX_DEPTH: usize = limits::MAX_MESSAGE_DEPTH * (limits::MAX_TYPE_DEPTH + 1);

impl Value {
    /// How many containers may be inside each other.
    pub const MAX_DEPTH: usize = MAX_DEPTH;

    /// Reads JSON text of any shape. Objects become records without a tag.
    ///
    /// # Errors
    /// If the text is not JSON, hits a limit, names a member twice, or holds an integer beyond 64 bits.
    pub fn from_json(text: &[u8]) -> Result<Self, CodecError> {
        let read = || {
            let mut reader = Reader { lexer: Lexer::new(text)?, budget: limits::MAX_VALUE_GRAPH };
            let value = reader.run()?;
            reader.lexer.end().map(|()| value)
        };
        read().map_err(|fault: Box<Fault>| fault.finish(ROOT.to_owned(), None))
    }

    /// Writes the value as JSON text, without white space.
    ///
    /// # Errors
    /// If JSON mode has no form for it: a key that is no text, integer, bool or enum, or a time out of range.
    pub fn to_json(&self) -> Result<String, CodecError> {
        let mut out = Vec::new();
        write(&mut out, self).map_err(|fault| fault.finish(ROOT.to_owned(), None))?;
        String::from_utf8(out).map_err(|_| not_json().finish(ROOT.to_owned(), None))
    }
}

struct Reader<'b> {
    lexer: Lexer<'b>,
    budget: usize,
}

/// A container that is being read.
enum Open {
    List(Vec<Value>),
    Record { fields: Vec<(Arc<str>, Value)>, names: HashSet<Arc<str>>, name: Arc<str> },
}

impl Reader<'_> {
    fn charge(&mut self, amount: usize) -> Step<()> {
        self.budget = self.budget.checked_sub(amount).ok_or_else(|| Fault::malformed("decoded value is too large"))?;
        Ok(())
    }

    fn run(&mut self) -> Step<Value> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            let Some(mut value) = self.start(&mut open)? else { continue };
            // A value is complete: close what ends with it.
            loop {
                let Some(parent) = open.last_mut() else { return Ok(value) };
                if self.accept(parent, value)? {
                    break;
                }
                value = match open.pop() {
                    Some(Open::List(items)) => Value::List(items),
                    Some(Open::Record { fields, .. }) => Value::Record(Record { tag: None, fields }),
                    None => return Err(not_json()),
                };
            }
        }
    }

    /// Reads a value without parts; `None` if a container was opened instead.
    fn start(&mut self, open: &mut Vec<Open>) -> Step<Option<Value>> {
        self.charge(limits::GRAPH_ELEMENT)?;
        let first = self.lexer.peek().ok_or_else(not_json)?;
        if matches!(first, b'{' | b'[') && open.len() >= MAX_DEPTH {
            return Err(too_deep());
        }
        let opened = match first {
            b'{' => {
                self.lexer.expect(b'{')?;
                if self.lexer.take(b'}') {
                    return Ok(Some(Value::Record(Record::default())));
                }
                let mut names = HashSet::new();
                let name = self.name(&mut names)?;
                Open::Record { fields: Vec::new(), names, name }
            }
            b'[' => {
                self.lexer.expect(b'[')?;
                if self.lexer.take(b']') {
                    return Ok(Some(Value::List(Vec::new())));
                }
                Open::List(Vec::new())
            }
            b'"' => {
                let text = self.lexer.string()?;
                self.charge(text.len())?;
                return Ok(Some(Value::Text(text.into_owned())));
            }
            b't' => return self.lexer.word("true").map(|()| Some(Value::Bool(true))),
            b'f' => return self.lexer.word("false").map(|()| Some(Value::Bool(false))),
            b'n' => return self.lexer.word("null").map(|()| Some(Value::Null)),
            _ => return number(self.lexer.number()?).map(Some),
        };
        open.push(opened);
        Ok(None)
    }

    /// Adds a part; false if it was the last one, whose bracket is taken.
    fn accept(&mut self, parent: &mut Open, value: Value) -> Step<bool> {
        match parent {
            Open::List(items) => {
                items.push(value);
                let more = self.lexer.take(b',');
                if !more {
                    self.lexer.expect(b']')?;
                }
                Ok(more)
            }
            Open::Record { fields, names, name } => {
                fields.push((Arc::clone(name), value));
                let more = self.lexer.take(b',');
                if more {
                    *name = self.name(names)?;
                } else {
                    self.lexer.expect(b'}')?;
                }
                Ok(more)
            }
        }
    }

    fn name(&mut self, names: &mut HashSet<Arc<str>>) -> Step<Arc<str>> {
        let name: Arc<str> = self.lexer.string()?.into();
        self.lexer.expect(b':')?;
        self.charge(limits::GRAPH_ENTRY.saturating_add(name.len()))?;
        if names.insert(Arc::clone(&name)) { Ok(name) } else { Err(Fault::violation("duplicate name")) }
    }
}

fn number(literal: Literal<'_>) -> Step<Value> {
    let Literal { text, integer } = literal;
    if !integer {
        return text.parse().map(Value::Float).map_err(|_| not_json());
    }
    let signed = text.parse().map(Value::Int);
    signed.or_else(|_| text.parse().map(Value::Uint)).map_err(|_| Fault::violation("integer out of range"))
}

/// A container that is being written.
enum Frame<'v> {
    List(std::slice::Iter<'v, Value>),
    Map(std::slice::Iter<'v, (Value, Value)>),
    Record(std::slice::Iter<'v, (Arc<str>, Value)>),
}

fn write(out: &mut Vec<u8>, value: &Value) -> Step<()> {
    let mut stack = Vec::new();
    let mut current = start(out, value)?;
    loop {
        let Some(frame) = &mut current else {
            match stack.pop() {
                Some(parent) => current = Some(parent),
                None => return Ok(()),
            }
            continue;
        };
        let (next, close) = match frame {
            Frame::List(items) => (items.next(), b']'),
            Frame::Map(entries) => (next_entry(out, entries)?, b'}'),
            Frame::Record(fields) => (next_field(out, fields), b'}'),
        };
        match next {
            None => {
                if out.last() == Some(&b',') {
                    out.pop();
                }
                out.push(close);
                current = stack.pop();
                if current.is_none() {
                    return Ok(());
                }
                out.push(b',');
            }
            Some(value) => match start(out, value)? {
                None => out.push(b','),
                opened => stack.extend(std::mem::replace(&mut current, opened)),
            },
        }
    }
}

fn next_entry<'v>(out: &mut Vec<u8>, entries: &mut std::slice::Iter<'v, (Value, Value)>) -> Step<Option<&'v Value>> {
    let Some((key, value)) = entries.next() else { return Ok(None) };
    match key {
        Value::Text(key) => write_text(out, key),
        Value::Enum(key) => write_text(out, key),
        Value::Int(_) | Value::Uint(_) | Value::Bool(_) => {
            out.push(b'"');
            start(out, key)?;
            out.push(b'"');
        }
        _ => return Err(Fault::violation("a key that JSON has no form for")),
    }
    out.push(b':');
    Ok(Some(value))
}

fn next_field<'v>(out: &mut Vec<u8>, fields: &mut std::slice::Iter<'v, (Arc<str>, Value)>) -> Option<&'v Value> {
    let (name, value) = fields.next()?;
    write_text(out, name);
    out.push(b':');
    Some(value)
}

/// Writes a value without parts, or the bracket of a container.
fn start<'v>(out: &mut Vec<u8>, value: &'v Value) -> Step<Option<Frame<'v>>> {
    let plain = match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Float(value) => float_text(*value),
        Value::Bytes(raw) => format!("\"{}\"", STANDARD.encode(raw)),
        Value::Timestamp(at) if time::is_timestamp(*at) => format!("\"{}\"", time::timestamp_text(*at)),
        Value::Date(day) if time::is_date(*day) => format!("\"{}\"", time::date_text(*day)),
        Value::Timestamp(_) | Value::Date(_) => return Err(Fault::violation("time out of range")),
        Value::Duration(micros) => format!("\"{}\"", time::duration_text(*micros)),
        Value::Text(text) | Value::Decimal(text) => {
            write_text(out, text);
            return Ok(None);
        }
        Value::Enum(name) => {
            write_text(out, name);
            return Ok(None);
        }
        Value::List(items) => {
            out.push(b'[');
            return Ok(Some(Frame::List(items.iter())));
        }
        Value::Map(entries) => {
            out.push(b'{');
            return Ok(Some(Frame::Map(entries.iter())));
        }
        Value::Record(record) => {
            out.push(b'{');
            return Ok(Some(Frame::Record(record.fields.iter())));
        }
    };
    out.extend_from_slice(plain.as_bytes());
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_reads_and_writes_back() {
        let text =
            r#"{"a":[1,-2,18446744073709551615,1.5,-0.0,null,true,false,"é\"\n"],"b":{},"c":[],"d":[[{"e":[]}]]}"#;
        let value = Value::from_json(text.as_bytes()).expect("is JSON");
        assert_eq!(value.to_json().expect("has a form"), text);
        assert_eq!(Value::from_json(b" [ 7 ] ").expect("is JSON"), Value::List(vec![Value::Int(7)]));
    }

    #[test]
    fn what_is_no_value_is_refused() {
        let deep = [vec![b'['; MAX_DEPTH + 1], vec![b']'; MAX_DEPTH + 1]].concat();
        let texts: [&[u8]; 9] = [
            b"",
            b"[1,]",
            b"{\"a\":1,}",
            b"{\"a\":1,\"a\":2}",
            b"1 2",
            b"18446744073709551616",
            b"\xff",
            b"{1:2}",
            &deep,
        ];
        for text in texts {
            assert!(Value::from_json(text).is_err(), "{}", String::from_utf8_lossy(text));
        }
        assert!(Value::from_json(&[vec![b'['; MAX_DEPTH], vec![b']'; MAX_DEPTH]].concat()).is_ok());
    }

    #[test]
    fn other_kinds_have_the_forms_of_json_mode() {
        let entries = vec![
            (Value::Bool(true), Value::Bytes(vec![0, 255])),
            (Value::Int(-5), Value::Timestamp(1)),
            (Value::Enum("RED".into()), Value::Duration(-999_500)),
            (Value::Text("d".to_owned()), Value::Date(0)),
            (Value::Uint(5), Value::Float(f64::NAN)),
        ];
        let wanted =
            r#"{"true":"AP8=","-5":"1970-01-01T00:00:00.000001Z","RED":"-0.999500s","d":"1970-01-01","5":"NaN"}"#;
        assert_eq!(Value::Map(entries).to_json().expect("has a form"), wanted);
        assert!(Value::Date(i64::MAX).to_json().is_err());
        assert!(Value::Map(vec![(Value::Float(1.0), Value::Null)]).to_json().is_err());
        assert_eq!(Value::decimal("12.50"), Some(Value::Decimal("12.50".to_owned())));
        assert_eq!(Value::decimal("1,5"), None);
    }
}
