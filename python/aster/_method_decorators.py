"""Decorators of methods, one per pattern (`python-api.md` section 2.2)."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from aster.capabilities import CapabilityRequirement, Requirement, requirement
from aster.rpc_types import RpcPattern, SerializationMode

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine

    from typing_extensions import Concatenate

    from aster._typing import (
        BidiStreamDecorator,
        BidiStreamMethod,
        ClientStreamDecorator,
        ClientStreamMethod,
        ExplicitMethod,
        ExplicitServerStream,
        InlineMethod,
        InlineServerStream,
        P,
        Req,
        Resp,
        ServerStreamDecorator,
        UnaryDecorator,
    )
    from aster.context import CallContext
    from aster.metadata import Metadata

METHOD_ATTRIBUTE = "__aster_method_info__"


@dataclass(frozen=True)
class MethodOptions:
    """What a method decorator was given."""

    pattern: RpcPattern
    name: str | None
    timeout: float | None
    idempotent: bool
    serialization: SerializationMode | None
    requires: CapabilityRequirement | None
    metadata: Metadata | None


@overload
def rpc(fn: Callable[[Any, CallContext, Req], Coroutine[Any, Any, Resp]], /) -> ExplicitMethod[Req, Resp]: ...
@overload
def rpc(fn: Callable[Concatenate[Any, CallContext, P], Coroutine[Any, Any, Resp]], /) -> InlineMethod[P, Resp]: ...
@overload
def rpc(fn: Callable[[Any, Req], Coroutine[Any, Any, Resp]], /) -> ExplicitMethod[Req, Resp]: ...
@overload
def rpc(fn: Callable[[Any, Req, CallContext], Coroutine[Any, Any, Resp]], /) -> ExplicitMethod[Req, Resp]: ...
@overload
def rpc(fn: Callable[Concatenate[Any, P], Coroutine[Any, Any, Resp]], /) -> InlineMethod[P, Resp]: ...
@overload
def rpc(
    *,
    name: str | None = None,
    timeout: float | None = None,
    idempotent: bool = False,
    serialization: SerializationMode | None = None,
    requires: Requirement | None = None,
    metadata: Metadata | None = None,
) -> UnaryDecorator: ...
def rpc(
    fn: Any = None,
    /,
    *,
    name: str | None = None,
    timeout: float | None = None,
    idempotent: bool = False,
    serialization: SerializationMode | None = None,
    requires: Requirement | None = None,
    metadata: Metadata | None = None,
) -> Any:
    """Make a method callable: one request, one response.

    `name` is the name on the wire, `timeout` the default deadline in seconds. `idempotent` says that it may be called
    again, by retries for example. `serialization` is the mode of its calls, `requires` what callers must hold. Raises
    `TypeError` unless the method is an async function, `ValueError` for a timeout that is not positive.
    """
    options = _options(RpcPattern.UNARY, name, timeout, idempotent, serialization, requires, metadata)
    return _decorator(fn, options)


@overload
def server_stream(fn: Callable[[Any, CallContext, Req], AsyncIterable[Resp]], /) -> ExplicitServerStream[Req, Resp]: ...
@overload
def server_stream(
    fn: Callable[Concatenate[Any, CallContext, P], AsyncIterable[Resp]], /
) -> InlineServerStream[P, Resp]: ...
@overload
def server_stream(fn: Callable[[Any, Req], AsyncIterable[Resp]], /) -> ExplicitServerStream[Req, Resp]: ...
@overload
def server_stream(fn: Callable[[Any, Req, CallContext], AsyncIterable[Resp]], /) -> ExplicitServerStream[Req, Resp]: ...
@overload
def server_stream(fn: Callable[Concatenate[Any, P], AsyncIterable[Resp]], /) -> InlineServerStream[P, Resp]: ...
@overload
def server_stream(
    timeout: float | None = None,
    /,
    *,
    name: str | None = None,
    idempotent: bool = False,
    serialization: SerializationMode | None = None,
    requires: Requirement | None = None,
    metadata: Metadata | None = None,
) -> ServerStreamDecorator: ...
@overload
def server_stream(
    *,
    timeout: float | None = None,
    name: str | None = None,
    idempotent: bool = False,
    serialization: SerializationMode | None = None,
    requires: Requirement | None = None,
    metadata: Metadata | None = None,
) -> ServerStreamDecorator: ...
def server_stream(
    fn: Any = None,
    /,
    *,
    name: str | None = None,
    timeout: float | None = None,
    idempotent: bool = False,
    serialization: SerializationMode | None = None,
    requires: Requirement | None = None,
    metadata: Metadata | None = None,
) -> Any:
    """Make a method callable: one request, any number of responses.

    Options are those of `rpc`; `timeout`, in seconds for the whole stream, may be given by position. Raises
    `TypeError` unless the method is an async generator.
    """
    fn, timeout = _positional(fn, timeout)
    options = _options(RpcPattern.SERVER_STREAM, name, timeout, idempotent, serialization, requires, metadata)
    return _decorator(fn, options)


@overload
def client_stream(
    fn: Callable[[Any, AsyncGenerator[Req, Any]], Coroutine[Any, Any, Resp]], /
) -> ClientStreamMethod[Req, Resp]: ...
@overload
def client_stream(
    fn: Callable[[Any, AsyncGenerator[Req, Any], CallContext], Coroutine[Any, Any, Resp]], /
) -> ClientStreamMethod[Req, Resp]: ...
@overload
def client_stream(
    fn: Callable[[Any, CallContext, AsyncGenerator[Req, Any]], Coroutine[Any, Any, Resp]], /
) -> ClientStreamMethod[Req, Resp]: ...
@overload
def client_stream(
    timeout: float | None = None,
    /,
    *,
    name: str | None = None,
    idempotent: bool = False,
    serialization: SerializationMode | None = None,
    requires: Requirement | None = None,
    metadata: Metadata | None = None,
) -> ClientStreamDecorator: ...
@overload
def client_stream(
    *,
    timeout: float | None = None,
    name: str | None = None,
    idempotent: bool = False,
    serialization: SerializationMode | None = None,
    requires: Requirement | None = None,
    metadata: Metadata | None = None,
) -> ClientStreamDecorator: ...
def client_stream(
    fn: Any = None,
    /,
    *,
    name: str | None = None,
    timeout: float | None = None,
    idempotent: bool = False,
    serialization: SerializationMode | None = None,
    requires: Requirement | None = None,
    metadata: Metadata | None = None,
) -> Any:
    """Make a method callable: any number of requests, one response.

    Options are those of `rpc`; `timeout`, in seconds for the whole call, may be given by position. Raises
    `TypeError` unless the method is an async function.
    """
    fn, timeout = _positional(fn, timeout)
    options = _options(RpcPattern.CLIENT_STREAM, name, timeout, idempotent, serialization, requires, metadata)
    return _decorator(fn, options)


@overload
def bidi_stream(
    fn: Callable[[Any, AsyncGenerator[Req, Any]], AsyncIterable[Resp]], /
) -> BidiStreamMethod[Req, Resp]: ...
@overload
def bidi_stream(
    fn: Callable[[Any, AsyncGenerator[Req, Any], CallContext], AsyncIterable[Resp]], /
) -> BidiStreamMethod[Req, Resp]: ...
@overload
def bidi_stream(
    fn: Callable[[Any, CallContext, AsyncGenerator[Req, Any]], AsyncIterable[Resp]], /
) -> BidiStreamMethod[Req, Resp]: ...
@overload
def bidi_stream(
    timeout: float | None = None,
    /,
    *,
    name: str | None = None,
    serialization: SerializationMode | None = None,
    requires: Requirement | None = None,
    metadata: Metadata | None = None,
) -> BidiStreamDecorator: ...
@overload
def bidi_stream(
    *,
    timeout: float | None = None,
    name: str | None = None,
    serialization: SerializationMode | None = None,
    requires: Requirement | None = None,
    metadata: Metadata | None = None,
) -> BidiStreamDecorator: ...
def bidi_stream(
    fn: Any = None,
    /,
    *,
    name: str | None = None,
    timeout: float | None = None,
    serialization: SerializationMode | None = None,
    requires: Requirement | None = None,
    metadata: Metadata | None = None,
) -> Any:
    """Make a method callable: requests and responses in any number and order.

    Options are those of `rpc`; `timeout`, in seconds for the whole call, may be given by position. Raises
    `TypeError` unless the method is an async generator.
    """
    fn, timeout = _positional(fn, timeout)
    options = _options(RpcPattern.BIDI_STREAM, name, timeout, False, serialization, requires, metadata)
    return _decorator(fn, options)


def _positional(fn: Any, timeout: float | None) -> tuple[Any, float | None]:
    """Tell a decorated function from a timeout that was given by position."""
    if isinstance(fn, (int, float)) and not isinstance(fn, bool):
        if timeout is not None:
            raise TypeError("timeout is given twice")
        return None, float(fn)
    return fn, timeout


def _options(
    pattern: RpcPattern,
    name: str | None,
    timeout: float | None,
    idempotent: bool,
    serialization: SerializationMode | None,
    requires: Requirement | None,
    metadata: Metadata | None,
) -> MethodOptions:
    if timeout is not None and not (timeout > 0 and math.isfinite(timeout)):
        raise ValueError("timeout must be a positive number of seconds")
    mode = None if serialization is None else SerializationMode(serialization)
    return MethodOptions(pattern, name, timeout, idempotent, mode, requirement(requires), metadata)


def _decorator(fn: Any, options: MethodOptions) -> Any:
    pattern = options.pattern
    title = "rpc" if pattern is RpcPattern.UNARY else pattern.value
    yields = pattern in {RpcPattern.SERVER_STREAM, RpcPattern.BIDI_STREAM}

    def decorate(method: Any) -> Any:
        name = getattr(method, "__name__", method)
        if yields and not inspect.isasyncgenfunction(method):
            raise TypeError(f"@{title} method {name} must be an async generator (use 'async def' with 'yield')")
        if not yields and not inspect.iscoroutinefunction(method):
            raise TypeError(f"@{title} method {name} must be an async function")
        setattr(method, METHOD_ATTRIBUTE, options)
        return method

    return decorate if fn is None else decorate(fn)
