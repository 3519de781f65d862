//! What a document holds at one moment: small values by key and author.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;

use crate::limits;

/// Who wrote something: the public key of a document author.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Author(pub [u8; 32]);

impl Author {
    /// Parses 64 lower-case hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        (text == hex::encode(bytes)).then_some(Self(bytes))
    }
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.to_string();
        write!(f, "Author({}...)", text.get(..8).unwrap_or_default())
    }
}

/// What one author wrote last under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Who wrote it.
    pub author: Author,
    /// When, by the author's clock: microseconds since 1970.
    pub timestamp: u64,
    /// Hash of the value, 64 hex digits.
    pub hash: String,
    /// Bytes of the value.
    pub len: u64,
    /// The value; `None` for manifests, which are read when they are wanted, and for what never was here.
    pub value: Option<Bytes>,
    /// Whether the value is still the one before, because this one has not arrived.
    pub is_stale: bool,
}

/// The entries of a document by key.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    entries: BTreeMap<String, Vec<Entry>>,
}

impl Snapshot {
    /// Adds what an author wrote, unless its time lies too far in the future.
    pub fn add(&mut self, key: String, entry: Entry, now_ms: i64) {
        let latest = now_ms.saturating_add(limits::MAX_REGISTRY_FUTURE_MS).saturating_mul(1000);
        if i64::try_from(entry.timestamp).is_ok_and(|timestamp| timestamp <= latest) {
            self.entries.entry(key).or_default().push(entry);
        }
    }

    /// Returns what stands under a key, by everybody.
    pub fn under(&self, key: &str) -> &[Entry] {
        self.entries.get(key).map_or(&[], Vec::as_slice)
    }

    /// Returns everything whose key begins so, in the order of keys.
    pub fn beginning<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a [Entry])> {
        let from = self.entries.range::<str, _>((std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded));
        from.take_while(move |(key, _)| key.starts_with(prefix)).map(|(key, found)| (key.as_str(), found.as_slice()))
    }

    /// Returns *the* entry of a key: the newest of those that count, then that of the larger author.
    pub fn newest(&self, key: &str, counts: impl Fn(&Author) -> bool) -> Option<&Entry> {
        let found = self.under(key).iter().filter(|entry| counts(&entry.author));
        found.max_by_key(|entry| (entry.timestamp, entry.author))
    }

    /// Returns the value that an author wrote under a key.
    pub fn value_by(&self, key: &str, author: &Author) -> Option<&Bytes> {
        self.newest(key, |other| other == author)?.value.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(author: u8, timestamp: u64) -> Entry {
        Entry {
            author: Author([author; 32]),
            timestamp,
            hash: String::new(),
            len: 1,
            value: Some(Bytes::from(vec![author])),
            is_stale: false,
        }
    }

    #[test]
    fn the_newest_counts_then_the_larger_author_and_nothing_from_the_future() {
        let mut snapshot = Snapshot::default();
        let now_ms = 1_000_000;
        let limit = (now_ms as u64 + 600_000) * 1000;
        for (author, timestamp) in [(1, 5), (2, 9), (3, 9), (4, limit + 1), (5, u64::MAX)] {
            snapshot.add("k".to_owned(), entry(author, timestamp), now_ms);
        }
        assert_eq!(snapshot.newest("k", |_| true).unwrap().author, Author([3; 32]));
        assert_eq!(snapshot.newest("k", |author| author.0[0] < 2).unwrap().author, Author([1; 32]));
        assert_eq!(snapshot.under("k").len(), 3);
        snapshot.add("k".to_owned(), entry(6, limit), now_ms);
        assert_eq!(snapshot.newest("k", |_| true).unwrap().author, Author([6; 32]));
        assert_eq!(snapshot.value_by("k", &Author([2; 32])).unwrap().as_ref(), [2]);
        assert_eq!(snapshot.value_by("k", &Author([4; 32])), None);
        snapshot.add("kk".to_owned(), entry(1, 1), now_ms);
        snapshot.add("l".to_owned(), entry(1, 1), now_ms);
        assert_eq!(snapshot.beginning("k").map(|(key, _)| key).collect::<Vec<_>>(), ["k", "kk"]);
    }

    #[test]
    fn authors_are_lower_case_hex() {
        let text = "ab".repeat(32);
        assert_eq!(Author::parse(&text).unwrap().to_string(), text);
        assert_eq!(Author::parse(&text.to_uppercase()), None);
        assert_eq!(Author::parse("ab"), None);
    }
}
