"""Publications as deltas of the one before: with PyPI centrifuge-python as anybody would use it, and frame by frame."""

import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from centrifuge import DeltaType

from rig.centrifuge_protobuf import ProtobufWire, RecordingClient
from rig.centrifuge_wire import CentrifugeWire
from rig.footprint import counter
from rig.node import Node
from rig.one_or_two import one_or_two
from rig.waiting import until
from rig.wire import Wire, frame

CHANNELS = [
    {"match": "plain*", "publish": "client"},
    {"match": "kept*", "publish": "client", "delta": "fossil", "history": {"size": 100, "ttl": "1m"},
     "presence": {"join_leave": True, "grace": "100ms"}},
    {"match": "cache*", "publish": "client", "delta": "fossil", "history": {"size": 1, "ttl": "1m"}, "cache": True},
    {"match": "old", "slow": "drop_oldest", "delta": "fossil"},
    {"match": "new", "slow": "latest", "delta": "fossil"},
    {"match": "*", "publish": "client", "delta": "fossil"},
]  # fmt: skip
LIMITS = {"message_bytes": "2MiB", "outbound_bytes": "32MiB", "publish_rate": 0}


@pytest.fixture(params=["memory", "redis"])
def nodes(request: pytest.FixtureRequest, start_node: Any, tmp_path: Path) -> Iterator[list[Node]]:
    """One node by itself, or two with Redis."""
    with one_or_two(request.param, start_node, tmp_path, channels=CHANNELS, limits=LIMITS) as started:
        yield started


@pytest.fixture
def node(start_node: Any) -> Node:
    return start_node(channels=CHANNELS, limits=LIMITS)


def order(number: int, size: int = 40) -> dict[str, Any]:
    """One of a row of values that differ little."""
    return {"n": number, "lines": [{"article": f"žluťoučký {line}", "price": line * 7} for line in range(size)]}


class Deltas:
    """What a client of one channel gets, put together as the SDKs do it, from the frames of `CentrifugeWire`."""

    def __init__(self, client: CentrifugeWire, channel: str, **request: Any) -> None:
        self.client = client
        self.deltas = 0
        self.values: list[Any] = []
        self._last = b""
        take = client._take

        def taken(message: dict[str, Any]) -> None:
            for publication in message.get("subscribe", {}).get("publications", []):
                self.take(publication)
            if "pub" in message.get("push", {}):
                self.take(message["push"]["pub"])
            take(message)

        client._take = taken  # type: ignore[method-assign]
        self.reply = client.subscribe(channel, delta="fossil", **request)

    def take(self, publication: dict[str, Any]) -> None:
        data = publication["data"]
        assert isinstance(data, str), "not a string"
        self.deltas += publication.get("delta", False)
        self._last = apply(self._last, data.encode()) if publication.get("delta") else data.encode()
        self.values.append(json.loads(self._last))


def apply(source: bytes, delta: bytes) -> bytes:
    from centrifuge.fossil import apply_delta

    return bytes(apply_delta(source, delta))


@pytest.mark.parametrize("channel", ["news", "kept:1"])
def test_the_library_gets_deltas_in_both_encodings(nodes: list[Node], channel: str) -> None:
    clients = [
        RecordingClient(nodes[place], is_protobuf=is_protobuf) for is_protobuf in (True, False) for place in (0, -1)]
    for client in clients:
        client.subscribe(channel, delta=DeltaType.FOSSIL)
    plain = RecordingClient(nodes[-1])
    plain.subscribe(channel)
    values = [order(number) for number in range(20)]
    for value in values:
        nodes[0].api.publish(channel, data=value)
    late = RecordingClient(nodes[-1], is_protobuf=False)
    late.subscribe(channel, delta=DeltaType.FOSSIL)
    values += [order(number, 60) for number in range(20, 30)]
    for value in values[20:]:
        nodes[-1].api.publish(channel, data=value)
    for client in (*clients, plain):
        until(lambda client=client: len(client.data(channel)) == 30, "everything arrives")
        assert [json.loads(each) if isinstance(each, bytes) else each for each in client.data(channel)] == values
    until(lambda: late.data(channel) == values[20:], "the rest arrives")
    assert sum(counter(node, "deltas_made_total") for node in nodes) > 0
    assert any(publication.delta for publication in clients[0].publications(channel))
    assert not any(publication.delta for publication in plain.publications(channel))
    for client in (*clients, plain, late):
        client.close()
    for node in nodes:
        until(lambda node=node: counter(node, "delta_bytes") == 0, "nothing is kept")


