"""The picture of a broadcast: deliveries done, over time, of one subject beside another."""

from __future__ import annotations

from html import escape

from .chart import STYLE

WIDTH, HEIGHT = 900, 420
LEFT, TOP, RIGHT, BOTTOM = 96, 78, 24, 48
LINES = """
.line { fill: none; stroke-width: 2.5; stroke-linejoin: round; }
.line.ours { stroke: #0969da; fill: none; }
.line.floor { stroke: #bf8700; fill: none; }
.grid { stroke: #d0d7de; stroke-width: 1; }
@media (prefers-color-scheme: dark) {
  .line.ours { stroke: #2f81f7; }
  .line.floor { stroke: #d29922; }
  .grid { stroke: #30363d; }
}
"""


def cumulative(samples: list[list[int]], published: int, sessions: int) -> list[tuple[float, int]]:
    """Seconds since the publication, and deliveries done by then, from nanoseconds and deliveries in each hundredth of a second."""
    points, done = [(0.0, 0)], 0
    for start, count in samples:
        done += count
        # A sample is known to be over at its end.
        points.append(((start - published) / 1e9 + 0.01, min(done, sessions)))
    return points


def step(largest: float, parts: int) -> float:
    """A round distance that divides the axis into about so many parts."""
    for power in range(-4, 10):
        for digit in (1, 2, 5):
            if digit * 10.0 ** power * parts >= largest:
                return digit * 10.0 ** power
    return largest


def draw(curves: dict[str, tuple[str, list[tuple[float, int]]]], sessions: int, subtitle: str) -> str:
    """`curves`: by the class of a line (ours, floor), what it is called and its points."""
    longest = max((points[-1][0] for _, points in curves.values()), default=1.0) * 1.05
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(seconds: float, done: float) -> tuple[float, float]:
        return LEFT + width * seconds / longest, TOP + height * (1 - done / sessions)

    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
             f'aria-label="Deliveries done over time, one message to {sessions:,} sessions">',
             f"<style>{STYLE}{LINES}</style>",
             f'<text class="title" x="16" y="28" style="font-size:18px">One message to {sessions:,} sessions: deliveries over time</text>',
             f'<text class="quiet" x="16" y="48">{escape(subtitle)}</text>']
    for part in range(5):
        done = sessions * part / 4
        _, y = place(0, done)
        lines += [f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>',
                  f'<text class="quiet" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{done:,.0f}</text>']
    distance = step(longest, 8)
    for number in range(int(longest / distance) + 1):
        x, _ = place(number * distance, 0)
        lines.append(f'<text class="quiet" x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{number * distance:g} s</text>')
    for index, (kind, (label, points)) in enumerate(curves.items()):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
        row = HEIGHT - BOTTOM - 44 + 22 * index
        lines += [f'<polyline class="line {kind}" points="{path}"/>',
                  f'<rect class="{kind}" x="{WIDTH - RIGHT - 330}" y="{row - 10}" width="18" height="4"/>',
                  f'<text x="{WIDTH - RIGHT - 304}" y="{row - 4}">{escape(label)}</text>']
    return "\n".join([*lines, "</svg>", ""])
