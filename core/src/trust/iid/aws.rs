//! Identity documents of AWS: PKCS#7 with the document inside, signed by a configured certificate.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::asn1::{Any, ContextSpecific, ObjectIdentifier, OctetString};
use der::{Decode, DecodeValue, EncodingRules, FixedTag, Header, Reader, SliceReader, Tag, TagNumber, Tagged};
use ring::digest;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::Value;
use x509_cert::Certificate;

use crate::trust::json;

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSA_SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const MAX_ATTRIBUTES: usize = 16;

/// Certificates that are believed.
#[derive(Default)]
pub(super) struct AwsKeys(Vec<AwsKey>);

struct AwsKey {
    /// Seconds since 1970, the first and the last.
    validity: (u64, u64),
    /// PKCS#1.
    public_key: Vec<u8>,
}

/// The parts of a signature that count.
struct Signed {
    content: Vec<u8>,
    /// The bytes between the tags of the signed attributes.
    attributes: Option<Vec<u8>>,
    signature: Vec<u8>,
}

impl AwsKeys {
    /// Reads certificates; `None` if one is none.
    pub(super) fn parse(texts: &[String]) -> Option<Self> {
        let mut keys = Vec::new();
        for text in texts {
            let chain = Certificate::load_pem_chain(text.as_bytes()).ok()?;
            if chain.is_empty() {
                return None;
            }
            for certificate in chain {
                let of = certificate.tbs_certificate();
                let validity = of.validity();
                let seconds = (validity.not_before.to_unix_duration(), validity.not_after.to_unix_duration());
                let key = of.subject_public_key_info();
                if key.algorithm.oid != RSA {
                    return None;
                }
                let public_key = key.subject_public_key.raw_bytes().to_vec();
                keys.push(AwsKey { validity: (seconds.0.as_secs(), seconds.1.as_secs()), public_key });
            }
        }
        Some(Self(keys))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the document of a token that one of the certificates signed.
    pub(super) fn verify(&self, token: &str, now: u64) -> Option<Value> {
        // AWS breaks its base64 into lines.
        let text: String = token.split_ascii_whitespace().collect();
        let signed = Signed::read(&STANDARD.decode(text).ok()?).ok()?;
        let message = signed.message()?;
        let is_valid = |key: &&AwsKey| (key.validity.0..=key.validity.1).contains(&now);
        let verifies = |key: &AwsKey| {
            let public_key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &key.public_key);
            public_key.verify(&message, &signed.signature).is_ok()
        };
        match self.0.iter().filter(is_valid).any(verifies) {
            true => json::parse(&signed.content).ok(),
            false => None,
        }
    }
}

fn context(number: u32) -> Tag {
    Tag::ContextSpecific { constructed: true, number: TagNumber(number) }
}

fn unexpected(tag: Tag) -> der::Error {
    tag.value_error().into()
}

/// Reads what is within tag 0.
fn explicit<'a, T, R: Reader<'a>>(reader: &mut R) -> der::Result<T>
where
    T: Decode<'a, Error = der::Error> + Tagged,
{
    let field = ContextSpecific::decode_explicit(reader, TagNumber(0))?;
    field.map(|field| field.value).ok_or_else(|| unexpected(context(0)))
}

impl FixedTag for Signed {
    const TAG: Tag = Tag::Sequence;
}

impl<'a> DecodeValue<'a> for Signed {
    type Error = der::Error;

    fn decode_value<R: Reader<'a>>(reader: &mut R, _: Header) -> der::Result<Self> {
        Self::data(reader)
    }
}

/// Reads an algorithm, whose parameters are of no interest.
fn algorithm<'a>(reader: &mut impl Reader<'a>) -> der::Result<ObjectIdentifier> {
    reader.sequence(|reader| {
        let id = ObjectIdentifier::decode(reader)?;
        if !reader.is_finished() {
            Any::decode(reader)?;
        }
        Ok(id)
    })
}

