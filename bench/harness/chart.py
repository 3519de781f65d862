"""The chart of the README: how many times a rival's speed, as an SVG without any library."""

from __future__ import annotations

import math

from harness.measure import Results
from harness.systems import AIO_TLS, ASTER_NODE, ASTER_PYTHON, GRPC_JS
from harness.workloads import WORKLOADS

_PAIRS = [(ASTER_PYTHON, AIO_TLS, "#3776ab"), (ASTER_NODE, GRPC_JS, "#5fa04e")]
_LEFT, _WIDTH, _BAR, _GAP, _TOP = 190, 720, 13, 10, 56
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#333}.grid{stroke:#8884}.one{stroke:#888}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}}"
)


def _speedup(results: Results, ours: str, theirs: str, workload: str, metric: str) -> float | None:
    a, b = results.series.get((ours, workload)), results.series.get((theirs, workload))
    if a is None or b is None:
        return None
    return b.ratio(a, "p50") if metric == "ms" else a.ratio(b, "rate")


def chart(results: Results) -> str:
    """Returns bars on a logarithmic scale; 1x is as fast as the rival."""
    rows = []
    for workload in WORKLOADS:
        found = [(_speedup(results, a, b, workload.name, workload.unit), color) for a, b, color in _PAIRS]
        bars = [(speed, color) for speed, color in found if speed is not None]
        if bars:
            rows.append((workload.title, bars))
    # Room below 1x for what is slower than the rival.
    fastest = max((speed for _, bars in rows for speed, _ in bars), default=1.0)
    low, high = math.log2(0.25), math.log2(max(fastest * 1.3, 4))

    def x(speed: float) -> float:
        place = (min(max(math.log2(speed), low), high) - low) / (high - low)
        return _LEFT + place * (_WIDTH - _LEFT - 50)

    parts, y = [], float(_TOP)
    for title, bars in rows:
        middle = y + len(bars) * _BAR / 2 + 4
        parts.append(f'<text x="{_LEFT - 10}" y="{middle:.0f}" text-anchor="end">{title}</text>')
        for speed, color in bars:
            start, end = sorted((x(1), x(speed)))
            parts += [
                f'<rect x="{start:.1f}" y="{y:.0f}" width="{end - start:.1f}" height="{_BAR - 2}" fill="{color}"/>',
                f'<text x="{max(start, end) + 5:.1f}" y="{y + _BAR - 3:.0f}" font-size="11">{speed:.1f}x</text>',
            ]
            y += _BAR
        y += _GAP
    grid = []
    for power in range(math.ceil(low), math.floor(high) + 1):
        at, kind = x(2.0**power), "one" if power == 0 else "grid"
        label = f"{2**power}x" if power >= 0 else f"1/{2**-power}x"
        grid.append(
            f'<line class="{kind}" x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP - 6}" y2="{y:.0f}"/>'
            f'<text x="{at:.1f}" y="{y + 16:.0f}" text-anchor="middle" font-size="11">{label}</text>'
        )
    legend, place = [], 10.0
    for ours, theirs, color in _PAIRS:
        if not any((ours, workload.name) in results.series for workload in WORKLOADS):
            continue
        legend.append(
            f'<rect x="{place}" y="22" width="12" height="12" rx="2" fill="{color}"/>'
            f'<text x="{place + 18}" y="33">{ours} against {theirs}</text>'
        )
        place += 300
    body = "\n".join([*grid, *parts, *legend])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y + 28:.0f}" role="img" '
        f'aria-label="Speed against gRPC with TLS, larger is faster">\n<style>{_STYLE}</style>\n{body}\n</svg>\n'
    )
