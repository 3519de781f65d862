//! The registry: how producers publish contracts and live endpoints, and how consumers find and check them
//! (`registry.md`).
//!
//! Rules only, over small traits ([`Ledger`], [`Archive`], [`Board`], [`Herald`]) that nodes implement on documents, blobs and
//! gossip, and tests in memory. [`Publisher`] writes, [`Mirror`] follows a document, [`Snapshot`] and [`Circle`] say
//! what of it is believed, [`LeaseBook`] and [`Query`] pick endpoints, [`Discovery`] finds verified contracts.
//!
//! Not here: documents and blobs themselves, the files of a node, and calls that move between endpoints.

mod bundle;
mod checked;
mod circle;
mod discovery;
mod hint;
mod keys;
mod lease;
mod leases;
#[cfg(test)]
mod memory;
mod mirror;
mod publisher;
mod records;
mod resolve;
mod snapshot;
mod stores;

pub use bundle::{Bundle, MANIFEST_ENTRY, is_bundle_entry};
pub use checked::{checked_artifact, checked_hint, checked_lease};
pub use circle::{Circle, Standing};
pub use discovery::{Discovery, Wanted};
pub use hint::{Hint, HintKind, topic, topic_of};
pub use keys::{
    ACL_ADMINS, ACL_POLICY, ACL_READERS, ACL_WRITERS, PREFIXES, acl_key, channel_key, config_key, contract_key,
    lease_key, leases_prefix, manifest_key, owner_key, tag_key, version_key, versions_prefix,
};
pub use lease::{EndpointLease, Health};
pub use leases::{LeaseBook, Sighting};
pub use mirror::Mirror;
pub use publisher::{Offer, Outlets, Publisher, PublisherOptions, Vitals};
pub use records::{ArtifactRef, Owner};
pub use resolve::{Explained, Query, Rotation, Strategy};
pub use snapshot::{Author, Entry, Snapshot};
pub use stores::{Archive, Board, Herald, Ledger, Record};
