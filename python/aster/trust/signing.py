"""Root keys and their signatures (`trust.md` sections 2, 3 and 15). Core makes and checks them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aster import _aster
from aster.trust.credentials import parts

if TYPE_CHECKING:
    from aster.trust.credentials import Credential

__all__ = ["generate_root_keypair", "sign_credential", "verify_signature"]


def generate_root_keypair() -> tuple[bytes, bytes]:
    """Make a root key with the generator of the system: private and public half, 32 bytes each."""
    return _aster.ed25519_generate_keypair()


def sign_credential(cred: Credential, root_privkey: bytes) -> bytes:
    """Return the signature of a root key over a credential, 64 bytes. The credential stays as it is.

    `TypeError` for attributes that are no texts, `ValueError` for keys that have not 32 bytes.
    """
    return _aster.enrollment_sign(parts(cred), root_privkey)


def verify_signature(cred: Credential, root_pubkey_raw: bytes | None = None) -> bool:
    """Tell whether a root key signed a credential: the given one, else its own. Never raises.

    Without a given key nothing says that the credential's own key is trusted: compare it with yours.
    """
    try:
        return _aster.enrollment_verify(parts(cred), root_pubkey_raw)
    except Exception:  # noqa: BLE001 - whatever it is, it is not signed
        return False
