"""Where the sources of a manifest come from: commit, tag, remote and time, as git tells."""

from __future__ import annotations

import re
import subprocess
from typing import Any

from aster.cli.failures import CommandError

_SECONDS = 10.0
# Name and password before the host of a URL.
_LOGIN = re.compile(r"^(\w[\w+.-]*://)[^/@]*@")


def facts() -> dict[str, Any]:
    """Return what `--vcs` adds to a manifest. The time is that of the commit. `CommandError` outside of a git tree."""
    revision = _git("rev-parse", "HEAD")
    if revision is None:
        raise CommandError("--vcs needs a git work tree with a commit")
    remote = _git("remote", "get-url", "origin")
    seconds = _git("show", "-s", "--format=%ct", "HEAD")
    return {
        "vcs_revision": revision,
        "vcs_tag": _git("describe", "--tags", "--exact-match", "HEAD"),
        "vcs_url": None if remote is None else _LOGIN.sub(r"\1", remote),
        "published_at_epoch_ms": int(seconds or 0) * 1000,
    }


def _git(*arguments: str) -> str | None:
    """Return what git prints, or nothing if it fails."""
    command = ["git", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603
    except FileNotFoundError:
        raise CommandError("--vcs needs git, which is not installed") from None
    except subprocess.TimeoutExpired:
        raise CommandError(f"git did not answer within {_SECONDS:g} s") from None
    return done.stdout.strip() or None if done.returncode == 0 else None
