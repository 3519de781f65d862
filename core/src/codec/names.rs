//! Packed names in type definitions, and names quoted in messages (`codec.md` sections 3 and 4).
//!
//! Not here: the type definitions around them ([`super::definition`]), wire names ([`crate::types::wire_name`]).

use std::borrow::Cow;

/// Where a packed name stands; each place has its own special characters and encodings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Package of a type.
    Namespace,
    /// Name of a type.
    TypeName,
    /// Name of a field.
    Field,
}

const UTF8: u8 = 0;
const LOWER: u8 = 1;
const MIXED: u8 = 2;
const FIRST: u8 = 3;

impl Place {
    /// The two characters beside letters and digits that have a six-bit code.
    const fn specials(self) -> [u8; 2] {
        match self {
            Place::Namespace => *b"._",
            Place::TypeName | Place::Field => *b"$_",
        }
    }
}

/// Packs a name and returns the number of its encoding with the bytes.
pub fn pack(name: &str, place: Place) -> (u8, Vec<u8>) {
    let raw = name.as_bytes();
    let specials = place.specials();
    let plain = raw.iter().all(|c| c.is_ascii_alphanumeric() || specials.contains(c));
    if !plain || raw.is_empty() {
        return (UTF8, raw.to_vec());
    }
    let upper = raw.iter().filter(|c| c.is_ascii_uppercase()).count();
    let digits = raw.iter().any(u8::is_ascii_digit);
    if digits {
        return (MIXED, pack_mixed(raw, specials));
    }
    if place == Place::TypeName && upper == 1 && raw.first().is_some_and(u8::is_ascii_uppercase) {
        return (FIRST, pack_bits(raw.iter().map(|c| lower_code(c.to_ascii_lowercase())), 5));
    }
    if (raw.len() + upper) * 5 < raw.len() * 6 {
        let codes = raw.iter().flat_map(|c| {
            let bar = c.is_ascii_uppercase().then_some(BAR);
            bar.into_iter().chain([lower_code(c.to_ascii_lowercase())])
        });
        return (LOWER, pack_bits(codes, 5));
    }
    (MIXED, pack_mixed(raw, specials))
}

/// Unpacks a name; `None` if it is not well formed.
pub fn unpack(raw: &[u8], encoding: u8, place: Place) -> Option<String> {
    if raw.is_empty() {
        // An empty name has one spelling only in practice, but every encoding of the place reads as empty.
        return (encoding <= MIXED || place == Place::TypeName).then(String::new);
    }
    match encoding {
        UTF8 => std::str::from_utf8(raw).ok().map(str::to_owned),
        LOWER => {
            let mut out = String::new();
            let mut bar = false;
            for code in unpack_bits(raw, 5) {
                let c = lower_char(code)?;
                match (bar, c) {
                    (false, '|') => bar = true,
                    _ => {
                        out.push(if bar { c.to_ascii_uppercase() } else { c });
                        bar = false;
                    }
                }
            }
            (!bar).then_some(out)
        }
        MIXED => {
            let specials = place.specials();
            unpack_bits(raw, 6).map(|code| mixed_char(code, specials)).collect()
        }
        FIRST if place == Place::TypeName => {
            let mut out = String::new();
            for code in unpack_bits(raw, 5) {
                let c = lower_char(code)?;
                out.push(if out.is_empty() { c.to_ascii_uppercase() } else { c });
            }
            Some(out)
        }
        _ => None,
    }
}

/// Code of the bar that marks an upper-case letter.
const BAR: u8 = 29;

fn lower_code(c: u8) -> u8 {
    match c {
        b'a'..=b'z' => c - b'a',
        b'.' => 26,
        b'_' => 27,
        _ => 28,
    }
}

fn lower_char(code: u8) -> Option<char> {
    match code {
        0..=25 => Some(char::from(b'a' + code)),
        26 => Some('.'),
        27 => Some('_'),
        28 => Some('$'),
        BAR => Some('|'),
        _ => None,
    }
}

fn pack_mixed(raw: &[u8], specials: [u8; 2]) -> Vec<u8> {
    let code = |c: &u8| match c {
        b'a'..=b'z' => c - b'a',
        b'A'..=b'Z' => 26 + (c - b'A'),
        b'0'..=b'9' => 52 + (c - b'0'),
        c if *c == specials[0] => 62,
        _ => 63,
    };
    pack_bits(raw.iter().map(code), 6)
}

fn mixed_char(code: u8, specials: [u8; 2]) -> Option<char> {
    match code {
        0..=25 => Some(char::from(b'a' + code)),
        26..=51 => Some(char::from(b'A' + (code - 26))),
        52..=61 => Some(char::from(b'0' + (code - 52))),
        62 => Some(char::from(specials[0])),
        63 => Some(char::from(specials[1])),
        _ => None,
    }
}

