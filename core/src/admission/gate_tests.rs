use std::sync::atomic::AtomicU32;

use super::*;
use crate::admission::AdmissionPath;
use crate::clock::FixedClock;

const PEER: EndpointId = EndpointId([1; 32]);
const OTHER: EndpointId = EndpointId([2; 32]);

/// Counts its closes.
#[derive(Clone, Default)]
struct Fake(Arc<AtomicU32>);

impl LiveConnection for Fake {
    fn is_open(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 0
    }

    fn close(&self, _: u32, _: &str) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn gate(open: bool) -> (Arc<Gate>, Arc<FixedClock>) {
    let clock = Arc::new(FixedClock::new(1000));
    (Gate::with_clock(open, clock.clone()), clock)
}

fn until(deadline_ms: i64) -> Admission {
    Admission {
        handle: String::new(),
        attributes: vec![("aster.role".to_owned(), "a".to_owned())],
        admitted_at_ms: 1000,
        deadline_ms,
        path: AdmissionPath::Consumer,
        credential: Some([5; 32]),
        service: None,
    }
}

fn enter(gate: &Gate) -> Option<Fake> {
    let fake = Fake::default();
    gate.enter(PEER, Box::new(fake.clone())).then_some(fake)
}

#[test]
fn tr28_a_closed_gate_lets_in_who_was_admitted_until_the_deadline() {
    let (gate, clock) = gate(false);
    assert!(!gate.admits(&PEER) && enter(&gate).is_none() && gate.standing(&PEER, "S").is_none());
    gate.admit(PEER.into(), until(5000)).unwrap();
    let (connection, live) = (enter(&gate).unwrap(), gate.liveness(PEER));
    assert!(gate.admits(&PEER) && !gate.admits(&OTHER));
    assert!(gate.standing(&PEER, "S").unwrap().is_admitted);
    clock.set(4999);
    assert_eq!(gate.sweep(), 0);
    clock.set(5000);
    assert!(!gate.admits(&PEER) && enter(&gate).is_none(), "the deadline refuses before anybody sweeps");
    assert_eq!(gate.sweep(), 1);
    assert!(!connection.is_open() && !live.load(Ordering::SeqCst));
}

#[test]
fn tr5_removal_and_revocation_end_connections_at_once() {
    let (gate, clock) = gate(false);
    gate.admit(PEER.into(), until(i64::MAX)).unwrap();
    let connection = enter(&gate).unwrap();
    assert!(gate.remove(&PEER.into()) && !gate.remove(&PEER.into()));
    assert!(!connection.is_open() && !gate.admits(&PEER));
    for what in [Revoked::Endpoint(PEER), Revoked::Credential([5; 32])] {
        gate.admit(PEER.into(), until(i64::MAX)).unwrap();
        let connection = enter(&gate).unwrap();
        gate.revoke(what, Some(10)).unwrap();
        assert!(!connection.is_open() && !gate.admits(&PEER));
        assert_eq!(gate.admit(PEER.into(), until(i64::MAX)), Err(Cause::Revoked));
        clock.set(10_000);
        gate.admit(PEER.into(), until(i64::MAX)).unwrap();
        gate.remove(&PEER.into());
        clock.set(1000);
        gate.set_revocations(Revocations::default());
    }
}

#[test]
fn an_open_gate_keeps_connections_whose_deadline_passes_but_not_the_revoked() {
    let (gate, clock) = gate(true);
    assert!(gate.admits(&PEER) && !gate.standing(&PEER, "S").unwrap().is_admitted);
    gate.admit(PEER.into(), until(5000)).unwrap();
    let connection = enter(&gate).unwrap();
    assert_eq!(gate.standing(&PEER, "S").unwrap().attributes.len(), 1);
    clock.set(5000);
    gate.sweep();
    let standing = gate.standing(&PEER, "S").unwrap();
    assert!(connection.is_open() && standing.attributes.is_empty() && !standing.is_admitted);
    gate.revoke(Revoked::Endpoint(PEER), None).unwrap();
    assert!(!connection.is_open() && !gate.admits(&PEER) && enter(&gate).is_none());
    assert!(gate.admits(&OTHER));
}

#[test]
fn tr27_a_new_admission_is_seen_by_the_next_call_and_keeps_connections() {
    let (gate, clock) = gate(false);
    gate.admit(PEER.into(), until(5000)).unwrap();
    let connection = enter(&gate).unwrap();
    let more = Admission { attributes: vec![("aster.role".to_owned(), "b".to_owned())], ..until(9000) };
    gate.admit(PEER.into(), more).unwrap();
    assert_eq!(gate.standing(&PEER, "S").unwrap().attributes[0].1, "b");
    clock.set(5000);
    assert_eq!(gate.sweep(), 0);
    assert!(connection.is_open() && gate.admits(&PEER));
}

#[test]
fn tr2_a_poisoned_lock_admits_nobody() {
    for open in [false, true] {
        let (gate, _) = gate(open);
        gate.admit(PEER.into(), until(i64::MAX)).unwrap();
        assert!(gate.admits(&PEER));
        let shared = gate.clone();
        let panicked = std::thread::spawn(move || {
            let _state = shared.state.write();
            panic!("injected");
        });
        assert!(panicked.join().is_err());
        assert!(!gate.admits(&PEER) && enter(&gate).is_none() && gate.standing(&PEER, "S").is_none());
        assert_eq!(gate.admit(OTHER.into(), until(i64::MAX)), Err(Cause::Failed));
        assert!(gate.is_revoked(&PEER, None));
    }
}

#[test]
fn places_are_counted_until_they_are_given_back() {
    let (gate, _) = gate(false);
    gate.write().unwrap().peers = PeerList::with_capacity(2);
    let first = gate.reserve(PEER).unwrap();
    let second = gate.reserve(OTHER).unwrap();
    let third = EndpointId([3; 32]);
    assert_eq!(gate.reserve(third).unwrap_err(), Cause::Capacity);
    drop(second);
    let second = gate.reserve(third).unwrap();
    first.take(until(9000)).unwrap();
    second.take(until(9000)).unwrap();
    assert_eq!(gate.admissions().len(), 2);
    assert_eq!(gate.read().unwrap().reserved, 0);
}

#[test]
fn tr17_strangers_of_an_open_gate_leave_a_bounded_trace_and_no_entry() {
    let (gate, _) = gate(true);
    for n in 0..100_000u32 {
        let mut id = [0; 32];
        id[..4].copy_from_slice(&n.to_be_bytes());
        gate.note_anonymous(EndpointId(id));
    }
    assert_eq!((gate.anonymous().len(), gate.admissions().len()), (limits::MAX_ANONYMOUS_PEERS, 0));
    assert!(gate.is_plain(), "calls of an open gate take no lock");
}

#[tokio::test(start_paused = true)]
async fn tr28_the_reaper_closes_in_time_and_follows_the_wall_clock() {
    let (gate, clock) = gate(false);
    let reaping = gate.clone();
    let reaper = tokio::spawn(async move { reaping.reap().await });
    tokio::task::yield_now().await;
    gate.admit(PEER.into(), until(3_600_000)).unwrap();
    let connection = enter(&gate).unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(connection.is_open());
    // The wall clock jumps to the deadline while the monotonic one stands: suspend, or an operator.
    clock.set(3_600_000);
    tokio::time::sleep(limits::CLOCK_INTERVAL + Duration::from_millis(1)).await;
    assert!(!connection.is_open());
    gate.admit(PEER.into(), until(3_600_500)).unwrap();
    let connection = enter(&gate).unwrap();
    tokio::task::yield_now().await;
    clock.set(3_600_500);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!connection.is_open(), "within a second");
    // Set back, it is earlier than the deadline again: what was ended stays so, and who comes now stays until then.
    clock.set(1000);
    assert!(!gate.admits(&PEER));
    gate.admit(PEER.into(), until(2000)).unwrap();
    let connection = enter(&gate).unwrap();
    tokio::time::sleep(limits::CLOCK_INTERVAL).await;
    assert!(connection.is_open());
    clock.set(2000);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!connection.is_open());
    reaper.abort();
}

