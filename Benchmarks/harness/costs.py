"""Measures the constants of `carillon size`: Sources/Sizing/MeasuredCosts.swift has them, docs/sizing.md explains them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Callable

from . import needs
from .held import Held, HeldNode, bench
from .million import Redis
from .usage import cpu_seconds, private_bytes

#: A first tenth of the sessions warms the allocator up.
WARM, COUNTED = 1_900, 17_100
SETTLE = 1.0
#: Bytes of publications.
SMALL, LARGE = 128, 1024
#: Of JSON that is compressed.
JSON = 768


class Measure:
    """Each method measures some constants and puts them into `found`."""

    def __init__(self, carillon: Path, directory: Path, tell: Callable[[str], None], seconds: float = 4.0):
        self.carillon = carillon
        self.directory = directory
        self.tell = tell
        self.seconds = seconds
        self.found: dict[str, float] = {}

    def all(self) -> dict[str, float]:
        for step in (self.memory, self.memory_over_tls, self.queued, self.connects, self.pings, self.sends, self.sends_over_tls, self.compression,
                     self.through_redis):
            self.tell(step.__name__.replace("_", " "))
            step()
        return self.found

    def node(self, **options: Any) -> HeldNode:
        return HeldNode(self.carillon, Path(tempfile.mkdtemp(dir=self.directory)), **options)

    def bench(self, scenario: str, nodes: list[HeldNode], **options: Any) -> dict[str, Any]:
        options.setdefault("seconds", self.seconds)
        urls = options.pop("urls", None) or [node.url() for node in nodes]
        return bench(self.carillon, scenario, urls, lambda line: None, **options)

    # Memory

    def idle(self, path: str, tls: bool = False, *options: str) -> tuple[float, float]:
        """Bytes for each session: private, and of the kernel as far as it is charged to the group."""
        with self.node(tls=tls) as node, Held(self.carillon, node.url(path), WARM, *options):
            time.sleep(SETTLE)
            before = private_bytes([node.pid]), node.group.kernel() if node.group else 0
            # Its numbers of channels begin behind those of the first.
            with Held(self.carillon, node.url(path), COUNTED, *options, *(["--first", str(WARM)] if options else [])):
                time.sleep(SETTLE)
                after = private_bytes([node.pid]), node.group.kernel() if node.group else 0
        return (after[0] - before[0]) / COUNTED, (after[1] - before[1]) / COUNTED

    def memory(self) -> None:
        with self.node() as node:
            time.sleep(SETTLE)
            self.found["base"] = resident_bytes(node.pid)
            self.found["baseCharged"] = node.group.used() if node.group else 0
        one, charged = self.idle("/raw?channel=bench")
        two, _ = self.idle("/raw?channel=bench&channel=bench-2")
        own, _ = self.idle("/raw?channel=bench-{}", False, "--channels", str(WARM + COUNTED))
        self.found |= {"session": one, "connectionCharged": charged, "subscription": two - one, "channel": own - one}

    def memory_over_tls(self) -> None:
        private, _ = self.idle("/raw?channel=bench", True)
        self.found["sessionOverTLS"] = private - self.found["session"]

    def queued(self) -> None:
        """A publication waits at clients that are stopped."""
        with self.node() as node, Held(self.carillon, node.url(), COUNTED) as held:
            time.sleep(SETTLE)
            before = needs.kernel_memory()
            os.kill(held.popen.pid, signal.SIGSTOP)
            try:
                body = json.dumps({"channel": "bench", "text": "x" * 128}).encode()
                request = urllib.request.Request(
                    f"http://127.0.0.1:{node.admin}/api/v1/publish", body, {"Content-Type": "application/json"})
                urllib.request.urlopen(request, timeout=10).close()
                time.sleep(SETTLE)
                self.found["queued"] = (needs.kernel_memory() - before) / COUNTED - 130
            finally:
                os.kill(held.popen.pid, signal.SIGCONT)

    # CPU

    def connects(self) -> None:
        with self.node() as node:
            self.found["connect"] = self.bench("connect", [node], sessions=COUNTED, server_pid=node.pid)["server_cpu_per_connect"]
        with self.node(tls=True) as node:
            self.found["connectOverTLS"] = self.bench("connect", [node], sessions=4_000, server_pid=node.pid)["server_cpu_per_connect"]

    def pings(self) -> None:
        with self.node(ping="2s", pong="1900ms") as node, Held(self.carillon, node.url(), 10_000):
            time.sleep(2)
            before, start = cpu_seconds([node.pid]), time.monotonic()
            time.sleep(max(3.0, self.seconds))
            self.found["ping"] = (cpu_seconds([node.pid]) - before) * 1e6 / 10_000 / (time.monotonic() - start) * 2

    def fanout(self, tls: bool, window: int, size: int) -> tuple[float, float, float]:
        """CPU for each delivery; deliveries and bytes in a send."""
        with self.node(tls=tls) as node:
            cpu = self.bench("fanout", [node], sessions=10_000, window=window, bytes=size, server_pid=node.pid)["server_cpu_per_delivery"]
            counted = counters(node.admin)
        sends = counted["carillon_sends_total"]
        return cpu, counted["carillon_deliveries_total"] / sends, counted["carillon_sent_bytes_total"] / sends

    def parts(self, tls: bool) -> tuple[float, float, float]:
        """CPU of a send, of a publication in it, and of a byte: from single ones, and from batches of two sizes of publications."""
        single, _, _ = self.fanout(tls, 1, SMALL)
        # What is left of a delivery when its part of a send is taken away.
        rest = {}
        for window, size in ((256, SMALL), (64, LARGE)):
            cpu, together, _ = self.fanout(tls, window, size)
            rest[size] = cpu - single / together
        byte = max(1e-6, (rest[LARGE] - rest[SMALL]) / (LARGE - SMALL))
        message = max(0.001, rest[SMALL] - SMALL * byte)
        return single - message - SMALL * byte, message, byte

    def sends(self) -> None:
        self.found["send"], self.found["message"], self.found["byte"] = self.parts(False)

    def sends_over_tls(self) -> None:
        send, _, self.found["byteOverTLS"] = self.parts(True)
        self.found["sendOverTLS"] = send - self.found["send"]

    def compression(self) -> None:
        """Two sessions: what a publication costs more when it is compressed for them."""
        cpu = {}
        for options in ({}, {"permessage_deflate": True}):
            with self.node() as node:
                found = self.bench("fanout", [node], sessions=2, window=64, bytes=JSON, payload="json", server_pid=node.pid, **options)
                cpu[len(options)] = 2 * found["server_cpu_per_delivery"]
                left = found["bytes_per_delivery"] / (JSON + 4)
        self.found["compressedByte"] = max(0.0, cpu[1] - cpu[0]) / JSON
        self.found["compressionRatio"] = left

    def through_redis(self) -> None:
        """The node that publishes, Redis, and nodes that receive."""
        with ExitStack() as stack:
            server = Redis(Path(tempfile.mkdtemp(dir=self.directory)), keeps=False)
            stack.callback(lambda: server.process.stop())
            nodes = [stack.enter_context(self.node(redis=server.port, name=f"held-{index}")) for index in range(4)]

            def cost(channel: str) -> tuple[float, float, float]:
                """Microseconds for each publication: of the publishing node, of Redis, of a node that receives. They go to CHANNEL-unheard."""
                redis, other = server.process.popen.pid, nodes[1].pid
                before = [cpu_seconds([pid]) for pid in (nodes[0].pid, redis, other)]
                metrics = self.bench(
                    "publish", nodes[:1], urls=[nodes[0].url("/connection/websocket")], channel=channel, window=64, seconds=self.seconds, warm_up=0.5)
                spent = [cpu_seconds([pid]) - was for pid, was in zip((nodes[0].pid, redis, other), before)]
                # The clients also publish while they warm up.
                count = metrics["publications_per_second"] * (self.seconds + 0.5)
                return spent[0] * 1e6 / count, spent[1] * 1e6 / count, spent[2] * 1e6 / count

            self.found["publish"], self.found["redisPublish"], _ = cost("bench-nobody")
            self.found["publishWithHistory"], self.found["redisPublishWithHistory"], _ = cost("bench-history-nobody")
            self.found["redisKept"] = kept_bytes(server.port) / 100 - 128
            for node in nodes[1:]:
                stack.enter_context(Held(self.carillon, node.url("/raw?channel=bench-somebody-unheard"), 1))
            _, redis, receive = cost("bench-somebody")
            self.found["redisHandOver"] = max(0.05, (redis - self.found["redisPublish"]) / 3)
            # What comes in a burst is sent to the one subscriber in few sends.
            self.found["receive"] = receive


def kept_bytes(port: int) -> int:
    """Of the one history, in Redis' memory."""
    def ask(*words: str) -> list[str]:
        done = subprocess.run(["redis-cli", "-p", str(port), *words], capture_output=True, text=True, timeout=10)
        return done.stdout.split()

    [key] = ask("--scan", "--pattern", "*:h:bench-history*")
    return int(ask("MEMORY", "USAGE", key, "SAMPLES", "0")[-1])


def counters(admin: int) -> dict[str, float]:
    """What a node has counted."""
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {line.split(" ")[0]: float(line.split(" ")[1]) for line in lines if line and not line.startswith("#") and "{" not in line}


def resident_bytes(pid: int) -> float:
    """All that a process has in memory."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    return 0.0
