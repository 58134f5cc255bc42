"""The centrifuge dialect in Protobuf: with PyPI centrifuge-python as anybody would use it, and frames that it would not send."""

import base64
import json
import os
import random
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import centrifuge
import jwt
import pytest
import websockets.exceptions
import websockets.extensions.permessage_deflate
import websockets.sync.client

from rig.centrifuge_protobuf import PATH, SUBPROTOCOL, ProtobufWire, RecordingClient, code, command, delimited, varint
from rig.centrifuge_wire import CentrifugeWire
from rig.node import Node
from rig.one_or_two import one_or_two
from rig.waiting import until
from rig.wire import BINARY, TEXT, Wire, frame

SECRET = "s" * 40
KEY = "application-key"
SETTINGS: dict[str, Any] = {
    "admin": {"api_key": KEY},
    "auth": {"keys": [{"secret": SECRET}]},
    "channels": [
        {"match": "room:*", "subscribe": "anyone", "publish": "client", "history": {"size": 50, "ttl": "1m"},
         "presence": {"join_leave": True, "grace": "100ms"}},
        {"match": "kept:*", "subscribe": "anyone", "publish": "client", "history": {"size": 50, "ttl": "1m"}},
        {"match": "granted:*", "subscribe": "granted"},
        {"match": "closed:*", "subscribe": "nobody"},
        {"match": "*", "subscribe": "anyone", "publish": "client"},
    ],
}  # fmt: skip


def token(user: str, **claims: Any) -> str:
    return jwt.encode({"sub": user, "exp": int(time.time()) + 300, **claims}, SECRET, algorithm="HS256")


@pytest.fixture(params=["memory", "redis"])
def nodes(request: pytest.FixtureRequest, start_node: Any, tmp_path: Path) -> Iterator[list[Node]]:
    """One node by itself, or two with Redis."""
    with one_or_two(request.param, start_node, tmp_path, **SETTINGS) as started:
        yield started


@pytest.fixture
def node(start_node: Any) -> Node:
    return start_node(**SETTINGS)


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


# With the library


def test_publications_go_both_ways_between_the_encodings(nodes: list[Node]) -> None:
    ann = RecordingClient(nodes[0], token=token("ann", info={"name": "Ann"}))
    bob = RecordingClient(nodes[-1], is_protobuf=False, token=token("bob"))
    eve = RecordingClient(nodes[-1], token=token("eve"))
    for client in (ann, bob, eve):
        client.subscribe("chat")
    ann.run(ann.subscriptions["chat"].publish(b'{"n": 1.50}'))
    for client, expected in ((ann, b'{"n": 1.50}'), (bob, {"n": 1.5}), (eve, b'{"n": 1.50}')):
        until(lambda client=client, expected=expected: client.data("chat") == [expected], "it arrives")
    for client in (bob, eve):
        info = client.publications("chat")[0].info
        assert info.user == "ann" and info.client == ann.told("connected")[0][0]
        assert (json.loads(info.conn_info) if client is eve else info.conn_info) == {"name": "Ann"}
    bob.run(bob.subscriptions["chat"].publish({"m": [1, 2]}))
    for client in (ann, eve):
        until(lambda client=client: len(client.data("chat")) == 2, "it arrives")
        assert json.loads(client.data("chat")[1]) == {"m": [1, 2]}
        assert client.publications("chat")[1].info.user == "bob"
    for client in (ann, bob, eve):
        client.close()


