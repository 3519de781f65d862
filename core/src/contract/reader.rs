//! Parts of canonical bytes, read one after the other (`contract.md` section 2).
//!
//! Not here: whether what was read is canonical ([`super::canonical`]).

use crate::error::Result;
use crate::types::reason::bad;

use super::canonical::{ABSENT, LIST, PRESENT, UTF8};
use super::capability::CapabilityRequirement;
use super::kinds::{CapabilityKind, ContainerKind, MethodPattern, TypeKind};
use super::model::{Digest, FieldDef, MethodDef};

/// Longest varint in bytes.
const MAX_VARINT: u32 = 10;

/// Bytes that are left. Nothing is allocated that the input does not pay for.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn take(&mut self, count: u64) -> Result<&'a [u8]> {
        let split = usize::try_from(count).ok().and_then(|count| self.rest.split_at_checked(count));
        let (taken, rest) = split.ok_or_else(|| bad("truncated"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        self.take(1)?.first().copied().ok_or_else(|| bad("truncated"))
    }

    fn uvarint(&mut self) -> Result<u64> {
        let mut number = 0u64;
        for at in 0..MAX_VARINT {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if at + 1 == MAX_VARINT && part > 1 {
                break;
            }
            number |= part << (7 * at);
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(bad("varint too long"))
    }

    pub fn int32(&mut self) -> Result<i32> {
        let number = u32::try_from(self.uvarint()?).map_err(|_| bad("integer out of range"))?;
        Ok((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    pub fn string(&mut self) -> Result<String> {
        let header = self.uvarint()?;
        if header & 3 != UTF8 {
            return Err(bad("string is not marked UTF-8"));
        }
        let text = std::str::from_utf8(self.take(header >> 2)?).map_err(|_| bad("invalid UTF-8"))?;
        Ok(text.to_owned())
    }

    pub fn reference(&mut self) -> Result<Option<Digest>> {
        let count = self.uvarint()?;
        match count {
            0 => Ok(None),
            32 => Ok(Some(self.take(count)?.try_into().map_err(|_| bad("truncated"))?)),
            _ => Err(bad("hash must have 0 or 32 bytes")),
        }
    }

    fn boolean(&mut self) -> Result<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(bad("bad boolean")),
        }
    }

    fn float64(&mut self) -> Result<f64> {
        Ok(f64::from_le_bytes(self.take(8)?.try_into().map_err(|_| bad("truncated"))?))
    }

    pub fn kind<T>(&mut self, from_number: impl Fn(u64) -> Option<T>) -> Result<T> {
        let number = self.uvarint()?;
        from_number(number).ok_or_else(|| bad(format!("unknown enum number {number}")))
    }

    pub fn list<T>(&mut self, read: impl Fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let count = self.uvarint()?;
        if self.byte()? != LIST {
            return Err(bad("bad list marker"));
        }
        if count > self.rest.len() as u64 {
            return Err(bad("list longer than the input"));
        }
        (0..count).try_fold(Vec::new(), |mut items, _| {
            items.push(read(self)?);
            Ok(items)
        })
    }

    pub fn capability(&mut self) -> Result<Option<CapabilityRequirement>> {
        match self.byte()? {
            ABSENT => Ok(None),
            PRESENT => Ok(Some(CapabilityRequirement {
                kind: self.kind(CapabilityKind::from_number)?,
                roles: self.list(Self::string)?,
            })),
            _ => Err(bad("bad optional marker")),
        }
    }

    pub fn field(&mut self) -> Result<FieldDef> {
        Ok(FieldDef {
            id: self.int32()?,
            name: self.string()?,
            type_kind: self.kind(TypeKind::from_number)?,
            type_primitive: self.string()?,
            type_ref: self.reference()?,
            self_ref_name: self.string()?,
            optional: self.boolean()?,
            ref_tracked: self.boolean()?,
            container: self.kind(ContainerKind::from_number)?,
            container_key_kind: self.kind(TypeKind::from_number)?,
            container_key_primitive: self.string()?,
            container_key_ref: self.reference()?,
            required: self.boolean()?,
            default_value: {
                let count = self.uvarint()?;
                self.take(count)?.to_vec()
            },
        })
    }

    pub fn method(&mut self) -> Result<MethodDef> {
        Ok(MethodDef {
            name: self.string()?,
            pattern: self.kind(MethodPattern::from_number)?,
            request_type: self.reference()?,
            response_type: self.reference()?,
            idempotent: self.boolean()?,
            default_timeout: self.float64()?,
            requires: self.capability()?,
        })
    }

    pub fn end(&self) -> Result<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(bad("trailing bytes")) }
    }
}
