"""Services as the user's modules declare them: `MODULE:CLASS`."""

from __future__ import annotations

import contextlib
import functools
import importlib
import sys

from aster.cli.failures import USAGE, CommandError
from aster.service import info_of


def load_service(spec: str) -> type | object:
    """Import a decorated class from the working directory or the environment.

    What the module prints goes to standard error. `CommandError` if there is no such module or class, or it is no
    service.
    """
    module_name, colon, path = spec.partition(":")
    if not colon or not module_name or not path:
        raise CommandError(f"expected MODULE:CLASS, got {spec!r}", status=USAGE)
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        with contextlib.redirect_stdout(sys.stderr):
            module = importlib.import_module(module_name)
    except Exception as error:
        raise CommandError(f"cannot import '{module_name}': {type(error).__name__}: {error}") from error
    try:
        found: object = functools.reduce(getattr, path.split("."), module)
    except AttributeError:
        raise CommandError(f"module '{module_name}' has no '{path}'") from None
    try:
        info_of(found)
    except TypeError as error:
        raise CommandError(str(error)) from None
    return found
