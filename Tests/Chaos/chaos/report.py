"""A run as a picture: time from left to right, what was published and delivered, faults, and what clients were told."""

from collections import Counter
from html import escape
from pathlib import Path

from .figures import Figure
from .log import Log
from .oracle import Verdict

WIDTH, LEFT, RIGHT = 1100, 150, 20
INK, MUTED, FAULT, BAD = "#1c2733", "#6b7a89", "#e8b04a", "#c0392b"
PUBLISHED, DELIVERED, TOLD, CLOSED = "#2f6f9f", "#3a8f5c", "#8e5bb5", "#d0743c"
#: Bars over the whole time.
BARS = 160


class Report:
    def __init__(self, name: str, seed: int, log: Log, verdict: Verdict, figures: list[Figure]) -> None:
        self.name = name
        self.seed = seed
        self.log = log
        self.verdict = verdict
        self.figures = figures
        ends = [event.at for event in log.events] + [publish.ended for publish in log.publishes] + [1.0]
        self.end = max(ends)
        self._parts: list[str] = []

    def write(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.svg())

    def _x(self, at: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * max(0.0, min(1.0, at / self.end))

    def _text(self, x: float, y: float, text: str, colour: str = INK, size: int = 13, anchor: str = "start") -> None:
        self._parts.append(f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" font-size="{size}" text-anchor="{anchor}">{escape(text)}</text>')

    def _box(self, x: float, y: float, width: float, height: float, colour: str, opacity: float = 1.0) -> None:
        self._parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.8):.1f}" height="{max(height, 0.5):.1f}" fill="{colour}" opacity="{opacity}"/>')

    def svg(self) -> str:
        self._parts = []
        isGood = not self.verdict.violations
        self._text(20, 30, self.name, size=18)
        self._text(WIDTH - RIGHT, 30, "every promise kept" if isGood else f"{len(self.verdict.violations)} violations",
                   DELIVERED if isGood else BAD, 16, "end")  # fmt: skip
        self._text(20, 50, f"seed {self.seed}; {self.verdict}", MUTED, 12)
        y = 68
        for figure in self.figures:
            self._text(20, y, str(figure), BAD if figure.is_exceeded else MUTED, 12)
            y += 16
        top = y + 14
        bottom = top + 330
        for fault in self.log.faults:
            end = fault.ended or self.end
            self._box(self._x(fault.begun), top, self._x(end) - self._x(fault.begun), bottom - top, FAULT, 0.25)
        self._bars(top + 20, "published", PUBLISHED, [one.ended for one in self.log.publishes if one.outcome == "ok"])
        self._bars(top + 80, "not published", BAD, [one.ended for one in self.log.publishes if one.outcome != "ok"])
        self._bars(top + 140, "delivered", DELIVERED, [one.at for one in self.log.events if one.kind == "publication"])
        self._bars(top + 200, "told of a loss", TOLD, [one.at for one in self.log.events if one.kind == "announced"])
        self._bars(top + 260, "connections lost", CLOSED, [one.at for one in self.log.events if one.kind == "closed"])
        for violation in self.verdict.violations:
            self._box(self._x(violation.at) - 1, top, 2, bottom - top, BAD, 0.8)
        self._axis(bottom)
        row = bottom + 40
        for fault in sorted(self.log.faults, key=lambda one: one.begun)[:12]:
            self._box(20, row - 10, 12, 12, FAULT, 0.6)
            self._text(38, row, f"{fault.begun:.1f} to {fault.ended:.1f} s: {fault.name}", INK, 12)
            row += 17
        for violation in self.verdict.violations[:15]:
            self._text(20, row, str(violation), BAD, 12)
            row += 17
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{row + 10}" viewBox="0 0 {WIDTH} {row + 10}" '
            'font-family="system-ui, sans-serif"><rect width="100%" height="100%" fill="#ffffff"/>')
        return head + "".join(self._parts) + "</svg>\n"

    def _bars(self, y: float, name: str, colour: str, times: list[float]) -> None:
        """How many a second, as bars; their heights are square roots, so that a few are seen beside very many."""
        width = self.end / BARS
        counts = Counter(min(BARS - 1, int(at / width)) for at in times)
        most = max(counts.values(), default=0)
        self._text(20, y + 34, name, INK, 12)
        self._text(20, y + 48, f"at most {most / width:.0f} a second" if times else "none", MUTED, 10)
        for bar, count in counts.items():
            height = 44 * (count / most) ** 0.5
            self._box(self._x(bar * width), y + 46 - height, (WIDTH - LEFT - RIGHT) / BARS - 0.6, height, colour)
        self._box(LEFT, y + 46, WIDTH - LEFT - RIGHT, 0.6, MUTED, 0.5)

    def _axis(self, y: float) -> None:
        step = next(step for step in (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600) if self.end / step <= 14 or step == 600)
        at = 0.0
        while at <= self.end:
            self._box(self._x(at), y - 4, 0.8, 6, MUTED)
            self._text(self._x(at), y + 16, f"{at:g} s", MUTED, 11, "middle")
            at += step
