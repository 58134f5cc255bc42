"""One message to a million sessions: the floor's turn and ours, Redis killed, a node drained. `Benchmarks/million.py` is the program."""

from __future__ import annotations

import json
import signal
import statistics
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator

from . import needs
from .client import Failed
from .crowd import Crowd
from .processes import Process, Servers, free_ports, wait_for_port
from .subjects import Carillon, Floor
from .usage import cpu_seconds, private_bytes

BROADCASTS = 10
PAYLOAD = 128
#: The history channel's publications: before Redis is killed, while it is away and after it.
BEFORE, AFTER = 2, 2
HISTORY_RUN = 0x5EE15EE1
#: How long Redis stays away: a publication waits for four seconds (backplane.redis.publish_wait), so one is refused meanwhile.
AWAY_SECONDS = 5.0


class Short(Exception):
    """The machine has too little of something to go on."""


@dataclass
class Run:
    """What is asked, and whom to tell how far it is."""

    sessions: int
    nodes: int
    carillon: Path
    directory: Path
    tell: Callable[[str], None]
    progress: Callable[[str], None]

    def guard(self) -> None:
        free = needs.free_memory()
        if free < needs.LEAST_FREE:
            raise Short(f"only {needs.gib(free)} of memory are left: stopped, so that nothing else on this machine suffers. Try fewer SESSIONS.")

    def crowd(self, servers: Servers, to_each: bool = False) -> Crowd:
        return Crowd([str(self.carillon), "bench"], servers.urls, self.sessions, PAYLOAD, to_each, self.progress, self.guard)


def broadcasts(run: Run, crowd: Crowd, servers: Servers, others: tuple[int, ...] = ()) -> dict[str, Any]:
    """Ten, one after the other: how long each took, and what all of them cost. `others` are processes whose CPU is counted by itself."""
    pids = servers.pids()
    before, before_others = cpu_seconds(pids), cpu_seconds(others)
    arrived = []
    for number in range(BROADCASTS):
        arrived.append(crowd.broadcast())
        run.tell(f"broadcast {number + 1} of {BROADCASTS}: at the last session after {arrived[-1]['to_last'] / 1000:.2f} s")
    cpu, cpu_others = cpu_seconds(pids) - before, cpu_seconds(others) - before_others
    counts = crowd.counts()
    times = [each["to_last"] for each in arrived]
    middle = sorted(arrived, key=lambda each: each["to_last"])[len(arrived) // 2]
    deliveries = max(1, counts["deliveries"])
    return {
        "to_last_ms": times, "to_last_median_ms": statistics.median(times), "counts": counts,
        "expected_deliveries": run.sessions * BROADCASTS, "cpu_us_per_delivery": cpu * 1e6 / deliveries,
        "redis_cpu_ms_per_broadcast": cpu_others * 1000 / BROADCASTS,
        "curve": {"published": middle["publishedNanoseconds"], "samples": middle["curve"]}}


def connected(run: Run, crowd: Crowd, kernel_before: int) -> dict[str, Any]:
    opened = crowd.opened
    run.tell(f"{opened['open']:,} sessions are open, after {opened['seconds']:.0f} s ({opened['open'] / opened['seconds']:,.0f}/s)")
    return {
        "open": opened["open"], "seconds": opened["seconds"], "per_second": opened["open"] / opened["seconds"],
        "client_processes": opened["processes"], "kernel_per_session": (needs.kernel_memory() - kernel_before) / run.sessions}


def floor(run: Run, kernel_before: int, found: dict[str, Any]) -> None:
    """As many clients at as many of the floor's processes, which nothing joins: each is sent the message."""
    run.tell(f"floor: {run.nodes:,} processes, {run.sessions:,} clients connect")
    with tempfile.TemporaryDirectory(dir=run.directory) as folder, Floor().start(Path(folder), run.nodes) as servers:
        with run.crowd(servers, to_each=True) as crowd:
            found |= connected(run, crowd, kernel_before)
            found |= broadcasts(run, crowd, servers)


class Redis:
    """A redis-server. If it keeps what it acknowledged, it can be killed and brought back."""

    def __init__(self, directory: Path, keeps: bool = True):
        self.directory = directory
        self.keeps = keeps
        [self.port] = free_ports(1)
        self.number = 0
        self.start()

    def start(self) -> None:
        self.number += 1
        self.process = Process(
            f"redis-{self.number}", ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory),
                                     "--appendonly", "yes" if self.keeps else "no", "--save", ""], self.directory)
        wait_for_port(self.port, self.process)

    def kill(self) -> None:
        self.process.popen.send_signal(signal.SIGKILL)
        self.process.popen.wait()
        self.process.output.close()


@contextmanager
def redis(run: Run) -> Iterator[Redis]:
    with tempfile.TemporaryDirectory(dir=run.directory) as folder:
        server = Redis(Path(folder))
        try:
            yield server
        finally:
            server.process.stop()


