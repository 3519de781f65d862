"""The public API against a snapshot and against the names of the specification.

`WRITE_EXPORTS=1 pytest tests/python/test_exports.py` writes the snapshot anew; review its diff.
"""

from __future__ import annotations

import builtins
import dataclasses
import difflib
import enum
import importlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import aster

SNAPSHOT = Path(__file__).with_name("exports.txt")
WRITE = "WRITE_EXPORTS"


def words(text):
    return text.split()


# python-api.md section 1, but for what comes with the trust, registry and command parts.
MODULES = words("""
aster.public aster.decorators aster.runtime aster.codec aster.json_codec aster.status aster.rpc_types aster.config
aster.capabilities aster.client aster.server aster.session aster.logging aster.interceptors aster.interceptors.base
aster.interceptors.deadline aster.interceptors.auth aster.interceptors.retry aster.interceptors.circuit_breaker
aster.interceptors.audit aster.interceptors.metrics aster.interceptors.capability aster.interceptors.rate_limit
aster.interceptors.compression aster.transport aster.transport.base aster.transport.iroh aster.transport.local
aster.service aster.metadata aster.inline_params aster.dynamic aster.framing aster.protocol aster.health aster.limits
aster.types aster.testing aster.testing.harness aster.cli aster.contract aster.contract.identity aster.contract.manifest
aster.contract.publication aster.generated aster.registry aster.registry.keys aster.registry.models aster.registry.acl
aster.registry.client aster.registry.gossip aster.registry.publisher aster.peer_store aster.trust aster.trust.signing
aster.trust.credentials aster.trust.rcan aster.trust.admission aster.trust.consumer aster.trust.hooks aster.trust.nonces
aster.trust.mesh aster.trust.bootstrap aster.trust.delegated aster.trust.drift aster.trust.gossip aster.trust.iid
aster._aster
""")

# Names that the specification gives under a module.
UNDER_MODULES = {
    "aster.session": "SessionStub ClientSession create_session create_local_session create_proxy_session SessionServer",
    "aster.service": "ServiceInfo MethodInfo ServiceSummary ServiceRegistry get_default_registry set_default_registry",
    "aster.testing": "AsterTestHarness",
    "aster.contract": "ServiceContract contract_id_from_service build_type_graph resolve_with_cycles "
    "canonical_xlang_bytes compute_type_hash compute_contract_id normalize_identifier ContractManifest "
    "FatalContractMismatch TypeKind ContainerKind TypeDefKind MethodPattern CapabilityKind ScopeKind MethodDef TypeDef "
    "FieldDef EnumValueDef UnionVariantDef",
    "aster.contract.publication": "build_collection upload_collection fetch_from_collection",
    "aster.contract.manifest": "extract_method_descriptors verify_manifest_or_fatal",
    "aster.trust": "generate_root_keypair sign_credential ConsumerEnrollmentCredential EnrollmentCredential "
    "verify_signature MeshEndpointHook InMemoryNonceStore NonceStore MeshState ClockDriftConfig "
    "make_ephemeral_mesh_state ConsumerAdmissionRequest ConsumerAdmissionResponse DelegatedAdmissionPolicy "
    "handle_consumer_admission_connection handle_producer_admission_connection handle_delegated_admission_connection "
    "admit check_offline check_runtime DelegatedGrant AdmissionResult consumer_cred_to_json consumer_cred_from_json "
    "handle_consumer_admission_rpc handle_admission_rpc",
    "aster.peer_store": "PeerAttributeStore PeerAdmission",
    "aster.json_codec": "JsonProxyCodec json_encode json_decode safe_decompress",
    "aster.dynamic": "DynamicTypeFactory",
    "aster.framing": "encode_frame write_frame read_frame FramingError",
    "aster.logging": "configure_logging get_logger request_context get_request_id set_request_id mask_dict "
    "JsonFormatter TextFormatter",
    "aster.limits": "DEFAULT_FRAME_READ_TIMEOUT_S validate_hex_field validate_metadata validate_status_message",
    "aster.types": "Int8 Int16 Int32 UInt8 UInt16 UInt32 UInt64 Float32 FixedInt32 FixedInt64 FixedUInt32 FixedUInt64",
    "aster._aster": "blake3_hex blake3_digest ed25519_generate_keypair ed25519_public_from_secret ed25519_sign "
    "ed25519_verify",
    "aster.status": "CancelledError UnknownRpcError InvalidArgumentError DeadlineExceededError NotFoundError "
    "AlreadyExistsError PermissionDeniedError ResourceExhaustedError FailedPreconditionError AbortedError "
    "OutOfRangeError UnimplementedError InternalError UnavailableError DataLossError UnauthenticatedError "
    "ContractViolationError",
}

