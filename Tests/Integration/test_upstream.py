"""Calls that the application answers: methods of hubs, and `rpc`."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
import requests

from rig.centrifuge_protobuf import ProtobufWire
from rig.centrifuge_wire import CentrifugeWire
from rig.hub_clients import JSON, KINDS, MESSAGEPACK, CallFailed, PySignalR
from rig.node import Node
from rig.upstream import Answer, Request, Upstream
from rig.waiting import until
from rig.wire import BINARY, CLOSE, TEXT, Wire, frame, upgrade

SECRET = "a secret of more than thirty-two bytes, for tests"
KEY, OLD_KEY = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
EACH = pytest.mark.parametrize(("kind", "protocol"), [(kind, protocol) for kind in KINDS for protocol in (JSON, MESSAGEPACK)])


def token(**claims: Any) -> str:
    return jwt.encode({"exp": int(time.time() + 600), **claims}, SECRET, algorithm="HS256")


def configuration(upstream: Upstream, **keys: Any) -> dict[str, Any]:
    hub = {
        "path": "/chat", "prefix": "chat:", "keys": [KEY, OLD_KEY], "methods": {"join": "JoinGroup"},
        "upstream": upstream.url + "/{hub}/{category}/{event}?code=1",
    }  # fmt: skip
    return {
        "hubs": [hub], "auth": {"keys": [{"secret": SECRET}]}, "channels": [{"match": "*", "subscribe": "anyone"}],
        "upstream": {"rpc_url": upstream.url + "/rpc", **keys},
    }  # fmt: skip


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    started = Upstream()
    yield started
    started.stop()


def calculator(request: Request) -> Answer | None:
    """Sums what it is called with, as a serverless function would: with a completion, or with the result alone."""
    if request.path.startswith("/chat/messages/Sum"):
        message = request.json
        result = sum(message["arguments"])
        return 200, json.dumps({"type": 3, "invocationId": message.get("invocationId"), "result": result}).encode() + b"\x1e"
    if request.path.startswith("/chat/messages/Echo"):
        return 200, json.dumps({"arguments": request.json["arguments"]}, indent=1).encode()
    if request.path.startswith("/chat/messages/Fail"):
        return 200, b'{"type":3,"error":"there is none left"}'
    if request.path.startswith("/chat/messages/Forbidden"):
        return 403, b""
    return None


@EACH
def test_applications_answer_calls(start_node: Any, upstream: Upstream, kind: type[PySignalR], protocol: str) -> None:
    upstream.answer = calculator
    node: Node = start_node(**configuration(upstream))
    client = kind(f"http://{node.client}/chat", [], protocol, token=token(sub="ann"))
    try:
        until(lambda: upstream.of("connected"), "the application is told of the connection")
        assert client.invoke("Sum", 1, 2, 3) == 6
        assert client.invoke("Echo", "ümläut 🔔", {"a": [1, None]}) == {"arguments": ["ümläut 🔔", {"a": [1, None]}]}
        assert client.invoke("Nothing") is None
        for method, error in (("Fail", "there is none left"), ("Forbidden", "The application refused the call.")):
            with pytest.raises(CallFailed, match=error):
                client.invoke(method)
        client.send("Unanswered", 1)
        until(lambda: upstream.of("Unanswered"), "calls without an id arrive")
        # What the hub does itself is not asked.
        client.invoke("JoinGroup", "a")
        assert not upstream.of("JoinGroup")
        [connection] = node.api.connections()
        [request] = upstream.of("Sum")
        assert request.path == "/chat/messages/Sum?code=1" and request.headers["content-type"] == "application/json"
        assert request.headers["x-asrs-user-id"] == "ann" and request.headers["x-asrs-hub"] == "chat"
        assert request.headers["x-carillon-connection"] == connection["id"]
        assert connection["id"].endswith(request.headers["x-asrs-connection-id"])
        assert request.is_signed_with(KEY) and request.is_signed_with(OLD_KEY) and not request.is_signed_with("other")
        # One library gives an id to every call.
        assert kind is not PySignalR or "invocationId" not in upstream.of("Unanswered")[0].json
    finally:
        client.close()


END = b"\x1e"


@pytest.mark.parametrize(
    ("goodbye", "error"),
    [
        (frame(b'{"type":7}' + END), None),
        (frame(b"\x03\xe8", CLOSE), None),
        (frame(b"no message" + END), "malformed"),
        (None, "The connection ended without a goodbye."),
    ],
)
def test_applications_are_told_who_comes_and_goes(
    start_node: Any, upstream: Upstream, goodbye: bytes | None, error: str | None
) -> None:
    node: Node = start_node(**configuration(upstream))
    wire = Wire(node.client_port).open("/chat")
    # Until it has said what it speaks, it is nobody.
    wire.send(frame(b'{"protocol":"json","version":1}' + END))
    assert wire.read_frame() == (TEXT, b"{}\x1e")
    [connection] = node.api.connections()
    until(lambda: upstream.of("connected"), "it has come")
    if goodbye:
        wire.send(goodbye)
    else:
        wire.close()
    until(lambda: upstream.of("disconnected"), "it has gone")
    [came], [gone] = upstream.of("connected"), upstream.of("disconnected")
    assert came.path == "/chat/connections/connected?code=1" and came.json == {"type": 10}
    assert gone.path == "/chat/connections/disconnected?code=1" and gone.is_signed_with(KEY)
    assert gone.json["type"] == 11 and (error in gone.json["error"] if error else gone.json["error"] is None)
    assert came.headers["x-carillon-connection"] == gone.headers["x-carillon-connection"] == connection["id"]
    assert came.headers["x-asrs-connection-id"] == gone.headers["x-asrs-connection-id"] == connection["id"][-32:]
    assert "x-asrs-user-id" not in came.headers
    until(lambda: node.api.metric("upstream_in_flight") == 0, "nothing is under way")
    assert node.api.metric("upstream_connection_events_total") == 2
    wire.close()


def test_a_slow_application_delays_nobody_else(start_node: Any, upstream: Upstream) -> None:
    """Two calls wait; others of the same client and of other clients do not."""
    waits = threading.Event()

    def slow(request: Request) -> Answer | None:
        if request.headers.get("x-asrs-event") == "Slow":
            waits.wait(20)
            return 200, b'"late"'
        return None

    upstream.answer = slow
    node: Node = start_node(**configuration(upstream, calls_per_session=2))
    client = PySignalR(f"http://{node.client}/chat", ["message"], JSON)
    other = CentrifugeWire(node)
    try:
        results: list[Any] = []
        threads = [threading.Thread(target=lambda: results.append(client.invoke("Slow"))) for _ in range(2)]
        for thread in threads:
            thread.start()
        until(lambda: len(upstream.of("Slow")) == 2, "both calls are with the application")
        assert node.api.metric("upstream_in_flight") == 2
        client.invoke("JoinGroup", "a")
        node.api.publish("chat:a", data=1)
        until(lambda: client.called, "publications arrive")
        other.subscribe("chat:a")
        # The client has as many calls waiting as it may.
        with pytest.raises(CallFailed, match="Too many calls"):
            client.invoke("Another")
        assert node.api.metric("upstream_calls_per_session_hits_total") == 1
        assert results == []
        waits.set()
        for thread in threads:
            thread.join(10)
        assert results == ["late", "late"]
        assert client.invoke("Another") is None
    finally:
        waits.set()
        client.close()
        other.close()


def test_an_application_that_is_away(start_node: Any, upstream: Upstream) -> None:
    """Failures are told at once; after some the endpoint is left alone, and then it is tried again."""
    upstream.answer = lambda request: (500, b"")
    node: Node = start_node(**configuration(upstream, breaker_failures=3, breaker_pause="300ms", timeout="500ms"))
    client = CentrifugeWire(node)
    for _ in range(3):
        error = client.command("rpc", method="m", data={})["error"]
        assert error["code"] == 100 and error["temporary"] and "did not answer" in error["message"]
    assert node.api.metric("upstream_open_circuits") == 1 and node.api.metric("upstream_failures_total") == 3
    assert "error" in client.command("rpc", method="m", data={})
    assert len(upstream.requests) == 3 and node.api.metric("upstream_skipped_total") == 1
    upstream.answer = lambda request: (200, b"{}")
    until(lambda: "error" not in client.command("rpc", method="m", data={}), "the endpoint is tried again")
    assert node.api.metric("upstream_open_circuits") == 0
    assert "failed 3 times in a row, the last time because it answered 500" in node.output()
    assert "answers again" in node.output()
    client.close()


def test_no_answer_in_time(start_node: Any, upstream: Upstream) -> None:
    waits = threading.Event()
    upstream.answer = lambda request: (waits.wait(20), (200, b"{}"))[1]
    node: Node = start_node(**configuration(upstream, timeout="200ms", concurrency=1))
    client = CentrifugeWire(node)
    try:
        begin = time.monotonic()
        assert client.command("rpc", method="m")["error"]["code"] == 100
        assert time.monotonic() - begin < 5
        assert node.api.metric("upstream_failures_total") == 1 and node.api.metric("upstream_in_flight") == 0
    finally:
        waits.set()
        client.close()


def test_answers_nobody_understands(start_node: Any, upstream: Upstream) -> None:
    """Answers that are too large, no JSON, or no UTF-8 are failures, and none of them reaches the client."""
    answer = [b"x"]
    upstream.answer = lambda request: (200, answer[0])
    node: Node = start_node(**configuration(upstream, answer_bytes="1KiB", breaker_failures=0))
    client = CentrifugeWire(node)
    bad = [b"x", b'{"result":{"data":"\xff"}}', b'{"result":{"data":"' + b"a" * 2000 + b'"}}', b"[" * 1000, b'{"result":[]}']
    for one in bad:
        answer[0] = one
        assert client.command("rpc", method="m")["error"]["code"] == 100, one
    assert node.api.metric("upstream_failures_total") == len(bad)
    answer[0] = b'{"result":{"data":{"a":\n1}}}'
    assert client.command("rpc", method="m") == {"data": {"a": 1}}
    client.close()


def test_remote_calls_of_centrifuge_clients(start_node: Any, upstream: Upstream) -> None:
    def answer(request: Request) -> Answer | None:
        asked = request.json
        if asked["method"] == "fail":
            return 200, b'{"error":{"code":1001,"message":"no","temporary":true}}'
        if asked["method"] == "bytes":
            return 200, json.dumps({"result": {"b64data": base64.b64encode(b"\x00\xff").decode()}}).encode()
        return 200, json.dumps({"result": {"data": {"you": asked.get("user"), "sent": asked.get("data")}}}).encode()

    upstream.answer = answer
    node: Node = start_node(**configuration(upstream))
    client = CentrifugeWire(node, token(sub="ann"))
    assert client.command("rpc", method="m", data={"n": 1}) == {"data": {"you": "ann", "sent": {"n": 1}}}
    assert client.command("rpc", method="m") == {"data": {"you": "ann", "sent": None}}
    assert client.command("rpc", method="fail")["error"] == {"code": 1001, "message": "no", "temporary": True}
    assert client.command("rpc", method="bytes") == {"data": base64.b64encode(b"\x00\xff").decode()}
    asked = upstream.requests[0].json
    assert asked["client"] == client.id and asked["encoding"] == "json" and asked["protocol"] == "centrifuge"
    client.close()
    packed = ProtobufWire(node)
    told = packed.command("rpc", method="m", data=base64.b64encode(b'{"n":2}').decode())
    assert told.rpc.data == b'{"you": null, "sent": {"n": 2}}'
    assert packed.command("rpc", method="bytes", data=base64.b64encode(b"\x00\x01").decode()).rpc.data == b"\x00\xff"
    packed.socket.close()
    assert upstream.requests[-1].json["b64data"] == "AAE="


def test_a_reload_changes_where_calls_go(start_node: Any, upstream: Upstream) -> None:
    upstream.answer = lambda request: (200, b'{"result":{"data":1}}')
    node: Node = start_node(**configuration(upstream))
    client = CentrifugeWire(node)
    assert client.command("rpc", method="m") == {"data": 1}
    changed = configuration(upstream, timeout="1s")
    del changed["upstream"]["rpc_url"]
    node.file.write_text(json.dumps({**node.configuration, "upstream": changed["upstream"]}))
    assert node.api.request("POST", "/api/v1/config/reload").status_code == 200
    assert client.command("rpc", method="m")["error"]["code"] == 108
    assert node.api.metric("upstream_calls_total") == 1
    client.close()


# Rules that ask


def asking(upstream: Upstream, **keys: Any) -> dict[str, Any]:
    hook = upstream.url + "/hook"
    channels = [
        {"match": "chat:judged*", "subscribe": "anyone", "publish": "client", "publish_hook": hook, "subscribe_hook": hook},
        {"match": "chat:users*", "subscribe": "user", "subscribe_hook": hook},
        {"match": "*", "subscribe": "anyone", "publish": "client"},
    ]
    return {**configuration(upstream, **keys), "channels": channels}


def judge(request: Request) -> Answer | None:
    """Users whose name begins with a may do everything, and nobody may say "no"."""
    asked = request.json
    if asked.get("data") == "no":
        return 200, b'{"error":{"code":1002,"message":"not here"}}'
    if asked.get("data") == "change":
        return 200, b'{"result":{"data":{"changed":true}}}'
    if not asked.get("user", "").startswith("a"):
        return 200, b'{"error":{"code":1001,"message":"who are you"}}'
    return 200, b'{"result":{}}'


def test_applications_decide_about_subscriptions_and_publications(start_node: Any, upstream: Upstream) -> None:
    upstream.answer = judge
    node: Node = start_node(**asking(upstream))
    ann, bob = CentrifugeWire(node, token(sub="ann")), CentrifugeWire(node, token(sub="bob"))
    assert "error" not in ann.subscribe("chat:judged")
    assert bob.subscribe("chat:judged")["error"] == {"code": 1001, "message": "who are you"}
    for data in (1, "change", 3):
        assert ann.command("publish", channel="chat:judged", data=data) == {}
    assert ann.command("publish", channel="chat:judged", data="no")["error"]["code"] == 1002
    assert bob.command("publish", channel="chat:judged", data=1)["error"]["code"] == 1001
    until(lambda: len(ann.publications) == 3, "what was permitted arrives")
    assert [data for _, data in ann.publications] == [1, {"changed": True}, 3]
    assert upstream.requests[0].json == {
        "client": ann.id, "transport": "websocket", "protocol": "centrifuge", "encoding": "json", "user": "ann",
        "channel": "chat:judged",
    }  # fmt: skip
    # Whom the rule does not permit is not asked about.
    visitor = CentrifugeWire(node)
    count = len(upstream.requests)
    assert visitor.subscribe("chat:users")["error"]["code"] == 103
    assert len(upstream.requests) == count
    # What is asked about cannot be had where nobody can be asked.
    wire = Wire(node.client_port)
    assert wire.send(upgrade("/raw?channel=chat:judged")).read_head().startswith(b"HTTP/1.1 403 ")
    assert requests.post(f"http://{node.client}/publish?channel=chat:judged", data="1", timeout=5).status_code == 403
    for client in (ann, bob, visitor):
        client.close()


@EACH
def test_applications_decide_about_groups(start_node: Any, upstream: Upstream, kind: type[PySignalR], protocol: str) -> None:
    upstream.answer = lambda request: judge(request) if request.path == "/hook" else None
    hub_configuration = asking(upstream)
    hub_configuration["hubs"][0]["methods"] |= {"send_to_group": "SendToGroup"}
    node: Node = start_node(**hub_configuration)
    ann = kind(f"http://{node.client}/chat", ["said"], protocol, token=token(sub="ann"))
    bob = kind(f"http://{node.client}/chat", ["said"], protocol, token=token(sub="bob"))
    try:
        ann.invoke("JoinGroup", "judged")
        with pytest.raises(CallFailed, match="who are you"):
            bob.invoke("JoinGroup", "judged")
        ann.invoke("SendToGroup", "judged", "said", 1)
        with pytest.raises(CallFailed, match="not here"):
            ann.invoke("SendToGroup", "judged", "said", "no")
        ann.invoke("SendToGroup", "judged", "said", {"n": 2})
        until(lambda: len(ann.called) == 2, "what was permitted arrives")
        assert ann.called == [("said", [1]), ("said", [{"n": 2}])] and bob.called == []
    finally:
        ann.close()
        bob.close()


def test_publications_that_wait_stay_in_order(start_node: Any, upstream: Upstream) -> None:
    """A client publishes faster than the application decides."""
    upstream.answer = lambda request: (time.sleep(0.005), judge(request))[1]
    node: Node = start_node(**asking(upstream))
    ann = CentrifugeWire(node, token(sub="ann"))
    ann.subscribe("chat:judged")
    for number in range(20):
        ann.socket.send(json.dumps({"id": 1000 + number, "publish": {"channel": "chat:judged", "data": number}}))
    until(lambda: len(ann.publications) == 20, "all arrive")
    assert [data for _, data in ann.publications] == list(range(20))
    ann.close()


def test_a_dialect_without_replies(start_node: Any, upstream: Upstream) -> None:
    """A refusal ends the session as that of a rule does; an application that is away is counted."""
    answer: list[Answer] = [(200, b'{"result":{}}')]
    upstream.answer = lambda request: answer[0]
    configured = asking(upstream, breaker_failures=0)
    configured["channels"].insert(
        0, {"match": "spoken", "subscribe": "anyone", "publish": "client", "publish_hook": upstream.url + "/hook"})
    node: Node = start_node(**configured)
    wire = Wire(node.client_port).open("/raw?channel=spoken")
    wire.send(frame(b"text")).send(frame(b"\x00\xff", BINARY))
    assert [wire.read_frame(), wire.read_frame()] == [(TEXT, b"text"), (BINARY, b"\x00\xff")]
    assert [request.json.get("b64data") for request in upstream.requests] == ["dGV4dA==", "AP8="]
    answer[0] = (500, b"")
    wire.send(frame(b"lost"))
    until(lambda: node.api.metric("client_publishes_refused_total") == 1, "the loss is counted")
    answer[0] = (200, b'{"error":{"code":1001,"message":"no"}}')
    wire.send(frame(b"no"))
    code, reason = wire.read_close()
    assert code == 1008 and "spoken" in reason
    wire.close()
