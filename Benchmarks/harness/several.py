"""One, two and three Redis servers, and Redis Cluster with sharded and with classic pub/sub: rates, and what they cost Redis.

The node, the clients and all servers share the cores of the machine. So the rate alone tells little about a larger one: what a
publication costs all servers together, and the share of the busiest one, tell how far more servers would go.
"""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .client import Failed
from .processes import NotStarted, Process, Servers, free_ports, wait_for_port
from .rows import Bench, Row, collect, median, ratio
from .subjects import port_of

ROUNDS = 5
#: Sessions that publish, each to a channel of its own, with so many publications unacknowledged each.
PUBLISHERS, WINDOW = 48, 64
#: Seconds for a Redis Cluster to become ready.
JOIN_SECONDS = 20.0
#: Without these commands, a server has classic pub/sub only, as Redis 6.2 has.
CLASSIC = ["--rename-command", "SPUBLISH", "", "--rename-command", "SSUBSCRIBE", ""]


@dataclass
class Way:
    """How the nodes are joined: the setting of `backplane.redis`, and the processes behind it."""

    label: str
    link: str
    redis: list[Process]


def start(servers: Servers, directory: Path, binary: str, count: int, arguments: list[str], is_cluster: bool) -> list[int]:
    ports = free_ports(2 * count)
    for index in range(count):
        home = directory / f"redis-{index}"
        home.mkdir()
        cluster = ["--cluster-enabled", "yes", "--cluster-port", str(ports[count + index])] if is_cluster else []
        process = Process(
            f"redis-{index}",
            [binary, "--port", str(ports[index]), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", *cluster, *arguments], home)
        servers.processes.append(process)
        wait_for_port(ports[index], process)
    return ports[:count]


def join(ports: list[int]) -> None:
    """Makes one Redis Cluster of them, and waits until all of its slots are served."""
    addresses = [f"127.0.0.1:{port}" for port in ports]
    done = subprocess.run(
        ["redis-cli", "--cluster", "create", *addresses, "--cluster-yes"], capture_output=True, text=True, timeout=JOIN_SECONDS)
    if done.returncode != 0:
        raise NotStarted(f"redis-cli made no cluster\n{done.stdout[-500:]}{done.stderr[-500:]}")
    deadline = time.monotonic() + JOIN_SECONDS
    while time.monotonic() < deadline:
        told = [subprocess.run(["redis-cli", "-p", str(port), "cluster", "info"], capture_output=True, text=True, timeout=5).stdout for port in ports]
        if all("cluster_state:ok" in text for text in told):
            return
        time.sleep(0.05)
    raise NotStarted("the Redis Cluster is not ready")


@contextlib.contextmanager
def way(bench: Bench, kind: str) -> Iterator[Way]:
    binary = bench.subjects["redis"].binary
    with tempfile.TemporaryDirectory(dir=bench.directory) as folder, Servers() as servers:
        if kind in ("sharded", "classic"):
            ports = start(servers, Path(folder), binary, 3, CLASSIC if kind == "classic" else [], True)
            join(ports)
            link = f"cluster: ['127.0.0.1:{ports[0]}']"
        else:
            ports = start(servers, Path(folder), binary, int(kind), [], False)
            urls = ", ".join(f"'redis://127.0.0.1:{port}#shard-{number}'" for number, port in enumerate(ports))
            link = f"url: 'redis://127.0.0.1:{ports[0]}'" if len(ports) == 1 else f"shards: [{urls}]"
        yield Way(kind, link, servers.processes)


def cpu_seconds(process: Process) -> float:
    """CPU that a process has used, in seconds, to the nanosecond."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{process.popen.pid}/task").iterdir()) / 1e9


def publishing(bench: Bench, kind: str, channel: str, seconds: float, what: str) -> dict | None:
    """Publications a second of two nodes, of which one publishes, and what each cost Redis."""
    try:
        with way(bench, kind) as joined, tempfile.TemporaryDirectory(dir=bench.directory) as folder:
            with bench.subjects["carillon"].start(Path(folder), 2, None, link=joined.link) as nodes:
                url = f"ws://127.0.0.1:{port_of(nodes.urls[0])}/connection/websocket"
                before = [cpu_seconds(process) for process in joined.redis]
                # The scenario reads the CPU of Redis, and not of the node, over the time in which it counts.
                watched = Servers()
                watched.processes = joined.redis
                metrics = bench.client.run(
                    "publish", watched, what, urls=[url], seconds=seconds, window=WINDOW, publishers=PUBLISHERS,
                    publish_channels=PUBLISHERS, channel=channel)
                used = [cpu_seconds(process) - earlier for process, earlier in zip(joined.redis, before)]
    except (Failed, NotStarted, subprocess.SubprocessError, OSError) as error:
        bench.client.notes.append(f"{what}: {error}")
        bench.client.progress.note(f"! {what}: {error}")
        return None
    finally:
        bench.client.progress.step(what)
    metrics["busiest_cpu_per_publication"] = metrics["server_cpu_per_publication"] * max(used) / sum(used)
    bench.samples.append({"scenario": "publish", "subject": kind, "what": what, **metrics})
    return metrics


def servers(bench: Bench) -> list[Row]:
    made: list[Row] = []
    if "redis" not in bench.subjects or "carillon" not in bench.subjects:
        return made
    seconds = max(1.0, bench.plan.seconds / 2)
    for channel, what in (("bench", "plain"), ("bench-history", "with history")):
        found: dict[str, list[dict]] = {kind: [] for kind in ("1", "2", "3", "sharded", "classic")}
        for number in range(min(ROUNDS, bench.plan.rounds)):
            # In turns, because the machine is not the same all the time.
            for kind in list(found) if number % 2 == 0 else list(reversed(found)):
                metrics = publishing(bench, kind, channel, seconds, f"{kind}, {what} {number + 1}")
                if metrics:
                    found[kind].append(metrics)
        for kind, over in (("2", "1"), ("3", "1"), ("sharded", "classic")):
            made += compared(found, kind, over, what)
    return made


NAMES = {"1": "one Redis", "2": "two Redis servers", "3": "three Redis servers", "sharded": "a Redis Cluster of 3 with sharded pub/sub",
         "classic": "classic pub/sub"}


def compared(found: dict[str, list[dict]], kind: str, over: str, what: str) -> list[Row]:
    made = []
    for metric, title, unit in (
            ("publications_per_second", "publications per second", "/s"),
            ("busiest_cpu_per_publication", "CPU of the busiest Redis per publication", "µs"),
            ("server_cpu_per_publication", "CPU of all Redis per publication", "µs")):
        row = Row(f"servers_{kind}_{what.split()[-1]}_{metric}", f"{NAMES[kind]}, {what}: {title}, {PUBLISHERS} channels", "no budget", unit=unit)
        collect(row, {"carillon": found[kind], "over": found[over]}, metric)
        value = ratio(row, "over")
        if value is not None:
            figures = [median(row.rounds[key]) or 0.0 for key in ("carillon", "over")]
            row.measured = f"{value:.2f} × {NAMES[over]}"
            row.note = f"{figures[0]:,.0f}/s over {figures[1]:,.0f}/s" if unit == "/s" else f"{figures[0]:.2f} µs over {figures[1]:.2f} µs"
        made.append(row)
    return made


def steps(rounds: int) -> int:
    return 2 * 5 * min(ROUNDS, rounds)
