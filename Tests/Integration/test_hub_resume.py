"""Clients of hubs whose connection is cut and who go on with their session: none of their messages is lost, none comes twice."""

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from rig.cluster import Cluster
from rig.counting_client import CountingClient as Client
from rig.counting_client import Publisher, check_order
from rig.node import Node
from rig.waiting import until
from rig.wire import BINARY, Wire, frame

HUB = {"path": "/chat", "prefix": "chat:", "keys": ["0123456789abcdef0123456789abcdef"], "methods": {"join": "Join", "send_to_group": "Send"}}
CONFIGURATION: dict[str, Any] = {
    "hubs": [HUB],
    "channels": [{"match": "*", "subscribe": "anyone", "publish": "client"}],
    "limits": {"publish_rate": 0},
}
#: The seeds of what is random.
SEEDS = 20


def one_cut(nodes: list[Node], seed: int, seconds: float = 0.5) -> Client:
    """A client whose connection is cut twice while publications come, and who comes back each time, at any of the nodes."""
    numbers = random.Random(seed)
    groups = [f"s{seed}-{place}" for place in range(2)]
    here = numbers.choice(nodes)
    client = Client(here, numbers.choice(nodes))
    for group in groups:
        client.join(group)
    publisher = Publisher(numbers.choice(nodes), groups)
    try:
        for cut in range(2):
            end = time.monotonic() + numbers.uniform(0.05, seconds / 2)
            while time.monotonic() < end:
                client.hear()
                if numbers.random() < 0.002:
                    client.acknowledge()
            client.call("Join", f"{groups[0]}-more{cut}", id=f"more {cut}")
            client.cut(reset=numbers.random() < 0.5)
            time.sleep(numbers.uniform(0, 0.2))
            others = [node for node in nodes if node is not here] or nodes
            here = numbers.choice(others)
            assert client.resume(here), client.closed
        published = publisher.stop()
        client.hear_until(lambda: {published - 1, published - 2} <= client.first_arguments)
        client.hear_until(lambda: {"more 0", "more 1"} <= set(client.completed))
        assert len(client.completed) == len(set(client.completed)), client.completed
        check_order(client, len(groups), published)
        client.acknowledge()
        return client
    finally:
        publisher.close()


def test_none_is_lost_on_one_node(start_node: Any) -> None:
    """Its reactors are two, so a client comes back to another one half of the time."""
    node: Node = start_node(**CONFIGURATION, node={"reactors": 2})
    for seed in range(SEEDS):
        one_cut([node], seed).cut()
    assert node.api.metric("sessions_resumed_total") == 2 * SEEDS
    assert node.api.metric("resumes_refused_total") == node.api.metric("faults_total") == 0
    until(lambda: node.api.metric("sessions_waiting") == SEEDS, "all are cut")


def test_what_is_kept_is_given_back(start_node: Any) -> None:
    node: Node = start_node(**CONFIGURATION, resume={"time": "500ms"})
    client = Client(node)
    client.join("a")
    client.acknowledge()
    node.api.publish("chat:a", text="x")
    client.hear()
    until(lambda: node.api.metric("resume_bytes") > 0, "it is not acknowledged")
    client.acknowledge()
    until(lambda: node.api.metric("resume_bytes") == 0, "it is acknowledged")
    client.cut()
    until(lambda: node.api.metric("resume_timeouts_total") == 1, "nobody came back in time")
    assert node.api.metric("sessions_waiting") == 0 and node.api.connections() == []
    assert client.is_refused(node)


def test_publications_are_carried_out_once(start_node: Any) -> None:
    """What a client sent and does not know the outcome of is sent again, and the node knows it."""
    node: Node = start_node(**CONFIGURATION)
    listener = Client(node)
    listener.join("a")
    client = Client(node)
    for number in range(40):
        client.call("Send", "a", "said", number, id=f"call {number}")
        if number % 10 == 9:
            client.cut()
            assert client.resume(node)
    client.hear_until(lambda: len(client.completed) == 40)
    assert client.completed == [f"call {number}" for number in range(40)]
    listener.hear_until(lambda: len(listener.calls) == 40)
    assert listener.calls == [[number] for number in range(40)]


