//! The registry that a server writes: made, joined or taken up again (`registry.md` section 1).

use std::path::{Path, PathBuf};
use std::str::FromStr;

use iroh_docs::{Capability, DocTicket, NamespaceId};
use serde::{Deserialize, Serialize};
use tokio::fs;
use tracing::warn;

use super::docs::parse_id;
use super::document::{Document, DocumentEvents, ShareMode};
use super::failure;
use super::node::Node;
use super::storage;
use crate::error::{Error, ErrorKind, Result};
use crate::registry::{Author, Owner};

const FILE: &str = "registry.json";
/// What the creator's author id stands behind in a registry ticket.
const CREATOR: &str = "?creator=";

/// What is kept of the registries that a server has written, the one in use first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct HomeFile {
    namespace: String,
    author: String,
    creator: String,
    #[serde(default)]
    lease_epoch: i64,
    /// Others that were in use before; `registry_namespace` names one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    others: Vec<Kept>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    namespace: String,
    author: String,
    creator: String,
}

/// Which registry a server wants.
#[derive(Clone, Debug, Default)]
pub struct RegistryChoice {
    /// One that the storage folder keeps; `None`: the one that was in use last.
    pub namespace: Option<String>,
    /// A ticket to write in that of another producer.
    pub ticket: Option<String>,
}

/// A registry that is open.
pub(super) struct Home {
    pub(super) document: Document,
    pub(super) events: DocumentEvents,
    pub(super) owner: Owner,
    pub(super) lease_epoch: i64,
    /// The nodes of the ticket.
    pub(super) peers: Vec<iroh::EndpointAddr>,
}

impl Home {
    /// Opens the registry of a server. `folder` is its storage folder.
    ///
    /// # Errors
    ///
    /// ADDRESS for a bad ticket, NOT_FOUND for a namespace that is not kept, IO.
    pub(super) async fn open(node: &Node, folder: Option<&str>, choice: &RegistryChoice, now_ms: i64) -> Result<Self> {
        let path = folder.map(PathBuf::from);
        let kept = match &path {
            Some(path) => read(path).await?,
            None => None,
        };
        let ticket = choice.ticket.as_deref().map(parse_ticket).transpose()?;
        let (document, peers, mut current) = match (ticket, pick(kept.as_ref(), choice.namespace.as_deref())?) {
            (Some((ticket, creator)), _) => join(node, ticket, creator, kept.as_ref()).await?,
            (None, Some(kept)) => match reopen(node, &kept).await {
                Some(document) => (document, Vec::new(), kept),
                None => create(node).await?,
            },
            (None, None) => create(node).await?,
        };
        let last_epoch = kept.as_ref().map_or(0, |kept| kept.lease_epoch);
        let lease_epoch = now_ms.max(last_epoch.saturating_add(1));
        if let Some(path) = &path {
            current.namespace = document.id();
            write(path, kept, &current, lease_epoch).await?;
        }
        let broken = || Error::new(ErrorKind::Config, format!("{FILE}: authors have 64 lower-case hex digits"));
        let author = Author::parse(&current.author).ok_or_else(broken)?;
        let creator = Author::parse(&current.creator).ok_or_else(broken)?;
        let events = document.subscribe().await?;
        document.sync(peers.clone()).await?;
        Ok(Self { document, events, owner: Owner { author, creator }, lease_epoch, peers })
    }

    /// Returns a registry ticket.
    ///
    /// # Errors
    ///
    /// IO if the document cannot be shared so.
    pub(super) async fn share(document: &Document, owner: &Owner, mode: ShareMode) -> Result<String> {
        Ok(format!("{}{CREATOR}{}", document.share(mode, true).await?, owner.creator))
    }
}

async fn create(node: &Node) -> Result<(Document, Vec<iroh::EndpointAddr>, Kept)> {
    let docs = node.docs()?;
    let document = docs.create().await?;
    let author = docs.create_author().await?;
    let kept = Kept { namespace: document.id(), creator: author.clone(), author };
    Ok((document, Vec::new(), kept))
}

/// Opens a registry that was kept; `None` if the document or the author's key is gone.
async fn reopen(node: &Node, kept: &Kept) -> Option<Document> {
    let found = async {
        let document = node.0.open_document(&kept.namespace).await?;
        node.0.check_author(&kept.author).await?;
        Ok::<_, Error>(document)
    };
    match found.await {
        Ok(document) => Some(document),
        Err(error) => {
            warn!(target: "aster::registry", error = %error.message(), "the registry that was kept is gone: a new one is made");
            None
        }
    }
}

async fn join(
    node: &Node,
    ticket: DocTicket,
    creator: String,
    kept: Option<&HomeFile>,
) -> Result<(Document, Vec<iroh::EndpointAddr>, Kept)> {
    if !matches!(ticket.capability, Capability::Write(_)) {
        return Err(failure::bad_ticket("a server needs a ticket to write"));
    }
    let namespace = hex::encode(ticket.capability.id().as_bytes());
    let before = pick(kept, Some(&namespace)).ok().flatten();
    let document = node.0.import_document(ticket.capability).await?;
    for peer in &ticket.nodes {
        node.0.book.add(peer);
    }
    let author = match before {
        Some(before) if node.0.check_author(&before.author).await.is_ok() => before.author,
        _ => node.docs()?.create_author().await?,
    };
    Ok((document, ticket.nodes, Kept { namespace, author, creator }))
}

