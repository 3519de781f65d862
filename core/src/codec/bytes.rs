//! Reader and writers for the numbers of XLANG bytes (`codec.md` section 3).
//!
//! Not here: what the numbers mean ([`super::decode`], [`super::encode`]).

use super::violation::{Fault, Step};

/// A position in a body. Every read is checked against what is left.
#[derive(Clone)]
pub(super) struct Reader<'b> {
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Returns what was not read yet.
    #[inline]
    pub(super) fn rest(&self) -> &'b [u8] {
        self.rest
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Step<u8> {
        let (first, rest) = self.rest.split_first().ok_or_else(Fault::truncated)?;
        self.rest = rest;
        Ok(*first)
    }

    #[inline]
    pub(super) fn take(&mut self, count: usize) -> Step<&'b [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(Fault::truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Step<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or_else(Fault::truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// Reads `uv`: at most 5 bytes and 32 bits.
    #[inline]
    pub(super) fn uvarint32(&mut self) -> Step<u32> {
        match self.rest {
            [first, rest @ ..] if *first < 0x80 => {
                self.rest = rest;
                Ok(u32::from(*first))
            }
            _ => self.long_uvarint32(),
        }
    }

    fn long_uvarint32(&mut self) -> Step<u32> {
        let mut value = 0u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return u32::try_from(value).map_err(|_| Fault::malformed("integer too long"));
            }
        }
        Err(Fault::malformed("integer too long"))
    }

    /// Reads `uv64`: at most 9 bytes, the ninth of which is full.
    #[inline]
    pub(super) fn uvarint64(&mut self) -> Step<u64> {
        match self.rest {
            [first, rest @ ..] if *first < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*first))
            }
            _ => self.long_uvarint64(),
        }
    }

    fn long_uvarint64(&mut self) -> Step<u64> {
        let mut value = 0u64;
        for shift in [0, 7, 14, 21, 28, 35, 42, 49] {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Ok(value | u64::from(self.byte()?) << 56)
    }

    /// Reads `uv64` of a zigzag number.
    #[inline]
    pub(super) fn zigzag64(&mut self) -> Step<i64> {
        Ok(unzigzag(self.uvarint64()?))
    }

    /// Reads a null flag: true for null.
    #[inline]
    pub(super) fn null_flag(&mut self) -> Step<bool> {
        match self.byte()? {
            PRESENT | PRESENT_OLD => Ok(false),
            NULL => Ok(true),
            BACK_REFERENCE => Err(Fault::malformed("back-references are not supported")),
            _ => Err(Fault::malformed("bad null flag")),
        }
    }
}

/// Flag of a null.
pub(super) const NULL: u8 = 0xfd;
/// Flag before a value, as we write it.
pub(super) const PRESENT: u8 = 0xff;
/// Flag before a value, as others may write it.
const PRESENT_OLD: u8 = 0x00;
/// Flag of a reference to an earlier value, which this format does not have.
const BACK_REFERENCE: u8 = 0xfe;

#[inline]
pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[inline]
pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Zigzag within 32 bits.
#[inline]
pub(super) fn zigzag32(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)) as u32
}

#[inline]
pub(super) fn unzigzag32(value: u32) -> i32 {
    (value >> 1) as i32 ^ -((value & 1) as i32)
}

/// Writes `uv`.
#[inline]
pub(super) fn put_uvarint32(out: &mut Vec<u8>, value: u32) {
    // Numbers of 32 bits end long before the ninth byte.
    put_uvarint64(out, u64::from(value));
}

/// Writes `uv64`.
#[inline]
pub(super) fn put_uvarint64(out: &mut Vec<u8>, value: u64) {
    match value {
        0..0x80 => out.push(value as u8),
        0x80..0x4000 => out.extend_from_slice(&[value as u8 | 0x80, (value >> 7) as u8]),
        _ => put_long_uvarint64(out, value),
    }
}

fn put_long_uvarint64(out: &mut Vec<u8>, mut value: u64) {
    for _ in 0..8 {
        if value < 0x80 {
            break;
        }
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip_at_their_borders() {
        for bit in 0..64 {
            for value in [1u64 << bit, (1u64 << bit) - 1, !(1u64 << bit)] {
                let mut out = Vec::new();
                put_uvarint64(&mut out, value);
                assert!(out.len() <= 9);
                assert_eq!(Reader::new(&out).uvarint64().unwrap(), value);
                assert_eq!(zigzag(unzigzag(value)), value);
                out.clear();
                put_uvarint32(&mut out, value as u32);
                assert_eq!(Reader::new(&out).uvarint32().unwrap(), value as u32);
                assert_eq!(zigzag32(unzigzag32(value as u32)), value as u32);
            }
        }
    }

    #[test]
    fn refuses_long_numbers() {
        assert!(Reader::new(&[0x80, 0x80, 0x80, 0x80, 0x10]).uvarint32().is_err());
        assert!(Reader::new(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x00]).uvarint32().is_err());
        assert!(Reader::new(&[0x80; 8]).uvarint64().is_err());
        assert_eq!(Reader::new(&[0xff; 9]).uvarint64().unwrap(), u64::MAX);
    }
}
