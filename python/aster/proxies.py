"""Clients that need no classes: dicts in, dicts out (`python-api.md` section 5)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from aster._ad_hoc import untyped_method, untyped_plan
from aster.json_codec import json_decode, json_encode
from aster.rpc_types import RpcPattern
from aster.stubs import CallDefaults, CallSite

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Mapping
    from types import TracebackType

    from typing_extensions import Self

    from aster import _aster
    from aster._streams import BidiChannel, ResponseStream
    from aster.interceptors._chain import Chain
    from aster.service import ServiceSummary

S = TypeVar("S")


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
    """The calls of one service whose contract is not at hand: JSON, checked by the server."""

    def __init__(
        self,
        caller: _aster.Caller,
        queue: _aster.Queue,
        summary: ServiceSummary,
        chain: Chain | None,
        defaults: CallDefaults | None = None,
    ) -> None:
        self.summary = summary
        self._caller = caller
        self._queue = queue
        self._chain = chain
        self._defaults = defaults
        self._session: _aster.BoundService | None = None
        self._methods: dict[tuple[str, str], Callable[..., Any]] = {}

    def sibling(self, defaults: CallDefaults) -> ProxyCalls:
        """Make the same calls with other defaults."""
        return ProxyCalls(self._caller, self._queue, self.summary, self._chain, defaults)

    def open_session(self, ended: asyncio.Future[None]) -> _aster.BoundService:
        """Make the calls part of a session."""
        plan = self._plan("open", RpcPattern.UNARY)
        self._session = self._bind(plan).open_session(ended)
        return self._session

    def method(self, name: str, pattern: RpcPattern) -> Callable[..., Any]:
        """Return what is called for a method, with messages as dicts."""
        known = self._methods.get((name, pattern.value))
        if known is None:
            plan = self._plan(name, pattern)
            bound = self._bind(plan) if self._session is None else self._session.with_plan(plan)
            site = CallSite(self.summary.name, bound, self._chain, self._defaults)
            known = site.method(0, untyped_method(name, pattern))
            self._methods[name, pattern.value] = known
        return known

    def _bind(self, plan: _aster.Plan) -> _aster.BoundService:
        return self._caller.bind(plan, self._queue, ["json"], (_encode, _decode))

    def _plan(self, method: str, pattern: RpcPattern) -> _aster.Plan:
        return untyped_plan(self.summary.name, self.summary.version, method, pattern, self.summary.pattern)


def _encode(message: Any) -> bytes:
    return json_encode(message)


def _decode(_: bool, body: bytes) -> Any:
    return json_decode(body)


class ProxyMethod:
    """A method of a proxy: `await m({..})`, `await m(k=v)`, `await m(iterable)`, `m.stream(..)`, `m.bidi()`."""

    def __init__(self, calls: ProxyCalls, name: str) -> None:
        self._calls = calls
        self._name = name

    def __call__(self, request: Any = None, /, **fields: Any) -> Coroutine[Any, Any, Any]:
        """Call a unary method with a dict, keywords or both; a client stream with an iterable of dicts."""
        if request is None or isinstance(request, dict):
            message = _merged(cast("dict[str, Any] | None", request), fields)
            call: Coroutine[Any, Any, Any] = self._calls.method(self._name, RpcPattern.UNARY)(message)
            return call
        if fields:
            raise TypeError("a stream of requests takes no fields")
        collected: Coroutine[Any, Any, Any] = self._calls.method(self._name, RpcPattern.CLIENT_STREAM)(request)
        return collected

    def stream(self, request: Mapping[str, Any] | None = None, /, **fields: Any) -> ResponseStream[dict[str, Any]]:
        """Call a server stream; iterate what is returned."""
        responses: ResponseStream[dict[str, Any]] = self._calls.method(self._name, RpcPattern.SERVER_STREAM)(
            _merged(request, fields)
        )
        return responses

    def bidi(self, items: Any = None, /) -> BidiChannel[dict[str, Any], dict[str, Any]]:
        """Open a channel of a bidi method."""
        channel: BidiChannel[dict[str, Any], dict[str, Any]] = self._calls.method(self._name, RpcPattern.BIDI_STREAM)(
            items
        )
        return channel

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

    def __init__(self, calls: ProxyCalls) -> None:
        self._calls = calls
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._bound = calls.open_session(self._ended)
        self.session_id = self._bound.session_id or ""

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
