//! Which lease of an endpoint a reader keeps (`registry.md` section 5).

use std::collections::BTreeMap;

use super::circle::Circle;
use super::keys::LeasePlace;
use super::lease::EndpointLease;
use super::snapshot::{Author, Entry, Snapshot};
use crate::ids::EndpointId;
use crate::limits;

/// What withdraws a lease.
const WITHDRAWN: &[u8] = b"null";

/// A lease that was seen, and why it is not used, if it is not.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// The endpoint, 64 hex digits.
    pub endpoint_id: String,
    /// The lease, or why there is none.
    pub lease: Result<EndpointLease, &'static str>,
}

#[derive(Clone, Debug)]
struct Kept {
    author: Author,
    age: (i64, u64),
    /// `None` once it was withdrawn.
    lease: Option<EndpointLease>,
}

/// The leases that a reader keeps, by contract and endpoint.
#[derive(Clone, Debug, Default)]
pub struct LeaseBook {
    kept: BTreeMap<LeasePlace, Kept>,
    refused: BTreeMap<LeasePlace, &'static str>,
}

impl LeaseBook {
    /// Takes in what a document holds now. Older leases than those kept are ignored.
    pub fn update(&mut self, snapshot: &Snapshot, circle: &Circle) {
        let before = std::mem::take(&mut self.kept);
        self.refused.clear();
        let mut of_contract = (String::new(), 0usize);
        for (key, entries) in snapshot.beginning("services/") {
            let Some(place) = LeasePlace::parse(key) else { continue };
            let contract = key.rsplit_once('/').map_or(key, |(prefix, _)| prefix);
            if of_contract.0 != contract {
                of_contract = (contract.to_owned(), 0);
            }
            of_contract.1 += 1;
            if of_contract.1 > limits::MAX_LEASES_PER_CONTRACT {
                continue;
            }
            match Kept::choose(before.get(&place), entries, &place, snapshot, circle) {
                Ok(kept) => drop(self.kept.insert(place, kept)),
                Err(reason) => drop(self.refused.insert(place, reason)),
            }
        }
    }

    /// Returns what was seen of a contract of a service, in the order of endpoints.
    pub fn of(&self, service: &str, contract_id: &str) -> Vec<Sighting> {
        let is_meant = |place: &&LeasePlace| place.service == service && place.contract_id == contract_id;
        let kept = self.kept.iter().filter(|(place, _)| is_meant(place)).map(|(place, kept)| Sighting {
            endpoint_id: place.endpoint_id.clone(),
            lease: kept.lease.clone().ok_or("withdrawn"),
        });
        let refused = self
            .refused
            .iter()
            .filter(|(place, _)| is_meant(place))
            .map(|(place, reason)| Sighting { endpoint_id: place.endpoint_id.clone(), lease: Err(reason) });
        let mut seen: Vec<_> = kept.chain(refused).collect();
        seen.sort_by(|a, b| a.endpoint_id.cmp(&b.endpoint_id));
        seen
    }

    /// Returns every lease that is kept.
    pub fn all(&self) -> impl Iterator<Item = &EndpointLease> {
        self.kept.values().filter_map(|kept| kept.lease.as_ref())
    }
}