def ours(run: Run, kernel_before: int, found: dict[str, Any]) -> None:
    """Nodes joined by one Redis, and everything that is shown of them."""
    leaving = max(2, min(10, run.sessions // run.nodes // 1000))
    with redis(run) as server, tempfile.TemporaryDirectory(dir=run.directory) as folder:
        with Carillon(run.carillon, 1).start(Path(folder), run.nodes, server.port, leaving=leaving) as servers:
            base = private_bytes(servers.pids())
            run.tell(f"Carillon: {run.nodes:,} nodes, {run.sessions:,} clients connect")
            with run.crowd(servers) as crowd:
                found |= connected(run, crowd, kernel_before)
                private = private_bytes(servers.pids())
                found["node_base"] = base / run.nodes
                found["private_per_session"] = (private - base) / run.sessions
                found["private_per_session_with_base"] = private / run.sessions
                found["client_memory"] = private_bytes(Process.pids_of(crowd.popen.pid))
                found |= broadcasts(run, crowd, servers, (server.process.popen.pid,))
                found["history"] = history(run, crowd, servers, server)
                found["drain"] = drain(run, crowd, servers)


# With history, while Redis dies


def payload(run: int, sequence: int) -> str:
    """What the clients know as publication `sequence` of a run: both in hexadecimal digits, and something behind."""
    return f"{run:08x}{sequence:08x}".ljust(PAYLOAD, ".")


def publish(admin: str, sequence: int) -> tuple[int, str]:
    """Once, to the channel with history; the status of the answer and what it says. A repetition has the same name, and publishes nothing twice."""
    body = {"channel": "bench-history", "text": payload(HISTORY_RUN, sequence), "idempotency_key": f"million-{sequence}"}
    request = urllib.request.Request(
        f"http://{admin}/api/v1/publish", json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def publish_until_accepted(run: Run, admin: str, sequence: int, seconds: float = 60) -> list[int]:
    """The statuses of all attempts, of which only the last one is 200."""
    deadline, statuses = time.monotonic() + seconds, []
    while time.monotonic() < deadline:
        run.guard()
        status, said = publish(admin, sequence)
        statuses.append(status)
        if status == 200:
            return statuses
        time.sleep(0.1)
    raise Failed(f"publication {sequence + 1} was not accepted within {seconds:.0f} s: {said[:300]}")


def history(run: Run, crowd: Crowd, servers: Servers, server: Redis) -> dict[str, Any]:
    """Redis is killed the moment it has acknowledged a publication, which is still on its way to the sessions, and comes back.

    Some nodes may not have received the publication by then. They get it from the history when Redis is back.
    """
    admin = servers.admins[0]
    crowd.run(HISTORY_RUN)
    for sequence in range(BEFORE):
        publish_until_accepted(run, admin, sequence)
    killed = time.monotonic()
    server.kill()
    run.tell(f"Redis is killed, with {BEFORE} publications of a channel with history on their way")
    away, said = publish(admin, BEFORE)
    time.sleep(max(0.0, killed + AWAY_SECONDS - time.monotonic()))
    while_away = crowd.counts()
    run.tell(f"{while_away['deliveries']:,} of {BEFORE * run.sessions:,} deliveries by now; a publication meanwhile was answered with {away}")
    server.start()
    back = time.monotonic()
    statuses = publish_until_accepted(run, admin, BEFORE)
    accepted = time.monotonic()
    arrived = crowd.arrival(BEFORE, 240)
    run.tell(f"Redis is back; the next publication is accepted after {accepted - back:.1f} s, and at all sessions {arrived['lastNanoseconds'] / 1e9 - accepted:.2f} s later")
    for sequence in range(BEFORE + 1, BEFORE + AFTER):
        publish_until_accepted(run, admin, sequence)
        crowd.arrival(sequence)
    return {
        "published": BEFORE + AFTER, "away_seconds": back - killed, "status_while_away": away, "said_while_away": said[:300],
        "statuses_after": statuses, "accepted_after_seconds": accepted - back, "to_last_after_accepted_ms": arrived["lastNanoseconds"] / 1e6 - accepted * 1000,
        "expected_deliveries": run.sessions * (BEFORE + AFTER), "while_away": while_away, "counts": crowd.counts()}


# A node that sends its sessions away


def sessions_by_node(admin: str) -> dict[str, int]:
    with urllib.request.urlopen(f"http://{admin}/api/v1/cluster", timeout=30) as answer:
        return {entry["name"]: (entry.get("summary") or {}).get("sessions", 0) for entry in json.load(answer)["cluster"]}


def drain(run: Run, crowd: Crowd, servers: Servers) -> dict[str, Any]:
    """`carillon drain` of the last node, whose sessions come back on the others; then one more message to all."""
    admin, name = servers.admins[0], f"bench-{run.nodes - 1}"
    # Nodes tell each other once a second.
    time.sleep(2)
    before = sessions_by_node(admin)
    run.tell(f"carillon drain {name}, which has {before[name]:,} sessions")
    started = time.monotonic()
    command = subprocess.run(
        [str(run.carillon), "drain", name, "--admin", f"http://{admin}"], capture_output=True, text=True, timeout=120)
    drained = time.monotonic() - started
    if command.returncode != 0:
        raise Failed(f"carillon drain {name}: status {command.returncode}: {command.stderr.strip()}")
    counts = crowd.counts()
    while counts["away"] > 0 and time.monotonic() - started < 120:
        run.guard()
        time.sleep(0.2)
        counts = crowd.counts()
    back = time.monotonic() - started
    run.tell(f"{counts['returned']:,} sessions are back on other nodes after {back:.1f} s, {counts['lost']:,} lost")
    time.sleep(2)
    after = sessions_by_node(admin)
    crowd.run(HISTORY_RUN + 1)
    arrived = crowd.broadcast()
    return {
        "node": name, "sessions_before": before[name], "sessions_after": after[name], "drain_seconds": drained, "back_seconds": back,
        "fullest_node_after": max(after.values()), "to_last_ms": arrived["to_last"], "expected_deliveries": run.sessions, "counts": crowd.counts()}
