"""The banner of a server that starts in a terminal (`python-api.md` section 3)."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aster import _aster

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from aster.service import ServiceSummary

_LOGO = r"""
    .  *  .
  *  \ | /  *    aster {version}
  .  - * -  .    the public key is the address
  *  / | \  *
    .  *  .
"""
_CONTRACT_SHOWN = 16


@dataclass(frozen=True)
class BannerFacts:
    """What a banner tells."""

    services: Sequence[ServiceSummary]
    node_id: str
    endpoint: str
    """The ticket that clients dial."""
    is_open: bool
    log: str = "text info"
    """Format and level."""
    runtime: str = field(default_factory=lambda: f"python {'.'.join(map(str, sys.version_info[:3]))}")


def banner(facts: BannerFacts) -> str:
    """Return the banner: logo, a line per service, what an operator looks for. It ends with a line break."""
    width = max((len(service.name) for service in facts.services), default=0)
    services = [
        f"  {service.name:<{width}}  v{service.version}  {service.contract_id[:_CONTRACT_SHOWN]}"
        for service in facts.services
    ]
    rows = {
        "node id": facts.node_id,
        "endpoint": facts.endpoint,
        "mode": "open-gate" if facts.is_open else "trusted",
        "log": facts.log,
        "runtime": facts.runtime,
    }
    lines = [*_LOGO.format(version=_aster.__version__).strip("\n").splitlines(), "", *services, ""]
    lines += [f"  {name + ':':<10}{value}" for name, value in rows.items()]
    return "\n".join(lines) + "\n"


def show_banner(facts: BannerFacts, stream: TextIO | None = None) -> None:
    """Write the banner to the standard error, if that is a terminal."""
    target = sys.stderr if stream is None else stream
    if target is None or not target.isatty():
        return
    text = banner(facts)
    # A terminal that cannot show everything gets what it can.
    encoding = target.encoding or "ascii"
    target.write("\n" + text.encode(encoding, "replace").decode(encoding) + "\n")
    target.flush()
