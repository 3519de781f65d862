//! Type texts such as `map<string,list<shop/Line?>>` and their trees (`contract.md` section 3).
//!
//! Not here: whether a named type exists and may stand where it stands ([`super::TypeTable`]).

use std::fmt;

use crate::error::Result;
use crate::limits;

use super::primitive::Primitive;
use super::reason::{bad, quote};
use super::tag;

/// A type as a field has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TypeExpr {
    /// A type without parts.
    Primitive(Primitive),
    /// A message or enum, by its tag (NFC).
    Named(String),
    /// An ordered sequence.
    List(Box<TypeExpr>),
    /// Values without order or repetition.
    Set(Box<TypeExpr>),
    /// Keys and values.
    Map(Box<TypeExpr>, Box<TypeExpr>),
    /// A value or null. Never directly inside another one.
    Optional(Box<TypeExpr>),
}

impl TypeExpr {
    /// Parses a type text. Containers may nest 16 deep.
    ///
    /// # Errors
    ///
    /// Kind CONTRACT if the text is no type, or nests too deep.
    pub fn parse(text: &str) -> Result<Self> {
        Self::parse_at(text, 0)
    }

    /// Returns the type without its `?`.
    pub fn required(&self) -> &TypeExpr {
        match self {
            TypeExpr::Optional(inner) => inner,
            other => other,
        }
    }

    /// Tells whether null is a value of the type.
    pub fn is_optional(&self) -> bool {
        matches!(self, TypeExpr::Optional(_))
    }

    /// Hands the tag of every named type in the text to `visit`.
    pub fn each_tag(&self, visit: &mut dyn FnMut(&str)) {
        match self {
            TypeExpr::Primitive(_) => {}
            TypeExpr::Named(tag) => visit(tag),
            TypeExpr::List(inner) | TypeExpr::Set(inner) | TypeExpr::Optional(inner) => inner.each_tag(visit),
            TypeExpr::Map(key, value) => {
                key.each_tag(visit);
                value.each_tag(visit);
            }
        }
    }

    fn parse_at(text: &str, depth: usize) -> Result<Self> {
        let bare = text.trim_end_matches('?');
        let parsed = Self::parse_bare(bare, depth)?;
        Ok(if bare.len() == text.len() { parsed } else { Self::Optional(Box::new(parsed)) })
    }

    fn parse_bare(text: &str, depth: usize) -> Result<Self> {
        let container = |kind: &str| text.strip_prefix(kind)?.strip_prefix('<')?.strip_suffix('>');
        let inner = |body: &str| {
            if depth >= limits::MAX_TYPE_DEPTH {
                return Err(bad(format!("a type nests at most {} containers", limits::MAX_TYPE_DEPTH)));
            }
            Ok(Box::new(Self::parse_at(body, depth.saturating_add(1))?))
        };
        if let Some(body) = container("list") {
            return Ok(Self::List(inner(body)?));
        }
        if let Some(body) = container("set") {
            return Ok(Self::Set(inner(body)?));
        }
        if let Some(body) = container("map") {
            let (key, value) = split_pair(body).ok_or_else(|| bad(format!("bad type {}", quote(text))))?;
            return Ok(Self::Map(inner(key)?, inner(value)?));
        }
        match Primitive::parse(text) {
            Some(primitive) => Ok(Self::Primitive(primitive)),
            None => Ok(Self::Named(tag::normalise(text)?)),
        }
    }
}

/// Splits at the first comma outside brackets.
fn split_pair(body: &str) -> Option<(&str, &str)> {
    let mut depth = 0i64;
    for (at, byte) in body.bytes().enumerate() {
        match byte {
            b'<' => depth = depth.saturating_add(1),
            b'>' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => return Some((body.get(..at)?, body.get(at..)?.strip_prefix(',')?)),
            _ => {}
        }
    }
    None
}

impl fmt::Display for TypeExpr {
    /// Writes the type text without aliases.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TypeExpr::Primitive(primitive) => f.write_str(primitive.name()),
            TypeExpr::Named(tag) => f.write_str(tag),
            TypeExpr::List(element) => write!(f, "list<{element}>"),
            TypeExpr::Set(element) => write!(f, "set<{element}>"),
            TypeExpr::Map(key, value) => write!(f, "map<{key},{value}>"),
            TypeExpr::Optional(inner) => write!(f, "{inner}?"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(input: &str) -> String {
        TypeExpr::parse(input).map_or_else(|e| format!("error: {e}"), |t| t.to_string())
    }

    #[test]
    fn texts_lose_aliases_and_doubled_marks() {
        assert_eq!(text("int"), "varint64");
        assert_eq!(text("list<uuid??>?"), "list<string?>?");
        assert_eq!(text("map<int,map<a/K,list<bytes>>>"), "map<varint64,map<a/K,list<binary>>>");
        assert_eq!(text("a/Outer.Inner"), "a/Outer.Inner");
        assert_eq!(text("mod/f.<locals>.Item?"), "mod/f.<locals>.Item?");
        assert_eq!(text("e\u{301}/X"), "\u{e9}/X");
    }

    #[test]
    fn bad_texts_are_refused() {
        let refused =
            ["", "?", "list<>", "list<int", "map<int>", "map<,int>", "a b", "list< int>", "a\"b", "a>b<", "x/", "/x"];
        for input in refused {
            assert!(TypeExpr::parse(input).is_err(), "{input:?}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |n: usize| format!("{}int{}", "list<".repeat(n), ">".repeat(n));
        assert!(TypeExpr::parse(&nested(16)).is_ok());
        assert!(TypeExpr::parse(&nested(17)).is_err());
        assert!(TypeExpr::parse(&nested(100_000)).is_err());
        assert_eq!(text(&format!("int{}", "?".repeat(100_000))), "varint64?");
    }
}