def test_any_bytes_are_a_payload(nodes: list[Node]) -> None:
    ann, eve = RecordingClient(nodes[0]), RecordingClient(nodes[-1])
    bob = RecordingClient(nodes[-1], is_protobuf=False)
    for client in (ann, bob, eve):
        client.subscribe("kept:a")
    payloads = [b"\0\1\xff\xfe", b"plain text", b'{"a":\n1}', bytes(range(256)) * 40]
    with websockets.sync.client.connect(f"ws://{nodes[-1].client}/raw?channel=kept:a", legacy=True) as raw:
        for payload in payloads:
            ann.run(ann.subscriptions["kept:a"].publish(payload))
        assert [raw.recv(timeout=10) for _ in payloads] == [payloads[0], "plain text", '{"a":\n1}', payloads[3]]
    until(lambda: ann.data("kept:a") == payloads and eve.data("kept:a") == payloads, "they arrive as they are")
    expected = [base64_of(payloads[0]), "plain text", {"a": 1}, base64_of(payloads[3])]
    until(lambda: bob.data("kept:a") == expected, "JSON has words for all of them")
    history = eve.run(eve.subscriptions["kept:a"].history(limit=10))
    assert [each.data for each in history.publications] == payloads
    for client in (ann, bob, eve):
        client.close()


def test_history_presence_joins_and_leaves(nodes: list[Node]) -> None:
    ann = RecordingClient(nodes[0], token=token("ann", info={"a": 1}))
    room = ann.subscribe("room:1")
    bob = RecordingClient(nodes[-1], token=token("bob"))
    bob.subscribe("room:1")
    until(lambda: [info.user for _, info in ann.told("join")][-1:] == ["bob"], "ann sees bob come")
    until(lambda: ann.run(room.presence_stats()).num_users == 2, "both are there")
    stats = ann.run(room.presence_stats())
    assert (stats.num_clients, stats.num_users) == (2, 2)
    present = ann.run(room.presence()).clients
    own = ann.told("connected")[0][0]
    assert {info.user for info in present.values()} == {"ann", "bob"} and present[own].conn_info == b'{"a":1}'
    for number in range(5):
        ann.run(room.publish(b"%d" % number))
    until(lambda: len(bob.data("room:1")) == 5, "all arrive")
    page = bob.run(bob.subscriptions["room:1"].history(limit=3))
    assert [each.data for each in page.publications] == [b"0", b"1", b"2"] and page.epoch
    back = bob.run(bob.subscriptions["room:1"].history(limit=2, reverse=True))
    assert [each.data for each in back.publications] == [b"4", b"3"]
    rest = bob.run(bob.subscriptions["room:1"].history(
        limit=-1, since=centrifuge.StreamPosition(page.publications[2].offset, page.epoch)))  # fmt: skip
    assert [each.data for each in rest.publications] == [b"3", b"4"]
    bob.run(bob.subscriptions["room:1"].unsubscribe())
    until(lambda: [info.user for _, info in ann.told("leave")] == ["bob"], "ann sees bob go")
    ann.run(room.publish(b"alone"))
    until(lambda: ann.data("room:1")[-1] == b"alone", "ann gets it")
    assert len(bob.data("room:1")) == 5
    for client in (ann, bob):
        client.close()


def test_what_was_missed_is_recovered(nodes: list[Node]) -> None:
    client = RecordingClient(nodes[-1])
    client.subscribe("kept:1")
    for number in range(3):
        nodes[0].api.publish("kept:1", data=number)
    until(lambda: client.data("kept:1") == [b"0", b"1", b"2"], "they arrive")
    client.close()
    for number in range(3, 9):
        nodes[0].api.publish("kept:1", data=number)
    client.run(client.client.connect())
    until(lambda: client.told("subscribed")[-1] == ("kept:1", True, True), "it recovers")
    until(lambda: client.data("kept:1") == [b"%d" % number for number in range(9)], "nothing is missing or doubled")
    nodes[0].api.publish("kept:1", data=9)
    until(lambda: client.data("kept:1")[-1] == b"9", "and it goes on")
    # More than is kept is gone, which it is told.
    client.close()
    for number in range(60):
        nodes[0].api.publish("kept:1", data=number)
    client.run(client.client.connect())
    until(lambda: client.told("subscribed")[-1] == ("kept:1", True, False), "it is told so")
    client.close()


