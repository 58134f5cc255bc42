"""Looking at what one connection sends and is sent."""

import base64
import json
from typing import Any

import jwt
import pytest

from rig.admin_stream import AdminStream, Refused
from rig.centrifuge_protobuf import command
from rig.centrifuge_wire import CentrifugeWire
from rig.cluster import Cluster
from rig.node import Node
from rig.streamed import Streamed
from rig.waiting import until
from rig.wire import BINARY, CLOSE, PING, Wire, frame, upgrade

SECRET = "a-secret-of-more-than-32-characters"
SIGNED = {"auth": {"keys": [{"secret": SECRET}]}}


def trace(node: Node, connection: str, seconds: int | None = None) -> AdminStream:
    query = f"?seconds={seconds}" if seconds else ""
    return AdminStream(node, f"/api/v1/connections/{connection}/trace{query}").until(
        lambda stream: stream.of("tracing"), "it begins")


def only(node: Node) -> str:
    """The one connection that there is."""
    [connection] = until(lambda: node.api.connections(), "the connection")
    return connection["id"]


def said(stream: AdminStream) -> list[tuple[str, str]]:
    return [(kind, event["data"]) for kind, event in list(stream.events) if kind in ("in", "out")]


def test_a_trace_from_any_node(cluster: Cluster) -> None:
    wire = Wire(cluster.nodes[0].client_port).open("/raw?channel=a")
    connection = only(cluster.nodes[0])
    for asked in cluster.nodes:
        with trace(asked, connection, 30) as stream:
            assert stream.of("tracing") == [{"connection": connection, "node": cluster.nodes[0].id, "seconds": 30}]
            wire.send(frame(b"hello") + frame(b"\x00\xff", BINARY) + frame(b"still there?", PING))
            cluster.nodes[2].api.publish("a", text="news")
            stream.until(lambda stream: len(said(stream)) >= 7, "everything")
            assert [entry for entry in said(stream) if entry[0] == "in"] == [
                ("in", "hello"), ("in", base64.b64encode(b"\x00\xff").decode()), ("in", "still there?")]
            # Its own publications come back, as to every subscriber.
            assert {data for kind, data in said(stream) if kind == "out"} >= {"hello", "news", "still there?"}
            opcodes = [event["opcode"] for event in stream.of("in")]
            assert opcodes == ["text", "binary", "ping"]
            assert all(event["time"] > 1.7e12 and not event["truncated"] for event in stream.of("in", "out"))
        until(lambda: cluster.nodes[0].api.metric("traces") == 0, "it ends with its reader")
    wire.close()


def test_a_trace_ends_with_its_connection_or_its_time(cluster: Cluster) -> None:
    wire = Wire(cluster.nodes[0].client_port).open("/raw?channel=a")
    connection = only(cluster.nodes[1])
    with trace(cluster.nodes[1], connection, 1) as stream:
        stream.until(lambda stream: stream.is_over, "its time is over")
        assert stream.of("end") == [{"reason": "time"}]
    with trace(cluster.nodes[1], connection) as stream:
        wire.send(frame(b"\x03\xe8bye", CLOSE))
        stream.until(lambda stream: stream.is_over, "the connection is over", 20)
        assert stream.of("end") == [{"reason": "closed"}]
        assert ("in", "1000 bye") in said(stream) and said(stream)[-1][0] == "out"
    wire.close()
    assert cluster.nodes[0].api.metric("traces") == 0


def test_a_trace_of_a_node_that_dies_says_so(cluster: Cluster) -> None:
    wire = Wire(cluster.nodes[0].client_port).open("/raw?channel=a")
    with trace(cluster.nodes[1], only(cluster.nodes[1])) as stream:
        cluster.nodes[0].kill()
        stream.until(lambda stream: stream.is_over, "it gives up", 30)
        assert "does not answer" in stream.of("end")[0]["reason"]
    wire.close()


