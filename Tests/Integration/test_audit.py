"""The audit log of the admin listener, and what somebody without its token can do to it."""

import json
import socket
import time
from typing import Any

import pytest
import requests

from rig.node import Node
from rig.receivers import WebsocketsClient
from rig.waiting import until
from rig.wire import Wire

TOKEN = "a-token-for-tests"


def logged(node: Node) -> list[dict[str, str]]:
    """Every line of a JSON log; one that is none is an error."""
    return [json.loads(line) for line in node.output().splitlines()]


def audited(node: Node) -> list[dict[str, str]]:
    return [line for line in logged(node) if line["message"].startswith("audit: ")]


def start(start_node: Any, **log: Any) -> Node:
    return start_node(admin={"token": TOKEN}, log={"format": "json", **log})


def test_every_changing_call_is_one_line(start_node: Any) -> None:
    node = start(start_node, audit="all")
    receiver = WebsocketsClient(node.client, "news")
    (session,) = node.api.connections()
    node.api.publish("news", text="hello")
    assert node.api.post_publication({"channels": ["a", "b"], "data": 1}).status_code == 200
    assert node.api.post_publication({"channel": "bad name", "data": 1}).status_code == 400
    assert node.api.request("POST", "/api/v1/users/al%0Aice/close").status_code in (200, 400)
    assert node.api.request("POST", f"/api/v1/connections/{session['id']}/close").status_code == 200
    assert node.api.request("POST", "/api/v1/connections/nonsense/close").status_code == 400
    assert node.api.request("DELETE", "/api/v1/publish").status_code == 405
    # What changes nothing is not there.
    node.api.cluster()
    until(lambda: receiver.closed, "it is closed")
    lines = until(lambda: len(found := audited(node)) >= 7 and found, "all are logged")
    assert [(line["message"], line["status"]) for line in lines] == [
        ("audit: POST /api/v1/publish", "200"), ("audit: POST /api/v1/publish", "200"),
        ("audit: POST /api/v1/publish", "400"), ("audit: POST /api/v1/users/al%0Aice/close", lines[3]["status"]),
        (f"audit: POST /api/v1/connections/{session['id']}/close", "200"),
        ("audit: POST /api/v1/connections/nonsense/close", "400"), ("audit: DELETE /api/v1/publish", "405"),
    ]  # fmt: skip
    assert (lines[0]["channel"], lines[0]["bytes"]) == ("news", "5")
    assert (lines[1]["channel"], lines[1]["channels"]) == ("a", "2")
    assert all(line["caller"].startswith("127.0.0.1:") for line in lines)
    # Neither payloads nor the token.
    assert "hello" not in node.output() and TOKEN not in node.output()


def test_publications_are_not_logged_unless_somebody_asks_for_it(start_node: Any) -> None:
    node = start(start_node)
    for number in range(20):
        node.api.publish("news", text=str(number))
    assert node.api.request("POST", "/api/v1/users/alice/close").status_code == 200
    # The log is written by a thread of its own.
    until(lambda: audited(node), "it is logged")
    assert [line["message"] for line in audited(node)] == ["audit: POST /api/v1/users/alice/close"]
    assert node.api.get("/api/v1/config")["log.audit"] == "actions"


@pytest.mark.parametrize(("mode", "expected"), [("actions", ["users"]), ("off", [])])
def test_less_may_be_logged(start_node: Any, mode: str, expected: list[str]) -> None:
    # Also when hardly anything else is.
    node = start(start_node, audit=mode, level="error")
    node.api.publish("news", text="hello")
    assert node.api.request("POST", "/api/v1/users/alice/close").status_code == 200
    until(lambda: len(audited(node)) == len(expected), "it is logged")
    assert [line["message"].split("/")[3] for line in audited(node)] == expected


def test_nobody_fills_the_log_without_the_token(start_node: Any) -> None:
    node = start(start_node, audit="all")
    with requests.Session() as session:
        for number in range(2000):
            answer = session.post(
                f"http://{node.admin}/api/v1/users/{number}/close", headers={"Authorization": f"Bearer {number}"})
            assert answer.status_code == 401
    refused = [line for line in audited(node) if "wrong token" in line["message"]]
    assert 1 <= len(refused) < 500, len(refused)
    metrics = node.api.metrics()
    (left_out,) = [line for line in metrics.splitlines() if line.startswith("carillon_log_lines_left_out_total ")]
    assert int(float(left_out.split()[1])) + len(refused) == 2000
    # Whoever has it is logged as before.
    node.api.publish("news", text="x")
    until(lambda: audited(node)[-1]["message"] == "audit: POST /api/v1/publish", "it is logged")


