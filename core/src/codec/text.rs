//! Text as hosts and bodies hold it, without copies on the way (`codec.md` section 3).

use std::borrow::Cow;

use super::bytes::put_uvarint64;
use super::violation::{Fault, Step};

/// Borrowed text in one of the encodings of hosts and bodies.
#[derive(Clone, Copy, Debug)]
pub enum Text<'t> {
    /// One byte per character, U+0000 to U+00FF.
    Latin1(&'t [u8]),
    /// Code units of a host; may hold unpaired surrogates, which are refused.
    Utf16(&'t [u16]),
    /// Little-endian code units of a body; well formed.
    Utf16Le(&'t [u8]),
    /// UTF-8.
    Utf8(&'t str),
}

impl<'t> Text<'t> {
    /// Returns the text in UTF-8; unpaired surrogates become U+FFFD.
    #[inline]
    pub fn to_utf8(self) -> Cow<'t, str> {
        match self {
            Text::Latin1(raw) => match std::str::from_utf8(raw) {
                Ok(text) if raw.is_ascii() => Cow::Borrowed(text),
                _ => Cow::Owned(raw.iter().map(|c| char::from(*c)).collect()),
            },
            Text::Utf16(units) => Cow::Owned(String::from_utf16_lossy(units)),
            Text::Utf16Le(raw) => {
                Cow::Owned(char::decode_utf16(units_of(raw)).map(|c| c.unwrap_or('\u{fffd}')).collect())
            }
            Text::Utf8(text) => Cow::Borrowed(text),
        }
    }
}

/// Tells whether text is a UUID as hosts write it: 36 lower-case characters with four dashes.
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

const LATIN1: u64 = 0;
const UTF16: u64 = 1;
const UTF8: u64 = 2;

fn units_of(raw: &[u8]) -> impl Iterator<Item = u16> + Clone {
    raw.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair))
}

/// Writes text in the narrowest encoding; false if it has unpaired surrogates.
#[inline(always)]
pub(super) fn write(out: &mut Vec<u8>, text: Text<'_>) -> bool {
    match text {
        Text::Latin1(raw) => put(out, LATIN1, raw),
        Text::Utf8(text) if text.is_ascii() => put(out, LATIN1, text.as_bytes()),
        Text::Utf8(text) => write_wide(out, text),
        Text::Utf16(units) => return write_units(out, units),
        Text::Utf16Le(_) => write_wide(out, &text.to_utf8()),
    }
    true
}

#[inline(always)]
fn put(out: &mut Vec<u8>, encoding: u64, raw: &[u8]) {
    put_uvarint64(out, (raw.len() as u64) << 2 | encoding);
    out.extend_from_slice(raw);
}

/// Writes text that is not ASCII.
fn write_wide(out: &mut Vec<u8>, text: &str) {
    let highest = text.chars().max().map_or(0, u32::from);
    if highest < 0x100 {
        put_uvarint64(out, (text.chars().count() as u64) << 2 | LATIN1);
        out.extend(text.chars().map(|c| u32::from(c) as u8));
    } else if highest < 0x1_0000 {
        put_uvarint64(out, (text.chars().count() as u64) << 3 | UTF16);
        out.extend(text.chars().flat_map(|c| (u32::from(c) as u16).to_le_bytes()));
    } else {
        put(out, UTF8, text.as_bytes());
    }
}

fn write_units(out: &mut Vec<u8>, units: &[u16]) -> bool {
    if units.iter().all(|unit| *unit < 0x100) {
        put_uvarint64(out, (units.len() as u64) << 2 | LATIN1);
        out.extend(units.iter().map(|unit| *unit as u8));
        return true;
    }
    if units.iter().all(|unit| !(0xd800..0xe000).contains(unit)) {
        put_uvarint64(out, (units.len() as u64) << 3 | UTF16);
        out.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
        return true;
    }
    match String::from_utf16(units) {
        Ok(text) => {
            put(out, UTF8, text.as_bytes());
            true
        }
        Err(_) => false,
    }
}

/// Appends text in UTF-8; false if it has unpaired surrogates.
pub(super) fn write_utf8(out: &mut Vec<u8>, text: Text<'_>) -> bool {
    if let Text::Utf16(units) = text
        && char::decode_utf16(units.iter().copied()).any(|c| c.is_err())
    {
        return false;
    }
    out.extend_from_slice(text.to_utf8().as_bytes());
    true
}

/// Reads the bytes of a text with its header number; checks that it is well formed.
#[inline]
pub(super) fn check(encoding: u64, raw: &[u8]) -> Step<Text<'_>> {
    if encoding & 3 == LATIN1 { Ok(Text::Latin1(raw)) } else { check_wide(encoding, raw) }
}

fn check_wide(encoding: u64, raw: &[u8]) -> Step<Text<'_>> {
    let invalid = || Fault::malformed("invalid text");
    match encoding & 3 {
        UTF16 => {
            let sound = raw.len().is_multiple_of(2) && char::decode_utf16(units_of(raw)).all(|c| c.is_ok());
            sound.then_some(Text::Utf16Le(raw)).ok_or_else(invalid)
        }
        UTF8 => std::str::from_utf8(raw).map(Text::Utf8).map_err(|_| invalid()),
        _ => Err(Fault::malformed("unknown text encoding")),
    }
}
