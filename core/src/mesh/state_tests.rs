use super::*;
use crate::keys;
use crate::trust::Grant;

const NOW: u64 = 1_800_000_000_000;
const ROOT: [u8; 32] = [9; 32];

struct Peer {
    key: [u8; 32],
    id: EndpointId,
}

fn peer(n: u8) -> Peer {
    let key = [n; 32];
    Peer { key, id: keys::endpoint_id(&key) }
}

fn verify(credential: &Credential, sender: EndpointId) -> Result<(), Cause> {
    if credential.endpoint_id != Some(sender) {
        return Err(Cause::WrongEndpoint);
    }
    credential.is_signed(true).then_some(()).ok_or(Cause::BadSignature)
}

impl Peer {
    fn say(&self, kind: MessageKind, payload: &[u8], at: u64) -> Vec<u8> {
        Envelope::sign(kind, payload.to_vec(), at, &self.key).unwrap().to_json().into_bytes()
    }

    fn lease(&self, service: &str, at: u64) -> Vec<u8> {
        let notice = Notice::Lease {
            service: service.to_owned(),
            version: 1,
            contract_id: "c".to_owned(),
            health: "READY".to_owned(),
            addressing: Value::Null,
        };
        let (kind, payload) = notice.to_payload();
        self.say(kind, &payload, at)
    }

    fn introduce(&self, expires_at: u64, at: u64) -> Vec<u8> {
        let (root_pubkey, attributes) = (keys::public_key(&ROOT).unwrap(), BTreeMap::new());
        let grant = Grant { root_pubkey: &root_pubkey, expires_at, attributes: &attributes };
        let credential = Credential {
            kind: crate::trust::CredentialKind::Producer,
            endpoint_id: Some(self.id),
            root_pubkey,
            expires_at,
            attributes: attributes.clone(),
            signature: keys::sign(&ROOT, &grant.producer_bytes(&self.id.to_string())).unwrap(),
        };
        self.say(MessageKind::Introduce, credential.to_json().as_bytes(), at)
    }
}

use serde_json::Value;

/// A mesh of which these are members for ever, past its grace period.
fn mesh(members: &[&Peer]) -> Mesh {
    let root = keys::public_key(&ROOT).unwrap();
    let mut mesh = Mesh::new(peer(100).id, root, [7; 32], DriftConfig::default(), NOW - 100_000);
    members.iter().for_each(|peer| assert!(mesh.accept(peer.id, u64::MAX, NOW)));
    mesh
}

#[test]
fn tr21_membership_ends_with_the_credential() {
    let a = peer(1);
    let mut mesh = mesh(&[]);
    let expires = NOW / 1000 + 10;
    let effect = mesh.receive(&a.introduce(expires, NOW), NOW, &verify).unwrap();
    assert!(matches!(effect, Effect::Joined(id, _) if id == a.id));
    assert!(mesh.receive(&a.lease("S", NOW + 1), NOW + 1, &verify).is_ok());
    let end = expires * 1000;
    assert_eq!(mesh.receive(&a.lease("S", end), end, &verify), Err(Dropped::NotMember));
    assert_eq!(mesh.tick(end), [Effect::Left(a.id)]);
    assert_eq!(mesh.members(0).count(), 0);
}

#[test]
fn tr21_an_introduction_is_of_its_sender() {
    let (a, b) = (peer(1), peer(2));
    let mut mesh = mesh(&[]);
    let stolen = Envelope::parse(&a.introduce(NOW, NOW)).unwrap().payload;
    let shown = b.say(MessageKind::Introduce, &stolen, NOW);
    assert_eq!(mesh.receive(&shown, NOW, &verify), Err(Dropped::BadIntroduce));
    assert_eq!(mesh.members(NOW).count(), 0);
}

