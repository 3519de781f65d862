"""What generated clients are made of (`contract.md` section 8). Programs use the clients, not this module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from aster._declared import declare
from aster._wire_type import assign_tag
from aster.capabilities import requirement
from aster.metadata import Metadata
from aster.proxies import SessionOpener
from aster.rpc_types import RpcPattern, RpcScope, SerializationMode
from aster.service import SERVICE_ATTRIBUTE, MethodInfo

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
    from types import TracebackType

    from typing_extensions import Self

    from aster._streams import BidiChannel
    from aster.capabilities import Requirement
    from aster.client import AsterClient
    from aster.session import ClientSession, SessionStub
    from aster.stubs import CallDefaults, ServiceClient

__all__ = [
    "BidiStream",
    "ClientStream",
    "GeneratedClient",
    "GeneratedSessionClient",
    "ServerStream",
    "Unary",
    "wire_type",
]

T = TypeVar("T", bound="type[Any]")
Req = TypeVar("Req")
Resp = TypeVar("Resp")

_CALL = "_call_"


def wire_type(tag: str, *, metadata: Mapping[str, Metadata] | None = None) -> Callable[[T], T]:
    """Name a dataclass or enum on the wire as `aster.wire_type` does, with whatever tag a contract has.

    `metadata` documents fields by name.
    """

    def decorate(cls: T) -> T:
        assign_tag(cls, tag)
        if metadata is not None:
            cls.__wire_type_field_metadata__ = dict(metadata)
        return cls

    return decorate


class Method(Generic[Req, Resp]):
    """A method of a generated client: its name on the wire, its types and its options; `timeout` is in seconds."""

    pattern: ClassVar[RpcPattern]

    def __init__(
        self,
        name: str,
        request: type[Req],
        response: type[Resp],
        *,
        timeout: float | None = None,
        idempotent: bool = False,
        requires: Requirement | None = None,
        metadata: Metadata | None = None,
        inline: Sequence[str] | None = None,
    ) -> None:
        self.name = name
        self.attribute = name
        self._types = (request, response)
        self._timeout = timeout
        self._idempotent = idempotent
        self._requires = requirement(requires)
        self._metadata = metadata or Metadata()
        self._inline = inline

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.attribute = name[len(_CALL) :]

    def info(self) -> MethodInfo:
        """Return the form of declared services."""
        request, response = self._types
        return MethodInfo(
            name=self.name,
            attribute=self.attribute,
            pattern=self.pattern.value,
            request_type=request,
            response_type=response,
            timeout=self._timeout,
            idempotent=self._idempotent,
            serialization=None,
            requires=self._requires,
            metadata=self._metadata,
            context_parameter=None,
            request_style="explicit" if self._inline is None else "inline",
            inline_params=tuple(self._inline or ()),
        )


class Unary(Method[Req, Resp]):
    """One request, one response."""

    pattern = RpcPattern.UNARY


class ServerStream(Method[Req, Resp]):
    """One request, any number of responses."""

    pattern = RpcPattern.SERVER_STREAM


class ClientStream(Method[Req, Resp]):
    """Any number of requests, one response."""

    pattern = RpcPattern.CLIENT_STREAM


class BidiStream(Method[Req, Resp]):
    """Any number of requests and responses."""

    pattern = RpcPattern.BIDI_STREAM


class GeneratedClient:
    """Base of generated clients: a typed face of a stub.

    The class itself stands for the service, so that `contract_id_from_service` and `AsterClient.client` take it.
    """

    _service_name: ClassVar[str]
    _service_version: ClassVar[int]
    _contract_id: ClassVar[str]
    _wire_types: ClassVar[tuple[type[Any], ...]]
    _scope: ClassVar[RpcScope] = RpcScope.SHARED

    def __init__(self, stub: ServiceClient) -> None:
        self._stub = stub

    def __init_subclass__(
        cls,
        *,
        modes: Sequence[SerializationMode] = (SerializationMode.XLANG,),
        producer_language: str = "",
        requires: Requirement | None = None,
        metadata: Metadata | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        if "_service_name" not in cls.__dict__:
            return
        methods = [entry.info() for entry in cls.__dict__.values() if isinstance(entry, Method)]
        info = declare(
            cls._service_name,
            cls._service_version,
            cls._scope,
            methods,
            modes=tuple(modes),
            requires=requirement(requires),
            metadata=metadata or Metadata(),
            producer_language=producer_language,
            local_names={},
        )
        setattr(cls, SERVICE_ATTRIBUTE, info)

    @classmethod
    def from_connection(cls, client: AsterClient | ClientSession, **options: Any) -> SessionOpener[Self]:
        """Return the client of the service that a connected client reaches: `await` it, or `async with`.

        `options` are those of `AsterClient.client`, such as `interceptors` and `resolve`. Raises `LookupError` if the
        server does not offer the service.
        """

        async def opened() -> Self:
            return cls(cast("ServiceClient", await client.client(cls, **options)))

        return SessionOpener(opened)

    def with_defaults(self, defaults: CallDefaults) -> Self:
        """Make a sibling whose calls have other defaults; see `aster.with_options`."""
        return type(self)(self._stub.with_defaults(defaults))

    async def close(self) -> None:
        """Let go of the service; the connection stays. A session ends."""
        await self._stub.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<client of {self._service_name} v{self._service_version}>"

    def _start(self, method: Method[Any, Any], request: Any, *options: Any) -> Any:
        """Call the stub with those of `metadata timeout serialization` that are given."""
        names = ("metadata", "timeout", "serialization")
        given = {name: value for name, value in zip(names, options) if value is not None}
        return getattr(self._stub, method.attribute)(request, **given)

    def _unary(
        self,
        method: Unary[Req, Resp],
        request: Req,
        metadata: Mapping[str, str] | None,
        timeout: float | None,
        serialization: SerializationMode | None,
    ) -> Coroutine[Any, Any, Resp]:
        call: Coroutine[Any, Any, Resp] = self._start(method, request, metadata, timeout, serialization)
        return call

    def _server_stream(
        self,
        method: ServerStream[Req, Resp],
        request: Req,
        metadata: Mapping[str, str] | None,
        timeout: float | None,
        serialization: SerializationMode | None,
    ) -> AsyncIterator[Resp]:
        responses: AsyncIterator[Resp] = self._start(method, request, metadata, timeout, serialization)
        return responses

    def _client_stream(
        self,
        method: ClientStream[Req, Resp],
        requests: AsyncIterable[Req] | Iterable[Req],
        metadata: Mapping[str, str] | None,
        timeout: float | None,
        serialization: SerializationMode | None,
    ) -> Coroutine[Any, Any, Resp]:
        call: Coroutine[Any, Any, Resp] = self._start(method, requests, metadata, timeout, serialization)
        return call

    def _bidi_stream(
        self,
        method: BidiStream[Req, Resp],
        items: AsyncIterable[Req] | Iterable[Req] | None,
        metadata: Mapping[str, str] | None,
        timeout: float | None,
        serialization: SerializationMode | None,
    ) -> BidiChannel[Req, Resp]:
        channel: BidiChannel[Req, Resp] = self._start(method, items, metadata, timeout, serialization)
        return channel


class GeneratedSessionClient(GeneratedClient):
    """Base of generated clients of session services: one client is one session, ended by `close()`."""

    _scope: ClassVar[RpcScope] = RpcScope.SESSION

    @property
    def session_id(self) -> str:
        """The id of the session."""
        return cast("SessionStub", self._stub).session_id

    async def cancel(self) -> None:
        """Cancel the call that runs, with CANCELLED; the session goes on."""
        await cast("SessionStub", self._stub).cancel()
