"""HTTP requests that are not right: each is refused with a status and a reason, and the node goes on."""

import base64
import json
from typing import Any

import pytest
import requests

from rig.node import Node
from rig.wire import Wire, upgrade

LINE = "GET /raw?channel=a HTTP/1.1\r\nHost: x\r\n"

#: Bytes on the client port → status, and what the reason has to hold.
HANDSHAKES: dict[str, tuple[bytes, int, str]] = {
    "not HTTP": (b"hello there\r\n\r\n", 400, ""),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, ""),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP/1.1"),
    "unknown path": (upgrade("/nothing"), 404, "/raw"),
    "no channel": (upgrade("/raw"), 400, "channel"),
    "empty channel": (upgrade("/raw?channel="), 400, "1 byte"),
    "channel with a space": (upgrade("/raw?channel=a%20b"), 400, "byte 32"),
    "channel with a line break": (upgrade("/raw?channel=a%0d%0aX-Injected:%201"), 400, ""),
    "reserved channel": (upgrade("/raw?channel=$all"), 400, "reserved"),
    "channel too long": (upgrade("/raw?channel=" + "a" * 256), 400, "255 bytes"),
    "channel that is not UTF-8": (upgrade("/raw?channel=%ff"), 400, ""),
    "channel not to be subscribed": (upgrade("/raw?channel=closed:a"), 403, "closed:a"),
    "too many channels": (upgrade("/raw?" + "&".join(f"channel={n}" for n in range(200))), 400, "limits.channels_per_session"),
    "no key": (upgrade("/raw?channel=a", Sec_WebSocket_Key=""), 400, "Sec-WebSocket-Key"),
    "short key": (upgrade("/raw?channel=a", Sec_WebSocket_Key="AAAA"), 400, "Sec-WebSocket-Key"),
    "other version": (upgrade("/raw?channel=a", Sec_WebSocket_Version="8"), 426, "13"),
    "no upgrade": (upgrade("/raw?channel=a", Upgrade=""), 426, "WebSocket"),
    "no connection header": (upgrade("/raw?channel=a", Connection="keep-alive"), 426, "Connection: Upgrade"),
    "with a body": (upgrade("/raw?channel=a", Content_Length="5"), 400, "body"),
    "chunked": (upgrade("/raw?channel=a", Transfer_Encoding="chunked"), 400, ""),
    "other origin": (upgrade("/raw?channel=a", Origin="https://evil.example"), 403, "origin"),
    "origin that looks alike": (upgrade("/raw?channel=a", Origin="http://localhost.evil.example"), 403, "origin"),
    "two hosts": ((LINE + "Host: y\r\n\r\n").encode(), 400, "Host"),
    "no host": (b"GET /raw?channel=a HTTP/1.1\r\n\r\n", 400, "Host"),
    "folded header": ((LINE + "X: a\r\n b\r\n\r\n").encode(), 400, ""),
    "space before the colon": ((LINE + "X : a\r\n\r\n").encode(), 400, ""),
    "NUL in a header": ((LINE + "X: a\0b\r\n\r\n").encode(), 400, ""),
    "bare LF": (b"GET /raw?channel=a HTTP/1.1\nHost: x\n\n", 400, ""),
    "too many fields": ((LINE + "".join(f"X{n}: 1\r\n" for n in range(100)) + "\r\n").encode(), 431, ""),
    "field too long": ((LINE + "X: " + "a" * 9000 + "\r\n\r\n").encode(), 431, ""),
    "endless head": ((LINE + "X: " + "a" * 20000).encode(), 431, ""),
    "target too long": (("GET /" + "a" * 5000 + " HTTP/1.1\r\nHost: x\r\n\r\n").encode(), 414, ""),
    "POST": (b"POST /sse?channel=a HTTP/1.1\r\nHost: x\r\n\r\n", 405, "GET"),
    "bad percent": (upgrade("/raw?channel=%zz"), 400, ""),
}


