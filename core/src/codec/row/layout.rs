//! Where the parts of a row or array are, and the checked view of received ones.

use std::ops::Range;

use super::super::violation::{Fault, Step};

/// What everything is aligned to, and the width of a slot.
pub(super) const WORD: usize = 8;

/// Rounds up to the alignment.
pub(super) fn padded(size: usize) -> usize {
    size.checked_next_multiple_of(WORD).unwrap_or(usize::MAX)
}

/// Positions in a row or array, counted from its first byte. They saturate, so that an impossible count only gives
/// positions beyond any input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) count: usize,
    bits: usize,
    slots: usize,
    width: usize,
}

impl Shape {
    pub(super) fn row(fields: usize) -> Self {
        Self { count: fields, bits: 0, slots: bitmap(fields), width: WORD }
    }

    /// `width` is the one of the elements.
    pub(super) fn array(count: usize, width: usize) -> Self {
        Self { count, bits: WORD, slots: bitmap(count).saturating_add(WORD), width }
    }

    /// Returns the end of the last slot.
    fn end(&self) -> usize {
        self.slots.saturating_add(self.count.saturating_mul(self.width))
    }

    /// Returns where the data begin.
    pub(super) fn size(&self) -> usize {
        padded(self.end())
    }

    /// Returns the byte and the mask of a null bit.
    pub(super) fn null_bit(&self, index: usize) -> (usize, u8) {
        (self.bits.saturating_add(index / 8), 1 << (index % 8))
    }

    pub(super) fn slot(&self, index: usize) -> Range<usize> {
        let start = self.slots.saturating_add(index.saturating_mul(self.width));
        start..start.saturating_add(self.width)
    }
}

fn bitmap(count: usize) -> usize {
    count.div_ceil(64).saturating_mul(WORD)
}

/// A received row or array. Its data are taken in the order of the slots.
#[derive(Debug)]
pub(super) struct Region<'b> {
    bytes: &'b [u8],
    shape: Shape,
    /// Where the next data must be.
    cursor: usize,
}

impl<'b> Region<'b> {
    /// Looks at a row of a number of fields; checks everything but slots and data.
    pub(super) fn row(bytes: &'b [u8], fields: usize) -> Step<Self> {
        Self::new(bytes, Shape::row(fields))
    }

    /// Looks at an array of elements of a width.
    pub(super) fn array(bytes: &'b [u8], width: usize) -> Step<Self> {
        let (count, rest) = bytes.split_first_chunk().ok_or_else(Fault::truncated)?;
        let count = usize::try_from(u64::from_le_bytes(*count)).unwrap_or(usize::MAX);
        // An element has a byte at least.
        if count > rest.len() {
            return Err(Fault::malformed("more elements than bytes"));
        }
        Self::new(bytes, Shape::array(count, width))
    }

    fn new(bytes: &'b [u8], shape: Shape) -> Step<Self> {
        let cursor = shape.size();
        let padding = bytes.get(shape.end()..cursor).ok_or_else(Fault::truncated)?;
        let out = Self { bytes, shape, cursor };
        let unused = shape.count..shape.count.next_multiple_of(64);
        if !is_zero(padding) || unused.into_iter().any(|index| out.is_null(index)) {
            return Err(not_zero());
        }
        Ok(out)
    }

    /// Returns the number of fields or elements.
    pub(super) fn count(&self) -> usize {
        self.shape.count
    }

    pub(super) fn is_null(&self, index: usize) -> bool {
        let (at, mask) = self.shape.null_bit(index);
        self.bytes.get(at).is_some_and(|byte| byte & mask != 0)
    }

