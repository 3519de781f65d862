//! Tokens of strict JSON.
//!
//! Not here: which token may stand where ([`super::read`]).

use std::borrow::Cow;

use super::super::violation::{Fault, Step};

/// A position in a JSON text.
#[derive(Clone)]
pub(super) struct Lexer<'b> {
    text: &'b str,
    at: usize,
}

/// A number as it is written.
#[derive(Clone, Copy)]
pub(super) struct Literal<'b> {
    pub(super) text: &'b str,
    /// Neither fraction nor exponent.
    pub(super) integer: bool,
}

#[cold]
pub(super) fn not_json() -> Box<Fault> {
    Fault::malformed("not JSON")
}

impl<'b> Lexer<'b> {
    pub(super) fn new(body: &'b [u8]) -> Step<Self> {
        Ok(Self { text: std::str::from_utf8(body).map_err(|_| not_json())?, at: 0 })
    }

    /// Skips white space and returns the byte that follows.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let skipped = rest.iter().position(|c| !matches!(c, b' ' | b'\n' | b'\r' | b'\t')).unwrap_or(rest.len());
        self.at = self.at.saturating_add(skipped);
        rest.get(skipped).copied()
    }

    /// Takes a byte if it is the next one.
    #[inline]
    pub(super) fn take(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at = self.at.saturating_add(1);
        }
        found
    }

    pub(super) fn expect(&mut self, wanted: u8) -> Step<()> {
        if self.take(wanted) { Ok(()) } else { Err(not_json()) }
    }

    /// Takes `true`, `false` or `null`.
    pub(super) fn word(&mut self, word: &str) -> Step<()> {
        self.peek();
        if !self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return Err(not_json());
        }
        self.at = self.at.saturating_add(word.len());
        Ok(())
    }

    /// Takes a string.
    pub(super) fn string(&mut self) -> Step<Cow<'b, str>> {
        self.expect(b'"')?;
        let plain = self.plain()?;
        if self.next()? == b'"' {
            return Ok(Cow::Borrowed(plain));
        }
        let mut out = plain.to_owned();
        loop {
            // The backslash was taken.
            out.push(self.escape()?);
            out.push_str(self.plain()?);
            if self.next()? == b'"' {
                return Ok(Cow::Owned(out));
            }
        }
    }

    /// Takes characters up to a quote or backslash.
    fn plain(&mut self) -> Step<&'b str> {
        let rest = self.text.get(self.at..).ok_or_else(not_json)?;
        let end = rest.bytes().position(|c| c < 0x20 || c == b'"' || c == b'\\').ok_or_else(not_json)?;
        self.at = self.at.saturating_add(end);
        rest.get(..end).ok_or_else(not_json)
    }

    /// Takes a byte of a string, which is no control character.
    fn next(&mut self) -> Step<u8> {
        let byte = self.text.as_bytes().get(self.at).copied().filter(|c| *c >= 0x20).ok_or_else(not_json)?;
        self.at = self.at.saturating_add(1);
        Ok(byte)
    }

    fn escape(&mut self) -> Step<char> {
        Ok(match self.next()? {
            c @ (b'"' | b'\\' | b'/') => char::from(c),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hex()?;
                let second = match first {
                    0xd800..=0xdbff if self.next()? == b'\\' && self.next()? == b'u' => Some(self.hex()?),
                    _ => None,
                };
                let units = [Some(first), second].into_iter().flatten();
                let mut decoded = char::decode_utf16(units);
                match (decoded.next(), decoded.next()) {
                    (Some(Ok(c)), None) => c,
                    _ => return Err(not_json()),
                }
            }
            _ => return Err(not_json()),
        })
    }

    fn hex(&mut self) -> Step<u16> {
        let mut out = 0;
        for _ in 0..4 {
            let digit = char::from(self.next()?).to_digit(16).ok_or_else(not_json)?;
            out = out << 4 | digit as u16;
        }
        Ok(out)
    }

    /// Takes a number.
    pub(super) fn number(&mut self) -> Step<Literal<'b>> {
        self.peek();
        let rest = self.text.get(self.at..).ok_or_else(not_json)?;
        let raw = rest.as_bytes();
        let digits = |from: usize| {
            let count = raw.iter().skip(from).take_while(|c| c.is_ascii_digit()).count();
            if count > 0 { Ok(from.saturating_add(count)) } else { Err(not_json()) }
        };
        let start = usize::from(raw.first() == Some(&b'-'));
        let mut end = if raw.get(start) == Some(&b'0') { start + 1 } else { digits(start)? };
        let whole = end;
        if raw.get(end) == Some(&b'.') {
            end = digits(end + 1)?;
        }
        if matches!(raw.get(end), Some(b'e' | b'E')) {
            let signed = matches!(raw.get(end + 1), Some(b'+' | b'-'));
            end = digits(end + 1 + usize::from(signed))?;
        }
        let text = rest.get(..end).ok_or_else(not_json)?;
        let integer = end == whole;
        if !integer && !text.parse::<f64>().is_ok_and(f64::is_finite) {
            return Err(not_json());
        }
        self.at = self.at.saturating_add(end);
        Ok(Literal { text, integer })
    }

    /// Skips a value of any kind; nesting takes one bit of memory per level.
    pub(super) fn skip(&mut self) -> Step<()> {
        // Open brackets: true for objects.
        let mut open: Vec<bool> = Vec::new();
        loop {
            match self.peek().ok_or_else(not_json)? {
                b'{' => {
                    self.expect(b'{')?;
                    if !self.take(b'}') {
                        open.push(true);
                        self.name()?;
                        continue;
                    }
                }
                b'[' => {
                    self.expect(b'[')?;
                    if !self.take(b']') {
                        open.push(false);
                        continue;
                    }
                }
                b'"' => drop(self.string()?),
                b't' => self.word("true")?,
                b'f' => self.word("false")?,
                b'n' => self.word("null")?,
                _ => drop(self.number()?),
            }
            // A value is complete: close what ends with it.
            loop {
                let Some(object) = open.last().copied() else { return Ok(()) };
                if self.take(b',') {
                    if object {
                        self.name()?;
                    }
                    break;
                }
                self.expect(if object { b'}' } else { b']' })?;
                open.pop();
            }
        }
    }

    fn name(&mut self) -> Step<()> {
        self.string()?;
        self.expect(b':')
    }

    /// Checks that nothing but white space is left.
    pub(super) fn end(&mut self) -> Step<()> {
        if self.peek().is_none() { Ok(()) } else { Err(not_json()) }
    }
}

