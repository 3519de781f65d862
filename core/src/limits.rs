//! Every limit of the protocol, in one place (`wire.md` section 21, `codec.md` section 6, `contract.md` section 9,
//! `registry.md` section 10).
//!
//! Bindings read these numbers; none of them repeats one.

use std::time::Duration;

macro_rules! table {
    ($($name:ident)*) => { &[$((stringify!($name), $name as u64)),*] };
}

/// The limits of `wire.md` section 21 by name, for hosts: counts and bytes.
pub const TABLE: &[(&str, u64)] = table! {
    MAX_FRAME_SIZE MAX_BODY_SIZE MAX_DECOMPRESSED_SIZE MAX_PROTOCOL_PAYLOAD
    MAX_METADATA_ENTRIES MAX_METADATA_TOTAL_BYTES MAX_METADATA_KEY_CHARS MAX_METADATA_VALUE_CHARS
    MAX_RESERVED_ENTRIES MAX_RESERVED_VALUE_CHARS
    MAX_STATUS_MESSAGE_CHARS MAX_STATUS_DETAILS MAX_STATUS_DETAIL_BYTES MAX_NAME_CHARS
    MAX_CONCURRENT_STREAMS MAX_SESSIONS_PER_CONNECTION MAX_SESSION_QUEUE MAX_STREAM_ITEMS MAX_CREDIT MAX_CONNECTION_BUFFER
    MAX_TICKET_BYTES MAX_TICKET_ADDRESSES MAX_TICKET_CREDENTIAL MAX_NODE_ADDR_TEXT MAX_DIAL_ADDRESSES
    MAX_MESSAGE_DEPTH MAX_VALUE_GRAPH
};

/// Largest value of a frame's length field: flags byte and payload.
pub const MAX_FRAME_SIZE: usize = 16 * 1024 * 1024;
/// Largest payload of one frame, hence largest message body.
pub const MAX_BODY_SIZE: usize = MAX_FRAME_SIZE - 1;
/// Largest size of a body after decompression.
pub const MAX_DECOMPRESSED_SIZE: usize = 16 * 1024 * 1024;
/// Largest payload of a HEADER, CALL or TRAILER frame.
pub const MAX_PROTOCOL_PAYLOAD: usize = 131_072;
/// Time in which a frame must be complete after its first byte, and in which a stream must show its header.
pub const FRAME_READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest run of a unary handler without a deadline; longest silence of a streaming one.
pub const HANDLER_CAP: Duration = Duration::from_secs(300);
/// Time for dialling a peer, admission included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Time between two signs of life on a connection without traffic.
pub const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Wait for a free stream when a call has no deadline.
pub const STREAM_WAIT: Duration = Duration::from_secs(30);
/// Tolerance for absolute deadlines, against clock skew.
pub const DEADLINE_SKEW_MS: i64 = 5000;
/// Default grace of a drain.
pub const DRAIN_GRACE: Duration = Duration::from_secs(10);
/// Time for trailers to leave when a server closes.
pub const CLOSE_FLUSH: Duration = Duration::from_secs(1);

/// Pairs of metadata in one call, reserved ones not counted.
pub const MAX_METADATA_ENTRIES: usize = 64;
/// UTF-8 bytes of all metadata keys and values of one call.
pub const MAX_METADATA_TOTAL_BYTES: usize = 8192;
/// Characters of a metadata key.
pub const MAX_METADATA_KEY_CHARS: usize = 256;
/// Characters of a metadata value.
pub const MAX_METADATA_VALUE_CHARS: usize = 4096;
/// Pairs with reserved keys in one call.
pub const MAX_RESERVED_ENTRIES: usize = 8;
/// Characters of the value of a reserved key.
pub const MAX_RESERVED_VALUE_CHARS: usize = 256;
/// Characters of a status message.
pub const MAX_STATUS_MESSAGE_CHARS: usize = 4096;
/// Pairs in the details of a status.
pub const MAX_STATUS_DETAILS: usize = 32;
/// UTF-8 bytes of all details of a status.
pub const MAX_STATUS_DETAIL_BYTES: usize = 8192;
/// Characters of a service name, method name or call id.
pub const MAX_NAME_CHARS: usize = 256;

