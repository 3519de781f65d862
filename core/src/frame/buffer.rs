//! Assembling frames from what arrives.

use bytes::{Bytes, BytesMut};

use super::{FrameError, HEADER_LEN, LENGTH_LEN};
use crate::limits;

/// A complete frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its flags, reserved bits as they came.
    pub flags: u8,
    /// Its payload.
    pub payload: Bytes,
}

/// Bytes of a stream on their way to frames. Grows as bytes arrive, never by an announced length.
#[derive(Debug, Default)]
pub struct FrameBuffer {
    bytes: BytesMut,
}

impl FrameBuffer {
    /// Makes an empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the bytes, to append what arrived.
    pub fn buffer_mut(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    /// Makes room for the rest of a large frame, in proportion to what has arrived of it.
    pub fn make_room(&mut self) {
        if let Ok(missing) = self.missing() {
            self.bytes.reserve(missing.min(3 * self.bytes.len()));
        }
    }

    /// Takes the next complete frame, without a copy; `None` until it is complete.
    ///
    /// # Errors
    ///
    /// [`FrameError::ZeroLength`] and [`FrameError::TooLarge`], as soon as the length is there.
    #[expect(clippy::should_implement_trait, reason = "not an iterator: more bytes may come after None")]
    pub fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some(length) = self.length()? else { return Ok(None) };
        if self.bytes.len() < LENGTH_LEN + length {
            return Ok(None);
        }
        let mut frame = self.bytes.split_to(LENGTH_LEN + length);
        let flags = frame.get(LENGTH_LEN).copied().unwrap_or_default();
        let payload = frame.split_off(HEADER_LEN.min(frame.len())).freeze();
        Ok(Some(Frame { flags, payload }))
    }

    fn length(&self) -> Result<Option<usize>, FrameError> {
        let Some(field) = self.bytes.first_chunk::<LENGTH_LEN>() else { return Ok(None) };
        let length = u32::from_le_bytes(*field);
        match usize::try_from(length) {
            Ok(0) => Err(FrameError::ZeroLength),
            Ok(length) if length <= limits::MAX_FRAME_SIZE => Ok(Some(length)),
            _ => Err(FrameError::TooLarge(length.into())),
        }
    }

    /// Returns how many bytes are missing to know the length of the next frame, or to complete it. A reader that
    /// takes no more leaves what follows the frame in its stream.
    ///
    /// # Errors
    ///
    /// As for [`Self::next`].
    pub fn missing(&self) -> Result<usize, FrameError> {
        let whole = self.length()?.map_or(LENGTH_LEN, |length| LENGTH_LEN + length);
        Ok(whole.saturating_sub(self.bytes.len()))
    }

    /// Returns what has arrived of the payload of a frame that is incomplete or refused, and what follows.
    pub fn payload_start(&self) -> &[u8] {
        self.bytes.get(HEADER_LEN..).unwrap_or_default()
    }

    /// Returns the announced and the present bytes of a frame that is incomplete.
    pub fn partial(&self) -> Option<(usize, usize)> {
        match self.length() {
            _ if self.bytes.is_empty() => None,
            Ok(Some(length)) => Some((length, self.bytes.len() - LENGTH_LEN)),
            _ => Some((LENGTH_LEN, self.bytes.len())),
        }
    }

    /// Checks that the stream may end here.
    ///
    /// # Errors
    ///
    /// [`FrameError::Incomplete`] inside a frame.
    pub fn finish(&self) -> Result<(), FrameError> {
        match self.partial() {
            None => Ok(()),
            Some((expected, got)) => Err(FrameError::Incomplete { expected, got }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::encode;
    use super::*;

    #[test]
    fn a_reader_of_what_is_missing_takes_no_more() {
        let wire = [3, 0, 0, 0, 0, 7, 8, 9, 9];
        let mut buffer = FrameBuffer::new();
        let mut taken = 0;
        while let missing @ 1.. = buffer.missing().unwrap() {
            // In small steps, as it arrives.
            let step = missing.min(2);
            buffer.buffer_mut().extend_from_slice(&wire[taken..taken + step]);
            taken += step;
        }
        assert_eq!(taken, 7);
        assert_eq!(buffer.next().unwrap().unwrap().payload.as_ref(), [7, 8]);
        buffer.buffer_mut().extend_from_slice(&[0; 4]);
        assert_eq!(buffer.missing(), Err(FrameError::ZeroLength));
    }

    #[test]
    fn a_cut_frame_says_what_is_missing() {
        let mut buffer = FrameBuffer::new();
        buffer.buffer_mut().extend_from_slice(&[6, 0, 0, 0, 0, 1]);
        assert_eq!(buffer.next(), Ok(None));
        assert_eq!(buffer.finish().unwrap_err().to_string(), "incomplete frame: expected 6 bytes, got 2");
    }

    proptest! {
        #[test]
        fn frames_survive_any_cut(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 1..5), cut in 1usize..50) {
            let mut wire = Vec::new();
            for payload in &payloads {
                encode(0, payload, &mut wire).unwrap();
            }
            let mut buffer = FrameBuffer::new();
            let mut got = Vec::new();
            for piece in wire.chunks(cut) {
                buffer.buffer_mut().extend_from_slice(piece);
                while let Some(frame) = buffer.next().unwrap() {
                    got.push(frame.payload.to_vec());
                }
            }
            prop_assert_eq!(got, payloads);
            prop_assert!(buffer.finish().is_ok());
        }

        #[test]
        fn any_bytes_are_frames_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut buffer = FrameBuffer::new();
            buffer.buffer_mut().extend_from_slice(&bytes);
            while let Ok(Some(_)) = buffer.next() {}
            let _ = buffer.finish();
        }
    }
}
