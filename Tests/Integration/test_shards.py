"""Several Redis: channels are divided among them, and one that is away takes only its own channels with it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import yaml

from rig.centrifuge_wire import CentrifugeWire
from rig.node import Node, carillon
from rig.redis_keys import key, partition
from rig.redis_server import RedisServer
from rig.sentinels import Sentinels
from rig.shards import Shards, owners
from rig.waiting import until
from rig.wire import Wire

SECRET = "s" * 40
RULES = [
    {"match": "plain:*", "subscribe": "anyone", "publish": "client"},
    {"match": "room:*", "subscribe": "anyone", "publish": "client", "presence": {"join_leave": True, "grace": "200ms"}, "history": {"size": 100, "ttl": "10m"}},
]
CHANNELS = [f"room:{number}" for number in range(60)]


@pytest.fixture
def shards(tmp_path: Path) -> Iterator[Shards]:
    started = Shards(tmp_path).start()
    yield started
    assert not started.denied(), f"deploy/redis/carillon.acl does not allow all a node does: {started.denied()}"
    started.stop()


@pytest.fixture
def nodes(start_node: Any, shards: Shards) -> list[Node]:
    """The first is ready when all servers work, the second as long as any does."""
    found = [
        start_node(name, backplane=shards.settings(ready_when=rule), channels=RULES, auth={"keys": [{"secret": SECRET}]})
        for name, rule in [("a", "all"), ("b", "any")]
    ]
    for node in found:
        until(lambda node=node: node.api.node_names() == {"a", "b"}, "the nodes know each other")
    return found


def server(shards: Shards, channel: str) -> int:
    return owners(shards.names)[partition(channel)]


def links(node: Node) -> dict[str, Any]:
    return node.api.get(f"/api/v1/nodes/{node.name}")["summary"]["link"]


def test_channels_are_divided_and_everybody_hears_all(nodes: list[Node], shards: Shards) -> None:
    client = CentrifugeWire(nodes[1])
    for channel in CHANNELS:
        client.subscribe(channel)
    for number, channel in enumerate(CHANNELS):
        nodes[0].api.publish(channel, data=number)
    until(lambda: sorted(data for _, data in client.publications) == list(range(60)), "all 60 arrive, each once")
    found = {channel: shards.of(key("m", channel)) for channel in CHANNELS}
    assert found == {channel: [server(shards, channel)] for channel in CHANNELS}
    assert {numbers[0] for numbers in found.values()} == {0, 1, 2}
    assert links(nodes[0])["servers"] == 3 and "away" not in links(nodes[0])
    # Every page of presence comes from its own server.
    for channel in CHANNELS[:6]:
        until(lambda channel=channel: nodes[0].api.get(f"/api/v1/channels/{channel}/presence")["users"] == 1, "present")
    metrics = nodes[0].api.metrics()
    shares = {name: owners(shards.names).count(number) for number, name in enumerate(shards.names)}
    for name, share in shares.items():
        assert f'carillon_link_server_up{{server="{name}"}} 1' in metrics
        assert f'carillon_link_server_partitions{{server="{name}"}} {share}' in metrics
    client.close()


def test_a_server_that_is_away_takes_only_its_own_channels_with_it(nodes: list[Node], shards: Shards) -> None:
    away = server(shards, "room:0")
    cut = [channel for channel in CHANNELS if server(shards, channel) == away]
    others = [channel for channel in CHANNELS if server(shards, channel) != away]
    client = CentrifugeWire(nodes[1])
    for channel in CHANNELS:
        client.subscribe(channel)
    for number, channel in enumerate(CHANNELS):
        nodes[0].api.publish(channel, data=number)
    until(lambda: len(client.publications) == 60, "all arrive")
    shards.servers[away].pause()
    until(lambda: all(links(node)["phase"] == "degraded" for node in nodes), "both notice")
    # The others go on as if nothing had happened.
    for number, channel in enumerate(others):
        nodes[0].api.publish(channel, data=100 + number)
    until(lambda: sorted(data for _, data in client.publications)[60:] == [100 + number for number in range(len(others))], "the others go on")
    late = CentrifugeWire(nodes[0])
    assert "error" not in late.subscribe(others[0])
    # What cannot be done is refused, within the time that publications wait.
    answer = nodes[0].api.post_publication({"channel": cut[0], "data": 1})
    assert answer.status_code == 503, answer.text
    # Operators see which one, since when and why.
    (entry,) = links(nodes[0])["away"]
    assert entry["name"] == shards.names[away] and entry["since"] > 0 and entry["reason"]
    assert nodes[0].api.readiness() == 503 and nodes[1].api.readiness() == 200
    shown = nodes[0].command("cluster").stdout
    assert f"node a: not linked through Redis {shards.names[away]} (" in shown and "degraded" in shown, shown
    problems = nodes[0].api.get("/api/v1/problems")
    assert any(shards.names[away] in problem["text"] for problem in problems["problems"]), problems
    assert f'carillon_link_server_up{{server="{shards.names[away]}"}} 0' in nodes[0].api.metrics()
    shards.servers[away].resume()
    until(lambda: all(links(node)["phase"] == "linked" for node in nodes), "all are linked again", 20)
    for number, channel in enumerate(cut):
        nodes[0].api.publish(channel, data=200 + number)
    expected = sorted([*range(60), *(100 + number for number in range(len(others))), *(200 + number for number in range(len(cut)))])
    until(lambda: sorted(data for _, data in client.publications) == expected, "nothing is lost and nothing comes twice")
    assert client.closed is None and not client.unsubscribed
    for one in (client, late):
        one.close()


def test_what_was_published_at_another_node_meanwhile_is_healed(nodes: list[Node], shards: Shards) -> None:
    """One node loses one server, the other keeps it: the histories of that server are read again, and only those."""
    channel = "room:1"
    client = CentrifugeWire(nodes[1])
    client.subscribe(channel)
    nodes[0].api.publish(channel, data=1)
    until(lambda: [data for _, data in client.publications] == [1], "it arrives")
    admin = shards.servers[server(shards, channel)].client()
    for entry in admin.client_list():
        if entry["name"].startswith("carillon-b-subscriber"):
            admin.client_kill_filter(_id=entry["id"])
            nodes[0].api.publish(channel, data=2)
    until(lambda: [data for _, data in client.publications] == [1, 2], "the missed one is healed")
    until(lambda: links(nodes[1])["phase"] == "linked", "linked again")
    assert links(nodes[0])["reconnects"] == 0
    client.close()


def test_clients_come_in_and_leave_while_a_server_is_away(nodes: list[Node], shards: Shards) -> None:
    away = server(shards, "room:0")
    cut = next(channel for channel in CHANNELS if server(shards, channel) == away)
    other = next(channel for channel in CHANNELS if server(shards, channel) != away)
    staying, leaving = CentrifugeWire(nodes[0]), CentrifugeWire(nodes[0])
    for client in (staying, leaving):
        client.subscribe(cut)
        client.subscribe(other)

    def users(node: Node, channel: str) -> int:
        return node.api.get(f"/api/v1/channels/{channel}/presence")["clients"]

    until(lambda: all(users(nodes[1], channel) == 2 for channel in (cut, other)), "both are present in both")
    shards.servers[away].pause()
    until(lambda: links(nodes[0])["phase"] == "degraded", "noticed")
    leaving.close()
    coming = CentrifugeWire(nodes[0])
    coming.subscribe(other)
    # Raw clients are welcome in a channel of the server that is away, as on a node that is isolated.
    with Wire(nodes[1].client_port).open(f"/raw?channel={cut}"):
        pass
    until(lambda: users(nodes[1], other) == 2, "one left and one came where the server works")
    shards.servers[away].resume()
    until(lambda: links(nodes[0])["phase"] == "linked", "linked again", 20)
    until(lambda: users(nodes[1], cut) == 1, "and the one that left is gone where it did not")
    for client in (staying, coming):
        client.close()


def test_members_of_a_dead_node_are_removed_on_every_server(nodes: list[Node], shards: Shards) -> None:
    chosen = [next(channel for channel in CHANNELS if server(shards, channel) == number) for number in range(3)]
    client = CentrifugeWire(nodes[1])
    for channel in chosen:
        client.subscribe(channel)

    def counts() -> list[int]:
        return [nodes[0].api.get(f"/api/v1/channels/{channel}/presence")["clients"] for channel in chosen]

    until(lambda: counts() == [1, 1, 1], "present on three servers")
    nodes[1].kill()
    until(lambda: counts() == [0, 0, 0], "gone when the lease is over", 25)


def test_revocations_outlive_a_server(nodes: list[Node], shards: Shards, start_node: Any) -> None:
    """Every server keeps all of them; one that lost its data is given them again."""
    token = jwt.encode({"sub": "ann", "iat": 1_700_000_000, "exp": 4_000_000_000, "jti": "one"}, SECRET, algorithm="HS256")
    answer = nodes[0].api.request("POST", "/api/v1/revocations", json={"token": "one", "expires_at": 4_000_000_000})
    assert answer.status_code == 200, answer.text
    until(lambda: all(client.zcard("carillon:revocations") == 1 for client in shards.clients()), "all have it")
    shards.clients()[1].delete("carillon:revocations")
    shards.servers[0].pause()
    until(lambda: links(nodes[1])["phase"] == "degraded", "noticed")
    # A node that starts now knows it.
    fresh = start_node("c", backplane=shards.settings(ready_when="any"), channels=RULES, auth={"keys": [{"secret": SECRET}]})
    with pytest.raises(AssertionError):
        CentrifugeWire(fresh, token=token)
    until(lambda: shards.clients()[1].zcard("carillon:revocations") == 1, "the one that lost it is given it again", 40)
    shards.servers[0].resume()


@pytest.mark.parametrize(
    ("redis", "expected"),
    [
        ({"shards": ["redis://:secret@127.0.0.1:7001", "redis://:secret@127.0.0.1:7001"]}, "two servers of the name '127.0.0.1:7001'"),
        ({"shards": ["redis://127.0.0.1:7001#a", "redis://127.0.0.1:7002#a"]}, "two servers of the name 'a'"),
        ({"shards": ["redis://127.0.0.1:7001#a", "redis://127.0.0.1:7001#b"]}, "lists 127.0.0.1:7001 twice"),
        ({"shards": ["redis://127.0.0.1:7001"], "url": "redis://127.0.0.1:7002"}, "contradict each other"),
        ({"shards": ["redis://127.0.0.1:7001"], "sentinels": ["127.0.0.1:7002"]}, "contradict each other"),
        ({"shards": ["http://127.0.0.1:7001"]}, "not a Redis URL"),
        ({"shards": ["redis-sentinel://127.0.0.1:7001"]}, "no master behind #"),
        ({"shards": ["redis-sentinel://127.0.0.1:7001,:9#m"]}, "not HOST:PORT"),
        ({"shards": ["redis://127.0.0.1:7001#"]}, "1 to 64 printable"),
        ({"shards": [f"redis://127.0.0.1:{7000 + number}" for number in range(65)]}, "more than 64 servers"),
        ({"shards": ["redis://127.0.0.1:7001"], "ready_when": "most"}, "right would be all or any"),
    ],
)
def test_lists_that_are_wrong_are_refused(redis: dict[str, Any], expected: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump({"backplane": {"kind": "redis", "redis": redis}}))
    result = carillon("check", str(file))
    assert result.returncode != 0 and expected in result.stdout + result.stderr, result.stdout + result.stderr
    assert "secret@" not in result.stdout + result.stderr


def test_two_names_of_one_server_are_noticed(start_node: Any, redis_server: RedisServer) -> None:
    urls = [f"{redis_server.url}#a", f"{redis_server.url.replace('127.0.0.1', 'localhost')}#b"]
    node = start_node("a", ready=False, backplane={"kind": "redis", "redis": {"shards": urls}})
    until(lambda: "are the same server: list each server once" in node.output(), "it says so")
    until(lambda: node.api.get("/api/v1/nodes/a").get("summary", {}).get("link", {}).get("phase") == "degraded", "one of them is used")
    assert node.api.readiness() == 503


def test_a_prefix_of_version_0_2_is_refused(start_node: Any, shards: Shards) -> None:
    shards.clients()[1].set("carillon:layout", "1")
    node = start_node("a", ready=False, backplane=shards.settings(), channels=RULES)
    until(lambda: "has another layout of keys under the prefix 'carillon'" in node.output(), "it says why")
    assert node.api.readiness() == 503
    shards.clients()[1].set("carillon:layout", "2")
    until(node.api.is_ready, "ready once that is mended", 15)


@pytest.mark.long
def test_a_server_behind_sentinels_fails_over_by_itself(tmp_path: Path, start_node: Any) -> None:
    alone = RedisServer(tmp_path).start()
    sentinels = Sentinels(tmp_path / "watched").start()
    addresses = ",".join(sentinels.settings["redis"]["sentinels"])
    login = alone.url.removeprefix("redis://").split("@")[0]
    urls = [f"{alone.url}#alone", f"redis-sentinel://{login}@{addresses}#mymaster"]
    started = [start_node(name, backplane={"kind": "redis", "redis": {"shards": urls}}, channels=RULES) for name in "ab"]
    for node in started:
        until(lambda node=node: node.api.node_names() == {"a", "b"}, "the nodes know each other")
    spread = owners(["alone", "mymaster"])
    watched = next(channel for channel in CHANNELS if spread[partition(channel)] == 1)
    other = next(channel for channel in CHANNELS if spread[partition(channel)] == 0)
    client = CentrifugeWire(started[1])
    for channel in (watched, other):
        client.subscribe(channel)
    started[0].api.publish(watched, data=1)
    until(lambda: [server.client().xlen(key("h", watched)) for server in sentinels.servers] == [1, 1, 1], "the replicas have it")
    sentinels.master.kill()
    until(lambda: links(started[0])["phase"] == "degraded", "noticed")
    started[0].api.publish(other, data=2)
    until(lambda: links(started[0])["phase"] == "linked", "the replica is promoted", 30)
    until(lambda: started[0].api.post_publication({"channel": watched, "data": 3, "idempotency_key": "3"}).status_code == 200, "it takes publications", 20)
    until(lambda: sorted(data for _, data in client.publications) == [1, 2, 3], "all arrive", 20)
    client.close()
    for node in started:
        node.stop()
    sentinels.stop()
    alone.stop()
