"""What a caller gets when things go wrong."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from aster import (
    AsterClient,
    AsterServer,
    rpc,
    service,
    with_options,
)
from aster.status import InvalidArgumentError


@dataclass
class Num:
    value: int = 0


async def error(call: Awaitable[object]) -> Any:
    try:
        await call
    except Exception as e:
        return e


@service(public=True)
class Bank:
    @rpc
    async def pay(self, amount: int) -> Num:
        if amount < 0:
            raise InvalidArgumentError("negative amount", {"field": "amount"})
        if amount == 13:
            raise ValueError("internal detail")
        await asyncio.sleep(amount)
        return Num(amount)


@service(version=7)
class Other(Bank):
    pass


async def main() -> None:
    async with AsterServer([Bank()], expose_errors=False) as srv, AsterClient(address=srv.address) as c:
        bank = await c.client(Bank)
        e = await error(bank.pay(-1))
        print(e, e.details)
        e = await error(bank.pay(13))
        print(e.code.name, "internal detail" in e.message)
        print(await error(with_options(bank, timeout=0.05).pay(60)))
        print(await error(c.client(Other)))
        pending = asyncio.create_task(bank.pay(60))
        await asyncio.sleep(0.1)
        await srv.node.close()
        e = await error(pending)
        print(type(e).__name__, e.code.name, isinstance(e, ConnectionError))


if __name__ == "__main__":
    asyncio.run(main())
# [INVALID_ARGUMENT] negative amount {'field': 'amount'}
# UNKNOWN False
# [DEADLINE_EXCEEDED] deadline exceeded
# service 'Other' v7 not offered by producer (got: [('Bank', 1)])
# ConnectionLostError UNAVAILABLE True
