"""How a server runs the methods of its services, with its interceptors around them."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from aster._requests import ExaminedStream, RequestStream
from aster._sessions import SessionTable
from aster.context import CallContext, enter_call, of_call
from aster.interceptors._chain import Chain
from aster.interceptors.compression import COMPRESSION_THRESHOLD_NOTE
from aster.rpc_types import RpcPattern, RpcScope
from aster.service import service_info
from aster.status import CancelledError, DeadlineExceededError, RpcError, UnknownRpcError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from aster import _aster
    from aster.interceptors import Interceptor
    from aster.service import MethodInfo, ServiceInfo

    Runner = Callable[[_aster.ServerCall, Any], Coroutine[Any, Any, None]]
    Invoke = Callable[[_aster.ServerCall, Any], Any]
    Answer = Callable[[_aster.ServerCall, Any], Coroutine[Any, Any, None]]

logger = logging.getLogger("aster.server")

_UNARY, _SERVER, _CLIENT = RpcPattern.UNARY.value, RpcPattern.SERVER_STREAM.value, RpcPattern.CLIENT_STREAM.value


def host(
    server: _aster.Server | _aster.Host,
    queue: _aster.Queue,
    target: object,
    info: ServiceInfo,
    interceptors: Iterable[Interceptor],
) -> None:
    """Register a service: an instance, or the class of a session service."""
    chain = Chain.of([*interceptors, *(one() if isinstance(one, type) else one for one in info.interceptors)])
    methods = info.methods.values()
    if info.scoped == RpcScope.SESSION.value:
        table = SessionTable(target if isinstance(target, type) else type(target), queue)
        runners = [make_runner(_session_invocation(table, method), method, chain) for method in methods]
        server.register(info.plan, queue, runners, (table.opened, table.closed))
    else:
        runners = [make_runner(_invocation(getattr(target, one.attribute), one), one, chain) for one in methods]
        server.register(info.plan, queue, runners, None)


def class_of(target: object) -> type[Any]:
    """Return the class of an instance, or the class itself."""
    return target if isinstance(target, type) else type(target)


def decorated(target: object) -> ServiceInfo:
    """Return what is known of a service: an instance, or the class of a session service. Else `TypeError`."""
    cls = class_of(target)
    info = service_info(cls)
    if info is None:
        raise TypeError(f"{cls} is not @service-decorated (missing __aster_service_info__)")
    if isinstance(target, type) and info.scoped != RpcScope.SESSION.value:
        raise TypeError(f"{cls} is shared: give an instance of it, not the class")
    return info


def make_runner(invoke: Invoke, method: MethodInfo, chain: Chain | None) -> Runner:
    """Return what runs one method: it answers the call and releases it, whatever happens."""
    if chain is None and method.pattern == _UNARY:
        return _plain_unary(invoke)
    if chain is None:
        return _guarded(_plain_stream(invoke, method.pattern))
    return _guarded(_examined(invoke, method, chain))


def _plain_unary(invoke: Invoke) -> Runner:
    """Return the runner of most calls, with nothing that they do not need."""

    async def run(call: _aster.ServerCall, request: Any) -> None:
        enter_call(call)
        try:
            response = await invoke(call, request)
        except RpcError as error:
            _refuse(call, error)
        except asyncio.CancelledError:
            # Ignored if the call is over; otherwise the loop ends, or the handler cancelled itself.
            call.fail("handler was cancelled")
            raise
        except Exception as error:  # noqa: BLE001 - the caller must be answered
            _report(call, error)
            call.fail(_text(error))
        else:
            _reply(call, response)
        finally:
            call.release()

    return run


def _guarded(answer: Answer) -> Runner:
    async def run(call: _aster.ServerCall, request: Any) -> None:
        enter_call(call)
        try:
            await answer(call, request)
        except RpcError as error:
            _refuse(call, error)
        except asyncio.CancelledError:
            call.fail("handler was cancelled")
            raise
        except Exception as error:  # noqa: BLE001 - the caller must be answered
            _report(call, error)
            call.fail(_text(error))
        finally:
            call.release()

    return run


def _plain_stream(invoke: Invoke, pattern: str) -> Answer:
    if pattern == _SERVER:

        async def answer(call: _aster.ServerCall, request: Any) -> None:
            await _send_all(call, invoke(call, request))

    elif pattern == _CLIENT:

        async def answer(call: _aster.ServerCall, request: Any) -> None:  # noqa: ARG001 - there is none
            _reply(call, await invoke(call, RequestStream(call)))

    else:

        async def answer(call: _aster.ServerCall, request: Any) -> None:  # noqa: ARG001
            await _send_all(call, invoke(call, RequestStream(call)))

    return answer


def _examined(invoke: Invoke, method: MethodInfo, chain: Chain) -> Answer:
    """Return what runs a method with interceptors around it, each hook as often as `wire.md` section 17 says."""
    unary = method.pattern == _UNARY
    run = _examined_unary if unary else _examined_stream
    has_start = chain.has_unary_start if unary else chain.has_start

    async def answer(call: _aster.ServerCall, request: Any) -> None:
        context = of_call(call)
        enter_call(context)
        try:
            if has_start:
                await chain.start(context)
            await run(call, context, request, invoke, chain)
        except asyncio.CancelledError:
            # The caller is gone, or its time is over: the hooks are told, and nobody hears their answer.
            await chain.error(context, _why_cancelled(context))
            raise
        except RpcError as error:
            await _end(call, await chain.error(context, error), error)
        except Exception as error:  # noqa: BLE001 - the caller must be answered
            _report(call, error)
            unknown = UnknownRpcError(_text(error))
            stands = await chain.error(context, unknown)
            if stands is unknown:
                call.fail(unknown.message)
            else:
                await _end(call, stands, unknown)
        else:
            chain.finish(context)

    return answer


async def _end(call: _aster.ServerCall, stands: RpcError | None, error: RpcError) -> None:
    """End a failed call with the error that stands after the hooks, or normally without one."""
    if call.answered:
        return
    if stands is None:
        call.finish(0, "", {})
    else:
        raise stands from error.__cause__


async def _examined_unary(
    call: _aster.ServerCall, context: CallContext, request: Any, invoke: Invoke, chain: Chain
) -> None:
    if chain.has_request:
        request = await chain.request(context, request)
    _compress(call, context)
    response = await invoke(call, request)
    if chain.has_response:
        response = await chain.response(context, response)
    _reply(call, response, told=True)


async def _examined_stream(
    call: _aster.ServerCall, context: CallContext, request: Any, invoke: Invoke, chain: Chain
) -> None:
    if context.pattern == _SERVER:
        if chain.has_request:
            request = await chain.request(context, request)
    elif chain.has_request:
        request = ExaminedStream(call, chain, context)
        if not chain.starts_at_once:
            await request.examine_first()
    else:
        request = RequestStream(call)
    _compress(call, context)
    answer = invoke(call, request)
    if context.pattern == _CLIENT:
        response = await answer
        _reply(call, await chain.response(context, response) if chain.has_response else response, told=True)
    else:
        await _send_all(call, answer, chain, context)


async def _send_all(
    call: _aster.ServerCall, items: Any, chain: Chain | None = None, context: CallContext | None = None
) -> None:
    """Send what a generator yields, and end the call when it does."""
    send, room = call.send, call.room
    response = chain.response if chain is not None and chain.has_response else None
    try:
        async for item in items:
            passed = item if response is None or context is None else await response(context, item)
            while not send(passed):
                await room()
    except RpcError as error:
        if call.answered:
            _log_refused(call, error)
        if not call.answered or chain is not None:
            raise
    else:
        call.finish(0, "", {})
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            await close()


def _session_invocation(table: SessionTable, method: MethodInfo) -> Invoke:
    def invoke(call: _aster.ServerCall, request: Any) -> Any:
        instance = table.instance(call.session)
        return _invocation(getattr(instance, method.attribute), method)(call, request)

    return invoke


def _invocation(handler: Callable[..., Any], method: MethodInfo) -> Invoke:
    context, names = method.context_parameter, method.inline_params
    if method.request_style == "explicit":
        if context is None:
            return lambda _, request: handler(request)
        explicit = next(name for name in _parameter_names(handler) if name != context)
        return lambda call, request: handler(**{explicit: request, context: current_of(call)})
    if context is None:
        return lambda _, request: handler(**{name: getattr(request, name) for name in names})
    return lambda call, request: handler(
        **{name: getattr(request, name) for name in names}, **{context: current_of(call)}
    )


def current_of(call: _aster.ServerCall) -> CallContext:
    """Return the context of the call that runs: the one its interceptors see."""
    return CallContext.current() or of_call(call)


def _parameter_names(handler: Callable[..., Any]) -> tuple[str, ...]:
    code = handler.__code__
    names: tuple[str, ...] = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    return names


def _compress(call: _aster.ServerCall, context: CallContext) -> None:
    note = context.metadata.get(COMPRESSION_THRESHOLD_NOTE)
    if note is not None:
        call.compress_above(int(note))


def _why_cancelled(context: CallContext) -> RpcError:
    if context.expired:
        return DeadlineExceededError("deadline exceeded")
    return CancelledError("cancelled")


def _reply(call: _aster.ServerCall, response: Any, *, told: bool = False) -> None:
    """Answer a call. `told`: a response that does not fit is raised as well, for interceptors."""
    try:
        call.reply(response)
    except RpcError as error:
        _log_refused(call, error)
        if told:
            raise


def _refuse(call: _aster.ServerCall, error: RpcError) -> None:
    details = {str(key): str(value) for key, value in error.details.items()}
    call.finish(int(error.code), error.message, details)


def _log_refused(call: _aster.ServerCall, error: RpcError) -> None:
    # The caller has been told already; the place is in the message.
    logger.error("%s.%s: %s (call %s)", call.service, call.method, error.message, call.call_id)


def _report(call: _aster.ServerCall, error: BaseException) -> None:
    logger.error("%s.%s failed (call %s)", call.service, call.method, call.call_id, exc_info=error)


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__
