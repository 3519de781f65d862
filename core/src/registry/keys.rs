//! Keys of the document (`registry.md` section 3).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What stands in keys as it is, beside letters and digits.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'_').remove(b'~').remove(b'-');

/// What readers synchronise; `endpoints/` and `compatibility/` are reserved.
pub const PREFIXES: [&str; 6] = ["contracts/", "manifests/", "services/", "endpoints/", "compatibility/", "_aster/"];

/// List of authors who may write, beside the creator.
pub const ACL_WRITERS: &str = "_aster/acl/writers";
/// List of consumers; informative.
pub const ACL_READERS: &str = "_aster/acl/readers";
/// List of authors who may change `writers`.
pub const ACL_ADMINS: &str = "_aster/acl/admins";
/// Reserved.
pub const ACL_POLICY: &str = "_aster/acl/policy";

fn escaped(name: &str) -> String {
    utf8_percent_encode(name, ESCAPED).to_string()
}

/// Returns the key of a contract's artefact.
pub fn contract_key(contract_id: &str) -> String {
    format!("contracts/{contract_id}")
}

/// Returns the key of a manifest.
pub fn manifest_key(contract_id: &str) -> String {
    format!("manifests/{contract_id}")
}

/// Returns the beginning of the keys of a service's version pointers.
pub fn versions_prefix(service: &str) -> String {
    format!("services/{}/versions/v", escaped(service))
}

/// Returns the key of a version pointer.
pub fn version_key(service: &str, version: i32) -> String {
    format!("{}{version}", versions_prefix(service))
}

/// Returns the key of a channel pointer.
pub fn channel_key(service: &str, channel: &str) -> String {
    format!("services/{}/channels/{}", escaped(service), escaped(channel))
}

/// Returns the key of a tag pointer.
pub fn tag_key(service: &str, tag: &str) -> String {
    format!("services/{}/tags/{}", escaped(service), escaped(tag))
}

/// Returns the beginning of the keys of a contract's leases.
pub fn leases_prefix(service: &str, contract_id: &str) -> String {
    format!("services/{}/contracts/{contract_id}/endpoints/", escaped(service))
}

/// Returns the key of a lease.
pub fn lease_key(service: &str, contract_id: &str, endpoint_id: &str) -> String {
    format!("{}{endpoint_id}", leases_prefix(service, contract_id))
}

/// Returns the key of the record that binds an author to an endpoint.
pub fn owner_key(endpoint_id: &str) -> String {
    format!("_aster/owner/{endpoint_id}")
}

/// Returns the key of an access list: `writers`, `readers`, `admins` or `policy`.
pub fn acl_key(list: &str) -> String {
    format!("_aster/acl/{list}")
}

/// Returns the key of a configuration text.
pub fn config_key(key: &str) -> String {
    format!("_aster/config/{key}")
}

/// What a lease key says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LeasePlace {
    pub(super) service: String,
    pub(super) contract_id: String,
    pub(super) endpoint_id: String,
}

impl LeasePlace {
    /// Parses a key; `None` if it is that of something else, or not as we would write it.
    pub(super) fn parse(key: &str) -> Option<Self> {
        let rest = key.strip_prefix("services/")?;
        let (name, rest) = rest.split_once("/contracts/")?;
        let (contract_id, endpoint_id) = rest.split_once("/endpoints/")?;
        let service = percent_decode_str(name).decode_utf8().ok()?.into_owned();
        let place = Self { service, contract_id: contract_id.to_owned(), endpoint_id: endpoint_id.to_owned() };
        (lease_key(&place.service, contract_id, endpoint_id) == key).then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_come_back() {
        let name = "a/b c%é.~_-Z";
        assert_eq!(version_key(name, 3), "services/a%2Fb%20c%25%C3%A9.~_-Z/versions/v3");
        assert_eq!(channel_key("S", "r/p"), "services/S/channels/r%2Fp");
        assert_eq!(tag_key("S", "v1+x"), "services/S/tags/v1%2Bx");
        assert_eq!(contract_key("ab"), "contracts/ab");
        assert_eq!(manifest_key("ab"), "manifests/ab");
        assert_eq!(owner_key("ee"), "_aster/owner/ee");
        assert_eq!(acl_key("writers"), ACL_WRITERS);
        assert_eq!(config_key("x"), "_aster/config/x");
        let key = lease_key(name, "cc", "ee");
        assert_eq!(key, "services/a%2Fb%20c%25%C3%A9.~_-Z/contracts/cc/endpoints/ee");
        let place = LeasePlace::parse(&key).unwrap();
        assert_eq!(
            (place.service.as_str(), place.contract_id.as_str(), place.endpoint_id.as_str()),
            (name, "cc", "ee")
        );
    }

    #[test]
    fn other_spellings_of_a_lease_key_are_none() {
        for key in [
            "services/a%2f/contracts/c/endpoints/e",
            "services/%41/contracts/c/endpoints/e",
            "services/%ff/contracts/c/endpoints/e",
            "services/a/contracts/c",
            "services/a/versions/v1",
            "contracts/c",
        ] {
            assert_eq!(LeasePlace::parse(key), None, "{key}");
        }
    }
}
