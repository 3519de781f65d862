//! Names that types get from other types: signatures and flattened generics (`contract.md` sections 4 and 6).

use crate::error::Result;

use super::expr::TypeExpr;
use super::tag;

/// Returns the tag of a generic message applied to arguments: the generic's tag, then `_` and one part per argument.
///
/// A part is the signature of the argument with simple names, every run of other characters than `A-Z a-z 0-9 _`
/// replaced by `_` and those at the end cut: `Page` of `list<int>` is `Page_list_varint64`. Arguments are type texts.
///
/// # Errors
///
/// Kind CONTRACT if an argument is no type, or the name exceeds the limit, as that of a class that grows in itself.
pub fn flattened_name(base_tag: &str, arguments: &[impl AsRef<str>]) -> Result<String> {
    let mut out = base_tag.to_owned();
    for argument in arguments {
        let argument = TypeExpr::parse(argument.as_ref())?;
        out.push('_');
        out.push_str(&part(&signature(&argument, &|tag| tag::simple_name(tag).to_owned())));
    }
    tag::checked_name("a flattened name", &out)
}

/// Returns the signature of a type; `named` tells how a message or enum is called in it.
pub(crate) fn signature(ty: &TypeExpr, named: &impl Fn(&str) -> String) -> String {
    match ty {
        TypeExpr::Primitive(primitive) => primitive.name().to_owned(),
        TypeExpr::Named(tag) => named(tag),
        TypeExpr::List(element) => format!("list<{}>", signature(element, named)),
        TypeExpr::Set(element) => format!("set<{}>", signature(element, named)),
        TypeExpr::Map(key, value) => format!("map<{},{}>", signature(key, named), signature(value, named)),
        TypeExpr::Optional(inner) => format!("optional<{}>", signature(inner, named)),
    }
}

fn part(signature: &str) -> String {
    let mut out = String::with_capacity(signature.len());
    let mut replaced = false;
    for c in signature.chars() {
        let kept = c.is_ascii_alphanumeric() || c == '_';
        if kept {
            out.push(c);
        } else if !replaced {
            out.push('_');
        }
        replaced = !kept;
    }
    out.truncate(out.trim_end_matches('_').len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(arguments: &[&str]) -> String {
        flattened_name("ns/Page", arguments).unwrap()
    }

    #[test]
    fn arguments_become_parts_of_the_name() {
        assert_eq!(name(&["shop/Item"]), "ns/Page_Item");
        assert_eq!(name(&["shop/Outer.Item"]), "ns/Page_Item");
        assert_eq!(name(&["mod/f.<locals>.Item?"]), "ns/Page_optional_Item");
        assert_eq!(name(&["int"]), "ns/Page_varint64");
        assert_eq!(name(&["list<int>"]), "ns/Page_list_varint64");
        assert_eq!(name(&["map<string,list<a/B?>>"]), "ns/Page_map_string_list_optional_B");
        assert_eq!(name(&["a/Box_Item_", "bytes"]), "ns/Page_Box_Item_binary");
        assert_eq!(name(&["a/Gr\u{f6}\u{df}e"]), "ns/Page_Gr_e");
    }

    #[test]
    fn bad_arguments_and_long_names_are_refused() {
        assert!(flattened_name("a/Page", &["list<"]).is_err());
        assert!(flattened_name(&"x".repeat(250), &["string"]).is_err());
    }
}
