"""What `carillon size` predicts beside what a node held to one core and little memory bears."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Callable

from .client import Failed
from .held import CLIENT_CORE, HeldNode, bench, can_hold_memory, on_core
from .processes import NotStarted, end
from .rows import Bench, Row

#: How far a prediction may be from what was measured.
TOLERANCE = 0.25
#: Memory of the node that is held to little, so that it is full before a process has no more files.
LIMIT = 32 << 20
#: Sessions of the broadcasts, and how many may be outstanding for each size of payload.
SESSIONS = 10_000
WINDOWS = {128: (64, 256, 1024), 1024: (32, 64, 128, 256)}


def size(carillon: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run([str(carillon), "size", "--json", *arguments], capture_output=True, text=True, timeout=30)
    if done.returncode != 0:
        raise Failed(f"carillon size {' '.join(arguments)}: {done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


#: One core and no more, all of it; no connects and hardly any ping.
BARE = ["--cores", "1", "--use", "100", "--system-memory", "0MiB", "--connects", "0", "--ping-interval", "1h", "--files", "20000", "--network", "1000Gbit"]


def predicted_sessions(carillon: Path, limit: int) -> int:
    return int(size(carillon, *BARE, "--container", "--memory", f"{limit // 1024}KiB")["sessions"])


def predicted_rate(carillon: Path, sessions: int, payload: int) -> float:
    """The most publications a second that one node is said to bear."""
    least, most = 0.1, 1e6
    while most / least > 1.005:
        middle = (least * most) ** 0.5
        try:
            nodes = size(carillon, *BARE, "--memory", "16GiB", "--sessions", str(sessions), "--rate", f"{middle:.3f}", "--payload", str(payload))["nodes"]
        except Failed:
            nodes = 2
        least, most = (middle, most) if nodes == 1 else (least, middle)
    return least


def borne_sessions(carillon: Path, directory: Path, limit: int) -> int:
    """How many sessions come in before the memory of the node's cgroup is full: then the system ends the node, or it takes no more."""
    with HeldNode(carillon, directory, limit) as node:
        before = node.files()
        clients = subprocess.Popen(
            on_core(CLIENT_CORE, [str(carillon), "bench", "hold", "--quiet", "--url", node.url(), "--sessions", "19500"]),
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        most, changed = 0, time.monotonic()
        try:
            while node.process.popen.poll() is None and time.monotonic() < changed + 5:
                now = node.files() - before
                if now > most:
                    most, changed = now, time.monotonic()
                time.sleep(0.01)
        finally:
            clients.stdin.close()
            end(clients)
    return most


def borne_rate(carillon: Path, directory: Path, payload: int, seconds: float, tell: Callable[[str], None]) -> float:
    """The most publications a second that reach all within a second, p99.

    So many are outstanding all the time, and the next one leaves when one has arrived: the node has as much to do as it can, and no more gathers.
    """
    most = 0.0
    for window in WINDOWS[payload]:
        with HeldNode(carillon, Path(tempfile.mkdtemp(dir=directory))) as node:
            found = bench(
                carillon, "fanout", [node.url()], lambda line: None, sessions=SESSIONS, bytes=payload, window=window, seconds=seconds, server_pid=node.pid)
        rate, last = found["deliveries_per_second"] / SESSIONS, found["to_last_p99"] / 1000
        busy = found["server_cpu_per_delivery"] * found["deliveries_per_second"] / 1e6
        good = not found["problems"] and last < 1000
        tell(f"{window} outstanding: {rate:.0f} a second, p99 {last:.0f} ms{'' if good else ', not borne'}; the node uses {busy:.2f} cores")
        if good:
            most = max(most, rate)
    return most


def compare(carillon: Path, directory: Path, seconds: float, tell: Callable[[str], None]) -> dict[str, dict[str, float]]:
    """Predicted and measured, by what."""
    found: dict[str, dict[str, float]] = {}
    if can_hold_memory():
        predicted = predicted_sessions(carillon, LIMIT)
        tell(f"idle sessions in {LIMIT >> 20} MiB: predicted {predicted:,}")
        found["sessions"] = {"predicted": predicted, "measured": borne_sessions(carillon, Path(tempfile.mkdtemp(dir=directory)), LIMIT)}
    for payload in WINDOWS:
        rate = predicted_rate(carillon, SESSIONS, payload)
        tell(f"broadcasts of {payload:,} bytes a second to {SESSIONS:,} sessions on one core: predicted {rate:,.0f}")
        found[f"rate_{payload}"] = {"predicted": rate, "measured": borne_rate(carillon, directory, payload, seconds, tell)}
    return found


def sizing(bench: Bench) -> list[Row]:
    """The row of `make bench`."""
    sessions = Row("sizing_sessions", f"idle sessions of a node held to one core and {LIMIT >> 20} MiB: `carillon size` beside the node", f"within {TOLERANCE:.0%}")
    rates = [
        Row(f"sizing_rate_{payload}", f"broadcasts of {payload:,} bytes a second to {SESSIONS:,} sessions on one core, p99 below 1 s: the same",
            f"within {TOLERANCE:.0%}", unit="/s") for payload in WINDOWS]  # fmt: skip
    rows = [sessions, *rates]
    if "carillon" not in bench.subjects:
        return rows
    try:
        found = compare(bench.subjects["carillon"].binary, bench.directory, min(4.0, bench.plan.seconds), lambda line: bench.client.progress.show("sizing", line))
    except (Failed, NotStarted) as error:
        bench.client.notes.append(f"sizing: {error}")
        return rows
    finally:
        bench.client.progress.step("sizing")
    if "sessions" not in found:
        sessions.note = "no memory cgroup of version 1 can be written here, so memory was not held"
    for row, key in zip(rows, ("sessions", *(f"rate_{payload}" for payload in WINDOWS))):
        if values := found.get(key):
            row.figures = {"carillon": values["measured"]}
            row.value = values["predicted"] / values["measured"] if values["measured"] else None
            row.met = row.value is not None and abs(row.value - 1) <= TOLERANCE
            row.measured = f"predicted {values['predicted']:,.0f}, measured {values['measured']:,.0f}"
    return rows
