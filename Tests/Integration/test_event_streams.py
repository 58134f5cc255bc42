"""Event streams that break, begin late or are refused for now: nothing is lost silently, and no browser gives up for good."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest

from rig.application import Application
from rig.browser import Chromium, PageServer
from rig.node import Node
from rig.process import free_port
from rig.redis_server import RedisServer
from rig.waiting import until
from rig.wire import Wire

KEPT = [
    {"match": "plain", "subscribe": "anyone", "publish": "client"},
    {"match": "*", "subscribe": "anyone", "publish": "client", "history": {"size": 5, "ttl": "5m"}},
]


@pytest.fixture
def application() -> Iterator[Application]:
    server = Application()
    yield server
    server.stop()


class Stream:
    """An event stream as a browser reads it (WHATWG HTML 9.2.6), block by block."""

    def __init__(self, node: Node, query: str, last: str = "", **headers: str) -> None:
        self.last = last
        fields = {"Host": "localhost", "Accept": "text/event-stream", **headers, **({"Last-Event-ID": last} if last else {})}
        self.wire = Wire(node.client_port)
        self.wire.send(f"GET /sse?{query} HTTP/1.1\r\n".encode() + "".join(f"{k}: {v}\r\n" for k, v in fields.items()).encode() + b"\r\n")
        self.head = self.wire.read_head()
        assert self.head.startswith(b"HTTP/1.1 200 "), self.head
        self._rest = b""

    def block(self) -> tuple[str, str] | None:
        """The event of the next block, or None when it has no data; `last` is set as a browser sets it."""
        while b"\n\n" not in self._rest:
            piece = self.wire.socket.recv(65536) if not self.wire._rest else self.wire._rest
            self.wire._rest = b""
            assert piece, f"the stream ended: {self._rest!r}"
            self._rest += piece
        text, self._rest = self._rest.split(b"\n\n", 1)
        name, data = "message", []
        for line in text.decode().split("\n"):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "id":
                self.last = value
            elif field == "event":
                name = value
            elif field == "data":
                data.append(value)
        return (name, "\n".join(data)) if data else None

    def events(self, count: int) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        while len(found) < count:
            if event := self.block():
                found.append(event)
        return found

    def close(self) -> "Stream":
        self.wire.close()
        return self


def test_a_stream_that_breaks_before_its_first_event_loses_nothing(start_node: Any) -> None:
    node: Node = start_node(channels=KEPT)
    for before in (0, 3):
        for number in range(before):
            node.api.publish("news", text=f"before {number}")
        stream = Stream(node, "channel=news")
        assert stream.block() is None and stream.last.startswith("news-"), "it is told where it begins"
        stream.close()
        for number in range(3):
            node.api.publish("news", text=f"{before} {number}")
        again = Stream(node, "channel=news", stream.last)
        assert again.events(3) == [("message", f"{before} {number}") for number in range(3)]
        again.close()
    assert node.api.metric("faults_total") == 0


def test_each_channel_of_a_stream_has_its_place_until_the_first_event(start_node: Any) -> None:
    node: Node = start_node(channels=KEPT)
    stream = Stream(node, "channel=a&channel=b&channel=plain&channel=c")
    assert stream.block() is None
    assert re.fullmatch(r"a-\w+\.0 b-\w+\.0 c-\w+\.0", stream.last), stream.last
    stream.close()
    for name in ("b", "a", "plain"):
        node.api.publish(name, text=f"to {name}")
    again = Stream(node, "channel=a&channel=b&channel=plain&channel=c", stream.last)
    assert again.events(2) == [("message", "to a"), ("message", "to b")]
    assert again.block() is None and re.fullmatch(r"a-\w+\.1 b-\w+\.1 c-\w+\.0", again.last), again.last
    again.close()
    # Nothing was published since: nothing comes, and nothing is said to be lost.
    third = Stream(node, "channel=a&channel=b&channel=plain&channel=c", again.last)
    assert third.block() is None and third.last == again.last
    # An event names one channel; of the others it is said that nobody knows, once.
    node.api.publish("b", text="more")
    assert third.events(1) == [("message", "more")] and third.last.startswith("b-")
    third.close()
    fourth = Stream(node, "channel=a&channel=b", third.last)
    assert fourth.events(1) == [("lost", '{"channel":"a"}')]
    assert fourth.block() is None and re.fullmatch(r"a-\w+\.1 b-\w+\.2", fourth.last), fourth.last
    fourth.close()
    assert [Stream(node, "channel=a&channel=b", fourth.last).block() for _ in range(2)] == [None, None]


def test_a_loss_is_said_once(start_node: Any) -> None:
    node: Node = start_node(channels=KEPT)
    node.api.publish("news", text="0")
    stream = Stream(node, "channel=news")
    assert stream.block() is None
    stream.close()
    for number in range(7):
        node.api.publish("news", text=f"{number + 1}")
    told = Stream(node, "channel=news", stream.last)
    assert told.events(1) == [("lost", '{"channel":"news"}')] and told.block() is None
    assert told.last.endswith(".8"), told.last
    told.close()
    node.api.publish("news", text="after")
    assert Stream(node, "channel=news", told.last).events(1) == [("message", "after")]


def test_what_is_lost_while_a_stream_is_open_is_said_once(start_node: Any, redis_server: RedisServer) -> None:
    node: Node = start_node("one", redis_url=redis_server.url, channels=KEPT)
    other: Node = start_node("other", redis_url=redis_server.url, channels=KEPT)
    node.api.publish("news", text="first")
    stream = Stream(node, "channel=news")
    assert stream.block() is None
    begin = stream.last
    # It stands still, is cut off, and more is published than is kept.
    node.pause()
    redis_server.client().client_kill_filter(_type="pubsub")
    other.wait_until(other.api.is_ready, "is linked again")
    for number in range(8):
        other.api.publish("news", text=f"{number}")
    node.resume()
    assert stream.events(1) == [("lost", '{"channel":"news"}')]
    assert stream.last != begin
    stream.close()
    again = Stream(node, "channel=news", stream.last)
    other.api.publish("news", text="next")
    while (event := again.events(1)[0]) != ("message", "next"):
        assert event[0] == "message", event
    again.close()


def test_a_stream_opened_while_the_node_is_isolated_loses_nothing_silently(start_node: Any, redis_server: RedisServer) -> None:
    node: Node = start_node(redis_url=redis_server.url, channels=KEPT)
    for number in range(3):
        node.api.publish("news", text=f"{number}")
    known = Stream(node, "channel=news")
    assert known.block() is None
    known.close()
    redis_server.kill()
    node.wait_until(lambda: not node.api.is_ready(), "is isolated")
    # Nobody knows where it begins, so when it breaks now it is told that it may have missed something.
    unknown = Stream(node, "channel=news")
    assert unknown.block() is None and unknown.last == "news-0.0"
    resumed = Stream(node, "channel=news", known.last)
    redis_server.start()
    node.wait_until(node.api.is_ready, "is linked")
    # A stream that is told where it begins says that the channel is subscribed again: what comes from here on is delivered.
    fresh = Stream(node, "channel=news")
    assert fresh.block() is None and fresh.last != "news-0.0"
    # A stream whose beginning is still asked for may begin behind some of these. Then it was told that it has lost something.
    for number in range(100):
        node.api.publish("news", text=f"after {number}")
        time.sleep(0.02)
    for stream in (unknown, resumed):
        told = []
        while not (found := stream.events(1)[0])[1].startswith("after"):
            assert found == ("lost", '{"channel":"news"}'), found
            told.append(found)
        assert told or found == ("message", "after 0"), found
        assert re.fullmatch(r"news-\w+\.\d+", stream.last) and stream.last != "news-0.0"


@pytest.mark.parametrize("away", ["the application", "a key set"])
def test_a_browser_that_may_try_again_is_never_refused_for_good(
    start_node: Any, application: Application, browser: Chromium, page: PageServer, away: str
) -> None:
    """Any status but 200 makes an `EventSource` give up."""
    query = "channel=news"
    if away == "the application":
        application.answer = (500, "")
        auth: dict[str, Any] = {"required": True, "connect_hook": {"url": application.url}}
    else:
        # Nobody is at the port.
        auth = {"required": True, "keys": [{"jwks_url": f"http://127.0.0.1:{free_port()}/jwks", "allow_http": True}]}
        token = jwt.encode({"exp": int(time.time() + 600), "sub": "ann"}, _rsa(), algorithm="RS256", headers={"kid": "new"})
        query += f"&token={token}"
    node: Node = start_node(client={"origins": [page.origin]}, auth=auth, channels=KEPT)
    refused = Stream(node, query, Origin=page.origin)
    event = refused.events(1)[0]
    assert event[0] == "refused" and json.loads(event[1])["code"] == "temporarily_unavailable"
    assert refused.wire.socket.recv(1) == b"", "and the stream ends"
    assert b"Access-Control-Allow-Origin: " + page.origin.encode() in refused.head
    browser.evaluate(
        f"window.source = new EventSource('http://{node.client}/sse?{query}'); window.heard = [];"
        "window.source.onmessage = event => window.heard.push(event.data);"
        "window.source.addEventListener('refused', event => window.heard.push(JSON.parse(event.data).code)); 'ok'")
    until(lambda: browser.evaluate("window.heard.length") >= 2, "it was refused, and came again", 20)
    assert browser.evaluate("window.source.readyState") != 2
    if away == "the application":
        application.answer = (200, '{"sub":"ann"}')
        until(lambda: node.api.subscribers("news") == 1, "it is let in", 20)
        node.api.publish("news", text="welcome")
        until(lambda: "welcome" in browser.evaluate("window.heard"), "it is served")
    browser.evaluate("window.source.close(); 'ok'")


def _rsa() -> Any:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def test_a_browser_loses_nothing_between_two_streams(start_node: Any, browser: Chromium, page: PageServer) -> None:
    node: Node = start_node(client={"origins": [page.origin]}, channels=KEPT)
    browser.evaluate(
        f"window.source = new EventSource('http://{node.client}/sse?channel=news'); window.heard = [];"
        "window.source.onmessage = event => window.heard.push(event.data);"
        "window.source.addEventListener('lost', event => window.heard.push('lost')); 'ok'")
    until(lambda: node.api.subscribers("news") == 1, "it is there")
    until(lambda: browser.evaluate("window.source.readyState") == 1, "it is open")
    for round_ in range(2):
        (connection,) = node.api.connections()
        assert node.api.request("POST", f"/api/v1/connections/{connection['id']}/close").status_code == 200
        until(lambda: node.api.subscribers("news") == 0, "its stream is broken")
        for number in range(2):
            node.api.publish("news", text=f"{round_} {number}")
        expected = [f"{one} {two}" for one in range(round_ + 1) for two in range(2)]
        until(lambda: browser.evaluate("window.heard") == expected, f"it got {expected}", 20)
    browser.evaluate("window.source.close(); 'ok'")
