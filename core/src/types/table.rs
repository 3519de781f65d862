//! The types of a service by their tags, and the rules that involve more than one type (`contract.md` section 3).
//!
//! Not here: which types a service reaches ([`crate::contract`]).

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::error::Result;
use crate::limits;

use super::decl::TypeDecl;
use super::document;
use super::expr::TypeExpr;
use super::reason::{bad, quote, within};
use super::tag;

/// The declared types of a service, in declared order.
#[derive(Clone, Debug, Default)]
pub struct TypeTable {
    entries: Vec<(String, TypeDecl)>,
    by_tag: HashMap<String, usize>,
    by_fqn: HashMap<String, usize>,
}

impl TypeTable {
    /// Reads the `types` of a service description: an object from tags to declarations.
    ///
    /// # Errors
    ///
    /// Kind CONTRACT with a reason that names type and field, if any rule is broken.
    pub fn from_json(value: &Value) -> Result<Self> {
        let declared = value.as_object().ok_or_else(|| bad("`types` is not an object"))?;
        if declared.len() > limits::MAX_CONTRACT_TYPES {
            return Err(bad(format!("more than {} types", limits::MAX_CONTRACT_TYPES)));
        }
        let mut table = Self::default();
        let mut fory_names = HashSet::new();
        for (text, value) in declared {
            // A tag that reads as a container could never be referred to.
            let tag = match TypeExpr::parse(text) {
                Ok(TypeExpr::Named(tag)) => tag,
                Ok(_) => return Err(bad(format!("{} cannot be the tag of a type", quote(text)))),
                Err(error) => return Err(within("type", text, &error)),
            };
            let declaration = TypeDecl::read(value).map_err(|e| within("type", &tag, &e))?;
            // The name of its type definition; the codec tells types apart by it.
            if !fory_names.insert((tag::package(&tag).replace('/', "."), tag::name(&tag).to_owned())) {
                return Err(within("type", &tag, &bad("another type has its name on the wire")));
            }
            table.add(tag, declaration)?;
        }
        table.check()?;
        Ok(table)
    }

    /// Reads the text of such an object; doubled keys are refused.
    ///
    /// # Errors
    ///
    /// As [`TypeTable::from_json`].
    pub fn from_text(text: &str) -> Result<Self> {
        Self::from_json(&document::parse(text)?)
    }

    /// Returns a declaration by its tag.
    pub fn get(&self, tag: &str) -> Option<&TypeDecl> {
        self.by_tag.get(tag).and_then(|at| self.entries.get(*at)).map(|(_, declaration)| declaration)
    }

    /// Returns the tag of a type given by tag or full name (`package.name`), in any normal form.
    pub fn resolve(&self, name: &str) -> Option<&str> {
        let name = tag::nfc(name);
        let at = self.by_tag.get(name.as_ref()).or_else(|| self.by_fqn.get(name.as_ref()))?;
        self.entries.get(*at).map(|(tag, _)| tag.as_str())
    }

