"""Runs `carillon bench SCENARIO` and reads its JSON."""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

from .processes import Servers, run_bounded

# A scenario that takes longer is ended; the slowest needs to connect 100,000 sessions.
SCENARIO_SECONDS = 420


class Failed(Exception):
    """A scenario gave no result."""


class Progress:
    """One line on standard error: redrawn on a terminal, otherwise written every few seconds."""

    CELLS = 24

    def __init__(self, total: int):
        self.total = max(1, total)
        self.done = 0
        self.terminal = sys.stderr.isatty()
        self.shown = 0.0

    def show(self, what: str, detail: str = "", force: bool = False) -> None:
        now = time.monotonic()
        if not force and now - self.shown < (0.1 if self.terminal else 5):
            return
        self.shown = now
        share = min(1.0, self.done / self.total)
        if self.terminal:
            full = round(share * self.CELLS)
            bar = "━" * full + "╌" * (self.CELLS - full)
            print(f"\r\x1b[2K{bar} {share:4.0%}  {what}  {detail}"[:160], end="", file=sys.stderr, flush=True)
        else:
            print(f"{share:4.0%}  {what}  {detail}", file=sys.stderr, flush=True)

    def step(self, what: str) -> None:
        self.done += 1
        self.show(what)

    def clear(self) -> None:
        if self.terminal:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        self.clear()
        print(text, file=sys.stderr, flush=True)


class Client:
    def __init__(self, command: list[str], progress: Progress):
        self.command = command
        self.progress = progress
        self.notes: list[str] = []

    def run(self, scenario: str, servers: Servers, what: str, urls: list[str] | None = None, **options: object) -> dict:
        """The metrics by name, with problems under "problems"."""
        arguments = [*self.command, scenario, "--json"]
        for url in servers.urls if urls is None else urls:
            arguments += ["--url", url]
        if servers.dialect != "raw":
            arguments += ["--dialect", servers.dialect]
        for pid in servers.pids():
            arguments += ["--server-pid", str(pid)]
        for path in servers.allocation_files:
            arguments += ["--allocations", str(path)]
        for name, value in options.items():
            option = "--" + name.replace("_", "-")
            arguments += [option] if value is True else [option, str(value)]
        status, out, err = run_bounded(
            arguments, SCENARIO_SECONDS, lambda line: self.progress.show(what, re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line)))
        try:
            answer = json.loads(out)
        except ValueError:
            words = err.strip().splitlines()
            raise Failed(f"{what}: status {status}: {' '.join(words[-3:]) or 'no output'}") from None
        for problem in answer["problems"]:
            self.notes.append(f"{what}: {problem}")
            self.progress.note(f"! {what}: {problem}")
        return {**answer["metrics"], "problems": answer["problems"]}


def binary_client(binary: Path) -> list[str]:
    return [str(binary), "bench"]