/// Calls and sessions that run at once on one connection.
pub const MAX_CONCURRENT_STREAMS: u32 = 1024;
/// Streams a connection may hold above the call limit, so that excess calls are answered.
pub const EXCESS_STREAMS: u32 = 128;
/// Sessions on one connection.
pub const MAX_SESSIONS_PER_CONNECTION: u32 = 1024;
/// Waits before the attempts to connect afresh.
pub const RECONNECT_WAITS: [Duration; 5] =
    [Duration::ZERO, Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8), Duration::from_secs(16)];
/// Calls queued on a client session.
pub const MAX_SESSION_QUEUE: usize = 1024;
/// Items of one client stream or of the input of a bidi call.
pub const MAX_STREAM_ITEMS: u64 = 100_000;
/// Items a call holds for sending before it answers *full*.
pub const SEND_WINDOW_ITEMS: usize = 16;
/// Bytes a call holds for sending, and for receiving beside one frame in assembly.
pub const WINDOW_BYTES: usize = 1024 * 1024;
/// The same where bodies are a few bytes that stand for objects of the program: about fifty of them.
pub const OBJECT_WINDOW_BYTES: usize = 512;
/// Longest wait for the answer to a cancellation in a session, before its stream is given up.
pub const CANCEL_ANSWER_WAIT: Duration = Duration::from_secs(5);
/// Credit of a call at its start.
pub const INITIAL_CREDIT: u32 = 16;
/// Largest credit that may be outstanding.
pub const MAX_CREDIT: u32 = 65_536;
/// Frames in assembly or queued on one connection.
pub const MAX_CONNECTION_BUFFER: usize = 64 * 1024 * 1024;
/// Events a completion queue has room for by default.
pub const QUEUE_CAPACITY: usize = 65_536;
/// Events a host takes from a queue at once.
pub const DRAIN_BATCH: usize = 256;
/// Bodies longer than this are compressed, unless they are JSON.
pub const COMPRESSION_THRESHOLD: usize = 4096;

/// Bytes of a ticket before base58.
pub const MAX_TICKET_BYTES: usize = 256;
/// Direct addresses in a ticket.
pub const MAX_TICKET_ADDRESSES: usize = 15;
/// Bytes of the credential in a ticket, as its length field allows.
pub const MAX_TICKET_CREDENTIAL: usize = 220;
/// Bytes of the text of a node address.
pub const MAX_NODE_ADDR_TEXT: usize = 8192;
/// Direct addresses used when dialling.
pub const MAX_DIAL_ADDRESSES: usize = 64;

/// Nesting of messages in a body, the root counted.
pub const MAX_MESSAGE_DEPTH: usize = 50;
/// Nesting of a type text.
pub const MAX_TYPE_DEPTH: usize = 16;
/// Memory estimate of one decoded value graph.
pub const MAX_VALUE_GRAPH: usize = 128 * 1024 * 1024;
/// Body of one type definition.
pub const MAX_TYPE_DEFINITION: usize = 65_536;
/// Fields of one type definition.
pub const MAX_TYPE_DEFINITION_FIELDS: usize = 1024;
/// Type definitions in one payload.
pub const MAX_TYPE_DEFINITIONS: usize = 1024;
/// Elements without bytes in one payload.
pub const MAX_EMPTY_ELEMENTS: usize = 8192;
/// Foreign type definitions kept for one message type.
pub const MAX_FOREIGN_DEFINITIONS: usize = 16;
/// Largest scale of a decimal, either way.
pub const MAX_DECIMAL_SCALE: u32 = 10_000;
/// Bytes of the magnitude of a decimal.
pub const MAX_DECIMAL_MAGNITUDE: usize = 10_000;
/// Memory estimate of a message without its fields.
pub const GRAPH_MESSAGE: usize = 64;
/// Memory estimate of a field.
pub const GRAPH_FIELD: usize = 16;
/// Memory estimate of a list, set or map without its entries.
pub const GRAPH_CONTAINER: usize = 64;
/// Memory estimate of an element of a list or set.
pub const GRAPH_ELEMENT: usize = 16;
/// Memory estimate of an entry of a map.
pub const GRAPH_ENTRY: usize = 64;
/// Largest window of a zstd frame, as a power of two.
pub const MAX_WINDOW_LOG: u32 = 24;

