use std::collections::BTreeSet;

use bytes::Bytes;

use super::super::circle::Standing;
use super::super::lease::tests::lease;
use super::super::records::Owner;
use super::super::snapshot::{Author, Entry};
use super::*;
use crate::ids::EndpointId;
use crate::keys as signing;

const NAMESPACE: [u8; 32] = [9; 32];
const NOW: i64 = 1_000_000;

/// A document of one author who may do everything, with endpoints that signed for it.
struct Town {
    snapshot: Snapshot,
    author: Author,
    endpoints: Vec<EndpointId>,
    contract: String,
}

impl Town {
    fn new(count: usize) -> Self {
        let author = Author([1; 32]);
        let mut town =
            Self { snapshot: Snapshot::default(), author, endpoints: Vec::new(), contract: hex::encode([2; 32]) };
        for _ in 0..count {
            let (seed, public) = signing::generate().unwrap();
            let endpoint = EndpointId(public);
            let record = Owner { author, creator: author }.to_json(&NAMESPACE, &seed).unwrap();
            town.put(&keys::owner_key(&endpoint.to_string()), record);
            town.endpoints.push(endpoint);
        }
        town.endpoints.sort();
        town.put(&keys::version_key("Clock", 1), town.contract.clone());
        town
    }

    fn put(&mut self, key: &str, value: String) {
        let entry = Entry {
            author: self.author,
            timestamp: 1,
            hash: String::new(),
            len: 0,
            value: Some(Bytes::from(value)),
            is_stale: false,
        };
        self.snapshot.add(key.to_owned(), entry, NOW);
    }

    fn lease(&mut self, endpoint: usize, change: impl FnOnce(&mut EndpointLease)) {
        let mut lease = lease(0, 2, NOW);
        lease.endpoint_id = self.endpoints[endpoint].to_string();
        change(&mut lease);
        self.put(&keys::lease_key("Clock", &self.contract.clone(), &lease.endpoint_id), lease.to_json());
    }

    fn circle(&self) -> Circle {
        Circle::new(&self.snapshot, NAMESPACE, Standing::AdmittedBy(self.endpoints[0]))
    }

    fn book(&self) -> LeaseBook {
        let mut book = LeaseBook::default();
        book.update(&self.snapshot, &self.circle());
        book
    }

    /// Returns the positions of the endpoints that are found, in order.
    fn found(&self, query: &Query, rotation: &Rotation) -> Vec<usize> {
        let found = query.resolve_all(&self.snapshot, &self.circle(), &self.book(), rotation, NOW).unwrap_or_default();
        found.iter().map(|lease| self.position(&lease.endpoint_id)).collect()
    }

    fn position(&self, id: &str) -> usize {
        self.endpoints.iter().position(|endpoint| endpoint.to_string() == id).unwrap()
    }
}

type Change = fn(&mut EndpointLease);

fn clock() -> Query {
    Query { service: "Clock".to_owned(), ..Query::default() }
}

#[test]
fn each_filter_drops_and_says_so() {
    let mut town = Town::new(9);
    let changes: [(&str, Change); 9] = [
        ("", |_| {}),
        ("health is draining", |lease| lease.health_status = "draining".to_owned()),
        ("health is starting", |lease| lease.health_status = "starting".to_owned()),
        ("health is dreaming", |lease| lease.health_status = "dreaming".to_owned()),
        ("expired 5 s ago", |lease| {
            lease.lease_expires_epoch_ms = NOW - 5001;
            lease.updated_at_epoch_ms = NOW - 50_001;
        }),
        ("speaks aster/2", |lease| lease.alpn = "aster/2".to_owned()),
        ("no common mode", |lease| lease.serialization_modes = vec!["row".to_owned()]),
        ("of realm blue", |lease| lease.policy_realm = Some("blue".to_owned())),
        ("", |lease| {
            lease.serialization_modes.clear();
            (lease.lease_expires_epoch_ms, lease.updated_at_epoch_ms) = (NOW - 5000, NOW - 50_000);
        }),
    ];
    for (position, (_, change)) in changes.iter().enumerate() {
        town.lease(position, change);
    }
    let query = Query { modes: vec!["fory1".to_owned()], realm: Some("red".to_owned()), ..clock() };
    assert_eq!(town.found(&query, &Rotation::default()), [0, 8]);
    let explained = query.explain(&town.snapshot, &town.circle(), &town.book(), NOW);
    for (position, (reason, _)) in changes.iter().enumerate() {
        let found = explained.iter().find(|e| town.position(&e.endpoint_id) == position).unwrap();
        assert_eq!(found.dropped.as_deref().unwrap_or_default(), *reason);
    }
    // Without wishes about modes and realm those two are used.
    assert_eq!(town.found(&clock(), &Rotation::default()), [0, 6, 7, 8]);
}