# python-api.md section 1: exactly these.
PUBLIC = words("""
AsterServer AsterClient AsterConfig any_of all_of wire_type SerializationMode RpcError StatusCode AdmissionDeniedError
ContractViolationError CallContext Interceptor service rpc server_stream client_stream bidi_stream DeadlineInterceptor
AuthInterceptor RetryInterceptor CircuitBreakerInterceptor AuditLogInterceptor MetricsInterceptor
""")

# Every name of sections 2 to 11 that is not given under a module.
PACKAGE = words("""
service rpc server_stream client_stream bidi_stream wire_type Description describe ServiceInfo MethodInfo Metadata
SerializationMode RpcScope RpcPattern any_of all_of CapabilityRequirement ServiceRegistry get_default_registry
set_default_registry AsterServer ServiceSummary AsterClient AdmissionDeniedError TrustDomainError ServiceClient
with_options as_client BidiChannel ClientSession create_session ProxyClient SessionProxyClient create_client
create_local_client Server ServerError ServiceNotFoundError MethodNotFoundError SerializationModeError Transport
IrohTransport LocalTransport TransportError ForyCodec ForyConfig DEFAULT_COMPRESSION_THRESHOLD COMPRESSED TRAILER
HEADER ROW_SCHEMA CALL CANCEL MAX_FRAME_SIZE write_frame read_frame FramingError StreamHeader CallHeader RpcStatus
RPC_ALPN CallContext Interceptor DeadlineInterceptor AuthInterceptor RetryInterceptor CircuitBreakerInterceptor
AuditLogInterceptor MetricsInterceptor CapabilityInterceptor RateLimitInterceptor CompressionInterceptor RetryPolicy
ExponentialBackoff StatusCode RpcError ContractViolationError ConnectionLostError StreamClosedError ClientError
ClientTimeoutError LimitExceeded IrohError BlobNotFound DocNotFound TicketError IrohConnectionError AsterConfig
load_endpoint_config HealthServer check_health check_ready metrics_snapshot IrohNode BlobsClient BlobStatusResult
BlobObserveResult BlobLocalInfo TagInfo DocsClient DocHandle DocEventReceiver DocDownloadPolicy DocEntry DocEvent
GossipClient GossipTopicHandle NetClient IrohConnection IrohSendStream IrohRecvStream NodeAddr AsterTicket
EndpointConfig ConnectionInfo RemoteInfo NodeHookReceiver HookHandshakeInfo NodeHookDecisionSender HookDecision
HookConnectInfo HookReceiver HookRegistration HookManager create_endpoint create_endpoint_with_config blobs_client
docs_client gossip_client net_client
""")


def public_modules():
    return [importlib.import_module(name) for name in MODULES if name != "aster._aster"]


def signature(value):
    """Return a signature as text that is the same on every Python; nothing if it has none."""
    try:
        text = str(inspect.signature(value))
    except (TypeError, ValueError):
        return ""
    return re.sub(r"<(\S+)[^<>]* at 0x[0-9a-f]+>", r"<\1>", text).replace("typing.", "").replace("aster._aster.", "")


def members(cls):
    """Yield the public members that a class, or a base of it in this package, defines."""
    bases = [base for base in cls.__mro__ if base.__module__.partition(".")[0] == "aster"]
    for name in sorted({name for base in bases for name in vars(base) if not name.startswith("_")}):
        static = inspect.getattr_static(cls, name)
        if isinstance(static, property):
            yield f".{name}: {'property' if static.fset is None else 'mutable property'}"
        elif isinstance(static, (staticmethod, classmethod)):
            yield f".{name}{signature(getattr(cls, name))} {type(static).__name__}"
        elif inspect.isfunction(static):
            yield f".{name}{signature(static)}{' async' if is_async(static) else ''}"
        elif isinstance(static, (enum.Enum, int, float, str)) and isinstance(cls, enum.EnumMeta):
            yield f".{name} = {getattr(static, 'value', static)!r}"
    if dataclasses.is_dataclass(cls):
        yield from (f".{field.name}: {field.type} field" for field in dataclasses.fields(cls))


def writes_constructor(cls):
    ours = [base for base in cls.__mro__ if base.__module__.partition(".")[0] == "aster"]
    if isinstance(cls, enum.EnumMeta) or getattr(cls, "_is_protocol", False):
        return False
    return any({"__init__", "__new__"} & set(vars(base)) for base in ours)