impl Kept {
    /// Decides between what was kept and what is there now.
    fn choose(
        before: Option<&Self>,
        entries: &[Entry],
        place: &LeasePlace,
        snapshot: &Snapshot,
        circle: &Circle,
    ) -> Result<Self, &'static str> {
        let endpoint = EndpointId::parse(&place.endpoint_id).map_err(|_| "malformed: not the key of an endpoint")?;
        let author = circle.lease_author(snapshot, &endpoint).ok_or("untrusted: nobody is bound to the endpoint")?;
        let before = before.filter(|before| before.author == author);
        let written = entries.iter().filter(|entry| entry.author == author).max_by_key(|entry| entry.timestamp);
        let written = written.ok_or("untrusted: by a foreign author")?;
        let Some(value) = &written.value else {
            return before.cloned().ok_or("not here yet");
        };
        if value.as_ref() == WITHDRAWN {
            let age = before.map_or((i64::MIN, 0), |before| before.age);
            return Ok(Self { author, age, lease: None });
        }
        let lease = EndpointLease::of_place(value, place);
        match (lease, before) {
            (Ok(lease), Some(before)) if lease.age() < before.age => Ok(before.clone()),
            (Ok(lease), _) => Ok(Self { author, age: lease.age(), lease: Some(lease) }),
            (Err(_), Some(before)) => Ok(before.clone()),
            (Err(reason), None) => Err(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::circle::Standing;
    use super::super::keys::{ACL_WRITERS, lease_key, owner_key};
    use super::super::lease::tests::lease;
    use super::super::records::Owner;
    use super::*;
    use crate::keys as signing;

    const NAMESPACE: [u8; 32] = [9; 32];
    const CREATOR: Author = Author([1; 32]);

    struct Desk {
        endpoint: EndpointId,
        author: Author,
        record: String,
    }

    fn desk(author: u8) -> Desk {
        let (seed, public) = signing::generate().unwrap();
        let author = Author([author; 32]);
        let record = Owner { author, creator: CREATOR }.to_json(&NAMESPACE, &seed).unwrap();
        Desk { endpoint: EndpointId(public), author, record }
    }

    fn put(snapshot: &mut Snapshot, key: &str, author: Author, value: String) {
        let value = Some(Bytes::from(value));
        snapshot.add(
            key.to_owned(),
            Entry { author, timestamp: 1, hash: String::new(), len: 0, value, is_stale: false },
            0,
        );
    }

    /// Looks at one lease key with these versions, by author.
    fn seen(book: &mut LeaseBook, desk: &Desk, versions: &[(Author, String)]) -> Result<EndpointLease, &'static str> {
        let mut snapshot = Snapshot::default();
        put(&mut snapshot, &owner_key(&desk.endpoint.to_string()), desk.author, desk.record.clone());
        put(&mut snapshot, ACL_WRITERS, CREATOR, format!(r#"["{}"]"#, desk.author));
        let contract = hex::encode([2; 32]);
        for (author, value) in versions {
            put(&mut snapshot, &lease_key("Clock", &contract, &desk.endpoint.to_string()), *author, value.clone());
        }
        // Seen by a member, as whom the endpoint of the lease is a stranger.
        let owner = Owner { author: CREATOR, creator: CREATOR };
        let standing = Standing::Member { endpoint: EndpointId([0; 32]), owner };
        let circle = Circle::new(&snapshot, NAMESPACE, standing);
        book.update(&snapshot, &circle);
        let [sighting] = book.of("Clock", &contract).try_into().unwrap();
        assert_eq!(book.all().count(), usize::from(sighting.lease.is_ok()));
        sighting.lease
    }

    fn of(desk: &Desk, epoch: i64, seq: u64) -> String {
        let mut lease = lease(1, 2, 0);
        lease.endpoint_id = desk.endpoint.to_string();
        (lease.lease_epoch, lease.lease_seq) = (epoch, seq);
        lease.to_json()
    }

    #[test]
    fn older_ones_are_ignored_and_equal_ones_accepted() {
        let (desk, mut book) = (desk(5), LeaseBook::default());
        let mut age = |epoch, seq| seen(&mut book, &desk, &[(desk.author, of(&desk, epoch, seq))]).unwrap().age();
        assert_eq!(age(10, 3), (10, 3));
        assert_eq!(age(10, 2), (10, 3), "older");
        assert_eq!(age(9, 99), (10, 3), "of an older start");
        assert_eq!(age(10, 3), (10, 3), "equal");
        assert_eq!(age(11, 1), (11, 1), "restarted");
    }

    #[test]
    fn only_its_author_withdraws_a_lease() {
        let (desk, mut book) = (desk(5), LeaseBook::default());
        let foreign = Author([6; 32]);
        let good = (desk.author, of(&desk, 10, 1));
        assert!(seen(&mut book, &desk, std::slice::from_ref(&good)).is_ok());
        assert!(seen(&mut book, &desk, &[good.clone(), (foreign, "null".to_owned())]).is_ok());
        assert!(seen(&mut book, &desk, &[good.clone(), (CREATOR, "null".to_owned())]).is_ok());
        assert_eq!(seen(&mut book, &desk, &[(desk.author, "null".to_owned())]), Err("withdrawn"));
        assert!(seen(&mut book, &desk, &[(desk.author, of(&desk, 10, 2))]).is_ok(), "back again");
    }

    #[test]
    fn what_is_foreign_or_malformed_is_told() {
        let (desk, mut book) = (desk(5), LeaseBook::default());
        let refused = seen(&mut book, &desk, &[(CREATOR, of(&desk, 1, 1))]);
        assert_eq!(refused, Err("untrusted: by a foreign author"));
        assert_eq!(seen(&mut book, &desk, &[(desk.author, "{}".to_owned())]), Err("malformed"));
        assert!(seen(&mut book, &desk, &[(desk.author, of(&desk, 1, 1))]).is_ok());
        assert!(seen(&mut book, &desk, &[(desk.author, "{}".to_owned())]).is_ok(), "the one that was kept");
    }
}
