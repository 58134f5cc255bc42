"""HTTP as its standards have it (RFC 9110, RFC 9112), on the client port and on the admin port."""

import gzip
import json
import socket
import time
from typing import Any

import jwt
import pytest

from rig.node import Node
from rig.wire import Wire, upgrade

SECRET = "a secret of more than thirty-two bytes, for tests"
TOKEN = "an-admin-token-of-enough-bytes"


def exchange(port: int, request: bytes, seconds: float = 5) -> bytes:
    """Everything that comes until the node closes."""
    with Wire(port, seconds=seconds) as wire:
        return wire.send(request).read_to_end(seconds)


def split(answer: bytes) -> tuple[str, dict[str, str], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return first, {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}, body


def read_answer(wire: Wire) -> tuple[str, dict[str, str], bytes]:
    first, headers, _ = split(wire.read_head())
    return first, headers, wire._read(int(headers.get("content-length", 0)))


@pytest.fixture
def admin(start_node: Any) -> Node:
    return start_node(admin={"token": TOKEN})


# -- the client port


@pytest.mark.parametrize("path, status", [
    ("/health", 200), ("/sse?channel=a", 405), ("/raw?channel=a", 405), ("/nothing", 404), ("/connection/websocket", 405),
])  # fmt: skip
def test_head_on_the_client_port_has_no_body(node: Node, path: str, status: int) -> None:
    answer = exchange(node.client_port, f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    first, headers, body = split(answer)
    assert first.startswith(f"HTTP/1.1 {status} ") and body == b"", answer
    # It is as long as the answer to a GET would be.
    if path == "/health":
        assert int(headers["content-length"]) == len("ready\n")
    else:
        assert int(headers["content-length"]) > 0


def test_a_whole_address_is_a_target_of_the_client_port(node: Node) -> None:
    first, _, body = split(exchange(node.client_port, b"GET http://balancer.example/health HTTP/1.1\r\nHost: x\r\n\r\n"))
    assert first == "HTTP/1.1 200 OK" and body == b"ready\n"
    with Wire(node.client_port) as wire:
        wire.send(upgrade("http://push.example.com/raw?channel=a", Host="other.example", Origin="http://push.example.com"))
        assert wire.read_head().startswith(b"HTTP/1.1 101 "), "its host is the one of the request"
    with Wire(node.client_port) as wire:
        wire.send(upgrade("http://push.example.com/raw?channel=a", Host="other.example", Origin="http://other.example"))
        assert wire.read_head().startswith(b"HTTP/1.1 403 ")


def test_http_1_0_and_expectations_on_the_client_port(node: Node) -> None:
    first, headers, body = split(exchange(node.client_port, b"GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"))
    assert first.endswith("200 OK") and headers["connection"] == "close" and body == b"ready\n"
    begin = time.monotonic()
    exchange(node.client_port, b"POST /sse?channel=a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n")
    assert time.monotonic() - begin < 0.8, "whoever waits for leave to send a body is answered at once"


def test_a_token_in_any_cookie_line_and_a_bearer_in_any_case(start_node: Any) -> None:
    origin = "https://app.example.com"
    node: Node = start_node(
        auth={"required": True, "cookie": "session", "keys": [{"secret": SECRET}]}, client={"origins": [origin]})
    token = jwt.encode({"exp": int(time.time() + 60), "sub": "ann"}, SECRET, algorithm="HS256")
    for scheme in ("Bearer", "bearer", "BEARER"):
        with Wire(node.client_port) as wire:
            assert wire.send(upgrade("/raw?channel=a", Authorization=f"{scheme} {token}")).read_head().startswith(b"HTTP/1.1 101 ")
    cookies = f"a=b\r\nCookie: session={token}\r\nCookie: c=d"
    with Wire(node.client_port) as wire:
        assert wire.send(upgrade("/raw?channel=a", Cookie=cookies)).read_head().startswith(b"HTTP/1.1 101 ")


def test_times_in_tokens_may_have_exponents(start_node: Any) -> None:
    node: Node = start_node(auth={"required": True, "keys": [{"secret": SECRET}]})
    for exp, status in (("4.1024448e9", 101), ("41024448000e-1", 101), ("1.68e9", 401)):
        with Wire(node.client_port) as wire:
            token = signed('{"sub":"ann","exp":%s}' % exp)
            assert wire.send(upgrade(f"/raw?channel=a&token={token}")).read_head().startswith(f"HTTP/1.1 {status} ".encode()), exp


def signed(claims: str) -> str:
    import base64
    import hashlib
    import hmac

    def encode(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    text = f"{encode(json.dumps({'alg': 'HS256', 'typ': 'JWT'}).encode())}.{encode(claims.encode())}"
    return f"{text}.{encode(hmac.digest(SECRET.encode(), text.encode(), hashlib.sha256))}"


# -- the admin port


def request(method: str, path: str, *more: str, body: bytes = b"", version: str = "1.1") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost", f"Authorization: Bearer {TOKEN}", *more]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def test_head_on_the_admin_port_does_not_break_the_next_answer(admin: Node) -> None:
    with Wire(admin.admin_port) as wire:
        for path, status in (
            ("/", 200), ("/health/live", 200), ("/metrics", 200), ("/api/v1/cluster", 200), ("/api/v1/publish", 405),
            ("/nothing", 404), ("/api/v1/channels/x/history", 404),
        ):  # fmt: skip
            first, headers, _ = split(wire.send(request("HEAD", path)).read_head())
            assert first.startswith(f"HTTP/1.1 {status} "), (path, first)
            assert int(headers["content-length"]) > 0
            # What follows is the head of the next answer, and nothing else.
            first, _, body = read_answer(wire.send(request("GET", "/health/live")))
            assert first == "HTTP/1.1 200 OK" and body == b"live\n", (path, first)


def test_pipelined_requests_of_the_admin_port_are_answered_each(admin: Node) -> None:
    with Wire(admin.admin_port) as wire:
        wire.send(request("HEAD", "/metrics") + request("GET", "/health/live") + request("HEAD", "/nothing") + request("GET", "/health/live"))
        assert wire.read_head().startswith(b"HTTP/1.1 200 ")
        assert read_answer(wire)[2] == b"live\n"
        assert wire.read_head().startswith(b"HTTP/1.1 404 ")
        assert read_answer(wire)[2] == b"live\n"


def test_a_body_that_waits_for_leave_gets_it(admin: Node) -> None:
    body = json.dumps({"channel": "news", "data": {"n": 1}}).encode()
    head = request("POST", "/api/v1/publish", "Content-Type: application/json", "Expect: 100-continue", body=body)[: -len(body)]
    with Wire(admin.admin_port) as wire:
        begin = time.monotonic()
        assert wire.send(head).read_head() == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert time.monotonic() - begin < 0.8
        first, _, answer = read_answer(wire.send(body))
        assert first == "HTTP/1.1 200 OK" and json.loads(answer) == {"published": 1}
        # Behind another request it comes after that one's answer.
        wire.send(request("GET", "/health/live") + head)
        assert read_answer(wire)[2] == b"live\n"
        assert wire.read_head() == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert read_answer(wire.send(body))[0] == "HTTP/1.1 200 OK"


@pytest.mark.parametrize("version, connection", [("1.0", ""), ("1.0", "keep-alive"), ("1.1", "close"), ("1.1", "Close"), ("1.1", "x, CLOSE")])
def test_connections_of_the_admin_port_are_closed(admin: Node, version: str, connection: str) -> None:
    more = [f"Connection: {connection}"] if connection else []
    first, headers, body = split(exchange(admin.admin_port, request("GET", "/health/live", *more, version=version), 3))
    assert first.endswith("200 OK") and body == b"live\n" and headers["connection"] == "close"


def test_a_whole_address_is_a_target_of_the_admin_port(start_node: Any) -> None:
    node: Node = start_node()
    for target, status in (("http://localhost/health/live", 200), ("HTTP://127.0.0.1:8001/api/v1/cluster", 200), ("http://evil.example/api/v1/cluster", 403)):
        answer = exchange(node.admin_port, f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        assert answer.startswith(f"HTTP/1.1 {status} ".encode()), (target, answer[:200])


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_of_the_admin_token_may_be_in_any_case(admin: Node, scheme: str) -> None:
    assert admin.api.request("GET", "/api/v1/cluster", headers={"Authorization": f"{scheme} {TOKEN}"}).status_code == 200
    for wrong in (f"{scheme}{TOKEN}", f"{scheme} {TOKEN}x", f"{scheme} ", f"Basic {TOKEN}", ""):
        assert admin.api.request("GET", "/api/v1/cluster", headers={"Authorization": wrong}).status_code == 401, wrong


def test_a_compressed_body_is_refused(admin: Node) -> None:
    body = gzip.compress(json.dumps({"channel": "news", "data": 1}).encode())
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    answer = admin.api.request("POST", "/api/v1/publish", data=body, headers=headers)
    assert answer.status_code == 415 and answer.json()["error"]["code"] == "content_encoding"
    assert answer.headers["Accept-Encoding"] == "identity"
    plain = admin.api.request("POST", "/api/v1/publish", data=b'{"channel":"news","data":1}', headers={**headers, "Content-Encoding": "identity"})
    assert plain.status_code == 200


def test_null_is_not_set_in_the_api(node: Node) -> None:
    body = dict.fromkeys(["channels", "user", "connection", "all", "data", "base64", "except", "idempotency_key"])
    assert node.api.post_publication({**body, "channel": "news", "text": "x"}).status_code == 200
    assert node.api.post_publication({"channel": "news", "data": None}).status_code == 200
    assert node.api.post_publication({"channel": None, "text": "x"}).status_code == 400


def test_a_slow_client_of_the_admin_port_is_no_worse_off(admin: Node) -> None:
    """A head in many pieces, with an expectation."""
    body = b'{"channel":"news","data":1}'
    head = request("POST", "/api/v1/publish", "Content-Type: application/json", "Expect: 100-Continue", body=body)[: -len(body)]
    with Wire(admin.admin_port) as wire:
        wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for index in range(len(head)):
            wire.send(head[index : index + 1])
        assert wire.read_head() == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert read_answer(wire.send(body))[0] == "HTTP/1.1 200 OK"
