"""Sessions of hubs whose node dies: put together on another node from what is recorded of them and from history, or refused."""

import random
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from rig.cluster import Cluster
from rig.counting_client import CountingClient as Client
from rig.counting_client import Publisher, check_order
from rig.node import Node
from rig.waiting import until

KEY = "0123456789abcdef0123456789abcdef"
CONFIGURATION: dict[str, Any] = {
    "hubs": [{"path": "/chat", "prefix": "chat:", "keys": [KEY], "methods": {"join": "Join", "leave": "Leave", "send_to_group": "Send"}}],
    "channels": [
        {"match": "chat:plain*", "subscribe": "anyone", "publish": "client"},
        {"match": "chat:*", "subscribe": "anyone", "publish": "client", "history": {"size": 100_000, "ttl": "5m"}},
        {"match": "*", "subscribe": "anyone", "publish": "client"},
    ],
    "limits": {"publish_rate": 0},
    "resume": {"records": "200ms"},
}  # fmt: skip
#: Publications a second of those who are rebuilt.
RATE = 3000


@pytest.fixture
def cluster(tmp_path: Path) -> Any:
    with Cluster(tmp_path, size=3, **CONFIGURATION) as started:
        yield started.start()
        started.check_permissions()


def total(nodes: list[Node], name: str) -> float:
    return sum(node.api.metric(name) for node in nodes if node.is_running)


def recorded(node: Node, client: Client) -> None:
    """Waits until there is a record of the session that nothing withdraws."""
    before = node.api.metric("session_records_total")
    client.acknowledge()
    until(lambda: node.api.metric("session_records_total") > before, "the session is recorded")


def test_groups_with_history_can_be_joined(start_node: Any) -> None:
    """With an answer or without one, and the one for everybody as well."""
    node: Node = start_node(**CONFIGURATION)
    client = Client(node)
    client.join("a")
    client.call("Join", "b")
    until(lambda: node.api.subscribers("chat:b") == 1, "it has joined")
    for group in ("all", "a", "b"):
        node.api.publish(f"chat:{group}", text=group)
        client.hear_until(lambda: client.calls[-1:] == [[group]])


def one_death(cluster: Cluster, seed: int) -> bool:
    """A client whose node is killed while publications come to one of its groups, and who comes back to another node.

    Returns whether its session was rebuilt.
    """
    numbers = random.Random(seed)
    victim, *others = numbers.sample(cluster.nodes, 3)
    client = Client(victim, others[0])
    groups = [f"s{seed}-{place}" for place in range(3)]
    for group in groups:
        client.join(group)
    recorded(victim, client)
    publisher = Publisher(others[0], groups[:1], RATE)
    try:
        client.hear()
        end = time.monotonic() + numbers.uniform(0.3, 1)
        while time.monotonic() < end:
            client.hear()
            if numbers.random() < 0.002:
                client.acknowledge()
        called = numbers.random() < 0.2
        if called:
            # Nobody but the node that dies knows what became of it.
            client.call("Join", f"{groups[0]}-more", id="more")
            if numbers.random() < 0.5:
                client.hear_until(lambda: "more" in client.completed)
        victim.kill()
        client.cut()
        time.sleep(numbers.uniform(0, 0.5))
        begin = time.monotonic()
        here = numbers.choice(others)
        refused = client.is_refused(here)
        assert time.monotonic() - begin < 2, "it is known soon"
        published = publisher.stop()
        if refused:
            assert called, "nothing speaks against it"
            return False
        client.hear_until(lambda: published - 1 in client.first_arguments)
        check_order(client, 1, published)
        assert client.completed.count("more") <= 1
        # It goes on as any other: in its groups, answered, known by its id, and counted on from here.
        for group in groups:
            others[0].api.publish(f"chat:{group}", text=f"last {group}")
            client.hear_until(lambda: client.calls[-1:] == [[f"last {group}"]])
        client.join(f"{groups[0]}-new")
        client.cut()
        assert client.resume(here)
        client.call("Send", groups[0], "said", "own", id="own")
        client.hear_until(lambda: "own" in client.completed and client.calls[-1:] == [["own"]])
        return True
    finally:
        publisher.close()
        client.cut()
        victim.start()
        cluster.wait_until_whole()


def deaths(cluster: Cluster, seeds: range) -> None:
    rebuilt = [one_death(cluster, seed) for seed in seeds]
    assert sum(rebuilt) >= len(rebuilt) // 2, rebuilt
    assert total(cluster.nodes, "faults_total") == 0


