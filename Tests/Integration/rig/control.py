"""Whether those who behave notice anything: a subscriber and its publisher beside an abuse, measured before and during."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .node import Node

#: 99 of 100 messages may take twice as long as before, or this long, in seconds. The floor is there because attacker,
#: node and control client share two cores, maybe with a compiler: whoever wakes up behind some busy threads waits for
#: slices of the scheduler, whatever the node does. On two cores of their own they have stayed below 40 ms in every abuse
#: but one, which says so; a node that is at an attacker's mercy makes others wait for seconds.
FLOOR = 0.200
FACTOR = 2.0
#: How long the time before the abuse is measured, in seconds: 100 messages.
BASELINE_SECONDS = 1.0
#: An abuse that is over sooner is looked at for this long, so that there are messages to measure.
SHORTEST = 1.0


@dataclass
class Figures:
    """What the control client saw. Times in seconds."""

    messages: int
    baseline: float
    during: float

    def __str__(self) -> str:
        return f"control: {self.messages} messages, p99 {self.baseline * 1e3:.1f} ms before, {self.during * 1e3:.1f} ms during"


def percentile(values: list[float], share: float) -> float:
    assert values, "nothing was measured"
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Control:
    """The control client, a process of its own (`control_client.py`)."""

    def __init__(self, node: Node, publisher: Node | None = None, channel: str = "control") -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("control_client.py")), channel, str(node.client_port),
             str((publisher or node).client_port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
        line = self._process.stdout.readline()
        assert line == "ready\n", f"the control client does not start: {self._process.communicate()[1]}"
        #: Between these the abuse went on, in nanoseconds of the monotonic clock.
        self.began = self.ended = 0
        self.figures: Figures | None = None

    def finish(self) -> dict[str, Any]:
        output, errors = self._process.communicate(timeout=60)
        assert self._process.returncode == 0 and output, f"the control client failed: {errors}"
        return json.loads(output)

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def judge(self, report: dict[str, Any], floor: float, factor: float) -> None:
        arrived = report["arrived"]
        assert not report["closed"], f"the control client was disconnected: {report['closed']}"
        numbers = [number for number, _, _ in arrived]
        assert numbers == list(range(report["sent"])), f"{report['sent']} sent, {len(numbers)} arrived"
        before = [taken / 1e9 for _, sent, taken in arrived if sent < self.began]
        during = [taken / 1e9 for _, sent, taken in arrived if self.began <= sent <= self.ended]
        self.figures = Figures(len(arrived), percentile(before, 0.99), percentile(during, 0.99))
        print(self.figures)
        limit = max(factor * self.figures.baseline, floor)
        assert self.figures.during <= limit, f"{self.figures}; {limit * 1e3:.0f} ms would be right"


@contextmanager
def undisturbed(
    node: Node, *, publisher: Node | None = None, floor: float = FLOOR, factor: float = FACTOR
) -> Iterator[Control]:
    """Around an abuse: what the control client gets has to be whole, in order and in time."""
    control = Control(node, publisher)
    try:
        time.sleep(BASELINE_SECONDS)
        control.began = time.monotonic_ns()
        yield control
        rest = SHORTEST - (time.monotonic_ns() - control.began) / 1e9
        time.sleep(max(0.0, rest))
        control.ended = time.monotonic_ns()
        report = control.finish()
    except BaseException:
        control.kill()
        raise
    control.judge(report, floor, factor)
