"""`POST /publish`: publications from pages and devices without a WebSocket, one in each request."""

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from rig.application import Application
from rig.browser import Chromium, PageServer
from rig.cluster import Cluster
from rig.control import undisturbed
from rig.node import Node
from rig.receivers import HttpxSSEClient, WebsocketsClient
from rig.streamed import ask, post
from rig.waiting import until
from rig.wire import Wire

SECRET = "a secret of more than thirty-two bytes, for tests"
RULES = [
    {"match": "kept", "publish": "client", "history": {"size": 100, "ttl": "1h"}},
    {"match": "named", "publish": "user"}, {"match": "granted:*", "publish": "granted"}, {"match": "silent", "publish": "server"},
    {"match": "*", "publish": "client"},
]  # fmt: skip


def token(seconds: float = 600, **claims: Any) -> str:
    return jwt.encode({"exp": int(time.time() + seconds), **claims}, SECRET, algorithm="HS256")


def send(node: Node, channel: str, body: bytes = b"hello", kind: str = "text/plain", **headers: str) -> requests.Response:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.post(
        f"http://{node.client}/publish", params={"channel": channel}, data=body,
        headers={**({"Content-Type": kind} if kind else {}), **headers}, timeout=10)  # fmt: skip


def code(answer: requests.Response) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/json"
    return answer.status_code, answer.json()["error"]["code"]


@pytest.fixture
def ruled(start_node: Any) -> Node:
    return start_node(channels=RULES, auth={"keys": [{"secret": SECRET}], "cookie": "session"}, client={"origins": ["https://app.example.com"]})


def test_what_is_posted_reaches_every_node(tmp_path: Path) -> None:
    with Cluster(tmp_path, channels=[RULES[0], RULES[-1]]) as cluster:
        cluster.start()
        first, _, last = cluster.nodes
        raw, events = WebsocketsClient(last.client, "kept"), HttpxSSEClient(last.client, "kept")
        sent = [("text/plain", "grüß dich".encode()), ("application/json", b'{"n": [1, 2.0]}'), ("", bytes(range(256))), ("image/jpeg", b"\xff\xd8")]
        positions = [send(first, "kept", body, kind).json()["position"] for kind, body in sent]
        until(lambda: raw.count() == 4 and events.count() == 4, "both have them")
        assert raw.received == ["grüß dich", '{"n": [1, 2.0]}', bytes(range(256)), b"\xff\xd8"]
        kept = last.api.get("/api/v1/channels/kept/history")["publications"]
        assert [entry["position"] for entry in kept] == positions and len(set(positions)) == 4
        # Where there is no history there is no position.
        answer = send(first, "other")
        assert answer.status_code == 200 and answer.json() == {"position": None}
        assert first.api.metric("publish_requests_total") == 5
        raw.close()
        events.close()
        cluster.check_permissions()


def test_rules_and_tokens(ruled: Node) -> None:
    ann = {"Authorization": f"Bearer {token(sub='ann', grants=[{'match': 'granted:1', 'allow': ['publish']}])}"}
    assert code(send(ruled, "silent", **ann)) == (403, "not_permitted")
    assert code(send(ruled, "named")) == (403, "not_permitted")
    assert send(ruled, "named", **ann).status_code == 200
    assert send(ruled, "granted:1", **ann).status_code == 200
    assert code(send(ruled, "granted:2", **ann)) == (403, "not_permitted")
    # In the URL and in a cookie, too.
    own = token(sub="ann")
    assert requests.post(f"http://{ruled.client}/publish?channel=named&token={own}", data="x", timeout=5).status_code == 200
    assert requests.post(f"http://{ruled.client}/publish?channel=named", data="x", cookies={"session": own}, timeout=5).status_code == 200
    # A token that is wrong is refused even where none is needed.
    for shown, expected in ((token(-3600, sub="ann"), "token_expired"), ("nonsense", "token_invalid")):
        answer = send(ruled, "other", Authorization=f"Bearer {shown}")
        assert code(answer) == (401, expected) and "WWW-Authenticate" in answer.headers
    assert ruled.api.metric("publish_requests_total") == 4
    assert ruled.api.metric("publish_requests_refused_total") == 3


def test_without_a_token_where_one_is_required(start_node: Any) -> None:
    node: Node = start_node(channels=RULES, auth={"required": True, "keys": [{"secret": SECRET}]})
    assert code(send(node, "other")) == (401, "token_missing")
    # It is no session, so it is not one too many of its user.
    limited: Node = start_node("limited", channels=RULES, auth={"keys": [{"secret": SECRET}]}, limits={"sessions_per_user": 1})
    own = token(sub="ann")
    listener = WebsocketsClient(limited.client, "named", additional_headers={"Authorization": f"Bearer {own}"})
    assert send(limited, "named", Authorization=f"Bearer {own}").status_code == 200
    until(lambda: listener.count() == 1, "it arrives")
    listener.close()


