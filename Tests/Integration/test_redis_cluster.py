"""A Redis Cluster: channels live where their slots are, and follow them."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rig.centrifuge_wire import CentrifugeWire
from rig.certificates import Authority
from rig.node import Node
from rig.redis_cluster import RedisCluster
from rig.redis_keys import key
from rig.redis_server import RULES as RULES_WITHOUT_CLUSTER
from rig.redis_server import RedisServer
from rig.waiting import until

RULES = [
    {"match": "plain:*", "subscribe": "anyone", "publish": "client"},
    {"match": "room:*", "subscribe": "anyone", "publish": "client", "presence": {"join_leave": True, "grace": "200ms"}, "history": {"size": 1000, "ttl": "10m"}},
]
ROOMS = [f"room:{number}" for number in range(60)]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RedisCluster]:
    started = RedisCluster(tmp_path).start()
    yield started
    assert not started.denied(), f"deploy/redis/carillon-cluster.acl does not allow all a node does: {started.denied()}"
    started.stop()


@pytest.fixture
def replicated(tmp_path: Path) -> Iterator[RedisCluster]:
    started = RedisCluster(tmp_path, replicas=1).start()
    yield started
    started.stop()


def pair(start_node: Any, cluster: RedisCluster, **redis: Any) -> list[Node]:
    """One address is enough."""
    found = [start_node(name, backplane=cluster.settings(1, **redis), channels=RULES) for name in "ab"]
    for node in found:
        until(lambda node=node: node.api.node_names() == {"a", "b"}, "the nodes know each other")
    return found


def links(node: Node) -> dict[str, Any]:
    return node.api.get(f"/api/v1/nodes/{node.name}")["summary"]["link"]


def listen(node: Node, channels: list[str]) -> CentrifugeWire:
    client = CentrifugeWire(node)
    for channel in channels:
        client.subscribe(channel)
    return client


def test_channels_live_where_their_slots_are(start_node: Any, cluster: RedisCluster) -> None:
    nodes = pair(start_node, cluster)
    client = listen(nodes[1], ROOMS + ["plain:a"])
    for number, channel in enumerate(ROOMS):
        nodes[0].api.publish(channel, data=number)
    nodes[0].api.publish("plain:a", data=60)
    until(lambda: sorted(data for _, data in client.publications) == list(range(61)), "all arrive, each once")
    masters = {cluster.master_of(cluster.slot(key("m", channel))).name for channel in ROOMS}
    assert len(masters) == 3
    for channel in ROOMS[:10]:
        assert cluster.client_of(key("m", channel)).exists(key("m", channel)) == 1
    assert links(nodes[0])["servers"] == 3 and links(nodes[0])["phase"] == "linked"
    for channel in ROOMS[:6]:
        until(lambda channel=channel: nodes[0].api.get(f"/api/v1/channels/{channel}/presence")["clients"] == 1, "present")
    # Sharded pub/sub only: no server tells the others of a publication.
    assert all(server.client().execute_command("PUBSUB", "NUMPAT") == 0 and server.client().pubsub_channels() == [] for server in cluster.servers)
    assert all(server.client().execute_command("PUBSUB", "SHARDCHANNELS") for server in cluster.servers)
    client.close()


def test_slots_that_move_take_their_channels_with_them(start_node: Any, cluster: RedisCluster) -> None:
    """Under load: with history every publication once and in order; without it nothing that was published after the move is lost."""
    nodes = pair(start_node, cluster)
    client = listen(nodes[1], ROOMS)
    sent = 0

    def publish(count: int) -> None:
        nonlocal sent
        for _ in range(count):
            channel = ROOMS[sent % len(ROOMS)]
            answer = until(
                lambda channel=channel: (found := nodes[sent % 2].api.post_publication({"channel": channel, "data": sent, "idempotency_key": f"n{sent}"})).status_code == 200 and found,
                f"{sent} is published", 20)
            assert answer.status_code == 200
            sent += 1

    publish(60)
    moved = threading.Thread(target=lambda: cluster.move(1000, cluster.servers[0], cluster.servers[1]))
    moved.start()
    while moved.is_alive():
        publish(10)
    moved.join()
    publish(120)
    expected = list(range(sent))
    until(lambda: sorted(data for _, data in client.publications) == expected, "all arrive, each once", 20)
    for channel in range(len(ROOMS)):
        arrived = [data for _, data in client.publications if data % len(ROOMS) == channel]
        assert arrived == sorted(arrived), "in order"
    assert client.closed is None and not client.unsubscribed
    assert "moved from Redis at" in nodes[0].output()
    until(lambda: all(links(node)["phase"] == "linked" for node in nodes), "all is well")
    client.close()


def test_plain_channels_follow_their_slots(start_node: Any, cluster: RedisCluster) -> None:
    nodes = pair(start_node, cluster)
    channels = [f"plain:{number}" for number in range(100)]
    client = listen(nodes[1], channels)
    cluster.move(3000, cluster.servers[2], cluster.servers[0])
    until(lambda: all("moved from Redis at" in node.output() and links(node)["phase"] == "linked" for node in nodes), "both have followed", 20)
    for number, channel in enumerate(channels):
        nodes[0].api.publish(channel, data=number)
    until(lambda: sorted(data for _, data in client.publications) == list(range(100)), "nothing is lost after the move")
    client.close()


def test_a_replica_takes_over(start_node: Any, replicated: RedisCluster) -> None:
    nodes = pair(start_node, replicated, ready_when="any")
    client = listen(nodes[1], ROOMS)
    for number, channel in enumerate(ROOMS):
        nodes[0].api.publish(channel, data=number)
    until(lambda: len(client.publications) == 60, "all arrive")
    until(lambda: len({server.client().dbsize() for server in replicated.servers}) <= 3, "the replicas have everything")
    dying = replicated.master_of(replicated.slot(key("m", ROOMS[0])))
    cut = [channel for channel in ROOMS if replicated.master_of(replicated.slot(key("m", channel))) is dying]
    others = [channel for channel in ROOMS if channel not in cut]
    dying.kill()
    until(lambda: links(nodes[0])["phase"] == "degraded", "noticed")
    for number, channel in enumerate(others):
        nodes[0].api.publish(channel, data=100 + number)
    until(lambda: len(client.publications) == 60 + len(others), "the others go on")
    for number, channel in enumerate(cut):
        until(
            lambda number=number, channel=channel: nodes[0].api.post_publication({"channel": channel, "data": 200 + number, "idempotency_key": f"k{number}"}).status_code == 200,
            "the new master takes it", 30)
    until(lambda: all(links(node)["phase"] == "linked" for node in nodes), "linked", 20)
    expected = sorted([*range(60), *(100 + n for n in range(len(others))), *(200 + n for n in range(len(cut)))])
    until(lambda: sorted(data for _, data in client.publications) == expected, "nothing is lost and nothing comes twice", 20)
    assert client.closed is None and not client.unsubscribed
    client.close()


def test_a_master_is_added_and_another_one_removed(start_node: Any, cluster: RedisCluster) -> None:
    nodes = pair(start_node, cluster)
    client = listen(nodes[1], ROOMS)
    added = cluster.add()
    cluster.move(4000, cluster.servers[0], added)
    until(lambda: all(links(node).get("servers") == 4 and links(node)["phase"] == "linked" for node in nodes), "both use it", 20)
    leaving = cluster.servers[1]
    held = sum(last - first + 1 for first, last, master, *_ in leaving.cluster("SLOTS") if master[1] == leaving.port)
    cluster.move(held, leaving, added)
    cluster.command("del-node", cluster.servers[0].address, leaving.id)
    until(lambda: all(links(node).get("servers") == 3 and links(node)["phase"] == "linked" for node in nodes), "both have left it", 20)
    for number, channel in enumerate(ROOMS):
        nodes[0].api.publish(channel, data=number)
    until(lambda: sorted(data for _, data in client.publications) == list(range(60)), "all arrive")
    client.close()


def test_a_slot_without_a_master_is_named(start_node: Any, cluster: RedisCluster) -> None:
    nodes = pair(start_node, cluster)
    slot = cluster.slot(key("m", ROOMS[0]))
    for server in cluster.servers:
        server.client().config_set("cluster-require-full-coverage", "no")
    for server in cluster.servers:
        server.cluster("DELSLOTS", slot)
    until(lambda: "has no master for some of its slots: 1 partition of 128" in nodes[0].output(), "it says so")
    until(lambda: "have no master" in links(nodes[0]).get("reason", ""), "and so does the summary")
    assert nodes[0].api.readiness() == 503
    answer = nodes[0].api.post_publication({"channel": ROOMS[0], "data": 1})
    assert answer.status_code == 503, answer.text
    cluster.servers[0].cluster("ADDSLOTS", slot)
    until(lambda: nodes[0].api.is_ready(), "ready again", 20)
    until(lambda: nodes[0].api.post_publication({"channel": ROOMS[0], "data": 2}).status_code == 200, "and it takes publications", 20)


def test_an_address_that_is_no_cluster(start_node: Any, redis_server: RedisServer) -> None:
    settings = {"kind": "redis", "redis": {"cluster": [f"127.0.0.1:{redis_server.port}"]}}
    node = start_node("a", ready=False, backplane=settings)
    until(lambda: "is not part of a Redis Cluster" in node.output() and "use backplane.redis.url for a single server" in node.output(), "it says so")
    assert node.api.readiness() == 503


def test_without_sharded_pubsub_the_classic_one_is_used(start_node: Any, tmp_path: Path) -> None:
    """Redis 6.2 has none."""
    hidden = ["--rename-command", "SSUBSCRIBE", "", "--rename-command", "SPUBLISH", ""]
    cluster = RedisCluster(tmp_path, arguments=hidden).start()
    nodes = pair(start_node, cluster)
    assert "has no sharded pub/sub" in nodes[0].output()
    client = listen(nodes[1], ROOMS)
    for number, channel in enumerate(ROOMS):
        nodes[0].api.publish(channel, data=number)
    until(lambda: sorted(data for _, data in client.publications) == list(range(60)), "all arrive, each once")
    client.close()
    for node in nodes:
        node.stop()
    cluster.stop()


def test_servers_of_different_versions(start_node: Any, tmp_path: Path) -> None:
    """One of them has no sharded pub/sub: its channels use the classic one, and the log names it."""
    cluster = RedisCluster(tmp_path)
    cluster.servers[1].arguments += ["--rename-command", "SSUBSCRIBE", "", "--rename-command", "SPUBLISH", ""]
    cluster.start()
    nodes = pair(start_node, cluster)
    assert f"Redis at {cluster.servers[1].address} has no sharded pub/sub" in nodes[0].output()
    assert f"Redis at {cluster.servers[0].address} has no sharded pub/sub" not in nodes[0].output()
    client = listen(nodes[1], ROOMS)
    for number, channel in enumerate(ROOMS):
        nodes[0].api.publish(channel, data=number)
    until(lambda: sorted(data for _, data in client.publications) == list(range(60)), "all arrive, each once")
    client.close()
    for node in nodes:
        node.stop()
    cluster.stop()


def test_a_cluster_without_quorum_is_named(start_node: Any, cluster: RedisCluster) -> None:
    """Most masters are gone: those that are left refuse keys, and say why."""
    nodes = pair(start_node, cluster)
    for server in cluster.servers[1:]:
        server.kill()
    until(lambda: not cluster.is_ok(cluster.servers[0]), "the last one notices", 20)
    until(lambda: "the Redis Cluster says that it is down (cluster_state)" in nodes[0].output() or "has no master for some of its slots" in nodes[0].output(), "it says so", 20)
    assert nodes[0].api.readiness() == 503
    answer = nodes[0].api.post_publication({"channel": ROOMS[0], "data": 1})
    assert answer.status_code == 503, answer.text
    for server in cluster.servers[1:]:
        server.start()
    cluster.wait_until_whole()
    until(nodes[0].api.is_ready, "ready again", 30)
    until(lambda: nodes[0].api.post_publication({"channel": ROOMS[0], "data": 2}).status_code == 200, "and it takes publications", 20)


def test_addresses_that_do_not_answer_are_passed_over(start_node: Any, cluster: RedisCluster) -> None:
    settings = cluster.settings()
    settings["redis"]["cluster"] = ["127.0.0.1:1", "nowhere.invalid:7000", *settings["redis"]["cluster"][2:]]
    node = start_node("a", backplane=settings, channels=RULES)
    until(lambda: node.api.get("/api/v1/nodes/a").get("summary", {}).get("link", {}).get("servers") == 3, "linked through all masters")


def test_a_user_without_the_permissions_of_a_cluster(start_node: Any, tmp_path: Path) -> None:
    cluster = RedisCluster(tmp_path, rules=RULES_WITHOUT_CLUSTER).start()
    node = start_node("a", ready=False, backplane=cluster.settings(), channels=RULES)
    until(lambda: "no server of the Redis Cluster says who has which slots" in node.output() and "NOPERM" in node.output(), "it says what is missing")
    assert node.api.readiness() == 503
    node.stop()
    cluster.stop()


def test_a_cluster_that_speaks_tls(start_node: Any, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    cluster = RedisCluster(tmp_path, authority=authority).start()
    certificate, private = authority.issue("node")
    tls = {"enabled": True, "authorities": str(authority.file), "certificate": str(certificate), "key": str(private)}
    nodes = pair(start_node, cluster, tls=tls)
    client = listen(nodes[1], ROOMS)
    for number, channel in enumerate(ROOMS):
        nodes[0].api.publish(channel, data=number)
    until(lambda: sorted(data for _, data in client.publications) == list(range(60)), "all arrive, each once")
    client.close()
    for node in nodes:
        node.stop()
    cluster.stop()
