"""Types that checkers see in place of decorated methods (`python-api.md` section 12). Nothing here runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar, overload

if TYPE_CHECKING:
    import dataclasses
    from collections.abc import Callable, Coroutine, Mapping

    from typing_extensions import Concatenate, ParamSpec

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

    class ExplicitMethod(Generic[Req, Resp]):
        """What `@rpc` makes of a method with one request message."""

        @overload
        def __get__(self, instance: None, owner: type[Any]) -> ExplicitMethod[Req, Resp]: ...
        @overload
        def __get__(self, instance: object, owner: type[Any]) -> ExplicitCall[Req, Resp]: ...
        def __get__(self, instance: object, owner: type[Any]) -> Any: ...

    class InlineMethod(Generic[P, Resp]):
        """What `@rpc` makes of a method with inline parameters."""

        @overload
        def __get__(self, instance: None, owner: type[Any]) -> InlineMethod[P, Resp]: ...
        @overload
        def __get__(self, instance: object, owner: type[Any]) -> Callable[P, Coroutine[Any, Any, Resp]]: ...
        def __get__(self, instance: object, owner: type[Any]) -> Any: ...

    class UnaryDecorator(Protocol):
        """What `rpc` is, or returns, for checkers."""

        @overload
        def __call__(self, fn: Callable[[Any, Req], Coroutine[Any, Any, Resp]], /) -> ExplicitMethod[Req, Resp]: ...
        @overload
        def __call__(
            self, fn: Callable[[Any, Req, CallContext], Coroutine[Any, Any, Resp]], /
        ) -> ExplicitMethod[Req, Resp]: ...
        @overload
        def __call__(
            self, fn: Callable[Concatenate[Any, CallContext, P], Coroutine[Any, Any, Resp]], /
        ) -> InlineMethod[P, Resp]: ...
        @overload
        def __call__(
            self, fn: Callable[Concatenate[Any, P], Coroutine[Any, Any, Resp]], /
        ) -> InlineMethod[P, Resp]: ...