@pytest.fixture(scope="module")
def shared_node(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One node for all of these, because it has to survive all of them."""
    node = Node("node", tmp_path_factory.mktemp("requests")).start()
    yield node
    assert node.is_running
    node.stop()


@pytest.mark.parametrize("case", HANDSHAKES)
def test_a_wrong_request_is_refused(case: str, shared_node: Node) -> None:
    request, status, reason = HANDSHAKES[case]
    with Wire(shared_node.client_port) as wire:
        try:
            wire.send(request)
        except ConnectionError:
            pass
        reply = wire.read_to_end(5)
    head, _, body = reply.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0].startswith(f"HTTP/1.1 {status} "), (lines[0], body)
    headers = {line.split(":")[0].lower(): line.split(":", 1)[1].strip() for line in lines[1:]}
    assert headers["connection"] == "close"
    assert "x-injected" not in headers
    assert int(headers["content-length"]) == len(body)
    if status == 426:
        assert headers["sec-websocket-version"] == "13"
    error = json.loads(body)["error"]
    assert error["code"] and reason in error["message"], error


def test_a_refused_connection_answers_nothing_more(shared_node: Node) -> None:
    """A second request behind a refused one is not looked at: a proxy may have taken it for somebody else's."""
    with Wire(shared_node.client_port) as wire:
        wire.send(upgrade("/nothing") + b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        reply = wire.read_to_end(5)
    assert reply.count(b"HTTP/1.1") == 1 and reply.startswith(b"HTTP/1.1 404 ")


def test_health_on_the_client_port(shared_node: Node) -> None:
    response = requests.get(f"http://{shared_node.client}/health", timeout=5)
    assert response.status_code == 200 and response.text == "ready\n"


def test_a_right_handshake_in_many_pieces(shared_node: Node) -> None:
    with Wire(shared_node.client_port) as wire:
        for byte in upgrade("/raw?channel=a"):
            wire.send(bytes([byte]))
        assert wire.read_head().startswith(b"HTTP/1.1 101 ")


def test_a_request_that_never_ends_is_given_up(start_node: Any) -> None:
    node = start_node("impatient", limits={"handshake_timeout": "1s"})
    with Wire(node.client_port) as wire:
        wire.send(LINE.encode())
        reply = wire.read_to_end(5)
    assert reply == b"" or reply.startswith(b"HTTP/1.1 408 ")


def text_of(count: int) -> str:
    return "x" * count


#: Body → status, code, and what the message has to hold.
BODIES: dict[str, tuple[bytes | str, int, str, str]] = {
    "not JSON": ("{", 400, "invalid_json", ""),
    "nothing": ("", 400, "invalid_json", ""),
    "a list": ("[]", 400, "invalid_json", "object"),
    "rest behind it": ('{"channel":"a","text":"b"} x', 400, "invalid_json", "byte"),
    "not UTF-8": (b'{"channel":"\xff","text":"b"}', 400, "invalid_json", "UTF-8"),
    "deeply nested": ('{"channel":"a","data":' + "[" * 10000 + "]" * 10000 + "}", 400, "invalid_json", ""),
    "no target": ('{"text":"b"}', 400, "target", "channel"),
    "two targets": ('{"channel":"a","all":true,"text":"b"}', 400, "target", "exactly one"),
    "no payload": ('{"channel":"a"}', 400, "payload", "base64"),
    "two payloads": ('{"channel":"a","text":"b","data":1}', 400, "payload", "exactly one"),
    "unknown field": ('{"chanel":"a","text":"b"}', 400, "unknown_field", "'channel'"),
    "wrong type": ('{"channel":1,"text":"b"}', 400, "invalid_field", "'channel'"),
    "bad base64": ('{"channel":"a","base64":"%%"}', 400, "invalid_field", "base64"),
    "bad channel": ('{"channel":"a b","text":"b"}', 400, "invalid_channel", "byte 32"),
    "reserved channel": ('{"channel":"$all","text":"b"}', 400, "invalid_channel", "reserved"),
    "empty channel": ('{"channel":"","text":"b"}', 400, "invalid_channel", ""),
    "bad connection": ('{"connection":"x","text":"b"}', 400, "invalid_field", "connection"),
    "too large": (json.dumps({"channel": "a", "text": text_of(70_000)}), 413, "message_too_large", "65536"),
    "much too large": (json.dumps({"channel": "a", "text": text_of(2_000_000)}), 413, "body_too_large", "too large"),
}


@pytest.mark.parametrize("case", BODIES)
def test_a_wrong_publication_is_refused(case: str, shared_node: Node) -> None:
    body, status, code, message = BODIES[case]
    response = shared_node.api.request(
        "POST", "/api/v1/publish", data=body, headers={"Content-Type": "application/json"})
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert error["code"] and code in error["code"] and message in error["message"], error


#: Method and path → status and what the message has to hold.
PATHS: dict[tuple[str, str], tuple[int, str]] = {
    ("GET", "/nothing"): (404, "/api/v1/cluster"),
    ("GET", "/api/v1/nothing"): (404, "/api/v1/channels"),
    ("GET", "/api/v1/publish"): (405, "POST"),
    ("POST", "/api/v1/cluster"): (405, "GET"),
    ("DELETE", "/api/v1/connections"): (405, "GET"),
    ("GET", "/api/v1/nodes/unknown"): (404, "node"),
    ("GET", "/api/v1/connections?limit=0"): (400, "'limit'"),
    ("GET", "/api/v1/connections?limit=x"): (400, "'limit'"),
    ("GET", "/api/v1/connections?sort=size"): (400, "backlog"),
    ("GET", "/api/v1/connections?cursor=xyz"): (400, "'cursor'"),
    ("GET", "/api/v1/connections?chanel=a"): (400, "known are"),
    ("GET", "/api/v1/channels?cursor=%00"): (400, "'cursor'"),
    ("GET", "/api/v1/channels/a%20b"): (400, "byte 32"),
    ("POST", "/api/v1/connections/xyz/close"): (400, "connection"),
}


@pytest.mark.parametrize("method, path", PATHS)
def test_a_wrong_call_is_refused(method: str, path: str, shared_node: Node) -> None:
    status, message = PATHS[method, path]
    response = shared_node.api.request(method, path)
    assert response.status_code == status, response.text
    assert message in response.json()["error"]["message"], response.text


def test_another_media_type_is_refused(shared_node: Node) -> None:
    response = shared_node.api.request("POST", "/api/v1/publish", data="a=b", headers={"Content-Type": "text/plain"})
    assert response.status_code == 415


def test_a_payload_of_any_bytes(shared_node: Node) -> None:
    payload = base64.b64encode(bytes(range(256)) * 200).decode()
    response = shared_node.api.post_publication({"channel": "nobody-listens", "base64": payload})
    assert response.status_code == 200 and response.json() == {"published": 1}
