"""Clients that need no classes: dicts in, dicts out (`python-api.md` section 5)."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from aster import _aster
from aster._ad_hoc import dynamic_method, untyped_method, untyped_plan
from aster._native import settle
from aster._streams import BidiChannel, ResponseStream
from aster.json_codec import json_decode, json_encode
from aster.rpc_types import RpcPattern
from aster.status import UnimplementedError
from aster.stubs import CallDefaults, CallSite

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Mapping
    from types import TracebackType

    from typing_extensions import Self

    from aster.interceptors._chain import Chain
    from aster.service import MethodInfo, ServiceSummary

S = TypeVar("S")

logger = logging.getLogger("aster.client")

# How each kind of method is called.
_FORMS = {
    RpcPattern.UNARY: "await proxy.{}({{..}})",
    RpcPattern.CLIENT_STREAM: "await proxy.{}(requests)",
    RpcPattern.SERVER_STREAM: "proxy.{}.stream({{..}})",
    RpcPattern.BIDI_STREAM: "proxy.{}.bidi()",
}


class SessionOpener(Generic[S]):
    """Opens a session: `await` gives it, `async with` closes it, too."""

    def __init__(self, opened: Callable[[], Coroutine[Any, Any, S]]) -> None:
        self._opened = opened
        self._session: Any = None

    def __await__(self) -> Generator[Any, None, S]:
        return self._opened().__await__()

    async def __aenter__(self) -> S:
        self._session = await self._opened()
        session: S = self._session
        return session

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._session.close()


class ProxyCalls:
    """The calls of one service whose contract is found at the first call; without it JSON, checked by the server."""

    def __init__(
        self,
        caller: _aster.Caller,
        queue: _aster.Queue,
        summary: ServiceSummary,
        chain: Chain | None,
        client: _aster.Client | None = None,
        defaults: CallDefaults | None = None,
    ) -> None:
        self.summary = summary
        self._caller = caller
        self._client = client
        self._queue = queue
        self._chain = chain
        self._defaults = defaults or CallDefaults()
        self._session: _aster.BoundService | None = None
        self._methods: dict[tuple[str, str], Callable[..., Any]] = {}
        self._plan: _aster.Plan | None = None
        self._declared: dict[str, tuple[int, MethodInfo]] | None = None
        self._turn: asyncio.Lock | None = None
        self._is_ready = False

    def sibling(self, defaults: CallDefaults) -> ProxyCalls:
        """Make the same calls with other defaults."""
        return ProxyCalls(self._caller, self._queue, self.summary, self._chain, self._client, defaults)

    async def open_session(self, ended: asyncio.Future[None]) -> _aster.BoundService:
        """Make the calls part of a session."""
        await self.ready()
        bound = self._bind(self._plan or self._untyped("open", RpcPattern.UNARY))
        self._session = bound.open_session(ended)
        return self._session

    async def ready(self) -> None:
        """Find the contract, once; over a connection alone there is no way to it."""
        if self._is_ready or self._client is None:
            return
        if self._turn is None:
            self._turn = asyncio.Lock()
        async with self._turn:
            if not self._is_ready:
                await self._find(self._client)
                self._is_ready = True

    async def _find(self, client: _aster.Client) -> None:
        summary = self.summary
        try:
            operation = client.contract(self._queue, summary.name, summary.version, self._defaults.timeout)
            described = _aster.description_of_manifest(await settle(operation))
        except LookupError as error:
            logger.warning("contract of '%s' v%d is unavailable: using JSON (%s)", summary.name, summary.version, error)
            return
        self._declare(described)

    def know(self, manifest: str | None) -> None:
        """Use this verified manifest, or none and JSON, instead of looking for the contract."""
        self._is_ready = True
        if manifest is not None:
            self._declare(_aster.description_of_manifest(manifest))

    def _declare(self, described: str) -> None:
        self._plan = _aster.Plan(described, {}, {})
        self._declared = {
            method.name: (index, method) for index, method in enumerate(map(dynamic_method, _methods(described)))
        }

    def method(self, name: str, pattern: RpcPattern) -> Callable[..., Any]:
        """Return what is called for a method, with messages as dicts; once the contract was looked for."""
        known = self._methods.get((name, pattern.value))
        if known is None:
            known = self._make(name, pattern)
            self._methods[name, pattern.value] = known
        return known

    def _make(self, name: str, pattern: RpcPattern) -> Callable[..., Any]:
        if self._declared is None or self._plan is None:
            plan, index, method = self._untyped(name, pattern), 0, untyped_method(name, pattern)
        else:
            plan, (index, method) = self._plan, self._named(name, pattern)
        bound = self._bind(plan) if self._session is None else self._session.with_plan(plan)
        return CallSite(self.summary.name, bound, self._chain, self._defaults).method(index, method)

    def _named(self, name: str, pattern: RpcPattern) -> tuple[int, MethodInfo]:
        found = (self._declared or {}).get(name)
        if found is None:
            raise UnimplementedError(f"Method '{self.summary.name}.{name}' not implemented")
        if found[1].pattern != pattern.value:
            declared = RpcPattern(found[1].pattern)
            raise RuntimeError(
                f"'{self.summary.name}.{name}' is a {declared.value} method. Use {_FORMS[declared].format(name)}."
            )
        return found

    def _bind(self, plan: _aster.Plan) -> _aster.BoundService:
        if plan is self._plan:
            return self._caller.bind(plan, self._queue, self.summary.serialization_modes, None)
        return self._caller.bind(plan, self._queue, ["json"], (_encode, _decode))

    def _untyped(self, method: str, pattern: RpcPattern) -> _aster.Plan:
        return untyped_plan(self.summary.name, self.summary.version, method, pattern, self.summary.pattern)


def _methods(described: str) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", json.loads(described)["methods"])


def _encode(message: Any) -> bytes:
    return json_encode(message)


def _decode(_: bool, body: bytes) -> Any:
    return json_decode(body)


class _Responses(ResponseStream["dict[str, Any]"]):
    """The responses of a call whose method is known once the contract is."""

    _inner: ResponseStream[dict[str, Any]] | None = None

    def __init__(self, begin: Callable[[], Coroutine[Any, Any, ResponseStream[dict[str, Any]]]]) -> None:
        super().__init__(_never)
        self._begin = begin

    async def _next(self) -> Any:
        if self._inner is None:
            self._inner = await self._begin()
        return await self._inner.__anext__()

    async def aclose(self) -> None:
        """Cancel the call, unless it has ended."""
        await super().aclose()
        if self._inner is not None:
            await self._inner.aclose()


class _Channel(BidiChannel["dict[str, Any]", "dict[str, Any]"]):
    """The channel of a call whose method is known once the contract is."""

    def __init__(
        self, found: Callable[[], Coroutine[Any, Any, BidiChannel[dict[str, Any], dict[str, Any]]]], items: Any
    ) -> None:
        super().__init__(_never, items)
        self._found = found

    async def _start(self) -> _aster.ClientCall:
        known = await self._found()
        self._opener, self._begin = known._opener, known._begin  # noqa: SLF001 - one more of its kind
        return await super()._start()


def _never() -> _aster.ClientCall:
    raise AssertionError("the contract was not looked for")


class ProxyMethod:
    """A method of a proxy: `await m({..})`, `await m(k=v)`, `await m(iterable)`, `m.stream(..)`, `m.bidi()`."""

    def __init__(self, calls: ProxyCalls, name: str) -> None:
        self._calls = calls
        self._name = name

    def __call__(self, request: Any = None, /, **fields: Any) -> Coroutine[Any, Any, Any]:
        """Call a unary method with a dict, keywords or both; a client stream with an iterable of dicts."""
        if request is None or isinstance(request, dict):
            message = _merged(cast("dict[str, Any] | None", request), fields)
            return self._call(RpcPattern.UNARY, message)
        if fields:
            raise TypeError("a stream of requests takes no fields")
        return self._call(RpcPattern.CLIENT_STREAM, request)

    async def _call(self, pattern: RpcPattern, request: Any) -> Any:
        await self._calls.ready()
        return await self._calls.method(self._name, pattern)(request)

    def stream(self, request: Mapping[str, Any] | None = None, /, **fields: Any) -> ResponseStream[dict[str, Any]]:
        """Call a server stream; iterate what is returned."""
        message = _merged(request, fields)

        async def begin() -> ResponseStream[dict[str, Any]]:
            await self._calls.ready()
            responses: ResponseStream[dict[str, Any]] = self._calls.method(self._name, RpcPattern.SERVER_STREAM)(
                message
            )
            return responses

        return _Responses(begin)

    def bidi(self, items: Any = None, /) -> BidiChannel[dict[str, Any], dict[str, Any]]:
        """Open a channel of a bidi method."""

        async def found() -> BidiChannel[dict[str, Any], dict[str, Any]]:
            await self._calls.ready()
            channel: BidiChannel[dict[str, Any], dict[str, Any]] = self._calls.method(
                self._name, RpcPattern.BIDI_STREAM
            )()
            return channel

        return _Channel(found, items)

    def __repr__(self) -> str:
        return f"<method {self._calls.summary.name}.{self._name}>"


def _merged(request: Mapping[str, Any] | None, fields: dict[str, Any]) -> dict[str, Any]:
    return {**(request or {}), **fields}


class ProxyClient:
    """A client of one service; its attributes are the methods, by their names on the wire."""

    def __init__(self, calls: ProxyCalls) -> None:
        self._calls = calls

    def __getattr__(self, name: str) -> ProxyMethod:
        if name.startswith("_"):
            raise AttributeError(f"'{type(self).__name__}' has no attribute '{name}'")
        return ProxyMethod(self._calls, name)

    def __await__(self) -> Generator[Any, None, Self]:
        return self._itself().__await__()

    async def _itself(self) -> Self:
        return self

    def with_defaults(self, defaults: CallDefaults) -> ProxyClient:
        """Make a sibling whose calls have other defaults."""
        return ProxyClient(self._calls.sibling(defaults))

    async def close(self) -> None:
        """Let go of the service. The connection of the client stays."""

    def __repr__(self) -> str:
        return f"<proxy of {self._calls.summary.name} v{self._calls.summary.version}>"


class SessionProxyClient:
    """A session of one service; its attributes are the methods, by their names on the wire."""

    def __init__(self, calls: ProxyCalls, bound: _aster.BoundService, ended: asyncio.Future[None]) -> None:
        self._calls = calls
        self._ended = ended
        self._bound = bound
        self.session_id = bound.session_id or ""

    @classmethod
    async def open(cls, calls: ProxyCalls) -> Self:
        """Open a session, once the contract was looked for."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        return cls(calls, await calls.open_session(ended), ended)

    def __getattr__(self, name: str) -> ProxyMethod:
        if name.startswith("_"):
            raise AttributeError(f"'{type(self).__name__}' has no attribute '{name}'")
        return ProxyMethod(self._calls, name)

    async def call(self, method: str, request: Mapping[str, Any]) -> Any:
        """Call a unary method by its name."""
        return await ProxyMethod(self._calls, method)(dict(request))

    async def close(self) -> None:
        """End the session and wait for its close hook at the server, at most a second. Repeatable."""
        self._bound.close_session()
        await asyncio.shield(self._ended)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __del__(self) -> None:
        bound = self.__dict__.get("_bound")
        if bound is not None and not self._ended.done():
            bound.close_session()

    def __repr__(self) -> str:
        return f"<session {self.session_id} of {self._calls.summary.name}>"
