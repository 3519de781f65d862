//! How a consumer comes to a verified contract (`registry.md` section 9).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::bundle::{Bundle, is_bundle_entry};
use super::keys;
use super::mirror::{Mirror, Seen};
use super::records::ArtifactRef;
use super::snapshot::Author;
use super::stores::Archive;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::EndpointId;
use crate::limits;

/// The contract that an admitted endpoint advertised.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Name of the service.
    pub service: String,
    /// Its version.
    pub version: i32,
    /// The contract, 64 hex digits.
    pub contract_id: String,
    /// Who advertised it, and who is asked for it.
    pub producer: EndpointId,
}

/// Finds contracts in a registry.
pub struct Discovery {
    mirror: Arc<Mirror>,
    archive: Arc<dyn Archive>,
}

/// Why one way did not lead to the contract.
struct Miss(String);

impl Discovery {
    /// Makes a finder of contracts; somebody must run the mirror.
    pub fn new(mirror: Arc<Mirror>, archive: Arc<dyn Archive>) -> Self {
        Self { mirror, archive }
    }

    /// Finds a contract: its manifest in the document, else the collection that the document points to.
    ///
    /// # Errors
    ///
    /// NOT_FOUND with the cause if neither is to be had in time.
    pub async fn find(&self, wanted: &Wanted, within: Duration) -> Result<Bundle> {
        let started = Instant::now();
        let deadline = started + within;
        let inline = started + limits::INLINE_MANIFEST_WAIT.min(within / 2);
        let why = match timeout_at(inline, self.inline(wanted)).await {
            Ok(Ok(bundle)) => return Ok(bundle),
            Ok(Err(Miss(cause))) => cause,
            Err(_) => "the manifest did not arrive".to_owned(),
        };
        let why = match timeout_at(deadline, self.collected(wanted, deadline)).await {
            Ok(Ok(bundle)) => return Ok(bundle),
            Ok(Err(Miss(cause))) => format!("{why}; {cause}"),
            Err(_) => format!("{why}; no collection arrived"),
        };
        Err(Error::new(ErrorKind::NotFound, why))
    }

    /// Waits for a manifest in the document that verifies; gives up when one is there that does not.
    async fn inline(&self, wanted: &Wanted) -> Result<Bundle, Miss> {
        let key = keys::manifest_key(&wanted.contract_id);
        let mut looks = self.mirror.looks();
        let (mut tried, mut waits) = (BTreeSet::new(), self.mirror.waits());
        loop {
            looks.mark_unchanged();
            let seen = self.mirror.seen();
            let mut entries: Vec<_> = seen.snapshot.under(&key).iter().collect();
            entries.sort_by_key(|entry| std::cmp::Reverse((entry.timestamp, entry.author)));
            for entry in entries {
                if !seen.circle.trusts_artefacts(&entry.author) || tried.contains(&entry.hash) {
                    continue;
                }
                let Ok(Some(text)) = self.mirror.ledger().read(&entry.hash).await else {
                    waits.want(&entry.hash);
                    continue;
                };
                tried.insert(entry.hash.clone());
                match verified(Bundle::from_manifest(&text, &wanted.contract_id), wanted) {
                    Ok(bundle) => return Ok(bundle),
                    Err(error) => tell(&error, wanted, &key, &entry.author),
                }
            }
            if !tried.is_empty() {
                return Err(Miss("the manifest does not verify".to_owned()));
            }
            if looks.changed().await.is_err() {
                return Err(Miss("the registry was left".to_owned()));
            }
        }
    }

    /// Fetches the collection that the document points to, as soon as it does, from the producer.
    async fn collected(&self, wanted: &Wanted, deadline: Instant) -> Result<Bundle, Miss> {
        let key = keys::contract_key(&wanted.contract_id);
        let mut causes = Vec::new();
        for (author, reference) in self.published(&key, wanted).await {
            let left = deadline.saturating_duration_since(Instant::now());
            let fetched = self.fetch(&reference, wanted, left).await;
            match fetched.and_then(|bundle| verified(Ok(bundle), wanted)) {
                Ok(bundle) => return Ok(bundle),
                Err(error) if error.kind() == ErrorKind::Contract => {
                    tell(&error, wanted, &key, &author);
                    causes.push("the collection does not verify".to_owned());
                }
                Err(error) => causes.push(error.message().to_owned()),
            }
        }
        Err(Miss(if causes.is_empty() { "the registry was left".to_owned() } else { causes.join("; ") }))
    }

    /// Waits for artefacts of a contract; none if the registry is left.
    async fn published(&self, key: &str, wanted: &Wanted) -> Vec<(Author, ArtifactRef)> {
        let mut looks = self.mirror.looks();
        loop {
            looks.mark_unchanged();
            let found = references(&self.mirror.seen(), key, wanted);
            if !found.is_empty() || looks.changed().await.is_err() {
                return found;
            }
        }
    }

    async fn fetch(&self, reference: &ArtifactRef, wanted: &Wanted, left: Duration) -> Result<Bundle> {
        let producer = wanted.producer.to_string();
        if reference.collection_format == "raw" {
            let text = self.archive.fetch_blob(&reference.collection_hash, &producer, left).await?;
            return Bundle::from_manifest(&text, &wanted.contract_id);
        }
        let files = self.archive.fetch(&reference.collection_hash, &producer, is_bundle_entry, left).await?;
        Bundle::from_files(&files, &wanted.contract_id)
    }
}

/// Returns the artefacts of a contract by authors that count, the newest first.
fn references(seen: &Seen, key: &str, wanted: &Wanted) -> Vec<(Author, ArtifactRef)> {
    let mut entries: Vec<_> = seen.snapshot.under(key).iter().collect();
    entries.sort_by_key(|entry| std::cmp::Reverse((entry.timestamp, entry.author)));
    let counts = entries.into_iter().filter(|entry| seen.circle.trusts_artefacts(&entry.author));
    counts
        .filter_map(|entry| Some((entry.author, ArtifactRef::parse(entry.value.as_ref()?, &wanted.contract_id)?)))
        .take(limits::MAX_ARTIFACT_SOURCES)
        .collect()
}

fn verified(bundle: Result<Bundle>, wanted: &Wanted) -> Result<Bundle> {
    let bundle = bundle?;
    bundle.check_offer(&wanted.service, wanted.version)?;
    Ok(bundle)
}

fn tell(error: &Error, wanted: &Wanted, key: &str, author: &Author) {
    warn!(
        target: "aster::registry",
        endpoint = wanted.producer.short(), ?author, key, cause = error.message(),
        "what the registry holds is not the contract that was advertised"
    );
}