/// Bytes of a declared default, completed and encoded.
pub const MAX_DEFAULT_SIZE: usize = 1024 * 1024;
/// Encoded bytes and memory estimate of all declared defaults of a schema.
pub const MAX_SCHEMA_DEFAULTS: usize = 16 * 1024 * 1024;

/// Fields of a message in a contract.
pub const MAX_CONTRACT_FIELDS: usize = 1000;
/// Members of an enum in a contract.
pub const MAX_ENUM_MEMBERS: usize = 10_000;
/// Types of a contract.
pub const MAX_CONTRACT_TYPES: usize = 10_000;
/// Methods of a contract.
pub const MAX_CONTRACT_METHODS: usize = 10_000;
/// UTF-8 bytes of a name in a contract.
pub const MAX_CONTRACT_NAME_BYTES: usize = 255;
/// Bytes of one canonical type definition.
pub const MAX_TYPE_DEF_BYTES: usize = 1024 * 1024;
/// Type hashes of a contract, those of container types included.
pub const MAX_TYPE_HASHES: usize = 100_000;
/// Bytes of a manifest.
pub const MAX_MANIFEST_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of a configuration, identity or key file.
pub const MAX_CONFIG_FILE: usize = 1024 * 1024;
/// Bytes of a credential document.
pub const MAX_CREDENTIAL_BYTES: usize = 65_536;
/// Nesting of a trust document, the root counted.
pub const MAX_TRUST_DEPTH: usize = 8;
/// Latest expiry of a credential: the largest integer that every JSON reader keeps exact.
pub const MAX_EXPIRES_AT: u64 = (1 << 53) - 1;
/// Attributes of a credential.
pub const MAX_ATTRIBUTES: usize = 64;
/// UTF-8 bytes of the name of an attribute.
pub const MAX_ATTRIBUTE_KEY: usize = 256;
/// UTF-8 bytes of the value of an attribute.
pub const MAX_ATTRIBUTE_VALUE: usize = 4096;
/// Bytes of the signed form of all attributes.
pub const MAX_CANONICAL_ATTRIBUTES: usize = 16_384;
/// Bytes of an admission request.
pub const MAX_ADMISSION_REQUEST: usize = 65_536;
/// Bytes of an admission answer that is accepted.
pub const MAX_ADMISSION_ANSWER: usize = 1024 * 1024;
/// Services in an admission answer.
pub const MAX_SERVICES: usize = 10_000;
/// Channels of one service in an admission answer.
pub const MAX_CHANNELS: usize = 100;
/// Requests on one admission connection.
pub const MAX_ADMISSION_REQUESTS: usize = 8;
/// Time for the first stream of an admission connection, and then for the request.
pub const ADMISSION_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Lifetime of an admission connection.
pub const ADMISSION_CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);
/// Step of the grid on which denials leave.
pub const DENIAL_GRID: Duration = Duration::from_millis(250);
/// Admission connections of one endpoint id at once.
pub const MAX_ADMISSION_CONNECTIONS_PER_PEER: usize = 4;
/// Admission connections at once; each is read from for seconds only.
pub const MAX_ADMISSION_CONNECTIONS: usize = 4096;
/// Presentations that are verified at once.
pub const MAX_VERIFICATIONS: usize = 64;
/// Presentations that wait for their verification; further ones are refused as busy.
pub const MAX_WAITING_VERIFICATIONS: usize = 256;
/// Time that stores and backends of the host have for an answer.
pub const HOST_DECISION_TIMEOUT: Duration = Duration::from_secs(5);
/// Requests that one endpoint id may make at once, and how many it regains in a second.
pub const PEER_RATE: (f64, f64) = (20.0, 1.0);
/// Requests that one network may make at once, and how many it regains in a second.
pub const SOURCE_RATE: (f64, f64) = (1000.0, 100.0);
/// What a denied request costs its endpoint id.
pub const DENIAL_COST: f64 = 5.0;
/// Endpoint ids and networks whose rates are remembered; a full bucket need not be.
pub const MAX_RATE_BUCKETS: usize = 65_536;
/// Admission answer that legacy peers can read.
pub const LEGACY_ADMISSION_ANSWER: usize = 65_536;

