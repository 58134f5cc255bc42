"""SignalR hubs beside raw: what a delivery costs, and whether a client that stops reading delays the others.

A message has the same size in all of them, WebSocket's header included: what a dialect puts around a payload is taken off the payload.
"""

from __future__ import annotations

import socket
from pathlib import Path

from .processes import NotStarted, Servers
from .rows import Bench, Row, collect, decide, median, ratio
from .subjects import HUB, At, port_of

ROUNDS = 5
LIMIT = 1.10
#: Bytes of a message, without WebSocket's header.
MESSAGE = 192
#: Bytes that a dialect puts around a payload that is text of this length.
AROUND = {
    "raw": 0,
    "signalr-json": len('{"type":1,"target":"m","arguments":[""]}\x1e'),
    # The length (2), a list of six, the kind, no headers, no id, "m", a list of one, a text's head (2), no streams.
    "signalr-messagepack": 2 + 1 + 1 + 1 + 1 + 2 + 1 + 2 + 1,
}
PATHS = {"raw": "/raw?channel=bench", "signalr-json": HUB, "signalr-messagepack": HUB}
NAMES = {"raw": "raw", "signalr-json": "SignalR JSON", "signalr-messagepack": "SignalR MessagePack"}

#: One paused client in a group of so many, and what is published meanwhile.
GROUP, RATE, BYTES = 1000, 100, 1000
PAUSED_LIMIT = 1.10


def signalr(bench: Bench) -> list[Row]:
    made = []
    for window, what in ((1, "one message at a time"), (64, "64 outstanding")):
        found: dict[str, list[dict]] = {dialect: [] for dialect in AROUND}
        for number in range(min(ROUNDS, bench.plan.rounds)):
            # In turns, because the machine is not the same all the time.
            order = list(found) if number % 2 == 0 else list(reversed(found))
            for dialect in order:
                metrics = measure(bench, dialect, window, f"{NAMES[dialect]}, {what} {number + 1}")
                if metrics:
                    found[dialect].append(metrics)
        for dialect in ("signalr-json", "signalr-messagepack"):
            row = Row(
                f"{dialect}_cpu_{window}",
                f"{NAMES[dialect]}: CPU per delivery, {what}, {bench.plan.sessions:,} sessions, {MESSAGE} B each", f"≤ {LIMIT:.2f} × raw",
                unit="µs")
            collect(row, {"carillon": found[dialect], "raw": found["raw"]}, "server_cpu_per_delivery")
            decide(row, ratio(row, "raw"), LIMIT, True, "{:.2f} × raw")
            sizes = {name: median([run["bytes_per_delivery"] for run in found[name]]) for name in ("raw", dialect)}
            if None not in sizes.values() and abs(sizes["raw"] - sizes[dialect]) > 1:
                row.met, row.note = False, f"the sizes differ: {sizes}"
            made.append(row)
    return made


def measure(bench: Bench, dialect: str, window: int, what: str) -> dict | None:
    options = {} if dialect == "raw" else {"dialect": dialect}
    return bench.measure(
        "fanout", At(bench.subjects["carillon"], PATHS[dialect]), what, window=window, sessions=bench.plan.sessions, seconds=bench.plan.seconds,
        bytes=MESSAGE - AROUND[dialect], **options)


def paused(bench: Bench) -> list[Row]:
    """The delays of a group of which one member is connected and does not read, beside those of one in which everybody reads."""
    row = Row("paused", f"p99 of a delivery in a SignalR group of {GROUP:,} with one client that does not read", f"≤ {PAUSED_LIMIT:.2f} × without", unit="ms")
    middle: dict[str, list[float]] = {"carillon": [], "without": []}
    for number in range(min(ROUNDS, bench.plan.rounds)):
        order = ("carillon", "without") if number % 2 == 0 else ("without", "carillon")
        for way in order:
            subject = (WithPaused if way == "carillon" else At)(bench.subjects["carillon"], HUB)
            # The one that does not read stays to the end, and what waits for it grows: harder than one that is sent away.
            metrics = bench.measure(
                "camera", subject, f"a paused client {number + 1}, {way}", start={"outbound": "64MiB"}, dialect="signalr-json",
                sessions=GROUP, rate=RATE, bytes=BYTES, seconds=max(2.0, bench.plan.seconds))
            if not metrics:
                continue
            row.rounds.setdefault(way, []).append(metrics["delay_p99"] / 1000)
            middle[way].append(metrics["delay_p50"] / 1000)
            if metrics["left_out"]:
                row.note = f"{metrics['left_out']:.0f} deliveries are missing"
    row.figures = {way: median(values) or 0.0 for way, values in row.rounds.items()}
    decide(row, ratio(row, "without"), PAUSED_LIMIT, True, "{:.2f} ×")
    if row.note:
        row.met = False
    elif all(middle.values()):
        row.note = (f"with it p50 {median(middle['carillon']):.2f} ms, p99 {row.figures['carillon']:.2f} ms; without it p50 "
                    f"{median(middle['without']):.2f} ms, p99 {row.figures['without']:.2f} ms")
    return [row]


class WithPaused(At):
    """The same, with one more member of the group, which does not read."""

    def start(self, directory: Path, count: int, redis: int | None, **options: object) -> Servers:
        servers = super().start(directory, count, redis, **options)
        try:
            servers.held.append(not_reading(port_of(servers.urls[0])))
        except BaseException:
            servers.stop()
            raise
        return servers


def not_reading(port: int) -> socket.socket:
    """A SignalR client that joins the group and then reads nothing. What the kernel takes for it is full already."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(5)
    client.connect(("127.0.0.1", port))
    client.sendall(
        f"GET {HUB} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
    say(client, '{"protocol":"json","version":1}')
    say(client, '{"type":1,"invocationId":"1","target":"JoinGroup","arguments":["bench"]}')
    heard = b""
    while b'"invocationId":"1"' not in heard:
        piece = client.recv(4096)
        if not piece:
            raise NotStarted(f"the hub sent the paused client away: {heard!r}")
        heard += piece
    # More than a socket of Linux holds (tcp_wmem): it hears what it says itself.
    for _ in range(100):
        say(client, f'{{"type":1,"target":"SendToGroup","arguments":["bench","m","{"x" * 60_000}"]}}')
    return client


def say(client: socket.socket, message: str) -> None:
    """One message of the hub protocol in a frame, masked with zeros."""
    data = message.encode() + b"\x1e"
    length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    client.sendall(b"\x81" + length + bytes(4) + data)


def steps(rounds: int) -> dict[str, int]:
    """How many measurements that are, by row."""
    count = min(ROUNDS, rounds)
    return {"signalr": 2 * len(AROUND) * count, "paused": 2 * count}
