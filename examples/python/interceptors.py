"""Hooks around calls, metrics, and a client that tries again."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Optional

from aster import (
    AsterClient,
    AsterServer,
    CallContext,
    ExponentialBackoff,
    Interceptor,
    MetricsInterceptor,
    RetryInterceptor,
    RetryPolicy,
    RpcError,
    StatusCode,
    rpc,
    service,
)


@dataclass
class Num:
    value: int = 0


async def error(call: Awaitable[object]) -> Any:
    try:
        await call
    except Exception as e:
        return e


log: list[str] = []


class Trace(Interceptor):
    def __init__(self, tag: str) -> None:
        self.tag = tag

    async def on_request(self, ctx: CallContext, request: object) -> object:
        log.append(self.tag)
        return request

    async def on_error(self, ctx: CallContext, error: RpcError) -> Optional[RpcError]:
        log.append(self.tag + "!")
        return error


@service(public=True)
class Flaky:
    calls = 0

    @rpc(idempotent=True)
    async def poke(self) -> Num:
        self.calls += 1
        if self.calls < 3:
            raise RpcError(StatusCode.UNAVAILABLE, "warming up")
        return Num(self.calls)


async def main() -> None:
    metrics = MetricsInterceptor()
    retry = RetryInterceptor(RetryPolicy(3, ExponentialBackoff(initial_ms=1)))
    async with AsterServer([Flaky()], interceptors=[Trace("a"), Trace("b"), metrics]) as srv:
        async with AsterClient(address=srv.address, interceptors=[retry]) as c:
            print((await (await c.client(Flaky)).poke()).value, *log)
    print(metrics.snapshot())


if __name__ == "__main__":
    asyncio.run(main())
# 3 a b b! a! a b b! a! a b
# {'started': 3, 'succeeded': 1, 'failed': 2, 'in_flight': 0}
