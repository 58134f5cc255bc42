"""Redis that moves: a master, replicas, and sentinels that say which is which."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rig.certificates import Authority
from rig.centrifuge_wire import CentrifugeWire
from rig.node import Node
from rig.redis_keys import key
from rig.sentinels import DOWN_AFTER, NAME, Sentinels
from rig.waiting import holds, until

RULES = [{"match": "*", "subscribe": "anyone", "publish": "client", "history": {"size": 1000, "ttl": "10m"}}]


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    started = Sentinels(tmp_path)
    yield started.start()
    assert not started.denied(), started.denied()
    started.stop()


@pytest.fixture
def nodes(start_node: Any, sentinels: Sentinels) -> list[Node]:
    found = [start_node(name, backplane=sentinels.settings, channels=RULES) for name in "ab"]
    for node in found:
        until(lambda node=node: node.api.node_names() == {"a", "b"}, "the nodes know each other")
    return found


def server(node: Node) -> int:
    """The port of the Redis a node is linked to."""
    return int(node.api.get(f"/api/v1/nodes/{node.name}")["summary"]["link"]["server"].split(" ")[0].rsplit(":", 1)[1])


def publish(node: Node, number: int) -> str:
    """Until it is taken; its position."""
    body = {"channel": "news", "data": number, "idempotency_key": f"n{number}"}

    def taken() -> str | None:
        answer = node.api.post_publication(body)
        return answer.json()["positions"]["news"] if answer.status_code == 200 else None

    return until(taken, f"{number} is published", 30)


def test_a_master_that_dies_is_replaced_and_clients_stay(nodes: list[Node], sentinels: Sentinels) -> None:
    clients = [CentrifugeWire(node) for node in nodes]
    for client in clients:
        client.subscribe("news")
    for number in range(1, 6):
        publish(nodes[0], number)
    old = sentinels.master
    until(lambda: [server.client().xlen(key("h", "news")) for server in sentinels.servers] == [5, 5, 5], "the replicas have it")
    old.kill()
    killed = time.monotonic()
    publish(nodes[0], 6)
    until(lambda: all(client.publications[-1:] and client.publications[-1][1] == 6 for client in clients), "it goes on", 20)
    took = time.monotonic() - killed
    print(f"delivered again after {took:.1f} s")
    assert took < DOWN_AFTER / 1000 + 5
    for client in clients:
        assert [data for _, data in client.publications] == [1, 2, 3, 4, 5, 6] and client.closed is None and not client.unsubscribed
    until(lambda: sentinels.master is not old, "most sentinels know the new master", 10)
    assert all("name another master" in node.output() for node in nodes)
    # It comes back as a replica, and nobody minds.
    old.start()
    until(lambda: old.client().role()[0] in (b"slave", "slave"), "it is a replica", 20)
    publish(nodes[1], 7)
    until(lambda: all(client.publications[-1][1] == 7 for client in clients), "and on", 10)
    for client in clients:
        client.close()


@pytest.mark.long
def test_a_failover_on_purpose_loses_nothing(nodes: list[Node], sentinels: Sentinels) -> None:
    client = CentrifugeWire(nodes[1])
    client.subscribe("news")
    for round in range(2):
        before = sentinels.master
        for number in range(1, 4):
            publish(nodes[0], 10 * round + number)
        # What the replica does not have yet when it is promoted is lost, and nobody can help it: see F4 of the chaos suite.
        until(lambda round=round: [server.client().xlen(key("h", "news")) for server in sentinels.servers] == [4 * round + 3] * 3, "replicated", 40)
        until(lambda: sentinels.sentinels[0].client().execute_command("SENTINEL", "FAILOVER", NAME), "the sentinels are willing", 20)
        until(lambda before=before: sentinels.master is not before, "another master", 20)
        until(lambda: all(server(node) == sentinels.master.port for node in nodes), "the nodes have followed", 10)
        publish(nodes[0], 10 * round + 9)
        until(lambda round=round: client.publications[-1][1] == 10 * round + 9, "it goes on", 20)
    assert [data for _, data in client.publications] == [1, 2, 3, 9, 11, 12, 13, 19]
    assert client.closed is None and not client.unsubscribed
    client.close()


def test_a_master_that_was_only_asleep_is_left_at_once(nodes: list[Node], sentinels: Sentinels) -> None:
    """It does not know that it was replaced, and would go on as if nothing had happened."""
    client = CentrifugeWire(nodes[1])
    client.subscribe("news")
    publish(nodes[0], 1)
    old = sentinels.master
    until(lambda: all(server.client().xlen(key("h", "news")) == 1 for server in sentinels.servers), "the replicas have it")
    old.pause()
    publish(nodes[0], 2)
    until(lambda: client.publications[-1][1] == 2, "the new master delivers", 20)
    old.resume()
    # What it still says to those who listen there reaches nobody here.
    rogue = [old.client().publish(key("c", "news"), b"rogue") for _ in range(20)]
    assert set(rogue) == {0}, "no node listens to it"
    publish(nodes[0], 3)
    until(lambda: client.publications[-1][1] == 3, "and on", 10)
    assert [data for _, data in client.publications] == [1, 2, 3] and not client.unsubscribed
    client.close()


def test_sentinels_that_are_gone_change_nothing(nodes: list[Node], sentinels: Sentinels) -> None:
    client = CentrifugeWire(nodes[1])
    client.subscribe("news")
    for sentinel in sentinels.sentinels[:2]:
        sentinel.kill()
    publish(nodes[0], 1)
    sentinels.sentinels[2].kill()
    holds(lambda: all(node.api.is_ready() for node in nodes), "the link stays", 3)
    publish(nodes[0], 2)
    until(lambda: [data for _, data in client.publications] == [1, 2], "all is as it was")
    for sentinel in sentinels.sentinels:
        sentinel.start()
    client.close()


def test_over_tls_and_with_passwords(start_node: Any, tmp_path: Path) -> None:
    """Redis, its replicas and the sentinels speak nothing but TLS, and want to know who asks."""
    sentinels = Sentinels(tmp_path, replicas=1, password="let-nodes-ask", authority=Authority(tmp_path / "ca")).start()
    nodes: list[Node] = [start_node(name, backplane=sentinels.settings, channels=RULES) for name in "ab"]
    for node in nodes:
        until(lambda node=node: node.api.node_names() == {"a", "b"}, "the nodes know each other")
    client = CentrifugeWire(nodes[1])
    client.subscribe("news")
    publish(nodes[0], 1)
    until(lambda: [server.client().xlen(key("h", "news")) for server in sentinels.servers] == [1, 1], "the replica has it")
    sentinels.master.kill()
    publish(nodes[0], 2)
    until(lambda: [data for _, data in client.publications] == [1, 2], "it goes on at the other", 20)
    assert client.closed is None and not client.unsubscribed and not sentinels.denied()
    client.close()
    # Whoever is not signed by somebody known is no sentinel.
    stranger = {**sentinels.settings["redis"], "tls": {"authorities": str(Authority(tmp_path / "other").file)}}
    refused = start_node("refused", ready=False, backplane={"kind": "redis", "redis": stranger})
    until(lambda: "certificate" in refused.output(), "it says what is wrong", 10)
    assert refused.api.readiness() == 503
    for one in (*nodes, refused):
        one.stop()
    sentinels.stop()


def test_a_node_waits_for_sentinels_that_are_not_there_yet(start_node: Any, tmp_path: Path) -> None:
    sentinels = Sentinels(tmp_path, replicas=1, password="let-nodes-ask")
    sentinels.start()
    for sentinel in sentinels.sentinels:
        sentinel.kill()
    node = start_node("early", ready=False, backplane=sentinels.settings)
    assert node.api.readiness() == 503
    for sentinel in sentinels.sentinels:
        sentinel.start()
    until(node.api.is_ready, "it is linked", 20)
    wrong = start_node("wrong", ready=False, backplane={"kind": "redis", "redis": {**sentinels.settings["redis"], "master": "nobody"}})
    until(lambda: "No such master" in wrong.output(), "it says what is wrong", 10)
    stranger = {**sentinels.settings["redis"], "sentinel_password": "wrong"}
    refused = start_node("refused", ready=False, backplane={"kind": "redis", "redis": stranger})
    until(lambda: "WRONGPASS" in refused.output(), "it says what is wrong", 10)
    for one in (node, wrong, refused):
        one.stop()
    sentinels.stop()
