"""Stubs: objects whose methods are calls (`python-api.md` section 5)."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

from aster import _aster
from aster._exchange import closed, collect
from aster._native import running_loop
from aster._streams import BidiChannel, ExaminedResponses, ResponseStream
from aster.context import CallContext
from aster.interceptors.retry import retrying
from aster.rpc_types import RpcPattern
from aster.status import CancelledError, RpcError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping

    from aster.interceptors._chain import Chain
    from aster.rpc_types import SerializationMode
    from aster.service import MethodInfo, ServiceInfo

    Method = Callable[..., Any]

T = TypeVar("T")
_OPTIONS = frozenset({"metadata", "timeout", "serialization"})


@dataclass(frozen=True)
class CallDefaults:
    """Options of calls that give none."""

    timeout: float | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    serialization: SerializationMode | None = None


class CallSite:
    """Where the calls of a stub or proxy go, and what goes with each of them."""

    def __init__(
        self, service: str, bound: _aster.BoundService, chain: Chain | None, defaults: CallDefaults | None
    ) -> None:
        self.service = service
        self.bound = bound
        self.chain = chain
        self.defaults = defaults or CallDefaults()
        self.loop = asyncio.get_running_loop()
        self.pid = os.getpid()

    def check_loop(self) -> None:
        """Raise `RuntimeError` in another loop, or another process, than the one that made the stub."""
        if running_loop(self.pid) is not self.loop:
            _aster.check_process(self.pid)
            raise RuntimeError("ServiceClient belongs to another event loop")

    def method(self, index: int, method: MethodInfo) -> Method:
        """Make what is called for a method."""
        return _Caller(self, index, method).make()


class ServiceClient:
    """A stub: one attribute per method of the service, under its Python name.

    It belongs to the event loop that made it. Closing it lets go of the service; the connection stays.
    """

    service_name: str
    service_version: int

    def __init__(
        self,
        info: ServiceInfo,
        bound: _aster.BoundService,
        chain: Chain | None = None,
        defaults: CallDefaults | None = None,
    ) -> None:
        self.service_name = info.name
        self.service_version = info.version
        self._info = info
        self._site = CallSite(info.name, bound, chain, defaults)
        for index, method in enumerate(info.methods.values()):
            call = self._site.method(index, method)
            setattr(self, method.attribute, call if method.request_style == "explicit" else inline_call(method, call))

    def with_defaults(self, defaults: CallDefaults) -> ServiceClient:
        """Make a sibling whose calls have other defaults."""
        return ServiceClient(self._info, self._site.bound, self._site.chain, defaults)

    async def close(self) -> None:
        """Let go of the service. The connection of the client stays."""
        self._forget(f"client of '{self.service_name}' is closed")

    def _forget(self, text: str) -> None:
        def closed(*_: object, **__: object) -> None:
            raise RuntimeError(text)

        async def closed_call(*_: object, **__: object) -> None:
            raise RuntimeError(text)

        for method in self._info.methods.values():
            awaited = method.pattern in {RpcPattern.UNARY.value, RpcPattern.CLIENT_STREAM.value}
            setattr(self, method.attribute, closed_call if awaited else closed)

    def __repr__(self) -> str:
        return f"<client of {self.service_name} v{self.service_version}>"


class _Caller:
    """Makes what a stub calls for one method. What it uses is at hand: this is the path of every call."""

    def __init__(self, site: CallSite, index: int, method: MethodInfo) -> None:
        self._site = site
        self._bound = site.bound
        self._chain = site.chain
        self._defaults = site.defaults
        self._index = index
        self._method = method
        self._mode = self._defaults.serialization or method.serialization

    def make(self) -> Method:
        """Return the method for its pattern, and with interceptors only if there are any."""
        plain = self._chain is None
        made = {
            RpcPattern.UNARY.value: self._unary if plain else self._examined_unary,
            RpcPattern.SERVER_STREAM.value: self._server_stream if plain else self._examined_server_stream,
            RpcPattern.CLIENT_STREAM.value: self._client_stream,
            RpcPattern.BIDI_STREAM.value: self._bidi_stream,
        }[self._method.pattern]()
        made.__name__ = self._method.attribute
        made.__qualname__ = f"{self._site.service}.{self._method.attribute}"
        return made

    def _merged(self, metadata: Mapping[str, str] | None) -> Mapping[str, str] | None:
        if not self._defaults.metadata:
            return metadata
        return {**self._defaults.metadata, **(metadata or {})}

    def _unary(self) -> Method:
        bound, index, mode = self._bound, self._index, self._mode
        loop, pid = self._site.loop, self._site.pid
        start, create_future, current_loop = bound.start, loop.create_future, asyncio.get_running_loop
        default_timeout, merged = self._defaults.timeout, self._merged

        async def call(
            request: Any,
            /,
            *,
            metadata: Mapping[str, str] | None = None,
            timeout: float | None = default_timeout,
            serialization: SerializationMode | None = mode,
        ) -> Any:
            try:
                ours = current_loop() is loop
            except RuntimeError:
                ours = False
            if not ours:
                _aster.check_process(pid)
                raise RuntimeError("ServiceClient belongs to another event loop")
            future = create_future()
            ticket = start(future, index, request, timeout, merged(metadata), serialization)
            try:
                return await future
            except asyncio.CancelledError:
                bound.cancel(ticket)
                raise

        return call

    def _examined_unary(self) -> Method:
        bound, index, chain = self._bound, self._index, cast("Chain", self._chain)
        loop = self._site.loop

        async def attempt(request: Any, context: CallContext, mode: SerializationMode | None) -> Any:
            future = loop.create_future()
            left = context.remaining_seconds
            ticket = bound.start(future, index, request, left, context.metadata, mode, context.call_id)
            try:
                return await future
            except asyncio.CancelledError:
                bound.cancel(ticket)
                raise

        async def exchange(request: Any, context: CallContext, mode: SerializationMode | None) -> Any:
            if chain.has_unary_start:
                await chain.start(context)
            if chain.has_request:
                request = await chain.request(context, request)
            if chain.retry is None:
                response = await attempt(request, context, mode)
            else:
                response = await retrying(
                    chain.retry, context, lambda: attempt(request, context, mode), lambda: context.remaining_seconds
                )
            return await chain.response(context, response) if chain.has_response else response

        async def call(
            request: Any,
            /,
            *,
            metadata: Mapping[str, str] | None = None,
            timeout: float | None = self._defaults.timeout,
            serialization: SerializationMode | None = self._mode,
        ) -> Any:
            self._site.check_loop()
            context = self._context(metadata, timeout)
            return await _concluded(exchange(request, context, serialization), chain, context)

        return call

    def _server_stream(self) -> Method:
        bound, index = self._bound, self._index

        def call(
            request: Any,
            /,
            *,
            metadata: Mapping[str, str] | None = None,
            timeout: float | None = self._defaults.timeout,
            serialization: SerializationMode | None = self._mode,
        ) -> ResponseStream[Any]:
            def opened() -> _aster.ClientCall:
                self._site.check_loop()
                return bound.subscribe(index, request, timeout, self._merged(metadata), serialization)

            return ResponseStream(opened)

        return call

    def _examined_server_stream(self) -> Method:
        bound, index, chain = self._bound, self._index, cast("Chain", self._chain)

        def call(
            request: Any,
            /,
            *,
            metadata: Mapping[str, str] | None = None,
            timeout: float | None = self._defaults.timeout,
            serialization: SerializationMode | None = self._mode,
        ) -> ResponseStream[Any]:
            context = self._context(metadata, timeout)

            def opened(examined: Any) -> _aster.ClientCall:
                self._site.check_loop()
                left = context.remaining_seconds
                return bound.subscribe(index, examined, left, context.metadata, serialization, context.call_id)

            return ExaminedResponses(opened, request, lambda: (chain, context))

        return call

    def _client_stream(self) -> Method:
        bound, index, chain = self._bound, self._index, self._chain

        async def call(
            requests: Any,
            /,
            *,
            metadata: Mapping[str, str] | None = None,
            timeout: float | None = self._defaults.timeout,
            serialization: SerializationMode | None = self._mode,
        ) -> Any:
            self._site.check_loop()
            if chain is None:
                opened = bound.open(index, timeout, self._merged(metadata), serialization)
                return await collect(opened, requests)
            context = self._context(metadata, timeout)
            return await _concluded(self._collect(requests, context, chain, serialization), chain, context)

        return call

    async def _collect(self, requests: Any, context: CallContext, chain: Chain, mode: SerializationMode | None) -> Any:
        if chain.has_start:
            await chain.start(context)

        async def attempt(items: Any) -> Any:
            left = context.remaining_seconds
            opened = self._bound.open(self._index, left, context.metadata, mode, context.call_id)
            return await collect(opened, items, chain, context)

        if chain.retry is None or not (hasattr(requests, "__aiter__") or hasattr(requests, "__iter__")):
            response = await attempt(requests)
        else:
            source = _Untouched(requests)
            try:
                response = await retrying(
                    chain.retry,
                    context,
                    lambda: attempt(source),
                    lambda: context.remaining_seconds,
                    may_repeat=lambda: not source.taken,
                )
            finally:
                await source.close()
        return await chain.response(context, response) if chain.has_response else response

    def _bidi_stream(self) -> Method:
        bound, index, chain = self._bound, self._index, self._chain

        def call(
            items: Any = None,
            /,
            *,
            metadata: Mapping[str, str] | None = None,
            timeout: float | None = self._defaults.timeout,
            serialization: SerializationMode | None = self._mode,
        ) -> BidiChannel[Any, Any]:
            if chain is None:

                def opened() -> _aster.ClientCall:
                    self._site.check_loop()
                    return bound.open(index, timeout, self._merged(metadata), serialization)

                return BidiChannel(opened, items)
            context = self._context(metadata, timeout)
            begun = chain, context

            def examined() -> _aster.ClientCall:
                self._site.check_loop()
                left = context.remaining_seconds
                return bound.open(index, left, context.metadata, serialization, context.call_id)

            return BidiChannel(examined, items, lambda: begun)

        return call

    def _context(self, metadata: Mapping[str, str] | None, timeout: float | None) -> CallContext:
        """Make what interceptors see of a call. Its deadline is fixed here."""
        method = self._method
        limit = method.timeout if timeout is None else timeout
        return CallContext(
            service=self._site.service,
            method=method.name,
            call_id=self._bound.next_call_id(),
            session_id=self._bound.session_id,
            metadata=dict(self._merged(metadata) or {}),
            deadline=None if limit is None else time.time() + limit,
            is_streaming=method.pattern != RpcPattern.UNARY.value,
            pattern=method.pattern,
            idempotent=method.idempotent,
        )


class _Untouched:
    """The requests of a client stream over its attempts: the first one is waited for once, whoever sends it."""

    def __init__(self, items: Any) -> None:
        self._iterator = items.__aiter__() if hasattr(items, "__aiter__") else _walk(items)
        self._first: asyncio.Future[Any] | None = None
        self.taken = False

    async def __aiter__(self) -> AsyncIterator[Any]:
        if self._first is None:
            self._first = asyncio.ensure_future(self._iterator.__anext__())
        try:
            # An attempt that fails meanwhile leaves the wait to the next one.
            first = await asyncio.shield(self._first)
        except StopAsyncIteration:
            return
        self.taken = True
        yield first
        async for item in self._iterator:
            yield item

    async def close(self) -> None:
        """End the iterable, wherever it is."""
        if self._first is not None and not self._first.done():
            self._first.cancel()
            await asyncio.wait([self._first])
        await closed(self._iterator)


async def _walk(items: Iterable[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


async def _concluded(exchange: Coroutine[Any, Any, Any], chain: Chain, context: CallContext) -> Any:
    """Run a call that ends with a response, and tell the interceptors how it ended."""
    try:
        response = await exchange
    except asyncio.CancelledError:
        chain.finish(context, CancelledError("cancelled"))
        raise
    except RpcError as error:
        stands = await chain.error(context, error)
        raise error if stands is None else stands from None
    chain.finish(context)
    return response


def inline_call(method: MethodInfo, submit: Method) -> Method:
    """Return the call of a method with inline parameters: by position, name or one request."""
    names, request_type = method.inline_params, method.request_type
    # A parameter that is named like an option is the parameter.
    options = _OPTIONS.difference(names)

    def call(*args: Any, **kwargs: Any) -> Any:
        chosen = {name: kwargs.pop(name) for name in options.intersection(kwargs)}
        if len(args) == 1 and not kwargs and type(args[0]) is request_type:
            return submit(args[0], **chosen)
        return submit(request_type(*args, **kwargs), **chosen)

    call.__name__ = method.attribute
    return call


def with_options(
    stub: T,
    *,
    timeout: float | None = None,
    metadata: Mapping[str, str] | None = None,
    serialization: SerializationMode | None = None,
) -> T:
    """Return a sibling of a stub or proxy whose calls have these options by default.

    `timeout` is in seconds. Raises `TypeError` for anything but a stub or proxy.
    """
    sibling = getattr(stub, "with_defaults", None)
    if sibling is None:
        raise TypeError(f"a stub or proxy is needed, got {type(stub).__name__}")
    return cast("T", sibling(CallDefaults(timeout, dict(metadata or {}), serialization)))


def as_client(stub: object) -> ServiceClient:
    """Return a stub typed as what it is: its `close`, name and version. `TypeError` for anything else."""
    if not isinstance(stub, ServiceClient):
        raise TypeError(f"a stub is needed, got {type(stub).__name__}")
    return stub
