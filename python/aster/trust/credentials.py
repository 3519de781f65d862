"""Credentials of producers and consumers (`trust.md` section 3). Core reads, writes and signs them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Union

from aster import _aster

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ConsumerEnrollmentCredential",
    "EnrollmentCredential",
    "consumer_cred_from_json",
    "consumer_cred_to_json",
]


@dataclass
class EnrollmentCredential:
    """What a producer presents.

    `endpoint_id` is the peer that it is bound to, `root_pubkey` 32 bytes, `expires_at` the first second since 1970 in
    which it is no longer valid, `signature` 64 bytes or nothing yet. Here an endpoint id is any text; the network takes
    64 lower-case hex digits.
    """

    endpoint_id: str
    root_pubkey: bytes
    expires_at: int
    attributes: dict[str, str] = field(default_factory=dict[str, str])
    signature: bytes = field(default=b"", repr=False)


@dataclass
class ConsumerEnrollmentCredential:
    """What a consumer presents: a `policy` until it expires, an `ott` (one-time token) once.

    As `EnrollmentCredential`, but without `endpoint_id` whoever holds it may present it. A one-time token has a `nonce`
    of 32 bytes, a policy has none.
    """

    credential_type: str
    root_pubkey: bytes
    expires_at: int
    attributes: dict[str, str] = field(default_factory=dict[str, str])
    endpoint_id: str | None = None
    nonce: bytes | None = field(default=None, repr=False)
    signature: bytes = field(default=b"", repr=False)


Credential = Union[EnrollmentCredential, ConsumerEnrollmentCredential]
# Kind, endpoint id, root key, expiry, attributes, nonce, signature, as the native module takes them.
Parts = tuple[str, Union[str, None], bytes, int, "dict[str, str]", Union[bytes, None], bytes]


def parts(credential: Credential) -> Parts:
    """Take a credential apart for core.

    `TypeError` for what is no credential or has attributes that are no texts, `ValueError` for an expiry out of range.
    """
    if isinstance(credential, EnrollmentCredential):
        kind, nonce = "producer", None
    elif isinstance(credential, ConsumerEnrollmentCredential):
        kind, nonce = _consumer_kind(credential.credential_type), credential.nonce
    else:
        raise TypeError(f"expected a credential, got {type(credential).__name__}")
    expires_at = credential.expires_at
    if isinstance(expires_at, bool) or not isinstance(expires_at, int):
        raise TypeError(f"expires_at: expected an integer, got {type(expires_at).__name__}")
    if not 0 <= expires_at < 1 << 64:
        raise ValueError(f"expires_at: {expires_at} is out of range")
    return (
        kind,
        credential.endpoint_id,
        credential.root_pubkey,
        expires_at,
        _attributes(credential.attributes),
        None if nonce is None else bytes(nonce),
        bytes(credential.signature),
    )


def _consumer_kind(kind: str) -> str:
    if kind == "producer":
        raise ValueError("credential_type: expected policy or ott, got 'producer'")
    return kind


def _attributes(attributes: Mapping[str, str]) -> dict[str, str]:
    for pair in attributes.items():
        if not all(isinstance(text, str) for text in pair):
            raise TypeError(f"attributes are texts, got {pair[0]!r}: {type(pair[1]).__name__}")
    return dict(attributes)


def parse_credential(document: str | bytes) -> Credential:
    """Read a credential of any kind, as strictly as the network does. `ValueError` says what is wrong."""
    read: tuple[Any, ...] = _aster.enrollment_parse(document.encode() if isinstance(document, str) else document)
    kind, endpoint_id, root_pubkey, expires_at, attributes, nonce, signature = read
    if kind == "producer":
        return EnrollmentCredential(endpoint_id, root_pubkey, expires_at, attributes, signature)
    return ConsumerEnrollmentCredential(kind, root_pubkey, expires_at, attributes, endpoint_id, nonce, signature)


def consumer_cred_to_json(cred: ConsumerEnrollmentCredential) -> str:
    """Return the document that a consumer presents: ASCII, no spaces. `TypeError` or `ValueError` if it is none."""
    if not isinstance(cred, ConsumerEnrollmentCredential):
        raise TypeError(f"expected a ConsumerEnrollmentCredential, got {type(cred).__name__}")
    return _aster.enrollment_to_json(parts(cred))


def consumer_cred_from_json(text: str | bytes) -> ConsumerEnrollmentCredential:
    """Read what a consumer presents, or a credential file, strictly. `ValueError` says what is wrong."""
    found = parse_credential(text)
    if isinstance(found, EnrollmentCredential):
        raise ValueError("malformed: it is the credential of a producer")  # noqa: TRY004 - the text is bad, not its type
    return found
