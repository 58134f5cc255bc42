"""Revoked tokens: what they opened is closed on every node, and they open nothing again."""

import socket
import time
from collections import Counter
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from rig.crowd import Crowd, Member
from rig.named_client import NamedClient
from rig.node import Node
from rig.one_or_two import one_or_two
from rig.redis_server import RedisServer
from rig.waiting import until

SECRET = "s" * 40
SETTINGS: dict[str, Any] = {
    "auth": {"keys": [{"secret": SECRET}]},
    "channels": [{"match": "secret:*", "subscribe": "granted"}, {"match": "*", "subscribe": "anyone", "publish": "client"}],
}


def token(user: str, *, age: int = 60, **claims: Any) -> str:
    now = int(time.time())
    return jwt.encode({"sub": user, "exp": now + 300, "iat": now - age, **claims}, SECRET, algorithm="HS256")


def upgrade(presented: str) -> bytes:
    return (
        f"GET /raw?channel=news&token={presented} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()


def login(node: Node, presented: str) -> tuple[int, str]:
    """How a request with this token is answered: the status, and what is wrong."""
    with socket.create_connection(("127.0.0.1", int(node.client.rpartition(":")[2])), 5) as connection:
        connection.sendall(upgrade(presented))
        answer = connection.recv(4096)
        while b"\r\n\r\n" not in answer or (b" 101 " not in answer[:20] and not answer.rstrip().endswith(b"}")):
            part = connection.recv(4096)
            if not part:
                break
            answer += part
    status = int(answer.split(b" ", 2)[1])
    return status, "" if status == 101 else answer.split(b'"code":"', 1)[1].split(b'"', 1)[0].decode()


def revoke(node: Node, **body: Any) -> requests.Response:
    return node.api.request("POST", "/api/v1/revocations", json=body)


def revoked(node: Node, **body: Any) -> dict[str, Any]:
    response = revoke(node, **body)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.fixture(params=["memory", "redis"])
def nodes(request: pytest.FixtureRequest, start_node: Any, tmp_path: Path) -> Any:
    with one_or_two(request.param, start_node, tmp_path, **SETTINGS) as started:
        yield started


@pytest.mark.parametrize("count", [400, pytest.param(10_000, marks=pytest.mark.long)])
def test_exactly_the_sessions_of_revoked_users_are_closed(count: int, start_node: Any, redis_server: RedisServer) -> None:
    """100 users, 10 of them revoked: theirs are closed within 2 s, and stay out after a node was restarted."""
    started = [start_node(name, redis_url=redis_server.url, **SETTINGS) for name in "ab"]
    for node in started:
        until(lambda node=node: node.api.node_names() == {"a", "b"}, "the nodes know each other")
    tokens = [token(f"user-{number}") for number in range(100)]
    victims = set(range(0, 100, 10))
    with Crowd() as crowd:
        owners: dict[Member, int] = {}
        for number, presented in enumerate(tokens):
            for index, node in enumerate(started):
                share = count // 100 // 2
                for member in crowd.open(share, int(node.client.rpartition(":")[2]), upgrade(presented), seconds=120):
                    assert member.status == 101, member.head
                    owners[member] = number
                assert index < 2
        assert len(crowd.alive) == count
        began = time.monotonic()
        closed = sum(revoked(started[number % 20 // 10], user=f"user-{number}")["sessions"] for number in sorted(victims))
        answered = time.monotonic() - began
        assert closed == count // 10
        theirs = [member for member, owner in owners.items() if owner in victims]
        assert crowd.run(lambda: all(member.ended for member in theirs), 2 - min(answered, 1.5)), Counter(
            bool(member.ended) for member in theirs)
        assert answered < 2, answered
        assert {member.close_code for member in theirs} == {1008}
        # Whoever is meant is closed before the answer, so nobody else will be.
        crowd.run(lambda: False, 0.5)
        assert {owners[member] for member in crowd.alive} == set(range(100)) - victims
        assert len(crowd.alive) == count - count // 10
        assert started[0].api.metric("revoked_total") + started[1].api.metric("revoked_total") == count // 10
        started[1].stop()
        again = start_node("b2", redis_url=redis_server.url, **SETTINGS)
        for node in (started[0], again):
            for number in range(100):
                expected = (401, "token_revoked") if number in victims else (101, "")
                assert login(node, tokens[number]) == expected, number
            # A token that was issued later is another one.
            assert login(node, token("user-0", age=-2)) == (101, "")
        assert again.api.metric("revocations") == 10


def test_one_token_and_all_tokens(nodes: list[Node]) -> None:
    first, second, third = token("ann", jti="one"), token("ann", jti="two"), token("bob")
    clients = [NamedClient(nodes[-1].client, presented) for presented in (first, second, third)]
    assert revoked(nodes[0], token="one") == {
        "sessions": 1, "nodes": {"asked": len(nodes), "answered": len(nodes)},
        "revocation": {"token": "one", **{name: pytest.approx(time.time() + ahead, abs=5) for name, ahead in (("issued_until", 0), ("expires_at", 720 * 3600))}},
    }  # fmt: skip
    until(lambda: clients[0].named("disconnected"), "its session ends")
    assert clients[0].named("disconnected")[0][1] == 3500
    assert login(nodes[-1], first) == (401, "token_revoked") and login(nodes[0], second) == (101, "")
    # Tokens of before; a visitor has none.
    visitor = NamedClient(nodes[-1].client)
    late = token("bob", age=10)
    now = int(time.time())
    assert revoked(nodes[0], all=True, issued_until=now - 30)["sessions"] == 2
    until(lambda: clients[1].named("disconnected") and clients[2].named("disconnected"), "they end")
    assert login(nodes[-1], late) == (101, "") and login(nodes[-1], third) == (401, "token_revoked")
    assert not visitor.named("disconnected")
    # It does not say when it was issued.
    undated = jwt.encode({"sub": "cid", "exp": now + 300}, SECRET, algorithm="HS256")
    assert login(nodes[0], undated) == (401, "token_revoked")
    listed = nodes[-1].api.get("/api/v1/revocations", limit=1)
    assert listed["count"] == 2 and listed["revocations"][0]["all"] is True
    rest = nodes[-1].api.get("/api/v1/revocations", cursor=listed["cursor"])
    assert [entry["token"] for entry in rest["revocations"]] == ["one"] and "cursor" not in rest
    shown = nodes[0].command("revocations").stdout
    assert "2 revocations" in shown and "one" in shown


def test_tokens_of_subscriptions_and_new_tokens(nodes: list[Node]) -> None:
    client = NamedClient(nodes[-1].client, token("ann", jti="connection"))
    now = int(time.time())

    def opens(channel: str, jti: str) -> str:
        return jwt.encode({"sub": "ann", "channel": channel, "exp": now + 300, "iat": now - 5, "jti": jti}, SECRET, algorithm="HS256")

    client.subscribe("secret:1", opens("secret:1", "a"))
    client.subscribe("secret:2", opens("secret:2", "b"))
    assert revoked(nodes[0], token="a")["sessions"] == 1
    until(lambda: client.named("own unsubscribed"), "the subscription ends")
    assert [event[1] for event in client.named("own unsubscribed")] == ["secret:1"] and not client.named("disconnected")
    result = nodes[0].command("revoke", "--user", "ann")
    assert result.stdout.startswith("revoked; 1 session closed on "), result.stdout + result.stderr
    until(lambda: client.named("disconnected"), "the session ends")


def test_publishing_with_a_revoked_token(nodes: list[Node]) -> None:
    headers = {"Authorization": f"Bearer {token('ann')}"}
    url = f"http://{nodes[-1].client}/publish?channel=news"
    assert requests.post(url, data="1", headers=headers, timeout=5).status_code == 200
    revoked(nodes[0], user="ann")
    refused = requests.post(url, data="1", headers=headers, timeout=5)
    assert refused.status_code == 401 and refused.json()["error"]["code"] == "token_revoked"
    assert nodes[-1].api.metric("revoked_refused_total") == 1


def test_a_node_that_has_not_read_what_is_revoked_lets_no_token_in(start_node: Any, tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    node = start_node("a", redis_url=server.url, ready=False, **SETTINGS)
    until(lambda: login(node, token("ann")) == (503, "temporarily_unavailable"), "it is told to try again")
    server.start()
    until(lambda: node.api.is_ready(), "the node is ready")
    assert login(node, token("ann")) == (101, "")
    server.stop()


def test_redis_loses_what_is_revoked(start_node: Any, redis_server: RedisServer) -> None:
    """The nodes know it, and keep it there again."""
    node = start_node("a", redis_url=redis_server.url, **SETTINGS)
    revoked(node, user="ann")
    assert redis_server.client().execute_command("ZCARD", "carillon:revocations") == 1
    redis_server.client().execute_command("DEL", "carillon:revocations")
    redis_server.client().execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    until(lambda: redis_server.client().execute_command("ZCARD", "carillon:revocations") == 1, "it is there again", 20)
    assert login(start_node("b", redis_url=redis_server.url, **SETTINGS), token("ann")) == (401, "token_revoked")


def test_a_node_that_does_not_answer_is_named(start_node: Any, redis_server: RedisServer) -> None:
    first, second = (start_node(name, redis_url=redis_server.url, **SETTINGS) for name in "ab")
    until(lambda: first.api.node_names() == {"a", "b"}, "the nodes know each other")
    client = NamedClient(second.client, token("ann"))
    second.pause()
    try:
        began = time.monotonic()
        answer = revoke(first, user="ann")
        assert time.monotonic() - began < 4
    finally:
        second.resume()
    assert answer.status_code == 503 and answer.json()["error"]["code"] == "nodes_missing", answer.text
    assert answer.json()["nodes"] == {"asked": 2, "answered": 1, "missing": ["b"]}
    # It was kept, so the node learns of it.
    until(lambda: client.named("disconnected"), "the session ends", 40)
    assert login(second, token("ann")) == (401, "token_revoked")


def test_what_cannot_be_revoked(nodes: list[Node]) -> None:
    now = int(time.time())
    for body, code in [
        ({}, "target"), ({"user": "a", "all": True}, "target"), ({"user": ""}, "invalid_field"), ({"user": "x" * 250}, "invalid_field"),
        ({"token": "a\n"}, "invalid_field"), ({"token": "a", "issued_until": 1}, "invalid_field"), ({"user": "a", "expires_at": now - 1}, "invalid_field"),
        ({"user": "a", "issued_until": now * 10**9}, "invalid_field"), ({"user": "a", "issued_until": -1}, "invalid_field"), ({"usr": "a"}, "unknown_field"),
    ]:  # fmt: skip
        answer = revoke(nodes[0], **body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, code), (body, answer.text)
    assert nodes[0].api.get("/api/v1/revocations") == {"count": 0, "revocations": []}


@pytest.mark.parametrize("backplane", ["memory", "redis"])
def test_the_number_of_revocations_is_bounded(backplane: str, start_node: Any, tmp_path: Path) -> None:
    with one_or_two(backplane, start_node, tmp_path, **SETTINGS, limits={"revocations": 2}) as nodes:
        for user in ("ann", "bob", "ann"):
            revoked(nodes[0], user=user)
        answer = revoke(nodes[-1], user="cid")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "too_many_revocations")
        assert nodes[-1].api.metric("revocations_refused_total") == 1
        assert login(nodes[-1], token("cid")) == (101, "")