def test_the_connect_hook_says_who_it_is(start_node: Any) -> None:
    application = Application()
    try:
        node: Node = start_node(channels=RULES, auth={"connect_hook": {"url": application.url, "timeout": "2s"}})
        application.answer = (200, '{"sub": "ann"}')
        assert send(node, "named").status_code == 200
        assert application.last()["target"] == "/publish?channel=named"
        application.answer = (403, '{"reason": "not you"}')
        assert code(send(node, "other")) == (403, "denied")
        # The application has trouble: the client may try again.
        application.answer = (500, "{}")
        answer = send(node, "named")
        assert code(answer) == (503, "temporarily_unavailable") and "Retry-After" in answer.headers
    finally:
        application.stop()


def test_requests_that_are_none(ruled: Node) -> None:
    def status(request: bytes) -> tuple[int, str]:
        number, body = ask(ruled.client, request)
        return number, json.loads(body)["error"]["code"]

    assert status(post("/publish", b"x")) == (400, "channel_missing")
    assert status(post("/publish?channel=a&channel=b", b"x")) == (400, "too_many_channels")
    for name in ("", "%24all", "%24user%3Aann", "a%20b", "x" * 256):
        assert status(post(f"/publish?channel={name}", b"x")) == (400, "invalid_channel"), name
    for name in ("%00", "%FF"):
        assert status(post(f"/publish?channel={name}", b"x")) in {(400, "bad_request"), (400, "invalid_channel")}, name
    assert status(post("/publish?channel=a", b"{", Content_Type="application/json")) == (400, "invalid_json")
    assert status(post("/publish?channel=a", b"[" * 60_000, Content_Type="application/json")) == (400, "invalid_json")
    assert status(post("/publish?channel=a", b"\xff", Content_Type="text/plain")) == (400, "invalid_text")
    assert status(post("/publish?channel=a", b"x", Content_Length="", Transfer_Encoding="chunked")) == (411, "length_required")
    assert status(post("/publish?channel=a", b"x", Expect="100-continue")) == (417, "expectation_failed")
    for length in ("65537", "99999999999999999999999"):
        assert status(post("/publish?channel=a", b"", Content_Length=length)) == (413, "body_too_large")
    assert ruled.api.metric("messages_oversized_total") == 2
    assert send(ruled, "a", b"x" * 65536).status_code == 200
    for length in ("-1", "+1", "0x1", "1, 2", " "):
        assert status(post("/publish?channel=a", b"x", Content_Length=length))[0] == 400
    with Wire(ruled.client_port) as wire:
        head = wire.send(b"GET /publish?channel=a HTTP/1.1\r\nHost: a\r\n\r\n").read_head().decode()
    assert head.startswith("HTTP/1.1 405 ") and "Allow: POST, OPTIONS\r\n" in head
    # What comes behind the body is no second request.
    number, body = ask(ruled.client, post("/publish?channel=a", b"x", Content_Type="text/plain") + post("/publish?channel=a", b"y"))
    assert number == 200 and body.count("position") == 1
    assert ruled.api.metric("client_publishes_total") == 2
    assert ruled.api.metric("faults_total") == 0


def test_bodies_that_do_not_come(start_node: Any) -> None:
    node: Node = start_node(limits={"handshake_timeout": "1s"})
    number, body = ask(node.client, post("/publish?channel=a", b"half", Content_Length="8"))
    assert number == 408 and "handshake_timeout" in body
    # One that trickles in is the same body.
    with Wire(node.client_port) as wire:
        for byte in post("/publish?channel=a", b"hello"):
            wire.send(bytes([byte]))
        assert wire.read_head().startswith(b"HTTP/1.1 400 ")  # it says JSON
    # One whose client leaves.
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", node.client_port)) as gone:
            gone.sendall(post("/publish?channel=a", b"x" * 1000, Content_Length="60000"))
    until(lambda: node.api.metric("sessions") == 0, "nothing is left")
    assert node.api.metric("client_publishes_total") == 0


def test_rates(start_node: Any) -> None:
    limits = {"publish_rate": 1, "publish_burst": 10}
    node: Node = start_node(channels=RULES, limits=limits, auth={"keys": [{"secret": SECRET}]})
    statuses = [send(node, "other").status_code for _ in range(14)]
    assert statuses.count(200) in (10, 11) and statuses[-1] == 429
    answer = send(node, "other")
    assert code(answer) == (429, "too_many_publications") and int(answer.headers["Retry-After"]) >= 1
    assert "limits.publish_rate" in answer.text
    # A user is charged by name and not by address; one to a channel with history counts as 8.
    for user in ("ann", "bob"):
        shown = {"Authorization": f"Bearer {token(sub=user)}"}
        assert [send(node, "kept", **shown).status_code for _ in range(2)] == [200, 429]
    assert node.api.metric("publish_rate_hits_total") >= 5
    busy: Node = start_node("busy", limits={"requests_per_second": 1, "requests_burst": 3})
    statuses = [send(busy, "a").status_code for _ in range(6)]
    assert statuses[:3] == [200] * 3 and 429 in statuses
    assert busy.api.metric("request_rate_hits_total") == statuses.count(429)
    # Neither is any business of sessions.
    WebsocketsClient(busy.client, "a").close()


