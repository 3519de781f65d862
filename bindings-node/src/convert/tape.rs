//! Slots that values cross in; `ts/src/tape.ts` is the other end and describes them.
//!
//! JavaScript writes slots into a buffer that it lends for good, or into a larger one for a large value; core reads
//! them through [`super::TapeSource`]. The other way [`super::TapeSink`] collects slots here, and copies them.

use std::cell::{Cell, RefCell};

use crate::js::{Js, Persistent, Scope};

/// Upper half of a null.
const NULL: u32 = 0xfffc_0000;
/// Upper half of a field that a record leaves out.
const ABSENT: u32 = 0xfffc_0001;
/// Upper half of a value that was refused; the lower half is the number of the reason, 0: its type.
const BAD: u32 = 0xfffc_0002;
/// Added to the length of a text that has characters beyond U+00FF.
const WIDE: u32 = 0x4000_0000;

/// What arenas keep between values, in bytes or slots.
const KEPT: usize = 64 * 1024;

/// One slot.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot(pub(crate) u64);

impl Slot {
    pub(crate) const NULL: Slot = Slot((NULL as u64) << 32);
    pub(super) const ABSENT: Slot = Slot((ABSENT as u64) << 32);

    /// Makes the slot of a block, a bool, or the position of something.
    pub(super) fn place(at: usize) -> Self {
        Self(at as u64)
    }

    /// Makes the slot of a number; a NaN that looks like a mark loses its bits.
    pub(super) fn number(value: f64) -> Self {
        let slot = Self(value.to_bits());
        if (NULL..=BAD).contains(&slot.high()) { Self(f64::NAN.to_bits()) } else { slot }
    }

    /// Makes the slot of a text.
    pub(super) fn text(at: usize, length: usize, wide: bool) -> Self {
        let high = length as u64 | if wide { u64::from(WIDE) } else { 0 };
        Self(high << 32 | at as u64)
    }

    pub(super) fn high(self) -> u32 {
        (self.0 >> 32) as u32
    }

    pub(super) fn low(self) -> usize {
        (self.0 & 0xffff_ffff) as usize
    }

    pub(super) fn value(self) -> f64 {
        f64::from_bits(self.0)
    }

    pub(super) fn is_null(self) -> bool {
        matches!(self.high(), NULL | ABSENT)
    }

    pub(super) fn is_absent(self) -> bool {
        self.high() == ABSENT
    }

    pub(super) fn is_bad(self) -> bool {
        self.high() == BAD
    }

    /// Returns where the block of the slot starts.
    pub(super) fn block(self) -> Option<usize> {
        (self.high() == 0).then_some(self.low())
    }

    /// Returns start and end of the text of the slot, in one byte per character.
    pub(super) fn span(self) -> Option<(usize, usize)> {
        (self.high() < WIDE).then(|| (self.low(), self.low() + self.high() as usize))
    }

    /// Returns start and end of the text of the slot, in two bytes per character.
    pub(super) fn wide_span(self) -> (usize, usize) {
        (self.low(), self.low() + (self.high() & !WIDE) as usize)
    }
}

/// A buffer of slots that the package never lets go.
pub(crate) struct Lent {
    /// Keeps the memory where it is.
    _buffer: Persistent,
    start: *mut u64,
    length: usize,
}

impl Lent {
    /// Takes an `ArrayBuffer` of the package.
    pub(crate) fn new(scope: Scope, buffer: Js) -> Option<Self> {
        let (start, length) = scope.buffer(buffer)?;
        Some(Self { _buffer: Persistent::new(scope, buffer)?, start, length })
    }

    /// Returns the slots that JavaScript wrote.
    pub(super) fn slots(&self) -> &[u64] {
        // SAFETY: the buffer is live, aligned and this long, and its memory does not move. JavaScript, which alone
        // writes to it, does not run before the borrow ends: sources run none.
        unsafe { std::slice::from_raw_parts(self.start, self.length) }
    }

    /// Copies bytes into the buffer; false if they do not fit.
    pub(super) fn fill(&self, bytes: &[u8]) -> bool {
        if bytes.len() > self.length * size_of::<u64>() {
            return false;
        }
        // SAFETY: as above, and the bytes come from memory of ours.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.cast(), bytes.len()) };
        true
    }
}

/// Memory that values on their way in are collected in.
#[derive(Default)]
pub(super) struct Arena {
    pub(super) slots: Vec<u64>,
    /// Slots of what is open.
    pub(super) stack: Vec<u64>,
    pub(super) latin1: Vec<u8>,
    pub(super) wide: Vec<u16>,
}

impl Arena {
    pub(super) fn clear(&mut self) {
        self.slots.clear();
        self.stack.clear();
        self.latin1.clear();
        self.wide.clear();
    }
}

/// Texts of a value on its way out.
#[derive(Default)]
pub(super) struct Texts {
    pub(super) ascii: Vec<u8>,
    pub(super) units: Vec<u16>,
}

/// What all conversions of one environment share.
pub(crate) struct Tapes {
    pub(super) outgoing: Lent,
    pub(super) incoming: Lent,
    arena: RefCell<Arena>,
    texts: RefCell<Texts>,
    /// Whether a value is being built, which may decode others.
    pub(super) building: Cell<bool>,
}

impl Tapes {
    /// Takes the buffers of both directions.
    pub(crate) fn new(scope: Scope, outgoing: Js, incoming: Js) -> Option<Self> {
        let (outgoing, incoming) = (Lent::new(scope, outgoing)?, Lent::new(scope, incoming)?);
        let (arena, texts, building) = (RefCell::default(), RefCell::default(), Cell::default());
        Some(Self { outgoing, incoming, arena, texts, building })
    }

    /// Leaves bytes in the incoming buffer; false if it is in use or too small.
    pub(crate) fn leave(&self, bytes: &[u8]) -> bool {
        !self.building.get() && self.incoming.fill(bytes)
    }

    /// Lends the arena; a nested value gets a new one.
    pub(super) fn take_arena(&self) -> Arena {
        self.arena.take()
    }

    pub(super) fn give_arena(&self, mut arena: Arena) {
        arena.clear();
        if arena.slots.capacity() + arena.stack.capacity() + arena.latin1.capacity() + arena.wide.capacity() <= KEPT {
            self.arena.replace(arena);
        }
    }

    pub(super) fn take_texts(&self) -> Texts {
        self.texts.take()
    }

    pub(super) fn give_texts(&self, texts: Texts) {
        if texts.ascii.capacity() + texts.units.capacity() <= KEPT {
            self.texts.replace(texts);
        }
    }
}
