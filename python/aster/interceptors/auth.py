"""Adds tokens to calls, and checks them."""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING, Any

from aster.interceptors.base import Interceptor, streams_input
from aster.status import RpcError, UnauthenticatedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aster.context import CallContext

__all__ = ["AuthInterceptor"]

logger = logging.getLogger("aster.interceptors")


class AuthInterceptor(Interceptor):
    """On clients adds `<scheme> <token>` to the metadata, on servers checks it."""

    def __init__(
        self,
        *,
        token_provider: str | Callable[[], Any] | None = None,
        validator: Callable[..., Any] | None = None,
        metadata_key: str = "authorization",
        scheme: str = "Bearer",
    ) -> None:
        """Make an interceptor for one side.

        `token_provider` is a token, or is called for one per call and may be a coroutine function; it is not asked if
        the metadata has the key already. `validator` is called with the token without scheme, and with the context
        if it takes a second parameter; it may be a coroutine function. A falsy answer, or a token that is missing,
        ends the call with UNAUTHENTICATED. An empty scheme stands for none.
        """
        self.token_provider = token_provider
        self.validator = validator
        self.metadata_key = metadata_key
        self.scheme = scheme
        self._wants_context = validator is not None and _takes_two(validator)

    async def on_start(self, ctx: CallContext) -> None:
        """Act, if requests are a stream."""
        if streams_input(ctx):
            await self._act(ctx)

    async def on_request(self, ctx: CallContext, request: Any) -> Any:
        """Act, if there is one request."""
        if not streams_input(ctx):
            await self._act(ctx)
        return request

    async def _act(self, ctx: CallContext) -> None:
        if self.token_provider is not None and self.metadata_key not in ctx.metadata:
            given = self.token_provider() if callable(self.token_provider) else self.token_provider
            token = await given if inspect.isawaitable(given) else given
            if token:
                ctx.metadata[self.metadata_key] = f"{self.scheme} {token}".strip()
        if self.validator is not None and not await self._is_valid(self.validator, ctx):
            raise UnauthenticatedError("authentication failed")

    async def _is_valid(self, validator: Callable[..., Any], ctx: CallContext) -> bool:
        token = self._token(ctx.metadata.get(self.metadata_key))
        if not token:
            return False
        try:
            answer = validator(token, ctx) if self._wants_context else validator(token)
            return bool(await answer if inspect.isawaitable(answer) else answer)
        except RpcError:
            raise
        except Exception:
            logger.exception("the validator failed; the call is refused")
            return False

    def _token(self, value: str | None) -> str | None:
        """Take the scheme off; its case does not matter."""
        if value is None or not self.scheme:
            return value
        scheme, _, token = value.partition(" ")
        return token.strip() if scheme.lower() == self.scheme.lower() else None


def _takes_two(validator: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(validator).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    wanted = [one for one in parameters if one.kind in positional and one.default is one.empty]
    return len(wanted) > 1
