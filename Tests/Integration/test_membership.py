"""What applications do with sessions by the API of any node: subscribe, unsubscribe, refresh, close; and batches of publications."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
import websockets.sync.client

from rig.named_client import NamedClient
from rig.node import Node
from rig.one_or_two import one_or_two
from rig.waiting import until

SECRET = "s" * 40
SETTINGS: dict[str, Any] = {
    "auth": {"keys": [{"secret": SECRET}]},
    "channels": [
        {"match": "kept:*", "subscribe": "granted", "history": {"size": 20, "ttl": "1m"}},
        {"match": "closed:*", "subscribe": "nobody"},
        {"match": "room:*", "subscribe": "granted"},
        {"match": "*", "subscribe": "anyone", "publish": "client"},
    ],
    "limits": {"channels_per_session": 8},
}


def token(user: str, **claims: Any) -> str:
    return jwt.encode({"sub": user, "exp": int(time.time()) + 300, **claims}, SECRET, algorithm="HS256")


@pytest.fixture(params=["memory", "redis"])
def nodes(request: pytest.FixtureRequest, start_node: Any, tmp_path: Path) -> Iterator[list[Node]]:
    """One node by itself, or two with Redis: clients are on the last, applications talk to the first."""
    with one_or_two(request.param, start_node, tmp_path, **SETTINGS) as started:
        yield started


def post(node: Node, path: str, **body: Any) -> requests.Response:
    return node.api.request("POST", f"/api/v1/{path}", json=body)


def done(node: Node, path: str, **body: Any) -> dict[str, Any]:
    response = post(node, path, **body)
    assert response.status_code == 200, response.text
    return response.json()


def refused(node: Node, path: str, **body: Any) -> tuple[int, str]:
    response = post(node, path, **body)
    return response.status_code, response.json()["error"]["code"]


def test_one_session_and_all_of_a_user(nodes: list[Node]) -> None:
    first, second = (NamedClient(nodes[-1].client, token("ann")) for _ in range(2))
    other = NamedClient(nodes[-1].client, token("bob"))
    count = {"asked": 1, "answered": 1}
    everywhere = {"asked": len(nodes), "answered": len(nodes)}
    assert done(nodes[0], f"connections/{first.id}/subscribe", channel="room:1", data={"n": 1}) == {"sessions": 1, "nodes": count}
    assert done(nodes[0], "users/ann/subscribe", channel="room:2", **{"except": [second.id]}) == {"sessions": 1, "nodes": everywhere}
    assert done(nodes[0], "users/ann/subscribe", channel="room:3") == {"sessions": 2, "nodes": everywhere}
    # It holds for all that is published after the answer.
    for channel in ("room:1", "room:2", "room:3"):
        nodes[0].api.publish(channel, data=channel)
    until(lambda: first.payloads() == ["room:1", "room:2", "room:3"] and second.payloads() == ["room:3"], "they arrive")
    assert first.named("subscribed")[0][1:3] == ("room:1", {"n": 1}) and not other.named("subscribed")
    assert done(nodes[0], "users/ann/unsubscribe", channel="room:3")["sessions"] == 2
    assert done(nodes[0], f"connections/{first.id}/unsubscribe", all=True)["sessions"] == 1
    until(lambda: {event[1] for event in first.named("unsubscribed")} == {"room:1", "room:2", "room:3"}, "they end")
    nodes[0].api.publish("room:1", data="late")
    assert done(nodes[0], "users/nobody/subscribe", channel="room:1") == {"sessions": 0, "nodes": everywhere}
    assert first.payloads() == ["room:1", "room:2", "room:3"]


def test_a_subscription_that_begins_earlier(nodes: list[Node]) -> None:
    client = NamedClient(nodes[-1].client, token("ann"))
    position = done(nodes[0], "publish", channel="kept:1", data=1)["positions"]["kept:1"]
    nodes[0].api.publish("kept:1", data=2)
    assert done(nodes[0], "users/ann/subscribe", channel="kept:1", since=position)["sessions"] == 1
    until(lambda: client.payloads() == [2], "what followed arrives")
    answer = post(nodes[0], "users/ann/subscribe", channel="kept:2", since=position)
    assert answer.status_code == 409 and answer.json()["error"]["code"] == "unrecoverable", answer.text
    assert answer.json()["refused"] == {"unrecoverable": 1} and answer.json()["sessions"] == 0


def test_refreshing_and_closing(nodes: list[Node]) -> None:
    first, second, third = (NamedClient(nodes[-1].client, token("ann")) for _ in range(3))
    assert done(nodes[0], f"connections/{first.id}/refresh", expires_at=int(time.time()) + 600)["sessions"] == 1
    detail = nodes[0].api.get(f"/api/v1/connections/{first.id}")
    assert detail["expires_at"] == pytest.approx(time.time() + 600, abs=10), detail
    assert done(nodes[0], f"connections/{first.id}/refresh", never=True)["sessions"] == 1
    assert "expires_at" not in nodes[0].api.get(f"/api/v1/connections/{first.id}")
    assert done(nodes[0], f"connections/{second.id}/refresh", expires_at=int(time.time()) - 1)["sessions"] == 1
    until(lambda: second.named("connecting"), "it ends as when a token expires")
    assert done(nodes[0], f"connections/{third.id}/close", code=4521, reason="enough")["closed"] == third.id
    until(lambda: third.named("disconnected"), "it ends")
    assert third.named("disconnected")[0][1:] == (4521, "enough")
    assert not first.named("disconnected")
    assert refused(nodes[0], "users/ann/close", code=1000) == (400, "invalid_field")
    assert done(nodes[0], "users/ann/close", code=4501)["closed"] >= 1
    until(lambda: first.named("disconnected"), "it ends")


def test_what_is_refused(nodes: list[Node]) -> None:
    client = NamedClient(nodes[-1].client, token("ann"))
    path = f"connections/{client.id}"
    for route, body, expected in [
        (f"{path}/subscribe", {}, (400, "target")), (f"{path}/subscribe", {"channel": "a b"}, (400, "invalid_channel")),
        (f"{path}/subscribe", {"channel": "a", "chanel": "b"}, (400, "unknown_field")), (f"{path}/subscribe", {"channel": "closed:1"}, (409, "not_permitted")),
        (f"{path}/subscribe", {"channel": "a", "expires_at": 1}, (400, "invalid_field")), (f"{path}/subscribe", {"channel": "a", "since": "x"}, (400, "invalid_field")),
        (f"{path}/subscribe", {"channel": "a", "data": "x" * 20_000}, (400, "invalid_field")), (f"{path}/subscribe", {"channel": "$all"}, (400, "invalid_channel")),
        (f"{path}/unsubscribe", {}, (400, "target")), (f"{path}/unsubscribe", {"channel": "a", "all": True}, (400, "target")),
        (f"{path}/refresh", {}, (400, "invalid_field")), (f"{path}/refresh", {"expires_at": 1, "never": True}, (400, "invalid_field")),
        ("connections/nonsense/subscribe", {"channel": "a"}, (400, "invalid_connection")), ("users/ann/subscribe", {"channel": "a", "except": ["x"]}, (400, "invalid_field")),
        (f"users/{'x' * 300}/subscribe", {"channel": "a"}, (400, "invalid_user")),
    ]:  # fmt: skip
        assert refused(nodes[0], route, **body) == expected, (route, body)
    # Somebody who has gone.
    client.close()
    until(lambda: not nodes[0].api.connections(), "it has gone")
    for verb, body in (("subscribe", {"channel": "a"}), ("unsubscribe", {"all": True}), ("refresh", {"never": True})):
        assert refused(nodes[0], f"{path}/{verb}", **body) == (404, "unknown_connection")


def test_what_cannot_be_done_for_a_session_is_said(nodes: list[Node]) -> None:
    client = NamedClient(nodes[-1].client, token("ann"))
    for number in range(8):
        post(nodes[0], "users/ann/subscribe", channel=f"room:{number}")
    answer = post(nodes[0], "users/ann/subscribe", channel="room:9")
    assert answer.status_code == 409 and answer.json()["error"]["code"] == "limit" and answer.json()["refused"] == {"limit": 1}
    with websockets.sync.client.connect(f"ws://{nodes[-1].client}/raw?channel=news&token={token('raw')}"):
        answer = post(nodes[0], "users/raw/unsubscribe", channel="news")
        assert answer.status_code == 409 and answer.json()["error"]["code"] == "wordless", answer.text
    assert not client.named("disconnected")


def test_nodes_that_do_not_answer_are_named(start_node: Any, redis_server: Any) -> None:
    first, second = (start_node(name, redis_url=redis_server.url, **SETTINGS) for name in "ab")
    until(lambda: first.api.node_names() == {"a", "b"}, "the nodes know each other")
    here, there = NamedClient(first.client, token("ann")), NamedClient(second.client, token("ann"))
    second.pause()
    try:
        answer = post(first, "users/ann/subscribe", channel="room:1")
        assert answer.status_code == 503 and answer.json()["error"]["code"] == "nodes_missing", answer.text
        assert answer.json()["nodes"] == {"asked": 2, "answered": 1, "missing": ["b"]} and answer.json()["sessions"] == 1
        alone = post(first, f"connections/{there.id}/subscribe", channel="room:1").json()
        assert alone["nodes"] == {"asked": 1, "answered": 0, "missing": ["b"]} and alone["sessions"] == 0
        closed = post(first, "users/bob/close")
        assert closed.status_code == 503 and closed.json()["nodes"]["missing"] == ["b"], closed.text
        # A session of a node that answers does not need the other.
        assert done(first, f"connections/{here.id}/subscribe", channel="room:2")["sessions"] == 1
    finally:
        second.resume()


def test_a_batch_of_publications(nodes: list[Node]) -> None:
    client = NamedClient(nodes[-1].client, token("ann"))
    client.subscribe("news")
    done(nodes[0], "users/ann/subscribe", channel="kept:1")
    many = [{"channel": "news", "data": number} for number in range(200)]
    answer = done(nodes[0], "publish/batch", publications=[*many, {"channel": "kept:1", "text": "kept"}, {"channels": ["news", "kept:1"], "data": "both"}])
    assert answer["published"] == 202 and len(answer["results"]) == 202
    assert answer["results"][0] == {"published": 1} and list(answer["results"][200]["positions"]) == ["kept:1"]
    assert answer["results"][201]["published"] == 2
    until(lambda: len(client.payloads()) == 203, "all arrive")
    assert [event[2] for event in client.named("publication") if event[1] == "news"] == [*range(200), "both"]
    # One that is not understood, and nothing is published.
    wrong = post(nodes[0], "publish/batch", publications=[{"channel": "news", "data": "no"}, {"channel": "news"}])
    assert wrong.status_code == 400 and wrong.json()["error"]["message"].startswith("publications[1]: "), wrong.text
    for body in ({}, {"publications": []}, {"publications": [{}] * 1001}, {"publications": 1}, {"publication": []}):
        assert post(nodes[0], "publish/batch", **body).status_code == 400, body
    nodes[0].api.publish("news", data="last")
    until(lambda: client.payloads()[-1] == "last", "it arrives")
    assert len(client.payloads()) == 204
