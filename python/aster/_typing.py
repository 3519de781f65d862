"""Types that checkers see in place of decorated methods (`python-api.md` section 12). Nothing here runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar, overload

if TYPE_CHECKING:
    import dataclasses
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable, Mapping

    from typing_extensions import Concatenate, ParamSpec

    from aster._streams import BidiChannel
    from aster.context import CallContext
    from aster.rpc_types import SerializationMode

    class Dataclass(Protocol):
        """An instance of a dataclass."""

        __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    P = ParamSpec("P")
    Req = TypeVar("Req", bound=Dataclass)
    ReqIn_contra = TypeVar("ReqIn_contra", bound=Dataclass, contravariant=True)
    Resp = TypeVar("Resp")
    RespOut_co = TypeVar("RespOut_co", covariant=True)
    ReqIo = TypeVar("ReqIo", bound=Dataclass)
    RespIo = TypeVar("RespIo")

    class ExplicitCall(Protocol[ReqIn_contra, RespOut_co]):
        """A method that takes one request message."""

        def __call__(
            self,
            request: ReqIn_contra,
            /,
            *,
            metadata: Mapping[str, str] | None = ...,
            timeout: float | None = ...,
            serialization: SerializationMode | None = ...,
        ) -> Coroutine[Any, Any, RespOut_co]: ...

    class InlineMethod(Generic[P, Resp]):
        """What `@rpc` makes of a method with inline parameters."""

        @overload
        def __get__(self, instance: None, owner: type[Any]) -> InlineMethod[P, Resp]: ...
        @overload
        def __get__(self, instance: object, owner: type[Any]) -> Callable[P, Coroutine[Any, Any, Resp]]: ...
        def __get__(self, instance: object, owner: type[Any]) -> Any: ...

    class ExplicitMethod(InlineMethod[[Req], Resp]):
        """What `@rpc` makes of a method with one request message."""

        @overload
        def __get__(self, instance: None, owner: type[Any]) -> ExplicitMethod[Req, Resp]: ...
        @overload
        def __get__(self, instance: object, owner: type[Any]) -> ExplicitCall[Req, Resp]: ...
        def __get__(self, instance: object, owner: type[Any]) -> Any: ...

    class ServerStreamCall(Protocol[ReqIn_contra, RespOut_co]):
        """A method that takes one request message and gives a stream."""

        def __call__(
            self,
            request: ReqIn_contra,
            /,
            *,
            metadata: Mapping[str, str] | None = ...,
            timeout: float | None = ...,
            serialization: SerializationMode | None = ...,
        ) -> AsyncIterator[RespOut_co]: ...

    class ClientStreamCall(Protocol[ReqIn_contra, RespOut_co]):
        """A method that takes a stream of request messages."""

        def __call__(
            self,
            requests: AsyncIterable[ReqIn_contra] | Iterable[ReqIn_contra],
            /,
            *,
            metadata: Mapping[str, str] | None = ...,
            timeout: float | None = ...,
            serialization: SerializationMode | None = ...,
        ) -> Coroutine[Any, Any, RespOut_co]: ...

    class BidiStreamCall(Protocol[ReqIo, RespIo]):
        """A method that gives a channel."""

        def __call__(
            self,
            items: AsyncIterable[ReqIo] | Iterable[ReqIo] | None = None,
            /,
            *,
            metadata: Mapping[str, str] | None = ...,
            timeout: float | None = ...,
            serialization: SerializationMode | None = ...,
        ) -> BidiChannel[ReqIo, RespIo]: ...

    class InlineServerStream(Generic[P, Resp]):
        """What `@server_stream` makes of a method with inline parameters."""

        @overload
        def __get__(self, instance: None, owner: type[Any]) -> InlineServerStream[P, Resp]: ...
        @overload
        def __get__(self, instance: object, owner: type[Any]) -> Callable[P, AsyncIterator[Resp]]: ...
        def __get__(self, instance: object, owner: type[Any]) -> Any: ...

    class ExplicitServerStream(InlineServerStream[[Req], Resp]):
        """What `@server_stream` makes of a method with one request message."""

        @overload
        def __get__(self, instance: None, owner: type[Any]) -> ExplicitServerStream[Req, Resp]: ...
        @overload
        def __get__(self, instance: object, owner: type[Any]) -> ServerStreamCall[Req, Resp]: ...
        def __get__(self, instance: object, owner: type[Any]) -> Any: ...

    class ClientStreamMethod(Generic[Req, Resp]):
        """What `@client_stream` makes of a method."""

        @overload
        def __get__(self, instance: None, owner: type[Any]) -> ClientStreamMethod[Req, Resp]: ...
        @overload
        def __get__(self, instance: object, owner: type[Any]) -> ClientStreamCall[Req, Resp]: ...
        def __get__(self, instance: object, owner: type[Any]) -> Any: ...

    class BidiStreamMethod(Generic[Req, Resp]):
        """What `@bidi_stream` makes of a method."""

        @overload
        def __get__(self, instance: None, owner: type[Any]) -> BidiStreamMethod[Req, Resp]: ...
        @overload
        def __get__(self, instance: object, owner: type[Any]) -> BidiStreamCall[Req, Resp]: ...
        def __get__(self, instance: object, owner: type[Any]) -> Any: ...

    class ServerStreamDecorator(Protocol):
        """What `server_stream` is, or returns, for checkers."""

        @overload
        def __call__(
            self, fn: Callable[[Any, CallContext, Req], AsyncIterable[Resp]], /
        ) -> ExplicitServerStream[Req, Resp]: ...
        @overload
        def __call__(
            self, fn: Callable[Concatenate[Any, CallContext, P], AsyncIterable[Resp]], /
        ) -> InlineServerStream[P, Resp]: ...
        @overload
        def __call__(self, fn: Callable[[Any, Req], AsyncIterable[Resp]], /) -> ExplicitServerStream[Req, Resp]: ...
        @overload
        def __call__(
            self, fn: Callable[[Any, Req, CallContext], AsyncIterable[Resp]], /
        ) -> ExplicitServerStream[Req, Resp]: ...
        @overload
        def __call__(
            self, fn: Callable[Concatenate[Any, P], AsyncIterable[Resp]], /
        ) -> InlineServerStream[P, Resp]: ...

    class ClientStreamDecorator(Protocol):
        """What `client_stream` is, or returns, for checkers."""

        @overload
        def __call__(
            self, fn: Callable[[Any, AsyncGenerator[Req, Any]], Coroutine[Any, Any, Resp]], /
        ) -> ClientStreamMethod[Req, Resp]: ...
        @overload
        def __call__(
            self, fn: Callable[[Any, AsyncGenerator[Req, Any], CallContext], Coroutine[Any, Any, Resp]], /
        ) -> ClientStreamMethod[Req, Resp]: ...
        @overload
        def __call__(
            self, fn: Callable[[Any, CallContext, AsyncGenerator[Req, Any]], Coroutine[Any, Any, Resp]], /
        ) -> ClientStreamMethod[Req, Resp]: ...

    class BidiStreamDecorator(Protocol):
        """What `bidi_stream` is, or returns, for checkers."""

        @overload
        def __call__(
            self, fn: Callable[[Any, AsyncGenerator[Req, Any]], AsyncIterable[Resp]], /
        ) -> BidiStreamMethod[Req, Resp]: ...
        @overload
        def __call__(
            self, fn: Callable[[Any, AsyncGenerator[Req, Any], CallContext], AsyncIterable[Resp]], /
        ) -> BidiStreamMethod[Req, Resp]: ...
        @overload
        def __call__(
            self, fn: Callable[[Any, CallContext, AsyncGenerator[Req, Any]], AsyncIterable[Resp]], /
        ) -> BidiStreamMethod[Req, Resp]: ...

    class UnaryDecorator(Protocol):
        """What `rpc` is, or returns, for checkers."""

        @overload
        def __call__(
            self, fn: Callable[[Any, CallContext, Req], Coroutine[Any, Any, Resp]], /
        ) -> ExplicitMethod[Req, Resp]: ...
        @overload
        def __call__(
            self, fn: Callable[Concatenate[Any, CallContext, P], Coroutine[Any, Any, Resp]], /
        ) -> InlineMethod[P, Resp]: ...
        @overload
        def __call__(self, fn: Callable[[Any, Req], Coroutine[Any, Any, Resp]], /) -> ExplicitMethod[Req, Resp]: ...
        @overload
        def __call__(
            self, fn: Callable[[Any, Req, CallContext], Coroutine[Any, Any, Resp]], /
        ) -> ExplicitMethod[Req, Resp]: ...
        @overload
        def __call__(
            self, fn: Callable[Concatenate[Any, P], Coroutine[Any, Any, Resp]], /
        ) -> InlineMethod[P, Resp]: ...