#[test]
fn ready_ones_come_first_and_round_robin_turns() {
    let mut town = Town::new(4);
    for endpoint in 0..4 {
        let degraded = endpoint == 0;
        town.lease(endpoint, |lease| {
            if degraded {
                lease.health_status = "degraded".to_owned();
            }
        });
    }
    let rotation = Rotation::default();
    let orderly = Query { strategy: Strategy::LeastLoad, ..clock() };
    let turns: Vec<_> = (0..4)
        .map(|_| {
            // Who takes no turn leaves it to others.
            town.found(&orderly, &rotation);
            town.found(&clock(), &rotation)
        })
        .collect();
    assert_eq!(turns, [[1, 2, 3, 0], [2, 3, 1, 0], [3, 1, 2, 0], [1, 2, 3, 0]]);
}

#[test]
fn least_load_sorts_unknown_last_and_random_mixes() {
    let mut town = Town::new(4);
    for (endpoint, load) in [None, Some(0.5), Some(0.0), Some(0.5)].into_iter().enumerate() {
        town.lease(endpoint, |lease| lease.load = load);
    }
    let query = Query { strategy: Strategy::LeastLoad, ..clock() };
    assert_eq!(town.found(&query, &Rotation::default()), [2, 1, 3, 0]);
    let query = Query { strategy: Strategy::Random, ..clock() };
    let orders: BTreeSet<_> = (0..200).map(|_| town.found(&query, &Rotation::default())).collect();
    assert!(orders.len() > 12, "{} orders of 24", orders.len());
    assert!(Strategy::parse("nearest").is_err());
}

#[test]
fn contracts_are_found_by_id_tag_channel_version_and_highest_version() {
    let mut town = Town::new(1);
    let [tagged, channelled, second] = [7, 8, 10].map(|byte| hex::encode([byte; 32]));
    town.put(&keys::tag_key("Clock", "stable"), tagged.clone());
    town.put(&keys::channel_key("Clock", "canary"), channelled.clone());
    town.put(&keys::version_key("Clock", 10), second.clone());
    town.put(&keys::version_key("Clock", 11), "not an id".to_owned());
    let circle = town.circle();
    let contract = |query: Query| query.contract(&town.snapshot, &circle);
    let tag = Some("stable".to_owned());
    let channel = Some("canary".to_owned());
    let given = Query { contract_id: Some("x".to_owned()), tag: tag.clone(), ..clock() };
    assert_eq!(contract(given), Some(("x".to_owned(), None)));
    assert_eq!(contract(Query { tag, channel: channel.clone(), ..clock() }), Some((tagged, None)));
    assert_eq!(contract(Query { channel, version: Some(1), ..clock() }), Some((channelled, Some(1))));
    assert_eq!(contract(Query { version: Some(1), ..clock() }), Some((town.contract.clone(), Some(1))));
    assert_eq!(contract(clock()), Some((second, Some(10))));
    assert_eq!(contract(Query { version: Some(3), ..clock() }), None);
    assert_eq!(contract(Query { service: "Other".to_owned(), ..Query::default() }), None);
}

#[test]
fn nothing_routable_is_not_found() {
    let mut town = Town::new(1);
    let error = |town: &Town, query: Query| {
        let (circle, book) = (town.circle(), town.book());
        query.resolve_all(&town.snapshot, &circle, &book, &Rotation::default(), NOW).unwrap_err().message().to_owned()
    };
    assert_eq!(error(&town, clock()), "no routable endpoint for Clock v1");
    assert_eq!(error(&town, Query { version: Some(2), ..clock() }), "no routable endpoint for Clock v2");
    assert_eq!(error(&town, Query { service: "X".to_owned(), ..Query::default() }), "no routable endpoint for X");
    town.lease(0, |lease| lease.health_status = "draining".to_owned());
    assert_eq!(error(&town, clock()), "no routable endpoint for Clock v1");
}

#[test]
fn tr25_pointers_of_strangers_are_not_followed() {
    let mut town = Town::new(1);
    town.lease(0, |_| {});
    let stranger = Entry {
        author: Author([5; 32]),
        timestamp: 9,
        hash: String::new(),
        len: 0,
        value: Some(Bytes::from(hex::encode([6; 32]))),
        is_stale: false,
    };
    town.snapshot.add(keys::version_key("Clock", 1), stranger.clone(), NOW);
    town.snapshot.add(keys::version_key("Clock", 9), stranger, NOW);
    assert_eq!(town.found(&clock(), &Rotation::default()), [0]);
    // A producer without an owner record: nothing of the registry counts.
    let circle = Circle::new(&town.snapshot, NAMESPACE, Standing::AdmittedBy(EndpointId([3; 32])));
    assert_eq!(clock().contract(&town.snapshot, &circle), None);
}
