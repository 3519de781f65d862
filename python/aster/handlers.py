"""How a server runs the methods of its services."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from aster.context import enter_call, of_call
from aster.status import RpcError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from aster import _aster
    from aster.service import MethodInfo

    Runner = Callable[[_aster.ServerCall, Any], Coroutine[Any, Any, None]]

logger = logging.getLogger("aster.server")


def make_runner(instance: object, method: MethodInfo) -> Runner:
    """Return what runs one method of an instance: it answers the call and releases it, whatever happens."""
    invoke = _invocation(getattr(instance, method.attribute), method)

    async def run(call: _aster.ServerCall, request: Any) -> None:
        enter_call(call)
        try:
            response = await invoke(call, request)
        except RpcError as error:
            details = {str(key): str(value) for key, value in error.details.items()}
            call.finish(int(error.code), error.message, details)
        except asyncio.CancelledError:
            # Ignored if the call is over; otherwise the loop ends, or the handler cancelled itself.
            call.fail("handler was cancelled")
            raise
        except Exception as error:  # noqa: BLE001 - the caller must be answered
            _report(call, error)
            call.fail(str(error) or type(error).__name__)
        else:
            _reply(call, response)
        finally:
            call.release()

    return run


def _invocation(handler: Callable[..., Any], method: MethodInfo) -> Callable[[_aster.ServerCall, Any], Any]:
    context, names = method.context_parameter, method.inline_params
    if method.request_style == "explicit":
        if context is None:
            return lambda _, request: handler(request)
        explicit = next(name for name in _parameter_names(handler) if name != context)
        return lambda call, request: handler(**{explicit: request, context: of_call(call)})
    if context is None:
        return lambda _, request: handler(**{name: getattr(request, name) for name in names})
    return lambda call, request: handler(**{name: getattr(request, name) for name in names}, **{context: of_call(call)})


def _parameter_names(handler: Callable[..., Any]) -> tuple[str, ...]:
    code = handler.__code__
    names: tuple[str, ...] = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    return names


def _reply(call: _aster.ServerCall, response: Any) -> None:
    try:
        call.reply(response)
    except RpcError as error:
        # The caller has been told already; the place is in the message.
        logger.error(  # noqa: TRY400
            "%s.%s: %s (call %s)", call.service, call.method, error.message, call.call_id
        )


def _report(call: _aster.ServerCall, error: BaseException) -> None:
    logger.error("%s.%s failed (call %s)", call.service, call.method, call.call_id, exc_info=error)
