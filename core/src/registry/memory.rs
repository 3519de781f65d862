//! A document, a content store and a topic in memory, for tests.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, broadcast};

use super::snapshot::Author;
use super::stores::{Archive, Board, Ledger, Record};
use crate::addr::NodeAddr;
use crate::error::{Error, ErrorKind, Result};
use crate::keys::digest;
use crate::rpc::BoxFuture;

/// Switches that make the stores fail.
#[derive(Debug, Default)]
pub(super) struct Weather {
    pub(super) ledger_fails: AtomicBool,
    pub(super) archive_fails: AtomicBool,
}

fn failing(switch: &AtomicBool) -> Result<()> {
    match switch.load(Ordering::SeqCst) {
        true => Err(Error::new(ErrorKind::Io, "the disk is full")),
        false => Ok(()),
    }
}

/// What all authors of a document share.
#[derive(Default)]
pub(super) struct Sheet {
    pub(super) records: Mutex<BTreeMap<(String, Author), Record>>,
    pub(super) values: Mutex<BTreeMap<String, Bytes>>,
    /// Values that arrive only if they are fetched.
    pub(super) late: Mutex<BTreeMap<String, Bytes>>,
    time: AtomicU64,
    readers: Mutex<Vec<Arc<Notify>>>,
    pub(super) weather: Weather,
}

impl Sheet {
    /// Writes a value as an author; `there`: whether the value can be read already.
    pub(super) fn write(&self, author: Author, key: &str, value: impl Into<Bytes>, there: bool) {
        let value = value.into();
        let hash = hex::encode(digest(&value));
        let timestamp = self.time.fetch_add(1, Ordering::SeqCst) + 1;
        let record = Record { key: key.to_owned(), author, timestamp, hash: hash.clone(), len: value.len() as u64 };
        self.records.lock().unwrap().insert((key.to_owned(), author), record);
        if there {
            self.values.lock().unwrap().insert(hash, value);
        }
        self.readers.lock().unwrap().iter().for_each(|reader| reader.notify_one());
    }

    pub(super) fn text(&self, author: Author, key: &str) -> Option<String> {
        let record = self.records.lock().unwrap().get(&(key.to_owned(), author)).cloned()?;
        Some(String::from_utf8(self.values.lock().unwrap().get(&record.hash)?.to_vec()).unwrap())
    }

    /// Returns the document as an author has it.
    pub(super) fn ledger(self: &Arc<Self>, author: Author) -> Arc<MemoryLedger> {
        let changes = Arc::new(Notify::new());
        self.readers.lock().unwrap().push(changes.clone());
        Arc::new(MemoryLedger { sheet: self.clone(), author, changes })
    }
}

pub(super) const NAMESPACE: [u8; 32] = [9; 32];

pub(super) struct MemoryLedger {
    sheet: Arc<Sheet>,
    author: Author,
    changes: Arc<Notify>,
}

impl Ledger for MemoryLedger {
    fn namespace(&self) -> [u8; 32] {
        NAMESPACE
    }

    fn records(&self, prefix: &str) -> BoxFuture<'_, Result<Vec<Record>>> {
        let all = self.sheet.records.lock().unwrap();
        let found = all.values().filter(|record| record.key.starts_with(prefix)).cloned().collect();
        Box::pin(async { Ok(found) })
    }

    fn read(&self, hash: &str) -> BoxFuture<'_, Result<Option<Bytes>>> {
        let found = self.sheet.values.lock().unwrap().get(hash).cloned();
        Box::pin(async { Ok(found) })
    }

    fn fetch(&self, hash: &str, _: u64) -> BoxFuture<'_, Result<()>> {
        let late = self.sheet.late.lock().unwrap().remove(hash);
        if let Some(value) = late {
            self.sheet.values.lock().unwrap().insert(hash.to_owned(), value);
        }
        Box::pin(async { Ok(()) })
    }

    fn write(&self, key: String, value: Bytes) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            failing(&self.sheet.weather.ledger_fails)?;
            self.sheet.write(self.author, &key, value, true);
            Ok(())
        })
    }

    fn changed(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async {
            self.changes.notified().await;
            Ok(())
        })
    }

    fn neighbours(&self) -> usize {
        0
    }

    fn join(&self, _: Vec<NodeAddr>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Ok(()) })
    }
}

