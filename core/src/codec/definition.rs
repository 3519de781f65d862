//! Type definitions of XLANG payloads: hash, bytes, strict parser (`codec.md` section 3).
//!
//! Not here: whether a definition fits the contract ([`super::foreign`]).

use std::collections::HashSet;

use crate::limits;

use super::bytes::{Reader, put_uvarint32};
use super::names::{self, Place};
use super::plan::TypePlan;
use super::violation::{Fault, Step};

/// Bits every definition of a named message in compatible mode starts with.
const NAMED_COMPATIBLE: u8 = 0xe0;
const HASH_SEED: u64 = 47;

/// A type as a peer wrote it.
#[derive(Debug)]
pub(super) struct WireType {
    pub(super) id: u32,
    pub(super) nullable: bool,
    /// Element, or key and value.
    pub(super) parts: Vec<WireType>,
}

/// A field as a peer wrote it.
#[derive(Debug)]
pub(super) struct WrittenField {
    pub(super) wire_name: String,
    pub(super) ty: WireType,
}

/// A message type as a peer wrote it.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) namespace: String,
    pub(super) name: String,
    /// Fields in the order of the bodies.
    pub(super) fields: Vec<WrittenField>,
}

/// Writes a type definition, header included.
pub(super) fn write<'f>(
    namespace: &str,
    name: &str,
    fields: impl ExactSizeIterator<Item = (&'f str, &'f TypePlan)>,
) -> Vec<u8> {
    let mut body = Vec::with_capacity(64);
    put_count(&mut body, NAMED_COMPATIBLE, 0, fields.len(), 31);
    for (text, place) in [(namespace, Place::Namespace), (name, Place::TypeName)] {
        let (encoding, raw) = names::pack(text, place);
        put_count(&mut body, encoding, 2, raw.len(), 63);
        body.extend_from_slice(&raw);
    }
    for (wire_name, ty) in fields {
        let (encoding, raw) = names::pack(wire_name, Place::Field);
        let nullable = u8::from(ty.nullable()) << 1;
        // The length follows the byte, before the type.
        put_count(&mut body, encoding << 6 | nullable, 2, raw.len().saturating_sub(1), 15);
        put_type(&mut body, ty, true);
        body.extend_from_slice(&raw);
    }
    seal_definition(&body)
}

/// Returns a whole type definition for a body: a header with hash and size, and the body.
///
/// Writers need no more than the definitions of a schema; tests make definitions of peers with it.
pub fn seal_definition(body: &[u8]) -> Vec<u8> {
    let mut out = header(body).to_le_bytes().to_vec();
    if body.len() >= 0xff {
        put_uvarint32(&mut out, (body.len() - 0xff) as u32);
    }
    out.extend_from_slice(body);
    out
}

/// Writes a byte with a count in it, and the rest of a count that does not fit.
fn put_count(out: &mut Vec<u8>, bits: u8, shift: u32, count: usize, most: usize) {
    out.push(bits | (count.min(most) as u8) << shift);
    if count >= most {
        put_uvarint32(out, (count - most) as u32);
    }
}

fn put_type(out: &mut Vec<u8>, ty: &TypePlan, outermost: bool) {
    if outermost {
        out.push(ty.id());
    } else {
        put_uvarint32(out, u32::from(ty.id()) << 2 | u32::from(ty.nullable()) << 1);
    }
    for part in ty.parts() {
        put_type(out, part, false);
    }
}

/// Returns the whole definition at the start of the input, its hash not checked yet.
pub(super) fn split<'b>(reader: &mut Reader<'b>) -> Step<&'b [u8]> {
    let all = reader.rest();
    let head = u64::from_le_bytes(reader.array()?);
    if head & 0xf00 != 0 {
        return Err(Fault::malformed("unsupported type definition flags"));
    }
    let mut size = (head & 0xff) as usize;
    if size == 0xff {
        size = size.saturating_add(reader.uvarint32()? as usize);
    }
    if size > limits::MAX_TYPE_DEFINITION {
        return Err(Fault::malformed("type definition too large"));
    }
    reader.take(size)?;
    let length = all.len().saturating_sub(reader.rest().len());
    all.get(..length).ok_or_else(Fault::truncated)
}

/// Parses a whole definition, as [`split`] returns it.
pub(super) fn parse(bytes: &[u8]) -> Step<Definition> {
    let mut reader = Reader::new(bytes);
    let head = u64::from_le_bytes(reader.array()?);
    if head & 0xff == 0xff {
        reader.uvarint32()?;
    }
    let body = reader.rest();
    if header(body) != head {
        return Err(Fault::malformed("type definition hash does not match"));
    }
    parse_body(&mut reader)
}

fn parse_body(reader: &mut Reader<'_>) -> Step<Definition> {
    let first = reader.byte()?;
    if first & NAMED_COMPATIBLE != NAMED_COMPATIBLE {
        return Err(Fault::malformed("only named compatible structs are supported"));
    }
    let count = count(reader, first & 31, 31)?;
    // Every field takes three bytes at least, so a count beyond that is never believed.
    if count > limits::MAX_TYPE_DEFINITION_FIELDS {
        return Err(Fault::malformed("too many fields"));
    }
    let mut read_name = |place| -> Step<String> {
        let byte = reader.byte()?;
        let length = self::count(reader, byte >> 2, 63)?;
        names::unpack(reader.take(length)?, byte & 3, place).ok_or_else(bad_name)
    };
    let namespace = read_name(Place::Namespace)?;
    let name = read_name(Place::TypeName)?;
    let mut fields = Vec::new();
    for _ in 0..count {
        fields.push(parse_field(reader)?);
    }
    if !reader.rest().is_empty() {
        return Err(Fault::malformed("bytes after a type definition"));
    }
    let mut seen = HashSet::with_capacity(fields.len());
    if !fields.iter().all(|f: &WrittenField| seen.insert(f.wire_name.as_str())) {
        return Err(Fault::malformed("duplicate field in a type definition"));
    }
    Ok(Definition { namespace, name, fields })
}