impl Signed {
    fn read(bytes: &[u8]) -> der::Result<Self> {
        let mut reader = SliceReader::new_with_encoding_rules(bytes, EncodingRules::Ber)?;
        let signed = reader.sequence(|reader| {
            if ObjectIdentifier::decode(reader)? != SIGNED_DATA {
                return Err(unexpected(Tag::ObjectIdentifier));
            }
            explicit::<Self, _>(reader)
        })?;
        reader.finish()?;
        Ok(signed)
    }

    fn data<'a>(reader: &mut impl Reader<'a>) -> der::Result<Self> {
        u8::decode(reader)?;
        Any::decode(reader)?; // Digest algorithms; the signer's own counts.
        let content = reader.sequence(|reader| {
            if ObjectIdentifier::decode(reader)? != DATA {
                return Err(unexpected(Tag::ObjectIdentifier));
            }
            explicit::<OctetString, _>(reader)
        })?;
        // Certificates and revocation lists that come along prove nothing.
        while [context(0), context(1)].contains(&Tag::peek(reader)?) {
            Any::decode(reader)?;
        }
        let signers = Any::decode(reader)?;
        if signers.tag() != Tag::Set {
            return Err(unexpected(Tag::Set));
        }
        let mut signers = SliceReader::new_with_encoding_rules(signers.value(), EncodingRules::Ber)?;
        let (attributes, signature) = signers.sequence(signer)?;
        signers.finish()?; // One signer, no other.
        Ok(Self { content: content.into_bytes().into_vec(), attributes, signature })
    }

    /// Returns what the signature covers; `None` if the signed attributes are those of another content.
    fn message(&self) -> Option<Vec<u8>> {
        let Some(attributes) = &self.attributes else { return Some(self.content.clone()) };
        let digest = digest::digest(&digest::SHA256, &self.content);
        let (mut has_type, mut has_digest) = (false, false);
        let mut reader = SliceReader::new(attributes).ok()?;
        for _ in 0..MAX_ATTRIBUTES {
            if reader.is_finished() {
                break;
            }
            let (id, value) = reader.sequence(attribute).ok()?;
            if id == CONTENT_TYPE {
                has_type = value.decode_as::<ObjectIdentifier>().ok()? == DATA;
            } else if id == MESSAGE_DIGEST {
                has_digest = value.decode_as::<OctetString>().ok()?.as_bytes() == digest.as_ref();
            }
        }
        if !reader.is_finished() || !has_type || !has_digest {
            return None;
        }
        // Signed as a set, not with the tag that the field has.
        let set = Any::new(Tag::Set, attributes.clone()).ok()?;
        der::Encode::to_der(&set).ok()
    }
}

fn signer<'a>(reader: &mut impl Reader<'a>) -> der::Result<(Option<Vec<u8>>, Vec<u8>)> {
    u8::decode(reader)?;
    Any::decode(reader)?; // Who it says it is; only keys count.
    if algorithm(reader)? != SHA_256 {
        return Err(unexpected(Tag::ObjectIdentifier));
    }
    let attributes = match Tag::peek(reader)? == context(0) {
        true => Some(Any::decode(reader)?.value().to_vec()),
        false => None,
    };
    if ![RSA, RSA_SHA_256].contains(&algorithm(reader)?) {
        return Err(unexpected(Tag::ObjectIdentifier));
    }
    let signature = OctetString::decode(reader)?.into_bytes().into_vec();
    if !reader.is_finished() && Tag::peek(reader)? == context(1) {
        Any::decode(reader)?;
    }
    Ok((attributes, signature))
}

/// Reads an attribute with its single value.
fn attribute<'a>(reader: &mut impl Reader<'a>) -> der::Result<(ObjectIdentifier, Any)> {
    let id = ObjectIdentifier::decode(reader)?;
    let values = Any::decode(reader)?;
    if values.tag() != Tag::Set {
        return Err(unexpected(Tag::Set));
    }
    let mut values = SliceReader::new(values.value())?;
    let value = Any::decode(&mut values)?;
    values.finish()?;
    Ok((id, value))
}
