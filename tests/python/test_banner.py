"""The banner: what it says, and only to a terminal."""

from __future__ import annotations

import io

from aster import ServiceSummary
from aster.banner import BannerFacts, banner, show_banner

SERVICES = [
    ServiceSummary(
        name=name, version=version, contract_id="ab" * 32, channels={}, pattern="shared", serialization_modes=["xlang"]
    )
    for name, version in (("Billing", 1), ("A", 12))
]
FACTS = BannerFacts(
    SERVICES, node_id="cd" * 32, endpoint="aster1xyz", is_open=True, log="text info", runtime="python 3.9"
)


class Terminal(io.StringIO):
    encoding = "ascii"

    def isatty(self):
        return True


def test_what_it_says():
    lines = banner(FACTS).splitlines()
    assert "  Billing  v1  abababababababab" in lines
    assert "  A        v12  abababababababab" in lines
    assert lines[-5:] == [
        f"  node id:  {'cd' * 32}",
        "  endpoint: aster1xyz",
        "  mode:     open-gate",
        "  log:      text info",
        "  runtime:  python 3.9",
    ]
    assert "trusted" in banner(BannerFacts([], "x", "y", is_open=False))


def test_only_a_terminal_gets_it():
    plain, terminal = io.StringIO(), Terminal()
    show_banner(FACTS, plain)
    show_banner(FACTS, terminal)
    assert plain.getvalue() == ""
    assert "node id:" in terminal.getvalue()
