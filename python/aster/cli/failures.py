"""What went wrong, as standard error tells it: text or a JSON line, and the exit status (`cli.md` section 1)."""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from aster.cli.output import compact, printable
from aster.errors import AdmissionDeniedError
from aster.status import RpcError

if TYPE_CHECKING:
    from aster.cli.settings import Settings

FAILURE = 1
USAGE = 2


class CommandError(Exception):
    """A command failed for a reason of its own. `hint` says what to do about it; `cause` is what a peer said."""

    def __init__(
        self, message: str, *, hint: str | None = None, status: int = FAILURE, cause: RpcError | None = None
    ) -> None:
        super().__init__(message)
        self.hint = hint
        self.status = status
        self.cause = cause

    @classmethod
    def of_call(cls, error: RpcError, hint: str | None) -> CommandError:
        """Add a hint to what a call ended with."""
        return cls(error.message, hint=hint, cause=error)


class PayloadError(CommandError):
    """A payload is no JSON."""

    def __init__(self, cause: str) -> None:
        super().__init__(f"payload is not valid JSON: {cause}", status=USAGE)


@dataclass
class Failure:
    """A failure in the parts that are shown."""

    message: str
    status: int = FAILURE
    code: str | None = None
    number: int | None = None
    details: dict[str, str] = field(default_factory=dict[str, str])
    hint: str | None = None

    def to_dict(self) -> dict[str, object]:
        """Return the object that stands for it in JSON."""
        return {"code": self.code, "number": self.number, "message": self.message, "details": self.details}

    def to_text(self) -> str:
        """Return its lines."""
        shown = self.message if self.code is None else f"{self.code}: {self.message}"
        lines = [f"error: {shown}", *(f"  {key}: {value}" for key, value in self.details.items())]
        if self.hint:
            lines.append(f"hint: {self.hint}")
        return printable("\n".join(lines))


def failure_of(error: BaseException) -> Failure:
    """Return what an exception means to the user."""
    if isinstance(error, RpcError):
        return Failure(error.message, code=error.code.name, number=int(error.code), details=dict(error.details))
    if isinstance(error, CommandError):
        found = Failure(str(error), status=error.status) if error.cause is None else failure_of(error.cause)
        found.hint = error.hint
        return found
    if isinstance(error, click.ClickException):
        return _of_usage(error)
    if isinstance(error, OSError) and not isinstance(error, AdmissionDeniedError):
        return Failure(_of_system(error))
    return Failure(str(error) or type(error).__name__)


def _of_usage(error: click.ClickException) -> Failure:
    command = error.ctx if isinstance(error, click.UsageError) else None
    hint = None if command is None else f"try '{command.command_path} --help'"
    return Failure(error.format_message().removesuffix("."), status=error.exit_code, hint=hint)


def _of_system(error: OSError) -> str:
    if isinstance(error, FileExistsError) and error.filename is not None:
        return f"{error.filename} already exists; refusing to overwrite"
    if error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return error.strerror or str(error) or type(error).__name__


def tell(error: BaseException, settings: Settings) -> int:
    """Write a failure to standard error and return the exit status."""
    if settings.verbose:
        traceback.print_exception(type(error), error, error.__traceback__, file=sys.stderr)
    failure = failure_of(error)
    text = compact({"error": failure.to_dict()}) if settings.json else failure.to_text()
    click.echo(text, err=True)
    return failure.status
