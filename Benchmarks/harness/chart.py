"""The results as a picture: panels of horizontal bars, readable on light and on dark pages."""

from __future__ import annotations

from xml.sax.saxutils import escape

from .report import figure
from .rows import Row

WIDTH = 880
GUTTER = 24
BAR = 20
STEP = 28
HEAD = 62
LABEL = 116
VALUE = 92

# Row key, title, what is better.
PANELS = (
    ("cpu_window_1", "CPU per delivery, one message at a time", "µs · less is better"),
    ("cpu_window_64", "CPU per delivery, 64 messages outstanding", "µs · less is better"),
    ("deliveries", "Deliveries per second, 64 outstanding", "more is better"),
    ("connects", "Connects per second", "more is better"),
    ("idle", "Memory per idle session", "bytes · less is better"),
    ("tls_cpu_1", "CPU per delivery over TLS, 768 B, one at a time", "µs · less is better"),
    ("deflate_cpu_1", "CPU per compressed delivery, 768 B, one at a time", "µs · less is better"),
    ("two_nodes_p50", "Session to session over two nodes and Redis", "p50 in µs · less is better"),
)

STYLE = """
text { font: 13px ui-sans-serif, system-ui, -apple-system, "Segoe UI", sans-serif; fill: #24292f; }
.title { font-weight: 600; font-size: 14px; }
.quiet { fill: #6e7781; font-size: 12px; }
.panel { fill: #f6f8fa; stroke: #d0d7de; }
.track { fill: #eaeef2; }
.other { fill: #8c959f; }
.floor { fill: #bf8700; }
.ours { fill: #0969da; }
.strong { font-weight: 600; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .quiet { fill: #8b949e; }
  .panel { fill: #161b22; stroke: #30363d; }
  .track { fill: #21262d; }
  .other { fill: #6e7681; }
  .floor { fill: #d29922; }
  .ours { fill: #2f81f7; }
}
"""


def panel(row: Row, title: str, unit: str, labels: dict[str, str], x: int, y: int, width: int, height: int) -> list[str]:
    lines = [f'<rect class="panel" x="{x}" y="{y}" width="{width}" height="{height}" rx="8"/>',
             f'<text class="title" x="{x + 16}" y="{y + 26}">{escape(title)}</text>',
             f'<text class="quiet" x="{x + 16}" y="{y + 44}">{escape(unit)}</text>']
    keys = [key for key in labels if key in row.figures]
    largest = max((row.figures[key] for key in keys), default=0) or 1
    track = width - LABEL - VALUE
    for index, key in enumerate(keys):
        top = y + HEAD + index * STEP
        value = row.figures[key]
        kind = {"carillon": "ours", "floor": "floor"}.get(key, "other")
        strong = ' class="strong"' if key == "carillon" else ""
        length = max(2.0, track * max(0.0, value) / largest)
        lines += [
            f'<text{strong} x="{x + LABEL - 10}" y="{top + 15}" text-anchor="end">{escape(labels[key])}</text>',
            f'<rect class="track" x="{x + LABEL}" y="{top}" width="{track}" height="{BAR}" rx="4"/>',
            f'<rect class="{kind}" x="{x + LABEL}" y="{top}" width="{length:.1f}" height="{BAR}" rx="4"/>',
            f'<text{strong} x="{x + LABEL + track + 8}" y="{top + 15}">{figure(value)}</text>']
    return lines


def draw(rows: list[Row], labels: dict[str, str], subtitle: str) -> str:
    by_key = {row.key: row for row in rows}
    panels = [(by_key[key], title, unit) for key, title, unit in PANELS if key in by_key and by_key[key].figures]
    width = (WIDTH - GUTTER) // 2
    lines: list[str] = []
    y = 64
    for start in range(0, len(panels), 2):
        pair = panels[start:start + 2]
        height = HEAD + STEP * max(sum(key in labels for key in row.figures) for row, _, _ in pair) + 10
        for place, (row, title, unit) in enumerate(pair):
            lines += panel(row, title, unit, labels, place * (width + GUTTER), y, width, height)
        y += height + GUTTER
    head = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 0 {WIDTH + 16} {y}" role="img" '
            f'aria-label="Benchmark of Carillon beside the C floor and its peers">',
            f"<style>{STYLE}</style>",
            '<text class="title" x="0" y="24" style="font-size:18px">Carillon beside the floor and its peers</text>',
            f'<text class="quiet" x="0" y="46">{escape(subtitle)}</text>']
    return "\n".join(head + lines + ["</svg>", ""])
