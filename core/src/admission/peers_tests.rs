use proptest::prelude::*;

use super::*;

fn name(n: u16) -> PeerName {
    let mut id = [0; 32];
    id[..2].copy_from_slice(&n.to_be_bytes());
    PeerName::Endpoint(EndpointId(id))
}

fn admission(deadline_ms: i64) -> Admission {
    Admission {
        handle: String::new(),
        attributes: vec![("aster.role".to_owned(), deadline_ms.to_string())],
        admitted_at_ms: 0,
        deadline_ms,
        path: AdmissionPath::Consumer,
        credential: None,
        service: None,
    }
}

const NOBODY: &dyn Fn(&PeerName) -> bool = &|_| false;

#[test]
fn deadlines_are_exact() {
    let mut list = PeerList::default();
    assert!(list.admit(name(1), admission(100), 0, NOBODY));
    assert!(list.admits(&name(1), 99) && !list.admits(&name(1), 100) && !list.admits(&name(2), 0));
    assert!(list.sweep(99).is_empty());
    assert_eq!(list.sweep(100), [name(1)]);
    assert_eq!((list.len(), list.next_deadline_ms()), (0, i64::MAX));
}

#[test]
fn a_new_admission_moves_the_deadline() {
    let mut list = PeerList::default();
    list.admit(name(1), admission(100), 0, NOBODY);
    list.admit(name(1), admission(200), 50, NOBODY);
    assert!(list.sweep(100).is_empty());
    let standing = list.standing(&name(1), "S", 150).unwrap();
    assert_eq!(standing.attributes[0].1, "200");
    assert_eq!(list.next_deadline_ms(), 200);
}

#[test]
fn tr11_grants_for_a_service_are_for_that_service() {
    let mut list = PeerList::default();
    let special = Admission { service: Some("S".to_owned()), path: AdmissionPath::Delegated, ..admission(100) };
    list.admit(name(1), special.clone(), 0, NOBODY);
    assert!(list.admits(&name(1), 0));
    assert!(list.standing(&name(1), "S", 0).is_some() && list.standing(&name(1), "T", 0).is_none());
    list.admit(name(1), admission(200), 0, NOBODY);
    assert_eq!(list.standing(&name(1), "S", 0).unwrap().attributes[0].1, "100");
    assert_eq!(list.standing(&name(1), "T", 0).unwrap().attributes[0].1, "200");
    assert_eq!(list.standing(&name(1), "S", 150).unwrap().attributes[0].1, "200");
    list.withdraw(&name(1), "S", None);
    assert!(list.admits(&name(1), 0), "the other grant stays");
    list.admit(name(2), special.clone(), 0, NOBODY);
    list.withdraw(&name(2), "S", None);
    assert!(!list.admits(&name(2), 0));
    list.admit(name(2), special.clone(), 0, NOBODY);
    list.admit(name(2), Admission { deadline_ms: 300, ..special.clone() }, 0, NOBODY);
    list.withdraw(&name(2), "S", Some(special));
    assert!(list.admits(&name(2), 99) && !list.admits(&name(2), 100), "what was replaced holds again");
}

#[test]
fn tr17_when_full_the_expired_go_then_the_idle_least_recently_used_then_nobody() {
    let mut list = PeerList::with_capacity(3);
    for n in 1..=3 {
        assert!(list.admit(name(n), admission(if n == 2 { 10 } else { 100 }), 0, NOBODY));
    }
    assert!(list.admit(name(4), admission(100), 10, NOBODY));
    assert!(!list.admits(&name(2), 0), "the expired one has gone first");
    assert!(list.admits(&name(1), 10), "a look-up is a use");
    assert!(list.admit(name(5), admission(100), 10, NOBODY));
    assert!(!list.admits(&name(3), 10) && list.admits(&name(1), 10));
    let connected = |name_: &PeerName| *name_ != name(5);
    assert!(list.has_room(&name(6), 0, 10, &connected) && !list.has_room(&name(6), 1, 10, &connected));
    assert!(list.admit(name(6), admission(100), 10, &connected));
    assert!(!list.admits(&name(5), 10), "who is connected stays");
    assert!(!list.has_room(&name(7), 0, 10, &|_| true));
    assert!(!list.admit(name(7), admission(100), 10, &|_| true));
    assert!(list.has_room(&name(6), 0, 10, &|_| true) && list.admit(name(6), admission(100), 10, &|_| true));
}

#[test]
fn a_revoked_credential_takes_its_peers() {
    let mut list = PeerList::default();
    for n in 1..=3 {
        let credential = Some([if n == 2 { 9 } else { 7 }; 32]);
        list.admit(name(n), Admission { credential, ..admission(100) }, 0, NOBODY);
    }
    let mut gone = list.remove_credential(&[7; 32]);
    gone.sort_by_key(ToString::to_string);
    assert_eq!(gone, [name(1), name(3)]);
    assert!(list.admits(&name(2), 0));
}

#[test]
fn names_of_programs_are_not_those_of_peers() {
    let id = "d0".repeat(32);
    assert!(matches!(PeerName::parse(&id), PeerName::Endpoint(_)));
    assert!(matches!(PeerName::parse(&id.to_uppercase()), PeerName::Other(_)));
    assert_eq!(PeerName::parse("peer-a").to_string(), "peer-a");
}

proptest! {
    /// Whatever happens, the list is bounded, admits exactly what a plain model admits, and sweeps in time.
    #[test]
    fn it_is_a_bounded_map(steps in prop::collection::vec((0u16..12, 0i64..50, 0u8..4), 1..200)) {
        let mut list = PeerList::with_capacity(8);
        let mut model: HashMap<PeerName, i64> = HashMap::new();
        let mut now = 0;
        for (peer, time, what) in steps {
            match what {
                0 | 1 => {
                    let before = list.len();
                    prop_assert!(list.admit(name(peer), admission(now + time), now, NOBODY));
                    if before == 8 && !model.contains_key(&name(peer)) {
                        model.retain(|name, _| list.entries.contains_key(name));
                    }
                    model.insert(name(peer), now + time);
                }
                2 => {
                    list.remove(&name(peer));
                    model.remove(&name(peer));
                }
                _ => {
                    now += time;
                    list.sweep(now);
                    model.retain(|_, deadline| *deadline > now);
                    prop_assert!(list.next_deadline_ms() > now);
                }
            }
            prop_assert!(list.len() <= 8);
            for n in 0..12 {
                let expected = model.get(&name(n)).is_some_and(|deadline| *deadline > now);
                prop_assert_eq!(list.entries.get(&name(n)).is_some_and(|entry| entry.holds(now)), expected);
            }
        }
    }
}
