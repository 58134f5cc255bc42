"""Answers belong to the command that was asked: whatever was asked in between, and however late they come."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from rig.centrifuge_wire import CentrifugeWire
from rig.issuer import Issuer
from rig.redis_server import RedisServer
from rig.waiting import until

RULES = [
    {"match": "granted:*", "subscribe": "granted", "publish": "server", "history": {"size": 100, "ttl": "10m"}},
    {"match": "*", "subscribe": "anyone", "publish": "client", "history": {"size": 100, "ttl": "10m"}},
]


class Slowly(CentrifugeWire):
    """Notes replies in the order in which they come, and sends several commands in one frame."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        self.order: list[dict[str, Any]] = []
        super().__init__(*arguments, **more)

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            self.order.append(message)
        super()._take(message)

    def together(self, *commands: dict[str, Any]) -> None:
        self.socket.send("\n".join(json.dumps(command) for command in commands))


def outcome(reply: dict[str, Any]) -> str:
    return "error" if "error" in reply else next(key for key in reply if key != "id")


@pytest.mark.parametrize("kind", ["memory", "redis"])
def test_a_subscription_that_is_taken_back_and_asked_for_again_in_one_frame(start_node: Any, tmp_path: Path, kind: str) -> None:
    server = RedisServer(tmp_path).start() if kind == "redis" else None
    node = start_node(redis_url=server.url if server else None, node={"reactors": 2}, channels=RULES[1:])
    # Somebody else holds the channel on both reactors, so that it is confirmed at once.
    holders = [CentrifugeWire(node) for _ in range(12)]
    for holder in holders:
        holder.subscribe("news")
    # Sessions are spread by the system: some are on the home reactor, and some are not.
    clients = [Slowly(node) for _ in range(24)]
    for client in clients:
        client.order.clear()
        client.together(
            {"id": 2, "subscribe": {"channel": "news"}}, {"id": 3, "unsubscribe": {"channel": "news"}},
            {"id": 4, "subscribe": {"channel": "news"}})  # fmt: skip
    for client in clients:
        until(lambda client=client: len(client.order) == 3, "three answers")
        replies = {reply["id"]: outcome(reply) for reply in client.order}
        # The first is answered before it is taken back, with success or with an error; the last one is what counts.
        assert [reply["id"] for reply in client.order] == [2, 3, 4], client.order
        assert replies[2] in ("subscribe", "error") and replies[3] == "unsubscribe" and replies[4] == "subscribe", client.order
    node.api.publish("news", data=1)
    for client in clients:
        until(lambda client=client: len(client.publications) == 1, "it is subscribed, once")
    assert node.api.metric("faults_total") == 0
    for client in [*holders, *clients]:
        client.close()
    node.stop()
    if server:
        server.stop()


@pytest.mark.parametrize("kind", ["memory", "redis"])
def test_the_same_number_for_a_later_command(start_node: Any, tmp_path: Path, kind: str) -> None:
    """Numbers of commands are the client's own: a timeout or an answer of an earlier one is not taken for a later one's."""
    server = RedisServer(tmp_path).start() if kind == "redis" else None
    node = start_node(redis_url=server.url if server else None, node={"reactors": 2}, channels=RULES[1:])
    clients = [Slowly(node) for _ in range(12)]
    for client in clients:
        client.order.clear()
        client.together(*({"id": 7, method: {"channel": "news"}} for _ in range(5) for method in ("subscribe", "unsubscribe")))
        client.together({"id": 7, "subscribe": {"channel": "news"}})
    for client in clients:
        until(lambda client=client: len(client.order) == 11, "as many answers as commands")
        assert outcome(client.order[-1]) == "subscribe", client.order
    node.api.publish("news", data=1)
    for client in clients:
        until(lambda client=client: len(client.publications) == 1, "it is subscribed, once")
        client.close()
    node.stop()
    if server:
        server.stop()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    server = Issuer()
    server.released.clear()
    yield server
    server.stop()


@pytest.mark.parametrize("frames", ["one frame", "two frames"])
def test_a_subscription_whose_key_is_being_fetched_does_not_outlive_its_unsubscribe(
    start_node: Any, issuer: Issuer, frames: str
) -> None:
    first = issuer.add("one")
    node = start_node(auth={"keys": [{"jwks_url": issuer.url}]}, channels=RULES, node={"reactors": 2})
    until(lambda: issuer.fetches == 1, "the keys were fetched once")
    second = issuer.add("two")
    claims = {"exp": int(time.time()) + 60, "sub": "ann"}
    client = Slowly(node, jwt.encode(claims, first, algorithm="RS256", headers={"kid": "one"}))
    client.order.clear()
    token = jwt.encode({**claims, "channel": "granted:a"}, second, algorithm="RS256", headers={"kid": "two"})
    commands = [
        {"id": 2, "subscribe": {"channel": "granted:a", "token": token}}, {"id": 3, "unsubscribe": {"channel": "granted:a"}},
    ]  # fmt: skip
    if frames == "one frame":
        client.together(*commands)
    else:
        for command in commands:
            client.together(command)
    until(lambda: issuer.fetches == 2, "the key is being fetched")
    issuer.released.set()
    until(lambda: len(client.order) == 2, "both are answered")
    assert [reply["id"] for reply in client.order] == [2, 3]
    node.api.publish("granted:a", data=1)
    client.together({"id": 4, "unsubscribe": {"channel": "granted:a"}})
    until(lambda: len(client.order) == 3, "everything before it has come")
    assert client.publications == []
    assert node.api.subscribers("granted:a") == 0
    client.close()
