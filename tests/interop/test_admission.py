"""What Node's clients make of the admission answers of the vectors, which a server that is not ours gives."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from aster import IrohNode
from aster.net import EndpointConfig
from test_hello import environment

ROOT = Path(__file__).resolve().parents[2]
VECTORS = Path(os.environ.get("ASTER_VECTORS_DIR", ROOT.parent / "shared" / "vectors"))
TRUST = json.loads((VECTORS / "trust.json").read_text(encoding="utf-8"))
CASES = TRUST["admission"]["responses"]


async def answered(case: dict[str, Any], *, foreign: bool = False) -> Any:
    """Runs a client at a server that gives the answer of the case; returns what it prints."""
    seed = bytes.fromhex(TRUST["keys"]["server"]["seed"])
    config = EndpointConfig([b"aster.consumer_admission"], "disabled", bind_addr="127.0.0.1:0", secret_key=seed)
    node = await IrohNode.memory_with_alpns([], config)
    names = [summary["name"] for summary in services(case)]
    client = await asyncio.create_subprocess_exec(
        "node",
        str(ROOT / "tests/node/dist/admission-scenario.js"),
        str(node.node_addr_info()),
        case["client_root"] or "",
        *names,
        stdout=asyncio.subprocess.PIPE,
        env=environment() | ({"FOREIGN": "1"} if foreign else {}),
    )

    async def serve() -> None:
        _, connection = await node.accept_aster()
        send, recv = await connection.accept_bi()
        await recv.read_to_end(1 << 20)
        await send.write_all(case["json"].encode())
        await send.finish()
        await connection.closed()

    serving = asyncio.create_task(serve())
    out, _ = await asyncio.wait_for(client.communicate(), 30)
    serving.cancel()
    await node.close()
    return json.loads(out)


def services(case: dict[str, Any]) -> Any:
    return json.loads(case["json"])["services"] if case["client"] == "accept" else []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_tr15_answers_of_the_vectors(case: dict[str, Any]) -> None:
    found = asyncio.run(answered(case))
    if case["client"] != "accept":
        assert found == {"client": case["client"]}
        return
    told = json.loads(case["json"])
    assert found == {
        "client": "accept",
        "usable": [service["name"] for service in told["services"] if service["name"] in case["usable_services"]],
        "attributes": told.get("attributes", {}),
        "registryNamespace": told.get("registry_namespace") or told.get("registry_ticket", ""),
        "gossipTopic": told.get("gossip_topic", ""),
    }
    if "usable_with_allow_foreign_channels" in case:
        found = asyncio.run(answered(case, foreign=True))
        assert found["usable"] == [service["name"] for service in told["services"]]
