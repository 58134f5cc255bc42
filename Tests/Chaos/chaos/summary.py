"""All runs on one page: what was asked of each scenario, what was seen, and the picture of each run."""

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from statistics import median
from typing import Any

STYLE = """body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 78rem; padding: 0 1rem; color: #1c2733 }
table { border-collapse: collapse; width: 100% } th { text-align: left; font-weight: 600 }
td, th { padding: .35rem .7rem; border-bottom: 1px solid #dde3e8; vertical-align: top }
.bad { color: #c0392b; font-weight: 600 } .good { color: #2d7a4b }
small { color: #6b7a89 } a { color: #2f6f9f } .runs a { margin-right: .3rem }"""


@dataclass
class Run:
    name: str
    seed: int
    passed: bool
    #: What the stage noted: the verdict's counts and the figures; nothing when it did not come to that.
    noted: dict[str, Any] = field(default_factory=dict)

    @property
    def scenario(self) -> str:
        """Its name without the seed."""
        return self.noted["scenario"].replace("_", " ")


def runs_of(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"


def number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


class Summary:
    """Collects runs, and writes the page."""

    def __init__(self) -> None:
        self.runs: list[Run] = []

    def add(self, properties: list[tuple[str, Any]], passed: bool) -> None:
        """Takes what a test left in its properties, if it was one with a stage."""
        noted = [value for name, value in properties if name == "chaos"]
        if noted:
            about = json.loads(noted[-1])
            self.runs.append(Run(about["name"], about["seed"], passed, about))

    def scenarios(self) -> dict[str, list[Run]]:
        grouped: dict[str, list[Run]] = defaultdict(list)
        for run in self.runs:
            grouped[run.scenario].append(run)
        return dict(sorted(grouped.items(), key=lambda pair: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", pair[0])]))

    @staticmethod
    def violations(runs: list[Run]) -> str:
        planted = sum(run.noted.get("planted", 0) for run in runs)
        if planted:
            return f"planted ones found: {planted}"
        return f"{sum(run.noted.get('violations', 0) for run in runs)} violations"

    @staticmethod
    def figures(runs: list[Run]) -> list[tuple[str, str, str]]:
        """Name, what was asked, what was seen: the median and the worst."""
        values: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for run in runs:
            for figure in run.noted.get("figures", []):
                values[figure["name"]].append(figure)
        rows = []
        for name, all_of_it in values.items():
            numbers = [one["value"] for one in all_of_it if one["value"] is not None]
            asked = next((number(one["most"]) for one in all_of_it if one["most"] is not None), "")
            if len(all_of_it) == 1 or not numbers:
                seen = all_of_it[-1]["text"]
            else:
                seen = f"{number(median(numbers))}, at most {number(max(numbers))}"
            rows.append((name, asked, seen))
        return rows

    def text(self) -> str:
        """A line a scenario, for the terminal."""
        lines = []
        for name, runs in self.scenarios().items():
            bad = sum(not run.passed for run in runs)
            lines.append(f"{name}: {runs_of(len(runs))}, {self.violations(runs)}" + (f", {bad} FAILED" if bad else ""))
            lines += [f"    {figure}: {seen}" + (f"   (asked: {asked})" if asked else "") for figure, asked, seen in self.figures(runs)]
        return "\n".join(lines)

    def write(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        total = {key: sum(run.noted.get(key, 0) for run in self.runs) for key in ("acknowledged", "deliveries", "violations")}
        bad = sum(not run.passed for run in self.runs)
        rows = []
        for name, runs in self.scenarios().items():
            figures = "".join(
                f"<div>{escape(figure)}: <b>{escape(seen)}</b>{f' <small>asked: {escape(asked)}</small>' if asked else ''}</div>"
                for figure, asked, seen in self.figures(runs))
            links = " ".join(
                f"{run.seed}" if not run.name else f'<a class="{"" if run.passed else "bad"}" href="{escape(run.name)}.svg">{run.seed}</a>' for run in runs)
            failed = sum(not run.passed for run in runs)
            state = f'<span class="bad">{failed} failed</span>' if failed else '<span class="good">passed</span>'
            rows.append(
                f'<tr><td>{escape(name)}<br><small>{state}, {runs_of(len(runs))}</small></td><td>{self.violations(runs)}</td>'
                f'<td>{figures}</td><td class="runs">{links}</td></tr>')
        file.write_text(
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Chaos</title><style>{STYLE}</style><h1>Chaos</h1>'
            f"<p>{runs_of(len(self.runs))}, {bad} failed; {total['acknowledged']:,} publications acknowledged, {total['deliveries']:,} delivered, "
            f"{total['violations']} violations. Where there is more than one run, seen is the median; numbers behind a comma are the worst of all runs.</p>"
            '<table><tr><th>scenario</th><th>broken promises</th><th>seen</th><th>pictures, by seed</th></tr>'
            f"{''.join(rows)}</table></html>\n")