def test_errors_are_the_protocols(nodes: list[Node]) -> None:
    client = RecordingClient(nodes[-1], token=token("ann"))
    plain = client.subscribe("plain")
    assert code(lambda: client.run(plain.history(limit=1))) == 108
    assert code(lambda: client.run(plain.presence())) == 108
    assert code(lambda: client.run(client.client.publish("closed:a", b"x"))) == 103
    assert code(lambda: client.run(client.client.publish("a b", b"x"))) == 107
    assert code(lambda: client.run(client.client.rpc("method", b"x"))) == 108
    client.subscribe("closed:a", wait=False)
    until(lambda: client.told("unsubscribed") == [("closed:a", 103)], "the subscription is refused for good")
    client.close()
    stranger = RecordingClient(nodes[0])
    assert stranger.told("connected")
    stranger.close()
    wrong = ProtobufWire(nodes[0])
    assert wrong.command("subscribe", channel="x", tf={"key": "a", "cmp": "eq", "val": "b"}).error.code == 107
    assert wrong.command("subscribe", channel="x").HasField("subscribe")
    again = wrong.command("subscribe", channel="x")
    assert again.error.code == 105 and again.error.message == "already subscribed" and not again.error.temporary
    wrong.close()


def test_subscriptions_of_the_token_and_messages(nodes: list[Node]) -> None:
    given = token("ann", channels=["granted:news", "kept:mine"])
    client = RecordingClient(nodes[-1], token=given)
    until(lambda: sorted(client.told("server subscribed")) == [("granted:news", False), ("kept:mine", True)], "both are there")
    nodes[0].api.publish("granted:news", data={"n": 1})
    until(lambda: client.told("server publication") == [("granted:news", b'{"n": 1}')], "it arrives")
    client.close()
    wire = ProtobufWire(nodes[-1], token=given)
    assert wire.connected.ping == 25 and wire.connected.pong and 0 < wire.connected.ttl <= 300 and wire.connected.expires
    assert set(wire.connected.subs) == {"granted:news", "kept:mine"} and wire.connected.subs["kept:mine"].epoch
    for target in ({"user": "ann"}, {"connection": wire.connected.client}, {"all": True}):
        assert nodes[0].api.post_publication({**target, "text": "hello"}).ok
        push = wire.push()
        assert push.message.data == b"hello" and not push.channel
    assert wire.command("refresh", token=token("ann", channels=["kept:mine"])).refresh.expires
    until(lambda: wire.push().unsubscribe.code == 2000, "the new token grants less")
    wire.close()


def test_a_subscription_by_its_own_token(node: Node) -> None:
    wire = ProtobufWire(node, token=token("ann"))
    assert wire.command("subscribe", channel="granted:1").error.code == 103
    granted = wire.command("subscribe", channel="granted:1", token=token("ann", channel="granted:1")).subscribe
    assert granted.expires and 0 < granted.ttl <= 300
    renewed = wire.command("sub_refresh", channel="granted:1", token=token("ann", channel="granted:1"))
    assert renewed.sub_refresh.expires and 0 < renewed.sub_refresh.ttl <= 300
    wire.close()


def test_the_server_api_ends_and_begins_subscriptions(nodes: list[Node]) -> None:
    wire = ProtobufWire(nodes[-1], token=token("ann"))
    api = nodes[0].api
    headers = {"X-API-Key": KEY}
    assert api.request(
        "POST", "/api/subscribe", json={"user": "ann", "channel": "kept:s", "data": {"why": "so"}}, headers=headers).ok  # fmt: skip
    push = wire.push()
    assert push.channel == "kept:s" and push.subscribe.recoverable and json.loads(push.subscribe.data) == {"why": "so"}
    api.publish("kept:s", data=1)
    assert wire.push().pub.data == b"1"
    assert api.request("POST", "/api/unsubscribe", json={"user": "ann", "channel": "kept:s"}, headers=headers).ok
    push = wire.push()
    assert push.channel == "kept:s" and push.unsubscribe.code == 2000
    assert api.request("POST", "/api/disconnect", json={"user": "ann"}, headers=headers).ok
    with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
        wire.receive()
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 3503


# Tags