def test_only_where_the_rule_says_so(node: Node) -> None:
    client = CentrifugeWire(node)
    assert client.subscribe("plain", delta="fossil") == {}
    assert client.subscribe("news", delta="fossil") == {"delta": True}
    assert client.subscribe("other") == {}
    node.api.publish("plain", data=order(1))
    until(lambda: client.publications == [(0, order(1))], "it is no string")
    client.close()


def test_the_bytes_of_json_deltas(node: Node) -> None:
    """Whole ones are strings with the JSON value as it was published, and the delta is a string too."""
    client = CentrifugeWire(node)
    client.subscribe("news", delta="fossil")
    filling = "x" * 100
    for number in (1, 2):
        assert client.command("publish", channel="news", data={"n": number, "f": filling}) == {}
    until(lambda: len(client.publications) == 2, "both arrive")
    first, second = (publication[1] for publication in client.publications)
    assert first == json.dumps({"n": 1, "f": filling})
    assert len(second) < 60 and apply(first.encode(), second.encode()).decode() == json.dumps({"n": 2, "f": filling})
    client.close()


def test_recovery_with_deltas(nodes: list[Node]) -> None:
    first = Deltas(CentrifugeWire(nodes[0]), "kept:1")
    for number in range(3):
        nodes[0].api.publish("kept:1", data=order(number))
    until(lambda: len(first.values) == 3, "they arrive")
    place = {"recover": True, "epoch": first.reply["epoch"], "offset": first.client.last}
    first.client.close()
    for number in range(3, 8):
        nodes[-1].api.publish("kept:1", data=order(number))
    again = Deltas(CentrifugeWire(nodes[-1]), "kept:1", **place)
    assert again.reply["recovered"] and again.reply["delta"]
    assert again.values == [order(number) for number in range(3, 8)]
    for number in range(8, 12):
        nodes[0].api.publish("kept:1", data=order(number))
        until(lambda number=number: len(again.values) == number - 2, "it goes on")
    assert again.values == [order(number) for number in range(3, 12)] and again.deltas == 3
    # One who cannot recover begins anew, with a whole one.
    lost = Deltas(CentrifugeWire(nodes[0]), "kept:1", recover=True, epoch="0123456789abcdef", offset=3)
    assert "recovered" not in lost.reply and not lost.values
    nodes[0].api.publish("kept:1", data=order(12))
    until(lambda: lost.values == [order(12)], "it arrives")
    again.client.close()
    lost.client.close()


def test_the_library_recovers_with_deltas(start_node: Any) -> None:
    node: Node = start_node(channels=CHANNELS, limits=LIMITS)
    clients = [RecordingClient(node, is_protobuf=is_protobuf) for is_protobuf in (True, False)]
    for client in clients:
        client.subscribe("kept:1", delta=DeltaType.FOSSIL, recoverable=True)
    for number in range(5):
        node.api.publish("kept:1", data=order(number))
    for client in clients:
        until(lambda client=client: len(client.data("kept:1")) == 5, "they arrive")
        (mine,) = [each for each in node.api.connections() if each["id"] == client.told("connected")[0][0]]
        assert node.api.request("POST", f"/api/v1/connections/{mine['id']}/close").ok
    for number in range(5, 10):
        node.api.publish("kept:1", data=order(number))
    for client in clients:
        until(lambda client=client: len(client.data("kept:1")) == 10, "it comes back and has all of them", 20)
        values = [json.loads(each) if isinstance(each, bytes) else each for each in client.data("kept:1")]
        assert values == [order(number) for number in range(10)]
        client.close()


def test_a_cache_channel_greets_with_a_whole_one(node: Node) -> None:
    for number in range(3):
        node.api.publish("cache:1", data=order(number))
    client = Deltas(CentrifugeWire(node), "cache:1")
    assert client.values == [order(2)]
    for number in range(3, 6):
        node.api.publish("cache:1", data=order(number))
        until(lambda number=number: client.values == [order(each) for each in range(2, number + 1)], "it arrives")
    assert client.deltas == 2
    client.client.close()