    /// Returns the tags and declarations in declared order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &TypeDecl)> {
        self.entries.iter().map(|(tag, declaration)| (tag.as_str(), declaration))
    }

    /// Returns the number of types.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Tells whether no type is declared.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the tags of the types that the given types need, themselves included, sorted.
    pub(crate) fn reachable<'a>(&'a self, roots: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
        let mut seen = vec![false; self.entries.len()];
        let mut todo: Vec<usize> = roots.filter_map(|tag| self.by_tag.get(tag).copied()).collect();
        let mut out = Vec::new();
        while let Some(at) = todo.pop() {
            let (Some(mark), Some((tag, declaration))) = (seen.get_mut(at), self.entries.get(at)) else { continue };
            if std::mem::replace(mark, true) {
                continue;
            }
            out.push(tag.as_str());
            for field in declaration.fields() {
                field.ty.each_tag(&mut |tag| todo.extend(self.by_tag.get(tag)));
            }
        }
        out.sort_unstable();
        out
    }

    fn add(&mut self, tag: String, declaration: TypeDecl) -> Result<()> {
        let at = self.entries.len();
        let name = tag::fqn(&tag);
        if self.by_tag.insert(tag.clone(), at).is_some() {
            return Err(within("type", &tag, &bad("the tag is declared twice")));
        }
        if self.by_fqn.contains_key(&name) {
            return Err(within("type", &tag, &bad(format!("another type has its full name {}", quote(&name)))));
        }
        self.by_fqn.insert(name, at);
        self.entries.push((tag, declaration));
        Ok(())
    }

    fn check(&self) -> Result<()> {
        for (tag, declaration) in self.iter() {
            for field in declaration.fields() {
                let checked = self.check_type(&field.ty);
                checked.map_err(|e| within("type", tag, &within("field", &field.name, &e)))?;
            }
        }
        Ok(())
    }

    /// Checks that named types exist and that keys and elements are what they may be; depth was bounded by the parser.
    fn check_type(&self, ty: &TypeExpr) -> Result<()> {
        match ty {
            TypeExpr::Primitive(_) => Ok(()),
            TypeExpr::Named(tag) => match self.get(tag) {
                Some(_) => Ok(()),
                None => Err(bad(format!("unknown type {}", quote(tag)))),
            },
            TypeExpr::List(inner) | TypeExpr::Optional(inner) => self.check_type(inner),
            TypeExpr::Set(element) => {
                self.check_type(element)?;
                match element.as_ref() {
                    TypeExpr::Primitive(_) => Ok(()),
                    TypeExpr::Named(tag) if self.get(tag).is_some_and(TypeDecl::is_enum) => Ok(()),
                    _ => Err(bad("a set holds primitives or enums")),
                }
            }
            TypeExpr::Map(key, value) => {
                self.check_type(key)?;
                self.check_type(value)?;
                match key.as_ref() {
                    TypeExpr::Primitive(primitive) if primitive.is_key() => Ok(()),
                    TypeExpr::Named(tag) if self.get(tag).is_some_and(TypeDecl::is_enum) => Ok(()),
                    _ => Err(bad("a map key is a string, an integer, a bool or an enum")),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reason(types: Value) -> String {
        TypeTable::from_json(&types).err().map_or_else(String::new, |e| e.message().to_owned())
    }

    #[test]
    fn names_are_nfc_and_both_spellings_resolve() {
        let types = json!({"cafe\u{301}/A": {"fields": [{"name": "e\u{301}", "type": "list<caf\u{e9}/A?>"}]}});
        let table = TypeTable::from_json(&types).unwrap();
        assert_eq!(table.iter().next().unwrap().0, "caf\u{e9}/A");
        assert_eq!(table.get("caf\u{e9}/A").unwrap().fields()[0].name, "\u{e9}");
        assert_eq!(table.resolve("cafe\u{301}.A"), Some("caf\u{e9}/A"));
    }

    #[test]
    fn names_without_numbers_are_numbered_by_code_point() {
        let table = TypeTable::from_json(&json!({"a/E": {"enum": ["b", "a", "B"], "texts": {"a": "x"}}})).unwrap();
        let Some(TypeDecl::Enum { members, texts, integer_valued }) = table.get("a/E") else { panic!("no enum") };
        assert_eq!(
            members.iter().map(|m| (m.name.as_str(), m.value)).collect::<Vec<_>>(),
            [("b", 3), ("a", 2), ("B", 1)]
        );
        assert_eq!(texts.as_ref().unwrap()["a"], "x");
        assert!(!integer_valued);
    }

    #[test]
    fn reasons_name_type_and_field() {
        let field = |ty: &str| json!({"a/X": {"fields": [{"name": "f", "type": ty}]}});
        assert_eq!(reason(field("a/Y")), "type `a/X`: field `f`: unknown type `a/Y`");
        assert_eq!(reason(field("set<a/X>")), "type `a/X`: field `f`: a set holds primitives or enums");
        assert_eq!(reason(json!({"a/X": {"fields": [], "doc": ""}})), "type `a/X`: unknown key `doc`");
        assert_eq!(reason(json!({"string": {"fields": []}})), "`string` cannot be the tag of a type");
        let texts = json!({"a/E": {"enum": ["A"], "texts": {"B": "b"}}});
        assert_eq!(reason(texts), "type `a/E`: `texts` has `B`, which is no member");
        let mixed = json!({"a/E": {"enum": ["A", ["B", 1]]}});
        assert_eq!(reason(mixed), "type `a/E`: members are all names, or all pairs of name and number");
        let twice =
            json!({"a/X": {"fields": [{"name": "e\u{301}", "type": "int"}, {"name": "\u{e9}", "type": "int"}]}});
        assert_eq!(reason(twice), "type `a/X`: field `\u{e9}`: the name is declared twice");
    }
}
