"""What the tests of keys and credentials need: the command within the process, and what it leaves on the disk."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from aster import _aster
from aster.cli import main

STAND_INS = Path(__file__).parent / "stand_ins"
EXISTS = "already exists; refusing to overwrite"


class Command:
    """Runs the command within the process."""

    def __init__(self, capsys):
        self._capsys = capsys
        self.warnings = ""

    def run(self, *arguments):
        """Return status, results and what else was said."""
        self._capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        return status, *self._capsys.readouterr()

    def succeeded(self, *arguments):
        """Return the results of a command that must succeed; what else it said is in `warnings`."""
        status, told, self.warnings = self.run(*arguments)
        assert status == 0, self.warnings
        return told

    def failed(self, *arguments, status=1):
        """Return what a command says that must fail without a result."""
        found, told, said = self.run(*arguments)
        assert (found, told) == (status, ""), said
        return said

    def json(self, *arguments):
        return json.loads(self.succeeded("--json", *arguments))


def mode(path):
    return stat.S_IMODE(Path(path).stat().st_mode)


def root_key(path="root.key"):
    """Write a root key and return its halves."""
    seed, public = _aster.ed25519_generate_keypair()
    Path(path).write_text(json.dumps({"private_key": seed.hex(), "public_key": public.hex()}))
    Path(path).chmod(0o600)
    return seed, public


def tree(*folders):
    """Return every file below some folders with its content and mode."""
    paths = sorted(path for folder in folders for path in Path(folder).rglob("*") if path.is_file())
    return {str(path): (path.read_bytes(), mode(path)) for path in paths}
