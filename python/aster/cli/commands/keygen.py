"""`aster keygen`: keys of operators and producers (`cli.md` section 5)."""

from __future__ import annotations

from pathlib import Path

import click

from aster.cli import root_keys
from aster.cli.frame import AsterGroup
from aster.cli.key_making import make_node_key, make_profile_key
from aster.cli.key_output import show_made

NODE_FILE = "~/.aster/node.key"


@click.group("keygen", cls=AsterGroup)
def keygen() -> None:
    """Keys: of a deployment (root), of a node (producer)."""


@keygen.command("root")
@click.option("--out", type=click.Path(path_type=Path), default=root_keys.FILE, show_default=True)
def root(out: Path) -> None:
    """Make a root key: a file, the profile's public key, and an entry of the keyring if there is one."""
    show_made(make_profile_key(out))


@keygen.command("producer")
@click.option("--out", type=click.Path(path_type=Path), default=NODE_FILE, show_default=True)
def producer(out: Path) -> None:
    """Make a node key. Nothing is asked of the network."""
    show_made(make_node_key(out), public="node id")