def test_without_a_link_a_publication_is_refused_in_time(redis_server: Any, start_node: Any) -> None:
    node: Node = start_node(redis_url=redis_server.url, backplane={"redis": {"publish_wait": "1s"}})
    redis_server.stop()
    begun = time.monotonic()
    answer = send(node, "a")
    assert code(answer) == (503, "not_published") and answer.headers["Retry-After"] == "1"
    assert time.monotonic() - begun < 8


def test_pages_of_other_origins(ruled: Node) -> None:
    def head(method: str, origin: str, *more: str) -> str:
        lines = [f"{method} /publish?channel=a HTTP/1.1", "Host: push.example.com", f"Origin: {origin}", *more, "", ""]
        with Wire(ruled.client_port) as wire:
            return wire.send("\r\n".join(lines).encode()).read_head().decode()

    asks = ["Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization,content-type"]
    allowed = head("OPTIONS", "https://app.example.com", *asks)
    assert allowed.startswith("HTTP/1.1 200 ") and "Access-Control-Allow-Methods: POST\r\n" in allowed
    assert "Access-Control-Allow-Headers: authorization,content-type\r\n" in allowed
    assert "Access-Control-Allow-Origin: https://app.example.com\r\n" in allowed
    assert head("OPTIONS", "https://evil.example.com", *asks).startswith("HTTP/1.1 403 ")
    assert head("POST", "https://evil.example.com", "Content-Length: 0").startswith("HTTP/1.1 403 ")
    posted = head("POST", "https://app.example.com", "Content-Length: 0")
    assert posted.startswith("HTTP/1.1 200 ") and "Access-Control-Allow-Origin: https://app.example.com\r\n" in posted
    # A refusal may be read, too.
    refused = head("POST", "https://app.example.com", "Content-Length: 70000")
    assert refused.startswith("HTTP/1.1 413 ") and "Access-Control-Allow-Origin: https://app.example.com\r\n" in refused


def test_a_page_posts(start_node: Any, browser: Chromium, page: PageServer) -> None:
    node: Node = start_node(channels=RULES, client={"origins": [page.origin]}, auth={"keys": [{"secret": SECRET}]})
    listener = WebsocketsClient(node.client, "named")
    answer = browser.evaluate(
        f"fetch('http://{node.client}/publish?channel=named', {{method: 'POST', body: JSON.stringify({{n: 1}}), headers: "
        f"{{'Content-Type': 'application/json', 'Authorization': 'Bearer {token(sub='ann')}'}}}}).then(reply => reply.json())")
    assert answer == {"position": None}
    answer = browser.evaluate(
        f"fetch('http://{node.client}/publish?channel=named', {{method: 'POST', body: 'x'}}).then(async reply => [reply.status, (await reply.json()).error.code])")
    assert answer == [403, "not_permitted"]
    until(lambda: listener.received == ['{"n":1}'], "it arrives")
    listener.close()


def test_a_flood_disturbs_nobody(start_node: Any) -> None:
    """V44: requests that are refused for every reason, and bodies that never end, as fast as four connections at a time can."""
    node: Node = start_node(channels=RULES, auth={"keys": [{"secret": SECRET}]}, limits={"publish_rate": 25, "publish_burst": 25})
    held = [Wire(node.client_port).send(post("/publish?channel=a", b"x" * 60_000, Content_Length="65536")) for _ in range(50)]
    wrong = [
        post("/publish?channel=a", b"[" * 60_000), post("/publish?channel=silent", b"{}"), *[post("/publish?channel=a", b"1")] * 6,
        post("/publish?channel=named", b"1", Authorization="Bearer " + "x" * 7000), post("/publish?channel=%00", b""),
    ]  # fmt: skip

    with undisturbed(node), ThreadPoolExecutor(4) as pool:
        statuses = set(pool.map(lambda number: ask(node.client, wrong[number % len(wrong)])[0], range(1000)))
    assert {400, 401, 403, 429} <= statuses <= {200, 400, 401, 403, 429}
    for wire in held:
        wire.close()
    until(lambda: node.api.metric("sessions") == 0, "nothing is left")
    assert node.api.metric("faults_total") == 0