def test_tags_reach_clients_and_histories(nodes: list[Node]) -> None:
    protobuf, plain = RecordingClient(nodes[-1]), RecordingClient(nodes[-1], is_protobuf=False)
    for client in (protobuf, plain):
        client.subscribe("kept:t")
    tags = {"kind": "order", "é": "ü\n", "empty": ""}
    assert nodes[0].api.post_publication({"channel": "kept:t", "data": 1, "tags": tags}).ok
    published = nodes[0].api.request(
        "POST", "/api/publish", json={"channel": "kept:t", "data": 2, "tags": {"b": "2"}}, headers={"X-API-Key": KEY})
    assert "error" not in published.json()
    nodes[0].api.publish("kept:t", data=3)
    for client in (protobuf, plain):
        until(lambda client=client: len(client.publications("kept:t")) == 3, "all arrive")
        assert [each.tags or {} for each in client.publications("kept:t")] == [tags, {"b": "2"}, {}]
        page = client.run(client.subscriptions["kept:t"].history(limit=10))
        assert [each.tags or {} for each in page.publications] == [tags, {"b": "2"}, {}]
        client.close()
    kept = nodes[-1].api.get("/api/v1/channels/kept:t/history")["publications"]
    assert [{tag["key"]: tag["value"] for tag in each.get("tags", [])} for each in kept] == [tags, {"b": "2"}, {}]
    seen = nodes[-1].api.request(
        "POST", "/api/history", json={"channel": "kept:t", "limit": 10}, headers={"X-API-Key": KEY}).json()
    assert [each.get("tags", {}) for each in seen["result"]["publications"]] == [tags, {"b": "2"}, {}]


@pytest.mark.parametrize("tags, reason", [
    ({"a": 1}, "object of texts"), (["a"], "object of texts"), ({"": "x"}, "1 to 255 bytes"),
    ({"k" * 256: "x"}, "1 to 255 bytes"), ({str(number): "" for number in range(33)}, "at most 32 tags"),
    ({"a": "x" * 4093}, "at most 4096 bytes"),
], ids=["a number", "a list", "no key", "a long key", "33 tags", "4097 bytes"])  # fmt: skip
def test_tags_that_are_refused(node: Node, tags: Any, reason: str) -> None:
    answer = node.api.post_publication({"channel": "a", "data": 1, "tags": tags})
    assert answer.status_code == 400 and reason in answer.json()["error"]["message"], answer.text
    answer = node.api.request(
        "POST", "/api/publish", json={"channel": "a", "data": 1, "tags": tags}, headers={"X-API-Key": KEY})
    assert reason in answer.text


# Frame by frame


def test_the_encoding_is_chosen_by_the_subprotocol_or_the_query(node: Node) -> None:
    url = f"ws://{node.client}{PATH}"
    hello = {True: command(1, "connect"), False: '{"id":1,"connect":{}}'}
    for query, offered, agreed, is_protobuf in [
        ("", [SUBPROTOCOL], SUBPROTOCOL, True), ("", ["x", SUBPROTOCOL, "centrifuge-json"], SUBPROTOCOL, True),
        ("", ["centrifuge-json", SUBPROTOCOL], "centrifuge-json", False), ("?cf_protocol=protobuf", None, None, True),
        ("?format=protobuf", None, None, True), ("?cf_protocol=json", None, None, False), ("", None, None, False),
        ("?cf_protocol=protobuf", ["centrifuge-json"], "centrifuge-json", False),
    ]:  # fmt: skip
        with websockets.sync.client.connect(url + query, subprotocols=offered, legacy=True) as socket:
            assert socket.subprotocol == agreed
            socket.send(hello[is_protobuf])
            assert isinstance(socket.recv(timeout=5), bytes) == is_protobuf
            assert [each["dialect"] for each in node.api.connections()] == ["centrifuge"]
            # A message of the other kind is a mistake.
            socket.send(hello[not is_protobuf])
            with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
                socket.recv(timeout=5)
            assert closed.value.rcvd is not None and closed.value.rcvd.code == 3506
        node.wait_until(lambda: node.api.metric("sessions") == 0, "the session is gone")


