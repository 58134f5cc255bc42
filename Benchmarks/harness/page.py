"""The page of the admin port over a large cluster. `Benchmarks/page.py` measures, in a process of its own: it drives a browser with
what the integration tests are made of, and those need the packages of `.venv`."""

from __future__ import annotations

import json
import os
import shutil
from typing import Any

from .processes import run_bounded
from .rows import Bench, Row, decide, median
from .subjects import HERE

ROOT = HERE.parent
PYTHON = ROOT / ".venv/bin/python"
#: The slowest is to connect 100,000 sessions; the rest is latencies of 16 s.
SECONDS = 1500
#: How often each view is opened.
TIMES = 5
#: Milliseconds in which a view has to be there, and by how much a delivery may take longer while somebody looks.
VIEW, HARM = 1000.0, 1.10


def page(bench: Bench) -> list[Row]:
    plan = bench.plan
    sessions, channels = plan.page_sessions, plan.page_sessions // 2
    crowd = f"{sessions:,} connections and {channels:,} channels on {plan.page_nodes} nodes"
    views = Row("page_views", f"the page, {crowd}: each view is there, longest of {TIMES} times", "≤ 1 s", unit="ms")
    harm = Row("page_latency", "a delivery from node to node while somebody goes from view to view, p50", "≤ 1.10 × while nobody looks", unit="µs")
    missing = next((what for what, isThere in (
        ("Carillon", "carillon" in bench.subjects), ("redis-server", "redis" in bench.subjects), ("chromium", shutil.which("chromium")),
        (".venv (make install)", PYTHON.exists())) if not isThere), None)  # fmt: skip
    if missing:
        views.note = harm.note = f"{missing} is missing"
        bench.client.progress.step("the page")
        return [views, harm]
    found = measure(bench, sessions, channels)
    if found:
        take(found, views, harm)
    return [views, harm]


def measure(bench: Bench, sessions: int, channels: int) -> dict[str, Any] | None:
    plan = bench.plan
    command = [
        str(PYTHON), str(HERE / "page.py"), "--json", "--sessions", str(sessions), "--channels", str(channels), "--nodes", str(plan.page_nodes),
        "--rounds", str(plan.rounds), "--times", str(TIMES), "--seconds", str(16 if plan.seconds > 2 else 4)]  # fmt: skip
    environment = {**os.environ, "CARILLON": str(bench.subjects["carillon"].binary)}
    status, out, err = run_bounded(command, SECONDS, lambda line: bench.client.progress.show("the page", line), environment)
    bench.client.progress.step("the page")
    try:
        found: dict[str, Any] = json.loads(out.splitlines()[-1])
    except (IndexError, ValueError):
        bench.client.notes.append(f"the page was not measured (status {status}): {err.strip()[-500:]}")
        return None
    bench.samples.append({"scenario": "page", "subject": "carillon", "what": "the page", **found})
    return found


def take(found: dict[str, Any], views: Row, harm: Row) -> None:
    longest = {name: max(times) for name, times in found["views"].items()}
    slowest = max(longest, key=lambda name: longest[name])
    views.rounds = {"carillon": list(longest.values())}
    views.figures = {"carillon": longest[slowest]}
    decide(views, longest[slowest], VIEW, True, "{:.0f} ms")
    medians = [median(times) or 0.0 for times in found["views"].values()]
    views.note = f"the slowest is {slowest}; median of all views {median(medians):.0f} ms; the page opened anew {found['opened']:.0f} ms"
    latency = found["latency"]
    harm.rounds = {name: [entry[key]["p50"] for entry in latency["rounds"]] for name, key in (("carillon", "watched"), ("alone", "alone"))}
    harm.figures = {"carillon": latency["watched_p50"]}
    decide(harm, latency["ratio_p50"], HARM, True, "{:.2f} ×")
    harm.note = (f"nobody looks: p50 {latency['alone_p50']:.0f} µs, p99 {latency['alone_p99']:.0f} µs; somebody looks: "
                 f"p50 {latency['watched_p50']:.0f} µs, p99 {latency['watched_p99']:.0f} µs ({latency['ratio_p99']:.2f} ×)")