#[test]
fn programs_ask_by_name_and_protocol() {
    let (gate, clock) = gate(false);
    let (peer, other) = (PeerName::from(PEER), PeerName::parse("peer-a"));
    for name in [&peer, &other] {
        assert!(!gate.should_allow(name, wire::ALPN_RPC));
        wire::ADMISSION_ALPNS.iter().for_each(|alpn| assert!(gate.should_allow(name, alpn)));
    }
    let (kept, _) = self::gate(false);
    kept.admit(peer.clone(), until(5000)).unwrap();
    kept.admit(other.clone(), until(5000)).unwrap();
    gate.take_over(&kept);
    assert!(gate.should_allow(&peer, wire::ALPN_RPC) && gate.should_allow(&other, wire::ALPN_RPC));
    clock.set(5000);
    assert!(!gate.should_allow(&peer, wire::ALPN_RPC) && !gate.should_allow(&other, wire::ALPN_RPC));
}

#[test]
fn gates_with_the_same_peers_agree_but_for_being_open() {
    let (closed, clock) = gate(false);
    let open = closed.with_same_peers(true);
    let stranger = EndpointId([9; 32]);
    open.admit(PEER.into(), until(5000)).unwrap();
    assert!(closed.admits(&PEER) && !closed.admits(&stranger) && open.admits(&stranger));
    assert_eq!(open.with_same_peers(false).admissions(), closed.admissions());
    open.revoke(Revoked::Endpoint(stranger), None).unwrap();
    assert!(!open.admits(&stranger), "what is revoked is so behind both");
    clock.set(5000);
    assert!(!closed.admits(&PEER) && open.admits(&PEER));
}
