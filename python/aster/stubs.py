"""Stubs: objects whose methods are calls (`python-api.md` section 5)."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from aster import _aster

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from aster.rpc_types import SerializationMode
    from aster.service import MethodInfo, ServiceInfo

    Method = Callable[..., Coroutine[Any, Any, Any]]

_OPTIONS = frozenset({"metadata", "timeout", "serialization"})


class ServiceClient:
    """A stub: one attribute per method of the service, under its Python name."""

    service_name: str
    service_version: int

    def __init__(self, info: ServiceInfo, bound: _aster.BoundService, loop: asyncio.AbstractEventLoop) -> None:
        self.service_name = info.name
        self.service_version = info.version
        self._methods = [method.attribute for method in info.methods.values()]
        for index, method in enumerate(info.methods.values()):
            submit = _submission(bound, loop, index, method.serialization)
            setattr(self, method.attribute, submit if method.request_style == "explicit" else _inline(method, submit))

    async def close(self) -> None:
        """Let go of the service. The connection of the client stays."""

        async def closed(*_: object, **__: object) -> None:
            raise RuntimeError(f"client of '{self.service_name}' is closed")

        for name in self._methods:
            setattr(self, name, closed)

    def __repr__(self) -> str:
        return f"<client of {self.service_name} v{self.service_version}>"


def _submission(
    bound: _aster.BoundService,
    loop: asyncio.AbstractEventLoop,
    index: int,
    mode: SerializationMode | None,
) -> Method:
    """Return the coroutine function of one method. What it uses is at hand: this is the path of every call."""
    pid = os.getpid()
    start, create_future, running_loop = bound.start, loop.create_future, asyncio.get_running_loop

    async def call(
        request: Any,
        /,
        *,
        metadata: Mapping[str, str] | None = None,
        timeout: float | None = None,
        serialization: SerializationMode | None = mode,
    ) -> Any:
        if running_loop() is not loop:
            _aster.check_process(pid)
            raise RuntimeError("ServiceClient belongs to another event loop")
        future = create_future()
        ticket = start(future, index, request, timeout, metadata, serialization)
        try:
            return await future
        except asyncio.CancelledError:
            bound.cancel(ticket)
            raise

    return call


def _inline(method: MethodInfo, submit: Method) -> Method:
    """Return the coroutine function of a method with inline parameters: by position, name or one request."""
    names, request_type = method.inline_params, method.request_type
    # A parameter that is named like an option is the parameter.
    options = _OPTIONS.difference(names)

    def call(*args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        chosen = {name: kwargs.pop(name) for name in options.intersection(kwargs)}
        if len(args) == 1 and not kwargs and type(args[0]) is request_type:
            return submit(args[0], **chosen)
        return submit(request_type(*args, **kwargs), **chosen)

    call.__name__ = method.attribute
    return call