def test_payloads_of_all_kinds(nodes: list[Node]) -> None:
    """Text and bytes between JSON values, incompressible ones, and ones of a megabyte."""
    numbers = random.Random(7)
    clients = [RecordingClient(nodes[-1], is_protobuf=True), RecordingClient(nodes[-1], is_protobuf=False)]
    for client in clients:
        client.subscribe("news", delta=DeltaType.FOSSIL)
    bodies: list[dict[str, Any]] = []
    for _ in range(40):
        kind = numbers.randrange(6)
        if kind == 0:
            bodies.append({"text": "plain text \u2028\u0000 " * numbers.randrange(1, 200)})
        elif kind == 1:
            bodies.append({"data": {"random": numbers.randbytes(4000).hex(), "emoji": "🙂" * numbers.randrange(50)}})
        elif kind == 2:
            bodies.append({"data": "x" * 1_000_000})
        elif kind == 3:
            bodies.append({"data": 0})
        else:
            bodies.append({"data": order(numbers.randrange(5))})
    for body in bodies:
        assert nodes[0].api.post_publication({"channel": "news", **body}).status_code == 200
    for client in clients:
        until(lambda client=client: len(client.data("news")) == len(bodies), "all of them arrive", 30)
    expected = [body.get("text", body.get("data")) for body in bodies]
    assert clients[1].data("news") == expected
    for data, body in zip(clients[0].data("news"), bodies, strict=True):
        assert data.decode() == body["text"] if "text" in body else json.loads(data) == body["data"]
    assert counter(nodes[-1], "delta_limit_hits_total") > 0
    assert counter(nodes[-1], "delta_bytes") <= 64 << 10
    for client in clients:
        client.close()


def test_protobuf_deltas_are_bytes(node: Node) -> None:
    wire = ProtobufWire(node)
    assert wire.command("subscribe", channel="news", delta="fossil").subscribe.delta
    first = os.urandom(3000)
    second = first[:1000] + b"changed" + first[1500:]
    for payload in (first, second):
        node.api.publish("news", binary=payload)
    pushes = [wire.push().pub, wire.push().pub]
    assert [push.delta for push in pushes] == [False, True] and pushes[0].data == first
    assert len(pushes[1].data) < 60 and apply(first, pushes[1].data) == second
    wire.close()


@pytest.mark.parametrize("channel", ["old", "new"])
def test_a_subscriber_that_is_behind(start_node: Any, channel: str) -> None:
    """What it reads can be put together, whatever was dropped; later it gets deltas again."""
    node: Node = start_node(channels=CHANNELS, limits={"outbound_bytes": "256KiB"})
    wire = Wire(node.client_port, receive_buffer=4096, seconds=20).open("/connection/websocket")
    wire.send(frame(b'{"id":1,"connect":{}}'))
    wire.read_frame()
    wire.send(frame(json.dumps({"id": 2, "subscribe": {"channel": channel, "delta": "fossil"}}).encode()))
    assert json.loads(wire.read_frame()[1])["subscribe"]["delta"]
    losses = {"old": "slow_dropped_publications_total", "new": "slow_replaced_publications_total"}[channel]
    published: list[Any] = []

    def publish() -> None:
        # Half of each is new.
        published.append({"n": len(published), "half": os.urandom(7_000).hex(), "same": "same" * 3500})
        node.api.publish(channel, data=published[-1])

    while counter(node, losses) < 40:
        publish()
        assert len(published) < 3000, "nothing was ever dropped"
    last, numbers, deltas = b"", [], 0

    def read() -> None:
        nonlocal last, deltas
        publication = json.loads(wire.read_frame()[1])["push"]["pub"]
        data = publication["data"].encode()
        deltas += publication.get("delta", False)
        last = apply(last, data) if publication.get("delta") else data
        value = json.loads(last)
        assert value == published[value["n"]]
        numbers.append(value["n"])

    while not numbers or numbers[-1] < len(published) - 1:
        read()
    assert numbers == sorted(set(numbers)) and len(numbers) < len(published)
    until(lambda: counter(node, "outbound_bytes") == 0, "nothing is left")
    deltas = 0
    for _ in range(3):
        publish()
        read()
    assert numbers[-3:] == list(range(len(published) - 3, len(published))) and deltas >= 2
    wire.close()


def test_what_making_deltas_costs_is_bounded(node: Node) -> None:
    """Texts that have the same everywhere, and texts that have nothing in common: another client waits no longer for that."""
    client = CentrifugeWire(node)
    client.subscribe("news", delta="fossil")
    quiet = CentrifugeWire(node)
    filling = {"same": "a" * 60_000, "random": os.urandom(30_000).hex(), "blocks": "0123456789abcdef" * 3750}
    worst = 0.0
    for number in range(60):
        kind = list(filling)[number % 3]
        node.api.publish("news", data={"n": number, kind: filling[kind]})
        begin = time.monotonic()
        assert quiet.command("presence_stats", channel="none").get("error", {}).get("code") == 103
        worst = max(worst, time.monotonic() - begin)
    until(lambda: len(client.publications) == 60, "they arrive")
    assert worst < 1
    client.close()
    quiet.close()