def test_a_resume_that_cannot_be_is_refused(start_node: Any) -> None:
    node: Node = start_node(**CONFIGURATION, resume={"messages": 3}, node={"reactors": 1})
    client = Client(node)
    client.join("a")
    for number in range(4):
        node.api.publish("chat:a", text=str(number))
        client.hear()
    client.cut()
    assert node.api.metric("resume_limit_hits_total") == 1
    begin = time.monotonic()
    assert not client.resume(node), "it is refused by the request, which no client takes for anything else"
    assert time.monotonic() - begin < 1
    # As clients do then: from the beginning.
    again = Client(node)
    again.join("a")
    node.api.publish("chat:a", text="x")
    again.hear_until(lambda: again.calls == [["x"]])


def test_in_messagepack(start_node: Any) -> None:
    node: Node = start_node(**CONFIGURATION)
    token = requests.post(
        f"http://{node.client}/chat/negotiate?negotiateVersion=1&useStatefulReconnect=true", timeout=5).json()["connectionToken"]

    def packed(*bytes_: int) -> bytes:
        return frame(bytes([len(bytes_), *bytes_]), BINARY)

    with Wire(node.client_port).open(f"/chat?id={token}") as wire:
        wire.send(frame(json.dumps({"protocol": "messagepack", "version": 2}).encode() + b"\x1e", BINARY))
        assert wire.read_frame() == (BINARY, b"{}\x1e")
        node.api.publish("chat:all", text="x")
        first = wire.read_frame()
        node.api.publish("chat:all", text="y")
        second = wire.read_frame()
        wire.send(packed(0x92, 8, 1))
        until(lambda: node.api.metric("resume_bytes") < 40, "it is acknowledged")
    until(lambda: node.api.metric("sessions_waiting") == 1, "it is cut")
    with Wire(node.client_port).open(f"/chat?id={token}") as wire:
        wire.send(packed(0x92, 9, 1))
        assert wire.read_frame() == (BINARY, b"\x03\x92\x09\x02")
        assert wire.read_frame() == second != first


@pytest.fixture
def cluster(tmp_path: Path) -> Any:
    with Cluster(tmp_path, size=3, **CONFIGURATION) as started:
        yield started.start()
        started.check_permissions()


def test_none_is_lost_from_node_to_node(cluster: Cluster) -> None:
    """The client comes back to another node each time, which fetches what the node before it kept."""
    for seed in range(SEEDS):
        one_cut(cluster.nodes, seed).cut()
    metrics = {
        name: sum(node.api.metric(name) for node in cluster.nodes)
        for name in ("sessions_taken_over_total", "sessions_handed_over_total", "resumes_refused_total", "handovers_failed_total", "faults_total")
    }
    assert metrics == {
        "sessions_taken_over_total": 2 * SEEDS, "sessions_handed_over_total": 2 * SEEDS, "resumes_refused_total": 0,
        "handovers_failed_total": 0, "faults_total": 0,
    }  # fmt: skip


def test_a_dead_node_is_answered_for_at_once(cluster: Cluster) -> None:
    """The client is told within a second that its session is gone, and begins anew."""
    client = Client(cluster.nodes[0])
    client.join("a")
    cluster.nodes[0].kill()
    client.cut()
    begin = time.monotonic()
    assert client.is_refused(cluster.nodes[1])
    assert time.monotonic() - begin < 1 and client.closed == {"type": 7, "allowReconnect": True}
    again = Client(cluster.nodes[1], cluster.nodes[2])
    again.join("a")
    cluster.nodes[2].api.publish("chat:a", text="x")
    again.hear_until(lambda: again.calls == [["x"]])