/// Packs codes after one leading bit, which tells whether the padding is as wide as a character.
fn pack_bits(codes: impl Iterator<Item = u8>, width: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut pending, mut held) = (0u32, 1u32);
    for code in codes {
        pending = (pending << width) | u32::from(code);
        held += width;
        while held >= 8 {
            held -= 8;
            out.push((pending >> held) as u8);
            pending &= (1 << held) - 1;
        }
    }
    if held > 0 {
        out.push((pending << (8 - held)) as u8);
    }
    let padding = (8 - held) % 8;
    if padding >= width
        && let Some(first) = out.first_mut()
    {
        *first |= 0x80;
    }
    out
}

/// Reads the codes of [`pack_bits`].
fn unpack_bits(raw: &[u8], width: usize) -> impl Iterator<Item = u8> {
    let stripped = usize::from(raw.first().is_some_and(|first| first & 0x80 != 0));
    let bits = raw.len().saturating_mul(8).saturating_sub(1);
    let count = (bits / width).saturating_sub(stripped);
    let bit = |at: usize| raw.get(at / 8).is_some_and(|byte| byte & (0x80 >> (at % 8)) != 0);
    (0..count).map(move |i| {
        let start = 1 + i * width;
        (start..start + width).fold(0, |code, at| code << 1 | u8::from(bit(at)))
    })
}

/// Quotes a name from a peer for a message: single quotes, escapes, at most 80 characters.
pub fn quote(name: &str) -> String {
    const KEPT: usize = 80;
    let shown: Cow<'_, str> = match name.char_indices().nth(KEPT) {
        Some((cut, _)) => Cow::Owned(format!("{}...(truncated)", name.get(..cut).unwrap_or_default())),
        None => Cow::Borrowed(name),
    };
    let mut out = String::with_capacity(shown.len() + 2);
    out.push('\'');
    for c in shown.chars() {
        match c {
            '\\' | '\'' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_printable(c) => out.push(c),
            c => {
                let n = u32::from(c);
                let escaped = match n {
                    0..=0xff => format!("\\x{n:02x}"),
                    0x100..=0xffff => format!("\\u{n:04x}"),
                    _ => format!("\\U{n:08x}"),
                };
                out.push_str(&escaped);
            }
        }
    }
    out.push('\'');
    out
}

/// Tells whether a character can be shown as it is: no control, format, separator or unassigned one.
fn is_printable(c: char) -> bool {
    // `escape_debug` escapes what has no glyph; the backslash and quotes it also escapes are handled before.
    c == ' ' || c == '"' || (!c.is_whitespace() && c.escape_debug().len() == 1)
}

/// Quotes at most five names and tells how many more there are.
pub fn quote_all<'n>(names: impl IntoIterator<Item = &'n str>) -> Vec<String> {
    const SHOWN: usize = 5;
    let mut names = names.into_iter();
    let mut out: Vec<String> = names.by_ref().take(SHOWN).map(quote).collect();
    let more = names.count();
    if more > 0 {
        out.push(format!("...(+{more} more)"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_the_examples_of_the_specification() {
        let hex = |name, place| pack(name, place).1.iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert_eq!(pack("Cart", Place::TypeName).0, FIRST);
        assert_eq!(hex("Cart", Place::TypeName), "081198");
        assert_eq!(hex("HTTPServer", Place::TypeName), "436db4d8222a8888");
        assert_eq!(hex("Snake_Name", Place::TypeName), "58680509fce01820");
    }

    #[test]
    fn unpacks_what_it_packed() {
        for name in ["", "a", "total", "Cart", "HTTPServer", "snake_name", "With2Digits", "A$B", "größe", "x__y"] {
            for place in [Place::Namespace, Place::TypeName, Place::Field] {
                let (encoding, raw) = pack(name, place);
                assert_eq!(unpack(&raw, encoding, place).as_deref(), Some(name), "{name} {place:?}");
            }
        }
    }

    #[test]
    fn never_panics_on_foreign_names() {
        for encoding in 0..=4 {
            for place in [Place::Namespace, Place::TypeName, Place::Field] {
                for byte in 0..=255u8 {
                    let _ = unpack(&[byte, 0xff, byte], encoding, place);
                    let _ = unpack(&[byte], encoding, place);
                }
            }
        }
    }

    #[test]
    fn quotes_names_of_peers() {
        assert_eq!(quote("it's"), "'it\\'s'");
        assert_eq!(quote("\u{1b}[31m"), "'\\x1b[31m'");
        assert_eq!(quote("\u{200b}"), "'\\u200b'");
        assert_eq!(quote_all(["a"; 7]).last().map(String::as_str), Some("...(+2 more)"));
    }
}
