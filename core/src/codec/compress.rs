//! Compression of bodies: one bounded zstd frame (`wire.md` section 13, limits in `codec.md` section 6).
//!
//! Not here: the flag that tells a peer ([`crate::frame`]).

use std::cell::RefCell;
use std::io::Read;

use crate::limits;

/// Level of compression of everything we send.
const LEVEL: i32 = 3;
/// First bytes of a zstd frame; skippable frames have others and are refused.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Bodies from this size on are probed before they are compressed.
const PROBED: usize = 32 * 1024;
/// Bytes of one probe.
const PROBE: usize = 2 * 1024;
/// Output taken at once.
const CHUNK: usize = 64 * 1024;

/// Why a body was not decompressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expansion {
    /// Not exactly one sound frame without dictionary and with a bounded window.
    Malformed(String),
    /// The output exceeds the limit.
    TooLarge,
}

thread_local! {
    /// The compressor of this thread; making one costs more than compressing a body.
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
}

/// Compresses a body that is to be sent; `None` if it goes out as it is.
///
/// Bodies in JSON mode, bodies of at most `threshold` bytes and bodies that would not become smaller stay; a negative
/// threshold turns compression off.
pub fn compress(body: &[u8], is_json: bool, threshold: i64) -> Option<Vec<u8>> {
    let above = usize::try_from(threshold).is_ok_and(|threshold| body.len() > threshold);
    if is_json || !above || is_noise(body) {
        return None;
    }
    zstd_frame(body).filter(|out| out.len() < body.len())
}

/// Tells whether neither begin, middle nor end of a large body becomes smaller: pictures, archives and ciphertext are
/// sent as they are, without the time to find out in full.
fn is_noise(body: &[u8]) -> bool {
    let starts = [0, body.len() / 2, body.len().saturating_sub(PROBE)];
    body.len() >= PROBED
        && starts
            .iter()
            .filter_map(|start| body.get(*start..start + PROBE))
            .all(|piece| zstd_frame(piece).is_none_or(|out| out.len() >= piece.len()))
}

/// Returns a body as one zstd frame, whether that is smaller or not; `None` if there is no memory.
pub fn zstd_frame(body: &[u8]) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|kept| {
        let compressor = match kept {
            Some(compressor) => compressor,
            None => kept.insert(zstd::bulk::Compressor::new(LEVEL).ok()?),
        };
        // The one-shot interface puts the content size into the frame.
        compressor.compress(body).ok()
    })
}

/// Decompresses a body of at most [`limits::MAX_DECOMPRESSED_SIZE`] bytes.
///
/// # Errors
/// See [`Expansion`]. Memory is bounded by the limits, whatever the frame says.
pub fn decompress(body: &[u8]) -> Result<Vec<u8>, Expansion> {
    let malformed = |reason: String| Expansion::Malformed(reason);
    if !body.starts_with(&MAGIC) {
        return Err(malformed("not a zstd frame".to_owned()));
    }
    // A frame that says how long it is need not be looked at to know that it is too long.
    if let Ok(Some(size)) = zstd::zstd_safe::get_frame_content_size(body)
        && size > limits::MAX_DECOMPRESSED_SIZE as u64
    {
        return Err(Expansion::TooLarge);
    }
    let mut rest = body;
    let mut out = Vec::new();
    let reader = zstd::stream::read::Decoder::with_buffer(&mut rest).map_err(|e| malformed(e.to_string()))?;
    let mut reader = reader.single_frame();
    reader.window_log_max(limits::MAX_WINDOW_LOG).map_err(|e| malformed(e.to_string()))?;
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = reader.read(&mut chunk).map_err(|e| malformed(e.to_string()))?;
        let Some(piece) = chunk.get(..count).filter(|piece| !piece.is_empty()) else { break };
        if out.len().saturating_add(piece.len()) > limits::MAX_DECOMPRESSED_SIZE {
            return Err(Expansion::TooLarge);
        }
        out.extend_from_slice(piece);
    }
    drop(reader);
    if rest.is_empty() { Ok(out) } else { Err(malformed("bytes after the zstd frame".to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_refuses_the_rest() {
        let body: Vec<u8> = (0..100_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        let packed = compress(&body, false, 4096).unwrap();
        assert_eq!(zstd::zstd_safe::get_frame_content_size(&packed).unwrap(), Some(body.len() as u64));
        assert_eq!(decompress(&packed).unwrap(), body);
        assert!(compress(b"short", false, 0).is_none());
        assert!(compress(&body, true, 4096).is_none());
        assert!(compress(&body, false, -1).is_none());
        assert!(compress(&body, false, body.len() as i64).is_none());
        let twice = [packed.as_slice(), packed.as_slice()].concat();
        assert!(matches!(decompress(&twice), Err(Expansion::Malformed(_))));
        assert!(matches!(decompress(&packed[..packed.len() - 1]), Err(Expansion::Malformed(_))));
        assert!(matches!(decompress(b"\x50\x2a\x4d\x18\0\0\0\0"), Err(Expansion::Malformed(_))));
        assert!(matches!(decompress(b""), Err(Expansion::Malformed(_))));
    }

    #[test]
    fn noise_is_told_by_begin_middle_and_end() {
        let mut state = 1u32;
        let mut body: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(PROBED)
        .collect();
        assert!(is_noise(&body));
        assert!(!is_noise(&body[..PROBED - 1]), "too short to be probed");
        for start in [0, PROBED / 2, PROBED - PROBE] {
            let piece = body[start..start + PROBE].to_vec();
            body[start..start + PROBE].fill(7);
            assert!(!is_noise(&body), "at {start}");
            assert!(compress(&body, false, 4096).is_some(), "at {start}");
            body[start..start + PROBE].copy_from_slice(&piece);
        }
    }

    #[test]
    fn stops_at_the_limit() {
        let largest = vec![0; limits::MAX_DECOMPRESSED_SIZE];
        assert_eq!(decompress(&compress(&largest, false, 0).unwrap()).unwrap().len(), largest.len());
        let bomb = zstd::bulk::compress(&vec![0; limits::MAX_DECOMPRESSED_SIZE + 1], LEVEL).unwrap();
        assert_eq!(decompress(&bomb), Err(Expansion::TooLarge));
    }

    #[test]
    fn refuses_wide_windows() {
        let mut writer = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        writer.window_log(25).unwrap();
        std::io::Write::write_all(&mut writer, &[7; 1000]).unwrap();
        assert!(matches!(decompress(&writer.finish().unwrap()), Err(Expansion::Malformed(_))));
    }
}
