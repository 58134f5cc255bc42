"""Subscribers that want some publications, by their tags: with PyPI centrifuge-python as anybody would use it, and hostile ones."""

import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import centrifuge
import pytest

from rig.centrifuge_protobuf import ProtobufWire, RecordingClient
from rig.centrifuge_wire import CentrifugeWire
from rig.footprint import counter
from rig.node import Node
from rig.one_or_two import one_or_two
from rig.waiting import until
from rig.wire import Wire, frame

CHANNELS = [
    {"match": "plain*", "publish": "client"},
    {"match": "kept*", "publish": "client", "filters": True, "history": {"size": 100, "ttl": "1m"}},
    {"match": "cache*", "publish": "client", "filters": True, "history": {"size": 10, "ttl": "1m"}, "cache": True},
    {"match": "one*", "publish": "client", "filters": True, "history": {"size": 1, "ttl": "1m"}, "cache": True},
    {"match": "old", "filters": True, "slow": "drop_oldest"},
    {"match": "*", "publish": "client", "filters": True, "delta": "fossil"},
]
KINDS = ["buy", "sell", "hold"]


@pytest.fixture(params=["memory", "redis"])
def nodes(request: pytest.FixtureRequest, start_node: Any, tmp_path: Path) -> Iterator[list[Node]]:
    """One node by itself, or two with Redis."""
    with one_or_two(request.param, start_node, tmp_path, channels=CHANNELS) as started:
        yield started


@pytest.fixture
def node(start_node: Any) -> Node:
    return start_node(channels=CHANNELS)


def publish(node: Node, channel: str, number: int, **tags: str) -> None:
    response = node.api.post_publication({"channel": channel, "data": number, **({"tags": tags} if tags else {})})
    assert response.status_code == 200, response.text


def wants(value: str, key: str = "kind") -> dict[str, Any]:
    return {"key": key, "cmp": "eq", "val": value}


def code(reply: dict[str, Any]) -> int | None:
    return reply.get("error", {}).get("code")


def numbers(client: CentrifugeWire) -> list[int]:
    return [publication[1] for publication in client.publications]


@pytest.mark.parametrize("channel", ["news", "kept:1"])
def test_the_library_filters_in_both_encodings(nodes: list[Node], channel: str) -> None:
    filters: dict[str, Any] = {
        "buy": centrifuge.Filter.eq("kind", "buy"),
        "cheap": centrifuge.Filter.all(centrifuge.Filter.neq("kind", "hold"), centrifuge.Filter.lt("price", "5")),
        "all": None,
    }
    clients = {
        (name, is_protobuf): RecordingClient(nodes[-1], is_protobuf=is_protobuf)
        for name, is_protobuf in itertools.product(filters, (True, False))
    }
    for (name, _), client in clients.items():
        client.subscribe(channel, tags_filter=filters[name])
    for number in range(30):
        publish(nodes[0], channel, number, kind=KINDS[number % 3], price=str(number % 10))
    expected = {
        "buy": [number for number in range(30) if number % 3 == 0],
        "cheap": [number for number in range(30) if number % 3 != 2 and number % 10 < 5],
        "all": list(range(30)),
    }
    for (name, _), client in clients.items():
        until(lambda client=client, name=name: len(client.data(channel)) >= len(expected[name]), f"{name}: all of it")
        assert [json.loads(each) if isinstance(each, bytes) else each for each in client.data(channel)] == expected[name]
    left_out = 2 * (20 + 30 - len(expected["cheap"]))
    until(lambda: counter(nodes[-1], "filtered_publications_total") == left_out, "the others are counted")
    for client in clients.values():
        client.close()
    until(lambda: counter(nodes[-1], "filter_bytes") == 0, "the filters are gone")