def is_async(function):
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def described(module, name):
    """Yield the lines of one public name."""
    value = getattr(module, name)
    where = f"{module.__name__}.{name}"
    if isinstance(value, type):
        bases = ", ".join(base.__name__ for base in value.__bases__ if base is not object)
        yield f"{where} class({bases}){signature(value) if writes_constructor(value) else ''}"
        yield from (f"{where}{member}" for member in members(value))
    elif callable(value) and not hasattr(value, "__origin__"):
        yield f"{where}{signature(value)}{' async' if is_async(value) else ''}"
    else:
        yield f"{where} = {'...' if name == '__version__' else repr(value).replace('typing.', '')}"


def snapshot():
    """Return the public API: each object where the package offers it, others under their modules."""
    lines = set()
    for name in aster.__all__:
        lines.update(described(aster, name))
    lines.update(f"aster.public.{name}" for name in importlib.import_module("aster.public").__all__)
    offered = {id(getattr(aster, name)): name for name in aster.__all__}
    for module in public_modules():
        for name in module.__all__:
            # Small numbers are one object wherever they stand.
            if (
                isinstance(getattr(module, name), int)
                or offered.setdefault(id(getattr(module, name)), module) is module
            ):
                lines.update(described(module, name))
    return sorted(lines)


def test_snapshot():
    found = snapshot()
    if os.environ.get(WRITE):
        SNAPSHOT.write_text("\n".join(found) + "\n", encoding="utf-8")
    kept = SNAPSHOT.read_text(encoding="utf-8").splitlines()
    changes = list(difflib.unified_diff(kept, found, "snapshot", "now", lineterm="", n=0))
    assert not changes, f"the public API has changed; {WRITE}=1 accepts it:\n" + "\n".join(changes)


@pytest.mark.parametrize("name", MODULES)
def test_modules_import_alone(name):
    """In any order, so that no cycle hides, and without a thread or a look at the environment."""
    program = f"""
import os, sys, threading
before = set(threading.enumerate())
class Seen(dict):
    def __getitem__(self, key):
        raise AssertionError(key)
    __contains__ = get = items = __iter__ = __getitem__
os.environ = Seen()
import {name}
assert set(threading.enumerate()) == before
"""
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_names_of_the_specification():
    assert sorted(set(PACKAGE) - set(aster.__all__)) == []
    assert sorted(importlib.import_module("aster.public").__all__) == sorted(PUBLIC)
    for module, names in UNDER_MODULES.items():
        missing = [name for name in names.split() if not hasattr(importlib.import_module(module), name)]
        assert (module, missing) == (module, [])
    for module in [aster, *public_modules()]:
        for name in module.__all__:
            assert getattr(module, name) is not None


def test_lists_are_sorted_and_hide_no_builtin():
    hidden = set(aster.__all__) & set(dir(builtins))
    assert hidden == set()
    names = {}
    exec("from aster import *", names)
    assert set(names) - {"__builtins__"} == set(aster.__all__)
    for module in [aster, *public_modules()]:
        assert len(module.__all__) == len(set(module.__all__)), module.__name__


def test_the_old_name_of_connection_errors():
    with pytest.warns(DeprecationWarning, match="IrohConnectionError") as caught:
        assert aster.ConnectionError is aster.IrohConnectionError
    assert caught[0].filename == __file__
    with pytest.raises(AttributeError, match="module 'aster' has no attribute 'TimeoutError'"):
        aster.TimeoutError  # noqa: B018


def test_everything_public_is_documented():
    silent = set()
    for module in [aster, *public_modules()]:
        if not module.__doc__:
            silent.add(module.__name__)
        for name in module.__all__:
            value = getattr(module, name)
            if isinstance(value, type) and value.__module__.startswith("aster"):
                silent.update(undocumented(value))
            elif inspect.isfunction(value) and not value.__doc__:
                silent.add(f"{module.__name__}.{name}")
    assert sorted(silent) == []


def undocumented(cls):
    where = f"{cls.__module__}.{cls.__name__}"
    if not cls.__doc__ or cls.__doc__.startswith(f"{cls.__name__}("):  # What dataclass writes.
        yield where
    for name, value in vars(cls).items():
        function = getattr(value, "fget", None) or getattr(value, "__func__", None) or value
        is_method = inspect.isfunction(function) and function.__module__.startswith("aster")
        if not name.startswith("_") and is_method and not inspect.getdoc(getattr(cls, name)):
            yield f"{where}.{name}"
