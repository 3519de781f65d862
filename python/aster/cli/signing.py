"""Credentials signed on the command line, offline (`trust.md` section 16)."""

from __future__ import annotations

import json
import re
import secrets
from typing import TYPE_CHECKING, Any

from aster import _aster
from aster.cli import expiry, private_files
from aster.cli.failures import USAGE, CommandError
from aster.cli.key_output import show
from aster.cli.output import note
from aster.trust import ConsumerEnrollmentCredential, EnrollmentCredential, sign_credential
from aster.trust.credentials import parts

if TYPE_CHECKING:
    from pathlib import Path

    from aster.cli.root_keys import RootKey
    from aster.trust.credentials import Credential

PRODUCER, POLICY, ONE_TIME = "producer", "policy", "ott"
_NONCE_BYTES = 32
_ENDPOINT_ID = re.compile(r"[0-9a-f]{64}")


def signed(key: RootKey, kind: str, endpoint_id: str | None, attributes: dict[str, str], expires_at: int) -> Credential:
    """Make a credential and sign it; a one-time token gets a nonce. Warns of what a thief could use."""
    _warn(kind, endpoint_id)
    made: Credential
    if kind == PRODUCER:
        made = EnrollmentCredential(endpoint_id or "", key.public, expires_at, attributes)
    else:
        nonce = secrets.token_bytes(_NONCE_BYTES) if kind == ONE_TIME else None
        made = ConsumerEnrollmentCredential(kind, key.public, expires_at, attributes, endpoint_id, nonce)
    made.signature = sign_credential(made, key.seed)
    return made


def _warn(kind: str, endpoint_id: str | None) -> None:
    if endpoint_id is None:
        spent = "the first to present it is admitted" if kind == ONE_TIME else "whoever holds the file is admitted"
        note(f"warning: the credential is not bound to a node: {spent}")
    elif not _ENDPOINT_ID.fullmatch(endpoint_id):
        note("warning: the endpoint id is not 64 lower-case hex digits: no node has it")


def write_credential(path: Path, made: Credential) -> None:
    """Write a credential file, which must be new, and say so. What no reader would take is not written."""
    private_files.refuse_existing(path)
    private_files.create(path, _aster.credential_file(parts(made)))
    show({"path": str(path), **facts(made)})


def facts(credential: Credential) -> dict[str, Any]:
    """Return what may be shown of a credential: not its nonce, and not its signature."""
    kind = PRODUCER if isinstance(credential, EnrollmentCredential) else credential.credential_type
    return {
        "type": kind,
        "endpoint id": credential.endpoint_id,
        "root public key": credential.root_pubkey.hex(),
        "expires at": expiry.shown(credential.expires_at),
        "attributes": credential.attributes,
    }


def json_attributes(text: str) -> dict[str, str]:
    """Read attributes: a JSON object of texts. Wrong usage for anything else."""
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except ValueError as error:
        raise CommandError(f"attributes are not valid JSON: {error}", status=USAGE) from None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise CommandError("attributes are a JSON object of texts", status=USAGE)
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found
