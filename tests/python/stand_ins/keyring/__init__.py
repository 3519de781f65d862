"""Stands for the library `keyring`: entries are in the file that STAND_IN_KEYRING names."""

import json
import os
from pathlib import Path

from keyring import errors


def _path():
    mode = os.environ["STAND_IN_KEYRING"]
    if mode == "none":
        raise errors.NoKeyringError("no backend")
    if mode == "locked":
        raise errors.KeyringLocked("locked")
    return Path(mode)


def _entries():
    path = _path()
    return json.loads(path.read_text()) if path.exists() else {}


def get_password(service, username):
    return _entries().get(f"{service}/{username}")


def set_password(service, username, password):
    if os.environ.get("STAND_IN_KEYRING_FULL"):
        raise errors.PasswordSetError("full")
    _path().write_text(json.dumps({**_entries(), f"{service}/{username}": password}))


def delete_password(service, username):
    entries = _entries()
    if entries.pop(f"{service}/{username}", None) is None:
        raise errors.PasswordDeleteError("not found")
    _path().write_text(json.dumps(entries))
