//! Names of messages that are generic classes with arguments (`contract.md` section 6).

use crate::error::Result;

use super::expr::TypeExpr;
use super::tag;

/// Returns the tag of a generic class with arguments, given as type texts: `a/Page` of `a/Item` is `a/Page_Item`.
///
/// # Errors
///
/// Kind CONTRACT if an argument is no type, or the name exceeds the limit.
pub fn flattened_name(tag: &str, arguments: &[&str]) -> Result<String> {
    let mut out = tag.to_owned();
    for argument in arguments {
        out.push('_');
        push_part(&mut out, &signature(&TypeExpr::parse(argument)?));
    }
    tag::checked_name("a flattened name", &out)
}

/// Returns the signature of a type with simple names.
fn signature(ty: &TypeExpr) -> String {
    match ty {
        TypeExpr::Primitive(primitive) => primitive.name().to_owned(),
        TypeExpr::Named(tag) => tag::simple_name(tag).to_owned(),
        TypeExpr::List(element) => format!("list<{}>", signature(element)),
        TypeExpr::Set(element) => format!("set<{}>", signature(element)),
        TypeExpr::Map(key, value) => format!("map<{},{}>", signature(key), signature(value)),
        TypeExpr::Optional(inner) => format!("optional<{}>", signature(inner)),
    }
}

/// Appends a part, every run of other characters as one `_`, none at its end.
fn push_part(out: &mut String, part: &str) {
    let start = out.len();
    let mut in_run = false;
    for c in part.chars() {
        let kept = c.is_ascii_alphanumeric() || c == '_';
        if kept {
            out.push(c);
        } else if !in_run {
            out.push('_');
        }
        in_run = !kept;
    }
    while out.len() > start && out.ends_with('_') {
        out.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_arguments() {
        let flat = |arguments: &[&str]| flattened_name("a/Page", arguments).unwrap();
        assert_eq!(flat(&["shop/sub.Item"]), "a/Page_Item");
        assert_eq!(flat(&["list<int>"]), "a/Page_list_varint64");
        assert_eq!(flat(&["map<string,list<a/X?>>", "uuid"]), "a/Page_map_string_list_optional_X_string");
        assert_eq!(flat(&["\u{dc}ber/\u{dc}ber_"]), "a/Page__ber");
        assert!(flattened_name("a/Page", &["list<"]).is_err());
        assert!(flattened_name(&"x".repeat(250), &["string"]).is_err());
    }
}
