//! Message bodies on their way in and out: encoding, compression, and the frame around them.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use crate::codec::{self, CodecError, RootId, Schema, Sink, Source};
use crate::frame;
use crate::limits;
use crate::status::{RpcStatus, StatusCode};
use crate::wire::{self, Mode, Sniff};

const NO_NATIVE_CODEC: &str = "the native codec is not installed";

/// How the bytes of a body encode its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Fory XLANG bytes.
    Xlang,
    /// Strict JSON of the same types.
    Json,
}

/// A body as it arrived: the payload of one data frame, undecoded.
#[derive(Clone)]
pub struct Body {
    payload: Bytes,
    compressed: bool,
    /// Dropped with the body: its part of a budget.
    _kept: Option<Arc<dyn Send + Sync>>,
}

/// Why a body is refused; each side turns it into its own status.
pub(crate) enum BodyError {
    /// Undecodable, or off contract.
    Codec(CodecError),
    /// Not decodable at all: no known encoding.
    Encoding(String),
    /// A body of a legacy peer.
    Legacy,
    /// For the native codec, which is not installed.
    Native,
    /// For the native codec, from a peer that may not use it.
    NativeForbidden,
    /// Not a zstd frame.
    Compression(String),
    /// Expands beyond the limit.
    TooLarge,
}

impl Body {
    /// Takes the payload of a data frame.
    pub(crate) fn new(payload: Bytes, compressed: bool) -> Self {
        Self { payload, compressed, _kept: None }
    }

    /// Keeps something alive as long as the body.
    pub(crate) fn keeping(self, kept: Arc<dyn Send + Sync>) -> Self {
        Self { _kept: Some(kept), ..self }
    }

    /// Returns the size on the wire.
    pub fn wire_len(&self) -> usize {
        self.payload.len()
    }

    /// Expands the body and looks at its first byte (`wire.md` section 11). No decoder runs before.
    pub(crate) fn open(&self, mode: Mode) -> Result<(Encoding, Cow<'_, [u8]>), BodyError> {
        let bytes = if self.compressed {
            Cow::Owned(codec::decompress(&self.payload).map_err(|error| match error {
                codec::Expansion::TooLarge => BodyError::TooLarge,
                codec::Expansion::Malformed(reason) => BodyError::Compression(reason),
            })?)
        } else {
            Cow::Borrowed(&self.payload[..])
        };
        match wire::sniff(mode, &bytes) {
            Sniff::Xlang => Ok((Encoding::Xlang, bytes)),
            Sniff::Json => Ok((Encoding::Json, bytes)),
            Sniff::Legacy => Err(BodyError::Legacy),
            Sniff::Native => Err(BodyError::Native),
            Sniff::Invalid => Err(BodyError::Encoding("unknown encoding".to_owned())),
            Sniff::Empty => Err(BodyError::Encoding("empty body".to_owned())),
        }
    }
}

/// Decodes bytes of a known encoding into host values.
pub(crate) fn decode<K: Sink>(
    schema: &Schema,
    root: RootId,
    encoding: Encoding,
    bytes: &[u8],
    sink: &mut K,
) -> Result<K::Value, BodyError> {
    match encoding {
        Encoding::Xlang => codec::decode_xlang(schema, root, bytes, sink),
        Encoding::Json => codec::decode_json(schema, root, bytes, sink),
    }
    .map_err(BodyError::Codec)
}

impl BodyError {
    /// Returns the trailer for a request (`wire.md` section 10).
    pub(crate) fn for_request(&self) -> RpcStatus {
        match self {
            Self::Codec(error) => error.for_request_at_server(),
            Self::Encoding(reason) => wire::cannot_decode_request(reason),
            Self::Legacy => wire::legacy_payload(),
            Self::Native => wire::cannot_decode_request(NO_NATIVE_CODEC),
            Self::NativeForbidden => wire::native_without_credential(),
            Self::Compression(reason) => wire::cannot_decompress_request(reason),
            Self::TooLarge => wire::decompressed_too_large(),
        }
    }

    /// Returns the local status for a response (`wire.md` section 10).
    pub(crate) fn for_response(&self) -> RpcStatus {
        let reason = match self {
            Self::Codec(error) => return error.for_response_at_client(),
            Self::Encoding(reason) => reason.clone(),
            Self::Legacy => "payload uses Fory 0.x encoding".to_owned(),
            Self::Native | Self::NativeForbidden => NO_NATIVE_CODEC.to_owned(),
            Self::Compression(reason) => format!("cannot decompress: {reason}"),
            Self::TooLarge => "decompressed payload is too large".to_owned(),
        };
        RpcStatus::new(StatusCode::INTERNAL, format!("cannot decode response: {reason}"))
    }
}

/// Appends frames to others; the first ones are taken over without a copy.
pub(crate) fn append(out: &mut Vec<u8>, frames: Vec<u8>) {
    if out.is_empty() {
        *out = frames;
    } else {
        out.extend_from_slice(&frames);
    }
}

/// A complete data frame to be sent: header and payload in one buffer.
pub(crate) struct Outgoing(pub(crate) Vec<u8>);

/// Why a value does not become a frame.
pub(crate) enum EncodeError {
    /// It does not fit its type.
    Codec(CodecError),
    /// Its bytes do not fit a frame.
    TooLarge,
}

impl Outgoing {
    /// Encodes a host value as a data frame after what `frames` holds already. Payloads longer than `compression`
    /// are compressed; -1: none.
    pub(crate) fn encode<S: Source>(
        mut frames: Vec<u8>,
        schema: &Schema,
        root: RootId,
        encoding: Encoding,
        compression: i64,
        source: &mut S,
        value: &S::Value,
    ) -> Result<Self, EncodeError> {
        let start = frame::begin(&mut frames);
        match encoding {
            Encoding::Xlang => codec::encode_xlang(schema, root, source, value, &mut frames),
            Encoding::Json => codec::encode_json(schema, root, source, value, &mut frames),
        }
        .map_err(EncodeError::Codec)?;
        Self::seal(frames, start, encoding, compression)
    }

    /// Wraps payload bytes of an encoding as a data frame after what `frames` holds already.
    pub(crate) fn raw(
        mut frames: Vec<u8>,
        payload: &[u8],
        encoding: Encoding,
        compression: i64,
    ) -> Result<Self, EncodeError> {
        let start = frame::begin(&mut frames);
        frames.extend_from_slice(payload);
        Self::seal(frames, start, encoding, compression)
    }

    fn seal(mut frames: Vec<u8>, start: usize, encoding: Encoding, compression: i64) -> Result<Self, EncodeError> {
        let payload = start + frame::HEADER_LEN;
        if frames.len().saturating_sub(payload) > limits::MAX_DECOMPRESSED_SIZE {
            return Err(EncodeError::TooLarge); // However small it becomes, the peer must not expand it.
        }
        let mut flags = 0;
        if let Some(small) = codec::compress(&frames[payload..], encoding == Encoding::Json, compression) {
            frames.truncate(payload);
            frames.extend_from_slice(&small);
            flags = frame::COMPRESSED;
        }
        frame::end(&mut frames, start, flags).map_err(|_| EncodeError::TooLarge)?;
        Ok(Self(frames))
    }
}
