"""Servers are added to several Redis and removed from them while the nodes go on, by rolling restarts."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rig.centrifuge_wire import CentrifugeWire
from rig.node import Node, carillon
from rig.redis_cluster import RedisCluster
from rig.redis_keys import beginnings, key, partition
from rig.redis_server import SHARD_RULES, VALKEY
from rig.shards import Shards, owners
from rig.waiting import holds, until

RULES = [
    {"match": "plain:*", "subscribe": "anyone", "publish": "client"},
    {"match": "room:*", "subscribe": "anyone", "publish": "client", "presence": {"join_leave": True, "grace": "200ms"}, "history": {"size": 1000, "ttl": "10m"}},
]
ROOMS = [f"room:{number}" for number in range(40)]
PLAIN = [f"plain:{number}" for number in range(40)]
#: A change begins when all have agreed for 5 s, and each of its steps waits for all of them.
SECONDS = 40


@pytest.fixture
def shards(tmp_path: Path) -> Iterator[Shards]:
    started = Shards(tmp_path, 3)
    yield started
    assert not started.denied(), f"deploy/redis/carillon.acl does not allow all a node does: {started.denied()}"
    started.stop()


class Load:
    """Publishes to all channels in turn, through nodes that run, and knows what was acknowledged."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes
        self.acknowledged: dict[str, list[int]] = {channel: [] for channel in ROOMS + PLAIN}
        self.refused: list[str] = []
        self._number = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> "Load":
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._stopping.wait(0.004):
            channel = (ROOMS + PLAIN)[self._number % (len(ROOMS) + len(PLAIN))]
            node = self.nodes[self._number // 7 % len(self.nodes)]
            body: dict[str, Any] = {"channel": channel, "data": self._number}
            answer = node.api.post_publication(body)
            if answer.status_code == 200:
                self.acknowledged[channel].append(self._number)
            else:
                self.refused.append(answer.text)
            self._number += 1


def start(start_node: Any, shards: Shards, **settings: Any) -> list[Node]:
    nodes = [start_node(name, ready=False, backplane=shards.settings(**settings), channels=RULES) for name in "abc"]
    for node in nodes:
        until(lambda node=node: node.api.node_names() == {"a", "b", "c"} and node.api.is_ready(), "the nodes know each other", 20)
    return nodes


def restart(node: Node, shards: Shards, ready: bool = True, **settings: Any) -> None:
    node.stop()
    node.configuration["backplane"] = shards.settings(**settings)
    node.start(ready=ready)


def link(node: Node) -> dict[str, Any]:
    return node.api.get(f"/api/v1/nodes/{node.name}")["summary"]["link"]


def shares(node: Node, shards: Shards) -> dict[str, int]:
    metrics = node.api.metrics()
    found = {}
    for name in shards.names:
        for line in metrics.splitlines():
            if line.startswith(f'carillon_link_server_partitions{{server="{name}"}} '):
                found[name] = int(float(line.split()[-1]))
    return found


def listen(node: Node, channels: list[str]) -> CentrifugeWire:
    client = CentrifugeWire(node)
    for channel in channels:
        client.subscribe(channel)
    return client


def is_divided(nodes: list[Node], shards: Shards, numbers: list[int]) -> bool:
    """Whether all channels live on these servers, each where rendezvous hashing says."""
    names = [shards.names[number] for number in numbers]
    spread = owners(names)
    expected = {name: spread.count(names.index(name)) if name in names else 0 for name in shards.names}
    return all({**dict.fromkeys(shards.names, 0), **shares(node, shards)} == expected and "change" not in link(node) for node in nodes)


def check(client: CentrifugeWire, load: Load) -> None:
    """All that was acknowledged came, each once and in its order; and nothing else but what was not acknowledged for certain."""
    wanted = sorted(number for numbers in load.acknowledged.values() for number in numbers)
    until(lambda: set(wanted) <= {data for _, data in client.publications}, f"all {len(wanted)} arrive", 20)
    for number, channel in enumerate(ROOMS + PLAIN):
        came = [data for _, data in client.publications if data % (len(ROOMS) + len(PLAIN)) == number]
        assert came == load.acknowledged[channel], channel
    assert client.closed is None and not client.unsubscribed


def test_a_server_is_added_by_a_rolling_restart_and_removed_by_two(start_node: Any, shards: Shards) -> None:
    """Under load: one node stays, and its clients miss nothing and get nothing twice while all others restart."""
    for server in shards.servers:
        server.start()
    nodes = start(start_node, shards, only=[0, 1])
    restarted = nodes[1:]
    # The last one to get the new list hears all of the move.
    client = listen(nodes[0], ROOMS + PLAIN)
    for number, channel in enumerate(ROOMS):
        nodes[1].api.publish(channel, data={"before": number})
    until(lambda: len(client.publications) == len(ROOMS), "the histories have something")
    before = {channel: nodes[0].api.get(f"/api/v1/channels/{channel}/history")["top"] for channel in ROOMS}
    for node in restarted:
        restart(node, shards)
        until(lambda node=node: "another list" in link(node).get("change", ""), "it says what it waits for")
        assert shares(node, shards)["shard-2"] == 0
    until(lambda: "the Redis servers stay (shard-0, shard-1); it waits: node a has another list" in nodes[1].command("cluster").stdout, "operators see it")
    client.close()
    restart(nodes[0], shards)
    client = listen(nodes[0], ROOMS + PLAIN)
    load = Load(nodes).start()
    until(lambda: is_divided(nodes, shards, [0, 1, 2]), "all has moved", SECONDS)
    until(lambda: len(load.acknowledged[PLAIN[-1]]) > 10, "it goes on", 20)
    load.stop()
    check(client, load)
    assert not load.refused
    spread = owners(shards.names)
    moved = [channel for channel in ROOMS if spread[partition(channel)] == 2]
    assert moved and {channel: shards.of(key("m", channel)) for channel in ROOMS} == {channel: [spread[partition(channel)]] for channel in ROOMS}
    # Who did not hear of it, and published at the old server, would be refused there.
    old = owners(["shard-0", "shard-1"])
    for channel in moved:
        assert shards.clients()[old[partition(channel)]].hget(beginnings(channel), "r") == b"moved"
    for channel in ROOMS:
        epoch, offset = before[channel].split(":")
        page = nodes[1].api.get(f"/api/v1/channels/{channel}/history", since=f"{epoch}:{int(offset) - 1}", limit=100)
        texts = [entry["text"] for entry in page["publications"]]
        assert [yaml.safe_load(text) for text in texts] == [{"before": ROOMS.index(channel)}, *load.acknowledged[channel]], channel
        assert nodes[2].api.get(f"/api/v1/channels/{channel}/presence")["clients"] == 1
    for node in nodes:
        assert "the Redis servers are (shard-0, shard-1, shard-2) now: all partitions have moved" in node.output()
        assert node.api.metric("link_slot_waits_total") == sum(owner == 2 for owner in spread) and node.api.metric("link_partitions_to_move") == 0
    # The first restart says that it leaves; when it has, the second one takes it out of the list.
    for node in nodes[1:]:
        restart(node, shards, leaving=["shard-0"])
    client.close()
    restart(nodes[0], shards, leaving=["shard-0"])
    client = listen(nodes[0], ROOMS + PLAIN)
    load = Load(nodes).start()
    until(lambda: is_divided(nodes, shards, [1, 2]), "it has nothing any more", SECONDS)
    until(lambda: len(load.acknowledged[PLAIN[-1]]) > 10, "it goes on", 20)
    load.stop()
    check(client, load)
    assert not load.refused
    assert not [name for name in shards.clients()[0].scan_iter("carillon:{*}:[mh]:room*")], "nothing is left behind"
    client.close()
    for node in nodes:
        restart(node, shards, only=[1, 2])
        until(lambda node=node: is_divided([node], shards, [1, 2]), "it is one of them")
    shards.servers[0].stop()
    client = listen(nodes[0], ROOMS + PLAIN)
    nodes[2].api.publish("plain:1", data=1)
    until(lambda: [data for _, data in client.publications] == [1], "they are one cluster")
    client.close()


def test_the_way_back_halfway(start_node: Any, shards: Shards) -> None:
    """Nothing has moved before all nodes have the new list, so the old one is as good."""
    for server in shards.servers:
        server.start()
    nodes = start(start_node, shards, only=[0, 1])
    client = listen(nodes[2], ROOMS)
    for node in nodes[:2]:
        restart(node, shards)
    holds(lambda: shares(nodes[0], shards).get("shard-2") == 0, "nothing moves while one node has the old list", 6)
    for node in nodes[:2]:
        restart(node, shards, only=[0, 1])
    until(lambda: is_divided(nodes, shards, [0, 1]), "as it was")
    for number, channel in enumerate(ROOMS):
        nodes[number % 2].api.publish(channel, data=number)
    until(lambda: sorted(data for _, data in client.publications) == list(range(len(ROOMS))), "all arrive")
    assert client.closed is None and not client.unsubscribed
    client.close()


def test_removing_one_at_once_is_refused(start_node: Any, shards: Shards) -> None:
    for server in shards.servers:
        server.start()
    nodes = start(start_node, shards)
    restart(nodes[2], shards, ready=False, only=[0, 1])
    until(
        lambda: "divide the channels among other servers (shard-0, shard-1, shard-2) than backplane.redis.shards of this node (shard-0, shard-1): list shard-2 as well. "
        "To remove a server, keep it in the list, name it in backplane.redis.leaving" in nodes[2].output(), "it says how it is done")
    holds(lambda: nodes[2].api.readiness() == 503 and nodes[0].api.node_names() == {"a", "b"}, "and is not a node of the cluster", 3)
    assert link(nodes[0])["phase"] == "linked"
    # As it was.
    restart(nodes[2], shards)
    until(lambda: nodes[0].api.node_names() == {"a", "b", "c"}, "it is one of them again", 15)


def test_a_list_of_other_servers_is_refused(start_node: Any, shards: Shards) -> None:
    for server in shards.servers:
        server.start()
    nodes = start(start_node, shards, only=[0, 1])
    other = shards.settings()
    other["redis"]["shards"] = [shards.urls[0].replace("#shard-0", "#x"), shards.urls[2].replace("#shard-2", "#y")]
    node = start_node("d", ready=False, backplane=other, channels=RULES)
    until(lambda: "among other servers (shard-0, shard-1) than backplane.redis.shards of this node (x, y): list shard-0, shard-1 as well" in node.output(), "it says so")
    holds(lambda: node.api.readiness() == 503 and nodes[0].api.node_names() == {"a", "b", "c"}, "and stays away", 3)
    until(lambda: is_divided(nodes, shards, [0, 1]), "as it was")
    # When the others are gone for good, what they stored is removed by hand.
    for one in nodes:
        one.stop()
    for number in (0, 1):
        shards.clients()[number].delete("carillon:shards")
    until(node.api.is_ready, "ready", 15)


def test_the_new_server_does_not_answer(start_node: Any, shards: Shards) -> None:
    """Nothing moves, everybody works, and operators see why; when it is there, the move begins."""
    for server in shards.servers[:2]:
        server.start()
    nodes = start(start_node, shards, only=[0, 1])
    for node in nodes:
        restart(node, shards)
    until(lambda: "are not linked through all servers of both lists" in link(nodes[0]).get("change", ""), "it says what it waits for", 15)
    until(lambda: all(link(node)["phase"] == "linked" and link(node)["away"][0]["name"] == "shard-2" for node in nodes), "and is linked")
    client = listen(nodes[0], ROOMS)
    nodes[1].api.publish(ROOMS[0], data=1)
    until(lambda: client.publications, "all goes on")
    shards.servers[2].start()
    until(lambda: is_divided(nodes, shards, [0, 1, 2]), "all has moved", SECONDS)
    client.close()


def test_nodes_are_killed_and_stand_still_meanwhile(start_node: Any, shards: Shards) -> None:
    """Each node of three in turn does not answer while partitions move: what had begun is taken back, and goes on without it."""
    for server in shards.servers:
        server.start()
    nodes = start(start_node, shards, only=[0, 1])
    for node in nodes:
        restart(node, shards)
    ids = sorted(nodes, key=lambda node: int(node.id, 16))
    first, last = ids[0], ids[-1]
    client = listen(ids[1], ROOMS + PLAIN)
    load = Load([ids[1]]).start()
    until(lambda: all("the Redis servers change from" in node.output() for node in nodes), "it has begun", SECONDS)
    last.pause()
    until(lambda: "was interrupted" in ids[1].output() or is_divided([ids[1]], shards, [0, 1, 2]), "it is taken back, unless it was faster", 15)
    first.kill()
    until(lambda: is_divided([ids[1]], shards, [0, 1, 2]), "the one that is left moves everything", 90)
    last.resume()
    until(lambda: is_divided([last], shards, [0, 1, 2]), "the one that stood still follows", 20)
    until(lambda: len(load.acknowledged[PLAIN[-1]]) > 5, "it goes on", 20)
    load.stop()
    # What waited too long was refused, and so not lost silently.
    check(client, load)
    assert all("isolated" in text or "backplane" in text for text in load.refused), load.refused[:3]
    late = listen(last, ROOMS[:1])
    ids[1].api.publish(ROOMS[0], data="late")
    until(lambda: [data for _, data in late.publications] == ["late"], "it hears what is published where the channel lives now")
    for one in (client, late):
        one.close()


def test_nodes_join_while_partitions_move(start_node: Any, shards: Shards) -> None:
    """A node that has just come believes for a while that it is alone. It drives nothing, and takes nothing away that others copy."""
    for server in shards.servers:
        server.start()
    nodes = start(start_node, shards, only=[0, 1])
    # Enough to make a batch take longer than it takes to join.
    for channel in ROOMS:
        nodes[0].api.request("POST", "/api/v1/publish/batch", json={"publications": [
            {"channel": channel, "data": {"filler": number, "text": "x" * 4000}} for number in range(100)]}).raise_for_status()  # fmt: skip
    for node in nodes:
        restart(node, shards)
    client = listen(nodes[0], ROOMS + PLAIN)
    load = Load(nodes[:2]).start()
    until(lambda: "the Redis servers change from" in nodes[0].output(), "it has begun", SECONDS)
    for _ in range(3):
        # Its id is another one each time: before those of the others, or behind them.
        before = shares(nodes[0], shards)
        nodes[2].stop()
        nodes[2].start(ready=False)
        until(lambda before=before: shares(nodes[0], shards) != before or is_divided(nodes[:2], shards, [0, 1, 2]), "it goes on", SECONDS)
    until(lambda: is_divided(nodes, shards, [0, 1, 2]), "all has moved", SECONDS)
    until(lambda: len(load.acknowledged[PLAIN[-1]]) > 5, "it goes on", 20)
    load.stop()
    check(client, load)
    for channel in ROOMS:
        page = nodes[1].api.get(f"/api/v1/channels/{channel}/history", limit=1000)
        texts = [yaml.safe_load(entry["text"]) for entry in page["publications"]]
        assert [text["filler"] for text in texts[:100]] == list(range(100)) and texts[100:] == load.acknowledged[channel], channel
    client.close()


@pytest.mark.skipif(not VALKEY.exists(), reason="scripts/install.sh puts Valkey there")
def test_a_server_whose_version_is_older(start_node: Any, shards: Shards) -> None:
    """It does not read what the others wrote: nothing moves, nothing is lost, and it is said why."""
    shards.servers[0].program = str(VALKEY)
    for server in shards.servers[:2]:
        server.start()
    settings = {"backplane": shards.settings(only=[0]), "channels": RULES}
    node = start_node("a", **settings)
    for channel in ROOMS:
        node.api.publish(channel, data=channel)
    restart(node, shards, only=[0, 1])
    until(lambda: "the Redis servers have different versions (shard-0 Valkey" in node.output(), "the versions are named")
    until(lambda: "partitions cannot be moved to another Redis server: Redis at" in node.output() and "DUMP payload" in node.output(), "it says why", SECONDS)
    assert shares(node, shards)["shard-1"] == 0
    client = listen(node, ROOMS)
    for channel in ROOMS:
        answer = until(lambda channel=channel: (found := node.api.post_publication({"channel": channel, "data": 2})).status_code == 200 and found, "taken", 10)
        assert answer.json()["positions"][channel].endswith(":2")
    until(lambda: len(client.publications) == len(ROOMS), "all goes on where it was")
    client.close()


def test_nodes_that_use_one_of_the_servers_alone(start_node: Any, shards: Shards) -> None:
    """Both kinds say that they do not belong together."""
    for server in shards.servers[:2]:
        server.start()
    several = start_node("a", backplane=shards.settings(only=[0, 1]), channels=RULES)
    single = start_node("b", shards.servers[0].url, channels=RULES)
    until(lambda: "divides the channels among several Redis servers (backplane.redis.shards), and this node does not" in single.output(), "one says it")
    until(lambda: "node b does not divide the channels among several servers" in link(several).get("change", ""), "and so does the other")
    assert "give all nodes the same servers, or another backplane.redis.prefix" in several.command("cluster").stdout


def test_a_server_of_a_cluster_among_them(start_node: Any, tmp_path: Path) -> None:
    cluster = RedisCluster(tmp_path, rules=SHARD_RULES).start()
    url = f"redis://carillon:{cluster.servers[0].password}@{cluster.servers[0].address}"
    node = start_node("a", ready=False, backplane={"kind": "redis", "redis": {"shards": [url]}}, channels=RULES)
    until(lambda: "is part of a Redis Cluster, and backplane.redis.shards is for servers that know nothing of each other" in node.output(), "it says so")
    assert node.api.readiness() == 503
    node.stop()
    cluster.stop()


@pytest.mark.parametrize(
    ("redis", "expected"),
    [
        ({"shards": ["redis://127.0.0.1:7001#a", "redis://127.0.0.1:7002#b"], "leaving": ["c"]}, "names 'c', which backplane.redis.shards does not list; its servers are a, b"),
        ({"shards": ["redis://127.0.0.1:7001#a"], "leaving": ["a"]}, "names all servers of backplane.redis.shards"),
        ({"url": "redis://127.0.0.1:7001", "leaving": ["a"]}, "there is no backplane.redis.shards that lists it"),
        ({"shards": ["redis://127.0.0.1:7001#a", "redis://127.0.0.1:7002#b"], "leaving": ["a", "a"]}, "'a' is listed twice"),
    ],
)
def test_lists_of_leaving_servers_that_are_wrong(redis: dict[str, Any], expected: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump({"backplane": {"kind": "redis", "redis": redis}}))
    result = carillon("check", str(file))
    assert result.returncode != 0 and expected in result.stdout + result.stderr, result.stdout + result.stderr
