//! Collections: files with names under one hash.

use std::collections::HashSet;

use bytes::Bytes;
use iroh::EndpointAddr;
use iroh_blobs::Hash;
use iroh_blobs::api::TempTag;
use iroh_blobs::format::collection::Collection;
use iroh_blobs::hashseq::HashSeq;

use super::blobs::{BlobFormat, Blobs, parse_hash, too_large};
use super::endpoint;
use super::failure;
use super::store::Content;
use crate::error::Result;
use crate::limits::{MAX_BLOB_BYTES, MAX_COLLECTION_BYTES};
use crate::rpc::BoxFuture;

/// A file of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionFile {
    /// Its name.
    pub name: String,
    /// Its hash.
    pub hash: String,
    /// Its size in bytes, 0 if it is not here and unknown.
    pub size: u64,
}

impl Blobs {
    /// Adds files under their names, in this order, and returns the hash of the collection.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT for a name that is there twice.
    pub fn add_collection(&self, files: Vec<(String, Bytes)>) -> BoxFuture<'static, Result<String>> {
        self.perform(|node| async move {
            let mut names = HashSet::new();
            if let Some((twice, _)) = files.iter().find(|(name, _)| !names.insert(name)) {
                return Err(failure::bad_argument(format!("the collection has '{twice}' twice")));
            }
            node.content().await?.add_collection(files).await.map(|hash| hash.to_string())
        })
    }

    /// Returns the files of a collection that is here, in its order.
    ///
    /// # Errors
    ///
    /// NOT_FOUND if its list is not here, INVALID_ARGUMENT if the hash is of something else, LIMIT if the list
    /// has more than 4 MiB.
    pub fn list_collection(&self, hash: &str) -> BoxFuture<'static, Result<Vec<CollectionFile>>> {
        let hash = parse_hash(hash);
        self.perform(|node| async move {
            let content = node.content().await?;
            let mut files = Vec::new();
            for (name, hash) in content.collection(hash?).await?.iter() {
                let size = content.state(*hash).await?.size;
                files.push(CollectionFile { name: name.clone(), hash: hash.to_string(), size });
            }
            Ok(files)
        })
    }

    /// Fetches a collection from a node and returns its files.
    ///
    /// # Errors
    ///
    /// As for [`download`](Self::download), and as for [`list_collection`](Self::list_collection).
    pub fn download_collection(&self, hash: &str, node_id: &str) -> BoxFuture<'static, Result<Vec<(String, Bytes)>>> {
        let (hash, peer) = (parse_hash(hash), endpoint::peer(node_id));
        self.perform(|node| async move {
            let hash = hash?;
            node.fetch(EndpointAddr::new(peer?), BlobFormat::HashSeq.with(hash)).await?;
            node.content().await?.read_files(hash).await
        })
    }
}

impl Content {
    async fn add_collection(&self, files: Vec<(String, Bytes)>) -> Result<Hash> {
        let (hash, _kept) = self.put_collection(files).await?;
        self.keep(BlobFormat::HashSeq.with(hash)).await?;
        Ok(hash)
    }

    /// Adds files and their list, which are protected as long as the tag lives.
    pub(super) async fn put_collection(&self, files: Vec<(String, Bytes)>) -> Result<(Hash, TempTag)> {
        let failed = |error: &dyn std::fmt::Display| failure::failed("cannot add the collection", error);
        let mut collection = Collection::default();
        // Protect the files until the collection has a tag.
        let mut kept = Vec::with_capacity(files.len());
        for (name, data) in files {
            let added = self.store.add_bytes(data).temp_tag().await.map_err(|error| failed(&error))?;
            collection.push(name, added.hash());
            kept.push(added);
        }
        let stored = collection.store(&self.store).await.map_err(|error| failed(&error))?;
        Ok((stored.hash(), stored))
    }

    /// Reads the list of a collection, whose size is checked first: it may come from a stranger.
    async fn collection(&self, hash: Hash) -> Result<Collection> {
        let none = || failure::bad_argument(format!("{hash} is no collection"));
        let list = self.read(hash, MAX_COLLECTION_BYTES).await?;
        let hashes = HashSeq::try_from(list).map_err(|_| none())?;
        let names = hashes.iter().next().ok_or_else(none)?;
        self.read(names, MAX_COLLECTION_BYTES).await?;
        Collection::load(hash, &self.store).await.map_err(|_| none())
    }

    async fn read_files(&self, hash: Hash) -> Result<Vec<(String, Bytes)>> {
        let mut left = MAX_BLOB_BYTES;
        let mut files = Vec::new();
        for (name, hash) in self.collection(hash).await?.iter() {
            let size = self.state(*hash).await?.size;
            left = left.checked_sub(size).ok_or_else(|| too_large(MAX_BLOB_BYTES - left + size, MAX_BLOB_BYTES))?;
            files.push((name.clone(), self.read(*hash, MAX_BLOB_BYTES).await?));
        }
        Ok(files)
    }

    /// Reads the file of a collection that has only one.
    pub(super) async fn read_only_file(&self, hash: Hash) -> Result<Bytes> {
        let collection = self.collection(hash).await?;
        match (collection.len(), collection.iter().next()) {
            (1, Some((_, file))) => self.read(*file, MAX_BLOB_BYTES).await,
            (count, _) => Err(failure::bad_argument(format!(
                "the ticket names a collection of {count} files, which are here now: list_collection('{hash}')"
            ))),
        }
    }
}
