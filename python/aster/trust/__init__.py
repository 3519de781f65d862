"""Trust: keys, credentials and what they prove (`trust.md`). All rules are core's."""

from __future__ import annotations

from aster.trust.credentials import (
    ConsumerEnrollmentCredential,
    EnrollmentCredential,
    consumer_cred_from_json,
    consumer_cred_to_json,
)
from aster.trust.signing import generate_root_keypair, sign_credential, verify_signature

__all__ = [
    "ConsumerEnrollmentCredential",
    "EnrollmentCredential",
    "consumer_cred_from_json",
    "consumer_cred_to_json",
    "generate_root_keypair",
    "sign_credential",
    "verify_signature",
]
