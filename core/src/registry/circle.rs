//! Whose entries are believed: who may write in a document is not who counts (`registry.md` section 6).

use std::collections::BTreeSet;

use super::keys;
use super::records::Owner;
use super::snapshot::{Author, Snapshot};
use crate::ids::EndpointId;
use crate::limits;

/// How a reader came to the document.
#[derive(Clone, Copy, Debug)]
pub enum Standing {
    /// A consumer that was admitted by this endpoint.
    AdmittedBy(EndpointId),
    /// A server with its own author, that knows the creator from its files or its ticket.
    Member {
        /// The server's endpoint.
        endpoint: EndpointId,
        /// Its authors.
        owner: Owner,
    },
}

/// The authors that count.
#[derive(Clone, Debug, Default)]
pub struct Circle {
    namespace: [u8; 32],
    /// `None`: nobody says who made the registry, as with legacy producers.
    creator: Option<Author>,
    trusted: BTreeSet<Author>,
    admins: BTreeSet<Author>,
    /// The endpoint that the reader knows, and its author.
    known: Option<(EndpointId, Author)>,
}

impl Circle {
    /// Finds out who counts in a document.
    pub fn new(snapshot: &Snapshot, namespace: [u8; 32], standing: Standing) -> Self {
        let known = match standing {
            Standing::Member { endpoint, owner } => Some((endpoint, owner)),
            Standing::AdmittedBy(endpoint) => owner_of(snapshot, &namespace, &endpoint).map(|owner| (endpoint, owner)),
        };
        let Some((endpoint, owner)) = known else { return Self { namespace, ..Self::default() } };
        let admins = list_by(snapshot, keys::ACL_ADMINS, &owner.creator);
        let creator_counts = admins.as_ref().is_none_or(|admins| admins.contains(&owner.creator));
        let mut admins = admins.unwrap_or_default();
        if creator_counts {
            admins.insert(owner.creator);
        }
        let mut trusted = admins.clone();
        for admin in &admins {
            trusted.extend(list_by(snapshot, keys::ACL_WRITERS, admin).unwrap_or_default());
        }
        Self { namespace, creator: Some(owner.creator), trusted, admins, known: Some((endpoint, owner.author)) }
    }

    /// Returns who made the registry, if that is known.
    pub fn creator(&self) -> Option<Author> {
        self.creator
    }

    /// Tells whether an author's pointers count.
    pub fn trusts(&self, author: &Author) -> bool {
        self.trusted.contains(author)
    }

    /// Tells whether an author may change who writes.
    pub fn is_admin(&self, author: &Author) -> bool {
        self.admins.contains(author)
    }

    /// Tells whether an author's manifests and artefacts are looked at; they are verified in any case.
    pub fn trusts_artefacts(&self, author: &Author) -> bool {
        self.creator.is_none() || self.trusts(author) || self.known.is_some_and(|(_, known)| known == *author)
    }

    /// Returns the author whose leases for an endpoint count, if there is one.
    pub fn lease_author(&self, snapshot: &Snapshot, endpoint: &EndpointId) -> Option<Author> {
        match &self.known {
            Some((known, author)) if known == endpoint => Some(*author),
            Some(_) => {
                owner_of(snapshot, &self.namespace, endpoint).map(|owner| owner.author).filter(|a| self.trusts(a))
            }
            None => None,
        }
    }
}

/// Returns the authors that an endpoint signed for. It counts only as written by that very author, so that nobody
/// else can bring an older one back.
fn owner_of(snapshot: &Snapshot, namespace: &[u8; 32], endpoint: &EndpointId) -> Option<Owner> {
    let key = keys::owner_key(&endpoint.to_string());
    let mut written: Vec<_> = snapshot.under(&key).iter().collect();
    written.sort_by_key(|entry| (entry.timestamp, entry.author));
    written.iter().rev().find_map(|entry| {
        let owner = Owner::parse(entry.value.as_ref()?, namespace, endpoint)?;
        (owner.author == entry.author).then_some(owner)
    })
}

