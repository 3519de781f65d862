"""Decorators that make services out of classes (`python-api.md` section 2)."""

from __future__ import annotations

import inspect
import sys
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, overload

from aster._annotations import Namespace, UnresolvedTypeError, bare, message_class, shown
from aster._declared import declare
from aster._method_decorators import (
    METHOD_ATTRIBUTE,
    MethodOptions,
    bidi_stream,
    client_stream,
    rpc,
    server_stream,
)
from aster.capabilities import requirement
from aster.context import CallContext
from aster.inline_params import make_request
from aster.interceptors.base import Interceptor
from aster.metadata import Metadata
from aster.rpc_types import RpcPattern, RpcScope, SerializationMode
from aster.service import SERVICE_ATTRIBUTE, MethodInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aster.capabilities import Requirement

__all__ = ["bidi_stream", "client_stream", "rpc", "server_stream", "service"]

T = TypeVar("T")
_LARGEST_VERSION = 2**31 - 1
_ITERATORS = (AsyncIterator, AsyncIterable, AsyncGenerator)


@overload
def service(name_or_cls: type[T], /) -> type[T]: ...
@overload
def service(
    name_or_cls: str | None = None,
    /,
    *,
    name: str | None = None,
    version: int = 1,
    serialization: SerializationMode | Sequence[SerializationMode] | None = None,
    scoped: str = "shared",
    interceptors: Sequence[Interceptor | type[Interceptor]] | None = None,
    max_concurrent_streams: int | None = None,
    requires: Requirement | None = None,
    public: bool = False,
    metadata: Metadata | None = None,
) -> Callable[[type[T]], type[T]]: ...
def service(
    name_or_cls: Any = None,
    /,
    *,
    name: str | None = None,
    version: int = 1,
    serialization: SerializationMode | Sequence[SerializationMode] | None = None,
    scoped: str = "shared",
    interceptors: Sequence[Interceptor | type[Interceptor]] | None = None,
    max_concurrent_streams: int | None = None,
    requires: Requirement | None = None,
    public: bool = False,
    metadata: Metadata | None = None,
) -> Any:
    """Make a service out of a class: its decorated methods, those of bases included.

    `scoped="session"` makes one object per session, with the argument `peer`. `interceptors`, classes or instances,
    run after those of the server. `max_concurrent_streams` bounds the calls of a connection. `public` says that
    everyone may call it, so that an open gate needs no warning. Raises `TypeError` and `ValueError` for declarations
    that `python-api.md` section 2 forbids.
    """
    scope = _scope(scoped)
    # Whoever has no checker is told.
    is_whole = isinstance(version, int) and not isinstance(version, bool)  # pyright: ignore[reportUnnecessaryIsInstance]
    if not is_whole or not 0 <= version <= _LARGEST_VERSION:
        raise ValueError("version must be a whole number from 0 to 2147483647")
    if max_concurrent_streams is not None and max_concurrent_streams < 1:
        raise ValueError("max_concurrent_streams must be at least 1")
    modes = _modes(serialization)
    examined = _interceptors(interceptors)
    required = requirement(requires)

    def decorate(cls: Any, local_names: Mapping[str, Any]) -> Any:
        if not isinstance(cls, type):
            raise TypeError("@service can only be applied to classes")
        given = name_or_cls if isinstance(name_or_cls, str) else name
        title = cls.__name__ if given is None else given
        if scope is RpcScope.SESSION:
            _check_session(cls)
        docs = metadata or Metadata(_first_paragraph(cls))
        methods = list(_methods(cls, title, local_names))
        info = declare(
            title,
            version,
            scope,
            methods,
            modes=modes,
            requires=required,
            public=public,
            metadata=docs,
            interceptors=examined,
            max_concurrent_streams=max_concurrent_streams,
            producer_language="python" if SerializationMode.NATIVE in modes else "",
            local_names=local_names,
        )
        setattr(cls, SERVICE_ATTRIBUTE, info)
        return cls

    if name_or_cls is None or isinstance(name_or_cls, str):

        def decorator(cls: Any) -> Any:
            return decorate(cls, sys._getframe(1).f_locals)  # noqa: SLF001 - names of the caller

        return decorator
    return decorate(name_or_cls, sys._getframe(1).f_locals)  # noqa: SLF001


def _scope(scoped: str) -> RpcScope:
    if scoped == "stream":
        return RpcScope.SESSION
    if scoped not in {RpcScope.SHARED.value, RpcScope.SESSION.value}:
        raise ValueError(f"scoped must be 'shared' or 'session', got {scoped!r}")
    return RpcScope(scoped)


def _check_session(cls: type[Any]) -> None:
    try:
        parameters = inspect.signature(cls).parameters
    except ValueError:
        parameters = inspect.signature(cls.__init__).parameters
    peer = parameters.get("peer")
    by_name = peer is not None and peer.kind in {peer.POSITIONAL_OR_KEYWORD, peer.KEYWORD_ONLY}
    if not by_name and not any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        raise TypeError(f"@service(scoped='session') class {cls.__name__}.__init__ must accept a 'peer' parameter")


def _modes(given: SerializationMode | Iterable[SerializationMode] | None) -> tuple[SerializationMode, ...]:
    if given is None:
        return (SerializationMode.XLANG,)
    if isinstance(given, int):
        return (SerializationMode(given),)
    return tuple(SerializationMode(mode) for mode in given)


def _interceptors(given: Iterable[Any] | None) -> tuple[Interceptor | type[Interceptor], ...]:
    found = tuple(given) if isinstance(given, Iterable) else () if given is None else (given,)
    for one in found:
        if not (issubclass(one, Interceptor) if isinstance(one, type) else isinstance(one, Interceptor)):
            raise TypeError(f"interceptors must be a list of interceptors, or classes of them, got {shown(type(one))}")
    return found