/// Peers on the allowlist.
pub const MAX_ALLOWED_PEERS: usize = 65_536;
/// Seconds that an admission holds at most, unless somebody says otherwise.
pub const PEER_TTL_S: u32 = 86_400;
/// Anonymous peers of an open gate that are remembered for display.
pub const MAX_ANONYMOUS_PEERS: usize = 4096;
/// Entries of a revocation list.
pub const MAX_REVOCATIONS: usize = 100_000;
/// Spent one-time tokens that are remembered; then every token is denied.
pub const MAX_NONCES: usize = 100_000;
/// Bytes of a file that keeps trust state.
pub const MAX_TRUST_FILE: u64 = 64 * 1024 * 1024;
/// Longest time between two looks at the wall clock.
pub const CLOCK_INTERVAL: Duration = Duration::from_secs(30);
/// Time that rejections of one peer are summed for before they are logged again.
pub const REJECT_LOG_INTERVAL: Duration = Duration::from_secs(10);
/// Interval in which a client presents a policy again.
pub const PRESENT_INTERVAL: Duration = Duration::from_secs(12 * 3600);
/// One-time tokens of which a process remembers that it has sent them.
pub const MAX_SENT_TOKENS: usize = 4096;
/// Bytes of a proof or challenge of delegated admission.
pub const MAX_DELEGATED_PROOF: usize = 4096;
/// Time for the proof of delegated admission.
pub const DELEGATED_PROOF_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a message of the mesh.
pub const MAX_MESH_MESSAGE: usize = 65_536;
/// Time that a producer has to answer one that wants to join.
pub const MESH_JOIN_TIMEOUT: Duration = Duration::from_secs(10);
/// Shortest and longest pause between attempts to join a mesh.
pub const MESH_BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Interval in which a producer joins its mesh afresh and introduces itself.
pub const MESH_REFRESH: Duration = Duration::from_secs(6 * 3600);
/// Pause between introductions to new neighbours.
pub const MESH_INTRODUCE_PAUSE: Duration = Duration::from_secs(10);
/// Members of a mesh.
pub const MAX_MESH_MEMBERS: usize = 10_000;
/// Orders of messages that a mesh remembers.
pub const MAX_MESH_FLOORS: usize = 100_000;
/// Ids that producer admission tells.
pub const MAX_ACCEPTED_PRODUCERS: usize = 900;
/// Bytes of a document of an instance's identity.
pub const MAX_IID_TOKEN: usize = 16_384;

