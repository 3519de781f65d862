"""A gated server: keys, credentials bound to nodes, and methods that need a role."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from aster import AsterClient, AsterServer, CallContext, rpc, service


@dataclass
class Text:
    body: str = ""


async def error(call: Awaitable[object]) -> Any:
    try:
        await call
    except Exception as e:
        return e


@service
class Vault:
    @rpc(requires="vault.read")
    async def read(self, ctx: CallContext, key: str) -> Text:
        return Text(f"{key} for {ctx.attributes['aster.name']}")

    @rpc(requires="vault.write")
    async def write(self, key: str, value: str) -> Text:
        return Text(value)


def cli(line: str) -> None:
    command = [sys.executable, "-m", "aster", *line.split()]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own lines


async def main() -> None:
    cli("trust keygen --out-key root.key")
    node = "enroll node -q --root-key root.key --role"
    cli(f"{node} producer --name desk --out desk.id")
    cli(f"{node} consumer --name ann --capabilities vault.read --out ann.id")
    async with AsterServer([Vault()], identity="desk.id") as srv:
        denied = await error(AsterClient(address=srv.address).connect())
        print(type(denied).__name__, denied.had_credential)
        async with AsterClient(address=srv.address, identity="ann.id") as c:
            vault = await c.client(Vault)
            print((await vault.read("door")).body)
            print((await error(vault.write("door", "1234"))).code.name)


if __name__ == "__main__":
    asyncio.run(main())
# AdmissionDeniedError False
# door for ann
# PERMISSION_DENIED