#[test]
fn tr21_each_service_has_its_order_and_replays_leave_no_trace() {
    let a = peer(1);
    let mut mesh = mesh(&[&a]);
    let first = a.lease("S", NOW);
    assert!(mesh.receive(&first, NOW, &verify).is_ok());
    assert!(mesh.receive(&a.lease("T", NOW), NOW, &verify).is_ok(), "another service");
    let before = mesh.clone();
    let late = NOW + 20_000;
    assert_eq!(mesh.receive(&first, late, &verify), Err(Dropped::Replay));
    assert_eq!(mesh, before, "a replay says nothing about a clock");
    assert_eq!(mesh.receive(&first, NOW + 30_001, &verify), Err(Dropped::Window));
    mesh.tick(NOW + 60_001);
    assert!(mesh.floors.is_empty(), "the window refuses by itself");
    assert_eq!(mesh.receive(&first, NOW + 60_001, &verify), Err(Dropped::Window));
}

#[test]
fn tr21_a_departed_member_cannot_be_brought_back_by_its_own_old_words() {
    let a = peer(1);
    let mut mesh = mesh(&[]);
    let (introduction, later) = (a.introduce(NOW, NOW), a.introduce(NOW, NOW + 2));
    mesh.receive(&introduction, NOW, &verify).unwrap();
    let effect = mesh.receive(&a.say(MessageKind::Depart, b"{}", NOW + 1), NOW + 1, &verify);
    assert_eq!(effect, Ok(Effect::Left(a.id)));
    let restored = Mesh::parse(&mesh.to_json(NOW), mesh.own, mesh.root_pubkey, mesh.config, NOW).unwrap();
    for mut mesh in [mesh, restored] {
        assert_eq!(mesh.receive(&introduction, NOW + 2, &verify), Err(Dropped::Replay));
        assert!(mesh.receive(&later, NOW + 2, &verify).is_ok(), "but may come back");
    }
}

#[test]
fn one_wrong_clock_is_isolated_and_believed_again() {
    let peers: Vec<_> = (1..=4).map(peer).collect();
    let mut mesh = mesh(&peers.iter().collect::<Vec<_>>());
    for peer in &peers[..3] {
        mesh.receive(&peer.lease("S", NOW), NOW, &verify).unwrap();
    }
    let wrong = &peers[3];
    assert_eq!(mesh.receive(&wrong.lease("S", NOW + 10_000), NOW, &verify), Err(Dropped::Isolated));
    assert!(mesh.receive(&wrong.introduce(NOW, NOW + 10_001), NOW, &verify).is_ok(), "it may still be present");
    let right = NOW + 20_000;
    assert!(mesh.receive(&wrong.lease("S", right), right, &verify).is_ok());
}

#[test]
fn nobody_is_judged_in_the_grace_period() {
    let peers: Vec<_> = (1..=4).map(peer).collect();
    let mut mesh = mesh(&peers.iter().collect::<Vec<_>>());
    mesh.joined_at_ms = NOW - 59_999;
    for peer in &peers[..3] {
        mesh.receive(&peer.lease("S", NOW), NOW, &verify).unwrap();
    }
    assert!(mesh.receive(&peers[3].lease("S", NOW + 10_000), NOW, &verify).is_ok());
    mesh.tick(NOW + 1);
    assert_eq!(mesh.receive(&peers[3].lease("S", NOW + 10_002), NOW + 2, &verify), Err(Dropped::Isolated));
}