def _first_paragraph(documented: Any) -> str:
    # A class inherits the text of its base, and a dataclass is given its signature; neither describes it.
    text = documented.__dict__.get("__doc__") if isinstance(documented, type) else documented.__doc__
    return " ".join(inspect.cleandoc(text or "").split("\n\n", 1)[0].split())


def _methods(cls: type[Any], title: str, local_names: Mapping[str, Any]) -> Iterable[MethodInfo]:
    """Read the decorated methods, those of bases first."""
    attributes = dict.fromkeys(name for base in reversed(cls.__mro__) for name in base.__dict__)
    seen: set[str] = set()
    for attribute in attributes:
        function = inspect.getattr_static(cls, attribute, None)
        options = getattr(function, METHOD_ATTRIBUTE, None)
        if not isinstance(options, MethodOptions) or not inspect.isfunction(function):
            continue
        method = _read_method(cls, attribute, function, options, local_names)
        if method.name in seen:
            raise ValueError(f"Duplicate method name '{method.name}' in service '{title}'")
        seen.add(method.name)
        yield method


def _read_method(
    cls: type[Any], attribute: str, function: Any, options: MethodOptions, local_names: Mapping[str, Any]
) -> MethodInfo:
    name = attribute if options.name is None else options.name
    pattern = options.pattern.value
    namespace = Namespace(function.__globals__, {cls.__name__: cls, **local_names})
    streams_input = options.pattern in {RpcPattern.CLIENT_STREAM, RpcPattern.BIDI_STREAM}
    streams_output = options.pattern in {RpcPattern.SERVER_STREAM, RpcPattern.BIDI_STREAM}
    try:
        signature = inspect.signature(function)
        parameters, context = _parameters(attribute, signature, namespace)
        response = _response(attribute, signature.return_annotation, namespace, streams_output)
        if streams_input:
            request, explicit = _streamed_request(attribute, pattern, parameters, namespace), True
        else:
            request_types = [resolved for _, resolved in parameters.values()]
            explicit = len(request_types) == 1 and message_class(request_types[0]) is not None
            request = request_types[0] if explicit else make_request(cls.__module__, name, parameters, namespace)
    except UnresolvedTypeError as error:
        raise TypeError(f"Method {attribute}: cannot resolve annotation '{error}'") from error
    return MethodInfo(
        name=name,
        attribute=attribute,
        pattern=pattern,
        request_type=request,
        response_type=response,
        timeout=options.timeout,
        idempotent=options.idempotent,
        serialization=options.serialization,
        requires=options.requires,
        metadata=options.metadata or Metadata(_first_paragraph(function)),
        context_parameter=context,
        request_style="explicit" if explicit else "inline",
        inline_params=() if explicit else tuple(parameters),
    )


def _streamed_request(
    method: str, pattern: str, parameters: dict[str, tuple[inspect.Parameter, Any]], namespace: Namespace
) -> type[Any]:
    """Return the type of the items of a request stream."""
    if not parameters:
        raise TypeError(f"Method {method} is marked as {pattern} but has no request parameter")
    (parameter, resolved), *others = parameters.values()
    item = _item_type(resolved, namespace)
    if others or item is None:
        raise TypeError(
            f"Method {method} is marked as {pattern}: its request parameter must be an AsyncIterator of a dataclass"
        )
    if message_class(item) is None:
        raise TypeError(f"Method {method}: items of '{parameter.name}' must be a dataclass, got {shown(item)}")
    found: type[Any] = item
    return found


def _item_type(annotation: Any, namespace: Namespace) -> Any:
    """Return what an async iterator yields; nothing if the annotation is none, or says nothing of its items."""
    arguments = get_args(annotation)
    if get_origin(annotation) not in _ITERATORS or not arguments:
        return None
    item = bare(arguments[0], namespace)
    return type(None) if item is None else item


def _parameters(
    method: str, signature: inspect.Signature, namespace: Namespace
) -> tuple[dict[str, tuple[inspect.Parameter, Any]], str | None]:
    """Return the parameters that make the request, and the one for the context."""
    found: dict[str, tuple[inspect.Parameter, Any]] = {}
    context = None
    for parameter in list(signature.parameters.values())[1:]:
        if parameter.annotation is inspect.Parameter.empty:
            raise TypeError(f"Method {method} has no type annotation for request parameter '{parameter.name}'")
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
            raise TypeError(f"Inline parameter '{parameter.name}' has unsupported type *{shown(parameter.annotation)}")
        resolved = bare(parameter.annotation, namespace)
        if resolved is CallContext:
            context = parameter.name
        else:
            found[parameter.name] = (parameter, resolved)
    return found, context


def _response(method: str, annotation: Any, namespace: Namespace, streams: bool) -> type[Any]:
    if annotation is inspect.Signature.empty:
        raise TypeError(f"Method {method} has no return type annotation")
    resolved = bare(annotation, namespace)
    item = _item_type(resolved, namespace) if streams else None
    if item is not None:
        resolved = item
    elif streams and resolved is not None:
        raise TypeError(f"Method {method} must return an AsyncIterator of a dataclass, got {shown(annotation)}")
    if resolved is None or resolved is type(None):
        raise TypeError(
            f"Method {method} returns None -- Aster RPC methods must return a @wire_type dataclass, not None."
        )
    if message_class(resolved) is None:
        raise TypeError(f"Method {method} must return a dataclass, got {shown(annotation)}")
    found: type[Any] = resolved
    return found
