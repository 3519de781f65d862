//! Requirements on the roles of a caller, and their check (`contract.md` sections 1 and 3, `trust.md` section 13).
//!
//! Not here: where roles come from ([`crate::trust`]).

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::error::Result;
use crate::types::document::{Members, missing};
use crate::types::reason::{bad, quote};
use crate::types::tag::checked_name;

use super::kinds::CapabilityKind;

/// Roles that a caller must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CapabilityRequirement {
    /// How the roles combine.
    pub kind: CapabilityKind,
    /// The roles.
    pub roles: Vec<String>,
}

impl CapabilityRequirement {
    /// Tells whether a caller with these roles, separated by commas, may pass. Whatever is in doubt may not.
    pub fn allows(&self, roles: &str) -> bool {
        let held: HashSet<&str> = roles.split(',').map(str::trim).filter(|role| !role.is_empty()).collect();
        let holds = |role: &String| held.contains(role.as_str());
        match self.kind {
            CapabilityKind::Role => self.roles.first().is_some_and(holds),
            CapabilityKind::AnyOf => self.roles.iter().any(holds),
            // All of nothing is not a permission.
            CapabilityKind::AllOf => !self.roles.is_empty() && self.roles.iter().all(holds),
        }
    }

    /// Reads JSON text in the form of descriptions.
    ///
    /// # Errors
    ///
    /// CONTRACT for anything else.
    pub fn parse(description: &str) -> Result<Self> {
        let value = serde_json::from_str(description).map_err(|_| bad("`requires` is malformed JSON"))?;
        Self::from_description(&value)
    }

    /// Reads the form of a description: `"role"`, `{"any_of": [..]}` or `{"all_of": [..]}`.
    pub(super) fn from_description(value: &Value) -> Result<Self> {
        if let Some(role) = value.as_str() {
            return Ok(Self { kind: CapabilityKind::Role, roles: vec![checked_name("a role", role)?] });
        }
        let shape = || bad("`requires` is a role, `any_of` or `all_of`");
        let members = Members::of(value, &["any_of", "all_of"], &[]).map_err(|_| shape())?;
        let (kind, declared) = match (members.texts("any_of")?, members.texts("all_of")?) {
            (Some(roles), None) => (CapabilityKind::AnyOf, roles),
            (None, Some(roles)) => (CapabilityKind::AllOf, roles),
            _ => return Err(shape()),
        };
        if declared.is_empty() {
            return Err(bad(format!("`{kind}` has no roles, so nobody could call")));
        }
        let mut seen = HashSet::new();
        let mut roles = Vec::new();
        for role in declared {
            let role = checked_name("a role", &role)?;
            if !seen.insert(role.clone()) {
                return Err(bad(format!("duplicate role {}", quote(&role))));
            }
            roles.push(role);
        }
        Ok(Self { kind, roles })
    }

    /// Reads the form of contracts and manifests: `{"kind": .., "roles": [..]}`.
    pub(super) fn from_json(value: &Value) -> Result<Self> {
        let members = Members::of(value, &["kind", "roles"], &[])?;
        let name = members.required_text("kind")?;
        let kind = CapabilityKind::parse(name).ok_or_else(|| bad(format!("unknown capability {}", quote(name))))?;
        Ok(Self { kind, roles: members.texts("roles")?.ok_or_else(|| missing("roles"))? })
    }

    /// Returns the form of contracts and manifests, roles in declared order.
    pub(super) fn to_json(&self) -> Value {
        json!({"kind": self.kind.name(), "roles": self.roles})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requirement(kind: CapabilityKind, roles: &[&str]) -> CapabilityRequirement {
        CapabilityRequirement { kind, roles: roles.iter().map(|role| (*role).to_owned()).collect() }
    }

    #[test]
    fn roles_are_trimmed_and_compared_exactly() {
        let role = requirement(CapabilityKind::Role, &["ops", "other"]);
        assert!(role.allows(" ops ,admin"));
        assert!(!role.allows("Ops, other"));
        assert!(!role.allows("opsx"));
        assert!(!role.allows(""));
        let any = requirement(CapabilityKind::AnyOf, &["a", "b"]);
        assert!(any.allows("b,,") && !any.allows("c"));
        let all = requirement(CapabilityKind::AllOf, &["a", "b"]);
        assert!(all.allows("b,c,a") && !all.allows("a"));
    }

    #[test]
    fn doubt_denies() {
        for kind in CapabilityKind::ALL {
            assert!(!requirement(*kind, &[]).allows("a"));
            assert!(!requirement(*kind, &[""]).allows(" , "));
        }
        for text in
            [r#"{}"#, r#"{"any_of":[]}"#, r#"{"any_of":["a"],"all_of":["b"]}"#, r#"["a"]"#, r#"{"any_of":["a","a"]}"#]
        {
            let value: Value = serde_json::from_str(text).unwrap();
            assert!(CapabilityRequirement::from_description(&value).is_err(), "{text}");
        }
    }
}
