//! The binary form: a constant prefix, then the values (`wire.md` section 5.2).

use super::payload::{CallHeader, PayloadError, StreamHeader, pairs};
use crate::status::{RpcStatus, StatusCode};

const STREAM_HEADER: &[u8] =
    b"\x02\xff\x1d\x08\x01\x6c\x12\x99\x22\x12\x04\x76\x53\x89\x00\xce\x9c\x80\x19\x22\xa4\x05\x18\xde";
const CALL_HEADER: &[u8] =
    b"\x02\xff\x1d\x08\x01\x6c\x12\x99\x22\x10\x02\x38\x01\x65\xc2\x20\x01\x88\x88\x71\x25\x86\x79";
const RPC_STATUS: &[u8] = b"\x02\xff\x1d\x08\x01\x6c\x12\x99\x22\x0e\x02\x56\x78\x56\x26\x02\x6a\x24\x53\x53\xca\x9f";

const LATIN1: u64 = 0;
const UTF16: u64 = 1;
const UTF8: u64 = 2;
/// Flag byte of a non-empty list: elements of one declared type.
const LIST_FLAG: u8 = 0x0c;

type Read<T> = Result<T, PayloadError>;

pub(super) fn write_stream_header(header: &StreamHeader, out: &mut Vec<u8>) {
    out.extend_from_slice(STREAM_HEADER);
    put_int(out, header.deadline_epoch_ms);
    put_int(out, header.serialization_mode.into());
    put_int(out, header.version.into());
    put_text(out, &header.call_id);
    put_text(out, &header.method);
    put_text(out, &header.service);
    put_pairs(out, &header.metadata);
}

pub(super) fn read_stream_header(payload: &[u8]) -> Read<StreamHeader> {
    let mut reader = Reader::new(payload, STREAM_HEADER)?;
    let deadline_epoch_ms = reader.int()?;
    let (serialization_mode, version) = (reader.int()?, reader.int()?);
    let (call_id, method, service) = (reader.text()?, reader.text()?, reader.text()?);
    let metadata = reader.pairs()?;
    reader.end()?;
    let header = StreamHeader { service, method, call_id, deadline_epoch_ms, metadata, ..StreamHeader::default() };
    header.with_numbers(version, serialization_mode)
}

pub(super) fn write_call_header(header: &CallHeader, out: &mut Vec<u8>) {
    out.extend_from_slice(CALL_HEADER);
    put_int(out, header.deadline_epoch_ms);
    put_text(out, &header.call_id);
    put_text(out, &header.method);
    put_pairs(out, &header.metadata);
}

pub(super) fn read_call_header(payload: &[u8]) -> Read<CallHeader> {
    let mut reader = Reader::new(payload, CALL_HEADER)?;
    let deadline_epoch_ms = reader.int()?;
    let (call_id, method) = (reader.text()?, reader.text()?);
    let metadata = reader.pairs()?;
    reader.end()?;
    Ok(CallHeader { method, call_id, deadline_epoch_ms, metadata })
}

pub(super) fn write_status(status: &RpcStatus, out: &mut Vec<u8>) {
    out.extend_from_slice(RPC_STATUS);
    put_int(out, status.code.0.into());
    put_text(out, &status.message);
    put_pairs(out, &status.details);
}

pub(super) fn read_status(payload: &[u8]) -> Read<RpcStatus> {
    let mut reader = Reader::new(payload, RPC_STATUS)?;
    let code = i32::try_from(reader.int()?).map_err(|_| PayloadError::Range("code"))?;
    let message = reader.text()?;
    let details = reader.pairs()?;
    reader.end()?;
    Ok(RpcStatus { code: StatusCode(code), message, details })
}

