"""An agent with typed clients, which the command generates:

aster contract gen-client $A --out gen --package mc
PYTHONPATH=gen python typed_agent.py $A
"""

import asyncio
import sys

from mc import AgentLinkClient, MissionControlClient
from mc.types.agent_link_v1 import Hello
from mc.types.mission_control_v1 import Metric, StatusQuery

from aster import AsterClient

METRICS = 10_000


async def main(address: str) -> None:
    async with AsterClient(address=address) as client:
        control = await MissionControlClient.from_connection(client)
        status = await control.status(StatusQuery(agent="n1"))
        async with AgentLinkClient.from_connection(client) as link:
            task = await link.register(Hello(agent="n1", capabilities=["gpu"]))
        report = await control.ingest(Metric(name="cpu", value=0.5) for _ in range(METRICS))
        print(status.state, task.id, report.accepted)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
