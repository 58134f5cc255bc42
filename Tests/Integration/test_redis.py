"""What clients and operators see when Redis is slow, gone or not there yet."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from rig.cluster import Cluster
from rig.load import Publisher, check_order, wait_for
from rig.receivers import WebsocketsClient
from rig.redis_keys import key
from rig.redis_server import RedisServer
from rig.waiting import holds, until

#: How long Redis is away.
OUTAGE_SECONDS = 5.0


def watch_readiness(cluster: Cluster, seen: dict[str, list[int]], ended: threading.Event) -> None:
    """Notes each change of each node's readiness."""
    while not ended.wait(0.05):
        for node in cluster.nodes:
            status = node.api.readiness()
            if seen[node.name][-1:] != [status]:
                seen[node.name].append(status)


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_redis_away_for_five_seconds_under_load(cluster: Cluster, how: str) -> None:
    receivers = [WebsocketsClient(node.client, "load") for node in cluster.nodes for _ in range(5)]
    seen: dict[str, list[int]] = {node.name: [] for node in cluster.nodes}
    ended = threading.Event()
    watcher = threading.Thread(target=watch_readiness, args=(cluster, seen, ended), daemon=True)
    watcher.start()
    publishers = [Publisher(node, "load") for node in cluster.nodes]
    until(lambda: all(len(receiver.received) > 50 for receiver in receivers), "the load is on")

    if how == "stopped":
        cluster.redis.pause()
    else:
        cluster.redis.kill()
    holds(lambda: not any(receiver.closed for receiver in receivers), "everybody is connected", OUTAGE_SECONDS)
    # New clients are let in meanwhile, and wait.
    if how == "stopped":
        cluster.redis.resume()
    else:
        cluster.redis.start()
    for node in cluster.nodes:
        until(node.api.is_ready, f"{node.name} is ready again", 15)
    back = time.monotonic()
    until(lambda: all(p.attempts and p.attempts[-1].started > back + 1 for p in publishers), "a second more of load", 30)
    attempts = [attempt for publisher in publishers for attempt in publisher.stop()]
    ended.set()
    watcher.join()

    assert seen == {node.name: [200, 503, 200] for node in cluster.nodes}
    # Everything published after the link was back arrives, everywhere, and what was refused was refused in time.
    after = {attempt.text for attempt in attempts if attempt.started > back}
    assert len(after) > 50
    assert all(attempt.status == 200 for attempt in attempts if attempt.started > back)
    wait_for(receivers, after)
    assert not [receiver.closed for receiver in receivers if receiver.closed]
    for receiver in receivers:
        check_order(receiver.received)
    assert {attempt.status for attempt in attempts} <= {200, 503}
    assert max(attempt.ended - attempt.started for attempt in attempts) < 8
    # Any node tells what happened.
    for node in cluster.nodes:
        report = node.api.cluster()
        events = [event["message"] for event in report["events"]]
        assert any(event["level"] != "info" for event in report["events"]), events
        assert "carillon_link_up 1" in node.api.metrics()
    for receiver in receivers:
        receiver.close()


def test_through_a_unix_socket(start_node: Any, tmp_path: Path) -> None:
    """Redis has no port at all; what holds for one holds for the other."""
    server = RedisServer(tmp_path, has_port=False).start()
    backplane = {"kind": "redis", "redis": {"url": server.url, "user": "carillon", "password": server.password}}
    rules = [{"match": "*", "publish": "client", "history": {"size": 100, "ttl": "10m"}}]
    one, two = (start_node(name, backplane=backplane, channels=rules) for name in ("one", "two"))
    until(lambda: one.api.node_names() == {"one", "two"}, "they know each other")
    receiver = WebsocketsClient(two.client, "news")
    one.api.publish("news", text="before")
    until(lambda: receiver.received == ["before"], "it arrives")
    server.kill()
    until(lambda: one.api.readiness() == 503, "it is not ready")
    server.start()
    for node in (one, two):
        until(node.api.is_ready, "it is ready again", 15)
    assert not server.denied()
    for node in (one, two):
        node.stop()
    server.stop()


