"""Mission Control: watches agents, collects what they log and measure, and gives them work.

`python server.py` prints its address and serves everybody. With an identity file, `ASTER_IDENTITY_FILE=control.id`, it
admits credentials of its root key only, and its methods need the roles below.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Optional

from aster import (
    AsterConfig,
    AsterServer,
    any_of,
    bidi_stream,
    client_stream,
    rpc,
    server_stream,
    service,
    wire_type,
)
from aster.capabilities import CapabilityRequirement

LEVELS = ("debug", "info", "warn", "error")
KEPT_LINES = 1000
GATED = AsterConfig.from_env().load_identity(role="producer")[1] is not None


def needs(*roles: str) -> Optional[CapabilityRequirement]:
    """Return what a method needs: one of these roles. Nothing if everybody may call."""
    return any_of(*roles) if GATED else None


@wire_type("mission/StatusQuery")
@dataclass
class StatusQuery:
    agent: str = ""


@wire_type("mission/AgentStatus")
@dataclass
class AgentStatus:
    agent: str = ""
    state: str = "idle"
    uptime_s: int = 0


@wire_type("mission/LogLine")
@dataclass
class LogLine:
    at: float = 0.0
    level: str = "info"
    text: str = ""
    agent: str = ""


@wire_type("mission/Ack")
@dataclass
class Ack:
    accepted: bool = False


@wire_type("mission/TailQuery")
@dataclass
class TailQuery:
    agent: str = ""
    level: str = "info"


@wire_type("mission/Metric")
@dataclass
class Metric:
    name: str = ""
    value: float = 0.0
    at: float = 0.0
    labels: dict[str, str] = field(default_factory=dict[str, str])


@wire_type("mission/IngestReport")
@dataclass
class IngestReport:
    accepted: int = 0
    dropped: int = 0


@wire_type("mission/Hello")
@dataclass
class Hello:
    agent: str = ""
    capabilities: list[str] = field(default_factory=list[str])
    load: float = 0.0


@wire_type("mission/Task")
@dataclass
class Task:
    id: str = ""
    command: str = ""


@wire_type("mission/Command")
@dataclass
class Command:
    line: str = ""


@wire_type("mission/Output")
@dataclass
class Output:
    stdout: str = ""
    stderr: str = ""
    exit_code: int = -1


@service("MissionControl", version=1, public=True)
class MissionControl:
    """Status, logs and metrics of all agents."""

    def __init__(self) -> None:
        self._tails: set[asyncio.Queue[LogLine]] = set()

    @rpc(requires="ops.status" if GATED else None)
    async def status(self, query: StatusQuery) -> AgentStatus:
        """Tell how an agent is."""
        return AgentStatus(agent=query.agent, state="running", uptime_s=3600)

    @rpc(requires=needs("ops.logs", "ops.admin"))
    async def log(self, line: LogLine) -> Ack:
        """Take a line of a log and show it to everybody who watches."""
        for tail in self._tails:
            if tail.full():
                tail.get_nowait()  # Whoever reads too slowly misses the oldest lines.
            tail.put_nowait(line)
        return Ack(accepted=True)

    @server_stream(requires=needs("ops.logs", "ops.admin"))
    async def tail(self, query: TailQuery) -> AsyncIterator[LogLine]:
        """Show the lines that come from now on, of an agent or of all, from a level upwards."""
        lines: asyncio.Queue[LogLine] = asyncio.Queue(KEPT_LINES)
        self._tails.add(lines)
        try:
            while True:
                line = await lines.get()
                if query.agent in {"", line.agent} and severity(line.level) >= severity(query.level):
                    yield line
        finally:
            self._tails.discard(lines)

    @client_stream(requires="ops.ingest" if GATED else None)
    async def ingest(self, metrics: AsyncIterator[Metric]) -> IngestReport:
        """Take measurements. Those without a name are dropped."""
        report = IngestReport()
        async for metric in metrics:
            if metric.name:
                report.accepted += 1
            else:
                report.dropped += 1
        return report


@service("AgentLink", version=1, scoped="session", public=True)
class AgentLink:
    """The line to one agent, which lasts as long as its session."""

    def __init__(self, peer: Optional[str] = None) -> None:
        self._agent = ""

    @rpc
    async def register(self, hello: Hello) -> Task:
        """Register an agent and give it work."""
        self._agent = hello.agent
        return Task("train-42", "python train.py") if "gpu" in hello.capabilities else Task("idle")

    @bidi_stream(requires="ops.admin" if GATED else None)
    async def run(self, commands: AsyncIterator[Command]) -> AsyncIterator[Output]:
        """Run commands and show what they print."""
        async for command in commands:
            if command.line == "whoami":
                yield Output(stdout=self._agent, exit_code=0)
            else:
                yield Output(stderr=f"{command.line}: command not found", exit_code=127)


def severity(level: str) -> int:
    """Return the rank of a level; unknown ones are lowest."""
    return LEVELS.index(level) if level in LEVELS else 0


async def main() -> None:
    async with AsterServer([MissionControl(), AgentLink]) as server:
        server.install_signal_handlers()
        print(server.address, flush=True)
        await server.serve()


if __name__ == "__main__":
    asyncio.run(main())
