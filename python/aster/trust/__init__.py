"""Trust: keys, credentials and what they prove, who is admitted (`trust.md`). All rules are core's."""

from __future__ import annotations

from aster.trust.admission import (
    AdmissionResult,
    admit,
    check_offline,
    check_runtime,
    handle_admission_rpc,
    handle_producer_admission_connection,
)
from aster.trust.bootstrap import make_ephemeral_mesh_state
from aster.trust.consumer import (
    ConsumerAdmissionRequest,
    ConsumerAdmissionResponse,
    handle_consumer_admission_connection,
    handle_consumer_admission_rpc,
)
from aster.trust.credentials import (
    ConsumerEnrollmentCredential,
    EnrollmentCredential,
    consumer_cred_from_json,
    consumer_cred_to_json,
)
from aster.trust.delegated import DelegatedAdmissionPolicy, DelegatedGrant, handle_delegated_admission_connection
from aster.trust.drift import ClockDriftConfig
from aster.trust.gossip import (
    ProducerMessage,
    ProducerMessageType,
    derive_gossip_topic,
    read_producer_message,
    sign_producer_message,
)
from aster.trust.hooks import MeshEndpointHook
from aster.trust.iid import IIDBackend, MockIIDBackend
from aster.trust.mesh import MeshState
from aster.trust.nonces import InMemoryNonceStore, NonceStore, NonceStoreLike
from aster.trust.signing import generate_root_keypair, sign_credential, verify_signature

__all__ = [
    "AdmissionResult",
    "ClockDriftConfig",
    "ConsumerAdmissionRequest",
    "ConsumerAdmissionResponse",
    "ConsumerEnrollmentCredential",
    "DelegatedAdmissionPolicy",
    "DelegatedGrant",
    "EnrollmentCredential",
    "IIDBackend",
    "InMemoryNonceStore",
    "MeshEndpointHook",
    "MeshState",
    "MockIIDBackend",
    "NonceStore",
    "NonceStoreLike",
    "ProducerMessage",
    "ProducerMessageType",
    "admit",
    "check_offline",
    "check_runtime",
    "consumer_cred_from_json",
    "consumer_cred_to_json",
    "derive_gossip_topic",
    "generate_root_keypair",
    "handle_admission_rpc",
    "handle_consumer_admission_connection",
    "handle_consumer_admission_rpc",
    "handle_delegated_admission_connection",
    "handle_producer_admission_connection",
    "make_ephemeral_mesh_state",
    "read_producer_message",
    "sign_credential",
    "sign_producer_message",
    "verify_signature",
]
