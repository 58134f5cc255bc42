"""The rows of the budget table (docs/performance.md): what is measured, and what is asked of it.

Each row measures its subjects side by side, in turn, several rounds; a ratio is taken within a round, and the median of
the rounds is what counts.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from .client import Client, Failed
from .processes import NotStarted


@dataclass
class Plan:
    """How large and how long; `quick` is for trying the machinery."""

    rounds: int = 5
    peer_rounds: int = 2
    seconds: float = 6.0
    sessions: int = 10_000
    full_node: int = 19_000
    broadcast_sessions: int = 100_000
    broadcast_nodes: int = 6
    broadcast_rounds: int = 3
    page_sessions: int = 100_000
    page_nodes: int = 6

    @classmethod
    def quick(cls) -> "Plan":
        return cls(
            rounds=2, peer_rounds=1, seconds=2.0, sessions=3000, full_node=6000, broadcast_sessions=12_000,
            broadcast_nodes=3, broadcast_rounds=1, page_sessions=6000, page_nodes=3)


@dataclass
class Row:
    key: str
    what: str
    budget: str
    # Ratio or value that decides, as text and as number; None when it could not be measured.
    measured: str = "not measured"
    value: float | None = None
    met: bool | None = None
    unit: str = ""
    # Medians by subject, for the table of peers and the chart.
    figures: dict[str, float] = field(default_factory=dict)
    rounds: dict[str, list[float]] = field(default_factory=dict)
    note: str = ""


class Bench:
    """Measures rows; `subjects` are those that can be started, by key."""

    def __init__(self, plan: Plan, subjects: dict, client: Client, directory: Path):
        self.plan = plan
        self.subjects = subjects
        self.client = client
        self.directory = directory
        self.samples: list[dict] = []

    def present(self, *keys: str) -> list:
        """The subjects that can be measured. The build before a change is measured wherever Carillon is, right behind it."""
        wanted = [name for key in keys for name in ((key, "before") if key == "carillon" else (key,))]
        return [self.subjects[key] for key in wanted if key in self.subjects]

    def measure(self, scenario: str, subject, what: str, count: int = 1, redis: int | None = None,
                start: dict | None = None, **options: object) -> dict | None:
        """One scenario against fresh servers; None when it failed, which is said."""
        try:
            with tempfile.TemporaryDirectory(dir=self.directory) as folder:
                Path(folder).chmod(0o755)
                with subject.start(Path(folder), count, redis, **(start or {})) as servers:
                    metrics = self.client.run(scenario, servers, f"{what} · {subject.label}", **options)
        except (Failed, NotStarted) as error:
            self.client.notes.append(str(error))
            self.client.progress.note(f"! {error}")
            return None
        finally:
            self.client.progress.step(what)
        self.samples.append({"scenario": scenario, "subject": subject.key, "what": what, **metrics})
        return metrics

    def side_by_side(self, scenario: str, keys: tuple[str, ...], what: str, rounds: int | None = None,
                     **options: object) -> dict[str, list[dict]]:
        """Rounds of one scenario, one subject after the other in each."""
        found: dict[str, list[dict]] = {}
        for number in range(rounds or self.plan.rounds):
            for subject in self.present(*keys):
                if not subject.is_ours and number >= self.plan.peer_rounds:
                    continue
                metrics = self.measure(scenario, subject, f"{what} {number + 1}", **options)
                if metrics:
                    found.setdefault(subject.key, []).append(metrics)
        return found

    def redis_benchmark(self, port: int, window: int) -> float | None:
        """Requests a second of `redis-benchmark -P 64 PUBLISH`."""
        benchmark = self.subjects["redis"].benchmark
        if not benchmark:
            return None
        done = subprocess.run(
            [benchmark, "-p", str(port), "-P", str(window), "-n", str(int(500_000 * self.plan.seconds)), "-q", "--csv",
             "PUBLISH", "carillon-bench", "x" * 128], capture_output=True, text=True, timeout=180)
        found = re.findall(r'"(\d+\.\d+)"', done.stdout)
        return float(found[0]) if found else None


def median(values: list[float]) -> float | None:
    return statistics.median(values) if values else None


def collect(row: Row, found: dict[str, list[dict]], metric: str) -> None:
    """Puts the metric's values and medians into the row."""
    for key, runs in found.items():
        values = [run[metric] for run in runs if metric in run]
        if values:
            row.rounds[key] = values
            row.figures[key] = statistics.median(values)


def ratio(row: Row, over: str, under: str = "carillon") -> float | None:
    """The median of the rounds' ratios `under` / `over`."""
    pairs = [a / b for a, b in zip(row.rounds.get(under, []), row.rounds.get(over, [])) if b > 0]
    return median(pairs)


def comparison(rows: list[Row]) -> list[tuple[str, float, float, float]]:
    """What was measured of both builds: what, the medians before and now, and the median of the rounds' ratios now / before."""
    found = []
    for row in rows:
        change = ratio(row, "before")
        if change is not None:
            found.append((row.what, row.figures["before"], row.figures["carillon"], change))
    return found


def decide(row: Row, value: float | None, limit: float, at_most: bool, text: str) -> Row:
    row.value = value
    if value is not None:
        row.met = value <= limit if at_most else value >= limit
        row.measured = text.format(value)
    return row