def test_a_session_is_rebuilt_from_history(cluster: Cluster) -> None:
    deaths(cluster, range(3))


@pytest.mark.long
def test_sessions_are_rebuilt_from_history(cluster: Cluster) -> None:
    deaths(cluster, range(100, 120))


def test_it_is_rebuilt_only_where_the_order_is_known(cluster: Cluster) -> None:
    """Two groups had publications since, and only the dead node knew in which order it told them."""
    victim, other, _ = cluster.nodes
    client = Client(victim)
    client.join("a")
    client.join("b")
    recorded(victim, client)
    for group in ("a", "b"):
        other.api.publish(f"chat:{group}", text=group)
        client.hear_until(lambda: client.calls[-1:] == [[group]])
    victim.kill()
    client.cut()
    assert client.is_refused(other) and client.closed == {"type": 7, "allowReconnect": True}
    assert other.api.metric("rebuilds_unordered_total") == other.api.metric("rebuilds_failed_total") == 1
    # Only once: the record is used up, and the node knows that the session is gone.
    assert client.is_refused(other)


@pytest.mark.parametrize("target", [{"all": True}, {"user": "ann"}, {"channel": "chat:a", "keep": False}])
def test_what_no_history_has_is_not_passed_over(tmp_path: Path, target: dict[str, Any]) -> None:
    """It was sent while nobody had the session, and nobody can send it again."""
    secret = "s" * 40
    token = jwt.encode({"sub": "ann", "exp": int(time.time()) + 300}, secret, algorithm="HS256")
    with Cluster(tmp_path, size=2, **CONFIGURATION, auth={"keys": [{"secret": secret}]}) as cluster:
        cluster.start()
        victim, other = cluster.nodes
        for sends in (False, True):
            client = Client(victim, access_token=token)
            client.join("a")
            recorded(victim, client)
            victim.kill()
            client.cut()
            if sends and "keep" not in target:
                other.api.post_publication({**target, "text": "x"}).raise_for_status()
            elif sends:
                answer = other.api.request("POST", "/api/publish", json={"channel": "chat:a", "data": 1, "skip_history": True})
                assert answer.status_code == 200 and "error" not in answer.json(), answer.text
            if sends:
                assert client.is_refused(other)
            else:
                assert client.resume(other)
                other.api.publish("chat:a", text="y")
                client.hear_until(lambda: client.calls == [["y"]])
            assert other.api.metric("rebuilds_unkept_total") == int(sends)
            client.cut()
            victim.start()
            cluster.wait_until_whole()
        cluster.check_permissions()


def test_it_is_not_rebuilt_without_history(cluster: Cluster) -> None:
    """Not in a group that keeps none, nor for another user; and one that has ended leaves nothing."""
    victim, other, _ = cluster.nodes
    client = Client(victim)
    client.join("plain")
    client.acknowledge()
    written = victim.api.metric("session_records_total")
    client.call("Leave", "plain", id="left")
    client.hear_until(lambda: "left" in client.completed)
    recorded(victim, client)
    client.join("plain")
    client.acknowledge()
    other.api.publish("chat:plain", text="x")
    client.hear_until(lambda: client.calls == [["x"]])
    client.acknowledge()
    assert victim.api.metric("session_records_total") == written + 1
    victim.kill()
    client.cut()
    assert client.is_refused(other)
    assert total(cluster.nodes, "sessions_rebuilt_total") == 0


def test_records_are_bounded(cluster: Cluster) -> None:
    """A session that hears much is recorded now and then, one that hears nothing is not, and one that ends leaves no record."""
    node = cluster.nodes[0]
    idle = Client(node)
    until(lambda: node.api.metric("session_records_total") == 1, "it has nothing to acknowledge")
    busy = Client(node)
    busy.join("a")
    recorded(node, busy)
    before = node.api.metric("session_records_total")
    publisher = Publisher(cluster.nodes[1], ["a"], 1000)
    begin = time.monotonic()
    while time.monotonic() - begin < 2:
        busy.hear()
        busy.acknowledge()
    publisher.stop()
    written = node.api.metric("session_records_total") - before
    assert 2 <= written <= (time.monotonic() - begin) / 0.2 + 2, written
    publisher.close()
    keys = cluster.redis.client().keys("carillon:*:s:*")
    assert len(keys) == 2, keys
    assert all(0 < cluster.redis.client().pttl(key) <= 300_000 for key in keys)
    for client in (idle, busy):
        client._frame({"type": 7})
    until(lambda: not cluster.redis.client().keys("carillon:*:s:*"), "no record is left")
