"""Names are bytes (RFC 7519 7.3): two spellings that Unicode has for equal are two users, two keys, two channels."""

import json
import time
import unicodedata
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from rig.node import Node
from rig.waiting import until
from rig.wire import CLOSE, Wire, frame

SECRET = "a secret of more than thirty-two bytes, for tests"
COMPOSED = unicodedata.normalize("NFC", "José")
DECOMPOSED = unicodedata.normalize("NFD", "José")
KELVIN, KAY = "\u212a", "K"
PAIRS = [pytest.param(COMPOSED, DECOMPOSED, id="accent"), pytest.param(KELVIN, KAY, id="kelvin")]
CHANNELS = [
    {"match": "kept*", "subscribe": "anyone", "publish": "client", "history": {"size": 10, "ttl": "1m"}},
    {"match": "*", "subscribe": "anyone", "publish": "client", "presence": True},
]


def token(user: str, headers: dict[str, Any] | None = None, key: str = SECRET, **claims: Any) -> str:
    return jwt.encode({"sub": user, "exp": int(time.time()) + 60, **claims}, key, algorithm="HS256", headers=headers)


def client(node: Node, user: str) -> tuple[Wire, dict[str, Any]]:
    wire = Wire(node.client_port, seconds=10)
    wire.open("/connection/websocket")
    wire.send(frame(json.dumps({"id": 1, "connect": {"token": token(user)}}).encode()))
    return wire, answer_of(wire)


def answer_of(wire: Wire) -> dict[str, Any]:
    """What comes next: an answer, or why the session is over."""
    opcode, payload = wire.read_frame()
    return {"closed": int.from_bytes(payload[:2], "big")} if opcode == CLOSE else json.loads(payload)


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_two_users_are_two(start_node: Any, one: str, other: str) -> None:
    assert one != other
    node = start_node(auth={"keys": [{"secret": SECRET}]}, channels=CHANNELS, limits={"sessions_per_user": 1})
    first, answer = client(node, one)
    assert "connect" in answer
    second, answer = client(node, other)
    assert "connect" in answer, "the other user has a count of its own"
    for user in (one, other):
        third, answer = client(node, user)
        assert "connect" not in answer, answer
        third.close()
        assert [each["user"] for each in node.api.connections(user=user)] == [user]
    closed = node.api.request("POST", f"/api/v1/users/{requests.utils.quote(one)}/close")
    assert closed.status_code == 200 and closed.json()["closed"] == 1, closed.text
    until(lambda: [each["user"] for each in node.api.connections()] == [other], "only the other one is left")
    assert answer_of(first) == {"closed": 4000}
    first.close()

    def is_back() -> bool:
        again, answer = client(node, one)
        again.close()
        return "connect" in answer

    until(is_back, "its count is given back")
    second.close()


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_the_token_of_another_is_no_ones(start_node: Any, one: str, other: str) -> None:
    node = start_node(auth={"keys": [{"secret": SECRET}]}, channels=CHANNELS)
    wire, _ = client(node, one)
    for number, (user, channel, is_good) in enumerate([(other, "a", False), (one, "a", True)], 2):
        wire.send(frame(json.dumps({"id": number, "subscribe": {"channel": channel, "token": token(user, channel=channel)}}).encode()))
        answer = answer_of(wire)
        assert ("subscribe" in answer) == is_good, answer
    wire.close()


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_issuers_audiences_and_keys_are_bytes(start_node: Any, tmp_path: Path, one: str, other: str) -> None:
    keys = [{"secret": SECRET, "id": one}, {"secret": SECRET[::-1], "id": other}]
    node = start_node(auth={"keys": keys, "issuers": [one], "audiences": [one]}, channels=CHANNELS)

    def answer(**of: Any) -> dict[str, Any]:
        wire = Wire(node.client_port, seconds=10)
        wire.open("/connection/websocket")
        claims = {"iss": one, "aud": one, **{key: value for key, value in of.items() if key in ("iss", "aud")}}
        made = token("ann", headers={"kid": of.get("kid", one)}, key=of.get("key", SECRET), **claims)
        wire.send(frame(json.dumps({"id": 1, "connect": {"token": made}}).encode()))
        found = answer_of(wire)
        wire.close()
        return found

    assert "connect" in answer()
    assert "connect" in answer(kid=other, key=SECRET[::-1])
    for wrong in ({"iss": other}, {"aud": other}, {"kid": other}):
        assert "connect" not in answer(**wrong), wrong


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_two_channels_in_one_publish_have_two_positions(start_node: Any, one: str, other: str) -> None:
    node = start_node(channels=CHANNELS)
    answer = node.api.post_publication({"channels": [f"kept{one}", f"kept{other}"], "data": 1})
    assert answer.status_code == 200 and len(answer.json()["positions"]) == 2, answer.text
