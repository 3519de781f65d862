"""Peers on the command line: how they are written, with which identity they are dialled (`cli.md` section 1)."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, TypeVar, cast

import click

from aster import _aster
from aster.addresses import AsterTicket, addr_parts
from aster.cli.failures import USAGE, CommandError
from aster.cli.output import note, progress
from aster.cli.places import home
from aster.client import AsterClient
from aster.config import AsterConfig
from aster.errors import IrohConnectionError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from aster.cli.settings import Settings
    from aster.interceptors import Interceptor

Command = TypeVar("Command", bound=Callable[..., Any])

_REACHED = re.compile(r"^could not reach \w+: ")
_NODE_KEY = "node.key"
_IDENTITY = ".aster-identity"


@dataclass(frozen=True)
class Dialling:
    """With what a peer is dialled: paths of credential and identity, entry of the identity file, seconds."""

    rcan: str | None = None
    identity: str | None = None
    entry: str | None = None
    timeout: float = 30.0


def dialling_options(command: Command) -> Command:
    """Give a command the options of dialling; it takes them as `dialling`."""

    def collect(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
        kept = cast("dict[str, Any]", context.meta.setdefault("aster.cli.dialling", {}))
        kept[parameter.name or ""] = value
        return value

    def option(*names: str, **attributes: Any) -> Callable[[Command], Command]:
        decorate = click.option(*names, expose_value=False, callback=collect, **attributes)
        return cast("Callable[[Command], Command]", decorate)

    path = click.Path(dir_okay=False)
    for decorate in (
        option("--timeout", metavar="S", type=click.FloatRange(0, min_open=True), default=30.0, help="For connecting."),
        option("--peer", "entry", metavar="NAME", help="Entry of the identity file."),
        option("--identity", metavar="PATH", type=path, help="Identity file: node key, and credential if it has one."),
        option("--rcan", metavar="PATH", type=path, help="Credential: JSON, or an identity file."),
    ):
        command = decorate(command)
    return command


def dialling() -> Dialling:
    """Return the options of dialling of the command that runs."""
    return Dialling(**click.get_current_context().meta.get("aster.cli.dialling", {}))


def is_peer(text: str) -> bool:
    """Tell whether a text is written as a peer: ticket, base64 address, 64 hex digits, or `@handle/Service`."""
    if text.startswith("@"):
        return True
    try:
        _aster.check_address(text)
    except ValueError:
        return False
    return True


def peer_arguments(*names: str) -> Callable[[Command], Command]:
    """Give a command the arguments `[PEER]` and these; it takes them as `peer` and `arguments`.

    Names in brackets may be missing; after one that ends in `..]` any number may follow. Without a peer it is that
    of the configuration, `ASTER_ENDPOINT_ADDR`.
    """
    least = sum(not name.startswith("[") for name in names)
    most = None if names and names[-1].endswith("..]") else len(names)

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def with_peer(*args: Any, arguments: tuple[str, ...], **kwargs: Any) -> Any:
            peer, rest = _split(arguments, most)
            if len(rest) < least:
                raise CommandError(f"missing argument {names[len(rest)]}", status=USAGE)
            if most is not None and len(rest) > most:
                raise CommandError(f"unexpected argument {rest[most]!r}", status=USAGE)
            return command(*args, peer=peer, arguments=rest, **kwargs)

        shown = " ".join(["[PEER]", *names])
        return cast("Command", click.argument("arguments", nargs=-1, metavar=shown)(with_peer))

    return decorate


def _split(arguments: Sequence[str], most: int | None) -> tuple[str, list[str]]:
    """Return the peer, given or configured, and the other arguments."""
    if arguments and is_peer(arguments[0]):
        return arguments[0], list(arguments[1:])
    configured = AsterConfig.from_env().endpoint_addr
    too_many = most is not None and len(arguments) > most
    if arguments and (configured is None or too_many or arguments[0].startswith("aster1")):
        raise _no_peer(arguments[0])
    if configured is None:
        raise CommandError("no peer given, and ASTER_ENDPOINT_ADDR is not set", status=USAGE)
    return configured, list(arguments)


def _no_peer(text: str) -> CommandError:
    try:
        _aster.check_address(text)
    except ValueError as error:
        hint = "PEER is a ticket, base64 address, 64 hex digits or @handle/Service; default ASTER_ENDPOINT_ADDR"
        return CommandError(f"{text!r} is no peer: {error}", hint=hint, status=USAGE)
    raise AssertionError(text)


def shown_peer(peer: str) -> str:
    """Return a peer for messages: a ticket that carries a credential is cut."""
    with contextlib.suppress(ValueError):
        if AsterTicket.from_string(peer).credential_data:
            return f"{peer[:14]}..."
    return peer


def endpoint_of(peer: str) -> str:
    """Return the id of a peer's endpoint."""
    return addr_parts(peer)[0]


