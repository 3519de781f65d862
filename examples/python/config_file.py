"""Settings from a file: a node and a registry that are the same after a restart."""

import asyncio
import contextlib
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path

from aster import AsterConfig, AsterServer, rpc, service


@dataclass
class Text:
    body: str = ""


@service(public=True)
class Ping:
    @rpc
    async def ping(self) -> Text:
        return Text("pong")


async def run_once() -> tuple[str, str]:
    async with AsterServer([Ping()], config=AsterConfig.from_file("aster.toml")) as srv:
        return srv.endpoint_id, srv.registry.namespace


async def main() -> None:
    Path("aster.toml").write_text('[storage]\npath = "state"\n[network]\nrelay_mode = "default"\n')
    os.environ["ASTER_RELAY_MODE"] = "disabled"
    with contextlib.redirect_stdout(io.StringIO()):
        shown = json.loads(AsterConfig.from_file("aster.toml").print_config(json=True))
    print(shown["network"]["relay_mode"])
    print("same node and registry:", await run_once() == await run_once())


asyncio.run(main())

# {'value': 'disabled', 'source': 'ASTER_RELAY_MODE'}
# same node and registry: True
