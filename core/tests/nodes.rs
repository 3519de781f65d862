//! Nodes: what their hosts cannot see from outside.

use std::time::Duration;

use aster_core::config::{NetworkConfig, RelayMode};
use aster_core::error::ErrorKind;
use aster_core::limits::{BLOB_COLLECTION_INTERVAL, MAX_BLOB_BYTES};
use aster_core::node::{BlobFormat, Node, NodeOptions, Peer};
use bytes::{Bytes, BytesMut};

const ALPN: &[u8] = b"test/1";

fn options() -> NodeOptions {
    let network = NetworkConfig {
        relay_mode: RelayMode::Disabled,
        bind_addrs: vec!["127.0.0.1:0".parse().unwrap()],
        ..NetworkConfig::default()
    };
    NodeOptions { network, key_folder: None, alpns: vec![ALPN.to_vec()], content: true }
}

async fn node() -> Node {
    Node::open(options()).await.unwrap()
}

#[tokio::test]
async fn a_raw_connection_carries_calls() {
    let (here, there) = (node().await, node().await);
    let dialled = there.net().connect_addr(&here.addr(), ALPN).await.unwrap().transport();
    let incoming = here.net().accept().await.unwrap().take().unwrap();
    assert_eq!(incoming.alpn, ALPN);
    let accepted = incoming.connection.transport();
    assert_eq!(accepted.remote().unwrap().to_string(), there.id());
    let mut sent = dialled.open_bi().await.unwrap();
    let written = std::future::poll_fn(|cx| sent.send.poll_write(cx, b"frame")).await;
    assert_eq!(written, Ok(5));
    let mut received = accepted.accept_bi().await.unwrap();
    let mut into = BytesMut::new();
    std::future::poll_fn(|cx| received.recv.poll_read(cx, 16, &mut into)).await.unwrap();
    assert_eq!(&into[..], b"frame");
    dialled.close(9, "bye");
    let cause = accepted.closed().await;
    assert_eq!((cause.code, cause.reason.as_str()), (Some(9), "bye"));
    here.close().await;
    there.close().await;
}

#[tokio::test(start_paused = true)]
async fn unnamed_content_is_removed_and_what_documents_name_stays() {
    let node = node().await;
    let (blobs, docs) = (node.blobs().unwrap(), node.docs().unwrap());
    let (document, author) = (docs.create().await.unwrap(), docs.create_author().await.unwrap());
    let value = document.set(&author, Bytes::from_static(b"k"), Bytes::from_static(b"value")).await.unwrap();
    let kept = blobs.add_bytes(Bytes::from_static(b"kept")).await.unwrap();
    let collection = blobs.add_collection(vec![("a".to_owned(), Bytes::from_static(b"file"))]).await.unwrap();
    let unnamed = blobs.add_bytes(Bytes::from_static(b"unnamed")).await.unwrap();
    assert_eq!(blobs.tag_delete(&format!("aster-blob/{unnamed}"), false).await.unwrap(), 1);
    tokio::time::sleep(BLOB_COLLECTION_INTERVAL * 2).await;
    while blobs.state(&unnamed).await.unwrap().status == "complete" {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(blobs.read(&unnamed).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(document.read(&value).await.unwrap(), "value");
    assert_eq!(blobs.read(&kept).await.unwrap(), "kept");
    assert!(blobs.local(&collection, BlobFormat::HashSeq).await.unwrap().is_complete);
    node.close().await;
}

#[tokio::test]
async fn an_endpoint_has_no_content_and_a_closed_node_nothing() {
    let bare = Node::open(NodeOptions { content: false, ..options() }).await.unwrap();
    assert_eq!(bare.blobs().err().unwrap().kind(), ErrorKind::State);
    bare.close().await;
    let node = node().await;
    let (blobs, gossip) = (node.blobs().unwrap(), node.gossip().unwrap());
    assert!(node.is_open());
    tokio::join!(node.close(), node.close());
    assert!(!node.is_open());
    assert_eq!(blobs.tags("", None).await.unwrap_err().kind(), ErrorKind::Closed);
    let peers = vec![Peer::Id("nobody".to_owned())];
    assert_eq!(gossip.subscribe(&[0; 32], peers).await.err().unwrap().kind(), ErrorKind::Closed);
    assert_eq!(node.net().accept().await.err().unwrap().kind(), ErrorKind::Closed);
    const { assert!(MAX_BLOB_BYTES < u32::MAX as u64) };
}