fn put_uint(out: &mut Vec<u8>, mut value: u64) {
    for _ in 0..8 {
        if value < 0x80 {
            out.push(value as u8);
            return;
        }
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_int(out: &mut Vec<u8>, value: i64) {
    put_uint(out, ((value << 1) ^ (value >> 63)) as u64);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    if text.is_ascii() {
        put_uint(out, (text.len() as u64) << 2 | LATIN1);
        out.extend_from_slice(text.as_bytes());
        return;
    }
    let highest = text.chars().max().map_or(0, u32::from);
    if highest < 0x100 {
        put_uint(out, (text.chars().count() as u64) << 2 | LATIN1);
        out.extend(text.chars().map(|c| u32::from(c) as u8));
    } else if highest < 0x1_0000 {
        put_uint(out, (text.chars().count() as u64 * 2) << 2 | UTF16);
        out.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    } else {
        put_uint(out, (text.len() as u64) << 2 | UTF8);
        out.extend_from_slice(text.as_bytes());
    }
}

fn put_pairs(out: &mut Vec<u8>, pairs: &[(String, String)]) {
    put_list(out, pairs.iter().map(|(key, _)| key), pairs.len());
    put_list(out, pairs.iter().map(|(_, value)| value), pairs.len());
}

fn put_list<'t>(out: &mut Vec<u8>, texts: impl Iterator<Item = &'t String>, count: usize) {
    put_uint(out, count as u64);
    if count > 0 {
        out.push(LIST_FLAG);
        texts.for_each(|text| put_text(out, text));
    }
}

struct Reader<'p> {
    rest: &'p [u8],
}

impl<'p> Reader<'p> {
    fn new(payload: &'p [u8], prefix: &[u8]) -> Read<Self> {
        match payload.strip_prefix(prefix) {
            Some(rest) => Ok(Self { rest }),
            None if prefix.starts_with(payload) => Err(PayloadError::Truncated),
            None => Err(PayloadError::Prefix),
        }
    }

    fn byte(&mut self) -> Read<u8> {
        let (first, rest) = self.rest.split_first().ok_or(PayloadError::Truncated)?;
        self.rest = rest;
        Ok(*first)
    }

    fn take(&mut self, len: u64) -> Read<&'p [u8]> {
        let len = usize::try_from(len).map_err(|_| PayloadError::Truncated)?;
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(PayloadError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn uint(&mut self) -> Read<u64> {
        let mut value = 0;
        for shift in (0..56).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Ok(value | u64::from(self.byte()?) << 56)
    }

    fn int(&mut self) -> Read<i64> {
        let raw = self.uint()?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    fn text(&mut self) -> Read<String> {
        let head = self.uint()?;
        let bytes = self.take(head >> 2)?;
        match head & 3 {
            LATIN1 => Ok(match std::str::from_utf8(bytes) {
                Ok(text) if bytes.is_ascii() => text.to_owned(),
                _ => bytes.iter().map(|byte| char::from(*byte)).collect(),
            }),
            UTF16 => {
                let (units, odd) = bytes.as_chunks::<2>();
                if !odd.is_empty() {
                    return Err(PayloadError::StringBytes);
                }
                char::decode_utf16(units.iter().map(|unit| u16::from_le_bytes(*unit)))
                    .collect::<Result<_, _>>()
                    .map_err(|_| PayloadError::StringBytes)
            }
            UTF8 => String::from_utf8(bytes.to_vec()).map_err(|_| PayloadError::StringBytes),
            _ => Err(PayloadError::StringEncoding),
        }
    }

    fn list(&mut self) -> Read<Vec<String>> {
        let count = self.uint()?;
        if count == 0 {
            return Ok(Vec::new());
        }
        if count > self.rest.len() as u64 {
            return Err(PayloadError::Truncated);
        }
        if self.byte()? != LIST_FLAG {
            return Err(PayloadError::ListFlag);
        }
        (0..count).map(|_| self.text()).collect()
    }

    fn pairs(&mut self) -> Read<Vec<(String, String)>> {
        pairs(self.list()?, self.list()?)
    }

    fn end(&self) -> Read<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(PayloadError::TrailingBytes) }
    }
}