fn parse_field(reader: &mut Reader<'_>) -> Step<WrittenField> {
    let byte = reader.byte()?;
    if byte & 1 != 0 {
        return Err(Fault::malformed("reference tracking is not supported"));
    }
    if byte >> 6 == 3 {
        return Err(Fault::malformed("field ids are not supported"));
    }
    let length = count(reader, byte >> 2 & 15, 15)?.saturating_add(1);
    let id = u32::from(reader.byte()?);
    let ty = parse_type(reader, id, byte & 2 != 0, 0)?;
    let wire_name = names::unpack(reader.take(length)?, byte >> 6, Place::Field).ok_or_else(bad_name)?;
    Ok(WrittenField { wire_name, ty })
}

fn parse_type(reader: &mut Reader<'_>, id: u32, nullable: bool, depth: usize) -> Step<WireType> {
    if depth > limits::MAX_TYPE_DEPTH {
        return Err(Fault::malformed("type nested too deep"));
    }
    let parts = match u8::try_from(id) {
        Ok(super::plan::LIST | super::plan::SET) => 1,
        Ok(super::plan::MAP) => 2,
        _ => 0,
    };
    let mut out = WireType { id, nullable, parts: Vec::new() };
    for _ in 0..parts {
        let number = reader.uvarint32()?;
        if number & 1 != 0 {
            return Err(Fault::malformed("reference tracking is not supported"));
        }
        out.parts.push(parse_type(reader, number >> 2, number & 2 != 0, depth.saturating_add(1))?);
    }
    Ok(out)
}

fn count(reader: &mut Reader<'_>, low: u8, most: u8) -> Step<usize> {
    let more = if low == most { reader.uvarint32()? as usize } else { 0 };
    Ok(usize::from(low).saturating_add(more))
}

#[cold]
fn bad_name() -> Box<Fault> {
    Fault::malformed("bad name in a type definition")
}

/// Returns the header of a definition: its hash and the low bits of its size.
fn header(body: &[u8]) -> u64 {
    let low = body.len().min(0xff) as u8;
    let mut hashed = Vec::with_capacity(body.len().saturating_add(2));
    hashed.extend_from_slice(body);
    hashed.extend_from_slice(&[low, 0]);
    let shifted = (murmur3(&hashed, HASH_SEED) << 12) as i64;
    // The minimum has no positive counterpart and stays.
    let hash = shifted.wrapping_abs() as u64 & !0xfff;
    hash | u64::from(low)
}

/// Returns the first 64 bits of MurmurHash3 x64-128.
fn murmur3(data: &[u8], seed: u64) -> u64 {
    const C1: u64 = 0x87c3_7b91_1142_53d5;
    const C2: u64 = 0x4cf5_ad43_2745_937f;
    let mix1 = |k: u64| k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2);
    let mix2 = |k: u64| k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1);
    let (mut h1, mut h2) = (seed, seed);
    let (blocks, tail) = data.as_chunks::<16>();
    let halves = |block: &[u8; 16]| {
        let whole = u128::from_le_bytes(*block);
        (whole as u64, (whole >> 64) as u64)
    };
    for block in blocks {
        let (k1, k2) = halves(block);
        h1 = (h1 ^ mix1(k1)).rotate_left(27).wrapping_add(h2).wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 = (h2 ^ mix2(k2)).rotate_left(31).wrapping_add(h1).wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let mut last = [0u8; 16];
    for (to, from) in last.iter_mut().zip(tail) {
        *to = *from;
    }
    // Zero halves mix to zero, so an absent half changes nothing.
    let (k1, k2) = halves(&last);
    h2 ^= mix2(k2);
    h1 ^= mix1(k1);
    h1 ^= data.len() as u64;
    h2 ^= data.len() as u64;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    finish(h1).wrapping_add(finish(h2))
}

fn finish(mut k: u64) -> u64 {
    k = (k ^ k >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    k = (k ^ k >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    k ^ k >> 33
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_definition_of_the_specification() {
        let bytes = hex::decode("127055c5e9081805e20d48ee780f226460440742784815340c20").unwrap();
        let mut reader = Reader::new(&bytes);
        let definition = parse(split(&mut reader).unwrap()).unwrap();
        assert_eq!((definition.namespace.as_str(), definition.name.as_str()), ("shop", "Item"));
        let fields: Vec<_> = definition.fields.iter().map(|f| (f.wire_name.as_str(), f.ty.id)).collect();
        assert_eq!(fields, [("qty", 7), ("name", 21)]);
    }

    #[test]
    fn never_panics_on_changed_bodies_with_the_right_hash() {
        let bytes = hex::decode("127055c5e9081805e20d48ee780f226460440742784815340c20").unwrap();
        for (at, value) in (8..bytes.len()).flat_map(|at| (0..=255).map(move |value| (at, value))) {
            let mut changed = bytes.clone();
            changed[at] = value;
            let head = header(&changed[8..]).to_le_bytes();
            changed[..8].copy_from_slice(&head);
            let _ = split(&mut Reader::new(&changed)).and_then(parse);
        }
    }

    #[test]
    fn refuses_every_flipped_bit() {
        let bytes = hex::decode("127055c5e9081805e20d48ee780f226460440742784815340c20").unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let outcome = split(&mut Reader::new(&changed)).and_then(parse);
            assert!(outcome.is_err(), "bit {bit}");
        }
    }
}