def test_pings_are_one_byte_and_so_are_pongs(start_node: Any) -> None:
    node: Node = start_node(liveness={"ping_interval": "1s", "pong_timeout": "500ms"})
    wire = ProtobufWire(node)
    assert wire.connected.ping == 1 and wire.connected.pong
    for _ in range(3):
        assert wire.socket.recv(timeout=5) == b"\0"
        wire.socket.send(b"\0")
    assert wire.socket.recv(timeout=5) == b"\0"
    with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
        wire.socket.recv(timeout=5)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 3012


def test_many_commands_in_one_frame(node: Node) -> None:
    wire = ProtobufWire(node)
    wire.socket.send(b"".join(command(number, "subscribe", channel=f"c{number}") for number in range(2, 102)))
    seen: list[int] = []
    while len(seen) < 100:
        for reply in wire.receive():
            assert reply.HasField("subscribe")
            seen.append(reply.id)
    assert sorted(seen) == list(range(2, 102))
    wire.close()


@pytest.mark.parametrize("bits", [9, 15])
def test_compressed_sessions_hear_the_same(node: Node, bits: int) -> None:
    plain, json_client = ProtobufWire(node), CentrifugeWire(node)
    factory = websockets.extensions.permessage_deflate.ClientPerMessageDeflateFactory
    packed = websockets.sync.client.connect(
        f"ws://{node.client}{PATH}", subprotocols=[SUBPROTOCOL], compression=None, legacy=True,
        extensions=[factory(server_max_window_bits=bits, client_no_context_takeover=True)])  # fmt: skip
    assert [extension.name for extension in packed.protocol.extensions] == ["permessage-deflate"]
    packed.send(command(1, "connect") + command(2, "subscribe", channel="kept:z"))
    heard = b""
    while heard.count(b"\x08\x02") == 0:
        heard += packed.recv(timeout=5)
    plain.command("subscribe", channel="kept:z")
    json_client.subscribe("kept:z")
    before = {each["id"]: each["bytes_out"] for each in node.api.connections()}
    text = "tick " * 4000
    node.api.publish("kept:z", text=text)
    frames = [plain.socket.recv(timeout=5), packed.recv(timeout=5)]
    assert frames[0] == frames[1] and text.encode() in frames[0]
    until(lambda: json_client.publications, "JSON hears it")
    sent = sorted(each["bytes_out"] - before[each["id"]] for each in node.api.connections())
    # Python's library lets the one in JSON pack too.
    assert len(sent) == 3 and sent[1] < 2000 and sent[2] > 20_000
    # What a client packs is unpacked.
    packed.send(command(3, "publish", channel="kept:z", data=base64_of(text.encode())))
    assert text.encode() in plain.socket.recv(timeout=5)
    for client in (plain, json_client, packed):
        client.close()


def test_what_is_held_against_limits_is_the_size_in_protobuf(start_node: Any) -> None:
    """Binary is a third longer in JSON: what a client in Protobuf may still have at once, one in JSON may not."""
    node: Node = start_node(**SETTINGS, limits={"outbound_bytes": "256KiB"})
    positions = ProtobufWire(node), CentrifugeWire(node)
    start = positions[0].command("subscribe", channel="kept:b").subscribe
    positions[1].subscribe("kept:b")
    for client in positions:
        client.close()
    for _ in range(4):
        node.api.publish("kept:b", binary=os.urandom(55_000))
    back = {"channel": "kept:b", "recover": True, "epoch": start.epoch, "offset": start.offset}
    protobuf = ProtobufWire(node)
    found = protobuf.command("subscribe", **back).subscribe
    assert found.recovered and [len(each.data) for each in found.publications] == [55_000] * 4
    protobuf.close()
    plain = CentrifugeWire(node)
    assert not plain.subscribe(**back).get("recovered")
    plain.close()


