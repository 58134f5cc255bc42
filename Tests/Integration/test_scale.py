"""As many sessions as a process may have files, and more of them over several nodes: each gets each broadcast."""

from pathlib import Path
from typing import Any

import pytest

from rig.bench import bench, open_files_limit
from rig.cluster import Cluster
from rig.waiting import holds, until
from rig.wire import Wire, upgrade

#: Open files that the largest of these tests needs in one process.
NEEDED_FILES = 20_000

pytestmark = pytest.mark.skipif(
    open_files_limit() < NEEDED_FILES, reason=f"needs {NEEDED_FILES} open files; see: ulimit -Hn")


def check(metrics: dict[str, Any], sessions: int, nodes: int) -> None:
    assert metrics["sessions"] == sessions and metrics["servers"] == nodes
    assert metrics["missing"] == metrics["duplicates"] == metrics["sessions_lost"] == 0
    # One of the sessions publishes; the others are counted.
    assert metrics["deliveries_counted"] == metrics["broadcasts"] * (sessions - 1)
    print(f"{sessions} sessions on {nodes} nodes, time to the last: {metrics['to_last_median']:.0f} ms")


def test_19000_sessions_on_one_node(node: Any) -> None:
    result = bench("broadcast", [f"ws://{node.client}/raw?channel=bench"], 19_000)
    check(result["metrics"], 19_000, 1)
    assert node.is_running


def test_100000_sessions_on_six_nodes(tmp_path: Path) -> None:
    with Cluster(tmp_path, size=6) as cluster:
        cluster.start()
        urls = [f"ws://{node.client}/raw?channel=bench" for node in cluster.nodes]
        result = bench("broadcast", urls, 100_000, seconds=600)
        check(result["metrics"], 100_000, 6)
        for node in cluster.nodes:
            assert node.is_running and node.api.is_ready()


def test_a_burst_in_flight_is_counted_to_the_last(node: Any) -> None:
    url = f"ws://{node.client}/raw?channel=bench"
    metrics = bench("fanout", [url], 1000, "--window", "64", "--seconds", "2")["metrics"]
    assert metrics["missing"] == metrics["duplicates"] == metrics["reordered"] == metrics["sessions_lost"] == 0
    assert metrics["deliveries"] > 0


def test_a_full_node_makes_clients_wait_and_takes_them_when_there_is_room(start_node: Any) -> None:
    node = start_node(limits={"sessions": 10})
    first = [Wire(node.client_port).open("/raw?channel=a") for _ in range(10)]
    waiting = Wire(node.client_port).send(upgrade("/raw?channel=a"))
    # The kernel has its connection; the node has not.
    holds(lambda: node.api.subscribers("a") == 10, "ten are served", 0.5)
    first[0].close()
    assert waiting.read_head().startswith(b"HTTP/1.1 101 ")
    until(lambda: node.api.subscribers("a") == 10, "ten are served again")
    assert "carillon_listener_pauses_total 0" not in node.api.metrics()
    for wire in [*first[1:], waiting]:
        wire.close()
