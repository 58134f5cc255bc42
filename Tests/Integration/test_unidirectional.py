"""The centrifuge dialect for clients without a library: they say what they want to hear, and hear it."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import httpx_sse
import jwt
import pytest
import websockets.sync.client

from rig.application import Application
from rig.browser import Chromium, PageServer
from rig.cluster import Cluster
from rig.listener import KINDS, Listener
from rig.node import Node
from rig.streamed import Stream, ask, get, post
from rig.waiting import until
from rig.wire import CLOSE, PING, TEXT, Wire, frame, upgrade

SECRET = "a secret of more than thirty-two bytes, for tests"
CHANNELS = [
    {"match": "closed:*", "subscribe": "nobody", "publish": "server"},
    {"match": "kept:*", "subscribe": "anyone", "publish": "client", "history": {"size": 5, "ttl": "5m"}},
    {"match": "room:*", "subscribe": "anyone", "publish": "client", "presence": {"join_leave": True}},
    {"match": "*", "subscribe": "anyone", "publish": "client"},
]
EACH = pytest.mark.parametrize("kind", KINDS)


def token(seconds: float = 600, **claims: Any) -> str:
    return jwt.encode({"exp": int(time.time() + seconds), **claims}, SECRET, algorithm="HS256")


@pytest.fixture
def application() -> Iterator[Application]:
    server = Application()
    yield server
    server.stop()


@EACH
def test_what_a_client_wants_it_hears(start_node: Any, kind: str) -> None:
    node: Node = start_node(channels=CHANNELS)
    client = Listener(node.client, kind, subs={"news": {}, "closed:1": {}, "room:1": {}, "a b": {}}, name="n").connect()
    assert client.connected["subs"].keys() == {"news", "room:1"}
    assert client.connected["client"].startswith(node.id) and client.connected["ping"] == 25 and "pong" not in client.connected
    assert "session" not in client.connected
    assert client.message()["join"]["info"]["client"] == client.connected["client"]
    node.api.publish("news", data={"n": 1})
    message = client.message()
    assert message["channel"] == "news" and message["pub"]["data"] == {"n": 1}
    other = Listener(node.client, kind, subs={"room:1": {}}).connect()
    assert client.message()["join"]["info"]["client"] == other.connected["client"]
    other.close()
    assert client.message()["leave"]["info"]["client"] == other.connected["client"]
    client.close()
    until(lambda: node.api.metric("sessions") == 0, "it is gone")


@EACH
def test_pings_come_and_whoever_is_there_stays(start_node: Any, kind: str) -> None:
    node: Node = start_node(liveness={"ping_interval": "1s", "pong_timeout": "500ms"})
    client = Listener(node.client, kind, subs={"a": {}}).connect()
    assert client.connected["ping"] == 1
    begun = time.monotonic()
    while client.pings < 3:
        node.api.publish("a", data=1)
        assert client.message()["pub"]["data"] == 1
        time.sleep(0.1)
    # Every time, and not only to those who were silent.
    assert time.monotonic() - begun < 5.5
    client.close()


def test_a_websocket_that_answers_nothing_is_closed(start_node: Any) -> None:
    node: Node = start_node(liveness={"ping_interval": "1s", "pong_timeout": "500ms"})
    wire = Wire(node.client_port).open("/connection/uni_websocket?cf_connect={}")
    seen = []
    while True:
        opcode, payload = wire.read_frame()
        seen.append((opcode, payload))
        if opcode == CLOSE:
            break
    assert (TEXT, b"{}") in seen and (PING, b"") in seen
    assert json.loads(seen[-2][1])["disconnect"]["code"] == 3012 and int.from_bytes(seen[-1][1][:2], "big") == 3012


@EACH
def test_an_application_does_with_it_what_it_does_with_others(start_node: Any, kind: str) -> None:
    node: Node = start_node(channels=CHANNELS, auth={"keys": [{"secret": SECRET}]})
    client = Listener(node.client, kind, token=token(sub="ann", channels=["given"]), subs={"news": {}}).connect()
    assert client.connected["subs"].keys() == {"given", "news"} and client.connected["expires"]

    def call(method: str, **body: Any) -> None:
        assert node.api.request("POST", f"/api/{method}", json=body).json().get("error") is None

    call("subscribe", user="ann", channel="more", data={"x": 1})
    assert client.message() == {"channel": "more", "subscribe": {"data": {"x": 1}}}
    node.api.publish("more", data=1)
    assert client.message()["pub"]["data"] == 1
    call("unsubscribe", user="ann", channel="more")
    assert client.message() == {"channel": "more", "unsubscribe": {"code": 2000, "reason": "server unsubscribe"}}
    call("refresh", user="ann", expire_at=int(time.time()) + 100)
    assert client.message()["refresh"]["ttl"] > 90
    call("disconnect", user="ann", disconnect={"code": 4501, "reason": "go"})
    assert client.message() == {"disconnect": {"code": 4501, "reason": "go"}} and client.ended()
    if kind == "websocket":
        assert client.close_code == 4501


@EACH
def test_whoever_is_refused_is_told_and_has_to_go(start_node: Any, application: Application, kind: str) -> None:
    node: Node = start_node(
        auth={"required": True, "keys": [{"secret": SECRET}], "connect_hook": {"url": application.url, "timeout": "500ms"}})
    for connect, answer, code in [
        ({"token": "x"}, None, 3500), ({"token": token(-600, sub="ann")}, None, 3005),
        ({}, (403, '{"reason": "no"}'), 3503), ({}, (500, ""), 3004)]:  # fmt: skip
        if answer:
            application.answer = answer
        client = Listener(node.client, kind, **connect)
        push = client.message()
        assert push["disconnect"]["code"] == code, (connect, push)
        assert client.ended()
    until(lambda: node.api.metric("sessions") == 0, "nobody is left")


@EACH
def test_a_session_ends_with_its_token(start_node: Any, kind: str) -> None:
    node: Node = start_node(auth={"keys": [{"secret": SECRET}], "leeway": "0s"})
    client = Listener(node.client, kind, token=token(2, sub="ann")).connect()
    assert client.message()["disconnect"] == {"code": 3005, "reason": "connection expired", "reconnect": True}
    assert client.ended()


@EACH
def test_what_was_missed_comes_with_the_connect(start_node: Any, kind: str) -> None:
    node: Node = start_node(channels=CHANNELS)
    client = Listener(node.client, kind, subs={"kept:1": {}}).connect()
    begin = client.connected["subs"]["kept:1"]
    assert begin["recoverable"] and begin["positioned"]
    node.api.publish("kept:1", data=0)
    offset = client.message()["pub"]["offset"]
    client.close()
    for number in range(1, 4):
        node.api.publish("kept:1", data=number)
    known = {"recover": True, "epoch": begin["epoch"], "offset": offset}
    client = Listener(node.client, kind, subs={"kept:1": known}).connect()
    again = client.connected["subs"]["kept:1"]
    assert again["recovered"] and [each["data"] for each in again["publications"]] == [1, 2, 3]
    client.close()
    for number in range(10):
        node.api.publish("kept:1", data=number)
    again = Listener(node.client, kind, subs={"kept:1": known}).connect().connected["subs"]["kept:1"]
    assert again["was_recovering"] and "recovered" not in again and "publications" not in again


@EACH
def test_a_drain(start_node: Any, kind: str) -> None:
    node: Node = start_node()
    clients = [Listener(node.client, kind).connect() for _ in range(4)]
    assert node.command("drain", node.id).returncode == 0
    for client in clients:
        assert client.message()["disconnect"]["code"] == 3001 and client.ended()


def test_another_node_publishes(tmp_path: Path) -> None:
    with Cluster(tmp_path, size=2) as cluster:
        cluster.start()
        clients = [Listener(cluster.nodes[0].client, kind, subs={"news": {}}).connect() for kind in KINDS]
        cluster.nodes[1].api.publish("news", data={"n": 1})
        for client in clients:
            assert client.message()["pub"]["data"] == {"n": 1}
            client.close()
        cluster.check_permissions()


def test_where_the_connect_request_may_be(start_node: Any) -> None:
    node: Node = start_node()
    assert Listener(node.client, "websocket", by_query=True, subs={"a": {}}).connect().connected["subs"].keys() == {"a"}
    posted = Stream(node.client, post("/connection/uni_sse", b'{"subs":{"b":{}}}'), "events")
    assert posted.message()["connect"]["subs"].keys() == {"b"}
    for request, kind in [(get("/connection/uni_sse"), "events"), (post("/connection/uni_http_stream", b"null"), "lines")]:
        assert Stream(node.client, request, kind).message()["connect"]["ping"] == 25
    for bad in [b"", b"x", b"[]", b'{"token":1}', b"{}{}", b"{" * 1000]:
        assert ask(node.client, post("/connection/uni_http_stream", bad))[0] == 400
        assert ask(node.client, post("/connection/uni_sse", bad))[0] == 400
    assert ask(node.client, get("/connection/uni_sse?cf_connect=x"))[0] == 400
    assert ask(node.client, upgrade("/connection/uni_websocket?cf_connect=x"))[0] == 400
    assert ask(node.client, get("/connection/uni_sse?cf_connect=" + "a" * 5000))[0] == 414
    # A token in the request is taken, too.
    assert ask(node.client, get("/connection/uni_sse", Authorization="Bearer x"))[0] == 401


def test_frames_after_the_first_mean_nothing_and_cost_little(start_node: Any) -> None:
    node: Node = start_node(limits={"command_rate": 10, "command_burst": 10, "connect_timeout": "1s", "message_bytes": "1KiB"})
    client = Listener(node.client, "websocket", subs={"a": {}}).connect()
    for text in [b"{}", b'{"id":2,"publish":{"channel":"a","data":1}}', b"nonsense", b"\0"]:
        client.wire.send(frame(text))
    client.wire.send(frame(b"\xff\xfe", 2))
    node.api.publish("a", data=1)
    assert client.message()["pub"]["data"] == 1
    client.wire.send(frame(b"x") * 1000)
    until(lambda: node.api.metric("command_rate_hits_total") >= 1, "it is read from more slowly")
    node.api.publish("a", data=2)
    assert client.message()["pub"]["data"] == 2
    assert node.api.metric("client_publishes_total") == 0
    # No first message, one of another kind, one that is none, and one that is too long.
    for sent, code in [(b"", 3502), (frame(b"{}", 2), 3506), (frame(b"nonsense"), 3501), (frame(b'{"name":"%s"}' % (b"x" * 2000)), 3501)]:
        wire = Wire(node.client_port).open("/connection/uni_websocket").send(sent)
        assert wire.read_close()[0] == code
        wire.close()


def test_commands_cannot_be_brought_to_it(start_node: Any) -> None:
    node: Node = start_node()
    client = Listener(node.client, "http_stream").connect()
    _, locator, secret = client.connected["client"].split("-")
    for session in [f"{locator}-{secret}", f"{locator}-{'0' * 32}"]:
        body = json.dumps({"node": node.id, "session": session, "data": '{"id":2,"subscribe":{"channel":"a"}}'}).encode()
        assert ask(node.client, post("/emulation", body))[0] == 404


def test_a_storm_is_told_when_to_come_back(start_node: Any) -> None:
    node: Node = start_node(limits={"connects_per_second": 1, "connects_burst": 1})
    Listener(node.client, "sse").connect()
    stream = Stream(node.client, get("/connection/uni_sse"), "events")
    assert stream.status == 200 and stream.message()["disconnect"]["code"] == 3000 and stream.ended()
    assert ask(node.client, post("/connection/uni_http_stream", b"{}"))[0] == 503


def test_libraries_of_others(start_node: Any) -> None:
    """httpx-sse, httpx and websockets, as programs without a Centrifuge SDK use them."""
    node: Node = start_node()
    with websockets.sync.client.connect(f"ws://{node.client}/connection/uni_websocket", legacy=True, ping_interval=None) as socket:
        socket.send(json.dumps({"subs": {"news": {}}}))
        assert json.loads(socket.recv(timeout=10))["connect"]["subs"] == {"news": {}}
        with httpx.Client(timeout=10) as http:
            query = {"cf_connect": json.dumps({"subs": {"news": {}}})}
            with httpx_sse.connect_sse(http, "GET", f"http://{node.client}/connection/uni_sse", params=query) as source:
                events = source.iter_sse()
                assert "connect" in next(events).json()
                with http.stream("POST", f"http://{node.client}/connection/uni_http_stream", json={"subs": {"news": {}}}) as reply:
                    lines = reply.iter_lines()
                    assert "connect" in json.loads(next(lines))
                    node.api.publish("news", data={"n": 1})
                    for text in [next(lines), next(events).data, socket.recv(timeout=10)]:
                        assert json.loads(text)["pub"]["data"] == {"n": 1}


def test_a_browser(start_node: Any, browser: Chromium, page: PageServer) -> None:
    """`EventSource` and `fetch`, from a page of another origin."""
    node: Node = start_node(client={"origins": [page.origin]})
    browser.evaluate(
        "window.heard = []; window.source = new EventSource('http://%s/connection/uni_sse?cf_connect=' + encodeURIComponent("
        "JSON.stringify({subs: {news: {}}}))); window.source.onmessage = event => window.heard.push(JSON.parse(event.data)); 'ok'" % node.client)
    browser.evaluate(
        "window.lines = ''; fetch('http://%s/connection/uni_http_stream', {method: 'POST', headers: {'Content-Type': 'application/json'},"
        " body: JSON.stringify({subs: {news: {}}})}).then(async reply => { const reader = reply.body.getReader(); const decoder = new TextDecoder();"
        " for (;;) { const {done, value} = await reader.read(); if (done) break; window.lines += decoder.decode(value); } }); 'ok'" % node.client)
    until(lambda: node.api.subscribers("news") == 2, "both listen")
    node.api.publish("news", data={"n": 1})
    until(lambda: browser.evaluate("String(window.heard.some(each => each.pub && each.pub.data.n === 1))") == "true", "events come")
    until(lambda: browser.evaluate("String(/\"n\": ?1/.test(window.lines))") == "true", "lines come")
    browser.evaluate("window.source.close(); 'ok'")
