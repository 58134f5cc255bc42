#!/usr/bin/env python3
"""The page of the admin port over a large cluster: how soon each view is there, and what it costs the clients that somebody looks.

    .venv/bin/python Benchmarks/page.py                       # 100,000 connections and 50,000 channels on six nodes
    .venv/bin/python Benchmarks/page.py --sessions 6000 --channels 3000 --rounds 2 --seconds 2

It starts Redis, the nodes, and for each node a `carillon bench hold` with its share of the sessions. Each channel has subscribers on
two nodes. A headless Chromium opens the page of the first node and goes to each view; what is measured is the time from the
change of the address until the view has its content, several times. Then `carillon bench latency` publishes on one node and receives on
another one, alternately while nobody looks and while the page goes from view to view. Everything is on this machine. The browser,
which would be on another one, yields the CPU to everybody else.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "Tests/Integration"))

from rig.bench import bench, open_files_limit  # noqa: E402 - it is found only now
from rig.cluster import Cluster  # noqa: E402
from rig.node import CARILLON  # noqa: E402
from rig.page import AdminPage  # noqa: E402
from rig.waiting import until  # noqa: E402

#: What may not be slower, in milliseconds.
BUDGET = 1000.0
#: Names of channels; `{}` is a number.
CHANNEL = "page-{}"
LATENCY = "latency"

#: Rows of a table, by the beginning of its caption.
ROWS = "(caption => [...document.querySelectorAll('#view table')].find(table => table.caption.textContent.startsWith(caption))?.tBodies[0].rows ?? [])"
#: The value of a term on a view of one thing.
FACT = "(term => [...document.querySelectorAll('#view .about dt')].find(dt => dt.textContent === term)?.nextElementSibling.textContent ?? '')"


def views(names: dict[str, str], nodes: int, channels: int) -> dict[str, tuple[str, str]]:
    """Address → what is true when the view is there, of each view and of what lists are sorted and searched by."""
    last = channels - 1
    return {
        "overview": ("#/overview", "document.querySelectorAll('[data-metric=sessions] path.node').length === " + str(nodes)),
        "nodes": ("#/nodes", f"{ROWS}('All nodes').length === {nodes}"),
        "one node": (f"#/nodes/{names['node']}", f"{FACT}('State') === 'serving' && /[0-9]/.test(document.querySelector('[data-metric=sessions] .metric-now')?.textContent)"),
        "channels": ("#/channels", f"{ROWS}('Channels').length === 50"),
        "channels by subscribers": ("#/channels?sort=subscribers", f"{ROWS}('Channels').length === 50"),
        "channels by rate": ("#/channels?sort=rate", f"{ROWS}('Channels').length === 50"),
        "channels, searched": (f"#/channels?prefix=page-{last}", f"{ROWS}('Channels').length === 1"),
        "one channel": (f"#/channels/page-{last}", f"{ROWS}('Subscribers').length === 2"),
        "connections": ("#/connections", f"{ROWS}('Connections').length === 50"),
        "connections by backlog": ("#/connections?sort=backlog", f"{ROWS}('Connections').length === 50"),
        "connections by age": ("#/connections?sort=age", f"{ROWS}('Connections').length === 50"),
        "connections of a channel": (f"#/connections?channel=page-{last}", f"{ROWS}('Connections').length === 2"),
        "one connection": (f"#/connections/{names['connection']}", f"{FACT}('Dialect') === 'raw' || {FACT}('Dialect').startsWith('raw')"),
        "links": ("#/links", f"{ROWS}('Links to').length === {nodes}"),
        "limits": ("#/limits", "/linked|reached/.test(document.querySelector('#view .lead')?.textContent ?? '')"),
        "configuration": ("#/config", "document.querySelectorAll('#view tbody tr').length > 50"),
    }


class Crowd:
    """Sessions of one node, held by a process of their own."""

    def __init__(self, address: str, sessions: int, channels: int, first: int) -> None:
        self._process = subprocess.Popen(
            [str(CARILLON), "bench", "hold", "--url", f"ws://{address}/raw?channel={CHANNEL}", "--sessions", str(sessions),
             "--channels", str(channels), "--first", str(first), "--quiet"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip

    def wait(self) -> None:
        """Until all are there."""
        assert self._process.stdout and self._process.stderr
        line = self._process.stdout.readline()
        if "open" not in line:
            raise SystemExit(line + self._process.stderr.read())

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(60)


@contextmanager
def crowded(options: argparse.Namespace, directory: Path) -> Iterator[Cluster]:
    """The cluster with all of its sessions."""
    shares = [options.sessions // options.nodes + (number < options.sessions % options.nodes) for number in range(options.nodes)]
    # Everybody lets everybody publish, and pings cost what they cost by default.
    rules = [{"match": "*", "subscribe": "anyone", "publish": "client"}]
    with Cluster(directory, options.nodes, node={"reactors": 1}, channels=rules) as cluster:
        cluster.start()
        began = time.monotonic()
        crowds = [Crowd(node.client, share, options.channels, sum(shares[:number])) for number, (node, share) in enumerate(zip(cluster.nodes, shares))]
        try:
            for crowd in crowds:
                crowd.wait()
            until(lambda: cluster.nodes[0].api.cluster()["sessions"] == options.sessions, "the nodes say that all are there", 60)
            say(f"{options.sessions:,} sessions in {time.monotonic() - began:.0f} s")
            yield cluster
        finally:
            for crowd in crowds:
                crowd.close()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def names_of(cluster: Cluster) -> dict[str, str]:
    page = cluster.nodes[0].api.get("/api/v1/connections", limit=1, node=cluster.nodes[-1].id)
    return {"node": cluster.nodes[-1].id, "connection": page["connections"][0]["id"]}


def shown(page: AdminPage, place: str, condition: str) -> float:
    """Milliseconds from the change of the address until a view is there."""
    page.go("#/nowhere", "no such view")
    taken = page.run(f"""new Promise(resolve => {{
      const began = performance.now()
      location.hash = {json.dumps(place)}
      const look = () => {{
        const taken = performance.now() - began
        if (location.hash === {json.dumps(place)} && document.querySelector('#view h1') != null && ({condition})) resolve(taken)
        else if (taken > 20_000) resolve(null)
        else requestAnimationFrame(look)
      }}
      requestAnimationFrame(look)
    }})""")
    if taken is None:
        raise SystemExit(f"{place} is not there after 20 s:\n{page.text('body')[:1000]}")
    return taken


def opened(directory: Path, cluster: Cluster, number: int) -> tuple[AdminPage, float]:
    """A browser at the page, and milliseconds until it had its first view."""
    page = AdminPage(directory / f"browser-{number}", cluster.nodes[0], "#/nowhere")
    # As if on another machine: only what nobody else wants of the CPU.
    subprocess.run(["renice", "-n", "19", "-g", str(os.getpgid(page.browser.pid))], check=True, stdout=subprocess.DEVNULL)
    page.run("location.hash = '#/overview'; location.reload()")
    nodes = len(cluster.nodes)
    until(lambda: page.run(f"document.querySelectorAll('[data-metric=sessions] path.node')?.length === {nodes}"), "the page is there", 30)
    return page, page.run("performance.now()")


def latency(cluster: Cluster, seconds: float) -> dict[str, float]:
    urls = [f"ws://{node.client}/raw?channel={LATENCY}" for node in (cluster.nodes[1], cluster.nodes[-1])]
    return bench("latency", urls, 2, "--seconds", str(seconds))["metrics"]


class Visitor(threading.Thread):
    """Goes from view to view, a second on each, until it is told to stop."""

    def __init__(self, page: AdminPage, places: list[str]) -> None:
        super().__init__(daemon=True)
        self._page, self._places = page, places
        self._ended = threading.Event()
        self.visits = 0

    def run(self) -> None:
        while not self._ended.is_set():
            self._page.run(f"location.hash = {json.dumps(self._places[self.visits % len(self._places)])}; 0")
            self.visits += 1
            self._ended.wait(1)

    def stop(self) -> None:
        self._ended.set()
        self.join()


def compare(page: AdminPage, cluster: Cluster, places: list[str], options: argparse.Namespace) -> dict[str, Any]:
    """Latencies while nobody looks and while somebody does, in microseconds, round by round."""
    rounds: list[dict[str, dict[str, float]]] = []
    for number in range(options.rounds):
        found = {}
        # Each goes first every other time.
        for watched in (False, True) if number % 2 == 0 else (True, False):
            if watched:
                visitor = Visitor(page, places)
                visitor.start()
            else:
                # A page of another address asks nothing.
                page.run("location.href = 'about:blank'; 0")
            measured = latency(cluster, options.seconds)
            if watched:
                visitor.stop()
                page.run("location.hash = '#/nowhere'; 0")
            else:
                page.run(f"location.href = {json.dumps(page.origin + '/#/nowhere')}; 0")
                page.waits(lambda: page.run("document.querySelector('#view h1') != null"), "is there again", 30)
            found["watched" if watched else "alone"] = {part: measured[f"latency_{part}"] for part in ("p50", "p99")}
        rounds.append(found)
        say(f"  round {number + 1}: alone {found['alone']}, watched {found['watched']}")
    return {"rounds": rounds, **{
        f"ratio_{part}": statistics.median(found["watched"][part] / found["alone"][part] for found in rounds) for part in ("p50", "p99")
    }, **{
        f"{who}_{part}": statistics.median(found[who][part] for found in rounds) for who in ("alone", "watched") for part in ("p50", "p99")
    }}  # fmt: skip


def measure(options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="carillon-page-") as folder:
        directory = Path(folder)
        with crowded(options, directory) as cluster:
            wanted = views(names_of(cluster), options.nodes, options.channels)
            page, first = opened(directory, cluster, 0)
            try:
                taken = {name: [shown(page, *view) for _ in range(options.times)] for name, view in wanted.items()}
                for name, times in taken.items():
                    say(f"  {name}: median {statistics.median(times):.0f} ms, longest {max(times):.0f} ms")
                found = compare(page, cluster, [place for place, _ in wanted.values()], options)
            finally:
                page.stop()
    return {
        "sessions": options.sessions, "channels": options.channels, "nodes": options.nodes, "opened": first,
        "views": taken, "slowest": max(max(times) for times in taken.values()), "latency": found,
    }  # fmt: skip


def table(result: dict[str, Any]) -> str:
    lines = ["| view | median | longest |", "|---|---:|---:|"]
    lines += [f"| {name} | {statistics.median(times):.0f} ms | {max(times):.0f} ms |" for name, times in result["views"].items()]
    found = result["latency"]
    lines += ["", "| a delivery from node to node | nobody looks | somebody looks | ratio |", "|---|---:|---:|---:|"]
    lines += [f"| {part} | {found[f'alone_{part}']:.0f} µs | {found[f'watched_{part}']:.0f} µs | {found[f'ratio_{part}']:.2f} |" for part in ("p50", "p99")]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=100_000, help="on all nodes together")
    parser.add_argument("--channels", type=int, default=50_000)
    parser.add_argument("--nodes", type=int, default=6)
    parser.add_argument("--times", type=int, default=5, help="how often each view is opened")
    parser.add_argument("--rounds", type=int, default=5, help="of latencies, with and without somebody who looks")
    parser.add_argument("--seconds", type=float, default=16, help="of each latency: a second for each view")
    parser.add_argument("--json", action="store_true", help="print one line of JSON instead of tables")
    options = parser.parse_args()
    # A client process needs some files beside its sessions (`BenchOptions.reservedDescriptors`).
    if options.sessions // options.nodes + 101 > open_files_limit():
        sys.exit(f"a process may open {open_files_limit()} files here: take more nodes, or fewer sessions")
    # Whoever ends this ends the cluster.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    result = measure(options)
    print(json.dumps(result) if options.json else table(result))


if __name__ == "__main__":
    main()