    /// Reads a slot, `None` for null, which has nothing in it.
    pub(super) fn slot(&self, index: usize) -> Step<Option<u64>> {
        let raw = self.bytes.get(self.shape.slot(index)).ok_or_else(Fault::truncated)?;
        if self.is_null(index) {
            return if is_zero(raw) { Ok(None) } else { Err(not_zero()) };
        }
        Ok(Some(raw.iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte))))
    }

    /// Takes the data a slot points to, which must be the next ones.
    pub(super) fn data(&mut self, slot: u64) -> Step<&'b [u8]> {
        let (offset, size) = ((slot >> 32) as usize, (slot & 0xffff_ffff) as usize);
        if offset != self.cursor {
            return Err(Fault::malformed("offset is not that of the next data"));
        }
        let end = offset.saturating_add(size);
        let data = self.bytes.get(offset..end).ok_or_else(Fault::truncated)?;
        self.cursor = padded(end);
        let padding = self.bytes.get(end..self.cursor).ok_or_else(Fault::truncated)?;
        if is_zero(padding) { Ok(data) } else { Err(not_zero()) }
    }

    /// Returns how many bytes no slot points to; right only after the last slot.
    pub(super) fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.cursor)
    }

    /// Ends a row or array that is data of another one, which it must fill.
    pub(super) fn close(&self) -> Step<()> {
        if self.left() == 0 { Ok(()) } else { Err(Fault::malformed("bytes that no slot points to")) }
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

#[cold]
fn not_zero() -> Box<Fault> {
    Fault::malformed("unused bits or padding that are not zero")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_at_the_borders_of_words() {
        for (count, width, size) in
            [(0, 8, 8), (1, 1, 24), (8, 1, 24), (9, 1, 32), (64, 1, 80), (65, 1, 96), (3, 4, 32)]
        {
            assert_eq!(Shape::array(count, width).size(), size, "{count} of {width}");
        }
        for (fields, size) in [(0, 0), (1, 16), (64, 520), (65, 536)] {
            assert_eq!(Shape::row(fields).size(), size, "{fields}");
        }
        assert_eq!(Shape::array(usize::MAX, 8).size(), usize::MAX);
        assert_eq!(Shape::array(70, 2).null_bit(69), (8 + 8, 1 << 5));
        assert_eq!(Shape::array(70, 2).slot(69), 24 + 138..24 + 140);
    }

    #[test]
    fn counts_are_not_believed() {
        for count in [1u64, 2, 1 << 32, 1 << 61, u64::MAX] {
            let bytes = count.to_le_bytes();
            assert!(Region::array(&bytes, 1).is_err(), "{count}");
            assert!(Region::array(&[bytes, [0; 8]].concat(), 8).is_err(), "{count}");
        }
        assert!(Region::array(&[0; 7], 1).is_err());
        assert!(Region::array(&[0; 8], 1).is_ok());
    }

    #[test]
    fn data_have_one_place() {
        let mut bytes = [0u8; 24];
        bytes[16] = b'x';
        for slot in [0u64, 1, 8 << 32 | 8, 16 << 32 | 9, 24 << 32, u64::MAX, 15 << 32 | 1, 16 << 32 | 0xffff_ffff] {
            assert!(Region::row(&bytes, 1).unwrap().data(slot).is_err(), "{slot:x}");
        }
        let mut region = Region::row(&bytes, 1).unwrap();
        assert_eq!(region.data(16 << 32 | 1).unwrap(), b"x");
        region.close().unwrap();
        assert!(region.data(16 << 32 | 1).is_err());
        assert!(Region::row(&bytes, 1).unwrap().close().is_err());
        bytes[17] = 1;
        assert!(Region::row(&bytes, 1).unwrap().data(16 << 32 | 1).is_err());
    }

    #[test]
    fn unused_bits_are_zero() {
        for bit in 0..64 {
            let mut bytes = [0u8; 24];
            bytes[bit / 8] = 1 << (bit % 8);
            assert_eq!(Region::row(&bytes, 2).is_ok(), bit < 2, "{bit}");
        }
        let mut bytes = [0u8; 16];
        (bytes[0], bytes[9]) = (1, 1);
        assert!(Region::row(&bytes, 1).unwrap().slot(0).is_err());
    }
}
