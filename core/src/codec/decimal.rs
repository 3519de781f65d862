//! Decimals: text, scale and magnitude (`codec.md` sections 3, 6 and 7).

use crate::limits;

use super::bytes::{Reader, put_uvarint32, put_uvarint64, unzigzag, unzigzag32, zigzag, zigzag32};
use super::violation::{Fault, Step};

/// Digits a magnitude of the largest size can have; fewer always fit.
const MAX_DIGITS: usize = 24_083;
/// Whole numbers whose zigzag form leaves one bit free.
const SMALL: std::ops::Range<i64> = -(1 << 62)..1 << 62;

/// A decimal: digits without leading zeros, and a scale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    /// At least one digit.
    digits: String,
    scale: i32,
}

impl Decimal {
    fn new(negative: bool, digits: &str, scale: i32) -> Self {
        let digits = digits.trim_start_matches('0');
        // Minus zero is zero.
        let negative = negative && !digits.is_empty();
        Self { negative, digits: if digits.is_empty() { "0" } else { digits }.to_owned(), scale }
    }

    /// Returns what a decimal of this many bytes counts in the estimate of a value graph. Changing its base takes
    /// time that grows with the square, so a body of huge decimals is refused before it costs more than one of many
    /// small values.
    pub(super) fn cost(bytes: usize) -> usize {
        bytes.saturating_add(bytes.saturating_mul(bytes) / 64)
    }

    /// Returns what a decimal in JSON counts: its text, and the bytes its significant digits take otherwise.
    pub(super) fn text_cost(text: &str) -> usize {
        let number = text.find(['e', 'E']).and_then(|at| text.get(..at)).unwrap_or(text);
        let digits = number.trim_start_matches(['-', '0', '.']).len();
        // Ten digits are a bit more than four bytes.
        text.len().saturating_add(Self::cost(digits.saturating_mul(5) / 12))
    }

    /// Reads `-?d+(.d+)?([eE][+-]?d+)?`; `None` if it is not one or beyond the limits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (number, exponent) = match text.find(['e', 'E']) {
            Some(at) => (text.get(..at)?, parse_exponent(text.get(at.checked_add(1)?..)?)?),
            None => (text, 0),
        };
        let (whole, fraction) = match number.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return None,
            None => (number, ""),
        };
        let is_digits = |part: &str| part.bytes().all(|c| c.is_ascii_digit());
        if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        let scale = i64::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        let scale = i32::try_from(scale).ok().filter(|scale| scale.unsigned_abs() <= limits::MAX_DECIMAL_SCALE)?;
        let out = Self::new(negative, &format!("{whole}{fraction}"), scale);
        let fits = out.digits.len() < MAX_DIGITS
            || (out.digits.len() == MAX_DIGITS && magnitude(&out.digits).len() <= limits::MAX_DECIMAL_MAGNITUDE);
        fits.then_some(out)
    }

    /// Writes the plain form; a negative scale as `5E+3`.
    pub(super) fn text(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        match usize::try_from(self.scale) {
            Err(_) => format!("{sign}{}E+{}", self.digits, self.scale.unsigned_abs()),
            Ok(0) => format!("{sign}{}", self.digits),
            Ok(scale) => {
                let digits = format!("{:0>width$}", self.digits, width = scale.saturating_add(1));
                let (whole, fraction) = digits.split_at_checked(digits.len().saturating_sub(scale)).unwrap_or_default();
                format!("{sign}{whole}.{fraction}")
            }
        }
    }

    /// Writes the XLANG form.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        put_uvarint32(out, zigzag32(self.scale));
        let small = self.digits.parse::<i64>().ok().map(|n| if self.negative { -n } else { n });
        // The smallest number of 63 bits has a magnitude that is no problem either.
        match small.filter(|n| SMALL.contains(n)) {
            Some(n) => put_uvarint64(out, zigzag(n) << 1),
            None => {
                let raw = magnitude(&self.digits);
                put_uvarint64(out, (raw.len() as u64) << 2 | u64::from(self.negative) << 1 | 1);
                out.extend_from_slice(&raw);
            }
        }
    }

    /// Reads the XLANG form.
    pub(super) fn read(reader: &mut Reader<'_>) -> Step<Self> {
        let scale = unzigzag32(reader.uvarint32()?);
        if scale.unsigned_abs() > limits::MAX_DECIMAL_SCALE {
            return Err(Fault::malformed("decimal scale out of range"));
        }
        let header = reader.uvarint64()?;
        if header & 1 == 0 {
            let n = unzigzag(header >> 1);
            return Ok(Self::new(n < 0, &n.unsigned_abs().to_string(), scale));
        }
        let size = usize::try_from(header >> 2).unwrap_or(usize::MAX);
        if size == 0 || size > limits::MAX_DECIMAL_MAGNITUDE {
            return Err(Fault::malformed("decimal out of range"));
        }
        let raw = reader.take(size)?;
        if raw.last() == Some(&0) {
            return Err(Fault::malformed("decimal is not minimal"));
        }
        Ok(Self::new(header & 2 != 0, &digits(raw), scale))
    }
}

fn parse_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'+' => (false, text.get(1..)?),
        b'-' => (true, text.get(1..)?),
        _ => (false, text),
    };
    if !(1..=6).contains(&digits.len()) || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let out: i64 = digits.parse().ok()?;
    Some(if negative { -out } else { out })
}