/// A content store that everybody shares.
#[derive(Default)]
pub(super) struct MemoryArchive {
    pub(super) collections: Mutex<BTreeMap<String, Vec<(String, Bytes)>>>,
    pub(super) tags: Mutex<BTreeMap<String, String>>,
    pub(super) weather: Weather,
}

impl MemoryArchive {
    pub(super) fn put(&self, files: Vec<(String, Bytes)>) -> String {
        let bytes: Vec<u8> = files.iter().flat_map(|(name, data)| [name.as_bytes(), data].concat()).collect();
        let hash = hex::encode(digest(&bytes));
        self.collections.lock().unwrap().insert(hash.clone(), files);
        hash
    }
}

impl Archive for MemoryArchive {
    fn store(&self, files: Vec<(String, Bytes)>, tag: fn(&str) -> String) -> BoxFuture<'_, Result<String>> {
        Box::pin(async move {
            failing(&self.weather.archive_fails)?;
            let hash = self.put(files);
            self.tags.lock().unwrap().insert(tag(&hash), hash.clone());
            Ok(hash)
        })
    }

    fn has(&self, hash: &str) -> BoxFuture<'_, Result<bool>> {
        let found = self.collections.lock().unwrap().contains_key(hash);
        Box::pin(async move { Ok(found) })
    }

    fn untag(&self, tag: String) -> BoxFuture<'_, Result<()>> {
        self.tags.lock().unwrap().remove(&tag);
        Box::pin(async { Ok(()) })
    }

    fn ticket(&self, hash: &str) -> Result<String> {
        Ok(format!("ticket of {hash}"))
    }

    fn fetch(
        &self,
        hash: &str,
        _: &str,
        wanted: fn(&str) -> bool,
        _: Duration,
    ) -> BoxFuture<'_, Result<Vec<(String, Bytes)>>> {
        let found = self.collections.lock().unwrap().get(hash).cloned();
        let missing = || Error::new(ErrorKind::NotFound, "the producer has not got it");
        Box::pin(async move {
            let mut files = found.ok_or_else(missing)?;
            files.retain(|(name, _)| wanted(name));
            Ok(files)
        })
    }

    fn fetch_blob(&self, hash: &str, _: &str, _: Duration) -> BoxFuture<'_, Result<Bytes>> {
        let found = self.collections.lock().unwrap().get(hash).and_then(|files| Some(files.first()?.1.clone()));
        Box::pin(async { found.ok_or_else(|| Error::new(ErrorKind::NotFound, "no such blob")) })
    }
}

/// A topic; what is sent reaches every board made from it before.
pub(super) struct MemoryBoard {
    sender: broadcast::Sender<Bytes>,
    receiver: tokio::sync::Mutex<broadcast::Receiver<Bytes>>,
}

impl MemoryBoard {
    pub(super) fn new(sender: &broadcast::Sender<Bytes>) -> Arc<Self> {
        Arc::new(Self { sender: sender.clone(), receiver: tokio::sync::Mutex::new(sender.subscribe()) })
    }
}

impl Board for MemoryBoard {
    fn send(&self, message: Bytes) -> BoxFuture<'_, Result<()>> {
        let _ = self.sender.send(message);
        Box::pin(async { Ok(()) })
    }

    fn next(&self) -> BoxFuture<'_, Result<Bytes>> {
        Box::pin(async {
            let received = self.receiver.lock().await.recv().await;
            received.map_err(|_| Error::new(ErrorKind::Closed, "topic is closed"))
        })
    }
}
