//! Canonical bytes: the writer, and reading that refuses everything the writer would not write
//! (`contract.md` section 2).
//!
//! Not here: sorting and checking ([`super::model`]), parts of the bytes ([`super::reader`]).

use crate::error::Result;
use crate::limits;
use crate::types::reason::bad;

use super::capability::CapabilityRequirement;
use super::kinds::{ScopeKind, TypeDefKind};
use super::model::{Digest, EnumValueDef, FieldDef, MethodDef, ServiceContract, TypeDef, UnionVariantDef};
use super::reader::Reader;

/// Follows the count of every list.
pub(super) const LIST: u8 = 0x0c;
/// Stands for an absent optional.
pub(super) const ABSENT: u8 = 0xfd;
/// Stands before a present optional.
pub(super) const PRESENT: u8 = 0x00;
/// Low bits of a string header: UTF-8.
pub(super) const UTF8: u64 = 2;

impl TypeDef {
    /// Returns the canonical bytes.
    ///
    /// # Errors
    ///
    /// Kind CONTRACT if something occurs twice or a limit is exceeded.
    pub fn canonical(&self) -> Result<Vec<u8>> {
        let mut normal = self.clone();
        normal.normalise()?;
        let mut out = Vec::new();
        normal.write(&mut out);
        if out.len() > limits::MAX_TYPE_DEF_BYTES {
            return Err(bad(format!("a type exceeds {} bytes", limits::MAX_TYPE_DEF_BYTES)));
        }
        Ok(out)
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    ///
    /// Kind CONTRACT for anything that [`TypeDef::canonical`] would not have written.
    pub fn from_canonical(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > limits::MAX_TYPE_DEF_BYTES {
            return Err(bad(format!("a type exceeds {} bytes", limits::MAX_TYPE_DEF_BYTES)));
        }
        let mut reader = Reader::new(bytes);
        let read = Self {
            kind: reader.kind(TypeDefKind::from_number)?,
            package: reader.string()?,
            name: reader.string()?,
            fields: reader.list(Reader::field)?,
            enum_values: reader.list(|r| Ok(EnumValueDef { name: r.string()?, value: r.int32()? }))?,
            union_variants: reader
                .list(|r| Ok(UnionVariantDef { name: r.string()?, id: r.int32()?, type_ref: r.reference()? }))?,
        };
        reader.end()?;
        same(&read.canonical()?, bytes)?;
        Ok(read)
    }

    /// Returns the type hash: BLAKE3-256 of the canonical bytes.
    ///
    /// # Errors
    ///
    /// As [`TypeDef::canonical`].
    pub fn hash(&self) -> Result<Digest> {
        Ok(digest(&self.canonical()?))
    }

    fn write(&self, out: &mut Vec<u8>) {
        uvarint(out, self.kind.number());
        string(out, &self.package);
        string(out, &self.name);
        list(out, &self.fields, field);
        list(out, &self.enum_values, |out, member| {
            string(out, &member.name);
            int32(out, member.value);
        });
        list(out, &self.union_variants, |out, variant| {
            string(out, &variant.name);
            int32(out, variant.id);
            reference(out, variant.type_ref);
        });
    }
}

impl MethodDef {
    /// Returns the canonical bytes.
    ///
    /// # Errors
    ///
    /// Kind CONTRACT if a rule of the layout is broken.
    pub fn canonical(&self) -> Result<Vec<u8>> {
        let mut normal = self.clone();
        normal.normalise()?;
        let mut out = Vec::new();
        method(&mut out, &normal);
        Ok(out)
    }
}

impl ServiceContract {
    /// Returns the canonical bytes, whose BLAKE3-256 hash is the contract id.
    ///
    /// # Errors
    ///
    /// Kind CONTRACT if something occurs twice or a limit is exceeded.
    pub fn canonical(&self) -> Result<Vec<u8>> {
        let mut normal = self.clone();
        normal.normalise()?;
        let mut out = Vec::new();
        string(&mut out, &normal.name);
        int32(&mut out, normal.version);
        list(&mut out, &normal.methods, method);
        list(&mut out, &normal.serialization_modes, |out, mode| string(out, mode));
        uvarint(&mut out, normal.scoped.number());
        capability(&mut out, normal.requires.as_ref());
        string(&mut out, &normal.producer_language);
        Ok(out)
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    ///
    /// Kind CONTRACT for anything that [`ServiceContract::canonical`] would not have written.
    pub fn from_canonical(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        let read = Self {
            name: reader.string()?,
            version: reader.int32()?,
            methods: reader.list(Reader::method)?,
            serialization_modes: reader.list(Reader::string)?,
            scoped: reader.kind(ScopeKind::from_number)?,
            requires: reader.capability()?,
            producer_language: reader.string()?,
        };
        reader.end()?;
        same(&read.canonical()?, bytes)?;
        Ok(read)
    }
}

/// Returns the BLAKE3-256 hash of bytes.
pub(super) fn digest(bytes: &[u8]) -> Digest {
    *blake3::hash(bytes).as_bytes()
}

fn same(written: &[u8], read: &[u8]) -> Result<()> {
    if written == read { Ok(()) } else { Err(bad("not canonical")) }
}

fn uvarint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn int32(out: &mut Vec<u8>, number: i32) {
    zigzag(out, number.into());
}

fn zigzag(out: &mut Vec<u8>, number: i64) {
    uvarint(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

fn string(out: &mut Vec<u8>, text: &str) {
    uvarint(out, (text.len() as u64) << 2 | UTF8);
    out.extend_from_slice(text.as_bytes());
}

fn bytes(out: &mut Vec<u8>, raw: &[u8]) {
    uvarint(out, raw.len() as u64);
    out.extend_from_slice(raw);
}

fn reference(out: &mut Vec<u8>, hash: Option<Digest>) {
    bytes(out, hash.as_ref().map_or(&[], |hash| hash.as_slice()));
}

fn boolean(out: &mut Vec<u8>, value: bool) {
    out.push(u8::from(value));
}

fn float64(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn list_header(out: &mut Vec<u8>, count: usize) {
    uvarint(out, count as u64);
    out.push(LIST);
}

fn list<T>(out: &mut Vec<u8>, items: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    list_header(out, items.len());
    for item in items {
        write(out, item);
    }
}

fn capability(out: &mut Vec<u8>, requirement: Option<&CapabilityRequirement>) {
    let Some(requirement) = requirement else { return out.push(ABSENT) };
    out.push(PRESENT);
    uvarint(out, requirement.kind.number());
    list(out, &requirement.roles, |out, role| string(out, role));
}

fn field(out: &mut Vec<u8>, field: &FieldDef) {
    int32(out, field.id);
    string(out, &field.name);
    uvarint(out, field.type_kind.number());
    string(out, &field.type_primitive);
    reference(out, field.type_ref);
    string(out, &field.self_ref_name);
    boolean(out, field.optional);
    boolean(out, field.ref_tracked);
    uvarint(out, field.container.number());
    uvarint(out, field.container_key_kind.number());
    string(out, &field.container_key_primitive);
    reference(out, field.container_key_ref);
    boolean(out, field.required);
    bytes(out, &field.default_value);
}

fn method(out: &mut Vec<u8>, method: &MethodDef) {
    string(out, &method.name);
    uvarint(out, method.pattern.number());
    reference(out, method.request_type);
    reference(out, method.response_type);
    boolean(out, method.idempotent);
    float64(out, method.default_timeout);
    capability(out, method.requires.as_ref());
}

/// The scalars of the layout, for tests against the vectors.
pub mod primitive {
    /// Returns the bytes of an unsigned varint.
    pub fn uvarint(number: u64) -> Vec<u8> {
        with(|out| super::uvarint(out, number))
    }

    /// Returns the bytes of a signed integer, alike for 32 and 64 bits.
    pub fn zigzag(number: i64) -> Vec<u8> {
        with(|out| super::zigzag(out, number))
    }

    /// Returns the bytes of a string.
    pub fn string(text: &str) -> Vec<u8> {
        with(|out| super::string(out, text))
    }

    /// Returns the bytes of a byte string.
    pub fn bytes(raw: &[u8]) -> Vec<u8> {
        with(|out| super::bytes(out, raw))
    }

    /// Returns the byte of a bool.
    pub fn boolean(value: bool) -> Vec<u8> {
        with(|out| super::boolean(out, value))
    }

    /// Returns the bytes of a number.
    pub fn float64(value: f64) -> Vec<u8> {
        with(|out| super::float64(out, value))
    }

    /// Returns what stands before the elements of a list.
    pub fn list_header(count: usize) -> Vec<u8> {
        with(|out| super::list_header(out, count))
    }

    /// Returns the marker of an absent or present optional.
    pub fn optional(present: bool) -> Vec<u8> {
        vec![if present { super::PRESENT } else { super::ABSENT }]
    }

    fn with(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }
}
