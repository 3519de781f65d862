//! Native module `aster._aster`: core's engine for Python (`python-api.md`, `codec.md` section 9).
//!
//! Values go straight between Python objects and frame bytes, submissions are synchronous calls, results come
//! back through one completion queue per server or client that its event loop drains.
//!
//! Not here: rules of the protocol (`aster_core`), decorators and public classes (`python/aster`).

mod addresses;
mod arrival;
mod blobs;
mod caller;
mod capability;
mod client;
mod codec;
mod config;
mod contract;
mod convert;
mod docs;
mod enrollment;
mod errors;
mod gossip;
mod hooks;
mod host;
mod keys;
mod logs;
mod mailbox;
mod mesh;
mod net;
mod node;
mod nonces;
mod passing;
mod peers;
mod plan;
mod protocol;
mod queue;
mod registry;
mod runtime;
mod server;
mod server_call;
mod signal;
mod trust;

use pyo3::prelude::*;

// A call allocates small things on one thread and frees them on another; this costs a fifth of its time less.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Native part of Aster RPC. Private: use the package `aster`.
#[pymodule]
mod _aster {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::addresses::{
        addr_text, decode_addr, decode_ticket, encode_addr, encode_ticket, parse_addr, parse_ticket, ticket_text,
    };
    #[pymodule_export]
    use crate::arrival::Arrival;
    #[pymodule_export]
    use crate::blobs::Blobs;
    #[pymodule_export]
    use crate::caller::{BoundService, Caller, ClientCall};
    #[pymodule_export]
    use crate::capability::Capabilities;
    #[pymodule_export]
    use crate::client::{Client, connect};
    #[pymodule_export]
    use crate::codec::{Codec, RootCodec, RowReader, compress, decompress, root_name, zstd_frame};
    #[pymodule_export]
    use crate::config::{Config, check_address, endpoint_settings, load_identity};
    #[pymodule_export]
    use crate::contract::{
        canonical_bytes, check_live_contracts, contract_identity, description_of_manifest, manifest_of, read_canonical,
        read_manifest, type_graph,
    };
    #[pymodule_export]
    use crate::docs::{Docs, Document, DocumentEvents};
    #[pymodule_export]
    use crate::enrollment::{
        credential_file, denial_hint, enrolled_identity, enrollment_parse, enrollment_sign, enrollment_to_json,
        enrollment_verify, profiles, put_profile, remove_profile, select_profile, use_profile,
    };
    #[pymodule_export]
    use crate::gossip::{Gossip, Topic};
    #[pymodule_export]
    use crate::hooks::{Handshakes, PendingHandshake};
    #[pymodule_export]
    use crate::host::Host;
    #[pymodule_export]
    use crate::keys::{
        blake3_digest, blake3_hex, ed25519_generate_keypair, ed25519_public_from_secret, ed25519_sign, ed25519_verify,
    };
    #[pymodule_export]
    use crate::mesh::{Mesh, drift_defaults, drift_median, drifts, mesh_topic, read_mesh_message, sign_mesh_message};
    #[pymodule_export]
    use crate::net::{Net, PeerConnection, ReceiveStream, SendStream};
    #[pymodule_export]
    use crate::node::{Node, open_node};
    #[pymodule_export]
    use crate::nonces::{Answer, Nonces};
    #[pymodule_export]
    use crate::peers::Peers;
    #[pymodule_export]
    use crate::plan::{Plan, flattened_name, is_key_type, is_scalar_type, type_tree, wire_name};
    #[pymodule_export]
    use crate::protocol::{
        FrameReader, accept_metadata, choose_mode, decode_call_header, decode_status, decode_stream_header,
        encode_call_header, encode_frame, encode_status, encode_stream_header, outgoing_metadata, remaining_ms,
        sniff_body, validate_hex_field, validate_metadata, validate_status_message,
    };
    #[pymodule_export]
    use crate::queue::{Operation, Queue};
    #[pymodule_export]
    use crate::registry::{
        ClientRegistry, ServerRegistry, checked_artifact, checked_hint, checked_lease, registry_key, registry_topic,
    };
    #[pymodule_export]
    use crate::server::Server;
    #[pymodule_export]
    use crate::server_call::ServerCall;
    #[pymodule_export]
    use crate::trust::{AdmissionDesk, admission_request, check_credential};

    #[pymodule_export]
    use crate::logs::set_log_level;

    /// Fails with RuntimeError unless the process has this number.
    #[pyfunction]
    fn check_process(py: Python<'_>, pid: u32) -> PyResult<()> {
        crate::runtime::check_process(pid).map_err(|error| crate::errors::exception(py, &error))
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::add_tables(module)
    }
}

/// Adds core's tables, so that Python never states a number of its own.
fn add_tables(module: &Bound<'_, PyModule>) -> PyResult<()> {
    use aster_core::error::ErrorKind;
    use aster_core::status::STATUS_TABLE;
    use aster_core::wire::Mode;

    let statuses: Vec<_> = STATUS_TABLE.iter().map(|row| (row.code.0, row.name, row.class)).collect();
    let kinds: Vec<_> = ErrorKind::ALL.iter().map(|kind| (kind.number(), kind.name())).collect();
    let modes = [Mode::Xlang, Mode::Native, Mode::Row, Mode::Json];
    let modes: Vec<_> = modes.into_iter().map(|mode| (mode.number(), mode.name())).collect();
    crate::protocol::add_tables(module)?;
    module.add("__version__", aster_core::VERSION)?;
    module.add("STATUS_TABLE", statuses)?;
    module.add("ERROR_KINDS", kinds)?;
    module.add("MODES", modes)?;
    module.add("COMPRESSION_THRESHOLD", aster_core::limits::COMPRESSION_THRESHOLD)?;
    module.add("HOST_DECISION_TIMEOUT", aster_core::limits::HOST_DECISION_TIMEOUT.as_secs_f64())?;
    module.add("CONNECT_TIMEOUT", aster_core::limits::CONNECT_TIMEOUT.as_secs_f64())?;
    module.add("MAX_CONFIG_FILE", aster_core::limits::MAX_CONFIG_FILE)?;
    module.add("DRAIN_GRACE", aster_core::limits::DRAIN_GRACE.as_secs_f64())?;
    module.add("MAX_CONCURRENT_STREAMS", aster_core::limits::MAX_CONCURRENT_STREAMS)?;
    module.add("MAX_SESSIONS_PER_CONNECTION", aster_core::limits::MAX_SESSIONS_PER_CONNECTION)
}
