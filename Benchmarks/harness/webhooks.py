"""Fan-out with webhooks and without: what telling the application costs the node.

The webhook takes all kinds of events, so each publication and each session is one. Its receiver is a process of its own, and what it
uses is not counted.
"""

from __future__ import annotations

import contextlib
import http.server
import multiprocessing
from collections.abc import Iterator
from multiprocessing.synchronize import Event as ProcessEvent

from .rows import Bench, Row, collect, decide, ratio

ROUNDS = 5
LIMIT = 1.02


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def receive(port: multiprocessing.SimpleQueue, over: ProcessEvent) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.daemon_threads = True
    server.timeout = 0.5
    port.put(server.server_address[1])
    while not over.is_set():
        server.handle_request()


@contextlib.contextmanager
def receiver() -> Iterator[str]:
    context = multiprocessing.get_context("spawn")
    port, over = context.SimpleQueue(), context.Event()
    process = context.Process(target=receive, args=(port, over), name="receiver", daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{port.get()}/events"
    finally:
        over.set()
        process.join(5)


def webhooks(bench: Bench) -> list[Row]:
    made = []
    with receiver() as url:
        for window, what in ((1, "one message at a time"), (64, "64 outstanding")):
            found: dict[str, list[dict]] = {"off": [], "on": []}
            for number in range(min(ROUNDS, bench.plan.rounds)):
                # In turns, because the machine is not the same all the time.
                order = list(found) if number % 2 == 0 else list(reversed(found))
                for way in order:
                    metrics = bench.measure(
                        "fanout", bench.subjects["carillon"], f"webhooks {way}, {what} {number + 1}", window=window,
                        start={"webhook": url} if way == "on" else {}, sessions=bench.plan.sessions,
                        seconds=bench.plan.seconds)
                    if metrics:
                        found[way].append(metrics)
            row = Row(
                f"webhooks_cpu_{window}", f"CPU per delivery with webhooks on over off, {what}", f"≤ {LIMIT} ×", unit="µs")
            collect(row, {"carillon": found["on"], "off": found["off"]}, "server_cpu_per_delivery")
            made.append(decide(row, ratio(row, "off"), LIMIT, True, "{:.2f} ×"))
    return made


def steps(rounds: int) -> int:
    """How many measurements that are."""
    return 4 * min(ROUNDS, rounds)