def test_tokens_are_never_shown(start_node: Any) -> None:
    node: Node = start_node(**SIGNED)
    token = jwt.encode({"sub": "ann", "exp": 4_000_000_000}, SECRET, algorithm="HS256")
    sub_token = jwt.encode({"sub": "ann", "channel": "a", "exp": 4_000_000_000}, SECRET, algorithm="HS256")
    wire = Wire(node.client_port).open("/connection/websocket")
    with trace(node, only(node)) as stream:
        connect = {"id": 1, "connect": {"token": token, "headers": {"Authorization": "Bearer opaque-secret"}}}
        wire.send(frame(json.dumps(connect).encode()))
        wire.send(frame(json.dumps({"id": 2, "subscribe": {"channel": "a", "token": sub_token}}).encode()))
        wire.send(frame(json.dumps({"id": 3, "refresh": {"token": token}}).encode()))
        wire.send(frame(b'{"id":4,"publish":{"channel":"a","data":"' + token.encode() + b'"}}'))
        stream.until(lambda stream: len(stream.of("in")) == 4 and len(stream.of("out")) >= 2, "all commands")
        assert "[redacted]" in stream.text and all(event["redacted"] for event in stream.of("in"))
        for secret in (token, sub_token, token.split(".")[2], "opaque-secret"):
            assert secret not in stream.text
    assert token not in node.output()
    wire.close()


def test_tokens_in_protobuf_and_malformed_commands_are_not_shown(start_node: Any) -> None:
    node: Node = start_node(**SIGNED)
    token = jwt.encode({"sub": "ann", "exp": 4_000_000_000}, SECRET, algorithm="HS256")
    wire = Wire(node.client_port).open("/connection/websocket?format=protobuf")
    with trace(node, only(node)) as stream:
        wire.send(frame(command(1, "connect", token=token, name="test"), BINARY))
        stream.until(lambda stream: stream.of("in") and stream.of("out"), "the reply")
        [event] = stream.of("in")
        shown = base64.b64decode(event["data"])
        assert event["redacted"] and token.encode() not in shown and b"*" * len(token) in shown and b"test" in shown
        wire.send(frame(b"\xff" + token.encode(), BINARY))
        stream.until(lambda stream: len(stream.of("in")) == 2, "what is no command")
        assert stream.of("in")[1]["data"] == "" and stream.of("in")[1]["redacted"]
    wire.close()
    wire = Wire(node.client_port).open("/connection/websocket")
    until(lambda: len(node.api.connections()) == 1, "one is left")
    with trace(node, only(node)) as stream:
        wire.send(frame(b'{"id":1,"connect":{"token":"' + token.encode()))
        stream.until(lambda stream: stream.of("in"), "what is cut")
        assert token not in stream.text and token[:20] not in stream.text
    wire.close()


def test_compressed_messages_are_unpacked(start_node: Any) -> None:
    from websockets.sync.client import connect

    node: Node = start_node()
    with connect(f"ws://{node.client}/raw?channel=a", compression="deflate", max_size=None) as client:
        with trace(node, only(node)) as stream:
            text = "the same again and again, " * 40
            client.send(text)
            assert client.recv() == text
            stream.until(lambda stream: len(said(stream)) == 2, "both ways")
            assert said(stream) == [("in", text), ("out", text)]
            assert [event["bytes"] for event in stream.of("in", "out")] == [len(text)] * 2


@pytest.mark.parametrize(("transport", "protobuf", "kind"), [
    ("http_stream", False, "line"), ("http_stream", True, "message"), ("sse", False, "event"),
])  # fmt: skip
def test_streams_with_commands_beside_them(cluster: Cluster, transport: str, protobuf: bool, kind: str) -> None:
    client = Streamed(cluster.nodes[0].client, cluster.nodes[1].client, transport, protobuf=protobuf)
    with trace(cluster.nodes[2], client.id) as stream:
        client.command("subscribe", channel="a")
        cluster.nodes[1].api.publish("a", data="news")
        client.push()
        stream.until(lambda stream: len(said(stream)) >= 3, "command, reply and publication")
        [request] = stream.of("in")
        assert request["kind"] == "request" and "opcode" not in request
        shown = base64.b64decode(request["data"]) if protobuf else request["data"].encode()
        assert b"a" in shown and request["bytes"] == len(shown) and not request["redacted"]
        assert {event["kind"] for event in stream.of("out")} == {kind}
        texts = [base64.b64decode(data) if protobuf else data.encode() for way, data in said(stream) if way == "out"]
        assert any(b"news" in text for text in texts)
        assert client.session not in stream.text
    client.close()