@pytest.mark.parametrize("head", [
    "X: " + "a" * 17_000, "\r\n".join(f"X-{n}: a" for n in range(101)), "\r\n".join(f"X-{n}: " + "a" * 1000 for n in range(17)),
], ids=["one large field", "many fields", "many bytes"])  # fmt: skip
def test_heads_are_bounded(node: Node, head: str) -> None:
    with Wire(node.admin_port) as wire:
        wire.send(f"GET /health/live HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n".encode())
        assert wire.read_head().startswith(b"HTTP/1.1 4")
    assert node.api.is_ready()


def test_bodies_are_bounded(start_node: Any) -> None:
    node = start_node(limits={"message_bytes": "64KiB"})
    before = node.resident_bytes()
    with socket.create_connection(("127.0.0.1", node.admin_port), timeout=10) as connection:
        connection.sendall(
            b"POST /api/v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n")
        answer = b""
        try:
            for _ in range(1000):
                connection.sendall(b" " * 1_000_000)
        except OSError:
            pass
        try:
            answer = connection.recv(4096)
        except OSError:
            pass
    assert not answer or b" 413 " in answer.split(b"\r\n")[0]
    assert node.resident_bytes() - before < 32 << 20
    assert node.api.is_ready()


def test_connections_are_bounded_and_idle_ones_end(start_node: Any) -> None:
    node = start_node(admin={"connections": 4, "idle_timeout": "1s"})
    idle = [socket.create_connection(("127.0.0.1", node.admin_port), timeout=10) for _ in range(8)]
    started = time.monotonic()
    # There is room again as soon as the first of them have been closed.
    assert requests.get(f"http://{node.admin}/health/live", timeout=15).status_code == 200
    assert time.monotonic() - started > 0.5
    for connection in idle:
        assert connection.recv(1) == b""
        connection.close()
    (hits,) = [line for line in node.api.metrics().splitlines() if line.startswith("carillon_admin_connection_limit_hits_total ")]
    assert float(hits.split()[1]) > 0


HOSTILE = {
    "a page from elsewhere": {"Origin": "http://evil.example"},
    "a page from another port": {"Origin": "http://127.0.0.1:1"},
    "a page without an origin": {"Origin": "null"},
    "what a browser calls cross-site": {"Sec-Fetch-Site": "cross-site"},
    "what a browser calls same-site": {"Sec-Fetch-Site": "same-site"},
    "a name that leads here": {"Host": "evil.example:8001"},
    "a name that looks like an address": {"Host": "127.0.0.1.evil.example"},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_pages_from_elsewhere_change_nothing(node: Node, what: str) -> None:
    for path, body in (("publish", {"channel": "a", "data": 1}), ("users/alice/close", None)):
        answer = requests.post(f"http://{node.admin}/api/v1/{path}", json=body, headers=HOSTILE[what], timeout=5)
        assert answer.status_code == 403 and answer.json()["error"]["code"] in ("foreign_page", "foreign_host"), answer.text
    if "Host" in HOSTILE[what]:
        assert requests.get(f"http://{node.admin}/api/v1/config", headers=HOSTILE[what], timeout=5).status_code == 403
    for good in ({}, {"Origin": f"http://{node.admin}"}, {"Host": "localhost:1"}, {"Host": "[::1]:1"}, {"Sec-Fetch-Site": "same-origin"}):
        answer = requests.post(f"http://{node.admin}/api/v1/publish", json={"channel": "a", "data": 1}, headers=good, timeout=5)
        assert answer.status_code == 200, (good, answer.text)


def test_a_browser_cannot_be_used_against_the_api(node: Node, browser: Any) -> None:
    """What a page can send without being asked for leave: POST with a body whose type is not said."""
    script = f"""
        fetch('http://{node.admin}/api/v1/publish', {{method: 'POST', mode: 'no-cors',
            body: new Blob([JSON.stringify({{channel: 'news', text: 'from a page'}})])}}).then(() => 'sent', error => 'failed ' + error)
    """
    receiver = WebsocketsClient(node.client, "news")
    assert browser.evaluate(script) == "sent"
    node.api.publish("news", text="the end")
    until(lambda: receiver.received, "the end")
    assert receiver.received == ["the end"]
    receiver.close()