/// The largest power of ten in 64 bits; its top bit is set.
const CHUNK: u64 = 10_000_000_000_000_000_000;
const CHUNK_DIGITS: usize = 19;
/// What [`divide`] multiplies with: (2^128 - 1) / [`CHUNK`], of which only the top bit is cut off.
const RECIPROCAL: u64 = (u128::MAX / CHUNK as u128) as u64;

/// Turns digits into minimal little-endian bytes.
fn magnitude(digits: &str) -> Vec<u8> {
    let mut limbs: Vec<u64> = Vec::new();
    let raw = digits.as_bytes();
    let (first, rest) = raw.split_at_checked(raw.len() % CHUNK_DIGITS).unwrap_or_default();
    for chunk in std::iter::once(first).chain(rest.chunks(CHUNK_DIGITS)) {
        let mut carry = chunk.iter().fold(0u64, |n, c| n * 10 + u64::from(c.saturating_sub(b'0')));
        for limb in &mut limbs {
            let wide = u128::from(*limb) * u128::from(CHUNK) + u128::from(carry);
            *limb = wide as u64;
            carry = (wide >> 64) as u64;
        }
        if carry > 0 {
            limbs.push(carry);
        }
    }
    let mut out: Vec<u8> = limbs.iter().flat_map(|limb| limb.to_le_bytes()).collect();
    while out.last() == Some(&0) {
        out.pop();
    }
    out
}

/// Turns little-endian bytes into digits, leading zeros included.
fn digits(raw: &[u8]) -> String {
    let limb = |chunk: &[u8]| chunk.iter().rev().fold(0u64, |n, byte| n << 8 | u64::from(*byte));
    let mut limbs: Vec<u64> = raw.chunks(8).map(limb).collect();
    let mut chunks = Vec::new();
    while !limbs.is_empty() {
        let mut rest = 0u64;
        for limb in limbs.iter_mut().rev() {
            (*limb, rest) = divide(rest, *limb);
        }
        chunks.push(rest);
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
    }
    chunks.iter().rev().map(|chunk| format!("{chunk:0width$}", width = CHUNK_DIGITS)).collect()
}

/// Divides `high * 2^64 + low` by [`CHUNK`]; returns quotient and remainder. `high` is less than [`CHUNK`].
///
/// Multiplies with the reciprocal (Möller and Granlund, 2011), because a body can ask for millions of divisions.
fn divide(high: u64, low: u64) -> (u64, u64) {
    let estimate = u128::from(RECIPROCAL) * u128::from(high) + (u128::from(high) << 64 | u128::from(low));
    let (mut quotient, fraction) = (((estimate >> 64) as u64).wrapping_add(1), estimate as u64);
    let mut rest = low.wrapping_sub(quotient.wrapping_mul(CHUNK));
    if rest > fraction {
        quotient = quotient.wrapping_sub(1);
        rest = rest.wrapping_add(CHUNK);
    }
    if rest >= CHUNK {
        quotient = quotient.wrapping_add(1);
        rest = rest.wrapping_sub(CHUNK);
    }
    (quotient, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_bytes_round_trip() {
        for text in ["0", "1", "-1", "0.001", "5E+3", "123.4500", "-12345678901234567890123.5", "0.00", "0E+3"] {
            let decimal = Decimal::parse(text).unwrap();
            assert_eq!(decimal.text(), text);
            let mut out = Vec::new();
            decimal.write(&mut out);
            assert_eq!(Decimal::read(&mut Reader::new(&out)).unwrap(), decimal);
        }
        assert_eq!(Decimal::parse("-0").unwrap().text(), "0");
        assert_eq!(Decimal::parse("1.5e3").unwrap().text(), "15E+2");
    }

    #[test]
    fn refuses_what_is_no_decimal_or_too_large() {
        for text in ["", "-", ".5", "1.", "1e", "1e+", "NaN", "1_0", "+1", "1E+10001", "1e9999999"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
        let largest = digits(&[0xff; limits::MAX_DECIMAL_MAGNITUDE]);
        let largest = largest.trim_start_matches('0');
        assert_eq!(largest.len(), MAX_DIGITS);
        assert!(Decimal::parse(largest).is_some());
        assert!(Decimal::parse(&"9".repeat(MAX_DIGITS)).is_none());
    }

    #[test]
    fn division_by_reciprocal_is_division() {
        let mut seed = 0x9e37_79b9_7f4a_7c15u64;
        let mut next = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed >> (seed % 64)
        };
        let borders = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, u64::MAX - 1, u64::MAX, 1 << 63];
        let random: Vec<(u64, u64)> = (0..200_000).map(|_| (next(), next())).collect();
        let pairs = borders.iter().flat_map(|high| borders.iter().map(|low| (*high, *low))).chain(random);
        for (high, low) in pairs.map(|(high, low)| (high % CHUNK, low)) {
            let wide = u128::from(high) << 64 | u128::from(low);
            let expected = ((wide / u128::from(CHUNK)) as u64, (wide % u128::from(CHUNK)) as u64);
            assert_eq!(divide(high, low), expected, "{high} {low}");
        }
    }

    #[test]
    fn every_length_round_trips() {
        for length in (1..200).chain([1000, limits::MAX_DECIMAL_MAGNITUDE]) {
            for fill in [0x01, 0x80, 0xff] {
                let mut raw = vec![fill; length];
                raw[length / 2] = 0;
                raw[length - 1] = fill;
                assert_eq!(magnitude(digits(&raw).trim_start_matches('0')), raw, "{length} of {fill}");
            }
        }
        assert_eq!(digits(&[0, 0, 0, 0, 0, 0, 0, 0, 1]).trim_start_matches('0'), "18446744073709551616");
    }
}
