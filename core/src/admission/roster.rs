//! The allowlist in the hands of the program: admitting by hand, and looking at it (`trust.md` sections 8 and 9).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Admission, AdmissionPath, Gate};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::EndpointId;
use crate::limits::MAX_ALLOWED_PEERS;
use crate::trust::Cause;

impl Gate {
    /// Admits a peer without a credential until a second since 1970 (0: none) or for a number of seconds, whichever
    /// ends first; it replaces what the peer has.
    ///
    /// # Errors
    ///
    /// LIMIT if the list is full, STATE if the endpoint is revoked, INVALID_ARGUMENT for a time that has passed.
    pub fn admit_by_hand(
        &self,
        peer: EndpointId,
        attributes: BTreeMap<String, String>,
        expires_at: u64,
        ttl_s: u32,
    ) -> Result<()> {
        if expires_at != 0 && expires_at <= self.now_s() {
            return Err(Error::new(ErrorKind::InvalidArgument, "expires_at: expected a time that has not passed"));
        }
        let now_and_ttl = (self.now_ms(), i64::from(ttl_s) * 1000);
        let admission = Admission::until(AdmissionPath::Manual, attributes, expires_at, now_and_ttl);
        self.admit(peer.into(), admission).map_err(|cause| match cause {
            Cause::Capacity => Error::limit("admitted peers", MAX_ALLOWED_PEERS, MAX_ALLOWED_PEERS + 1),
            Cause::Revoked => Error::new(ErrorKind::State, "the endpoint is revoked"),
            other => other.into(),
        })
    }

    /// Returns every admission that holds as a JSON array, by endpoint id: `endpoint_id`, `handle`, `attributes`,
    /// `admitted_at` and `expires_at` in seconds since 1970, `admission_path`, and `service` if it is for one only.
    pub fn roster(&self) -> Value {
        let mut admissions = self.admissions();
        admissions.sort_by_key(|(peer, _)| peer.to_string());
        let entry = |(peer, admission): (_, Admission)| -> Value {
            let mut entry = json!({
                "endpoint_id": super::PeerName::to_string(&peer),
                "handle": admission.handle,
                "attributes": admission.attributes.into_iter().collect::<BTreeMap<_, _>>(),
                "admitted_at": admission.admitted_at_ms / 1000,
                "expires_at": admission.deadline_ms / 1000,
                "admission_path": admission.path.name(),
            });
            if let Some(service) = admission.service {
                entry["service"] = service.into();
            }
            entry
        };
        admissions.into_iter().map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::admission::{PeerName, Revoked};
    use crate::clock::FixedClock;

    const PEER: EndpointId = EndpointId([0xd0; 32]);

    #[test]
    fn peers_admitted_by_hand_are_listed_until_their_time() {
        let gate = Gate::with_clock(false, Arc::new(FixedClock::new(5_000)));
        let attributes = BTreeMap::from([("aster.role".to_owned(), "ops".to_owned())]);
        gate.admit_by_hand(PEER, attributes.clone(), 0, 60).unwrap();
        assert!(gate.admits(&PEER));
        let listed = |expires_at: u64| {
            json!([{"endpoint_id": "d0".repeat(32), "handle": "", "attributes": {"aster.role": "ops"}, "admitted_at": 5,
                "expires_at": expires_at, "admission_path": "manual"}])
        };
        assert_eq!(gate.roster(), listed(65));
        gate.admit_by_hand(PEER, attributes.clone(), 20, 60).unwrap();
        assert_eq!(gate.roster(), listed(20));
        assert_eq!(gate.admit_by_hand(PEER, attributes, 5, 60).unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert!(gate.remove(&PeerName::from(PEER)));
        assert_eq!(gate.roster(), json!([]));
    }

    #[test]
    fn the_revoked_are_not_admitted_by_hand() {
        let gate = Gate::with_clock(false, Arc::new(FixedClock::new(5_000)));
        gate.revoke(Revoked::Endpoint(PEER), None).unwrap();
        let error = gate.admit_by_hand(PEER, BTreeMap::new(), 0, 60).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::State);
        assert!(!gate.admits(&PEER));
    }
}
