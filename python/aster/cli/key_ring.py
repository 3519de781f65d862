"""Root keys in the keyring of the system, with the extra `keyring` (`trust.md` section 2).

Without the extra, or where the system has no keyring, there are files only.
"""

from __future__ import annotations

import importlib
from typing import Any, Protocol, cast

from aster.cli.failures import CommandError
from aster.cli.output import note

_SERVICE = "aster"


class _Library(Protocol):
    def get_password(self, service: str, username: str, /) -> str | None: ...
    def set_password(self, service: str, username: str, password: str, /) -> None: ...
    def delete_password(self, service: str, username: str, /) -> None: ...


class KeyRing:
    """The keyring of the user. What the library raises is told as the keyring's own failure."""

    def __init__(self, library: _Library) -> None:
        self._library = library

    def get(self, profile: str) -> str | None:
        """Return the hex seed of a profile's root key."""
        return cast("str | None", self._do("get_password", _user(profile)))

    def add(self, profile: str, seed: str) -> None:
        """Keep the hex seed of a profile's root key."""
        self._do("set_password", _user(profile), seed)

    def remove(self, profile: str) -> None:
        """Forget a profile's root key."""
        self._do("delete_password", _user(profile))

    def _do(self, method: str, *arguments: str) -> Any:
        try:
            return getattr(self._library, method)(_SERVICE, *arguments)
        except Exception as error:
            raise CommandError(f"the keyring failed: {type(error).__name__}") from error


def _user(profile: str) -> str:
    return f"root_privkey:{profile}"


def shown(profile: str) -> str:
    """Return how messages name the entry of a profile."""
    return f"keyring entry {_SERVICE}/{_user(profile)}"


def key_ring() -> KeyRing | None:
    """Return the keyring, if there is one that works."""
    try:
        library = importlib.import_module("keyring")
        errors = importlib.import_module("keyring.errors")
    except ImportError:
        return None
    try:
        library.get_password(_SERVICE, _user(""))
    except errors.NoKeyringError:
        return None
    except Exception as error:  # noqa: BLE001 - locked, or a backend that is broken
        note(f"warning: the keyring cannot be used: {type(error).__name__}")
        return None
    return KeyRing(library)