fn parse_ticket(text: &str) -> Result<(DocTicket, String)> {
    let (ticket, creator) = text.split_once(CREATOR).ok_or_else(|| failure::bad_ticket("it names no creator"))?;
    if Author::parse(creator).is_none() {
        return Err(failure::bad_ticket("the creator has 64 lower-case hex digits"));
    }
    let ticket = DocTicket::from_str(ticket).map_err(failure::bad_ticket)?;
    Ok((ticket, creator.to_owned()))
}

/// Returns the registry that is wanted, of those that are kept.
fn pick(kept: Option<&HomeFile>, wanted: Option<&str>) -> Result<Option<Kept>> {
    let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) else {
        return Ok(kept.map(HomeFile::current));
    };
    let all = kept.iter().flat_map(|kept| std::iter::once(kept.current()).chain(kept.others.iter().cloned()));
    let found = all.into_iter().find(|kept| kept.namespace == wanted);
    let unknown = || Error::new(ErrorKind::Config, format!("registry_namespace: no registry '{wanted}' is kept here"));
    found.map(Some).ok_or_else(unknown)
}

impl HomeFile {
    fn current(&self) -> Kept {
        let Self { namespace, author, creator, .. } = self.clone();
        Kept { namespace, author, creator }
    }
}

async fn read(folder: &Path) -> Result<Option<HomeFile>> {
    let path = folder.join(FILE);
    match fs::read(&path).await {
        Ok(text) => {
            let broken = |error| Error::new(ErrorKind::Config, format!("{}: {error}", path.display()));
            serde_json::from_slice(&text).map(Some).map_err(broken)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::new(ErrorKind::Io, format!("{}: {error}", path.display()))),
    }
}

async fn write(folder: &Path, before: Option<HomeFile>, current: &Kept, lease_epoch: i64) -> Result<()> {
    let mut others = before.as_ref().map(|before| before.others.clone()).unwrap_or_default();
    others.extend(before.as_ref().map(HomeFile::current));
    others.retain(|kept| kept.namespace != current.namespace);
    let Kept { namespace, author, creator } = current.clone();
    let file = HomeFile { namespace, author, creator, lease_epoch, others };
    let text = serde_json::to_string_pretty(&file).unwrap_or_default();
    storage::write_private(folder, FILE, &text).await
}

impl super::node::NodeCore {
    async fn open_document(self: &std::sync::Arc<Self>, namespace: &str) -> Result<Document> {
        let id = NamespaceId::from(&parse_id(namespace, "a document id")?);
        let opened = self.content().await?.docs.open(id).await;
        let opened = opened.map_err(|error| failure::failed("cannot open the document", error))?;
        let missing = || failure::no_document(format!("document {namespace} is not on this node"));
        self.document(Ok::<_, Error>(opened.ok_or_else(missing)?))
    }

    async fn import_document(self: &std::sync::Arc<Self>, capability: Capability) -> Result<Document> {
        self.document(self.content().await?.docs.import_namespace(capability).await)
    }

    async fn check_author(&self, author: &str) -> Result<()> {
        let id = iroh_docs::AuthorId::from(&parse_id(author, "an author id")?);
        let found = self.content().await?.docs.author_export(id).await;
        match found.map_err(|error| failure::failed("cannot read the author", error))? {
            Some(_) => Ok(()),
            None => Err(Error::new(ErrorKind::NotFound, format!("author {author} is not of this node"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(namespace: &str) -> Kept {
        Kept { namespace: namespace.to_owned(), author: "a".to_owned(), creator: "c".to_owned() }
    }

    #[tokio::test]
    async fn the_registry_in_use_comes_first_and_the_others_stay() {
        let folder = std::env::temp_dir().join(format!("aster-home-{}", crate::ids::random_uuid()));
        fs::create_dir(&folder).await.unwrap();
        assert!(read(&folder).await.unwrap().is_none());
        write(&folder, None, &kept("one"), 5).await.unwrap();
        let file = read(&folder).await.unwrap();
        assert_eq!(pick(file.as_ref(), None).unwrap().unwrap().namespace, "one");
        write(&folder, file, &kept("two"), 6).await.unwrap();
        let file = read(&folder).await.unwrap().unwrap();
        assert_eq!((file.namespace.as_str(), file.lease_epoch, file.others.len()), ("two", 6, 1));
        assert_eq!(pick(Some(&file), Some("one")).unwrap().unwrap().namespace, "one");
        assert!(pick(Some(&file), Some("three")).is_err() && pick(None, Some("one")).is_err());
        assert!(pick(None, Some("")).unwrap().is_none());
        write(&folder, Some(file), &kept("one"), 7).await.unwrap();
        let file = read(&folder).await.unwrap().unwrap();
        assert_eq!((file.namespace.as_str(), file.others.len()), ("one", 1));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(folder.join(FILE)).await.unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::remove_dir_all(&folder).await.unwrap();
    }

    #[test]
    fn tickets_name_the_creator() {
        assert!(parse_ticket("doc").is_err());
        assert!(parse_ticket(&format!("doc{CREATOR}ab")).is_err());
        assert!(parse_ticket(&format!("doc{CREATOR}{}", "ab".repeat(32))).is_err());
    }
}
