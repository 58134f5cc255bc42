#!/usr/bin/env python3
"""One message to 1,000,000 sessions over some 53 nodes, on this machine: docs/million.md says what is done and counted.

    make million                        everything, about twenty minutes; needs 12 GiB of free memory
    make million SESSIONS=100000        fewer sessions
    make million MILLION=--check        only says whether this machine can, and what is missing
    make million MILLION=--write-docs   also updates docs/million.md and its picture

Everything listens on loopback and is ended by its process id.
"""

from __future__ import annotations

import argparse
import datetime
import json
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import machine, million_page, needs  # noqa: E402
from harness.client import Failed  # noqa: E402
from harness.million import Run, Short, floor, ours  # noqa: E402
from harness.processes import NotStarted, raise_file_limit  # noqa: E402
from harness.report import BEGIN, END  # noqa: E402
from harness.subjects import HERE  # noqa: E402

ROOT = HERE.parent


class Line:
    """How far it is, on standard error: redrawn on a terminal, otherwise written every few seconds."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.shown = 0.0
        self.terminal = sys.stderr.isatty()

    def progress(self, text: str) -> None:
        now = time.monotonic()
        if now - self.shown < (0.2 if self.terminal else 10):
            return
        self.shown = now
        print(f"\r\x1b[2K{text}"[:120] if self.terminal else f"  {text}", end="" if self.terminal else "\n", file=sys.stderr, flush=True)

    def tell(self, text: str) -> None:
        clear = "\r\x1b[2K" if self.terminal else ""
        print(f"{clear}{time.monotonic() - self.began:6.1f} s  {text}", file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=1_000_000, help="sessions (1,000,000)")
    parser.add_argument("--nodes", type=int, help="nodes; as many as the sessions need unless given")
    parser.add_argument("--without-floor", action="store_true", help="leave the floor's turn out")
    parser.add_argument("--check", action="store_true", help="only look whether this machine can")
    parser.add_argument("--carillon", type=Path, default=ROOT / ".build/release/carillon", help="the program")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="where million.json, .md and .svg are written")
    parser.add_argument("--write-docs", action="store_true", help="update docs/million.md and docs/million.svg")
    options = parser.parse_args()
    if options.sessions < 100:
        parser.error(f"--sessions {options.sessions}: at least 100")
    if options.nodes is not None and not 2 <= options.nodes <= 1000:
        parser.error(f"--nodes {options.nodes}: 2 to 1000, because one of them is drained")
    return options


def check(sessions: int, nodes: int) -> bool:
    """Says what the machine lacks."""
    found = needs.read()
    parts = needs.memory_for(sessions, nodes)
    print(f"{sessions:,} sessions over {nodes:,} nodes need about {needs.gib(sum(parts.values()))} of memory; {needs.gib(found.memory)} are free",
          file=sys.stderr)
    for remark in needs.remarks(found, sessions):
        print(f"note: {remark}", file=sys.stderr)
    missing = needs.shortages(found, sessions, nodes)
    for line in missing:
        print(f"missing: {line}", file=sys.stderr)
    return not missing


def write(options: argparse.Namespace, document: dict) -> None:
    text, picture = million_page.markdown(document), million_page.picture(document)
    options.results.mkdir(parents=True, exist_ok=True)
    (options.results / "million.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    (options.results / "million.md").write_text(text)
    (options.results / "million.svg").write_text(picture)
    if options.write_docs:
        page = ROOT / "docs/million.md"
        before, rest = page.read_text().split(BEGIN, 1)
        page.write_text(before + text.rstrip() + rest.split(END, 1)[1])
        (ROOT / "docs/million.svg").write_text(picture)


def main() -> int:
    options = arguments()
    files = raise_file_limit()
    nodes = options.nodes or needs.nodes_for(options.sessions, files)
    if not check(options.sessions, nodes):
        return 2
    if options.check:
        print("nothing is missing", file=sys.stderr)
        return 0
    if not options.carillon.exists():
        print(f"{options.carillon} is not there: make build", file=sys.stderr)
        return 2
    described = machine.describe(files)
    line = Line()
    began = time.monotonic()
    command = f"make million SESSIONS={options.sessions}" if options.sessions != 1_000_000 else "make million"
    document: dict = {
        "date": datetime.date.today().isoformat(), "command": command, "sessions": options.sessions, "nodes": nodes, "machine": described}
    try:
        with tempfile.TemporaryDirectory(prefix="carillon-million-") as directory:
            run = Run(options.sessions, nodes, options.carillon.resolve(), Path(directory), line.tell, line.progress)
            kernel = needs.kernel_memory()
            if not options.without_floor:
                subprocess.run(["make", "-s", "-C", str(HERE / "floor")], check=True)
                document["floor"] = {}
                floor(run, kernel, document["floor"])
            document["carillon"] = {}
            ours(run, kernel, document["carillon"])
            if not options.without_floor:
                # Who comes later finds the kernel's memory in less order. The floor comes before us and after us.
                document["floor_again"] = {}
                floor(run, kernel, document["floor_again"])
    except (Failed, NotStarted, Short) as error:
        # What was measured until then is worth reading.
        document["failed"] = str(error)
        options.results.mkdir(parents=True, exist_ok=True)
        (options.results / "million.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        print(f"\n{error}\nWhat was measured until then is in {options.results}/million.json", file=sys.stderr)
        return 1
    document["seconds"] = round(time.monotonic() - began)
    document["budgets"] = million_page.budgets(document)
    write(options, document)
    print(million_page.table(document["budgets"]))
    print()
    print(f"{'':76} {'Carillon':>16} {'floor, before':>16} {'and after':>16}")
    for what, *each in million_page.figures(document):
        print(f"{what:76} " + " ".join(f"{value:>16}" for value in each))
    print(f"\n{document['seconds']} s; everything in {shlex.quote(str(options.results))}/million.json, .md and .svg")
    return 0 if all(row["met"] for row in document["budgets"]) else 1


if __name__ == "__main__":
    # Servers are ended on the way out, however this is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