def test_what_is_too_much_is_counted(start_node: Any) -> None:
    node: Node = start_node(admin={"shown_rate": 10})
    wire = Wire(node.client_port).open("/raw?channel=listen:a")
    with trace(node, only(node)) as stream:
        for _ in range(3):
            for number in range(50):
                node.api.publish("listen:a", text=f"{number}")
        stream.until(
            lambda stream: len(said(stream)) + sum(event["messages"] for event in stream.of("dropped")) >= 150,
            "each is shown or counted")
        assert node.api.metric("trace_left_out_total") > 0 and len(said(stream)) < 150
    wire.close()


def test_traces_are_bounded(start_node: Any) -> None:
    node: Node = start_node(admin={"traces": 1})
    wire = Wire(node.client_port).open("/raw?channel=a")
    connection = only(node)
    with trace(node, connection):
        assert node.api.metric("traces") == 1
        with pytest.raises(Refused) as refused:
            trace(node, connection)
        assert refused.value.status == 503 and refused.value.error["code"] == "too_many_traces"
        assert "admin.traces" in refused.value.error["message"] and node.api.metric("traces_refused_total") == 1
    with until(lambda: trace(node, connection), "the place is free again"):
        pass
    wire.close()


def test_what_cannot_be_traced(cluster: Cluster) -> None:
    node = cluster.nodes[0]
    path = "/api/v1/connections"
    assert node.api.request("GET", f"{path}/nobody/trace").status_code == 400
    client = CentrifugeWire(cluster.nodes[1])
    gone = client.id
    client.close()
    until(lambda: node.api.request("GET", f"{path}/{gone}").status_code == 404, "it is gone")
    assert node.api.request("GET", f"{path}/{gone}/trace").status_code == 404
    strange = "0" * 15 + "1" + gone[16:]
    assert node.api.request("GET", f"{path}/{strange}/trace").json()["error"]["code"] == "node_unreachable"
    for seconds in ("0", "301", "-1", "x", ""):
        assert node.api.request("GET", f"{path}/{gone}/trace?seconds={seconds}").status_code == 400
    assert node.api.request("HEAD", f"{path}/{gone}/trace").status_code == 405
    # Others are not disturbed, and nothing is left behind.
    assert node.api.metric("traces") == 0 and node.api.metric("faults_total") == 0


def test_who_looked_is_in_the_log(start_node: Any) -> None:
    node: Node = start_node(admin={"token": "a-token-of-some-length"})
    wire = Wire(node.client_port).open("/raw?channel=a")
    connection = only(node)
    with trace(node, connection):
        until(lambda: f"/api/v1/connections/{connection}/trace" in node.output(), "the audit log has it")
    wire.close()


def test_hostile_messages_are_data(node: Node) -> None:
    wire = Wire(node.client_port).open("/raw?channel=a")
    with trace(node, only(node)) as stream:
        text = "a\n\nevent: end\ndata: {}\n\n<script>\u202e\x1b[2J"
        wire.send(frame(text.encode()))
        stream.until(lambda stream: said(stream), "it arrives")
        assert said(stream)[0] == ("in", text) and stream.of("end") == []
        wire.send(b"\xff\xff\xff\xff")
        stream.until(lambda stream: len(stream.of("in")) == 2, "what is no frame")
        assert stream.of("in")[1]["kind"] == "invalid"
    wire.close()


def test_a_connection_without_a_login_can_be_traced(node: Node) -> None:
    wire = Wire(node.client_port).send(upgrade("/connection/websocket"))
    wire.read_head()
    with trace(node, only(node)) as stream:
        wire.send(frame(b'{"id":1,"connect":{}}'))
        stream.until(lambda stream: len(said(stream)) >= 2, "login and reply")
        assert said(stream)[0][0] == "in" and said(stream)[1][0] == "out"
    wire.close()
