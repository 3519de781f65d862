"""Keys of a registry's document (`registry.md` section 3). Core escapes names."""

from __future__ import annotations

from aster import _aster

__all__ = [
    "acl_key",
    "channel_key",
    "config_key",
    "contract_key",
    "lease_key",
    "manifest_key",
    "tag_key",
    "version_key",
]


def contract_key(contract_id: str) -> str:
    """Return the key of a contract's artefact."""
    return _aster.registry_key("contract", [contract_id])


def manifest_key(contract_id: str) -> str:
    """Return the key of a manifest."""
    return _aster.registry_key("manifest", [contract_id])


def version_key(service: str, version: int) -> str:
    """Return the key of a version pointer."""
    return _aster.registry_key("version", [service, str(version)])


def channel_key(service: str, channel: str) -> str:
    """Return the key of a channel pointer."""
    return _aster.registry_key("channel", [service, channel])


def tag_key(service: str, tag: str) -> str:
    """Return the key of a tag pointer."""
    return _aster.registry_key("tag", [service, tag])


def lease_key(service: str, contract_id: str, endpoint_id: str) -> str:
    """Return the key of a lease."""
    return _aster.registry_key("lease", [service, contract_id, endpoint_id])


def acl_key(name: str) -> str:
    """Return the key of an access list: `writers`, `readers`, `admins` or `policy`."""
    return _aster.registry_key("acl", [name])


def config_key(key: str) -> str:
    """Return the key of a configuration text."""
    return _aster.registry_key("config", [key])