@contextlib.asynccontextmanager
async def connected(
    peer: str, options: Dialling, settings: Settings, *interceptors: Interceptor
) -> AsyncGenerator[AsterClient, None]:
    """Dial a peer and be admitted; closes the client at the end. `CommandError` if the peer is unreachable."""
    if peer.startswith("@"):
        raise CommandError("no @aster directory configured. Set ASTER_SERVICE_ADDRESS or pass --aster ADDR")
    client = _client(peer, options, interceptors)
    try:
        with progress(f"connecting to {shown_peer(peer)[:24]}", settings):
            await client.connect()
    except IrohConnectionError as error:
        # Core names the node in its own words; here the peer is named as it was given.
        cause = _REACHED.sub("", str(error))
        raise CommandError(f"could not reach {shown_peer(peer)}: {cause}") from error
    async with client:
        yield client


def _client(peer: str, options: Dialling, interceptors: Sequence[Interceptor]) -> AsterClient:
    config = AsterConfig.from_env()
    key = _node_key(config, options)
    if key is not None:
        config = AsterConfig.from_env(secret_key=key)
    return AsterClient(
        config=config,
        address=peer,
        peer=options.entry,
        # A credential that is given goes with its own node key, not with an identity that lies around.
        identity="" if options.identity is None and options.rcan is not None else options.identity,
        enrollment_credential_file=options.rcan,
        interceptors=interceptors,
        connect_timeout=options.timeout,
    )


def _node_key(config: AsterConfig, options: Dialling) -> bytes | None:
    """Return the node key that only the command knows of; nothing if configuration or files say one.

    A JSON credential belongs to the key of the identity file beside it. Without any identity it is the user's own.
    """
    if options.identity is not None:
        return None
    credential = options.rcan or config.enrollment_credential_file
    if credential is not None:
        path = Path(credential).expanduser()
        if not _is_json(path):
            return None  # An identity file, or missing: the client sees to it.
        if options.rcan is not None:
            beside = path.parent / _IDENTITY
            if beside.exists():
                return config.load_identity_from_path(beside)[0]
            config = AsterConfig.from_env(identity_file="")
    if config.secret_key is not None or config.storage_path is not None or config.load_identity()[0] is not None:
        return None
    return _users_key(home() / _NODE_KEY)


def _is_json(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4096).lstrip().startswith(b"{")
    except OSError:
        return False


def _users_key(path: Path) -> bytes | None:
    """Read the key file of the user, if there is one (`trust.md` section 2)."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        key = found["secret_key"]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise CommandError(f"{path}: not a node key") from error
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & 0o022:
        raise CommandError(f"{path}: mode {mode:o} lets others write to it")
    if os.name == "posix" and mode & 0o044:
        note(f"warning: {path}: mode {mode:o} lets others read it")
    try:
        # Hex or base64: the configuration reads it as it reads its own.
        return AsterConfig(secret_key=key).secret_key
    except ValueError:
        raise CommandError(f"{path}: field 'secret_key' is no key") from None