def test_redis_absent_at_start(start_node: Any, tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    node = start_node(redis_url=server.url, ready=False)
    assert node.api.readiness() == 503
    assert node.api.request("GET", "/health/live").status_code == 200
    result = node.command("cluster")
    assert result.returncode == 0 and "node" in result.stdout
    server.start()
    try:
        until(node.api.is_ready, "it links", 10)
        receiver = WebsocketsClient(node.client, "news")
        node.api.publish("news", text="good morning")
        until(lambda: receiver.received == ["good morning"], "the publication")
        receiver.close()
    finally:
        node.stop()
        server.stop()


def test_redis_refuses_the_password(start_node: Any, tmp_path: Path) -> None:
    server = RedisServer(tmp_path, password="right-password").start()
    try:
        wrong = start_node("wrong", redis_url=server.url.replace("right-password", "wrong-password"), ready=False)
        until(lambda: wrong.api.cluster()["events"], "it says why")
        events = " ".join(event["message"] for event in wrong.api.cluster()["events"])
        assert "password" in events.lower() or "WRONGPASS" in events, events
        assert wrong.api.readiness() == 503
        # The password is nowhere to be read.
        assert "wrong-password" not in wrong.output() + events + wrong.api.request("GET", "/api/v1/config").text
        assert len(wrong.output().splitlines()) < 30, "it says so once, and not with every attempt"
        right = start_node("right", redis_url=server.url)
        assert right.api.is_ready()
    finally:
        server.stop()


def test_clusters_with_different_prefixes_do_not_hear_each_other(start_node: Any, tmp_path: Path) -> None:
    redis_server = RedisServer(tmp_path, prefixes=["one", "two"]).start()
    try:
        check_prefixes(start_node, redis_server)
    finally:
        redis_server.stop()


def check_prefixes(start_node: Any, redis_server: RedisServer) -> None:
    one = start_node("one", redis_url=redis_server.url, backplane={"redis": {"prefix": "one"}})
    two = start_node("two", redis_url=redis_server.url, backplane={"redis": {"prefix": "two"}})
    heard = {node.name: WebsocketsClient(node.client, "news") for node in (one, two)}
    one.api.publish("news", text="for one")
    two.api.publish("news", text="for two")
    until(lambda: all(receiver.received for receiver in heard.values()), "each its own")
    assert heard["one"].received == ["for one"] and heard["two"].received == ["for two"]
    assert one.api.node_names() == {"one"}
    keys = redis_server.client().keys("*")
    assert keys and all(key.split(b":")[0] in (b"one", b"two") for key in keys), keys
    for receiver in heard.values():
        receiver.close()


def test_connections_cut_by_redis_are_made_again(cluster: Cluster) -> None:
    receivers = [WebsocketsClient(node.client, f"news:{number}") for node in cluster.nodes for number in range(20)]
    administrator = cluster.redis.client()
    for kind in ("pubsub", "normal"):
        administrator.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
        for node in cluster.nodes:
            until(node.api.is_ready, f"{node.name} is linked again", 10)
    for number in range(20):
        cluster.nodes[number % 3].api.publish(f"news:{number}", text=f"after {number}")
    until(lambda: all(receiver.received for receiver in receivers), "every channel on every node")
    for index, receiver in enumerate(receivers):
        assert receiver.received == [f"after {index % 20}"]
        receiver.close()


def test_what_is_no_envelope_is_counted_and_passed_over(cluster: Cluster) -> None:
    receiver = WebsocketsClient(cluster.nodes[0].client, "news")
    publisher = cluster.redis.client()
    for rubbish in (b"", b"\xca", b"\xca\x01", b"\xff" * 100_000, b"hello", bytes(range(256))):
        for channel in (key("c", "news"), "carillon:beat", key("c", "$all"), f"carillon:node:{cluster.nodes[0].id}"):
            publisher.publish(channel, rubbish)
    cluster.nodes[1].api.publish("news", text="still here")
    until(lambda: receiver.received, "a good one after the bad ones")
    assert receiver.received == ["still here"]
    bad = [line for line in cluster.nodes[0].api.metrics().splitlines() if line.startswith("carillon_link_bad_messages_total")]
    assert int(bad[0].split()[1]) >= 20
    receiver.close()