def test_recovery_with_a_filter(nodes: list[Node]) -> None:
    client = CentrifugeWire(nodes[0])
    place = client.subscribe("kept:1", tf=wants("buy"))
    for number in range(6):
        publish(nodes[-1], "kept:1", number, kind=KINDS[number % 3])
    until(lambda: numbers(client) == [0, 3], "those it wants arrive")
    back = {"recover": True, "epoch": place["epoch"], "offset": client.last, "tf": wants("buy")}
    client.close()
    for number in range(6, 12):
        publish(nodes[0], "kept:1", number, kind=KINDS[number % 3])
    again = CentrifugeWire(nodes[-1])
    reply = again.subscribe("kept:1", **back)
    assert reply["recovered"] and [each["data"] for each in reply["publications"]] == [6, 9]
    assert reply["offset"] == back["offset"]
    # What it does not want is no gap: nothing follows that it would have to be told of.
    for number in range(12, 18):
        publish(nodes[0], "kept:1", number, kind=KINDS[number % 3])
    until(lambda: numbers(again) == [12, 15], "those it wants arrive")
    assert not again.unsubscribed
    # Where it wants nothing of what it missed, it has come to the end.
    nothing = CentrifugeWire(nodes[0])
    reply = nothing.subscribe("kept:1", **{**back, "tf": wants("none")})
    assert reply["recovered"] and reply["publications"] == [] and reply["offset"] > back["offset"]
    history = nothing.command("history", channel="kept:1", limit=-1)
    assert len(history["publications"]) == 18
    for each in (again, nothing):
        each.close()


def test_a_cache_channel_greets_with_what_is_wanted(nodes: list[Node]) -> None:
    for number in range(5):
        publish(nodes[0], "cache:1", number, kind=KINDS[number % 3])
        publish(nodes[0], "one:1", number, kind=KINDS[number % 3])
    # The newest are sell (4), buy (3) and hold (2).
    for kind, expected in (("sell", [4]), ("buy", [3]), ("hold", [2]), ("none", [])):
        client = CentrifugeWire(nodes[-1])
        reply = client.subscribe("cache:1", tf=wants(kind))
        assert [each["data"] for each in reply.get("publications", [])] == expected
        reply = client.subscribe("one:1", tf=wants(kind))
        assert [each["data"] for each in reply.get("publications", [])] == (expected if kind == "sell" else [])
        client.close()


def test_filters_that_are_refused(node: Node) -> None:
    client = CentrifugeWire(node)
    deep: dict[str, Any] = wants("x")
    for _ in range(20):
        deep = {"op": "not", "nodes": [deep]}
    refused = [
        {}, {"op": "and"}, {"op": "xor", "nodes": [wants("x")]}, {"key": "k", "cmp": "like", "val": "x"},
        {"key": "", "cmp": "eq", "val": "x"}, {"key": "k", "cmp": "lt", "val": "ten"}, {"key": "k", "cmp": "in"},
        {"op": "or", "nodes": [wants("x")] * 64}, wants("x" * 5000), {"key": "k", "cmp": "in", "vals": ["v"] * 300}, deep,
        {"op": "and", "key": "k", "nodes": [wants("x")]},
    ]  # fmt: skip
    for filter_ in refused:
        assert code(client.subscribe("news", tf=filter_)) == 107, filter_
    assert code(client.subscribe("plain", tf=wants("x"))) == 107
    assert counter(node, "filters_refused_total") == len(refused) + 1
    assert counter(node, "filter_bytes") == 0 and node.api.subscribers("news") == 0
    # Strange characters are characters.
    strange = "\u0000\u2028\"\\🙂\ud7ff"
    assert code(client.subscribe("news", tf=wants(strange, key=strange))) is None
    publish(node, "news", 1, **{strange: strange})
    publish(node, "news", 2, **{strange: strange + " "})
    publish(node, "news", 3, **{strange: strange})
    until(lambda: numbers(client) == [1, 3], "it compares bytes")
    client.close()