HOSTILE = {
    "no message": b"",
    "garbage": bytes.fromhex("deadbeefcafe"),
    "text": b"\n" * 40,
    "a length without a message": b"\x05",
    "a message that ends early": command(2, "subscribe", channel="a")[:-1],
    "an endless length": b"\xff" * 11,
    "a length of 2^63": varint(1 << 63) + b"\x08\x01",
    "a length of 2^64 - 1": varint((1 << 64) - 1) + b"\x08\x01",
    "a field that ends early": delimited(b"\x08\x02\x2a\x7f\x0a"),
    "field 0": delimited(b"\x08\x02\x00\x00"),
    "an end of no group": delimited(b"\x08\x02\x0c"),
    "deep groups": delimited(b"\x08\x02" + b"\x83\x01" * 4000),
    "another type": delimited(b"\x08\x02\x28\x01"),
    "an id of 2^32": delimited(b"\x08" + varint(1 << 32) + b"\x2a\x03\x0a\x01a"),
    "no id": delimited(b"\x2a\x03\x0a\x01a"),
    "a channel that is no text": delimited(b"\x08\x02\x2a\x03\x0a\x01\xff"),
    "a deep filter": delimited(b"\x08\x02\x2a" + delimited(b"\x0a\x01a\x6a" + delimited(b"\x2a\x00" * 10 + b"\x2a\x7f"))),
    "a pong without a ping": b"\0",
    "a second connect": command(2, "connect"),
    "a command that is too large": command(2, "publish", channel="a", data=base64_of(bytes(70_000))),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_frames_end_their_session_alone(node: Node, kind: str) -> None:
    control = ProtobufWire(node)
    control.command("subscribe", channel="control")
    for begins in (b"", command(1, "connect")):
        wire = Wire(node.client_port).open(f"{PATH}?cf_protocol=protobuf")
        if begins:
            wire.send(frame(begins, BINARY)).read_frame()
        elif kind == "a second connect":
            continue
        wire.send(frame(HOSTILE[kind], BINARY))
        assert wire.read_close()[0] == 3501
        wire.close()
    node.api.publish("control", data="still here")
    assert control.push().pub.data == b'"still here"'
    control.close()


def test_commands_before_a_broken_one_are_carried_out(node: Node) -> None:
    wire = Wire(node.client_port).open(f"{PATH}?cf_protocol=protobuf")
    wire.send(frame(command(1, "connect") + command(2, "publish", channel="kept:x", data="MQ==") + b"\x7f", BINARY))
    assert wire.read_close()[0] == 3501
    until(lambda: node.api.get("/api/v1/channels/kept:x/history")["publications"], "it is published")
    wire.close()


def test_random_frames(node: Node) -> None:
    """Whatever comes, the node lives, and answers or says why it ends the session."""
    chance = random.Random(12)
    whole = command(2, "subscribe", channel="kept:r", recover=True, epoch="x", offset="7", data="MQ==", token="t")
    closed = 0
    for _ in range(200):
        wire = Wire(node.client_port).open(f"{PATH}?cf_protocol=protobuf")
        wire.send(frame(command(1, "connect"), BINARY)).read_frame()
        message = bytearray(whole * chance.randint(1, 3))
        for _ in range(chance.randint(1, 6)):
            message[chance.randrange(len(message))] = chance.randrange(256)
        cut = bytes(message[: chance.randint(1, len(message))]) if chance.random() < 0.3 else bytes(message)
        # A close behind it is answered, if nothing was wrong before.
        wire.send(frame(cut, BINARY) + frame(struct.pack(">H", 1000), 8))
        code_told = wire.read_close()[0]
        # A byte makes a `refresh` or a `send` of it, too.
        assert code_told in (1000, 3500, 3501, 3508), cut.hex()
        closed += code_told == 3501
        wire.close()
    assert closed > 20
    assert ProtobufWire(node).command("subscribe", channel="after").HasField("subscribe")


def test_a_text_frame_on_a_fresh_session_is_the_wrong_encoding(node: Node) -> None:
    for query, opcode, payload in (("?cf_protocol=protobuf", TEXT, b'{"id":1,"connect":{}}'), ("", BINARY, command(1, "connect"))):
        wire = Wire(node.client_port).open(PATH + query)
        wire.send(frame(payload, opcode))
        assert wire.read_close() == (3506, "inappropriate protocol")
        wire.close()
