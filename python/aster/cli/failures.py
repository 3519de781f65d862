"""What went wrong, as standard error tells it: text or a JSON line, and the exit status (`cli.md` section 1)."""

from __future__ import annotations

import json
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
    details: dict[str, str] = field(default_factory=dict)
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
        if error.cause is not None:
            found = failure_of(error.cause)
            found.hint = error.hint
            return found
        return Failure(str(error), status=error.status, hint=error.hint)
    if isinstance(error, click.ClickException):
        hint = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx is not None else None
        return Failure(
            error.format_message().removesuffix("."), status=error.exit_code, hint=hint and f"try '{hint} --help'"
        )
    if isinstance(error, FileExistsError):
        return Failure(f"{_path(error)} already exists; refusing to overwrite")
    if isinstance(error, OSError) and not isinstance(error, AdmissionDeniedError) and error.strerror:
        return Failure(f"{_path(error)}: {error.strerror}" if error.filename is not None else error.strerror)
    return Failure(str(error) or type(error).__name__)


def _path(error: OSError) -> str:
    return str(error) if error.filename is None else str(error.filename)


def tell(error: BaseException, settings: Settings) -> int:
    """Write a failure to standard error and return the exit status."""
    if settings.verbose:
        traceback.print_exception(type(error), error, error.__traceback__, file=sys.stderr)
    failure = failure_of(error)
    text = compact({"error": failure.to_dict()}) if settings.json else failure.to_text()
    click.echo(text, err=True)
    return failure.status


def as_json(error: BaseException) -> str:
    """Return the object of a failure as JSON text, for protocols that carry it."""
    return json.dumps(failure_of(error).to_dict(), ensure_ascii=False)
