//! The check of capabilities (`trust.md` section 13): what a service requires first, then what the method requires.

use std::collections::HashMap;

use crate::contract::CapabilityRequirement;
use crate::status::RpcStatus;
use crate::wire;

/// Attribute that holds a peer's capabilities.
const ROLE_ATTRIBUTE: &str = "aster.role";

/// Tells whether a caller with these attributes may call a method of a service.
///
/// # Errors
///
/// PERMISSION_DENIED, naming the service or else the method.
pub(super) fn check(
    service: (&str, Option<&CapabilityRequirement>),
    method: (&str, Option<&CapabilityRequirement>),
    attributes: &[(String, String)],
) -> Result<(), RpcStatus> {
    if !allowed(service.1, attributes) {
        return Err(wire::service_capability(service.0));
    }
    if !allowed(method.1, attributes) {
        return Err(wire::method_capability(service.0, method.0));
    }
    Ok(())
}

fn allowed(requirement: Option<&CapabilityRequirement>, attributes: &[(String, String)]) -> bool {
    let Some(requirement) = requirement else { return true };
    let roles = attributes.iter().find(|(key, _)| key == ROLE_ATTRIBUTE).map_or("", |(_, roles)| roles);
    requirement.allows(roles)
}

/// What the methods of some services require, for hosts that check calls which never reach a dispatcher.
#[derive(Debug, Default)]
pub struct CapabilityMap {
    services: HashMap<String, Declared>,
}

#[derive(Debug, Default)]
struct Declared {
    requires: Option<CapabilityRequirement>,
    methods: HashMap<String, Option<CapabilityRequirement>>,
}

impl CapabilityMap {
    /// Makes a map that allows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a service. Requirements are JSON as in service descriptions; one that cannot be read allows nobody.
    pub fn add_service<'t>(
        &mut self,
        service: &str,
        requires: Option<&str>,
        methods: impl IntoIterator<Item = (&'t str, Option<&'t str>)>,
    ) {
        let methods = methods.into_iter().map(|(name, requires)| (name.to_owned(), requires.map(requirement)));
        let declared = Declared { requires: requires.map(requirement), methods: methods.collect() };
        self.services.insert(service.to_owned(), declared);
    }

    /// Tells whether a caller with these attributes may call a method.
    ///
    /// # Errors
    ///
    /// PERMISSION_DENIED, also for unknown services and methods.
    pub fn check(&self, service: &str, method: &str, attributes: &[(String, String)]) -> Result<(), RpcStatus> {
        let declared = self.services.get(service).ok_or_else(|| wire::service_capability(service))?;
        let requires = declared.methods.get(method).ok_or_else(|| wire::method_capability(service, method))?;
        check((service, declared.requires.as_ref()), (method, requires.as_ref()), attributes)
    }
}

/// Nobody holds a role of an empty requirement.
fn requirement(description: &str) -> CapabilityRequirement {
    CapabilityRequirement::parse(description).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_is_asked_first_and_doubt_denies() {
        let mut map = CapabilityMap::new();
        let methods =
            [("open", None), ("ops", Some(r#"{"any_of":["ops","admin"]}"#)), ("odd", Some(r#"{"odd":["ops"]}"#))];
        map.add_service("S", Some(r#""member""#), methods);
        let roles = |text: &str| vec![(ROLE_ATTRIBUTE.to_owned(), text.to_owned())];
        let refused = |method: &str, text: &str| map.check("S", method, &roles(text)).unwrap_err().message;
        assert!(map.check("S", "open", &roles("member")).is_ok());
        assert!(map.check("S", "ops", &roles("admin, member")).is_ok());
        assert_eq!(refused("ops", "ops"), "capability check failed for service 'S'");
        assert_eq!(refused("ops", "member"), "capability check failed for method 'S.ops'");
        assert_eq!(refused("odd", "member,ops"), "capability check failed for method 'S.odd'");
        assert_eq!(refused("none", "member"), "capability check failed for method 'S.none'");
        assert_eq!(map.check("T", "open", &[]).unwrap_err().message, "capability check failed for service 'T'");
    }
}