#[test]
fn tr21_only_a_majority_makes_us_depart_and_a_right_clock_brings_us_back() {
    let peers: Vec<_> = (1..=7).map(peer).collect();
    let mut mesh = mesh(&peers.iter().collect::<Vec<_>>());
    let hear = |mesh: &mut Mesh, count: usize, at: u64, now: u64| {
        for peer in &peers[..count] {
            // While clocks are judged anew some are not believed for a moment; their offsets count all the same.
            let heard = mesh.receive(&peer.lease("S", at), now, &verify);
            assert!(matches!(heard, Ok(_) | Err(Dropped::Isolated)), "{heard:?}");
        }
    };
    hear(&mut mesh, 3, NOW + 9000, NOW);
    assert_eq!(mesh.tick(NOW), [], "three of seven are a minority");
    hear(&mut mesh, 4, NOW + 9001, NOW + 1);
    assert_eq!(mesh.tick(NOW + 1), [Effect::SelfDepart]);
    assert!(mesh.is_dead() && mesh.tick(NOW + 2).is_empty());
    let right = NOW + 20_000;
    hear(&mut mesh, 7, right, right);
    assert_eq!(mesh.tick(right), []);
    hear(&mut mesh, 7, right + 59_999, right + 59_999);
    assert_eq!(mesh.tick(right + 59_999), []);
    assert_eq!(mesh.tick(right + 60_000), [Effect::Rejoin]);
    let stale = NOW + 10_000_000;
    assert_eq!(mesh.tick(stale), [], "old offsets say nothing");
}

#[test]
fn our_messages_go_forward_whatever_the_clock_does() {
    let mut mesh = mesh(&[]);
    assert_eq!([NOW, NOW, NOW - 5, NOW + 9].map(|now| mesh.next_epoch_ms(now)), [NOW, NOW + 1, NOW + 2, NOW + 9]);
    let restored = Mesh::parse(&mesh.to_json(NOW), mesh.own, mesh.root_pubkey, mesh.config, NOW);
    assert_eq!(restored.unwrap().next_epoch_ms(NOW), NOW + 10);
}

#[test]
fn a_new_salt_is_a_new_mesh() {
    let a = peer(1);
    let mut mesh = mesh(&[&a]);
    let before = mesh.topic();
    assert!(!mesh.move_to([7; 32], NOW));
    assert!(mesh.move_to([8; 32], NOW) && mesh.topic() != before && mesh.members(NOW).count() == 0);
}

#[test]
fn listed_members_do_not_outlive_their_time_nor_shorten_anothers() {
    let (a, b) = (peer(1), peer(2));
    let mut mesh = mesh(&[&a]);
    mesh.accept_listed(&[a.id, b.id, mesh.own], NOW + 10, NOW);
    assert_eq!(mesh.members(NOW).count(), 2);
    assert_eq!(mesh.accepted(NOW).len(), 3);
    assert_eq!(mesh.members(NOW + 10).collect::<Vec<_>>(), [a.id]);
}

#[test]
fn the_list_is_bounded() {
    let mut mesh = mesh(&[]);
    for n in 0..MAX_MESH_MEMBERS as u32 {
        let mut id = [0; 32];
        id[..4].copy_from_slice(&n.to_be_bytes());
        assert!(mesh.accept(EndpointId(id), NOW + 10, NOW));
    }
    assert!(!mesh.accept(EndpointId([0xff; 32]), NOW + 10, NOW));
    assert!(mesh.accept(EndpointId([0xff; 32]), NOW + 20, NOW + 10), "who has expired makes room");
    let accepted = mesh.accepted(NOW);
    assert!(accepted.contains(&mesh.own) && accepted.is_sorted() && accepted.len() <= MAX_ACCEPTED_PRODUCERS);
}

#[test]
fn damaged_and_foreign_files_are_refused() {
    let mesh = mesh(&[&peer(1)]);
    let text = mesh.to_json(NOW);
    let read = |text: &str, root| Mesh::parse(text, mesh.own, root, mesh.config, NOW);
    assert_eq!(read(&text, mesh.root_pubkey).unwrap().members, BTreeMap::from([(peer(1).id, u64::MAX / 1000 * 1000)]));
    assert!(read(&text, [1; 32]).is_err());
    assert!(read(&text.replace(&hex::encode([7; 32]), &hex::encode([8; 32])), mesh.root_pubkey).is_err());
    for length in 0..text.len() {
        assert!(read(&text[..length], mesh.root_pubkey).is_err());
    }
}