/// Checks the syntax of a whole text.
pub(super) fn check(body: &[u8]) -> Step<()> {
    let mut lexer = Lexer::new(body)?;
    lexer.skip()?;
    lexer.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_another_parser() {
        let texts = [
            "0",
            "-0",
            "01",
            "-",
            "1.",
            "1.5e+3",
            "1e",
            ".5",
            "1e400",
            "\"\"",
            "\"\\u00e9\\/\"",
            "\"\\x\"",
            "\"\t\"",
            "\"\\ud800\"",
            "\"\\ud800\\udc00\"",
            "\"\\ud800x\"",
            "\"\\udc00\"",
            "[]",
            "[1,]",
            "[,]",
            "[1 2]",
            "{}",
            "{\"a\":1,}",
            "{\"a\":[{}, {\"b\":null}]}",
            "{\"a\"}",
            "{1:2}",
            "tru",
            "true",
            "nulll",
            " null ",
            "",
            "[",
            "[[]",
            "]",
            "\"",
            "+1",
            "NaN",
            "{\"a\":1 \"b\":2}",
        ];
        for text in texts {
            let expected = serde_json::from_str::<serde_json::Value>(text).is_ok();
            assert_eq!(check(text.as_bytes()).is_ok(), expected, "{text}");
        }
    }

    #[test]
    fn skips_deep_nesting() {
        let deep = [vec![b'['; 1 << 20], vec![b']'; 1 << 20]].concat();
        assert!(check(&deep).is_ok());
        assert!(check(&vec![b'['; 1 << 20]).is_err());
    }
}