def test_bytes_that_are_no_filters(node: Node) -> None:
    """A node with fields of wrong types, or of bytes that are no text, is a broken client's."""
    for line in (
        b'{"id":2,"subscribe":{"channel":"a","tf":1}}', b'{"id":2,"subscribe":{"channel":"a","tf":{"key":1}}}',
        b'{"id":2,"subscribe":{"channel":"a","tf":{"nodes":{}}}}', b'{"id":2,"subscribe":{"channel":"a","tf":{"vals":["\xff"]}}}',
        b'{"id":2,"subscribe":{"channel":"a","tf":' + b'{"nodes":[' * 1000,
    ):  # fmt: skip
        wire = Wire(node.client_port).open("/connection/websocket")
        wire.send(frame(b'{"id":1,"connect":{}}'))
        wire.read_frame()
        wire.send(frame(line))
        assert wire.read_close()[0] in (3501, 1007), line
    wire = ProtobufWire(node)
    assert wire.command("subscribe", channel="a", tf={"op": "not"}).error.code == 107
    assert wire.command("subscribe", channel="a", tf={"key": "a", "cmp": "ex"}).HasField("subscribe")
    wire.close()
    assert node.api.is_ready()


def test_filters_of_a_session_and_of_all_are_bounded(start_node: Any) -> None:
    limits = {"filter_bytes": "8KiB", "filter_bytes_node": "64KiB"}
    node: Node = start_node(channels=CHANNELS, limits=limits, node={"reactors": 1})
    clients = [CentrifugeWire(node) for _ in range(12)]
    codes = [[code(client.subscribe(f"{index}-{place}", tf=wants("x" * 3000 + str(index)))) for place in range(4)]
             for index, client in enumerate(clients)]  # fmt: skip
    assert codes[0] == [None, None, 106, 106]
    assert all(each is not None for each in codes[-1])
    assert 32 << 10 < counter(node, "filter_bytes") <= 64 << 10
    assert counter(node, "filter_limit_hits_total") == sum(each.count(106) for each in codes)
    for client in clients:
        client.close()
    until(lambda: counter(node, "filter_bytes") == 0, "the filters are gone")


def test_a_slow_subscriber_with_a_filter(start_node: Any) -> None:
    node: Node = start_node(channels=CHANNELS, limits={"outbound_bytes": "256KiB"})
    wire = Wire(node.client_port, receive_buffer=4096, seconds=20).open("/connection/websocket")
    wire.send(frame(b'{"id":1,"connect":{}}'))
    wire.read_frame()
    wire.send(frame(json.dumps({"id": 2, "subscribe": {"channel": "old", "tf": wants("buy")}}).encode()))
    assert "subscribe" in json.loads(wire.read_frame()[1])
    number = 0
    while counter(node, "slow_dropped_publications_total") < 40:
        body = {"channel": "old", "data": {"n": number, "f": "x" * 30_000}, "tags": {"kind": KINDS[number % 2]}}
        assert node.api.post_publication(body).status_code == 200
        number += 1
        assert number < 3000, "nothing was ever dropped"
    seen: list[int] = []
    last = (number - 1) // 2 * 2
    while not seen or seen[-1] < last:
        seen.append(json.loads(wire.read_frame()[1])["push"]["pub"]["data"]["n"])
    assert seen == sorted(seen) and all(each % 2 == 0 for each in seen)
    assert len(seen) + counter(node, "slow_dropped_publications_total") == last // 2 + 1
    wire.close()


def test_a_crowd_of_filters_that_are_all_different(start_node: Any) -> None:
    """The largest filters there are, each another one, and publications with the most tags: another client waits no longer."""
    node: Node = start_node(channels=CHANNELS, limits={"filter_bytes_node": "16MiB"})
    tags = {f"tag-{number:02}": "v" * 60 for number in range(32)}
    clients = []
    for index in range(40):
        client = CentrifugeWire(node)
        leaves = [{"key": "tag-31", "cmp": "ct", "val": f"{index}-{number}"} for number in range(63)]
        assert code(client.subscribe("news", tf={"op": "or", "nodes": leaves})) is None
        clients.append(client)
    quiet = CentrifugeWire(node)
    assert quiet.subscribe("quiet") == {}
    worst = 0.0
    for number in range(50):
        body = {"channel": "news", "data": number, "tags": tags}
        for _ in range(4):
            assert node.api.post_publication(body).status_code == 200
        begin = time.monotonic()
        quiet.command("publish", channel="quiet", data=number)
        worst = max(worst, time.monotonic() - begin)
    until(lambda: counter(node, "filtered_publications_total") == 40 * 200, "all are judged")
    assert worst < 1
    for client in (*clients, quiet):
        client.close()