/// Connections that a node has accepted for the application and that were not taken yet; further ones are closed.
pub const MAX_INCOMING_CONNECTIONS: usize = 256;
/// Handshakes that wait for the application to decide; further ones are refused.
pub const MAX_PENDING_HANDSHAKES: usize = 256;
/// Peers of which a node knows addresses that it was told; the oldest is forgotten.
pub const MAX_KNOWN_PEERS: usize = 16_384;
/// Peers of which a monitor keeps facts; the one that was connected longest ago is forgotten.
pub const MAX_MONITORED_PEERS: usize = 4096;
/// Events of a document that wait for their reader; further ones are dropped, and that is told.
pub const MAX_DOCUMENT_EVENTS: usize = 16_384;
/// Entries that a query of a document returns.
pub const MAX_QUERY_ENTRIES: usize = 100_000;
/// Bytes of a blob, or of all files of a collection, that are read into memory at once.
pub const MAX_BLOB_BYTES: u64 = 1024 * 1024 * 1024;
/// Bytes of the list of files of a collection, and of their names.
pub const MAX_COLLECTION_BYTES: u64 = 4 * 1024 * 1024;
/// Interval in which content that no tag and no document names is removed.
pub const BLOB_COLLECTION_INTERVAL: Duration = Duration::from_secs(300);

/// Largest lease, artefact reference or owner record of a registry (`registry.md` section 10).
pub const MAX_REGISTRY_RECORD: usize = 16 * 1024;
/// Largest manifest that is written into the document itself.
pub const MAX_INLINE_MANIFEST: usize = 1024 * 1024;
/// Authors of one access list.
pub const MAX_ACL_AUTHORS: usize = 10_000;
/// Largest access list: 64 hex digits, quotes and a comma for each author.
pub const MAX_ACL_BYTES: u64 = 68 * MAX_ACL_AUTHORS as u64;
/// Leases that are read of one contract.
pub const MAX_LEASES_PER_CONTRACT: usize = 10_000;
/// How far entries may be dated in the future.
pub const MAX_REGISTRY_FUTURE_MS: i64 = 10 * 60 * 1000;
/// Longest life of a lease; a longer one is malformed.
pub const MAX_LEASE_MS: i64 = 10 * 60 * 1000;
/// Life of the leases that we write.
pub const LEASE_MS: i64 = 45_000;
/// Time between two writes of a lease, give or take a tenth.
pub const LEASE_REFRESH: Duration = Duration::from_secs(15);
/// Tolerance of readers for clocks that differ.
pub const LEASE_SKEW_MS: i64 = 5000;
/// Time to withdraw leases when a server closes.
pub const LEASE_WITHDRAWAL: Duration = Duration::from_secs(2);
/// Longest wait before a publication that failed is tried again.
pub const MAX_PUBLICATION_RETRY: Duration = Duration::from_secs(60);
/// Largest hint.
pub const MAX_HINT_BYTES: usize = 4096;
/// Time between two looks that hints cause.
pub const HINT_PAUSE: Duration = Duration::from_secs(1);
/// Endpoints through which a document is joined again.
pub const MAX_REJOIN_PEERS: usize = 16;
/// Time to find a contract.
pub const DISCOVERY_TIMEOUT: Duration = Duration::from_secs(6);
/// Part of it that is spent waiting for the manifest in the document.
pub const INLINE_MANIFEST_WAIT: Duration = Duration::from_secs(3);
/// Collections that are tried for one contract.
pub const MAX_ARTIFACT_SOURCES: usize = 8;
/// Files of a published contract.
pub const MAX_BUNDLE_FILES: usize = 10_000;
/// Bytes of a published contract.
pub const MAX_BUNDLE_BYTES: u64 = 64 * 1024 * 1024;
/// Time for which an endpoint that failed a call goes last.
pub const FAILED_ENDPOINT_PAUSE: Duration = Duration::from_secs(5);
/// Time to dial one of several endpoints before a call goes on to the next.
pub const ROUTE_DIAL: Duration = Duration::from_secs(3);
/// Endpoints of a client, beyond which those are forgotten that no lease names.
pub const MAX_FLEET: usize = 256;
/// Verified contracts that a process remembers.
pub const MAX_KNOWN_CONTRACTS: usize = 256;
/// Longest time to find a contract.
pub const MAX_DISCOVERY_TIMEOUT: Duration = Duration::from_secs(86_400);
/// Values of a document that are fetched because they did not arrive by themselves.
pub const MAX_MISSING_VALUES: usize = 1000;