/// Returns a list of authors as one author wrote it; `None` if there is none that can be read.
pub(super) fn list_by(snapshot: &Snapshot, key: &str, author: &Author) -> Option<BTreeSet<Author>> {
    let listed: Vec<String> = serde_json::from_slice(snapshot.value_by(key, author)?).ok()?;
    if listed.len() > limits::MAX_ACL_AUTHORS {
        return None;
    }
    listed.iter().map(|text| Author::parse(text)).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::snapshot::Entry;
    use super::*;
    use crate::keys as signing;

    const NAMESPACE: [u8; 32] = [9; 32];

    struct Peer {
        seed: [u8; 32],
        endpoint: EndpointId,
        author: Author,
    }

    fn peer(author: u8) -> Peer {
        let (seed, public) = signing::generate().unwrap();
        Peer { seed, endpoint: EndpointId(public), author: Author([author; 32]) }
    }

    fn put(snapshot: &mut Snapshot, key: &str, author: Author, value: impl Into<String>) {
        let value = Some(Bytes::from(value.into()));
        snapshot.add(
            key.to_owned(),
            Entry { author, timestamp: 1, hash: String::new(), len: 0, value, is_stale: false },
            0,
        );
    }

    fn own(snapshot: &mut Snapshot, peer: &Peer, creator: Author) {
        let record = Owner { author: peer.author, creator }.to_json(&NAMESPACE, &peer.seed).unwrap();
        put(snapshot, &keys::owner_key(&peer.endpoint.to_string()), peer.author, record);
    }

    fn list(authors: &[&Peer]) -> String {
        serde_json::to_string(&authors.iter().map(|peer| peer.author.to_string()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn writers_count_as_the_creator_and_admins_wrote_them() {
        let [creator, writer, admin, friend, stranger, victim] = [1, 2, 3, 4, 5, 6].map(peer);
        let mut snapshot = Snapshot::default();
        own(&mut snapshot, &writer, creator.author);
        let standing = Standing::AdmittedBy(writer.endpoint);
        let circle = Circle::new(&snapshot, NAMESPACE, standing);
        assert_eq!(circle.creator(), Some(creator.author));
        assert!(circle.trusts(&creator.author) && !circle.trusts(&writer.author));
        assert!(circle.trusts_artefacts(&writer.author), "its own artefacts and leases count all the same");
        assert_eq!(circle.lease_author(&snapshot, &writer.endpoint), Some(writer.author));

        put(&mut snapshot, keys::ACL_WRITERS, creator.author, list(&[&writer]));
        put(&mut snapshot, keys::ACL_ADMINS, creator.author, list(&[&creator, &admin]));
        put(&mut snapshot, keys::ACL_WRITERS, admin.author, list(&[&friend]));
        put(&mut snapshot, keys::ACL_WRITERS, stranger.author, list(&[&stranger]));
        put(&mut snapshot, keys::ACL_ADMINS, stranger.author, list(&[&stranger]));
        put(&mut snapshot, keys::ACL_ADMINS, admin.author, list(&[&stranger]));
        for peer in [&friend, &stranger, &victim] {
            own(&mut snapshot, peer, creator.author);
        }
        let circle = Circle::new(&snapshot, NAMESPACE, standing);
        for peer in [&creator, &writer, &admin, &friend] {
            assert!(circle.trusts(&peer.author), "{:?}", peer.author);
        }
        assert!(!circle.trusts(&stranger.author) && !circle.trusts_artefacts(&stranger.author));
        assert_eq!(circle.lease_author(&snapshot, &friend.endpoint), Some(friend.author));
        assert_eq!(circle.lease_author(&snapshot, &stranger.endpoint), None);
        assert_eq!(circle.lease_author(&snapshot, &victim.endpoint), None);
    }

    #[test]
    fn a_creator_that_was_left_out_no_longer_counts() {
        let [creator, writer, admin] = [1, 2, 3].map(peer);
        let mut snapshot = Snapshot::default();
        own(&mut snapshot, &writer, creator.author);
        put(&mut snapshot, keys::ACL_WRITERS, creator.author, list(&[&writer]));
        put(&mut snapshot, keys::ACL_ADMINS, creator.author, list(&[&admin]));
        let circle = Circle::new(&snapshot, NAMESPACE, Standing::AdmittedBy(writer.endpoint));
        assert!(!circle.trusts(&creator.author) && !circle.trusts(&writer.author) && circle.trusts(&admin.author));
    }

    #[test]
    fn forged_and_copied_owner_records_bind_nobody() {
        let [creator, victim, thief] = [1, 2, 3].map(peer);
        let mut snapshot = Snapshot::default();
        // Signed by the thief, for the victim's endpoint.
        let forged = Owner { author: thief.author, creator: thief.author }.to_json(&NAMESPACE, &thief.seed).unwrap();
        let key = keys::owner_key(&victim.endpoint.to_string());
        put(&mut snapshot, &key, thief.author, forged);
        let circle = Circle::new(&snapshot, NAMESPACE, Standing::AdmittedBy(victim.endpoint));
        assert_eq!(circle.creator(), None);
        assert!(!circle.trusts(&thief.author) && circle.lease_author(&snapshot, &victim.endpoint).is_none());
        assert!(circle.trusts_artefacts(&thief.author), "nobody is known: whatever verifies counts");
        // An older record of the victim, brought back by another author.
        let old = Owner { author: Author([7; 32]), creator: creator.author }.to_json(&NAMESPACE, &victim.seed).unwrap();
        put(&mut snapshot, &key, creator.author, old);
        assert_eq!(Circle::new(&snapshot, NAMESPACE, Standing::AdmittedBy(victim.endpoint)).creator(), None);
        own(&mut snapshot, &victim, creator.author);
        let circle = Circle::new(&snapshot, NAMESPACE, Standing::AdmittedBy(victim.endpoint));
        assert_eq!(circle.creator(), Some(creator.author));
    }
}
