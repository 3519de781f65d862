"""The frame of the command: common options, groups that load when needed, exit statuses (`cli.md` section 1)."""

from __future__ import annotations

import importlib
import signal
import sys
from typing import TYPE_CHECKING, Any, cast

import click

import aster
from aster.cli import failures, output
from aster.cli.settings import Settings, settings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

INTERRUPTED = 128 + signal.SIGINT
IROH_VERSION = "1.4.1"  # As in Cargo.toml; scripts/versions.py compares.

# Name of a command, where it is (`module:object` below `aster.cli.commands`), and what `aster --help` says of it.
COMMANDS: dict[str, tuple[str, str]] = {
    "authorize": ("trust:authorize", "Sign the credential of a producer."),
    "blob": ("blobs:blob", "Content that a peer publishes."),
    "call": ("call:call", "Call a method of a peer's service."),
    "config": ("config:config", "The configuration in force."),
    "contract": ("contracts:contract", "Contracts: write, share, check and generate from them."),
    "docs": ("docs:docs", "Documents that a peer shares."),
    "enroll": ("enroll:enroll", "Identities: node keys with credentials."),
    "gossip": ("gossip:gossip", "Messages among producers."),
    "init": ("init:init", "A new project: service, server and client."),
    "keygen": ("keygen:keygen", "Keys: of a deployment, of a node."),
    "profile": ("profile:profile", "Deployments that the command knows."),
    "service": ("services:service", "Services of a peer: list, describe, call."),
    "trust": ("trust:trust", "The root key of a deployment, and credentials."),
}


def _version_text() -> str:
    # The native module has one version with the package: it is core.
    return f"aster {aster.__version__} (core {aster.__version__}, iroh {IROH_VERSION})"


def _setter(name: str, value: object) -> Callable[[click.Context, click.Parameter, Any], None]:
    def apply(context: click.Context, _: click.Parameter, given: Any) -> None:
        if given:
            setattr(settings_of(context), name, given if value is None else value)

    return apply


def _show_version(context: click.Context, _: click.Parameter, given: bool) -> None:
    if given and not context.resilient_parsing:
        click.echo(_version_text())
        context.exit()


def _common_options() -> list[click.Parameter]:
    """Make the options that are taken before and after every command."""

    def flag(*names: str, callback: Any, text: str) -> click.Option:
        return click.Option(names, is_flag=True, expose_value=False, is_eager=True, callback=callback, help=text)

    return [
        flag("--json", callback=_setter("json", value=True), text="Results and failures as JSON; no prompts."),
        flag("--no-color", callback=_setter("color", value=False), text="No colours."),
        flag("-v", "--verbose", callback=_setter("verbose", value=True), text="Traceback of failures; more logging."),
        click.Option(
            ["--profile"],
            metavar="NAME",
            expose_value=False,
            is_eager=True,
            callback=_setter("profile", None),
            help="Profile of ~/.aster/config.toml (default: ASTER_PROFILE, else the active one).",
        ),
        flag("--version", callback=_show_version, text="Show the version."),
    ]


class AsterCommand(click.Command):
    """A command that takes the common options."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(_common_options())


class AsterGroup(click.Group):
    """A group whose commands take the common options. Without a command it is wrong usage."""

    command_class = AsterCommand
    group_class = type  # Groups in it are of this kind, too.

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("no_args_is_help", False)
        super().__init__(*args, **kwargs)
        self.params.extend(_common_options())


class RootGroup(AsterGroup):
    """`aster` itself. Imports the module of a group when that group is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the groups, sorted."""
        return sorted({*COMMANDS, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a group by its name."""
        known = COMMANDS.get(cmd_name)
        if known is None:
            return super().get_command(ctx, cmd_name)
        module, _, name = known[0].partition(":")
        return cast("click.Command", getattr(importlib.import_module(f"aster.cli.commands.{module}"), name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what `--help` says of the groups, without loading them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in sorted(COMMANDS.items())])


@click.group(cls=RootGroup, context_settings={"help_option_names": ["-h", "--help"]})
def root() -> None:
    """Aster RPC: call services by their public key."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status; failures are told on standard error."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    asked = _asked(given)
    try:
        with output.log_shown(asked):
            status = root.main(given, prog_name="aster", standalone_mode=False)
    except click.Abort:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - told to the user
        return failures.tell(error, asked)
    return status if isinstance(status, int) else 0


def _asked(arguments: list[str]) -> Settings:
    """Return the settings by the arguments alone: what could not be parsed has none."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return Settings(
        json="--json" in options, color="--no-color" not in options, verbose=not {"-v", "--verbose"}.isdisjoint(options)
    )
