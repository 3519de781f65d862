//! Tags of types, `package/name`, and the names that follow from them (`contract.md` section 3).
//!
//! Not here: field names on the wire ([`super::wire_name()`]).

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::error::Result;
use crate::limits;

use super::primitive::Primitive;
use super::reason::{bad, quote};

/// First part of the packages that belong to the library.
const RESERVED: &str = "_aster";

/// Returns the package: what is left of the last `/`, or nothing.
pub fn package(tag: &str) -> &str {
    tag.rsplit_once('/').map_or("", |(package, _)| package)
}

/// Returns the name: what is right of the last `/`.
pub fn name(tag: &str) -> &str {
    tag.rsplit_once('/').map_or(tag, |(_, name)| name)
}

/// Returns the name right of its last `.`, as people say it.
pub fn simple_name(tag: &str) -> &str {
    let name = name(tag);
    name.rsplit_once('.').map_or(name, |(_, simple)| simple)
}

/// Returns the full name in a contract: package `.` name, a `/` inside the package kept, in NFC.
pub fn fqn(tag: &str) -> String {
    join(package(tag), name(tag))
}

/// Returns the full name of a package and a name.
pub(crate) fn join(package: &str, name: &str) -> String {
    if package.is_empty() { nfc(name).into_owned() } else { nfc(&format!("{package}.{name}")).into_owned() }
}

/// Brings a text to Unicode normal form C.
pub(crate) fn nfc(text: &str) -> Cow<'_, str> {
    // ASCII, hence nearly every name, answers at once.
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => Cow::Borrowed(text),
        _ => Cow::Owned(text.nfc().collect()),
    }
}

/// Brings a name to NFC and checks that it is neither empty nor over the limit of bytes.
pub(crate) fn checked_name(what: &str, text: &str) -> Result<String> {
    let name = nfc(text).into_owned();
    if name.is_empty() {
        return Err(bad(format!("{what} is empty")));
    }
    if name.len() > limits::MAX_CONTRACT_NAME_BYTES {
        return Err(bad(format!("{what} {} exceeds {} bytes", quote(&name), limits::MAX_CONTRACT_NAME_BYTES)));
    }
    Ok(name)
}

/// Brings a tag to NFC and checks its form; whether it is declared is another question.
pub(crate) fn normalise(text: &str) -> Result<String> {
    let tag = nfc(text).into_owned();
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ',' | '?' | '"');
    if tag.is_empty() || tag.contains(forbidden) || !is_balanced(&tag) || Primitive::parse(&tag).is_some() {
        return Err(bad(format!("bad type {}", quote(&tag))));
    }
    for (what, part) in [("package", package(&tag)), ("name", name(&tag))] {
        if part.is_empty() && (what == "name" || tag.contains('/')) {
            return Err(bad(format!("type {} has an empty {what}", quote(&tag))));
        }
        if part.len() > limits::MAX_CONTRACT_NAME_BYTES {
            return Err(bad(format!("{what} of {} exceeds {} bytes", quote(&tag), limits::MAX_CONTRACT_NAME_BYTES)));
        }
    }
    // The full name decides: `_aster.container.X` without a package would meet the library's own types.
    match tag.split_once(['/', '.']) {
        Some((RESERVED, _)) => Err(bad(format!("package {RESERVED} of {} is reserved", quote(&tag)))),
        _ => Ok(tag),
    }
}

fn is_balanced(text: &str) -> bool {
    let mut open = 0usize;
    for byte in text.bytes() {
        match byte {
            b'<' => open = open.saturating_add(1),
            b'>' => match open.checked_sub(1) {
                Some(fewer) => open = fewer,
                None => return false,
            },
            _ => {}
        }
    }
    open == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_splits_at_its_last_slash() {
        assert_eq!((package("a/b/Item"), name("a/b/Item"), fqn("a/b/Item").as_str()), ("a/b", "Item", "a/b.Item"));
        assert_eq!((package("Item"), simple_name("Item"), fqn("Item").as_str()), ("", "Item", "Item"));
        assert_eq!(simple_name("m/f.<locals>.Item"), "Item");
    }

    #[test]
    fn reserved_packages_are_refused() {
        for tag in ["_aster/X", "_aster.container/X", "_aster/a/X", "_aster.container.X"] {
            assert!(normalise(tag).is_err(), "{tag}");
        }
        assert!(normalise("_asterisk/X").is_ok());
    }
}
