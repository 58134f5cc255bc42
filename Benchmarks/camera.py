#!/usr/bin/env python3
"""A camera and its viewers: 30 publications a second of 20 kB over three nodes, with more and more viewers.

    .venv/bin/python Benchmarks/camera.py                    # 100, 200, 400 … viewers, until a delay of p99 exceeds 100 ms
    .venv/bin/python Benchmarks/camera.py --viewers 300 --slow 3

It starts Redis and three nodes with the rule of examples/carillon.yaml, and runs `carillon bench camera`: one publisher, and viewers that
read everything. `--slow` adds viewers, one to each node in turn, that read a tenth of what is published. The line says what the
others got. Everything is on this machine: nodes, Redis and viewers share its cores.
"""

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "Tests/Integration"))

from rig.cluster import Cluster  # noqa: E402 - it is found only now
from rig.node import CARILLON  # noqa: E402
from rig.tour import configuration  # noqa: E402

CHANNEL = "camera:bench"
#: Milliseconds that 99 of 100 deliveries may take.
LATE = 100.0


class SlowViewer(threading.Thread):
    """Reads so many bytes a second, whatever comes."""

    def __init__(self, address: str, rate: int) -> None:
        super().__init__(daemon=True)
        host, port = address.split(":")
        self._rate = rate
        self._ended = threading.Event()
        self.received = 0
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        self._socket.connect((host, int(port)))
        self._socket.sendall(
            f"GET /raw?channel={CHANNEL} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())

    def run(self) -> None:
        began = time.monotonic()
        while not self._ended.wait(0.05):
            while self.received < (time.monotonic() - began) * self._rate:
                if not (data := self._socket.recv(16_384)):
                    return
                self.received += len(data)

    def stop(self) -> None:
        self._ended.set()
        self._socket.close()


def measure(cluster: Cluster, viewers: int, options: argparse.Namespace) -> dict[str, Any]:
    slow = [SlowViewer(cluster.nodes[number % 3].client, options.bytes * options.rate // 10) for number in range(options.slow)]
    for viewer in slow:
        viewer.start()
    arguments = [part for node in cluster.nodes for part in ("--url", f"ws://{node.client}/raw?channel={CHANNEL}", "--server-pid", str(node.pid))]
    before = replaced(cluster)
    done = subprocess.run(
        [str(CARILLON), "bench", "camera", *arguments, "--sessions", str(viewers), "--bytes", str(options.bytes), "--rate", str(options.rate),
         "--seconds", str(options.seconds), "--warm-up", "2", "--json", "--quiet"],
        capture_output=True, text=True, check=False)  # fmt: skip
    if not done.stdout:
        raise SystemExit(done.stderr)
    result = json.loads(done.stdout)
    result["metrics"]["left_out_by_nodes"] = replaced(cluster) - before
    result["metrics"]["slow_received"] = sum(viewer.received for viewer in slow)
    for viewer in slow:
        viewer.stop()
    return result


def replaced(cluster: Cluster) -> int:
    return int(sum(node.api.metric("slow_replaced_publications_total") for node in cluster.nodes))


def line(result: dict[str, Any]) -> str:
    found = result["metrics"]
    delays = " | ".join(f"{found[f'delay_{part}'] / 1000:.1f} ms" for part in ("p50", "p99", "max"))
    return (
        f"| {found['sessions']:.0f} | {found['deliveries_per_second']:,.0f} | {found['deliveries_per_second'] * found['payload'] / 1e6:,.0f} MB "
        f"| {delays} | {found['left_out']:.0f} | {found['server_busy']:.2f} | {found['bench_busy']:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, nargs="*", help="how many; default: more and more")
    parser.add_argument("--slow", type=int, default=0, help="viewers that read a tenth")
    parser.add_argument("--rate", type=int, default=30, help="publications a second")
    parser.add_argument("--bytes", type=int, default=20_000, help="of a publication")
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement")
    options = parser.parse_args()
    changes = configuration()
    changes["channels"] = [{"match": CHANNEL, "subscribe": "anyone", "publish": "client", "slow": "latest", "cache": True,
                            "history": {"size": 1, "ttl": "1m"}}]  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="carillon-camera-") as directory:
        with Cluster(Path(directory), node={"reactors": 1}, **changes) as cluster:
            cluster.start()
            print("| viewers | deliveries/s | bytes/s | delay p50 | p99 | max | left out | CPUs, nodes | CPUs, viewers |", flush=True)
            print("|---:|---:|---:|---:|---:|---:|---:|---:|---:|", flush=True)
            for viewers in options.viewers or [100 * 2**step for step in range(8)]:
                result = measure(cluster, viewers, options)
                print(line(result), flush=True)
                for problem in result["problems"]:
                    print(f"  {problem}", flush=True)
                if options.slow:
                    print(f"  the {options.slow} slow viewers read {result['metrics']['slow_received'] / 1e6:.1f} MB; the nodes left out "
                          f"{result['metrics']['left_out_by_nodes']} publications", flush=True)  # fmt: skip
                if not options.viewers and result["metrics"]["delay_p99"] / 1000 > LATE:
                    break


if __name__ == "__main__":
    main()
